//! The architecture as a test: what a room of `src/` uses must lie on a floor below it, and only the rooms that are
//! meant to may start threads or touch files, clocks, pipes and the environment. Everything below them is pure.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, floor by floor, from the ground up. Rooms on one floor don't use each other.
const FLOORS: &[&[&str]] = &[
    &["span", "secret", "finding", "origin"],
    &["syntax"],
    &["rules", "policy", "baseline", "config"],
    &["token", "gateway", "issuer"],
    &["source"],
    &["scan"],
    &["report"],
    &["cli"],
    &["main"],
];

/// Rooms that may touch the world outside.
const OUTSIDE: &[&str] = &["cli", "main", "scan", "source", "report"];

/// What touches it.
const OUTSIDE_WORDS: &[&str] = &[
    "std::fs",
    "File::open",
    "File::create",
    "std::env",
    "env::var",
    "env::args",
    "io::stdin",
    "io::stdout",
    "io::stderr",
    "Stdin",
    "Stdout",
    "Timestamp::now",
    "Zoned::now",
    "SystemTime",
    "Instant::now",
    "std::process",
    "println!",
];

/// Longer files are to be cut at a seam.
const MAX_LINES: usize = 800;

struct File {
    /// Relative to `src`, with `/`.
    path: String,
    /// The first part of its module path; `lib` for the root.
    room: String,
    /// How many parts its module path has.
    depth: usize,
    text: String,
}

impl File {
    /// The lines that are code, numbered from 1.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let strip = |line| {
            let line: &str = line;
            if line.trim_start().starts_with("//") { "" } else { line.split(" // ").next().unwrap_or(line) }
        };
        self.text.lines().enumerate().map(move |(at, line)| (at + 1, strip(line)))
    }
}

fn sources() -> Vec<File> {
    fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("src can be read") {
            let path = entry.expect("src can be read").path();
            if path.is_dir() {
                collect(&path, into);
            } else if path.extension().is_some_and(|e| e == "rs") {
                into.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.sort();
    assert!(paths.len() > 30, "src was not found: {paths:?}");
    let file = |path: &PathBuf| {
        let relative = path.strip_prefix(&root).expect("it lies in src").to_string_lossy().replace('\\', "/");
        let module = relative.trim_end_matches(".rs").trim_end_matches("/mod");
        File {
            room: module.split('/').next().unwrap_or_default().to_owned(),
            depth: module.split('/').count(),
            text: fs::read_to_string(path).expect("src can be read"),
            path: relative.clone(),
        }
    };
    paths.iter().map(file).collect()
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&room))
}

/// The rooms that a line of code names: after `crate::`, the names in `crate::{…}`, and after as many `super::` as lead
/// to the root.
fn rooms_named(line: &str, depth: usize) -> Vec<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut rooms = Vec::new();
    let to_root = "super::".repeat(depth);
    for root in ["crate::", "keybound::", &to_root] {
        for (at, _) in line.match_indices(root) {
            let before = line[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$' || c == ':') {
                continue;
            }
            let rest = &line[at + root.len()..];
            match rest.strip_prefix('{') {
                Some(group) => {
                    let mut nested = 0;
                    let mut fresh = true;
                    for (n, c) in group.char_indices() {
                        match c {
                            '{' => nested += 1,
                            '}' if nested == 0 => break,
                            '}' => nested -= 1,
                            ',' if nested == 0 => fresh = true,
                            ' ' => {}
                            _ if fresh => {
                                rooms.push(name(&group[n..]));
                                fresh = false;
                            }
                            _ => {}
                        }
                    }
                }
                None => rooms.push(name(rest)),
            }
        }
    }
    rooms.retain(|room| !room.is_empty());
    rooms
}

#[test]
fn names_are_read_out_of_paths() {
    assert_eq!(rooms_named("use crate::token::redact::redact;", 2), ["token"]);
    assert_eq!(rooms_named("use crate::{span::Span, token::{a, b}, rules};", 2), ["span", "token", "rules"]);
    assert_eq!(rooms_named("    let x = crate::rules::MAX + super::super::policy::X;", 2), ["rules", "policy"]);
    assert_eq!(rooms_named("use super::sibling;", 2), [""; 0]);
    assert_eq!(rooms_named("use super::policy;", 1), ["policy"]);
    assert_eq!(rooms_named("$crate::x, mycrate::y", 1), [""; 0]);
}

#[test]
fn every_room_has_a_floor() {
    for file in sources().iter().filter(|file| file.room != "lib") {
        assert!(
            floor(&file.room).is_some(),
            "src/{}: `{}` stands on no floor; name it in FLOORS",
            file.path,
            file.room
        );
    }
}

/// Since no arrow runs up and none runs along a floor, rooms can't form a circle either.
#[test]
fn no_arrow_runs_up_or_along_a_floor() {
    let mut wrong = Vec::new();
    let mut arrows: BTreeMap<(String, String), usize> = BTreeMap::new();
    for file in sources().iter().filter(|file| file.room != "lib") {
        let mut in_tests = false;
        for (number, line) in file.code() {
            in_tests |= line.contains("#[cfg(test)]");
            // Test modules lie deeper in their file: there `super::` leads to the file itself.
            let depth = if in_tests { 99 } else { file.depth };
            for used in rooms_named(line, depth).into_iter().filter(|used| *used != file.room) {
                let Some(below) = floor(&used) else {
                    wrong.push(format!("src/{}:{number}: `{used}` is no room", file.path));
                    continue;
                };
                *arrows.entry((file.room.clone(), used.clone())).or_default() += 1;
                if Some(below) >= floor(&file.room) {
                    wrong.push(format!(
                        "src/{}:{number}: {} uses {used}, which does not lie below it",
                        file.path, file.room
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The reader of paths still reads something.
    for (from, to) in [("cli", "scan"), ("report", "scan"), ("scan", "source"), ("source", "token"), ("token", "rules")]
    {
        assert!(arrows.contains_key(&(from.to_owned(), to.to_owned())), "{from} → {to} was not seen");
    }
}

#[test]
fn only_scan_has_threads() {
    for file in sources().iter().filter(|file| file.room != "scan") {
        for (number, line) in file.code() {
            // How many there could be may be asked anywhere.
            let line = line.replace("std::thread::available_parallelism", "");
            for word in ["std::thread", "thread::spawn", "thread::scope", "rayon"] {
                assert!(!line.contains(word), "src/{}:{number}: {word} outside of scan", file.path);
            }
        }
    }
}

#[test]
fn only_the_upper_floors_touch_the_world_outside() {
    for file in sources().iter().filter(|file| !OUTSIDE.contains(&file.room.as_str())) {
        for (number, line) in file.code() {
            for word in OUTSIDE_WORDS {
                assert!(!line.contains(word), "src/{}:{number}: {word} in a room that is to be pure", file.path);
            }
        }
    }
}

#[test]
fn nothing_opens_a_connection() {
    for file in sources() {
        for (number, line) in file.code() {
            // One room asks git, which is told to fetch nothing (tests/git.rs).
            let asks_git = file.path == "source/git.rs" && line.contains("Command::new(\"git\")");
            for word in
                ["std::net", "TcpStream", "UdpSocket", "UnixStream", "Command::new"].iter().filter(|_| !asks_git)
            {
                assert!(!line.contains(word), "src/{}:{number}: {word}", file.path);
            }
        }
    }
}

#[test]
fn every_file_says_what_it_is_for_and_is_short_enough_to_read() {
    for file in sources() {
        assert!(file.text.starts_with("//! "), "src/{} does not begin with a `//!` line", file.path);
        let lines = file.text.lines().count();
        assert!(lines <= MAX_LINES, "src/{} has {lines} lines; {MAX_LINES} are the limit", file.path);
    }
}
