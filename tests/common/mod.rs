//! What the integration tests share: the real binary, run and never waited for in vain, its report read back, and (in
//! [`mint`]) made-up tokens.

#![allow(dead_code)] // every test file uses its own part of it

pub(crate) mod carriers;
pub(crate) mod mint;

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use keybound::rules::unsplit;
use serde_json::Value;
use tempfile::TempDir;

/// The clock of all tests.
pub(crate) const NOW: &str = "2026-03-01T12:00:00Z";
/// The same in seconds since 1970.
pub(crate) const NOW_SECONDS: i64 = 1_772_366_400;
/// No run may take longer.
const LIMIT: Duration = Duration::from_secs(40);

/// The binary under test, free of what the surroundings say about colours.
pub(crate) fn keybound() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keybound"));
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI", "RUST_BACKTRACE"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What a run gave.
#[derive(Debug)]
pub(crate) struct Run {
    /// `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) took: Duration,
}

impl Run {
    pub(crate) fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub(crate) fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Asserts the exit code and hands the run on.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "\nstdout: {}\nstderr: {}", head(&self.out()), head(&self.err()));
        self
    }

    /// Reads standard output as `--format jsonl`.
    #[track_caller]
    pub(crate) fn record(&self) -> Record {
        Record::read(&self.stdout)
            .unwrap_or_else(|e| panic!("{e}\nstdout: {}\nstderr: {}", head(&self.out()), self.err()))
    }
}

fn head(text: &str) -> String {
    text.chars().take(3000).collect()
}

/// Runs it to its end.
pub(crate) fn finish(command: &mut Command) -> Run {
    let started = Instant::now();
    gather(command.spawn().expect("the binary starts"), started, LIMIT)
}

/// Runs it to its end with `input` on standard input.
pub(crate) fn finish_with(command: &mut Command, input: &[u8]) -> Run {
    let started = Instant::now();
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the binary starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    std::thread::scope(|scope| {
        // It may end without having read everything.
        scope.spawn(move || drop(stdin.write_all(input)));
        gather(child, started, LIMIT)
    })
}

/// Waits for a child that runs already; kills it and fails where that takes too long.
#[track_caller]
pub(crate) fn gather(mut child: Child, started: Instant, limit: Duration) -> Run {
    let read = |pipe: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
            bytes
        })
    };
    let stdout = read(child.stdout.take().map(|pipe| Box::new(pipe) as _));
    let stderr = read(child.stderr.take().map(|pipe| Box::new(pipe) as _));
    let status = loop {
        if let Some(status) = child.try_wait().expect("the child can be waited for") {
            break status;
        }
        if started.elapsed() > limit {
            child.kill().expect("the child can be killed");
            child.wait().expect("the child can be waited for");
            let out = [stdout, stderr].map(|t| head(&String::from_utf8_lossy(&t.join().expect("read"))));
            panic!("still running after {limit:?}; stdout and stderr until then: {out:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let took = started.elapsed();
    let [stdout, stderr] = [stdout, stderr].map(|thread| thread.join().expect("the pipe was read"));
    Run { code: status.code(), stdout, stderr, took }
}

/// Runs it with these arguments.
pub(crate) fn run(args: &[&str]) -> Run {
    finish(keybound().args(args))
}

/// A folder with files: paths and contents. It goes when it is dropped.
pub(crate) fn folder<P: AsRef<Path>, C: AsRef<[u8]>>(files: impl IntoIterator<Item = (P, C)>) -> TempDir {
    let dir = tempfile::Builder::new().prefix("kb").tempdir().expect("a temporary folder");
    for (path, content) in files {
        put(dir.path(), path, content);
    }
    dir
}

/// Writes a file, making the folders above it.
pub(crate) fn put(dir: &Path, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().expect("a folder")).expect("folders can be made");
    fs::write(&path, content).expect("a file can be written");
    path
}

/// Copies a file or a folder of samples, without their split marks.
pub(crate) fn copy_joined(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir(to).expect("a folder");
        for entry in fs::read_dir(from).expect("a folder") {
            let entry = entry.expect("an entry");
            copy_joined(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::write(to, unsplit(&fs::read_to_string(from).expect("a text"))).expect("a copy");
    }
}

/// `keybound scan --format jsonl --now … ARGS`, in `dir`.
pub(crate) fn scan_command(dir: &Path, args: &[&str]) -> Command {
    let mut command = keybound();
    command.current_dir(dir).args(["scan", "--format", "jsonl", "--now", NOW]).args(args);
    command
}

/// Runs [`scan_command`].
pub(crate) fn scan_run(dir: &Path, args: &[&str]) -> Run {
    finish(&mut scan_command(dir, args))
}

/// Runs [`scan_command`] and reads its record; it must end with code 0 or 1.
#[track_caller]
pub(crate) fn scan(dir: &Path, args: &[&str]) -> Record {
    let run = scan_run(dir, args);
    assert!(matches!(run.code, Some(0 | 1)), "code {:?}: {}", run.code, run.err());
    run.record()
}

/// Scans bytes on standard input.
#[track_caller]
pub(crate) fn scan_bytes(bytes: &[u8]) -> Record {
    let run = finish_with(keybound().args(["scan", "--format", "jsonl", "--now", NOW, "-"]), bytes);
    assert!(matches!(run.code, Some(0 | 1)), "code {:?}: {}", run.code, run.err());
    run.record()
}

/// A report in the form of `--format jsonl`.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) findings: Vec<Value>,
    pub(crate) suppressed: Vec<Value>,
    pub(crate) coverage: Vec<Value>,
    pub(crate) summary: Value,
}

impl Record {
    /// Reads it; every line must be an object of a known type and the summary the last one.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
        let mut record =
            Self { findings: Vec::new(), suppressed: Vec::new(), coverage: Vec::new(), summary: Value::Null };
        for line in text.lines() {
            let row: Value = serde_json::from_str(line).map_err(|e| format!("{e}: {}", head(line)))?;
            if !record.summary.is_null() {
                return Err("the summary is not the last line".to_owned());
            }
            match row["type"].as_str() {
                Some("finding") => record.findings.push(row),
                Some("suppressed") => record.suppressed.push(row),
                Some("coverage") => record.coverage.push(row),
                Some("summary") => record.summary = row,
                other => return Err(format!("type {other:?}")),
            }
        }
        if record.summary.is_null() { Err("no summary".to_owned()) } else { Ok(record) }
    }

    /// The one finding.
    #[track_caller]
    pub(crate) fn only(&self) -> &Value {
        assert_eq!(self.findings.len(), 1, "one finding is expected: {:#?}", self.findings);
        &self.findings[0]
    }

    /// The paths of all findings, sorted.
    pub(crate) fn paths(&self) -> Vec<&str> {
        let mut paths: Vec<&str> = self.findings.iter().map(|f| text(f, "/location/path")).collect();
        paths.sort_unstable();
        paths
    }

    /// The reason and status of the coverage row of a path.
    pub(crate) fn covered(&self, path: &str) -> Option<(&str, &str)> {
        let row = self.coverage.iter().find(|row| row["path"] == path)?;
        Some((text(row, "/status"), text(row, "/reason")))
    }
}

/// A text in a JSON value.
#[track_caller]
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {pointer} in {value:#}"))
}

/// A number in a JSON value.
#[track_caller]
pub(crate) fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("no number at {pointer} in {value:#}"))
}

/// A list of texts in a JSON value.
#[track_caller]
pub(crate) fn texts<'a>(value: &'a Value, pointer: &str) -> Vec<&'a str> {
    let list = value.pointer(pointer).and_then(Value::as_array).unwrap_or_else(|| panic!("no list at {pointer}"));
    list.iter().map(|item| item.as_str().expect("a text")).collect()
}
