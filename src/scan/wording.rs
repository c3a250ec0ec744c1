//! Findings in words: what the scan knows of an item, judged, with its places as they are told. One of these a thread.

use std::sync::Arc;

use super::company::Tie;
use super::ledger::{At, Entry, Note, Place};
use super::outcome::{Item, Outcome, cache_of, note_case};
use crate::finding::{Confidence, Finding, KeyRecord, Location, Related, Severity, TokenRecord};
use crate::origin::{Layer, Origin};
use crate::policy::Policy;
use crate::span::LineColumn;
use crate::token::engine::Engine;
use crate::token::facts::Time;
use crate::token::fault::Fault;
use crate::token::judge::{Case, NoteVerdict, judge, note_verdict, rfc3339};
use crate::token::logged::witness::Sources;
use crate::token::redact::Redactor;

/// How many ties are put in words; the places of all are given.
const TIES_IN_WORDS: usize = 3;
/// How many certificates of a key are named.
const MAX_CERTIFICATES: usize = 8;

/// A place as it is told.
pub(super) struct Told {
    pub(super) origin: Arc<Origin>,
    /// As reports have it.
    pub(super) path: String,
    pub(super) line: u64,
    /// Offset of its first byte.
    pub(super) start: u64,
}

/// Makes findings of what a scan found.
pub(super) struct Wording<'a> {
    outcome: &'a Outcome,
    engine: &'a Engine,
    policy: &'a Policy,
    redactor: Redactor<'a>,
}

impl<'a> Wording<'a> {
    pub(super) fn new(outcome: &'a Outcome, engine: &'a Engine, policy: &'a Policy) -> Self {
        Self { outcome, engine, policy, redactor: Redactor::new(engine) }
    }

    /// The finding that comes of an item.
    pub(super) fn of_item(&self, severity: Severity, item: Item) -> Option<Finding> {
        match item {
            Item::Entry(at) => self.of_entry(at, self.outcome.entries.get(at)),
            Item::Note(number) => Some(self.of_note(&self.outcome.notes[number], severity)),
            Item::Audited(number) => Some(self.outcome.audited[number].clone()),
        }
    }

    /// The places of an item, as they are told.
    pub(super) fn places(&self, item: Item) -> Vec<Told> {
        match item {
            Item::Entry(at) => self.outcome.entries.get(at).places.iter().map(|place| self.told(place)).collect(),
            Item::Note(number) => vec![self.told(&self.outcome.notes[number].place)],
            Item::Audited(number) => {
                let found = &self.outcome.audited[number];
                let place = &found.location;
                let origin = Origin { member: place.member.clone(), ..Origin::file(place.path.clone()) };
                let (line, start) = (place.line, place.byte_start);
                vec![Told { origin: Arc::new(origin), path: found.path(), line, start }]
            }
        }
    }

    fn told(&self, place: &Place) -> Told {
        let path = self.path(place);
        Told { origin: place.origin.clone(), path, line: self.outcome.lines(place).0.line, start: place.at.start }
    }

    /// The finding that comes of a token or key.
    pub(super) fn of_entry(&self, index: At, entry: &Entry) -> Option<Finding> {
        let Self { outcome, engine, policy, .. } = *self;
        let safe = |text: &str| self.redactor.safe(text).to_string();
        let company = self.company(index);
        let cached = entry.faults.contains(Fault::CacheCommitted);
        let cache = cached.then(|| entry.places.iter().find_map(cache_of)).flatten();
        let case = Case { cache, ..outcome.case(index, entry, &company) };
        let verdict = judge(&case, &engine.catalogue, policy, outcome.now, &safe)?;
        let facts = &entry.facts;
        let first = entry.places.first()?;
        let same = if facts.key.is_some() { "the same key" } else { "the same token" };
        let again = entry.places[1..].iter().map(|place| self.related(place, same));
        let others = outcome.company.ties(index).iter().filter_map(|tie| {
            let place = match *tie {
                Tie::Secret(index) => outcome.company.secret(index),
                _ => outcome.entries.get(tie.other()?).places.first()?,
            };
            Some(self.related(place, tie.message()))
        });
        // Those of other findings first: reports may show but a few.
        let related = others.chain(again).collect();
        let optional = |text: Option<&str>| text.map(|text| self.redactor.safe(text));
        Some(Finding {
            family: Some(engine.catalogue.families[usize::from(facts.family)].slug),
            severity: verdict.severity,
            confidence: verdict.confidence,
            message: verdict.message,
            location: self.location(first),
            related,
            occurrences: entry.occurrences,
            carrier: first.carrier.word(),
            key: facts.key.as_ref().map(|key| KeyRecord {
                fingerprint: entry.fingerprint.hex(),
                format: key.format.word(),
                algorithm: key.algorithm.name(),
                encrypted: !key.protection.is_open(),
                jkt: key.thumbprint.map(|thumbprint| thumbprint.base64url()),
                certificates: {
                    let known = key.thumbprint.as_ref().map_or(&[][..], |key| outcome.company.certificates(key));
                    known.iter().take(MAX_CERTIFICATES).map(|x5t| x5t.base64url()).collect()
                },
            }),
            token: facts.key.is_none().then(|| TokenRecord {
                fingerprint: entry.fingerprint.hex(),
                kind: facts.kind.word(),
                alg: optional(facts.alg.as_deref()),
                typ: optional(facts.typ.as_deref()),
                issuer: optional(facts.issuer.as_deref()),
                audience: facts
                    .audience
                    .as_deref()
                    .unwrap_or_default()
                    .iter()
                    .map(|one| self.redactor.safe(one))
                    .collect(),
                subject: optional(facts.subject.as_deref()),
                binding: facts.binding.word(),
                state: verdict.state,
                ttl_seconds: verdict.ttl,
                issued_at: rfc3339(facts.issued),
                expires_at: rfc3339(facts.expires),
                remaining_seconds: verdict.remaining,
                privileged: verdict.privileged,
            }),
            hop: None,
            issuer: None,
            reason: None,
            because: verdict.because,
            fix: verdict.fix,
            rule: verdict.rule,
            faults: verdict.faults,
        })
    }

    fn of_note(&self, note: &Note, severity: Severity) -> Finding {
        let NoteVerdict { message, because, fix } = note_verdict(&note_case(note), &self.engine.catalogue);
        Finding {
            rule: note.fault.slug(),
            family: None,
            severity,
            confidence: Confidence::High,
            message,
            faults: vec![note.fault.slug()],
            location: self.location(&note.place),
            related: Vec::new(),
            occurrences: 1,
            carrier: "file",
            token: None,
            key: None,
            hop: None,
            issuer: None,
            reason: None,
            because,
            fix,
        }
    }

    /// What the scan found that belongs to an entry, in words fit to be printed.
    fn company(&self, index: At) -> Vec<String> {
        let outcome = self.outcome;
        let place = |at: At| outcome.entries.get(at).places.first().map(|place| self.place_in_words(place));
        let ties = outcome.company.ties(index);
        let mut words = Vec::new();
        for tie in ties.iter().take(TIES_IN_WORDS) {
            let text = match *tie {
                Tie::Secret(index) => {
                    let place = self.place_in_words(outcome.company.secret(index));
                    Some(format!("signed with the secret that stands in {place}"))
                }
                Tie::ProofKey(at) => place(at).map(|place| format!("its proof key stands in {place}")),
                Tie::PublishedKey(source) => Some(format!("its proof key was published: {source}")),
                Tie::Environments(one, other) => Some(format!("it stands in {one} and in {other}")),
                Tie::OtherClient(at) => {
                    let client =
                        outcome.entries.get(at).facts.client.as_deref().map(|client| self.redactor.safe(client));
                    client.map(|client| format!("a token of client {client} is bound to the same key"))
                }
                Tie::BoundToken(at) => place(at).map(|place| format!("a token in {place} is bound to it")),
                Tie::Proof(at) => place(at).map(|place| format!("a DPoP proof in {place} was made with it")),
                Tie::SameJti(at) => place(at).map(|place| format!("another one with the same jti stands in {place}")),
                Tie::Sources(sources) => Some(sources_in_words(sources)),
                Tie::Repeated => Some("it was sent with more than one request".to_owned()),
                Tie::Files(count) => Some(format!("it stands in {count} files that use it")),
                Tie::Teams => Some("it stands in the folders of two teams".to_owned()),
            };
            words.extend(text);
        }
        words
    }

    fn place_in_words(&self, place: &Place) -> String {
        let (LineColumn { line, .. }, _) = self.outcome.lines(place);
        format!("{}:{line}", self.path(place))
    }

    /// The path of a place; in an archive with the path within after `!/`.
    fn path(&self, place: &Place) -> String {
        let path = self.file(place);
        match self.member(place) {
            Some(member) => format!("{path}!/{member}"),
            None => path.to_string(),
        }
    }

    /// The path inside an archive, fit to be printed.
    fn member(&self, place: &Place) -> Option<Arc<str>> {
        place.origin.member.as_deref().map(|member| self.redactor.safe(member))
    }

    /// The path of the file or archive, fit to be printed.
    fn file(&self, place: &Place) -> Arc<str> {
        self.redactor.safe(&place.origin.path)
    }

    fn related(&self, place: &Place, message: &'static str) -> Related {
        let (LineColumn { line, column }, _) = self.outcome.lines(place);
        Related {
            path: self.file(place),
            member: self.member(place),
            line,
            column,
            message: message.into(),
            packed: !place.origin.layers.is_empty(),
        }
    }

    fn location(&self, place: &Place) -> Location {
        let (first, end) = self.outcome.lines(place);
        Location {
            path: self.file(place),
            line: first.line,
            column: first.column,
            end_line: end.line,
            end_column: end.column,
            byte_start: place.at.start,
            byte_end: place.at.end(),
            layers: place.origin.layers.iter().chain(place.layers.iter()).map(Layer::word).collect(),
            member: self.member(place),
            commit: place.origin.revision.as_ref().map(|revision| revision.commit.clone()),
            author_date: place.origin.revision.as_ref().and_then(|revision| rfc3339(Time::At(revision.author_date))),
            packed: !place.origin.layers.is_empty(),
        }
    }
}

fn sources_in_words(Sources { addresses, agents }: Sources) -> String {
    match (addresses, agents) {
        (2.., 2..) => format!("it was sent from {addresses} addresses, by {agents} kinds of client"),
        (2.., _) => format!("it was sent from {addresses} addresses"),
        _ => format!("it was sent by {agents} kinds of client"),
    }
}
