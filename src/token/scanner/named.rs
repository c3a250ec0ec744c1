//! Opaque tokens that a name announces.

use std::borrow::Cow;

use super::folded::FoldedValue;
use super::{NeedMore, Scanner, Token, Window};
use crate::finding::Confidence;
use crate::rules::Role;
use crate::secret::Secret;
use crate::token::engine::Route;
use crate::token::facts::{Facts, Kind};
use crate::token::fault::{Fault, Faults};
use crate::token::{beside, escape, jose, names, prefixed};

impl Scanner<'_> {
    pub(super) fn named(&mut self, window: &Window<'_>, at: usize) -> Result<(), NeedMore> {
        let engine = self.engine;
        let values = match engine.names.read(&engine.catalogue, window.bytes, at, window.more, &mut self.work) {
            names::Outcome::Values(values) => values,
            names::Outcome::NeedMore => return Err(NeedMore),
        };
        if window.more && values.last().is_some_and(|v| v.end + beside::AHEAD > window.bytes.len()) {
            return Err(NeedMore);
        }
        for value in values {
            if window.base + (value.start as u64) < self.claimed || self.has_own_shape(&value.value) {
                continue;
            }
            let (text, layers) = match self.folded_value(window, &value) {
                FoldedValue::Plain => (Cow::Borrowed(&value.value), self.layers),
                FoldedValue::Opaque(text, layers) => (Cow::Owned(text), layers),
                FoldedValue::Done => continue,
            };
            let token = match self.known_token(&text) {
                Ok(token) => {
                    // Harmless or public only where every place says so.
                    let facts = &mut self.tokens[token as usize].facts;
                    facts.harmless &= value.dpop;
                    facts.public = facts.public
                        && beside::is_public(engine.family(facts.family), window.bytes, value.start, value.end);
                    token
                }
                Err(key) => {
                    let fingerprint = Secret::new(&text[..]).fingerprint();
                    let mut facts = self.facts_of(&value, &text);
                    let family = engine.family(facts.family);
                    facts.lifetime = beside::lifetime(window.bytes, value.start, value.end, family.role);
                    facts.public = beside::is_public(family, window.bytes, value.start, value.end);
                    facts.harmless = value.dpop;
                    self.add(key, Token { facts, fingerprint, published: engine.known.token(&fingerprint) })
                }
            };
            let mut faults = Faults::default();
            faults.insert_if(value.carrier.in_url(), Fault::InUrl);
            let outer = std::mem::replace(&mut self.layers, layers);
            self.push(window, token, value.start, value.end, value.carrier, faults);
            self.layers = outer;
        }
        Ok(())
    }

    /// What is known of a value: its family is the first that proves it by its shape, else the one of its name.
    fn facts_of(&mut self, value: &names::Named, text: &[u8]) -> Facts {
        let engine = self.engine;
        for index in engine.names.shaped(&engine.catalogue, &value.name, text) {
            if let Some(facts) = prefixed::prove(engine.family(index), index, text, 0, &mut self.intern) {
                return facts;
            }
        }
        let mut facts = Facts::opaque(value.family, Kind::Opaque, Confidence::Medium);
        facts.faults.insert_if(engine.family(value.family).role == Role::Refresh, Fault::RefreshExposed);
        facts
    }

    /// A value that a family of its own knows, even if its proof failed, is that family's business.
    fn has_own_shape(&mut self, value: &[u8]) -> bool {
        let engine = self.engine;
        let mut hits = std::mem::take(&mut self.inner_hits);
        hits.clear();
        engine.prefilter.find(value, 0, value.len(), &mut hits);
        let own = hits.iter().any(|hit| match &engine.routes[usize::from(hit.anchor)] {
            Route::Jose => {
                hit.at == 0 && {
                    let end = value.iter().position(|b| *b == b'.').unwrap_or(value.len());
                    jose::decode_header(&value[..end]).is_some()
                }
            }
            Route::Families(families) => families.iter().any(|&index| {
                let family = engine.family(index);
                prefixed::start_of(family, value, hit.at, 0).is_some_and(|start| {
                    escape::starts_cleanly(value, start)
                        && family.pattern.as_ref().is_some_and(|p| p.is_match(&value[start..]))
                })
            }),
            Route::JoseJson | Route::Name | Route::Saml(_) | Route::Fold(_) | Route::Key(_) | Route::SigningSecret => {
                false
            }
        });
        self.inner_hits = hits;
        own
    }
}
