//! Routes of the Gateway API: which requests they take, what their filters do, and where they send them.

use super::{Api, ENVOY_GATEWAY, Manner, TRAEFIK};
use crate::config::graft::Piece;
use crate::config::kubernetes::Object;
use crate::gateway::envoy::made::{self, Action, Entries, Headers};
use crate::gateway::tree::At;

/// The kinds of routes whose requests are read.
pub(super) const HTTP: [&str; 2] = ["HTTPRoute", "GRPCRoute"];
/// The kinds of routes that pass bytes on.
pub(super) const BYTES: [&str; 2] = ["TLSRoute", "TCPRoute"];

/// The virtual host of a route for these names.
pub(super) fn host<'a>(api: &Api<'a>, route: &Object<'a>, manner: &mut Manner<'a>, names: &[String]) -> Option<Piece> {
    let graft = &api.graft;
    let mut routes: Vec<(Order, Piece)> = Vec::new();
    for rule in route.spec()?.list("rules") {
        let rule = Rule { api, route: *route, at: rule, literal: manner.literal };
        let matches: Vec<At<'a>> = rule.at.list("matches").collect();
        match matches.as_slice() {
            [] => routes.extend(rule.route(None).map(|made| (Order::default(), made))),
            all => routes.extend(all.iter().filter_map(|at| Some((Order::of(*at), rule.route(Some(*at))?)))),
        }
    }
    if routes.is_empty() {
        return None;
    }
    // The more specific one is asked first.
    routes.sort_by(|(a, _), (b, _)| b.cmp(a));
    let routes = routes.into_iter().map(|(_, made)| made).collect();
    let names: Vec<Piece> = names.iter().map(|name| graft.text(route.at, name)).collect();
    let mut entries: Entries = std::mem::take(&mut manner.host);
    entries.push(("name", graft.text(route.at, route.name.unwrap_or_default())));
    entries.push(("domains", graft.list(route.at, names)));
    entries.push(("routes", graft.list(route.at, routes)));
    Some(graft.mapping(route.at, entries))
}

/// Where a route sends bytes.
pub(super) fn bytes<'a>(api: &Api<'a>, route: &Object<'a>) -> Vec<Piece> {
    let rules = route.spec().into_iter().flat_map(|spec| spec.list("rules"));
    rules.flat_map(|rule| rule.list("backendRefs")).map(|at| backend(api, route, at)).collect()
}

/// How specific a condition is: exact paths, then longer ones, then more conditions of other kinds.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Order {
    exact: bool,
    length: usize,
    others: usize,
}

impl Order {
    fn of(matched: At<'_>) -> Self {
        let path = matched.get("path");
        let others = usize::from(matched.get("method").is_some())
            + matched.list("headers").count()
            + matched.list("queryParams").count();
        Self {
            exact: path.and_then(|at| at.word("type")) == Some("Exact"),
            length: path.and_then(|at| at.word("value")).map_or(0, str::len),
            others,
        }
    }
}

/// The service that a reference means.
fn backend<'a>(api: &Api<'a>, route: &Object<'a>, at: At<'a>) -> Piece {
    let name = at.word("name").unwrap_or("?");
    let namespace = at.word("namespace").or(route.namespace);
    let meant = match at.word("kind") {
        None | Some("Service") => made::service_of(api.objects, at.file, name, namespace, at.word("port")),
        Some("Backend") => endpoint(api, at.file, namespace, name).unwrap_or_else(|| format!("backend {name}")),
        Some(kind) => format!("{kind} {name}").to_lowercase(),
    };
    api.graft.text(at.get("name").unwrap_or(at), meant)
}

/// The host that a backend of Envoy Gateway stands for, if it is one alone.
fn endpoint(api: &Api<'_>, from: u32, namespace: Option<&str>, name: &str) -> Option<String> {
    let spec = api.objects.find(from, ENVOY_GATEWAY, "Backend", namespace, name).one()?.spec()?;
    let mut endpoints = spec.list("endpoints");
    let named = endpoints.next().filter(|_| endpoints.next().is_none())?.get("fqdn")?;
    Some(made::service(named.word("hostname")?, None, named.word("port")))
}

struct Rule<'a, 'w> {
    api: &'w Api<'a>,
    route: Object<'a>,
    at: At<'a>,
    /// What looks like a format is text.
    literal: bool,
}

/// What the filters of a rule amount to.
#[derive(Default)]
struct Filtered<'a> {
    headers: Headers,
    action: Entries,
    cors: Option<At<'a>>,
}

impl<'a> Rule<'a, '_> {
    fn route(&self, matched: Option<At<'a>>) -> Option<Piece> {
        let graft = &self.api.graft;
        let mut filtered = Filtered::default();
        for filter in self.at.list("filters") {
            if !self.filter(filter, matched, &mut filtered) {
                return None;
            }
        }
        let backends: Vec<At<'a>> = self.at.list("backendRefs").filter(|at| at.word("weight") != Some("0")).collect();
        if backends.is_empty() {
            return None;
        }
        let weighted = backends.iter().map(|at| {
            let mut own = Filtered::default();
            at.list("filters").for_each(|filter| _ = self.filter(filter, matched, &mut own));
            let mut entries = own.headers.entries(graft, *at);
            entries.push(("name", backend(self.api, &self.route, *at)));
            graft.mapping(*at, entries)
        });
        let clusters = graft.list(self.at, weighted.collect());
        let mut action = filtered.action;
        action.push(("weighted_clusters", graft.mapping(self.at, vec![("clusters", clusters)])));
        let mut route = filtered.headers.entries(graft, self.at);
        route.push(("match", self.condition(matched)));
        route.push(("route", graft.mapping(self.at, action)));
        route.extend(filtered.cors.map(|at| ("typed_per_filter_config", made::cors(graft, at))));
        Some(graft.mapping(self.at, route))
    }

    /// Adds what a filter does; `false` where requests end at it.
    fn filter(&self, filter: At<'a>, matched: Option<At<'a>>, into: &mut Filtered<'a>) -> bool {
        let graft = &self.api.graft;
        match filter.word("type") {
            Some("RequestHeaderModifier") => {
                if let Some(modifier) = filter.get("requestHeaderModifier") {
                    self.modify(modifier, into);
                }
            }
            Some("URLRewrite") => {
                if let Some(rewrite) = filter.get("urlRewrite") {
                    self.rewrite(rewrite, matched, &mut into.action);
                }
            }
            Some("CORS") => into.cors = filter.get("cors"),
            Some("RequestRedirect") => return false,
            Some("ExtensionRef") => {
                let reference = filter.get("extensionRef").unwrap_or(filter);
                let named = |key| reference.word(key).unwrap_or_default();
                if named("kind") == "Middleware" {
                    self.middleware(filter, named("name"), into);
                    return true;
                }
                let found = self.api.objects.find(
                    self.route.at.file,
                    &["gateway.envoyproxy.io"],
                    "HTTPRouteFilter",
                    self.route.namespace,
                    named("name"),
                );
                match found.one().and_then(|found| found.spec()).filter(|_| named("kind") == "HTTPRouteFilter") {
                    Some(spec) if spec.get("directResponse").is_some() => return false,
                    Some(spec) => {
                        if let Some(rewrite) = spec.get("urlRewrite") {
                            self.rewrite(rewrite, matched, &mut into.action);
                        }
                        if let Some(injected) = spec.get("credentialInjection") {
                            let name = injected.word("header").unwrap_or("authorization");
                            into.headers.write(graft, injected, name, None, Action::Overwrite, false);
                        }
                    }
                    None => into.headers.anything(graft, filter),
                }
            }
            Some("ResponseHeaderModifier" | "RequestMirror") => {}
            _ => into.headers.anything(graft, filter),
        }
        true
    }

    /// What a middleware of Traefik does to headers; other things that it may do are not known.
    fn middleware(&self, filter: At<'a>, name: &str, into: &mut Filtered<'a>) {
        let graft = &self.api.graft;
        let (from, namespace) = (self.route.at.file, self.route.namespace);
        let found = self.api.objects.find(from, TRAEFIK, "Middleware", namespace, name).one();
        let Some(spec) = found.and_then(|found| found.spec()) else { return into.headers.anything(graft, filter) };
        if spec
            .entries()
            .any(|(kind, _)| !matches!(kind, "headers" | "stripPrefix" | "rateLimit" | "compress" | "retry"))
        {
            return into.headers.anything(graft, filter);
        }
        let changed = spec.path(&["headers", "customRequestHeaders"]);
        for (name, value) in changed.into_iter().flat_map(At::entries) {
            match value.node.text() {
                Some("") => into.headers.remove_named(graft, value, name),
                _ => into.headers.write(graft, value, name, value.text(), Action::Overwrite, true),
            }
        }
    }

    fn modify(&self, modifier: At<'a>, into: &mut Filtered<'a>) {
        let graft = &self.api.graft;
        modifier.list("remove").for_each(|name| into.headers.remove(graft, name));
        for (key, action) in [("set", Action::Overwrite), ("add", Action::Append)] {
            for at in modifier.list(key) {
                let (Some(name), value) = (at.get("name"), at.word("value")) else { continue };
                let Some(text) = name.text() else {
                    into.headers.anything(graft, name);
                    continue;
                };
                let host = text.eq_ignore_ascii_case("host") && !self.literal;
                if let Some(value) = at.get("value").filter(|_| host) {
                    into.action.push(("host_rewrite_literal", graft.copy(value)));
                }
                let escaped = value.map(|value| if self.literal { value.replace('%', "%%") } else { value.to_owned() });
                let empty = escaped.as_deref() == Some("");
                into.headers.write(graft, name, text, escaped.as_deref(), action, empty);
            }
        }
    }

    fn rewrite(&self, rewrite: At<'a>, matched: Option<At<'a>>, action: &mut Entries) {
        let graft = &self.api.graft;
        // Who serves the route may tell upstreams what the host was; Kong tells what the path was, too.
        if let Some(host) = rewrite.get("hostname").filter(|at| !at.is_empty() && !self.literal) {
            action.push(("host_rewrite_literal", graft.text(host, host.text().unwrap_or("?"))));
            action.push((
                "append_x_forwarded_host",
                graft.text(host, if self.api.tells_host { "true" } else { "false" }),
            ));
        }
        let Some(path) = rewrite.get("path").filter(|_| !(self.literal && self.api.may_be_kong)) else { return };
        let prefix = matched.and_then(|at| at.path(&["path", "value"])).and_then(At::text).unwrap_or("/");
        let replaced = path.get("replacePrefixMatch").or_else(|| path.get("replaceFullPath")).unwrap_or(path);
        // What is replaced by itself stays.
        if replaced.text() != Some(prefix) || path.get("replaceFullPath").is_some() {
            action.push(("regex_rewrite", graft.mapping(replaced, Vec::new())));
        }
    }

    fn condition(&self, matched: Option<At<'a>>) -> Piece {
        let graft = &self.api.graft;
        let from = matched.unwrap_or(self.at);
        let path = matched.and_then(|at| at.get("path"));
        let value = path.and_then(|at| at.get("value"));
        let mut entries: Entries = match (path.and_then(|at| at.word("type")), value) {
            (_, None) => vec![("prefix", graft.text(from, "/"))],
            (None | Some("PathPrefix"), Some(value)) if value.text() == Some("/") => {
                vec![("prefix", graft.copy(value))]
            }
            (None | Some("PathPrefix"), Some(value)) => vec![("path_separated_prefix", graft.copy(value))],
            (Some("Exact"), Some(value)) => vec![("path", graft.copy(value))],
            (Some(_), Some(value)) => vec![("safe_regex", graft.mapping(value, vec![("regex", graft.copy(value))]))],
        };
        let named = |at: At<'a>, name: &str| graft.mapping(at, vec![("name", graft.text(at, name))]);
        let mut headers = Vec::new();
        let mut parameters = Vec::new();
        if let Some(at) = matched {
            headers.extend(at.list("headers").map(|at| named(at, at.word("name").unwrap_or("?"))));
            headers.extend(at.get("method").map(|at| named(at, "method")));
            parameters.extend(at.list("queryParams").map(|at| named(at, at.word("name").unwrap_or("?"))));
        }
        if !headers.is_empty() {
            entries.push(("headers", graft.list(from, headers)));
        }
        if !parameters.is_empty() {
            entries.push(("query_parameters", graft.list(from, parameters)));
        }
        graft.mapping(from, entries)
    }
}

/// Whether no parent of a route is a gateway that is here.
pub(super) fn is_loose<'a>(api: &Api<'a>, route: &Object<'a>) -> bool {
    let mut parents = route.spec().into_iter().flat_map(|spec| spec.list("parentRefs"));
    parents.all(|parent| api.parent(route, parent).is_none())
}
