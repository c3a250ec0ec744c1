//! From windows of bytes to sightings of tokens. Pure: bytes in, facts and places out; the same code serves files in
//! ranges, standard input, one token on the command line, the fuzzers and the redaction of our own messages.
//!
//! A *window* is a piece of a longer stream. The scanner owns the anchors that stand in its part of it, may look at
//! what lies before and after, and says how far it got: where a token runs past the end of the bytes at hand it stops
//! and asks for more. So every token is seen exactly once, wherever the pieces are cut.

mod compact;
mod folded;
mod hmac;
mod keys;
mod named;
mod places;
mod saml;
mod shaped;

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::Arc;

use self::compact::HeaderRun;
pub use self::hmac::{FoundSecret, Sample, TriedKeys};
use self::hmac::{KeyGroup, Samples};
use self::saml::Progress;
use super::beside;
use super::cache::Content;
use super::carrier::{self, Carrier};
use super::claims::Header;
use super::directive::{self, Directive};
use super::engine::{Engine, Route};
use super::facts::{Binding, Facts, Kind};
use super::fault::{Fault, Faults};
use super::file::Nature;
use super::intern::Interner;
use super::keys::Certificate;
use super::logged::witness::Witness;
use super::prefilter::{AnchorHit, Stretch};
use super::request;
use crate::origin::Layers;
use crate::rules::{AnchorAt, Role};
use crate::secret::Fingerprint;

/// The longest token, in characters. What is longer is noted as too long to judge.
pub const MAX_TOKEN: usize = 512 * 1024;
/// How many bytes before its own part a window should bring along: names, URLs and JSON objects begin there.
pub const BEHIND: usize = 32 * 1024;
/// How much may be looked at around hits, in bytes for each byte scanned. Ordinary bytes need a hundredth of it; text
/// made of nothing but lookalikes would need thousands.
const WORK: i64 = 48;
/// How much of that may be saved up.
const MAX_WORK: i64 = 64 * 1024 * 1024;

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
    /// What was undone to read it.
    pub layers: Layers,
    /// What the record around it says of who sent it, and when.
    pub witness: Option<Witness>,
}

/// Something to say about a place where no token need stand.
#[derive(Debug, Clone, Copy)]
pub struct Remark {
    /// What is wrong.
    pub fault: Fault,
    /// Offset of its first byte in the stream.
    pub start: u64,
    /// Offset past its last byte.
    pub end: u64,
}

/// A comment that accepts what is found where it stands.
#[derive(Debug)]
pub struct FoundDirective {
    /// What it says.
    pub directive: Directive,
    /// Offset of its first byte in the stream.
    pub start: u64,
    /// Offset past its last byte.
    pub end: u64,
}

/// A thread's scanner. Its tables grow with the distinct tokens of a unit and are emptied by [`Scanner::begin_unit`].
#[derive(Debug)]
pub struct Scanner<'e> {
    engine: &'e Engine,
    /// The distinct tokens of this unit.
    pub tokens: Vec<Token>,
    /// The places of the last window, to be taken by the caller.
    pub sightings: Vec<Sighting>,
    /// The certificates of this unit, each once.
    pub certificates: Vec<Certificate>,
    /// HS* tokens of this unit, a few of each key.
    pub samples: Vec<Sample>,
    /// Values of the last window that tokens may be signed with, to be taken by the caller.
    pub secrets: Vec<FoundSecret>,
    /// How many line breaks stand where in the last window, to be taken by the caller.
    pub stretches: Vec<Stretch>,
    /// The remarks of the last window, to be taken by the caller.
    pub remarks: Vec<Remark>,
    /// The comments of the last window that accept findings, to be taken by the caller.
    pub directives: Vec<FoundDirective>,
    /// Places where something too long to be judged begins.
    pub too_long: Vec<u64>,
    /// Where lookalikes began to stand too densely to look at each.
    pub too_dense: Option<u64>,
    /// What the file's name says of this unit.
    nature: Nature,
    /// What the file holds, where it is a token cache and its beginning was seen.
    content: Option<Content>,
    /// The unit's first bytes are still to come.
    fresh: bool,
    /// Where the configuration of an agent's tools was last seen to begin.
    tools: Option<u64>,
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
    /// The same of the first part of the file that the units to come are parts of.
    pub earlier: Option<Arc<TriedKeys>>,
    secrets_seen: HashSet<u64, foldhash::fast::FixedState>,
    /// What trying the known secrets on a token gave, whatever the unit.
    tried: HashMap<u64, Option<usize>, foldhash::fast::FixedState>,
    hits: Vec<AnchorHit>,
    inner_hits: Vec<AnchorHit>,
    /// Offset in the stream up to which bytes belong to a token that was seen.
    claimed: u64,
    /// The last hit that was dealt with.
    processed: Option<(u64, u16)>,
    run: HeaderRun,
    saml: Progress,
    /// What was undone around the text that is being scanned.
    layers: Layers,
    /// Stretches of base64 that were unfolded lately: offsets in the stream.
    unfolded: Vec<(u64, u64)>,
    /// As `claimed` and `processed`, for 16-bit text.
    wide_claimed: u64,
    wide_processed: Option<(u64, u16)>,
    wide_saml: Progress,
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
            certificates: Vec::new(),
            samples: Vec::new(),
            secrets: Vec::new(),
            stretches: Vec::new(),
            remarks: Vec::new(),
            directives: Vec::new(),
            too_long: Vec::new(),
            too_dense: None,
            nature: Nature::default(),
            content: None,
            fresh: true,
            tools: None,
            work: MAX_WORK / 4,
            own_from: 0,
            foreign: false,
            seen: HashMap::default(),
            hash: foldhash::quality::RandomState::default(),
            intern: Interner::default(),
            headers: HashMap::default(),
            weak: HashMap::default(),
            earlier: None,
            secrets_seen: HashSet::default(),
            tried: HashMap::default(),
            hits: Vec::new(),
            inner_hits: Vec::new(),
            claimed: 0,
            processed: None,
            run: HeaderRun::default(),
            saml: Progress::default(),
            layers: Layers::default(),
            unfolded: Vec::new(),
            wide_claimed: 0,
            wide_processed: None,
            wide_saml: Progress::default(),
        }
    }

    /// Says what the units to come are parts of.
    pub fn enter(&mut self, nature: Nature) {
        self.nature = nature;
    }

    /// Forgets the tokens and places of the unit before. What a unit gives depends on nothing but its bytes and the file's
    /// nature. Tokens
    /// whose anchor stands before `own_from` (an offset in the stream) are met but not sighted.
    pub fn begin_unit(&mut self, own_from: u64) {
        self.own_from = own_from;
        self.forget_tokens();
        self.too_long.clear();
        self.too_dense = None;
        self.stretches.clear();
        self.remarks.clear();
        self.directives.clear();
        (self.content, self.fresh, self.tools) = (None, true, None);
        self.work = MAX_WORK / 4;
        self.weak.clear();
        self.secrets.clear();
        self.secrets_seen.clear();
        self.claimed = 0;
        self.processed = None;
        self.run = HeaderRun::default();
        self.saml = Progress::default();
        self.unfolded.clear();
        self.wide_claimed = 0;
        self.wide_processed = None;
        self.wide_saml = Progress::default();
    }

    /// Forgets tokens and places within a unit, so that they can be handed on before there are too many.
    pub fn forget_tokens(&mut self) {
        self.tokens.clear();
        self.sightings.clear();
        self.certificates.clear();
        self.samples.clear();
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
        if to <= window.from || !self.head(&window) {
            return window.from;
        }
        if window.base == 0 && window.from == 0 && self.processed.is_none() && self.file(&window).is_err() {
            return 0;
        }
        let mut hits = std::mem::take(&mut self.hits);
        hits.clear();
        // What is unfolded has no lines of its own.
        let stretches = &mut self.stretches;
        let outermost = self.layers.is_empty();
        let passed = |stretch| stretches.extend(Some(stretch).filter(|_| outermost));
        let prefilter = &self.engine.prefilter;
        let has_nul = prefilter.find_and_count(window.bytes, window.from, to, &mut hits, passed);
        let first = window.base == 0 && self.layers.is_empty();
        self.engine.find_extras(self.nature, window.bytes, window.from, to, first, &mut hits);
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
        if has_nul {
            done = self.wide(&window, done);
        }
        self.work = (self.work + WORK * (done - window.from) as i64).min(MAX_WORK);
        done
    }

    #[inline]
    fn hit(&mut self, window: &Window<'_>, hit: AnchorHit) -> Result<(), NeedMore> {
        let engine = self.engine;
        if let Some(extra) = engine.extra(hit.anchor) {
            if self.work < 0 {
                self.too_dense.get_or_insert(window.base + hit.at as u64);
                return Ok(());
            }
            return self.extra(window, extra, hit.at);
        }
        let route = &engine.routes[usize::from(hit.anchor)];
        // What costs no more than the token is long is always looked at.
        let cheap = |route: &Route| match route {
            Route::Jose => true,
            Route::Directive => true,
            Route::JoseJson | Route::Name | Route::Saml(_) | Route::Fold(_) | Route::Key(_) | Route::SigningSecret => {
                false
            }
            Route::Families(families) => families.iter().all(|f| engine.family(*f).anchor_at == AnchorAt::Prefix),
        };
        if self.work < 0 && !cheap(route) {
            self.too_dense.get_or_insert(window.base + hit.at as u64);
            return Ok(());
        }
        match route {
            Route::Name => self.named(window, hit.at),
            Route::SigningSecret => self.signing_secret(window, hit.at),
            Route::Directive => self.directive(window, hit.at),
            _ if window.base + (hit.at as u64) < self.claimed => Ok(()),
            Route::Jose => self.compact(window, hit.at),
            Route::JoseJson => self.json(window, hit.at),
            Route::Saml(announced) => self.saml(window, hit.at, *announced),
            Route::Fold(fold) => self.folded(window, hit.at, *fold),
            Route::Key(announced) => self.key(window, *announced, hit.at),
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

    /// A comment that may accept what is found on its line.
    fn directive(&mut self, window: &Window<'_>, at: usize) -> Result<(), NeedMore> {
        if self.foreign || !self.layers.is_empty() {
            return Ok(());
        }
        if window.more && at + directive::ANCHOR.len() + directive::LONGEST > window.bytes.len() {
            return Err(NeedMore);
        }
        if let Some((directive, end)) = directive::read(window.bytes, at) {
            let (start, end) = (window.base + at as u64, window.base + end as u64);
            self.directives.push(FoundDirective { directive, start, end });
        }
        Ok(())
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
        let facts = &self.tokens[token as usize].facts;
        let role = self.engine.family(facts.family).role;
        let proof = facts.bound_to.is_some() && role == Role::Proof;
        if proof && window.more && end + request::REACH > window.bytes.len() {
            return Err(NeedMore);
        }
        let before = carrier::before(window.bytes, start, window.bytes.get(end).copied());
        let mut faults = Faults::default();
        let in_url = before.carrier.in_url() && role != Role::Webhook && facts.kind != Kind::SignedUrl;
        faults.insert_if(in_url, Fault::InUrl);
        if before.scheme == Some("bearer") {
            faults.insert_if(role == Role::Id, Fault::IdAsAccess);
            let downgraded = facts.binding == Binding::Jkt && !request::mentions_dpop(window.bytes, start, end);
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
        if proof && self.work >= 0 {
            faults = faults.union(request::faults(window.bytes, start, end, facts.bound_to.as_deref()));
            self.work -= 2 * request::REACH as i64;
        }
        self.push(window, token, start, end, before.carrier, faults);
        Ok(())
    }
}
