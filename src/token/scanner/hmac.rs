//! HMACs: signatures made with secrets that everybody knows, and what it takes to try the secrets that a scan finds.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use super::{NeedMore, Scanner, Window};
use crate::secret::{Fingerprint, Secret};
use crate::token::claims::Header;
use crate::token::facts::Facts;
use crate::token::signing_secret::{self, Outcome};
use crate::token::weak_secret::Signed;

/// How many tokens of one key are tried against the list of known secrets, in a file or in its first part.
const WEAK_SAMPLES: u8 = 3;
/// The same in each further part, for keys that the first has none of.
const WEAK_SAMPLES_LATER: u8 = 1;
/// How many tokens are remembered to have been tried.
const MAX_TRIED: usize = 16 * 1024;
/// How many tokens of one key are kept for secrets that are found later, per unit.
const KEPT_SAMPLES: u8 = 2;
/// How many keys have samples, per unit.
const MAX_GROUPS: usize = 512;
/// How many secrets are kept, per unit.
const MAX_SECRETS: usize = 512;

/// Tokens that share these are taken to be signed with one key.
pub(super) type KeyGroup = (Arc<str>, Option<Arc<str>>, Option<Arc<str>>);

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Samples {
    tried: u8,
    kept: u8,
    found: Option<usize>,
}

/// Keys whose tokens were tried against the known secrets in the first part of a file: its other parts have mostly the
/// same.
#[derive(Debug, Default)]
pub struct TriedKeys(HashMap<KeyGroup, Samples, foldhash::fast::RandomState>);

/// An HS* token that no known secret verifies.
#[derive(Debug)]
pub struct Sample {
    /// The token.
    pub token: Fingerprint,
    /// The same for tokens that are taken to be signed with one key.
    pub group: Fingerprint,
    /// What its signature was made over.
    pub signed: Signed,
}

/// A value that may be a key that tokens are signed with.
#[derive(Debug)]
pub struct FoundSecret {
    /// Offset of its first byte in the stream.
    pub start: u64,
    /// Offset past its last byte.
    pub end: u64,
    /// As it is written.
    pub value: Secret,
    /// Its name speaks of tokens or signatures.
    pub named_so: bool,
}

impl Scanner<'_> {
    /// The keys that were tried in this unit.
    pub fn tried_keys(&mut self) -> TriedKeys {
        let mut keys = std::mem::take(&mut self.weak);
        keys.retain(|_, samples| samples.tried > 0);
        TriedKeys(keys)
    }

    /// Whether the signature was made with a secret that everybody knows. Tokens of one issuer and key are sampled: the
    /// first few of a unit are tried against the whole list, and once a secret is found, the others against that one.
    pub(super) fn is_weak(&mut self, header: &Header, facts: &Facts, signed: &[u8], signature: &[u8]) -> bool {
        if header.kid.is_none() && facts.issuer.is_none() {
            return self.known_secret(&header.alg, signed, signature).is_some();
        }
        let group = group(header, facts);
        let earlier = self.earlier.as_ref().and_then(|earlier| earlier.0.get(&group)).copied().unwrap_or_default();
        let own = self.weak.get(&group).copied().unwrap_or_default();
        let samples = Samples { tried: own.tried.max(earlier.tried), found: own.found.or(earlier.found), ..own };
        if let Some(position) = samples.found
            && self.engine.weak.is_signed_with(position, &header.alg, signed, signature)
        {
            return true;
        }
        if samples.tried >= if self.own_from == 0 { WEAK_SAMPLES } else { WEAK_SAMPLES_LATER } {
            return false;
        }
        let found = self.known_secret(&header.alg, signed, signature);
        self.weak.insert(group, Samples { tried: samples.tried + 1, found: samples.found.or(found), ..samples });
        found.is_some()
    }

    /// The list position of the secret that made a signature; each token is tried once.
    fn known_secret(&mut self, alg: &str, signed: &[u8], signature: &[u8]) -> Option<usize> {
        let key = self.hash.hash_one((signed, signature));
        if let Some(known) = self.tried.get(&key) {
            return *known;
        }
        if self.tried.len() >= MAX_TRIED {
            self.tried.clear();
        }
        let found = self.engine.weak.find(alg, signed, signature);
        self.tried.insert(key, found);
        found
    }

    /// Keeps a few tokens of each key, in case that the scan finds the secret they are signed with.
    pub(super) fn keep_sample(
        &mut self,
        header: &Header,
        facts: &Facts,
        signed: &[u8],
        signature: &[u8],
        token: Fingerprint,
    ) {
        let group = group(header, facts);
        if self.weak.len() >= MAX_GROUPS && !self.weak.contains_key(&group) {
            return;
        }
        let label = format!("{}\0{:?}\0{:?}", group.0, group.1, group.2);
        let samples = self.weak.entry(group).or_default();
        if samples.kept < KEPT_SAMPLES
            && let Some(signed) = Signed::new(&header.alg, signed, signature)
        {
            samples.kept += 1;
            self.samples.push(Sample { token, group: Secret::new(label).fingerprint(), signed });
        }
    }

    /// A value whose name says that it is a secret.
    pub(super) fn signing_secret(&mut self, window: &Window<'_>, at: usize) -> Result<(), NeedMore> {
        self.work -= 128;
        match signing_secret::read(window.bytes, at, window.more) {
            Outcome::NeedMore => return Err(NeedMore),
            Outcome::Nothing => {}
            Outcome::Found(found) => self.keep_secret(window, (found.start, found.end), found.value, found.named_so),
        }
        Ok(())
    }

    /// Keeps a value that may be a key that tokens are signed with.
    pub(super) fn keep_secret(
        &mut self,
        window: &Window<'_>,
        (start, end): (usize, usize),
        value: Secret,
        named_so: bool,
    ) {
        if self.foreign || self.secrets_seen.len() >= MAX_SECRETS {
            return;
        }
        if self.secrets_seen.insert(self.hash.hash_one(value.expose())) {
            let (start, end) = (window.base + start as u64, window.base + end as u64);
            self.secrets.push(FoundSecret { start, end, value, named_so });
        }
    }
}

fn group(header: &Header, facts: &Facts) -> KeyGroup {
    (header.alg.clone(), header.kid.clone(), facts.issuer.clone())
}
