//! What somebody has accepted: the baseline, comments where findings stand, `.keyboundignore`; and that none of it can
//! hide anything else.

#![cfg(unix)]

mod common;

use std::fs;
use std::path::Path;

use base64::Engine as _;
use common::mint::Jwt;
use common::{NOW, Record, Run, finish, folder, keybound, put};
use serde_json::Value;

const FILE: &str = ".keybound-baseline.json";

fn token(subject: &str) -> String {
    Jwt::numbered(subject.bytes().map(u64::from).sum()).claim("sub", subject).mint()
}

/// An Ed25519 key in PKCS#8, and its thumbprint.
fn key() -> (String, String) {
    let der = [&b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20"[..], &[7; 32]].concat();
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let pem = format!("-----BEGIN {0}-----\n{text}\n-----END {0}-----\n", ["PRIVATE", "KEY"].join(" "));
    let dir = folder([("key.pem", pem.clone())]);
    let jkt = scan(dir.path(), &[]).findings[0]["key"]["jkt"].as_str().expect("a thumbprint").to_owned();
    (pem, jkt)
}

fn run(dir: &Path, args: &[&str]) -> Run {
    finish(keybound().current_dir(dir).args(args))
}

fn scan(dir: &Path, args: &[&str]) -> Record {
    let run = run(dir, &[&["scan", "--format", "jsonl", "--now", NOW][..], args].concat());
    assert!(matches!(run.code, Some(0 | 1)), "{:?} {}", run.code, run.err());
    run.record()
}

fn subjects(record: &Record) -> Vec<String> {
    let mut all: Vec<String> =
        record.findings.iter().map(|found| found["token"]["subject"].as_str().unwrap_or("-").to_owned()).collect();
    all.sort();
    all
}

fn reasons(record: &Record) -> Vec<String> {
    record.coverage.iter().map(|row| row["reason"].as_str().unwrap_or_default().to_owned()).collect()
}

#[track_caller]
fn accept(dir: &Path, args: &[&str]) -> String {
    run(dir, &[&["baseline", "--now", NOW][..], args].concat()).exits(0);
    fs::read_to_string(dir.join(FILE)).expect("a baseline")
}

#[test]
fn a_baseline_accepts_what_is_there_and_nothing_new() {
    let secret = token("old");
    let dir = folder([("a.txt", format!("x\n{secret}\n"))]);
    let text = accept(dir.path(), &["--reason", "rotated in May"]);
    assert!(text.contains("rotated in May") && text.contains("\"expires\":\"2026-05-30\""), "{text}");
    assert!(!text.contains(&secret[..20]), "the baseline shows the token");
    let plain = scan(dir.path(), &["--no-config"]);
    let fingerprint = plain.findings[0]["token"]["fingerprint"].as_str().expect("a fingerprint");
    assert!(!text.contains(fingerprint), "the baseline can be looked up");

    let record = scan(dir.path(), &[]);
    assert_eq!(record.findings.len(), 0);
    assert_eq!(record.suppressed.len(), 1);
    assert!(record.suppressed[0]["reason"].as_str().is_some_and(|reason| reason.contains("rotated in May")));
    assert_eq!(run(dir.path(), &["scan", "--now", NOW]).code, Some(0));

    // Lines move: still accepted.
    put(dir.path(), "a.txt", format!("\n\n\nmore\n  {secret}\n"));
    assert_eq!(scan(dir.path(), &[]).findings.len(), 0);
    // A new token on the same line is not, nor is the old one somewhere else.
    put(dir.path(), "a.txt", format!("{secret} {}\n", token("new")));
    assert_eq!(subjects(&scan(dir.path(), &[])), ["new"]);
    put(dir.path(), "a.txt", format!("{secret}\n"));
    put(dir.path(), "b.txt", format!("{secret}\n"));
    let record = scan(dir.path(), &[]);
    assert_eq!(subjects(&record), ["old"]);
    assert_eq!(record.findings[0]["location"]["path"], "b.txt");
    assert_eq!(record.findings[0]["occurrences"], 1);
}

#[test]
fn what_turns_out_to_be_worse_is_reported() {
    let (pem, jkt) = key();
    let bound =
        Jwt::numbered(1).claim("cnf", serde_json::json!({"jkt": jkt})).claim("exp", common::NOW_SECONDS + 200_000);
    let dir = folder([("a.txt", bound.mint())]);
    accept(dir.path(), &["--reason", "bound to a key that nobody has"]);
    assert_eq!(scan(dir.path(), &[]).findings.len(), 0);
    // Somebody has it after all.
    put(dir.path(), "key.pem", pem);
    let record = scan(dir.path(), &[]);
    let rules: Vec<&str> = record.findings.iter().filter_map(|found| found["rule"].as_str()).collect();
    assert_eq!(rules, ["pop-key-with-token", "pop-key-with-token"]);
}

#[test]
fn entries_run_out_and_grow_stale_and_that_is_said() {
    let dir = folder([("a.txt", token("one")), ("b.txt", token("two"))]);
    accept(dir.path(), &["--expires", "2026-03-02", "--reason", "until tomorrow"]);
    assert_eq!(scan(dir.path(), &[]).findings.len(), 0);
    let later = run(dir.path(), &["scan", "--format", "jsonl", "--now", "2026-03-03T00:00:00Z"]).record();
    assert_eq!(later.findings.len(), 2);
    assert!(reasons(&later).iter().any(|reason| reason.contains("ran out on 2026-03-02")), "{:?}", reasons(&later));

    fs::remove_file(dir.path().join("b.txt")).expect("a file");
    let record = scan(dir.path(), &[]);
    let stale: Vec<_> = reasons(&record).into_iter().filter(|reason| reason.contains("accepts nothing")).collect();
    assert!(stale.len() == 1 && stale[0].contains("b.txt"), "{stale:?}");
    // Only a part is scanned: nothing is said of the rest.
    assert!(reasons(&scan(dir.path(), &["a.txt"])).is_empty());
    // Renewed: what is gone leaves, what is there keeps its terms.
    let text = accept(dir.path(), &["--reason", "other"]);
    assert!(!text.contains("b.txt") && text.contains("until tomorrow") && !text.contains("other"), "{text}");
    // Without a reason it is accepted, and that is said.
    put(dir.path(), "c.txt", token("three"));
    accept(dir.path(), &[]);
    assert!(reasons(&scan(dir.path(), &[])).iter().any(|reason| reason.contains("gives no reason")));
}

#[test]
fn a_baseline_that_is_none_is_an_error_without_a_quote() {
    let dir = folder([("a.txt", token("one")), (FILE, token("secret"))]);
    let run = run(dir.path(), &["scan"]);
    assert_eq!(run.code, Some(2));
    assert!(run.err().contains(FILE) && !run.err().contains("eyJ"), "{}", run.err());
    // An estate audit does not even look at it.
    assert_eq!(scan(dir.path(), &["--no-config"]).findings.len(), 2);
}

#[test]
fn comments_accept_on_their_line_or_the_next() {
    let (one, two, three, four) = (token("one"), token("two"), token("three"), token("four"));
    let text = format!(
        "a = '{one}'  # keybound: ignore[jwt-unbound] used in tests\n\
         // keybound: ignore published on purpose\n\
         b = '{two}'\n\
         c = '{three}'\n\
         d = '{four}'  -- keybound: ignore[jwt-no-exp] another rule\n"
    );
    let dir = folder([("app.py", text)]);
    let record = scan(dir.path(), &[]);
    assert_eq!(subjects(&record), ["four", "three"]);
    assert_eq!(record.suppressed.len(), 2);
    let notes = reasons(&record);
    assert!(notes.len() == 1 && notes[0].starts_with("line 5") && notes[0].contains("accepts nothing"), "{notes:?}");
    assert_eq!(subjects(&scan(dir.path(), &["--no-config"])), ["four", "one", "three", "two"]);
}

#[test]
fn comments_without_reason_or_with_unknown_rules_are_said() {
    let text = format!("'{}' # keybound: ignore\n# keybound: ignore[no-such-rule] x\n", token("one"));
    let dir = folder([("app.py", text.clone()), ("docs/page.md", text)]);
    let record = scan(dir.path(), &[]);
    let notes = reasons(&record);
    assert!(notes.iter().any(|note| note.contains("gives no reason")), "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("names no rule with `no-such-rule`")), "{notes:?}");
    assert_eq!(notes.len(), 2, "documentation shows comments, it does not mean them: {notes:?}");
}

#[test]
fn a_token_that_stands_elsewhere_too_is_still_reported() {
    let one = token("one");
    let dir = folder([("a.py", format!("'{one}' # keybound: ignore ours\n")), ("b.py", format!("'{one}'\n"))]);
    let record = scan(dir.path(), &[]);
    assert_eq!(record.findings.len(), 1);
    assert_eq!(record.findings[0]["location"]["path"], "b.py");
    assert_eq!(record.findings[0]["occurrences"], 1);
}

#[test]
fn the_ignore_file_leaves_out_and_says_so() {
    let dir = folder([
        (".keyboundignore", "# recorded traffic\nfixtures/\n*.snap\n\nnothing/\n!keep.snap\n".to_owned()),
        ("fixtures/a/b.txt", token("one")),
        ("x.snap", token("two")),
        ("keep.snap", token("three")),
        ("src/app.py", token("four")),
    ]);
    let record = scan(dir.path(), &[]);
    assert_eq!(subjects(&record), ["four", "three"]);
    let notes = reasons(&record);
    let of = |line: &str| notes.iter().find(|note| note.starts_with(line)).cloned().unwrap_or_default();
    assert!(of("line 2").contains("is left out") && !of("line 2").contains("why"), "{notes:?}");
    assert!(of("line 5").contains("leaves nothing out") && of("line 5").contains("say why"), "{notes:?}");
    assert_eq!(subjects(&scan(dir.path(), &["--no-config"])), ["four", "one", "three", "two"]);
    // A path that is named is read whatever the file says.
    assert_eq!(subjects(&scan(dir.path(), &["fixtures/a/b.txt"])), ["one"]);
}

#[test]
fn accepted_findings_are_in_no_report_but_the_record() {
    let one = token("one");
    let dir = folder([("a.py", format!("'{one}' # keybound: ignore ours\n"))]);
    for format in ["pretty", "sarif", "github", "markdown", "html"] {
        let run = run(dir.path(), &["scan", "--now", NOW, "--format", format]).exits(0);
        assert!(!run.out().contains("can act as one"), "{format}: {}", run.out());
    }
    let report: Value =
        serde_json::from_slice(&run(dir.path(), &["scan", "--now", NOW, "--format", "json"]).stdout).expect("JSON");
    assert_eq!(report["suppressed"].as_array().map(Vec::len), Some(1));
}
