//! What is rendered from the rule files is as they are now: `docs/`, and the table of issuers in the README.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use keybound::rules::{Catalogue, docs};

/// How it is renewed.
const RENEW: &str = "run `make docs` and commit what it writes";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn catalogue() -> Catalogue {
    Catalogue::embedded().unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn the_pages_are_as_the_rules_are() {
    let pages = docs::pages(&catalogue());
    let stale: Vec<&String> = pages
        .iter()
        .filter(|(name, text)| fs::read_to_string(root().join("docs").join(name)).ok().as_ref() != Some(text))
        .map(|(name, _)| name)
        .collect();
    assert!(stale.is_empty(), "docs/ is stale, {RENEW}: {stale:?}");
    for part in ["rules", "tokens"] {
        for entry in fs::read_dir(root().join("docs").join(part)).expect("docs") {
            let name = format!("{part}/{}", entry.expect("an entry").file_name().to_string_lossy());
            assert!(pages.contains_key(&name), "docs/{name} has no rule any more, {RENEW}");
        }
    }
}

#[test]
fn the_table_in_the_readme_is_as_the_rules_are() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    let renewed = docs::with_table(&catalogue(), "docs", &readme).expect("the README has the two marks");
    assert!(readme == renewed, "the table of issuers in the README is stale, {RENEW}");
}

#[test]
fn every_rule_has_its_page_and_every_link_leads_somewhere() {
    let catalogue = catalogue();
    let pages = docs::pages(&catalogue);
    let index = &pages["README.md"];
    for check in catalogue.checks() {
        let page = &pages[&format!("rules/{}.md", check.slug)];
        assert!(page.contains(check.title) && page.contains("## Bad") && page.contains("## Taxonomies"), "{page}");
        assert!(index.contains(&format!("(rules/{}.md)", check.slug)), "{}", check.slug);
    }
    for family in &catalogue.families {
        assert!(index.contains(&format!("| [{}](tokens/", family.slug)), "{}", family.slug);
    }
    for (name, text) in &pages {
        let headings: BTreeSet<&str> =
            text.lines().filter(|line| line.starts_with("## ")).map(|line| &line[3..]).collect();
        let titles = text.lines().filter(|line| line.starts_with("## ")).count();
        assert_eq!(headings.len(), titles, "{name}: two headings are the same, their anchors would not be");
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap_or_default();
            let target = target.split('#').next().unwrap_or_default();
            if target.is_empty() || target.starts_with("https://") {
                continue;
            }
            let folder = Path::new(name).parent().unwrap_or(Path::new(""));
            let path = folder.join(target).to_string_lossy().replace("rules/../", "").replace("tokens/../", "");
            assert!(pages.contains_key(&path), "{name}: nothing at {target}");
        }
    }
}

fn render(args: &[&str], folder: &Path) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_keybound"))
        .args(["rules", "docs"])
        .args(args)
        .current_dir(folder)
        .output()
        .expect("keybound runs");
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn the_command_writes_the_pages_and_takes_away_only_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("out/rules")).expect("a folder");
    fs::write(at("out/rules/gone.md"), format!("{}\n# A rule of yesterday\n", docs::MARK)).expect("a page");
    fs::write(at("out/rules/notes.md"), "# Written by hand\n").expect("a page");
    let (begin, end) = docs::TABLE;
    fs::write(at("list.md"), format!("# List\n\n{begin}\n{end}\n")).expect("a file");
    let (code, printed) = render(&["out", "--table", "list.md"], folder.path());
    assert_eq!(code, Some(0), "{printed}");
    for (name, text) in docs::pages(&catalogue()) {
        assert_eq!(fs::read_to_string(at("out").join(&name)).ok(), Some(text), "{name}");
    }
    assert!(!at("out/rules/gone.md").exists() && at("out/rules/notes.md").exists());
    assert!(fs::read_to_string(at("list.md")).expect("a file").contains("(out/tokens/github.md)"));
    let (_, printed) = render(&["out", "--table", "list.md"], folder.path());
    assert!(printed.contains("0 files written, 0 removed"), "{printed}");

    fs::write(at("bare.md"), "# No marks\n").expect("a file");
    let (code, printed) = render(&["out", "--table", "bare.md"], folder.path());
    assert!(code == Some(2) && printed.contains("bare.md"), "{printed}");
}
