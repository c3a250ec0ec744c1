//! ASCII in 16-bit characters (UTF-16, either byte order, with or without a mark), as whole files and as strings in
//! binary ones.

/// Fewer characters are not looked at.
const SHORTEST: usize = 12;

/// A run of 16-bit characters. Its places are those of the bytes that are not zero, so that it doesn't matter from where
/// on the run is read: from the middle either byte order fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WideRun {
    /// Offset of its first character's own byte.
    pub start: usize,
    /// How many characters it has.
    pub length: usize,
}

impl WideRun {
    /// Its characters, one byte each.
    pub fn text(&self, bytes: &[u8]) -> Vec<u8> {
        bytes[self.start..].iter().step_by(2).take(self.length).copied().collect()
    }

    /// Offset past its last character's own byte.
    pub const fn end(&self) -> usize {
        self.start + 2 * self.length - 1
    }
}

/// The first run in `bytes` that begins at `from` or later.
pub fn next(bytes: &[u8], from: usize) -> Option<WideRun> {
    let mut at = from;
    loop {
        let nul = at + memchr::memchr(0, bytes.get(at..)?)?;
        // The low byte stands before the high one, or after it.
        let before = nul.checked_sub(1).filter(|start| *start >= at && is_text(bytes[*start]));
        let start = before.unwrap_or(nul + 1);
        let rest = bytes.get(start..).unwrap_or_default();
        let length = rest.chunks(2).take_while(|pair| is_text(pair[0]) && pair.get(1).is_none_or(|high| *high == 0));
        let run = WideRun { start, length: length.count() };
        if run.length >= SHORTEST {
            return Some(run);
        }
        // Stretches of nothing but zeros are stepped over; the last may be half of a character.
        let zeros = bytes[nul..].iter().take_while(|b| **b == 0).count();
        at = (nul + zeros.max(2) - 1).max(start + (2 * run.length).saturating_sub(1));
    }
}

fn is_text(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wide(text: &str, big_endian: bool) -> Vec<u8> {
        text.encode_utf16().flat_map(|unit| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    }

    #[test]
    fn runs_are_found_in_either_order_between_other_bytes() {
        for big_endian in [false, true] {
            let mut bytes = vec![0xff, 0, 0, 0, 7];
            bytes.extend(wide("first of the texts\r\n", big_endian));
            bytes.extend([0, 0, 0, 0, 0, 2]);
            let second = bytes.len();
            bytes.extend(wide("and the second one", big_endian));
            let run = next(&bytes, 0).expect("the first");
            let own = usize::from(big_endian);
            assert_eq!((run.start, run.text(&bytes)), (5 + own, b"first of the texts\r\n".to_vec()));
            let run = next(&bytes, run.end()).expect("the second");
            assert_eq!((run.start, run.text(&bytes)), (second + own, b"and the second one".to_vec()));
            assert_eq!(next(&bytes, run.end()), None);
            for from in second..second + 9 {
                let run = next(&bytes, from).expect("the rest of the second");
                assert_eq!(run.start % 2, (second + own) % 2, "from {from}");
                assert!(b"and the second one".ends_with(&run.text(&bytes)));
            }
        }
        assert_eq!(next(b"plain", 0), None);
        assert_eq!(next(&[0; 5000], 0), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_gone_through(bytes in prop::collection::vec(prop::sample::select(vec![0u8, 0, b'a', b'b', 200]), 0..300)) {
            let mut at = 0;
            while let Some(run) = next(&bytes, at) {
                prop_assert!(run.start >= at && run.end() > run.start && run.end() <= bytes.len());
                at = run.end();
            }
        }
    }
}
