//! HAProxy Ingress (`haproxy-ingress.github.io`): Ingresses with its annotations, annotated Services, its ConfigMap.
//!
//! Its frontends delete the headers of the certificate that clients send; backends of hosts that ask for certificates set
//! them again: names and a SHA-1 hash always, the certificate itself only where `auth-tls-cert-header` says so. See the
//! controller's keys (`auth-tls-*`) and its template `haproxy.tmpl`.

use std::collections::BTreeMap;

use super::files::Files;
use super::hop::{
    Carrier, Cause, Client, ClientAuth, Consulted, Cors, Form, Hop, Listener, Part, PathMatch, Place, Protocol,
    Rewrite, Route, Upstream, Value,
};
use super::ingress::{self, Ingress, Path, Setting, is_true};
use super::rule::Rule;
use super::run::{Handshake, Run};
use super::tree::At;
use super::{Configuration, Detail, FrontEnd, Hole, haproxy};
use crate::config::kubernetes::{self, Manifests, Objects};
use crate::syntax::haproxy::{Line, parse};

/// What its annotations begin with; the second in older versions.
const PREFIXES: &[&str] = &["haproxy-ingress.github.io/", "ingress.kubernetes.io/"];
/// The headers that browsers may send unless an annotation says otherwise.
const CORS_HEADERS: &str = "DNT,X-CustomHeader,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,\
                            Content-Type,Authorization";
/// Stands before a snippet to read it as a section.
const SECTION: &str = "backend b\n";

/// HAProxy Ingress.
#[derive(Debug)]
pub struct HaproxyIngress;

impl FrontEnd for HaproxyIngress {
    fn product(&self) -> &'static str {
        "haproxy-ingress"
    }

    fn recognises(&self, _name: &str, text: &str) -> bool {
        let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
        let own = has(PREFIXES[0]) || has("haproxy") && has("ingress.kubernetes.io/") || has("ssl-headers-prefix:");
        own && kubernetes::may_hold_objects(text)
    }

    fn lower(&self, files: &Files, own: &[u32]) -> Vec<Configuration> {
        let manifests = Manifests::read(files, own);
        let objects = manifests.objects(files);
        let is_own = |object: &kubernetes::Object<'_>| {
            let mut names = object.annotations();
            names.any(|(name, _)| name.starts_with(PREFIXES[0]))
                || Ingress::class(object).is_some_and(|class| class.contains("haproxy"))
        };
        let ingresses = ingress::all(files, &objects, PREFIXES, is_own);
        let mut configurations = Vec::new();
        for environment in objects.environments() {
            let globals = globals(&objects, &environment);
            let cluster = Cluster { files, objects: &objects, globals };
            let here =
                ingresses.iter().filter(|ingress| environment.binary_search(&ingress.object.at.file).is_ok()).collect();
            for group in ingress::groups(files, here) {
                let mut into = Configuration::default();
                cluster.lower(&group, &mut into);
                into.files = group.iter().map(|ingress| ingress.object.at.file).collect();
                into.files.sort_unstable();
                into.files.dedup();
                let holes = manifests.holes().iter().filter(|(place, _)| into.files.contains(&place.file));
                into.holes = holes.map(|(place, reason)| Hole { place: *place, reason: reason.clone() }).collect();
                into.complete = into.holes.is_empty();
                configurations.push(into);
            }
        }
        configurations
    }

    fn reason(&self, rule: Rule, cause: Cause) -> &'static str {
        match (rule, cause) {
            (Rule::Stripped | Rule::Weak, _) => "haproxy-ingress-cert-header-off",
            (Rule::NotRequested, Cause::NoAuthority) => "haproxy-ingress-auth-tls-without-secret",
            (Rule::NotRequested, Cause::Mode) => "haproxy-ingress-verify-off",
            (Rule::NotRequested, _) => "haproxy-ingress-client-cert-not-requested",
            (Rule::Unverified, _) => "haproxy-ingress-optional-no-ca",
            (Rule::Malformed, _) => "haproxy-ingress-cert-malformed",
            (Rule::Spoofable, _) => "haproxy-ingress-snippet-overrides-cert",
            (Rule::DpopBroken, Cause::Rewritten) => "haproxy-ingress-rewrite-breaks-htu",
            (Rule::DpopBroken, Cause::NotListed) => "haproxy-ingress-cors-missing-dpop",
            (Rule::DpopBroken, _) => "haproxy-ingress-snippet-strips-dpop",
            (Rule::Logged, _) => "haproxy-ingress-log-credentials",
        }
    }

    fn reason_in_detail(&self, rule: Rule, cause: Cause, detail: Detail) -> &'static str {
        match (rule, detail) {
            (Rule::DpopBroken, Detail::Consulted) => "haproxy-ingress-auth-missing-dpop",
            _ => self.reason(rule, cause),
        }
    }

    fn fix(&self, rule: Rule, cause: Cause, header: Option<&str>) -> String {
        let header = header.unwrap_or("X-SSL-Client-Cert");
        let text = match (rule, cause) {
            (Rule::Stripped, Cause::Removed) => return format!("Take the rule on {header} out of the snippet."),
            (Rule::Stripped | Rule::Weak | Rule::Malformed, _) => {
                "Write `haproxy-ingress.github.io/auth-tls-cert-header: \"true\"`, or \
                 `haproxy-ingress.github.io/ssl-fingerprint-sha2-bits: \"256\"`."
            }
            (Rule::NotRequested, Cause::NoAuthority) => {
                "Name the authority: `haproxy-ingress.github.io/auth-tls-secret: namespace/secret`."
            }
            (Rule::NotRequested, _) => {
                "Write `haproxy-ingress.github.io/auth-tls-verify-client: \"on\"`, or `optional`."
            }
            (Rule::Unverified, _) => {
                "Write `haproxy-ingress.github.io/auth-tls-verify-client: optional`, which refuses what does not verify."
            }
            (Rule::Spoofable, _) => {
                return format!("Take the rule on {header} out of the snippet: the controller sets it.");
            }
            (Rule::DpopBroken, Cause::NotListed) => {
                "List DPoP where Authorization is listed, and DPoP-Nonce in `cors-expose-headers`."
            }
            (Rule::DpopBroken, Cause::Rewritten) => {
                "Keep the path, or tell the upstream: `http-request set-header X-Forwarded-Prefix /prefix` in \
                 `config-backend`."
            }
            (Rule::DpopBroken, _) => {
                return format!("Take the rule on {header} out: the client's own header passes by default.");
            }
            (Rule::Logged, _) => "Take the credential out of `http-log-format`.",
        };
        text.to_owned()
    }
}

/// What is looked up on the way.
struct Cluster<'c, 'a> {
    files: &'a Files,
    objects: &'c Objects<'a>,
    /// What the controller's ConfigMap says, where one is there.
    globals: BTreeMap<&'a str, At<'a>>,
}

/// The keys of the controller's ConfigMap; of a key that several have it is not known which counts.
fn globals<'a>(objects: &Objects<'a>, environment: &[u32]) -> BTreeMap<&'a str, At<'a>> {
    const KEYS: [&str; 3] = ["auth-tls-cert-header", "ssl-fingerprint-sha2-bits", "ssl-headers-prefix"];
    let mut found: BTreeMap<&'a str, Vec<At<'a>>> = BTreeMap::new();
    let maps = objects.of_kind(&[""], "ConfigMap").filter(|map| environment.binary_search(&map.at.file).is_ok());
    for (key, at) in maps.filter_map(|map| map.at.get("data")).flat_map(At::entries) {
        if KEYS.contains(&key) {
            found.entry(key).or_default().push(at);
        }
    }
    found.into_iter().filter(|(_, all)| all.len() == 1).filter_map(|(key, all)| Some((key, *all.first()?))).collect()
}

/// How a host deals with client certificates.
#[derive(Clone, Copy)]
struct Auth {
    handshake: Handshake,
    asks_at: Option<Place>,
    in_vain: Option<Cause>,
}

/// What happens to requests of one path.
struct Backend<'a> {
    prefix: String,
    /// Whether the certificate is passed on, where that is known, and the line that decides.
    certificate: (Option<bool>, Place),
    /// Bits of the SHA-2 hash that is passed on.
    sha2: Option<(&'a str, Place)>,
    snippets: Vec<(At<'a>, bool)>,
}

impl<'a> Cluster<'_, 'a> {
    fn lower(&self, group: &[&Ingress<'a>], into: &mut Configuration) {
        for ingress in group {
            for rule in &ingress.rules {
                let members: Vec<&Ingress<'a>> =
                    group.iter().copied().filter(|other| other.rules.iter().any(|one| one.host == rule.host)).collect();
                let auth = Self::auth(&members);
                let through = members.iter().any(|one| one.switch("ssl-passthrough", false) == Some(true));
                for path in &rule.paths {
                    let plain =
                        !ingress.has_certificate(&rule.host) || ingress.switch("ssl-redirect", true) == Some(false);
                    let off = Auth { handshake: Handshake::OFF, asks_at: None, in_vain: None };
                    for (tls, auth) in
                        [(true, auth), (false, off)].into_iter().take(if plain && !through { 2 } else { 1 })
                    {
                        into.hops.push(self.hop(ingress, &rule.host, path, (tls && !through, through), auth));
                    }
                }
            }
        }
    }

    /// What the Ingresses of a host ask for together.
    fn auth(members: &[&Ingress<'a>]) -> Auth {
        let unknown = Handshake { auth: ClientAuth::Unknown, required: false };
        let found: Vec<Auth> = members
            .iter()
            .filter_map(|ingress| {
                let secret = ingress.annotation("auth-tls-secret")?;
                let verify = ingress.setting("auth-tls-verify-client");
                let handshake = match verify {
                    Setting::Text("off", _) => Handshake::OFF,
                    Setting::Text("optional", _) => Handshake { auth: ClientAuth::Optional, required: false },
                    Setting::Text("optional_no_ca", _) => Handshake { auth: ClientAuth::Unverified, required: false },
                    Setting::Text(..) | Setting::Absent => Handshake { auth: ClientAuth::Required, required: true },
                    Setting::Unknown => unknown,
                };
                let asks_at = if let Setting::Text(_, at) = verify { at } else { secret }.place();
                let in_vain = (handshake == Handshake::OFF).then_some(Cause::Mode);
                Some(Auth { handshake, asks_at: Some(asks_at), in_vain })
            })
            .collect();
        match found.as_slice() {
            [first, rest @ ..] if rest.iter().all(|other| other.handshake == first.handshake) => *first,
            [_, ..] => Auth { handshake: unknown, asks_at: None, in_vain: None },
            [] if members.iter().any(|ingress| ingress.open) => {
                Auth { handshake: unknown, asks_at: None, in_vain: None }
            }
            [] => {
                let meant = members.iter().find_map(|ingress| {
                    let verify = ingress.word("auth-tls-verify-client").filter(|(text, _)| *text != "off");
                    verify.or_else(|| ingress.word("auth-tls-cert-header").filter(|(text, _)| is_true(text)))
                });
                let asks_at = meant.map(|(_, at)| at.place());
                Auth { handshake: Handshake::OFF, asks_at, in_vain: asks_at.map(|_| Cause::NoAuthority) }
            }
        }
    }

    /// A key of a backend: the Service's annotation counts before the Ingress's, and that before the ConfigMap's.
    fn key(&self, ingress: &Ingress<'a>, path: &Path<'a>, name: &str) -> Setting<'a> {
        let file = ingress.object.at.file;
        let service = path
            .service
            .and_then(|service| self.objects.find(file, &[""], "Service", ingress.object.namespace, service).one());
        let of_service = service.and_then(|service| {
            let mut all = service.annotations();
            all.find(|(key, _)| PREFIXES.iter().any(|prefix| key.strip_prefix(prefix) == Some(name)))
        });
        let read = |at: At<'a>| kubernetes::known(at).map_or(Setting::Unknown, |text| Setting::Text(text, at));
        match (of_service, ingress.setting(name)) {
            (Some((_, at)), _) => read(at),
            (None, Setting::Absent) => self.globals.get(name).map_or(Setting::Absent, |at| read(*at)),
            (None, setting) => setting,
        }
    }

    fn backend(&self, ingress: &Ingress<'a>, path: &Path<'a>) -> Backend<'a> {
        let here = path.at.place();
        let secret = ingress.annotation("auth-tls-secret").map_or(here, At::place);
        let certificate = match self.key(ingress, path, "auth-tls-cert-header") {
            Setting::Text(text, at) => (Some(is_true(text)), at.place()),
            Setting::Absent => (Some(false), secret),
            Setting::Unknown => (None, secret),
        };
        let sha2 = match self.key(ingress, path, "ssl-fingerprint-sha2-bits") {
            Setting::Text(bits, at) => Some((bits, at.place())),
            _ => None,
        };
        let prefix = self.globals.get("ssl-headers-prefix").and_then(|at| kubernetes::known(*at));
        let snippets = [("config-backend-early", true), ("config-backend", false), ("config-backend-late", false)];
        let snippets = snippets.into_iter().filter_map(|(name, early)| Some((ingress.annotation(name)?, early)));
        let prefix = prefix.unwrap_or("X-SSL").to_ascii_lowercase();
        Backend { prefix, certificate, sha2, snippets: snippets.collect() }
    }

    fn hop(&self, ingress: &Ingress<'a>, host: &str, path: &Path<'a>, (tls, through): (bool, bool), auth: Auth) -> Hop {
        let backend = self.backend(ingress, path);
        let port = if tls || through { 443 } else { 80 };
        let listener = Listener {
            label: if host == "_" { format!(":{port}") } else { format!(":{port} {host}") },
            ports: vec![port],
            hosts: if host == "_" { Vec::new() } else { vec![host.to_owned()] },
            tls,
            auth: if through { ClientAuth::Off } else { auth.handshake.auth },
            asks_at: auth.asks_at.filter(|_| tls),
            in_vain: auth.in_vain.filter(|_| tls),
            inner: false,
        };
        let is_pattern = ingress.word("path-type").is_some_and(|(kind, _)| kind == "regex");
        let matched = match path.path {
            "/" => PathMatch::Any,
            path if is_pattern => PathMatch::Pattern(format!("^{path}")),
            exact if path.exact => PathMatch::Exact(exact.to_owned()),
            prefix => PathMatch::Prefix(prefix.to_owned()),
        };
        let label = format!("{} of {}", path.path, ingress.object.label());
        let route = Route { label, path: matched, when: Vec::new() };
        let service = path.service.unwrap_or("not known");
        let number = path.port.unwrap_or("80");
        let upstream = Upstream {
            label: format!("service {service}:{number}"),
            names: match path.service {
                Some(service) => kubernetes::service_names(service, ingress.object.namespace, number),
                // Nobody else's.
                None => vec![format!("a service of {:?}", path.at.place())],
            },
            protocol: if through { Protocol::Passthrough } else { Protocol::Http },
            place: path.at.place(),
        };
        let mut lost = None;
        let handshake = if tls { auth.handshake } else { Handshake::OFF };
        let arrivals = Client::ALL.map(|client| {
            handshake.arrival(client, |presented| {
                let mut run = Run::new(presented);
                if !through {
                    self.backend_rules(&backend, auth.handshake.auth != ClientAuth::Off, &mut run);
                }
                if presented && lost.is_none() {
                    lost.clone_from(&run.lost);
                }
                Some(run.request)
            })
        });
        let mut hop = Hop { lost, ..Hop::new(listener, route, upstream, arrivals) };
        if let ((Some(true), place), false) = (backend.certificate, through) {
            hop.carriers.push(Carrier {
                header: format!("{}-client-cert", backend.prefix),
                form: Form::DerBase64,
                place,
            });
        }
        if let Some((to, at)) = ingress.word("rewrite-target").filter(|(to, _)| *to != path.path) {
            let told = backend.snippets.iter().any(|(at, _)| {
                at.node.text().is_some_and(|text| text.to_ascii_lowercase().contains("x-forwarded-prefix"))
            });
            // What the pattern's groups are put together to is not followed.
            if !to.contains('\\') || !is_pattern {
                hop.rewrites.push(Rewrite { part: Part::Path, place: at.place(), told });
            }
        }
        Self::browsers(ingress, &mut hop);
        hop
    }

    fn browsers(ingress: &Ingress<'a>, hop: &mut Hop) {
        if let Some((_, at)) = ingress.word("cors-enable").filter(|(text, _)| is_true(text)) {
            let list = |text: &str| text.split(',').map(|name| name.trim().to_ascii_lowercase()).collect::<Vec<_>>();
            let (allow, place) = match ingress.setting("cors-allow-headers") {
                Setting::Text(text, at) => ((text != "*").then(|| list(text)), at.place()),
                Setting::Absent => (Some(list(CORS_HEADERS)), at.place()),
                Setting::Unknown => (None, at.place()),
            };
            let expose = ingress.word("cors-expose-headers").map(|(text, _)| list(text));
            hop.cors.push(Cors { allow, expose, place });
        }
        if let Some((url, _)) = ingress.word("auth-url") {
            hop.route.when.push("the authorization service agrees".to_owned());
            if let Some((names, at)) = ingress.word("auth-headers-request").filter(|(names, _)| *names != "*") {
                let listed = |name: &str| names.split(',').any(|one| one.trim().eq_ignore_ascii_case(name));
                hop.consulted.push(Consulted {
                    label: url.to_owned(),
                    authorization: listed("authorization"),
                    dpop: listed("dpop"),
                    place: at.place(),
                });
            }
        }
        hop.consumes_authorization = ingress.annotation("auth-secret").is_some();
    }

    /// What frontends and the backend do to the headers, in their order.
    fn backend_rules(&self, backend: &Backend<'a>, asks: bool, run: &mut Run) {
        let name = |part: &str| format!("{}-client-{part}", backend.prefix);
        for part in ["cn", "dn", "sha1", "sha2", "cert"] {
            run.request.set(&name(part), Vec::new(), None);
        }
        let snippets = |early: bool| backend.snippets.iter().filter(move |(_, one)| *one == early);
        snippets(true).for_each(|(at, _)| self.snippet(*at, run));
        if asks {
            let (certificate, place) = backend.certificate;
            let full = certificate == Some(true);
            // Beside the certificate, names and hashes say nothing more.
            let set = |run: &mut Run, part: &str, form: Option<Form>, place: Place| {
                let form = form.filter(|form| !full || form.shows_binding());
                let value = form.map_or(Value::Other, Value::Certificate);
                let value = if run.presented { value } else { Value::Empty };
                run.set(&name(part), vec![value], place, Cause::Set);
            };
            set(run, "cn", Some(Form::Dn), place);
            set(run, "dn", Some(Form::Dn), place);
            set(run, "sha1", Some(Form::Sha1), place);
            if let Some((bits, place)) = backend.sha2 {
                set(run, "sha2", (bits == "256").then_some(Form::Sha256), place);
            }
            match certificate {
                Some(true) => set(run, "cert", Some(Form::DerBase64), place),
                Some(false) => {}
                None => run.request.set(&name("cert"), vec![Value::Unknown], None),
            }
        }
        snippets(false).for_each(|(at, _)| self.snippet(*at, run));
    }

    /// The rules on headers of a snippet; of a condition it is not known whether it holds.
    fn snippet(&self, at: At<'a>, run: &mut Run) {
        let inner = kubernetes::inner(self.files, at);
        let document = parse(&format!("{SECTION}{}", inner.text));
        for line in document.sections.iter().flat_map(|section| &section.lines) {
            let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            let bytes = (line.bytes.0.saturating_sub(SECTION.len()), line.bytes.1.saturating_sub(SECTION.len()));
            let (start, end) = inner.stretch(bytes.0, bytes.1);
            apply(line, Place { file: at.file, start: offset(start), end: offset(end) }, run);
        }
    }
}

/// One rule of a snippet.
fn apply(line: &Line, place: Place, run: &mut Run) {
    if line.word(0) != "http-request" {
        return;
    }
    let name = line.word(2).to_ascii_lowercase();
    let conditional = line.words.iter().any(|word| word.bare && matches!(word.text.as_str(), "if" | "unless"));
    let value = match haproxy::form(line.word(3)) {
        Some(form) if run.presented => Value::Certificate(form),
        Some(_) => Value::Empty,
        None if line.word(3).contains('%') => Value::Unknown,
        None => Value::Constant(line.word(3).to_owned()),
    };
    match line.word(1) {
        "set-header" | "del-header" | "add-header" | "replace-header" | "replace-value" if conditional => {
            run.request.set(&name, vec![Value::Unknown], None);
        }
        "del-header" if line.word(3).is_empty() => run.remove(&name, place, Cause::Removed),
        "set-header" => run.set(&name, vec![value], place, Cause::Set),
        "add-header" => {
            let mut values = run.values(&name);
            values.push(value);
            run.set(&name, values, place, Cause::Appended);
        }
        "replace-header" | "replace-value" | "del-header" => run.request.set(&name, vec![Value::Unknown], None),
        action if action.starts_with("lua.") => run.anything(),
        _ => {}
    }
}
