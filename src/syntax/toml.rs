//! TOML with places, as the same tree that YAML is read to. A text with errors is read as far as it goes.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::yaml::{Kind, Node, Stream};
use crate::span::LineColumn;

/// Reads a text: one document, a mapping in the order of the text.
pub fn parse(text: &str) -> Stream {
    let lines: Vec<usize> =
        std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1)).collect();
    let (root, errors) = DeTable::parse_recoverable(text);
    let tree = Tree { lines };
    let error = errors.first().map(|error| {
        let at = error.span().map_or(0, |span| span.start);
        (tree.place(at), error.message().to_owned())
    });
    let mut document = tree.node(0..text.len(), Kind::Hole);
    document.kind = tree.table(root.get_ref(), 0);
    Stream { documents: vec![document], error }
}

struct Tree {
    /// Where the lines begin.
    lines: Vec<usize>,
}

impl Tree {
    fn place(&self, at: usize) -> LineColumn {
        let line = self.lines.partition_point(|start| *start <= at);
        let column = at - self.lines.get(line.wrapping_sub(1)).copied().unwrap_or(0) + 1;
        LineColumn { line: line as u64, column: column as u64 }
    }

    fn node(&self, span: std::ops::Range<usize>, kind: Kind) -> Node {
        Node { kind, place: self.place(span.start), bytes: (span.start, span.end.max(span.start)) }
    }

    fn table(&self, table: &DeTable<'_>, depth: usize) -> Kind {
        let mut entries: Vec<(Node, Node)> = table
            .iter()
            .map(|(key, value)| {
                let name = Kind::Scalar { text: key.get_ref().to_string(), plain: true };
                (self.node(key.span(), name), self.value(value, depth + 1))
            })
            .collect();
        entries.sort_by_key(|(key, _)| key.bytes);
        Kind::Mapping(entries)
    }

    fn value(&self, value: &Spanned<DeValue<'_>>, depth: usize) -> Node {
        let scalar = |text: &str, plain| Kind::Scalar { text: text.to_owned(), plain };
        let kind = match value.get_ref() {
            _ if depth > super::yaml::MAX_DEPTH => Kind::Hole,
            DeValue::String(text) => scalar(text, false),
            DeValue::Integer(number) => scalar(number.as_str(), true),
            DeValue::Float(number) => scalar(number.as_str(), true),
            DeValue::Boolean(switch) => scalar(if *switch { "true" } else { "false" }, true),
            DeValue::Datetime(time) => scalar(&time.to_string(), true),
            DeValue::Array(items) => Kind::Sequence(items.iter().map(|item| self.value(item, depth + 1)).collect()),
            DeValue::Table(table) => self.table(table, depth),
        };
        self.node(value.span(), kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tables_become_a_tree_with_places() {
        let text = "[http.routers.api]\n  rule = \"Host(`a`)\"\n  entryPoints = [\"web\"]\n[[x]]\ny = 1\n";
        let stream = parse(text);
        assert_eq!(stream.error, None);
        let root = &stream.documents[0];
        let api = root.get("http").and_then(|at| at.get("routers")).and_then(|at| at.get("api"));
        let rule = api.and_then(|at| at.get("rule")).expect("a rule");
        assert_eq!((rule.text(), rule.place.line), (Some("Host(`a`)"), 2));
        let Some(Kind::Sequence(items)) = root.get("x").map(|at| &at.kind) else { panic!("a sequence") };
        assert_eq!(items[0].get("y").and_then(Node::text), Some("1"));
    }

    #[test]
    fn errors_leave_the_rest() {
        let stream = parse("a = 1\nb = \nc = 3\n");
        assert_eq!(stream.error.map(|(place, _)| place.line), Some(2));
        assert_eq!(stream.documents[0].get("c").and_then(Node::text), Some("3"));
    }

    proptest! {
        #[test]
        fn never_panics(text in "[\\[\\]{}=.,a-c \n\"'#1\\\\\u{e9}]{0,120}") {
            let stream = parse(&text);
            for node in &stream.documents {
                prop_assert!(node.bytes.1 <= text.len());
            }
        }
    }
}
