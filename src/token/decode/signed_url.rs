//! Credentials that are a signed query: Azure shared access signatures, AWS presigned requests, and the Bedrock keys that
//! are such a request in base64.

use base64::Engine as _;

use super::time;
use crate::token::facts::{Facts, Kind, Time};
use crate::token::jose;

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
pub(super) fn azure_sas(token: &[u8], facts: &mut Facts) -> bool {
    facts.kind = Kind::SignedUrl;
    let Some(signature) = parameter(token, "sig") else { return false };
    if jose::BASE64.decode(&signature).map(|bytes| bytes.len()) != Ok(32) || parameter(token, "sv").is_none() {
        return false;
    }
    let expires = parameter(token, "se");
    if expires.is_none() && parameter(token, "si").is_none() {
        return false;
    }
    facts.expires = expires.map_or(Time::Absent, |text| sas_date(&text));
    facts.not_before = parameter(token, "st").map_or(Time::Absent, |text| sas_date(&text));
    // `ss` and `srt` make it an account signature: every service it names.
    facts.privileged = parameter(token, "srt").is_some();
    true
}

/// ISO 8601 as SAS takes it: a date, or date and time to the minute or second, in UTC.
fn sas_date(text: &[u8]) -> Time {
    let Ok(text) = std::str::from_utf8(text) else { return Time::Malformed };
    let full = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        17 if text.ends_with('Z') && text.is_ascii() => format!("{}:00Z", &text[..16]),
        _ => text.to_owned(),
    };
    full.parse::<jiff::Timestamp>().map_or(Time::Malformed, |at| Time::At(at.as_second()))
}

/// `X-Amz-Date` (basic ISO 8601) and `X-Amz-Expires` (seconds).
pub(super) fn aws_presigned(token: &[u8], facts: &mut Facts) -> bool {
    facts.kind = Kind::SignedUrl;
    amz_times(token, facts).is_some()
}

fn amz_times(query: &[u8], facts: &mut Facts) -> Option<()> {
    let (date, valid) = (parameter(query, "X-Amz-Date")?, parameter(query, "X-Amz-Expires")?);
    let (date, valid) = (std::str::from_utf8(&date).ok()?, std::str::from_utf8(&valid).ok()?);
    if date.len() != 16 || !date.is_ascii() {
        return None;
    }
    let (day, clock) = (&date[..8], &date[9..15]);
    let iso = format!("{}-{}-{}T{}:{}:{}Z", &day[..4], &day[4..6], &day[6..], &clock[..2], &clock[2..4], &clock[4..]);
    let (signed, seconds) = (time::rfc3339(&iso)?, valid.parse::<i64>().ok()?);
    facts.issued = Time::At(signed);
    facts.expires = Time::At(signed.saturating_add(seconds.clamp(0, 1 << 32)));
    Some(())
}

/// A short-term Bedrock key: `bedrock-api-key-` and the base64 of a presigned `CallWithBearerToken` request.
pub(super) fn bedrock(token: &[u8], facts: &mut Facts) -> bool {
    let Some(body) = token.strip_prefix(b"bedrock-api-key-") else { return false };
    let Ok(query) = jose::BASE64.decode(body) else { return false };
    query.starts_with(b"bedrock.amazonaws.com/") && amz_times(&query, facts).is_some()
}

#[cfg(test)]
mod tests {
    use super::super::tests::facts;
    use super::*;

    #[test]
    fn shared_access_signatures() {
        let signature = jose::BASE64.encode([9u8; 32]).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let mut f = facts();
        let query = format!("sv=2024-11-04&st=2026-01-01&se=2026-01-02T10:30Z&sr=b&sig={signature}");
        assert!(azure_sas(query.as_bytes(), &mut f));
        assert_eq!((f.not_before, f.expires), (Time::At(1_767_225_600), Time::At(1_767_349_800)));
        assert!(!azure_sas(b"sv=2024-11-04&se=2026-01-02&sig=AAAA", &mut facts()));
    }

    #[test]
    fn presigned_urls() {
        let mut f = facts();
        let query = b"X-Amz-Algorithm=A&X-Amz-Date=20260101T000000Z&X-Amz-Expires=60&X-Amz-Signature=00";
        assert!(aws_presigned(query, &mut f));
        assert_eq!(f.expires, Time::At(1_767_225_660));
        assert_eq!(f.kind, Kind::SignedUrl);
    }

    #[test]
    fn bedrock_keys_expire_with_the_request_they_are() {
        let url = "bedrock.amazonaws.com/?Action=CallWithBearerToken&X-Amz-Date=20260101T000000Z&X-Amz-Expires=43200&Version=1";
        let token = format!("bedrock-api-key-{}", jose::BASE64.encode(url));
        let mut f = facts();
        assert!(bedrock(token.as_bytes(), &mut f));
        assert_eq!((f.issued, f.expires), (Time::At(1_767_225_600), Time::At(1_767_268_800)));
        assert_eq!(f.kind, Kind::Opaque);
        assert!(!bedrock(b"bedrock-api-key-YmVkcm9jaw==", &mut facts()));
    }
}
