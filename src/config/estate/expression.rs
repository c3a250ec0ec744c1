//! Expressions of Terraform (HCL native syntax specification, "Expressions"), as far as they can be known without running
//! it: names, texts, lists, conditions, comparisons, and the few functions that hand on what they are given.

use super::evaluate::{Evaluation, closing};
use super::operators::{Cursor, Operators};
use super::{Field, Link, Value};
use crate::config::tree::At;

/// Reads one expression.
pub(super) struct Reader<'r, 'e> {
    evaluation: &'r mut Evaluation<'e>,
    scope: usize,
    /// The node it stands in.
    node: At<'e>,
    cursor: Cursor<'r>,
}

impl<'r, 'e> Reader<'r, 'e> {
    pub(super) const fn new(evaluation: &'r mut Evaluation<'e>, scope: usize, node: At<'e>, text: &'r str) -> Self {
        Self { evaluation, scope, node, cursor: Cursor::new(text) }
    }

    /// The value of the whole text.
    pub(super) fn read(mut self) -> Value<'e> {
        self.whole()
    }
}

impl<'r, 'e> Operators<'r, 'e> for Reader<'r, 'e> {
    fn cursor(&mut self) -> &mut Cursor<'r> {
        &mut self.cursor
    }

    fn operand(&mut self) -> Value<'e> {
        self.cursor.space();
        let rest = self.cursor.rest();
        match rest.bytes().next() {
            Some(b'"') => self.quoted(),
            Some(b'(') => self.bracketed(),
            Some(b'[') => self.list(),
            Some(b'{') => {
                self.cursor.at += 1 + closing(&rest[1..]).map_or(rest.len() - 1, |end| end + 1);
                Value::Unknown
            }
            Some(b'0'..=b'9') => self.number(),
            _ => self.named(),
        }
    }
}

impl<'r, 'e> Reader<'r, 'e> {
    fn quoted(&mut self) -> Value<'e> {
        let rest = self.cursor.rest();
        let mut end = 1;
        let bytes = rest.as_bytes();
        while end < bytes.len() && bytes[end] != b'"' {
            end += match bytes[end] {
                b'\\' => 2,
                b'$' if bytes.get(end + 1) == Some(&b'{') => match rest.get(end + 2..).and_then(closing) {
                    Some(close) => close + 3,
                    None => return self.give_up(),
                },
                _ => 1,
            };
        }
        let Some(inner) = rest.get(1..end).filter(|_| end < bytes.len()) else { return self.give_up() };
        self.cursor.at += end + 1;
        if inner.contains("${") {
            return self.evaluation.template(self.scope, self.node, inner);
        }
        Value::Text(inner.replace("\\\"", "\"").replace("\\n", "\n"))
    }

    fn list(&mut self) -> Value<'e> {
        let start = self.cursor.at;
        self.cursor.at += 1;
        let mut values = Vec::new();
        loop {
            if self.takes("]") {
                return Value::List(values);
            }
            if self.cursor.rest().starts_with("for ") {
                break;
            }
            let before = self.cursor.at;
            values.push(self.choice());
            self.takes(",");
            if self.cursor.at == before || self.cursor.at >= self.cursor.text.len() {
                break;
            }
        }
        // One that is made by going through another is passed over.
        let mut open = 0usize;
        for (at, c) in self.cursor.text.get(start..).unwrap_or_default().char_indices() {
            match c {
                '[' => open += 1,
                ']' => open = open.saturating_sub(1),
                _ => continue,
            }
            if open == 0 {
                self.cursor.at = start + at + 1;
                return Value::Unknown;
            }
        }
        self.give_up()
    }

    /// A name with its parts, or a call.
    fn named(&mut self) -> Value<'e> {
        let word = self.word();
        if word.is_empty() {
            return self.give_up();
        }
        if self.cursor.rest().starts_with('(') {
            return self.call(word);
        }
        match word {
            "true" | "false" => return Value::Text(word.to_owned()),
            "null" => return Value::Absent,
            _ => {}
        }
        let path = self.parts(word);
        self.evaluation.name(self.scope, &path)
    }

    /// The names and indices of a reference.
    fn parts(&mut self, first: &str) -> Vec<String> {
        let mut path = vec![first.to_owned()];
        loop {
            let rest = self.cursor.rest();
            if let Some(after) = rest.strip_prefix('.') {
                self.cursor.at += 1;
                if after.starts_with('*') {
                    self.cursor.at += 1;
                    path.push("*".to_owned());
                    continue;
                }
                let word = self.word();
                if word.is_empty() {
                    return path;
                }
                // `a.b.0` is the old way to write `a.b[0]`.
                path.push(if word.bytes().all(|b| b.is_ascii_digit()) { format!("[{word}]") } else { word.to_owned() });
            } else if rest.starts_with('[') {
                let Some(end) = rest.find(']') else { return path };
                path.push(rest[..=end].to_owned());
                self.cursor.at += end + 1;
            } else {
                return path;
            }
        }
    }

    fn word(&mut self) -> &'r str {
        let rest = self.cursor.rest();
        let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).unwrap_or(rest.len());
        self.cursor.at += length;
        &rest[..length]
    }

    fn call(&mut self, function: &str) -> Value<'e> {
        let Some(given) = self.arguments() else { return Value::Unknown };
        let value = called(function, given, self.node, self.evaluation);
        // What follows picks a part of it.
        let path = self.parts("");
        match (value, path.len()) {
            (value, 1) => value,
            (Value::Link(link), _) => {
                let attribute = path.iter().skip(1).find(|part| !part.starts_with('[') && *part != "*");
                Value::Link(Link { attribute: attribute.cloned().unwrap_or(link.attribute), ..link })
            }
            _ => Value::Unknown,
        }
    }
}

/// What a function gives.
fn called<'e>(function: &str, given: Vec<Value<'e>>, node: At<'e>, evaluation: &Evaluation<'e>) -> Value<'e> {
    let links = |given: &[Value<'e>]| {
        let mut links: Vec<Link> = Vec::new();
        let mut walk = |value: &Value<'e>| match value {
            Value::Link(link) if !links.contains(link) => links.push(link.clone()),
            _ => {}
        };
        for value in given {
            match value {
                Value::List(values) => values.iter().for_each(&mut walk),
                value => walk(value),
            }
        }
        links
    };
    match function {
        "tostring" | "tonumber" | "tobool" | "nonsensitive" | "sensitive" | "trimspace" | "tolist" | "toset" => {
            given.into_iter().next().unwrap_or(Value::Unknown)
        }
        "lower" | "upper" => match given.into_iter().next() {
            Some(Value::Text(text)) if function == "lower" => Value::Text(text.to_lowercase()),
            Some(Value::Text(text)) => Value::Text(text.to_uppercase()),
            other => other.unwrap_or(Value::Unknown),
        },
        "coalesce" | "try" => {
            let mut given = given.into_iter();
            given.find(|value| !matches!(value, Value::Absent)).unwrap_or(Value::Absent)
        }
        "length" => match given.first() {
            Some(Value::List(values)) => Value::Text(values.len().to_string()),
            Some(Value::Tree(field)) => Value::Text(field.entries().len().max(items(*field)).to_string()),
            Some(Value::Text(text)) => Value::Text(text.chars().count().to_string()),
            _ => Value::Unknown,
        },
        "lookup" => match (given.first(), given.get(1), given.get(2)) {
            (Some(Value::Tree(field)), Some(Value::Text(key)), default) => {
                field.at(key).map_or_else(|| default.cloned().unwrap_or(Value::Unknown), Field::value)
            }
            _ => Value::Unknown,
        },
        "concat" if given.iter().all(|value| matches!(value, Value::List(_) | Value::Tree(_))) => Value::List(
            given
                .into_iter()
                .flat_map(|value| match value {
                    Value::List(values) => values,
                    Value::Tree(field) => field.items().into_iter().map(Value::Tree).map(known).collect(),
                    _ => Vec::new(),
                })
                .collect(),
        ),
        "file" | "templatefile" | "filebase64" => match given.first() {
            Some(Value::Text(path)) => evaluation.estate.named(node.file, path),
            _ => Value::Unknown,
        },
        // Whatever it does with one resource, what comes out is something of that one.
        _ => match links(&given).as_slice() {
            [link] => Value::Link(link.clone()),
            _ => Value::Unknown,
        },
    }
}

/// What an item of a list amounts to.
fn known(value: Value<'_>) -> Value<'_> {
    match value {
        Value::Tree(field) => field.value(),
        other => other,
    }
}

fn items(field: Field<'_>) -> usize {
    if field.entries().is_empty() { field.items().len() } else { 0 }
}
