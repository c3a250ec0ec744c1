//! What findings have to do with each other. A token that is bound to a key is safe until the key is found; then
//! neither finding tells by itself how bad it is. Nothing here depends on the order in which entries come.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU64;
use std::sync::Arc;

use super::ledger::{At, Certificates, Entries, Entry, Place};
use super::signers::Signers;
use crate::origin::Origin;
use crate::rules::{Catalogue, Role};
use crate::secret::Fingerprint;
use crate::token::engine::Engine;
use crate::token::facts::Signature;
use crate::token::fault::{Fault, Faults};
use crate::token::file::Nature;
use crate::token::keys::Thumbprint;
use crate::token::logged::witness::Sources;

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
    /// More than one client sent it.
    Sources(Sources),
    /// What is good for one request was sent with more than one.
    Repeated,
    /// Another token or proof with the same `jti`.
    SameJti(At),
    /// So many files hold it.
    Files(usize),
    /// Two teams' folders hold it.
    Teams,
}

impl Tie {
    /// The entry it leads to.
    pub(super) const fn other(self) -> Option<At> {
        match self {
            Self::ProofKey(at) | Self::BoundToken(at) | Self::Proof(at) | Self::OtherClient(at) | Self::SameJti(at) => {
                Some(at)
            }
            Self::Secret(_)
            | Self::PublishedKey(_)
            | Self::Environments(..)
            | Self::Sources(_)
            | Self::Repeated
            | Self::Files(_)
            | Self::Teams => None,
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
            Self::SameJti(_) => "another one with the same jti",
            Self::PublishedKey(_)
            | Self::Environments(..)
            | Self::Sources(_)
            | Self::Repeated
            | Self::Files(_)
            | Self::Teams => "",
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
            company.used(at, entry, engine);
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
        company.same_jti(entries, engine);
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

    /// What the places of one token or key say of its use.
    fn used(&mut self, at: At, entry: &Entry, engine: &Engine) {
        let several = match (entry.places.first(), entry.places.last()) {
            (Some(first), Some(last)) => first.origin != last.origin,
            _ => false,
        };
        let environments = || {
            let (one, other) = several.then(|| environments(entry))??;
            Some(Tie::Environments(one, other))
        };
        let sources = || entry.witnesses.sources().map(Tie::Sources);
        let role = role(&engine.catalogue, entry);
        let ties = match () {
            () if entry.facts.key.is_some() => [environments().map(|tie| (Fault::PopKeyShared, tie)), None, None],
            () if entry.facts.signature == Signature::Broken => [None; 3],
            () if role == Role::Proof => {
                [entry.witnesses.repeated().then_some((Fault::DpopJtiReuse, Tie::Repeated)), None, None]
            }
            () => [
                sources().map(|tie| (Fault::TokenReplayed, tie)),
                environments().map(|tie| (Fault::TokenReplayed, tie)),
                several.then(|| holders(entry)).flatten().map(|tie| (Fault::TokenShared, tie)),
            ],
        };
        for (fault, tie) in ties.into_iter().flatten() {
            self.tie(at, fault, tie);
        }
    }

    /// Tokens of one issuer, or proofs for one target, that have the same `jti` and other claims. Of proofs, only those
    /// count that stand in records of requests.
    fn same_jti(&mut self, entries: &Entries, engine: &Engine) {
        let unique = |at: At| {
            let entry = entries.get(at);
            let told = role(&engine.catalogue, entry) != Role::Proof || !entry.witnesses.is_empty();
            let counts = told && entry.in_earnest && entry.facts.signature != Signature::Broken;
            entry.facts.unique.filter(|_| counts)
        };
        // Of a hundred thousand tokens hardly any share one: sorting takes less room than a table.
        let mut all: Vec<(NonZeroU64, At)> = Vec::with_capacity(entries.len());
        all.extend(entries.iter().filter_map(|(at, _)| Some((unique(at)?.id, at))));
        all.sort_unstable();
        for same in all.chunk_by(|(a, _), (b, _)| a == b).filter(|same| same.len() > 1) {
            let mut by_role: BTreeMap<u8, Vec<(u64, At)>> = BTreeMap::new();
            for &(_, at) in same {
                let claims = unique(at).map_or(0, |unique| unique.claims);
                by_role.entry(role(&engine.catalogue, entries.get(at)) as u8).or_default().push((claims, at));
            }
            for (role, mut same) in by_role {
                same.sort_by(|(_, a), (_, b)| entries.get(*a).order().cmp(&entries.get(*b).order()));
                let (claims, first) = same[0];
                let Some(&(_, other)) = same.iter().find(|(others, _)| *others != claims) else { continue };
                let fault = if role == Role::Proof as u8 { Fault::DpopJtiReuse } else { Fault::JtiRepeated };
                for &(own, at) in &same {
                    self.tie(at, fault, Tie::SameJti(if own == claims { other } else { first }));
                }
            }
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

/// The files that a token stands in for somebody to use it there: no logs, recordings, exports and the like, no samples,
/// nothing that was copied by a build.
fn homes(entry: &Entry) -> impl Iterator<Item = &Origin> {
    const EXPORTS: [&str; 8] = [".txt", ".csv", ".tsv", ".jsonl", ".ndjson", ".out", ".sql", ".html"];
    const COPIES: [&str; 9] = ["build", "dist", "out", "target", "bin", "obj", "backup", "backups", "archive"];
    let mut origins: Vec<&Origin> = entry.places.iter().map(|place| &*place.origin).collect();
    origins.dedup();
    origins.into_iter().filter(|origin| {
        let copied = origin.path.split('/').rev().skip(1).any(|folder| COPIES.contains(&folder));
        let nature = Nature::of(origin.name());
        let told = nature.spread.is_some() || EXPORTS.iter().any(|end| origin.path.ends_with(end));
        let kept = origin.member.is_none() && !told && nature.cache.is_none();
        kept && !copied && !super::is_sample(&origin.path)
    })
}

/// What says that several share a token: three files that hold it, or folders of two teams.
fn holders(entry: &Entry) -> Option<Tie> {
    let mut files: Vec<&str> = Vec::new();
    let mut teams: Vec<&str> = Vec::new();
    for origin in homes(entry) {
        let path = &*origin.path;
        let kept = [".bak", ".old", ".orig", ".save", "~"].iter().find_map(|end| path.strip_suffix(end));
        files.push(kept.unwrap_or(path));
        teams.extend(team(path));
    }
    for all in [&mut files, &mut teams] {
        all.sort_unstable();
        all.dedup();
    }
    match (teams.len(), files.len()) {
        (2.., _) => Some(Tie::Teams),
        (_, files @ 3..) => Some(Tie::Files(files)),
        _ => None,
    }
}

/// The team whose folder a path lies in: `teams/orders/…`, `team-orders/…`.
fn team(path: &str) -> Option<&str> {
    let mut folders = path.rsplit_once('/')?.0.split('/');
    while let Some(folder) = folders.next() {
        if ["teams", "squads"].contains(&folder) {
            return folders.next();
        }
        if folder.starts_with("team-") || folder.starts_with("squad-") {
            return Some(folder);
        }
    }
    None
}

/// Two environments, if a private key or a token stands in files of both.
fn environments(entry: &Entry) -> Option<(&'static str, &'static str)> {
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
    fn teams_by_path() {
        for (path, expected) in [
            ("teams/orders/app.env", Some("orders")),
            ("src/squads/search/deploy/values.yaml", Some("search")),
            ("team-billing/app.env", Some("team-billing")),
            ("app/teams/list.py", None),
            ("teams.env", None),
            ("team-notes.md", None),
        ] {
            assert_eq!(team(path), expected, "{path}");
        }
    }

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
