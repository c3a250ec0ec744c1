//! What a scan gives: entries judged and sorted, findings made one at a time as reports ask for them.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::Job;
use super::accepted::Accepted;
use super::company::{Company, Tie};
use super::ledger::{At, Closed, Entries, Entry, Marked, Note, Place};
use crate::finding::{Confidence, Coverage, Finding, KeyRecord, Location, Related, Severity, Suppressed, TokenRecord};
use crate::origin::{Layer, Origin};
use crate::policy::Policy;
use crate::rules::{Catalogue, Role};
use crate::secret::Fingerprint;
use crate::source::stream::PartEnd;
use crate::span::LineColumn;
use crate::token::cache::Cache;
use crate::token::engine::Engine;
use crate::token::facts::{Facts, Time};
use crate::token::fault::Fault;
use crate::token::file::Nature;
use crate::token::judge::{Case, NoteCase, NoteVerdict, judge, note_severity, note_verdict, rfc3339, severity_of};
use crate::token::logged::witness::Sources;
use crate::token::redact::redact;

/// How many ties are put in words; the places of all are given.
const TIES_IN_WORDS: usize = 3;
/// How many findings are made before the first of them is handed over,
const AT_ONCE: usize = 1024;
/// and how many a thread is started for.
const LEAST_SHARE: usize = 64;
/// How many certificates of a key are named.
const MAX_CERTIFICATES: usize = 8;

/// Counts of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Files that were examined.
    pub files: u64,
    /// Bytes that were examined.
    pub bytes: u64,
    /// Files that `.gitignore` left out.
    pub ignored_files: u64,
    /// The scan was interrupted.
    pub partial: bool,
}

/// What a finding comes from.
#[derive(Debug, Clone, Copy)]
enum Item {
    /// A token: where its entry lies.
    Entry((u32, u32)),
    /// A note, by its number.
    Note(usize),
    /// A finding of an audit of configuration, by its number.
    Audited(usize),
}

/// A place as it is told.
struct Told {
    origin: Arc<Origin>,
    /// As reports have it.
    path: String,
    line: u64,
    /// Offset of its first byte.
    start: u64,
}

/// The outcome of a scan.
#[derive(Debug)]
pub struct Outcome {
    entries: Entries,
    parts: BTreeMap<Arc<str>, Vec<PartEnd>>,
    id_token_issuers: HashSet<Arc<str>>,
    company: Company,
    notes: Vec<Note>,
    /// What the audits of configuration found.
    audited: Vec<Finding>,
    /// Severities of the findings, worst first, with what each comes from.
    order: Vec<(Severity, Item)>,
    published: Vec<At>,
    /// What somebody has accepted, by place.
    accepted: Vec<Suppressed>,
    now: i64,
    /// How many threads word the findings.
    threads: usize,
    /// What was not plainly examined.
    pub coverage: Vec<Coverage>,
    /// Counts.
    pub summary: Summary,
}

impl Outcome {
    pub(super) fn new(
        job: &Job<'_>,
        ledger: Closed,
        audited: Vec<Finding>,
        coverage: Vec<Coverage>,
        summary: Summary,
    ) -> Self {
        let Closed { entries, parts, certificates, signers, notes, marked } = ledger;
        let role = |facts: &Facts| job.engine.catalogue.families[usize::from(facts.family)].role;
        let id_token_issuers = entries
            .iter()
            .filter(|(_, entry)| role(&entry.facts) == Role::Id)
            .filter_map(|(_, entry)| entry.facts.issuer.clone())
            .collect();
        let company = Company::new(&entries, &certificates, signers, job.engine);
        let mut outcome = Self {
            entries,
            parts,
            id_token_issuers,
            company,
            notes,
            audited,
            order: Vec::new(),
            published: Vec::new(),
            accepted: Vec::new(),
            now: job.now,
            threads: job.threads.max(1),
            coverage,
            summary,
        };
        // Weighed once for the order and judged for each report: a finding with its texts is not small, and there may
        // be very many.
        let mut order = Vec::new();
        let mut published = Vec::new();
        for (index, entry) in outcome.entries.iter() {
            if entry.published.is_some() {
                published.push(index);
            } else if let Some(severity) = outcome.severity(index, entry, &job.engine.catalogue, job.policy) {
                order.push((severity, Item::Entry(index)));
            }
        }
        for (number, note) in outcome.notes.iter().enumerate() {
            if let Some(severity) = note_severity(&note_case(note), &job.engine.catalogue, job.policy) {
                order.push((severity, Item::Note(number)));
            }
        }
        order.extend(outcome.audited.iter().enumerate().map(|(number, one)| (one.severity, Item::Audited(number))));
        let place = |index: At| outcome.entries.get(index).order();
        let item_place = |item: Item| match item {
            Item::Entry(index) => place(index),
            Item::Note(number) => {
                let Note { place, .. } = &outcome.notes[number];
                (Some((&*place.origin, place.at.start)), Fingerprint([0; 32]))
            }
            // After what leaked, as grave as it may be: that is abroad already.
            Item::Audited(_) => (None, Fingerprint([0xff; 32])),
        };
        order.sort_by(|(a, i), (b, k)| {
            b.cmp(a).then_with(|| match (*i, *k) {
                (Item::Audited(i), Item::Audited(k)) => i.cmp(&k),
                (i, k) => item_place(i).cmp(&item_place(k)),
            })
        });
        published.sort_unstable_by(|i, k| place(*i).cmp(&place(*k)));
        (outcome.order, outcome.published) = (order, published);
        let line = |marked: &Marked| outcome.lines(&marked.place).0.line;
        let accepted = Accepted::new(job.accept, marked, job.now, line);
        if !accepted.is_nothing() {
            outcome.accept(accepted, job);
        }
        outcome
    }

    /// Takes out what somebody has accepted: findings of which every place is accepted, and of others those places.
    fn accept(&mut self, mut accepted: Accepted<'_>, job: &Job<'_>) {
        let (engine, policy) = (job.engine, job.policy);
        let mut order = Vec::with_capacity(self.order.len());
        let mut rows = Vec::new();
        for (severity, item) in std::mem::take(&mut self.order) {
            let places = self.places(item, engine);
            let known = places.iter().any(|place| accepted.may_know(&place.origin, &place.path));
            let Some(finding) = known.then(|| self.of_item(severity, item, engine, policy)).flatten() else {
                order.push((severity, item));
                continue;
            };
            let identity = finding.identity();
            let mut why = None;
            let mut kept = HashSet::new();
            for Told { origin, path, line, start } in places {
                match accepted.reason(&origin, &path, line, &finding.rule, &identity) {
                    Some(reason) => _ = why.get_or_insert(reason),
                    None => _ = kept.insert((origin, start)),
                }
            }
            if kept.is_empty() {
                rows.push(Suppressed {
                    path: finding.location.path.clone(),
                    member: finding.location.member.clone(),
                    line: finding.location.line,
                    column: finding.location.column,
                    occurrences: finding.occurrences,
                    fingerprint: finding.fingerprint().unwrap_or_default().to_owned(),
                    family: finding.family.unwrap_or(finding.rule),
                    reason: redact(engine, &why.unwrap_or_default()),
                });
                continue;
            }
            if let Item::Entry(at) = item {
                self.entries.retain_places(at, |place| kept.contains(&(place.origin.clone(), place.at.start)));
            }
            order.push((severity, item));
        }
        rows.sort();
        (self.order, self.accepted) = (order, rows);
        let notes = accepted.notes(&engine.catalogue, super::is_sample);
        self.coverage.extend(notes.into_iter().map(|row| Coverage {
            path: redact(engine, &row.path).into(),
            member: row.member.as_deref().map(|member| redact(engine, member).into()),
            reason: redact(engine, &row.reason),
            ..row
        }));
        self.coverage.sort();
    }

    fn of_item(&self, severity: Severity, item: Item, engine: &Engine, policy: &Policy) -> Option<Finding> {
        match item {
            Item::Entry(at) => self.finding(at, self.entries.get(at), engine, policy),
            Item::Note(number) => Some(self.of_note(&self.notes[number], severity, engine)),
            Item::Audited(number) => Some(self.audited[number].clone()),
        }
    }

    /// The places of an item, as they are told.
    fn places(&self, item: Item, engine: &Engine) -> Vec<Told> {
        match item {
            Item::Entry(at) => self.entries.get(at).places.iter().map(|place| self.told(place, engine)).collect(),
            Item::Note(number) => vec![self.told(&self.notes[number].place, engine)],
            Item::Audited(number) => {
                let found = &self.audited[number];
                let place = &found.location;
                let origin = Origin { member: place.member.clone(), ..Origin::file(place.path.clone()) };
                let (line, start) = (place.line, place.byte_start);
                vec![Told { origin: Arc::new(origin), path: found.path(), line, start }]
            }
        }
    }

    fn told(&self, place: &Place, engine: &Engine) -> Told {
        let path = redact(engine, &place.origin.path);
        let path = match member(place, engine) {
            Some(member) => format!("{path}!/{member}"),
            None => path,
        };
        Told { origin: place.origin.clone(), path, line: self.lines(place).0.line, start: place.at.start }
    }

    /// What a baseline would have to accept for all findings from `least` on to go: path, rule, and what was found.
    pub fn to_accept(&self, engine: &Engine, policy: &Policy, least: Severity) -> Vec<(String, String, String)> {
        let mut all = Vec::new();
        for (severity, item) in self.order.iter().filter(|(severity, _)| *severity >= least) {
            let Some(finding) = self.of_item(*severity, *item, engine, policy) else { continue };
            let places = self.places(*item, engine).into_iter();
            all.extend(places.map(|place| (place.path, finding.rule.clone(), finding.identity())));
        }
        all.sort();
        all.dedup();
        all
    }

    /// How many findings somebody has accepted.
    pub fn accepted(&self) -> usize {
        self.accepted.len()
    }

    /// How many findings there are.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// How many distinct tokens were recognised, known examples included.
    pub fn tokens(&self) -> usize {
        self.entries.len()
    }

    /// The gravest severity.
    pub fn worst(&self) -> Option<Severity> {
        self.order.first().map(|(severity, _)| *severity)
    }

    /// How many findings of each severity, gravest first.
    pub fn counts(&self) -> [(Severity, usize); 5] {
        Severity::ALL.map(|severity| (severity, self.order.iter().filter(|(s, _)| *s == severity).count()))
    }

    /// The findings, worst first, then by place, each in the shape that `shape` gives it. They are made when they are
    /// asked for, [`AT_ONCE`] at a time by several threads: wording thousands takes as long as finding them.
    pub fn findings<'a, T: Send + 'a>(
        &'a self,
        engine: &'a Engine,
        policy: &'a Policy,
        shape: impl Fn(Finding) -> T + Sync + 'a,
    ) -> impl Iterator<Item = T> + 'a {
        self.order.chunks(AT_ONCE).flat_map(move |chunk| {
            let make = |items: &[(Severity, Item)]| -> Vec<T> {
                let made = items.iter().filter_map(|(severity, item)| self.of_item(*severity, *item, engine, policy));
                made.map(&shape).collect()
            };
            let make = &make;
            let share = chunk.len().div_ceil(self.threads).max(LEAST_SHARE);
            let (own, others) = chunk.split_at(share.min(chunk.len()));
            std::thread::scope(|scope| {
                let others: Vec<_> = others.chunks(share).map(|items| scope.spawn(move || make(items))).collect();
                let mut all = make(own);
                for thread in others {
                    match thread.join() {
                        Ok(made) => all.extend(made),
                        Err(panic) => std::panic::resume_unwind(panic),
                    }
                }
                all
            })
        })
    }

    /// The findings and, judged like them, the tokens that everybody knows.
    pub(super) fn all<'a>(&'a self, engine: &'a Engine, policy: &'a Policy) -> impl Iterator<Item = Finding> + 'a {
        self.entries.iter().filter_map(move |(index, entry)| self.finding(index, entry, engine, policy))
    }

    /// Tokens that were recognised and are no findings, by place.
    pub fn suppressed<'a>(&'a self, engine: &'a Engine) -> impl Iterator<Item = Suppressed> + 'a {
        let published = self.published.iter().filter_map(move |index| {
            let entry = self.entries.get(*index);
            let place = entry.places.first()?;
            let (LineColumn { line, column }, _) = self.lines(place);
            Some(Suppressed {
                path: redact(engine, &place.origin.path).into(),
                member: member(place, engine),
                line,
                column,
                occurrences: entry.occurrences,
                fingerprint: entry.fingerprint.hex(),
                family: engine.catalogue.families[usize::from(entry.facts.family)].slug.clone(),
                reason: format!("published example: {}", entry.published.unwrap_or_default()),
            })
        });
        published.chain(self.accepted.iter().cloned())
    }

    fn case<'a>(&self, index: At, entry: &'a Entry, company: &'a [String]) -> Case<'a> {
        Case {
            facts: &entry.facts,
            place_faults: entry.faults.union(self.company.faults(index)),
            only_in_samples: !entry.in_earnest,
            cache: None,
            issuer_mints_id_tokens: entry.facts.issuer.as_ref().is_some_and(|iss| self.id_token_issuers.contains(iss)),
            carrier: entry.places.first().map_or(crate::token::carrier::Carrier::Bare, |p| p.carrier),
            company,
        }
    }

    fn severity(&self, index: At, entry: &Entry, catalogue: &Catalogue, policy: &Policy) -> Option<Severity> {
        severity_of(&self.case(index, entry, &[]), catalogue, policy, self.now)
    }

    fn finding(&self, index: At, entry: &Entry, engine: &Engine, policy: &Policy) -> Option<Finding> {
        let safe = |text: &str| redact(engine, text);
        let company = self.company_in_words(index, engine);
        let cached = entry.faults.contains(Fault::CacheCommitted);
        let cache = cached.then(|| entry.places.iter().find_map(cache_of)).flatten();
        let case = Case { cache, ..self.case(index, entry, &company) };
        let verdict = judge(&case, &engine.catalogue, policy, self.now, &safe)?;
        let facts = &entry.facts;
        let first = entry.places.first()?;
        let same = if facts.key.is_some() { "the same key" } else { "the same token" };
        let again = entry.places[1..].iter().map(|place| self.related(place, same, engine));
        let others = self.company.ties(index).iter().filter_map(|tie| {
            let place = match *tie {
                Tie::Secret(index) => self.company.secret(index),
                _ => self.entries.get(tie.other()?).places.first()?,
            };
            Some(self.related(place, tie.message(), engine))
        });
        // Those of other findings first: reports may show but a few.
        let related = others.chain(again).collect();
        let optional = |text: Option<&str>| text.map(safe);
        Some(Finding {
            family: Some(engine.catalogue.families[usize::from(facts.family)].slug.clone()),
            severity: verdict.severity,
            confidence: verdict.confidence,
            message: verdict.message,
            location: self.location(first, engine),
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
                    let known = key.thumbprint.as_ref().map_or(&[][..], |key| self.company.certificates(key));
                    known.iter().take(MAX_CERTIFICATES).map(|x5t| x5t.base64url()).collect()
                },
            }),
            token: facts.key.is_none().then(|| TokenRecord {
                fingerprint: entry.fingerprint.hex(),
                kind: facts.kind.word(),
                alg: optional(facts.alg.as_deref()),
                typ: optional(facts.typ.as_deref()),
                issuer: optional(facts.issuer.as_deref()),
                audience: facts.audience.as_deref().unwrap_or_default().iter().map(|a| safe(a)).collect(),
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

    fn of_note(&self, note: &Note, severity: Severity, engine: &Engine) -> Finding {
        let NoteVerdict { message, because, fix } = note_verdict(&note_case(note), &engine.catalogue);
        Finding {
            rule: note.fault.slug().to_owned(),
            family: None,
            severity,
            confidence: Confidence::High,
            message,
            faults: vec![note.fault.slug().to_owned()],
            location: self.location(&note.place, engine),
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
    fn company_in_words(&self, index: At, engine: &Engine) -> Vec<String> {
        let place = |at: At| self.entries.get(at).places.first().map(|place| self.place_in_words(place, engine));
        let ties = self.company.ties(index);
        let mut words = Vec::new();
        for tie in ties.iter().take(TIES_IN_WORDS) {
            let text = match *tie {
                Tie::Secret(index) => {
                    let place = self.place_in_words(self.company.secret(index), engine);
                    Some(format!("signed with the secret that stands in {place}"))
                }
                Tie::ProofKey(at) => place(at).map(|place| format!("its proof key stands in {place}")),
                Tie::PublishedKey(source) => Some(format!("its proof key was published: {source}")),
                Tie::Environments(one, other) => Some(format!("it stands in {one} and in {other}")),
                Tie::OtherClient(at) => {
                    let client = self.entries.get(at).facts.client.as_deref().map(|client| redact(engine, client));
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

    fn place_in_words(&self, place: &Place, engine: &Engine) -> String {
        let (LineColumn { line, .. }, _) = self.lines(place);
        let path = redact(engine, &place.origin.path);
        match member(place, engine) {
            Some(member) => format!("{path}!/{member}:{line}"),
            None => format!("{path}:{line}"),
        }
    }

    fn related(&self, place: &Place, message: &str, engine: &Engine) -> Related {
        let (LineColumn { line, column }, _) = self.lines(place);
        Related {
            path: redact(engine, &place.origin.path).into(),
            member: member(place, engine),
            line,
            column,
            message: message.to_owned(),
            packed: !place.origin.layers.is_empty(),
        }
    }

    fn location(&self, place: &Place, engine: &Engine) -> Location {
        let (first, end) = self.lines(place);
        Location {
            path: redact(engine, &place.origin.path).into(),
            line: first.line,
            column: first.column,
            end_line: end.line,
            end_column: end.column,
            byte_start: place.at.start,
            byte_end: place.at.end(),
            layers: place.origin.layers.iter().chain(place.layers.iter()).map(Layer::word).collect(),
            member: member(place, engine),
            commit: place.origin.revision.as_ref().map(|revision| revision.commit.clone()),
            author_date: place.origin.revision.as_ref().and_then(|revision| rfc3339(Time::At(revision.author_date))),
            packed: !place.origin.layers.is_empty(),
        }
    }

    /// Line and column of a place's first byte and of the byte after its last one.
    fn lines(&self, place: &Place) -> (LineColumn, LineColumn) {
        let before = self
            .parts
            .get(&place.origin.path)
            .filter(|_| place.origin.member.is_none())
            .map_or(&[][..], |ends| &ends[..place.part as usize]);
        place.at.resolve(before)
    }
}

fn sources_in_words(Sources { addresses, agents }: Sources) -> String {
    match (addresses, agents) {
        (2.., 2..) => format!("it was sent from {addresses} addresses, by {agents} kinds of client"),
        (2.., _) => format!("it was sent from {addresses} addresses"),
        _ => format!("it was sent by {agents} kinds of client"),
    }
}

fn note_case(note: &Note) -> NoteCase {
    let cache = cache_of(&note.place).zip(note.content);
    NoteCase { fault: note.fault, cache, sample: note.sample }
}

/// Whose token cache the file is.
fn cache_of(place: &Place) -> Option<Cache> {
    Nature::of(place.origin.name()).cache
}

/// The path inside an archive, fit to be printed.
fn member(place: &Place, engine: &Engine) -> Option<Arc<str>> {
    place.origin.member.as_deref().map(|member| redact(engine, member).into())
}
