//! The members of a record, read where they stand: JSON however deep it is quoted, JavaScript, Python, TOML, HCL, YAML
//! in braces. Enough to find the value that belongs to a name a few members away, without parsing the file.

use std::cell::Cell;

/// How far the members of one record are followed, in bytes.
const REACH: usize = 4096;
/// How many opening braces are tried.
const OPENINGS: usize = 4;

/// The bytes at hand end before the record does, and more may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CutOff;

/// The bytes at hand, and what is counted of looking at them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lens<'a> {
    /// The bytes.
    pub(super) bytes: &'a [u8],
    /// Others may follow.
    pub(super) more: bool,
    /// How many bytes were looked at.
    pub(super) used: &'a Cell<i64>,
}

impl<'a> Lens<'a> {
    /// Notes that so many bytes were looked at.
    pub(super) fn looked_at(&self, bytes: usize) {
        self.used.set(self.used.get() + bytes as i64);
    }

    /// The members of a record from `at` on, which lies in it and in none of its strings.
    pub(super) fn members(self, at: usize) -> Members<'a> {
        self.members_within(at, REACH)
    }

    /// The same, over a distance of its own.
    pub(super) fn members_within(self, at: usize, reach: usize) -> Members<'a> {
        Members {
            lens: self,
            bytes: self.bytes,
            start: at,
            at,
            limit: (at + reach).min(self.bytes.len()),
            more: self.more,
        }
    }

    /// As far as the bytes go: nothing that may follow is waited for.
    pub(super) fn behind(self) -> Self {
        Self { more: false, ..self }
    }
}

/// What a member holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    /// A string: offsets of what stands between its quotes.
    Text(usize, usize),
    /// Something without quotes.
    Bare(usize, usize),
    /// An object or array: the offset behind its opening bracket.
    Nested(usize),
}

impl Value {
    /// Where a scalar begins.
    pub(super) const fn start(self) -> usize {
        match self {
            Self::Text(start, _) | Self::Bare(start, _) | Self::Nested(start) => start,
        }
    }
}

/// A name and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member {
    /// Offsets of the name, without quotes.
    pub(super) key: (usize, usize),
    /// The value.
    pub(super) value: Value,
}

/// Walks over the members of one record, from some place between two of them to the closing bracket.
#[derive(Debug)]
pub(super) struct Members<'a> {
    lens: Lens<'a>,
    bytes: &'a [u8],
    start: usize,
    at: usize,
    limit: usize,
    more: bool,
}

impl Drop for Members<'_> {
    fn drop(&mut self) {
        self.lens.looked_at(self.at.saturating_sub(self.start));
    }
}

impl Members<'_> {
    /// The next member; `None` at the end of the record, or of what can be made out.
    pub(super) fn next(&mut self) -> Result<Option<Member>, CutOff> {
        self.space(b",;")?;
        let Some(key) = self.word()? else { return Ok(None) };
        self.space(b"")?;
        match self.byte()? {
            Some(b':') => self.at += 1,
            // => as well as =
            Some(b'=') => self.at += if self.bytes.get(self.at + 1) == Some(&b'>') { 2 } else { 1 },
            _ => return Ok(None),
        }
        self.space(b"")?;
        let value = match self.byte()? {
            Some(b'{' | b'[') => {
                let inside = self.at + 1;
                if !self.step_over()? {
                    return Ok(None);
                }
                Value::Nested(inside)
            }
            Some(_) => match self.string()? {
                Some((start, end)) => Value::Text(start, end),
                None => {
                    let start = self.at;
                    while self.byte()?.is_some_and(|b| !matches!(b, b',' | b'}' | b']' | b'\n' | b'\r')) {
                        self.at += 1;
                    }
                    Value::Bare(start, self.at)
                }
            },
            None => return Ok(None),
        };
        Ok(Some(Member { key, value }))
    }

    /// The first member of one of these names (lower case), from here to the end of the record.
    pub(super) fn find(&mut self, names: &[&str]) -> Result<Option<Member>, CutOff> {
        while let Some(member) = self.next()? {
            if is_one_of(&self.bytes[member.key.0..member.key.1], names) {
                return Ok(Some(member));
            }
        }
        Ok(None)
    }

    /// Where reading goes on.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// The byte at hand; `None` at the end of what is looked at.
    fn byte(&self) -> Result<Option<u8>, CutOff> {
        if self.at < self.limit {
            Ok(Some(self.bytes[self.at]))
        } else if self.more && self.limit == self.bytes.len() {
            Err(CutOff)
        } else {
            Ok(None)
        }
    }

    /// Blanks, line breaks (written out, too) and these.
    fn space(&mut self, also: &[u8]) -> Result<(), CutOff> {
        loop {
            match self.byte()? {
                Some(b) if b.is_ascii_whitespace() || also.contains(&b) => self.at += 1,
                Some(b'\\') => match self.bytes.get(self.at + 1) {
                    Some(b'n' | b't' | b'r') => self.at += 2,
                    None if self.more => return Err(CutOff),
                    _ => return Ok(()),
                },
                _ => return Ok(()),
            }
        }
    }

    /// A name, in quotes or not.
    fn word(&mut self) -> Result<Option<(usize, usize)>, CutOff> {
        if let Some(quoted) = self.string()? {
            return Ok(Some(quoted));
        }
        let start = self.at;
        while self.byte()?.is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')) {
            self.at += 1;
        }
        Ok((self.at > start).then_some((start, self.at)))
    }

    /// A string, however many backslashes stand before its quotes. Gives what stands between them and steps over it.
    fn string(&mut self) -> Result<Option<(usize, usize)>, CutOff> {
        let slashes = self.bytes[self.at..self.limit].iter().take_while(|b| **b == b'\\').count();
        let Some(&quote) = self.bytes[..self.limit].get(self.at + slashes) else {
            self.byte()?;
            return Ok(None);
        };
        if !matches!(quote, b'"' | b'\'') {
            return Ok(None);
        }
        let start = self.at + slashes + 1;
        match closing_quote(self.bytes, start, self.limit, quote, slashes) {
            Some(at) => {
                self.at = at + 1;
                Ok(Some((start, at - slashes)))
            }
            None if self.more && self.limit == self.bytes.len() => Err(CutOff),
            None => Ok(None),
        }
    }

    /// Steps over the object or array that opens here. `false` where its end can't be seen.
    fn step_over(&mut self) -> Result<bool, CutOff> {
        let mut open = 0usize;
        loop {
            match self.byte()? {
                Some(b'{' | b'[') => open += 1,
                Some(b'}' | b']') => {
                    open -= 1;
                    if open == 0 {
                        self.at += 1;
                        return Ok(true);
                    }
                }
                Some(b'"' | b'\'' | b'\\') => {
                    if self.string()?.is_some() {
                        continue;
                    }
                }
                Some(_) => {}
                None => return Ok(false),
            }
            self.at += 1;
        }
    }
}

/// The quote that ends a string opened with `slashes` backslashes before its quote: one with as many before it, or in a
/// plain string with an even number.
pub(super) fn closing_quote(bytes: &[u8], start: usize, limit: usize, quote: u8, slashes: usize) -> Option<usize> {
    let limit = limit.min(bytes.len());
    let mut from = start;
    while let Some(found) = memchr::memchr(quote, bytes.get(from..limit)?) {
        let at = from + found;
        let before = bytes[start..at].iter().rev().take_while(|b| **b == b'\\').count();
        if before == slashes || (slashes == 0 && before % 2 == 0) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// The offsets behind the opening braces before `at`, nearest first, looking back at most `reach` bytes: the records
/// that `at` may stand in.
pub(super) fn openings(bytes: &[u8], at: usize, reach: usize) -> impl Iterator<Item = usize> {
    let floor = at.saturating_sub(reach);
    memchr::memrchr_iter(b'{', &bytes[floor..at]).take(OPENINGS).map(move |n| floor + n + 1)
}

/// Whether a key is one of these (lower case), in any letter case.
pub(super) fn is_one_of(key: &[u8], keys: &[&str]) -> bool {
    keys.iter().any(|known| key.eq_ignore_ascii_case(known.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<(String, String)> {
        let bytes = text.as_bytes();
        let used = Cell::new(0);
        let mut members = Lens { bytes, more: false, used: &used }.members(0);
        let mut found = Vec::new();
        while let Ok(Some(Member { key, value })) = members.next() {
            let shown = match value {
                Value::Text(start, end) => format!("'{}'", &text[start..end]),
                Value::Bare(start, end) => text[start..end].to_owned(),
                Value::Nested(start) => format!("{}…", &text[start - 1..start]),
            };
            found.push((text[key.0..key.1].to_owned(), shown));
        }
        found
    }

    #[test]
    fn members_in_many_notations() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        for (text, expected) in [
            (r#""a":"b", "c": 1 } x"#, vec![pair("a", "'b'"), pair("c", "1 ")]),
            (r#", "a": {"x": "}"}, "b": ["]"], 'c': 'd'}"#, vec![pair("a", "{…"), pair("b", "[…"), pair("c", "'d'")]),
            (r#"\"a\":\"b\\\"c\",\"d\":null}"#, vec![pair("a", r#"'b\\\"c'"#), pair("d", "null")]),
            ("a = \"b\"\n  c = true\n}", vec![pair("a", "'b'"), pair("c", "true")]),
            ("'a' => 'b',", vec![pair("a", "'b'")]),
            ("} a: b", vec![]),
            ("\"open", vec![]),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn a_record_that_is_cut_off_asks_for_more() {
        let text = br#""a": "b", "c": {"d": "#;
        let used = Cell::new(0);
        let mut members = Lens { bytes: text, more: true, used: &used }.members(0);
        assert!(matches!(members.next(), Ok(Some(_))));
        assert_eq!(members.next(), Err(CutOff));
    }

    #[test]
    fn the_records_around_a_place() {
        let text = br#"{"x": {"y": {}}, "a": 1"#;
        assert_eq!(openings(text, text.len(), 100).collect::<Vec<_>>(), [13, 7, 1]);
        assert_eq!(openings(text, text.len(), 5).count(), 0);
    }

    proptest! {
        #[test]
        fn never_panics(text in "[{}\\[\\]\"':=,\\\\ a\n]{0,60}", at in 0usize..60, more in any::<bool>()) {
            let bytes = text.as_bytes();
            let used = Cell::new(0);
            let mut members = Lens { bytes, more, used: &used }.members_within(at.min(bytes.len()), 40);
            for _ in 0..80 {
                let before = members.at();
                let Ok(Some(_)) = members.next() else { break };
                prop_assert!(members.at() > before);
            }
        }
    }
}
