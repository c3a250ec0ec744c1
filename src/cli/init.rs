//! `keybound init`: hook, workflow and configuration for a repository that has none. What exists is left as it is.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use super::args::InitArgs;
use super::{Failure, code};

const HOOK: &str = include_str!("init/pre-commit-config.yaml");
const WORKFLOW: &str = include_str!("init/workflow.yml");
const CONFIG: &str = include_str!("init/keybound.toml");

/// A file that would do the same.
const HOOKS: &[&str] = &[".pre-commit-config.yaml", ".pre-commit-config.yml"];
const CONFIGS: &[&str] = &["keybound.toml", ".github/keybound.toml"];

pub(super) fn run(args: &InitArgs) -> Result<u8, Failure> {
    let root = &args.path;
    if !root.join(".git").exists() {
        return Err(Failure::message(format!("{}: not the top folder of a git repository", root.display())));
    }
    let mut out = io::stdout().lock();
    let files: [(&str, &[&str], &str); 3] = [
        (".pre-commit-config.yaml", HOOKS, HOOK),
        (
            ".github/workflows/keybound.yml",
            &[".github/workflows/keybound.yml", ".github/workflows/keybound.yaml"],
            WORKFLOW,
        ),
        ("keybound.toml", CONFIGS, CONFIG),
    ];
    for (name, same, text) in files {
        match same.iter().find(|known| root.join(known).symlink_metadata().is_ok()) {
            Some(known) => {
                let has = fs::read_to_string(root.join(known)).is_ok_and(|text| text.contains("keybound"));
                let hint = if has { "" } else { "; add what `keybound init` would have written there yourself" };
                writeln!(out, "kept     {known}{hint}")?;
            }
            None => {
                write_new(root, name, text).map_err(|error| Failure::message(format!("{name}: {error}")))?;
                writeln!(out, "written  {name}")?;
            }
        }
    }
    writeln!(out, "Next: `pre-commit install`, then commit these files.")?;
    Ok(code::CLEAN)
}

fn write_new(root: &Path, name: &str, text: &str) -> io::Result<()> {
    let path = root.join(name);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // Never over something that came there meanwhile.
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)?
        .write_all(text.replace("VERSION", env!("CARGO_PKG_VERSION")).as_bytes())
}
