//! Taking typed values out of a YAML mapping, with a place for everything that is wrong.

use regex_syntax::hir::Hir;

use crate::span::LineColumn;
use crate::syntax::packed::{Packed, pack};
use crate::syntax::yaml::{Kind, parse};

/// Something wrong in a rule file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    file: String,
    place: LineColumn,
    what: String,
}

impl RuleError {
    pub(crate) fn at(file: &str, place: LineColumn, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), place, what: what.into() }
    }
}

impl std::fmt::Display for RuleError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.place.line, self.place.column, self.what)
    }
}

impl std::error::Error for RuleError {}

pub(super) type Result<T> = std::result::Result<T, RuleError>;

/// A rule file, as messages name it.
#[derive(Debug, Clone, Copy)]
pub(super) struct File {
    pub(super) name: &'static str,
    /// It is embedded, and a test has read it: what can't be wrong is not looked at again at every start.
    pub(super) sound: bool,
}

/// A rule file and its one mapping.
#[derive(Debug, Clone, Copy)]
pub(super) struct Document {
    pub(super) file: File,
    pub(super) root: Packed<'static>,
}

impl Document {
    /// Reads a text that must hold exactly one mapping. It stays in memory until the process ends, like the catalogue
    /// that is made of it.
    pub(super) fn parse(name: &str, text: &str) -> Result<Self> {
        let stream = parse(text);
        if let Some((place, what)) = stream.error {
            return Err(RuleError::at(name, place, what));
        }
        let mut documents = stream.documents.into_iter();
        match (documents.next(), documents.next()) {
            (Some(node), None) if matches!(node.kind, Kind::Mapping(_)) => {
                let file = File { name: name.to_owned().leak(), sound: false };
                Self::of(file, pack(&node).leak())
            }
            (_, Some(second)) => Err(RuleError::at(name, second.place, "only one document is expected")),
            (node, None) => Err(RuleError::at(name, node.map_or(START, |n| n.place), "a mapping is expected")),
        }
    }

    /// An embedded file, which was parsed when keybound was built.
    pub(super) fn embedded((name, packed): &(&'static str, &'static [u8])) -> Result<Self> {
        Self::of(File { name, sound: true }, packed)
    }

    /// The same file, with all of it looked at.
    #[cfg(test)]
    pub(super) fn doubted(self) -> Self {
        Self { file: File { sound: false, ..self.file }, ..self }
    }

    fn of(file: File, packed: &'static [u8]) -> Result<Self> {
        match Packed::root(packed) {
            Some(root) => Ok(Self { file, root }),
            None => Err(RuleError::at(file.name, START, "this file is not embedded as it should be")),
        }
    }

    /// Its mapping.
    pub(super) fn fields(&self) -> Result<Fields> {
        Fields::new(self.file, self.root)
    }
}

/// A regular expression over bytes as it is understood, or what is wrong with it. Its syntax only: compiling a hundred
/// expressions at every start would cost more than a small scan.
pub(super) fn expression(text: &str) -> std::result::Result<Hir, String> {
    regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(text).map_err(|error| {
        let what = error.to_string();
        what.lines().last().unwrap_or("").trim_start_matches("error: ").to_owned()
    })
}

const START: LineColumn = LineColumn { line: 1, column: 1 };

/// A mapping whose keys are taken one by one; [`Fields::done`] refuses what nobody took.
pub(super) struct Fields {
    pub(super) file: File,
    place: LineColumn,
    entries: Vec<Entry>,
}

struct Entry {
    name: &'static str,
    key: Packed<'static>,
    value: Packed<'static>,
    taken: bool,
}

impl Fields {
    pub(super) fn new(file: File, node: Packed<'static>) -> Result<Self> {
        if !node.is_mapping() {
            return Err(RuleError::at(file.name, node.place, "a mapping is expected"));
        }
        let entry = |(key, value): (Packed<'static>, _)| {
            let name = key.text().unwrap_or_default();
            Entry { name, key, value, taken: false }
        };
        Ok(Self { file, place: node.place, entries: node.entries().map(entry).collect() })
    }

    pub(super) fn place(&self) -> LineColumn {
        self.place
    }

    pub(super) fn error<T>(&self, node: Packed<'static>, what: impl Into<String>) -> Result<T> {
        Err(RuleError::at(self.file.name, node.place, what))
    }

    pub(super) fn node(&mut self, key: &'static str) -> Option<Packed<'static>> {
        let entry = self.entries.iter_mut().find(|entry| entry.name == key)?;
        entry.taken = true;
        Some(entry.value)
    }

    pub(super) fn text(&mut self, key: &'static str) -> Result<Option<&'static str>> {
        match self.node(key) {
            None => Ok(None),
            Some(node) => match node.text() {
                Some(text) => Ok(Some(text)),
                None => self.error(node, format!("`{key}` must be text")),
            },
        }
    }

    pub(super) fn required(&mut self, key: &'static str) -> Result<&'static str> {
        match self.text(key)? {
            Some(text) if !text.trim().is_empty() => Ok(text.trim_end()),
            _ => Err(RuleError::at(self.file.name, self.place, format!("`{key}` is missing"))),
        }
    }

    /// The text of that key; an empty one where it is not there.
    pub(super) fn prose(&mut self, key: &'static str) -> Result<&'static str> {
        Ok(self.text(key)?.unwrap_or_default().trim_end())
    }

    pub(super) fn word<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Result<Option<T>> {
        let Some(node) = self.node(key) else { return Ok(None) };
        let text = node.text().unwrap_or_default();
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Ok(Some(*value)),
            None => {
                let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                self.error(node, format!("`{key}` must be one of {}", known.join(", ")))
            }
        }
    }

    pub(super) fn number<T: std::str::FromStr>(&mut self, key: &'static str) -> Result<Option<T>> {
        let Some(node) = self.node(key) else { return Ok(None) };
        match node.text().and_then(|t| t.parse().ok()) {
            Some(number) => Ok(Some(number)),
            None => self.error(node, format!("`{key}` must be a number")),
        }
    }

    pub(super) fn nodes(&mut self, key: &'static str) -> Result<impl Iterator<Item = Packed<'static>> + use<>> {
        let items = match self.node(key) {
            None => None,
            Some(node) => match node.items() {
                None => return self.error(node, format!("`{key}` must be a list")),
                items => items,
            },
        };
        Ok(items.into_iter().flatten())
    }

    pub(super) fn texts(&mut self, key: &'static str) -> Result<Vec<(&'static str, Packed<'static>)>> {
        let mut texts = Vec::new();
        for node in self.nodes(key)? {
            match node.text() {
                Some(text) => texts.push((text, node)),
                None => return self.error(node, format!("`{key}` must be a list of texts")),
            }
        }
        Ok(texts)
    }

    /// A regular expression over bytes; compiling it later can't fail.
    pub(super) fn regex(&mut self, key: &'static str) -> Result<Option<&'static str>> {
        let Some(node) = self.node(key) else { return Ok(None) };
        let text = self.text(key)?;
        if let Some(text) = text {
            self.check_regex(text, node)?;
        }
        Ok(text)
    }

    pub(super) fn check_regex(&self, text: &str, node: Packed<'static>) -> Result<()> {
        if self.file.sound {
            return Ok(());
        }
        match expression(text) {
            Ok(_) => Ok(()),
            Err(what) => self.error(node, format!("not a regular expression: {what}")),
        }
    }

    pub(super) fn references(&mut self, key: &'static str) -> Result<Vec<super::Reference>> {
        let mut all = Vec::new();
        for node in self.nodes(key)? {
            let mut fields = Fields::new(self.file, node)?;
            all.push(super::Reference { title: fields.required("title")?, url: fields.required("url")? });
            fields.done()?;
        }
        Ok(all)
    }

    /// Refuses keys that nobody took, and keys that stand twice.
    pub(super) fn done(self) -> Result<()> {
        let Some(at) = self.entries.iter().position(|entry| !entry.taken) else { return Ok(()) };
        let Entry { name, key, .. } = &self.entries[at];
        if self.entries[..at].iter().any(|earlier| earlier.name == *name) {
            return self.error(*key, format!("`{name}` stands twice"));
        }
        self.error(*key, format!("unknown key `{name}`"))
    }
}
