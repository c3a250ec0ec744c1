//! What ingress-nginx reads: Ingresses with its annotations, and the settings of the controller.

use crate::config::kubernetes::{self, Manifests, Object, Objects};
use crate::gateway::files::Files;
use crate::gateway::ingress::{self, Ingress, is_true};
use crate::gateway::tree::At;

/// What its annotations begin with.
const PREFIXES: &[&str] = &["nginx.ingress.kubernetes.io/"];
/// Settings of the controller that no other one has, and that matter here.
const SETTINGS: [&str; 9] = [
    "log-format-upstream",
    "enable-underscores-in-headers",
    "ignore-invalid-headers",
    "proxy-set-headers",
    "http-snippet",
    "server-snippet",
    "location-snippet",
    "use-forwarded-headers",
    "allow-snippet-annotations",
];

/// Whether a text may hold any of it.
pub(super) fn may_hold(text: &str) -> bool {
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    let ingress = || has("Ingress") && (has(PREFIXES[0]) || has("nginx")) && kubernetes::may_hold_objects(text);
    let settings = || {
        let place = has("ConfigMap") || has("controller") && has("config");
        place && SETTINGS.iter().any(|setting| has(setting))
    };
    // What `proxy-set-headers` names: a ConfigMap of headers.
    let headers = || has("ConfigMap") && ["\n  X-", "\n  DPoP:", "\n  Authorization:"].iter().any(|header| has(header));
    ingress() || settings() || headers()
}

/// The settings of a controller: its ConfigMap, or what Helm's values make of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Controller<'a> {
    data: At<'a>,
    /// Headers that values of Helm set for all requests.
    headers: Option<At<'a>>,
    namespace: Option<&'a str>,
}

impl<'a> Controller<'a> {
    /// A setting.
    pub(super) fn get(&self, key: &str) -> Option<At<'a>> {
        self.data.entries().find(|(name, _)| *name == key).map(|(_, at)| at)
    }

    /// A switch.
    pub(super) fn switch(&self, key: &str, default: bool) -> Option<bool> {
        self.get(key).map_or(Some(default), |at| kubernetes::known(at).map(is_true))
    }

    /// The file it stands in.
    pub(super) const fn file(&self) -> u32 {
        self.data.file
    }

    /// Where it stands.
    pub(super) const fn at(&self) -> At<'a> {
        self.data
    }

    /// The headers that are set for all requests; nothing where they stand in a ConfigMap that is not there.
    pub(super) fn headers(&self, objects: &Objects<'a>) -> Option<Vec<(&'a str, At<'a>)>> {
        let Some(reference) = self.get("proxy-set-headers") else {
            return Some(self.headers.into_iter().flat_map(At::entries).collect());
        };
        let text = kubernetes::known(reference)?;
        let (namespace, name) =
            text.split_once('/').map_or((self.namespace, text), |(space, name)| (Some(space), name));
        let found = objects.find(self.file(), &[""], "ConfigMap", namespace, name).one()?;
        Some(found.at.get("data").into_iter().flat_map(At::entries).collect())
    }
}

/// The controllers whose settings stand in these texts.
pub(super) fn controllers<'a>(manifests: &'a Manifests, objects: &Objects<'a>) -> Vec<Controller<'a>> {
    let has_own = |data: At<'a>| data.entries().any(|(key, _)| SETTINGS.contains(&key));
    let mut found = Vec::new();
    for object in objects.of_kind(&[""], "ConfigMap") {
        if let Some(data) = object.at.get("data").filter(|data| has_own(*data)) {
            found.push(Controller { data, headers: None, namespace: object.namespace });
        }
    }
    // `controller.config` of the chart, or of a chart that has it as a part.
    for root in manifests.roots().filter(|root| root.get("apiVersion").is_none()) {
        let parts = std::iter::once(root).chain(root.entries().map(|(_, at)| at));
        for controller in parts.filter_map(|at| at.get("controller")) {
            if let Some(data) = controller.get("config").filter(|data| has_own(*data)) {
                let headers = controller.get("proxySetHeaders");
                found.push(Controller { data, headers, namespace: None });
            }
        }
    }
    found
}

/// The Ingresses among the objects.
pub(super) fn ingresses<'a>(files: &Files, objects: &Objects<'a>) -> Vec<Ingress<'a>> {
    let own = |object: &Object<'a>| {
        let has = |prefix: &str| object.annotations().any(|(name, _)| name.starts_with(prefix));
        !has("nginx.org/") && (has(PREFIXES[0]) || Ingress::class(object).is_some_and(|class| class.contains("nginx")))
    };
    ingress::all(files, objects, PREFIXES, own)
}
