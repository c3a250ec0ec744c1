//! BER made DER, as far as PKCS#12 files need it: Bouncy Castle and others write them as a stream, with lengths that
//! are not known yet and contents in pieces.

use crate::syntax::der::OCTET_STRING;

/// How deep elements lie in each other.
const MAX_DEPTH: usize = 16;
/// The bit of the identifier that says that an element is made of elements.
const CONSTRUCTED: u8 = 0x20;

/// The element at the start of `bytes` with definite lengths throughout and octet strings in one piece. `None` where
/// there is none, whole.
pub(super) fn definite(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    element(bytes, &mut out, MAX_DEPTH).map(|_| out)
}

/// Appends the element at the start of `bytes`; how long it was. The recursion is bounded by `depth`.
fn element(bytes: &[u8], out: &mut Vec<u8>, depth: usize) -> Option<usize> {
    let (tag, first) = (*bytes.first()?, *bytes.get(1)?);
    let (head, length) = match first {
        0x80 => (2, None),
        ..0x80 => (2, Some(usize::from(first))),
        _ => {
            let octets = usize::from(first & 0x7f);
            let digits = bytes.get(2..2 + octets).filter(|digits| digits.len() <= 4)?;
            (2 + octets, Some(digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit))))
        }
    };
    if tag & CONSTRUCTED == 0 {
        let end = head.checked_add(length?)?;
        push(tag, bytes.get(head..end)?, out);
        return Some(end);
    }
    let stop = match length {
        Some(length) => head.checked_add(length).filter(|end| *end <= bytes.len())?,
        None => bytes.len(),
    };
    let mut contents = Vec::new();
    let mut at = head;
    loop {
        if length.is_none() && bytes.get(at..at + 2)? == [0, 0] {
            at += 2;
            break;
        }
        if length.is_some() && at == stop {
            break;
        }
        at += element(&bytes[at..stop], &mut contents, depth.checked_sub(1)?)?;
    }
    match tag {
        tag if tag == OCTET_STRING | CONSTRUCTED => push(OCTET_STRING, &pieces(&contents)?, out),
        tag => push(tag, &contents, out),
    }
    Some(at)
}

/// The contents of octet strings, one after the other.
pub(super) fn pieces(strings: &[u8]) -> Option<Vec<u8>> {
    let mut reader = crate::syntax::der::Reader::new(strings);
    let mut all = Vec::with_capacity(strings.len());
    while !reader.is_empty() {
        all.extend_from_slice(reader.take(OCTET_STRING)?);
    }
    Some(all)
}

fn push(tag: u8, contents: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    let length = contents.len();
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let digits = length.to_be_bytes();
        let digits = crate::syntax::der::without_zeros(&digits);
        out.push(0x80 | digits.len() as u8);
        out.extend_from_slice(digits);
    }
    out.extend_from_slice(contents);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn streams_become_definite() {
        let stream = [0x30, 0x80, 0x24, 0x80, 4, 1, 7, 4, 2, 8, 9, 0, 0, 2, 1, 3, 0, 0, 0xff];
        assert_eq!(definite(&stream), Some(vec![0x30, 8, 4, 3, 7, 8, 9, 2, 1, 3]));
        let plain = [0x30, 3, 2, 1, 3];
        assert_eq!(definite(&plain), Some(plain.to_vec()));
        for broken in [&stream[..16], &[0x30, 0x80], &[0x04, 0x80, 0, 0], &[0x30, 5, 2, 1, 3], &[0x30, 2, 2, 1]] {
            assert_eq!(definite(broken), None, "{broken:?}");
        }
        let deep: Vec<u8> = [[0x30, 0x80].repeat(40), vec![0; 80]].concat();
        assert_eq!(definite(&deep), None);
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(bytes in prop::collection::vec(prop_oneof![Just(0x30), Just(0x80), Just(0x24), 0u8..9], 0..80)) {
            if let Some(der) = definite(&bytes) {
                prop_assert_eq!(crate::syntax::der::announced_length(&der), Some(der.len()));
            }
        }
    }
}
