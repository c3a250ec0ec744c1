//! Whether a way leads to somebody else: there a client's token has no business, and taking it away is a virtue.

use super::hop::Hop;

/// Endings of names that only resolve within a network; `int` belongs to organisations of states, and is used like one.
const PRIVATE: &[&str] =
    &["local", "internal", "int", "lan", "svc", "home", "corp", "intranet", "private", "localdomain", "arpa"];
/// Second labels that belong to a country's ending: `co.uk`.
const SECOND: &[&str] = &["co", "com", "net", "org", "gov", "ac", "edu"];

/// Whether the upstream has a public name, and one of another domain than the hosts that clients call, as far as those
/// are known.
pub(super) fn leads_abroad(hop: &Hop) -> bool {
    let mut hosts = hop.upstream.names.iter().filter_map(|name| public(name)).peekable();
    // A service of a cluster is known by short names, too, which look like anybody's: `orders.shop`.
    !hop.upstream.names.iter().any(|name| is_within(host(name)))
        && hosts.peek().is_some()
        && hosts.all(|host| {
            let own = domain(host);
            !hop.listener.hosts.iter().any(|called| domain(called.trim_start_matches("*.")) == own)
        })
}

/// The host in a name by which an upstream is known.
fn host(name: &str) -> &str {
    let rest = name.split_once("://").map_or(name, |(_, rest)| rest);
    let host = rest.find(['/', '?']).map_or(rest, |end| &rest[..end]);
    host.rsplit_once(':').map_or(host, |(host, _)| host).trim_end_matches('.')
}

/// Whether a host's name only resolves within a network.
fn is_within(host: &str) -> bool {
    host.split('.').any(|label| PRIVATE.contains(&label)) || host.ends_with("cluster.local")
}

/// The host in a name by which an upstream is known, if anybody anywhere could resolve it.
fn public(name: &str) -> Option<&str> {
    let host = host(name);
    let labels = || host.split('.');
    let spelt = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let ending = labels().next_back()?;
    let named = ending.len() >= 2 && ending.bytes().all(|b| b.is_ascii_alphabetic());
    (labels().count() >= 2 && named && !is_within(host) && labels().all(spelt)).then_some(host)
}

/// The part of a host's name that somebody has registered.
fn domain(host: &str) -> &str {
    let mut dots = host.rmatch_indices('.').map(|(at, _)| at);
    let (Some(last), Some(second)) = (dots.next(), dots.next()) else { return host };
    let country = host.len() - last == 3 && SECOND.contains(&&host[second + 1..last]);
    let start = if country { dots.next() } else { Some(second) };
    start.map_or(host, |at| &host[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_anybody_could_resolve() {
        for (name, host) in [
            ("https://api.example.com/v3", Some("api.example.com")),
            ("api.example.com:443", Some("api.example.com")),
            ("orders:8080", None),
            ("orders.shop.svc.cluster.local:8080", None),
            ("orders.shop.svc", None),
            ("10.0.0.7:8080", None),
            ("[2001:db8::1]:8080", None),
            ("unix:/run/app.sock", None),
            ("app.internal", None),
            ("$backend", None),
        ] {
            assert_eq!(public(name), host, "{name}");
        }
    }

    #[test]
    fn hosts_that_resolve_within_a_network() {
        for (name, within) in [
            ("orders.shop:8080", false),
            ("orders.shop.svc:8080", true),
            ("https://app.internal/v1", true),
            ("api.example.com", false),
        ] {
            assert_eq!(is_within(host(name)), within, "{name}");
        }
    }

    #[test]
    fn domains_as_they_are_registered() {
        for (host, own) in [
            ("api.eu.example.com", "example.com"),
            ("example.com", "example.com"),
            ("a.b.example.co.uk", "example.co.uk"),
            ("example.co.uk", "example.co.uk"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(domain(host), own, "{host}");
        }
    }
}
