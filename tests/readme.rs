//! The README shows what the program really prints: the demo files under `tests/data/demo`, scanned.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn the_sample_output_is_real() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).expect("README.md");
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["app.log", "deploy.env"] {
        let text = fs::read_to_string(root.join("tests/data/demo").join(name)).expect(name);
        fs::write(folder.path().join(name), text.replace('¦', "")).expect(name);
    }
    let output = Command::new(env!("CARGO_BIN_EXE_keybound"))
        .args(["scan", "--now", "2026-11-21T12:00:00Z"])
        .arg(".")
        .current_dir(folder.path())
        .output()
        .expect("keybound runs");
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(readme.contains(printed.trim_end()), "the README's sample is not what is printed:\n{printed}");
}

#[test]
fn every_option_and_rule_it_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).expect("README.md");
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_keybound")).args(args).output().expect("keybound runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let commands = ["scan", "inspect", "explain", "baseline"];
    let help: String = commands.iter().map(|command| run(&[command, "--help"])).collect();
    let rules = run(&["rules", "list"]);
    let words = readme.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    for word in words {
        if let Some(option) = word
            .strip_prefix("--")
            .filter(|o| o.starts_with(|c: char| c.is_ascii_lowercase()) && !["release", "help", "path"].contains(o))
        {
            assert!(help.contains(&format!("--{option}")), "the README names --{option}");
        }
        if word.starts_with("jwt-") && word.len() > 5 {
            assert!(rules.contains(word), "the README names {word}");
        }
    }
}
