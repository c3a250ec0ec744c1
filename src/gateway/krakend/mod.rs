//! KrakenD: `krakend.json`, in any of the formats it takes, what flexible configuration makes of templates, and parts of those.
//!
//! What decides: no header of the client goes on that `input_headers` does not name, neither for the endpoint nor for
//! the backend; `tls.enable_mtls` demands a certificate that verifies, and nothing hands it on. See `router/gin`,
//! `proxy/headers_filter.go` and `transport/http/server` of luraproject/lura.

mod flexible;
mod logs;

use std::collections::BTreeSet;

pub(super) use flexible::may_be_part;

use super::document::Source;
use super::evidence::Evidence;
use super::files::Files;
use super::hop::{
    Arrival, Cause, Client, ClientAuth, Cors, Event, Hop, Listener, Others, Part, PathMatch, Place, Protocol, Rewrite,
    Route, Slot, Upstream, Value,
};
use super::run::{Handshake, Run, dial};
use super::tree::{At, Switch};
use super::trusted::{is_carrier, trusted};
use super::{Configuration, Detail, FrontEnd, Hole, Rule};
use crate::syntax::blank::UNKNOWN;
use crate::syntax::yaml;

/// How deep modifiers may nest.
const DEEP: usize = 8;
/// More ways are not looked at.
const MOST: usize = 4096;
/// Where it listens unless told otherwise.
const PORT: u16 = 8080;

/// KrakenD.
#[derive(Debug)]
pub struct Krakend;

impl FrontEnd for Krakend {
    fn product(&self) -> &'static str {
        "krakend"
    }

    fn recognises(&self, _: &str, text: &str) -> bool {
        let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
        flexible::is_template(text) || has("url_pattern") && has("endpoint") && has("backend") && !has("resource \"")
    }

    fn lower(&self, files: &Files, own: &[u32]) -> Vec<Configuration> {
        let (templates, rest): (Vec<u32>, Vec<u32>) =
            own.iter().partition(|number| flexible::is_template(&files.get(**number).text));
        let mut used = BTreeSet::new();
        let mut all = Vec::new();
        for rendered in templates.iter().flat_map(|number| flexible::render(files, *number)) {
            all.extend(of_template(files, &rendered));
            used.extend(rendered.files);
        }
        all.extend(rest.iter().filter(|number| !used.contains(number)).filter_map(|number| of_file(files, *number)));
        all
    }

    fn reason(&self, rule: Rule, cause: Cause) -> &'static str {
        match (rule, cause) {
            (Rule::Stripped, _) => "krakend-client-cert-not-forwarded",
            (Rule::Spoofable, _) => "krakend-cert-header-passed",
            (Rule::DpopBroken, Cause::Rewritten) => "krakend-url-pattern-htu",
            (Rule::DpopBroken, Cause::NotListed) => "krakend-dpop-not-in-input-headers",
            (Rule::DpopBroken, _) => "krakend-martian-breaks-dpop",
            (Rule::NotRequested | Rule::Malformed | Rule::Weak | Rule::Unverified, _) => "krakend-client-cert",
            (Rule::Logged, _) => "krakend-log-credentials",
        }
    }

    fn reason_in_detail(&self, rule: Rule, cause: Cause, detail: Detail) -> &'static str {
        match (rule, detail) {
            (Rule::DpopBroken, Detail::Cors) => "krakend-cors-missing-dpop",
            _ => self.reason(rule, cause),
        }
    }

    fn fix(&self, rule: Rule, cause: Cause, header: Option<&str>) -> String {
        let header = header.unwrap_or("DPoP");
        match (rule, cause) {
            (Rule::Stripped, _) => "KrakenD hands no certificate on. End TLS in a gateway before it that sets a header from the \
                certificate, name that header in `input_headers`, and let nobody else connect."
                .to_owned(),
            (Rule::Spoofable, _) => {
                format!("Take {header} out of `input_headers`: KrakenD passes on what the client wrote in it.")
            }
            (Rule::DpopBroken, Cause::Rewritten) => {
                "Give the backend the endpoint's method and path (`url_pattern`), and do not filter out X-Forwarded-Host."
                    .to_owned()
            }
            (Rule::DpopBroken, Cause::NotListed) => {
                format!("Write `\"input_headers\": [\"Authorization\", \"DPoP\"]`: {header} goes on only if it is named.")
            }
            (Rule::DpopBroken, _) => format!("Take {header} out of the modifier."),
            (Rule::Logged, _) => "Leave the header out of the log's format, or write `\"report_headers\": false`.".to_owned(),
            _ => "Leave credentials and certificates to the gateway before KrakenD.".to_owned(),
        }
    }
}

/// Reads a file, if it is KrakenD's after all.
fn of_file(files: &Files, number: u32) -> Option<Configuration> {
    let source = Source::read(files, number);
    configuration(&source, Evidence::of(files, &[number]).dpop, vec![number])
}

/// Reads what templates have become.
fn of_template(files: &Files, rendered: &flexible::Rendered) -> Option<Configuration> {
    let numbers: Vec<u32> = rendered.files.iter().copied().collect();
    let text = rendered.written.text();
    let stream = yaml::parse_broken(text);
    let mut holes = Vec::new();
    if let Some((place, reason)) = stream.error {
        let line = usize::try_from(place.line).unwrap_or(1).saturating_sub(1);
        let at: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
        holes.push(Hole { place: offset(at), reason });
    } else if let Some(at) = text.find(UNKNOWN) {
        holes.push(Hole { place: offset(at), reason: "a template fills in parts of it".to_owned() });
    }
    // Places are those of the rendered text until they are put right.
    let source = Source { file: 0, documents: stream.documents, holes };
    let mut into = configuration(&source, Evidence::of(files, &numbers).dpop, numbers)?;
    let right = |place: &mut Place| *place = rendered.written.place(place.start as usize, place.end as usize);
    into.hops.iter_mut().for_each(|hop| hop.places(&mut |place| right(place)));
    into.holes.iter_mut().for_each(|hole| right(&mut hole.place));
    Some(into)
}

fn offset(at: usize) -> Place {
    let at = u32::try_from(at).unwrap_or(u32::MAX);
    Place { file: 0, start: at, end: at }
}

fn configuration(source: &Source, dpop: bool, files: Vec<u32>) -> Option<Configuration> {
    let mut into = Configuration { files, ..Configuration::default() };
    let mut whole = false;
    for root in source.roots() {
        let service = Service { root, dpop };
        whole |= root.get("endpoints").is_some() && root.get("version").is_some();
        let mut endpoints: Vec<At<'_>> = root.list("endpoints").collect();
        if endpoints.is_empty() {
            // A part that a template puts in place: one endpoint, or several.
            endpoints = root.items().collect();
        }
        for endpoint in endpoints.into_iter().filter(|at| at.get("endpoint").is_some()) {
            for backend in endpoint.list("backend").filter(|at| at.get("url_pattern").is_some()) {
                if into.hops.len() < MOST {
                    into.hops.extend(service.hop(endpoint, backend));
                }
            }
        }
    }
    if into.hops.is_empty() && !whole {
        return None;
    }
    into.complete = whole && source.holes.is_empty();
    into.holes.clone_from(&source.holes);
    into.trusted = trusted(&into.hops);
    Some(into)
}

/// The settings that all endpoints share.
struct Service<'a> {
    root: At<'a>,
    /// DPoP is spoken of.
    dpop: bool,
}

/// Which headers a list lets through.
enum Passed<'a> {
    All,
    Named(Vec<(String, Place)>, Option<At<'a>>),
    Unknown,
}

impl<'a> Passed<'a> {
    /// The list of an endpoint or a backend.
    fn read(at: At<'a>) -> Self {
        let list = at.get("input_headers");
        let names: Vec<At<'a>> = list.into_iter().flat_map(At::items).collect();
        if names.iter().any(|name| name.node.text() == Some("*")) {
            return Self::All;
        }
        if names.iter().any(|name| name.text().is_none()) {
            return Self::Unknown;
        }
        let named = names.iter().filter_map(|at| Some((at.text()?.to_ascii_lowercase(), at.place())));
        Self::Named(named.collect(), list)
    }
}

impl<'a> Service<'a> {
    fn handshake(&self) -> (Handshake, Option<Place>, bool) {
        // A part of a configuration does not say how it is served.
        if self.root.get("endpoints").is_none() {
            return (Handshake { auth: ClientAuth::Unknown, required: false }, None, true);
        }
        let Some(tls) = self.root.get("tls").filter(|at| at.switch("disabled", false) != Switch::On) else {
            return (Handshake::OFF, None, false);
        };
        if tls.node.entries().is_empty() && !tls.is_empty() {
            return (Handshake { auth: ClientAuth::Unknown, required: false }, None, true);
        }
        let asks = tls.get("enable_mtls").map(At::place);
        match tls.switch("enable_mtls", false) {
            Switch::On => (Handshake { auth: ClientAuth::Required, required: true }, asks, true),
            Switch::Off => (Handshake::OFF, None, true),
            Switch::Unknown => (Handshake { auth: ClientAuth::Unknown, required: false }, None, true),
        }
    }

    fn hop(&self, endpoint: At<'a>, backend: At<'a>) -> Option<Hop> {
        let path = endpoint.get("endpoint")?.node.text()?;
        let method = endpoint.word("method").unwrap_or("GET");
        let (handshake, asks_at, tls) = self.handshake();
        let hosts: Vec<&str> = match backend.list("host").filter_map(At::text).collect::<Vec<_>>() {
            own if own.is_empty() => self.root.list("host").filter_map(At::text).collect(),
            own => own,
        };
        let pattern = backend.get("url_pattern")?;
        let place = pattern.place();
        let mut way = Run::new(false);
        self.headers(endpoint, backend, &mut way);
        let proofs = way.values("dpop");
        let (validated, consumes) = self.checked(endpoint, backend);
        self.forgotten(validated, &mut way);
        let arrivals = Client::ALL.map(|client| handshake.arrival(client, |_| Some(way.request.clone())));
        if arrivals.iter().all(|arrival| *arrival == Arrival::Refused) {
            return None;
        }
        let port = self.root.word("port").and_then(|port| port.parse().ok()).unwrap_or(PORT);
        let listener = Listener {
            label: format!(":{port}"),
            ports: vec![port],
            sockets: Vec::new(),
            hosts: Vec::new(),
            tls,
            auth: handshake.auth,
            asks_at,
            in_vain: None,
            inner: self.root.word("listen_ip").is_some_and(|ip| ip.starts_with("127.") || ip == "::1"),
        };
        let route = Route {
            label: format!("endpoint {method} {path}"),
            path: match path.strip_suffix("/*") {
                Some(prefix) if !prefix.contains('{') => PathMatch::Prefix(prefix.to_owned()),
                None if !path.contains(['{', ':', '*']) => PathMatch::Exact(path.to_owned()),
                _ => PathMatch::Other,
            },
            when: Vec::new(),
        };
        let upstream = Upstream {
            label: hosts.first().map_or_else(|| "its backend".to_owned(), |host| (*host).to_owned()),
            names: hosts.iter().map(|host| dial(host)).collect(),
            protocol: Protocol::Http,
            place,
        };
        // What is not sent a proof compares none.
        let rewrites = if proofs.contains(&Value::Client) { rewrites(endpoint, backend) } else { Vec::new() };
        let cors =
            extra(self.root, "security/cors").or_else(|| extra(self.root, "github_com/devopsfaith/krakend-cors"));
        Some(Hop {
            lost: handshake.auth.asks().then(|| Event::new(place, Cause::Untouched)),
            rewrites,
            cors: cors.map(cors_of).into_iter().collect(),
            logs: logs::of(self.root, endpoint, backend),
            consumes_authorization: consumes,
            ..Hop::new(listener, route, upstream, arrivals)
        })
    }

    /// What becomes of the client's headers.
    fn headers(&self, endpoint: At<'a>, backend: At<'a>, way: &mut Run) {
        // A backend's own list may let fewer through; without one, all that the endpoint lets through goes on.
        let own = backend.get("input_headers").filter(|list| !list.is_empty()).map(|_| Passed::read(backend));
        for list in [Some(Passed::read(endpoint)), own].into_iter().flatten() {
            match list {
                Passed::All => {}
                Passed::Unknown => {
                    way.anything();
                    return;
                }
                Passed::Named(names, list) => {
                    let dropped = Event::new(list.unwrap_or(endpoint).place(), Cause::NotListed);
                    let before = std::mem::replace(way, Run::new(false));
                    for (name, at) in names {
                        let slot = before.slot(&name);
                        // Such a header is meant for another gateway to fill.
                        let event = (is_carrier(&name) && !slot.values.is_empty()).then(|| Event::new(at, Cause::Mode));
                        way.request.headers.insert(name, Slot { event: event.or(slot.event), ..slot });
                    }
                    let others = before.request.headers.into_iter().filter(|(_, slot)| !slot.values.is_empty());
                    for (name, _) in others {
                        let none = || Slot { values: Vec::new(), event: Some(dropped.clone()) };
                        way.request.headers.entry(name).or_insert_with(none);
                    }
                    way.request.others = match before.request.others {
                        Others::Dropped(event) => Others::Dropped(event),
                        _ => Others::Dropped(dropped),
                    };
                }
            }
        }
        // Plugins and scripts do as they like, with what gets to them and beside it.
        const SCRIPTS: [&str; 5] = [
            "plugin/req-resp-modifier",
            "plugin/http-client",
            "modifier/lua-proxy",
            "modifier/lua-backend",
            "modifier/request-body-generator",
        ];
        let scripted = SCRIPTS.iter().any(|name| {
            extra(endpoint, name)
                .or_else(|| extra(backend, name))
                .is_some_and(|at| !name.starts_with("modifier/lua") || at.get("pre").is_none_or(|pre| !pre.is_empty()))
        });
        let endpoint_script = extra(endpoint, "modifier/lua-endpoint").is_some_and(|at| at.get("pre").is_some());
        if scripted {
            way.anything();
        } else if endpoint_script || self.has_own_plugins() {
            for slot in way.request.headers.values_mut() {
                *slot = Slot { values: vec![Value::Unknown], event: None };
            }
            if way.request.others == Others::Passed {
                way.request.others = Others::Unknown;
            }
        }
        let martian = ["modifier/martian", "github.com/devopsfaith/krakend-martian"];
        if let Some(at) = martian.iter().find_map(|name| extra(backend, name)) {
            modify(at, way, 0);
        }
    }

    /// Plugins at the door that are not KrakenD's own, and may set headers.
    fn has_own_plugins(&self) -> bool {
        const SHIPPED: [&str; 9] = [
            "basic-auth",
            "geoip",
            "ip-filter",
            "jwk-aggregator",
            "redis-ratelimit",
            "static-filesystem",
            "url-rewrite",
            "virtualhost",
            "wildcard",
        ];
        let plugins = extra(self.root, "plugin/http-server").into_iter().flat_map(|at| at.list("name"));
        plugins.into_iter().any(|name| name.text().is_none_or(|name| !SHIPPED.contains(&name)))
    }

    /// Whether KrakenD checks tokens itself, and whether what it sends on as `Authorization` is its own affair.
    fn checked(&self, endpoint: At<'a>, backend: At<'a>) -> (bool, bool) {
        let validator = ["auth/validator", "github.com/devopsfaith/krakend-jose/validator"]
            .iter()
            .any(|name| extra(endpoint, name).is_some());
        let at_the_door = ["auth/basic", "auth/api-keys"].iter().any(|name| extra(endpoint, name).is_some());
        let logs_in = ["auth/client-credentials", "auth/gcp", "auth/aws-sigv4", "auth/ntlm", "auth/digest"]
            .iter()
            .any(|name| extra(backend, name).is_some());
        (validator, at_the_door || logs_in)
    }

    /// A proof that is not passed on matters where its token is: where that goes on or is checked here.
    fn forgotten(&self, validated: bool, way: &mut Run) {
        let (token, proof) = (way.slot("authorization"), way.slot("dpop"));
        if proof.values.is_empty() {
            let matters = if token.values.is_empty() { validated && self.dpop } else { validated || self.dpop };
            if !matters || matches!(&proof.event, Some(event) if event.cause != Cause::NotListed) {
                let event = proof.event.filter(|event| event.cause != Cause::NotListed);
                way.request.headers.insert("dpop".to_owned(), Slot { values: Vec::new(), event });
            }
        }
        if token.values.is_empty() && token.event.as_ref().is_some_and(|event| event.cause == Cause::NotListed) {
            // Tokens need not go on where KrakenD checks them, or where nobody sends any.
            let event = token.event.filter(|_| !validated && !proof.values.is_empty());
            way.request.headers.insert("authorization".to_owned(), Slot { values: Vec::new(), event });
        }
    }
}

/// What of `extra_config` stands under a name, for an endpoint, a backend or the service.
fn extra<'a>(at: At<'a>, name: &str) -> Option<At<'a>> {
    at.get("extra_config")?.entries().find(|(key, _)| *key == name).map(|(_, at)| at)
}

/// What is changed of the target: always the host, which X-Forwarded-Host tells, and the path where the two differ.
fn rewrites(endpoint: At<'_>, backend: At<'_>) -> Vec<Rewrite> {
    let place = backend.get("url_pattern").unwrap_or(backend).place();
    let told = match Passed::read(backend) {
        Passed::Named(names, Some(_)) => names.iter().any(|(name, _)| name == "x-forwarded-host"),
        _ => true,
    };
    let at = backend.get("input_headers").filter(|_| !told).map_or(place, At::place);
    let mut rewrites = vec![Rewrite { part: Part::Host, place: at, told }];
    let plain = |path: &str| format!("/{}", path.trim_matches('/')).to_ascii_lowercase();
    let paths = (endpoint.word("endpoint"), backend.word("url_pattern"));
    if let (Some(outer), Some(inner)) = paths
        && plain(outer) != plain(inner.split('?').next().unwrap_or(inner))
    {
        rewrites.push(Rewrite { part: Part::Path, place, told: false });
    }
    let outer = endpoint.word("method").unwrap_or("GET");
    if let Some(method) = backend.get("method")
        && method.text().is_some_and(|inner| !inner.eq_ignore_ascii_case(outer))
    {
        rewrites.push(Rewrite { part: Part::Method, place: method.place(), told: false });
    }
    rewrites
}

fn cors_of(at: At<'_>) -> Cors {
    let list = |key: &str| {
        at.get(key).map(|list| list.items().filter_map(At::text).map(str::to_ascii_lowercase).collect::<Vec<_>>())
    };
    let place = at.get("allow_headers").or_else(|| at.get("expose_headers")).unwrap_or(at).place();
    Cors { allow: list("allow_headers"), expose: list("expose_headers"), place }
}

/// What Martian's modifiers do to a request.
fn modify(at: At<'_>, way: &mut Run, depth: usize) {
    for (kind, settings) in at.entries() {
        let place = settings.place();
        let scoped = settings.get("scope").is_none_or(|list| list.items().any(|one| one.text() != Some("response")));
        if !scoped {
            continue;
        }
        let name = settings.word("name").map(str::to_ascii_lowercase);
        let value =
            settings.get("value").map(|at| at.text().map_or(Value::Unknown, |text| Value::Constant(text.to_owned())));
        match (kind, name) {
            ("header.Modifier", Some(name)) => {
                let place = settings.get("name").map_or(place, At::place);
                way.set(&name, vec![value.unwrap_or(Value::Empty)], place, Cause::Set);
            }
            ("header.Append", Some(name)) => {
                let mut values = way.values(&name);
                values.push(value.unwrap_or(Value::Empty));
                way.set(&name, values, settings.get("name").map_or(place, At::place), Cause::Appended);
            }
            ("header.Blacklist", _) => {
                for name in settings.list("names") {
                    if let Some(text) = name.text() {
                        way.remove(text, name.place(), Cause::Removed);
                    }
                }
            }
            ("header.Copy", _) => {
                if let (Some(from), Some(to)) = (settings.word("from"), settings.word("to")) {
                    let from = from.to_ascii_lowercase();
                    let values = way.values(&from).into_iter().map(|value| match value {
                        Value::Client => Value::ClientHeader(from.clone()),
                        other => other,
                    });
                    let values = values.collect();
                    way.set(to, values, place, Cause::Copied);
                }
            }
            ("fifo.Group" | "priority.Group", _) if depth < DEEP => {
                for modifier in settings.list("modifiers") {
                    modify(modifier.get("modifier").unwrap_or(modifier), way, depth + 1);
                }
            }
            // Under a condition: what it touches is not known.
            ("url.Filter" | "header.Filter" | "header.RegexFilter" | "querystring.Filter" | "port.Filter", _) => {
                let mut names = Vec::new();
                for inner in ["modifier", "else"].iter().filter_map(|key| settings.get(key)) {
                    touched(inner, DEEP, &mut names);
                }
                names.iter().for_each(|name| way.request.set(name, vec![Value::Unknown], None));
            }
            _ => {}
        }
    }
}

/// The headers that modifiers name, wherever they stand in a tree of them.
fn touched(at: At<'_>, depth: usize, into: &mut Vec<String>) {
    if depth == 0 || at.node.text().is_some() {
        return;
    }
    into.extend(["name", "to"].iter().filter_map(|key| at.word(key)).map(str::to_ascii_lowercase));
    into.extend(at.list("names").filter_map(At::text).map(str::to_ascii_lowercase));
    let entries: Vec<At<'_>> = at.entries().map(|(_, at)| at).collect();
    if entries.is_empty() {
        at.items().for_each(|item| touched(item, depth - 1, into));
    }
    entries.into_iter().for_each(|at| touched(at, depth - 1, into));
}
