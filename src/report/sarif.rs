//! SARIF 2.1.0 as GitHub code scanning takes it: one security severity a rule id (so the severity is part of the id), no
//! snippets, fingerprints, rule pages as help, what was not examined as notifications.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::{Report, within};
use crate::finding::{Confidence, Finding, Severity, Status};
use crate::rules::{Catalogue, Page, Taxonomy};
use crate::secret::Fingerprint;

/// GitHub takes at most this many results of a run.
const MAX_RESULTS: usize = 25_000;
/// And shows this many locations of a result.
const MAX_RELATED: usize = 100;
/// And this many tags of a rule.
const MAX_TAGS: usize = 20;
/// Limit of the two descriptions of a rule, in characters.
const MAX_DESCRIPTION: usize = 1_000;

pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let catalogue = &report.engine.catalogue;
    let mut rules: BTreeMap<(&str, Severity), usize> = BTreeMap::new();
    let mut descriptors = Vec::new();
    let mut named = Named::default();
    let mut results = Vec::new();
    for finding in report.findings().take(MAX_RESULTS) {
        let next = descriptors.len();
        let index = *rules.entry((finding.rule, finding.severity)).or_insert(next);
        if index == next {
            descriptors.push(descriptor(catalogue, &finding, &mut named));
        }
        results.push(result(&finding, index));
    }
    let mut notifications: Vec<Value> = report
        .outcome
        .coverage
        .iter()
        .map(|row| {
            let level = if row.status == Status::Examined { "note" } else { "warning" };
            json!({
                "level": level,
                "message": {"text": format!("{}: {}", within(&row.path, row.member.as_deref()), row.reason)},
                "locations": [{"physicalLocation": {"artifactLocation": artifact(&row.path)}}],
            })
        })
        .collect();
    if report.outcome.len() > MAX_RESULTS {
        let text = format!(
            "{} further findings, none graver than those listed, are left out",
            report.outcome.len() - MAX_RESULTS
        );
        notifications.push(json!({"level": "warning", "message": {"text": text}}));
    }
    let now = jiff::Timestamp::from_second(report.now).map(|at| at.to_string()).unwrap_or_default();
    let mut log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "keybound",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": descriptors,
            }},
            "invocations": [{
                "executionSuccessful": !report.outcome.summary.partial,
                "toolExecutionNotifications": notifications,
                "properties": {"now": now},
            }],
            "results": results,
        }],
    });
    if !named.0.is_empty() {
        log["runs"][0]["tool"]["driver"]["supportedTaxonomies"] =
            named.0.iter().enumerate().map(|(at, (taxonomy, _))| component(at, taxonomy)).collect();
        log["runs"][0]["taxonomies"] = named.0.iter().map(|(taxonomy, ids)| described(taxonomy, ids)).collect();
    }
    serde_json::to_writer_pretty(&mut *out, &log)?;
    out.write_all(b"\n")
}

/// A rule id holds its severity, since GitHub reads the severity from the rule.
fn rule_id(finding: &Finding) -> String {
    format!("{}/{}", finding.rule, finding.severity.word())
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

/// The frameworks and ids that the rules of this report point to, in the order of their first mention, which gives
/// their indices.
#[derive(Default)]
struct Named(Vec<(&'static Taxonomy, Vec<&'static str>)>);

impl Named {
    /// The relationships of a rule to what its page points to.
    fn relationships(&mut self, page: &Page) -> Vec<Value> {
        let mut all = Vec::new();
        for (taxonomy, ids) in page.taxonomies.iter() {
            let at = self.0.iter().position(|(own, _)| own.key == taxonomy.key).unwrap_or_else(|| {
                self.0.push((taxonomy, Vec::new()));
                self.0.len() - 1
            });
            let known = &mut self.0[at].1;
            for id in ids {
                let index = known.iter().position(|own| own == id).unwrap_or_else(|| {
                    known.push(*id);
                    known.len() - 1
                });
                all.push(json!({
                    "target": {"id": id, "index": index, "toolComponent": component(at, taxonomy)},
                    "kinds": ["relevant"],
                }));
            }
        }
        all
    }
}

/// A reference to a framework.
fn component(index: usize, taxonomy: &Taxonomy) -> Value {
    json!({"name": taxonomy.name, "index": index})
}

/// A framework with those of its ids that are used.
fn described(taxonomy: &Taxonomy, ids: &[&str]) -> Value {
    let taxa: Vec<Value> = ids
        .iter()
        .map(|id| {
            let title = taxonomy.title(id).unwrap_or(id);
            let mut taxon = json!({"id": id, "name": title, "shortDescription": {"text": title}});
            if let Some(page) = taxonomy.page(id) {
                taxon["helpUri"] = page.into();
            }
            taxon
        })
        .collect();
    let mut component = json!({
        "name": taxonomy.name,
        "organization": taxonomy.organization,
        "informationUri": taxonomy.url,
        "shortDescription": {"text": taxonomy.full_name()},
        "isComprehensive": false,
        "taxa": taxa,
    });
    if let Some(version) = &taxonomy.version {
        component["version"] = (*version).into();
    }
    component
}

/// Tags as GitHub and CodeQL write them: CWE numbers have three digits at least.
fn tags(page: Option<&Page>) -> Vec<String> {
    let mut tags = vec!["security".to_owned(), "token".to_owned()];
    for (taxonomy, ids) in page.into_iter().flat_map(|page| page.taxonomies.iter()) {
        tags.extend(ids.iter().map(|id| match id.parse::<u32>() {
            Ok(number) => format!("external/{}/{}-{number:03}", taxonomy.key, taxonomy.key),
            Err(_) => format!("external/{}/{}", taxonomy.key, id.to_lowercase()),
        }));
    }
    tags.truncate(MAX_TAGS);
    tags
}

fn descriptor(catalogue: &Catalogue, finding: &Finding, named: &mut Named) -> Value {
    let page = catalogue.page(finding.rule);
    let title = page.as_ref().map_or(finding.rule, |page| page.title);
    let description = page.as_ref().map_or(title, |page| page.why);
    let mut properties = json!({
        "tags": tags(page.as_ref()),
        "precision": match finding.confidence {
            Confidence::High => "very-high",
            Confidence::Medium => "high",
            Confidence::Low => "medium",
        },
    });
    let score = match finding.severity {
        Severity::Critical => Some("9.5"),
        Severity::High => Some("8.0"),
        Severity::Medium => Some("5.5"),
        Severity::Low => Some("3.0"),
        Severity::Info => None,
    };
    if let Some(score) = score {
        properties["security-severity"] = score.into();
    }
    let mut descriptor = json!({
        "id": rule_id(finding),
        "name": finding.rule,
        "shortDescription": {"text": cut(title)},
        "fullDescription": {"text": cut(description)},
        "help": {
            "text": page.as_ref().map_or_else(|| title.to_owned(), Page::plain),
            "markdown": page.as_ref().map_or_else(|| title.to_owned(), Page::markdown),
        },
        "defaultConfiguration": {"level": level(finding.severity)},
        "properties": properties,
    });
    if let Some(page) = page.filter(|page| !page.taxonomies.is_empty()) {
        descriptor["relationships"] = named.relationships(&page).into();
    }
    descriptor
}

fn cut(text: &str) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.chars().count() <= MAX_DESCRIPTION {
        return flat;
    }
    flat.chars().take(MAX_DESCRIPTION).chain(['…']).collect()
}

fn result(finding: &Finding, rule_index: usize) -> Value {
    let place = &finding.location;
    let mut text = format!("{} Why: {}. Fix: {}", finding.message, finding.because.join("; "), finding.fix);
    if finding.occurrences > 1 {
        text += &format!(" Seen {} times.", finding.occurrences);
    }
    let member = place.member.as_deref();
    if place.packed {
        text +=
            &format!(" Unpacked from {}: line {}, column {}.", within(&place.path, member), place.line, place.column);
    }
    let related: Vec<Value> = finding
        .related
        .iter()
        .take(MAX_RELATED)
        .enumerate()
        .map(|(id, related)| {
            let region = json!({"startLine": related.line, "startColumn": related.column});
            let member = related.member.as_deref();
            let mut place = location(&related.path, member, related.packed, region);
            let mut text = related.message.clone().into_owned();
            if related.packed {
                text += &format!(" ({}, line {})", within(&related.path, member), related.line);
            }
            place["id"] = (id + 1).into();
            place["message"] = json!({"text": text});
            place
        })
        .collect();
    let fingerprints = fingerprints(finding);
    let region = json!({
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.end_line,
        "endColumn": place.end_column,
        "byteOffset": place.byte_start,
        "byteLength": place.byte_end - place.byte_start,
    });
    json!({
        "ruleId": rule_id(finding),
        "ruleIndex": rule_index,
        "level": level(finding.severity),
        "message": {"text": text},
        "locations": [location(&place.path, member, place.packed, region)],
        "relatedLocations": related,
        "partialFingerprints": fingerprints,
        "occurrenceCount": finding.occurrences,
        "properties": {
            "severity": finding.severity.word(),
            "confidence": finding.confidence.word(),
            "family": finding.family,
            "faults": finding.faults,
            "carrier": finding.carrier,
            "token": finding.token,
            "key": finding.key,
            "hop": finding.hop,
            "issuer": finding.issuer,
            "reason": finding.reason,
        },
    })
}

/// What makes an alert the same one when lines move: the token, the way through the gateway, or the issuer's setting, not
/// its line. GitHub goes by `primaryLocationLineHash` alone, and would have it made of the line: of the secret, that is.
fn fingerprints(finding: &Finding) -> Value {
    let whole = || Fingerprint::of_text(&format!("{}\0{}", finding.identity(), finding.path())).hex();
    let (name, value) = match (finding.fingerprint(), &finding.hop, &finding.issuer) {
        (Some(fingerprint), ..) => ("keyboundToken/v1", fingerprint.to_owned()),
        (None, Some(_), _) => ("keyboundHop/v1", whole()),
        (None, None, Some(_)) => ("keyboundSetting/v1", whole()),
        (None, None, None) => ("keyboundPlace/v1", whole()),
    };
    let short: String = value.chars().take(16).collect();
    json!({name: value, "primaryLocationLineHash": format!("{short}:1")})
}

/// A place in a file. Of one that is packed only the file can be pointed at, since the lines are those of what was
/// unpacked; where it stands in there is said as a logical location.
fn location(path: &str, member: Option<&str>, packed: bool, region: Value) -> Value {
    let region = if packed { json!({"startLine": 1}) } else { region };
    let mut location = json!({"physicalLocation": {"artifactLocation": artifact(path), "region": region}});
    if let Some(member) = member {
        let full = within(path, Some(member));
        location["logicalLocations"] = json!([{"name": member, "fullyQualifiedName": full, "kind": "resource"}]);
    }
    location
}

/// A path as a URI reference.
fn artifact(path: &str) -> Value {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    if path.starts_with('/') {
        json!({"uri": format!("file://{uri}")})
    } else {
        json!({"uri": uri, "uriBaseId": "%SRCROOT%"})
    }
}
