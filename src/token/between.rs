//! What stands between a name and its value: quotes, blanks, brackets, line breaks and separators, as they are and as
//! URLs, JSON in JSON, XML and HTML write them. One table, read forwards from a name and backwards from a value.

/// What a piece of punctuation is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// A quote, or the backslash of an escaped one.
    Quote,
    /// A blank on the line.
    Blank,
    /// Opens a list, a call or a block.
    Open,
    /// The end of a line.
    Break,
    /// Parts a name from its value.
    Separator(Separator),
}

/// What parts a name from its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Separator {
    /// `name: value`, `name => value`
    Colon,
    /// `name=value`, `name := value`
    Equals,
    /// `call("name", "value")`
    Comma,
    /// `<name>value`
    Tag,
}

use Mark::{Blank, Break, Open, Quote};
use Separator::{Colon, Comma, Equals, Tag};

/// Of those that end or begin alike the longest first.
static MARKS: &[(&[u8], Mark)] = &[
    (b" ", Blank),
    (b"\t", Blank),
    (b"%20", Blank),
    (b"\"", Quote),
    (b"'", Quote),
    (b"`", Quote),
    (b"%22", Quote),
    (b"%27", Quote),
    (b"u0022", Quote),
    (b"x22", Quote),
    (b"&quot;", Quote),
    (b"&#34;", Quote),
    (b"&#39;", Quote),
    (b"&apos;", Quote),
    (b"\\n", Break),
    (b"\\", Quote),
    (b"[]string{", Open),
    (b"[", Open),
    (b"(", Open),
    (b"{", Open),
    (b"%5B", Open),
    (b"%5b", Open),
    (b"\r\n", Break),
    (b"\n", Break),
    (b"=>", Mark::Separator(Colon)),
    (b":=", Mark::Separator(Equals)),
    (b":", Mark::Separator(Colon)),
    (b"%3A", Mark::Separator(Colon)),
    (b"%3a", Mark::Separator(Colon)),
    (b"u003a", Mark::Separator(Colon)),
    (b"=", Mark::Separator(Equals)),
    (b"%3D", Mark::Separator(Equals)),
    (b"%3d", Mark::Separator(Equals)),
    (b"u003d", Mark::Separator(Equals)),
    (b",", Mark::Separator(Comma)),
    (b">", Mark::Separator(Tag)),
];

/// The mark that `rest` begins with, and its length. A backslash is one only before what it escapes.
pub(super) fn first(rest: &[u8]) -> Option<(Mark, usize)> {
    let byte = *rest.first()?;
    if byte == b'\\' {
        match rest.get(1)? {
            b'"' | b'\'' | b'\\' | b'/' => return Some((Quote, 1)),
            b'u' | b'x' => {
                let (mark, length) = written_out(&rest[1..])?;
                return Some((mark, 1 + length));
            }
            _ => {}
        }
    }
    let (text, mark) = MARKS.iter().find(|(text, _)| text[0] == byte && rest.starts_with(text))?;
    (*text != b"\\" && !text.starts_with(b"u0") && !text.starts_with(b"x2")).then_some((*mark, text.len()))
}

/// `u0022`, `x22` … after a backslash.
fn written_out(rest: &[u8]) -> Option<(Mark, usize)> {
    MARKS.iter().find(|(text, _)| text[0].is_ascii_lowercase() && rest.starts_with(text)).map(|(t, m)| (*m, t.len()))
}

/// The mark that `before` ends with, and its length.
pub(super) fn last(before: &[u8]) -> Option<(Mark, usize)> {
    let byte = *before.last()?;
    MARKS
        .iter()
        .find(|(text, _)| text[text.len() - 1] == byte && before.ends_with(text))
        .map(|(text, mark)| (*mark, text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_is_read_in_both_directions() {
        for (text, mark) in MARKS {
            assert_eq!(last(&[b"x", *text].concat()), Some((*mark, text.len())), "{}", text.escape_ascii());
            let escaped = text[0].is_ascii_lowercase();
            let written = if escaped { [b"\\", *text].concat() } else { text.to_vec() };
            let forwards = first(&[&written[..], b"\"x"].concat());
            assert_eq!(forwards, Some((*mark, written.len())), "{}", text.escape_ascii());
        }
        assert_eq!(first(b"u0022"), None);
        assert_eq!(first(b"\\d"), None);
        assert_eq!(first(b""), None);
        assert_eq!(last(b"a"), None);
    }
}
