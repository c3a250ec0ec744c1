//! Tokens of families with a shape of their own: an anchor, a pattern, a proof.

use super::{NeedMore, Scanner, Token, Window};
use crate::rules::Decoder;
use crate::secret::Secret;
use crate::token::escape::{self, Class, TOKEN68};
use crate::token::{beside, prefixed};

/// How many beginnings of a token whose anchor stands inside it are tried.
const MAX_LEADS: usize = 4;
/// Longest token of a prefixed family, in bytes.
const MAX_PREFIXED: usize = 16 * 1024;

/// The alphabet of tokens with a prefix.
static PREFIXED: Class = Class::alphanumeric_and(b"-._~+/=!");

impl Scanner<'_> {
    /// Whether the anchor at `at` announces a token of that family.
    pub(super) fn prefixed(&mut self, window: &Window<'_>, at: usize, index: u16) -> Result<bool, NeedMore> {
        let engine = self.engine;
        let family = engine.family(index);
        let bytes = window.bytes;
        let mut from = 0;
        // Of several beginnings the first whose token holds the anchor: two signed URLs may stand in a row.
        for _ in 0..MAX_LEADS {
            let start = prefixed::start_of(family, bytes, at, from);
            let looked = if family.lead.is_some() { 4 * (at - start.unwrap_or(at.saturating_sub(512))) } else { 0 };
            self.work -= 256 + looked as i64;
            let Some(start) = start else { return Ok(false) };
            if self.prefixed_from(window, at, start, index)? {
                return Ok(true);
            }
            if family.lead.is_none() {
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
        if !escape::starts_cleanly(bytes, start) || overlaps {
            return Ok(false);
        }
        let Some(pattern) = family.pattern.as_ref().and_then(|p| p.regex()) else { return Ok(false) };
        let limit = bytes.len().min(start + MAX_PREFIXED);
        if window.more && limit == bytes.len() && limit - at < beside::AHEAD {
            return Err(NeedMore);
        }
        let raw = pattern.find(&bytes[start..limit]).map(|m| start + m.end()).filter(|end| *end > at);
        let stop = raw.unwrap_or_else(|| at + bytes[at..limit].iter().take_while(|b| TOKEN68.has(**b)).count());
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
                && let Some(m) = pattern.find(text)
                && m.end() > raw.map_or(0, |end| end - start)
            {
                let end = escape::run(bytes, start, &PREFIXED, m.end()).end;
                found = Some((text[..m.end()].to_vec(), end));
            }
        }
        let Some((text, end)) = found else { return Ok(false) };
        if let Some(context) = &family.context {
            let before = &bytes[start.saturating_sub(family.context_within)..start];
            let line = before.iter().rposition(|b| *b == b'\n').map_or(before, |n| &before[n + 1..]);
            if !context.is_match(line) {
                return Ok(false);
            }
        }
        let token = match self.known_token(&text) {
            Ok(token) => token,
            Err(key) => match prefixed::prove(family, index, &text, at - start, &mut self.intern) {
                Some(facts) => {
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
