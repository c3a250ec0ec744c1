//! Tokens whose body is base64 of something readable, mostly JSON: Sentry, Grafana, 1Password, Bedrock.

use base64::Engine as _;

use super::Proof;
use crate::syntax::json::{self, Value};
use crate::token::claims;
use crate::token::facts::Facts;
use crate::token::intern::Interner;
use crate::token::jose;

/// base64 in either alphabet, padded or not.
fn either(body: &[u8]) -> Option<Vec<u8>> {
    jose::BASE64.decode(body).or_else(|_| jose::BASE64URL.decode(body)).ok()
}

/// Sentry's organization tokens: `sntrys_`, base64 of `{"iat": …, "url": …, "org": …}`, `_` and a secret. They never
/// expire; `iat` says how old one is.
pub(super) fn sentry(token: &[u8], facts: &mut Facts, intern: &mut Interner) -> Option<()> {
    let body = token.strip_prefix(b"sntrys_")?;
    let end = body.iter().rposition(|b| *b == b'_')?;
    let bytes = either(&body[..end])?;
    let json = json::parse(&bytes)?;
    let text = |name: &str| json.get(name).and_then(Value::as_str).map(claims::cut);
    facts.issued = claims::time(json.get("iat"));
    facts.issuer = text("url").map(|url| intern.get(url));
    facts.subject = text("org").map(Into::into);
    (facts.issued.seconds().is_some() && (facts.issuer.is_some() || facts.subject.is_some())).then_some(())
}

/// Grafana: a Cloud access policy token (`glc_` and base64 of `{"o", "n", "k", "m"}`) or an API key of old (base64 of
/// `{"k", "n", "id"}`). `k` is the secret; `n` names it, `o` or `id` says whose it is.
pub(super) fn grafana(token: &[u8], facts: &mut Facts) -> Option<()> {
    let bytes = either(token.strip_prefix(b"glc_").unwrap_or(token))?;
    let json = json::parse(&bytes)?;
    let secret = json.get("k").and_then(Value::as_str)?;
    json.get("n").and_then(Value::as_str)?;
    facts.subject = match json.get("o").or_else(|| json.get("id")) {
        Some(Value::String(id)) => Some(claims::cut(id).into()),
        Some(Value::Number(id)) => Some((*id).into()),
        _ => return None,
    };
    (secret.len() >= 16 && super::super::proof::not_secret(secret.as_bytes()).is_none()).then_some(())
}

/// 1Password's service account tokens: `ops_` and base64url of an object with the account's keys.
pub(super) fn one_password(token: &[u8], facts: &mut Facts, intern: &mut Interner) -> Option<()> {
    let bytes = either(token.strip_prefix(b"ops_")?)?;
    let json = json::parse(&bytes)?;
    let text = |name: &str| json.get(name).and_then(Value::as_str).map(claims::cut);
    facts.issuer = text("signInAddress").map(|url| intern.get(url));
    facts.subject = text("email").map(Into::into);
    (facts.issuer.is_some() && json.get("secretKey").or_else(|| json.get("muk")).is_some()).then_some(())
}

/// Long-term Bedrock keys: `ABSK` and base64 of `BedrockAPIKey-…-at-ACCOUNT:SECRET`; before the colon stands the name of
/// the IAM user that carries the key.
pub(super) fn bedrock_key(token: &[u8], facts: &mut Facts) -> Option<()> {
    let bytes = either(token.strip_prefix(b"ABSK")?)?;
    let colon = memchr::memchr(b':', &bytes)?;
    let user = std::str::from_utf8(&bytes[..colon]).ok()?;
    if !user.starts_with("BedrockAPIKey-") || bytes.len() - colon < 20 {
        return None;
    }
    facts.subject = Some(claims::cut(user).into());
    Some(())
}

/// The body is base64 and long; that alone proves nothing.
pub(super) fn long_base64(token: &[u8]) -> Proof {
    if jose::BASE64.decode(token).is_ok_and(|bytes| bytes.len() >= 100) { Proof::Fits } else { Proof::Refuted }
}

#[cfg(test)]
mod tests {
    use super::super::tests::facts;
    use super::*;
    use crate::token::facts::Time;

    #[test]
    fn sentry_tokens_tell_their_age() {
        let body =
            jose::BASE64.encode(r#"{"iat":1700000000.25,"url":"https://sentry.io","region_url":"x","org":"shop"}"#);
        let token = format!("sntrys_{body}_{}", jose::BASE64.encode([5u8; 32]).trim_end_matches('='));
        let mut f = facts();
        assert!(sentry(token.as_bytes(), &mut f, &mut Interner::default()).is_some());
        assert_eq!((f.issued, f.subject.as_deref()), (Time::At(1_700_000_000), Some("shop")));
        assert!(sentry(b"sntrys_e30_x", &mut facts(), &mut Interner::default()).is_none());
    }

    #[test]
    fn grafana_keys_hold_their_secret_under_k() {
        let token = |json: &str| format!("glc_{}", jose::BASE64.encode(json));
        let mut f = facts();
        let json = r#"{"o":"652992","n":"prom-write","k":"3Jf0qLx8ZrT5vNc2HsY7bMd9","m":{"r":"eu"}}"#;
        assert!(grafana(token(json).as_bytes(), &mut f).is_some());
        assert_eq!(f.subject.as_deref(), Some("652992"));
        assert!(grafana(token(r#"{"o":"1","n":"x"}"#).as_bytes(), &mut facts()).is_none());
        assert!(
            grafana(token(r#"{"o":"1","n":"x","k":"xxxxxxxxxxxxxxxxxxxxxxxx"}"#).as_bytes(), &mut facts()).is_none()
        );
    }

    #[test]
    fn one_password_tokens_name_their_account() {
        let json = r#"{"signInAddress":"shop.1password.com","email":"a@1passwordserviceaccounts.com","muk":{},"secretKey":"A3-X"}"#;
        let mut f = facts();
        let token = format!("ops_{}", jose::BASE64URL.encode(json));
        assert!(one_password(token.as_bytes(), &mut f, &mut Interner::default()).is_some());
        assert_eq!(f.issuer.as_deref(), Some("shop.1password.com"));
    }

    #[test]
    fn bedrock_keys_name_their_user() {
        let token =
            format!("ABSK{}", jose::BASE64.encode("BedrockAPIKey-k1d4-at-123456789012:3Jf0qLx8ZrT5vNc2HsY7bMd9"));
        let mut f = facts();
        assert!(bedrock_key(token.as_bytes(), &mut f).is_some());
        assert_eq!(f.subject.as_deref(), Some("BedrockAPIKey-k1d4-at-123456789012"));
        assert!(bedrock_key(b"ABSKAAAA", &mut facts()).is_none());
    }
}
