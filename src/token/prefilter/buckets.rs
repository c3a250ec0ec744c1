//! Which words share a bucket of the sieve, chosen so that ordinary text rarely passes for one of them.
//!
//! A bucket lets through every combination of the byte halves of its words. Words are put together one pair of groups
//! at a time, always the pair whose union lets the least more through, by how common the bytes are.

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

/// The byte halves that a bucket lets through at each position, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Bucket {
    pub(super) low: [u16; LENGTH],
    pub(super) high: [u16; LENGTH],
}

impl Bucket {
    fn of(word: &Word) -> Self {
        let mut bucket = Self::default();
        for position in 0..LENGTH {
            match word.at(position) {
                Some(bytes) => {
                    for byte in bytes {
                        bucket.low[position] |= 1 << (byte & 15);
                        bucket.high[position] |= 1 << (byte >> 4);
                    }
                }
                None => (bucket.low[position], bucket.high[position]) = (u16::MAX, u16::MAX),
            }
        }
        bucket
    }

    fn with(mut self, other: &Self) -> Self {
        for position in 0..LENGTH {
            self.low[position] |= other.low[position];
            self.high[position] |= other.high[position];
        }
        self
    }

    /// How much ordinary text passes, as a share of all places.
    fn leak(&self) -> f32 {
        let share = |position: usize| {
            if self.high[position] == u16::MAX {
                return 1.0;
            }
            let mut sum = 0;
            for row in FREQUENCY.iter().enumerate().filter(|(row, _)| self.high[position] >> row & 1 != 0) {
                let mut low = self.low[position];
                while low != 0 {
                    sum += u32::from(row.1[low.trailing_zeros() as usize]);
                    low &= low - 1;
                }
            }
            sum as f32 / 10_000.0
        };
        (0..LENGTH).map(share).product()
    }
}

/// Deals words into at most `most` buckets. The effort grows with the square of the number of different starts.
pub(super) fn deal(words: &[Word], most: usize) -> Vec<Bucket> {
    // Words that begin alike belong together in any case.
    let start = |word: &&Word| ([word.at(0), word.at(1)], word.at(LENGTH - 1).is_some());
    let mut words: Vec<&Word> = words.iter().collect();
    words.sort_by_key(start);
    let mut groups: Vec<(Bucket, f32)> = words
        .chunk_by(|a, b| start(a) == start(b))
        .map(|alike| alike.iter().fold(Bucket::default(), |bucket, word| bucket.with(&Bucket::of(word))))
        .map(|bucket| (bucket, bucket.leak()))
        .collect();
    let more = |a: &(Bucket, f32), b: &(Bucket, f32)| a.0.with(&b.0).leak() - a.1 - b.1;
    // For each group the later one that it would best be put together with.
    let best_of = |groups: &[(Bucket, f32)], at: usize| {
        let pairs = groups.iter().enumerate().skip(at + 1).map(|(other, group)| (more(&groups[at], group), other));
        pairs.min_by(|a, b| a.0.total_cmp(&b.0))
    };
    let mut best: Vec<Option<(f32, usize)>> = (0..groups.len()).map(|at| best_of(&groups, at)).collect();
    while groups.len() > most {
        let pair = best.iter().enumerate().filter_map(|(at, best)| best.map(|(cost, other)| (cost, at, other)));
        let Some((_, one, other)) = pair.min_by(|a, b| a.0.total_cmp(&b.0)) else { break };
        let union = groups[one].0.with(&groups[other].0);
        groups[one] = (union, union.leak());
        groups.swap_remove(other);
        best.swap_remove(other);
        let moved = groups.len();
        for at in 0..groups.len() {
            match best[at] {
                _ if at == one || at == other => best[at] = best_of(&groups, at),
                Some((_, with)) if with == one || with == other || with == moved => best[at] = best_of(&groups, at),
                best_yet => {
                    // Later than before: the union, or the last group that took the other's place.
                    for later in [one, other].into_iter().filter(|later| *later > at && *later < groups.len()) {
                        let cost = more(&groups[at], &groups[later]);
                        if best[at].or(best_yet).is_none_or(|(known, _)| cost < known) {
                            best[at] = Some((cost, later));
                        }
                    }
                }
            }
        }
    }
    groups.into_iter().map(|(bucket, _)| bucket).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_in_a_bucket_and_alike_ones_share_it() {
        let words: Vec<Word> =
            ["ghp_", "gho_", "eyJ", "AIza", "oken", "glpa", "k_li", "hvs.", "npm_", "sid=", "xoxb", "arer", "ya29"]
                .map(|text| Word::new(text.as_bytes(), false))
                .to_vec();
        let buckets = deal(&words, 8);
        assert_eq!(buckets.len(), 8);
        for word in &words {
            let own = Bucket::of(word);
            assert!(buckets.iter().any(|bucket| bucket.with(&own) == *bucket), "{word:?} is in no bucket");
        }
        let leak: f32 = buckets.iter().map(Bucket::leak).sum();
        assert!(leak < 0.003, "{leak}");
    }

    #[test]
    fn few_words_and_none_are_no_trouble() {
        assert!(deal(&[], 8).is_empty());
        assert_eq!(deal(&[Word::new(b"ab", true)], 8).len(), 1);
    }
}
