//! The prefilter: where in the bytes could a token be?
//!
//! Every family names literal *anchors*; a window of bytes is searched for all of them before anything else looks at
//! it. What makes that fast is that the vectorised set searcher (Teddy) runs at many gigabytes a second as long as a
//! set has no more than [`SET`] literals of three or four bytes. So every anchor is represented by a *fragment* of it:
//! one that other anchors share if possible, else the one that is rarest in ordinary text. The fragments make as few
//! sets as possible, each set makes its own pass over a window that stays in the cache, and only where a fragment
//! stands is the whole anchor compared.
//!
//! Measured on one core over a generated log: 20 or 31 fragments 0.09 ns a byte, 48 to 64 fragments 0.14 to 0.16; one
//! automaton over all of them takes 0.5 and more.

use aho_corasick::packed::{Config, Searcher};
use aho_corasick::{AhoCorasick, Anchored, Input, MatchKind};
use memchr::memmem::Finder;

use crate::rules::{MAX_ANCHOR, MIN_ANCHOR};

/// The most fragments that share one pass: what the vectorised searcher holds.
const SET: usize = 64;
/// The most three-byte fragments: few enough for the searcher's faster form.
const SHORT_SET: usize = 32;

/// One place where an anchor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AnchorHit {
    /// Offset of the anchor's first byte in the buffer.
    pub at: usize,
    /// Index of the anchor in the list that the filter was built from.
    pub anchor: u16,
}

/// A set of anchors, ready to be looked for.
#[derive(Debug)]
pub struct Prefilter {
    groups: Vec<Group>,
    singles: Vec<(Finder<'static>, u16)>,
    anchors: Vec<Anchor>,
}

/// A literal and how it is compared.
#[derive(Debug)]
struct Anchor {
    literal: Box<[u8]>,
    any_case: bool,
}

/// Some fragments with the searcher that finds them; `owners[i]` are the anchors behind fragment `i`.
#[derive(Debug)]
struct Group {
    searcher: Engine,
    owners: Vec<Vec<Owner>>,
}

#[derive(Debug)]
enum Engine {
    Packed(Searcher),
    /// Where the processor has no vector instructions that the packed searcher knows.
    Automaton(AhoCorasick),
}

#[derive(Debug, Clone, Copy)]
struct Owner {
    anchor: u16,
    /// Where the fragment stands in the anchor.
    offset: u8,
}

impl Prefilter {
    /// Builds the filter from literals, each with whether it is wanted in any letter case (lower, upper and
    /// capitalised spellings). Literals shorter than [`MIN_ANCHOR`] or longer than [`MAX_ANCHOR`] are never found.
    pub fn new<'a>(literals: impl IntoIterator<Item = (&'a [u8], bool)>) -> Self {
        let anchors: Vec<Anchor> =
            literals.into_iter().map(|(l, any_case)| Anchor { literal: l.into(), any_case }).collect();
        let mut singles = Vec::new();
        let mut spelled = Vec::new();
        for (index, Anchor { literal, any_case }) in anchors.iter().enumerate() {
            let index = index as u16;
            match literal.len() {
                MIN_ANCHOR..3 => singles.push((Finder::new(&**literal).into_owned(), index)),
                3..=MAX_ANCHOR => spelled.extend(spellings(literal, *any_case).map(|text| Spelled { text, index })),
                _ => {}
            }
        }
        let (short, long): (Vec<_>, Vec<_>) = spelled.into_iter().partition(|s| s.text.len() == 3);
        let mut long = cover(&long, 4);
        let mut short = cover(&short, 3);
        // What doesn't fit into one set of four-byte fragments goes over to the three-byte ones, most shared first.
        while long.len() > SET && short.len() < SHORT_SET {
            let Some(moved) = shared_start(&long) else { break };
            let members = long.extract_if(.., |f| f.bytes.starts_with(&moved));
            let owners = members.flat_map(|f| f.owners).collect();
            short.push(Fragment { bytes: moved.to_vec(), owners });
        }
        let groups = [(long, SET), (short, SET)]
            .into_iter()
            .flat_map(|(mut fragments, limit)| {
                fragments.sort_by(|a, b| a.bytes.cmp(&b.bytes));
                let parts = fragments.len().div_ceil(limit).max(1);
                let size = fragments.len().div_ceil(parts).max(1);
                fragments.chunks(size).map(Group::new).collect::<Vec<_>>()
            })
            .collect();
        Self { groups, singles, anchors }
    }

    /// Appends to `hits` every anchor that starts in `bytes[from..to]`, sorted by place; the anchor itself may reach
    /// past `to`.
    pub fn find(&self, bytes: &[u8], from: usize, to: usize, hits: &mut Vec<AnchorHit>) {
        let to = to.min(bytes.len());
        if from >= to {
            return;
        }
        let end = (to + MAX_ANCHOR).min(bytes.len());
        let span = &bytes[..end];
        for group in &self.groups {
            group.searcher.each(span, from, |fragment, at| {
                for owner in &group.owners[fragment] {
                    let Some(start) = at.checked_sub(usize::from(owner.offset)) else { continue };
                    if start >= from && start < to && self.stands(owner.anchor, bytes, start) {
                        hits.push(AnchorHit { at: start, anchor: owner.anchor });
                    }
                }
            });
        }
        for (finder, anchor) in &self.singles {
            for at in finder.find_iter(&bytes[from..(to + finder.needle().len() - 1).min(bytes.len())]) {
                hits.push(AnchorHit { at: from + at, anchor: *anchor });
            }
        }
        hits.sort_unstable();
        hits.dedup();
    }

    #[inline]
    fn stands(&self, anchor: u16, bytes: &[u8], start: usize) -> bool {
        let Anchor { literal, any_case } = &self.anchors[usize::from(anchor)];
        bytes
            .get(start..start + literal.len())
            .is_some_and(|found| if *any_case { found.eq_ignore_ascii_case(literal) } else { found == &**literal })
    }
}

impl Group {
    /// `fragments` are sorted. The searcher deals them out to its buckets in turn and tests a bucket as a whole, so
    /// that alike fragments should share one: they are handed over a bucket's length apart (a quarter faster).
    fn new(fragments: &[Fragment]) -> Self {
        let buckets = if fragments.len() > SHORT_SET { 16 } else { 8 };
        let rows = fragments.len().div_ceil(buckets);
        let fragments: Vec<&Fragment> =
            (0..rows).flat_map(|row| fragments.iter().skip(row).step_by(rows.max(1))).collect();
        Self {
            searcher: Engine::new(fragments.iter().map(|f| f.bytes.as_slice())),
            owners: fragments.iter().map(|f| f.owners.clone()).collect(),
        }
    }
}

impl Engine {
    fn new<'a>(fragments: impl Iterator<Item = &'a [u8]> + Clone) -> Self {
        let mut packed = Config::new().builder();
        packed.extend(fragments.clone());
        if let Some(searcher) = packed.build() {
            return Self::Packed(searcher);
        }
        // Literals of a few bytes, at most `SET` of them, always fit into an automaton.
        #[allow(clippy::expect_used)]
        Self::Automaton(
            AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostFirst)
                .build(fragments)
                .expect("a few short literals make an automaton"),
        )
    }

    /// Calls `found(fragment, at)` for every place from `from` on, overlapping ones too.
    #[inline]
    fn each(&self, bytes: &[u8], mut from: usize, mut found: impl FnMut(usize, usize)) {
        // All fragments of a group have one length and differ, so going on one byte after a match misses none.
        match self {
            Self::Packed(searcher) => {
                while let Some(m) = searcher.find_in(bytes, (from..bytes.len()).into()) {
                    found(m.pattern().as_usize(), m.start());
                    from = m.start() + 1;
                }
            }
            Self::Automaton(automaton) => {
                while let Some(m) = automaton.find(Input::new(bytes).range(from..).anchored(Anchored::No)) {
                    found(m.pattern().as_usize(), m.start());
                    from = m.start() + 1;
                }
            }
        }
    }
}

/// A literal as it is looked for.
#[derive(Debug)]
struct Spelled {
    text: Vec<u8>,
    index: u16,
}

/// A piece of one or more literals.
#[derive(Debug)]
struct Fragment {
    bytes: Vec<u8>,
    owners: Vec<Owner>,
}

fn spellings(literal: &[u8], any_case: bool) -> impl Iterator<Item = Vec<u8>> {
    let lower = literal.to_ascii_lowercase();
    let upper = literal.to_ascii_uppercase();
    let mut capital = lower.clone();
    if let Some(first) = capital.first_mut() {
        first.make_ascii_uppercase();
    }
    let mut all = if any_case { vec![lower, upper, capital] } else { vec![literal.to_vec()] };
    all.dedup();
    all.into_iter()
}

/// Fragments of `length` bytes, at least one of every literal: those that most literals share first, of those the
/// rarest in ordinary text.
fn cover(literals: &[Spelled], length: usize) -> Vec<Fragment> {
    let mut open: Vec<&Spelled> = literals.iter().collect();
    let mut fragments = Vec::new();
    let mut pieces: Vec<(&[u8], usize)> = Vec::new();
    while !open.is_empty() {
        pieces.clear();
        for (at, literal) in open.iter().enumerate() {
            pieces.extend(literal.text.windows(length).map(|piece| (piece, at)));
        }
        pieces.sort_unstable();
        pieces.dedup();
        let best = pieces
            .chunk_by(|a, b| a.0 == b.0)
            .max_by_key(|same| {
                let rarity = u32::MAX - same[0].0.iter().map(|b| commonness(*b)).sum::<u32>();
                (same.len(), rarity)
            })
            .map(|same| same[0].0.to_vec());
        let Some(bytes) = best else { break };
        let mut owners = Vec::new();
        open.retain(|literal| match literal.text.windows(length).position(|piece| piece == bytes) {
            Some(offset) => {
                owners.push(Owner { anchor: literal.index, offset: offset as u8 });
                false
            }
            None => true,
        });
        owners.sort_by_key(|owner| (owner.anchor, owner.offset));
        owners.dedup_by_key(|owner| (owner.anchor, owner.offset));
        fragments.push(Fragment { bytes, owners });
    }
    fragments
}

/// The three bytes that most four-byte fragments begin with, those with vowels last: they stand in too many words.
fn shared_start(fragments: &[Fragment]) -> Option<[u8; 3]> {
    let mut starts: Vec<[u8; 3]> = fragments.iter().map(|f| [f.bytes[0], f.bytes[1], f.bytes[2]]).collect();
    starts.sort_unstable();
    let worth = |same: &[[u8; 3]]| {
        let vowels = same[0].iter().filter(|b| b"aeiou".contains(b)).count();
        (same.len() * 100) / (1 + 3 * vowels)
    };
    let rarity = |start: [u8; 3]| u32::MAX - start.iter().map(|b| commonness(*b)).sum::<u32>();
    starts.chunk_by(|a, b| a == b).max_by_key(|same| (worth(same), rarity(same[0]))).map(|same| same[0])
}

/// How often a byte stands in ordinary logs and sources, roughly; only the order matters.
fn commonness(byte: u8) -> u32 {
    match byte {
        b'e' | b't' | b'a' | b' ' | b'0'..=b'9' => 9,
        b'o' | b'i' | b'n' | b's' | b'r' | b'-' | b'/' | b'.' | b':' | b'"' | b'=' => 7,
        b'h' | b'l' | b'd' | b'c' | b'u' | b'm' | b'p' | b'_' => 5,
        b'f' | b'g' | b'y' | b'w' | b'b' | b'v' | b'k' => 3,
        b'A'..=b'Z' => 2,
        _ => 1,
    }
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
    fn many_anchors_need_several_groups() {
        let literals: Vec<String> = (0..500).map(|n| format!("q{n:03}z")).collect();
        let filter = Prefilter::new(literals.iter().map(|l| (l.as_bytes(), false)));
        let text = literals.concat();
        let found = all(&filter, text.as_bytes(), 0, text.len());
        assert_eq!(found.len(), 500);
        assert!(found.iter().enumerate().all(|(n, h)| usize::from(h.anchor) == n));
    }
}
