//! What Caddy does with a request, as both of its languages say it: steps in a row, each under a condition.

use crate::gateway::hop::{Consulted, Form, Logged, Place, Protocol, Value};
use crate::gateway::run::Run;

/// Sites of one listener that answer to the same names.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub(super) label: String,
    pub(super) ports: Vec<u16>,
    pub(super) hosts: Vec<String>,
    pub(super) tls: bool,
    pub(super) auth: super::tls::Auth,
    pub(super) inner: bool,
    pub(super) logs: Vec<Logged>,
    pub(super) steps: Vec<Step>,
}

/// A step.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) guard: Guard,
    /// Of the steps of a group only the first whose condition holds is taken.
    pub(super) group: Option<String>,
    /// Nothing on its level comes after it.
    pub(super) last: bool,
    pub(super) action: Action,
}

impl Step {
    pub(super) const fn always(action: Action) -> Self {
        Self { guard: Guard::Always, group: None, last: false, action }
    }
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Guard {
    Always,
    /// The path fits a pattern of Caddy's: `/a`, `/a/*`.
    Path(String),
    /// Something else, in the words of the configuration.
    Other(String),
    All(Vec<Guard>),
    Any(Vec<Guard>),
    Not(Box<Guard>),
}

/// What is done.
#[derive(Debug, Clone)]
pub(super) enum Action {
    Headers(Vec<Operation>),
    /// The path is changed.
    Path(Place),
    Method(Place),
    Sub(Vec<Step>),
    Proxy(Proxy),
    /// The gateway answers itself.
    Answer,
    Consult(Consulted, Vec<String>),
    Password,
    /// A header of the answer: name and value.
    Response(String, String, Place),
    /// A module that is not Caddy's own.
    Unknown,
}

/// A request goes to an upstream.
#[derive(Debug, Clone)]
pub(super) struct Proxy {
    pub(super) label: String,
    pub(super) upstreams: Vec<String>,
    pub(super) operations: Vec<Operation>,
    pub(super) protocol: Protocol,
    pub(super) place: Place,
    pub(super) path: Option<Place>,
    pub(super) method: Option<Place>,
}

/// A change of one request header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operation {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) value: String,
    pub(super) place: Place,
}

/// Its kind, in the order in which Caddy goes about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Add,
    Set,
    Delete,
    Replace,
}

/// In which form a placeholder holds the certificate. `name` without braces, in its short or long form.
pub(super) fn form(name: &str) -> Option<Form> {
    let name = name.strip_prefix("http.request.tls.client.").or_else(|| name.strip_prefix("tls_client_"))?;
    Some(match name {
        "certificate_pem" => Form::PemLines,
        "certificate_der_base64" => Form::DerBase64,
        "fingerprint" => Form::Sha256,
        "subject" | "issuer" => Form::Dn,
        "serial" => Form::Serial,
        _ => return None,
    })
}

/// The placeholders in a text, without their braces, and whether anything stands around them.
fn placeholders(text: &str) -> (Vec<&str>, bool) {
    let mut names = Vec::new();
    let mut around = false;
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        around |= open > 0;
        let Some(length) = rest[open..].find('}') else { return (names, true) };
        names.push(&rest[open + 1..open + length]);
        rest = &rest[open + length + 1..];
    }
    (names, around || !rest.is_empty())
}

/// In which form a text takes the certificate, if it does.
pub(super) fn carries(text: &str) -> Option<Form> {
    let forms: Vec<Form> = placeholders(text).0.into_iter().filter_map(form).collect();
    let found = forms.iter().copied().find(|form| form.shows_binding()).or_else(|| forms.first().copied())?;
    let is_rfc9440 = found == Form::DerBase64 && text.starts_with(":{") && text.ends_with("}:") && forms.len() == 1;
    Some(if is_rfc9440 { Form::Rfc9440 } else { found })
}

/// What a text with placeholders holds for a request.
pub(super) fn value(text: &str, run: &Run) -> Value {
    let (names, around) = placeholders(text);
    if names.is_empty() {
        return if text.is_empty() { Value::Empty } else { Value::Constant(text.to_owned()) };
    }
    if let Some(form) = carries(text) {
        // Without a certificate Caddy writes nothing, or the placeholder itself.
        return if run.presented { Value::Certificate(form) } else { Value::Other };
    }
    let header = |name: &str| {
        let name = name.strip_prefix("http.request.header.").or_else(|| name.strip_prefix("header."))?;
        Some(name.to_ascii_lowercase())
    };
    match names.as_slice() {
        [name] if header(name).is_some() => match run.values(&header(name).unwrap_or_default()).as_slice() {
            _ if around => Value::Unknown,
            [Value::Client] => Value::ClientHeader(header(name).unwrap_or_default()),
            [one] => one.clone(),
            [] => Value::Empty,
            _ => Value::Unknown,
        },
        names if names.iter().any(|name| header(name).is_some() || is_open(name)) => Value::Unknown,
        _ => Value::Other,
    }
}

/// Whether a placeholder may hold anything, the certificate too.
fn is_open(name: &str) -> bool {
    let known = [
        "http.request.host",
        "http.request.remote",
        "http.request.port",
        "http.request.method",
        "http.request.uri",
        "http.request.scheme",
        "http.request.proto",
        "http.request.uuid",
        "http.request.orig",
        "http.request.hostport",
        "http.request.tls",
        "http.reverse_proxy",
        "http.request.local",
        "http.request.duration",
        "http.request.body",
        "host",
        "hostport",
        "port",
        "method",
        "path",
        "uri",
        "query",
        "scheme",
        "remote",
        "client_ip",
        "upstream_hostport",
        "system",
        "time",
        "env.",
        "$",
        "rp.",
        "dir",
        "file",
        "tls_",
        "orig_",
        "http.request.cookie",
        "cookie",
        "re.",
        "http.request.client",
    ];
    !known.iter().any(|known| name.starts_with(known))
}
