//! The folder is the test: whatever stands in `testdata/<fault>/fires` must show the fault, whatever stands in
//! `testdata/<fault>/silent` must show a token without it. Every fault has both. A folder in there is one case: some
//! faults show only in several files.

mod common;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use keybound::rules::Catalogue;
use keybound::token::fault::Fault;
use serde_json::Value;

const NOW: &str = "2026-11-21T12:00:00Z";

struct Case {
    path: PathBuf,
    fault: &'static str,
    fires: bool,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    entries
}

/// The findings of one command on one file or folder.
fn findings(path: &Path) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_keybound"))
        .args(["scan", "--no-config", "--no-ignore", "--audit", "token", "--format", "jsonl", "--now", NOW])
        .arg(path)
        .output()
        .expect("the command runs");
    let code = output.status.code();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(code, Some(0 | 1)), "{}: exit code {code:?}, {errors}", path.display());
    String::from_utf8(output.stdout)
        .expect("UTF-8")
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a record"))
        .filter(|record| record["type"] == "finding")
        .collect()
}

/// What is wrong with a case, if anything.
fn complaint(case: &Case, folder: &Path) -> Option<String> {
    // A neutral place: where a file stands in the repository must not sway the judgement.
    let place = tempfile::tempdir_in(folder).expect("a folder");
    let scanned = place.path().join(case.path.file_name().expect("a name"));
    common::copy_joined(&case.path, &scanned);
    let findings = findings(&scanned);
    let faults: Vec<Vec<&str>> = findings
        .iter()
        .map(|f| f["faults"].as_array().map(|all| all.iter().filter_map(Value::as_str).collect()).unwrap_or_default())
        .collect();
    let shown = faults.iter().any(|all| all.contains(&case.fault));
    let name = case.path.strip_prefix(root()).unwrap_or(&case.path).display();
    if case.fires && !shown {
        return Some(format!("{name}: not found, only {faults:?}"));
    }
    if !case.fires && shown {
        return Some(format!("{name}: found, {faults:?}"));
    }
    // A near miss that holds no token proves nothing.
    faults.is_empty().then(|| format!("{name}: no token at all"))
}

#[test]
fn every_fault_fires_where_it_should_and_nowhere_else() {
    let mut cases = Vec::new();
    for fault in Fault::ALL {
        for kind in ["fires", "silent"] {
            let found = entries(&root().join(fault.slug()).join(kind));
            assert!(!found.is_empty(), "testdata/{}/{kind} holds nothing", fault.slug());
            cases.extend(found.into_iter().map(|path| Case { path, fault: fault.slug(), fires: kind == "fires" }));
        }
    }
    let next = AtomicUsize::new(0);
    let complaints = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let folder = tempfile::tempdir().expect("a folder");
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some(complaint) = complaint(case, folder.path()) {
                        complaints.lock().expect("no panic").push(complaint);
                    }
                }
            });
        }
    });
    let mut complaints = complaints.into_inner().expect("no panic");
    complaints.sort();
    assert!(complaints.is_empty(), "{} of {}:\n{}", complaints.len(), cases.len(), complaints.join("\n"));
}

#[test]
fn every_folder_names_a_rule_and_holds_the_two_kinds() {
    let catalogue = Catalogue::embedded().unwrap_or_else(|e| panic!("{e}"));
    for folder in fs::read_dir(root()).expect("testdata").map(|entry| entry.expect("an entry").path()) {
        let slug = folder.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if slug == "demo" {
            continue; // what the README scans
        }
        assert!(catalogue.check(slug).is_some(), "testdata/{slug}: no such rule");
        let kinds: BTreeSet<_> = fs::read_dir(&folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), ["fires", "silent"], "testdata/{slug}");
    }
}

#[test]
fn the_samples_as_they_stand_here_trip_no_scanner() {
    let loud: Vec<String> = findings(&root())
        .into_iter()
        .filter(|finding| finding["severity"] != "info")
        .map(|finding| format!("{} {}", finding["location"]["path"], finding["rule"]))
        .collect();
    assert!(loud.is_empty(), "{loud:#?}");
}
