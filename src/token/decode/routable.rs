//! GitLab's routable tokens: the payload between prefix and first dot is base64url of lines such as `o:1` and `u:2s`
//! (kind and id in base 36), random bytes, and the number of those. Source: GitLab handbook, "Routable tokens".

use base64::Engine as _;

use super::Proof;
use crate::token::facts::Facts;
use crate::token::jose;

/// Reads whose token it is. That proves nothing, the checksum does; a token of the older form fits, too.
pub(super) fn read(token: &[u8], facts: &mut Facts) -> Proof {
    facts.subject = routed(token);
    Proof::Fits
}

fn routed(token: &[u8]) -> Option<Box<str>> {
    let body = &token[memchr::memchr(b'-', token)? + 1..];
    let payload = jose::BASE64URL.decode(&body[..memchr::memchr(b'.', body)?]).ok()?;
    let random = usize::from(*payload.last()?);
    let lines = std::str::from_utf8(payload.get(..payload.len().checked_sub(random + 1)?)?).ok()?;
    let id = |key: char| lines.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let kinds = [('u', "user"), ('p', "project"), ('g', "group"), ('o', "organization")];
    let (kind, id) = kinds.iter().find_map(|(key, kind)| Some((kind, id(*key)?)))?;
    let id = u64::from_str_radix(id, 36).ok()?;
    Some(format!("{kind} {id}").into())
}

#[cfg(test)]
mod tests {
    use super::super::tests::facts;
    use super::*;

    #[test]
    fn the_payload_names_the_owner() {
        let token = |lines: &str| {
            let payload = [lines.as_bytes(), &[0xE7; 16], &[16]].concat();
            format!("glpat-{}.1q0abcdefg", jose::BASE64URL.encode(payload))
        };
        let subject = |token: &str| {
            let mut f = facts();
            assert_eq!(read(token.as_bytes(), &mut f), Proof::Fits);
            f.subject
        };
        assert_eq!(subject(&token("o:1\nu:2s")).as_deref(), Some("user 100"));
        assert_eq!(subject(&token("o:1\np:a")).as_deref(), Some("project 10"));
        for other in ["k3JfW0qLx8ZrT5vNc2Hs", "AAAA.1", ".", ""] {
            assert_eq!(subject(&format!("glpat-{other}")), None, "{other}");
        }
        assert_eq!(subject(&token("u:!")), None);
    }
}
