//! Client certificates and who issues them: bundles in PEM, what Kubernetes and its clients keep of them, cert-manager,
//! requests to Kubernetes' own signers, CFSSL's profiles, and Terraform (`tls_*`, Vault's PKI). Only what is for clients
//! and nothing else counts; a certificate that may be a server's, or an authority's, is not looked at.

use std::collections::BTreeMap;

use super::issued::{Issued, Lived, Overlap};
use super::read::{broken, documents, duration, each_module, has, is_tree, number};
use super::x509::{BEGIN, BEGIN_ENCODED, Certificate, Names, in_base64, in_pem};
use super::{FrontEnd, Rule};
use crate::config::files::Files;
use crate::config::place::Place;
use crate::config::terraform::{self, Module};
use crate::config::tree::At;

/// Client certificates.
#[derive(Debug)]
pub struct Certificates;

/// How deep trees are searched.
const DEPTH: usize = 24;

impl FrontEnd for Certificates {
    fn product(&self) -> &'static str {
        "certificate"
    }

    fn recognises(&self, name: &str, text: &str) -> bool {
        if terraform::is_terraform(name) {
            return has(text, &["client_auth", "validity_period_hours"])
                || has(text, &["vault_pki_secret_backend_role", "server_flag"]);
        }
        if is_tree(name) {
            return has(text, &["client auth", "cert-manager.io"])
                || has(text, &["client auth", "expirationSeconds"])
                || has(text, &["client auth", "expiry"])
                || has(text, &[BEGIN])
                || has(text, &[BEGIN_ENCODED]);
        }
        is_bundle(name) && has(text, &[BEGIN])
    }

    fn read(&self, files: &Files, own: &[u32]) -> Vec<Issued> {
        let (native, others): (Vec<u32>, Vec<u32>) =
            own.iter().partition(|number| terraform::is_terraform(files.get(**number).path()));
        let mut all = each_module(files, &native, |module, all| {
            let mut issued = Issued::default();
            resources(module, &mut issued);
            all.push(issued);
        });
        for number in others {
            let mut issued = Issued::default();
            if is_bundle(files.get(number).path()) {
                bundle(files, number, &mut issued);
            } else {
                let stream = documents(files, number);
                for document in &stream.documents {
                    let root = At::root(number, document);
                    object(root, &mut issued);
                    profiles(root, &mut issued);
                    search(root, 0, &mut issued);
                }
                if !issued.certificates.is_empty() {
                    issued.holes.extend(broken(&stream, number));
                }
            }
            all.push(issued);
        }
        all
    }

    fn fix(&self, rule: Rule) -> &'static str {
        match rule {
            Rule::KeyOverlap => "Take a certificate out of the bundle once its successor is in use.",
            _ => {
                "Issue client certificates for 90 days or less and renew them by machine (cert-manager, SPIRE, ACME, Vault)."
            }
        }
    }
}

/// Whether a name is that of a file of certificates.
fn is_bundle(name: &str) -> bool {
    let ending = name.rsplit('.').next().unwrap_or_default();
    ["pem", "crt", "cer", "cert"].iter().any(|known| ending.eq_ignore_ascii_case(known))
}

fn bundle(files: &Files, file: u32, issued: &mut Issued) {
    let mut clients: BTreeMap<Names, Vec<(Place, Certificate)>> = BTreeMap::new();
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    for (start, _, certificate) in in_pem(&files.get(file).text) {
        if !certificate.is_client() {
            continue;
        }
        // Its first line stands for it.
        let place = Place { file, start: offset(start), end: offset(start + BEGIN.len()) };
        issued.certificates.push(lived(&certificate, place, "notAfter"));
        clients.entry(certificate.names.clone()).or_default().push((place, certificate));
    }
    for mut same in clients.into_values() {
        same.sort_by_key(|(place, certificate)| (certificate.valid, *place));
        for pair in same.windows(2) {
            let [(old_at, old), (new_at, new)] = pair else { continue };
            let end = old.valid.1.min(new.valid.1);
            let seconds = end.saturating_sub(new.valid.0);
            // A certificate over the same key is a renewal, no rotation.
            if seconds > 0 && old.key != new.key {
                let (what, seconds, end) = ("client certificate", Some(seconds), Some(end));
                issued.overlaps.push(Overlap { what, place: *old_at, others: vec![*new_at], seconds, end });
            }
        }
    }
}

fn lived(certificate: &Certificate, place: Place, setting: &'static str) -> Lived {
    Lived { seconds: certificate.lifetime(), place, setting, end: Some(certificate.valid.1) }
}

/// Certificates in texts of a tree: as PEM, or in base64 as Kubernetes writes it.
fn search(at: At<'_>, depth: usize, issued: &mut Issued) {
    if depth > DEPTH {
        return;
    }
    for (key, value) in at.entries() {
        let Some(text) = value.text() else {
            search(value, depth + 1, issued);
            continue;
        };
        // What is under the name of a bundle is read as a file of that name.
        let found = if text.contains(BEGIN) && !is_bundle(key) {
            in_pem(text).into_iter().map(|(.., certificate)| certificate).collect()
        } else if text.starts_with(BEGIN_ENCODED) {
            in_base64(text)
        } else {
            continue;
        };
        // The first one is the holder's, the others are those of its authorities. A client's configuration says itself
        // whose it is.
        let named = key == "client-certificate-data";
        if let Some(first) = found.first().filter(|first| first.is_client() || named) {
            let setting = if named { "client-certificate-data" } else { "notAfter" };
            issued.certificates.push(lived(first, value.place(), setting));
        }
    }
    if at.node.entries().is_empty() && at.node.text().is_none() {
        at.items().for_each(|item| search(item, depth + 1, issued));
    }
}

/// Whether what is listed is a client's and nothing else; nothing where that is not known.
fn only_clients<'a>(uses: impl Iterator<Item = Option<&'a str>>) -> bool {
    let mut client = false;
    for name in uses {
        match name.map(|name| name.replace('_', " ")).as_deref() {
            Some("client auth") => client = true,
            // What it may be besides.
            None | Some("server auth" | "any" | "any extended" | "cert sign" | "cert signing" | "crl signing") => {
                return false;
            }
            Some(_) => {}
        }
    }
    client
}

/// Objects of Kubernetes: cert-manager's `Certificate`, and requests to a signer.
fn object(root: At<'_>, issued: &mut Issued) {
    let Some(spec) = root.get("spec") else { return };
    let group = root.word("apiVersion").and_then(|version| version.split('/').next()).unwrap_or_default();
    let (key, unit) = match (root.word("kind"), group) {
        (Some("Certificate"), "cert-manager.io") => ("duration", None),
        (Some("CertificateSigningRequest"), "certificates.k8s.io") => ("expirationSeconds", Some(())),
        _ => return,
    };
    if spec.get("isCA").is_some_and(|at| at.text() != Some("false")) || !only_clients(spec.list("usages").map(At::text))
    {
        return;
    }
    let Some(at) = spec.get(key) else { return };
    let seconds = if unit.is_some() { number(at) } else { at.text().and_then(|text| duration(text, 0)) };
    if let Some(seconds) = seconds {
        let setting = if unit.is_some() { "expirationSeconds" } else { "duration" };
        issued.certificates.push(Lived { seconds, place: at.place(), setting, end: None });
    }
}

/// CFSSL: `signing.profiles.*`.
fn profiles(root: At<'_>, issued: &mut Issued) {
    let Some(profiles) = root.path(&["signing", "profiles"]) else { return };
    for (_, profile) in profiles.entries() {
        if profile.get("ca_constraint").is_some() || !only_clients(profile.list("usages").map(At::text)) {
            continue;
        }
        let Some(at) = profile.get("expiry") else { continue };
        if let Some(seconds) = at.text().and_then(|text| duration(text, 0)) {
            issued.certificates.push(Lived { seconds, place: at.place(), setting: "expiry", end: None });
        }
    }
}

fn resources<'a>(module: &Module<'a>, issued: &mut Issued) {
    for kind in ["tls_locally_signed_cert", "tls_self_signed_cert"] {
        for (_, at) in module.resources(kind) {
            let authority = at.get("is_ca_certificate").is_some_and(|at| module.switch(at) != Some(false));
            let Some(uses) = at.get("allowed_uses") else { continue };
            // What is no list is not known.
            let listed: Vec<_> = module.follow(uses).items().map(|at| module.text(at)).collect();
            if authority || !only_clients(listed.into_iter()) {
                continue;
            }
            let Some(hours) = at.get("validity_period_hours") else { continue };
            if let Some(seconds) = module.number(hours).and_then(|hours| hours.checked_mul(3_600)) {
                let (place, setting) = (hours.place(), "validity_period_hours");
                issued.certificates.push(Lived { seconds, place, setting, end: None });
            }
        }
    }
    for (_, at) in module.resources("vault_pki_secret_backend_role") {
        let flag = |key: &str| at.get(key).map(|at| module.switch(at));
        // Both flags are on by default.
        let client = matches!(flag("client_flag"), None | Some(Some(true))) && flag("server_flag") == Some(Some(false));
        let most = at.get("max_ttl").map(|at| (at, "max_ttl")).or(at.get("ttl").map(|at| (at, "ttl")));
        let Some((at, setting)) = most.filter(|_| client) else { continue };
        if let Some(seconds) = module.text(at).and_then(|text| duration(text, 1_000)) {
            issued.certificates.push(Lived { seconds, place: at.place(), setting, end: None });
        }
    }
}
