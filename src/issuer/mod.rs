//! The issuer audit: how long do tokens live, and are they bound to a key? Pure: texts in, findings out.
//!
//! Every product is a front end that fills one model (`issued`) from its configuration; the checks (`checks`) read the
//! model and know no product. How a finding is mended comes from the front end. What a variable or a template decides
//! is left out of the model: nobody is accused of what is not known.

pub mod auth0;
pub mod browser;
pub mod certificates;
mod checks;
pub mod client_metadata;
pub mod cognito;
pub mod discovery;
pub mod dotnet;
pub mod duende;
pub mod express;
pub mod hydra;
pub mod issued;
pub mod jwks;
pub mod keycloak;
pub mod okta;
pub mod pingfederate;
mod read;
mod rule;
mod source;
pub mod spring;
pub mod verifier;
mod x509;

use std::collections::BTreeMap;

use issued::Issued;
pub use rule::Rule;

use crate::config::files::{Files, Text};
use crate::config::place::Place;
use crate::config::{Audit, CertificateBound, estate};
use crate::finding::{Confidence, Finding, IssuerRecord};
use crate::policy::Policy;

/// All front ends.
pub static FRONT_ENDS: &[&dyn FrontEnd] = &[
    &auth0::Auth0,
    &browser::Browser,
    &certificates::Certificates,
    &client_metadata::ClientMetadata,
    &cognito::Cognito,
    &discovery::Discovery,
    &dotnet::Dotnet,
    &duende::Duende,
    &express::Express,
    &hydra::Hydra,
    &jwks::Jwks,
    &keycloak::Keycloak,
    &okta::Okta,
    &pingfederate::PingFederate,
    &spring::Spring,
    &verifier::Verifier,
];

/// A product: how its configuration is told, read, and mended.
pub trait FrontEnd: Sync {
    /// Its name in the record: `keycloak`.
    fn product(&self) -> &'static str;

    /// Whether a text may be configuration of this product; by its name and by words that must stand in it. Cheap: it
    /// is asked of every text.
    fn recognises(&self, name: &str, text: &str) -> bool;

    /// Whether it reads source code, and nothing else.
    fn reads_scripts(&self) -> bool {
        false
    }

    /// Reads the texts that were recognised (`own`, by number in `files`).
    fn read(&self, files: &Files, own: &[u32]) -> Vec<Issued>;

    /// What to do about it in this product: one or two sentences with the setting to write.
    fn fix(&self, rule: Rule) -> &'static str;
}

/// What makes two findings one: place, rule, client, and what is wrong.
type Same = (Place, Rule, Option<String>, Option<&'static str>);

/// Whether a text may be worth keeping for the audit.
pub fn is_candidate(name: &str, bytes: &[u8]) -> bool {
    if is_fixture(name) {
        return false;
    }
    // Of source code there is much, and little of it makes keys or decides what tokens are good for.
    if is_script(name) {
        let dpop = [&b"DPoP"[..], b"dpop", b"DPOP"].iter().any(|word| memchr::memmem::find(bytes, word).is_some());
        let text = dpop.then(|| String::from_utf8_lossy(bytes));
        return text.is_some_and(|text| FRONT_ENDS.iter().any(|front_end| is_read_by(*front_end, name, &text)));
    }
    let text = String::from_utf8_lossy(bytes);
    // What a product's files refer to stands in files that name no product.
    estate::is_candidate(name, &text) || FRONT_ENDS.iter().any(|front_end| is_read_by(*front_end, name, &text))
}

/// Whether a front end reads a text. Source code is no configuration; few front ends know what to look for in it.
fn is_read_by(front_end: &dyn FrontEnd, name: &str, text: &str) -> bool {
    is_script(name) == front_end.reads_scripts() && front_end.recognises(name, text)
}

/// Whether a name is that of source code that is read: scripts, which browsers and Node.js run, and C#.
fn is_script(name: &str) -> bool {
    const ENDINGS: &[&str] = &["cs", "js", "mjs", "jsx", "ts", "mts", "tsx", "vue", "svelte"];
    name.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.contains(&ending))
}

/// Whether a file of that name can be an issuer's configuration at all; by name only, before anything is read.
pub fn may_be_configuration(name: &str) -> bool {
    const ENDINGS: &[&str] = &[
        "json",
        "yaml",
        "yml",
        "tf",
        "tofu",
        "properties",
        "template",
        "jwks",
        "openid-configuration",
        "tmpl",
        "pem",
        "crt",
        "cer",
        "cert",
    ];
    let file = name.rsplit('/').next().unwrap_or(name);
    match file.rsplit_once('.') {
        Some((_, ending)) => ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)) || is_script(name),
        // `.well-known/openid-configuration`
        None => file == "openid-configuration" || file == "oauth-authorization-server",
    }
}

/// Whether a path is that of a test: what an issuer is set to there protects nothing.
fn is_fixture(name: &str) -> bool {
    const FOLDERS: &[&str] = &[
        "test",
        "tests",
        "__tests__",
        "spec",
        "fixture",
        "fixtures",
        "testdata",
        "test-data",
        "test_data",
        "mock",
        "mocks",
        "testing",
        "testsuite",
        "e2e",
        "node_modules",
        ".snapshots",
        "__snapshots__",
        "snapshots",
    ];
    let mut parts = name.rsplit('/');
    let file = parts.next().unwrap_or_default();
    parts.any(|part| FOLDERS.iter().any(|folder| part.eq_ignore_ascii_case(folder)))
        || [".test.", ".spec.", "-test.", "_test."].iter().any(|mark| file.contains(mark))
}

/// Reads what was recognised, product by product.
pub fn read(files: &Files) -> Vec<(&'static dyn FrontEnd, Issued)> {
    let kept = |(number, text): (u32, &Text)| (!is_fixture(text.path())).then_some(number);
    let candidates: Vec<u32> = files.iter().filter_map(kept).collect();
    FRONT_ENDS
        .iter()
        .flat_map(|front_end| {
            let own: Vec<u32> = candidates
                .iter()
                .copied()
                .filter(|number| {
                    let text = files.get(*number);
                    may_be_configuration(text.path()) && is_read_by(*front_end, text.path(), &text.text)
                })
                .collect();
            let issued = if own.is_empty() { Vec::new() } else { front_end.read(files, &own) };
            issued.into_iter().map(|issued| (*front_end, issued))
        })
        .collect()
}

/// The clients whose access tokens are bound to their certificates.
pub fn certificate_bound(files: &Files) -> Vec<CertificateBound> {
    let of = |(_, issued): (_, Issued)| issued.clients.into_iter().filter(|client| client.certificate_bound);
    let bound = |client: issued::Client| {
        let (place, setting) = client.binding_at?;
        Some(CertificateBound { client: client.name, place, setting })
    };
    read(files).into_iter().flat_map(of).filter_map(bound).collect()
}

/// Audits all texts. `now` is the clock, in seconds since 1970; `safe` makes a text fit to be printed.
pub fn audit(files: &Files, policy: &Policy, now: i64, safe: &dyn Fn(&str) -> String) -> Audit {
    let mut audit = Audit::default();
    let mut found: BTreeMap<Same, Finding> = BTreeMap::new();
    for (front_end, issued) in read(files) {
        for (place, reason) in &issued.holes {
            audit.coverage.push(files.unparsed(*place, front_end.product(), reason));
        }
        for fault in checks::check(&issued, policy, now) {
            let slug = fault.rule.slug();
            let Some(severity) = policy.severity_of(slug, fault.severity) else { continue };
            let key = (fault.place, fault.rule, fault.client.clone(), fault.reason);
            if let Some(known) = found.get_mut(&key) {
                known.occurrences += 1;
                continue;
            }
            let related = fault.related.iter().map(|(at, message)| files.related(*at, safe(message), safe)).collect();
            let finding = Finding {
                rule: slug,
                family: None,
                severity,
                confidence: Confidence::High,
                message: safe(&fault.message),
                faults: vec![slug],
                location: files.location(fault.place, safe),
                related,
                occurrences: 1,
                carrier: "configuration",
                token: None,
                key: None,
                hop: None,
                issuer: Some(IssuerRecord {
                    product: front_end.product(),
                    client: fault.client.as_deref().map(safe),
                    setting: safe(&fault.setting),
                }),
                reason: fault.reason,
                because: fault.because.iter().map(|text| safe(text)).collect(),
                fix: front_end.fix(fault.rule).to_owned(),
            };
            found.insert(key, finding);
        }
    }
    audit.findings = found.into_values().collect();
    audit.coverage.sort();
    audit.coverage.dedup();
    audit
}
