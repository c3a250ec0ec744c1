//! nginx's parser and front end take any text: no panic, no endless loop, every place inside the text and within what is
//! around it.

#![no_main]

use std::sync::Arc;

use keybound::gateway::FrontEnd;
use keybound::gateway::files::{Files, Text};
use keybound::gateway::nginx::Nginx;
use keybound::origin::Origin;
use keybound::syntax::directives::{self, Directive};
use libfuzzer_sys::fuzz_target;

fn check(level: &[Directive], text: &str, (start, end): (usize, usize)) {
    for directive in level {
        assert!(start <= directive.bytes.0 && directive.bytes.0 <= directive.bytes.1 && directive.bytes.1 <= end);
        for word in directive.arguments.iter().chain([&directive.name]) {
            assert!(text.get(word.bytes.0..word.bytes.1).is_some());
        }
        check(directive.block.as_deref().unwrap_or_default(), text, directive.bytes);
    }
}

fuzz_target!(|text: &str| {
    let document = directives::read(text, (0, text.len()));
    check(&document.directives, text, (0, text.len()));
    let _ = Nginx.recognises("nginx.conf", text);
    let origin = Arc::new(Origin::file("nginx.conf".into()));
    let _ = Nginx.lower(&Files::new(vec![Text::new(origin, text.as_bytes().to_vec())]), &[0]);
});
