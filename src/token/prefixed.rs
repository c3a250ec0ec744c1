//! Families with a shape of their own: where a token starts, and what proves it.

use super::facts::{Facts, Kind};
use super::fault::Fault;
use super::intern::Interner;
use super::{decode, proof};
use crate::finding::Confidence;
use crate::rules::{AnchorAt, Decoder, Family, OnChecksumFailure, Role};

/// Where a token of the family starts, at `from` or later, whose anchor stands at `at`.
pub(super) fn start_of(family: &Family, bytes: &[u8], at: usize, from: usize) -> Option<usize> {
    if family.anchor_at == AnchorAt::Prefix {
        return Some(at);
    }
    let floor = at.saturating_sub(4096).max(from);
    if floor > at {
        return None;
    }
    let stop = |b: &u8| b.is_ascii_whitespace() || matches!(*b, b'"' | b'\'' | b'<' | b'>' | b'`' | 0);
    let from = bytes[floor..at].iter().rposition(stop).map_or(floor, |n| floor + n + 1);
    let lead = family.lead.as_ref()?.regex()?;
    lead.find(&bytes[from..at]).map(|m| from + m.start())
}

/// Proves a text that matched its family's pattern. `anchor` is where the anchor stands in it.
pub(super) fn prove(family: &Family, index: u16, text: &[u8], anchor: usize, intern: &mut Interner) -> Option<Facts> {
    let prefix = match family.anchor_at {
        AnchorAt::Prefix => family
            .anchors
            .iter()
            .find(|a| text.get(..a.len()).is_some_and(|t| t.eq_ignore_ascii_case(a.as_bytes())))?
            .len(),
        AnchorAt::Inside { .. } => anchor.min(4),
    };
    let body = &text[prefix..];
    let mut confidence = if family.context.is_some() { Confidence::Medium } else { Confidence::High };
    let sum = family.checksum.and_then(|kind| proof::checksum(kind, text));
    match (sum, family.on_checksum_failure) {
        (Some(false), OnChecksumFailure::Drop) => return None,
        (Some(false), OnChecksumFailure::Suspect) => confidence = Confidence::Low,
        _ => {}
    }
    let decodes = match family.decoder {
        Some(Decoder::AzureSas | Decoder::AwsPresigned | Decoder::Macaroon) => true,
        Some(Decoder::PrefixedJwt) => memchr::memmem::find(body, b"eyJ").is_some(),
        Some(Decoder::Base64) | None => false,
    };
    if sum != Some(true) && !decodes {
        if proof::not_secret(body).is_some() || proof::is_made_of_words(body) {
            return None;
        }
        if family.entropy.is_some_and(|floor| proof::entropy(body) < floor.min(achievable(body.len()))) {
            return None;
        }
    }
    let mut facts = Facts::opaque(index, Kind::Opaque, confidence);
    if let Some(decoder) = family.decoder
        && !decode::decode(decoder, text, &mut facts, intern)
    {
        return None;
    }
    facts.faults.insert_if(family.role == Role::Refresh, Fault::RefreshExposed);
    Some(facts)
}

/// A random text of few characters can't reach a threshold made for long ones: what it gets less two deviations.
fn achievable(length: usize) -> f64 {
    (length as f64).log2() - 0.9
}
