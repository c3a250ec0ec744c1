//! Whatever is printed is fit to be printed: no control character, nothing that reorders text, bounded, and stable.

#![no_main]

use std::sync::OnceLock;

use keybound::rules::Catalogue;
use keybound::token::redact::redact;
use keybound::token::engine::Engine;
use keybound::token::scanner::{Scanner, Window};
use libfuzzer_sys::fuzz_target;

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(Catalogue::embedded().expect("the catalogue")))
}

fuzz_target!(|text: &str| {
    let out = redact(engine(), text);
    assert!(!out.chars().any(char::is_control), "{out:?}");
    assert!(!out.chars().any(|c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')), "{out:?}");
    assert!(out.chars().count() <= 241, "{}", out.chars().count());
    // Nothing that the scanner knows is left over.
    let bytes = text.as_bytes();
    let mut scanner = Scanner::new(engine());
    scanner.scan(Window { bytes, base: 0, from: 0, to: bytes.len(), more: false });
    for sighting in &scanner.sightings {
        let token = &bytes[sighting.start as usize..sighting.end as usize];
        if token.len() >= 12 && bytes.len() >= 12 {
            assert!(!out.as_bytes().windows(token.len()).any(|w| w == token), "a token is left in {out:?}");
        }
    }
});
