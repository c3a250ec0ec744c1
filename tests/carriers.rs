//! What tokens travel in: every kind of file that holds them, real in form, with tokens that must be found at their
//! places and values that must not be taken for any.

#![cfg(unix)]

mod common;
#[path = "cuts/drive.rs"]
mod drive;

use std::collections::{BTreeMap, BTreeSet};

use common::carriers::{self, Carrier};
use common::mint::{self, Jwt};
use common::{NOW, finish, folder, keybound, number, scan, text, texts};
use drive::{Seen, in_windows_of};
use keybound::rules::Catalogue;
use keybound::token::engine::Engine;
use keybound::token::file::Nature;
use serde_json::Value;

/// A finding's place and what is to be compared.
struct Found {
    carrier: String,
    faults: BTreeSet<String>,
    layers: Vec<String>,
    end: u64,
}

fn found(findings: &[Value]) -> BTreeMap<(String, u64), Found> {
    let mut found = BTreeMap::new();
    for finding in findings.iter().filter(|finding| !finding["token"].is_null()) {
        let all = |pointer: &str| texts(finding, pointer).into_iter().map(str::to_owned).collect::<Vec<_>>();
        let one = Found {
            carrier: text(finding, "/carrier").to_owned(),
            faults: all("/faults").into_iter().collect(),
            layers: all("/location/layers"),
            end: number(finding, "/location/byte_end"),
        };
        let place = (text(finding, "/location/path").to_owned(), number(finding, "/location/byte_start"));
        found.insert(place, one);
    }
    found
}

#[test]
fn every_token_is_found_at_its_place_and_nothing_else() {
    let files = carriers::all();
    let dir = folder(files.iter().map(|file| (&file.path, &file.bytes)));
    let record = scan(dir.path(), &["--no-config", "."]);
    let mut found = found(&record.findings);
    // The same token again is a further place of the first.
    let mut again: BTreeSet<(String, u64, u64)> = BTreeSet::new();
    for finding in &record.findings {
        for related in finding["related"].as_array().expect("a list") {
            again.insert((text(related, "/path").to_owned(), number(related, "/line"), number(related, "/column")));
        }
    }
    let mut wrong = Vec::new();
    let mut tokens = 0;
    for file in &files {
        for expected in &file.expected {
            tokens += 1;
            let (line, column) = drive::line_column(&file.bytes, expected.start as u64);
            let place = format!("{}:{line}:{column}", file.path);
            let Some(one) = found.remove(&(file.path.clone(), expected.start as u64)) else {
                if !again.contains(&(file.path.clone(), line, column)) {
                    wrong.push(format!("{place}: not found ({})", expected.carrier));
                }
                continue;
            };
            if one.end != expected.end as u64 {
                wrong.push(format!("{place}: ends {} bytes too late", one.end as i64 - expected.end as i64));
            }
            if one.carrier != expected.carrier {
                wrong.push(format!("{place}: carried by {}, not {}", one.carrier, expected.carrier));
            }
            let missing: Vec<_> = expected.faults.iter().filter(|fault| !one.faults.contains(*fault)).collect();
            let place_faults = |fault: &&String| {
                fault.starts_with("token-in-") || fault.starts_with("mcp-") || fault.contains("cache")
            };
            let surplus: Vec<_> =
                one.faults.iter().filter(place_faults).filter(|fault| !expected.faults.contains(fault)).collect();
            if !missing.is_empty() || !surplus.is_empty() {
                wrong.push(format!("{place}: without {missing:?}, with {surplus:?}"));
            }
            if (one.layers == ["base64"]) != expected.plain.is_some() {
                wrong.push(format!("{place}: layers {:?}", one.layers));
            }
        }
    }
    wrong.extend(found.into_keys().map(|(path, start)| format!("{path}: found at {start}, where nothing is")));
    assert!(wrong.is_empty(), "{} of {tokens}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(tokens > 280, "the folder holds {tokens} tokens");
    let notes: Vec<_> = record.findings.iter().filter(|finding| finding["token"].is_null()).collect();
    assert!(notes.is_empty(), "{notes:#?}");
}

fn engine() -> Engine {
    Engine::new(Catalogue::embedded().unwrap_or_else(|e| panic!("{e}")))
}

#[test]
fn wherever_a_file_is_cut_the_same_tokens_are_seen() {
    let engine = engine();
    for Carrier { path, bytes, expected } in carriers::all() {
        let nature = Nature::of(&path);
        let whole: Vec<Seen> = in_windows_of(&engine, nature, &bytes, &[]);
        assert!(whole.len() >= expected.len().min(1), "{path}");
        let around = expected.iter().flat_map(|e| [e.start, e.start + 1, (e.start + e.end) / 2, e.end, e.end + 1]);
        let cuts: Vec<Vec<usize>> = around
            .map(|cut| vec![cut])
            .chain([400, 999].map(|step| (0..bytes.len()).step_by(step).collect()))
            .collect();
        for ends in cuts {
            assert_eq!(in_windows_of(&engine, nature, &bytes, &ends), whole, "{path}, windows end at {ends:?}");
        }
    }
}

// ---- token caches -----------------------------------------------------------------------------------------------

#[test]
fn a_token_cache_is_a_finding_whatever_is_in_it() {
    let expired = Jwt::access().claim("iat", 1_700_000_000).claim("exp", 1_700_003_600).mint();
    let cached =
        |token: &str| format!(r#"{{"AccessToken":{{"k":{{"credential_type":"AccessToken","secret":"{token}"}}}}}}"#);
    let dir = folder([
        ("live/.azure/msal_token_cache.json", cached(&mint::opaque(1, 60)).into_bytes()),
        ("expired/.azure/msal_token_cache.json", cached(&expired).into_bytes()),
        ("empty/.azure/msal_token_cache.json", br#"{"AccessToken": {}, "RefreshToken": {}}"#.to_vec()),
        ("nothing/.azure/msal_token_cache.json", Vec::new()),
        ("sealed/.azure/msal_token_cache.bin", b"\x01\0\0\0\xd0\x8c\x9d\xdf\x01\x15\xd1\x11\x8c\x7a\0\xc0".to_vec()),
        ("tests/.azure/msal_token_cache.bin", b"\x01\0\0\0\xd0\x8c\x9d\xdf\x01\x15\xd1\x11\x8c\x7a\0\xc1".to_vec()),
        // The tokens lie in the system's key ring.
        ("ring/.config/gh/hosts.yml", b"github.com:\n    user: jane\n    git_protocol: https\n".to_vec()),
        ("ring/.docker/config.json", br#"{"auths": {"ghcr.io": {}}, "credsStore": "osxkeychain"}"#.to_vec()),
        ("federated/gcloud/application_default_credentials.json", br#"{"type": "external_account"}"#.to_vec()),
    ]);
    let record = scan(dir.path(), &["--no-config", "."]);
    let mut severities: Vec<(&str, &str, bool)> = record
        .findings
        .iter()
        .map(|finding| {
            assert_eq!(text(finding, "/rule"), "token-cache-committed", "{finding:#}");
            assert!(text(finding, "/fix").contains("az logout"), "{finding:#}");
            (
                text(finding, "/location/path").split('/').next().unwrap_or(""),
                text(finding, "/severity"),
                finding["token"].is_null(),
            )
        })
        .collect();
    severities.sort_unstable();
    assert_eq!(
        severities,
        [
            ("empty", "low", true),
            ("expired", "low", false),
            ("live", "high", false),
            ("nothing", "low", true),
            ("sealed", "high", true),
            ("tests", "medium", true),
        ]
    );
}

#[test]
fn a_finding_without_a_token_stands_in_every_format() {
    let dir = folder([(".azure/msal_token_cache.bin", b"\x01\0\0\0\xd0\x8c\x9d\xdf\x01\x15\xd1\x11\x8c\x7a\0\xc0")]);
    for (format, says) in [
        ("pretty", "the token cache of the Azure CLI"),
        ("json", "\"rule\":\"token-cache-committed\""),
        ("sarif", "token-cache-committed/high"),
    ] {
        let mut command = keybound();
        command.current_dir(dir.path()).args(["scan", "--no-config", "--now", NOW, "--format", format, "."]);
        let run = finish(&mut command).exits(1);
        assert!(run.out().contains(says), "{format}: {}", run.out());
    }
    // And can be switched off.
    let off = folder([
        (".azure/msal_token_cache.bin", &b"\x01\0\0\0\xd0\x8c\x9d\xdf"[..]),
        ("keybound.toml", b"[severity]\ntoken-cache-committed = \"off\"\n"),
    ]);
    assert!(scan(off.path(), &["."]).findings.is_empty());
}

// ---- agents -----------------------------------------------------------------------------------------------------

#[test]
fn a_configuration_that_hands_the_users_token_on() {
    let passes = "mcpServers:\n  orders:\n    url: https://mcp.example.com/mcp\n    headers:\n      Authorization: ";
    let dir = folder([
        ("librechat.yaml", format!("{passes}\"Bearer {{{{LIBRECHAT_OPENID_ACCESS_TOKEN}}}}\"\n")),
        ("own.yaml", format!("{passes}\"Bearer ${{ORDERS_TOKEN}}\"\n")),
        ("user.yaml", format!("{passes}\"Bearer {{{{USER_TOKEN}}}}\"\n")),
        (
            "a/.mcp.json",
            r#"{"mcpServers": {"a": {"headers": {"Authorization": "${req.headers.authorization}"}}}}"#.to_owned(),
        ),
        ("b/config.yaml", "mcp_servers:\n  a:\n    extra_headers: [\"x-tenant\", \"Authorization\"]\n".to_owned()),
        ("c/config.yaml", "servers:\n  a:\n    extra_headers: [\"x-tenant\", \"Authorization\"]\n".to_owned()),
        ("d/nginx.json", r#"{"headers": {"Authorization": "${req.headers.authorization}"}}"#.to_owned()),
    ]);
    let record = scan(dir.path(), &["--no-config", "."]);
    assert_eq!(record.paths(), ["a/.mcp.json", "b/config.yaml", "librechat.yaml"]);
    for finding in &record.findings {
        assert_eq!(text(finding, "/rule"), "agent-token-passthrough");
        assert_eq!(text(finding, "/severity"), "medium");
        assert!(finding["token"].is_null() && finding["family"].is_null());
    }
    let librechat = record.findings.iter().find(|f| text(f, "/location/path") == "librechat.yaml").expect("found");
    assert_eq!((number(librechat, "/location/line"), number(librechat, "/location/column")), (5, 30));
}

#[test]
fn a_token_for_an_agents_tools_is_graver_than_the_same_token_elsewhere() {
    let token = mint::opaque(7, 40);
    let config =
        |token: &str| format!(r#"{{"mcpServers": {{"a": {{"headers": {{"Authorization": "Bearer {token}"}}}}}}}}"#);
    for (path, content, rule, severity) in [
        (".mcp.json", config(&token), "mcp-static-bearer", "high"),
        ("settings.json", config(&token), "mcp-static-bearer", "high"),
        (
            "settings.json",
            format!(r#"{{"headers": {{"Authorization": "Bearer {token}"}}}}"#),
            "opaque-bearer",
            "medium",
        ),
        ("examples/.mcp.json", config(&token), "mcp-static-bearer", "medium"),
        (".mcp.json", config(&mint::github(3)), "github-pat", "critical"),
    ] {
        let dir = folder([(path, content)]);
        let record = scan(dir.path(), &["--no-config", "."]);
        let finding = record.only();
        assert_eq!((text(finding, "/rule"), text(finding, "/severity")), (rule, severity), "{path}");
    }
}

// ---- where tokens have got to -------------------------------------------------------------------------------------

#[test]
fn where_a_token_has_got_to_weighs() {
    let bearer = format!("Authorization: Bearer {}\n", mint::opaque(8, 40));
    let bound = Jwt::access().claim("cnf", serde_json::json!({"jkt": mint::thumbprint(3)})).mint();
    let bound = format!("Authorization: DPoP {bound}\n");
    for (path, content, severity) in [
        ("notes.txt", &bearer, "medium"),
        ("app.log", &bearer, "medium"),
        ("home/.bash_history", &bearer, "medium"),
        ("ticket.eml", &bearer, "high"),
        ("session.har", &bearer, "high"),
        ("notes.txt", &bound, "info"),
        ("app.log", &bound, "info"),
        ("core.4711", &bound, "low"),
    ] {
        let dir = folder([(path, content)]);
        let record = scan(dir.path(), &["--no-config", "."]);
        assert_eq!(text(record.only(), "/severity"), severity, "{path}");
    }
    // A core dump is known by its first bytes.
    let mut core = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x04\0>\0\x01\0\0\0".to_vec();
    core.extend(std::iter::repeat_n(0, 100));
    core.extend_from_slice(bearer.as_bytes());
    let dir = folder([("crash", core)]);
    let record = scan(dir.path(), &["--no-config", "."]);
    assert!(texts(record.only(), "/faults").contains(&"token-in-core-dump"));
}
