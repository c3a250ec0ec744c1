//! Routers, middlewares, services and TLS options that belong together, and the ways through them.

use std::collections::{BTreeMap, BTreeSet};

use super::middleware::{Way, apply, carriers};
use super::point::{Point, Tls};
use super::source::{bare, words};
use super::{DEEP, MOST};
use crate::gateway::document::Source;
use crate::gateway::hop::{
    Arrival, Cause, Client, ClientAuth, Credential, Event, Hop, Logged, Part, PathMatch, Place, Protocol, Request,
    Rewrite, Route, Upstream,
};
use crate::gateway::matched::Matched;
use crate::gateway::run::{Handshake, Run, dial};
use crate::gateway::tree::{At, Switch};
use crate::gateway::{Configuration, Hole};

const UNKNOWN: Handshake = Handshake { auth: ClientAuth::Unknown, required: false };

/// Everything that belongs together.
pub(super) struct Set<'a> {
    sources: Vec<&'a Source>,
    entry_points: Vec<(&'a str, At<'a>)>,
    middlewares: BTreeMap<String, At<'a>>,
    services: BTreeMap<String, At<'a>>,
    options: BTreeMap<String, At<'a>>,
    routers: Vec<(&'a str, At<'a>)>,
    access_log: Option<At<'a>>,
    /// Both halves are there.
    whole: bool,
}

impl<'a> Set<'a> {
    pub(super) fn new(sources: &[&'a Source], whole: bool) -> Self {
        let roots: Vec<At<'a>> = sources.iter().flat_map(|source| source.roots()).collect();
        let all = |path: &[&str]| -> Vec<(&'a str, At<'a>)> {
            roots.iter().filter_map(|at| at.path(path)).flat_map(At::entries).collect()
        };
        let named = |path: &[&str]| all(path).into_iter().map(|(name, at)| (bare(name), at)).collect();
        let enabled = |at: &At<'a>| !matches!(at.node.text(), Some("false"));
        Self {
            sources: sources.to_vec(),
            entry_points: all(&["entryPoints"]),
            middlewares: named(&["http", "middlewares"]),
            services: named(&["http", "services"]),
            options: named(&["tls", "options"]),
            routers: all(&["http", "routers"]),
            access_log: roots.iter().find_map(|at| at.get("accessLog")).filter(enabled),
            whole,
        }
    }

    pub(super) fn configuration(&self) -> Configuration {
        let mut into = Configuration {
            files: self.sources.iter().map(|source| source.file).collect(),
            holes: self.sources.iter().flat_map(|source| source.holes.clone()).collect(),
            ..Configuration::default()
        };
        let mut points: Vec<Point<'a>> =
            self.entry_points.iter().map(|(name, at)| Point { name, at: Some(*at) }).collect();
        if points.is_empty() {
            let names: BTreeSet<&str> = self.routers.iter().flat_map(|(_, at)| words(*at, "entryPoints")).collect();
            points.extend(names.into_iter().map(|name| Point { name, at: None }));
            points.push(Point { name: "", at: None });
        } else if !self.whole {
            // Where not all is here, what is named may be there.
            let known = |name: &&str| points.iter().any(|point| point.name.eq_ignore_ascii_case(name));
            let names: BTreeSet<&str> = self.routers.iter().flat_map(|(_, at)| words(*at, "entryPoints")).collect();
            let unknown: Vec<&str> = names.into_iter().filter(|name| !known(name)).collect();
            points.extend(unknown.into_iter().map(|name| Point { name, at: None }));
        }
        for point in points.iter().filter(|point| !point.redirects()) {
            let chosen: Vec<(&str, At<'a>)> =
                self.routers.iter().filter(|(_, at)| point.serves(*at, &points)).copied().collect();
            self.http(point, &chosen, &mut into);
            self.tcp(point, &points, &mut into);
        }
        let serving = points.iter().find(|point| !point.redirects() && point.name != "traefik");
        if into.hops.is_empty()
            && let Some(point) = serving
        {
            into.hops.extend(self.anything(point));
        }
        into.complete = self.whole && into.holes.is_empty();
        into
    }

    /// What is logged of any request, where no router is there to say which come.
    fn anything(&self, point: &Point<'a>) -> Option<Hop> {
        let logs = self.logs();
        let place = logs.first()?.place;
        let rule = Matched { hosts: Vec::new(), ..Matched::read(None) };
        let tls = Tls { handshake: UNKNOWN, ..Tls::OFF };
        let route = Route { label: "any router".to_owned(), path: PathMatch::Any, when: Vec::new() };
        let upstream = Upstream {
            label: "any service".to_owned(),
            names: vec![format!("any service behind {place:?}")],
            protocol: Protocol::Http,
            place,
        };
        let arrivals = Client::ALL.map(|_| Arrival::Unknown);
        Some(Hop { logs, ..Hop::new(point.listener(&rule, tls), route, upstream, arrivals) })
    }

    /// The options of a router: its handshake, and what it asked for in vain. Those of a router for HTTP are chosen by the
    /// name in the handshake, before the router is: `named` says whether its rule has names, and it alone means them.
    fn tls(&self, router: At<'a>, point: &Point<'a>, named: bool) -> Tls {
        let own = router.get("tls").filter(|at| at.node.text() != Some("false"));
        let Some(at) = own.or(point.tls()) else { return Tls::PLAIN };
        let written = at.get("options");
        let name = written.and_then(At::text).map_or("default".to_owned(), bare);
        let default = self.options.get("default").map_or(Tls::OFF, |at| Tls::read(*at));
        if name == "default" {
            return default;
        }
        let Some(options) = self.options.get(&name) else {
            return if self.whole && self.sources.len() > 1 { default } else { Tls { handshake: UNKNOWN, ..Tls::OFF } };
        };
        if !named {
            let meant = Tls::read(*options);
            let vain = meant.handshake.auth.asks() && !default.handshake.auth.asks();
            return if vain {
                Tls { asks_at: written.map(At::place).or(meant.asks_at), in_vain: Some(Cause::Fallback), ..default }
            } else {
                default
            };
        }
        Tls::read(*options)
    }

    fn http(&self, point: &Point<'a>, routers: &[(&'a str, At<'a>)], into: &mut Configuration) {
        let rules: Vec<Matched> = routers.iter().map(|(_, at)| Matched::read(at.word("rule"))).collect();
        let mut rivals: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for ((_, router), rule) in routers.iter().zip(&rules) {
            if let Some(tls) = router.get("tls").filter(|at| at.node.text() != Some("false")).or(point.tls()) {
                let name = tls.word("options").map_or("default".to_owned(), bare);
                rule.hosts.iter().for_each(|host| _ = rivals.entry(host.clone()).or_default().insert(name.clone()));
            }
        }
        // Patterns (`HostRegexp`) count for nothing here: Traefik knows no names by them.
        let is_named = |rule: &Matched| {
            let conflict = rule.hosts.iter().any(|host| rivals.get(host).is_some_and(|names| names.len() > 1));
            !rule.hosts.is_empty() && !conflict
        };
        let named: BTreeMap<String, Tls> = routers
            .iter()
            .zip(&rules)
            .flat_map(|((_, at), rule)| {
                rule.hosts.iter().map(|host| (host.clone(), self.tls(*at, point, is_named(rule))))
            })
            .filter(|(_, tls)| tls.tls)
            .collect();
        let ordered = routers.iter().any(|(_, at)| at.get("priority").is_some());
        let asked = named.values().any(|tls| tls.handshake.auth.asks());
        for ((name, router), rule) in routers.iter().zip(&rules) {
            let mut tls = self.tls(*router, point, is_named(rule));
            if !tls.handshake.auth.asks() && tls.in_vain.is_none() && tls.tls {
                tls = self.unreferenced(tls);
            }
            // A pattern may mean a name for which another router's options ask.
            if rule.hosts.is_empty() && rule.names_host && asked {
                tls = Tls { in_vain: None, handshake: UNKNOWN, ..tls };
            }
            let to = |tls: Tls, hosts: Vec<String>, into: &mut Configuration| {
                let mut rule = Matched { hosts, ..rule.clone() };
                if ordered && rule.path != PathMatch::Any {
                    rule.path = PathMatch::Other;
                }
                self.route(point, name, *router, &rule, tls, into);
            };
            to(tls, rule.hosts.clone(), into);
            // Without a name of its own it answers under those of the others, whose options then hold.
            if rule.hosts.is_empty() && !rule.names_host && tls.tls {
                for (host, other) in named.iter().take(16) {
                    to(*other, vec![host.clone()], into);
                }
            }
        }
    }

    /// Options that ask, and that nobody names.
    fn unreferenced(&self, tls: Tls) -> Tls {
        let used: BTreeSet<String> = self
            .sources
            .iter()
            .flat_map(|source| source.roots())
            .flat_map(|root| [root.path(&["http", "routers"]), root.path(&["tcp", "routers"]), root.get("entryPoints")])
            .flatten()
            .flat_map(At::entries)
            .filter_map(|(_, at)| at.path(&["tls", "options"]).or_else(|| at.path(&["http", "tls", "options"])))
            .filter_map(At::text)
            .map(bare)
            .collect();
        let idle = self.options.iter().filter(|(name, _)| *name != "default" && !used.contains(*name));
        let mut asking = idle.map(|(_, at)| Tls::read(*at)).filter(|tls| tls.handshake.auth.asks());
        match asking.next() {
            Some(meant) => Tls { asks_at: meant.asks_at, in_vain: Some(Cause::NotApplied), ..tls },
            None => tls,
        }
    }

    fn route(&self, point: &Point<'a>, name: &str, router: At<'a>, rule: &Matched, tls: Tls, into: &mut Configuration) {
        let mut chain: Vec<At<'a>> = Vec::new();
        let mut missing = Vec::new();
        let own = words(router, "middlewares");
        let names =
            point.at.map(|at| at.get("http").map_or(Vec::new(), |http| words(http, "middlewares"))).unwrap_or_default();
        for middleware in names.into_iter().chain(own) {
            self.middleware(middleware, 0, &mut chain, &mut missing);
        }
        let Some(reference) = router.get("service") else { return };
        let Some(target) = reference.text().filter(|name| !name.ends_with("@internal")) else { return };
        let mut servers = Servers::default();
        self.servers(target, 0, &mut servers);
        if servers.unknown && self.whole && servers.urls.is_empty() && !self.services.is_empty() {
            into.holes.push(Hole { place: reference.place(), reason: format!("its service is not here: {target}") });
        }
        for name in &missing {
            into.holes.push(Hole { place: router.place(), reason: format!("a middleware is not here: {name}") });
        }
        let (mut way, mut lost) = (None, None);
        let arrivals = Client::ALL.map(|client| {
            tls.handshake.arrival(client, |presented| {
                let mut run = Run::new(presented);
                point.forwarded(&mut run);
                let mut state = Way::default();
                for middleware in &chain {
                    if !apply(*middleware, &mut run, &mut state, tls.tls) {
                        return None;
                    }
                }
                if !missing.is_empty() {
                    run.anything();
                }
                if way.is_none() {
                    lost = run.lost.clone();
                    way = Some(state);
                }
                Some(run.request)
            })
        });
        if arrivals.iter().all(|arrival| *arrival == Arrival::Refused) || into.hops.len() >= MOST {
            return;
        }
        let mut way = way.unwrap_or_default();
        way.when.extend(rule.when.clone());
        way.when.extend(missing.iter().map(|name| format!("{name} lets it through")));
        way.when.extend(point.at.is_none().then(|| "an entry point serves it".to_owned()));
        if let Some(at) = servers.host_changed {
            way.rewrites.push(Rewrite { part: Part::Host, place: at, told: true });
        }
        let carriers = chain.iter().flat_map(|at| carriers(*at)).collect();
        let mut names: Vec<String> = servers.urls.iter().map(|url| dial(url)).collect();
        names.push(bare(target));
        let route = Route { label: format!("router {name}"), path: rule.path.clone(), when: way.when };
        let upstream = Upstream {
            label: servers.urls.first().map_or_else(|| format!("service {target}"), |url| (*url).to_owned()),
            names,
            protocol: if servers.urls.iter().any(|url| url.starts_with("h2c://")) {
                Protocol::Grpc
            } else {
                Protocol::Http
            },
            place: reference.place(),
        };
        into.hops.push(Hop {
            carriers,
            lost,
            alias: point.alias(),
            rewrites: way.rewrites,
            logs: self.logs(),
            cors: way.cors,
            consulted: way.consulted,
            consumes_authorization: way.consumes,
            ..Hop::new(point.listener(rule, tls), route, upstream, arrivals)
        });
    }

    fn middleware(&self, name: &'a str, depth: usize, into: &mut Vec<At<'a>>, missing: &mut Vec<String>) {
        match self.middlewares.get(&bare(name)) {
            Some(at) if at.get("chain").is_some() && depth < DEEP => {
                let inner = at.get("chain").map_or(Vec::new(), |at| words(at, "middlewares"));
                inner.into_iter().for_each(|name| self.middleware(name, depth + 1, into, missing));
            }
            Some(at) => into.push(*at),
            None => missing.push(name.to_owned()),
        }
    }

    fn servers(&self, name: &str, depth: usize, into: &mut Servers<'a>) {
        let Some(service) = self.services.get(&bare(name)).filter(|_| depth < DEEP) else {
            into.unknown = true;
            return;
        };
        if let Some(balancer) = service.get("loadBalancer") {
            let servers = balancer
                .list("servers")
                .chain(balancer.get("servers").into_iter().flat_map(At::entries).map(|(_, at)| at));
            into.urls.extend(servers.filter_map(|server| server.word("url")));
            into.urls.extend(balancer.word("container"));
            if balancer.switch("passHostHeader", true) == Switch::Off {
                into.host_changed = balancer.get("passHostHeader").map(At::place);
            }
        }
        let weighted =
            service.get("weighted").into_iter().flat_map(|at| at.list("services")).filter_map(|at| at.word("name"));
        let single = [("mirroring", "service"), ("failover", "service"), ("failover", "fallback")];
        let single = single.into_iter().filter_map(|(kind, key)| service.get(kind)?.word(key));
        weighted.chain(single).for_each(|name| self.servers(name, depth + 1, into));
    }

    fn tcp(&self, point: &Point<'a>, points: &[Point<'a>], into: &mut Configuration) {
        let roots: Vec<At<'a>> =
            self.sources.iter().flat_map(|source| source.roots()).filter_map(|at| at.get("tcp")).collect();
        let routers = roots.iter().filter_map(|at| at.get("routers")).flat_map(At::entries);
        for (name, router) in routers.filter(|(_, at)| point.serves(*at, points)) {
            let Some(reference) = router.get("service") else { continue };
            let target = reference.text().unwrap_or_default();
            let mut services = roots.iter().filter_map(|at| at.get("services")).flat_map(At::entries);
            let service =
                services.find(|(known, _)| bare(known) == bare(target)).and_then(|(_, at)| at.get("loadBalancer"));
            let mut names: Vec<String> = service
                .into_iter()
                .flat_map(|at| at.list("servers"))
                .filter_map(|at| at.word("address"))
                .map(str::to_owned)
                .collect();
            names.push(bare(target));
            let rule = Matched::read(router.word("rule"));
            let through = router.get("tls").is_none_or(|at| at.switch("passthrough", false) == Switch::On);
            // A router for TCP is chosen before the handshake, and its options with it.
            let tls = if through { Tls::PLAIN } else { self.tls(router, point, true) };
            let listener = point.listener(&rule, tls);
            let route = Route { label: format!("TCP router {name}"), path: PathMatch::Any, when: Vec::new() };
            let upstream = Upstream {
                label: names.first().cloned().unwrap_or_default(),
                names,
                protocol: if through { Protocol::Passthrough } else { Protocol::Stream },
                place: reference.place(),
            };
            let arrivals = Client::ALL.map(|client| tls.handshake.arrival(client, |_| Some(Request::untouched())));
            let lost = Some(Event::new(reference.place(), Cause::WrongProtocol));
            into.hops.push(Hop { lost, ..Hop::new(listener, route, upstream, arrivals) });
        }
    }

    /// What the access log holds.
    fn logs(&self) -> Vec<Logged> {
        let Some(log) = self.access_log else { return Vec::new() };
        let active = Some(log.place());
        let mut found = Vec::new();
        let fields = log.get("fields");
        let mode = |at: Option<At<'a>>, name: &str, default: &str| -> (String, Option<Place>) {
            let named = at
                .and_then(|at| at.get("names"))
                .and_then(|names| names.entries().find(|(key, _)| key.eq_ignore_ascii_case(name)));
            let chosen = named.map(|(_, at)| at).or_else(|| at.and_then(|at| at.get("defaultMode")));
            (chosen.and_then(At::text).unwrap_or(default).to_ascii_lowercase(), chosen.map(At::place))
        };
        let query =
            fields.and_then(|at| at.path(&["queryParameters", "defaultMode"])).and_then(At::text).unwrap_or("keep");
        if mode(fields, "RequestPath", "keep").0 == "keep" && query == "keep" {
            found.push(Logged { what: Credential::Query, place: log.place(), active });
        }
        if log.word("format").is_some_and(|format| format.eq_ignore_ascii_case("json")) {
            let headers = fields.and_then(|at| at.get("headers"));
            for (name, what) in [("Authorization", Credential::Authorization), ("DPoP", Credential::Dpop)] {
                if let (word, Some(place)) = mode(headers, name, "drop")
                    && word == "keep"
                {
                    // By the default of all headers, the token stands for the rest.
                    let named =
                        found.iter().any(|log: &Logged| log.what == Credential::Authorization && log.place == place);
                    match found.iter_mut().find(|log| named && log.what == Credential::Authorization) {
                        Some(log) => log.what = Credential::AllHeaders,
                        None => found.push(Logged { what, place, active }),
                    }
                }
            }
        }
        found
    }
}

/// The servers of a service.
#[derive(Default)]
struct Servers<'a> {
    urls: Vec<&'a str>,
    host_changed: Option<Place>,
    unknown: bool,
}
