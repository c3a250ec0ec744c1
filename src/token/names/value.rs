//! Whether a value could be a token: as it stands, or decoded from base64.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::Named;
use super::reader::{Read, Reader};
use crate::origin::{Layer, Layers};
use crate::rules::Role;
use crate::token::carrier::{self, Carrier};
use crate::token::escape::{self, Class, TOKEN68};
use crate::token::jose;
use crate::token::proof::{could_be_opaque, is_elided, is_uuid};
use crate::token::record::CutOff;

/// The longest value, in characters.
const MAX_VALUE: usize = 4096;
/// The shortest value where only an ordinary assignment names it.
pub(super) const ASSIGNED: usize = 20;
/// The shortest value anywhere.
pub(super) const SHORTEST: usize = 16;
/// How far before a value it is looked for what says that only a cluster can read it.
const BEFORE: usize = 8192;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What a value is taken for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    pub(super) family: u16,
    /// The shortest that is believed.
    pub(super) floor: usize,
    /// What carries it, where that is known; else it is read from what stands before it.
    pub(super) carrier: Option<Carrier>,
    pub(super) dpop: bool,
    /// UUIDs are taken, whatever the family says.
    pub(super) uuid: bool,
    /// Only its name's ending speaks for it.
    pub(super) loose: bool,
}

impl Claim {
    pub(super) const fn new(family: u16, floor: usize) -> Self {
        Self { family, floor, carrier: None, dpop: false, uuid: false, loose: false }
    }

    pub(super) const fn carried(self, carrier: Carrier) -> Self {
        Self { carrier: Some(carrier), ..self }
    }
}

impl Reader<'_> {
    /// The password of `name:password` in base64.
    pub(super) fn basic(&self, family: u16, at: usize, carrier: Carrier) -> Read<Vec<Named>> {
        let claim = Claim::new(family, ASSIGNED).carried(carrier);
        self.decoded(claim, at, |plain| {
            let colon = plain.iter().position(|b| *b == b':')?;
            let (user, password) = (&plain[..colon], &plain[colon + 1..]);
            // GitHub takes the token as the name, too.
            let token = if password.is_empty() || password == b"x-oauth-basic" { user } else { password };
            Some(token.to_vec())
        })
    }

    /// A part of what is written in base64 at `at`, if it could be a token.
    pub(super) fn decoded(
        &self,
        claim: Claim,
        at: usize,
        part: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
    ) -> Read<Vec<Named>> {
        let run = escape::run(self.bytes, at.min(self.bytes.len()), &TOKEN68, MAX_VALUE);
        if run.open && self.more {
            return Err(CutOff);
        }
        self.looked_at(2 * run.text.len());
        let text: Cow<'_, [u8]> = if run.text.iter().any(|b| matches!(b, b'-' | b'_')) {
            let standard = |b: &u8| match b {
                b'-' => b'+',
                b'_' => b'/',
                other => *other,
            };
            run.text.iter().map(standard).collect()
        } else {
            run.text
        };
        let token = if text.len() < SHORTEST { None } else { BASE64.decode(&text).ok().and_then(|plain| part(&plain)) };
        let Some(token) = token.filter(|token| token.iter().all(|b| TOKEN68.has(*b))) else { return Ok(Vec::new()) };
        let digits = token.iter().any(u8::is_ascii_digit);
        let plausible = is_uuid(&token) || (digits && could_be_opaque(&token, claim.floor)) || is_jose(&token);
        let Some(layers) = Layers::default().and(Layer::Base64).filter(|_| plausible) else { return Ok(Vec::new()) };
        let carrier = claim.carrier.unwrap_or(Carrier::KeyValue);
        Ok(vec![Named {
            family: claim.family,
            name: String::new(),
            start: at,
            end: run.end,
            value: token,
            carrier,
            dpop: false,
            layers,
        }])
    }

    /// The value at `start`, if it could be a token.
    pub(super) fn value(&self, claim: Claim, start: usize) -> Read<Vec<Named>> {
        self.value_of(claim, start, &TOKEN68)
    }

    pub(super) fn value_of(&self, claim: Claim, start: usize, class: &Class) -> Read<Vec<Named>> {
        let nothing = Ok(Vec::new());
        if start >= self.bytes.len() {
            return if self.more { Err(CutOff) } else { nothing };
        }
        let run = escape::run(self.bytes, start, class, MAX_VALUE);
        self.looked_at(run.text.len());
        if run.open && self.more {
            return Err(CutOff);
        }
        // Padding stands at the end. `a=b=c` is not a value but several names.
        let padding = run.text.iter().rev().take_while(|b| **b == b'=').count();
        if padding > 2 || run.text[..run.text.len() - padding].contains(&b'=') {
            return nothing;
        }
        if is_jose(&run.text) {
            return nothing;
        }
        // `k3JfW0qLx8Zr...`: the rest was left out.
        if run.text.ends_with(b"..") {
            return nothing;
        }
        self.looked_at(11 * run.text.len());
        let mut value: &[u8] = &run.text;
        let mut end = run.end;
        // A sentence's full stop is no part of the token.
        while run.end - start == run.text.len() && value.ends_with(b".") {
            value = &value[..value.len() - 1];
            end -= 1;
        }
        let description = self.family(claim.family);
        let after = self.bytes.get(run.end).copied();
        // `name(` is a call, `name[` an index, `***` a mask, `${` a template.
        let code = matches!(after, Some(b'(' | b'[' | b'{' | b'*' | b'$')) || is_elided(&self.bytes[run.end..]);
        let plausible = if is_uuid(value) {
            (description.uuid || claim.uuid) && !value.starts_with(b"00000000-")
        } else {
            could_be_opaque(value, claim.floor)
        };
        if code || !plausible || is_broken_jose(value) || is_path(value) || self.is_sealed(value, start) {
            return nothing;
        }
        let carrier = claim.carrier.unwrap_or_else(|| carrier::before(self.bytes, start, after).carrier);
        // Only the name tells: a short one in an ordinary assignment wants digits, as random values have them.
        let digits = value.iter().any(u8::is_ascii_digit);
        let weak = matches!(carrier, Carrier::KeyValue | Carrier::Bare) || claim.loose;
        if weak && !digits && description.role != Role::Refresh {
            return nothing;
        }
        let (family, dpop) = (claim.family, claim.dpop);
        Ok(vec![Named {
            family,
            name: String::new(),
            start,
            end,
            value: value.to_vec(),
            carrier,
            dpop,
            layers: Layers::default(),
        }])
    }

    /// Encrypted for a cluster, which alone can read it.
    fn is_sealed(&self, value: &[u8], start: usize) -> bool {
        value.len() >= 128 && value.starts_with(b"Ag") && {
            let before = &self.bytes[start.saturating_sub(BEFORE)..start];
            self.looked_at(before.len());
            memchr::memmem::find(before, b"encryptedData").is_some()
        }
    }
}

/// A JOSE object, sound or broken, is no opaque token. (Session cookies may begin with JSON, too.)
fn is_jose(text: &[u8]) -> bool {
    let first = text.iter().position(|b| *b == b'.').unwrap_or(text.len());
    first >= 12 && text.starts_with(b"e") && jose::decode_header(&text[..first]).is_some()
}

/// A JOSE object with something before it or a segment missing is a broken one, not an opaque token.
fn is_broken_jose(value: &[u8]) -> bool {
    value.starts_with(b".") || memchr::memmem::find(value, b".eyJ").is_some()
}

fn is_path(value: &[u8]) -> bool {
    value.starts_with(b"/") && value[1..].contains(&b'/')
}
