//! Application Gateway: listeners with their SSL profiles, routing rules, path maps and rewrites.

use std::collections::BTreeMap;

use super::super::cloud;
use super::super::hop::{
    Carrier, Cause, ClientAuth, Form, Listener, Part, PathMatch, Place, Protocol, Rewrite, Route, Upstream,
    Value as Held,
};
use super::super::run::{Handshake, Run};
use super::super::{Configuration, Hole};
use crate::config::estate::{Estate, Field, Resource, Value};

/// The gateways of an estate.
pub(super) fn configuration(estate: &Estate<'_>) -> Configuration {
    let mut into = Configuration { complete: true, ..Configuration::default() };
    for resource in estate.resources(&["azurerm_application_gateway"]) {
        Gateway::new(resource, &mut into).ways(&mut into);
    }
    into
}

/// A gateway: one resource, whose blocks name each other.
struct Gateway<'e> {
    resource: Resource<'e>,
    blocks: BTreeMap<(&'static str, String), Field<'e>>,
}

const NAMED: &[&str] = &[
    "frontend_port",
    "ssl_profile",
    "http_listener",
    "backend_address_pool",
    "backend_http_settings",
    "url_path_map",
    "rewrite_rule_set",
];

impl<'e> Gateway<'e> {
    fn new(resource: Resource<'e>, into: &mut Configuration) -> Self {
        let mut blocks = BTreeMap::new();
        for kind in NAMED {
            let found = resource.body.blocks(kind);
            into.complete &= !found.unsure;
            for block in found.all {
                if let Some(name) = block.text("name") {
                    blocks.insert((*kind, name), block);
                }
            }
        }
        Self { resource, blocks }
    }

    /// The block of a kind that another one names.
    fn named(&self, kind: &'static str, by: Field<'e>, key: &str) -> Option<Field<'e>> {
        self.blocks.get(&(kind, by.text(key)?)).copied()
    }

    fn ways(&self, into: &mut Configuration) {
        let rules = self.resource.body.blocks("request_routing_rule");
        for rule in rules.all {
            let Some(own) = self.named("http_listener", rule, "http_listener_name") else {
                if self.may_ask() {
                    let place = rule.place_of("http_listener_name");
                    into.holes
                        .push(Hole { place, reason: "the listener of a routing rule is not known here".to_owned() });
                }
                continue;
            };
            let (listener, handshake) = self.listener(own, &mut into.holes);
            let label = rule.text("name").unwrap_or_else(|| "a rule".to_owned());
            let Some(map) = self.named("url_path_map", rule, "url_path_map_name") else {
                let route = cloud::route(format!("rule {label}"));
                self.way(&listener, handshake, route, rule, "", into);
                continue;
            };
            for path in map.blocks("path_rule").all {
                let paths = path.texts("paths").unwrap_or_default();
                let matched = match paths.as_slice() {
                    [one] if one.ends_with('*') => PathMatch::Prefix(one.trim_end_matches('*').to_owned()),
                    [one] => PathMatch::Exact(one.clone()),
                    _ => PathMatch::Other,
                };
                let shown = path.text("name").unwrap_or_else(|| paths.join(" "));
                let route = Route { label: format!("rule {label}, path {shown}"), path: matched, when: Vec::new() };
                self.way(&listener, handshake, route, path, "", into);
            }
            self.way(&listener, handshake, cloud::route(format!("rule {label}")), map, "default_", into);
        }
    }

    /// Whether there is a profile that asks for certificates, whoever uses it.
    fn may_ask(&self) -> bool {
        let profiles = self.resource.body.blocks("ssl_profile").all;
        profiles.iter().any(|profile| asks(*profile).is_some())
    }

    /// A listener: it asks where its profile has authorities (Application Gateway, "Mutual authentication").
    fn listener(&self, own: Field<'e>, holes: &mut Vec<Hole>) -> (Listener, Handshake) {
        let port = self.named("frontend_port", own, "frontend_port_name").and_then(|one| cloud::port(one, "port"));
        let name = own.text("name").unwrap_or_default();
        let label = port.map_or_else(|| name.clone(), |port| format!(":{port} {name}"));
        let tls = own.text("protocol").is_some_and(|protocol| protocol.eq_ignore_ascii_case("https"));
        let mut listener = Listener::new(label, port.into_iter().collect(), tls);
        let hosts = own.texts("host_names").unwrap_or_default().into_iter().chain(own.text("host_name"));
        listener.hosts =
            hosts.filter(|host| !host.contains(['*', '?'])).map(|host| host.to_ascii_lowercase()).collect();
        let asked = match own.get("ssl_profile_name") {
            Value::Absent => Some(None),
            Value::Text(profile) => self.blocks.get(&("ssl_profile", profile)).map(|profile| asks(*profile)),
            _ => None,
        };
        match asked {
            Some(Some((auth, place))) => {
                listener.auth = auth;
                listener.asks_at = Some(place);
            }
            Some(None) => {}
            None => {
                listener.auth = ClientAuth::Unknown;
                let place = own.place_of("ssl_profile_name");
                holes.push(Hole { place, reason: "the SSL profile of a listener is not known here".to_owned() });
            }
        }
        let required = listener.auth == ClientAuth::Required;
        let handshake = Handshake { auth: listener.auth, required };
        (listener, handshake)
    }

    fn way(
        &self,
        listener: &Listener,
        handshake: Handshake,
        route: Route,
        owner: Field<'e>,
        prefix: &str,
        into: &mut Configuration,
    ) {
        let Some(pool) = owner.at(&format!("{prefix}backend_address_pool_name")) else { return };
        let settings = self.named("backend_http_settings", owner, &format!("{prefix}backend_http_settings_name"));
        let upstream = self.upstream(pool, settings);
        let key = format!("{prefix}rewrite_rule_set_name");
        let set = match owner.get(&key) {
            Value::Absent => Some(Rewriting::default()),
            _ => self.named("rewrite_rule_set", owner, &key).map(Rewriting::read),
        };
        let arrivals = cloud::arrivals(handshake, |_, run| match &set {
            Some(set) => set.apply(run),
            None => run.anything(),
        });
        let mut hop = cloud::hop(listener, route, upstream, arrivals);
        if let Some(set) = set {
            hop.carriers = set.carriers();
            hop.rewrites = set.rewrites;
        }
        // Another name for the backend is another host for the request; the gateway tells the one that was asked for.
        if into.hops.len() < cloud::MOST {
            into.hops.push(hop);
        }
    }

    fn upstream(&self, pool: Field<'e>, settings: Option<Field<'e>>) -> Upstream {
        let name = match pool.value() {
            Value::Text(name) => name,
            _ => "of a name that is not known here".to_owned(),
        };
        let port = settings.and_then(|settings| cloud::port(settings, "port")).unwrap_or(80);
        let block = self.blocks.get(&("backend_address_pool", name.clone()));
        let addresses = block.into_iter().flat_map(|block| {
            [block.texts("fqdns"), block.texts("ip_addresses")].into_iter().flatten().flatten().collect::<Vec<_>>()
        });
        let mut names = vec![format!("{}/{name}", self.resource.address())];
        names.extend(addresses.map(|address| format!("{}:{port}", address.to_ascii_lowercase())));
        Upstream { label: format!("pool {name}"), names, protocol: Protocol::Http, place: pool.place() }
    }
}

/// How an SSL profile asks for certificates, and where: with authorities it demands one that they vouch for; in passthrough
/// mode it takes any or none ("Overview of mutual authentication with Application Gateway").
fn asks(profile: Field<'_>) -> Option<(ClientAuth, Place)> {
    let (mode, names) = ("verify_client_auth_mode", "trusted_client_certificate_names");
    match profile.text(mode) {
        Some(set) if set.eq_ignore_ascii_case("passthrough") => {
            return Some((ClientAuth::Unverified, profile.place_of(mode)));
        }
        _ => {}
    }
    profile.texts(names).is_none_or(|names| !names.is_empty()).then(|| (ClientAuth::Required, profile.place_of(names)))
}

/// What a rewrite rule set does to a request, in order.
#[derive(Default)]
struct Rewriting {
    headers: Vec<Header>,
    rewrites: Vec<Rewrite>,
}

struct Header {
    name: String,
    value: Held,
    /// Only where something else holds.
    perhaps: bool,
    place: Place,
}

impl Rewriting {
    fn read(set: Field<'_>) -> Self {
        let mut rules = set.blocks("rewrite_rule").all;
        rules.sort_by_key(|rule| rule.text("rule_sequence").and_then(|number| number.parse::<u32>().ok()));
        let mut rewriting = Self::default();
        for rule in rules {
            let conditions = rule.blocks("condition");
            let perhaps = conditions.unsure || !conditions.all.is_empty();
            for header in rule.blocks("request_header_configuration").all {
                let Some(name) = header.text("header_name") else { continue };
                let value = match header.get("header_value") {
                    Value::Text(text) => held(&text),
                    Value::Absent => Held::Empty,
                    _ => Held::Unknown,
                };
                let place = header.place_of("header_value");
                rewriting.headers.push(Header { name: name.to_ascii_lowercase(), value, perhaps, place });
            }
            for url in rule.blocks("url").all.into_iter().filter(|url| url.text("path").is_some()) {
                rewriting.rewrites.push(Rewrite { part: Part::Path, place: url.place_of("path"), told: false });
            }
        }
        rewriting
    }

    fn apply(&self, run: &mut Run) {
        for header in &self.headers {
            let value = match &header.value {
                Held::Certificate(_) if !run.presented => Held::Empty,
                Held::ClientHeader(name) if *name == header.name => Held::Client,
                value => value.clone(),
            };
            match value {
                _ if header.perhaps => run.request.set(&header.name, vec![Held::Unknown], None),
                // An empty value takes the header away.
                Held::Empty => run.remove(&header.name, header.place, Cause::Removed),
                value => run.set(&header.name, vec![value], header.place, Cause::Set),
            }
        }
    }

    fn carriers(&self) -> Vec<Carrier> {
        let carrier = |header: &Header| match header.value {
            Held::Certificate(form) => Some(Carrier { header: header.name.clone(), form, place: header.place }),
            _ => None,
        };
        self.headers.iter().filter_map(carrier).collect()
    }
}

/// What the value of a header stands for ("Mutual authentication server variables").
fn held(text: &str) -> Held {
    let variable = text.trim().strip_prefix("{var_").and_then(|rest| rest.strip_suffix('}'));
    match variable {
        Some("client_certificate") => Held::Certificate(Form::PemEscaped),
        Some("client_certificate_fingerprint") => Held::Certificate(Form::Sha1),
        Some("client_certificate_subject") => Held::Certificate(Form::Dn),
        Some("client_certificate_serial") => Held::Certificate(Form::Serial),
        Some("client_certificate_verification") => Held::Verification,
        Some(_) => Held::Other,
        None if text.trim().is_empty() => Held::Empty,
        None => match text.trim().strip_prefix("{http_req_").and_then(|rest| rest.strip_suffix('}')) {
            Some(name) if !name.contains(['{', '}']) => Held::ClientHeader(name.to_ascii_lowercase()),
            _ if text.contains('{') => Held::Unknown,
            _ => Held::Constant(text.to_owned()),
        },
    }
}
