//! A configuration as one tree: every file with what it includes in place.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::names;
use crate::config::written::Written;
use crate::gateway::Hole;
use crate::gateway::files::Files;
use crate::gateway::hop::Place;
use crate::syntax::directives::{self, Directive, Document, UNKNOWN};

/// How deep includes may nest.
const MAX_INCLUDES: usize = 12;
/// How many directives one configuration may have, all included.
const MAX_NODES: usize = 200_000;

/// A directive in its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Its name; [`UNKNOWN`] for what could not be read or is not there.
    pub(super) name: String,
    pub(super) arguments: Vec<Argument>,
    pub(super) block: Option<Vec<Node>>,
    /// From the name to the last argument.
    pub(super) place: Place,
    /// The `include` at this level that brought it.
    pub(super) included: Option<Place>,
}

/// A word of a directive.
#[derive(Debug, Clone)]
pub(super) struct Argument {
    pub(super) text: String,
    pub(super) place: Place,
}

impl Node {
    /// The text of an argument, counted from 0; nothing where there is none.
    pub(super) fn argument(&self, number: usize) -> &str {
        self.arguments.get(number).map_or("", |argument| argument.text.as_str())
    }

    /// The directives in its block.
    pub(super) fn inner(&self) -> &[Node] {
        self.block.as_deref().unwrap_or_default()
    }

    /// Whether it stands for something that can't be seen.
    pub(super) fn is_unknown(&self) -> bool {
        self.name.starts_with(UNKNOWN)
    }

    /// The line of its level that is responsible for it.
    pub(super) fn at_level(&self) -> Place {
        self.included.unwrap_or(self.place)
    }
}

/// What was read from one file on.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    pub(super) files: Vec<u32>,
    pub(super) holes: Vec<Hole>,
    /// Something is missing.
    pub(super) partial: bool,
}

/// A stretch of a text that was a file of its own when `nginx -T` printed it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Section {
    path: String,
    bytes: (usize, usize),
}

/// Reads files, each once.
pub(super) struct Loader<'f> {
    files: &'f Files,
    documents: BTreeMap<(u32, usize), Rc<Document>>,
    resolved: BTreeMap<(u32, u32, String), Rc<Vec<u32>>>,
}

struct Expansion {
    tree: Tree,
    root: u32,
    sections: Vec<Section>,
    /// The files and stretches that are being read, to see circles.
    open: Vec<(u32, usize)>,
    used: BTreeSet<u32>,
    templates: BTreeSet<u32>,
    nodes: usize,
}

impl<'f> Loader<'f> {
    pub(super) fn new(files: &'f Files) -> Self {
        Self { files, documents: BTreeMap::new(), resolved: BTreeMap::new() }
    }

    /// The files that a file includes by itself.
    pub(super) fn includes(&mut self, file: u32) -> Vec<u32> {
        if sections(&self.files.get(file).text).len() > 1 {
            return Vec::new();
        }
        let document = self.document(file, &whole(self.files, file));
        let mut patterns = Vec::new();
        let mut levels = vec![&document.directives];
        while let Some(level) = levels.pop() {
            for directive in level {
                if directive.name.text == "include"
                    && let Some(pattern) = directive.argument(0)
                {
                    patterns.push(pattern.to_owned());
                }
                levels.extend(&directive.block);
            }
        }
        patterns.iter().flat_map(|pattern| self.resolve(file, file, pattern).to_vec()).collect()
    }

    /// The names at the outermost level of a file.
    pub(super) fn outermost(&mut self, file: u32) -> Rc<Document> {
        self.document(file, &whole(self.files, file))
    }

    /// The tree that begins with a file.
    pub(super) fn load(&mut self, root: u32) -> Tree {
        let sections = sections(&self.files.get(root).text);
        let mut expansion = Expansion {
            tree: Tree::default(),
            root,
            sections,
            open: Vec::new(),
            used: BTreeSet::new(),
            templates: BTreeSet::new(),
            nodes: 0,
        };
        let first = expansion.sections.first().cloned().unwrap_or_else(|| whole(self.files, root));
        let nodes = self.file(&mut expansion, root, &first);
        let mut tree = expansion.tree;
        tree.nodes = nodes;
        tree.files = expansion.used.into_iter().collect();
        tree
    }

    fn document(&mut self, file: u32, section: &Section) -> Rc<Document> {
        let text = &self.files.get(file).text;
        self.documents
            .entry((file, section.bytes.0))
            .or_insert_with(|| Rc::new(directives::read(text, section.bytes)))
            .clone()
    }

    fn resolve(&mut self, from: u32, root: u32, pattern: &str) -> Rc<Vec<u32>> {
        let files = self.files;
        self.resolved
            .entry((from, root, pattern.to_owned()))
            .or_insert_with(|| Rc::new(files.resolve(from, root, pattern)))
            .clone()
    }

    fn file(&mut self, expansion: &mut Expansion, file: u32, section: &Section) -> Vec<Node> {
        let key = (file, section.bytes.0);
        if expansion.open.contains(&key) || expansion.open.len() >= MAX_INCLUDES {
            return Vec::new();
        }
        expansion.open.push(key);
        expansion.used.insert(file);
        let document = self.document(file, section);
        for hole in &document.holes {
            // That a file is a template is worth one row.
            if hole.template && !expansion.templates.insert(file) {
                continue;
            }
            expansion.tree.holes.push(Hole { place: place(file, hole.bytes), reason: hole.reason.to_owned() });
        }
        expansion.tree.partial |= !document.holes.is_empty();
        let nodes = self.level(expansion, file, &document, &document.directives, section.bytes);
        expansion.open.pop();
        nodes
    }

    /// One level. Recursion is as deep as blocks and includes may nest.
    fn level(
        &mut self,
        expansion: &mut Expansion,
        file: u32,
        document: &Document,
        directives: &[Directive],
        (start, end): (usize, usize),
    ) -> Vec<Node> {
        let mut nodes = Vec::new();
        for directive in directives {
            expansion.nodes += 1;
            if expansion.nodes > MAX_NODES {
                expansion.tree.partial = true;
                break;
            }
            if directive.name.text == "include" && directive.block.is_none() {
                self.include(expansion, file, directive, &mut nodes);
                continue;
            }
            let block = directive
                .block
                .as_ref()
                .map(|inner| self.level(expansion, file, document, inner, (directive.head().1, directive.bytes.1)));
            nodes.push(node(file, directive, block));
        }
        nodes.extend(holes_at(document, directives, (start, end)).map(|bytes| unknown(place(file, bytes))));
        nodes
    }

    fn include(&mut self, expansion: &mut Expansion, file: u32, directive: &Directive, nodes: &mut Vec<Node>) {
        let pattern = directive.argument(0).unwrap_or_default();
        let at = place(file, directive.head());
        let before = nodes.len();
        let mut found = false;
        if expansion.sections.len() > 1 {
            let glob = globset::Glob::new(pattern).ok().map(|glob| glob.compile_matcher());
            let matching: Vec<Section> = expansion
                .sections
                .iter()
                .filter(|section| {
                    let bare = section.path.strip_prefix("/etc/nginx/").unwrap_or(&section.path);
                    [section.path.as_str(), bare]
                        .iter()
                        .any(|path| *path == pattern || glob.as_ref().is_some_and(|glob| glob.is_match(path)))
                })
                .cloned()
                .collect();
            found = !matching.is_empty();
            for section in matching {
                nodes.extend(self.file(expansion, file, &section));
            }
        } else if !pattern.contains([UNKNOWN, '$']) {
            let resolved = self.resolve(file, expansion.root, pattern);
            for included in resolved.iter().filter(|included| **included != file) {
                found = true;
                let section = whole(self.files, *included);
                nodes.extend(self.file(expansion, *included, &section));
            }
        }
        for node in &mut nodes[before..] {
            node.included = Some(at);
        }
        if let Some(stock) = names::stock(pattern).filter(|_| !found) {
            nodes.extend(stock.iter().map(|words| stock_node(words, at)));
            return;
        }
        // A glob may match nothing.
        if found || pattern.contains(['*', '?', '[']) {
            return;
        }
        expansion.tree.partial = true;
        expansion.tree.holes.push(Hole { place: at, reason: "a file that is not there is included".to_owned() });
        nodes.push(unknown(at));
    }
}

/// The tree of a text that a controller has written, with what could not be read of it; nothing is included, but stock
/// files.
pub(super) fn written(written: &Written) -> (Vec<Node>, Vec<Hole>) {
    let text = written.text();
    let document = directives::read(text, (0, text.len()));
    let at = |bytes: (usize, usize)| written.place(bytes.0, bytes.1);
    let mut holes: Vec<Hole> = Vec::new();
    for hole in &document.holes {
        holes.push(Hole { place: at(hole.bytes), reason: hole.reason.to_owned() });
    }
    let nodes = written_level(&document, &document.directives, (0, text.len()), &at, &mut holes);
    (nodes, holes)
}

/// Recursion is as deep as blocks may nest.
fn written_level(
    document: &Document,
    directives: &[Directive],
    stretch: (usize, usize),
    at: &dyn Fn((usize, usize)) -> Place,
    holes: &mut Vec<Hole>,
) -> Vec<Node> {
    let mut nodes = Vec::new();
    for directive in directives {
        let place = at(directive.head());
        if directive.name.text == "include" && directive.block.is_none() {
            match names::stock(directive.argument(0).unwrap_or_default()) {
                Some(stock) => nodes.extend(stock.iter().map(|words| stock_node(words, place))),
                None => {
                    holes.push(Hole { place, reason: "a file of the controller's is included".to_owned() });
                    nodes.push(unknown(place));
                }
            }
            continue;
        }
        let inner = directive.block.as_ref();
        let block =
            inner.map(|inner| written_level(document, inner, (directive.head().1, directive.bytes.1), at, holes));
        let arguments = directive.arguments.iter();
        let arguments = arguments.map(|word| Argument { text: word.text.clone(), place: at(word.bytes) }).collect();
        nodes.push(Node { name: directive.name.text.clone(), arguments, block, place, included: None });
    }
    nodes.extend(holes_at(document, directives, stretch).map(|bytes| unknown(at(bytes))));
    nodes
}

/// The holes at a level: each belongs to the innermost one around it.
fn holes_at<'d>(
    document: &'d Document,
    directives: &'d [Directive],
    (start, end): (usize, usize),
) -> impl Iterator<Item = (usize, usize)> + 'd {
    let first = document.holes.partition_point(|hole| hole.bytes.0 < start);
    let here = document.holes[first..].iter().take_while(move |hole| hole.bytes.0 < end);
    here.map(|hole| hole.bytes).filter(|bytes| {
        let at = directives.partition_point(|directive| directive.bytes.0 <= bytes.0);
        let inside = at.checked_sub(1).map(|before| &directives[before]);
        inside.is_none_or(|inside| inside.block.is_none() || inside.bytes.1 <= bytes.0)
    })
}

fn node(file: u32, directive: &Directive, block: Option<Vec<Node>>) -> Node {
    let arguments = directive
        .arguments
        .iter()
        .map(|word| Argument { text: word.text.clone(), place: place(file, word.bytes) })
        .collect();
    Node { name: directive.name.text.clone(), arguments, block, place: place(file, directive.head()), included: None }
}

/// A directive of a stock file, which stands where that is included.
fn stock_node(words: &str, place: Place) -> Node {
    let mut words = words.split(' ');
    let name = words.next().unwrap_or_default().to_owned();
    let arguments = words.map(|word| Argument { text: word.to_owned(), place }).collect();
    Node { name, arguments, block: None, place, included: Some(place) }
}

fn unknown(place: Place) -> Node {
    Node { name: UNKNOWN.to_string(), arguments: Vec::new(), block: None, place, included: None }
}

fn place(file: u32, (start, end): (usize, usize)) -> Place {
    Place { file, start: start as u32, end: end as u32 }
}

fn whole(files: &Files, file: u32) -> Section {
    let text = files.get(file);
    Section { path: text.path().to_owned(), bytes: (0, text.text.len()) }
}

/// The files that `nginx -T` printed, one after the other; one section with all where the text is no such dump.
fn sections(text: &str) -> Vec<Section> {
    const MARK: &str = "# configuration file ";
    let mut sections: Vec<Section> = Vec::new();
    for at in memchr::memmem::find_iter(text.as_bytes(), MARK) {
        let line = text[at + MARK.len()..].lines().next().unwrap_or_default();
        let starts_line = at == 0 || text.as_bytes()[at - 1] == b'\n';
        if let Some(path) = line.trim_end().strip_suffix(':')
            && starts_line
        {
            if let Some(last) = sections.last_mut() {
                last.bytes.1 = at;
            }
            sections.push(Section { path: path.to_owned(), bytes: (at, text.len()) });
        }
    }
    sections
}
