//! HS* signatures made with a secret that everybody knows (RFC 7518 section 3.2, RFC 8725 section 3.5): whoever knows
//! it can make tokens at will, so the one at hand is the smaller problem.

use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha384, Sha512};

use super::jose::BASE64URL;
use crate::secret::Secret;

static WORDS: &str = include_str!("weak_secrets.txt");

/// Secrets that are tried on every HS* signature: those of the embedded list, and the user's.
#[derive(Debug, Default)]
pub struct WordList {
    own: Vec<Secret>,
    hs256: Keyed<Hmac<Sha256>>,
    hs384: Keyed<Hmac<Sha384>>,
    hs512: Keyed<Hmac<Sha512>>,
}

/// For each secret an HMAC that has taken in its key, which is a fifth of the work on a token; made when first needed.
#[derive(Debug)]
struct Keyed<M>(OnceLock<Vec<M>>);

impl<M> Default for Keyed<M> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<M: Mac + KeyInit + Clone> Keyed<M> {
    fn position<'a>(&self, words: impl Iterator<Item = &'a [u8]>, signed: &[u8], signature: &[u8]) -> Option<usize> {
        // A key may have any length: none is left out.
        let keyed = self.0.get_or_init(|| words.filter_map(|word| M::new_from_slice(word).ok()).collect());
        keyed.iter().position(|mac| {
            let mut mac = mac.clone();
            mac.update(signed);
            mac.verify_slice(signature).is_ok()
        })
    }
}

impl WordList {
    /// The embedded list and, after it, these.
    pub fn with(own: Vec<Secret>) -> Self {
        Self { own, ..Self::default() }
    }

    /// All secrets in order; the first is the empty one.
    fn all(&self) -> impl Iterator<Item = &[u8]> {
        WORDS.lines().map(str::as_bytes).chain(self.own.iter().map(Secret::expose))
    }

    /// The position in the list of the secret that signed `signed` (header, dot, payload), or `None`.
    pub fn find(&self, alg: &str, signed: &[u8], signature: &[u8]) -> Option<usize> {
        let signature = BASE64URL.decode(signature).ok()?;
        match alg {
            "HS256" => self.hs256.position(self.all(), signed, &signature),
            "HS384" => self.hs384.position(self.all(), signed, &signature),
            "HS512" => self.hs512.position(self.all(), signed, &signature),
            _ => None,
        }
    }

    /// Whether the secret at that position of the list signed it.
    pub fn is_signed_with(&self, position: usize, alg: &str, signed: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = BASE64URL.decode(signature) else { return false };
        self.all().nth(position).is_some_and(|word| verifies(alg, word, signed, &signature))
    }
}

/// What an HS* token's signature was made over, kept to be tried against secrets that are found later.
#[derive(Debug)]
pub struct Signed {
    alg: Arc<str>,
    input: Secret,
    signature: Secret,
}

impl Signed {
    /// `input` is header, dot, payload; `signature` is base64url. `None` where it is no HMAC that is known.
    pub fn new(alg: &Arc<str>, input: &[u8], signature: &[u8]) -> Option<Self> {
        let known = matches!(&**alg, "HS256" | "HS384" | "HS512");
        let signature = BASE64URL.decode(signature).ok().filter(|_| known)?;
        Some(Self { alg: alg.clone(), input: Secret::new(input), signature: Secret::new(signature) })
    }

    /// Whether that key signed it.
    pub fn is_signed_with(&self, key: &Secret) -> bool {
        verifies(&self.alg, key.expose(), self.input.expose(), self.signature.expose())
    }
}

fn verifies(alg: &str, key: &[u8], signed: &[u8], signature: &[u8]) -> bool {
    match alg {
        "HS256" => check::<Hmac<Sha256>>(key, signed, signature),
        "HS384" => check::<Hmac<Sha384>>(key, signed, signature),
        "HS512" => check::<Hmac<Sha512>>(key, signed, signature),
        _ => false,
    }
}

fn check<M: Mac + KeyInit>(key: &[u8], signed: &[u8], signature: &[u8]) -> bool {
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else { return false };
    mac.update(signed);
    mac.verify_slice(signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_listed_secret_and_no_other() {
        let sign = |key: &[u8]| {
            let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("any key length");
            mac.update(b"a.b");
            BASE64URL.encode(mac.finalize().into_bytes())
        };
        let list = WordList::default();
        let weak = sign(b"secret");
        let position = list.find("HS256", b"a.b", weak.as_bytes());
        assert!(position.is_some_and(|p| list.is_signed_with(p, "HS256", b"a.b", weak.as_bytes())));
        let own = sign(b"k3JfW0qLx8ZrT5vNc2HsY7bMd9QpAe");
        assert_eq!(list.find("HS256", b"a.b", own.as_bytes()), None);
        assert!(list.find("HS256", b"a.b", sign(b"").as_bytes()).is_some());
        let list = WordList::with(vec![Secret::new("k3JfW0qLx8ZrT5vNc2HsY7bMd9QpAe")]);
        let position = list.find("HS256", b"a.b", own.as_bytes());
        assert!(position.is_some_and(|p| list.is_signed_with(p, "HS256", b"a.b", own.as_bytes())));
        let signed = Signed::new(&"HS256".into(), b"a.b", own.as_bytes()).expect("an HMAC");
        assert!(signed.is_signed_with(&Secret::new("k3JfW0qLx8ZrT5vNc2HsY7bMd9QpAe")));
        assert!(!signed.is_signed_with(&Secret::new("secret")));
        assert!(Signed::new(&"RS256".into(), b"a.b", own.as_bytes()).is_none());
    }

    #[test]
    fn no_word_stands_twice() {
        let mut all: Vec<_> = WORDS.lines().collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert!(count > 200);
    }
}
