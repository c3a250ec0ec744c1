//! The documents of a text in YAML or JSON: read once, however many products look for objects in them.

use crate::syntax::blank;
use crate::syntax::yaml::{self, Node};

/// The documents, each read by itself.
#[derive(Debug)]
pub struct Documents {
    /// A template puts something into the text.
    pub template: bool,
    /// Those that can be read.
    pub read: Vec<Node>,
    /// Where the others begin, and what is wrong with them.
    pub broken: Vec<(usize, String)>,
}

impl Documents {
    /// Those of a text, with what templates put into it left open.
    pub fn of(text: &str) -> Self {
        let blank = blank::templates(text);
        let mut all = Self { template: *blank != *text, read: Vec::new(), broken: Vec::new() };
        for (start, stream) in yaml::parse_apart(&blank) {
            match stream.error {
                None => all.read.extend(stream.documents),
                Some((_, reason)) => all.broken.push((start, reason)),
            }
        }
        all
    }
}
