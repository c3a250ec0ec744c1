//! The documents in which an issuer describes itself: OpenID Connect Discovery and OAuth metadata (RFC 8414).

use super::issued::{Issued, Metadata};
use super::read::{each_document, has, switch};
use super::{FrontEnd, Rule};
use crate::config::files::Files;
use crate::config::tree::At;

/// Discovery documents.
#[derive(Debug)]
pub struct Discovery;

impl FrontEnd for Discovery {
    fn product(&self) -> &'static str {
        "discovery"
    }

    fn recognises(&self, _: &str, text: &str) -> bool {
        has(text, &["\"issuer\"", "\"token_endpoint\"", "\"jwks_uri\""])
    }

    fn read(&self, files: &Files, own: &[u32]) -> Vec<Issued> {
        each_document(files, own, |root, all| all.extend(read_document(root)))
    }

    fn fix(&self, rule: Rule) -> &'static str {
        match rule {
            Rule::DpopAlgorithm => {
                "Leave asymmetric algorithms only in dpop_signing_alg_values_supported, such as ES256."
            }
            _ => "Have the issuer bind tokens (DPoP, or certificate-bound access tokens) for the clients that can.",
        }
    }
}

fn read_document(root: At<'_>) -> Option<Issued> {
    let issuer = root.word("issuer")?;
    let endpoint = root.get("token_endpoint")?;
    // In the document itself; elsewhere these words are examples of one.
    root.get("jwks_uri")?;
    let algorithms = root.get("dpop_signing_alg_values_supported");
    let tls = root.get("tls_client_certificate_bound_access_tokens");
    let weak = root
        .list("dpop_signing_alg_values_supported")
        .filter_map(|at| Some((at.text()?, at)))
        .filter(|(name, _)| name.eq_ignore_ascii_case("none") || name.starts_with("HS"))
        .map(|(name, at)| (at.place(), name.to_owned()))
        .collect();
    // Whoever sees to nothing but logins issues no access tokens worth the name.
    let issues = root.get("response_types_supported").is_none_or(|at| {
        at.items().any(|at| at.text().is_none_or(|text| text.split(' ').any(|word| matches!(word, "code" | "token"))))
    }) || root.list("grant_types_supported").any(|at| at.text() == Some("client_credentials"));
    let binds = algorithms.is_some()
        || (tls.is_some() && switch(root, "tls_client_certificate_bound_access_tokens") != Some(false))
        || !issues;
    let metadata = vec![Metadata { place: endpoint.place(), binds, weak }];
    Some(Issued { issuer: issuer.to_owned(), metadata, ..Issued::default() })
}
