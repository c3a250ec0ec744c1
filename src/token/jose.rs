//! JOSE objects in compact form: our own total decoder. An auditor must read exactly the tokens that a verifier
//! refuses, so nothing here trusts, verifies or insists: the header must be a JSON object with a string `alg`, the
//! segments must be base64url, and everything else is a fact to report.
//! RFC 7515 section 3.1 (JWS), RFC 7516 section 3.1 (JWE), RFC 7519 section 6 (unsecured).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::facts::Signature;
use crate::rules::Form;
use crate::syntax::json::{self, Value};

/// What a header can begin with once it is base64url: `{"`, `{ "`, `{\n`, `{\r\n`, `{\t`, and the same after a blank.
pub const ANCHORS: &[&str] =
    &["eyJ", "eyAi", "eyAg", "ewog", "ewoi", "ewoJ", "ewoK", "ewki", "ewkJ", "ew0K", "IHsi", "Cnsi"];

/// The longest header that is read, in characters. Certificate chains make long ones.
pub const MAX_HEADER: usize = 64 * 1024;

/// base64url as it is met: padding or none, stray bits at the end pass.
pub static BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// base64 as it is met.
pub static BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The segments of a compact JOSE object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segments<'a> {
    /// JWS or JWE.
    pub form: Form,
    /// Protected header, still encoded.
    pub header: &'a [u8],
    /// Payload of a JWS; empty for a JWE.
    pub payload: &'a [u8],
    /// Signature of a JWS; empty for a JWE.
    pub signature: &'a [u8],
    /// Length of the whole, in characters: of a longer text only this much is the token.
    pub length: usize,
}

/// Whether the first bytes of a segment decode to the beginning of a JSON object with a member, or could.
fn begins_like_header(segment: &[u8]) -> bool {
    let mut head = [0u8; 24];
    let quick = segment.len().min(32) & !3;
    let Ok(decoded) = BASE64URL.decode_slice(&segment[..quick], &mut head) else { return false };
    let head = head[..decoded].trim_ascii_start();
    let inside = head.strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    inside.is_some_and(|rest| {
        rest.first().is_none_or(|b| *b == b'"') && rest.iter().all(|b| *b >= 0x20 || b.is_ascii_whitespace())
    })
}

/// Decodes a header segment: a JSON object with a string `alg`.
pub fn decode_header(segment: &[u8]) -> Option<Vec<u8>> {
    if segment.len() < 8 || segment.len() > MAX_HEADER {
        return None;
    }
    // Most of what starts like a header is none; its first bytes tell before the rest is decoded.
    if !begins_like_header(segment) {
        return None;
    }
    let json = BASE64URL.decode(segment).ok()?;
    let header = json::parse(&json)?;
    header.get("alg")?.as_str()?;
    Some(json)
}

/// Splits `text`, whose header has been found sound, into segments; `encrypted` says that the header has `enc`.
/// `None` where the segments can't be what the header says.
pub fn segments(text: &[u8], encrypted: bool) -> Option<Segments<'_>> {
    let mut parts = text.split(|b| *b == b'.');
    let header = parts.next()?;
    if encrypted {
        let [key, iv, ciphertext, tag] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        for part in [key, iv, ciphertext, tag] {
            decoded_length(part)?;
        }
        // GCM and ChaCha take 12 bytes (XChaCha 24), CBC 16; tags have 16, 24 or 32. A wrong one is still a JWE.
        if iv.is_empty() || tag.is_empty() {
            return None;
        }
        let length = header.len() + key.len() + iv.len() + ciphertext.len() + tag.len() + 4;
        return Some(Segments { form: Form::Jwe, header, payload: b"", signature: b"", length });
    }
    let payload = parts.next()?;
    let signature = parts.next()?;
    decoded_length(payload)?;
    let length = header.len() + payload.len() + signature.len() + 2;
    Some(Segments { form: Form::Jws, header, payload, signature, length })
}

/// How many bytes a base64url segment holds; `None` where its length can't be.
fn decoded_length(segment: &[u8]) -> Option<usize> {
    let length = segment.iter().rposition(|b| *b != b'=').map_or(0, |at| at + 1);
    (length % 4 != 1).then_some(length / 4 * 3 + length % 4 * 3 / 4)
}

/// Whether the third segment can be a signature of that algorithm (RFC 7518 section 3, RFC 8037, RFC 8812).
pub fn signature(alg: &str, segment: &[u8]) -> Signature {
    if alg.eq_ignore_ascii_case("none") {
        return Signature::Unsecured;
    }
    let Some(length) = decoded_length(segment).filter(|length| *length > 0) else { return Signature::Broken };
    let fits = match alg {
        "HS256" => length == 32,
        "HS384" => length == 48,
        "HS512" => length == 64,
        // Some libraries write ECDSA signatures in ASN.1 DER, and read them so.
        "ES256" | "ES256K" => length == 64 || is_der(segment, length),
        "ES384" => length == 96 || is_der(segment, length),
        "ES512" => length == 132 || is_der(segment, length),
        "EdDSA" => length == 64 || length == 114,
        "Ed25519" => length == 64,
        "Ed448" => length == 114,
        "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512" | "RS1" => (64..=2048).contains(&length),
        "ML-DSA-44" => length == 2420,
        "ML-DSA-65" => length == 3309,
        "ML-DSA-87" => length == 4627,
        _ => true,
    };
    if fits { Signature::Fits } else { Signature::Broken }
}

/// Whether a signature has just the length that whole ones have: RSA keys have a round number of bits.
pub fn is_whole(alg: &str, segment: &[u8]) -> bool {
    let round = !matches!(alg.get(..2), Some("RS" | "PS")) || decoded_length(segment).is_some_and(|n| n % 64 == 0);
    round && signature(alg, segment) == Signature::Fits
}

/// Whether the last segment of a JWE has the length of an authentication tag (RFC 7518, section 5.1).
pub fn has_whole_tag(text: &[u8]) -> bool {
    let tag = text.rsplit(|b| *b == b'.').next().and_then(decoded_length);
    matches!(tag, Some(16 | 24 | 32))
}

fn is_der(segment: &[u8], length: usize) -> bool {
    let mut head = [0u8; 3];
    let decoded = segment.get(..4).and_then(|four| BASE64URL.decode_slice(four, &mut head).ok());
    decoded == Some(3)
        && head[0] == 0x30
        && (usize::from(head[1]) + 2 == length || (head[1] == 0x81 && usize::from(head[2]) + 3 == length))
}

/// Decodes base64url or, as some write it, standard base64, with padding or without.
pub(super) fn decode_either(text: &[u8]) -> Option<Vec<u8>> {
    let url = |b: &u8| match b {
        b'+' => b'-',
        b'/' => b'_',
        other => *other,
    };
    let padding = text.iter().rev().take_while(|b| **b == b'=').count();
    let url: Vec<u8> = text[..text.len() - padding].iter().map(url).collect();
    BASE64URL.decode(url).ok()
}

/// What a JWS payload is.
#[derive(Debug, PartialEq)]
pub enum Content<'a> {
    /// Claims.
    Claims(Value<'a>),
    /// Text or bytes that are not a JSON object: signed content, no token by itself.
    Other,
    /// Looks like claims and is not JSON: a cut or edited lookalike.
    Broken,
}

/// Looks at a decoded payload.
pub fn content(payload: &[u8]) -> Content<'_> {
    let start = payload.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(payload.len());
    match json::parse(payload) {
        Some(claims @ Value::Object(_)) => Content::Claims(claims),
        Some(_) => Content::Other,
        None if payload.get(start) == Some(&b'{') && payload.get(start + 1) == Some(&b'"') => Content::Broken,
        None => Content::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_spelling_of_a_header_is_announced_by_an_anchor() {
        for json in [
            "{\"alg\":\"HS256\"}",
            "{ \"alg\":\"HS256\"}",
            "{  \"alg\":\"HS256\"}",
            "{\n\"alg\":\"HS256\"}",
            "{\n  \"alg\":\"HS256\"}",
            "{\n\t\"alg\":\"HS256\"}",
            "{\n\n\"alg\":\"HS256\"}",
            "{\t\"alg\":\"HS256\"}",
            "{\t\t\"alg\":\"HS256\"}",
            "{\r\n\"alg\":\"HS256\"}",
            "{\r\n\t\"alg\":\"HS256\"}",
            " {\"alg\":\"HS256\"}",
            "\n{\"alg\":\"HS256\"}",
            "{\"typ\":\"JWT\",\"alg\":\"HS256\"}",
        ] {
            let encoded = BASE64URL.encode(json);
            assert!(ANCHORS.iter().any(|a| encoded.starts_with(a)), "{json:?} {encoded}");
            assert!(decode_header(encoded.trim_end_matches('=').as_bytes()).is_some(), "{json:?}");
        }
    }

    #[test]
    fn signatures_have_the_length_of_their_algorithm() {
        let segment = |bytes: usize| BASE64URL.encode(vec![7u8; bytes]).trim_end_matches('=').to_owned();
        for (alg, bytes, expected) in [
            ("HS256", 32, Signature::Fits),
            ("HS256", 31, Signature::Broken),
            ("ES256", 64, Signature::Fits),
            ("ES256", 63, Signature::Broken),
            ("RS256", 256, Signature::Fits),
            ("RS256", 20, Signature::Broken),
            ("RS256", 0, Signature::Broken),
            ("nOnE", 0, Signature::Unsecured),
            ("XX999", 1, Signature::Fits),
        ] {
            assert_eq!(signature(alg, segment(bytes).as_bytes()), expected, "{alg} {bytes}");
        }
        let der = [vec![0x30, 69], vec![2; 69]].concat();
        assert_eq!(signature("ES256", BASE64URL.encode(der).as_bytes()), Signature::Fits);
    }

    proptest! {
        #[test]
        fn never_panics(text in "[A-Za-z0-9_.=-]{0,80}", encrypted in any::<bool>()) {
            let _ = decode_header(text.as_bytes());
            if let Some(found) = segments(text.as_bytes(), encrypted) {
                prop_assert!(found.length <= text.len());
            }
            let _ = signature("ES256", text.as_bytes());
        }
    }
}
