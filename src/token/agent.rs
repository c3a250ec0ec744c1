//! What agents and their tool servers are configured with: whether a place belongs to such a configuration, and whether
//! it hands on the token that the user came with.

use super::carrier::normalise;

/// How far behind the key that begins it a configuration of tools is followed, in bytes.
pub(super) const REACH: usize = 16 * 1024;
/// How far around a name a placeholder or a list of headers may begin.
const NEAR: usize = 400;

/// Keys of lists of headers that are handed on, normalised.
const FORWARDED: &[&str] = &[
    "forwardheaders",
    "forwardedheaders",
    "forwardclientheaders",
    "headerstoforward",
    "passthroughheaders",
    "propagateheaders",
    "extraheaders",
    "whitelist",
];

/// Whether a configuration of tools begins at `at`, where `mcp` stands.
pub(super) fn begins(bytes: &[u8], at: usize) -> bool {
    let rest = &bytes[at + 3..];
    let named = [&b"Servers"[..], b"_servers", b"-servers"].iter().any(|tail| rest.starts_with(tail));
    let before = bytes[..at].last();
    let clean = before.is_none_or(|b| matches!(b, b'"' | b'\'' | b'[' | b'\n' | b' ' | b'\t'));
    clean && (named || (rest.starts_with(b"\"") && before == Some(&b'"')))
}

/// Whether `at` lies within the configuration that begins with the key at `key`.
pub(super) fn holds(bytes: &[u8], key: usize, at: usize) -> bool {
    if at < key || at - key > REACH {
        return false;
    }
    let line = memchr::memrchr(b'\n', &bytes[..key]).map_or(0, |n| n + 1);
    let before = bytes[line..key].trim_ascii();
    let between = &bytes[key..at];
    if before.starts_with(b"[") {
        // TOML: until a table of another name.
        let mut lines = between.split(|b| *b == b'\n').skip(1);
        return lines.all(|line| !line.starts_with(b"[") || memchr::memmem::find(line, b"mcp").is_some());
    }
    if before.is_empty() && between.iter().find(|b| matches!(**b, b':' | b'"' | b'{')) == Some(&b':') {
        // YAML: as long as lines stand further in.
        let indent = key - line;
        let mut lines = between.split(|b| *b == b'\n').skip(1);
        return lines.all(|line| {
            let blank = line.iter().take_while(|b| **b == b' ').count();
            blank > indent || blank == line.len() || line[blank..].starts_with(b"#")
        });
    }
    let mut open = 0usize;
    for byte in between {
        match byte {
            b'{' => open += 1,
            b'}' if open <= 1 => return false,
            b'}' => open -= 1,
            _ => {}
        }
    }
    open > 0
}

/// The stretch around the name at `at` that hands on what the user was authenticated with: a placeholder for it, or a
/// header in a list of those that are forwarded.
pub(super) fn passes_on(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    placeholder(bytes, at).or_else(|| forwarded(bytes, at))
}

/// `${req.headers.authorization}`, `{{LIBRECHAT_OPENID_ACCESS_TOKEN}}`
fn placeholder(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let floor = at.saturating_sub(80);
    let before = &bytes[floor..at];
    let open = memchr::memrchr(b'{', before)?;
    let opened = open > 0 && matches!(before[open - 1], b'$' | b'{');
    if !opened || before[open..].iter().any(|b| matches!(b, b'}' | b'"' | b'\'' | b'\n' | b',')) {
        return None;
    }
    let close = bytes[at..].iter().take(80).position(|b| *b == b'}')?;
    let text = String::from_utf8_lossy(&bytes[floor + open + 1..at + close]).to_ascii_lowercase();
    let credential = text.contains("authorization") || text.contains("token");
    let inbound = ["inbound", "incoming", "caller", "passthrough", "librechat_openid_", "client_auth"];
    let of_request = text.contains("header") && (text.contains("req") || text.contains("ctx"));
    let named = inbound.iter().any(|word| text.contains(word)) || of_request;
    let end = at + close + if bytes.get(at + close + 1) == Some(&b'}') { 2 } else { 1 };
    (credential && named).then_some((floor + open - 1, end))
}

/// `"forward_headers": ["Authorization"]`
fn forwarded(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    // The anchor leaves out the first letter.
    let start = at.checked_sub(1)?;
    let end = start + b"authorization".len();
    bytes.get(start..end)?.eq_ignore_ascii_case(b"authorization").then_some(())?;
    let quoted = matches!(bytes[..start].last(), Some(b'"' | b'\''));
    let closed = bytes.get(end).is_none_or(|b| matches!(b, b'"' | b'\'' | b',' | b']' | b'\n' | b'\r' | b' '));
    let floor = start.saturating_sub(NEAR);
    let before = &bytes[floor..start];
    let key_end = if let Some(open) = memchr::memrchr(b'[', before).filter(|open| !before[*open..].contains(&b']')) {
        if !quoted && !before[open..].iter().all(|b| b.is_ascii_alphanumeric() || b" ,-_[".contains(b)) {
            return None;
        }
        open
    } else {
        // A list of YAML: over its items to the line that names it.
        let mut lines = before.rsplit(|b| *b == b'\n');
        lines.next().filter(|line| line.trim_ascii_start().starts_with(b"-"))?;
        let named = lines.find(|line| !line.trim_ascii_start().starts_with(b"-"))?;
        named.as_ptr() as usize - before.as_ptr() as usize + named.len()
    };
    let text = before[..key_end].trim_ascii_end();
    let text = text.strip_suffix(b":").or(text.strip_suffix(b"="))?.trim_ascii_end();
    let text = text.strip_suffix(b"\"").unwrap_or(text);
    let key = text.iter().rev().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')).count();
    let name = normalise(&text[text.len() - key..]);
    (closed && FORWARDED.contains(&name.as_str())).then_some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_tools_are_configured() {
        for (text, expected) in [
            ("{\"mcpServers\": {\"a\": {\"env\": {@", true),
            ("{\"mcpServers\": {\"a\": {}}, \"b\": {@", false),
            ("[mcp_servers.a]\nx = 1\n[mcp_servers.a.env]\nT = @", true),
            ("[mcp_servers.a]\nx = 1\n[other]\nT = @", false),
            ("mcpServers:\n  a:\n    headers:\n      T: @", true),
            ("mcpServers:\n  a:\n    x: y\nother:\n  T: @", false),
        ] {
            let key = text.find("mcp").expect("a key");
            assert!(begins(text.as_bytes(), key), "{text}");
            let at = text.find('@').expect("a place");
            assert_eq!(holds(text.as_bytes(), key, at), expected, "{text}");
        }
        assert!(!begins(b"xmcpServers", 1));
        assert!(!begins(b"see mcp there", 4));
    }

    #[test]
    fn what_hands_tokens_on() {
        for (text, expected) in [
            ("\"Authorization\": \"${req.headers.authorization}\"", Some("${req.headers.authorization}")),
            ("Bearer {{LIBRECHAT_OPENID_ACCESS_TOKEN}}", Some("{{LIBRECHAT_OPENID_ACCESS_TOKEN}}")),
            ("Bearer {{ request.headers['x'].authorization }}", None),
            ("Bearer ${INCOMING_TOKEN}", Some("${INCOMING_TOKEN}")),
            ("Bearer ${ORDERS_TOKEN}", None),
            ("Bearer ${input:token}", None),
            ("Bearer {{USER_TOKEN}}", None),
            ("\"forward_headers\": [\"x-request-id\", \"authorization\"]", Some("authorization")),
            ("forward_headers: [x-request-id, Authorization]", Some("Authorization")),
            ("passthrough_headers:\n  - X-Tenant\n  - Authorization\n", Some("Authorization")),
            ("\"headers\": [\"Authorization\"]", None),
            ("\"extra_headers\": {\"Authorization\": \"x\"}", None),
        ] {
            let lower = text.to_ascii_lowercase();
            let at =
                ["uthorization", "token"].iter().filter_map(|anchor| lower.rfind(anchor)).max().expect("an anchor");
            let found = passes_on(text.as_bytes(), at).map(|(start, end)| &text[start..end]);
            assert_eq!(found, expected, "{text}");
        }
    }
}
