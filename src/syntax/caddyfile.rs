//! Caddyfiles: lines of words, with blocks in braces, made into a tree with places.
//!
//! What a brace that is never closed opens goes on to the end of the text; a closing brace that nothing opened is passed
//! over. Blocks nest up to [`MAX_DEPTH`]; what lies deeper is left out.

/// How deep blocks may nest.
pub const MAX_DEPTH: usize = 60;

/// A word, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The text, quotes undone.
    pub text: String,
    /// It stood in quotes.
    pub quoted: bool,
    /// Offset of the first byte.
    pub start: usize,
    /// Offset one past the last byte.
    pub end: usize,
}

/// A line of words, with the block that follows it on the same line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its words; none for a block without a head, as that of the global options.
    pub words: Vec<Word>,
    /// What stands in its braces; `None` where it has none.
    pub block: Option<Vec<Segment>>,
    /// Offset of its first byte.
    pub start: usize,
    /// Offset one past its last word, or its opening brace.
    pub end: usize,
}

impl Segment {
    /// Its first word, which says what it is.
    pub fn name(&self) -> &str {
        self.words.first().map_or("", |word| word.text.as_str())
    }

    /// The words after the first.
    pub fn arguments(&self) -> &[Word] {
        self.words.get(1..).unwrap_or_default()
    }

    /// What stands in its braces, if anything.
    pub fn inner(&self) -> &[Segment] {
        self.block.as_deref().unwrap_or_default()
    }
}

/// Reads a text.
pub fn parse(text: &str) -> Vec<Segment> {
    let words = words(text);
    let mut at = 0;
    block(&words, &mut at, 0)
}

/// A word, or the end of a line.
enum Lexeme {
    Word(Word),
    Line,
}

fn words(text: &str) -> Vec<Lexeme> {
    let bytes = text.as_bytes();
    let mut lexemes = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\n' => {
                lexemes.push(Lexeme::Line);
                at += 1;
            }
            b if b.is_ascii_whitespace() => at += 1,
            // A backslash before the end of a line joins it to the next.
            b'\\' if matches!(bytes.get(at + 1), Some(b'\n')) => at += 2,
            b'\\' if bytes.get(at + 1..at + 3) == Some(b"\r\n") => at += 3,
            b'#' => at = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |length| at + length),
            b'"' | b'`' => {
                let (word, end) = quoted(text, at);
                lexemes.push(Lexeme::Word(word));
                at = end;
            }
            b'<' if bytes.get(at + 1) == Some(&b'<') => match heredoc(text, at) {
                Some((word, end)) => {
                    lexemes.push(Lexeme::Word(word));
                    at = end;
                }
                None => at = bare(text, at, &mut lexemes),
            },
            _ => at = bare(text, at, &mut lexemes),
        }
    }
    lexemes
}

fn bare(text: &str, start: usize, into: &mut Vec<Lexeme>) -> usize {
    let rest = &text.as_bytes()[start..];
    let end = rest.iter().position(u8::is_ascii_whitespace).map_or(text.len(), |length| start + length);
    into.push(Lexeme::Word(Word { text: text[start..end].to_owned(), quoted: false, start, end }));
    end
}

fn quoted(text: &str, start: usize) -> (Word, usize) {
    let quote = text.as_bytes()[start];
    let mut content = String::new();
    let mut characters = text[start + 1..].char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if character == char::from(quote) {
            let end = start + 1 + at + 1;
            return (Word { text: content, quoted: true, start, end }, end);
        }
        match (character, characters.peek()) {
            ('\\', Some((_, '"'))) if quote == b'"' => {
                content.push('"');
                characters.next();
            }
            _ => content.push(character),
        }
    }
    (Word { text: content, quoted: true, start, end: text.len() }, text.len())
}

/// `<<END`, lines, `END`.
fn heredoc(text: &str, start: usize) -> Option<(Word, usize)> {
    let rest = &text[start + 2..];
    let (marker, body) = rest.split_once('\n')?;
    let marker = marker.trim_end();
    if marker.is_empty() || !marker.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        return None;
    }
    let from = text.len() - body.len();
    let mut at = from;
    for line in body.split_inclusive('\n') {
        if let Some(after) = line.trim_start().strip_prefix(marker)
            && !after.starts_with(|c: char| c.is_ascii_alphanumeric())
        {
            let end = at + (line.len() - after.len());
            return Some((Word { text: text[from..at].to_owned(), quoted: true, start, end }, end));
        }
        at += line.len();
    }
    None
}

fn block(lexemes: &[Lexeme], at: &mut usize, depth: usize) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut words: Vec<Word> = Vec::new();
    let finish = |words: &mut Vec<Word>, block: Option<(Vec<Segment>, usize, usize)>, segments: &mut Vec<Segment>| {
        let (block, opened) = match block {
            Some((block, start, end)) => (Some(block), Some((start, end))),
            None => (None, None),
        };
        let start = words.first().map(|word| word.start).or(opened.map(|(start, _)| start));
        let end = words.last().map(|word| word.end).or(opened.map(|(_, end)| end));
        if let (Some(start), Some(end)) = (start, end) {
            segments.push(Segment { words: std::mem::take(words), block, start, end });
        }
    };
    while let Some(lexeme) = lexemes.get(*at) {
        *at += 1;
        match lexeme {
            Lexeme::Line => {
                // Addresses of a site go on in the next line after a comma.
                if depth == 0 && words.last().is_some_and(|word| word.text.ends_with(',')) {
                    continue;
                }
                finish(&mut words, None, &mut segments);
            }
            Lexeme::Word(word) if word.text == "{" && !word.quoted && ends_line(lexemes, *at) => {
                if depth >= MAX_DEPTH {
                    skip(lexemes, at);
                    continue;
                }
                let inner = block(lexemes, at, depth + 1);
                finish(&mut words, Some((inner, word.start, word.end)), &mut segments);
            }
            Lexeme::Word(word) if word.text == "}" && !word.quoted => {
                finish(&mut words, None, &mut segments);
                if depth > 0 {
                    return segments;
                }
            }
            Lexeme::Word(word) => words.push(word.clone()),
        }
    }
    finish(&mut words, None, &mut segments);
    segments
}

fn ends_line(lexemes: &[Lexeme], at: usize) -> bool {
    matches!(lexemes.get(at), None | Some(Lexeme::Line))
}

/// Passes over a block.
fn skip(lexemes: &[Lexeme], at: &mut usize) {
    let mut open = 1_usize;
    while let Some(lexeme) = lexemes.get(*at) {
        *at += 1;
        if let Lexeme::Word(word) = lexeme
            && !word.quoted
        {
            match word.text.as_str() {
                "{" if ends_line(lexemes, *at) => open += 1,
                "}" => open -= 1,
                _ => {}
            }
        }
        if open == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn blocks_and_words_have_places() {
        let text = "{\n\tadmin off\n}\na.example.com,\nb.example.com {\n\theader X \"a \\\"b\\\" { c\" # no\n\treverse_proxy \\\n\t\tapp:80 {\n\t\theader_up H {x}\n\t}\n}\n";
        let segments = parse(text);
        assert_eq!(segments.len(), 2);
        assert_eq!(segments[0].words, []);
        assert_eq!(segments[0].inner()[0].name(), "admin");
        let site = &segments[1];
        assert_eq!(site.words.len(), 2);
        assert_eq!(site.inner()[0].arguments()[1].text, "a \"b\" { c");
        let proxy = &site.inner()[1];
        assert_eq!(proxy.arguments()[0].text, "app:80");
        assert_eq!(proxy.inner()[0].arguments()[1].text, "{x}");
        assert_eq!(&text[proxy.start..proxy.start + 13], "reverse_proxy");
    }

    #[test]
    fn heredocs_are_one_word() {
        let segments = parse("respond <<HTML\n  <b>{\n  HTML 200\nfile_server\n");
        assert_eq!(segments[0].arguments()[1].text, "200");
        assert_eq!(segments[1].name(), "file_server");
    }

    #[test]
    fn depth_is_bounded() {
        let segments = parse(&"a {\n".repeat(5000));
        assert_eq!(segments.len(), 1);
    }

    proptest! {
        #[test]
        fn places_lie_within(text in "[a{}\"`#\\\\<, \n\t\u{e9}E]{0,100}") {
            fn check(segments: &[Segment], length: usize) {
                for segment in segments {
                    assert!(segment.start <= segment.end && segment.end <= length);
                    segment.words.iter().for_each(|word| assert!(word.start < word.end && word.end <= length));
                    check(segment.inner(), length);
                }
            }
            check(&parse(&text), text.len());
        }
    }
}
