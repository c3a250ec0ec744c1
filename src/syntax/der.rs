//! DER as keys and certificates need it: elements one after the other, bounded by the bytes at hand.
//!
//! A library for ASN.1 checks what it reads and refuses what breaks a rule. Here nothing is trusted and little is read
//! (object identifiers, integers, where an element ends), and what a lax library would still load must be found, too:
//! negative integers, unknown versions and attributes, certificates of any vintage. That leaves tags and lengths.

/// `INTEGER`
pub const INTEGER: u8 = 0x02;
/// `BIT STRING`
pub const BIT_STRING: u8 = 0x03;
/// `OCTET STRING`
pub const OCTET_STRING: u8 = 0x04;
/// `OBJECT IDENTIFIER`
pub const OID: u8 = 0x06;
/// `SEQUENCE`
pub const SEQUENCE: u8 = 0x30;
/// `SET`
pub const SET: u8 = 0x31;

/// A constructed, context-specific tag: `[n]`.
pub const fn context(n: u8) -> u8 {
    0xa0 | n
}

/// An element: tag and contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// The identifier octet.
    pub tag: u8,
    /// The contents.
    pub body: &'a [u8],
}

/// Reads elements one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of the elements in `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// A reader of the contents of the one `SEQUENCE` that `bytes` begin with.
    pub fn sequence(bytes: &'a [u8]) -> Option<Self> {
        Self::new(bytes).take(SEQUENCE).map(Self::new)
    }

    /// The next element. `None` at the end and where the bytes make no element.
    pub fn element(&mut self) -> Option<Element<'a>> {
        let (head, length) = header(self.rest)?;
        let body = self.rest.get(head..head.checked_add(length)?)?;
        let tag = self.rest[0];
        self.rest = &self.rest[head + length..];
        Some(Element { tag, body })
    }

    /// The contents of the next element if it has that tag; else nothing is read.
    pub fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let mut ahead = *self;
        let element = ahead.element().filter(|element| element.tag == tag)?;
        *self = ahead;
        Some(element.body)
    }

    /// The next element as it stands, header included.
    pub fn whole(&mut self) -> Option<&'a [u8]> {
        let start = self.rest;
        self.element()?;
        Some(&start[..start.len() - self.rest.len()])
    }

    /// The next element, an `INTEGER` of no sign, without leading zeros.
    pub fn unsigned(&mut self) -> Option<&'a [u8]> {
        self.take(INTEGER).map(without_zeros)
    }

    /// The next element, an `INTEGER` that fits into 32 bits.
    pub fn small(&mut self) -> Option<u32> {
        let digits = self.unsigned()?;
        (digits.len() <= 4).then(|| digits.iter().fold(0, |value, digit| value << 8 | u32::from(*digit)))
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

/// The identifier and length octets at the start of `bytes`: how many they are, and how many octets of contents they
/// announce. Tags of several octets and the indefinite form are no DER that keys are written in.
fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    let (tag, first) = (*bytes.first()?, *bytes.get(1)?);
    if tag & 0x1f == 0x1f {
        return None;
    }
    if first < 0x80 {
        return Some((2, usize::from(first)));
    }
    let octets = usize::from(first & 0x7f);
    if octets == 0 || octets > 4 {
        return None;
    }
    let length = bytes.get(2..2 + octets)?.iter().fold(0usize, |length, octet| length << 8 | usize::from(*octet));
    Some((2 + octets, length))
}

/// How long the element at the start of `bytes` is, header included; its contents may reach past them.
pub fn announced_length(bytes: &[u8]) -> Option<usize> {
    header(bytes).and_then(|(head, length)| head.checked_add(length))
}

/// A number without the zeros before it.
pub fn without_zeros(digits: &[u8]) -> &[u8] {
    &digits[digits.iter().take_while(|digit| **digit == 0).count()..]
}

/// The contents of a `BIT STRING` of whole octets.
pub fn bits(body: &[u8]) -> Option<&[u8]> {
    body.split_first().filter(|(unused, _)| **unused == 0).map(|(_, bits)| bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn elements_one_after_the_other() {
        let bytes = [0x30, 0x0a, 0x02, 0x02, 0x00, 0x81, 0x04, 0x81, 0x01, 0x07, 0x05, 0x00];
        let mut outer = Reader::sequence(&bytes).expect("a sequence");
        assert_eq!(outer.small(), Some(0x81));
        assert_eq!(outer.take(SEQUENCE), None);
        assert_eq!(outer.take(OCTET_STRING), Some(&[7][..]));
        assert_eq!(outer.whole(), Some(&[0x05, 0x00][..]));
        assert!(outer.is_empty() && outer.element().is_none());
        assert_eq!(announced_length(&bytes), Some(12));
    }

    #[test]
    fn what_runs_past_the_end_is_none() {
        for bytes in [&[0x30][..], &[0x30, 0x02, 0x01], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x30, 0x80, 0, 0]] {
            assert_eq!(Reader::new(bytes).element(), None, "{bytes:?}");
        }
        assert_eq!(announced_length(&[0x30, 0x82, 0x01, 0x00]), Some(260));
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = Reader::new(&bytes);
            let mut total = 0;
            while let Some(whole) = reader.whole() {
                prop_assert!(whole.len() >= 2);
                total += whole.len();
            }
            prop_assert!(total <= bytes.len());
        }
    }
}
