//! `inspect`, `explain` and `rules`: what they print and how they end.

mod common;

use common::mint::{self, Jwt};
use common::{NOW, finish_with, folder, keybound, run, text};
use serde_json::Value;

#[test]
fn a_token_as_argument() {
    let run = run(&["inspect", "--now", NOW, &Jwt::access().mint()]).exits(0);
    let out = run.out();
    for expected in [
        "verdict      medium: Anyone holding this JWT access token can act as alice",
        "family       jwt-access",
        "binding      none",
        "state        live",
        "expires      2026-03-01T12:50:00Z",
        "faults       jwt-unbound",
        "header\n  typ        \"at+jwt\"",
        "  exp        1772369400  (2026-03-01T12:50:00Z)",
    ] {
        assert!(out.contains(expected), "{expected:?} is missing in\n{out}");
    }
    assert!(!out.contains('\u{1b}'), "no colours on a pipe");
}

#[test]
fn a_token_on_standard_input() {
    let token = Jwt::access().mint();
    for args in [&["inspect", "--now", NOW][..], &["inspect", "--now", NOW, "-"]] {
        let piped = finish_with(keybound().args(args), format!("  {token}\n").as_bytes()).exits(0);
        let argued = run(&["inspect", "--now", NOW, &token]).exits(0);
        assert_eq!(piped.out(), argued.out());
    }
}

#[test]
fn as_json_it_is_the_finding_of_a_scan() {
    let token = mint::github(1);
    let out = run(&["inspect", "--json", "--now", NOW, &token]).exits(0).stdout;
    let finding: Value = serde_json::from_slice(&out).expect("one JSON object");
    assert_eq!(text(&finding, "/rule"), "github-pat");
    let scanned = common::scan_bytes(token.as_bytes());
    assert_eq!(finding["token"], scanned.only()["token"]);
}

/// RFC 7515, appendix A.1: everybody knows it, so a scan passes over it; somebody who asks gets an answer.
#[test]
fn a_published_example_is_judged_too() {
    let header = "{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}";
    let claims = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
    let signature = mint::base64url(mint::Chance::new(1).bytes(32));
    let token = format!("{}.{}.{signature}", mint::base64url(header), mint::base64url(claims));
    assert!(run(&["inspect", "--now", NOW, &token]).exits(0).out().contains("state        expired"));
    let record = common::scan_bytes(token.as_bytes());
    assert_eq!((record.findings.len(), record.suppressed.len()), (0, 1));
    assert!(text(&record.suppressed[0], "/reason").contains("RFC 7515"));
}

#[test]
fn what_is_no_token_is_said_to_be_none() {
    let run_with = |input: &[u8]| finish_with(keybound().arg("inspect"), input).exits(2).err();
    assert!(run_with(b"good morning").contains("no token that keybound can tell"));
    assert!(run_with(b" \n").contains("no token was given"));
}

#[test]
fn explain_prints_a_page() {
    for (rule, expected) in [
        ("jwt-unbound", "https://www.rfc-editor.org/rfc/rfc9700"),
        ("github-pat", "can be bound: no, whoever holds it"),
    ] {
        let out = run(&["explain", rule]).exits(0).out();
        assert!(out.contains(expected) && out.contains("Fix:") && out.contains(&format!("({rule})")), "{out}");
    }
    let markdown = run(&["explain", "--markdown", "jwt-unbound"]).exits(0).out();
    assert!(markdown.starts_with("# ") && markdown.contains("\n## Fix\n"));
}

#[test]
fn explain_helps_with_what_it_does_not_know() {
    let near = run(&["explain", "jwt-unbounded"]).exits(2);
    assert!(near.out().is_empty() && near.err().contains("no rule `jwt-unbounded`"), "{}", near.err());
    let near = run(&["explain", "ttl-too-long"]).exits(2).err();
    assert!(near.contains("jwt-ttl-long"), "{near}");
    assert!(run(&["explain", "zzz"]).exits(2).err().contains("keybound rules list"));
}

#[test]
fn every_rule_that_is_listed_has_a_page() {
    let plain = run(&["rules", "list"]).exits(0).out();
    let rows: Vec<Value> = run(&["rules", "list", "--json"])
        .exits(0)
        .out()
        .lines()
        .map(|line| serde_json::from_str(line).expect("one JSON object a line"))
        .collect();
    assert_eq!(plain.lines().count(), rows.len());
    assert!(rows.len() > 80);
    // One page of each kind; that all can be read is a unit test.
    for kind in ["check", "family"] {
        let slug = rows
            .iter()
            .filter(|row| row["kind"] == kind)
            .map(|row| text(row, "/slug"))
            .next_back()
            .expect("one of each");
        run(&["explain", slug]).exits(0);
    }
}

#[test]
fn the_built_in_rules_prove_themselves() {
    let out = run(&["rules", "check"]).exits(0).out();
    assert!(out.ends_with(", 0 wrong\n"), "{out}");
}

/// A family file as a user writes it.
fn family(hit: &str) -> String {
    format!(
        "issuer: Acme\nrevoke: Delete it.\nfamilies:\n  - slug: acme-key\n    title: Acme key\n    anchors: [acme_]\n    \
         pattern: 'acme_[a-z0-9]{{24}}'\n    bindable: none\n    reach: normal\n    role: key\n    lifetime: for ever\n    \
         policy: pat\n    about: A key.\n    hits: ['{hit}']\n    misses: ['acme_x']\n"
    )
}

#[test]
fn a_rule_file_is_checked_against_its_own_samples() {
    let good = format!("key: {}{}", "acme_", mint::hex(1, 24));
    let dir = folder([("good/acme.yaml", family(&good)), ("bad/acme.yaml", family("key: none"))]);
    let check = |path: &str| common::finish(keybound().current_dir(dir.path()).args(["rules", "check", path]));
    for path in ["good", "good/acme.yaml"] {
        assert_eq!(check(path).exits(0).out(), "1 families, 2 samples, 0 wrong\n");
    }
    let out = check("bad/acme.yaml").exits(1).out();
    assert!(out.contains("acme-key: hit 1 is not found"), "{out}");
    let error = check("missing.yaml").exits(2).err();
    assert!(error.contains("missing.yaml"), "{error}");
}

/// Lines for the list of published examples hold hashes and the source, never a token; what the list has is left out.
#[test]
fn rules_known_prints_hashes_of_what_is_not_known_yet() {
    let (jwt, opaque) = (Jwt::access().mint(), mint::opaque(1, 30));
    let known = "mF_9.B5f-4.1JqM"; // RFC 6750
    let text = format!("{jwt}\nAuthorization: Bearer {opaque}\n\nAuthorization: Bearer {known}\n");
    let dir = folder([("page.md", &text)]);
    let path = dir.path().join("page.md");
    let path = path.to_str().expect("UTF-8");
    for (args, kinds) in [(&["--resigned"][..], ["payload", "token"]), (&[], ["token", "token"])] {
        let out = run(&[&["rules", "known", "--source", "Some documentation", path], args].concat()).exits(0).out();
        let lines: Vec<Vec<&str>> = out.lines().map(|line| line.splitn(3, ' ').collect()).collect();
        assert_eq!(lines.iter().map(|line| line[0]).collect::<Vec<_>>(), kinds, "{out}");
        assert!(lines.iter().all(|line| line[1].len() == 64 && line[2] == "Some documentation"), "{out}");
        assert!(!out.contains(&opaque) && !out.contains(&jwt[..20]), "{out}");
    }
    run(&["rules", "known", "--source", "x", "/nonexistent"]).exits(2);
}
