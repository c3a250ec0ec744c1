//! Whether a DPoP proof and what was logged as one request with it belong together: the access token, the request line
//! (RFC 9449, sections 4.2, 4.3 and 7.1). A log that holds both is evidence of what was sent; a wrong pair would be a false accusation, so two
//! requests are never mixed: where more than one token could belong to a proof, nothing is said.

use base64::Engine as _;
use sha2::{Digest, Sha256};

use super::escape::COMPACT;
use super::facts::Binding;
use super::fault::{Fault, Faults};
use super::jose;
use super::keys::Thumbprint;
use super::logged::{self, target};
use super::{beside, confirmation};
use crate::syntax::json::{self, Value};

/// How far a request reaches on either side of a proof, in bytes.
pub(super) const REACH: usize = 8 * 1024;
/// Shorter words after the scheme are no tokens.
const MIN_TOKEN: usize = 20;
/// An access token under the `DPoP` scheme.
struct Presented<'a> {
    text: &'a [u8],
    /// Nothing is cut off or masked behind it.
    whole: bool,
}

/// What is wrong with the proof at `start..end`, whose header holds the key with that thumbprint, if the request that it
/// was sent with stands beside it.
pub(super) fn faults(bytes: &[u8], start: usize, end: usize, key: Option<&Thumbprint>) -> Faults {
    let mut faults = Faults::default();
    let Some(proof) = claims(&bytes[start..end]) else { return faults };
    let Some(proof) = json::parse(&proof) else { return faults };
    let text = |name: &str| proof.get(name).and_then(Value::as_str);
    if let (Some(htm), Some(htu)) = (text("htm"), text("htu")) {
        faults.insert_if(target::is_another(bytes, start, end, htm, htu), Fault::DpopReplayedTarget);
    }
    let Some(token) = presented(bytes, start, end) else { return faults };
    faults.insert_if(proof.get("ath").is_none(), Fault::DpopMissingAth);
    let Some(payload) = claims(token.text) else { return faults };
    let Some(payload) = json::parse(&payload) else { return faults };
    let bound_to = confirmation::bound_to(&payload, Binding::Jkt);
    if let (Some(key), Some(bound_to)) = (key, bound_to) {
        faults.insert_if(*key != bound_to, Fault::DpopKeyMismatch);
    }
    // The hash tells only where no character of the token was masked. A thumbprint reads like a SHA-256 of any kind.
    if let Some(ath) = proof.get("ath").and_then(Value::as_str).and_then(Thumbprint::from_base64url)
        && token.whole
        && is_whole(token.text)
    {
        faults.insert_if(ath.0 != <[u8; 32]>::from(Sha256::digest(token.text)), Fault::DpopAthMismatch);
    }
    faults
}

/// The decoded payload of a compact JWS.
fn claims(text: &[u8]) -> Option<Vec<u8>> {
    let parts = jose::segments(text, false)?;
    jose::BASE64URL.decode(parts.payload).ok()
}

/// Whether nothing is missing from a compact JWS.
fn is_whole(text: &[u8]) -> bool {
    let Some(parts) = jose::segments(text, false).filter(|parts| parts.length == text.len()) else { return false };
    let Some(header) = jose::decode_header(parts.header) else { return false };
    let header = json::parse(&header);
    let alg = header.as_ref().and_then(|h| h.get("alg")).and_then(Value::as_str);
    alg.is_some_and(|alg| jose::is_whole(alg, parts.signature))
}

/// The token of the request that the proof belongs to; `None` also where several could be it.
fn presented(bytes: &[u8], start: usize, end: usize) -> Option<Presented<'_>> {
    let before = &bytes[start.saturating_sub(REACH)..start];
    let after = &bytes[end..bytes.len().min(end + REACH)];
    let line = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let (above, before) = before.split_at(line);
    let (after, below) = after.split_at(memchr::memchr(b'\n', after).unwrap_or(after.len()));
    let mut candidates = Vec::new();
    for (at, token) in tokens(before) {
        if is_one_request(&before[at + token.text.len()..], before) {
            candidates.push(token);
        }
    }
    for (at, token) in tokens(after) {
        if is_one_request(&after[..at], before) {
            candidates.push(token);
        }
    }
    if candidates.is_empty() {
        let wanted: &[u8] = match () {
            () if begins_as(before, b"dpop") => b"authorization",
            () if begins_as(before, b"value") => b"value",
            () => return None,
        };
        let above = above.strip_suffix(b"\n").unwrap_or(above);
        headers(above.rsplit(|b| *b == b'\n'), wanted, &mut candidates);
        let below = below.strip_prefix(b"\n").unwrap_or(below);
        headers(below.split(|b| *b == b'\n'), wanted, &mut candidates);
    }
    let first = candidates.pop()?;
    candidates.iter().all(|other| other.text == first.text).then_some(first)
}

/// Whether what stands between a token and a proof on one line leads from neither into another request. `before` is what
/// stands before the proof: in lists of headers each is an object of its own, `{"name":…,"value":…},{…}`.
fn is_one_request(between: &[u8], before: &[u8]) -> bool {
    let listed = trim_name(before).to_ascii_lowercase().ends_with(b"value");
    let (mut depth, mut objects) = (0i32, false);
    for byte in between {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => continue,
        }
        objects |= matches!(byte, b'{' | b'}');
        if depth.abs() > 1 || (objects && !listed) {
            return false;
        }
    }
    !words(between).any(|(_, word)| is_proof(word))
}

/// Up to the name of the member whose value follows.
fn trim_name(before: &[u8]) -> &[u8] {
    let end = before.iter().rposition(|b| !matches!(b, b'"' | b'\'' | b'\\' | b':' | b' ')).map_or(0, |at| at + 1);
    &before[..end]
}

/// Whether the request that a token stands in speaks of a DPoP proof: on its line or, where that is a header, in the
/// headers around it.
pub(super) fn mentions_dpop(bytes: &[u8], start: usize, end: usize) -> bool {
    let mentions = |text: &[u8]| text.windows(4).any(|w| w.eq_ignore_ascii_case(b"dpop"));
    let above = &bytes[start.saturating_sub(logged::REACH)..start];
    let below = &bytes[end.min(bytes.len())..bytes.len().min(end + beside::AHEAD)];
    let (above, before) = above.split_at(memchr::memrchr(b'\n', above).map_or(0, |at| at + 1));
    let (after, below) = below.split_at(memchr::memchr(b'\n', below).unwrap_or(below.len()));
    if mentions(before) || mentions(after) {
        return true;
    }
    // A wire log has a time before each header.
    let header = |line: &[u8]| {
        let dumped = memchr::memmem::rfind(&line[..line.len().min(256)], b">> ").map_or(line, |at| &line[at + 3..]);
        let text = bare(dumped);
        is_header(text) || (!text.is_empty() && text.iter().all(|b| matches!(b, b'{' | b'}' | b',' | b' ')))
    };
    let above = above.strip_suffix(b"\n").unwrap_or_default();
    let below = below.strip_prefix(b"\n").unwrap_or_default();
    header(before)
        && (above.rsplit(|b| *b == b'\n').take_while(|line| header(line)).any(mentions)
            || below.split(|b| *b == b'\n').take_while(|line| header(line)).any(mentions))
}

/// Gathers the tokens in header lines of one request, from the proof away up to what is no header any more, or the
/// proof of another request.
fn headers<'a>(lines: impl Iterator<Item = &'a [u8]>, wanted: &[u8], found: &mut Vec<Presented<'a>>) {
    for line in lines {
        let text = bare(line);
        let between = !text.is_empty() && text.iter().all(|b| matches!(b, b'{' | b'}' | b','));
        if between && wanted == b"value" {
            continue;
        }
        if !is_header(text) || words(text).any(|(_, word)| is_proof(word)) {
            return;
        }
        if begins_as(text, wanted) {
            found.extend(tokens(text).map(|(_, token)| token));
        }
    }
}

/// A line without what dumps and commands put before a header.
fn bare(line: &[u8]) -> &[u8] {
    let mut text = line.trim_ascii();
    loop {
        let rest = [&b"--header"[..], b"-H", b">", b"\"", b"'", b"\\"].iter().find_map(|mark| text.strip_prefix(*mark));
        let Some(rest) = rest else { return text };
        text = rest.trim_ascii_start();
    }
}

/// Whether a line is a header of that name, or a member.
fn begins_as(line: &[u8], name: &[u8]) -> bool {
    let text = bare(line);
    text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
        && is_header(text)
        && !text.get(name.len()).is_some_and(|b| is_name(*b))
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// `Name: value`, `"name": value`.
fn is_header(text: &[u8]) -> bool {
    let name = text.iter().take_while(|b| is_name(**b)).count();
    let rest = text[name..].trim_ascii_start();
    let rest = rest.strip_prefix(b"\"").or_else(|| rest.strip_prefix(b"'")).unwrap_or(rest);
    name > 0 && text[0].is_ascii_alphabetic() && rest.trim_ascii_start().starts_with(b":")
}

/// The stretches of characters that compact JOSE objects are made of, long enough for a token.
fn words(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    text.split(|b| !COMPACT.has(*b)).filter_map(move |word| {
        let start = at;
        at += word.len() + 1;
        (word.len() >= MIN_TOKEN).then_some((start, word))
    })
}

/// The words after the scheme `DPoP` that are no proofs, each with where it begins.
fn tokens(text: &[u8]) -> impl Iterator<Item = (usize, Presented<'_>)> {
    const SCHEME: &[u8] = b"dpop ";
    words(text).filter_map(move |(at, word)| {
        let before = text[..at].get(at.checked_sub(SCHEME.len())?..)?;
        let alone = at == SCHEME.len() || !is_name(text[at - SCHEME.len() - 1]);
        if !before.eq_ignore_ascii_case(SCHEME) || !alone || is_proof(word) {
            return None;
        }
        let next = text.get(at + word.len());
        let whole = next.is_none_or(|b| b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'\\' | b',' | b'}'));
        Some((at, Presented { text: word, whole }))
    })
}

/// Whether a word is a DPoP proof.
fn is_proof(word: &[u8]) -> bool {
    let Some(dot) = memchr::memchr(b'.', word) else { return false };
    let Some(header) = jose::decode_header(&word[..dot]) else { return false };
    let header = json::parse(&header);
    let typ = header.as_ref().and_then(|h| h.get("typ")).and_then(Value::as_str);
    typ.is_some_and(|typ| typ.eq_ignore_ascii_case("dpop+jwt"))
}
