//! From trees to servers: includes, definitions, macros and conditions on the start-up resolved, directives sorted by
//! the scope in which they act.

use std::collections::{BTreeMap, BTreeSet};

use crate::gateway::Hole;
use crate::gateway::files::Files;
use crate::gateway::hop::Place;
use crate::syntax::apache::{Document, Node, Word};
use crate::syntax::template::Guard;

/// Includes and macros may nest so deep.
const MAX_DEPTH: usize = 16;
/// So many directives one configuration may have, everything included.
const MAX_DIRECTIVES: usize = 200_000;

/// A directive.
#[derive(Debug, Clone)]
pub(super) struct Directive {
    pub(super) name: String,
    pub(super) words: Vec<Word>,
    pub(super) place: Place,
    pub(super) guards: Vec<Guard>,
}

impl Directive {
    /// The text of a word; nothing past the last.
    pub(super) fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", |word| word.text.as_str())
    }
}

/// What a section is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// Requests whose path begins so.
    Location(String),
    /// Requests whose path matches.
    LocationMatch(String),
    /// Requests that are passed on to URLs that begin so (or match).
    Proxy { pattern: String, regex: bool },
    /// Files on disk: no matter to what is passed on by its path.
    Files(String),
    /// Requests for which this holds; `true`: it hangs on the section before.
    If(String, bool),
    /// What is in the way of methods.
    Limit(String),
}

/// A section with its directives, and those within it.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) scope: Scope,
    pub(super) directives: Vec<Directive>,
    pub(super) sections: Vec<Section>,
    pub(super) guards: Vec<Guard>,
    pub(super) place: Place,
}

/// The main server, or a virtual host.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// The addresses of a virtual host; none for the main server.
    pub(super) addresses: Vec<String>,
    pub(super) body: Section,
    /// Something that was to be included is not here.
    pub(super) partial: bool,
}

/// A configuration.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) main: Server,
    pub(super) hosts: Vec<Server>,
    pub(super) files: BTreeSet<u32>,
    pub(super) holes: Vec<Hole>,
}

/// Reads a configuration from `root` on.
pub(super) fn load(files: &Files, documents: &BTreeMap<u32, Document>, root: u32) -> Loaded {
    let nowhere = Place { file: root, start: 0, end: 0 };
    let mut loader = Loader {
        files,
        documents,
        root,
        read: BTreeSet::new(),
        holes: Vec::new(),
        defines: BTreeMap::new(),
        macros: BTreeMap::new(),
        hosts: Vec::new(),
        left: MAX_DIRECTIVES,
        missing: 0,
    };
    let mut main = server(Vec::new(), nowhere);
    loader.file(root, &mut main.body, 0);
    main.partial = loader.missing > 0;
    let Loader { read, mut holes, hosts, .. } = loader;
    holes.sort_by_key(|hole| hole.place);
    holes.dedup();
    Loaded { main, hosts, files: read, holes }
}

fn server(addresses: Vec<String>, place: Place) -> Server {
    let body = Section {
        scope: Scope::Location("/".to_owned()),
        directives: Vec::new(),
        sections: Vec::new(),
        guards: Vec::new(),
        place,
    };
    Server { addresses, body, partial: false }
}

/// What is included, for finding out which files are roots.
pub(super) fn included(files: &Files, number: u32, document: &Document) -> BTreeSet<u32> {
    fn walk(files: &Files, number: u32, nodes: &[Node], found: &mut BTreeSet<u32>) {
        for node in nodes {
            if matches!(node.name.as_str(), "include" | "includeoptional") {
                found.extend(resolve(files, number, number, node.word(0)));
            }
            walk(files, number, node.children.as_deref().unwrap_or_default(), found);
        }
    }
    let mut found = BTreeSet::new();
    walk(files, number, &document.nodes, &mut found);
    found
}

fn resolve(files: &Files, from: u32, root: u32, pattern: &str) -> Vec<u32> {
    if pattern.is_empty() || pattern.contains("${") || pattern.contains("{{") {
        return Vec::new();
    }
    let found = files.resolve(from, root, pattern.trim_end_matches('/'));
    // A folder means all that is in it.
    if found.is_empty() && !pattern.contains('*') && !pattern.ends_with(".conf") {
        return files.resolve(from, root, &format!("{}/*", pattern.trim_end_matches('/')));
    }
    found
}

struct Loader<'a> {
    files: &'a Files,
    documents: &'a BTreeMap<u32, Document>,
    root: u32,
    read: BTreeSet<u32>,
    holes: Vec<Hole>,
    defines: BTreeMap<String, String>,
    macros: BTreeMap<String, (u32, Node)>,
    hosts: Vec<Server>,
    left: usize,
    /// How many includes led nowhere so far.
    missing: usize,
}

impl Loader<'_> {
    fn file(&mut self, number: u32, into: &mut Section, depth: usize) {
        let documents = self.documents;
        let Some(document) = documents.get(&number) else { return };
        if self.read.insert(number) {
            for (start, end, reason) in &document.holes {
                self.hole(Place { file: number, start: *start as u32, end: *end as u32 }, reason);
            }
        }
        self.nodes(number, &document.nodes, into, depth);
    }

    fn hole(&mut self, place: Place, reason: &str) {
        self.holes.push(Hole { place, reason: reason.to_owned() });
    }

    fn nodes(&mut self, file: u32, nodes: &[Node], into: &mut Section, depth: usize) {
        for node in nodes {
            if self.left == 0 {
                return;
            }
            self.left -= 1;
            self.node(file, node, into, depth);
        }
    }

    fn node(&mut self, file: u32, node: &Node, into: &mut Section, depth: usize) {
        let place = Place { file, start: node.bytes.0 as u32, end: node.bytes.1 as u32 };
        let words: Vec<Word> = node.words.iter().map(|word| self.filled(word)).collect();
        let first = words.first().map_or("", |word| word.text.as_str()).to_owned();
        let Some(children) = &node.children else {
            match node.name.as_str() {
                "include" | "includeoptional" => self.include(file, &first, node.name == "include", place, into, depth),
                "define" => {
                    let value = words.get(1).map_or(String::new(), |word| word.text.clone());
                    self.defines.insert(first, value);
                }
                "undefine" => _ = self.defines.remove(&first),
                "use" => self.apply(&words, place, into, depth),
                _ => into.directives.push(Directive {
                    name: node.name.clone(),
                    words,
                    place,
                    guards: both(&into.guards, &node.guards),
                }),
            }
            return;
        };
        let scope = match node.name.as_str() {
            "virtualhost" => {
                let addresses = words.iter().map(|word| word.text.clone()).collect();
                let mut host = server(addresses, place);
                host.body.guards = both(&into.guards, &node.guards);
                let before = self.missing;
                self.nodes(file, children, &mut host.body, depth);
                host.partial = self.missing > before;
                self.hosts.push(host);
                return;
            }
            "ifmodule" | "ifversion" | "iffile" | "ifdefine" | "ifdirective" | "ifsection" => {
                let guard = self.starts(&node.name, &words);
                if guard == Some(false) {
                    return;
                }
                let outer = into.guards.clone();
                if guard.is_none() {
                    into.guards.push(Guard {
                        condition: format!("<{} {}>", written(&node.name), first.trim_start_matches('!')),
                        holds: !first.starts_with('!'),
                    });
                }
                self.nodes(file, children, into, depth);
                into.guards = outer;
                return;
            }
            "macro" => {
                self.macros.insert(first.to_ascii_lowercase(), (file, node.clone()));
                return;
            }
            "location" if first == "~" => Scope::LocationMatch(words.get(1).map_or("", |word| &word.text).to_owned()),
            "location" => Scope::Location(first),
            "locationmatch" => Scope::LocationMatch(first),
            "proxy" if first == "~" => {
                Scope::Proxy { pattern: words.get(1).map_or("", |word| &word.text).to_owned(), regex: true }
            }
            "proxy" => Scope::Proxy { pattern: first, regex: false },
            "proxymatch" => Scope::Proxy { pattern: first, regex: true },
            "directory" | "directorymatch" | "files" | "filesmatch" => {
                Scope::Files(format!("<{} {first}>", written(&node.name)))
            }
            "if" => Scope::If(first, false),
            "elseif" | "else" => {
                let mut earlier = Vec::new();
                for section in into.sections.iter().rev() {
                    let Scope::If(condition, chained) = &section.scope else { break };
                    earlier.push(format!("!({condition})"));
                    if !chained {
                        break;
                    }
                }
                if node.name == "elseif" {
                    earlier.push(format!("({first})"));
                }
                Scope::If(earlier.join(" && "), true)
            }
            "limit" => Scope::Limit(words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")),
            "limitexcept" => Scope::Limit(format!(
                "not {}",
                words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
            )),
            // Groups of conditions on access, and whatever modules bring: their lines count as those of the scope.
            "requireall" | "requireany" => {
                let from = into.directives.len();
                self.nodes(file, children, into, depth);
                if node.name == "requireall" {
                    for directive in into.directives.iter_mut().skip(from).filter(|d| d.name == "require") {
                        directive.name = "require all of".to_owned();
                    }
                }
                return;
            }
            _ => return,
        };
        let mut section = Section {
            scope,
            directives: Vec::new(),
            sections: Vec::new(),
            guards: both(&into.guards, &node.guards),
            place,
        };
        self.nodes(file, children, &mut section, depth);
        into.sections.push(section);
    }

    fn include(&mut self, file: u32, pattern: &str, must: bool, place: Place, into: &mut Section, depth: usize) {
        let found = resolve(self.files, file, self.root, pattern);
        if found.is_empty() {
            let glob = pattern.contains(['*', '?', '[']);
            // What certbot writes there is known: it turns TLS on, and says nothing of clients.
            if pattern.ends_with("options-ssl-apache.conf") {
                let name = "sslengine".to_owned();
                let words = vec![Word { text: "on".to_owned(), open: false }];
                into.directives.push(Directive { name, words, place, guards: into.guards.clone() });
            } else if must && !glob {
                self.missing += 1;
                self.hole(place, "what is included is not here");
            } else if !stock(pattern) {
                self.missing += 1;
            }
            return;
        }
        if depth >= MAX_DEPTH {
            self.hole(place, "includes nest too deep");
            return;
        }
        for number in found {
            self.file(number, into, depth + 1);
        }
    }

    /// `Use NAME arguments`.
    fn apply(&mut self, words: &[Word], place: Place, into: &mut Section, depth: usize) {
        let Some((file, body)) =
            words.first().and_then(|name| self.macros.get(&name.text.to_ascii_lowercase())).cloned()
        else {
            self.missing += 1;
            self.hole(place, "no such macro is here");
            return;
        };
        if depth >= MAX_DEPTH {
            self.hole(place, "macros nest too deep");
            return;
        }
        let mut pairs: Vec<(String, String)> = body
            .words
            .iter()
            .skip(1)
            .zip(&words[1..])
            .map(|(name, value)| (name.text.clone(), value.text.clone()))
            .filter(|(name, _)| !name.is_empty())
            .collect();
        // The longest name first: one may be the beginning of another.
        pairs.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        let nodes: Vec<Node> = body.children.iter().flatten().map(|node| replaced(node, &pairs)).collect();
        self.nodes(file, &nodes, into, depth + 1);
    }

    /// A word with what is defined put in.
    fn filled(&self, word: &Word) -> Word {
        if !word.open || !word.text.contains("${") {
            return word.clone();
        }
        let mut text = String::new();
        let mut open = word.text.contains("{{") || word.text.contains("<%");
        let mut rest = word.text.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            text.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                rest = after;
                continue;
            };
            match self.defines.get(name) {
                Some(value) => text.push_str(value),
                None => {
                    open = true;
                    text.push_str("${");
                    text.push_str(name);
                    text.push('}');
                }
            }
            rest = after;
        }
        text.push_str(rest);
        Word { text, open }
    }

    /// Whether a condition on the start-up holds, where that is known.
    fn starts(&self, kind: &str, words: &[Word]) -> Option<bool> {
        let first = words.first().map_or("", |word| word.text.as_str());
        match kind {
            // What is configured is taken to be loaded.
            "ifmodule" | "ifdirective" | "ifsection" => Some(!first.starts_with('!')),
            "ifdefine" => {
                let name = first.trim_start_matches('!');
                self.defines.contains_key(name).then(|| !first.starts_with('!'))
            }
            "ifversion" => {
                let version =
                    |text: &str| -> Vec<u32> { text.split('.').map_while(|part| part.parse().ok()).collect() };
                let wanted = version(words.get(1).map_or(first, |word| &word.text));
                let ours = vec![2, 4, 66];
                match first {
                    ">=" => Some(ours >= wanted),
                    ">" => Some(ours > wanted),
                    "<" => Some(ours < wanted),
                    "<=" => Some(ours <= wanted),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// Folders that packages include and that hold nothing of the kind.
fn stock(pattern: &str) -> bool {
    ["mods-enabled", "conf.modules.d", "ports.conf", "conf-enabled"].iter().any(|part| pattern.contains(part))
}

fn both(some: &[Guard], more: &[Guard]) -> Vec<Guard> {
    let mut guards = some.to_vec();
    guards.extend(more.iter().filter(|guard| !some.contains(guard)).cloned());
    guards
}

fn written(name: &str) -> &str {
    match name {
        "ifdefine" => "IfDefine",
        "iffile" => "IfFile",
        "directory" => "Directory",
        "files" => "Files",
        "filesmatch" => "FilesMatch",
        name => name,
    }
}

/// A node of a macro with its parameters put in.
fn replaced(node: &Node, pairs: &[(String, String)]) -> Node {
    let put = |text: &str| {
        pairs.iter().fold(text.to_owned(), |text, (name, value)| {
            if text.contains(name.as_str()) && text.len() < 4096 { text.replace(name.as_str(), value) } else { text }
        })
    };
    Node {
        name: node.name.clone(),
        words: node.words.iter().map(|word| Word { text: put(&word.text), open: word.open }).collect(),
        bytes: node.bytes,
        children: node.children.as_ref().map(|all| all.iter().map(|node| replaced(node, pairs)).collect()),
        guards: node.guards.clone(),
    }
}
