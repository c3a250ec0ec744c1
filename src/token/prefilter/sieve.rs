//! The sieve: one vectorised pass that says where one of many short literals may begin.
//!
//! It is the idea behind Teddy, carried to more literals. Literals are dealt into buckets, one bit each. For each of the
//! first [`LENGTH`] bytes of a literal a table says in which buckets that byte may stand there; a shuffle looks a whole
//! vector up at once, and what is left after joining all positions is a candidate. The widest vectors look up any ASCII
//! byte; narrower ones look up the two halves of a byte, which lets more strangers through, and so have twice as many
//! buckets. Which literals share one is chosen so that strangers are few ([`buckets`]); each candidate is looked up in a
//! small set of hashes before anything else is done with it. What passes is compared. A literal that is wanted in any
//! letter case costs no more than any other.

use std::ops::Range;

use super::Stretch;
use super::buckets::{self, Grain};
use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch, u8x16};

/// How many bytes of a literal are looked at.
pub(super) const LENGTH: usize = 4;
/// One bit each in a table's byte.
const BUCKETS: usize = 8;
/// Widest vector of any processor, in bytes.
const WIDEST: usize = 64;
/// Bits in the set of hashes.
const HASHES: usize = 1 << 13;
/// How many bytes are gone over at a time, about: their line breaks are counted together.
const TURN: usize = 16 * 1024;
/// How many candidates are handed over at a time.
const PLACES: usize = 1024;

/// What the sieve looks for: the first bytes of a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Word {
    /// The bytes, the unused ones 0.
    bytes: [u8; LENGTH],
    /// How many are used: 2 to [`LENGTH`].
    length: u8,
    /// Letters may be of either case.
    any_case: bool,
}

impl Word {
    /// The word of these bytes (2 to [`LENGTH`] of them).
    pub(super) fn new(bytes: &[u8], any_case: bool) -> Self {
        let mut word = Self { bytes: [0; LENGTH], length: bytes.len() as u8, any_case };
        word.bytes[..bytes.len()].copy_from_slice(bytes);
        word
    }

    /// Its bytes, and whether letters may be of either case.
    pub(super) fn spelt(&self) -> (&[u8], bool) {
        (&self.bytes[..usize::from(self.length)], self.any_case)
    }

    /// The bytes that may stand at a position; `None` where any may.
    pub(super) fn at(&self, position: usize) -> Option<[u8; 2]> {
        let byte = *self.bytes[..usize::from(self.length)].get(position)?;
        Some(if self.any_case { [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()] } else { [byte; 2] })
    }
}

/// A word as it is compared: in one number, since a call costs more than the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mold {
    bytes: u32,
    /// The bits that are compared.
    used: u32,
    /// The bits in which small letters differ from capitals, where either may stand.
    either: u32,
    /// How many bytes.
    length: u8,
}

impl Mold {
    fn of(word: &Word) -> Self {
        let (mut bytes, mut used, mut either) = ([0; LENGTH], [0; LENGTH], [0; LENGTH]);
        for (position, byte) in word.bytes[..usize::from(word.length)].iter().enumerate() {
            used[position] = u8::MAX;
            either[position] = if word.any_case && byte.is_ascii_alphabetic() { 0x20 } else { 0 };
            bytes[position] = byte | either[position];
        }
        let [bytes, used, either] = [bytes, used, either].map(u32::from_le_bytes);
        Self { bytes, used, either, length: word.length }
    }

    #[inline(always)]
    fn fits(self, found: [u8; LENGTH]) -> bool {
        (u32::from_le_bytes(found) & self.used) | self.either == self.bytes
    }
}

/// Words, ready to be looked for.
#[derive(Debug)]
pub(super) struct Sieve {
    level: Level,
    tables: Tables,
    /// The words sorted by the hash of their start, each with that and its index.
    words: Vec<(u32, Mold, u16)>,
}

/// In which buckets a byte may stand, by position.
#[derive(Debug)]
struct Tables {
    /// For vectors that can look up any ASCII byte.
    bytes: [[u8; 128]; LENGTH],
    /// For the others, twice as many buckets, by the low and the high half of the byte.
    halves: [Halves; 2],
    /// For each hash of a start, one more than the place of the first such word; 0 where there is none.
    starts: Box<[u16; HASHES]>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Halves {
    low: [[u8; 16]; LENGTH],
    high: [[u8; 16]; LENGTH],
}

impl Sieve {
    /// A sieve for words. Their order is the index that [`Sieve::each`] gives.
    pub(super) fn new(words: &[Word]) -> Self {
        Self::with_level(words, Level::new())
    }

    fn with_level(words: &[Word], level: Level) -> Self {
        let mut bytes = [[0; 128]; LENGTH];
        let mut halves = [Halves::default(); 2];
        if dispatch!(level, simd => is_widest(simd)) {
            for (number, bucket) in buckets::deal(words, BUCKETS, Grain::Bytes).iter().enumerate() {
                for (position, table) in bytes.iter_mut().enumerate() {
                    for (byte, entry) in (0..).zip(table.iter_mut()) {
                        *entry |= u8::from(bucket.lets(position, byte)) << number;
                    }
                }
            }
        } else {
            for (number, bucket) in buckets::deal(words, 2 * BUCKETS, Grain::Halves).iter().enumerate() {
                let Halves { low, high } = &mut halves[number / BUCKETS];
                let bit = 1 << (number % BUCKETS);
                for (position, byte) in (0..LENGTH).flat_map(|position| (0..128).map(move |byte| (position, byte))) {
                    if bucket.lets(position, byte) {
                        low[position][usize::from(byte & 15)] |= bit;
                        high[position][usize::from(byte >> 4)] |= bit;
                    }
                }
                // Nothing is known of bytes beyond ASCII where any byte may stand.
                for position in (0..LENGTH).filter(|position| (0..128).all(|byte| bucket.lets(*position, byte))) {
                    high[position][8..].iter_mut().for_each(|entry| *entry |= bit);
                }
            }
        }
        let mut sorted = Vec::with_capacity(words.len());
        for (index, word) in words.iter().enumerate() {
            let [a, b, c, _] = word.bytes;
            // Of a word of two bytes any third may follow.
            for c in if word.length == 2 { 0..=u8::MAX } else { c..=c } {
                sorted.push((hash([a, b, c]), Mold::of(word), index as u16));
            }
        }
        sorted.sort_by_key(|(hash, _, index)| (*hash, *index));
        sorted.dedup();
        let mut starts = Box::new([0; HASHES]);
        for (place, (hash, ..)) in sorted.iter().enumerate().rev() {
            starts[*hash as usize] = place as u16 + 1;
        }
        Self { level, tables: Tables { bytes, halves, starts }, words: sorted }
    }

    /// Calls `found(word, at)` for every place `at` in `from..to` where a word stands, in order of places; words may
    /// reach past `to`. Calls `passed` with how many line breaks stand in each stretch of bytes that was gone over; the
    /// last few may be in none. Says whether a NUL stands in `from..to`.
    pub(super) fn each(
        &self,
        bytes: &[u8],
        from: usize,
        to: usize,
        mut found: impl FnMut(usize, usize),
        mut passed: impl FnMut(Stretch),
    ) -> bool {
        let mut has_nul = false;
        let mut places = [0; PLACES];
        let mut at = from;
        while at < to {
            let turn = to.min(at + TURN);
            let sifted = dispatch!(self.level, simd => sift(simd, &self.tables, bytes, at, turn, &mut places));
            self.compare(bytes, &places[..sifted.kept], 0..to, &mut found);
            has_nul |= sifted.has_nul;
            if sifted.to == at {
                break;
            }
            passed(Stretch { from: at, to: sifted.to, breaks: sifted.breaks });
            at = sifted.to;
        }
        // The last few bytes, with room after them.
        has_nul |= memchr::memchr(0, &bytes[at.min(to)..to]).is_some();
        while at < to {
            let mut rest = [0; 2 * WIDEST + LENGTH];
            let length = (bytes.len() - at).min(rest.len());
            rest[..length].copy_from_slice(&bytes[at..at + length]);
            let end = (to - at).min(WIDEST);
            let sifted = dispatch!(self.level, simd => sift(simd, &self.tables, &rest, 0, WIDEST, &mut places));
            self.compare(&rest[..length], &places[..sifted.kept], 0..end, &mut |word, place| found(word, at + place));
            at += end;
        }
        has_nul
    }

    fn compare(&self, bytes: &[u8], places: &[u32], range: Range<usize>, found: &mut impl FnMut(usize, usize)) {
        for place in places {
            let at = *place as usize;
            let Some(rest) = bytes.get(at..).filter(|_| range.contains(&at)) else { continue };
            let (start, length) = match rest.first_chunk() {
                Some(start) => (*start, LENGTH),
                None => {
                    let mut start = [0; LENGTH];
                    start[..rest.len()].copy_from_slice(rest);
                    (start, rest.len())
                }
            };
            let hash = hash([start[0], start[1], start[2]]);
            let Some(first) = usize::from(self.tables.starts[hash as usize]).checked_sub(1) else { continue };
            for (_, word, index) in self.words[first..].iter().take_while(|(known, ..)| *known == hash) {
                if word.fits(start) && usize::from(word.length) <= length {
                    found(usize::from(*index), at);
                }
            }
        }
    }
}

/// Of the first three bytes; letter case doesn't count.
#[inline(always)]
const fn hash([a, b, c]: [u8; 3]) -> u32 {
    (u32::from_le_bytes([a, b, c, 0]) | 0x0020_2020).wrapping_mul(0x9e37_79b1) >> (32 - HASHES.trailing_zeros())
}

/// What a turn of the sieve gives.
struct Sifted {
    /// Where it stopped.
    to: usize,
    /// How many places it put down.
    kept: usize,
    /// It met a NUL.
    has_nul: bool,
    /// How many line breaks it met.
    breaks: usize,
}

/// Puts into `places` where words may begin in `bytes` from `from` to about `to`, as long as there is room and whole
/// vectors are there.
///
/// Ordinary text has a candidate in every third vector, at random: a branch on that would be mispredicted all the time. So
/// one is written out whether it is there or not, and overwritten by the next where it is none or fails the test of its
/// hash. That there is more than one is rare enough for a branch.
#[inline(always)]
fn sift<S: Simd>(simd: S, tables: &Tables, bytes: &[u8], from: usize, to: usize, places: &mut [u32; PLACES]) -> Sifted {
    let width = S::u8s::LEN;
    let bytes_at = whole(simd, &tables.bytes);
    let low = [splat(simd, &tables.halves[0].low), splat(simd, &tables.halves[1].low)];
    let high = [splat(simd, &tables.halves[0].high), splat(simd, &tables.halves[1].high)];
    let none = S::u8s::splat(simd, 0);
    let line_feed = S::u8s::splat(simd, b'\n');
    let mut smallest = S::u8s::splat(simd, u8::MAX);
    let mut breaks = 0;
    let mut kept = 0;
    let mut at = from;
    while at < to
        && kept + WIDEST <= PLACES
        && let Some(block) = bytes.get(at..at + width + LENGTH)
    {
        // One instruction a vector, so that 16-bit text is noticed where there is some.
        let here = S::u8s::from_slice(simd, &block[..width]);
        smallest = smallest.min(here);
        // Nearly as cheap, while the bytes are at hand.
        breaks += here.simd_eq(line_feed).to_bitmask().count_ones() as usize;
        // Known when this is compiled.
        let left = if width == WIDEST {
            look_up(simd, block, 0, bytes_at[0])
                & look_up(simd, block, 1, bytes_at[1])
                & look_up(simd, block, 2, bytes_at[2])
                & look_up(simd, block, 3, bytes_at[3])
        } else {
            let one = look(simd, block, 0, low[0][0], high[0][0])
                & look(simd, block, 1, low[0][1], high[0][1])
                & look(simd, block, 2, low[0][2], high[0][2])
                & look(simd, block, 3, low[0][3], high[0][3]);
            let other = look(simd, block, 0, low[1][0], high[1][0])
                & look(simd, block, 1, low[1][1], high[1][1])
                & look(simd, block, 2, low[1][2], high[1][2])
                & look(simd, block, 3, low[1][3], high[1][3]);
            one | other
        };
        let mut candidates = !left.simd_eq(none).to_bitmask();
        if width < 64 {
            candidates &= (1 << width) - 1;
        }
        loop {
            let bit = candidates.trailing_zeros() as usize & (width - 1);
            let start = [block[bit], block[bit + 1], block[bit + 2]];
            places[kept & (PLACES - 1)] = (at + bit) as u32;
            // `&&` would be a branch.
            kept += usize::from(candidates != 0) & usize::from(tables.starts[hash(start) as usize] != 0);
            candidates &= candidates.wrapping_sub(1);
            if candidates == 0 {
                break;
            }
        }
        at += width;
    }
    let has_nul = smallest.simd_eq(none).to_bitmask() & (u64::MAX >> (64 - width)) != 0;
    Sifted { to: at, kept, has_nul, breaks }
}

/// Whether vectors are wide enough to look up any ASCII byte at once.
#[inline(always)]
fn is_widest<S: Simd>(_: S) -> bool {
    S::u8s::LEN == WIDEST
}

/// Whole tables, in two vectors each, where vectors are that wide.
#[inline(always)]
fn whole<S: Simd>(simd: S, tables: &[[u8; 128]; LENGTH]) -> [[S::u8s; 2]; LENGTH] {
    let width = S::u8s::LEN;
    let [a, b, c, d] = tables;
    [
        [S::u8s::from_slice(simd, &a[..width]), S::u8s::from_slice(simd, &a[width..2 * width])],
        [S::u8s::from_slice(simd, &b[..width]), S::u8s::from_slice(simd, &b[width..2 * width])],
        [S::u8s::from_slice(simd, &c[..width]), S::u8s::from_slice(simd, &c[width..2 * width])],
        [S::u8s::from_slice(simd, &d[..width]), S::u8s::from_slice(simd, &d[width..2 * width])],
    ]
}

/// In which buckets the bytes from `position` on may stand there. What bytes beyond ASCII give is of no account: their
/// hashes don't fit.
#[inline(always)]
fn look_up<S: Simd>(simd: S, block: &[u8], position: usize, [low, high]: [S::u8s; 2]) -> S::u8s {
    let vector = S::u8s::from_slice(simd, &block[position..position + S::u8s::LEN]);
    low.concat_swizzle_dyn(high, vector)
}

/// Tables, repeated for each sixteen bytes of a vector.
#[inline(always)]
fn splat<S: Simd>(simd: S, halves: &[[u8; 16]; LENGTH]) -> [S::u8s; LENGTH] {
    let [a, b, c, d] = halves;
    [
        S::u8s::block_splat(u8x16::from_slice(simd, a)),
        S::u8s::block_splat(u8x16::from_slice(simd, b)),
        S::u8s::block_splat(u8x16::from_slice(simd, c)),
        S::u8s::block_splat(u8x16::from_slice(simd, d)),
    ]
}

/// In which buckets the bytes from `position` on may stand there.
#[inline(always)]
fn look<S: Simd>(simd: S, block: &[u8], position: usize, low: S::u8s, high: S::u8s) -> S::u8s {
    let vector = S::u8s::from_slice(simd, &block[position..position + S::u8s::LEN]);
    low.swizzle_dyn_within_blocks(vector & S::u8s::splat(simd, 15)) & high.swizzle_dyn_within_blocks(vector >> 4)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every kind of vector that this processor has.
    fn levels() -> Vec<Level> {
        let best = Level::new();
        #[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut))]
        let mut levels = vec![best];
        #[cfg(target_arch = "x86_64")]
        {
            levels.extend(best.as_avx2().map(Level::Avx2));
            levels.extend(best.as_sse4_2().map(Level::Sse4_2));
            levels.extend(best.as_sse2().map(Level::Sse2));
        }
        levels
    }

    fn plainly_fits(word: &Word, found: [u8; LENGTH]) -> bool {
        let length = usize::from(word.length);
        if word.any_case {
            found[..length].eq_ignore_ascii_case(&word.bytes[..length])
        } else {
            found[..length] == word.bytes[..length]
        }
    }

    fn plainly(words: &[Word], bytes: &[u8], from: usize, to: usize) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        for at in from..to {
            for (index, word) in words.iter().enumerate() {
                let mut start = [0; LENGTH];
                let rest = &bytes[at..];
                let length = rest.len().min(LENGTH);
                start[..length].copy_from_slice(&rest[..length]);
                let length_fits = usize::from(word.length) <= length;
                if length_fits && plainly_fits(word, start) {
                    found.push((at, index));
                }
            }
        }
        found
    }

    fn word() -> impl Strategy<Value = Word> {
        ("[a-cA-C_.]{2,4}", any::<bool>()).prop_map(|(text, any_case)| Word::new(text.as_bytes(), any_case))
    }

    proptest! {
        #[test]
        fn finds_what_a_plain_search_finds_with_every_kind_of_vector(
            words in prop::collection::vec(word(), 1..40),
            bytes in prop::collection::vec(prop::sample::select(b"abcABC_.\0\xffx".to_vec()), 0..400),
            cut in any::<prop::sample::Index>(),
        ) {
            let from = cut.index(bytes.len() + 1);
            let sieves: Vec<Sieve> = levels().into_iter().map(|level| Sieve::with_level(&words, level)).collect();
            for (from, to) in [(0, bytes.len()), (0, from), (from, bytes.len())] {
                let expected = plainly(&words, &bytes, from, to);
                for sieve in &sieves {
                    let mut found = Vec::new();
                    sieve.each(&bytes, from, to, |word, at| found.push((at, word)), |_| ());
                    prop_assert!(found.windows(2).all(|pair| pair[0].0 <= pair[1].0), "not in order");
                    found.sort_unstable();
                    prop_assert_eq!(&found, &expected);
                }
            }
        }
    }

    #[test]
    fn text_of_nothing_but_words_is_handed_over_in_turns() {
        let words = [Word::new(b"aa", false)];
        let bytes = vec![b'a'; 3 * PLACES + 7];
        let mut found = 0;
        Sieve::new(&words).each(&bytes, 0, bytes.len(), |_, _| found += 1, |_| ());
        assert_eq!(found, bytes.len() - 1);
    }
}
