//! The YAML reader takes any text: no panic, no endless loop, every span inside the text.

#![no_main]

use keybound::syntax::yaml::{self, Kind, Node};
use libfuzzer_sys::fuzz_target;

fn check(node: &Node, text: &str, depth: usize) {
    assert!(depth <= yaml::MAX_DEPTH + 2);
    let (start, end) = node.bytes;
    assert!(start <= end && end <= text.len(), "{start}..{end} of {}", text.len());
    // What lies below the greatest depth has no place.
    assert!(node.kind == Kind::Hole || node.place.line >= 1 && node.place.column >= 1);
    for (key, value) in node.entries() {
        check(key, text, depth + 1);
        check(value, text, depth + 1);
        let _ = key.text().and_then(|key| node.get(key));
    }
    if let Kind::Sequence(items) = &node.kind {
        items.iter().for_each(|item| check(item, text, depth + 1));
    }
}

fuzz_target!(|text: &str| {
    let stream = yaml::parse(text);
    stream.documents.iter().for_each(|document| check(document, text, 0));
});
