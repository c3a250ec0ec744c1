//! What ingress-nginx reads: Ingresses with its annotations, and the settings of the controller.

use crate::config::kubernetes::{self, Manifests, Object, Objects};
use crate::gateway::controller::{self, Chart, Controller, Controllers};
use crate::gateway::files::Files;
use crate::gateway::ingress::{self, Ingress};
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

/// What its chart has besides.
const CHART: Chart = Chart { config: &["config"], own: &["proxySetHeaders", "allowSnippetAnnotations"] };

/// Whether a text may hold any of it.
pub(super) fn may_hold(text: &str) -> bool {
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    let ingress = || has("Ingress") && (has(PREFIXES[0]) || has("nginx")) && kubernetes::may_hold_objects(text);
    let settings = || {
        let place = has("ConfigMap") || has("controller") && has("config");
        place && SETTINGS.iter().any(|setting| has(setting)) || CHART.own.iter().any(|value| has(value))
    };
    // What `proxy-set-headers` names: a ConfigMap of headers.
    let headers = || has("ConfigMap") && ["\n  X-", "\n  DPoP:", "\n  Authorization:"].iter().any(|header| has(header));
    ingress() || settings() || headers()
}

/// The headers that are set for all requests; nothing where they stand in a ConfigMap that is not there.
pub(super) fn headers<'a>(controller: &Controller<'a>, objects: &Objects<'a>) -> Option<Vec<(&'a str, At<'a>)>> {
    let Some(reference) = controller.get("proxy-set-headers") else {
        let headers = controller.chart.and_then(|chart| chart.get("proxySetHeaders"));
        return Some(headers.into_iter().flat_map(At::entries).collect());
    };
    let text = kubernetes::known(reference)?;
    let (namespace, name) =
        text.split_once('/').map_or((controller.namespace, text), |(space, name)| (Some(space), name));
    let found = objects.find(controller.file(), &[""], "ConfigMap", namespace, name).one()?;
    Some(found.at.get("data").into_iter().flat_map(At::entries).collect())
}

/// The controllers whose settings stand in these texts.
pub(super) fn controllers<'a>(manifests: &'a Manifests, objects: &Objects<'a>) -> Controllers<'a> {
    controller::all(manifests, objects, &|key, _| SETTINGS.contains(&key), CHART)
}

/// The Ingresses among the objects.
pub(super) fn ingresses<'a>(files: &Files, objects: &Objects<'a>) -> Vec<Ingress<'a>> {
    let own = |object: &Object<'a>| {
        let has = |prefix: &str| object.annotations().any(|(name, _)| name.starts_with(prefix));
        !has("nginx.org/") && (has(PREFIXES[0]) || Ingress::class(object).is_some_and(|class| class.contains("nginx")))
    };
    ingress::all(files, objects, PREFIXES, own)
}
