//! What middlewares do to a request.

use super::source::words;
use super::{INFO, PEM};
use crate::gateway::hop::{Carrier, Cause, Consulted, Cors, Form, Part, Rewrite, Value};
use crate::gateway::run::Run;
use crate::gateway::tree::{At, Switch};

/// What the middlewares of a router have done besides headers.
#[derive(Default)]
pub(super) struct Way {
    pub(super) when: Vec<String>,
    pub(super) rewrites: Vec<Rewrite>,
    pub(super) cors: Vec<Cors>,
    pub(super) consulted: Vec<Consulted>,
    pub(super) consumes: bool,
}

/// A middleware that is to pass the certificate on.
pub(super) fn carriers(at: At<'_>) -> Vec<Carrier> {
    let Some(pass) = at.get("passTLSClientCert") else { return Vec::new() };
    let pem = pass.get("pem").filter(|_| pass.switch("pem", false) == Switch::On);
    let info = pass.get("info").filter(|at| !at.is_empty());
    let carrier = |header: &str, form, at: At<'_>| Carrier { header: header.to_owned(), form, place: at.place() };
    pem.map(|at| carrier(PEM, Form::DerBase64, at))
        .into_iter()
        .chain(info.map(|at| carrier(INFO, Form::Dn, at)))
        .collect()
}

/// Lets a request through a middleware; `false` where it gets an answer.
pub(super) fn apply(at: At<'_>, run: &mut Run, way: &mut Way, tls: bool) -> bool {
    for (kind, settings) in at.entries() {
        let place = settings.place();
        match kind.to_ascii_lowercase().as_str() {
            "passtlsclientcert" if run.presented => {
                if let Some(pem) = settings.get("pem").filter(|_| settings.switch("pem", false) == Switch::On) {
                    run.set(PEM, vec![Value::Certificate(Form::DerBase64)], pem.place(), Cause::Set);
                }
                if let Some(info) = settings.get("info").filter(|at| !at.is_empty()) {
                    let form = if info.get("subject").is_some() || info.get("issuer").is_some() {
                        Some(Form::Dn)
                    } else {
                        info.get("serialNumber").map(|_| Form::Serial)
                    };
                    run.set(INFO, vec![form.map_or(Value::Other, Value::Certificate)], info.place(), Cause::Set);
                }
            }
            "headers" => {
                for (name, value) in settings.get("customRequestHeaders").into_iter().flat_map(At::entries) {
                    match value.node.text() {
                        _ if name.eq_ignore_ascii_case("host") => {
                            way.rewrites.push(Rewrite { part: Part::Host, place: value.place(), told: true })
                        }
                        Some("") => run.remove(name, value.place(), Cause::Removed),
                        _ => run.set(
                            name,
                            vec![value.text().map_or(Value::Unknown, |text| Value::Constant(text.to_owned()))],
                            value.place(),
                            Cause::Set,
                        ),
                    }
                }
                let list = |key: &str| {
                    settings
                        .get(key)
                        .map(|_| words(settings, key).iter().map(|name| name.to_ascii_lowercase()).collect())
                };
                if let Some(at) =
                    settings.get("accessControlAllowHeaders").or_else(|| settings.get("accessControlExposeHeaders"))
                {
                    way.cors.push(Cors {
                        allow: list("accessControlAllowHeaders"),
                        expose: list("accessControlExposeHeaders"),
                        place: at.place(),
                    });
                }
            }
            "stripprefix" | "stripprefixregex" | "replacepath" | "replacepathregex" => {
                way.rewrites.push(Rewrite { part: Part::Path, place, told: true })
            }
            "addprefix" => way.rewrites.push(Rewrite { part: Part::Path, place, told: false }),
            "forwardauth" => {
                way.when.push("the authorization service agrees".to_owned());
                if let Some(list) = settings.get("authRequestHeaders") {
                    let names = words(settings, "authRequestHeaders");
                    let listed =
                        |name: &str| names.is_empty() || names.iter().any(|listed| listed.eq_ignore_ascii_case(name));
                    let label = settings.word("address").unwrap_or_default().to_owned();
                    way.consulted.push(Consulted {
                        label,
                        authorization: listed("authorization"),
                        dpop: listed("dpop"),
                        place: list.place(),
                    });
                }
                for name in words(settings, "authResponseHeaders") {
                    run.set(name, vec![Value::Unknown], place, Cause::Set);
                }
                if settings.get("authResponseHeadersRegex").is_some() {
                    run.anything();
                }
            }
            "basicauth" | "digestauth" => {
                way.when.push("the client gives its password".to_owned());
                way.consumes = true;
                if settings.switch("removeHeader", false) == Switch::On {
                    run.remove("authorization", place, Cause::Consumed);
                }
                if let Some(name) = settings.word("headerField") {
                    run.set(name, vec![Value::Other], place, Cause::Set);
                }
            }
            "redirectscheme" if !tls && settings.word("scheme") == Some("https") => return false,
            "redirectregex" | "ipwhitelist" | "ipallowlist" | "ratelimit" | "inflightreq" => {
                way.when.push(format!("{kind} lets it through"))
            }
            "passtlsclientcert" | "redirectscheme" | "compress" | "retry" | "circuitbreaker" | "buffering"
            | "contenttype" | "errors" | "grpcweb" | "chain" => {}
            _ => run.anything(),
        }
    }
    true
}
