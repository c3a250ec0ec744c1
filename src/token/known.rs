//! Tokens that everybody knows: the examples of RFCs and of jwt.io. Only their hashes are kept
//! (`rules/known-examples.txt`), of the whole token and, since people sign the same claims anew, of JWT payloads.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::keys::Thumbprint;
use crate::secret::{Fingerprint, hex};

static LIST: &str = include_str!("../../rules/known-examples.txt");

/// The known examples, by hash.
#[derive(Debug)]
pub struct Known {
    tokens: HashMap<[u8; 32], &'static str>,
    payloads: HashMap<[u8; 32], &'static str>,
    headers: HashMap<[u8; 32], &'static str>,
    keys: HashMap<Thumbprint, &'static str>,
}

impl Known {
    /// Reads the embedded list: `token`, `payload`, `header` or `key`, the hash, the source; `#` begins a comment.
    pub fn embedded() -> Self {
        let mut known =
            Self { tokens: HashMap::new(), payloads: HashMap::new(), headers: HashMap::new(), keys: HashMap::new() };
        for line in LIST.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.splitn(3, ' ');
            if let (Some(kind), Some(hash), Some(source)) = (words.next(), words.next(), words.next())
                && let Some(hash) = Fingerprint::from_hex(hash)
            {
                if kind == "key" {
                    known.keys.insert(Thumbprint(hash.0), source);
                    continue;
                }
                let table = match kind {
                    "payload" => &mut known.payloads,
                    "header" => &mut known.headers,
                    _ => &mut known.tokens,
                };
                table.insert(hash.0, source);
            }
        }
        known
    }

    /// Where that token was published.
    pub fn token(&self, fingerprint: &Fingerprint) -> Option<&'static str> {
        self.tokens.get(&fingerprint.0).copied()
    }

    /// Where the private key with that thumbprint was published.
    pub fn key(&self, thumbprint: &Thumbprint) -> Option<&'static str> {
        self.keys.get(thumbprint).copied()
    }

    /// Where a JWS with that header (a key of its own in it) or those claims was published; both as they are encoded.
    pub fn segments(&self, header: &[u8], payload: &[u8]) -> Option<&'static str> {
        self.payloads.get(&hash(payload)).or_else(|| self.headers.get(&hash(header))).copied()
    }
}

fn hash(segment: &[u8]) -> [u8; 32] {
    Sha256::digest(segment).into()
}

/// The hash of a JWS payload, as the list has it.
pub fn payload_hash(segment: &[u8]) -> String {
    hex(&hash(segment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read() {
        let known = Known::embedded();
        let lines = LIST.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).count();
        assert!(lines > 5);
        assert_eq!(known.tokens.len() + known.payloads.len() + known.headers.len() + known.keys.len(), lines);
    }
}
