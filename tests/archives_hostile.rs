//! Archives that are damaged, cut off, locked or made to harm: what can be read is, what can't is said, time and memory
//! stay bounded.

mod common;
#[path = "archives/pack.rs"]
mod pack;

use std::io::Read;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{NOW, Record, finish, folder, gather, keybound, mint, number, scan, scan_bytes, text, texts};
use keybound::finding::Status;
use keybound::origin::Origin;
use keybound::source::archive::{self, Contents};
use keybound::source::stream::Part;
use pack::{Descriptor, Member, bz2, gz, log, tar, tar_entry, xz, zip, zip_of, zst, zst_of_one_byte};
use serde_json::Value;

/// Status, member (or none) and reason of every coverage row.
fn rows(record: &Record) -> Vec<(&str, Option<&str>, &str)> {
    record.coverage.iter().map(|row| (text(row, "/status"), row["member"].as_str(), text(row, "/reason"))).collect()
}

// ---- cut off and damaged --------------------------------------------------------------------------------------------

/// Lines that don't compress well, each with a token.
fn long_log() -> (Vec<u8>, usize) {
    let lines = 900;
    let log =
        (0..lines).flat_map(|n| format!("{} {}\n", mint::hex(n + 1, 480), mint::github(n)).into_bytes()).collect();
    (log, lines as usize)
}

#[test]
fn what_was_read_before_the_cut_stays() {
    let (log, tokens) = long_log();
    let half = &log[..log.len() / 2];
    let rest = &log[log.len() / 2..];
    for (name, bytes, least) in [
        // How much of a tenth is found at least, in percent: blocks and windows end where they end.
        ("gz", gz(&log), 95),
        ("zst", zst(&log), 50),
        ("bz2", bz2(&log), 60),
        ("xz", xz(&log), 40),
        ("tar", tar(&[("a", half), ("b", rest)]), 95),
        ("stored zip", zip_of(&[Member::new("a", 0, half), Member::new("b", 0, rest)]), 95),
        ("zip", zip(&[("a", half), ("b", rest)]), 95),
        ("piped zip", zip_of(&[Member::new("a", 8, &log).described(Descriptor::Marked)]), 95),
        ("tar.gz", gz(&tar(&[("a", half), ("b", rest)])), 95),
        ("gz in zip", zip_of(&[Member::new("a.gz", 0, gz(&log))]), 95),
    ] {
        let mut before = 0;
        for tenth in 1..10 {
            let cut = bytes.len() * tenth / 10;
            let record = scan_bytes(&bytes[..cut]);
            let found = record.findings.len();
            assert!(!record.coverage.is_empty(), "{name} cut at {tenth}/10 says nothing");
            assert!(rows(&record).iter().all(|(status, ..)| matches!(*status, "truncated" | "unparsed")), "{name}");
            assert!(found >= before && found <= tokens, "{name} at {tenth}/10: {found} after {before}");
            if tenth >= 5 {
                let expected = tokens * tenth * least / 1000;
                assert!(found >= expected, "{name} at {tenth}/10: {found} of {tokens}, not {expected}");
            }
            before = found;
        }
        assert_eq!(scan_bytes(&bytes).findings.len(), tokens, "{name}");
    }
}

#[test]
fn what_is_damaged_is_said_once_where_it_is() {
    let (log, tokens) = long_log();
    let flip = |mut bytes: Vec<u8>, at: usize| {
        bytes[at] ^= 0x55;
        bytes
    };
    let middle = |bytes: Vec<u8>| {
        let at = bytes.len() / 2;
        flip(bytes, at)
    };
    for (name, bytes, member, word) in [
        ("gz", middle(gz(&log)), None, "gzip"),
        ("bz2", middle(bz2(&log)), None, "bzip2"),
        ("xz", middle(xz(&log)), None, "xz"),
        ("zst", middle(zst(&log)), None, "Zstandard"),
        ("gz in tar", tar(&[("x.gz", &middle(gz(&log))[..])]), Some("x.gz"), "gzip"),
        ("gz in zip", zip_of(&[Member::new("x.gz", 0, middle(gz(&log)))]), Some("x.gz"), "gzip"),
        ("zip in tar in gz", gz(&tar(&[("x.zip", &middle(zip(&[("y", &log[..])]))[..])])), Some("x.zip!/y"), ""),
    ] {
        let record = scan_bytes(&bytes);
        let rows = rows(&record);
        assert_eq!(rows.len(), 1, "{name}: {rows:?}");
        assert_eq!(rows[0].1, member, "{name}");
        assert!(rows[0].2.contains(word), "{name}: {rows:?}");
        assert!(record.findings.len() >= tokens / 4, "{name}");
    }
    // Checksums come last: all was read, and is not what was packed.
    let packed = gz(&log);
    let sum = packed.len() - 8;
    for bytes in [flip(packed, sum), zip_of(&[Member { crc: Some(7), ..Member::new("a", 8, &log) }])] {
        let record = scan_bytes(&bytes);
        assert_eq!((record.findings.len(), record.coverage.len()), (tokens, 1), "{:?}", rows(&record));
    }
}

#[test]
fn members_after_a_damaged_one_are_read() {
    let token = log(&mint::github(1));
    let (long, _) = long_log();
    let mut damaged = pack::deflate(&long);
    damaged[200..260].fill(0xff);
    for descriptor in [Descriptor::None, Descriptor::Marked] {
        let mut bytes = zip_of(&[
            Member::new("bad", 8, &long).described(descriptor),
            Member::new("good", 8, &token),
            Member::new("better", 0, &token),
        ]);
        let packed = pack::deflate(&long);
        let at = bytes.windows(packed.len()).position(|window| window == packed).expect("it is there");
        bytes[at..at + packed.len()].copy_from_slice(&damaged);
        let record = scan_bytes(&bytes);
        let finding = record.findings.iter().find(|f| f["occurrences"] == 2).expect("the token of both");
        assert_eq!(text(finding, "/location/member"), "better");
        assert_eq!(rows(&record).len(), 1, "{:?}", rows(&record));
        assert_eq!(rows(&record)[0].1, Some("bad"));
    }
    // In a tar archive what is no header is scanned as it lies, up to the next.
    let stray = log(&mint::github(2));
    let mut gap = stray.clone();
    gap.resize(1024, b'.');
    let bytes = [tar_entry(b"a", b'0', &token), gap, tar_entry(b"b", b'0', &token)].concat();
    let record = scan_bytes(&bytes);
    assert_eq!(record.findings.len(), 2);
    let stray = record.findings.iter().find(|f| f["location"]["member"].is_null()).expect("the stray one");
    assert_eq!(number(stray, "/location/byte_start"), 1024 + 20);
    assert_eq!(
        rows(&record),
        [("unparsed", None, "no tar header at byte 1024; scanned as it lies up to the next one")]
    );
}

#[test]
fn a_member_that_claims_too_much_takes_nothing_but_itself() {
    let token = log(&mint::github(1));
    let mut entry = tar_entry(b"a", b'0', &token);
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes().copy_from_slice(&entry[..512]);
    for size in [u64::MAX, 1 << 62, 1 << 40, 4096] {
        header.set_size(size);
        header.set_cksum();
        entry[..512].copy_from_slice(header.as_bytes());
        let record = scan_bytes(&entry);
        assert_eq!(text(record.only(), "/location/member"), "a");
        assert_eq!(rows(&record).len(), 1, "{:?}", rows(&record));
    }
    for size in ["18446744073709551615", "9223372036854775807", "-1", "x"] {
        let record = scan_bytes(&[pack::pax(&[("size", size)]), tar_entry(b"a", b'0', &token)].concat());
        assert_eq!(record.findings.len(), 1, "{size}");
    }
    // A long name that never ends.
    let mut name = tar_entry(b"x", b'L', b"");
    header.as_mut_bytes().copy_from_slice(&name);
    header.set_size(1 << 50);
    header.set_cksum();
    name.copy_from_slice(header.as_bytes());
    let record = scan_bytes(&[name, token].concat());
    assert_eq!((record.findings.len(), record.coverage.len()), (1, 1));
}

// ---- locked and unknown ---------------------------------------------------------------------------------------------

#[test]
fn encrypted_and_unknown_members_are_named() {
    let token = log(&mint::github(1));
    let locked = |name, descriptor| Member { flags: 1, ..Member::new(name, 8, b"secret").described(descriptor) };
    let record = scan_bytes(&zip_of(&[
        locked("locked", Descriptor::None),
        locked("piped", Descriptor::Marked),
        Member::new("unknown", 14, b"LZMA data"),
        Member::new("strange", 77, b"what?"),
        Member::new("open", 8, &token),
    ]));
    assert_eq!(text(record.only(), "/location/member"), "open");
    assert_eq!(
        rows(&record),
        [
            ("skipped", Some("locked"), "encrypted"),
            ("skipped", Some("piped"), "encrypted"),
            ("unparsed", Some("strange"), "compressed with method 77, which is not unpacked"),
            ("unparsed", Some("unknown"), "compressed with LZMA, which is not unpacked"),
        ]
    );
}

#[test]
fn nothing_but_what_cannot_be_read_is_nothing_scanned() {
    let locked = Member { flags: 1, ..Member::new("locked", 8, b"secret") };
    let dir = folder([("a.zip", zip_of(&[locked]))]);
    let run = common::scan_run(dir.path(), &["."]).exits(3);
    assert_eq!(rows(&run.record()), [("skipped", Some("locked"), "encrypted")]);
}

#[test]
fn a_directory_that_lists_more_than_there_is() {
    let mut bytes = zip(&[("a", &log(&mint::github(1))[..]), ("b", b"something")]);
    // The second member's header is made unreadable: its entry in the directory stays.
    let second = bytes.windows(4).skip(1).position(|w| w == b"PK\x03\x04").expect("it is there") + 1;
    bytes[second] = b'Q';
    let record = scan_bytes(&bytes);
    assert_eq!(record.findings.len(), 1);
    let reason = "the zip archive's directory lists 2 members, 1 came";
    assert_eq!(rows(&record), [("truncated", None, reason)]);
}

#[test]
fn rows_are_bounded_and_counted() {
    let members: Vec<Member> =
        (0..80).map(|n| Member { flags: 1, ..Member::new(&format!("m{n}"), 8, b"secret") }).collect();
    let record = scan_bytes_of(&zip_of(&members));
    let rows = rows(&record);
    assert_eq!(rows.len(), 51);
    assert!(rows.contains(&("truncated", None, "30 more places in it were not (wholly) examined")), "{rows:?}");
}

/// As `scan_bytes`, whatever the exit code.
fn scan_bytes_of(bytes: &[u8]) -> Record {
    common::finish_with(keybound().args(["scan", "--format", "jsonl", "--now", NOW, "-"]), bytes).record()
}

#[test]
fn archives_in_archives_have_an_end() {
    let token = log(&mint::github(1));
    let mut bytes = token.clone();
    for depth in 1..=8 {
        bytes = tar(&[("a", &bytes[..])]);
        let record = scan_bytes(&bytes);
        // Beyond six layers it is scanned as it lies, which for a tar archive is as good.
        let layers = texts(record.only(), "/location/layers").len();
        assert_eq!((layers, record.coverage.len()), (depth.min(6), usize::from(depth > 6)), "{depth}");
    }
}

// ---- bombs ----------------------------------------------------------------------------------------------------------

/// 128 KiB of one byte in four: up to 30,000 times smaller.
fn bomb(megabytes: u32) -> Vec<u8> {
    zst_of_one_byte(megabytes * 8)
}

/// What an archive holds, read and forgotten: the scanner of a test build is too slow for gigabytes.
#[derive(Default, PartialEq, Debug)]
struct Reader {
    members: Vec<Origin>,
    rows: Vec<(Status, Option<String>, String)>,
}

impl Reader {
    fn of(bytes: &mut dyn Read) -> Self {
        let mut reader = Self::default();
        let origin = Arc::new(Origin::file("a".into()));
        assert!(archive::unpack(bytes, &origin, &mut reader, &|| false), "something was examined");
        reader
    }
}

/// A pipe that gives little at a time.
struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let most = into.len().min(777);
        self.0.read(&mut into[..most])
    }
}

impl Contents for Reader {
    fn scan(&mut self, origin: &Arc<Origin>, _: Part, reader: &mut dyn Read) {
        self.members.push((**origin).clone());
        let _ = std::io::copy(reader, &mut std::io::sink());
    }

    fn note(&mut self, origin: &Origin, status: Status, reason: String) {
        self.rows.push((status, origin.member.as_deref().map(str::to_owned), reason));
    }
}

#[test]
fn bombs_become_rows_and_what_stands_beside_them_is_read() {
    let bomb = bomb(1_000);
    let beside = [("bomb.zst", &bomb[..]), ("app.log", b"something")];
    let packed = Member::new("bomb", 93, vec![b'0'; 90_000_000]);
    for (name, bytes, member, members) in [
        ("alone", bomb.clone(), None, 1),
        ("in tar", tar(&beside), Some("bomb.zst"), 2),
        ("in zip", zip(&beside), Some("bomb.zst"), 2),
        ("in tar.gz", gz(&tar(&beside)), Some("bomb.zst"), 2),
        ("a member", zip_of(&[packed.clone(), Member::new("b", 8, b"b")]), Some("bomb"), 2),
        ("a piped member", zip_of(&[packed.described(Descriptor::Marked), Member::new("b", 8, b"b")]), Some("bomb"), 3),
    ] {
        let reader = Reader::of(&mut &bytes[..]);
        assert_eq!(Reader::of(&mut Trickle(&bytes)), reader, "{name}");
        let [(status, own, reason)] = &reader.rows[..] else { panic!("{name}: {:?}", reader.rows) };
        assert_eq!((*status, own.as_deref(), reader.members.len()), (Status::Truncated, member, members), "{name}");
        assert!(
            reason.starts_with("unpacks to more than 200 times its size; not examined beyond 67"),
            "{name}: {reason}"
        );
    }
    let record = scan_bytes(&bomb);
    assert_eq!((record.findings.len(), record.coverage.len()), (0, 1));
    assert!(number(&record.summary, "/bytes") < 100_000_000);
}

#[test]
fn many_bombs_end_the_file() {
    let bomb = bomb(1_000);
    // Sixteen in each of sixteen: 256 GB in a few hundred bytes.
    let names: Vec<String> = (0..16).map(|n| format!("{n}.zst")).collect();
    let row: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &bomb[..])).collect();
    let inner = zip(&row);
    let all: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &inner[..])).collect();
    let bytes = zip(&all);
    let reader = Reader::of(&mut &bytes[..]);
    // Each gives 64 MiB and a little more until it is ended, all together no more than 512.
    assert_eq!(reader.members.len(), 8);
    let (last, each) = reader.rows.split_last().expect("rows");
    let reason = "unpacks to more than 200 times its size; the rest was not examined";
    assert_eq!((last.0, &last.1, &*last.2), (Status::Truncated, &None, reason));
    assert!(each.iter().all(|(status, member, _)| *status == Status::Truncated && member.is_some()), "{each:?}");
}

/// What is made of zeros compresses a thousandfold, and is read as far as that is no harm.
#[test]
fn zeros_are_read_for_a_while() {
    let record = scan_bytes(&gz(&[vec![0; 3_000_000], log(&mint::github(1))].concat()));
    assert_eq!((record.findings.len(), record.coverage.len()), (1, 0));
}

/// The window of a Zstandard frame is whatever its header says, the dictionary of an xz block likewise.
#[cfg(target_os = "linux")]
#[test]
fn windows_are_bounded() {
    // RFC 8878, section 3.1.1.1.2: the largest exponent and mantissa; then one raw block.
    let frame = |window: u8| {
        let block = log(&mint::github(1));
        let header = 1 | (block.len() as u32) << 3;
        [&[0x28, 0xb5, 0x2f, 0xfd, 0, window][..], &header.to_le_bytes()[..3], &block].concat()
    };
    // The xz file format, section 3.1: the block header's dictionary size is its 15th byte here.
    let block = |size: u8| {
        let mut bytes = xz(&log(&mint::github(1)));
        assert_eq!(bytes[12..16], [2, 0, 0x21, 1]);
        bytes[16] = size;
        let sum = crc32fast::hash(&bytes[12..20]);
        bytes[20..24].copy_from_slice(&sum.to_le_bytes());
        bytes
    };
    let few = |bytes: Vec<u8>| {
        let dir = folder([("a", bytes)]);
        let limited = "ulimit -v 600000; exec \"$0\" scan . --threads 1 --format jsonl";
        let mut shell = std::process::Command::new("sh");
        shell.current_dir(dir.path()).args(["-c", limited, env!("CARGO_BIN_EXE_keybound")]);
        finish(shell.stdout(Stdio::piped()).stderr(Stdio::piped())).record()
    };
    for (bytes, found) in
        [(frame(17 << 3), 1), (frame(17 << 3 | 1), 0), (frame(0xff), 0), (block(30), 1), (block(40), 0)]
    {
        let record = few(bytes);
        assert_eq!(record.findings.len(), found, "{:?}", rows(&record));
        assert_eq!(rows(&record).len(), 1 - found);
        if found == 0 {
            assert!(rows(&record)[0].2.contains("more memory to look back at"), "{:?}", rows(&record));
        }
    }
}

// ---- names and interruptions ----------------------------------------------------------------------------------------

#[test]
fn names_are_shown_and_never_followed() {
    let token = log(&mint::github(1));
    let long = "x/".repeat(3_000);
    let dir = folder([("keep", "x")]);
    for (name, shown) in [
        (&b"/etc/passwd"[..], "/etc/passwd"),
        (b"../../../../tmp/keybound-was-here", "../../../../tmp/keybound-was-here"),
        (b"..\\..\\x", "..\\..\\x"),
        (b"a\x1b[31m\nb\0c", "a\u{fffd}[31m\u{fffd}b\u{fffd}c"),
        (b"caf\xe9.log", "caf\u{fffd}.log"),
        (long.as_bytes(), &long[..240]),
    ] {
        let member = Member { name: name.to_vec(), ..Member::new("", 8, &token) };
        std::fs::write(dir.path().join("a.zip"), zip_of(&[member])).expect("it can be written");
        let record = scan(dir.path(), &["."]);
        let own = text(record.only(), "/location/member");
        assert_eq!(own.trim_end_matches('…'), shown);
    }
    let left: Vec<_> =
        std::fs::read_dir(dir.path()).expect("a folder").map(|e| e.expect("an entry").file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(!std::path::Path::new("/tmp/keybound-was-here").exists());
}

/// A compressed pipe that never ends is left at once, with what was seen until then.
#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_scan_within_a_member() {
    use std::io::Write;

    let (filler, _) = long_log();
    let members = [
        ("gz", gz(&log(&mint::gitlab(1))), gz(&filler)),
        ("zip", zip(&[("a", &log(&mint::gitlab(1))[..])]), zip(&[("b", &filler[..])])),
        ("tar", tar(&[("a", &log(&mint::gitlab(1))[..])]), tar(&[("b", &filler[..])])),
    ];
    for (name, first, more) in members {
        let mut command = keybound();
        command.args(["scan", "-", "--format", "jsonl", "--now", NOW]).stdin(Stdio::piped());
        let started = Instant::now();
        let mut child = command.spawn().expect("it starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        let pid = child.id().to_string();
        let writer = std::thread::spawn(move || {
            let mut went = stdin.write_all(&first);
            while went.is_ok() && started.elapsed() < Duration::from_secs(60) {
                went = stdin.write_all(&more);
            }
        });
        std::thread::sleep(Duration::from_millis(1_000));
        let killed = std::process::Command::new("kill").args(["-INT", &pid]).status().expect("kill is there");
        assert!(killed.success());
        let run = gather(child, started, Duration::from_secs(20)).exits(130);
        writer.join().expect("it writes until nobody reads");
        let record = run.record();
        assert_eq!(record.summary["partial"], true, "{name}");
        assert!(record.findings.iter().any(|f| f["family"] == "gitlab-pat"), "{name}");
        assert_eq!(record.coverage, [Value::Null; 0], "{name}");
    }
}
