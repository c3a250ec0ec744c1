//! Istio: its gateways, the routes bound to them, and what mesh, policies and patches make of a request. All of it is
//! turned into the Envoy that Istio makes of it, and lowered as such.

mod gates;
mod mesh;
mod permissive;
mod policies;
mod routes;

use std::collections::{BTreeMap, BTreeSet};

use gates::Gate;
use mesh::{Apart, Mesh, Meshes};

use super::envoy::made;
use super::files::Files;
use super::hop::Cause;
use super::{Configuration, Detail, FrontEnd, Rule};
use crate::config::graft::Graft;
use crate::config::kubernetes::{Found, Manifests, Object, Objects};
use crate::gateway::tree::At;

/// The API groups.
const GROUPS: &[&str] = &["networking.istio.io", "security.istio.io", "telemetry.istio.io", "install.istio.io"];
const NETWORKING: &[&str] = &["networking.istio.io"];
const SECURITY: &[&str] = &["security.istio.io"];

/// Istio.
pub struct Istio;

impl FrontEnd for Istio {
    fn product(&self) -> &'static str {
        "istio"
    }

    fn recognises(&self, _name: &str, text: &str) -> bool {
        let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
        let groups = ["networking", "security", "telemetry", "install"];
        if has("istio.io/") && has("kind") && groups.iter().any(|group| has(&format!("{group}.istio.io/"))) {
            return true;
        }
        has("proxy.istio.io/config") && has("gatewayTopology")
            || (has("meshConfig") || has("mesh:"))
                && ["gatewayTopology", "extensionProviders", "accessLogFormat", "proxyHeaders"]
                    .iter()
                    .any(|word| has(word))
    }

    fn lower(&self, files: &Files, own: &[u32]) -> Vec<Configuration> {
        let manifests = Manifests::read(files, own);
        let objects = manifests.objects(files);
        let meshes = Meshes::read(files, own, &manifests, &objects);
        let world =
            World { files, objects: &objects, meshes: meshes.all(), apart: meshes.apart(), graft: Graft::new(files) };
        let mut configurations = world.configurations();
        let unread = manifests.unread(&objects, GROUPS);
        for configuration in &mut configurations {
            configuration.complete &= !unread.iter().any(|(place, _)| configuration.files.contains(&place.file));
        }
        // What could not be read belongs to nothing in particular.
        configurations.extend(Configuration::unread(unread));
        configurations
    }

    fn reason(&self, rule: Rule, cause: Cause) -> &'static str {
        match (rule, cause) {
            (Rule::Spoofable, Cause::Mode) => "istio-xfcc-always-forward",
            (Rule::Spoofable, Cause::TrustsAll) => "istio-xfcc-append-at-edge",
            (Rule::Spoofable, Cause::NotApplied) => "istio-permissive",
            (Rule::Spoofable, Cause::Appended) => "istio-cert-header-append",
            (Rule::Spoofable, Cause::Conditional | Cause::ClientWins) => "istio-cert-header-overwrite-keeps-inbound",
            (Rule::Spoofable, Cause::Alias) => "istio-headers-with-underscores",
            (Rule::Spoofable, _) => "istio-cert-header-unguarded",
            (Rule::Stripped, Cause::Removed | Cause::Consumed) => "istio-vs-removes-xfcc",
            (Rule::Stripped, Cause::WrongProtocol) => "istio-tls-ends-at-tcp-route",
            (Rule::Stripped, _) => "istio-gateway-sanitize",
            (Rule::NotRequested, _) => "istio-gateway-simple-with-bound-clients",
            (Rule::Malformed, _) => "istio-cert-malformed",
            (Rule::Weak, _) => "istio-cert-sha1-only",
            (Rule::Unverified, _) => "istio-client-cert-unverified",
            (Rule::DpopBroken, Cause::Consumed) => "istio-jwt-token-not-forwarded",
            (Rule::DpopBroken, Cause::NotListed) => "istio-ext-authz-missing-dpop",
            (Rule::DpopBroken, Cause::Rewritten) => "istio-vs-rewrite-htu",
            (Rule::DpopBroken, _) => "istio-vs-removes-dpop",
            (Rule::Logged, _) => "istio-accesslog-credentials",
        }
    }

    fn reason_in_detail(&self, rule: Rule, cause: Cause, detail: Detail) -> &'static str {
        match (rule, detail) {
            (Rule::DpopBroken, Detail::Cors) => "istio-cors-missing-dpop",
            _ => self.reason(rule, cause),
        }
    }

    fn fix(&self, rule: Rule, cause: Cause, header: Option<&str>) -> String {
        let header = header.unwrap_or("X-Forwarded-Client-Cert");
        match (rule, cause) {
            (Rule::Stripped, Cause::Removed) => format!("Take {header} out of headers.request.remove on this route."),
            (Rule::Stripped, Cause::WrongProtocol) => {
                "Give the server protocol HTTPS and an http route, or mode PASSTHROUGH with a tls route.".to_owned()
            }
            (Rule::Stripped, _) | (Rule::Spoofable, Cause::Mode | Cause::TrustsAll) => {
                "Leave forwardClientCertDetails out of gatewayTopology and of patches, or write SANITIZE_SET.".to_owned()
            }
            (Rule::Spoofable, Cause::NotApplied) => {
                "Write `mtls: { mode: STRICT }`, and let an AuthorizationPolicy admit the gateway alone.".to_owned()
            }
            (Rule::Spoofable, Cause::Alias) => "Write headers_with_underscores_action: REJECT_REQUEST in the patch.".to_owned(),
            (Rule::Spoofable, _) => {
                format!("List {header} under headers.request.remove beside the setting: what is removed goes before what is set.")
            }
            (Rule::NotRequested, _) => {
                "Write `tls: { mode: MUTUAL }` (or OPTIONAL_MUTUAL) in the server, with a credential that holds ca.crt.".to_owned()
            }
            (Rule::Malformed, _) => {
                "Set %DOWNSTREAM_PEER_CERT% under a name of its own, or leave it to X-Forwarded-Client-Cert.".to_owned()
            }
            (Rule::Weak, _) => "Set %DOWNSTREAM_PEER_FINGERPRINT_256% or %DOWNSTREAM_PEER_CERT%.".to_owned(),
            (Rule::Unverified, _) => "Take insecureSkipVerify out of the server's tls.".to_owned(),
            (Rule::DpopBroken, Cause::Consumed) => "Write `forwardOriginalToken: true` in the JWT rule.".to_owned(),
            (Rule::DpopBroken, Cause::NotListed) => {
                "List dpop beside authorization: in includeRequestHeadersInCheck, or in allowHeaders with dpop-nonce in exposeHeaders.".to_owned()
            }
            (Rule::DpopBroken, Cause::Rewritten) => {
                "Keep host and path, or tell the upstream: proxyHeaders.xForwardedHost, and x-forwarded-prefix in headers.request.set.".to_owned()
            }
            (Rule::DpopBroken, _) => format!("Take {header} out of headers.request."),
            (Rule::Logged, _) => {
                "Take the credential out of the format; %REQ_WITHOUT_QUERY(:PATH)% writes the path alone.".to_owned()
            }
        }
    }
}

/// Everything that was read.
struct World<'a> {
    files: &'a Files,
    objects: &'a Objects<'a>,
    meshes: Vec<Mesh<'a>>,
    apart: Vec<Apart<'a>>,
    graft: Graft,
}

impl<'a> World<'a> {
    fn configurations(&self) -> Vec<Configuration> {
        let gates: Vec<Gate<'a>> = self.objects.of_kind(NETWORKING, "Gateway").map(Gate::new).collect();
        let routes: Vec<Object<'a>> = self.objects.of_kind(NETWORKING, "VirtualService").collect();
        // Gateways that share a route belong together.
        let mut group: Vec<usize> = (0..gates.len()).collect();
        let mut bound: Vec<(Object<'a>, Vec<usize>, bool)> = Vec::new();
        for route in routes {
            let (meant, open) = self.gates_of(&route, &gates);
            for pair in meant.windows(2) {
                let (to, from) = (group[pair[0]], group[pair[1]]);
                group.iter_mut().filter(|member| **member == from).for_each(|member| *member = to);
            }
            bound.push((route, meant, open));
        }
        let mut configurations = Vec::new();
        let groups: BTreeSet<usize> = group.iter().copied().collect();
        for number in groups {
            let members: Vec<usize> = (0..gates.len()).filter(|member| group[*member] == number).collect();
            configurations.push(self.together(&members, &gates, &bound));
        }
        configurations.extend(self.loose(&gates, &bound));
        configurations.extend(self.meshes_alone(&gates));
        configurations.extend(policies::forwarding(self, &gates).into_iter().map(|(file, listener)| {
            let lowered = made::lower(&self.graft, vec![listener]);
            Configuration { files: vec![file], ..lowered }
        }));
        configurations
    }

    /// The gateways that a route names, and whether it is bound to others, too: to proxies of the mesh, or to gateways
    /// that are not known.
    fn gates_of(&self, route: &Object<'a>, gates: &[Gate<'a>]) -> (Vec<usize>, bool) {
        let mut meant = Vec::new();
        let named: Vec<At<'a>> = route.spec().into_iter().flat_map(|spec| spec.list("gateways")).collect();
        let mut open = named.is_empty();
        for name in named {
            let Some(text) = name.text().filter(|text| *text != "mesh") else {
                open = true;
                continue;
            };
            let (namespace, name) = match text.split_once('/') {
                Some((namespace, name)) => (Some(namespace), name),
                None => (route.namespace, text),
            };
            match self.objects.find(route.at.file, NETWORKING, "Gateway", namespace, name) {
                Found::One(found) => meant.extend(
                    gates
                        .iter()
                        .position(|gate| gate.object.at.node == found.at.node && gate.object.at.file == found.at.file),
                ),
                _ => open = true,
            }
        }
        meant.sort_unstable();
        meant.dedup();
        (meant, open)
    }

    /// Gateways that share routes.
    fn together(
        &self,
        members: &[usize],
        gates: &[Gate<'a>],
        bound: &[(Object<'a>, Vec<usize>, bool)],
    ) -> Configuration {
        let mut files: BTreeSet<u32> = BTreeSet::new();
        let mut listeners = Vec::new();
        let mut complete = true;
        let mut hosts: Vec<Object<'a>> = Vec::new();
        for member in members {
            let gate = &gates[*member];
            let own: Vec<Object<'a>> =
                bound.iter().filter(|(_, meant, _)| meant.contains(member)).map(|(route, ..)| *route).collect();
            // Its routes may stand elsewhere.
            complete &= !own.is_empty();
            complete &= bound.iter().filter(|(_, meant, _)| meant.contains(member)).all(|(_, _, open)| !open);
            files.insert(gate.object.at.file);
            files.extend(own.iter().map(|route| route.at.file));
            let around = self.around(gate);
            files.extend(around.files.iter().copied());
            listeners.extend(gate.listeners(self, &own, &around));
            hosts.extend(own);
        }
        let mut configuration = made::lower(&self.graft, listeners);
        for hop in &mut configuration.hops {
            // The mesh has gateways pass certificates on wherever there are any; that is no wish for one.
            hop.carriers.retain(|carrier| carrier.header != made::XFCC);
        }
        configuration.hops.extend(permissive::ways(self, &hosts, &configuration.hops));
        configuration.files = files.into_iter().collect();
        configuration.complete = complete && configuration.holes.is_empty();
        configuration
    }

    /// Routes and policies for proxies of the mesh, and for gateways that are not known: of those, only what they do by
    /// name is known.
    fn loose(&self, gates: &[Gate<'a>], bound: &[(Object<'a>, Vec<usize>, bool)]) -> Vec<Configuration> {
        let mut listeners: BTreeMap<u32, Vec<_>> = BTreeMap::new();
        for (route, meant, _) in bound.iter().filter(|(_, _, open)| *open) {
            if meant.is_empty() {
                listeners.entry(route.at.file).or_default().extend(routes::alone(self, route));
            }
        }
        for (file, made) in policies::alone(self, gates) {
            listeners.entry(file).or_default().push(made);
        }
        let lowered = listeners.into_iter().map(|(file, listeners)| {
            let mut configuration = made::lower(&self.graft, listeners);
            configuration.hops.iter_mut().for_each(made::veil);
            configuration.trusted.clear();
            configuration.files = vec![file];
            configuration
        });
        lowered.filter(|configuration| !configuration.hops.is_empty()).collect()
    }

    /// What a mesh says where no gateway is in sight.
    fn meshes_alone(&self, gates: &[Gate<'a>]) -> Vec<Configuration> {
        let alone = |mesh: &&Mesh<'a>| !gates.iter().any(|gate| self.meshes_for(gate.object.at.file).contains(mesh));
        let lowered = self.meshes.iter().filter(alone).filter_map(|mesh| {
            let listener = mesh.alone(self)?;
            let mut configuration = made::lower(&self.graft, vec![listener]);
            configuration.files = vec![mesh.file()];
            Some(configuration)
        });
        lowered.collect()
    }

    /// The nearest settings of a mesh that a file can see; several where none is nearer.
    fn meshes_for(&self, file: u32) -> Vec<&Mesh<'a>> {
        let path = self.files.get(file).path();
        let common = |mesh: &Mesh<'a>| {
            let other = self.files.get(mesh.file()).path();
            path.split('/').zip(other.split('/')).take_while(|(a, b)| a == b).count()
        };
        let seen: Vec<&Mesh<'a>> = self.meshes.iter().filter(|mesh| self.objects.sees(file, mesh.file())).collect();
        let nearest = seen.iter().map(|mesh| common(mesh)).max();
        seen.into_iter().filter(|mesh| Some(common(mesh)) == nearest).collect()
    }

    /// What of mesh, policies and patches acts on a gateway.
    fn around(&self, gate: &Gate<'a>) -> policies::Around<'a> {
        policies::Around::of(self, gate)
    }

    /// The name of a port of a service, as routes name it.
    fn service(&self, route: &Object<'a>, destination: At<'a>) -> Option<String> {
        let host = destination.word("host")?;
        let port = destination.path(&["port", "number"]).and_then(At::text);
        let name = made::service(host, route.namespace, None);
        let mut parts = name.strip_suffix(".svc.cluster.local").unwrap_or(&name).split('.');
        let (service, namespace) = (parts.next()?, parts.next());
        if let Some(host) = self.objects.external_name(route.at.file, namespace, service) {
            return Some(made::service(host, None, port));
        }
        let only = || {
            let found = self.objects.find(route.at.file, &[""], "Service", namespace, service).one()?;
            let ports: Vec<At<'a>> = found.spec()?.list("ports").collect();
            let [port] = ports.as_slice() else { return None };
            port.word("port")
        };
        Some(made::service(&name, None, port.or_else(only)))
    }
}

/// Whether a selector chooses a gateway's proxies, which are known by the labels that the gateway itself selects them by.
/// The charts label them both `app: istio-NAME` and `istio: NAME`.
fn chooses(selector: At<'_>, proxies: At<'_>) -> bool {
    let wanted = selector.get("matchLabels").unwrap_or(selector);
    let usual = |key: &str, value: &str| {
        let (other, written) = match key {
            "app" => ("istio", value.strip_prefix("istio-").unwrap_or(value).to_owned()),
            "istio" => ("app", format!("istio-{value}")),
            _ => return false,
        };
        proxies.word(other).is_some_and(|text| text == written)
    };
    let mut any = false;
    for (key, value) in wanted.entries() {
        let Some(value) = value.text() else { return false };
        match proxies.entries().find(|(name, _)| *name == key) {
            Some((_, label)) if label.text() == Some(value) => any = true,
            Some(_) => return false,
            None => any |= usual(key, value),
        }
    }
    any
}
