//! OpenSSH's own key format (`PROTOCOL.key` in its sources): the armour says `OPENSSH PRIVATE KEY`, the contents begin
//! with a magic, the cipher's name says whether a passphrase guards the key.

use super::private::PrivateKey;
use super::public::{Algorithm, Curve, PublicKey};

const MAGIC: &[u8] = b"openssh-key-v1\0";

/// Reads the contents of the armour. `None` unless they are a key, whole.
pub(super) fn read(contents: &[u8]) -> Option<PrivateKey> {
    let mut reader = Strings(contents.strip_prefix(MAGIC)?);
    let cipher = reader.string()?;
    let derivation = reader.string()?;
    let options = reader.string()?;
    let keys = reader.number()?;
    let public = reader.string()?;
    let private = reader.string()?;
    if keys == 0 || private.len() < 32 {
        return None;
    }
    let (algorithm, key) = public_key(public)?;
    if cipher == b"none" {
        return Some(PrivateKey::open(algorithm, key.as_ref(), true, private));
    }
    let rounds = (derivation != b"bcrypt").then(|| Strings(options).number()).flatten();
    let locked = PrivateKey::locked(algorithm, rounds, private);
    Some(PrivateKey { thumbprint: key.as_ref().map(PublicKey::thumbprint), ..locked })
}

/// A public key as SSH writes it (RFC 4253 section 6.6, RFC 5656 section 3.1, RFC 8709 section 4).
pub(super) fn public_key(blob: &[u8]) -> Option<(Algorithm, Option<PublicKey>)> {
    let mut reader = Strings(blob);
    let name = reader.string()?;
    let key = match name {
        b"ssh-rsa" => {
            let exponent = reader.string()?;
            PublicKey::rsa(reader.string()?, exponent)
        }
        b"ssh-ed25519" => PublicKey::okp(Curve::Ed25519, reader.string()?),
        b"ssh-ed448" => PublicKey::okp(Curve::Ed448, reader.string()?),
        b"ecdsa-sha2-nistp256" | b"ecdsa-sha2-nistp384" | b"ecdsa-sha2-nistp521" => {
            let curve = match reader.string()? {
                b"nistp256" => Curve::P256,
                b"nistp384" => Curve::P384,
                _ => Curve::P521,
            };
            PublicKey::ec(curve, reader.string()?)
        }
        b"ssh-dss" => return Some((Algorithm::Dsa, None)),
        _ => {
            let named = name.len() <= 64 && name.iter().all(u8::is_ascii_graphic);
            return named.then_some((Algorithm::Unknown, None));
        }
    };
    let key = key?;
    Some((key.algorithm(), Some(key)))
}

/// The strings of SSH (RFC 4251, section 5): a length in four octets, then so many.
struct Strings<'a>(&'a [u8]);

impl<'a> Strings<'a> {
    fn number(&mut self) -> Option<u32> {
        let (head, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*head))
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.number()? as usize;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(text)
    }
}
