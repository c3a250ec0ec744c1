//! What carries a token: the name, header, parameter or field that stands before it.
//!
//! Read backwards from the token's first byte, on its line and over a bounded distance; the bytes before a token are
//! as untrusted as the token.

use super::between::{self, Mark, Separator};
use super::pair;

/// What carries a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Carrier {
    /// `Authorization` or `Proxy-Authorization`, or a scheme word alone.
    AuthorizationHeader,
    /// `DPoP`.
    DpopHeader,
    /// Another header that holds a token.
    VendorHeader,
    /// `Cookie` or `Set-Cookie`.
    Cookie,
    /// The query of a URL.
    UrlQuery,
    /// The fragment of a URL.
    UrlFragment,
    /// `https://user:TOKEN@host`.
    UrlUserinfo,
    /// A part of a URL's path.
    UrlPath,
    /// A form body.
    FormField,
    /// A JSON member.
    JsonField,
    /// An assignment or a key with a value.
    KeyValue,
    /// Nothing around it says.
    Bare,
}

impl Carrier {
    /// The word in the record.
    pub const fn word(self) -> &'static str {
        match self {
            Self::AuthorizationHeader => "authorization-header",
            Self::DpopHeader => "dpop-header",
            Self::VendorHeader => "vendor-header",
            Self::Cookie => "cookie",
            Self::UrlQuery => "url-query",
            Self::UrlFragment => "url-fragment",
            Self::UrlUserinfo => "url-userinfo",
            Self::UrlPath => "url-path",
            Self::FormField => "form-field",
            Self::JsonField => "json-field",
            Self::KeyValue => "key-value",
            Self::Bare => "bare",
        }
    }

    /// Part of a URL, where servers, proxies and browsers write it down.
    pub const fn in_url(self) -> bool {
        matches!(self, Self::UrlQuery | Self::UrlFragment | Self::UrlUserinfo | Self::UrlPath)
    }
}

/// What stands before a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// The carrier.
    pub carrier: Carrier,
    /// The authentication scheme, lower case (`bearer`, `dpop`, `token` …).
    pub scheme: Option<&'static str>,
    /// The name of the header, field or variable, lower case, without `-` and `_`.
    pub name: Option<String>,
}

/// Authentication schemes that are followed by a token.
const SCHEMES: &[&str] = &["bearer", "dpop", "token", "ssws", "splunk", "apikey", "basic"];

/// How far back a name is looked for.
const REACH: usize = 256;
/// How far back the beginning of a URL or a header line is looked for.
const FAR: usize = 2048;

/// What stands before the token at `start`; `after` is the byte that follows it.
pub fn before(bytes: &[u8], start: usize, after: Option<u8>) -> Before {
    let floor = start.saturating_sub(REACH);
    let mut back = Backwards { bytes, at: start, floor };
    back.skip();
    let scheme = back.scheme();
    if scheme.is_some() {
        back.skip();
    }
    back.list_parent();
    let separator = back.separator();
    let mut name = separator.and_then(|_| back.name());
    // setBearerAuth("…")
    if separator.is_none() && bytes.get(back.at) == Some(&b'(') {
        name = back.name().filter(|name| AUTHORIZATION.contains(&name.as_str()));
    }
    // {"name": "Authorization", "value": "Bearer …"}
    if name.as_deref().is_some_and(pair::holds_a_value)
        && let Some((start, end)) = pair::name_of(bytes, back.at)
    {
        name = Some(normalise(&bytes[start..end]));
        back.at = start;
    }
    let carrier = classify(&back, name.as_deref(), separator, scheme, after);
    Before { carrier, scheme, name }
}

/// What a name says that is not written right before its value, but in a member beside it.
pub(super) fn of_name(name: &[u8], in_json: bool) -> Carrier {
    let normalised = normalise(name);
    match normalised.as_str() {
        "cookie" | "setcookie" => Carrier::Cookie,
        name if AUTHORIZATION.contains(&name) => Carrier::AuthorizationHeader,
        "dpop" => Carrier::DpopHeader,
        other if is_vendor_header(other, name.contains(&b'-') && !name.starts_with(b"--")) => Carrier::VendorHeader,
        _ if in_json => Carrier::JsonField,
        _ => Carrier::KeyValue,
    }
}

/// Names of headers, parameters and calls that take the value of an `Authorization` header.
const AUTHORIZATION: &[&str] = &[
    "authorization",
    "proxyauthorization",
    "xforwardedauthorization",
    "bearer",
    "bearerauth",
    "setbearerauth",
    "oauth2bearer",
    "withtoken",
];

fn is_vendor_header(name: &str, hyphen: bool) -> bool {
    hyphen
        && (name.starts_with('x')
            || matches!(name, "privatetoken" | "jobtoken" | "ddapikey" | "deploytoken" | "apikey"))
}

fn classify(
    back: &Backwards<'_>,
    name: Option<&str>,
    separator: Option<Separator>,
    scheme: Option<&str>,
    after: Option<u8>,
) -> Carrier {
    match (name, scheme) {
        (Some(name), _) if AUTHORIZATION.contains(&name) => return Carrier::AuthorizationHeader,
        (Some("dpop"), None) => return Carrier::DpopHeader,
        (_, Some("bearer" | "dpop" | "ssws" | "splunk")) => return Carrier::AuthorizationHeader,
        _ => {}
    }
    let before_name = back.bytes[..back.at].last().copied();
    let far = &back.bytes[back.at.saturating_sub(FAR)..back.at];
    let line = far.iter().rposition(|b| *b == b'\n').map_or(far, |at| &far[at + 1..]);
    if name.is_some() && separator == Some(Separator::Equals) {
        if matches!(before_name, Some(b'?' | b'#' | b'&')) || far.ends_with(b"&amp;") || far.ends_with(b"%26") {
            return url_part(line);
        }
        if matches!(before_name, Some(b' ' | b';' | b'\t')) && in_cookie(line) {
            return Carrier::Cookie;
        }
    }
    if name.is_none() {
        // https://user:TOKEN@host, https://TOKEN@host
        if after == Some(b'@') && memchr::memmem::rfind(line, b"://").is_some_and(|at| line.len() - at <= 64) {
            return Carrier::UrlUserinfo;
        }
        return Carrier::Bare;
    }
    if after == Some(b'@') && memchr::memmem::rfind(line, b"://").is_some_and(|at| line.len() - at <= 64) {
        return Carrier::UrlUserinfo;
    }
    let name = name.unwrap_or_default();
    if in_cookie(line) && separator == Some(Separator::Equals) || name == "cookie" || name == "setcookie" {
        return Carrier::Cookie;
    }
    let quoted = matches!(before_name, Some(b'"' | b'\''));
    // headers["X-Auth-Token"] = "…"
    let header = quoted || separator != Some(Separator::Equals);
    if header && is_vendor_header(name, back.wrote_hyphen(name.len())) {
        return Carrier::VendorHeader;
    }
    if separator == Some(Separator::Colon) && quoted {
        return Carrier::JsonField;
    }
    Carrier::KeyValue
}

/// In a URL after `?`, in one after `#`, or in a form body.
fn url_part(line: &[u8]) -> Carrier {
    let stop = |b: &u8| b.is_ascii_whitespace() || matches!(*b, b'"' | b'\'' | b'<' | b'>' | b'`' | b'|' | b'(');
    let start = line.iter().rposition(stop).map_or(0, |at| at + 1);
    let part = &line[start..];
    match (part.contains(&b'#'), part.contains(&b'?')) {
        (true, _) => Carrier::UrlFragment,
        (false, true) => Carrier::UrlQuery,
        (false, false) => Carrier::FormField,
    }
}

fn in_cookie(line: &[u8]) -> bool {
    memchr::memmem::rfind(line, b"ookie").is_some_and(|at| {
        let rest = &line[at + 5..];
        matches!(rest.iter().find(|b| !matches!(**b, b's' | b'"' | b'\'' | b'\\' | b' ')), Some(b':' | b'=' | b','))
    })
}

struct Backwards<'a> {
    bytes: &'a [u8],
    at: usize,
    floor: usize,
}

impl Backwards<'_> {
    fn last(&self) -> Option<u8> {
        (self.at > self.floor).then(|| self.bytes[self.at - 1])
    }

    fn ends_with(&self, text: &[u8]) -> bool {
        let part = &self.bytes[self.floor..self.at];
        part.len() >= text.len() && part[part.len() - text.len()..].eq_ignore_ascii_case(text)
    }

    /// The mark that ends here.
    fn mark(&self) -> Option<(Mark, usize)> {
        between::last(&self.bytes[self.floor..self.at])
    }

    /// Quotes, blanks and opening brackets. A line break in JSON text may stand between; a real one only where the line
    /// before shows that the value is still to come.
    fn skip(&mut self) {
        let mut quoted = false;
        for _ in 0..24 {
            match self.mark() {
                Some((mark @ (Mark::Quote | Mark::Open), length)) => {
                    quoted |= mark == Mark::Quote;
                    self.at -= length;
                }
                Some((Mark::Blank, length)) => {
                    self.at -= length;
                    while matches!(self.last(), Some(b' ' | b'\t')) {
                        self.at -= 1;
                    }
                }
                Some((Mark::Break, length)) => {
                    let above = self.bytes[self.floor..self.at - length].trim_ascii_end();
                    let goes_on = matches!(above.last(), Some(b'[' | b'(' | b',' | b':' | b'=' | b'+' | b'"' | b'\''));
                    if self.ends_with(b"\\n") {
                        self.at -= length;
                    } else if quoted && goes_on {
                        self.at = self.floor + above.len();
                    } else {
                        return;
                    }
                }
                _ => return,
            }
        }
    }

    /// From an item of a YAML list to the end of the line that names the list.
    fn list_parent(&mut self) {
        if self.last() != Some(b'-') {
            return;
        }
        let floor = self.at.saturating_sub(FAR);
        let lines = &self.bytes[floor..self.at - 1];
        let Some(start) = memchr::memrchr(b'\n', lines).map(|at| at + 1) else { return };
        let indent = lines.len() - start;
        if !lines[start..].iter().all(|b| *b == b' ') {
            return;
        }
        let mut end = start - 1;
        for _ in 0..8 {
            let line = memchr::memrchr(b'\n', &lines[..end]).map_or(0, |at| at + 1);
            let blank = lines[line..end].iter().take_while(|b| **b == b' ').count();
            let text = lines[line + blank..end].trim_ascii_end();
            if blank > indent || (blank == indent && text.starts_with(b"-")) {
                let Some(next) = line.checked_sub(1) else { return };
                end = next;
                continue;
            }
            if text.ends_with(b":") {
                self.at = floor + line + blank + text.len();
                self.floor = floor + line;
            }
            return;
        }
    }

    fn scheme(&mut self) -> Option<&'static str> {
        // `Bearer+TOKEN` in a form
        let from = self.at;
        if self.last() == Some(b'+') {
            self.at -= 1;
        }
        for scheme in SCHEMES {
            if self.ends_with(scheme.as_bytes()) {
                let start = self.at - scheme.len();
                let before = (start > self.floor).then(|| self.bytes[start - 1]);
                // "token" is also a name: as a scheme it is followed by a blank and preceded by none of a name.
                let blank = self.bytes[self.at..].first().is_some_and(|b| matches!(b, b' ' | b'\t' | b'+' | b'%'));
                if !before.is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
                    && (blank || *scheme == "bearer" || *scheme == "dpop")
                {
                    self.at = start;
                    return Some(scheme);
                }
            }
        }
        self.at = from;
        None
    }

    /// What parts a name from its value.
    fn separator(&mut self) -> Option<Separator> {
        let (Mark::Separator(found), length) = self.mark()? else { return None };
        self.at -= length;
        // Of `"name" : ` the quote stays for the classification unless it is escaped.
        while matches!(self.last(), Some(b' ' | b'\t' | b']' | b')')) {
            self.at -= 1;
        }
        Some(found)
    }

    /// An identifier, lower case, without `-` and `_`; quotes around it are stepped over.
    fn name(&mut self) -> Option<String> {
        for _ in 0..6 {
            let Some((Mark::Quote | Mark::Blank, length)) = self.mark() else { break };
            self.at -= length;
        }
        let end = self.at;
        while self.last().is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'$')) {
            self.at -= 1;
        }
        let full = &self.bytes[self.at..end];
        // An escape's leftover is no part of the name: \ntoken=, %26token=
        let leftover = match (self.last(), full.first()) {
            (Some(b'\\'), Some(b'n' | b't' | b'r')) => 1,
            (Some(b'%'), Some(_)) if full.len() > 2 && full[..2].iter().all(u8::is_ascii_hexdigit) => 2,
            _ => 0,
        };
        let own = &full[leftover.min(full.len())..];
        let own = own.iter().rposition(|b| *b == b'.').map_or(own, |at| &own[at + 1..]);
        (!own.is_empty() && own.len() <= 64).then(|| normalise(own))
    }

    /// Whether the name that begins here is written with a hyphen inside.
    fn wrote_hyphen(&self, normalised: usize) -> bool {
        let name = &self.bytes[self.at..];
        !name.starts_with(b"--") && name.iter().take(normalised + 8).any(|b| *b == b'-')
    }
}

/// A name for comparison: lower case, without `-` and `_`.
pub fn normalise(name: &[u8]) -> String {
    let bare: Vec<u8> = bare(name).collect();
    // Of what is no UTF-8 every byte is taken for a character.
    String::from_utf8(bare).unwrap_or_else(|error| error.as_bytes().iter().map(|b| char::from(*b)).collect())
}

/// In lower case, without hyphens and underscores.
fn bare(name: &[u8]) -> impl Iterator<Item = u8> {
    name.iter().filter(|b| !matches!(**b, b'-' | b'_')).map(u8::to_ascii_lowercase)
}

/// The same without a memory of its own, for a name that `room` is long enough for; nothing of what is no ASCII.
pub(super) fn normalise_into<'r>(name: &[u8], room: &'r mut [u8]) -> &'r str {
    let mut length = 0;
    for (place, byte) in room.iter_mut().zip(bare(name)) {
        *place = byte;
        length += 1;
    }
    std::str::from_utf8(&room[..length]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carriers_by_example() {
        use Carrier::*;
        for (line, expected, name) in [
            ("Authorization: Bearer @", AuthorizationHeader, Some("authorization")),
            ("authorization=[Bearer @]", AuthorizationHeader, Some("authorization")),
            ("{\"Authorization\": \"Bearer @\"}", AuthorizationHeader, Some("authorization")),
            ("{\\\"Authorization\\\":\\\"Bearer @\\\"}", AuthorizationHeader, Some("authorization")),
            ("{\"Authorization\": [\"Bearer @\"]}", AuthorizationHeader, Some("authorization")),
            ("{\"name\":\"Authorization\",\"value\":\"Bearer @\"}", AuthorizationHeader, Some("authorization")),
            ("curl -H 'Authorization: token @'", AuthorizationHeader, Some("authorization")),
            ("headers.set(\"Authorization\", \"Bearer @\")", AuthorizationHeader, Some("authorization")),
            ("got Bearer @ from", AuthorizationHeader, None),
            ("DPoP: @", DpopHeader, Some("dpop")),
            ("X-Vault-Token: @", VendorHeader, Some("xvaulttoken")),
            ("PRIVATE-TOKEN: @", VendorHeader, Some("privatetoken")),
            ("Cookie: a=b; session=@; c=d", Cookie, Some("session")),
            ("Set-Cookie: id_token=@; Path=/", Cookie, Some("idtoken")),
            ("GET /x?a=b&access_token=@ HTTP/1.1", UrlQuery, Some("accesstoken")),
            ("GET /cb?token=@&x=y", UrlQuery, Some("token")),
            ("https://h/cb#id_token=@&s=1", UrlFragment, Some("idtoken")),
            ("grant_type=x&refresh_token=@", FormField, Some("refreshtoken")),
            ("https://oauth2:@@host/x.git", UrlUserinfo, Some("oauth2")),
            ("https://@@host/x.git", UrlUserinfo, None),
            ("{\"access_token\": \"@\"}", JsonField, Some("accesstoken")),
            ("access_token: @", KeyValue, Some("accesstoken")),
            ("export TOKEN=@", KeyValue, Some("token")),
            ("const token = '@';", KeyValue, Some("token")),
            ("@", Bare, None),
            ("see @ there", Bare, None),
        ] {
            let start = line.find('@').expect("a place");
            let after = line.as_bytes().get(start + 1).copied();
            let found = before(line.as_bytes(), start, after);
            assert_eq!((found.carrier, found.name.as_deref()), (expected, name), "{line}");
        }
    }
}
