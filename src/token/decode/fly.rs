//! Fly.io's macaroons: `fm2_` and base64 of MessagePack, several joined by commas (a permission and the discharges it
//! needs). A macaroon is `[nonce, location, caveats, tail]`, caveats are kind and body in turn; kind 4 is the window
//! of validity `[not-before, not-after]`. Source: superfly/macaroon.

use base64::Engine as _;

use super::{Proof, time};
use crate::token::facts::{Facts, Kind};
use crate::token::jose;

/// The caveat that limits when a macaroon is good.
const VALIDITY_WINDOW: i64 = 4;
/// How deep values may nest.
const DEPTH: usize = 12;

/// Reads the windows of all macaroons; the bundle is good as long as all of them are.
pub(super) fn read(token: &[u8], facts: &mut Facts) -> Proof {
    let mut proof = Proof::Fits;
    for part in token.split(|b| *b == b',') {
        if part.starts_with(b"fo1_") {
            continue; // an OAuth token, opaque
        }
        let Some(body) = [&b"fm2_"[..], b"fm1r_", b"fm1a_"].iter().find_map(|prefix| part.strip_prefix(*prefix)) else {
            return Proof::Refuted;
        };
        facts.kind = Kind::Macaroon;
        let Ok(bytes) = jose::BASE64.decode(body) else { return Proof::Refuted };
        if macaroon(&mut Reader(&bytes), facts).is_none() {
            return Proof::Refuted;
        }
        proof = Proof::Proven;
    }
    proof
}

fn macaroon(reader: &mut Reader<'_>, facts: &mut Facts) -> Option<()> {
    if reader.next()? != Item::Array(4) {
        return None;
    }
    let Item::Array(nonce @ 2..=3) = reader.next()? else { return None };
    (0..nonce).try_for_each(|_| reader.skip(DEPTH))?;
    let Item::Bytes = reader.next()? else { return None }; // where it is to be used
    let Item::Array(caveats) = reader.next()? else { return None };
    for _ in 0..caveats / 2 {
        match reader.next()? {
            Item::Number(VALIDITY_WINDOW) => window(reader, facts)?,
            Item::Number(_) => reader.skip(DEPTH)?,
            _ => return None,
        }
    }
    let Item::Bytes = reader.next()? else { return None }; // the signature
    Some(())
}

fn window(reader: &mut Reader<'_>, facts: &mut Facts) -> Option<()> {
    let Item::Array(2) = reader.next()? else { return None };
    let (Item::Number(from), Item::Number(to)) = (reader.next()?, reader.next()?) else { return None };
    if from > 0 {
        facts.not_before = time::later(facts.not_before, from);
    }
    if to > 0 {
        // Good until the second has passed.
        facts.expires = time::earlier(facts.expires, to.saturating_add(1));
    }
    Some(())
}

/// The next value of a MessagePack text; of arrays and maps only how many entries follow.
#[derive(Debug, PartialEq, Eq)]
enum Item {
    Number(i64),
    /// A string or bytes.
    Bytes,
    Array(usize),
    Map(usize),
    /// Nil, a truth value, a float, an extension.
    Other,
}

/// Takes values off the front of some bytes.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    /// An unsigned number of that many bytes, the highest first.
    fn unsigned(&mut self, length: usize) -> Option<u64> {
        Some(self.take(length)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn signed(&mut self, length: usize) -> Option<i64> {
        let unused = 64 - 8 * length as u32;
        Some((self.unsigned(length)? << unused) as i64 >> unused)
    }

    fn pass(&mut self, length: u64, item: Item) -> Option<Item> {
        self.take(usize::try_from(length).ok()?)?;
        Some(item)
    }

    fn next(&mut self) -> Option<Item> {
        let count = |number: u64| usize::try_from(number).ok();
        let size = |low: u8| 1usize << low; // 1, 2, 4 or 8 bytes
        match self.unsigned(1)? as u8 {
            number @ 0x00..=0x7f => Some(Item::Number(i64::from(number))),
            head @ 0x80..=0x8f => Some(Item::Map(usize::from(head & 0x0f))),
            head @ 0x90..=0x9f => Some(Item::Array(usize::from(head & 0x0f))),
            head @ 0xa0..=0xbf => self.pass(u64::from(head & 0x1f), Item::Bytes),
            0xc0 | 0xc2 | 0xc3 => Some(Item::Other),
            head @ 0xc4..=0xc6 => {
                let length = self.unsigned(size(head - 0xc4))?;
                self.pass(length, Item::Bytes)
            }
            head @ 0xc7..=0xc9 => {
                let length = self.unsigned(size(head - 0xc7))?;
                self.pass(length.saturating_add(1), Item::Other)
            }
            0xca => self.pass(4, Item::Other),
            0xcb => self.pass(8, Item::Other),
            // Beyond 63 bits it is no time; what else it is doesn't matter here.
            head @ 0xcc..=0xcf => Some(Item::Number(self.unsigned(size(head - 0xcc))?.min(i64::MAX as u64) as i64)),
            head @ 0xd0..=0xd3 => Some(Item::Number(self.signed(size(head - 0xd0))?)),
            head @ 0xd4..=0xd8 => self.pass((1 << (head - 0xd4)) + 1, Item::Other),
            head @ 0xd9..=0xdb => {
                let length = self.unsigned(size(head - 0xd9))?;
                self.pass(length, Item::Bytes)
            }
            head @ 0xdc..=0xdd => Some(Item::Array(count(self.unsigned(size(head - 0xdc + 1))?)?)),
            head @ 0xde..=0xdf => Some(Item::Map(count(self.unsigned(size(head - 0xde + 1))?)?)),
            head @ 0xe0..=0xff => Some(Item::Number(i64::from(head as i8))),
            _ => None,
        }
    }

    /// Passes over a value. Every entry takes a byte at least, so the work is bounded by the length of the bytes.
    fn skip(&mut self, depth: usize) -> Option<()> {
        let entries = match self.next()? {
            Item::Array(count) => count,
            Item::Map(count) => count.checked_mul(2)?,
            _ => return Some(()),
        };
        let depth = depth.checked_sub(1)?;
        (0..entries).try_for_each(|_| self.skip(depth))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::facts;
    use super::*;
    use crate::token::facts::Time;

    fn bin(bytes: &[u8]) -> Vec<u8> {
        [&[0xc4, bytes.len() as u8], bytes].concat()
    }

    fn window(from: u32, to: u32) -> Vec<u8> {
        [&[0x04, 0x92, 0xce][..], &from.to_be_bytes(), &[0xce], &to.to_be_bytes()].concat()
    }

    fn token(prefix: &str, caveats: &[Vec<u8>]) -> String {
        let nonce = [vec![0x93], bin(&[1; 8]), bin(&[2; 16]), vec![0xc2]].concat();
        let location = b"https://api.fly.io/v1";
        let location = [&[0xa0 | location.len() as u8], &location[..]].concat();
        let caveats = [vec![0x90 | (2 * caveats.len() as u8)], caveats.concat()].concat();
        let all = [vec![0x94], nonce, location, caveats, bin(&[3; 32])].concat();
        format!("{prefix}{}", jose::BASE64.encode(all))
    }

    fn read(token: &str) -> (Proof, Facts) {
        let mut f = facts();
        (super::read(token.as_bytes(), &mut f), f)
    }

    /// An organization: id and mask.
    fn organization() -> Vec<u8> {
        vec![0x00, 0x92, 0xcd, 0x12, 0x34, 0x1f]
    }

    #[test]
    fn the_narrowest_window_counts() {
        let (proof, f) = read(&token("fm2_", &[organization(), window(1_700_000_000, 1_800_000_000)]));
        assert_eq!((proof, f.kind), (Proof::Proven, Kind::Macaroon));
        assert_eq!((f.not_before, f.expires), (Time::At(1_700_000_000), Time::At(1_800_000_001)));
        let bundle = [
            token("fm2_", &[window(1_700_000_000, 1_900_000_000)]),
            token("fm2_", &[organization(), window(1_750_000_000, 1_760_000_000)]),
        ];
        let (_, f) = read(&bundle.join(","));
        assert_eq!((f.not_before, f.expires), (Time::At(1_750_000_000), Time::At(1_760_000_001)));
        assert_eq!(read(&token("fm1r_", &[organization()])).1.expires, Time::Absent);
    }

    #[test]
    fn what_is_cut_or_nested_without_end_is_refused() {
        let whole = jose::BASE64.decode(&token("fm2_", &[organization(), window(1, 2)])[4..]).expect("base64");
        for cut in 0..whole.len() {
            assert_eq!(read(&format!("fm2_{}", jose::BASE64.encode(&whole[..cut]))).0, Proof::Refuted, "{cut}");
        }
        let deep = [&[0x94, 0x92][..], &[0x91; 4000]].concat();
        assert_eq!(read(&format!("fm2_{}", jose::BASE64.encode(deep))).0, Proof::Refuted);
        let wide = [0x94, 0x92, 0xdd, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(read(&format!("fm2_{}", jose::BASE64.encode(wide))).0, Proof::Refuted);
    }

    #[test]
    fn numbers_of_every_width() {
        for (bytes, number) in [
            (&[0x07][..], 7),
            (&[0xff], -1),
            (&[0xcc, 0xff], 255),
            (&[0xcd, 1, 0], 256),
            (&[0xd0, 0x80], -128),
            (&[0xd1, 0xff, 0xfe], -2),
            (&[0xd3, 0, 0, 0, 0, 0x6b, 0x49, 0xd2, 0], 1_800_000_000),
        ] {
            assert_eq!(Reader(bytes).next(), Some(Item::Number(number)), "{bytes:x?}");
        }
    }

    #[test]
    fn an_oauth_token_alone_fits() {
        assert_eq!(read("fo1_k3JfW0qLx8ZrT5vNc2HsY7bMd9QpAe").0, Proof::Fits);
        assert_eq!(read("fm3_AAAA").0, Proof::Refuted);
    }
}
