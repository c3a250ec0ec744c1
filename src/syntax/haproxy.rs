//! HAProxy's configuration as sections of lines of words, each with its place (management guide and configuration
//! manual, section 2.2: quoting and escaping).
//!
//! What a template engine or a `.if` makes of a line is not known here: such lines carry the [`Guard`]s they stand
//! under, and words in which something is still to be filled in are [open](Word::open).

use super::template::{self, Guard};

/// A word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The text, quotes and escapes undone.
    pub text: String,
    /// Byte offsets in the text, quotes included.
    pub bytes: (usize, usize),
    /// A variable of the environment or of a template stands in it.
    pub open: bool,
    /// No part of it was quoted: only such a word can be a keyword like `if`.
    pub bare: bool,
}

/// A line with at least one word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its words.
    pub words: Vec<Word>,
    /// Byte offsets from its first word to its last.
    pub bytes: (usize, usize),
    /// What it stands under.
    pub guards: Vec<Guard>,
}

impl Line {
    /// The text of a word; nothing past the last.
    pub fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", |word| word.text.as_str())
    }
}

/// A section: the line that opens it and those within.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// `frontend api`.
    pub head: Line,
    /// The lines of it.
    pub lines: Vec<Line>,
}

/// What was read of a text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    /// The sections, in order.
    pub sections: Vec<Section>,
    /// Lines before the first section.
    pub stray: Vec<Line>,
    /// What could not be read: offsets, and why.
    pub holes: Vec<(usize, usize, &'static str)>,
}

/// Words that open a section.
pub const SECTIONS: &[&str] = &[
    "global",
    "defaults",
    "frontend",
    "backend",
    "listen",
    "userlist",
    "resolvers",
    "peers",
    "mailers",
    "cache",
    "program",
    "http-errors",
    "ring",
    "log-forward",
    "log-profile",
    "fcgi-app",
    "crt-store",
    "traces",
    "acme",
];

/// Reads a text.
pub fn parse(text: &str) -> Document {
    let mut document = Document::default();
    let mut guards: Vec<Guard> = Vec::new();
    let mut at = 0;
    for raw in text.split_inclusive('\n') {
        let start = at;
        at += raw.len();
        let trimmed = raw.trim();
        let offset = start + (raw.len() - raw.trim_start().len());
        if let Some(statement) = template::statement(trimmed) {
            if !template::turn(&mut guards, statement) {
                document.holes.push((offset, offset + trimmed.len(), "a template fills this in"));
            }
            continue;
        }
        let (words, whole) = words(raw, start);
        if !whole {
            document.holes.push((offset, offset + trimmed.len(), "a quote is not closed"));
        }
        let (Some(first), Some(last)) = (words.first(), words.last()) else { continue };
        if first.bare && first.text.starts_with('.') && template::turn(&mut guards, trimmed.trim_start_matches('.')) {
            continue;
        }
        let opens = SECTIONS.contains(&first.text.as_str());
        let line = Line { bytes: (first.bytes.0, last.bytes.1), words, guards: guards.clone() };
        if opens {
            document.sections.push(Section { head: line, lines: Vec::new() });
        } else {
            match document.sections.last_mut() {
                Some(section) => section.lines.push(line),
                None => document.stray.push(line),
            }
        }
    }
    document
}

/// The words of a line that begins at `at`, and whether all quotes were closed.
fn words(line: &str, at: usize) -> (Vec<Word>, bool) {
    let bytes = line.as_bytes();
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut quote: Option<u8> = None;
    let mut i = 0;
    let fresh = |i: usize| Word { text: String::new(), bytes: (at + i, at + i), open: false, bare: true };
    while let Some(c) = line.get(i..).and_then(|rest| rest.chars().next()) {
        if matches!(c, '\n' | '\r') {
            break;
        }
        if quote.is_none() && c.is_ascii_whitespace() {
            words.extend(word.take());
            i += 1;
            continue;
        }
        if quote.is_none() && c == '#' {
            break;
        }
        let open = word.get_or_insert_with(|| fresh(i));
        let start = i;
        i += c.len_utf8();
        match c {
            '\'' | '"' if quote == Some(c as u8) => quote = None,
            '\'' | '"' if quote.is_none() => {
                quote = Some(c as u8);
                open.bare = false;
            }
            '\\' if quote != Some(b'\'') => {
                let (text, length) = escaped(&bytes[i..]);
                open.text.push_str(&text);
                i += length;
            }
            _ => {
                if let Some(length) = template::filled_in(&line[start..]) {
                    open.open = true;
                    open.text.push_str(&line[start..start + length]);
                    i = start + length;
                } else {
                    open.text.push(c);
                }
            }
        }
        open.bytes.1 = at + i;
    }
    words.extend(word.take());
    (words, quote.is_none())
}

/// What follows a backslash means, and how many bytes it takes.
fn escaped(rest: &[u8]) -> (String, usize) {
    let plain = |c: char| (c.to_string(), 1);
    match rest.first() {
        Some(b' ') => plain(' '),
        Some(b'#') => plain('#'),
        Some(b'\\') => plain('\\'),
        Some(b'\'') => plain('\''),
        Some(b'"') => plain('"'),
        Some(b'n') => plain('\n'),
        Some(b'r') => plain('\r'),
        Some(b't') => plain('\t'),
        Some(b'x') => {
            let digit = |at: usize| rest.get(at).and_then(|byte| char::from(*byte).to_digit(16));
            match (digit(1), digit(2)) {
                (Some(high), Some(low)) => (char::from((high * 16 + low) as u8).to_string(), 3),
                _ => ("\\".to_owned(), 0),
            }
        }
        _ => ("\\".to_owned(), 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        words(line, 0).0.into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn quotes_and_escapes_are_undone() {
        assert_eq!(texts(r"  reqadd X-SSL:\ yes # remark"), ["reqadd", "X-SSL: yes"]);
        assert_eq!(texts(r#"log-format "a \"b\" %[x]" 'c "d" \n'"#), ["log-format", r#"a "b" %[x]"#, r#"c "d" \n"#]);
        assert_eq!(texts(r"acl a path_reg ^/a\.b$ \x41"), ["acl", "a", "path_reg", r"^/a\.b$", "A"]);
        assert_eq!(texts("a'b c'd\"#\""), ["ab cd#"]);
    }

    #[test]
    fn places_hold() {
        let text = "frontend a\n    bind \":443\" ssl # x\n";
        let document = parse(text);
        let line = &document.sections[0].lines[0];
        assert_eq!(&text[line.bytes.0..line.bytes.1], "bind \":443\" ssl");
        assert_eq!(&text[line.words[1].bytes.0..line.words[1].bytes.1], "\":443\"");
        assert_eq!((line.words[1].bare, line.words[2].bare), (false, true));
    }

    #[test]
    fn what_is_filled_in_later_is_open() {
        let document = parse("backend {{ name }}\n server a \"${HOST}:80\"\n server b ${IP}:80 check\n");
        let section = &document.sections[0];
        assert!(section.head.words[1].open && section.lines.iter().all(|line| line.words[2].open));
        // Log formats have braces of their own.
        assert!(!parse("backend a\n log-format {%[src]}").sections[0].lines[0].words[1].open);
    }

    #[test]
    fn conditions_of_templates_are_kept() {
        let text = "frontend a\n{% if x %}\n mode tcp\n{% else %}\n mode http\n{% endif %}\n.if defined(Y)\n log a\n.endif\n{{ more }}\n bind :1\n";
        let document = parse(text);
        let guards: Vec<_> = document.sections[0]
            .lines
            .iter()
            .map(|line| line.guards.first().map(|guard| (guard.condition.as_str(), guard.holds)))
            .collect();
        assert_eq!(guards, [Some(("if x", true)), Some(("if x", false)), Some(("if defined(Y)", true)), None]);
        assert_eq!(document.holes.len(), 1);
    }

    #[test]
    fn an_open_quote_is_a_hole() {
        let document = parse("frontend a\n log-format \"x\n bind :80\n");
        assert_eq!((document.holes.len(), document.sections[0].lines.len()), (1, 2));
    }
}
