//! Clients in browsers: how they make the key that their DPoP proofs are signed with. A key that scripts can read out is
//! a token more to steal; one that WebCrypto keeps to itself is not.
//!
//! Told by the code itself: `generateKey(…, true, ["sign", …])`, or `generateKeyPair(…, { extractable: true })` of the
//! `jose` library, in a script that speaks of DPoP and of something that only browsers have. What a variable decides is
//! not known.

use super::issued::{Issued, SoftwareKey};
use super::read::has;
use super::{FrontEnd, Rule};
use crate::config::files::Files;
use crate::config::place::Place;

/// Clients in browsers.
#[derive(Debug)]
pub struct Browser;

/// So many bytes of a call are looked at.
const CALL: usize = 2_048;
/// So many calls of a script.
const CALLS: usize = 64;

impl FrontEnd for Browser {
    fn product(&self) -> &'static str {
        "browser-client"
    }

    fn recognises(&self, name: &str, text: &str) -> bool {
        super::is_script(name)
            && has(text, &["generateKey"])
            && ["DPoP", "dpop", "DPOP"].iter().any(|word| has(text, &[word]))
            && ["window.", "localStorage", "sessionStorage", "indexedDB", "document."]
                .iter()
                .any(|word| has(text, &[word]))
    }

    fn reads_scripts(&self) -> bool {
        true
    }

    fn read(&self, files: &Files, own: &[u32]) -> Vec<Issued> {
        let keys = |number: &u32| Issued { keys: keys(&files.get(*number).text, *number), ..Issued::default() };
        own.iter().map(keys).collect()
    }

    fn fix(&self, _: Rule) -> &'static str {
        "Make the key with extractable: false and keep the CryptoKey itself, in memory or in IndexedDB."
    }
}

fn keys(text: &str, file: u32) -> Vec<SoftwareKey> {
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let place = |start: usize, end: usize| Place { file, start: offset(start), end: offset(end) };
    let stored = ["localStorage.setItem(", "sessionStorage.setItem("]
        .iter()
        .filter(|_| has(text, &["exportKey("]) || has(text, &["exportJWK("]))
        .find_map(|call| text.find(call).map(|at| place(at, at + call.len() - 1)));
    let mut all = Vec::new();
    for (at, _) in text.match_indices("generateKey").take(CALLS) {
        let rest = &text[at..];
        let (pair, name) =
            if rest.starts_with("generateKeyPair(") { (true, "generateKeyPair") } else { (false, "generateKey") };
        let Some(arguments) = rest.get(name.len()..).and_then(arguments) else { continue };
        let found = match (pair, arguments.as_slice()) {
            // `jose`: the algorithm may be anything, the key signs all the same.
            (true, [_, options, ..]) => {
                flat(options).trim_matches(['{', '}']).split(',').any(|part| part == "extractable:true")
            }
            (false, [algorithm, extractable, uses, ..]) => {
                // `!0` is what minifiers write.
                matches!(flat(extractable).as_str(), "true" | "!0") && signs(algorithm, uses)
            }
            _ => false,
        };
        if found {
            all.push(SoftwareKey { place: place(at, at + name.len()), call: name, stored });
        }
    }
    all
}

/// Whether the key is for signatures that others can check.
fn signs(algorithm: &str, uses: &str) -> bool {
    const ALGORITHMS: [&str; 4] = ["ECDSA", "RSASSA-PKCS1-v1_5", "RSA-PSS", "Ed25519"];
    ALGORITHMS.iter().any(|name| algorithm.contains(name)) && (uses.contains("\"sign\"") || uses.contains("'sign'"))
}

/// Without comments and blanks.
fn flat(text: &str) -> String {
    let mut rest = text;
    let mut flat = String::new();
    while let Some(next) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n')
        } else if rest.starts_with("/*") {
            rest.find("*/").map(|end| end + 2)
        } else {
            if !next.is_whitespace() {
                flat.push(next);
            }
            Some(next.len_utf8())
        };
        rest = skipped.and_then(|end| rest.get(end..)).unwrap_or_default();
    }
    flat
}

/// The arguments of the call whose bracket `text` begins with; nothing where it does not end.
fn arguments(text: &str) -> Option<Vec<&str>> {
    let bytes = text.as_bytes();
    let (mut depth, mut start, mut quote) = (0usize, 1, None);
    let mut all = Vec::new();
    let mut at = 0;
    while at < bytes.len().min(CALL) {
        let byte = bytes[at];
        let after = bytes.get(at + 1).copied();
        match (quote, byte) {
            (_, b'\\') => at += 1,
            (Some(open), _) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'' | b'`') => quote = Some(byte),
            // What a comment says is no code.
            (None, b'/') if after == Some(b'/') => at += memchr::memchr(b'\n', &bytes[at..])?,
            (None, b'/') if after == Some(b'*') => at += memchr::memmem::find(&bytes[at..], b"*/")? + 1,
            (None, b'(' | b'[' | b'{') => depth += 1,
            (None, b')' | b']' | b'}') => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    all.push(text.get(start..at)?);
                    return Some(all);
                }
            }
            (None, b',') if depth == 1 => {
                all.push(text.get(start..at)?);
                start = at + 1;
            }
            // No call, or one whose type parameters stand between.
            (None, _) if depth == 0 => return None,
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_that_can_be_read_out() {
        for (text, found) in [
            ("generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])", true),
            ("generateKey({ name: \"ECDSA\" }, true, // for (exports)\n [\"sign\"])", true),
            ("generateKey({name:\"RSA-PSS\"},!0,[\"sign\"])", true),
            ("generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, /* extractable */ false, ['sign'])", false),
            ("generateKey({ name: 'AES-GCM', length: 256 }, true, ['encrypt'])", false),
            ("generateKey(algorithm, true, ['sign'])", false),
            ("generateKey({ name: 'ECDSA' }, extractable, ['sign'])", false),
            ("generateKeyPair('ES256', { extractable: true })", true),
            ("generateKeyPair('ES256', { extractable: false })", false),
            ("generateKeyPair('ES256')", false),
            ("generateKeyPair(", false),
            ("generateKey", false),
        ] {
            assert_eq!(!keys(text, 0).is_empty(), found, "{text}");
        }
    }

    #[test]
    fn where_it_is_stored() {
        let text = "generateKeyPair(a, {extractable: true}); exportJWK(k); localStorage.setItem('k', k)";
        let [key] = keys(text, 0)[..] else { panic!("one key") };
        assert_eq!(key.stored.map(|at| &text[at.start as usize..at.end as usize]), Some("localStorage.setItem"));
    }

    proptest! {
        #[test]
        fn any_script_is_read(words in prop::collection::vec(prop::sample::select(vec![
            "generateKey(", "generateKeyPair", "(", ")", "{", "}", "[", "]", ",", "true", "'sign'", "\"", "`", "\\", "//",
            "/*", "*/", "\n", "\u{e9}", "ECDSA", " ",
        ]), 0..60)) {
            let _ = keys(&words.concat(), 0);
        }
    }
}
