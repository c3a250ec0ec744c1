//! Google Cloud: Application Load Balancers with their TLS policies, URL maps and backend services, as Terraform declares
//! them and `gcloud` exports them.
//!
//! Sources: "Mutual TLS overview", "Create custom headers in backend services", "Create custom headers in URL maps" and the
//! reference of URL maps (Cloud Load Balancing), and the schema of the Terraform provider. What becomes of a header that a
//! client sends itself where a custom header has nothing to put in its place is not documented, and unknown here.

use std::collections::BTreeSet;

use super::cloud::{self, Referring};
use super::files::Files;
use super::hop::{
    Carrier, Cause, ClientAuth, Event, Form, Listener, Others, Part, PathMatch, Place, Rewrite, Route, Value as Held,
};
use super::rule::Rule;
use super::run::{Handshake, Run};
use super::{Configuration, Detail, FrontEnd, Hole};
use crate::config::estate::{Estate, Field, Identity, Resource, Value};
use crate::config::terraform::is_terraform;
use crate::config::tree::Switch;

/// Google Cloud.
#[derive(Debug)]
pub struct Gcp;

const HTTPS: &[&str] = &["google_compute_target_https_proxy", "google_compute_region_target_https_proxy"];
const HTTP: &[&str] = &["google_compute_target_http_proxy", "google_compute_region_target_http_proxy"];
const MAPS: &[&str] = &["google_compute_url_map", "google_compute_region_url_map"];
const SERVICES: &[&str] = &["google_compute_backend_service", "google_compute_region_backend_service"];
const RULES: &[&str] = &["google_compute_global_forwarding_rule", "google_compute_forwarding_rule"];
/// Endpoints outside, each with the group that it belongs to.
const ENDPOINTS: &[&str] = &["google_compute_global_network_endpoint", "google_compute_region_network_endpoint"];
const GROUP_KEYS: &[&str] = &["global_network_endpoint_group", "region_network_endpoint_group"];
/// Buckets check no tokens.
const BUCKET: &str = "google_compute_backend_bucket";

impl FrontEnd for Gcp {
    fn product(&self) -> &'static str {
        "gcp"
    }

    fn recognises(&self, name: &str, text: &str) -> bool {
        const TYPES: &[&str] = &[
            "google_compute_target_http",
            "google_compute_region_target_http",
            "google_compute_url_map",
            "google_compute_region_url_map",
            "google_compute_backend_service",
            "google_compute_region_backend_service",
            "google_network_security_server_tls_policy",
        ];
        if is_terraform(name) { cloud::declares(name, text, TYPES, &[]) } else { is_export(name, text) }
    }

    fn lower(&self, files: &Files, own: &[u32]) -> Vec<Configuration> {
        cloud::configurations(files, own, |estate| vec![configuration(estate)])
    }

    fn reason(&self, rule: Rule, cause: Cause) -> &'static str {
        match (rule, cause) {
            (Rule::Stripped, Cause::Removed) => "gcp-cert-header-removed",
            (Rule::Stripped, _) => "gcp-client-cert-not-forwarded",
            (Rule::Spoofable, Cause::Appended) => "gcp-cert-header-append",
            (Rule::Spoofable, _) => "gcp-cert-header-unguarded",
            (Rule::NotRequested, _) => "gcp-client-cert-not-requested",
            (Rule::Malformed, _) => "gcp-cert-malformed",
            (Rule::Weak, _) => "gcp-cert-weak-form",
            (Rule::Unverified, _) => "gcp-client-cert-unverified",
            (Rule::DpopBroken, Cause::Rewritten) => "gcp-rewrite-htu",
            (Rule::DpopBroken, Cause::NotListed) => "gcp-cors-missing-dpop",
            (Rule::DpopBroken, _) => "gcp-dpop-removed",
            (Rule::Logged, _) => "gcp-log-credentials",
        }
    }

    fn reason_in_detail(&self, rule: Rule, cause: Cause, detail: Detail) -> &'static str {
        match (rule, detail) {
            (Rule::Weak, Detail::Form(Form::Dn | Form::Serial)) => "gcp-cert-dn-only",
            _ => self.reason(rule, cause),
        }
    }

    fn fix(&self, rule: Rule, cause: Cause, header: Option<&str>) -> String {
        let header = header.unwrap_or("X-Client-Cert-Hash");
        match (rule, cause) {
            (Rule::Stripped, Cause::Removed) => format!("Take {header} out of `request_headers_to_remove`."),
            (Rule::Stripped | Rule::Weak | Rule::Malformed, _) => format!(
                "Write `custom_request_headers = [\"{header}:{{client_cert_sha256_fingerprint}}\"]` in the backend service \
                 (`{{client_cert_leaf}}` for the whole certificate)."
            ),
            (Rule::Spoofable, Cause::Appended) => format!("Write `replace = true` where {header} is added."),
            (Rule::Spoofable, _) => {
                format!("Take {header} away on this way: `request_headers_to_remove = [\"{header}\"]`.")
            }
            (Rule::NotRequested, _) => "Give the target proxy a `server_tls_policy` with an `mtls_policy`.".to_owned(),
            (Rule::Unverified, _) => {
                "Write `client_validation_mode = \"REJECT_INVALID\"`, or tell the backend how it went: \
                 `\"X-Client-Cert-Chain-Verified:{client_cert_chain_verified}\"`."
                    .to_owned()
            }
            (Rule::DpopBroken, Cause::NotListed) => {
                "List DPoP in `allow_headers`, DPoP-Nonce and WWW-Authenticate in `expose_headers`.".to_owned()
            }
            (Rule::DpopBroken, Cause::Rewritten) => {
                "Keep host and path as the client signed them, or tell the backend what they were.".to_owned()
            }
            (Rule::DpopBroken, _) => format!("Drop the header action that takes {header} away or replaces it."),
            (Rule::Logged, _) => "Log no credentials.".to_owned(),
        }
    }
}

/// Whether a text holds exported resources: keys that few others have.
fn is_export(name: &str, text: &str) -> bool {
    const KEYS: &[&str] =
        &["defaultService", "mtlsPolicy", "loadBalancingScheme", "serverTlsPolicy", "urlMap", "customRequestHeaders"];
    let ending = name.rsplit('.').next().unwrap_or_default();
    matches!(ending, "yaml" | "yml" | "json")
        && KEYS.iter().any(|key| memchr::memmem::find(text.as_bytes(), key.as_bytes()).is_some())
        && memchr::memmem::find(text.as_bytes(), b"apiVersion").is_none()
}

/// The load balancers of an estate.
fn configuration(estate: &Estate<'_>) -> Configuration {
    let mut into = Configuration { complete: true, ..Configuration::default() };
    let rules = Referring::new(estate.resources(RULES), &["target"]);
    let maps = estate.resources(MAPS);
    let endpoints = Referring::new(estate.resources(ENDPOINTS), GROUP_KEYS);
    let mut used: BTreeSet<Identity> = BTreeSet::new();
    let proxies = [HTTPS, HTTP].map(|kinds| estate.resources(kinds).len()).iter().sum::<usize>();
    for (kinds, tls) in [(HTTPS, true), (HTTP, false)] {
        for proxy in estate.resources(kinds) {
            let (listener, handshake) = listener(proxy, tls, &rules, &mut into);
            match proxy.body.target("url_map") {
                Some(map) => {
                    used.insert(map.identity());
                    Balancer { listener, handshake, map: map.body, endpoints: &endpoints }.ways(&mut into);
                }
                None => {
                    into.complete = false;
                    // The one backend service that is told of certificates is behind the one proxy, whatever the map.
                    if let ([], 1, [service]) = (maps.as_slice(), proxies, estate.resources(SERVICES).as_slice()) {
                        sole(&listener, handshake, *service, &mut into);
                    }
                }
            }
        }
    }
    // Proxies of other maps are declared elsewhere: what these do to requests still can be seen.
    for map in maps.into_iter().filter(|map| !used.contains(&map.identity())) {
        let mut listener = Listener::new(map.label(&["name"]), Vec::new(), true);
        listener.auth = ClientAuth::Unknown;
        let handshake = Handshake { auth: ClientAuth::Optional, required: false };
        into.complete = false;
        Balancer { listener, handshake, map: map.body, endpoints: &endpoints }.ways(&mut into);
    }
    into
}

/// The way to a backend service by a URL map that is not here.
fn sole(listener: &Listener, handshake: Handshake, service: Resource<'_>, into: &mut Configuration) {
    let steps = custom(service.body);
    let carriers: Vec<Carrier> = steps.iter().filter_map(Step::carrier).collect();
    if carriers.is_empty() {
        return;
    }
    let arrivals = cloud::arrivals(handshake, |_, run| steps.iter().for_each(|step| step.apply(run)));
    let upstream = cloud::behind(&service, format!("backend service {}", service.label(&["name"])));
    let route = cloud::route("a URL map that is not here".to_owned());
    let mut hop = cloud::hop(listener, route, upstream, arrivals);
    hop.carriers = carriers;
    into.hops.push(hop);
}

/// A target proxy, with what forwards to it and with its TLS policy.
fn listener(proxy: Resource<'_>, tls: bool, rules: &Referring<'_>, into: &mut Configuration) -> (Listener, Handshake) {
    let ports = |rule: &Resource<'_>| rule.body.text("port_range")?.split('-').next()?.parse().ok();
    let port = rules.to(&proxy).iter().find_map(ports);
    let name = proxy.label(&["name"]);
    let label = port.map_or_else(|| name.clone(), |port| format!(":{port} {name}"));
    let mut listener = Listener::new(label, port.into_iter().collect(), tls);
    let mut required = false;
    match proxy.body.get("server_tls_policy") {
        Value::Absent => {}
        _ if !tls => {}
        _ => match proxy.body.target("server_tls_policy").map(|policy| policy.body.blocks("mtls_policy")) {
            Some(blocks) if !blocks.unsure => {
                if let Some(block) = blocks.all.first() {
                    listener.asks_at = Some(block.place_of("client_validation_mode"));
                    (listener.auth, required) = match block.text("client_validation_mode").as_deref() {
                        Some("REJECT_INVALID") => (ClientAuth::Required, true),
                        Some("ALLOW_INVALID_OR_MISSING_CLIENT_CERT") => (ClientAuth::Unverified, false),
                        _ => (ClientAuth::Unknown, false),
                    };
                }
            }
            _ => listener.auth = ClientAuth::Unknown,
        },
    }
    if listener.auth == ClientAuth::Unknown {
        let place = proxy.body.place_of("server_tls_policy");
        into.holes.push(Hole { place, reason: "the TLS policy of a proxy is not known here".to_owned() });
    }
    let handshake = Handshake { auth: listener.auth, required };
    (listener, handshake)
}

/// A proxy with its URL map.
struct Balancer<'e, 'r> {
    listener: Listener,
    handshake: Handshake,
    map: Field<'e>,
    endpoints: &'r Referring<'e>,
}

/// The blocks of a name: Terraform has them in the singular, the API in the plural.
fn each<'e>(field: Field<'e>, one: &str) -> Vec<Field<'e>> {
    let mut all = field.blocks(one).all;
    all.extend(field.blocks(&format!("{one}s")).all);
    all
}

impl<'e> Balancer<'e, '_> {
    fn ways(&self, into: &mut Configuration) {
        let body = self.map;
        let hosts = each(body, "host_rule");
        for matcher in each(body, "path_matcher") {
            let name = matcher.text("name");
            let rule = hosts.iter().find(|rule| name.is_some() && rule.text("path_matcher") == name);
            let mut listener = self.listener.clone();
            let named = rule.and_then(|rule| rule.texts("hosts")).unwrap_or_default();
            listener.hosts =
                named.iter().filter(|host| !host.contains('*')).map(|host| host.to_ascii_lowercase()).collect();
            let label = name.unwrap_or_else(|| "a path matcher".to_owned());
            for path in each(matcher, "path_rule") {
                let paths = path.texts("paths").unwrap_or_default();
                let matched = match paths.as_slice() {
                    [one] if one == "/*" => PathMatch::Any,
                    [one] if one.ends_with('*') => PathMatch::Prefix(one.trim_end_matches('*').to_owned()),
                    [one] => PathMatch::Exact(one.clone()),
                    _ => PathMatch::Other,
                };
                let route = Route { label: format!("{label} {}", paths.join(" ")), path: matched, when: Vec::new() };
                self.way(&listener, route, path, "service", &[path, matcher, body], into);
            }
            for rule in matcher.blocks("route_rules").all {
                let mut route = cloud::route(format!("{label}, a route rule"));
                route.path = PathMatch::Other;
                self.way(&listener, route, rule, "service", &[rule, matcher, body], into);
            }
            self.way(&listener, cloud::route(label), matcher, "default_service", &[matcher, body], into);
        }
        self.way(&self.listener, cloud::route("default".to_owned()), body, "default_service", &[body], into);
    }

    /// The hosts behind a backend service whose endpoints lie on the internet.
    fn outside(&self, service: Field<'e>) -> Vec<String> {
        let backends = service.blocks("backend").all;
        let groups = backends.into_iter().filter_map(|backend| backend.target("group"));
        let ends = groups.flat_map(|group| self.endpoints.to(&group));
        let host = |end: &Resource<'e>| {
            let port = end.body.text("port").unwrap_or_else(|| "443".to_owned());
            Some(format!("{}:{port}", end.body.text("fqdn")?.to_ascii_lowercase()))
        };
        ends.filter_map(host).collect()
    }

    /// A way to a backend service; `levels` have header actions, the innermost first, as they are taken.
    fn way(
        &self,
        listener: &Listener,
        route: Route,
        owner: Field<'e>,
        key: &str,
        levels: &[Field<'e>],
        into: &mut Configuration,
    ) {
        let action = owner.block("route_action").or_else(|| owner.block("default_route_action"));
        let weighted = action.and_then(|action| action.block("weighted_backend_services"));
        let Some(service) = owner.at(key).or_else(|| weighted?.at("backend_service")) else { return };
        let target = match service.value() {
            Value::Absent => return,
            // A bucket that is not here is one nevertheless.
            Value::Link(link) if link.address.contains("backendBuckets/") => return,
            Value::Link(link) => service.estate().resource(&link),
            _ => None,
        };
        if target.is_some_and(|target| target.kind == BUCKET) || into.hops.len() >= cloud::MOST {
            return;
        }
        let mut upstream = cloud::upstream(service, "backend service", &["name"]);
        upstream.names.extend(target.into_iter().flat_map(|target| self.outside(target.body)));
        let mut steps = target.map(|target| custom(target.body)).unwrap_or_default();
        let blocks = levels.iter().chain(weighted.as_ref());
        blocks.flat_map(|level| level.blocks("header_action").all).for_each(|block| actions(block, &mut steps));
        let unknown = target.is_none();
        let arrivals = cloud::arrivals(self.handshake, |_, run| {
            // A service that is not here may set headers, but for those that are dealt with here.
            if unknown {
                for step in &steps {
                    run.request.set(&step.name, vec![Held::Client], None);
                }
                run.request.others = Others::Unknown;
            }
            steps.iter().for_each(|step| step.apply(run));
        });
        let mut hop = cloud::hop(listener, route, upstream, arrivals);
        hop.carriers = steps.iter().filter_map(Step::carrier).collect();
        let removed = steps
            .iter()
            .rev()
            .find(|step| step.value.is_none() && hop.carriers.iter().any(|carrier| carrier.header == step.name));
        hop.lost = removed.map(|step| Event::new(step.place, Cause::Removed));
        for rewrite in action.into_iter().flat_map(|action| action.blocks("url_rewrite").all) {
            // Where it can't be seen who is behind the service, the host that it is asked for says so.
            let host = rewrite.text("host_rewrite").filter(|host| !host.is_empty() && hop.upstream.names.len() <= 1);
            hop.upstream.names.extend(host.map(|host| format!("{}:443", host.to_ascii_lowercase())));
            for (key, part) in [
                ("path_prefix_rewrite", Part::Path),
                ("path_template_rewrite", Part::Path),
                ("host_rewrite", Part::Host),
            ] {
                if rewrite.text(key).is_some_and(|text| !text.is_empty()) {
                    hop.rewrites.push(Rewrite { part, place: rewrite.place_of(key), told: false });
                }
            }
        }
        let cors = action.and_then(|action| action.block("cors_policy"));
        let on = |cors: &Field<'_>| cors.switch("disabled", false) == Switch::Off;
        hop.cors = cors.filter(on).map(cloud::cors).into_iter().collect();
        into.hops.push(hop);
    }
}

/// Something that is done to a header.
struct Step {
    name: String,
    /// What it is set to; nothing where it is taken away.
    value: Option<Held>,
    /// What the client sent stays beside it.
    beside: bool,
    place: Place,
}

impl Step {
    fn apply(&self, run: &mut Run) {
        let Some(value) = &self.value else {
            run.remove(&self.name, self.place, Cause::Removed);
            return;
        };
        let tells = matches!(value, Held::Certificate(_));
        if tells && !run.presented && !self.beside {
            run.request.set(&self.name, vec![Held::Unknown], None);
        } else if self.beside {
            let mut values = run.values(&self.name);
            values.extend((!tells || run.presented).then(|| value.clone()));
            run.set(&self.name, values, self.place, Cause::Appended);
        } else {
            run.set(&self.name, vec![value.clone()], self.place, Cause::Set);
        }
    }

    fn carrier(&self) -> Option<Carrier> {
        let Some(Held::Certificate(form)) = self.value else { return None };
        Some(Carrier { header: self.name.clone(), form, place: self.place })
    }
}

/// The custom headers of a backend service: `Name:value`.
fn custom(service: Field<'_>) -> Vec<Step> {
    let Some(list) = service.at("custom_request_headers") else { return Vec::new() };
    let items = match list.value() {
        Value::Tree(tree) => tree.items(),
        Value::Absent => return Vec::new(),
        // Anything may be in it.
        _ => {
            let unknown = Step {
                name: "(custom headers)".to_owned(),
                value: Some(Held::Unknown),
                beside: false,
                place: list.place(),
            };
            return vec![unknown];
        }
    };
    let step = |item: Field<'_>| {
        let text = match item.value() {
            Value::Text(text) => text,
            _ => {
                return Step {
                    name: "(a custom header)".to_owned(),
                    value: Some(Held::Unknown),
                    beside: false,
                    place: item.place(),
                };
            }
        };
        let (name, value) = text.split_once(':').unwrap_or((&text, ""));
        Step { name: name.trim().to_ascii_lowercase(), value: Some(held(value)), beside: false, place: item.place() }
    };
    items.into_iter().map(step).collect()
}

/// What a header action does: first it takes away, then it adds.
fn actions(action: Field<'_>, into: &mut Vec<Step>) {
    let key = "request_headers_to_remove";
    let names = action.texts(key).unwrap_or_default();
    let written = action.at(key).map(Field::items).filter(|items| items.len() == names.len()).unwrap_or_default();
    for (number, name) in names.into_iter().enumerate() {
        let place = written.get(number).map_or_else(|| action.place_of(key), |item| item.place());
        into.push(Step { name: name.to_ascii_lowercase(), value: None, beside: false, place });
    }
    for add in action.blocks("request_headers_to_add").all {
        let (Some(name), value) = (add.text("header_name"), add.text("header_value")) else { continue };
        let beside = !matches!(add.get("replace"), Value::Text(text) if text == "true");
        let place = add.place_of("header_value");
        let value = Some(value.map_or(Held::Unknown, |value| held(&value)));
        into.push(Step { name: name.to_ascii_lowercase(), value, beside, place });
    }
}

/// What a value stands for ("mTLS custom headers").
fn held(text: &str) -> Held {
    let text = text.trim();
    let variable = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    match variable {
        Some("client_cert_sha256_fingerprint") => Held::Certificate(Form::Sha256),
        Some("client_cert_leaf") => Held::Certificate(Form::Rfc9440),
        Some("client_cert_chain_verified" | "client_cert_error") => Held::Verification,
        Some("client_cert_serial_number") => Held::Certificate(Form::Serial),
        Some("client_cert_subject_dn") => Held::Certificate(Form::Dn),
        Some(_) => Held::Other,
        None if text.is_empty() => Held::Empty,
        None if text.contains('{') => Held::Other,
        None => Held::Constant(text.to_owned()),
    }
}
