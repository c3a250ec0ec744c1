//! Tyk: API definitions, classic and as an extension of OpenAPI (`x-tyk-api-gateway`), by themselves, in lists, in exports
//! of the dashboard and in objects of its operator; and of `tyk.conf` what is recorded of all requests.
//!
//! What decides: `use_mutual_tls_auth` demands a certificate from a list, and nothing hands it on; global headers are
//! removed, then set, then those of a path; unless `preserve_host_header` is on, the upstream sees its own host and nobody
//! tells it the other. See `gateway/cert.go`, `gateway/mw_modify_headers.go`, `gateway/mw_strip_auth.go` and
//! `gateway/reverse_proxy.go` of TykTechnologies/tyk.

use super::document::Source;
use super::files::Files;
use super::hop::{
    Arrival, Cause, Client, ClientAuth, Cors, Credential, Hop, Listener, Logged, Part, PathMatch, Place, Protocol,
    Rewrite, Route, Upstream, Value,
};
use super::run::{Handshake, Run, dial};
use super::tree::{At, Switch};
use super::trusted::trusted;
use super::{Configuration, FrontEnd, Rule};

/// How deep definitions may lie in lists and exports.
const DEEP: usize = 5;
/// More ways are not looked at.
const MOST: usize = 4096;
/// The key of Tyk's part of an OpenAPI document.
const EXTENSION: &str = "x-tyk-api-gateway";

/// Tyk.
#[derive(Debug)]
pub struct Tyk;

impl FrontEnd for Tyk {
    fn product(&self) -> &'static str {
        "tyk"
    }

    fn recognises(&self, _: &str, text: &str) -> bool {
        let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
        let node = || has("enable_analytics") && has("analytics_config") && has("listen_port");
        has(EXTENSION) && has("upstream") || has("listen_path") && has("target_url") || node()
    }

    fn lower(&self, files: &Files, own: &[u32]) -> Vec<Configuration> {
        own.iter()
            .filter_map(|number| {
                let source = Source::read(files, *number);
                let mut apis = Vec::new();
                source.roots().for_each(|root| collect(root, DEEP, &mut apis));
                if apis.is_empty() {
                    return source.roots().find_map(of_settings);
                }
                let mut into = Configuration { files: vec![*number], ..Configuration::default() };
                for api in apis {
                    api.lower(&mut into);
                }
                into.holes = source.holes.clone();
                into.complete = into.holes.is_empty();
                into.trusted = trusted(&into.hops);
                Some(into)
            })
            .collect()
    }

    fn reason(&self, rule: Rule, cause: Cause) -> &'static str {
        match (rule, cause) {
            (Rule::Stripped, _) => "tyk-client-cert-not-forwarded",
            (Rule::Spoofable, _) => "tyk-cert-header-copied",
            (Rule::NotRequested | Rule::Malformed | Rule::Weak | Rule::Unverified, _) => "tyk-client-cert",
            (Rule::DpopBroken, Cause::Consumed) => "tyk-strip-auth-data",
            (Rule::DpopBroken, Cause::NotListed) => "tyk-cors-missing-dpop",
            (Rule::DpopBroken, Cause::Rewritten) => "tyk-rewrite-htu",
            (Rule::DpopBroken, _) => "tyk-headers-break-dpop",
            (Rule::Logged, _) => "tyk-detailed-recording",
        }
    }

    fn fix(&self, rule: Rule, cause: Cause, header: Option<&str>) -> String {
        let header = header.unwrap_or("DPoP");
        let text = match (rule, cause) {
            (Rule::Stripped, _) => {
                "Tyk hands no certificate on: set a header from it in a plugin of your own, or end TLS in a gateway before Tyk that does."
            }
            (Rule::Spoofable, _) => {
                return format!("Remove {header} in `global_headers_remove`: it holds what clients send.");
            }
            (Rule::DpopBroken, Cause::Consumed) => {
                "Write `\"strip_auth_data\": false` (`stripAuthorizationData` in an OAS definition)."
            }
            (Rule::DpopBroken, Cause::NotListed) => {
                "List DPoP in the allowed headers, and DPoP-Nonce and WWW-Authenticate in the exposed ones."
            }
            (Rule::DpopBroken, Cause::Rewritten) => {
                "Write `\"preserve_host_header\": true` and `\"strip_listen_path\": false`, or set X-Forwarded-Host and X-Forwarded-Prefix."
            }
            (Rule::DpopBroken, _) => return format!("Take {header} out of the header transformation."),
            (Rule::Logged, _) => {
                "Write `\"enable_detailed_recording\": false`: the recorded request holds all headers."
            }
            _ => "Leave certificates to the gateway before Tyk.",
        };
        text.to_owned()
    }
}

/// The settings of a node (`tyk.conf`): what is recorded of requests for all APIs, unless each organisation decides that.
fn of_settings(at: At<'_>) -> Option<Configuration> {
    let analytics = at.get("analytics_config")?;
    let on = |at: At<'_>, key: &str| at.switch(key, false) == Switch::On;
    let recorded = on(at, "enable_analytics") && on(analytics, "enable_detailed_recording");
    if !recorded || at.switch("enforce_org_data_detail_logging", false) != Switch::Off {
        return None;
    }
    let place = analytics.get("enable_detailed_recording")?.place();
    let active = at.get("enable_analytics").map(At::place);
    let port: Option<u16> = at.word("listen_port").and_then(|port| port.parse().ok());
    let label = port.map_or_else(|| "Tyk".to_owned(), |port| format!("Tyk :{port}"));
    let listener = Listener::elsewhere(label, port.into_iter().collect());
    let route = Route { label: "every API".to_owned(), path: PathMatch::Any, when: Vec::new() };
    let upstream = Upstream { label: "its upstreams".to_owned(), names: Vec::new(), protocol: Protocol::Http, place };
    let arrivals = [Arrival::Unknown, Arrival::Unknown, Arrival::Unknown];
    let logs = vec![Logged { what: Credential::AllHeaders, place, active }];
    let hop = Hop { logs, ..Hop::new(listener, route, upstream, arrivals) };
    Some(Configuration { files: vec![at.file], hops: vec![hop], ..Configuration::default() })
}

/// Finds the definitions in a tree.
fn collect<'a>(at: At<'a>, deep: usize, into: &mut Vec<Api<'a>>) {
    if deep == 0 {
        return;
    }
    let exactly = |name: &str| at.entries().find(|(key, _)| *key == name).map(|(_, at)| at);
    if let Some(own) = exactly(EXTENSION) {
        into.push(Api { at: own, oas: true });
    } else if at.path(&["proxy", "listen_path"]).is_some() && at.path(&["proxy", "target_url"]).is_some() {
        into.push(Api { at, oas: false });
    } else if at.node.entries().is_empty() {
        if at.node.text().is_none() {
            at.items().for_each(|item| collect(item, deep - 1, into));
        }
    } else {
        let inner = ["api_definition", "apis", "spec", "api_model", "oas"].into_iter().filter_map(|key| at.get(key));
        inner.for_each(|at| collect(at, deep - 1, into));
    }
}

/// A definition.
#[derive(Debug, Clone, Copy)]
struct Api<'a> {
    at: At<'a>,
    /// An extension of OpenAPI.
    oas: bool,
}

/// What is done to headers: removed first, then set.
#[derive(Debug, Default)]
struct Changes<'a> {
    remove: Vec<At<'a>>,
    set: Vec<(&'a str, At<'a>)>,
}

impl Changes<'_> {
    fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty()
    }

    fn apply(&self, run: &mut Run) {
        for name in &self.remove {
            if let Some(text) = name.text() {
                run.remove(text, name.place(), Cause::Removed);
            }
        }
        for (name, at) in &self.set {
            run.set(&name.to_ascii_lowercase(), vec![value(at.text())], at.place(), Cause::Set);
        }
    }
}

/// What a value holds; `$tyk_context.headers_X_Y` is what the client sent as `X-Y`.
fn value(text: Option<&str>) -> Value {
    match text {
        None => Value::Unknown,
        Some("") => Value::Empty,
        Some(text) => match text.strip_prefix("$tyk_context.headers_") {
            Some(name) if !name.contains(['$', ' ']) => {
                Value::ClientHeader(name.replace('_', "-").to_ascii_lowercase())
            }
            // What belongs to the key, and what the gateway keeps.
            _ if text.contains('$')
                && text.split('$').skip(1).all(|name| name.starts_with("tyk_meta.") || name.starts_with("secret_")) =>
            {
                Value::of_settings(text)
            }
            _ if text.contains('$') => Value::Unknown,
            _ => Value::Constant(text.to_owned()),
        },
    }
}

impl<'a> Api<'a> {
    fn get(self, classic: &[&str], oas: &[&str]) -> Option<At<'a>> {
        self.at.path(if self.oas { oas } else { classic })
    }

    /// A switch that is on; in OpenAPI's form some are objects with `enabled`.
    fn on(self, classic: &[&str], oas: &[&str]) -> Option<At<'a>> {
        let at = self.get(classic, oas)?;
        let on = at.text() == Some("true") || at.switch("enabled", false) == Switch::On;
        on.then(|| at.get("enabled").unwrap_or(at))
    }

    /// The versions, each with its settings; in OpenAPI's form a definition is one.
    fn versions(self) -> Vec<(Option<&'a str>, At<'a>)> {
        if self.oas {
            return vec![(None, self.at)];
        }
        let versions = self.at.path(&["version_data", "versions"]).into_iter().flat_map(At::entries);
        let named: Vec<_> = versions.map(|(name, at)| (Some(name), at)).collect();
        // A single version needs no name.
        match named.as_slice() {
            [] => vec![(None, self.at)],
            [(_, only)] => vec![(None, *only)],
            _ => named,
        }
    }

    /// What is done to the headers of all requests.
    fn global(self, version: At<'a>) -> Changes<'a> {
        if self.oas {
            return self
                .at
                .path(&["middleware", "global", "transformRequestHeaders"])
                .map_or_else(Changes::default, of_oas);
        }
        if version.switch("global_headers_disabled", false) == Switch::On {
            return Changes::default();
        }
        Changes {
            remove: version.list("global_headers_remove").collect(),
            set: version.get("global_headers").into_iter().flat_map(At::entries).collect(),
        }
    }

    /// What is done to the headers of requests for one path, with the path.
    fn of_paths(self, version: At<'a>) -> Vec<(String, Changes<'a>)> {
        if self.oas {
            let operations = self.at.path(&["middleware", "operations"]).into_iter().flat_map(At::entries);
            let named =
                operations.filter_map(|(name, at)| Some((name.to_owned(), of_oas(at.get("transformRequestHeaders")?))));
            return named.filter(|(_, changes)| !changes.is_empty()).collect();
        }
        let changes = |at: At<'a>| Changes {
            remove: at.list("delete_headers").collect(),
            set: at.get("add_headers").into_iter().flat_map(At::entries).collect(),
        };
        let list = version.path(&["extended_paths", "transform_headers"]).into_iter().flat_map(At::items);
        let enabled = list.filter(|at| at.switch("disabled", false) != Switch::On);
        let named = enabled.map(|at| (at.word("path").unwrap_or_default().to_owned(), changes(at)));
        named.filter(|(_, changes)| !changes.is_empty()).collect()
    }

    /// Code of one's own runs on the way.
    fn has_plugins(self) -> bool {
        let filled = |at: At<'a>| !at.is_empty() && at.text() != Some("false");
        if self.oas {
            let global = self.at.path(&["middleware", "global"]);
            let keys = [
                "prePlugin",
                "prePlugins",
                "postAuthenticationPlugin",
                "postAuthenticationPlugins",
                "postPlugin",
                "postPlugins",
                "pluginConfig",
            ];
            let operations = self.at.path(&["middleware", "operations"]).into_iter().flat_map(At::entries);
            return keys.iter().filter_map(|key| global?.get(key)).any(filled)
                || operations.into_iter().any(|(_, at)| at.get("postPlugins").is_some_and(filled));
        }
        let own = self.at.get("custom_middleware").into_iter().flat_map(At::entries);
        self.at.get("custom_middleware_bundle").is_some_and(filled)
            || own.into_iter().any(|(key, at)| {
                matches!(key, "pre" | "post" | "post_key_auth" | "auth_check")
                    && (at.items().any(|hook| hook.word("name").is_some_and(|name| !name.is_empty())))
            })
            || self.at.path(&["version_data", "versions"]).into_iter().flat_map(At::entries).any(|(_, at)| {
                at.path(&["extended_paths", "virtual"]).is_some_and(filled)
                    || at.path(&["extended_paths", "go_plugin"]).is_some_and(filled)
            })
    }

    fn handshake(self) -> (Handshake, Option<Place>) {
        if let Some(at) = self.on(&["use_mutual_tls_auth"], &["server", "clientCertificates"]) {
            return (Handshake { auth: ClientAuth::Required, required: true }, Some(at.place()));
        }
        let by_certificate = self
            .on(&["auth", "use_certificate"], &["server", "authentication", "certificateAuth"])
            .or_else(|| self.on(&["auth_configs", "authToken", "use_certificate"], &["-"]));
        match by_certificate {
            Some(at) => (Handshake { auth: ClientAuth::Optional, required: false }, Some(at.place())),
            None => (Handshake::OFF, None),
        }
    }

    /// The header that credentials are taken out of, and where that is said.
    fn strips(self) -> Option<(String, Place)> {
        let at = self.on(&["strip_auth_data"], &["server", "authentication", "stripAuthorizationData"])?;
        let configured = self.at.get("auth_configs").into_iter().flat_map(At::entries);
        let name = configured
            .filter_map(|(_, at)| at.word("auth_header_name"))
            .chain(self.at.path(&["auth", "auth_header_name"]).and_then(At::text))
            .find(|name| !name.is_empty());
        Some((name.unwrap_or("Authorization").to_ascii_lowercase(), at.place()))
    }

    /// Tyk takes keys and passwords of its own from `Authorization`, not tokens of an issuer.
    fn consumes(self) -> bool {
        if self.oas {
            let schemes = self.at.path(&["server", "authentication", "securitySchemes"]);
            let has = |key: &str| schemes.into_iter().flat_map(At::entries).any(|(_, at)| at.get(key).is_some());
            let kinds = schemes.into_iter().flat_map(At::entries);
            let tokens = kinds.into_iter().any(|(name, at)| {
                let name = name.to_ascii_lowercase();
                name.contains("jwt")
                    || name.contains("oauth")
                    || at.get("jwksURIs").is_some()
                    || at.get("signingMethod").is_some()
            });
            return schemes.is_some() && !tokens && !has("source");
        }
        let on = |key: &str| self.at.switch(key, false) == Switch::On;
        let tokens = ["enable_jwt", "use_openid", "use_oauth2"].into_iter().any(on);
        !tokens && (on("use_standard_auth") || on("use_basic_auth") || on("enable_signature_checking"))
            || !tokens && !on("use_keyless") && !on("use_mutual_tls_auth") && self.at.get("auth").is_some()
    }

    fn lower(self, into: &mut Configuration) {
        let Some(target) = self.get(&["proxy", "target_url"], &["upstream", "url"]) else { return };
        let Some(url) = target.node.text() else { return };
        let inactive = self.get(&["active"], &["info", "state", "active"]).is_some_and(|at| at.text() == Some("false"));
        if inactive || url.is_empty() || url.starts_with("tyk://") {
            return;
        }
        for (name, version) in self.versions() {
            let global = self.global(version);
            let mut ways: Vec<(Option<String>, Changes<'a>)> = vec![(None, Changes::default())];
            ways.extend(self.of_paths(version).into_iter().map(|(path, changes)| (Some(path), changes)));
            for (path, changes) in ways {
                if into.hops.len() < MOST {
                    into.hops.extend(self.hop(target, url, name, path.as_deref(), [&global, &changes]));
                }
            }
        }
    }

    fn hop(
        self,
        target: At<'a>,
        url: &str,
        version: Option<&str>,
        inner: Option<&str>,
        changes: [&Changes<'a>; 2],
    ) -> Option<Hop> {
        let (handshake, asks_at) = self.handshake();
        let listen =
            self.get(&["proxy", "listen_path"], &["server", "listenPath", "value"]).and_then(At::text).unwrap_or("/");
        let own = self.has_plugins();
        let mut lost = None;
        let arrivals = Client::ALL.map(|client| {
            handshake.arrival(client, |presented| {
                let mut run = Run::new(presented);
                if let Some((header, place)) = self.strips() {
                    run.remove(&header, place, Cause::Consumed);
                }
                changes.iter().for_each(|changes| changes.apply(&mut run));
                if own {
                    run.anything();
                }
                lost = run.lost.clone().or(lost.take());
                Some(run.request)
            })
        });
        if arrivals.iter().all(|arrival| *arrival == Arrival::Refused) {
            return None;
        }
        let domain = self
            .get(&["domain"], &["server", "customDomain", "name"])
            .and_then(At::text)
            .filter(|name| !name.is_empty());
        let hosts: Vec<String> = domain.map(str::to_ascii_lowercase).into_iter().collect();
        let listener = Listener {
            label: hosts.first().map_or_else(|| "Tyk".to_owned(), |host| format!("Tyk {host}")),
            ports: self.at.word("listen_port").and_then(|port| port.parse().ok()).into_iter().collect(),
            sockets: Vec::new(),
            hosts,
            tls: true,
            auth: handshake.auth,
            asks_at,
            in_vain: None,
            inner: false,
        };
        let label = match (version, inner) {
            (_, Some(inner)) => format!("{listen} {inner}"),
            (Some(version), None) => format!("{listen} version {version}"),
            (None, None) => listen.to_owned(),
        };
        let path = match inner {
            Some(_) => PathMatch::Other,
            None if listen == "/" => PathMatch::Any,
            None => PathMatch::Prefix(listen.to_owned()),
        };
        let sets = |name: &str| {
            changes.iter().any(|changes| changes.set.iter().any(|(key, _)| key.eq_ignore_ascii_case(name)))
        };
        let upstream = Upstream {
            label: url.to_owned(),
            names: vec![dial(url)],
            protocol: match url.split("://").next() {
                Some("tcp" | "tls") => Protocol::Stream,
                Some("h2c") => Protocol::Grpc,
                _ => Protocol::Http,
            },
            place: target.place(),
        };
        Some(Hop {
            lost,
            rewrites: self.rewrites(target, url, listen, sets("x-forwarded-host"), sets("x-forwarded-prefix")),
            logs: self.logs().into_iter().collect(),
            cors: self.cors().into_iter().collect(),
            consumes_authorization: self.consumes(),
            ..Hop::new(
                listener,
                Route { label: format!("listen path {label}"), path, when: Vec::new() },
                upstream,
                arrivals,
            )
        })
    }

    /// What is changed of the target.
    fn rewrites(self, target: At<'a>, url: &str, listen: &str, host_told: bool, path_told: bool) -> Vec<Rewrite> {
        let mut rewrites = Vec::new();
        if self.on(&["proxy", "preserve_host_header"], &["upstream", "preserveHostHeader"]).is_none() {
            let written = self.get(&["proxy", "preserve_host_header"], &["upstream", "preserveHostHeader"]);
            // Where nobody has said anything, whoever checks proofs knows his own name; another path is said anyway.
            let told = host_told || written.is_none();
            rewrites.push(Rewrite { part: Part::Host, place: written.unwrap_or(target).place(), told });
        }
        let rest = url.split("://").last().unwrap_or(url);
        let base = rest.split_once('/').map_or("", |(_, path)| path).trim_matches('/');
        let outer = listen.trim_matches('/');
        let strip = self.on(&["proxy", "strip_listen_path"], &["server", "listenPath", "strip"]);
        let changed = match strip {
            Some(_) => outer != base,
            None => !base.is_empty(),
        };
        if changed {
            rewrites.push(Rewrite { part: Part::Path, place: strip.unwrap_or(target).place(), told: path_told });
        }
        rewrites
    }

    /// What is recorded of each request: with details, all of it.
    fn logs(self) -> Option<Logged> {
        let at = self.on(&["enable_detailed_recording"], &["server", "detailedActivityLogs"])?;
        Some(Logged { what: Credential::AllHeaders, place: at.place(), active: None })
    }

    fn cors(self) -> Option<Cors> {
        let at = self.get(&["CORS"], &["middleware", "global", "cors"])?;
        let on = ["enable", "enabled"].iter().any(|key| at.switch(key, false) == Switch::On);
        let list = |classic: &str, oas: &str| {
            let list = at.get(if self.oas { oas } else { classic }).filter(|list| !list.is_empty())?;
            Some((list.place(), list.items().filter_map(At::text).map(str::to_ascii_lowercase).collect::<Vec<_>>()))
        };
        let (allow, expose) = (list("allowed_headers", "allowedHeaders"), list("exposed_headers", "exposedHeaders"));
        let place = allow.as_ref().or(expose.as_ref()).filter(|_| on)?.0;
        Some(Cors { allow: allow.map(|(_, names)| names), expose: expose.map(|(_, names)| names), place })
    }
}

/// The changes of an OpenAPI definition: `add` takes the place of what is there.
fn of_oas(at: At<'_>) -> Changes<'_> {
    if at.switch("enabled", false) != Switch::On {
        return Changes::default();
    }
    let set = at.list("add").filter_map(|header| Some((header.word("name")?, header.get("value").unwrap_or(header))));
    Changes { remove: at.list("remove").collect(), set: set.collect() }
}
