//! Which of the tokens that are signed with a shared secret are signed with one that stands in the scan. How much is kept
//! and tried is bounded, and what is kept does not depend on who comes first: always the smallest.

use std::collections::BTreeMap;

use super::ledger::Place;
use crate::secret::{Fingerprint, Secret};
use crate::token::scanner::{FoundSecret, Sample};
use crate::token::signing_secret::keys;
use crate::token::weak_secret::Signed;

/// How many secrets are kept: those whose names speak of tokens first.
const MAX_SECRETS: usize = 2048;
/// How many keys have samples.
const MAX_GROUPS: usize = 256;
/// How many tokens of a key are kept.
const MAX_SAMPLES: usize = 2;

/// Samples and secrets.
#[derive(Debug, Default)]
pub(super) struct Signers {
    samples: BTreeMap<Fingerprint, BTreeMap<Fingerprint, Signed>>,
    secrets: BTreeMap<(bool, Fingerprint), Kept>,
}

/// A secret with its first place.
#[derive(Debug)]
struct Kept {
    value: Secret,
    place: Place,
}

/// A token that is signed with a secret that stands in the scan.
#[derive(Debug)]
pub(super) struct SignedBy {
    /// The token.
    pub(super) token: Fingerprint,
    /// Where the secret stands.
    pub(super) place: Place,
}

impl Signers {
    /// Adds tokens, taking them out of `samples`.
    pub(super) fn add_samples(&mut self, samples: &mut Vec<Sample>) {
        for sample in samples.drain(..) {
            let of_key = self.samples.entry(sample.group).or_default();
            of_key.insert(sample.token, sample.signed);
            if of_key.len() > MAX_SAMPLES {
                of_key.pop_last();
            }
            if self.samples.len() > MAX_GROUPS {
                self.samples.pop_last();
            }
        }
    }

    /// Adds a secret.
    pub(super) fn add_secret(&mut self, secret: FoundSecret, place: impl FnOnce() -> Place) {
        let key = (!secret.named_so, secret.value.fingerprint());
        if self.secrets.len() >= MAX_SECRETS && self.secrets.last_key_value().is_some_and(|(last, _)| *last < key) {
            return;
        }
        let place = place();
        let kept = self.secrets.entry(key).or_insert_with(|| Kept { value: secret.value, place: place.clone() });
        if place.order() < kept.place.order() {
            kept.place = place;
        }
        if self.secrets.len() > MAX_SECRETS {
            self.secrets.pop_last();
        }
    }

    /// Tries every secret on every sample.
    pub(super) fn matches(self) -> Vec<SignedBy> {
        if self.samples.is_empty() {
            return Vec::new();
        }
        let secrets: Vec<(Vec<Secret>, &Kept)> = self.secrets.values().map(|kept| (keys(&kept.value), kept)).collect();
        let mut found = Vec::new();
        for (token, signed) in self.samples.values().flatten() {
            let by = secrets.iter().find(|(keys, _)| keys.iter().any(|key| signed.is_signed_with(key)));
            found.extend(by.map(|(_, kept)| SignedBy { token: *token, place: kept.place.clone() }));
        }
        found
    }
}
