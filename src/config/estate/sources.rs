//! The texts that infrastructure as code is made of, read: modules, values for their variables, templates, and documents
//! that they name.

use std::collections::{BTreeMap, BTreeSet};

use super::deployment::Deployment;
use super::{Estate, cloudformation, export};
use crate::config::files::Files;
use crate::config::place::Place;
use crate::config::terraform::{self, folder, is_terraform, is_values};
use crate::syntax::yaml::{self, Kind, Node};
use crate::syntax::{bicep, hcl};

/// So many calls of `jsonencode` in a file are read as what they encode.
const MOST_ENCODED: usize = 256;

/// Whether a text may be part of the code without naming any product: variables, values, arguments of modules, descriptions
/// of APIs.
pub fn is_candidate(name: &str, text: &str) -> bool {
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    is_values(name)
        || is_terraform(name) && ["variable", "locals", "module", "output"].iter().any(|word| has(word))
        || is_description(name) && has("x-amazon-apigateway-integration")
        || is_bicep(name) && has("module ") && GATEWAYS.iter().any(|word| has(word))
}

/// Whether a file of that name may be the description of an API.
fn is_description(name: &str) -> bool {
    [".yaml", ".yml", ".json"].iter().any(|ending| name.ends_with(ending))
}

/// What modules are called that may have a gateway in them: of others there are too many.
const GATEWAYS: &[&str] =
    &["apim", "Apim", "APIM", "api-management", "apiManagement", "gateway", "Gateway", "appgw", "agw"];

/// Whether a file of that name is written in Bicep.
pub fn is_bicep(name: &str) -> bool {
    name.ends_with(".bicep")
}

/// Whether a template was made of Bicep.
fn is_made(text: &str) -> bool {
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    is_deployment(text) && has("\"_generator\"")
}

/// Whether a text is a template of Azure Resource Manager.
pub fn is_deployment(text: &str) -> bool {
    // For subscriptions and tenants the name of the schema has a word before it.
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    has("eploymentTemplate.json")
}

/// What was read.
#[derive(Debug, Default)]
pub struct Sources {
    /// Files of Terraform.
    pub(super) modules: BTreeMap<u32, Node>,
    /// Values for variables.
    pub(super) values: BTreeMap<u32, Node>,
    /// Templates of CloudFormation.
    pub(super) templates: BTreeMap<u32, Node>,
    /// Templates of Azure Resource Manager, in JSON or Bicep.
    pub(super) deployments: BTreeMap<u32, Deployment>,
    /// Exported resources of Google Cloud.
    pub(super) exports: BTreeMap<u32, Vec<Node>>,
    /// Other trees that the code names.
    pub(super) documents: BTreeMap<u32, Node>,
    /// Places that could not be read.
    pub holes: Vec<(Place, String)>,
}

impl Sources {
    /// Reads the texts that a front end has recognised, with all that may belong to them.
    pub fn read(files: &Files, own: &[u32]) -> Self {
        let mut sources = Self::default();
        if own.iter().any(|number| is_terraform(files.get(*number).path())) {
            for (number, text) in files.iter() {
                if is_terraform(text.path()) {
                    let (mut tree, error) = terraform::parse(text);
                    let mut left = MOST_ENCODED;
                    decode(&mut tree, &text.text, &mut left);
                    sources.modules.insert(number, tree);
                    if let Some(at) = error.filter(|_| own.contains(&number)) {
                        sources.hole(number, at, "it could only be read in part");
                    }
                } else if is_values(text.path()) {
                    sources.values.insert(number, hcl::parse(&text.text).body);
                }
            }
            sources.named(files);
        }
        if own.iter().any(|number| is_bicep(files.get(*number).path())) {
            // Those that name no product may call those that do.
            for (number, text) in files.iter().filter(|(_, text)| is_bicep(text.path())) {
                let file = bicep::parse(&text.text);
                sources.deployments.insert(number, Deployment::of(&file.template, true));
                if let Some(at) = file.error.filter(|_| own.contains(&number)) {
                    sources.hole(number, at, "it could only be read in part");
                }
            }
        }
        let read: BTreeSet<_> = sources.deployments.keys().map(|number| folder(files, *number)).collect();
        let other = |number: &&u32| {
            let text = files.get(**number);
            // What was made of Bicep says the same again.
            let again = || read.contains(&folder(files, **number)) && is_made(&text.text);
            !(is_terraform(text.path()) || is_bicep(text.path()) || again())
        };
        for number in own.iter().filter(other) {
            let mut stream = yaml::parse_functions(&files.get(*number).text);
            if stream.documents.iter().flat_map(export::resources).any(|one| export::collection(one).is_some()) {
                sources.exports.insert(*number, stream.documents);
                continue;
            }
            if stream.documents.is_empty() {
                continue;
            }
            let document = stream.documents.swap_remove(0);
            let schema = document.get("$schema").and_then(Node::text).unwrap_or_default();
            if document.get("Resources").is_some() {
                sources.templates.insert(*number, document);
            } else if is_deployment(schema) {
                sources.deployments.insert(*number, Deployment::of(&document, false));
            } else {
                continue;
            }
            if let Some((_, reason)) = stream.error {
                sources.hole(*number, 0, &format!("it could only be read in part: {reason}"));
            }
        }
        sources.described(files);
        sources
    }

    /// Everything that is deployed together, with the files that name each other.
    pub fn estates<'e>(&'e self, files: &'e Files) -> Vec<Estate<'e>> {
        let mut estates = Estate::of_modules(self, files);
        estates.extend(self.templates.iter().map(|(number, tree)| Estate::of_template(*number, tree, self, files)));
        estates.extend(Estate::of_deployments(self, files));
        estates.extend(Estate::of_exports(self, files));
        estates
    }

    fn hole(&mut self, file: u32, at: usize, reason: &str) {
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        self.holes.push((Place { file, start: at, end: at }, reason.to_owned()));
    }

    /// Reads the documents that the code names.
    fn named(&mut self, files: &Files) {
        let mut numbers: BTreeSet<u32> = BTreeSet::new();
        for (number, tree) in &self.modules {
            names(tree, &mut |path| {
                let path = path.strip_prefix("${path.module}/").or(path.strip_prefix("${path.root}/")).unwrap_or(path);
                numbers.extend(files.resolve(*number, *number, path.trim_start_matches("./")).first());
            });
        }
        self.keep(files, numbers);
    }

    /// Reads the descriptions of APIs that templates name.
    fn described(&mut self, files: &Files) {
        let mut numbers: BTreeSet<u32> = BTreeSet::new();
        for (number, tree) in &self.templates {
            cloudformation::descriptions(tree, &mut |path| {
                numbers.extend(files.resolve(*number, *number, path.trim_start_matches("./")).first());
            });
        }
        self.keep(files, numbers);
    }

    /// Keeps the trees of files that others name.
    fn keep(&mut self, files: &Files, numbers: BTreeSet<u32>) {
        for number in numbers {
            let mut stream = yaml::parse_broken(&files.get(number).text);
            if !stream.documents.is_empty() && stream.documents[0].text().is_none() {
                self.documents.insert(number, stream.documents.swap_remove(0));
            }
        }
    }
}

/// Calls back with the paths that `file(…)` and `templatefile(…)` name.
fn names(node: &Node, found: &mut impl FnMut(&str)) {
    match &node.kind {
        Kind::Scalar { text, .. } if text.starts_with("${") => {
            if let Some(at) = text.find("file(\"") {
                let rest = &text[at + 6..];
                found(rest.split('"').next().unwrap_or(rest));
            }
        }
        Kind::Sequence(items) => items.iter().for_each(|item| names(item, found)),
        Kind::Mapping(entries) => entries.iter().for_each(|(_, value)| names(value, found)),
        Kind::Scalar { .. } | Kind::Hole => {}
    }
}

/// Puts what `jsonencode(…)` encodes in its place.
fn decode(node: &mut Node, file: &str, left: &mut usize) {
    let encoded = |text: &str| {
        let call = ["jsonencode(", "yamlencode("].into_iter().find(|call| text.starts_with(call))?;
        Some(call.len())
    };
    match &mut node.kind {
        Kind::Scalar { plain: true, .. } => {
            let written = file.get(node.bytes.0..).unwrap_or_default();
            let Some(call) = encoded(written).filter(|_| *left > 0) else { return };
            *left -= 1;
            let inner = hcl::parse_expression(file, node.bytes.0 + call);
            node.kind = inner.kind;
            node.place = inner.place;
            node.bytes = inner.bytes;
        }
        Kind::Sequence(items) => items.iter_mut().for_each(|item| decode(item, file, left)),
        Kind::Mapping(entries) => entries.iter_mut().for_each(|(_, value)| decode(value, file, left)),
        Kind::Scalar { .. } | Kind::Hole => {}
    }
}
