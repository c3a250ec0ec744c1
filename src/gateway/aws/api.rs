//! API Gateway: REST and HTTP APIs with their integrations, custom domain names and default endpoints.

use std::collections::{BTreeMap, BTreeSet};

use super::super::cloud::{self, Referring};
use super::super::hop::{
    Cause, Client, ClientAuth, Cors, Credential, Event, Form, Hop, Listener, Logged, Part, PathMatch, Place, Rewrite,
    Route, Upstream, Value as Held,
};
use super::super::run::{Handshake, Run};
use super::super::{Configuration, Hole};
use super::mapping::Mapping;
use crate::config::estate::{Estate, Field, Identity, Resource, Value};
use crate::config::tree::Switch;

const REST: &[&str] = &["aws_api_gateway_rest_api", "AWS::ApiGateway::RestApi", "AWS::Serverless::Api"];
const HTTP: &[&str] = &["aws_apigatewayv2_api", "AWS::ApiGatewayV2::Api", "AWS::Serverless::HttpApi"];
const INTEGRATIONS: &[&str] = &[
    "aws_api_gateway_integration",
    "aws_apigatewayv2_integration",
    "AWS::ApiGateway::Method",
    "AWS::ApiGatewayV2::Integration",
];
const ROUTES: &[&str] = &["aws_apigatewayv2_route", "AWS::ApiGatewayV2::Route"];
const MAPPINGS: &[&str] = &[
    "aws_api_gateway_base_path_mapping",
    "aws_apigatewayv2_api_mapping",
    "AWS::ApiGateway::BasePathMapping",
    "AWS::ApiGatewayV2::ApiMapping",
];
const DOMAINS: &[&str] = &[
    "aws_api_gateway_domain_name",
    "aws_apigatewayv2_domain_name",
    "AWS::ApiGateway::DomainName",
    "AWS::ApiGatewayV2::DomainName",
];
const STAGES: &[&str] = &[
    "aws_api_gateway_stage",
    "aws_apigatewayv2_stage",
    "AWS::ApiGateway::Stage",
    "AWS::ApiGatewayV2::Stage",
    "aws_api_gateway_method_settings",
];
const AUTHORIZERS: &[&str] = &[
    "aws_api_gateway_authorizer",
    "aws_apigatewayv2_authorizer",
    "AWS::ApiGateway::Authorizer",
    "AWS::ApiGatewayV2::Authorizer",
];
/// The keys under which the others name their API.
const API_KEYS: &[&str] = &["rest_api_id", "api_id"];

/// The APIs of an estate.
pub(super) fn configuration(estate: &Estate<'_>) -> Configuration {
    let mut into = Configuration { complete: true, ..Configuration::default() };
    let domains = estate.resources(DOMAINS);
    let mappings = estate.resources(MAPPINGS);
    let apis = estate.resources(REST).len() + estate.resources(HTTP).len();
    let sole = domains.first().copied().filter(|_| mappings.is_empty() && domains.len() == 1 && apis == 1);
    let company = Company {
        sole,
        integrations: Referring::new(estate.resources(INTEGRATIONS), API_KEYS),
        routes: Referring::new(estate.resources(ROUTES), &["target"]),
        mappings: Referring::new(mappings, API_KEYS),
        named: domains.iter().filter_map(|domain| Some((domain.body.text("domain_name")?, *domain))).collect(),
        domains: domains.iter().map(Resource::identity).collect(),
        stages: Referring::new(estate.resources(STAGES), API_KEYS),
        authorizers: Referring::new(estate.resources(AUTHORIZERS), API_KEYS),
        dpop: cloud::speaks_of_dpop(estate),
    };
    for (kinds, rest) in [(REST, true), (HTTP, false)] {
        for resource in estate.resources(kinds) {
            Api::read(resource, rest, &company, &mut into).ways(&mut into);
        }
    }
    into
}

/// What belongs to APIs.
struct Company<'e> {
    integrations: Referring<'e>,
    routes: Referring<'e>,
    mappings: Referring<'e>,
    stages: Referring<'e>,
    authorizers: Referring<'e>,
    /// Custom domain names, by their names.
    named: BTreeMap<String, Resource<'e>>,
    domains: BTreeSet<Identity>,
    /// The one domain name beside the one API, where nothing says what it is for.
    sole: Option<Resource<'e>>,
    /// Proofs are spoken of.
    dpop: bool,
}

impl<'e> Company<'e> {
    /// The custom domain name that a mapping means.
    fn domain(&self, mapping: &Resource<'e>) -> Option<Resource<'e>> {
        match mapping.body.get("domain_name") {
            Value::Text(name) => self.named.get(&name).copied(),
            _ => mapping.body.target("domain_name").filter(|domain| self.domains.contains(&domain.identity())),
        }
    }
}

/// A way to a backend.
struct Integration {
    route: Route,
    upstream: Upstream,
    mapping: Mapping,
    /// The certificate stands in the event that a function is called with.
    event: bool,
}

/// A name under which an API is served.
struct Domain {
    listener: Listener,
    handshake: Handshake,
}

struct Api<'e> {
    resource: Resource<'e>,
    label: String,
    integrations: Vec<Integration>,
    domains: Vec<Domain>,
    /// Whether the default endpoint is switched off, and where that is said.
    disabled: (Switch, Place),
    /// A function sees whole requests with their certificates, and may compare them with the tokens itself.
    authorized: bool,
    cors: Vec<Cors>,
    logs: Vec<Logged>,
}

impl<'e> Api<'e> {
    fn read(resource: Resource<'e>, rest: bool, company: &Company<'e>, into: &mut Configuration) -> Self {
        let body = resource.body;
        let label = resource.label(&["name"]);
        let globals = resource.body.estate().globals(if rest { "Api" } else { "HttpApi" });
        let mut integrations = integrations(resource, rest, company);
        integrations.extend(described(body, rest, company.dpop));
        let stages = company.stages.to(&resource);
        let key = "disable_execute_api_endpoint";
        let said = [Some(body), globals].into_iter().flatten().find(|field| field.at(key).is_some());
        let disabled =
            said.map_or((Switch::Off, resource.place), |field| (field.switch(key, false), field.place_of(key)));
        let mut domains: Vec<Domain> = Vec::new();
        for mapping in company.mappings.to(&resource) {
            match company.domain(mapping) {
                Some(domain) => domains.push(Domain::read(domain.body, domain.place, &mut into.holes)),
                // It may be any, with any settings.
                None => into.complete = false,
            }
        }
        domains.extend(company.sole.map(|domain| Domain::read(domain.body, domain.place, &mut into.holes)));
        let own = [Some(body), globals].into_iter().flatten().find_map(|field| field.block("domain"));
        domains.extend(own.map(|domain| Domain::read(domain, domain.place(), &mut into.holes)));
        into.complete &= !domains.is_empty();
        let logs = stages.iter().map(|stage| stage.body).chain([body]).flat_map(logs).collect();
        let authorized =
            company.authorizers.to(&resource).iter().any(|one| sees_requests(one.body)) || authorizes(body);
        Self { resource, label, integrations, domains, disabled, authorized, cors: cors(body), logs }
    }

    fn ways(&self, into: &mut Configuration) {
        for domain in &self.domains {
            self.serve(domain, into);
        }
        if self.disabled.0 != Switch::On {
            let label = format!("default endpoint of {}", self.label);
            let mut listener = Listener::new(label, vec![443], true);
            let mut handshake = Handshake::OFF;
            if self.disabled.0 == Switch::Unknown {
                handshake = Handshake { auth: ClientAuth::Unknown, required: false };
                listener.auth = ClientAuth::Unknown;
            }
            self.serve(&Domain { listener, handshake }, into);
        }
        let asks = self.domains.iter().find(|domain| domain.handshake.auth == ClientAuth::Required);
        let Some(asks) = asks else { return };
        match self.disabled.0 {
            Switch::Off => into.hops.push(self.bypass(asks)),
            Switch::Unknown => into.holes.push(Hole {
                place: self.disabled.1,
                reason: "whether the default endpoint is switched off is not known here".to_owned(),
            }),
            Switch::On => {}
        }
    }

    fn serve(&self, domain: &Domain, into: &mut Configuration) {
        for integration in &self.integrations {
            if into.hops.len() >= cloud::MOST {
                return;
            }
            let arrivals = cloud::arrivals(domain.handshake, |_, run| {
                integration.apply(run);
                if self.authorized && run.presented {
                    run.request.set("authorizer_saw_the_certificate", vec![Held::Unknown], None);
                }
            });
            let route = integration.route.clone();
            let mut hop = cloud::hop(&domain.listener, route, integration.upstream.clone(), arrivals);
            hop.carriers = integration.mapping.carriers();
            hop.rewrites.clone_from(&integration.mapping.rewrites);
            hop.cors.clone_from(&self.cors);
            hop.logs.clone_from(&self.logs);
            into.hops.push(hop);
        }
    }

    /// The way around the name that asks for a certificate.
    fn bypass(&self, around: &Domain) -> Hop {
        let upstream = self.integrations.first().map_or_else(
            || cloud::behind(&self.resource, format!("the API {}", self.label)),
            |integration| integration.upstream.clone(),
        );
        let arrivals = cloud::arrivals(Handshake::OFF, |client: Client, run| match self.integrations.first() {
            _ if client != Client::Verified => run.anything(),
            // What is mapped is mapped here, too.
            Some(integration) => integration.apply(run),
            None => {}
        });
        let route = cloud::route(format!("the default endpoint of {}", self.label));
        let mut hop = cloud::hop(&around.listener, route, upstream, arrivals);
        hop.bypass = Some(Event::new(self.disabled.1, Cause::NotApplied));
        hop
    }
}

impl Integration {
    fn apply(&self, run: &mut Run) {
        if self.event && run.presented {
            // No header: clients can't send it.
            run.request.set("request_context_client_cert", vec![Held::Certificate(Form::PemOneLine)], None);
        }
        self.mapping.apply(run);
    }
}

impl Domain {
    /// A custom domain name: it asks where it has a trust store (API Gateway, "mutual TLS").
    fn read(body: Field<'_>, place: Place, holes: &mut Vec<Hole>) -> Self {
        let name = body.text("domain_name").unwrap_or_else(|| "a custom domain name".to_owned());
        let mut listener = Listener::new(name.clone(), vec![443], true);
        if name.contains('.') {
            listener.hosts.push(name.to_ascii_lowercase());
        }
        let blocks = body.blocks("mutual_tls_authentication");
        let asks = blocks.all.iter().find(|block| !matches!(block.get("truststore_uri"), Value::Absent));
        let auth = match (asks, blocks.unsure) {
            (_, true) => ClientAuth::Unknown,
            (Some(_), false) => ClientAuth::Required,
            (None, false) => ClientAuth::Off,
        };
        if auth == ClientAuth::Unknown {
            let reason = "whether the domain name asks for client certificates is not known here".to_owned();
            holes.push(Hole { place, reason });
        }
        listener.auth = auth;
        listener.asks_at = asks.map(|block| block.place_of("truststore_uri"));
        Self { listener, handshake: Handshake { auth, required: auth == ClientAuth::Required } }
    }
}

/// The integrations that are resources of their own.
fn integrations<'e>(api: Resource<'e>, rest: bool, company: &Company<'e>) -> Vec<Integration> {
    let mut all = Vec::new();
    for resource in company.integrations.to(&api) {
        // In CloudFormation a method holds its integration.
        let field = resource.body.block("integration").unwrap_or(resource.body);
        let routes = company.routes.to(resource);
        let keys: Vec<String> = routes.iter().filter_map(|route| route.body.text("route_key")).collect();
        let method = resource.body.text("http_method");
        let path = resource.body.target("resource_id").and_then(|part| part.body.text("path_part"));
        let label = match (keys.as_slice(), method, path) {
            ([key], ..) => format!("route {key}"),
            (_, Some(method), Some(path)) => format!("{method} …/{path}"),
            _ => format!("integration {}", resource.name),
        };
        all.extend(integration(field, label, PathMatch::Other, rest, company.dpop));
    }
    // An HTTP API may be made with its target at once.
    if let Some(target) = api.body.at("target") {
        let upstream = cloud::upstream(target, "function", &["function_name"]);
        let event = !upstream.label.starts_with("http");
        let route = cloud::route("route $default".to_owned());
        all.push(Integration { route, upstream, mapping: Mapping::default(), event });
    }
    all
}

/// An integration, if it leads to a backend.
fn integration(field: Field<'_>, label: String, path: PathMatch, rest: bool, dpop: bool) -> Option<Integration> {
    let kind = field.text("integration_type").or_else(|| field.text("type"))?.to_ascii_lowercase();
    let target = ["integration_uri", "uri"].into_iter().find_map(|key| field.at(key))?;
    let mut mapping = Mapping::read(field);
    let place = ["integration_type", "type"].into_iter().find_map(|key| field.at(key)).map(Field::place);
    let mut event = false;
    match kind.as_str() {
        "http_proxy" => {}
        "http" => {
            mapping.only = place;
            mapping.told = dpop;
        }
        "aws_proxy" => event = true,
        // Templates decide what other services get.
        "aws" => mapping.unknown = true,
        _ => return None,
    }
    let mut upstream = cloud::upstream(target, if event { "function" } else { "backend" }, &["function_name", "name"]);
    // An address with parameters in it is still the address of one host.
    if event && upstream.label.starts_with("arn:") {
        upstream.label =
            upstream.label.rsplit(':').next().map_or(upstream.label.clone(), |name| format!("function {name}"));
    }
    if rest && !event && matches!(kind.as_str(), "http" | "http_proxy") && !mapping.tells_host {
        mapping.rewrites.push(Rewrite { part: Part::Host, place: target.place(), told: false });
    }
    Some(Integration { route: Route { label, path, when: Vec::new() }, upstream, mapping, event })
}

/// The integrations that a description of the API (OpenAPI) has, where it can be read.
fn described(body: Field<'_>, rest: bool, dpop: bool) -> Vec<Integration> {
    let mut all = Vec::new();
    let paths = document(body).and_then(|document| document.at("paths"));
    for (path, operations) in paths.map(Field::entries).unwrap_or_default() {
        for (method, operation) in operations.entries() {
            let Some(field) = operation.at("x-amazon-apigateway-integration") else { continue };
            let matched = if path.contains('{') { PathMatch::Other } else { PathMatch::Exact(path.to_owned()) };
            all.extend(integration(field, format!("{} {path}", method.to_ascii_uppercase()), matched, rest, dpop));
        }
    }
    all
}

/// Whether an authorizer is given the request, not just a token.
fn sees_requests(authorizer: Field<'_>) -> bool {
    let kind = ["authorizer_type", "type"].iter().find_map(|key| authorizer.text(key));
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("request"))
}

/// Whether the API itself names such an authorizer: as SAM has it, or in its description.
fn authorizes(body: Field<'_>) -> bool {
    let of_sam = body.block("auth").and_then(|auth| auth.at("authorizers")).map(Field::entries).unwrap_or_default();
    let of_sam = of_sam.iter().any(|(_, one)| one.at("function_arn").is_some());
    let schemes = document(body).and_then(|document| document.block("components")?.at("securitySchemes"));
    let schemes = schemes.map(Field::entries).unwrap_or_default();
    of_sam || schemes.iter().any(|(_, one)| one.block("x-amazon-apigateway-authorizer").is_some_and(sees_requests))
}

/// The description of an API (OpenAPI), where it can be read.
fn document(body: Field<'_>) -> Option<Field<'_>> {
    let written = ["body", "definition_body"].into_iter().find_map(|key| match body.get(key) {
        Value::Tree(tree) => Some(tree),
        Value::File(number) => body.estate().document(number),
        _ => None,
    });
    written.or_else(|| body.file("definition_uri"))
}

/// What the API answers browsers.
fn cors(body: Field<'_>) -> Vec<Cors> {
    body.block("cors_configuration").map(cloud::cors).into_iter().collect()
}

/// What a stage, or the settings of its methods, writes to a log.
fn logs(stage: Field<'_>) -> Vec<Logged> {
    let mut logs = Vec::new();
    for key in ["access_log_settings", "access_log_setting"] {
        let Some(block) = stage.block(key) else { continue };
        let Some(format) = block.at("format") else { continue };
        let holds = |text: &str| text.contains("identity.clientCert.clientCertPem");
        let found = match format.value() {
            Value::Text(text) => holds(&text),
            Value::Tree(tree) => tree.entries().iter().any(|(_, value)| value.raw().is_some_and(holds)),
            _ => false,
        };
        if found {
            logs.push(Logged { what: Credential::Certificate, place: format.place(), active: None });
        }
    }
    for settings in [stage.blocks("settings").all, stage.blocks("method_settings").all].concat() {
        let level = settings.text("logging_level");
        if settings.switch("data_trace_enabled", false) == Switch::On && level.as_deref() != Some("OFF") {
            let place = settings.place_of("data_trace_enabled");
            logs.push(Logged { what: Credential::OtherHeaders, place, active: None });
        }
    }
    logs
}
