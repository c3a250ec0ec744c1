//! Routes as ways through Kong.

use std::collections::BTreeSet;

use super::conf::Conf;
use super::plugins::{self, Asked};
use super::set::{Plugins, Route as Entity, Set};
use crate::gateway::hop::{
    Arrival, Carrier, Cause, Client, ClientAuth, Event, Hop, Listener, Others, Part, PathMatch, Place, Protocol,
    Request, Rewrite, Route, Upstream, Value,
};
use crate::gateway::run::{Handshake, Run, dial};
use crate::gateway::tree::{At, Switch};
use crate::gateway::{Configuration, Hole};

/// More ways are not looked at.
const MOST: usize = 4096;

/// The ways of a configuration: those on which Kong takes certificates from headers apart from all others, since nobody else
/// trusts these.
#[derive(Debug)]
pub(super) struct Ways {
    pub(super) main: Configuration,
    apart: Vec<Hop>,
    trusted: BTreeSet<String>,
}

impl Ways {
    pub(super) fn new(main: Configuration) -> Self {
        Self { main, apart: Vec::new(), trusted: BTreeSet::new() }
    }

    /// Whether more are not looked at.
    pub(super) const fn is_full(&self) -> bool {
        self.main.hops.len() + self.apart.len() >= MOST
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.main.hops.is_empty() && self.apart.is_empty()
    }

    /// Adds a way on which Kong takes certificates from these headers, if from any.
    pub(super) fn add(&mut self, hop: Hop, trusted: Vec<String>) {
        if trusted.is_empty() {
            self.main.hops.push(hop);
        } else {
            self.trusted.extend(trusted);
            self.apart.push(hop);
        }
    }

    /// The configurations.
    pub(super) fn finish(mut self) -> Vec<Configuration> {
        self.main.complete = self.main.holes.is_empty();
        let apart = Configuration {
            files: self.main.files.clone(),
            hops: self.apart,
            trusted: self.trusted.into_iter().collect(),
            ..Configuration::default()
        };
        if apart.hops.is_empty() { vec![self.main] } else { vec![self.main, apart] }
    }
}

/// The ways of a declarative configuration.
pub(super) fn configurations(set: &Set<'_>, conf: Option<&Conf>, dpop: bool) -> Vec<Configuration> {
    let mut files = set.files.clone();
    files.extend(conf.map(|conf| conf.file));
    files.sort_unstable();
    files.dedup();
    let mut into = Ways::new(Configuration { files, holes: set.holes.clone(), ..Configuration::default() });
    for route in set.ways().into_iter().take(MOST) {
        if route.missing {
            let place = route.at.get("service").unwrap_or(route.at).place();
            into.main.holes.push(Hole { place, reason: "its service is not here".to_owned() });
        }
        let way = plugins::way(&route.plugins, dpop);
        if way.ends {
            continue;
        }
        let names = way.trusted.clone();
        let Some(hop) = facts(set, &route).and_then(|facts| hop(facts, way, conf, dpop)) else { continue };
        into.add(hop, names);
    }
    into.finish()
}

/// A way as it is written, by whichever kind of object.
pub(super) struct Facts<'p, 'a> {
    pub(super) label: String,
    pub(super) path: PathMatch,
    pub(super) hosts: BTreeSet<String>,
    pub(super) protocols: Vec<&'a str>,
    pub(super) upstream: Upstream,
    pub(super) plugins: &'p Plugins<'a>,
    pub(super) rewrites: Vec<Rewrite>,
}

/// A route of a declarative configuration.
fn facts<'p, 'a>(set: &Set<'a>, route: &'p Entity<'a>) -> Option<Facts<'p, 'a>> {
    let service = route.service?;
    let words = |key: &str| -> Vec<&'a str> { route.at.list(key).filter_map(At::text).collect() };
    let protocols = words("protocols");
    let protocol = match service.word("protocol").or_else(|| service.word("url")?.split("://").next()) {
        _ if protocols.contains(&"tls_passthrough") => Protocol::Passthrough,
        Some("grpc" | "grpcs") => Protocol::Grpc,
        Some("tcp" | "tls" | "udp") => Protocol::Stream,
        _ => Protocol::Http,
    };
    let paths = words("paths");
    let path = match paths.as_slice() {
        [] | ["/"] => PathMatch::Any,
        [one] if one.starts_with('~') => PathMatch::Pattern(one[1..].to_owned()),
        [one] => PathMatch::Prefix((*one).to_owned()),
        _ => PathMatch::Other,
    };
    let name = route.at.word("name").or_else(|| paths.first().copied()).or_else(|| route.at.word("expression"));
    Some(Facts {
        label: format!("route {}", name.unwrap_or("without a name")),
        path,
        hosts: words("hosts").into_iter().chain(words("snis")).map(str::to_ascii_lowercase).collect(),
        protocols,
        upstream: upstream(set, service, protocol),
        plugins: &route.plugins,
        rewrites: told(route.at, service),
    })
}

/// The hop of a way.
pub(super) fn hop(facts: Facts<'_, '_>, way: plugins::Way, conf: Option<&Conf>, dpop: bool) -> Option<Hop> {
    let by_plugin = plugins::asked(facts.plugins);
    let injected = conf.and_then(Conf::handshake);
    let asked = match injected {
        // Whatever nginx lets through, the plugin refuses.
        Some((handshake, at)) if by_plugin.at.is_none() => Asked { handshake, at: Some(at), lenient: false },
        _ => by_plugin,
    };
    let plain = |one: &&str| matches!(*one, "http" | "grpc" | "ws" | "tcp" | "udp");
    let tls = facts.protocols.is_empty() || !facts.protocols.iter().all(plain);
    let mut lost = None;
    let headers = conf.map(Conf::headers).unwrap_or_default();
    let arrivals = Client::ALL.map(|client| {
        if asked.lenient && client == Client::Foreign {
            return Arrival::Unknown;
        }
        asked.handshake.arrival(client, |presented| {
            let mut run = Run::new(presented);
            plugins::run(facts.plugins, &mut run, conf.and_then(Conf::trusts_all), dpop);
            of_nginx(&headers, presented, &mut run);
            if lost.is_none() {
                lost = run.lost.clone();
            }
            Some(run.request)
        })
    });
    if arrivals.iter().all(|arrival| *arrival == Arrival::Refused) {
        return None;
    }
    let mut carriers = plugins::carriers(facts.plugins);
    carriers.extend(carriers_of(&headers));
    let hosts: Vec<String> = facts.hosts.into_iter().collect();
    let listener = Listener {
        label: hosts.first().map_or_else(|| ":8443".to_owned(), |host| format!(":8443 {host}")),
        ports: vec![8443],
        sockets: Vec::new(),
        hosts,
        tls,
        auth: if tls { asked.handshake.auth } else { ClientAuth::Off },
        asks_at: asked.at,
        in_vain: None,
        inner: false,
    };
    let mut rewrites = way.rewrites;
    rewrites.extend(facts.rewrites);
    let mut logs = way.logs;
    logs.extend(conf.map(Conf::logs).unwrap_or_default());
    let route = Route { label: facts.label, path: facts.path, when: way.when };
    Some(Hop {
        carriers,
        lost,
        rewrites,
        logs,
        cors: way.cors,
        consumes_authorization: way.consumes,
        checks_binding: way.checks_binding,
        ..Hop::new(listener, route, facts.upstream, arrivals)
    })
}

/// What nginx sets besides Kong's own headers.
fn of_nginx(headers: &[(bool, String, Value, Place)], presented: bool, run: &mut Run) {
    for (counts, name, value, at) in headers {
        let certificate = matches!(value, Value::Certificate(_));
        match (counts, value) {
            (false, _) if certificate && presented && run.lost.is_none() => {
                run.lost = Some(Event::new(*at, Cause::Wiped));
            }
            (false, _) => {}
            // A variable of the certificate is empty without one, and the header then is not sent.
            (true, Value::Certificate(_)) if !presented => run.set(name, Vec::new(), *at, Cause::Set),
            (true, Value::Empty) => run.remove(name, *at, Cause::Removed),
            (true, value) => run.set(name, vec![value.clone()], *at, Cause::Set),
        }
    }
}

fn carriers_of(headers: &[(bool, String, Value, Place)]) -> impl Iterator<Item = Carrier> + '_ {
    headers.iter().filter_map(|(_, header, value, place)| match value {
        Value::Certificate(form) => Some(Carrier { header: header.clone(), form: *form, place: *place }),
        _ => None,
    })
}

/// What is changed of the target: Kong tells it in X-Forwarded-Host, -Path and -Prefix.
fn told(route: At<'_>, service: At<'_>) -> Vec<Rewrite> {
    let mut rewrites = Vec::new();
    if route.switch("preserve_host", false) != Switch::On {
        let place = route.get("preserve_host").unwrap_or(service).place();
        rewrites.push(Rewrite { part: Part::Host, place, told: true });
    }
    if route.switch("strip_path", true) != Switch::Off {
        let place = route.get("strip_path").unwrap_or(route).place();
        rewrites.push(Rewrite { part: Part::Path, place, told: true });
    }
    rewrites
}

fn upstream(set: &Set<'_>, service: At<'_>, protocol: Protocol) -> Upstream {
    let at = service.get("url").or_else(|| service.get("host")).unwrap_or(service);
    let host = service.word("host");
    let address = match (service.word("url"), host) {
        (Some(url), _) => Some(url.to_owned()),
        (None, Some(host)) => {
            let scheme = service.word("protocol").unwrap_or("http");
            Some(format!("{scheme}://{host}:{}", service.word("port").unwrap_or("80")))
        }
        _ => None,
    };
    let mut names: Vec<String> = address.iter().map(|address| dial(address)).collect();
    let named = address.as_deref().map(|address| address.split("://").last().unwrap_or(address));
    let host = named.and_then(|rest| rest.split(['/', ':']).next()).unwrap_or_default();
    let targets = set.upstreams.get(host).into_iter().flat_map(|at| at.list("targets"));
    names.extend(targets.filter_map(|at| at.word("target").or_else(|| at.text())).map(dial));
    names.extend(service.word("name").map(|name| format!("service {}", name.to_ascii_lowercase())));
    let label = address.or_else(|| service.word("name").map(|name| format!("service {name}")));
    Upstream { label: label.unwrap_or_else(|| "its service".to_owned()), names, protocol, place: at.place() }
}

/// A node whose services are kept elsewhere: what its settings say holds for all of them.
pub(super) fn of_settings(conf: &Conf) -> Option<Configuration> {
    let headers = conf.headers();
    let logs = conf.logs();
    let asked = conf.handshake();
    if logs.is_empty() && asked.is_none() && headers.is_empty() {
        return None;
    }
    let (handshake, asks_at) = asked.map_or((Handshake::OFF, None), |(handshake, at)| (handshake, Some(at)));
    let place = asks_at.or_else(|| logs.first().map(|log| log.place)).or_else(|| headers.first().map(|one| one.3))?;
    let arrivals = Client::ALL.map(|client| {
        handshake.arrival(client, |presented| {
            let mut run = Run::new(presented);
            // Plugins may do anything before nginx sends the request.
            run.request = Request { headers: Default::default(), others: Others::Unknown };
            of_nginx(&headers, presented, &mut run);
            Some(run.request)
        })
    });
    let listener = Listener {
        label: ":8443".to_owned(),
        ports: vec![8443],
        sockets: Vec::new(),
        hosts: Vec::new(),
        tls: true,
        auth: handshake.auth,
        asks_at,
        in_vain: None,
        inner: false,
    };
    let route = Route { label: "every route".to_owned(), path: PathMatch::Any, when: Vec::new() };
    let upstream = Upstream { label: "its services".to_owned(), names: Vec::new(), protocol: Protocol::Http, place };
    let hop = Hop { logs, carriers: carriers_of(&headers).collect(), ..Hop::new(listener, route, upstream, arrivals) };
    // Plugins kept elsewhere may ask for certificates.
    Some(Configuration { files: vec![conf.file], hops: vec![hop], complete: false, ..Configuration::default() })
}
