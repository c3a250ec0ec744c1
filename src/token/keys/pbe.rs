//! Encryption under a passphrase (RFC 8018, RFC 7292 appendix B), for the one passphrase that is tried: the empty one.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::private::{PBES2, PBKDF2};
use crate::syntax::der::{OCTET_STRING, OID, Reader, SEQUENCE};

/// More rounds than this are not computed: a file must not decide how long a scan takes.
const MAX_ROUNDS: u32 = 300_000;

/// The empty passphrase as RFC 7292 has it, a terminator only, and as some libraries have it, nothing at all.
const EMPTY: [&[u8]; 2] = [&[0, 0], &[]];

/// A hash function by its object identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    fn of_digest(oid: &[u8]) -> Option<Self> {
        Some(match oid {
            [0x2b, 14, 3, 2, 26] => Self::Sha1,
            [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1] => Self::Sha256,
            [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2] => Self::Sha384,
            [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3] => Self::Sha512,
            _ => return None,
        })
    }

    fn of_hmac(oid: &[u8]) -> Option<Self> {
        Some(match oid {
            [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 7] => Self::Sha1,
            [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 9] => Self::Sha256,
            [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 10] => Self::Sha384,
            [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 11] => Self::Sha512,
            _ => return None,
        })
    }

    /// Length of a block, in octets.
    const fn block(self) -> usize {
        match self {
            Self::Sha1 | Self::Sha256 => 64,
            Self::Sha384 | Self::Sha512 => 128,
        }
    }

    fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        fn of<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
            parts.iter().fold(D::new(), |hash, part| hash.chain_update(part)).finalize().to_vec()
        }
        match self {
            Self::Sha1 => of::<Sha1>(parts),
            Self::Sha256 => of::<Sha256>(parts),
            Self::Sha384 => of::<Sha384>(parts),
            Self::Sha512 => of::<Sha512>(parts),
        }
    }

    fn hmac(self, key: &[u8], text: &[u8]) -> Vec<u8> {
        fn of<M: Mac + KeyInit>(key: &[u8], text: &[u8]) -> Vec<u8> {
            // An HMAC takes a key of any length.
            let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else { return Vec::new() };
            mac.update(text);
            mac.finalize().into_bytes().to_vec()
        }
        match self {
            Self::Sha1 => of::<Hmac<Sha1>>(key, text),
            Self::Sha256 => of::<Hmac<Sha256>>(key, text),
            Self::Sha384 => of::<Hmac<Sha384>>(key, text),
            Self::Sha512 => of::<Hmac<Sha512>>(key, text),
        }
    }
}

/// Whether the `MacData` of a PKCS#12 file (its contents) over `safe` was made with the empty passphrase; which of its
/// spellings.
pub(super) fn mac_of_empty(mac_data: &[u8], safe: &[u8]) -> Option<&'static [u8]> {
    let mut fields = Reader::new(mac_data);
    let mut digest_info = Reader::new(fields.take(SEQUENCE)?);
    let hash = Hash::of_digest(Reader::new(digest_info.take(SEQUENCE)?).take(OID)?)?;
    let expected = digest_info.take(OCTET_STRING)?;
    let salt = fields.take(OCTET_STRING)?;
    let rounds = fields.small().unwrap_or(1);
    if rounds > MAX_ROUNDS {
        return None;
    }
    EMPTY.into_iter().find(|passphrase| {
        let length = hash.digest(&[]).len();
        let key = derive(hash, 3, passphrase, salt, rounds, length);
        hash.hmac(&key, safe) == expected
    })
}

/// Decrypts with the empty passphrase in that spelling. `scheme` is the contents of an `AlgorithmIdentifier`. `None`
/// for schemes of another age and where the padding is wrong.
pub(super) fn decrypt(scheme: &[u8], ciphertext: &[u8], passphrase: &[u8]) -> Option<Vec<u8>> {
    let mut scheme = Reader::new(scheme);
    let oid = scheme.take(OID)?;
    let mut parameters = Reader::new(scheme.take(SEQUENCE)?);
    match oid {
        PBES2 => {
            let mut derivation = Reader::new(parameters.take(SEQUENCE)?);
            if derivation.take(OID)? != PBKDF2 {
                return None;
            }
            let mut derivation = Reader::new(derivation.take(SEQUENCE)?);
            let salt = derivation.take(OCTET_STRING)?;
            let rounds = derivation.small().filter(|rounds| *rounds <= MAX_ROUNDS)?;
            let _length = derivation.small();
            let hash = match derivation.take(SEQUENCE) {
                Some(prf) => Hash::of_hmac(Reader::new(prf).take(OID)?)?,
                None => Hash::Sha1,
            };
            let mut cipher = Reader::new(parameters.take(SEQUENCE)?);
            let (cipher, iv) = (cipher.take(OID)?, cipher.take(OCTET_STRING)?);
            // The empty passphrase has no octets here, whatever it has in PKCS#12's own derivation.
            let key = |length| pbkdf2(hash, &[], salt, rounds, length);
            match cipher {
                [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 2] => cbc::<aes::Aes128>(&key(16), iv, ciphertext),
                [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 22] => cbc::<aes::Aes192>(&key(24), iv, ciphertext),
                [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 42] => cbc::<aes::Aes256>(&key(32), iv, ciphertext),
                _ => None,
            }
        }
        // pbeWithSHAAnd3-KeyTripleDES-CBC
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 1, 3] => {
            let salt = parameters.take(OCTET_STRING)?;
            let rounds = parameters.small().filter(|rounds| *rounds <= MAX_ROUNDS)?;
            let key = derive(Hash::Sha1, 1, passphrase, salt, rounds, 24);
            let iv = derive(Hash::Sha1, 2, passphrase, salt, rounds, 8);
            cbc::<des::TdesEde3>(&key, &iv, ciphertext)
        }
        _ => None,
    }
}

fn cbc<C>(key: &[u8], iv: &[u8], ciphertext: &[u8]) -> Option<Vec<u8>>
where
    C: aes::cipher::BlockCipherDecrypt + aes::cipher::KeyInit,
{
    let decryptor = ::cbc::Decryptor::<C>::new_from_slices(key, iv).ok()?;
    decryptor.decrypt_padded_vec::<Pkcs7>(ciphertext).ok()
}

/// PBKDF2 (RFC 8018, section 5.2).
fn pbkdf2(hash: Hash, passphrase: &[u8], salt: &[u8], rounds: u32, length: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut block = 1u32;
    while out.len() < length {
        let mut last = hash.hmac(passphrase, &[salt, &block.to_be_bytes()].concat());
        let mut sum = last.clone();
        for _ in 1..rounds {
            last = hash.hmac(passphrase, &last);
            sum.iter_mut().zip(&last).for_each(|(sum, octet)| *sum ^= octet);
        }
        out.extend_from_slice(&sum);
        block += 1;
    }
    out.truncate(length);
    out
}

/// The derivation of PKCS#12 (RFC 7292, appendix B.2); `purpose` is 1 for a key, 2 for an IV, 3 for a MAC.
fn derive(hash: Hash, purpose: u8, passphrase: &[u8], salt: &[u8], rounds: u32, length: usize) -> Vec<u8> {
    let block = hash.block();
    let filled = |text: &[u8]| -> Vec<u8> {
        text.iter()
            .copied()
            .cycle()
            .take(if text.is_empty() { 0 } else { text.len().div_ceil(block) * block })
            .collect()
    };
    let diversifier = vec![purpose; block];
    let mut input = [filled(salt), filled(passphrase)].concat();
    let mut out = Vec::new();
    while out.len() < length {
        let mut digest = hash.digest(&[&diversifier, &input]);
        for _ in 1..rounds {
            digest = hash.digest(&[&digest]);
        }
        out.extend_from_slice(&digest);
        let repeated: Vec<u8> = digest.iter().copied().cycle().take(block).collect();
        for chunk in input.chunks_mut(block) {
            // chunk + repeated + 1, modulo the size of a block
            let mut carry = 1u16;
            for (octet, add) in chunk.iter_mut().zip(&repeated).rev() {
                let sum = u16::from(*octet) + u16::from(*add) + carry;
                *octet = sum as u8;
                carry = sum >> 8;
            }
        }
    }
    out.truncate(length);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6070, test vector 2; RFC 7914, section 11.
    #[test]
    fn pbkdf2_by_its_test_vectors() {
        let sha1 = pbkdf2(Hash::Sha1, b"password", b"salt", 2, 20);
        assert_eq!(crate::secret::hex(&sha1), "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957");
        let sha256 = pbkdf2(Hash::Sha256, b"passwd", b"salt", 1, 64);
        assert!(crate::secret::hex(&sha256).starts_with("55ac046e56e3089fec1691c22544b605"));
    }
}
