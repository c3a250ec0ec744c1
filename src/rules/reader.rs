//! Taking typed values out of a YAML mapping, with a place for everything that is wrong.

use crate::span::LineColumn;
use crate::syntax::packed::unpack;
use crate::syntax::yaml::{Kind, Node, parse};

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

/// Reads a file that must hold exactly one mapping.
pub(super) fn document(file: &str, text: &str) -> Result<Node> {
    let stream = parse(text);
    if let Some((place, what)) = stream.error {
        return Err(RuleError::at(file, place, what));
    }
    let start = LineColumn { line: 1, column: 1 };
    let mut documents = stream.documents.into_iter();
    match (documents.next(), documents.next()) {
        (Some(node), None) if matches!(node.kind, Kind::Mapping(_)) => Ok(node),
        (_, Some(second)) => Err(RuleError::at(file, second.place, "only one document is expected")),
        (node, None) => Err(RuleError::at(file, node.map_or(start, |n| n.place), "a mapping is expected")),
    }
}

/// The document of an embedded file, which was parsed when keybound was built.
pub(super) fn embedded(file: &str, packed: &[u8]) -> Result<Node> {
    let start = LineColumn { line: 1, column: 1 };
    unpack(packed).ok_or_else(|| RuleError::at(file, start, "this file is not embedded as it should be"))
}

/// A mapping whose keys are taken one by one; [`Fields::done`] refuses what nobody took.
pub(super) struct Fields<'a> {
    file: &'a str,
    node: &'a Node,
    /// The keys that were asked for and are there.
    taken: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(file: &'a str, node: &'a Node) -> Result<Self> {
        if !matches!(node.kind, Kind::Mapping(_)) {
            return Err(RuleError::at(file, node.place, "a mapping is expected"));
        }
        Ok(Self { file, node, taken: Vec::new() })
    }

    pub(super) fn place(&self) -> LineColumn {
        self.node.place
    }

    pub(super) fn error<T>(&self, node: &Node, what: impl Into<String>) -> Result<T> {
        Err(RuleError::at(self.file, node.place, what))
    }

    pub(super) fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        let node = self.node.get(key)?;
        if !self.taken.contains(&key) {
            self.taken.push(key);
        }
        Some(node)
    }

    pub(super) fn text(&mut self, key: &'static str) -> Result<Option<&'a str>> {
        match self.node(key) {
            None => Ok(None),
            Some(node) => match node.text() {
                Some(text) => Ok(Some(text)),
                None => self.error(node, format!("`{key}` must be text")),
            },
        }
    }

    pub(super) fn required(&mut self, key: &'static str) -> Result<&'a str> {
        match self.text(key)? {
            Some(text) if !text.trim().is_empty() => Ok(text),
            _ => Err(RuleError::at(self.file, self.node.place, format!("`{key}` is missing"))),
        }
    }

    pub(super) fn owned(&mut self, key: &'static str) -> Result<String> {
        Ok(self.text(key)?.unwrap_or_default().trim_end().to_owned())
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

    pub(super) fn nodes(&mut self, key: &'static str) -> Result<&'a [Node]> {
        match self.node(key) {
            None => Ok(&[]),
            Some(node) => match &node.kind {
                Kind::Sequence(items) => Ok(items),
                _ => self.error(node, format!("`{key}` must be a list")),
            },
        }
    }

    pub(super) fn texts(&mut self, key: &'static str) -> Result<Vec<(&'a str, &'a Node)>> {
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
    pub(super) fn regex(&mut self, key: &'static str) -> Result<Option<&'a str>> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let Some(node) = self.node(key) else { return Ok(None) };
        self.check_regex(text, node)?;
        Ok(Some(text))
    }

    pub(super) fn check_regex(&self, text: &str, node: &Node) -> Result<()> {
        // Syntax only: compiling a hundred expressions at every start would cost more than a small scan.
        match regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(text) {
            Ok(_) => Ok(()),
            Err(error) => {
                let what = error.to_string();
                let last = what.lines().last().unwrap_or("").trim_start_matches("error: ").to_owned();
                self.error(node, format!("not a regular expression: {last}"))
            }
        }
    }

    pub(super) fn references(&mut self, key: &'static str) -> Result<Vec<super::Reference>> {
        let mut all = Vec::new();
        for node in self.nodes(key)? {
            let mut fields = Fields::new(self.file, node)?;
            all.push(super::Reference {
                title: fields.required("title")?.to_owned(),
                url: fields.required("url")?.to_owned(),
            });
            fields.done()?;
        }
        Ok(all)
    }

    /// Refuses keys that nobody took, and keys that stand twice.
    pub(super) fn done(self) -> Result<()> {
        let entries = self.node.entries();
        for (number, (key, _)) in entries.iter().enumerate() {
            let name = key.text().unwrap_or_default();
            if !self.taken.contains(&name) {
                return self.error(key, format!("unknown key `{name}`"));
            }
            if entries[..number].iter().any(|(earlier, _)| earlier.text() == Some(name)) {
                return self.error(key, format!("`{name}` stands twice"));
            }
        }
        Ok(())
    }
}
