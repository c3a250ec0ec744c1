//! The gateway audit: does the resource server still see the proof? Pure: texts in, findings out.
//!
//! Every product is a front end that lowers its configuration to hops (`hop`); the checks (`checks`) read hops and know
//! no product. A product's own names for what went wrong, and how to mend it, come from its front end.

mod abroad;
pub mod apache;
pub mod apisix;
pub mod aws;
pub mod azure;
pub mod caddy;
mod checks;
mod cloud;
pub mod contour;
mod controller;
mod document;
pub mod envoy;
pub mod envoy_gateway;
mod evidence;
pub mod gateway_api;
pub mod gcp;
pub mod haproxy;
pub mod haproxy_ingress;
pub mod hop;
mod ingress;
pub mod ingress_nginx;
pub mod istio;
pub mod kong;
pub mod krakend;
mod matched;
pub mod nginx;
pub mod nginx_fabric;
pub mod nginx_ingress;
mod paths;
mod rule;
mod run;
mod sheet;
mod speakers;
pub mod spring;
pub mod traefik;
mod trusted;
pub mod tyk;
mod unasked;
mod variables;
mod words;

use std::collections::{BTreeMap, BTreeSet};

pub use checks::Detail;
use files::Files;
use hop::{Cause, Hop, Place};
pub use rule::Rule;

pub use crate::config::files;
use crate::config::tree;
use crate::config::{Audit, CertificateBound, compose, estate, kubernetes, kustomize};
use crate::finding::{Confidence, Finding, HopRecord, Related, Severity};
use crate::policy::Policy;

/// How many places that could not be read for the same reason are named.
const HOLES: usize = 3;

/// All front ends.
pub static FRONT_ENDS: &[&dyn FrontEnd] = &[
    &apache::Apache,
    &apisix::Apisix,
    &aws::Aws,
    &azure::Azure,
    &caddy::Caddy,
    &contour::Contour,
    &envoy::Envoy,
    &envoy_gateway::EnvoyGateway,
    &gateway_api::GatewayApi,
    &gcp::Gcp,
    &haproxy::Haproxy,
    &haproxy_ingress::HaproxyIngress,
    &ingress_nginx::IngressNginx,
    &istio::Istio,
    &kong::Kong,
    &krakend::Krakend,
    &nginx::Nginx,
    &nginx_fabric::NginxFabric,
    &nginx_ingress::NginxIngress,
    &spring::Spring,
    &traefik::Traefik,
    &tyk::Tyk,
];

/// A product: how its configuration is told, read, and mended.
pub trait FrontEnd: Sync {
    /// Its name in the record: `nginx`.
    fn product(&self) -> &'static str;

    /// Whether a text is configuration of this product. `name` is its path, with `/`. Told by content first: a name
    /// alone is no proof, and any folder will do.
    fn recognises(&self, name: &str, text: &str) -> bool;

    /// Whether it reads code rather than configuration alone.
    fn reads_code(&self) -> bool {
        false
    }

    /// Reads the texts that were recognised (`own`, by number in `files`), each with whatever it includes, and lowers
    /// them to hops. What can't be read becomes a hole; the rest is still lowered.
    fn lower(&self, files: &Files, own: &[u32]) -> Vec<Configuration>;

    /// The product's own slug for what is wrong, such as `nginx-set-header-inheritance-wipe`; it goes into the record.
    fn reason(&self, rule: Rule, cause: Cause) -> &'static str;

    /// The same where the product has several slugs, one for each header, form or part of the target.
    fn reason_in_detail(&self, rule: Rule, cause: Cause, _detail: Detail) -> &'static str {
        self.reason(rule, cause)
    }

    /// What to do about it in this product: one or two sentences with the directive to write.
    fn fix(&self, rule: Rule, cause: Cause, header: Option<&str>) -> String;
}

/// A configuration: one file with all that it includes, or files that name each other.
#[derive(Debug, Clone, Default)]
pub struct Configuration {
    /// The files it was read from, by number.
    pub files: Vec<u32>,
    /// All ways through it.
    pub hops: Vec<Hop>,
    /// What could not be read.
    pub holes: Vec<Hole>,
    /// Headers that somebody is known to trust though nothing here fills them, lower case.
    pub trusted: Vec<String>,
    /// Nothing is missing that could ask for certificates or fill headers: what is not seen here is not there.
    pub complete: bool,
}

impl Configuration {
    /// A configuration of which nothing is known but what could not be read, if there is any.
    fn unread(holes: Vec<(Place, String)>) -> Option<Self> {
        let holes: Vec<Hole> = holes.into_iter().map(|(place, reason)| Hole { place, reason }).collect();
        (!holes.is_empty()).then(|| Self { holes, ..Self::default() })
    }
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hole {
    /// Where.
    pub place: Place,
    /// Why.
    pub reason: String,
}

/// Whether a text may be worth keeping for the audit: it is configuration, or may be included by some.
pub fn is_candidate(name: &str, bytes: &[u8]) -> bool {
    // Of XML there is much, and policies alone are configuration.
    if name.ends_with(".xml") && memchr::memmem::find(bytes, b"<policies").is_none() {
        return false;
    }
    let holds = |word: &str| memchr::memmem::find(bytes, word.as_bytes()).is_some();
    if is_code(name) && !holds("Filter") && !holds("springframework.cloud.gateway") {
        return false;
    }
    let text = String::from_utf8_lossy(bytes);
    // What a product's code refers to stands in files that name no product.
    estate::is_candidate(name, &text)
        || compose::mounts_files(name, &text)
        || kustomize::is_part(name, &text)
        || krakend::may_be_part(name, &text)
        || FRONT_ENDS.iter().any(|front_end| is_read_by(*front_end, name, &text))
}

/// Whether a text that is no configuration may say who listens behind a name that some configuration uses, or what
/// somebody there wants of requests.
pub fn is_beside(name: &str, bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| {
        kubernetes::may_hold_pods(name, text) || kubernetes::stands_for_a_host(text) || speakers::may_speak(name, text)
    })
}

/// Whether a front end reads a text. Code is no configuration; few front ends know what to look for in it.
fn is_read_by(front_end: &dyn FrontEnd, name: &str, text: &str) -> bool {
    (front_end.reads_code() || !is_code(name)) && front_end.recognises(name, text)
}

/// Whether a name is that of a program's text.
fn is_code(name: &str) -> bool {
    name.ends_with(".java") || name.ends_with(".kt")
}

/// Whether a file of that name can be configuration at all; by name only, before anything is read.
pub fn may_be_configuration(name: &str) -> bool {
    const ENDINGS: &[&str] = &[
        "conf",
        "cfg",
        "cnf",
        "yaml",
        "yml",
        "json",
        "toml",
        "vhost",
        "nginx",
        "template",
        "tmpl",
        "tpl",
        "j2",
        "inc",
        "include",
        "caddy",
        "caddyfile",
        "htaccess",
        "params",
        "properties",
        "erb",
        "in",
        "snippet",
        "default",
        "dist",
        "sample",
        "example",
        "tf",
        "bicep",
        "tofu",
        "tfvars",
        "txt",
        "dump",
        "disabled",
        "enabled",
        "site",
        "map",
        "lst",
        "list",
        "xml",
        "java",
        "kt",
    ];
    let file = name.rsplit('/').next().unwrap_or(name);
    match file.rsplit_once('.') {
        // `sites-enabled/api.example.com`: an ending that is none.
        Some((stem, ending)) => {
            let ending = ending.to_ascii_lowercase();
            ENDINGS.contains(&ending.as_str())
                || file.starts_with("Caddyfile")
                || file.starts_with("nginx.conf")
                || (!stem.is_empty() && in_sites(name))
        }
        None => true,
    }
}

/// Whether the path is that of a folder of virtual hosts, whose files have any name.
fn in_sites(name: &str) -> bool {
    name.split('/').any(|part| matches!(part, "sites-enabled" | "sites-available" | "vhosts.d" | "vhost.d" | "conf.d"))
}

/// Lowers what was recognised, product by product.
pub fn lower(files: &Files) -> Vec<(&'static dyn FrontEnd, Configuration)> {
    FRONT_ENDS
        .iter()
        .flat_map(|front_end| {
            let own: Vec<u32> = files
                .iter()
                .filter(|(_, text)| !text.is_superseded() && is_read_by(*front_end, text.path(), &text.text))
                .map(|(number, _)| number)
                .collect();
            let lowered = if own.is_empty() { Vec::new() } else { front_end.lower(files, &own) };
            lowered.into_iter().map(|configuration| (*front_end, configuration))
        })
        .collect()
}

/// All ways from clients to what is no gateway of the scan: through several gateways as one hop where one leads to another.
pub fn ways(files: &Files) -> Vec<Hop> {
    let lowered = lower(files);
    paths::Paths::follow(files, &lowered).ways(&lowered)
}

/// Audits all texts. `safe` makes a text fit to be printed.
pub fn audit(files: &Files, policy: &Policy, safe: &dyn Fn(&str) -> String) -> Audit {
    audit_beside(files, &[], policy, safe)
}

/// The same beside what issuers say: `bound` are the clients whose tokens are bound to their certificates.
pub fn audit_beside(
    files: &Files,
    bound: &[CertificateBound],
    policy: &Policy,
    safe: &dyn Fn(&str) -> String,
) -> Audit {
    let mut audit = Audit::default();
    // What is applied counts, not what it is made of.
    let built = kustomize::build(files);
    let files = built.as_ref().map_or(files, |built| &built.files);
    // One finding a rule, a reason and a place, however many hops show it.
    let mut found: BTreeMap<(Place, Rule, &'static str, Option<String>), Finding> = BTreeMap::new();
    // What a hundred files lack alike is said once.
    let mut holes: BTreeMap<(&'static str, String), BTreeSet<Place>> = BTreeMap::new();
    for (place, reason) in built.iter().flat_map(|built| &built.holes) {
        holes.entry(("kustomize", reason.clone())).or_default().insert(*place);
    }
    let lowered = lower(files);
    let speakers = speakers::Speakers::of(files);
    let mut unasked = unasked::check(files, &lowered, bound);
    let mut faults = Vec::new();
    for (number, (front_end, configuration)) in lowered.iter().enumerate() {
        for hole in &configuration.holes {
            holes.entry((front_end.product(), hole.reason.clone())).or_default().insert(files.original(hole.place));
        }
        let mut evidence = evidence::Evidence::of(files, &configuration.files);
        evidence.dpop |= speakers.are_behind(configuration);
        let mut own = checks::check(&configuration.hops, &configuration.trusted, configuration.complete, evidence);
        own.extend(unasked.remove(&number));
        faults.push(own);
    }
    let paths = paths::Paths::follow(files, &lowered);
    if let Some(place) = paths.stopped {
        let reason = "there are more ways through several gateways than are followed";
        holes.entry(("paths", reason.to_owned())).or_default().insert(place);
    }
    for told in paths.judge(files, &lowered, faults) {
        let fault = &told.fault;
        let front_end = lowered[told.configuration].0;
        let Some(severity) = policy.severity_of(fault.rule.slug(), fault.severity) else { continue };
        let reason = front_end.reason_in_detail(fault.rule, fault.cause, fault.detail);
        let key = (files.original(fault.place), fault.rule, reason, fault.header.clone());
        match found.get_mut(&key) {
            Some(known) => {
                known.occurrences += 1;
                known.severity = known.severity.max(severity);
            }
            None => {
                let finding = finding(&told, severity, reason, front_end, files, safe);
                found.insert(key, finding);
            }
        }
    }
    audit.findings = found.into_values().collect();
    for ((product, reason), places) in holes {
        let more = places.len().saturating_sub(HOLES);
        for (number, place) in places.into_iter().take(HOLES).enumerate() {
            let mut row = files.unparsed(place, product, &reason);
            if more > 0 && number + 1 == HOLES {
                row.reason += &format!(" (and in {more} more places)");
            }
            audit.coverage.push(row);
        }
    }
    audit.coverage.sort();
    audit.coverage.dedup();
    audit
}

fn finding(
    told: &paths::Told<'_>,
    severity: Severity,
    reason: &'static str,
    front_end: &dyn FrontEnd,
    files: &Files,
    safe: &dyn Fn(&str) -> String,
) -> Finding {
    let fault = &told.fault;
    let hop = fault.hop;
    let mut because: Vec<String> = words::because(fault);
    if !told.path.is_empty() {
        because.push(format!("the way is {} → {}", told.path.join(" → "), hop.upstream.label));
    }
    because.extend(told.note.clone());
    let header = fault.header.as_deref().map(words::written);
    let fix = told.fix.clone().unwrap_or_else(|| front_end.fix(fault.rule, fault.cause, header.as_deref()));
    let mut related: Vec<Related> = Vec::new();
    for (place, message) in &fault.related {
        let row = files.related(*place, message.clone(), safe);
        if !related.contains(&row) {
            related.push(row);
        }
    }
    Finding {
        rule: fault.rule.slug(),
        family: None,
        severity,
        confidence: Confidence::High,
        message: safe(&words::message(fault)),
        faults: vec![fault.rule.slug()],
        location: files.location(fault.place, safe),
        related,
        occurrences: 1,
        carrier: "configuration",
        token: None,
        key: None,
        hop: Some(HopRecord {
            gateway: front_end.product(),
            listener: safe(&hop.listener.label),
            route: safe(&hop.route.label),
            upstream: safe(&hop.upstream.label),
            header: header.as_deref().map(safe),
            path: told.path.iter().map(|name| safe(name)).collect(),
        }),
        issuer: None,
        reason: Some(reason),
        because: because.iter().map(|text| safe(text)).collect(),
        fix: safe(&fix),
    }
}
