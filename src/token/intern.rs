//! Texts that many tokens share (issuers, audiences, algorithms) are kept once.

use std::collections::HashMap;
use std::sync::Arc;

use super::keys::Thumbprint;

/// Past this many texts the table starts anew: sharing is lost, nothing else.
const LIMIT: usize = 8_192;

/// Texts that belong together, such as the audiences of a token.
pub type Texts = Arc<[Arc<str>]>;

/// A table of shared texts.
#[derive(Debug, Default)]
pub struct Interner {
    texts: HashMap<Box<str>, Arc<str>, foldhash::fast::RandomState>,
    lists: HashMap<Vec<Arc<str>>, Texts, foldhash::fast::RandomState>,
    thumbprints: HashMap<Thumbprint, Arc<Thumbprint>, foldhash::fast::RandomState>,
}

impl Interner {
    /// The shared copy of `text`.
    pub fn get(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        if self.texts.len() >= LIMIT {
            self.texts.clear();
        }
        let shared: Arc<str> = text.into();
        self.texts.insert(text.into(), shared.clone());
        shared
    }

    /// The shared copy of a thumbprint.
    pub fn thumbprint(&mut self, thumbprint: Thumbprint) -> Arc<Thumbprint> {
        if self.thumbprints.len() >= LIMIT {
            self.thumbprints.clear();
        }
        self.thumbprints.entry(thumbprint).or_insert_with(|| Arc::new(thumbprint)).clone()
    }

    /// The shared copy of a list of texts.
    pub fn list<'a>(&mut self, texts: impl Iterator<Item = &'a str>) -> Texts {
        let texts: Vec<Arc<str>> = texts.map(|text| self.get(text)).collect();
        if let Some(known) = self.lists.get(&texts) {
            return known.clone();
        }
        if self.lists.len() >= LIMIT {
            self.lists.clear();
        }
        let shared: Texts = texts.clone().into();
        self.lists.insert(texts, shared.clone());
        shared
    }
}
