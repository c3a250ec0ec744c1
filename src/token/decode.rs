//! Named decoders: families whose tokens carry facts of their own (expiry above all). Each proves the candidate on the
//! way; `false` says that it is no token of the family.

use base64::Engine as _;

use super::claims::Header;
use super::facts::{Facts, Kind, Time};
use super::intern::Interner;
use super::jose;
use crate::rules::Decoder;
use crate::syntax::json::{self, Value};

/// Reads what `token` (canonical) says of itself into `facts`.
pub fn decode(decoder: Decoder, token: &[u8], facts: &mut Facts, intern: &mut Interner) -> bool {
    match decoder {
        Decoder::PrefixedJwt => prefixed_jwt(token, facts, intern),
        Decoder::AzureSas => azure_sas(token, facts),
        Decoder::AwsPresigned => aws_presigned(token, facts),
        Decoder::Macaroon => macaroon(token, facts),
        Decoder::Base64 => is_base64(token),
    }
}

/// `ghs_<id>_<JWT>`, `glcbt-<JWT>`: times and issuer are read, nothing is promised. A token of the family that holds no
/// JWT is fine, too.
fn prefixed_jwt(token: &[u8], facts: &mut Facts, intern: &mut Interner) -> bool {
    let Some(at) = memchr::memmem::find(token, b"eyJ") else { return true };
    let jwt = &token[at..];
    let Some(end) = memchr::memchr(b'.', jwt) else { return true };
    let Some(header) = jose::decode_header(&jwt[..end]).and_then(|json| Header::read(json, intern)) else {
        return true;
    };
    let Some(segments) = jose::segments(jwt, header.encrypted) else { return true };
    let Ok(payload) = jose::BASE64URL.decode(segments.payload) else { return true };
    if let jose::Content::Claims(claims) = jose::content(&payload) {
        facts.alg = Some(header.alg.clone());
        facts.issuer = claims.get("iss").and_then(Value::as_str).map(|iss| intern.get(iss));
        let time = |name: &str| super::claims::time(claims.get(name));
        (facts.issued, facts.not_before, facts.expires) = (time("iat"), time("nbf"), time("exp"));
    }
    true
}

/// The value of a query parameter, `&amp;` and percent escapes undone.
fn parameter(query: &[u8], name: &str) -> Option<Vec<u8>> {
    query.split(|b| matches!(*b, b'&' | b'?' | b';')).find_map(|pair| {
        let pair = pair.strip_prefix(b"amp;").unwrap_or(pair);
        let value = pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        let mut out = Vec::with_capacity(value.len());
        let mut at = 0;
        while at < value.len() {
            let escaped = (value[at] == b'%').then(|| value.get(at + 1..at + 3)).flatten();
            let decoded = escaped.and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
            at += if decoded.is_some() { 3 } else { 1 };
            out.push(decoded.unwrap_or(value[at - 1]));
        }
        Some(out)
    })
}

/// `sig` signs with HMAC-SHA256, so it holds 32 bytes; `sv` and `se` stand in every signature (a stored access policy
/// may take the place of `se`).
fn azure_sas(token: &[u8], facts: &mut Facts) -> bool {
    facts.kind = Kind::SignedUrl;
    let Some(signature) = parameter(token, "sig") else { return false };
    if jose::BASE64.decode(&signature).map(|bytes| bytes.len()) != Ok(32) || parameter(token, "sv").is_none() {
        return false;
    }
    let expires = parameter(token, "se");
    if expires.is_none() && parameter(token, "si").is_none() {
        return false;
    }
    facts.expires = expires.map_or(Time::Absent, |text| date(&text));
    facts.not_before = parameter(token, "st").map_or(Time::Absent, |text| date(&text));
    // `ss` and `srt` make it an account signature: every service it names.
    facts.privileged = parameter(token, "srt").is_some();
    true
}

/// ISO 8601 as SAS takes it: a date, or date and time to the minute or second, in UTC.
fn date(text: &[u8]) -> Time {
    let Ok(text) = std::str::from_utf8(text) else { return Time::Malformed };
    let full = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        17 if text.ends_with('Z') => format!("{}:00Z", &text[..16]),
        _ => text.to_owned(),
    };
    full.parse::<jiff::Timestamp>().map_or(Time::Malformed, |at| Time::At(at.as_second()))
}

/// `X-Amz-Date` (basic ISO 8601) and `X-Amz-Expires` (seconds).
fn aws_presigned(token: &[u8], facts: &mut Facts) -> bool {
    facts.kind = Kind::SignedUrl;
    let Some(signed) = parameter(token, "X-Amz-Date") else { return false };
    let Some(valid) = parameter(token, "X-Amz-Expires") else { return false };
    let (Ok(signed), Ok(valid)) = (std::str::from_utf8(&signed), std::str::from_utf8(&valid)) else { return false };
    if signed.len() != 16 || !signed.is_ascii() {
        return false;
    }
    let iso = format!(
        "{}-{}-{}T{}:{}:{}Z",
        &signed[..4],
        &signed[4..6],
        &signed[6..8],
        &signed[9..11],
        &signed[11..13],
        &signed[13..15]
    );
    let (Ok(at), Ok(seconds)) = (iso.parse::<jiff::Timestamp>(), valid.parse::<i64>()) else { return false };
    facts.issued = Time::At(at.as_second());
    facts.expires = Time::At(at.as_second().saturating_add(seconds.clamp(0, 1 << 32)));
    true
}

/// Version 2 macaroons: 0x02, then packets of type, length (varint) and bytes; sections end with type 0. Caveats that
/// PyPI writes as JSON lists `[0, expiry, not-before]` give times.
fn macaroon(token: &[u8], facts: &mut Facts) -> bool {
    facts.kind = Kind::Macaroon;
    let body = token.iter().position(|b| *b == b'-').map_or(token, |at| &token[at + 1..]);
    let Ok(bytes) = jose::BASE64URL.decode(body) else { return false };
    if bytes.first() != Some(&2) {
        return false;
    }
    let mut at = 1;
    let mut identifiers = 0;
    while let Some(&kind) = bytes.get(at) {
        at += 1;
        if kind == 0 {
            continue;
        }
        let Some((length, read)) = varint(&bytes[at..]) else { return false };
        at += read;
        let Some(content) = bytes.get(at..at.saturating_add(length)) else { return false };
        at += length;
        match kind {
            2 => {
                identifiers += 1;
                caveat(content, facts);
            }
            // The signature ends it.
            6 => return identifiers > 0 && length == 32,
            _ => {}
        }
    }
    false
}

fn caveat(content: &[u8], facts: &mut Facts) {
    let Some(Value::Array(items)) = json::parse(content) else { return };
    if let [Value::Number("0"), expires, not_before] = &items[..] {
        facts.expires = super::claims::time(Some(expires));
        facts.not_before = super::claims::time(Some(not_before));
    }
}

fn varint(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0usize;
    for (at, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

fn is_base64(token: &[u8]) -> bool {
    jose::BASE64.decode(token).is_ok_and(|bytes| bytes.len() >= 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Confidence;

    fn facts() -> Facts {
        Facts::opaque(0, Kind::Opaque, Confidence::High)
    }

    #[test]
    fn shared_access_signatures() {
        let signature = jose::BASE64.encode([9u8; 32]).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let mut f = facts();
        let query = format!("sv=2024-11-04&st=2026-01-01&se=2026-01-02T10:30Z&sr=b&sig={signature}");
        assert!(decode(Decoder::AzureSas, query.as_bytes(), &mut f, &mut Interner::default()));
        assert_eq!((f.not_before, f.expires), (Time::At(1_767_225_600), Time::At(1_767_349_800)));
        let short = "sv=2024-11-04&se=2026-01-02&sig=AAAA";
        assert!(!decode(Decoder::AzureSas, short.as_bytes(), &mut facts(), &mut Interner::default()));
    }

    #[test]
    fn presigned_urls() {
        let mut f = facts();
        let query = b"X-Amz-Algorithm=A&X-Amz-Date=20260101T000000Z&X-Amz-Expires=60&X-Amz-Signature=00";
        assert!(decode(Decoder::AwsPresigned, query, &mut f, &mut Interner::default()));
        assert_eq!(f.expires, Time::At(1_767_225_660));
    }
}
