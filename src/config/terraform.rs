//! Terraform as one folder has it: the files of a module together, in native syntax or JSON, with the literals that
//! variables and locals stand for. What can't be known without running Terraform stays unknown.

use std::collections::BTreeMap;

use super::files::{Files, Text};
use super::tree::At;
use crate::syntax::hcl;
use crate::syntax::yaml::{self, Node};

/// So many steps from a reference to its value.
const MAX_STEPS: usize = 4;

/// Whether a file of that name is Terraform's.
pub fn is_terraform(name: &str) -> bool {
    name.ends_with(".tf") || name.ends_with(".tf.json") || name.ends_with(".tofu")
}

/// Whether a file of that name gives values to variables.
pub fn is_values(name: &str) -> bool {
    name.ends_with(".tfvars")
}

/// A folder whose files are one module: the archive it lies in, if any, and its path.
pub type Folder<'a> = (Option<&'a str>, &'a str);

/// The folder of a file.
pub fn folder(files: &Files, number: u32) -> Folder<'_> {
    let text = files.get(number);
    let archive = text.origin.member.is_some().then_some(&*text.origin.path);
    (archive, text.path().rsplit_once('/').map_or("", |(folder, _)| folder))
}

/// The tree of a file of Terraform, and where it could not be read.
pub fn parse(text: &Text) -> (Node, Option<usize>) {
    if text.path().ends_with(".json") {
        let mut stream = yaml::parse_broken(&text.text);
        let error = stream.error.map(|_| 0);
        let hole =
            Node { kind: yaml::Kind::Hole, place: crate::span::LineColumn { line: 1, column: 1 }, bytes: (0, 0) };
        return (if stream.documents.is_empty() { hole } else { stream.documents.swap_remove(0) }, error);
    }
    let file = hcl::parse(&text.text);
    (file.body, file.error)
}

/// The trees of a folder.
#[derive(Debug)]
pub struct Trees(Vec<(u32, Node)>);

impl Trees {
    /// Reads these files, and says which could not be read from where on.
    pub fn read(files: &Files, numbers: &[u32]) -> (Self, Vec<(u32, usize)>) {
        let mut trees = Vec::new();
        let mut errors = Vec::new();
        for number in numbers {
            let (tree, error) = parse(files.get(*number));
            errors.extend(error.map(|at| (*number, at)));
            trees.push((*number, tree));
        }
        (Self(trees), errors)
    }

    /// What they declare.
    pub fn module(&self) -> Module<'_> {
        let mut module = Module {
            roots: self.0.iter().map(|(file, node)| At::root(*file, node)).collect(),
            values: BTreeMap::new(),
        };
        let roots = module.roots.clone();
        for root in roots {
            for (kind, block) in root.entries() {
                match kind {
                    "variable" => {
                        for (name, body) in block.entries() {
                            if let Some(default) = body.get("default") {
                                module.values.insert(format!("var.{name}"), default);
                            }
                        }
                    }
                    "locals" => {
                        for (name, value) in block.entries() {
                            module.values.insert(format!("local.{name}"), value);
                        }
                    }
                    _ => {}
                }
            }
        }
        module
    }
}

/// What the files of a folder declare; by default nothing, to read other trees with the same code.
#[derive(Debug, Default)]
pub struct Module<'a> {
    roots: Vec<At<'a>>,
    values: BTreeMap<String, At<'a>>,
}

impl<'a> Module<'a> {
    /// All resources of a type: name and body.
    pub fn resources(&self, kind: &str) -> Vec<(&'a str, At<'a>)> {
        self.roots
            .iter()
            .flat_map(|root| root.entries())
            .filter(|(key, _)| *key == "resource")
            .flat_map(|(_, types)| types.entries().collect::<Vec<_>>())
            .filter(|(name, _)| *name == kind)
            .flat_map(|(_, named)| named.entries().collect::<Vec<_>>())
            .collect()
    }

    /// What a value is once references to variables with a default and to locals are followed.
    pub fn follow(&self, at: At<'a>) -> At<'a> {
        let mut at = at;
        for _ in 0..MAX_STEPS {
            let reference = at.node.text().and_then(|text| text.strip_prefix("${")?.strip_suffix('}'));
            match reference.and_then(|reference| self.values.get(reference.trim())) {
                Some(next) => at = *next,
                None => break,
            }
        }
        at
    }

    /// The text of a value; nothing where it is not known.
    pub fn text(&self, at: At<'a>) -> Option<&'a str> {
        self.follow(at).text().filter(|text| !text.contains("${") && !text.contains("%{"))
    }

    /// A whole number; products of numbers are worked out, `24 * 60 * 60`.
    pub fn number(&self, at: At<'a>) -> Option<i64> {
        let text = self.follow(at).text()?;
        let text = text.strip_prefix("${").and_then(|text| text.strip_suffix('}')).unwrap_or(text);
        text.split('*').try_fold(1i64, |product, factor| {
            let factor = factor.trim().trim_start_matches('(').trim_end_matches(')').trim();
            product.checked_mul(factor.parse().ok()?)
        })
    }

    /// A switch; nothing where it is not known.
    pub fn switch(&self, at: At<'a>) -> Option<bool> {
        match self.text(at)? {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }
}
