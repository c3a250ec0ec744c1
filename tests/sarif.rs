//! The SARIF report: valid by the schema of OASIS, and with all that GitHub code scanning asks for.

#![cfg(unix)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use common::mint::{self, Jwt, dpop_proof, ec_jwk, thumbprint};
use common::{NOW, NOW_SECONDS, Record, finish, folder, keybound, number, text, texts};
use serde_json::{Value, json};

/// A folder whose scan gives findings of every severity, rows of coverage, and names that a URI can't hold.
fn estate() -> tempfile::TempDir {
    let shared = Jwt::numbered(1).mint();
    let day = Jwt::numbered(2).claim("iat", NOW_SECONDS).claim("exp", NOW_SECONDS + 86_400);
    let bound = day.clone().claim("cnf", json!({"jkt": thumbprint(3)}));
    let dir = folder([
        ("critical.env", mint::github(1)),
        ("critical.http", format!("DPoP: {}", dpop_proof(ec_jwk(4, true)).mint())),
        ("high.txt", day.mint()),
        ("low.txt", day.claim("cnf", json!({"x5t#S256": thumbprint(5)})).claim("exp", NOW_SECONDS + 200_000).mint()),
        ("info.txt", bound.mint()),
        ("old.txt", Jwt::numbered(6).claim("exp", NOW_SECONDS - 1).mint()),
        ("url.log", format!("GET /?access_token={}", Jwt::numbered(7).mint())),
        ("docs/page.md", format!("curl -H 'Authorization: Bearer {}'", mint::opaque(8, 40))),
        ("a b/c#d%41?e+ä&.txt", format!("é {}", Jwt::numbered(9).mint())),
        ("shared/1.txt", shared.clone()),
        ("shared/2.txt", format!("\n\n  {shared}")),
        ("dpop/a:b@c.txt", mint::jwe(1)),
    ]);
    std::os::unix::fs::symlink("/", dir.path().join("out of here")).expect("a link");
    dir
}

fn report(dir: &Path, args: &[&str]) -> Value {
    let all = ["scan", "--format", "sarif", "--now", NOW];
    let run = finish(keybound().current_dir(dir).args(all).args(args));
    assert!(matches!(run.code, Some(0 | 1)), "{}", run.err());
    serde_json::from_slice(&run.stdout).expect("JSON")
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).unwrap_or_else(|| panic!("no list at {pointer}"))
}

#[track_caller]
fn assert_valid(report: &Value) {
    // A slip in the standard: one pattern is no regular expression, there is a bracket too many.
    let schema = include_str!("data/sarif-2.1.0.schema.json").replace("-[a-zA-Z]{2}]?$", "-[a-zA-Z]{2}?$");
    let schema: Value = serde_json::from_str(&schema).expect("the schema is JSON");
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).expect("the schema is one");
    let errors: Vec<String> = validator.iter_errors(report).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    // It does say no to something.
    assert!(!validator.is_valid(&json!({"version": "2.1.0", "runs": [{}]})));
}

#[test]
fn it_is_valid() {
    let dir = estate();
    assert_valid(&report(dir.path(), &["."]));
    // With nothing to report, and with a big list.
    let dir = folder([("a.txt", "nothing".to_owned())]);
    let empty = report(dir.path(), &["."]);
    assert_valid(&empty);
    assert_eq!(empty["runs"][0]["results"], json!([]), "no findings are an empty list, not none");
    assert!(empty["runs"][0].get("taxonomies").is_none(), "no rule, nothing to point to");
    let many: String = (0..500).map(|n| format!("{}\n", mint::github(n))).collect();
    let dir = folder([("a.txt", many)]);
    let report = report(dir.path(), &["."]);
    assert_valid(&report);
    assert_eq!(list(&report, "/runs/0/results").len(), 500);
}

#[test]
fn it_has_what_github_asks_for() {
    let dir = estate();
    let report = report(dir.path(), &["."]);
    assert_eq!((text(&report, "/version"), text(&report, "/$schema").ends_with("sarif-2.1.0.json")), ("2.1.0", true));
    assert_eq!(list(&report, "/runs").len(), 1);
    assert_eq!(text(&report, "/runs/0/tool/driver/name"), "keybound");
    let rules = list(&report, "/runs/0/tool/driver/rules");
    let results = list(&report, "/runs/0/results");
    assert!(results.len() >= 10 && rules.len() >= 5, "{} results, {} rules", results.len(), rules.len());

    let mut severities = BTreeMap::new();
    for rule in rules {
        let id = text(rule, "/id");
        for description in ["shortDescription", "fullDescription"] {
            let length = text(rule, &format!("/{description}/text")).chars().count();
            assert!((1..=1024).contains(&length), "{id}: {description} has {length} characters");
        }
        assert!(!text(rule, "/help/text").is_empty() && !text(rule, "/help/markdown").is_empty(), "{id}");
        let tags = texts(rule, "/properties/tags");
        assert!(tags.contains(&"security") && tags.len() <= 20, "{id}: {tags:?}");
        assert!(["very-high", "high", "medium", "low"].contains(&text(rule, "/properties/precision")), "{id}");
        assert!(severities.insert(id, &rule["properties"]["security-severity"]).is_none(), "{id} stands twice");
    }
    let mut alerts = BTreeSet::new();
    for result in results {
        let id = text(result, "/ruleId");
        let rule = &rules[number(result, "/ruleIndex") as usize];
        assert_eq!(text(rule, "/id"), id);
        assert!(text(result, "/message/text").len() > 20);
        assert!(!text(result, "/partialFingerprints/keyboundToken~1v1").is_empty());
        let (hash, count) = text(result, "/partialFingerprints/primaryLocationLineHash").split_once(':').expect("two");
        assert!(hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) && count == "1", "{hash}:{count}");
        assert!(alerts.insert((id, hash)), "two alerts would be one: {id} {hash}");
        let level = text(result, "/level");
        assert_eq!(level, text(rule, "/defaultConfiguration/level"));
        let severity = text(result, "/properties/severity");
        let (levels, scores) = match severity {
            "critical" => ("error", Some(9.0..=10.0)),
            "high" => ("error", Some(7.0..=8.9)),
            "medium" => ("warning", Some(4.0..=6.9)),
            "low" => ("note", Some(0.1..=3.9)),
            _ => ("note", None),
        };
        assert_eq!(level, levels, "{id}");
        match scores {
            Some(range) => {
                let score: f64 =
                    severities[id].as_str().expect("a text, not a number").parse().expect("a number in it");
                assert!(range.contains(&score), "{id}: {score}");
            }
            None => assert!(severities[id].is_null(), "{id}"),
        }
        let locations = list(result, "/locations");
        assert_eq!(locations.len(), 1);
        let region = &locations[0]["physicalLocation"]["region"];
        let [line, column, end_line, end_column] =
            ["startLine", "startColumn", "endLine", "endColumn"].map(|field| number(region, &format!("/{field}")));
        assert!(line >= 1 && column >= 1 && (end_line, end_column) > (line, column), "{region}");
    }
    let all = ["critical", "high", "medium", "low", "info"];
    assert!(all.iter().all(|s| results.iter().any(|r| r["properties"]["severity"] == *s)), "one of each is there");
}

/// Every id that a rule points to is described in its framework, at the index that the rule gives, and is a tag.
#[test]
fn rules_point_into_taxonomies() {
    let dir = estate();
    let report = report(dir.path(), &["."]);
    let taxonomies = list(&report, "/runs/0/taxonomies");
    let supported = list(&report, "/runs/0/tool/driver/supportedTaxonomies");
    let names = |all: &[Value]| all.iter().map(|one| text(one, "/name").to_owned()).collect::<Vec<_>>();
    assert_eq!(names(taxonomies), names(supported));
    for name in ["OWASP Non-Human Identities Top 10", "OWASP Top 10 for Agentic Applications", "CWE"] {
        assert!(names(taxonomies).iter().any(|own| own == name), "{name}");
    }
    assert!(names(taxonomies).iter().filter(|name| name.starts_with("NIST ")).count() == 2);
    let mut used = BTreeSet::new();
    let mut pointing = 0;
    for rule in list(&report, "/runs/0/tool/driver/rules") {
        let Some(relationships) = rule.get("relationships").and_then(Value::as_array) else { continue };
        pointing += 1;
        let tags = texts(rule, "/properties/tags");
        for relationship in relationships {
            let target = &relationship["target"];
            let at = number(target, "/toolComponent/index") as usize;
            let taxonomy = &taxonomies[at];
            assert_eq!(text(target, "/toolComponent/name"), text(taxonomy, "/name"));
            let taxon = &taxonomy["taxa"][number(target, "/index") as usize];
            let id = text(taxon, "/id");
            assert_eq!(id, text(target, "/id"));
            assert!(text(taxon, "/shortDescription/text").len() > 5);
            if text(taxonomy, "/name") == "CWE" {
                let number: u32 = id.parse().expect("a number");
                assert!(tags.contains(&format!("external/cwe/cwe-{number:03}").as_str()), "{tags:?}");
                assert!(text(taxon, "/helpUri").ends_with(&format!("/{id}.html")));
            }
            used.insert((at, id.to_owned()));
        }
    }
    assert!(pointing >= 5, "{pointing}");
    // Nothing is described that no rule points to.
    let described: usize = taxonomies.iter().map(|taxonomy| list(taxonomy, "/taxa").len()).sum();
    assert_eq!(used.len(), described);
}

/// Nothing of the source is repeated, under whatever name.
#[test]
fn there_are_no_snippets() {
    fn walk(value: &Value) {
        match value {
            Value::Object(members) => members.iter().for_each(|(name, value)| {
                assert!(!["snippet", "contextRegion", "contents", "rendered"].contains(&name.as_str()), "{name}");
                walk(value);
            }),
            Value::Array(items) => items.iter().for_each(walk),
            _ => {}
        }
    }
    walk(&report(estate().path(), &["."]));
}

fn uris(report: &Value) -> Vec<&str> {
    fn collect<'a>(value: &'a Value, into: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => members.iter().for_each(|(name, value)| match (name.as_str(), value) {
                ("uri", Value::String(uri)) => into.push(uri),
                _ => collect(value, into),
            }),
            Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
            _ => {}
        }
    }
    let mut all = Vec::new();
    collect(&report["runs"][0]["results"], &mut all);
    collect(&report["runs"][0]["invocations"], &mut all);
    all
}

#[test]
fn paths_are_uris() {
    let dir = estate();
    let relative = report(dir.path(), &["."]);
    let all = uris(&relative);
    for expected in ["a%20b/c%23d%2541%3Fe%2B%C3%A4%26.txt", "dpop/a%3Ab%40c.txt", "out%20of%20here", "critical.env"] {
        assert!(all.contains(&expected), "{expected} is missing in {all:?}");
    }
    for uri in all {
        assert!(uri.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~/%".contains(&b)), "{uri}");
        assert!(!uri.starts_with('/') && !uri.starts_with("./"), "{uri}");
    }
    let place = &relative["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"];
    assert_eq!(place["uriBaseId"], "%SRCROOT%");
    // A file that is named by its whole path.
    let path = dir.path().join("a b/c#d%41?e+ä&.txt");
    let absolute = report(dir.path(), &[path.to_str().expect("UTF-8")]);
    assert_valid(&absolute);
    for uri in uris(&absolute) {
        assert!(uri.starts_with("file:///") && uri.ends_with("/a%20b/c%23d%2541%3Fe%2B%C3%A4%26.txt"), "{uri}");
    }
}

/// SARIF says the same as the record.
#[test]
fn it_agrees_with_the_record() {
    let dir = estate();
    let sarif = report(dir.path(), &["."]);
    let record: Record = common::scan(dir.path(), &["."]);
    let results = list(&sarif, "/runs/0/results");
    assert_eq!(results.len(), record.findings.len());
    for (result, finding) in results.iter().zip(&record.findings) {
        let rule = format!("{}/{}", text(finding, "/rule"), text(finding, "/severity"));
        assert_eq!(text(result, "/ruleId"), rule);
        assert_eq!(text(result, "/partialFingerprints/keyboundToken~1v1"), text(finding, "/token/fingerprint"));
        let region = &result["locations"][0]["physicalLocation"]["region"];
        for (sarif, own) in [
            ("/startLine", "/line"),
            ("/startColumn", "/column"),
            ("/endLine", "/end_line"),
            ("/endColumn", "/end_column"),
            ("/byteOffset", "/byte_start"),
        ] {
            assert_eq!(number(region, sarif), number(&finding["location"], own));
        }
        assert_eq!(list(result, "/relatedLocations").len(), list(finding, "/related").len());
        assert_eq!(number(result, "/occurrenceCount"), number(finding, "/occurrences"));
        assert!(text(result, "/message/text").starts_with(text(finding, "/message")));
    }
    let notifications = list(&sarif, "/runs/0/invocations/0/toolExecutionNotifications");
    assert_eq!(notifications.len(), record.coverage.len());
    assert!(text(&notifications[0], "/message/text").contains("out of here"));
}

/// Lines come and go above a token: its alert stays the same one.
#[test]
fn fingerprints_hang_on_the_token_alone() {
    let fingerprint = |content: String| {
        let dir = folder([("a.txt", content)]);
        let report = report(dir.path(), &["."]);
        report.pointer("/runs/0/results/0/partialFingerprints").expect("fingerprints").clone()
    };
    let token = Jwt::access().mint();
    let first = fingerprint(token.clone());
    assert_eq!(first, fingerprint(format!("\n\n// moved\nlet token = \"{token}\";\n")));
    assert_ne!(first, fingerprint(Jwt::numbered(1).mint()));
}

/// What is found without a token is told apart by its file.
#[test]
fn places_without_a_token_have_fingerprints_of_their_own() {
    let passing = r#"{"mcpServers": {"orders": {"headers": {"Authorization": "${req.headers.authorization}"}}}}"#;
    let report = report(folder([("a/mcp.json", passing), ("b/mcp.json", passing)]).path(), &["."]);
    let results = list(&report, "/runs/0/results");
    let hashes: BTreeSet<&str> =
        results.iter().map(|result| text(result, "/partialFingerprints/primaryLocationLineHash")).collect();
    assert_eq!((results.len(), hashes.len()), (2, 2), "{results:?}");
}
