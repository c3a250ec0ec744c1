//! What a site asks of clients.

use crate::gateway::hop::{ClientAuth, Place};
use crate::gateway::run::Handshake;

/// How a site deals with certificates.
#[derive(Debug, Clone, Copy)]
pub(super) struct Auth {
    pub(super) handshake: Handshake,
    pub(super) asks_at: Option<Place>,
}

impl Auth {
    /// It does not ask.
    pub(super) const OFF: Self = Self { handshake: Handshake::OFF, asks_at: None };

    /// By the mode that is written, and whether an authority or certificates are named that are trusted. Without a mode
    /// Caddy takes the strictest that can be had.
    pub(super) fn of(mode: Option<&str>, authority: bool, pinned: bool, place: Place) -> Self {
        let (auth, required) = match mode {
            Some("request") => (ClientAuth::Unverified, false),
            Some("require") => (ClientAuth::Unverified, true),
            Some("verify_if_given") => (ClientAuth::Optional, false),
            Some("require_and_verify") => (ClientAuth::Required, true),
            None if authority || pinned => (ClientAuth::Required, true),
            None => (ClientAuth::Unverified, true),
            Some(_) => (ClientAuth::Unknown, false),
        };
        // Certificates that are listed one by one are looked at in every mode.
        let auth = match auth {
            ClientAuth::Unverified if pinned && required => ClientAuth::Required,
            ClientAuth::Unverified if pinned => ClientAuth::Optional,
            auth => auth,
        };
        Self { handshake: Handshake { auth, required }, asks_at: Some(place) }
    }
}
