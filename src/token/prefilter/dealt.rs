//! Which words of the sieve share a bucket, told by real text.
//!
//! How common bytes are says little about which combinations of them stand in logs and source code. So for the words of
//! the embedded families it was tried, group by group, where each makes the fewest candidates in samples of both
//! (`make sieve`); half of what the estimate by bytes gives is left. A word that is not in the table (a new family, one
//! of `--rules`) is dealt by that estimate.

use std::collections::{BTreeMap, HashMap};

use super::buckets::{Bucket, Grain, groups};
use super::sieve::{LENGTH, Word};

/// A line a word: the bucket for tables by bytes, that for tables by halves, `i` where letter case does not count, the word.
static TABLE: &str = include_str!("dealt.txt");

/// The table, read.
pub(super) struct Dealt(HashMap<Word, [usize; 2], foldhash::fast::RandomState>);

impl Dealt {
    /// The embedded table.
    pub(super) fn embedded() -> Self {
        Self(TABLE.lines().filter_map(line).collect())
    }

    /// The bucket of a word, if it is known.
    pub(super) fn bucket(&self, word: &Word, grain: Grain) -> Option<usize> {
        let [bytes, halves] = self.0.get(word)?;
        Some(match grain {
            Grain::Bytes => *bytes,
            Grain::Halves => *halves,
        })
    }
}

/// `3 12 i "oken"`
fn line(text: &str) -> Option<(Word, [usize; 2])> {
    let mut columns = text.splitn(4, ' ');
    let mut number = || columns.next()?.parse().ok();
    let buckets = [number()?, number()?];
    let any_case = columns.next()? == "i";
    let word = columns.next()?.strip_prefix('"')?.strip_suffix('"')?;
    Some((Word::new(word.as_bytes(), any_case), buckets))
}

/// The table worked out anew, for these words and this text.
pub(super) fn table(words: &mut [Word], samples: &[u8]) -> String {
    let grams = grams(samples);
    let groups: Vec<Vec<Word>> = groups(words).map(<[Word]>::to_vec).collect();
    let bytes = climb(&groups, 8, Grain::Bytes, &grams);
    let halves = climb(&groups, 16, Grain::Halves, &grams);
    let mut lines = Vec::new();
    for ((group, bytes), halves) in groups.iter().zip(bytes).zip(halves) {
        for word in group {
            let (text, any_case) = word.spelt();
            let case = if any_case { 'i' } else { '-' };
            lines.push(format!("{bytes} {halves} {case} \"{}\"\n", String::from_utf8_lossy(text)));
        }
    }
    lines.sort();
    lines.concat()
}

/// How often each four bytes stand in the samples.
fn grams(samples: &[u8]) -> Vec<([u8; LENGTH], u32)> {
    let mut all: BTreeMap<[u8; LENGTH], u32> = BTreeMap::new();
    for gram in samples.windows(LENGTH).filter(|gram| gram.is_ascii()) {
        *all.entry([gram[0], gram[1], gram[2], gram[3]]).or_default() += 1;
    }
    all.into_iter().collect()
}

/// How many places of the samples pass.
fn passing(buckets: &[Bucket], grams: &[([u8; LENGTH], u32)]) -> u32 {
    let mut tables = [[0u16; 128]; LENGTH];
    for (number, bucket) in buckets.iter().enumerate() {
        for (position, table) in tables.iter_mut().enumerate() {
            for (byte, entry) in (0..).zip(table.iter_mut()) {
                *entry |= u16::from(bucket.lets(position, byte)) << number;
            }
        }
    }
    let [a, b, c, d] = &tables;
    let passes = |gram: &[u8; LENGTH]| {
        let [w, x, y, z] = gram.map(usize::from);
        a[w] & b[x] & c[y] & d[z] != 0
    };
    grams.iter().filter(|(gram, _)| passes(gram)).map(|(_, count)| count).sum()
}

/// Puts one group after the other where it lets least pass, then moves them about until no move is better.
fn climb(groups: &[Vec<Word>], count: usize, grain: Grain, grams: &[([u8; LENGTH], u32)]) -> Vec<usize> {
    let of: Vec<Bucket> = groups
        .iter()
        .map(|group| group.iter().fold(Bucket::default(), |all, word| all.with(&Bucket::of(word, grain), grain)))
        .collect();
    let mut places: Vec<usize> = vec![usize::MAX; of.len()];
    let bucket = |places: &[usize], number: usize| {
        let own = of.iter().zip(places).filter(|(_, place)| **place == number);
        own.fold(Bucket::default(), |all, (group, _)| all.with(group, grain))
    };
    loop {
        let before = places.clone();
        for group in 0..of.len() {
            let from = std::mem::replace(&mut places[group], usize::MAX);
            let without: Vec<Bucket> = (0..count).map(|number| bucket(&places, number)).collect();
            let with = |number: usize| {
                let mut buckets = without.clone();
                buckets[number] = buckets[number].with(&of[group], grain);
                (passing(&buckets, grams), number != from, number)
            };
            places[group] = (0..count).map(with).min().map_or(0, |(.., to)| to);
        }
        if places == before {
            return places;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::words;
    use super::*;
    use crate::rules::Catalogue;
    use crate::token::engine::Engine;

    #[test]
    fn the_table_is_read_whole_and_has_most_words() {
        let dealt = Dealt::embedded();
        assert_eq!(dealt.0.len(), TABLE.lines().count(), "a line is not understood, or a word stands twice");
        assert!(dealt.0.values().all(|[bytes, halves]| *bytes < 8 && *halves < 16));
        let engine = Engine::new(Catalogue::embedded().expect("the embedded rules are sound"));
        let words = words(&engine.prefilter.anchors).0;
        let known = words.iter().filter(|word| dealt.0.contains_key(*word)).count();
        assert!(10 * known > 8 * words.len(), "{known} of {} words: run `make sieve`", words.len());
    }

    #[test]
    fn a_table_lets_less_pass_than_chance() {
        let mut all: Vec<Word> = Dealt::embedded().0.into_keys().collect();
        all.sort_by_key(|word| word.spelt().0.to_vec());
        all.truncate(40);
        let text = include_bytes!("dealt.rs");
        let table = table(&mut all, text);
        let dealt: HashMap<Word, [usize; 2], _> =
            table.lines().filter_map(line).collect::<HashMap<_, _, foldhash::fast::RandomState>>();
        assert_eq!(dealt.len(), all.len());
        let passing_with = |place: &dyn Fn(usize, &Word) -> usize| {
            let mut buckets = vec![Bucket::default(); 8];
            for (number, word) in all.iter().enumerate() {
                let at = place(number, word);
                buckets[at] = buckets[at].with(&Bucket::of(word, Grain::Bytes), Grain::Bytes);
            }
            passing(&buckets, &grams(text))
        };
        let (worked_out, by_turns) = (passing_with(&|_, word| dealt[word][0]), passing_with(&|number, _| number % 8));
        assert!(worked_out < by_turns, "{worked_out} of {by_turns}");
    }
}
