//! Modules of Terraform and how they call each other: each call of a module that lies in the scan is a scope of its own,
//! with the arguments it is given.

use std::collections::{BTreeMap, BTreeSet};

use super::{Declared, Estate, Language, Scope, Sources};
use crate::config::files::Files;
use crate::config::terraform::{Folder, folder};
use crate::config::tree::At;
use crate::syntax::yaml::Node;

/// How deep modules may call each other.
pub(super) const DEEP: usize = 8;
/// So many scopes an estate may have.
pub(super) const MOST_SCOPES: usize = 512;
/// So many all estates may have.
pub(super) const MOST_IN_ALL: usize = 20_000;

/// The files of one folder.
#[derive(Default)]
struct Module<'e> {
    roots: Vec<At<'e>>,
    /// `terraform.tfvars` and `*.auto.tfvars`, which always hold.
    values: Vec<At<'e>>,
    /// Others, which hold when they are asked for.
    perhaps: Vec<At<'e>>,
}

impl<'e> Module<'e> {
    fn blocks(&self, kind: &str) -> impl Iterator<Item = (&'e str, At<'e>)> {
        let of = self.roots.iter().flat_map(|root| root.entries()).filter(move |(key, _)| *key == kind);
        of.flat_map(|(_, block)| block.items()).flat_map(At::entries)
    }

    /// The modules that it calls: name, folder, arguments; without a folder where the source is no path of the scan.
    fn calls(&self, here: &Folder<'_>) -> Vec<(&'e str, Option<String>, At<'e>)> {
        let path = |call: At<'_>| {
            let source = call.word("source")?;
            (source.starts_with("./") || source.starts_with("../")).then(|| joined(here.1, source))
        };
        self.blocks("module").map(|(name, call)| (name, path(call), call)).collect()
    }
}

/// The number of a folder's module, if the folder is one.
fn find(modules: &[(Folder<'_>, Module<'_>)], archive: Option<&str>, path: &str) -> Option<usize> {
    modules.binary_search_by(|((in_archive, folder), _)| (*in_archive, *folder).cmp(&(archive, path))).ok()
}

/// `a/b` and `../c` as `a/c`.
pub(super) fn joined(folder: &str, source: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in source.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

impl<'e> Estate<'e> {
    /// The root modules, each with what it calls. A module that another one calls is looked at as that calls it.
    pub(super) fn of_modules(sources: &'e Sources, files: &'e Files) -> Vec<Self> {
        let mut modules: BTreeMap<Folder<'e>, Module<'e>> = BTreeMap::new();
        for (number, tree) in &sources.modules {
            let module = modules.entry(folder(files, *number)).or_default();
            module.roots.push(At::root(*number, tree));
        }
        for (number, tree) in &sources.values {
            let name = files.get(*number).path().rsplit('/').next().unwrap_or_default();
            if let Some(module) = modules.get_mut(&folder(files, *number)) {
                let certain = name == "terraform.tfvars" || name.ends_with(".auto.tfvars");
                (if certain { &mut module.values } else { &mut module.perhaps }).push(At::root(*number, tree));
            }
        }
        let modules: Vec<(Folder<'e>, Module<'e>)> = modules.into_iter().collect();
        let mut called: BTreeSet<usize> = BTreeSet::new();
        for (here, module) in &modules {
            let paths = module.calls(here).into_iter().filter_map(|(_, path, _)| path);
            called.extend(paths.filter_map(|path| find(&modules, here.0, &path)));
        }
        let mut estates: Vec<Self> = Vec::new();
        let mut left = MOST_IN_ALL;
        for here in (0..modules.len()).filter(|here| !called.contains(here)) {
            let mut estate = Self {
                language: Language::Terraform,
                files,
                scopes: Vec::new(),
                resources: Vec::new(),
                numbers: Vec::new(),
                documents: &sources.documents,
                missing: Vec::new(),
            };
            estate.scope(&modules, here, None, 0, left.min(MOST_SCOPES));
            left = left.saturating_sub(estate.scopes.len());
            estate.numbers.sort_unstable();
            estate.numbers.dedup();
            estates.push(estate);
        }
        estates
    }

    /// Adds a module as it is called with `arguments`, and the modules it calls.
    fn scope(
        &mut self,
        modules: &[(Folder<'e>, Module<'e>)],
        here: usize,
        arguments: Option<(usize, At<'e>)>,
        depth: usize,
        most: usize,
    ) -> Option<usize> {
        let (here, module) = modules.get(here)?;
        let number = self.scopes.len();
        if depth > DEEP || number >= most {
            return None;
        }
        self.scopes.push(Scope::default());
        self.numbers.extend(module.roots.iter().map(|root| root.file));
        let mut scope = Scope::default();
        for (name, body) in module.blocks("variable") {
            scope.variables.insert(name, body.get("default").map(|at| (number, at)));
        }
        match arguments {
            Some((caller, given)) => {
                for (name, at) in given.entries() {
                    if let Some(known) = scope.variables.get_mut(name) {
                        *known = Some((caller, at));
                    }
                }
            }
            None => {
                let given = |roots: &[At<'e>]| roots.iter().flat_map(|root| root.entries()).collect::<Vec<_>>();
                self.numbers.extend(module.values.iter().map(|root| root.file));
                for (name, at) in given(&module.values) {
                    scope.variables.insert(name, Some((number, at)));
                }
                // Which of these is asked for can't be known; where all say the same it is all one.
                for (name, at) in given(&module.perhaps) {
                    let known = scope.variables.get(name).copied().flatten();
                    if known.is_none_or(|(_, known)| !same(known.node, at.node)) {
                        scope.variables.insert(name, None);
                    }
                }
            }
        }
        for locals in module.roots.iter().flat_map(|root| root.entries()).filter(|(key, _)| *key == "locals") {
            scope.locals.extend(locals.1.items().flat_map(At::entries));
        }
        for (name, body) in module.blocks("output") {
            scope.outputs.extend(body.get("value").map(|at| (name, at)));
        }
        for (kind, named) in module.blocks("resource") {
            for (name, outer) in named.items().flat_map(At::entries) {
                let body = outer.items().next().unwrap_or(outer);
                scope.index.insert(format!("{kind}.{name}"), self.resources.len());
                self.resources.push(Declared { kind, name, scope: number, outer, body });
            }
        }
        for (kind, named) in module.blocks("data") {
            for (name, outer) in named.items().flat_map(At::entries) {
                let body = outer.items().next().unwrap_or(outer);
                scope.index.insert(format!("data.{kind}.{name}"), self.resources.len());
                self.resources.push(Declared { kind: "data", name, scope: number, outer, body });
            }
        }
        for (name, path, call) in module.calls(here) {
            let child = path
                .and_then(|path| find(modules, here.0, &path))
                .and_then(|child| self.scope(modules, child, Some((number, call)), depth + 1, most));
            match child {
                Some(child) => _ = scope.modules.insert(name, child),
                None => {
                    let source = call.word("source").unwrap_or_default().to_owned();
                    self.missing.push((call.place(), source));
                }
            }
        }
        if let Some(place) = self.scopes.get_mut(number) {
            *place = scope;
        }
        Some(number)
    }
}

/// Whether two values are written alike.
fn same(a: &Node, b: &Node) -> bool {
    a.kind == b.kind
}
