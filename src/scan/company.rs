//! What findings have to do with each other. A token that is bound to a key is safe until the key is found; then
//! neither finding tells by itself how bad it is. Nothing here depends on the order in which entries come.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::ledger::{At, Certificates, Entries, Entry, Place};
use super::signers::Signers;
use crate::rules::{Catalogue, Role};
use crate::secret::Fingerprint;
use crate::token::engine::Engine;
use crate::token::fault::{Fault, Faults};
use crate::token::keys::Thumbprint;

/// How many ties an entry keeps.
const MAX_TIES: usize = 8;

/// What an entry has to do with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tie {
    /// The secret that signed it, by its place in [`Company::secret`].
    Secret(usize),
    /// The private key that it is bound to.
    ProofKey(At),
    /// A token that is bound to it.
    BoundToken(At),
    /// A proof that was made with it.
    Proof(At),
    /// A token of another client, bound to the same key.
    OtherClient(At),
    /// It is bound to a key that was published there.
    PublishedKey(&'static str),
    /// It stands in two environments.
    Environments(&'static str, &'static str),
}

impl Tie {
    /// The entry it leads to.
    pub(super) const fn other(self) -> Option<At> {
        match self {
            Self::ProofKey(at) | Self::BoundToken(at) | Self::Proof(at) | Self::OtherClient(at) => Some(at),
            Self::Secret(_) | Self::PublishedKey(_) | Self::Environments(..) => None,
        }
    }

    /// Why that place is named.
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::ProofKey(_) => "the private key it is bound to",
            Self::BoundToken(_) => "a token that is bound to this key",
            Self::Proof(_) => "a DPoP proof made with this key",
            Self::OtherClient(_) => "a token of another client, bound to the same key",
            Self::Secret(_) => "the secret that signed it",
            Self::PublishedKey(_) | Self::Environments(..) => "",
        }
    }
}

/// Ties and the faults they amount to, by entry.
#[derive(Debug, Default)]
pub(super) struct Company {
    ties: HashMap<At, (Faults, Vec<Tie>)>,
    /// The certificates of a key, by its thumbprint; of keys that were found only.
    certificates: HashMap<Thumbprint, Vec<Thumbprint>>,
    /// Where secrets stand that signed tokens.
    secrets: Vec<Place>,
}

impl Company {
    /// Finds all ties.
    pub(super) fn new(entries: &Entries, certificates: &Certificates, signers: Signers, engine: &Engine) -> Self {
        let mut company = Self::default();
        let keys = open_keys(entries);
        let owners: HashMap<Thumbprint, Thumbprint> = certificates.iter().map(|one| (one.x5t, one.key)).collect();
        for one in certificates.iter().filter(|one| keys.contains_key(&one.key)) {
            company.certificates.entry(one.key).or_default().push(one.x5t);
        }
        let mut by_key: BTreeMap<(Thumbprint, Option<Arc<str>>), Vec<At>> = BTreeMap::new();
        for (at, entry) in entries.iter() {
            let facts = &entry.facts;
            if let Some((one, other)) = environments(entry) {
                company.tie(at, Fault::PopKeyShared, Tie::Environments(one, other));
            }
            let Some(bound_to) = facts.bound_to.as_deref().filter(|_| facts.binding.effective()) else { continue };
            // A certificate stands for its key.
            let key = owners.get(bound_to).unwrap_or(bound_to);
            let proof = role(&engine.catalogue, entry) == Role::Proof;
            match keys.get(key) {
                Some(&found) if proof => company.note(found, Tie::Proof(at)),
                Some(&found) => {
                    company.tie(at, Fault::PopKeyWithToken, Tie::ProofKey(found));
                    company.tie(found, Fault::PopKeyWithToken, Tie::BoundToken(at));
                }
                None => {
                    if let Some(source) = engine.published_key(key).filter(|_| !proof) {
                        company.tie(at, Fault::PopKeyWithToken, Tie::PublishedKey(source));
                    }
                }
            }
            if !proof && facts.client.is_some() {
                by_key.entry((*key, facts.issuer.clone())).or_default().push(at);
            }
        }
        for tokens in by_key.into_values().filter(|tokens| tokens.len() > 1) {
            company.shared(entries, &tokens);
        }
        company.signed(entries, signers);
        let place = |tie: &Tie| tie.other().map(|at| entries.get(at).order());
        for (_, ties) in company.ties.values_mut() {
            ties.sort_by(|a, b| place(a).cmp(&place(b)).then_with(|| a.cmp(b)));
            ties.dedup();
            ties.truncate(MAX_TIES);
            ties.shrink_to_fit();
        }
        company
    }

    /// Tokens of one issuer that are bound to one key: more than one client has it. Of each client the first token
    /// stands for all.
    fn shared(&mut self, entries: &Entries, tokens: &[At]) {
        let mut clients: BTreeMap<&str, At> = BTreeMap::new();
        for &at in tokens {
            let Some(client) = entries.get(at).facts.client.as_deref() else { continue };
            let first = clients.entry(client).or_insert(at);
            if entries.get(at).order() < entries.get(*first).order() {
                *first = at;
            }
        }
        if clients.len() < 2 {
            return;
        }
        for &at in clients.values() {
            for &other in clients.values().filter(|other| **other != at).take(MAX_TIES) {
                self.tie(at, Fault::PopKeyShared, Tie::OtherClient(other));
            }
        }
    }

    /// Tokens whose signing secret was found.
    fn signed(&mut self, entries: &Entries, signers: Signers) {
        let matches = signers.matches();
        if matches.is_empty() {
            return;
        }
        let by_fingerprint: HashMap<Fingerprint, At> =
            entries.iter().map(|(at, entry)| (entry.fingerprint, at)).collect();
        for signed in matches {
            let Some(&at) = by_fingerprint.get(&signed.token) else { continue };
            let known = self.secrets.iter().position(|place| place.order() == signed.place.order());
            let secret = known.unwrap_or(self.secrets.len());
            if known.is_none() {
                self.secrets.push(signed.place);
            }
            self.tie(at, Fault::AlgWeakSecret, Tie::Secret(secret));
        }
    }

    /// Where a secret stands.
    pub(super) fn secret(&self, index: usize) -> &Place {
        &self.secrets[index]
    }

    fn tie(&mut self, at: At, fault: Fault, tie: Tie) {
        let (faults, ties) = self.ties.entry(at).or_default();
        faults.insert(fault);
        ties.push(tie);
    }

    fn note(&mut self, at: At, tie: Tie) {
        self.ties.entry(at).or_default().1.push(tie);
    }

    /// What the ties of an entry amount to.
    pub(super) fn faults(&self, at: At) -> Faults {
        self.ties.get(&at).map(|(faults, _)| *faults).unwrap_or_default()
    }

    /// The ties of an entry, those to others by place.
    pub(super) fn ties(&self, at: At) -> &[Tie] {
        self.ties.get(&at).map_or(&[], |(_, ties)| ties)
    }

    /// The certificates of the key with that thumbprint.
    pub(super) fn certificates(&self, key: &Thumbprint) -> &[Thumbprint] {
        self.certificates.get(key).map_or(&[], Vec::as_slice)
    }
}

/// Private keys that can be used as they were found, by thumbprint; of several entries the first.
fn open_keys(entries: &Entries) -> HashMap<Thumbprint, At> {
    let mut keys: HashMap<Thumbprint, At> = HashMap::new();
    for (at, entry) in entries.iter() {
        let Some(key) = entry.facts.key.as_ref().filter(|key| key.protection.is_open()) else { continue };
        let Some(thumbprint) = key.thumbprint else { continue };
        let first = keys.entry(thumbprint).or_insert(at);
        if entry.order() < entries.get(*first).order() {
            *first = at;
        }
    }
    keys
}

fn role(catalogue: &Catalogue, entry: &Entry) -> Role {
    catalogue.families[usize::from(entry.facts.family)].role
}

/// Two environments, if a private key stands in files of both.
fn environments(entry: &Entry) -> Option<(&'static str, &'static str)> {
    entry.facts.key.as_ref()?;
    let mut first = None;
    for place in entry.places.iter().filter(|place| !super::is_sample(&place.origin.path)) {
        match (first, environment(&place.origin.path)) {
            (None, found) => first = found,
            (Some(one), Some(other)) if one != other => return Some((one.min(other), one.max(other))),
            _ => {}
        }
    }
    None
}

/// The environment that a path names, if it names one.
fn environment(path: &str) -> Option<&'static str> {
    const NAMES: [(&str, &[&str]); 5] = [
        ("development", &["dev", "develop", "development"]),
        ("production", &["prod", "prd", "production", "live"]),
        ("QA", &["qa"]),
        ("sandbox", &["sandbox"]),
        ("staging", &["stage", "staging", "stg", "preprod", "uat"]),
    ];
    let mut words = path.split(|c: char| !c.is_ascii_alphanumeric());
    let mut found = words.by_ref().filter_map(|word| {
        NAMES.iter().find(|(_, names)| names.iter().any(|name| word.eq_ignore_ascii_case(name))).map(|(name, _)| *name)
    });
    let first = found.next()?;
    found.all(|other| other == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environments_by_path() {
        for (path, expected) in [
            ("deploy/prod/tls.key", Some("production")),
            ("deploy/values-staging.yaml", Some("staging")),
            ("envs/DEV/key.pem", Some("development")),
            ("deploy/prod/from-staging/tls.key", None),
            ("products/devices/key.pem", None),
            ("tls.key", None),
        ] {
            assert_eq!(environment(path), expected, "{path}");
        }
    }
}
