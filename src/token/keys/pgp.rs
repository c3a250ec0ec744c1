//! OpenPGP private key blocks (RFC 9580): the first packet is a secret key, and one octet of it says whether a
//! passphrase guards it.

use base64::Engine as _;

use super::pem::BASE64;
use super::private::PrivateKey;
use super::public::Algorithm;

/// Reads the contents of the armour; `checksum` is what stands after them. `None` unless they are a secret key.
pub(super) fn read(contents: &[u8], checksum: Option<[u8; 4]>) -> Option<PrivateKey> {
    if checksum.is_some_and(|sum| BASE64.encode(&crc24(contents).to_be_bytes()[1..]).as_bytes() != sum) {
        return None;
    }
    let body = secret_key_packet(contents)?;
    let mut packet = Packet(body);
    let version = packet.octet()?;
    packet.take(4)?; // when it was made
    if version == 3 {
        packet.take(2)?;
    }
    let algorithm = packet.octet()?;
    let (name, numbers) = match algorithm {
        1..=3 => (Algorithm::Unknown, 2),
        16 => (Algorithm::Unknown, 3),
        17 => (Algorithm::Dsa, 4),
        _ => (Algorithm::Unknown, 0),
    };
    let mut rsa_bits = None;
    match (version, algorithm) {
        (3 | 4, 1..=3 | 16 | 17) => {
            for n in 0..numbers {
                let bits = packet.number()?;
                if n == 0 && algorithm <= 3 {
                    rsa_bits = Some(bits);
                }
            }
        }
        // ECDH, ECDSA, EdDSA: a curve, a point, and for ECDH how keys are derived.
        (4, 18 | 19 | 22) => {
            let length = packet.octet()?;
            packet.take(usize::from(length))?;
            packet.number()?;
            if algorithm == 18 {
                let length = packet.octet()?;
                packet.take(usize::from(length))?;
            }
        }
        (4, 25 | 27) => {
            packet.take(32)?;
        }
        (4, 26) => {
            packet.take(56)?;
        }
        (4, 28) => {
            packet.take(57)?;
        }
        // Versions 5 and 6 say how long the public half is.
        (5 | 6, _) => {
            let length = u32::from_be_bytes(packet.take(4)?.try_into().ok()?) as usize;
            packet.take(length)?;
        }
        _ => return None,
    }
    let algorithm = rsa_bits.map_or(name, |bits| Algorithm::Rsa(u32::from(bits)));
    Some(match packet.octet()? {
        0 => PrivateKey::open(algorithm, None, true, packet.0),
        _ => PrivateKey::locked(algorithm, None, packet.0),
    })
}

/// The contents of the secret key packet that `bytes` begin with (RFC 9580, section 4.2).
fn secret_key_packet(bytes: &[u8]) -> Option<&[u8]> {
    let (first, rest) = bytes.split_first()?;
    let (tag, length, rest) = if first & 0xc0 == 0xc0 {
        let (length, used) = match *rest.first()? {
            short @ 0..=191 => (usize::from(short), 1),
            two @ 192..=223 => (((usize::from(two) - 192) << 8) + usize::from(*rest.get(1)?) + 192, 2),
            255 => (u32::from_be_bytes(rest.get(1..5)?.try_into().ok()?) as usize, 5),
            _ => return None,
        };
        (first & 0x3f, length, rest.get(used..)?)
    } else if first & 0x80 == 0x80 {
        let octets = 1usize << (first & 3);
        if octets == 8 {
            return None;
        }
        let length = rest.get(..octets)?.iter().fold(0usize, |length, octet| length << 8 | usize::from(*octet));
        (first >> 2 & 15, length, rest.get(octets..)?)
    } else {
        return None;
    };
    (tag == 5).then(|| rest.get(..length))?
}

struct Packet<'a>(&'a [u8]);

impl<'a> Packet<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn octet(&mut self) -> Option<u8> {
        self.take(1).map(|octets| octets[0])
    }

    /// Steps over a number and gives its length in bits.
    fn number(&mut self) -> Option<u16> {
        let bits = u16::from_be_bytes(self.take(2)?.try_into().ok()?);
        self.take(usize::from(bits).div_ceil(8))?;
        Some(bits)
    }
}

/// The checksum of the armour (RFC 9580, section 6.1).
fn crc24(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x00b7_04ce, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte) << 16, |sum, _| {
            let next = sum << 1;
            if next & 0x0100_0000 != 0 { next ^ 0x0186_4cfb } else { next }
        })
    })
}
