//! Values whose names say that tokens are signed with them: `JWT_SECRET=…`, `jwt.secret: …`, `signingKey = "…"`. They are
//! no findings; where one of them verifies a token that was found as well, the token's verdict is another.

use super::jose::decode_either;
use crate::secret::Secret;

/// What names are found by, in any letter case.
pub(super) const ANCHORS: &[&str] = &["secret", "signing", "jwtkey", "jwt_key", "jwt-key"];

/// The longest value, in bytes.
const MAX_VALUE: usize = 512;
/// The shortest value; shorter ones stand in the list of known secrets.
const MIN_VALUE: usize = 4;
/// The longest name, in bytes.
const MAX_NAME: usize = 80;
/// How much may stand between a name and its value.
const MAX_GAP: usize = 24;

/// A value that a name announces.
#[derive(Debug)]
pub struct Candidate {
    /// Offset of the value.
    pub start: usize,
    /// Offset past it.
    pub end: usize,
    /// The value.
    pub value: Secret,
    /// The name speaks of tokens or signatures, not of some secret.
    pub named_so: bool,
}

/// What reading at an anchor gives.
pub(super) enum Outcome {
    Found(Candidate),
    Nothing,
    NeedMore,
}

/// Reads the name around the anchor at `at`, and the value behind it.
pub(super) fn read(bytes: &[u8], at: usize, more: bool) -> Outcome {
    if more && at + MAX_NAME + MAX_GAP + MAX_VALUE > bytes.len() {
        return Outcome::NeedMore;
    }
    found(bytes, at).map_or(Outcome::Nothing, Outcome::Found)
}

fn found(bytes: &[u8], at: usize) -> Option<Candidate> {
    let part = |b: &u8| b.is_ascii_alphanumeric() || matches!(*b, b'_' | b'-' | b'.');
    let start = at - bytes[at.saturating_sub(MAX_NAME)..at].iter().rev().take_while(|b| part(b)).count();
    let end = at + bytes[at..].iter().take(MAX_NAME).take_while(|b| part(b)).count();
    let name: String = bytes[start..end]
        .iter()
        .filter(|b| b.is_ascii_alphanumeric())
        .map(|b| char::from(b.to_ascii_lowercase()))
        .collect();
    let secret = ["secret", "secretkey", "secretkeybase", "secretorkey", "secretorprivatekey", "secretvalue"];
    let key = ["signingkey", "signingsecret", "jwtkey", "jwtsigningkey", "signingkeyvalue"];
    if !secret.iter().chain(&key).any(|known| name.ends_with(known)) {
        return None;
    }
    let named_so = ["jwt", "jws", "token", "sign", "hmac", "hs256"].iter().any(|word| name.contains(word));
    let (from, quote) = gap(bytes, end)?;
    let rest = &bytes[from..bytes.len().min(from + MAX_VALUE)];
    let length = match quote {
        Some(quote) => rest.iter().position(|b| *b == quote || *b == b'\n')?,
        None => rest.iter().position(|b| b.is_ascii_whitespace() || b"\"'`,;})]<>".contains(b)).unwrap_or(rest.len()),
    };
    // `\"` ends a value in JSON that stands in a string.
    let value = rest[..length].trim_ascii_end();
    let value = value.strip_suffix(b"\\").unwrap_or(value);
    (!refers(value, quote.is_some())).then(|| Candidate {
        start: from,
        end: from + value.len(),
        value: Secret::new(value),
        named_so,
    })
}

/// Where the value behind a name starts, and the quote around it.
fn gap(bytes: &[u8], end: usize) -> Option<(usize, Option<u8>)> {
    let mut at = end;
    let mut separated = false;
    let mut quote = None;
    while at < bytes.len().min(end + MAX_GAP) {
        let rest = &bytes[at..];
        at += match rest[0] {
            b' ' | b'\t' | b'\\' => 1,
            b'"' | b'\'' | b'`' if separated => {
                quote = Some(rest[0]);
                at += 1;
                break;
            }
            b'"' | b'\'' | b'`' | b']' | b')' => 1,
            _ if separated => break,
            b'=' if rest.starts_with(b"==") => return None,
            b':' if rest.starts_with(b":-") || rest.starts_with(b":=") => 2,
            b'=' if rest.starts_with(b"=>") => 2,
            b'|' if rest.starts_with(b"||") => 2,
            b'?' if rest.starts_with(b"??") => 2,
            b':' | b'=' | b',' | b'>' => 1,
            _ => return None,
        };
        separated |= matches!(rest[0], b':' | b'=' | b',' | b'>' | b'|' | b'?');
    }
    separated.then_some((at, quote))
}

/// Whether a value only says where the secret is.
fn refers(value: &[u8], quoted: bool) -> bool {
    let template =
        [&b"${"[..], b"$(", b"{{", b"#{", b"<", b"%(", b"!", b"*", b"&", b"op://", b"vault:", b"arn:", b"ENC["];
    let word = |b: &u8| b.is_ascii_alphabetic() || matches!(*b, b'_' | b'.');
    value.len() < MIN_VALUE
        || template.iter().any(|start| value.starts_with(start))
        || value.windows(2).any(|two| two == b"${" || two == b"{{")
        || (value[0] == b'$' && value[1..].iter().all(|b| word(b) || b.is_ascii_digit()))
        // `config.jwt.secret`, `getSecret(`, `env[`
        || (!quoted && (value.contains(&b'(') || value.contains(&b'[') || value.contains(&b'.') && value.iter().all(word)))
        || [&b"true"[..], b"false", b"null", b"None", b"undefined", b"string", b"required"].contains(&value)
}

/// The keys that a written secret may stand for: itself, and what it is the base64 or the hexadecimal form of.
pub fn keys(written: &Secret) -> Vec<Secret> {
    let text = written.expose();
    let mut keys = vec![Secret::new(text)];
    if text.len() >= 8
        && let Some(decoded) = decode_either(text)
    {
        // `echo secret | base64` encodes the line break, too.
        if let Some(line) = decoded.strip_suffix(b"\n") {
            keys.push(Secret::new(line));
        }
        keys.push(Secret::new(decoded));
    }
    if text.len() >= 16 && text.len().is_multiple_of(2) && text.iter().all(u8::is_ascii_hexdigit) {
        let digit = |b: u8| char::from(b).to_digit(16).unwrap_or(0) as u8;
        let decoded: Vec<u8> = text.chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect();
        keys.push(Secret::new(decoded));
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::jose::BASE64URL;
    use base64::Engine as _;
    use proptest::prelude::*;

    fn value(text: &str) -> Option<(String, bool)> {
        let at = ANCHORS.iter().find_map(|anchor| text.to_ascii_lowercase().find(anchor))?;
        match read(text.as_bytes(), at, false) {
            Outcome::Found(found) => {
                assert_eq!(found.value.expose(), &text.as_bytes()[found.start..found.end]);
                Some((text[found.start..found.end].to_owned(), found.named_so))
            }
            _ => None,
        }
    }

    #[test]
    fn values_by_name() {
        let secret = "s3cr3t-of-acme";
        for (text, strong) in [
            ("JWT_SECRET=@", true),
            ("JWT_SECRET='@'", true),
            ("export JWT_SECRET=\"@\"", true),
            ("jwt.secret: @", true),
            ("jwt.secret = @", true),
            ("  secret: \"@\"", false),
            ("\"secret\": \"@\"", false),
            ("\\\"jwtSecret\\\": \\\"@\\\"", true),
            ("SECRET_KEY = '@'", false),
            ("signingKey := \"@\"", true),
            ("jwt_key=@", true),
            ("secretOrKey: '@',", false),
            ("process.env.JWT_SECRET || '@'", true),
            ("process.env.JWT_SECRET ?? '@'", true),
            ("os.getenv(\"JWT_SECRET\", \"@\")", true),
            ("app.config['JWT_SECRET_KEY'] = '@'", true),
            ("${JWT_SECRET:@}", true),
            ("${JWT_SECRET:-@}", true),
            ("<jwtSecret>@</jwtSecret>", true),
            ("secret => '@'", false),
        ] {
            let text = text.replace('@', secret);
            assert_eq!(value(&text), Some((secret.to_owned(), strong)), "{text}");
        }
    }

    #[test]
    fn what_only_refers_to_a_secret() {
        for text in [
            "JWT_SECRET=${VAULT_SECRET}",
            "JWT_SECRET=$SECRET",
            "jwt.secret: {{ .Values.secret }}",
            "secretName: jwt-secret",
            "secretKeyRef: jwt",
            "if secret == 'abcdef'",
            "secret = config.jwt.secret",
            "secret: getSecret()",
            "secret: null",
            "the secret is safe",
            "secrets: inherit",
            "signing: true",
            "JWT_SECRET=",
            "JWT_SECRET=abc",
        ] {
            assert_eq!(value(text), None, "{text}");
        }
    }

    #[test]
    fn what_a_written_secret_may_stand_for() {
        let all = |text: &str| keys(&Secret::new(text)).iter().map(|key| key.expose().to_vec()).collect::<Vec<_>>();
        assert_eq!(all("plain!"), [b"plain!".to_vec()]);
        let written = BASE64URL.encode("acme secret\n");
        assert_eq!(all(&written)[1..], [b"acme secret".to_vec(), b"acme secret\n".to_vec()]);
        assert!(all("00ff00ff00ff00ff").contains(&vec![0, 255, 0, 255, 0, 255, 0, 255]));
    }

    proptest! {
        #[test]
        fn never_panics(before in "[a-z_. \"']{0,20}", after in "[=:|?> \"'\\\\a-z$,\n]{0,40}", more in any::<bool>()) {
            let text = format!("{before}secret{after}");
            let _ = read(text.as_bytes(), before.len(), more);
        }
    }
}
