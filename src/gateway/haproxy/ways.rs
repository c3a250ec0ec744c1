//! All ways through a configuration: every frontend and bind, every backend, every way in which conditions can turn out.

use std::collections::{BTreeMap, BTreeSet};

use super::bind::{Bind, Verify};
use super::condition::{Condition, Formula};
use super::config::{Action, Level, Mode, Names, Proxy, Rule};
use super::logs;
use super::run::{Assignment, Demand, End, Run, Scene, carries};
use crate::gateway::Hole;
use crate::gateway::hop::{
    Arrival, Carrier, Cause, Client, Event, Hop, Listener, Part, PathMatch, Place, Protocol, Request, Rewrite, Route,
    Upstream, Value,
};

/// So many ways to one backend are told apart.
const MAX_WAYS: usize = 64;
/// So many runs are made for one bind.
const MAX_RUNS: usize = 1024;
/// So many conditions of a way are named in reports.
const MAX_CONDITIONS: usize = 4;
/// Headers that matter besides those that are filled from the connection.
const NAMES: &[&str] = &["authorization", "dpop", "host", "x-forwarded-host", "x-forwarded-prefix", "x-original-uri"];

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Ways {
    pub(super) hops: Vec<Hop>,
    pub(super) holes: Vec<Hole>,
    /// Something that was not followed could fill headers.
    pub(super) partial: bool,
}

/// Goes all ways.
pub(super) fn all(proxies: &[Proxy], scripted: bool) -> Ways {
    let names = names(proxies);
    let mut ways = Ways::default();
    for frontend in proxies.iter().filter(|proxy| proxy.kind != "backend") {
        let mut done: Vec<&Bind> = Vec::new();
        for bind in &frontend.binds {
            // Binds that differ in nothing but their address are one listener, unless conditions ask for the port.
            if done.iter().any(|other| other.alike(bind)) && !asks_for_port(proxies) {
                continue;
            }
            done.push(bind);
            let mut merged = bind.clone();
            if !asks_for_port(proxies) {
                for other in frontend.binds.iter().filter(|other| other.alike(bind)) {
                    merged.ports.extend(&other.ports);
                    merged.asks_at = merged.asks_at.or(other.asks_at);
                }
                merged.ports.sort_unstable();
                merged.ports.dedup();
            }
            let scene =
                Scene { proxies, frontend, bind: &merged, names: &names, coarse: frontend.mode == Mode::Tcp, scripted };
            let mut explored = explore(scene);
            if explored.overflow {
                explored = explore(Scene { coarse: true, ..scene });
            }
            ways.partial |= explored.overflow;
            for (name, place) in explored.missing {
                ways.partial = true;
                ways.holes.push(Hole { place, reason: format!("no backend {name} is here") });
            }
            ways.hops.extend(explored.hops);
        }
    }
    ways.holes.sort_by_key(|hole| hole.place);
    ways.holes.dedup();
    ways
}

fn rules(proxy: &Proxy) -> impl Iterator<Item = &Rule> {
    proxy.levels.iter().flat_map(Level::all)
}

/// The headers that matter.
fn names(proxies: &[Proxy]) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    for rule in proxies.iter().flat_map(rules) {
        match &rule.action {
            Action::Set { name, parts, .. } => {
                let says = parts.iter().any(|part| match part {
                    super::sample::Part::Sample(sample) => sample.of_certificate() || sample.fetch == "var",
                    _ => false,
                });
                if says {
                    names.insert(name.clone());
                }
            }
            // Whoever clears a header by name believes in it.
            Action::Delete(Names::One(name)) => _ = names.insert(name.clone()),
            _ => {}
        }
    }
    names
}

fn asks_for_port(proxies: &[Proxy]) -> bool {
    let asks = |condition: &Option<Condition>, acls| {
        condition.as_ref().is_some_and(|condition| condition.criteria(acls).any(|test| test.sample.fetch == "dst_port"))
    };
    proxies.iter().any(|proxy| {
        proxy.levels.iter().any(|level| {
            level.all().any(|rule| asks(&rule.condition, &level.acls))
                || proxy.ways.iter().any(|way| asks(&way.condition, &level.acls))
        })
    })
}

#[derive(Default)]
struct Explored {
    hops: Vec<Hop>,
    missing: Vec<(String, Place)>,
    overflow: bool,
}

fn explore(scene: Scene<'_>) -> Explored {
    let mut explored = Explored::default();
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    let mut open: Vec<(Assignment, BTreeMap<String, Formula>)> = vec![Default::default()];
    let mut runs = 0;
    while let Some((assignment, formulas)) = open.pop() {
        runs += 1;
        if runs > MAX_RUNS {
            explored.overflow = true;
            break;
        }
        let mut ends = Vec::with_capacity(3);
        let mut demand = None;
        for client in Client::ALL {
            let mut run = Run::new(scene, client, &assignment);
            match run.go() {
                Ok(end) => ends.push((run, end)),
                Err(wanted) => {
                    demand = Some(wanted);
                    break;
                }
            }
        }
        if let Some(Demand { key, formula }) = demand {
            for value in [false, true] {
                let mut next = assignment.clone();
                next.insert(key.clone(), value);
                let mut formulas = formulas.clone();
                if let Some(formula) = &formula {
                    formulas.insert(key.clone(), formula.clone());
                }
                open.push((next, formulas));
            }
            continue;
        }
        if contradicts(&assignment, &formulas) {
            continue;
        }
        leaf(scene, &assignment, ends, &mut counts, &mut explored);
    }
    explored
}

/// Whether what was assumed of a condition as a whole does not fit what was assumed of its parts.
fn contradicts(assignment: &Assignment, formulas: &BTreeMap<String, Formula>) -> bool {
    formulas.iter().any(|(key, formula)| {
        let all = |all: &Vec<(String, bool)>| {
            let known: Vec<Option<bool>> =
                all.iter().map(|(key, holds)| assignment.get(key).map(|known| known == holds)).collect();
            match () {
                () if known.contains(&Some(false)) => Some(false),
                () if known.contains(&None) => None,
                () => Some(true),
            }
        };
        let known: Vec<Option<bool>> = formula.iter().map(all).collect();
        let holds = match () {
            () if known.contains(&Some(true)) => Some(true),
            () if known.contains(&None) => None,
            () => Some(false),
        };
        holds.is_some() && holds != assignment.get(key).copied()
    })
}

/// The ways that the runs of all clients took.
fn leaf(
    scene: Scene<'_>,
    assignment: &Assignment,
    ends: Vec<(Run<'_>, End)>,
    counts: &mut BTreeMap<usize, usize>,
    explored: &mut Explored,
) {
    let mut taken: BTreeMap<usize, (Place, [Option<Run<'_>>; 3])> = BTreeMap::new();
    for (client, (run, end)) in ends.into_iter().enumerate() {
        match end {
            End::Refused => {}
            End::Missing(name, place) => {
                if !explored.missing.contains(&(name.clone(), place)) {
                    explored.missing.push((name, place));
                }
            }
            End::Proxy(at, place) => taken.entry(at).or_insert((place, [None, None, None])).1[client] = Some(run),
        }
    }
    let elsewhere = taken.len() > 1;
    for (at, (place, runs)) in taken {
        let count = counts.entry(at).or_default();
        *count += 1;
        if *count > MAX_WAYS {
            explored.overflow = true;
            continue;
        }
        let hop = hop(scene, assignment, &scene.proxies[at], place, runs, elsewhere);
        // Ways that differ only in conditions on which nothing hangs are one.
        let same = |other: &&mut Hop| {
            other.upstream == hop.upstream
                && other.arrivals == hop.arrivals
                && (&other.lost, &other.rewrites, &other.bypass, &other.route.path)
                    == (&hop.lost, &hop.rewrites, &hop.bypass, &hop.route.path)
        };
        if explored.hops.iter_mut().find(same).is_none() {
            explored.hops.push(hop);
        }
    }
}

fn hop(
    scene: Scene<'_>,
    assignment: &Assignment,
    backend: &Proxy,
    place: Place,
    runs: [Option<Run<'_>>; 3],
    elsewhere: bool,
) -> Hop {
    let (frontend, bind) = (scene.frontend, scene.bind);
    let (mut lost, mut rewrites, mut consumes) = (None, Vec::new(), false);
    for run in runs.iter().flatten() {
        lost = lost.or_else(|| run.lost.clone());
        consumes |= run.authenticates;
        if rewrites.is_empty() {
            rewrites = rewritten(run);
        }
    }
    // The explanation is for clients that have a certificate.
    if let Some(verified) = &runs[0] {
        lost = verified.lost.clone();
    }
    let protocol = match backend.mode {
        Mode::Tcp if bind.tls => Protocol::Stream,
        Mode::Tcp => Protocol::Passthrough,
        Mode::Http if backend.servers.iter().any(|server| server.fastcgi) => Protocol::Gateway,
        Mode::Http => Protocol::Http,
    };
    let [verified, anonymous, foreign] = runs;
    // Good clients go elsewhere: that bad ones lack a header here says nothing.
    let spared = elsewhere && verified.is_none() && foreign.is_some();
    let unknown = frontend.holes || backend.holes;
    let arrival = |run: Option<Run<'_>>| match run {
        Some(_) if unknown && protocol != Protocol::Passthrough => Arrival::Unknown,
        Some(run) if protocol == Protocol::Passthrough => {
            drop(run);
            Arrival::Reaches(Request::untouched())
        }
        Some(run) => run.arrival(),
        None => Arrival::Refused,
    };
    let mut arrivals = [arrival(verified), arrival(anonymous), arrival(foreign)];
    if spared {
        arrivals[0] = Arrival::Unknown;
    }
    let auth = bind.auth();
    let bypass = bypass(frontend, backend, bind, &arrivals);
    let listens = frontend.binds.iter().any(|bind| bind.tls);
    Hop {
        listener: Listener {
            label: label(frontend, bind),
            ports: bind.ports.clone(),
            sockets: bind.sockets().collect(),
            hosts: bind.hosts.clone(),
            tls: bind.tls,
            auth,
            asks_at: bind.asks_at,
            in_vain: bind.in_vain,
            inner: inner(scene, backend),
        },
        route: Route {
            label: match std::ptr::eq(frontend, backend) {
                true => format!("{} {}", frontend.kind, frontend.name),
                false => format!("{} {} to {} {}", frontend.kind, frontend.name, backend.kind, backend.name),
            },
            path: path(assignment),
            when: when(assignment),
        },
        upstream: Upstream {
            label: format!("{} {}", backend.kind, backend.name),
            names: std::iter::once(backend.name.to_ascii_lowercase())
                .chain(backend.servers.iter().filter_map(|server| server.address.clone()))
                .collect(),
            protocol,
            place,
        },
        arrivals,
        carriers: if listens || !bind.tls { carriers(frontend, backend) } else { Vec::new() },
        lost,
        bypass,
        alias: frontend.underscores.map(|place| Event::new(place, Cause::Alias)),
        rewrites,
        logs: logs::logged(frontend, scene.proxies),
        cors: logs::cors([frontend, backend]),
        consulted: Vec::new(),
        consumes_authorization: consumes,
        checks_binding: false,
    }
}

fn label(frontend: &Proxy, bind: &Bind) -> String {
    match bind.ports.first() {
        Some(port) => format!("{} {} (:{port})", frontend.kind, frontend.name),
        None => format!("{} {}", frontend.kind, frontend.name),
    }
}

fn when(assignment: &Assignment) -> Vec<String> {
    let (yes, no): (Vec<_>, Vec<_>) = assignment.iter().partition(|(_, holds)| **holds);
    let yes = yes.into_iter().map(|(key, _)| key.clone());
    yes.chain(no.into_iter().map(|(key, _)| format!("not ({key})"))).take(MAX_CONDITIONS).collect()
}

/// The paths that take a way, where its conditions say so plainly.
fn path(assignment: &Assignment) -> PathMatch {
    let mut known = PathMatch::Any;
    for (key, holds) in assignment {
        if !holds {
            known = PathMatch::Other;
            break;
        }
        known = match (known, key.split_once(' ')) {
            (PathMatch::Any, Some(("path_beg", path))) if !path.contains(' ') => PathMatch::Prefix(path.to_owned()),
            (PathMatch::Any, Some(("path", path))) if !path.contains(' ') => PathMatch::Exact(path.to_owned()),
            _ => PathMatch::Other,
        };
    }
    known
}

/// Everything that is to carry the certificate on this way.
fn carriers(frontend: &Proxy, backend: &Proxy) -> Vec<Carrier> {
    let both = if std::ptr::eq(frontend, backend) { vec![frontend] } else { vec![frontend, backend] };
    let carrier = |rule: &Rule| match &rule.action {
        Action::Set { name, parts, .. } => {
            Some(Carrier { header: name.clone(), form: carries(parts)?, place: rule.place })
        }
        _ => None,
    };
    both.into_iter().flat_map(rules).filter_map(carrier).collect()
}

/// What was changed of the target, and whether the servers are told.
fn rewritten(run: &Run<'_>) -> Vec<Rewrite> {
    let told = |names: &[&str]| {
        names.iter().any(|name| !matches!(run.now(name).values.as_slice(), [] | [Value::Client] | [Value::Empty]))
    };
    let mut rewrites = run.rewrites.clone();
    for rewrite in &mut rewrites {
        rewrite.told = rewrite.part == Part::Path
            && told(&["x-forwarded-prefix", "x-original-uri", "x-forwarded-uri", "x-original-url", "x-forwarded-path"]);
    }
    let host = run.now("host");
    let kept = matches!(host.values.as_slice(), [Value::Client | Value::Unknown])
        || host.values == [Value::ClientHeader("host".to_owned())];
    if let (false, Some(event)) = (kept, host.event) {
        rewrites.push(Rewrite {
            part: Part::Host,
            place: event.place,
            told: told(&["x-forwarded-host", "forwarded", "x-original-host"]),
        });
    }
    rewrites
}

/// `deny unless { ssl_c_verify 0 }`: meant to demand a certificate, and satisfied by none (section 7.3.4).
fn bypass(frontend: &Proxy, backend: &Proxy, bind: &Bind, arrivals: &[Arrival; 3]) -> Option<Event> {
    if bind.verify != Verify::Optional || !bind.tls || bind.lenient || arrivals[1].request().is_none() {
        return None;
    }
    let mut meant = None;
    for proxy in [frontend, backend] {
        for level in &proxy.levels {
            for rule in level.all() {
                let (Action::Refuse, Some(condition)) = (&rule.action, &rule.condition) else { continue };
                let fetches: Vec<&str> =
                    condition.criteria(&level.acls).map(|criterion| criterion.sample.fetch.as_str()).collect();
                if fetches
                    .iter()
                    .any(|fetch| fetch.starts_with("ssl_c_") && *fetch != "ssl_c_verify" && *fetch != "ssl_c_err")
                    || fetches.contains(&"ssl_fc_has_crt")
                {
                    return None;
                }
                // Where only verified certificates come in, nothing else can be meant.
                if !fetches.is_empty() && fetches.iter().all(|fetch| *fetch == "ssl_c_verify") {
                    meant = meant.or(Some(Event::new(rule.place, Cause::Conditional)));
                }
            }
        }
    }
    meant
}

/// Only clients on this machine, or on a list, come in here.
fn inner(scene: Scene<'_>, backend: &Proxy) -> bool {
    let listed = [scene.frontend, backend].into_iter().any(|proxy| {
        proxy.levels.iter().any(|level| {
            level.all().any(|rule| {
                matches!(rule.action, Action::Refuse)
                    && rule.guards.is_empty()
                    && rule
                        .condition
                        .as_ref()
                        .and_then(|condition| condition.denies_all_but(&level.acls))
                        .is_some_and(|criteria| criteria.iter().all(|criterion| criterion.sample.fetch == "src"))
            })
        })
    });
    if listed {
        return true;
    }
    // A frontend of this configuration may send the bytes of anybody here.
    let passed = scene.proxies.iter().filter(|proxy| proxy.mode == Mode::Tcp).any(|proxy| {
        proxy
            .servers
            .iter()
            .filter_map(|server| server.address.as_ref())
            .any(|address| scene.frontend.binds.iter().flat_map(|bind| &bind.addresses).any(|own| own == address))
    });
    scene.bind.local && !passed && !scene.bind.addresses.is_empty()
}
