//! The values of a Kubernetes Secret (`kind: Secret`): base64 under `data`, in YAML or JSON, before or after its kind.

use std::ops::Range;

/// How far around the kind its data is looked for, in bytes.
const AROUND: usize = 24 * 1024;

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The values.
    pub values: Vec<Value>,
    /// How many bytes were looked at.
    pub looked_at: usize,
}

/// A value of the Secret.
#[derive(Debug, PartialEq, Eq)]
pub struct Value {
    /// Its key.
    pub name: Range<usize>,
    /// Offset of its first symbol.
    pub at: usize,
}

/// The values of the Secret whose kind stands at `at` (the word itself); `None` if more bytes are needed.
pub fn values(bytes: &[u8], at: usize, more: bool) -> Option<Found> {
    let before = trim(&bytes[at.saturating_sub(24)..at]);
    let Some(before) = before.strip_suffix(b":") else { return Some(Found::default()) };
    let after = bytes.get(at + b"Secret".len()).copied().unwrap_or(b'\n');
    if !trim(before).ends_with(b"kind") || after.is_ascii_alphanumeric() {
        return Some(Found::default());
    }
    if more && bytes.len() - at < AROUND {
        return None;
    }
    let (floor, ceiling) = (at.saturating_sub(AROUND), bytes.len().min(at + AROUND));
    // An object ends where the next begins: a document mark, or another kind.
    let mut start = floor;
    let mut end = ceiling;
    for mark in [&b"\n---"[..], b"kind:", b"\"kind\""] {
        if let Some(found) = memchr::memmem::rfind(&bytes[floor..at.saturating_sub(10).max(floor)], mark) {
            start = start.max(floor + found + mark.len());
        }
        if let Some(found) = memchr::memmem::find(&bytes[at..ceiling], mark) {
            end = end.min(at + found);
        }
    }
    let mut found = Found { values: Vec::new(), looked_at: end - start };
    let finder = memchr::memmem::Finder::new(b"data");
    for data in finder.find_iter(&bytes[start..end]).map(|n| start + n) {
        let own = !bytes[..data].last().is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        let rest = &bytes[data + 4..end];
        let rest = rest.strip_prefix(b"\"").unwrap_or(rest);
        let skipped = rest.iter().take_while(|b| matches!(**b, b' ' | b'\t')).count();
        if own && rest.get(skipped) == Some(&b':') {
            let first = end - rest.len() + skipped + 1;
            pairs(bytes, first, end, indentation(bytes, data), &mut found.values);
        }
    }
    found.values.sort_by_key(|value| value.at);
    found.values.dedup();
    Some(found)
}

/// The pairs below `data:`, until a brace ends them or a line is indented no deeper.
fn pairs(bytes: &[u8], first: usize, end: usize, indent: usize, values: &mut Vec<Value>) {
    let mut at = first;
    let json = bytes[at..end].iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
    while at < end {
        if matches!(bytes[at], b'}') {
            return;
        }
        let part = |b: &u8| b.is_ascii_alphanumeric() || matches!(*b, b'_' | b'-' | b'.');
        if !part(&bytes[at]) {
            at += 1;
            continue;
        }
        if !json && indentation(bytes, at) <= indent {
            return;
        }
        let name = at..at + bytes[at..end].iter().take_while(|b| part(b)).count();
        at = name.end;
        let gap = |at: usize, of: &[u8]| at + bytes[at..end].iter().take_while(|b| of.contains(b)).count();
        let colon = gap(at, b"\"' \t");
        if bytes.get(colon) != Some(&b':') || colon >= end {
            // Base64 that goes on in a further line, or something else.
            at = name.end.max(colon);
            continue;
        }
        // A block (`|-`) or a quoted value.
        let value = gap(colon + 1, b" \t\"'|>-\r\n");
        if value >= end {
            return;
        }
        let line_end = memchr::memchr(b'\n', &bytes[colon..end]).map_or(end, |n| colon + n);
        let block = value > line_end;
        let symbol = |b: &u8| b.is_ascii_alphanumeric() || matches!(*b, b'+' | b'/' | b'=');
        let length = bytes[value..end].iter().take_while(|b| symbol(b)).count();
        let own_line =
            block && (json || indentation(bytes, value) <= indent || bytes.get(value + length) == Some(&b':'));
        if own_line {
            // The key had no value.
            at = value;
            continue;
        }
        if length >= 16 {
            values.push(Value { name, at: value });
        }
        at = value + length;
    }
}

/// How far the line that holds `at` is indented, in bytes.
fn indentation(bytes: &[u8], at: usize) -> usize {
    let start = memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |n| n + 1);
    bytes[start..].iter().take_while(|b| matches!(**b, b' ' | b'-')).count()
}

/// Without blanks and quotes at the end.
fn trim(bytes: &[u8]) -> &[u8] {
    let kept = bytes.iter().rposition(|b| !matches!(*b, b' ' | b'\t' | b'"' | b'\'')).map_or(0, |n| n + 1);
    &bytes[..kept]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(text: &str) -> Vec<(String, String)> {
        let at = text.find("Secret").expect("a kind");
        let found = values(text.as_bytes(), at, false).expect("all is there");
        let value = |v: &Value| text[v.at..].chars().take_while(|c| c.is_alphanumeric()).collect();
        found.values.iter().map(|v| (text[v.name.clone()].to_owned(), value(v))).collect()
    }

    const VALUE: &str = "c29tZXRoaW5nIHNlY3JldA";

    #[test]
    fn values_are_found_before_and_after_the_kind() {
        let pair = |name: &str| (name.to_owned(), VALUE.to_owned());
        for text in [
            format!("apiVersion: v1\nkind: Secret\ndata:\n  a: {VALUE}\n  b.c: \"{VALUE}\"\ntype: Opaque\n"),
            format!("apiVersion: v1\ndata:\n  a: {VALUE}\n  b.c: {VALUE}==\nkind: Secret\nmetadata:\n  name: x\n"),
            format!("- kind: Secret\n  metadata:\n    name: x\n  data:\n    a: {VALUE}\n    b.c: |\n      {VALUE}\n"),
            format!("{{\"kind\": \"Secret\", \"data\": {{\"a\": \"{VALUE}\", \"b.c\":\"{VALUE}\"}}, \"type\": \"x\"}}"),
        ] {
            assert_eq!(names(&text), [pair("a"), pair("b.c")], "{text}");
        }
        for text in [
            format!("kind: SecretStore\ndata:\n  a: {VALUE}\n"),
            format!("the Secret\ndata:\n  a: {VALUE}\n"),
            format!("kind: Secret\n---\nkind: ConfigMap\ndata:\n  a: {VALUE}\n"),
            format!("kind: Secret\nmetadata:\n  a: {VALUE}\nstringData:\n  a: {VALUE}\n"),
        ] {
            assert!(names(&text).is_empty(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_gone_through(head in "[a-c:\" \n{}-]{0,60}", tail in "[a-c:\" \n{}|-]{0,80}") {
            let text = format!("{head}data:{tail}kind: Secret\ndata:{tail}{head}");
            let at = text.find("Secret").expect("a kind");
            for value in values(text.as_bytes(), at, false).expect("all is there").values {
                prop_assert!(value.at < text.len() && value.name.end <= value.at);
            }
        }
    }
}
