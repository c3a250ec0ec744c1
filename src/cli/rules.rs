//! `keybound rules list`, `keybound rules docs`, `keybound rules check`

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use super::args::{RulesArgs, RulesCommand};
use super::scan::{catalogue, rule_files};
use super::{Failure, code};
use crate::rules::{Catalogue, Family, docs as rendering, unsplit};
use crate::token::engine::Engine;
use crate::token::scanner::{Scanner, Window};

pub(super) fn run(args: &RulesArgs) -> Result<u8, Failure> {
    match &args.command {
        RulesCommand::List { json } => list(*json),
        RulesCommand::Docs { folder, table } => docs(folder, table.as_deref()),
        RulesCommand::Known(args) => super::known::run(args),
        RulesCommand::Check { paths } => check(paths),
    }
}

fn list(json: bool) -> Result<u8, Failure> {
    let catalogue = catalogue(&[])?;
    let mut out = io::stdout().lock();
    let families = catalogue.families.iter().map(|f| (f.slug, "family", "", f.title));
    let checks = catalogue.checks().into_iter().map(|c| (c.slug, "check", c.severity.word(), c.title));
    for (slug, kind, severity, title) in checks.chain(families) {
        if json {
            writeln!(out, "{}", serde_json::json!({"slug": slug, "kind": kind, "severity": severity, "title": title}))?;
        } else {
            writeln!(out, "{slug:<30} {kind:<7} {severity:<9} {title}")?;
        }
    }
    Ok(code::CLEAN)
}

/// Writes every page that differs, and removes rendered ones that no rule stands behind any more.
fn docs(folder: &Path, table: Option<&Path>) -> Result<u8, Failure> {
    let catalogue = catalogue(&[])?;
    let failed = |path: &Path, error: io::Error| Failure::message(format!("{}: {error}", path.display()));
    let pages = rendering::pages(&catalogue);
    let mut written = 0;
    let mut write = |path: &Path, text: &str| -> Result<(), Failure> {
        if fs::read_to_string(path).is_ok_and(|old| old == text) {
            return Ok(());
        }
        written += 1;
        let parent = path.parent().unwrap_or(path);
        fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
        fs::write(path, text).map_err(|error| failed(path, error))
    };
    for (name, text) in &pages {
        write(&folder.join(name), text)?;
    }
    if let Some(path) = table {
        let text = fs::read_to_string(path).map_err(|error| failed(path, error))?;
        let name = folder.display().to_string();
        match rendering::with_table(&catalogue, name.trim_end_matches('/'), &text) {
            Some(text) => write(path, &text)?,
            None => {
                let (begin, end) = rendering::TABLE;
                return Err(Failure::message(format!("{}: no lines `{begin}` and `{end}`", path.display())));
            }
        }
    }
    let mut removed = 0;
    for part in ["rules", "tokens"] {
        for entry in fs::read_dir(folder.join(part)).into_iter().flatten().flatten() {
            let name = format!("{part}/{}", entry.file_name().to_string_lossy());
            let ours = fs::read_to_string(entry.path()).is_ok_and(|text| text.starts_with(rendering::MARK));
            if ours && !pages.contains_key(&name) {
                fs::remove_file(entry.path()).map_err(|error| failed(&entry.path(), error))?;
                removed += 1;
            }
        }
    }
    writeln!(io::stdout().lock(), "{} pages, {written} files written, {removed} removed", pages.len())?;
    Ok(code::CLEAN)
}

/// Every hit must be found as its family, no miss may be.
fn check(paths: &[std::path::PathBuf]) -> Result<u8, Failure> {
    let engine;
    let mut own: Vec<Family> = Vec::new();
    let families: Vec<&Family> = if paths.is_empty() {
        engine = Engine::new(catalogue(&[])?);
        engine.catalogue.families.iter().collect()
    } else {
        let mut files = Vec::new();
        for path in paths {
            files.extend(rule_files(path)?);
        }
        for (name, text) in &files {
            let families = Catalogue::families_of(name, text).map_err(|e| Failure::message(e.to_string()))?;
            if families.is_empty() {
                return Err(Failure::message(format!("{name}: no families")));
            }
            own.extend(families);
        }
        engine = Engine::new(catalogue(paths)?);
        own.iter().collect()
    };
    let mut out = io::stdout().lock();
    let mut failures = 0;
    let mut samples = 0;
    for family in &families {
        samples += family.hits.len() + family.misses.len();
        for problem in problems(&engine, family) {
            failures += 1;
            writeln!(out, "{}: {problem}", family.slug)?;
        }
    }
    writeln!(out, "{} families, {samples} samples, {failures} wrong", families.len())?;
    Ok(if failures == 0 { code::CLEAN } else { code::FINDINGS })
}

/// What is wrong with a family's samples. Samples are named by their position: they may hold real tokens.
pub(super) fn problems(engine: &Engine, family: &Family) -> Vec<String> {
    let mut problems = Vec::new();
    if family.hits.is_empty() || family.misses.is_empty() {
        problems.push("needs both hits and misses".to_owned());
    }
    for (number, hit) in family.hits.iter().enumerate() {
        let found = families_in(engine, &unsplit(hit));
        if !found.contains(&family.slug) {
            let instead = if found.is_empty() { String::new() } else { format!(" (found: {})", found.join(", ")) };
            problems.push(format!("hit {} is not found{instead}", number + 1));
        }
    }
    for (number, miss) in family.misses.iter().enumerate() {
        if families_in(engine, &unsplit(miss)).contains(&family.slug) {
            problems.push(format!("miss {} is found", number + 1));
        }
    }
    problems
}

fn families_in(engine: &Engine, sample: &str) -> Vec<&'static str> {
    let mut scanner = Scanner::new(engine);
    let bytes = sample.as_bytes();
    scanner.scan(Window { bytes, base: 0, from: 0, to: bytes.len(), more: false });
    scanner.tokens.iter().map(|token| engine.catalogue.families[usize::from(token.facts.family)].slug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_family_proves_itself() {
        let engine = Engine::new(Catalogue::embedded().unwrap_or_else(|e| panic!("{e}")));
        let all: Vec<String> = engine
            .catalogue
            .families
            .iter()
            .flat_map(|family| problems(&engine, family).into_iter().map(move |p| format!("{}: {p}", family.slug)))
            .collect();
        assert!(all.is_empty(), "{}", all.join("\n"));
    }
}
