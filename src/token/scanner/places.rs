//! What a place says of the token that stands there: the file it is in, and what surrounds it.

use super::{NeedMore, Remark, Scanner, Sighting, Window};
use crate::rules::Role;
use crate::token::agent;
use crate::token::cache::Content;
use crate::token::carrier::Carrier;
use crate::token::facts::Kind;
use crate::token::fault::{Fault, Faults};
use crate::token::file::Form;
use crate::token::logged::Record;
use crate::token::logged::witness::Witness;
use crate::token::names::Extra;

/// As much of a file as its first bytes are asked for.
const HEAD: usize = 64;
/// How far before a token it is looked for what part of a notebook it is in.
const CELL: usize = 24 * 1024;
/// How far a proof's `iat` may be from the time of its record, in seconds (RFC 9449, section 11.1, speaks of seconds or
/// minutes).
const MAX_SKEW: i64 = 300;
/// How far behind a name a placeholder may reach.
const AHEAD: usize = 160;

impl Scanner<'_> {
    /// What the file's beginning adds to its name, once it is there. `false`: more bytes are needed.
    pub(super) fn head(&mut self, window: &Window<'_>) -> bool {
        if !self.fresh || window.base > 0 || !self.layers.is_empty() {
            return true;
        }
        if window.more && window.bytes.len() < HEAD {
            return false;
        }
        self.fresh = false;
        self.nature = self.nature.with_head(window.bytes);
        self.content = self.nature.cache.map(|cache| cache.content(window.bytes));
        true
    }

    /// What the unit before held, if its file is a token cache.
    pub fn cache_content(&self) -> Option<Content> {
        self.nature.cache.map(|_| self.content.unwrap_or(Content::Empty))
    }

    /// What is looked for only in files of some form.
    pub(super) fn extra(&mut self, window: &Window<'_>, extra: Extra, at: usize) -> Result<(), NeedMore> {
        if extra == Extra::Tools {
            if window.more && at + HEAD > window.bytes.len() {
                return Err(NeedMore);
            }
            if agent::begins(window.bytes, at) && self.layers.is_empty() {
                self.tools = Some(window.base + at as u64);
            }
            return Ok(());
        }
        self.extra_named(window, at, extra)
    }

    /// Whether the place lies in the configuration of an agent's tools.
    fn in_tools(&mut self, window: &Window<'_>, at: usize) -> bool {
        match (self.nature.form, self.tools) {
            (Form::Agent, _) => true,
            (Form::Structured, Some(key)) if self.layers.is_empty() => {
                let Some(key) = key.checked_sub(window.base).map(|key| key as usize) else { return false };
                self.work -= at.saturating_sub(key).min(agent::REACH) as i64;
                agent::holds(window.bytes, key, at)
            }
            _ => false,
        }
    }

    /// Says so where a configuration hands on the token that the user came with.
    pub(super) fn passes_on(&mut self, window: &Window<'_>, at: usize) -> Result<(), NeedMore> {
        if self.foreign || !self.layers.is_empty() || !(self.nature.form == Form::Agent || self.tools.is_some()) {
            return Ok(());
        }
        if window.more && at + AHEAD > window.bytes.len() {
            return Err(NeedMore);
        }
        self.work -= AHEAD as i64;
        if let Some((start, end)) = agent::passes_on(window.bytes, at)
            && self.in_tools(window, at)
        {
            let (start, end) = (window.base + start as u64, window.base + end as u64);
            // One placeholder may hold several anchors.
            if self.remarks.last().is_none_or(|last| last.end < end) {
                self.remarks.push(Remark { fault: Fault::TokenPassthrough, start, end });
            }
        }
        Ok(())
    }

    /// What the place of a token says of it.
    fn place_faults(&mut self, window: &Window<'_>, start: usize) -> Faults {
        let mut faults = Faults::default();
        let cached = self.nature.cache.is_some() && self.content != Some(Content::Nothing);
        faults.insert_if(cached, Fault::CacheCommitted);
        faults.insert_if(self.in_tools(window, start), Fault::McpStaticBearer);
        match self.nature.spread {
            Some(spread) => faults.insert(spread.fault()),
            None => {
                let output = self.nature.form == Form::Notebook && in_output(window.bytes, start);
                faults.insert_if(output, Fault::InArtifact);
            }
        }
        faults
    }

    /// Files a place of a token.
    pub(super) fn push(
        &mut self,
        window: &Window<'_>,
        token: u32,
        start: usize,
        end: usize,
        carrier: Carrier,
        mut faults: Faults,
    ) {
        // A private key has rules of its own.
        if self.tokens[token as usize].facts.key.is_none() {
            faults = faults.union(self.place_faults(window, start));
        }
        let (witness, told) = self.testimony(window, token, start, end);
        faults = faults.union(told);
        let (start, end) = (window.base + start as u64, window.base + end as u64);
        self.claimed = self.claimed.max(end);
        if self.foreign {
            return;
        }
        self.sightings.push(Sighting { token, start, end, carrier, faults, layers: self.layers, witness });
    }

    /// What the record around a token says of the request it was sent with.
    fn testimony(&mut self, window: &Window<'_>, token: u32, start: usize, end: usize) -> (Option<Witness>, Faults) {
        let mut faults = Faults::default();
        let facts = &self.tokens[token as usize].facts;
        let family = self.engine.family(facts.family);
        let proof = family.role == Role::Proof && facts.bound_to.is_some();
        let issued = matches!(family.role, Role::Access | Role::Session | Role::Id | Role::Refresh | Role::Assertion);
        // Keys that a person or a machine keeps for long are sent from wherever that is.
        let passed_on = issued && facts.kind != Kind::SignedUrl && family.policy != "pat";
        if !(proof || passed_on) || self.foreign || self.work < 0 || !self.layers.is_empty() {
            return (None, faults);
        }
        let Some(record) = Record::around(window.bytes, start, end, window.base == 0) else { return (None, faults) };
        self.work -= record.length() as i64;
        let Some(logged) = record.read() else { return (None, faults) };
        if !proof {
            return (Witness::of_token(&logged), faults);
        }
        let skew = facts.issued.seconds().and_then(|iat| logged.stamp.off_by(iat));
        faults.insert_if(skew.is_some_and(|skew| skew > MAX_SKEW), Fault::DpopIatSkew);
        (Some(Witness::of_proof(&logged)), faults)
    }
}

/// Whether a place in a notebook belongs to what a cell gave rather than to its source. What begins further back than is
/// looked is output: nobody types that much.
fn in_output(bytes: &[u8], at: usize) -> bool {
    let before = &bytes[at.saturating_sub(CELL)..at];
    let source = memchr::memmem::rfind(before, b"\"source\"");
    let outputs = memchr::memmem::rfind(before, b"\"outputs\"");
    outputs > source || source.is_none()
}
