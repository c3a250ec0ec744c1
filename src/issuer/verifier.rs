//! What resource servers check: the `openid-connect` plugin of Kong, Quarkus, and sections for DPoP as libraries have them
//! in `appsettings.json` and its like (Duende's and Auth0's for ASP.NET Core).

use super::issued::{Issued, Replay, Verifier as Check, Window};
use super::read::{broken, documents, has, is_tree, number, plain_key, switch, time_span};
use super::{FrontEnd, Rule};
use crate::config::files::Files;
use crate::config::place::Place;
use crate::config::tree::At;
use crate::syntax::blank::UNKNOWN;

/// Resource servers.
#[derive(Debug)]
pub struct Verifier;

/// A setting: its key with dots, its text, its place.
pub(super) type Flat = (String, String, Place);

impl FrontEnd for Verifier {
    fn product(&self) -> &'static str {
        "resource-server"
    }

    fn recognises(&self, name: &str, text: &str) -> bool {
        let words = [
            "proof_of_possession",
            "ProofTokenValidityDuration",
            "ProofTokenLifetime",
            "EnableReplayDetection",
            "AllowBearerTokens",
            "allowReplay",
            "TokenMode",
            "IatOffset",
            "iatOffset",
            "clock-skew",
        ];
        let section = has(text, &["\"DPoP\"", "\"Mode\""]);
        let in_tree = is_tree(name) && (section || words.iter().any(|word| has(text, &[word])));
        let quarkus = (name.ends_with(".properties") || name.ends_with(".yml") || name.ends_with(".yaml"))
            && has(text, &["quarkus"])
            && has(text, &["binding-certificate"]);
        in_tree || quarkus
    }

    fn read(&self, files: &Files, own: &[u32]) -> Vec<Issued> {
        let mut all = Vec::new();
        for file in own {
            let mut issued = Issued { issuer: "The resource server".to_owned(), ..Issued::default() };
            let (flat, _) = flat_documents(files, *file);
            for (key, text, place) in flat.iter().flatten() {
                if key.starts_with("quarkus.oidc.") && key.ends_with("token.binding-certificate") && text == "false" {
                    let setting = "quarkus.oidc.token.binding-certificate".to_owned();
                    issued.verifiers.push(Check { fallback: false, place: *place, setting });
                }
            }
            if is_tree(files.get(*file).path()) {
                let stream = documents(files, *file);
                for document in &stream.documents {
                    search(At::root(*file, document), 0, &mut issued);
                }
                if !(issued.verifiers.is_empty() && issued.windows.is_empty() && issued.replays.is_empty()) {
                    issued.holes.extend(broken(&stream, *file));
                }
            }
            all.push(issued);
        }
        all
    }

    fn fix(&self, rule: Rule) -> &'static str {
        match rule {
            Rule::ReplayCacheOff => {
                "Leave EnableReplayDetection on (allowReplay off), with a cache that all instances share."
            }
            Rule::DpopWindow => {
                "Set the window to 300 seconds or less; a nonce of the server's makes it shorter still."
            }
            Rule::BearerFallback => {
                "Require the proof (strict, Required, DPoPOnly) once all clients send one, or give bearer tokens fewer scopes."
            }
            _ => {
                "Switch the check on: proof_of_possession_dpop or proof_of_possession_mtls: strict, quarkus.oidc.token.binding-certificate=true."
            }
        }
    }
}

fn search(at: At<'_>, depth: usize, issued: &mut Issued) {
    if depth > 12 {
        return;
    }
    if at.word("name") == Some("openid-connect")
        && let Some(config) = at.get("config")
    {
        kong(config, issued);
    }
    let entries: Vec<_> = at.entries().collect();
    for (key, value) in &entries {
        if key.eq_ignore_ascii_case("dpop") {
            section(*value, issued);
        }
        search(*value, depth + 1, issued);
    }
    if entries.is_empty() && at.node.text().is_none() {
        at.items().for_each(|item| search(item, depth + 1, issued));
    }
}

/// `proof_of_possession_*`: `off`, `optional` or `strict`.
fn kong(config: At<'_>, issued: &mut Issued) {
    let modes: Vec<(At<'_>, &str)> = ["proof_of_possession_dpop", "proof_of_possession_mtls"]
        .into_iter()
        .filter_map(|key| Some((config.get(key)?, key)))
        .collect();
    let is = |word: &str| modes.iter().find(|(at, _)| at.text() == Some(word));
    if is("strict").is_some() {
    } else if let Some((at, key)) = is("optional") {
        issued.verifiers.push(Check { fallback: true, place: at.place(), setting: (*key).to_owned() });
    } else if let Some((at, key)) = is("off").filter(|_| modes.iter().all(|(at, _)| at.text() == Some("off"))) {
        issued.verifiers.push(Check { fallback: false, place: at.place(), setting: (*key).to_owned() });
    }
    window(config, "dpop_proof_lifetime", "dpop_proof_lifetime", issued);
}

/// A section that is called `DPoP`.
fn section(at: At<'_>, issued: &mut Issued) {
    for key in [
        "IatOffset",
        "ProofTokenValidityDuration",
        "ProofTokenLifetime",
        "ProofTokenIssuedAtClockSkew",
        "ClientClockSkew",
        "proof-token-clock-skew",
    ] {
        // Duende's own options are read with its clients.
        if key != "ProofTokenValidityDuration" || at.get("Mode").is_some() || at.get("TokenMode").is_some() {
            window(at, key, &format!("DPoP.{key}"), issued);
        }
    }
    // Duende's and node-oidc-provider's names for one thing.
    for (key, off) in [("EnableReplayDetection", false), ("allowReplay", true)] {
        if let Some(at) = at.get(key).filter(|_| switch(at, key) == Some(off) && switch(at, "enabled") != Some(false)) {
            issued.replays.push(Replay { place: at.place(), setting: format!("DPoP.{key}") });
        }
    }
    if let Some(at) = at.get("AllowBearerTokens").filter(|_| switch(at, "AllowBearerTokens") == Some(true)) {
        issued.verifiers.push(Check {
            fallback: true,
            place: at.place(),
            setting: "DPoP.AllowBearerTokens".to_owned(),
        });
    }
    for key in ["Mode", "TokenMode"] {
        let Some(mode) = at.get(key) else { continue };
        let fallback = match mode.text().map(str::to_ascii_lowercase).as_deref() {
            Some("dpopandbearer" | "allowed" | "optional") => true,
            Some("disabled" | "off") => false,
            _ => continue,
        };
        issued.verifiers.push(Check { fallback, place: mode.place(), setting: format!("DPoP.{key}") });
    }
}

fn window(at: At<'_>, key: &str, setting: &str, issued: &mut Issued) {
    let found = at.entries().find(|(name, _)| plain_key(name) == plain_key(key)).map(|(_, at)| at);
    let Some(at) = found else { return };
    let Some(seconds) = number(at).or_else(|| time_span(at.text()?)) else { return };
    issued.windows.push(Window { seconds, place: at.place(), setting: setting.to_owned(), client: None });
}

/// A file of settings as Spring and Quarkus read it, YAML or properties: keys with dots, document by document.
pub(super) fn flat_documents(files: &Files, file: u32) -> (Vec<Vec<Flat>>, Option<(Place, String)>) {
    let text = files.get(file);
    if text.path().ends_with(".properties") {
        return (vec![properties(&text.text, file)], None);
    }
    let stream = documents(files, file);
    let mut all = Vec::new();
    for document in &stream.documents {
        let mut flat = Vec::new();
        flatten(At::root(file, document), String::new(), 0, &mut flat);
        all.push(flat);
    }
    let hole = broken(&stream, file);
    (all, hole)
}

fn flatten(at: At<'_>, key: String, depth: usize, into: &mut Vec<Flat>) {
    if depth > 24 {
        return;
    }
    if let Some(text) = at.node.text() {
        // What is not known is written as a reference, as it would be in a file of properties.
        let text = if text.contains(UNKNOWN) { "${}" } else { text };
        into.push((key, text.to_owned(), at.place()));
        return;
    }
    let entries: Vec<_> = at.entries().collect();
    let dot = if key.is_empty() { "" } else { "." };
    for (name, value) in &entries {
        // Profiles of Quarkus: `%prod`.
        let name = if key.is_empty() && name.starts_with('%') { "" } else { name };
        let key = if name.is_empty() { key.clone() } else { format!("{key}{dot}{name}") };
        flatten(*value, key, depth + 1, into);
    }
    if entries.is_empty() {
        for (index, item) in at.items().enumerate() {
            flatten(item, format!("{key}[{index}]"), depth + 1, into);
        }
    }
}

/// `key = value` line by line.
fn properties(text: &str, file: u32) -> Vec<Flat> {
    let mut flat = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at + (line.len() - line.trim_start().len());
        at += line.len();
        let line = line.trim();
        if line.starts_with(['#', '!']) {
            continue;
        }
        let Some((key, value)) = line.split_once(['=', ':']) else { continue };
        let key = key.trim();
        let key = if key.starts_with('%') { key.split_once('.').map_or(key, |(_, rest)| rest) } else { key };
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let place = Place { file, start: offset(start), end: offset(start + line.len()) };
        flat.push((key.to_owned(), value.trim().to_owned(), place));
    }
    flat
}
