//! JSON as it stands in tokens and files, hostile or not: a total, depth-bounded reader.
//!
//! It differs from an ordinary JSON library where an auditor must: numbers keep their digits (claims beyond 64 bits),
//! repeated members are kept in order, invalid UTF-8 and lone surrogates become U+FFFD, control characters in strings
//! pass, and nesting below [`MAX_DEPTH`] is skipped without recursion and stands in the tree as a [`Value::Hole`].

use std::borrow::Cow;

/// Values nested deeper than this are skipped.
pub const MAX_DEPTH: usize = 48;

/// A JSON value; strings and numbers borrow from the text where they can.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number, as it is written.
    Number(&'a str),
    /// A string, escapes undone.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Value<'a>>),
    /// An object: members in order, repeated names included.
    Object(Vec<(Cow<'a, str>, Value<'a>)>),
    /// A value that lies too deep to be read.
    Hole,
}

impl<'a> Value<'a> {
    /// The member of that name (of repeated ones the last, as most readers take it).
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        match self {
            Self::Object(members) => members.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The members of an object.
    pub fn members(&self) -> Option<&[(Cow<'a, str>, Value<'a>)]> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }
}

/// Reads a whole text: one value with nothing but white space around it. `None` where it is not JSON.
pub fn parse(text: &[u8]) -> Option<Value<'_>> {
    let (value, end) = parse_prefix(text)?;
    text[end..].iter().all(|b| is_space(*b)).then_some(value)
}

/// Reads one value at the start of `text` (after white space) and says where it ends. `None` where there is none.
pub fn parse_prefix(text: &[u8]) -> Option<(Value<'_>, usize)> {
    parse_start(text).ok()
}

/// The same.
///
/// # Errors
/// How far it could be read; near the end of `text` it may only be cut off.
pub fn parse_start(text: &[u8]) -> Result<(Value<'_>, usize), usize> {
    let mut reader = Reader { text, at: 0 };
    reader.space();
    match reader.value(0) {
        Some(value) => Ok((value, reader.at)),
        None => Err(reader.at.min(text.len())),
    }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.text[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    /// The recursion is bounded by `MAX_DEPTH`.
    fn value(&mut self, depth: usize) -> Option<Value<'a>> {
        match self.peek()? {
            b'{' | b'[' if depth >= MAX_DEPTH => self.skip_nested().map(|()| Value::Hole),
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string().map(Value::String),
            b't' => self.word(b"true").map(|()| Value::Bool(true)),
            b'f' => self.word(b"false").map(|()| Value::Bool(false)),
            b'n' => self.word(b"null").map(|()| Value::Null),
            b'-' | b'0'..=b'9' => self.number(),
            _ => None,
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value<'a>> {
        self.at += 1;
        let mut members = Vec::new();
        self.space();
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(Value::Object(members));
        }
        loop {
            self.space();
            if self.peek()? != b'"' {
                return None;
            }
            let name = self.string()?;
            self.space();
            if self.peek()? != b':' {
                return None;
            }
            self.at += 1;
            self.space();
            let value = self.value(depth + 1)?;
            members.push((name, value));
            self.space();
            let next = self.peek()?;
            self.at += 1;
            match next {
                b',' => {}
                b'}' => return Some(Value::Object(members)),
                _ => return None,
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<Value<'a>> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.peek()? == b']' {
            self.at += 1;
            return Some(Value::Array(items));
        }
        loop {
            self.space();
            items.push(self.value(depth + 1)?);
            self.space();
            let next = self.peek()?;
            self.at += 1;
            match next {
                b',' => {}
                b']' => return Some(Value::Array(items)),
                _ => return None,
            }
        }
    }

    fn number(&mut self) -> Option<Value<'a>> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let digits = self.digits();
        if digits == 0 {
            return None;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return None;
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return None;
            }
        }
        std::str::from_utf8(&self.text[start..self.at]).ok().map(Value::Number)
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    fn string(&mut self) -> Option<Cow<'a, str>> {
        self.at += 1;
        let start = self.at;
        let rest = &self.text[start..];
        let stop = self.end_of_plain(rest)?;
        if rest[stop] == b'"' {
            self.at = start + stop + 1;
            return Some(String::from_utf8_lossy(&rest[..stop]));
        }
        let mut out: Vec<u8> = rest[..stop].to_vec();
        self.at = start + stop;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(Cow::Owned(match String::from_utf8(out) {
                        Ok(text) => text,
                        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
                    }));
                }
                b'\\' => {
                    self.at += 1;
                    let escape = self.peek()?;
                    self.at += 1;
                    match escape {
                        b'n' => out.push(b'\n'),
                        b't' => out.push(b'\t'),
                        b'r' => out.push(b'\r'),
                        b'b' => out.push(8),
                        b'f' => out.push(12),
                        b'u' => {
                            let unit = self.hex4()?;
                            let decoded =
                                if (0xD800..0xDC00).contains(&unit) && self.text[self.at..].starts_with(b"\\u") {
                                    let back = self.at;
                                    self.at += 2;
                                    let low = self.hex4()?;
                                    if (0xDC00..0xE000).contains(&low) {
                                        char::from_u32(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
                                    } else {
                                        self.at = back;
                                        None
                                    }
                                } else {
                                    char::from_u32(unit)
                                };
                            let mut utf8 = [0u8; 4];
                            let decoded = decoded.unwrap_or(char::REPLACEMENT_CHARACTER);
                            out.extend_from_slice(decoded.encode_utf8(&mut utf8).as_bytes());
                        }
                        b'"' | b'\\' | b'/' => out.push(escape),
                        _ => return None,
                    }
                }
                _ => {
                    let rest = &self.text[self.at..];
                    let stop = self.end_of_plain(rest)?;
                    out.extend_from_slice(&rest[..stop]);
                    self.at += stop;
                }
            }
        }
    }

    /// Where the plain part of a string ends; a string without an end was read to the end.
    fn end_of_plain(&mut self, rest: &[u8]) -> Option<usize> {
        let stop = memchr::memchr2(b'"', b'\\', rest);
        if stop.is_none() {
            self.at = self.text.len();
        }
        stop
    }

    fn hex4(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        let mut unit = 0;
        for digit in digits {
            unit = unit * 16 + char::from(*digit).to_digit(16)?;
        }
        self.at += 4;
        Some(unit)
    }

    /// Steps over an object or array by counting brackets outside strings.
    fn skip_nested(&mut self) -> Option<()> {
        let mut open = 0usize;
        loop {
            match self.peek()? {
                b'{' | b'[' => open += 1,
                b'}' | b']' => {
                    open -= 1;
                    if open == 0 {
                        self.at += 1;
                        return Some(());
                    }
                }
                b'"' => {
                    self.at += 1;
                    loop {
                        self.at += memchr::memchr2(b'"', b'\\', &self.text[self.at..])?;
                        if self.peek()? == b'"' {
                            break;
                        }
                        self.at += 2;
                        if self.at > self.text.len() {
                            return None;
                        }
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_ordinary_readers_refuse() {
        let value = parse(b"{\"exp\":99999999999999999999999,\"a\":\"\\ud800x\xff\",\"a\":2}").expect("json");
        assert_eq!(value.get("exp"), Some(&Value::Number("99999999999999999999999")));
        assert_eq!(value.get("a"), Some(&Value::Number("2")));
        assert_eq!(value.members().expect("object")[1].1.as_str(), Some("\u{fffd}x\u{fffd}"));
    }

    #[test]
    fn depth_is_bounded_and_the_rest_is_read() {
        let deep = format!("{{\"x\":{}{},\"exp\":1}}", "[".repeat(100_000), "]".repeat(100_000));
        let value = parse(deep.as_bytes()).expect("json");
        assert_eq!(value.get("exp"), Some(&Value::Number("1")));
    }

    #[test]
    fn refuses_what_is_not_json() {
        for bad in ["", "{", "{]", "{\"a\"}", "{\"a\":}", "01x", "{\"a\":1}x", "tru", "\"\\x\"", "[1,]", "-", "1."] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn never_panics_on_brackets(text in "[\\[\\]{}\",:\\\\u0-9a]{0,200}") {
            let _ = parse(text.as_bytes());
        }

        #[test]
        fn agrees_with_serde_json(text in "[\\[\\]{}\",:\\\\n0-9a ]{0,30}") {
            // Whatever serde_json accepts, this reader accepts.
            if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
                prop_assert!(parse(text.as_bytes()).is_some());
            }
        }
    }
}
