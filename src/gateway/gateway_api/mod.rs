//! The Gateway API: gateways of whatever class, and the routes attached to them. What a class does with client
//! certificates is only judged where it is known which product stands behind it; what a route does to headers by name
//! always is.

pub(super) mod listeners;
mod routes;

use std::collections::{BTreeMap, BTreeSet};

use listeners::Listener;

use super::envoy::made::{self, Edge, Entries, Transport};
use super::files::{Files, Text};
use super::hop::Cause;
use super::{Configuration, FrontEnd, Rule};
use crate::config::graft::{Graft, Piece};
use crate::config::kubernetes::{Manifests, Object, Objects};
use crate::gateway::matched::overlap;
use crate::gateway::tree::At;

/// The API group.
pub(super) const GROUP: &[&str] = &["gateway.networking.k8s.io"];
/// That of Envoy Gateway's policies.
pub(super) const ENVOY_GATEWAY: &[&str] = &["gateway.envoyproxy.io"];

/// Those of Traefik's middlewares, which routes may name.
const TRAEFIK: &[&str] = &["traefik.io", "traefik.containo.us"];

/// Gateways that are no other front end's.
pub struct GatewayApi;

impl FrontEnd for GatewayApi {
    fn product(&self) -> &'static str {
        "gateway-api"
    }

    fn recognises(&self, _name: &str, text: &str) -> bool {
        speaks(text)
    }

    fn lower(&self, files: &Files, own: &[u32]) -> Vec<Configuration> {
        let manifests = Manifests::read(files, own);
        let objects = manifests.objects(files);
        let api = Api::new(files, &objects, false);
        let mut all = api.configurations(
            &|gateway| !matches!(api.class(gateway), Class::EnvoyGateway | Class::NginxFabric),
            &|gateway, listener, _| manner(&api, gateway, listener),
        );
        all.extend(api.loose(&|route| !api.is_envoy_gateways(route), &|route| Manner {
            transport: Transport::None,
            settings: Vec::new(),
            filters: vec![made::cors_filter(&api.graft, route.at)],
            host: Vec::new(),
            literal: true,
            files: Vec::new(),
        }));
        all.extend(api.unread(&manifests, false));
        all
    }

    fn reason(&self, rule: Rule, cause: Cause) -> &'static str {
        match (rule, cause) {
            (Rule::Stripped | Rule::DpopBroken, Cause::Removed | Cause::Set) => "gateway-api-header-removed",
            (Rule::DpopBroken, Cause::NotListed) => "gateway-api-cors-missing-dpop",
            (Rule::DpopBroken, Cause::Rewritten) => "gateway-api-rewrite-htu",
            (Rule::DpopBroken, _) => "gateway-api-header-removed",
            (Rule::Stripped, Cause::WrongProtocol) => "gateway-api-tls-ends-at-tcp-route",
            (Rule::Stripped, _) => "gateway-api-client-cert-not-forwarded",
            (Rule::Spoofable, Cause::Appended) => "gateway-api-cert-header-append",
            (Rule::Spoofable, _) => "gateway-api-cert-header-unguarded",
            (Rule::NotRequested, _) => "gateway-api-client-cert-not-requested",
            (Rule::Malformed, _) => "gateway-api-cert-malformed",
            (Rule::Weak, _) => "gateway-api-cert-sha1-only",
            (Rule::Unverified, _) => "gateway-api-insecure-fallback",
            (Rule::Logged, _) => "gateway-api-log-credentials",
        }
    }

    fn fix(&self, rule: Rule, cause: Cause, header: Option<&str>) -> String {
        fix(rule, cause, header)
    }
}

/// How the routes of the API are mended, whoever serves them.
pub(super) fn fix(rule: Rule, cause: Cause, header: Option<&str>) -> String {
    let header = header.unwrap_or("X-Forwarded-Client-Cert");
    match (rule, cause) {
        (Rule::Stripped, Cause::WrongProtocol) => {
            "Attach an HTTPRoute to a listener of protocol HTTPS, or pass TLS through (`tls: { mode: Passthrough }`).".to_owned()
        }
        (Rule::DpopBroken, Cause::NotListed) => {
            "List DPoP beside Authorization in allowHeaders, and DPoP-Nonce in exposeHeaders.".to_owned()
        }
        (Rule::DpopBroken, Cause::Rewritten) => {
            "Keep host and path, or tell the upstream: set X-Forwarded-Host and X-Forwarded-Prefix in a RequestHeaderModifier.".to_owned()
        }
        (Rule::Spoofable, _) => {
            format!("List {header} under `remove` in the RequestHeaderModifier, too: what is removed goes before what is set.")
        }
        (Rule::NotRequested, _) => {
            "Name the authority: `tls: { frontend: { default: { validation: { caCertificateRefs: […] } } } }` in the Gateway.".to_owned()
        }
        (Rule::Malformed | Rule::Weak, _) => "Set %DOWNSTREAM_PEER_CERT% under a name of its own.".to_owned(),
        (Rule::Unverified, _) => "Write `mode: AllowValidOnly` in the frontend validation.".to_owned(),
        (Rule::Logged, _) => "Take the credential out of the format of the access log.".to_owned(),
        (Rule::Stripped | Rule::DpopBroken, _) => format!("Take {header} out of the RequestHeaderModifier."),
    }
}

/// Whether a text holds objects of the API, or classes of it.
pub(super) fn speaks(text: &str) -> bool {
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    let middleware = || has("traefik.io/v1") && has("kind: Middleware") && has("customRequestHeaders");
    has("gateway.networking.k8s.io/") && has("kind") || is_envoy_gateway(text) || middleware()
}

/// Whether a text holds policies of Envoy Gateway.
pub(super) fn is_envoy_gateway(text: &str) -> bool {
    memchr::memmem::find(text.as_bytes(), b"gateway.envoyproxy.io/v1").is_some()
}

/// Who serves a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    EnvoyGateway,
    Istio,
    Contour,
    NginxFabric,
    /// Somebody else, or that is not known.
    Other,
}

/// All objects of the API.
pub(super) struct Api<'a> {
    pub(super) objects: &'a Objects<'a>,
    pub(super) files: &'a Files,
    pub(super) graft: Graft,
    /// Upstreams are told what the host was before it was rewritten.
    tells_host: bool,
    /// Kong is spoken of, which tells upstreams what the path was.
    may_be_kong: bool,
    /// Of each gateway, by file and place: the routes that name it as a parent, with what names it.
    attached: BTreeMap<(u32, usize), Vec<(Object<'a>, At<'a>)>>,
}

/// How a listener deals with requests, apart from what routes say.
pub(super) struct Manner<'a> {
    pub(super) transport: Transport<'a>,
    /// Of the connection manager.
    pub(super) settings: Entries,
    pub(super) filters: Vec<Piece>,
    /// Of virtual hosts.
    pub(super) host: Entries,
    /// Nothing in the values of headers is a format, and nothing is known but what routes do by name.
    pub(super) literal: bool,
    /// Where it stands.
    pub(super) files: Vec<u32>,
}

/// How a listener of a gateway deals with requests of a route.
pub(super) type Manners<'m, 'a> = dyn Fn(&Object<'a>, &Listener<'a>, Option<&Object<'a>>) -> Manner<'a> + 'm;

impl<'a> Api<'a> {
    pub(super) fn new(files: &'a Files, objects: &'a Objects<'a>, tells_host: bool) -> Self {
        let has = |text: &Text, word: &str| memchr::memmem::find(text.text.as_bytes(), word.as_bytes()).is_some();
        let may_be_kong = files.iter().any(|(_, text)| has(text, "konghq.com") || has(text, "gatewayClassName: kong"));
        let attached = BTreeMap::new();
        let mut api = Self { objects, files, graft: Graft::new(files), tells_host, may_be_kong, attached };
        let routes: Vec<Object<'a>> = api.routes().collect();
        for route in routes {
            for parent in route.spec().into_iter().flat_map(|spec| spec.list("parentRefs")) {
                if let Some(gateway) = api.parent(&route, parent) {
                    let place = (gateway.at.file, gateway.at.node.bytes.0);
                    api.attached.entry(place).or_default().push((route, parent));
                }
            }
        }
        api
    }

    /// What could not be read, of files with or without policies of Envoy Gateway.
    pub(super) fn unread(&self, manifests: &Manifests, with: bool) -> Option<Configuration> {
        let mut holes = manifests.unread(self.objects, &[GROUP, ENVOY_GATEWAY].concat());
        holes.retain(|(place, _)| is_envoy_gateway(&self.files.get(place.file).text) == with);
        Configuration::unread(holes)
    }

    /// The class of a gateway, if it is here.
    pub(super) fn class_object(&self, gateway: &Object<'a>) -> Option<Object<'a>> {
        let name = gateway.spec()?.word("gatewayClassName")?;
        self.objects.find(gateway.at.file, GROUP, "GatewayClass", None, name).one()
    }

    /// Who serves a gateway: its class says, or a policy that only one product has.
    pub(super) fn class(&self, gateway: &Object<'a>) -> Class {
        let controller = self.class_object(gateway).and_then(|class| class.spec()?.word("controllerName"));
        let name = gateway.spec().and_then(|spec| spec.word("gatewayClassName"));
        match controller {
            Some(controller) if controller.starts_with("gateway.envoyproxy.io/") => Class::EnvoyGateway,
            Some("istio.io/gateway-controller") => Class::Istio,
            Some(controller) if controller.starts_with("projectcontour.io/") => Class::Contour,
            Some(controller) if controller.starts_with("gateway.nginx.org/") => Class::NginxFabric,
            Some(_) => Class::Other,
            None if self.has_policy(gateway) => Class::EnvoyGateway,
            // Istio makes this class itself.
            None if name == Some("istio") => Class::Istio,
            // So its chart calls it, and everybody who wrote it by hand.
            None if name == Some("nginx") => Class::NginxFabric,
            None => Class::Other,
        }
    }

    /// Whether a policy of Envoy Gateway is for this gateway.
    fn has_policy(&self, gateway: &Object<'a>) -> bool {
        ["ClientTrafficPolicy", "SecurityPolicy", "BackendTrafficPolicy", "EnvoyPatchPolicy"].iter().any(|kind| {
            let mut policies = self.objects.of_kind(ENVOY_GATEWAY, kind);
            policies.any(|policy| listeners::targets(self, &policy, gateway).is_some())
        })
    }

    /// The gateway that a route names as its parent.
    fn parent(&self, route: &Object<'a>, parent: At<'a>) -> Option<Object<'a>> {
        let gateway = parent.word("kind").is_none_or(|kind| kind == "Gateway")
            && parent.word("group").is_none_or(|group| GROUP.contains(&group));
        let namespace = parent.word("namespace").or(route.namespace);
        let name = parent.word("name").filter(|_| gateway)?;
        self.objects.find(route.at.file, GROUP, "Gateway", namespace, name).one()
    }

    /// The routes attached to a gateway, each with what names it as a parent.
    pub(super) fn attached_to(&self, gateway: &Object<'a>) -> &[(Object<'a>, At<'a>)] {
        self.attached.get(&(gateway.at.file, gateway.at.node.bytes.0)).map_or(&[], Vec::as_slice)
    }

    /// The routes of HTTP whose gateways are not here.
    pub(super) fn without_gateway(&self) -> impl Iterator<Item = Object<'a>> {
        self.routes().filter(|route| routes::HTTP.contains(&route.kind) && routes::is_loose(self, route))
    }

    fn routes(&self) -> impl Iterator<Item = Object<'a>> {
        routes::HTTP.iter().chain(&routes::BYTES).flat_map(|kind| self.objects.of_kind(GROUP, kind))
    }

    /// The gateways that are wanted, each with its routes.
    pub(super) fn configurations(
        &self,
        wanted: &dyn Fn(&Object<'a>) -> bool,
        manners: &Manners<'_, 'a>,
    ) -> Vec<Configuration> {
        let gateways = self.objects.of_kind(GROUP, "Gateway").filter(|gateway| wanted(gateway));
        let lowered = gateways.map(|gateway| self.gateway(&gateway, manners));
        lowered.filter(|configuration| !configuration.hops.is_empty()).collect()
    }

    fn gateway(&self, gateway: &Object<'a>, manners: &Manners<'_, 'a>) -> Configuration {
        let mut files: BTreeSet<u32> = BTreeSet::from([gateway.at.file]);
        let (mut known, mut veiled) = (Vec::new(), Vec::new());
        for at in gateway.spec().into_iter().flat_map(|spec| spec.list("listeners")) {
            let listener = Listener { gateway: *gateway, at };
            for (route, _) in self.attached_to(gateway).iter().filter(|(_, parent)| listener.is_meant(*parent)) {
                let mut manner = manners(gateway, &listener, Some(route));
                let into = if manner.literal { &mut veiled } else { &mut known };
                files.insert(route.at.file);
                files.extend(manner.files.iter().copied());
                into.extend(self.listener(&listener, route, &mut manner));
            }
        }
        let routed = !self.attached_to(gateway).is_empty();
        for at in gateway.spec().into_iter().flat_map(|spec| spec.list("listeners")).filter(|_| !routed) {
            // Its routes stand elsewhere: what holds for all of them is known all the same.
            let listener = Listener { gateway: *gateway, at };
            let manner = manners(gateway, &listener, None);
            let logs = manner.settings.iter().any(|(key, logs)| *key == "access_log" && !logs.is_empty());
            if (!listener.is_plain() || logs) && !listener.passes() && !manner.literal {
                files.extend(manner.files.iter().copied());
                known.push(self.unrouted(listener.at, &listener.label(), manner));
            }
        }
        let mut configuration = made::lower(&self.graft, known);
        let mut rest = made::lower(&self.graft, veiled);
        rest.hops.iter_mut().for_each(made::veil);
        configuration.hops.append(&mut rest.hops);
        configuration.complete = routed && rest.hops.is_empty() && configuration.holes.is_empty() && !gateway.template;
        configuration.files = files.into_iter().collect();
        configuration
    }

    /// What a listener makes of requests whose routes are not here.
    pub(super) fn unrouted(&self, from: At<'a>, name: &str, manner: Manner<'a>) -> Piece {
        let host = made::everything(&self.graft, from, "an upstream that is not here");
        let manager = made::manager(&self.graft, from, manner.settings, manner.filters, Vec::new(), vec![host]);
        let edge = Edge { transport: manner.transport, ..Edge::somewhere(from, name) };
        edge.listener(&self.graft, vec![manager])
    }

    /// What a listener makes of the requests of a route.
    fn listener(&self, listener: &Listener<'a>, route: &Object<'a>, manner: &mut Manner<'a>) -> Option<Piece> {
        let graft = &self.graft;
        let own = listener.at.word("hostname");
        let wanted: Vec<&str> = route.spec()?.list("hostnames").filter_map(At::text).collect();
        let names: Vec<String> = match own {
            _ if wanted.is_empty() => own.into_iter().map(str::to_ascii_lowercase).collect(),
            own => {
                let fits = |name: &&str| own.is_none_or(|own| overlap(own, name));
                wanted.into_iter().filter(fits).map(str::to_ascii_lowercase).collect()
            }
        };
        let any = route.spec()?.list("hostnames").next().is_none();
        if names.is_empty() && !any {
            return None;
        }
        let filter = if routes::BYTES.contains(&route.kind) {
            let clusters = routes::bytes(self, route);
            (!clusters.is_empty()).then(|| made::tcp_proxy(graft, listener.at, clusters))?
        } else {
            if listener.passes() {
                return None; // such a listener takes no such route
            }
            let domains = if names.is_empty() { vec!["*".to_owned()] } else { names.clone() };
            let host = routes::host(self, route, manner, &domains)?;
            let filters =
                std::iter::once(made::cors_filter(graft, listener.at)).chain(std::mem::take(&mut manner.filters));
            let settings = std::mem::take(&mut manner.settings);
            made::manager(graft, listener.at, settings, filters.collect(), Vec::new(), vec![host])
        };
        let edge = Edge {
            from: listener.at,
            name: listener.label(),
            port: listener.at.word("port").map(str::to_owned),
            names: if routes::BYTES.contains(&route.kind) {
                names
            } else {
                own.into_iter().map(str::to_owned).collect()
            },
            transport: manner.transport,
        };
        Some(edge.listener(graft, vec![filter]))
    }

    /// Whether a policy that only Envoy Gateway has is for this route.
    pub(super) fn is_envoy_gateways(&self, route: &Object<'a>) -> bool {
        ["SecurityPolicy", "BackendTrafficPolicy"].iter().any(|kind| {
            let mut policies = self.objects.of_kind(ENVOY_GATEWAY, kind);
            policies.any(|policy| listeners::targets(self, &policy, route).is_some())
        })
    }

    /// Routes whose gateways are not here, file by file.
    pub(super) fn loose(
        &self,
        wanted: &dyn Fn(&Object<'a>) -> bool,
        manner: &dyn Fn(&Object<'a>) -> Manner<'a>,
    ) -> Vec<Configuration> {
        let mut listeners: BTreeMap<u32, (BTreeSet<u32>, Vec<Piece>)> = BTreeMap::new();
        for route in self.without_gateway().filter(wanted) {
            let mut manner = manner(&route);
            let names: Vec<String> = route
                .spec()
                .into_iter()
                .flat_map(|spec| spec.list("hostnames"))
                .map(|at| at.text().unwrap_or("*").to_ascii_lowercase())
                .collect();
            let Some(host) = routes::host(self, &route, &mut manner, &names) else { continue };
            let manager = made::manager(&self.graft, route.at, Vec::new(), manner.filters, Vec::new(), vec![host]);
            let edge = Edge::somewhere(route.at, "a gateway that is not here");
            let (files, listeners) = listeners.entry(route.at.file).or_default();
            files.extend(manner.files);
            listeners.push(edge.listener(&self.graft, vec![manager]));
        }
        let lowered = listeners.into_iter().map(|(file, (mut files, listeners))| {
            let mut configuration = made::lower(&self.graft, listeners);
            configuration.hops.iter_mut().for_each(made::veil);
            files.insert(file);
            configuration.files = files.into_iter().collect();
            configuration
        });
        lowered.collect()
    }
}

/// How those listeners deal with requests that are no other front end's.
fn manner<'a>(api: &Api<'a>, gateway: &Object<'a>, listener: &Listener<'a>) -> Manner<'a> {
    let graft = &api.graft;
    let asks = listener.validation();
    let class = api.class(gateway);
    let transport = match (asks, class) {
        _ if listener.is_plain() => Transport::None,
        (Some((at, verified)), _) => Transport::Asks { at, required: verified, verified },
        (None, Class::Istio) => listener.istio(),
        (None, _) => Transport::Ends(listener.at),
    };
    let at = match transport {
        Transport::Asks { at, .. } | Transport::Ends(at) => at,
        _ => listener.at,
    };
    let mode = match class {
        Class::Istio => graft.text(at, "SANITIZE_SET"),
        _ => graft.unknown(at),
    };
    Manner {
        transport,
        settings: vec![("forward_client_cert_details", mode)],
        filters: Vec::new(),
        host: Vec::new(),
        literal: class == Class::Other,
        files: Vec::new(),
    }
}
