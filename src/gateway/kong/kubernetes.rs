//! Kong's Ingress Controller: plugins are objects (`KongPlugin`, `KongClusterPlugin`), and Ingresses, routes of the Gateway API and
//! services name theirs in the annotation `konghq.com/plugins`.

use std::collections::BTreeSet;

use super::plugins;
use super::set::{Plugin, Plugins};
use super::ways::{Facts, Ways, hop};
use crate::config::kubernetes::{ByFile, Found, Manifests, Object, Objects, service_names};
use crate::gateway::evidence::Evidence;
use crate::gateway::files::Files;
use crate::gateway::hop::{PathMatch, Protocol, Upstream};
use crate::gateway::tree::{At, Switch};
use crate::gateway::{Configuration, Hole};

/// The group of Kong's objects.
const GROUP: &[&str] = &["configuration.konghq.com"];
const NETWORKING: &[&str] = &["networking.k8s.io", "extensions"];
const ROUTES: &[&str] = &["gateway.networking.k8s.io"];
const CORE: &[&str] = &[""];
/// The annotation that names plugins.
const PLUGINS: &str = "konghq.com/plugins";

/// Whether a text holds objects of the controller.
pub(super) fn recognises(text: &str) -> bool {
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    has("apiVersion") && has("konghq.com/") || has("apiVersion") && has("ingressClassName: kong")
}

/// The ways that Ingresses and routes make.
pub(super) fn configurations(files: &Files, own: &[u32]) -> Vec<Configuration> {
    let manifests = Manifests::read(files, own);
    let objects = manifests.objects(files);
    let by_file = ByFile::new(objects.iter().map(|object| (object.at.file, object)));
    let mut all = Vec::new();
    for numbers in objects.environments() {
        let mut into = Ways::new(Configuration { files: numbers.clone(), ..Configuration::default() });
        let dpop = Evidence::of(files, &numbers).dpop;
        for object in by_file.within(&numbers).copied() {
            if !into.is_full() {
                Reader { objects: &objects, dpop }.routes(object, &mut into);
            }
        }
        if into.is_empty() {
            continue;
        }
        let holes = manifests.holes().iter().filter(|(place, _)| numbers.contains(&place.file));
        into.main.holes.extend(holes.map(|(place, reason)| Hole { place: *place, reason: reason.clone() }));
        all.extend(into.finish());
    }
    all
}

struct Reader<'o, 'a> {
    objects: &'o Objects<'a>,
    dpop: bool,
}

impl<'a> Reader<'_, 'a> {
    fn routes(&self, object: Object<'a>, into: &mut Ways) {
        if object.is(NETWORKING, "Ingress") && is_kongs(object) {
            for rule in object.spec().into_iter().flat_map(|spec| spec.list("rules")) {
                let host = rule.word("host");
                for path in rule.get("http").into_iter().flat_map(|http| http.list("paths")) {
                    let backend = path.get("backend");
                    let service = backend.and_then(|at| at.get("service").or(Some(at)));
                    let name = service.and_then(|at| at.get("name").or_else(|| at.get("serviceName")));
                    let port = service.and_then(|at| {
                        at.path(&["port", "number"])
                            .or_else(|| at.path(&["port", "name"]))
                            .or_else(|| at.get("servicePort"))
                    });
                    let Some(name) = name else { continue };
                    let written = path.word("path").unwrap_or("/");
                    let matched = match (written, path.word("pathType")) {
                        ("/", _) => PathMatch::Any,
                        (path, Some("Exact")) => PathMatch::Exact(path.to_owned()),
                        (path, _) if path.starts_with("/~") => PathMatch::Pattern(path[2..].to_owned()),
                        (path, _) => PathMatch::Prefix(path.to_owned()),
                    };
                    self.way(object, host.into_iter().collect(), (written, matched), name, port, into);
                }
            }
        } else if object.is(ROUTES, "HTTPRoute") || object.is(ROUTES, "GRPCRoute") {
            let named = object.annotations().any(|(key, _)| key.starts_with("konghq.com/"));
            let spec = object.spec();
            let hosts: Vec<&str> =
                spec.into_iter().flat_map(|spec| spec.list("hostnames")).filter_map(At::text).collect();
            for rule in spec.into_iter().flat_map(|spec| spec.list("rules")).filter(|_| named) {
                for backend in rule.list("backendRefs") {
                    let Some(name) = backend.get("name") else { continue };
                    let matched = (object.name.unwrap_or("/"), PathMatch::Other);
                    self.way(object, hosts.clone(), matched, name, backend.get("port"), into);
                }
            }
        }
    }

    /// A way from a path to a service, with the plugins of both.
    fn way(
        &self,
        route: Object<'a>,
        hosts: Vec<&'a str>,
        (label, path): (&str, PathMatch),
        name: At<'a>,
        port: Option<At<'a>>,
        into: &mut Ways,
    ) {
        let file = route.at.file;
        let mut plugins = Plugins::new();
        for plugin in
            self.objects.of_kind(GROUP, "KongClusterPlugin").filter(|one| self.objects.sees(file, one.at.file))
        {
            let global = plugin.labels().and_then(|labels| labels.entries().find(|(key, _)| *key == "global"));
            if global.is_some_and(|(_, at)| at.node.text() == Some("true")) {
                add(plugin.at, &mut plugins);
            }
        }
        let service = name.text().map(|name| self.objects.find(file, CORE, "Service", route.namespace, name));
        let service = service.and_then(Found::one);
        let mut missing: BTreeSet<&str> = BTreeSet::new();
        for object in [service, Some(route)].into_iter().flatten() {
            let Some(list) = object.annotation(PLUGINS) else { continue };
            let Some(names) = list.text() else {
                let reason = "which plugins are meant is not known".to_owned();
                into.main.holes.push(Hole { place: list.place(), reason });
                missing.insert("?");
                continue;
            };
            for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                match self.plugin(file, route.namespace, name) {
                    Some(at) => add(at, &mut plugins),
                    None => {
                        missing.insert(name);
                        let reason = format!("a plugin is not here: {name}");
                        into.main.holes.push(Hole { place: list.place(), reason });
                    }
                }
            }
        }
        // What is not here may do anything.
        if !missing.is_empty() {
            plugins.insert("(unknown)", Plugin { at: route.at, config: None });
        }
        let written = |key: &str| -> Vec<&'a str> {
            let list = route.annotation(&format!("konghq.com/{key}")).and_then(At::text).unwrap_or_default();
            list.split(',').map(str::trim).filter(|word| !word.is_empty()).collect()
        };
        let port = port.and_then(At::text).unwrap_or("80");
        let service = name.text().unwrap_or("its service");
        let upstream = Upstream {
            label: format!("{service}:{port}"),
            names: name.text().map_or(Vec::new(), |name| service_names(name, route.namespace, port)),
            protocol: Protocol::Http,
            place: name.place(),
        };
        let way = plugins::way(&plugins, self.dpop);
        if way.ends {
            return;
        }
        let facts = Facts {
            label: format!("{} {label}", route.label()),
            path,
            hosts: hosts.into_iter().chain(written("snis")).map(str::to_ascii_lowercase).collect(),
            protocols: written("protocols"),
            upstream,
            plugins: &plugins,
            rewrites: Vec::new(),
        };
        let trusted = way.trusted.clone();
        if let Some(hop) = hop(facts, way, None, self.dpop) {
            into.add(hop, trusted);
        }
    }

    /// The plugin that a name means: one of the namespace, or of the cluster.
    fn plugin(&self, file: u32, namespace: Option<&str>, name: &str) -> Option<At<'a>> {
        // Another namespace's is written as `namespace:name`.
        let (namespace, name) = name.split_once(':').map_or((namespace, name), |(other, name)| (Some(other), name));
        let own = self.objects.find(file, GROUP, "KongPlugin", namespace, name).one();
        own.or_else(|| self.objects.find(file, GROUP, "KongClusterPlugin", None, name).one()).map(|object| object.at)
    }
}

/// Puts a plugin in force: its kind of plugin stands beside `spec`, not in it.
fn add<'a>(at: At<'a>, into: &mut Plugins<'a>) {
    if at.switch("disabled", false) == Switch::On {
        return;
    }
    if let Some(name) = at.word("plugin") {
        into.insert(name, Plugin { at, config: at.get("config") });
    }
}

/// Whether an Ingress is for this controller.
fn is_kongs(ingress: Object<'_>) -> bool {
    let class = ingress
        .spec()
        .and_then(|spec| spec.word("ingressClassName"))
        .or_else(|| ingress.annotation("kubernetes.io/ingress.class").and_then(At::text));
    match class {
        Some(class) => class.contains("kong"),
        None => ingress.annotations().any(|(key, _)| key.starts_with("konghq.com/")),
    }
}
