//! From windows of bytes to sightings of tokens. Pure: bytes in, facts and places out; the same code serves files in
//! ranges, standard input, one token on the command line, the fuzzers and the redaction of our own messages.
//!
//! A *window* is a piece of a longer stream. The scanner owns the anchors that stand in its part of it, may look at
//! what lies before and after, and says how far it got: where a token runs past the end of the bytes at hand it stops
//! and asks for more. So every token is seen exactly once, wherever the pieces are cut.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use base64::Engine as _;

use super::carrier::{self, Carrier};
use super::claims::{self, Classifier, Header};
use super::escape::{self, BASE64URL, COMPACT, Class, Escape, TOKEN68};
use super::facts::{Binding, Facts, Kind, Signature};
use super::fault::{Fault, Faults};
use super::intern::Interner;
use super::known::Known;
use super::names::{self, Names};
use super::prefilter::{AnchorHit, Prefilter};
use super::{beside, jose, jose_json, prefixed, weak_secret};
use crate::finding::Confidence;
use crate::rules::{AnchorAt, Catalogue, Decoder, Family, Form, Role};
use crate::secret::{Fingerprint, Secret};

/// The longest token, in characters. What is longer is noted as too long to judge.
pub const MAX_TOKEN: usize = 512 * 1024;
/// How many bytes before its own part a window should bring along: names, URLs and JSON objects begin there.
pub const BEHIND: usize = 32 * 1024;
/// How many tokens of one key are tried against the list of known secrets, per unit.
const WEAK_SAMPLES: u8 = 3;
/// How much may be looked at around hits, in bytes for each byte scanned. Ordinary bytes need a hundredth of it; text
/// made of nothing but lookalikes would need thousands.
const WORK: i64 = 48;
/// How much of that may be saved up.
const MAX_WORK: i64 = 64 * 1024 * 1024;
/// How many tokens are remembered to have been tried.
const MAX_TRIED: usize = 16 * 1024;
/// How many headers that end at one dot are tried.
const MAX_HEADERS: u8 = 8;
/// How many beginnings of a token whose anchor stands inside it are tried.
const MAX_LEADS: usize = 4;
/// Longest token of a prefixed family, in bytes.
const MAX_PREFIXED: usize = 16 * 1024;

/// The alphabet of tokens with a prefix.
static PREFIXED: Class = Class::alphanumeric_and(b"-._~+/=!");
/// The alphabet of an SD-JWT's disclosures and key binding.
static DISCLOSURES: Class = Class::alphanumeric_and(b"-_.~");

/// Everything that is fixed for a scan: families, anchors, known examples. Shared by all threads.
#[derive(Debug)]
pub struct Engine {
    /// The catalogue it was built from.
    pub catalogue: Catalogue,
    prefilter: Prefilter,
    routes: Vec<Route>,
    classifier: Classifier,
    names: Names,
    known: Known,
}

/// What looks at the hits of an anchor.
#[derive(Debug)]
enum Route {
    Jose,
    JoseJson,
    Name,
    Families(Vec<u16>),
}

impl Engine {
    /// Prepares a catalogue for scanning.
    pub fn new(catalogue: Catalogue) -> Self {
        let mut literals: Vec<(String, bool)> = Vec::new();
        let mut routes = Vec::new();
        let mut add = |text: &str, any_case: bool, route: Route| {
            literals.push((text.to_owned(), any_case));
            routes.push(route);
        };
        jose::ANCHORS.iter().for_each(|a| add(a, false, Route::Jose));
        jose_json::ANCHORS.iter().for_each(|a| add(a, false, Route::JoseJson));
        names::ANCHORS.iter().for_each(|a| add(a, true, Route::Name));
        let mut by_anchor: Vec<((&str, bool), Vec<u16>)> = Vec::new();
        for (index, family) in catalogue.families.iter().enumerate() {
            for anchor in &family.anchors {
                let key = (anchor.as_str(), family.any_case);
                match by_anchor.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, families)) => families.push(index as u16),
                    None => by_anchor.push((key, vec![index as u16])),
                }
            }
        }
        for ((anchor, any_case), families) in by_anchor {
            add(anchor, any_case, Route::Families(families));
        }
        let prefilter = Prefilter::new(literals.iter().map(|(text, any_case)| (text.as_bytes(), *any_case)));
        let (classifier, names) = (Classifier::new(&catalogue), Names::new(&catalogue));
        Self { catalogue, prefilter, routes, classifier, names, known: Known::embedded() }
    }

    fn family(&self, index: u16) -> &Family {
        &self.catalogue.families[usize::from(index)]
    }

    /// Every stretch that has the shape of a prefixed family's token, proved or not.
    pub(super) fn shapes(&self, bytes: &[u8]) -> Vec<(usize, usize)> {
        let mut hits = Vec::new();
        self.prefilter.find(bytes, 0, bytes.len(), &mut hits);
        let mut found = Vec::new();
        for hit in hits {
            let Route::Families(families) = &self.routes[usize::from(hit.anchor)] else { continue };
            for family in families.iter().map(|index| self.family(*index)) {
                if let Some(start) = prefixed::start_of(family, bytes, hit.at, 0)
                    && let Some(m) = family.pattern.as_ref().and_then(|p| p.regex()?.find(&bytes[start..]))
                {
                    found.push((start, start + m.end()));
                }
            }
        }
        found
    }
}

/// A piece of a stream.
#[derive(Debug, Clone, Copy)]
pub struct Window<'a> {
    /// The bytes at hand.
    pub bytes: &'a [u8],
    /// Offset of the first of them in the stream.
    pub base: u64,
    /// Anchors from here on are the window's own.
    pub from: usize,
    /// Anchors from here on belong to somebody else (or to a later window).
    pub to: usize,
    /// Bytes may follow those at hand.
    pub more: bool,
}

/// A token, seen for the first time in this unit.
#[derive(Debug)]
pub struct Token {
    /// What it says.
    pub facts: Facts,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// Where it was published, if everybody knows it.
    pub published: Option<&'static str>,
}

/// A token seen at a place.
#[derive(Debug, Clone, Copy)]
pub struct Sighting {
    /// Index in [`Scanner::tokens`].
    pub token: u32,
    /// Offset of its first byte in the stream.
    pub start: u64,
    /// Offset past its last byte.
    pub end: u64,
    /// What carries it here.
    pub carrier: Carrier,
    /// What is wrong with it at this place.
    pub faults: Faults,
}

/// A thread's scanner. Its tables grow with the distinct tokens of a unit and are emptied by [`Scanner::begin_unit`].
#[derive(Debug)]
pub struct Scanner<'e> {
    engine: &'e Engine,
    /// The distinct tokens of this unit.
    pub tokens: Vec<Token>,
    /// The places of the last window, to be taken by the caller.
    pub sightings: Vec<Sighting>,
    /// Places where something too long to be judged begins.
    pub too_long: Vec<u64>,
    /// Where lookalikes began to stand too densely to look at each.
    pub too_dense: Option<u64>,
    work: i64,
    /// Hits before this offset in the stream are looked at, so that the bytes of their tokens are not taken for others,
    /// and belong to somebody else.
    own_from: u64,
    foreign: bool,
    seen: HashMap<u64, u32, foldhash::fast::FixedState>,
    hash: foldhash::quality::RandomState,
    intern: Interner,
    headers: HashMap<Box<[u8]>, Option<Arc<Header>>, foldhash::fast::RandomState>,
    weak: HashMap<KeyGroup, Samples, foldhash::fast::RandomState>,
    /// What trying the known secrets on a token gave, whatever the unit.
    tried: HashMap<u64, Option<usize>, foldhash::fast::FixedState>,
    hits: Vec<AnchorHit>,
    inner_hits: Vec<AnchorHit>,
    /// Offset in the stream up to which bytes belong to a token that was seen.
    claimed: u64,
    /// The last hit that was dealt with.
    processed: Option<(u64, u16)>,
    run: HeaderRun,
}

/// Tokens that share these are taken to be signed with one key.
type KeyGroup = (Arc<str>, Option<Arc<str>>, Option<Arc<str>>);

#[derive(Debug, Default, Clone, Copy)]
struct Samples {
    tried: u8,
    found: Option<usize>,
}

/// The stretch of base64url that was looked through last, so that a long one is looked through once.
#[derive(Debug, Default, Clone, Copy)]
struct HeaderRun {
    start: u64,
    end: u64,
    tried: u8,
}

/// A hit could not be decided with the bytes at hand.
struct NeedMore;

impl<'e> Scanner<'e> {
    /// A scanner for one thread.
    pub fn new(engine: &'e Engine) -> Self {
        Self {
            engine,
            tokens: Vec::new(),
            sightings: Vec::new(),
            too_long: Vec::new(),
            too_dense: None,
            work: MAX_WORK / 4,
            own_from: 0,
            foreign: false,
            seen: HashMap::default(),
            hash: foldhash::quality::RandomState::default(),
            intern: Interner::default(),
            headers: HashMap::default(),
            weak: HashMap::default(),
            tried: HashMap::default(),
            hits: Vec::new(),
            inner_hits: Vec::new(),
            claimed: 0,
            processed: None,
            run: HeaderRun::default(),
        }
    }

    /// Forgets the tokens and places of the unit before. What a unit gives depends on nothing but its bytes. Tokens
    /// whose anchor stands before `own_from` (an offset in the stream) are met but not sighted.
    pub fn begin_unit(&mut self, own_from: u64) {
        self.own_from = own_from;
        self.forget_tokens();
        self.too_long.clear();
        self.too_dense = None;
        self.work = MAX_WORK / 4;
        self.weak.clear();
        self.claimed = 0;
        self.processed = None;
        self.run = HeaderRun::default();
    }

    /// Forgets tokens and places within a unit, so that they can be handed on before there are too many.
    pub fn forget_tokens(&mut self) {
        self.tokens.clear();
        self.sightings.clear();
        self.seen.clear();
    }

    /// Looks through the window's own part; appends to `tokens` and `sightings`. Returns the offset in `window.bytes`
    /// up to which everything is decided: less than `window.to` only if more bytes may come and are needed.
    pub fn scan(&mut self, window: Window<'_>) -> usize {
        let mut to = window.to.min(window.bytes.len());
        if window.more {
            // Anchors that the end of the bytes cuts off belong to the next window.
            to = to.min(window.bytes.len().saturating_sub(crate::rules::MAX_ANCHOR));
        }
        if to <= window.from {
            return window.from;
        }
        let mut hits = std::mem::take(&mut self.hits);
        hits.clear();
        self.engine.prefilter.find(window.bytes, window.from, to, &mut hits);
        let mut done = to;
        for hit in &hits {
            let key = (window.base + hit.at as u64, hit.anchor);
            if self.processed.is_some_and(|last| key <= last) {
                continue;
            }
            self.foreign = key.0 < self.own_from;
            if self.hit(&window, *hit).is_err() {
                done = hit.at;
                break;
            }
            self.processed = Some(key);
        }
        self.hits = hits;
        self.work = (self.work + WORK * (done - window.from) as i64).min(MAX_WORK);
        done
    }

    fn hit(&mut self, window: &Window<'_>, hit: AnchorHit) -> Result<(), NeedMore> {
        let engine = self.engine;
        let route = &engine.routes[usize::from(hit.anchor)];
        // What costs no more than the token is long is always looked at.
        let cheap = |route: &Route| match route {
            Route::Jose => true,
            Route::JoseJson | Route::Name => false,
            Route::Families(families) => families.iter().all(|f| engine.family(*f).anchor_at == AnchorAt::Prefix),
        };
        if self.work < 0 && !cheap(route) {
            self.too_dense.get_or_insert(window.base + hit.at as u64);
            return Ok(());
        }
        match route {
            Route::Name => self.named(window, hit.at),
            _ if window.base + (hit.at as u64) < self.claimed => Ok(()),
            Route::Jose => self.compact(window, hit.at),
            Route::JoseJson => self.json(window, hit.at),
            Route::Families(families) => {
                for &family in families {
                    if self.prefixed(window, hit.at, family)? {
                        break;
                    }
                }
                Ok(())
            }
        }
    }

    // ---- JOSE, compact --------------------------------------------------------------------------------------------

    fn compact(&mut self, window: &Window<'_>, at: usize) -> Result<(), NeedMore> {
        let Some(header_end) = self.header_end(window, at)? else { return Ok(()) };
        let Some(header) = self.header(&window.bytes[at..header_end]) else { return Ok(()) };
        let dots = if header.encrypted { 4 } else { 2 };
        let run = escape::segments(window.bytes, at, &COMPACT, MAX_TOKEN, dots);
        if run.open && window.more {
            if run.text.len() < MAX_TOKEN {
                return Err(NeedMore);
            }
            self.too_long.push(window.base + at as u64);
            return Ok(());
        }
        let Some(segments) = jose::segments(&run.text, header.encrypted) else { return Ok(()) };
        if segments.form == Form::Jws && segments.payload.is_empty() && segments.signature.is_empty() {
            return Ok(()); // `eyJ…` and an ellipsis
        }
        let mut text: &[u8] = &run.text[..segments.length];
        let mut end = if matches!(run.text, std::borrow::Cow::Borrowed(_)) {
            at + segments.length
        } else {
            escape::run(window.bytes, at, &COMPACT, segments.length).end
        };
        // An SD-JWT goes on with disclosures.
        let with_disclosures;
        if segments.form == Form::Jws && window.bytes.get(end) == Some(&b'~') {
            let tail = escape::run(window.bytes, end, &DISCLOSURES, MAX_TOKEN);
            if tail.open && window.more && tail.text.len() < MAX_TOKEN {
                return Err(NeedMore);
            }
            with_disclosures = [text, &tail.text].concat();
            text = &with_disclosures;
            end = tail.end;
        }
        let kind = if header.encrypted { Kind::Jwe } else { Kind::Jwt };
        let token = match self.known_token(text) {
            Ok(token) => token,
            Err(key) => match self.decode_compact(&header, &segments, kind, text) {
                Some(token) => self.add(key, token),
                None => return Ok(()),
            },
        };
        self.sight(window, token, at, end)
    }

    /// Where the base64url that starts at `at` ends, if a dot follows it.
    fn header_end(&mut self, window: &Window<'_>, at: usize) -> Result<Option<usize>, NeedMore> {
        let bytes = window.bytes;
        let absolute = window.base + at as u64;
        let end = if (self.run.start..self.run.end).contains(&absolute) {
            (self.run.end - window.base) as usize
        } else {
            let end = at + bytes[at..].iter().take_while(|b| BASE64URL.has(**b)).count();
            if end == bytes.len() && window.more && end - at < MAX_TOKEN {
                return Err(NeedMore);
            }
            self.run = HeaderRun { start: absolute, end: window.base + end as u64, tried: 0 };
            end
        };
        if end - at > jose::MAX_HEADER || self.run.tried >= MAX_HEADERS {
            return Ok(None);
        }
        match bytes.get(end) {
            Some(b'.') => {}
            Some(b'%' | b'\\' | b'&') => match escape::escape(&bytes[end..]) {
                Escape::Char(b'.', _) => {}
                Escape::CutOff if window.more => return Err(NeedMore),
                _ => return Ok(None),
            },
            _ => return Ok(None),
        }
        self.run.tried += 1;
        Ok(Some(end))
    }

    fn header(&mut self, segment: &[u8]) -> Option<Arc<Header>> {
        if let Some(known) = self.headers.get(segment) {
            return known.clone();
        }
        let header = jose::decode_header(segment).and_then(|json| Header::read(json, &mut self.intern)).map(Arc::new);
        if segment.len() <= 1024 {
            if self.headers.len() >= 4096 {
                self.headers.clear();
            }
            self.headers.insert(segment.into(), header.clone());
        }
        header
    }

    fn decode_compact(
        &mut self,
        header: &Header,
        parts: &jose::Segments<'_>,
        kind: Kind,
        text: &[u8],
    ) -> Option<Token> {
        let (mut facts, payload) = self.read(header, parts, kind)?;
        // A token may be the content of another (RFC 7519, section 5.2): the inner one says what the holder may do.
        if facts.kind == Kind::Jws
            && let Some(inner) = self.nested(&payload)
        {
            facts = Facts { signature: facts.signature, faults: facts.faults.union(inner.faults), ..inner };
        }
        let signed_length = parts.header.len() + 1 + parts.payload.len();
        if facts.signature == Signature::Fits && self.is_weak(header, &facts, &text[..signed_length], parts.signature) {
            facts.faults.insert(Fault::AlgWeakSecret);
        }
        let known = &self.engine.known;
        let fingerprint = Secret::new(text).fingerprint();
        let published = known.token(&fingerprint).or_else(|| match parts.form {
            Form::Jws => known.segments(parts.header, parts.payload),
            Form::Jwe => None,
        });
        Some(Token { facts, fingerprint, published })
    }

    /// What a JOSE object says, and the payload of a JWS.
    fn read(&mut self, header: &Header, parts: &jose::Segments<'_>, kind: Kind) -> Option<(Facts, Vec<u8>)> {
        let Engine { catalogue, classifier, .. } = self.engine;
        if parts.form == Form::Jwe {
            return Some((claims::encrypted(catalogue, classifier, header, kind)?, Vec::new()));
        }
        let payload = jose::BASE64URL.decode(parts.payload).ok()?;
        let signature = jose::signature(&header.alg, parts.signature);
        let facts = claims::signed(catalogue, classifier, header, &payload, signature, kind, &mut self.intern)?;
        Some((facts, payload))
    }

    /// Facts of a compact JOSE object that is the whole of `payload`.
    fn nested(&mut self, payload: &[u8]) -> Option<Facts> {
        let text = payload.trim_ascii();
        if !text.iter().all(|b| COMPACT.has(*b)) {
            return None;
        }
        let header = self.header(&text[..memchr::memchr(b'.', text)?])?;
        let parts = jose::segments(text, header.encrypted)?;
        self.read(&header, &parts, Kind::Jwt).map(|(facts, _)| facts)
    }

    /// Whether the signature was made with a secret that everybody knows. Tokens of one issuer and key are sampled: the
    /// first few of a unit are tried against the whole list, and once a secret is found, the others against that one.
    fn is_weak(&mut self, header: &Header, facts: &Facts, signed: &[u8], signature: &[u8]) -> bool {
        if !header.alg.starts_with("HS") {
            return false;
        }
        if header.kid.is_none() && facts.issuer.is_none() {
            return self.known_secret(&header.alg, signed, signature).is_some();
        }
        let group = (header.alg.clone(), header.kid.clone(), facts.issuer.clone());
        let samples = self.weak.get(&group).copied().unwrap_or_default();
        if let Some(position) = samples.found
            && weak_secret::is_signed_with(position, &header.alg, signed, signature)
        {
            return true;
        }
        if samples.tried >= WEAK_SAMPLES {
            return false;
        }
        let found = self.known_secret(&header.alg, signed, signature);
        self.weak.insert(group, Samples { tried: samples.tried + 1, found: samples.found.or(found) });
        found.is_some()
    }

    /// The list position of the secret that made a signature; each token is tried once.
    fn known_secret(&mut self, alg: &str, signed: &[u8], signature: &[u8]) -> Option<usize> {
        let key = self.hash.hash_one((signed, signature));
        if let Some(known) = self.tried.get(&key) {
            return *known;
        }
        if self.tried.len() >= MAX_TRIED {
            self.tried.clear();
        }
        let found = weak_secret::find(alg, signed, signature);
        self.tried.insert(key, found);
        found
    }

    // ---- JOSE, JSON -----------------------------------------------------------------------------------------------

    fn json(&mut self, window: &Window<'_>, at: usize) -> Result<(), NeedMore> {
        let found = match jose_json::around(window.bytes, at, window.more, &mut self.work) {
            jose_json::Outcome::Found(found) => found,
            jose_json::Outcome::Nothing => return Ok(()),
            jose_json::Outcome::NeedMore if window.bytes.len() - at >= MAX_TOKEN => return Ok(()),
            jose_json::Outcome::NeedMore => return Err(NeedMore),
        };
        let Some(header) = self.header(found.header.as_bytes()) else { return Ok(()) };
        let (kind, text) = match &found.payload {
            Some(payload) => (Kind::JwsJson, [&found.header[..], payload, &found.last].join(".")),
            None => (Kind::JweJson, [&found.header[..], "", "", &found.last, ""].join(".")),
        };
        let token = match self.known_token(text.as_bytes()) {
            Ok(token) => token,
            Err(key) => {
                let parts = jose::Segments {
                    form: if found.payload.is_some() { Form::Jws } else { Form::Jwe },
                    header: found.header.as_bytes(),
                    payload: found.payload.as_deref().unwrap_or_default().as_bytes(),
                    signature: found.last.as_bytes(),
                    length: text.len(),
                };
                match self.decode_compact(&header, &parts, kind, text.as_bytes()) {
                    Some(token) => self.add(key, token),
                    None => return Ok(()),
                }
            }
        };
        self.sight(window, token, found.start, found.end)
    }

    // ---- families with a prefix -----------------------------------------------------------------------------------

    /// Whether the anchor at `at` announces a token of that family.
    fn prefixed(&mut self, window: &Window<'_>, at: usize, index: u16) -> Result<bool, NeedMore> {
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

    // ---- by name --------------------------------------------------------------------------------------------------

    fn named(&mut self, window: &Window<'_>, at: usize) -> Result<(), NeedMore> {
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
            let token = match self.known_token(&value.value) {
                Ok(token) => token,
                Err(key) => {
                    let fingerprint = Secret::new(&value.value[..]).fingerprint();
                    let mut facts = Facts::opaque(value.family, Kind::Opaque, Confidence::Medium);
                    let family = engine.family(value.family);
                    facts.faults.insert_if(family.role == Role::Refresh, Fault::RefreshExposed);
                    facts.lifetime = beside::lifetime(window.bytes, value.start, value.end, family.role);
                    facts.harmless = value.dpop;
                    self.add(key, Token { facts, fingerprint, published: engine.known.token(&fingerprint) })
                }
            };
            let mut faults = Faults::default();
            faults.insert_if(value.carrier.in_url(), Fault::InUrl);
            self.push(window, token, value.start, value.end, value.carrier, faults);
        }
        Ok(())
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
            Route::JoseJson | Route::Name => false,
        });
        self.inner_hits = hits;
        own
    }

    // ---- what was found -------------------------------------------------------------------------------------------

    /// The token of that text if this unit has seen it, else the key to file it under.
    fn known_token(&self, text: &[u8]) -> Result<u32, u64> {
        let key = self.hash.hash_one(text);
        self.seen.get(&key).copied().ok_or(key)
    }

    fn add(&mut self, key: u64, token: Token) -> u32 {
        let index = self.tokens.len() as u32;
        self.tokens.push(token);
        self.seen.insert(key, index);
        index
    }

    /// Files a place of a token with a shape of its own: what carries it is read from what stands before it.
    fn sight(&mut self, window: &Window<'_>, token: u32, start: usize, end: usize) -> Result<(), NeedMore> {
        if window.more && end + beside::AHEAD > window.bytes.len() {
            return Err(NeedMore);
        }
        let before = carrier::before(window.bytes, start, window.bytes.get(end).copied());
        let facts = &self.tokens[token as usize].facts;
        let role = self.engine.family(facts.family).role;
        let mut faults = Faults::default();
        let in_url = before.carrier.in_url() && role != Role::Webhook && facts.kind != Kind::SignedUrl;
        faults.insert_if(in_url, Fault::InUrl);
        if before.scheme == Some("bearer") {
            faults.insert_if(role == Role::Id, Fault::IdAsAccess);
            let downgraded = facts.binding == Binding::Jkt && !beside::mentions_dpop(window.bytes, start, end);
            faults.insert_if(downgraded, Fault::BearerWithCnf);
        }
        let claims_dpop = |t: &[u8]| t.eq_ignore_ascii_case(b"dpop");
        if facts.binding == Binding::None && role == Role::Access && before.carrier == Carrier::JsonField {
            let dpop = beside::token_type(window.bytes, start, end).is_some_and(claims_dpop);
            faults.insert_if(dpop, Fault::TypeBearerResponse);
        }
        if facts.binding == Binding::Jkt && before.carrier == Carrier::JsonField {
            let bearer =
                beside::token_type(window.bytes, start, end).is_some_and(|t| t.eq_ignore_ascii_case(b"bearer"));
            faults.insert_if(bearer, Fault::TypeBearerResponse);
        }
        faults.insert_if(
            before.name.as_deref().is_some_and(|n| n.ends_with("refreshtoken")) && role == Role::Access,
            Fault::RefreshExposed,
        );
        self.push(window, token, start, end, before.carrier, faults);
        Ok(())
    }

    fn push(&mut self, window: &Window<'_>, token: u32, start: usize, end: usize, carrier: Carrier, faults: Faults) {
        let (start, end) = (window.base + start as u64, window.base + end as u64);
        self.claimed = self.claimed.max(end);
        if self.foreign {
            return;
        }
        self.sightings.push(Sighting { token, start, end, carrier, faults });
    }
}
