//! Which family a private key belongs to: by its container and by what stands beside it, as the rule files say.

use super::private::PrivateKey;
use super::public::Algorithm;
use crate::rules::{Catalogue, KeyFormat, KeyMatch};

/// How far before and after a key its company is looked for, in bytes.
pub(in crate::token) const BESIDE: usize = 2048;

/// Families of keys in the order in which they are tried.
#[derive(Debug)]
pub struct Classifier {
    order: Vec<u16>,
}

/// A family, and whose key it is.
pub(in crate::token) struct Class {
    pub(in crate::token) family: u16,
    pub(in crate::token) owner: Option<String>,
}

impl Classifier {
    /// Orders the catalogue's key families by rank.
    pub fn new(catalogue: &Catalogue) -> Self {
        let mut order: Vec<u16> =
            (0u16..).zip(&catalogue.families).filter(|(_, family)| family.key.is_some()).map(|(n, _)| n).collect();
        order.sort_by_key(|&index| std::cmp::Reverse(catalogue.families[usize::from(index)].rank));
        Self { order }
    }

    /// The family of a key that stands in `bytes[start..end]`. `None` where no rule file knows such keys.
    pub(in crate::token) fn classify(
        &self,
        catalogue: &Catalogue,
        format: KeyFormat,
        key: &PrivateKey,
        bytes: &[u8],
        (start, end): (usize, usize),
    ) -> Option<Class> {
        let before = &bytes[start.saturating_sub(BESIDE)..start];
        let after = &bytes[end.min(bytes.len())..bytes.len().min(end.saturating_add(BESIDE))];
        let index = self.order.iter().copied().find(|&index| {
            catalogue.families[usize::from(index)]
                .key
                .as_ref()
                .is_some_and(|rule| fits(rule, format, key) && stands_beside(rule, before, after))
        })?;
        let owner = catalogue.families[usize::from(index)].key.as_ref().and_then(|rule| rule.owner.as_ref()?.regex());
        let owner = owner.and_then(|regex| {
            let found = [after, before].into_iter().find_map(|text| regex.captures(text)?.get(1))?;
            std::str::from_utf8(found.as_bytes()).ok().map(str::to_owned)
        });
        Some(Class { family: index, owner })
    }
}

fn fits(rule: &KeyMatch, format: KeyFormat, key: &PrivateKey) -> bool {
    rule.format == format
        && rule.encrypted.is_none_or(|encrypted| encrypted != key.protection.is_open())
        && rule.symmetric.is_none_or(|symmetric| symmetric == matches!(key.algorithm, Algorithm::Symmetric(_)))
}

fn stands_beside(rule: &KeyMatch, before: &[u8], after: &[u8]) -> bool {
    rule.beside.as_ref().is_none_or(|pattern| pattern.is_match(before) || pattern.is_match(after))
}
