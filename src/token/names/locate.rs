//! Where the value of a name begins: behind a separator, in the next member of its record, on the next line.

use super::reader::{Read, Reader};
use crate::token::between::{self, Mark, Separator};
use crate::token::file::Form;
use crate::token::pair;
use crate::token::record::CutOff;

/// Where the value of a name begins and how it got there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Located {
    /// Offset of its first byte.
    pub(super) value: usize,
    /// What parts it from its name.
    pub(super) separator: Separator,
    /// There are quotes.
    pub(super) quoted: bool,
    /// Not right after its name but in a member beside it, or further in.
    pub(super) apart: bool,
}

impl Reader<'_> {
    /// Where the value of the name at `start..end` begins.
    pub(super) fn locate(&self, start: usize, end: usize) -> Read<Option<Located>> {
        let bytes = self.bytes;
        let quote_before = bytes[..start].last().is_some_and(|b| matches!(b, b'"' | b'\'' | b'>' | b' ' | b'\\'));
        if quote_before && let Some((value, json)) = pair::value_of(self.lens(), start, end)? {
            let separator = if json { Separator::Colon } else { Separator::Equals };
            return Ok(Some(Located { value, separator, quoted: true, apart: true }));
        }
        let mut at = end;
        let mut separator = None;
        let mut quoted = false;
        let mut opened = false;
        for _ in 0..32 {
            let rest = &bytes[at.min(bytes.len())..];
            let Some((mark, length)) = between::first(rest) else {
                // environ["name"] = "value"
                let closed = quoted && separator.is_none() && matches!(rest.first(), Some(b']' | b')'));
                let assigned = closed && {
                    let rest = rest[1..].trim_ascii_start();
                    rest.first() == Some(&b'=') && !matches!(rest.get(1), Some(b'=' | b'>'))
                };
                if !assigned {
                    break;
                }
                at += 1;
                continue;
            };
            match (mark, separator) {
                // == compares
                (Mark::Separator(Separator::Equals), None) if rest.get(1) == Some(&b'=') => return Ok(None),
                // Only in quotes: call("name", "value"), ["--name", "value"]
                (Mark::Separator(Separator::Comma), None) if !quoted => return Ok(None),
                (Mark::Separator(found), None) => separator = Some(found),
                (Mark::Quote, _) => quoted = true,
                (Mark::Blank, _) => {}
                (Mark::Open, Some(_)) if rest[0] != b'{' => opened = true,
                // A list of records.
                (Mark::Open, Some(_)) if opened => break,
                // name("value"): a call with a literal
                (Mark::Open, None) if rest[0] == b'(' && matches!(rest.get(1), Some(b'"' | b'\'')) && !quoted => {
                    separator = Some(Separator::Comma);
                }
                (Mark::Break, Some(found)) => match self.next_line(at + length, found, quoted || opened)? {
                    Some(next) => {
                        at = next;
                        continue;
                    }
                    None => break,
                },
                // "name": {"value": "…"}, variable "name" { default = "…" }
                (Mark::Open, _) if rest[0] == b'{' => {
                    let block = separator.is_some() || bytes[..start].ends_with(b"variable \"");
                    let found = if block { pair::inside(self.lens(), at + length)? } else { None };
                    return Ok(found.map(|value| {
                        let separator = separator.unwrap_or(Separator::Equals);
                        Located { value, separator, quoted: true, apart: true }
                    }));
                }
                _ if matches!(rest[0], b'[') && separator.is_none() => return Ok(None),
                _ => break,
            }
            at += length;
        }
        if separator.is_none() && at > end && self.blank_separates(start, end) {
            return Ok(Some(Located { value: at, separator: Separator::Equals, quoted: false, apart: true }));
        }
        let Some(separator) = separator else { return Ok(None) };
        // name: Type = "value"
        if separator == Separator::Colon
            && !quoted
            && let Some(value) = self.annotated(at)
        {
            return Ok(Some(Located { value, separator: Separator::Equals, quoted: true, apart: true }));
        }
        // add_argument("--name", default="value")
        let default = ["default=", "value="].into_iter().find(|word| bytes[at..].starts_with(word.as_bytes()));
        if let Some(word) = default {
            let quote = at + word.len();
            let literal = matches!(bytes.get(quote), Some(b'"' | b'\''));
            let value = quote + 1;
            return Ok(literal.then_some(Located { value, separator: Separator::Equals, quoted: true, apart: true }));
        }
        Ok(Some(Located { value: at, separator, quoted, apart: false }))
    }

    /// Behind a line break between a name and its value: an item of a YAML list, or a literal where one is awaited.
    fn next_line(&self, at: usize, separator: Separator, awaited: bool) -> Read<Option<usize>> {
        let rest = &self.bytes[at.min(self.bytes.len())..];
        let blank = rest.iter().take(200).take_while(|b| b.is_ascii_whitespace()).count();
        let Some(next) = rest.get(blank..(blank + 2).min(rest.len())).filter(|next| next.len() == 2) else {
            return if self.more { Err(CutOff) } else { Ok(None) };
        };
        Ok(match next {
            b"- " if separator == Separator::Colon => Some(at + blank + 2),
            [b'"' | b'\'', _] if awaited => Some(at + blank),
            [b'\\', b'"'] if awaited => Some(at + blank),
            _ => None,
        })
    }

    /// `--name value`, `ENV NAME value`, `set -x NAME value`, `_authToken value` in a command.
    fn blank_separates(&self, start: usize, end: usize) -> bool {
        let written = &self.bytes[start..end];
        if written.starts_with(b"--") || (self.form == Form::Commands && written.starts_with(b"_auth")) {
            return true;
        }
        let floor = start.saturating_sub(64);
        let before = &self.bytes[floor..start];
        let line = memchr::memrchr(b'\n', before).map_or(before, |at| &before[at + 1..]);
        match self.form {
            Form::Dockerfile => line.trim_ascii().eq_ignore_ascii_case(b"env"),
            Form::Commands => {
                let mut words = line.trim_ascii_end().rsplit(|b| b.is_ascii_whitespace());
                let (last, before) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                last == b"setenv" || (last.starts_with(b"-") && last.contains(&b'x') && before == b"set")
            }
            _ => false,
        }
    }

    /// Where the literal begins in `&str = "value"`, behind a colon.
    fn annotated(&self, at: usize) -> Option<usize> {
        let rest = &self.bytes[at.min(self.bytes.len())..];
        let part = |b: &u8| b.is_ascii_alphanumeric() || b" &'_[]<>.?|:".contains(b);
        let equals = rest.iter().take(32).take_while(|b| part(b)).count();
        let behind = rest.get(equals..)?.strip_prefix(b"=")?;
        let blank = behind.iter().take(8).take_while(|b| b.is_ascii_whitespace()).count();
        matches!(behind.get(blank), Some(b'"' | b'\'')).then_some(at + equals + 2 + blank)
    }
}
