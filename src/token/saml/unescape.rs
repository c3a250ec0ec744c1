//! The XML that a stretch of text stands for: percent, backslash, HTML and CSV escapes undone, to any depth.

use super::text::first_quote;

/// How many escapes within escapes are undone.
const MAX_LAYERS: usize = 5;

/// The XML that a stretch of text stands for; `None` where its escapes are none of those known.
pub fn unescape(written: &[u8]) -> Option<String> {
    let mut text = written.to_vec();
    for _ in 0..MAX_LAYERS {
        text = match text.first()? {
            _ if writes_breaks(&text) => backslashes(&text),
            b'%' => percent(&text),
            b'\\' => backslashes(&text),
            b'&' => entities(&text),
            b'<' => match (first_quote(&text), text.get(1..)) {
                (Some(b'"'), _) if doubled(&text) => String::from_utf8_lossy(&text).replace("\"\"", "\"").into_bytes(),
                (Some(b'"' | b'\''), _) => return Some(into_text(text)),
                (Some(b'\\'), _) => backslashes(&text),
                (Some(b'&'), _) => entities(&text),
                (Some(b'%'), _) => percent(&text),
                // Without attributes there is little to tell by.
                _ if memchr::memmem::find(&text, b"<\\/").is_some() => backslashes(&text),
                _ => return Some(into_text(text)),
            },
            _ => return None,
        };
    }
    None
}

/// Whether line breaks between tags are written as `\n`: so are they in strings whose quotes need no escape.
fn writes_breaks(text: &[u8]) -> bool {
    let written = |at: usize| {
        let slashes = text[at..].iter().take_while(|b| **b == b'\\').count();
        matches!(text.get(at + slashes), Some(b'n' | b'r')) && at > 0 && matches!(text[at - 1], b'>' | b';')
    };
    memchr::memchr(b'\n', text).is_none() && memchr::memchr_iter(b'\\', text).any(written)
}

fn into_text(text: Vec<u8>) -> String {
    String::from_utf8(text).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// `xmlns=""urn:…""`: quotes are doubled in CSV and in some languages' strings.
fn doubled(tag: &[u8]) -> bool {
    memchr::memchr(b'=', tag)
        .is_some_and(|at| tag[at + 1..].starts_with(b"\"\"") && tag.get(at + 3).is_some_and(u8::is_ascii_alphanumeric))
}

/// Undoes percent-encoding, and `+` where that stands for a blank.
fn percent(text: &[u8]) -> Vec<u8> {
    let form = !text.contains(&b' ');
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let digits = (text[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match digits.and_then(hex) {
            Some(byte) => {
                out.push(byte as u8);
                at += 3;
            }
            None => {
                out.push(if text[at] == b'+' && form { b' ' } else { text[at] });
                at += 1;
            }
        }
    }
    out
}

/// Undoes one layer of backslash escapes as JSON, JavaScript, Java or C write them.
fn backslashes(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if text[at] != b'\\' {
            out.push(text[at]);
            at += 1;
            continue;
        }
        let (plain, length) = match text.get(at + 1) {
            Some(b'n') => (Some('\n'), 2),
            Some(b't') => (Some('\t'), 2),
            Some(b'r') => (Some('\r'), 2),
            Some(c @ (b'"' | b'\'' | b'/' | b'\\')) => (Some(char::from(*c)), 2),
            Some(b'x') => (text.get(at + 2..at + 4).and_then(hex).and_then(char::from_u32), 4),
            Some(b'u') => unicode(&text[at..]),
            _ => (None, 1),
        };
        match plain {
            Some(c) => {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                at += length;
            }
            None => {
                out.push(b'\\');
                at += 1;
            }
        }
    }
    out
}

/// `\uXXXX`, or two of them that make one character.
fn unicode(text: &[u8]) -> (Option<char>, usize) {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6).filter(|six| six.starts_with(b"\\u"))?;
        hex(&digits[2..])
    };
    match (unit(0), unit(6)) {
        (Some(high @ 0xd800..=0xdbff), Some(low @ 0xdc00..=0xdfff)) => {
            (char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)), 12)
        }
        (Some(unit), _) => (char::from_u32(unit), 6),
        (None, _) => (None, 6),
    }
}

/// Undoes one layer of HTML or XML character references.
fn entities(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(n) = memchr::memchr(b'&', &text[at..]) {
        out.extend_from_slice(&text[at..at + n]);
        at += n;
        let end = text[at..].iter().take(12).position(|b| *b == b';');
        let name = end.and_then(|end| std::str::from_utf8(&text[at + 1..at + end]).ok());
        let plain = name.and_then(|name| match name.strip_prefix('#') {
            Some(number) => match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok().and_then(char::from_u32),
                None => number.parse().ok().and_then(char::from_u32),
            },
            None => quick_xml::escape::resolve_predefined_entity(&name.to_ascii_lowercase())?.chars().next(),
        });
        match (plain, end) {
            (Some(c), Some(end)) => {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                at += end + 1;
            }
            _ => {
                out.push(b'&');
                at += 1;
            }
        }
    }
    out.extend_from_slice(&text[at..]);
    out
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| Some(value * 16 + char::from(*digit).to_digit(16)?))
}
