//! HAProxy Ingress (`haproxy-ingress.github.io`): Ingresses with its annotations, annotated Services, its ConfigMap.
//!
//! The controller writes a configuration for HAProxy, and so does this front end (`render.rs`); what HAProxy then does,
//! snippets included, is decided by the HAProxy front end. Its frontends delete the headers of the certificate that clients
//! send; backends of hosts that ask for certificates set them again: names and a SHA-1 hash always, the certificate itself
//! only where `auth-tls-cert-header` says so. See the controller's keys (`auth-tls-*`) and its template `haproxy.tmpl`.

mod render;

use std::collections::BTreeSet;

use super::controller::{self, Chart, Controller};
use super::files::Files;
use super::hop::{Cause, ClientAuth, Consulted, Hop, PathMatch, Place, Protocol};
use super::ingress::{self, Ingress, Path, Setting, is_true};
use super::rule::Rule;
use super::run::Handshake;
use super::{Configuration, Detail, FrontEnd, Hole, haproxy};
use crate::config::kubernetes::{self, ByFile, Manifests};
use crate::config::written::Written;
use render::{Cluster, PARTS, Socket};

/// What its annotations begin with; the second in older versions.
const PREFIXES: &[&str] = &["haproxy-ingress.github.io/", "ingress.kubernetes.io/"];
/// Settings of the controller that no other one has, and that matter here.
const SETTINGS: [&str; 14] = [
    "auth-tls-cert-header",
    "config-backend",
    "config-backend-early",
    "config-backend-late",
    "config-defaults",
    "config-frontend",
    "config-frontend-early",
    "config-frontend-late",
    "config-global",
    "config-proxy",
    "http-log-format",
    "https-log-format",
    "ssl-fingerprint-sha2-bits",
    "ssl-headers-prefix",
];

/// HAProxy Ingress.
#[derive(Debug)]
pub struct HaproxyIngress;

impl FrontEnd for HaproxyIngress {
    fn product(&self) -> &'static str {
        "haproxy-ingress"
    }

    fn recognises(&self, _name: &str, text: &str) -> bool {
        let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
        let ingress = has(PREFIXES[0]) || has("haproxy") && has("ingress.kubernetes.io/");
        let settings = || SETTINGS.iter().any(|setting| has(setting));
        let values = || has("controller") && has("config");
        ingress && kubernetes::may_hold_objects(text) || (has("ConfigMap") || values()) && settings()
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
        let controllers = controller::all(
            &manifests,
            &objects,
            &|key, _| SETTINGS.contains(&key),
            Chart { config: &["config"], own: &[] },
        );
        let holes = |numbers: &[u32]| -> Vec<Hole> {
            let own = manifests.holes().iter().filter(|(place, _)| numbers.contains(&place.file));
            own.map(|(place, reason)| Hole { place: *place, reason: reason.clone() }).collect()
        };
        let mut configurations = Vec::new();
        let mut used = BTreeSet::new();
        let by_file = ByFile::new(ingresses.iter().map(|ingress| (ingress.object.at.file, ingress)));
        for environment in objects.environments() {
            let controller = controllers.of(&objects, &environment);
            let cluster = Cluster { files, objects: &objects, controller };
            let here: Vec<&Ingress<'_>> = by_file.within(&environment).copied().collect();
            for group in ingress::groups(files, here) {
                let mut into = Configuration::default();
                lower(&cluster, &group, &mut into);
                let numbers = group.iter().map(|ingress| ingress.object.at.file);
                let numbers: BTreeSet<u32> = numbers.chain(controller.map(|controller| controller.file())).collect();
                used.extend(controller.map(|controller| controller.file()));
                into.files = numbers.into_iter().collect();
                into.holes.extend(holes(&into.files));
                into.complete &= into.holes.is_empty();
                configurations.push(into);
            }
        }
        // What settings do to whatever the controller serves.
        for controller in controllers.all.iter().filter(|controller| !used.contains(&controller.file())) {
            let cluster = Cluster { files, objects: &objects, controller: Some(*controller) };
            let mut into = Configuration { files: vec![controller.file()], ..Configuration::default() };
            lower_any(&cluster, controller, &mut into);
            into.holes.extend(holes(&into.files));
            configurations.push(into);
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
            (Rule::DpopBroken, Cause::Set | Cause::Appended) => "haproxy-ingress-header-overwritten",
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
                return format!(
                    "Take the line on {header} out of the snippet or of `headers`: the client's own header passes by default."
                );
            }
            (Rule::Logged, _) => "Take the credential out of `http-log-format`, or the capture out of the snippet.",
        };
        text.to_owned()
    }
}

/// How a host deals with client certificates.
#[derive(Debug, Clone, Copy)]
struct Auth {
    handshake: Handshake,
    asks_at: Option<Place>,
    in_vain: Option<Cause>,
}

impl Auth {
    /// Nobody is asked.
    const OFF: Self = Self { handshake: Handshake::OFF, asks_at: None, in_vain: None };
    /// That is not known.
    const UNKNOWN: Self =
        Self { handshake: Handshake { auth: ClientAuth::Unknown, required: false }, asks_at: None, in_vain: None };

    /// What the Ingresses of a host ask for together.
    fn of(cluster: &Cluster<'_, '_>, members: &[&Ingress<'_>]) -> Self {
        let asked = |ingress: &&Ingress<'_>| {
            let own = ingress.annotation("auth-tls-secret");
            let secret = own.or_else(|| cluster.controller.and_then(|all| all.get("auth-tls-secret")))?;
            let verify = cluster.key(ingress, "auth-tls-verify-client");
            let handshake = match verify {
                Setting::Text("off", _) => Handshake::OFF,
                Setting::Text("optional", _) => Handshake { auth: ClientAuth::Optional, required: false },
                Setting::Text("optional_no_ca", _) => Handshake { auth: ClientAuth::Unverified, required: false },
                Setting::Text(..) | Setting::Absent => Handshake { auth: ClientAuth::Required, required: true },
                Setting::Unknown => Self::UNKNOWN.handshake,
            };
            let asks_at = if let Setting::Text(_, at) = verify { at } else { secret }.place();
            let in_vain = (handshake == Handshake::OFF).then_some(Cause::Mode);
            Some(Self { handshake, asks_at: Some(asks_at), in_vain })
        };
        let found: Vec<Self> = members.iter().filter_map(asked).collect();
        match found.as_slice() {
            [first, rest @ ..] if rest.iter().all(|other| other.handshake == first.handshake) => *first,
            [_, ..] => Self::UNKNOWN,
            [] if members.iter().any(|ingress| ingress.open) => Self::UNKNOWN,
            [] => {
                let meant = members.iter().find_map(|ingress| {
                    let verify = ingress.word("auth-tls-verify-client").filter(|(text, _)| *text != "off");
                    verify.or_else(|| ingress.word("auth-tls-cert-header").filter(|(text, _)| is_true(text)))
                });
                let asks_at = meant.map(|(_, at)| at.place());
                Self { handshake: Handshake::OFF, asks_at, in_vain: asks_at.map(|_| Cause::NoAuthority) }
            }
        }
    }
}

fn lower(cluster: &Cluster<'_, '_>, group: &[&Ingress<'_>], into: &mut Configuration) {
    into.complete = true;
    for ingress in group {
        for rule in &ingress.rules {
            let members: Vec<&Ingress<'_>> =
                group.iter().copied().filter(|other| other.rules.iter().any(|one| one.host == rule.host)).collect();
            let through = members.iter().any(|one| cluster.switch(one, "ssl-passthrough", false) == Some(true));
            let plain = !through
                && (!ingress.has_certificate(&rule.host)
                    || cluster.switch(ingress, "ssl-redirect", true) == Some(false));
            let auth = if through { Auth::OFF } else { Auth::of(cluster, &members) };
            let first = if through { Socket::Passthrough } else { Socket::Tls };
            for path in &rule.paths {
                hops(cluster, (ingress, &rule.host, path), first, auth, into);
                if plain {
                    hops(cluster, (ingress, &rule.host, path), Socket::Plain, Auth::OFF, into);
                }
            }
        }
    }
}

/// The ways of one path.
fn hops(
    cluster: &Cluster<'_, '_>,
    (ingress, host, path): (&Ingress<'_>, &str, &Path<'_>),
    socket: Socket,
    auth: Auth,
    into: &mut Configuration,
) {
    let text = cluster.write(Some((ingress, path)), socket, auth);
    let port = if socket == Socket::Plain { 80 } else { 443 };
    let (listener, mut route, upstream) =
        ingress::way(cluster.objects, ingress, host, path, (port, socket == Socket::Tls));
    if let (Setting::Text("regex", _), false) = (cluster.key(ingress, "path-type"), path.path == "/") {
        route.path = PathMatch::Pattern(format!("^{}", path.path));
    }
    let before = into.hops.len();
    take(cluster, &text, into);
    for hop in &mut into.hops[before..] {
        hop.listener.label.clone_from(&listener.label);
        hop.listener.hosts.clone_from(&listener.hosts);
        if hop.listener.tls {
            hop.listener.asks_at = auth.asks_at;
            hop.listener.in_vain = auth.in_vain;
        }
        hop.route.label.clone_from(&route.label);
        hop.route.path = route.path.clone();
        hop.upstream.label.clone_from(&upstream.label);
        hop.upstream.names.clone_from(&upstream.names);
        if hop.upstream.protocol != Protocol::Passthrough {
            asked(cluster, ingress, hop);
        }
    }
}

/// What the settings alone make of whatever is served.
fn lower_any(cluster: &Cluster<'_, '_>, controller: &Controller<'_>, into: &mut Configuration) {
    for socket in [Socket::Tls, Socket::Plain] {
        let text = cluster.write(None, socket, Auth::OFF);
        take(cluster, &text, into);
    }
    let place = controller.at().place();
    for hop in &mut into.hops {
        hop.route.label = "any Ingress of the controller".to_owned();
        hop.upstream.label = "any service behind it".to_owned();
        hop.upstream.names = vec![format!("any service behind {place:?}")];
        // Ingresses that are not here may ask.
        hop.listener.auth = ClientAuth::Unknown;
    }
}

/// Takes what HAProxy makes of what was written.
fn take(cluster: &Cluster<'_, '_>, text: &Written, into: &mut Configuration) {
    let (mut hops, holes, complete) = haproxy::written(cluster.files, text);
    let prefix = cluster.prefix().to_ascii_lowercase();
    let names = PARTS.map(|part| format!("{prefix}-client-{}", part.to_ascii_lowercase()));
    for hop in &mut hops {
        ingress::names_beside_certificate(hop, &names);
    }
    into.hops.extend(hops);
    into.holes.extend(holes.into_iter().filter(|hole| !into.holes.contains(hole)).collect::<Vec<_>>());
    into.complete &= complete;
}

/// A service that is asked about requests.
fn asked(cluster: &Cluster<'_, '_>, ingress: &Ingress<'_>, hop: &mut Hop) {
    let Setting::Text(url, _) = cluster.key(ingress, "auth-url") else { return };
    hop.route.when.push("the authorization service agrees".to_owned());
    if let Setting::Text(names, at) = cluster.key(ingress, "auth-headers-request")
        && names != "*"
    {
        let listed = |name: &str| names.split(',').any(|one| one.trim().eq_ignore_ascii_case(name));
        hop.consulted.push(Consulted {
            label: url.to_owned(),
            authorization: listed("authorization"),
            dpop: listed("dpop"),
            place: at.place(),
        });
    }
}
