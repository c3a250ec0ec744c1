//! Contour: its proxies with what they include, and what its own configuration says for all of them. All of it is turned
//! into the Envoy that Contour makes of it, and lowered as such.

mod proxy;
mod settings;

use std::collections::BTreeSet;

use proxy::Root;
use settings::Settings;

use super::envoy::made;
use super::files::Files;
use super::hop::Cause;
use super::{Configuration, Detail, FrontEnd, Rule};
use crate::config::graft::Graft;
use crate::config::kubernetes::{Manifests, Object, Objects};

/// The API group.
const GROUP: &[&str] = &["projectcontour.io"];

/// Contour.
pub struct Contour;

impl FrontEnd for Contour {
    fn product(&self) -> &'static str {
        "contour"
    }

    fn recognises(&self, _name: &str, text: &str) -> bool {
        let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
        has("kind") && (has("projectcontour.io/v1") || has("contour.yaml") && has("ConfigMap"))
            || has("configInline")
                && ["accesslog-format", "json-fields", "request-headers"].iter().any(|word| has(word))
    }

    fn lower(&self, files: &Files, own: &[u32]) -> Vec<Configuration> {
        let manifests = Manifests::read(files, own);
        let objects = manifests.objects(files);
        let settings = Settings::read(files, &manifests, &objects);
        let world = World { objects: &objects, settings: &settings, graft: Graft::new(files) };
        let roots: Vec<Object<'_>> = objects
            .of_kind(GROUP, "HTTPProxy")
            .filter(|proxy| proxy.spec().is_some_and(|spec| spec.get("virtualhost").is_some()))
            .collect();
        let mut all: Vec<Configuration> = roots.iter().map(|root| world.root(root)).collect();
        all.retain(|configuration| !configuration.hops.is_empty());
        all.extend(settings.alone(&world, &roots));
        all.extend(Configuration::unread(manifests.unread(&objects, GROUP)));
        all
    }

    fn reason(&self, rule: Rule, cause: Cause) -> &'static str {
        match (rule, cause) {
            (Rule::Spoofable, Cause::Conditional | Cause::ClientWins) => "contour-cert-header-overwrite-keeps-inbound",
            (Rule::Spoofable, _) => "contour-cert-header-unguarded",
            (Rule::Stripped, Cause::Removed | Cause::Consumed) => "contour-cert-header-removed",
            (Rule::Stripped, Cause::WrongProtocol) => "contour-tls-ends-at-tcpproxy",
            (Rule::Stripped, _) => "contour-client-cert-not-forwarded",
            (Rule::NotRequested, _) => "contour-client-cert-not-requested",
            (Rule::Malformed, _) => "contour-cert-malformed",
            (Rule::Weak, _) => "contour-cert-sha1-only",
            (Rule::Unverified, _) => "contour-skip-validation",
            (Rule::DpopBroken, Cause::Consumed) => "contour-jwt-not-forwarded",
            (Rule::DpopBroken, Cause::NotListed) => "contour-authorization-missing-dpop",
            (Rule::DpopBroken, Cause::Rewritten) => "contour-rewrite-htu",
            (Rule::DpopBroken, _) => "contour-dpop-removed",
            (Rule::Logged, _) => "contour-log-credentials",
        }
    }

    fn reason_in_detail(&self, rule: Rule, cause: Cause, detail: Detail) -> &'static str {
        match (rule, detail) {
            (Rule::DpopBroken, Detail::Cors) => "contour-cors-missing-dpop",
            _ => self.reason(rule, cause),
        }
    }

    fn fix(&self, rule: Rule, cause: Cause, header: Option<&str>) -> String {
        let header = header.unwrap_or("X-Forwarded-Client-Cert");
        let text = match (rule, cause) {
            (Rule::Stripped, Cause::Removed) => return format!("Take {header} out of requestHeadersPolicy.remove."),
            (Rule::Stripped, Cause::WrongProtocol) => {
                "Write routes in place of tcpproxy, or leave TLS to the upstream with `tls: { passthrough: true }`."
            }
            (Rule::Stripped, _) => "Write `forwardClientCertificate: { cert: true }` under clientValidation.",
            (Rule::Spoofable, _) => {
                return format!(
                    "List {header} under requestHeadersPolicy.remove, too: what is removed goes before what is set."
                );
            }
            (Rule::NotRequested, _) => "Write `clientValidation: { caSecret: … }` under virtualhost.tls.",
            (Rule::Malformed | Rule::Weak, _) => {
                "Write `forwardClientCertificate: { cert: true }` in place of a header of your own."
            }
            (Rule::Unverified, _) => "Take skipClientCertValidation out, and name the authority in caSecret.",
            (Rule::DpopBroken, Cause::Consumed) => "Write `forwardJWT: true` in the provider.",
            (Rule::DpopBroken, Cause::NotListed) => {
                "List DPoP beside Authorization: in allowedAuthorizationHeaders, or in allowHeaders with DPoP-Nonce in exposeHeaders."
            }
            (Rule::DpopBroken, Cause::Rewritten) => {
                "Keep host and path, or tell the upstream: set X-Forwarded-Host and X-Forwarded-Prefix in requestHeadersPolicy."
            }
            (Rule::DpopBroken, _) => return format!("Take {header} out of requestHeadersPolicy."),
            (Rule::Logged, _) => "Take the credential out of the format or the fields of the access log.",
        };
        text.to_owned()
    }
}

/// Everything that was read.
struct World<'a> {
    objects: &'a Objects<'a>,
    settings: &'a Settings<'a>,
    graft: Graft,
}

impl<'a> World<'a> {
    fn root(&self, root: &Object<'a>) -> Configuration {
        let mut files: BTreeSet<u32> = BTreeSet::from([root.at.file]);
        let around = self.settings.around(self, root.at.file);
        files.extend(around.iter().map(|one| one.file));
        let mut root = Root::new(self, *root, around);
        let listeners = root.listeners();
        files.extend(root.files.iter().copied());
        let mut configuration = made::lower(&self.graft, listeners);
        configuration.complete = root.whole && configuration.holes.is_empty();
        configuration.files = files.into_iter().collect();
        configuration
    }
}
