//! What stands in logs, and what browsers are told.

use super::config::{Action, Answer, Proxy};
use super::sample::{Part, Sample};
use crate::gateway::hop::{Cors, Credential, Logged, Place};

/// A capture this short holds no token worth having.
const SHORT: u32 = 16;

/// What the log of a frontend holds.
pub(super) fn logged(proxy: &Proxy, proxies: &[Proxy]) -> Vec<Logged> {
    let logs = &proxy.logs;
    let (Some(_), Some((format, at))) = (logs.target, &logs.format) else { return Vec::new() };
    let mut logged: Vec<Logged> = Vec::new();
    let mut add = |what: Option<Credential>, place: Place| {
        if let Some(what) = what
            && !logged.iter().any(|other| other.what == what && other.place == place)
        {
            logged.push(Logged { what, place, active: Some(*at) });
        }
    };
    for part in format {
        match part {
            Part::Variable(name) if matches!(name.as_str(), "hr" | "hrl") => {
                for (sample, length, place) in &logs.captures {
                    add(captured(sample, *length), *place);
                }
            }
            Part::Variable(name) if matches!(name.as_str(), "r" | "HU" | "HQ") => add(Some(Credential::Query), *at),
            Part::Sample(sample) if sample.fetch == "capture.req.hdr" => {
                let capture = sample.argument().parse::<usize>().ok().and_then(|number| logs.captures.get(number));
                if let Some((captured_sample, length, place)) = capture
                    && whole(sample)
                {
                    add(captured(captured_sample, *length), *place);
                }
            }
            Part::Sample(sample) if sample.fetch == "var" && whole(sample) => {
                for (sample, place) in variable(sample.argument(), proxies) {
                    add(credential(sample), place);
                }
            }
            Part::Sample(sample) => add(credential(sample), *at),
            _ => {}
        }
    }
    logged
}

fn captured(sample: &Sample, length: u32) -> Option<Credential> {
    credential(sample).filter(|_| length > SHORT)
}

/// What a variable is set from, and where.
fn variable<'a>(name: &str, proxies: &'a [Proxy]) -> Vec<(&'a Sample, Place)> {
    let mut found = Vec::new();
    for rule in
        proxies.iter().flat_map(|proxy| &proxy.levels).flat_map(|level| level.content.iter().chain(&level.requests))
    {
        if let Action::Variable { name: other, parts: Some(parts) } = &rule.action
            && other == name
        {
            found.extend(parts.iter().filter_map(|part| match part {
                Part::Sample(sample) => Some((sample, rule.place)),
                _ => None,
            }));
        }
    }
    found
}

fn credential(sample: &Sample) -> Option<Credential> {
    if !whole(sample) {
        return None;
    }
    match sample.header().as_deref() {
        Some("authorization") => return Some(Credential::Authorization),
        Some("dpop") => return Some(Credential::Dpop),
        _ => {}
    }
    match sample.fetch.as_str() {
        "ssl_c_der" => Some(Credential::Certificate),
        "req.hdrs" | "req.hdrs_bin" => Some(Credential::AllHeaders),
        "url" | "query" | "capture.req.uri" | "pathq" | "base" => Some(Credential::Query),
        "urlp" | "url_param" if sample.argument() == "access_token" => Some(Credential::Query),
        _ => None,
    }
}

/// Whether converters leave the value in it: no hash, no part.
fn whole(sample: &Sample) -> bool {
    const WHOLE: &[&str] = &["base64", "b64dec", "hex", "lower", "upper", "url_dec", "url_enc", "json", "utf8"];
    sample.converters.iter().all(|(name, _)| WHOLE.contains(&name.as_str()))
}

/// What browsers are told on the way through these proxies.
pub(super) fn cors(proxies: [&Proxy; 2]) -> Vec<Cors> {
    let mut answers: Vec<&Answer> = proxies.iter().flat_map(|proxy| &proxy.answers).collect();
    answers.dedup_by_key(|answer| answer.place);
    let list = |answer: &Answer| {
        let names = answer.value.split(',').map(|name| name.trim().to_ascii_lowercase());
        (!answer.value.contains("%[")).then(|| names.collect::<Vec<String>>())
    };
    let mut all: Vec<Cors> = Vec::new();
    for answer in answers {
        let cors = match answer.name.as_str() {
            "access-control-allow-headers" => Cors { allow: list(answer), expose: None, place: answer.place },
            "access-control-expose-headers" => Cors { allow: None, expose: list(answer), place: answer.place },
            _ => continue,
        };
        if !all.iter().any(|other| other.place == cors.place && other.allow == cors.allow) {
            all.push(cors);
        }
    }
    all
}
