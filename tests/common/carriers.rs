//! The folder `tests/data/carriers`: files of many kinds in which tokens stand, several to a text (`-- path --` begins
//! one). Marks are filled with made-up tokens: `‹opaque json-field token-in-log›` with a token that must be found there,
//! carried so and with that fault; `‹opaque quiet›` with a value that must not be found. `#x` behind the kind is the
//! same value again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::mint::{self, Chance, Jwt};

/// A token that must be found.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// As it stands in the file.
    pub(crate) text: String,
    /// What is decoded from it, where it is base64.
    pub(crate) plain: Option<String>,
    pub(crate) carrier: String,
    pub(crate) faults: Vec<String>,
}

/// A file with tokens in it.
#[derive(Debug)]
pub(crate) struct Carrier {
    /// Its path below the folder that it is written to; begins with the text's name.
    pub(crate) path: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) expected: Vec<Expected>,
}

/// All files.
pub(crate) fn all() -> Vec<Carrier> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/carriers");
    let mut texts: Vec<PathBuf> =
        fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
    texts.sort();
    let mut files = Vec::new();
    for text in texts {
        let name = text.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        let content = fs::read_to_string(&text).expect("a text");
        let mut parts = content.split("\n-- ");
        parts.next().expect("what the text is about");
        for part in parts {
            let (path, body) = part.split_once(" --\n").unwrap_or_else(|| panic!("{name}: {part}"));
            files.push(fill(&format!("{name}/{path}"), body));
        }
    }
    files
}

fn fill(path: &str, body: &str) -> Carrier {
    let mut known = BTreeMap::new();
    let mut number = 0;
    let mut value = |kind: &str| {
        let named = kind.contains('#');
        number += 1;
        let key = if named { kind.to_owned() } else { number.to_string() };
        let seed = Chance::of(&format!("{path} {key}")).next();
        known.entry(key).or_insert_with(|| make(kind.split('#').next().unwrap_or(kind), seed)).clone()
    };
    let mut marks = |text: &str| {
        let mut out = Vec::new();
        let mut expected = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('‹') {
            out.extend_from_slice(before.as_bytes());
            let (mark, after) = behind.split_once('›').unwrap_or_else(|| panic!("{path}: a mark that does not end"));
            rest = after;
            let mut words = mark.split(' ');
            let kind = words.next().expect("a kind");
            if kind == "nul" {
                out.push(0);
                continue;
            }
            let (text, plain) = value(kind);
            let start = out.len();
            out.extend_from_slice(text.as_bytes());
            match words.next() {
                None | Some("quiet") => {}
                Some(carrier) => expected.push(Expected {
                    start,
                    end: out.len(),
                    text,
                    plain,
                    carrier: carrier.to_owned(),
                    faults: words.map(str::to_owned).collect(),
                }),
            }
        }
        out.extend_from_slice(rest.as_bytes());
        (out, expected)
    };
    let (path, _) = marks(path);
    let (bytes, expected) = marks(body);
    Carrier { path: String::from_utf8(path).expect("a path"), bytes, expected }
}

/// A value of that kind, and what is decoded from it.
fn make(kind: &str, seed: u64) -> (String, Option<String>) {
    let uuid = || {
        let digits = mint::hex(seed, 32);
        format!("{}-{}-4{}-a{}-{}", &digits[..8], &digits[8..12], &digits[13..16], &digits[17..20], &digits[20..])
    };
    let base64 = |text: String| (STANDARD.encode(&text), text);
    if let Some(user) = kind.strip_prefix("basic:") {
        let password = mint::opaque(seed, 28);
        return (STANDARD.encode(format!("{user}:{password}")), Some(password));
    }
    let text = match kind {
        "opaque" | "quiet" => mint::opaque(seed, 32),
        "long" => mint::opaque(seed, 160),
        "refresh" => format!("0.A{}.{}", mint::opaque(seed, 120), mint::opaque(seed ^ 1, 40)),
        "hex16" => mint::hex(seed, 16),
        "hex" => mint::hex(seed, 40),
        "hex64" => mint::hex(seed, 64),
        "uuid" => uuid(),
        "jwt" => Jwt::numbered(seed).mint(),
        "github" => mint::github(seed),
        "npm" => mint::npm(seed),
        "gitlab" => mint::gitlab(seed),
        "slack" => mint::slack(seed),
        "password64" => {
            let (text, plain) = base64(mint::opaque(seed, 28));
            return (text, Some(plain));
        }
        "words64" => base64("jane:Spring-in-the-garden".to_owned()).0,
        other => panic!("no such kind: {other}"),
    };
    (text, None)
}
