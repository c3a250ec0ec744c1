//! `kong.conf`, the variables `KONG_…` that stand for its lines in Compose files, and `env` in values of the Helm chart, which
//! makes such variables of its keys.

use crate::gateway::files::Files;
use crate::gateway::hop::{ClientAuth, Logged, Place, Value};
use crate::gateway::run::Handshake;
use crate::gateway::tree::At;
use crate::gateway::variables;
use crate::syntax::yaml::{self, Node};

/// A line: its key, its value, its place.
pub(super) type Line = (String, String, Place);

/// The settings of a node.
#[derive(Debug)]
pub(super) struct Conf {
    pub(super) file: u32,
    lines: Vec<Line>,
}

/// How deep the chart's values may lie in those of charts around it.
const DEEP: usize = 3;
/// Keys of `env` by which the chart's values are told.
const OWN: [&str; 5] = ["nginx_proxy_", "nginx_http_", "nginx_location_", "trusted_ips", "proxy_access_log"];

/// Whether a text is a `kong.conf`, a Compose file with its variables, or values of the Helm chart.
pub(super) fn recognises(name: &str, text: &str) -> bool {
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    if name.ends_with(".yml") || name.ends_with(".yaml") {
        let composed = has("KONG_") && has("services:") && (has("KONG_NGINX_") || has("KONG_TRUSTED_IPS"));
        return composed || has("env:") && has("kong") && OWN.iter().any(|word| has(word)) && !has("apiVersion:");
    }
    (name.ends_with(".conf") || name.contains("kong.conf"))
        && OWN.iter().any(|word| has(word))
        && ["proxy_listen", "admin_listen", "declarative_config", "pg_host", "database", "trusted_ips"]
            .iter()
            .any(|word| has(word))
        && !has("proxy_pass")
        && has("=")
}

/// Reads a file: one node, or one for each service of a Compose file and each chart whose values it holds.
pub(super) fn read(files: &Files, file: u32) -> Vec<Conf> {
    let text = &files.get(file).text;
    let path = files.get(file).path();
    if path.ends_with(".yml") || path.ends_with(".yaml") {
        let stream = yaml::parse_broken(text);
        let mut nodes: Vec<Vec<Line>> = Vec::new();
        for document in &stream.documents {
            nodes.extend(environments(file, document));
            charts(At::root(file, document), DEEP, &mut nodes);
        }
        return nodes.into_iter().filter(|lines| !lines.is_empty()).map(|lines| Conf { file, lines }).collect();
    }
    let mut lines = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at + (line.len() - line.trim_start().len());
        at += line.len();
        let line = line.trim();
        if line.starts_with('#') {
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        // A comment begins at a number sign that is not escaped.
        let value = value.split(" #").next().unwrap_or(value).trim();
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let place = Place { file, start: offset(start), end: offset(start + line.len()) };
        lines.push((key.trim().to_ascii_lowercase(), unquoted(value).to_owned(), place));
    }
    vec![Conf { file, lines }]
}

fn unquoted(value: &str) -> &str {
    let inner = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

/// The variables of each service.
fn environments(file: u32, document: &Node) -> Vec<Vec<Line>> {
    let services = At::root(file, document).get("services").into_iter().flat_map(At::entries);
    let of = |service: At<'_>| -> Vec<Line> {
        let Some(environment) = service.get("environment") else { return Vec::new() };
        let named = environment.entries().filter_map(|(key, at)| Some((key, at.text()?, at.place())));
        let listed = environment.items().filter_map(|at| {
            let (key, value) = at.text()?.split_once('=')?;
            Some((key, value, at.place()))
        });
        let all = named.chain(listed);
        all.filter_map(|(key, value, place)| {
            let key = key.trim().strip_prefix("KONG_")?;
            Some((key.to_ascii_lowercase(), unquoted(value.trim()).to_owned(), place))
        })
        .collect()
    };
    services.map(|(_, service)| of(service)).collect()
}

/// The settings in values of the chart, or of charts that hold it.
fn charts(at: At<'_>, deep: usize, into: &mut Vec<Vec<Line>>) {
    if let Some((_, env)) = at.entries().find(|(key, _)| *key == "env") {
        let lines: Vec<Line> = env
            .entries()
            .filter_map(|(key, at)| {
                Some((key.to_ascii_lowercase(), unquoted(at.text()?.trim()).to_owned(), at.place()))
            })
            .collect();
        if lines.iter().any(|(key, ..)| OWN.iter().any(|own| key.starts_with(own))) {
            into.push(lines);
        }
    }
    if deep > 0 {
        at.entries().filter(|(key, _)| *key != "env").for_each(|(_, at)| charts(at, deep - 1, into));
    }
}

/// The settings of the node that reads these files: those that name one of them, else those in the folder or around it, if
/// there is one such node alone.
pub(super) fn belonging<'c>(files: &Files, confs: &'c [Conf], members: &[u32]) -> Option<&'c Conf> {
    let names = |conf: &&Conf| {
        let named = conf.get("declarative_config").map(|(_, path, _)| files.resolve(conf.file, conf.file, path));
        named.is_some_and(|found| found.iter().any(|file| members.contains(file)))
    };
    let folder = |file: u32| files.get(file).path().rsplit_once('/').map_or("", |(folder, _)| folder);
    let around = |conf: &&Conf| {
        let here = folder(conf.file);
        members.iter().any(|file| {
            let there = folder(*file);
            there == here || there.strip_prefix(here).is_some_and(|rest| here.is_empty() || rest.starts_with('/'))
        })
    };
    let one = |found: Vec<&'c Conf>| (found.len() == 1).then(|| found[0]);
    one(confs.iter().filter(names).collect()).or_else(|| {
        let nearby: Vec<&Conf> = confs.iter().filter(around).collect();
        one(nearby)
    })
}

impl Conf {
    pub(super) fn get(&self, key: &str) -> Option<&Line> {
        self.lines.iter().rev().find(|(name, ..)| name == key)
    }

    /// What the directives that it injects ask of clients, and where.
    pub(super) fn handshake(&self) -> Option<(Handshake, Place)> {
        let keys = ["nginx_proxy_ssl_verify_client", "nginx_http_ssl_verify_client"];
        let (_, mode, place) = keys.into_iter().find_map(|key| self.get(key))?;
        let (auth, required) = match mode.trim_end_matches(';') {
            "on" => (ClientAuth::Required, true),
            "optional" => (ClientAuth::Optional, false),
            "optional_no_ca" => (ClientAuth::Unverified, false),
            "off" => return None,
            _ => (ClientAuth::Unknown, false),
        };
        Some((Handshake { auth, required }, *place))
    }

    /// Headers that it has nginx set, with their values: in the location, where they count, and in the server, where the
    /// location's own settings take their place.
    pub(super) fn headers(&self) -> Vec<(bool, String, Value, Place)> {
        let mut found = Vec::new();
        for (key, line, place) in &self.lines {
            let counts = match key.as_str() {
                "nginx_location_proxy_set_header" => true,
                "nginx_proxy_proxy_set_header" | "nginx_http_proxy_set_header" => false,
                _ => continue,
            };
            // Several directives fit in one line: `a b; proxy_set_header c d`.
            for directive in line.split(';') {
                let directive = directive.trim();
                let directive = directive.strip_prefix("proxy_set_header ").unwrap_or(directive);
                let Some((name, value)) = directive.split_once(char::is_whitespace) else { continue };
                found.push((counts, name.to_ascii_lowercase(), variables::value(unquoted(value.trim())), *place));
            }
        }
        found
    }

    /// Everybody's headers are trusted as those of a gateway in front.
    pub(super) fn trusts_all(&self) -> Option<Place> {
        let (_, list, place) = self.get("trusted_ips")?;
        list.split(',').any(|range| matches!(range.trim(), "0.0.0.0/0" | "::/0")).then_some(*place)
    }

    /// What the access log of the proxy holds.
    pub(super) fn logs(&self) -> Vec<Logged> {
        let mut found = Vec::new();
        let Some((_, log, active)) = self.get("proxy_access_log") else { return found };
        let Some(format) = log.split_whitespace().nth(1) else { return found };
        for (key, line, place) in &self.lines {
            if !matches!(key.as_str(), "nginx_http_log_format" | "nginx_proxy_log_format") {
                continue;
            }
            let Some(rest) = line.trim_start().strip_prefix(format).filter(|rest| rest.starts_with([' ', '\t'])) else {
                continue;
            };
            found.extend(variables::logged(rest, *place, Some(*active)));
        }
        found
    }
}
