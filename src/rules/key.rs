//! Which private keys belong to a family, and what they are good for.

use super::family::Pattern;
use super::reader::{Fields, File, Result};
use crate::syntax::packed::Packed;

/// What a key stands in; see `token::keys`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyFormat {
    /// Armour of RFC 7468 or RFC 1421.
    Pem,
    /// The bytes that such an armour wraps.
    Der,
    /// JSON Web Key.
    Jwk,
    /// PKCS#12.
    Pkcs12,
    /// Java key stores: JKS, JCEKS, BKS.
    Keystore,
    /// OpenSSH's own format.
    Openssh,
    /// PuTTY.
    Putty,
    /// age.
    Age,
    /// OpenPGP.
    Pgp,
}

impl KeyFormat {
    /// All formats with their words in rule files and records.
    pub const ALL: [(&'static str, Self); 9] = [
        ("pem", Self::Pem),
        ("der", Self::Der),
        ("jwk", Self::Jwk),
        ("pkcs12", Self::Pkcs12),
        ("keystore", Self::Keystore),
        ("openssh", Self::Openssh),
        ("putty", Self::Putty),
        ("age", Self::Age),
        ("pgp", Self::Pgp),
    ];

    /// The word in records.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, format)| *format == self).map_or("", |(word, _)| word)
    }
}

/// Which private keys belong to a family.
#[derive(Debug)]
pub struct KeyMatch {
    /// What they stand in.
    pub format: KeyFormat,
    /// Whether a passphrase guards them, where that decides.
    pub encrypted: Option<bool>,
    /// Whether they are secrets that both sides have, where that decides.
    pub symmetric: Option<bool>,
    /// Must match in the text shortly before or after the key.
    pub beside: Option<Pattern>,
    /// Its first group is whose key it is, in the text shortly after or before.
    pub owner: Option<Pattern>,
    /// Whether tokens can be bound to such keys.
    pub proof: bool,
    /// What whoever has the key can do, to follow "can".
    pub deed: &'static str,
}

pub(super) fn read(file: File, node: Packed<'static>) -> Result<KeyMatch> {
    let mut f = Fields::new(file, node)?;
    f.required("format")?;
    let Some(format) = f.word("format", &KeyFormat::ALL)? else {
        return f.error(node, "`format` is missing");
    };
    let truth = [("true", true), ("false", false)];
    let key = KeyMatch {
        format,
        encrypted: f.word("encrypted", &truth)?,
        symmetric: f.word("symmetric", &truth)?,
        beside: f.regex("beside")?.map(Pattern::new),
        owner: f.regex("owner")?.map(Pattern::new),
        proof: f.word("proof", &truth)?.unwrap_or(true),
        deed: f.required("deed")?,
    };
    f.done()?;
    Ok(key)
}
