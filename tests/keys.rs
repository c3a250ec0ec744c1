//! Private keys: every container is read as another library reads it, in every dress a key is found once, and a token
//! and the key it is bound to know of each other.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::mint::{Chance, Jwt, dpop_proof, thumbprint};
use common::{folder, number, scan, scan_bytes, text, texts};
use keybound::rules::unsplit;
use keybound::token::keys::public::{Curve, PublicKey};
use serde_json::{Value, json};

/// Name and contents of a file, and what is expected of it.
fn samples(list: &str) -> impl Iterator<Item = (Vec<&str>, Vec<u8>)> {
    list.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let mut fields: Vec<&str> = line.split('\t').collect();
        let hex = fields.pop().expect("contents");
        let bytes = (0..hex.len()).step_by(2).map(|n| u8::from_str_radix(&hex[n..n + 2], 16).expect("hexadecimal"));
        (fields, bytes.collect())
    })
}

fn open_keys() -> &'static str {
    include_str!("data/keys.txt")
}

fn bytes_of(name: &str) -> Vec<u8> {
    samples(open_keys()).find(|(fields, _)| fields[0] == name).expect("a sample").1
}

/// The contents of PKCS#8 for Ed25519, of any seed (RFC 8410, section 7).
fn ed25519(seed: u64) -> Vec<u8> {
    let head = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    [&head[..], &Chance::new(seed).bytes(32)].concat()
}

/// The thumbprint of that key.
fn jkt(seed: u64) -> String {
    let public = PublicKey::of_private(Curve::Ed25519, &Chance::new(seed).bytes(32)).expect("any seed is a key");
    public.thumbprint().base64url()
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<&str> = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
    unsplit(&format!("-----BEG¦IN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")))
}

fn key_file(seed: u64) -> String {
    pem("PRIVATE KEY", &ed25519(seed))
}

fn bound(seed: u64) -> Jwt {
    Jwt::access().claim("cnf", json!({"jkt": jkt(seed)}))
}

/// The findings of a rule.
fn of_rule<'a>(findings: &'a [Value], rule: &str) -> Vec<&'a Value> {
    findings.iter().filter(|finding| finding["rule"] == rule).collect()
}

#[test]
fn every_container() {
    for (fields, bytes) in samples(open_keys()) {
        let [name, family, state, algorithm, expected] = fields[..] else { panic!("{fields:?}") };
        let record = scan_bytes(&bytes);
        let finding = record.only();
        let optional = |value: &str| if value == "-" { Value::Null } else { value.into() };
        assert_eq!(text(finding, "/family"), family, "{name}");
        assert_eq!(finding["key"]["encrypted"], state == "locked", "{name}");
        assert_eq!(finding["key"]["algorithm"], optional(algorithm), "{name}");
        assert_eq!(finding["key"]["jkt"], optional(expected), "{name}");
        assert_eq!(text(finding, "/confidence"), "high", "{name}");
        assert!(finding.get("token").is_none(), "{name}");
    }
}

#[test]
fn what_only_looks_like_a_key_file() {
    for (fields, bytes) in samples(include_str!("data/no-keys.txt")) {
        assert_eq!(scan_bytes(&bytes).findings.len(), 0, "{}", fields[0]);
    }
}

/// One key in four containers is one finding that says where they are.
#[test]
fn one_key_is_one_finding() {
    let names = ["p256.pem", "p256-sec1.pem", "p256.der", "plain.p12"];
    let dir = folder(names.map(|name| (name, bytes_of(name))));
    let record = scan(dir.path(), &["."]);
    let finding = record.only();
    assert_eq!(number(finding, "/occurrences"), 4);
    assert_eq!(finding["related"].as_array().map(Vec::len), Some(3));
    assert_eq!(text(finding, "/location/path"), "p256-sec1.pem");
    assert_eq!(text(finding, "/related/0/message"), "the same key");
    assert_eq!(texts(finding, "/key/x5t#S256").len(), 1, "the certificate is in plain.p12");
}

/// Bouncy Castle writes PKCS#12 as a stream: indefinite lengths, contents in pieces.
#[test]
fn streamed_pkcs12() {
    fn stream(der: &[u8], out: &mut Vec<u8>) -> usize {
        let (head, length) = match der[1] {
            0x81 => (3, usize::from(der[2])),
            0x82 => (4, usize::from(der[2]) << 8 | usize::from(der[3])),
            length => (2, usize::from(length)),
        };
        let body = &der[head..head + length];
        if der[0] & 0x20 != 0 {
            out.extend([der[0], 0x80]);
            let mut at = 0;
            while at < body.len() {
                at += stream(&body[at..], out);
            }
            out.extend([0, 0]);
        } else if der[0] == 4 && body.len() > 100 {
            out.extend([0x24, 0x80]);
            for piece in body.chunks(100) {
                out.extend([4, piece.len() as u8]);
                out.extend(piece);
            }
            out.extend([0, 0]);
        } else {
            out.extend(&der[..head + length]);
        }
        head + length
    }
    for name in ["empty.p12", "plain.p12", "locked.p12"] {
        let whole = bytes_of(name);
        let mut streamed = Vec::new();
        stream(&whole, &mut streamed);
        let (one, other) = (scan_bytes(&whole), scan_bytes(&streamed));
        assert_eq!(one.only()["key"]["jkt"], other.only()["key"]["jkt"], "{name}");
        assert_eq!(one.only()["key"]["encrypted"], other.only()["key"]["encrypted"], "{name}");
    }
}

/// Bouncy Castle's own store (`BcKeyStoreSpi`), put together by hand.
#[test]
fn bouncy_castle_store() {
    let text = |text: &str| [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat();
    let number = |n: usize| (n as u32).to_be_bytes().to_vec();
    let head = [number(2), number(20), vec![7; 20], number(1500)].concat();
    let entry = |kind: u8, rest: Vec<u8>| [vec![kind], text("client"), vec![0; 8], number(0), rest].concat();
    let sealed = [head.clone(), entry(4, [number(64), vec![9; 64]].concat()), vec![0; 21]].concat();
    let record = scan_bytes(&sealed);
    assert_eq!((text_of(record.only(), "family"), record.only()["key"]["encrypted"].clone()), ("jks", true.into()));
    let der = ed25519(4);
    let plain = [vec![0], text("PKCS#8"), text("Ed25519"), number(der.len()), der].concat();
    let record = scan_bytes(&[head, entry(2, plain), vec![0; 21]].concat());
    assert_eq!(record.only()["key"]["jkt"], jkt(4));
}

fn text_of<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

#[test]
fn in_every_dress_it_is_the_same_key() {
    let (plain, der) = (key_file(1), ed25519(1));
    let public = PublicKey::of_private(Curve::Ed25519, &der[16..]).expect("a key");
    let PublicKey::Okp { octets, .. } = &public else { panic!("a key of RFC 8037") };
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(octets), "d": base64url(&der[16..])});
    let one_line = plain.trim().replace('\n', "\\n");
    let base64 = STANDARD.encode(&plain);
    let wrapped: Vec<String> =
        base64.as_bytes().chunks(60).map(|line| format!("    {}", String::from_utf8_lossy(line))).collect();
    let dresses = [
        plain.clone(),
        plain.replace('\n', "\r\n"),
        format!("KEY=\"{one_line}\"\n"),
        json!({"private_key": plain}).to_string(),
        json!({"body": json!({"private_key": plain}).to_string()}).to_string(),
        plain.lines().map(|line| format!("    {line}\n")).collect(),
        plain.lines().map(|line| format!("+{line}\n")).collect(),
        plain.lines().map(|line| format!(" * {line}\n")).collect(),
        plain.lines().map(|line| format!("  \"{line}\\n\" +\n")).collect(),
        format!(
            "POST /?key={}",
            plain.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D").replace('\n', "%0A")
        ),
        format!("tls.key: {base64}\n"),
        format!("client-key-data: |\n{}\nname: x\n", wrapped.join("\n")),
        format!("private-key: {}\n", STANDARD.encode(&der)),
        jwk.to_string(),
        serde_json::to_string_pretty(&json!({"keys": [jwk]})).expect("JSON"),
        json!({"jwk": jwk.to_string()}).to_string(),
        json!({"jwk": json!({"jwk": jwk.to_string()}).to_string()}).to_string(),
        format!("const key = {{ kty: 'OKP', crv: 'Ed25519', d: '{}' }};", base64url(&der[16..])),
        jwk.to_string().replace('"', "&quot;"),
        jwk.to_string().replace('"', "'"),
    ];
    for dress in &dresses {
        let record = scan_bytes(dress.as_bytes());
        let finding = record.only();
        assert_eq!(text(finding, "/key/jkt"), jkt(1), "{dress}");
        assert_eq!(number(finding, "/occurrences"), 1, "{dress}");
    }
    let all = scan_bytes(dresses.join("\n\n").as_bytes());
    assert_eq!(number(all.only(), "/occurrences"), dresses.len() as u64);
}

fn base64url(bytes: &[u8]) -> String {
    common::mint::base64url(bytes)
}

#[test]
fn what_is_no_key_is_none() {
    let (plain, der) = (key_file(2), ed25519(2));
    let half = &plain[..plain.len() / 2];
    let jwk = |d: &str| json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(&der[16..]), "d": d}).to_string();
    for text in [
        format!("{half}...\n"),
        format!("{half}\n-----END PRIVATE KEY-----\n"),
        plain.replace(&plain[30..60], "(the key goes here)           "),
        plain.lines().next().expect("a line").to_owned(),
        jwk(""),
        jwk("..."),
        jwk("${D}"),
        jwk(&base64url(&der[16..40])),
        json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(&der[16..])}).to_string(),
        json!({"kty": "oct", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}).to_string(),
        json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "d": "AQAB"}).to_string(),
    ] {
        assert_eq!(scan_bytes(text.as_bytes()).findings.len(), 0, "{text}");
    }
}

/// A JWK whose public half is another key's is made up or edited: said, at low.
#[test]
fn halves_that_do_not_fit() {
    let der = ed25519(3);
    let jwk =
        json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(&Chance::new(9).bytes(32)), "d": base64url(&der[16..])});
    let record = scan_bytes(jwk.to_string().as_bytes());
    assert_eq!(text(record.only(), "/severity"), "low");
    assert_eq!(text(record.only(), "/confidence"), "low");
}

#[test]
fn how_grave() {
    let sealed = String::from_utf8(bytes_of("p256-enc.pem")).expect("text");
    let account = json!({
        "type": "service_account",
        "private_key_id": "0f3a9c1d5e7b",
        "private_key": key_file(5),
        "client_email": "builder@acme-test.iam.gserviceaccount.com",
    });
    for (path, contents, severity, rule, says) in [
        ("deploy/client.key", key_file(5), "high", "pop-key-exposed", "prove possession of it"),
        ("tests/client.key", key_file(5), "medium", "pop-key-exposed", "prove possession of it"),
        ("deploy/client.key", sealed, "medium", "pop-key-exposed", "guarded by a passphrase"),
        ("sa.json", account.to_string(), "critical", "gcp-service-account", "key of builder@acme-test.iam"),
        (
            "id_ed25519",
            String::from_utf8(bytes_of("ssh-ed25519")).expect("text"),
            "medium",
            "openssh",
            "log in wherever",
        ),
    ] {
        let dir = folder([(path, contents)]);
        let record = scan(dir.path(), &["."]);
        let finding = record.only();
        assert_eq!((text(finding, "/severity"), text(finding, "/rule")), (severity, rule), "{path}");
        assert!(text(finding, "/message").contains(says), "{path}: {finding:#}");
    }
}

// ---- with tokens --------------------------------------------------------------------------------------------------

#[test]
fn a_token_and_its_key_name_each_other() {
    let dir = folder([
        ("deploy/client.key", key_file(1)),
        ("logs/app.log", format!("{}\n", bound(1).mint())),
        ("logs/other.log", format!("{}\n", bound(2).mint())),
    ]);
    let record = scan(dir.path(), &["."]);
    let both = of_rule(&record.findings, "pop-key-with-token");
    assert_eq!(both.len(), 2);
    for finding in &both {
        assert_eq!(text(finding, "/severity"), "critical");
    }
    let (key, token) = if both[0].get("key").is_some() { (both[0], both[1]) } else { (both[1], both[0]) };
    assert_eq!(text(key, "/related/0/path"), "logs/app.log");
    assert_eq!(text(token, "/related/0/path"), "deploy/client.key");
    assert_eq!(text(token, "/related/0/message"), "the private key it is bound to");
    assert!(texts(token, "/because").contains(&"its proof key stands in deploy/client.key:1"), "{token:#}");
    assert!(texts(key, "/because").contains(&"a token in logs/app.log:1 is bound to it"), "{key:#}");
    assert_eq!(text(token, "/token/binding"), "jkt");
    assert!(text(token, "/message").contains("whoever has both can act as"), "{token:#}");
    // The other token is bound to a key that nobody found.
    let other = record.findings.iter().find(|f| f["location"]["path"] == "logs/other.log").expect("a finding");
    assert_eq!((text(other, "/severity"), text(other, "/token/binding")), ("info", "jkt"));
}

/// Bound by certificate: the certificate says whose key it is.
#[test]
fn by_certificate() {
    let x5t = {
        let record = scan_bytes(&bytes_of("plain.p12"));
        texts(record.only(), "/key/x5t#S256")[0].to_owned()
    };
    let token = Jwt::access().claim("cnf", json!({"x5t#S256": x5t})).mint();
    for (key, certificate, void) in [
        ("p256.pem", Some("plain.p12"), true),
        ("plain.p12", None, true),
        ("p256.pem", None, false),
        ("locked.p12", None, false),
        ("store.jks", None, false),
    ] {
        let mut files = vec![(key, bytes_of(key)), ("app.log", token.clone().into_bytes())];
        files.extend(certificate.map(|name| (name, bytes_of(name))));
        let dir = folder(files);
        let record = scan(dir.path(), &["."]);
        let finding = record.findings.iter().find(|f| f.get("token").is_some()).expect("the token");
        assert_eq!(texts(finding, "/faults").contains(&"pop-key-with-token"), void, "{key}");
        assert_eq!(text(finding, "/severity"), if void { "critical" } else { "info" }, "{key}");
    }
}

/// An expired token is over, its key is not.
#[test]
fn an_expired_token() {
    let token = bound(1).claim("iat", 1_700_000_000).claim("exp", 1_700_000_600).mint();
    let record = scan_bytes(format!("{}{token}\n", key_file(1)).as_bytes());
    let severity = |key: bool| {
        let finding = record.findings.iter().find(|f| f.get("key").is_some() == key).expect("a finding");
        text(finding, "/severity").to_owned()
    };
    assert_eq!((severity(true), severity(false)), ("critical".to_owned(), "low".to_owned()));
}

/// A DPoP proof shows that the key is used; it is no token itself.
#[test]
fn a_proof_and_its_key() {
    let der = ed25519(6);
    let Some(PublicKey::Okp { octets, .. }) = PublicKey::of_private(Curve::Ed25519, &der[16..]) else {
        panic!("a key")
    };
    let proof = dpop_proof(json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(&octets)})).mint();
    let record = scan_bytes(format!("{}DPoP: {proof}\n", key_file(6)).as_bytes());
    let key = record.findings.iter().find(|f| f.get("key").is_some()).expect("the key");
    assert_eq!((text(key, "/rule"), text(key, "/severity")), ("pop-key-exposed", "high"));
    assert!(texts(key, "/because").iter().any(|why| why.starts_with("a DPoP proof in -:")), "{key:#}");
}

/// The key of RFC 8037, appendix A, is everybody's: it is passed over, and what is bound to it is not bound.
#[test]
fn published_keys() {
    let seed = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
    let public = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "d": seed, "x": public});
    let record = scan_bytes(jwk.to_string().as_bytes());
    assert_eq!((record.findings.len(), record.suppressed.len()), (0, 1));
    assert_eq!(text(&record.suppressed[0], "/reason"), "published example: RFC 8037 appendix A");
    let token = Jwt::access().claim("cnf", json!({"jkt": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"}));
    let record = scan_bytes(token.mint().as_bytes());
    let finding = record.only();
    assert_eq!((text(finding, "/rule"), text(finding, "/severity")), ("pop-key-with-token", "critical"));
    assert!(texts(finding, "/because").contains(&"its proof key was published: RFC 8037 appendix A"), "{finding:#}");
}

#[test]
fn one_key_for_two_clients() {
    let cnf = json!({"jkt": thumbprint(7)});
    let token = |client: &str, jti: &str| {
        Jwt::access().claim("client_id", client).claim("jti", jti).claim("cnf", cnf.clone()).mint()
    };
    let lines: Vec<String> = ["billing", "billing", "reports", "mailer", "reports"]
        .iter()
        .enumerate()
        .map(|(n, client)| format!("{}\n", token(client, &format!("j{n}"))))
        .collect();
    let record = scan_bytes(lines.concat().as_bytes());
    let shared = of_rule(&record.findings, "pop-key-shared");
    // One a client, the first, and each knows of the others.
    let places: Vec<u64> = shared.iter().map(|f| number(f, "/location/line")).collect();
    assert_eq!(places, [1, 3, 4]);
    for finding in shared {
        assert_eq!(text(finding, "/severity"), "high");
        assert_eq!(finding["related"].as_array().map(Vec::len), Some(2));
    }
    let record = scan_bytes([&lines[0][..], &lines[1]].concat().as_bytes());
    assert_eq!(of_rule(&record.findings, "pop-key-shared").len(), 0);
}

#[test]
fn one_key_in_two_environments() {
    let (one, other) = (key_file(1), key_file(2));
    let dir = folder([
        ("deploy/prod/tls.key", &one),
        ("deploy/values-staging.yaml", &one),
        ("deploy/dev/tls.key", &other),
        ("deploy/dev/copy.key", &other),
        ("tests/prod/tls.key", &other),
    ]);
    let record = scan(dir.path(), &["."]);
    let shared: Vec<bool> = record.findings.iter().map(|f| texts(f, "/faults").contains(&"pop-key-shared")).collect();
    assert_eq!((shared.len(), shared.iter().filter(|s| **s).count()), (2, 1));
    let finding = record.findings.iter().find(|f| texts(f, "/faults").contains(&"pop-key-shared")).expect("one");
    assert!(texts(finding, "/because").contains(&"it stands in production and in staging"), "{finding:#}");
    assert_eq!(text(finding, "/key/jkt"), jkt(1));
}

// ---- secrets ------------------------------------------------------------------------------------------------------

/// A token signed with a secret that no list has.
fn signed_with(secret: &str) -> String {
    Jwt::access().claim("iss", "https://as.acme.test").mint_with(secret)
}

#[test]
fn the_secret_that_signed_it_stands_in_the_scan() {
    let secret = "Zr4-horse.battery_staple-71";
    for (path, contents) in [
        ("deploy/.env", format!("PORT=80\nJWT_SECRET={secret}\n")),
        ("config/application.yml", format!("security:\n  jwt:\n    secret: \"{secret}\"\n")),
        ("k8s/secret.yaml", format!("kind: Secret\ndata:\n  JWT_SECRET: {}\n", STANDARD.encode(secret))),
        ("src/auth.js", format!("const key = process.env.JWT_SECRET || '{secret}'\n")),
        ("keys.json", json!({"kty": "oct", "k": base64url(secret.as_bytes())}).to_string()),
    ] {
        let dir = folder([(path, contents), ("logs/app.log", signed_with(secret))]);
        let record = scan(dir.path(), &["."]);
        let token = record.findings.iter().find(|f| f.get("token").is_some()).expect("the token");
        assert_eq!((text_of(token, "rule"), text_of(token, "severity")), ("jwt-alg-weak-secret", "critical"), "{path}");
        assert!(text(token, "/message").contains("a secret that was found as well: whoever reads it"), "{token:#}");
        let why = texts(token, "/because").join("; ");
        assert!(why.contains(&format!("signed with the secret that stands in {path}:")), "{why}");
        assert_eq!(text(token, "/related/0/path"), path);
        assert_eq!(text(token, "/related/0/message"), "the secret that signed it");
    }
    // Another secret, and a secret that is none.
    let dir = folder([
        (".env", "JWT_SECRET=Zr4-horse.battery_staple-72\nTOKEN_SECRET=${JWT_SECRET}\n".to_owned()),
        ("logs/app.log", signed_with(secret)),
    ]);
    let record = scan(dir.path(), &["."]);
    assert!(!texts(record.only(), "/faults").contains(&"jwt-alg-weak-secret"));
    assert!(!record.only().to_string().contains("battery"));
}

#[test]
fn a_known_secret_is_found_in_every_part_of_a_big_file() {
    // Files longer than this are read in parts.
    const PART: usize = 16 * 1024 * 1024;
    let signed = |issuer: &str, subject: usize, secret: &str| {
        let claims = Jwt::access().claim("iss", issuer).claim("sub", subject);
        format!("\ntoken: {}\n", claims.mint_with(secret))
    };
    let strong = "Zr4-horse.battery_staple-71";
    let mut log = Vec::new();
    for part in 0..3 {
        log.resize(part * PART + 4096, b'.');
        // Two keys that stand everywhere, and in the later parts one that the first has nothing of.
        for n in 0..4 {
            log.extend(signed("https://weak.acme.test", 10 * part + n, "secret").into_bytes());
            log.extend(signed("https://strong.acme.test", 10 * part + n, strong).into_bytes());
        }
        if part > 0 {
            log.extend(signed(&format!("https://later{part}.acme.test"), part, "changeme").into_bytes());
        }
    }
    let dir = folder([("big.log", log)]);
    let record = scan(dir.path(), &["."]);
    let weak = |issuer: &str| {
        let of_issuer = record.findings.iter().filter(|f| text(f, "/token/issuer").contains(issuer));
        of_issuer.map(|f| texts(f, "/faults").contains(&"jwt-alg-weak-secret")).collect::<Vec<_>>()
    };
    assert_eq!(weak("weak.acme"), [true; 12]);
    assert_eq!(weak("strong.acme"), [false; 12]);
    assert_eq!(weak("later"), [true; 2]);
}

#[test]
fn a_list_of_ones_own() {
    let token = signed_with("Zr4-horse.battery_staple-71");
    let dir = folder([("app.log", token.as_str()), ("words", "first\r\nZr4-horse.battery_staple-71\r\nlast\n")]);
    let fault = |args: &[&str]| {
        let record = scan(dir.path(), args);
        let finding = record.findings.iter().find(|f| f.get("token").is_some()).expect("the token");
        texts(finding, "/faults").contains(&"jwt-alg-weak-secret")
    };
    assert!(!fault(&["app.log"]));
    assert!(fault(&["--weak-secrets", "words", "app.log"]));
    let run =
        common::finish(common::keybound().current_dir(dir.path()).args(["inspect", "--weak-secrets", "words", &token]));
    assert!(run.exits(0).out().contains("a secret that stands in a word list"));
    let run = common::scan_run(dir.path(), &["--weak-secrets", "missing", "app.log"]).exits(2);
    assert!(run.err().contains("missing"));
}

/// Whatever the threads do, the report is the same.
#[test]
fn the_same_report_every_time() {
    let mut files = Vec::new();
    for n in 0..40u64 {
        files.push((format!("keys/{n}.key"), key_file(n % 7)));
        files.push((format!("logs/{n}.log"), bound(n % 9).claim("client_id", format!("c{}", n % 4)).mint()));
    }
    let dir = folder(files);
    let report = |threads: &str| {
        let mut lines = common::scan_run(dir.path(), &["--threads", threads, "."]).out();
        lines.truncate(lines.rfind("{\"type\":\"summary\"").expect("a summary"));
        lines
    };
    let first = report("1");
    assert!(first.contains("pop-key-with-token") && first.contains("pop-key-shared"));
    for threads in ["2", "4", "8"] {
        assert_eq!(report(threads), first);
    }
}
