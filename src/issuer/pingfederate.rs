//! PingFederate: the settings of its authorization server in Terraform (`pingfederate_oauth_server_settings`) and as its
//! administrative API exports them.

use super::issued::{Issued, Replay, Rotation, Window};
use super::read::{each_document, each_module, has, is_tree};
use super::{FrontEnd, Rule};
use crate::config::files::Files;
use crate::config::terraform::{self, Module};
use crate::config::tree::At;

/// PingFederate.
#[derive(Debug)]
pub struct PingFederate;

impl FrontEnd for PingFederate {
    fn product(&self) -> &'static str {
        "pingfederate"
    }

    fn recognises(&self, name: &str, text: &str) -> bool {
        if terraform::is_terraform(name) {
            return has(text, &["pingfederate_oauth_server_settings"]);
        }
        is_tree(name) && has(text, &["\"dpopProofEnforceReplayPrevention\""])
    }

    fn read(&self, files: &Files, own: &[u32]) -> Vec<Issued> {
        let (native, trees): (Vec<u32>, Vec<u32>) =
            own.iter().partition(|number| terraform::is_terraform(files.get(**number).path()));
        let mut all = each_module(files, &native, |module, all| {
            for (_, at) in module.resources("pingfederate_oauth_server_settings") {
                all.push(settings(at, module));
            }
        });
        all.extend(each_document(files, &trees, |root, all| search(root, 0, all)));
        all
    }

    fn fix(&self, rule: Rule) -> &'static str {
        match rule {
            Rule::ReplayCacheOff => "Set dpop_proof_enforce_replay_prevention to true.",
            Rule::RotationOff => "Set roll_refresh_token_values to true.",
            Rule::RotationLeeway => "Set refresh_token_rolling_grace_period to 60 or less.",
            _ => "Set dpop_proof_lifetime_seconds to 300 or less.",
        }
    }
}

/// In a bulk export the settings stand some levels deep.
fn search(at: At<'_>, depth: usize, all: &mut Vec<Issued>) {
    if at.get("dpopProofEnforceReplayPrevention").is_some() {
        all.push(settings(at, &Module::default()));
    } else if depth < 6 {
        at.entries().for_each(|(_, value)| search(value, depth + 1, all));
        if at.node.entries().is_empty() && at.node.text().is_none() {
            at.items().for_each(|item| search(item, depth + 1, all));
        }
    }
}

/// What stands there: nobody is accused of a default.
fn settings<'a>(at: At<'a>, module: &Module<'a>) -> Issued {
    let mut issued = Issued { issuer: "PingFederate".to_owned(), ..Issued::default() };
    let prevention = "dpop_proof_enforce_replay_prevention";
    if let Some(at) = at.get(prevention).filter(|at| module.switch(*at) == Some(false)) {
        issued.replays.push(Replay { place: at.place(), setting: prevention.to_owned() });
    }
    let lifetime = "dpop_proof_lifetime_seconds";
    if let Some((seconds, at)) = at.get(lifetime).and_then(|at| Some((module.number(at)?, at))) {
        issued.windows.push(Window { seconds, place: at.place(), setting: lifetime.to_owned(), client: None });
    }
    let (rolls, grace) = ("roll_refresh_token_values", "refresh_token_rolling_grace_period");
    if let Some((on, place)) = at.get(rolls).and_then(|at| Some((module.switch(at)?, at.place()))) {
        let leeway = at.get(grace).and_then(|at| Some((module.number(at)?, at.place(), grace)));
        let leeway = leeway.filter(|_| on);
        // Clients may say otherwise, and which of them are public is said elsewhere.
        issued.rotations.push(Rotation { on, place, setting: rolls, client: None, public: false, leeway });
    }
    issued
}
