//! Resources of Google Cloud as `gcloud … export` and the REST API write them: one resource a document, which name each
//! other by the ends of their URLs. Those of one folder belong together; they are read as Terraform's resources are.

use std::collections::BTreeMap;

use super::evaluate::{Evaluation, plain};
use super::{Declared, Estate, Language, Link, Scope, Sources, Value};
use crate::config::files::Files;
use crate::config::terraform::{Folder, folder};
use crate::config::tree::At;
use crate::syntax::yaml::{Kind, Node};

/// The collections by which resources are named, with the types of Terraform for the same.
const COLLECTIONS: &[(&str, &str)] = &[
    ("urlMaps", "google_compute_url_map"),
    ("serverTlsPolicies", "google_network_security_server_tls_policy"),
    ("targetHttpsProxies", "google_compute_target_https_proxy"),
    ("targetHttpProxies", "google_compute_target_http_proxy"),
    ("backendServices", "google_compute_backend_service"),
    ("backendBuckets", "google_compute_backend_bucket"),
    ("forwardingRules", "google_compute_global_forwarding_rule"),
];

/// What proxies for HTTPS alone have.
const OF_HTTPS: [&str; 5] =
    ["sslCertificates", "certificateMap", "certificateManagerCertificates", "sslPolicy", "serverTlsPolicy"];

/// The resources of a document: one, or as many as a list has (`gcloud … list --format=json`).
pub(super) fn resources(document: &Node) -> &[Node] {
    match &document.kind {
        Kind::Sequence(items) => items,
        _ => std::slice::from_ref(document),
    }
}

/// The collection that a resource belongs to. What is exported need not say.
pub(super) fn collection(document: &Node) -> Option<&'static str> {
    let has = |key: &str| document.get(key).is_some();
    let said = |key: &str| document.get(key).and_then(Node::text).unwrap_or_default();
    // Objects of Kubernetes have another shape.
    if has("apiVersion") || !has("name") {
        return None;
    }
    match said("kind").trim_start_matches("compute#") {
        "urlMap" => return Some("urlMaps"),
        "targetHttpsProxy" => return Some("targetHttpsProxies"),
        "targetHttpProxy" => return Some("targetHttpProxies"),
        "backendService" => return Some("backendServices"),
        "forwardingRule" => return Some("forwardingRules"),
        "" => {}
        _ => return None,
    }
    match () {
        () if has("mtlsPolicy") => Some("serverTlsPolicies"),
        () if said("defaultService").contains("backend") => Some("urlMaps"),
        () if has("pathMatchers") && (has("defaultRouteAction") || has("defaultUrlRedirect")) => Some("urlMaps"),
        () if has("urlMap") && OF_HTTPS.iter().any(|key| has(key)) => Some("targetHttpsProxies"),
        () if said("urlMap").contains("urlMaps/") => Some("targetHttpProxies"),
        () if has("loadBalancingScheme") && has("target") => Some("forwardingRules"),
        () if has("loadBalancingScheme") && (has("backends") || has("protocol")) => Some("backendServices"),
        () if has("customRequestHeaders") && (has("backends") || has("protocol")) => Some("backendServices"),
        () => None,
    }
}

impl<'e> Estate<'e> {
    /// The resources of each folder.
    pub(super) fn of_exports(sources: &'e Sources, files: &'e Files) -> Vec<Self> {
        let mut folders: BTreeMap<Folder<'e>, Self> = BTreeMap::new();
        for (number, documents) in &sources.exports {
            let estate = folders.entry(folder(files, *number)).or_insert_with(|| Self {
                language: Language::Export,
                files,
                scopes: vec![Scope::default()],
                resources: Vec::new(),
                numbers: Vec::new(),
                documents: &sources.documents,
                missing: Vec::new(),
            });
            estate.numbers.push(*number);
            for resource in documents.iter().flat_map(resources) {
                estate.export(At::root(*number, resource));
            }
        }
        folders.into_values().collect()
    }

    fn export(&mut self, body: At<'e>) {
        let Some(collection) = collection(body.node) else { return };
        let kind = COLLECTIONS.iter().find(|(name, _)| *name == collection).map(|(_, kind)| *kind);
        let (Some(kind), Some(outer), Some(name)) = (kind, body.get("name"), body.word("name")) else { return };
        let name = name.rsplit('/').next().unwrap_or(name);
        let Some(scope) = self.scopes.first_mut() else { return };
        let place = scope.index.entry(format!("{collection}/{name}")).or_insert(self.resources.len());
        if *place != self.resources.len() {
            // Two of one name, of two regions or projects: which one is meant can't be known.
            *place = usize::MAX;
        }
        self.resources.push(Declared { kind, name, scope: 0, outer, body });
    }
}

impl<'e> Evaluation<'e> {
    /// The URL of a resource is a reference to it; whatever else is as it is written.
    pub(super) fn export(&self, scope: usize, at: At<'e>) -> Value<'e> {
        let named = || {
            let mut parts = at.node.text().filter(|text| text.starts_with(['p', 'h', '/', 'g', 'r']))?.rsplit('/');
            let (name, collection) = (parts.next()?, parts.next()?);
            parts.next()?;
            let known = COLLECTIONS.iter().any(|(one, _)| *one == collection) && !name.is_empty();
            known.then(|| Link { scope, address: format!("{collection}/{name}"), attribute: String::new() })
        };
        named().map_or_else(|| plain(self.estate, scope, at), Value::Link)
    }
}
