//! The whole scanner on any bytes: wherever windows and parts are cut, the same tokens are seen at the same places.
//!
//! The first byte says how the input is meant: as it stands, or as a list of pieces (kind, seed) that are put together
//! to a text full of tokens. The next bytes are the cuts.

#![no_main]

#[path = "../../tests/cuts/drive.rs"]
mod drive;

use std::sync::OnceLock;

use drive::{in_parts, in_windows, line_column, whole};
use keybound::rules::Catalogue;
use keybound::token::engine::Engine;
use libfuzzer_sys::fuzz_target;

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(Catalogue::embedded().expect("the catalogue")))
}

fuzz_target!(|bytes: &[u8]| {
    let Some((head, body)) = bytes.split_at_checked(9) else { return };
    let text = if head[0] & 1 == 0 {
        body.to_vec()
    } else {
        let mut text = Vec::new();
        let mut rest = body;
        while let Some((piece, more)) = rest.split_at_checked(2) {
            let literal = usize::from(piece[1] & 15);
            // A kind past the last one: the bytes themselves.
            if piece[0] >= drive::KINDS * 4 {
                let (own, after) = more.split_at(literal.min(more.len()));
                text.extend_from_slice(own);
                rest = after;
            } else {
                text.extend(drive::piece(piece[0], u64::from(piece[1])));
                rest = more;
            }
        }
        text
    };
    let at = |pair: &[u8]| usize::from(u16::from_le_bytes([pair[0], pair[1]])) * text.len() / 65_536;
    let mut ends: Vec<usize> = head[1..].chunks(2).map(at).collect();
    ends.sort_unstable();

    let expected = whole(engine(), &text);
    for found in &expected {
        assert_eq!(found.place, line_column(&text, found.seen.start));
        assert_eq!(found.place_end, line_column(&text, found.seen.end));
    }
    let expected: Vec<_> = expected.into_iter().map(|found| found.seen).collect();
    assert_eq!(in_windows(engine(), &text, &ends), expected, "windows end at {ends:?}");

    // Parts forget the tokens that begin before them, see `parts_may_begin_anywhere` in tests/cuts.rs: until that is
    // mended they are cut only behind line breaks outside of tokens.
    let clean = |at: &u64| {
        *at > 0
            && text[*at as usize - 1] == b'\n'
            && !expected.iter().any(|one| one.start < *at && *at < one.end)
    };
    let strict = head[0] & 2 == 2 && cfg!(feature = "strict");
    let cuts: Vec<u64> = ends.iter().map(|end| *end as u64).filter(|at| strict || clean(at)).collect();
    let found = in_parts(engine(), &text, &cuts, &[usize::from(head[1]) + 1]);
    for found in &found {
        assert_eq!(found.place, line_column(&text, found.seen.start));
        assert_eq!(found.place_end, line_column(&text, found.seen.end));
    }
    let found: Vec<_> = found.into_iter().map(|found| found.seen).collect();
    assert_eq!(found, expected, "parts begin at {cuts:?}");
});
