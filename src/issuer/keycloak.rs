//! Keycloak: exports of realms, files of several of them, clients by themselves, and the operator's
//! `KeycloakRealmImport`.
//!
//! A realm's `accessTokenLifespan` is for all clients that set none of their own; `-1` ties a token to its session,
//! whose length is no lifetime of a token and is not read as one. What a client policy may enforce is not known.

use super::issued::{Binding, Client, Issued, Kind, Lifetime, Rotation};
use super::read::{each_document, has, is_tree, number, switch};
use super::{FrontEnd, Rule};
use crate::config::files::Files;
use crate::config::place::Place;
use crate::config::tree::At;

/// Keycloak.
#[derive(Debug)]
pub struct Keycloak;

const DPOP: &str = "dpop.bound.access.tokens";
const MTLS: &str = "tls.client.certificate.bound.access.tokens";

/// Clients that Keycloak makes by itself in each realm.
const OWN: &[&str] =
    &["account", "account-console", "admin-cli", "broker", "realm-management", "security-admin-console"];

impl FrontEnd for Keycloak {
    fn product(&self) -> &'static str {
        "keycloak"
    }

    fn recognises(&self, name: &str, text: &str) -> bool {
        is_tree(name)
            && (has(text, &["accessTokenLifespan"])
                || has(text, &["clientId", "publicClient"])
                || has(text, &["clientId", "clientAuthenticatorType"])
                || has(text, &["clientId", DPOP])
                || has(text, &["clientId", MTLS]))
    }

    fn read(&self, files: &Files, own: &[u32]) -> Vec<Issued> {
        each_document(files, own, |root, all| {
            for realm in root.items() {
                let realm = match realm.word("kind") {
                    Some("KeycloakRealmImport") => realm.path(&["spec", "realm"]),
                    _ => Some(realm),
                };
                all.extend(realm.and_then(read_realm));
            }
        })
    }

    fn fix(&self, rule: Rule) -> &'static str {
        match rule {
            Rule::TtlLong => {
                "Set accessTokenLifespan (or the client's attribute access.token.lifespan) to 3600 or less."
            }
            Rule::Unbound => {
                "Set the client's attribute dpop.bound.access.tokens or tls.client.certificate.bound.access.tokens to \"true\"."
            }
            _ => {
                "Set revokeRefreshToken to true and refreshTokenMaxReuse to 0, or bind the client's tokens with dpop.bound.access.tokens."
            }
        }
    }
}

fn read_realm(root: At<'_>) -> Option<Issued> {
    if root.get("clientId").is_some() && root.get("realm").is_none() && root.get("clients").is_none() {
        let client = read_client(root, None, None, false)?;
        let lifetimes = client_lifetime(root, &client).into_iter().collect();
        return Some(Issued { issuer: "Keycloak".to_owned(), lifetimes, clients: vec![client], ..Issued::default() });
    }
    let name = root.word("realm")?;
    let mut issued = Issued { issuer: format!("realm {name}"), ..Issued::default() };
    // A realm that has no clients issues nothing; one in which they are not named may have any.
    let clients = root.get("clients");
    if clients.is_some_and(At::is_empty) {
        return Some(issued);
    }
    let enforced = enforces(root);
    let lifespan = root.get("accessTokenLifespan");
    let seconds = match lifespan {
        Some(at) => number(at).filter(|seconds| *seconds > 0),
        None => Some(300),
    };
    let rotation = root.get("revokeRefreshToken");
    let rotated = match rotation {
        Some(_) => switch(root, "revokeRefreshToken"),
        None => Some(false),
    };
    let rotated = rotated.map(|on| on && root.get("refreshTokenMaxReuse").is_none_or(|at| number(at) == Some(0)));
    let mut implicit = false;
    // Whether all that depend on the realm's lifespan are bound.
    let mut bound = Vec::new();
    for at in root.list("clients") {
        let Some(mut client) = read_client(at, seconds, rotation.map(At::place), enforced) else { continue };
        client.rotated = rotated;
        implicit |= switch(at, "implicitFlowEnabled") == Some(true);
        match client_lifetime(at, &client) {
            Some(lifetime) => {
                client.access = Some(lifetime.seconds);
                issued.lifetimes.push(lifetime);
            }
            None => bound.push(client.binding),
        }
        issued.clients.push(client);
    }
    let binding = if !bound.is_empty() && bound.iter().all(|binding| *binding == Binding::Bound) {
        Binding::Bound
    } else {
        Binding::Unknown
    };
    let mut lifetime = |at: Option<At<'_>>, setting| {
        if let Some((seconds, at)) = at.and_then(|at| Some((number(at)?, at))) {
            issued.lifetimes.push(Lifetime {
                seconds,
                place: at.place(),
                setting,
                client: None,
                binding,
                default: false,
            });
        }
    };
    // Where each client has a lifetime of its own, the realm's is nobody's.
    if clients.is_none() || !bound.is_empty() || issued.clients.is_empty() {
        lifetime(lifespan, "accessTokenLifespan");
    }
    if implicit {
        lifetime(root.get("accessTokenLifespanForImplicitFlow"), "accessTokenLifespanForImplicitFlow");
    }
    let refreshing: Vec<&Client> = issued.clients.iter().filter(|client| client.refresh).collect();
    if let (Some(at), Some(on), false) = (rotation, rotated, refreshing.is_empty()) {
        // Bound tokens of public clients are no use to anybody else; a confidential client proves who it is.
        let public = refreshing.iter().any(|client| client.kind == Kind::Public && client.binding.is_none());
        issued.rotations.push(Rotation {
            on,
            place: at.place(),
            setting: "revokeRefreshToken",
            client: None,
            public,
            leeway: None,
        });
    }
    Some(issued)
}

/// Whether a client policy may bind tokens: what it applies to is not followed.
fn enforces(root: At<'_>) -> bool {
    ["clientProfiles", "parsedClientProfiles"]
        .iter()
        .filter_map(|key| root.get(key))
        .flat_map(|at| at.list("profiles").collect::<Vec<_>>())
        .flat_map(|profile| profile.list("executors").collect::<Vec<_>>())
        .any(|executor| matches!(executor.word("executor"), Some("holder-of-key-enforcer" | "dpop-bind-enforcer")))
}

/// A client that gets tokens of its own; `None` for what gets none, or is Keycloak's own.
fn read_client(at: At<'_>, access: Option<i64>, rotation: Option<Place>, enforced: bool) -> Option<Client> {
    let id = at.get("clientId")?;
    let name = id.text()?;
    let other_protocol = at.word("protocol").is_some_and(|protocol| protocol != "openid-connect");
    let flow = |key, default| switch(at, key).unwrap_or(default);
    let code = flow("standardFlowEnabled", true);
    let password = flow("directAccessGrantsEnabled", false);
    let device = attribute(at, "oauth2.device.authorization.grant.enabled").and_then(At::text) == Some("true");
    let service = flow("serviceAccountsEnabled", false);
    let none = !(code || password || device || service || flow("implicitFlowEnabled", false));
    if OWN.contains(&name)
        || name.ends_with("-realm")
        || other_protocol
        || none
        || switch(at, "bearerOnly") == Some(true)
        || switch(at, "enabled") == Some(false)
    {
        return None;
    }
    let bound = |key| attribute(at, key).map(|attribute| (attribute.text().map(str::to_owned), attribute.place()));
    let (dpop, mtls) = (bound(DPOP), bound(MTLS));
    let is = |value: &Option<(Option<String>, Place)>, word: &str| {
        value.as_ref().is_some_and(|(text, _)| text.as_deref() == Some(word))
    };
    let unknown =
        |value: &Option<(Option<String>, Place)>| value.is_some() && !is(value, "true") && !is(value, "false");
    let binding = if is(&dpop, "true") || is(&mtls, "true") {
        Binding::Bound
    } else if enforced || unknown(&dpop) || unknown(&mtls) {
        Binding::Unknown
    } else if is(&dpop, "false") || is(&mtls, "false") {
        Binding::Off
    } else {
        Binding::Unasked
    };
    let binding_at = match (&dpop, &mtls) {
        (_, Some((_, place))) if is(&mtls, "true") => Some((*place, MTLS)),
        (Some((_, place)), _) => Some((*place, DPOP)),
        (None, Some((_, place))) => Some((*place, MTLS)),
        (None, None) => None,
    };
    let method = at.get("clientAuthenticatorType");
    let public = switch(at, "publicClient");
    let refreshes = attribute(at, "use.refresh.tokens").and_then(At::text) != Some("false");
    Some(Client {
        name: format!("client {name}"),
        place: id.place(),
        kind: match public {
            Some(true) => Kind::Public,
            Some(false) => Kind::Confidential,
            None if at.get("publicClient").is_some() => Kind::Unknown,
            None => Kind::Confidential,
        },
        certificate: method
            .filter(|method| method.text() == Some("client-x509") && public != Some(true))
            .map(|method| (method.place(), "clientAuthenticatorType")),
        certificate_bound: is(&mtls, "true"),
        binding,
        binding_at,
        access,
        refresh: refreshes && (code || password || device),
        rotated: None,
        rotated_at: rotation.map(|place| (place, "revokeRefreshToken")),
    })
}

/// The lifetime that a client sets for itself.
fn client_lifetime(at: At<'_>, client: &Client) -> Option<Lifetime> {
    let own = attribute(at, "access.token.lifespan")?;
    Some(Lifetime {
        seconds: number(own).filter(|seconds| *seconds > 0)?,
        place: own.place(),
        setting: "access.token.lifespan",
        client: Some(client.name.clone()),
        binding: client.binding,
        default: false,
    })
}

/// An attribute of a client; the admin API writes some as lists.
fn attribute<'a>(at: At<'a>, name: &str) -> Option<At<'a>> {
    at.get("attributes")?.entries().find(|(key, _)| *key == name).map(|(_, value)| value)
}
