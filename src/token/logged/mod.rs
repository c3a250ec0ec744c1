//! What a log says of the request that a token came with: when, from whom, for what. A record is the line that the token
//! stands on; of JSON, the objects around it. What belongs to another object is another request's. Nothing is guessed: a
//! record without a time is none, and an address behind a proxy is nobody's.

pub(super) mod client;
pub(super) mod stamp;
pub(super) mod target;
pub mod witness;

use client::Client;
use stamp::Stamp;

/// How far before a token the line it stands on may begin, in bytes.
pub(super) const REACH: usize = 4 * 1024;
/// How far behind it the line is read.
const AHEAD: usize = super::beside::AHEAD;
/// Names are compared up to this length.
const LONGEST_NAME: usize = 24;
/// How many stretches between braces are looked at.
const MAX_STRETCHES: usize = 16;

/// The line around a token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    /// From the line's beginning to the token.
    pub(super) before: &'a [u8],
    /// From behind the token to the line's end, or as far as is looked.
    pub(super) after: &'a [u8],
}

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Logged {
    /// When it was written.
    pub(super) stamp: Stamp,
    /// Who sent the request.
    pub(super) client: Client,
    /// It tells how a request was answered: such a record is written once a request.
    pub(super) answered: bool,
}

impl<'a> Record<'a> {
    /// The line around `start..end`; `None` where its beginning lies too far back. `first` says that nothing stands before
    /// `bytes`.
    pub(super) fn around(bytes: &'a [u8], start: usize, end: usize, first: bool) -> Option<Self> {
        let floor = start.saturating_sub(REACH);
        let line = match memchr::memrchr(b'\n', &bytes[floor..start]) {
            Some(at) => floor + at + 1,
            None if floor == 0 && first => 0,
            None => return None,
        };
        let after = &bytes[end..bytes.len().min(end + AHEAD)];
        let after = &after[..memchr::memchr(b'\n', after).unwrap_or(after.len())];
        Some(Self { before: &bytes[line..start], after })
    }

    /// What it says, if it has a time.
    pub(super) fn read(&self) -> Option<Logged> {
        let own = self.own();
        let stamp = stamp::of(self, &own)?;
        let (client, answered) = client::of(self, &own);
        Some(Logged { stamp, client, answered })
    }

    /// How long it is, in bytes.
    pub(super) const fn length(&self) -> usize {
        self.before.len() + self.after.len()
    }

    /// The line without the objects that the token is not in.
    pub(super) fn own(&self) -> Vec<&'a [u8]> {
        let mut own = Vec::new();
        // Backwards: what was closed before the token is not around it.
        let (mut depth, mut end) = (0usize, self.before.len());
        for at in memchr::memrchr2_iter(b'{', b'}', self.before) {
            match (self.before[at], depth) {
                (b'}', 0) => {
                    own.push(&self.before[at + 1..end]);
                    depth = 1;
                }
                (b'}', _) => depth += 1,
                (_, 0) => {}
                (_, 1) => (depth, end) = (0, at),
                _ => depth -= 1,
            }
            if own.len() >= MAX_STRETCHES {
                return own;
            }
        }
        if depth == 0 {
            own.push(&self.before[..end]);
        }
        own.reverse();
        // Forwards: what is opened after the token's own object was closed is another.
        let (mut depth, mut start, mut left) = (0usize, 0, false);
        for at in memchr::memchr2_iter(b'{', b'}', self.after) {
            match (self.after[at], depth) {
                (b'{', 0) if left => {
                    own.push(&self.after[start..at]);
                    return own;
                }
                (b'{', 0) => {
                    own.push(&self.after[start..at]);
                    depth = 1;
                }
                (b'{', _) => depth += 1,
                (_, 0) => left = true,
                (_, 1) => (depth, start) = (0, at + 1),
                _ => depth -= 1,
            }
            if own.len() >= 2 * MAX_STRETCHES {
                return own;
            }
        }
        if depth == 0 {
            own.push(&self.after[start..]);
        }
        own
    }
}

/// A name and what follows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    name: [u8; LONGEST_NAME],
    length: usize,
    /// From the value's first byte to the end of the stretch.
    rest: &'a [u8],
    /// What closes it, if it is quoted.
    quote: Option<u8>,
    /// Nothing but a blank stands between them.
    prose: bool,
}

impl<'a> Field<'a> {
    /// Lower case, letters and digits only; of a longer one its end.
    pub(super) fn name(&self) -> &str {
        std::str::from_utf8(&self.name[..self.length]).unwrap_or_default()
    }

    /// How much is there of the stretch from the value on.
    pub(super) const fn length_of_rest(&self) -> usize {
        self.rest.len()
    }

    /// The value: to the closing quote, or as far as a word goes.
    pub(super) fn value(&self) -> &'a [u8] {
        let end = self.rest.iter().position(|b| match self.quote {
            Some(quote) => *b == quote || *b == b'\\',
            None => b.is_ascii_whitespace() || matches!(b, b',' | b';' | b'"' | b'\'' | b')' | b'}' | b'&' | b'|'),
        });
        &self.rest[..end.unwrap_or(self.rest.len())]
    }
}

/// The names in a text that are followed by a value: `name=value`, `"name":"value"`, and `name value`, which is prose.
pub(super) fn fields(text: &[u8]) -> impl Iterator<Item = Field<'_>> {
    memchr::memchr3_iter(b'=', b':', b' ', text).filter_map(|at| field(text, at))
}

fn field(text: &[u8], at: usize) -> Option<Field<'_>> {
    let prose = text[at] == b' ';
    let mut end = at;
    if !prose {
        while end > 0 && matches!(text[end - 1], b'"' | b'\'' | b'\\' | b' ') {
            end -= 1;
        }
    }
    let own = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'@');
    let (mut name, mut length, mut start) = ([0; LONGEST_NAME], 0, end);
    while start > 0 && own(text[start - 1]) && length < LONGEST_NAME {
        start -= 1;
        if text[start].is_ascii_alphanumeric() {
            name[LONGEST_NAME - 1 - length] = text[start].to_ascii_lowercase();
            length += 1;
        }
    }
    // A parameter of a URL is no field of the record.
    if length < 2 || !name[LONGEST_NAME - length].is_ascii_alphabetic() {
        return None;
    }
    if start > 0 && matches!(text[start - 1], b'?' | b'&' | b'/' | b'%') {
        return None;
    }
    name.rotate_left(LONGEST_NAME - length);
    let mut value = at + 1;
    let mut quote = None;
    for _ in 0..6 {
        match text.get(value) {
            Some(b' ' | b'\\' | b'[') => {}
            Some(b @ (b'"' | b'\'')) => quote = Some(*b),
            _ => break,
        }
        value += 1;
        if quote.is_some() {
            break;
        }
    }
    Some(Field { name, length, rest: text.get(value..).unwrap_or_default(), quote, prose })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(line: &str) -> String {
        let at = line.find('@').expect("a place");
        let record = Record::around(line.as_bytes(), at, at + 1, true).expect("a line");
        record.own().into_iter().map(|part| String::from_utf8_lossy(part).into_owned()).collect::<Vec<_>>().join("#")
    }

    #[test]
    fn only_the_objects_around_a_token_are_its_record() {
        for (line, expected) in [
            ("a=1 @ b=2", "a=1 # b=2"),
            ("x\na=1 @ b=2\ny", "a=1 # b=2"),
            ("{\"a\":1,\"h\":{\"t\":\"@\"},\"b\":2}", "{\"a\":1,\"h\":{\"t\":\"#\"},\"b\":2}"),
            ("[{\"a\":1,\"t\":\"@\"},{\"a\":2}]", "[{\"a\":1,\"t\":\"#\"},"),
            ("[{\"a\":1},{\"t\":\"@\",\"b\":2}]", "[#,{\"t\":\"#\",\"b\":2}]"),
            ("p=/o/{id} @ q={a}", "p=/o/# # q=#"),
        ] {
            assert_eq!(own(line), expected, "{line}");
        }
    }

    #[test]
    fn fields_by_example() {
        let named = |text: &str| -> Vec<(String, String)> {
            let all = fields(text.as_bytes()).filter(|field| !field.prose);
            all.map(|f| (f.name().to_owned(), String::from_utf8_lossy(f.value()).into_owned())).collect()
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(named("client_ip=192.0.2.7 x"), [pair("clientip", "192.0.2.7")]);
        assert_eq!(named("{\"client.ip\": \"192.0.2.7\"}"), [pair("clientip", "192.0.2.7")]);
        assert_eq!(named("{\\\"remote-addr\\\":\\\"192.0.2.7\\\"}"), [pair("remoteaddr", "192.0.2.7")]);
        assert_eq!(named("GET /o?client_ip=192.0.2.7&ip=192.0.2.8"), []);
        assert_eq!(named("12:34:56"), []);
    }
}
