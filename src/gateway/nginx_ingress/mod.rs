//! NGINX Ingress Controller of F5 (`nginx.org/*`): VirtualServers and VirtualServerRoutes with their Policies, Ingresses with
//! its annotations, its ConfigMap, Helm values.
//!
//! The controller writes a configuration for nginx, and so does this front end (`render.rs`); what nginx then does, snippets
//! included, is decided by the nginx front end. A Policy with `ingressMTLS` asks for certificates and passes nothing of them
//! on; headers that a snippet sets for the server are wiped out, since every location sets some of its own.

mod render;

use std::collections::{BTreeMap, BTreeSet};

use super::controller::{self, Chart};
use super::files::{Files, folder};
use super::hop::Cause;
use super::ingress::{self, Ingress};
use super::rule::Rule;
use super::sheet::Sheet;
use super::tree::At;
use super::{Configuration, Detail, FrontEnd, Hole, trusted};
use crate::config::kubernetes::{self, ByFile, Manifests, Object};
use render::{GROUP, Writer, is_annotated};

/// What its annotations begin with.
const PREFIXES: &[&str] = &["nginx.org/", "nginx.com/"];
/// Settings of the controller that no other one has.
const SETTINGS: [&str; 5] =
    ["http-snippets", "server-snippets", "location-snippets", "main-snippets", "log-format-escaping"];

/// NGINX Ingress Controller.
#[derive(Debug)]
pub struct NginxIngress;

impl FrontEnd for NginxIngress {
    fn product(&self) -> &'static str {
        "nginx-ingress-controller"
    }

    fn recognises(&self, _name: &str, text: &str) -> bool {
        let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
        let objects = has("k8s.nginx.org/") || has("nginx.org/") && has("Ingress");
        let place = || has("ConfigMap") || has("controller") && has("entries");
        objects && kubernetes::may_hold_objects(text)
            || (SETTINGS.iter().any(|setting| has(setting)) || has("log-format:") && has("$request")) && place()
    }

    fn lower(&self, files: &Files, own: &[u32]) -> Vec<Configuration> {
        let manifests = Manifests::read(files, own);
        let objects = manifests.objects(files);
        let is_own = |key: &str, at: At<'_>| {
            let format = key == "log-format" && at.text().is_some_and(|text| text.contains("$request"));
            SETTINGS.contains(&key) || format
        };
        let controllers =
            controller::all(&manifests, &objects, &is_own, Chart { config: &["config", "entries"], own: &[] });
        let ingresses = ingress::all(files, &objects, PREFIXES, is_annotated);
        let ingresses = ByFile::new(ingresses.iter().map(|ingress| (ingress.object.at.file, ingress)));
        let servers = objects.of_kind(GROUP, "VirtualServer");
        let servers: ByFile<Object<'_>> = ByFile::new(servers.map(|object| (object.at.file, object)));
        let holes = |numbers: &BTreeSet<u32>| -> Vec<Hole> {
            let own = manifests.holes().iter().filter(|(place, _)| numbers.contains(&place.file));
            own.map(|(place, reason)| Hole { place: *place, reason: reason.clone() }).collect()
        };
        let mut all = Vec::new();
        let mut used = BTreeSet::new();
        for environment in objects.environments() {
            let controller = controllers.of(&objects, &environment);
            let writer = Writer { files, objects: &objects, controller };
            let here: Vec<&Ingress<'_>> = ingresses.within(&environment).copied().collect();
            let mut sheets: Vec<(BTreeSet<u32>, Vec<Sheet>)> = Vec::new();
            for group in ingress::groups(files, here) {
                let mut by_host: BTreeMap<&str, Vec<&Ingress<'_>>> = BTreeMap::new();
                for ingress in &group {
                    let hosts: BTreeSet<&str> = ingress.rules.iter().map(|rule| rule.host.as_str()).collect();
                    hosts.into_iter().for_each(|host| by_host.entry(host).or_default().push(ingress));
                }
                let written = by_host.into_iter().map(|(host, members)| writer.ingresses(host, &members)).collect();
                sheets.push((group.iter().map(|ingress| ingress.object.at.file).collect(), written));
            }
            // Those of one folder may lead to the same services.
            let mut by_folder: BTreeMap<&str, (BTreeSet<u32>, Vec<Sheet>)> = BTreeMap::new();
            for server in servers.within(&environment) {
                let (numbers, sheets) = by_folder.entry(folder(files.get(server.at.file).path())).or_default();
                numbers.insert(server.at.file);
                sheets.extend(writer.virtual_server(*server));
            }
            sheets.extend(by_folder.into_values());
            for (mut numbers, written) in sheets {
                numbers.extend(controller.map(|controller| controller.file()));
                used.extend(controller.map(|controller| controller.file()));
                let holes = holes(&numbers);
                all.push(configuration(&written, numbers, holes));
            }
        }
        // What settings do to whatever the controller serves.
        for controller in controllers.all.iter().filter(|controller| !used.contains(&controller.file())) {
            let writer = Writer { files, objects: &objects, controller: Some(*controller) };
            let numbers = BTreeSet::from([controller.file()]);
            let holes = holes(&numbers);
            all.push(configuration(&[writer.anything(controller)], numbers, holes));
        }
        all
    }

    fn reason(&self, rule: Rule, cause: Cause) -> &'static str {
        match (rule, cause) {
            (Rule::Stripped, Cause::Wiped) => "nginx-ic-server-snippet-wiped",
            (Rule::Stripped, _) => "nginx-ic-client-cert-not-forwarded",
            (Rule::Spoofable, Cause::Alias) => "nginx-ic-underscore-headers",
            (Rule::Spoofable, _) => "nginx-ic-client-cert-header-passthrough",
            (Rule::NotRequested, _) => "nginx-ic-client-cert-not-requested",
            (Rule::Malformed, _) => "nginx-ic-client-cert-malformed",
            (Rule::Weak, _) => "nginx-ic-client-cert-weak-form",
            (Rule::Unverified, _) => "nginx-ic-optional-no-ca-unverified",
            (Rule::DpopBroken, Cause::Rewritten) => "nginx-ic-rewrite-breaks-htu",
            (Rule::DpopBroken, Cause::NotListed) => "nginx-ic-cors-missing-dpop",
            (Rule::DpopBroken, Cause::AllDropped) => "nginx-ic-request-headers-not-passed",
            (Rule::DpopBroken, _) => "nginx-ic-dpop-overwritten",
            (Rule::Logged, _) => "nginx-ic-log-credentials",
        }
    }

    fn reason_in_detail(&self, rule: Rule, cause: Cause, _detail: Detail) -> &'static str {
        self.reason(rule, cause)
    }

    fn fix(&self, rule: Rule, cause: Cause, header: Option<&str>) -> String {
        let header = header.unwrap_or("X-SSL-Client-Cert");
        let text = match (rule, cause) {
            (Rule::Stripped, Cause::Wiped) => {
                "Set the header in the route: `action.proxy.requestHeaders.set` of the VirtualServer, or \
                 `nginx.org/location-snippets` of the Ingress; what is set for the server is not inherited."
            }
            (Rule::Stripped | Rule::Weak | Rule::Malformed, _) => {
                "Pass the certificate on in the route: under `action.proxy.requestHeaders.set`, `- name: \
                 X-SSL-Client-Cert` with `value: ${ssl_client_escaped_cert}`."
            }
            (Rule::Spoofable, Cause::Alias) => "Take `underscores_in_headers on` out of the snippet.",
            (Rule::Spoofable, _) => {
                return format!(
                    "Set {header} on every route to this service, also where no certificates are asked for: \
                     `value: ${{ssl_client_escaped_cert}}` is empty there."
                );
            }
            (Rule::NotRequested, _) => "Name a Policy with `ingressMTLS` under `spec.policies` of the VirtualServer.",
            (Rule::Unverified, _) => "Write `verifyClient: optional`, which refuses what does not verify.",
            (Rule::DpopBroken, Cause::NotListed) => "List DPoP where Authorization is listed, and expose DPoP-Nonce.",
            (Rule::DpopBroken, Cause::Rewritten) => {
                "Keep host and path, or tell the upstream: set `X-Forwarded-Prefix` beside `rewritePath`."
            }
            (Rule::DpopBroken, Cause::AllDropped) => "Write `requestHeaders: { pass: true }`.",
            (Rule::DpopBroken, _) => {
                return format!("Take the line on {header} out: the client's own header passes by default.");
            }
            (Rule::Logged, _) => {
                "Take the variable out of `log-format`; `$uri` in place of `$request` leaves queries out."
            }
        };
        text.to_owned()
    }
}

fn configuration(sheets: &[Sheet], files: BTreeSet<u32>, mut holes: Vec<Hole>) -> Configuration {
    let mut all = Vec::new();
    for sheet in sheets {
        let (hops, unread) = sheet.hops();
        all.extend(hops.into_iter().filter(|hop| !all.contains(hop)).collect::<Vec<_>>());
        holes.extend(unread.into_iter().filter(|hole| !holes.contains(hole)).collect::<Vec<_>>());
    }
    let complete = holes.is_empty();
    Configuration { trusted: trusted::trusted(&all), files: files.into_iter().collect(), hops: all, holes, complete }
}
