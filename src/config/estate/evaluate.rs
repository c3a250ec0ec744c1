//! What a node of the code amounts to: literals as they are, templates with their parts, names looked up.

use super::expression::Reader;
use super::{Estate, Field, Language, Link, Value};
use crate::config::tree::At;
use crate::syntax::yaml::Kind;

/// How deep values may lead to others.
const DEEP: usize = 24;
/// So many values may be looked at for one.
const MOST: usize = 2_000;
/// Longer texts are not put together.
const LONGEST: usize = 64 * 1024;

/// The evaluation of one value. What it may cost is bounded, since names may name each other any number of times.
#[derive(Debug)]
pub(super) struct Evaluation<'e> {
    pub(super) estate: &'e Estate<'e>,
    depth: usize,
    steps: usize,
}

impl<'e> Evaluation<'e> {
    pub(super) const fn new(estate: &'e Estate<'e>) -> Self {
        Self { estate, depth: 0, steps: 0 }
    }

    /// What a node amounts to.
    pub(super) fn node(&mut self, scope: usize, at: At<'e>) -> Value<'e> {
        self.deeper(|evaluation| match evaluation.estate.language {
            // A document that the code names is no code.
            _ if scope == usize::MAX => plain(evaluation.estate, scope, at),
            Language::Terraform => evaluation.terraform(scope, at),
            Language::CloudFormation => evaluation.cloudformation(scope, at),
            Language::Deployment | Language::Bicep => evaluation.deployment(scope, at),
            Language::Export => evaluation.export(scope, at),
        })
    }

    /// One step further, as long as it does not go too far.
    pub(super) fn deeper(&mut self, step: impl FnOnce(&mut Self) -> Value<'e>) -> Value<'e> {
        self.steps += 1;
        if self.depth >= DEEP || self.steps > MOST {
            return Value::Unknown;
        }
        self.depth += 1;
        let value = step(self);
        self.depth -= 1;
        value
    }

    fn terraform(&mut self, scope: usize, at: At<'e>) -> Value<'e> {
        match at.node.text() {
            Some(text) if text.contains("${") || text.contains("%{") => self.template(scope, at, text),
            _ => plain(self.estate, scope, at),
        }
    }

    /// A text with `${…}` in it: what the parts make together. A text around one resource is a reference to it.
    pub(super) fn template(&mut self, scope: usize, at: At<'e>, text: &str) -> Value<'e> {
        if text.contains("%{") {
            return Value::Unknown;
        }
        let whole = text.strip_prefix("${").filter(|rest| closing(rest) == Some(rest.len() - 1));
        if let Some(inner) = whole.and_then(|rest| rest.get(..rest.len() - 1)) {
            return self.expression(scope, at, inner);
        }
        let mut joined = String::new();
        let mut links: Vec<Link> = Vec::new();
        let mut known = true;
        let mut rest = text;
        while let Some(open) = rest.find("${") {
            joined.push_str(&rest[..open]);
            let Some(close) = closing(&rest[open + 2..]) else { return Value::Unknown };
            match self.expression(scope, at, &rest[open + 2..open + 2 + close]) {
                Value::Text(text) if joined.len() + text.len() <= LONGEST => joined.push_str(&text),
                Value::Link(link) => links.push(link),
                _ => known = false,
            }
            rest = &rest[open + 2 + close + 1..];
        }
        joined.push_str(rest);
        links.dedup();
        match (links.as_slice(), known) {
            ([], true) => Value::Text(joined),
            ([link], _) => Value::Link(link.clone()),
            _ => Value::Unknown,
        }
    }

    fn expression(&mut self, scope: usize, at: At<'e>, text: &str) -> Value<'e> {
        self.deeper(|evaluation| Reader::new(evaluation, scope, at, text).read())
    }

    /// What a name of the language means: `var.a.b`, `local.c`, `module.d.e`, `aws_lb.f.arn`.
    pub(super) fn name(&mut self, scope: usize, path: &[String]) -> Value<'e> {
        let Some(names) = self.estate.scopes.get(scope) else { return Value::Unknown };
        let [first, rest @ ..] = path else { return Value::Unknown };
        let second = rest.first().map_or("", String::as_str);
        let (value, rest) = match first.as_str() {
            "var" => match names.variables.get(second).copied().flatten() {
                Some((scope, at)) => (self.node(scope, at), rest),
                None => return Value::Unknown,
            },
            "local" => match names.locals.get(second).copied() {
                Some(at) => (self.node(scope, at), rest),
                None => return Value::Unknown,
            },
            "module" => {
                let child = names.modules.get(second).copied();
                let output = rest.iter().skip(1).position(|part| !is_index(part)).map(|at| at + 1);
                let found = child.zip(output).and_then(|(child, output)| {
                    let at = self.estate.scopes.get(child)?.outputs.get(rest.get(output)?.as_str()).copied()?;
                    Some((child, at, output))
                });
                match found {
                    Some((child, at, output)) => (self.node(child, at), &rest[output..]),
                    None => return Value::Unknown,
                }
            }
            "path" => return Value::Text(".".to_owned()),
            "each" | "count" | "self" | "terraform" => return Value::Unknown,
            "data" if rest.len() >= 2 => return link(scope, &format!("data.{}.{}", rest[0], rest[1]), &rest[2..]),
            // A resource's type has its provider's name before it.
            kind if kind.contains('_') && !second.is_empty() => {
                return link(scope, &format!("{kind}.{second}"), &rest[1..]);
            }
            _ => return Value::Unknown,
        };
        rest.iter().skip(1).fold(value, |value, part| self.part(value, part))
    }

    /// A part of a value: `.name`, `["name"]`, `[0]`.
    pub(super) fn part(&mut self, value: Value<'e>, part: &str) -> Value<'e> {
        let name = part.trim_start_matches('[').trim_end_matches(']').trim_matches('"');
        match value {
            Value::Tree(field) => {
                let found = match &field.at.node.kind {
                    Kind::Sequence(items) => name.parse::<usize>().ok().and_then(|number| items.get(number)),
                    _ => None,
                };
                match (found, field.at.get(name)) {
                    (Some(node), _) => self.node(field.scope, At::root(field.at.file, node)),
                    (None, Some(at)) => self.node(field.scope, at),
                    (None, None) => Value::Unknown,
                }
            }
            Value::List(values) => {
                name.parse::<usize>().ok().and_then(|number| values.into_iter().nth(number)).unwrap_or(Value::Unknown)
            }
            Value::Link(link) if is_index(part) => Value::Link(link),
            Value::Link(link) => Value::Link(Link { attribute: name.to_owned(), ..link }),
            _ => Value::Unknown,
        }
    }
}

fn is_index(part: &str) -> bool {
    part.starts_with('[') || part == "*"
}

fn link<'e>(scope: usize, address: &str, rest: &[String]) -> Value<'e> {
    let attribute = rest.iter().find(|part| !is_index(part)).cloned().unwrap_or_default();
    Value::Link(Link { scope, address: address.to_owned(), attribute })
}

/// A node that is no expression.
pub(super) fn plain<'e>(estate: &'e Estate<'e>, scope: usize, at: At<'e>) -> Value<'e> {
    match &at.node.kind {
        Kind::Scalar { text, plain: true } if matches!(text.as_str(), "null" | "~" | "") => Value::Absent,
        Kind::Scalar { text, .. } if text.len() <= LONGEST => Value::Text(text.clone()),
        Kind::Scalar { .. } | Kind::Hole => Value::Unknown,
        Kind::Sequence(_) | Kind::Mapping(_) => Value::Tree(Field { estate, scope, at }),
    }
}

/// Where the brace closes that was opened before a text.
pub(super) fn closing(text: &str) -> Option<usize> {
    let mut open = 1usize;
    let mut quoted = false;
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' if quoted => _ = bytes.next(),
            b'"' => quoted = !quoted,
            // A template within a text is code again; its quotes come in pairs.
            b'{' => open += 1,
            b'}' => {
                open -= 1;
                if open == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}
