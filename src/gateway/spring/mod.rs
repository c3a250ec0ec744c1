//! Spring Cloud Gateway: routes and filters in `application.yml` and `application.properties`, with their profiles, those
//! that code beside them writes, and filters of the application's own.
//!
//! What decides: `server.ssl.client-auth` asks for certificates, and no filter that comes with the gateway hands one on;
//! filters of all routes come before those of a route; X-Forwarded-Host and -Prefix tell what was rewritten, from 4.3 on only
//! where `trusted-proxies` is set. See the filter factories, `XForwardedHeadersFilter` and `TrustedProxies` of
//! spring-cloud/spring-cloud-gateway.

mod code;
mod filters;
mod reading;
mod routes;
mod settings;

use std::collections::{BTreeMap, BTreeSet};

use super::files::Files;
use super::hop::{
    Cause, Client, ClientAuth, Cors, Credential, Hop, Listener, Logged, Part, PathMatch, Place, Protocol, Rewrite,
    Route, Upstream,
};
use super::run::{Handshake, Run, dial};
use super::trusted::trusted;
use super::{Configuration, FrontEnd, Hole, Rule, is_code};
use code::Own;
use filters::Filter;
use settings::{Assembled, Settings};

/// More ways are not looked at.
const MOST: usize = 4096;

/// Spring Cloud Gateway.
#[derive(Debug)]
pub struct Spring;

impl FrontEnd for Spring {
    fn product(&self) -> &'static str {
        "spring-cloud-gateway"
    }

    fn reads_code(&self) -> bool {
        true
    }

    fn recognises(&self, name: &str, text: &str) -> bool {
        if is_code(name) {
            return code::recognises(name, text) || routes::recognises(name, text);
        }
        let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
        if ![".yml", ".yaml", ".properties"].iter().any(|ending| name.ends_with(ending)) || has("apiVersion:") {
            return false;
        }
        let routes = has("gateway") && has("cloud") && (has("routes") || has("filters"));
        // What a profile adds need not speak of routes.
        routes || has("ssl") && (has("client-auth") || has("clientAuth")) && (has("server:") || has("server.ssl"))
    }

    fn lower(&self, files: &Files, own: &[u32]) -> Vec<Configuration> {
        let (code, own): (Vec<u32>, Vec<u32>) = own.iter().partition(|number| is_code(files.get(**number).path()));
        let is = |tell: fn(&str, &str) -> bool| {
            let text = |number: &u32| files.get(*number);
            code.iter().copied().filter(|number| tell(text(number).path(), &text(number).text)).collect::<Vec<_>>()
        };
        let (filters, routes) = (is(code::recognises), is(routes::recognises));
        let mut written: BTreeMap<&str, Written> = BTreeMap::new();
        for number in routes {
            let found = routes::read(files, number);
            let application = written.entry(code::application(files, number)).or_default();
            application.routes.extend(found);
            application.files.push(number);
        }
        let mut assembled = settings::assemble(files, &own);
        // An application whose settings say nothing that matters.
        let known: BTreeSet<&str> = own.iter().map(|number| code::application(files, *number)).collect();
        for (_, alone) in written.iter().filter(|(application, _)| !known.contains(*application)) {
            assembled.push(Assembled { files: alone.files.clone(), ..Assembled::default() });
        }
        let filters: Vec<Own> = filters.iter().map(|number| Own::read(files, *number)).collect();
        assembled
            .iter()
            .filter_map(|one| {
                let application = one.files.first().map(|number| code::application(files, *number));
                let written = application.and_then(|application| written.get(application));
                let beside = |filter: &&Own| code::beside(files, filter.file, &one.files, &own);
                configuration(one, written, &filters.iter().filter(beside).collect::<Vec<_>>())
            })
            .collect()
    }

    fn reason(&self, rule: Rule, cause: Cause) -> &'static str {
        match (rule, cause) {
            (Rule::Stripped, _) => "spring-gateway-client-cert-not-forwarded",
            (Rule::Spoofable, _) => "spring-gateway-cert-header-passed",
            (Rule::NotRequested, _) => "spring-gateway-client-cert-not-requested",
            (Rule::Malformed | Rule::Weak | Rule::Unverified, _) => "spring-gateway-client-cert",
            (Rule::DpopBroken, Cause::NotListed) => "spring-gateway-cors-missing-dpop",
            (Rule::DpopBroken, Cause::Rewritten) => "spring-gateway-rewrite-htu",
            (Rule::DpopBroken, _) => "spring-gateway-removes-dpop",
            (Rule::Logged, _) => "spring-gateway-log-credentials",
        }
    }

    fn fix(&self, rule: Rule, cause: Cause, header: Option<&str>) -> String {
        let header = header.unwrap_or("DPoP");
        let text = match (rule, cause) {
            (Rule::Stripped, _) => {
                "Name a filter of your own in default-filters that removes the header and sets it from exchange.getRequest().getSslInfo()."
            }
            (Rule::Spoofable, Cause::Conditional | Cause::Appended) => {
                return format!("Remove {header} first, for every request: `headers(h -> h.remove(\"{header}\"))`.");
            }
            (Rule::Spoofable, _) => {
                return format!(
                    "Take {header} away before anything sets it: `RemoveRequestHeader={header}`, or `headers.remove(…)` in the filter."
                );
            }
            (Rule::DpopBroken, Cause::NotListed) => {
                "List DPoP in allowed-headers, and DPoP-Nonce and WWW-Authenticate in exposed-headers."
            }
            (Rule::DpopBroken, Cause::Rewritten) => {
                "Write `PreserveHostHeader` and keep the path, or have X-Forwarded-Host and -Prefix tell them: from 4.3 on that takes `trusted-proxies`, and StripPrefix where the path is cut."
            }
            (Rule::DpopBroken, _) => return format!("Drop the filter that removes or replaces {header}."),
            (Rule::Logged, _) => {
                "Write `wiretap: false`, or keep reactor.netty at INFO; in code, log no headers with credentials."
            }
            (Rule::NotRequested, _) => "Write `client-auth: need` (or `want`) under `server.ssl`.",
            (Rule::Malformed | Rule::Weak, _) => {
                "Send the whole certificate on one line: `Base64.getEncoder().encodeToString(certificate.getEncoded())`."
            }
            _ => "Leave certificates to a gateway before this one.",
        };
        text.to_owned()
    }
}

/// A route as it is defined.
#[derive(Debug, Clone)]
struct Definition {
    id: Option<String>,
    uri: String,
    place: Place,
    filters: Vec<Filter>,
    predicates: Vec<Filter>,
}

impl Definition {
    /// One of settings; filters of all of them come first.
    fn of_settings(settings: &Settings, key: &str, defaults: &[Filter]) -> Option<Self> {
        let (uri, place) = settings.gateway(&format!("{key}.uri"))?;
        let own = filters::read(settings, &format!("{key}.filters"));
        let id = settings.gateway(&format!("{key}.id")).map_or(key, |(id, _)| id.as_str());
        Some(Self {
            id: Some(id.to_owned()),
            uri: uri.clone(),
            place: *place,
            filters: defaults.iter().cloned().chain(own).collect(),
            predicates: filters::read(settings, &format!("{key}.predicates")),
        })
    }
}

/// What an application's code defines.
#[derive(Debug, Default)]
struct Written {
    files: Vec<u32>,
    routes: Vec<Definition>,
}

/// `own`: filters that the application brings along.
fn configuration(assembled: &Assembled, written: Option<&Written>, own: &[&Own]) -> Option<Configuration> {
    let settings = &assembled.settings;
    let defaults = filters::read(settings, "defaultfilters");
    let routes = settings.numbered("routes");
    let routes = routes.iter().filter_map(|key| Definition::of_settings(settings, key, &defaults));
    let mut into = Configuration { files: assembled.files.clone(), ..Configuration::default() };
    for definition in routes.chain(written.iter().flat_map(|written| written.routes.clone())).take(MOST) {
        into.hops.extend(hop(settings, &definition, own));
    }
    if into.hops.is_empty() && settings.numbered("routes").is_empty() {
        return None;
    }
    for (place, reason) in &assembled.holes {
        into.holes.push(Hole { place: *place, reason: reason.clone() });
    }
    into.files.extend(written.iter().flat_map(|written| &written.files));
    into.files.extend(own.iter().map(|filter| filter.file));
    into.files.sort_unstable();
    into.files.dedup();
    // Where nothing is said of TLS, it may be said elsewhere.
    let known = own.iter().all(|filter| !filter.is_unknown()) && (own.is_empty() || handshake(settings).2);
    into.complete = into.holes.is_empty() && known && written.is_none();
    into.trusted = trusted(&into.hops);
    Some(into)
}

/// How the server asks for certificates, and where that stands.
fn handshake(settings: &Settings) -> (Handshake, Option<Place>, bool) {
    let (text, place) = match settings.get("server.ssl.clientauth") {
        Some((text, place)) => (text.as_str(), Some(*place)),
        None => ("none", None),
    };
    let off = settings.get("server.ssl.enabled").is_some_and(|(text, _)| text == "false");
    let tls = !off && settings.has_any("server.ssl.");
    let (auth, required) = match text.to_ascii_lowercase().as_str() {
        _ if off => (ClientAuth::Off, false),
        "need" => (ClientAuth::Required, true),
        "want" => (ClientAuth::Optional, false),
        "none" => (ClientAuth::Off, false),
        _ => (ClientAuth::Unknown, false),
    };
    (Handshake { auth, required }, place.filter(|_| auth.asks()), tls)
}

fn hop(settings: &Settings, definition: &Definition, own: &[&Own]) -> Option<Hop> {
    let Definition { id, uri, place, filters: chain, predicates } = definition;
    // Requests that the application answers itself.
    let stays = ["no://", "forward:"].iter().any(|scheme| uri.starts_with(scheme));
    if stays || chain.iter().any(|filter| filter.name == "RedirectTo") {
        return None;
    }
    let (handshake, asks_at, tls) = handshake(settings);
    let mut lost = None;
    let arrivals = Client::ALL.map(|client| {
        handshake.arrival(client, |presented| {
            let mut run = Run::new(presented);
            for filter in chain {
                match own.iter().find(|own| own.is_called(Some(&filter.name))) {
                    Some(own) => own.apply(&mut run),
                    None => filter.apply(&mut run),
                }
            }
            own.iter().filter(|own| own.is_called(None)).for_each(|own| own.apply(&mut run));
            lost = run.lost.clone().or(lost.take());
            Some(run.request)
        })
    });
    let of = |name: &str| predicates.iter().find(|one| one.name == name).map(Filter::all).unwrap_or_default();
    let port = settings.get("server.port").and_then(|(port, _)| port.parse().ok());
    let hosts: Vec<String> = of("Host").iter().map(|host| host.to_ascii_lowercase()).collect();
    let label = port.map_or_else(|| "the gateway".to_owned(), |port: u16| format!(":{port}"));
    let listener = Listener {
        label: hosts.first().map_or_else(|| label.clone(), |host| format!("{label} {host}")),
        ports: port.into_iter().collect(),
        sockets: Vec::new(),
        hosts: hosts.iter().filter(|host| !host.contains(['*', '{', '$'])).cloned().collect(),
        tls,
        auth: handshake.auth,
        asks_at,
        in_vain: None,
        inner: settings.get("server.address").is_some_and(|(ip, _)| ip.starts_with("127.") || ip == "localhost"),
    };
    let path = match of("Path").as_slice() {
        [] => PathMatch::Any,
        [one] if one == "/**" => PathMatch::Any,
        [one] => match one.strip_suffix("/**") {
            Some(prefix) if !prefix.contains(['*', '{', '$']) => PathMatch::Prefix(prefix.to_owned()),
            None if !one.contains(['*', '{', '$', '?']) => PathMatch::Exact(one.clone()),
            _ => PathMatch::Other,
        },
        _ => PathMatch::Other,
    };
    let known = !uri.contains("${");
    let names = match uri.strip_prefix("lb://") {
        Some(service) => vec![format!("service {}", service.to_ascii_lowercase())],
        None => vec![dial(uri)],
    };
    // What code works out has no text.
    let shown = if uri == "${}" { "an address that code works out" } else { uri };
    let upstream = Upstream {
        label: shown.to_owned(),
        names: if known { names } else { Vec::new() },
        protocol: Protocol::Http,
        place: *place,
    };
    let label = id.as_ref().map_or_else(|| format!("the route to {shown}"), |id| format!("route {id}"));
    let route = Route { label, path, when: Vec::new() };
    let used = || {
        let named = |own: &Own| chain.iter().any(|filter| own.is_called(Some(&filter.name)));
        own.iter().filter(move |own| own.is_called(None) || named(own))
    };
    Some(Hop {
        lost,
        rewrites: rewrites(settings, chain, *place),
        carriers: used().flat_map(|own| own.carriers()).collect(),
        logs: wiretap(settings).into_iter().chain(used().flat_map(|own| own.logs().iter().cloned())).collect(),
        cors: cors(settings),
        consumes_authorization: chain.iter().any(|filter| filter.name == "TokenRelay"),
        ..Hop::new(listener, route, upstream, arrivals)
    })
}

/// What is changed of the target.
fn rewrites(settings: &Settings, chain: &[Filter], place: Place) -> Vec<Rewrite> {
    let off = |key: &str| settings.gateway(key).is_some_and(|(text, _)| text == "false");
    // From 4.3 on nothing is told unless it is said whose peers may be told of, which those before did not ask.
    let trusts = !settings.recent || settings.gateway("trustedproxies").is_some_and(|(text, _)| !text.is_empty());
    let forwards = trusts && !off("xforwarded.enabled");
    let sets = |name: &str| {
        chain
            .iter()
            .any(|filter| filter.name.ends_with("RequestHeader") && filter.header().is_some_and(|own| own == name))
    };
    let mut rewrites = Vec::new();
    if !chain.iter().any(|filter| filter.name == "PreserveHostHeader") {
        let told = forwards && !off("xforwarded.hostenabled") || sets("x-forwarded-host");
        rewrites.push(Rewrite { part: Part::Host, place, told });
    }
    for filter in chain {
        // What is left is an end of what was there: then the gateway can tell what was taken off.
        let strips = match filter.name.as_str() {
            "StripPrefix" => true,
            "RewritePath" => filter.all().get(1).is_some_and(|to| to.starts_with("/$")),
            "SetPath" | "PrefixPath" => false,
            _ => continue,
        };
        let told = strips && forwards && !off("xforwarded.prefixenabled") || sets("x-forwarded-prefix");
        rewrites.push(Rewrite { part: Part::Path, place: filter.place, told });
    }
    rewrites
}

/// Bytes of requests in the log: Netty writes them where it is told to, at a level that is written.
fn wiretap(settings: &Settings) -> Option<Logged> {
    let level = [
        "logging.level.reactor.netty.http.server",
        "logging.level.reactor.netty.http",
        "logging.level.reactor.netty",
        "logging.level.root",
    ]
    .iter()
    .find_map(|key| settings.get(key))
    .filter(|(level, _)| matches!(level.to_ascii_uppercase().as_str(), "DEBUG" | "TRACE"))?;
    let tapped = ["httpserver.wiretap", "httpclient.wiretap"].iter().find_map(|key| settings.gateway(key));
    let (_, place) = tapped.filter(|(text, _)| text == "true")?;
    Some(Logged { what: Credential::AllHeaders, place: *place, active: Some(level.1) })
}

/// What browsers are allowed.
fn cors(settings: &Settings) -> Vec<Cors> {
    settings
        .below("globalcors.corsconfigurations.")
        .into_iter()
        .filter_map(|own| {
            let list = |key: &str| {
                let found = settings.list(&format!("{own}.{key}"));
                let plain = !found.is_empty() && !found.iter().any(|(text, _)| text.contains(['*', '$']));
                plain.then_some(found)
            };
            let names =
                |found: &Vec<(String, Place)>| found.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
            let (allow, expose) = (list("allowedheaders"), list("exposedheaders"));
            let place = allow.as_ref().or(expose.as_ref())?.first()?.1;
            Some(Cors { allow: allow.as_ref().map(names), expose: expose.as_ref().map(names), place })
        })
        .collect()
}
