//! Input that is broken, hostile or in the way: nothing may crash, hang, go unnoticed, or reach the terminal raw. Every
//! scan here also finds an ordinary token that lies beside, so that it is known to have gone on.

#![cfg(unix)]

mod common;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::mint::{self, Chance, Jwt, base64url, jwt_of};
use common::{NOW, NOW_SECONDS, Record, Run, finish, folder, keybound, put, scan, scan_bytes, scan_command, text};

/// How long a few megabytes of malice may take, in a debug build on a busy machine. It is about a tenth of that.
const PATIENCE: Duration = Duration::from_secs(15);

/// From this many bytes of lookalikes on, a scan may stop to look at each of them.
const FLOOD: usize = 16 * 1024;

/// Texts that announce tokens, none of which come, with a size in kilobytes that a debug build needs a second or two for
/// where the work grows with the size, and minutes where it grows with its square.
const LOOKALIKES: [(&str, usize); 20] = [
    ("eyJ", 5_000),
    ("eyJ.", 1_000),
    ("eyJ%2", 500),
    ("Bearer ", 500),
    ("Authorization: Bearer ", 500),
    ("token=", 60),
    ("\"token\":\"", 500),
    ("Cookie: sid=", 60),
    ("ghp_", 60),
    ("&sig=", 60),
    ("se=1&sig=", 60),
    ("xoxb-1", 500),
    ("{\"protected\":\"", 500),
    ("[{\"protected\":", 100),
    ("{\"protected\":\"\",\"a\":", 100),
    ("{\"payload\":\"a\",\"signatures\":[", 500),
    ("%2E", 500),
    ("\\u002e", 500),
    ("{", 500),
    ("[", 2_000),
];

/// A folder with one ordinary token in `plain.txt`.
fn with_plain() -> tempfile::TempDir {
    folder([("plain.txt", mint::github(1))])
}

/// The scan of such a folder: it says nothing on standard error and finds the token.
#[track_caller]
fn scan_beside_plain(dir: &Path) -> Record {
    let run = common::scan_run(dir, &["."]);
    assert_eq!((run.code, run.err().as_str()), (Some(1), ""));
    let record = run.record();
    assert!(record.paths().contains(&"plain.txt"), "{:?}", record.paths());
    record
}

/// The scan of some bytes, a token before and one after them.
#[track_caller]
fn scan_between(bytes: &[u8]) -> Record {
    let (before, after) = (mint::github(1), mint::github(2));
    let all = [before.as_bytes(), b"\n", bytes, b"\n", after.as_bytes(), b"\n"].concat();
    let run = common::finish_with(keybound().args(["scan", "-", "--format", "jsonl", "--now", NOW]), &all).exits(1);
    assert_eq!(run.err(), "");
    assert!(run.took < PATIENCE, "it took {:?}", run.took);
    let mut record = run.record();
    let count = record.findings.len();
    record.findings.retain(|finding| finding["family"] != "github-pat");
    // A flood of lookalikes may drown what comes shortly after it, but that must be said.
    let drowned = bytes.len() > FLOOD && record.coverage.iter().any(|row| text(row, "/reason").contains("too densely"));
    let expected = if drowned { 1..=2 } else { 2..=2 };
    assert!(expected.contains(&(count - record.findings.len())), "the tokens before and after are found");
    record
}

// ---- files ------------------------------------------------------------------------------------------------------

#[test]
fn links() {
    let outside = folder([("secret.txt", mint::github(9))]);
    let dir = with_plain();
    let link = |target: &Path, name: &str| symlink(target, dir.path().join(name)).expect("a link can be made");
    fs::create_dir_all(dir.path().join("a/b")).expect("folders");
    link(Path::new(".."), "a/b/up");
    link(Path::new("self"), "self");
    link(Path::new("missing.txt"), "dangling");
    link(&outside.path().join("secret.txt"), "out-file");
    link(outside.path(), "out-folder");
    link(Path::new("plain.txt"), "inside");
    let record = scan_beside_plain(dir.path());
    assert_eq!(record.paths(), ["plain.txt"]);
    let reason = |path: &str| record.covered(path).unwrap_or_else(|| panic!("nothing is said of {path}"));
    assert!(reason("dangling").1.contains("leads nowhere"));
    assert!(reason("self").1.contains("leads nowhere"));
    for name in ["out-file", "out-folder"] {
        assert_eq!(reason(name).0, "skipped");
        assert!(reason(name).1.contains("out of the scanned tree"));
    }
    assert_eq!(record.covered("inside"), None, "what it leads to was read");
    // A link that is named is followed.
    assert_eq!(scan(dir.path(), &["out-file"]).paths(), ["out-file"]);
    assert_eq!(scan(dir.path(), &["out-folder"]).paths(), ["secret.txt"]);
}

fn fifo(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().expect("mkfifo is there").success());
}

#[test]
fn a_pipe_in_the_tree_is_not_waited_for() {
    let dir = with_plain();
    fifo(&dir.path().join("pipe"));
    let record = scan_beside_plain(dir.path());
    assert_eq!(record.covered("pipe"), Some(("skipped", "not a regular file")));
}

/// `keybound scan <(…)`
#[test]
fn a_pipe_that_is_named_is_read() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("pipe");
    fifo(&path);
    let token = mint::github(3);
    std::thread::scope(|scope| {
        let path = &path;
        scope.spawn(move || {
            OpenOptions::new().write(true).open(path).and_then(|mut pipe| pipe.write_all(token.as_bytes()))
        });
        assert_eq!(scan(dir.path(), &["pipe"]).paths(), ["pipe"]);
    });
}

#[test]
fn what_cannot_be_read_is_said() {
    let run = common::scan_run(Path::new("/"), &["/proc/self/mem"]);
    assert_eq!(run.code, Some(3), "nothing was scanned: {}", run.out());
    let record = run.record();
    assert_eq!(record.covered("/proc/self/mem").map(|c| c.0), Some("skipped"));
    let dir = with_plain();
    let record = scan(dir.path(), &["/proc/self/mem", "plain.txt"]);
    assert_eq!((record.paths(), record.coverage.len()), (vec!["plain.txt"], 1));
}

#[test]
fn files_that_forbid_reading() {
    use std::os::unix::fs::PermissionsExt;
    let dir = with_plain();
    put(dir.path(), "locked/a.txt", mint::github(4));
    let closed = put(dir.path(), "closed.txt", mint::github(5));
    let lock =
        |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    lock(&closed, 0);
    lock(&dir.path().join("locked"), 0);
    let record = scan_beside_plain(dir.path());
    lock(&dir.path().join("locked"), 0o700);
    if fs::read(&closed).is_ok() {
        return; // To root nothing is forbidden.
    }
    assert_eq!(record.paths(), ["plain.txt"]);
    for path in ["closed.txt", "locked"] {
        assert!(
            record.covered(path).is_some_and(|(status, why)| status == "skipped" && why.contains("ermission")),
            "{path}"
        );
    }
}

#[test]
fn empty_files_and_odd_names() {
    let dir = with_plain();
    put(dir.path(), "empty.txt", "");
    put(dir.path(), "line\nbreak.txt", mint::github(6));
    put(dir.path(), "-", mint::github(7));
    put(dir.path(), "--help", mint::github(8));
    let odd = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"not-utf8-\xff.txt");
    put(dir.path(), odd, mint::github(10));
    let record = scan_beside_plain(dir.path());
    assert_eq!(record.findings.len(), 5, "{:?}", record.paths());
    assert_eq!(record.summary["files"], 6);
    assert!(record.paths().contains(&"not-utf8-\u{fffd}.txt"));
    assert!(
        record.paths().iter().all(|path| !path.contains('\n')),
        "a line break in a name forges a line of the report"
    );
}

/// Files that come and go, grow and shrink while they are read: whatever is seen, the report is whole, and what could
/// not be read to its end is said.
#[test]
fn files_that_change_under_the_scan() {
    let dir = with_plain();
    let mut log = format!("{}\n", "filler ".repeat(20)).repeat(150_000).into_bytes();
    let token = mint::github(11);
    log[..40].copy_from_slice(token.as_bytes());
    log[40] = b' ';
    let log_path = put(dir.path(), "app.log", &log);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0u32;
            while !done.load(Ordering::Relaxed) {
                round += 1;
                let file = OpenOptions::new().write(true).open(&log_path).expect("it is there");
                let length = log.len() as u64;
                file.set_len(if round.is_multiple_of(3) {
                    length + 9_000_000
                } else {
                    length / u64::from(round % 3 * 50)
                })
                .expect("it can be cut");
                for n in 0..40 {
                    let path = put(dir.path(), format!("come/and/go-{n}.txt"), format!("{n}\n{}", mint::github(12)));
                    let _ = fs::remove_file(path);
                }
                std::thread::sleep(Duration::from_millis(7));
            }
        });
        let runs: Vec<Run> = (0..4).map(|_| finish(&mut scan_command(dir.path(), &["."]))).collect();
        done.store(true, Ordering::Relaxed);
        for run in runs {
            assert_eq!((run.code, run.err().as_str()), (Some(1), ""));
            let record = run.record();
            assert!(record.paths().contains(&"plain.txt"));
            let of_log =
                record.findings.iter().find(|f| f["location"]["path"] == "app.log").expect("its first bytes stay");
            assert_eq!(
                (common::number(of_log, "/location/line"), common::number(of_log, "/location/byte_start")),
                (1, 0)
            );
        }
    });
}

// ---- bytes ------------------------------------------------------------------------------------------------------

#[test]
fn bytes_that_are_no_text() {
    let mut bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    bytes.extend([0; 70_000]);
    bytes.extend(b"\xff\xfe\xc3\x28\xed\xa0\x80\xf4\x90\x80\x80");
    bytes.extend(Chance::new(1).bytes(300_000));
    scan_between(&bytes);
    // Right beside a token.
    for stray in [&b"\0"[..], b"\xff", b"\xc3", b"\xe2\x80", b"\x1b[31m"] {
        let token = mint::github(3);
        let record = scan_bytes(&[stray, token.as_bytes(), stray].concat());
        let start = stray.len() as u64;
        assert_eq!(common::number(record.only(), "/location/byte_start"), start, "{stray:?}");
    }
}

#[test]
fn numbers_beyond_all_bounds() {
    let numbers = [
        "1e400",
        "-1e400",
        "99999999999999999999",
        "-99999999999999999999",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "1e18",
        "1e-400",
        "0",
        "-0",
        "0.0000001",
        "253402300800",
        "99999999999",
        "100000000000",
        "99999999999999",
        "100000000000000",
        "1e999999999999999999999",
    ];
    for number in numbers.iter().map(|n| (*n).to_owned()).chain(["9".repeat(5000)]) {
        let claims = [
            format!("{{\"sub\":\"alice\",\"aud\":\"x\",\"iat\":{NOW_SECONDS},\"exp\":{number}}}"),
            format!("{{\"sub\":\"alice\",\"aud\":\"x\",\"iat\":{number},\"exp\":{NOW_SECONDS}}}"),
            format!("{{\"sub\":\"alice\",\"aud\":\"x\",\"nbf\":{number},\"exp\":{number},\"iat\":{number}}}"),
            format!("{{\"sub\":{number},\"aud\":[{number}],\"scope\":{number},\"exp\":{number},\"iat\":1}}"),
        ];
        let lines: Vec<String> = claims.iter().map(|claims| jwt_of(claims)).collect();
        let record = scan_between(lines.join("\n").as_bytes());
        assert_eq!(record.findings.len(), claims.len(), "{number}");
        let run = common::run(&["inspect", "--now", NOW, &lines[0]]).exits(0);
        assert_eq!(run.err(), "", "{number}");
    }
}

/// Integers beyond 64 bits are later than anything, not an error.
#[test]
fn an_expiry_beyond_all_bounds_is_live() {
    for number in ["1e400", "99999999999999999999", "9223372036854775808"] {
        let record =
            scan_bytes(jwt_of(&format!("{{\"sub\":\"alice\",\"iat\":{NOW_SECONDS},\"exp\":{number}}}")).as_bytes());
        let finding = record.only();
        assert_eq!(text(finding, "/token/state"), "live", "{number}");
        assert!(common::texts(finding, "/faults").contains(&"jwt-exp-far"), "{number}");
        assert!(text(finding, "/message").contains("for ever"), "{number}");
    }
}

#[test]
fn claims_nested_without_end() {
    let deep = 100_000;
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let inner = if open == "[" { "" } else { "1" };
        // Objects make longer texts; what is longer than a token can be is another test.
        let deep = if open == "[" { deep } else { deep / 2 };
        let whole = format!(
            "{{\"sub\":\"alice\",\"x\":{}{inner}{},\"exp\":{}}}",
            open.repeat(deep),
            close.repeat(deep),
            NOW_SECONDS + 9
        );
        let record = scan_between(jwt_of(&whole).as_bytes());
        assert_eq!(text(record.only(), "/token/subject"), "alice");
        assert_eq!(text(record.only(), "/token/state"), "live", "what stands behind it is read");
        // Never closed: no claims, no token.
        let broken = format!("{{\"sub\":\"alice\",\"x\":{}", open.repeat(deep));
        assert_eq!(scan_between(jwt_of(&broken).as_bytes()).findings.len(), 0);
    }
    // And in the header.
    let header = format!("{{\"alg\":\"ES256\",\"x\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
    scan_between(format!("{}.{}.{}", base64url(header), base64url("{\"sub\":\"a\"}"), base64url([7; 64])).as_bytes());
}

#[test]
fn tokens_that_are_cut_off() {
    let token = Jwt::access().mint();
    for length in (0..token.len()).step_by(7).chain([token.len() - 1]) {
        let record = scan_bytes(&token.as_bytes()[..length]);
        assert!(record.findings.iter().all(|f| f["severity"] == "info"), "cut at {length}: {:#?}", record.findings);
    }
    let segments: Vec<&str> = token.split('.').collect();
    let json = format!(
        "{{\"payload\":\"{}\",\"signatures\":[{{\"protected\":\"{}\",\"signature\":\"{}\"}}]}}",
        segments[1], segments[0], segments[2]
    );
    let whole = scan_bytes(json.as_bytes());
    assert_eq!(text(whole.only(), "/token/kind"), "jws-json");
    for length in (0..json.len()).step_by(11) {
        scan_between(&json.as_bytes()[..length]);
        let record = scan_bytes(&json.as_bytes()[..length]);
        assert!(record.findings.iter().all(|f| f["severity"] == "info"), "cut at {length}");
    }
}

// ---- malice by mass ---------------------------------------------------------------------------------------------

/// Three megabytes of base64url that begin like a header, with no dot to end them.
#[test]
fn a_header_without_end() {
    let mut run = base64url("{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"x\":\"");
    run += &base64url(Chance::new(4).bytes(2_250_000));
    scan_between(run.as_bytes());
    // With the dots, but longer than a token can be: it is said that something was not judged.
    let long = jwt_of(&format!("{{\"sub\":\"alice\",\"x\":\"{}\"}}", "a".repeat(1_500_000)));
    let record = scan_between(long.as_bytes());
    assert_eq!(record.findings.len(), 0);
    assert!(
        record.covered("-").is_some_and(|(status, why)| status == "truncated" && why.contains("longer")),
        "{record:?}"
    );
}

#[test]
fn lookalikes_without_end() {
    for (piece, kilobytes) in LOOKALIKES {
        scan_between(piece.repeat(kilobytes * 1_000 / piece.len()).as_bytes());
    }
}

/// A few kilobytes of them are no reason to look at nothing else.
#[test]
fn a_few_lookalikes_hide_nothing() {
    for (piece, _) in LOOKALIKES {
        let record = scan_between(piece.repeat(6_000 / piece.len()).as_bytes());
        assert!(record.coverage.is_empty(), "{piece}: {:?}", record.coverage);
    }
}

/// Whole headers, or whole tokens, with nothing but dots between them.
#[test]
fn headers_in_a_row() {
    let header = base64url("{\"alg\":\"ES256\"}");
    for piece in [format!("{header}."), format!("{header}.."), Jwt::short("a").mint() + "."] {
        scan_between(piece.repeat(1_500_000 / piece.len()).as_bytes());
    }
}

// ---- what reaches the terminal ----------------------------------------------------------------------------------

/// Characters that steer a terminal or reorder what it shows.
const STEERING: [char; 8] = ['\u{1b}', '\u{7}', '\u{8}', '\u{9b}', '\u{202e}', '\u{2066}', '\u{200f}', '\r'];

#[track_caller]
fn assert_tame(output: &[u8], what: &str) {
    let output = String::from_utf8(output.to_vec()).expect("reports are UTF-8");
    for c in STEERING {
        let at = output
            .find(c)
            .map(|at| output[..at].chars().rev().take(60).collect::<String>().chars().rev().collect::<String>());
        assert!(at.is_none(), "{what}: {c:?} after {at:?}");
    }
}

#[test]
fn nothing_steers_the_terminal() {
    let wild: String = STEERING.iter().collect::<String>() + "\n[31mred";
    let claim = |name: &str| Jwt::numbered(name.len() as u64).claim(name, format!("{name}{wild}x"));
    let mut tokens: Vec<String> =
        ["sub", "iss", "aud", "client_id", "scope", "azp"].map(|name| claim(name).mint()).to_vec();
    tokens.push(Jwt::access().claim("aud", vec![wild.clone(), "b".to_owned()]).mint());
    tokens.push(Jwt::access().claim(&wild, &*wild).mint());
    tokens.extend(["typ", "alg", "kid", "cty"].map(|name| Jwt::access().header(name, format!("{name}{wild}")).mint()));
    tokens.push(Jwt::access().claim("cnf", serde_json::json!({&*wild: wild.clone()})).mint());
    let dir = folder(tokens.iter().enumerate().map(|(n, token)| (format!("{n}{wild}.txt"), token)));
    symlink("/nowhere", dir.path().join(format!("link{wild}"))).expect("a link");
    for format in ["pretty", "json", "jsonl", "sarif"] {
        let args = ["scan", ".", "--format", format, "--show", "info", "--now", NOW];
        let run = finish(keybound().current_dir(dir.path()).args(args)).exits(1);
        assert_tame(&run.stdout, format);
        assert_tame(&run.stderr, format);
    }
    for token in &tokens {
        for args in [&["inspect", token, "--now", NOW][..], &["inspect", "--json", token, "--now", NOW]] {
            let run = common::run(args);
            assert_tame(&run.stdout, "inspect");
            assert_tame(&run.stderr, "inspect");
        }
    }
    // What was typed comes back in messages.
    for args in [
        &["scan", &wild][..],
        &["scan", "--format", &wild],
        &["scan", "--config", &wild],
        &["scan", "--now", &wild],
        &["scan", "--rules", &wild],
        &["scan", &format!("--{wild}")],
        &["explain", &wild],
        &[&wild],
        &["inspect", "a", &wild],
        &["rules", "check", &wild],
    ] {
        let run = common::run(args).exits(2);
        assert_tame(&run.stdout, &format!("{args:?}"));
        assert_tame(&run.stderr, &format!("{args:?}"));
    }
    // And what a configuration says.
    for config in [format!("{:?} = 1\n", "a\u{202e}b\u{200f}"), "[severity]\n\"a\\u001b\\u202e\" = 'low'\n".to_owned()]
    {
        put(dir.path(), "keybound.toml", config);
        let run = finish(keybound().current_dir(dir.path()).args(["scan", "."])).exits(2);
        assert_tame(&run.stderr, "keybound.toml");
    }
}
