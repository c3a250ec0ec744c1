//! Kubernetes objects as the texts of a scan have them: documents of YAML and JSON, lists of them, and what can be read of
//! Helm's templates; how one object names others, and which of several environments it belongs to.
//!
//! One repository often holds an object several times over: an overlay for each environment, an example beside another.
//! Where two branches of the folders hold an object of the same kind, namespace and name, they are taken for two
//! environments, and nothing in one is seen from the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::documents::Documents;
use super::files::Files;
use super::graft;
use super::place::Place;
use super::tree::At;
use crate::syntax::blank::UNKNOWN;
use crate::syntax::inner::{self, Inner};
use crate::syntax::yaml::{self, Kind, Node};

/// What is said of a text in which a template puts something.
const FILLED_IN: &str = "a template fills in parts of it; audit the output of `helm template`";
/// What is said of a document that a template keeps from being read.
const UNREADABLE: &str = "a template that can't be read as it stands; audit the output of `helm template`";
/// How deep lists of objects may nest.
const DEEP: usize = 4;

/// Whether a text may hold Kubernetes objects; cheap.
pub fn may_hold_objects(text: &str) -> bool {
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    has("apiVersion") && has("kind")
}

/// Whether a text may hold Services or pods: they say whose listener a name of the cluster leads to. Cheap.
pub fn may_hold_pods(name: &str, text: &str) -> bool {
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    [".yaml", ".yml", ".json"].iter().any(|ending| name.ends_with(ending))
        && (has("containers") || has("Service") && has("selector"))
        && may_hold_objects(text)
}

/// Whether a text may hold a service that only stands for a host, which configuration elsewhere leads to; cheap.
pub fn stands_for_a_host(text: &str) -> bool {
    memchr::memmem::find(text.as_bytes(), b"externalName").is_some() && may_hold_objects(text)
}

/// The documents of some texts, read.
#[derive(Debug, Default)]
pub struct Manifests {
    texts: Vec<(u32, Arc<Documents>)>,
    holes: Vec<(Place, String)>,
}

impl Manifests {
    /// Reads these texts, and those of services that only stand for a host, whoever's they are. A document that can't be
    /// read becomes a hole.
    pub fn read(files: &Files, numbers: &[u32]) -> Self {
        let mut read = Self::default();
        let hosts = files.iter().filter(|(_, text)| stands_for_a_host(&text.text)).map(|(number, _)| number);
        let numbers: BTreeSet<u32> = numbers.iter().copied().chain(hosts).collect();
        for file in numbers {
            let text = &files.get(file).text;
            let documents = files.get(file).documents().clone();
            let place = |at: usize| {
                let at = u32::try_from(at.min(text.len())).unwrap_or(u32::MAX);
                Place { file, start: at, end: at }
            };
            if documents.template {
                read.holes.push((place(text.find("{{").unwrap_or(0)), FILLED_IN.to_owned()));
            }
            for (start, reason) in &documents.broken {
                // Definitions of kinds are no objects of those kinds.
                if text[*start..].lines().take(40).any(|line| line == "kind: CustomResourceDefinition") {
                    continue;
                }
                let reason = if documents.template { UNREADABLE } else { reason };
                read.holes.push((place(*start), reason.to_owned()));
            }
            read.texts.push((file, documents));
        }
        read
    }

    /// What could not be read, and why. Texts in which a template puts something are listed here, too.
    pub fn holes(&self) -> &[(Place, String)] {
        &self.holes
    }

    /// The roots of all documents, objects or not: values of Helm are none.
    pub fn roots(&self) -> impl Iterator<Item = At<'_>> {
        self.texts.iter().flat_map(|(file, text)| text.read.iter().map(|node| At::root(*file, node)))
    }

    /// What of that concerns objects of these groups: documents that can't be read, and templates within such objects.
    pub fn unread(&self, objects: &Objects<'_>, groups: &[&str]) -> Vec<(Place, String)> {
        let filled_in: BTreeSet<u32> = objects
            .iter()
            .filter(|object| object.template && object.group.is_none_or(|group| groups.contains(&group)))
            .filter(|object| object.at.holds_template())
            .map(|object| object.at.file)
            .collect();
        let concern = |(place, reason): &&(Place, String)| {
            if reason == FILLED_IN {
                return filled_in.contains(&place.file);
            }
            let text = objects.files.get(place.file).text.get(place.start as usize..).unwrap_or_default();
            let end = text.get(1..).and_then(|rest| rest.find("\n---")).map_or(text.len(), |at| at + 1);
            groups.iter().any(|group| memchr::memmem::find(&text.as_bytes()[..end], group.as_bytes()).is_some())
        };
        self.holes.iter().filter(concern).cloned().collect()
    }

    /// The objects in the documents.
    pub fn objects<'a>(&'a self, files: &'a Files) -> Objects<'a> {
        let mut all = Vec::new();
        for (file, text) in &self.texts {
            text.read.iter().for_each(|node| collect(At::root(*file, node), text.template, DEEP, &mut all));
        }
        Objects::new(files, all)
    }
}

fn collect<'a>(at: At<'a>, template: bool, deep: usize, into: &mut Vec<Object<'a>>) {
    if let Kind::Sequence(_) = at.node.kind {
        return at.items().filter(|_| deep > 0).for_each(|item| collect(item, template, deep - 1, into));
    }
    let (Some(api), Some(kind)) = (at.node.get("apiVersion").and_then(Node::text), at.word("kind")) else { return };
    if kind.ends_with("List") && at.get("items").is_some() {
        return at.list("items").filter(|_| deep > 0).for_each(|item| collect(item, template, deep - 1, into));
    }
    let named = |key: &str| at.path(&["metadata", key]).and_then(known);
    let api = api.trim();
    let (group, version) = api.rsplit_once('/').unwrap_or(("", api));
    let group = (!api.contains([UNKNOWN, '$'])).then_some(group);
    into.push(Object { group, version, kind, namespace: named("namespace"), name: named("name"), at, template });
}

/// The text of a scalar that neither a template nor a variable has a part in.
pub fn known(at: At<'_>) -> Option<&str> {
    at.text().filter(|text| !text.is_empty() && !text.contains("${") && !text.contains("$("))
}

/// An object.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a> {
    /// Its API group, empty for the core; nothing where a template decides.
    pub group: Option<&'a str>,
    /// The version within the group.
    pub version: &'a str,
    /// Its kind: `Ingress`.
    pub kind: &'a str,
    /// Its namespace; nothing where it is left out (whoever applies it says) or not known.
    pub namespace: Option<&'a str>,
    /// Its name; nothing where it is not known.
    pub name: Option<&'a str>,
    /// All of it.
    pub at: At<'a>,
    /// A template has a part in the text it stands in: what is not there may be put there.
    pub template: bool,
}

impl<'a> Object<'a> {
    /// Whether it is of that kind in one of these groups.
    pub fn is(&self, groups: &[&str], kind: &str) -> bool {
        self.kind == kind && self.group.is_none_or(|group| groups.contains(&group))
    }

    /// Its `spec`.
    pub fn spec(&self) -> Option<At<'a>> {
        self.at.get("spec")
    }

    /// Its annotations, with their full names.
    pub fn annotations(&self) -> impl Iterator<Item = (&'a str, At<'a>)> + use<'a> {
        self.at.path(&["metadata", "annotations"]).into_iter().flat_map(At::entries)
    }

    /// An annotation.
    pub fn annotation(&self, name: &str) -> Option<At<'a>> {
        self.annotations().find(|(key, _)| *key == name).map(|(_, at)| at)
    }

    /// Its labels.
    pub fn labels(&self) -> Option<At<'a>> {
        self.at.path(&["metadata", "labels"])
    }

    /// The pods that it makes, if it makes any: what `spec.template` says of them, or itself.
    pub fn pod(&self) -> Option<At<'a>> {
        match self.kind {
            "Pod" => Some(self.at),
            "Deployment" | "DaemonSet" | "StatefulSet" | "ReplicaSet" | "Job" => self.at.path(&["spec", "template"]),
            "CronJob" => self.at.path(&["spec", "jobTemplate", "spec", "template"]),
            _ => None,
        }
    }

    /// How it is called in reports: `Ingress shop/api`.
    pub fn label(&self) -> String {
        let name = self.name.unwrap_or("without a known name");
        match self.namespace {
            Some(namespace) => format!("{} {namespace}/{name}", self.kind),
            None => format!("{} {name}", self.kind),
        }
    }
}

/// Whether a template may put lines into an object's metadata that can't be seen: annotations from values, for one.
pub fn has_open_metadata(files: &Files, object: &Object<'_>) -> bool {
    let Some(metadata) = object.at.get("metadata").filter(|_| object.template) else { return false };
    let end = object.spec().map(|spec| spec.place().start as usize).filter(|end| *end > metadata.node.bytes.0);
    let text = &files.get(object.at.file).text;
    let stretch = text.get(metadata.node.bytes.0..end.unwrap_or(metadata.node.bytes.1)).unwrap_or_default();
    stretch.lines().any(|line| {
        let Some(statement) = line.trim().strip_prefix("{{") else { return false };
        let word = statement.trim_start_matches(['-', ' ']).split([' ', '}', '-']).next().unwrap_or_default();
        !matches!(word, "if" | "else" | "end") && !word.starts_with("/*")
    })
}

/// Whether two namespaces may be one: one that is left out or not known may be any.
pub fn may_be_same(a: Option<&str>, b: Option<&str>) -> bool {
    a.is_none() || b.is_none() || a == b
}

/// Whether a selector, `matchLabels` or the plain map, chooses what has these labels. Nothing selected by nothing; `None`
/// where a template decides, or an expression that is not followed.
pub fn selects(selector: At<'_>, labels: Option<At<'_>>) -> Option<bool> {
    if selector.get("matchExpressions").is_some() || selector.holds_template() {
        return None;
    }
    let wanted = selector.get("matchLabels").unwrap_or(selector);
    let Some(labels) = labels else { return Some(wanted.entries().next().is_none()) };
    if labels.holds_template() {
        return None;
    }
    Some(wanted.entries().all(|(key, value)| {
        labels.entries().any(|(name, label)| name == key && label.node.text() == value.node.text())
    }))
}

/// The names of a service's port as other configurations write them, lower case.
pub fn service_names(service: &str, namespace: Option<&str>, port: &str) -> Vec<String> {
    let service = service.to_ascii_lowercase();
    match namespace.map(str::to_ascii_lowercase) {
        None => vec![format!("{service}:{port}")],
        Some(namespace) => ["", ".svc", ".svc.cluster.local"]
            .iter()
            .map(|suffix| format!("{service}.{namespace}{suffix}:{port}"))
            .collect(),
    }
}

/// The text of a scalar that is a text of another kind, with the way back to where its bytes stand.
pub fn inner(files: &Files, at: At<'_>) -> Inner {
    let text = &files.get(at.file).text;
    let (start, end) = at.node.bytes;
    let own = at.node.text().unwrap_or_default();
    // The parser lets a block begin with its first line or with its indicator.
    let head = text.get(..start).unwrap_or_default().trim_end();
    let line = head.rfind('\n').map_or(0, |at| at + 1);
    let indicator = head[line..].rfind(['|', '>']).map(|at| line + at);
    let block = || {
        inner::at(text, indicator.filter(|_| head.len() < start)?)
            .filter(|inner| inner.text.trim_end() == own.trim_end())
    };
    inner::at(text, start).or_else(block).unwrap_or_else(|| {
        // In plain and single-quoted texts the bytes stand as they are, unless the text goes over several lines.
        let raw = text.get(start..end).unwrap_or_default();
        Inner::whole(own, start + raw.find(own).unwrap_or(0), end)
    })
}

/// The tree of a text in YAML that is a scalar, with the places of its bytes outside.
pub fn inner_tree(files: &Files, at: At<'_>) -> Option<Node> {
    at.text()?;
    let inner = inner(files, at);
    let node = yaml::parse_broken(&inner.text).documents.into_iter().next()?;
    Some(graft::moved(&node, &|offset| inner.outer(offset)))
}

/// What looking for an object gives.
#[derive(Debug, Clone, Copy)]
pub enum Found<'a> {
    /// It is not among the texts.
    Nothing,
    /// It is this one.
    One(Object<'a>),
    /// Several could be meant, equally near: which one is not known.
    Several,
}

impl<'a> Found<'a> {
    /// The object, if it is known which it is.
    pub const fn one(self) -> Option<Object<'a>> {
        match self {
            Self::One(object) => Some(object),
            _ => None,
        }
    }
}

/// What makes two objects the same.
type Identity<'a> = (&'a str, Option<&'a str>, &'a str);

/// Objects, to be looked up by what names them.
#[derive(Debug)]
pub struct Objects<'a> {
    files: &'a Files,
    all: Vec<Object<'a>>,
    /// By kind and name, in the order of their paths.
    by_name: BTreeMap<(&'a str, &'a str), Vec<usize>>,
    by_kind: BTreeMap<&'a str, Vec<usize>>,
    /// By folder (with `/` at its end), the branches of it that hold the same object as another branch.
    rivals: BTreeMap<String, BTreeSet<String>>,
}

impl<'a> Objects<'a> {
    fn new(files: &'a Files, all: Vec<Object<'a>>) -> Self {
        let mut by_name: BTreeMap<(&'a str, &'a str), Vec<usize>> = BTreeMap::new();
        let mut by_kind: BTreeMap<&'a str, Vec<usize>> = BTreeMap::new();
        let mut copies: BTreeMap<Identity<'a>, BTreeSet<u32>> = BTreeMap::new();
        for (number, object) in all.iter().enumerate() {
            by_kind.entry(object.kind).or_default().push(number);
            let Some(name) = object.name else { continue };
            by_name.entry((object.kind, name)).or_default().push(number);
            copies.entry((object.kind, object.namespace, name)).or_default().insert(object.at.file);
        }
        for numbers in by_name.values_mut().filter(|numbers| numbers.len() > 1) {
            numbers.sort_by_key(|number| (files.get(all[*number].at.file).path(), *number));
        }
        let mut rivals: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for holders in copies.values().filter(|holders| holders.len() > 1) {
            let mut branches: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
            for file in holders {
                for (folder, branch) in levels(files.get(*file).path()) {
                    branches.entry(folder).or_default().insert(branch);
                }
            }
            for (folder, branches) in branches.into_iter().filter(|(_, branches)| branches.len() > 1) {
                rivals.entry(folder.to_owned()).or_default().extend(branches.into_iter().map(str::to_owned));
            }
        }
        Self { files, all, by_name, by_kind, rivals }
    }

    /// All objects, in the order of their files.
    pub fn iter(&self) -> impl Iterator<Item = Object<'a>> {
        self.all.iter().copied()
    }

    /// All objects of a kind in one of these groups.
    pub fn of_kind(&self, groups: &[&str], kind: &str) -> impl Iterator<Item = Object<'a>> {
        let numbers = self.by_kind.get(kind).map_or(&[][..], Vec::as_slice);
        numbers.iter().map(|number| self.all[*number]).filter(move |object| object.is(groups, kind))
    }

    /// The texts of one environment: those that are seen from each of the files that only this one has. An environment is
    /// a sorted list of numbers; texts that no environment claims belong to all of them.
    pub fn environments(&self) -> Vec<Vec<u32>> {
        let numbers: BTreeSet<u32> = self.all.iter().map(|object| object.at.file).collect();
        // What lies in one scope sees the same: scopes are compared, not files.
        let mut by_scope: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for file in numbers {
            by_scope.entry(self.scope(file)).or_default().push(file);
        }
        let mut tree = Branch::default();
        for (scope, files) in &by_scope {
            let mut at = &mut tree;
            for (folder, branch) in levels(scope.trim_end_matches('/')).filter(|_| !scope.is_empty()) {
                let rival = self.rivals.get(folder).is_some_and(|rivals| rivals.contains(branch));
                let kept = if rival { &mut at.rivals } else { &mut at.others };
                at = kept.entry(branch).or_default();
            }
            at.files.extend(files);
        }
        let mut environments = Vec::new();
        let mut scopes = by_scope.keys().peekable();
        while let Some(scope) = scopes.next() {
            // What all share is no environment where there are some. Those within a scope come next.
            if scopes.peek().is_some_and(|next| next.starts_with(scope.as_str())) {
                continue;
            }
            let mut files = Vec::new();
            tree.seen_from(scope.trim_end_matches('/'), &mut files);
            files.sort_unstable();
            environments.push(files);
        }
        environments
    }

    /// The innermost branch around a file that has a rival.
    fn scope(&self, file: u32) -> String {
        let contested = levels(self.files.get(file).path())
            .filter(|(folder, branch)| self.rivals.get(*folder).is_some_and(|rivals| rivals.contains(*branch)));
        contested.last().map_or(String::new(), |(folder, branch)| format!("{folder}{branch}/"))
    }

    /// Whether what stands in one text can be meant by what stands in another: no two environments lie between.
    pub fn sees(&self, from: u32, other: u32) -> bool {
        let (a, b) = (self.files.get(from).path(), self.files.get(other).path());
        let parted = levels(a).zip(levels(b)).find(|((_, a), (_, b))| a != b);
        parted.is_none_or(|((folder, a), (_, b))| {
            self.rivals.get(folder).is_none_or(|rivals| !rivals.contains(a) || !rivals.contains(b))
        })
    }

    /// The object of that kind and name that a text means: of those it can see, the nearest by folders.
    pub fn find(&self, from: u32, groups: &[&str], kind: &str, namespace: Option<&str>, name: &str) -> Found<'a> {
        let numbers = self.by_name.get(&(kind, name)).map_or(&[][..], Vec::as_slice);
        let path = |number: &usize| self.files.get(self.all[*number].at.file).path();
        let here = self.files.get(from).path();
        // Outwards, folder by folder: those of one lie side by side in the order of their paths.
        let mut done = 0..0;
        let folders = levels(here).map(|(folder, _)| folder).collect::<Vec<_>>();
        for around in std::iter::once(here).chain(folders.into_iter().rev()) {
            let start = numbers.partition_point(|number| path(number) < around);
            let within = |number: &usize| path(number) == here || around != here && path(number).starts_with(around);
            let end = start + numbers[start..].partition_point(within);
            let beside = (start..done.start.clamp(start, end)).chain(done.end.clamp(start, end)..end);
            let found = self.nearest(from, groups, kind, namespace, beside.map(|at| numbers[at]));
            if !matches!(found, Found::Nothing) {
                return found;
            }
            done = start..end;
        }
        Found::Nothing
    }

    /// The nearest of these objects.
    fn nearest(
        &self,
        from: u32,
        groups: &[&str],
        kind: &str,
        namespace: Option<&str>,
        numbers: impl Iterator<Item = usize>,
    ) -> Found<'a> {
        let mut best: Option<((usize, bool), Object<'a>)> = None;
        let mut several = false;
        for object in numbers.map(|number| self.all[number]) {
            let file = object.at.file;
            if !object.is(groups, kind) || !may_be_same(object.namespace, namespace) || !self.sees(from, file) {
                continue;
            }
            let near = (self.nearness(from, file), object.namespace == namespace);
            match &best {
                Some((known, _)) if *known > near => {}
                Some((known, _)) if *known == near => several = true,
                _ => {
                    several = false;
                    best = Some((near, object));
                }
            }
        }
        match best {
            None => Found::Nothing,
            Some(_) if several => Found::Several,
            Some((_, object)) => Found::One(object),
        }
    }

    /// The host that a service only stands for, if it does (`type: ExternalName`).
    pub fn external_name(&self, from: u32, namespace: Option<&str>, service: &str) -> Option<&'a str> {
        let spec = self.find(from, &[""], "Service", namespace, service).one()?.spec()?;
        spec.get("externalName").filter(|_| spec.word("type") == Some("ExternalName")).and_then(known)
    }

    /// The names of a service's port as [`service_names`] gives them; of a service that only stands for a host, that host's.
    pub fn service_names(&self, from: u32, namespace: Option<&str>, service: &str, port: &str) -> Vec<String> {
        match self.external_name(from, namespace, service) {
            Some(host) => vec![format!("{}:{port}", host.to_ascii_lowercase())],
            None => service_names(service, namespace, port),
        }
    }

    /// How many folders two texts have in common, the same text most of all.
    fn nearness(&self, a: u32, b: u32) -> usize {
        if a == b {
            return usize::MAX;
        }
        let (a, b) = (self.files.get(a).path(), self.files.get(b).path());
        levels(a).zip(levels(b)).take_while(|(a, b)| a == b).count()
    }
}

/// A folder of a tree of scopes.
#[derive(Default)]
struct Branch<'p> {
    /// The files of the scope that ends here.
    files: Vec<u32>,
    /// Branches that don't see each other.
    rivals: BTreeMap<&'p str, Branch<'p>>,
    others: BTreeMap<&'p str, Branch<'p>>,
}

impl Branch<'_> {
    /// All files that are seen from a scope below.
    fn seen_from(&self, scope: &str, into: &mut Vec<u32>) {
        into.extend(&self.files);
        let (branch, rest) = scope.split_once('/').unwrap_or((scope, ""));
        let rival = self.rivals.get(branch);
        if let Some(own) = rival.or_else(|| self.others.get(branch)) {
            own.seen_from(rest, into);
        }
        self.others.iter().filter(|(name, _)| **name != branch).for_each(|(_, other)| other.all(into));
        if rival.is_none() {
            self.rivals.values().for_each(|other| other.all(into));
        }
    }

    fn all(&self, into: &mut Vec<u32>) {
        into.extend(&self.files);
        self.rivals.values().chain(self.others.values()).for_each(|branch| branch.all(into));
    }
}

/// Things by the file they stand in: what an environment has of them is looked up.
#[derive(Debug)]
pub struct ByFile<T>(BTreeMap<u32, Vec<T>>);

impl<T> ByFile<T> {
    /// These, with their files.
    pub fn new(all: impl IntoIterator<Item = (u32, T)>) -> Self {
        let mut by_file: BTreeMap<u32, Vec<T>> = BTreeMap::new();
        all.into_iter().for_each(|(file, one)| by_file.entry(file).or_default().push(one));
        Self(by_file)
    }

    /// Those of these files, in their order.
    pub fn within<'s>(&'s self, files: &'s [u32]) -> impl Iterator<Item = &'s T> {
        files.iter().filter_map(|file| self.0.get(file)).flatten()
    }
}

/// The folders around a path, each with the branch that leads on to it: `a/b` as `("", "a")`, `("a/", "b")`.
fn levels(path: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut start = 0;
    let mut done = false;
    std::iter::from_fn(move || {
        if done {
            return None;
        }
        let end = path[start..].find('/').map_or(path.len(), |at| start + at);
        let level = (&path[..start], &path[start..end]);
        done = end == path.len();
        start = (end + 1).min(path.len());
        Some(level)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(files: &Files, path: &str) -> u32 {
        files.iter().find(|(_, text)| text.path() == path).map(|(number, _)| number).expect("a file")
    }

    fn read(files: &Files) -> Manifests {
        let numbers: Vec<u32> = files.iter().map(|(number, _)| number).collect();
        Manifests::read(files, &numbers)
    }

    fn object(kind: &str, rest: &str) -> String {
        format!("apiVersion: example.org/v1\nkind: {kind}\nmetadata:\n{rest}")
    }

    #[test]
    fn documents_lists_and_json_are_objects() {
        let list = "kind: List\napiVersion: v1\nitems:\n- apiVersion: networking.k8s.io/v1\n  kind: Ingress\n  metadata: {name: a, namespace: n, annotations: {x/y_z: \"1\"}}\n---\n# nothing\n---\napiVersion: v1\nkind: Service\nmetadata:\n  name: s\n";
        let json = "{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"name\": \"c\"}}";
        let files = Files::of(&[("a.yaml", list), ("b.json", json)]);
        let manifests = read(&files);
        let objects = manifests.objects(&files);
        let labels: Vec<String> = objects.iter().map(|object| object.label()).collect();
        assert_eq!(labels, ["Ingress n/a", "Service s", "ConfigMap c"]);
        let ingress = objects.of_kind(&["networking.k8s.io"], "Ingress").next().expect("an object");
        assert_eq!(ingress.annotation("x/y_z").and_then(At::text), Some("1"));
        assert!(objects.of_kind(&["extensions"], "Ingress").next().is_none(), "another group");
        assert!(manifests.holes().is_empty());
    }

    #[test]
    fn what_a_template_leaves_is_read() {
        let text = "{{- if .Values.on }}\napiVersion: {{ include \"api\" . }}\nkind: Ingress\nmetadata:\n  name: {{ .Values.name }}\n  namespace: n\n{{- end }}\n---\na: [\n{{ x }}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\n";
        let files = Files::of(&[("templates/a.yaml", text)]);
        let manifests = read(&files);
        let objects: Vec<Object<'_>> = manifests.objects(&files).iter().collect();
        let [ingress, service] = objects.as_slice() else { panic!("{objects:?}") };
        assert_eq!((ingress.group, ingress.name, ingress.namespace), (None, None, Some("n")));
        assert!(ingress.is(&["networking.k8s.io"], "Ingress") && ingress.template);
        assert_eq!(service.name, Some("s"));
        assert_eq!(manifests.holes().len(), 2, "{:?}", manifests.holes());
    }

    #[test]
    fn the_nearest_is_meant_and_no_other_environment() {
        let one = |name: &str| object("Middleware", &format!("  name: {name}\n"));
        let (auth, both) = (one("auth"), format!("{}---\n{}", one("twice"), one("twice")));
        let files = Files::of(&[
            ("k/base/shared.yaml", &one("shared")),
            ("k/dev/a.yaml", &auth),
            ("k/dev/b.yaml", &one("only-dev")),
            ("k/prod/a.yaml", &auth),
            ("k/prod/b.yaml", &one("other")),
            ("k/prod/both.yaml", &both),
        ]);
        let manifests = read(&files);
        let objects = manifests.objects(&files);
        let find = |from: &str, name: &str| {
            let found = objects.find(number(&files, from), &["example.org"], "Middleware", Some("n"), name);
            match found {
                Found::Nothing => "nothing".to_owned(),
                Found::Several => "several".to_owned(),
                Found::One(object) => files.get(object.at.file).path().to_owned(),
            }
        };
        assert_eq!(find("k/prod/b.yaml", "auth"), "k/prod/a.yaml");
        assert_eq!(find("k/dev/b.yaml", "auth"), "k/dev/a.yaml");
        assert_eq!(find("k/dev/b.yaml", "shared"), "k/base/shared.yaml");
        assert_eq!(find("k/prod/b.yaml", "only-dev"), "nothing", "another environment's");
        assert_eq!(find("k/base/shared.yaml", "auth"), "several", "one of two environments");
        assert_eq!(find("k/prod/b.yaml", "twice"), "several");
        let environments: Vec<Vec<&str>> = objects
            .environments()
            .iter()
            .map(|numbers| numbers.iter().map(|number| files.get(*number).path()).collect())
            .collect();
        assert_eq!(
            environments,
            [
                vec!["k/base/shared.yaml", "k/dev/a.yaml", "k/dev/b.yaml"],
                vec!["k/base/shared.yaml", "k/prod/a.yaml", "k/prod/b.yaml", "k/prod/both.yaml"],
            ]
        );
    }

    #[test]
    fn without_rivals_there_is_one_environment() {
        let files = Files::of(&[
            ("a/x.yaml", &object("Ingress", "  name: a\n  namespace: m\n")),
            ("b/x.yaml", &object("Ingress", "  name: a\n  namespace: n\n")),
        ]);
        let manifests = read(&files);
        let objects = manifests.objects(&files);
        assert_eq!(objects.environments(), [vec![0, 1]]);
        assert!(
            matches!(objects.find(0, &["example.org"], "Ingress", Some("n"), "a"), Found::One(o) if o.at.file == 1)
        );
        assert!(matches!(objects.find(0, &["example.org"], "Ingress", None, "a"), Found::One(o) if o.at.file == 0));
    }

    #[test]
    fn labels_are_selected() {
        let text = "s: {matchLabels: {app: a}}\np: {app: a, x: y}\nq: {app: b}\nr: {matchExpressions: []}\n";
        let stream = yaml::parse(text);
        let root = At::root(0, &stream.documents[0]);
        let s = root.get("s").expect("a selector");
        assert_eq!(selects(s, root.get("p")), Some(true));
        assert_eq!(selects(s, root.get("q")), Some(false));
        assert_eq!(selects(s, None), Some(false));
        assert_eq!(selects(root.get("r").expect("a selector"), root.get("p")), None);
    }

    #[test]
    fn inner_texts_keep_their_places() {
        let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  a.conf: |-\n    server:\n      listen 1;\n  b: 'listen 2;'\n  c: listen 3;\n";
        let files = Files::of(&[("a.yaml", text)]);
        let manifests = read(&files);
        let objects = manifests.objects(&files);
        let data = objects.iter().next().and_then(|object| object.at.get("data")).expect("data");
        for (key, digit) in [("a.conf", '1'), ("b", '2'), ("c", '3')] {
            let inner = inner(&files, data.get(key).expect("an entry"));
            let at = inner.text.find(digit).expect("a digit");
            assert_eq!(Some(inner.outer(at)), text.find(&format!("listen {digit}")).map(|at| at + 7), "{key}");
        }
    }
}
