//! A name in one member and its value in another: `{"name": "Authorization", "value": "…"}` in HAR, Postman and task
//! definitions, `- name: TOKEN` and `value: …` in Kubernetes, `<add key="…" value="…"/>` and `<key>…</key>` in XML.
//! Read from the record, whichever of the two stands first.

use std::cell::Cell;

use super::between::{self, Mark, Separator};
use super::record::{CutOff, Lens, Member, Value, closing_quote, is_one_of, openings};

/// Members that hold a name, lower case.
const NAME_KEYS: &[&str] =
    &["name", "key", "header", "headername", "field", "variable", "credential_type", "credentialtype"];
/// Members that hold a value, lower case.
const VALUE_KEYS: &[&str] =
    &["value", "default", "equalto", "string", "currentvalue", "initialvalue", "stringvalue", "secret"];
/// How far apart the two may stand.
const REACH: usize = 2048;
/// How far apart they may stand where only the carrier's name hangs on it.
const NEAR: usize = 512;
/// The longest value that is stepped over on the way to its name.
const MAX_VALUE: usize = 4096;
/// How many lines of YAML are looked at in each direction.
const LINES: usize = 8;
/// How many records of a list are read.
const RECORDS: usize = 64;
/// How far a list of records is read.
const LIST: usize = 16 * 1024;

/// Whether that key holds a value whose name stands beside it.
pub(super) fn holds_a_value(key: &str) -> bool {
    VALUE_KEYS.contains(&key)
}

/// How the member before a name is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    /// Offset of the key, at its quote if it has one.
    start: usize,
    quoted: bool,
    separator: Separator,
}

/// The key that the text at `start` is the value of, if it is one of `keys`.
fn key_before(bytes: &[u8], start: usize, keys: &[&str]) -> Option<Key> {
    let floor = start.saturating_sub(64);
    let mut at = start;
    let mut separator = None;
    for _ in 0..16 {
        let Some((mark, length)) = between::last(&bytes[floor..at]) else { break };
        match mark {
            Mark::Quote | Mark::Blank => {}
            Mark::Separator(found) if separator.is_none() && found != Separator::Comma => separator = Some(found),
            _ => break,
        }
        at -= length;
    }
    let separator = separator?;
    let end = at;
    let length = bytes[floor..end].iter().rev().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    let key = &bytes[end - length..end];
    is_one_of(key, keys).then_some(())?;
    let start = end - length;
    let quoted = matches!(bytes[..start].last(), Some(b'"' | b'\''));
    Some(Key { start, quoted, separator })
}

/// Where the value begins whose name stands at `start..end`, if that name is itself the value of a member; and whether
/// these are members as JSON has them.
pub(super) fn value_of(lens: Lens<'_>, start: usize, end: usize) -> Result<Option<(usize, bool)>, CutOff> {
    let bytes = lens.bytes;
    let Some(key) = key_before(bytes, start, NAME_KEYS) else { return Ok(None) };
    let json = key.quoted && key.separator == Separator::Colon;
    let value = match key.separator {
        Separator::Tag => element_after(lens, end),
        Separator::Equals if in_tag(bytes, key.start) => attribute(lens, key.start, end, VALUE_KEYS),
        _ if !key.quoted && alone(bytes, key.start) => sibling(lens, key.start, VALUE_KEYS),
        _ => {
            let quotes = bytes[end..].iter().take(9).take_while(|b| matches!(**b, b'\\' | b'"' | b'\'')).count();
            let after = lens.members(end + quotes).find(VALUE_KEYS)?;
            let found = match after {
                Some(member) => Some(member),
                None => member_before(lens, key.start, VALUE_KEYS, REACH),
            };
            Ok(found.and_then(|member| match member.value {
                // `"value": ["…"]`
                Value::Nested(inside) => first_text(bytes, inside),
                scalar => Some(scalar.start()),
            }))
        }
    };
    Ok(value?.map(|value| (value, json)))
}

/// The name that belongs to the value whose key (`value`) begins at `start`: offsets of its text.
pub(super) fn name_of(bytes: &[u8], start: usize) -> Option<(usize, usize)> {
    let used = Cell::new(0);
    let lens = Lens { bytes, more: false, used: &used };
    let text = |member: Member| match member.value {
        Value::Text(start, end) => Some((start, end)),
        Value::Bare(start, end) => Some((start, start + bytes[start..end].trim_ascii_end().len())),
        Value::Nested(_) => None,
    };
    if in_tag(bytes, start) {
        let at = attribute(lens, start, start, NAME_KEYS).ok()??;
        return Some((at, at + word(&bytes[at..])));
    }
    if bytes[..start].last() == Some(&b'<') {
        return element_before(bytes, start - 1);
    }
    let quoted = matches!(bytes[..start].last(), Some(b'"' | b'\''));
    if !quoted && alone(bytes, start) {
        let at = sibling(lens, start, NAME_KEYS).ok()??;
        return Some((at, at + word(&bytes[at..])));
    }
    if let Some(member) = member_before(lens, start, NAME_KEYS, NEAR) {
        return text(member);
    }
    // Behind the value: over the rest of this member, then on.
    let quotes = bytes[..start].iter().rev().take(9).take_while(|b| matches!(**b, b'\\' | b'"' | b'\'')).count();
    let mut members = lens.members_within(start - quotes, MAX_VALUE + NEAR);
    members.next().ok()??;
    members.find(NAME_KEYS).ok()?.and_then(text)
}

/// A name and where its value begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pair {
    /// Offsets of the name.
    pub(super) name: (usize, usize),
    /// Offset of the value.
    pub(super) value: usize,
}

/// The pairs of a list of records that begins behind `at`.
pub(super) fn list(lens: Lens<'_>, at: usize) -> Result<Vec<Pair>, CutOff> {
    let bytes = lens.bytes;
    let mut pairs = Vec::new();
    let mut at = at;
    for _ in 0..RECORDS {
        let blank = bytes[at..].iter().take_while(|b| b.is_ascii_whitespace() || **b == b',').count();
        match bytes.get(at + blank) {
            Some(b'{') => at += blank + 1,
            None if lens.more => return Err(CutOff),
            _ => break,
        }
        let mut members = lens.members_within(at, LIST);
        let (mut name, mut value) = (None, None);
        while let Some(member) = members.next()? {
            let key = bytes[member.key.0..member.key.1].to_ascii_lowercase();
            match (&key[..], member.value) {
                (b"name" | b"key", Value::Text(start, end)) => name = Some((start, end)),
                (b"value", Value::Text(start, _)) => value = Some(start),
                _ => {}
            }
        }
        at = members.at();
        if bytes.get(at) != Some(&b'}') {
            break;
        }
        at += 1;
        pairs.extend(name.zip(value).map(|(name, value)| Pair { name, value }));
    }
    Ok(pairs)
}

/// The first string in the object or list that opens before `at`: of an object's members the one that holds a value.
pub(super) fn inside(lens: Lens<'_>, at: usize) -> Result<Option<usize>, CutOff> {
    Ok(lens.members(at).find(VALUE_KEYS)?.map(|member| member.value.start()))
}

fn first_text(bytes: &[u8], at: usize) -> Option<usize> {
    let blank = bytes[at..].iter().take(64).take_while(|b| b.is_ascii_whitespace() || **b == b'\\').count();
    matches!(bytes.get(at + blank), Some(b'"' | b'\'')).then_some(at + blank + 1)
}

/// A member that stands before the one whose key begins at `start`, in the same record.
fn member_before(lens: Lens<'_>, start: usize, keys: &[&str], reach: usize) -> Option<Member> {
    let bytes = lens.bytes;
    openings(bytes, start, reach).find_map(|opening| {
        let mut members = lens.behind().members_within(opening, 2 * reach);
        let mut found = None;
        while let Ok(Some(member)) = members.next() {
            match member.key.0.cmp(&start) {
                std::cmp::Ordering::Equal => return Some(found),
                std::cmp::Ordering::Greater => break,
                std::cmp::Ordering::Less if is_one_of(&bytes[member.key.0..member.key.1], keys) => found = Some(member),
                std::cmp::Ordering::Less => {}
            }
        }
        None
    })?
}

/// Whether a key without quotes is alone on its line, as in YAML: nothing but blanks and dashes before it and a colon
/// behind.
fn alone(bytes: &[u8], key: usize) -> bool {
    let before = &bytes[line_start(bytes, key)..key];
    let plain = before.iter().all(|b| matches!(*b, b' ' | b'-'));
    plain && bytes.get(key + word(&bytes[key..])) == Some(&b':')
}

fn line_start(bytes: &[u8], at: usize) -> usize {
    let floor = at.saturating_sub(REACH);
    memchr::memrchr(b'\n', &bytes[floor..at]).map_or(floor, |n| floor + n + 1)
}

/// How long the name at the beginning is.
fn word(bytes: &[u8]) -> usize {
    bytes.iter().take(80).take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')).count()
}

// ---- YAML ---------------------------------------------------------------------------------------------------------

/// The value of one of `keys` in the same mapping of YAML: on the lines around, in the same column.
fn sibling(lens: Lens<'_>, key: usize, keys: &[&str]) -> Result<Option<usize>, CutOff> {
    let Lens { bytes, more, .. } = lens;
    let line = line_start(bytes, key);
    let column = key - line;
    let value = |line: usize| {
        let text = &bytes[line..bytes.len().min(line + REACH)];
        let text = text.get(column..)?;
        let name = keys.iter().find(|name| {
            text.get(..name.len()).is_some_and(|t| t.eq_ignore_ascii_case(name.as_bytes()))
                && text.get(name.len()) == Some(&b':')
        })?;
        let rest = &text[name.len() + 1..];
        let skip = rest.iter().take_while(|b| matches!(**b, b' ' | b'"' | b'\'')).count();
        Some(line + column + name.len() + 1 + skip)
    };
    // Lines after it, until the mapping ends.
    let mut at = line;
    for _ in 0..LINES {
        let Some(next) = bytes.get(at..).and_then(|rest| memchr::memchr(b'\n', &rest[..rest.len().min(REACH)])) else {
            if more && bytes.len() - at < REACH {
                return Err(CutOff);
            }
            break;
        };
        at += next + 1;
        lens.looked_at(next + 1);
        let indent = bytes[at..].iter().take(column + 1).take_while(|b| **b == b' ').count();
        if more && at + indent + 64 > bytes.len() {
            return Err(CutOff);
        }
        match indent.cmp(&column) {
            std::cmp::Ordering::Equal => {
                if let Some(found) = value(at) {
                    return Ok(Some(found));
                }
            }
            // A blank line is no end.
            std::cmp::Ordering::Less if !matches!(bytes.get(at + indent), Some(b'\n' | b'\r')) => break,
            _ => {}
        }
    }
    // Lines before it, from the one that begins the item.
    let mut at = line;
    for _ in 0..LINES {
        let dash = bytes[at..at + column].contains(&b'-');
        if dash || at == 0 {
            break;
        }
        let above = line_start(bytes, at - 1);
        lens.looked_at(at - above);
        at = above;
        if at + column > bytes.len() || !bytes[at..at + column].iter().all(|b| matches!(b, b' ' | b'-')) {
            break;
        }
        if let Some(found) = value(at) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

// ---- XML ----------------------------------------------------------------------------------------------------------

/// Whether the place stands in a tag, where attributes are.
fn in_tag(bytes: &[u8], at: usize) -> bool {
    let floor = at.saturating_sub(REACH);
    let before = &bytes[floor..at];
    let blank = before.last().is_some_and(u8::is_ascii_whitespace);
    blank && before.iter().rev().find(|b| matches!(**b, b'<' | b'>' | b'{' | b'}' | b';')) == Some(&b'<')
}

/// The value of one of `keys` among the attributes of the tag around `at`; else what stands between the tag, if it ends
/// after `end`, and the next.
fn attribute(lens: Lens<'_>, at: usize, end: usize, keys: &[&str]) -> Result<Option<usize>, CutOff> {
    let Lens { bytes, more, .. } = lens;
    let floor = at.saturating_sub(REACH);
    let Some(open) = memchr::memrchr(b'<', &bytes[floor..at]).map(|n| floor + n) else { return Ok(None) };
    let reach = &bytes[at..bytes.len().min(end + REACH)];
    let Some(close) = memchr::memchr(b'>', reach).map(|n| at + n) else {
        return if more && bytes.len() < end + REACH { Err(CutOff) } else { Ok(None) };
    };
    let tag = &bytes[open..close];
    lens.looked_at(tag.len());
    for key in keys {
        for found in memchr::memmem::find_iter(tag, key.as_bytes()) {
            let rest = &tag[found + key.len()..];
            let named = found > 0 && tag[found - 1].is_ascii_whitespace();
            if named && rest.len() > 2 && rest[0] == b'=' && matches!(rest[1], b'"' | b'\'') {
                return Ok(Some(open + found + key.len() + 2));
            }
        }
    }
    Ok((!tag.ends_with(b"/") && keys == VALUE_KEYS).then_some(close + 1))
}

/// `NAME</name> <value>`: where the text of the next element begins.
fn element_after(lens: Lens<'_>, end: usize) -> Result<Option<usize>, CutOff> {
    let Lens { bytes, more, .. } = lens;
    if more && end + 256 > bytes.len() {
        return Err(CutOff);
    }
    let rest = &bytes[end..bytes.len().min(end + 256)];
    let found = (|| {
        let closing = rest.strip_prefix(b"</")?;
        let closed = &closing[word(closing)..];
        let next = closed.strip_prefix(b">")?.trim_ascii_start().strip_prefix(b"<")?;
        let text = next[word(next)..].strip_prefix(b">")?;
        is_one_of(&next[..word(next)], VALUE_KEYS).then_some(end + (rest.len() - text.len()))
    })();
    Ok(found)
}

/// `<name>NAME</name> ` before the tag that opens at `tag`.
fn element_before(bytes: &[u8], tag: usize) -> Option<(usize, usize)> {
    let before = bytes[tag.saturating_sub(256)..tag].trim_ascii_end();
    let end = tag.saturating_sub(256) + before.len();
    let close = memchr::memmem::rfind(before, b"</")?;
    let key = &before[close + 2..before.len().checked_sub(1)?];
    is_one_of(key, NAME_KEYS).then_some(())?;
    let text_end = end - before.len() + close;
    let length = bytes[..text_end].iter().rev().take(80).take_while(|b| **b != b'>').count();
    Some((text_end - length, text_end))
}

/// The string literal that ends before `at`, with nothing but blanks and a comma between: where it begins.
pub(super) fn argument_before(bytes: &[u8], at: usize) -> Option<usize> {
    let floor = at.saturating_sub(REACH);
    let before = bytes[floor..at].trim_ascii_end().strip_suffix(b",")?.trim_ascii_end();
    let text = before.strip_suffix(b"\"")?;
    let quote = memchr::memrchr(b'"', text)?;
    closing_quote(bytes, floor + quote + 1, at, b'"', 0).map(|_| floor + quote + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value_at(text: &[u8], start: usize, end: usize, more: bool) -> Result<Option<usize>, CutOff> {
        let used = Cell::new(0);
        value_of(Lens { bytes: text, more, used: &used }, start, end).map(|found| found.map(|(at, _)| at))
    }

    fn listed(text: &[u8], at: usize, more: bool) -> Result<Vec<Pair>, CutOff> {
        let used = Cell::new(0);
        list(Lens { bytes: text, more, used: &used }, at)
    }
    use proptest::prelude::*;

    /// `N…N` is the name and `V` the first byte of its value.
    #[track_caller]
    fn check(text: &str) {
        let bytes = text.as_bytes();
        let start = text.find("NAME").expect("a name");
        let value = text.find('V').expect("a value");
        let found = value_at(bytes, start, start + 4, false);
        assert_eq!(found, Ok(Some(value)), "{text}");
        let key = VALUE_KEYS.iter().filter_map(|key| text[..value].to_lowercase().rfind(key)).max().expect("a key");
        assert_eq!(name_of(bytes, key), Some((start, start + 4)), "{text}");
    }

    #[test]
    fn pairs_in_many_notations() {
        check(r#"{"name": "NAME", "value": "V"}"#);
        check("{\n  \"name\": \"NAME\",\n  \"comment\": {\"a\": \"}\"},\n  \"value\": \"V\"\n}");
        check(r#"{"value":"V","enabled":true,"key":"NAME"}"#);
        check(r#"{\"name\":\"NAME\",\"value\":\"V\"}"#);
        check("{ name: 'NAME', value: 'V' }");
        check("- name: NAME\n  value: V\n");
        check("      - name: NAME\n        value: \"V\"\n");
        check("      - value: V\n        name: NAME\n");
        check("<add key=\"NAME\" value=\"V\" />");
        check("<add value=\"V\" key=\"NAME\" />");
        check("<property>\n  <name>NAME</name>\n  <value>V</value>");
        check("<key>NAME</key>\n\t<string>V</string>");
        check("environment {\n  name  = \"NAME\"\n  value = \"V\"\n}");
    }

    #[test]
    fn what_only_looks_like_a_pair() {
        for text in [
            r#"{"name": "NAME"}, {"value": "v"}"#,
            "- name: NAME\n- value: v\n",
            "- name: NAME\n  valueFrom:\n    secretKeyRef:\n      value: v\n",
            "- name: NAME\nvalue: v\n",
            "<add key=\"NAME\" /><add value=\"v\" />",
            "name NAME value v",
        ] {
            let start = text.find("NAME").expect("a name");
            assert_eq!(value_at(text.as_bytes(), start, start + 4, false), Ok(None), "{text}");
        }
    }

    #[test]
    fn lists_of_records() {
        let text = r#" {"name": "a", "value": "1"}, {"value": "2", "name": "b"}, {"name": "c"} ]"#;
        let pairs = listed(text.as_bytes(), 0, false).expect("nothing is missing");
        let read: Vec<_> = pairs.iter().map(|p| (&text[p.name.0..p.name.1], &text[p.value..=p.value])).collect();
        assert_eq!(read, [("a", "1"), ("b", "2")]);
        assert_eq!(listed(&text.as_bytes()[..40], 0, true), Err(CutOff));
    }

    proptest! {
        #[test]
        fn never_panics(before in "[<>{}\"':=,\\\\ \n-]{0,12}(name|key|value)?[<>{}\"':=,\\\\ \n-]{0,6}",
                        after in "[<>/{}\"':=,\\\\ \n-]{0,12}(name|key|value)?[<>{}\"':=,\\\\ \n-]{0,12}",
                        more in any::<bool>()) {
            let text = format!("{before}NAME{after}");
            let start = before.len();
            let _ = value_at(text.as_bytes(), start, start + 4, more);
            let _ = name_of(text.as_bytes(), start);
            let _ = listed(text.as_bytes(), start + 4, more);
            let used = Cell::new(0);
            let _ = inside(Lens { bytes: text.as_bytes(), more, used: &used }, start + 4);
            let _ = argument_before(text.as_bytes(), start);
        }
    }
}
