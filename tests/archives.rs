//! Tokens in archives and compressed files: every format, one in the other, on disk and on standard input. Findings say
//! the file, the way into it and the place in what was unpacked.

mod common;
#[path = "archives/pack.rs"]
mod pack;

use std::fs;
use std::process::{Command, Stdio};

use common::mint::{self, Jwt};
use common::{NOW, finish, folder, keybound, number, put, scan, scan_bytes, scan_run, text, texts};
use pack::{Descriptor, Member, bz2, gz, log, pax, tar, tar_entry, xz, zip, zip_of, zst};
use serde_json::{Value, json};

/// Name, bytes, member (or none) and layers.
type Case = (&'static str, Vec<u8>, Option<&'static str>, &'static [&'static str]);

/// Every format and a good many nestings, each around [`log`].
fn cases(token: &str) -> Vec<Case> {
    let log = log(token);
    let one = |method| zip_of(&[Member::new("a/app.log", method, &log)]);
    let padded = |name, bytes: &[u8]| tar(&[("README", &b"nothing"[..]), (name, bytes)]);
    vec![
        ("app.log.gz", gz(&log), None, &["gzip"]),
        ("app.log.bz2", bz2(&log), None, &["bzip2"]),
        ("app.log.xz", xz(&log), None, &["xz"]),
        ("app.log.zst", zst(&log), None, &["zstd"]),
        ("logs.tar", padded("a/app.log", &log), Some("a/app.log"), &["tar"]),
        ("stored.zip", one(0), Some("a/app.log"), &["zip"]),
        ("deflated.zip", one(8), Some("a/app.log"), &["zip"]),
        ("bzip2.zip", one(12), Some("a/app.log"), &["zip"]),
        ("zstd.zip", one(93), Some("a/app.log"), &["zip"]),
        ("xz.zip", one(95), Some("a/app.log"), &["zip"]),
        ("named.whatever", zip(&[("x", &log)]), Some("x"), &["zip"]),
        ("logs.tar.gz", gz(&padded("./app.log", &log)), Some("app.log"), &["gzip", "tar"]),
        ("logs.tar.xz", xz(&padded("app.log", &log)), Some("app.log"), &["xz", "tar"]),
        ("logs.tar.zst", zst(&padded("app.log", &log)), Some("app.log"), &["zstd", "tar"]),
        ("logs.tar.bz2", bz2(&padded("app.log", &log)), Some("app.log"), &["bzip2", "tar"]),
        ("twice.gz", gz(&gz(&log)), None, &["gzip", "gzip"]),
        ("app.war", zip(&[("lib/x.jar", &one(8))]), Some("lib/x.jar!/a/app.log"), &["zip", "zip"]),
        ("logs.zip", zip(&[("app.log.gz", &gz(&log))]), Some("app.log.gz"), &["zip", "gzip"]),
        ("backup.tar", padded("old.zip", &one(0)), Some("old.zip!/a/app.log"), &["tar", "zip"]),
        (
            "deep.zip",
            zip(&[("b.tar.gz", &gz(&padded("c.zip", &one(8))))]),
            Some("b.tar.gz!/c.zip!/a/app.log"),
            &["zip", "gzip", "tar", "zip"],
        ),
        (
            "deepest.gz",
            gz(&tar(&[("a.zip", &zip(&[("b.tar", &tar(&[("c.xz", &xz(&log)[..])]))])[..])])),
            Some("a.zip!/b.tar!/c.xz"),
            &["gzip", "tar", "zip", "tar", "xz"],
        ),
    ]
}

#[track_caller]
fn is_at(finding: &Value, path: &str, member: Option<&str>, layers: &[&str]) {
    let at = &finding["location"];
    assert_eq!((text(at, "/path"), at["member"].as_str()), (path, member));
    assert_eq!(texts(at, "/layers"), layers, "{path}");
    assert_eq!((number(at, "/line"), number(at, "/column")), (3, 8), "{path}");
    assert_eq!((number(at, "/byte_start"), number(at, "/byte_end")), (20, 60), "{path}");
}

#[test]
fn every_format_and_nesting_on_disk_and_on_standard_input() {
    for (name, bytes, member, layers) in cases(&mint::github(1)) {
        let dir = folder([(name, &bytes)]);
        let record = scan(dir.path(), &["."]);
        assert_eq!(record.coverage, [Value::Null; 0], "{name}");
        is_at(record.only(), name, member, layers);
        assert_eq!(number(&record.summary, "/files"), 1);
        assert!(number(&record.summary, "/bytes") >= log(&mint::github(1)).len() as u64, "what was unpacked counts");

        let record = scan_bytes(&bytes);
        assert_eq!(record.coverage, [Value::Null; 0], "{name}");
        is_at(record.only(), "-", member, layers);
    }
}

#[test]
fn a_token_in_many_archives_is_one_finding() {
    let cases = cases(&mint::github(1));
    let dir = folder(cases.iter().map(|(name, bytes, ..)| (name, bytes)));
    let record = scan(dir.path(), &["."]);
    let finding = record.only();
    assert_eq!(number(finding, "/occurrences"), cases.len() as u64);
    let named = finding["related"].as_array().expect("a list").iter().filter(|r| r["member"].is_string()).count();
    assert!(named > 5, "{finding:#}");
}

#[test]
fn streams_in_a_row_are_one_text() {
    let token = mint::github(1);
    let log = log(&token);
    // Cut inside the token: it is still one.
    let (first, second) = log.split_at(40);
    let skippable = [&[0x53, 0x2a, 0x4d, 0x18, 5, 0, 0, 0][..], b"hello"].concat();
    for (name, bytes) in [
        ("gz", [gz(first), gz(b""), gz(second)].concat()),
        ("bz2", [bz2(first), bz2(b""), bz2(second)].concat()),
        ("xz", [xz(first), vec![0; 8], xz(second)].concat()),
        ("zst", [skippable.clone(), zst(first), skippable, zst(second)].concat()),
        ("gz and zeros", [gz(&log), vec![0; 1000]].concat()),
    ] {
        let record = scan_bytes(&bytes);
        assert_eq!(number(record.only(), "/location/byte_start"), 20, "{name}");
        assert_eq!(record.coverage, [Value::Null; 0], "{name}");
    }
}

#[test]
fn what_follows_a_stream_is_scanned_as_it_lies() {
    let (packed, appended) = (mint::github(1), mint::github(2));
    let bytes = [gz(&log(&packed)), format!("\nappended {appended}\n").into_bytes()].concat();
    let record = scan_bytes(&bytes);
    assert_eq!(record.findings.len(), 2);
    let layers = |finding: &Value| texts(finding, "/location/layers").len();
    let plain = record.findings.iter().find(|f| layers(f) == 0).expect("the appended one");
    let at = number(plain, "/location/byte_start") as usize;
    assert_eq!(&bytes[at..at + appended.len()], appended.as_bytes());
    assert_eq!(record.covered("-").expect("it is said").0, "examined");
}

#[test]
fn tokens_across_every_buffer() {
    // Larger than what is read at a time at any step, with tokens at and around those borders.
    let borders = [8 * 1024, 32 * 1024, 64 * 1024, 128 * 1024, 256 * 1024, 512 * 1024];
    let mut text: Vec<u8> =
        (0..700_000u32).map(|n| if n % 80 == 79 { b'\n' } else { b'a' + (n % 991 * (n % 89) % 26) as u8 }).collect();
    let mut tokens = Vec::new();
    for (n, border) in borders.into_iter().enumerate() {
        let token = mint::github(n as u64);
        let at = border - 3 - 6 * n;
        text[at - 1] = b' ';
        text[at..at + token.len()].copy_from_slice(token.as_bytes());
        text[at + token.len()] = b' ';
        tokens.push(at as u64);
    }
    for bytes in [
        gz(&text),
        bz2(&text),
        xz(&text),
        zst(&text),
        tar(&[("a", &text[..])]),
        zip_of(&[Member::new("a", 0, &text)]),
        zip_of(&[Member::new("a", 0, &text).described(Descriptor::Marked)]),
        zip_of(&[Member::new("a", 8, &text).described(Descriptor::Bare)]),
        gz(&tar(&[("a.zip", &zip(&[("b", &text)])[..])])),
    ] {
        let record = scan_bytes(&bytes);
        let mut starts: Vec<u64> = record.findings.iter().map(|f| number(f, "/location/byte_start")).collect();
        starts.sort_unstable();
        assert_eq!(starts, tokens);
        assert_eq!(record.coverage, [Value::Null; 0]);
    }
}

// ---- zip --------------------------------------------------------------------------------------------------------

#[test]
fn zip_members_say_how_long_they_are_before_or_behind() {
    let mut members = Vec::new();
    for method in [0, 8, 12, 93, 95] {
        for descriptor in [Descriptor::None, Descriptor::Marked, Descriptor::Bare, Descriptor::Wide] {
            if method == 0 && descriptor == Descriptor::Bare {
                continue; // nobody could tell where it ends
            }
            for wide in [false, true] {
                let number = members.len() as u64;
                let mut member = Member::new(&format!("m{number}"), method, log(&mint::github(number)));
                member.descriptor = descriptor;
                member.wide = wide && descriptor == Descriptor::None;
                members.push(member);
            }
        }
        members.push(Member::new("folder/", method, b"").described(Descriptor::Marked));
    }
    // Said before and behind, or announced behind and said before.
    let log = log(&mint::github(99));
    let behind =
        [&b"PK\x07\x08"[..], &crc32fast::hash(&log).to_le_bytes(), &[log.len() as u8, 0, 0, 0].repeat(2)].concat();
    for after in [behind, Vec::new()] {
        members.push(Member { flags: 8, after, ..Member::new("both", 0, &log) });
    }
    let record = scan_bytes(&zip_of(&members));
    assert_eq!(record.coverage, [Value::Null; 0]);
    assert_eq!(record.findings.len(), members.len() - 6, "five folders, and one token twice");
    for finding in &record.findings {
        assert_eq!(number(finding, "/location/byte_start"), 20);
    }
}

#[test]
fn a_stored_member_may_hold_the_marks_of_a_zip() {
    let token = mint::github(1);
    let inside =
        [&b"PK\x07\x08PK\x07\x08\0\0\0\0"[..], b"PK\x03\x04 PPK\x01\x02 PK\x05\x06", &log(&token), b"PK"].concat();
    let other = Member::new("b", 8, log(&mint::github(2)));
    let record = scan_bytes(&zip_of(&[Member::new("a", 0, &inside).described(Descriptor::Marked), other]));
    assert_eq!(record.coverage, [Value::Null; 0]);
    let members: Vec<&str> = record.findings.iter().map(|f| text(f, "/location/member")).collect();
    assert_eq!(members, ["a", "b"]);
}

#[test]
fn zip_archives_with_something_around_their_members() {
    let token = mint::github(1);
    let log = log(&token);
    let mut signed = Member::new("a", 8, b"x");
    signed.after = [&[0; 40][..], b"signature"].concat();
    let deleted = Member { listed: false, ..Member::new("gone", 8, &log) };
    for (name, bytes) in [
        ("a program", [&b"#!/usr/bin/env python3\n"[..], &zip(&[("__main__.py", &log)])].concat()),
        ("one segment of a split archive", [&b"PK00"[..], &zip(&[("a", &log)])].concat()),
        ("bytes between", zip_of(&[signed, Member::new("b", 8, &log)])),
        ("a member that is not listed any more", zip_of(&[Member::new("a", 8, b"x"), deleted])),
        ("two archives", [zip(&[("a", &b"x"[..])]), zip(&[("b", &log)])].concat()),
    ] {
        let record = scan_bytes(&bytes);
        assert_eq!(texts(record.only(), "/location/layers"), ["zip"], "{name}");
        assert_eq!(record.coverage, [Value::Null; 0], "{name}");
    }
    // Nothing in it is something, too.
    assert_eq!(number(&scan_bytes(&zip_of(&[])).summary, "/files"), 1);
}

// ---- tar --------------------------------------------------------------------------------------------------------

#[test]
fn tar_names_may_be_long() {
    let long = format!("{}app.log", "folder/".repeat(60));
    let token = log(&mint::github(1));
    let prefixed = {
        let mut entry = tar_entry(b"app.log", b'0', &token);
        entry[345..351].copy_from_slice(b"prefix");
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes().copy_from_slice(&entry[..512]);
        header.set_cksum();
        [&header.as_bytes()[..], &entry[512..]].concat()
    };
    let other = tar_entry(b"other", b'0', b"nothing");
    for (bytes, member) in [
        (tar(&[(&long, &token[..])]), &*long),
        ([pax(&[("mtime", "1.5"), ("path", &long)]), tar_entry(b"short", b'0', &token)].concat(), &long),
        ([pax(&[("path", "line\nbreak")]), tar_entry(b"short", b'0', &token)].concat(), "line\u{fffd}break"),
        ([pax(&[("GNU.sparse.name", "sparse")]), tar_entry(b"GNUSparseFile.0/x", b'0', &token)].concat(), "sparse"),
        // What is said of one member is not said of the next.
        ([pax(&[("path", "first")]), other, tar_entry(b"second", b'0', &token)].concat(), "second"),
        (prefixed, "prefix/app.log"),
    ] {
        let record = scan_bytes(&bytes);
        let shown: String = member.chars().take(240).collect();
        assert!(text(record.only(), "/location/member").starts_with(&shown), "{member}");
        assert_eq!(record.coverage, [Value::Null; 0], "{member}");
    }
}

#[test]
fn tar_sizes_links_and_sparse_files() {
    let token = log(&mint::github(1));
    // The size of a pax record counts, whatever the header says; links have no bytes, whatever their header says.
    let mut sized = tar_entry(b"big", b'0', &token);
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes().copy_from_slice(&sized[..512]);
    header.set_size(0);
    header.set_cksum();
    sized[..512].copy_from_slice(header.as_bytes());
    let mut link = tar_entry(b"link", b'1', b"");
    header.as_mut_bytes().copy_from_slice(&link);
    header.set_size(512);
    header.set_cksum();
    link.copy_from_slice(header.as_bytes());
    let size = token.len().to_string();
    let record = scan_bytes(&[link.clone(), pax(&[("size", &size)]), sized, link].concat());
    assert_eq!(text(record.only(), "/location/member"), "big");
    assert_eq!(record.coverage, [Value::Null; 0]);

    // GNU's old sparse files: the map may go on in a block of its own, then come the bytes that are there.
    let mut sparse = tar::Header::new_gnu();
    sparse.set_path("sparse").expect("it fits");
    sparse.set_size(token.len() as u64);
    sparse.set_entry_type(tar::EntryType::GNUSparse);
    sparse.as_gnu_mut().expect("it is one").set_is_extended(true);
    sparse.set_cksum();
    let mut bytes = [&sparse.as_bytes()[..], &[0; 512], &token].concat();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes.extend(tar_entry(b"next", b'0', &log(&mint::github(2))));
    let record = scan_bytes(&bytes);
    assert_eq!(record.coverage, [Value::Null; 0]);
    let members: Vec<&str> = record.findings.iter().map(|f| text(f, "/location/member")).collect();
    assert_eq!(members, ["next", "sparse"]);
}

#[test]
fn the_oldest_headers_have_no_mark() {
    let token = log(&mint::github(1));
    let mut header = tar::Header::new_old();
    header.set_path("old").expect("it fits");
    header.set_mode(0o644);
    header.set_size(token.len() as u64);
    header.set_cksum();
    let mut old = [&header.as_bytes()[..], &token].concat();
    old.resize(1024, 0);
    for bytes in [old.clone(), [tar_entry(b"new", b'0', b"x"), old].concat()] {
        let record = scan_bytes(&bytes);
        assert_eq!(text(record.only(), "/location/member"), "old");
        assert_eq!(record.coverage, [Value::Null; 0]);
    }
}

#[test]
fn two_tar_archives_in_a_row() {
    let bytes = [tar(&[("a", &b"x"[..])]), vec![0; 5 * 512], tar(&[("b", &log(&mint::github(1))[..])])].concat();
    let record = scan_bytes(&bytes);
    assert_eq!(text(record.only(), "/location/member"), "b");
    assert_eq!(record.coverage, [Value::Null; 0]);
}

// ---- among other things -------------------------------------------------------------------------------------------

#[test]
fn text_that_begins_like_an_archive_is_text() {
    for beginning in ["PK", "PK\u{3}\u{4} is a mark", "BZh9 what?", "7z", "#!/bin/sh\nPK\n", "\u{1f}", "ustar"] {
        let record = scan_bytes(format!("{beginning}\n{}\n", mint::github(1)).as_bytes());
        assert_eq!(texts(record.only(), "/location/layers"), [""; 0], "{beginning:?}");
        assert_eq!(record.coverage, [Value::Null; 0], "{beginning:?}");
    }
}

#[test]
fn archives_that_are_not_unpacked_are_named() {
    let token = mint::github(1);
    let bytes = [b"7z\xbc\xaf\x27\x1c stored: ", token.as_bytes(), b" "].concat();
    let dir = folder([("a.7z", bytes.clone()), ("b.zip", zip(&[("c.7z", &bytes)]))]);
    let record = scan(dir.path(), &["."]);
    assert_eq!(number(record.only(), "/occurrences"), 2);
    assert_eq!(record.covered("a.7z"), Some(("unparsed", "7z archive: not unpacked, scanned as it lies")));
    assert_eq!(text(&record.coverage[1], "/member"), "c.7z");
}

#[test]
fn excludes_are_for_files_and_members_of_tests_are_samples() {
    let dir = folder([
        ("keep.zip", zip(&[("vendor.zip", &log(&Jwt::numbered(1).mint())[..])])),
        ("leave.zip", zip(&[("a", &log(&Jwt::numbered(2).mint())[..])])),
        ("keybound.toml", b"exclude = ['leave.*', 'vendor.zip']\n".to_vec()),
    ]);
    assert_eq!(scan(dir.path(), &["."]).paths(), ["keep.zip"]);

    let grave = |member: &str| {
        let record = scan_bytes(&zip(&[(member, &log(&mint::github(1))[..])]));
        text(record.only(), "/severity").to_owned()
    };
    assert_eq!(grave("src/main.py"), grave("main.py"));
    assert_ne!(grave("src/main.py"), grave("tests/main.py"));
}

#[test]
fn big_archives_are_read_whole_whatever_the_threads() {
    // Longer than what other files are cut into.
    let filler = [&[b'-'; 127][..], b"\n"].concat().repeat(17 * 8 * 1024);
    let files = (0..3u64).map(|n| {
        let token = log(&mint::github(n));
        let members = [("filler", &filler[..]), ("app.log", &token[..])];
        let bytes = match n {
            0 => tar(&members),
            1 => zip_of(&members.map(|(name, bytes)| Member::new(name, 0, bytes))),
            _ => [&filler[..], &token].concat(),
        };
        (format!("{n}.bin"), bytes)
    });
    let dir = folder(files);
    let run = |threads: &str| scan_run(dir.path(), &[".", "--threads", threads]).exits(1).stdout;
    let report = run("1");
    assert_eq!(report, run("4"));
    let record = common::Record::read(&report).expect("a record");
    assert_eq!(record.paths(), ["0.bin", "1.bin", "2.bin"]);
    assert_eq!(record.coverage, [Value::Null; 0]);
}

#[test]
fn reports_for_people_and_for_github_point_at_the_file_and_say_the_member() {
    let token = mint::github(1);
    let dir = folder([
        ("logs.zip", zip(&[("a/app.log", &log(&token)[..])])),
        ("plain.log", log(&token)),
        ("z.gz", gz(&log(&mint::npm(1)))),
    ]);
    let run = |format: &str| {
        finish(keybound().current_dir(dir.path()).args(["scan", "--now", NOW, "--format", format])).exits(1)
    };
    let pretty = run("pretty").out();
    assert!(pretty.contains("logs.zip!/a/app.log:3:8"), "{pretty}");
    let sarif: Value = serde_json::from_slice(&run("sarif").stdout).expect("JSON");
    let results = sarif["runs"][0]["results"].as_array().expect("a list");
    let of = |path: &str| {
        let own = "/locations/0/physicalLocation/artifactLocation/uri";
        results.iter().find(|result| result.pointer(own) == Some(&json!(path))).expect(path)
    };
    let result = of("logs.zip");
    assert_eq!(result["locations"][0]["physicalLocation"]["region"], json!({"startLine": 1}));
    let logical = json!([{"name": "a/app.log", "fullyQualifiedName": "logs.zip!/a/app.log", "kind": "resource"}]);
    assert_eq!(result["locations"][0]["logicalLocations"], logical);
    assert!(text(result, "/message/text").contains("Unpacked from logs.zip!/a/app.log: line 3, column 8."));
    assert_eq!(number(result, "/relatedLocations/0/physicalLocation/region/startLine"), 3, "that one is plain");
    let result = of("z.gz");
    assert_eq!(result["locations"][0]["physicalLocation"]["region"], json!({"startLine": 1}));
    assert!(text(result, "/message/text").contains("Unpacked from z.gz: line 3, column 8."));
}

// ---- archives that other programs made ------------------------------------------------------------------------------

/// Makes one archive of each kind that Python can make, each with its own token, which it reads from standard input.
const PYTHON: &str = r#"
import bz2, gzip, io, lzma, os, sys, tarfile, zipfile
logs = iter(sys.stdin.read().split("\0"))
data = lambda: next(logs).encode()
open("a.gz", "wb").write(gzip.compress(data()))
open("a.bz2", "wb").write(bz2.compress(data()))
open("a.xz", "wb").write(lzma.compress(data(), preset=9))
open("crc32.xz", "wb").write(lzma.compress(data(), check=lzma.CHECK_CRC32))
open("sha.xz", "wb").write(lzma.compress(data(), check=lzma.CHECK_SHA256))
filters = [{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_DELTA, "dist": 4}, {"id": lzma.FILTER_LZMA2, "preset": 6}]
open("filters.xz", "wb").write(lzma.compress(data(), filters=filters))
class Pipe(io.RawIOBase):
    def __init__(self, file): self.file = file
    def writable(self): return True
    def write(self, piece): return self.file.write(piece)
for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
    with zipfile.ZipFile(f"{method}.zip", "w", method) as z: z.writestr("a/app.log", data())
    with open(f"{method}-piped.zip", "wb") as file:
        with zipfile.ZipFile(Pipe(file), "w", method) as z:
            z.writestr("empty", b"")
            z.writestr("a/app.log", data())
            with z.open("wide", "w", force_zip64=True) as wide: wide.write(data())
for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
    for mode in ("w", "w:gz", "w:bz2", "w:xz", "w|gz"):
        with tarfile.open(f"{form}{mode.replace(':', '-').replace('|', '-pipe-')}.tar", mode, format=form) as t:
            info = tarfile.TarInfo("f" * 60 + "/" + "ä" * 40 + "/app.log" if form else "app.log")
            bytes = data()
            info.size = len(bytes)
            t.addfile(info, io.BytesIO(bytes))
"#;

#[test]
fn archives_made_by_python() {
    let logs: Vec<Vec<u8>> = (0..40).map(|n| log(&mint::github(n))).collect();
    let dir = folder([("x", "")]);
    let mut python = Command::new("python3");
    python
        .current_dir(dir.path())
        .args(["-c", PYTHON])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if Command::new("python3").arg("--version").output().is_err() {
        return; // the other tests have archives of their own
    }
    let made = common::finish_with(&mut python, &logs.join(&0));
    assert_eq!(made.code, Some(0), "{}", made.err());
    fs::remove_file(dir.path().join("x")).expect("it was there");
    let record = scan(dir.path(), &["."]);
    assert_eq!(record.coverage, [Value::Null; 0]);
    assert_eq!(record.findings.len(), 6 + 3 * 3 + 3 * 5);
    assert!(record.findings.iter().all(|f| number(f, "/location/byte_start") == 20));
    let files = fs::read_dir(dir.path()).expect("a folder").count();
    assert_eq!(number(&record.summary, "/files"), files as u64);
    put(dir.path(), "again", "nothing");
}
