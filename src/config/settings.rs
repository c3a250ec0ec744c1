//! Files of settings as Spring and Quarkus read them, YAML or properties: keys with dots, document by document.

use super::files::Files;
use super::place::Place;
use super::tree::At;
use crate::syntax::blank::{self, UNKNOWN};
use crate::syntax::yaml::{self, Stream};

/// How deep keys may nest.
const DEEP: usize = 24;

/// A setting: its key with dots, its text, its place.
pub type Flat = (String, String, Place);

/// The documents of a file.
pub fn documents(files: &Files, number: u32) -> Stream {
    yaml::parse_broken(&blank::templates(&files.get(number).text))
}

/// What is said of a file that breaks off.
pub fn broken(stream: &Stream, number: u32) -> Option<(Place, String)> {
    let (_, reason) = stream.error.as_ref()?;
    Some((Place { file: number, start: 0, end: 0 }, format!("it could only be read in part: {reason}")))
}

/// A key without what spellings differ in: `access-token-time-to-live`, `accessTokenTimeToLive`.
pub fn plain_key(key: &str) -> String {
    key.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect()
}

/// The settings of a file, and why not all of it could be read.
pub fn flat_documents(files: &Files, file: u32) -> (Vec<Vec<Flat>>, Option<(Place, String)>) {
    let text = files.get(file);
    if text.path().ends_with(".properties") {
        return (properties(&text.text, file), None);
    }
    let stream = documents(files, file);
    let mut all = Vec::new();
    for document in &stream.documents {
        let mut flat = Vec::new();
        flatten(At::root(file, document), String::new(), 0, &mut flat);
        all.push(flat);
    }
    let hole = broken(&stream, file);
    (all, hole)
}

fn flatten(at: At<'_>, key: String, depth: usize, into: &mut Vec<Flat>) {
    if depth > DEEP {
        return;
    }
    if let Some(text) = at.node.text() {
        // What is not known is written as a reference, as it would be in a file of properties.
        let text = if text.contains(UNKNOWN) { "${}" } else { text };
        into.push((key, text.to_owned(), at.place()));
        return;
    }
    let entries: Vec<_> = at.entries().collect();
    let dot = if key.is_empty() { "" } else { "." };
    for (name, value) in &entries {
        // Profiles of Quarkus: `%prod`.
        let name = if key.is_empty() && name.starts_with('%') { "" } else { name };
        let key = if name.is_empty() { key.clone() } else { format!("{key}{dot}{name}") };
        flatten(*value, key, depth + 1, into);
    }
    if entries.is_empty() {
        for (index, item) in at.items().enumerate() {
            flatten(item, format!("{key}[{index}]"), depth + 1, into);
        }
    }
}

/// `key = value` line by line; a line `#---` begins another document.
fn properties(text: &str, file: u32) -> Vec<Vec<Flat>> {
    let mut all = vec![Vec::new()];
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at + (line.len() - line.trim_start().len());
        at += line.len();
        let line = line.trim();
        if matches!(line, "#---" | "!---") {
            all.push(Vec::new());
        }
        if line.starts_with(['#', '!']) {
            continue;
        }
        let Some((key, value)) = line.split_once(['=', ':']) else { continue };
        let key = key.trim();
        let key = if key.starts_with('%') { key.split_once('.').map_or(key, |(_, rest)| rest) } else { key };
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let place = Place { file, start: offset(start), end: offset(start + line.len()) };
        if let Some(flat) = all.last_mut() {
            flat.push((key.to_owned(), value.trim().to_owned(), place));
        }
    }
    all
}
