//! The static half of Traefik in Kubernetes: the arguments and the environment of its container, what its Helm chart makes
//! of values, and files in ConfigMaps.

use super::crd::{entry, mapping, put, scalar};
use crate::config::kubernetes::{Manifests, Objects};
use crate::config::{compose, helm};
use crate::gateway::document::Source;
use crate::gateway::tree::At;
use crate::syntax::yaml::{Kind, Node};

/// What the names of its environment variables begin with.
pub(super) const VARIABLES: &str = "TRAEFIK_";
/// Parts of the chart's name.
const CHART: &str = "traefik";

/// Whether a text has options of Traefik among arguments or variables; cheap.
pub(super) fn names_options(text: &str) -> bool {
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    ["--entrypoints.", "--entryPoints.", "--accesslog", "--accessLog", "TRAEFIK_"].iter().any(|word| has(word))
}

/// Whether a text may be values of the chart, or hold some; cheap.
pub(super) fn may_be_values(text: &str) -> bool {
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    if has("apiVersion:") && !helm::may_be_within(text) || has("\nservices:") {
        return false;
    }
    let arguments = has("additionalArguments") && names_options(text);
    let points = has("ports:") && has("websecure:");
    let formed = has("defaultmode") || has("defaultMode") || has("format");
    let log = formed && (has("access:") && has("logs:") || has("accessLog:") && has("enabled:"));
    let points = points
        && ["forwardedHeaders", "access:", "additionalArguments", "tls", "http:", "middlewares:"]
            .iter()
            .any(|word| has(word));
    arguments || points || log || has("tlsOptions:") || has("env:") && has("TRAEFIK_")
}

/// The static halves: by file, as trees. `others` are files of Traefik's own.
pub(super) fn fixed(manifests: &Manifests, objects: &Objects<'_>, others: &[&Source]) -> Vec<(u32, Node)> {
    let mut found = Vec::new();
    for object in objects.iter() {
        let containers = object.pod().and_then(|pod| pod.path(&["spec", "containers"]));
        for container in containers.into_iter().flat_map(At::items) {
            let words = ["command", "args"].into_iter().flat_map(|key| container.list(key));
            let mut tree = compose::options(container.node, words);
            merge(&mut tree, compose::variables(container.node, container.get("env"), VARIABLES));
            let at = At::root(object.at.file, &tree);
            if at.get("entryPoints").is_some() || at.get("accessLog").is_some() {
                found.push((object.at.file, tree));
            }
        }
    }
    for root in manifests.roots() {
        found.extend(helm::values(root).into_iter().filter_map(|values| Some((root.file, of_values(values)?))));
    }
    for source in others {
        let kubernetes = |at: &At<'_>| {
            let providers = at.get("providers");
            providers
                .is_some_and(|at| at.entries().any(|(name, _)| name.to_ascii_lowercase().starts_with("kubernetes")))
        };
        found.extend(source.roots().filter(kubernetes).map(|at| (source.file, at.node.clone())));
    }
    found
}

/// Adds the entries of a tree that are not there yet.
fn merge(tree: &mut Node, other: Node) {
    let (Kind::Mapping(entries), Kind::Mapping(more)) = (&mut tree.kind, other.kind) else { return };
    for (key, value) in more {
        match entries.iter_mut().find(|(name, _)| name.text() == key.text()) {
            Some((_, own)) => merge(own, value),
            None => entries.push((key, value)),
        }
    }
}

/// Whether values are those of Traefik's chart: by its entry points, its options, or settings that no other chart has.
fn are_values(values: At<'_>, options: &Node) -> bool {
    let at = At::root(values.file, options);
    let points = values.get("ports").is_some_and(|ports| ports.get("websecure").is_some());
    let log = access_log(values).is_some_and(|(_, log)| log.get("enabled").is_some());
    let own = values.get("tlsOptions").is_some_and(|at| !at.node.entries().is_empty())
        || values
            .get("providers")
            .is_some_and(|at| at.get("kubernetesCRD").is_some() || at.get("kubernetesIngress").is_some());
    let named = values.path(&["image", "repository"]).and_then(At::text).is_some_and(|name| name.contains(CHART));
    let named = named && values.get("deployment").is_some();
    points || log || own || named || at.get("entryPoints").is_some() || at.get("accessLog").is_some()
}

/// The access log among values, with its key: `logs.access`, in newer versions of the chart `accessLog`.
fn access_log(values: At<'_>) -> Option<(&Node, At<'_>)> {
    let older = values.get("logs").and_then(|logs| entry(logs, "access"));
    let (key, log) = older.or_else(|| entry(values, "accessLog"))?;
    Some((key, At::root(values.file, log)))
}

/// What the chart makes of its values.
fn of_values(values: At<'_>) -> Option<Node> {
    let words = ["globalArguments", "additionalArguments"].into_iter().flat_map(|key| values.list(key));
    let mut tree = compose::options(values.node, words);
    merge(&mut tree, compose::variables(values.node, values.get("env"), VARIABLES));
    if !are_values(values, &tree) {
        return None;
    }
    let ports = values.get("ports");
    for (key, port) in ports.into_iter().flat_map(|ports| ports.node.entries()) {
        let Some(name) = key.text() else { continue };
        let mut made = point(At::root(values.file, port), key, name);
        if let Some(said) = At::root(values.file, &tree).path(&["entryPoints", name]) {
            merge(&mut made, said.node.clone());
        }
        put(&mut tree, &["entryPoints", name], key, made);
    }
    // Those that the chart has anyway.
    for (name, address) in [("web", ":80"), ("websecure", ":443")] {
        let at = At::root(values.file, &tree);
        if at.path(&["entryPoints", name]).is_none_or(|point| point.get("address").is_none()) {
            let mut made = mapping(values.node);
            put(&mut made, &["address"], values.node, scalar(address, values.node));
            if name == "websecure" {
                put(&mut made, &["http", "tls"], values.node, mapping(values.node));
            }
            if let Some(said) = at.path(&["entryPoints", name]) {
                merge(&mut made, said.node.clone());
            }
            put(&mut tree, &["entryPoints", name], values.node, made);
        }
    }
    if let Some((key, access)) = access_log(values).filter(|(_, log)| log.word("enabled") == Some("true")) {
        let mut log = access.node.clone();
        if let Some(said) = At::root(values.file, &tree).get("accessLog") {
            merge(&mut log, said.node.clone());
        }
        put(&mut tree, &["accessLog"], key, log);
    }
    if let Some((key, options)) = entry(values, "tlsOptions") {
        put(&mut tree, &["tls", "options"], key, options.clone());
    }
    Some(tree)
}

/// An entry point of the chart.
fn point(at: At<'_>, key: &Node, name: &str) -> Node {
    let mut point = mapping(at.node);
    let usual = match name {
        "web" => "80",
        "websecure" => "443",
        _ => "",
    };
    let number = at.get("exposedPort").or_else(|| at.get("port")).and_then(At::text).unwrap_or(usual);
    let address = if number.is_empty() { String::new() } else { format!(":{number}") };
    put(&mut point, &["address"], key, scalar(&address, key));
    // What the chart's older versions have at the top stands under `http` in newer ones.
    let http = |own: &str| at.path(&["http", own]).or_else(|| at.get(own));
    if let Some((key, value)) = entry(at, "forwardedHeaders") {
        put(&mut point, &["forwardedHeaders"], key, value.clone());
    }
    let tls = http("tls");
    match tls.and_then(|tls| tls.word("enabled")) {
        Some("false") => {}
        // It is on by default for this one.
        None if name != "websecure" && tls.is_none_or(|tls| tls.get("enabled").is_some() || tls.is_empty()) => {}
        None if name != "websecure" && at.path(&["http", "tls"]).is_none() => {}
        _ => {
            let value = tls.map_or_else(|| mapping(key), |tls| tls.node.clone());
            put(&mut point, &["http", "tls"], key, value);
        }
    }
    if let Some(list) = http("middlewares") {
        put(&mut point, &["http", "middlewares"], key, list.node.clone());
    }
    for (key, value) in at.get("http").into_iter().flat_map(|http| http.node.entries()) {
        if let Some(name) = key.text().filter(|name| !matches!(*name, "tls" | "middlewares")) {
            put(&mut point, &["http", name], key, value.clone());
        }
    }
    let redirects = at.get("redirectTo").or_else(|| at.get("redirections")).filter(|at| !at.is_empty());
    if redirects.is_some() {
        put(&mut point, &["http", "redirections", "entryPoint"], key, mapping(key));
    }
    if let Some((key, value)) = entry(at, "asDefault") {
        put(&mut point, &["asDefault"], key, value.clone());
    }
    point
}
