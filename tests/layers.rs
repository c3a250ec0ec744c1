//! Tokens that are folded into the text around them: base64 in its many places, gzip in it, 16-bit characters,
//! quoted-printable, hard wraps. Each is found as the token that it is, where its outer bytes stand.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::mint::{self, Jwt};
use common::{folder, number, scan, scan_bytes, text, texts};
use flate2::Compression;
use flate2::read::GzEncoder;
use std::io::Read;

fn b64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

fn gzip(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut packed = Vec::new();
    GzEncoder::new(bytes.as_ref(), Compression::default()).read_to_end(&mut packed).expect("memory can be read");
    packed
}

fn lines(text: &str, width: usize, end: &str) -> String {
    let pieces: Vec<&str> =
        text.as_bytes().chunks(width).map(|piece| std::str::from_utf8(piece).expect("ASCII")).collect();
    pieces.join(end)
}

fn wide(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(unit).collect()
}

/// The name of what announces base64, in two pieces.
fn word() -> String {
    ["base", "64"].concat()
}

/// Name, bytes, line and column of the finding, layers. In base64 a token begins with the first symbol that holds a bit of
/// it, in 16-bit text with the first byte that is not zero; what is packed stands where the whole stands.
type Case = (&'static str, Vec<u8>, u64, u64, &'static [&'static str]);

fn cases(token: &str) -> Vec<Case> {
    let field = format!("{{\"{}\":\"{token}\"}}", ["access", "_token"].concat());
    let header = format!("{}: {} {token}", ["Author", "ization"].concat(), ["Bea", "rer"].concat());
    let secret = ["kind: Sec", "ret"].concat();
    let transfer = format!("Content-Transfer-Encoding: {}\r\n\r\n", word());
    let letter = b64(format!("Hello,\n\nthe new key:\n{header}\n\nand no other.\n"));
    vec![
        ("value.env", format!("SERVICE_TOKEN={}\n", b64(token)).into_bytes(), 1, 15, &["base64"]),
        ("second.txt", format!("x: {}\n", b64(format!("a{token}"))).into_bytes(), 1, 5, &["base64"]),
        ("third.txt", format!("x: {}\n", b64(format!("ab{token}"))).into_bytes(), 1, 6, &["base64"]),
        ("json.log", format!("payload {}\n", b64(&field)).into_bytes(), 1, 31, &["base64"]),
        ("before.yaml", format!("data:\n  a: {}\n{secret}\n", b64(token)).into_bytes(), 2, 6, &["base64"]),
        ("after.yaml", format!("{secret}\ndata:\n  a: {}\n", b64(token)).into_bytes(), 3, 6, &["base64"]),
        ("mail.eml", format!("{transfer}{}\r\n", lines(&letter, 76, "\r\n")).into_bytes(), 3, 58, &["base64"]),
        (
            "page.html",
            format!("<a href=\"data:text/plain;{},{}\">", word(), b64(&header)).into_bytes(),
            1,
            62,
            &["base64"],
        ),
        ("packed.log", format!("body={}\n", b64(gzip(&header))).into_bytes(), 1, 6, &["base64", "gzip"]),
        (
            "release.yaml",
            format!("{secret}\ndata:\n  release: {}\n", b64(b64(gzip(&field)))).into_bytes(),
            3,
            12,
            &["base64", "base64", "gzip"],
        ),
        (
            "command.ps1",
            format!("[Convert]::From{}String(\"{}\")\n", ["Base", "64"].concat(), b64(wide(&header, u16::to_le_bytes)))
                .into_bytes(),
            1,
            88,
            &["base64", "utf-16"],
        ),
        ("little.txt", wide(&format!("\u{feff}a\r\n{header}\r\n"), u16::to_le_bytes), 2, 46, &["utf-16"]),
        ("big.txt", wide(&format!("a\r\n{header}\r\n"), u16::to_be_bytes), 2, 46, &["utf-16"]),
        (
            "core.bin",
            [&[0, 1, 2, 0xff].repeat(50)[..], &wide(token, u16::to_le_bytes), &[0, 0, 5]].concat(),
            1,
            201,
            &["utf-16"],
        ),
        ("quoted.eml", format!("{}\r\n", lines(&header, 72, "=\r\n")).into_bytes(), 1, 23, &["quoted-printable"]),
        ("escaped.eml", format!("{}\r\n", header.replace('.', "=2E")).into_bytes(), 1, 23, &["quoted-printable"]),
        ("wrapped.txt", format!("key:\n{}\n", lines(token, 64, "\n")).into_bytes(), 2, 1, &["wrapped"]),
        ("indented.yaml", format!("key: |\n  {}\n", lines(token, 70, "\n  ")).into_bytes(), 2, 3, &["wrapped"]),
        (
            "shell.sh",
            format!("curl -H \"{}\"\n", lines(&header, 60, "\\\n")).into_bytes(),
            1,
            32,
            &["quoted-printable"],
        ),
        ("twice.url", header.replace('.', "%252E").into_bytes(), 1, 23, &[]),
    ]
}

#[test]
fn a_token_is_found_behind_every_encoding() {
    let token = Jwt::access().mint();
    let plain = scan_bytes(token.as_bytes());
    let fingerprint = text(plain.only(), "/token/fingerprint").to_owned();
    for (name, bytes, line, column, layers) in cases(&token) {
        let dir = folder([(name, &bytes)]);
        let record = scan(dir.path(), &[]);
        assert_eq!(record.findings.len(), 1, "{name}: {:?}", record.findings);
        let finding = record.only();
        assert_eq!(text(finding, "/token/fingerprint"), fingerprint, "{name}");
        assert_eq!(number(finding, "/occurrences"), 1, "{name}");
        assert_eq!(texts(finding, "/location/layers"), layers, "{name}");
        let place = (number(finding, "/location/line"), number(finding, "/location/column"));
        assert_eq!(place, (line, column), "{name}");
    }
}

#[test]
fn an_opaque_value_in_base64_keeps_its_name() {
    let value = mint::opaque(5, 32);
    let plain = scan_bytes(format!("{}=\"{value}\"", ["api", "_token"].concat()).as_bytes());
    for text_of in [
        format!("{}: {}\n", ["api", "_token"].concat(), b64(&value)),
        format!("data:\n  {}: {}\n{}\n", ["api", "-token"].concat(), b64(&value), ["kind: Sec", "ret"].concat()),
    ] {
        let record = scan_bytes(text_of.as_bytes());
        assert_eq!(text(record.only(), "/token/fingerprint"), text(plain.only(), "/token/fingerprint"), "{text_of}");
        assert_eq!(texts(record.only(), "/location/layers"), ["base64"]);
    }
}

#[test]
fn what_only_looks_folded_is_nothing() {
    let picture = b64((0..600u32).map(|n| (n * 7919 % 251) as u8).collect::<Vec<_>>());
    for text_of in [
        format!("<img src=\"data:image/png;{},{picture}\">", word()),
        format!("const {} = \"{}\";", word(), b64("plain words and nothing else in here")),
        format!("{}\ndata:\n  motd: {}\n", ["kind: Sec", "ret"].concat(), b64("welcome to this machine, stranger")),
        format!("mappings {}", b64("{\"version\":3,\"sources\":[\"a.js\",\"b.js\"],\"names\":[]}")),
    ] {
        let record = scan_bytes(text_of.as_bytes());
        assert!(record.findings.is_empty(), "{text_of}: {:?}", record.findings);
    }
}

#[test]
fn a_bomb_in_base64_is_said() {
    let bomb = b64(gzip(vec![b'a'; 200 * 1024 * 1024]));
    let record = scan_bytes(format!("x: {bomb}\n").as_bytes());
    assert!(record.findings.is_empty());
    assert!(!record.coverage.is_empty(), "what was cut is said");
}
