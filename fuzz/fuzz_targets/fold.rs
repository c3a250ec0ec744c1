//! Any bytes as base64, as lines of a token, as 16-bit text and as a Kubernetes Secret: no panic, places lie inside the
//! bytes and in order; and what was encoded comes back, with each character where it was put.

#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use keybound::token::escape::COMPACT;
use keybound::token::fold::base64_run::{self, Base64Run, Outcome, Phase};
use keybound::token::fold::{inflate, lines, secret, wide};
use libfuzzer_sys::fuzz_target;

/// A run that is not cut off.
fn run(bytes: &[u8], at: usize, phase: Phase) -> Base64Run {
    match base64_run::read(bytes, at, phase, false) {
        Outcome::Run(run) => run,
        Outcome::NeedMore => panic!("nothing more comes"),
    }
}

fn check_run(bytes: &[u8], found: &Base64Run) {
    assert!(found.start <= found.end && found.end <= bytes.len());
    let mut last = found.start;
    let length = found.text.len();
    for from in [0, length / 3, length / 2, length.saturating_sub(1)] {
        let (start, end) = found.place(from, (from + 1).min(length));
        assert!(last <= start && start <= end && end <= found.end, "{from} of {length} at {start}..{end}");
        last = start;
    }
}

fn base64(kind: u8, body: &[u8]) {
    for phase in [Phase::Start, Phase::Within(kind % 4)] {
        let at = usize::from(kind) % (body.len() + 1);
        check_run(body, &run(body, at, phase));
    }
    let _ = base64_run::text(body);
    let encoded = if kind % 2 == 0 { STANDARD.encode(body) } else { URL_SAFE_NO_PAD.encode(body) };
    let width = [64, 76][usize::from(kind >> 1) % 2];
    let end = ["\n", "\r\n"][usize::from(kind >> 2) % 2];
    let symbols: Vec<&str> = encoded.as_bytes().chunks(width).filter_map(|l| std::str::from_utf8(l).ok()).collect();
    let wrapped = symbols.join(end);
    for text in [&encoded, &wrapped] {
        let text = format!("value: \"{text}\"");
        let found = run(text.as_bytes(), 8, Phase::Start);
        check_run(text.as_bytes(), &found);
        assert_eq!(found.text, body, "{text}");
    }
    if let Some(inflated) = inflate::inflate(body, 1 << 20) {
        assert!(inflated.bytes.len() <= 1 << 20);
    }
}

fn joined(kind: u8, body: &[u8]) {
    let at = usize::from(kind) % (body.len() + 1);
    let _ = lines::breaks_at(body, at);
    if let Some(found) = lines::join(body, at, &COMPACT, usize::from(kind) % 5, 4096) {
        assert!(found.text.len() <= 4096 && found.text.iter().all(|b| COMPACT.has(*b)));
        let mut last = at;
        for length in 0..=found.text.len() {
            let end = found.end(length);
            assert!(last <= end && end <= body.len(), "{length} characters end at {end}");
            last = end;
        }
        assert!(found.lengths().all(|length| length <= found.text.len()));
    }
    let token = URL_SAFE_NO_PAD.encode(body);
    let width = [60, 64, 72, 76][usize::from(kind) % 4];
    if token.len() <= width {
        return;
    }
    let pieces: Vec<&str> = token.as_bytes().chunks(width).filter_map(|l| std::str::from_utf8(l).ok()).collect();
    for end in ["\n", "\r\n", "=\r\n", "\\\n", "\n  "] {
        let text = format!("{}\n", pieces.join(end));
        let found = lines::join(text.as_bytes(), 0, &COMPACT, 2, 1 << 20).expect("lines");
        assert_eq!(found.text, token.as_bytes(), "{text:?}");
        assert_eq!(found.end(token.len()), text.len() - 1);
    }
}

fn wide_text(kind: u8, body: &[u8]) {
    let mut at = 0;
    while let Some(found) = wide::next(body, at) {
        assert!(found.start >= at && found.end() <= body.len(), "{found:?}");
        assert_eq!(found.text(body).len(), found.length);
        at = found.end();
    }
    let text: Vec<u8> = body.iter().map(|b| b' ' + b % 95).collect();
    if text.len() < 12 {
        return;
    }
    // The line end closes it: where the high byte comes first, the one of what follows is the last character's neighbour.
    let units = text.iter().chain(b"\n").flat_map(|b| if kind % 2 == 0 { [*b, 0] } else { [0, *b] });
    let bytes: Vec<u8> = [0xff, 0xfe].into_iter().chain(units).chain([0xff, 0xff]).collect();
    let found = wide::next(&bytes, 0).expect("a run");
    assert_eq!(found.start, 2 + usize::from(kind % 2));
    assert_eq!(found.text(&bytes).get(..text.len()), Some(&text[..]));
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&kind, body)) = bytes.split_first() else { return };
    base64(kind, body);
    joined(kind, body);
    wide_text(kind, body);
    for at in memchr::memmem::find_iter(body, b"Secret") {
        let Some(found) = secret::values(body, at, false) else { panic!("nothing more comes") };
        for value in found.values {
            assert!(value.name.end <= body.len() && value.at <= body.len());
        }
    }
});
