//! Trees of YAML as compact bytes: the rule files are parsed when keybound is built, not at each of its starts.
//!
//! A node is a letter for its kind, its place and byte offsets, and what it holds: a text by its length, or the number of
//! nodes that follow. Numbers are written seven bits a byte, low ones first. `build.rs` writes, the catalogue reads.

use super::yaml::{Kind, MAX_DEPTH, Node};
use crate::span::LineColumn;

/// The bytes of a tree.
pub fn pack(node: &Node) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(node, &mut bytes);
    bytes
}

/// The tree of these bytes; `None` where they are not what [`pack`] gives.
pub fn unpack(mut bytes: &[u8]) -> Option<Node> {
    let node = read(&mut bytes, 0)?;
    bytes.is_empty().then_some(node)
}

fn write(node: &Node, into: &mut Vec<u8>) {
    into.push(match &node.kind {
        Kind::Scalar { plain: true, .. } => b'p',
        Kind::Scalar { plain: false, .. } => b'q',
        Kind::Sequence(_) => b's',
        Kind::Mapping(_) => b'm',
        Kind::Hole => b'h',
    });
    let (start, end) = node.bytes;
    for number in [node.place.line, node.place.column, start as u64, end.saturating_sub(start) as u64] {
        write_number(number, into);
    }
    match &node.kind {
        Kind::Scalar { text, .. } => {
            write_number(text.len() as u64, into);
            into.extend_from_slice(text.as_bytes());
        }
        Kind::Sequence(items) => {
            write_number(items.len() as u64, into);
            items.iter().for_each(|item| write(item, into));
        }
        Kind::Mapping(entries) => {
            write_number(entries.len() as u64, into);
            for (key, value) in entries {
                write(key, into);
                write(value, into);
            }
        }
        Kind::Hole => {}
    }
}

fn read(bytes: &mut &[u8], depth: usize) -> Option<Node> {
    if depth > MAX_DEPTH {
        return None;
    }
    let (letter, rest) = bytes.split_first()?;
    *bytes = rest;
    let place = LineColumn { line: read_number(bytes)?, column: read_number(bytes)? };
    let start = read_number(bytes)? as usize;
    let end = start.checked_add(read_number(bytes)? as usize)?;
    let kind = match letter {
        b'p' | b'q' => {
            let length = read_number(bytes)? as usize;
            let (text, rest) = bytes.split_at_checked(length)?;
            *bytes = rest;
            Kind::Scalar { text: std::str::from_utf8(text).ok()?.to_owned(), plain: *letter == b'p' }
        }
        b's' => {
            let count = read_number(bytes)?;
            Kind::Sequence((0..count).map(|_| read(bytes, depth + 1)).collect::<Option<_>>()?)
        }
        b'm' => {
            let count = read_number(bytes)?;
            let entry = |_| Some((read(bytes, depth + 1)?, read(bytes, depth + 1)?));
            Kind::Mapping((0..count).map(entry).collect::<Option<_>>()?)
        }
        b'h' => Kind::Hole,
        _ => return None,
    };
    Some(Node { kind, place, bytes: (start, end) })
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

    const TEXT: &str = "slug: é\nlist: [a, 'b', {c: |\n  long\n  text\n}]\nempty: []\nnone:\n";

    #[test]
    fn a_tree_is_the_same_after_packing() {
        let long = format!("{TEXT}long: {}\n", "x".repeat(100_000));
        for text in [TEXT, "a: 1\n", &long] {
            let stream = parse(text);
            for node in &stream.documents {
                assert_eq!(unpack(&pack(node)).as_ref(), Some(node));
            }
        }
        assert_eq!(parse("a: [b]\n").documents.len(), 1);
    }

    #[test]
    fn broken_bytes_are_no_tree() {
        let packed = pack(&parse("a: [b, 'c']\n").documents[0]);
        assert!((0..packed.len()).all(|cut| unpack(&packed[..cut]).is_none()));
        assert_eq!(unpack(&[&packed[..], b"h"].concat()), None);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = unpack(&bytes);
        }
    }
}
