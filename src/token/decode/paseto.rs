//! PASETO, versions 1 to 4: `v4.public.PAYLOAD[.FOOTER]`. A public token is signed JSON whose times are RFC 3339 texts;
//! a local one is encrypted, so that neither expiry nor binding can be seen. Source: paseto-standard/paseto-spec.

use base64::Engine as _;

use super::{Proof, time};
use crate::syntax::json::{self, Value};
use crate::token::facts::{Facts, Kind, Time};
use crate::token::intern::Interner;
use crate::token::{claims, confirmation, jose};

/// Reads the claims of a public token; of a local one the length.
pub(super) fn read(token: &[u8], facts: &mut Facts, intern: &mut Interner) -> Proof {
    facts.kind = Kind::Paseto;
    let mut parts = token.splitn(4, |b| *b == b'.');
    let (Some(version), Some(purpose), Some(payload)) = (parts.next(), parts.next(), parts.next()) else {
        return Proof::Refuted;
    };
    let Ok(bytes) = jose::BASE64URL.decode(payload) else { return Proof::Refuted };
    match purpose {
        b"public" => Proof::of(public(version, &bytes, facts, intern).is_some()),
        // Nonce, at least an empty object, and the authentication tag.
        b"local" => match overhead(version) {
            Some(overhead) if bytes.len() >= overhead + 2 => Proof::Fits,
            _ => Proof::Refuted,
        },
        _ => Proof::Refuted,
    }
}

/// How many bytes nonce and tag of a local token have.
fn overhead(version: &[u8]) -> Option<usize> {
    match version {
        b"v1" | b"v3" => Some(32 + 48),
        b"v2" => Some(24 + 16),
        b"v4" => Some(32 + 32),
        _ => None,
    }
}

/// How many bytes the signature behind the message has: RSA-2048, Ed25519, ECDSA over P-384.
fn signature(version: &[u8]) -> Option<usize> {
    match version {
        b"v1" => Some(256),
        b"v2" | b"v4" => Some(64),
        b"v3" => Some(96),
        _ => None,
    }
}

fn public(version: &[u8], bytes: &[u8], facts: &mut Facts, intern: &mut Interner) -> Option<()> {
    let message = &bytes[..bytes.len().checked_sub(signature(version)?)?];
    let parsed = json::parse(message)?;
    parsed.members()?;
    let text = |name: &str| parsed.get(name).and_then(Value::as_str).map(claims::cut);
    facts.issuer = text("iss").map(|t| intern.get(t));
    facts.subject = text("sub").map(Into::into);
    facts.audience = text("aud").map(|aud| intern.list(std::iter::once(aud)));
    let time = |name: &str| match parsed.get(name) {
        None | Some(Value::Null) => Time::Absent,
        Some(Value::String(text)) => time::rfc3339(text).map_or(Time::Malformed, Time::At),
        // Some libraries write numbers, against the specification.
        other => claims::time(other),
    };
    (facts.issued, facts.not_before, facts.expires) = (time("iat"), time("nbf"), time("exp"));
    // The format knows no binding; applications may carry `cnf` (RFC 7800) in it all the same.
    facts.binding = confirmation::binding(&parsed, &mut facts.faults);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::facts;
    use super::*;
    use crate::token::facts::Binding;

    fn token(version: &str, purpose: &str, message: &[u8], rest: usize) -> String {
        let bytes = [message, &vec![0xA5; rest]].concat();
        format!("{version}.{purpose}.{}", jose::BASE64URL.encode(bytes))
    }

    fn read(token: &str) -> (Proof, Facts) {
        let mut f = facts();
        (super::read(token.as_bytes(), &mut f, &mut Interner::default()), f)
    }

    #[test]
    fn public_tokens_are_read() {
        let claims = br#"{"iss":"login.example.com","sub":"7","aud":"shop","iat":"2026-01-01T00:00:00+00:00","exp":"2026-01-01T03:00:00+02:00"}"#;
        for (version, signature) in [("v1", 256), ("v2", 64), ("v3", 96), ("v4", 64)] {
            let (proof, f) = read(&token(version, "public", claims, signature));
            assert_eq!(proof, Proof::Proven, "{version}");
            assert_eq!((f.issued, f.expires), (Time::At(1_767_225_600), Time::At(1_767_229_200)));
            assert_eq!(
                (f.issuer.as_deref(), f.binding, f.kind),
                (Some("login.example.com"), Binding::None, Kind::Paseto)
            );
            // A signature of another length leaves no JSON.
            assert_eq!(read(&token(version, "public", claims, signature - 1)).0, Proof::Refuted, "{version}");
        }
    }

    #[test]
    fn a_key_in_the_claims_binds() {
        let thumbprint = jose::BASE64URL.encode([3u8; 32]).replace('=', "");
        let claims = format!(r#"{{"exp":"2026-01-01T00:00:00Z","cnf":{{"jkt":"{thumbprint}"}}}}"#);
        assert_eq!(read(&token("v4", "public", claims.as_bytes(), 64)).1.binding, Binding::Jkt);
    }

    #[test]
    fn of_local_tokens_only_the_length_is_known() {
        for (version, overhead) in [("v1", 80), ("v2", 40), ("v3", 80), ("v4", 64)] {
            let (proof, f) = read(&token(version, "local", &[], overhead + 2));
            assert_eq!((proof, f.binding, f.expires), (Proof::Fits, Binding::Unknown, Time::Absent), "{version}");
            assert_eq!(read(&token(version, "local", &[], overhead + 1)).0, Proof::Refuted, "{version}");
        }
        assert_eq!(read("v5.local.AAAA").0, Proof::Refuted);
        assert_eq!(read("v4.secret.AAAA").0, Proof::Refuted);
    }

    #[test]
    fn an_expiry_that_is_no_date_is_no_expiry() {
        let (proof, f) = read(&token("v4", "public", br#"{"exp":"tomorrow"}"#, 64));
        assert_eq!((proof, f.expires), (Proof::Proven, Time::Malformed));
    }
}
