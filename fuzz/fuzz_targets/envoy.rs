//! Envoy's front end takes any text: no panic, no endless loop.

#![no_main]

use std::sync::Arc;

use keybound::gateway::FrontEnd;
use keybound::gateway::envoy::Envoy;
use keybound::gateway::files::{Files, Text};
use keybound::origin::Origin;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let origin = Arc::new(Origin::file("envoy.yaml".into()));
    let _ = Envoy.recognises("envoy.yaml", text);
    let _ = Envoy.lower(&Files::new(vec![Text::new(origin, text.as_bytes().to_vec())]), &[0]);
});
