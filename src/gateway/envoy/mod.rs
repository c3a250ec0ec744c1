//! Envoy: bootstrap configuration, resource files of its discovery services, and dumps of what runs, in YAML or JSON.

mod filters;
mod format;
mod headers;
mod logs;
pub(super) mod made;
mod routes;
mod set;
mod tls;

use std::collections::BTreeMap;

use set::Set;

use super::files::Files;
use super::hop::{Cause, Part, Place};
use super::tree::At;
use super::{Configuration, Detail, FrontEnd, Hole, Rule};
use crate::syntax::blank;
use crate::syntax::yaml::{self, Node};

/// Envoy.
pub struct Envoy;

impl FrontEnd for Envoy {
    fn product(&self) -> &'static str {
        "envoy"
    }

    fn recognises(&self, _name: &str, text: &str) -> bool {
        let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
        // A resource says what it is by its type; a bootstrap by its first key. Kubernetes objects around them are others'.
        let envoy = has("envoy.") || has("static_resources") || has("staticResources");
        if !envoy {
            return false;
        }
        let resource = has("type.googleapis.com/envoy.")
            && (has("filter_chains") || has("filterChains") || has("virtual_hosts") || has("virtualHosts"));
        let legacy = has("envoy.http_connection_manager") || has("envoy.filters.network.") || has("envoy.tcp_proxy");
        let bootstrap = (has("static_resources") || has("staticResources")) && (has("listeners") || has("clusters"));
        let secrets = has("validation_context") && has("type.googleapis.com/envoy.");
        (resource || bootstrap || secrets || legacy && (has("filter_chains") || has("filterChains")))
            && !has("kind: EnvoyFilter")
            && !has("apiVersion:")
    }

    fn lower(&self, files: &Files, own: &[u32]) -> Vec<Configuration> {
        let parsed: Vec<Parsed> = own.iter().map(|number| Parsed::read(files, *number)).collect();
        let mut taken: Vec<u32> = Vec::new();
        let mut configurations = Vec::new();
        // Each bootstrap with the resource files that it names, then what no bootstrap names, folder by folder.
        for bootstrap in parsed.iter().filter(|parsed| parsed.is_bootstrap()) {
            let mut members = vec![bootstrap];
            let mut missing = bootstrap.has_management();
            for path in bootstrap.resource_files() {
                let found = files.resolve(bootstrap.file, bootstrap.file, path);
                missing |= found.is_empty();
                members.extend(parsed.iter().filter(|other| found.contains(&other.file) && !other.is_bootstrap()));
            }
            taken.extend(members.iter().map(|member| member.file));
            configurations.push(configuration(&members, missing));
        }
        let mut folders: BTreeMap<&str, Vec<&Parsed>> = BTreeMap::new();
        for rest in parsed.iter().filter(|parsed| !taken.contains(&parsed.file)) {
            let path = files.get(rest.file).path();
            folders.entry(path.rsplit_once('/').map_or("", |(folder, _)| folder)).or_default().push(rest);
        }
        configurations.extend(folders.values().map(|members| configuration(members, true)));
        configurations
    }

    fn reason(&self, rule: Rule, cause: Cause) -> &'static str {
        match (rule, cause) {
            (Rule::Spoofable, Cause::Appended) => "envoy-cert-header-append",
            (Rule::Spoofable, Cause::Conditional | Cause::ClientWins) => "envoy-cert-header-overwrite-keeps-inbound",
            (Rule::Spoofable, Cause::Mode) => "envoy-xfcc-forwarded-unsanitised",
            (Rule::Spoofable, Cause::TrustsAll) => "envoy-xfcc-append-at-edge",
            (Rule::Spoofable, Cause::Alias) => "envoy-headers-with-underscores",
            (Rule::Spoofable, _) => "envoy-cert-header-unguarded",
            (Rule::Stripped, Cause::Removed | Cause::Consumed) => "envoy-cert-header-removed",
            (Rule::Stripped, Cause::WrongProtocol) => "envoy-tcp-proxy-terminates",
            (Rule::Stripped, _) => "envoy-xfcc-sanitized",
            (Rule::NotRequested, _) => "envoy-client-cert-not-requested",
            (Rule::Malformed, _) => "envoy-cert-malformed",
            (Rule::Weak, _) => "envoy-cert-sha1-only",
            (Rule::Unverified, _) => "envoy-client-cert-untrusted-accepted",
            (Rule::DpopBroken, Cause::Consumed) => "envoy-jwt-authn-drops-token",
            (Rule::DpopBroken, Cause::NotListed) => "envoy-dpop-not-listed",
            (Rule::DpopBroken, Cause::Rewritten) => "envoy-rewrite-htu",
            (Rule::DpopBroken, _) => "envoy-dpop-removed",
            (Rule::Logged, _) => "envoy-log-credentials",
        }
    }

    fn reason_in_detail(&self, rule: Rule, cause: Cause, detail: Detail) -> &'static str {
        match (rule, detail) {
            (Rule::DpopBroken, Detail::Part(Part::Path)) => "envoy-path-rewrite-htu",
            (Rule::DpopBroken, Detail::Part(_)) => "envoy-host-rewrite-htu",
            (Rule::DpopBroken, Detail::Cors) => "envoy-cors-missing-dpop",
            (Rule::DpopBroken, Detail::Plain) if cause == Cause::NotListed => "envoy-ext-authz-missing-dpop",
            _ => self.reason(rule, cause),
        }
    }

    fn fix(&self, rule: Rule, cause: Cause, header: Option<&str>) -> String {
        let header = header.unwrap_or("X-Forwarded-Client-Cert");
        match (rule, cause) {
            (Rule::Stripped, Cause::Removed) => format!("Take {header} out of request_headers_to_remove (or the header mutation) on this route."),
            (Rule::Stripped, Cause::WrongProtocol) => {
                "Use the HTTP connection manager with forward_client_cert_details: SANITIZE_SET, or leave TLS to the upstream.".to_owned()
            }
            (Rule::Stripped, _) => "Write forward_client_cert_details: SANITIZE_SET and set_current_client_cert_details: { cert: true } in the HTTP connection manager.".to_owned(),
            (Rule::Spoofable, Cause::Mode | Cause::TrustsAll) => {
                "Write forward_client_cert_details: SANITIZE_SET, unless only a gateway of your own can connect.".to_owned()
            }
            (Rule::Spoofable, Cause::Conditional) => format!(
                "Add keep_empty_value: true to the addition of {header}, or remove it first with request_headers_to_remove on the same level."
            ),
            (Rule::Spoofable, Cause::Alias) => {
                "Write common_http_protocol_options: { headers_with_underscores_action: REJECT_REQUEST }.".to_owned()
            }
            (Rule::Spoofable, Cause::Appended | Cause::ClientWins) => {
                format!("List {header} under request_headers_to_remove on the same level: what is removed goes before what is added.")
            }
            (Rule::Spoofable, _) => format!("List {header} under request_headers_to_remove on this route."),
            (Rule::NotRequested, _) => {
                "Name the authority: validation_context: { trusted_ca: { filename: … } } in the listener's common_tls_context.".to_owned()
            }
            (Rule::Malformed, _) => "Forward %DOWNSTREAM_PEER_CERT% under a name of its own, or use X-Forwarded-Client-Cert.".to_owned(),
            (Rule::Weak, _) => "Forward %DOWNSTREAM_PEER_FINGERPRINT_256% or %DOWNSTREAM_PEER_CERT%.".to_owned(),
            (Rule::Unverified, _) => "Write trust_chain_verification: VERIFY_TRUST_CHAIN with a trusted_ca.".to_owned(),
            (Rule::DpopBroken, Cause::Consumed) => "Write forward: true in the provider of the jwt_authn filter.".to_owned(),
            (Rule::DpopBroken, Cause::NotListed) => {
                "List dpop beside authorization (allow_headers or allowed_headers), and dpop-nonce and www-authenticate under expose_headers.".to_owned()
            }
            (Rule::DpopBroken, Cause::Rewritten) => {
                "Keep host and path, or tell the upstream: append_x_forwarded_host: true, and x-forwarded-prefix with request_headers_to_add.".to_owned()
            }
            (Rule::DpopBroken, _) => format!("Take {header} out of request_headers_to_remove (or the header mutation)."),
            (Rule::Logged, _) => "Take the credential out of log_format; %REQ_WITHOUT_QUERY(:PATH)% writes the path alone.".to_owned(),
        }
    }
}

/// A file, read.
struct Parsed {
    file: u32,
    documents: Vec<Node>,
    holes: Vec<Hole>,
}

impl Parsed {
    fn read(files: &Files, file: u32) -> Self {
        let text = &files.get(file).text;
        let blank = blank::templates(text);
        let stream = yaml::parse_broken(&blank);
        let mut holes = Vec::new();
        let at = |offset: usize| {
            let offset = u32::try_from(offset.min(text.len())).unwrap_or(u32::MAX);
            Place { file, start: offset, end: offset }
        };
        if let Some((place, reason)) = stream.error {
            let line = usize::try_from(place.line).unwrap_or(1).saturating_sub(1);
            let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
            holes.push(Hole { place: at(start), reason });
        } else if let Some(open) = text.find("{{").filter(|_| *blank != **text) {
            holes.push(Hole { place: at(open), reason: "a template fills in parts of it".to_owned() });
        }
        Self { file, documents: stream.documents, holes }
    }

    fn roots(&self) -> impl Iterator<Item = At<'_>> {
        self.documents.iter().map(|node| At::root(self.file, node))
    }

    fn is_bootstrap(&self) -> bool {
        self.roots().any(|at| {
            ["static_resources", "dynamic_resources", "admin"].iter().any(|key| at.get(key).is_some())
                || at.get("configs").is_some()
        })
    }

    /// Whether resources come from a management server.
    fn has_management(&self) -> bool {
        self.roots().filter_map(|at| at.get("dynamic_resources")).any(|at| {
            ["ads_config", "lds_config"].iter().any(|key| {
                at.get(key).is_some_and(|config| {
                    config.get("path").is_none() && config.get("path_config_source").is_none()
                        || config.holds_template()
                })
            })
        })
    }

    /// The paths of resource files that it names.
    fn resource_files(&self) -> Vec<&str> {
        fn collect<'a>(at: At<'a>, into: &mut Vec<&'a str>) {
            // No deeper than the tree.
            for (key, value) in at.entries() {
                let source = [
                    "path_config_source",
                    "lds_config",
                    "cds_config",
                    "rds_config",
                    "config_source",
                    "sds_config",
                    "eds_config",
                ];
                if source.iter().any(|name| super::tree::same_key(key, name)) {
                    into.extend(value.word("path"));
                }
                collect(value, into);
                value.items().filter(|item| item.node != value.node).for_each(|item| collect(item, into));
            }
        }
        let mut paths = Vec::new();
        self.roots().for_each(|at| collect(at, &mut paths));
        paths
    }
}

fn configuration(members: &[&Parsed], open: bool) -> Configuration {
    let mut set = Set { open, ..Set::default() };
    members.iter().flat_map(|member| member.roots()).for_each(|at| set.add(at));
    let mut configuration = Configuration {
        files: members.iter().map(|member| member.file).collect(),
        holes: members.iter().flat_map(|member| member.holes.clone()).collect(),
        ..Configuration::default()
    };
    for listener in &set.listeners {
        routes::lower(*listener, &set, &mut configuration);
    }
    configuration.complete = !set.open && configuration.holes.is_empty();
    configuration
}
