//! What must not be printed. A [`Secret`] holds the bytes of a token; there is no way to show them but through the
//! code that decodes them. What may leave the program is the redacted form and the fingerprint.

use sha2::{Digest, Sha256};

/// The bytes of a token. It has no `Debug`, `Display` or `Serialize` that shows them.
pub struct Secret(Vec<u8>);

/// SHA-256 of a token in its canonical form (percent and JSON escapes undone), under a fixed label. Two places with
/// the same fingerprint hold the same token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 32]);

const LABEL: &[u8] = b"token-hygiene:v1\0";

impl Secret {
    /// Takes the canonical bytes of a token.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes, for computing with them; they must not get into a text.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }

    /// What may be shown: how long it is.
    pub fn redacted(&self) -> String {
        format!("[{} characters]", self.0.len())
    }

    /// The token's fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hash = Sha256::new();
        hash.update(LABEL);
        hash.update(&self.0);
        Fingerprint(hash.finalize().into())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret{}", self.redacted())
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        // Best effort: the optimiser may drop this, and the page cache holds the file anyway.
        self.0.fill(0);
    }
}

impl Fingerprint {
    /// The fingerprint as 64 hexadecimal digits.
    pub fn hex(&self) -> String {
        hex(&self.0)
    }

    /// The fingerprint of something that is no secret.
    pub fn of_text(text: &str) -> Self {
        Secret::new(text).fingerprint()
    }

    /// Reads 64 hexadecimal digits; anything else is `None`.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        let mut bytes = [0u8; 32];
        if digits.len() != 64 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            *byte = (high * 16 + low) as u8;
        }
        Some(Self(bytes))
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.hex())
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_only_its_length() {
        let secret = Secret::new("correct horse battery staple");
        assert_eq!(format!("{secret:?}"), "Secret[28 characters]");
        assert_eq!(secret.fingerprint(), Secret::new("correct horse battery staple").fingerprint());
        assert_ne!(secret.fingerprint(), Secret::new("correct horse battery stapla").fingerprint());
    }

    #[test]
    fn fingerprints_survive_hex() {
        let fingerprint = Secret::new("x").fingerprint();
        assert_eq!(Fingerprint::from_hex(&fingerprint.hex()), Some(fingerprint));
        assert_eq!(Fingerprint::from_hex("0g"), None);
    }
}
