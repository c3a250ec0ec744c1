//! What the upstream gets: the headers of one client's request, and what became of the certificate on the way.

use super::input;
use super::run::{Passed, Run};
use super::site::{Level, in_force, own};
use super::tree::Node;
use super::value::{self, Part, Piece};
use crate::gateway::hop::{
    Carrier, Cause, Event, Form, Others, Part as Target, Place, Protocol, Request, Rewrite, Value,
};
use crate::gateway::trusted::is_carrier;

/// A kind of upstream: how it is spoken to, and with which directives.
pub(super) struct Family {
    pub(super) protocol: Protocol,
    /// The directive that sets a header or parameter.
    set: &'static str,
    /// The directive that says whether the client's headers are passed.
    passes: &'static str,
}

const FAMILIES: &[(&str, Family)] = &[
    ("proxy_pass", Family { protocol: Protocol::Http, set: "proxy_set_header", passes: "proxy_pass_request_headers" }),
    ("grpc_pass", Family { protocol: Protocol::Grpc, set: "grpc_set_header", passes: "" }),
    (
        "fastcgi_pass",
        Family { protocol: Protocol::Gateway, set: "fastcgi_param", passes: "fastcgi_pass_request_headers" },
    ),
    ("uwsgi_pass", Family { protocol: Protocol::Gateway, set: "uwsgi_param", passes: "uwsgi_pass_request_headers" }),
    ("scgi_pass", Family { protocol: Protocol::Gateway, set: "scgi_param", passes: "scgi_pass_request_headers" }),
];

impl Family {
    pub(super) fn of(pass: &Node) -> &'static Self {
        let found = FAMILIES.iter().find(|(name, _)| *name == pass.name);
        &found.unwrap_or(&FAMILIES[0]).1
    }

    /// The name under which the model knows what a directive of this family sets.
    fn key(&self, name: &str) -> String {
        let name = name.to_ascii_lowercase();
        match (self.protocol, name.strip_prefix("http_")) {
            (Protocol::Gateway, Some(header)) => header.replace('_', "-"),
            // A parameter that is no header must not look like one.
            (Protocol::Gateway, None) if !name.contains('_') => format!("_{name}"),
            _ => name,
        }
    }
}

/// The request of the run's client.
pub(super) fn request(run: &mut Run<'_, '_>, passed: &Passed<'_>) -> Request {
    let family = Family::of(passed.pass);
    let set = in_force(&passed.chain, &[family.set]);
    let mut request = Request::untouched();
    if !family.passes.is_empty()
        && let Some(off) = in_force(&passed.chain, &[family.passes]).nodes.first()
        && off.argument(0) == "off"
    {
        request.others = Others::Dropped(Event::new(off.place, Cause::AllDropped));
    }
    for node in &set.nodes {
        if node.argument(0).contains(['$', crate::syntax::directives::UNKNOWN]) {
            request.others = Others::Unknown;
            continue;
        }
        let key = family.key(node.argument(0));
        let pieces = run.value(node.argument(1));
        let optional = node.argument(2) == "if_not_empty";
        let value = match value::seen(&pieces, &key) {
            // Parameters are sent even where they are empty.
            None if family.protocol == Protocol::Gateway && !optional => Some(Value::Empty),
            value => value,
        };
        let cause = match &value {
            None | Some(Value::Empty) if node.argument(1).is_empty() => Cause::Removed,
            Some(Value::Client | Value::ClientHeader(_)) => Cause::Copied,
            _ => Cause::Set,
        };
        let mut values: Vec<Value> = request.headers.get(&key).map(|slot| slot.values.clone()).unwrap_or_default();
        // Of two settings the telling one explains it.
        let told = values.is_empty() || matches!(value, Some(Value::Certificate(_)));
        let event = match request.headers.get(&key).and_then(|slot| slot.event.clone()) {
            Some(event) if !told => Some(event),
            _ => Some(Event::new(node.place, cause)),
        };
        values.extend(value);
        request.set(&key, values, event);
    }
    if family.protocol == Protocol::Http && !request.headers.contains_key("host") {
        request.set("host", vec![default_host(passed.pass)], None);
    }
    if set.unknown || passed.chain.iter().any(|level| level.nodes.iter().any(changes_headers)) {
        request.others = Others::Unknown;
        if set.unknown {
            request.headers.retain(|name, slot| name != "host" || slot.event.is_some());
        }
    }
    input::apply(run, passed, &mut request);
    request
}

/// Whether a directive can change any header of the request.
fn changes_headers(node: &Node) -> bool {
    let name = node.name.as_str();
    matches!(name, "js_access" | "access_by_njs")
        || name.starts_with("rewrite_by_lua")
        || name.starts_with("access_by_lua")
}

/// What `$proxy_host` is.
fn default_host(pass: &Node) -> Value {
    let url = pass.argument(0);
    let host = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default();
    if host.contains('$') || host.starts_with("unix:") { Value::Other } else { Value::Constant(host.to_owned()) }
}

/// The directives that are to carry the certificate: those in force, and those around that are not.
pub(super) fn carriers(run: &mut Run<'_, '_>, passed: &Passed<'_>) -> Vec<Carrier> {
    let family = Family::of(passed.pass);
    let mut carriers = Vec::new();
    let in_force = in_force(&passed.chain, &[family.set]);
    let elsewhere = passed.chain.iter().rev().flat_map(|level| setters(level));
    for node in in_force.nodes.iter().copied().chain(elsewhere) {
        let of = FAMILIES.iter().find(|(_, family)| family.set == node.name).map_or(family, |(_, family)| family);
        if let Some(form) = certificate(run, node)
            && !carriers.iter().any(|known: &Carrier| known.place == node.place)
        {
            carriers.push(Carrier { header: of.key(node.argument(0)), form, place: node.place });
        }
    }
    carriers
}

fn setters<'t>(level: &Level<'t>) -> Vec<&'t Node> {
    let names: Vec<&str> = FAMILIES.iter().map(|(_, family)| family.set).collect();
    own(level.nodes, &names)
}

fn certificate(run: &mut Run<'_, '_>, node: &Node) -> Option<Form> {
    run.value(node.argument(1)).into_iter().find_map(|piece| match piece {
        Piece::Certificate(form) => Some(form),
        _ => None,
    })
}

/// Why the certificate does not get there, where something explains it. The run is that of a client whose certificate
/// is seen.
pub(super) fn lost(run: &mut Run<'_, '_>, passed: &Passed<'_>, request: &Request) -> Option<Event> {
    let family = Family::of(passed.pass);
    let set = in_force(&passed.chain, &[family.set]);
    // At an outer level, in directives of the right kind.
    let outer = passed.chain[..set.depth.min(passed.chain.len())].iter().rev();
    for node in outer.flat_map(|level| own(level.nodes, &[family.set])) {
        if certificate(run, node).is_some()
            && let Some(inner) = set.nodes.first()
        {
            let related = vec![(node.place, "sets it, and is not inherited here")];
            return Some(Event { place: inner.at_level(), cause: Cause::Wiped, related });
        }
    }
    for (_, other) in FAMILIES.iter().filter(|(_, other)| other.set != family.set) {
        for node in in_force(&passed.chain, &[other.set]).nodes {
            if certificate(run, node).is_some() {
                let related = vec![(passed.pass.place, "requests go on to the upstream here")];
                return Some(Event { place: node.place, cause: Cause::WrongProtocol, related });
            }
        }
    }
    let carriers = request.headers.iter().filter(|(name, _)| is_carrier(name));
    let mut events = carriers.filter_map(|(_, slot)| slot.event.as_ref());
    events.find(|event| event.cause == Cause::Copied).cloned()
}

/// What of the target the upstream sees otherwise than the client sent it.
pub(super) fn rewrites(passed: &Passed<'_>, prefix: Option<&str>, hosts: &[String]) -> Vec<Rewrite> {
    let family = Family::of(passed.pass);
    let mut rewrites = Vec::new();
    // Parameters tell all of it, and gRPC has no target of its own.
    if family.protocol != Protocol::Http {
        return rewrites;
    }
    let set = in_force(&passed.chain, &[family.set]);
    let host = set.nodes.iter().rev().find(|node| node.argument(0).eq_ignore_ascii_case("host"));
    let kept = host.is_some_and(|node| {
        let text = node.argument(1);
        ["$host", "$http_host", "$server_name"].iter().any(|name| text.starts_with(name))
            || text.contains("${host}")
            || text.contains(crate::syntax::directives::UNKNOWN)
            || hosts.iter().any(|host| text.eq_ignore_ascii_case(host))
    });
    let place = host.map_or(passed.pass.place, |node| node.place);
    let says = |names: &[&str], variables: &[&str]| {
        set.unknown
            || set.nodes.iter().any(|node| {
                let name = node.argument(0).to_ascii_lowercase();
                let holds = value::parts(node.argument(1)).iter().any(|(_, part)| match part {
                    Part::Variable(variable) => variables.contains(variable),
                    Part::Text(text) => hosts.iter().any(|host| host == text),
                });
                name != "host" && (names.contains(&name.as_str()) && !node.argument(1).is_empty() || holds)
            })
    };
    let unseen = host.is_none() && set.unknown;
    if !kept && !unseen {
        let told = says(&["x-forwarded-host", "forwarded", "x-original-host"], &["host", "http_host"]);
        rewrites.push(Rewrite { part: Target::Host, place, told });
    }
    if let Some((place, sure)) = path_rewrite(passed, prefix) {
        const NAMES: &[&str] = &["x-forwarded-prefix", "x-forwarded-path", "x-script-name", "x-forwarded-uri"];
        let told = !sure || says(NAMES, &["request_uri"]);
        rewrites.push(Rewrite { part: Target::Path, place, told });
    }
    if let Some(method) = in_force(&passed.chain, &["proxy_method"]).nodes.first() {
        rewrites.push(Rewrite { part: Target::Method, place: method.place, told: false });
    }
    rewrites
}

/// Where the path is changed, and whether it surely is.
fn path_rewrite(passed: &Passed<'_>, prefix: Option<&str>) -> Option<(Place, bool)> {
    let url = passed.pass.argument(0);
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let uri = match rest.strip_prefix("unix:") {
        Some(socket) => socket.split_once(':').map(|(_, uri)| uri),
        None => rest.find(['/', '?']).map(|at| &rest[at..]),
    };
    // A variable may hold all of the target, or a part cut out by a pattern.
    if rest.contains('$') {
        let kept = rest.ends_with("$request_uri");
        let part = uri.is_some() || rest.matches('$').count() > 1;
        return match passed.rewritten {
            Some(place) if !kept => Some((place, !part)),
            _ if part && !kept => Some((passed.pass.place, false)),
            _ => None,
        };
    }
    match (uri, prefix) {
        (Some(uri), Some(prefix)) if uri != prefix && passed.rewritten.is_none() => Some((passed.pass.place, true)),
        (Some(uri), None) if uri != "/" && passed.rewritten.is_none() => Some((passed.pass.place, false)),
        _ => passed.rewritten.map(|place| (place, true)),
    }
}
