//! Duende IdentityServer and IdentityServer4: clients in `appsettings.json`, as `AddInMemoryClients` binds them, and the
//! server's options for DPoP.

use super::issued::{Binding, Client, Issued, Kind, Lifetime, Rotation, Window};
use super::read::{each_document, has, is_tree, number, switch, time_span};
use super::{FrontEnd, Rule};
use crate::config::files::Files;
use crate::config::tree::At;

/// Duende IdentityServer.
#[derive(Debug)]
pub struct Duende;

impl FrontEnd for Duende {
    fn product(&self) -> &'static str {
        "duende"
    }

    fn recognises(&self, name: &str, text: &str) -> bool {
        is_tree(name)
            && (has(text, &["\"ClientId\"", "\"AllowedGrantTypes\""])
                || has(text, &["\"ClientId\"", "\"AllowedScopes\""])
                || has(text, &["\"ClientId\"", "\"AccessTokenLifetime\""])
                || has(text, &["\"ProofTokenValidityDuration\"", "IdentityServer"]))
    }

    fn read(&self, files: &Files, own: &[u32]) -> Vec<Issued> {
        each_document(files, own, |root, all| {
            let mut issued = Issued { issuer: "IdentityServer".to_owned(), ..Issued::default() };
            search(root, 0, &mut issued);
            all.push(issued);
        })
    }

    fn fix(&self, rule: Rule) -> &'static str {
        match rule {
            Rule::TtlLong => "Set AccessTokenLifetime of the client to 3600 or less.",
            Rule::Unbound => {
                "Set RequireDPoP of the client to true, or MutualTls.AlwaysEmitConfirmationClaim of the server."
            }
            Rule::DpopWindow => {
                "Set DPoPClockSkew (or the server's ProofTokenValidityDuration) to 00:05:00 or less; DPoPValidationMode Nonce needs no clock of the client."
            }
            _ => "Set RefreshTokenUsage of the client to OneTimeOnly, or RequireDPoP to true.",
        }
    }
}

/// Finds the lists of clients and the options, some sections deep.
fn search(at: At<'_>, depth: usize, issued: &mut Issued) {
    for (key, value) in at.entries() {
        if key == "Clients" {
            for client in value.items().filter(|client| client.get("ClientId").is_some()) {
                read_client(client, issued);
            }
        } else if key == "DPoP" {
            if let Some((seconds, at)) =
                value.get("ProofTokenValidityDuration").and_then(|at| Some((time_span(at.text()?)?, at)))
            {
                let (place, setting) = (at.place(), "DPoP.ProofTokenValidityDuration".to_owned());
                issued.windows.push(Window { seconds, place, setting, client: None });
            }
        } else if depth < 4 {
            search(value, depth + 1, issued);
        }
    }
}

fn read_client(at: At<'_>, issued: &mut Issued) {
    let Some(id) = at.get("ClientId") else { return };
    let Some(name) = id.text() else { return };
    if switch(at, "Enabled") == Some(false) {
        return;
    }
    let name = format!("client {name}");
    let dpop = at.get("RequireDPoP");
    let binding = match dpop {
        None => Binding::Unasked,
        Some(_) => match switch(at, "RequireDPoP") {
            Some(true) => Binding::Bound,
            Some(false) => Binding::Off,
            None => Binding::Unknown,
        },
    };
    let access = at.get("AccessTokenLifetime");
    let seconds = access.and_then(number).filter(|seconds| *seconds > 0);
    if let (Some(seconds), Some(at)) = (seconds, access) {
        let (place, setting, client) = (at.place(), "AccessTokenLifetime", Some(name.clone()));
        issued.lifetimes.push(Lifetime { seconds, place, setting, client, binding, default: false });
    }
    if let Some((seconds, at)) = at.get("DPoPClockSkew").and_then(|at| Some((time_span(at.text()?)?, at))) {
        let (place, setting) = (at.place(), "DPoPClockSkew".to_owned());
        issued.windows.push(Window { seconds, place, setting, client: Some(name.clone()) });
    }
    let kind = match at.get("RequireClientSecret") {
        None => Kind::Confidential,
        Some(_) => match switch(at, "RequireClientSecret") {
            Some(true) => Kind::Confidential,
            Some(false) => Kind::Public,
            None => Kind::Unknown,
        },
    };
    let refresh = switch(at, "AllowOfflineAccess") == Some(true);
    let usage = at.get("RefreshTokenUsage");
    // The default differs between versions.
    let rotated = usage.and_then(At::text).and_then(|word| match word {
        "OneTimeOnly" | "1" => Some(true),
        "ReUse" | "0" => Some(false),
        _ => None,
    });
    if let (Some(on), Some(at), true) = (rotated, usage, refresh) {
        issued.rotations.push(Rotation {
            on,
            place: at.place(),
            setting: "RefreshTokenUsage",
            client: Some(name.clone()),
            public: kind == Kind::Public,
            leeway: None,
        });
    }
    issued.clients.push(Client {
        name,
        place: id.place(),
        kind,
        binding,
        binding_at: dpop.map(|at| (at.place(), "RequireDPoP")),
        access: if access.is_some() { seconds } else { Some(3_600) },
        refresh,
        rotated,
        rotated_at: usage.map(|at| (at.place(), "RefreshTokenUsage")),
        ..Client::default()
    });
}
