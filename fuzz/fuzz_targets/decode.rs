//! Every named decoder takes any bytes as a token: no panic, and what it reads is a time and texts of bounded length. Half of
//! the inputs are encoded on the way, so that the formats behind base64 are reached.

#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use keybound::finding::Confidence;
use keybound::rules::Decoder;
use keybound::token::decode::{Proof, decode};
use keybound::token::facts::{Facts, Kind, Time};
use keybound::token::intern::Interner;
use libfuzzer_sys::fuzz_target;

/// What stands before the encoded part.
const PREFIXES: &[&str] = &[
    "", "v1.public.", "v2.public.", "v3.public.", "v4.public.", "v2.local.", "fm2_", "fm1r_", "biscuit:", "pypi-", "ghs_1_",
    "sntrys_", "glc_", "ops_", "ABSK", "bedrock-api-key-", "glpat-",
];

fuzz_target!(|bytes: &[u8]| {
    let [decoder, prefix, bytes @ ..] = bytes else { return };
    let (_, decoder) = Decoder::WORDS[usize::from(*decoder) % Decoder::WORDS.len()];
    let text = match prefix % 3 {
        0 => bytes.to_vec(),
        alphabet => {
            let encoded = if alphabet == 1 { STANDARD.encode(bytes) } else { URL_SAFE_NO_PAD.encode(bytes) };
            [PREFIXES[usize::from(prefix / 3) % PREFIXES.len()].as_bytes(), encoded.as_bytes()].concat()
        }
    };
    let read = || {
        let mut facts = Facts::opaque(0, Kind::Opaque, Confidence::High);
        let proof = decode(decoder, &text, &mut facts, &mut Interner::default());
        (proof, facts)
    };
    let (proof, facts) = read();
    assert_eq!((proof, &facts), (read().0, &read().1), "the same bytes say the same");
    for text in [facts.issuer.as_deref(), facts.subject.as_deref(), facts.alg.as_deref()].into_iter().flatten() {
        assert!(text.len() <= 512, "{decoder:?} keeps {} bytes", text.len());
    }
    if let (Proof::Proven, Time::At(expires)) = (proof, facts.expires) {
        assert!(expires > 0, "{decoder:?} expires before 1970");
    }
});
