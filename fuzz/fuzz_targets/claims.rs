//! A JWT around any header members and any claims: it is read, judged and printed without a panic, and no report
//! holds the token or a control character. Before the first line break stand the claims, after it the header.

#![no_main]

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keybound::policy::Policy;
use keybound::rules::Catalogue;
use keybound::scan::verdict_on;
use keybound::token::fault::Fault;
use keybound::token::engine::Engine;
use libfuzzer_sys::fuzz_target;

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(Catalogue::embedded().expect("the catalogue")))
}

fuzz_target!(|bytes: &[u8]| {
    let mut halves = bytes.splitn(2, |b| *b == b'\n');
    let claims = halves.next().unwrap_or_default();
    let header = halves.next().unwrap_or_default();
    let header = if header.is_empty() { &b"{\"typ\":\"at+jwt\",\"alg\":\"ES256\"}"[..] } else { header };
    let signature = URL_SAFE_NO_PAD.encode([7u8; 64]);
    let token = [URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims), signature].join(".");
    let policy = Policy::default();
    for now in [0, 1_772_366_400, i64::MAX] {
        let Some((finding, span)) = verdict_on(engine(), &policy, token.as_bytes(), now) else { continue };
        assert!(span.0 < span.1 && span.1 <= token.len());
        assert!(!finding.rule.is_empty());
        let texts = finding.because.iter().chain([&finding.message, &finding.fix]);
        for text in texts {
            assert!(!text.contains(&token[..]), "a report holds the token");
            assert!(!text.chars().any(char::is_control), "a control character in {text:?}");
        }
        if let Some(record) = &finding.token {
            let fields = [&record.alg, &record.typ, &record.issuer, &record.subject];
            for text in fields.into_iter().flatten().chain(&record.audience) {
                assert!(!text.chars().any(char::is_control), "a control character in {text:?}");
            }
        }
        for fault in &finding.faults {
            let known = Fault::ALL.iter().any(|f| f.slug() == fault) || finding.family.as_ref() == Some(fault);
            assert!(known, "{fault}");
        }
    }
});
