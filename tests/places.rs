//! Places: offset, line and column are those an editor would show, wherever a token stands and however the bytes are cut
//! for reading, and every token is seen exactly once.

mod common;

use std::ops::Range;

use common::mint::{self, Chance, Jwt};
use common::{Record, folder, number, put, scan, scan_bytes, text};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// Longer files are read in parts.
const PART: usize = 16 * MIB;

/// Bytes with tokens in them, and where those are.
struct Planted {
    bytes: Vec<u8>,
    tokens: Vec<Range<usize>>,
}

impl Planted {
    /// Lines of `width` bytes.
    fn lines(length: usize, width: usize) -> Self {
        let mut line = "the quick brown fox jumps over the lazy dog, ".repeat(width / 45 + 1).into_bytes();
        line.truncate(width - 1);
        line.push(b'\n');
        let mut bytes = line.repeat(length / width + 1);
        bytes.truncate(length);
        Self { bytes, tokens: Vec::new() }
    }

    /// Writes a token with what announces it over the bytes at `at`.
    fn plant(&mut self, at: usize, (around, token): (String, Range<usize>)) {
        let end = at + around.len();
        self.bytes[at..end].copy_from_slice(around.as_bytes());
        self.bytes[at - 1] = b' ';
        if end < self.bytes.len() {
            self.bytes[end] = b' ';
        }
        self.tokens.push(at + token.start..at + token.end);
    }

    /// What must be reported, in order: first and last byte, line and column of both.
    fn truth(&self) -> Vec<[u64; 6]> {
        let mut tokens = self.tokens.clone();
        tokens.sort_by_key(|token| token.start);
        let (mut at, mut line, mut line_start) = (0, 1, 0);
        tokens
            .into_iter()
            .map(|token| {
                for newline in memchr::memchr_iter(b'\n', &self.bytes[at..token.start]) {
                    line += 1;
                    line_start = at + newline + 1;
                }
                at = token.start;
                let column = |offset: usize| (offset - line_start + 1) as u64;
                [token.start as u64, token.end as u64, line, column(token.start), line, column(token.end)]
            })
            .collect()
    }

    #[track_caller]
    fn check(&self, record: &Record, what: &str) {
        let found = places(record);
        let truth = self.truth();
        let missing: Vec<_> = truth.iter().filter(|place| !found.contains(place)).collect();
        let wrong: Vec<_> = found.iter().filter(|place| !truth.contains(place)).collect();
        assert!(missing.is_empty() && wrong.is_empty(), "{what}: missing {missing:?}, wrong {wrong:?}");
        assert_eq!(found.len(), truth.len(), "{what}: something is found twice");
        assert!(
            record.findings.iter().all(|finding| finding["occurrences"] == 1),
            "{what}: something is counted twice"
        );
        assert_eq!(number(&record.summary, "/bytes"), self.bytes.len() as u64, "{what}");
    }
}

fn places(record: &Record) -> Vec<[u64; 6]> {
    let mut places: Vec<[u64; 6]> = record
        .findings
        .iter()
        .map(|finding| {
            ["byte_start", "byte_end", "line", "column", "end_line", "end_column"]
                .map(|field| number(finding, &format!("/location/{field}")))
        })
        .collect();
    places.sort_unstable();
    places
}

/// One of several kinds of tokens, with what announces it, and where in that it stands.
fn token(seed: u64) -> (String, Range<usize>) {
    let (lead, token, trail) = match seed % 7 {
        0 => (String::new(), mint::github(seed), ""),
        1 => (String::new(), Jwt::numbered(seed).mint(), ""),
        2 => ("https://acme.blob.test/c?".to_owned(), mint::azure_sas(seed, "2026-09-01T00:00:00Z").0, ""),
        3 => ("Authorization: Bearer ".to_owned(), mint::opaque(seed, 40), ""),
        4 => ("Cookie: theme=dark; session=".to_owned(), mint::opaque(seed, 32), "; lang=en;"),
        5 => ("{\"access_token\": \"".to_owned(), Jwt::numbered(seed).mint(), "\"}"),
        _ => ("//registry.npmjs.org/:_authToken=".to_owned(), mint::npm(seed), ""),
    };
    let range = lead.len()..lead.len() + token.len();
    (lead + &token + trail, range)
}

#[track_caller]
fn scan_file(bytes: &[u8], name: &str) -> Record {
    let dir = folder([(name, bytes)]);
    scan(dir.path(), &["."])
}

/// Every multiple of 64 KiB has a token across it or beside it, shifted a little differently each time, in a file of
/// three parts; so it does at every multiple of 256 KiB, 1 MiB and 4 MiB, and at the cuts between the parts.
#[test]
fn tokens_across_every_cut() {
    for round in 0..2u64 {
        let mut planted = Planted::lines(2 * PART + 300 * KIB, 97);
        for cut in 1..planted.bytes.len() / (64 * KIB) {
            let number = cut as u64;
            let shift = (number * 53 + round * 61) % 121;
            planted.plant(cut * 64 * KIB + shift as usize - 60, token(number * 8 + round * 3));
        }
        planted.check(&scan_file(&planted.bytes, "a.log"), &format!("round {round}"));
    }
}

/// The cut between two parts is the one that threads can meet at: every kind of token across it, in different ways.
#[test]
fn tokens_across_the_cut_between_parts() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut chance = Chance::new(1);
    let mut planted = Planted::lines(PART + 64 * KIB, 1013);
    for round in 0..7 {
        let mut fresh = Planted { bytes: planted.bytes.clone(), tokens: Vec::new() };
        let (around, range) = token(700_000 + round);
        // Across the announcement, the first bytes of the token, its middle, its end, and just not.
        let ways = [
            range.start / 2,
            range.start + 1,
            range.start + 4,
            (range.start + range.end) / 2,
            range.end - 1,
            range.end,
            0,
        ];
        let back = ways[((round + chance.below(3)) % 7) as usize];
        fresh.plant(PART - back, (around, range));
        put(dir.path(), format!("{round}.log"), &fresh.bytes);
        planted.tokens.extend(fresh.tokens);
    }
    let record = scan(dir.path(), &["."]);
    let mut found: Vec<(&str, u64)> =
        record.findings.iter().map(|f| (text(f, "/location/path"), number(f, "/location/byte_start"))).collect();
    found.sort_unstable();
    let names: Vec<String> = (0..7).map(|round| format!("{round}.log")).collect();
    let truth: Vec<(&str, u64)> =
        names.iter().zip(&planted.tokens).map(|(n, t)| (n.as_str(), t.start as u64)).collect();
    assert_eq!(found, truth);
    assert!(record.findings.iter().all(|finding| finding["occurrences"] == 1));
}

/// Parts with a thousand lines, with one, and with none; tokens all over. A pipe gives the same as a file.
#[test]
fn a_big_file_in_parts() {
    let length = 40 * MIB + 12_345;
    let mut planted = Planted::lines(length, 3 * MIB + 7);
    for newline in (0..2 * MIB).step_by(2011) {
        planted.bytes[newline] = b'\n';
    }
    // No line ends in the second part, and none shortly before and after it.
    let second = &mut planted.bytes[PART - 5 * KIB..2 * PART + 9 * KIB];
    while let Some(newline) = memchr::memchr(b'\n', second) {
        second[newline] = b'-';
    }
    let mut chance = Chance::new(2);
    let mut at = 1;
    for seed in 0.. {
        at += chance.below(250_000) as usize;
        if at + 2 * KIB > length {
            break;
        }
        let token = token(seed);
        let end = at + token.0.len();
        planted.plant(at, token);
        at = end + 2;
    }
    assert!(planted.tokens.len() > 250);
    let from_file = scan_file(&planted.bytes, "a.bin");
    planted.check(&from_file, "file");
    let from_pipe = scan_bytes(&planted.bytes);
    planted.check(&from_pipe, "pipe");
    let same_but_for_the_name = |record: &Record| {
        let mut findings = record.findings.clone();
        findings.iter_mut().for_each(|finding| finding["location"]["path"] = "x".into());
        findings
    };
    assert_eq!(same_but_for_the_name(&from_file), same_but_for_the_name(&from_pipe));
}

#[test]
fn a_line_of_twenty_megabytes() {
    let mut planted = Planted::lines(20_000_000, 20_000_001);
    for (seed, at) in [1, 262_000, PART - 20, PART + 900, 19_000_000].into_iter().enumerate() {
        planted.plant(at, token(seed as u64));
    }
    planted.plant(20_000_000 - 40, (mint::github(99), 0..40));
    planted.check(&scan_file(&planted.bytes, "one-line.json"), "one line");
}

#[test]
fn line_ends_of_every_kind() {
    for (before, after, line, column) in [
        ("", "", 1, 1),
        ("\n", "", 2, 1),
        ("a\r\nb\r\n", "\r\n", 3, 1),
        ("a\r\nb ", "\r\nc", 2, 3),
        ("\n\n\n  ", "\n", 4, 3),
        ("ä\nö ", "", 2, 4),
        ("\u{feff}", "", 1, 4),
        ("\u{2028}\u{85}x ", "", 1, 8),
        ("old mac\rline ", "\r", 1, 14),
    ] {
        let token = mint::github(5);
        let record = scan_bytes(format!("{before}{token}{after}").as_bytes());
        let found = places(&record);
        let start = before.len() as u64;
        assert_eq!(found, [[start, start + 40, line, column, line, column + 40]], "{before:?}");
    }
}

/// A few hundred small files of every shape in one go.
#[test]
fn small_files_of_every_shape() {
    let mut chance = Chance::new(3);
    let ends = ["\n", "\r\n", " ", "\n\n", "\t", "\0", "ß\n", ";"];
    let mut files = Vec::new();
    for number in 0..250u64 {
        let mut planted = Planted { bytes: Vec::new(), tokens: Vec::new() };
        for nth in 0..chance.below(12) {
            for _ in 0..chance.below(4) {
                planted.bytes.extend("word ".repeat(chance.below(30) as usize).bytes());
                planted.bytes.extend(ends[chance.below(8) as usize].bytes());
            }
            let (around, token) = token(number * 100 + nth);
            let at = planted.bytes.len();
            planted.bytes.extend(around.bytes());
            planted.bytes.extend(ends[chance.below(8) as usize].bytes());
            planted.tokens.push(at + token.start..at + token.end);
        }
        files.push((format!("{number}.txt"), planted));
    }
    let dir = folder(files.iter().map(|(name, planted)| (name, &planted.bytes)));
    let record = scan(dir.path(), &["."]);
    for (name, planted) in &files {
        let of_file = Record {
            findings: record.findings.iter().filter(|f| f["location"]["path"] == name.as_str()).cloned().collect(),
            suppressed: Vec::new(),
            coverage: Vec::new(),
            summary: serde_json::json!({"bytes": planted.bytes.len()}),
        };
        planted.check(&of_file, &format!("{name} {:?}", String::from_utf8_lossy(&planted.bytes)));
    }
}

#[test]
fn one_token_ten_thousand_times() {
    let token = mint::github(1);
    let mut text_of_log = String::from("first line\n");
    (0..10_000).for_each(|n| text_of_log += &format!("{n} token={token} ok\n"));
    let record = scan_bytes(text_of_log.as_bytes());
    let finding = record.only();
    assert_eq!(number(finding, "/occurrences"), 10_000);
    assert_eq!((number(finding, "/location/line"), number(finding, "/location/column")), (2, 9));
    let related = finding["related"].as_array().expect("a list");
    assert!(related.len() < 20, "{} places are listed", related.len());
    assert_eq!((number(&related[0], "/line"), number(&related[1], "/line")), (3, 4));
    assert_eq!(text(&record.summary, "/type"), "summary");
    assert_eq!(number(&record.summary, "/tokens"), 1);
}
