//! Macaroons. Version 1 is a row of text packets (`HHHHname value\n`, four hexadecimal digits of length), version 2 the
//! byte 0x02 and binary fields (type, length, bytes) in sections that end with a zero; either stands in base64 or
//! hexadecimal. First-party caveats are texts of the issuer's choice, so only the well-known forms of a deadline are
//! read; of several the earliest counts. Source: libmacaroons, doc/format.txt.

use base64::Engine as _;

use super::time;
use crate::syntax::json::{self, Value};
use crate::token::claims;
use crate::token::facts::{Facts, Kind, Time};
use crate::token::intern::Interner;
use crate::token::jose;

/// The length of the signature that ends every macaroon: HMAC-SHA256.
const SIGNATURE: usize = 32;

/// Reads location and deadlines. `None` unless it is a whole macaroon.
pub(super) fn read(token: &[u8], facts: &mut Facts, intern: &mut Interner) -> Option<()> {
    facts.kind = Kind::Macaroon;
    let bytes = bytes(token.strip_prefix(b"pypi-").unwrap_or(token))?;
    let location = match bytes.first()? {
        2 => version_2(&bytes[1..], facts)?,
        _ => version_1(&bytes, facts)?,
    };
    facts.issuer = std::str::from_utf8(location).ok().filter(|l| !l.is_empty()).map(|l| intern.get(claims::cut(l)));
    Some(())
}

fn bytes(text: &[u8]) -> Option<Vec<u8>> {
    if text.len().is_multiple_of(2) && text.iter().all(u8::is_ascii_hexdigit) && text.starts_with(b"02") {
        let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
        return text.chunks_exact(2).map(|two| Some(digit(two[0])? << 4 | digit(two[1])?)).collect();
    }
    jose::BASE64URL.decode(text).or_else(|_| jose::BASE64.decode(text)).ok()
}

/// Packets in turn; `cid` begins a caveat, a `vid` after it makes it a third party's.
fn version_1<'a>(mut rest: &'a [u8], facts: &mut Facts) -> Option<&'a [u8]> {
    let (mut location, mut identified) = (&rest[..0], false);
    let mut caveat: Option<&[u8]> = None;
    while !rest.is_empty() {
        let digits = std::str::from_utf8(rest.get(..4)?).ok()?;
        let length = usize::from_str_radix(digits, 16).ok()?;
        let packet = rest.get(4..length)?.strip_suffix(b"\n")?;
        rest = &rest[length..];
        let blank = memchr::memchr(b' ', packet)?;
        let value = &packet[blank + 1..];
        match &packet[..blank] {
            b"location" if !identified => location = value,
            b"identifier" => identified = true,
            b"cid" => {
                caveat.into_iter().for_each(|text| first_party(text, facts));
                caveat = Some(value);
            }
            b"vid" => caveat = None,
            b"signature" => {
                caveat.into_iter().for_each(|text| first_party(text, facts));
                return (identified && value.len() == SIGNATURE).then_some(location);
            }
            _ => {}
        }
    }
    None
}

/// Sections of fields: the macaroon's own, one for each caveat, an empty one, and the signature.
fn version_2<'a>(bytes: &'a [u8], facts: &mut Facts) -> Option<&'a [u8]> {
    let (mut location, mut sections, mut at) = (&bytes[..0], 0, 0);
    let (mut identifier, mut third_party): (Option<&[u8]>, bool) = (None, false);
    while let Some(&kind) = bytes.get(at) {
        at += 1;
        if kind == 0 {
            if let (Some(text), 1.., false) = (identifier, sections, third_party) {
                first_party(text, facts);
            }
            sections += usize::from(identifier.is_some());
            (identifier, third_party) = (None, false);
            continue;
        }
        let (length, read) = varint(&bytes[at..])?;
        at += read;
        let content = bytes.get(at..at.checked_add(length)?)?;
        at += length;
        match kind {
            1 if sections == 0 => location = content,
            2 => identifier = Some(content),
            4 => third_party = true,
            6 => return (sections > 0 && length == SIGNATURE).then_some(location),
            _ => {}
        }
    }
    None
}

/// Little-endian groups of seven bits.
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

/// A deadline, if the caveat is one.
fn first_party(caveat: &[u8], facts: &mut Facts) {
    if let Some((not_before, expires)) = pypi(caveat) {
        facts.expires = expires.map_or(facts.expires, |at| time::earlier(facts.expires, at));
        facts.not_before = not_before.map_or(facts.not_before, |at| time::later(facts.not_before, at));
        return;
    }
    let Ok(text) = std::str::from_utf8(caveat) else { return };
    let text = text.trim();
    let deadline = text
        .strip_prefix("time")
        .map(str::trim_start)
        .and_then(|rest| rest.strip_prefix('<'))
        .or_else(|| text.strip_prefix("time-before "))
        .or_else(|| text.strip_prefix("before:"));
    let Some(deadline) = deadline.map(str::trim) else { return };
    if let Some(at) = time::unix(deadline).or_else(|| time::rfc3339(deadline)) {
        facts.expires = time::earlier(facts.expires, at);
    }
}

/// PyPI's caveats: `[0, expiry, not-before]`, formerly `{"exp": …, "nbf": …}`.
fn pypi(caveat: &[u8]) -> Option<(Option<i64>, Option<i64>)> {
    let json = json::parse(caveat)?;
    let seconds = |value: Option<&Value<'_>>| match claims::time(value) {
        Time::At(seconds) => Some(seconds),
        _ => None,
    };
    match &json {
        Value::Array(items) => match &items[..] {
            [Value::Number("0"), expires, not_before] => Some((seconds(Some(not_before)), seconds(Some(expires)))),
            _ => Some((None, None)),
        },
        Value::Object(_) => Some((seconds(json.get("nbf")), seconds(json.get("exp")))),
        // A number alone is JSON, too, but nobody's caveat.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::facts;
    use super::*;

    fn packet(name: &str, value: &[u8]) -> Vec<u8> {
        let length = 4 + name.len() + 1 + value.len() + 1;
        [format!("{length:04x}{name} ").as_bytes(), value, b"\n"].concat()
    }

    fn v1(caveats: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = [packet("location", b"https://shop.example.com"), packet("identifier", b"key 7")].concat();
        caveats.iter().for_each(|(name, value)| bytes.extend(packet(name, value)));
        bytes.extend(packet("signature", &[0xC3; 32]));
        bytes
    }

    fn field(kind: u8, value: &[u8]) -> Vec<u8> {
        [&[kind, value.len() as u8], value].concat()
    }

    fn v2(caveats: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![2];
        bytes.extend([field(1, b"pypi.org"), field(2, b"key 7"), vec![0]].concat());
        caveats.iter().for_each(|caveat| bytes.extend([field(2, caveat), vec![0]].concat()));
        bytes.extend([vec![0], field(6, &[0xC3; 32])].concat());
        bytes
    }

    fn read(text: &str) -> Option<Facts> {
        let mut f = facts();
        super::read(text.as_bytes(), &mut f, &mut Interner::default()).map(|()| f)
    }

    #[test]
    fn both_versions_in_both_spellings() {
        let f = read(&jose::BASE64URL.encode(v1(&[("cid", b"time < 2026-01-01T00:00:00Z")]))).expect("version 1");
        assert_eq!((f.issuer.as_deref(), f.expires), (Some("https://shop.example.com"), Time::At(1_767_225_600)));
        let f = read(&jose::BASE64URL.encode(v2(&[b"time-before 2026-01-01T00:00:00Z"]))).expect("version 2");
        assert_eq!((f.issuer.as_deref(), f.expires), (Some("pypi.org"), Time::At(1_767_225_600)));
        let hex: String = v2(&[b"before:2026-01-01T00:00:00Z"]).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(read(&hex).expect("hexadecimal").expires, Time::At(1_767_225_600));
    }

    #[test]
    fn the_earliest_deadline_counts_and_milliseconds_are_seen() {
        let token = v1(&[("cid", b"time < 1900000000000"), ("cid", b"time < 1800000000"), ("cid", b"gen = 1")]);
        assert_eq!(read(&jose::BASE64URL.encode(token)).expect("a macaroon").expires, Time::At(1_800_000_000));
    }

    #[test]
    fn what_is_no_deadline_is_none() {
        // A third party's caveat is opaque, a date without offset names no moment, other words are anybody's.
        let token = v1(&[
            ("cid", b"time < 1800000000"),
            ("vid", b"x"),
            ("cid", b"time < 2026-01-01T00:00"),
            ("cid", b"timeless < 1800000000"),
        ]);
        assert_eq!(read(&jose::BASE64URL.encode(token)).expect("a macaroon").expires, Time::Absent);
    }

    #[test]
    fn caveats_of_pypi() {
        let token = |caveat: &[u8]| format!("pypi-{}", jose::BASE64URL.encode(v2(&[caveat])));
        let f = read(&token(b"[0,1800000000,1700000000]")).expect("a list");
        assert_eq!((f.not_before, f.expires), (Time::At(1_700_000_000), Time::At(1_800_000_000)));
        assert_eq!(read(&token(br#"{"nbf":1,"exp":1800000000}"#)).expect("an object").expires, Time::At(1_800_000_000));
        assert_eq!(read(&token(br#"[1,["shop"]]"#)).expect("projects").expires, Time::Absent);
    }

    #[test]
    fn the_macaroons_own_identifier_is_no_caveat() {
        let mut bytes = vec![2];
        bytes.extend([field(2, b"time < 1800000000"), vec![0, 0], field(6, &[1; 32])].concat());
        assert_eq!(read(&jose::BASE64URL.encode(bytes)).expect("a macaroon").expires, Time::Absent);
    }

    #[test]
    fn broken_ones_are_none() {
        let whole = v1(&[]);
        for cut in 0..whole.len() {
            assert!(read(&jose::BASE64URL.encode(&whole[..cut])).is_none(), "{cut}");
        }
        let whole = v2(&[b"x"]);
        for cut in 0..whole.len() {
            assert!(read(&jose::BASE64URL.encode(&whole[..cut])).is_none(), "{cut}");
        }
    }
}
