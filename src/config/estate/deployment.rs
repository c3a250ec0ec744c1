//! Templates of Azure Resource Manager in JSON and Bicep: parameters with default values or with what a module is given,
//! variables, resources, and modules that lie in the scan.

use std::collections::{BTreeMap, BTreeSet};

use super::evaluate::{Evaluation, plain};
use super::formula::source;
use super::terraform::{DEEP, MOST_IN_ALL, MOST_SCOPES, joined};
use super::{Declared, Estate, Language, Scope, Sources, Value, azure};
use crate::config::files::Files;
use crate::config::terraform::folder;
use crate::config::tree::At;
use crate::syntax::bicep;
use crate::syntax::inner::{self, Inner};
use crate::syntax::yaml::{Kind, Node};

/// A template.
#[derive(Debug)]
pub(super) struct Deployment {
    language: Language,
    parameters: Vec<(String, Option<Node>)>,
    variables: Vec<(String, Node)>,
    resources: Vec<Built>,
    modules: Vec<Module>,
}

#[derive(Debug)]
struct Built {
    kind: &'static str,
    /// How the template calls it.
    symbol: Option<String>,
    name: String,
    /// Where it is named.
    at: Node,
    body: Node,
}

#[derive(Debug)]
struct Module {
    /// Where it is called.
    at: Node,
    code: Code,
    arguments: Vec<(String, Node)>,
}

/// What a module is given: by which scope, and where that is written.
struct Given<'e> {
    caller: usize,
    file: u32,
    arguments: &'e [(String, Node)],
}

#[derive(Debug)]
enum Code {
    /// A file, by its path.
    Path(String),
    Inline(Box<Deployment>),
}

/// A template that is deployed as part of another one.
const NESTED: &str = "Microsoft.Resources/deployments";
/// How deep templates may stand in each other.
const MAX_NESTED: usize = 6;

impl Deployment {
    /// Takes what is of use out of a tree.
    pub(super) fn of(tree: &Node, is_bicep: bool) -> Self {
        Self::read(tree, is_bicep, 0)
    }

    fn read(tree: &Node, is_bicep: bool, depth: usize) -> Self {
        let entries = |key: &str| tree.get(key).map(Node::entries).unwrap_or_default();
        let named = |key: &Node| key.text().unwrap_or_default().to_owned();
        let mut deployment = Self {
            language: if is_bicep { Language::Bicep } else { Language::Deployment },
            parameters: Vec::new(),
            variables: Vec::new(),
            resources: Vec::new(),
            modules: Vec::new(),
        };
        for (key, body) in entries("parameters") {
            deployment.parameters.push((named(key), body.get("defaultValue").map(azure::listed)));
        }
        for (key, value) in entries("variables") {
            deployment.variables.push((named(key), azure::listed(value)));
        }
        for (_, body) in entries("modules") {
            let Some(source) = body.get("source").filter(|source| source.text().is_some()) else { continue };
            let arguments = body.get("params").map(Node::entries).unwrap_or_default();
            deployment.modules.push(Module {
                at: source.clone(),
                code: Code::Path(named(source)),
                arguments: arguments.iter().map(|(key, value)| (named(key), azure::listed(value))).collect(),
            });
        }
        deployment.resources(tree.get("resources"), "", None, depth);
        deployment
    }

    /// The resources of a list, or of a mapping from what they are called; below `outer`, the type of the one they stand in.
    fn resources(&mut self, list: Option<&Node>, outer: &str, holder: Option<&str>, depth: usize) {
        let items: Vec<&Node> = match list.map(|list| &list.kind) {
            Some(Kind::Sequence(items)) => items.iter().collect(),
            Some(Kind::Mapping(entries)) => entries.iter().map(|(_, item)| item).collect(),
            _ => Vec::new(),
        };
        for item in items {
            let word = |key: &str| item.get(key).and_then(Node::text);
            let Some(kind) = word("type") else { continue };
            let bare = kind.split('@').next().unwrap_or(kind);
            let whole =
                if outer.is_empty() || bare.contains('.') { bare.to_owned() } else { format!("{outer}/{bare}") };
            if depth >= MAX_NESTED || word("condition") == Some("false") {
                continue;
            }
            if whole.eq_ignore_ascii_case(NESTED) {
                self.nested(item, depth);
                continue;
            }
            let symbol = word(bicep::SYMBOL);
            if let Some((known, called)) = azure::kind(&whole) {
                // All policies have the same name.
                let telling = |name: &&Node| source_of(name).is_none() && name.text() != Some("policy");
                let name = item.get("name").filter(telling);
                let at = item.get(bicep::SYMBOL).or(item.get("name")).unwrap_or(item);
                let name = name.and_then(Node::text).or(symbol).unwrap_or(called);
                let mut body = azure::settings(known, item);
                // What stands in another resource belongs to it.
                if let (Some(holder), Kind::Mapping(entries)) = (holder, &mut body.kind) {
                    for key in ["api_name", "api_management_name"] {
                        let scalar = |text: String| Node { kind: Kind::Scalar { text, plain: false }, ..at.clone() };
                        entries.push((scalar(key.to_owned()), scalar(format!("[{holder}]"))));
                    }
                }
                self.resources.push(Built {
                    // What is declared elsewhere has settings that are not seen.
                    kind: if item.get(bicep::EXISTING).is_some() { "data" } else { known },
                    symbol: symbol.map(str::to_owned),
                    name: name.rsplit('/').next().unwrap_or(name).to_owned(),
                    at: at.clone(),
                    body,
                });
            }
            for (_, inner) in item.entries().iter().filter(|(key, _)| key.text() == Some("resources")) {
                self.resources(Some(inner), &whole, symbol, depth + 1);
            }
        }
    }

    /// A template within. By default its expressions are the outer one's.
    fn nested(&mut self, item: &Node, depth: usize) {
        let Some(properties) = item.get("properties") else { return };
        let Some(template) = properties.get("template") else { return };
        let scope = properties.get("expressionEvaluationOptions").and_then(|options| options.get("scope"));
        if scope.and_then(Node::text).is_none_or(|scope| !scope.eq_ignore_ascii_case("inner")) {
            self.resources(template.get("resources"), "", None, depth + 1);
            return;
        }
        let given = properties.get("parameters").map(Node::entries).unwrap_or_default();
        let argument = |(key, given): &(Node, Node)| {
            Some((key.text()?.to_owned(), azure::listed(given.get("value").unwrap_or(given))))
        };
        self.modules.push(Module {
            at: item.get("name").unwrap_or(item).clone(),
            arguments: given.iter().filter_map(argument).collect(),
            code: Code::Inline(Box::new(Self::read(template, false, depth + 1))),
        });
    }
}

/// The source of an expression that a node is.
fn source_of(node: &Node) -> Option<&str> {
    source(At::root(0, node))
}

/// All templates by the folder's archive and the path.
type Paths<'e> = BTreeMap<(Option<&'e str>, String), u32>;

impl<'e> Estate<'e> {
    /// The templates, each with the modules it calls. One that another one calls is looked at as that calls it.
    pub(super) fn of_deployments(sources: &'e Sources, files: &'e Files) -> Vec<Self> {
        let all = &sources.deployments;
        let path = |number: u32| (folder(files, number).0, joined("", files.get(number).path()));
        let paths: Paths<'e> = all.keys().map(|number| (path(*number), *number)).collect();
        let called: BTreeSet<u32> = all
            .iter()
            .flat_map(|(number, one)| one.modules.iter().filter_map(|module| module.file(files, *number, &paths)))
            .collect();
        let mut left = MOST_IN_ALL;
        let mut estates = Vec::new();
        for (number, deployment) in all.iter().filter(|(number, _)| !called.contains(number)) {
            let mut estate = Self {
                language: deployment.language,
                files,
                scopes: Vec::new(),
                resources: Vec::new(),
                numbers: Vec::new(),
                documents: &sources.documents,
                missing: Vec::new(),
            };
            estate.template(sources, &paths, (*number, deployment), None, 0, left.min(MOST_SCOPES));
            left = left.saturating_sub(estate.scopes.len());
            estate.numbers.sort_unstable();
            estate.numbers.dedup();
            estates.push(estate);
        }
        estates
    }

    /// Adds a template with what it is given, and those it calls.
    fn template(
        &mut self,
        sources: &'e Sources,
        paths: &Paths<'e>,
        (file, deployment): (u32, &'e Deployment),
        given: Option<Given<'e>>,
        depth: usize,
        most: usize,
    ) {
        let number = self.scopes.len();
        if depth > DEEP || number >= most {
            return;
        }
        let at = |node: &'e Node| At::root(file, node);
        self.numbers.push(file);
        let mut scope = Scope::default();
        for (name, default) in &deployment.parameters {
            scope.variables.insert(name, default.as_ref().map(|node| (number, at(node))));
        }
        if let Some(given) = given {
            for (name, node) in given.arguments {
                scope.variables.insert(name, Some((given.caller, At::root(given.file, node))));
            }
        }
        scope.locals = deployment.variables.iter().map(|(name, node)| (name.as_str(), at(node))).collect();
        for built in &deployment.resources {
            if let Some(symbol) = &built.symbol {
                scope.index.insert(symbol.clone(), self.resources.len());
            }
            self.resources.push(Declared {
                kind: built.kind,
                name: &built.name,
                scope: number,
                outer: at(&built.at),
                body: at(&built.body),
            });
        }
        self.scopes.push(scope);
        for module in &deployment.modules {
            let code = match &module.code {
                Code::Inline(inner) => Some((file, &**inner)),
                Code::Path(_) => module
                    .file(self.files, file, paths)
                    .and_then(|number| Some((number, sources.deployments.get(&number)?))),
            };
            match code.filter(|(_, code)| code.language == self.language) {
                Some(code) => {
                    let given = Given { caller: number, file, arguments: &module.arguments };
                    self.template(sources, paths, code, Some(given), depth + 1, most);
                }
                None => self.missing.push((at(&module.at).place(), module.at.text().unwrap_or_default().to_owned())),
            }
        }
    }
}

impl Module {
    /// The file of a module, if it is one of the scan.
    fn file<'f>(&self, files: &'f Files, from: u32, paths: &Paths<'f>) -> Option<u32> {
        let Code::Path(path) = &self.code else { return None };
        // Others come from a registry.
        if path.contains(':') {
            return None;
        }
        let (archive, folder) = folder(files, from);
        paths.get(&(archive, joined(folder, path))).copied()
    }
}

impl<'e> Evaluation<'e> {
    /// A literal as it is, an expression as far as it is known; of an id that is named alone, its last part.
    pub(super) fn deployment(&mut self, scope: usize, at: At<'e>) -> Value<'e> {
        match source(at) {
            Some(text) => match text.strip_prefix('#') {
                Some(id) => self.last(scope, at, id),
                None => self.formula(scope, at, text, false),
            },
            None => match plain(self.estate, scope, at) {
                Value::Text(text) if text.starts_with("[[") => Value::Text(text[1..].to_owned()),
                value => value,
            },
        }
    }

    /// The text that a setting leads to, with the file that it is written in; what is put into it stays as it is written.
    pub(super) fn written(&mut self, scope: usize, at: At<'e>, depth: usize) -> Option<(u32, Inner)> {
        let file = at.file;
        let text = self.estate.files.get(file);
        let Some(expression) = source(at) else {
            let inner = match self.estate.language {
                Language::Bicep => bicep::quoted(&text.text, at.node.bytes.0),
                _ => inner::at(&text.text, at.node.bytes.0),
            };
            return inner.map(|inner| (file, inner));
        };
        // What fills in or replaces parts of a text leaves the rest.
        let mut offset = 0;
        while let Some(call) = ["format(", "replace("].into_iter().find(|call| expression[offset..].starts_with(call)) {
            offset += call.len();
            let rest = &expression[offset..];
            offset += rest.len() - rest.trim_start().len();
        }
        let first = &expression[offset..];
        if first.starts_with('\'') {
            let start = at.node.bytes.0 + offset;
            return (self.estate.language == Language::Bicep)
                .then(|| bicep::quoted(&text.text, start))
                .flatten()
                .map(|inner| (file, inner));
        }
        let first = &first[..argument(first)];
        let name = first.trim();
        let name = ["variables('", "parameters('"]
            .into_iter()
            .find_map(|call| name.strip_prefix(call)?.strip_suffix("')"))
            .unwrap_or(name);
        let names = self.estate.scopes.get(scope)?;
        let found = match names.variables.get(name) {
            Some(known) => *known,
            None => names.locals.get(name).map(|at| (scope, *at)),
        };
        if let Some((scope, at)) = found.filter(|_| depth < DEEP) {
            return self.written(scope, at, depth + 1);
        }
        match self.formula(scope, at, first, false) {
            Value::File(number) => {
                let text = &self.estate.files.get(number).text;
                Some((number, Inner::whole(text, 0, text.len())))
            }
            _ => None,
        }
    }
}

/// How long the first argument is that a text begins with.
fn argument(text: &str) -> usize {
    let mut open = 0usize;
    let mut at = 0;
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            b'\'' => {
                at += text.get(at..).and_then(bicep::string_length).unwrap_or(1);
                continue;
            }
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' | b',' if open == 0 => return at,
            b')' | b']' | b'}' => open -= 1,
            _ => {}
        }
        at += 1;
    }
    text.len()
}
