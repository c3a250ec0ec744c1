//! What somebody has accepted: by the baseline, by a comment where it stands. Accepted findings leave the report as
//! rows that say so; entries and comments that accept nothing (any more) are said, too.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::ledger::Marked;
use crate::baseline::{Baseline, Subject};
use crate::finding::{Coverage, Status};
use crate::origin::Origin;
use crate::rules::Catalogue;
use crate::token::directive::Directive;

/// A baseline and what is to be made of it.
#[derive(Debug, Clone, Copy)]
pub struct Accept<'a> {
    /// The baseline.
    pub baseline: Option<&'a Baseline>,
    /// Its path, for messages.
    pub baseline_path: &'a str,
    /// All that the baseline speaks of is scanned: what it accepts and nobody finds is not there any more.
    pub whole: bool,
    /// Comments where findings stand count.
    pub comments: bool,
}

impl Accept<'_> {
    /// Nothing is accepted.
    pub const NOTHING: Self = Self { baseline: None, baseline_path: "", whole: false, comments: false };
}

/// A comment with its line.
struct Comment {
    line: u64,
    directive: Directive,
    used: Cell<bool>,
}

/// Everything that was accepted.
pub(super) struct Accepted<'a> {
    accept: Accept<'a>,
    today: Option<jiff::civil::Date>,
    comments: BTreeMap<Arc<Origin>, Vec<Comment>>,
    used: HashSet<Subject>,
    expired: HashMap<Subject, jiff::civil::Date>,
}

impl<'a> Accepted<'a> {
    /// `line` gives the line that a comment stands on.
    pub(super) fn new(accept: Accept<'a>, marked: Vec<Marked>, now: i64, line: impl Fn(&Marked) -> u64) -> Self {
        let mut comments: BTreeMap<Arc<Origin>, Vec<Comment>> = BTreeMap::new();
        for marked in marked.into_iter().filter(|_| accept.comments) {
            let comment = Comment { line: line(&marked), directive: marked.directive, used: Cell::new(false) };
            comments.entry(marked.place.origin).or_default().push(comment);
        }
        let day = |at: jiff::Timestamp| at.to_zoned(jiff::tz::TimeZone::UTC).date();
        let today = jiff::Timestamp::from_second(now).ok().map(day);
        Self { accept, today, comments, used: HashSet::new(), expired: HashMap::new() }
    }

    /// Whether nothing at all was accepted.
    pub(super) fn is_nothing(&self) -> bool {
        self.comments.is_empty() && self.accept.baseline.is_none()
    }

    /// Whether there may be something about a place; cheap.
    pub(super) fn may_know(&self, origin: &Origin, path: &str) -> bool {
        self.comments.contains_key(origin) || self.accept.baseline.is_some_and(|baseline| baseline.knows_path(path))
    }

    /// Why a finding at a place is accepted, if it is. `identity` says what was found, the same wherever it stands.
    pub(super) fn reason(
        &mut self,
        origin: &Origin,
        path: &str,
        line: u64,
        rule: &str,
        identity: &str,
    ) -> Option<String> {
        let comments = self.comments.get(origin).map_or(&[][..], Vec::as_slice);
        let comment = comments.iter().find(|comment| {
            let there = comment.line == line || (comment.directive.alone && comment.line + 1 == line);
            there && (comment.directive.rules.is_empty() || comment.directive.rules.iter().any(|own| own == rule))
        });
        if let Some(comment) = comment {
            comment.used.set(true);
            return Some(worded("comment", &comment.directive.reason));
        }
        let baseline = self.accept.baseline?;
        let fingerprint = baseline.keyed(identity);
        let subject = Subject { path: path.to_owned(), rule: rule.to_owned(), fingerprint };
        let terms = baseline.terms(&subject)?;
        match (terms.expires, self.today) {
            (Some(last), Some(today)) if !terms.hold_on(today) => {
                self.expired.insert(subject, last);
                None
            }
            _ => {
                self.used.insert(subject);
                Some(worded("baseline", &terms.reason))
            }
        }
    }

    /// What is to be said of entries and comments themselves. `sample` says that a path is documentation or a test,
    /// where comments are shown rather than meant.
    pub(super) fn notes(&self, catalogue: &Catalogue, sample: impl Fn(&str) -> bool) -> Vec<Coverage> {
        let mut notes = Vec::new();
        let mut note = |path: &Arc<str>, member: &Option<Arc<str>>, reason: String| {
            notes.push(Coverage { path: path.clone(), member: member.clone(), status: Status::Examined, reason });
        };
        for (origin, comments) in &self.comments {
            for comment in comments.iter().filter(|_| !sample(&origin.path)) {
                let directive = &comment.directive;
                let unknown = directive.rules.iter().find(|rule| catalogue.page(rule).is_none());
                let what = match unknown {
                    Some(rule) => format!("names no rule with `{rule}`"),
                    None if !comment.used.get() => "accepts nothing: take it out".to_owned(),
                    None if directive.reason.is_empty() => "gives no reason".to_owned(),
                    None => continue,
                };
                note(
                    &origin.path,
                    &origin.member,
                    format!("line {}: the comment `keybound: ignore` {what}", comment.line),
                );
            }
        }
        let Some(baseline) = self.accept.baseline else { return notes };
        let file: Arc<str> = self.accept.baseline_path.into();
        for (subject, terms) in baseline.entries() {
            let Subject { path, rule, fingerprint } = subject;
            let short = fingerprint.get(..12).unwrap_or(fingerprint);
            let what = if let Some(last) = self.expired.get(subject) {
                format!("ran out on {last}")
            } else if self.used.contains(subject) {
                if !terms.reason.is_empty() {
                    continue;
                }
                "gives no reason".to_owned()
            } else if self.accept.whole {
                "accepts nothing any more: take it out".to_owned()
            } else {
                continue;
            };
            note(&file, &None, format!("the entry for {rule} in {path} ({short}) {what}"));
        }
        notes
    }
}

fn worded(by: &str, reason: &str) -> String {
    if reason.is_empty() {
        format!("accepted by {by}, without a reason")
    } else {
        format!("accepted by {by}: {reason}")
    }
}
