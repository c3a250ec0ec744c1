//! Private keys, and the certificates that say whose they are.

use super::{NeedMore, Scanner, Token, Window};
use crate::finding::Confidence;
use crate::rules::KeyFormat;
use crate::token::carrier::{self, Carrier};
use crate::token::claims::cut;
use crate::token::facts::{Facts, KeyFacts, Kind};
use crate::token::fault::{Fault, Faults};
use crate::token::keys::{self, Announced, Certificate, Contents, PrivateKey, Reading};

/// How many certificates of a unit are remembered.
const MAX_CERTIFICATES: usize = 4096;
/// So many bytes tell whether a file is a binary one of keys.
const HEAD: usize = 512;

impl Scanner<'_> {
    /// What an anchor of keys announces.
    pub(super) fn key(&mut self, window: &Window<'_>, announced: Announced, at: usize) -> Result<(), NeedMore> {
        let bytes = window.bytes;
        let (found, end) = match keys::read(announced, bytes, at, window.more, &mut self.work) {
            Reading::Found(found, end) => (found, end),
            Reading::Nothing => return Ok(()),
            Reading::NeedMore => return Err(NeedMore),
        };
        if window.more && !found.contents.keys.is_empty() && end + keys::BESIDE > bytes.len() {
            return Err(NeedMore);
        }
        let carrier = carrier::before(bytes, found.start, bytes.get(end).copied()).carrier;
        self.contents(window, found.format, &found.contents, (found.start, end), carrier);
        for secret in found.contents.secrets {
            self.keep_secret(window, (found.start, end), secret, true);
        }
        Ok(())
    }

    /// A stream that begins as a binary file of keys does.
    pub(super) fn file(&mut self, window: &Window<'_>) -> Result<(), NeedMore> {
        if window.more && window.bytes.len() < HEAD && matches!(window.bytes[0], 0 | 0x30 | 0xce | 0xfe) {
            return Err(NeedMore);
        }
        let Some(length) = keys::file_length(window.bytes).filter(|length| *length <= keys::MAX_FILE) else {
            return Ok(());
        };
        if window.more && window.bytes.len() < length {
            return Err(NeedMore);
        }
        if let Some((format, contents)) = keys::file(window.bytes) {
            self.foreign = self.own_from > 0;
            let end = length.min(window.bytes.len());
            self.contents(window, format, &contents, (0, end), Carrier::Bare);
        }
        Ok(())
    }

    fn contents(
        &mut self,
        window: &Window<'_>,
        format: KeyFormat,
        contents: &Contents,
        (start, end): (usize, usize),
        carrier: Carrier,
    ) {
        contents.certificates.iter().for_each(|certificate| self.certificate(*certificate));
        for key in &contents.keys {
            let Some(facts) = self.key_facts(window, format, key, (start, end)) else { continue };
            let token = match self.known_token(&key.fingerprint.0) {
                Ok(token) => {
                    self.tokens[token as usize].facts.merge(&facts);
                    token
                }
                Err(hash) => {
                    let published = key.thumbprint.and_then(|thumbprint| self.engine.published_key(&thumbprint));
                    let published = published.or_else(|| self.engine.known.token(&key.fingerprint));
                    self.add(hash, Token { facts, fingerprint: key.fingerprint, published })
                }
            };
            self.push(window, token, start, end, carrier, Faults::default());
        }
    }

    fn key_facts(
        &mut self,
        window: &Window<'_>,
        format: KeyFormat,
        key: &PrivateKey,
        place: (usize, usize),
    ) -> Option<Facts> {
        let engine = self.engine;
        let class = engine.keys.classify(&engine.catalogue, format, key, window.bytes, place)?;
        let confidence = if key.consistent { Confidence::High } else { Confidence::Low };
        let mut facts = Facts::opaque(class.family, Kind::PrivateKey, confidence);
        facts.alg = key.algorithm.name().map(|name| self.intern.get(&name));
        facts.subject = class.owner.map(|owner| cut(&owner).into());
        let proof = engine.family(class.family).key.as_ref().is_some_and(|rule| rule.proof);
        facts.faults.insert_if(proof, Fault::PopKeyExposed);
        facts.key = Some(Box::new(KeyFacts {
            protection: key.protection,
            format,
            algorithm: key.algorithm,
            thumbprint: key.thumbprint,
        }));
        Some(facts)
    }

    fn certificate(&mut self, certificate: Certificate) {
        if self.certificates.len() < MAX_CERTIFICATES && !self.certificates.contains(&certificate) {
            self.certificates.push(certificate);
        }
    }
}
