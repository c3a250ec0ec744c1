//! Any text as a message, as what stands in and around an assertion, and as base64: it is read, judged and printed
//! without a panic; what is found lies in the text, and no report holds a control character.

#![no_main]

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keybound::policy::Policy;
use keybound::rules::Catalogue;
use keybound::scan::verdict_on;
use keybound::token::engine::Engine;
use keybound::token::saml::reading::{self, Reading};
use keybound::token::saml::text::{self, Closing};
use keybound::token::saml::unescape::unescape;
use keybound::token::saml::{document, encoded};
use libfuzzer_sys::fuzz_target;

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(Catalogue::embedded().expect("the catalogue")))
}

fuzz_target!(|bytes: &[u8]| {
    let names = ["urn:oasis:names:tc:", "SAML"].concat();
    let inside = String::from_utf8_lossy(bytes);
    let assertion = format!(
        "<s:Assertion xmlns:s=\"{names}:2.0:assertion\" Version=\"2.0\" IssueInstant=\"2026-01-01T12:00:00Z\"><s:Issuer>i</s:Issuer><s:Subject>{inside}</s:Subject></s:Assertion>"
    );

    // The parts, each with whatever it is given.
    for xml in [&*inside, &assertion] {
        for range in document::find(xml).assertions {
            // What a message holds stands by itself.
            assert!(!matches!(reading::read(&xml[range]), Reading::Cut));
        }
        let _ = reading::read(xml);
    }
    if let Some(opening) = text::opening_before(bytes, bytes.len(), 0) {
        assert!(opening.start < bytes.len());
        if let Closing::At(end) = text::closing_after(bytes, &opening, opening.start, true) {
            assert!(opening.start < end && end <= bytes.len());
            let _ = unescape(&bytes[opening.start..end]);
        }
    }
    let _ = unescape(bytes);
    let run = encoded::run(bytes, 0, encoded::MAX_ENCODED);
    assert!(run.end <= bytes.len() && run.text.len() <= run.end);
    let _ = encoded::decode(&run.text, &mut 1_000_000);

    // The whole way.
    let form = format!("{}={}", ["SAML", "Response"].concat(), STANDARD.encode(&assertion));
    for text in [bytes, assertion.as_bytes(), form.as_bytes()] {
        let Some((finding, span)) = verdict_on(engine(), &Policy::default(), text, 1_772_366_400) else { continue };
        assert!(span.0 < span.1 && span.1 <= text.len());
        for text in finding.because.iter().chain([&finding.message, &finding.fix]) {
            assert!(!text.chars().any(char::is_control), "a control character in {text:?}");
        }
        if let Some(token) = &finding.token {
            let texts = [&token.issuer, &token.subject, &token.alg].into_iter().flatten().chain(&token.audience);
            for text in texts {
                assert!(!text.chars().any(char::is_control), "a control character in {text:?}");
            }
        }
    }
});
