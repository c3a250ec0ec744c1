//! Apache's parser and front end take any text: no panic, no endless loop, every place inside the text.

#![no_main]

use std::sync::Arc;

use keybound::gateway::FrontEnd;
use keybound::gateway::apache::Apache;
use keybound::gateway::files::{Files, Text};
use keybound::origin::Origin;
use keybound::syntax::apache::{self, Node};
use libfuzzer_sys::fuzz_target;

fn check(nodes: &[Node], text: &str) {
    for node in nodes {
        assert!(node.bytes.0 <= node.bytes.1 && text.get(node.bytes.0..node.bytes.1).is_some());
        check(node.children.as_deref().unwrap_or_default(), text);
    }
}

fuzz_target!(|text: &str| {
    check(&apache::parse(text).nodes, text);
    let _ = Apache.recognises("httpd.conf", text);
    let origin = Arc::new(Origin::file("httpd.conf".into()));
    let _ = Apache.lower(&Files::new(vec![Text::new(origin, text.as_bytes().to_vec())]), &[0]);
});
