//! Routes as ways through APISIX.

use std::collections::BTreeSet;

use super::plugins;
use super::set::{Named, Plugins, Set};
use crate::gateway::hop::{
    Arrival, Cause, Client, ClientAuth, Credential, Event, Hop, Listener, Logged, Part, PathMatch, Place, Protocol,
    Rewrite, Route, Upstream,
};
use crate::gateway::run::{Handshake, Run, dial};
use crate::gateway::tree::{At, Switch};
use crate::gateway::trusted::trusted;
use crate::gateway::{Configuration, Hole, variables};

/// More ways are not looked at.
const MOST: usize = 4096;
/// So many names of a route are gone through.
const NAMES: usize = 16;
/// Where it listens unless told otherwise.
const PORT: u16 = 9443;

/// What a `config.yaml` says of all routes.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    port: Option<u16>,
    logs: Vec<Logged>,
    alias: Option<Event>,
}

impl Settings {
    fn read(at: At<'_>) -> Self {
        let listen = at.path(&["apisix", "ssl", "listen"]).into_iter().flat_map(At::items).next();
        let port = listen.and_then(|at| at.word("port").or_else(|| at.text())).and_then(|port| port.parse().ok());
        let mut settings = Self { port, ..Self::default() };
        let Some(http) = at.path(&["nginx_config", "http"]) else { return settings };
        if http.switch("enable_access_log", true) != Switch::Off
            && let Some(format) = http.get("access_log_format")
        {
            settings.logs = variables::logged(format.text().unwrap_or_default(), format.place(), None);
            settings.logs.retain(|log| log.what != Credential::Query || format.text().is_some());
        }
        let underscores = http.get("underscores_in_headers").filter(|at| at.text() == Some("on"));
        settings.alias = underscores.map(|at| Event::new(at.place(), Cause::Alias));
        settings
    }
}

/// A certificate of a server, as far as it concerns clients.
#[derive(Debug, Clone)]
pub(super) struct Ssl<'a> {
    /// The names it is for, lower case.
    pub(super) names: Vec<String>,
    /// What it asks of clients.
    pub(super) client: Option<At<'a>>,
}

/// A way as it is written, by whichever kind of object.
pub(super) struct Facts<'p, 'a> {
    pub(super) label: String,
    pub(super) hosts: Vec<String>,
    pub(super) paths: Vec<String>,
    pub(super) upstream: Upstream,
    pub(super) rewrites: Vec<Rewrite>,
    pub(super) plugins: Plugins<'a>,
    /// Those that run before, for all routes.
    pub(super) global: &'p Plugins<'a>,
    /// What loggers share.
    pub(super) metadata: &'p Named<'a>,
    /// Something that is named is not here.
    pub(super) missing: bool,
    /// Certificates that are not here may ask clients for theirs.
    pub(super) sent: bool,
}

/// The ways of a file.
pub(super) fn configuration(set: &Set<'_>, settings: Option<At<'_>>) -> Configuration {
    let mut files = vec![set.file];
    files.extend(settings.map(|at| at.file));
    files.extend(set.ssls.iter().map(|at| at.file));
    files.sort_unstable();
    files.dedup();
    let mut into = Configuration { files, holes: set.holes.clone(), ..Configuration::default() };
    let settings = settings.map(Settings::read).unwrap_or_default();
    let names = |at: &At<'_>| lower_case(*at, &["snis", "sni"]);
    let ssls: Vec<Ssl<'_>> = set.ssls.iter().map(|at| Ssl { names: names(at), client: at.get("client") }).collect();
    for (route, nested) in &set.routes {
        if into.hops.len() < MOST
            && route.word("status") != Some("0")
            && let Some(facts) = facts(set, *route, *nested, &mut into.holes)
        {
            hops(&facts, &ssls, &settings, &mut into.hops);
        }
    }
    into.complete = into.holes.is_empty() && !set.sent;
    into.trusted = trusted(&into.hops);
    into
}

/// The texts of lists, or of single texts.
fn lower_case(at: At<'_>, keys: &[&str]) -> Vec<String> {
    keys.iter().flat_map(|key| at.list(key)).filter_map(At::text).map(str::to_ascii_lowercase).collect()
}

fn facts<'p, 'a>(
    set: &'p Set<'a>,
    route: At<'a>,
    nested: Option<At<'a>>,
    holes: &mut Vec<Hole>,
) -> Option<Facts<'p, 'a>> {
    let service = set.service(route, nested);
    let (plugins, missing) = set.plugins(route, service);
    let upstream = set.upstream(route, service);
    if missing || upstream.is_none() && route.get("upstream_id").is_some() {
        let key = ["service_id", "plugin_config_id", "upstream_id", "script"].iter().find_map(|key| route.get(key));
        let place = key.unwrap_or(route).place();
        holes.push(Hole { place, reason: "something that the route names is not here".to_owned() });
    }
    let upstream = upstream?;
    let mut hosts = lower_case(route, &["host", "hosts"]);
    if hosts.is_empty() {
        hosts = service.map(|at| lower_case(at, &["host", "hosts"])).unwrap_or_default();
    }
    let paths: Vec<String> =
        ["uri", "uris"].iter().flat_map(|key| route.list(key)).filter_map(At::text).map(str::to_owned).collect();
    let label = route.word("name").or_else(|| route.word("id")).map_or_else(|| paths.join(", "), str::to_owned);
    Some(Facts {
        label: format!("route {label}"),
        hosts,
        paths,
        upstream: upstream_of(upstream),
        rewrites: of_host(upstream).into_iter().collect(),
        plugins,
        global: &set.global,
        metadata: &set.metadata,
        missing,
        sent: set.sent,
    })
}

/// The hops of a way: one for each name under which it is reached.
pub(super) fn hops(facts: &Facts<'_, '_>, ssls: &[Ssl<'_>], settings: &Settings, into: &mut Vec<Hop>) {
    let mut all = facts.plugins.clone();
    let global = facts.global.iter().filter(|(name, _)| !facts.plugins.contains_key(*name));
    all.extend(global.map(|(name, at)| (*name, *at)));
    let way = plugins::way(&all, facts.metadata);
    if way.ends {
        return;
    }
    for (hosts, client) in listeners(ssls, &facts.hosts) {
        let skips = client.and_then(|client| client.get("skip_mtls_uri_regex"));
        let skips = skips.filter(|list| list.items().any(|pattern| may_skip(pattern.text(), &facts.paths)));
        let handshake = match client {
            Some(_) if skips.is_some() => Handshake { auth: ClientAuth::Optional, required: false },
            Some(_) => Handshake { auth: ClientAuth::Required, required: true },
            None if facts.sent => Handshake { auth: ClientAuth::Unknown, required: false },
            None => Handshake::OFF,
        };
        let mut lost = None;
        let arrivals = Client::ALL.map(|client| {
            // Whoever shows none and gets through all the same is known.
            let unasked = handshake.auth == ClientAuth::Unknown && client == Client::Anonymous;
            let handshake = if unasked { Handshake::OFF } else { handshake };
            handshake.arrival(client, |presented| {
                let mut run = Run::new(presented);
                plugins::run(facts.global, &mut run);
                plugins::run(&facts.plugins, &mut run);
                if facts.missing {
                    run.anything();
                }
                if lost.is_none() {
                    lost = run.lost.clone();
                }
                Some(run.request)
            })
        });
        if arrivals.iter().all(|arrival| *arrival == Arrival::Refused) {
            continue;
        }
        let port = settings.port.unwrap_or(PORT);
        let listener = Listener {
            label: hosts.first().map_or_else(|| format!(":{port}"), |host| format!(":{port} {host}")),
            ports: vec![port],
            sockets: Vec::new(),
            hosts,
            tls: true,
            auth: handshake.auth,
            asks_at: client.map(At::place),
            in_vain: None,
            inner: false,
        };
        let mut rewrites = way.rewrites.clone();
        rewrites.extend(facts.rewrites.iter().cloned());
        let mut logs = way.logs.clone();
        logs.extend(settings.logs.iter().cloned());
        let route = Route { label: facts.label.clone(), path: path(&facts.paths), when: Vec::new() };
        into.push(Hop {
            carriers: way.carriers.clone(),
            lost,
            bypass: skips.map(|at| Event::new(at.place(), Cause::NotApplied)),
            alias: settings.alias.clone(),
            rewrites,
            logs,
            cors: way.cors.clone(),
            consulted: way.consulted.clone(),
            consumes_authorization: way.consumes,
            ..Hop::new(listener, route, facts.upstream.clone(), arrivals)
        });
    }
}

/// The names under which a route is reached, with what the certificates for them ask of clients.
fn listeners<'a>(ssls: &[Ssl<'a>], hosts: &[String]) -> Vec<(Vec<String>, Option<At<'a>>)> {
    let covers = |name: &str, host: &str| {
        name == host
            || name == "*"
            || name
                .strip_prefix('*')
                .is_some_and(|tail| host.strip_suffix(tail).is_some_and(|head| !head.is_empty() && !head.contains('.')))
    };
    let mut all: Vec<(Vec<String>, Option<At<'a>>)> = Vec::new();
    let mut rest: BTreeSet<String> = BTreeSet::new();
    for host in hosts.iter().take(NAMES) {
        let mut found = ssls.iter().filter(|ssl| ssl.names.iter().any(|name| covers(name, host) || covers(host, name)));
        // An exact name counts before a pattern.
        let best = found.clone().find(|ssl| ssl.names.contains(host)).or_else(|| found.next());
        match best {
            Some(ssl) => all.push((vec![host.clone()], ssl.client)),
            None => _ = rest.insert(host.clone()),
        }
    }
    if hosts.is_empty() {
        all.extend(ssls.iter().take(NAMES).map(|ssl| (ssl.names.clone(), ssl.client)));
    }
    if all.is_empty() || !rest.is_empty() {
        all.push((rest.into_iter().collect(), None));
    }
    all
}

/// Whether requests that a route takes may fit a pattern of paths that need no certificate; probes don't matter.
fn may_skip(pattern: Option<&str>, paths: &[String]) -> bool {
    let Some(pattern) = pattern else { return true };
    let bare = pattern.trim_start_matches('^');
    let end = bare.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_'))).unwrap_or(bare.len());
    let literal = &bare[..end];
    if PathMatch::Exact(literal.to_owned()).is_probe() {
        return false;
    }
    let anchored = pattern.starts_with('^');
    paths.iter().any(|path| match path.strip_suffix('*') {
        _ if !anchored => literal.is_empty() || path.contains(literal) || path.contains('*'),
        Some(prefix) => literal.starts_with(prefix) || prefix.starts_with(literal),
        None => path.starts_with(literal),
    })
}

fn path(paths: &[String]) -> PathMatch {
    match paths {
        [one] if one == "/*" => PathMatch::Any,
        [one] => match one.strip_suffix('*') {
            Some(prefix) => PathMatch::Prefix(prefix.to_owned()),
            None if one.contains(':') => PathMatch::Other,
            None => PathMatch::Exact(one.clone()),
        },
        _ => PathMatch::Other,
    }
}

/// Whether the upstream sees another host; X-Forwarded-Host tells the one that the client asked for.
fn of_host(upstream: At<'_>) -> Option<Rewrite> {
    let at = upstream.get("pass_host").filter(|at| at.text() != Some("pass"))?;
    Some(Rewrite { part: Part::Host, place: at.place(), told: true })
}

fn upstream_of(upstream: At<'_>) -> Upstream {
    let nodes = upstream.get("nodes");
    let by_name = nodes.into_iter().flat_map(At::entries).map(|(name, _)| name.to_owned());
    let listed = nodes.into_iter().flat_map(At::items).filter_map(|at| {
        let host = at.word("host")?;
        Some(at.word("port").map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    });
    let addresses: Vec<String> = by_name.filter(|name| !name.is_empty()).chain(listed).collect();
    let service = upstream.word("service_name").map(|name| format!("service {}", name.to_ascii_lowercase()));
    let scheme = upstream.word("scheme").unwrap_or("http");
    let label = addresses.first().map(|address| format!("{scheme}://{address}")).or_else(|| service.clone());
    let names = addresses.iter().map(|address| dial(address)).chain(service).collect();
    let protocol = match scheme {
        "grpc" | "grpcs" => Protocol::Grpc,
        "tcp" | "tls" | "udp" => Protocol::Stream,
        _ => Protocol::Http,
    };
    let place = nodes.unwrap_or(upstream).place();
    Upstream { label: label.unwrap_or_else(|| "its upstream".to_owned()), names, protocol, place }
}

/// A node whose routes are kept elsewhere: its logs hold for all of them.
pub(super) fn of_settings(at: At<'_>) -> Option<Configuration> {
    let settings = Settings::read(at);
    let place: Place = settings.logs.first()?.place;
    let port = settings.port.unwrap_or(PORT);
    let listener = Listener::elsewhere(format!(":{port}"), vec![port]);
    let route = Route { label: "every route".to_owned(), path: PathMatch::Any, when: Vec::new() };
    let upstream = Upstream { label: "its upstreams".to_owned(), names: Vec::new(), protocol: Protocol::Http, place };
    let arrivals = [Arrival::Unknown, Arrival::Unknown, Arrival::Unknown];
    let hop = Hop { logs: settings.logs, ..Hop::new(listener, route, upstream, arrivals) };
    Some(Configuration { files: vec![at.file], hops: vec![hop], ..Configuration::default() })
}
