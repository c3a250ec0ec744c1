//! Traefik's front end takes any text: no panic, no endless loop.

#![no_main]

use std::sync::Arc;

use keybound::gateway::FrontEnd;
use keybound::gateway::files::{Files, Text};
use keybound::gateway::traefik::Traefik;
use keybound::origin::Origin;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for name in ["traefik.yml", "traefik.toml"] {
        let origin = Arc::new(Origin::file(name.into()));
        let _ = Traefik.recognises(name, text);
        let _ = Traefik.lower(&Files::new(vec![Text::new(origin, text.as_bytes().to_vec())]), &[0]);
    }
});
