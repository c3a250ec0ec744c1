//! From a name to its value.

use std::cell::Cell;
use std::ops::Range;

use super::locate::Located;
use super::value::{ASSIGNED, Claim, SHORTEST};
use super::{Meaning, Named, Names, View};
use crate::rules::{Catalogue, Family};
use crate::token::between::{self, Mark, Separator};
use crate::token::carrier::{self, Carrier, normalise_into};
use crate::token::escape::{COOKIE, Class, TOKEN68};
use crate::token::file::Form;
use crate::token::pair::{self, Pair};
use crate::token::record::{CutOff, Lens};

/// The longest name, in bytes.
const LONGEST: usize = 64;
/// How far the cookies of a record are read, in bytes.
const COOKIES: usize = 8192;

pub(super) type Read<T> = Result<T, CutOff>;

pub(super) struct Reader<'a> {
    pub(super) names: &'a Names,
    pub(super) catalogue: &'a Catalogue,
    pub(super) bytes: &'a [u8],
    pub(super) more: bool,
    pub(super) form: Form,
    /// How many bytes were looked at.
    pub(super) used: &'a Cell<i64>,
}

/// What a byte after an identifier is on the way to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Follower {
    Blank,
    Quote,
    Closing,
    /// Parts a name from its value, or begins what does.
    Separator,
    /// An operator that joins two literals.
    Joint,
    Other,
}

impl Follower {
    const fn of(byte: u8) -> Self {
        match byte {
            b' ' | b'\t' => Self::Blank,
            b'"' | b'\'' | b'`' | b'\\' => Self::Quote,
            b']' | b')' => Self::Closing,
            b':' | b'=' | b',' | b'>' | b'%' | b'+' | b'&' | b'(' | b'}' | b'{' | b'<' | b'\n' | b'\r' => {
                Self::Separator
            }
            b'.' | b'|' => Self::Joint,
            _ => Self::Other,
        }
    }
}

/// Whether what follows an identifier can lead to a value at all. Most mentions of a name end here.
fn is_followed(rest: &[u8], scheme: bool, option: bool) -> bool {
    let mut blanks = 0;
    let mut quoted = false;
    for byte in rest.iter().take(8) {
        match Follower::of(*byte) {
            Follower::Blank => blanks += 1,
            Follower::Quote => quoted = true,
            Follower::Closing => {}
            Follower::Separator => return true,
            Follower::Joint => return scheme,
            // key="name" value="…" />
            Follower::Other if matches!(byte, b'/' | b'v') && quoted && blanks > 0 => return true,
            // A scheme word, an option, a command: blanks alone separate.
            Follower::Other => return (scheme || option) && blanks > 0 && TOKEN68.has(*byte),
        }
    }
    true
}

/// What identifiers are made of; dots separate.
static PART: Class = Class::alphanumeric_and(b"_-");

/// Past the end of the identifier around an anchor.
fn identifier_end(bytes: &[u8], at: usize) -> usize {
    at + bytes[at..].iter().take(48).take_while(|b| PART.has(**b)).count()
}

/// Where the identifier around an anchor begins, if it is no longer than names are; an escape's leftover before it is none
/// of it.
fn identifier_start(bytes: &[u8], at: usize, end: usize) -> Option<usize> {
    let floor = at.saturating_sub(40);
    let mut start = at - bytes[floor..at].iter().rev().take_while(|b| PART.has(**b)).count();
    if start > 0 && at > start {
        let leftover = match bytes[start - 1] {
            b'\\' if matches!(bytes[start], b'n' | b't' | b'r') => 1,
            b'%' if bytes.get(start..start + 2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit)) => 2,
            b'\\' if bytes[start] == b'u' => 5,
            _ => 0,
        };
        start = (start + leftover).min(at);
    }
    (end - start <= LONGEST).then_some(start)
}

impl View<'_> {
    /// The name around the anchor at `at`, where what follows it can lead to a value. Anchors are words of everyday prose:
    /// most hits end here.
    #[inline]
    pub(in crate::token) fn name_at(&self, at: usize) -> Result<Option<Range<usize>>, CutOff> {
        let bytes = self.bytes;
        let end = identifier_end(bytes, at);
        if self.more && end + 64 > bytes.len() {
            return Err(CutOff);
        }
        let scheme = || end >= 6 && bytes[end - 6..end].eq_ignore_ascii_case(b"bearer");
        // What follows tells most mentions apart, and is nearer than where the name begins.
        match bytes.get(end).map(|byte| Follower::of(*byte)) {
            Some(Follower::Other) => return Ok(None),
            Some(Follower::Joint) if !scheme() => return Ok(None),
            _ => {}
        }
        let Some(start) = identifier_start(bytes, at, end) else { return Ok(None) };
        let written = &bytes[start..end];
        let option = written.starts_with(b"--") || matches!(self.form, Form::Commands | Form::Dockerfile);
        let scheme = written.len() >= 6 && scheme();
        Ok(is_followed(&bytes[end..], scheme, option).then_some(start..end))
    }
}

impl Reader<'_> {
    /// What a name announces.
    pub(super) fn name(&self, Range { start, end }: Range<usize>) -> Read<Vec<Named>> {
        let written = &self.bytes[start..end];
        let mut bare = [0; LONGEST];
        let name = normalise_into(written, &mut bare);
        let mut found = self.named(name, start, end)?;
        found.iter_mut().for_each(|named| name.clone_into(&mut named.name));
        Ok(found)
    }

    fn named(&self, name: &str, start: usize, end: usize) -> Read<Vec<Named>> {
        match name {
            "bearer" => {
                let found = self.scheme(end)?;
                if !found.is_empty() {
                    return Ok(found);
                }
            }
            "cookies" | "setcookies" => return self.cookie_list(end),
            "cookie" | "setcookie" => return self.cookies(start, end),
            _ => {}
        }
        match self.names.meaning(&self.bytes[start..end], name, self.form) {
            Some(meaning) => self.field(meaning, start, end),
            None => Ok(Vec::new()),
        }
    }

    /// `Bearer VALUE`, `"Bearer " + "VALUE"`, `("Bearer", "VALUE")`
    fn scheme(&self, end: usize) -> Read<Vec<Named>> {
        let Some(family) = self.names.bearer else { return Ok(Vec::new()) };
        let mut at = end;
        let blank = |b: u8| matches!(b, b' ' | b'\t');
        if self.bytes.get(at) == Some(&b'+') {
            at += 1;
        }
        while let Some((Mark::Blank, length)) = between::first(&self.bytes[at..]) {
            at += length;
        }
        let claim = Claim::new(family, self.family(family).min_length);
        if at > end {
            let found = self.value(claim, at)?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        // The literal ends here and another one follows.
        let Some(&quote @ (b'"' | b'\'' | b'`')) = self.bytes.get(at) else { return Ok(Vec::new()) };
        at += 1;
        let space = |mut at: usize| {
            while self.bytes.get(at).is_some_and(|b| b.is_ascii_whitespace()) {
                at += 1;
            }
            at
        };
        at = space(at);
        let joined = [&b"+"[..], b"..", b".", b"<>", b"||", b"&", b","];
        let joint = joined.iter().find(|joint| self.bytes[at..].starts_with(joint)).map_or(0, |joint| joint.len());
        let next = space(at + joint);
        if self.more && next + 2 > self.bytes.len() {
            return Err(CutOff);
        }
        if next > end + 160 || self.bytes.get(next) != Some(&quote) {
            return Ok(Vec::new());
        }
        let mut found = self.value(claim.carried(Carrier::AuthorizationHeader), next + 1)?;
        // {"token_type": "Bearer", "name": …} names the next member.
        found.retain(|named| {
            let rest = &self.bytes[(named.end + 1).min(self.bytes.len())..];
            rest.iter().find(|b| !blank(**b)) != Some(&b':')
        });
        Ok(found)
    }

    /// `name: value`, `name=value`, `"name": "value"` …
    fn field(&self, meaning: Meaning, start: usize, end: usize) -> Read<Vec<Named>> {
        let Meaning { family, loose } = meaning;
        let header = self.names.bearer == Some(family);
        let written = &self.bytes[start..end];
        if self.form == Form::AuthJson && self.bytes.get(end) == Some(&b'"') {
            let table = self.host_table(family, end + 1)?;
            if !table.is_empty() {
                return Ok(table);
            }
        }
        let Some(located) = self.locate(start, end)? else { return self.set_before(family, start, end) };
        let Located { value, separator, quoted, apart } = located;
        let json = quoted && separator == Separator::Colon;
        let given = if apart { Some(carrier::of_name(written, json)) } else { None };
        // A list of parameters: {"apikey": [{"key": "value", "value": "…"}, …]}
        let behind = &self.bytes[value.min(self.bytes.len())..];
        if behind.trim_ascii_start().first() == Some(&b'{') {
            return self.parameters(family, value);
        }
        let mut at = value;
        let mut dpop = false;
        // Authorization: token VALUE. Bearer and SSWS have anchors of their own.
        let rest = &self.bytes[at.min(self.bytes.len())..];
        let first = rest.iter().take(64).take_while(|b| TOKEN68.has(**b)).count();
        let scheme_unknown = header && matches!(rest.get(first), Some(b' ' | b'\t'));
        let word = rest.iter().take(16).take_while(|b| b.is_ascii_alphanumeric()).count();
        if matches!(rest.get(word), Some(b' ' | b'\t')) || rest[word.min(rest.len())..].starts_with(b"%20") {
            let scheme = rest[..word].to_ascii_lowercase();
            let behind = at + word + if rest[word] == b'%' { 3 } else { 1 };
            match &scheme[..] {
                b"basic" => return self.basic(family, behind, Carrier::AuthorizationHeader),
                b"bearer" | b"ssws" | b"digest" | b"negotiate" | b"ntlm" => return Ok(Vec::new()),
                b"token" | b"bot" | b"splunk" | b"apikey" | b"dpop" => {
                    dpop = scheme == b"dpop";
                    at = behind;
                }
                // AWS4-HMAC-SHA256 Credential=…: what a scheme of its own is followed by is no bearer token.
                _ if scheme_unknown => return Ok(Vec::new()),
                _ => {}
            }
        } else if scheme_unknown
            && rest[..first].iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'-')
        {
            return Ok(Vec::new());
        }
        let floor = self.family(family).min_length;
        let name_before = self.bytes[..start].last().copied();
        let in_url = separator == Separator::Equals && matches!(name_before, Some(b'?' | b'&' | b'#' | b';'));
        // A bare assignment in code names many things; one in quotes, a URL or a header means it.
        let meant = (quoted && !loose) || in_url || (header && separator != Separator::Comma) || dpop;
        let claim = Claim {
            family,
            floor: if meant { floor } else { floor.max(ASSIGNED) },
            carrier: given,
            dpop,
            uuid: self.form == Form::Npmrc,
            loose,
        };
        // A name that only ends like a token's: a literal, or a file made of settings.
        if loose && !quoted && self.form == Form::Plain {
            return Ok(Vec::new());
        }
        self.value(claim, at)
    }

    /// `setValue("VALUE", forHTTPHeaderField: "name")`
    fn set_before(&self, family: u16, start: usize, end: usize) -> Read<Vec<Named>> {
        let label = b"forHTTPHeaderField: \"";
        if !self.bytes[..start].ends_with(label) {
            return Ok(Vec::new());
        }
        let Some(at) = pair::argument_before(self.bytes, start - label.len()) else { return Ok(Vec::new()) };
        let carrier = carrier::of_name(&self.bytes[start..end], false);
        self.value(Claim::new(family, self.family(family).min_length).carried(carrier), at)
    }

    /// The value among the parameters of an authentication, each a record of its own.
    fn parameters(&self, family: u16, at: usize) -> Read<Vec<Named>> {
        let mut found = Vec::new();
        for Pair { name: (start, end), value } in pair::list(self.lens(), at)? {
            if &self.bytes[start..end] == b"value" {
                let claim = Claim::new(family, self.family(family).min_length).carried(Carrier::JsonField);
                found.extend(self.value(claim, value)?);
            }
        }
        Ok(found)
    }

    /// `Cookie: a=1; session=VALUE; b=2`
    fn cookies(&self, start: usize, end: usize) -> Read<Vec<Named>> {
        let Some(Located { value, .. }) = self.locate(start, end)? else { return Ok(Vec::new()) };
        let stop = |b: &u8| matches!(*b, b'\n' | b'\r' | b'"' | b'\'' | b'<' | b'\0');
        let rest = &self.bytes[value.min(self.bytes.len())..];
        let line_end = value + rest.iter().take(COOKIES).take_while(|b| !stop(b)).count();
        self.looked_at(line_end - value);
        if self.more && line_end >= self.bytes.len() {
            return Err(CutOff);
        }
        let mut found = Vec::new();
        let mut at = value;
        while at < line_end {
            let pair_end = at + memchr::memchr(b';', &self.bytes[at..line_end]).unwrap_or(line_end - at);
            let pair = &self.bytes[at..pair_end];
            let blank = pair.iter().take_while(|b| b.is_ascii_whitespace()).count();
            if let Some(equals) = memchr::memchr(b'=', pair)
                && let Some(family) = self.names.cookie_family(&pair[blank.min(equals)..equals])
            {
                let values = self.cookie(family, at + equals + 1)?;
                found.extend(values.into_iter().filter(|v| v.end <= pair_end));
            }
            at = pair_end + 1;
        }
        Ok(found)
    }

    /// `"cookies": [{"name": "session", "value": "VALUE"}]`
    fn cookie_list(&self, end: usize) -> Read<Vec<Named>> {
        let mut at = end;
        let mut listed = false;
        for _ in 0..12 {
            match between::first(&self.bytes[at.min(self.bytes.len())..]) {
                Some((Mark::Open, 1)) if self.bytes[at] == b'[' => {
                    listed = true;
                    at += 1;
                    break;
                }
                Some((Mark::Quote | Mark::Blank | Mark::Separator(Separator::Colon), length)) => at += length,
                _ => break,
            }
        }
        let mut found = Vec::new();
        if listed {
            for Pair { name: (start, end), value } in pair::list(self.lens(), at)? {
                self.looked_at(value - start);
                if let Some(family) = self.names.cookie_family(&self.bytes[start..end]) {
                    found.extend(self.cookie(family, value)?);
                }
            }
        }
        Ok(found)
    }

    fn cookie(&self, family: u16, at: usize) -> Read<Vec<Named>> {
        let floor = self.family(family).min_length.max(SHORTEST);
        self.value_of(Claim::new(family, floor).carried(Carrier::Cookie), at, &COOKIE)
    }

    /// `"auth": "BASE64"` in Docker's configuration: a name and a password, one entry for each registry in `auths`.
    pub(super) fn docker_auth(&self, at: usize) -> Read<Vec<Named>> {
        let Some(family) = self.names.by_name.get("token").copied() else { return Ok(Vec::new()) };
        if self.more && at + 64 > self.bytes.len() {
            return Err(CutOff);
        }
        let rest = &self.bytes[at + 6..];
        let blank = rest.iter().take(16).take_while(|b| matches!(**b, b' ' | b':' | b'\t')).count();
        if rest.get(blank) != Some(&b'"') || !rest[..blank].contains(&b':') {
            return Ok(Vec::new());
        }
        let found = self.basic(family, at + 6 + blank + 1, Carrier::JsonField)?;
        let before = &self.bytes[at.saturating_sub(COOKIES)..at];
        self.looked_at(if found.is_empty() { 0 } else { before.len() });
        let docker = self.form == Form::AuthJson || memchr::memmem::rfind(before, b"\"auths\"").is_some();
        Ok(if docker { found } else { Vec::new() })
    }

    pub(super) fn family(&self, index: u16) -> &Family {
        &self.catalogue.families[usize::from(index)]
    }

    pub(super) fn looked_at(&self, bytes: usize) {
        self.lens().looked_at(bytes);
    }

    pub(super) fn lens(&self) -> Lens<'_> {
        Lens { bytes: self.bytes, more: self.more, used: self.used }
    }
}
