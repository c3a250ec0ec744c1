//! A cursor over the trees of YAML and JSON, for products whose configuration is one: it knows the file, and by which
//! key it came to a node, so that everything it finds has a place to be reported.

use super::place::Place;
use crate::syntax::blank::UNKNOWN;
use crate::syntax::yaml::{Kind, Node};

/// A node, with where it stands.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    /// The file, by number.
    pub file: u32,
    /// The node.
    pub node: &'a Node,
    key: Option<&'a Node>,
}

/// What a switch is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
    /// A template or a variable decides.
    Unknown,
}

impl<'a> At<'a> {
    /// The root of a document.
    pub const fn root(file: u32, node: &'a Node) -> Self {
        Self { file, node, key: None }
    }

    /// The value of a key. How a product writes its keys is all one: `trusted_ca`, `trustedCa`, `trustedca`.
    pub fn get(self, key: &str) -> Option<Self> {
        self.entries().find(|(name, _)| same_key(name, key)).map(|(_, at)| at)
    }

    /// The value at the end of a row of keys.
    pub fn path(self, keys: &[&str]) -> Option<Self> {
        keys.iter().try_fold(self, |at, key| at.get(key))
    }

    /// The entries of a mapping, those that it merges (`<<`) last.
    pub fn entries(self) -> impl Iterator<Item = (&'a str, Self)> {
        let own = self.node.entries().iter().filter(|(key, _)| key.text() != Some("<<"));
        let merged = self.node.entries().iter().filter(|(key, _)| key.text() == Some("<<"));
        let merged = merged.flat_map(|(_, value)| match &value.kind {
            Kind::Sequence(items) => items.iter().flat_map(Node::entries).collect::<Vec<_>>(),
            _ => value.entries().iter().collect(),
        });
        own.chain(merged)
            .filter_map(move |(key, node)| Some((key.text()?, Self { file: self.file, node, key: Some(key) })))
    }

    /// The items of a sequence; the node itself where it is none and not empty.
    pub fn items(self) -> impl Iterator<Item = Self> {
        let items: &'a [Node] = match &self.node.kind {
            Kind::Sequence(items) => items,
            Kind::Scalar { text, .. } if text.is_empty() => &[],
            _ => std::slice::from_ref(self.node),
        };
        items.iter().map(move |node| Self { file: self.file, node, key: None })
    }

    /// The items of the list under a key.
    pub fn list(self, key: &str) -> impl Iterator<Item = Self> {
        self.get(key).into_iter().flat_map(Self::items)
    }

    /// The text of a scalar; nothing where a template has a part in it.
    pub fn text(self) -> Option<&'a str> {
        self.node.text().filter(|text| !text.contains(UNKNOWN))
    }

    /// The text under a key.
    pub fn word(self, key: &str) -> Option<&'a str> {
        self.get(key)?.text()
    }

    /// What a switch under a key is set to; `default` where it is not there.
    pub fn switch(self, key: &str, default: bool) -> Switch {
        let default = if default { Switch::On } else { Switch::Off };
        match self.get(key).map(|at| at.node.text().map(str::to_ascii_lowercase)) {
            None => default,
            Some(Some(text)) => match text.as_str() {
                "true" | "yes" | "on" => Switch::On,
                "false" | "no" | "off" => Switch::Off,
                "" | "null" | "~" => default,
                _ => Switch::Unknown,
            },
            // Envoy wraps some: `value: true`.
            Some(None) => match self.get(key).and_then(|at| at.word("value")) {
                Some("true") => Switch::On,
                Some("false") => Switch::Off,
                _ => Switch::Unknown,
            },
        }
    }

    /// Whether a template has a part in anything below.
    pub fn holds_template(self) -> bool {
        fn holds(node: &Node) -> bool {
            match &node.kind {
                Kind::Scalar { text, .. } => text.contains(UNKNOWN),
                Kind::Sequence(items) => items.iter().any(holds),
                Kind::Mapping(entries) => entries.iter().any(|(key, value)| holds(key) || holds(value)),
                Kind::Hole => true,
            }
        }
        holds(self.node)
    }

    /// Whether nothing stands there: no entries, no items, no text.
    pub fn is_empty(self) -> bool {
        match &self.node.kind {
            Kind::Scalar { text, .. } => matches!(text.as_str(), "" | "null" | "~"),
            Kind::Sequence(items) => items.is_empty(),
            Kind::Mapping(entries) => entries.is_empty(),
            Kind::Hole => false,
        }
    }

    /// Where it is reported: its key, with its value where that is on the same line.
    pub fn place(self) -> Place {
        let first = first_scalar(self.node);
        let start = self.key.unwrap_or(first);
        let end = if self.node.text().is_some() && self.node.place.line == start.place.line {
            self.node.bytes.1
        } else {
            start.bytes.1
        };
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Place { file: self.file, start: offset(start.bytes.0), end: offset(end.max(start.bytes.0)) }
    }
}

/// Whether two spellings of a key are one.
pub fn same_key(a: &str, b: &str) -> bool {
    fn letters(key: &str) -> impl Iterator<Item = u8> + '_ {
        key.bytes().filter(|b| *b != b'_').map(|b| b.to_ascii_lowercase())
    }
    a == b || letters(a).eq(letters(b))
}

/// Puts a value into a tree at the end of `a.b[0].c`.
pub fn plant(tree: &mut Node, path: &str, value: &str, origin: &Node) {
    let new = |kind| Node { kind, place: origin.place, bytes: origin.bytes };
    let mut at = tree;
    let parts: Vec<&str> = path.split(['.', '[']).map(|part| part.trim_end_matches(']')).take(20).collect();
    for (number, part) in parts.iter().enumerate() {
        let last = number + 1 == parts.len();
        if !matches!(at.kind, Kind::Mapping(_)) {
            at.kind = Kind::Mapping(Vec::new());
        }
        let Kind::Mapping(entries) = &mut at.kind else { return };
        let found = entries.iter().position(|(key, _)| key.text().is_some_and(|key| same_key(key, part)));
        let found = found.unwrap_or_else(|| {
            let key = new(Kind::Scalar { text: (*part).to_owned(), plain: true });
            entries.push((key, new(Kind::Mapping(Vec::new()))));
            entries.len() - 1
        });
        at = &mut entries[found].1;
        // `--log` beside `--log.format` is a switch of what is there.
        let is_switch = value == "true" && !at.entries().is_empty();
        if last && !is_switch {
            at.kind = Kind::Scalar { text: value.to_owned(), plain: true };
            at.place = origin.place;
            at.bytes = origin.bytes;
        }
    }
}

fn first_scalar(node: &Node) -> &Node {
    match &node.kind {
        Kind::Mapping(entries) => entries.first().map_or(node, |(key, _)| first_scalar(key)),
        Kind::Sequence(items) => items.first().map_or(node, first_scalar),
        Kind::Scalar { .. } | Kind::Hole => node,
    }
}
