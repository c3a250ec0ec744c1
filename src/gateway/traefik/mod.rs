//! Traefik: static and dynamic configuration in YAML and TOML, what Compose files say in commands and labels, and its objects
//! in Kubernetes with what Helm's values and the arguments of its container say.

mod chart;
mod crd;
mod middleware;
mod point;
mod set;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use super::document::Source;
use super::files::Files;
use super::hop::Cause;
use super::{Configuration, Detail, FrontEnd, Rule};
use set::Set;
use source::read;

/// The header of the certificate, and that of what is told of it.
const PEM: &str = "x-forwarded-tls-client-cert";
const INFO: &str = "x-forwarded-tls-client-cert-info";
/// How deep chains of middlewares and services may go.
const DEEP: usize = 8;
/// More ways are not looked at.
const MOST: usize = 4096;

/// Traefik.
pub struct Traefik;

impl FrontEnd for Traefik {
    fn product(&self) -> &'static str {
        "traefik"
    }

    fn recognises(&self, name: &str, text: &str) -> bool {
        let bytes = text.as_bytes();
        let has = |word: &str| memchr::memmem::find(bytes, word.as_bytes()).is_some();
        let toml = name.ends_with(".toml");
        if crd::recognises(text) {
            return true;
        }
        if !toml && (has("apiVersion:") || text.trim_start().starts_with('<')) {
            return false;
        }
        let labels = has("traefik.http.")
            || has("traefik.tcp.")
            || has("--entrypoints.")
            || has("--entryPoints.")
            || has("TRAEFIK_ENTRYPOINTS_")
            || has("--accesslog")
            || has("TRAEFIK_ACCESSLOG");
        let fixed = (has("entryPoints") || has("entrypoints"))
            && (has("address") || has("rule") || has("providers"))
            && !has("\"entrypoints\":");
        let routers =
            has("routers") && has("rule") && (has("Host(") || has("HostSNI(") || has("PathPrefix(") || has("Path("));
        let options = has("clientAuthType") || has("passTLSClientCert") || has("clientAuth") && has("caFiles");
        labels && has("services:") || fixed || routers || options && has("options") || has("passTLSClientCert")
    }

    fn lower(&self, files: &Files, own: &[u32]) -> Vec<Configuration> {
        let (cluster, own): (Vec<u32>, Vec<u32>) =
            own.iter().copied().partition(|number| crd::recognises(&files.get(*number).text));
        let read: Vec<Source> = own.iter().map(|number| read(files, *number)).collect();
        let fixed: Vec<&Source> = read.iter().filter(|source| source.is_static()).collect();
        let mut all: Vec<Configuration> = crd::groups(files, &cluster, &fixed)
            .iter()
            .map(|group| Set::new(&group.sources.iter().collect::<Vec<_>>(), group.whole).configuration())
            .collect();
        let mut taken: BTreeSet<u32> = BTreeSet::new();
        let folder = |number: u32| files.get(number).path().rsplit_once('/').map_or("", |(folder, _)| folder);
        for source in read.iter().filter(|source| source.is_static()) {
            let mut members: Vec<&Source> = vec![source];
            let named = source.provided();
            let reads = !named.is_empty() || source.roots().all(|at| at.get("providers").is_none());
            let mut found: BTreeSet<u32> = BTreeSet::new();
            for pattern in named.iter().flat_map(|path| [path.clone(), format!("{path}/*"), format!("{path}/**/*")]) {
                found.extend(files.resolve(source.file, source.file, &pattern));
            }
            let beside = |other: &&Source| {
                let (here, there) = (folder(source.file), folder(other.file));
                here == there || there.strip_prefix(here).is_some_and(|rest| here.is_empty() || rest.starts_with('/'))
            };
            let others = read.iter().filter(|other| other.file != source.file && !other.is_static());
            let by_name: Vec<&Source> = others.clone().filter(|other| found.contains(&other.file)).collect();
            // Paths inside containers name nothing here: what lies beside it is meant.
            let rest = others.filter(|_| reads).filter(beside);
            members.extend(if by_name.is_empty() { rest.collect() } else { by_name });
            taken.extend(members.iter().map(|member| member.file));
            all.push(Set::new(&members, true).configuration());
        }
        let mut rest: BTreeMap<&str, Vec<&Source>> = BTreeMap::new();
        for source in read.iter().filter(|source| !taken.contains(&source.file)) {
            rest.entry(folder(source.file)).or_default().push(source);
        }
        all.extend(rest.values().map(|members| Set::new(members, false).configuration()));
        all
    }

    fn reason(&self, rule: Rule, cause: Cause) -> &'static str {
        match (rule, cause) {
            (Rule::Spoofable, Cause::TrustsAll) => "traefik-forwarded-headers-insecure",
            (Rule::Spoofable, Cause::Alias) => "traefik-underscore-headers",
            (Rule::Spoofable, _) => "traefik-cert-header-unguarded",
            (Rule::Stripped, Cause::Removed) => "traefik-cert-header-removed",
            (Rule::Stripped, _) => "traefik-client-cert-not-passed",
            (Rule::NotRequested, Cause::Fallback) => "traefik-tls-option-no-host",
            (Rule::NotRequested, Cause::NotApplied) => "traefik-tls-option-unreferenced",
            (Rule::NotRequested, _) => "traefik-client-cert-not-requested",
            (Rule::Malformed, _) => "traefik-cert-malformed",
            (Rule::Weak, _) => "traefik-cert-info-only",
            (Rule::Unverified, _) => "traefik-request-unverified",
            (Rule::DpopBroken, Cause::Rewritten) => "traefik-rewrite-htu",
            (Rule::DpopBroken, Cause::NotListed) => "traefik-cors-missing-dpop",
            (Rule::DpopBroken, _) => "traefik-dpop-removed",
            (Rule::Logged, _) => "traefik-accesslog-credentials",
        }
    }

    fn reason_in_detail(&self, rule: Rule, cause: Cause, detail: Detail) -> &'static str {
        match (rule, detail) {
            (Rule::DpopBroken, Detail::Consulted) => "traefik-forwardauth-missing-dpop",
            _ => self.reason(rule, cause),
        }
    }

    fn fix(&self, rule: Rule, cause: Cause, header: Option<&str>) -> String {
        let header = header.unwrap_or("X-Forwarded-Tls-Client-Cert");
        let text = match (rule, cause) {
            (Rule::Stripped, Cause::Removed) => return format!("Take {header} out of customRequestHeaders."),
            (Rule::Stripped, _) => "Give the router a middleware with `passTLSClientCert: { pem: true }`.",
            (Rule::Spoofable, Cause::TrustsAll) => "List gateways in forwardedHeaders.trustedIPs, without `insecure`.",
            (Rule::Spoofable, _) => return format!("Clear it here: `customRequestHeaders: {{ {header}: \"\" }}`."),
            (Rule::NotRequested, Cause::Fallback) => {
                "Begin the rule with Host(`…`): TLS options are chosen by the name."
            }
            (Rule::NotRequested, Cause::NotApplied) => "Write `tls: { options: NAME }` in the router.",
            (Rule::NotRequested, _) => "Write clientAuth with caFiles in the TLS options of the router.",
            (Rule::Malformed | Rule::Weak, _) => "Write `passTLSClientCert: { pem: true }`.",
            (Rule::Unverified, _) => "Write `clientAuthType: RequireAndVerifyClientCert` with caFiles.",
            (Rule::DpopBroken, Cause::NotListed) => "List DPoP where Authorization is listed, and expose DPoP-Nonce.",
            (Rule::DpopBroken, Cause::Rewritten) => {
                "Keep the path, or use stripPrefix, which sends X-Forwarded-Prefix."
            }
            (Rule::DpopBroken, _) => return format!("Take {header} out of customRequestHeaders or of removeHeader."),
            (Rule::Logged, _) => "Write `fields: { headers: { names: { Authorization: drop, DPoP: drop } } }`.",
        };
        text.to_owned()
    }
}
