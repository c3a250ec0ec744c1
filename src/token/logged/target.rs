//! Whether a DPoP proof was made for the request that it is logged with: `htm` and `htu` against the request line beside
//! it (RFC 9449, section 4.3, items 8 and 9).
//!
//! Gateways put a prefix before a path or take it off, and hosts behind them have names of their own. So only the method
//! and the end of the path are compared, and a record that holds several request lines is at fault only if none fits.

use super::{Record, fields};

/// Methods that a request may have (RFC 9110, section 9; RFC 5789).
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "QUERY"];
/// How many lines of a request are looked at above a proof.
const MAX_LINES: usize = 64;

/// A request line: the method and the target as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Line<'a> {
    method: Option<&'a [u8]>,
    target: Option<&'a [u8]>,
}

/// Whether the proof at `start..end`, with these claims, stands beside the line of another request.
pub(in crate::token) fn is_another(bytes: &[u8], start: usize, end: usize, htm: &str, htu: &str) -> bool {
    let Some(record) = Record::around(bytes, start, end, true) else { return false };
    let mut lines = Vec::new();
    written(record.before, &mut lines);
    written(record.after, &mut lines);
    named(&record, &mut lines);
    if lines.is_empty() {
        above(bytes, start, &mut lines);
    }
    lines.retain(|line| line.method.is_some());
    !lines.is_empty() && !lines.iter().any(|line| fits(line, htm, htu)) && !is_asked_about(bytes, start, end)
}

/// Whether a gateway asks somebody else about a request, whose own line then is in a header (`X-Original-URI`).
fn is_asked_about(bytes: &[u8], start: usize, end: usize) -> bool {
    let near = &bytes[start.saturating_sub(super::REACH)..bytes.len().min(end + super::AHEAD)];
    let names =
        [&b"x-original-"[..], b"x-forwarded-uri", b"x-forwarded-method", b"x-rewrite-url", b"x-envoy-original-"];
    memchr::memchr2_iter(b'x', b'X', near)
        .any(|at| names.iter().any(|name| near[at..].get(..name.len()).is_some_and(|t| t.eq_ignore_ascii_case(name))))
}

fn fits(line: &Line<'_>, htm: &str, htu: &str) -> bool {
    // Who can GET can HEAD, and programs that answer both log either.
    let plain = |method: &[u8]| method == b"GET" || method == b"HEAD";
    let same = |method: &[u8]| method == htm.as_bytes() || (plain(method) && plain(htm.as_bytes()));
    line.method.is_none_or(same) && line.target.is_none_or(|target| same_path(target, htu))
}

/// `GET /orders HTTP/1.1` in a text.
fn written<'a>(text: &'a [u8], lines: &mut Vec<Line<'a>>) {
    for at in memchr::memmem::find_iter(text, b" HTTP/") {
        let head = &text[..at];
        let Some(space) = memchr::memrchr(b' ', head) else { continue };
        let target = &head[space + 1..];
        let method = last_word(&head[..space]);
        if is_method(method) && is_target(target) {
            lines.push(Line { method: Some(method), target: Some(target) });
        }
    }
}

/// `method=GET path=/orders`
fn named<'a>(record: &Record<'a>, lines: &mut Vec<Line<'a>>) {
    let (mut methods, mut targets) = (Vec::new(), Vec::new());
    for field in record.own().into_iter().flat_map(fields).filter(|field| !field.prose) {
        match field.name() {
            "method" | "httpmethod" | "requestmethod" | "reqmethod" | "httprequestmethod" | "verb" => {
                let value = field.value();
                if is_method(value) {
                    methods.push(value);
                }
            }
            "path" | "uri" | "url" | "requesturi" | "requesturl" | "requestpath" | "httppath" | "httpurl"
            | "httptarget" | "urlpath" | "target" => {
                let value = field.value();
                // `/orders/{id}` is cut where the brace begins.
                let cut = value.len() == field.length_of_rest() && value.ends_with(b"/");
                if is_target(value) && !cut {
                    targets.push(value);
                }
            }
            _ => {}
        }
    }
    // A path alone may be that of a file.
    for method in methods.into_iter().take(4) {
        match targets.is_empty() {
            true => lines.push(Line { method: Some(method), target: None }),
            false => lines.extend(targets.iter().take(4).map(|t| Line { method: Some(method), target: Some(t) })),
        }
    }
}

/// The request line above headers, in a message as it went over the line or a command.
fn above<'a>(bytes: &'a [u8], start: usize, lines: &mut Vec<Line<'a>>) {
    let floor = start.saturating_sub(crate::token::request::REACH);
    let text = &bytes[floor..start];
    let mut rest = &text[..memchr::memrchr(b'\n', text).map_or(0, |at| at + 1)];
    for _ in 0..MAX_LINES {
        let Some(before) = rest.strip_suffix(b"\n") else { return };
        let from = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        // What begins before the bytes at hand is not seen whole.
        if from == 0 && floor > 0 {
            return;
        }
        let line = before[from..].trim_ascii();
        rest = &before[..from];
        let found = lines.len();
        written(line, lines);
        if lines.len() == found {
            bare(line, lines);
        }
        if lines.len() > found || !is_header(line) {
            return;
        }
    }
}

/// `GET https://api.example.com/orders` in a file of requests.
fn bare<'a>(line: &'a [u8], lines: &mut Vec<Line<'a>>) {
    let mut words = line.split(|b| *b == b' ').filter(|word| !word.is_empty());
    if let (Some(method), Some(target), None) = (words.next(), words.next(), words.next())
        && is_method(method)
        && is_target(target)
    {
        lines.push(Line { method: Some(method), target: Some(target) });
    }
}

/// `Name: value`, with the mark of a dump before it or not.
fn is_header(line: &[u8]) -> bool {
    let line = line.strip_prefix(b">").unwrap_or(line).trim_ascii_start();
    let name = line.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')).count();
    name > 0 && line.get(name) == Some(&b':')
}

fn last_word(text: &[u8]) -> &[u8] {
    let start = text.iter().rposition(|b| !b.is_ascii_alphabetic()).map_or(0, |at| at + 1);
    &text[start..]
}

fn is_method(word: &[u8]) -> bool {
    METHODS.iter().any(|method| method.as_bytes() == word)
}

fn is_target(text: &[u8]) -> bool {
    text.starts_with(b"/") || text.starts_with(b"http://") || text.starts_with(b"https://")
}

/// The path of a target, cut off where a query begins.
fn path(target: &[u8]) -> &[u8] {
    let target = match memchr::memmem::find(target, b"://") {
        Some(at) => {
            let rest = &target[at + 3..];
            memchr::memchr(b'/', rest).map_or(&b""[..], |slash| &rest[slash..])
        }
        None => target,
    };
    &target[..target.iter().position(|b| matches!(b, b'?' | b'#')).unwrap_or(target.len())]
}

/// Whether the logged target can be what `htu` names: one path is the end of the other.
fn same_path(target: &[u8], htu: &str) -> bool {
    let target = path(target);
    // A pattern, something masked or cut off, or the method of a remote procedure.
    let unclear = |b: &u8| matches!(b, b'{' | b'}' | b'*' | b'<' | b'>' | b':' | b'[' | b'$' | b'\\') || !b.is_ascii();
    let segments = |path: &[u8]| -> Vec<Vec<u8>> {
        path.split(|b| *b == b'/').filter(|part| !part.is_empty()).map(unescape).collect()
    };
    let (logged, meant) = (segments(target), segments(path(htu.as_bytes())));
    let procedure =
        logged.len() == 2 && logged[0].contains(&b'.') && logged[1].first().is_some_and(u8::is_ascii_uppercase);
    if target.iter().any(unclear) || target.ends_with(b"..") || procedure {
        return true;
    }
    let (short, long) = if logged.len() < meant.len() { (&logged, &meant) } else { (&meant, &logged) };
    long.ends_with(short)
}

/// A segment with its percent escapes undone.
fn unescape(segment: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(segment.len());
    let mut at = 0;
    while at < segment.len() {
        let digit = |offset: usize| segment.get(at + offset).and_then(|b| char::from(*b).to_digit(16));
        match (segment[at], digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) => {
                text.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                text.push(byte);
                at += 1;
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn other(text: &str) -> bool {
        let at = text.find('@').expect("a place");
        is_another(text.as_bytes(), at, at + 1, "GET", "https://api.example.com/orders/7")
    }

    #[test]
    fn requests_that_fit() {
        for text in [
            "GET /orders/7 HTTP/1.1\nHost: a\nDPoP: @\n",
            "GET /api/v1/orders/7?x=1 HTTP/1.1\r\nHost: a\r\nDPoP: @\r\n",
            "> GET /orders/7 HTTP/2\n> dpop: @\n",
            "GET https://api.example.com/orders/7\nDPoP: @\n",
            "12 \"GET /orders/7 HTTP/1.1\" 200 dpop=@",
            "dpop=@ method=GET path=/orders/7",
            "method=GET path=/orders/{id} dpop=@",
            "method=GET url=https://10.0.0.3:8080/7/ dpop=@",
            "method=GET path=/%6frders/%37 dpop=@",
            "method=POST path=/login upstream \"GET /orders/7 HTTP/1.1\" dpop=@",
            "[{\"method\":\"POST\",\"dpop\":\"x\"},{\"method\":\"GET\",\"dpop\":\"@\"}]",
            "POST /token HTTP/1.1\nDPoP: x\n\nDPoP: @\n",
            "method=handle path=/var/log/x dpop=@",
            "path=/etc/passwd dpop=@",
            "method=GET dpop=@",
            "method=HEAD path=/orders/7 dpop=@",
            "POST /_check HTTP/1.1\nX-Original-URI: /orders/7\nDPoP: @\n",
            "GET /_check HTTP/1.1\nDPoP: @\nx-forwarded-uri: /orders/7\n",
            "dpop=@",
        ] {
            assert!(!other(text), "{text}");
        }
    }

    #[test]
    fn requests_that_do_not() {
        for text in [
            "POST /orders/7 HTTP/1.1\nHost: a\nDPoP: @\n",
            "GET /admin/users HTTP/1.1\nHost: a\nDPoP: @\n",
            "> DELETE /orders/7 HTTP/2\n> dpop: @\n",
            "DELETE https://api.example.com/orders/7\nDPoP: @\n",
            "12 \"GET /orders/8 HTTP/1.1\" 200 dpop=@",
            "dpop=@ method=POST path=/orders/7",
            "method=POST dpop=@",
            "{\"method\":\"DELETE\",\"headers\":{\"dpop\":\"@\"}}",
            "[{\"method\":\"GET\",\"dpop\":\"x\"},{\"method\":\"PUT\",\"dpop\":\"@\"}]",
        ] {
            assert!(other(text), "{text}");
        }
    }
}
