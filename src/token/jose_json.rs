//! JOSE in JSON form (RFC 7515 section 7.2, RFC 7516 section 7.2): found by a member name, read from the object around
//! it. The canonical token of a JWS is its compact form with the first signature, so both forms of one token have one
//! fingerprint.

use crate::syntax::json::{self, Value};

/// What announces one: `protected` and `ciphertext` without the letters that many other words share.
pub const ANCHORS: &[&str] = &["otecte", "phertex"];

/// How far before the anchor the object may begin, in bytes.
pub const LOOK_BEHIND: usize = 24 * 1024;
/// The longest object, in bytes.
const MAX_OBJECT: usize = 128 * 1024;
/// How many opening braces before the anchor are tried.
const MAX_OPENINGS: usize = 12;

/// A JSON serialisation that was found.
#[derive(Debug, PartialEq)]
pub struct Found {
    /// Offset of the opening brace.
    pub start: usize,
    /// Offset past the closing brace.
    pub end: usize,
    /// Encoded protected header.
    pub header: String,
    /// Encoded payload, `None` for a JWE.
    pub payload: Option<String>,
    /// Encoded first signature of a JWS; ciphertext of a JWE.
    pub last: String,
}

/// What reading around an anchor gives.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// A serialisation, whose first anchor this is.
    Found(Found),
    /// None.
    Nothing,
    /// The object goes on past the end of the bytes.
    NeedMore,
}

/// Reads the object around the anchor at `at`; `more` says that bytes may follow the buffer. What is looked at is taken
/// off `work`, and nothing is found once that is used up.
pub fn around(bytes: &[u8], at: usize, more: bool, work: &mut i64) -> Outcome {
    let floor = at.saturating_sub(LOOK_BEHIND);
    let openings = bytes[floor..at].iter().enumerate().rev().filter(|(_, b)| **b == b'{').map(|(n, _)| floor + n);
    let mut cut_off = false;
    for start in openings.take(MAX_OPENINGS) {
        if *work < 0 {
            return Outcome::Nothing;
        }
        let text = &bytes[start..bytes.len().min(start + MAX_OBJECT)];
        let (object, length) = match json::parse_start(text) {
            Ok(read) => read,
            Err(stopped) => {
                *work -= stopped as i64;
                // An escape that the end cuts off stops a little before it.
                cut_off |= more && text.len() < MAX_OBJECT && stopped + 12 > text.len();
                continue;
            }
        };
        *work -= length as i64;
        let end = start + length;
        if end <= at {
            continue;
        }
        if let Some(found) = read(&object, start, end) {
            let first = ANCHORS
                .iter()
                .filter_map(|a| memchr::memmem::find(&bytes[start..end], a.as_bytes()))
                .min()
                .map(|n| start + n);
            return if first == Some(at) { Outcome::Found(found) } else { Outcome::Nothing };
        }
    }
    if cut_off { Outcome::NeedMore } else { Outcome::Nothing }
}

fn read(object: &Value<'_>, start: usize, end: usize) -> Option<Found> {
    let text = |value: &Value<'_>, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    if let Some(ciphertext) = text(object, "ciphertext") {
        let header = text(object, "protected").unwrap_or_default();
        (object.get("iv").is_some() && object.get("tag").is_some()).then_some(())?;
        return Some(Found { start, end, header, payload: None, last: ciphertext });
    }
    let payload = text(object, "payload")?;
    let (header, signature) = match object.get("signatures") {
        Some(Value::Array(signatures)) => {
            let first = signatures.first()?;
            (text(first, "protected")?, text(first, "signature")?)
        }
        _ => (text(object, "protected")?, text(object, "signature")?),
    };
    Some(Found { start, end, header, payload: Some(payload), last: signature })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_forms_are_found_once_by_their_first_anchor() {
        let flat = r#"x {"a":{"b":1},"payload":"cA","protected":"aA","header":{"kid":"1"},"signature":"cw"} y"#;
        let general = r#"{"payload":"cA","signatures":[{"protected":"aA","signature":"cw"},{"protected":"bB","signature":"dd"}]}"#;
        for text in [flat, general] {
            let places: Vec<usize> = memchr::memmem::find_iter(text.as_bytes(), ANCHORS[0]).collect();
            for (n, place) in places.iter().enumerate() {
                match around(text.as_bytes(), *place, false, &mut 1_000_000) {
                    Outcome::Found(found) => {
                        assert_eq!(n, 0);
                        let parts = (&found.header[..], found.payload.as_deref(), &found.last[..]);
                        assert_eq!(parts, ("aA", Some("cA"), "cw"));
                        assert_eq!(&text[found.start..found.start + 1], "{");
                        assert_eq!(&text[found.end - 1..found.end], "}");
                    }
                    other => assert!(n > 0, "{other:?}"),
                }
            }
        }
    }

    #[test]
    fn an_object_that_is_cut_off_asks_for_more() {
        let text = r#"{"payload":"cA","protected":"aA","sig"#;
        let at = text.find(ANCHORS[0]).expect("anchor");
        assert_eq!(around(text.as_bytes(), at, true, &mut 1_000_000), Outcome::NeedMore);
        assert_eq!(around(text.as_bytes(), at, false, &mut 1_000_000), Outcome::Nothing);
    }

    proptest! {
        #[test]
        fn never_panics(before in "[{}\"a:,\\\\]{0,40}", after in "[{}\"a:,\\\\]{0,40}", more in any::<bool>()) {
            let text = format!("{before}\"protected\"{after}");
            let _ = around(text.as_bytes(), before.len() + 3, more, &mut 1_000_000);
        }
    }
}
