//! Opaque tokens that a name announces.

use std::borrow::Cow;

use super::folded::FoldedValue;
use super::{NeedMore, Scanner, Token, Window};
use crate::finding::Confidence;
use crate::origin::Layers;
use crate::rules::Role;
use crate::secret::Secret;
use crate::token::engine::Route;
use crate::token::facts::{Facts, Kind};
use crate::token::fault::{Fault, Faults};
use crate::token::names::{Extra, Named, Outcome, View};
use crate::token::prefilter::AnchorHit;
use crate::token::record::CutOff;
use crate::token::{beside, escape, jose, prefixed};

impl Scanner<'_> {
    /// What the name around the anchor at `at` announces.
    #[inline]
    pub(super) fn named(&mut self, window: &Window<'_>, at: usize) -> Result<(), NeedMore> {
        let view = self.view(window);
        match view.name_at(at) {
            Ok(Some(name)) => {
                let outcome = self.engine.names.read(&self.engine.catalogue, view, name, &mut self.work);
                if self.announced(window, outcome)? {
                    return Ok(());
                }
            }
            Ok(None) => {}
            Err(CutOff) => return Err(NeedMore),
        }
        self.passes_on(window, at)
    }

    /// What a literal at `at` announces in a file of that form.
    pub(super) fn extra_named(&mut self, window: &Window<'_>, at: usize, extra: Extra) -> Result<(), NeedMore> {
        let view = self.view(window);
        let outcome = self.engine.names.read_extra(&self.engine.catalogue, view, extra, at, &mut self.work);
        self.announced(window, outcome).map(|_| ())
    }

    fn view<'w>(&self, window: &Window<'w>) -> View<'w> {
        View { bytes: window.bytes, more: window.more, form: self.nature.form }
    }

    /// Files the values that were announced; says whether there were any.
    fn announced(&mut self, window: &Window<'_>, outcome: Outcome) -> Result<bool, NeedMore> {
        let engine = self.engine;
        let Outcome::Values(values) = outcome else { return Err(NeedMore) };
        if window.more && values.last().is_some_and(|v| v.end + beside::AHEAD > window.bytes.len()) {
            return Err(NeedMore);
        }
        let some = !values.is_empty();
        for value in values {
            if window.base + (value.start as u64) < self.claimed {
                continue;
            }
            if self.has_own_shape(&value.value) {
                if !value.layers.is_empty() {
                    self.shaped_inside(window, &value);
                }
                continue;
            }
            let Some(own_layers) = value.layers.iter().try_fold(self.layers, Layers::and) else { continue };
            let folded = if value.layers.is_empty() { self.folded_value(window, &value) } else { FoldedValue::Plain };
            let (text, layers) = match folded {
                FoldedValue::Plain => (Cow::Borrowed(&value.value), own_layers),
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
        Ok(some)
    }

    /// What is known of a value: its family is the first that proves it by its shape, else the one of its name.
    fn facts_of(&mut self, value: &Named, text: &[u8]) -> Facts {
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

    /// A token with a shape of its own that was decoded from the bytes at hand: it stands where its outer form stands.
    fn shaped_inside(&mut self, window: &Window<'_>, value: &Named) {
        let mut hits = Vec::new();
        self.engine.prefilter.find(&value.value, 0, value.value.len(), &mut hits);
        let Some(layers) = value.layers.iter().try_fold(self.layers, Layers::and) else { return };
        let outer = std::mem::replace(&mut self.layers, layers);
        let (sightings, claimed) = (self.sightings.len(), self.claimed);
        self.claimed = 0;
        let inner = Window { bytes: &value.value, base: 0, from: 0, to: value.value.len(), more: false };
        let shaped = |hit: &&AnchorHit| !matches!(self.engine.routes[usize::from(hit.anchor)], Route::Name);
        for hit in hits.iter().filter(shaped).copied().collect::<Vec<_>>() {
            // Nothing is missing from a value that was read to its end.
            let _ = self.hit(&inner, hit);
        }
        let found: Vec<u32> = self.sightings.drain(sightings..).map(|sighting| sighting.token).collect();
        self.claimed = claimed;
        for token in found {
            self.push(window, token, value.start, value.end, value.carrier, Faults::default());
        }
        self.layers = outer;
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
            Route::JoseJson
            | Route::Name
            | Route::Saml(_)
            | Route::Fold(_)
            | Route::Key(_)
            | Route::SigningSecret
            | Route::Directive => false,
        });
        self.inner_hits = hits;
        own
    }
}
