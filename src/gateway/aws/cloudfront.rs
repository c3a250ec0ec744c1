//! CloudFront: which headers a distribution forwards or logs, and what it tells origins of client certificates.
//!
//! An origin gets the headers that the cache policy and the origin request policy list, and no others ("Control origin
//! requests with a policy"); of the certificate it gets the `CloudFront-Viewer-Cert-*` headers that are listed ("Viewer
//! mTLS headers").

use super::super::cloud;
use super::super::hop::ClientAuth;
use super::super::hop::{
    Cause, Credential, Event, Form, Listener, Logged, Others, PathMatch, Place, Route, Value as Held,
};
use super::super::run::{Handshake, Run};
use super::super::{Configuration, Hole};
use crate::config::estate::{Blocks, Estate, Field, Resource, Value};

const DISTRIBUTIONS: &[&str] = &["aws_cloudfront_distribution", "AWS::CloudFront::Distribution"];

/// Managed origin request policies that forward every header of the client, by id and by name ("Use managed origin request
/// policies").
const ALL_VIEWER: &[&str] = &[
    "216adef6-5c7f-47e4-b989-5492eafa07d3",
    "Managed-AllViewer",
    "33f36d7e-f396-46d9-90e0-52428a34d9dc",
    "Managed-AllViewerAndCloudFrontHeaders-2022-06",
    "b689b0a8-53d0-40ab-baf2-68738e2966ac",
    "Managed-AllViewerExceptHostHeader",
];
/// Those that forward a few, none of them credentials.
const FEW: &[&str] = &[
    "acba4595-bd28-49b8-b9fe-13317c0390fa",
    "Managed-UserAgentRefererHeaders",
    "59781a5b-3903-41f3-afcb-af62929ccde1",
    "Managed-CORS-CustomOrigin",
    "88a5eaf4-2fd4-4709-b370-b4c650ea3fcf",
    "Managed-CORS-S3Origin",
    "775133bc-15f2-49f9-abea-afb2e0bf67d2",
    "Managed-Elemental-MediaTailor-PersonalizedManifests",
];
/// Managed cache policies that list neither `Authorization` nor `DPoP` ("Use managed cache policies").
const CACHE: &[&str] = &[
    "658327ea-f89d-4fab-a63d-7e88639e58f6",
    "Managed-CachingOptimized",
    "b2884449-e4de-46a7-ac36-70bc7f1ddd6d",
    "Managed-CachingOptimizedForUncompressedObjects",
    "4135ea2d-6df8-44a3-9df3-4b5a84be39ad",
    "Managed-CachingDisabled",
    "08627262-05a9-4f76-9ded-b50ca2e3a84f",
    "Managed-Elemental-MediaPackage",
];

/// The headers that tell of the certificate.
const CERTIFICATE: &[(&str, Held)] = &[
    ("cloudfront-viewer-cert-pem", Held::Certificate(Form::PemEscaped)),
    ("cloudfront-viewer-cert-sha256", Held::Certificate(Form::Sha256)),
    ("cloudfront-viewer-cert-subject", Held::Certificate(Form::Dn)),
    ("cloudfront-viewer-cert-serial-number", Held::Certificate(Form::Serial)),
    ("cloudfront-viewer-cert-issuer", Held::Other),
    ("cloudfront-viewer-cert-present", Held::Other),
    ("cloudfront-viewer-cert-validity", Held::Other),
];

/// What a policy forwards.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Forwarded {
    /// All that the client sent, and these of CloudFront's own.
    All(Vec<String>),
    /// These alone.
    These(Vec<String>),
    Unknown,
}

/// The distributions of an estate.
pub(super) fn configuration(estate: &Estate<'_>) -> Configuration {
    let mut into = Configuration { complete: true, ..Configuration::default() };
    let dpop = cloud::speaks_of_dpop(estate);
    for resource in estate.resources(DISTRIBUTIONS) {
        // CloudFormation has everything one level deeper.
        let body = resource.body.block("distribution_config").unwrap_or(resource.body);
        distribution(resource, body, dpop, &mut into);
    }
    into
}

fn distribution(resource: Resource<'_>, body: Field<'_>, dpop: bool, into: &mut Configuration) {
    let aliases = body.texts("aliases").unwrap_or_default();
    let label = aliases.first().cloned().unwrap_or_else(|| format!("distribution {}", resource.name));
    let mut listener = Listener::new(label, vec![443], true);
    listener.hosts = aliases.iter().filter(|name| !name.contains('*')).map(|name| name.to_ascii_lowercase()).collect();
    let (handshake, asks_at) = viewers(body, &mut into.holes);
    listener.auth = handshake.auth;
    listener.asks_at = asks_at;
    let origins = body.blocks("origin").all.into_iter().chain(body.blocks("origins").all).collect::<Vec<_>>();
    let behaviours = [("default_cache_behavior", true), ("ordered_cache_behavior", false), ("cache_behaviors", false)];
    for (key, default) in behaviours {
        for behaviour in body.blocks(key).all {
            let id = behaviour.text("target_origin_id");
            let origin = origins.iter().find(|origin| {
                let own = origin.text("origin_id").or_else(|| origin.text("id"));
                own.is_some() && own == id
            });
            // A bucket checks no tokens.
            let Some(origin) = origin.filter(|origin| origin.at("custom_origin_config").is_some()) else { continue };
            let Some(address) = origin.at("domain_name") else { continue };
            let pattern = behaviour.text("path_pattern");
            let route = Route {
                label: pattern.as_ref().map_or("default behavior".to_owned(), |path| format!("behavior {path}")),
                path: match pattern.as_deref() {
                    None if default => PathMatch::Any,
                    Some(path) if path.ends_with('*') && !path.trim_end_matches('*').contains(['*', '?']) => {
                        PathMatch::Prefix(path.trim_end_matches('*').to_owned())
                    }
                    _ => PathMatch::Other,
                },
                when: Vec::new(),
            };
            let mut upstream = cloud::upstream(address, "origin", &["name", "domain_name"]);
            upstream.place = behaviour.place_of("target_origin_id");
            if let Value::Text(host) = address.value() {
                upstream.names = vec![format!("{}:{}", host.to_ascii_lowercase(), origin_port(*origin))];
            }
            let forwarding = Forwarding::read(behaviour, dpop);
            let arrivals = cloud::arrivals(handshake, |_, run| forwarding.apply(run));
            let mut hop = cloud::hop(&listener, route, upstream, arrivals);
            if handshake.auth.asks() {
                hop.lost = Some(Event::new(forwarding.place, Cause::NotListed));
            }
            hop.logs = forwarding.log.into_iter().collect();
            if into.hops.len() < cloud::MOST {
                into.hops.push(hop);
            }
        }
    }
}

/// What real-time logs of a behaviour write: `cs-headers` holds the headers of requests with their values ("Use real-time
/// logs"). Where viewers can only read, credentials come only if something speaks of them.
fn log(behaviour: Field<'_>, tokens: bool) -> Option<Logged> {
    let config = behaviour.target("realtime_log_config_arn").filter(|_| tokens)?;
    let fields = config.body.at("fields")?;
    let written = |field: &Field<'_>| matches!(field.value(), Value::Text(name) if name == "cs-headers");
    let place = fields.items().into_iter().find(written)?.place();
    let active = behaviour.at("realtime_log_config_arn").map(Field::place);
    Some(Logged { what: Credential::AllHeaders, place, active })
}

/// The port of a custom origin.
fn origin_port(origin: Field<'_>) -> u16 {
    let config = origin.block("custom_origin_config");
    let plain =
        config.and_then(|config| config.text("origin_protocol_policy")).is_some_and(|policy| policy == "http-only");
    let (key, usual) = if plain { ("http_port", 80) } else { ("https_port", 443) };
    config.and_then(|config| cloud::port(config, key)).unwrap_or(usual)
}

/// Whether viewers are asked for a certificate ("Viewer mTLS").
fn viewers(body: Field<'_>, holes: &mut Vec<Hole>) -> (Handshake, Option<Place>) {
    let blocks: Blocks<'_> = body.blocks("viewer_mtls_config");
    let Some(block) = blocks.all.first() else { return (Handshake::OFF, None) };
    let place = block.place_of("mode");
    let handshake = |auth, required| (Handshake { auth, required }, Some(place));
    match block.text("mode").as_deref() {
        Some("required") if !blocks.unsure => handshake(ClientAuth::Required, true),
        Some("optional") if !blocks.unsure => handshake(ClientAuth::Optional, false),
        // What is handed on in this mode need not be listed.
        Some("passthrough") if !blocks.unsure => handshake(ClientAuth::Unknown, false),
        _ => {
            let reason = "whether viewers are asked for certificates is not known here".to_owned();
            holes.push(Hole { place, reason });
            handshake(ClientAuth::Unknown, false)
        }
    }
}

/// What a behaviour forwards.
struct Forwarding {
    forwarded: Forwarded,
    /// The policy, or where there is none the behaviour.
    place: Place,
    /// Functions may change anything.
    functions: bool,
    /// Where `Authorization` is left out though all else is forwarded.
    unauthorized: Option<Place>,
    /// Whether what is not forwarded is worth a word: proofs are spoken of, and more than reading is allowed.
    tells: bool,
    /// What is written to a log.
    log: Option<Logged>,
}

impl Forwarding {
    fn read(behaviour: Field<'_>, dpop: bool) -> Self {
        let functions = [
            "function_association",
            "lambda_function_association",
            "function_associations",
            "lambda_function_associations",
        ]
        .iter()
        .any(|key| behaviour.at(key).is_some() || behaviour.blocks(key).unsure);
        let writes = behaviour.texts("allowed_methods").is_some_and(|all| all.iter().any(|method| method == "POST"));
        let log = log(behaviour, dpop || writes);
        let (forwarded, place) = match (behaviour.at("origin_request_policy_id"), behaviour.at("cache_policy_id")) {
            (None, None) => return Self { log, ..Self::legacy(behaviour, functions, dpop && writes) },
            (request, cache) => {
                let cached = cache.map_or(Forwarded::These(Vec::new()), |field| {
                    policy(field, "parameters_in_cache_key_and_forwarded_to_origin")
                });
                let asked = request.map_or(Forwarded::These(Vec::new()), |field| policy(field, ""));
                (joined(cached, asked), request.or(cache).map_or(behaviour.place(), Field::place))
            }
        };
        Self { forwarded, place, functions, tells: dpop && writes, unauthorized: None, log }
    }

    /// Without policies all headers are forwarded but `Authorization`, which GET and HEAD requests lose unless it is listed
    /// ("Request and response behavior for custom origins").
    fn legacy(behaviour: Field<'_>, functions: bool, tells: bool) -> Self {
        let values = behaviour.block("forwarded_values");
        let place = values.map_or(behaviour.place(), |values| values.place_of("headers"));
        let listed = values.and_then(|values| values.texts("headers"));
        let lost = listed
            .as_ref()
            .is_some_and(|names| !names.iter().any(|name| name == "*" || name.eq_ignore_ascii_case("authorization")));
        let forwarded = if listed.is_some() { Forwarded::All(Vec::new()) } else { Forwarded::Unknown };
        Self { forwarded, place, functions, tells, unauthorized: Some(place).filter(|_| lost && tells), log: None }
    }

    fn apply(&self, run: &mut Run) {
        if self.functions || self.forwarded == Forwarded::Unknown {
            run.anything();
            return;
        }
        let (listed, all) = match &self.forwarded {
            Forwarded::All(listed) => (listed, true),
            Forwarded::These(listed) => (listed, false),
            Forwarded::Unknown => return,
        };
        if !all && self.tells {
            let event = Event::new(self.place, Cause::NotListed);
            run.request.others = Others::Dropped(event.clone());
            for name in listed {
                run.request.set(name, vec![Held::Client], None);
            }
        } else if !all {
            run.request.others = Others::Dropped(Event::new(self.place, Cause::AllDropped));
            for name in ["dpop", "authorization"] {
                run.request.set(name, Vec::new(), None);
            }
            for name in listed {
                run.request.set(name, vec![Held::Client], None);
            }
        }
        if let Some(place) = self.unauthorized {
            run.set("authorization", Vec::new(), place, Cause::NotListed);
        }
        for (name, value) in CERTIFICATE {
            // CloudFront makes these itself.
            let listed = listed.iter().any(|one| one == name);
            let value = if listed && run.presented { value.clone() } else { Held::Other };
            if listed {
                run.set(name, vec![value], self.place, Cause::Set);
            } else {
                // "All" is all that the viewer sent: what CloudFront adds has to be listed beside it
                // (`OriginRequestPolicyHeadersConfig`, `allViewerAndWhitelistCloudFront`).
                run.request.set(name, Vec::new(), None);
            }
        }
    }
}

/// What a policy forwards: a resource, or one of those that CloudFront manages.
fn policy(setting: Field<'_>, inner: &str) -> Forwarded {
    let managed = |name: &str| {
        if ALL_VIEWER.contains(&name) {
            return Forwarded::All(Vec::new());
        }
        if FEW.contains(&name) || CACHE.contains(&name) {
            return Forwarded::These(Vec::new());
        }
        Forwarded::Unknown
    };
    let value = setting.value();
    let resource = match &value {
        Value::Text(id) => return managed(id),
        Value::Link(link) => match setting.estate().resource(link) {
            Some(resource) if link.address.starts_with("data.") => {
                return resource.body.text("name").map_or(Forwarded::Unknown, |name| managed(&name));
            }
            Some(resource) => resource,
            None => return Forwarded::Unknown,
        },
        Value::Absent => return Forwarded::These(Vec::new()),
        _ => return Forwarded::Unknown,
    };
    let body = ["origin_request_policy_config", "cache_policy_config"]
        .iter()
        .find_map(|key| resource.body.block(key))
        .unwrap_or(resource.body);
    let body = if inner.is_empty() { Some(body) } else { body.block(inner) };
    let Some(config) = body.and_then(|body| body.block("headers_config")) else { return Forwarded::Unknown };
    let listed = || {
        // A list in CloudFormation, a block in Terraform.
        let plain = config.texts("headers").filter(|names| !names.is_empty());
        let names = plain.or_else(|| config.block("headers")?.texts("items"));
        names.map(|names| names.iter().map(|name| name.to_ascii_lowercase()).collect::<Vec<_>>())
    };
    match (config.text("header_behavior").as_deref(), listed()) {
        (Some("none"), _) => Forwarded::These(Vec::new()),
        (Some("whitelist"), Some(names)) => Forwarded::These(names),
        (Some("allViewer"), _) => Forwarded::All(Vec::new()),
        (Some("allViewerAndWhitelistCloudFront"), Some(names)) => Forwarded::All(names),
        (Some("allExcept"), Some(names)) if !names.iter().any(|name| name == "dpop" || name == "authorization") => {
            Forwarded::All(Vec::new())
        }
        _ => Forwarded::Unknown,
    }
}

/// What two policies forward together.
fn joined(one: Forwarded, other: Forwarded) -> Forwarded {
    match (one, other) {
        (Forwarded::These(mut one), Forwarded::These(other)) => {
            one.extend(other);
            Forwarded::These(one)
        }
        (Forwarded::All(mut one) | Forwarded::These(mut one), Forwarded::All(other))
        | (Forwarded::All(mut one), Forwarded::These(other)) => {
            one.extend(other);
            Forwarded::All(one)
        }
        _ => Forwarded::Unknown,
    }
}
