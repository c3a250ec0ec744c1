//! The judge: facts, policy and the clock give one verdict a token. Could somebody else replay it?
//!
//! *Usable*: not expired. *Portable*: nothing but the string is needed. *Reach*: how far it opens doors. *Window*: for
//! how long. These four decide; faults say why and what to mend. Claims are read as what the issuer says: no signature
//! is trusted, so a forged token can at worst raise a false alarm.

mod key;
mod notes;
mod words;

pub use self::notes::{NoteCase, NoteVerdict, note_severity, note_verdict};
use self::words::View;
pub use self::words::{rfc3339, span};
use super::cache::Cache;
use super::carrier::Carrier;
use super::facts::{Binding, Facts, Kind, Signature, Time};
use super::fault::{Fault, Faults};
use super::saml::words as saml;
use crate::finding::{Confidence, Severity};
use crate::policy::Policy;
use crate::rules::{Bindable, Catalogue, Family, Reach, Role};

/// A year in seconds.
const YEAR: i64 = 366 * 86_400;

/// What is judged: a token and what its places add.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// What the token says.
    pub facts: &'a Facts,
    /// What is wrong with it at its places.
    pub place_faults: Faults,
    /// Every place is in tests, examples or documentation.
    pub only_in_samples: bool,
    /// Whose token cache it was found in.
    pub cache: Option<Cache>,
    /// Its issuer also issues ID tokens (seen in the same scan).
    pub issuer_mints_id_tokens: bool,
    /// What carries it at its first place.
    pub carrier: Carrier,
    /// What else the scan found that belongs to it, in words fit to be printed.
    pub company: &'a [String],
}

/// The verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How grave.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// The gravest fault, or the family where there is none.
    pub rule: &'static str,
    /// All faults, gravest first.
    pub faults: Vec<&'static str>,
    /// What it means.
    pub message: String,
    /// Why.
    pub because: Vec<String>,
    /// What to do.
    pub fix: String,
    /// `live`, `expired`, `not-yet`, `never-expires`, `unknown`.
    pub state: &'static str,
    /// Lifetime in seconds.
    pub ttl: Option<i64>,
    /// Seconds left.
    pub remaining: Option<i64>,
    /// Reaches further than an ordinary user's token.
    pub privileged: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Live,
    Expired,
    NotYet,
    NeverExpires,
    Unknown,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Expired => "expired",
            Self::NotYet => "not-yet",
            Self::NeverExpires => "never-expires",
            Self::Unknown => "unknown",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Portable {
    Yes,
    Presumed,
    No,
}

/// What decides, before anything is said about it.
struct Weighed<'a> {
    family: &'a Family,
    severity: Severity,
    /// The gravest fault, or the family.
    rule: &'static str,
    /// The family is named among the faults, before them.
    names_itself: bool,
    faults: Faults,
    state: State,
    portable: Portable,
    reach: Reach,
    ttl: Option<i64>,
    limit: Option<i64>,
    remaining: Option<i64>,
    usable: bool,
}

/// How grave a token is, as [`judge`] has it, without the texts.
pub fn severity_of(case: &Case<'_>, catalogue: &Catalogue, policy: &Policy, now: i64) -> Option<Severity> {
    if case.facts.kind == Kind::PrivateKey {
        return key::severity_of(case, catalogue, policy);
    }
    weigh(case, catalogue, policy, now).map(|weighed| weighed.severity)
}

/// Judges a token. `safe` makes a text from the token fit to be printed. `None` where the policy switches off the only
/// rule that fires.
pub fn judge(
    case: &Case<'_>,
    catalogue: &Catalogue,
    policy: &Policy,
    now: i64,
    safe: &dyn Fn(&str) -> String,
) -> Option<Verdict> {
    let facts = case.facts;
    if facts.kind == Kind::PrivateKey {
        return key::judge(case, catalogue, policy, safe);
    }
    let w = weigh(case, catalogue, policy, now)?;
    let mut faults: Vec<&'static str> = w.faults.iter().map(|f| f.slug()).collect();
    if w.names_itself {
        faults.insert(0, w.family.slug);
    }
    let view = View {
        facts,
        family: w.family,
        faults: w.faults,
        state: w.state,
        portable: w.portable,
        ttl: w.ttl,
        remaining: w.remaining,
        limit: w.limit,
        now,
        safe,
    };
    Some(Verdict {
        severity: w.severity,
        confidence: match facts.signature {
            Signature::Broken => Confidence::Low,
            _ if saml::is_unsigned(facts) => Confidence::Medium,
            _ => facts.confidence,
        },
        message: view.message(),
        because: view.because(case),
        fix: view.fix(case, catalogue, w.rule, w.usable),
        rule: w.rule,
        faults,
        state: w.state.word(),
        ttl: w.ttl,
        remaining: w.remaining,
        privileged: w.reach == Reach::Privileged,
    })
}

fn weigh<'a>(case: &Case<'_>, catalogue: &'a Catalogue, policy: &Policy, now: i64) -> Option<Weighed<'a>> {
    let facts = case.facts;
    let family = &catalogue.families[usize::from(facts.family)];
    let state = state(facts, family, policy, now);
    let ttl = ttl(facts);
    let remaining = match (state, facts.expires.seconds()) {
        (State::Live | State::NotYet, Some(exp)) if exp != i64::MAX => Some(exp.saturating_sub(now)),
        _ => None,
    };
    let mut faults = facts.faults.union(case.place_faults);
    let limit = limit(facts, family, faults, policy);
    timed_faults(&mut faults, facts, family, limit, ttl, remaining, now);
    let access = matches!(family.role, Role::Access | Role::Session);
    let plain_typ = facts.typ.as_deref().is_none_or(|t| t.eq_ignore_ascii_case("jwt"));
    faults
        .insert_if(case.issuer_mints_id_tokens && access && plain_typ && facts.kind == Kind::Jwt, Fault::TypConfusion);
    switch_off(&mut faults, policy);

    let portable = portable(facts, family, faults);
    let reach = reach(facts, family, faults);
    let mut severity = severity(facts, family, faults, state, portable, reach, remaining.or(facts.lifetime));
    let usable = state != State::Expired || faults.contains(Fault::ExpUnitMs);
    severity = severity.max(least(facts, faults, usable, portable, reach));
    if severity >= Severity::Low {
        if faults.contains(Fault::InUrl) && usable && portable != Portable::No {
            severity = severity.raised();
        }
        if case.only_in_samples {
            severity = severity.lowered().max(Severity::Low);
        }
    }
    // Of a JOSE object the gravest fault names the finding; a family with a shape of its own names itself, one without
    // is named by its place if that says more.
    let by_place = family.pattern.is_none()
        && family.whole.is_none()
        && (faults.contains(Fault::McpStaticBearer) || faults.contains(Fault::CacheCommitted));
    let broken = facts.signature == Signature::Broken && faults.contains(Fault::MalformedSignature);
    let names_itself = !broken && !facts.kind.named_by_fault() && !faults.contains(Fault::RefreshExposed) && !by_place;
    let rule = if broken {
        Fault::MalformedSignature.slug()
    } else if names_itself {
        family.slug
    } else {
        faults.iter().find(|fault| !fault.is_modifier()).map_or(family.slug, |fault| fault.slug())
    };
    let severity = policy.severity_of(rule, severity)?;
    Some(Weighed {
        family,
        severity,
        rule,
        names_itself,
        faults,
        state,
        portable,
        reach,
        ttl,
        limit,
        remaining,
        usable,
    })
}

/// Takes out what the policy doesn't want to hear of.
fn switch_off(faults: &mut Faults, policy: &Policy) {
    for (rule, _) in policy.severity.iter().filter(|(_, severity)| severity.is_none()) {
        if let Some(fault) = Fault::named(rule) {
            faults.remove(fault);
        }
    }
}

/// How grave a token is at least where it stands. Whoever sees an image, a recording or a ticket was handed it; whoever
/// sees a core dump may find the key of a bound token in it, too.
fn least(facts: &Facts, faults: Faults, usable: bool, portable: Portable, reach: Reach) -> Severity {
    let any = |several: &[Fault]| several.iter().any(|fault| faults.contains(*fault));
    if reach == Reach::Public || facts.signature == Signature::Broken || facts.confidence == Confidence::Low {
        return Severity::Info;
    }
    match (usable, portable) {
        (true, Portable::No) if faults.contains(Fault::InCoreDump) => Severity::Low,
        (true, Portable::No) => Severity::Info,
        (true, _) if any(&[Fault::McpStaticBearer, Fault::CacheCommitted]) => Severity::High,
        (true, _) if any(&[Fault::InImageLayer, Fault::InArtifact, Fault::InTicket]) => Severity::High,
        // Tomorrow's token stands where yesterday's does.
        (false, _) if faults.contains(Fault::CacheCommitted) => Severity::Low,
        _ => Severity::Info,
    }
}

/// RFC 7519, section 4.1.4: a token is expired on or after `exp`. No leeway in an audit.
fn state(facts: &Facts, family: &Family, policy: &Policy, now: i64) -> State {
    if facts.not_before.seconds().is_some_and(|nbf| now < nbf) {
        return State::NotYet;
    }
    match facts.expires {
        Time::At(exp) | Time::Milliseconds(exp) => {
            if now >= exp {
                State::Expired
            } else {
                State::Live
            }
        }
        Time::Far => State::Live,
        Time::Never => State::NeverExpires,
        Time::Malformed => State::Unknown,
        Time::Absent => match (facts.kind, family.role) {
            // A proof has no `exp`: verifiers accept it for a while after `iat` (RFC 9449, section 11.1).
            (Kind::Jwt | Kind::JwsJson, Role::Proof) => match (facts.issued.seconds(), policy.ttl("dpop-proof")) {
                (Some(iat), Some(window)) => {
                    if now.saturating_sub(iat) > window {
                        State::Expired
                    } else {
                        State::Live
                    }
                }
                _ => State::Unknown,
            },
            (Kind::Jwt | Kind::JwsJson | Kind::Saml, _) => State::NeverExpires,
            // Of a signed one all claims are seen, of an encrypted one none.
            (Kind::Paseto, _) if facts.binding != Binding::Unknown => State::NeverExpires,
            _ => State::Unknown,
        },
    }
}

/// `exp` less `iat`, or less `nbf`; never invented.
fn ttl(facts: &Facts) -> Option<i64> {
    match (facts.expires, facts.issued.seconds().or(facts.not_before.seconds())) {
        (Time::At(exp) | Time::Milliseconds(exp), Some(from)) => exp.checked_sub(from),
        _ => facts.lifetime,
    }
}

fn limit(facts: &Facts, family: &Family, faults: Faults, policy: &Policy) -> Option<i64> {
    match family.policy {
        "access" if facts.binding.effective() && !faults.contains(Fault::PopKeyWithToken) => policy.ttl("access-bound"),
        "saml" if facts.binding.effective() => policy.ttl("saml-bound"),
        kind => policy.ttl(kind),
    }
}

fn timed_faults(
    faults: &mut Faults,
    facts: &Facts,
    family: &Family,
    limit: Option<i64>,
    ttl: Option<i64>,
    remaining: Option<i64>,
    now: i64,
) {
    // What is left is a lower bound of what was given.
    let lived = ttl.or(remaining);
    let long = lived.zip(limit).is_some_and(|(lived, limit)| lived > limit);
    match facts.kind {
        _ if family.role == Role::Proof => {
            faults.insert_if(ttl.is_some_and(|ttl| ttl > 300), Fault::DpopLifetime);
        }
        Kind::SignedUrl => faults.insert_if(long, Fault::SasLong),
        Kind::Saml => faults.insert_if(long, Fault::SamlLong),
        Kind::Jwt | Kind::JwsJson => faults.insert_if(long, Fault::TtlLong),
        _ => faults.insert_if(long, Fault::TokenTtlLong),
    }
    faults.insert_if(family.slug == "k8s-sa-bound" && ttl.is_some_and(|ttl| ttl > 86_400), Fault::K8sExtended);
    let exp = facts.expires.seconds();
    let far = exp.is_some_and(|exp| exp > now.saturating_add(YEAR));
    faults.insert_if(far && matches!(facts.kind, Kind::Jwt | Kind::JwsJson), Fault::ExpFar);
    let ahead = |time: Time| time.seconds().is_some_and(|t| t > now.saturating_add(60));
    let ahead = ahead(facts.issued) || ahead(facts.not_before);
    faults.insert_if(ahead && facts.kind != Kind::Saml, Fault::IatFuture);
    faults.insert_if(saml::is_unsigned(facts), Fault::SamlUnsigned);
}

fn portable(facts: &Facts, family: &Family, faults: Faults) -> Portable {
    if [Fault::AlgNone, Fault::AlgWeakSecret, Fault::PopKeyWithToken].iter().any(|fault| faults.contains(*fault)) {
        return Portable::Yes;
    }
    match facts.binding {
        Binding::None | Binding::Malformed | Binding::SelfLeaked => Portable::Yes,
        Binding::X5tS256 | Binding::Jkt | Binding::Jwk => Portable::No,
        Binding::Kid | Binding::Jku | Binding::Jwe => Portable::Presumed,
        Binding::Unknown => match (facts.kind, family.bindable) {
            (Kind::Jwe | Kind::JweJson | Kind::Paseto | Kind::Saml | Kind::SamlEncrypted, _) => Portable::Presumed,
            (_, Bindable::None | Bindable::Network) => Portable::Yes,
            _ => Portable::Presumed,
        },
    }
}

fn reach(facts: &Facts, family: &Family, faults: Faults) -> Reach {
    let no_credential = facts.harmless || matches!(family.role, Role::Proof | Role::Logout | Role::Request);
    if no_credential || facts.public || family.reach == Reach::Public {
        return Reach::Public;
    }
    if facts.privileged || family.reach == Reach::Privileged || faults.contains(Fault::AlgWeakSecret) {
        return Reach::Privileged;
    }
    Reach::Normal
}

fn severity(
    facts: &Facts,
    family: &Family,
    faults: Faults,
    state: State,
    portable: Portable,
    reach: Reach,
    left: Option<i64>,
) -> Severity {
    if faults.contains(Fault::DpopJwkPrivate) {
        return Severity::Critical;
    }
    if facts.signature == Signature::Broken {
        return Severity::Info;
    }
    // What was logged happened, however long ago.
    if family.role == Role::Proof {
        return misuse(faults);
    }
    if reach == Reach::Public {
        return Severity::Info;
    }
    if state == State::Expired && !faults.contains(Fault::ExpUnitMs) {
        let process = [Fault::TtlLong, Fault::TokenTtlLong, Fault::SasLong, Fault::SamlLong];
        let process = process.into_iter().any(|fault| faults.contains(fault));
        let lasting = [Fault::AlgWeakSecret, Fault::AlgNone, Fault::PopKeyWithToken, Fault::PopKeyShared];
        let lasting = family.role == Role::Refresh || lasting.into_iter().any(|fault| faults.contains(fault));
        return match () {
            () if faults.contains(Fault::TokenReplayed) => Severity::Medium,
            () if lasting || (process && portable != Portable::No) => Severity::Low,
            () => Severity::Info,
        };
    }
    if facts.confidence == Confidence::Low {
        return Severity::Low;
    }
    let hours = left.map_or(i64::MAX, |left| left / 3_600);
    let lasting = [Fault::TtlLong, Fault::NoExp, Fault::SamlLong, Fault::SamlNoExpiry];
    let lasts = lasting.into_iter().any(|fault| faults.contains(fault));
    let found = match portable {
        Portable::Yes if reach == Reach::Privileged => Severity::Critical,
        Portable::Yes if hours >= 1 => Severity::High,
        Portable::Yes => Severity::Medium,
        // Never graver than the same token unbound would be.
        Portable::Presumed
            if hours >= 1
                && facts.confidence == Confidence::High
                && !matches!(facts.kind, Kind::Jwe | Kind::SamlEncrypted) =>
        {
            Severity::High
        }
        Portable::Presumed => Severity::Medium,
        Portable::No if reach == Reach::Privileged && hours >= 24 => Severity::Low,
        Portable::No if lasts => Severity::Low,
        Portable::No => Severity::Info,
    };
    let found = if saml::is_unsigned(facts) { found.lowered() } else { found };
    let at_least = match faults {
        // The way around the binding lies beside it.
        _ if faults.contains(Fault::PopKeyWithToken) => Severity::Critical,
        _ if faults.contains(Fault::PopKeyShared) => Severity::High,
        _ if faults.contains(Fault::TokenReplayed) && portable != Portable::No => Severity::High,
        _ if faults.contains(Fault::BearerWithCnf) || faults.contains(Fault::TokenReplayed) => Severity::Medium,
        _ => Severity::Info,
    };
    found.max(at_least)
}

/// How grave it is what a log shows of a proof, which by itself is of no use to anybody.
fn misuse(faults: Faults) -> Severity {
    match faults {
        _ if [Fault::DpopKeyMismatch, Fault::DpopAthMismatch, Fault::DpopJtiReuse]
            .iter()
            .any(|f| faults.contains(*f)) =>
        {
            Severity::High
        }
        _ if faults.contains(Fault::DpopReplayedTarget) => Severity::Medium,
        _ if faults.contains(Fault::DpopIatSkew) => Severity::Low,
        _ => Severity::Info,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn catalogue() -> &'static Catalogue {
        static CATALOGUE: std::sync::OnceLock<Catalogue> = std::sync::OnceLock::new();
        CATALOGUE.get_or_init(|| Catalogue::embedded().unwrap_or_else(|e| panic!("{e}")))
    }

    fn case(binding: Binding, expires: Time, issued: Time) -> Facts {
        let catalogue = catalogue();
        let (index, _) = catalogue.family("jwt-access").expect("a family");
        let mut facts = Facts::opaque(index as u16, Kind::Jwt, Confidence::High);
        facts.signature = Signature::Fits;
        (facts.binding, facts.expires, facts.issued) = (binding, expires, issued);
        facts
    }

    fn judged(facts: &Facts, now: i64) -> Verdict {
        let case = Case {
            facts,
            place_faults: Faults::default(),
            only_in_samples: false,
            cache: None,
            issuer_mints_id_tokens: false,
            carrier: Carrier::Bare,
            company: &[],
        };
        judge(&case, catalogue(), &Policy::default(), now, &str::to_owned).expect("a verdict")
    }

    #[test]
    fn the_clock_is_exact() {
        let facts = case(Binding::None, Time::At(1000), Time::At(100));
        assert_eq!(judged(&facts, 999).state, "live");
        assert_eq!(judged(&facts, 1000).state, "expired");
        let policy = |ttl: i64| judged(&case(Binding::None, Time::At(100 + ttl), Time::At(100)), 101).faults;
        assert!(!policy(3600).contains(&"jwt-ttl-long"));
        assert!(policy(3601).contains(&"jwt-ttl-long"));
    }

    proptest! {
        /// Binding, expiry and reach only ever move the verdict the right way.
        #[test]
        fn a_bound_token_is_never_graver_than_an_unbound_one(exp in 1i64..10_000_000_000, now in 1i64..10_000_000_000) {
            let unbound = judged(&case(Binding::None, Time::At(exp), Time::At(exp - 1)), now);
            let bound = judged(&case(Binding::Jkt, Time::At(exp), Time::At(exp - 1)), now);
            prop_assert!(bound.severity <= unbound.severity);
            if now >= exp {
                prop_assert!(unbound.severity <= Severity::Low);
            }
        }
    }
}
