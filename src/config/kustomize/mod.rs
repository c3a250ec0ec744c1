//! Kustomize: what an overlay makes of the objects of its bases. The objects are written out as `kustomize build` would, as a
//! text that knows where its lines come from; they stand for the files that they were made of.
//!
//! Patches (strategic merges and JSON patches), annotations for all, the namespace and literals of ConfigMaps are followed.
//! An overlay that needs more (replacements, plugins, selectors that are no plain lists, templates) is left as it is. Names
//! keep their prefixes to themselves: everything in an overlay gets the same.

mod tree;

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use super::files::{Files, Text, folder, normal};
use super::kubernetes;
use super::place::Place;
use super::tree::At;
use super::written::Written;
use tree::{Tree, Value};

/// The names of the files that say what is built.
const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
/// How deep overlays may lie over each other.
const DEEP: usize = 16;
/// So many objects are looked at in all.
const MOST_OBJECTS: usize = 50_000;
/// So many bytes are written in all.
const MOST_BYTES: usize = 8 << 20;
/// Keys that change objects in ways that are not followed.
const NOT_FOLLOWED: [&str; 5] = ["replacements", "vars", "transformers", "configurations", "validators"];
/// What stands in settings that gateways read.
const SETTINGS: [&str; 6] = ["log-format", "snippet", "config-", "headers", "auth-tls", "syslog"];

/// What was built.
#[derive(Debug)]
pub struct Built {
    /// All texts, with those that were built.
    pub files: Files,
    /// Overlays that were not built, and why.
    pub holes: Vec<(Place, String)>,
}

/// Whether a text may be a part of an overlay that nothing else would have a text kept for; cheap.
pub fn is_part(name: &str, text: &str) -> bool {
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    let file = name.rsplit('/').next().unwrap_or(name);
    if NAMES.contains(&file) {
        return ["resources", "bases", "components", "patches", "configMapGenerator"].iter().any(|key| has(key));
    }
    let patch = || (has("op:") || has("\"op\"")) && has("path");
    has("kind: Ingress\n") || patch() && ["/metadata/annotations", "/data", "/spec"].iter().any(|path| has(path))
}

/// Builds the overlays of these texts; nothing where there are none that change anything.
pub fn build(files: &Files) -> Option<Built> {
    let mut shop = Shop { files, by_path: BTreeMap::new(), plans: BTreeMap::new(), looked: 0 };
    for (number, text) in files.iter().filter(|(_, text)| text.is_file()) {
        shop.by_path.insert((archive(text), text.path()), number);
        let name = text.path().rsplit('/').next().unwrap_or_default();
        if NAMES.contains(&name)
            && let Some(node) = text.documents().read.first()
        {
            shop.plans.insert(number, At::root(number, node));
        }
    }
    if shop.plans.is_empty() {
        return None;
    }
    let used: BTreeSet<u32> =
        shop.plans.keys().flat_map(|plan| shop.parts(*plan, &["resources", "bases", "components"])).collect();
    let roots: Vec<u32> = shop.plans.keys().copied().filter(|plan| !used.contains(plan)).collect();
    let mut builds = Vec::new();
    let mut holes = Vec::new();
    for root in roots {
        let mut build = Build::default();
        match shop.collect(root, DEEP, &mut build) {
            Ok(()) => builds.push((root, build)),
            // What is not followed changes nothing that was not changed before.
            Err(Some((place, reason))) if build.changed => holes.push((place, reason)),
            Err(_) => {}
        }
    }
    // Whatever else uses the files of one that is built must be, too.
    let mut taken: BTreeSet<u32> = BTreeSet::new();
    let mut chosen: BTreeSet<usize> = BTreeSet::new();
    loop {
        let joins = |(number, (_, build)): &(usize, &(u32, Build))| {
            !chosen.contains(number) && (build.changed || !build.sources.is_disjoint(&taken))
        };
        let more: Vec<usize> = builds.iter().enumerate().filter(joins).map(|(number, _)| number).collect();
        if more.is_empty() {
            break;
        }
        more.iter().for_each(|number| taken.extend(&builds[*number].1.sources));
        chosen.extend(more);
    }
    let mut made = Vec::new();
    let mut bytes = 0;
    for number in chosen {
        let (root, build) = &builds[number];
        let written = build.write();
        bytes += written.text().len();
        if bytes > MOST_BYTES {
            let place = Place { file: *root, start: 0, end: 0 };
            holes.push((place, "there is more in overlays than is built".to_owned()));
            return Some(Built { files: files.clone(), holes });
        }
        made.push(Text::made(files.get(*root), written, build.sources.iter().copied().collect()));
    }
    (!made.is_empty() || !holes.is_empty()).then(|| Built { files: files.with(made, &taken), holes })
}

/// The archive that a text comes from, if it does.
fn archive(text: &Text) -> Option<&str> {
    text.origin.member.as_ref().map(|_| &*text.origin.path)
}

/// Why something is not built, and where that is said.
type Refused = Option<(Place, String)>;

/// An object on its way.
#[derive(Debug)]
struct Item {
    tree: Tree,
    kind: String,
    group: String,
    namespace: Option<String>,
    /// The names that it has had.
    names: Vec<String>,
    /// A patch took it away.
    gone: bool,
}

/// What is built of one root.
#[derive(Debug, Default)]
struct Build {
    items: Vec<Item>,
    sources: BTreeSet<u32>,
    /// Something is otherwise than in the files.
    changed: bool,
}

/// What is looked up on the way.
struct Shop<'a> {
    files: &'a Files,
    by_path: BTreeMap<(Option<&'a str>, &'a str), u32>,
    plans: BTreeMap<u32, At<'a>>,
    looked: usize,
}

impl<'a> Shop<'a> {
    /// The text or the plan that a path in a plan means.
    fn find(&self, plan: u32, path: &str) -> Option<u32> {
        let text = self.files.get(plan);
        let path = normal(&format!("{}{}", folder(text.path()), path.trim_end_matches('/')));
        let get = |path: &str| self.by_path.get(&(archive(text), path)).copied();
        get(&path).or_else(|| {
            NAMES.iter().find_map(|name| if path.is_empty() { get(name) } else { get(&format!("{path}/{name}")) })
        })
    }

    /// What a plan takes as its parts: other plans, and files.
    fn parts(&self, plan: u32, keys: &[&str]) -> Vec<u32> {
        let Some(at) = self.plans.get(&plan) else { return Vec::new() };
        let paths = keys.iter().flat_map(|key| at.list(key)).filter_map(At::text);
        paths.filter(|path| !path.contains("://")).filter_map(|path| self.find(plan, path)).collect()
    }

    /// Adds what a plan makes of its parts.
    fn collect(&mut self, plan: u32, deep: usize, into: &mut Build) -> Result<(), Refused> {
        let mut own = Build::default();
        let done = self.onto(plan, deep, &mut own);
        into.changed |= own.changed;
        into.sources.extend(&own.sources);
        into.items.extend(own.items);
        done
    }

    /// What a plan makes of its parts and of what is there already.
    fn onto(&mut self, plan: u32, deep: usize, own: &mut Build) -> Result<(), Refused> {
        let at = self.plans[&plan];
        if deep == 0 || self.files.get(plan).documents().template {
            return Err(None);
        }
        let refused = |at: At<'_>, what: &str| Some((at.place(), format!("an overlay is not built: {what}")));
        for part in self.parts(plan, &["resources", "bases"]) {
            if self.plans.contains_key(&part) {
                self.collect(part, deep - 1, own)?;
            } else {
                self.objects(part, own)?;
            }
        }
        for component in self.parts(plan, &["components"]) {
            if self.plans.contains_key(&component) {
                self.onto(component, deep - 1, own)?;
            }
        }
        self.generated(plan, at, own);
        let other = NOT_FOLLOWED.iter().find_map(|key| at.get(key)).filter(|at| !at.is_empty());
        let unknown = self.patches(plan, at, own);
        if let Some(annotations) = at.get("commonAnnotations") {
            let gateways =
                |key: &str| ["ingress", "nginx", "traefik", "istio", "konghq"].iter().any(|word| key.contains(word));
            own.changed |= !own.items.is_empty() && annotations.entries().any(|(key, _)| gateways(key));
            for item in &mut own.items {
                let mut metadata = Tree::map(annotations.place());
                metadata.set("annotations", Tree::of(self.files, annotations));
                let mut patch = Tree::map(annotations.place());
                patch.set("metadata", metadata);
                item.tree.merge(patch);
            }
        }
        let affix = |key: &str| at.get(key).and_then(kubernetes::known).unwrap_or_default();
        let (prefix, suffix) = (affix("namePrefix"), affix("nameSuffix"));
        let namespace = at.get("namespace").and_then(|at| Some((kubernetes::known(at)?, at.place())));
        for item in &mut own.items {
            if let Some(name) = item.names.last().filter(|_| !prefix.is_empty() || !suffix.is_empty()) {
                item.names.push(format!("{prefix}{name}{suffix}"));
            }
            if let Some((namespace, place)) = namespace {
                item.namespace = Some(namespace.to_owned());
                if let Some(metadata) = item.tree.get_mut("metadata") {
                    metadata.set("namespace", Tree::text(namespace, place));
                }
            }
        }
        match (other, unknown) {
            (Some(other), _) => Err(refused(other, "what is said here is not followed")),
            (None, Some(at)) => Err(refused(at, "which objects are meant here is not followed")),
            (None, None) => Ok(()),
        }
    }

    /// The objects of a file.
    fn objects(&mut self, file: u32, into: &mut Build) -> Result<(), Refused> {
        let documents = self.files.get(file).documents();
        if documents.template || !documents.broken.is_empty() {
            return Err(None);
        }
        for node in &documents.read {
            let root = At::root(file, node);
            let list = root.word("kind").is_some_and(|kind| kind.ends_with("List"));
            let objects: Vec<At<'a>> = if list { root.list("items").collect() } else { vec![root] };
            // Definitions of kinds are long, and nothing that a gateway does.
            let counts = |object: &At<'_>| object.word("kind").is_some_and(|kind| kind != "CustomResourceDefinition");
            for object in objects.into_iter().filter(counts) {
                self.looked += 1;
                if self.looked > MOST_OBJECTS {
                    return Err(None);
                }
                into.items.extend(Item::of(Tree::of(self.files, object)));
            }
        }
        into.sources.insert(file);
        Ok(())
    }

    /// Applies the patches of a plan; the one of which it is not known what it means, if there is one.
    fn patches(&mut self, plan: u32, at: At<'a>, own: &mut Build) -> Option<At<'a>> {
        let mut unknown = None;
        for key in ["patchesStrategicMerge", "patchesJson6902", "patches"] {
            for entry in at.list(key) {
                let target = entry.get("target");
                let written =
                    if entry.text().is_some() { Some(entry) } else { entry.get("patch").or(entry.get("path")) };
                let Some((text, at)) = written.and_then(|at| Some((at.node.text()?, at))) else { continue };
                let inline = text.contains('\n') || entry.get("patch").is_some();
                for patch in self.patch(plan, at, inline, &mut own.sources) {
                    for item in own.items.iter_mut().filter(|item| !item.gone) {
                        let Some(meant) = item.is_meant(target, &patch) else {
                            unknown = unknown.or(Some(entry));
                            continue;
                        };
                        if meant {
                            own.changed = true;
                            item.patch(&patch);
                        }
                    }
                }
            }
        }
        unknown
    }

    /// What a patch says: a list of operations, or objects to be merged.
    fn patch(&self, plan: u32, at: At<'a>, inline: bool, sources: &mut BTreeSet<u32>) -> Vec<Tree> {
        if inline {
            let node = kubernetes::inner_tree(self.files, at);
            return node.map(|node| Tree::of(self.files, At::root(at.file, &node))).into_iter().collect();
        }
        let Some(file) = at.text().and_then(|path| self.find(plan, path)) else { return Vec::new() };
        sources.insert(file);
        let documents = self.files.get(file).documents();
        documents.read.iter().map(|node| Tree::of(self.files, At::root(file, node))).collect()
    }

    /// The ConfigMaps that a plan generates, as far as their entries stand there.
    fn generated(&self, plan: u32, at: At<'a>, own: &mut Build) {
        for generator in at.list("configMapGenerator") {
            let Some(name) = generator.get("name").and_then(kubernetes::known) else { continue };
            let mut data = Tree::map(generator.place());
            for literal in generator.list("literals") {
                if let Some((key, value)) = literal.text().and_then(|text| text.split_once('=')) {
                    data.set(key.trim(), Tree::text(value.trim_matches(['"', '\'']), literal.place()));
                }
            }
            for file in generator.list("files") {
                let Some(text) = file.text() else { continue };
                let (key, path) = text.split_once('=').unwrap_or((text.rsplit('/').next().unwrap_or(text), text));
                if let Some(found) = self.find(plan, path) {
                    data.set(key, whole(self.files, found));
                }
            }
            let Value::Map(entries) = &data.value else { continue };
            own.changed |= entries.iter().any(|(key, _)| SETTINGS.iter().any(|word| key.contains(word)));
            let known =
                own.items.iter_mut().find(|item| item.kind == "ConfigMap" && item.names.iter().any(|own| own == name));
            let mut object = Tree::map(generator.place());
            match (known, generator.word("behavior")) {
                (Some(item), Some("merge")) => {
                    object.set("data", data);
                    item.tree.merge(object);
                }
                (Some(item), Some("replace")) => item.tree.set("data", data),
                _ => {
                    let place = generator.get("name").unwrap_or(generator).place();
                    let mut metadata = Tree::map(place);
                    metadata.set("name", Tree::text(name, place));
                    object.set("apiVersion", Tree::text("v1", place));
                    object.set("kind", Tree::text("ConfigMap", place));
                    object.set("metadata", metadata);
                    object.set("data", data);
                    own.items.extend(Item::of(object));
                }
            }
        }
    }
}

/// All of a file as the text of an entry.
fn whole(files: &Files, file: u32) -> Tree {
    let text = &files.get(file).text;
    let mut start = 0;
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let lines = text.split_inclusive('\n').map(|line| {
        let place = Place { file, start: offset(start), end: offset(start + line.trim_end().len()) };
        start += line.len();
        place
    });
    let lines = lines.collect();
    let value = Value::Text { text: text.to_string(), plain: false, lines };
    Tree { value, place: Place { file, start: 0, end: 0 } }
}

impl Item {
    fn of(tree: Tree) -> Option<Self> {
        let metadata = tree.get("metadata")?;
        let api = tree.word("apiVersion").unwrap_or_default();
        Some(Self {
            kind: tree.word("kind")?.to_owned(),
            group: api.rsplit_once('/').map_or("", |(group, _)| group).to_owned(),
            namespace: metadata.word("namespace").map(str::to_owned),
            names: metadata.word("name").map(str::to_owned).into_iter().collect(),
            gone: false,
            tree,
        })
    }

    /// Whether a patch is for this object; `None` where that is not known.
    fn is_meant(&self, target: Option<At<'_>>, patch: &Tree) -> Option<bool> {
        let Some(target) = target else {
            let metadata = patch.get("metadata");
            let word = |key: &str| metadata.and_then(|metadata| metadata.word(key));
            let namespaces = (word("namespace"), self.namespace.as_deref());
            return Some(
                patch.word("kind") == Some(self.kind.as_str())
                    && word("name").is_some_and(|name| self.names.iter().any(|own| own == name))
                    && !matches!(namespaces, (Some(a), Some(b)) if a != b),
            );
        };
        let mut meant = true;
        for (key, at) in target.entries() {
            let wanted = at.text()?;
            meant &= match key {
                "kind" => fits(wanted, &self.kind)?,
                "group" => wanted == self.group,
                "name" => self.names.iter().map(|name| fits(wanted, name)).collect::<Option<Vec<_>>>()?.contains(&true),
                "namespace" => match &self.namespace {
                    Some(namespace) => fits(wanted, namespace)?,
                    None => true,
                },
                "version" => true,
                "labelSelector" => self.selected(wanted, "labels")?,
                "annotationSelector" => self.selected(wanted, "annotations")?,
                _ => return None,
            };
        }
        Some(meant)
    }

    /// Whether a selector, `a=b,c=d`, chooses it.
    fn selected(&self, selector: &str, what: &str) -> Option<bool> {
        let labels = self.tree.get("metadata").and_then(|metadata| metadata.get(what));
        let mut all = true;
        for one in selector.split(',') {
            let (key, value) = one.split_once('=').filter(|(key, _)| !key.contains(['!', ' ', '(']))?;
            let value = value.trim_start_matches('=').trim();
            all &= labels.and_then(|labels| labels.word(key.trim())) == Some(value);
        }
        Some(all)
    }

    fn patch(&mut self, patch: &Tree) {
        match &patch.value {
            Value::List(operations) => operations.iter().for_each(|operation| self.tree.apply(operation)),
            Value::Map(_) if patch.is_deletion() => self.gone = true,
            Value::Map(_) => {
                let mut patch = patch.clone();
                // What it is called decides what it is for, and changes nothing.
                if let Some(Value::Map(entries)) = patch.get_mut("metadata").map(|metadata| &mut metadata.value) {
                    entries.retain(|(key, _)| key != "name" && key != "namespace");
                }
                if let Value::Map(entries) = &mut patch.value {
                    entries.retain(|(key, _)| key != "kind" && key != "apiVersion");
                }
                self.tree.merge(patch);
            }
            _ => {}
        }
    }
}

/// Whether a name fits a pattern, which must fit all of it.
fn fits(pattern: &str, name: &str) -> Option<bool> {
    if pattern.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Some(pattern == name);
    }
    Regex::new(&format!("^(?:{pattern})$")).ok().map(|regex| regex.is_match(name))
}

impl Build {
    fn write(&self) -> Written {
        let mut written = Written::default();
        for item in self.items.iter().filter(|item| !item.gone) {
            written.line(item.tree.place, "---");
            item.tree.write(0, &mut written);
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BASE: &str =
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\ndata:\n  a: one\n  b: |\n    x\n    y\n  l: [1, 2]\n";

    fn built(texts: &[(&str, &str)]) -> Option<Files> {
        build(&Files::of(texts)).map(|built| built.files)
    }

    fn text_of(files: &Files) -> String {
        files
            .iter()
            .find(|(_, text)| !text.sources().is_empty())
            .map(|(_, text)| text.text.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn patches_change_what_they_name_and_lines_know_their_files() {
        let overlay = "resources: [../base]\npatches:\n- patch: |-\n    apiVersion: v1\n    kind: ConfigMap\n    metadata: {name: c}\n    data: {a: null, c: new}\n- path: ops.yaml\n  target: {kind: ConfigMap, name: 'c.*'}\n";
        let ops = "- {op: replace, path: /data/l/1, value: three}\n- {op: remove, path: /data/none}\n- {op: add, path: /metadata/annotations, value: {x~y: z}}\n";
        let texts = [
            ("base/c.yaml", BASE),
            ("base/kustomization.yaml", "resources: [c.yaml]\n"),
            ("prod/kustomization.yaml", overlay),
            ("prod/ops.yaml", ops),
        ];
        let files = built(&texts).expect("a build");
        let text = text_of(&files);
        assert!(text.contains("  b: |\n    x\n    y\n"), "{text}");
        assert!(text.contains("    - three\n") && text.contains("  c: new\n") && !text.contains("a: one"), "{text}");
        let number =
            files.iter().find(|(_, text)| !text.sources().is_empty()).map(|(number, _)| number).expect("a text");
        let origin = |word: &str| {
            let at = text.find(word).expect("a word") as u32;
            let place = files.original(Place { file: number, start: at, end: at + word.len() as u32 });
            (files.get(place.file).path().to_owned(), files.snippet(place).to_owned())
        };
        assert_eq!(origin("y\n"), ("base/c.yaml".to_owned(), "y".to_owned()));
        assert_eq!(origin("three"), ("prod/ops.yaml".to_owned(), "value: three".to_owned()));
        assert_eq!(origin("c: new"), ("prod/kustomization.yaml".to_owned(), "c: new".to_owned()));
        assert!(files.iter().any(|(_, text)| text.path() == "base/c.yaml" && text.is_superseded()));
    }

    #[test]
    fn what_changes_nothing_or_is_not_followed_is_left() {
        let base = [("base/c.yaml", BASE), ("base/kustomization.yaml", "resources: [c.yaml]\n")];
        let with = |overlay: &'static str| [&base[..], &[("prod/kustomization.yaml", overlay)]].concat();
        assert!(built(&with("resources: [../base]\nnamespace: n\n")).is_none());
        assert!(built(&base).is_none());
        let patched = "resources: [../base]\nvars: [{name: V}]\npatches:\n- patch: |-\n    kind: ConfigMap\n    metadata: {name: c}\n    data: {a: two}\n";
        let built = build(&Files::of(&with(patched))).expect("a hole");
        assert_eq!(built.holes.len(), 1);
        assert!(built.files.iter().all(|(_, text)| !text.is_superseded()));
    }

    #[test]
    fn circles_end() {
        let texts = [
            ("a/kustomization.yaml", "resources: [../b, c.yaml]\n"),
            ("b/kustomization.yaml", "resources: [../a]\n"),
            ("a/c.yaml", BASE),
            (
                "d/kustomization.yaml",
                "resources: [../a]\npatches: [{patch: \"kind: ConfigMap\\nmetadata: {name: c}\\nx: y\"}]\n",
            ),
        ];
        assert!(built(&texts).is_none_or(|files| files.iter().all(|(_, text)| !text.is_superseded())));
    }

    proptest! {
        #[test]
        fn never_panics(words in prop::collection::vec(prop::sample::select(vec![
            "resources: [../base]\n", "patches:\n", "- path: ops.yaml\n", "- patch: |-\n", "    kind: ConfigMap\n", "  target: {kind: '['}\n",
            "    metadata: {name: c}\n", "    data: {l: [{$patch: delete}], b: null}\n", "    - {op: add, path: /data/l/-, value: 1}\n",
            "    - {op: remove, path: /data/l/9}\n", "namePrefix: é-\n", "{{ x }}\n", "configMapGenerator: [{name: c, literals: [a=b]}]\n",
        ]), 0..14)) {
            let overlay = words.concat();
            let _ = built(&[("base/c.yaml", BASE), ("base/kustomization.yaml", "resources: [c.yaml]\n"), ("prod/kustomization.yaml", &overlay)]);
        }
    }
}
