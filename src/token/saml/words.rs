//! What the judge says of assertions in particular.

use super::super::facts::{Binding, Facts, Kind, Signature};
use super::super::fault::{Fault, Faults};

/// Only a sender that is trusted to vouch can present it, but any such sender.
pub(in super::super) fn is_vouched(faults: Faults) -> bool {
    faults.contains(Fault::SamlSenderVouches) && !faults.contains(Fault::SamlBearer)
}

/// Neither it nor the message around it is signed.
pub(in super::super) fn is_unsigned(facts: &Facts) -> bool {
    facts.kind == Kind::Saml && facts.signature == Signature::Unsecured
}

/// How its presenter is confirmed, and what its signature is worth.
pub(in super::super) fn because(facts: &Facts, faults: Faults) -> Vec<&'static str> {
    if facts.kind == Kind::SamlEncrypted {
        return vec!["encrypted: subject, lifetime and confirmation can't be read"];
    }
    let mut because = vec![match facts.binding {
        _ if faults.contains(Fault::SamlHokWithoutKey) => {
            "confirmation holder-of-key names no key, so it binds nothing"
        }
        _ if is_vouched(faults) => "confirmation sender-vouches: nothing binds it to its subject",
        Binding::None => "confirmation bearer: whoever presents it is taken for its subject",
        Binding::Jwk => "confirmation holder-of-key binds it to the key or certificate in it",
        Binding::Kid => "confirmation holder-of-key names its key by reference only",
        Binding::Jwe => "confirmation holder-of-key holds an encrypted key: whether that binds can't be seen",
        Binding::SelfLeaked => "confirmation holder-of-key holds the secret key itself",
        Binding::Malformed => "the key of its confirmation can't be read",
        _ => "its confirmation method is not one of SAML's own",
    }];
    if is_unsigned(facts) {
        because.push("no signature in it or around it: a verifier that checks refuses it as it stands");
    }
    because
}
