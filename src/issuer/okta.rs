//! Okta: Terraform (`okta_auth_server_policy_rule`, `okta_app_oauth`), and the rules and applications that its API
//! exports. That an application's tokens are bound with DPoP only the API says: Terraform's provider has no argument for it.

use super::issued::{Binding, Client, Issued, Kind, Lifetime, Rotation};
use super::read::{each_document, each_module, has, is_tree};
use super::{FrontEnd, Rule};
use crate::config::files::Files;
use crate::config::terraform::{self, Module};
use crate::config::tree::At;

/// Okta.
#[derive(Debug)]
pub struct Okta;

impl FrontEnd for Okta {
    fn product(&self) -> &'static str {
        "okta"
    }

    fn recognises(&self, name: &str, text: &str) -> bool {
        if terraform::is_terraform(name) {
            return has(text, &["okta_auth_server_policy_rule"]) || has(text, &["okta_app_oauth"]);
        }
        is_tree(name) && (has(text, &["accessTokenLifetimeMinutes"]) || has(text, &["oauthClient", "settings"]))
    }

    fn read(&self, files: &Files, own: &[u32]) -> Vec<Issued> {
        let (native, trees): (Vec<u32>, Vec<u32>) =
            own.iter().partition(|number| terraform::is_terraform(files.get(**number).path()));
        let mut all = each_module(files, &native, |module, all| {
            let mut issued = Issued { issuer: "the Okta organisation".to_owned(), ..Issued::default() };
            for (name, at) in module.resources("okta_auth_server_policy_rule") {
                let shown = at.get("name").and_then(|at| module.text(at)).unwrap_or(name);
                rule(
                    at.get("access_token_lifetime_minutes"),
                    "access_token_lifetime_minutes",
                    shown,
                    module,
                    &mut issued,
                );
            }
            for (name, at) in module.resources("okta_app_oauth") {
                let parts = Parts {
                    name: at.get("label").and_then(|at| module.text(at)).unwrap_or(name),
                    at,
                    kind: at.get("type"),
                    method: at.get("token_endpoint_auth_method"),
                    grants: at.get("grant_types"),
                    rotation: at.get("refresh_token_rotation"),
                    leeway: at.get("refresh_token_leeway"),
                    dpop: None,
                    words: ["refresh_token_rotation", "refresh_token_leeway"],
                };
                application(&parts, module, &mut issued);
            }
            all.push(issued);
        });
        all.extend(each_document(files, &trees, |root, all| {
            let module = Module::default();
            let mut issued = Issued { issuer: "the Okta organisation".to_owned(), ..Issued::default() };
            for at in root.items() {
                let minutes = at.path(&["actions", "token", "accessTokenLifetimeMinutes"]);
                rule(minutes, "accessTokenLifetimeMinutes", at.word("name").unwrap_or("a rule"), &module, &mut issued);
                let Some(settings) = at.path(&["settings", "oauthClient"]) else { continue };
                let parts = Parts {
                    name: at.word("label").or(at.word("name")).unwrap_or("an application"),
                    at: at.get("label").or(at.get("name")).unwrap_or(settings),
                    kind: settings.get("application_type"),
                    method: at.path(&["credentials", "oauthClient", "token_endpoint_auth_method"]),
                    grants: settings.get("grant_types"),
                    rotation: settings.path(&["refresh_token", "rotation_type"]),
                    leeway: settings.path(&["refresh_token", "leeway"]),
                    dpop: settings.get("dpop_bound_access_tokens"),
                    words: ["rotation_type", "leeway"],
                };
                application(&parts, &module, &mut issued);
            }
            all.push(issued);
        }));
        all
    }

    fn fix(&self, rule: Rule) -> &'static str {
        match rule {
            Rule::TtlLong => "Set access_token_lifetime_minutes of the rule to 60 or less.",
            Rule::Unbound => {
                "Require DPoP for the application: settings.oauthClient.dpop_bound_access_tokens, for which Terraform's okta_app_oauth has no argument."
            }
            Rule::RotationLeeway => "Set refresh_token_leeway to 60 or less.",
            _ => "Set refresh_token_rotation to \"ROTATE\", or require DPoP for the application.",
        }
    }
}

fn rule<'a>(minutes: Option<At<'a>>, setting: &'static str, name: &str, module: &Module<'a>, issued: &mut Issued) {
    let Some(at) = minutes else { return };
    let Some(seconds) = module.number(at).and_then(|minutes| minutes.checked_mul(60)) else { return };
    let client = Some(format!("policy rule {name}"));
    issued.lifetimes.push(Lifetime {
        seconds,
        place: at.place(),
        setting,
        client,
        binding: Binding::Unknown,
        default: false,
    });
}

/// An application, however it is written down.
struct Parts<'a> {
    name: &'a str,
    at: At<'a>,
    kind: Option<At<'a>>,
    method: Option<At<'a>>,
    grants: Option<At<'a>>,
    rotation: Option<At<'a>>,
    leeway: Option<At<'a>>,
    dpop: Option<At<'a>>,
    words: [&'static str; 2],
}

fn application<'a>(parts: &Parts<'a>, module: &Module<'a>, issued: &mut Issued) {
    let text = |at: Option<At<'a>>| at.and_then(|at| module.text(at));
    let kind = match (text(parts.method), text(parts.kind)) {
        (Some("none"), _) => Kind::Public,
        (None, Some("browser" | "native")) if parts.method.is_none() => Kind::Public,
        (Some(_), _) | (_, Some("web" | "service")) => Kind::Confidential,
        _ => Kind::Unknown,
    };
    let binding = match parts.dpop.map(|at| module.switch(at)) {
        Some(Some(true)) => Binding::Bound,
        Some(Some(false)) => Binding::Off,
        Some(None) => Binding::Unknown,
        None => Binding::Unasked,
    };
    let grants = parts.grants.map(|grants| module.follow(grants));
    let refresh = grants.is_some_and(|grants| grants.items().any(|at| module.text(at) == Some("refresh_token")));
    let rotated = text(parts.rotation).and_then(|word| {
        if word.eq_ignore_ascii_case("ROTATE") {
            Some(true)
        } else {
            word.eq_ignore_ascii_case("STATIC").then_some(false)
        }
    });
    let name = format!("application {}", parts.name);
    let leeway = parts.leeway.and_then(|at| Some((module.number(at)?, at.place(), parts.words[1])));
    if let (Some(on), Some(at), true) = (rotated, parts.rotation, refresh) {
        issued.rotations.push(Rotation {
            on,
            place: at.place(),
            setting: parts.words[0],
            client: Some(name.clone()),
            public: kind == Kind::Public,
            leeway: leeway.filter(|_| on),
        });
    }
    issued.clients.push(Client {
        name,
        place: parts.at.place(),
        kind,
        binding,
        binding_at: parts.dpop.map(|at| (at.place(), "dpop_bound_access_tokens")),
        refresh,
        rotated,
        rotated_at: parts.rotation.map(|at| (at.place(), parts.words[0])),
        ..Client::default()
    });
}
