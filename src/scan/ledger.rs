//! The ledger: one entry a token, however often and wherever it is seen. What it holds does not depend on the order in
//! which threads bring it: counts add up, faults unite, and of the places the smallest are kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use super::signers::Signers;
use crate::origin::{Layers, Origin};
use crate::secret::Fingerprint;
use crate::source::stream::{PLACES, PartEnd, PartPlace};
use crate::token::cache::Content;
use crate::token::carrier::Carrier;
use crate::token::directive::Directive;
use crate::token::facts::Facts;
use crate::token::fault::{Fault, Faults};
use crate::token::keys::Certificate;
use crate::token::logged::witness::Witnesses;
use crate::token::scanner::{FoundSecret, Sample, Token};

/// How many files of a token are kept.
const FILES: usize = 16;
/// How many locks the entries are spread over.
const SHARDS: usize = 16;
/// How many entries lie together: few in the first chunk, more in each that follows, up to this.
const CHUNK: usize = 256;
/// How many in the first.
const FIRST_CHUNK: usize = 8;

/// How many certificates of a scan are kept: those with the smallest thumbprints.
const CERTIFICATES: usize = 256 * 1024;

/// Where an entry lies.
pub(super) type At = (u32, u32);

/// The certificates of a scan.
pub(super) type Certificates = BTreeSet<Certificate>;

/// A place of a token.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// What it stands in.
    pub(super) origin: Arc<Origin>,
    /// What was undone to read it there.
    pub(super) layers: Layers,
    /// Which part of the file.
    pub(super) part: u32,
    /// Where in the part.
    pub(super) at: PartPlace,
    /// What carries it there.
    pub(super) carrier: Carrier,
}

impl Place {
    /// By what places are ordered.
    pub(super) fn order(&self) -> (&Origin, u64) {
        (&self.origin, self.at.start)
    }
}

/// Something to say about a place where no token need stand.
#[derive(Debug)]
pub(super) struct Note {
    /// What is wrong.
    pub(super) fault: Fault,
    /// Of a file that is a token cache: what it holds.
    pub(super) content: Option<Content>,
    /// Where.
    pub(super) place: Place,
    /// In a test, an example or documentation.
    pub(super) sample: bool,
}

/// A comment that accepts findings, and where it stands.
#[derive(Debug)]
pub(super) struct Marked {
    /// What it says.
    pub(super) directive: Directive,
    /// Where.
    pub(super) place: Place,
}

/// Everything known of a token.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its fingerprint.
    pub(super) fingerprint: Fingerprint,
    /// What it says.
    pub(super) facts: Facts,
    /// Where it was published, if everybody knows it.
    pub(super) published: Option<&'static str>,
    /// What is wrong with it at its places.
    pub(super) faults: Faults,
    /// How often it was seen.
    pub(super) occurrences: u64,
    /// Its first places, by file and offset.
    pub(super) places: Vec<Place>,
    /// It was also seen in a file that is no test, example or documentation.
    pub(super) in_earnest: bool,
    /// What the records say that it stands in.
    pub(super) witnesses: Witnesses,
}

/// What a unit saw of one token.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// How often.
    pub(super) occurrences: u64,
    /// What is wrong with it at its places.
    pub(super) faults: Faults,
    /// Its first places in the unit, with what carries it there and what was undone to read it.
    pub(super) places: Vec<(PartPlace, Carrier, Layers)>,
    /// What the records around it say.
    pub(super) witnesses: Witnesses,
}

/// The tokens of a scan.
#[derive(Debug)]
pub(super) struct Ledger {
    shards: Vec<Mutex<Shard>>,
    /// Of files that were read in parts: what each part gave.
    parts: Mutex<BTreeMap<Arc<str>, Vec<PartEnd>>>,
    certificates: Mutex<Certificates>,
    signers: Mutex<Signers>,
    notes: Mutex<Vec<Note>>,
    marked: Mutex<Vec<Marked>>,
}

/// What a ledger holds in the end.
#[derive(Debug)]
pub(super) struct Closed {
    /// All entries, in no particular order.
    pub(super) entries: Entries,
    /// Of files that were read in parts: how each part ended.
    pub(super) parts: BTreeMap<Arc<str>, Vec<PartEnd>>,
    /// All certificates.
    pub(super) certificates: Certificates,
    /// HMAC-signed tokens, and what they may be signed with.
    pub(super) signers: Signers,
    /// All notes, by place.
    pub(super) notes: Vec<Note>,
    /// Comments that accept findings, by place.
    pub(super) marked: Vec<Marked>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            parts: Mutex::default(),
            certificates: Mutex::default(),
            signers: Mutex::default(),
            notes: Mutex::default(),
            marked: Mutex::default(),
        }
    }
}

impl Ledger {
    /// Adds what a unit saw: `seen` runs parallel to `tokens`.
    pub(super) fn add(&self, origin: &Arc<Origin>, part: u32, sample: bool, tokens: &[Token], seen: &[Seen]) {
        // Tokens that begin before the part were met, too, and belong to the part before.
        for (token, seen) in tokens.iter().zip(seen).filter(|(_, seen)| seen.occurrences > 0) {
            let shard = &self.shards[usize::from(token.fingerprint.0[0]) % SHARDS];
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let entry = shard.entry(token.fingerprint, || Entry {
                fingerprint: token.fingerprint,
                facts: token.facts.clone(),
                published: token.published,
                faults: Faults::default(),
                occurrences: 0,
                places: Vec::new(),
                in_earnest: false,
                witnesses: Witnesses::default(),
            });
            entry.occurrences += seen.occurrences;
            entry.faults = entry.faults.union(seen.faults);
            entry.in_earnest |= !sample;
            entry.witnesses.unite(&seen.witnesses);
            // Two units may have read different things beside one token, or tried its signature or not.
            entry.facts.merge(&token.facts);
            for &(at, carrier, layers) in &seen.places {
                entry.keep(Place { origin: origin.clone(), layers, part, at, carrier });
            }
        }
    }

    /// Adds the certificates that a unit saw.
    pub(super) fn add_certificates(&self, seen: &[Certificate]) {
        if seen.is_empty() {
            return;
        }
        let mut all = self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(seen.iter().copied());
        while all.len() > CERTIFICATES {
            all.pop_last();
        }
    }

    /// Adds HMAC-signed tokens that a unit saw.
    pub(super) fn add_samples(&self, samples: &mut Vec<Sample>) {
        if !samples.is_empty() {
            self.signers.lock().unwrap_or_else(PoisonError::into_inner).add_samples(samples);
        }
    }

    /// Adds a value that tokens may be signed with.
    pub(super) fn add_secret(&self, secret: FoundSecret, place: impl FnOnce() -> Place) {
        self.signers.lock().unwrap_or_else(PoisonError::into_inner).add_secret(secret, place);
    }

    /// Keeps a note.
    pub(super) fn note(&self, note: Note) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(note);
    }

    /// Keeps a comment that accepts findings.
    pub(super) fn mark(&self, marked: Marked) {
        self.marked.lock().unwrap_or_else(PoisonError::into_inner).push(marked);
    }

    /// Notes how the parts of a file ended, in order; needed for the lines of what stands in them.
    pub(super) fn file_in_parts(&self, path: &Arc<str>, ends: Vec<PartEnd>) {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone(), ends);
    }

    /// What it holds.
    pub(super) fn close(self) -> Closed {
        let mut entries = Entries::default();
        for shard in self.shards {
            entries.chunks.extend(shard.into_inner().unwrap_or_else(PoisonError::into_inner).chunks);
        }
        let mut notes = self.notes.into_inner().unwrap_or_else(PoisonError::into_inner);
        notes.sort_by(|a, b| a.order().cmp(&b.order()));
        let mut marked = self.marked.into_inner().unwrap_or_else(PoisonError::into_inner);
        marked.sort_by(|a, b| a.place.order().cmp(&b.place.order()));
        Closed {
            entries,
            parts: self.parts.into_inner().unwrap_or_else(PoisonError::into_inner),
            certificates: self.certificates.into_inner().unwrap_or_else(PoisonError::into_inner),
            signers: self.signers.into_inner().unwrap_or_else(PoisonError::into_inner),
            notes,
            marked,
        }
    }
}

/// Some of the entries. They lie in chunks that never move, with a small index: a log may hold a hundred thousand
/// tokens, and a table of whole entries would be half empty.
#[derive(Debug, Default)]
struct Shard {
    chunks: Vec<Vec<Entry>>,
    /// Half of a fingerprint to chunk and place in it.
    index: HashMap<u128, (u32, u32), foldhash::fast::RandomState>,
}

impl Shard {
    fn entry(&mut self, fingerprint: Fingerprint, new: impl FnOnce() -> Entry) -> &mut Entry {
        let mut half = [0u8; 16];
        half.copy_from_slice(&fingerprint.0[..16]);
        let next = match self.chunks.last() {
            Some(chunk) if chunk.len() < chunk.capacity() => (self.chunks.len() - 1, chunk.len()),
            _ => (self.chunks.len(), 0),
        };
        let next = (next.0 as u32, next.1 as u32);
        let (chunk, at) = *self.index.entry(u128::from_le_bytes(half)).or_insert(next);
        if (chunk, at) == next {
            if at == 0 {
                // Never more than this: to grow, all of them would be copied.
                let room = FIRST_CHUNK << self.chunks.len().min(16);
                self.chunks.push(Vec::with_capacity(room.min(CHUNK)));
            }
            self.chunks[chunk as usize].push(new());
        }
        &mut self.chunks[chunk as usize][at as usize]
    }
}

/// All entries of a scan.
#[derive(Debug, Default)]
pub(super) struct Entries {
    chunks: Vec<Vec<Entry>>,
}

impl Entries {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum()
    }

    /// All of them, each with where it lies.
    pub(super) fn iter(&self) -> impl Iterator<Item = (At, &Entry)> {
        self.chunks.iter().enumerate().flat_map(|(chunk, entries)| {
            entries.iter().enumerate().map(move |(at, entry)| ((chunk as u32, at as u32), entry))
        })
    }

    /// Takes places away from one.
    pub(super) fn retain_places(&mut self, (chunk, at): At, keep: impl FnMut(&Place) -> bool) {
        let entry = &mut self.chunks[chunk as usize][at as usize];
        let before = entry.places.len();
        entry.places.retain(keep);
        entry.occurrences = entry.occurrences.saturating_sub((before - entry.places.len()) as u64);
    }

    /// The one that lies there.
    pub(super) fn get(&self, (chunk, at): At) -> &Entry {
        &self.chunks[chunk as usize][at as usize]
    }
}

impl Note {
    /// By what notes are sorted.
    pub(super) fn order(&self) -> (&Origin, u64, Fault) {
        (&self.place.origin, self.place.at.start, self.fault)
    }
}

impl Entry {
    /// By what entries are ordered: the first place, then the fingerprint.
    pub(super) fn order(&self) -> (Option<(&Origin, u64)>, Fingerprint) {
        (self.places.first().map(Place::order), self.fingerprint)
    }

    /// Keeps a place if it is among the first few of its file and its file among the first few of all.
    fn keep(&mut self, place: Place) {
        let key = |p: &Place| (p.origin.clone(), p.at.start);
        let Err(at) = self.places.binary_search_by_key(&key(&place), key) else { return };
        let origin = place.origin.clone();
        self.places.insert(at, place);
        let first = self.places.partition_point(|p| p.origin < origin);
        let of_file = self.places[first..].partition_point(|p| p.origin == origin);
        if of_file > PLACES {
            self.places.remove(first + PLACES);
        }
        let files = self.places.chunk_by(|a, b| a.origin == b.origin).count();
        if files > FILES
            && let Some(last) = self.places.last().map(|p| p.origin.clone())
        {
            self.places.retain(|p| p.origin != last);
        }
        self.places.shrink_to(self.places.len().next_power_of_two());
    }
}
