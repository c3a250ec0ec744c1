//! Caddyfiles with everything they import put in its place.

use std::collections::BTreeMap;

use crate::gateway::Hole;
use crate::gateway::files::Files;
use crate::gateway::hop::Place;
use crate::syntax::blank;
use crate::syntax::caddyfile::{self, Segment, Word};

/// How deep imports may nest.
const MAX_IMPORTS: usize = 12;
/// So many lines there may be after all imports.
const MAX_LINES: usize = 20_000;

/// A line of the whole.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// Its words, with the arguments of an import put in.
    pub(super) words: Vec<String>,
    pub(super) block: Option<Vec<Line>>,
    pub(super) place: Place,
}

impl Line {
    pub(super) fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    pub(super) fn arguments(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }

    pub(super) fn inner(&self) -> &[Line] {
        self.block.as_deref().unwrap_or_default()
    }
}

/// Reads a file and what it imports. The files that were read are added to `read`.
pub(super) fn lines(files: &Files, file: u32, read: &mut Vec<u32>, holes: &mut Vec<Hole>) -> Vec<Line> {
    let mut reader = Reader { files, root: file, read, holes, snippets: BTreeMap::new(), lines: 0 };
    let segments = reader.segments(file);
    reader.expand(file, &segments, &Given::default(), 0)
}

/// The snippets' names and bodies of a file.
struct Reader<'a> {
    files: &'a Files,
    root: u32,
    read: &'a mut Vec<u32>,
    holes: &'a mut Vec<Hole>,
    snippets: BTreeMap<String, (u32, Vec<Segment>)>,
    lines: usize,
}

/// What an import hands on.
#[derive(Default)]
struct Given {
    arguments: Vec<String>,
    block: Vec<Line>,
}

impl Reader<'_> {
    fn segments(&mut self, file: u32) -> Vec<Segment> {
        self.read.push(file);
        let text = &self.files.get(file).text;
        let blank = blank::templates(text);
        if *blank != **text
            && let Some(open) = text.find("{{").or_else(|| text.find("{%")).or_else(|| text.find("<%"))
        {
            let at = u32::try_from(open).unwrap_or(u32::MAX);
            let place = Place { file, start: at, end: at };
            self.holes.push(Hole { place, reason: "a template fills in parts of it".to_owned() });
        }
        caddyfile::parse(&blank)
    }

    fn expand(&mut self, file: u32, segments: &[Segment], given: &Given, depth: usize) -> Vec<Line> {
        // Blocks nest no deeper than the parser lets them, imports no deeper than their bound.
        let mut lines = Vec::new();
        for segment in segments {
            self.lines += 1;
            if self.lines > MAX_LINES {
                return lines;
            }
            let place = place(file, segment);
            let name = segment.name();
            if let Some(snippet) = name.strip_prefix('(').and_then(|name| name.strip_suffix(')')) {
                self.snippets.insert(snippet.to_owned(), (file, segment.inner().to_vec()));
                continue;
            }
            if segment.words.len() == 1 && name == "{block}" {
                lines.extend(given.block.iter().cloned());
                continue;
            }
            if name == "import" && segment.words.len() > 1 {
                lines.extend(self.import(file, segment, given, depth));
                continue;
            }
            let words = substitute(&segment.words, given);
            let block = segment.block.as_ref().map(|inner| self.expand(file, inner, given, depth));
            lines.push(Line { words, block, place });
        }
        lines
    }

    fn import(&mut self, file: u32, segment: &Segment, given: &Given, depth: usize) -> Vec<Line> {
        let place = place(file, segment);
        let words = substitute(segment.arguments(), given);
        let Some((target, arguments)) = words.split_first() else { return Vec::new() };
        if depth >= MAX_IMPORTS {
            self.holes.push(Hole { place, reason: "imports go in a circle".to_owned() });
            return Vec::new();
        }
        let block = self.expand(file, segment.inner(), given, depth + 1);
        let given = Given { arguments: arguments.to_vec(), block };
        if let Some((from, body)) = self.snippets.get(target.as_str()).cloned() {
            return self.expand(from, &body, &given, depth + 1);
        }
        let found = self.files.resolve(file, self.root, target);
        if found.is_empty() {
            let reason = format!("what it imports is not here: {target}");
            // A glob may name nothing.
            if !target.contains('*') {
                self.holes.push(Hole { place, reason });
            }
            return Vec::new();
        }
        let mut lines = Vec::new();
        for number in found {
            if number == file {
                continue;
            }
            let segments = self.segments(number);
            lines.extend(self.expand(number, &segments, &given, depth + 1));
        }
        lines
    }
}

fn place(file: u32, segment: &Segment) -> Place {
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    Place { file, start: offset(segment.start), end: offset(segment.end) }
}

/// Puts in what an import was given, and the defaults of environment variables.
fn substitute(words: &[Word], given: &Given) -> Vec<String> {
    let mut all = Vec::with_capacity(words.len());
    for word in words {
        if matches!(word.text.as_str(), "{args[:]}" | "{args.*}") {
            all.extend(given.arguments.iter().cloned());
            continue;
        }
        let mut text = word.text.clone();
        for (number, argument) in given.arguments.iter().enumerate() {
            for pattern in [format!("{{args[{number}]}}"), format!("{{args.{number}}}")] {
                if text.contains(&pattern) {
                    text = text.replace(&pattern, argument);
                }
            }
        }
        all.push(environment(&text));
    }
    all
}

/// `{$NAME:default}` as its default.
fn environment(text: &str) -> String {
    let Some(open) = text.find("{$") else { return text.to_owned() };
    let Some(length) = text[open..].find('}') else { return text.to_owned() };
    let inner = &text[open + 2..open + length];
    let rest = environment(&text[open + length + 1..]);
    match inner.split_once(':') {
        Some((_, default)) => format!("{}{default}{rest}", &text[..open]),
        None => format!("{}{rest}", &text[..open + length + 1]),
    }
}
