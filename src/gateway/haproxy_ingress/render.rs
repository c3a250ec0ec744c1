//! The configuration that the controller writes for HAProxy, as its template `haproxy.tmpl` does, as far as certificates,
//! headers, targets and logs go: for one path of one host at a time, the frontend that takes its requests and the backend
//! that gets them. Every line knows the annotation or the setting that it comes from.

use super::{Auth, PREFIXES};
use crate::config::kubernetes::{self, Objects};
use crate::config::written::Written;
use crate::gateway::controller::Controller;
use crate::gateway::files::Files;
use crate::gateway::hop::{ClientAuth, Place};
use crate::gateway::ingress::{Ingress, Path, Setting, is_true};
use crate::gateway::tree::At;
use crate::syntax::blank::UNKNOWN;

/// The headers that browsers may send unless an annotation says otherwise.
const CORS_HEADERS: &str = "DNT,X-CustomHeader,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,\
                            Content-Type,Authorization";
/// A rule that may do anything to a request.
const ANYTHING: &str = "http-request lua.unknown";
/// What the headers of the certificate are called after the prefix.
pub(super) const PARTS: [&str; 5] = ["CN", "DN", "SHA1", "SHA2", "Cert"];

/// What is looked up on the way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cluster<'c, 'a> {
    pub(super) files: &'a Files,
    pub(super) objects: &'c Objects<'a>,
    /// What the controller's ConfigMap says, where one is there.
    pub(super) controller: Option<Controller<'a>>,
}

/// What a connection is when requests come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Socket {
    /// TLS ends here.
    Tls,
    /// No TLS.
    Plain,
    /// TLS ends behind.
    Passthrough,
}

impl<'a> Cluster<'_, 'a> {
    /// A setting of the controller.
    fn global(&self, name: &str) -> Setting<'a> {
        self.controller.and_then(|controller| controller.get(name)).map_or(Setting::Absent, read)
    }

    /// A key of a host or a path: the Ingress's annotation counts before the ConfigMap's.
    pub(super) fn key(&self, ingress: &Ingress<'a>, name: &str) -> Setting<'a> {
        match ingress.setting(name) {
            Setting::Absent => self.global(name),
            setting => setting,
        }
    }

    /// A switch; nothing where a template decides.
    pub(super) fn switch(&self, ingress: &Ingress<'a>, name: &str, default: bool) -> Option<bool> {
        match self.key(ingress, name) {
            Setting::Absent => Some(default),
            Setting::Text(text, _) => Some(is_true(text)),
            Setting::Unknown => None,
        }
    }

    /// A key of a backend: the Service's annotation counts before both.
    fn backend_key(&self, ingress: &Ingress<'a>, path: &Path<'a>, name: &str) -> Setting<'a> {
        self.of_service(ingress, path, name).map_or_else(|| self.key(ingress, name), read)
    }

    /// Where a key of a backend stands.
    fn written_at(&self, ingress: &Ingress<'a>, path: &Path<'a>, name: &str) -> Option<At<'a>> {
        let global = || self.controller.and_then(|controller| controller.get(name));
        self.of_service(ingress, path, name).or_else(|| ingress.annotation(name)).or_else(global)
    }

    /// An annotation of the service that gets the requests.
    fn of_service(&self, ingress: &Ingress<'a>, path: &Path<'a>, name: &str) -> Option<At<'a>> {
        let (file, namespace) = (ingress.object.at.file, ingress.object.namespace);
        let service = self.objects.find(file, &[""], "Service", namespace, path.service?).one()?;
        let own = |key: &str| PREFIXES.iter().any(|prefix| key.strip_prefix(prefix) == Some(name));
        service.annotations().find(|(key, _)| own(key)).map(|(_, at)| at)
    }

    /// What the headers of the certificate begin with.
    pub(super) fn prefix(&self) -> &'a str {
        match self.global("ssl-headers-prefix") {
            Setting::Text(prefix, _) => prefix,
            _ => "X-SSL",
        }
    }

    /// The configuration for one path; without one for whatever the controller serves.
    pub(super) fn write(&self, way: Option<(&Ingress<'a>, &Path<'a>)>, socket: Socket, auth: Auth) -> Written {
        let mut text = Written::default();
        let here = match (way, &self.controller) {
            (Some((_, path)), _) => path.at.place(),
            (None, Some(controller)) => controller.at().place(),
            (None, None) => Place::default(),
        };
        self.outset(here, &mut text);
        self.frontend(here, socket, auth, &mut text);
        text.line(here, "backend _service");
        text.line(here, if socket == Socket::Passthrough { "mode tcp" } else { "mode http" });
        if let Some((ingress, path)) = way
            && socket != Socket::Passthrough
        {
            self.backend(ingress, path, auth, &mut text);
        }
        let protocol = way.map(|(ingress, path)| self.backend_key(ingress, path, "backend-protocol"));
        let fastcgi = matches!(protocol, Some(Setting::Text(name, _)) if name.eq_ignore_ascii_case("fcgi"));
        text.line(here, if fastcgi { "server srv 127.0.0.1 proto fcgi" } else { "server srv 127.0.0.1" });
        text
    }

    fn outset(&self, here: Place, text: &mut Written) {
        text.line(here, "global");
        if let Setting::Text(endpoint, at) = self.global("syslog-endpoint") {
            text.line(at.place(), &format!("log {} local0", endpoint.split_whitespace().collect::<String>()));
        }
        self.snippet("config-global", text);
        text.line(here, "defaults");
        text.line(here, "log global");
        self.snippet("config-defaults", text);
    }

    fn frontend(&self, here: Place, socket: Socket, auth: Auth, text: &mut Written) {
        let name = if socket == Socket::Plain { "_front_http" } else { "_front_https" };
        text.line(here, &format!("frontend {name}"));
        let asks_at = auth.asks_at.unwrap_or(here);
        match socket {
            Socket::Passthrough => {
                text.line(here, "mode tcp");
                text.line(here, "bind :443");
                return text.line(here, "default_backend _service");
            }
            Socket::Plain => text.line(here, "bind :80"),
            Socket::Tls => {
                let verify = match auth.handshake.auth {
                    ClientAuth::Off => "",
                    ClientAuth::Required => " ca-file ca.pem verify required",
                    ClientAuth::Optional => " ca-file ca.pem verify optional",
                    ClientAuth::Unverified => " ca-file ca.pem verify optional crt-ignore-err all",
                    ClientAuth::Unknown => " ca-file ca.pem verify unknown",
                };
                text.line(asks_at, &format!("bind :443 ssl crt tls.pem{verify}"));
            }
        }
        text.line(here, "mode http");
        if let Setting::Text(_, endpoint) = self.global("syslog-endpoint") {
            match self.global("http-log-format") {
                Setting::Text(format, at) => {
                    text.line(at.place(), &format!("log-format {}", argument(&one_line(format))))
                }
                Setting::Absent => text.line(endpoint.place(), "option httplog"),
                Setting::Unknown => {}
            }
        }
        self.snippet("config-frontend-early", text);
        for part in PARTS {
            text.line(here, &format!("http-request del-header {}-Client-{part}", self.prefix()));
        }
        let late = self.controller.and_then(|controller| controller.get("config-frontend-late"));
        self.snippet(if late.is_some() { "config-frontend-late" } else { "config-frontend" }, text);
        self.proxy_snippet(name, text);
        text.line(here, "default_backend _service");
    }

    fn backend(&self, ingress: &Ingress<'a>, path: &Path<'a>, auth: Auth, text: &mut Written) {
        let here = path.at.place();
        let snippet = |name: &str, text: &mut Written| {
            if let Some(at) = self.written_at(ingress, path, name) {
                self.insert(at, text);
            }
        };
        snippet("config-backend-early", text);
        self.sources(ingress, text);
        if let Setting::Text(_, at) = self.key(ingress, "auth-secret") {
            text.line(at.place(), "http-request auth");
        }
        self.headers(ingress, path, text);
        if auth.handshake.auth != ClientAuth::Off {
            self.certificate(ingress, path, text);
        }
        let late = self.written_at(ingress, path, "config-backend-late");
        snippet(if late.is_some() { "config-backend-late" } else { "config-backend" }, text);
        if let (Some(namespace), Some(service), Some(port)) = (ingress.object.namespace, path.service, path.port) {
            self.proxy_snippet(&format!("{namespace}_{service}_{port}"), text);
        }
        let is_pattern = matches!(self.key(ingress, "path-type"), Setting::Text("regex", _));
        if let Setting::Text(to, at) = self.key(ingress, "rewrite-target")
            && to != path.path
            // What the pattern's groups are put together to is not followed.
            && !(to.contains('\\') && is_pattern)
        {
            text.line(at.place(), "http-request replace-path ^ /rewritten");
        }
        self.browsers(ingress, here, text);
    }

    /// Who may come: lists of addresses.
    fn sources(&self, ingress: &Ingress<'a>, text: &mut Written) {
        for name in ["allowlist-source-range", "whitelist-source-range"] {
            let Setting::Text(ranges, at) = self.key(ingress, name) else { continue };
            let known = |range: &str| range.bytes().all(|byte| byte.is_ascii_hexdigit() || b".:/!".contains(&byte));
            let ranges: Vec<&str> = ranges.split([',', ' ']).filter(|range| !range.is_empty()).collect();
            let all = ranges.iter().any(|range| range.ends_with("/0"));
            if !all && !ranges.is_empty() && ranges.iter().all(|range| known(range) && !range.starts_with('!')) {
                text.line(at.place(), &format!("http-request deny unless {{ src {} }}", ranges.join(" ")));
            }
        }
    }

    /// Headers that keys set, add and take away, each on a line of its own: `name: value`, or without the colon.
    fn headers(&self, ingress: &Ingress<'a>, path: &Path<'a>, text: &mut Written) {
        let set = self.written_at(ingress, path, "request-set-headers");
        let set = set.or_else(|| self.written_at(ingress, path, "headers"));
        let add = self.written_at(ingress, path, "request-add-headers");
        for (verb, at) in [("set-header", set), ("add-header", add)] {
            for (line, place) in at.into_iter().flat_map(|at| self.lines(at)) {
                let Some((name, value)) = line.split_once([':', ' ', '\t']) else { continue };
                let value = value.trim_start_matches([':', ' ', '\t']);
                let value = value.replace("%[namespace]", ingress.object.namespace.unwrap_or("namespace"));
                let value = value.replace("%[service]", path.service.unwrap_or("service"));
                text.line(place, &format!("http-request {verb} {name} {}", argument(&value)));
            }
        }
        if let Setting::Text(names, at) = self.backend_key(ingress, path, "request-del-headers") {
            for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                text.line(at.place(), &format!("http-request del-header {name}"));
            }
        }
    }

    /// What is said of the client's certificate.
    fn certificate(&self, ingress: &Ingress<'a>, path: &Path<'a>, text: &mut Written) {
        let secret = ingress.annotation("auth-tls-secret").map_or(path.at.place(), At::place);
        let key = |name: &str| self.backend_key(ingress, path, name);
        let (certificate, place) = match key("auth-tls-cert-header") {
            Setting::Text(text, at) => (Some(is_true(text)), at.place()),
            Setting::Absent => (Some(false), secret),
            Setting::Unknown => (None, secret),
        };
        let mut set = |part: &str, value: &str, place: Place| {
            text.line(place, &format!("http-request set-header {}-Client-{part} {value}", self.prefix()));
        };
        match certificate {
            Some(true) => set("Cert", "%{+Q}[ssl_c_der,base64]", place),
            Some(false) => {}
            None => set("Cert", "%[lua.unknown]", place),
        }
        match key("ssl-fingerprint-sha2-bits") {
            Setting::Text("256", at) => set("SHA2", "%{+Q}[ssl_c_der,sha2(256),hex]", at.place()),
            // Another hash is nothing that a token names.
            Setting::Text(..) | Setting::Absent => {}
            Setting::Unknown => set("SHA2", "%[lua.unknown]", secret),
        }
        set("CN", "%{+Q}[ssl_c_s_dn(cn)]", place);
        set("DN", "%{+Q}[ssl_c_s_dn]", place);
        set("SHA1", "%{+Q}[ssl_c_sha1,hex]", place);
    }

    /// What browsers are told.
    fn browsers(&self, ingress: &Ingress<'a>, here: Place, text: &mut Written) {
        if !matches!(self.key(ingress, "cors-enable"), Setting::Text(enabled, _) if is_true(enabled)) {
            return;
        }
        let mut answer = |header: &str, names: &str, place: Place| {
            text.line(place, &format!("http-response set-header Access-Control-{header} \"{}\"", one_line(names)));
        };
        match self.key(ingress, "cors-allow-headers") {
            Setting::Text("*", _) | Setting::Unknown => {}
            Setting::Text(names, at) => answer("Allow-Headers", names, at.place()),
            Setting::Absent => {
                let enabled = ingress.annotation("cors-enable").map_or(here, At::place);
                answer("Allow-Headers", CORS_HEADERS, enabled);
            }
        }
        if let Setting::Text(names, at) = self.key(ingress, "cors-expose-headers") {
            answer("Expose-Headers", names, at.place());
        }
    }

    /// A snippet of the settings.
    fn snippet(&self, key: &str, text: &mut Written) {
        if let Some(at) = self.controller.and_then(|controller| controller.get(key)) {
            self.insert(at, text);
        }
    }

    /// What `config-proxy` says of one section: lines that are indented belong to the name above them.
    fn proxy_snippet(&self, section: &str, text: &mut Written) {
        let Some(at) = self.controller.and_then(|controller| controller.get("config-proxy")) else { return };
        let mut within = false;
        for (line, place) in self.lines(at) {
            if !line.starts_with([' ', '\t']) {
                within = line.trim_end() == section;
            } else if within {
                text.line(place, line.trim());
            }
        }
    }

    /// Puts a snippet in, line by line.
    fn insert(&self, at: At<'a>, text: &mut Written) {
        for (line, place) in self.lines(at) {
            text.line(place, if line.contains(UNKNOWN) { ANYTHING } else { &line });
        }
    }

    /// The lines of a text, each with its place.
    fn lines(&self, at: At<'a>) -> Vec<(String, Place)> {
        let inner = kubernetes::inner(self.files, at);
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let mut start = 0;
        let mut lines = Vec::new();
        for line in inner.text.split_inclusive('\n') {
            let (text, indent) = (line.trim_end(), line.len() - line.trim_start().len());
            if !text.is_empty() {
                let (from, to) = inner.stretch(start + indent, start + text.len());
                lines.push((text.to_owned(), Place { file: at.file, start: offset(from), end: offset(to) }));
            }
            start += line.len();
        }
        lines
    }
}

fn read(at: At<'_>) -> Setting<'_> {
    match kubernetes::known(at) {
        Some(text) => Setting::Text(text.trim(), at),
        None if at.is_empty() => Setting::Absent,
        None => Setting::Unknown,
    }
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// A value as one word, where nobody has seen to that: HAProxy would not take it otherwise.
fn argument(value: &str) -> String {
    let is_word = !value.contains(' ') || value.contains(['"', '\'', '\\']);
    let conditional = value.split(' ').any(|word| matches!(word, "if" | "unless"));
    if is_word || conditional { value.to_owned() } else { format!("\"{value}\"") }
}
