//! Wherever a stream is cut, in windows or in parts, the same tokens are seen at the same places, each once.

#[path = "cuts/drive.rs"]
mod drive;

use std::sync::OnceLock;

use drive::{Placed, Seen, filler, in_parts, in_windows, line_column, text, whole};
use keybound::rules::Catalogue;
use keybound::token::engine::Engine;
use proptest::prelude::*;
use proptest::sample::Index;

/// What `source::stream` reads at a time.
const CHUNK: usize = 256 * 1024;

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(Catalogue::embedded().unwrap_or_else(|e| panic!("{e}"))))
}

fn config(cases: u32) -> ProptestConfig {
    let cases = std::env::var("CUTS_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(cases);
    ProptestConfig {
        cases,
        rng_seed: proptest::test_runner::RngSeed::Fixed(7),
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    }
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

fn check_parts(bytes: &[u8], expected: &[Seen], cuts: &[u64], sizes: &[usize]) -> Result<(), TestCaseError> {
    let found = in_parts(engine(), bytes, cuts, sizes);
    prop_assert_eq!(seen(&found), expected, "parts begin at {:?}", cuts);
    check_lines(bytes, &found)
}

fn pieces(most: usize) -> impl Strategy<Value = Vec<(u8, u64)>> {
    prop::collection::vec((0..drive::KINDS, any::<u64>()), 1..most)
}

/// The cuts, each moved to the next beginning of a line that lies outside of all tokens.
fn at_lines(bytes: &[u8], expected: &[Seen], cuts: &[usize]) -> Vec<u64> {
    let outside = |at: &usize| {
        let at = *at as u64;
        bytes[at as usize - 1] == b'\n' && !expected.iter().any(|one| one.start < at && at < one.end)
    };
    cuts.iter().filter_map(|cut| (cut + 1..bytes.len()).find(outside)).map(|at| at as u64).collect()
}

#[test]
fn the_pieces_hold_tokens() {
    for kind in 20..drive::KINDS {
        let bytes = text(&[(0, 0), (kind, 7), (0, 0)]);
        assert!(!whole(engine(), &bytes).is_empty(), "kind {kind}: {}", String::from_utf8_lossy(&bytes));
    }
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn windows_may_end_anywhere(pieces in pieces(16), cuts in prop::collection::vec(any::<Index>(), 1..6)) {
        let bytes = text(&pieces);
        let expected = whole(engine(), &bytes);
        check_lines(&bytes, &expected)?;
        let ends = offsets(&cuts, bytes.len());
        prop_assert_eq!(in_windows(engine(), &bytes, &ends), seen(&expected), "windows end at {:?}", ends);
    }

    #[test]
    fn parts_may_begin_with_any_line(
        pieces in pieces(20),
        cuts in prop::collection::vec(any::<Index>(), 1..5),
        sizes in prop::collection::vec(1usize..3000, 1..4),
    ) {
        let bytes = text(&pieces);
        let expected = seen(&whole(engine(), &bytes));
        let cuts = at_lines(&bytes, &expected, &offsets(&cuts, bytes.len()));
        check_parts(&bytes, &expected, &cuts, &sizes)?;
    }

    #[test]
        fn parts_may_begin_anywhere(
        pieces in pieces(16),
        cuts in prop::collection::vec(any::<Index>(), 1..5),
        sizes in prop::collection::vec(1usize..3000, 1..4),
    ) {
        let bytes = text(&pieces);
        let expected = seen(&whole(engine(), &bytes));
        let cuts: Vec<u64> = offsets(&cuts, bytes.len()).into_iter().map(|cut| cut as u64).collect();
        check_parts(&bytes, &expected, &cuts, &sizes)?;
    }
}

/// The driver reads [`CHUNK`] bytes at a time: with filler before them, pieces come to stand on that edge.
fn check_chunks(
    pieces: &[(u8, u64)],
    before: usize,
    long: bool,
    cut: usize,
    sizes: &[usize],
) -> Result<(), TestCaseError> {
    let bytes = [filler(CHUNK - before, long), text(pieces), filler(300, false)].concat();
    // The scanner's own view of it, in one window.
    let expected = in_windows(engine(), &bytes, &[]);
    check_parts(&bytes, &expected, &[], sizes)?;
    let cuts = at_lines(&bytes, &expected, &[cut]);
    check_parts(&bytes, &expected, &cuts, sizes)
}

proptest! {
    #![proptest_config(config(16))]

    #[test]
    fn chunks_may_end_anywhere(
        pieces in pieces(16),
        before in 0usize..4000,
        cut in 0..CHUNK,
        sizes in prop::collection::vec(1usize..100_000, 1..4),
    ) {
        check_chunks(&pieces, before, false, cut, &sizes)?;
    }

    #[test]
        fn chunks_may_end_anywhere_in_long_lines(
        pieces in pieces(16),
        before in 0usize..4000,
        cut in 0..CHUNK,
        sizes in prop::collection::vec(1usize..100_000, 1..4),
    ) {
        check_chunks(&pieces, before, true, cut, &sizes)?;
    }
}

// ---- what was found this way --------------------------------------------------------------------------------------

fn one(kind: u8) -> Vec<u8> {
    text(&[(kind, 0)])
}

#[track_caller]
fn assert_parts(bytes: &[u8], cut: u64) {
    let expected = seen(&whole(engine(), bytes));
    check_parts(bytes, &expected, &[cut], &[]).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn the_values_of_a_cookie_header_are_seen_once() {
    assert_parts(&one(34), 2);
}

#[test]
fn a_key_binding_is_part_of_its_sd_jwt() {
    assert_parts(&one(24), 20);
}

#[test]
fn a_token_with_a_jwt_inside_is_one_token() {
    assert_parts(&one(27), 3);
}

#[test]
fn the_column_of_a_token_on_the_edge_of_a_chunk_in_a_long_line() {
    check_chunks(&[(1, 0), (30, 0)], 233, true, CHUNK, &[]).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn two_presigned_queries_are_two_tokens() {
    let query = &one(31)[1..];
    let bytes = [query, b"&", query].concat();
    let length = query.len() as u64;
    let places: Vec<_> = whole(engine(), &bytes).iter().map(|p| (p.seen.start, p.seen.end)).collect();
    assert_eq!(places, [(0, length), (length + 1, 2 * length + 1)]);
}

/// What stands after a token says how it is meant, on the edge of a chunk as anywhere.
#[test]
fn what_follows_a_token_counts_on_the_edge_of_a_chunk() {
    use keybound::token::fault::Fault;
    let name = ["access", "_tok", "en"].concat();
    let value = text(&[(32, 3)]);
    let value = String::from_utf8_lossy(&value[5..35]).into_owned();
    let record = format!("{{\"{name}\":\"{value}\",\"scope\":\"{}\",\"expires_in\":86400}}", "orders.read ".repeat(8));
    let faults = |bytes: &[u8]| -> Vec<Fault> {
        let policy = keybound::policy::Policy::default();
        let (finding, _) = keybound::scan::verdict_on(engine(), &policy, bytes, 0).expect("a finding");
        Fault::ALL.iter().copied().filter(|f| finding.faults.iter().any(|slug| *slug == f.slug())).collect()
    };
    assert_eq!(faults(record.as_bytes()), [Fault::TokenTtlLong]);
    let end = record.find("\",\"scope").expect("the value's end");
    let edge = [filler(CHUNK - end - 70, false), record.into_bytes()].concat();
    assert_eq!(faults(&edge), [Fault::TokenTtlLong]);
}

#[test]
fn what_follows_base64_on_the_next_line_is_not_part_of_it() {
    let bytes = text(&[(0, 0), (10, 0), (12, 657399834931430039), (40, 7875936170430060420), (38, 0)]);
    assert_eq!(whole(engine(), &bytes).len(), 2);
    assert_parts(&bytes, 191);
}
