//! What a scan gives: entries judged and sorted; findings are put in words as reports ask for them.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Job;
use super::accepted::Accepted;
use super::company::Company;
use super::ledger::{At, Closed, Entries, Entry, Marked, Note, Place};
use super::wording::{Told, Wording};
use crate::finding::{Coverage, Finding, Severity, Suppressed};
use crate::origin::Origin;
use crate::policy::Policy;
use crate::rules::{Catalogue, Role};
use crate::secret::Fingerprint;
use crate::source::stream::PartEnd;
use crate::span::LineColumn;
use crate::token::cache::Cache;
use crate::token::engine::Engine;
use crate::token::facts::Facts;
use crate::token::file::Nature;
use crate::token::judge::{Case, NoteCase, note_severity, severity_of};
use crate::token::redact::{Redactor, redact};

/// How many findings are made before the first of them is handed over,
const AT_ONCE: usize = 2048;
/// and how many by one thread in a row.
const PIECE: usize = 32;

/// The severities of findings and what each comes from, worst first.
type Order = Vec<(Severity, Item)>;
/// Places by origin and offset.
type Kept = HashSet<(Arc<Origin>, u64)>;

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
pub(super) enum Item {
    /// A token: where its entry lies.
    Entry((u32, u32)),
    /// A note, by its number.
    Note(usize),
    /// A finding of an audit of configuration, by its number.
    Audited(usize),
}

/// The outcome of a scan.
#[derive(Debug)]
pub struct Outcome {
    pub(super) entries: Entries,
    parts: BTreeMap<Arc<str>, Vec<PartEnd>>,
    id_token_issuers: HashSet<Arc<str>>,
    pub(super) company: Company,
    pub(super) notes: Vec<Note>,
    /// What the audits of configuration found.
    pub(super) audited: Vec<Finding>,
    order: Order,
    published: Vec<At>,
    /// What somebody has accepted, by place.
    accepted: Vec<Suppressed>,
    pub(super) now: i64,
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
        let (order, left, rows) = self.weed(&mut accepted, job);
        for (at, kept) in left {
            self.entries.retain_places(at, |place| kept.contains(&(place.origin.clone(), place.at.start)));
        }
        (self.order, self.accepted) = (order, rows);
        let notes = accepted.notes(&job.engine.catalogue, super::is_sample);
        self.coverage.extend(notes.into_iter().map(|row| Coverage {
            path: redact(job.engine, &row.path).into(),
            member: row.member.as_deref().map(|member| redact(job.engine, member).into()),
            reason: redact(job.engine, &row.reason),
            ..row
        }));
        self.coverage.sort();
    }

    /// The findings that are left, the places that are left of tokens that lost some, and what was accepted.
    fn weed(&self, accepted: &mut Accepted<'_>, job: &Job<'_>) -> (Order, Vec<(At, Kept)>, Vec<Suppressed>) {
        let wording = Wording::new(self, job.engine, job.policy);
        let mut order = Vec::with_capacity(self.order.len());
        let (mut left, mut rows) = (Vec::new(), Vec::new());
        for &(severity, item) in &self.order {
            let places = wording.places(item);
            let known = places.iter().any(|place| accepted.may_know(&place.origin, &place.path));
            let Some(finding) = known.then(|| wording.of_item(severity, item)).flatten() else {
                order.push((severity, item));
                continue;
            };
            let identity = finding.identity();
            let mut why = None;
            let mut kept = Kept::new();
            for Told { origin, path, line, start } in places {
                match accepted.reason(&origin, &path, line, finding.rule, &identity) {
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
                    reason: redact(job.engine, &why.unwrap_or_default()),
                });
                continue;
            }
            if let Item::Entry(at) = item {
                left.push((at, kept));
            }
            order.push((severity, item));
        }
        rows.sort();
        (order, left, rows)
    }

    /// What a baseline would have to accept for all findings from `least` on to go: path, rule, and what was found.
    pub fn to_accept(&self, engine: &Engine, policy: &Policy, least: Severity) -> Vec<(String, String, String)> {
        let wording = Wording::new(self, engine, policy);
        let mut all = Vec::new();
        for (severity, item) in self.order.iter().filter(|(severity, _)| *severity >= least) {
            let Some(finding) = wording.of_item(*severity, *item) else { continue };
            let places = wording.places(*item).into_iter();
            all.extend(places.map(|place| (place.path, finding.rule.to_owned(), finding.identity())));
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

    /// The findings, worst first, then by place. They are made when they are asked for.
    pub fn findings<'a>(&'a self, engine: &'a Engine, policy: &'a Policy) -> impl Iterator<Item = Finding> + 'a {
        self.shaped(engine, policy, |findings| findings.collect::<Vec<_>>()).flatten()
    }

    /// The same, [`PIECE`] at a time in the shape that `shape` gives them. Several threads make them, [`AT_ONCE`] before
    /// the first is handed over: wording thousands takes as long as finding them.
    pub fn shaped<'a, T: Send + 'a>(
        &'a self,
        engine: &'a Engine,
        policy: &'a Policy,
        shape: impl Fn(&mut dyn Iterator<Item = Finding>) -> T + Sync + 'a,
    ) -> impl Iterator<Item = T> + 'a {
        self.order.chunks(AT_ONCE).flat_map(move |items| {
            let pieces: Vec<&[(Severity, Item)]> = items.chunks(PIECE).collect();
            let next = AtomicUsize::new(0);
            let make = || {
                let wording = Wording::new(self, engine, policy);
                let mut made = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(items) = pieces.get(number) else { return made };
                    let mut findings = items.iter().filter_map(|(severity, item)| wording.of_item(*severity, *item));
                    made.push((number, shape(&mut findings)));
                }
            };
            std::thread::scope(|scope| {
                let others: Vec<_> = (1..self.threads.min(pieces.len())).map(|_| scope.spawn(make)).collect();
                let mut all = make();
                for thread in others {
                    match thread.join() {
                        Ok(made) => all.extend(made),
                        Err(panic) => std::panic::resume_unwind(panic),
                    }
                }
                all.sort_unstable_by_key(|(number, _)| *number);
                all.into_iter().map(|(_, piece)| piece)
            })
        })
    }

    /// The findings and, judged like them, the tokens that everybody knows.
    pub(super) fn all<'a>(&'a self, engine: &'a Engine, policy: &'a Policy) -> impl Iterator<Item = Finding> + 'a {
        let wording = Wording::new(self, engine, policy);
        self.entries.iter().filter_map(move |(index, entry)| wording.of_entry(index, entry))
    }

    /// Tokens that were recognised and are no findings, by place.
    pub fn suppressed<'a>(&'a self, engine: &'a Engine) -> impl Iterator<Item = Suppressed> + 'a {
        let redactor = Redactor::new(engine);
        let published = self.published.iter().filter_map(move |index| {
            let entry = self.entries.get(*index);
            let place = entry.places.first()?;
            let (LineColumn { line, column }, _) = self.lines(place);
            Some(Suppressed {
                path: redactor.safe(&place.origin.path),
                member: place.origin.member.as_deref().map(|member| redactor.safe(member)),
                line,
                column,
                occurrences: entry.occurrences,
                fingerprint: entry.fingerprint.hex(),
                family: engine.catalogue.families[usize::from(entry.facts.family)].slug,
                reason: format!("published example: {}", entry.published.unwrap_or_default()),
            })
        });
        published.chain(self.accepted.iter().cloned())
    }

    pub(super) fn case<'a>(&self, index: At, entry: &'a Entry, company: &'a [String]) -> Case<'a> {
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

    /// Line and column of a place's first byte and of the byte after its last one.
    pub(super) fn lines(&self, place: &Place) -> (LineColumn, LineColumn) {
        let before = self
            .parts
            .get(&place.origin.path)
            .filter(|_| place.origin.member.is_none())
            .map_or(&[][..], |ends| &ends[..place.part as usize]);
        place.at.resolve(before)
    }
}

pub(super) fn note_case(note: &Note) -> NoteCase {
    let cache = cache_of(&note.place).zip(note.content);
    NoteCase { fault: note.fault, cache, sample: note.sample }
}

/// Whose token cache the file is.
pub(super) fn cache_of(place: &Place) -> Option<Cache> {
    Nature::of(place.origin.name()).cache
}
