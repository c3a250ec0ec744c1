//! The audits of configuration, gateway and issuer, on whole configurations. A case is a folder under `testdata/<rule>/fires` or `silent`, named
//! `<product>-<what it shows>`. In `fires` a file `expected` lists all findings of the audit, one a line:
//! `path:line rule reason severity`; in `silent` there must be none. `tests/oracle.rs` holds the same cases against the
//! real gateways.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use keybound::gateway::files::{Files, Text};
use keybound::origin::Origin;
use keybound::policy::Policy;
use keybound::rules::Catalogue;
use keybound::{gateway, issuer};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

/// The audits, each with its rules.
fn audits() -> Vec<(&'static str, Vec<&'static str>)> {
    vec![
        ("gateway", gateway::Rule::ALL.iter().map(|rule| rule.slug()).collect()),
        ("issuer", issuer::Rule::ALL.iter().map(|rule| rule.slug()).collect()),
    ]
}

/// The rules with their audits.
fn rules() -> Vec<(&'static str, &'static str)> {
    audits().into_iter().flat_map(|(audit, rules)| rules.into_iter().map(move |rule| (audit, rule))).collect()
}

/// The case folders of a rule.
fn cases(rule: &str, kind: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root().join(rule).join(kind)) else { return Vec::new() };
    let mut cases: Vec<PathBuf> =
        entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir()).collect();
    cases.sort();
    cases
}

fn records(audit: &str, case: &Path) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_keybound"))
        .args(["scan", "--no-config", "--no-ignore", "--audit", audit, "--format", "jsonl"])
        .args(["--now", "2026-02-01T00:00:00Z"])
        .arg(case)
        .output()
        .expect("the command runs");
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 1)), "{}: {code:?} {}", case.display(), String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("a record")).collect()
}

/// `path:line rule reason severity`, sorted.
fn findings(records: &[Value]) -> Vec<String> {
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let mut lines: Vec<String> = records
        .iter()
        .filter(|record| record["type"] == "finding")
        .map(|found| {
            let place = &found["location"];
            let (path, line) = (word(&place["path"]), &place["line"]);
            format!("{path}:{line} {} {} {}", word(&found["rule"]), word(&found["reason"]), word(&found["severity"]))
        })
        .collect();
    lines.sort();
    lines
}

fn expected(case: &Path) -> Vec<String> {
    let text = fs::read_to_string(case.join("expected")).unwrap_or_default();
    let mut lines: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn every_case_gives_what_is_expected_and_nothing_else() {
    let mut wrong = Vec::new();
    for (audit, rule) in rules() {
        for kind in ["fires", "silent"] {
            let cases = cases(rule, kind);
            assert!(!cases.is_empty(), "testdata/{rule}/{kind} holds no case");
            for case in cases {
                let name = case.strip_prefix(root()).unwrap_or(&case).display().to_string();
                let expected = expected(&case);
                if (kind == "fires") != expected.iter().any(|line| line.contains(rule)) {
                    wrong.push(format!("{name}: `expected` names the rule in `fires`, and only there"));
                    continue;
                }
                let records = records(audit, &case);
                let found = findings(&records);
                let unread: Vec<_> = records.iter().filter(|record| record["status"] == "unparsed").collect();
                if found != expected {
                    wrong.push(format!("{name}:\n  expected {expected:#?}\n  found {found:#?}"));
                }
                if !unread.is_empty() {
                    wrong.push(format!("{name}: not read: {unread:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_finding_is_worded_and_says_what_to_do() {
    for (audit, rule) in rules() {
        for case in cases(rule, "fires") {
            for found in records(audit, &case).iter().filter(|record| record["type"] == "finding") {
                let text = found["message"].as_str().unwrap_or_default();
                assert!(text.len() > 30 && text.ends_with('.'), "{}: {text}", case.display());
                assert!(
                    found["fix"].as_str().is_some_and(|fix| fix.len() > 15),
                    "{}: {}",
                    case.display(),
                    found["fix"]
                );
                assert!(found["because"].as_array().is_some_and(|all| !all.is_empty()), "{}", case.display());
                let (of, parts): (_, &[&str]) = match audit {
                    "gateway" => ("hop", &["gateway", "listener", "route", "upstream"]),
                    _ => ("issuer", &["product", "setting"]),
                };
                for part in parts {
                    assert!(found[of][part].as_str().is_some_and(|part| !part.is_empty()), "{}", case.display());
                }
            }
        }
    }
}

/// What a page shows as bad must fire, and what it shows as good must not.
#[test]
fn the_examples_of_the_pages_hold() {
    let catalogue = Catalogue::embedded().unwrap_or_else(|e| panic!("{e}"));
    for rule in gateway::Rule::ALL {
        let page = catalogue.check(rule.slug()).expect("a page");
        for example in &page.products {
            let name = match example.product {
                "haproxy" => "haproxy.cfg",
                "apache" => "httpd.conf",
                "caddy" => "Caddyfile",
                "envoy" => "envoy.yaml",
                "traefik" => "dynamic.yml",
                "kong" => "kong.yml",
                "krakend" => "krakend.json",
                "apisix" => "apisix.yaml",
                "tyk" => "api.json",
                "spring-cloud-gateway" => "application.yml",
                "ingress-nginx" | "haproxy-ingress" => "ingress.yaml",
                "aws" | "azure" | "gcp" => "main.tf",
                _ => "site.conf",
            };
            let fires = |text: &str| {
                let text = Text::new(Arc::new(Origin::file(name.into())), text.as_bytes().to_vec());
                let found = gateway::audit(&Files::new(vec![text]), &Policy::default(), &str::to_owned).findings;
                found.iter().any(|finding| {
                    finding.rule == rule.slug()
                        && finding.hop.as_ref().is_some_and(|hop| hop.gateway == example.product)
                })
            };
            assert!(fires(example.bad), "{}: the bad example of {} is silent", rule.slug(), example.product);
            assert!(!fires(example.good), "{}: the good example of {} fires", rule.slug(), example.product);
        }
    }
}
