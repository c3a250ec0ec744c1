//! No token ever leaves the program. Canaries are planted wherever a token can stand (in files, claims, names of files,
//! configuration, rule files, arguments, pipes) and everything that the program writes is searched for any sixteen
//! characters of them, also across line breaks.

#![cfg(unix)]

mod common;
#[path = "archives/pack.rs"]
mod pack;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::carriers;
use common::mint::{self, Jwt, dpop_proof, ec_jwk};
use common::{NOW, Run, finish, finish_with, folder, keybound, put};
use pack::Member;
use serde_json::json;

/// Any stretch of a token as long as this is a leak.
const PIECE: usize = 16;

/// What must not be seen, and where it was seen all the same.
#[derive(Default)]
struct Canaries {
    pieces: HashMap<[u8; PIECE], String>,
    leaks: RefCell<Vec<String>>,
}

impl Canaries {
    /// `what` is for messages; every piece of `secret` is remembered.
    fn add(&mut self, what: &str, secret: &str) {
        assert!(secret.len() >= PIECE, "{what} is too short");
        for piece in secret.as_bytes().windows(PIECE) {
            self.pieces.insert(piece.try_into().expect("its length fits"), what.to_owned());
        }
    }

    /// Remembers a token and hands it back.
    fn keep(&mut self, what: &str, token: String) -> String {
        self.add(what, &token);
        token
    }

    /// The canaries that show in `output`, each with what stands around it.
    fn seen_in(&self, output: &[u8]) -> BTreeMap<&str, String> {
        // A token that is wrapped, indented or coloured is still readable.
        let mut flat = Vec::with_capacity(output.len());
        let mut bytes = output.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            match byte {
                0x1b if bytes.peek() == Some(&b'[') => while bytes.next().is_some_and(|b| !b.is_ascii_alphabetic()) {},
                _ if byte.is_ascii_whitespace() => {}
                _ => flat.push(byte),
            }
        }
        let mut seen = BTreeMap::new();
        for text in [output, &flat] {
            for (at, piece) in text.windows(PIECE).enumerate() {
                if let Some(what) = self.pieces.get(piece) {
                    let around = &text[at.saturating_sub(60)..text.len().min(at + 60)];
                    seen.entry(what.as_str()).or_insert_with(|| format!("…{}…", String::from_utf8_lossy(around)));
                }
            }
        }
        seen
    }

    /// Searches bytes that the program wrote.
    fn check(&self, place: &str, output: &[u8]) {
        let leaks = self.seen_in(output).into_iter().map(|(what, around)| format!("{place} shows {what}: {around}"));
        self.leaks.borrow_mut().extend(leaks);
    }

    /// Searches all that a run gave.
    fn check_run(&self, place: &str, run: &Run) {
        self.check(&format!("{place}: stdout"), &run.stdout);
        self.check(&format!("{place}: stderr"), &run.stderr);
    }

    /// Fails if something was seen.
    #[track_caller]
    fn assert_unseen(self) {
        let leaks = self.leaks.into_inner();
        let some: Vec<&str> = leaks.iter().take(40).map(String::as_str).collect();
        assert!(leaks.is_empty(), "{} leaks, such as\n{}", leaks.len(), some.join("\n"));
    }
}

#[test]
fn the_search_finds_what_it_is_to_find() {
    let mut canaries = Canaries::default();
    let token = canaries.keep("github", mint::github(1));
    let wrapped = format!("{}\n    \u{1b}[1m{}", &token[10..18], &token[18..26]);
    for (output, seen) in [(&*token, true), (&token[10..26], true), (&token[10..25], false), (&wrapped, true)] {
        assert_eq!(canaries.seen_in(output.as_bytes()).contains_key("github"), seen, "{output}");
    }
}

/// Tokens that are known by their shape alone, wherever they stand, with names for messages.
fn shaped(canaries: &mut Canaries, seed: u64) -> Vec<(&'static str, String)> {
    let broken = mint::github(seed + 1);
    vec![
        ("jwt", Jwt::numbered(seed).mint()),
        ("short jwt", Jwt::short(&format!("u{seed}")).mint()),
        ("jwe", mint::jwe(seed)),
        ("github", mint::github(seed)),
        ("broken github", format!("{}{}", &broken[..39], if broken.ends_with('0') { '1' } else { '0' })),
        ("gitlab", mint::gitlab(seed)),
        ("npm", mint::npm(seed)),
        ("slack", mint::slack(seed)),
    ]
    .into_iter()
    .map(|(what, token)| (what, canaries.keep(what, token)))
    .collect()
}

/// A text with the name or header that tells an opaque token.
fn announced(canaries: &mut Canaries, seed: u64) -> Vec<(&'static str, String)> {
    let mut opaque = |what, seed, length| canaries.keep(what, mint::opaque(seed, length));
    let mut lines = vec![
        ("opaque bearer", format!("Authorization: Bearer {}", opaque("opaque bearer", seed, 40))),
        ("session cookie", format!("Cookie: a=b; session={}; c=d", opaque("session cookie", seed + 1, 32))),
        ("refresh token", format!("{{\"refresh_token\": \"{}\"}}", opaque("refresh token", seed + 2, 43))),
        ("token in a URL", format!("GET /x?access_token={} HTTP/1.1", opaque("token in a URL", seed + 3, 36))),
    ];
    let (sas, signature) = mint::azure_sas(seed, "2026-09-01T00:00:00Z");
    canaries.add("SAS", &signature);
    lines.push(("SAS", format!("https://acme.blob.test/c?{sas}")));
    // What an assertion says is printed, its signature is not: without that it opens nothing.
    let saml = mint::Saml::bearer(seed + 4);
    canaries.add("SAML signature", saml.signature.as_deref().expect("a signature"));
    let encoded = canaries.keep("SAML response", STANDARD.encode(mint::saml_response(&saml.mint())));
    lines.push(("SAML", saml.mint()));
    lines.push(("SAML in base64", format!("SAMLResponse={encoded}")));
    lines
}

/// Private keys in their dresses; every one of another key.
fn keys(canaries: &mut Canaries) -> Vec<String> {
    let mut der = |seed: u64| {
        let head = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        let secret = mint::Chance::new(seed).bytes(32);
        canaries.add("private key", &mint::base64url(&secret));
        let der = [&head[..], &secret].concat();
        canaries.add("private key", &STANDARD.encode(&der));
        der
    };
    let label = ["PRIV", "ATE KEY"].concat();
    let pem = |der: &[u8]| format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der));
    let account = json!({
        "type": "service_account",
        "private_key_id": "0f3a9c1d",
        "private_key": pem(&der(904)),
        "client_email": "builder@acme-test.iam.gserviceaccount.com",
    });
    let jwk = |der: &[u8]| json!({"kty": "OKP", "crv": "Ed25519", "d": mint::base64url(&der[16..])});
    let in_base64 = STANDARD.encode(pem(&der(905)));
    let lines = vec![
        pem(&der(901)),
        pem(&der(902)).replace('\n', "\\n"),
        pem(&der(903))[..90].to_owned(),
        account.to_string(),
        format!("client-key-data: {in_base64}"),
        format!("privateKey: {}", STANDARD.encode(der(906))),
        jwk(&der(907)).to_string(),
        json!({"key": jwk(&der(908)).to_string()}).to_string(),
        json!({"kty": "oct", "k": mint::base64url(&der(909)[16..])}).to_string(),
        format!("JWT_SECRET={}", mint::base64url(&der(910)[16..])),
    ];
    canaries.add("private key in base64", &in_base64);
    lines
}

/// One token of each way of being recognised, where every one costs many runs.
fn few(canaries: &mut Canaries) -> Vec<(&'static str, String)> {
    let mut tokens = shaped(canaries, 1);
    tokens.extend(announced(canaries, 100));
    tokens.retain(|(what, _)| ["jwt", "github", "broken github", "opaque bearer", "SAS"].contains(what));
    tokens
}

/// One scan of `dir` in all formats: in colours to standard output, and to files.
#[track_caller]
fn check_all_formats(canaries: &Canaries, dir: &Path, args: &[&str]) {
    let out = tempfile::tempdir().expect("a folder");
    let formats = ["pretty", "json", "jsonl", "sarif", "github", "html", "markdown"];
    let mut command = keybound();
    command.current_dir(dir).args(["scan", "--show", "info", "--now", NOW, "--color", "always", "--format", "pretty"]);
    for format in formats {
        command.args(["--format", &format!("{format}={}", out.path().join(format).display())]);
    }
    let run = finish(command.args(args));
    assert!(matches!(run.code, Some(0 | 1)), "{:?} {}", run.code, run.err());
    canaries.check_run("scan", &run);
    for format in formats {
        canaries.check(format, &fs::read(out.path().join(format)).expect("the report was written"));
    }
}

// ---- in files ---------------------------------------------------------------------------------------------------

#[test]
fn in_every_kind_of_file() {
    let mut canaries = Canaries::default();
    let files = carriers::all();
    for file in &files {
        for expected in &file.expected {
            canaries.add(&format!("{} in {}", expected.carrier, file.path), &expected.text);
            // What is decoded on the way is as secret.
            if let Some(plain) = &expected.plain {
                canaries.add(&format!("decoded, in {}", file.path), plain);
            }
        }
    }
    let dir = folder(files.iter().map(|file| (&file.path, &file.bytes)));
    check_all_formats(&canaries, dir.path(), &["."]);
    canaries.assert_unseen();
}

#[test]
fn in_files_and_on_standard_input() {
    let mut canaries = Canaries::default();
    let mut lines: Vec<String> = Vec::new();
    for (_, token) in shaped(&mut canaries, 1).into_iter().chain(announced(&mut canaries, 100)) {
        lines.extend([token.clone(), format!("key = \"{token}\""), format!("x,{token},y"), format!("é{token}é")]);
    }
    for (what, jwt) in [
        ("expired", Jwt::access().claim("exp", 1_700_000_000)),
        ("none", Jwt::access().header("alg", "none")),
        ("hs256", Jwt::access().header("alg", "HS256")),
        ("bound", Jwt::access().claim("cnf", json!({"jkt": mint::thumbprint(3)}))),
    ] {
        let token = canaries.keep(what, jwt.mint());
        lines.push(format!("Authorization: Bearer {token}"));
        lines.push(token.replace('.', "%2E"));
        lines.push(token.replace('.', "\\u002e"));
        lines.push(format!("{token}…"));
        lines.push(token[..token.len() - 9].to_owned());
        let segments: Vec<&str> = token.split('.').collect();
        lines.push(json!({"payload": segments[1], "protected": segments[0], "signature": segments[2]}).to_string());
    }
    // Keys that prove possession are as secret as tokens.
    let key = ec_jwk(5, true);
    canaries.add("private key in a proof", key["d"].as_str().expect("a text"));
    lines.push(format!("DPoP: {}", canaries.keep("proof", dpop_proof(key.clone()).mint())));
    lines.push(canaries.keep("private key in cnf", Jwt::access().claim("cnf", json!({"jwk": key})).mint()));

    lines.extend(keys(&mut canaries));

    let dir = folder([("app.log", lines.join("\n")), ("tests/one-line.json", lines.join(" "))]);
    let record = common::scan(dir.path(), &["."]);
    assert!(record.findings.len() >= 18, "most canaries are found: {}", record.findings.len());
    check_all_formats(&canaries, dir.path(), &["."]);
    for format in ["pretty", "json", "jsonl", "sarif", "github", "html", "markdown"] {
        for color in ["always", "never"] {
            let mut command = keybound();
            command.args(["scan", "-", "--format", format, "--show", "info", "--color", color]);
            let run = finish_with(&mut command, lines.join("\n").as_bytes()).exits(1);
            canaries.check_run(&format!("stdin --format {format} --color {color}"), &run);
        }
    }
    canaries.assert_unseen();
}

/// A token that sits in what reports do print: the claims of another.
#[test]
fn in_the_claims_of_a_token() {
    let mut canaries = Canaries::default();
    let inner: Vec<(&str, String)> =
        shaped(&mut canaries, 1).into_iter().chain(announced(&mut canaries, 100)).collect();
    let mut outer = Vec::new();
    for (number, (_, token)) in inner.iter().enumerate() {
        let fresh = || Jwt::numbered(number as u64);
        for claim in ["sub", "iss", "aud", "client_id", "scope", "azp", "jti", "inner"] {
            outer.push(fresh().claim(claim, token.as_str()));
            outer.push(fresh().claim(claim, format!("urn:acme:{token}:x")));
        }
        for member in ["kid", "typ", "alg", "cty", "jku"] {
            outer.push(fresh().header(member, token.as_str()));
        }
        outer.push(fresh().claim("aud", vec!["a".to_owned(), token.clone()]));
        outer.push(fresh().claim(token, 1));
        outer.push(fresh().claim("a", json!({"b": [{"c": token}, {&**token: true}]})));
        outer.push(fresh().claim("cnf", json!({"kid": token, "jku": token})));
        outer.push(fresh().claim("cnf", json!({"jkt": token})));
        outer.push(fresh().claim("act", json!({"sub": token})));
        // Long texts are cut somewhere: what is left of the token must not be taken for something else.
        for before in [200, 214, 219] {
            outer.push(fresh().claim("sub", format!("{}{token}", "user ".repeat(60)[..before].to_owned() + " ")));
        }
    }
    let tokens: Vec<String> = outer.iter().map(Jwt::mint).collect();
    tokens.iter().for_each(|token| canaries.add("outer token", token.rsplit('.').next().expect("a signature")));
    let dir = folder(tokens.iter().enumerate().map(|(n, token)| (format!("{n}.txt"), token)));
    let record = common::scan(dir.path(), &["."]);
    assert!(record.findings.len() > 200, "{}", record.findings.len());
    check_all_formats(&canaries, dir.path(), &["."]);
    canaries.assert_unseen();
}

/// The same for what an assertion says.
#[test]
fn in_what_an_assertion_says() {
    let mut canaries = Canaries::default();
    let inner: Vec<(&str, String)> =
        shaped(&mut canaries, 1).into_iter().chain(announced(&mut canaries, 100)).collect();
    let mut outer = Vec::new();
    for (number, (_, token)) in inner.iter().enumerate() {
        // An assertion inside of another is a part of that.
        let token = &token.replace('&', "&amp;").replace('<', "&lt;");
        let fresh = || mint::Saml::bearer(500 + number as u64);
        for text in [token.clone(), format!("urn:acme:{token}:x"), format!("{}{token}", "user ".repeat(43))] {
            outer.push(mint::Saml { subject: text.clone(), ..fresh() });
            outer.push(mint::Saml { issuer: text.clone(), ..fresh() });
            outer.push(mint::Saml { audience: text.clone(), ..fresh() });
            outer.push(mint::Saml { confirmations: mint::saml_confirmation(&text, &text), ..fresh() });
        }
    }
    outer.iter().for_each(|saml| canaries.add("outer signature", saml.signature.as_deref().expect("a signature")));
    let texts = outer.iter().flat_map(|saml| {
        let xml = saml.mint();
        [STANDARD.encode(mint::saml_response(&xml)), xml]
    });
    let dir = folder(texts.enumerate().map(|(n, text)| (format!("{n}.txt"), text)));
    let record = common::scan(dir.path(), &["."]);
    assert!(record.findings.len() >= outer.len(), "{} of {}", record.findings.len(), outer.len());
    check_all_formats(&canaries, dir.path(), &["."]);
    canaries.assert_unseen();
}

/// `inspect` prints all claims, each as far as it is fit to be printed.
#[test]
fn in_what_is_inspected() {
    let mut canaries = Canaries::default();
    let mut texts = Vec::new();
    for (_, token) in shaped(&mut canaries, 1).into_iter().chain(announced(&mut canaries, 100)) {
        let jwt = Jwt::access().claim("sub", token.as_str()).header("kid", token.as_str()).claim(&token, "x");
        let jwt =
            jwt.claim("deep", json!([[{"a": {"b": token, &*token: [token]}}]])).claim("cnf", json!({"kid": token}));
        texts.extend([token, jwt.mint()]);
    }
    // Opaque ones that only the name of their claim tells.
    for claim in ["access_token", "refresh_token", "session", "token"] {
        let secret = canaries.keep(claim, mint::opaque(claim.len() as u64, 40));
        texts.push(Jwt::access().claim(claim, secret.as_str()).mint());
        texts.push(Jwt::access().claim("tokens", json!({claim: secret})).mint());
    }
    let key = ec_jwk(5, true);
    canaries.add("private key", key["d"].as_str().expect("a text"));
    texts.push(dpop_proof(key.clone()).mint());
    texts.push(Jwt::access().claim("cnf", json!({"jwk": key})).mint());
    texts.push(Jwt::access().claim("keys", json!([key])).mint());
    let piped = finish_with(keybound().args(["inspect", "--now", NOW]), texts[1].as_bytes()).exits(0);
    canaries.check_run("inspect -", &piped);
    for text in &texts {
        if text.starts_with("ey") {
            canaries.add("the token itself", text);
        }
        for options in [&["--json"][..], &["--color", "always"]] {
            let args = [&["inspect", "--now", NOW][..], options];
            let run = finish(keybound().args(args.concat()).arg(text));
            assert!(matches!(run.code, Some(0 | 2)));
            canaries.check_run(&format!("inspect {options:?} TOKEN"), &run);
        }
    }
    canaries.assert_unseen();
}

// ---- in names ---------------------------------------------------------------------------------------------------

#[test]
fn in_the_names_of_files() {
    let mut canaries = Canaries::default();
    let other = canaries.keep("content", mint::github(77));
    let dir = tempfile::tempdir().expect("a folder");
    for (what, token) in shaped(&mut canaries, 1).into_iter().filter(|(_, token)| token.len() < 200) {
        for path in
            [token.clone(), format!("{token}.txt"), format!("d-{token}/a.txt"), format!("e/x={token}/{token}/b")]
        {
            put(dir.path(), format!("{}/{path}", what.replace(' ', "-")), &other);
        }
        let link = |target: &str, name: String| {
            std::os::unix::fs::symlink(target, dir.path().join(name)).expect("a link can be made");
        };
        link("/", format!("out-{token}"));
        link(&format!("/nowhere/{token}"), format!("dangling-{token}"));
        let pipe = dir.path().join(format!("pipe-{token}"));
        assert!(std::process::Command::new("mkfifo").arg(pipe).status().expect("mkfifo is there").success());
    }
    check_all_formats(&canaries, dir.path(), &["."]);
    // Named as roots, by relative and absolute paths, alone and several.
    let roots: Vec<String> = fs::read_dir(dir.path().join("github"))
        .expect("it is there")
        .map(|e| e.expect("an entry").path().display().to_string())
        .collect();
    let roots: Vec<&str> = roots.iter().map(String::as_str).collect();
    assert!(roots.len() >= 3);
    check_all_formats(&canaries, dir.path(), &roots);
    check_all_formats(&canaries, &dir.path().join("npm"), &["."]);
    canaries.assert_unseen();
}

/// Members of archives have names, too, also those that can't be read.
#[test]
fn in_the_names_of_members() {
    let mut canaries = Canaries::default();
    let content = canaries.keep("content", mint::github(77));
    let names: Vec<String> = shaped(&mut canaries, 1)
        .into_iter()
        .flat_map(|(_, token)| {
            [token.clone(), format!("a/{token}.txt"), format!("x={token}/{token}/b"), format!("é{token}")]
        })
        .chain(announced(&mut canaries, 100).into_iter().map(|(_, line)| line))
        .collect();
    let mut members: Vec<Member> = Vec::new();
    for name in &names {
        members.push(Member::new(name, 8, &content));
        members.push(Member { flags: 1, ..Member::new(name, 8, "locked") });
        members.push(Member::new(name, 14, "unknown"));
        members.push(Member { crc: Some(1), ..Member::new(&format!("{name}!"), 0, "damaged") });
        members.push(Member::new(name, 0, pack::zip_of(&[Member::new(name, 8, &content)])));
    }
    let zip = pack::zip_of(&members);
    let tar: Vec<u8> = names
        .iter()
        .flat_map(|n| [pack::pax(&[("path", n)]), pack::tar_entry(b"x", b'0', content.as_bytes())].concat())
        .collect();
    let one_a_file =
        members.iter().enumerate().map(|(n, member)| (format!("{n}.zip"), pack::zip_of(std::slice::from_ref(member))));
    let dir = folder(
        [("all.zip".to_owned(), zip.clone()), ("all.tar.gz".to_owned(), pack::gz(&tar))].into_iter().chain(one_a_file),
    );
    let record = common::scan(dir.path(), &["."]);
    assert!(record.only()["related"].as_array().is_some_and(|related| related.len() > 10));
    assert!(record.coverage.len() > 100, "{}", record.coverage.len());
    check_all_formats(&canaries, dir.path(), &["."]);
    for format in ["pretty", "jsonl", "sarif", "github", "html", "markdown"] {
        let run = finish_with(keybound().args(["scan", "-", "--format", format]), &zip).exits(1);
        canaries.check_run(&format!("stdin --format {format}"), &run);
    }
    canaries.assert_unseen();
}

/// What `.gitignore` says can't always be understood, and then it is said what was not.
#[test]
fn in_ignore_files() {
    let mut canaries = Canaries::default();
    let patterns: Vec<String> =
        shaped(&mut canaries, 1).into_iter().map(|(_, token)| format!("{token}[\n{{{token}\n")).collect();
    let dir = folder([(".gitignore", patterns.concat()), ("a.txt", "x".to_owned())]);
    fs::create_dir(dir.path().join(".git")).expect("a folder");
    check_all_formats(&canaries, dir.path(), &["."]);
    canaries.assert_unseen();
}

// ---- in what the user writes ------------------------------------------------------------------------------------

#[test]
fn in_the_configuration() {
    let mut canaries = Canaries::default();
    let dir = folder([("a.txt", "x")]);
    for (what, token) in few(&mut canaries) {
        let quoted = format!("{token:?}");
        for config in [
            format!("{quoted} = 1\n"),
            format!("{quoted} = {quoted}\n"),
            format!("[{quoted}]\nx = 1\n"),
            format!("[ttl]\n{quoted} = 5\n"),
            format!("[ttl]\naccess = {quoted}\n"),
            format!("[ttl]\naccess = [{quoted}]\n"),
            format!("[severity]\n{quoted} = 'low'\n"),
            format!("[severity]\njwt-unbound = {quoted}\n"),
            format!("exclude = {quoted}\n"),
            format!("exclude = [{:?}]\n", format!("{token}[")),
            format!("exclude = [{:?}]\n", format!("{{{token}")),
            format!("ttl = {quoted}\n"),
            format!("[ttl]\naccess = {token}\n"),
            format!("{token}\n"),
            format!("exclude = [{quoted}\n"),
            format!("a = {quoted}\na = {quoted}\n"),
        ] {
            put(dir.path(), "keybound.toml", &config);
            let run = finish(keybound().current_dir(dir.path()).args(["scan", "."])).exits(2);
            canaries.check_run(&format!("{what} in keybound.toml: {config}"), &run);
        }
    }
    canaries.assert_unseen();
}

#[test]
fn in_rule_files() {
    let mut canaries = Canaries::default();
    let dir = folder([("a.txt", "x")]);
    let family = |key: &str, value: &str| {
        let mut lines: Vec<(&str, &str)> = vec![
            ("title", "'Acme key'"),
            ("anchors", "[acme_]"),
            ("pattern", "'acme_[a-z0-9]{24}'"),
            ("bindable", "none"),
            ("reach", "normal"),
            ("role", "key"),
            ("lifetime", "x"),
            ("policy", "pat"),
            ("about", "x"),
            ("hits", "[a]"),
            ("misses", "[b]"),
        ];
        match lines.iter_mut().find(|(name, _)| *name == key) {
            Some(line) => line.1 = value,
            None => lines.push((key, value)),
        }
        let members: String = lines.iter().map(|(name, value)| format!("\n    {name}: {value}")).collect();
        format!("issuer: Acme\nrevoke: Delete it.\nfamilies:\n  - slug: acme-key{members}\n")
    };
    for (what, token) in few(&mut canaries) {
        let quoted = format!("'{token}'");
        let mut files: Vec<String> =
            ["anchors", "pattern", "bindable", "reach", "role", "checksum", "decoder", "rank", "hits", "policy"]
                .map(|key| family(key, &quoted))
                .to_vec();
        files.extend([
            family(&quoted, "1"),
            family("pattern", &format!("'{token}('")),
            family("pattern", &format!("'(?P<{token}>'")),
            family("context", &format!("'[{token}'")),
            family("anchors", &format!("[a, {quoted}]")),
            family("hits", &format!("[{quoted}]")),
            family("misses", &format!("[{quoted}]")),
            family("title", "x").replace("acme-key", &quoted),
            format!("{quoted}: x\n"),
            format!("{token}\n"),
            format!("issuer: [{quoted}\n"),
            format!("issuer: *{token}\n"),
            format!("issuer: !{token} x\n"),
        ]);
        for file in files {
            put(dir.path(), "rules/acme.yaml", &file);
            let run = finish(keybound().current_dir(dir.path()).args(["rules", "check", "rules"]));
            assert!(matches!(run.code, Some(0..=2)), "{file}");
            canaries.check_run(&format!("{what} in a rule file: {file}"), &run);
        }
    }
    canaries.assert_unseen();
}

#[test]
fn in_arguments() {
    let mut canaries = Canaries::default();
    let dir = folder([("a.txt", "x")]);
    for (what, token) in few(&mut canaries) {
        let token = &token;
        let flag = format!("--{token}");
        for args in [
            &["scan", token][..],
            &["scan", &format!("no/such/{token}/file")],
            &["scan", "--format", token],
            &["scan", "--format", &format!("json=no/such/{token}")],
            &["scan", "--format", &format!("{token}=x")],
            &["scan", "--format", &format!("{token}=")],
            &["scan", "--config", token],
            &["scan", &format!("--config={token}"), "--no-config"],
            &["scan", "--rules", token],
            &["scan", "--now", token],
            &["scan", "--threads", token],
            &["scan", "--fail-on", token],
            &["scan", "--color", token],
            &["scan", "--exit-zero=1", token],
            &["scan", &format!("--exit-zero={token}")],
            &["scan", &flag],
            &["explain", token],
            &["explain", token, token],
            &["rules", token],
            &["rules", "check", token],
            &["inspect", token, token],
            &["inspect", &flag],
            &["inspect", "--now", token, "x"],
            &["inspect", "--rules", token, "x"],
            &[token],
            &[&flag],
        ] {
            let run = finish(keybound().current_dir(dir.path()).args(args)).exits(2);
            canaries.check_run(&format!("{what}: {args:?}"), &run);
        }
    }
    canaries.assert_unseen();
}
