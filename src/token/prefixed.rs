//! Families with a shape of their own: where a token starts, and what proves it.

use super::decode::{self, Proof};
use super::facts::{Facts, Kind};
use super::fault::Fault;
use super::intern::Interner;
use super::proof;
use crate::finding::Confidence;
use crate::rules::{AnchorAt, Family, OnChecksumFailure, Role};

/// Longest token of a family whose anchor stands before it, in bytes.
pub(super) const MAX_AFTER: usize = 512;

/// Where a token of the family starts, at `from` or later, whose anchor stands at `at`.
pub(super) fn start_of(family: &Family, bytes: &[u8], at: usize, from: usize) -> Option<usize> {
    match family.anchor_at {
        AnchorAt::Prefix => return Some(at),
        AnchorAt::Before => {
            let gap = at + anchor_of(family, &bytes[at..])?.len();
            let end = bytes.len().min(gap + family.lead_length() + MAX_AFTER);
            let token = family.lead.as_ref()?.regex()?.captures(&bytes[gap..end])?.name("token")?;
            return Some(gap + token.start());
        }
        AnchorAt::Inside => {}
    }
    let floor = at.saturating_sub(family.lead_length()).max(from);
    if floor > at {
        return None;
    }
    let stop = |b: &u8| b.is_ascii_whitespace() || matches!(*b, b'"' | b'\'' | b'<' | b'>' | b'`' | 0);
    let from = bytes[floor..at].iter().rposition(stop).map_or(floor, |n| floor + n + 1);
    let lead = family.lead.as_ref()?.regex()?;
    lead.find(&bytes[from..at]).map(|m| from + m.start())
}

/// The longest anchor of the family that the text begins with.
fn anchor_of<'f>(family: &'f Family, text: &[u8]) -> Option<&'f str> {
    let begins = |anchor: &&&str| {
        let head = text.get(..anchor.len());
        head.is_some_and(|head| match family.any_case {
            true => head.eq_ignore_ascii_case(anchor.as_bytes()),
            false => head == anchor.as_bytes(),
        })
    };
    family.anchors.iter().filter(begins).max_by_key(|anchor| anchor.len()).copied()
}

/// Proves a text that matched its family's pattern. `anchor` is where the anchor stands in it, if it does.
pub(super) fn prove(family: &Family, index: u16, text: &[u8], anchor: usize, intern: &mut Interner) -> Option<Facts> {
    let prefix = match family.anchor_at {
        AnchorAt::Prefix => anchor_of(family, text).map_or(0, str::len),
        AnchorAt::Inside => anchor.min(4),
        AnchorAt::Before => 0,
    };
    let body = &text[prefix..];
    let mut confidence = family.confidence;
    let sum = family.checksum.and_then(|kind| proof::checksum(kind, text));
    match (sum, family.on_checksum_failure) {
        (Some(false), OnChecksumFailure::Drop) => return None,
        (Some(false), OnChecksumFailure::Suspect) => confidence = Confidence::Low,
        _ => {}
    }
    let mut facts = Facts::opaque(index, Kind::Opaque, confidence);
    facts.summed = sum == Some(true);
    let decoded = family.decoder.map(|decoder| decode::decode(decoder, text, &mut facts, intern));
    if decoded == Some(Proof::Refuted) {
        return None;
    }
    if sum != Some(true) && decoded != Some(Proof::Proven) {
        if proof::not_secret(body).is_some() || proof::is_made_of_words(body) {
            return None;
        }
        if family.entropy.is_some_and(|floor| proof::entropy(body) < floor.min(achievable(body.len()))) {
            return None;
        }
    }
    facts.faults.insert_if(family.role == Role::Refresh, Fault::RefreshExposed);
    Some(facts)
}

/// A random text of few characters can't reach a threshold made for long ones: what it gets less two deviations.
fn achievable(length: usize) -> f64 {
    (length as f64).log2() - 0.9
}
