//! What a log proves: a DPoP proof and the token that it was sent with.

mod common;

use common::mint::{Jwt, base64url, dpop_proof, ec_jwk};
use common::{folder, scan, scan_bytes, text, texts};
use serde_json::json;
use sha2::{Digest, Sha256};

/// The thumbprint of a test key (RFC 7638, section 3.2).
fn jkt(seed: u64) -> String {
    let jwk = ec_jwk(seed, false);
    let member = |name: &str| jwk[name].as_str().expect("a member").to_owned();
    let (crv, x, y) = (member("crv"), member("x"), member("y"));
    base64url(Sha256::digest(format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#)))
}

/// A token that is bound to the key of that seed.
fn token(seed: u64) -> String {
    Jwt::access().claim("cnf", json!({"jkt": jkt(seed)})).mint()
}

fn proof(seed: u64, token: &str) -> String {
    dpop_proof(ec_jwk(seed, false)).claim("ath", base64url(Sha256::digest(token))).mint()
}

/// The forms in which one request is logged.
fn forms(token: &str, proof: &str) -> Vec<(&'static str, String)> {
    let wide = json!({"headers": [
        {"name": "Authorization", "value": format!("DPoP {token}")},
        {"name": "Accept", "value": "*/*"},
        {"name": "DPoP", "value": proof},
    ]});
    let object = json!({"method": "GET", "headers": {"Authorization": format!("DPoP {token}"), "DPoP": proof}});
    let lists = json!({"headers": {"Authorization": [format!("DPoP {token}")], "Dpop": [proof]}});
    vec![
        ("headers", format!("GET /orders HTTP/1.1\nAuthorization: DPoP {token}\nAccept: */*\nDPoP: {proof}\n\n")),
        (
            "headers, proof first",
            format!("GET /orders HTTP/1.1\r\nDPoP: {proof}\r\nAuthorization: DPoP {token}\r\n\r\n"),
        ),
        ("curl -v", format!("> GET /orders HTTP/2\n> authorization: DPoP {token}\n> dpop: {proof}\n> \n")),
        ("curl", format!("curl https://a.test/o -H 'Authorization: DPoP {token}' -H 'DPoP: {proof}'\n")),
        (
            "curl in lines",
            format!("curl https://a.test/o \\\n  -H 'Authorization: DPoP {token}' \\\n  -H 'DPoP: {proof}'\n"),
        ),
        (
            "one line",
            format!("2026-03-01T11:59:58Z DEBUG out authorization=\"DPoP {token}\" dpop={proof} status=200\n"),
        ),
        ("HAR in one line", wide.to_string()),
        ("HAR in lines", serde_json::to_string_pretty(&wide).expect("JSON")),
        ("an object in one line", object.to_string()),
        ("an object in lines", serde_json::to_string_pretty(&object).expect("JSON")),
        ("lists in one line", lists.to_string()),
    ]
}

/// Faults of the proof in a text, and its severity.
#[track_caller]
fn judged(text_of: &str, form: &str) -> (Vec<String>, String) {
    let record = scan_bytes(text_of.as_bytes());
    let proof = record.findings.iter().find(|finding| text(finding, "/token/typ") == "dpop+jwt");
    let proof = proof.unwrap_or_else(|| panic!("{form}: no proof found"));
    let evidence = texts(proof, "/faults").into_iter().map(str::to_owned);
    let evidence = evidence.filter(|f| f.ends_with("mismatch") || f == "dpop-missing-ath").collect();
    (evidence, text(proof, "/severity").to_owned())
}

#[test]
fn a_pair_that_belongs_together_is_no_evidence() {
    let token = token(1);
    for (form, text) in forms(&token, &proof(1, &token)) {
        assert_eq!(judged(&text, form), (vec![], "info".to_owned()), "{form}");
    }
}

#[test]
fn a_proof_of_another_key_is_evidence_in_every_form() {
    let token = token(1);
    for (form, text) in forms(&token, &proof(2, &token)) {
        assert_eq!(judged(&text, form), (vec!["dpop-key-mismatch".to_owned()], "high".to_owned()), "{form}");
    }
}

#[test]
fn a_proof_for_another_token_is_evidence_in_every_form() {
    let proof = proof(1, "another token");
    for (form, text) in forms(&token(1), &proof) {
        assert_eq!(judged(&text, form), (vec!["dpop-ath-mismatch".to_owned()], "high".to_owned()), "{form}");
    }
}

#[test]
fn a_proof_beside_a_token_needs_its_hash() {
    let proof = dpop_proof(ec_jwk(1, false)).mint();
    for (form, text) in forms(&token(1), &proof) {
        assert_eq!(judged(&text, form).0, ["dpop-missing-ath"], "{form}");
    }
    for alone in [format!("POST /token HTTP/1.1\nDPoP: {proof}\n\n"), format!("dpop={proof}\n"), proof.clone()] {
        assert_eq!(judged(&alone, &alone[..5]).0, [""; 0]);
    }
}

#[test]
fn a_masked_or_cut_token_has_no_hash_to_compare() {
    let token = token(1);
    let fits = proof(1, &token);
    let (signed, signature) = token.rsplit_once('.').expect("a signature");
    let shown = [format!("{signed}.{}", &signature[..8]), format!("{signed}.REDACTED"), format!("{token}...")];
    for cut in shown {
        for (form, text) in forms(&cut, &fits) {
            assert_eq!(judged(&text, form).0, [""; 0], "{form}");
        }
    }
}

#[test]
fn two_requests_are_never_mixed() {
    let (one, other) = (token(1), token(2));
    let proof_of_one = proof(1, &one);
    let bearing = |token: &str| format!("Authorization: DPoP {token}");
    let texts = [
        // A proof of the token endpoint, then a request with another token.
        (
            "blank line",
            format!("POST /token HTTP/1.1\nDPoP: {proof_of_one}\n\nGET /o HTTP/1.1\n{}\n\n", bearing(&other)),
        ),
        ("request line", format!("POST /token HTTP/1.1\nDPoP: {proof_of_one}\nGET /o HTTP/1.1\n{}\n", bearing(&other))),
        ("log lines", format!("09:00:01 dpop={proof_of_one}\n09:00:02 authorization=\"DPoP {other}\"\n")),
        ("both tokens", format!("a=\"DPoP {one}\" b=\"DPoP {other}\" dpop={proof_of_one}\n")),
        ("objects", json!([{"DPoP": proof_of_one}, {"Authorization": format!("DPoP {other}")}]).to_string()),
        (
            "objects in lines",
            serde_json::to_string_pretty(&json!([{"DPoP": proof_of_one}, {"Authorization": format!("DPoP {other}")}]))
                .expect("JSON"),
        ),
        (
            "requests in one line",
            json!([
                {"headers": [{"name": "DPoP", "value": proof_of_one}]},
                {"headers": [{"name": "Authorization", "value": format!("DPoP {other}")}]},
            ])
            .to_string(),
        ),
        (
            "requests in lines",
            serde_json::to_string_pretty(&json!([
                {"headers": [{"name": "DPoP", "value": proof_of_one}]},
                {"headers": [{"name": "Authorization", "value": format!("DPoP {other}")}]},
            ]))
            .expect("JSON"),
        ),
    ];
    for (form, text) in texts {
        assert_eq!(judged(&text, form).0, [""; 0], "{form}");
    }
}

// ---- more than one record -----------------------------------------------------------------------------------------

/// A line of an access log.
fn line(time: &str, client: &str, text: &str) -> String {
    format!("2026-03-01T{time}Z INFO client_ip={client} status=200 {text}\n")
}

/// Whether any finding in files of those names has the fault.
#[track_caller]
fn shows(files: &[(&str, String)], fault: &str, threads: &str) -> bool {
    let dir = folder(files.iter().map(|(name, content)| (*name, content)));
    let record = scan(dir.path(), &["--threads", threads]);
    assert!(!record.findings.is_empty(), "{files:?}: nothing found");
    record.findings.iter().any(|finding| texts(finding, "/faults").contains(&fault))
}

#[test]
fn witnesses_of_several_files_are_put_together() {
    let bearer = format!("authorization=\"{} {}\"", ["Bea", "rer"].concat(), Jwt::access().mint());
    let proof = format!("dpop={}", proof(1, "a token"));
    for (text, fault) in [(&bearer, "token-replayed"), (&proof, "dpop-jti-reuse")] {
        let one = line("11:59:55", "192.0.2.7", text);
        let other = line("11:59:57", "198.51.100.9", text);
        for threads in ["1", "4"] {
            let apart = [("a/app.log", one.clone()), ("b/app.log", other.clone())];
            assert!(shows(&apart, fault, threads), "{fault}, {threads} threads");
            assert!(!shows(&[("a/app.log", one.clone()), ("b/app.log", one.clone())], fault, threads), "{fault}");
            // What is made up for tests proves nothing, wherever else the token stands.
            let made_up = [("a/app.log", one.clone()), ("tests/fixtures/app.log", other.clone())];
            assert!(!shows(&made_up, fault, threads), "{fault}");
        }
    }
}

#[test]
fn keys_for_long_use_are_sent_from_anywhere() {
    let key = |client: &str| line("11:59:55", client, &format!("private-token: {}", common::mint::gitlab(7)));
    assert!(!shows(&[("app.log", key("192.0.2.7") + &key("198.51.100.9"))], "token-replayed", "1"));
}

#[test]
fn a_finding_names_no_address() {
    let bearer = format!("authorization=\"{} {}\"", ["Bea", "rer"].concat(), Jwt::access().mint());
    let record =
        scan_bytes((line("11:59:55", "192.0.2.7", &bearer) + &line("11:59:57", "198.51.100.9", &bearer)).as_bytes());
    let finding = record.only();
    assert_eq!(text(finding, "/severity"), "high");
    assert!(texts(finding, "/because").contains(&"it was sent from 2 addresses"), "{finding}");
    assert!(!finding.to_string().contains("192.0.2.7"), "{finding}");
}

#[test]
fn one_request_in_several_records_is_one() {
    let proof = proof(1, "a token");
    let record = |time: &str, text: &str| format!("2026-03-01T{time}Z DEBUG {text} dpop={proof}\n");
    for (form, texts, expected) in [
        ("seconds", record("11:59:55", "in") + &record("11:59:59", "checked"), false),
        ("a minute", record("11:58:50", "in") + &record("11:59:50", "out"), false),
        ("more", record("11:58:50", "in") + &record("11:59:51", "out"), true),
        ("answered at once", record("11:59:55", "status=200") + &record("11:59:57", "status=200"), false),
        ("answered again", record("11:59:55", "status=200") + &record("11:59:58", "status=401"), true),
    ] {
        assert_eq!(shows(&[("app.log", texts)], "dpop-jti-reuse", "1"), expected, "{form}");
    }
}
