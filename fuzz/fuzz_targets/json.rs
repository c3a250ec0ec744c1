//! The JSON reader takes any bytes: it neither panics nor reads past the end, and what it reads it reads again.

#![no_main]

use keybound::syntax::json::{self, MAX_DEPTH, Value};
use libfuzzer_sys::fuzz_target;

fn depth(value: &Value<'_>) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.iter().map(|(_, item)| depth(item)).max().unwrap_or(0),
        _ => 0,
    }
}

fuzz_target!(|bytes: &[u8]| {
    let whole = json::parse(bytes);
    if let Some((value, end)) = json::parse_prefix(bytes) {
        assert!(end <= bytes.len());
        assert!(depth(&value) <= MAX_DEPTH + 1);
        // What was read stands by itself; white space before and after changes nothing.
        assert_eq!(json::parse(&bytes[..end]), Some(value.clone()));
        let padded = [b" \n", &bytes[..end], b"\t "].concat();
        assert_eq!(json::parse(&padded), Some(value.clone()));
        if let Some(whole) = whole {
            assert_eq!(whole, value);
        }
        for (name, _) in value.members().unwrap_or_default() {
            assert!(value.get(name).is_some());
        }
    } else {
        assert!(whole.is_none());
    }
});
