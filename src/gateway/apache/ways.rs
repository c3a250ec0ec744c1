//! All ways through a configuration: every server, everything in it that passes requests on, every section that makes a
//! difference below.

use std::collections::{BTreeMap, BTreeSet};

use super::load::{Directive, Loaded, Scope, Section, Server};
use super::logs;
use super::run::{Assignment, End, Run, Scene, Verify, carries};
use super::value;
use crate::gateway::hop::{
    Arrival, Carrier, Cause, Client, ClientAuth, Event, Form, Hop, Listener, Part, PathMatch, Place, Protocol, Rewrite,
    Route, Upstream, Value,
};

/// So many ways are told apart for one path.
const MAX_WAYS: usize = 64;
/// So many runs are made for one path.
const MAX_RUNS: usize = 512;
/// So many paths of one server are looked at.
const MAX_PATHS: usize = 400;
/// So many conditions of a way are named in reports.
const MAX_CONDITIONS: usize = 4;

/// A directive that passes requests on.
#[derive(Debug, Clone)]
struct Mapping {
    path: PathMatch,
    /// Nothing: what it names is not passed on.
    target: Option<String>,
    place: Place,
    /// The section it stands in.
    within: Option<Place>,
    label: String,
}

/// What all ways through one server share.
struct Ground<'a> {
    servers: &'a [&'a Server],
    listener: &'a Listener,
    /// Something that was to be included is not here.
    partial: bool,
}

/// Goes all ways; `true`: there were too many of them.
pub(super) fn all(loaded: &Loaded) -> (Vec<Hop>, bool) {
    let mut hops = Vec::new();
    let mut overflow = false;
    let taken: BTreeSet<u16> = loaded.hosts.iter().flat_map(ports).collect();
    let listens: Vec<(u16, bool)> = loaded.main.body.directives.iter().filter_map(listen).collect();
    for host in &loaded.hosts {
        overflow |= server(loaded, Some(host), &listens, &mut hops);
    }
    // The main server takes what no virtual host does.
    let free: Vec<(u16, bool)> = listens.iter().copied().filter(|(port, _)| !taken.contains(port)).collect();
    let everything = loaded.hosts.iter().any(|host| ports(host).is_empty());
    if loaded.hosts.is_empty() || (!free.is_empty() && !everything) {
        overflow |= server(loaded, None, &free, &mut hops);
    }
    (hops, overflow)
}

/// `Listen [ADDRESS:]PORT`: the port, and whether only this machine gets there.
fn listen(directive: &Directive) -> Option<(u16, bool)> {
    if directive.name != "listen" {
        return None;
    }
    let address = directive.word(0);
    let (host, port) = address.rsplit_once(':').unwrap_or(("", address));
    Some((port.parse().ok()?, loopback(host)))
}

fn loopback(host: &str) -> bool {
    host.starts_with("127.") || matches!(host, "localhost" | "[::1]")
}

fn ports(host: &Server) -> Vec<u16> {
    host.addresses.iter().filter_map(|address| address.rsplit_once(':')?.1.parse().ok()).collect()
}

/// The ways through one server.
fn server(loaded: &Loaded, host: Option<&Server>, listens: &[(u16, bool)], hops: &mut Vec<Hop>) -> bool {
    let servers: Vec<&Server> = std::iter::once(&loaded.main).chain(host).collect();
    let own = host.unwrap_or(&loaded.main);
    let mut known = ports(own);
    if known.is_empty() {
        known = listens.iter().map(|(port, _)| *port).collect();
    }
    known.sort_unstable();
    known.dedup();
    let tls = tls(&servers, own, &known, loaded);
    let (verify, asks_at) = verify(&servers);
    let addresses_local = !own.addresses.is_empty()
        && own
            .addresses
            .iter()
            .all(|address| loopback(address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host)));
    let listens_local = !listens.is_empty()
        && known.iter().all(|port| listens.iter().any(|(other, local)| other == port && *local))
        && known.iter().all(|port| listens.iter().filter(|(other, _)| other == port).all(|(_, local)| *local));
    let hosts = hosts(own);
    let named = hosts.first().cloned().unwrap_or_default();
    let label = match (known.first(), named.as_str()) {
        (Some(port), "") => format!(":{port}"),
        (Some(port), name) => format!(":{port} {name}"),
        (None, "") => "the main server".to_owned(),
        (None, name) => name.to_owned(),
    };
    let asked = verify != Verify::None;
    let listener = Listener {
        label,
        ports: known.clone(),
        sockets: Vec::new(),
        hosts,
        tls,
        auth: ClientAuth::Off,
        asks_at,
        // What asks where there is no TLS asks nobody.
        in_vain: (asked && !tls && asks_at.is_some_and(|at| host.is_some_and(|host| has(host, at))))
            .then_some(Cause::Mode),
        inner: addresses_local || listens_local,
    };
    let partial = loaded.main.partial || own.partial;
    let mappings = mappings(&servers);
    let mut overflow = false;
    for (path, mapping) in paths(&servers, &mappings) {
        let scene = Scene {
            servers: servers.clone(),
            tls,
            port: match known.as_slice() {
                [port] => Some(*port),
                _ => None,
            },
            verify: if tls { verify } else { Verify::None },
            authority: partial || has_authority(&servers),
            path: &path,
            target: mapping.target.as_deref(),
            within: mapping.within,
        };
        let ground = Ground { servers: &servers, listener: &listener, partial };
        overflow |= way(&ground, &scene, &mapping, hops);
    }
    overflow
}

fn has_authority(servers: &[&Server]) -> bool {
    let of =
        |section: &Section| section.directives.iter().any(|directive| directive.name.starts_with("sslcacertificate"));
    servers.iter().any(|server| of(&server.body) || server.body.sections.iter().any(of))
}

fn has(server: &Server, place: Place) -> bool {
    server.body.directives.iter().any(|directive| directive.place == place)
}

/// The last directive of that name that a server has, or that the main server has for it.
fn setting<'a>(servers: &[&'a Server], name: &str) -> Option<&'a Directive> {
    servers.iter().rev().find_map(|server| server.body.directives.iter().rev().find(|directive| directive.name == name))
}

/// Whether TLS ends here.
fn tls(servers: &[&Server], own: &Server, ports: &[u16], loaded: &Loaded) -> bool {
    match setting(servers, "sslengine") {
        Some(engine) => !engine.word(0).eq_ignore_ascii_case("off"),
        None => {
            // `Listen 8443 https`; port 443 is for it anyway.
            let https = loaded.main.body.directives.iter().any(|directive| {
                directive.word(1).eq_ignore_ascii_case("https")
                    && listen(directive).is_some_and(|(port, _)| ports.contains(&port))
            });
            // What turns it on may stand in a file that is not here.
            let certificate = own.body.directives.iter().any(|directive| directive.name == "sslcertificatefile");
            https || (certificate && (ports.contains(&443) || own.partial))
        }
    }
}

fn verify(servers: &[&Server]) -> (Verify, Option<Place>) {
    let setting = setting(servers, "sslverifyclient");
    let verify = setting.map_or(Verify::None, |directive| Verify::of(directive.word(0)));
    (verify, setting.filter(|_| verify != Verify::None).map(|directive| directive.place))
}

fn hosts(server: &Server) -> Vec<String> {
    let mut hosts = Vec::new();
    for directive in &server.body.directives {
        if matches!(directive.name.as_str(), "servername" | "serveralias") {
            for word in directive.words.iter().filter(|word| !word.open) {
                let name = word.text.split("://").last().unwrap_or_default().split(':').next().unwrap_or_default();
                hosts.push(name.to_ascii_lowercase());
            }
        }
    }
    hosts
}

/// What passes requests on, in the order in which it is tried.
fn mappings(servers: &[&Server]) -> Vec<Mapping> {
    let mut mappings = Vec::new();
    for server in servers.iter().rev() {
        for section in &server.body.sections {
            located(section, &mut mappings);
        }
    }
    // The last section that is merged counts.
    mappings.reverse();
    for server in servers.iter().rev() {
        for directive in &server.body.directives {
            let path = directive.word(0).to_owned();
            let target = directive.word(1);
            let path = match directive.name.as_str() {
                "proxypass" => PathMatch::Prefix(path),
                "proxypassmatch" => PathMatch::Pattern(path),
                _ => continue,
            };
            if target.is_empty() {
                continue;
            }
            mappings.push(Mapping {
                path,
                target: (target != "!").then(|| target.to_owned()),
                place: directive.place,
                within: None,
                label: format!(
                    "{} {}",
                    if directive.name == "proxypass" { "ProxyPass" } else { "ProxyPassMatch" },
                    directive.word(0)
                ),
            });
        }
        for directive in server.body.directives.iter().filter(|directive| directive.name == "rewriterule") {
            let flags = directive.word(2).trim_matches(['[', ']']);
            if flags.split(',').any(|flag| matches!(flag.trim(), "P" | "proxy")) {
                mappings.push(Mapping {
                    path: PathMatch::Pattern(directive.word(0).to_owned()),
                    target: None,
                    place: directive.place,
                    within: None,
                    label: format!("RewriteRule {}", directive.word(0)),
                });
            }
        }
    }
    mappings
}

/// `ProxyPass` and handlers in a section.
fn located(section: &Section, mappings: &mut Vec<Mapping>) {
    let (path, label) = match &section.scope {
        Scope::Location(path) if !path.contains(['*', '?', '[']) => {
            (PathMatch::Prefix(path.clone()), format!("<Location {path}>"))
        }
        Scope::Location(path) => (PathMatch::Other, format!("<Location {path}>")),
        Scope::LocationMatch(pattern) => (PathMatch::Pattern(pattern.clone()), format!("<LocationMatch {pattern}>")),
        Scope::Files(label) => (PathMatch::Other, label.clone()),
        _ => return,
    };
    for directive in section.directives.iter().chain(section.sections.iter().flat_map(|section| &section.directives)) {
        let target = match directive.name.as_str() {
            "proxypass" | "proxypassmatch" => directive.word(0),
            "sethandler" => match directive.word(0).strip_prefix("proxy:") {
                Some(target) => target,
                None => continue,
            },
            _ => continue,
        };
        mappings.push(Mapping {
            path: path.clone(),
            target: (target != "!").then(|| target.to_owned()),
            place: directive.place,
            within: Some(section.place),
            label: label.clone(),
        });
    }
}

/// A path for every way that differs from others, with what passes it on.
fn paths(servers: &[&Server], mappings: &[Mapping]) -> Vec<(String, Mapping)> {
    let mut prefixes: BTreeSet<String> = BTreeSet::new();
    for mapping in mappings {
        if let PathMatch::Prefix(path) = &mapping.path {
            prefixes.insert(path.clone());
        }
    }
    for section in servers.iter().flat_map(|server| &server.body.sections) {
        if let Scope::Location(path) = &section.scope
            && !path.contains(['*', '?', '['])
        {
            prefixes.insert(path.clone());
        }
    }
    let mut paths: Vec<(String, Mapping)> = Vec::new();
    for prefix in prefixes {
        let takes = |mapping: &&Mapping| match &mapping.path {
            PathMatch::Prefix(path) => below(path, &prefix),
            _ => false,
        };
        if let Some(mapping) = mappings.iter().find(takes)
            && mapping.target.is_some()
        {
            paths.push((prefix.clone(), Mapping { path: PathMatch::Prefix(prefix), ..mapping.clone() }));
        }
    }
    for mapping in mappings {
        match &mapping.path {
            PathMatch::Prefix(_) => {}
            PathMatch::Pattern(pattern) => paths.push((sample(pattern), mapping.clone())),
            _ => paths.push(("/".to_owned(), mapping.clone())),
        }
    }
    paths.truncate(MAX_PATHS);
    paths
}

fn below(prefix: &str, path: &str) -> bool {
    let bare = prefix.trim_end_matches('/');
    path.strip_prefix(bare).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The part of a path that all that match a pattern begin with.
fn sample(pattern: &str) -> String {
    let fixed: String =
        pattern.trim_start_matches('^').chars().take_while(|c| !r"\.+*?()|[]{}^$".contains(*c)).collect();
    if fixed.starts_with('/') { fixed } else { "/".to_owned() }
}

/// All that can become of requests for one path.
fn way(ground: &Ground<'_>, scene: &Scene<'_>, mapping: &Mapping, hops: &mut Vec<Hop>) -> bool {
    let mut open: Vec<Assignment> = vec![Assignment::new()];
    let (mut runs, mut ways, mut overflow) = (0, 0, false);
    while let Some(assignment) = open.pop() {
        runs += 1;
        if runs > MAX_RUNS || ways > MAX_WAYS {
            overflow = true;
            break;
        }
        let mut ends = Vec::with_capacity(3);
        let mut demand = None;
        for client in Client::ALL {
            let mut run = Run::new(scene, client, &assignment);
            match run.go() {
                Ok(end) => ends.push((run, end)),
                Err(key) => {
                    demand = Some(key);
                    break;
                }
            }
        }
        if let Some(key) = demand {
            for value in [false, true] {
                let mut next = assignment.clone();
                next.insert(key.clone(), value);
                open.push(next);
            }
            continue;
        }
        let mut taken: BTreeMap<(String, Place), [Option<Run<'_>>; 3]> = BTreeMap::new();
        for (at, (run, end)) in ends.into_iter().enumerate() {
            let End::Upstream(sent) = end else { continue };
            let target = match (sent, scene.target) {
                (Some(sent), _) => sent,
                (None, Some(target)) => (target.to_owned(), mapping.place),
                (None, None) => continue,
            };
            taken.entry(target).or_default()[at] = Some(run);
        }
        for ((target, place), runs) in taken {
            ways += 1;
            if let Some(hop) = hop(ground, mapping, &assignment, (&target, place), runs)
                && !hops.iter().any(|other| same(other, &hop))
            {
                hops.push(hop);
            }
        }
    }
    overflow
}

/// Whether nothing but the path, or conditions on which nothing hangs, tells two ways apart.
fn same(some: &Hop, other: &Hop) -> bool {
    // Most differ in what sends them on; looked at first, since there may be thousands.
    if some.upstream.place != other.upstream.place {
        return false;
    }
    let covered = match (&some.route.path, &other.route.path) {
        (PathMatch::Prefix(outer), PathMatch::Prefix(inner)) => below(outer, inner),
        (some, other) => some == other,
    };
    covered
        && some.listener == other.listener
        && some.upstream == other.upstream
        && some.arrivals == other.arrivals
        && (&some.lost, &some.rewrites, &some.bypass, &some.logs, &some.cors)
            == (&other.lost, &other.rewrites, &other.bypass, &other.logs, &other.cors)
}

fn hop(
    ground: &Ground<'_>,
    mapping: &Mapping,
    assignment: &Assignment,
    (target, place): (&str, Place),
    mut runs: [Option<Run<'_>>; 3],
) -> Option<Hop> {
    let Ground { servers, listener, partial } = *ground;
    let target = Target::of(target, servers)?;
    let first = runs.iter().flatten().next()?;
    let (inner, consumes) = (first.inner, first.consumes);
    let verify = runs.iter().flatten().map(|run| run.verify).max().unwrap_or(Verify::None);
    let asks_at = first.asks_at.or(listener.asks_at);
    let lost = runs[0].as_ref().or(runs[2].as_ref()).and_then(|run| run.lost.clone());
    let mut rewrites = first.rewrites.clone();
    let preserved =
        setting_in(servers, mapping, "proxypreservehost").is_some_and(|d| d.word(0).eq_ignore_ascii_case("on"));
    let untold = setting_in(servers, mapping, "proxyaddheaders").is_some_and(|d| d.word(0).eq_ignore_ascii_case("off"));
    let cgi = setting_in(servers, mapping, "cgipassauth").map(|d| d.word(0).eq_ignore_ascii_case("on"));
    let passed_in_part =
        servers.iter().any(|server| server.body.sections.iter().any(|section| says(section, "cgipassauth")));
    let names_authorization = servers.iter().flat_map(|server| &server.body.directives).any(|directive| {
        matches!(directive.name.as_str(), "setenvif" | "rewriterule")
            && directive.words.iter().any(|word| word.text.contains("HTTP_AUTHORIZATION"))
    });
    let mut prefix_told = false;
    for run in runs.iter_mut().flatten() {
        let exported = run.exported();
        let request = run.request();
        prefix_told |= ["x-forwarded-prefix", "x-original-uri", "x-forwarded-uri", "x-script-name"]
            .iter()
            .any(|name| request.headers.get(*name).is_some_and(|slot| !slot.values.is_empty()));
        let own = request.headers.contains_key("host");
        match target.protocol {
            Protocol::Gateway => {
                // In which form the certificate comes as a parameter is the protocol's affair.
                let data = exported.is_some_and(|(data, _)| data) || (target.scheme == "ajp" && exported.is_some());
                if data {
                    request.set("ssl_client_cert", vec![Value::Unknown], None);
                }
                if target.scheme != "ajp" {
                    if let Some((_, true)) = exported {
                        request.set("ssl_client_s_dn", vec![Value::Certificate(Form::Dn)], None);
                        request.set("ssl_client_verify", vec![Value::Verification], None);
                    }
                    if !names_authorization && cgi != Some(true) {
                        // A section may say otherwise.
                        let values = if cgi.is_none() && passed_in_part { vec![Value::Unknown] } else { Vec::new() };
                        request.set("authorization", values, Some(Event::new(place, Cause::NotListed)));
                    }
                }
            }
            _ if !preserved => {
                request.set("host", vec![Value::Constant(target.host.clone())], Some(Event::new(place, Cause::Set)));
            }
            _ => {}
        }
        if own && preserved && rewrites.iter().all(|rewrite| rewrite.part != Part::Host) {
            rewrites.push(Rewrite { part: Part::Host, place, told: false });
        }
    }
    if !preserved && target.protocol == Protocol::Http {
        rewrites.push(Rewrite { part: Part::Host, place, told: !untold });
    }
    if let (PathMatch::Prefix(_), Some(from)) = (&mapping.path, mapped(mapping))
        && from.trim_end_matches('/') != target.path.trim_end_matches('/')
        && target.protocol == Protocol::Http
    {
        rewrites.push(Rewrite { part: Part::Path, place, told: prefix_told });
    }
    // Whether a file that is not here asks for certificates can't be told.
    let unknown = partial && verify == Verify::None && listener.tls;
    let arrival = |run: Option<Run<'_>>| match run {
        Some(_) if unknown => Arrival::Unknown,
        Some(run) => run.arrival(),
        None => Arrival::Refused,
    };
    let arrivals = runs.map(arrival);
    Some(Hop {
        listener: Listener {
            auth: match () {
                () if unknown => ClientAuth::Unknown,
                () if listener.tls => verify.auth(),
                () => ClientAuth::Off,
            },
            asks_at,
            inner: listener.inner || inner,
            ..listener.clone()
        },
        route: Route { label: mapping.label.clone(), path: mapping.path.clone(), when: when(assignment) },
        upstream: Upstream { label: target.label, names: target.names, protocol: target.protocol, place },
        arrivals,
        carriers: carriers(servers),
        lost,
        bypass: None,
        alias: None,
        rewrites,
        logs: logs::logged(servers),
        cors: logs::cors(servers),
        consulted: Vec::new(),
        consumes_authorization: consumes,
        checks_binding: false,
    })
}

/// Whether a directive stands anywhere in a section.
fn says(section: &Section, name: &str) -> bool {
    section.directives.iter().any(|directive| directive.name == name)
        || section.sections.iter().any(|section| says(section, name))
}

/// The path that a mapping takes away.
fn mapped(mapping: &Mapping) -> Option<String> {
    let label = mapping.label.trim_end_matches('>');
    label.split_once(' ').map(|(_, path)| path.to_owned())
}

/// A setting where the mapping stands, or of the server around it.
fn setting_in<'a>(servers: &[&'a Server], mapping: &Mapping, name: &str) -> Option<&'a Directive> {
    let section = mapping
        .within
        .and_then(|at| servers.iter().flat_map(|server| &server.body.sections).find(|section| section.place == at));
    let inner = section.and_then(|section| section.directives.iter().rev().find(|directive| directive.name == name));
    inner.or_else(|| setting(servers, name))
}

fn when(assignment: &Assignment) -> Vec<String> {
    let (yes, no): (Vec<_>, Vec<_>) = assignment.iter().partition(|(_, holds)| **holds);
    let yes = yes.into_iter().map(|(key, _)| key.clone());
    yes.chain(no.into_iter().map(|(key, _)| format!("not ({key})"))).take(MAX_CONDITIONS).collect()
}

/// Everything in these servers that is to carry the certificate.
fn carriers(servers: &[&Server]) -> Vec<Carrier> {
    fn of(section: &Section, carriers: &mut Vec<Carrier>) {
        for directive in section.directives.iter().filter(|directive| directive.name == "requestheader") {
            if !directive.word(0).eq_ignore_ascii_case("unset")
                && let Some(form) = carries(&value::parse(directive.word(2)))
            {
                carriers.push(Carrier { header: directive.word(1).to_ascii_lowercase(), form, place: directive.place });
            }
        }
        section.sections.iter().for_each(|section| of(section, carriers));
    }
    let mut carriers = Vec::new();
    servers.iter().for_each(|server| of(&server.body, &mut carriers));
    carriers
}

/// An upstream as it is named in a URL.
struct Target {
    scheme: String,
    /// As it stands in `Host`.
    host: String,
    path: String,
    names: Vec<String>,
    label: String,
    protocol: Protocol,
}

impl Target {
    fn of(url: &str, servers: &[&Server]) -> Option<Self> {
        // `unix:/run/app.sock|http://app/`
        let (socket, url) = match url.strip_prefix("unix:").and_then(|rest| rest.split_once('|')) {
            Some((socket, url)) => (Some(socket), url),
            None => (None, url),
        };
        let (scheme, rest) = url.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let end = rest.find(['/', '?', '$']).unwrap_or(rest.len());
        let (host, path) = (rest[..end].to_ascii_lowercase(), rest[end..].to_owned());
        let protocol = match scheme.as_str() {
            "ajp" | "fcgi" | "uwsgi" | "scgi" => Protocol::Gateway,
            "ftp" | "connect" => return None,
            _ => Protocol::Http,
        };
        let mut names = Vec::new();
        let mut protocol = protocol;
        match (scheme.as_str(), socket) {
            (_, Some(socket)) => names.push(format!("unix:{socket}")),
            ("balancer", _) => {
                names.push(format!("balancer://{host}"));
                for member in members(&host, servers) {
                    if let Some((scheme, rest)) = member.split_once("://") {
                        let end = rest.find('/').unwrap_or(rest.len());
                        names.push(with_port(scheme, &rest[..end].to_ascii_lowercase()));
                        if matches!(scheme, "ajp" | "fcgi" | "uwsgi" | "scgi") {
                            protocol = Protocol::Gateway;
                        }
                    }
                }
            }
            (scheme, None) => names.push(with_port(scheme, &host)),
        }
        let label = match socket {
            Some(socket) => format!("unix:{socket}"),
            None => format!("{scheme}://{host}"),
        };
        Some(Self { scheme, host, path, names, label, protocol })
    }
}

fn with_port(scheme: &str, host: &str) -> String {
    if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
        return host.to_owned();
    }
    let port = match scheme {
        "https" | "wss" | "h2" => 443,
        "ajp" => 8009,
        "fcgi" => 8000,
        "uwsgi" => 3031,
        "scgi" => 4000,
        _ => 80,
    };
    format!("{host}:{port}")
}

/// The members of a balancer.
fn members(name: &str, servers: &[&Server]) -> Vec<String> {
    let mut members = Vec::new();
    for section in servers.iter().flat_map(|server| &server.body.sections) {
        let Scope::Proxy { pattern, .. } = &section.scope else { continue };
        if pattern.trim_end_matches('/').eq_ignore_ascii_case(&format!("balancer://{name}")) {
            let directives = section.directives.iter().filter(|directive| directive.name == "balancermember");
            members.extend(directives.map(|directive| directive.word(0).to_owned()));
        }
    }
    members
}
