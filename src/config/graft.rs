//! Trees made of parts of several files: what a control plane makes of its objects before a proxy reads it. Every node
//! keeps the place of what it was made of, so that what is found in the tree can be told where people wrote it.
//!
//! A place in such a tree counts from the beginning of all files laid end to end; [`Graft::original`] leads back.

use super::files::Files;
use super::place::Place;
use super::tree::At;
use crate::span::LineColumn;
use crate::syntax::yaml::{Kind, Node};

/// The files laid end to end.
#[derive(Debug)]
pub struct Graft {
    /// Where each of them begins.
    starts: Vec<usize>,
}

/// A part of a tree, and the place of what says so.
#[derive(Debug, Clone)]
pub struct Piece {
    node: Node,
    said: (usize, usize),
}

impl Piece {
    /// Whether nothing is in it: no entries, no items.
    pub fn is_empty(&self) -> bool {
        match &self.node.kind {
            Kind::Sequence(items) => items.is_empty(),
            Kind::Mapping(entries) => entries.is_empty(),
            Kind::Scalar { .. } | Kind::Hole => false,
        }
    }

    /// The tree itself.
    pub fn into_node(self) -> Node {
        self.node
    }
}

/// The line of nodes that are made: all the same, and none that a text has.
const MADE: LineColumn = LineColumn { line: 0, column: 0 };

impl Graft {
    /// For trees of parts of these files.
    pub fn new(files: &Files) -> Self {
        let mut starts = Vec::new();
        let mut end = 0;
        for (_, text) in files.iter() {
            starts.push(end);
            end += text.text.len() + 1;
        }
        Self { starts }
    }

    fn said(&self, from: At<'_>) -> (usize, usize) {
        let (place, start) = (from.place(), self.start(from.file));
        (start + place.start as usize, start + place.end as usize)
    }

    fn start(&self, file: u32) -> usize {
        self.starts.get(file as usize).copied().unwrap_or_default()
    }

    fn made(&self, from: At<'_>, kind: Kind) -> Piece {
        let said = self.said(from);
        Piece { node: Node { kind, place: MADE, bytes: said }, said }
    }

    /// A text that `from` amounts to.
    pub fn text(&self, from: At<'_>, text: impl Into<String>) -> Piece {
        self.made(from, Kind::Scalar { text: text.into(), plain: true })
    }

    /// Something that can't be known, because of `from`.
    pub fn unknown(&self, from: At<'_>) -> Piece {
        self.made(from, Kind::Hole)
    }

    /// A list that `from` amounts to.
    pub fn list(&self, from: At<'_>, items: Vec<Piece>) -> Piece {
        self.made(from, Kind::Sequence(items.into_iter().map(Piece::into_node).collect()))
    }

    /// A mapping that `from` amounts to.
    pub fn mapping(&self, from: At<'_>, entries: Vec<(&str, Piece)>) -> Piece {
        let key = |key: &str, value: &Piece| Node {
            kind: Kind::Scalar { text: key.to_owned(), plain: true },
            place: MADE,
            bytes: value.said,
        };
        let entries = entries.into_iter().map(|(name, value)| (key(name, &value), value.node)).collect();
        self.made(from, Kind::Mapping(entries))
    }

    /// What stands there, as it stands.
    pub fn copy(&self, at: At<'_>) -> Piece {
        let start = self.start(at.file);
        Piece { node: moved(at.node, &|offset| offset + start), said: self.said(at) }
    }

    /// The place in the files that a place in a tree stands for.
    pub fn original(&self, place: Place) -> Place {
        let file = self.starts.partition_point(|start| *start <= place.start as usize).saturating_sub(1);
        let start = self.starts.get(file).map_or(0, |start| u32::try_from(*start).unwrap_or(u32::MAX));
        Place {
            file: u32::try_from(file).unwrap_or(u32::MAX),
            start: place.start.saturating_sub(start),
            end: place.end.saturating_sub(start),
        }
    }
}

/// A copy of a tree whose bytes stand elsewhere.
pub fn moved(node: &Node, offset: &dyn Fn(usize) -> usize) -> Node {
    // No deeper than the tree, whose depth is bounded.
    let kind = match &node.kind {
        Kind::Scalar { text, plain } => Kind::Scalar { text: text.clone(), plain: *plain },
        Kind::Sequence(items) => Kind::Sequence(items.iter().map(|item| moved(item, offset)).collect()),
        Kind::Mapping(entries) => {
            Kind::Mapping(entries.iter().map(|(key, value)| (moved(key, offset), moved(value, offset))).collect())
        }
        Kind::Hole => Kind::Hole,
    };
    let start = offset(node.bytes.0);
    Node { kind, place: node.place, bytes: (start, offset(node.bytes.1).max(start)) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::files::Text;
    use super::*;
    use crate::origin::Origin;
    use crate::syntax::yaml;

    #[test]
    fn what_is_made_knows_what_it_was_made_of() {
        let texts = ["a: {b: one}\n", "x:\n- two\ny: [3]\n"];
        let text = |(number, text): (usize, &&str)| {
            Text::new(Arc::new(Origin::file(format!("{number}.yaml").as_str().into())), text.as_bytes().to_vec())
        };
        let files = Files::new(texts.iter().enumerate().map(text).collect());
        let parsed: Vec<Node> = texts.iter().map(|text| yaml::parse(text).documents.swap_remove(0)).collect();
        let at = |file: u32| At::root(file, &parsed[file as usize]);
        let graft = Graft::new(&files);
        let one = at(0).path(&["a", "b"]).expect("a node");
        let two = at(1).list("x").next().expect("a node");
        let tree = graft.mapping(
            at(0),
            vec![
                ("made", graft.text(one, "1")),
                ("items", graft.list(one, vec![graft.copy(two), graft.text(two, "2")])),
                ("copied", graft.copy(at(1).get("y").expect("a node"))),
            ],
        );
        let tree = tree.into_node();
        let root = At::root(0, &tree);
        let said = |at: At<'_>| files.snippet(graft.original(at.place())).to_owned();
        assert_eq!(said(root.get("made").expect("a node")), "b: one");
        assert_eq!(root.list("items").map(said).collect::<Vec<_>>(), ["two", "two"]);
        assert_eq!(said(root.get("copied").expect("a node")), "y");
        assert_eq!(root.list("copied").map(said).collect::<Vec<_>>(), ["3"]);
    }
}
