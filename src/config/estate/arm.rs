//! Templates of Azure Resource Manager in JSON: parameters with default values, variables, resources and their properties.

use super::evaluate::{Evaluation, plain};
use super::{Declared, Estate, Language, Scope, Sources, Value};
use crate::config::files::Files;
use crate::config::tree::At;
use crate::syntax::yaml::Node;

impl<'e> Estate<'e> {
    /// A template.
    pub(super) fn of_deployment(number: u32, tree: &'e Node, sources: &'e Sources, files: &'e Files) -> Self {
        let root = At::root(number, tree);
        let entries = |key: &str| root.get(key).into_iter().flat_map(At::entries).collect::<Vec<_>>();
        let mut scope = Scope::default();
        for (name, body) in entries("parameters") {
            scope.variables.insert(name, body.get("defaultValue").map(|at| (0, at)));
        }
        scope.locals = entries("variables").into_iter().collect();
        let mut resources = Vec::new();
        for item in root.list("resources") {
            let (Some(kind), Some(body)) = (item.word("type"), item.get("properties")) else { continue };
            // A name that is worked out is none to show.
            let name = item.word("name").filter(|name| !name.starts_with('[')).unwrap_or("app");
            resources.push(Declared { kind, name, scope: 0, outer: item.get("name").unwrap_or(item), body });
        }
        Self {
            language: Language::Deployment,
            files,
            scopes: vec![scope],
            resources,
            numbers: vec![number],
            documents: &sources.documents,
            missing: Vec::new(),
        }
    }
}

impl<'e> Evaluation<'e> {
    /// `[parameters('a')]` and `[variables('b')]` are looked up; whatever else is worked out is not known.
    pub(super) fn deployment(&mut self, scope: usize, at: At<'e>) -> Value<'e> {
        let text = at.node.text().filter(|text| text.starts_with('[') && !text.starts_with("[["));
        let Some(call) = text.and_then(|text| text.strip_prefix('[')?.strip_suffix(']')) else {
            return plain(self.estate, scope, at);
        };
        let Some(names) = self.estate.scopes.get(scope) else { return Value::Unknown };
        let named = |function: &str| call.strip_prefix(function)?.strip_prefix("('")?.strip_suffix("')");
        let found = match (named("parameters"), named("variables")) {
            (Some(name), _) => names.variables.get(name).copied().flatten().map(|(_, at)| at),
            (None, Some(name)) => names.locals.get(name).copied(),
            (None, None) => None,
        };
        found.map_or(Value::Unknown, |at| self.node(scope, at))
    }
}
