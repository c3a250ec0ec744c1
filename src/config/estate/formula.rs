//! Expressions of templates of Azure Resource Manager and of Bicep ("Template functions", "Bicep operators"), as far as they
//! can be known without deploying: names, texts, conditions, and the functions that put names together. Both write calls and
//! parts alike; in templates names are functions (`parameters('a')`), in Bicep they stand by themselves.

use super::evaluate::Evaluation;
use super::operators::{Cursor, Operators};
use super::{Language, Link, Value};
use crate::config::tree::At;
use crate::syntax::bicep;

/// Stands for a part of an id that is not known.
const UNKNOWN: char = '\u{0}';

/// Reads one expression.
pub(super) struct Formula<'r, 'e> {
    evaluation: &'r mut Evaluation<'e>,
    scope: usize,
    /// The node it stands in.
    node: At<'e>,
    cursor: Cursor<'r>,
    /// Only the last part of an id is asked for: what stands before it need not be known.
    tail: bool,
}

impl<'r, 'e> Formula<'r, 'e> {
    pub(super) const fn new(
        evaluation: &'r mut Evaluation<'e>,
        scope: usize,
        node: At<'e>,
        text: &'r str,
        tail: bool,
    ) -> Self {
        Self { evaluation, scope, node, cursor: Cursor::new(text), tail }
    }

    /// The value of the whole text.
    pub(super) fn read(mut self) -> Value<'e> {
        self.whole()
    }

    fn is_bicep(&self) -> bool {
        self.evaluation.estate.language == Language::Bicep
    }
}

impl<'r, 'e> Operators<'r, 'e> for Formula<'r, 'e> {
    fn cursor(&mut self) -> &mut Cursor<'r> {
        &mut self.cursor
    }

    fn operand(&mut self) -> Value<'e> {
        self.cursor.space();
        let rest = self.cursor.rest();
        let value = match rest.bytes().next() {
            Some(b'\'') => self.quoted(),
            Some(b'(') => self.bracketed(),
            Some(b'[' | b'{') => self.skipped(),
            Some(b'0'..=b'9') => self.number(),
            _ => self.named(),
        };
        self.parts(value)
    }
}

impl<'r, 'e> Formula<'r, 'e> {
    /// An object or a list that an expression makes.
    fn skipped(&mut self) -> Value<'e> {
        let mut open = 0usize;
        while let Some(byte) = self.cursor.rest().bytes().next() {
            match byte {
                b'\'' => {
                    self.cursor.at += bicep::string_length(self.cursor.rest()).unwrap_or(1);
                    continue;
                }
                b'[' | b'{' => open += 1,
                b']' | b'}' => open = open.saturating_sub(1),
                _ => {}
            }
            self.cursor.at += self.cursor.rest().chars().next().map_or(1, char::len_utf8);
            if open == 0 {
                return Value::Unknown;
            }
        }
        Value::Unknown
    }

    fn quoted(&mut self) -> Value<'e> {
        let rest = self.cursor.rest();
        if !self.is_bicep() {
            // A quote within is written twice.
            let mut end = 1;
            loop {
                match rest.get(end..).and_then(|more| more.find('\'')) {
                    None => return self.give_up(),
                    Some(more) if rest[end + more + 1..].starts_with('\'') => end += more + 2,
                    Some(more) => {
                        end += more;
                        break;
                    }
                }
            }
            self.cursor.at += end + 1;
            return Value::Text(rest[1..end].replace("''", "'"));
        }
        let Some(length) = bicep::string_length(rest) else { return self.give_up() };
        let start = self.cursor.at;
        self.cursor.at += length;
        let Some(inner) = bicep::quoted(self.cursor.text, start) else { return Value::Unknown };
        if rest.starts_with("'''") || !inner.text.contains("${") {
            return Value::Text(inner.text);
        }
        let inner = inner.text;
        let mut parts = Vec::new();
        let mut rest = inner.as_str();
        while let Some(open) = rest.find("${") {
            parts.push(Value::Text(rest[..open].to_owned()));
            let Some(close) = super::evaluate::closing(&rest[open + 2..]) else { return Value::Unknown };
            let source = &rest[open + 2..open + 2 + close];
            parts.push(self.evaluation.formula(self.scope, self.node, source, self.tail));
            rest = &rest[open + 2 + close + 1..];
        }
        parts.push(Value::Text(rest.to_owned()));
        self.joined(parts)
    }

    /// Texts one after the other.
    fn joined(&self, parts: Vec<Value<'e>>) -> Value<'e> {
        let mut text = String::new();
        for part in parts {
            match part {
                Value::Text(part) => text.push_str(&part),
                _ if self.tail => text.push(UNKNOWN),
                _ => return Value::Unknown,
            }
        }
        Value::Text(text)
    }

    fn word(&mut self) -> &'r str {
        let rest = self.cursor.rest();
        let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        self.cursor.at += length;
        &rest[..length]
    }

    /// A name, or a call.
    fn named(&mut self) -> Value<'e> {
        let word = self.word();
        if word.is_empty() {
            return self.give_up();
        }
        if self.cursor.rest().starts_with('(') {
            return self.call(word);
        }
        match word {
            "true" | "false" => Value::Text(word.to_owned()),
            "null" => Value::Absent,
            _ if self.is_bicep() => self.evaluation.declared(self.scope, word, self.tail),
            _ => Value::Unknown,
        }
    }

    /// The parts of a value that are picked behind it: `.a`, `['a']`, `[0]`, `::a`, `!`.
    fn parts(&mut self, mut value: Value<'e>) -> Value<'e> {
        loop {
            let rest = self.cursor.rest();
            if rest.starts_with("::") {
                self.cursor.at += 2;
                let word = self.word();
                value = self.evaluation.declared(self.scope, word, self.tail);
            } else if rest.starts_with('.') {
                self.cursor.at += if rest.starts_with(".?") { 2 } else { 1 };
                let word = self.word();
                if word.is_empty() {
                    return self.give_up();
                }
                if self.cursor.rest().starts_with('(') {
                    // A function of a resource or a namespace.
                    self.call(word);
                    value = Value::Unknown;
                } else {
                    value = self.evaluation.part(value, word);
                }
            } else if rest.starts_with('[') {
                self.cursor.at += 1;
                let index = self.choice();
                if !self.takes("]") {
                    return self.give_up();
                }
                value = match index {
                    Value::Text(index) => self.evaluation.part(value, &index),
                    _ => Value::Unknown,
                };
            } else if rest.starts_with('!') && !rest.starts_with("!=") {
                self.cursor.at += 1;
            } else {
                return value;
            }
        }
    }

    fn call(&mut self, function: &str) -> Value<'e> {
        let Some(given) = self.arguments() else { return Value::Unknown };
        self.called(&function.to_ascii_lowercase(), given)
    }

    /// What a function gives; they are written in any case.
    fn called(&mut self, function: &str, mut given: Vec<Value<'e>>) -> Value<'e> {
        let first = given.first().cloned().unwrap_or(Value::Unknown);
        match function {
            "parameters" | "variables" if !self.is_bicep() => match first {
                Value::Text(name) => self.evaluation.declared(self.scope, &name, self.tail),
                _ => Value::Unknown,
            },
            "true" | "false" => Value::Text(function.to_owned()),
            "null" => Value::Absent,
            "bool" | "string" | "int" | "any" | "trim" => first,
            "tolower" | "toupper" => match first {
                Value::Text(text) if function == "tolower" => Value::Text(text.to_lowercase()),
                Value::Text(text) => Value::Text(text.to_uppercase()),
                _ => Value::Unknown,
            },
            "concat" => self.joined(given),
            "format" if self.tail => match first {
                Value::Text(text) => Value::Text(text.replace(['{', '}'], "\u{0}")),
                _ => Value::Unknown,
            },
            // The id of a resource ends with its name.
            "resourceid" | "subscriptionresourceid" | "extensionresourceid" | "tenantresourceid" => match given.pop() {
                Some(Value::Text(name)) => Value::Text(format!("{UNKNOWN}/{name}")),
                _ => Value::Unknown,
            },
            "if" => match given.as_slice() {
                [condition, one, other] => Value::chosen(condition.as_bool(), one.clone(), other.clone()),
                _ => Value::Unknown,
            },
            "equals" => Value::known(given.get(1).and_then(|other| first.equals(other))),
            "not" => Value::known(first.as_bool().map(|known| !known)),
            "and" => Value::both(&given),
            "or" => Value::either(&given),
            "empty" => match first {
                Value::Absent => Value::known(Some(true)),
                Value::Text(text) => Value::known(Some(text.is_empty())),
                Value::Tree(field) => Value::known(Some(field.at.is_empty())),
                Value::List(_) | Value::Link(_) | Value::File(_) | Value::Unknown => Value::Unknown,
            },
            "coalesce" => given.into_iter().find(|value| !matches!(value, Value::Absent)).unwrap_or(Value::Absent),
            "loadtextcontent" => match first {
                Value::Text(path) => self.evaluation.estate.named(self.node.file, &path),
                _ => Value::Unknown,
            },
            _ => Value::Unknown,
        }
    }
}

impl<'e> Evaluation<'e> {
    /// What an expression amounts to; with `tail` the last part of an id may be all that is known of it.
    pub(super) fn formula(&mut self, scope: usize, at: At<'e>, text: &str, tail: bool) -> Value<'e> {
        self.deeper(|evaluation| Formula::new(evaluation, scope, at, text, tail).read())
    }

    /// What a parameter, a variable or a resource of that name is.
    fn declared(&mut self, scope: usize, name: &str, tail: bool) -> Value<'e> {
        let Some(names) = self.estate.scopes.get(scope) else { return Value::Unknown };
        let found = match (names.variables.get(name), names.locals.get(name)) {
            (Some(known), _) => *known,
            (None, Some(at)) => Some((scope, *at)),
            (None, None) if names.index.contains_key(name) => {
                return Value::Link(Link { scope, address: name.to_owned(), attribute: String::new() });
            }
            (None, None) => None,
        };
        match found {
            Some((scope, at)) => match source(at).filter(|_| tail) {
                Some(text) => self.formula(scope, at, text, tail),
                None => self.node(scope, at),
            },
            None => Value::Unknown,
        }
    }

    /// The last part of an id that an expression puts together.
    pub(super) fn last(&mut self, scope: usize, at: At<'e>, text: &str) -> Value<'e> {
        match self.formula(scope, at, text, true) {
            Value::Text(id) => match id.rsplit('/').next() {
                Some(name) if !name.contains(UNKNOWN) => Value::Text(name.to_owned()),
                _ => Value::Unknown,
            },
            Value::Link(link) => Value::Link(link),
            _ => Value::Unknown,
        }
    }
}

/// The expression that a node is, if it is one.
pub(super) fn source(at: At<'_>) -> Option<&str> {
    at.node.text().filter(|text| !text.starts_with("[["))?.strip_prefix('[')?.strip_suffix(']')
}
