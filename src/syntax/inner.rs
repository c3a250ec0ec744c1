//! A text that stands inside of YAML or JSON as a scalar, such as the `nginx.conf` of a ConfigMap: the text itself, as
//! its own parser is to read it, and for each of its bytes the place in the file around it.

/// A text inside of another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inner {
    /// The text.
    pub text: String,
    /// Where stretches of it begin, and where those stand outside; in order.
    pieces: Vec<(usize, usize)>,
    /// One past its last byte outside.
    end: usize,
}

impl Inner {
    /// A text whose bytes stand outside as they are, from `start` on and no further than `end`.
    pub fn whole(text: &str, start: usize, end: usize) -> Self {
        Self { text: text.to_owned(), pieces: vec![(0, start)], end: end.max(start) }
    }

    /// One past its last byte outside.
    pub const fn end(&self) -> usize {
        self.end
    }

    /// Where a byte of the text stands outside.
    pub fn outer(&self, at: usize) -> usize {
        let next = self.pieces.partition_point(|(inner, _)| *inner <= at);
        let Some((inner, outer)) = next.checked_sub(1).and_then(|piece| self.pieces.get(piece)) else {
            return self.end;
        };
        let most = self.pieces.get(next).map_or(self.end, |(_, outer)| *outer);
        (outer + (at - inner)).min(most)
    }

    /// Where a stretch of the text stands outside: from its first byte to one past its last.
    pub fn stretch(&self, start: usize, end: usize) -> (usize, usize) {
        let first = self.outer(start);
        // One past the last byte may be the first of the next line, which stands elsewhere.
        let last = if end > start { self.outer(end - 1) + 1 } else { first };
        (first, last.max(first))
    }

    /// Adds a stretch that stands outside from `outer` on.
    pub(super) fn piece(&mut self, outer: usize, text: &str) {
        self.pieces.push((self.text.len(), outer));
        self.text.push_str(text);
        self.end = outer + text.len();
    }
}

/// The scalar that begins at a byte: `|` and `>` open a block, `"` a quoted text. Anything else is no text with a form
/// of its own.
pub fn at(text: &str, start: usize) -> Option<Inner> {
    match text.as_bytes().get(start)? {
        b'|' | b'>' => block(text, start),
        b'"' => quoted(text, start),
        _ => None,
    }
}

/// Whether a line is nothing but a template's statement, which may stand anywhere.
fn is_statement(line: &str) -> bool {
    let line = line.trim();
    line.starts_with("{{") && line.ends_with("}}")
}

/// The block scalar whose indicator stands at `start`. Folded lines stay lines: to languages in which blanks and line
/// ends are one it is the same, and places are simpler. Lines that are a template's statements belong to it wherever
/// they begin, if more of the block follows.
fn block(text: &str, start: usize) -> Option<Inner> {
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let header_end = text[start..].find('\n').map(|at| start + at + 1)?;
    let header = text[start + 1..header_end].split('#').next().unwrap_or_default().trim();
    if !header.chars().all(|c| matches!(c, '+' | '-' | '1'..='9')) {
        return None;
    }
    let parent = key_column(&text[line_start..start]);
    let explicit = header.chars().find_map(|c| c.to_digit(10)).map(|more| parent + more as usize);
    let mut indent = explicit;
    let mut inner = Inner { end: header_end, ..Inner::default() };
    // What may come after the block's last line, until a further line of it comes.
    let mut pending: Vec<(usize, &str)> = Vec::new();
    let mut at = header_end;
    for line in text[header_end..].split_inclusive('\n') {
        let here = at;
        at += line.len();
        let blanks = line.len() - line.trim_start_matches(' ').len();
        if line.trim().is_empty() || is_statement(line) && blanks < indent.unwrap_or(parent + 1) {
            pending.push((here, line));
            continue;
        }
        let least = *indent.get_or_insert(blanks);
        // The text of the outermost level may begin at the first column of a document that is nothing else.
        if blanks < least || explicit.is_none() && least <= parent && line_start != start {
            break;
        }
        for (outer, line) in pending.drain(..) {
            let cut = (line.len() - line.trim_start_matches(' ').len()).min(least);
            inner.piece(outer + cut, &line[cut..]);
        }
        inner.piece(here + least, &line[least..]);
    }
    Some(inner)
}

/// The column of the key that stands before a scalar on its line: what the lines of a block must go beyond.
fn key_column(before: &str) -> usize {
    let mut column = 0;
    let mut rest = before;
    loop {
        let blanks = rest.len() - rest.trim_start_matches(' ').len();
        rest = &rest[blanks..];
        column += blanks;
        match rest.strip_prefix("- ") {
            // In `- |` the block belongs to the item, in `- a: |` to the key.
            Some(more) if !more.trim().is_empty() => {
                rest = more;
                column += 2;
            }
            _ => return column,
        }
    }
}

/// The quoted text that begins at `start`, its escapes undone, over several lines too.
fn quoted(text: &str, start: usize) -> Option<Inner> {
    let mut inner = Inner { end: start + 1, ..Inner::default() };
    let bytes = text.as_bytes();
    let mut at = start + 1;
    loop {
        let length = memchr::memchr3(b'"', b'\\', b'\n', &bytes[at..])?;
        if length > 0 {
            inner.piece(at, &text[at..at + length]);
        }
        at += length;
        match bytes[at] {
            b'"' => {
                inner.end = at;
                return Some(inner);
            }
            b'\n' => {
                // Lines are folded: their ends and what blanks stand around them are one blank.
                let more = text[at..].len() - text[at..].trim_start().len();
                let kept = inner.text.trim_end_matches([' ', '\t', '\r']).len();
                inner.text.truncate(kept.max(inner.pieces.last().map_or(0, |(piece, _)| *piece)));
                inner.piece(at, " ");
                at += more;
            }
            _ => {
                let escaped = text[at + 1..].chars().next()?;
                let digits = |count: usize| {
                    let hex = text.get(at + 2..at + 2 + count)?;
                    u32::from_str_radix(hex, 16).ok().map(|code| (char::from_u32(code).unwrap_or('?'), 2 + count))
                };
                let (undone, length) = match escaped {
                    'n' => ('\n', 2),
                    't' => ('\t', 2),
                    'r' => ('\r', 2),
                    '0' => ('\0', 2),
                    'x' => digits(2)?,
                    'u' => digits(4)?,
                    'U' => digits(8)?,
                    // The line goes on in the next one.
                    '\n' => {
                        let rest = &text[at + 2..];
                        at += 2 + rest.len() - rest.trim_start_matches([' ', '\t']).len();
                        continue;
                    }
                    other => (other, 1 + other.len_utf8()),
                };
                inner.piece(at, undone.encode_utf8(&mut [0; 4]));
                at += length;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::yaml;
    use proptest::prelude::*;

    /// The text of `key`, with each of its lines where it stands outside.
    fn lines(text: &str, key: &str) -> Vec<(String, usize)> {
        let start = text.find(key).expect("the key") + key.len();
        let inner = at(text, start + text[start..].find(['|', '>', '"']).expect("a scalar")).expect("an inner text");
        let mut begins = 0;
        let mut lines = Vec::new();
        for line in inner.text.split_inclusive('\n') {
            lines.push((line.trim_end().to_owned(), inner.outer(begins)));
            begins += line.len();
        }
        lines
    }

    #[test]
    fn blocks_end_with_their_indentation() {
        let text = "a:\n  x: |-\n    b {\n      c;\n\n    }\n  # no part\n  y: 1\n";
        let found = lines(text, "x:");
        assert_eq!(found.iter().map(|(line, _)| line.as_str()).collect::<Vec<_>>(), ["b {", "  c;", "", "}"]);
        assert_eq!(&text[found[0].1..found[0].1 + 3], "b {");
        assert_eq!(&text[found[1].1 + 2..found[1].1 + 4], "c;");
        assert_eq!(&text[found[3].1..found[3].1 + 1], "}");
        assert_eq!(lines("- >2\n    b\n   c\nd", "-"), [("  b".to_owned(), 7), (" c".to_owned(), 13)]);
        assert!(lines("- a: |\n  b: 1\n", "a:").is_empty(), "the next key");
    }

    #[test]
    fn statements_of_templates_stand_anywhere() {
        let text = "x: |\n{{- if .Values.a }}\n  b;\n{{- end }}\n  c;\n{{- with .Values.d }}\ny: 1\n";
        let found = lines(text, "x:");
        let all: Vec<&str> = found.iter().map(|(line, _)| line.as_str()).collect();
        assert_eq!(all, ["{{- if .Values.a }}", "b;", "{{- end }}", "c;"]);
        assert_eq!(&text[found[3].1..found[3].1 + 2], "c;");
    }

    #[test]
    fn escapes_are_undone_and_bytes_found_again() {
        let text = "{\"k\": \"a b;\\nc \\\"d\\\";\\\n   e\"}";
        let inner = at(text, 6).expect("quoted");
        assert_eq!(inner.text, "a b;\nc \"d\";e");
        for (word, place) in [("c", text.find("c \\")), ("d", text.find("d\\")), ("e", text.find("e\""))] {
            let here = inner.text.find(word).expect("a word");
            assert_eq!(Some(inner.outer(here)), place, "{word}");
        }
        assert_eq!(inner.stretch(0, inner.text.len()), (7, text.len() - 2));
    }

    proptest! {
        /// What is read of a block is what YAML reads, but for folding and the ends.
        #[test]
        fn blocks_are_those_of_yaml(body in "( {0,3}[a-c#:-]{0,3}\n){0,6}") {
            let indented: String = body.lines().map(|line| format!("  {line}\n")).collect();
            let text = format!("k: |\n{indented}z: 1\n");
            let stream = yaml::parse(&text);
            prop_assume!(stream.error.is_none());
            let known = stream.documents[0].get("k").and_then(|node| node.text()).unwrap_or_default();
            let inner = at(&text, 3).expect("a block");
            prop_assert_eq!(inner.text.trim_end(), known.trim_end());
        }

        #[test]
        fn never_panics(text in "[|>\"\\\\nux0 \n:a\u{e9}{}-]{0,60}", start in 0..60_usize) {
            if let Some(inner) = at(&text, start) {
                for byte in 0..=inner.text.len() {
                    prop_assert!(inner.outer(byte) <= text.len());
                }
            }
        }
    }
}
