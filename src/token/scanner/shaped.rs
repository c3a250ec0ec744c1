//! Tokens of families with a shape of their own: an anchor, a pattern, a proof.

use super::{NeedMore, Scanner, Token, Window};
use crate::rules::{AnchorAt, Decoder, MAX_ANCHOR};
use crate::secret::Secret;
use crate::token::escape::{self, Class, TOKEN68};
use crate::token::{beside, prefixed};

/// How many beginnings of a token whose anchor stands inside it are tried.
const MAX_LEADS: usize = 4;
/// Longest token of a prefixed family, in bytes.
const MAX_PREFIXED: usize = 16 * 1024;

/// The alphabet of tokens with a prefix, and what joins several in one.
static PREFIXED: Class = Class::alphanumeric_and(b"-._~+/=!:,");

impl Scanner<'_> {
    /// Whether the anchor at `at` announces a token of that family.
    pub(super) fn prefixed(&mut self, window: &Window<'_>, at: usize, index: u16) -> Result<bool, NeedMore> {
        let engine = self.engine;
        let family = engine.family(index);
        let bytes = window.bytes;
        let inside = matches!(family.anchor_at, AnchorAt::Inside);
        let ahead = match family.anchor_at {
            AnchorAt::Before => MAX_ANCHOR + family.lead_length() + prefixed::MAX_AFTER,
            AnchorAt::Prefix | AnchorAt::Inside => 0,
        };
        if window.more && at + ahead > bytes.len() {
            return Err(NeedMore);
        }
        let mut from = 0;
        // Of several beginnings the first whose token holds the anchor: two signed URLs may stand in a row.
        for _ in 0..MAX_LEADS {
            let start = prefixed::start_of(family, bytes, at, from);
            let looked = if inside { 4 * (at - start.unwrap_or(at.saturating_sub(512))) } else { family.lead_length() };
            self.work -= 256 + looked as i64;
            let Some(start) = start else { return Ok(false) };
            if self.prefixed_from(window, at, start, index)? {
                return Ok(true);
            }
            if !inside {
                return Ok(false);
            }
            from = start + 1;
        }
        Ok(false)
    }

    fn prefixed_from(&mut self, window: &Window<'_>, at: usize, start: usize, index: u16) -> Result<bool, NeedMore> {
        let engine = self.engine;
        let family = engine.family(index);
        let bytes = window.bytes;
        let url = matches!(family.decoder, Some(Decoder::AzureSas | Decoder::AwsPresigned));
        // A signed URL may hold another token, seen before its signature is.
        let overlaps = window.base + (start as u64) < self.claimed && !url;
        let glued = family.glued_to.as_ref().is_some_and(|text| bytes[..start].ends_with(text.as_bytes()));
        if overlaps || !glued && !escape::starts_cleanly(bytes, start) {
            return Ok(false);
        }
        let Some(pattern) = &family.pattern else { return Ok(false) };
        let limit = bytes.len().min(start + MAX_PREFIXED);
        if window.more && limit == bytes.len() && limit.saturating_sub(at) < beside::AHEAD {
            return Err(NeedMore);
        }
        let raw = pattern.end_in(&bytes[start..limit]).map(|end| start + end).filter(|end| *end > at);
        let run = |from: usize| from + bytes[from..limit].iter().take_while(|b| TOKEN68.has(**b)).count();
        let stop = raw.unwrap_or_else(|| run(at.max(start)));
        if window.more && stop == bytes.len() {
            return Err(NeedMore);
        }
        self.work -= 2 * (stop - start) as i64;
        let mut found = raw.map(|end| (bytes[start..end].to_vec(), end));
        if !url && matches!(bytes.get(stop), Some(b'%' | b'\\' | b'&')) {
            let run = escape::run(bytes, start, &PREFIXED, MAX_PREFIXED);
            if run.open && window.more {
                return Err(NeedMore);
            }
            if let std::borrow::Cow::Owned(text) = &run.text
                && let Some(length) = pattern.end_in(text)
                && length > raw.map_or(0, |end| end - start)
            {
                let end = escape::run(bytes, start, &PREFIXED, length).end;
                found = Some((text[..length].to_vec(), end));
            }
        }
        let Some((text, end)) = found else { return Ok(false) };
        let joins = |byte: Option<&u8>| matches!(byte, Some(b'+' | b'/'));
        if family.outside_base64 && joins(bytes[..start].last()) && joins(bytes.get(end)) {
            return Ok(false);
        }
        if let Some(context) = &family.context {
            let before = &bytes[start.saturating_sub(family.context_within)..start];
            let line = before.iter().rposition(|b| *b == b'\n').map_or(before, |n| &before[n + 1..]);
            if !context.is_match(line) {
                return Ok(false);
            }
        }
        // What stands around it is part of what is known of it.
        if window.more && end + beside::AHEAD > bytes.len() {
            return Err(NeedMore);
        }
        let public = beside::is_public(family, bytes, start, end);
        let token = match self.known_token(&text) {
            Ok(token) => {
                self.tokens[token as usize].facts.public &= public;
                token
            }
            Err(key) => match prefixed::prove(family, index, &text, at.saturating_sub(start), &mut self.intern) {
                Some(mut facts) => {
                    facts.public = public;
                    facts.lifetime = beside::lifetime(bytes, start, end, family.role);
                    let fingerprint = Secret::new(text).fingerprint();
                    self.add(key, Token { facts, fingerprint, published: engine.known.token(&fingerprint) })
                }
                None => return Ok(false),
            },
        };
        self.sight(window, token, start, end)?;
        Ok(true)
    }
}
