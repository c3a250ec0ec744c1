//! Texts full of tokens, and the ways to read them: whole, in windows that end anywhere, in parts that begin and end
//! anywhere. Used by `tests/cuts.rs` and by the fuzz target `scanner`.

#![allow(dead_code)] // either user takes a part of it
#![allow(unreachable_pub)]

use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use keybound::source::stream::{self, Part, PartEnd, PartPlace, Sink};
use keybound::token::carrier::Carrier;
use keybound::token::engine::Engine;
use keybound::token::fault::Faults;
use keybound::token::file::Nature;
use keybound::token::scanner::{BEHIND, Remark, Scanner, Sighting, Window};

/// A token at a place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    pub start: u64,
    pub end: u64,
    pub fingerprint: String,
}

/// The same with what is only sure where the reading said it.
#[derive(Debug, Clone)]
pub struct Placed {
    pub seen: Seen,
    pub carrier: Carrier,
    pub faults: Faults,
    /// Line and column, from 1.
    pub place: (u64, u64),
    /// Line and column past the last byte.
    pub place_end: (u64, u64),
}

// ---- reading ------------------------------------------------------------------------------------------------------

/// Hands out bytes in pieces of these sizes, over and over.
pub struct Pieces<'a> {
    pub rest: &'a [u8],
    pub sizes: &'a [usize],
    pub next: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let size = self.sizes.get(self.next % self.sizes.len().max(1)).copied().unwrap_or(usize::MAX).max(1);
        self.next += 1;
        let (piece, rest) = self.rest.split_at(size.min(buffer.len()).min(self.rest.len()));
        buffer[..piece.len()].copy_from_slice(piece);
        self.rest = rest;
        Ok(piece.len())
    }
}

/// What `stream::scan` gives of one part: the token's index and its place; fingerprints come with `take`.
#[derive(Default)]
struct Taker {
    open: Vec<(u32, PartPlace, Carrier, Faults)>,
    done: Vec<(String, PartPlace, Carrier, Faults)>,
}

impl Sink for Taker {
    fn sighting(&mut self, sighting: &Sighting, place: &mut dyn FnMut() -> PartPlace) {
        self.open.push((sighting.token, place(), sighting.carrier, sighting.faults));
    }

    fn remark(&mut self, _: &Remark, _: PartPlace) {}

    fn take(&mut self, scanner: &mut Scanner<'_>) {
        for (token, place, carrier, faults) in self.open.drain(..) {
            self.done.push((scanner.tokens[token as usize].fingerprint.hex(), place, carrier, faults));
        }
    }

    fn go_on(&mut self) -> bool {
        true
    }
}

/// Reads the text in parts that begin at 0 and at each of `cuts` (ascending), through a reader that gives `sizes`.
pub fn in_parts(engine: &Engine, text: &[u8], cuts: &[u64], sizes: &[usize]) -> Vec<Placed> {
    let mut starts = vec![0];
    starts.extend(cuts.iter().copied().filter(|cut| *cut > 0 && *cut < text.len() as u64));
    starts.dedup();
    let mut scanner = Scanner::new(engine);
    let mut buffer = stream::Buffer::default();
    let mut ends: Vec<PartEnd> = Vec::new();
    let mut found = Vec::new();
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied();
        let part = Part { start: *start, end, counted: end.is_some() };
        let mut reader = Pieces { rest: &text[(start - part.lead()) as usize..], sizes, next: 0 };
        let mut taker = Taker::default();
        let (part_end, result) = stream::scan(&mut reader, part, &mut scanner, &mut buffer, &mut taker);
        result.expect("bytes can be read");
        assert!(taker.open.is_empty());
        let expected = end.unwrap_or(text.len() as u64) - start;
        assert_eq!(part_end.bytes, expected, "part {index} of {starts:?}, {} bytes", text.len());
        found.extend(taker.done.into_iter().map(|(fingerprint, place, carrier, faults)| {
            let (first, last) = place.resolve(&ends);
            Placed {
                seen: Seen { start: place.start, end: place.end(), fingerprint },
                carrier,
                faults,
                place: (first.line, first.column),
                place_end: (last.line, last.column),
            }
        }));
        ends.push(part_end);
    }
    found.sort_by(|a, b| a.seen.cmp(&b.seen));
    found
}

/// Reads the text whole.
pub fn whole(engine: &Engine, text: &[u8]) -> Vec<Placed> {
    in_parts(engine, text, &[], &[])
}

/// Reads the text in windows that end at each of `ends` and at its end: what a reader of any chunk size would do.
pub fn in_windows(engine: &Engine, text: &[u8], ends: &[usize]) -> Vec<Seen> {
    in_windows_of(engine, Nature::default(), text, ends)
}

/// The same for a file of that nature.
pub fn in_windows_of(engine: &Engine, nature: Nature, text: &[u8], ends: &[usize]) -> Vec<Seen> {
    let mut scanner = Scanner::new(engine);
    scanner.enter(nature);
    scanner.begin_unit(0);
    let mut found = Vec::new();
    let mut from = 0;
    let last = text.len();
    for end in ends.iter().copied().filter(|end| *end > 0 && *end < last).chain([last]) {
        if end < from {
            continue;
        }
        let base = from.saturating_sub(BEHIND);
        let window =
            Window { bytes: &text[base..end], base: base as u64, from: from - base, to: end - base, more: end < last };
        let done = scanner.scan(window) + base;
        assert!(done >= from && done <= end, "{done} is not between {from} and {end}");
        assert!(end < last || done == end, "{done} of {end} were decided at the end");
        from = done;
        for sighting in scanner.sightings.drain(..) {
            let fingerprint = scanner.tokens[sighting.token as usize].fingerprint.hex();
            found.push(Seen { start: sighting.start, end: sighting.end, fingerprint });
        }
    }
    found.sort();
    found
}

/// Line and column, from 1, counted the plain way.
pub fn line_column(text: &[u8], at: u64) -> (u64, u64) {
    let before = &text[..at as usize];
    let line = before.iter().filter(|b| **b == b'\n').count() as u64 + 1;
    let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
    (line, at - start as u64 + 1)
}

// ---- texts --------------------------------------------------------------------------------------------------------

/// Chance that can be had again (SplitMix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| (self.next() >> 24) as u8).collect()
    }

    fn text(&mut self, alphabet: &[u8], length: usize) -> String {
        (0..length).map(|_| char::from(alphabet[(self.next() % alphabet.len() as u64) as usize])).collect()
    }
}

const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn jws(chance: &mut Chance, header: &str, claims: &str) -> String {
    format!("{}.{}.{}", b64(header), b64(claims), b64(chance.bytes(64)))
}

fn jwt(chance: &mut Chance) -> String {
    let id = chance.next() % 100_000;
    let claims = format!(
        r#"{{"iss":"https://as.example.com","sub":"user-{id}","aud":"https://api.example.com","iat":1772366400,"exp":1772367000,"jti":"{id}"}}"#
    );
    jws(chance, r#"{"typ":"at+jwt","alg":"ES256","kid":"k1"}"#, &claims)
}

/// A SAML assertion; in a response where that is wanted, and encrypted.
fn saml(chance: &mut Chance, response: bool, encrypted: bool) -> String {
    let names = ["urn:oasis:names:tc:", "SAML"].concat();
    let id = chance.next() % 100_000;
    let signature = STANDARD.encode(chance.bytes(64));
    let assertion = match encrypted {
        true => format!(
            "<s:EncryptedAssertion><x:Cipher Type=\"a\"><x:CipherValue>{signature}</x:CipherValue></x:Cipher></s:EncryptedAssertion>"
        ),
        false => format!(
            "<s:Assertion xmlns:s=\"{names}:2.0:assertion\" ID=\"_{id}\" Version=\"2.0\" IssueInstant=\"2026-03-01T12:00:00Z\">\n\
             <s:Issuer>https://idp.example.com</s:Issuer><d:Signature><d:SignatureValue>{signature}</d:SignatureValue></d:Signature>\
             <s:Subject><s:NameID>user-{id}</s:NameID><s:SubjectConfirmation Method=\"{names}:2.0:cm:bearer\"/></s:Subject></s:Assertion>"
        ),
    };
    match response {
        true => format!(
            "<p:Response xmlns:p=\"{names}:2.0:protocol\" xmlns:s=\"{names}:2.0:assertion\"><p:StatusCode Value=\"{names}:2.0:status:Success\"/>{assertion}</p:Response>"
        ),
        false => assertion,
    }
}

/// PKCS#8 for Ed25519 (RFC 8410, section 7): any 32 octets are a key.
fn ed25519(chance: &mut Chance) -> Vec<u8> {
    [&[0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20][..], &chance.bytes(32)].concat()
}

fn pem(der: &[u8]) -> Vec<u8> {
    let label = ["PRIV", "ATE KEY"].concat();
    let body = STANDARD.encode(der);
    let lines: Vec<&[u8]> = body.as_bytes().chunks(64).collect();
    [
        format!("-----{} {label}-----\n", "BEGIN").as_bytes(),
        &lines.join(&b'\n'),
        format!("\n-----END {label}-----").as_bytes(),
    ]
    .concat()
}

/// How many kinds of pieces there are.
pub const KINDS: u8 = 57;

/// A piece of text: a token in some dress, a separator, filler. Put together at run time, so that no source holds a
/// token.
pub fn piece(kind: u8, seed: u64) -> Vec<u8> {
    let mut chance = Chance(seed);
    let chance = &mut chance;
    let small = chance.next() % 5;
    match kind % KINDS {
        // separators
        0 => b"\n".to_vec(),
        1 => b" ".to_vec(),
        2 => b"\"".to_vec(),
        3 => b"&".to_vec(),
        4 => b"; ".to_vec(),
        5 => b".".to_vec(),
        6 => b"~".to_vec(),
        7 => b"\\n".to_vec(),
        8 => b"%20".to_vec(),
        9 => vec![b'\n'; small as usize * 9],
        // filler
        10 => b"2026-03-01T12:00:00Z INFO gateway request id=7f3a status=200".to_vec(),
        11 => chance.text(b"abcdef ,.:=", 1 + (chance.0 % 90) as usize).into_bytes(),
        12 => chance.text(BASE62, 1 + (chance.0 % 700) as usize).into_bytes(),
        13 if small < 2 => wide(&chance.text(b"abcdef ,.:=\n", 1 + (chance.0 % 200) as usize), small == 0),
        13 => chance.bytes(1 + (seed % 40) as usize),
        14 => "naïve – ünïcode ".as_bytes().to_vec(),
        // what announces a value
        15 => ["Author", "ization: Bear", "er "].concat().into_bytes(),
        16 => ["access", "_tok", "en="].concat().into_bytes(),
        17 => ["Cook", "ie: theme=dark; tok", "en="].concat().into_bytes(),
        18 => [r#"{"refresh_tok"#, r#"en":""#].concat().into_bytes(),
        19 => b"https://api.example.com/x?".to_vec(),
        // tokens
        20 | 21 => jwt(chance).into_bytes(),
        22 => jwt(chance).replace('.', ["%2E", "\\u002e", "\\x2e", "&#46;", "%2e"][small as usize]).into_bytes(),
        23 => {
            let header = b64(r#"{"alg":"dir","enc":"A256GCM"}"#);
            let [iv, text, tag] = [12, 80, 16].map(|n| b64(chance.bytes(n)));
            format!("{header}..{iv}.{text}.{tag}").into_bytes()
        }
        // an SD-JWT with disclosures and, at its end, a key binding that is a JWT itself
        24 => {
            let token = jws(chance, r#"{"typ":"dc+sd-jwt","alg":"ES256"}"#, r#"{"iss":"https://i.example.com","vct":"m","_sd_alg":"sha-256"}"#);
            let disclosure = b64(format!(r#"["{}","given_name","Robin"]"#, b64(chance.bytes(16))));
            let binding = jws(chance, r#"{"typ":"kb+jwt","alg":"ES256"}"#, r#"{"iat":1772366400,"aud":"x","nonce":"n1","sd_hash":"h"}"#);
            format!("{token}~{disclosure}~{}", if small < 3 { binding } else { String::new() }).into_bytes()
        }
        // JSON form
        25 => {
            let token = jwt(chance);
            let parts: Vec<&str> = token.split('.').collect();
            let break_ = if small < 2 { "\n  " } else { "" };
            format!(
                "{{{break_}\"payload\":\"{}\",{break_}\"{}\":\"{}\",{break_}\"signature\":\"{}\"{break_}}}",
                parts[1], "protected", parts[0], parts[2]
            )
            .into_bytes()
        }
        // families with a shape of their own
        26 => format!("{}{}", ["gh", "s_"].concat(), chance.text(BASE62, 36)).into_bytes(),
        27 => format!("{}{}_{}", ["gh", "s_"].concat(), chance.text(BASE62, 8), jwt(chance)).into_bytes(),
        28 => format!("{}{}", ["gl", "pat-"].concat(), chance.text(BASE62, 20)).into_bytes(),
        29 => format!("{}{}", ["xo", "xb-"].concat(), format_args!("{}-{}-{}", chance.text(b"123456789", 12), chance.text(b"123456789", 12), chance.text(BASE62, 24))).into_bytes(),
        30 => {
            let signature = STANDARD.encode(chance.bytes(32)).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
            let more = "&sdd=2&rscd=attachment".repeat(small as usize / 3);
            format!("sv=2024-11-04&st=2026-01-01T00%3A00%3A00Z&se=2027-01-01T00%3A00%3A00Z&sr=b&{}{signature}&spr=https{more}", "sig=").into_bytes()
        }
        31 => format!(
            "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}&X-Amz-Date=20260301T000000Z&X-Amz-Expires=600&X-Amz-SignedHeaders=host&{}={}",
            chance.text(BASE62, 60),
            ["X-Amz-", "Signature"].concat(),
            chance.text(b"0123456789abcdef", 64)
        )
        .into_bytes(),
        32 => format!("{}{}", ["ya", "29."].concat(), chance.text(BASE62, 120)).into_bytes(),
        // opaque values with their names
        33 => format!("{}{}", ["api", "_key=\""].concat(), chance.text(BASE62, 28)).into_bytes(),
        34 => format!(
            "{}session={}; tok{}={}; sid={}",
            ["Cook", "ie: "].concat(),
            chance.text(BASE62, 24),
            "en",
            chance.text(BASE62, 30),
            chance.text(BASE62, 22)
        )
        .into_bytes(),
        36 => saml(chance, small < 2, false).into_bytes(),
        37 => saml(chance, true, true).into_bytes(),
        38 => {
            let xml = saml(chance, true, small == 0);
            let encoded = STANDARD.encode(xml).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
            format!("{}={encoded}&RelayState=x", ["SAML", "Response"].concat()).into_bytes()
        }
        39 => {
            let xml = saml(chance, small < 2, false).replace('"', "\\\"").replace('\n', "\\n");
            format!("{{\"xml\":\"{xml}\"}}").into_bytes()
        }
        // folded into text
        40 => format!("x: {}\n", STANDARD.encode(format!("{}{}", "a".repeat(small as usize), jwt(chance)))).into_bytes(),
        41 => {
            let text = format!("To whom it may concern,\n\nthe key is {} and no other.\n", jwt(chance));
            let lines: Vec<String> = STANDARD.encode(text).as_bytes().chunks(76).map(|c| String::from_utf8_lossy(c).into_owned()).collect();
            format!("Content-Transfer-Encoding: base64\r\n\r\n{}\r\n\r\n", lines.join("\r\n")).into_bytes()
        }
        42 => {
            let data = format!("data:\n  a: {}\n  api-token: {}\n", STANDARD.encode(jwt(chance)), STANDARD.encode(chance.text(BASE62, 30)));
            if small < 2 { format!("\n---\n{data}kind: Secret\n---\n") } else { format!("\n---\nkind: Secret\n{data}\n---\n") }.into_bytes()
        }
        43 => wide(&format!("Author{}: Bear{} {}\r\n", "ization", "er", jwt(chance)), small < 2),
        44 => wide(&format!("{}{} ", ["gh", "s_"].concat(), chance.text(BASE62, 36)), small < 2),
        45 => {
            let token = jwt(chance);
            let end = ["\n", "\r\n", "\n  ", "=\r\n", "\\\n"][small as usize];
            let lines: Vec<&str> = token.as_bytes().chunks(64).filter_map(|c| std::str::from_utf8(c).ok()).collect();
            format!("\n{}\n", lines.join(end)).into_bytes()
        }
        46 => format!("{}: {}\n", ["SERVICE", "_TOKEN"].concat(), STANDARD.encode(chance.text(BASE62, 30))).into_bytes(),
        // private keys
        47 => pem(&ed25519(chance)),
        48 => String::from_utf8_lossy(&pem(&ed25519(chance))).replace('\n', "\\n").into_bytes(),
        49 => {
            let (x, d) = (b64(chance.bytes(32)), b64(chance.bytes(32)));
            let break_ = if small < 2 { "\n  " } else { "" };
            format!("{{{break_}\"crv\":\"Ed25519\",\"x\":\"{x}\",{break_}\"{}\":\"OKP\",\"d\":\"{d}\"{break_}}}", "kty").into_bytes()
        }
        50 => STANDARD.encode(pem(&ed25519(chance))).into_bytes(),
        51 => STANDARD.encode(ed25519(chance)).into_bytes(),
        // a long one: what is encrypted may have any length
        52 => {
            let length = 900 + 40 * (seed % 64) as usize;
            let head = [4, 0x82, (length >> 8) as u8, length as u8];
            let body = [&[0x30, 3, 6, 1, 1][..], &head, &chance.bytes(length)].concat();
            let der = [&[0x30, 0x82, (body.len() >> 8) as u8, body.len() as u8][..], &body].concat();
            pem(&der)
        }
        // a vendor's name before a value without a shape, a shape after a name, an anchor inside with letters glued to it
        53 => format!("{}_auth_{} = '{}'", ["twi", "lio"].concat(), ["tok", "en"].concat(), chance.text(b"0123456789abcdef", 32)).into_bytes(),
        54 => format!("{}={}{}", ["tok", "en"].concat(), "cio", chance.text(BASE62, 32)).into_bytes(),
        55 => format!("/bot{}:{}{}/getMe", chance.text(b"123456789", 10), "AA", chance.text(BASE62, 33)).into_bytes(),
        56 => format!("{}_key: sdk-{}", ["Launch", "Darkly"].concat(), {
            let digits = chance.text(b"0123456789abcdef", 32);
            [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
        })
        .into_bytes(),
        _ => format!("{}{}\",\"token_type\":\"Bearer\",\"expires_in\":86400}}", [r#"{"access_tok"#, r#"en":""#].concat(), chance.text(BASE62, 32)).into_bytes(),
    }
}

/// In 16-bit characters.
fn wide(text: &str, big_endian: bool) -> Vec<u8> {
    text.encode_utf16().flat_map(|unit| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
}

/// The pieces, one after the other.
pub fn text(pieces: &[(u8, u64)]) -> Vec<u8> {
    pieces.iter().flat_map(|(kind, seed)| piece(*kind, *seed)).collect()
}

/// Ordinary lines of about that many bytes; `long` makes it one line.
pub fn filler(length: usize, long: bool) -> Vec<u8> {
    let line: &[u8] = b"2026-03-01T12:00:00Z INFO gateway request method=GET path=/orders status=200 took=14ms\n";
    let mut text: Vec<u8> = line.iter().copied().cycle().take(length).collect();
    if long {
        text.iter_mut().skip(200).filter(|b| **b == b'\n').for_each(|b| *b = b' ');
    }
    text
}
