//! What stands beside a token in the same record: its lifetime, its type, a DPoP proof.

use crate::rules::{Family, Role};

const NEAR: usize = 400;
/// How far from a token what makes its place a public one may stand.
const PUBLIC_NEAR: usize = 512;
/// How far past a token what belongs to it is looked for.
pub(super) const AHEAD: usize = 2048;

fn around(bytes: &[u8], start: usize, end: usize) -> [&[u8]; 2] {
    let before = &bytes[start.saturating_sub(NEAR)..start];
    let after = &bytes[end.min(bytes.len())..(end + NEAR).min(bytes.len())];
    // One record: a line of a log, or the braces around a field.
    let before = before.iter().rposition(|b| *b == b'{').map_or(before, |at| &before[at..]);
    let after = memchr::memchr(b'}', after).map_or(after, |at| &after[..at]);
    [before, after]
}

/// Whether the place is one where keys of this family are public by design.
pub(super) fn is_public(family: &Family, bytes: &[u8], start: usize, end: usize) -> bool {
    let near = || &bytes[start.saturating_sub(PUBLIC_NEAR)..bytes.len().min(end + PUBLIC_NEAR)];
    family.public_near.as_ref().is_some_and(|expected| expected.is_match(near()))
}

/// The value of `expires_in` that belongs to the token.
pub(super) fn lifetime(bytes: &[u8], start: usize, end: usize, role: Role) -> Option<i64> {
    const NAME: &[u8] = b"expires_in";
    around(bytes, start, end).into_iter().find_map(|text| {
        // Keycloak writes refresh_expires_in, GitHub refresh_token_expires_in.
        let of_refresh = |at: &usize| text[..*at].ends_with(b"refresh_") || text[..*at].ends_with(b"refresh_token_");
        let at = memchr::memmem::find_iter(text, NAME).find(|at| of_refresh(at) == (role == Role::Refresh))?;
        let rest = &text[at + NAME.len()..];
        let skip = rest.iter().take_while(|b| matches!(**b, b'"' | b'\\' | b':' | b' ' | b'=' | b'\'')).count();
        let digits = rest[skip..].iter().take(10).take_while(|b| b.is_ascii_digit()).count();
        let number = std::str::from_utf8(&rest[skip..skip + digits]).ok()?.parse().ok()?;
        (skip > 0 && number > 0).then_some(number)
    })
}

/// The value of `token_type` in the record.
pub(super) fn token_type(bytes: &[u8], start: usize, end: usize) -> Option<&[u8]> {
    around(bytes, start, end).into_iter().find_map(|text| {
        let at = memchr::memmem::find(text, b"token_type")? + 10;
        let rest = &text[at..];
        let skip = rest.iter().take_while(|b| matches!(**b, b'"' | b'\\' | b':' | b' ' | b'=' | b'\'')).count();
        let length = rest[skip..].iter().take_while(|b| b.is_ascii_alphabetic()).count();
        (skip > 0 && length > 0).then(|| &rest[skip..skip + length])
    })
}
