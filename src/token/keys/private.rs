//! Private keys in DER: PKCS#8 (RFC 5958) plain and encrypted, SEC 1 (RFC 5915), PKCS#1 (RFC 8017) and the DSA keys of
//! OpenSSL.

use super::public::{self, Algorithm, Curve, PublicKey, Thumbprint};
use crate::secret::{Fingerprint, Secret};
use crate::syntax::der::{self, BIT_STRING, INTEGER, OCTET_STRING, OID, Reader, SEQUENCE, context};

/// What stands between a reader of the bytes and the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protection {
    /// Nothing.
    Open,
    /// A passphrase that is empty.
    EmptyPassphrase,
    /// A passphrase, stretched in so many rounds of a hash, where that can be seen.
    Passphrase(Option<u32>),
}

impl Protection {
    /// Whoever reads the bytes has the key.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::EmptyPassphrase)
    }
}

/// A private key, without the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateKey {
    /// Algorithm and size.
    pub algorithm: Algorithm,
    /// Whether a passphrase guards it.
    pub protection: Protection,
    /// The thumbprint of its public half as a JWK (RFC 7638), where that half is known.
    pub thumbprint: Option<Thumbprint>,
    /// The parts that can be checked against each other fit.
    pub consistent: bool,
    /// Two places with the same fingerprint hold the same key, in whatever container.
    pub fingerprint: Fingerprint,
}

impl PrivateKey {
    /// A key in clear. `secret` stands for it where its public half is not known.
    pub(super) fn open(algorithm: Algorithm, public: Option<&PublicKey>, consistent: bool, secret: &[u8]) -> Self {
        let thumbprint = public.map(PublicKey::thumbprint);
        let fingerprint = match thumbprint {
            Some(Thumbprint(hash)) => fingerprint(b"open", &hash),
            None => fingerprint(b"secret", secret),
        };
        Self { algorithm, protection: Protection::Open, thumbprint, consistent, fingerprint }
    }

    /// A key that a passphrase guards. `container` is what it is locked in.
    pub(super) fn locked(algorithm: Algorithm, rounds: Option<u32>, container: &[u8]) -> Self {
        Self {
            algorithm,
            protection: Protection::Passphrase(rounds),
            thumbprint: None,
            consistent: true,
            fingerprint: fingerprint(b"locked", container),
        }
    }
}

fn fingerprint(kind: &[u8], bytes: &[u8]) -> Fingerprint {
    Secret::new([b"private key ", kind, b"\0", bytes].concat()).fingerprint()
}

/// Reads a private key of whatever structure at the start of `der`. `None` unless it is one, whole.
pub fn read(der: &[u8]) -> Option<PrivateKey> {
    let mut outer = Reader::sequence(der)?;
    if let Some(algorithm) = outer.take(SEQUENCE) {
        // EncryptedPrivateKeyInfo
        let ciphertext = outer.take(OCTET_STRING)?;
        let mut scheme = Reader::new(algorithm);
        let plausible = scheme.take(OID).is_some() && ciphertext.len() >= 32;
        return plausible.then(|| PrivateKey::locked(Algorithm::Unknown, rounds(algorithm), ciphertext));
    }
    let version = outer.small().filter(|version| *version <= 1)?;
    if let Some(algorithm) = outer.take(SEQUENCE) {
        let secret = outer.take(OCTET_STRING)?;
        let _attributes = outer.take(context(0));
        // [1] IMPLICIT BIT STRING
        let public = outer.take(0x81).and_then(der::bits);
        return info(algorithm, secret, public);
    }
    if version == 1
        && let Some(secret) = outer.take(OCTET_STRING)
    {
        return sec1(secret, outer, None);
    }
    numbers(outer)
}

/// `PrivateKeyInfo`: an algorithm, and the key in the structure of that algorithm.
fn info(algorithm: &[u8], secret: &[u8], public: Option<&[u8]>) -> Option<PrivateKey> {
    let mut algorithm = Reader::new(algorithm);
    let oid = algorithm.take(OID)?;
    match oid {
        public::RSA | public::RSA_PSS => {
            let mut key = Reader::sequence(secret)?;
            key.small().filter(|version| *version <= 1)?;
            numbers(key)
        }
        public::EC => {
            let named = algorithm.take(OID).and_then(Curve::from_oid);
            let mut key = Reader::sequence(secret)?;
            key.small().filter(|version| *version == 1)?;
            let scalar = key.take(OCTET_STRING)?;
            sec1(scalar, key, named)
        }
        DSA => Some(PrivateKey::open(Algorithm::Dsa, None, true, secret)),
        // id-ml-dsa-44, -65, -87 (RFC 9881)
        [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, size @ 17..=19] => {
            let size = [44, 65, 87][usize::from(size - 17)];
            (secret.len() >= 32).then(|| PrivateKey::open(Algorithm::MlDsa(size), None, true, secret))
        }
        _ => {
            let curve = Curve::from_oid(oid).filter(|curve| curve.kty() == "OKP")?;
            let octets = Reader::new(secret).take(OCTET_STRING)?;
            if octets.len() != curve.octets() {
                return None;
            }
            let given = public.and_then(|octets| PublicKey::okp(curve, octets));
            Some(on_curve(curve, octets, given))
        }
    }
}

/// `id-dsa` (RFC 3279, section 2.3.2).
const DSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1];

/// A key on a curve with the public half that stands beside it: the computed one counts.
pub(super) fn on_curve(curve: Curve, secret: &[u8], given: Option<PublicKey>) -> PrivateKey {
    let computed = PublicKey::of_private(curve, secret);
    let consistent = match (&computed, &given) {
        (Some(computed), Some(given)) => computed == given,
        // Where it can't be computed nothing contradicts.
        (None, _) => matches!(curve, Curve::Ed448 | Curve::X448),
        (Some(_), None) => true,
    };
    PrivateKey::open(Algorithm::Curve(curve), computed.or(given).as_ref(), consistent, secret)
}

/// `ECPrivateKey` after its scalar.
fn sec1(scalar: &[u8], mut rest: Reader<'_>, named: Option<Curve>) -> Option<PrivateKey> {
    if !(20..=72).contains(&scalar.len()) {
        return None;
    }
    let parameters = rest.take(context(0)).and_then(|body| Reader::new(body).take(OID)).and_then(Curve::from_oid);
    let octets = rest.take(context(1)).and_then(|body| Reader::new(body).take(BIT_STRING)).and_then(der::bits);
    let Some(curve) = named.or(parameters) else {
        // A curve that JOSE doesn't know: a private key all the same.
        return Some(PrivateKey::open(Algorithm::Unknown, None, true, scalar));
    };
    let given = octets.and_then(|octets| PublicKey::ec(curve, octets));
    if scalar.len() != curve.octets() && der::without_zeros(scalar).len() > curve.octets() {
        return None;
    }
    Some(on_curve(curve, scalar, given))
}

/// The integers after the version: those of RSA (RFC 8017, appendix A.1.2), or of DSA.
fn numbers(mut rest: Reader<'_>) -> Option<PrivateKey> {
    let mut all: Vec<&[u8]> = Vec::with_capacity(8);
    while all.len() < 8
        && let Some(number) = rest.take(INTEGER)
    {
        all.push(der::without_zeros(number));
    }
    match all[..] {
        [n, e, d, p, q, ..] if all.len() == 8 => {
            let public = PublicKey::rsa(n, e)?;
            (!d.is_empty()).then_some(())?;
            Some(PrivateKey::open(public.algorithm(), Some(&public), factors(n, p, q), d))
        }
        [p, q, _, _, x] if p.len() > q.len() && x.len() <= q.len() && !x.is_empty() => {
            Some(PrivateKey::open(Algorithm::Dsa, None, true, x))
        }
        _ => None,
    }
}

/// Whether `n` is `p` times `q`, as far as the remainders by a few primes tell.
pub(super) fn factors(n: &[u8], p: &[u8], q: &[u8]) -> bool {
    let remainder =
        |number: &[u8], prime: u64| number.iter().fold(0u64, |r, digit| (r << 8 | u64::from(*digit)) % prime);
    [4_294_967_291, 4_294_967_279, 4_294_967_231]
        .iter()
        .all(|&prime| remainder(n, prime) == remainder(p, prime) * remainder(q, prime) % prime)
}

/// How often the passphrase is hashed under an encryption scheme, where the scheme says it.
pub(super) fn rounds(scheme: &[u8]) -> Option<u32> {
    let mut scheme = Reader::new(scheme);
    let oid = scheme.take(OID)?;
    let parameters = scheme.take(SEQUENCE)?;
    if oid == PBES2 {
        let derivation = Reader::new(parameters).take(SEQUENCE)?;
        let mut derivation = Reader::new(derivation);
        if derivation.take(OID)? != PBKDF2 {
            return None; // scrypt
        }
        let mut parameters = Reader::new(derivation.take(SEQUENCE)?);
        parameters.element()?;
        return parameters.small();
    }
    // PBES1 and the schemes of PKCS#12: salt, iteration count.
    let mut parameters = Reader::new(parameters);
    parameters.take(OCTET_STRING)?;
    parameters.small()
}

/// `id-PBES2` (RFC 8018, appendix A.4).
pub(super) const PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 13];
/// `id-PBKDF2` (RFC 8018, appendix A.2).
pub(super) const PBKDF2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 12];
