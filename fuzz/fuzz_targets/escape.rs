//! Runs through escapes end where they end, whatever follows, and a cut never makes one look longer.

#![no_main]

use keybound::token::escape::{self, BASE64URL, COMPACT, Class, Escape, TOKEN68};
use libfuzzer_sys::fuzz_target;

/// One that holds what begins an escape.
static WIDE: Class = Class::alphanumeric_and(b"-._~+/=!:@,&?%#");

fuzz_target!(|bytes: &[u8]| {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let class = [&COMPACT, &BASE64URL, &TOKEN68, &WIDE][usize::from(first & 3)];
    let limit = if first & 4 == 0 { usize::MAX / 2 } else { usize::from(first >> 3) };
    for start in 0..bytes.len().min(64) {
        let run = escape::run(bytes, start, class, limit);
        assert!(run.end >= start && run.end <= bytes.len());
        assert!(run.text.len() <= limit && run.text.len() <= run.end - start);
        assert!(run.text.iter().all(|b| class.has(*b)));
        if let Escape::Char(decoded, length) = escape::escape(&bytes[start..]) {
            assert!(decoded < 0x80 && length >= 2 && start + length <= bytes.len());
        }
        let _ = escape::starts_cleanly(bytes, start);
        // A run that is closed in a shorter buffer is the same in a longer one.
        for end in (start..bytes.len()).rev().take(40) {
            let cut = escape::run(&bytes[..end], start, class, limit);
            if !cut.open {
                assert_eq!((cut.text, cut.end), (run.text.clone(), run.end), "cut at {end}");
            }
        }
    }
});
