//! Tokens without a shape of their own, found by the name that stands before them: `Authorization: Bearer …`,
//! `"access_token": "…"`, `?token=…`, `Cookie: session=…`.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use super::carrier::{self, Carrier, normalise};
use super::escape::{self, COOKIE, Class, TOKEN68};
use super::jose;
use super::proof::{could_be_opaque, is_elided, is_uuid};
use crate::rules::{Catalogue, Family, Role};

/// What names are found by, in any letter case. `earer` and `uthorization` leave out the letter that is written either
/// way.
pub const ANCHORS: &[&str] = &["earer", "uthorization", "token", "ookie", "api-key", "api_key", "apikey", "sid="];

/// The longest value, in characters.
const MAX_VALUE: usize = 4096;

/// Names by which families are found.
#[derive(Debug)]
pub struct Names {
    by_name: HashMap<String, u16>,
    bearer: Option<u16>,
    /// Families that know their values by a pattern, and the names for which they are asked.
    by_shape: Vec<(u16, HashSet<String>)>,
}

/// A value that a name announces.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    /// Index of the family that the name alone gives.
    pub family: u16,
    /// The name, as compared.
    pub name: String,
    /// Offset of the value.
    pub start: usize,
    /// Offset past the value in the source bytes.
    pub end: usize,
    /// The value, escapes undone.
    pub value: Vec<u8>,
    /// What carries it.
    pub carrier: Carrier,
    /// `DPoP` rather than `Bearer`.
    pub dpop: bool,
}

/// What reading after a name gives.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Values that could be tokens (a cookie header has several).
    Values(Vec<Named>),
    /// The value goes on past the end of the bytes.
    NeedMore,
}

impl Names {
    /// The names of all families of the catalogue.
    pub fn new(catalogue: &Catalogue) -> Self {
        let mut by_name = HashMap::new();
        let mut by_shape = Vec::new();
        for (index, family) in catalogue.families.iter().enumerate() {
            if family.whole.is_some() {
                by_shape.push((index as u16, family.names.iter().cloned().collect::<HashSet<_>>()));
            } else {
                by_name.extend(family.names.iter().map(|name| (name.clone(), index as u16)));
            }
        }
        // A family's own name announces a token whatever its shape.
        let general = by_name.get("token").copied();
        for name in by_shape.iter().flat_map(|(_, names)| names).filter(|name| *name != "*") {
            if let (Some(general), false) = (general, by_name.contains_key(name)) {
                by_name.insert(name.clone(), general);
            }
        }
        let bearer = by_name.get("authorization").copied();
        Self { by_name, bearer, by_shape }
    }

    /// The families whose pattern the value has, if it may stand after that name.
    pub fn shaped<'n>(
        &'n self,
        catalogue: &'n Catalogue,
        name: &'n str,
        value: &'n [u8],
    ) -> impl Iterator<Item = u16> + 'n {
        let fits = move |index: &u16| {
            let whole = catalogue.families[usize::from(*index)].whole.as_ref();
            whole.is_some_and(|(pattern, lengths)| lengths.contains(&value.len()) && pattern.is_match(value))
        };
        let asked = move |names: &HashSet<String>| names.contains("*") || names.contains(name);
        self.by_shape.iter().filter(move |(_, names)| asked(names)).map(|(index, _)| *index).filter(fits)
    }

    /// The family of a name: its own, or for `x-…-token` headers and `…_access_token` fields the general one.
    fn family(&self, name: &str) -> Option<u16> {
        let general = |stem: &str| self.by_name.get(stem).copied();
        general(name).or_else(|| {
            ["accesstoken", "refreshtoken", "authtoken", "apitoken", "bearertoken", "sessiontoken", "apikey"]
                .iter()
                .find(|stem| name.ends_with(**stem))
                .and_then(|stem| general(stem).or_else(|| general("token")))
        })
    }

    /// `SERVICE_TOKEN`, `X-Service-Token`: whatever it is a token of, unless it guards forms or turns pages.
    fn variable(&self, written: &[u8], name: &str) -> Option<u16> {
        let variable = written.ends_with(b"_TOKEN") && written.iter().all(|b| !b.is_ascii_lowercase());
        let header =
            name.starts_with('x') && written.len() >= 6 && written[written.len() - 6..].eq_ignore_ascii_case(b"-token");
        let harmless =
            ["csrf", "xsrf", "page", "next", "sync", "cancel", "continu", "verif", "nonce", "delim", "max", "num"];
        let named = (variable || header) && !harmless.iter().any(|word| name.contains(word));
        self.by_name.get("token").copied().filter(|_| named)
    }

    /// Reads what stands after the anchor at `at`. What is looked at is taken off `work`.
    pub fn read(&self, catalogue: &Catalogue, bytes: &[u8], at: usize, more: bool, work: &mut i64) -> Outcome {
        let used = Cell::new(0);
        let outcome = self.read_counted(catalogue, bytes, at, more, &used);
        *work -= used.get();
        outcome
    }

    fn read_counted(&self, catalogue: &Catalogue, bytes: &[u8], at: usize, more: bool, used: &Cell<i64>) -> Outcome {
        let Some((start, end)) = identifier(bytes, at) else { return Outcome::Values(Vec::new()) };
        if more && end + 64 > bytes.len() {
            return Outcome::NeedMore;
        }
        if !is_followed(&bytes[end..], bytes[start..end].eq_ignore_ascii_case(b"bearer")) {
            return Outcome::Values(Vec::new());
        }
        let name = normalise(&bytes[start..end]);
        let reader = Reader { names: self, catalogue, name: &name, bytes, more, used };
        match name.as_str() {
            "bearer" => reader.scheme(end),
            "cookie" | "setcookie" => reader.cookies(end),
            _ => match self.family(&name).or_else(|| self.variable(&bytes[start..end], &name)) {
                Some(family) => reader.field(family, start, end),
                None => Outcome::Values(Vec::new()),
            },
        }
    }
}

/// Whether what follows an identifier can lead to a value at all. Most mentions of a name end here.
fn is_followed(rest: &[u8], scheme: bool) -> bool {
    let mut blanks = 0;
    for byte in rest.iter().take(8) {
        match byte {
            b' ' | b'\t' => blanks += 1,
            b'"' | b'\'' | b'`' | b'\\' => {}
            b':' | b'=' | b',' | b'>' | b'%' | b'+' | b'&' => return true,
            // A scheme word: blanks alone separate.
            _ => return scheme && blanks > 0 && TOKEN68.has(*byte),
        }
    }
    true
}

/// The identifier around an anchor; dots separate, an escape's leftover before it is none of it.
fn identifier(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let part = |b: &u8| b.is_ascii_alphanumeric() || matches!(*b, b'_' | b'-');
    let floor = at.saturating_sub(40);
    let mut start = at - bytes[floor..at].iter().rev().take_while(|b| part(b)).count();
    if start > 0 && at > start {
        let leftover = match bytes[start - 1] {
            b'\\' if matches!(bytes[start], b'n' | b't' | b'r') => 1,
            b'%' if bytes.get(start..start + 2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit)) => 2,
            b'\\' if bytes[start] == b'u' => 5,
            _ => 0,
        };
        start = (start + leftover).min(at);
    }
    let end = at + bytes[at..].iter().take(48).take_while(|b| part(b)).count();
    (end - start <= 64).then_some((start, end))
}

struct Reader<'a> {
    names: &'a Names,
    catalogue: &'a Catalogue,
    /// What stands before the value, as compared.
    name: &'a str,
    bytes: &'a [u8],
    more: bool,
    /// How many bytes were looked at.
    used: &'a Cell<i64>,
}

/// What stands between a name and its value.
struct Gap {
    /// Where the value starts.
    value: usize,
    separator: Option<u8>,
    quoted: bool,
}

impl Reader<'_> {
    /// `Bearer VALUE`
    fn scheme(&self, end: usize) -> Outcome {
        let gap = self.gap(end, true);
        let blank = gap.value > end;
        let Some(family) = self.names.bearer.filter(|_| blank) else { return Outcome::Values(Vec::new()) };
        let floor = self.family(family).min_length;
        self.value(family, gap.value, floor, &TOKEN68, |value_start, after| {
            (carrier::before(self.bytes, value_start, after).carrier, false)
        })
    }

    /// `name: value`, `name=value`, `"name": "value"` …
    fn field(&self, family: u16, start: usize, end: usize) -> Outcome {
        let gap = self.gap(end, false);
        let Some(separator) = gap.separator else { return Outcome::Values(Vec::new()) };
        let mut value = gap.value;
        let mut dpop = false;
        // Authorization: token VALUE. Bearer and SSWS have anchors of their own.
        let rest = &self.bytes[value.min(self.bytes.len())..];
        let header = self.names.bearer == Some(family);
        let first = rest.iter().take(64).take_while(|b| TOKEN68.has(**b)).count();
        let scheme_unknown = header && matches!(rest.get(first), Some(b' ' | b'\t'));
        let word = rest.iter().take(16).take_while(|b| b.is_ascii_alphanumeric()).count();
        if matches!(rest.get(word), Some(b' ' | b'\t')) || rest[word.min(rest.len())..].starts_with(b"%20") {
            let scheme = rest[..word].to_ascii_lowercase();
            match &scheme[..] {
                b"bearer" | b"ssws" | b"basic" | b"digest" | b"negotiate" | b"ntlm" => {
                    return Outcome::Values(Vec::new());
                }
                b"token" | b"bot" | b"splunk" | b"apikey" | b"dpop" => {
                    dpop = scheme == b"dpop";
                    value += word + if rest[word] == b'%' { 3 } else { 1 };
                }
                // AWS4-HMAC-SHA256 Credential=…: what a scheme of its own is followed by is no bearer token.
                _ if scheme_unknown => return Outcome::Values(Vec::new()),
                _ => {}
            }
        } else if scheme_unknown
            && rest[..first].iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'-')
        {
            return Outcome::Values(Vec::new());
        }
        let description = self.family(family);
        let name_before = self.bytes[..start].last().copied();
        let in_url = separator == b'=' && matches!(name_before, Some(b'?' | b'&' | b'#' | b';'));
        // A bare assignment in code names many things; one in quotes, a URL or a header means it.
        let floor = match (gap.quoted || in_url || header || dpop, description.role) {
            (true, _) => description.min_length,
            (false, _) => description.min_length.max(20),
        };
        self.value(family, value, floor, &TOKEN68, |value_start, after| {
            (carrier::before(self.bytes, value_start, after).carrier, dpop)
        })
    }

    /// `Cookie: a=1; session=VALUE; b=2`
    fn cookies(&self, end: usize) -> Outcome {
        let gap = self.gap(end, false);
        if gap.separator.is_none() {
            return Outcome::Values(Vec::new());
        }
        let stop = |b: &u8| matches!(*b, b'\n' | b'\r' | b'"' | b'\'' | b'<' | b'\0');
        let line_end = gap.value + self.bytes[gap.value..].iter().take(8192).take_while(|b| !stop(b)).count();
        self.used.set(self.used.get() + (line_end - gap.value) as i64);
        if self.more && line_end == self.bytes.len() {
            return Outcome::NeedMore;
        }
        let mut found = Vec::new();
        let mut at = gap.value;
        while at < line_end {
            let pair_end = at + memchr::memchr(b';', &self.bytes[at..line_end]).unwrap_or(line_end - at);
            let pair = &self.bytes[at..pair_end];
            let blank = pair.iter().take_while(|b| b.is_ascii_whitespace()).count();
            if let Some(equals) = memchr::memchr(b'=', pair)
                && let Some(family) = self.cookie_family(&pair[blank.min(equals)..equals])
            {
                let value = at + equals + 1;
                let floor = self.family(family).min_length.max(16);
                match self.value(family, value, floor, &COOKIE, |_, _| (Carrier::Cookie, false)) {
                    Outcome::Values(values) => found.extend(values.into_iter().filter(|v| v.end <= pair_end)),
                    Outcome::NeedMore => return Outcome::NeedMore,
                }
            }
            at = pair_end + 1;
        }
        Outcome::Values(found)
    }

    /// Cookies are named freely: those that sound like a session or a token are asked, forgery guards are not.
    fn cookie_family(&self, name: &[u8]) -> Option<u16> {
        let name = normalise(name);
        if ["csrf", "xsrf", "nonce", "state", "consent", "analytics", "utm", "locale"].iter().any(|w| name.contains(w))
        {
            return None;
        }
        let name = name.trim_start_matches("host").trim_start_matches("secure");
        let session = self.names.by_name.get("session").copied();
        let own = self.names.family(name).filter(|_| !matches!(name, "cookie" | "setcookie"));
        own.or(session.filter(|_| {
            ["sess", "sid", "auth", "token", "jwt", "remember", "sso", "login"].iter().any(|w| name.contains(w))
        }))
    }

    fn family(&self, index: u16) -> &Family {
        &self.catalogue.families[usize::from(index)]
    }

    /// Steps over quotes, blanks and one separator. After a scheme word blanks alone separate.
    fn gap(&self, end: usize, scheme: bool) -> Gap {
        let bytes = self.bytes;
        let mut at = end;
        let mut separator = None;
        let mut quoted = false;
        for _ in 0..24 {
            let rest = &bytes[at.min(bytes.len())..];
            let step = match rest.first() {
                Some(b'"' | b'\'' | b'`') => {
                    quoted = true;
                    1
                }
                Some(b'\\') if matches!(rest.get(1), Some(b'"' | b'\'' | b'\\')) => 1,
                Some(b'\\') if rest.starts_with(b"\\u0022") => 6,
                Some(b' ' | b'\t') => 1,
                Some(b'[' | b'(') if separator.is_some() => 1,
                Some(b':') if !scheme && separator.is_none() => {
                    separator = Some(b':');
                    if rest.get(1) == Some(&b'=') { 2 } else { 1 }
                }
                Some(b'=') if !scheme && separator.is_none() => {
                    let arrow = rest.get(1) == Some(&b'>');
                    separator = Some(if arrow { b':' } else { b'=' });
                    // == compares
                    if rest.get(1) == Some(&b'=') {
                        return Gap { value: at, separator: None, quoted };
                    }
                    if arrow { 2 } else { 1 }
                }
                // ("Authorization", "value"), <access_token>value
                Some(b',') if !scheme && separator.is_none() && quoted => {
                    separator = Some(b':');
                    1
                }
                Some(b'>') if !scheme && separator.is_none() => {
                    separator = Some(b':');
                    1
                }
                Some(b'+') if scheme && at == end => 1,
                Some(b'%') if rest.starts_with(b"%20") || rest.starts_with(b"%22") => 3,
                Some(b'%')
                    if !scheme && separator.is_none() && (rest.starts_with(b"%3D") || rest.starts_with(b"%3d")) =>
                {
                    separator = Some(b'=');
                    3
                }
                Some(b'%')
                    if !scheme && separator.is_none() && (rest.starts_with(b"%3A") || rest.starts_with(b"%3a")) =>
                {
                    separator = Some(b':');
                    3
                }
                Some(b'&') if rest.starts_with(b"&quot;") => 6,
                _ => break,
            };
            at += step;
        }
        Gap { value: at, separator, quoted }
    }

    fn value(
        &self,
        family: u16,
        start: usize,
        floor: usize,
        class: &Class,
        carrier: impl Fn(usize, Option<u8>) -> (Carrier, bool),
    ) -> Outcome {
        if start >= self.bytes.len() {
            return if self.more { Outcome::NeedMore } else { Outcome::Values(Vec::new()) };
        }
        let run = escape::run(self.bytes, start, class, MAX_VALUE);
        let used = |passes: usize| self.used.set(self.used.get() + (passes * run.text.len()) as i64);
        used(1);
        if run.open && self.more {
            return Outcome::NeedMore;
        }
        // Padding stands at the end. `a=b=c` is not a value but several names.
        let padding = run.text.iter().rev().take_while(|b| **b == b'=').count();
        if padding > 2 || run.text[..run.text.len() - padding].contains(&b'=') {
            return Outcome::Values(Vec::new());
        }
        // A JOSE object, sound or broken, is no opaque token. (Session cookies may begin with JSON, too.)
        let first = run.text.iter().position(|b| *b == b'.').unwrap_or(run.text.len());
        if first >= 12 && run.text.starts_with(b"e") && jose::decode_header(&run.text[..first]).is_some() {
            return Outcome::Values(Vec::new());
        }
        // `k3JfW0qLx8Zr...`: the rest was left out.
        if run.text.ends_with(b"..") {
            return Outcome::Values(Vec::new());
        }
        used(11);
        let mut value: &[u8] = &run.text;
        let mut end = run.end;
        // A sentence's full stop is no part of the token.
        while run.end - start == run.text.len() && value.ends_with(b".") {
            value = &value[..value.len() - 1];
            end -= 1;
        }
        let description = self.family(family);
        let after = self.bytes.get(run.end).copied();
        // `name(` is a call, `name[` an index, `***` a mask, `${` a template.
        let code = matches!(after, Some(b'(' | b'[' | b'{' | b'*' | b'$')) || is_elided(&self.bytes[run.end..]);
        let uuid = is_uuid(value);
        // A JOSE object with something before it or a segment missing is a broken one, not an opaque token.
        let broken_jose = value.starts_with(b".") || memchr::memmem::find(value, b".eyJ").is_some();
        let plausible =
            if uuid { description.uuid && !value.starts_with(b"00000000-") } else { could_be_opaque(value, floor) };
        if code || !plausible || broken_jose || value.starts_with(b"/") && value[1..].contains(&b'/') {
            return Outcome::Values(Vec::new());
        }
        let (carrier, dpop) = carrier(start, after);
        // Only the name tells: a short one in an ordinary assignment wants digits, as random values have them.
        let digits = value.iter().filter(|b| b.is_ascii_digit()).count();
        if matches!(carrier, Carrier::KeyValue | Carrier::Bare) && digits == 0 && description.role != Role::Refresh {
            return Outcome::Values(Vec::new());
        }
        Outcome::Values(vec![Named {
            family,
            name: self.name.to_owned(),
            start,
            end,
            value: value.to_vec(),
            carrier,
            dpop,
        }])
    }
}
