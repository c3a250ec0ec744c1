//! What an assertion says, and what that means as a token: who speaks of whom, for whom, how long, and what its presenter
//! has to prove (SAML core 2.0, sections 2.3 to 2.5; SAML 1.1 likewise).

use super::super::claims::MAX_AUDIENCES;
use super::super::facts::{Binding, Facts, Kind, Signature, Time};
use super::super::fault::{Fault, Faults};
use super::super::intern::Interner;
use crate::finding::Confidence;

/// What an assertion says.
#[derive(Debug, Default, PartialEq)]
pub struct Assertion {
    /// `Issuer`.
    pub issuer: Option<String>,
    /// `NameID`, or `NameIdentifier` of SAML 1.1.
    pub subject: Option<String>,
    /// All `Audience` elements.
    pub audience: Vec<String>,
    /// `IssueInstant`.
    pub issued: Time,
    /// `NotBefore` of the conditions.
    pub not_before: Time,
    /// `NotOnOrAfter` of the conditions.
    pub not_on_or_after: Time,
    /// The ways in which its presenter can be confirmed; any one will do.
    pub confirmations: Vec<Confirmation>,
    /// What follows `#` in the signature algorithm's URI.
    pub alg: Option<String>,
    /// Its own signature.
    pub signature: Option<Signature>,
    /// An attribute gives far-reaching roles or groups.
    pub privileged: bool,
    /// There is a subject or a statement.
    pub(super) states_something: bool,
}

/// A `SubjectConfirmation`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Confirmation {
    /// What its presenter has to do; of several methods (SAML 1.1) the weakest.
    pub method: Option<Method>,
    /// When this confirmation ends, where it says so.
    pub not_on_or_after: Time,
    /// The key it names.
    pub key: Key,
}

/// SAML profiles 2.0, section 3: how the presenter of an assertion is confirmed, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Nothing but present it. The artifact method of SAML 1.1 is alike: the artifact was presented in its place.
    Bearer,
    /// Be trusted to speak for the subject.
    SenderVouches,
    /// Something else.
    Other,
    /// Prove possession of a key.
    HolderOfKey,
}

impl Method {
    fn of(uri: &str) -> Self {
        let Some((_, name)) = uri.trim().rsplit_once(":cm:") else { return Self::Other };
        match name {
            "bearer" | "artifact" | "artifact-01" => Self::Bearer,
            "holder-of-key" => Self::HolderOfKey,
            "sender-vouches" => Self::SenderVouches,
            _ => Self::Other,
        }
    }
}

/// What a confirmation's `ds:KeyInfo` holds. All that stands in one identifies one key (SAML core 2.0, section 2.4.1.3), so
/// the last of these that is there tells how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Key {
    /// There is none, or it is empty.
    #[default]
    Absent,
    /// A certificate or key that can't be read.
    Unreadable,
    /// A name or a reference.
    Named,
    /// A key that only the relying party can decrypt.
    Encrypted,
    /// A certificate or a public key.
    Public,
    /// The secret key itself.
    Secret,
}

impl Assertion {
    /// Notes a method of the confirmation at hand.
    pub(super) fn confirmed_by(&mut self, uri: &str) {
        if let Some(confirmation) = self.confirmations.last_mut() {
            let method = Method::of(uri);
            confirmation.method = Some(confirmation.method.map_or(method, |known| known.min(method)));
        }
    }

    /// When it can no longer be presented: its conditions and the confirmation must both hold, and of several
    /// confirmations any one will do.
    pub fn expires(&self) -> Time {
        let rank = |time: &Time| match time {
            Time::At(seconds) | Time::Milliseconds(seconds) => (0, *seconds),
            Time::Far => (1, 0),
            Time::Malformed => (2, 0),
            Time::Absent | Time::Never => (3, 0),
        };
        let both = |confirmation: &Confirmation| {
            [self.not_on_or_after, confirmation.not_on_or_after].into_iter().min_by_key(rank)
        };
        let last = self.confirmations.iter().filter_map(both).max_by_key(rank);
        last.unwrap_or(self.not_on_or_after)
    }

    /// How its weakest confirmation binds it; adds what is wrong to `faults`.
    fn binding(&self, faults: &mut Faults) -> Binding {
        // Without a confirmation nothing has to be proved.
        faults.insert_if(self.confirmations.is_empty(), Fault::SamlBearer);
        let weakness = |binding: &Binding| match binding {
            Binding::None => 0,
            Binding::SelfLeaked => 1,
            Binding::Malformed => 2,
            Binding::Unknown => 3,
            Binding::Kid => 4,
            Binding::Jwe => 5,
            _ => 6,
        };
        let bindings = self.confirmations.iter().map(|confirmation| match (confirmation.method, confirmation.key) {
            (Some(Method::Bearer), _) => {
                faults.insert(Fault::SamlBearer);
                Binding::None
            }
            (Some(Method::SenderVouches), _) => {
                faults.insert(Fault::SamlSenderVouches);
                Binding::None
            }
            (None | Some(Method::Other), _) => Binding::Unknown,
            (Some(Method::HolderOfKey), Key::Absent) => {
                faults.insert(Fault::SamlHokWithoutKey);
                Binding::None
            }
            (Some(Method::HolderOfKey), Key::Secret) => Binding::SelfLeaked,
            (Some(Method::HolderOfKey), Key::Unreadable) => Binding::Malformed,
            (Some(Method::HolderOfKey), Key::Named) => Binding::Kid,
            (Some(Method::HolderOfKey), Key::Encrypted) => Binding::Jwe,
            (Some(Method::HolderOfKey), Key::Public) => Binding::Jwk,
        });
        bindings.min_by_key(weakness).unwrap_or(Binding::None)
    }

    /// What is known of it as a token. `signed_around` says that the message it stands in is signed.
    pub fn facts(&self, family: u16, signed_around: bool, intern: &mut Interner) -> Facts {
        let mut facts = Facts::opaque(family, Kind::Saml, Confidence::High);
        facts.issuer = self.issuer.as_deref().map(|text| intern.get(text));
        facts.subject = self.subject.as_deref().map(Into::into);
        if !self.audience.is_empty() {
            facts.audience = Some(intern.list(self.audience.iter().take(MAX_AUDIENCES).map(String::as_str)));
        }
        facts.alg = self.alg.as_deref().map(|text| intern.get(text));
        facts.signature = match (self.signature, signed_around) {
            (Some(Signature::Fits), _) | (_, true) => Signature::Fits,
            (Some(other), false) => other,
            (None, false) => Signature::Unsecured,
        };
        (facts.issued, facts.not_before, facts.expires) = (self.issued, self.not_before, self.expires());
        facts.faults.insert_if(facts.expires == Time::Absent, Fault::SamlNoExpiry);
        facts.faults.insert_if(self.audience.is_empty(), Fault::SamlNoAudience);
        facts.binding = self.binding(&mut facts.faults);
        facts.privileged = self.privileged;
        facts
    }
}
