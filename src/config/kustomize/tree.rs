//! Objects as they are while they are patched: trees whose every part knows the place that says so, in whatever file.

use crate::config::files::Files;
use crate::config::kubernetes;
use crate::config::place::Place;
use crate::config::tree::At;
use crate::config::written::Written;
use crate::syntax::blank::UNKNOWN;
use crate::syntax::yaml::Kind;

/// Lists of objects, and what tells their items apart; other lists are replaced as a whole.
const MERGED: [(&str, &str); 6] = [
    ("containers", "name"),
    ("initContainers", "name"),
    ("env", "name"),
    ("volumes", "name"),
    ("volumeMounts", "mountPath"),
    ("ports", "name"),
];

/// A part of an object.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// What it holds.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// A text; of one with several lines the place of each. `plain` is false where it was quoted or a block.
    Text {
        text: String,
        plain: bool,
        lines: Vec<Place>,
    },
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
    /// Nobody knows.
    Hole,
}

impl Tree {
    /// What stands there.
    pub(super) fn of(files: &Files, at: At<'_>) -> Self {
        // No deeper than the tree, whose depth is bounded.
        let value = match &at.node.kind {
            Kind::Scalar { text, .. } if text.contains(UNKNOWN) => Value::Hole,
            Kind::Scalar { text, plain } => {
                let lines = if text.contains('\n') { lines(files, at, text) } else { Vec::new() };
                Value::Text { text: text.clone(), plain: *plain, lines }
            }
            Kind::Sequence(_) => Value::List(at.items().map(|item| Self::of(files, item)).collect()),
            Kind::Mapping(_) => {
                Value::Map(at.entries().map(|(key, at)| (key.to_owned(), Self::of(files, at))).collect())
            }
            Kind::Hole => Value::Hole,
        };
        Self { value, place: at.place() }
    }

    /// A text that stands for itself.
    pub(super) fn text(text: &str, place: Place) -> Self {
        Self { value: Value::Text { text: text.to_owned(), plain: false, lines: Vec::new() }, place }
    }

    /// An empty mapping.
    pub(super) fn map(place: Place) -> Self {
        Self { value: Value::Map(Vec::new()), place }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Value::Map(entries) = &self.value else { return None };
        entries.iter().find(|(name, _)| name == key).map(|(_, tree)| tree)
    }

    /// The text under a key.
    pub(super) fn word(&self, key: &str) -> Option<&str> {
        match &self.get(key)?.value {
            Value::Text { text, .. } => Some(text),
            _ => None,
        }
    }

    fn is_null(&self) -> bool {
        matches!(&self.value, Value::Text { text, plain: true, .. } if matches!(text.as_str(), "" | "null" | "~"))
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        let Value::Map(entries) = &mut self.value else { return None };
        entries.iter_mut().find(|(name, _)| name == key).map(|(_, tree)| tree)
    }

    /// Puts something under a key of a mapping.
    pub(super) fn set(&mut self, key: &str, tree: Self) {
        let Value::Map(entries) = &mut self.value else { return };
        match entries.iter_mut().find(|(name, _)| name == key) {
            Some((_, known)) => *known = tree,
            None => entries.push((key.to_owned(), tree)),
        }
    }

    fn remove(&mut self, key: &str) {
        if let Value::Map(entries) = &mut self.value {
            entries.retain(|(name, _)| name != key);
        }
    }

    /// A strategic merge: mappings are merged, `null` and `$patch: delete` take away, lists are replaced but for some whose
    /// items have names.
    pub(super) fn merge(&mut self, patch: Self) {
        let Value::Map(entries) = patch.value else {
            *self = patch;
            return;
        };
        let replaces = entries.iter().any(|(key, tree)| key == "$patch" && tree.says("replace"));
        if replaces || !matches!(self.value, Value::Map(_)) {
            let kept = entries.into_iter().filter(|(key, tree)| key != "$patch" && !tree.is_null());
            *self = Self { value: Value::Map(kept.collect()), place: patch.place };
            return;
        }
        for (key, tree) in entries.into_iter().filter(|(key, _)| key != "$patch") {
            if tree.is_null() || tree.is_deletion() {
                self.remove(&key);
                continue;
            }
            let name = MERGED.iter().find(|(list, _)| *list == key).map(|(_, name)| *name);
            let Some(own) = self.get_mut(&key) else {
                self.set(&key, tree);
                continue;
            };
            match (&mut own.value, tree.value, name) {
                (Value::List(items), Value::List(more), Some(name)) => merge_items(items, more, name),
                (_, value, _) => own.merge(Self { value, place: tree.place }),
            }
        }
    }

    fn says(&self, word: &str) -> bool {
        matches!(&self.value, Value::Text { text, .. } if text == word)
    }

    /// Whether a patch takes away what it is for.
    pub(super) fn is_deletion(&self) -> bool {
        self.get("$patch").is_some_and(|patch| patch.says("delete"))
    }

    /// An operation of a JSON patch (RFC 6902). What it can't do here is left unknown.
    pub(super) fn apply(&mut self, operation: &Self) {
        let (Some(verb), Some(path)) = (operation.word("op"), operation.word("path")) else { return };
        let mut parts: Vec<String> =
            path.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
        let Some(last) = parts.pop() else { return };
        let mut at = self;
        for part in &parts {
            let next = match &mut at.value {
                Value::Map(entries) => entries.iter_mut().find(|(key, _)| key == part).map(|(_, tree)| tree),
                Value::List(items) => part.parse::<usize>().ok().and_then(|number| items.get_mut(number)),
                _ => None,
            };
            match next {
                Some(next) => at = next,
                None => return,
            }
        }
        let value = match verb {
            "add" | "replace" => operation.get("value").cloned(),
            "copy" | "move" => Some(Self { value: Value::Hole, place: operation.place }),
            "remove" => None,
            _ => return,
        };
        match (&mut at.value, value) {
            (Value::Map(_), Some(value)) => at.set(&last, value),
            (Value::Map(_), None) => at.remove(&last),
            (Value::List(items), Some(value)) => match last.parse::<usize>() {
                Ok(number) if verb == "replace" && number < items.len() => items[number] = value,
                Ok(number) if number <= items.len() => items.insert(number, value),
                _ => items.push(value),
            },
            (Value::List(items), None) => {
                if let Some(number) = last.parse::<usize>().ok().filter(|number| *number < items.len()) {
                    items.remove(number);
                }
            }
            _ => {}
        }
    }

    /// Writes it as YAML.
    pub(super) fn write(&self, indent: usize, into: &mut Written) {
        let blank = " ".repeat(indent);
        match &self.value {
            Value::Map(entries) => {
                for (key, tree) in entries {
                    tree.write_at(&format!("{blank}{}:", scalar(key, false)), indent, into);
                }
            }
            Value::List(items) => {
                for item in items {
                    item.write_at(&format!("{blank}-"), indent, into);
                }
            }
            Value::Text { text, plain, .. } => into.line(self.place, &format!("{blank}{}", scalar(text, *plain))),
            Value::Hole => into.line(self.place, &format!("{blank}\"{UNKNOWN}\"")),
        }
    }

    fn write_at(&self, head: &str, indent: usize, into: &mut Written) {
        match &self.value {
            Value::Map(entries) if entries.is_empty() => into.line(self.place, &format!("{head} {{}}")),
            Value::List(items) if items.is_empty() => into.line(self.place, &format!("{head} []")),
            Value::Map(_) | Value::List(_) => {
                into.line(self.place, head);
                self.write(indent + 2, into);
            }
            Value::Text { text, lines, .. } if is_block(text) => {
                into.line(self.place, &format!("{head} {}", if text.ends_with('\n') { "|" } else { "|-" }));
                for (number, line) in text.lines().enumerate() {
                    let place = lines.get(number).copied().unwrap_or(self.place);
                    into.line(place, &format!("{}{line}", " ".repeat(indent + 2)));
                }
            }
            Value::Text { text, plain, .. } => into.line(self.place, &format!("{head} {}", scalar(text, *plain))),
            Value::Hole => into.line(self.place, &format!("{head} \"{UNKNOWN}\"")),
        }
    }
}

fn merge_items(items: &mut Vec<Tree>, more: Vec<Tree>, name: &str) {
    for patch in more {
        let known = patch.word(name).and_then(|own| items.iter().position(|item| item.word(name) == Some(own)));
        match known {
            Some(number) if patch.is_deletion() => _ = items.remove(number),
            Some(number) => items[number].merge(patch),
            None => items.push(patch),
        }
    }
}

/// The place of each line of a text, where they stand in the file as they are.
fn lines(files: &Files, at: At<'_>, text: &str) -> Vec<Place> {
    let inner = kubernetes::inner(files, at);
    if inner.text.lines().count() != text.lines().count() {
        return Vec::new();
    }
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let mut start = 0;
    let places = inner.text.split_inclusive('\n').map(|line| {
        let (from, to) = inner.stretch(start + (line.len() - line.trim_start().len()), start + line.trim_end().len());
        start += line.len();
        Place { file: at.file, start: offset(from), end: offset(to.max(from)) }
    });
    places.collect()
}

/// Whether a text can be written as a block, line by line.
fn is_block(text: &str) -> bool {
    let plain = |c: char| c == '\n' || c == '\t' || !c.is_control();
    text.contains('\n') && !text.starts_with([' ', '\n', '\t']) && !text.ends_with("\n\n") && text.chars().all(plain)
}

/// A text on one line.
fn scalar(text: &str, plain: bool) -> String {
    let simple = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !matches!(text, "true" | "false" | "null" | "yes" | "no" | "on" | "off");
    if simple && (plain || word) { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}
