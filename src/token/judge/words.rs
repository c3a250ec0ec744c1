//! The judge's words: what a verdict means, why, and what to do. Every text from a token goes through `safe`.

use super::notes::cache_fix;
use super::{Case, Portable, State};
use crate::finding::Confidence;
use crate::rules::{Bindable, Catalogue, Family, Reach, Role};
use crate::token::facts::{Binding, Facts, Kind, Signature, Time};
use crate::token::fault::{Fault, Faults};
use crate::token::saml::words as saml;

/// What there is to say about a token once it is weighed.
pub(super) struct View<'a> {
    pub(super) facts: &'a Facts,
    pub(super) family: &'a Family,
    pub(super) faults: Faults,
    pub(super) state: State,
    pub(super) portable: Portable,
    pub(super) ttl: Option<i64>,
    pub(super) remaining: Option<i64>,
    pub(super) limit: Option<i64>,
    pub(super) now: i64,
    pub(super) safe: &'a dyn Fn(&str) -> String,
}

impl View<'_> {
    fn text(&self, text: &str) -> String {
        (self.safe)(text)
    }

    fn is_jose(&self) -> bool {
        self.facts.kind.named_by_fault()
    }

    /// "act as alice at https://api.example.com"
    fn deed(&self) -> String {
        let facts = self.facts;
        let who = facts.subject.as_deref().or(facts.client.as_deref()).map(|who| self.text(who));
        let at = facts.audience.as_deref().map(|all| {
            let names: Vec<String> = all.iter().map(|one| self.text(one)).collect();
            names.join(", ")
        });
        let at =
            at.or_else(|| facts.issuer.as_deref().map(|iss| format!("any service that trusts {}", self.text(iss))));
        match (who, at) {
            (Some(who), Some(at)) => format!("act as {who} at {at}"),
            (Some(who), None) => format!("act as {who}"),
            (None, Some(at)) => format!("use it at {at}"),
            (None, None) => "use it".to_owned(),
        }
    }

    fn until(&self) -> String {
        match (self.state, self.facts.expires) {
            (State::NeverExpires, _) | (_, Time::Never) => "for ever: it has no expiry".to_owned(),
            (_, Time::Far) => "for ever: its expiry is beyond any calendar".to_owned(),
            (_, Time::At(exp) | Time::Milliseconds(exp)) => {
                let from = match (self.state, self.facts.not_before.seconds()) {
                    (State::NotYet, Some(nbf)) => format!("from {} ", moment(nbf)),
                    _ => String::new(),
                };
                let left = self.remaining.map(|left| format!(" (in {})", span(left))).unwrap_or_default();
                format!("{from}until {}{left}", moment(exp))
            }
            (_, Time::Malformed) => "for as long as verifiers make of its expiry, which is no time".to_owned(),
            (_, Time::Absent) => "until it is revoked or expires".to_owned(),
        }
    }

    /// What it means, one sentence.
    pub(super) fn message(&self) -> String {
        let (facts, family) = (self.facts, self.family);
        let title = in_sentence(family.title);
        if facts.signature == Signature::Broken {
            return format!(
                "The signature of this {title} is cut, masked or edited: nobody accepts it as it stands, its claims can still be read."
            );
        }
        if self.faults.contains(Fault::DpopJwkPrivate) {
            return "This DPoP proof carries its own private key: whoever reads it can make proofs for every token bound to that key.".to_owned();
        }
        if facts.harmless && self.is_jose() {
            return "The demo claims of jwt.io under some signature: example data, no credential.".to_owned();
        }
        match family.role {
            Role::Proof if family.slug == "jws" => {
                return "Signed content, no token: it gives access to nothing.".to_owned();
            }
            Role::Proof if self.faults.contains(Fault::DpopKeyMismatch) => {
                return "This DPoP proof was sent with a token that is bound to another key: somebody without that key tried the token.".to_owned();
            }
            Role::Proof if self.faults.contains(Fault::DpopAthMismatch) => {
                return "This DPoP proof was made for another token than the one it was sent with.".to_owned();
            }
            Role::Proof if self.faults.contains(Fault::DpopJtiReuse) => {
                return "This DPoP proof, or one with the same jti, was sent more than once: somebody sent again what was meant for one request.".to_owned();
            }
            Role::Proof if self.faults.contains(Fault::DpopReplayedTarget) => {
                return "This DPoP proof was made for another request than the one it was sent with.".to_owned();
            }
            Role::Proof => {
                return "A DPoP proof: no credential without its access token, and only fresh for minutes.".to_owned();
            }
            Role::Logout => return "A logout token: it ends sessions and opens none.".to_owned(),
            Role::Request => return "A signed authorization request: it gives no access by itself.".to_owned(),
            _ => {}
        }
        if facts.harmless {
            return format!(
                "This {title} is sent with the DPoP scheme, so it should be useless without its key; nothing in it can prove that."
            );
        }
        if facts.public || family.reach == Reach::Public {
            return format!("This {title} is public by design or only good for tests.");
        }
        if self.faults.contains(Fault::AlgWeakSecret) {
            let issuer = facts.issuer.as_deref().map_or_else(|| "its issuer".to_owned(), |iss| self.text(iss));
            let secret = match facts.faults.contains(Fault::AlgWeakSecret) {
                true => "a secret that stands in a word list: anyone",
                false => "a secret that was found as well: whoever reads it",
            };
            return format!("This {title} is signed with {secret} can make tokens of {issuer}, for any subject.");
        }
        if self.state == State::Expired && !self.faults.contains(Fault::ExpUnitMs) {
            let end = facts.expires.seconds().or(facts.issued.seconds()).map(moment).unwrap_or_default();
            return match self.portable {
                Portable::No => format!("This {title} expired {end}; it was bound to a key."),
                _ if self.faults.contains(Fault::PopKeyWithToken) => {
                    format!("This {title} expired {end}; it was bound to a key that was found as well.")
                }
                _ => format!("This {title} expired {end}; until then anyone holding it could {}.", self.deed()),
            };
        }
        if self.faults.contains(Fault::AlgNone) {
            return format!(
                "This {title} has no signature: where it is accepted, anyone can {} or as anybody else, {}.",
                self.deed(),
                self.until()
            );
        }
        if self.faults.contains(Fault::PopKeyWithToken) {
            return format!(
                "This {title} is bound to a key that was found as well: whoever has both can {} {}.",
                self.deed(),
                self.until()
            );
        }
        match self.portable {
            Portable::Yes => {
                let deed = match family.role {
                    _ if self.is_jose() || facts.kind == Kind::Paseto => self.deed(),
                    Role::Refresh => "get new access tokens with it".to_owned(),
                    Role::Webhook => "post to it".to_owned(),
                    Role::Session => "take over the session".to_owned(),
                    Role::Key => "sign in with it".to_owned(),
                    _ => "use it".to_owned(),
                };
                let until = self.until();
                match facts.kind {
                    Kind::Saml if saml::is_vouched(self.faults) => format!(
                        "Nothing binds this {title} to its subject: any sender that is trusted to vouch can {deed} {until}."
                    ),
                    _ if saml::is_unsigned(facts) => format!(
                        "Where signatures are not checked, anyone holding this unsigned {title} can {deed} {until}."
                    ),
                    _ => format!("Anyone holding this {title} can {deed} {until}."),
                }
            }
            Portable::Presumed
                if matches!(facts.kind, Kind::Jwe | Kind::JweJson | Kind::Paseto | Kind::SamlEncrypted) =>
            {
                format!(
                    "Whoever holds this {title} can present it as it stands; whom it speaks for, for how long and whether it is bound can't be seen from outside."
                )
            }
            Portable::Presumed => {
                format!(
                    "Anyone holding this {title} can probably {} {}; nothing shows that it is bound to a key.",
                    self.deed(),
                    self.until()
                )
            }
            Portable::No => {
                let key = match facts.binding {
                    Binding::X5tS256 => "the private key of its client certificate",
                    Binding::Jkt => "its DPoP private key",
                    _ => "the private key to the key in it",
                };
                format!("This {title} is useless without {key}; with it, one can {} {}.", self.deed(), self.until())
            }
        }
    }

    /// Why, in short phrases.
    pub(super) fn because(&self, case: &Case<'_>) -> Vec<String> {
        let (facts, family) = (self.facts, self.family);
        let mut because = Vec::new();
        let mut say = |text: String| because.push(text);
        if facts.signature == Signature::Broken {
            let alg = facts.alg.as_deref().unwrap_or_default();
            say(match facts.kind {
                Kind::Saml => "its signature value is no signature".to_owned(),
                _ => format!("the third segment is no {} signature", self.text(alg)),
            });
        }
        if matches!(facts.kind, Kind::Saml | Kind::SamlEncrypted) {
            saml::because(facts, self.faults).into_iter().for_each(|text| say(text.to_owned()));
        }
        let hidden = matches!(facts.kind, Kind::Jwe | Kind::JweJson)
            || facts.kind == Kind::Paseto && facts.binding == Binding::Unknown;
        if matches!(facts.kind, Kind::Jwt | Kind::JwsJson | Kind::Paseto)
            && !hidden
            && !matches!(family.role, Role::Proof | Role::Logout | Role::Request)
        {
            say(match facts.binding {
                Binding::None if self.faults.contains(Fault::CnfEmpty) => "cnf is empty".to_owned(),
                Binding::None if self.faults.contains(Fault::CnfUnknownMethod) => {
                    "cnf names no known method, so it binds nothing".to_owned()
                }
                Binding::None => "no cnf claim".to_owned(),
                Binding::X5tS256 => "cnf.x5t#S256 binds it to a client certificate".to_owned(),
                Binding::Jkt => "cnf.jkt binds it to a DPoP key".to_owned(),
                Binding::Jwk => "cnf.jwk binds it to a public key".to_owned(),
                Binding::Kid => {
                    "cnf names its key by id only: whether that binds depends on a registry elsewhere".to_owned()
                }
                Binding::Jku => {
                    "cnf names a URL for its key: whether that binds depends on who answers there".to_owned()
                }
                Binding::Jwe => "cnf holds an encrypted key: whether that binds can't be seen".to_owned(),
                Binding::Malformed => "cnf is malformed: no key can match it, and a lax verifier skips it".to_owned(),
                Binding::SelfLeaked => "cnf holds the secret key itself".to_owned(),
                Binding::Unknown => "binding unknown".to_owned(),
            });
        } else if hidden {
            say("encrypted: claims, lifetime and binding can't be read".to_owned());
        }
        if matches!(facts.kind, Kind::Opaque | Kind::Macaroon | Kind::Biscuit) {
            say(match (family.checksum, facts.confidence) {
                _ if facts.harmless => "scheme DPoP".to_owned(),
                _ if facts.summed => "prefix and checksum fit".to_owned(),
                (Some(_), Confidence::Low) => "prefix fits, checksum does not".to_owned(),
                (_, Confidence::High) => "prefix and form fit".to_owned(),
                _ => format!("named by its {}", case.carrier.word().replace('-', " ")),
            });
            if family.bindable == Bindable::None {
                say("tokens of this kind can't be bound to a key".to_owned());
            }
        }
        match (self.ttl, self.limit) {
            (Some(ttl), Some(limit)) if ttl > limit => {
                say(format!("issued for {}, policy allows {}", span(ttl), span(limit)))
            }
            (Some(ttl), _) if ttl > 0 => say(format!("issued for {}", span(ttl))),
            (None, Some(limit)) if self.remaining.is_some_and(|left| left > limit) => {
                say(format!(
                    "still good for {}, policy allows {} in all",
                    span(self.remaining.unwrap_or(0)),
                    span(limit)
                ));
            }
            (None, _) if self.state == State::Unknown && facts.issued.seconds().is_some_and(|at| at < self.now) => {
                let age = self.now.saturating_sub(facts.issued.seconds().unwrap_or(self.now));
                say(format!("issued {} ago", span(age)));
            }
            _ => {}
        }
        match self.state {
            State::NeverExpires if facts.kind == Kind::Saml => say("no NotOnOrAfter".to_owned()),
            State::NeverExpires if facts.expires == Time::Never => say("issued without an expiry".to_owned()),
            State::NeverExpires => say("no exp claim".to_owned()),
            State::Expired => {
                let end = facts.expires.seconds().or(facts.issued.seconds()).unwrap_or(self.now);
                say(format!("expired {} ago", span(self.now.saturating_sub(end).max(1))));
            }
            State::NotYet => say("not valid yet".to_owned()),
            State::Live | State::Unknown => {}
        }
        if facts.expires == Time::Malformed {
            say("its expiry is no time".to_owned());
        }
        if self.faults.contains(Fault::ExpUnitMs) {
            say("a time is in milliseconds: a verifier that reads seconds sees the year 50000".to_owned());
        }
        if facts.faults.contains(Fault::AlgWeakSecret) {
            say("its HMAC verifies with a well-known secret".to_owned());
        }
        if self.faults.contains(Fault::AlgNone) {
            say("alg is none".to_owned());
        }
        if facts.privileged {
            say("scope or roles reach far".to_owned());
        }
        if self.faults.contains(Fault::InUrl) {
            say("stands in a URL, which servers, proxies and browsers write down".to_owned());
        }
        if let Some(cache) = case.cache {
            say(format!("stands in the token cache of {}", cache.title()));
        }
        if self.faults.contains(Fault::McpStaticBearer) {
            say("stands in the configuration of an agent's tools".to_owned());
        }
        for (fault, place) in PLACES {
            if self.faults.contains(*fault) {
                say((*place).to_owned());
            }
        }
        if self.faults.contains(Fault::BearerWithCnf) {
            say("DPoP-bound, yet sent as Bearer and without a proof".to_owned());
        }
        if self.faults.contains(Fault::DpopKeyMismatch) {
            say("its key is not the one that the token beside it is bound to".to_owned());
        }
        if self.faults.contains(Fault::DpopAthMismatch) {
            say("its ath is not the hash of the token beside it".to_owned());
        }
        if self.faults.contains(Fault::DpopReplayedTarget) {
            say("its htm or htu is not that of the request beside it".to_owned());
        }
        if self.faults.contains(Fault::DpopIatSkew) {
            say("its iat is minutes away from the time of the record".to_owned());
        }
        if self.faults.contains(Fault::DpopMissingAth) {
            say("sent with an access token, yet without its hash".to_owned());
        }
        if facts.public {
            say("stands where such keys are public by design".to_owned());
        }
        for text in case.company {
            say(text.clone());
        }
        if case.only_in_samples {
            say("only seen in tests, examples or documentation".to_owned());
        }
        because
    }

    /// What to do, one or two sentences.
    pub(super) fn fix(&self, case: &Case<'_>, catalogue: &Catalogue, rule: &str, usable: bool) -> String {
        let no_credential =
            matches!(self.family.role, Role::Proof | Role::Logout | Role::Request) || self.facts.harmless;
        if self.faults.contains(Fault::AlgWeakSecret) || self.faults.contains(Fault::DpopJwkPrivate) {
            // The key is the problem, whatever became of the token.
        } else if [Fault::DpopKeyMismatch, Fault::DpopAthMismatch, Fault::DpopJtiReuse, Fault::DpopReplayedTarget]
            .iter()
            .any(|fault| rule == fault.slug())
        {
            return catalogue.check(rule).map_or_else(String::new, |check| check.first_fix().to_owned());
        } else if let Some(cache) = case.cache {
            return cache_fix(cache);
        } else if !usable || self.facts.signature == Signature::Broken || no_credential {
            return "There is nothing to revoke. Take it out of here, and keep tokens out of places like this."
                .to_owned();
        } else if self.facts.public {
            return "It may stand here: make sure that it is limited to the sites or apps, and to the interfaces, that need it."
                .to_owned();
        } else if self.portable == Portable::No {
            return "Take it out of here, and make sure that the key it is bound to is safe.".to_owned();
        }
        match catalogue.check(rule).map(|check| check.first_fix()) {
            Some(_) if self.facts.kind == Kind::Saml && rule == Fault::InUrl.slug() => {
                format!("{} Use the POST binding, which keeps it out of URLs.", self.family.first_fix())
            }
            Some(page) if self.facts.kind == Kind::Saml => format!("{} {page}", self.family.first_fix()),
            Some(page) if self.is_jose() => format!("Revoke it and take it out of here. {page}"),
            Some(page) if rule == Fault::McpStaticBearer.slug() => format!("{} {page}", self.family.first_fix()),
            _ => self.family.first_fix().to_owned(),
        }
    }
}

/// Where a token has got to, in words, where that weighs.
const PLACES: &[(Fault, &str)] = &[
    (Fault::InImageLayer, "stands in what an image is built from: everybody who pulls the image has it"),
    (Fault::InArtifact, "stands in a file that is made to be handed on"),
    (Fault::InTicket, "stands in a mail or ticket"),
    (Fault::InCoreDump, "stands in a process's memory, where keys lie as well"),
];

/// A title as it stands inside a sentence: "GitHub token" stays, "Bearer token" becomes "bearer token".
pub(super) fn in_sentence(title: &str) -> String {
    let first = title.split(' ').next().unwrap_or_default();
    let name = first.chars().skip(1).any(|c| c.is_uppercase()) || PROPER.contains(&first);
    let mut chars = title.chars();
    match chars.next() {
        Some(c) if !name => c.to_lowercase().chain(chars).collect(),
        _ => title.to_owned(),
    }
}

/// First words of titles that keep their capital.
const PROPER: &[&str] = &[
    "Amazon",
    "Anthropic",
    "Auth0",
    "Azure",
    "Consul",
    "Databricks",
    "Entra",
    "Google",
    "Hugging",
    "Keycloak",
    "Kubernetes",
    "Microsoft",
    "Okta",
    "Salesforce",
    "Slack",
    "Stripe",
    "Supabase",
    "Vault",
];

/// A moment, RFC 3339 to the minute.
fn moment(seconds: i64) -> String {
    match jiff::Timestamp::from_second(seconds) {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        Err(_) => "a time beyond the calendar".to_owned(),
    }
}

/// RFC 3339, or nothing where it lies beyond the calendar.
pub fn rfc3339(time: Time) -> Option<String> {
    jiff::Timestamp::from_second(time.seconds()?).ok().map(|at| at.to_string())
}

/// A stretch of time in the unit that suits it.
pub fn span(seconds: i64) -> String {
    let (unit, word) = match seconds {
        ..=119 => (1, "s"),
        120..=7_199 => (60, "min"),
        7_200..=172_799 => (3_600, "h"),
        172_800..=63_071_999 => (86_400, "d"),
        _ => (31_557_600, "years"),
    };
    let tenths = (seconds.saturating_mul(10)) / unit;
    if tenths % 10 == 0 || tenths >= 100 {
        format!("{} {word}", tenths / 10)
    } else {
        format!("{}.{} {word}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_well() {
        for (seconds, text) in
            [(60, "60 s"), (300, "5 min"), (3600, "60 min"), (86_400, "24 h"), (5400, "90 min"), (2_592_000, "30 d")]
        {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn titles_in_a_sentence() {
        assert_eq!(in_sentence("GitHub token"), "GitHub token");
        assert_eq!(in_sentence("JWT access token"), "JWT access token");
        assert_eq!(in_sentence("Bearer token"), "bearer token");
        assert_eq!(in_sentence("Slack bot token"), "Slack bot token");
    }
}
