//! HS* signatures made with a secret that everybody knows (RFC 7518 section 3.2, RFC 8725 section 3.5): whoever knows
//! it can make tokens at will, so the one at hand is the smaller problem.

use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha384, Sha512};

use super::jose::BASE64URL;

static WORDS: &str = include_str!("weak_secrets.txt");

/// The words, one a line; the first line is the empty secret.
fn words() -> impl Iterator<Item = &'static str> {
    WORDS.lines()
}

/// The position in the list of the secret that signed `signed` (header, dot, payload), or `None`.
pub fn find(alg: &str, signed: &[u8], signature: &[u8]) -> Option<usize> {
    let signature = BASE64URL.decode(signature).ok()?;
    words().position(|word| verifies(alg, word.as_bytes(), signed, &signature))
}

/// Whether the secret at that position of the list signed it.
pub fn is_signed_with(position: usize, alg: &str, signed: &[u8], signature: &[u8]) -> bool {
    let Ok(signature) = BASE64URL.decode(signature) else { return false };
    words().nth(position).is_some_and(|word| verifies(alg, word.as_bytes(), signed, &signature))
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
        let weak = sign(b"secret");
        let position = find("HS256", b"a.b", weak.as_bytes());
        assert!(position.is_some_and(|p| is_signed_with(p, "HS256", b"a.b", weak.as_bytes())));
        assert_eq!(find("HS256", b"a.b", sign(b"k3JfW0qLx8ZrT5vNc2HsY7bMd9QpAe").as_bytes()), None);
        assert!(find("HS256", b"a.b", sign(b"").as_bytes()).is_some());
    }

    #[test]
    fn no_word_stands_twice() {
        let mut all: Vec<_> = words().collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert!(count > 200);
    }
}
