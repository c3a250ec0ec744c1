//! Texts from the outside (claims, paths, arguments) made fit to be printed: whatever could be a token is cut out, and
//! nothing in them can steer a terminal.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::engine::Engine;
use super::escape::{self, COMPACT, TOKEN68};
use super::scanner::{Scanner, Window};

/// Runs this long without a word in them are cut even where no family knows them.
const LONG: usize = 48;
/// Shorter texts hold no token, nor a name with one.
const SHORTEST: usize = 20;
/// Longest text that is printed, in characters.
const MAX_PRINTED: usize = 240;

/// Makes a text fit to be printed.
pub fn redact(engine: &Engine, text: &str) -> String {
    let bytes = text.as_bytes();
    let mut cut: Vec<(usize, usize)> = Vec::new();
    if bytes.len() >= SHORTEST {
        let mut scanner = Scanner::new(engine);
        scanner.scan(Window { bytes, base: 0, from: 0, to: bytes.len(), more: false });
        cut.extend(scanner.sightings.iter().map(|s| (s.start as usize, s.end as usize)));
        cut.extend(shapes(engine, bytes));
        // A value that was recognised once is cut wherever it stands again.
        let known: Vec<&[u8]> = cut.iter().map(|(start, end)| &bytes[*start..*end]).filter(|t| t.len() >= 8).collect();
        let again: Vec<(usize, usize)> = known
            .iter()
            .flat_map(|text| memchr::memmem::find_iter(bytes, text).map(|at| (at, at + text.len())))
            .collect();
        cut.extend(again);
        cut.sort_unstable();
    }
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (start, end) in cut {
        let (start, end) = (start.max(at), end.max(at));
        if start == end {
            continue;
        }
        push_clean(&mut out, bytes.get(at..start).unwrap_or_default());
        out.push_str(&format!("[redacted {} characters]", end - start));
        at = end;
    }
    push_clean(&mut out, bytes.get(at..).unwrap_or_default());
    if out.chars().count() > MAX_PRINTED {
        let kept: String = out.chars().take(MAX_PRINTED).collect();
        return format!("{kept}…");
    }
    out
}

/// Makes texts fit to be printed, and remembers how: most texts of a scan come more than once.
#[derive(Debug)]
pub struct Redactor<'e> {
    engine: &'e Engine,
    known: RefCell<HashMap<Box<str>, Arc<str>, foldhash::fast::RandomState>>,
}

/// How many texts a redactor remembers.
const REMEMBERED: usize = 1024;
/// And how long each may be, in bytes.
const MAX_REMEMBERED: usize = 256;

impl<'e> Redactor<'e> {
    /// One that knows no text yet.
    pub fn new(engine: &'e Engine) -> Self {
        Self { engine, known: RefCell::default() }
    }

    /// The text, fit to be printed: what [`redact`] makes of it.
    pub fn safe(&self, text: &str) -> Arc<str> {
        if text.len() > MAX_REMEMBERED {
            return redact(self.engine, text).into();
        }
        let mut known = self.known.borrow_mut();
        if let Some(safe) = known.get(text) {
            return safe.clone();
        }
        if known.len() == REMEMBERED {
            known.clear();
        }
        let safe: Arc<str> = redact(self.engine, text).into();
        known.insert(text.into(), safe.clone());
        safe
    }
}

/// Whatever has a token's shape, proved or not.
fn shapes(engine: &Engine, bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut found = engine.shapes(bytes);
    let mut at = 0;
    while at < bytes.len() {
        if !TOKEN68.has(bytes[at]) {
            at += 1;
            continue;
        }
        let end = at + bytes[at..].iter().take_while(|b| TOKEN68.has(**b)).count();
        // Path segments and host names are words; a long piece between separators that is not made of words is not.
        let mut piece = at;
        for part in bytes[at..end].split(|b| matches!(*b, b'/' | b'.')) {
            if part.len() >= LONG && !super::proof::is_wordlike(part) {
                found.push((piece, piece + part.len()));
            }
            piece += part.len() + 1;
        }
        at = end;
    }
    let mut at = 0;
    while let Some(n) = memchr::memmem::find(&bytes[at..], b"ey") {
        let run = escape::run(bytes, at + n, &COMPACT, usize::MAX / 2);
        if run.text.len() >= 16 && run.text.contains(&b'.') && !super::proof::is_wordlike(&run.text) {
            found.push((at + n, run.end));
        }
        at += n + 2;
    }
    found
}

fn push_clean(out: &mut String, bytes: &[u8]) {
    for c in String::from_utf8_lossy(bytes).chars() {
        if c.is_control() || is_bidi(c) {
            out.push('\u{fffd}');
        } else {
            out.push(c);
        }
    }
}

/// Characters that reorder or hide text.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Catalogue;

    #[test]
    fn tokens_go_and_the_rest_stays() {
        let engine = Engine::new(Catalogue::embedded().unwrap_or_else(|e| panic!("{e}")));
        for plain in [
            "https://as.example.com/realms/main",
            "logs/2026/app.log",
            "auth0|5f7c8ec7c33c6c004bbafe82",
            "system:serviceaccount:default:builder",
            "user-1",
            "spiffe://example.org/ns/prod/sa/web",
        ] {
            assert_eq!(redact(&engine, plain), plain);
        }
        let broken = ["ghp_", "k3JfW0qLx8ZrT5vNc2HsY7bMd9QpAe123456"].concat();
        let jose = ["ey", "JhbGciOiJub25lIn0.ey", "JzdWIiOiJ4In0."].concat();
        for secret in [&broken, &jose] {
            let out = redact(&engine, &format!("logs/{secret}/x"));
            assert!(!out.contains(&secret[8..]), "{out}");
            assert!(out.starts_with("logs/[redacted"), "{out}");
        }
        assert_eq!(redact(&engine, "a\u{1b}[31mb\u{202e}c"), "a\u{fffd}[31mb\u{fffd}c");
    }
}
