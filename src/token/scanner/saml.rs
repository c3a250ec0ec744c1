//! SAML assertions, as XML and in base64.

use super::{NeedMore, Scanner, Token, Window};
use crate::finding::Confidence;
use crate::origin::{Layer, Layers};
use crate::secret::Secret;
use crate::token::beside;
use crate::token::carrier::Carrier;
use crate::token::engine::Announced;
use crate::token::facts::{Facts, Kind, Signature};
use crate::token::saml::encoded::{self, Value};
use crate::token::saml::reading::{self, Reading};
use crate::token::saml::text::{self, Announces, Closing, Opening};
use crate::token::saml::unescape::unescape;
use crate::token::saml::{MAX_XML, document};

/// How many end tags are tried for one start tag: an assertion may hold others.
const MAX_CLOSINGS: usize = 8;
/// How far past a status of success the encrypted assertion begins.
const ENCRYPTED_WITHIN: usize = 512;
/// How far past the grant type the assertion's parameter begins.
const GRANT_WITHIN: usize = 2048;

/// How far assertions that stand as XML have been looked for; offsets in the stream.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Progress {
    /// Up to here an assertion reaches that was seen.
    pub(super) seen_to: u64,
    /// The last SAML name whose surroundings were looked at.
    pub(super) looked_to: u64,
}

impl Progress {
    /// The same in other offsets.
    pub(super) fn map(self, offset: impl Fn(u64) -> u64) -> Self {
        Self { seen_to: offset(self.seen_to), looked_to: offset(self.looked_to) }
    }
}

impl Scanner<'_> {
    pub(super) fn saml(&mut self, window: &Window<'_>, at: usize, announced: Announced) -> Result<(), NeedMore> {
        match announced {
            Announced::Text => self.saml_text(window, at),
            Announced::Name => match encoded::value_after(window.bytes, at + "SAMLResponse".len(), window.more) {
                Value::At(start) => self.saml_encoded(window, start, true),
                Value::None => Ok(()),
                Value::NeedMore => Err(NeedMore),
            },
            Announced::Grant => self.saml_grant(window, at),
            Announced::Base64 => self.saml_encoded(window, encoded::with_byte_order_mark(window.bytes, at), false),
        }
    }

    // ---- as XML ---------------------------------------------------------------------------------------------------

    /// An assertion belongs to the first SAML name that stands in it.
    fn saml_text(&mut self, window: &Window<'_>, at: usize) -> Result<(), NeedMore> {
        let bytes = window.bytes;
        let here = window.base + at as u64;
        if here < self.saml.seen_to {
            return Ok(());
        }
        self.work -= 64;
        let opening = match text::announces(bytes, at) {
            Announces::Assertion => {
                // What stands before the last name was looked at then.
                let floor = self.saml.looked_to.saturating_sub(window.base) as usize;
                let floor = floor.min(at).max(at.saturating_sub(text::LOOK_BEHIND));
                self.work -= (at - floor) as i64 / 4;
                let opening = text::opening_before(bytes, at, floor);
                if opening.is_none() {
                    self.saml.looked_to = here;
                }
                opening
            }
            Announces::Success if window.more && at + ENCRYPTED_WITHIN > bytes.len() => return Err(NeedMore),
            Announces::Success => text::encrypted_after(bytes, at, ENCRYPTED_WITHIN),
            Announces::Nothing => None,
        };
        let Some(opening) = opening else { return Ok(()) };
        self.saml_element(window, at, &opening)?;
        self.saml.looked_to = here;
        Ok(())
    }

    fn saml_element(&mut self, window: &Window<'_>, at: usize, opening: &Opening) -> Result<(), NeedMore> {
        let bytes = window.bytes;
        let mut from = at.max(opening.start);
        for _ in 0..MAX_CLOSINGS {
            let closing = text::closing_after(bytes, opening, from, window.more);
            let end = match closing {
                Closing::At(end) => end,
                Closing::NeedMore => return Err(NeedMore),
                Closing::None => {
                    // Searching is cheap for a byte, not for half a million.
                    self.work -= (bytes.len().min(from + MAX_XML) - from) as i64 / 16;
                    return Ok(());
                }
            };
            self.work -= 2 * (end - opening.start) as i64;
            if window.more && end + beside::AHEAD.max(text::LOOK_AHEAD) > bytes.len() {
                return Err(NeedMore);
            }
            let Some(xml) = unescape(&bytes[opening.start..end]).filter(|_| !text::in_metadata(bytes, opening.start))
            else {
                return Ok(());
            };
            let signed = || text::signed_around(bytes, opening.start, end);
            match self.saml_token(&xml, &signed) {
                Found::Token(token) => {
                    // Tokens may stand in its attributes: they are found for themselves.
                    let claimed = self.claimed;
                    self.sight(window, token, opening.start, end)?;
                    self.claimed = claimed;
                    self.saml.seen_to = window.base + end as u64;
                    return Ok(());
                }
                Found::Cut => from = end,
                Found::Nothing => return Ok(()),
            }
        }
        Ok(())
    }

    // ---- in base64 ------------------------------------------------------------------------------------------------

    /// `grant_type=…saml2-bearer&assertion=…`, `client_assertion_type=…saml2-bearer&client_assertion=…`.
    fn saml_grant(&mut self, window: &Window<'_>, at: usize) -> Result<(), NeedMore> {
        let bytes = window.bytes;
        let end = bytes.len().min(at + GRANT_WITHIN);
        let line = bytes[at..end].split(|b| *b == b'\n').next().unwrap_or_default();
        self.work -= line.len() as i64 / 4;
        match memchr::memmem::find(line, b"assertion=").map(|n| at + n + "assertion=".len()) {
            Some(after) => match encoded::value_after(bytes, after, window.more) {
                Value::At(start) => self.saml_encoded(window, start, true),
                Value::None => Ok(()),
                Value::NeedMore => Err(NeedMore),
            },
            None if window.more && at + line.len() == bytes.len() => Err(NeedMore),
            None => Ok(()),
        }
    }

    /// A message in base64 at `start`; `named` says that what stands before it announces one.
    fn saml_encoded(&mut self, window: &Window<'_>, start: usize, named: bool) -> Result<(), NeedMore> {
        let bytes = window.bytes;
        if window.base + (start as u64) < self.claimed || !(named || encoded::may_begin(bytes, start)) {
            return Ok(());
        }
        self.work -= 256;
        if !named {
            let head = encoded::run(bytes, start, encoded::head());
            if head.open && window.more {
                return Err(NeedMore);
            }
            self.work -= head.text.len() as i64;
            if !encoded::speaks_of_saml(&head.text) {
                return Ok(());
            }
        }
        let run = encoded::run(bytes, start, encoded::MAX_ENCODED);
        if run.open && window.more {
            if run.text.len() < encoded::MAX_ENCODED && bytes.len() - start < encoded::MAX_ENCODED {
                return Err(NeedMore);
            }
            self.too_long.push(window.base + start as u64);
            return Ok(());
        }
        if window.more && run.end + beside::AHEAD > bytes.len() {
            return Err(NeedMore);
        }
        let Some(message) = encoded::decode(&run.text, &mut self.work) else { return Ok(()) };
        let found = document::find(&message.xml);
        self.work -= 4 * message.xml.len() as i64;
        let mut layers = Layers::default().and(Layer::Base64).unwrap_or_default();
        if message.deflated {
            layers = layers.and(Layer::Deflate).unwrap_or_default();
        }
        for range in found.assertions {
            let Found::Token(token) = self.saml_token(&message.xml[range], &|| found.signed) else { continue };
            let before = self.sightings.len();
            self.sight(window, token, start, run.end)?;
            if let Some(sighting) = self.sightings.get_mut(before) {
                sighting.layers = layers;
                // `name="SAMLResponse" value="…"` is a form's field, too.
                let loose = matches!(sighting.carrier, Carrier::KeyValue | Carrier::Bare);
                sighting.carrier = if named && loose { Carrier::FormField } else { sighting.carrier };
            }
        }
        Ok(())
    }

    // ---- one assertion --------------------------------------------------------------------------------------------

    /// The token that an element is. `signed_around` says whether the message around it is signed.
    fn saml_token(&mut self, xml: &str, signed_around: &dyn Fn() -> bool) -> Found {
        let engine = self.engine;
        let key = match self.known_token(xml.as_bytes()) {
            Ok(token) => {
                let facts = &mut self.tokens[token as usize].facts;
                if facts.kind == Kind::Saml && facts.signature != Signature::Fits && signed_around() {
                    facts.signature = Signature::Fits;
                }
                return Found::Token(token);
            }
            Err(key) => key,
        };
        self.work -= 4 * xml.len() as i64;
        let facts = match (reading::read(xml), engine.saml_plain, engine.saml_encrypted) {
            (Reading::Assertion(assertion), Some(family), _) => {
                assertion.facts(family, signed_around(), &mut self.intern)
            }
            (Reading::Encrypted, _, Some(family)) => Facts::opaque(family, Kind::SamlEncrypted, Confidence::High),
            (Reading::Cut, ..) => return Found::Cut,
            _ => return Found::Nothing,
        };
        let fingerprint = Secret::new(xml).fingerprint();
        Found::Token(self.add(key, Token { facts, fingerprint, published: engine.known.token(&fingerprint) }))
    }
}

enum Found {
    Token(u32),
    /// The text ends inside of the element.
    Cut,
    Nothing,
}
