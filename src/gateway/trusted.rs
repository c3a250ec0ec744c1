//! Names of headers that upstreams are known to take for the gateway's word.

use super::hop::{Hop, Protocol, Value};

/// Well-known names under which somebody takes what clients send for the gateway's word, though the gateway asks for
/// certificates itself.
pub(super) fn trusted(hops: &[Hop]) -> Vec<String> {
    let mut trusted: Vec<String> = hops
        .iter()
        .filter(|hop| hop.listener.auth.asks() && hop.upstream.protocol != Protocol::Stream)
        .flat_map(Hop::requests)
        .flat_map(|(_, request)| &request.headers)
        .filter(|(name, slot)| {
            let copied = |value: &Value| matches!(value, Value::Client | Value::ClientHeader(_));
            is_carrier(name) && slot.values.iter().any(copied)
        })
        .map(|(name, _)| name.clone())
        .collect();
    trusted.sort();
    trusted.dedup();
    trusted
}

/// Whether gateways pass on what they know of a certificate under such a name (lower case).
pub(super) fn is_carrier(header: &str) -> bool {
    let says = |word: &str| header.split(['-', '_']).any(|part| part == word);
    let certificate = says("cert") || says("certificate") || header.contains("clientcert");
    let of_client = ["client", "ssl", "tls", "mtls", "forwarded", "peer"].into_iter().any(says);
    let of_certificate =
        ["dn", "verify", "verified", "fingerprint", "subject", "serial", "thumbprint"].into_iter().any(says);
    header.contains("clientcert") || (certificate || of_certificate) && of_client
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carriers_are_known_by_their_names() {
        for name in
            ["client-cert", "x-ssl-cert", "x-amzn-mtls-clientcert", "x-forwarded-client-cert", "x-ssl-client-s-dn"]
        {
            assert!(is_carrier(name), "{name}");
        }
        for name in ["x-client-ip", "x-forwarded-for", "x-request-id", "x-certainty", "x-subject", "ssl-offloaded"] {
            assert!(!is_carrier(name), "{name}");
        }
    }
}
