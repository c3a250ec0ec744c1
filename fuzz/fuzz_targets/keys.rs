//! Any bytes as a key file, in an armour, as the contents of PKCS#8 and as members of a JWK: read, judged and printed
//! without a panic; what is found lies in the bytes, an armour changes nothing, and no report holds what was armoured.

#![no_main]

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use keybound::policy::Policy;
use keybound::rules::Catalogue;
use keybound::scan::verdict_on;
use keybound::token::engine::Engine;
use keybound::token::keys::public::{Curve, PublicKey};
use keybound::token::keys::{certificate, pem, private};
use libfuzzer_sys::fuzz_target;

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(Catalogue::embedded().expect("the catalogue")))
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&kind, body)) = bytes.split_first() else { return };

    // The parts, each with whatever it is given.
    let alone = private::read(body);
    let _ = certificate::read(body);
    let _ = PublicKey::from_spki(body);
    let curves = [Curve::P256, Curve::P384, Curve::P521, Curve::Secp256k1, Curve::Ed25519, Curve::X25519];
    let curve = curves[usize::from(kind) % curves.len()];
    if let Some(public) = PublicKey::of_private(curve, body) {
        assert_eq!(public.thumbprint().base64url().len(), 43);
    }
    let labels = ["PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK", "RSA PRIVATE KEY", "CERTIFICATE"];
    let label = labels[usize::from(kind >> 3) % labels.len()];
    let encoded = STANDARD.encode(body);
    let breaks = ["\n", "\r\n", "\\n", "\n    ", " ", "\\n\" +\n \""][usize::from(kind) % 6];
    let lines: Vec<&str> = encoded.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let armour = format!("-----{} {label}-----{breaks}{}{breaks}-----END {label}-----", "BEGIN", lines.join(breaks));
    match pem::read(armour.as_bytes(), 0, false, |_| true) {
        pem::Outcome::Armour(found) => {
            assert!(found.body == body && found.closed && found.end == armour.len());
            assert_eq!(private::read(&found.body), alone);
        }
        pem::Outcome::Nothing(end) => assert!(end <= armour.len()),
        pem::Outcome::NeedMore => panic!("nothing more comes"),
    }
    if let pem::Outcome::Armour(found) = pem::read(bytes, 0, false, |_| true) {
        assert!(found.end <= bytes.len());
    }

    // The whole way.
    let number = URL_SAFE_NO_PAD.encode(body);
    let jwk = format!("{{\"{}\":\"OKP\",\"crv\":\"{}\",\"x\":\"{number}\",\"d\":\"{number}\"}}", "kty", curve.crv());
    let members = format!("{{\"{}\":\"RSA\",{}", "kty", String::from_utf8_lossy(body));
    for text in [body, armour.as_bytes(), jwk.as_bytes(), members.as_bytes()] {
        let Some((finding, span)) = verdict_on(engine(), &Policy::default(), text, 1_772_366_400) else { continue };
        assert!(span.0 < span.1 && span.1 <= text.len());
        for text in finding.because.iter().chain([&finding.message, &finding.fix]) {
            assert!(!text.chars().any(char::is_control), "a control character in {text:?}");
        }
        let record = format!("{finding:?}");
        for secret in [&encoded, &number] {
            assert!(secret.len() < 24 || !record.contains(&secret[..24]), "a key was printed");
        }
    }
});
