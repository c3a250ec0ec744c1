//! Caddy: Caddyfiles with what they import, and its JSON.

mod file;
mod json;
mod lines;
mod plan;
mod tls;
mod ways;

use super::files::Files;
use super::hop::{Cause, Place};
use super::tree::At;
use super::{Configuration, FrontEnd, Hole, Rule};
use crate::syntax::yaml;

/// Caddy.
pub struct Caddy;

impl FrontEnd for Caddy {
    fn product(&self) -> &'static str {
        "caddy"
    }

    fn recognises(&self, name: &str, text: &str) -> bool {
        let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
        let file = name.rsplit('/').next().unwrap_or(name);
        let ending = file.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
        let called = file.starts_with("Caddyfile") || matches!(ending.as_deref(), Some("caddy" | "caddyfile"));
        if is_json(text) {
            return has("\"reverse_proxy\"") && has("\"handler\"") && has("\"handle\"");
        }
        if called {
            return has("{") || has("reverse_proxy") || has("import");
        }
        // Its directives, and no other product's marks: semicolons, indentation that counts, tags.
        (has("reverse_proxy ") || has("php_fastcgi ") || has("forward_auth "))
            && matches!(
                ending.as_deref(),
                None | Some("conf" | "template" | "tmpl" | "j2" | "tpl" | "txt" | "example" | "sample")
            )
            && looks_like_sites(text)
    }

    fn lower(&self, files: &Files, own: &[u32]) -> Vec<Configuration> {
        let mut read_by_others: Vec<u32> = Vec::new();
        let mut all: Vec<(u32, Configuration)> = Vec::new();
        for &number in own {
            let mut configuration = Configuration { complete: true, ..Configuration::default() };
            let text = &files.get(number).text;
            let sites = if is_json(text) {
                configuration.files.push(number);
                let stream = yaml::parse_broken(text);
                if let Some((_, reason)) = stream.error {
                    let place = Place { file: number, start: 0, end: 0 };
                    configuration.holes.push(Hole { place, reason });
                }
                stream.documents.iter().flat_map(|node| json::sites(At::root(number, node))).collect()
            } else {
                let lines = lines::lines(files, number, &mut configuration.files, &mut configuration.holes);
                file::sites(&lines)
            };
            configuration.hops = sites.iter().flat_map(ways::hops).collect();
            configuration.complete = configuration.holes.is_empty();
            configuration.files.sort_unstable();
            configuration.files.dedup();
            read_by_others.extend(configuration.files.iter().filter(|file| **file != number));
            all.push((number, configuration));
        }
        // A file that another imports is no configuration of its own.
        all.retain(|(number, _)| !read_by_others.contains(number));
        all.into_iter().map(|(_, configuration)| configuration).collect()
    }

    fn reason(&self, rule: Rule, cause: Cause) -> &'static str {
        match (rule, cause) {
            (Rule::Spoofable, Cause::Appended) => "caddy-cert-header-add",
            (Rule::Spoofable, _) => "caddy-cert-header-unguarded",
            (Rule::Stripped, Cause::Removed | Cause::AllDropped) => "caddy-cert-header-deleted",
            (Rule::Stripped, _) => "caddy-client-cert-not-forwarded",
            (Rule::NotRequested, _) => "caddy-client-cert-not-requested",
            (Rule::Malformed, _) => "caddy-cert-pem-multiline",
            (Rule::Weak, _) => "caddy-cert-subject-only",
            (Rule::Unverified, _) => "caddy-client-auth-unverified",
            (Rule::DpopBroken, Cause::NotListed) => "caddy-cors-missing-dpop",
            (Rule::DpopBroken, Cause::Rewritten) => "caddy-handle-path-htu",
            (Rule::DpopBroken, _) => "caddy-dpop-removed",
            (Rule::Logged, _) => "caddy-log-credentials",
        }
    }

    fn fix(&self, rule: Rule, cause: Cause, header: Option<&str>) -> String {
        let header = header.unwrap_or("X-Client-Cert");
        match (rule, cause) {
            (Rule::Stripped, Cause::Removed | Cause::AllDropped) => {
                format!("Drop `header_up -{header}`: Caddy deletes after it sets, in whatever order the lines stand.")
            }
            (Rule::Stripped, _) => {
                format!("Write `header_up {header} {{tls_client_certificate_der_base64}}` in this reverse_proxy.")
            }
            (Rule::Spoofable, Cause::Appended) => format!("Write `header_up {header} …` without the `+`: it then overwrites."),
            (Rule::Spoofable, _) => format!("Write `header_up -{header}` in this reverse_proxy."),
            (Rule::NotRequested, _) => {
                "Write `tls { client_auth { mode require_and_verify … } }` with the authority of the clients.".to_owned()
            }
            (Rule::Malformed, _) => format!("Write `header_up {header} {{tls_client_certificate_der_base64}}`."),
            (Rule::Weak, _) => format!("Write `header_up {header} {{tls_client_fingerprint}}` or the certificate itself."),
            (Rule::Unverified, _) => "Write `mode require_and_verify` and name the authority of the clients.".to_owned(),
            (Rule::DpopBroken, Cause::NotListed) => {
                "List DPoP in Access-Control-Allow-Headers, and DPoP-Nonce and WWW-Authenticate in Access-Control-Expose-Headers.".to_owned()
            }
            (Rule::DpopBroken, Cause::Rewritten) => {
                "Keep the path (`handle`, not `handle_path`), or tell it: `header_up X-Forwarded-Prefix /…`.".to_owned()
            }
            (Rule::DpopBroken, _) => format!("Drop the line that deletes or replaces {header}."),
            (Rule::Logged, _) => {
                "Take `log_credentials` out, and write `format filter { wrap json fields { request>headers>Dpop delete } }`.".to_owned()
            }
        }
    }
}

fn is_json(text: &str) -> bool {
    let start = text.trim_start();
    let rest = start.strip_prefix(['{', '[']).map(str::trim_start);
    rest.is_some_and(|rest| rest.starts_with(['"', '{']))
}

/// Whether a text has blocks of lines as Caddyfiles have them.
fn looks_like_sites(text: &str) -> bool {
    let (mut open, mut foreign, mut lines) = (0, 0, 0);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).take(2000) {
        lines += 1;
        open += usize::from(line.ends_with(" {") || line.ends_with("\t{") || line == "{");
        let other = line.ends_with(';') || line.starts_with('<') || line.starts_with("- ") || line.starts_with("```");
        foreign += usize::from(other);
    }
    open > 0 && foreign * 20 < lines
}
