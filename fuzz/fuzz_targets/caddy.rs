//! Caddy's front end takes any text: no panic, no endless loop.

#![no_main]

use std::sync::Arc;

use keybound::gateway::FrontEnd;
use keybound::gateway::caddy::Caddy;
use keybound::gateway::files::{Files, Text};
use keybound::origin::Origin;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let origin = Arc::new(Origin::file("Caddyfile".into()));
    let _ = Caddy.recognises("Caddyfile", text);
    let _ = Caddy.lower(&Files::new(vec![Text::new(origin, text.as_bytes().to_vec())]), &[0]);
});
