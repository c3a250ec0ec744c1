//! Resource servers on Express: `auth({ dpop: … })` of `express-oauth2-jwt-bearer`. Its default takes bearer tokens and
//! bound ones; only what is written is told.

use super::issued::{Issued, Verifier, Window};
use super::read::has;
use super::{FrontEnd, Rule};
use crate::config::files::Files;
use crate::config::place::Place;
use crate::syntax::code::{blanked, is_word};

/// Resource servers on Express.
#[derive(Debug)]
pub struct Express;

/// So many sections of one file are looked at.
const SECTIONS: usize = 64;
/// The library.
const LIBRARY: &str = "express-oauth2-jwt-bearer";

impl FrontEnd for Express {
    fn product(&self) -> &'static str {
        LIBRARY
    }

    fn recognises(&self, name: &str, text: &str) -> bool {
        !name.ends_with(".cs") && has(text, &[LIBRARY, "dpop"])
    }

    fn reads_scripts(&self) -> bool {
        true
    }

    fn read(&self, files: &Files, own: &[u32]) -> Vec<Issued> {
        own.iter().map(|file| options(&files.get(*file).text, *file)).collect()
    }

    fn fix(&self, rule: Rule) -> &'static str {
        match rule {
            Rule::DpopWindow => "Set dpop.iatOffset to 300 or less.",
            Rule::BearerFallback => {
                "Set dpop.required to true once all clients send proofs, or give bearer tokens fewer scopes."
            }
            _ => {
                "Take dpop.enabled: false out of the options of auth(); dpop.required: true accepts bound tokens alone."
            }
        }
    }
}

fn options(text: &str, file: u32) -> Issued {
    let mut issued = Issued { issuer: "The resource server".to_owned(), ..Issued::default() };
    let code = blanked(text);
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    for start in memchr::memmem::find_iter(&code, b"dpop").take(SECTIONS) {
        let Some((from, to)) = section(&code, start) else { continue };
        for (at, key, value) in entries(&code[from..to]) {
            let place = Place { file, start: offset(from + at), end: offset(from + at + key.len()) };
            let setting = format!("dpop.{key}");
            match (key.as_str(), value.as_str()) {
                ("enabled", "false") => issued.verifiers.push(Verifier { fallback: false, place, setting }),
                ("iatOffset", value) => {
                    let seconds = value.replace('_', "").parse().ok();
                    issued.windows.extend(seconds.map(|seconds| Window { seconds, place, setting, client: None }));
                }
                _ => {}
            }
        }
    }
    issued
}

/// What stands between the braces of `auth({ …, dpop: { … } })`.
fn section(code: &[u8], start: usize) -> Option<(usize, usize)> {
    let before = code[..start].iter().rev().copied().find(|byte| !byte.is_ascii_whitespace());
    let mut after = code[start + 4..].iter().enumerate().filter(|(_, byte)| !byte.is_ascii_whitespace());
    if !matches!(before, Some(b'{' | b',')) || after.next()?.1 != &b':' {
        return None;
    }
    let (brace, b'{') = after.next()? else { return None };
    let from = start + 4 + brace + 1;
    let to = from + code[from..].iter().take(2_048).position(|byte| matches!(byte, b'{' | b'}'))?;
    (code[to] == b'}' && is_auths(&code[..start])).then_some((from, to))
}

/// Whether options are those of a call of `auth`: the brace around them is the first of its arguments.
fn is_auths(code: &[u8]) -> bool {
    let mut depth = 0usize;
    let around = code.iter().enumerate().rev().take(8_192).find(|(_, byte)| {
        match byte {
            b'}' => depth += 1,
            b'{' if depth == 0 => return true,
            b'{' => depth -= 1,
            _ => {}
        }
        false
    });
    let Some((brace, _)) = around else { return false };
    let head = code[..brace].trim_ascii_end();
    let Some(name) = head.strip_suffix(b"(").map(<[u8]>::trim_ascii_end) else { return false };
    name.strip_suffix(b"auth").is_some_and(|rest| rest.last().is_none_or(|byte| !is_word(*byte)))
}

/// `key: value` between commas; where the key begins, and both.
fn entries(code: &[u8]) -> Vec<(usize, String, String)> {
    let mut all = Vec::new();
    let mut at = 0;
    for part in code.split(|byte| *byte == b',') {
        let blank = part.len() - part.trim_ascii_start().len();
        let text = String::from_utf8_lossy(part);
        if let Some((key, value)) = text.split_once(':') {
            all.push((at + blank, key.trim().to_owned(), value.trim().to_owned()));
        }
        at += part.len() + 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_auth_is_told() {
        for (text, checks, windows) in [
            ("auth({ dpop: { enabled: false } })", 1, 0),
            ("app.use(auth({ issuerBaseURL: url({ a: 1 }), dpop : {\n // all of it\n enabled: false, }, }))", 1, 0),
            ("auth({ dpop: { enabled: true, required: true, iatOffset: 3_600 } })", 0, 1),
            ("auth({ dpop: { enabled } })", 0, 0),
            ("// auth({ dpop: { enabled: false } })", 0, 0),
            ("provider({ dpop: { enabled: false } })", 0, 0),
            ("reauth({ dpop: { enabled: false } })", 0, 0),
        ] {
            let issued = options(text, 0);
            assert_eq!((issued.verifiers.len(), issued.windows.len()), (checks, windows), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_script_is_read(words in prop::collection::vec(prop::sample::select(vec![
            "auth", "dpop", ":", "{", "}", "(", ")", ",", "enabled", "false", "\"", "//", "\n", "\u{e9}", " ",
        ]), 0..60)) {
            let _ = options(&words.concat(), 0);
        }
    }
}
