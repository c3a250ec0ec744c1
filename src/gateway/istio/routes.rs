//! Virtual services: which requests they take, what they do to their headers, and where they send them.

use super::gates::Server;
use super::{NETWORKING, World};
use crate::config::graft::{Graft, Piece};
use crate::config::kubernetes::Object;
use crate::gateway::envoy::made::{self, Action, Edge, Entries, Headers};
use crate::gateway::matched::overlap;
use crate::gateway::tree::{At, Switch};

/// The virtual hosts that a server has of its routes.
pub(super) fn hosts<'a>(world: &World<'a>, server: &Server<'a>, bound: &[Object<'a>]) -> Vec<Piece> {
    let mut hosts = Vec::new();
    for route in bound {
        let Some(spec) = route.spec() else { continue };
        let domains: Vec<Piece> = spec
            .list("hosts")
            .filter(|at| at.text().is_none_or(|host| server.hosts().any(|name| overlap(name, host))))
            .map(|at| world.graft.text(at, at.text().unwrap_or("*")))
            .collect();
        if !domains.is_empty() {
            hosts.extend(host(world, route, Some(server), domains));
        }
    }
    hosts
}

/// A route that no known gateway serves.
pub(super) fn alone<'a>(world: &World<'a>, route: &Object<'a>) -> Option<Piece> {
    let graft = &world.graft;
    let domains = route.spec()?.list("hosts").map(|at| graft.text(at, at.text().unwrap_or("*"))).collect();
    let host = host(world, route, None, domains)?;
    let filters = vec![made::cors_filter(graft, route.at)];
    let manager = made::manager(graft, route.at, Vec::new(), filters, Vec::new(), vec![host]);
    Some(Edge::somewhere(route.at, "gateways or proxies of the mesh").listener(graft, vec![manager]))
}

fn host<'a>(world: &World<'a>, route: &Object<'a>, server: Option<&Server<'a>>, domains: Vec<Piece>) -> Option<Piece> {
    let graft = &world.graft;
    let mut routes = Vec::new();
    for rule in route.spec()?.list("http") {
        if let Some(delegate) = rule.get("delegate") {
            let namespace = delegate.word("namespace").or(route.namespace);
            let name = delegate.word("name").unwrap_or_default();
            let found = world.objects.find(route.at.file, NETWORKING, "VirtualService", namespace, name);
            let Some(inner) = found.one() else { continue };
            let rules = inner.spec().into_iter().flat_map(|spec| spec.list("http"));
            rules.for_each(|one| {
                routes.extend(Http { object: inner, rule: one, outer: Some(rule) }.routes(world, server))
            });
        } else {
            routes.extend(Http { object: *route, rule, outer: None }.routes(world, server));
        }
    }
    if routes.is_empty() {
        return None;
    }
    let name = graft.text(route.at, route.name.unwrap_or_default());
    let entries =
        vec![("name", name), ("domains", graft.list(route.at, domains)), ("routes", graft.list(route.at, routes))];
    Some(graft.mapping(route.at, entries))
}

/// A rule of `http`; of a delegate, with the rule that delegates to it.
struct Http<'a> {
    object: Object<'a>,
    rule: At<'a>,
    outer: Option<At<'a>>,
}

impl<'a> Http<'a> {
    /// A setting of the rule, or of the one around it.
    fn get(&self, key: &str) -> Option<At<'a>> {
        self.rule.get(key).or_else(|| self.outer?.get(key))
    }

    fn routes(&self, world: &World<'a>, server: Option<&Server<'a>>) -> Vec<Piece> {
        if self.rule.get("redirect").is_some() || self.rule.get("directResponse").is_some() {
            return Vec::new();
        }
        let matches: Vec<At<'a>> = match self.rule.get("match").or_else(|| self.outer?.get("match")) {
            Some(list) => list.items().collect(),
            None => Vec::new(),
        };
        if matches.is_empty() {
            return self.route(world, None).into_iter().collect();
        }
        let fits = |matched: &At<'a>| server.is_none_or(|server| self.fits(*matched, server));
        matches.into_iter().filter(fits).filter_map(|matched| self.route(world, Some(matched))).collect()
    }

    /// Whether a condition is for that server.
    fn fits(&self, matched: At<'a>, server: &Server<'a>) -> bool {
        let port = matched.word("port").is_none_or(|port| server.port().is_none_or(|own| own == port));
        let mut names = matched.list("gateways").peekable();
        let named = names.peek().is_none()
            || names.any(|at| {
                at.text().is_none_or(|text| {
                    let name = text.rsplit_once('/').map_or(text, |(_, name)| name);
                    server.gate.name.is_none_or(|own| own == name)
                })
            });
        port && named
    }

    fn route(&self, world: &World<'a>, matched: Option<At<'a>>) -> Option<Piece> {
        let graft = &world.graft;
        let destinations: Vec<At<'a>> = self.get("route").into_iter().flat_map(At::items).collect();
        let mut headers = Headers::default();
        let mut authority = operations(graft, self.get("headers"), &mut headers);
        let mut action: Entries = Vec::new();
        match destinations.as_slice() {
            [] => return None,
            [one] => {
                let at = one.get("destination")?;
                action.push(("cluster", graft.text(at.get("host")?, world.service(&self.object, at)?)));
                authority =
                    operations(graft, one.get("headers"), &mut headers).filter(|_| authority.is_none()).or(authority);
            }
            many => {
                let weighted = many.iter().filter(|one| one.word("weight") != Some("0")).filter_map(|one| {
                    let at = one.get("destination")?;
                    let mut own = Headers::default();
                    operations(graft, one.get("headers"), &mut own);
                    let mut entries = own.entries(graft, *one);
                    entries.push(("name", graft.text(at.get("host")?, world.service(&self.object, at)?)));
                    Some(graft.mapping(*one, entries))
                });
                let weighted = weighted.collect();
                let weighted = graft.mapping(self.rule, vec![("clusters", graft.list(self.rule, weighted))]);
                action.push(("weighted_clusters", weighted));
            }
        }
        if let Some(rewrite) = self.get("rewrite") {
            if let Some(uri) = rewrite.get("uri") {
                action.push(("prefix_rewrite", graft.copy(uri)));
            }
            if let Some(regex) = rewrite.get("uriRegexRewrite") {
                action.push(("regex_rewrite", graft.copy(regex)));
            }
            authority = rewrite.get("authority").or(authority);
            let told = world.meshes_for(self.object.at.file).iter().any(|mesh| mesh.tells_host());
            action.push(("append_x_forwarded_host", graft.text(rewrite, if told { "true" } else { "false" })));
        }
        action.extend(authority.map(|at| ("host_rewrite_literal", graft.copy(at))));
        let mut route = headers.entries(graft, self.rule);
        route.push(("match", condition(graft, self.rule, matched)));
        route.push(("route", graft.mapping(self.rule, action)));
        route.extend(self.get("corsPolicy").map(|policy| ("typed_per_filter_config", made::cors(graft, policy))));
        Some(graft.mapping(self.rule, route))
    }
}

/// What is done to the headers of requests; the name of the host, if that is set among them.
fn operations<'a>(graft: &Graft, headers: Option<At<'a>>, into: &mut Headers) -> Option<At<'a>> {
    let request = headers?.get("request")?;
    request.list("remove").for_each(|name| into.remove(graft, name));
    let mut authority = None;
    for (key, action) in [("set", Action::Overwrite), ("add", Action::Append)] {
        for (name, at) in request.get(key).into_iter().flat_map(At::entries) {
            if name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case(":authority") {
                authority = authority.or(Some(at));
            }
            into.write(graft, at, name, at.text(), action, false);
        }
    }
    authority
}

fn condition(graft: &Graft, rule: At<'_>, matched: Option<At<'_>>) -> Piece {
    let everything = |at| vec![("prefix", graft.text(at, "/"))];
    let Some(at) = matched else { return graft.mapping(rule, everything(rule)) };
    let mut entries: Entries = match at.get("uri") {
        None => everything(at),
        Some(uri) => match (uri.get("prefix"), uri.get("exact"), uri.get("regex")) {
            (Some(prefix), ..) => vec![("prefix", graft.copy(prefix))],
            (_, Some(exact), _) => vec![("path", graft.copy(exact))],
            (_, _, Some(regex)) => vec![("safe_regex", graft.mapping(regex, vec![("regex", graft.copy(regex))]))],
            _ => vec![("safe_regex", graft.unknown(uri))],
        },
    };
    if at.switch("ignoreUriCase", false) != Switch::Off {
        entries.push(("case_sensitive", graft.text(at, "false")));
    }
    let named = |at: At<'_>, name: &str| graft.mapping(at, vec![("name", graft.text(at, name))]);
    let mut headers = Vec::new();
    for key in ["headers", "withoutHeaders"] {
        headers.extend(at.get(key).into_iter().flat_map(At::entries).map(|(name, value)| named(value, name)));
    }
    for key in ["method", "authority", "scheme", "sourceLabels", "sourceNamespace"] {
        headers.extend(at.get(key).map(|value| named(value, key)));
    }
    if !headers.is_empty() {
        entries.push(("headers", graft.list(at, headers)));
    }
    let parameters: Vec<Piece> =
        at.get("queryParams").into_iter().flat_map(At::entries).map(|(name, value)| named(value, name)).collect();
    if !parameters.is_empty() {
        entries.push(("query_parameters", graft.list(at, parameters)));
    }
    graft.mapping(at, entries)
}

/// Where the bytes of a server's connections go: by the names in the handshake where TLS is passed on, else by its port.
pub(super) fn bytes<'a>(world: &World<'a>, server: &Server<'a>, bound: &[Object<'a>], passed: bool) -> Vec<Piece> {
    let mut clusters = Vec::new();
    for route in bound {
        let Some(spec) = route.spec() else { continue };
        let served = |at: At<'a>| at.text().is_none_or(|host| server.hosts().any(|name| overlap(name, host)));
        if !spec.list("hosts").any(served) {
            continue;
        }
        let rules = if passed { spec.list("tls").collect::<Vec<_>>() } else { spec.list("tcp").collect() };
        for rule in rules {
            let port =
                |matched: At<'a>| matched.word("port").is_none_or(|port| server.port().is_none_or(|own| own == port));
            let mut matches = rule.list("match").peekable();
            if matches.peek().is_some() && !matches.any(port) {
                continue;
            }
            clusters.extend(rule.list("route").filter_map(|one| {
                let at = one.get("destination")?;
                Some(world.graft.text(at.get("host")?, world.service(route, at)?))
            }));
        }
    }
    clusters
}
