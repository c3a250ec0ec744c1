//! PuTTY's key files (appendix C of its manual): a header line with the version, `Encryption:`, and the two halves as
//! numbers of base64 lines.

use base64::Engine as _;

use super::pem::BASE64;
use super::private::PrivateKey;
use super::{Reading, openssh};

/// How every file begins.
pub(super) const ANCHOR: &str = "PuTTY-User-Key-File-";
/// The longest file, in bytes.
const MAX_FILE: usize = 16 * 1024;

/// Reads the file whose anchor stands at `at`.
pub(super) fn read(bytes: &[u8], at: usize, more: bool) -> Reading<PrivateKey> {
    let limit = bytes.len().min(at + MAX_FILE);
    let mut file = Lines { bytes: &bytes[..limit], at };
    match parse(&mut file) {
        Some(key) => Reading::Found(key, file.at),
        None if more && limit == bytes.len() && file.at + 256 > limit => Reading::NeedMore,
        None => Reading::Nothing,
    }
}

fn parse(file: &mut Lines<'_>) -> Option<PrivateKey> {
    let first = file.line()?;
    let (version, _) = first.strip_prefix(ANCHOR.as_bytes())?.split_first().filter(|(v, _)| v.is_ascii_digit())?;
    let mut cipher = None;
    let mut public = Vec::new();
    loop {
        let line = file.line()?;
        let colon = memchr::memchr(b':', line)?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        match name {
            b"Encryption" => cipher = Some(value),
            b"Public-Lines" => public = file.base64(value)?,
            b"Private-Lines" => {
                let private = file.base64(value)?;
                let (algorithm, key) = openssh::public_key(&public)?;
                if cipher? == b"none" {
                    return Some(PrivateKey::open(algorithm, key.as_ref(), true, &private));
                }
                // Up to version 2 a passphrase is hashed once with SHA-1, since then with Argon2.
                let rounds = (*version <= b'2').then_some(1);
                let locked = PrivateKey::locked(algorithm, rounds, &private);
                return Some(PrivateKey { thumbprint: key.map(|key| key.thumbprint()), ..locked });
            }
            b"Comment"
            | b"Key-Derivation"
            | b"Argon2-Memory"
            | b"Argon2-Passes"
            | b"Argon2-Parallelism"
            | b"Argon2-Salt" => {}
            _ => return None,
        }
    }
}

/// Lines that end with a line break, raw or written as `\n`.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    /// The next line, indentation taken off.
    fn line(&mut self) -> Option<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let raw = memchr::memchr(b'\n', rest).map(|n| (n, 1));
        let written = memchr::memmem::find(&rest[..raw.map_or(rest.len(), |(n, _)| n)], b"\\n").map(|n| (n, 2));
        let (length, step) = written.or(raw)?;
        self.at += length + step;
        let line = rest[..length].trim_ascii();
        Some(line.strip_suffix(b"\\r").unwrap_or(line))
    }

    /// So many lines of base64.
    fn base64(&mut self, count: &[u8]) -> Option<Vec<u8>> {
        let count: usize = std::str::from_utf8(count).ok()?.parse().ok().filter(|count| *count <= 256)?;
        let mut text = Vec::new();
        for n in 0..count {
            // The last line of all may end with the file.
            let line = match self.line() {
                Some(line) => line,
                None if n + 1 == count && self.at < self.bytes.len() => {
                    let line = self.bytes[self.at..].trim_ascii_end();
                    self.at = self.bytes.len();
                    line
                }
                None => return None,
            };
            text.extend_from_slice(line);
        }
        let padding = text.iter().rev().take_while(|b| **b == b'=').count();
        BASE64.decode(&text[..text.len() - padding]).ok()
    }
}
