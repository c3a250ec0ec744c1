//! Services of whose own settings it is known that they use DPoP: workloads of Kubernetes and services of Compose files.
//! What gateways do to the requests for these is judged accordingly, though no gateway's configuration says so.

use std::collections::{BTreeMap, BTreeSet};

use super::Configuration;
use super::files::{Files, Text};
use crate::config::kubernetes::{self, Manifests, Object, may_be_same};
use crate::config::tree::At;

/// Endings of the names of what holds the settings of a service.
const SETTINGS: [&str; 6] = ["-config", "-configmap", "-settings", "-env", "-cm", "-conf"];

/// Whether a text may be settings of a service that uses DPoP; cheap.
pub(super) fn may_speak(name: &str, text: &str) -> bool {
    let is_tree = [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end));
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    is_tree
        && speaks(text)
        && (has("containers") || has("ConfigMap") || has("services:"))
        && (has("services:") || kubernetes::may_hold_objects(text))
}

fn speaks(text: &str) -> bool {
    ["DPOP", "dpop", "DPoP", "Dpop"].iter().any(|word| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some())
}

/// The services, by name, each with the namespaces it is in; nothing where that is not known.
#[derive(Debug, Default)]
pub(super) struct Speakers(BTreeMap<String, BTreeSet<Option<String>>>);

impl Speakers {
    /// Those of a scan.
    pub(super) fn of(files: &Files) -> Self {
        let mut all = Self::default();
        let may = |text: &Text| may_speak(text.path(), &text.text);
        let numbers: Vec<u32> = files.iter().filter(|(_, text)| may(text)).map(|(number, _)| number).collect();
        let manifests = Manifests::read(files, &numbers);
        let said = |at: At<'_>| files.get(at.file).text.get(at.node.bytes.0..at.node.bytes.1).is_some_and(speaks);
        for object in manifests.objects(files).iter() {
            if object.pod().is_some_and(said) {
                all.workload(&object);
            } else if object.is(&[""], "ConfigMap") && object.at.get("data").is_some_and(said) {
                let name = object.name.unwrap_or_default();
                let bare = SETTINGS.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
                all.add(bare, object.namespace);
            }
        }
        for root in manifests.roots().filter(|root| root.get("apiVersion").is_none()) {
            let services = root.get("services").into_iter().flat_map(At::entries);
            for (name, service) in services.filter(|(_, at)| said(*at)) {
                all.add(name, None);
                let own = ["container_name", "hostname"].iter().filter_map(|key| service.word(key));
                own.for_each(|name| all.add(name, None));
            }
        }
        all
    }

    fn workload(&mut self, object: &Object<'_>) {
        let pod = object.pod().and_then(|pod| pod.path(&["metadata", "labels"])).or(object.labels());
        let usual = ["app", "app.kubernetes.io/name", "app.kubernetes.io/component", "name"];
        let labels = pod.into_iter().flat_map(At::entries).filter(|(key, _)| usual.contains(key));
        let labels: Vec<&str> = labels.filter_map(|(_, at)| at.text()).collect();
        object.name.into_iter().chain(labels).for_each(|name| self.add(name, object.namespace));
    }

    fn add(&mut self, name: &str, namespace: Option<&str>) {
        if !name.is_empty() {
            self.0.entry(name.to_ascii_lowercase()).or_default().insert(namespace.map(str::to_ascii_lowercase));
        }
    }

    /// Whether a configuration sends requests to one of them, or asks one about requests.
    pub(super) fn are_behind(&self, configuration: &Configuration) -> bool {
        !self.0.is_empty()
            && configuration.hops.iter().any(|hop| {
                hop.upstream.names.iter().any(|name| self.is_one(name))
                    || hop.consulted.iter().any(|service| self.is_one(&service.label))
            })
    }

    /// Whether an address is that of one of them.
    fn is_one(&self, address: &str) -> bool {
        let rest = address.split_once("://").map_or(address, |(_, rest)| rest).to_ascii_lowercase();
        let host = rest.split(['/', ':', ' ']).next().unwrap_or_default();
        let mut labels = host.split('.');
        let (Some(service), namespace) = (labels.next(), labels.next()) else { return false };
        let known = self.0.get(service);
        known.is_some_and(|all| all.iter().any(|one| may_be_same(one.as_deref(), namespace)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_that_use_dpop_are_known_by_name() {
        let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api-v2, namespace: shop}\nspec:\n  template:\n    metadata: {labels: {app: api}}\n    spec:\n      containers: [{name: c, env: [{name: DPOP_MODE, value: required}]}]\n";
        let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: pay-config}\ndata: {DPOP_REQUIRED: \"true\"}\n";
        let compose = "services:\n  orders:\n    environment: [DPOP=1]\n  web:\n    image: x\n";
        let files = Files::of(&[("a.yaml", deployment), ("b.yaml", map), ("compose.yml", compose)]);
        let speakers = Speakers::of(&files);
        for (address, known) in [
            ("api.shop.svc.cluster.local:8080", true),
            ("api:8080", true),
            ("api-v2.shop:80", true),
            ("api.other.svc:80", false),
            ("http://pay.any:80", true),
            ("orders:3000", true),
            ("web:80", false),
            ("", false),
        ] {
            assert_eq!(speakers.is_one(address), known, "{address}");
        }
    }
}
