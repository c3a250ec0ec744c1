//! APISIX: the standalone `apisix.yaml`, what ADC keeps, bodies for its Admin API, `config.yaml`, and the
//! objects of its Ingress Controller.
//!
//! What decides: an `ssl` object with `client.ca` demands certificates for its names, but not for the paths in
//! `skip_mtls_uri_regex`; nothing is handed on but what `proxy-rewrite` sets from nginx's variables; a route's plugins take
//! the place of its service's. See `apisix/init.lua`, `apisix/plugins/proxy-rewrite.lua` and `apisix/utils/log-util.lua` of
//! apache/apisix.

mod kubernetes;
mod plugins;
mod set;
mod ways;

use super::document::Source;
use super::files::Files;
use super::hop::Cause;
use super::tree::At;
use super::{Configuration, Detail, FrontEnd, Rule};
use set::Set;

/// APISIX.
#[derive(Debug)]
pub struct Apisix;

impl FrontEnd for Apisix {
    fn product(&self) -> &'static str {
        "apisix"
    }

    fn recognises(&self, _: &str, text: &str) -> bool {
        is_declared(text) || is_settings(text) || is_certificate(text) || kubernetes::recognises(text)
    }

    fn lower(&self, files: &Files, own: &[u32]) -> Vec<Configuration> {
        let (objects, own): (Vec<u32>, Vec<u32>) =
            own.iter().partition(|number| kubernetes::recognises(&files.get(**number).text));
        let sources: Vec<Source> = own.iter().map(|number| Source::read(files, *number)).collect();
        let settings: Vec<At<'_>> =
            sources.iter().flat_map(Source::roots).filter(|root| root.get("apisix").is_some()).collect();
        let certificates: Vec<At<'_>> = sources.iter().flat_map(Source::roots).filter(|at| set::is_ssl(*at)).collect();
        let mut all = Vec::new();
        let mut used = Vec::new();
        for source in &sources {
            let mut set = Set::new(source);
            if set.sent {
                let beside = certificates.iter().filter(|at| at.file != source.file);
                set.ssls.extend(beside.filter(|at| folder(files, at.file) == folder(files, source.file)));
            }
            if set.is_empty() {
                continue;
            }
            let near = settings_of(files, &settings, source.file);
            used.extend(near.map(|at| at.file));
            all.push(ways::configuration(&set, near));
        }
        all.extend(settings.iter().filter(|at| !used.contains(&at.file)).filter_map(|at| ways::of_settings(*at)));
        all.extend(kubernetes::configurations(files, &objects));
        all
    }

    fn reason(&self, rule: Rule, cause: Cause) -> &'static str {
        match (rule, cause) {
            (Rule::Stripped, Cause::Removed) => "apisix-cert-header-removed",
            (Rule::Stripped, _) => "apisix-client-cert-not-forwarded",
            (Rule::Spoofable, Cause::Appended) => "apisix-cert-header-add",
            (Rule::Spoofable, Cause::Alias) => "apisix-underscore-headers",
            (Rule::Spoofable, _) => "apisix-cert-header-unguarded",
            (Rule::NotRequested, _) => "apisix-cert-not-requested",
            (Rule::Malformed, _) => "apisix-cert-malformed",
            (Rule::Weak, _) => "apisix-cert-sha1-only",
            (Rule::Unverified, _) => "apisix-mtls-skip-regex",
            (Rule::DpopBroken, Cause::NotListed) => "apisix-cors-missing-dpop",
            (Rule::DpopBroken, Cause::Rewritten) => "apisix-rewrite-htu",
            (Rule::DpopBroken, Cause::Consumed) => "apisix-hide-credentials",
            (Rule::DpopBroken, _) => "apisix-dpop-removed",
            (Rule::Logged, _) => "apisix-log-credentials",
        }
    }

    fn reason_in_detail(&self, rule: Rule, cause: Cause, detail: Detail) -> &'static str {
        match (rule, detail) {
            (Rule::DpopBroken, Detail::Consulted) => "apisix-forward-auth-missing-dpop",
            _ => self.reason(rule, cause),
        }
    }

    fn fix(&self, rule: Rule, cause: Cause, header: Option<&str>) -> String {
        let header = header.unwrap_or("X-SSL-Cert");
        let text = match (rule, cause) {
            (Rule::Stripped | Rule::DpopBroken, Cause::Removed) => {
                return format!("Take {header} out of `headers.remove` of proxy-rewrite.");
            }
            (Rule::Stripped | Rule::Weak | Rule::Malformed, _) => {
                "Write `proxy-rewrite: { headers: { set: { X-SSL-Cert: $ssl_client_escaped_cert } } }` on the route."
            }
            (Rule::Spoofable, Cause::Appended) => {
                return format!(
                    "Write {header} under `headers.set` of proxy-rewrite, which overwrites what clients send."
                );
            }
            (Rule::Spoofable, Cause::Alias) => "Write `underscores_in_headers: \"off\"` under nginx_config.http.",
            (Rule::Spoofable, _) => {
                return format!("Write `proxy-rewrite: {{ headers: {{ remove: [{header}] }} }}` on this route.");
            }
            (Rule::NotRequested, _) => "Write `client: { ca: … }` in the ssl object of this name.",
            (Rule::Unverified, _) => {
                "Take the pattern out of `skip_mtls_uri_regex`, or serve those paths under another name."
            }
            (Rule::DpopBroken, Cause::NotListed) => {
                "List DPoP where Authorization is listed, and expose DPoP-Nonce and WWW-Authenticate."
            }
            (Rule::DpopBroken, Cause::Rewritten) => {
                "Keep method and path, or set X-Forwarded-Prefix to what was taken off."
            }
            (Rule::DpopBroken, Cause::Consumed) => "Write `hide_credentials: false`.",
            (Rule::DpopBroken, _) => return format!("Let proxy-rewrite leave {header} alone."),
            (Rule::Logged, _) => "Write a `log_format` without credentials, or mask the headers with data-mask.",
        };
        text.to_owned()
    }
}

fn is_declared(text: &str) -> bool {
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    if !has("upstream") || has("apiVersion:") || has("_format_version") || has("resource \"") {
        return false;
    }
    let routes = has("routes") || has("uri");
    routes && (has("nodes") || has("upstream_id") || has("service_id")) && (has("uri") || has("plugins"))
}

fn is_settings(text: &str) -> bool {
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    has("apisix:") && has("nginx_config:") && !has("apiVersion:")
}

/// A certificate that is sent to the Admin API, and asks clients for theirs.
fn is_certificate(text: &str) -> bool {
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    (has("\"snis\"") || has("\"sni\""))
        && has("\"client\"")
        && has("\"ca\"")
        && has("\"key\"")
        && !has("_format_version")
}

fn folder(files: &Files, file: u32) -> &str {
    files.get(file).path().rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The `config.yaml` of the node that reads a file: the one beside it, or the only one.
fn settings_of<'a>(files: &Files, settings: &[At<'a>], file: u32) -> Option<At<'a>> {
    let here = folder(files, file);
    let beside: Vec<At<'a>> = settings.iter().filter(|at| folder(files, at.file) == here).copied().collect();
    match (beside.as_slice(), settings) {
        ([one], _) | ([], [one]) => Some(*one),
        _ => None,
    }
}
