//! Envoy Gateway: gateways of its class, and the policies that say what its Envoy does with certificates, headers,
//! browsers and authorization services.

use super::envoy::made::{self, Entries, Transport};
use super::files::Files;
use super::gateway_api::listeners::{Listener, targets};
use super::gateway_api::{self, Api, Class, ENVOY_GATEWAY, Manner};
use super::hop::Cause;
use super::{Configuration, Detail, FrontEnd, Rule};
use crate::config::graft::{Graft, Piece};
use crate::config::kubernetes::{Manifests, Object};
use crate::gateway::tree::{At, Switch};

/// Envoy Gateway.
pub struct EnvoyGateway;

impl FrontEnd for EnvoyGateway {
    fn product(&self) -> &'static str {
        "envoy-gateway"
    }

    fn recognises(&self, _name: &str, text: &str) -> bool {
        gateway_api::speaks(text)
    }

    fn lower(&self, files: &Files, own: &[u32]) -> Vec<Configuration> {
        let manifests = Manifests::read(files, own);
        let objects = manifests.objects(files);
        let api = Api::new(files, &objects, true);
        let mut all = api
            .configurations(&|gateway| api.class(gateway) == Class::EnvoyGateway, &|gateway, listener, route| {
                Policies { api: &api, gateway: *gateway, listener: *listener }.manner(route)
            });
        all.extend(alone(&api));
        all.extend(api.loose(&|route| api.is_envoy_gateways(route), &|route| loose(&api, route)));
        all.extend(proxies(&api));
        all.extend(api.unread(&manifests, true));
        all
    }

    fn reason(&self, rule: Rule, cause: Cause) -> &'static str {
        match (rule, cause) {
            (Rule::Spoofable, Cause::Mode) => "envoy-gateway-xfcc-always-forward",
            (Rule::Spoofable, Cause::TrustsAll) => "envoy-gateway-xfcc-append-at-edge",
            (Rule::Spoofable, Cause::Appended) => "envoy-gateway-cert-header-append",
            (Rule::Spoofable, Cause::Conditional | Cause::ClientWins) => {
                "envoy-gateway-cert-header-overwrite-keeps-inbound"
            }
            (Rule::Spoofable, Cause::Alias) => "envoy-gateway-headers-with-underscores",
            (Rule::Spoofable, _) => "envoy-gateway-cert-header-unguarded",
            (Rule::Stripped, Cause::Removed | Cause::Consumed) => "envoy-gateway-header-removed",
            (Rule::Stripped, Cause::WrongProtocol) => "envoy-gateway-tls-ends-at-tcp-route",
            (Rule::Stripped, _) => "envoy-gateway-xfcc-sanitize",
            (Rule::NotRequested, _) => "envoy-gateway-client-cert-not-requested",
            (Rule::Malformed, _) => "envoy-gateway-cert-malformed",
            (Rule::Weak, _) => "envoy-gateway-cert-sha1-only",
            (Rule::Unverified, _) => "envoy-gateway-request-unverified",
            (Rule::DpopBroken, Cause::NotListed) => "envoy-gateway-ext-auth-missing-dpop",
            (Rule::DpopBroken, Cause::Rewritten) => "envoy-gateway-rewrite-htu",
            (Rule::DpopBroken, _) => "envoy-gateway-header-removed",
            (Rule::Logged, _) => "envoy-gateway-log-credentials",
        }
    }

    fn reason_in_detail(&self, rule: Rule, cause: Cause, detail: Detail) -> &'static str {
        match (rule, detail) {
            (Rule::DpopBroken, Detail::Cors) => "envoy-gateway-cors-missing-dpop",
            _ => self.reason(rule, cause),
        }
    }

    fn fix(&self, rule: Rule, cause: Cause, header: Option<&str>) -> String {
        let text = match (rule, cause) {
            (Rule::Stripped, Cause::Removed | Cause::WrongProtocol) => return gateway_api::fix(rule, cause, header),
            (Rule::Stripped, _) => {
                "Write `headers: { xForwardedClientCert: { mode: SanitizeSet, certDetailsToAdd: [Cert] } }` in the ClientTrafficPolicy."
            }
            (Rule::Spoofable, Cause::Mode | Cause::TrustsAll) => {
                "Write `mode: SanitizeSet` under xForwardedClientCert, unless only a gateway of your own can connect."
            }
            (Rule::Spoofable, Cause::Alias) => "Take withUnderscoresAction out of the ClientTrafficPolicy.",
            (Rule::NotRequested, _) => {
                "Name the authority: `tls: { clientValidation: { caCertificateRefs: […] } }` in the ClientTrafficPolicy."
            }
            (Rule::Unverified, _) => "Write `mode: RequireAndVerify` under clientValidation, with caCertificateRefs.",
            (Rule::DpopBroken, Cause::NotListed) => {
                "List dpop beside authorization: in headersToExtAuth, or in allowHeaders with dpop-nonce in exposeHeaders."
            }
            _ => return gateway_api::fix(rule, cause, header),
        };
        text.to_owned()
    }
}

/// What the policies say of a listener.
struct Policies<'a, 'w> {
    api: &'w Api<'a>,
    gateway: Object<'a>,
    listener: Listener<'a>,
}

/// What is in force of several policies.
enum Force<'a> {
    None,
    One(Object<'a>),
    /// The oldest, and which one that is can't be told.
    Several(Object<'a>),
}

impl<'a> Policies<'a, '_> {
    /// The policy of a kind that is in force for the listener: one for it alone goes before one for the gateway.
    fn policy(&self, kind: &str) -> Force<'a> {
        let all = self.api.objects.of_kind(ENVOY_GATEWAY, kind);
        let meant = all.filter_map(|policy| Some((policy, targets(self.api, &policy, &self.gateway)?)));
        let name = self.listener.at.word("name");
        let meant: Vec<_> = meant.filter(|(_, section)| section.is_none() || *section == name).collect();
        let narrow: Vec<Object<'a>> =
            meant.iter().filter(|(_, part)| part.is_some()).map(|(policy, _)| *policy).collect();
        let chosen = if narrow.is_empty() { meant.into_iter().map(|(policy, _)| policy).collect() } else { narrow };
        match chosen.as_slice() {
            [] => Force::None,
            [one] => Force::One(*one),
            [first, ..] => Force::Several(*first),
        }
    }

    fn manner(&self, route: Option<&Object<'a>>) -> Manner<'a> {
        let graft = &self.api.graft;
        let from = self.listener.at;
        let traffic = self.policy("ClientTrafficPolicy");
        let mut files = Vec::new();
        let (policy, sure) = match traffic {
            Force::None => (None, true),
            Force::One(policy) => (Some(policy), true),
            Force::Several(policy) => (Some(policy), false),
        };
        files.extend(policy.map(|policy| policy.at.file));
        let spec = policy.and_then(|policy| policy.spec());
        let transport = match (policy, sure) {
            _ if self.listener.is_plain() => Transport::None,
            (Some(policy), false) => Transport::Unknown(policy.at),
            _ => self.transport(policy, spec),
        };
        let mut settings: Entries = Vec::new();
        let mut filters = Vec::new();
        let patches = self.api.objects.of_kind(ENVOY_GATEWAY, "EnvoyPatchPolicy");
        for patch in patches.filter(|patch| targets(self.api, patch, &self.gateway).is_some()) {
            files.push(patch.at.file);
            self.patched(&patch, &mut settings, &mut filters);
        }
        if let (Some(policy), false) = (policy, sure) {
            settings.push(("forward_client_cert_details", graft.unknown(policy.at)));
        }
        settings.extend(details(graft, spec, transport, from));
        let headers = spec.and_then(|spec| spec.get("headers"));
        if let Some(at) = headers.and_then(|at| at.get("withUnderscoresAction")).filter(|at| at.text() == Some("Allow"))
        {
            let allow = graft.mapping(at, vec![("headers_with_underscores_action", graft.text(at, "ALLOW"))]);
            settings.push(("common_http_protocol_options", allow));
        }
        if let Some(early) = headers.and_then(|at| at.get("earlyRequestHeaders")) {
            settings.push(("early_header_mutation_extensions", graft.list(early, vec![mutations(graft, early)])));
        }
        let proxy = proxy(self.api, &self.gateway);
        files.extend(proxy.map(|proxy| proxy.at.file));
        let logs = proxy.map_or_else(Vec::new, |proxy| logs(graft, &proxy));
        settings.push(("access_log", graft.list(from, logs)));
        let mut host: Entries = Vec::new();
        if let Some(security) = self.security(route) {
            files.push(security.at.file);
            secured(graft, &security, &mut host, &mut filters);
        }
        Manner { transport, settings, filters, host, literal: false, files }
    }

    /// What the policy, or the gateway itself, asks of clients.
    fn transport(&self, policy: Option<Object<'a>>, spec: Option<At<'a>>) -> Transport<'a> {
        if let Some(at) = spec.and_then(|spec| spec.path(&["tls", "clientValidation"])) {
            return validation(at);
        }
        if let Some((at, verified)) = self.listener.validation() {
            return Transport::Asks { at, required: verified, verified };
        }
        // What is said for this listener alone is meant for it.
        let mode = spec.and_then(|spec| spec.path(&["headers", "xForwardedClientCert", "mode"]));
        let mode = mode.filter(|at| matches!(at.text(), Some("SanitizeSet" | "AppendForward")));
        let alone = policy.and_then(|policy| targets(self.api, &policy, &self.gateway)).flatten().is_some();
        let details = spec.and_then(|spec| spec.path(&["headers", "xForwardedClientCert", "certDetailsToAdd"]));
        let says = mode.map(|mode| details.unwrap_or(mode));
        says.filter(|_| alone).map_or(Transport::Ends(self.listener.at), Transport::AsksInVain)
    }

    /// The policy for browsers and authorization: that of the route goes before that of the gateway.
    fn security(&self, route: Option<&Object<'a>>) -> Option<Object<'a>> {
        route.and_then(|route| security_of(self.api, route)).or_else(|| match self.policy("SecurityPolicy") {
            Force::One(policy) => Some(policy),
            _ => None,
        })
    }

    /// What a patch of Envoy's configuration does about headers, as far as that can be read.
    fn patched(&self, patch: &Object<'a>, settings: &mut Entries, filters: &mut Vec<Piece>) {
        let graft = &self.api.graft;
        for part in patch.spec().into_iter().flat_map(|spec| spec.list("jsonPatches")) {
            let operation = part.get("operation").unwrap_or(part);
            let path = operation.word("path").or_else(|| operation.word("jsonPath")).unwrap_or_default();
            let plain = path.replace('_', "").to_ascii_lowercase();
            let text = self.api.files.get(part.file).text.get(part.node.bytes.0..part.node.bytes.1).unwrap_or_default();
            let speaks = |words: &[&str]| words.iter().any(|word| text.contains(word));
            match operation.get("value") {
                Some(value) if plain.ends_with("/forwardclientcertdetails") => {
                    settings.push(("forward_client_cert_details", graft.copy(value)));
                }
                Some(value) if plain.ends_with("/setcurrentclientcertdetails") => {
                    settings.push(("set_current_client_cert_details", graft.copy(value)));
                }
                _ if speaks(&["forward_client_cert", "forwardClientCert"]) => {
                    settings.push(("forward_client_cert_details", graft.unknown(part)));
                }
                _ if speaks(&["eaders_to_", "eadersTo", "http_filters", "httpFilters"]) => {
                    filters.push(made::unknown_filter(graft, part));
                }
                _ => {}
            }
        }
    }
}

/// The settings of a gateway's proxies: its own, or those of its class.
fn proxy<'a>(api: &Api<'a>, gateway: &Object<'a>) -> Option<Object<'a>> {
    let own = gateway.spec().and_then(|spec| spec.path(&["infrastructure", "parametersRef"]));
    let of_class = || api.class_object(gateway).and_then(|class| class.spec()?.get("parametersRef"));
    let reference = own.or_else(of_class)?;
    let namespace = reference.word("namespace").or(gateway.namespace.filter(|_| own.is_some()));
    let name = reference.word("name").unwrap_or_default();
    api.objects.find(reference.file, ENVOY_GATEWAY, "EnvoyProxy", namespace, name).one()
}

/// The logs that proxies of these settings write.
fn logs(graft: &Graft, proxy: &Object<'_>) -> Vec<Piece> {
    let log = proxy.spec().and_then(|spec| spec.path(&["telemetry", "accessLog"]));
    let Some(log) = log.filter(|log| log.switch("disable", false) != Switch::On) else { return Vec::new() };
    let mut logs = Vec::new();
    for setting in log.list("settings") {
        let format = setting.get("format").and_then(|format| format.get("text").or_else(|| format.get("json")));
        let sinks = setting.get("sinks").unwrap_or(setting);
        logs.extend(format.map(|format| made::file_log(graft, sinks, Some(graft.copy(format)))));
        let headers = setting.list("sinks").filter_map(|sink| sink.path(&["als", "http", "requestHeaders"]));
        logs.extend(headers.map(|headers| made::service_log(graft, headers)));
    }
    logs
}

/// The policy for browsers and authorization that is for a route itself.
fn security_of<'a>(api: &Api<'a>, route: &Object<'a>) -> Option<Object<'a>> {
    let mut all = api.objects.of_kind(ENVOY_GATEWAY, "SecurityPolicy");
    all.find(|policy| targets(api, policy, route).is_some())
}

/// What that policy amounts to.
fn secured(graft: &Graft, policy: &Object<'_>, host: &mut Entries, filters: &mut Vec<Piece>) {
    let Some(spec) = policy.spec() else { return };
    host.extend(spec.get("cors").map(|at| ("typed_per_filter_config", made::cors(graft, at))));
    filters.extend(spec.get("extAuth").map(|at| ext_auth(graft, policy, at)));
}

/// How a gateway that is not here deals with requests of a route, as far as policies for the route itself say.
fn loose<'a>(api: &Api<'a>, route: &Object<'a>) -> Manner<'a> {
    let mut manner = Manner {
        transport: Transport::None,
        settings: Vec::new(),
        filters: vec![made::cors_filter(&api.graft, route.at)],
        host: Vec::new(),
        literal: false,
        files: Vec::new(),
    };
    if let Some(policy) = security_of(api, route) {
        manner.files.push(policy.at.file);
        secured(&api.graft, &policy, &mut manner.host, &mut manner.filters);
    }
    manner
}

/// Settings of proxies whose gateways are not here: what they log is logged wherever those are.
fn proxies(api: &Api<'_>) -> Vec<Configuration> {
    let graft = &api.graft;
    let gateways: Vec<Object<'_>> = api.objects.of_kind(gateway_api::GROUP, "Gateway").collect();
    let used: Vec<Object<'_>> = gateways.iter().filter_map(|gateway| proxy(api, gateway)).collect();
    let is = |one: &Object<'_>, other: &Object<'_>| one.at.place() == other.at.place();
    let all = api.objects.of_kind(ENVOY_GATEWAY, "EnvoyProxy");
    let lowered = all.filter(|proxy| !used.iter().any(|used| is(used, proxy))).filter_map(|proxy| {
        let logs = logs(graft, &proxy);
        if logs.is_empty() {
            return None;
        }
        let manner = Manner {
            transport: Transport::None,
            settings: vec![("access_log", graft.list(proxy.at, logs))],
            filters: Vec::new(),
            host: Vec::new(),
            literal: false,
            files: Vec::new(),
        };
        let listener = api.unrouted(proxy.at, "gateways that are not here", manner);
        let mut configuration = made::lower(graft, vec![listener]);
        configuration.hops.iter_mut().for_each(made::veil);
        configuration.files = vec![proxy.at.file];
        Some(configuration)
    });
    lowered.collect()
}

/// What `clientValidation` asks of clients.
fn validation(at: At<'_>) -> Transport<'_> {
    let named = ["caCertificateRefs", "spkiHashes", "certificateHashes"];
    let authority = named.iter().any(|key| at.get(key).is_some_and(|at| !at.is_empty()));
    let mode = match (at.get("mode").map(At::text), at.switch("optional", false)) {
        (Some(Some(mode)), _) => mode,
        (Some(None), _) | (None, Switch::Unknown) => return Transport::Unknown(at),
        (None, Switch::On) => "VerifyIfGiven",
        (None, Switch::Off) => "RequireAndVerify",
    };
    match mode {
        "Request" => Transport::Asks { at, required: false, verified: false },
        // Without an authority Envoy asks for a certificate and does not insist.
        "RequireAny" => Transport::Asks { at, required: authority, verified: false },
        // Without an authority the policy is refused.
        _ if !authority => Transport::Unknown(at),
        "VerifyIfGiven" => Transport::Asks { at, required: false, verified: true },
        "RequireAndVerify" => Transport::Asks { at, required: true, verified: true },
        _ => Transport::Unknown(at),
    }
}

/// How the header with the certificate is dealt with: it is taken away, unless a policy says otherwise.
fn details<'a>(graft: &Graft, spec: Option<At<'a>>, transport: Transport<'a>, default: At<'a>) -> Entries {
    let forwarded = spec.and_then(|spec| spec.path(&["headers", "xForwardedClientCert"]));
    let Some(at) = forwarded.and_then(|at| at.get("mode")) else {
        let asks = match transport {
            Transport::Asks { at, .. } => forwarded.unwrap_or(at),
            _ => default,
        };
        return vec![("forward_client_cert_details", graft.text(asks, "SANITIZE"))];
    };
    let mode = match at.text() {
        Some("Sanitize") => "SANITIZE",
        Some("ForwardOnly") => "FORWARD_ONLY",
        Some("AppendForward") => "APPEND_FORWARD",
        Some("SanitizeSet") => "SANITIZE_SET",
        Some("AlwaysForwardOnly") => "ALWAYS_FORWARD_ONLY",
        _ => return vec![("forward_client_cert_details", graft.unknown(at))],
    };
    let mut entries: Entries = vec![("forward_client_cert_details", graft.text(at, mode))];
    if let Some(list) = forwarded.and_then(|at| at.get("certDetailsToAdd")).filter(|at| !at.is_empty()) {
        let on = |item: At<'a>| {
            let key = match item.text()? {
                "Cert" => "cert",
                "Chain" => "chain",
                _ => "subject",
            };
            Some((key, graft.text(item, "true")))
        };
        let details = list.items().filter_map(on).collect();
        entries.push(("set_current_client_cert_details", graft.mapping(list, details)));
    }
    entries
}

/// Policies whose gateways are not here: what they say of certificates holds wherever those are.
fn alone<'a>(api: &Api<'a>) -> Vec<Configuration> {
    let here: Vec<Object<'a>> = api.objects.of_kind(gateway_api::GROUP, "Gateway").collect();
    let policies = api.objects.of_kind(ENVOY_GATEWAY, "ClientTrafficPolicy");
    let loose = policies.filter(|policy| !here.iter().any(|gateway| targets(api, policy, gateway).is_some()));
    let lowered = loose.filter_map(|policy| {
        let spec = policy.spec()?;
        let transport = validation(spec.path(&["tls", "clientValidation"])?);
        let settings = details(&api.graft, Some(spec), transport, policy.at);
        let manner =
            Manner { transport, settings, filters: Vec::new(), host: Vec::new(), literal: false, files: Vec::new() };
        let listener = api.unrouted(policy.at, "a gateway that is not here", manner);
        let mut configuration = made::lower(&api.graft, vec![listener]);
        configuration.files = vec![policy.at.file];
        Some(configuration)
    });
    lowered.collect()
}

/// Changes of headers before a request is routed.
fn mutations<'a>(graft: &Graft, early: At<'a>) -> Piece {
    let mut all: Vec<Piece> = Vec::new();
    for (key, action) in
        [("set", "OVERWRITE_IF_EXISTS_OR_ADD"), ("add", "APPEND_IF_EXISTS_OR_ADD"), ("addIfAbsent", "ADD_IF_ABSENT")]
    {
        for at in early.list(key) {
            let Some(name) = at.get("name") else { continue };
            let value = at.get("value").map_or_else(|| graft.text(name, ""), |value| graft.copy(value));
            let header = graft.mapping(name, vec![("key", graft.copy(name)), ("value", value)]);
            let option = graft.mapping(name, vec![("header", header), ("append_action", graft.text(name, action))]);
            all.push(graft.mapping(name, vec![("append", option)]));
        }
    }
    all.extend(early.list("remove").map(|name| graft.mapping(name, vec![("remove", graft.copy(name))])));
    // Anything may fit a pattern.
    all.extend(early.list("removeOnMatch").map(|at| graft.mapping(at, vec![("remove_on_match", graft.copy(at))])));
    let config = graft.mapping(early, vec![("mutations", graft.list(early, all))]);
    graft
        .mapping(early, vec![("name", graft.text(early, "envoy.http.early_header_mutation")), ("typed_config", config)])
}

/// The filter that asks the service of a policy.
fn ext_auth(graft: &Graft, policy: &Object<'_>, at: At<'_>) -> Piece {
    let mut entries: Entries = Vec::new();
    if let Some(http) = at.get("http") {
        let named = at.get("http").and_then(|http| {
            let backend = http.list("backendRefs").next().or_else(|| http.get("backendRef"))?;
            let namespace = backend.word("namespace").or(policy.namespace);
            Some(made::service(backend.word("name")?, namespace, backend.word("port")))
        });
        let cluster = graft.text(http, named.unwrap_or_else(|| "the authorization service".to_owned()));
        let mut call: Entries = vec![("server_uri", graft.mapping(http, vec![("cluster", cluster)]))];
        if let Some(list) = http.get("headersToBackend") {
            let names = made::header_names(graft, list, list.items());
            call.push(("authorization_response", graft.mapping(list, vec![("allowed_upstream_headers", names)])));
        }
        entries.push(("http_service", graft.mapping(http, call)));
    } else if let Some(grpc) = at.get("grpc") {
        entries.push(("grpc_service", graft.mapping(grpc, Vec::new())));
    }
    if let Some(list) = at.get("headersToExtAuth").filter(|at| !at.is_empty()) {
        entries.push(("allowed_headers", made::header_names(graft, list, list.items())));
    }
    made::filter(graft, at, "ext_authz", "ExtAuthz", entries)
}
