//! Gateways that ask for no certificate beside an issuer that binds tokens to certificates: somewhere the proof can't be
//! checked. Said only where little else can be meant: the gateway lies in the same part of the tree, ends TLS, speaks of
//! tokens, and nothing around it asks, lets TLS through, or was left unread.

use std::collections::BTreeMap;

use super::checks::{Detail, Fault};
use super::evidence::Evidence;
use super::files::Files;
use super::hop::{Cause, ClientAuth, Hop, Protocol};
use super::rule::Rule;
use super::{Configuration, FrontEnd};
use crate::config::CertificateBound;
use crate::finding::Severity;

/// So many clients are named.
const NAMED: usize = 4;

/// What is wrong, by the number of the configuration.
pub(super) fn check<'a>(
    files: &Files,
    lowered: &'a [(&'static dyn FrontEnd, Configuration)],
    bound: &[CertificateBound],
) -> BTreeMap<usize, Fault<'a>> {
    let mut found: BTreeMap<usize, Fault<'a>> = BTreeMap::new();
    let mut issuers: BTreeMap<u32, Vec<&CertificateBound>> = BTreeMap::new();
    for client in bound {
        issuers.entry(client.place.file).or_default().push(client);
    }
    for (file, clients) in issuers {
        let tree = tree(files.get(file).path());
        let near = |number: &u32| {
            let (one, other) = (&files.get(*number).origin, &files.get(file).origin);
            let together = match (&one.member, &other.member) {
                (None, None) => true,
                (Some(_), Some(_)) => one.path == other.path,
                _ => false,
            };
            together && one.name().starts_with(tree)
        };
        let around = || lowered.iter().enumerate().filter(|(_, (_, one))| one.files.iter().any(near));
        if around().any(|(_, (_, one))| !asks_nobody(one)) {
            continue;
        }
        for (number, (_, configuration)) in around() {
            let Some(hop) = configuration.hops.iter().find(|hop| serves(hop)) else { continue };
            if !Evidence::of(files, &configuration.files).any() {
                continue;
            }
            let related = clients.iter().take(NAMED);
            let related = related
                .map(|client| (client.place, format!("{} binds the tokens of {}", client.setting, client.client)));
            let fault = found.entry(number).or_insert_with(|| Fault {
                rule: Rule::NotRequested,
                severity: Severity::Medium,
                cause: Cause::Untouched,
                hop,
                header: None,
                place: hop.upstream.place,
                related: Vec::new(),
                detail: Detail::Bound,
            });
            fault.related.extend(related);
        }
    }
    found
}

/// The part of the tree that a file belongs to: what lies beside its folder, or beside itself at the top.
fn tree(path: &str) -> &str {
    let folder = path.rfind('/').map_or("", |at| &path[..at]);
    folder.rfind('/').map_or("", |at| &path[..=at])
}

/// Whether it is sure that no certificate gets in here, for a backend to see or for the gateway to check.
fn asks_nobody(configuration: &Configuration) -> bool {
    let none = |hop: &Hop| {
        hop.listener.auth == ClientAuth::Off
            && hop.listener.in_vain.is_none()
            && !hop.listener.inner
            && hop.carriers.is_empty()
            && hop.upstream.protocol != Protocol::Passthrough
    };
    configuration.complete && configuration.trusted.is_empty() && configuration.hops.iter().all(none)
}

/// Whether tokens may come this way.
fn serves(hop: &Hop) -> bool {
    hop.listener.tls && matches!(hop.upstream.protocol, Protocol::Http | Protocol::Grpc | Protocol::Gateway)
}
