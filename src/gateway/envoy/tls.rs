//! What a listener's transport asks of clients.

use super::set::{Set, typed};
use crate::gateway::hop::{Cause, ClientAuth, Place};
use crate::gateway::run::Handshake;
use crate::gateway::tree::{At, Switch};

/// How a filter chain deals with certificates.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transport {
    pub(super) tls: bool,
    pub(super) handshake: Handshake,
    pub(super) asks_at: Option<Place>,
    pub(super) in_vain: Option<Cause>,
    /// Only who is named can connect, by certificates with these names or of these keys.
    pub(super) listed: bool,
}

impl Transport {
    const PLAIN: Self = Self { tls: false, handshake: Handshake::OFF, asks_at: None, in_vain: None, listed: false };
}

/// The transport of a filter chain.
pub(super) fn transport<'a>(chain: At<'a>, set: &Set<'a>) -> Transport {
    let Some(context) = context(chain) else {
        return match chain.get("transport_socket") {
            Some(socket) if !is_plain(socket) => Transport {
                tls: true,
                handshake: Handshake { auth: ClientAuth::Unknown, required: false },
                ..Transport::PLAIN
            },
            _ => Transport::PLAIN,
        };
    };
    let required = context.switch("require_client_certificate", false);
    let require_at = context.get("require_client_certificate").map(At::place);
    let off = Transport { tls: true, ..Transport::PLAIN };
    let common = context.get("common_tls_context");
    let validation = validation(common, set);
    let named = common.is_some_and(|common| {
        ["validation_context_sds_secret_config", "validation_context_certificate_provider_instance"]
            .iter()
            .any(|key| common.get(key).is_some())
            || common.path(&["combined_validation_context", "validation_context_sds_secret_config"]).is_some()
    });
    let has = |key: &str| validation.iter().any(|at| at.get(key).is_some_and(|at| !at.is_empty()));
    let authority = has("trusted_ca") || has("ca_certificate_provider_instance") || has("custom_validator_config");
    let pinned = has("verify_certificate_hash") || has("verify_certificate_spki");
    let elsewhere = named && !authority && !pinned && validation.iter().all(|at| at.get("trusted_ca").is_none());
    let untrusted = validation
        .iter()
        .find_map(|at| at.get("trust_chain_verification"))
        .filter(|at| matches!(at.text(), Some("ACCEPT_UNTRUSTED" | "1")));
    if !authority && !pinned && !elsewhere {
        // It is asked for even where there is nothing to verify it against, and nobody insists.
        if let Some(at) = untrusted {
            let handshake = Handshake { auth: ClientAuth::Unverified, required: false };
            return Transport { handshake, asks_at: Some(at.place()), ..off };
        }
        return match (required, require_at) {
            (Switch::On, Some(at)) => Transport { asks_at: Some(at), in_vain: Some(Cause::NoAuthority), ..off },
            _ => off,
        };
    }
    let asks_at = require_at
        .or_else(|| validation.first().map(|at| at.place()))
        .or_else(|| common.and_then(|at| at.get("validation_context_sds_secret_config")).map(At::place));
    let auth = match required {
        Switch::Unknown => ClientAuth::Unknown,
        _ if untrusted.is_some() && !pinned => ClientAuth::Unverified,
        Switch::On => ClientAuth::Required,
        Switch::Off => ClientAuth::Optional,
    };
    let listed = auth == ClientAuth::Required && (pinned || names_peers(&validation));
    Transport { handshake: Handshake { auth, required: required == Switch::On }, asks_at, listed, ..off }
}

/// Whether all names that certificates may have are listed, none by a pattern.
fn names_peers(validation: &[At<'_>]) -> bool {
    let typed = validation.iter().flat_map(|at| at.list("match_typed_subject_alt_names"));
    let typed = typed.filter_map(|at| at.get("matcher"));
    let matchers: Vec<At<'_>> =
        typed.chain(validation.iter().flat_map(|at| at.list("match_subject_alt_names"))).collect();
    let legacy = validation.iter().any(|at| at.list("verify_subject_alt_name").next().is_some());
    (legacy || !matchers.is_empty()) && matchers.iter().all(|matcher| matcher.word("exact").is_some())
}

/// The TLS context of a filter chain, in whatever it is wrapped.
fn context(chain: At<'_>) -> Option<At<'_>> {
    if let Some(legacy) = chain.get("tls_context") {
        return Some(legacy);
    }
    let mut at = chain.get("transport_socket")?;
    for _ in 0..4 {
        let config = typed(at).config?;
        if config.get("common_tls_context").is_some() || config.get("require_client_certificate").is_some() {
            return Some(config);
        }
        if let Some(inner) = config.get("downstream_tls_context") {
            return Some(inner);
        }
        match config.get("transport_socket") {
            Some(inner) => at = inner,
            None => return typed(at).message.ends_with("DownstreamTlsContext").then_some(config),
        }
    }
    None
}

fn is_plain(socket: At<'_>) -> bool {
    let name = socket.word("name").unwrap_or_default();
    name.ends_with("raw_buffer") || typed(socket).message.ends_with("RawBuffer")
}

/// All that says how certificates are verified.
fn validation<'a>(common: Option<At<'a>>, set: &Set<'a>) -> Vec<At<'a>> {
    let Some(common) = common else { return Vec::new() };
    let secret = |holder: At<'a>| {
        let name = holder.get("validation_context_sds_secret_config")?.word("name")?;
        set.secrets.get(name)?.get("validation_context")
    };
    let combined = common.get("combined_validation_context");
    [
        common.get("validation_context"),
        combined.and_then(|at| at.get("default_validation_context")),
        combined.and_then(secret),
        secret(common),
    ]
    .into_iter()
    .flatten()
    .collect()
}
