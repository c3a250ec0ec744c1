//! What stands in the access logs, and what browsers are allowed.

use super::run::{Passed, Run};
use super::site::{Chain, in_force, own};
use super::tree::{Argument, Node};
use super::value::{self, Part, Piece};
use crate::gateway::hop::{Cors, Credential, Form, Logged, Place};

/// What the logs hold of a request that went this way.
pub(super) fn logs(run: &mut Run<'_, '_>, passed: &Passed<'_>) -> Vec<Logged> {
    let active = in_force(&passed.chain, &["access_log"]);
    let mut logs: Vec<Logged> = Vec::new();
    if active.nodes.is_empty() && !active.unknown {
        // The format `combined`, with the request line, to the default file.
        logs.push(Logged { what: Credential::Query, place: passed.pass.place, active: None });
    }
    // One `off` silences all logs of its level.
    if active.nodes.iter().any(|log| log.argument(0) == "off") {
        return logs;
    }
    for log in active.nodes {
        let format = log.arguments.iter().skip(1).find(|argument| !argument.text.contains('='));
        let name = format.map_or("combined", |argument| argument.text.as_str());
        match run.site.formats.get(name).copied() {
            Some(format) => of_format(run, format, log.place, &mut logs),
            None if name == "combined" => {
                logs.push(Logged { what: Credential::Query, place: log.place, active: None });
            }
            None => {}
        }
    }
    logs
}

fn of_format(run: &mut Run<'_, '_>, format: &Node, active: Place, logs: &mut Vec<Logged>) {
    for argument in format.arguments.iter().skip(1) {
        for (offset, part) in value::parts(&argument.text) {
            let Part::Variable(name) = part else { continue };
            for piece in run.value(&format!("${{{name}}}")) {
                let what = match piece {
                    Piece::Header(header) | Piece::Cut(header) if header == "authorization" => {
                        Credential::Authorization
                    }
                    Piece::Header(header) if header == "dpop" => Credential::Dpop,
                    Piece::Certificate(Form::PemEscaped | Form::PemLines) => Credential::Certificate,
                    Piece::Query => Credential::Query,
                    _ => continue,
                };
                let place = within(argument, offset, name.len() + 1);
                if !logs.iter().any(|known| known.what == what && known.place == place) {
                    logs.push(Logged { what, place, active: Some(active) });
                }
            }
        }
    }
}

/// The stretch of a word that holds a variable; all of the word where escapes have moved it.
fn within(argument: &Argument, offset: usize, length: usize) -> Place {
    let Place { file, start, end } = argument.place;
    let quotes = (end - start) as usize - argument.text.len().min((end - start) as usize);
    if !matches!(quotes, 0 | 2) {
        return argument.place;
    }
    let start = start + (quotes / 2 + offset) as u32;
    Place { file, start, end: (start + length as u32).min(end) }
}

/// The answers to browsers on this way: the headers in force, and those of an `if` that answers preflights.
pub(super) fn cors(passed: &Passed<'_>) -> Vec<Cors> {
    let names = &["add_header", "more_set_headers"];
    let mut preflight = Vec::new();
    let levels: &Chain<'_> = &passed.chain;
    for inner in levels.iter().flat_map(|level| own(level.nodes, &["if"])) {
        collect(&own(inner.inner(), names), &mut preflight);
    }
    let mut cors = Vec::new();
    collect(&in_force(&passed.chain, names).nodes, &mut cors);
    // What may be sent is asked beforehand.
    if preflight.iter().any(|answer: &Cors| answer.allow.is_some()) {
        cors.retain(|answer| answer.allow.is_none());
    }
    preflight.retain(|answer| answer.allow.is_some() && !cors.contains(answer));
    cors.extend(preflight);
    cors
}

fn collect(headers: &[&Node], cors: &mut Vec<Cors>) {
    for node in headers {
        let (name, text) = match node.name.as_str() {
            "add_header" => (node.argument(0), node.argument(1)),
            _ => node.argument(0).split_once(':').unwrap_or_default(),
        };
        if text.contains(['$', crate::syntax::directives::UNKNOWN]) || text.contains('*') {
            continue;
        }
        let list: Vec<String> = text.split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
        let place = node.place;
        let entry = if name.eq_ignore_ascii_case("access-control-allow-headers") {
            Cors { allow: Some(list), expose: None, place }
        } else if name.eq_ignore_ascii_case("access-control-expose-headers") {
            Cors { allow: None, expose: Some(list), place }
        } else {
            continue;
        };
        if !cors.contains(&entry) {
            cors.push(entry);
        }
    }
}
