//! The public half of a key: read from certificates and key files, computed where only the private half is there, and
//! its JWK thumbprint (RFC 7638), by which tokens name the key they are bound to.

use curve25519_dalek::{EdwardsPoint, MontgomeryPoint};
use p256::elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point};
use p256::elliptic_curve::{AffinePoint, CurveArithmetic, FieldBytesSize, PublicKey as Point, SecretKey};
use sha2::{Digest, Sha256, Sha512};

use crate::syntax::der::{self, BIT_STRING, OID, Reader, SEQUENCE};
use crate::syntax::json::Value;
use crate::token::jose::BASE64URL;
use base64::Engine as _;

/// SHA-256 of something that stands for a key: of its JWK (RFC 7638, `jkt`), or of its certificate (RFC 8705,
/// `x5t#S256`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thumbprint(pub [u8; 32]);

impl Thumbprint {
    /// Of a certificate in DER (RFC 8705, section 3.1).
    pub fn of_certificate(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }

    /// Reads 43 characters of base64url.
    pub fn from_base64url(text: &str) -> Option<Self> {
        if text.len() != 43 {
            return None;
        }
        BASE64URL.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// Of a JWK as it stands in a token, by its required members in lexicographic order (RFC 7638, section 3.2; RFC
    /// 8037, appendix A.3). `None` for symmetric keys, whose thumbprint would tell too much, and for keys that miss one.
    pub fn of_jwk(jwk: &Value<'_>) -> Option<Self> {
        let required: &[&str] = match jwk.get("kty")?.as_str()? {
            "EC" => &["crv", "kty", "x", "y"],
            "OKP" => &["crv", "kty", "x"],
            "RSA" => &["e", "kty", "n"],
            _ => return None,
        };
        let members: Vec<String> = required
            .iter()
            .map(|name| {
                let text = jwk.get(name)?.as_str()?;
                let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
                plain.then(|| format!(r#""{name}":"{text}""#))
            })
            .collect::<Option<_>>()?;
        Some(Self(Sha256::digest(format!("{{{}}}", members.join(","))).into()))
    }

    /// As it stands in `cnf`.
    pub fn base64url(&self) -> String {
        BASE64URL.encode(self.0).trim_end_matches('=').to_owned()
    }
}

/// What a key is for mathematically, with its size or curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// RSA, with the modulus' length in bits.
    Rsa(u32),
    /// A curve.
    Curve(Curve),
    /// DSA (FIPS 186-4).
    Dsa,
    /// ML-DSA (FIPS 204): 44, 65 or 87.
    MlDsa(u8),
    /// A secret that both sides have, with its length in bits.
    Symmetric(u32),
    /// It can't be seen.
    Unknown,
}

impl Algorithm {
    /// The name, with the size where the name doesn't say it.
    pub fn name(self) -> Option<String> {
        Some(match self {
            Self::Rsa(bits) => format!("RSA {bits}"),
            Self::Curve(curve) if curve.kty() == "EC" => format!("EC {}", curve.crv()),
            Self::Curve(curve) => curve.crv().to_owned(),
            Self::Dsa => "DSA".to_owned(),
            Self::MlDsa(size) => format!("ML-DSA-{size}"),
            Self::Symmetric(bits) => format!("{bits} bit secret"),
            Self::Unknown => return None,
        })
    }
}

/// Curves of JWK (RFC 7518 section 6.2, RFC 8037 section 2, RFC 8812 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Curve {
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// NIST P-521.
    P521,
    /// The curve of SEC 2.
    Secp256k1,
    /// Signatures of RFC 8032.
    Ed25519,
    /// Signatures of RFC 8032.
    Ed448,
    /// Key agreement of RFC 7748.
    X25519,
    /// Key agreement of RFC 7748.
    X448,
}

impl Curve {
    const ALL: [Self; 8] =
        [Self::P256, Self::P384, Self::P521, Self::Secp256k1, Self::Ed25519, Self::Ed448, Self::X25519, Self::X448];

    /// The name in `crv`.
    pub const fn crv(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
            Self::Secp256k1 => "secp256k1",
            Self::Ed25519 => "Ed25519",
            Self::Ed448 => "Ed448",
            Self::X25519 => "X25519",
            Self::X448 => "X448",
        }
    }

    /// The name in `kty`.
    pub const fn kty(self) -> &'static str {
        match self {
            Self::P256 | Self::P384 | Self::P521 | Self::Secp256k1 => "EC",
            Self::Ed25519 | Self::Ed448 | Self::X25519 | Self::X448 => "OKP",
        }
    }

    /// The curve of that `crv`.
    pub fn from_crv(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.crv() == name)
    }

    /// The curve of an object identifier's contents: `namedCurve` (RFC 5480, SEC 2) or the algorithm itself (RFC 8410).
    pub fn from_oid(oid: &[u8]) -> Option<Self> {
        Some(match oid {
            [0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7] => Self::P256,
            [0x2b, 0x81, 4, 0, 34] => Self::P384,
            [0x2b, 0x81, 4, 0, 35] => Self::P521,
            [0x2b, 0x81, 4, 0, 10] => Self::Secp256k1,
            [0x2b, 101, 110] => Self::X25519,
            [0x2b, 101, 111] => Self::X448,
            [0x2b, 101, 112] => Self::Ed25519,
            [0x2b, 101, 113] => Self::Ed448,
            _ => return None,
        })
    }

    /// Length in octets of a coordinate, and of the private key.
    pub const fn octets(self) -> usize {
        match self {
            Self::P256 | Self::Secp256k1 | Self::Ed25519 | Self::X25519 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
            Self::Ed448 => 57,
            Self::X448 => 56,
        }
    }
}

/// A public key, its numbers as they stand in a JWK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA: modulus and exponent, without leading zeros.
    Rsa {
        /// `n`
        modulus: Vec<u8>,
        /// `e`
        exponent: Vec<u8>,
    },
    /// A point, both coordinates of full length.
    Ec {
        /// `crv`
        curve: Curve,
        /// `x`, then `y`
        point: Vec<u8>,
    },
    /// The octets of RFC 8037.
    Okp {
        /// `crv`
        curve: Curve,
        /// `x`
        octets: Vec<u8>,
    },
}

impl PublicKey {
    /// An RSA key of numbers as they are found.
    pub fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        let (modulus, exponent) = (der::without_zeros(modulus), der::without_zeros(exponent));
        // Less than 512 bits sign nothing that JOSE knows; more than 16384 no library reads.
        let plausible = (64..=2048).contains(&modulus.len()) && !exponent.is_empty() && exponent.len() <= 8;
        plausible.then(|| Self::Rsa { modulus: modulus.to_vec(), exponent: exponent.to_vec() })
    }

    /// A point in the octets of SEC 1, section 2.3.3, compressed or not; it must lie on the curve.
    pub fn ec(curve: Curve, octets: &[u8]) -> Option<Self> {
        let point = match curve {
            Curve::P256 => coordinates(&Point::<p256::NistP256>::from_sec1_bytes(octets).ok()?),
            Curve::P384 => coordinates(&Point::<p384::NistP384>::from_sec1_bytes(octets).ok()?),
            Curve::P521 => coordinates(&Point::<p521::NistP521>::from_sec1_bytes(octets).ok()?),
            Curve::Secp256k1 => coordinates(&Point::<k256::Secp256k1>::from_sec1_bytes(octets).ok()?),
            _ => return None,
        };
        Some(Self::Ec { curve, point })
    }

    /// A key of RFC 8037.
    pub fn okp(curve: Curve, octets: &[u8]) -> Option<Self> {
        let fits = curve.kty() == "OKP" && octets.len() == curve.octets();
        fits.then(|| Self::Okp { curve, octets: octets.to_vec() })
    }

    /// The public half of a private key: a scalar, or the octets of RFC 8032 and RFC 7748. `None` where the number is
    /// no key of that curve, and for the curves of 448 bits, which no settled library computes.
    pub fn of_private(curve: Curve, secret: &[u8]) -> Option<Self> {
        let octets = || -> Option<[u8; 32]> { secret.try_into().ok() };
        match curve {
            Curve::P256 => multiple::<p256::NistP256>(curve, secret),
            Curve::P384 => multiple::<p384::NistP384>(curve, secret),
            Curve::P521 => multiple::<p521::NistP521>(curve, secret),
            Curve::Secp256k1 => multiple::<k256::Secp256k1>(curve, secret),
            Curve::Ed25519 => {
                let hash = Sha512::digest(octets()?);
                let mut half = [0u8; 32];
                half.copy_from_slice(&hash[..32]);
                Self::okp(curve, EdwardsPoint::mul_base_clamped(half).compress().as_bytes())
            }
            Curve::X25519 => Self::okp(curve, MontgomeryPoint::mul_base_clamped(octets()?).as_bytes()),
            Curve::Ed448 | Curve::X448 => None,
        }
    }

    /// Reads a `SubjectPublicKeyInfo` (RFC 5280, section 4.1): its contents, the outer header taken off.
    pub fn from_spki(body: &[u8]) -> Option<Self> {
        let mut info = Reader::new(body);
        let mut algorithm = Reader::new(info.take(SEQUENCE)?);
        let oid = algorithm.take(OID)?;
        let bits = der::bits(info.take(BIT_STRING)?)?;
        match oid {
            RSA | RSA_PSS => {
                let mut key = Reader::sequence(bits)?;
                Self::rsa(key.unsigned()?, key.unsigned()?)
            }
            EC => Self::ec(Curve::from_oid(algorithm.take(OID)?)?, bits),
            _ => Self::okp(Curve::from_oid(oid)?, bits),
        }
    }

    /// Algorithm and size.
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa { modulus, .. } => Algorithm::Rsa(bit_length(modulus)),
            Self::Ec { curve, .. } | Self::Okp { curve, .. } => Algorithm::Curve(*curve),
        }
    }

    /// The JWK thumbprint: SHA-256 over the required members in lexicographic order, no blanks (RFC 7638, section 3).
    pub fn thumbprint(&self) -> Thumbprint {
        let text = |octets: &[u8]| BASE64URL.encode(octets).trim_end_matches('=').to_owned();
        let json = match self {
            Self::Rsa { modulus, exponent } => {
                format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, text(exponent), text(modulus))
            }
            Self::Ec { curve, point } => {
                let (x, y) = point.split_at(curve.octets().min(point.len()));
                format!(r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#, curve.crv(), text(x), text(y))
            }
            Self::Okp { curve, octets } => {
                format!(r#"{{"crv":"{}","kty":"OKP","x":"{}"}}"#, curve.crv(), text(octets))
            }
        };
        Thumbprint(Sha256::digest(json).into())
    }
}

/// `rsaEncryption` (RFC 8017, appendix C).
pub(super) const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
/// `id-RSASSA-PSS` (RFC 8017, appendix C).
pub(super) const RSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
/// `id-ecPublicKey` (RFC 5480, section 2.1.1).
pub(super) const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];

/// How many bits a number has.
pub(super) fn bit_length(number: &[u8]) -> u32 {
    let number = der::without_zeros(number);
    number.first().map_or(0, |first| number.len() as u32 * 8 - first.leading_zeros())
}

fn multiple<C>(curve: Curve, secret: &[u8]) -> Option<PublicKey>
where
    C: CurveArithmetic,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let secret = der::without_zeros(secret);
    let mut padded = [0u8; 66];
    let field = padded.get_mut(..curve.octets())?;
    let start = field.len().checked_sub(secret.len())?;
    field[start..].copy_from_slice(secret);
    let key = SecretKey::<C>::from_slice(field).ok()?;
    Some(PublicKey::Ec { curve, point: coordinates(&key.public_key()) })
}

fn coordinates<C>(point: &Point<C>) -> Vec<u8>
where
    C: CurveArithmetic,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    // 04, x, y
    point.to_sec1_point(false).as_bytes()[1..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7638, section 3.1, and RFC 8037, appendix A.3: the thumbprints of published public keys.
    #[test]
    fn thumbprints_of_the_standards() {
        let number = |text: &str| BASE64URL.decode(text).expect("base64url");
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let rsa = PublicKey::rsa(&number(n), &number("AQAB")).expect("a key");
        assert_eq!(rsa.thumbprint().base64url(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        assert_eq!(rsa.algorithm(), Algorithm::Rsa(2048));
        let jwk = format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAB","alg":"RS256","kid":"2011-04-29"}}"#);
        let jwk = crate::syntax::json::parse(jwk.as_bytes()).expect("JSON");
        assert_eq!(Thumbprint::of_jwk(&jwk), Some(rsa.thumbprint()));
        let okp = PublicKey::okp(Curve::Ed25519, &number("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"));
        let okp = okp.expect("a key").thumbprint();
        assert_eq!(okp.base64url(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!(Thumbprint::from_base64url(&okp.base64url()), Some(okp));
        assert_eq!(Thumbprint::from_base64url("kPrK"), None);
    }

    /// RFC 7748, section 6.1: Alice's public key. RFC 8032, section 7.1, test 1, whose seed RFC 8037 uses, too.
    #[test]
    fn public_halves_are_computed() {
        let bytes = |hex: &str| -> Vec<u8> {
            (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hex")).collect()
        };
        let seed = bytes(concat!("9d61b19deffd5a60ba844af492ec2cc4", "4449c5697b326919703bac031cae7f60"));
        let public = bytes("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        assert_eq!(PublicKey::of_private(Curve::Ed25519, &seed), PublicKey::okp(Curve::Ed25519, &public));
        let alice = bytes(concat!("77076d0a7318a57d3c16c17251b26645", "df4c2f87ebc0992ab177fba51db92c2a"));
        let public = bytes("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
        assert_eq!(PublicKey::of_private(Curve::X25519, &alice), PublicKey::okp(Curve::X25519, &public));
        // One times the base point is the base point (SEC 2, section 2.4.1 and FIPS 186).
        let one = |curve| match PublicKey::of_private(curve, &[1]) {
            Some(PublicKey::Ec { point, .. }) => point[..4].to_vec(),
            other => panic!("{other:?}"),
        };
        assert_eq!(one(Curve::P256), bytes("6b17d1f2"));
        assert_eq!(one(Curve::P384), bytes("aa87ca22"));
        assert_eq!(one(Curve::P521), bytes("00c6858e"));
        assert_eq!(one(Curve::Secp256k1), bytes("79be667e"));
        for curve in Curve::ALL {
            assert_eq!(PublicKey::of_private(curve, &[0xff; 80]), None);
            assert!(PublicKey::of_private(curve, &[0; 32]).is_none() || curve.kty() == "OKP");
            assert_eq!(Curve::from_crv(curve.crv()), Some(curve));
        }
    }

    #[test]
    fn points_are_on_their_curve_or_no_key() {
        let Some(PublicKey::Ec { point, .. }) = PublicKey::of_private(Curve::P256, &[7]) else { panic!("a key") };
        let full = [&[4][..], &point].concat();
        let short = [&[2 + (point[63] & 1)][..], &point[..32]].concat();
        assert_eq!(PublicKey::ec(Curve::P256, &full), PublicKey::ec(Curve::P256, &short));
        let mut off = full.clone();
        off[64] ^= 1;
        assert_eq!(PublicKey::ec(Curve::P256, &off), None);
        assert_eq!(PublicKey::ec(Curve::P256, &[0]), None);
    }
}
