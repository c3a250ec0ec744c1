//! Texts that are trees, for front ends whose configuration is YAML, JSON or TOML: what a template fills in is blanked
//! out, and what could not be read is a hole.

use super::Hole;
use super::files::Files;
use super::hop::Place;
use super::tree::At;
use crate::syntax::yaml::Node;
use crate::syntax::{blank, toml, yaml};

/// A text, read.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) file: u32,
    pub(super) documents: Vec<Node>,
    pub(super) holes: Vec<Hole>,
}

impl Source {
    /// Reads a text, by its ending as TOML or as what YAML takes, JSON included.
    pub(super) fn read(files: &Files, file: u32) -> Self {
        let text = &files.get(file).text;
        let blank = blank::templates(text);
        let stream =
            if files.get(file).path().ends_with(".toml") { toml::parse(&blank) } else { yaml::parse_broken(&blank) };
        let mut holes = Vec::new();
        let hole = |at: usize, reason: String| {
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            Hole { place: Place { file, start: at, end: at }, reason }
        };
        if let Some((place, reason)) = stream.error {
            let line = usize::try_from(place.line).unwrap_or(1).saturating_sub(1);
            holes.push(hole(text.split_inclusive('\n').take(line).map(str::len).sum(), reason));
        } else if let Some(open) = opens(text).filter(|_| *blank != **text) {
            holes.push(hole(open, "a template fills in parts of it".to_owned()));
        }
        Self { file, documents: stream.documents, holes }
    }

    /// The roots of its documents.
    pub(super) fn roots(&self) -> impl Iterator<Item = At<'_>> {
        self.documents.iter().map(|node| At::root(self.file, node))
    }
}

/// Where a template begins that may put in more than a value; `${{ … }}` stands for one.
fn opens(text: &str) -> Option<usize> {
    memchr::memmem::find_iter(text.as_bytes(), "{{").find(|at| !text[..*at].ends_with('$'))
}
