//! Which words share a bucket of the sieve, chosen so that ordinary text rarely passes for one of them.
//!
//! A bucket lets through every combination of the bytes of its words, or of the halves of these bytes, whichever the
//! sieve's tables can tell apart. For most words real text has told where they go best ([`dealt`](super::dealt)). Of the
//! others those that begin alike stay together; each such group goes where it lets the least more through, by how common
//! bytes are, and then again until no move is better.

use super::dealt::Dealt;
use super::sieve::{LENGTH, Word};

/// How often a byte stands in ten thousand bytes of logs and source code (a mean of both, measured; none is 0).
#[rustfmt::skip]
const FREQUENCY: [[u16; 16]; 8] = [
    [1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 169, 1, 1, 6, 1, 1],
    [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    [1407, 11, 349, 14, 4, 1, 16, 8, 75, 75, 3, 10, 122, 100, 176, 194],
    [312, 158, 186, 120, 126, 101, 128, 78, 85, 71, 250, 47, 14, 80, 23, 5],
    [2, 33, 11, 32, 19, 53, 21, 24, 21, 35, 12, 13, 26, 29, 23, 32],
    [39, 1, 29, 46, 82, 14, 13, 12, 6, 3, 10, 30, 5, 31, 1, 155],
    [16, 315, 121, 214, 185, 566, 136, 79, 99, 285, 9, 44, 194, 134, 263, 286],
    [187, 15, 300, 290, 409, 197, 60, 34, 34, 49, 15, 34, 4, 34, 1, 1],
];
/// How often groups are moved about at most.
const ROUNDS: usize = 6;
/// Letters follow letters: a word of small letters alone is this much more common than its letters by chance.
const SPELLING: f32 = 30.0;
/// Pieces of anchors that are far more common than that, in logs or source code, since they are pieces of *notification*,
/// *table*, *component-*, *agent* and the like (measured: at least five in a megabyte).
const COMMON: &[&[u8]] = &[b"noti", b"tion", b"api-", b"tabl", b"able", b"ent-", b"gent", b"agen"];
/// How many of them stand in a megabyte, roughly.
const OFTEN: f32 = 50.0;

/// What tables can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grain {
    /// The low and the high half of a byte, each on its own.
    Halves,
    /// Every ASCII byte.
    Bytes,
}

/// The ASCII bytes that a bucket lets through at each position: bit 16 × high half + low half; and how often one of them
/// stands in ten thousand bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Bucket([(u128, u32); LENGTH]);

impl Bucket {
    pub(super) fn of(word: &Word, grain: Grain) -> Self {
        let mut bucket = Self::default();
        for position in 0..LENGTH {
            let set = match word.at(position) {
                Some(bytes) => bytes.iter().fold(0, |set, byte| set | 1 << (byte & 127)),
                None => u128::MAX,
            };
            bucket.add(position, set, grain);
        }
        bucket
    }

    pub(super) fn with(mut self, other: &Self, grain: Grain) -> Self {
        for position in 0..LENGTH {
            self.add(position, other.0[position].0, grain);
        }
        self
    }

    /// Adds bytes at a position, and all that the tables can't tell from them. Only what is new is counted: this is
    /// done for every group and bucket, at every start.
    fn add(&mut self, position: usize, bytes: u128, grain: Grain) {
        let (set, count) = &mut self.0[position];
        if bytes & !*set != 0 {
            let all = grain.closed(*set | bytes);
            *count += frequency(all & !*set);
            *set = all;
        }
    }

    /// Whether a byte passes at a position.
    pub(super) fn lets(&self, position: usize, byte: u8) -> bool {
        byte < 128 && self.0[position].0 >> byte & 1 != 0
    }

    /// How much ordinary text passes, as a share of all places.
    fn leak(&self) -> f32 {
        self.0.iter().map(|(set, count)| if *set == u128::MAX { 1.0 } else { *count as f32 / 10_000.0 }).product()
    }
}

impl Grain {
    /// With all that the tables can't tell apart.
    fn closed(self, set: u128) -> u128 {
        match self {
            Self::Bytes => set,
            Self::Halves => {
                let rows = (0..8).map(|row| (set >> (16 * row)) as u16);
                let low = rows.clone().fold(0, |low, row| low | row);
                let filled = rows.enumerate().filter(|(_, row)| *row != 0);
                filled.fold(0, |closed, (row, _)| closed | u128::from(low) << (16 * row))
            }
        }
    }
}

/// How often one of a set stands in ten thousand bytes.
fn frequency(mut set: u128) -> u32 {
    let mut sum = 0;
    while set != 0 {
        let byte = set.trailing_zeros() as usize;
        sum += u32::from(FREQUENCY[byte / 16][byte % 16]);
        set &= set - 1;
    }
    sum
}

/// How often a word stands in a million bytes of ordinary text, roughly.
pub(super) fn commonness(bytes: &[u8]) -> f32 {
    let chance: f32 = bytes.iter().map(|byte| frequency(1 << (byte & 127)) as f32 / 10_000.0).product();
    let spelt = if bytes.iter().all(u8::is_ascii_lowercase) { SPELLING } else { 1.0 };
    let known = if COMMON.iter().any(|piece| bytes.eq_ignore_ascii_case(piece)) { OFTEN } else { 0.0 };
    chance * spelt * 1e6 + known
}

/// Words that begin alike and are about as long.
pub(super) fn groups(words: &mut [Word]) -> impl Iterator<Item = &[Word]> {
    let start = |word: &Word| ([word.at(0), word.at(1)], word.at(LENGTH - 1).is_some());
    words.sort_by_key(start);
    words.chunk_by(move |a, b| start(a) == start(b))
}

/// Deals words into `count` buckets; some may stay empty.
pub(super) fn deal(words: &[Word], count: usize, grain: Grain) -> Vec<Bucket> {
    let dealt = Dealt::embedded();
    let mut known = vec![Bucket::default(); count];
    let mut open = Vec::new();
    for word in words {
        match dealt.bucket(word, grain).and_then(|number| known.get_mut(number)) {
            Some(bucket) => *bucket = bucket.with(&Bucket::of(word, grain), grain),
            None => open.push(*word),
        }
    }
    let mut groups: Vec<(Bucket, usize)> = groups(&mut open)
        .map(|alike| alike.iter().fold(Bucket::default(), |all, word| all.with(&Bucket::of(word, grain), grain)))
        .map(|bucket| (bucket, usize::MAX))
        .collect();
    // The leakiest first: they need the most room.
    groups.sort_by(|(a, _), (b, _)| b.leak().total_cmp(&a.leak()));
    let union = |groups: &[(Bucket, usize)], number: usize| {
        let own = groups.iter().filter(|(_, at)| *at == number);
        own.fold(known[number], |all, (bucket, _)| all.with(bucket, grain))
    };
    let mut buckets = known.clone();
    for _ in 0..ROUNDS {
        let mut moved = false;
        for at in 0..groups.len() {
            let (group, from) = groups[at];
            if from != usize::MAX {
                groups[at].1 = usize::MAX;
                buckets[from] = union(&groups, from);
            }
            let more = |bucket: &Bucket| bucket.with(&group, grain).leak() - bucket.leak();
            let best = buckets.iter().map(more).enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
            let Some((to, _)) = best else { continue };
            buckets[to] = buckets[to].with(&group, grain);
            groups[at].1 = to;
            moved |= to != from;
        }
        if !moved {
            break;
        }
    }
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(texts: &[&str]) -> Vec<Word> {
        texts.iter().map(|text| Word::new(text.as_bytes(), false)).collect()
    }

    #[test]
    fn every_word_is_in_a_bucket_and_little_else() {
        let words = words(&[
            "ghp_", "gho_", "eyJ", "AIza", "oken", "glpa", "k_li", "hvs.", "npm_", "sid=", "xoxb", "arer", "ya29",
        ]);
        for grain in [Grain::Halves, Grain::Bytes] {
            let buckets = deal(&words, 8, grain);
            assert_eq!(buckets.len(), 8);
            for word in &words {
                let own = Bucket::of(word, grain);
                assert!(buckets.iter().any(|bucket| bucket.with(&own, grain) == *bucket), "{word:?} is in no bucket");
            }
            let leak: f32 = buckets.iter().map(Bucket::leak).sum();
            assert!(leak < 0.001, "{leak}");
        }
    }

    #[test]
    fn few_words_and_none_are_no_trouble() {
        assert!(deal(&[], 8, Grain::Bytes).iter().all(|bucket| bucket.leak() == 0.0));
        assert_eq!(deal(&words(&["ab"]), 8, Grain::Halves).iter().filter(|bucket| bucket.leak() > 0.0).count(), 1);
    }

    #[test]
    fn rare_words_are_told_from_common_ones() {
        assert!(commonness(b"tion") > commonness(b"_key"));
        assert!(commonness(b"token") < 100.0);
        assert!(commonness(b"Q~") < 10.0);
    }
}
