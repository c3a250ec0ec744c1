//! What stands in logs, and what browsers are told.

use super::load::{Directive, Section, Server};
use crate::gateway::hop::{Cors, Credential, Logged, Place};

/// Formats that are built in or that every distribution defines; all hold the request line.
const COMMON: &[&str] = &["common", "combined", "vhost_combined", "combinedio", "referer", "agent", ""];

/// What the logs of a server hold.
pub(super) fn logged(servers: &[&Server]) -> Vec<Logged> {
    let mut logged: Vec<Logged> = Vec::new();
    let all = || servers.iter().flat_map(|server| &server.body.directives);
    // Those of a virtual host take the place of those of the main server.
    let own = servers.iter().rev().find(|server| server.body.directives.iter().any(writes));
    let active = own.into_iter().flat_map(|server| server.body.directives.iter().filter(|directive| writes(directive)));
    for log in active.chain(all().filter(|directive| directive.name == "globallog")) {
        let format = if log.name == "transferlog" { "" } else { log.word(1) };
        let defined = all().rfind(|directive| {
            directive.name == "logformat" && directive.words.len() <= 2 && directive.word(1) == format
        });
        let (text, at) = match defined {
            Some(directive) => (directive.word(0), directive.place),
            None if COMMON.contains(&format) => ("%r", log.place),
            None => (format, log.place),
        };
        // What is logged only where something holds: enough to give a token away, too little for anything else.
        let conditional =
            log.words.iter().skip(2).any(|word| word.text.starts_with("expr=") || word.text.starts_with("env="))
                && !log.words.iter().any(|word| word.text.starts_with("env=!"));
        for what in credentials(text) {
            if conditional && matches!(what, Credential::Query | Credential::Certificate) {
                continue;
            }
            let entry = Logged { what, place: at, active: Some(log.place) };
            if !logged.contains(&entry) {
                logged.push(entry);
            }
        }
    }
    for directive in all() {
        let on = match directive.name.as_str() {
            "forensiclog" => true,
            // It writes at one level only.
            "dumpioinput" => {
                directive.word(0).eq_ignore_ascii_case("on")
                    && all().any(|other| {
                        other.name == "loglevel"
                            && other.words.iter().any(|word| {
                                matches!(word.text.as_str(), "dumpio:trace7" | "dumpio:trace8" | "trace7" | "trace8")
                            })
                    })
            }
            _ => false,
        };
        if on {
            for what in [Credential::AllHeaders, Credential::Query] {
                logged.push(Logged { what, place: directive.place, active: None });
            }
        }
    }
    logged
}

fn writes(directive: &Directive) -> bool {
    matches!(directive.name.as_str(), "customlog" | "transferlog") && directive.word(0) != "/dev/null"
}

/// What a format writes.
fn credentials(format: &str) -> Vec<Credential> {
    let mut found = Vec::new();
    let mut rest = format;
    while let Some((_, after)) = rest.split_once('%') {
        // `%!200,304{Name}i`, `%>s`, `%^FU`
        let after = after.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '<' | '>' | '!' | ','));
        let (name, after) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((name, after)) => (name, after),
            None => ("", after),
        };
        let name = name.to_ascii_lowercase();
        found.extend(match (name.as_str(), after.chars().next()) {
            ("authorization", Some('i')) => Some(Credential::Authorization),
            ("dpop", Some('i')) => Some(Credential::Dpop),
            ("ssl_client_cert", Some('x' | 'e' | 'c')) => Some(Credential::Certificate),
            ("", Some('r' | 'q')) => Some(Credential::Query),
            _ => None,
        });
        rest = after;
    }
    found
}

/// What browsers are told.
pub(super) fn cors(servers: &[&Server]) -> Vec<Cors> {
    fn of(section: &Section, found: &mut Vec<Cors>) {
        for directive in section.directives.iter().filter(|directive| directive.name == "header") {
            let at = usize::from(matches!(directive.word(0).to_ascii_lowercase().as_str(), "always" | "onsuccess"));
            if !matches!(directive.word(at).to_ascii_lowercase().as_str(), "set" | "add" | "append" | "merge") {
                continue;
            }
            let (name, value) = (directive.word(at + 1).to_ascii_lowercase(), directive.word(at + 2));
            let names = || {
                let names = value.split(',').map(|name| name.trim().to_ascii_lowercase());
                (!value.contains("%{")).then(|| names.collect::<Vec<String>>())
            };
            let place: Place = directive.place;
            match name.trim_end_matches(':') {
                "access-control-allow-headers" => found.push(Cors { allow: names(), expose: None, place }),
                "access-control-expose-headers" => found.push(Cors { allow: None, expose: names(), place }),
                _ => {}
            }
        }
        section.sections.iter().for_each(|section| of(section, found));
    }
    let mut found = Vec::new();
    servers.iter().for_each(|server| of(&server.body, &mut found));
    found
}
