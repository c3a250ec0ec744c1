//! What a controller writes for nginx: a text that knows what it comes from, the targets that its ways lead to, and what of
//! it is not known.

use std::collections::BTreeMap;

use super::files::Files;
use super::hop::{Hop, Place};
use super::tree::At;
use super::{Hole, nginx};
use crate::config::kubernetes;
use crate::config::written::Written;
use crate::syntax::directives;

/// A word in nginx's configuration that nobody knows.
pub(super) const UNKNOWN: &str = "{{ unknown }}";

/// Where requests go, found again by the place that sends them.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) route: String,
    pub(super) upstream: String,
    pub(super) names: Vec<String>,
}

/// What was written.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    pub(super) text: Written,
    pub(super) holes: Vec<Hole>,
    pub(super) targets: BTreeMap<Place, Target>,
}

impl Sheet {
    /// Puts a snippet in; of one that would not stay within its braces, nothing is known.
    pub(super) fn insert(&mut self, files: &Files, at: At<'_>) {
        let inner = kubernetes::inner(files, at);
        let document = directives::read(&inner.text, (0, inner.text.len()));
        if let Some(hole) = document.holes.iter().find(|hole| !hole.template) {
            let reason = format!("a snippet that can't be read: {}", hole.reason);
            self.holes.push(Hole { place: at.place(), reason });
            self.text.line(at.place(), UNKNOWN);
            return;
        }
        self.text.inner(at.file, inner);
        self.text.line(at.place(), "");
    }

    /// What nginx makes of it, and what of it could not be read.
    pub(super) fn hops(&self) -> (Vec<Hop>, Vec<Hole>) {
        let (mut hops, unread) = nginx::written(&self.text);
        for hop in &mut hops {
            if let Some(target) = self.targets.get(&hop.upstream.place) {
                hop.route.label.clone_from(&target.route);
                hop.upstream.label.clone_from(&target.upstream);
                hop.upstream.names.clone_from(&target.names);
            }
        }
        // Words that stand for what is not known are ours, and no holes in anybody's text.
        let unread = unread.into_iter().filter(|hole| hole.reason != "a part of a template");
        (hops, unread.chain(self.holes.iter().cloned()).collect())
    }
}

/// Whether a word can stand in nginx's configuration as it is.
pub(super) fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.*:/".contains(&byte))
}

/// A text as one word.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
