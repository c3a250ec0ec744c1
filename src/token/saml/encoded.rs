//! Messages and assertions in base64: the `SAMLResponse` of the POST binding, the deflated one of the redirect binding
//! (SAML bindings 2.0, sections 3.4 and 3.5), the `assertion` of RFC 7522, and what begins like one of them. Percent, JSON
//! and HTML escapes are undone on the way, and lines of one length are put together.

use std::io::Read;

use base64::Engine as _;
use flate2::read::DeflateDecoder;

use super::super::escape::{self, Class, Escape};
use super::super::jose;
use super::MAX_XML;

/// The longest encoded message, in characters.
pub const MAX_ENCODED: usize = 512 * 1024;
/// Fewer characters hold no message; what stands between a name and its value is shorter.
const SHORTEST: usize = 48;
/// How far after its name the value may begin.
const MAX_GAP: usize = 512;
/// How much of a text that only looks like XML is decoded to see whether it speaks of SAML.
const HEAD: usize = 6 * 1024;
/// Lines of base64 that belong together have at least this many characters.
const SHORTEST_LINE: usize = 48;
/// The most that deflate makes of a byte before it is taken for a bomb. Messages shrink to a third or a fifth.
const MAX_RATIO: usize = 128;

/// Both alphabets; padding is read apart.
static ALPHABET: Class = Class::alphanumeric_and(b"+/-_");

/// A value found after its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// It begins here.
    At(usize),
    /// There is none.
    None,
    /// The bytes end before one could begin.
    NeedMore,
}

/// Where the value begins that the name ending at `at` announces: the first long run of base64 in `name=value`,
/// `"name": "value"`, `name="…" value="…"`, `{"name": "…", "value": "…"}`.
pub fn value_after(bytes: &[u8], at: usize, more: bool) -> Value {
    let mut from = at;
    while from < bytes.len() && from - at <= MAX_GAP {
        match bytes[from] {
            b'%' | b'\\' | b'&' => match escape::escape(&bytes[from..]) {
                Escape::Char(_, length) => from += length,
                Escape::CutOff if more => return Value::NeedMore,
                // `\n`, `\"`, `&quot;`
                _ => from += 2,
            },
            byte if ALPHABET.has(byte) => {
                let run = escape::run(bytes, from, &ALPHABET, SHORTEST);
                if run.text.len() >= SHORTEST {
                    return Value::At(from);
                }
                if run.open && more {
                    return Value::NeedMore;
                }
                from = run.end.max(from + 1);
            }
            _ => from += 1,
        }
    }
    if more && from - at <= MAX_GAP { Value::NeedMore } else { Value::None }
}

/// Whether a message without a name may begin at `at`: what stands before is no base64 that goes on there.
pub fn may_begin(bytes: &[u8], at: usize) -> bool {
    let before = &bytes[at.saturating_sub(SHORTEST)..at];
    let goes_on = before.len() == SHORTEST && before.iter().all(|b| ALPHABET.has(*b) || *b == b'%');
    !goes_on && escape::starts_cleanly(bytes, at)
}

/// Where a message begins whose `<` is at `at`: a byte order mark may stand before it.
pub fn with_byte_order_mark(bytes: &[u8], at: usize) -> usize {
    if bytes[..at].ends_with(b"77u/") { at - 4 } else { at }
}

/// Encoded characters as they stand in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The characters, escapes and line breaks undone, without padding.
    pub text: Vec<u8>,
    /// Offset past them, padding included.
    pub end: usize,
    /// With more bytes it could be longer.
    pub open: bool,
}

/// The run of base64 at `start`, at most `limit` characters. Lines go on as long as they are as long as the first one.
pub fn run(bytes: &[u8], start: usize, limit: usize) -> Run {
    let mut text = Vec::new();
    let mut at = start;
    let mut width = None;
    loop {
        let line = escape::run(bytes, at, &ALPHABET, limit - text.len());
        text.extend_from_slice(&line.text);
        if line.open || text.len() >= limit {
            return Run { text, end: line.end, open: line.open };
        }
        at = line.end;
        let length = line.text.len();
        let whole_line =
            length >= SHORTEST_LINE && length.is_multiple_of(4) && width.is_none_or(|width| width == length);
        width = Some(length);
        match after_line(bytes, at) {
            Next::Line(next) if whole_line => at = next,
            Next::CutOff(end) => return Run { text, end, open: true },
            Next::Padding(end) => return Run { text, end, open: false },
            Next::Line(_) | Next::Nothing => return Run { text, end: at, open: false },
        }
    }
}

/// What follows a line of base64.
enum Next {
    Padding(usize),
    Line(usize),
    /// The bytes end here; padding before that is part of it.
    CutOff(usize),
    Nothing,
}

fn after_line(bytes: &[u8], at: usize) -> Next {
    let mut from = at;
    for _ in 0..2 {
        match unit(bytes, from) {
            Escape::Char(b'=', length) => from += length,
            Escape::CutOff => return Next::CutOff(from),
            _ => break,
        }
    }
    if from > at {
        return Next::Padding(from);
    }
    let mut breaks = 0;
    loop {
        match unit(bytes, from) {
            Escape::Char(b'\r' | b'\n', length) if breaks < 2 => {
                from += length;
                breaks += 1;
            }
            // Indentation.
            Escape::Char(b' ' | b'\t', length) if breaks > 0 && from - at < 128 => from += length,
            Escape::Char(c, _) if breaks > 0 && ALPHABET.has(c) => return Next::Line(from),
            Escape::CutOff => return Next::CutOff(at),
            _ => return Next::Nothing,
        }
    }
}

/// One character, escaped or not: `=`, `%3D`, `\n` written out, `&#10;`.
fn unit(bytes: &[u8], at: usize) -> Escape {
    match bytes.get(at) {
        None => Escape::CutOff,
        Some(b'\\') => {
            let slashes = bytes[at..].iter().take_while(|b| **b == b'\\').count();
            match bytes.get(at + slashes) {
                Some(b'n') => Escape::Char(b'\n', slashes + 1),
                Some(b'r') => Escape::Char(b'\r', slashes + 1),
                _ => escape::escape(&bytes[at..]),
            }
        }
        Some(b'%' | b'&') => escape::escape(&bytes[at..]),
        Some(byte) => Escape::Char(*byte, 1),
    }
}

/// A decoded message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// Its XML.
    pub xml: String,
    /// It was deflated, too.
    pub deflated: bool,
}

/// Whether what begins like XML speaks of SAML in its first few thousand bytes.
pub fn speaks_of_saml(text: &[u8]) -> bool {
    decode_base64(&text[..text.len().min(HEAD)]).is_some_and(|head| memchr::memmem::find(&head, b":SAML:").is_some())
}

/// How much of a run is needed for [`speaks_of_saml`].
pub const fn head() -> usize {
    HEAD
}

/// Undoes base64 and, where no XML comes out, raw deflate. What is unpacked is taken off `work`.
pub fn decode(text: &[u8], work: &mut i64) -> Option<Decoded> {
    let bytes = decode_base64(text)?;
    *work -= text.len() as i64;
    if let Some(xml) = xml(bytes.clone()) {
        return Some(Decoded { xml, deflated: false });
    }
    let limit = MAX_XML.min(bytes.len().saturating_mul(MAX_RATIO));
    let mut unpacked = Vec::new();
    let read = DeflateDecoder::new(&bytes[..]).take(limit as u64).read_to_end(&mut unpacked);
    *work -= 4 * unpacked.len() as i64;
    // A stream that breaks off has given what stood before.
    if read.is_err() && unpacked.is_empty() {
        return None;
    }
    Some(Decoded { xml: xml(unpacked)?, deflated: true })
}

fn xml(bytes: Vec<u8>) -> Option<String> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    if text.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'<') {
        return None;
    }
    Some(String::from_utf8_lossy(text).into_owned())
}

/// Either alphabet; a last character that holds no byte is left out.
fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let end = if text.len() % 4 == 1 { text.len() - 1 } else { text.len() };
    let standard: Vec<u8> = text[..end]
        .iter()
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        })
        .collect();
    jose::BASE64.decode(standard).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::read::DeflateEncoder;
    use proptest::prelude::*;

    const XML: &str = "<samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"_1\">some text >>>> and ???? more of it, long enough for lines</samlp:Response>";

    fn deflated(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        DeflateEncoder::new(text.as_bytes(), Compression::default()).read_to_end(&mut out).expect("deflate");
        out
    }

    fn wrapped(text: &str, width: usize, break_: &str) -> String {
        let lines: Vec<&str> = (0..text.len()).step_by(width).map(|at| &text[at..text.len().min(at + width)]).collect();
        lines.join(break_)
    }

    #[test]
    fn values_are_found_after_their_name_and_read_to_their_end() {
        let plain = jose::BASE64.encode(XML);
        assert!(plain.contains('+') && plain.contains('/') && plain.ends_with('='), "{plain}");
        let percent = plain.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let redirect = jose::BASE64.encode(deflated(XML)).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let url = plain.replace('+', "-").replace('/', "_").trim_end_matches('=').to_owned();
        for (before, value, after, deflated) in [
            ("SAMLResponse=", &*plain, "", false),
            ("SAMLResponse=", &percent, "&RelayState=x", false),
            ("SAMLResponse%3D", &percent, "%26RelayState", false),
            ("SAMLResponse=", &redirect, "&SigAlg=x", true),
            ("assertion=", &url, "&scope=x", false),
            ("\"SAMLResponse\": \"", &plain, "\"}", false),
            ("\\\"SAMLResponse\\\":\\\"", &plain.replace('/', "\\/"), "\\\"", false),
            ("{\"name\": \"SAMLResponse\", \"value\": \"", &plain.replace('=', "\\u003d"), "\"}", false),
            ("name=\"SAMLResponse\" id=\"s\" value=\"", &plain, "\"/>", false),
            ("name=\"SAMLResponse\" value=\"", &wrapped(&plain, 76, "&#10;"), "\"/>", false),
            ("name=\"SAMLResponse\" value=\"", &wrapped(&plain, 76, "&#13;&#10;"), "\"/>", false),
            ("SAMLResponse: \"", &wrapped(&plain, 64, "\\n"), "\"", false),
            ("SAMLResponse: |\n  ", &wrapped(&plain, 60, "\n  "), "\nnext: x", false),
            ("SAMLResponse=", &wrapped(&percent, 999, ""), " HTTP/1.1", false),
            ("SAMLResponse=", &wrapped(&plain, 76, "%0D%0A"), "&x", false),
        ] {
            let text = format!("{before}{value}{after}");
            let name = before.len().min(before.find("esponse").map_or(before.len(), |at| at + 7));
            let Value::At(start) = value_after(text.as_bytes(), name, false) else { panic!("no value in {text}") };
            assert_eq!(start, before.len(), "{text}");
            let run = run(text.as_bytes(), start, MAX_ENCODED);
            assert_eq!(&text[start..run.end], value);
            assert_eq!(decode(&run.text, &mut 0), Some(Decoded { xml: XML.to_owned(), deflated }), "{text}");
        }
    }

    #[test]
    fn a_bomb_is_cut_and_garbage_is_nothing() {
        let bomb = deflated(&format!("<a>{}", " ".repeat(50_000_000)));
        let xml = decode(jose::BASE64.encode(bomb).as_bytes(), &mut 0).map(|d| d.xml.len());
        assert!(xml.is_some_and(|length| length <= MAX_XML), "{xml:?}");
        assert_eq!(decode(&[b'A'; 400], &mut 0), None);
        assert_eq!(decode(jose::BASE64.encode([7u8; 300]).as_bytes(), &mut 0), None);
    }

    #[test]
    fn text_after_the_last_line_is_none_of_it() {
        let plain = jose::BASE64.encode(&XML[..XML.len() / 3 * 3]);
        let text = format!("{}\nNextWordHere", wrapped(&plain, 64, "\n"));
        let run = run(text.as_bytes(), 0, MAX_ENCODED);
        assert!(!plain.len().is_multiple_of(64) && run.text == plain.as_bytes(), "{run:?}");
        assert!(speaks_of_saml(&run.text));
    }

    proptest! {
        #[test]
        fn a_closed_run_is_the_same_in_a_longer_text(text in "[A-Za-z0-9+/=\\\\n%3D&#10; \r]{0,90}", more in "[A=\\n ]{0,9}") {
            let short = run(text.as_bytes(), 0, 64);
            prop_assert!(short.end <= text.len());
            if !short.open {
                prop_assert_eq!(&run(format!("{text}{more}").as_bytes(), 0, 64), &short);
            }
            let _ = value_after(text.as_bytes(), 0, true);
            let _ = decode(&short.text, &mut 0);
        }
    }
}
