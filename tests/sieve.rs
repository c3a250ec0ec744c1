//! Which words of the prefilter share a bucket is told by real text; this writes it down.

use std::fs;

use keybound::rules::Catalogue;
use keybound::token::engine::Engine;

#[test]
#[ignore = "writes the table anew; see `make sieve`"]
fn deal_anew() {
    let files = std::env::var("KEYBOUND_SAMPLES").expect("KEYBOUND_SAMPLES names files of real text");
    let samples: Vec<u8> = files.split_whitespace().flat_map(|file| fs::read(file).expect("a file")).collect();
    let engine = Engine::new(Catalogue::embedded().expect("the embedded rules are sound"));
    let table = engine.prefilter.deal_anew(&samples);
    assert!(!samples.is_empty() && table.lines().count() > 100, "{table}");
    fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/token/prefilter/dealt.txt"), table).expect("it can be written");
}
