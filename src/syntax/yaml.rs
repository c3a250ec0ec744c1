//! YAML with places: events of `granit-parser` made into a small tree in which every node knows where it stands.
//!
//! A text that breaks off in error keeps the documents read before it; aliases are followed up to a bound on the
//! whole tree (a few lines of YAML can ask for billions of nodes), past which a [`Kind::Hole`] stands.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Tag};

use crate::span::LineColumn;

/// How many nodes one text may have, aliases followed.
pub const MAX_NODES: usize = 400_000;
/// How deep nodes may nest.
pub const MAX_DEPTH: usize = 100;

/// A node and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Line and column of its first byte.
    pub place: LineColumn,
    /// Byte offsets in the text.
    pub bytes: (usize, usize),
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A scalar with its text, escapes undone; `plain` is false where it was quoted or a block.
    Scalar {
        /// The text.
        text: String,
        /// Written without quotes.
        plain: bool,
    },
    /// A sequence.
    Sequence(Vec<Node>),
    /// A mapping, in order.
    Mapping(Vec<(Node, Node)>),
    /// Something that could not be read.
    Hole,
}

/// What was read of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// The documents, up to the first error.
    pub documents: Vec<Node>,
    /// The first error, with its place.
    pub error: Option<(LineColumn, String)>,
}

impl Node {
    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The value of that key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(k, _)| k.text() == Some(key)).map(|(_, v)| v)
    }

    /// The entries of a mapping; none for anything else.
    pub fn entries(&self) -> &[(Node, Node)] {
        match &self.kind {
            Kind::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// Whether it and all that is in it say places in `text`, none in the middle of a character.
    pub fn stands_in(&self, text: &str) -> bool {
        // Bounded by MAX_DEPTH: trees are built no deeper.
        text.get(self.bytes.0..self.bytes.1).is_some()
            && match &self.kind {
                Kind::Mapping(entries) => {
                    entries.iter().all(|(key, value)| key.stands_in(text) && value.stands_in(text))
                }
                Kind::Sequence(items) => items.iter().all(|item| item.stands_in(text)),
                Kind::Scalar { .. } | Kind::Hole => true,
            }
    }

    fn count(&self) -> usize {
        // Bounded by MAX_DEPTH: trees are built no deeper.
        1 + match &self.kind {
            Kind::Sequence(items) => items.iter().map(Self::count).sum(),
            Kind::Mapping(entries) => entries.iter().map(|(k, v)| k.count() + v.count()).sum(),
            Kind::Scalar { .. } | Kind::Hole => 0,
        }
    }
}

/// Reads all documents of a text.
pub fn parse(text: &str) -> Stream {
    Builder::default().run(text)
}

/// Reads all documents of a text; of one that breaks off in error, keeps what was read of it.
pub fn parse_broken(text: &str) -> Stream {
    Builder { keep: true, ..Builder::default() }.run(text)
}

/// Reads each document of a text by itself, so that one that can't be read takes none of the others with it. With each
/// comes where it begins; its places count from the beginning of the text.
pub fn parse_apart(text: &str) -> Vec<(usize, Stream)> {
    let mut streams = Vec::new();
    let (mut start, mut line, mut at, mut lines) = (0, 0, 0, 0);
    let mut read = |start: usize, end: usize, line: usize| {
        if !text[start..end].trim().is_empty() {
            streams.push((start, Builder { before: (start, line), ..Builder::default() }.run(&text[start..end])));
        }
    };
    for one in text.split_inclusive('\n') {
        if one.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace)) {
            read(start, at, line);
            (start, line) = (at, lines);
        }
        at += one.len();
        lines += 1;
    }
    read(start, text.len(), line);
    streams
}

/// The same, with what `!Tag` announces as the mapping that CloudFormation takes for it: `!Ref a` is `{Ref: a}`, `!Sub a`
/// is `{Fn::Sub: a}`.
pub fn parse_functions(text: &str) -> Stream {
    Builder { keep: true, functions: true, ..Builder::default() }.run(text)
}

#[derive(Default)]
struct Builder {
    documents: Vec<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    /// Depth of what lies below `MAX_DEPTH` and is passed over.
    below: usize,
    /// Whether a document that breaks off is kept.
    keep: bool,
    /// How many bytes and lines stand before the text.
    before: (usize, usize),
    /// Whether tags become mappings.
    functions: bool,
}

struct Open {
    node: Node,
    anchor: usize,
    key: Option<Node>,
    function: Option<String>,
}

impl Builder {
    fn run(mut self, text: &str) -> Stream {
        let (bytes_before, lines_before) = self.before;
        let mut error = None;
        let lines: Vec<usize> =
            std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1)).collect();
        for next in Parser::new_from_str(text) {
            let (event, span) = match next {
                Ok(next) => next,
                Err(e) => {
                    let line = e.marker().line() + lines_before;
                    let place = LineColumn { line: line as u64, column: e.marker().col() as u64 + 1 };
                    error = Some((place, e.info().to_owned()));
                    break;
                }
            };
            let bytes = span.byte_range().map_or((0, 0), |r| (r.start, r.end));
            // The parser's columns count characters, ours bytes.
            let line = lines.partition_point(|start| *start <= bytes.0);
            let column = bytes.0 - lines.get(line.wrapping_sub(1)).copied().unwrap_or(0) + 1;
            let place = LineColumn { line: (line + lines_before) as u64, column: column as u64 };
            let bytes = (bytes.0 + bytes_before, bytes.1 + bytes_before);
            let node = |kind| Node { kind, place, bytes };
            match event {
                Event::Scalar(text, style, anchor, tag) => {
                    let kind = Kind::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                    let function = self.function(tag.as_deref());
                    self.put(called(function, node(kind)), anchor);
                }
                Event::SequenceStart(_, anchor, tag) => {
                    let function = self.function(tag.as_deref());
                    self.open(node(Kind::Sequence(Vec::new())), anchor, function);
                }
                Event::MappingStart(_, anchor, tag) => {
                    let function = self.function(tag.as_deref());
                    self.open(node(Kind::Mapping(Vec::new())), anchor, function);
                }
                Event::SequenceEnd | Event::MappingEnd => self.close(place, bytes.1),
                Event::Alias(anchor) => {
                    let target = self.anchors.get(&anchor).cloned();
                    let weight = target.as_ref().map_or(1, Node::count);
                    let too_deep = target.as_ref().map_or(0, depth) + self.open.len() > MAX_DEPTH;
                    self.nodes += weight;
                    match target {
                        Some(target) if self.nodes <= MAX_NODES && !too_deep => {
                            self.put(Node { kind: target.kind, place, bytes }, 0);
                        }
                        _ => self.put(node(Kind::Hole), 0),
                    }
                }
                Event::DocumentEnd => {
                    self.anchors.clear();
                }
                _ => {}
            }
        }
        if self.keep && error.is_some() {
            self.below = 0;
            while let Some(open) = self.open.pop() {
                self.put(open.node, 0);
            }
        }
        Stream { documents: self.documents, error }
    }

    /// The function that a tag of one's own calls, by its long name.
    fn function(&self, tag: Option<&Tag>) -> Option<String> {
        let tag = tag.filter(|tag| self.functions && tag.handle() == "!")?;
        Some(match tag.suffix() {
            name @ ("Ref" | "Condition") => name.to_owned(),
            name => format!("Fn::{name}"),
        })
    }

    fn open(&mut self, node: Node, anchor: usize, function: Option<String>) {
        if self.below > 0 || self.open.len() >= MAX_DEPTH {
            self.below += 1;
            return;
        }
        self.open.push(Open { node, anchor, key: None, function });
    }

    fn close(&mut self, place: LineColumn, end: usize) {
        if self.below > 0 {
            self.below -= 1;
            if self.below == 0 {
                self.put(Node { kind: Kind::Hole, place, bytes: (end, end) }, 0);
            }
            return;
        }
        if let Some(mut open) = self.open.pop() {
            open.node.bytes.1 = end.max(open.node.bytes.1);
            self.put(called(open.function, open.node), open.anchor);
        }
    }

    fn put(&mut self, node: Node, anchor: usize) {
        if self.below > 0 {
            return;
        }
        self.nodes += 1;
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            None => self.documents.push(node),
            Some(open) => match &mut open.node.kind {
                Kind::Sequence(items) => items.push(node),
                Kind::Mapping(entries) => match open.key.take() {
                    None => open.key = Some(node),
                    Some(key) => entries.push((key, node)),
                },
                Kind::Scalar { .. } | Kind::Hole => {}
            },
        }
    }
}

/// What a function is called with, as the mapping that calls it.
fn called(function: Option<String>, with: Node) -> Node {
    let Some(name) = function else { return with };
    let (place, bytes) = (with.place, with.bytes);
    let key = Node { kind: Kind::Scalar { text: name, plain: true }, place, bytes: (bytes.0, bytes.0) };
    Node { kind: Kind::Mapping(vec![(key, with)]), place, bytes }
}

fn depth(node: &Node) -> usize {
    // Bounded by MAX_DEPTH, as above.
    1 + match &node.kind {
        Kind::Sequence(items) => items.iter().map(depth).max().unwrap_or(0),
        Kind::Mapping(entries) => entries.iter().map(|(k, v)| depth(k).max(depth(v))).max().unwrap_or(0),
        Kind::Scalar { .. } | Kind::Hole => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nodes_know_their_places() {
        let stream = parse("é: 1\nb:\n  - x\n  - 'y'\n");
        let document = &stream.documents[0];
        assert_eq!(stream.error, None);
        assert_eq!(document.get("b").map(|n| n.place), Some(LineColumn { line: 3, column: 3 }));
        let Some(Kind::Sequence(items)) = document.get("b").map(|n| &n.kind) else { panic!("a sequence") };
        assert_eq!(items[1].kind, Kind::Scalar { text: "y".into(), plain: false });
    }

    #[test]
    fn tags_call_functions() {
        let stream = parse_functions("a: !Ref b\nc: !Join ['/', [x, !GetAtt d.Arn]]\ne: !!str f\n");
        let document = &stream.documents[0];
        assert_eq!(document.get("a").and_then(|n| n.get("Ref")).and_then(Node::text), Some("b"));
        let Some(Kind::Sequence(join)) = document.get("c").and_then(|n| n.get("Fn::Join")).map(|n| &n.kind) else {
            panic!("a list")
        };
        let Kind::Sequence(items) = &join[1].kind else { panic!("a list") };
        assert_eq!(items[1].get("Fn::GetAtt").and_then(Node::text), Some("d.Arn"));
        assert_eq!(document.get("e").and_then(Node::text), Some("f"));
    }

    #[test]
    fn a_billion_laughs_become_a_hole() {
        let mut text = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
        for n in 1..20 {
            let p = n - 1;
            text += &format!("a{n}: &a{n} [*a{p},*a{p},*a{p},*a{p},*a{p},*a{p},*a{p},*a{p},*a{p}]\n");
        }
        assert!(parse(&text).documents[0].count() < 2 * MAX_NODES);
    }

    #[test]
    fn an_error_keeps_what_came_before() {
        let stream = parse("a: 1\n---\nb: [\n");
        assert_eq!(stream.documents.len(), 1);
        assert!(stream.error.is_some());
    }

    #[test]
    fn documents_are_read_apart() {
        let text = "a: 1\n---\nb: [\n---\nc:\n  d: x\n";
        let read = parse_apart(text);
        let found: Vec<_> =
            read.iter().map(|(start, stream)| (*start, stream.error.as_ref().map(|(at, _)| at.line))).collect();
        assert!(matches!(found[..], [(0, None), (5, Some(3..=4)), (14, None)]), "{found:?}");
        let d = read[2].1.documents[0].get("c").and_then(|c| c.get("d")).expect("a node");
        assert_eq!((d.place, &text[d.bytes.0..d.bytes.1]), (LineColumn { line: 6, column: 6 }, "x"));
    }

    #[test]
    fn what_was_read_of_a_broken_document_is_kept() {
        let stream = parse_broken("a:\n  b: 1\n  c: [x, {d: 2}\ne: %\n");
        assert!(stream.error.is_some());
        assert_eq!(stream.documents[0].get("a").and_then(|a| a.get("b")).and_then(Node::text), Some("1"));
        assert!(stream.documents[0].get("a").and_then(|a| a.get("c")).is_some(), "as far as it was read");
    }

    #[test]
    fn json_is_yaml() {
        let stream = parse("{\n\t\"a\": [1, true, null],\n\t\"b\": \"x\\/\\u00e9\"\n}\n");
        assert_eq!(stream.error, None);
        assert_eq!(stream.documents[0].get("b").and_then(Node::text), Some("x/\u{e9}"));
    }

    proptest! {
        #[test]
        fn never_panics(text in "[-\\[\\]{}:,&*a-c \n\"'|>#!%]{0,120}") {
            let _ = parse(&text);
            let _ = parse_broken(&text);
        }
    }
}
