//! Metadata of clients as they register (RFC 7591, RFC 8705, RFC 9449), and as Ory Hydra keeps them with lifetimes of
//! their own.

use super::issued::{Binding, Client, Issued, Kind, Lifetime};
use super::read::{duration, each_document, has, is_tree, switch};
use super::{FrontEnd, Rule};
use crate::config::files::Files;
use crate::config::tree::At;

/// Client metadata.
#[derive(Debug)]
pub struct ClientMetadata;

const TLS: &str = "tls_client_certificate_bound_access_tokens";
const DPOP: &str = "dpop_bound_access_tokens";

/// Hydra's lifetimes, grant by grant.
const LIFESPANS: &[&str] = &[
    "authorization_code_grant_access_token_lifespan",
    "client_credentials_grant_access_token_lifespan",
    "implicit_grant_access_token_lifespan",
    "jwt_bearer_grant_access_token_lifespan",
    "refresh_token_grant_access_token_lifespan",
    "device_authorization_grant_access_token_lifespan",
];

impl FrontEnd for ClientMetadata {
    fn product(&self) -> &'static str {
        "client-metadata"
    }

    fn recognises(&self, name: &str, text: &str) -> bool {
        is_tree(name)
            && (has(text, &["token_endpoint_auth_method\"", "grant_types"])
                || has(text, &["token_endpoint_auth_method\"", "redirect_uris"])
                || has(text, &["_grant_access_token_lifespan", "grant_types"]))
    }

    fn read(&self, files: &Files, own: &[u32]) -> Vec<Issued> {
        each_document(files, own, |root, all| {
            let mut issued = Issued { issuer: "the issuer".to_owned(), ..Issued::default() };
            for at in root.items() {
                client(at, &mut issued);
            }
            all.push(issued);
        })
    }

    fn fix(&self, rule: Rule) -> &'static str {
        match rule {
            Rule::TtlLong => "Set the client's lifespans to 1h or less.",
            Rule::RefreshPublic => {
                "Register the client with dpop_bound_access_tokens: true, or see that the issuer replaces refresh tokens at each use."
            }
            _ => {
                "Register the client with tls_client_certificate_bound_access_tokens or dpop_bound_access_tokens: true."
            }
        }
    }
}

fn client(at: At<'_>, issued: &mut Issued) {
    // What Auth0 and Okta export says this in words of its own.
    if at.get("app_type").is_some() || at.get("grant_types").or(at.get("redirect_uris")).is_none() {
        return;
    }
    let method = at.get("token_endpoint_auth_method");
    let name = [at.word("client_id"), at.word("client_name")].into_iter().flatten().find(|name| !name.is_empty());
    let name = name.unwrap_or("without a name");
    let name = format!("client {name}");
    let (tls, dpop) = (switch(at, TLS), switch(at, DPOP));
    let written = at.get(TLS).or(at.get(DPOP));
    let word = if at.get(TLS).is_some() { TLS } else { DPOP };
    let binding = match (tls, dpop) {
        (Some(true), _) | (_, Some(true)) => Binding::Bound,
        (Some(false), _) | (_, Some(false)) => Binding::Off,
        _ if written.is_none() => Binding::Unasked,
        _ => Binding::Unknown,
    };
    for key in LIFESPANS {
        let Some((seconds, at)) = at.get(key).and_then(|at| Some((duration(at.text()?, 0)?, at))) else { continue };
        let client = Some(name.clone());
        issued.lifetimes.push(Lifetime { seconds, place: at.place(), setting: key, client, binding, default: false });
    }
    let Some(method) = method else { return };
    let certificate = matches!(method.text(), Some("tls_client_auth" | "self_signed_tls_client_auth"));
    issued.clients.push(Client {
        name,
        place: method.place(),
        kind: if method.text() == Some("none") { Kind::Public } else { Kind::Confidential },
        certificate: certificate.then(|| (method.place(), "token_endpoint_auth_method")),
        binding,
        binding_at: written.map(|at| (at.place(), word)),
        certificate_bound: tls == Some(true),
        refresh: at.list("grant_types").any(|grant| grant.text() == Some("refresh_token")),
        ..Client::default()
    });
}
