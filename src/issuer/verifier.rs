//! What resource servers check: the `openid-connect` plugin of Kong, Quarkus, and sections for DPoP as libraries have them
//! in `appsettings.json` and its like (Duende's and Auth0's for ASP.NET Core).

use super::issued::{Issued, Replay, Verifier as Check, Window};
use super::read::{broken, documents, has, is_tree, number, switch, time_span};
use super::{FrontEnd, Rule};
use crate::config::files::Files;
use crate::config::settings::{flat_documents, plain_key};
use crate::config::tree::At;

/// Resource servers.
#[derive(Debug)]
pub struct Verifier;

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
            "ClientClockSkew",
        ];
        let section = has(text, &["\"DPoP\"", "\"Mode\""]);
        let in_tree = is_tree(name) && (section || words.iter().any(|word| has(text, &[word])));
        let quarkus = (name.ends_with(".properties") || name.ends_with(".yml") || name.ends_with(".yaml"))
            && has(text, &["quarkus", "binding", "certificate"]);
        in_tree || quarkus
    }

    fn read(&self, files: &Files, own: &[u32]) -> Vec<Issued> {
        let mut all = Vec::new();
        for file in own {
            let mut issued = Issued { issuer: "The resource server".to_owned(), ..Issued::default() };
            let (flat, _) = flat_documents(files, *file);
            for (key, text, place) in flat.iter().flatten() {
                // A tenant's name may stand in between.
                if key.starts_with("quarkus.oidc.") && key.ends_with(".token.binding.certificate") && text == "false" {
                    let setting = "quarkus.oidc.token.binding.certificate".to_owned();
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
                "Switch the check on: proof_of_possession_dpop or proof_of_possession_mtls: strict, quarkus.oidc.token.binding.certificate=true."
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
