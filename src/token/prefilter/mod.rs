//! The prefilter: where in the bytes could a token be?
//!
//! Every family names literal *anchors*; a window of bytes is searched for all of them, in one vectorised pass, before
//! anything else looks at it. An anchor is represented by a *word* of two to four of its bytes: one that other anchors
//! share if possible, else the one that is rarest in ordinary text. The [`sieve`] finds the words, and only where one
//! stands is the whole anchor compared.

mod buckets;
mod dealt;
mod sieve;

use sieve::{LENGTH, Sieve, Word};

use crate::rules::{MAX_ANCHOR, MIN_ANCHOR};

/// One place where an anchor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AnchorHit {
    /// Offset of the anchor's first byte in the buffer.
    pub at: usize,
    /// Index of the anchor in the list that the filter was built from.
    pub anchor: u16,
}

/// Bytes that were gone over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Offset of the first of them in the buffer.
    pub from: usize,
    /// Offset past the last one.
    pub to: usize,
    /// How many line feeds stand among them.
    pub breaks: usize,
}

/// A set of anchors, ready to be looked for.
#[derive(Debug)]
pub struct Prefilter {
    sieve: Sieve,
    /// The anchors behind each word of the sieve.
    owners: Vec<Vec<Owner>>,
    anchors: Vec<Anchor>,
}

/// A literal and how it is compared.
#[derive(Debug)]
struct Anchor {
    literal: Box<[u8]>,
    any_case: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Owner {
    anchor: u16,
    /// Where the word stands in the anchor.
    offset: u8,
}

impl Prefilter {
    /// Builds the filter from literals, each with whether it is wanted in any letter case. Literals shorter than
    /// [`MIN_ANCHOR`] or longer than [`MAX_ANCHOR`] are never found.
    pub fn new<'a>(literals: impl IntoIterator<Item = (&'a [u8], bool)>) -> Self {
        let anchors: Vec<Anchor> = literals
            .into_iter()
            .map(|(literal, any_case)| Anchor {
                literal: if any_case { literal.to_ascii_lowercase().into() } else { literal.into() },
                any_case,
            })
            .collect();
        let (words, owners) = words(&anchors);
        Self { sieve: Sieve::new(&words), owners, anchors }
    }

    /// Appends to `hits` every anchor that starts in `bytes[from..to]`, sorted by place; the anchor itself may reach
    /// past `to`. Says whether a NUL stands in that part or shortly after it.
    pub fn find(&self, bytes: &[u8], from: usize, to: usize, hits: &mut Vec<AnchorHit>) -> bool {
        self.find_and_count(bytes, from, to, hits, |_| ())
    }

    /// The same, telling `passed` of the line breaks on the way: of stretches that follow each other from `from` on, the
    /// last of which may reach past `to` or end shortly before it.
    pub fn find_and_count(
        &self,
        bytes: &[u8],
        from: usize,
        to: usize,
        hits: &mut Vec<AnchorHit>,
        passed: impl FnMut(Stretch),
    ) -> bool {
        let to = to.min(bytes.len());
        if from >= to {
            return false;
        }
        let first = hits.len();
        // A word stands somewhere in its anchor.
        let end = (to + MAX_ANCHOR).min(bytes.len());
        let found = |word: usize, at: usize| {
            for owner in &self.owners[word] {
                let Some(start) = at.checked_sub(usize::from(owner.offset)) else { continue };
                if start >= from && start < to && self.stands(owner.anchor, bytes, start) {
                    hits.push(AnchorHit { at: start, anchor: owner.anchor });
                }
            }
        };
        let has_nul = self.sieve.each(bytes, from, end, found, passed);
        hits[first..].sort_unstable();
        has_nul
    }

    /// Which words share a bucket, worked out on real text: what stands in `dealt.txt`.
    pub fn deal_anew(&self, samples: &[u8]) -> String {
        dealt::table(&mut words(&self.anchors).0, samples)
    }

    #[inline]
    fn stands(&self, anchor: u16, bytes: &[u8], start: usize) -> bool {
        let Anchor { literal, any_case } = &self.anchors[usize::from(anchor)];
        bytes
            .get(start..start + literal.len())
            .is_some_and(|found| if *any_case { found.eq_ignore_ascii_case(literal) } else { found == &**literal })
    }
}

/// The words of these anchors, and the anchors behind each.
fn words(anchors: &[Anchor]) -> (Vec<Word>, Vec<Vec<Owner>>) {
    let mut words = Vec::new();
    let mut owners = Vec::new();
    for length in MIN_ANCHOR..=LENGTH {
        let literals: Vec<(u16, &Anchor)> = (0u16..)
            .zip(anchors)
            .filter(|(_, anchor)| (MIN_ANCHOR..=MAX_ANCHOR).contains(&anchor.literal.len()))
            .filter(|(_, anchor)| anchor.literal.len().min(LENGTH) == length)
            .collect();
        for (word, of) in cover(&literals, length) {
            words.push(word);
            owners.push(of);
        }
    }
    (words, owners)
}

/// Some bytes of a literal, whether in any letter case, and the literal's number.
type PieceOf<'a> = ((&'a [u8], bool), usize);

/// Bytes that could be a word.
struct Piece<'a> {
    /// What a word more costs, and what it costs that ordinary text has these bytes.
    cost: f32,
    /// One for each literal that has them.
    of: &'a [PieceOf<'a>],
    /// How many of these literals have no word yet.
    open: usize,
}

impl<'a> Piece<'a> {
    fn new(of: &'a [PieceOf<'a>]) -> Self {
        // A word more costs about as much as a few places where it stands for nothing.
        Self { cost: 3.0 + buckets::commonness(of[0].0.0), of, open: of.len() }
    }

    /// What it costs for each literal that it would be the word of.
    fn price(&self) -> f32 {
        self.cost / self.open as f32
    }
}

/// Words of `length` bytes, one for each literal: rare in ordinary text, and shared by many literals.
fn cover(literals: &[(u16, &Anchor)], length: usize) -> Vec<(Word, Vec<Owner>)> {
    let mut all: Vec<PieceOf<'_>> = Vec::new();
    for (number, (_, anchor)) in literals.iter().enumerate() {
        all.extend(anchor.literal.windows(length).map(|bytes| ((bytes, anchor.any_case), number)));
    }
    all.sort_unstable();
    all.dedup();
    let mut pieces: Vec<Piece<'_>> = all.chunk_by(|a, b| a.0 == b.0).map(Piece::new).collect();
    let mut open = vec![true; literals.len()];
    let mut words = Vec::new();
    while let Some(best) = pieces.iter().min_by(|a, b| a.price().total_cmp(&b.price())) {
        let ((bytes, any_case), _) = best.of[0];
        let mut owners = Vec::new();
        for (_, number) in best.of {
            let (index, anchor) = literals[*number];
            let offset = anchor.literal.windows(length).position(|piece| piece == bytes);
            if let Some(offset) = offset.filter(|_| std::mem::take(&mut open[*number])) {
                owners.push(Owner { anchor: index, offset: offset as u8 });
            }
        }
        words.push((Word::new(bytes, any_case), owners));
        pieces.retain_mut(|piece| {
            piece.open = piece.of.iter().filter(|(_, number)| open[*number]).count();
            piece.open > 0
        });
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(filter: &Prefilter, bytes: &[u8], from: usize, to: usize) -> Vec<AnchorHit> {
        let mut hits = Vec::new();
        filter.find(bytes, from, to, &mut hits);
        hits
    }

    #[test]
    fn finds_every_anchor_once_whatever_the_place_and_the_cut() {
        let literals: [(&[u8], bool); 5] =
            [(b"hf_", false), (b"ghp_", false), (b"uthorization", true), (b"token", true), (b"xyzzy", false)];
        let filter = Prefilter::new(literals);
        for (index, (literal, any_case)) in literals.iter().enumerate() {
            for pad in 0..20 {
                for tail in 0..12 {
                    let mut bytes = vec![b' '; pad];
                    let spelled = if *any_case { literal.to_ascii_uppercase() } else { literal.to_vec() };
                    bytes.extend_from_slice(&spelled);
                    bytes.extend(vec![b'q'; tail]);
                    let expected = vec![AnchorHit { at: pad, anchor: index as u16 }];
                    assert_eq!(all(&filter, &bytes, 0, bytes.len()), expected);
                    for cut in 0..=bytes.len() {
                        let mut parts = all(&filter, &bytes, 0, cut);
                        parts.extend(all(&filter, &bytes, cut, bytes.len()));
                        assert_eq!(parts, expected, "cut at {cut} of {bytes:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn overlapping_anchors_are_all_found() {
        let literals: [&[u8]; 5] = [b"abcd", b"bcde", b"cdef", b"abc", b"ab"];
        let filter = Prefilter::new(literals.map(|l| (l, false)));
        let found: Vec<_> = all(&filter, b"xabcdefx", 0, 8).iter().map(|h| (h.at, h.anchor)).collect();
        assert_eq!(found, [(1, 0), (1, 3), (1, 4), (2, 1), (3, 2)]);
    }

    #[test]
    fn many_anchors_are_told_apart() {
        let literals: Vec<String> = (0..500).map(|n| format!("q{n:03}z")).collect();
        let filter = Prefilter::new(literals.iter().map(|l| (l.as_bytes(), false)));
        let text = literals.concat();
        let found = all(&filter, text.as_bytes(), 0, text.len());
        assert_eq!(found.len(), 500);
        assert!(found.iter().enumerate().all(|(n, h)| usize::from(h.anchor) == n));
    }
}
