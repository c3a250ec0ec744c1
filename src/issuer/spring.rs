//! Spring Authorization Server: clients in `application.yml` and `application.properties`
//! (`spring.security.oauth2.authorizationserver.client`). Keys may be written in kebab or camel case, with dots or nested.
//! That tokens are bound to the client's certificate can only be said in code: Boot's `OAuth2AuthorizationServerProperties`
//! have no property for it, and its default is off.

use std::collections::BTreeMap;

use super::issued::{Binding, Client, Issued, Kind, Lifetime, Rotation};
use super::read::{duration, has};
use super::{FrontEnd, Rule};
use crate::config::files::Files;
use crate::config::place::Place;
use crate::config::settings::{flat_documents, plain_key};

/// Spring Authorization Server.
#[derive(Debug)]
pub struct Spring;

const PREFIX: &str = "spring.security.oauth2.authorizationserver.client.";

impl FrontEnd for Spring {
    fn product(&self) -> &'static str {
        "spring-authorization-server"
    }

    fn recognises(&self, name: &str, text: &str) -> bool {
        [".yml", ".yaml", ".properties"].iter().any(|ending| name.ends_with(ending))
            && has(text, &["authorizationserver"])
    }

    fn read(&self, files: &Files, own: &[u32]) -> Vec<Issued> {
        let mut all = Vec::new();
        for number in own {
            let (documents, hole) = flat_documents(files, *number);
            for flat in documents {
                let mut clients: BTreeMap<String, BTreeMap<String, (String, Place)>> = BTreeMap::new();
                for (key, text, place) in flat {
                    let Some((client, setting)) = key.strip_prefix(PREFIX).and_then(|rest| rest.split_once('.')) else {
                        continue;
                    };
                    let setting = setting.split('.').map(plain_key).collect::<Vec<_>>().join(".");
                    clients.entry(client.to_owned()).or_default().insert(setting, (text, place));
                }
                let mut issued = Issued { issuer: "the authorization server".to_owned(), ..Issued::default() };
                for (name, settings) in &clients {
                    client(name, settings, &mut issued);
                }
                issued.holes.extend(hole.clone());
                if !clients.is_empty() {
                    all.push(issued);
                }
            }
        }
        all
    }

    fn fix(&self, rule: Rule) -> &'static str {
        match rule {
            Rule::TtlLong => "Set token.access-token-time-to-live of the client to 1h or less.",
            Rule::Unbound => {
                "Register the client in code, with TokenSettings' x509CertificateBoundAccessTokens(true), for which there is no property; or have it send DPoP proofs."
            }
            _ => "Set token.reuse-refresh-tokens of the client to false.",
        }
    }
}

fn client(name: &str, settings: &BTreeMap<String, (String, Place)>, issued: &mut Issued) {
    let name = format!("client {name}");
    let known = |key: &str| settings.get(key).filter(|(text, _)| !text.contains("${"));
    let methods: Vec<&str> = settings
        .iter()
        .filter(|(key, _)| key.starts_with("registration.clientauthenticationmethods"))
        .flat_map(|(_, (text, _))| text.split(','))
        .map(str::trim)
        .collect();
    let certificate = settings.iter().find(|(key, (text, _))| {
        key.starts_with("registration.clientauthenticationmethods")
            && text.split(',').any(|word| matches!(word.trim(), "tls_client_auth" | "self_signed_tls_client_auth"))
    });
    // Boot has no such property; where it is written, code of the application's own may read it.
    let meant = settings.get("token.x509certificateboundaccesstokens").is_some_and(|(text, _)| text.trim() != "false");
    // Whether it uses DPoP is left to the client.
    let binding = if certificate.is_some() && !meant { Binding::Unasked } else { Binding::Unknown };
    let lifetime = known("token.accesstokentimetolive").and_then(|(text, place)| Some((duration(text, 1)?, *place)));
    if let Some((seconds, place)) = lifetime {
        let (setting, client) = ("access-token-time-to-live", Some(name.clone()));
        issued.lifetimes.push(Lifetime { seconds, place, setting, client, binding, default: false });
    }
    let kind = match methods.as_slice() {
        [] => Kind::Unknown,
        methods if methods.iter().all(|method| *method == "none") => Kind::Public,
        _ => Kind::Confidential,
    };
    let refreshes = settings.iter().any(|(key, (text, _))| {
        key.starts_with("registration.authorizationgranttypes")
            && text.split(',').any(|word| word.trim() == "refresh_token")
    });
    if let Some((text, place)) = known("token.reuserefreshtokens").filter(|_| refreshes) {
        issued.rotations.push(Rotation {
            on: text.trim() == "false",
            place: *place,
            setting: "reuse-refresh-tokens",
            client: Some(name.clone()),
            // Public clients get no refresh tokens from it.
            public: false,
            leeway: None,
        });
    }
    let place = settings.values().map(|(_, place)| *place).min().unwrap_or_default();
    issued.clients.push(Client {
        name,
        place,
        kind,
        certificate: certificate.map(|(_, (_, place))| (*place, "client-authentication-methods")),
        binding,
        access: lifetime.map(|(seconds, _)| seconds),
        refresh: false,
        ..Client::default()
    });
}
