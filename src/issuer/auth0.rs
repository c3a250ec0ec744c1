//! Auth0: Terraform (`auth0_resource_server`, `auth0_client`), and what the Deploy CLI and the Management API export.

use super::issued::{Binding, Client, Issued, Kind, Lifetime, Rotation};
use super::read::{each_document, each_module, has, is_tree};
use super::{FrontEnd, Rule};
use crate::config::files::Files;
use crate::config::terraform::{self, Module};
use crate::config::tree::At;

/// Auth0.
#[derive(Debug)]
pub struct Auth0;

/// The lifetime of access tokens where none is set, in seconds (Auth0, "Update Access Token Lifetime").
const DEFAULT_LIFETIME: i64 = 86_400;

impl FrontEnd for Auth0 {
    fn product(&self) -> &'static str {
        "auth0"
    }

    fn recognises(&self, name: &str, text: &str) -> bool {
        if terraform::is_terraform(name) {
            return has(text, &["auth0_resource_server"]) || has(text, &["auth0_client"]);
        }
        is_tree(name)
            && (has(text, &["token_lifetime", "identifier"])
                || has(text, &["rotation_type"])
                || has(text, &["require_proof_of_possession"]))
    }

    fn read(&self, files: &Files, own: &[u32]) -> Vec<Issued> {
        let (native, trees): (Vec<u32>, Vec<u32>) =
            own.iter().partition(|number| terraform::is_terraform(files.get(**number).path()));
        let mut all = each_module(files, &native, |module, all| {
            let mut issued = Issued { issuer: "the Auth0 tenant".to_owned(), ..Issued::default() };
            for (name, at) in module.resources("auth0_resource_server") {
                api(at, name, module, &mut issued);
            }
            for (name, at) in module.resources("auth0_client") {
                client(at, name, module, &mut issued);
            }
            all.push(issued);
        });
        all.extend(each_document(files, &trees, |root, all| {
            let module = Module::default();
            let mut issued = Issued { issuer: "the Auth0 tenant".to_owned(), ..Issued::default() };
            let lists = [root.list("resourceServers"), root.list("resource_servers")];
            let alone = root.items().filter(|at| at.get("identifier").is_some() && at.get("token_lifetime").is_some());
            for at in lists.into_iter().flatten().chain(alone) {
                // Auth0's own API can't be set.
                if at.word("is_system") != Some("true") {
                    api(at, at.word("name").unwrap_or("an API"), &module, &mut issued);
                }
            }
            let alone = root.items().filter(|at| at.get("app_type").is_some());
            for at in root.list("clients").filter(|at| at.get("app_type").is_some()).chain(alone) {
                client(at, at.word("name").unwrap_or("an application"), &module, &mut issued);
            }
            all.push(issued);
        }));
        all
    }

    fn fix(&self, rule: Rule) -> &'static str {
        match rule {
            Rule::TtlLong => "Set token_lifetime (and token_lifetime_for_web) of the API to 3600 or less.",
            Rule::Unbound => {
                "Set proof_of_possession { mechanism = \"dpop\" or \"mtls\", required = true } on the API, and require_proof_of_possession on the client."
            }
            Rule::RotationLeeway => "Set leeway in refresh_token to 60 or less.",
            _ => "Set rotation_type = \"rotating\" and expiration_type = \"expiring\" in refresh_token.",
        }
    }
}

fn api<'a>(at: At<'a>, name: &str, module: &Module<'a>, issued: &mut Issued) {
    let name = at.get("name").and_then(|at| module.text(at)).unwrap_or(name);
    let client = Some(format!("API {name}"));
    let proof = at.get("proof_of_possession").filter(|proof| !proof.is_empty());
    let proof_switch = |key| proof.and_then(|proof| proof.get(key)).map(|at| (module.switch(at), at));
    let disabled = proof_switch("disable");
    let required = proof_switch("required");
    let required_for = proof.and_then(|proof| proof.get("required_for")).filter(|at| !at.is_empty());
    let everybody = required_for.is_none_or(|at| module.text(at) == Some("all_clients"));
    let (binding, binding_at) = match (disabled, required) {
        (Some((Some(true), at)), _) => (Binding::Off, Some((at.place(), "proof_of_possession.disable"))),
        // What is not required of all clients binds no token for certain.
        (_, Some((Some(true), _))) if !everybody => (Binding::Unknown, None),
        (_, Some((Some(true), at))) => (Binding::Bound, Some((at.place(), "proof_of_possession.required"))),
        (_, Some((Some(false), at))) => (Binding::Optional, Some((at.place(), "proof_of_possession.required"))),
        (None, None) if proof.is_none() => (Binding::Unasked, None),
        _ => (Binding::Unknown, None),
    };
    let mut lifetime = |key, setting| {
        let Some((seconds, at)) = at.get(key).and_then(|at| Some((module.number(at)?, at))) else { return };
        let lifetime =
            Lifetime { seconds, place: at.place(), setting, client: client.clone(), binding, default: false };
        issued.lifetimes.push(lifetime);
    };
    lifetime("token_lifetime", "token_lifetime");
    lifetime("token_lifetime_for_web", "token_lifetime_for_web");
    if at.get("token_lifetime").is_none() {
        issued.lifetimes.push(Lifetime {
            seconds: DEFAULT_LIFETIME,
            place: at.place(),
            setting: "token_lifetime",
            client: client.clone(),
            binding,
            default: true,
        });
    }
    let mechanism = proof.and_then(|proof| proof.get("mechanism")).and_then(|at| module.text(at));
    let certificate_bound = binding == Binding::Bound && mechanism == Some("mtls");
    if matches!(binding, Binding::Optional | Binding::Off) || certificate_bound {
        issued.clients.push(Client {
            name: format!("Whoever calls API {name}"),
            place: at.place(),
            certificate_bound,
            binding,
            binding_at,
            ..Client::default()
        });
    }
}

fn client<'a>(at: At<'a>, name: &str, module: &Module<'a>, issued: &mut Issued) {
    let name = at.get("name").and_then(|at| module.text(at)).unwrap_or(name);
    let kind = match at.get("app_type").and_then(|at| module.text(at)) {
        Some("spa" | "native") => Kind::Public,
        Some("regular_web" | "non_interactive") => Kind::Confidential,
        _ => Kind::Unknown,
    };
    let required = at.get("require_proof_of_possession");
    let binding = match required.map(|at| module.switch(at)) {
        Some(Some(true)) => Binding::Bound,
        Some(Some(false)) => Binding::Off,
        Some(None) => Binding::Unknown,
        // An API may require it.
        None if issued.lifetimes.iter().any(|api| matches!(api.binding, Binding::Bound | Binding::Unknown)) => {
            Binding::Unknown
        }
        None => Binding::Unasked,
    };
    let refresh = at.get("refresh_token").filter(|at| !at.is_empty());
    let kind_of_rotation = refresh.and_then(|at| at.get("rotation_type"));
    let rotated = kind_of_rotation.and_then(|at| module.text(at)).and_then(|word| match word {
        "rotating" => Some(true),
        "non-rotating" => Some(false),
        _ => None,
    });
    let grants = at.get("grant_types");
    // Every application is written out with this block, also those that never get such a token.
    let refreshes =
        grants.is_some_and(|grants| module.follow(grants).items().any(|at| module.text(at) == Some("refresh_token")));
    let leeway = refresh
        .and_then(|at| at.get("leeway"))
        .and_then(|at| Some((module.number(at)?, at.place(), "leeway")))
        .filter(|_| rotated == Some(true));
    if let (Some(on), Some(at), true) = (rotated, kind_of_rotation, refreshes) {
        issued.rotations.push(Rotation {
            on,
            place: at.place(),
            setting: "rotation_type",
            client: Some(format!("client {name}")),
            public: kind == Kind::Public,
            leeway,
        });
    }
    issued.clients.push(Client {
        name: format!("client {name}"),
        place: at.place(),
        kind,
        binding,
        binding_at: required.map(|at| (at.place(), "require_proof_of_possession")),
        refresh: refreshes,
        rotated,
        rotated_at: kind_of_rotation.map(|at| (at.place(), "rotation_type")),
        ..Client::default()
    });
}
