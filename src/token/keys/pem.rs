//! The text armour of RFC 7468, RFC 1421 and OpenPGP, as it stands in files, logs and sources: indented, quoted line by
//! line, with `\n` for line breaks, on one line, percent-encoded, in a comment or a patch.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::token::escape::{self, Class, Escape};

/// How every armour begins.
pub const ANCHOR: &str = "-----BEGIN";
/// The longest armour, in bytes; an RSA key of 16384 bits has a fifth of it.
pub const MAX_ARMOUR: usize = 64 * 1024;
/// The longest label, in bytes.
const MAX_LABEL: usize = 80;
/// The longest text that stands before every line, in bytes.
const MAX_PREFIX: usize = 16;

/// Standard base64, padding or none, the bits after the last octet ignored.
pub(super) static BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
static ALPHABET: Class = Class::alphanumeric_and(b"+/=");

/// An armour.
#[derive(PartialEq, Eq)]
pub struct Armour {
    /// What stands between `BEGIN` and the dashes, such as `RSA PRIVATE KEY`.
    pub label: String,
    /// The value of `DEK-Info`, where a legacy header says that the contents are encrypted (RFC 1421).
    pub legacy_cipher: Option<String>,
    /// The checksum after the contents (OpenPGP), as it stands.
    pub checksum: Option<[u8; 4]>,
    /// The contents.
    pub body: Vec<u8>,
    /// The end marker was found.
    pub closed: bool,
    /// Offset past the armour.
    pub end: usize,
}

/// What reading after an anchor gives.
pub enum Outcome {
    /// An armour whose contents are base64.
    Armour(Armour),
    /// None; where it stopped being one.
    Nothing(usize),
    /// It goes on past the end of the bytes.
    NeedMore,
}

/// Reads the armour whose anchor stands at `at`, if `wanted` says so of its label; `more` says that bytes may follow.
pub fn read(bytes: &[u8], at: usize, more: bool, wanted: impl Fn(&str) -> bool) -> Outcome {
    let limit = bytes.len().min(at + MAX_ARMOUR);
    let cut_off = |at: usize| (more && limit == bytes.len() && at + MAX_LABEL > limit).then_some(Outcome::NeedMore);
    let after = at + ANCHOR.len();
    let Some((label, start)) = label(&bytes[..limit], after) else {
        return cut_off(after).unwrap_or(Outcome::Nothing(after));
    };
    if !wanted(&label) {
        return Outcome::Nothing(start);
    }
    let mut body = Body { bytes: &bytes[..limit], at: start, prefix: prefix(bytes, at), text: Vec::new() };
    let mut legacy_cipher = None;
    let mut checksum = None;
    let closed = loop {
        match body.step() {
            Step::Text => {}
            Step::Header(name, value) => {
                if name.eq_ignore_ascii_case(b"DEK-Info") {
                    legacy_cipher = Some(String::from_utf8_lossy(value).into_owned());
                }
            }
            Step::Checksum(sum) => checksum = Some(sum),
            Step::Other => break end_of_marker(&bytes[..limit], body.at),
        }
    };
    if closed.is_none()
        && let Some(need) = cut_off(body.at)
    {
        return need;
    }
    let end = closed.unwrap_or(body.at);
    let padding = body.text.iter().rev().take_while(|b| **b == b'=').count();
    match BASE64.decode(&body.text[..body.text.len() - padding]) {
        Ok(contents) if !contents.is_empty() => {
            Outcome::Armour(Armour { label, legacy_cipher, checksum, body: contents, closed: closed.is_some(), end })
        }
        _ => Outcome::Nothing(end),
    }
}

/// The label after `-----BEGIN`, with blanks for what stands for blanks, and where the five dashes after it end.
fn label(bytes: &[u8], start: usize) -> Option<(String, usize)> {
    let mut label = String::new();
    let mut at = start;
    while label.len() < MAX_LABEL {
        let rest = bytes.get(at..)?;
        if rest.starts_with(b"-----") {
            return label.strip_prefix(' ').map(|label| (label.to_owned(), at + 5));
        }
        match rest.first()? {
            b @ (b'A'..=b'Z' | b'0'..=b'9') => label.push(char::from(*b)),
            b' ' | b'+' => label.push(' '),
            b'%' if rest.starts_with(b"%20") => {
                label.push(' ');
                at += 2;
            }
            _ => return None,
        }
        at += 1;
    }
    None
}

/// Where the marker `-----END …-----` ends that stands at `at`.
fn end_of_marker(bytes: &[u8], at: usize) -> Option<usize> {
    let after = bytes.get(at..)?.strip_prefix(b"-----END")?;
    let dashes = memchr::memmem::find(&after[..after.len().min(MAX_LABEL)], b"-----")?;
    Some(at + 8 + dashes + 5)
}

/// What stands on the anchor's line before it and may stand before the other lines, too: a comment mark, a quote mark
/// of a mail, the sign of a patch.
fn prefix(bytes: &[u8], at: usize) -> &[u8] {
    let floor = at.saturating_sub(MAX_PREFIX);
    let start = bytes[floor..at].iter().rposition(|b| *b == b'\n').map_or(floor, |n| floor + n + 1);
    let before = bytes[start..at].trim_ascii();
    let marks = before.iter().all(|b| b.is_ascii_punctuation()) && (start > floor || floor == 0);
    if marks { before } else { &[] }
}

struct Body<'a> {
    bytes: &'a [u8],
    at: usize,
    prefix: &'a [u8],
    /// What was gathered of the alphabet.
    text: Vec<u8>,
}

enum Step<'a> {
    /// Base64, or something that only separates.
    Text,
    /// A header line.
    Header(&'a [u8], &'a [u8]),
    /// `=` and four characters.
    Checksum([u8; 4]),
    /// The marker at the end, something that stands in no armour, or the end of the bytes.
    Other,
}

impl<'a> Body<'a> {
    /// Takes the next piece.
    fn step(&mut self) -> Step<'a> {
        let rest = &self.bytes[self.at..];
        match self.separator() {
            Some((length, breaks)) => {
                self.at += length;
                if breaks {
                    self.line_start();
                }
                return Step::Text;
            }
            None if rest.is_empty() => return Step::Other,
            None => {}
        }
        if self.text.is_empty()
            && let Some((name, value, length)) = header(rest)
        {
            self.at += length;
            return Step::Header(name, value);
        }
        let run = escape::run(self.bytes, self.at, &ALPHABET, MAX_ARMOUR);
        if run.text.is_empty() {
            return Step::Other;
        }
        let next = self.bytes.get(run.end);
        let quote = matches!(next, Some(b'"' | b'\'' | b'`'));
        // `+` joins quoted pieces, `b"…"` begins one in Python.
        let joins = run.text.len() == 1 && (run.text[0] == b'+' || (quote && run.text[0].is_ascii_lowercase()));
        let sum = !self.text.is_empty() && run.text.len() == 5 && run.text[0] == b'=';
        self.at = run.end;
        if sum {
            return Step::Checksum([run.text[1], run.text[2], run.text[3], run.text[4]]);
        }
        if !joins {
            self.text.extend_from_slice(&run.text);
        }
        Step::Text
    }

    /// The length of what only separates, and whether it breaks the line.
    fn separator(&self) -> Option<(usize, bool)> {
        let rest = &self.bytes[self.at..];
        Some(match rest.first()? {
            b'\n' => (1, true),
            b' ' | b'\t' | b'\r' | b'"' | b'\'' | b'`' | b',' => (1, false),
            // `"…" . "…"` joins in PHP and Perl; an ellipsis doesn't.
            b'.' if rest.get(1).is_some_and(u8::is_ascii_whitespace) && self.bytes[..self.at].ends_with(b" ") => {
                (1, false)
            }
            b'\\' => {
                let slashes = rest.iter().take(9).take_while(|b| **b == b'\\').count();
                match rest.get(slashes) {
                    Some(b'n' | b'r' | b't' | b'"' | b'\'') => (slashes + 1, false),
                    Some(b'\n' | b'\r') => (slashes, false),
                    _ => return self.escaped(rest),
                }
            }
            b'%' | b'&' => return self.escaped(rest),
            b'<' if rest.starts_with(b"<br>") => (4, false),
            b'<' if rest.starts_with(b"<br/>") => (5, false),
            b'<' if rest.starts_with(b"<br />") => (6, false),
            _ => return None,
        })
    }

    /// A blank, a line break or a quote that is written as an escape.
    fn escaped(&self, rest: &[u8]) -> Option<(usize, bool)> {
        if rest.starts_with(b"&quot;") {
            return Some((6, false));
        }
        match escape::escape(rest) {
            Escape::Char(b'\n' | b'\r' | b'\t' | b' ' | b'"' | b'\'', length) => Some((length, false)),
            _ => None,
        }
    }

    /// Steps over what begins every line: the prefix of the first one, or the mark of a comment.
    fn line_start(&mut self) {
        let rest = &self.bytes[self.at..];
        let blanks = rest.iter().take(64).take_while(|b| matches!(**b, b' ' | b'\t')).count();
        let line = &rest[blanks..];
        if !self.prefix.is_empty() && line.starts_with(self.prefix) {
            self.at += blanks + self.prefix.len();
            return;
        }
        let mark = [&b"* "[..], b"# ", b"// ", b"> ", b"| "].into_iter().find(|mark| line.starts_with(mark));
        self.at += mark.map_or(0, |mark| blanks + mark.len());
    }
}

/// `Name: value` up to the end of the line, written out or escaped: name, value, length.
fn header(rest: &[u8]) -> Option<(&[u8], &[u8], usize)> {
    let name = rest.iter().take(32).take_while(|b| b.is_ascii_alphanumeric() || **b == b'-').count();
    if name == 0 || !rest[name..].starts_with(b": ") {
        return None;
    }
    let value = &rest[name + 2..];
    let line = value.iter().take(256).take_while(|b| !matches!(**b, b'\n' | b'\r' | b'\\' | b'"' | b'%')).count();
    // On one line with the contents: a word is the value.
    let known = [&b"Proc-Type"[..], b"DEK-Info"].iter().any(|known| rest[..name].eq_ignore_ascii_case(known));
    let length = if known { value[..line].iter().take_while(|b| **b != b' ').count() } else { line };
    Some((&rest[..name], &value[..length], name + 2 + length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An armour of any contents, marks left out so that no scanner takes it for a key.
    fn armour(label: &str, body: &[u8], width: usize) -> String {
        let text = BASE64.encode(body);
        let lines: Vec<&str> = text.as_bytes().chunks(width).map(|l| std::str::from_utf8(l).expect("ASCII")).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----", lines.join("\n"))
    }

    fn contents(text: &str) -> Option<(Armour, &str)> {
        let at = text.find(ANCHOR)?;
        match read(text.as_bytes(), at, false, |_| true) {
            Outcome::Armour(armour) => {
                let rest = &text[armour.end..];
                Some((armour, rest))
            }
            _ => None,
        }
    }

    #[test]
    fn every_way_of_writing_it() {
        let body: Vec<u8> = (0..=255).collect();
        let plain = armour("RSA PRIVATE KEY", &body, 64);
        let lines: Vec<&str> = plain.lines().collect();
        let each = |before: &str, after: &str| {
            lines.iter().map(|line| format!("{before}{line}{after}")).collect::<Vec<_>>().join("\n")
        };
        let one_line = plain.replace('\n', " ");
        let encoded = plain.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D").replace('\n', "%0A");
        for text in [
            plain.clone(),
            plain.replace('\n', "\r\n"),
            plain.replace('\n', "\n\n"),
            plain.replace('\n', "\\n"),
            plain.replace('\n', "\\\\n"),
            plain.replace('\n', "\\r\\n"),
            plain.replace('\n', "\\u000a").replace('=', "\\u003d").replace('/', "\\/"),
            plain.replace('\n', "&#10;"),
            plain.replace('\n', "<br>"),
            plain.replace('\n', ""),
            one_line.clone(),
            encoded.replace(' ', "+"),
            encoded.replace(' ', "%20"),
            each("    ", ""),
            each("\t", "  "),
            each("# ", ""),
            each(" * ", ""),
            each("// ", ""),
            each(" * ", "").replacen(" * ", " * const key = `", 1),
            each("> ", ""),
            each("+", ""),
            each("-", ""),
            each("\"", "\\n\" +"),
            each("  + '", "\\n'"),
            each("b\"", "\\n\""),
            each("'", "',"),
            each("\"", "\\n\" ."),
            each("\"", "\\r\\n\" \\"),
            armour("RSA PRIVATE KEY", &body, 76),
            armour("RSA PRIVATE KEY", &body, 10_000),
        ] {
            let (found, rest) = contents(&text).unwrap_or_else(|| panic!("not read: {text}"));
            assert_eq!((&found.label[..], found.closed), ("RSA PRIVATE KEY", true), "{text}");
            assert!(found.body == body, "{text}");
            assert!(rest.len() < 8, "{rest:?} is left of {text}");
        }
    }

    #[test]
    fn headers_are_no_contents() {
        let text = "-----BEGIN X-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00FF\n\nAAAA\nBBBB\n=abcd\n-----END X-----";
        for text in [text.to_owned(), text.replace('\n', "\\n"), text.replace('\n', " ")] {
            let (found, _) = contents(&text).expect("an armour");
            assert_eq!(found.legacy_cipher.as_deref(), Some("AES-128-CBC,00FF"), "{text}");
            assert_eq!((found.body.len(), found.checksum), (6, Some(*b"abcd")), "{text}");
        }
    }

    #[test]
    fn what_is_no_armour() {
        for text in [
            "-----BEGIN",
            "-----BEGIN-----",
            "-----BEGIN X-----",
            "-----BEGIN X-----\n-----END X-----",
            "-----BEGIN x-----\nAAAA\n-----END x-----",
            "-----BEGIN X-----\n...\n-----END X-----",
            "-----BEGIN X-----\n<your key>\n-----END X-----",
            "-----BEGIN X-----\n${KEY}\n-----END X-----",
            "-----BEGIN [A-Z ]+-----",
            "if line == '-----BEGIN PRIVATE KEY-----': return",
        ] {
            assert!(contents(text).is_none(), "{text}");
        }
        let (found, rest) = contents("-----BEGIN X-----\nAAAA...BBBB").expect("as far as it goes");
        assert_eq!((found.closed, found.body.len(), rest), (false, 3, "...BBBB"));
    }

    #[test]
    fn what_is_cut_off_asks_for_more() {
        let text = armour("EC PRIVATE KEY", &[7; 100], 64);
        for end in ANCHOR.len()..text.len() {
            let cut = &text.as_bytes()[..end];
            assert!(matches!(read(cut, 0, true, |_| true), Outcome::NeedMore), "{end}");
        }
        assert!(matches!(read(text.as_bytes(), 0, true, |_| true), Outcome::Armour(_)));
        assert!(matches!(read(text.as_bytes(), 0, true, |label| label == "X"), Outcome::Nothing(_)));
    }

    proptest! {
        #[test]
        fn never_panics(text in "[A-Za-z+/= \\n\\\\nrx%&#;:'\"0-9<>.-]{0,120}", more in any::<bool>()) {
            let text = format!("-----BEGIN X-----{text}");
            match read(text.as_bytes(), 0, more, |_| true) {
                Outcome::Armour(armour) => prop_assert!(armour.end <= text.len()),
                Outcome::Nothing(end) => prop_assert!(end <= text.len()),
                Outcome::NeedMore => prop_assert!(more),
            }
        }
    }
}
