//! Traefik in Kubernetes: IngressRoutes, Middlewares, TLSOptions and TraefikServices, Ingresses with its annotations; the
//! static half comes from `chart.rs`.
//!
//! As Traefik's own providers do, objects are made into dynamic configuration: what one names becomes the name of what was
//! found, and the rest of the front end does not know that they were objects.

use std::collections::{BTreeMap, BTreeSet};

use super::chart;
use super::source::words;
use crate::config::kubernetes::{self, ByFile, Found, Manifests, Object, Objects};
use crate::gateway::Hole;
use crate::gateway::document::Source;
use crate::gateway::files::Files;
use crate::gateway::tree::At;
use crate::syntax::yaml::{Kind, Node};

/// The groups that its objects have been in.
const GROUPS: [&str; 2] = ["traefik.io", "traefik.containo.us"];
/// What its annotations on Ingresses begin with.
const ROUTER: &str = "traefik.ingress.kubernetes.io/router.";
/// How deep services may consist of services.
const DEEP: usize = 4;
/// Where more files of a folder than these hold routers, each is an example by itself.
const MOST_FILES: usize = 12;

/// Whether a text may hold any of it.
pub(super) fn recognises(text: &str) -> bool {
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    let objects = || {
        let own = has("traefik.io/v1") || has("traefik.containo.us/v1") || has(ROUTER);
        kubernetes::may_hold_objects(text) && (own || has("containers") && chart::names_options(text))
    };
    objects() || chart::may_be_values(text)
}

/// What belongs together.
pub(super) struct Group {
    pub(super) sources: Vec<Source>,
    /// The static half is there, and nothing that is named is missing.
    pub(super) whole: bool,
}

/// The objects of these texts, as configuration. `others` are texts that may be static halves of it.
pub(super) fn groups(files: &Files, own: &[u32], others: &[&Source]) -> Vec<Group> {
    let manifests = Manifests::read(files, own);
    let objects = manifests.objects(files);
    let fixed = chart::fixed(&manifests, &objects, others);
    let folder = |file: u32| files.get(file).path().rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut groups = Vec::new();
    let mut used: BTreeSet<u32> = BTreeSet::new();
    let routers = objects.iter().filter(|object| is_route(object) || is_ingress(object));
    let by_file = ByFile::new(routers.map(|router| (router.at.file, router)));
    let options = ByFile::new(objects.of_kind(&GROUPS, "TLSOption").map(|option| (option.at.file, option)));
    for environment in objects.environments() {
        let routers: Vec<Object<'_>> = by_file.within(&environment).copied().collect();
        let options: Vec<Object<'_>> = options.within(&environment).copied().collect();
        let mut by_folder: BTreeMap<&str, BTreeMap<u32, Vec<Object<'_>>>> = BTreeMap::new();
        for router in &routers {
            let file = router.at.file;
            by_folder.entry(folder(file)).or_default().entry(file).or_default().push(*router);
        }
        let mut seen = fixed.iter().filter(|(file, _)| environment.iter().all(|other| objects.sees(*other, *file)));
        // Of several, which one serves a route is not known.
        let fixed = seen.next().filter(|_| seen.next().is_none());
        let charted: BTreeSet<&str> = fixed.iter().flat_map(|(_, tree)| options_of(tree)).collect();
        let referenced = referenced(&routers);
        for by_file in by_folder.into_values() {
            let bundles: Vec<Vec<Object<'_>>> = if by_file.len() > MOST_FILES {
                by_file.into_values().collect()
            } else {
                vec![by_file.into_values().flatten().collect()]
            };
            for bundle in bundles {
                let charted = charted.clone();
                let mut builder = Builder { objects: &objects, trees: BTreeMap::new(), charted, missing: false };
                bundle.iter().for_each(|object| builder.route(object));
                builder.options(&bundle, &options, &referenced, folder);
                groups.push(builder.group(&manifests, fixed));
                used.extend(fixed.map(|(file, _)| *file));
            }
        }
    }
    // Where no routers are, what is logged of any request is known.
    for half in fixed.iter().filter(|(file, _)| !used.contains(file)) {
        let (trees, charted) = (BTreeMap::new(), BTreeSet::new());
        let builder = Builder { objects: &objects, trees, charted, missing: true };
        groups.push(builder.group(&manifests, Some(half)));
    }
    groups
}

fn is_route(object: &Object<'_>) -> bool {
    object.is(&GROUPS, "IngressRoute") || object.is(&GROUPS, "IngressRouteTCP")
}

fn is_ingress(object: &Object<'_>) -> bool {
    object.is(&["networking.k8s.io", "extensions"], "Ingress")
        && object.annotations().any(|(name, _)| name.starts_with(ROUTER))
}

/// The names of TLS options that any router names.
fn referenced<'a>(routers: &[Object<'a>]) -> BTreeSet<&'a str> {
    let of_routes = routers.iter().filter_map(|object| object.at.path(&["spec", "tls", "options", "name"]));
    let of_ingresses = routers.iter().filter_map(|object| object.annotation(&format!("{ROUTER}tls.options")));
    of_routes.chain(of_ingresses).filter_map(At::text).collect()
}

/// Makes objects into trees of dynamic configuration, one a file.
struct Builder<'b, 'a> {
    objects: &'b Objects<'a>,
    trees: BTreeMap<u32, Node>,
    /// Names of TLS options that the chart makes of its values.
    charted: BTreeSet<&'b str>,
    missing: bool,
}

impl<'a> Builder<'_, 'a> {
    fn group(mut self, manifests: &Manifests, fixed: Option<&(u32, Node)>) -> Group {
        let fixed = fixed.map(|(file, tree)| (*file, self.resolved(*file, tree)));
        let is_whole = fixed.is_some() && !self.missing;
        let mut trees: BTreeMap<u32, Vec<Node>> = BTreeMap::new();
        for (file, tree) in self.trees.into_iter().chain(fixed) {
            trees.entry(file).or_default().push(tree);
        }
        let sources = trees.into_iter().map(|(file, documents)| {
            let holes = manifests.holes().iter().filter(|(place, _)| place.file == file);
            let holes = holes.map(|(place, reason)| Hole { place: *place, reason: reason.clone() }).collect();
            Source { file, documents, holes }
        });
        Group { sources: sources.collect(), whole: is_whole }
    }

    /// A static half in which what entry points name are the objects that are meant.
    fn resolved(&mut self, file: u32, tree: &Node) -> Node {
        let mut tree = tree.clone();
        let root = At::root(file, &tree);
        let points: Vec<At<'_>> = root.get("entryPoints").into_iter().flat_map(At::entries).map(|(_, at)| at).collect();
        let mut renamed: BTreeMap<String, String> = BTreeMap::new();
        for http in points.into_iter().filter_map(|at| at.get("http")) {
            let options = http.path(&["tls", "options"]).and_then(At::text).map(|name| ("TLSOption", name.to_owned()));
            let middlewares = words(http, "middlewares").into_iter().map(|name| ("Middleware", name.to_owned()));
            for (kind, name) in options.into_iter().chain(middlewares) {
                if name.ends_with("@kubernetescrd") {
                    let id = self.by_whole_name(file, kind, &name);
                    renamed.insert(name, id);
                }
            }
        }
        if !renamed.is_empty() {
            rename(&mut tree, &renamed);
        }
        tree
    }

    fn put(&mut self, file: u32, path: &[&str], key: &Node, value: Node) {
        put(self.trees.entry(file).or_insert_with(|| mapping(key)), path, key, value);
    }

    fn route(&mut self, object: &Object<'a>) {
        if is_ingress(object) {
            return self.ingress(object);
        }
        let Some(spec) = object.spec() else { return };
        let part = if object.kind == "IngressRouteTCP" { "tcp" } else { "http" };
        let routes: Vec<At<'a>> = spec.list("routes").collect();
        for (number, route) in routes.iter().enumerate() {
            let Some((key, rule)) = entry(*route, "match") else { continue };
            let name = match routes.len() {
                1 => object.label(),
                _ => format!("{} rule {}", object.label(), number + 1),
            };
            let mut router = mapping(rule);
            put(&mut router, &["rule"], key, rule.clone());
            for (at, from, to) in [(*route, "priority", "priority"), (spec, "entryPoints", "entryPoints")] {
                if let Some((key, value)) = entry(at, from) {
                    put(&mut router, &[to], key, value.clone());
                }
            }
            if let Some((key, list)) = entry(*route, "middlewares") {
                let names = route.list("middlewares").map(|item| self.middleware(object, item)).collect();
                put(&mut router, &["middlewares"], key, Node { kind: Kind::Sequence(names), ..list.clone() });
            }
            if let Some(tls) = spec.get("tls").filter(|tls| tls.node.text().is_none()) {
                put(&mut router, &["tls"], key, self.tls(object, tls));
            }
            let services: Vec<At<'a>> = route.list("services").collect();
            if let Some((key, named)) = services.first().and_then(|service| entry(*service, "name")) {
                let id = match named.text() {
                    Some(text) if text.ends_with("@internal") => text.to_owned(),
                    text => format!("{}#{}", text.unwrap_or("of a template"), rule.bytes.0),
                };
                put(&mut router, &["service"], key, scalar(&id, named));
                let mut targets = Vec::new();
                services.iter().for_each(|service| self.servers(object, *service, DEEP, &mut targets));
                self.service(object, part, &id, key, &targets, services.first().copied());
            }
            self.put(object.at.file, &[part, "routers", &name], key, router);
        }
    }

    /// The services of Kubernetes that a reference comes down to.
    fn servers(&mut self, object: &Object<'a>, service: At<'a>, deep: usize, into: &mut Vec<String>) {
        let Some(name) = service.get("name").and_then(kubernetes::known) else { return };
        let namespace = service.get("namespace").and_then(kubernetes::known).or(object.namespace);
        if service.word("kind") == Some("TraefikService") {
            let Some(found) = self.find(object, "TraefikService", namespace, name).filter(|_| deep > 0) else { return };
            let spec = found.spec();
            let weighted = spec.and_then(|spec| spec.get("weighted"));
            let inner = weighted.into_iter().flat_map(|weighted| weighted.list("services"));
            let mirroring = spec.and_then(|spec| spec.get("mirroring"));
            let inner: Vec<At<'a>> = inner.chain(mirroring).collect();
            return inner.into_iter().for_each(|service| self.servers(&found, service, deep - 1, into));
        }
        let port = service.get("port").and_then(kubernetes::known).unwrap_or("80");
        into.extend(self.objects.service_names(object.at.file, namespace, name, port));
    }

    fn service(
        &mut self,
        object: &Object<'a>,
        part: &str,
        id: &str,
        key: &Node,
        targets: &[String],
        first: Option<At<'a>>,
    ) {
        let mut balancer = mapping(key);
        let scheme = first.and_then(|service| service.word("scheme")).unwrap_or("http");
        let server = |target: &String| {
            let mut server = mapping(key);
            let (name, text) = match part {
                "tcp" => ("address", target.clone()),
                _ => ("url", format!("{scheme}://{target}")),
            };
            put(&mut server, &[name], key, scalar(&text, key));
            server
        };
        let servers = Kind::Sequence(targets.iter().map(server).collect());
        put(&mut balancer, &["servers"], key, Node { kind: servers, ..key.clone() });
        if let Some((key, value)) = first.and_then(|service| entry(service, "passHostHeader")) {
            put(&mut balancer, &["passHostHeader"], key, value.clone());
        }
        self.put(object.at.file, &[part, "services", id, "loadBalancer"], key, balancer);
    }

    fn find(&mut self, from: &Object<'a>, kind: &str, namespace: Option<&str>, name: &str) -> Option<Object<'a>> {
        let found = self.objects.find(from.at.file, &GROUPS, kind, namespace, name);
        self.missing |= !matches!(found, Found::One(_));
        found.one()
    }

    /// The name under which a Middleware stands in the configuration.
    fn middleware(&mut self, object: &Object<'a>, item: At<'a>) -> Node {
        let name = item.get("name").and_then(kubernetes::known).unwrap_or("of a template");
        let namespace = item.get("namespace").and_then(kubernetes::known).or(object.namespace);
        match self.find(object, "Middleware", namespace, name) {
            Some(found) => scalar(&self.add_middleware(&found, DEEP), item.node),
            None => scalar(name, item.node),
        }
    }

    fn add_middleware(&mut self, found: &Object<'a>, deep: usize) -> String {
        let id = id(found);
        let Some((key, spec)) = entry(found.at, "spec").filter(|_| deep > 0) else { return id };
        let mut tree = spec.clone();
        if let Some((_, chain)) = found.spec().and_then(|spec| entry(spec, "chain")) {
            let items = At::root(found.at.file, chain).list("middlewares").collect::<Vec<_>>();
            let names = items.into_iter().map(|item| {
                let name = item.get("name").and_then(kubernetes::known).unwrap_or("of a template");
                let namespace = item.get("namespace").and_then(kubernetes::known).or(found.namespace);
                match self.find(found, "Middleware", namespace, name) {
                    Some(inner) => scalar(&self.add_middleware(&inner, deep - 1), item.node),
                    None => scalar(name, item.node),
                }
            });
            let names = Node { kind: Kind::Sequence(names.collect()), ..chain.clone() };
            tree = mapping(spec);
            put(&mut tree, &["chain", "middlewares"], key, names);
        }
        self.put(found.at.file, &["http", "middlewares", &id], key, tree);
        id
    }

    fn tls(&mut self, object: &Object<'a>, tls: At<'a>) -> Node {
        let mut tree = mapping(tls.node);
        if let Some((key, value)) = entry(tls, "passthrough") {
            put(&mut tree, &["passthrough"], key, value.clone());
        }
        let named = tls.get("options").and_then(|options| Some((options, entry(options, "name")?)));
        if let Some((options, (key, value))) = named {
            let namespace = options.get("namespace").and_then(kubernetes::known).or(object.namespace);
            let name = value.text().unwrap_or_default();
            let id = self.option(object, namespace, name);
            put(&mut tree, &["options"], key, scalar(&id, value));
        }
        tree
    }

    fn option(&mut self, object: &Object<'a>, namespace: Option<&str>, name: &str) -> String {
        if self.charted.contains(name) {
            return name.to_owned();
        }
        match self.find(object, "TLSOption", namespace, name) {
            Some(found) => self.add_option(&found),
            None => name.to_owned(),
        }
    }

    fn add_option(&mut self, found: &Object<'a>) -> String {
        let id = if found.name == Some("default") { "default".to_owned() } else { id(found) };
        if let Some((key, spec)) = entry(found.at, "spec") {
            self.put(found.at.file, &["tls", "options", &id], key, spec.clone());
        }
        id
    }

    /// The options that hold by default, and those beside the routers that no router of the environment names.
    fn options(
        &mut self,
        routers: &[Object<'a>],
        all: &[Object<'a>],
        referenced: &BTreeSet<&str>,
        folder: impl Fn(u32) -> &'a str,
    ) {
        let Some(first) = routers.first() else { return };
        let seen = |option: &&Object<'a>| self.objects.sees(first.at.file, option.at.file);
        let default: Vec<&Object<'a>> =
            all.iter().filter(seen).filter(|option| option.name == Some("default")).collect();
        let files: BTreeSet<u32> = routers.iter().map(|router| router.at.file).collect();
        let beside = |option: &&Object<'a>| {
            let named = |name: &str| referenced.iter().any(|reference| reference.contains(name));
            option.name.is_some_and(|name| name != "default" && !named(name))
                && files.iter().any(|file| folder(*file) == folder(option.at.file))
        };
        let idle: Vec<&Object<'a>> = all.iter().filter(seen).filter(beside).collect();
        // There may be one with that name in all of the cluster.
        if let [one] = default.as_slice() {
            self.add_option(one);
        }
        for option in idle {
            self.add_option(option);
        }
    }

    /// An Ingress with annotations for its routers.
    fn ingress(&mut self, object: &Object<'a>) {
        let Some(spec) = object.spec() else { return };
        let annotation = |name: &str| object.annotations().find(|(key, _)| key.strip_prefix(ROUTER) == Some(name));
        let word = |name: &str| annotation(name).and_then(|(_, at)| kubernetes::known(at));
        let is_tls = spec.get("tls").is_some_and(|tls| !tls.is_empty()) || word("tls") == Some("true");
        for (number, rule) in spec.list("rules").enumerate() {
            let host = rule.get("host").and_then(kubernetes::known);
            for path in rule.get("http").into_iter().flat_map(|http| http.list("paths")) {
                let Some(backend) = path.get("backend") else { continue };
                let new = backend.get("service").filter(|service| service.node.text().is_none());
                let named = new.and_then(|service| entry(service, "name")).or_else(|| entry(backend, "serviceName"));
                let Some((key, service)) = named else { continue };
                let at = path.word("path").filter(|path| *path != "/");
                let kind = if path.word("pathType") == Some("Exact") { "Path" } else { "PathPrefix" };
                let calls = [host.map(|host| format!("Host(`{host}`)")), at.map(|at| format!("{kind}(`{at}`)"))];
                let calls: Vec<String> = calls.into_iter().flatten().collect();
                let mut router = mapping(key);
                if !calls.is_empty() {
                    put(&mut router, &["rule"], key, scalar(&calls.join(" && "), key));
                }
                if let Some((_, at)) = annotation("entrypoints") {
                    put(&mut router, &["entryPoints"], at.node, at.node.clone());
                }
                if let Some((_, at)) = annotation("middlewares") {
                    let names: Vec<Node> = at
                        .node
                        .text()
                        .unwrap_or_default()
                        .split(',')
                        .map(|name| scalar(&self.by_whole_name(object.at.file, "Middleware", name.trim()), at.node))
                        .collect();
                    put(
                        &mut router,
                        &["middlewares"],
                        at.node,
                        Node { kind: Kind::Sequence(names), ..at.node.clone() },
                    );
                }
                if is_tls {
                    let mut tls = mapping(key);
                    if let Some((_, at)) = annotation("tls.options") {
                        let id = self.by_whole_name(object.at.file, "TLSOption", at.node.text().unwrap_or_default());
                        put(&mut tls, &["options"], at.node, scalar(&id, at.node));
                    }
                    put(&mut router, &["tls"], key, tls);
                }
                let id = format!("{}#{}", service.text().unwrap_or("of a template"), key.bytes.0);
                put(&mut router, &["service"], key, scalar(&id, service));
                let port = match new.and_then(|service| service.get("port")) {
                    Some(port) => port.get("number").or_else(|| port.get("name")),
                    None => backend.get("servicePort"),
                };
                let port = port.and_then(kubernetes::known).unwrap_or("80");
                let targets =
                    service.text().map(|name| self.objects.service_names(object.at.file, object.namespace, name, port));
                self.service(object, "http", &id, key, &targets.unwrap_or_default(), None);
                let name = format!("{} rule {} {}", object.label(), number + 1, at.unwrap_or("/"));
                self.put(object.at.file, &["http", "routers", &name], key, router);
            }
        }
    }

    /// What is called `namespace-name@kubernetescrd`.
    fn by_whole_name(&mut self, from: u32, kind: &str, name: &str) -> String {
        let Some(whole) = name.strip_suffix("@kubernetescrd") else {
            self.missing = true;
            return name.to_owned();
        };
        let fits = |other: &Object<'a>| match (other.namespace, other.name) {
            (Some(namespace), Some(own)) => whole == format!("{namespace}-{own}"),
            (None, Some(own)) => whole.strip_suffix(own).is_some_and(|rest| rest.ends_with('-')),
            _ => false,
        };
        let seen = |other: &Object<'a>| self.objects.sees(from, other.at.file) && fits(other);
        let found: Vec<Object<'a>> = self.objects.of_kind(&GROUPS, kind).filter(seen).collect();
        match (found.as_slice(), kind) {
            ([one], "Middleware") => self.add_middleware(one, DEEP),
            ([one], _) => self.add_option(one),
            ([], "TLSOption") if self.charted.iter().any(|name| is_part(whole, name)) => {
                let named = self.charted.iter().find(|name| is_part(whole, name));
                named.map_or(whole, |name| name).to_owned()
            }
            _ => {
                self.missing = true;
                whole.to_owned()
            }
        }
    }
}

/// Whether `namespace-name` is the whole name of what is called `name`.
fn is_part(whole: &str, name: &str) -> bool {
    whole.strip_suffix(name).is_some_and(|rest| rest.ends_with('-'))
}

/// The names of the TLS options in a tree.
fn options_of(tree: &Node) -> impl Iterator<Item = &str> {
    let options = tree.get("tls").and_then(|tls| tls.get("options"));
    options.into_iter().flat_map(Node::entries).filter_map(|(key, _)| key.text())
}

/// Gives what is called by these names others.
fn rename(node: &mut Node, names: &BTreeMap<String, String>) {
    // No deeper than the tree.
    match &mut node.kind {
        Kind::Scalar { text, .. } if names.contains_key(text.trim()) => *text = names[text.trim()].clone(),
        Kind::Sequence(items) => items.iter_mut().for_each(|item| rename(item, names)),
        Kind::Mapping(entries) => entries.iter_mut().for_each(|(_, value)| rename(value, names)),
        Kind::Scalar { .. } | Kind::Hole => {}
    }
}

/// A name that no other object has.
fn id(object: &Object<'_>) -> String {
    let (file, start) = (object.at.file, object.at.node.bytes.0);
    format!("{}/{}#{file}.{start}", object.namespace.unwrap_or_default(), object.name.unwrap_or_default())
}

/// An entry of a mapping with its key, whose place is that of the setting.
pub(super) fn entry<'a>(at: At<'a>, key: &str) -> Option<(&'a Node, &'a Node)> {
    let mut entries = at.node.entries().iter();
    entries.find(|(name, _)| name.text() == Some(key)).map(|(key, value)| (key, value))
}

pub(super) fn mapping(like: &Node) -> Node {
    Node { kind: Kind::Mapping(Vec::new()), place: like.place, bytes: like.bytes }
}

pub(super) fn scalar(text: &str, like: &Node) -> Node {
    Node { kind: Kind::Scalar { text: text.to_owned(), plain: true }, place: like.place, bytes: like.bytes }
}

/// Puts a value at the end of a row of keys; every key stands where `key` does.
pub(super) fn put(tree: &mut Node, path: &[&str], key: &Node, value: Node) {
    let Some((last, before)) = path.split_last() else { return };
    let mut at = tree;
    for part in before {
        if !matches!(at.kind, Kind::Mapping(_)) {
            at.kind = Kind::Mapping(Vec::new());
        }
        let Kind::Mapping(entries) = &mut at.kind else { return };
        let found = entries.iter().position(|(name, _)| name.text() == Some(part)).unwrap_or_else(|| {
            entries.push((scalar(part, key), mapping(key)));
            entries.len() - 1
        });
        at = &mut entries[found].1;
    }
    if let Kind::Mapping(entries) = &mut at.kind {
        entries.retain(|(name, _)| name.text() != Some(last));
        entries.push((scalar(last, key), value));
    }
}
