//! A root proxy with those that it includes: its listeners, and their routes.

use std::collections::BTreeSet;

use super::settings::One;
use super::{GROUP, World};
use crate::config::graft::{Graft, Piece};
use crate::config::kubernetes::Object;
use crate::gateway::envoy::made::{self, Action, Edge, Entries, Headers, Transport};
use crate::gateway::tree::{At, Switch};

/// How deep proxies may include each other.
const DEEP: usize = 8;
/// More routes, and more proxies that include others, are not looked at.
const MOST: usize = 1024;

/// A root proxy.
pub(super) struct Root<'a, 'w> {
    world: &'w World<'a>,
    object: Object<'a>,
    around: Vec<One<'a>>,
    /// Where it stands.
    pub(super) files: BTreeSet<u32>,
    /// All that it includes is here.
    pub(super) whole: bool,
    /// How many proxies have been gone through.
    seen: usize,
}

/// A route, with the path at which it is included.
struct Included<'a> {
    object: Object<'a>,
    at: At<'a>,
    conditions: Vec<At<'a>>,
}

impl<'a, 'w> Root<'a, 'w> {
    pub(super) fn new(world: &'w World<'a>, object: Object<'a>, around: Vec<One<'a>>) -> Self {
        Self { world, object, around, files: BTreeSet::new(), whole: !object.template, seen: 0 }
    }

    /// What clients can connect to: with TLS, and without where routes permit it.
    pub(super) fn listeners(&mut self) -> Vec<Piece> {
        let graft = &self.world.graft;
        let Some(virtualhost) = self.object.spec().and_then(|spec| spec.get("virtualhost")) else { return Vec::new() };
        let tls = virtualhost.get("tls");
        let name = virtualhost.word("fqdn").map(str::to_ascii_lowercase);
        let edge = |port: &str, transport| Edge {
            from: virtualhost,
            name: "contour".to_owned(),
            port: Some(port.to_owned()),
            names: name.iter().cloned().collect(),
            transport,
        };
        if let Some(tcp) = self.object.spec().and_then(|spec| spec.get("tcpproxy")) {
            let clusters: Vec<Piece> = tcp.list("services").map(|at| service(self.world, &self.object, at)).collect();
            let transport = tls.map_or(Transport::None, transport);
            let proxy = made::tcp_proxy(graft, tcp, clusters);
            return vec![edge("443", transport).listener(graft, vec![proxy])];
        }
        let mut routes = Vec::new();
        self.collect(self.object, &[], DEEP, &mut routes);
        // The more specific one is asked first.
        routes.sort_by_key(|route| std::cmp::Reverse(route.path().len()));
        let plain: Vec<&Included<'a>> = routes
            .iter()
            .filter(|route| tls.is_none() || route.at.switch("permitInsecure", false) == Switch::On)
            .collect();
        let mut listeners = Vec::new();
        if let Some(tls) = tls {
            let all: Vec<&Included<'a>> = routes.iter().collect();
            let made = self.manager(virtualhost, tls.get("clientValidation"), &all);
            listeners.extend(made.map(|made| edge("443", transport(tls)).listener(graft, vec![made])));
        }
        let made = self.manager(virtualhost, None, &plain);
        listeners.extend(made.map(|made| edge("80", Transport::None).listener(graft, vec![made])));
        listeners
    }

    /// The routes of a proxy and of those that it includes.
    fn collect(&mut self, proxy: Object<'a>, outer: &[At<'a>], deep: usize, into: &mut Vec<Included<'a>>) {
        self.files.insert(proxy.at.file);
        self.seen += 1;
        let Some(spec) = proxy.spec() else { return };
        for at in spec.list("routes") {
            let conditions = outer.iter().copied().chain(at.list("conditions")).collect();
            if into.len() < MOST {
                into.push(Included { object: proxy, at, conditions });
            }
        }
        for include in spec.list("includes") {
            let name = include.word("name").unwrap_or_default();
            let namespace = include.word("namespace").or(proxy.namespace);
            match self.world.objects.find(proxy.at.file, GROUP, "HTTPProxy", namespace, name).one() {
                Some(found) if deep > 0 && self.seen < MOST => {
                    let conditions: Vec<At<'a>> = outer.iter().copied().chain(include.list("conditions")).collect();
                    self.collect(found, &conditions, deep - 1, into);
                }
                _ => self.whole = false,
            }
        }
    }

    fn manager(&self, virtualhost: At<'a>, validation: Option<At<'a>>, routes: &[&Included<'a>]) -> Option<Piece> {
        let graft = &self.world.graft;
        let providers: Vec<At<'a>> = virtualhost.list("jwtProviders").collect();
        let default =
            providers.iter().find(|at| at.switch("default", false) == Switch::On).and_then(|at| at.word("name"));
        let made: Vec<Piece> =
            routes.iter().filter_map(|route| self.route(route, default, !providers.is_empty())).collect();
        if made.is_empty() {
            return None;
        }
        let domain = virtualhost.get("fqdn").unwrap_or(virtualhost);
        let mut host: Entries = vec![
            ("name", graft.text(domain, domain.text().unwrap_or("*"))),
            ("domains", graft.list(domain, vec![graft.text(domain, domain.text().unwrap_or("*"))])),
            ("routes", graft.list(virtualhost, made)),
        ];
        host.extend(virtualhost.get("corsPolicy").map(|at| ("typed_per_filter_config", made::cors(graft, at))));
        let mut filters = vec![made::cors_filter(graft, virtualhost)];
        if let Some(first) = providers.first() {
            filters.push(made::jwt(graft, *first, providers.iter().map(|at| provider(graft, *at)).collect()));
        }
        filters.extend(virtualhost.get("authorization").map(|at| authorization(graft, at)));
        let mut settings = details(graft, validation);
        let logs = self.around.iter().flat_map(|one| one.logs(graft)).collect();
        settings.push(("access_log", graft.list(virtualhost, logs)));
        let host = graft.mapping(virtualhost, host);
        Some(made::manager(graft, virtualhost, settings, filters, Vec::new(), vec![host]))
    }

    fn route(&self, route: &Included<'a>, default: Option<&str>, tokens: bool) -> Option<Piece> {
        let graft = &self.world.graft;
        let at = route.at;
        if at.get("requestRedirectPolicy").is_some() || at.get("directResponsePolicy").is_some() {
            return None;
        }
        let mut headers = Headers::default();
        // A setting of the route goes before those that hold for all.
        let mut action: Entries = policy(graft, at.get("requestHeadersPolicy"), &mut headers).into_iter().collect();
        self.around.iter().for_each(|one| one.headers(graft, &mut headers));
        let weighted: Vec<Piece> = at
            .list("services")
            .filter(|one| one.switch("mirror", false) != Switch::On)
            .map(|one| {
                let mut own = Headers::default();
                policy(graft, one.get("requestHeadersPolicy"), &mut own);
                let mut entries = own.entries(graft, one);
                entries.push(("name", service(self.world, &route.object, one)));
                graft.mapping(one, entries)
            })
            .collect();
        if weighted.is_empty() {
            return None;
        }
        action.push(("weighted_clusters", graft.mapping(at, vec![("clusters", graft.list(at, weighted))])));
        let path = route.path();
        let replaced = at.path(&["pathRewritePolicy", "replacePrefix"]).into_iter().flat_map(At::items);
        let replaced = replaced
            .filter(|one| one.word("prefix").is_none_or(|prefix| path == prefix))
            .find_map(|one| one.get("replacement"));
        action.extend(replaced.map(|at| ("prefix_rewrite", graft.copy(at))));
        let mut made = headers.entries(graft, at);
        made.push(("match", route.condition(graft, &path)));
        made.push(("route", graft.mapping(at, action)));
        if tokens {
            let own = at.get("jwtVerificationPolicy");
            let off = own.is_some_and(|own| own.switch("disabled", false) == Switch::On);
            let name = own.and_then(|own| own.word("require")).or(default).filter(|_| !off);
            let from = own.unwrap_or(at);
            let setting = match name {
                Some(name) => ("requirement_name", graft.text(from, name)),
                None => ("disabled", graft.text(from, "true")),
            };
            let setting = graft.mapping(from, vec![setting]);
            made.push((
                "typed_per_filter_config",
                graft.mapping(from, vec![("envoy.filters.http.jwt_authn", setting)]),
            ));
        }
        Some(graft.mapping(at, made))
    }
}

impl Included<'_> {
    /// The path that all conditions together ask for.
    fn path(&self) -> String {
        let parts = self.conditions.iter().filter_map(|at| at.word("prefix").or_else(|| at.word("exact")));
        let joined: Vec<&str> = parts.map(|part| part.trim_matches('/')).filter(|part| !part.is_empty()).collect();
        let end = self
            .conditions
            .last()
            .and_then(|at| at.word("prefix"))
            .is_some_and(|last| last.len() > 1 && last.ends_with('/'));
        format!("/{}{}", joined.join("/"), if end && !joined.is_empty() { "/" } else { "" })
    }

    fn condition(&self, graft: &Graft, path: &str) -> Piece {
        let from = self.conditions.last().copied().unwrap_or(self.at);
        let exact = self.conditions.iter().any(|at| at.get("exact").is_some());
        let regex = self.conditions.iter().find_map(|at| at.get("regex"));
        let mut entries: Entries = match regex {
            Some(regex) => vec![("safe_regex", graft.mapping(regex, vec![("regex", graft.copy(regex))]))],
            None if exact => vec![("path", graft.text(from, path))],
            None => vec![("prefix", graft.text(from, path))],
        };
        for (key, name) in [("header", "headers"), ("queryParameter", "query_parameters")] {
            let named = self.conditions.iter().filter_map(|at| at.get(key));
            let named: Vec<Piece> = named
                .map(|at| graft.mapping(at, vec![("name", graft.text(at, at.word("name").unwrap_or("?")))]))
                .collect();
            if !named.is_empty() {
                entries.push((name, graft.list(from, named)));
            }
        }
        graft.mapping(from, entries)
    }
}

/// What a virtual host asks of clients.
fn transport(tls: At<'_>) -> Transport<'_> {
    if tls.switch("passthrough", false) == Switch::On {
        return Transport::None;
    }
    let Some(at) = tls.get("clientValidation") else { return Transport::Ends(tls) };
    let authority = at.get("caSecret").is_some_and(|at| !at.is_empty());
    let optional = at.switch("optionalClientCertificate", false);
    match (at.switch("skipClientCertValidation", false), optional) {
        (Switch::Unknown, _) | (_, Switch::Unknown) => Transport::Unknown(at),
        // Without an authority Envoy asks for a certificate and does not insist.
        (Switch::On, optional) => Transport::Asks {
            at: at.get("skipClientCertValidation").unwrap_or(at),
            required: authority && optional == Switch::Off,
            verified: false,
        },
        // Without an authority the proxy is refused.
        (Switch::Off, _) if !authority => Transport::Unknown(at),
        (Switch::Off, optional) => Transport::Asks { at, required: optional == Switch::Off, verified: true },
    }
}

/// How the header with the certificate is dealt with: it is taken away, unless it is to be filled.
fn details(graft: &Graft, validation: Option<At<'_>>) -> Entries {
    let Some(at) = validation else { return Vec::new() };
    let Some(forward) = at.get("forwardClientCertificate") else {
        return vec![("forward_client_cert_details", graft.text(at, "SANITIZE"))];
    };
    let parts = ["cert", "chain", "subject", "dns", "uri"];
    let details = parts.iter().filter_map(|key| Some((*key, graft.copy(forward.get(key)?)))).collect();
    vec![
        ("forward_client_cert_details", graft.text(forward, "SANITIZE_SET")),
        ("set_current_client_cert_details", graft.mapping(forward, details)),
    ]
}

/// What is done to headers; the host, if it is rewritten.
fn policy(graft: &Graft, policy: Option<At<'_>>, into: &mut Headers) -> Option<(&'static str, Piece)> {
    let policy = policy?;
    policy.list("remove").for_each(|name| into.remove(graft, name));
    let mut host = None;
    for at in policy.list("set") {
        let Some(name) = at.get("name") else { continue };
        match name.text() {
            None => into.anything(graft, name),
            Some(text) if text.eq_ignore_ascii_case("host") => {
                host = at.get("value").map(|value| ("host_rewrite_literal", graft.copy(value)));
            }
            Some(text) => into.write(graft, name, text, at.word("value"), Action::Overwrite, false),
        }
    }
    host
}

/// The service that a reference means.
fn service(world: &World<'_>, proxy: &Object<'_>, at: At<'_>) -> Piece {
    let name = at.word("name").unwrap_or("?");
    let meant = made::service_of(world.objects, at.file, name, proxy.namespace, at.word("port"));
    world.graft.text(at.get("name").unwrap_or(at), meant)
}

/// A provider of tokens.
fn provider<'a>(graft: &Graft, at: At<'a>) -> (At<'a>, String, Entries) {
    let forward = at.get("forwardJWT").map(|forward| ("forward", graft.copy(forward)));
    (at.get("name").unwrap_or(at), at.word("name").unwrap_or_default().to_owned(), forward.into_iter().collect())
}

/// The filter that asks the service of a virtual host.
fn authorization(graft: &Graft, at: At<'_>) -> Piece {
    let mut entries: Entries = Vec::new();
    if at.word("serviceType").is_some_and(|kind| kind.eq_ignore_ascii_case("http")) {
        let settings = at.get("httpSettings").unwrap_or(at);
        let cluster = graft.text(
            settings,
            at.path(&["extensionRef", "name"]).and_then(At::text).unwrap_or("the authorization service"),
        );
        let mut call: Entries = vec![("server_uri", graft.mapping(settings, vec![("cluster", cluster)]))];
        let patterns = |list: At<'_>| graft.mapping(list, vec![("patterns", graft.copy(list))]);
        if let Some(list) = settings.get("allowedUpstreamHeaders") {
            call.push((
                "authorization_response",
                graft.mapping(list, vec![("allowed_upstream_headers", patterns(list))]),
            ));
        }
        entries.push(("http_service", graft.mapping(settings, call)));
        if let Some(list) = settings.get("allowedAuthorizationHeaders") {
            entries.push(("allowed_headers", patterns(list)));
        }
    } else {
        entries.push(("grpc_service", graft.mapping(at, Vec::new())));
        entries.push(("include_peer_certificate", graft.text(at, "true")));
    }
    made::filter(graft, at, "ext_authz", "ExtAuthz", entries)
}
