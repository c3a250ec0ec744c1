//! Reading a token's characters through the escapes that logs, URLs and sources put around them.
//!
//! A *run* is the longest stretch of characters of a class from a given place; `%2E`, `\u002e`, `\x2e`, `\/`, `&#46;`
//! count as the character they stand for, to any number of backslashes (JSON in JSON), if that character is of the
//! class. What does not decode to a character of the class ends the run, so a token ends where it ends, whatever byte
//! follows.

use std::borrow::Cow;

/// A set of bytes.
#[derive(Debug)]
pub struct Class([bool; 256]);

impl Class {
    /// Letters, digits, and the bytes of `more`.
    pub const fn alphanumeric_and(more: &[u8]) -> Self {
        let mut set = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            set[byte] = (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        let mut at = 0;
        while at < more.len() {
            set[more[at] as usize] = true;
            at += 1;
        }
        Self(set)
    }

    /// Whether `byte` is in the set.
    #[inline]
    pub const fn has(&self, byte: u8) -> bool {
        self.0[byte as usize]
    }
}

/// The alphabet of base64url and the dots between segments.
pub static COMPACT: Class = Class::alphanumeric_and(b"-_.");
/// The alphabet of base64url.
pub static BASE64URL: Class = Class::alphanumeric_and(b"-_");
/// RFC 6750's `b68token`, with the padding anywhere.
pub static TOKEN68: Class = Class::alphanumeric_and(b"-._~+/=");
/// What the values of cookies are made of, once unescaped.
pub static COOKIE: Class = Class::alphanumeric_and(b"-._~+/=:");

/// A run of characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run<'a> {
    /// The characters, escapes undone.
    pub text: Cow<'a, [u8]>,
    /// Offset one past the run in the source bytes.
    pub end: usize,
    /// The run goes on to the end of the buffer, or an escape is cut off there: with more bytes it could be longer.
    pub open: bool,
}

/// How many bytes an escape may have, backslashes included; one that is cut off by the buffer's end is shorter.
const LONGEST_ESCAPE: usize = 16;

/// The run of characters of `class` at `start`, of at most `limit` characters.
pub fn run<'a>(bytes: &'a [u8], start: usize, class: &Class, limit: usize) -> Run<'a> {
    segments(bytes, start, class, limit, usize::MAX)
}

/// The same, ending before a dot that would be one more than `dots`.
pub fn segments<'a>(bytes: &'a [u8], start: usize, class: &Class, limit: usize, dots: usize) -> Run<'a> {
    let stop = (start.saturating_add(limit)).min(bytes.len());
    let mut seen = 0;
    let mut at = start;
    while at < stop && class.has(bytes[at]) {
        if bytes[at] == b'.' {
            if seen == dots {
                return Run { text: Cow::Borrowed(&bytes[start..at]), end: at, open: false };
            }
            seen += 1;
        }
        at += 1;
    }
    if at == stop {
        return Run { text: Cow::Borrowed(&bytes[start..at]), end: at, open: at == bytes.len() };
    }
    if !matches!(bytes[at], b'%' | b'\\' | b'&') {
        return Run { text: Cow::Borrowed(&bytes[start..at]), end: at, open: false };
    }
    let mut text: Option<Vec<u8>> = None;
    while at < bytes.len() && text.as_ref().map_or(at - start, Vec::len) < limit {
        let byte = bytes[at];
        if class.has(byte) {
            if byte == b'.' {
                if seen == dots {
                    return finish(bytes, start, at, text, false);
                }
                seen += 1;
            }
            if let Some(text) = &mut text {
                text.push(byte);
            }
            at += 1;
            continue;
        }
        match escape(&bytes[at..]) {
            Escape::Char(decoded, length) if class.has(decoded) => {
                if decoded == b'.' {
                    if seen == dots {
                        return finish(bytes, start, at, text, false);
                    }
                    seen += 1;
                }
                text.get_or_insert_with(|| bytes[start..at].to_vec()).push(decoded);
                at += length;
            }
            Escape::CutOff => return finish(bytes, start, at, text, true),
            Escape::Char(..) | Escape::None => return finish(bytes, start, at, text, false),
        }
    }
    let open = at == bytes.len();
    finish(bytes, start, at, text, open)
}

fn finish(bytes: &[u8], start: usize, end: usize, text: Option<Vec<u8>>, open: bool) -> Run<'_> {
    let text = text.map_or(Cow::Borrowed(&bytes[start..end]), Cow::Owned);
    Run { text, end, open }
}

/// What stands at a `%`, `\` or `&`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// An escaped character and the escape's length.
    Char(u8, usize),
    /// The bytes end before the escape does.
    CutOff,
    /// No escape of an ASCII character.
    None,
}

/// Reads one escape at the start of `bytes`.
pub fn escape(bytes: &[u8]) -> Escape {
    let cut_off = bytes.len() < LONGEST_ESCAPE;
    let none = |prefix_ok: bool| if cut_off && prefix_ok { Escape::CutOff } else { Escape::None };
    match bytes.first() {
        Some(b'%') => {
            // A URL in a URL: the percent sign is escaped in its turn.
            let again = bytes[1..].chunks_exact(2).take(4).take_while(|pair| pair == b"25").count();
            let whole = |at: usize| bytes.get(at..at + 2).map(hex);
            match (whole(1 + 2 * again), again) {
                (Some(Some(decoded)), _) if decoded < 0x80 => Escape::Char(decoded as u8, 3 + 2 * again),
                (None, _) => Escape::CutOff,
                (_, 1..) => Escape::Char(b'%', 3),
                _ => Escape::None,
            }
        }
        Some(b'\\') => {
            let slashes = bytes.iter().take_while(|b| **b == b'\\').count();
            if slashes > 8 {
                return Escape::None;
            }
            match bytes.get(slashes) {
                Some(b'u') => match bytes.get(slashes + 1..slashes + 5) {
                    Some(digits) => match hex(digits) {
                        Some(decoded) if decoded < 0x80 => Escape::Char(decoded as u8, slashes + 5),
                        _ => Escape::None,
                    },
                    None => Escape::CutOff,
                },
                Some(b'x') => match bytes.get(slashes + 1..slashes + 3) {
                    Some(digits) => match hex(digits) {
                        Some(decoded) if decoded < 0x80 => Escape::Char(decoded as u8, slashes + 3),
                        _ => Escape::None,
                    },
                    None => Escape::CutOff,
                },
                Some(b'/') => Escape::Char(b'/', slashes + 1),
                Some(_) => Escape::None,
                None => Escape::CutOff,
            }
        }
        Some(b'&') => {
            if bytes.get(1).is_some_and(|b| *b != b'#') {
                return Escape::None;
            }
            let Some(end) = bytes.iter().take(8).position(|b| *b == b';') else {
                return none(bytes.iter().skip(2).all(u8::is_ascii_alphanumeric));
            };
            let number = &bytes[2..end];
            let decoded = match number.first() {
                Some(b'x' | b'X') => hex(&number[1..]),
                _ => std::str::from_utf8(number).ok().and_then(|n| n.parse().ok()),
            };
            match decoded {
                Some(decoded) if decoded < 0x80 => Escape::Char(decoded as u8, end + 1),
                _ => Escape::None,
            }
        }
        _ => Escape::None,
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 6 {
        return None;
    }
    digits.iter().try_fold(0u32, |value, digit| Some(value * 16 + char::from(*digit).to_digit(16)?))
}

/// Whether a token may start at `at`: the byte before it is no letter or digit, or is what is left of an escape
/// (`\n`, `\t`, `%20`, `\u0022`, a terminal's colour code). In the midst of base64, where slashes and pluses are letters,
/// none starts.
pub fn starts_cleanly(bytes: &[u8], at: usize) -> bool {
    let before = &bytes[..at];
    let Some(last) = before.last() else { return true };
    if !last.is_ascii_alphanumeric() {
        // What decodes by itself, and what has a character that base64 has not, can stand anywhere.
        let open = bytes.get(at..at + 24).is_some_and(|t| t.iter().all(is_base64) && !t.starts_with(b"ey"));
        return !(open && matches!(last, b'/' | b'+') && ends_in_base64(before));
    }
    let back = |n: usize| before.len().checked_sub(n).map(|i| before[i]);
    match last {
        b'n' | b't' | b'r' | b'b' | b'f' if back(2) == Some(b'\\') => true,
        b'm' => {
            // ESC [ 1 ; 31 m, the ESC raw or written out
            let digits = before[..before.len() - 1].iter().rev().take_while(|b| b.is_ascii_digit() || **b == b';');
            back(2 + digits.count()) == Some(b'[')
        }
        _ if last.is_ascii_hexdigit() => {
            ends_in_percent(before)
                || (back(6) == Some(b'\\') && back(5) == Some(b'u'))
                || (back(4) == Some(b'\\') && back(3) == Some(b'x'))
        }
        _ => false,
    }
}

/// Whether bytes end in a percent escape, whose percent sign may be escaped in its turn: `%3D`, `%253D`.
fn ends_in_percent(bytes: &[u8]) -> bool {
    let Some((mut rest, digits)) = bytes.split_last_chunk::<2>() else { return false };
    while let Some(outer) = rest.strip_suffix(b"25") {
        rest = outer;
    }
    digits.iter().all(u8::is_ascii_hexdigit) && rest.ends_with(b"%")
}

/// Whether bytes end in what looks like base64 rather than like a path: a line's worth, with a long mixed stretch.
fn ends_in_base64(bytes: &[u8]) -> bool {
    const LINE: usize = 64;
    let Some(line) = bytes.len().checked_sub(LINE).map(|from| &bytes[from..]) else { return false };
    let stretches = || line.split(|b| matches!(b, b'/' | b'+'));
    let mixed = |stretch: &[u8]| {
        stretch.len() >= 16
            && [u8::is_ascii_uppercase, u8::is_ascii_lowercase, u8::is_ascii_digit]
                .iter()
                .all(|kind| stretch.iter().any(kind))
    };
    line.iter().all(is_base64) && stretches().any(mixed)
}

fn is_base64(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> (String, usize, bool) {
        let run = run(text.as_bytes(), 0, &COMPACT, 1000);
        (String::from_utf8_lossy(&run.text).into_owned(), run.end, run.open)
    }

    #[test]
    fn escapes_of_the_class_are_undone_and_others_end_the_run() {
        for (text, expected) in [
            ("a.b&c", "a.b"),
            ("a%2Eb%2ec%20d", "a.b.c"),
            ("a\\u002eb\\\\u002Ec\\nd", "a.b.c"),
            ("a\\x2eb\\x20", "a.b"),
            ("a&#46;b&#x2E;c&amp;d", "a.b.c"),
            ("a%zz", "a"),
            ("a\\\\\\\\", "a"),
            ("a]", "a"),
            ("a\u{1b}[0m", "a"),
            ("a%26b=1", "a"),
            ("a%252Eb%25252ec%25%", "a.b.c"),
        ] {
            assert_eq!(read(&format!("{text}                ")).0, expected, "{text}");
        }
        assert_eq!(read("abc"), ("abc".into(), 3, true));
        assert_eq!(read("abc%2"), ("abc".into(), 3, true));
        assert_eq!(read("abc "), ("abc".into(), 3, false));
    }

    #[test]
    fn a_token_starts_after_punctuation_and_escapes() {
        for (text, clean) in [
            ("", true),
            (" ", true),
            ("x", false),
            ("9", false),
            ("_", true),
            ("\\n", true),
            ("n", false),
            ("%3D", true),
            ("%253D", true),
            ("%25253d", true),
            ("253D", false),
            ("%253", false),
            ("D", false),
            ("\\u0022", true),
            ("\\x22", true),
            ("\u{1b}[1;31m", true),
            ("\\u001b[0m", true),
            ("m", false),
        ] {
            assert_eq!(starts_cleanly(text.as_bytes(), text.len()), clean, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_run_never_leaves_its_class_or_its_bytes(bytes in "[a-c.%2eE\\\\ux&#46; ]{0,40}") {
            let run = run(bytes.as_bytes(), 0, &COMPACT, 1000);
            prop_assert!(run.end <= bytes.len());
            prop_assert!(run.text.iter().all(|b| COMPACT.has(*b)));
        }
    }

    #[test]
    fn no_token_starts_in_the_midst_of_base64() {
        let data = "TGbGpts2umMyykw6+f0Ysr219L/7M7hBCWdhPzSgIIIAAAuMC3k9Qz1Xw7Rt5Yv2Np8Lb4Kd0Jh6Gf/";
        let next = |token: &str| starts_cleanly(format!("{data}{token}").as_bytes(), data.len());
        assert!(!next("EAAQQQQAABBBBAAEEEEAAECAAAIIIIAAAggg"));
        assert!(next("ghp_QQQQAABBBBAAEEEEAAECAAAIIIIAAAggg") && next("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30."));
        for before in [
            "https://api.example.com/v1/users/4711/projects/98765/environments/production/tokens/",
            "GET /aVeryLongPathOfWords/andAnotherOne/andStillAnotherOne/andTheLastOne/",
            "TGbGpts2umMyykw6+f0Ysr219L/",
            "token=",
        ] {
            let text = format!("{before}EAAQQQQAABBBBAAEEEEAAECAAAIIIIAAAggg");
            assert!(starts_cleanly(text.as_bytes(), before.len()), "{before}");
        }
    }
}
