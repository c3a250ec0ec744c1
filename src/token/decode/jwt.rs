//! A JWT behind an issuer's prefix: `ghs_<id>_<JWT>`, `glcbt-<JWT>`. One token, not two.

use base64::Engine as _;

use super::Proof;
use crate::syntax::json::Value;
use crate::token::claims::{self, Header};
use crate::token::facts::Facts;
use crate::token::intern::Interner;
use crate::token::jose;

/// Times and issuer are read, nothing is promised: the claims are the issuer's own affair. A token of the family that
/// holds no JWT fits, too.
pub(super) fn prefixed(token: &[u8], facts: &mut Facts, intern: &mut Interner) -> Proof {
    let Some(at) = memchr::memmem::find(token, b"eyJ").or_else(|| memchr::memmem::find(token, b"ew")) else {
        return Proof::Fits;
    };
    let jwt = &token[at..];
    let Some(end) = memchr::memchr(b'.', jwt) else { return Proof::Fits };
    let Some(header) = jose::decode_header(&jwt[..end]).and_then(|json| Header::read(json, intern)) else {
        return Proof::Fits;
    };
    let Some(segments) = jose::segments(jwt, header.encrypted) else { return Proof::Fits };
    let Ok(payload) = jose::BASE64URL.decode(segments.payload) else { return Proof::Fits };
    let jose::Content::Claims(claims) = jose::content(&payload) else { return Proof::Fits };
    facts.alg = Some(header.alg.clone());
    facts.issuer = claims.get("iss").and_then(Value::as_str).map(|iss| intern.get(claims::cut(iss)));
    let time = |name: &str| claims::time(claims.get(name));
    (facts.issued, facts.not_before, facts.expires) = (time("iat"), time("nbf"), time("exp"));
    Proof::Proven
}

#[cfg(test)]
mod tests {
    use super::super::tests::facts;
    use super::*;
    use crate::token::facts::Time;

    #[test]
    fn the_times_of_the_jwt_are_the_tokens() {
        let part = |json: &str| jose::BASE64URL.encode(json);
        let jwt = [part(r#"{"alg":"ES256","typ":"JWT"}"#), part(r#"{"iss":"x","iat":1700000000,"exp":1700003600}"#)];
        let token = format!("ghs_123456_{}.{}.{}", jwt[0], jwt[1], jose::BASE64URL.encode([7u8; 64]));
        let mut f = facts();
        assert_eq!(prefixed(token.as_bytes(), &mut f, &mut Interner::default()), Proof::Proven);
        assert_eq!((f.issued, f.expires), (Time::At(1_700_000_000), Time::At(1_700_003_600)));
        assert_eq!((f.issuer.as_deref(), f.alg.as_deref()), (Some("x"), Some("ES256")));
        assert_eq!(prefixed(b"glcbt-64_aaaaaaaaaaaa", &mut facts(), &mut Interner::default()), Proof::Fits);
    }
}
