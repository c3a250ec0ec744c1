//! Who sent a request, as far as its record tells: the address that the connection came from and what the client calls
//! itself. Only hashes of both are kept.
//!
//! A private address is that of a proxy or of another service, and where a record names an address that was forwarded,
//! the connection came from a proxy, too, while what was forwarded can be made up by whoever sends it (RFC 7239,
//! section 8.1). In both cases nobody can say who the client was.

// Addresses as such: `core` has nothing that could open a connection.
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::hash::BuildHasher;

use super::{Field, Record, fields};

/// Who sent a request; 0 is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::token) struct Client {
    /// Hash of the address, odd for IPv6; of that, of the network, within which machines change their addresses.
    pub(in crate::token) address: u32,
    /// Hash of what it calls itself, versions left out.
    pub(in crate::token) agent: u32,
}

/// How sure it is that a name means the client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sure {
    /// `from 192.0.2.1`, `ip=`
    Prose,
    /// The first word of the line, `remote_addr=`
    Peer,
    /// `client_ip=`
    Client,
}

/// The client of a record, and whether the record tells how the request was answered.
pub(super) fn of(record: &Record<'_>, own: &[&[u8]]) -> (Client, bool) {
    let mut found: Option<(Sure, Option<IpAddr>)> = None;
    let mut offer = |sure: Sure, address: IpAddr| {
        found = match found {
            Some((known, _)) if known > sure => found,
            // Two of the same name: no telling which.
            Some((known, before)) if known == sure => Some((sure, before.filter(|before| *before == address))),
            _ => Some((sure, Some(address))),
        };
    };
    let (mut agent, mut forwarded, mut answered) = (0, false, false);
    let access_line = leading(record.before);
    if let Some(address) = access_line {
        offer(Sure::Peer, address);
    }
    for field in own.iter().flat_map(|part| fields(part)) {
        match field.name() {
            name if is_forwarded(name) => forwarded |= !is_empty(&field),
            "useragent" | "httpuseragent" | "requestuseragent" if agent == 0 => agent = agent_of(field.value()),
            "status" | "statuscode" | "httpstatus" | "responsestatus" | "responsecode" | "httpstatuscode" => {
                answered |= is_status(field.value());
            }
            name => {
                if let Some(sure) = sure(name, field.prose)
                    && let Some(address) = address(field.rest)
                {
                    offer(sure, address);
                }
            }
        }
    }
    if access_line.is_some() {
        answered |= has_status(record.before) || has_status(record.after);
        forwarded |= quoted(record.after).any(|text| address(text).is_some());
        if agent == 0 {
            agent = combined_agent(record).map_or(0, agent_of);
        }
    }
    let address = found.filter(|_| !forwarded).and_then(|(_, address)| address).map_or(0, source);
    (Client { address, agent }, answered)
}

fn sure(name: &str, prose: bool) -> Option<Sure> {
    const CLIENT: &[&str] =
        &["clientip", "clientaddr", "clientaddress", "client", "cip", "callerip", "calleripaddress", "userip"];
    const PEER: &[&str] = &[
        "remoteaddr",
        "remoteaddress",
        "remoteip",
        "remotehost",
        "remote",
        "peer",
        "peeraddr",
        "peeraddress",
        "peerip",
        "sourceip",
        "sourceipaddress",
        "sourceaddress",
        "srcip",
        "src",
    ];
    match name {
        "from" | "for" | "client" | "peer" | "remote" if prose => Some(Sure::Prose),
        _ if prose => None,
        _ if CLIENT.contains(&name) || name.ends_with("clientip") => Some(Sure::Client),
        _ if PEER.contains(&name) => Some(Sure::Peer),
        "ip" | "ipaddress" | "ipaddr" | "from" => Some(Sure::Prose),
        _ => None,
    }
}

/// Headers by which proxies hand on the address they saw.
fn is_forwarded(name: &str) -> bool {
    name.contains("forwarded") || name == "xff" || name.ends_with("realip") || name.ends_with("connectingip")
}

fn is_empty(field: &Field<'_>) -> bool {
    let value = field.value();
    value.is_empty() || matches!(value, b"-" | b"null" | b"none" | b"None" | b"nil") || field.prose
}

fn is_status(value: &[u8]) -> bool {
    value.len() == 3
        && value[0].is_ascii_digit()
        && (b'1'..=b'5').contains(&value[0])
        && value[1..].iter().all(u8::is_ascii_digit)
}

/// `" 200 `
fn has_status(part: &[u8]) -> bool {
    status_at(part).is_some()
}

fn status_at(part: &[u8]) -> Option<usize> {
    memchr::memmem::find_iter(part, b"\" ")
        .find(|at| part.get(at + 5) == Some(&b' ') && is_status(&part[at + 2..at + 5]))
}

/// What the client calls itself in the combined log format: `"request" status size "referer" "agent"`, whatever follows.
fn combined_agent<'a>(record: &Record<'a>) -> Option<&'a [u8]> {
    // The token stands in the request or in the referer.
    let (rest, skip) = match status_at(record.after) {
        Some(at) => (&record.after[at + 1..], 2),
        None => (record.after, usize::from(has_status(record.before)).checked_sub(1)?),
    };
    let mut parts = rest.split(|b| *b == b'"').skip(skip);
    let between = if skip > 0 { parts.next() } else { parts.nth(1) };
    (between == Some(b" ")).then(|| parts.next()).flatten()
}

/// What stands in quotes behind a token that stands in quotes.
fn quoted(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|b| *b == b'"').skip(2).step_by(2)
}

/// The address that stands where servers and proxies put it in their access logs: as the line's first word, behind the
/// process (HAProxy), behind kind, time and name (load balancers of AWS).
fn leading(line: &[u8]) -> Option<IpAddr> {
    const KINDS: [&[u8]; 6] = [b"http", b"https", b"h2", b"grpcs", b"ws", b"wss"];
    let head = &line[..line.len().min(256)];
    let word = &head[..memchr::memchr(b' ', head)?];
    if KINDS.contains(&word) {
        let place = head.split(|b| *b == b' ').nth(3)?;
        return address(place);
    }
    if let Ok(address) = std::str::from_utf8(word).ok()?.parse() {
        return Some(address);
    }
    let process = memchr::memmem::find(head, b"]: ")?;
    let word = head[process + 3..].split(|b| *b == b' ').next()?;
    let accepted = head[process + 3 + word.len()..].starts_with(b" [");
    address(word).filter(|_| accepted)
}

/// The address that a text begins with; a port may follow.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = text.strip_prefix(b"/").unwrap_or(text);
    let own = |b: &u8| b.is_ascii_hexdigit() || matches!(b, b'.' | b':');
    let bracketed = text.strip_prefix(b"[");
    let text = bracketed.unwrap_or(text);
    let end = text.iter().take(48).position(|b| !own(b)).unwrap_or(text.len().min(48));
    // A longer word is a name or an identifier.
    if text.get(end).is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
        return None;
    }
    let word = std::str::from_utf8(&text[..end]).ok()?.trim_end_matches(['.', ':']);
    if !word.contains(['.', ':']) {
        return None;
    }
    let without_port = || {
        let (host, port) = word.rsplit_once(':')?;
        host.parse::<Ipv4Addr>().ok().filter(|_| port.bytes().all(|b| b.is_ascii_digit())).map(IpAddr::V4)
    };
    word.parse().ok().or_else(without_port)
}

/// A hash of an address that tells one client from another; 0 for those that tell nothing.
fn source(address: IpAddr) -> u32 {
    let hash = |bytes: &[u8]| foldhash::quality::FixedState::default().hash_one(bytes) as u32;
    match address.to_canonical() {
        IpAddr::V4(address) if is_public(address) => (hash(&address.octets()) & !1).max(2),
        IpAddr::V6(address) if is_public_6(address) => hash(&address.octets()[..8]) | 1,
        _ => 0,
    }
}

/// Whether two such hashes are those of two clients. One machine may have addresses of both versions.
pub(super) const fn are_two(one: u32, other: u32) -> bool {
    one != other && one != 0 && other != 0 && one & 1 == other & 1
}

fn is_public(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    let shared = a == 100 && b & 0xc0 == 64; // RFC 6598
    !(a == 0
        || shared
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast())
}

fn is_public_6(address: Ipv6Addr) -> bool {
    !(address.is_unspecified() || address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local())
}

/// A hash of what a client calls itself: versions change while it runs.
fn agent_of(text: &[u8]) -> u32 {
    let letters: Vec<u8> =
        text.iter().filter(|b| b.is_ascii_alphabetic()).map(u8::to_ascii_lowercase).take(256).collect();
    if letters.len() < 3 || matches!(letters.as_slice(), b"null" | b"none" | b"unknown") {
        return 0;
    }
    (foldhash::quality::FixedState::default().hash_one(letters.as_slice()) as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(line: &str) -> (Client, bool) {
        let at = line.find('@').expect("a place");
        let record = Record { before: &line.as_bytes()[..at], after: &line.as_bytes()[at + 1..] };
        of(&record, &record.own())
    }

    #[test]
    fn addresses_of_clients() {
        let expected = source(IpAddr::from([192, 0, 2, 7]));
        assert_ne!(expected, 0);
        for line in [
            "192.0.2.7 - - [21/Nov/2026:11:59:41 +0000] \"GET /o?t=@ HTTP/1.1\" 200 1 \"-\" \"curl/8\" \"-\"",
            "client_ip=192.0.2.7 remote_addr=10.0.0.9 t=@",
            "{\"client\":\"192.0.2.7:4711\",\"t\":\"@\"}",
            "{\"t\":\"@\",\"remoteAddress\":\"::ffff:192.0.2.7\"}",
            "{\"req\":{\"headers\":{\"t\":\"@\"},\"remote_addr\":\"192.0.2.7\"}}",
            "request from 192.0.2.7 with @",
            "Started GET \"/?t=@\" for 192.0.2.7 at 12",
            "@ client: 192.0.2.7, server: a",
            "http.client_ip=192.0.2.7 x_forwarded_for=- @",
            "peer=/192.0.2.7:51234 @",
            "Nov 21 11:59:42 gw haproxy[7]: 192.0.2.7:51234 [21/Nov/2026:11:59:42.001] fe be/s1 \"GET /?t=@ HTTP/1.1\"",
            "h2 2026-11-21T11:59:41.1Z app/lb/50dc 192.0.2.7:2817 10.0.0.66:9000 0 200 \"GET https://a/?t=@ HTTP/2.0\"",
        ] {
            assert_eq!(client(line).0.address, expected, "{line}");
        }
        for line in [
            "10.2.3.4 - - [x] \"GET /?t=@ HTTP/1.1\" 200",
            "remote_addr=192.0.2.7 x-forwarded-for=198.51.100.1 @",
            "192.0.2.7 - - [x] \"GET /?t=@ HTTP/1.1\" 200 1 \"-\" \"curl/8\" \"198.51.100.1, 10.0.0.1\"",
            "remote_addr=192.0.2.7 forwarded=\"for=198.51.100.1\" @",
            "client_ip=192.0.2.7 client_ip=198.51.100.1 @",
            "server_ip=192.0.2.7 @",
            "version from 1.2.3.4-beta @",
            "GET /?client_ip=192.0.2.7 @",
            "[{\"client_ip\":\"192.0.2.7\"},{\"t\":\"@\"}]",
            "client_ip=fe80::1 @",
            "Nov 21 11:59:42 gw app[7]: 192.0.2.7 is the version @",
            "http 2026-11-21T11:59:41.1Z app/lb/50dc 10.0.0.66:9000 192.0.2.7:2817 @",
            "at 12:34:56 from cafe @",
            "@",
        ] {
            assert_eq!(client(line).0.address, 0, "{line}");
        }
        let six = |line: &str| client(line).0.address;
        assert_eq!(six("client_ip=2001:db8::1 @"), six("client_ip=\"[2001:db8::2]:443\" @"));
        assert!(are_two(six("client_ip=2001:db8::1 @"), six("client_ip=2001:db8:0:1::1 @")));
        assert!(!are_two(six("client_ip=2001:db8::1 @"), six("client_ip=192.0.2.7 @")));
    }

    #[test]
    fn agents_without_their_versions() {
        let agent = |line: &str| client(line).0.agent;
        assert_eq!(agent("user_agent=\"curl/8.1\" @"), agent("@ user-agent=curl/8.2"));
        assert_ne!(agent("user_agent=curl @"), agent("user_agent=okhttp/4 @"));
        let combined = "192.0.2.7 - - [x] \"GET /?t=@ HTTP/1.1\" 200 1 \"-\" \"curl/8\"";
        assert_eq!(agent(combined), agent("user_agent=curl @"));
        let referred = "192.0.2.7 - - [x] \"GET / HTTP/1.1\" 200 1 \"https://a.test/?t=@\" \"curl/8\" \"c0ffee\"";
        assert_eq!(agent(referred), agent("user_agent=curl @"));
        assert_eq!(agent(&format!("{combined} \"c0ffee\" a.test")), agent("user_agent=curl @"));
        for none in [
            "192.0.2.7 - - [x] \"GET /?t=@ HTTP/1.1\" 200 1 \"-\" \"-\"",
            "192.0.2.7 - - [x] \"GET /?t=@ HTTP/1.1\" 200 1",
            "192.0.2.7 - - [x] \"GET /?t=@ HTTP/1.1\" 200 1 host=\"a.test\" id=\"c0ffee\"",
            "Nov 21 11:59:42 gw haproxy[7]: 192.0.2.7:51234 [x] fe be/s1 200 1 \"GET /?t=@ HTTP/1.1\"",
            "h2 2026-11-21T11:59:41.1Z app/lb/50dc 192.0.2.7:2817 10.0.0.66:9000 200 \"GET https://a/?t=@ HTTP/2.0\" \"x\"",
        ] {
            assert_eq!(agent(none), 0, "{none}");
        }
    }

    #[test]
    fn answers() {
        for (line, expected) in [
            ("@ status=200", true),
            ("{\"status\":401,\"t\":\"@\"}", true),
            ("192.0.2.7 - - [x] \"GET /?t=@ HTTP/1.1\" 204 0", true),
            ("@ status=pending", false),
            ("@", false),
        ] {
            assert_eq!(client(line).1, expected, "{line}");
        }
    }
}
