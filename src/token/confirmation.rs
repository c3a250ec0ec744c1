//! The confirmation claim: is the token bound to a key, and is that key one that only its holder has?
//! RFC 7800 section 3, RFC 8705 section 3.1 (`x5t#S256`), RFC 9449 section 6.1 (`jkt`). Only the top-level `cnf`
//! counts.

use super::facts::Binding;
use super::fault::{Fault, Faults};
use super::keys::Thumbprint;
use crate::syntax::json::Value;

/// Reads `cnf`; adds what is wrong with it to `faults`.
pub fn binding(claims: &Value<'_>, faults: &mut Faults) -> Binding {
    let cnf = match claims.get("cnf") {
        None => return Binding::None,
        Some(Value::Null) => {
            faults.insert(Fault::CnfEmpty);
            return Binding::None;
        }
        Some(Value::Object(members)) if members.is_empty() => {
            faults.insert(Fault::CnfEmpty);
            return Binding::None;
        }
        Some(cnf @ Value::Object(_)) => cnf,
        Some(_) => {
            faults.insert(Fault::CnfMalformed);
            return Binding::Malformed;
        }
    };
    // Strongest first: of several methods the one that a careful verifier would take decides, the fault says the rest.
    let methods: Vec<Binding> = [
        cnf.get("x5t#S256").map(|value| thumbprint(value, Binding::X5tS256, faults)),
        cnf.get("jkt").map(|value| thumbprint(value, Binding::Jkt, faults)),
        cnf.get("jwk").map(|value| jwk(value, faults)),
        cnf.get("jwe").map(|value| if value.as_str().is_some() { Binding::Jwe } else { malformed(faults) }),
        cnf.get("jku").map(|value| match value.as_str() {
            Some(_) => {
                faults.insert(Fault::CnfJku);
                Binding::Jku
            }
            None => malformed(faults),
        }),
        cnf.get("kid").map(|value| if value.as_str().is_some() { Binding::Kid } else { malformed(faults) }),
    ]
    .into_iter()
    .flatten()
    .collect();

    let sha1 = cnf.get("x5t").is_some();
    faults.insert_if(sha1, Fault::CnfSha1);
    // `jku` with `kid` names one key, as RFC 7800 section 3.5 has it.
    let keys = methods.len() + usize::from(sha1);
    let jku_kid = cnf.get("jku").is_some() && cnf.get("kid").is_some();
    faults.insert_if(keys - usize::from(jku_kid) > 1, Fault::CnfMultiple);

    if methods.contains(&Binding::SelfLeaked) {
        return Binding::SelfLeaked;
    }
    let Some(first) = methods.iter().find(|m| m.effective()).or(methods.first()).copied() else {
        // Unknown members are ignored (RFC 7800, section 3.1), so nothing binds it.
        faults.insert_if(!sha1, Fault::CnfUnknownMethod);
        return if sha1 { Binding::Malformed } else { Binding::None };
    };
    faults.insert_if(first == Binding::Kid, Fault::CnfKidOnly);
    first
}

/// The thumbprint of what `binding` says the token is bound to.
pub fn bound_to(claims: &Value<'_>, binding: Binding) -> Option<Thumbprint> {
    let cnf = claims.get("cnf")?;
    let text = |name: &str| cnf.get(name).and_then(Value::as_str).and_then(Thumbprint::from_base64url);
    match binding {
        Binding::X5tS256 => text("x5t#S256"),
        Binding::Jkt => text("jkt"),
        Binding::Jwk => Thumbprint::of_jwk(cnf.get("jwk")?),
        _ => None,
    }
}

fn malformed(faults: &mut Faults) -> Binding {
    faults.insert(Fault::CnfMalformed);
    Binding::Malformed
}

/// A SHA-256 thumbprint is 43 characters of base64url without padding.
fn thumbprint(value: &Value<'_>, good: Binding, faults: &mut Faults) -> Binding {
    let well_formed = value.as_str().is_some_and(|text| {
        text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    });
    if well_formed {
        good
    } else {
        faults.insert(Fault::CnfThumbprintMalformed);
        Binding::Malformed
    }
}

fn jwk(value: &Value<'_>, faults: &mut Faults) -> Binding {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    if has_private_members(value) {
        faults.insert(Fault::CnfPrivateJwk);
        return Binding::SelfLeaked;
    }
    match text("kty") {
        Some("oct") => {
            faults.insert(Fault::CnfSymmetricJwk);
            Binding::SelfLeaked
        }
        Some("EC") if text("crv").is_some() && text("x").is_some() && text("y").is_some() => Binding::Jwk,
        Some("OKP" | "AKP") if text("x").is_some() || text("pub").is_some() => Binding::Jwk,
        Some("RSA") if text("n").is_some() && text("e").is_some() => Binding::Jwk,
        _ => malformed(faults),
    }
}

/// Whether a JWK holds what only its owner may have (RFC 7518, sections 6.2.2, 6.3.2; RFC 8037, section 2).
pub fn has_private_members(jwk: &Value<'_>) -> bool {
    let asymmetric = jwk.get("kty").and_then(Value::as_str) != Some("oct");
    asymmetric && ["d", "p", "q", "dp", "dq", "qi", "priv"].iter().any(|name| jwk.get(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::json::parse;

    fn judge(claims: &str) -> (Binding, Vec<&'static str>) {
        let mut faults = Faults::default();
        let binding = binding(&parse(claims.as_bytes()).expect("json"), &mut faults);
        (binding, faults.iter().map(Fault::slug).collect())
    }

    #[test]
    fn every_form_of_cnf() {
        let t = "A".repeat(43);
        let cases: Vec<(String, Binding, &[&str])> = vec![
            ("{}".into(), Binding::None, &[]),
            ("{\"cnf\":null}".into(), Binding::None, &["jwt-cnf-empty"]),
            ("{\"cnf\":{}}".into(), Binding::None, &["jwt-cnf-empty"]),
            ("{\"cnf\":\"x\"}".into(), Binding::Malformed, &["jwt-cnf-malformed"]),
            ("{\"CNF\":{\"jkt\":\"x\"}}".into(), Binding::None, &[]),
            ("{\"ext\":{\"cnf\":{\"jkt\":\"x\"}}}".into(), Binding::None, &[]),
            (format!("{{\"cnf\":{{\"jkt\":\"{t}\"}}}}"), Binding::Jkt, &[]),
            (format!("{{\"cnf\":{{\"x5t#S256\":\"{t}\"}}}}"), Binding::X5tS256, &[]),
            (format!("{{\"cnf\":{{\"x5t#S256\":\"{t}=\"}}}}"), Binding::Malformed, &["jwt-cnf-thumbprint-malformed"]),
            (format!("{{\"cnf\":{{\"jkt\":\"{t}\",\"x5t#S256\":\"{t}\"}}}}"), Binding::X5tS256, &["jwt-cnf-multiple"]),
            (format!("{{\"cnf\":{{\"foo\":\"{t}\"}}}}"), Binding::None, &["jwt-cnf-unknown-method"]),
            ("{\"cnf\":{\"x5t\":\"x\"}}".into(), Binding::Malformed, &["jwt-cnf-sha1"]),
            ("{\"cnf\":{\"kid\":\"x\"}}".into(), Binding::Kid, &["jwt-cnf-kid-only"]),
            ("{\"cnf\":{\"jku\":\"https://x\",\"kid\":\"x\"}}".into(), Binding::Jku, &["jwt-cnf-jku"]),
            ("{\"cnf\":{\"jwe\":\"x\"}}".into(), Binding::Jwe, &[]),
            (
                "{\"cnf\":{\"jwk\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"x\",\"y\":\"y\"}}}".into(),
                Binding::Jwk,
                &[],
            ),
            (
                "{\"cnf\":{\"jwk\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"x\",\"y\":\"y\",\"d\":\"d\"}}}".into(),
                Binding::SelfLeaked,
                &["jwt-cnf-private-jwk"],
            ),
            (
                "{\"cnf\":{\"jwk\":{\"kty\":\"oct\",\"k\":\"k\"}}}".into(),
                Binding::SelfLeaked,
                &["jwt-cnf-symmetric-jwk"],
            ),
            ("{\"cnf\":{\"jwk\":{}}}".into(), Binding::Malformed, &["jwt-cnf-malformed"]),
        ];
        for (claims, expected, faults) in cases {
            let (found, slugs) = judge(&claims);
            assert_eq!((found, &slugs[..]), (expected, faults), "{claims}");
        }
    }
}
