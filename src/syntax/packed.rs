//! Trees of YAML as compact bytes that are read where they lie: the rule files are parsed when keybound is built, not at
//! each of its starts, and of their texts only those are touched that somebody asks for.
//!
//! A node is a letter for its kind, its line and column, how many bytes its content has, and that content: a text, or
//! the nodes of a sequence or mapping one after the other. Numbers are written seven bits a byte, low ones first.
//! `build.rs` writes, the catalogue reads.

use super::yaml::{Kind, Node};
use crate::span::LineColumn;

/// The bytes of a tree.
pub fn pack(node: &Node) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(node, &mut bytes);
    bytes
}

// Bounded by what the YAML reader allows: trees are no deeper.
fn write(node: &Node, into: &mut Vec<u8>) {
    let mut content = Vec::new();
    into.push(match &node.kind {
        Kind::Scalar { text, .. } => {
            content.extend_from_slice(text.as_bytes());
            TEXT
        }
        Kind::Sequence(items) => {
            items.iter().for_each(|item| write(item, &mut content));
            SEQUENCE
        }
        Kind::Mapping(entries) => {
            for (key, value) in entries {
                write(key, &mut content);
                write(value, &mut content);
            }
            MAPPING
        }
        Kind::Hole => HOLE,
    });
    for number in [node.place.line, node.place.column, content.len() as u64] {
        write_number(number, into);
    }
    into.extend_from_slice(&content);
}

const TEXT: u8 = b't';
const SEQUENCE: u8 = b's';
const MAPPING: u8 = b'm';
const HOLE: u8 = b'h';

/// A node of a packed tree.
#[derive(Debug, Clone, Copy)]
pub struct Packed<'a> {
    letter: u8,
    content: &'a [u8],
    /// Line and column of its first byte in the file that was packed.
    pub place: LineColumn,
}

impl<'a> Packed<'a> {
    /// The root of the tree in these bytes; `None` where they are not what [`pack`] gives.
    pub fn root(bytes: &'a [u8]) -> Option<Self> {
        let mut nodes = Items(bytes);
        let root = nodes.next()?;
        nodes.0.is_empty().then_some(root)
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&'a str> {
        if self.letter == TEXT { std::str::from_utf8(self.content).ok() } else { None }
    }

    /// The members of a sequence; `None` for anything else.
    pub fn items(&self) -> Option<Items<'a>> {
        (self.letter == SEQUENCE).then_some(Items(self.content))
    }

    /// Whether it is a mapping.
    pub fn is_mapping(&self) -> bool {
        self.letter == MAPPING
    }

    /// The entries of a mapping; none for anything else.
    pub fn entries(&self) -> Entries<'a> {
        Entries(Items(if self.is_mapping() { self.content } else { &[] }))
    }
}

/// Nodes that lie one after the other. Broken bytes end them.
#[derive(Debug, Clone)]
pub struct Items<'a>(&'a [u8]);

impl<'a> Iterator for Items<'a> {
    type Item = Packed<'a>;

    fn next(&mut self) -> Option<Packed<'a>> {
        let (letter, mut rest) = self.0.split_first()?;
        let place = LineColumn { line: read_number(&mut rest)?, column: read_number(&mut rest)? };
        let length = usize::try_from(read_number(&mut rest)?).ok()?;
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(Packed { letter: *letter, content, place })
    }
}

/// The entries of a mapping, in its order.
#[derive(Debug, Clone)]
pub struct Entries<'a>(Items<'a>);

impl<'a> Iterator for Entries<'a> {
    type Item = (Packed<'a>, Packed<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.0.next()?, self.0.next()?))
    }
}

fn write_number(mut number: u64, into: &mut Vec<u8>) {
    while number >= 0x80 {
        into.push(number as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

fn read_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::syntax::yaml::parse;

    const TEXT: &str = "slug: é\nlist: [a, 'b', {c: d}]\nfolded: |\n  long\n  text\nempty: []\nnone:\n";

    /// Asserts that both are the same tree; gives how many nodes it has.
    fn same(packed: Packed<'_>, node: &Node) -> usize {
        assert_eq!(packed.place, node.place);
        assert_eq!(packed.text(), node.text());
        assert_eq!(packed.is_mapping(), matches!(node.kind, Kind::Mapping(_)));
        let entries: Vec<_> = packed.entries().collect();
        assert_eq!(entries.len(), node.entries().len());
        let pairs = entries.into_iter().zip(node.entries());
        let inside: usize = pairs.map(|((key, value), (k, v))| same(key, k) + same(value, v)).sum();
        let Kind::Sequence(items) = &node.kind else {
            assert!(packed.items().is_none());
            return inside + 1;
        };
        let own: Vec<_> = packed.items().expect("a sequence").collect();
        assert_eq!(own.len(), items.len());
        1 + own.into_iter().zip(items).map(|(packed, node)| same(packed, node)).sum::<usize>()
    }

    #[test]
    fn a_tree_is_the_same_after_packing() {
        let long = format!("{TEXT}long: {}\n", "x".repeat(100_000));
        for (text, nodes) in [(TEXT, 16), ("a: 1\n", 3), (&long, 18)] {
            let stream = parse(text);
            assert_eq!(stream.error, None);
            let node = &stream.documents[0];
            assert_eq!(same(Packed::root(&pack(node)).expect("a tree"), node), nodes, "{text:.40}");
        }
    }

    #[test]
    fn broken_bytes_are_no_tree() {
        let packed = pack(&parse("a: [b, 'c']\n").documents[0]);
        assert!((0..packed.len()).all(|cut| Packed::root(&packed[..cut]).is_none()));
        assert!(Packed::root(&[&packed[..], b"h"].concat()).is_none());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut left = vec![Items(&bytes)];
            while let Some(nodes) = left.pop() {
                for node in nodes {
                    let _ = node.text();
                    left.extend(node.items());
                    left.push(node.entries().0);
                }
            }
        }
    }
}
