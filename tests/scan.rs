//! `keybound scan` as a tool among others: exit codes, what is read and what is left out, configuration, formats, and
//! how it behaves when it is interrupted or nobody listens.

#![cfg(unix)]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::mint::{self, Jwt, thumbprint};
use common::{NOW, Record, Run, finish, finish_with, folder, gather, keybound, number, put, scan, scan_run, text};
use serde_json::{Value, json};

/// A token that is a medium finding.
fn medium() -> String {
    Jwt::access().mint()
}

/// A token that is only worth knowing: expired.
fn info() -> String {
    Jwt::access().claim("iat", 1_700_000_000).claim("exp", 1_700_003_600).mint()
}

// ---- exit codes -------------------------------------------------------------------------------------------------

#[test]
fn exit_codes() {
    let dir = folder([("clean/a.txt", "nothing here"), ("info/a.txt", &info()), ("medium/a.txt", &medium())]);
    fs::create_dir(dir.path().join("empty")).expect("a folder");
    for (args, code) in [
        (&["clean"][..], 0),
        (&["info"], 0),
        (&["info", "--fail-on", "info"], 1),
        (&["medium"], 1),
        (&["medium", "--fail-on", "medium"], 1),
        (&["medium", "--fail-on", "high"], 0),
        (&["medium", "--exit-zero"], 0),
        (&["clean", "medium"], 1),
        (&["empty"], 3),
        (&["empty", "--exit-zero"], 3),
        (&["missing"], 2),
        (&["clean", "missing"], 2),
        (&["clean", "--fail-on", "loud"], 2),
        (&["clean", "--threads", "0"], 2),
        (&["clean", "--now", "yesterday"], 2),
        (&["clean", "--no-such-flag"], 2),
        (&["clean", "--config", "missing.toml"], 2),
        (&["clean", "--config", "x.toml", "--no-config"], 2),
        (&["clean", "--rules", "missing"], 2),
    ] {
        let run = scan_run(dir.path(), args);
        assert_eq!(run.code, Some(code), "{args:?}: {}", run.err());
        assert_eq!(run.err().is_empty(), code < 2, "{args:?}: {}", run.err());
        assert_eq!(run.stdout.is_empty(), code == 2, "{args:?}: {}", run.out());
    }
}

#[test]
fn formats_that_make_no_sense_are_refused_before_the_scan() {
    let dir = folder([("a.txt", "x")]);
    for format in [&["--format", "xml"][..], &["--format", "json="], &["--format", "json", "--format", "sarif"]] {
        let run = finish(keybound().current_dir(dir.path()).arg("scan").args(format)).exits(2);
        assert!(run.out().is_empty() && run.err().contains("--format"), "{}", run.err());
    }
    let run =
        finish(keybound().current_dir(dir.path()).args(["scan", "--format", "json=no/such/folder.json"])).exits(2);
    assert!(run.err().contains("no/such/folder.json"), "{}", run.err());
}

// ---- what is read -----------------------------------------------------------------------------------------------

#[test]
fn standard_input() {
    let token = medium();
    let run = finish_with(
        keybound().args(["scan", "-", "--format", "jsonl", "--now", NOW]),
        format!("a\nb {token}\n").as_bytes(),
    );
    let record = run.exits(1).record();
    let finding = record.only();
    assert_eq!((text(finding, "/location/path"), number(finding, "/location/line")), ("-", 2));
    assert_eq!(number(finding, "/location/column"), 3);
    // Together with a folder.
    let dir = folder([("a.txt", Jwt::numbered(2).mint())]);
    let mut command = common::scan_command(dir.path(), &["-", "."]);
    assert_eq!(finish_with(&mut command, token.as_bytes()).record().paths(), ["-", "a.txt"]);
    // Nothing at all on it is still something that was read.
    finish_with(keybound().args(["scan", "-"]), b"").exits(0);
}

fn git(dir: &Path, args: &[&str]) {
    let mut command = std::process::Command::new("git");
    command.current_dir(dir).args(args).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(command.status().expect("git is installed").success(), "git {args:?}");
}

/// A folder with an ignored file in it, in a git work tree or not.
fn with_ignored_file(work_tree: bool) -> tempfile::TempDir {
    let dir = folder([
        (".gitignore", "build/\n*.log\n".to_owned()),
        ("build/out.js", Jwt::numbered(1).mint()),
        ("app.log", Jwt::numbered(2).mint()),
        ("src/main.js", Jwt::numbered(3).mint()),
        (".env", Jwt::numbered(4).mint()),
        (".config/deep/.npmrc", mint::npm(5)),
    ]);
    if work_tree {
        git(dir.path(), &["init", "-q"]);
        put(dir.path(), ".git/token.txt", Jwt::numbered(6).mint());
    }
    dir
}

#[test]
fn gitignore_counts_inside_a_work_tree_and_what_it_leaves_out_is_counted() {
    let dir = with_ignored_file(true);
    let record = scan(dir.path(), &["."]);
    assert_eq!(record.paths(), [".config/deep/.npmrc", ".env", "src/main.js"]);
    assert_eq!(number(&record.summary, "/ignored_files"), 2);
    let pretty = finish(keybound().current_dir(dir.path()).args(["scan", "--now", NOW])).out();
    assert!(pretty.contains("2 files left out by .gitignore (--no-ignore reads them)"), "{pretty}");

    let all = scan(dir.path(), &[".", "--no-ignore"]);
    assert_eq!(all.paths(), [".config/deep/.npmrc", ".env", "app.log", "build/out.js", "src/main.js"]);
    assert_eq!(number(&all.summary, "/ignored_files"), 0);
}

#[test]
fn gitignore_counts_below_the_top_of_the_work_tree_too() {
    let dir = with_ignored_file(true);
    put(dir.path(), "src/debug.log", Jwt::numbered(7).mint());
    let record = scan(dir.path(), &["src"]);
    assert_eq!(record.paths(), ["main.js"]);
    assert_eq!(number(&record.summary, "/ignored_files"), 1);
}

#[test]
fn gitignore_means_nothing_outside_of_a_work_tree() {
    let dir = with_ignored_file(false);
    let record = scan(dir.path(), &["."]);
    assert_eq!(record.paths(), [".config/deep/.npmrc", ".env", "app.log", "build/out.js", "src/main.js"]);
    assert_eq!(number(&record.summary, "/ignored_files"), 0);
}

#[test]
fn a_file_that_is_named_is_read_even_if_it_is_ignored() {
    let dir = with_ignored_file(true);
    assert_eq!(scan(dir.path(), &["app.log"]).paths(), ["app.log"]);
    assert_eq!(scan(dir.path(), &["build"]).paths(), ["out.js"]);
}

#[test]
fn binary_files_are_read() {
    let token = mint::github(1);
    let mut bytes = vec![0u8, 159, 146, 150, b'E', b'L', b'F', 0, 0, 255];
    bytes.extend_from_slice(token.as_bytes());
    bytes.extend_from_slice(&[0, 1, 2, 255]);
    let dir = folder([("core.bin", bytes)]);
    let record = scan(dir.path(), &["."]);
    let finding = record.only();
    assert_eq!((text(finding, "/rule"), number(finding, "/location/byte_start")), ("github-pat", 10));
}

#[test]
fn several_paths_are_told_apart() {
    let dir = folder([
        ("one/a.txt", Jwt::numbered(1).mint()),
        ("two/a.txt", Jwt::numbered(2).mint()),
        ("three.txt", Jwt::numbered(3).mint()),
    ]);
    let record = scan(dir.path(), &["one", "./two/", "three.txt"]);
    assert_eq!(record.paths(), ["one/a.txt", "three.txt", "two/a.txt"]);
    assert_eq!(number(&record.summary, "/files"), 3);
    // Named twice, read twice, but it stays one token at one place.
    let twice = scan(dir.path(), &["three.txt", "three.txt"]);
    assert_eq!(twice.only()["related"], json!([]));
}

#[test]
fn the_same_token_in_several_files_is_one_finding() {
    let token = medium();
    let dir =
        folder([("b.txt", format!("\n{token}")), ("a.txt", token.clone()), ("c/d.txt", format!("{token}\n{token}"))]);
    let record = scan(dir.path(), &["."]);
    let finding = record.only();
    assert_eq!((text(finding, "/location/path"), number(finding, "/occurrences")), ("a.txt", 4));
    let related: Vec<(&str, u64)> = finding["related"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|place| (text(place, "/path"), number(place, "/line")))
        .collect();
    assert_eq!(related, [("b.txt", 2), ("c/d.txt", 1), ("c/d.txt", 2)]);
}

// ---- configuration ----------------------------------------------------------------------------------------------

/// Switches off what [`medium`] is found by.
const OFF: &str = "[severity]\njwt-unbound = 'info'\n";

#[test]
fn configuration_is_found_upwards_to_the_top_of_the_repository() {
    for place in ["keybound.toml", ".github/keybound.toml", "src/keybound.toml"] {
        let dir = folder([("src/deep/a.txt", medium()), (place, OFF.to_owned())]);
        git(dir.path(), &["init", "-q"]);
        let severity = |args: &[&str]| text(scan(dir.path(), args).only(), "/severity").to_owned();
        assert_eq!(severity(&["src/deep"]), "info", "{place}");
        assert_eq!(severity(&["src/deep/a.txt"]), "info", "{place}");
        assert_eq!(severity(&["src/deep", "--no-config"]), "medium", "{place}");
    }
    // Not beyond the repository, and outside of one not beyond the folder.
    let dir = folder([("repo/src/a.txt", medium()), ("keybound.toml", OFF.to_owned())]);
    let severity = |args: &[&str]| text(scan(dir.path(), args).only(), "/severity").to_owned();
    assert_eq!(severity(&["repo"]), "medium");
    git(&dir.path().join("repo"), &["init", "-q"]);
    assert_eq!(severity(&["repo/src"]), "medium");
    assert_eq!(severity(&["repo/src", "--config", "keybound.toml"]), "info");
}

#[test]
fn what_is_wrong_in_a_configuration_is_said_with_its_place() {
    let dir = folder([("a.txt", medium())]);
    for (content, says) in [
        ("[ttl]\nacces = 5\n", "keybound.toml:2:1: unknown kind `acces`"),
        ("\n[severity]\njwt-unbount = 'low'\n", "keybound.toml:3:1: unknown rule `jwt-unbount`"),
        ("[severity]\njwt-unbound = 'loud'\n", "keybound.toml:2:15: a severity is"),
        ("exclud = []\n", "keybound.toml:1:1: unknown field `exclud`"),
        ("[ttl]\naccess = '5 minutes'\n", "keybound.toml:2:10: a duration is"),
        ("exclude = [\n", "keybound.toml:1:12: "),
        ("exclude = ['a{b']\n", "keybound.toml:1:12: "),
    ] {
        put(dir.path(), "keybound.toml", content);
        let run = scan_run(dir.path(), &["."]).exits(2);
        assert!(run.err().contains(says), "{content:?}: {}", run.err());
        assert!(run.stdout.is_empty());
    }
    put(dir.path(), "keybound.toml", b"\xff\xfe");
    assert!(scan_run(dir.path(), &["."]).exits(2).err().contains("keybound.toml"));
}

#[test]
fn severities_lifetimes_and_globs_can_be_set() {
    let dir = folder([("app/a.txt", medium()), ("vendor/b.txt", mint::github(1)), ("app/gen/c.min.js", mint::npm(2))]);
    let with = |config: &str| {
        put(dir.path(), "keybound.toml", config);
        scan(dir.path(), &["."])
    };
    let severity_of = |record: &Record, rule: &str| {
        record.findings.iter().find(|f| f["rule"] == rule).map(|f| text(f, "/severity").to_owned())
    };
    let record = with("[severity]\njwt-unbound = 'critical'\ngithub-pat = 'low'\nnpm = 'off'\n");
    assert_eq!(severity_of(&record, "jwt-unbound").as_deref(), Some("critical"));
    assert_eq!(severity_of(&record, "github-pat").as_deref(), Some("low"));
    assert_eq!(severity_of(&record, "npm"), None);
    // With the fault off, the token is still a token.
    let record = with("[severity]\njwt-unbound = 'off'\n");
    assert_eq!(severity_of(&record, "jwt-unbound"), None);
    assert_eq!(severity_of(&record, "jwt-access").as_deref(), Some("medium"));
    let record = with("[ttl]\naccess = '5m'\n");
    let jwt = record.findings.iter().find(|f| f["rule"] == "jwt-unbound").expect("the JWT");
    assert!(common::texts(jwt, "/faults").contains(&"jwt-ttl-long"));
    assert!(text(jwt, "/because/1").contains("policy allows 5 min"));

    assert_eq!(with("exclude = ['vendor/**', '*.min.js']\n").paths(), ["app/a.txt"]);
    assert_eq!(with("exclude = ['app/']\n").paths(), ["vendor/b.txt"]);
    assert_eq!(number(&with("exclude = ['app/']\n").summary, "/ignored_files"), 0);
}

// ---- further rules ----------------------------------------------------------------------------------------------

const ACME: &str = "issuer: Acme\nrevoke: Delete it.\nfamilies:\n  - slug: acme-key\n    title: Acme key\n    anchors: [acme_]\n    \
    pattern: 'acme_[a-z0-9]{24}'\n    bindable: none\n    reach: normal\n    role: key\n    lifetime: for ever\n    \
    policy: pat\n    about: A key to everything.\n    hits: ['a']\n    misses: ['b']\n";

#[test]
fn a_folder_of_rules_adds_families() {
    let dir = folder([("rules/acme.yaml", ACME.to_owned()), ("a.txt", format!("k={}{}", "acme_", mint::hex(1, 24)))]);
    assert_eq!(scan(dir.path(), &["a.txt"]).findings.len(), 0);
    let record = scan(dir.path(), &["a.txt", "--rules", "rules"]);
    assert_eq!(text(record.only(), "/family"), "acme-key");
    assert_eq!(text(record.only(), "/fix"), "Delete it.");
}

#[test]
fn a_rule_file_that_is_wrong_is_said_with_its_place() {
    let dir = folder([("a.txt", "x")]);
    for (content, place) in [
        (ACME.replace("    title:", "    titel: x\n    title:"), "acme.yaml:5:5: unknown key `titel`"),
        (ACME.replace("acme_[", "acme_("), "acme.yaml:7:"),
        (ACME.replace("anchors: [acme_]", "anchors: [a]"), "acme.yaml:6:15: "),
        (ACME.replace("families:", "families: ["), "acme.yaml:"),
        ("- a\n".to_owned(), "acme.yaml:1:1: "),
    ] {
        put(dir.path(), "rules/acme.yaml", content);
        let run = scan_run(dir.path(), &["a.txt", "--rules", "rules"]).exits(2);
        assert!(run.err().contains(place), "{place}: {}", run.err());
    }
    fs::remove_file(dir.path().join("rules/acme.yaml")).expect("it was there");
    assert!(scan_run(dir.path(), &["a.txt", "--rules", "rules"]).exits(2).err().contains("no *.yaml"));
}

// ---- reports ----------------------------------------------------------------------------------------------------

/// A folder with findings of every kind in a few hundred files.
fn estate() -> tempfile::TempDir {
    let files = (0..300u64).map(|n| {
        let own = match n % 5 {
            0 => mint::github(n),
            1 => Jwt::numbered(n).mint(),
            2 => Jwt::numbered(n).claim("cnf", json!({"jkt": thumbprint(n)})).mint(),
            3 => format!("Authorization: Bearer {}", mint::opaque(n, 40)),
            _ => format!("Cookie: session={}; a=b", mint::opaque(n, 32)),
        };
        let shared = mint::npm(n % 7);
        (format!("{}/{}/f{n}.log", n % 11, n % 3), format!("line\n{own}\n{shared}\n{shared}\n"))
    });
    folder(files)
}

#[test]
fn the_same_bytes_give_the_same_report() {
    let dir = estate();
    // A big file among them is read in parts.
    let mut big = "x".repeat(99).into_bytes();
    big.push(b'\n');
    let mut big = big.repeat(180_000);
    for n in 0..64 {
        let token = mint::github(1000 + n);
        let at = 1_000 + n as usize * 270_000;
        big[at..at + token.len()].copy_from_slice(token.as_bytes());
        big[at - 1] = b' ';
        big[at + token.len()] = b' ';
    }
    put(dir.path(), "big.log", &big);
    let report = |format: &str, threads: &str| {
        let args = ["scan", ".", "--format", format, "--now", NOW, "--threads", threads];
        finish(keybound().current_dir(dir.path()).args(args)).exits(1).stdout
    };
    let same = |format: &str, threads: &[&str]| {
        let first = report(format, "1");
        assert!(first.len() > 5_000);
        for threads in threads {
            assert!(report(format, threads) == first, "{format} with {threads} threads differs");
        }
    };
    same("jsonl", &["2", "8", "8"]);
    fs::remove_file(dir.path().join("big.log")).expect("it was there");
    for format in ["json", "sarif", "pretty"] {
        same(format, &["2", "8", "8"]);
    }
}

#[test]
fn several_formats_come_from_one_scan() {
    let dir = estate();
    let args = [
        "scan",
        ".",
        "--now",
        NOW,
        "--format",
        "json=out.json",
        "--format",
        "pretty",
        "--format",
        "sarif=out.sarif",
        "--format",
        "jsonl=out.jsonl",
        "--format",
        "pretty=out.txt",
    ];
    let run = finish(keybound().current_dir(dir.path()).args(args)).exits(1);
    let read = |name: &str| fs::read(dir.path().join(name)).expect("the file was written");
    let json: Value = serde_json::from_slice(&read("out.json")).expect("JSON");
    let sarif: Value = serde_json::from_slice(&read("out.sarif")).expect("JSON");
    let lines = Record::read(&read("out.jsonl")).expect("JSON lines");
    assert_eq!(json["schema"], "keybound/v1");
    let strip = |value: &Value| {
        let mut value = value.clone();
        value.as_object_mut().expect("an object").shift_remove("type");
        value
    };
    assert_eq!(json["findings"], Value::Array(lines.findings.iter().map(strip).collect()));
    assert_eq!(json["summary"], strip(&lines.summary));
    assert_eq!(sarif["runs"][0]["results"].as_array().map(Vec::len), Some(lines.findings.len()));
    assert_eq!(read("out.txt"), run.stdout);
    assert!(run.err().is_empty());
}

#[test]
fn findings_are_sorted_and_counted() {
    let record = scan(estate().path(), &["."]);
    let order = ["critical", "high", "medium", "low", "info"];
    let keys: Vec<(usize, &str, u64)> = record
        .findings
        .iter()
        .map(|f| {
            let rank = order.iter().position(|s| *s == text(f, "/severity")).expect("a severity");
            (rank, text(f, "/location/path"), number(f, "/location/byte_start"))
        })
        .collect();
    assert!(keys.is_sorted(), "worst first, then by place");
    for (rank, severity) in order.iter().enumerate() {
        let count = keys.iter().filter(|key| key.0 == rank).count() as u64;
        assert_eq!(number(&record.summary, &format!("/findings/{severity}")), count, "{severity}");
    }
    assert_eq!(number(&record.summary, "/tokens"), record.findings.len() as u64);
    assert_eq!(number(&record.summary, "/files"), 300);
}

#[test]
fn colours_only_where_they_are_wanted() {
    let dir = folder([("a.txt", medium())]);
    let run = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = keybound();
        command.current_dir(dir.path()).args(["scan", ".", "--now", NOW]).args(args);
        finish(command.envs(variables.iter().copied())).exits(1).out()
    };
    assert!(!run(&[], &[]).contains('\u{1b}'), "a pipe is no terminal");
    assert!(!run(&[], &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]).contains('\u{1b}'), "NO_COLOR decides");
    assert!(!run(&["--color", "never"], &[("CLICOLOR_FORCE", "1")]).contains('\u{1b}'));
    assert!(run(&["--color", "always"], &[]).contains("\u{1b}["));
    assert!(!run(&["--color", "always", "--format", "jsonl"], &[]).contains('\u{1b}'));
    assert!(!run(&["--color", "always", "--format", "sarif"], &[]).contains('\u{1b}'));
    run(&["--color", "always", "--format", "pretty=out.txt"], &[]);
    assert!(
        !fs::read_to_string(dir.path().join("out.txt")).expect("a report").contains('\u{1b}'),
        "a file is no terminal"
    );
}

#[test]
fn the_report_for_people_says_what_it_leaves_out() {
    let dir = folder([("a.txt", format!("{}\n{}", medium(), info()))]);
    let pretty =
        |args: &[&str]| finish(keybound().current_dir(dir.path()).args(["scan", ".", "--now", NOW]).args(args)).out();
    let out = pretty(&[]);
    assert!(out.contains("1 finding: 1 medium") && out.contains("1 finding below low"), "{out}");
    assert!(out.starts_with("MEDIUM   jwt-unbound  a.txt:1:1\n"), "{out}");
    assert!(pretty(&["--show", "info"]).contains("2 findings: 1 medium, 1 info"));
    let out = pretty(&["--show", "high"]);
    assert!(out.contains("No findings") && out.contains("2 findings below high"), "{out}");
}

// ---- when things end early --------------------------------------------------------------------------------------

#[test]
fn nobody_listens() {
    let dir = estate();
    for format in ["jsonl", "json", "sarif", "pretty"] {
        let mut command = keybound();
        let started = Instant::now();
        let mut child = command
            .current_dir(dir.path())
            .args(["scan", ".", "--format", format, "--show", "info"])
            .spawn()
            .expect("it starts");
        // As `| head -1` does: read a little, then go away.
        let mut stdout = child.stdout.take().expect("a pipe");
        stdout.read_exact(&mut [0; 10]).expect("the report begins");
        drop(stdout);
        let run = gather(child, started, Duration::from_secs(30));
        assert!(run.err().is_empty(), "{format}: {}", run.err());
        assert!(matches!(run.code, Some(0 | 1)), "{format}: {:?}", run.code);
    }
}

/// How long a pipe is held open.
const HOLD: Duration = Duration::from_secs(6);

/// Starts a scan of a pipe that stays open, waits until `bytes` are on their way, and interrupts it.
fn interrupted(bytes: &[u8], go_on: bool) -> Run {
    let mut command = keybound();
    command.args(["scan", "-", "--format", "jsonl", "--now", NOW]).stdin(Stdio::piped());
    let started = Instant::now();
    let mut child = command.spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(bytes).expect("it reads");
    stdin.flush().expect("it reads");
    std::thread::sleep(Duration::from_millis(1200));
    let pid = child.id().to_string();
    let killed = std::process::Command::new("kill").args(["-INT", &pid]).status().expect("kill is there");
    assert!(killed.success());
    // The pipe is held open for a while; the scan must have ended long before.
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut stdin = stdin;
            let chunk = vec![b'-'; 64 * 1024];
            while !ended.load(Ordering::Relaxed) && started.elapsed() < HOLD {
                if go_on {
                    let _ = stdin.write_all(&chunk);
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let run = gather(child, started, Duration::from_secs(20));
        assert!(!writer.is_finished(), "the scan went on until its input ended");
        ended.store(true, Ordering::Relaxed);
        run
    })
}

#[track_caller]
fn reports_what_it_saw(run: Run, token: &str) {
    assert_eq!(run.code, Some(130), "{}", run.err());
    let record = run.record();
    assert_eq!(record.summary["partial"], true);
    assert_eq!(number(&record.only()["location"], "/byte_end"), token.len() as u64);
}

#[test]
fn ctrl_c_ends_a_scan_with_what_was_seen() {
    let token = medium();
    let bytes = format!("{token}\n{}", "filler filler\n".repeat(100_000));
    reports_what_it_saw(interrupted(bytes.as_bytes(), true), &token);
}

/// The pipe stays open and nothing more comes: `tail -f app.log | keybound scan -`.
#[test]
fn ctrl_c_ends_a_scan_that_waits_for_input() {
    let token = medium();
    reports_what_it_saw(interrupted(format!("{token}\n").as_bytes(), false), &token);
}
