//! What a private key means: whoever has it can do what its owner can. Tokens that are bound to it are bound to
//! nothing any more.

use super::{Case, Verdict};
use crate::finding::{Confidence, Severity};
use crate::policy::Policy;
use crate::rules::{Catalogue, Family, KeyFormat, KeyMatch, Reach};
use crate::token::facts::{Facts, KeyFacts};
use crate::token::fault::{Fault, Faults};
use crate::token::keys::{Algorithm, Protection};

/// With fewer rounds than this a graphics card tries passphrases by the hundred thousand a second.
const FEW_ROUNDS: u32 = 100_000;

/// What decides, before anything is said about it.
struct Weighed<'a> {
    family: &'a Family,
    rule: &'a KeyMatch,
    key: &'a KeyFacts,
    faults: Faults,
    severity: Severity,
    /// The gravest fault, or the family.
    slug: &'static str,
}

/// How grave a key is, without the texts.
pub(super) fn severity_of(case: &Case<'_>, catalogue: &Catalogue, policy: &Policy) -> Option<Severity> {
    weigh(case, catalogue, policy).map(|weighed| weighed.severity)
}

/// Judges a key.
pub(super) fn judge(
    case: &Case<'_>,
    catalogue: &Catalogue,
    policy: &Policy,
    safe: &dyn Fn(&str) -> String,
) -> Option<Verdict> {
    let w = weigh(case, catalogue, policy)?;
    let mut faults: Vec<&'static str> = w.faults.iter().map(|fault| fault.slug()).collect();
    if faults.is_empty() {
        faults.push(w.family.slug);
    }
    Some(Verdict {
        severity: w.severity,
        confidence: case.facts.confidence,
        message: message(&w, case.facts, safe),
        because: because(&w, case),
        fix: fix(&w, catalogue),
        rule: w.slug,
        faults,
        state: "unknown",
        ttl: None,
        remaining: None,
        privileged: w.family.reach == Reach::Privileged,
    })
}

fn weigh<'a>(case: &Case<'a>, catalogue: &'a Catalogue, policy: &Policy) -> Option<Weighed<'a>> {
    let family = &catalogue.families[usize::from(case.facts.family)];
    let (rule, key) = (family.key.as_ref()?, case.facts.key.as_deref()?);
    let mut faults = case.facts.faults.union(case.place_faults);
    super::switch_off(&mut faults, policy);
    let mut severity = severity(case.facts, key, family, rule, faults);
    if case.only_in_samples {
        severity = severity.lowered().max(Severity::Low);
    }
    let slug = faults.iter().next().map_or(family.slug, |fault| fault.slug());
    // A rule that is switched off leaves nothing to say of a key that is nothing but a proof key.
    if faults.iter().next().is_none() && rule.proof {
        return None;
    }
    let severity = policy.severity_of(slug, severity)?;
    Some(Weighed { family, rule, key, faults, severity, slug })
}

fn severity(facts: &Facts, key: &KeyFacts, family: &Family, rule: &KeyMatch, faults: Faults) -> Severity {
    if let Protection::Passphrase(rounds) = key.protection {
        let soon = rounds.is_some_and(|rounds| rounds < FEW_ROUNDS);
        // How a store is guarded can't be seen; many are by `changeit`.
        let store = matches!(key.format, KeyFormat::Pkcs12 | KeyFormat::Keystore);
        return if rule.proof && (soon || store) { Severity::Medium } else { Severity::Low };
    }
    if facts.confidence == Confidence::Low {
        return Severity::Low;
    }
    if faults.contains(Fault::PopKeyWithToken) || family.reach == Reach::Privileged {
        return Severity::Critical;
    }
    if rule.proof { Severity::High } else { Severity::Medium }
}

fn message(w: &Weighed<'_>, facts: &Facts, safe: &dyn Fn(&str) -> String) -> String {
    let title = super::words::in_sentence(w.family.title);
    let owner = facts.subject.as_deref().map(|owner| format!(" of {}", safe(owner))).unwrap_or_default();
    if let Protection::Passphrase(_) = w.key.protection {
        return format!("This {title}{owner} is guarded by a passphrase: whoever guesses it can {}.", w.rule.deed);
    }
    if facts.confidence == Confidence::Low {
        return format!("This {title}{owner} does not fit the public half beside it: made up or edited, it seems.");
    }
    if w.faults.contains(Fault::PopKeyWithToken) {
        return format!(
            "A token that is bound to this {title}{owner} was found as well: whoever has both can use the token as if it were bound to nothing."
        );
    }
    format!("Whoever reads this {title}{owner} can {}.", w.rule.deed)
}

fn because(w: &Weighed<'_>, case: &Case<'_>) -> Vec<String> {
    let mut because = Vec::new();
    because.extend(w.key.algorithm.name());
    because.push(match w.key.protection {
        Protection::Open => "no passphrase".to_owned(),
        Protection::EmptyPassphrase => "the passphrase is empty".to_owned(),
        Protection::Passphrase(Some(1)) => "of a guess at the passphrase one hash tells whether it is right".to_owned(),
        Protection::Passphrase(Some(rounds)) => format!("a guess at the passphrase costs {rounds} rounds of hashing"),
        Protection::Passphrase(None) => "encrypted".to_owned(),
    });
    if matches!(w.key.algorithm, Algorithm::Symmetric(_)) {
        because.push("whoever checks with it can sign with it".to_owned());
    }
    because.extend(w.key.thumbprint.map(|thumbprint| format!("thumbprint {}", thumbprint.base64url())));
    because.extend(case.company.iter().cloned());
    if case.only_in_samples {
        because.push("only seen in tests, examples or documentation".to_owned());
    }
    because
}

fn fix(w: &Weighed<'_>, catalogue: &Catalogue) -> String {
    if let Protection::Passphrase(_) = w.key.protection {
        return "Take it out of here; replace the key where its passphrase is short, common or written down nearby."
            .to_owned();
    }
    let page = catalogue.check(w.slug).map(|page| page.first_fix());
    page.unwrap_or_else(|| w.family.first_fix()).to_owned()
}
