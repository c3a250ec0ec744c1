//! What acts on the proxies of a gateway besides its routes: settings of the mesh, policies that check tokens or ask a
//! service, and patches of Envoy's configuration.

use super::gates::{Gate, Server};
use super::mesh::{self, Mesh};
use super::{NETWORKING, SECURITY, World, chooses};
use crate::config::graft::{Graft, Piece};
use crate::config::kubernetes::Object;
use crate::gateway::envoy::made::{self, Edge, Entries};
use crate::gateway::tree::At;

/// The namespace whose policies hold for the whole mesh, unless the mesh says otherwise.
const ROOT: &str = "istio-system";

/// What acts on a gateway.
pub(super) struct Around<'a> {
    /// Where it stands.
    pub(super) files: Vec<u32>,
    details: Details<'a>,
    tokens: Vec<Object<'a>>,
    asked: Vec<Object<'a>>,
    patches: Vec<At<'a>>,
    meshes: Vec<Mesh<'a>>,
}

/// How the header with the certificate is dealt with.
#[derive(Debug, Clone, Copy)]
enum Details<'a> {
    Default,
    Said(At<'a>),
    Unknown(At<'a>),
}

/// The labels of the workloads that a policy is for, if it says.
fn selector<'a>(policy: &Object<'a>) -> Option<At<'a>> {
    let spec = policy.spec()?;
    spec.get("selector").or_else(|| spec.path(&["workloadSelector", "labels"])).filter(|at| !at.is_empty())
}

/// Whether a policy acts on the proxies of a gateway.
fn acts_on(world: &World<'_>, policy: &Object<'_>, gate: &Gate<'_>) -> bool {
    let file = gate.object.at.file;
    if !world.objects.sees(file, policy.at.file) {
        return false;
    }
    match selector(policy) {
        Some(selector) => gate.selector().is_some_and(|labels| chooses(selector, labels)),
        None => {
            let targets =
                ["targetRef", "targetRefs"].iter().any(|key| policy.spec().is_some_and(|spec| spec.get(key).is_some()));
            policy.namespace == Some(ROOT) && !targets
        }
    }
}

/// All policies that check tokens.
fn tokens<'a>(world: &World<'a>) -> impl Iterator<Item = Object<'a>> {
    world.objects.of_kind(SECURITY, "RequestAuthentication")
}

/// All policies that have a service asked.
fn asked<'a>(world: &World<'a>) -> impl Iterator<Item = Object<'a>> {
    let custom = |object: &Object<'a>| object.spec().and_then(|spec| spec.word("action")) == Some("CUSTOM");
    world.objects.of_kind(SECURITY, "AuthorizationPolicy").filter(custom)
}

/// All patches.
fn patches<'a>(world: &World<'a>) -> impl Iterator<Item = Object<'a>> {
    world.objects.of_kind(NETWORKING, "EnvoyFilter")
}

fn parts<'a>(patches: &[Object<'a>]) -> Vec<At<'a>> {
    patches.iter().filter_map(Object::spec).flat_map(|spec| spec.list("configPatches")).collect()
}

impl<'a> Around<'a> {
    pub(super) fn of(world: &World<'a>, gate: &Gate<'a>) -> Self {
        let acting = |policy: &Object<'a>| acts_on(world, policy, gate);
        let tokens: Vec<Object<'a>> = tokens(world).filter(acting).collect();
        let asked: Vec<Object<'a>> = asked(world).filter(acting).collect();
        let patches: Vec<Object<'a>> = patches(world).filter(acting).collect();
        let meshes: Vec<Mesh<'a>> = world.meshes_for(gate.object.at.file).into_iter().copied().collect();
        let mut files: Vec<u32> =
            [&tokens, &asked, &patches].into_iter().flatten().map(|object| object.at.file).collect();
        files.extend(meshes.iter().map(Mesh::file));
        let apart = world.apart.iter().filter(|apart| {
            let seen = world.objects.sees(gate.object.at.file, apart.at.file);
            seen && gate.selector().is_some_and(|labels| apart.pod.is_meant(labels))
        });
        let said: Vec<At<'a>> = apart.filter_map(|apart| mesh::details(apart.at)).collect();
        let details =
            if said.is_empty() { agreed(meshes.iter().map(Mesh::details)) } else { agreed(said.into_iter().map(Some)) };
        if let Details::Said(at) | Details::Unknown(at) = details {
            files.push(at.file);
        }
        Self { files, details, tokens, asked, patches: parts(&patches), meshes }
    }

    /// Whether something says how a server deals with the header with the certificate.
    pub(super) fn says_details(&self, server: &Server<'a>) -> bool {
        let mut patches = self.patches.iter().filter(|patch| fits(**patch, server));
        matches!(self.details, Details::Said(_)) || patches.any(|patch| forwards(*patch).is_some())
    }

    /// Whether its proxies write logs.
    pub(super) fn logs(&self, world: &World<'a>) -> bool {
        self.meshes.iter().any(|mesh| !mesh.logs(world).is_empty())
    }

    /// What a patch makes of the transport of a server.
    pub(super) fn transport(&self, server: &Server<'a>) -> Option<At<'a>> {
        let mut patches = self.patches.iter().filter(|patch| fits(**patch, server));
        patches.find_map(|patch| patch.path(&["patch", "value"])?.get("transport_socket"))
    }

    /// The connection manager of a server. `default` is what asks for certificates there, or would.
    pub(super) fn manager(&self, world: &World<'a>, server: &Server<'a>, default: At<'a>, hosts: Vec<Piece>) -> Piece {
        let graft = &world.graft;
        let from = server.at;
        let patches: Vec<At<'a>> = self.patches.iter().copied().filter(|patch| fits(*patch, server)).collect();
        let logs: Vec<Piece> = self.meshes.iter().flat_map(|mesh| mesh.logs(world)).collect();
        let mut settings = Patched::of(graft, &patches);
        let own: Entries = match self.details {
            Details::Default => details(graft, default, Some("SANITIZE_SET")),
            Details::Said(at) => details(graft, at, mesh::mode(at)),
            Details::Unknown(at) => details(graft, at, None),
        };
        settings.manager.extend(own);
        settings.logs.extend(logs);
        settings.manager.push(("access_log", graft.list(from, settings.logs)));
        let mut filters = settings.filters;
        filters.push(made::cors_filter(graft, from));
        filters.extend(jwt(graft, &self.tokens));
        filters.extend(self.asked.iter().filter_map(|policy| ext_authz(graft, policy, &self.meshes)));
        made::manager(graft, from, settings.manager, filters, settings.table, hosts)
    }
}

/// What all say of the header, if they agree.
fn agreed<'a>(said: impl Iterator<Item = Option<At<'a>>>) -> Details<'a> {
    let said: Vec<Option<At<'a>>> = said.collect();
    let Some(first) = said.iter().flatten().next() else { return Details::Default };
    let same = |at: &Option<At<'a>>| at.is_some_and(|at| at.text().is_some() && at.text() == first.text());
    if said.iter().all(same) { Details::Said(*first) } else { Details::Unknown(*first) }
}

/// How the header is dealt with: in SANITIZE_SET and APPEND_FORWARD with the whole certificate.
fn details(graft: &Graft, at: At<'_>, mode: Option<&str>) -> Entries {
    let Some(mode) = mode else { return vec![("forward_client_cert_details", graft.unknown(at))] };
    let mut entries: Entries = vec![("forward_client_cert_details", graft.text(at, mode))];
    if matches!(mode, "SANITIZE_SET" | "APPEND_FORWARD") {
        let cert = graft.mapping(at, vec![("cert", graft.text(at, "true"))]);
        entries.push(("set_current_client_cert_details", cert));
    }
    entries
}

/// Whether a patch is for gateways, and for this server.
fn fits(patch: At<'_>, server: &Server<'_>) -> bool {
    let context = patch.path(&["match", "context"]).and_then(At::text);
    let port = patch.path(&["match", "listener", "portNumber"]).and_then(At::text);
    matches!(context, None | Some("ANY" | "GATEWAY"))
        && port.is_none_or(|port| server.port().is_none_or(|own| own == port))
}

/// What a patch says of how the header with the certificate is dealt with.
fn forwards(patch: At<'_>) -> Option<At<'_>> {
    let value = patch.path(&["patch", "value"]).filter(|_| patch.word("applyTo") == Some("NETWORK_FILTER"))?;
    configured(value)?.get("forward_client_cert_details")
}

/// The settings of a filter in a patch.
fn configured(value: At<'_>) -> Option<At<'_>> {
    let config = value.get("typed_config").or_else(|| value.get("config"))?;
    Some(config.get("value").filter(|_| config.get("type_url").is_some()).unwrap_or(config))
}

/// What patches amount to.
#[derive(Default)]
struct Patched {
    /// Settings of the connection manager.
    manager: Entries,
    filters: Vec<Piece>,
    /// Settings that hold for all routes.
    table: Entries,
    logs: Vec<Piece>,
}

impl Patched {
    fn of(graft: &Graft, patches: &[At<'_>]) -> Self {
        const MANAGER: [&str; 5] = [
            "forward_client_cert_details",
            "set_current_client_cert_details",
            "forward_client_cert_matcher",
            "common_http_protocol_options",
            "early_header_mutation_extensions",
        ];
        let mut all = Self::default();
        let mut removed = Vec::new();
        let mut added = Vec::new();
        for patch in patches {
            let Some(part) = patch.get("patch") else { continue };
            let operation = part.word("operation").unwrap_or_default();
            let Some(value) = part.get("value") else { continue };
            match patch.word("applyTo").unwrap_or_default() {
                "NETWORK_FILTER" => {
                    let Some(config) = configured(value) else { continue };
                    let set = MANAGER.iter().filter_map(|key| Some((*key, graft.copy(config.get(key)?))));
                    all.manager.extend(set);
                    all.logs.extend(config.list("access_log").map(|at| graft.copy(at)));
                }
                "HTTP_FILTER" => match operation {
                    "MERGE" | "REPLACE" => {
                        let name = patch.path(&["match", "listener", "filterChain", "filter", "subFilter", "name"]);
                        let known = ["router", "cors", "fault", "compressor", "grpc_web"];
                        if !name.and_then(At::text).is_some_and(|name| known.iter().any(|known| name.ends_with(known)))
                        {
                            all.filters.push(made::unknown_filter(graft, value));
                        }
                    }
                    _ => all.filters.push(graft.copy(value)),
                },
                "ROUTE_CONFIGURATION" | "VIRTUAL_HOST" | "HTTP_ROUTE" => {
                    removed.extend(value.list("request_headers_to_remove").map(|at| graft.copy(at)));
                    added.extend(value.list("request_headers_to_add").map(|at| graft.copy(at)));
                }
                _ => {}
            }
        }
        if let Some(from) = patches.first() {
            if !removed.is_empty() {
                all.table.push(("request_headers_to_remove", graft.list(*from, removed)));
            }
            if !added.is_empty() {
                all.table.push(("request_headers_to_add", graft.list(*from, added)));
            }
        }
        all
    }

    fn is_empty(&self) -> bool {
        self.filters.is_empty() && self.table.is_empty() && self.logs.is_empty()
    }
}

/// The filter that checks tokens as these policies say.
fn jwt<'a>(graft: &Graft, policies: &[Object<'a>]) -> Option<Piece> {
    let rules: Vec<At<'a>> = policies.iter().filter_map(Object::spec).flat_map(|spec| spec.list("jwtRules")).collect();
    let provider = |(number, rule): (usize, &At<'a>)| {
        let mut entries: Entries = Vec::new();
        let copied = [
            ("forward", "forwardOriginalToken"),
            ("from_headers", "fromHeaders"),
            ("from_params", "fromParams"),
            ("from_cookies", "fromCookies"),
            ("forward_payload_header", "outputPayloadToHeader"),
        ];
        entries.extend(copied.iter().filter_map(|(name, key)| Some((*name, graft.copy(rule.get(key)?)))));
        let claims: Vec<Piece> = rule
            .list("outputClaimToHeaders")
            .filter_map(|at| Some(graft.mapping(at, vec![("header_name", graft.copy(at.get("header")?))])))
            .collect();
        if !claims.is_empty() {
            entries.push(("claim_to_headers", graft.list(*rule, claims)));
        }
        (rule.get("issuer").unwrap_or(*rule), format!("rule-{number}"), entries)
    };
    let first = *rules.first()?;
    Some(made::jwt(graft, first, rules.iter().enumerate().map(provider).collect()))
}

/// The filter that asks the service that a policy names.
fn ext_authz(graft: &Graft, policy: &Object<'_>, meshes: &[Mesh<'_>]) -> Option<Piece> {
    let name = policy.spec()?.path(&["provider", "name"])?.text()?;
    let provider = meshes.iter().find_map(|mesh| mesh.provider(name))?;
    let Some(http) = provider.get("envoyExtAuthzHttp") else {
        let grpc = provider.get("envoyExtAuthzGrpc")?;
        let entries = vec![("grpc_service", graft.copy(grpc))];
        return Some(made::filter(graft, grpc, "ext_authz", "ExtAuthz", entries));
    };
    let service = http.get("service").unwrap_or(http);
    let cluster = graft.text(service, service.text().unwrap_or("the authorization service"));
    let mut call: Entries = vec![("server_uri", graft.mapping(service, vec![("cluster", cluster)]))];
    if let Some(list) = http.get("headersToUpstreamOnAllow") {
        let names = made::header_names(graft, list, list.items());
        call.push(("authorization_response", graft.mapping(list, vec![("allowed_upstream_headers", names)])));
    }
    let mut entries: Entries = vec![("http_service", graft.mapping(http, call))];
    if let Some(list) = http.get("includeRequestHeadersInCheck").or_else(|| http.get("includeHeadersInCheck")) {
        entries.push(("allowed_headers", made::header_names(graft, list, list.items())));
    }
    Some(made::filter(graft, http, "ext_authz", "ExtAuthz", entries))
}

/// Policies that act on no gateway in sight, as listeners of the workloads that they are for, by file.
pub(super) fn alone<'a>(world: &World<'a>, gates: &[Gate<'a>]) -> Vec<(u32, Piece)> {
    let graft = &world.graft;
    let loose = |policy: &Object<'a>| !gates.iter().any(|gate| acts_on(world, policy, gate));
    let mut all = Vec::new();
    for policy in tokens(world).filter(loose) {
        let filters = jwt(graft, &[policy]).into_iter().collect();
        all.push((policy.at.file, workload(world, &policy, filters, Vec::new(), Vec::new())));
    }
    for policy in asked(world).filter(loose) {
        let meshes: Vec<Mesh<'a>> = world.meshes_for(policy.at.file).into_iter().copied().collect();
        let Some(filter) = ext_authz(graft, &policy, &meshes) else { continue };
        all.push((policy.at.file, workload(world, &policy, vec![filter], Vec::new(), Vec::new())));
    }
    for policy in patches(world).filter(loose) {
        let mut patched = Patched::of(graft, &parts(&[policy]));
        if !patched.is_empty() {
            let settings = vec![("access_log", graft.list(policy.at, std::mem::take(&mut patched.logs)))];
            all.push((policy.at.file, workload(world, &policy, patched.filters, settings, patched.table)));
        }
    }
    all
}

/// Patches of gateways that are not in sight, by which those pass the header with the certificate on from anybody.
pub(super) fn forwarding<'a>(world: &World<'a>, gates: &[Gate<'a>]) -> Vec<(u32, Piece)> {
    let loose = patches(world).filter(|policy| !gates.iter().any(|gate| acts_on(world, policy, gate)));
    let always = loose.filter_map(|policy| {
        let said = parts(&[policy]).into_iter().find_map(|part| {
            let gateway = part.path(&["match", "context"]).and_then(At::text) == Some("GATEWAY");
            forwards(part).filter(|at| gateway && at.text() == Some("ALWAYS_FORWARD_ONLY"))
        })?;
        let settings = vec![("forward_client_cert_details", world.graft.copy(said))];
        Some((policy.at.file, workload(world, &policy, Vec::new(), settings, Vec::new())))
    });
    always.collect()
}

/// The proxies of some workloads, with these filters.
fn workload<'a>(
    world: &World<'a>,
    policy: &Object<'a>,
    filters: Vec<Piece>,
    settings: Entries,
    table: Entries,
) -> Piece {
    let graft = &world.graft;
    let selector = selector(policy);
    let wanted = selector.map(|at| at.get("matchLabels").unwrap_or(at));
    let label = wanted.and_then(|at| at.entries().find_map(|(key, value)| Some(format!("{key}={}", value.text()?))));
    let label = match (label, policy.namespace) {
        (Some(label), _) => format!("workload {label}"),
        (None, Some(namespace)) => format!("any workload of namespace {namespace}"),
        (None, None) => "any workload".to_owned(),
    };
    let host = made::everything(graft, policy.at, &label);
    let manager = made::manager(graft, policy.at, settings, filters, table, vec![host]);
    Edge::somewhere(policy.at, &format!("proxies of {label}")).listener(graft, vec![manager])
}
