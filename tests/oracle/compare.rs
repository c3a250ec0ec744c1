//! What the model says against what was observed.

use base64::prelude::*;
use keybound::gateway::hop::{Arrival, Client, Credential, Form, Hop, Part, PathMatch, Protocol, Request, Value};

use crate::plan::{Arrived, Certificate, Exchange, Observations, Run, Seen};

/// Ports of the backends: what is sent anywhere else gets nowhere.
const BACKENDS: std::ops::Range<u16> = 9000..9010;

/// Where the two differ, in words.
pub(crate) fn compare(run: &Run, seen: &Seen, all: &Observations) -> Vec<String> {
    seen.exchanges
        .iter()
        .filter_map(|exchange| {
            let judge = Judge { run, exchange, all };
            let difference = judge.difference()?;
            let probe = &exchange.probe;
            Some(format!(
                "  {} {}:{}{} (status {:?}): {difference}",
                exchange.client, probe.host, probe.port, probe.path, exchange.status
            ))
        })
        .collect()
}

struct Judge<'a> {
    run: &'a Run,
    exchange: &'a Exchange,
    all: &'a Observations,
}

impl Judge<'_> {
    fn client(&self) -> Client {
        match self.exchange.client.as_str() {
            "anonymous" => Client::Anonymous,
            "foreign" => Client::Foreign,
            _ => Client::Verified,
        }
    }

    fn certificate(&self) -> Option<&Certificate> {
        match self.client() {
            Client::Verified => self.all.certificates.get("verified"),
            Client::Foreign => self.all.certificates.get("foreign"),
            Client::Anonymous => None,
        }
    }

    /// The hops that this request may take.
    fn candidates(&self) -> Vec<&Hop> {
        let probe = &self.exchange.probe;
        let host_rank = |hop: &Hop| {
            let hosts = &hop.listener.hosts;
            let wildcard = |host: &String| host.strip_prefix('*').is_some_and(|rest| probe.host.ends_with(rest));
            match () {
                () if hosts.contains(&probe.host) => 3,
                () if hosts.iter().any(wildcard) => 2,
                () if hosts.is_empty() => 1,
                () => 0,
            }
        };
        let on_port = |hop: &&Hop| hop.listener.ports.is_empty() || hop.listener.ports.contains(&probe.port);
        let here: Vec<&Hop> = self.run.hops.iter().filter(on_port).collect();
        let best = here.iter().map(|hop| host_rank(hop)).max().unwrap_or(0);
        let here: Vec<&Hop> = here.into_iter().filter(|hop| best > 0 && host_rank(hop) == best).collect();
        let path = probe.path.split('?').next().unwrap_or_default();
        // Some for plain ways of selection, the more the better.
        let rank = |hop: &Hop| match &hop.route.path {
            PathMatch::Exact(exact) => (exact == path).then_some(usize::MAX),
            PathMatch::Prefix(prefix) => path.starts_with(prefix.as_str()).then_some(prefix.len() + 1),
            PathMatch::Any => Some(1),
            _ => None,
        };
        let best = here.iter().filter_map(|hop| rank(hop)).max();
        here.into_iter()
            .filter(|hop| match &hop.route.path {
                PathMatch::Pattern(pattern) => {
                    regex::Regex::new(pattern).map_or(true, |pattern| pattern.is_match(path))
                }
                PathMatch::Other => true,
                _ => rank(hop).is_some() && rank(hop) == best,
            })
            .collect()
    }

    fn difference(&self) -> Option<String> {
        let candidates = self.candidates();
        // Services that are asked about a request come before the one it is for.
        let Some(arrived) = self.exchange.seen.last() else {
            let sure = |hop: &&Hop| {
                matches!(hop.arrival(self.client()), Arrival::Reaches(_))
                    && hop.route.when.is_empty()
                    && !hop.listener.inner
                    && !hop.consumes_authorization
                    && goes_to_backends(hop)
                    && !self.breaks(hop)
            };
            return (!candidates.is_empty() && candidates.iter().all(sure))
                .then(|| format!("should reach {}, and reaches nothing", candidates[0].upstream.label));
        };
        let mut differences: Vec<(usize, String)> = Vec::new();
        for hop in &candidates {
            let found = self.against(hop, arrived);
            if found.is_empty() {
                return None;
            }
            differences.push((found.len(), format!("{}: {}", hop.route.label, found.join("; "))));
        }
        differences.sort();
        let said = differences.into_iter().next().map_or("no hop is there for it".to_owned(), |(_, said)| said);
        Some(format!("reaches port {} by {}, but {said}", arrived.port, arrived.protocol))
    }

    /// Whether the request carries what no header can hold: a gateway may fail on it.
    fn breaks(&self, hop: &Hop) -> bool {
        let request = hop.arrival(self.client()).request();
        request.is_some_and(|request| request.certificates().any(|(_, form, _)| form == Form::PemLines))
    }

    /// What a hop says wrongly of a request that reached a backend.
    fn against(&self, hop: &Hop, arrived: &Arrived) -> Vec<String> {
        let mut wrong = Vec::new();
        // One gateway before itself: what reaches the backend is the second hop's.
        let own = |port: &u16| self.run.hops.iter().any(|other| other.listener.ports.contains(port));
        if ports(hop).iter().any(own) {
            return wrong;
        }
        if !may_be(hop, arrived.port) {
            return vec![format!("goes to {}", hop.upstream.names.join(" "))];
        }
        let request = match hop.arrival(self.client()) {
            Arrival::Unknown => return wrong,
            Arrival::Refused => return vec!["it should be refused".to_owned()],
            Arrival::Reaches(request) => request,
        };
        let plain = arrived.protocol.strip_prefix("tls+").unwrap_or(&arrived.protocol);
        let fits = match hop.upstream.protocol {
            Protocol::Passthrough => arrived.certificate.is_some() == self.certificate().is_some(),
            Protocol::Stream => true,
            Protocol::Gateway => matches!(plain, "fastcgi" | "uwsgi" | "scgi" | "ajp"),
            Protocol::Grpc => plain == "h2",
            Protocol::Http => matches!(plain, "http" | "h2"),
        };
        if !fits {
            return vec![format!("it should come as {:?}", hop.upstream.protocol)];
        }
        if hop.upstream.protocol == Protocol::Passthrough {
            return wrong;
        }
        self.headers(hop, request, arrived, &mut wrong);
        let kept = !hop.rewrites.iter().any(|rewrite| rewrite.part == Part::Path);
        let target = arrived.target.split('?').next().unwrap_or_default();
        let path = self.exchange.probe.path.split('?').next().unwrap_or_default();
        if kept && hop.upstream.protocol == Protocol::Http && target != path {
            wrong.push(format!("the path is {target}"));
        }
        self.logs(hop, &mut wrong);
        wrong
    }

    fn headers(&self, hop: &Hop, request: &Request, arrived: &Arrived, wrong: &mut Vec<String>) {
        let gateway = hop.upstream.protocol == Protocol::Gateway;
        let mut names: Vec<&str> = request.headers.keys().map(String::as_str).collect();
        names.extend(["authorization", "dpop", "x-kb-other"]);
        names.extend(self.run.headers.iter().map(String::as_str));
        names.sort_unstable();
        names.dedup();
        for name in names {
            if matches!(name, "connection" | "content-length" | "content-type" | "te" | "upgrade" | "accept-encoding") {
                continue;
            }
            let expected = request.slot(name).values;
            let lines = lines(arrived, name, gateway);
            if !self.fit(name, &expected, &lines) {
                wrong.push(format!("{name} should be {expected:?} and is {lines:?}"));
            }
        }
        if gateway {
            return;
        }
        let told = hop.alias.is_some();
        for name in self.run.headers.iter().filter(|name| name.contains('-')) {
            let twin = name.replace('-', "_");
            let sent = self.sent(&twin).is_some();
            let there = lines(arrived, &twin, false).iter().any(|line| line.starts_with("kb-twin-"));
            let passes = matches!(request.slot(name).values[..], [Value::Client]) || request.headers.contains_key(name);
            if sent && told && !there && passes && request.others == keybound::gateway::hop::Others::Passed {
                wrong.push(format!("{twin} should pass"));
            }
            if sent && !told && there && self.run.product.closes_twins {
                wrong.push(format!("{twin} should not pass"));
            }
        }
    }

    fn sent(&self, name: &str) -> Option<&str> {
        let mut sent = self.exchange.sent.iter();
        sent.find(|(sent, _)| sent.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether the lines of a header are the values.
    fn fit(&self, name: &str, expected: &[Value], lines: &[&str]) -> bool {
        if expected.contains(&Value::Unknown) {
            return true;
        }
        match expected.split_first() {
            None => lines.is_empty(),
            Some((first, rest)) => {
                let nothing = match first {
                    Value::Client => self.sent(name).is_none(),
                    Value::ClientHeader(other) => self.sent(other).is_none(),
                    Value::Other => true,
                    _ => false,
                };
                if nothing && self.fit(name, rest, lines) {
                    return true;
                }
                let Some((line, others)) = lines.split_first() else { return false };
                if self.is(name, first, line) && self.fit(name, rest, others) {
                    return true;
                }
                // Several values in one line.
                lines.len() == 1
                    && line.match_indices([',', ';']).any(|(at, _)| {
                        self.is(name, first, line[..at].trim()) && self.fit(name, rest, &[line[at + 1..].trim()])
                    })
            }
        }
    }

    fn is(&self, name: &str, value: &Value, line: &str) -> bool {
        match value {
            Value::Client => self.sent(name) == Some(line),
            // Copied, what was not sent is there with nothing in it.
            Value::ClientHeader(other) => self.sent(other).unwrap_or_default() == line,
            Value::Certificate(form) => self.certificate().is_some_and(|certificate| shows(*form, line, certificate)),
            Value::Constant(text) => line == text.trim(),
            Value::Empty => line.is_empty(),
            Value::Verification | Value::Other => !line.contains("kb-forged") && !line.contains("kb-twin"),
            Value::Unknown => true,
        }
    }

    fn logs(&self, hop: &Hop, wrong: &mut Vec<String>) {
        let says = |credential| hop.logs.iter().any(|log| log.what == credential);
        let all = says(Credential::AllHeaders);
        for (word, expected) in [
            ("authorization", all || says(Credential::Authorization)),
            ("dpop", all || says(Credential::Dpop) || says(Credential::OtherHeaders)),
            ("query", says(Credential::Query)),
            ("certificate", says(Credential::Certificate)),
        ] {
            let logged = self.exchange.logged.contains(word);
            // Without a certificate, or without being asked for it, none can be logged.
            let may = word != "certificate" || (self.certificate().is_some() && hop.listener.auth.asks());
            if logged != expected && (logged || may) {
                wrong.push(format!("{word} should {}be logged", if expected { "" } else { "not " }));
            }
        }
    }
}

/// Whether a hop's upstream may be the backend on that port.
fn may_be(hop: &Hop, port: u16) -> bool {
    let ports: Vec<u16> = ports(hop);
    ports.is_empty() || ports.contains(&port)
}

fn ports(hop: &Hop) -> Vec<u16> {
    hop.upstream.names.iter().filter_map(|name| name.rsplit(':').next()?.parse().ok()).collect()
}

fn goes_to_backends(hop: &Hop) -> bool {
    let ports = ports(hop);
    ports.iter().any(|port| BACKENDS.contains(port))
}

/// The lines of a header; `name` as the model has it.
fn lines<'a>(arrived: &'a Arrived, name: &str, gateway: bool) -> Vec<&'a str> {
    let key = |sent: &str| {
        let sent = sent.to_ascii_lowercase();
        match (gateway, sent.strip_prefix("http_")) {
            (true, Some(header)) => header.replace('_', "-"),
            // AJP has headers of its own.
            (true, None) if sent.contains('-') || matches!(sent.as_str(), "host" | "authorization" | "dpop") => sent,
            (true, None) if !sent.contains('_') => format!("_{sent}"),
            _ => sent,
        }
    };
    let with = |fits: &dyn Fn(&str, &str) -> bool| -> Vec<&'a str> {
        let fitting = arrived.headers.iter().filter(|(sent, value)| fits(&key(sent), value));
        fitting.map(|(_, value)| value.as_str()).collect()
    };
    let exact = with(&|sent, _| sent == name);
    if !exact.is_empty() || name.contains('_') {
        return exact;
    }
    // Set under a name with underscores; not what a client sent so.
    with(&|sent, value| sent.replace('_', "-") == name && !value.contains("kb-twin"))
}

/// Whether a line holds the certificate in that form.
fn shows(form: Form, line: &str, certificate: &Certificate) -> bool {
    let squashed = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    let decoded = percent_decoded(line);
    let hex = |text: &str| text.to_ascii_lowercase().replace(':', "");
    let base64 = |hex: &str| {
        let bytes: Vec<u8> =
            (0..hex.len() / 2).filter_map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).ok()).collect();
        [BASE64_STANDARD_NO_PAD.encode(&bytes), BASE64_URL_SAFE_NO_PAD.encode(&bytes)]
    };
    let hash = |digest: &str| hex(line).contains(digest) || base64(digest).iter().any(|text| line.contains(text));
    let pem = |text: &str| text.contains("-----BEGIN CERTIFICATE-----");
    match form {
        Form::PemEscaped => {
            line.contains('%')
                && pem(&decoded.replace('+', " ")) | pem(&decoded)
                && squashed(&decoded).contains(&certificate.der)
        }
        Form::PemLines => pem(line) && !line.contains('%'),
        Form::PemOneLine => pem(line) && !line.contains('\n') && squashed(line).contains(&certificate.der),
        Form::DerBase64 => !pem(&decoded) && decoded.contains(&certificate.der),
        Form::Rfc9440 => line == format!(":{}:", certificate.der),
        Form::Xfcc => hash(&certificate.sha256),
        Form::Sha256 => hash(&certificate.sha256),
        Form::PemBase64 => BASE64_STANDARD.decode(line).is_ok_and(|bytes| pem(&String::from_utf8_lossy(&bytes))),
        Form::Sha1 => hash(&certificate.sha1),
        Form::Dn => ["kb-verified", "kb-foreign", "clients-ca", "other-ca"].iter().any(|name| line.contains(name)),
        Form::Serial => {
            hex(line).contains(certificate.serial.trim_start_matches('0')) || line.bytes().all(|b| b.is_ascii_digit())
        }
    }
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
