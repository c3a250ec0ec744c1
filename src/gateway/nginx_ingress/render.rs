//! The configuration that the controller writes for nginx, after its templates `nginx.ingress.tmpl` and
//! `nginx.virtualserver.tmpl`, as far as certificates, headers, targets and logs go.

use super::PREFIXES;
use crate::config::kubernetes::{self, Found, Object, Objects};
use crate::gateway::Hole;
use crate::gateway::controller::Controller;
use crate::gateway::files::Files;
use crate::gateway::hop::Place;
use crate::gateway::ingress::{Ingress, Path, Setting, is_true};
use crate::gateway::sheet::{Sheet, Target, UNKNOWN, is_plain, quoted};
use crate::gateway::tree::At;

/// The group of its own objects.
pub(super) const GROUP: &[&str] = &["k8s.nginx.org"];
/// So many alternatives of a route (splits, matches) are told apart.
const MOST: usize = 8;

/// What is written for one controller.
#[derive(Clone, Copy)]
pub(super) struct Writer<'w, 'a> {
    pub(super) files: &'a Files,
    pub(super) objects: &'w Objects<'a>,
    pub(super) controller: Option<Controller<'a>>,
}

/// What is said for all routes of a VirtualServer, or of a VirtualServerRoute.
#[derive(Clone, Copy)]
struct Around<'a> {
    object: Object<'a>,
    upstreams: At<'a>,
    /// Snippets for routes that have none of their own.
    snippet: Option<At<'a>>,
}

impl<'a> Writer<'_, 'a> {
    /// The configuration for Ingresses of one host: those that are whole by themselves, or a master and its minions.
    pub(super) fn ingresses(&self, host: &str, members: &[&Ingress<'a>]) -> Sheet {
        let mut sheet = Sheet::default();
        let kind = |ingress: &Ingress<'a>| ingress.word("mergeable-ingress-type").map(|(text, _)| text);
        let masters: Vec<&&Ingress<'a>> = members.iter().filter(|one| kind(one) == Some("master")).collect();
        self.http(&mut sheet);
        let whole: Vec<&Ingress<'a>> = members.iter().copied().filter(|one| kind(one).is_none()).collect();
        if let Some(master) = masters.first() {
            let minions: Vec<&Ingress<'a>> =
                members.iter().copied().filter(|one| kind(one) == Some("minion")).collect();
            self.server(host, master, &minions, &mut sheet);
        }
        for ingress in whole {
            self.server(host, ingress, &[ingress], &mut sheet);
        }
        sheet
    }

    fn server(&self, host: &str, ingress: &Ingress<'a>, members: &[&Ingress<'a>], sheet: &mut Sheet) {
        let place = ingress.object.at.path(&["spec", "rules"]).unwrap_or(ingress.object.at).place();
        let tls = ingress.has_certificate(host);
        sheet.text.line(place, if tls { "server { listen 80; listen 443 ssl;" } else { "server { listen 80;" });
        sheet.text.line(place, &format!("server_name {};", if is_plain(host) { host } else { "_" }));
        if tls && self.switch(ingress, "ssl-redirect", true) != Some(false) {
            sheet.text.line(place, "if ($scheme = http) { return 301 https://$host$request_uri; }");
        }
        match ingress.annotation("server-snippets").or_else(|| self.global("server-snippets")) {
            Some(at) => sheet.insert(self.files, at),
            None if ingress.open => sheet.text.line(place, UNKNOWN),
            None => {}
        }
        for member in members {
            for path in member.rules.iter().filter(|rule| rule.host == host).flat_map(|rule| &rule.paths) {
                self.location(member, path, sheet);
            }
        }
        sheet.text.line(place, "}");
    }

    fn location(&self, ingress: &Ingress<'a>, path: &Path<'a>, sheet: &mut Sheet) {
        let here = path.at.place();
        let pattern = quoted(&format!("^{}", path.path));
        let selection = match ingress.setting("path-regex") {
            Setting::Text("case_sensitive", _) => format!("~ {pattern}"),
            Setting::Text("case_insensitive", _) => format!("~* {pattern}"),
            Setting::Text("exact", _) => format!("= {}", quoted(path.path)),
            _ if path.exact => format!("= {}", quoted(path.path)),
            _ => quoted(path.path),
        };
        sheet.text.line(here, &format!("location {selection} {{"));
        let listed = |name: &str| match ingress.word(name) {
            Some((list, _)) => list.split(',').any(|one| Some(one.trim()) == path.service),
            None => false,
        };
        let grpc = listed("grpc-services");
        let set = if grpc { "grpc_set_header" } else { "proxy_set_header" };
        if let Some(at) = ingress.annotation("location-snippets").or_else(|| self.global("location-snippets")) {
            sheet.insert(self.files, at);
        }
        if let Some((_, at)) = ingress.word("basic-auth-secret") {
            sheet.text.line(at.place(), "auth_basic on;");
        }
        if let Some((headers, at)) = ingress.word("proxy-set-headers").filter(|_| !grpc) {
            for header in headers.split(',') {
                let (name, value) = header.split_once(':').unwrap_or((header, ""));
                let own = format!("$http_{}", name.trim().to_ascii_lowercase().replace('-', "_"));
                let value = if value.trim().is_empty() { &own } else { value.trim() };
                if is_plain(name.trim()) {
                    sheet.text.line(at.place(), &format!("{set} {} {};", name.trim(), quoted(value)));
                }
            }
        }
        sheet
            .text
            .line(here, &format!("{set} Host $host; {set} X-Forwarded-Host $host; {set} X-Forwarded-Proto $scheme;"));
        let scheme = match (grpc, listed("ssl-services")) {
            (true, true) => "grpc_pass grpcs",
            (true, false) => "grpc_pass grpc",
            (false, true) => "proxy_pass https",
            (false, false) => "proxy_pass http",
        };
        // `serviceName=a rewrite=/b; serviceName=c rewrite=/d`
        let rewrite = ingress.word("rewrites").and_then(|(text, _)| {
            text.split(';').find_map(|one| {
                let (service, to) = one.trim().strip_prefix("serviceName=")?.split_once(" rewrite=")?;
                (Some(service.trim()) == path.service).then_some(to.trim())
            })
        });
        let to = rewrite.filter(|to| is_plain(to)).unwrap_or_default();
        sheet.text.line(here, &format!("{scheme}://upstream{to}; }}"));
        let (file, namespace) = (ingress.object.at.file, ingress.object.namespace);
        sheet.targets.insert(
            here,
            Target {
                route: format!("{} of {}", path.path, ingress.object.label()),
                upstream: format!("service {}:{}", path.service.unwrap_or("not known"), path.port.unwrap_or("80")),
                names: match path.service {
                    Some(service) => self.objects.service_names(file, namespace, service, path.port.unwrap_or("80")),
                    // Nobody else's.
                    None => vec![format!("a service of {here:?}")],
                },
            },
        );
    }

    /// The configurations for a VirtualServer: one for each alternative of its routes.
    pub(super) fn virtual_server(&self, object: Object<'a>) -> Vec<Sheet> {
        let Some(spec) = object.spec() else { return Vec::new() };
        let mut sheets = Vec::new();
        for number in 0..MOST {
            let mut sheet = Sheet::default();
            self.http(&mut sheet);
            if let Some(at) = spec.get("http-snippets") {
                sheet.insert(self.files, at);
            }
            if !self.site(object, spec, number, &mut sheet) && number > 0 {
                break;
            }
            sheets.push(sheet);
        }
        sheets
    }

    /// The server of a VirtualServer with the alternative of this number in each route; whether any route has so many.
    fn site(&self, object: Object<'a>, spec: At<'a>, number: usize, sheet: &mut Sheet) -> bool {
        let place = spec.get("host").unwrap_or(spec).place();
        let host = spec.get("host").and_then(kubernetes::known).unwrap_or("_");
        let tls = spec.get("tls").filter(|tls| !tls.is_empty());
        sheet
            .text
            .line(place, if tls.is_some() { "server { listen 80; listen 443 ssl;" } else { "server { listen 80;" });
        sheet.text.line(place, &format!("server_name {};", if is_plain(host) { host } else { "_" }));
        self.policies(object, spec, true, sheet);
        if let Some(redirect) =
            tls.and_then(|tls| tls.get("redirect")).filter(|at| at.word("enable").is_some_and(is_true))
        {
            let by = if redirect.word("basedOn") == Some("x-forwarded-proto") {
                "$http_x_forwarded_proto"
            } else {
                "$scheme"
            };
            sheet
                .text
                .line(redirect.place(), &format!("if ({by} = 'http') {{ return 301 https://$host$request_uri; }}"));
        }
        if let Some(at) = spec.get("server-snippets").or_else(|| self.global("server-snippets")) {
            sheet.insert(self.files, at);
        }
        let around = Around { object, upstreams: spec, snippet: self.global("location-snippets") };
        let mut any = false;
        for route in spec.list("routes") {
            let Some(reference) = route.get("route") else {
                any |= self.route(around, route, number, sheet);
                continue;
            };
            let name = kubernetes::known(reference).unwrap_or_default();
            let (namespace, name) =
                name.split_once('/').map_or((object.namespace, name), |(space, name)| (Some(space), name));
            let found = self.objects.find(object.at.file, GROUP, "VirtualServerRoute", namespace, name);
            let Some((other, spec)) = found.one().and_then(|other| Some((other, other.spec()?))) else {
                let reason = missing(found, "VirtualServerRoute", name);
                sheet.holes.push(Hole { place: reference.place(), reason });
                continue;
            };
            let snippet = route.get("location-snippets").or(around.snippet);
            let around = Around { object: other, upstreams: spec, snippet };
            for subroute in spec.list("subroutes") {
                any |= self.route(around, subroute, number, sheet);
            }
        }
        sheet.text.line(place, "}");
        any
    }

    /// One route, with the alternative of this number, or its last.
    fn route(&self, around: Around<'a>, route: At<'a>, number: usize, sheet: &mut Sheet) -> bool {
        let matches = route.list("matches").flat_map(alternatives);
        let mut all: Vec<At<'a>> = alternatives(route).into_iter().chain(matches).collect();
        all.truncate(MOST);
        let (Some(action), Some(path)) = (all.get(number).or(all.last()), route.word("path")) else { return false };
        let here = action.place();
        let selection = match path {
            exact if exact.starts_with('=') => format!("= {}", quoted(exact[1..].trim())),
            pattern if pattern.starts_with("~*") => format!("~* {}", quoted(pattern[2..].trim())),
            pattern if pattern.starts_with('~') => format!("~ {}", quoted(pattern[1..].trim())),
            prefix => quoted(prefix),
        };
        sheet.text.line(here, &format!("location {selection} {{"));
        if let Some(at) = route.get("location-snippets").or(around.snippet) {
            sheet.insert(self.files, at);
        }
        self.policies(around.object, route, false, sheet);
        let proxy = action.get("proxy");
        let pass = action.get("pass").or_else(|| proxy.and_then(|proxy| proxy.get("upstream")));
        let Some(pass) = pass else {
            // Answered here, or sent elsewhere.
            sheet.text.line(here, "return 302 https://elsewhere.invalid; }");
            return number < all.len();
        };
        let name = kubernetes::known(pass).unwrap_or_default();
        let upstream = around.upstreams.list("upstreams").find(|one| one.word("name") == Some(name));
        let grpc = upstream.is_some_and(|one| one.word("type") == Some("grpc"));
        let set = if grpc { "grpc_set_header" } else { "proxy_set_header" };
        let headers = proxy.and_then(|proxy| proxy.get("requestHeaders"));
        if let Some(at) = headers.and_then(|headers| headers.get("pass")).filter(|at| at.text() == Some("false")) {
            sheet.text.line(at.place(), "proxy_pass_request_headers off;");
        }
        sheet.text.line(here, &format!("{set} X-Forwarded-Host $host; {set} X-Forwarded-Proto $scheme;"));
        let mut host = false;
        for header in headers.into_iter().flat_map(|headers| headers.list("set")) {
            let Some(name) = header.word("name").filter(|name| is_plain(name)) else { continue };
            host |= name.eq_ignore_ascii_case("host");
            let value = header.get("value");
            let text = value.map_or(Some(""), |at| if at.is_empty() { Some("") } else { at.text() });
            let place = value.unwrap_or(header).place();
            sheet.text.line(place, &format!("{set} {name} {};", quoted(text.unwrap_or(UNKNOWN))));
        }
        if !host {
            sheet.text.line(here, &format!("{set} Host $host;"));
        }
        let secure = upstream.is_some_and(|one| one.path(&["tls", "enable"]).and_then(At::text).is_some_and(is_true));
        let mut rest = String::new();
        if let Some((to, at)) = proxy.and_then(|proxy| proxy.get("rewritePath")).and_then(|at| Some((at.text()?, at))) {
            match path.starts_with(['~', '=']) {
                true => sheet.text.line(at.place(), "rewrite .* /rewritten break;"),
                false if is_plain(to) => to.clone_into(&mut rest),
                false => sheet.text.line(at.place(), UNKNOWN),
            }
        }
        let scheme = match (grpc, secure) {
            (true, true) => "grpc_pass grpcs",
            (true, false) => "grpc_pass grpc",
            (false, true) => "proxy_pass https",
            (false, false) => "proxy_pass http",
        };
        sheet.text.line(pass.place(), &format!("{scheme}://upstream{rest}; }}"));
        let service = upstream.and_then(|one| one.get("service")).and_then(kubernetes::known);
        let port = upstream.and_then(|one| one.word("port")).unwrap_or("80");
        let (file, namespace) = (around.object.at.file, around.object.namespace);
        sheet.targets.insert(
            pass.place(),
            Target {
                route: format!("{path} of {}", around.object.label()),
                upstream: format!("service {}:{port}", service.unwrap_or("not known")),
                names: match service {
                    Some(service) => self.objects.service_names(file, namespace, service, port),
                    None => vec![format!("a service of {:?}", pass.place())],
                },
            },
        );
        number < all.len()
    }

    /// The policies that a VirtualServer or a route names.
    fn policies(&self, object: Object<'a>, at: At<'a>, whole: bool, sheet: &mut Sheet) {
        for reference in at.list("policies") {
            let place = reference.get("name").unwrap_or(reference).place();
            let name = reference.get("name").and_then(kubernetes::known).unwrap_or_default();
            let namespace = reference.get("namespace").and_then(kubernetes::known).or(object.namespace);
            let found = self.objects.find(object.at.file, GROUP, "Policy", namespace, name);
            let Some(spec) = found.one().and_then(|policy| policy.spec()) else {
                sheet.holes.push(Hole { place, reason: missing(found, "Policy", name) });
                if whole {
                    // It may ask for certificates.
                    sheet.text.line(place, &format!("ssl_verify_client \"{UNKNOWN}\";"));
                }
                continue;
            };
            if let Some(mutual) = spec.get("ingressMTLS") {
                if !whole {
                    // The controller answers requests with an error rather than let them pass without.
                    sheet.text.line(place, "return 500;");
                    continue;
                }
                let asks = mutual.get("verifyClient");
                let verify = asks.map_or(Some("on"), kubernetes::known).filter(|word| is_plain(word));
                let asks_at = asks.unwrap_or(mutual).place();
                sheet.text.line(mutual.place(), "ssl_client_certificate /etc/nginx/secrets/ca.pem;");
                sheet.text.line(asks_at, &format!("ssl_verify_client {};", verify.unwrap_or(UNKNOWN)));
            }
            if let Some(access) = spec.get("accessControl") {
                for verb in ["allow", "deny"] {
                    let ranges: Vec<&str> =
                        access.list(verb).filter_map(At::text).filter(|range| is_plain(range)).collect();
                    ranges.iter().for_each(|range| sheet.text.line(access.place(), &format!("{verb} {range};")));
                    if verb == "allow" && !ranges.is_empty() {
                        sheet.text.line(access.place(), "deny all;");
                    }
                }
            }
            if spec.get("basicAuth").is_some() {
                sheet.text.line(spec.place(), "auth_basic on;");
            }
        }
    }

    /// What holds for all servers.
    fn http(&self, sheet: &mut Sheet) {
        let Some(controller) = &self.controller else { return };
        if controller.switch("access-log-off", false) == Some(true) {
            sheet.text.line(controller.at().place(), "access_log off;");
        } else if let Some(at) = controller.get("log-format").filter(|at| at.text().is_some()) {
            sheet.text.part(at.place(), "log_format main '");
            sheet.text.inner(at.file, kubernetes::inner(self.files, at));
            sheet.text.line(at.place(), "';");
            sheet.text.line(at.place(), "access_log /dev/stdout main;");
        }
        if let Some(at) = controller.get("http-snippets") {
            sheet.insert(self.files, at);
        }
    }

    /// What the settings alone make of whatever is served.
    pub(super) fn anything(&self, controller: &Controller<'a>) -> Sheet {
        let mut sheet = Sheet::default();
        let place: Place = controller.at().place();
        self.http(&mut sheet);
        sheet.text.line(place, "server { listen 80; listen 443 ssl; server_name _;");
        for name in ["server-snippets", "location-snippets"] {
            if name == "location-snippets" {
                sheet.text.line(place, "location / {");
            }
            if let Some(at) = controller.get(name) {
                sheet.insert(self.files, at);
            }
        }
        sheet.text.line(place, "proxy_set_header Host $host;");
        sheet.text.line(place, "proxy_pass http://any; } }");
        sheet.targets.insert(
            place,
            Target {
                route: "any Ingress of the controller".to_owned(),
                upstream: "any service behind it".to_owned(),
                names: vec![format!("any service behind {place:?}")],
            },
        );
        sheet
    }

    fn global(&self, name: &str) -> Option<At<'a>> {
        self.controller.and_then(|controller| controller.get(name))
    }

    fn switch(&self, ingress: &Ingress<'a>, name: &str, default: bool) -> Option<bool> {
        let global = self.controller.map_or(Some(default), |controller| controller.switch(name, default));
        match global {
            Some(default) => ingress.switch(name, default),
            None => ingress.switch(name, default).filter(|_| ingress.annotation(name).is_some()),
        }
    }
}

/// What is said of an object that is not found.
fn missing(found: Found<'_>, kind: &str, name: &str) -> String {
    match found {
        Found::Several => format!("which of several objects {kind} {name} is meant is not known"),
        _ => format!("the {kind} {name} is not here"),
    }
}

/// The actions that a route, or a match of one, may end in.
fn alternatives(route: At<'_>) -> Vec<At<'_>> {
    let splits = route.list("splits").filter_map(|split| split.get("action"));
    route.get("action").into_iter().chain(splits).collect()
}

/// Whether an object has annotations of this controller.
pub(super) fn is_annotated(object: &Object<'_>) -> bool {
    object.annotations().any(|(name, _)| PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
}
