//! JOSE objects: compact, in JSON, nested.

use std::sync::Arc;

use base64::Engine as _;

use super::{MAX_TOKEN, NeedMore, Scanner, Token, Window};
use crate::origin::Layer;
use crate::rules::Form;
use crate::secret::Secret;
use crate::token::claims::{self, Header};
use crate::token::engine::Engine;
use crate::token::escape::{self, BASE64URL, COMPACT, Class, Escape};
use crate::token::facts::{Facts, Kind, Signature};
use crate::token::fault::Fault;
use crate::token::fold::lines;
use crate::token::{jose, jose_json};

/// How many headers that end at one dot are tried.
const MAX_HEADERS: u8 = 8;

/// The alphabet of an SD-JWT's disclosures and key binding.
static DISCLOSURES: Class = Class::alphanumeric_and(b"-_.~");

/// The stretch of base64url that was looked through last, so that a long one is looked through once.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct HeaderRun {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) tried: u8,
}

impl Scanner<'_> {
    pub(super) fn compact(&mut self, window: &Window<'_>, at: usize) -> Result<(), NeedMore> {
        let Some(header_end) = self.header_end(window, at)? else {
            let header_end = (self.run.end - window.base) as usize;
            if header_end - at > jose::MAX_HEADER || self.run.tried >= MAX_HEADERS {
                return Ok(());
            }
            self.run.tried += 1;
            if lines::breaks_at(window.bytes, header_end) && self.wrapped(window, at)? {
                return Ok(());
            }
            return self.base64_json(window, at);
        };
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
        let segments = jose::segments(&run.text, header.encrypted);
        let whole = segments.as_ref().is_some_and(|segments| is_whole(&header, segments, &run.text));
        if !whole && lines::breaks_at(window.bytes, run.end) && self.wrapped(window, at)? {
            return Ok(());
        }
        let Some(segments) = segments else { return Ok(()) };
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

    /// A token that was cut into lines; only one whose end is sure is taken.
    fn wrapped(&mut self, window: &Window<'_>, at: usize) -> Result<bool, NeedMore> {
        if self.work < 0 {
            self.too_dense.get_or_insert(window.base + at as u64);
            return Ok(false);
        }
        let Some(joined) = lines::join(window.bytes, at, &COMPACT, 4, MAX_TOKEN) else { return Ok(false) };
        self.work -= 2 * joined.text.len() as i64;
        if joined.open && window.more && joined.text.len() < MAX_TOKEN {
            return Err(NeedMore);
        }
        let Some(dot) = memchr::memchr(b'.', &joined.text).filter(|dot| *dot <= jose::MAX_HEADER) else {
            return Ok(false);
        };
        let Some(header) = self.header(&joined.text[..dot]) else { return Ok(false) };
        let whole = joined.lengths().find_map(|length| {
            let segments = jose::segments(&joined.text[..length], header.encrypted)?;
            is_whole(&header, &segments, &joined.text[..length]).then_some(segments)
        });
        let Some(segments) = whole else { return Ok(false) };
        let layer = if joined.soft { Layer::QuotedPrintable } else { Layer::Wrapped };
        let Some(layers) = self.layers.and(layer) else { return Ok(false) };
        let text = &joined.text[..segments.length];
        let kind = if header.encrypted { Kind::Jwe } else { Kind::Jwt };
        let token = match self.known_token(text) {
            Ok(token) => token,
            Err(key) => match self.decode_compact(&header, &segments, kind, text) {
                Some(token) => self.add(key, token),
                None => return Ok(false),
            },
        };
        let outer = std::mem::replace(&mut self.layers, layers);
        let sighted = self.sight(window, token, at, joined.end(segments.length));
        self.layers = outer;
        sighted.map(|()| true)
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
        let fingerprint = Secret::new(text).fingerprint();
        if facts.signature == Signature::Fits && header.alg.starts_with("HS") {
            let (signed, signature) = (&text[..signed_length], parts.signature);
            if self.is_weak(header, &facts, signed, signature) {
                facts.faults.insert(Fault::AlgWeakSecret);
            } else {
                self.keep_sample(header, &facts, signed, signature, fingerprint);
            }
        }
        let known = &self.engine.known;
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

    pub(super) fn json(&mut self, window: &Window<'_>, at: usize) -> Result<(), NeedMore> {
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
}

/// Whether nothing is missing at the end of a token.
fn is_whole(header: &Header, segments: &jose::Segments<'_>, text: &[u8]) -> bool {
    match segments.form {
        Form::Jws => jose::is_whole(&header.alg, segments.signature),
        Form::Jwe => jose::has_whole_tag(&text[..segments.length]),
    }
}
