//! Traefik: static and dynamic configuration in YAML and TOML, and what Compose files say in commands and labels.

use std::collections::{BTreeMap, BTreeSet};

use super::document::Source;
use super::files::Files;
use super::hop::{
    Arrival, Carrier, Cause, Client, ClientAuth, Consulted, Cors, Credential, Event, Form, Hop, Listener, Logged, Part,
    PathMatch, Place, Protocol, Request, Rewrite, Route, Upstream, Value,
};
use super::matched::Matched;
use super::run::{Handshake, Run, dial};
use super::tree::{At, Switch, plant};
use super::{Configuration, Detail, FrontEnd, Hole, Rule};
use crate::config::compose;
use crate::syntax::yaml::Node;

/// The header of the certificate, and that of what is told of it.
const PEM: &str = "x-forwarded-tls-client-cert";
const INFO: &str = "x-forwarded-tls-client-cert-info";
/// How deep chains of middlewares and services may go.
const DEEP: usize = 8;
/// More ways are not looked at.
const MOST: usize = 4096;

/// Traefik.
pub struct Traefik;

impl FrontEnd for Traefik {
    fn product(&self) -> &'static str {
        "traefik"
    }

    fn recognises(&self, name: &str, text: &str) -> bool {
        let bytes = text.as_bytes();
        let has = |word: &str| memchr::memmem::find(bytes, word.as_bytes()).is_some();
        let toml = name.ends_with(".toml");
        if !toml && (has("apiVersion:") || text.trim_start().starts_with('<')) {
            return false;
        }
        let labels = has("traefik.http.") || has("traefik.tcp.") || has("--entrypoints.") || has("--entryPoints.");
        let fixed = (has("entryPoints") || has("entrypoints"))
            && (has("address") || has("rule") || has("providers"))
            && !has("\"entrypoints\":");
        let routers =
            has("routers") && has("rule") && (has("Host(") || has("HostSNI(") || has("PathPrefix(") || has("Path("));
        let options = has("clientAuthType") || has("passTLSClientCert") || has("clientAuth") && has("caFiles");
        labels && has("services:") || fixed || routers || options && has("options") || has("passTLSClientCert")
    }

    fn lower(&self, files: &Files, own: &[u32]) -> Vec<Configuration> {
        let read: Vec<Source> = own.iter().map(|number| read(files, *number)).collect();
        let mut taken: BTreeSet<u32> = BTreeSet::new();
        let mut all = Vec::new();
        let folder = |number: u32| files.get(number).path().rsplit_once('/').map_or("", |(folder, _)| folder);
        for source in read.iter().filter(|source| source.is_static()) {
            let mut members: Vec<&Source> = vec![source];
            let named = source.provided();
            let reads = !named.is_empty() || source.roots().all(|at| at.get("providers").is_none());
            let mut found: BTreeSet<u32> = BTreeSet::new();
            for pattern in named.iter().flat_map(|path| [path.clone(), format!("{path}/*"), format!("{path}/**/*")]) {
                found.extend(files.resolve(source.file, source.file, &pattern));
            }
            let beside = |other: &&Source| {
                let (here, there) = (folder(source.file), folder(other.file));
                here == there || there.strip_prefix(here).is_some_and(|rest| here.is_empty() || rest.starts_with('/'))
            };
            let others = read.iter().filter(|other| other.file != source.file && !other.is_static());
            let by_name: Vec<&Source> = others.clone().filter(|other| found.contains(&other.file)).collect();
            // Paths inside containers name nothing here: what lies beside it is meant.
            let rest = others.filter(|_| reads).filter(beside);
            members.extend(if by_name.is_empty() { rest.collect() } else { by_name });
            taken.extend(members.iter().map(|member| member.file));
            all.push(Set::new(&members, true).configuration());
        }
        let mut rest: BTreeMap<&str, Vec<&Source>> = BTreeMap::new();
        for source in read.iter().filter(|source| !taken.contains(&source.file)) {
            rest.entry(folder(source.file)).or_default().push(source);
        }
        all.extend(rest.values().map(|members| Set::new(members, false).configuration()));
        all
    }

    fn reason(&self, rule: Rule, cause: Cause) -> &'static str {
        match (rule, cause) {
            (Rule::Spoofable, Cause::TrustsAll) => "traefik-forwarded-headers-insecure",
            (Rule::Spoofable, Cause::Alias) => "traefik-underscore-headers",
            (Rule::Spoofable, _) => "traefik-cert-header-unguarded",
            (Rule::Stripped, Cause::Removed) => "traefik-cert-header-removed",
            (Rule::Stripped, _) => "traefik-client-cert-not-passed",
            (Rule::NotRequested, Cause::Fallback) => "traefik-tls-option-no-host",
            (Rule::NotRequested, Cause::NotApplied) => "traefik-tls-option-unreferenced",
            (Rule::NotRequested, _) => "traefik-client-cert-not-requested",
            (Rule::Malformed, _) => "traefik-cert-malformed",
            (Rule::Weak, _) => "traefik-cert-info-only",
            (Rule::Unverified, _) => "traefik-request-unverified",
            (Rule::DpopBroken, Cause::Rewritten) => "traefik-rewrite-htu",
            (Rule::DpopBroken, Cause::NotListed) => "traefik-cors-missing-dpop",
            (Rule::DpopBroken, _) => "traefik-dpop-removed",
            (Rule::Logged, _) => "traefik-accesslog-credentials",
        }
    }

    fn reason_in_detail(&self, rule: Rule, cause: Cause, detail: Detail) -> &'static str {
        match (rule, detail) {
            (Rule::DpopBroken, Detail::Consulted) => "traefik-forwardauth-missing-dpop",
            _ => self.reason(rule, cause),
        }
    }

    fn fix(&self, rule: Rule, cause: Cause, header: Option<&str>) -> String {
        let header = header.unwrap_or("X-Forwarded-Tls-Client-Cert");
        let text = match (rule, cause) {
            (Rule::Stripped, Cause::Removed) => return format!("Take {header} out of customRequestHeaders."),
            (Rule::Stripped, _) => "Give the router a middleware with `passTLSClientCert: { pem: true }`.",
            (Rule::Spoofable, Cause::TrustsAll) => "List gateways in forwardedHeaders.trustedIPs, without `insecure`.",
            (Rule::Spoofable, _) => return format!("Clear it here: `customRequestHeaders: {{ {header}: \"\" }}`."),
            (Rule::NotRequested, Cause::Fallback) => {
                "Begin the rule with Host(`…`): TLS options are chosen by the name."
            }
            (Rule::NotRequested, Cause::NotApplied) => "Write `tls: { options: NAME }` in the router.",
            (Rule::NotRequested, _) => "Write clientAuth with caFiles in the TLS options of the router.",
            (Rule::Malformed | Rule::Weak, _) => "Write `passTLSClientCert: { pem: true }`.",
            (Rule::Unverified, _) => "Write `clientAuthType: RequireAndVerifyClientCert` with caFiles.",
            (Rule::DpopBroken, Cause::NotListed) => "List DPoP where Authorization is listed, and expose DPoP-Nonce.",
            (Rule::DpopBroken, Cause::Rewritten) => {
                "Keep the path, or use stripPrefix, which sends X-Forwarded-Prefix."
            }
            (Rule::DpopBroken, _) => return format!("Take {header} out of customRequestHeaders or of removeHeader."),
            (Rule::Logged, _) => "Write `fields: { headers: { names: { Authorization: drop, DPoP: drop } } }`.",
        };
        text.to_owned()
    }
}

/// Reads a file; of a Compose file, what its labels and commands amount to.
fn read(files: &Files, file: u32) -> Source {
    let mut source = Source::read(files, file);
    for number in 0..source.documents.len() {
        let made = labels(&source.documents[number]);
        source.documents.extend(made);
    }
    source
}

impl Source {
    fn is_static(&self) -> bool {
        self.roots().any(|at| at.get("entryPoints").is_some_and(|at| at.node.text().is_none()))
    }

    /// Where the file provider looks.
    fn provided(&self) -> Vec<String> {
        let file = self.roots().filter_map(|at| at.path(&["providers", "file"]));
        file.flat_map(|at| ["directory", "filename"].map(|key| at.word(key)))
            .flatten()
            .map(|path| path.trim_end_matches('/').to_owned())
            .collect()
    }
}

/// What the labels and the command of a Compose file's services say, as trees of configuration.
fn labels(document: &Node) -> Vec<Node> {
    let mut trees = Vec::new();
    for compose::Service { name: service, labels: mut made, command } in compose::services(document, "traefik.") {
        // A container is the only service that its routers mean, unless they name one.
        for part in ["http", "tcp"] {
            let names = |made: &Node, kind: &str, without: &str| -> Vec<(String, Node)> {
                let at = made.get(part).and_then(|at| at.get(kind));
                let entries = at.into_iter().flat_map(Node::entries).filter(|(_, at)| at.get(without).is_none());
                entries.filter_map(|(key, _)| Some((key.text()?.to_owned(), key.clone()))).collect()
            };
            let only = names(&made, "services", "-").into_iter().next().map_or(service.clone(), |(name, _)| name);
            for (router, key) in names(&made, "routers", "service") {
                plant(&mut made, &format!("{part}.routers.{router}.service"), &only, &key);
                plant(&mut made, &format!("{part}.services.{only}.loadbalancer.container"), &service, &key);
            }
        }
        trees.extend([made, command].into_iter().filter(|node| !node.entries().is_empty()));
    }
    trees
}

/// The words of a list, or of a text with commas.
fn words<'a>(at: At<'a>, key: &str) -> Vec<&'a str> {
    let items = at.list(key).filter_map(At::text);
    items.flat_map(|text| text.split(',')).map(str::trim).filter(|word| !word.is_empty()).collect()
}

/// `name@file` as `name`.
fn bare(name: &str) -> String {
    name.split('@').next().unwrap_or(name).to_ascii_lowercase()
}

/// Everything that belongs together.
struct Set<'a> {
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
    fn new(sources: &[&'a Source], whole: bool) -> Self {
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

    fn configuration(&self) -> Configuration {
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
        }
        for point in points.iter().filter(|point| !point.redirects()) {
            let chosen: Vec<(&str, At<'a>)> =
                self.routers.iter().filter(|(_, at)| point.serves(*at, &points)).copied().collect();
            self.http(point, &chosen, &mut into);
            self.tcp(point, &points, &mut into);
        }
        into.complete = self.whole && into.holes.is_empty();
        into
    }

    /// The options of a router: its handshake, and what it asked for in vain.
    fn tls(
        &self,
        router: At<'a>,
        point: &Point<'a>,
        rule: &Matched,
        rivals: &BTreeMap<String, BTreeSet<String>>,
    ) -> Tls {
        let own = router.get("tls").filter(|at| at.node.text() != Some("false"));
        let Some(at) = own.or(point.tls()) else { return Tls::PLAIN };
        let written = at.get("options");
        let name = written.and_then(At::text).map_or("default".to_owned(), bare);
        let default = self.options.get("default").map_or(Tls::OFF, |at| Tls::read(*at));
        if name == "default" {
            return default;
        }
        let Some(options) = self.options.get(&name) else {
            return if self.whole && self.sources.len() > 1 {
                default
            } else {
                Tls { handshake: Handshake { auth: ClientAuth::Unknown, required: false }, ..Tls::OFF }
            };
        };
        let conflict = rule.hosts.iter().any(|host| rivals.get(host).is_some_and(|names| names.len() > 1));
        // Options are chosen by the name in the handshake.
        if (rule.hosts.is_empty() && !rule.names_host) || conflict {
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
        let named: BTreeMap<String, Tls> = routers
            .iter()
            .zip(&rules)
            .flat_map(|((_, at), rule)| {
                rule.hosts.iter().map(|host| (host.clone(), self.tls(*at, point, rule, &rivals)))
            })
            .filter(|(_, tls)| tls.tls)
            .collect();
        let ordered = routers.iter().any(|(_, at)| at.get("priority").is_some());
        for ((name, router), rule) in routers.iter().zip(&rules) {
            let mut tls = self.tls(*router, point, rule, &rivals);
            if !tls.handshake.auth.asks() && tls.in_vain.is_none() && tls.tls {
                tls = self.unreferenced(tls);
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
            let tls = if through { Tls::PLAIN } else { self.tls(router, point, &rule, &BTreeMap::new()) };
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

/// How a router deals with certificates.
#[derive(Debug, Clone, Copy)]
struct Tls {
    tls: bool,
    handshake: Handshake,
    asks_at: Option<Place>,
    in_vain: Option<Cause>,
}

impl Tls {
    const PLAIN: Self = Self { tls: false, handshake: Handshake::OFF, asks_at: None, in_vain: None };
    const OFF: Self = Self { tls: true, ..Self::PLAIN };

    fn read(options: At<'_>) -> Self {
        let Some(at) = options.get("clientAuth") else { return Self::OFF };
        let authority = ["caFiles", "secretNames"].iter().any(|key| !words(at, key).is_empty());
        let kind = at.get("clientAuthType");
        let (auth, required) = match kind.map(|kind| kind.text().unwrap_or("?")) {
            Some("NoClientCert") => (ClientAuth::Off, false),
            Some("RequestClientCert") => (ClientAuth::Unverified, false),
            Some("RequireAnyClientCert") => (ClientAuth::Unverified, true),
            Some("VerifyClientCertIfGiven") if authority => (ClientAuth::Optional, false),
            Some("RequireAndVerifyClientCert") if authority => (ClientAuth::Required, true),
            None | Some("") if authority => (ClientAuth::Required, true),
            None | Some("") => (ClientAuth::Off, false),
            Some(_) => (ClientAuth::Unknown, false),
        };
        let asks_at = auth.asks().then(|| kind.unwrap_or(at).place());
        Self { handshake: Handshake { auth, required }, asks_at, ..Self::OFF }
    }
}

/// An entry point.
#[derive(Clone, Copy)]
struct Point<'a> {
    name: &'a str,
    at: Option<At<'a>>,
}

impl<'a> Point<'a> {
    fn address(&self) -> Option<&'a str> {
        self.at
            .and_then(|at| at.word("address").or_else(|| at.text()))
            .map(|address| address.split('/').next().unwrap_or(address))
    }

    /// Whether it sends everything on to another entry point.
    fn redirects(&self) -> bool {
        self.at.is_some_and(|at| at.path(&["http", "redirections", "entryPoint"]).is_some())
    }

    fn tls(&self) -> Option<At<'a>> {
        self.at.and_then(|at| at.path(&["http", "tls"])).filter(|at| at.node.text() != Some("false"))
    }

    fn serves(&self, router: At<'_>, points: &[Point<'_>]) -> bool {
        let named = words(router, "entryPoints");
        if !named.is_empty() {
            return named.iter().any(|name| name.eq_ignore_ascii_case(self.name));
        }
        let default = |point: &Point<'_>| point.at.is_some_and(|at| at.switch("asDefault", false) == Switch::On);
        if points.iter().any(default) {
            default(self)
        } else {
            self.name != "traefik" && (self.at.is_some() || self.name.is_empty())
        }
    }

    fn listener(&self, rule: &Matched, tls: Tls) -> Listener {
        let port = self.address().and_then(|address| address.rsplit(':').next()?.parse().ok());
        let label = port.map_or_else(
            || format!("entry point {}", if self.name.is_empty() { "by default" } else { self.name }),
            |port: u16| format!(":{port}"),
        );
        Listener {
            label: rule.hosts.first().map_or_else(|| label.clone(), |host| format!("{label} {host}")),
            ports: port.into_iter().collect(),
            hosts: rule.hosts.clone(),
            tls: tls.tls,
            auth: tls.handshake.auth,
            asks_at: tls.asks_at,
            in_vain: tls.in_vain,
            inner: self
                .address()
                .is_some_and(|address| ["127.", "localhost:", "[::1]:"].iter().any(|own| address.starts_with(own))),
        }
    }

    /// What is done about forwarded headers before anything else.
    fn forwarded(&self, run: &mut Run) {
        let Some(at) = self.at else {
            // Another file says whom the entry point trusts; as a rule, nobody.
            for name in [PEM, INFO] {
                run.request.set(name, Vec::new(), None);
            }
            return;
        };
        let settings = at.get("forwardedHeaders");
        let insecure = settings
            .and_then(|at| at.get("insecure"))
            .filter(|_| settings.is_some_and(|at| at.switch("insecure", false) != Switch::Off));
        let trusted = settings.map_or(Vec::new(), |at| words(at, "trustedIPs"));
        let everybody = trusted.iter().any(|range| matches!(*range, "0.0.0.0/0" | "::/0"));
        let list = settings.and_then(|at| at.get("trustedIPs")).filter(|_| everybody);
        let local = trusted.iter().any(|range| range.starts_with("127.") || *range == "::1" || *range == "::1/128");
        for name in [PEM, INFO] {
            match insecure.or(list) {
                Some(at) => run.set(name, vec![Value::Client], at.place(), Cause::TrustsAll),
                None if local => run.request.set(name, vec![Value::Unknown], None),
                None => run.request.set(name, Vec::new(), None),
            }
        }
    }

    fn alias(&self) -> Option<Event> {
        let at = self.at?.path(&["http", "underscoreHeadersStrategy"])?;
        (at.text() == Some("keep")).then(|| Event::new(at.place(), Cause::Alias))
    }
}

/// What the middlewares of a router have done besides headers.
#[derive(Default)]
struct Way {
    when: Vec<String>,
    rewrites: Vec<Rewrite>,
    cors: Vec<Cors>,
    consulted: Vec<Consulted>,
    consumes: bool,
}

/// A middleware that is to pass the certificate on.
fn carriers(at: At<'_>) -> Vec<Carrier> {
    let Some(pass) = at.get("passTLSClientCert") else { return Vec::new() };
    let pem = pass.get("pem").filter(|_| pass.switch("pem", false) == Switch::On);
    let info = pass.get("info").filter(|at| !at.is_empty());
    let carrier = |header: &str, form, at: At<'_>| Carrier { header: header.to_owned(), form, place: at.place() };
    pem.map(|at| carrier(PEM, Form::DerBase64, at))
        .into_iter()
        .chain(info.map(|at| carrier(INFO, Form::Dn, at)))
        .collect()
}

/// Lets a request through a middleware; `false` where it gets an answer.
fn apply(at: At<'_>, run: &mut Run, way: &mut Way, tls: bool) -> bool {
    for (kind, settings) in at.entries() {
        let place = settings.place();
        match kind.to_ascii_lowercase().as_str() {
            "passtlsclientcert" if run.presented => {
                if let Some(pem) = settings.get("pem").filter(|_| settings.switch("pem", false) == Switch::On) {
                    run.set(PEM, vec![Value::Certificate(Form::DerBase64)], pem.place(), Cause::Set);
                }
                if let Some(info) = settings.get("info").filter(|at| !at.is_empty()) {
                    let form = if info.get("subject").is_some() || info.get("issuer").is_some() {
                        Some(Form::Dn)
                    } else {
                        info.get("serialNumber").map(|_| Form::Serial)
                    };
                    run.set(INFO, vec![form.map_or(Value::Other, Value::Certificate)], info.place(), Cause::Set);
                }
            }
            "headers" => {
                for (name, value) in settings.get("customRequestHeaders").into_iter().flat_map(At::entries) {
                    match value.node.text() {
                        _ if name.eq_ignore_ascii_case("host") => {
                            way.rewrites.push(Rewrite { part: Part::Host, place: value.place(), told: true })
                        }
                        Some("") => run.remove(name, value.place(), Cause::Removed),
                        _ => run.set(
                            name,
                            vec![value.text().map_or(Value::Unknown, |text| Value::Constant(text.to_owned()))],
                            value.place(),
                            Cause::Set,
                        ),
                    }
                }
                let list = |key: &str| {
                    settings
                        .get(key)
                        .map(|_| words(settings, key).iter().map(|name| name.to_ascii_lowercase()).collect())
                };
                if let Some(at) =
                    settings.get("accessControlAllowHeaders").or_else(|| settings.get("accessControlExposeHeaders"))
                {
                    way.cors.push(Cors {
                        allow: list("accessControlAllowHeaders"),
                        expose: list("accessControlExposeHeaders"),
                        place: at.place(),
                    });
                }
            }
            "stripprefix" | "stripprefixregex" | "replacepath" | "replacepathregex" => {
                way.rewrites.push(Rewrite { part: Part::Path, place, told: true })
            }
            "addprefix" => way.rewrites.push(Rewrite { part: Part::Path, place, told: false }),
            "forwardauth" => {
                way.when.push("the authorization service agrees".to_owned());
                if let Some(list) = settings.get("authRequestHeaders") {
                    let names = words(settings, "authRequestHeaders");
                    let listed =
                        |name: &str| names.is_empty() || names.iter().any(|listed| listed.eq_ignore_ascii_case(name));
                    let label = settings.word("address").unwrap_or_default().to_owned();
                    way.consulted.push(Consulted {
                        label,
                        authorization: listed("authorization"),
                        dpop: listed("dpop"),
                        place: list.place(),
                    });
                }
                for name in words(settings, "authResponseHeaders") {
                    run.set(name, vec![Value::Unknown], place, Cause::Set);
                }
                if settings.get("authResponseHeadersRegex").is_some() {
                    run.anything();
                }
            }
            "basicauth" | "digestauth" => {
                way.when.push("the client gives its password".to_owned());
                way.consumes = true;
                if settings.switch("removeHeader", false) == Switch::On {
                    run.remove("authorization", place, Cause::Consumed);
                }
                if let Some(name) = settings.word("headerField") {
                    run.set(name, vec![Value::Other], place, Cause::Set);
                }
            }
            "redirectscheme" if !tls && settings.word("scheme") == Some("https") => return false,
            "redirectregex" | "ipwhitelist" | "ipallowlist" | "ratelimit" | "inflightreq" => {
                way.when.push(format!("{kind} lets it through"))
            }
            "passtlsclientcert" | "redirectscheme" | "compress" | "retry" | "circuitbreaker" | "buffering"
            | "contenttype" | "errors" | "grpcweb" | "chain" => {}
            _ => run.anything(),
        }
    }
    true
}
