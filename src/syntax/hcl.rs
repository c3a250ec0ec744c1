//! HCL, the language of Terraform, as the trees that its JSON form has (HCL native syntax specification; Terraform, "JSON
//! Configuration Syntax"): a block `resource "a" "b" { c = 1 }` is `{"resource": {"a": {"b": {"c": 1}}}}`, a block that is
//! repeated is a key that is repeated, and whatever is no literal is a text `${…}` of its source. So one reader serves
//! both forms.
//!
//! Of a place that can't be read the line is passed over and the rest is read. Nesting is bounded, and no byte is looked
//! at more than a few times.

use super::yaml::{Kind, Node};
use crate::span::LineColumn;

/// How deep bodies, lists and objects may nest; below stands a [`Kind::Hole`].
pub const MAX_DEPTH: usize = 64;

/// How many bytes a template within a text may have.
const MAX_TEMPLATE: usize = 4_096;
/// How many of them may have no end before the rest is read without looking for it.
const MAX_SPOILED: usize = 256;

/// What was read of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    /// The body: a mapping.
    pub body: Node,
    /// Where the first place that could not be read begins, in bytes.
    pub error: Option<usize>,
}

/// Reads a text.
pub fn parse(text: &str) -> File {
    let mut reader = Reader::new(text);
    if text.starts_with('\u{feff}') {
        reader.at = 3;
    }
    let entries = reader.body(0);
    let body = reader.node(Kind::Mapping(entries), 0, text.len());
    File { body, error: reader.error }
}

/// Reads the expression that begins at a byte of a text, as the one in `jsonencode(…)`; places count from the text's
/// beginning.
pub fn parse_expression(text: &str, at: usize) -> Node {
    let mut reader = Reader::new(text);
    reader.at = at.min(text.len());
    reader.expression(0, true)
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    lines: Vec<usize>,
    error: Option<usize>,
    /// How many texts had a template without an end.
    spoiled: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        let lines = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1)).collect();
        Self { text, bytes: text.as_bytes(), at: 0, lines, error: None, spoiled: 0 }
    }
}

impl Reader<'_> {
    fn node(&self, kind: Kind, start: usize, end: usize) -> Node {
        let line = self.lines.partition_point(|first| *first <= start);
        let column = start - self.lines.get(line.wrapping_sub(1)).copied().unwrap_or(0) + 1;
        Node { kind, place: LineColumn { line: line as u64, column: column as u64 }, bytes: (start, end) }
    }

    fn scalar(&self, text: impl Into<String>, plain: bool, start: usize) -> Node {
        self.node(Kind::Scalar { text: text.into(), plain }, start, self.at)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Passes over blanks and comments; over line breaks, too, if `lines`.
    fn space(&mut self, lines: bool) {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\r') => self.at += 1,
                Some(b'\n') if lines => self.at += 1,
                Some(b'#') => self.skip_line(),
                Some(b'/') if self.rest().starts_with(b"//") => self.skip_line(),
                Some(b'/') if self.rest().starts_with(b"/*") => {
                    let end = memchr::memmem::find(&self.rest()[2..], b"*/");
                    self.at = end.map_or(self.bytes.len(), |end| self.at + 2 + end + 2);
                }
                _ => return,
            }
        }
    }

    fn skip_line(&mut self) {
        self.at = memchr::memchr(b'\n', self.rest()).map_or(self.bytes.len(), |end| self.at + end);
    }

    /// A name (letters, digits, `_`, `-`).
    fn name(&mut self) -> Option<Node> {
        let start = self.at;
        let rest = self.text.get(start..)?;
        let length = rest
            .char_indices()
            .find(|(n, c)| !(c.is_alphanumeric() || *c == '_' || (*n > 0 && *c == '-')))
            .map_or(rest.len(), |(n, _)| n);
        self.at += length;
        (length > 0).then(|| self.scalar(&rest[..length], true, start))
    }

    /// Attributes and blocks up to the brace that closes them, or the end.
    fn body(&mut self, depth: usize) -> Vec<(Node, Node)> {
        let mut entries = Vec::new();
        loop {
            self.space(true);
            let start = self.at;
            match self.peek() {
                None => return entries,
                Some(b'}') if depth > 0 => {
                    self.at += 1;
                    return entries;
                }
                _ => {}
            }
            if let Some(entry) = self.entry(depth) {
                entries.push(entry);
                continue;
            }
            self.error = self.error.or(Some(start));
            // At least the byte that could not be read, at most the line.
            self.at = self.at.max(start);
            self.skip_line();
        }
    }

    fn entry(&mut self, depth: usize) -> Option<(Node, Node)> {
        let key = self.name()?;
        let mut labels = Vec::new();
        loop {
            self.space(false);
            match self.peek()? {
                b'=' if labels.is_empty() => {
                    self.at += 1;
                    return Some((key, self.expression(depth, false)));
                }
                b'{' => break,
                b'"' if labels.len() < 8 => labels.push(self.string()),
                _ if labels.len() < 8 => labels.push(self.name()?),
                _ => return None,
            }
        }
        let start = self.at;
        let mut value = if depth >= MAX_DEPTH {
            self.skip_balanced();
            self.node(Kind::Hole, start, self.at)
        } else {
            self.at += 1;
            let entries = self.body(depth + 1);
            self.node(Kind::Mapping(entries), start, self.at)
        };
        for label in labels.into_iter().rev() {
            let bytes = (label.bytes.0, value.bytes.1);
            value = self.node(Kind::Mapping(vec![(label, value)]), bytes.0, bytes.1);
        }
        Some((key, value))
    }

    /// A value. Within brackets (`nested`) it may stand on several lines.
    fn expression(&mut self, depth: usize, nested: bool) -> Node {
        self.space(nested);
        let start = self.at;
        let value = match self.peek() {
            Some(b'"') => Some(self.string()),
            Some(b'<') if self.rest().starts_with(b"<<") => self.heredoc(),
            Some(b'[' | b'{') if depth >= MAX_DEPTH => {
                self.skip_balanced();
                Some(self.node(Kind::Hole, start, self.at))
            }
            Some(b'[') => self.list(depth),
            Some(b'{') => self.object(depth),
            Some(b'-' | b'0'..=b'9') => Some(self.number()),
            _ => self.name().filter(|name| matches!(name.text(), Some("true" | "false" | "null"))),
        };
        let end = self.at;
        if let Some(value) = value {
            // A heredoc ends its line with it.
            if end > start && self.bytes.get(end - 1) == Some(&b'\n') {
                return value;
            }
            self.space(nested);
            if matches!(self.peek(), None | Some(b'\n' | b',' | b']' | b'}' | b')')) {
                self.at = end;
                return value;
            }
            // In an object of one line or of several, the next key may follow a line break only.
            if nested && self.bytes.get(end..self.at).is_some_and(|between| between.contains(&b'\n')) {
                self.at = end;
                return value;
            }
        }
        self.at = start;
        self.skip_expression(nested);
        let raw = self.text.get(start..self.at).unwrap_or_default().trim_end();
        self.scalar(format!("${{{raw}}}"), true, start)
    }

    fn number(&mut self) -> Node {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+')) {
            // `1-2` is an expression, `1e-2` a number.
            let sign = matches!(self.peek(), Some(b'-' | b'+'));
            let exponent = matches!(self.bytes.get(self.at.wrapping_sub(1)), Some(b'e' | b'E'));
            if sign && self.at > start && !exponent {
                break;
            }
            self.at += 1;
        }
        self.scalar(self.text.get(start..self.at).unwrap_or_default(), true, start)
    }

    fn list(&mut self, depth: usize) -> Option<Node> {
        let start = self.at;
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.space(true);
            match self.peek()? {
                b']' => {
                    self.at += 1;
                    return Some(self.node(Kind::Sequence(items), start, self.at));
                }
                b',' => self.at += 1,
                _ if self.is_for() => return None,
                _ => {
                    let before = self.at;
                    items.push(self.expression(depth + 1, true));
                    if self.at == before {
                        return None;
                    }
                }
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<Node> {
        let start = self.at;
        self.at += 1;
        let mut entries = Vec::new();
        loop {
            self.space(true);
            let at = self.at;
            let key = match self.peek()? {
                b'}' => {
                    self.at += 1;
                    return Some(self.node(Kind::Mapping(entries), start, self.at));
                }
                b',' => {
                    self.at += 1;
                    continue;
                }
                b'"' => self.string(),
                b'(' => {
                    self.skip_balanced();
                    self.scalar(format!("${{{}}}", self.text.get(at..self.at).unwrap_or_default()), true, at)
                }
                _ if self.is_for() => return None,
                _ => self.name()?,
            };
            self.space(false);
            if !matches!(self.peek()?, b'=' | b':') {
                return None;
            }
            self.at += 1;
            entries.push((key, self.expression(depth + 1, true)));
        }
    }

    fn is_for(&self) -> bool {
        self.rest().strip_prefix(b"for").is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_whitespace))
    }

    /// A text in quotes; escapes undone, templates as they stand.
    fn string(&mut self) -> Node {
        let start = self.at;
        self.skip_string();
        let end = self.at;
        let closed = end > start + 1 && self.bytes.get(end - 1) == Some(&b'"');
        let inner = self.text.get(start + 1..if closed { end - 1 } else { end }).unwrap_or_default();
        let mut text = String::with_capacity(inner.len());
        let mut characters = inner.chars();
        while let Some(c) = characters.next() {
            match c {
                '\\' => match characters.next() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('r') => text.push('\r'),
                    Some(c @ ('u' | 'U')) => {
                        let digits: String = characters.by_ref().take(if c == 'u' { 4 } else { 8 }).collect();
                        let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                        text.push(code.unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    Some(c) => text.push(c),
                    None => {}
                },
                c => text.push(c),
            }
        }
        self.scalar(text, false, start)
    }

    /// Passes over a text in quotes with the templates in it.
    fn skip_string(&mut self) {
        let start = self.at;
        let closed = self.skip_text(0, start.saturating_add(MAX_TEMPLATE));
        // A template may take several lines; one that has no end spoils its own line only. How often that is looked
        // for is bounded, since the same bytes are read again.
        if !closed && self.spoiled < MAX_SPOILED {
            self.spoiled += 1;
            self.at = start;
            self.skip_line();
        }
    }

    /// The same; `until` is where a template must have ended. Says whether it has.
    fn skip_text(&mut self, depth: usize, until: usize) -> bool {
        self.at += 1;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.at += 1;
                    return true;
                }
                b'\\' => self.at += 2,
                b'\n' => return true,
                b'$' | b'%' if self.bytes.get(self.at + 1) == Some(&b'{') && depth < MAX_DEPTH => {
                    // `$${` is no template.
                    if self.bytes[self.at - 1] == byte {
                        self.at += 2;
                        continue;
                    }
                    self.at += 1;
                    let mut open = 0usize;
                    loop {
                        match self.peek() {
                            None => return false,
                            Some(_) if self.at > until => return false,
                            Some(b'{') => open += 1,
                            Some(b'}') => open -= 1,
                            Some(b'"') => {
                                if !self.skip_text(depth + 1, until) {
                                    return false;
                                }
                                continue;
                            }
                            Some(_) => {}
                        }
                        self.at += 1;
                        if open == 0 {
                            break;
                        }
                    }
                }
                _ => self.at += 1,
            }
        }
        self.at = self.at.min(self.bytes.len());
        true
    }

    /// `<<EOT` to the line that is `EOT`.
    fn heredoc(&mut self) -> Option<Node> {
        let start = self.at;
        self.at += 2;
        let indented = self.peek() == Some(b'-');
        if indented {
            self.at += 1;
        }
        let end_word = self.name()?.text()?.to_owned();
        self.skip_line();
        self.at = (self.at + 1).min(self.bytes.len());
        let body = self.at;
        let mut text_end = self.bytes.len();
        while self.at < self.bytes.len() {
            let line = self.at;
            self.skip_line();
            let is_end = self.text.get(line..self.at).is_some_and(|line| line.trim() == end_word);
            if is_end {
                text_end = line;
                break;
            }
            self.at = (self.at + 1).min(self.bytes.len());
        }
        let text = self.text.get(body..text_end.max(body)).unwrap_or_default();
        let cut = |line: &str| line.bytes().take_while(|b| matches!(b, b' ' | b'\t')).count();
        let margin = text.lines().filter(|line| !line.trim().is_empty()).map(cut).min().filter(|_| indented);
        let text = match margin {
            Some(margin) => {
                text.lines().map(|line| line.get(margin..).unwrap_or_default().to_owned() + "\n").collect::<String>()
            }
            None => text.to_owned(),
        };
        Some(self.scalar(text, false, start))
    }

    /// Passes over what stands in the brackets that begin here.
    fn skip_balanced(&mut self) {
        let mut open = 0usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'(' | b'[' | b'{' => open += 1,
                b')' | b']' | b'}' => open = open.saturating_sub(1),
                b'"' => {
                    self.skip_string();
                    continue;
                }
                b'#' | b'/' => {
                    let before = self.at;
                    self.space(false);
                    if self.at > before {
                        continue;
                    }
                }
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                return;
            }
        }
    }

    /// Passes over an expression: to the end of its line, or to the comma or bracket that ends it.
    fn skip_expression(&mut self, nested: bool) {
        while let Some(byte) = self.peek() {
            match byte {
                b'(' | b'[' | b'{' => self.skip_balanced(),
                b')' | b']' | b'}' => return,
                b',' if nested => return,
                b'\n' | b'#' => return,
                b'/' if matches!(self.bytes.get(self.at + 1), Some(b'/' | b'*')) => return,
                b'"' => self.skip_string(),
                b'<' if self.rest().starts_with(b"<<") => {
                    let before = self.at;
                    if self.heredoc().is_none() {
                        self.at = before + 2;
                    }
                }
                _ => self.at += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at<'a>(node: &'a Node, path: &[&str]) -> Option<&'a str> {
        path.iter().try_fold(node, |node, key| node.get(key))?.text()
    }

    #[test]
    fn blocks_read_like_their_json() {
        let file = parse(
            "resource \"auth0_resource_server\" \"api\" {\n  token_lifetime = 24 * 60 * 60 # a day\n  name = \"a\\\"b ${var.x[\"y\"]}\"\n\
             \x20 ok = true\n  pop {\n    required = false\n  }\n  list = [1, \"b\", {c = 2, d: 3}]\n}\nlocals { a = -1 }\n",
        );
        assert_eq!(file.error, None);
        let api = ["resource", "auth0_resource_server", "api"];
        let of = |rest: &[&str]| at(&file.body, &[&api, rest].concat()).map(str::to_owned);
        assert_eq!(of(&["token_lifetime"]).as_deref(), Some("${24 * 60 * 60}"));
        assert_eq!(of(&["name"]).as_deref(), Some("a\"b ${var.x[\"y\"]}"));
        assert_eq!(of(&["ok"]).as_deref(), Some("true"));
        assert_eq!(of(&["pop", "required"]).as_deref(), Some("false"));
        assert_eq!(at(&file.body, &["locals", "a"]), Some("-1"));
        let api = file.body.get("resource").and_then(|n| n.get("auth0_resource_server")).and_then(|n| n.get("api"));
        let Some(Kind::Sequence(items)) = api.and_then(|n| n.get("list")).map(|n| &n.kind) else { panic!("a list") };
        assert_eq!(items.len(), 3);
        assert_eq!(items[2].get("d").and_then(Node::text), Some("3"));
    }

    #[test]
    fn what_is_no_literal_is_kept_as_it_stands() {
        let file = parse(
            "a = var.x ? 1 : 2\nb = [for s in var.l : s]\nc = jsonencode({\n  d = 1\n})\ne = <<-EOT\n    x\n      y\n  EOT\n\
             f = 1\ng = {\n  h = var.q\n  i = 2 // two\n}\nj = \"${a}\" == 1\n",
        );
        assert_eq!(file.error, None);
        for (key, value) in [
            ("a", "${var.x ? 1 : 2}"),
            ("b", "${[for s in var.l : s]}"),
            ("c", "${jsonencode({\n  d = 1\n})}"),
            ("e", "x\n  y\n"),
            ("f", "1"),
            ("j", "${\"${a}\" == 1}"),
        ] {
            assert_eq!(at(&file.body, &[key]), Some(value), "{key}");
        }
        assert_eq!(at(&file.body, &["g", "h"]), Some("${var.q}"));
        assert_eq!(at(&file.body, &["g", "i"]), Some("2"));
    }

    #[test]
    fn a_template_in_a_text_may_take_several_lines() {
        let file = parse("a = \"x in {${join(\" \", [\n  local.b[\"c\"],\n])}}\"\nd = 1\n");
        assert_eq!(file.error, None);
        assert_eq!(at(&file.body, &["d"]), Some("1"));
        // One that has no end spoils its line alone.
        let file = parse(&format!("a = \"${{x\nd = 1\n{}", "# more\n".repeat(1_000)));
        assert_eq!(at(&file.body, &["d"]), Some("1"));
    }

    #[test]
    fn a_line_that_cannot_be_read_is_passed_over() {
        let file = parse("a = 1\n%% x\nb = 2\nc \"x\n");
        assert_eq!(file.error, Some(6));
        assert_eq!(at(&file.body, &["b"]), Some("2"));
    }

    #[test]
    fn nesting_is_bounded() {
        for open in ["[", "{a=", "a {", "(", "\"${", "\"${\n", "a = \"${\n", "a = ["] {
            let _ = parse(&format!("x = {}", open.repeat(100_000)));
            let _ = parse(&open.repeat(100_000));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_places_lie_in_it(text in "[-a-c01 ={}\\[\\]()\"$%\\\\,:<EO\n#/*.\u{e9}]{0,120}") {
            prop_assert!(parse(&text).body.stands_in(&text));
        }

        #[test]
        fn words_make_it_deeper(words in proptest::collection::vec(
            prop_oneof!["a", "\\{", "\\}", "=", "\"", "<<E\n", "E\n", "\n", "\\$\\{", "\\[", "\\]", "for ", "1", ","], 0..60)) {
            let text = words.concat();
            prop_assert!(parse(&text).body.stands_in(&text));
        }
    }
}
