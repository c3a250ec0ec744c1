//! Plugins on a request's way.

use super::set::{Named, Plugins};
use crate::gateway::hop::{Carrier, Cause, Consulted, Cors, Credential, Logged, Part, Place, Rewrite, Value};
use crate::gateway::run::Run;
use crate::gateway::tree::{At, Switch};
use crate::gateway::variables;

/// Plugins that answer, or send the request elsewhere.
const ENDS: [&str; 14] = [
    "ai-proxy",
    "ai-proxy-multi",
    "aws-lambda",
    "azure-functions",
    "batch-requests",
    "dubbo-proxy",
    "http-dubbo",
    "kafka-proxy",
    "mcp-bridge",
    "mocking",
    "node-status",
    "openfunction",
    "openwhisk",
    "public-api",
];
/// Plugins that run code of one's own, or that of others.
const CODE: [&str; 8] = [
    "serverless-pre-function",
    "serverless-post-function",
    "ext-plugin-pre-req",
    "ext-plugin-post-req",
    "wolf-rbac",
    "multi-auth",
    "workflow",
    "example-plugin",
];
/// Plugins that know nothing of certificates and tokens, or only read them.
const HARMLESS: &[&str] = &[
    "acl",
    "api-breaker",
    "attach-consumer-label",
    "authz-casbin",
    "authz-casdoor",
    "authz-keycloak",
    "basic-auth",
    "body-transformer",
    "brotli",
    "cas-auth",
    "chaitin-waf",
    "client-control",
    "consumer-restriction",
    "cors",
    "csrf",
    "data-mask",
    "datadog",
    "degraphql",
    "echo",
    "error-page",
    "fault-injection",
    "forward-auth",
    "gm",
    "google-cloud-logging",
    "graphql-limit-count",
    "graphql-proxy-cache",
    "grpc-transcode",
    "grpc-web",
    "gzip",
    "hmac-auth",
    "inspect",
    "ip-restriction",
    "jwt-auth",
    "key-auth",
    "lago",
    "ldap-auth",
    "limit-conn",
    "limit-count",
    "limit-req",
    "oas-validator",
    "opa",
    "openid-connect",
    "opentelemetry",
    "prometheus",
    "proxy-buffering",
    "proxy-cache",
    "proxy-control",
    "proxy-mirror",
    "proxy-rewrite",
    "real-ip",
    "redirect",
    "referer-restriction",
    "request-id",
    "request-validation",
    "response-rewrite",
    "saml-auth",
    "server-info",
    "skywalking",
    "splunk-hec-logging",
    "traffic-label",
    "traffic-split",
    "ua-restriction",
    "uri-blocker",
    "zipkin",
];
/// Plugins that write requests to a log: all of the headers, unless a format says what.
const LOGS: [&str; 14] = [
    "clickhouse-logger",
    "elasticsearch-logger",
    "file-logger",
    "http-logger",
    "kafka-logger",
    "loggly",
    "loki-logger",
    "rocketmq-logger",
    "skywalking-logger",
    "sls-logger",
    "syslog",
    "tcp-logger",
    "tencent-cloud-cls",
    "udp-logger",
];

/// What a way does besides headers.
#[derive(Debug, Default)]
pub(super) struct Way {
    pub(super) cors: Vec<Cors>,
    pub(super) consulted: Vec<Consulted>,
    pub(super) logs: Vec<Logged>,
    pub(super) rewrites: Vec<Rewrite>,
    pub(super) carriers: Vec<Carrier>,
    pub(super) consumes: bool,
    pub(super) ends: bool,
}

/// What plugins do that is the same for every client.
pub(super) fn way(plugins: &Plugins<'_>, metadata: &Named<'_>) -> Way {
    let mut way = Way { ends: ENDS.iter().any(|name| plugins.contains_key(name)), ..Way::default() };
    // To HTTPS alone, it goes on.
    way.ends |= plugins.get("redirect").is_some_and(|at| at.get("uri").is_some() || at.get("regex_uri").is_some());
    way.consumes = ["basic-auth", "hmac-auth", "ldap-auth"].iter().any(|name| plugins.contains_key(name));
    if let Some(cors) = plugins.get("cors") {
        way.cors.extend(allowed(*cors));
    }
    if let Some(at) = plugins.get("forward-auth") {
        let own = at.get("extra_headers").into_iter().flat_map(At::entries).map(|(name, _)| name);
        let names: Vec<&str> = at.list("request_headers").filter_map(At::text).chain(own).collect();
        let listed = |name: &str| names.iter().any(|listed| listed.eq_ignore_ascii_case(name));
        way.consulted.push(Consulted {
            label: at.word("uri").unwrap_or("its service").to_owned(),
            authorization: listed("authorization"),
            dpop: listed("dpop"),
            place: at.get("request_headers").unwrap_or(*at).place(),
        });
    }
    if let Some(at) = plugins.get("proxy-rewrite") {
        rewritten(*at, &mut way);
    }
    let masked = plugins.contains_key("data-mask");
    for (name, at) in LOGS.iter().filter_map(|name| Some((*name, plugins.get(name)?))).filter(|_| !masked) {
        logged(name, *at, metadata, &mut way.logs);
    }
    way
}

fn allowed(at: At<'_>) -> Option<Cors> {
    let list = |key: &str| {
        let text = at.word(key).filter(|text| !text.contains('*'))?;
        Some(text.split(',').map(|name| name.trim().to_ascii_lowercase()).collect::<Vec<_>>())
    };
    let place = at.get("allow_headers").or_else(|| at.get("expose_headers"))?.place();
    Some(Cors { allow: list("allow_headers"), expose: list("expose_headers"), place })
}

fn rewritten(at: At<'_>, way: &mut Way) {
    let sets_prefix = headers(at).any(|(_, name, ..)| name.starts_with("x-forwarded-p") && name != "x-forwarded-port");
    for (key, part, told) in [
        ("uri", Part::Path, sets_prefix),
        ("regex_uri", Part::Path, sets_prefix),
        ("host", Part::Host, true),
        ("method", Part::Method, false),
    ] {
        // Of the two, the first counts.
        if key == "regex_uri" && at.get("uri").is_some() {
            continue;
        }
        if let Some(at) = at.get(key).filter(|at| at.text() != Some("$uri")) {
            way.rewrites.push(Rewrite { part, place: at.place(), told });
        }
    }
    way.carriers.extend(headers(at).filter_map(|(_, header, value, place)| match value {
        Value::Certificate(form) => Some(Carrier { header, form, place }),
        _ => None,
    }));
}

/// What is done to a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Add,
    Set,
    Remove,
}

/// What `proxy-rewrite` does to headers, in its order.
fn headers<'a>(at: At<'a>) -> impl Iterator<Item = (Act, String, Value, Place)> + use<'a> {
    let mut all = Vec::new();
    let Some(headers) = at.get("headers") else { return all.into_iter() };
    let new = ["add", "set", "remove"].iter().any(|key| headers.get(key).is_some_and(|at| at.node.text().is_none()));
    let mut put = |act: Act, list: At<'a>| {
        for (name, at) in list.entries() {
            let value = match at.text() {
                Some(text) => variables::value(text),
                None => Value::Unknown,
            };
            // The older form takes a header away by giving it nothing.
            let act = if !new && value == Value::Empty { Act::Remove } else { act };
            all.push((act, name.to_ascii_lowercase(), value, at.place()));
        }
    };
    if new {
        headers.get("add").into_iter().for_each(|list| put(Act::Add, list));
        headers.get("set").into_iter().for_each(|list| put(Act::Set, list));
        let removed = headers.list("remove").filter_map(|at| Some((at.text()?.to_ascii_lowercase(), at.place())));
        for (name, place) in removed.collect::<Vec<_>>() {
            // What is set and removed: the code removes last, the documentation says that it sets last.
            let set = all.iter_mut().find(|(act, known, ..)| *act == Act::Set && *known == name);
            match set {
                Some((_, _, value, _)) => *value = Value::Unknown,
                None => all.push((Act::Remove, name, Value::Empty, place)),
            }
        }
    } else {
        put(Act::Set, headers);
    }
    all.into_iter()
}

/// What a logger writes.
fn logged(name: &str, at: At<'_>, metadata: &Named<'_>, into: &mut Vec<Logged>) {
    let shared = metadata.get(name).and_then(|at| at.get("log_format"));
    match at.get("log_format").or(shared) {
        Some(format) => {
            let texts = format.entries().filter_map(|(_, at)| Some((at.text()?, at.place())));
            into.extend(texts.flat_map(|(text, place)| variables::logged(text, place, Some(at.place()))));
        }
        None => into.push(Logged { what: Credential::AllHeaders, place: at.place(), active: None }),
    }
}

/// Sends a request through the plugins of one level.
pub(super) fn run(plugins: &Plugins<'_>, run: &mut Run) {
    let known = |name: &&str| HARMLESS.contains(name) || LOGS.contains(name) || name.starts_with("ai-");
    if !plugins.keys().all(known) || CODE.iter().any(|name| plugins.contains_key(name)) {
        run.anything();
    }
    for name in ["jwt-auth", "key-auth"] {
        let Some(hides) = plugins.get(name).and_then(|at| at.get("hide_credentials")) else { continue };
        let header = plugins.get(name).and_then(|at| at.word("header"));
        let header = header.unwrap_or(if name == "jwt-auth" { "authorization" } else { "apikey" });
        if hides.text() == Some("true") {
            run.remove(header, hides.place(), Cause::Consumed);
        }
    }
    if let Some(at) = plugins.get("openid-connect")
        && at.switch("access_token_in_authorization_header", false) != Switch::Off
    {
        run.request.set("authorization", vec![Value::Unknown], None);
    }
    if let Some(at) = plugins.get("forward-auth") {
        for name in at.list("upstream_headers").filter_map(At::text) {
            run.request.set(name, vec![Value::Unknown], None);
        }
    }
    for (act, name, value, at) in plugins.get("proxy-rewrite").into_iter().flat_map(|at| headers(*at)) {
        // Without a certificate its variables are empty.
        let value = match value {
            Value::Certificate(_) | Value::Verification if !run.presented => Value::Empty,
            value => value,
        };
        match act {
            Act::Remove => run.remove(&name, at, Cause::Removed),
            Act::Set => run.set(&name, vec![value], at, Cause::Set),
            Act::Add => {
                let mut values = run.values(&name);
                values.push(value);
                run.set(&name, values, at, Cause::Appended);
            }
        }
    }
}
