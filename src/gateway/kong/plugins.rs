//! Plugins on a request's way, in the order in which Kong runs them.

use super::set::{Plugin, Plugins};
use crate::gateway::hop::{
    Carrier, Cause, ClientAuth, Cors, Credential, Event, Form, Logged, Part, Place, Rewrite, Slot, Value,
};
use crate::gateway::run::{Handshake, Run};
use crate::gateway::tree::{At, Switch};

/// Plugins that see to it that a request goes no further, or not to the service.
const ANSWER: [&str; 4] = ["request-termination", "redirect", "mocking", "standard-webhooks"];
/// Plugins that send the request, or something made of it, elsewhere.
const ELSEWHERE: [&str; 5] = ["aws-lambda", "azure-functions", "kafka-upstream", "forward-proxy", "ai-proxy"];
/// Plugins that let headers of the client's credentials and certificates alone.
const HARMLESS: &[&str] = &[
    "acl",
    "acme",
    "ai-prompt-decorator",
    "ai-prompt-guard",
    "ai-prompt-template",
    "ai-rate-limiting-advanced",
    "application-registration",
    "bot-detection",
    "canary",
    "confluent",
    "correlation-id",
    "cors",
    "datadog",
    "degraphql",
    "exit-transformer",
    "file-log",
    "graphql-proxy-cache-advanced",
    "graphql-rate-limiting-advanced",
    "grpc-gateway",
    "grpc-web",
    "http-log",
    "injection-protection",
    "ip-restriction",
    "jq",
    "json-threat-protection",
    "jwt",
    "kafka-log",
    "key-auth",
    "key-auth-enc",
    "loggly",
    "mtls-auth",
    "oas-validation",
    "opentelemetry",
    "prometheus",
    "proxy-cache",
    "proxy-cache-advanced",
    "rate-limiting",
    "rate-limiting-advanced",
    "request-size-limiting",
    "request-validator",
    "response-ratelimiting",
    "response-transformer",
    "response-transformer-advanced",
    "route-transformer-advanced",
    "service-protection",
    "session",
    "statsd",
    "statsd-advanced",
    "syslog",
    "tcp-log",
    "tls-handshake-modifier",
    "udp-log",
    "upstream-timeout",
    "vault-auth",
    "websocket-size-limit",
    "websocket-validator",
    "xml-threat-protection",
    "zipkin",
];
/// Plugins that write the request's headers to a log; `Authorization` is masked (`kong.log.serialize`).
const LOGS: [&str; 8] = ["file-log", "http-log", "tcp-log", "udp-log", "syslog", "loggly", "kafka-log", "solace-log"];

/// How certificates are asked for on a way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) handshake: Handshake,
    pub(super) at: Option<Place>,
    /// Clients that fail are let through as somebody else.
    pub(super) lenient: bool,
}

/// What these plugins ask for.
pub(super) fn asked(plugins: &Plugins<'_>) -> Asked {
    if let Some(plugin) = plugins.get("mtls-auth") {
        let anonymous = plugin.config.and_then(|config| config.get("anonymous")).filter(|at| !at.is_empty());
        let handshake = match anonymous {
            Some(_) => Handshake { auth: ClientAuth::Optional, required: false },
            None => Handshake { auth: ClientAuth::Required, required: true },
        };
        return Asked { handshake, at: Some(place(*plugin)), lenient: anonymous.is_some() };
    }
    match plugins.get("tls-handshake-modifier") {
        Some(plugin) => Asked {
            handshake: Handshake { auth: ClientAuth::Unverified, required: false },
            at: Some(place(*plugin)),
            lenient: false,
        },
        None => Asked { handshake: Handshake::OFF, at: None, lenient: false },
    }
}

/// The line with a plugin's name.
fn place(plugin: Plugin<'_>) -> Place {
    plugin.at.get("name").unwrap_or(plugin.at).place()
}

/// The headers that `tls-metadata-headers` fills.
fn metadata<'a>(plugin: Plugin<'a>) -> impl Iterator<Item = (String, Form)> + use<'a> {
    [
        ("client_cert_header_name", "x-client-cert", Form::PemEscaped),
        ("client_cert_fingerprint_header_name", "x-client-cert-fingerprint", Form::Sha1),
        ("client_cert_subject_dn_header_name", "x-client-cert-subject-dn", Form::Dn),
        ("client_cert_issuer_dn_header_name", "x-client-cert-issuer-dn", Form::Dn),
        ("client_serial_header_name", "x-client-cert-serial", Form::Serial),
    ]
    .into_iter()
    .map(move |(key, default, form)| {
        let name = plugin.config.and_then(|config| config.word(key)).unwrap_or(default);
        (name.to_ascii_lowercase(), form)
    })
}

/// What injects details of certificates, whether it is switched on, and where that stands.
fn injects(plugin: Plugin<'_>) -> (Switch, Place) {
    let key = "inject_client_cert_details";
    let switch = plugin.config.map_or(Switch::Off, |config| config.switch(key, false));
    (switch, plugin.config.and_then(|config| config.get(key)).map_or_else(|| place(plugin), At::place))
}

/// The headers that are meant to carry the certificate.
pub(super) fn carriers(plugins: &Plugins<'_>) -> Vec<Carrier> {
    let Some(plugin) = plugins.get("tls-metadata-headers") else { return Vec::new() };
    let carrier = |(header, form)| Carrier { header, form, place: place(*plugin) };
    metadata(*plugin).take(1).map(carrier).collect()
}

/// What a way does besides headers.
#[derive(Debug, Default)]
pub(super) struct Way {
    pub(super) cors: Vec<Cors>,
    pub(super) logs: Vec<Logged>,
    pub(super) rewrites: Vec<Rewrite>,
    pub(super) when: Vec<String>,
    pub(super) consumes: bool,
    pub(super) checks_binding: bool,
    /// A header that Kong takes certificates from, and where it takes them from anybody.
    pub(super) trusted: Vec<String>,
    /// Something answers, or sends the request elsewhere.
    pub(super) ends: bool,
}

/// What plugins do that is the same for every client.
pub(super) fn way(plugins: &Plugins<'_>, dpop: bool) -> Way {
    let mut way =
        Way { ends: ANSWER.iter().chain(&ELSEWHERE).any(|name| plugins.contains_key(name)), ..Way::default() };
    if let Some(config) = plugins.get("cors").and_then(|plugin| plugin.config) {
        let list = |key: &str| {
            let list = config.get(key).filter(|list| !list.is_empty() && !list.holds_template())?;
            Some(list.items().filter_map(At::text).map(str::to_ascii_lowercase).collect::<Vec<_>>())
        };
        if let Some(at) = config.get("headers").or_else(|| config.get("exposed_headers")) {
            way.cors.push(Cors { allow: list("headers"), expose: list("exposed_headers"), place: at.place() });
        }
    }
    for plugin in LOGS.iter().filter_map(|name| plugins.get(name)) {
        // Lua may take fields out again.
        let own = plugin.config.and_then(|config| config.get("custom_fields_by_lua"));
        let masked = own.is_some_and(|own| {
            own.entries().any(|(key, _)| {
                let key = key.to_ascii_lowercase();
                key == "request" || key == "request.headers" || key.ends_with(".dpop")
            })
        });
        if !masked {
            way.logs.push(Logged { what: Credential::OtherHeaders, place: place(*plugin), active: None });
        }
        let fields = own.into_iter().flat_map(At::entries);
        way.logs.extend(fields.filter_map(|(_, at)| {
            Some(Logged { what: returned(at.text()?)?, place: at.place(), active: Some(place(*plugin)) })
        }));
    }
    if let Some(config) = plugins.get("openid-connect").and_then(|plugin| plugin.config) {
        let checks = |key: &str| config.get(key).is_some_and(|mode| mode.text() != Some("off"));
        way.checks_binding = checks("proof_of_possession_mtls");
        way.consumes = checks("proof_of_possession_dpop");
    }
    let passwords =
        ["basic-auth", "ldap-auth", "ldap-auth-advanced", "hmac-auth", "oauth2", "key-auth", "upstream-oauth"];
    way.consumes |= passwords.iter().any(|name| plugins.contains_key(name)) && !dpop_only(plugins, dpop);
    if let Some(plugin) = plugins.get("header-cert-auth") {
        let name = plugin.config.and_then(|config| config.word("certificate_header_name"));
        way.trusted.extend(name.map(str::to_ascii_lowercase));
    }
    for name in ["request-transformer-advanced", "request-transformer"] {
        if let Some(at) =
            plugins.get(name).and_then(|plugin| plugin.config?.get("http_method")).filter(|at| !at.is_empty())
        {
            way.rewrites.push(Rewrite { part: Part::Method, place: at.place(), told: false });
        }
    }
    for name in ["acl", "ip-restriction", "rate-limiting"] {
        if plugins.contains_key(name) {
            way.when.push(format!("{name} lets it through"));
        }
    }
    way
}

/// What a field of a log holds whose Lua does nothing but return it: a header as it came, or all of them.
fn returned(lua: &str) -> Option<Credential> {
    let lua = lua.trim().strip_prefix("return")?.trim_end_matches(';').to_ascii_lowercase();
    // In `… or "-"` the header comes first.
    let value: String = lua.split(" or ").next()?.chars().filter(|c| !c.is_whitespace()).collect();
    let value = value.replace('\'', "\"");
    let all = ["kong.request.get_headers()", "ngx.req.get_headers()"];
    if all.contains(&value.as_str()) {
        return Some(Credential::AllHeaders);
    }
    let name = match (value.strip_prefix("kong.request.get_header(\""), value.strip_prefix("ngx.var.http_")) {
        (Some(rest), _) => rest.strip_suffix("\")")?.to_owned(),
        (None, Some(rest)) => rest.replace('_', "-"),
        (None, None) => {
            let rest = all.iter().find_map(|all| value.strip_prefix(all))?;
            let named = rest.strip_prefix('.').or_else(|| rest.strip_prefix("[\"")?.strip_suffix("\"]"))?;
            named.to_owned()
        }
    };
    match name.as_str() {
        "authorization" => Some(Credential::Authorization),
        "dpop" => Some(Credential::Dpop),
        _ => None,
    }
}

/// Whether tokens with proofs are what the way is for: a plugin for them stands beside that for passwords.
fn dpop_only(plugins: &Plugins<'_>, dpop: bool) -> bool {
    dpop && ["openid-connect", "oauth2-introspection", "jwt"].iter().any(|name| plugins.contains_key(name))
}

/// Sends a request through the plugins. `trusts_all`: `trusted_ips` of the node names everybody.
pub(super) fn run(plugins: &Plugins<'_>, run: &mut Run, trusts_all: Option<Place>, dpop: bool) {
    const ORDER: [&str; 12] = [
        "pre-function",
        "oauth2-introspection",
        "openid-connect",
        "header-cert-auth",
        "opa",
        "jwt-signer",
        "tls-metadata-headers",
        "upstream-oauth",
        "request-transformer-advanced",
        "request-transformer",
        "request-callout",
        "post-function",
    ];
    // What is not known may stand anywhere in the order.
    let known = |name: &str| {
        ORDER.contains(&name)
            || HARMLESS.contains(&name)
            || ANSWER.contains(&name)
            || LOGS.contains(&name)
            || matches!(name, "basic-auth" | "ldap-auth" | "ldap-auth-advanced" | "hmac-auth" | "oauth2" | "key-auth")
    };
    if !plugins.keys().all(|name| known(name)) {
        run.anything();
    }
    for name in ORDER {
        let Some(plugin) = plugins.get(name) else { continue };
        match name {
            "tls-metadata-headers" => inject(*plugin, run),
            "request-transformer" | "request-transformer-advanced" => {
                plugin.config.into_iter().for_each(|config| transform(config, run));
            }
            "header-cert-auth" => header(*plugin, run, trusts_all),
            "openid-connect" | "oauth2-introspection" => token(name, *plugin, run, dpop),
            "jwt-signer" | "upstream-oauth" => {
                run.request.set("authorization", vec![Value::Unknown], None);
            }
            _ => run.anything(),
        }
    }
}

fn inject(plugin: Plugin<'_>, run: &mut Run) {
    let (switch, at) = injects(plugin);
    match switch {
        Switch::On => {
            for (name, form) in metadata(plugin) {
                if run.presented {
                    run.set(&name, vec![Value::Certificate(form)], at, Cause::Set);
                } else {
                    // Without a certificate it sets nothing, and what the client sent stays.
                    let slot = run.slot(&name);
                    run.request.set(&name, slot.values, Some(Event::new(at, Cause::Conditional)));
                }
            }
        }
        Switch::Off if run.presented => run.lost = Some(Event::new(at, Cause::NotApplied)),
        Switch::Off => {}
        Switch::Unknown => metadata(plugin).for_each(|(name, _)| run.request.set(&name, vec![Value::Unknown], None)),
    }
}

/// `header-cert-auth`: a certificate is taken from a header, of gateways in front or of anybody.
fn header(plugin: Plugin<'_>, run: &mut Run, trusts_all: Option<Place>) {
    let Some(config) = plugin.config else { return };
    let Some(name) = config.word("certificate_header_name").map(str::to_ascii_lowercase) else { return };
    let at = config.get("secure_source");
    match (config.switch("secure_source", true), trusts_all) {
        (Switch::Off, _) => {
            run.set(&name, vec![Value::Client], at.unwrap_or(config).place(), Cause::TrustsAll);
        }
        (Switch::On, Some(everybody)) => run.set(&name, vec![Value::Client], everybody, Cause::TrustsAll),
        _ => run.request.set(&name, vec![Value::Unknown], None),
    }
}

/// Plugins that check tokens, and may keep them to themselves.
fn token(name: &str, plugin: Plugin<'_>, run: &mut Run, dpop: bool) {
    let config = plugin.config;
    let hides = config
        .and_then(|config| config.get("hide_credentials"))
        .filter(|_| config.is_some_and(|config| config.switch("hide_credentials", false) == Switch::On));
    // Browsers that are logged in here send no tokens.
    let bearer = config.is_some_and(|config| {
        config.list("auth_methods").any(|at| matches!(at.text(), Some("bearer" | "introspection")))
    });
    match hides {
        Some(at) if name == "oauth2-introspection" => run.remove("authorization", at.place(), Cause::Consumed),
        Some(at) if bearer || dpop => {
            // The token goes on under another scheme, where it goes on at all.
            let header = config.and_then(|config| config.get("upstream_access_token_header"));
            let moved = header.is_some_and(|at| {
                at.text().is_some_and(|text| !text.to_ascii_lowercase().starts_with("authorization"))
            });
            let values = if moved { Vec::new() } else { vec![Value::Other] };
            run.set("authorization", values, at.place(), Cause::Consumed);
        }
        _ => run.request.set("authorization", vec![Value::Unknown], None),
    }
}

/// `request-transformer` and its advanced kin: remove, rename, replace, add, append, in this order.
fn transform(config: At<'_>, run: &mut Run) {
    let pairs = |kind: &str| -> Vec<(String, Value, Place)> {
        let list = config.get(kind).and_then(|at| at.get("headers"));
        list.into_iter()
            .flat_map(At::items)
            .filter_map(|at| {
                let text = at.node.text()?;
                let (name, value) = text.split_once(':').unwrap_or((text, ""));
                let value = value.trim_start_matches(':');
                let plain = at.text().is_some() && !value.contains("$(");
                let value = if plain { Value::Constant(value.to_owned()) } else { Value::Unknown };
                Some((name.trim().to_ascii_lowercase(), value, at.place()))
            })
            .collect()
    };
    for (name, _, at) in pairs("remove") {
        run.remove(&name, at, Cause::Removed);
    }
    for (name, value, at) in pairs("rename") {
        let Value::Constant(new) = value else { continue };
        let values = run.values(&name).into_iter().map(|value| match value {
            Value::Client => Value::ClientHeader(name.clone()),
            other => other,
        });
        let values: Vec<Value> = values.collect();
        if !values.is_empty() {
            run.set(new.trim(), values, at, Cause::Copied);
            run.remove(&name, at, Cause::Removed);
            run.lost = None;
        }
    }
    for (name, value, at) in pairs("replace") {
        if !run.values(&name).is_empty() {
            run.set(&name, vec![value], at, Cause::Set);
        }
    }
    for (name, value, at) in pairs("add") {
        let before = run.slot(&name);
        match before.values.as_slice() {
            [] => run.set(&name, vec![value], at, Cause::Set),
            // It stays as the client sent it, if it sent any.
            [Value::Client] if !matches!(name.as_str(), "authorization" | "dpop") => {
                let event = Some(Event::new(at, Cause::ClientWins));
                run.request.headers.insert(name, Slot { event, ..before });
            }
            _ => {}
        }
    }
    for (name, value, at) in pairs("append") {
        let mut values = run.values(&name);
        values.push(value);
        run.set(&name, values, at, Cause::Appended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_return_a_header_as_it_came() {
        for (lua, what) in [
            ("return kong.request.get_header(\"Authorization\")", Some(Credential::Authorization)),
            ("return kong.request.get_header( 'dpop' ) or '-'", Some(Credential::Dpop)),
            ("return ngx.var.http_authorization;", Some(Credential::Authorization)),
            ("return kong.request.get_headers()[\"DPoP\"]", Some(Credential::Dpop)),
            ("return ngx.req.get_headers().authorization", Some(Credential::Authorization)),
            ("return kong.request.get_headers()", Some(Credential::AllHeaders)),
            ("return kong.request.get_header(\"authorization\") ~= nil", None),
            ("return kong.request.get_header(\"authorization\"):sub(1, 6)", None),
            ("return kong.request.get_header(\"x-tenant\")", None),
            ("return nil", None),
        ] {
            assert_eq!(returned(lua), what, "{lua}");
        }
    }
}
