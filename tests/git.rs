//! What git holds: the index as it is about to be committed, and the history with all that is not on any branch. Real
//! repositories, made here; nothing that a repository brings along may run.

#![cfg(unix)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use common::mint::{self, Jwt};
use common::{NOW, Record, Run, copy_joined, finish, keybound, put};
use serde_json::Value;
use tempfile::TempDir;

/// Author dates of the commits made here, one a day.
const DAY: &str = "2025-01-0";

struct Repository {
    dir: TempDir,
}

impl Repository {
    fn new() -> Self {
        let repository = Self { dir: TempDir::new().expect("a folder") };
        repository.git(&["init", "-q", "-b", "main"]);
        repository
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    #[track_caller]
    fn git(&self, args: &[&str]) -> String {
        self.git_with(args, &[])
    }

    #[track_caller]
    fn git_with(&self, args: &[&str], env: &[(&str, &str)]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=n", "-c", "user.email=n@example.com", "-c", "commit.gpgsign=false"])
            .args(["-c", "protocol.file.allow=always"])
            .args(args)
            .current_dir(self.path())
            .envs(env.iter().copied())
            .env_remove("GIT_DIR")
            .env_remove("GIT_INDEX_FILE")
            .output()
            .expect("git runs");
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn put(&self, path: &str, content: impl AsRef<[u8]>) {
        put(self.path(), path, content);
    }

    /// Commits all, on that day; gives the commit's name.
    fn commit(&self, day: u8, message: &str) -> String {
        self.git(&["add", "-A"]);
        let date = format!("{DAY}{day}T12:00:00Z");
        self.git_with(&["commit", "-q", "--allow-empty", "-m", message], &[("GIT_AUTHOR_DATE", &date)]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn scan(&self, args: &[&str]) -> Run {
        let all = ["scan", "--format", "jsonl", "--now", NOW];
        finish(keybound().current_dir(self.path()).args(all).args(args))
    }

    #[track_caller]
    fn found(&self, args: &[&str]) -> Vec<Value> {
        let run = self.scan(args);
        assert!(matches!(run.code, Some(0 | 1)), "{:?}: {}", run.code, run.err());
        run.record().findings
    }

    /// The subjects of the tokens that were found.
    #[track_caller]
    fn subjects(&self, args: &[&str]) -> BTreeSet<String> {
        let subject = |found: &Value| found["token"]["subject"].as_str().unwrap_or("-").to_owned();
        self.found(args).iter().map(subject).collect()
    }
}

fn token(subject: &str) -> String {
    Jwt::numbered(subject.bytes().map(u64::from).sum()).claim("sub", subject).mint()
}

fn set(subjects: &[&str]) -> BTreeSet<String> {
    subjects.iter().map(|subject| (*subject).to_owned()).collect()
}

fn rows(record: &Record) -> Vec<String> {
    record.coverage.iter().map(|row| format!("{} {}", row["path"], row["reason"])).collect()
}

#[test]
fn what_is_staged_is_what_is_scanned() {
    let repository = Repository::new();
    repository.put("old.txt", token("committed"));
    repository.put("moved.txt", token("moved"));
    repository.put("gone.txt", token("gone"));
    repository.commit(1, "one");

    repository.put("staged.txt", token("staged"));
    repository.put("partly.txt", "clean\n");
    repository.git(&["add", "-A"]);
    repository.put("staged.txt", "taken out after it was added\n");
    repository.put("partly.txt", token("in the work tree only"));
    repository.put("untracked.txt", token("untracked"));
    assert_eq!(repository.subjects(&["--staged"]), set(&["staged"]));

    // A renamed file stands at a new path.
    repository.git(&["mv", "moved.txt", "new name.txt"]);
    repository.git(&["rm", "-q", "gone.txt"]);
    let found = repository.found(&["--staged"]);
    let paths: BTreeSet<&str> = found.iter().filter_map(|found| found["location"]["path"].as_str()).collect();
    assert_eq!(paths, BTreeSet::from(["new name.txt", "staged.txt"]));

    // From a folder inside of it, too.
    fs::create_dir(repository.path().join("folder")).expect("a folder");
    assert_eq!(repository.subjects(&["--staged", "folder"]), set(&["moved", "staged"]));
}

#[test]
fn before_the_first_commit_and_with_nothing_staged() {
    let repository = Repository::new();
    assert_eq!(repository.scan(&["--staged"]).code, Some(0), "nothing to commit is nothing to complain of");
    repository.put("a.txt", token("first"));
    repository.git(&["add", "-A"]);
    assert_eq!(repository.subjects(&["--staged"]), set(&["first"]));
    repository.commit(1, "one");
    assert_eq!(repository.scan(&["--staged"]).code, Some(0));
}

#[test]
fn a_partial_commit_has_an_index_of_its_own() {
    let repository = Repository::new();
    repository.put("a.txt", "a\n");
    repository.put("b.txt", "b\n");
    repository.commit(1, "one");
    repository.put("a.txt", token("named"));
    repository.put("b.txt", token("not named"));
    repository.git(&["add", "-A"]);
    // `git commit a.txt` runs its hooks with such an index.
    let hook = repository.path().join(".git/hooks/pre-commit");
    let seen = repository.path().join(".git/seen");
    let command = format!(
        "#!/bin/sh\n'{}' scan --staged --format jsonl --now {NOW} > '{}'\nexit 1\n",
        env!("CARGO_BIN_EXE_keybound"),
        seen.display()
    );
    fs::write(&hook, command).expect("a hook");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("executable");
    let commit = Command::new("git")
        .args(["-c", "user.name=n", "-c", "user.email=n@example.com", "commit", "-qm", "two", "a.txt"])
        .current_dir(repository.path())
        .stderr(Stdio::null())
        .status();
    assert!(!commit.expect("git runs").success());
    let seen = fs::read_to_string(seen).expect("the hook ran");
    assert!(seen.contains("\"subject\":\"named\"") && !seen.contains("not named"), "{seen}");
}

#[test]
fn a_merge_is_scanned_as_it_was_resolved() {
    let repository = Repository::new();
    repository.put("a.txt", "a\n");
    repository.commit(1, "one");
    repository.git(&["checkout", "-qb", "topic"]);
    repository.put("a.txt", "theirs\n");
    repository.commit(2, "theirs");
    repository.git(&["checkout", "-q", "main"]);
    repository.put("a.txt", "ours\n");
    repository.commit(3, "ours");
    let merge = Command::new("git").args(["merge", "-q", "topic"]).current_dir(repository.path()).output();
    assert!(!merge.expect("git runs").status.success(), "there was to be a conflict");
    repository.put("a.txt", token("resolved"));
    repository.git(&["add", "a.txt"]);
    assert_eq!(repository.subjects(&["--staged"]), set(&["resolved"]));
    // Only the merge itself ever had it.
    let commit = repository.commit(4, "merged");
    repository.put("a.txt", "clean\n");
    repository.commit(5, "clean");
    let found = repository.found(&["--history"]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["location"]["commit"], Value::from(commit));
}

#[test]
fn the_history_says_who_brought_it_when() {
    let repository = Repository::new();
    repository.put("README", "hello\n");
    repository.commit(1, "one");
    repository.put("src/app.txt", format!("x\n{}\n", token("leaked")));
    let brought = repository.commit(2, "two");
    repository.git(&["mv", "src/app.txt", "src/other.txt"]);
    repository.commit(3, "three");
    repository.git(&["rm", "-q", "src/other.txt"]);
    repository.commit(4, "four");
    assert_eq!(repository.scan(&["."]).code, Some(0), "the work tree is clean");

    let found = repository.found(&["--history"]);
    assert_eq!(found.len(), 1);
    let place = &found[0]["location"];
    assert_eq!(place["path"], "src/app.txt");
    assert_eq!(place["line"], 2);
    assert_eq!(place["commit"], Value::from(brought.clone()));
    assert_eq!(place["author_date"], format!("{DAY}2T12:00:00Z"));
    assert_eq!(found[0]["occurrences"], 1, "every blob once");

    assert_eq!(repository.subjects(&["--history", "main~1..main"]), set(&[]));
    assert_eq!(repository.subjects(&["--history", "main~3..main"]), set(&["leaked"]));
    assert_eq!(repository.subjects(&["--history", &format!("{brought}~1..{brought}")]), set(&["leaked"]));
    let pretty = finish(keybound().current_dir(repository.path()).args(["scan", "--history", "--now", NOW]));
    assert!(pretty.out().contains(&format!("first committed in {}, 2025-01-02", &brought[..12])), "{}", pretty.out());
}

#[test]
fn what_no_branch_leads_to_is_scanned_too() {
    let repository = Repository::new();
    repository.put("a.txt", "a\n");
    repository.commit(1, &format!("message with {}", token("message")));
    repository.git(&["tag", "-a", "v1", "-m", &token("tag")]);
    repository.put("a.txt", token("stashed"));
    repository.git(&["stash", "-q"]);
    repository.put("b.txt", token("amended"));
    repository.commit(2, "two");
    repository.git(&["rm", "-q", "b.txt"]);
    repository.git(&["commit", "-q", "--amend", "--allow-empty", "-m", "two"]);
    repository.put("c.txt", token("never committed"));
    repository.git(&["add", "c.txt"]);
    repository.git(&["rm", "-q", "--cached", "c.txt"]);
    fs::remove_file(repository.path().join("c.txt")).expect("a file");
    repository.git(&["checkout", "-q", "--orphan", "other"]);
    repository.put("d.txt", token("orphan"));
    repository.commit(3, "three");
    repository.git(&["checkout", "-q", "main"]);
    let all = set(&["amended", "message", "never committed", "orphan", "stashed", "tag"]);
    assert_eq!(repository.subjects(&["--history"]), all);

    // Packed and without a work tree it is the same.
    repository.git(&["gc", "-q"]);
    assert_eq!(repository.subjects(&["--history"]), all);
    let bare = TempDir::new().expect("a folder");
    repository.git(&["clone", "-q", "--bare", "--no-local", ".", &bare.path().join("bare.git").display().to_string()]);
    let run = finish(
        keybound().args(["scan", "--format", "jsonl", "--now", NOW, "--history"]).arg(bare.path().join("bare.git")),
    );
    let subjects: BTreeSet<String> = run
        .record()
        .findings
        .iter()
        .map(|found| found["token"]["subject"].as_str().unwrap_or("-").to_owned())
        .collect();
    assert_eq!(subjects, set(&["message", "orphan", "tag"]));
}

#[test]
fn what_is_missing_is_said() {
    let repository = Repository::new();
    repository.put("a.txt", token("old"));
    repository.commit(1, "one");
    repository.put("a.txt", token("new"));
    repository.commit(2, "two");
    let clones = TempDir::new().expect("a folder");
    let shallow = clones.path().join("shallow");
    let from = format!("file://{}", repository.path().display());
    repository.git(&["clone", "-q", "--depth", "1", &from, &shallow.display().to_string()]);
    let record =
        finish(keybound().args(["scan", "--format", "jsonl", "--now", NOW, "--history"]).arg(&shallow)).record();
    assert_eq!(record.findings.len(), 1);
    assert!(rows(&record).iter().any(|row| row.contains("shallow clone")), "{:?}", rows(&record));

    let run = repository.scan(&["--history", "no-such-branch..main"]);
    assert_eq!(run.code, Some(2));
    assert!(run.err().contains("no-such-branch"), "{}", run.err());
    let nowhere = TempDir::new().expect("a folder");
    let run = finish(keybound().args(["scan", "--staged"]).arg(nowhere.path()));
    assert_eq!(run.code, Some(2));
    assert!(run.err().contains("not a git repository"), "{}", run.err());
}

#[test]
fn nothing_of_the_repository_is_run() {
    let repository = Repository::new();
    repository.put("a.txt", token("one"));
    repository.commit(1, "one");
    repository.put("a.txt", token("two"));
    repository.put("b.bin", token("three"));
    repository.git(&["add", "-A"]);
    let trap = repository.path().join(".git/trap.sh");
    let sprung = repository.path().join(".git/sprung");
    fs::write(&trap, format!("#!/bin/sh\ntouch '{}'\ncat\n", sprung.display())).expect("a script");
    fs::set_permissions(&trap, fs::Permissions::from_mode(0o755)).expect("executable");
    let trap = trap.display().to_string();
    for name in [
        "core.fsmonitor",
        "core.pager",
        "core.editor",
        "core.sshCommand",
        "core.alternateRefsCommand",
        "diff.external",
        "diff.trap.textconv",
        "diff.trap.command",
        "filter.trap.clean",
        "filter.trap.smudge",
        "filter.trap.process",
        "gpg.program",
        "pager.log",
        "pager.diff-index",
        "uploadpack.packObjectsHook",
    ] {
        repository.git(&["config", name, &trap]);
    }
    repository.git(&["config", "log.showSignature", "true"]);
    fs::write(repository.path().join(".git/info/attributes"), "* diff=trap filter=trap\n").expect("attributes");
    for args in [&["--staged"][..], &["--history"], &["--history", "HEAD"]] {
        let _ = repository.scan(args);
    }
    assert_eq!(repository.subjects(&["--staged"]), set(&["three", "two"]));
    assert_eq!(repository.subjects(&["--history"]), set(&["one", "three", "two"]));
    // A range can't be made an option.
    let run = repository.scan(&["--history=--output=.git/sprung..HEAD"]);
    assert_eq!(run.code, Some(2), "{}", run.err());
    assert!(!sprung.exists(), "something of the repository was run");
}

#[test]
fn paths_that_are_left_out_are_left_out_of_commits() {
    let repository = Repository::new();
    repository.put("keybound.toml", "exclude = ['vendor/**']\n");
    repository.put(".keyboundignore", "# made by a tool\ngenerated/\n");
    repository.put("vendor/a.txt", token("vendored"));
    repository.put("generated/deep/a.txt", token("generated"));
    repository.put("own.txt", token("own"));
    repository.git(&["add", "-A"]);
    assert_eq!(repository.subjects(&["--staged"]), set(&["own"]));
    assert_eq!(repository.subjects(&["--staged", "--no-config"]), set(&["generated", "own", "vendored"]));
    repository.commit(1, "one");
    assert_eq!(repository.subjects(&["--history"]), set(&["own"]));
    assert_eq!(repository.subjects(&["."]), set(&["own"]));
}

#[test]
fn the_report_is_the_same_every_time() {
    let repository = Repository::new();
    for day in 1..=9 {
        repository.put(&format!("file{}.txt", day % 3), format!("{}\n{}\n", token(&format!("s{day}")), token("all")));
        repository.commit(day, "next");
    }
    let first = repository.scan(&["--history", "--threads", "1"]).out();
    for threads in ["2", "7"] {
        assert_eq!(repository.scan(&["--history", "--threads", threads]).out(), first);
    }
    let all = repository.found(&["--history"]).into_iter().find(|found| found["token"]["subject"] == "all");
    let all = all.expect("the token of all commits");
    assert_eq!(all["occurrences"], 9);
    assert_eq!(all["location"]["author_date"], format!("{DAY}1T12:00:00Z"), "the first commit that brought it");
}

/// What an object is called is known before it is read, or only after: git is slow at one or the other.
#[test]
fn what_git_says_first_does_not_matter() {
    let repository = Repository::new();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    copy_joined(&samples, &repository.path().join("cases"));
    repository.put("cases/.npmrc", format!("//registry.example.com/:_authToken={}\n", mint::opaque(3, 36)));
    repository.put("app.log", format!("GET /?access_token={}\n", token("logged")));
    repository.put("none.txt", "nothing in it\n");
    repository.put(".keyboundignore", "# other people's\ncases/jwt-exp-far/\n");
    repository.git(&["add", "-A", "-f"]);
    repository.commit(1, "one");
    let slow = |what: &str| {
        let bin = TempDir::new().expect("a folder");
        let script =
            format!("#!/bin/sh\ncase \"$*\" in *'{what}'*) sleep 2;; esac\nPATH=${{PATH#*:}} exec git \"$@\"\n");
        let git = put(bin.path(), "git", script);
        fs::set_permissions(git, fs::Permissions::from_mode(0o755)).expect("a mode");
        let path = format!("{}:{}", bin.path().display(), std::env::var("PATH").expect("a path"));
        let args = ["scan", "--format", "jsonl", "--now", NOW, "--history", "--no-config", "--audit", "token"];
        let run = finish(keybound().current_dir(repository.path()).args(args).env("PATH", path));
        assert_eq!(run.code, Some(1), "{}", run.err());
        run.out()
    };
    let names_last = slow(" log ");
    assert!(names_last.lines().count() > 100, "{names_last}");
    assert!(names_last == slow(" cat-file --batch "), "the report depends on what git says first");
}
