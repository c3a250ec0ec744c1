//! Private keys, which make the binding of a token worthless where they are found beside it, and the certificates that
//! say whose key it is. Pure, as the rest of the audit: bytes in; algorithm, thumbprint and protection out, never a key.
//!
//! One file a container: `pem`, `jwk`, `pkcs12`, `keystore`, `openssh`, `putty`, `age`, `pgp`. What they hold is read by
//! `private` and `certificate`; `public` knows thumbprints. Which family a key belongs to is said by the `key:` of the
//! rule files.

mod age;
mod ber;
pub mod certificate;
mod classify;
mod jwk;
mod keystore;
mod openssh;
mod pbe;
pub mod pem;
mod pgp;
mod pkcs12;
pub mod private;
pub mod public;
mod putty;

pub use self::certificate::Certificate;
pub(super) use self::classify::BESIDE;
pub use self::classify::Classifier;
pub use self::private::{PrivateKey, Protection};
pub use self::public::{Algorithm, Thumbprint};
use crate::rules::KeyFormat;
use crate::secret::Secret;
use crate::syntax::der;

/// The longest binary file that is read, in bytes.
pub const MAX_FILE: usize = 256 * 1024;

/// What announces a key in text, and how it is read.
pub(super) const ANCHORS: [(&str, Announced); 4] = [
    (pem::ANCHOR, Announced::Armour),
    (jwk::ANCHOR, Announced::Jwk),
    (putty::ANCHOR, Announced::Putty),
    (age::ANCHOR, Announced::Age),
];

/// How keys begin in base64, and how far into four symbols what is looked for stands.
pub(super) const FOLDED: [(&str, u8); 7] = [
    // an armour, as Kubernetes and CI variables hold it
    ("LS0tLS1CRUdJTi", 0),
    // a key store: FE ED FE ED and a version
    ("/u3+7QAAAA", 0),
    // PKCS#12: 30 82 .. .. 02 01 03 30 82, from the end of the outer length on
    ("IBAzCC", 2),
    // PKCS#8 without its armour: 30 82 .. .. 02 01 00 30 0d for RSA, 30 81 .. 02 01 00 30 1 for curves
    ("IBADAN", 2),
    ("AgEAMB", 0),
    // 30 2e 02 01 00 30 05 06 03 2b 65 70 04 22 04 20: Ed25519
    ("MC4CAQAwBQYDK2Vw", 0),
    // PKCS#1 without its armour: 30 82 .. .. 02 01 00 02 82
    ("IBAAKC", 2),
];

/// Kinds of anchors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Announced {
    Armour,
    Jwk,
    Putty,
    Age,
}

/// What a container holds.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) keys: Vec<PrivateKey>,
    pub(super) certificates: Vec<Certificate>,
    /// Secrets that tokens may be signed with.
    pub(super) secrets: Vec<Secret>,
}

/// Something that was found at an anchor.
#[derive(Debug)]
pub(super) struct Found {
    /// What it stands in.
    pub(super) format: KeyFormat,
    /// Offset of its first byte.
    pub(super) start: usize,
    /// What it holds; perhaps certificates only.
    pub(super) contents: Contents,
}

/// What reading at an anchor gives.
pub(super) enum Reading<T> {
    /// What stands there, and where it ends.
    Found(T, usize),
    /// Nothing.
    Nothing,
    /// It goes on past the end of the bytes.
    NeedMore,
}

impl<T> Reading<T> {
    fn map<U>(self, f: impl FnOnce(T) -> U) -> Reading<U> {
        match self {
            Self::Found(found, end) => Reading::Found(f(found), end),
            Self::Nothing => Reading::Nothing,
            Self::NeedMore => Reading::NeedMore,
        }
    }
}

/// Reads what an anchor announces. What is looked at is taken off `work`.
pub(super) fn read(announced: Announced, bytes: &[u8], at: usize, more: bool, work: &mut i64) -> Reading<Found> {
    let one =
        |format, start, key| Found { format, start, contents: Contents { keys: vec![key], ..Contents::default() } };
    match announced {
        Announced::Armour => armour(bytes, at, more, work),
        Announced::Jwk => jwk::around(bytes, at, more, work).map(|found| {
            let mut all = one(KeyFormat::Jwk, found.start, found.key);
            all.contents.secrets.extend(found.secret);
            all
        }),
        Announced::Putty => {
            *work -= 2048;
            putty::read(bytes, at, more).map(|key| one(KeyFormat::Putty, at, key))
        }
        Announced::Age => match age::read(&bytes[at..]) {
            Some((key, length)) => Reading::Found(one(KeyFormat::Age, at, key), at + length),
            None if more && bytes.len() - at < 128 => Reading::NeedMore,
            None => Reading::Nothing,
        },
    }
}

/// A key or a certificate in an armour.
fn armour(bytes: &[u8], at: usize, more: bool, work: &mut i64) -> Reading<Found> {
    let wanted = |label: &str| {
        label.ends_with("PRIVATE KEY") || label.ends_with("CERTIFICATE") || label == "PGP PRIVATE KEY BLOCK"
    };
    match pem::read(bytes, at, more, wanted) {
        pem::Outcome::Armour(armour) => {
            *work -= 2 * (armour.end - at) as i64;
            match in_armour(&armour) {
                Some((format, contents)) => Reading::Found(Found { format, start: at, contents }, armour.end),
                None => Reading::Nothing,
            }
        }
        pem::Outcome::Nothing(end) => {
            *work -= (end - at) as i64;
            Reading::Nothing
        }
        pem::Outcome::NeedMore => Reading::NeedMore,
    }
}

fn in_armour(armour: &pem::Armour) -> Option<(KeyFormat, Contents)> {
    let body = &armour.body[..];
    if armour.label.ends_with("CERTIFICATE") {
        let certificate = certificate::read(body)?;
        return Some((KeyFormat::Pem, Contents { certificates: vec![certificate], ..Contents::default() }));
    }
    let (format, key) = match &armour.label[..] {
        "PGP PRIVATE KEY BLOCK" => (KeyFormat::Pgp, pgp::read(body, armour.checksum)?),
        "OPENSSH PRIVATE KEY" => (KeyFormat::Openssh, openssh::read(body)?),
        _ => match &armour.legacy_cipher {
            // RFC 1421 as OpenSSL does it: one round of MD5 (EVP_BytesToKey). Ciphertext has no structure to check.
            Some(_) => {
                let plausible = armour.closed && body.len() >= 64 && body.len().is_multiple_of(8);
                let key = PrivateKey::locked(legacy_algorithm(&armour.label), Some(1), body);
                (KeyFormat::Pem, plausible.then_some(key)?)
            }
            None => (KeyFormat::Pem, private::read(body)?),
        },
    };
    Some((format, Contents { keys: vec![key], ..Contents::default() }))
}

/// What the label of an encrypted key tells of it.
fn legacy_algorithm(label: &str) -> Algorithm {
    if label.starts_with("DSA") { Algorithm::Dsa } else { Algorithm::Unknown }
}

/// How long the binary file is that begins with `head` (a few dozen octets), where keys or certificates are read from
/// such files. `None` for everything else.
pub(super) fn file_length(head: &[u8]) -> Option<usize> {
    if keystore::kind(head).is_some() {
        return Some(MAX_FILE);
    }
    pkcs12::length(head).map(|length| length.min(MAX_FILE)).or_else(|| der_length(head))
}

/// Keys and certificates in DER: a sequence that begins with a version, or with a sequence that does.
fn der_length(head: &[u8]) -> Option<usize> {
    let total = der::announced_length(head).filter(|length| *length >= 40)?;
    let after = match head {
        [0x30, 0x81, _, after @ ..] | [0x30, 0x82, _, _, after @ ..] | [0x30, 0x00..=0x7f, after @ ..] => after,
        _ => return None,
    };
    let key = matches!(after, [2, 1, 0 | 1, 2 | 4 | 0x30, ..]);
    let sealed = matches!(after, [0x30, 0x0e..=0x7f, 6, ..]);
    let certificate = matches!(after, [0x30, 0x82, _, _, 0xa0, 3, 2, 1, 0..=2, ..]);
    (key || sealed || certificate).then_some(total)
}

/// Reads a binary file. `None` unless it holds a key or is a certificate.
pub(super) fn file(file: &[u8]) -> Option<(KeyFormat, Contents)> {
    if keystore::kind(file).is_some() {
        return keystore::read(file).map(|contents| (KeyFormat::Keystore, contents));
    }
    if pkcs12::length(file).is_some() {
        return pkcs12::read(file).map(|contents| (KeyFormat::Pkcs12, contents));
    }
    if der_length(file).is_none_or(|length| length > file.len()) {
        return None;
    }
    if let Some(key) = private::read(file) {
        return Some((KeyFormat::Der, Contents { keys: vec![key], ..Contents::default() }));
    }
    let certificate = certificate::read(file)?;
    Some((KeyFormat::Der, Contents { certificates: vec![certificate], ..Contents::default() }))
}
