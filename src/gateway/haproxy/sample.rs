//! Sample expressions (`ssl_c_der,base64`) and format strings (`:%[…]:`), and what they give for a client
//! (configuration manual, sections 7.3 and 8.2.6).

use crate::gateway::hop::{Form, Value};

/// A fetch method with its arguments, and converters that work on what it gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) fetch: String,
    pub(super) arguments: Vec<String>,
    pub(super) converters: Vec<(String, Vec<String>)>,
}

impl Sample {
    /// Reads an expression.
    pub(super) fn parse(text: &str) -> Self {
        let mut calls = split(text).into_iter().map(call);
        let (fetch, arguments) = calls.next().unwrap_or_default();
        Self { fetch: fetch.to_ascii_lowercase(), arguments, converters: calls.collect() }
    }

    /// The first argument, without quotes.
    pub(super) fn argument(&self) -> &str {
        self.arguments.first().map_or("", String::as_str)
    }

    /// The request header that it reads, lower case.
    pub(super) fn header(&self) -> Option<String> {
        let reads = matches!(
            self.fetch.as_str(),
            "hdr"
                | "req.hdr"
                | "req.fhdr"
                | "req.hdr_val"
                | "hdr_val"
                | "fhdr"
                | "hdr_cnt"
                | "req.hdr_cnt"
                | "req.fhdr_cnt"
        );
        (reads && !self.argument().is_empty()).then(|| self.argument().to_ascii_lowercase())
    }

    /// Whether it says something of the client certificate.
    pub(super) fn of_certificate(&self) -> bool {
        self.fetch.starts_with("ssl_c_") || self.fetch == "ssl_fc_has_crt"
    }

    /// What it takes out of the client certificate where there is one, converters aside.
    pub(super) fn taken(&self) -> Option<Datum> {
        Some(match self.fetch.as_str() {
            "ssl_c_der" => Datum::Der,
            "ssl_c_sha1" => Datum::Hash(Form::Sha1),
            "ssl_c_serial" => Datum::Hash(Form::Serial),
            "ssl_c_s_dn" | "ssl_c_i_dn" => Datum::Certificate(Form::Dn),
            _ => return None,
        })
    }
}

/// Cuts at commas outside parentheses, brackets and quotes.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut quote, mut start) = (0usize, None, 0);
    for (at, c) in text.char_indices() {
        match c {
            '\'' | '"' if quote == Some(c) => quote = None,
            '\'' | '"' if quote.is_none() && depth > 0 => quote = Some(c),
            _ if quote.is_some() => {}
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// `name(a,b)` as name and arguments.
fn call(text: &str) -> (String, Vec<String>) {
    let text = text.trim();
    let Some((name, rest)) = text.split_once('(') else { return (text.to_owned(), Vec::new()) };
    let inner = rest.strip_suffix(')').unwrap_or(rest);
    let arguments = split(inner).into_iter().map(|a| a.trim().trim_matches(['\'', '"']).to_owned()).collect();
    (name.to_owned(), arguments)
}

/// A part of a format string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Text.
    Text(String),
    /// `%[expression]`.
    Sample(Sample),
    /// A variable of the log: `%hr`.
    Variable(String),
}

/// Reads a format string.
pub(super) fn format(text: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let push = |parts: &mut Vec<Part>, piece: &str| {
        if piece.is_empty() {
            return;
        }
        match parts.last_mut() {
            Some(Part::Text(text)) => text.push_str(piece),
            _ => parts.push(Part::Text(piece.to_owned())),
        }
    };
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        push(&mut parts, &rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            push(&mut parts, "%");
            rest = after;
            continue;
        }
        // `%{+Q}[…]`, `%{+Q}r`, and since 3.0 `%(name)[…]`.
        for (open, close) in [('(', ')'), ('{', '}')] {
            if let Some((_, after)) = rest.strip_prefix(open).and_then(|inner| inner.split_once(close)) {
                rest = after;
            }
        }
        if let Some(inner) = rest.strip_prefix('[') {
            let end = closing(inner);
            parts.push(Part::Sample(Sample::parse(&inner[..end])));
            rest = inner.get(end + 1..).unwrap_or_default();
        } else {
            let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            if end > 0 {
                parts.push(Part::Variable(rest[..end].to_owned()));
            }
            rest = &rest[end..];
        }
    }
    push(&mut parts, rest);
    parts
}

/// Where the bracket of an expression closes: brackets in quotes or parentheses are its own.
fn closing(text: &str) -> usize {
    let (mut depth, mut quote) = (0usize, None);
    for (at, c) in text.char_indices() {
        match c {
            '\'' | '"' if quote == Some(c) => quote = None,
            '\'' | '"' if quote.is_none() && depth > 0 => quote = Some(c),
            _ if quote.is_some() => {}
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ']' if depth == 0 => return at,
            _ => {}
        }
    }
    // A quote or a parenthesis that does not close is none.
    text.find(']').unwrap_or(text.len())
}

/// What an expression gives for one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Datum {
    /// Nothing: a condition on it does not hold, a header made of it is empty.
    Absent,
    Bool(bool),
    Text(String),
    /// The result of the verification: whether it is 0.
    Verification(bool),
    /// The certificate's DER, which no header can hold.
    Der,
    /// A hash, which no header can hold.
    Hash(Form),
    /// Something of the certificate as text.
    Certificate(Form),
    /// What the client sent under that name.
    Header(String),
    /// Neither the certificate nor a header.
    Other,
    Unknown,
}

impl Datum {
    /// The result of converters.
    pub(super) fn converted(mut self, converters: &[(String, Vec<String>)]) -> Self {
        for (name, arguments) in converters {
            let first = arguments.first().map_or("", String::as_str);
            self = match (self, name.as_str()) {
                (Self::Absent, _) => return Self::Absent,
                (Self::Der, "base64") => Self::Certificate(Form::DerBase64),
                (Self::Der, "sha2") if matches!(first, "" | "256") => Self::Hash(Form::Sha256),
                (Self::Der, "digest") if first.eq_ignore_ascii_case("sha256") => Self::Hash(Form::Sha256),
                (Self::Der, "sha1") => Self::Hash(Form::Sha1),
                (Self::Der, "digest") if first.eq_ignore_ascii_case("sha1") => Self::Hash(Form::Sha1),
                (Self::Hash(form), "hex" | "base64" | "ub64enc") => Self::Certificate(form),
                (Self::Hash(form), _) if !form.shows_binding() => Self::Certificate(form),
                (Self::Certificate(form @ Form::Sha256), "lower" | "upper" | "url_enc") => Self::Certificate(form),
                (Self::Certificate(form @ Form::DerBase64), "url_enc") => Self::Certificate(form),
                (Self::Certificate(form), _) if !form.shows_binding() => Self::Certificate(form),
                (Self::Bool(value), "not") => Self::Bool(!value),
                (Self::Bool(value), "bool") => Self::Bool(value),
                (Self::Bool(value), "iif") => {
                    Self::Text(if value { first } else { arguments.get(1).map_or("", String::as_str) }.to_owned())
                }
                (Self::Text(_) | Self::Bool(_) | Self::Verification(_) | Self::Other, _) => Self::Other,
                _ => Self::Unknown,
            };
        }
        self
    }

    /// As a part of a header.
    fn value(&self) -> Value {
        match self {
            Self::Absent => Value::Empty,
            Self::Bool(value) => Value::Constant(if *value { "1" } else { "0" }.to_owned()),
            Self::Text(text) if text.is_empty() => Value::Empty,
            Self::Text(text) => Value::Constant(text.clone()),
            Self::Verification(_) => Value::Verification,
            Self::Certificate(form) => Value::Certificate(*form),
            Self::Header(name) => Value::ClientHeader(name.clone()),
            Self::Other => Value::Other,
            Self::Der | Self::Hash(_) | Self::Unknown => Value::Unknown,
        }
    }
}

/// What a header set to this format is, given what each expression in it gives.
pub(super) fn header(parts: &[Part], give: &mut dyn FnMut(&Sample) -> Datum) -> Value {
    let mut before = String::new();
    let mut values: Vec<Value> = Vec::new();
    let mut after = String::new();
    for part in parts {
        let value = match part {
            Part::Text(text) => {
                if values.is_empty() { &mut before } else { &mut after }.push_str(text);
                continue;
            }
            Part::Sample(sample) => give(sample).value(),
            Part::Variable(_) => Value::Other,
        };
        match value {
            Value::Empty => {}
            Value::Constant(text) => if values.is_empty() { &mut before } else { &mut after }.push_str(&text),
            value => values.push(value),
        }
    }
    if values.is_empty() {
        let text = before.trim();
        return if text.is_empty() { Value::Empty } else { Value::Constant(text.to_owned()) };
    }
    if values.contains(&Value::Unknown) {
        return Value::Unknown;
    }
    let form = |value: &Value| match value {
        Value::Certificate(form) => Some(*form),
        _ => None,
    };
    let mut forms: Vec<Form> = values.iter().filter_map(form).collect();
    forms.sort_by_key(|form| !form.shows_binding());
    match (values.as_slice(), forms.first()) {
        ([Value::Certificate(Form::DerBase64)], _) if before.trim() == ":" && after.trim() == ":" => {
            Value::Certificate(Form::Rfc9440)
        }
        ([Value::Certificate(Form::DerBase64)], _) if before.contains("BEGIN CERTIFICATE") => {
            Value::Certificate(Form::PemOneLine)
        }
        ([value], _) if before.trim().is_empty() && after.trim().is_empty() => value.clone(),
        // Several things in one header, or text around one: what can be had of the certificate counts.
        (_, Some(form)) => Value::Certificate(*form),
        // A password of the gateway's own, wherever it comes from.
        _ if before.to_ascii_lowercase().starts_with("basic ") => Value::Constant(before),
        _ => Value::Other,
    }
}

/// What is known of a fetch that says nothing of the certificate or of a single header.
pub(super) fn plain(sample: &Sample) -> Datum {
    match sample.fetch.as_str() {
        "str" => return Datum::Text(sample.argument().to_owned()),
        "int" => return Datum::Text(sample.argument().to_owned()),
        "bool" => return Datum::Bool(matches!(sample.argument(), "true" | "1" | "yes")),
        "always_true" => return Datum::Bool(true),
        "always_false" => return Datum::Bool(false),
        _ => {}
    }
    const KNOWN: &[&str] = &[
        "src",
        "dst",
        "path",
        "url",
        "base",
        "method",
        "query",
        "req.cook",
        "cook",
        "res.",
        "ssl_fc",
        "ssl_f_",
        "ssl_bc",
        "fe_",
        "be_",
        "srv_",
        "sc_",
        "sc0_",
        "sc1_",
        "sc2_",
        "date",
        "rand",
        "uuid",
        "hostname",
        "env",
        "nbsrv",
        "table_",
        "http_auth",
        "fc_",
        "bc_",
        "unique-id",
        "unique_id",
        "http_first_req",
        "http_version",
        "pathq",
        "baseq",
        "base32",
        "req.ver",
        "req_ver",
        "req.proto_http",
        "req.ssl",
        "req_ssl",
        "req.len",
        "req.body",
        "meth",
        "wait_end",
        "txn.",
        "queue",
        "avg_queue",
        "connslots",
        "act_conns",
        "status",
        "payload",
        "proc",
        "nbproc",
        "thread",
        "ipv4",
        "bin",
        "scook",
        "set-cookie",
        "rdp_cookie",
        "req.rdp_cookie",
        "so_",
        "quic_",
        "last_rule",
        "accept_date",
        "request_date",
        "bytes_",
        "capture.req.method",
        "capture.req.uri",
        "capture.req.ver",
        "capture.res",
        "stopping",
        "pid",
        "int",
        "url_param",
        "urlp",
        "urlp_val",
        "url_ip",
        "url_port",
        "req.timer",
        "fs.",
        "bs.",
        "lat_",
        "cpu_",
        "distcc_",
    ];
    if KNOWN.iter().any(|known| sample.fetch.starts_with(known)) { Datum::Other } else { Datum::Unknown }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Value {
        header(&format(text), &mut |sample| {
            let datum = match sample.fetch.as_str() {
                "ssl_c_der" => Datum::Der,
                "ssl_c_sha1" => Datum::Hash(Form::Sha1),
                "ssl_c_s_dn" => Datum::Certificate(Form::Dn),
                "none" => Datum::Absent,
                _ => plain(sample),
            };
            datum.converted(&sample.converters)
        })
    }

    #[test]
    fn formats_of_certificates() {
        assert_eq!(of("%[ssl_c_der,base64]"), Value::Certificate(Form::DerBase64));
        assert_eq!(of(":%[ssl_c_der,base64]:"), Value::Certificate(Form::Rfc9440));
        assert_eq!(of("%{+Q}[ssl_c_der,sha2(256),hex]"), Value::Certificate(Form::Sha256));
        assert_eq!(of("%[ssl_c_der,sha2(512),hex]"), Value::Unknown);
        assert_eq!(of("%[ssl_c_sha1,hex]"), Value::Certificate(Form::Sha1));
        assert_eq!(of("%[ssl_c_s_dn(cn)]"), Value::Certificate(Form::Dn));
        assert_eq!(of("Hash=%[ssl_c_der,sha2,hex];Subject=%[ssl_c_s_dn]"), Value::Certificate(Form::Sha256));
        assert_eq!(of(":%[none,base64]:"), Value::Constant("::".to_owned()));
        assert_eq!(of("%[none]"), Value::Empty);
        assert_eq!(of("%ci"), Value::Other);
        assert_eq!(of("%[lua.mine]"), Value::Unknown);
        assert_eq!(of("Basic %[env(LOGIN)]"), Value::Constant("Basic ".to_owned()));
        assert_eq!(of("%[path,regsub(\"[a-z](x)\",'','g')]/x"), Value::Other);
    }
}
