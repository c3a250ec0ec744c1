//! The compact decoder takes any bytes as header, segments, signature and content.

#![no_main]

use keybound::token::jose::{self, Content};
use libfuzzer_sys::fuzz_target;

const ALGORITHMS: &[&str] =
    &["none", "NoNe", "HS256", "HS384", "HS512", "ES256", "ES256K", "ES384", "ES512", "EdDSA", "RS256", "PS512", "XX1", ""];

fuzz_target!(|bytes: &[u8]| {
    if let Some(json) = jose::decode_header(bytes) {
        // Only an object with a string `alg` is a header.
        let header = keybound::syntax::json::parse(&json).expect("JSON");
        assert!(header.get("alg").and_then(|alg| alg.as_str()).is_some());
    }
    for encrypted in [false, true] {
        if let Some(found) = jose::segments(bytes, encrypted) {
            assert!(found.length <= bytes.len());
            assert!(bytes.starts_with(found.header));
            let own = &bytes[..found.length];
            let again = jose::segments(own, encrypted).expect("the token stands by itself");
            assert_eq!(again, found);
            if !encrypted {
                assert_eq!([found.header, found.payload, found.signature].join(&b'.'), own);
            }
        }
    }
    for alg in ALGORITHMS {
        let _ = jose::signature(alg, bytes);
    }
    if let Content::Claims(claims) = jose::content(bytes) {
        assert!(claims.members().is_some());
    }
});
