//! Kong: declarative configuration (`_format_version`), as decK and DB-less nodes take it, `kong.conf` with its variables in
//! Compose files and its lines in values of the Helm chart, and the objects of its Ingress Controller.
//!
//! What decides: of plugins with one name the most specific scope's holds; `mtls-auth` and `tls-handshake-modifier` ask
//! for certificates, and only `tls-metadata-headers` with `inject_client_cert_details` hands one on; plugins run in the
//! order of their priorities. See `kong/plugins` of Kong/kong and the plugins' reference at developer.konghq.com.

mod conf;
mod kubernetes;
mod plugins;
mod set;
mod ways;

use std::collections::{BTreeMap, BTreeSet};

use super::document::Source;
use super::evidence::Evidence;
use super::files::Files;
use super::hop::Cause;
use super::{Configuration, Detail, FrontEnd, Rule};
use conf::Conf;
use set::Set;

/// Kong.
#[derive(Debug)]
pub struct Kong;

impl FrontEnd for Kong {
    fn product(&self) -> &'static str {
        "kong"
    }

    fn recognises(&self, name: &str, text: &str) -> bool {
        is_declarative(text) || kubernetes::recognises(text) || conf::recognises(name, text)
    }

    fn lower(&self, files: &Files, own: &[u32]) -> Vec<Configuration> {
        let (declared, rest): (Vec<u32>, Vec<u32>) =
            own.iter().partition(|number| is_declarative(&files.get(**number).text));
        let (objects, settings): (Vec<u32>, Vec<u32>) =
            rest.into_iter().partition(|number| kubernetes::recognises(&files.get(*number).text));
        let sources: Vec<Source> = declared.iter().map(|number| Source::read(files, *number)).collect();
        let confs: Vec<Conf> = settings.iter().flat_map(|number| conf::read(files, *number)).collect();
        let mut used: BTreeSet<u32> = BTreeSet::new();
        let mut all = Vec::new();
        for members in together(files, &sources) {
            let set = Set::new(&members);
            if set.is_empty() {
                continue;
            }
            let conf = conf::belonging(files, &confs, &members.iter().map(|source| source.file).collect::<Vec<_>>());
            used.extend(conf.iter().map(|conf| conf.file));
            all.extend(ways::configurations(&set, conf, Evidence::of(files, &set.files).dpop));
        }
        let alone = confs.iter().filter(|conf| !used.contains(&conf.file));
        all.extend(alone.filter_map(ways::of_settings));
        all.extend(kubernetes::configurations(files, &objects));
        all
    }

    fn reason(&self, rule: Rule, cause: Cause) -> &'static str {
        match (rule, cause) {
            (Rule::Stripped, Cause::Removed) => "kong-transformer-removes-cert",
            (Rule::Stripped, Cause::NotApplied) => "kong-cert-metadata-not-injected",
            (Rule::Stripped, Cause::Wiped) => "kong-set-header-wiped",
            (Rule::Stripped, _) => "kong-client-cert-not-forwarded",
            (Rule::Spoofable, Cause::TrustsAll) => "kong-header-cert-insecure-source",
            (Rule::Spoofable, _) => "kong-cert-header-unguarded",
            (Rule::NotRequested, _) => "kong-cert-not-requested",
            (Rule::Malformed, _) => "kong-cert-malformed",
            (Rule::Weak, _) => "kong-cert-sha1-only",
            (Rule::Unverified, _) => "kong-cert-unverified",
            (Rule::DpopBroken, Cause::Consumed) => "kong-hide-credentials",
            (Rule::DpopBroken, Cause::NotListed) => "kong-cors-missing-dpop",
            (Rule::DpopBroken, Cause::Rewritten) => "kong-rewrite-htu",
            (Rule::DpopBroken, _) => "kong-transformer-removes-dpop",
            (Rule::Logged, _) => "kong-log-credentials",
        }
    }

    fn reason_in_detail(&self, rule: Rule, cause: Cause, _: Detail) -> &'static str {
        self.reason(rule, cause)
    }

    fn fix(&self, rule: Rule, cause: Cause, header: Option<&str>) -> String {
        let header = header.unwrap_or("X-Client-Cert");
        let text = match (rule, cause) {
            (Rule::Stripped | Rule::DpopBroken, Cause::Removed) => {
                return format!("Take {header} out of the transformer's lists.");
            }
            (Rule::Stripped, Cause::NotApplied) => "Write `inject_client_cert_details: true` in the plugin's config.",
            (Rule::Stripped, Cause::Wiped) => {
                "Write `nginx_location_proxy_set_header`: the location has settings of its own, which replace the server's."
            }
            (Rule::Stripped | Rule::Weak | Rule::Malformed, _) => {
                "Add the plugin tls-metadata-headers with `inject_client_cert_details: true` on the same scope."
            }
            (Rule::Spoofable, Cause::TrustsAll) => {
                "Write `secure_source: true`, and list the gateways in front in `trusted_ips` of kong.conf."
            }
            (Rule::Spoofable, _) => {
                return format!(
                    "Remove {header} on this route: `request-transformer` with `remove: {{ headers: [{header}] }}`."
                );
            }
            (Rule::NotRequested, _) => {
                "Add mtls-auth (which verifies) or tls-handshake-modifier (which only asks) on the same scope."
            }
            (Rule::Unverified, _) => "Use mtls-auth with `ca_certificates`, or `nginx_proxy_ssl_verify_client = on`.",
            (Rule::DpopBroken, Cause::Consumed) => {
                "Write `hide_credentials: false`, or let the plugin check the proof: `proof_of_possession_dpop: strict`."
            }
            (Rule::DpopBroken, Cause::NotListed) => {
                "List DPoP in `headers`, and DPoP-Nonce and WWW-Authenticate in `exposed_headers`."
            }
            (Rule::DpopBroken, Cause::Rewritten) => "Leave the method as the client sent it.",
            (Rule::DpopBroken, _) => return format!("Let the transformer leave {header} alone."),
            (Rule::Logged, _) => {
                "Write `custom_fields_by_lua: { request.headers.dpop: return nil }`, or leave header and variable out of fields and formats."
            }
        };
        text.to_owned()
    }
}

fn is_declarative(text: &str) -> bool {
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    has("_format_version") && (has("services") || has("routes") || has("plugins"))
}

/// The files that are one configuration: decK reads a folder as one. Files that name nothing outside of themselves may as
/// well stand for themselves, as examples do.
fn together<'a>(files: &Files, sources: &'a [Source]) -> Vec<Vec<&'a Source>> {
    let mut folders: BTreeMap<(Option<&str>, &str), Vec<&Source>> = BTreeMap::new();
    for source in sources {
        let text = files.get(source.file);
        let archive = text.origin.member.is_some().then_some(&*text.origin.path);
        let folder = text.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        folders.entry((archive, folder)).or_default().push(source);
    }
    let mut all = Vec::new();
    for members in folders.into_values() {
        if members.iter().any(|source| Set::new(&[*source]).leans_on_others()) {
            all.push(members);
        } else {
            all.extend(members.into_iter().map(|source| vec![source]));
        }
    }
    all
}
