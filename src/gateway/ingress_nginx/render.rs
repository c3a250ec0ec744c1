//! The configuration that the controller writes for nginx, as its template `nginx.tmpl` does, as far as certificates,
//! headers, targets and logs go. Every line knows the annotation or the setting that it comes from.

use std::collections::{BTreeMap, BTreeSet};

use super::objects;
use crate::config::kubernetes::{self, Objects};
use crate::gateway::Hole;
use crate::gateway::controller::Controller;
use crate::gateway::files::Files;
use crate::gateway::hop::{Cause, Place};
use crate::gateway::ingress::{Ingress, Path, Setting, is_true};
use crate::gateway::sheet::{Sheet, Target, UNKNOWN, is_plain, quoted};
use crate::gateway::tree::At;
use crate::syntax::directives;

/// The headers that browsers may send unless an annotation says otherwise.
const CORS_HEADERS: &str =
    "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization";

/// A service that is asked about requests, and is shown the token without the proof.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) label: String,
    pub(super) place: Place,
}

/// What was written, and what nginx does not know of it.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    pub(super) sheet: Sheet,
    pub(super) asked: BTreeMap<Place, Asked>,
    /// By host, what means to ask for certificates and does not.
    pub(super) vain: BTreeMap<String, (Place, Cause)>,
    /// Hosts whose TLS the controller does not end, with the places that send them on.
    pub(super) passed_through: BTreeMap<String, Vec<Place>>,
}

/// How a host deals with client certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Auth {
    secret: Place,
    verify: (String, Place),
    /// Whether the certificate is passed on.
    pass: (Option<bool>, Place),
    common_name: Option<(String, Place)>,
    error_page: Option<(String, Place)>,
}

/// What is written for one controller.
pub(super) struct Writer<'w, 'a> {
    pub(super) files: &'w Files,
    pub(super) objects: &'w Objects<'a>,
    pub(super) controller: Option<Controller<'a>>,
}

impl<'a> Writer<'_, 'a> {
    /// The configuration for these Ingresses.
    pub(super) fn write(&self, ingresses: &[&Ingress<'a>]) -> Rendered {
        let mut into = Rendered::default();
        self.http(&mut into);
        let hosts: BTreeSet<&str> =
            ingresses.iter().flat_map(|ingress| &ingress.rules).map(|rule| rule.host.as_str()).collect();
        for host in hosts {
            let serves = |ingress: &&Ingress<'a>| ingress.rules.iter().any(|rule| rule.host == host);
            let members: Vec<&Ingress<'a>> = ingresses.iter().copied().filter(serves).collect();
            self.server(host, &members, &mut into);
        }
        into
    }

    /// What the settings alone make of any Ingress.
    pub(super) fn write_any(&self, controller: &Controller<'a>) -> Rendered {
        let mut into = Rendered::default();
        self.http(&mut into);
        let place = controller.at().place();
        let text = &mut into.sheet.text;
        text.line(place, "server { listen 80; listen 443 ssl; server_name _;");
        self.snippet("server-snippet", &mut into);
        into.sheet.text.line(place, "location / {");
        into.sheet.text.line(place, "proxy_set_header Host $http_host;");
        self.location_settings("proxy_set_header", place, &mut into);
        into.sheet.text.line(place, "proxy_pass http://any; } }");
        let target = Target {
            route: "any Ingress of the controller".to_owned(),
            upstream: "any service behind it".to_owned(),
            names: vec!["any service".to_owned()],
        };
        into.sheet.targets.insert(place, target);
        into
    }

    fn http(&self, into: &mut Rendered) {
        let Some(controller) = &self.controller else { return };
        if let Some(at) = controller.get("enable-underscores-in-headers")
            && controller.switch("enable-underscores-in-headers", false) == Some(true)
        {
            into.sheet.text.line(at.place(), "underscores_in_headers on;");
        }
        if let Some(at) = controller.get("ignore-invalid-headers")
            && controller.switch("ignore-invalid-headers", true) == Some(false)
        {
            into.sheet.text.line(at.place(), "ignore_invalid_headers off;");
        }
        if controller.switch("disable-access-log", false) == Some(true) {
            into.sheet.text.line(controller.at().place(), "access_log off;");
        } else if let Some(at) = controller.get("log-format-upstream") {
            into.sheet.text.part(at.place(), "log_format upstreaminfo '");
            into.sheet.text.inner(at.file, kubernetes::inner(self.files, at));
            into.sheet.text.line(at.place(), "';");
            into.sheet.text.line(at.place(), "access_log /var/log/nginx/access.log upstreaminfo;");
        }
        self.snippet("http-snippet", into);
    }

    /// A snippet of the settings.
    fn snippet(&self, key: &str, into: &mut Rendered) {
        if let Some(at) = self.controller.and_then(|controller| controller.get(key)) {
            into.sheet.insert(self.files, at);
        }
    }

    fn server(&self, host: &str, members: &[&Ingress<'a>], into: &mut Rendered) {
        let Some(first) = members.first() else { return };
        let place = first.object.at.path(&["spec", "rules"]).unwrap_or(first.object.at).place();
        if members.iter().any(|ingress| ingress.switch("ssl-passthrough", false) == Some(true)) {
            let paths = members.iter().flat_map(|ingress| paths(ingress, host).map(move |path| (*ingress, path)));
            for (ingress, path) in paths {
                let place = path.at.place();
                into.sheet.targets.insert(place, target(self.objects, ingress, &path, &[]));
                into.passed_through.entry(host.to_owned()).or_default().push(place);
            }
            return;
        }
        let auth = self.auth(host, members, into);
        let aliases = members.iter().filter_map(|ingress| ingress.word("server-alias")).map(|(text, _)| text);
        let aliases: Vec<&str> =
            aliases.flat_map(|text| text.split([',', ' '])).filter(|name| is_plain(name)).collect();
        let names = if is_plain(host) { host } else { "_" };
        into.sheet.text.line(place, "server { listen 80; listen 443 ssl;");
        into.sheet.text.line(place, &format!("server_name {names} {};", aliases.join(" ")));
        if let Some(Auth { common_name: Some((name, at)), .. }) = &auth {
            into.sheet.text.line(*at, &format!("if ($ssl_client_s_dn !~ {}) {{ return 403; }}", quoted(name)));
        }
        if let Some(auth) = &auth {
            into.sheet.text.line(auth.secret, "ssl_client_certificate /etc/ingress-controller/ssl/ca.pem;");
            into.sheet.text.line(auth.verify.1, &format!("ssl_verify_client {};", auth.verify.0));
            if let Some((page, at)) = &auth.error_page {
                into.sheet.text.line(*at, &format!("error_page 495 496 = {};", quoted(page)));
            }
        }
        self.snippet("server-snippet", into);
        if let Some(at) = members.iter().find_map(|ingress| ingress.annotation("server-snippet")) {
            into.sheet.insert(self.files, at);
        }
        let is_pattern = |ingress: &&Ingress<'a>| {
            ingress.switch("use-regex", false) != Some(false)
                || ingress
                    .word("rewrite-target")
                    .is_some_and(|(target, _)| paths(ingress, host).any(|path| path.path != target))
        };
        let patterns = members.iter().any(is_pattern);
        let canaries: Vec<&Ingress<'a>> =
            members.iter().copied().filter(|ingress| ingress.switch("canary", false) == Some(true)).collect();
        for ingress in members.iter().filter(|ingress| ingress.switch("canary", false) != Some(true)) {
            for path in paths(ingress, host) {
                let beside = |canary: &&Ingress<'a>| {
                    paths(canary, host).filter(|other| other.path == path.path).collect::<Vec<_>>()
                };
                let beside: Vec<(&Ingress<'a>, Path<'a>)> =
                    canaries.iter().flat_map(|one| beside(one).into_iter().map(move |path| (*one, path))).collect();
                into.sheet.targets.insert(path.at.place(), target(self.objects, ingress, &path, &beside));
                self.location(ingress, &path, (host, patterns), auth.as_ref(), into);
            }
        }
        into.sheet.text.line(place, "}");
    }

    /// The first Ingress with a secret decides for all of the host; which one is first is not known where they differ.
    fn auth(&self, host: &str, members: &[&Ingress<'a>], into: &mut Rendered) -> Option<Auth> {
        let asking = members.iter().filter_map(|ingress| {
            let secret = ingress.annotation("auth-tls-secret")?;
            let verify = match ingress.setting("auth-tls-verify-client") {
                Setting::Text(text @ ("off" | "optional" | "optional_no_ca"), at) => (text.to_owned(), at.place()),
                Setting::Text(_, at) => ("on".to_owned(), at.place()),
                Setting::Absent => ("on".to_owned(), secret.place()),
                Setting::Unknown => (UNKNOWN.to_owned(), secret.place()),
            };
            let pass = ingress.annotation("auth-tls-pass-certificate-to-upstream").unwrap_or(secret).place();
            let text = |name: &str| ingress.word(name).map(|(text, at)| (text.to_owned(), at.place()));
            Some(Auth {
                secret: secret.place(),
                verify,
                pass: (ingress.switch("auth-tls-pass-certificate-to-upstream", false), pass),
                common_name: text("auth-tls-match-cn"),
                error_page: text("auth-tls-error-page"),
            })
        });
        let asking: Vec<Auth> = asking.collect();
        let Some(first) = asking.first().cloned() else {
            if let Some(open) = members.iter().find(|ingress| ingress.open) {
                // A template may add the secret.
                let at = open.object.at.place();
                let (verify, pass) = ((UNKNOWN.to_owned(), at), (None, at));
                return Some(Auth { secret: at, verify, pass, common_name: None, error_page: None });
            }
            // Without a secret none of the other annotations has any effect.
            let meant = members.iter().find_map(|ingress| {
                let verify = ingress.word("auth-tls-verify-client").filter(|(text, _)| *text != "off");
                verify
                    .or_else(|| ingress.word("auth-tls-pass-certificate-to-upstream").filter(|(text, _)| is_true(text)))
            });
            if let Some((_, at)) = meant {
                into.vain.insert(host.to_owned(), (at.place(), Cause::NoAuthority));
            }
            return None;
        };
        let same = |other: &Auth| other.verify.0 == first.verify.0 && other.pass.0 == first.pass.0;
        if !asking.iter().all(same) {
            let verify = (UNKNOWN.to_owned(), first.verify.1);
            return Some(Auth { verify, pass: (None, first.pass.1), ..first });
        }
        if first.verify.0 == "off" {
            into.vain.insert(host.to_owned(), (first.verify.1, Cause::Mode));
        }
        Some(first)
    }

    fn location(
        &self,
        ingress: &Ingress<'a>,
        path: &Path<'a>,
        (host, patterns): (&str, bool),
        auth: Option<&Auth>,
        into: &mut Rendered,
    ) {
        let here = path.at.place();
        let selection = match (patterns, path.exact) {
            (true, _) => format!("~* {}", quoted(&format!("^{}", path.path))),
            (_, true) => format!("= {}", quoted(path.path)),
            _ => quoted(path.path),
        };
        into.sheet.text.line(here, &format!("location {selection} {{"));
        let redirects = ingress.switch("ssl-redirect", self.switch("ssl-redirect", true)) != Some(false);
        if redirects && ingress.has_certificate(host)
            || ingress.switch("force-ssl-redirect", self.switch("force-ssl-redirect", false)) == Some(true)
        {
            into.sheet.text.line(here, "if ($scheme = http) { return 308 https://$host$request_uri; }");
        }
        if ingress.switch("enable-access-log", true) == Some(false) {
            into.sheet.text.line(here, "access_log off;");
        }
        let ranges = ["whitelist-source-range", "allowlist-source-range"];
        if let Some((ranges, at)) = ranges.iter().find_map(|name| ingress.word(name)) {
            let all = |range: &&str| matches!(*range, "0.0.0.0/0" | "::/0");
            let ranges: Vec<&str> = ranges.split(',').map(str::trim).filter(|range| is_plain(range)).collect();
            if !ranges.iter().any(all) {
                ranges.iter().for_each(|range| into.sheet.text.line(at.place(), &format!("allow {range};")));
                into.sheet.text.line(at.place(), "deny all;");
            }
        }
        self.cors(ingress, into);
        let protocol = match ingress.setting("backend-protocol") {
            Setting::Text(text, _) => text.to_ascii_uppercase(),
            Setting::Absent => "HTTP".to_owned(),
            Setting::Unknown => "HTTP".to_owned(),
        };
        let set = if protocol.starts_with("GRPC") { "grpc_set_header" } else { "proxy_set_header" };
        self.authentication(ingress, set, here, into);
        match ingress.setting("upstream-vhost") {
            Setting::Text(text, at) => into.sheet.text.line(at.place(), &format!("{set} Host {};", quoted(text))),
            Setting::Absent => into.sheet.text.line(here, &format!("{set} Host $http_host;")),
            Setting::Unknown => into.sheet.text.line(here, &format!("{set} Host \"{UNKNOWN}\";")),
        }
        if let Some(auth) = auth {
            let (pass, at) = auth.pass;
            match pass {
                Some(true) => into.sheet.text.line(at, &format!("{set} ssl-client-cert $ssl_client_escaped_cert;")),
                Some(false) => {}
                None => into.sheet.text.line(at, &format!("{set} ssl-client-cert \"{UNKNOWN}\";")),
            }
            for (name, variable) in [("verify", "verify"), ("subject-dn", "s_dn"), ("issuer-dn", "i_dn")] {
                into.sheet.text.line(at, &format!("{set} ssl-client-{name} $ssl_client_{variable};"));
            }
        }
        into.sheet.text.line(here, &format!("{set} X-Forwarded-Host $http_host; {set} X-Forwarded-Proto $scheme;"));
        self.location_settings(set, here, into);
        if let Some(at) = ingress.annotation("configuration-snippet") {
            into.sheet.insert(self.files, at);
        }
        self.snippet("location-snippet", into);
        if protocol == "FCGI" {
            into.sheet.text.line(here, "include /etc/nginx/fastcgi_params;");
        }
        for name in ["permanent-redirect", "temporal-redirect"] {
            if let Some(at) = ingress.annotation(name) {
                into.sheet.text.line(at.place(), "return 302 https://elsewhere.invalid;");
            }
        }
        if let Setting::Text(to, at) = ingress.setting("rewrite-target")
            && to != path.path
            && !is_kept(path.path, to)
        {
            into.sheet.text.line(at.place(), "rewrite .* /rewritten break;");
            if let Some((prefix, at)) = ingress.word("x-forwarded-prefix") {
                into.sheet.text.line(at.place(), &format!("{set} X-Forwarded-Prefix {};", quoted(prefix)));
            }
        }
        let pass = match protocol.as_str() {
            "GRPC" => "grpc_pass grpc://",
            "GRPCS" => "grpc_pass grpcs://",
            "HTTPS" => "proxy_pass https://",
            "FCGI" => "fastcgi_pass ",
            _ => "proxy_pass http://",
        };
        into.sheet.text.line(here, &format!("{pass}upstream_balancer; }}"));
    }

    fn switch(&self, key: &str, default: bool) -> bool {
        self.controller.and_then(|controller| controller.switch(key, default)).unwrap_or(default)
    }

    /// What the settings add to each location.
    fn location_settings(&self, set: &str, here: Place, into: &mut Rendered) {
        let Some(controller) = &self.controller else { return };
        match objects::headers(controller, self.objects) {
            Some(headers) => {
                for (name, value) in headers.into_iter().filter(|(name, _)| is_plain(name)) {
                    let text = kubernetes::known(value).or_else(|| value.is_empty().then_some("")).unwrap_or(UNKNOWN);
                    into.sheet.text.line(value.place(), &format!("{set} {name} {};", quoted(text)));
                }
            }
            None => {
                let place = controller.get("proxy-set-headers").map_or(here, At::place);
                into.sheet
                    .holes
                    .push(Hole { place, reason: "the ConfigMap of proxy-set-headers is not here".to_owned() });
                into.sheet.text.line(here, UNKNOWN);
            }
        }
    }

    fn cors(&self, ingress: &Ingress<'a>, into: &mut Rendered) {
        let Some((_, enabled)) = ingress.word("enable-cors").filter(|(text, _)| is_true(text)) else { return };
        let mut answer = |name: &str, header: &str, default: Option<&str>| {
            let (text, at) = match ingress.setting(name) {
                Setting::Text(text, at) => (text, at),
                Setting::Absent => match default {
                    Some(text) => (text, enabled),
                    None => return,
                },
                Setting::Unknown => return,
            };
            into.sheet.text.line(at.place(), &format!("more_set_headers {};", quoted(&format!("{header}: {text}"))));
        };
        answer("cors-allow-headers", "Access-Control-Allow-Headers", Some(CORS_HEADERS));
        answer("cors-expose-headers", "Access-Control-Expose-Headers", None);
    }

    fn authentication(&self, ingress: &Ingress<'a>, set: &str, here: Place, into: &mut Rendered) {
        if let Some(at) = ingress.annotation("auth-url") {
            into.sheet.text.line(at.place(), "auth_request /_external-auth;");
            let names = ingress.word("auth-response-headers").map(|(text, _)| text).unwrap_or_default();
            for name in names.split(',').map(str::trim).filter(|name| is_plain(name)) {
                into.sheet.text.line(at.place(), &format!("{set} {name} \"{UNKNOWN}\";"));
            }
            if let Some(snippet) = ingress.annotation("auth-snippet") {
                self.asked(at, snippet, here, into);
            }
        }
        if let Some((kind, at)) = ingress.word("auth-type") {
            into.sheet
                .text
                .line(at.place(), &format!("auth_{} on;", if kind == "digest" { "digest" } else { "basic" }));
            into.sheet.text.line(at.place(), &format!("{set} Authorization \"\";"));
        }
    }

    /// A snippet for the request to the service that authorizes may take the proof out of it.
    fn asked(&self, url: At<'a>, snippet: At<'a>, here: Place, into: &mut Rendered) {
        let inner = kubernetes::inner(self.files, snippet);
        let document = directives::read(&inner.text, (0, inner.text.len()));
        let sets = |name: &str| {
            let mut all = document.directives.iter().filter(|one| one.name.text == "proxy_set_header");
            all.find(|one| one.argument(0).is_some_and(|set| set.eq_ignore_ascii_case(name)))
        };
        if let Some(line) = sets("dpop").filter(|line| line.argument(1).is_some_and(str::is_empty))
            && sets("authorization").is_none()
        {
            let (start, end) = inner.stretch(line.head().0, line.head().1);
            let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            let place = Place { file: snippet.file, start: offset(start), end: offset(end) };
            into.asked.insert(here, Asked { label: url.text().unwrap_or_default().to_owned(), place });
        }
    }
}

/// The paths of an Ingress for a host.
fn paths<'i, 'a>(ingress: &'i Ingress<'a>, host: &'i str) -> impl Iterator<Item = Path<'a>> + 'i {
    ingress.rules.iter().filter(move |rule| rule.host == host).flat_map(|rule| rule.paths.iter().cloned())
}

fn target<'a>(
    objects: &Objects<'a>,
    ingress: &Ingress<'a>,
    path: &Path<'a>,
    beside: &[(&Ingress<'a>, Path<'a>)],
) -> Target {
    let service = path.service.unwrap_or("not known");
    let port = path.port.map_or_else(String::new, |port| format!(":{port}"));
    let names = |ingress: &Ingress<'a>, path: &Path<'a>| match path.service {
        Some(service) => {
            let (from, namespace) = (ingress.object.at.file, ingress.object.namespace);
            objects.service_names(from, namespace, service, path.port.unwrap_or("80"))
        }
        // Nobody else's.
        None => vec![format!("a service of {:?}", path.at.place())],
    };
    let mut all = names(ingress, path);
    all.extend(beside.iter().flat_map(|(ingress, path)| names(ingress, path)));
    Target {
        route: format!("{} of {}", path.path, ingress.object.label()),
        upstream: format!("service {service}{port}"),
        names: all,
    }
}

/// Whether a rewrite puts the path together again as it was.
fn is_kept(path: &str, to: &str) -> bool {
    let path = path.trim_start_matches('^').trim_end_matches('$');
    matches!(
        (path, to),
        ("/(.*)" | "/?(.*)" | "/(.+)" | "/(.*)?", "/$1") | ("/()(.*)", "/$2") | ("(/.*)" | "(.*)", "$1")
    )
}
