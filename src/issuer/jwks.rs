//! Sets of keys (RFC 7517, section 5): how many sign at once, and how long one stays valid beside the next.

use std::collections::BTreeMap;

use super::issued::{Issued, Overlap};
use super::read::{each_document, has, number};
use super::{FrontEnd, Rule};
use crate::config::files::Files;
use crate::config::tree::At;

/// Sets of keys.
#[derive(Debug)]
pub struct Jwks;

/// A rotation takes the key before, the one in use, and the next.
const MOST: usize = 3;

impl FrontEnd for Jwks {
    fn product(&self) -> &'static str {
        "jwks"
    }

    fn recognises(&self, _: &str, text: &str) -> bool {
        has(text, &["\"keys\"", "\"kty\"", "\"kid\""])
    }

    fn read(&self, files: &Files, own: &[u32]) -> Vec<Issued> {
        each_document(files, own, |root, all| {
            let overlaps = overlaps(root);
            all.push(Issued { issuer: "the set of keys".to_owned(), overlaps, ..Issued::default() });
        })
    }

    fn fix(&self, _: Rule) -> &'static str {
        "Take a key out of the set once the tokens made with it have expired."
    }
}

struct Key<'a> {
    at: At<'a>,
    kid: &'a str,
    begin: Option<i64>,
    end: Option<i64>,
}

fn overlaps(root: At<'_>) -> Vec<Overlap> {
    let mut kinds: BTreeMap<(&str, &str), Vec<Key<'_>>> = BTreeMap::new();
    for at in root.list("keys") {
        let (Some(kty), Some(kid)) = (at.word("kty"), at.word("kid")) else { continue };
        // For encryption an old key must stay; a key without `alg` may be for anything.
        if at.word("use") == Some("enc") || kty == "oct" {
            continue;
        }
        let Some(alg) = at.word("alg").filter(|alg| !alg.contains("OAEP") && !alg.starts_with("ECDH")) else {
            continue;
        };
        let time = |key: &str| at.get(key).and_then(number);
        let keys = kinds.entry((kty, alg)).or_default();
        if keys.iter().all(|key| key.kid != kid) {
            keys.push(Key { at, kid, begin: time("nbf").or(time("iat")), end: time("exp") });
        }
    }
    let mut all = Vec::new();
    let what = "signing key";
    for mut keys in kinds.into_values() {
        let place = |key: &Key<'_>| key.at.get("kid").unwrap_or(key.at).place();
        if keys.iter().all(|key| key.begin.is_some() && key.end.is_some()) {
            keys.sort_by_key(|key| (key.begin, key.end));
            for pair in keys.windows(2) {
                let [old, new] = pair else { continue };
                let seconds = old.end.min(new.end).zip(new.begin).map(|(end, begin)| end.saturating_sub(begin));
                if seconds.is_some_and(|seconds| seconds > 0) {
                    // A set's readers know no `exp` of keys (RFC 7517, section 4): the old one counts as long as it stands here.
                    let end = new.end;
                    all.push(Overlap { what, place: place(old), others: vec![place(new)], seconds, end });
                }
            }
        } else if let Some((first, others)) = keys.split_first().filter(|(_, others)| others.len() >= MOST) {
            all.push(Overlap {
                what,
                place: place(first),
                others: others.iter().map(place).collect(),
                seconds: None,
                end: None,
            });
        }
    }
    all
}
