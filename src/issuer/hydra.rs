//! Ory Hydra: its configuration file, and the values of its Helm chart. It binds tokens to no key and replaces refresh
//! tokens by itself; what can be set is how long they live and how long a used one still passes.

use super::issued::{Binding, Issued, Lifetime, Rotation};
use super::read::{duration, each_document, has, is_tree};
use super::{FrontEnd, Rule};
use crate::config::files::Files;
use crate::config::tree::At;

/// Ory Hydra.
#[derive(Debug)]
pub struct Hydra;

impl FrontEnd for Hydra {
    fn product(&self) -> &'static str {
        "hydra"
    }

    fn recognises(&self, name: &str, text: &str) -> bool {
        is_tree(name)
            && (has(text, &["ttl", "access_token"]) || has(text, &["rotation_grace_period"]))
            && ["hydra", "urls", "secrets", "oauth2", "oidc"].iter().any(|word| has(text, &[word]))
    }

    fn read(&self, files: &Files, own: &[u32]) -> Vec<Issued> {
        each_document(files, own, |root, all| {
            for config in [Some(root), root.path(&["hydra", "config"]), root.path(&["hydra", "hydra", "config"])] {
                all.extend(config.and_then(read_config));
            }
        })
    }

    fn fix(&self, rule: Rule) -> &'static str {
        match rule {
            Rule::RotationLeeway => "Set oauth2.grant.refresh_token.rotation_grace_period to 60s or less.",
            _ => "Set ttl.access_token to 1h or less; refresh tokens renew what lives shortly.",
        }
    }
}

fn read_config(root: At<'_>) -> Option<Issued> {
    let ttl = root.path(&["ttl", "access_token"]);
    let grace = root.path(&["oauth2", "grant", "refresh_token", "rotation_grace_period"]);
    // Other services have a `ttl`, too.
    let hydra =
        ["urls", "secrets", "oauth2", "oidc", "strategies", "webfinger"].iter().any(|key| root.get(key).is_some());
    if !hydra || (ttl.is_none() && grace.is_none()) {
        return None;
    }
    let issuer = root.path(&["urls", "self", "issuer"]).and_then(At::text).unwrap_or("Hydra");
    let mut issued = Issued { issuer: issuer.to_owned(), ..Issued::default() };
    let seconds = |at: At<'_>| duration(at.text()?, 0);
    if let Some((seconds, at)) = ttl.and_then(|at| Some((seconds(at)?, at))) {
        let (place, setting) = (at.place(), "ttl.access_token");
        issued.lifetimes.push(Lifetime {
            seconds,
            place,
            setting,
            client: None,
            binding: Binding::Impossible,
            default: false,
        });
    }
    if let Some((seconds, at)) = grace.and_then(|at| Some((seconds(at)?, at))) {
        let (place, setting) = (at.place(), "rotation_grace_period");
        let leeway = Some((seconds, place, setting));
        issued.rotations.push(Rotation { on: true, place, setting, client: None, public: false, leeway });
    }
    Some(issued)
}
