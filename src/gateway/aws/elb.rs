//! Elastic Load Balancing: listeners of Application and Network Load Balancers with their rules.

use super::super::cloud::{self, Referring};
use super::super::hop::{
    Cause, Client, ClientAuth, Credential, Event, Form, Hop, Listener, Logged, Part, PathMatch, Place, Protocol,
    Rewrite, Route, Value as Held,
};
use super::super::run::{Handshake, Run};
use super::super::{Configuration, Hole};
use crate::config::estate::{Blocks, Estate, Field, Resource, Value};
use crate::config::tree::Switch;

const LISTENERS: &[&str] = &["aws_lb_listener", "aws_alb_listener", "AWS::ElasticLoadBalancingV2::Listener"];
const RULES: &[&str] = &["aws_lb_listener_rule", "aws_alb_listener_rule", "AWS::ElasticLoadBalancingV2::ListenerRule"];
const STORES: &[&str] = &["aws_lb_trust_store", "AWS::ElasticLoadBalancingV2::TrustStore"];

/// Words that say that tokens are bound to certificates here.
const BOUND: &[&str] = &["certificate-bound", "certificate_bound", "x5t#s256", "tls_client_auth"];

/// The headers that a listener tells of the certificate (Elastic Load Balancing, "HTTP headers and mutual TLS"): the
/// header, the part of the attribute that renames it, what it holds. Beside the whole certificate its parts say nothing more.
const VERIFY: &[(&str, &str, Held)] = &[
    ("x-amzn-mtls-clientcert-leaf", "leaf", Held::Certificate(Form::PemEscaped)),
    ("x-amzn-mtls-clientcert-subject", "subject", Held::Other),
    ("x-amzn-mtls-clientcert-issuer", "issuer", Held::Other),
    ("x-amzn-mtls-clientcert-serial-number", "serial_number", Held::Other),
    ("x-amzn-mtls-clientcert-validity", "validity", Held::Other),
];
const PASSTHROUGH: &[(&str, &str, Held)] = &[("x-amzn-mtls-clientcert", "", Held::Certificate(Form::PemEscaped))];

const UNKNOWN: Handshake = Handshake { auth: ClientAuth::Unknown, required: false };

/// How a listener in a mode of mutual authentication treats clients; nothing where the mode is not known.
pub(super) fn handshake(mode: Option<&str>) -> Handshake {
    match mode {
        Some("verify") => Handshake { auth: ClientAuth::Required, required: true },
        Some("passthrough") => Handshake { auth: ClientAuth::Unverified, required: false },
        Some(_) => Handshake::OFF,
        None => UNKNOWN,
    }
}

/// What the listener of an Application Load Balancer tells its targets of the certificate: header, value, and where it got
/// its name.
pub(super) struct Telling(Vec<(String, Held, Place)>);

impl Telling {
    /// `renamed` has the names that attributes give to headers, by attribute.
    pub(super) fn of(auth: ClientAuth, place: Place, renamed: impl Fn(&str) -> Option<(String, Place)>) -> Self {
        let told = match auth {
            ClientAuth::Required => VERIFY,
            ClientAuth::Unverified => PASSTHROUGH,
            _ => &[],
        };
        let tell = |(name, part, value): &(&str, &str, Held)| {
            let middle = if part.is_empty() { String::new() } else { format!("_{part}") };
            let attribute = format!("routing.http.request.x_amzn_mtls_clientcert{middle}.header_name");
            match renamed(&attribute).filter(|(name, _)| !name.is_empty()) {
                Some((own, place)) => (own.to_ascii_lowercase(), value.clone(), place),
                None => ((*name).to_owned(), value.clone(), place),
            }
        };
        Self(told.iter().map(tell).collect())
    }

    /// What a client's request is told.
    pub(super) fn fill(&self, client: Client, run: &mut Run) {
        for (name, ..) in VERIFY.iter().chain(PASSTHROUGH) {
            // Whether it takes a client's own away where it sets none is not documented.
            run.request.set(name, vec![Held::Unknown], None);
        }
        for (name, value, place) in &self.0 {
            if run.presented {
                run.set(name, vec![value.clone()], *place, Cause::Set);
            } else if client == Client::Anonymous {
                run.request.set(name, vec![Held::Unknown], None);
            }
        }
        if !self.0.is_empty() && run.presented {
            // In this mode these alone are told.
            for (name, ..) in VERIFY.iter().chain(PASSTHROUGH) {
                if run.values(name) == [Held::Unknown] {
                    run.request.set(name, vec![Held::Other], None);
                }
            }
        }
    }
}

/// The load balancers of an estate.
pub(super) fn configuration(estate: &Estate<'_>) -> Configuration {
    let mut into = Configuration { complete: true, ..Configuration::default() };
    let rules = Referring::new(estate.resources(RULES), &["listener_arn"]);
    let listeners = estate.resources(LISTENERS);
    // Where another listener asks, this one need not.
    let asks = |one: &Resource<'_>| mode(one.body).0.as_deref() != Some("off");
    let means_to_ask = !listeners.is_empty() && !listeners.iter().any(asks) && means_to_ask(estate);
    for resource in listeners {
        Balancer::read(means_to_ask, resource, &mut into.holes).ways(resource, rules.to(&resource), &mut into);
    }
    into
}

/// A listener.
struct Balancer<'e> {
    listener: Listener,
    handshake: Handshake,
    tells: Telling,
    /// How it speaks to its targets.
    protocol: Protocol,
    balancer: Option<Resource<'e>>,
}

impl<'e> Balancer<'e> {
    fn read(means_to_ask: bool, resource: Resource<'e>, holes: &mut Vec<Hole>) -> Self {
        let body = resource.body;
        let balancer = body.target("load_balancer_arn");
        let port = cloud::port(body, "port");
        let name = balancer.map_or_else(|| resource.name.to_owned(), |one| one.label(&["name"]));
        let label = port.map_or_else(|| name.clone(), |port| format!(":{port} {name}"));
        let spoken = body.text("protocol").unwrap_or_default().to_ascii_uppercase();
        let tls = matches!(spoken.as_str(), "HTTPS" | "TLS");
        let mut listener = Listener::new(label, port.into_iter().collect(), tls);
        let (mode, asks_at) = mode(body);
        // What a Network Load Balancer tells its targets of the certificate is not documented.
        let mode = if spoken == "TLS" && mode.as_deref() != Some("off") { None } else { mode };
        let handshake = handshake(mode.as_deref());
        match mode.as_deref() {
            Some("off") if tls && means_to_ask => {
                listener.asks_at = asks_at;
                listener.in_vain = Some(Cause::NotApplied);
            }
            Some(_) => {}
            None if spoken == "TLS" => {}
            None => {
                let place = asks_at.unwrap_or(resource.place);
                holes.push(Hole { place, reason: "the mode of mutual authentication is not known here".to_owned() });
            }
        }
        listener.auth = handshake.auth;
        if handshake.auth != ClientAuth::Off {
            listener.asks_at = asks_at;
        }
        let protocol = match spoken.as_str() {
            "TLS" => Protocol::Stream,
            "TCP" | "UDP" | "TCP_UDP" | "QUIC" | "TCP_QUIC" | "GENEVE" => Protocol::Passthrough,
            _ => Protocol::Http,
        };
        let auth = if protocol == Protocol::Http { handshake.auth } else { ClientAuth::Off };
        let tells = Telling::of(auth, asks_at.unwrap_or(resource.place), |attribute| renamed(body, attribute));
        Self { listener, handshake, tells, protocol, balancer }
    }

    /// The ways from it: rules first, as it tries them, then what it does by default.
    fn ways(&self, resource: Resource<'e>, rules: &[Resource<'e>], into: &mut Configuration) {
        for rule in rules {
            let conditions = [rule.body.blocks("condition").all, rule.body.blocks("conditions").all].concat();
            let route = matched(&format!("rule {}", rule.name), &conditions);
            let hosts = hosts(&conditions);
            self.actions(&both(rule.body, "action", "actions"), route, hosts, *rule, into);
        }
        let default = both(resource.body, "default_action", "default_actions");
        self.actions(&default, cloud::route("default action".to_owned()), Vec::new(), resource, into);
    }

    fn actions(
        &self,
        actions: &Blocks<'e>,
        route: Route,
        hosts: Vec<String>,
        owner: Resource<'e>,
        into: &mut Configuration,
    ) {
        for action in &actions.all {
            for target in targets(*action) {
                if into.hops.len() < cloud::MOST {
                    let mut listener = self.listener.clone();
                    listener.hosts.clone_from(&hosts);
                    into.hops.push(self.hop(listener, route.clone(), target, owner));
                }
            }
        }
    }

    fn hop(&self, listener: Listener, route: Route, target: Field<'e>, owner: Resource<'e>) -> Hop {
        let mut upstream = cloud::upstream(target, "target group", &["name"]);
        upstream.protocol = self.protocol;
        let arrivals = cloud::arrivals(self.handshake, |client, run| {
            // A listener that knows nothing of certificates passes headers on like any others.
            if self.protocol == Protocol::Http && self.handshake.auth != ClientAuth::Off {
                self.tells.fill(client, run);
            }
        });
        let mut hop = cloud::hop(&listener, route, upstream, arrivals);
        hop.rewrites.extend(rewrites(owner));
        let Some(balancer) = self.balancer else { return hop };
        let dropped = ("drop_invalid_header_fields", "routing.http.drop_invalid_header_fields.enabled");
        if let Some((place, Switch::Off)) = attribute(balancer.body, dropped.0, dropped.1) {
            hop.alias = Some(Event::new(place, Cause::Alias));
        }
        let logs = balancer.body.block("access_logs").unwrap_or(balancer.body);
        if let Some((place, Switch::On)) = attribute(logs, "enabled", "access_logs.s3.enabled") {
            hop.logs.push(Logged { what: Credential::Query, place, active: None });
        }
        hop
    }
}

/// The mode of mutual authentication, `off` by default; `None` where it can't be known. And where it stands.
fn mode(body: Field<'_>) -> (Option<String>, Option<Place>) {
    let blocks = body.blocks("mutual_authentication");
    let Some(block) = blocks.all.first().filter(|_| !blocks.unsure) else {
        let place = blocks.all.first().map(|block| block.place_of("mode"));
        return ((!blocks.unsure).then(|| "off".to_owned()), place);
    };
    let place = Some(block.place_of("mode"));
    match block.get("mode") {
        Value::Absent => (Some("off".to_owned()), place),
        Value::Text(mode) => (Some(mode.to_ascii_lowercase()), place),
        _ => (None, place),
    }
}

/// Whether the code says that certificates matter behind its listeners.
fn means_to_ask(estate: &Estate<'_>) -> bool {
    !estate.resources(STORES).is_empty()
        || estate.numbers().iter().any(|number| {
            let text = estate.text(*number).to_ascii_lowercase();
            BOUND.iter().any(|word| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some())
        })
}

/// The name that an attribute of the listener gives to a header: in the list of attributes, or a setting of its own.
fn renamed(body: Field<'_>, attribute: &str) -> Option<(String, Place)> {
    let named = |at: &Field<'_>| at.text("key").is_some_and(|written| written == attribute);
    let setting = attribute.replace('.', "_");
    match body.blocks("listener_attributes").all.into_iter().find(named) {
        Some(at) => at.text("value").map(|name| (name, at.place_of("value"))),
        None => body.text(&setting).map(|name| (name, body.place_of(&setting))),
    }
}

/// A switch of a load balancer: a setting of its own, or one in the list of attributes.
fn attribute(body: Field<'_>, setting: &str, key: &str) -> Option<(Place, Switch)> {
    let named = |at: &Field<'_>| at.text("key").is_some_and(|written| written == key);
    let listed = body.blocks("load_balancer_attributes").all.into_iter().find(named);
    match (listed, body.at(setting)) {
        (Some(at), _) => Some((at.place_of("value"), at.switch("value", false))),
        (None, Some(at)) => Some((at.place(), body.switch(setting, false))),
        (None, None) => None,
    }
}

fn both<'e>(body: Field<'e>, one: &str, many: &str) -> Blocks<'e> {
    let (mut first, second) = (body.blocks(one), body.blocks(many));
    first.all.extend(second.all);
    first.unsure |= second.unsure;
    first
}

/// The target groups that an action forwards to.
fn targets(action: Field<'_>) -> Vec<Field<'_>> {
    if action.text("type").is_some_and(|kind| kind != "forward") {
        return Vec::new();
    }
    let mut targets: Vec<Field<'_>> = action.at("target_group_arn").into_iter().collect();
    for forward in [action.blocks("forward").all, action.blocks("forward_config").all].concat() {
        for group in [forward.blocks("target_group").all, forward.blocks("target_groups").all].concat() {
            targets.extend(group.at("arn").or_else(|| group.at("target_group_arn")));
        }
    }
    let some = |target: &Field<'_>| !matches!(target.value(), Value::Absent);
    targets.into_iter().filter(some).collect()
}

/// The values that a condition lists under a name, as either language writes it.
fn values(condition: Field<'_>, block: &str, config: &str) -> Option<Vec<String>> {
    let listed = [block, config].into_iter().find_map(|key| condition.block(key));
    let plain = || condition.text("field").filter(|field| field.replace('-', "_") == block).map(|_| condition);
    listed.or_else(plain)?.texts("values")
}

fn matched(label: &str, conditions: &[Field<'_>]) -> Route {
    let mut route = cloud::route(label.to_owned());
    for condition in conditions {
        if let Some(paths) = values(*condition, "path_pattern", "path_pattern_config") {
            route.path = match paths.as_slice() {
                [one] if one == "/*" || one == "*" => PathMatch::Any,
                [one] if one.ends_with('*') && !one[..one.len() - 1].contains(['*', '?']) => {
                    PathMatch::Prefix(one.trim_end_matches('*').to_owned())
                }
                [one] if !one.contains(['*', '?']) => PathMatch::Exact(one.clone()),
                _ => PathMatch::Other,
            };
        } else if values(*condition, "host_header", "host_header_config").is_none() {
            route.when.push("the other conditions of the rule hold".to_owned());
        }
    }
    route.when.dedup();
    route
}

fn hosts(conditions: &[Field<'_>]) -> Vec<String> {
    let listed = conditions.iter().filter_map(|one| values(*one, "host_header", "host_header_config")).flatten();
    listed.filter(|host| !host.contains(['*', '?'])).map(|host| host.to_ascii_lowercase()).collect()
}

/// What a rule changes of the target.
fn rewrites(rule: Resource<'_>) -> Vec<Rewrite> {
    let transforms = both(rule.body, "transform", "transforms");
    let part = |at: &Field<'_>| match at.text("type").as_deref() {
        Some("url-rewrite") => Some(Rewrite { part: Part::Path, place: at.place_of("type"), told: false }),
        Some("host-header-rewrite") => Some(Rewrite { part: Part::Host, place: at.place_of("type"), told: false }),
        _ => None,
    };
    transforms.all.iter().filter_map(part).collect()
}
