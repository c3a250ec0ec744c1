//! Templates of CloudFormation and SAM, with their intrinsic functions.

use std::collections::BTreeMap;

use super::evaluate::{Evaluation, closing, plain};
use super::{Declared, Estate, Field, Language, Link, Scope, Sources, Value};
use crate::config::files::Files;
use crate::config::tree::At;
use crate::syntax::yaml::{Kind, Node};

impl<'e> Estate<'e> {
    /// A template.
    pub(super) fn of_template(number: u32, tree: &'e Node, sources: &'e Sources, files: &'e Files) -> Self {
        let root = At::root(number, tree);
        let entries = |key: &str| root.get(key).into_iter().flat_map(At::entries).collect::<Vec<_>>();
        let mut scope = Scope::default();
        for (name, body) in entries("Parameters") {
            scope.variables.insert(name, body.get("Default").map(|at| (0, at)));
        }
        let mut resources = Vec::new();
        for (name, outer) in entries("Resources") {
            let (Some(kind), body) = (outer.word("Type"), outer.get("Properties").unwrap_or(outer)) else { continue };
            scope.index.insert(name.to_owned(), resources.len());
            resources.push(Declared { kind, name, scope: 0, outer, body });
        }
        // What holds for all functions and APIs of a template of SAM.
        scope.outputs = entries("Globals").into_iter().collect::<BTreeMap<_, _>>();
        Self {
            language: Language::CloudFormation,
            files,
            scopes: vec![scope],
            resources,
            numbers: vec![number],
            documents: &sources.documents,
            missing: Vec::new(),
        }
    }

    /// What `Globals` says of one kind of resource: `Api`, `HttpApi`.
    pub fn globals(&'e self, kind: &str) -> Option<Field<'e>> {
        if self.language != Language::CloudFormation {
            return None;
        }
        let at = *self.scopes.first()?.outputs.get(kind)?;
        Some(Field { estate: self, scope: 0, at })
    }
}

impl<'e> Evaluation<'e> {
    pub(super) fn cloudformation(&mut self, scope: usize, at: At<'e>) -> Value<'e> {
        let Kind::Mapping(entries) = &at.node.kind else { return plain(self.estate, scope, at) };
        let [(key, given)] = entries.as_slice() else { return plain(self.estate, scope, at) };
        let given = At::root(at.file, given);
        match key.text() {
            Some("Ref") => given.text().map_or(Value::Unknown, |name| self.reference(scope, name, "")),
            Some("Fn::GetAtt") => {
                let whole = given.text().map(str::to_owned);
                let parts = || given.items().filter_map(At::text).collect::<Vec<_>>().join(".");
                let path = whole.unwrap_or_else(parts);
                let (name, attribute) = path.split_once('.').unwrap_or((&path, ""));
                self.reference(scope, name, attribute)
            }
            Some("Fn::Sub") => {
                // With a list, names of its own stand beside the text.
                let own = given.items().nth(1);
                let text = given.text().or_else(|| given.items().next()?.text());
                text.map_or(Value::Unknown, |text| self.substituted(scope, text, own))
            }
            Some("Fn::Join") => {
                let mut parts = given.items();
                let separator = parts.next().and_then(At::text).unwrap_or_default();
                let Some(list) = parts.next() else { return Value::Unknown };
                let values: Vec<Value<'e>> = list.items().map(|item| self.node(scope, item)).collect();
                joined(&values, separator)
            }
            Some("Fn::Transform") => {
                location(given.node).map_or(Value::Unknown, |path| self.estate.named(at.file, path))
            }
            Some(name) if name.starts_with("Fn::") || name == "Condition" => Value::Unknown,
            _ => plain(self.estate, scope, at),
        }
    }

    fn reference(&mut self, scope: usize, name: &str, attribute: &str) -> Value<'e> {
        let Some(names) = self.estate.scopes.get(scope) else { return Value::Unknown };
        if name == "AWS::NoValue" {
            return Value::Absent;
        }
        if names.index.contains_key(name) {
            return Value::Link(Link { scope, address: name.to_owned(), attribute: attribute.to_owned() });
        }
        match names.variables.get(name).copied().flatten() {
            Some((scope, at)) => self.node(scope, at),
            None => Value::Unknown,
        }
    }

    /// A text with `${Name}`, `${Name.Attribute}` or `${!literal}` in it.
    fn substituted(&mut self, scope: usize, text: &str, own: Option<At<'e>>) -> Value<'e> {
        let mut parts: Vec<Value<'e>> = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find("${") {
            parts.push(Value::Text(rest[..open].to_owned()));
            let Some(close) = closing(&rest[open + 2..]) else { return Value::Unknown };
            let name = rest[open + 2..open + 2 + close].trim();
            rest = &rest[open + 2 + close + 1..];
            let (first, attribute) = name.split_once('.').unwrap_or((name, ""));
            parts.push(match (name.strip_prefix('!'), own.and_then(|own| own.get(name))) {
                (Some(literal), _) => Value::Text(format!("${{{literal}}}")),
                (None, Some(at)) => self.node(scope, at),
                (None, None) => self.reference(scope, first, attribute),
            });
        }
        parts.push(Value::Text(rest.to_owned()));
        joined(&parts, "")
    }
}

/// The path of the file that a transform includes (`AWS::Include`).
fn location(transform: &Node) -> Option<&str> {
    let name = transform.get("Name").and_then(Node::text);
    transform.get("Parameters")?.get("Location")?.text().filter(|_| name == Some("AWS::Include"))
}

/// Calls back with the paths of descriptions of APIs that a template names.
pub(super) fn descriptions<'n>(node: &'n Node, found: &mut impl FnMut(&'n str)) {
    match &node.kind {
        Kind::Sequence(items) => items.iter().for_each(|item| descriptions(item, found)),
        Kind::Mapping(entries) => {
            for (key, value) in entries {
                match key.text() {
                    Some("DefinitionUri") => value.text().into_iter().for_each(&mut *found),
                    Some("Fn::Transform") => location(value).into_iter().for_each(&mut *found),
                    _ => descriptions(value, found),
                }
            }
        }
        Kind::Scalar { .. } | Kind::Hole => {}
    }
}

/// What parts make together: a text, or something of the one resource that is named among them.
fn joined<'e>(parts: &[Value<'e>], separator: &str) -> Value<'e> {
    let mut links: Vec<&Link> = parts
        .iter()
        .filter_map(|part| match part {
            Value::Link(link) => Some(link),
            _ => None,
        })
        .collect();
    links.dedup();
    match links.as_slice() {
        [link] => Value::Link((*link).clone()),
        [] => {
            let texts: Option<Vec<&str>> = parts
                .iter()
                .map(|part| match part {
                    Value::Text(text) => Some(text.as_str()),
                    _ => None,
                })
                .collect();
            texts.map_or(Value::Unknown, |texts| Value::Text(texts.join(separator)))
        }
        _ => Value::Unknown,
    }
}
