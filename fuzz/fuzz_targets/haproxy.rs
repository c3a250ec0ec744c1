//! HAProxy's parser and front end take any text: no panic, no endless loop, every place inside the text.

#![no_main]

use std::sync::Arc;

use keybound::gateway::FrontEnd;
use keybound::gateway::files::{Files, Text};
use keybound::gateway::haproxy::Haproxy;
use keybound::origin::Origin;
use keybound::syntax::haproxy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for section in &haproxy::parse(text).sections {
        for line in section.lines.iter().chain([&section.head]) {
            for word in &line.words {
                assert!(word.bytes.0 <= word.bytes.1 && text.get(word.bytes.0..word.bytes.1).is_some());
            }
        }
    }
    let _ = Haproxy.recognises("haproxy.cfg", text);
    let origin = Arc::new(Origin::file("haproxy.cfg".into()));
    let _ = Haproxy.lower(&Files::new(vec![Text::new(origin, text.as_bytes().to_vec())]), &[0]);
});
