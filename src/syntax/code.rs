//! Source code of languages with braces (C#, Java, JavaScript, Kotlin), as far as it can be read without knowing the
//! language: what is a comment, what stands in quotes, and what is called with what. Nothing is resolved; who reads on
//! takes what is no plain text for unknown.

/// So many bytes of one file are looked at.
const MOST: usize = 1 << 20;
/// So deep calls may nest.
const DEEP: usize = 64;

/// Words whose brackets usually stand apart from them.
const APART: &[&str] = &["catch", "for", "if", "switch", "when", "while"];

/// A piece of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A name or a keyword.
    Word(&'a str),
    /// What stands in quotes, escapes and all.
    Text(&'a str),
    /// A name with arguments.
    Call(Call<'a>),
    /// What stands in brackets after no name.
    Group(Vec<Self>),
    /// Any other sign.
    Sign(u8),
}

/// A name with arguments. A block right after it is one more of them, as in Kotlin; so is the body of a method or an `if`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call<'a> {
    /// The name.
    pub name: &'a str,
    /// The arguments.
    pub arguments: Vec<Vec<Piece<'a>>>,
    /// Where the name begins, in bytes.
    pub start: usize,
    /// Where the last argument's bracket ends.
    pub end: usize,
}

/// The pieces of a file.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut reader = Reader { text, bytes: &text.as_bytes()[..text.len().min(MOST)], at: 0 };
    let mut all = Vec::new();
    while reader.at < reader.bytes.len() {
        all.extend(reader.run(b'\0', 0));
        reader.at += 1; // a bracket that nothing opened
    }
    all
}

/// The text with comments, and what stands in strings, blanked out; every byte stays where it was.
pub fn blanked(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes()[..text.len().min(MOST)].to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let Some((end, _)) = comment_or_string(&bytes, at) else {
            at += 1;
            continue;
        };
        for byte in bytes[at..end].iter_mut().filter(|byte| **byte != b'\n') {
            *byte = b' ';
        }
        at = end.max(at + 1);
    }
    bytes
}

/// Whether a byte may be of a name.
pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// Where the comment or the string that begins here ends, and what stands between the quotes of a string.
fn comment_or_string(bytes: &[u8], at: usize) -> Option<(usize, Option<(usize, usize)>)> {
    let whole = bytes.len();
    let (end, inside) = match (bytes[at], bytes.get(at + 1)) {
        (b'/', Some(b'/')) => (memchr::memchr(b'\n', &bytes[at..]).map_or(whole, |end| at + end), None),
        (b'/', Some(b'*')) => {
            (memchr::memmem::find(&bytes[at + 2..], b"*/").map_or(whole, |end| at + 2 + end + 2), None)
        }
        (b'"', _) if bytes[at..].starts_with(b"\"\"\"") => {
            let close = memchr::memmem::find(&bytes[at + 3..], b"\"\"\"").map(|end| at + 3 + end);
            (close.map_or(whole, |close| close + 3), Some((at + 3, close.unwrap_or(whole))))
        }
        (quote @ (b'"' | b'\'' | b'`'), _) => {
            let (close, end) = string(bytes, at, quote);
            (end, Some((at + 1, close)))
        }
        _ => return None,
    };
    Some((end.min(whole), inside))
}

/// Where the last quote of a string stands, and where it ends: that is the same where it breaks off.
fn string(bytes: &[u8], start: usize, quote: u8) -> (usize, usize) {
    // `@"…"` of C# knows no backslashes and may go over many lines.
    let verbatim = quote == b'"' && matches!(bytes[..start], [.., b'@'] | [.., b'@', b'$']);
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if !verbatim => at += 1,
            b'\n' if !verbatim && quote != b'`' => return (at, at),
            byte if *byte == quote => return (at, at + 1),
            _ => {}
        }
        at += 1;
    }
    (bytes.len(), bytes.len())
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// All up to a closing bracket, which is left, or to `stop`, which is left, too.
    fn run(&mut self, stop: u8, depth: usize) -> Vec<Piece<'a>> {
        let mut all = Vec::new();
        while let Some(byte) = self.bytes.get(self.at).copied() {
            if let Some((end, inside)) = comment_or_string(self.bytes, self.at) {
                all.extend(inside.and_then(|(from, to)| self.text.get(from..to)).map(Piece::Text));
                self.at = end.max(self.at + 1);
                continue;
            }
            match byte {
                b')' | b']' | b'}' => break,
                byte if byte == stop => break,
                b'(' | b'[' | b'{' => {
                    let inside = self.arguments(depth).into_iter().flatten().collect();
                    all.push(Piece::Group(inside));
                }
                byte if is_word(byte) => {
                    let start = self.at;
                    self.at += self.bytes[start..].iter().take_while(|byte| is_word(**byte)).count();
                    let name = self.text.get(start..self.at).unwrap_or_default();
                    let mut arguments = Vec::new();
                    let mut called = false;
                    let end = self.at;
                    if self.bytes.get(self.at) == Some(&b'(') || APART.contains(&name) && self.next_is(b'(') {
                        (called, arguments) = (true, self.arguments(depth));
                    } else {
                        self.at = end;
                    }
                    let end = self.at;
                    if self.next_is(b'{') {
                        (called, _) = (true, arguments.extend(self.arguments(depth)));
                    } else {
                        self.at = end;
                    }
                    all.push(if called {
                        Piece::Call(Call { name, arguments, start, end: self.at })
                    } else {
                        Piece::Word(name)
                    });
                }
                byte if byte.is_ascii_whitespace() => self.at += 1,
                byte => {
                    all.push(Piece::Sign(byte));
                    self.at += 1;
                }
            }
        }
        all
    }

    /// Whether a byte comes next on this line; then this stands on it.
    fn next_is(&mut self, wanted: u8) -> bool {
        self.at += self.bytes[self.at..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        self.bytes.get(self.at) == Some(&wanted)
    }

    /// What stands in the brackets that open here: of round ones the arguments, of others one piece after the other.
    fn arguments(&mut self, depth: usize) -> Vec<Vec<Piece<'a>>> {
        let open = self.bytes[self.at];
        self.at += 1;
        if depth >= DEEP {
            self.skip();
            return vec![vec![Piece::Sign(b'?')]];
        }
        let stop = if open == b'(' { b',' } else { b'\0' };
        let mut all = Vec::new();
        loop {
            let one = self.run(stop, depth + 1);
            let ends = self.bytes.get(self.at) != Some(&b',');
            if !(ends && one.is_empty() && all.is_empty() && open == b'(') {
                all.push(one);
            }
            if ends {
                break;
            }
            self.at += 1;
        }
        // A bracket of another kind is left to whom it closes.
        let close = match open {
            b'(' => b')',
            b'[' => b']',
            _ => b'}',
        };
        if self.bytes.get(self.at) == Some(&close) {
            self.at += 1;
        }
        all
    }

    /// Goes past what is nested too deep.
    fn skip(&mut self) {
        let mut depth = 1usize;
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(pieces: &[Piece<'_>]) -> String {
        let all: Vec<String> = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Word(word) => (*word).to_owned(),
                Piece::Text(text) => format!("'{text}'"),
                Piece::Group(inside) => format!("[{}]", said(inside)),
                Piece::Sign(sign) => char::from(*sign).to_string(),
                Piece::Call(call) => {
                    let arguments: Vec<String> = call.arguments.iter().map(|one| said(one)).collect();
                    format!("{}({})", call.name, arguments.join(", "))
                }
            })
            .collect();
        all.join(" ")
    }

    #[test]
    fn calls_and_their_arguments() {
        for (text, expected) in [
            ("f.a(\"x\", 1).b()", "f . a('x', 1) . b()"),
            ("route(\"o\", r -> r.path(\"/*\") /* x */ .uri(U))", "route('o', r - > r . path('/*') . uri(U))"),
            ("routes {\n route(id = \"o\") { uri(\"u\") } }", "routes(route(id = 'o', uri('u')))"),
            ("if (a) { b(); } else { c }", "if(a, b() ;) else(c)"),
            ("f -> { return f.a(); }", "f - > [return f . a() ;]"),
            ("a(\"\"\"b \"c\" \"\"\") // d(", "a('b \"c\" ')"),
            ("a(\"\\\"b\") }) c", "a('\\\"b') c"),
            ("a(b[1, 2], {3})", "a(b [1 , 2], [3])"),
        ] {
            assert_eq!(said(&pieces(text)), expected, "{text}");
        }
    }

    #[test]
    fn deep_nesting_ends() {
        let text = "a(".repeat(100_000);
        assert_eq!(pieces(&text).len(), 1);
    }

    proptest! {
        #[test]
        fn any_code_is_read(words in prop::collection::vec(prop::sample::select(vec![
            "a", ".", "=", "{", "}", "(", ")", "[", "]", ";", ",", "\"", "\"\"\"", "@", "'", "`", "\\", "//", "/*", "*/",
            "\n", "\u{e9}", " ", "->",
        ]), 0..60)) {
            let _ = pieces(&words.concat());
            let _ = blanked(&words.concat());
        }
    }
}
