//! Identities of age: `AGE-SECRET-KEY-1` and 32 octets in Bech32 (BIP 173) with its checksum, in capitals.

use super::private::{self, PrivateKey};
use super::public::Curve;

/// How every identity begins.
pub(super) const ANCHOR: &str = "AGE-SECRET-KEY-1";
/// Characters after it: 52 of the key, 6 of the checksum.
const LENGTH: usize = 58;
const ALPHABET: &[u8; 32] = b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";

/// Reads the identity at the start of `text`. `None` unless its checksum fits.
pub(super) fn read(text: &[u8]) -> Option<(PrivateKey, usize)> {
    let data = text.strip_prefix(ANCHOR.as_bytes())?;
    if data.get(LENGTH).is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let data: Vec<u8> = data
        .get(..LENGTH)?
        .iter()
        .map(|c| ALPHABET.iter().position(|known| known == c).map(|value| value as u8))
        .collect::<Option<_>>()?;
    let name = &ANCHOR.as_bytes()[..ANCHOR.len() - 1];
    let high = name.iter().map(|c| c.to_ascii_lowercase() >> 5);
    let low = name.iter().map(|c| c.to_ascii_lowercase() & 31);
    let sum = high.chain([0]).chain(low).chain(data.iter().copied()).fold(1u32, polymod);
    if sum != 1 {
        return None;
    }
    let mut octets = Vec::with_capacity(32);
    let (mut value, mut bits) = (0u32, 0);
    for digit in &data[..LENGTH - 6] {
        value = (value << 5 | u32::from(*digit)) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            octets.push((value >> bits) as u8);
        }
    }
    Some((private::on_curve(Curve::X25519, &octets, None), ANCHOR.len() + LENGTH))
}

/// One step of the checksum (BIP 173, section "Checksum").
fn polymod(sum: u32, value: u8) -> u32 {
    let top = sum >> 25;
    let generator = [0x3b6a_57b2u32, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let next = (sum & 0x01ff_ffff) << 5 ^ u32::from(value);
    (0..5).filter(|bit| top >> bit & 1 == 1).fold(next, |next, bit| next ^ generator[bit])
}
