//! Caddyfiles: sites, matchers and directives, brought into the order in which Caddy goes through them.

use std::collections::BTreeMap;

use super::lines::Line;
use super::plan::{Action, Guard, Kind, Operation, Proxy, Site, Step};
use super::tls::Auth;
use crate::gateway::hop::{ClientAuth, Consulted, Credential, Logged, Place, Protocol};
use crate::gateway::run::{Handshake, dial};

/// Directives in the order of Caddy 2.6, with the names that came later where they stand.
const ORDER: &[&str] = &[
    "tracing",
    "map",
    "vars",
    "fs",
    "root",
    "log_append",
    "skip_log",
    "log_skip",
    "log_name",
    "header",
    "copy_response_headers",
    "request_body",
    "redir",
    "method",
    "rewrite",
    "uri",
    "try_files",
    "basicauth",
    "basic_auth",
    "forward_auth",
    "request_header",
    "encode",
    "push",
    "intercept",
    "templates",
    "invoke",
    "handle",
    "handle_path",
    "route",
    "abort",
    "error",
    "copy_response",
    "respond",
    "metrics",
    "reverse_proxy",
    "php_fastcgi",
    "file_server",
    "acme_server",
];
/// Directives that do nothing to a request or its way.
const QUIET: &[&str] = &[
    "tracing",
    "map",
    "vars",
    "fs",
    "root",
    "log_append",
    "skip_log",
    "log_skip",
    "log_name",
    "request_body",
    "encode",
    "push",
    "templates",
    "intercept",
    "tls",
    "log",
    "bind",
    "handle_errors",
    "copy_response_headers",
    "rate_limit",
    "cache",
    "import",
    "exec",
    "geoip",
    "maxmind_geolocation",
    "defender",
    "cgi",
    "webdav",
    "order",
];

/// What the global options say.
#[derive(Debug, Default)]
struct Options {
    http_port: Option<u16>,
    https_port: Option<u16>,
    no_certificates: bool,
    /// Where `log_credentials` stands.
    credentials: Option<Place>,
    /// Directives that were put elsewhere, in order.
    order: Vec<String>,
}

/// The sites of a Caddyfile.
pub(super) fn sites(lines: &[Line]) -> Vec<Site> {
    let mut options = Options { order: ORDER.iter().map(|name| (*name).to_owned()).collect(), ..Options::default() };
    let mut blocks: Vec<(&[String], &[Line])> = Vec::new();
    let mut routes: BTreeMap<&str, &[Line]> = BTreeMap::new();
    let mut rest = lines;
    if let Some(first) = rest.first().filter(|line| line.words.is_empty()) {
        global(first.inner(), &mut options);
        rest = &rest[1..];
    }
    // A file of one site may leave out its braces.
    let bare = rest.first().filter(|first| first.block.is_none() && !first.name().starts_with("&("));
    if let Some(first) = bare {
        blocks.push((&first.words, &rest[1..]));
    } else {
        for line in rest {
            match line.name().strip_prefix("&(").and_then(|name| name.strip_suffix(')')) {
                Some(name) => _ = routes.insert(name, line.inner()),
                None if line.block.is_some() && !line.words.is_empty() => blocks.push((&line.words, line.inner())),
                None => {}
            }
        }
    }
    let mut sites: Vec<Site> = blocks.iter().flat_map(|(words, body)| site(words, body, &options, &routes)).collect();
    // TLS is a matter of the port.
    let secured: Vec<u16> = sites.iter().filter(|site| site.tls).flat_map(|site| site.ports.clone()).collect();
    for site in sites.iter_mut().filter(|site| site.ports.iter().any(|port| secured.contains(port))) {
        site.tls = true;
    }
    sites
}

fn global(lines: &[Line], options: &mut Options) {
    for line in lines {
        let first = line.arguments().first().map(String::as_str);
        let port = first.and_then(|text| text.parse().ok());
        match line.name() {
            "http_port" => options.http_port = port,
            "https_port" => options.https_port = port,
            "auto_https" => options.no_certificates |= matches!(first, Some("off")),
            "servers" => {
                let found = line.inner().iter().find(|line| line.name() == "log_credentials");
                options.credentials = options.credentials.or(found.map(|line| line.place));
            }
            "order" => {
                if let [name, position, other @ ..] = line.arguments() {
                    options.order.retain(|known| known != name);
                    let at = |name: Option<&String>| {
                        name.and_then(|name| options.order.iter().position(|known| known == name))
                    };
                    let place = match position.as_str() {
                        "first" => Some(0),
                        "last" => Some(options.order.len()),
                        "before" => at(other.first()),
                        "after" => at(other.first()).map(|place| place + 1),
                        _ => None,
                    };
                    options.order.insert(place.unwrap_or(options.order.len()), name.clone());
                }
            }
            _ => {}
        }
    }
}

/// An address of a site.
struct Address {
    host: String,
    port: u16,
    plain: bool,
}

fn address(text: &str, options: &Options) -> Address {
    let http = options.http_port.unwrap_or(80);
    let https = options.https_port.unwrap_or(443);
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (scheme, rest),
        None => ("", text),
    };
    let rest = rest.split('/').next().unwrap_or(rest);
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.contains(['}', ']']) => (host, port.parse().ok()),
        _ => (rest, None),
    };
    let port = port.unwrap_or(if scheme == "http" { http } else { https });
    Address { host: host.to_ascii_lowercase(), port, plain: scheme == "http" || port == http }
}

fn site(words: &[String], body: &[Line], options: &Options, routes: &BTreeMap<&str, &[Line]>) -> Vec<Site> {
    let addresses: Vec<Address> = words
        .iter()
        .flat_map(|word| word.split(','))
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(|word| address(word, options))
        .collect();
    let tls: Vec<&Line> = body.iter().filter(|line| line.name() == "tls").collect();
    let inner = body.iter().any(|line| {
        line.name() == "bind"
            && line
                .arguments()
                .iter()
                .all(|to| to.starts_with("127.") || to == "localhost" || to == "::1" || to.starts_with("unix/"))
    });
    let auth = tls.iter().find_map(|line| client_auth(line)).unwrap_or(Auth::OFF);
    let mut compiler = Compiler { options, routes, depth: 0 };
    let steps = compiler.sorted(body, &BTreeMap::new());
    let logs = logs(body, options);
    // One site a port; its names together.
    let mut by_port: BTreeMap<(u16, bool), Vec<String>> = BTreeMap::new();
    for address in &addresses {
        by_port.entry((address.port, address.plain)).or_default().push(address.host.clone());
    }
    by_port
        .into_iter()
        .map(|((port, plain), hosts)| {
            let named = hosts.iter().any(|host| !host.is_empty());
            let secured = !plain && (!tls.is_empty() || named);
            // Without a certificate of its own no handshake comes about.
            let mute = Handshake { auth: ClientAuth::Unknown, required: false };
            let auth = match secured && tls.is_empty() && options.no_certificates {
                true => Auth { handshake: mute, ..Auth::OFF },
                false => auth,
            };
            let any = hosts.iter().any(|host| host.is_empty() || host.contains(['{', '\u{fffc}']));
            let hosts: Vec<String> = if any { Vec::new() } else { hosts };
            Site {
                label: hosts.first().map_or_else(|| format!(":{port}"), |host| format!(":{port} {host}")),
                ports: vec![port],
                hosts,
                tls: secured,
                auth: if secured { auth } else { Auth::OFF },
                inner,
                logs: logs.clone(),
                steps: steps.clone(),
            }
        })
        .collect()
}

/// `client_auth` of a `tls` directive.
fn client_auth(tls: &Line) -> Option<Auth> {
    let line = tls.inner().iter().find(|line| line.name() == "client_auth")?;
    let has = |names: &[&str]| line.inner().iter().any(|line| names.contains(&line.name()));
    let mode = line.inner().iter().find(|line| line.name() == "mode");
    if line.inner().is_empty() {
        return None;
    }
    let word = mode.and_then(|line| line.arguments().first()).map(String::as_str);
    let authority = has(&["trusted_ca_cert", "trusted_ca_cert_file", "trust_pool"]);
    let pinned = has(&["trusted_leaf_cert", "trusted_leaf_cert_file", "verifier"]);
    Some(Auth::of(word, authority, pinned, mode.unwrap_or(line).place))
}

/// What the site's access log holds.
fn logs(body: &[Line], options: &Options) -> Vec<Logged> {
    let mut found = Vec::new();
    let own: Vec<&Line> = body.iter().filter(|line| line.name() == "log").collect();
    let skipped = body.iter().any(|line| matches!(line.name(), "skip_log" | "log_skip") && line.words.len() == 1);
    if skipped {
        return found;
    }
    if own.is_empty() {
        if let Some(place) = options.credentials {
            found.push(Logged { what: Credential::AllHeaders, place, active: None });
        }
        return found;
    }
    for log in own {
        let part = |name: &str| log.inner().iter().find(|line| line.name() == name);
        if part("output").and_then(|line| line.arguments().first()).is_some_and(|to| to == "discard") {
            continue;
        }
        let format = part("format");
        let kind = format.and_then(|line| line.arguments().first()).map_or("json", String::as_str);
        if !matches!(kind, "json" | "console" | "filter" | "append") {
            continue;
        }
        let mut fields: Vec<&Line> = Vec::new();
        if let Some(format) = format {
            for line in format.inner() {
                fields.push(line);
                fields.extend(line.inner());
            }
        }
        // A field that is filtered in whatever way no longer holds what was sent.
        let filtered = |name: &str| fields.iter().any(|line| line.name() == name && line.words.len() > 1);
        let gone = |name: &str| filtered(name) || filtered("request") || filtered("request>headers");
        let uri = fields.iter().any(|line| line.name() == "request>uri");
        if !uri && !filtered("request") {
            found.push(Logged { what: Credential::Query, place: log.place, active: None });
        }
        let token = !gone("request>headers>Authorization");
        let proof = !gone("request>headers>Dpop");
        match (options.credentials.filter(|_| token), proof) {
            (Some(place), true) => found.push(Logged { what: Credential::AllHeaders, place, active: Some(log.place) }),
            (Some(place), false) => {
                found.push(Logged { what: Credential::Authorization, place, active: Some(log.place) })
            }
            (None, true) => found.push(Logged { what: Credential::OtherHeaders, place: log.place, active: None }),
            (None, false) => {}
        }
    }
    found
}

struct Compiler<'a> {
    options: &'a Options,
    routes: &'a BTreeMap<&'a str, &'a [Line]>,
    /// How deep named routes invoke each other.
    depth: usize,
}

type Matchers = BTreeMap<String, Guard>;

impl Compiler<'_> {
    /// The steps of a block whose directives Caddy sorts.
    fn sorted(&mut self, lines: &[Line], outer: &Matchers) -> Vec<Step> {
        let matchers = matchers(lines, outer);
        let mut steps: Vec<(usize, usize, bool, Step)> = Vec::new();
        for line in lines {
            // Both of its kind count as one.
            let name = if line.name() == "handle_path" { "handle" } else { line.name() };
            let position = self.options.order.iter().position(|known| known == name).unwrap_or(usize::MAX);
            for step in self.steps(line, &matchers) {
                let length = path_length(&step.guard);
                let open = step.guard == Guard::Always;
                steps.push((position, length, open, step));
            }
        }
        // Of one directive, the longest path comes first, and what has no condition last.
        steps.sort_by(|a, b| {
            a.0.cmp(&b.0).then_with(|| if a.1 == 0 && b.1 == 0 { a.2.cmp(&b.2) } else { b.1.cmp(&a.1) })
        });
        steps.into_iter().map(|(.., step)| step).collect()
    }

    /// The steps of a block that stay as they are written.
    fn written(&mut self, lines: &[Line], outer: &Matchers) -> Vec<Step> {
        let matchers = matchers(lines, outer);
        lines.iter().flat_map(|line| self.steps(line, &matchers)).collect()
    }

    fn steps(&mut self, line: &Line, matchers: &Matchers) -> Vec<Step> {
        let name = line.name();
        if name.starts_with('@') || QUIET.contains(&name) || name.is_empty() {
            return Vec::new();
        }
        let takes_matcher = name != "handle_path" && name != "method";
        let (guard, arguments) = match line.arguments().split_first() {
            Some((first, rest)) if first == "*" => (Guard::Always, rest),
            Some((first, rest)) if first.starts_with('/') && takes_matcher => (Guard::Path(first.clone()), rest),
            Some((first, rest)) if first.starts_with('@') => {
                (matchers.get(first.as_str()).cloned().unwrap_or_else(|| Guard::Other(first.clone())), rest)
            }
            _ => (Guard::Always, line.arguments()),
        };
        let step = |action| Step { guard: guard.clone(), group: None, last: false, action };
        match name {
            "handle" => {
                let inner = self.sorted(line.inner(), matchers);
                vec![Step { group: Some("handle".to_owned()), ..step(Action::Sub(inner)) }]
            }
            "handle_path" => {
                let mut inner = self.sorted(line.inner(), matchers);
                let pattern = arguments.first().cloned().unwrap_or_default();
                inner.insert(0, Step::always(Action::Path(line.place)));
                vec![Step {
                    guard: Guard::Path(pattern),
                    group: Some("handle".to_owned()),
                    last: false,
                    action: Action::Sub(inner),
                }]
            }
            "route" => vec![step(Action::Sub(self.written(line.inner(), matchers)))],
            "invoke" => {
                let Some(body) = arguments.first().and_then(|name| self.routes.get(name.as_str())) else {
                    return Vec::new();
                };
                if self.depth >= 8 {
                    return Vec::new();
                }
                self.depth += 1;
                let inner = self.written(body, matchers);
                self.depth -= 1;
                vec![step(Action::Sub(inner))]
            }
            "request_header" => operation(arguments, line.place)
                .map(|operation| step(Action::Headers(vec![operation])))
                .into_iter()
                .collect(),
            "header" => responses(arguments, line).into_iter().map(step).collect(),
            "rewrite" | "try_files" => {
                // A rewrite that names the path it had only touches the query.
                let keeps = arguments
                    .first()
                    .is_some_and(|to| to.starts_with('?') || to.starts_with("{path}") || to.starts_with("{uri}"));
                let group = (name == "rewrite").then(|| "rewrite".to_owned());
                let action = if keeps { return Vec::new() } else { Action::Path(line.place) };
                vec![Step { group, ..step(action) }]
            }
            "uri" => match arguments.first().map(String::as_str) {
                Some("strip_prefix" | "strip_suffix" | "replace" | "path_regexp") => {
                    vec![step(Action::Path(line.place))]
                }
                _ => Vec::new(),
            },
            "method" => vec![step(Action::Method(line.place))],
            "basicauth" | "basic_auth" => vec![step(Action::Password)],
            "forward_auth" => {
                let copies = line.inner().iter().filter(|line| line.name() == "copy_headers");
                let names =
                    copies.flat_map(|line| line.arguments().iter().chain(line.inner().iter().flat_map(|l| &l.words)));
                let names = names.map(|name| name.rsplit('>').next().unwrap_or(name).to_ascii_lowercase()).collect();
                let service = Consulted {
                    label: arguments.first().cloned().unwrap_or_default(),
                    authorization: true,
                    dpop: true,
                    place: line.place,
                };
                vec![step(Action::Consult(service, names))]
            }
            "redir" | "abort" | "error" | "respond" | "metrics" | "file_server" | "acme_server" | "copy_response" => {
                vec![step(Action::Answer)]
            }
            "reverse_proxy" | "php_fastcgi" => vec![step(Action::Proxy(proxy(arguments, line)))],
            _ => vec![step(Action::Unknown)],
        }
    }
}

fn path_length(guard: &Guard) -> usize {
    match guard {
        Guard::Path(pattern) => pattern.len(),
        _ => 0,
    }
}

/// `-X`, `+X v`, `X v`, `X from to`.
fn operation(arguments: &[String], place: Place) -> Option<Operation> {
    let (name, rest) = arguments.split_first()?;
    let value = rest.first().cloned().unwrap_or_default();
    let (kind, name) = match name.as_bytes().first()? {
        b'-' => (Kind::Delete, &name[1..]),
        b'+' => (Kind::Add, &name[1..]),
        b'?' | b'>' => (Kind::Replace, &name[1..]),
        _ if rest.len() > 1 => (Kind::Replace, name.as_str()),
        _ => (Kind::Set, name.as_str()),
    };
    let name = name.trim_end_matches(':').to_ascii_lowercase();
    Some(Operation { name, kind, value, place })
}

/// Headers of the answer.
fn responses(arguments: &[String], line: &Line) -> Vec<Action> {
    let one = |words: &[String], place: Place| {
        let (name, rest) = words.split_first()?;
        let name = name.trim_start_matches(['+', '?', '>']).trim_end_matches(':').to_ascii_lowercase();
        Some(Action::Response(name, rest.first()?.clone(), place))
    };
    let own = one(arguments, line.place);
    own.into_iter().chain(line.inner().iter().filter_map(|line| one(&line.words, line.place))).collect()
}

fn proxy(arguments: &[String], line: &Line) -> Proxy {
    let php = line.name() == "php_fastcgi";
    let mut upstreams: Vec<String> = arguments.to_vec();
    let mut operations = Vec::new();
    let mut protocol = if php { Protocol::Gateway } else { Protocol::Http };
    let (mut path, mut method) = (None, None);
    for inner in line.inner() {
        match inner.name() {
            "to" => upstreams.extend(inner.arguments().iter().cloned()),
            "header_up" => operations.extend(operation(inner.arguments(), inner.place)),
            "rewrite" => path = Some(inner.place),
            "method" => method = Some(inner.place),
            "dynamic" => upstreams.push(inner.words.join(" ")),
            // Parameters are no headers: no client can send them.
            "env" => {
                if let [name, value, ..] = inner.arguments() {
                    let name = name.to_ascii_lowercase();
                    operations.push(Operation { name, kind: Kind::Set, value: value.clone(), place: inner.place });
                }
            }
            "transport" if inner.arguments().first().is_some_and(|kind| kind == "fastcgi") => {
                protocol = Protocol::Gateway;
            }
            _ => {}
        }
    }
    if upstreams.iter().any(|to| to.starts_with("h2c://")) {
        protocol = Protocol::Grpc;
    }
    let label = upstreams.first().cloned().unwrap_or_else(|| line.name().to_owned());
    let upstreams = upstreams.iter().map(|to| dial(to)).collect();
    Proxy { label, upstreams, operations, protocol, place: line.place, path, method }
}

/// Named matchers of a block, with those of the blocks around it.
fn matchers(lines: &[Line], outer: &Matchers) -> Matchers {
    let mut all = outer.clone();
    for line in lines.iter().filter(|line| line.name().starts_with('@')) {
        let mut guards = Vec::new();
        if !line.arguments().is_empty() {
            guards.push(matcher(line.arguments(), line.inner()));
        } else {
            guards.extend(line.inner().iter().map(|line| matcher(&line.words, line.inner())));
        }
        let guard = if guards.len() == 1 { guards.remove(0) } else { Guard::All(guards) };
        all.insert(line.name().to_owned(), guard);
    }
    all
}

fn matcher(words: &[String], block: &[Line]) -> Guard {
    let Some((kind, arguments)) = words.split_first() else { return Guard::Always };
    let text = words.join(" ");
    match kind.as_str() {
        "path" => Guard::Any(arguments.iter().map(|pattern| Guard::Path(pattern.clone())).collect()),
        // Matchers nest no deeper than blocks and words do.
        "not" if !arguments.is_empty() => Guard::Not(Box::new(matcher(arguments, block))),
        "not" => {
            Guard::Not(Box::new(Guard::All(block.iter().map(|line| matcher(&line.words, line.inner())).collect())))
        }
        _ => Guard::Other(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let options = Options::default();
        let read = |text: &str| {
            let address = address(text, &options);
            (address.host, address.port, address.plain)
        };
        assert_eq!(read("Example.com"), ("example.com".into(), 443, false));
        assert_eq!(read("http://example.com"), ("example.com".into(), 80, true));
        assert_eq!(read(":8080"), (String::new(), 8080, false));
        assert_eq!(read("https://{$HOST}:8443/x"), ("{$host}".into(), 8443, false));
        assert_eq!(dial("https://App"), "app:443");
    }
}
