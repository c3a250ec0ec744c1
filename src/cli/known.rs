//! `keybound rules known`: lines for `rules/known-examples.txt`, from texts in which examples are published. Only hashes
//! are printed.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};

use super::args::KnownArgs;
use super::scan::catalogue;
use super::{Failure, code};
use crate::token::engine::Engine;
use crate::token::facts::Kind;
use crate::token::known::payload_hash;
use crate::token::scanner::{Scanner, Window};

pub(super) fn run(args: &KnownArgs) -> Result<u8, Failure> {
    let engine = Engine::new(catalogue(&[])?);
    let mut lines = BTreeSet::new();
    for path in &args.paths {
        let bytes = fs::read(path).map_err(|error| Failure::message(format!("{}: {error}", path.display())))?;
        let mut scanner = Scanner::new(&engine);
        scanner.scan(Window { bytes: &bytes, base: 0, from: 0, to: bytes.len(), more: false });
        for sighting in &scanner.sightings {
            let token = &scanner.tokens[sighting.token as usize];
            if token.published.is_some() {
                continue;
            }
            let text = &bytes[sighting.start as usize..sighting.end as usize];
            let payload = text.split(|b| *b == b'.').nth(1);
            lines.insert(match payload {
                Some(payload) if args.resigned && token.facts.kind == Kind::Jwt && sighting.layers.is_empty() => {
                    format!("payload {} {}", payload_hash(payload), args.source)
                }
                _ => format!("token {} {}", token.fingerprint.hex(), args.source),
            });
        }
    }
    let mut out = io::stdout().lock();
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    Ok(code::CLEAN)
}
