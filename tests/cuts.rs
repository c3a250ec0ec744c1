//! Wherever a stream is cut, in windows or in parts, the same tokens are seen at the same places, each once.

#[path = "cuts/drive.rs"]
mod drive;

use std::sync::OnceLock;

use drive::{Placed, Seen, filler, in_parts, in_windows, line_column, text, whole};
use keybound::rules::Catalogue;
use keybound::token::scanner::Engine;
use proptest::prelude::*;
use proptest::sample::Index;

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(Catalogue::embedded().unwrap_or_else(|e| panic!("{e}"))))
}

fn seen(placed: &[Placed]) -> Vec<Seen> {
    placed.iter().map(|p| p.seen.clone()).collect()
}

fn offsets(cuts: &[Index], length: usize) -> Vec<usize> {
    let mut offsets: Vec<usize> = cuts.iter().map(|cut| cut.index(length.max(1))).collect();
    offsets.sort_unstable();
    offsets
}

fn check_lines(bytes: &[u8], placed: &[Placed]) -> Result<(), TestCaseError> {
    for p in placed {
        prop_assert_eq!(p.place, line_column(bytes, p.seen.start), "start of {:?}", p.seen);
        prop_assert_eq!(p.place_end, line_column(bytes, p.seen.end), "end of {:?}", p.seen);
    }
    Ok(())
}

fn pieces(most: usize) -> impl Strategy<Value = Vec<(u8, u64)>> {
    prop::collection::vec((0..drive::KINDS, any::<u64>()), 1..most)
}

#[test]
fn the_pieces_hold_tokens() {
    for kind in 20..drive::KINDS {
        let bytes = text(&[(0, 0), (kind, 7), (0, 0)]);
        assert!(!whole(engine(), &bytes).is_empty(), "kind {kind}: {}", String::from_utf8_lossy(&bytes));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn windows_may_end_anywhere(pieces in pieces(16), cuts in prop::collection::vec(any::<Index>(), 1..6)) {
        let bytes = text(&pieces);
        let expected = seen(&whole(engine(), &bytes));
        let ends = offsets(&cuts, bytes.len());
        prop_assert_eq!(in_windows(engine(), &bytes, &ends), expected, "windows end at {:?}", ends);
    }

    #[test]
    fn parts_may_begin_anywhere(
        pieces in pieces(16),
        cuts in prop::collection::vec(any::<Index>(), 1..4),
        sizes in prop::collection::vec(1usize..3000, 1..4),
    ) {
        let bytes = text(&pieces);
        let expected = whole(engine(), &bytes);
        check_lines(&bytes, &expected)?;
        let cuts: Vec<u64> = offsets(&cuts, bytes.len()).into_iter().map(|cut| cut as u64).collect();
        let found = in_parts(engine(), &bytes, &cuts, &sizes);
        prop_assert_eq!(seen(&found), seen(&expected), "parts begin at {:?}", cuts);
        check_lines(&bytes, &found)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// The driver reads 256 KiB at a time: with filler before them, pieces come to stand on that edge.
    #[test]
    fn chunks_may_end_anywhere(
        pieces in pieces(16),
        before in 254_000usize..262_200,
        long in any::<bool>(),
        cut in any::<Index>(),
        sizes in prop::collection::vec(1usize..100_000, 1..4),
    ) {
        let bytes = [filler(before, long), text(&pieces), filler(300, false)].concat();
        // The scanner's own view of it, in one window.
        let expected = in_windows(engine(), &bytes, &[]);
        let found = in_parts(engine(), &bytes, &[], &sizes);
        prop_assert_eq!(seen(&found), expected.clone());
        check_lines(&bytes, &found)?;
        let cut = cut.index(bytes.len()) as u64;
        let found = in_parts(engine(), &bytes, &[cut], &sizes);
        prop_assert_eq!(seen(&found), expected, "the second part begins at {}", cut);
        check_lines(&bytes, &found)?;
    }
}
