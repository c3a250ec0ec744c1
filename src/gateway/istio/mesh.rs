//! What holds for all proxies of a mesh: the settings of `MeshConfig`, wherever they stand, and what pods set aside from it.

use super::{World, chooses};
use crate::config::graft::Piece;
use crate::config::helm;
use crate::config::kubernetes::{self, Manifests, Objects};
use crate::gateway::envoy::made::{self, Edge};
use crate::gateway::files::Files;
use crate::gateway::tree::{At, Switch};
use crate::syntax::blank;
use crate::syntax::yaml::{self, Node};

/// The annotation by which a pod sets its proxy apart.
const ANNOTATION: &str = "proxy.istio.io/config";
/// Where values of charts say what pods are annotated with, and how deep in them that is looked for.
const CHARTED: &str = "podAnnotations";
const DEEP: usize = 8;

/// The settings, read.
#[derive(Debug)]
pub(super) struct Meshes<'a> {
    /// In objects.
    objects: Vec<At<'a>>,
    /// In values of charts, and as texts within objects.
    texts: Vec<(u32, Node)>,
    /// Of pods: what they are known by, each with its settings at the same place of `apart`.
    pods: Vec<Pod<'a>>,
    apart: Vec<(u32, Node)>,
}

/// Settings of a mesh.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mesh<'a> {
    at: At<'a>,
}

impl PartialEq for Mesh<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.at.file == other.at.file && self.at.node.bytes == other.at.node.bytes
    }
}

/// Settings of some proxies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Apart<'a> {
    pub(super) pod: Pod<'a>,
    pub(super) at: At<'a>,
}

/// What pods are known by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pod<'a> {
    labels: Option<At<'a>>,
    /// The name of the gateway's chart, after which it labels them where nothing else is said.
    name: Option<&'a str>,
}

impl Pod<'_> {
    /// Whether a gateway with this selector is for them.
    pub(super) fn is_meant(&self, selector: At<'_>) -> bool {
        if self.labels.is_some_and(|labels| chooses(selector, labels)) {
            return true;
        }
        let Some(name) = self.name else { return false };
        let own = |key: &str| self.labels?.entries().find(|(label, _)| *label == key).map(|(_, at)| at);
        let mut wanted = selector.entries().peekable();
        wanted.peek().is_some()
            && wanted.all(|(key, value)| match (own(key), key) {
                (Some(label), _) => label.text().is_some() && label.text() == value.text(),
                (None, "app") => value.text() == Some(name),
                (None, "istio") => value.text() == Some(name.strip_prefix("istio-").unwrap_or(name)),
                _ => false,
            })
    }
}

impl<'a> Meshes<'a> {
    pub(super) fn read(files: &Files, own: &[u32], manifests: &'a Manifests, objects: &Objects<'a>) -> Self {
        let mut all = Self { objects: Vec::new(), texts: Vec::new(), pods: Vec::new(), apart: Vec::new() };
        for object in objects.iter() {
            all.objects.extend(object.at.path(&["spec", "meshConfig"]));
            let named = object.name.is_some_and(|name| name == "istio" || name.starts_with("istio-"));
            if object.is(&[""], "ConfigMap")
                && named
                && let Some(mesh) = object.at.path(&["data", "mesh"])
            {
                all.texts.extend(kubernetes::inner_tree(files, mesh).into_iter().map(|node| (mesh.file, node)));
            }
            if let Some(pod) = object.pod()
                && let Some(labels) = pod.path(&["metadata", "labels"])
                && let Some(at) = pod
                    .path(&["metadata", "annotations"])
                    .and_then(|at| at.entries().find(|(key, _)| *key == ANNOTATION))
                && let Some(node) = kubernetes::inner_tree(files, at.1)
            {
                all.pods.push(Pod { labels: Some(labels), name: None });
                all.apart.push((labels.file, node));
            }
        }
        for root in manifests.roots().filter(|root| root.get("apiVersion").is_some()) {
            all.objects.extend(helm::values(root).into_iter().filter_map(|values| values.get("meshConfig")));
        }
        let holds = |at: &At<'_>| {
            let text = files.get(at.file).text.as_bytes();
            [CHARTED, ANNOTATION].iter().all(|word| memchr::memmem::find(text, word.as_bytes()).is_some())
        };
        for root in manifests.roots().filter(holds) {
            all.charted(files, root, None, DEEP);
        }
        for file in own {
            let text = &files.get(*file).text;
            if memchr::memmem::find(text.as_bytes(), b"meshConfig").is_none() {
                continue;
            }
            for root in yaml::parse_broken(&blank::templates(text)).documents {
                let at = At::root(*file, &root);
                if at.get("kind").is_some() && at.get("apiVersion").is_some() {
                    continue; // an object, which was looked at above
                }
                let charts = at.entries().filter_map(|(_, at)| at.node.get("meshConfig"));
                let found: Vec<Node> = at.node.get("meshConfig").into_iter().chain(charts).cloned().collect();
                all.texts.extend(found.into_iter().map(|node| (*file, node)));
            }
        }
        all
    }

    /// What values of charts, and the operator's, have pods annotated with.
    fn charted(&mut self, files: &Files, at: At<'a>, outer: Option<At<'a>>, deep: usize) {
        let annotations = at.get(CHARTED).into_iter().flat_map(At::entries);
        for (_, setting) in annotations.filter(|(key, _)| *key == ANNOTATION) {
            let said = |key: &str| at.get(key).or_else(|| outer?.get(key));
            let labels = said("labels").or_else(|| said("label"));
            if let Some(node) = kubernetes::inner_tree(files, setting) {
                self.pods.push(Pod { labels, name: said("name").and_then(kubernetes::known) });
                self.apart.push((at.file, node));
            }
        }
        if deep > 0 {
            let items = if at.node.entries().is_empty() { at.items().collect() } else { Vec::new() };
            for inner in at.entries().map(|(_, inner)| inner).chain(items) {
                if inner.node.text().is_none() {
                    self.charted(files, inner, Some(at), deep - 1);
                }
            }
        }
    }

    /// All settings of meshes.
    pub(super) fn all(&self) -> Vec<Mesh<'_>> {
        let texts = self.texts.iter().map(|(file, node)| At::root(*file, node));
        self.objects.iter().copied().chain(texts).map(|at| Mesh { at }).collect()
    }

    /// All settings of some proxies.
    pub(super) fn apart(&self) -> Vec<Apart<'_>> {
        let settings = self.apart.iter().map(|(file, node)| At::root(*file, node));
        self.pods.iter().zip(settings).map(|(pod, at)| Apart { pod: *pod, at }).collect()
    }
}

/// Where it is said how the header with the certificate is dealt with, if it is.
pub(super) fn details<'a>(proxy: At<'a>) -> Option<At<'a>> {
    proxy.path(&["gatewayTopology", "forwardClientCertDetails"]).filter(|at| at.text() != Some("UNDEFINED"))
}

impl<'a> Mesh<'a> {
    pub(super) const fn file(&self) -> u32 {
        self.at.file
    }

    /// Where it is said how gateways deal with the header, if it is.
    pub(super) fn details(&self) -> Option<At<'a>> {
        details(self.at.get("defaultConfig")?)
    }

    /// Whether upstreams are told what the host was before it was rewritten.
    pub(super) fn tells_host(&self) -> bool {
        let proxy = self.at.path(&["defaultConfig", "proxyHeaders", "xForwardedHost"]);
        proxy.is_some_and(|at| at.switch("enabled", false) != Switch::Off)
    }

    /// A provider of something by its name.
    pub(super) fn provider(&self, name: &str) -> Option<At<'a>> {
        self.at.list("extensionProviders").find(|at| at.word("name") == Some(name))
    }

    /// The logs that its proxies write.
    pub(super) fn logs(&self, world: &World<'a>) -> Vec<Piece> {
        let graft = &world.graft;
        let telemetry = world.objects.of_kind(&["telemetry.istio.io"], "Telemetry");
        let telemetry = telemetry.filter(|object| world.objects.sees(self.file(), object.at.file));
        let asked = telemetry.filter_map(|object| object.spec()).flat_map(|spec| spec.list("accessLogging"));
        let asked = asked.filter(|at| at.switch("disabled", false) != Switch::On).flat_map(|at| at.list("providers"));
        let mut names: Vec<At<'a>> = asked.filter_map(|at| at.get("name")).collect();
        names.extend(self.at.get("defaultProviders").into_iter().flat_map(|at| at.list("accessLogging")));
        let mut logs = Vec::new();
        let file = self.at.get("accessLogFile").filter(|at| at.text().is_some_and(|path| !path.is_empty()));
        let builtin = names.iter().copied().find(|at| at.text() == Some("envoy"));
        if let Some(at) = file.or(builtin) {
            logs.push(made::file_log(
                graft,
                at,
                self.at.get("accessLogFormat").filter(|at| !at.is_empty()).map(|at| graft.copy(at)),
            ));
        }
        for name in names {
            let Some(provider) = name.text().and_then(|text| self.provider(text)) else { continue };
            for kind in ["envoyFileAccessLog", "envoyOtelAls"] {
                let Some(log) = provider.get(kind) else { continue };
                let format = log.get("logFormat").filter(|at| !at.is_empty());
                if format.is_some() || kind == "envoyFileAccessLog" {
                    logs.push(made::file_log(graft, name, format.map(|at| graft.copy(at))));
                }
            }
            if let Some(headers) = provider.path(&["envoyHttpAls", "additionalRequestHeadersToLog"]) {
                logs.push(made::service_log(graft, headers));
            }
        }
        logs
    }

    /// What it says by itself, where no gateway is in sight: what every proxy logs, and that gateways pass the header on
    /// from anybody.
    pub(super) fn alone(&self, world: &World<'a>) -> Option<Piece> {
        let graft = &world.graft;
        let always = self.details().filter(|at| matches!(at.text(), Some("ALWAYS_FORWARD_ONLY" | "5")));
        let logs = self.logs(world);
        if always.is_none() && logs.is_empty() {
            return None;
        }
        let from = self.at;
        let mut settings = vec![("access_log", graft.list(from, logs))];
        settings.extend(always.map(|at| ("forward_client_cert_details", graft.text(at, "ALWAYS_FORWARD_ONLY"))));
        let host = made::everything(graft, always.unwrap_or(from), "any workload of the mesh");
        let manager = made::manager(graft, from, settings, Vec::new(), Vec::new(), vec![host]);
        Some(Edge::somewhere(from, "gateways of the mesh").listener(graft, vec![manager]))
    }
}

/// `forwardClientCertDetails` in Envoy's words; nothing where it is not known.
pub(super) fn mode(at: At<'_>) -> Option<&str> {
    Some(match at.text()? {
        "1" => "SANITIZE",
        "2" => "FORWARD_ONLY",
        "3" => "APPEND_FORWARD",
        "4" => "SANITIZE_SET",
        "5" => "ALWAYS_FORWARD_ONLY",
        word => word,
    })
}
