//! From listeners to hops: filter chains, connection managers, virtual hosts, routes and clusters.

use super::headers::carriers;
use super::set::{Set, typed};
use super::tls::{Transport, transport};
use super::{filters, logs};
use crate::gateway::hop::{
    Arrival, Carrier, Cause, Client, Cors, Event, Form, Hop, Listener, Part, PathMatch, Protocol, Request, Rewrite,
    Route, Upstream, Value,
};
use crate::gateway::run::Run;
use crate::gateway::tree::{At, Switch};
use crate::gateway::{Configuration, Hole};

/// Envoy's header for the certificate.
pub(in crate::gateway) const XFCC: &str = "x-forwarded-client-cert";
/// More ways are not looked at.
const MOST: usize = 4096;

/// Lowers a listener.
pub(super) fn lower<'a>(listener: At<'a>, set: &Set<'a>, into: &mut Configuration) {
    let default = listener.get("default_filter_chain");
    for chain in listener.list("filter_chains").chain(default) {
        let transport = transport(chain, set);
        let edge = Edge { listener, chain, transport };
        for filter in chain.list("filters") {
            let Some(config) = typed(filter).config else { continue };
            let name = filter.word("name").unwrap_or_default();
            match typed(filter).kind(name) {
                "http_connection_manager" => Manager { edge, config, set }.lower(into),
                "tcp_proxy" => edge.tcp(config, set, into),
                _ => {}
            }
        }
    }
}

/// Where clients connect: a filter chain of a listener.
#[derive(Clone, Copy)]
struct Edge<'a> {
    listener: At<'a>,
    chain: At<'a>,
    transport: Transport,
}

impl<'a> Edge<'a> {
    fn ports(&self) -> Vec<u16> {
        let additional = self.listener.list("additional_addresses").filter_map(|at| at.get("address"));
        let matched = self.chain.path(&["filter_chain_match", "destination_port"]);
        if let Some(port) = matched.and_then(At::text).and_then(|text| text.parse().ok()) {
            return vec![port];
        }
        self.listener
            .get("address")
            .into_iter()
            .chain(additional)
            .filter_map(|at| at.get("socket_address")?.word("port_value")?.parse().ok())
            .collect()
    }

    /// Only this machine, or clients on a list, can connect.
    fn inner(&self) -> bool {
        if self.transport.listed {
            return true;
        }
        let Some(address) = self.listener.get("address") else {
            return self.listener.get("internal_listener").is_some();
        };
        if address.get("pipe").is_some() || address.get("envoy_internal_address").is_some() {
            return true;
        }
        let host = address.path(&["socket_address", "address"]).and_then(At::text).unwrap_or_default();
        host.starts_with("127.")
            || host == "::1"
            || host == "localhost"
            || self.chain.path(&["filter_chain_match", "source_prefix_ranges"]).is_some()
    }

    fn server_names(&self) -> Vec<String> {
        let names = self.chain.get("filter_chain_match").into_iter().flat_map(|at| at.list("server_names"));
        names.filter_map(|at| Some(at.text()?.to_ascii_lowercase())).collect()
    }

    fn listener(&self, hosts: Vec<String>) -> Listener {
        let ports = self.ports();
        let port = match ports.first() {
            Some(port) => format!(":{port}"),
            None => self.listener.word("name").unwrap_or("listener").to_owned(),
        };
        Listener {
            label: hosts.first().map_or_else(|| port.clone(), |host| format!("{port} {host}")),
            ports,
            sockets: Vec::new(),
            hosts,
            tls: self.transport.tls,
            auth: self.transport.handshake.auth,
            asks_at: self.transport.asks_at,
            in_vain: self.transport.in_vain,
            inner: self.inner(),
        }
    }

    fn tcp(&self, config: At<'a>, set: &Set<'a>, into: &mut Configuration) {
        let single = config.get("cluster");
        let weighted = config
            .get("weighted_clusters")
            .into_iter()
            .flat_map(|at| at.list("clusters"))
            .filter_map(|at| at.get("name"));
        for cluster in single.into_iter().chain(weighted) {
            let mut upstream = upstream(cluster, set);
            upstream.protocol = if self.transport.tls { Protocol::Stream } else { Protocol::Passthrough };
            let lost = Event::new(cluster.place(), Cause::WrongProtocol);
            let request = Request::untouched();
            let asks = self.transport.handshake.auth.asks();
            into.hops.push(Hop {
                listener: self.listener(self.server_names()),
                route: Route { label: "tcp_proxy".to_owned(), path: PathMatch::Any, when: Vec::new() },
                logs: logs::logged(config.list("access_log"), &request, asks, false)
                    .into_iter()
                    .filter(|log| log.what == crate::gateway::hop::Credential::Certificate)
                    .collect(),
                upstream,
                arrivals: Client::ALL.map(|client| self.transport.handshake.arrival(client, |_| Some(request.clone()))),
                carriers: Vec::new(),
                lost: Some(lost),
                bypass: None,
                alias: None,
                rewrites: Vec::new(),
                cors: Vec::new(),
                consulted: Vec::new(),
                checks_binding: false,
                consumes_authorization: false,
            });
        }
    }
}

/// An HTTP connection manager.
struct Manager<'a, 's> {
    edge: Edge<'a>,
    config: At<'a>,
    set: &'s Set<'a>,
}

impl<'a> Manager<'a, '_> {
    fn lower(&self, into: &mut Configuration) {
        let hole = |into: &mut Configuration, at: At<'a>, reason: &str| {
            into.holes.push(Hole { place: at.place(), reason: reason.to_owned() });
        };
        let table = match (self.config.get("route_config"), self.config.get("rds")) {
            (Some(inline), _) => inline,
            (None, Some(rds)) => match rds.word("route_config_name").and_then(|name| self.set.routes.get(name)) {
                Some(table) => *table,
                None => return hole(into, rds, "its routes stand in no file that is here"),
            },
            (None, None) => {
                if let Some(scoped) = self.config.get("scoped_routes") {
                    hole(into, scoped, "scoped routes are not read");
                }
                return;
            }
        };
        if matches!(
            self.mode().map(|at| at.text()),
            Some(Some("FORWARD_ONLY" | "APPEND_FORWARD" | "ALWAYS_FORWARD_ONLY" | "1" | "2" | "4"))
        ) && !into.trusted.iter().any(|name| name == XFCC)
        {
            into.trusted.push(XFCC.to_owned());
        }
        for host in table.list("virtual_hosts") {
            if let Some(matcher) = host.get("matcher") {
                hole(into, matcher, "routes that a matcher selects are not read");
            }
            let mut earlier: Vec<At<'a>> = Vec::new();
            for route in host.list("routes") {
                let Some(matched) = route.get("match") else { continue };
                if earlier.iter().any(|before| covers(*before, matched)) {
                    continue;
                }
                earlier.push(matched);
                let Some(action) = route.get("route") else { continue };
                let mut to = |cluster: At<'a>, levels: &[At<'a>]| {
                    if into.hops.len() < MOST {
                        into.hops.push(self.hop(Way { table, host, matched, action, cluster, levels }));
                    }
                };
                let levels = [route, host, table];
                if let Some(cluster) = action.get("cluster").or_else(|| action.get("cluster_header")) {
                    to(cluster, &levels);
                }
                for weighted in action.get("weighted_clusters").into_iter().flat_map(|at| at.list("clusters")) {
                    if let Some(cluster) = weighted.get("name").or_else(|| weighted.get("cluster_header")) {
                        to(cluster, &[weighted, route, host, table]);
                    }
                }
            }
        }
    }

    /// `forward_client_cert_details`.
    fn mode(&self) -> Option<At<'a>> {
        self.config.get("forward_client_cert_details")
    }

    fn details(&self) -> Option<At<'a>> {
        self.config.get("set_current_client_cert_details").filter(|at| !at.is_empty())
    }

    fn xfcc(&self, run: &mut Run) {
        let mode = self.mode();
        let place = mode.or_else(|| self.details()).map_or_else(|| self.config.place(), At::place);
        if self.config.get("forward_client_cert_matcher").is_some() {
            return run.set(XFCC, vec![Value::Unknown], place, Cause::Mode);
        }
        let word = mode.map_or(Some("SANITIZE"), At::text);
        let own = Value::Certificate(Form::Xfcc);
        match word {
            Some("ALWAYS_FORWARD_ONLY" | "4") => run.set(XFCC, vec![Value::Client], place, Cause::Mode),
            _ if !run.presented => run.set(XFCC, Vec::new(), place, Cause::Mode),
            Some("FORWARD_ONLY" | "1") => run.set(XFCC, vec![Value::Client], place, Cause::Mode),
            Some("APPEND_FORWARD" | "2") => run.set(XFCC, vec![Value::Client, own], place, Cause::TrustsAll),
            Some("SANITIZE_SET" | "3") => run.set(XFCC, vec![own], place, Cause::Set),
            Some(_) => run.set(XFCC, Vec::new(), place, Cause::Mode),
            None => run.set(XFCC, vec![Value::Unknown], place, Cause::Mode),
        }
    }

    fn hop(&self, way: Way<'a, '_>) -> Hop {
        let hosts = way.hosts(&self.edge.server_names());
        let chain = filters::active(self.config.list("http_filters"), way.levels);
        let cluster = way.cluster.text().and_then(|name| self.set.clusters.get(name).copied());
        let behind = self.behind(&chain, cluster);
        let mut when = way.conditions();
        let before = when.len();
        let mut lost = None;
        let plain = !self.edge.transport.tls;
        let arrivals = Client::ALL.map(|client| {
            let arrival = self.edge.transport.handshake.arrival(client, |presented| {
                if !way.takes(presented, client) {
                    return None;
                }
                let mut run = Run::new(presented);
                for extension in self.config.list("early_header_mutation_extensions") {
                    match typed(extension).config {
                        Some(config) if config.get("mutations").is_some() => run.mutations(config.list("mutations")),
                        _ => run.anything(),
                    }
                }
                self.xfcc(&mut run);
                for name in way.table.list("internal_only_headers").filter_map(At::text) {
                    run.set(name, vec![Value::Unknown], way.table.place(), Cause::Mode);
                }
                let mut more = Vec::new();
                let through = chain.iter().all(|filter| filter.run(&mut run, way.levels, &mut more));
                more.retain(|condition| !when.contains(condition));
                when.extend(more);
                if !through {
                    return None;
                }
                way.finalize(&mut run);
                behind.iter().for_each(|filter| {
                    filter.run(&mut run, &[], &mut Vec::new());
                });
                if client == Client::Verified {
                    lost = run.lost.take();
                }
                Some(run.request)
            });
            match way.host.word("require_tls") {
                Some("ALL" | "2") if plain => Arrival::Refused,
                Some("EXTERNAL_ONLY" | "1") if plain => Arrival::Unknown,
                _ => arrival,
            }
        });
        debug_assert!(when.len() >= before);
        let last = arrivals.iter().find_map(Arrival::request).cloned().unwrap_or_else(Request::untouched);
        let whole = self
            .details()
            .is_some_and(|at| at.switch("cert", false) != Switch::Off || at.switch("chain", false) != Switch::Off);
        let asks = self.edge.transport.handshake.auth.asks();
        let mut written = logs::logged(self.config.list("access_log"), &last, asks, whole);
        if let Some(router) = chain.iter().find(|filter| filter.kind() == "router") {
            let list = router.setting(&[]).into_iter().flat_map(|at| at.list("upstream_log"));
            written.extend(logs::logged(list, &last, asks, whole));
        }
        Hop {
            listener: self.edge.listener(hosts),
            route: Route { label: way.label(), path: way.path(), when },
            upstream: upstream(way.cluster, self.set),
            rewrites: way.rewrites(&last, cluster),
            arrivals,
            carriers: self.carriers(&chain, way.levels),
            lost: lost.or_else(|| self.sanitized()),
            bypass: None,
            alias: self.alias(),
            logs: written,
            cors: way.cors(&chain),
            consulted: chain.iter().filter_map(filters::Filter::consults).collect(),
            checks_binding: false,
            consumes_authorization: chain
                .iter()
                .any(|filter| matches!(filter.kind().as_str(), "oauth2" | "basic_auth" | "api_key_auth")),
        }
    }

    /// The filters between router and upstream.
    fn behind(&self, chain: &[filters::Filter<'a>], cluster: Option<At<'a>>) -> Vec<filters::Filter<'a>> {
        let options = cluster.and_then(|at| at.get("typed_extension_protocol_options"));
        let own = options.into_iter().flat_map(At::entries).flat_map(|(_, at)| at.list("http_filters"));
        let own = filters::active(own, &[]);
        if !own.is_empty() {
            return own;
        }
        let router = chain.iter().find(|filter| filter.kind() == "router").and_then(|filter| filter.setting(&[]));
        filters::active(router.into_iter().flat_map(|at| at.list("upstream_http_filters")), &[])
    }

    /// What sanitises the header, where it is said.
    fn sanitized(&self) -> Option<Event> {
        let at = self.mode().or_else(|| self.details())?;
        Some(Event::new(at.place(), Cause::Mode))
    }

    fn carriers(&self, chain: &[filters::Filter<'a>], levels: &[At<'a>]) -> Vec<Carrier> {
        let sets = matches!(self.mode().and_then(At::text), Some("SANITIZE_SET" | "APPEND_FORWARD" | "2" | "3"));
        let own = self.details().filter(|_| sets);
        let own = own.map(|at| Carrier { header: XFCC.to_owned(), form: Form::Xfcc, place: at.place() });
        own.into_iter()
            .chain(levels.iter().flat_map(|level| carriers(*level)))
            .chain(chain.iter().flat_map(|filter| filter.carriers(levels)))
            .collect()
    }

    fn alias(&self) -> Option<Event> {
        let action = self.config.path(&["common_http_protocol_options", "headers_with_underscores_action"])?;
        (action.text() == Some("ALLOW")).then(|| Event::new(action.place(), Cause::Alias))
    }
}

/// One way: a route to one of its clusters.
struct Way<'a, 'l> {
    table: At<'a>,
    host: At<'a>,
    matched: At<'a>,
    action: At<'a>,
    cluster: At<'a>,
    /// The levels at which headers are changed, most specific first.
    levels: &'l [At<'a>],
}

impl<'a> Way<'a, '_> {
    fn path(&self) -> PathMatch {
        let text = |key| self.matched.word(key).map(str::to_owned);
        match (text("prefix").or_else(|| text("path_separated_prefix")), text("path")) {
            (Some(prefix), _) if prefix == "/" || prefix.is_empty() => PathMatch::Any,
            (Some(prefix), _) => PathMatch::Prefix(prefix),
            (_, Some(path)) => PathMatch::Exact(path),
            _ => self.regex().map_or(PathMatch::Other, |regex| PathMatch::Pattern(format!("^(?:{regex})$"))),
        }
    }

    fn regex(&self) -> Option<&'a str> {
        self.matched.get("safe_regex").and_then(|at| at.word("regex")).or_else(|| self.matched.word("regex"))
    }

    fn label(&self) -> String {
        match self.path() {
            PathMatch::Any => "route /".to_owned(),
            PathMatch::Prefix(path) | PathMatch::Exact(path) => format!("route {path}"),
            PathMatch::Pattern(_) | PathMatch::Other => {
                self.regex().map_or_else(|| "route".to_owned(), |regex| format!("route ~ {regex}"))
            }
        }
    }

    /// What else must hold of a request.
    fn conditions(&self) -> Vec<String> {
        let named = |key: &str, what: &str| -> Vec<String> {
            self.matched.list(key).map(|at| format!("{what} {} matches", at.word("name").unwrap_or("?"))).collect()
        };
        let mut when = named("headers", "header");
        when.extend(named("query_parameters", "query parameter"));
        for (key, what) in [
            ("grpc", "it is gRPC"),
            ("runtime_fraction", "it is in the fraction"),
            ("dynamic_metadata", "metadata matches"),
        ] {
            if self.matched.get(key).is_some() {
                when.push(what.to_owned());
            }
        }
        when
    }

    /// Whether what the route wants of the certificate holds.
    fn takes(&self, presented: bool, client: Client) -> bool {
        let Some(tls) = self.matched.get("tls_context") else { return true };
        let holds = |key: &str, fact: bool| match tls.get(key).and_then(|at| at.text().or_else(|| at.word("value"))) {
            Some("true") => fact,
            Some("false") => !fact,
            _ => true,
        };
        holds("presented", presented) && holds("validated", presented && client == Client::Verified)
    }

    /// Names that lead to this virtual host.
    fn hosts(&self, server_names: &[String]) -> Vec<String> {
        let domains: Vec<String> = self
            .host
            .list("domains")
            .filter_map(|at| Some(at.text()?.to_ascii_lowercase()))
            .map(|name| match name.rsplit_once(':') {
                Some((host, port)) if port == "*" || port.bytes().all(|b| b.is_ascii_digit()) => host.to_owned(),
                _ => name,
            })
            .collect();
        if domains.iter().any(|name| name == "*") || domains.is_empty() { server_names.to_vec() } else { domains }
    }

    /// What the router does last: the headers of all levels.
    fn finalize(&self, run: &mut Run) {
        let specific_last = self.table.switch("most_specific_header_mutations_wins", false) == Switch::On;
        if specific_last {
            self.levels.iter().rev().for_each(|level| run.level(*level));
        } else {
            self.levels.iter().for_each(|level| run.level(*level));
        }
    }

    fn rewrites(&self, last: &Request, cluster: Option<At<'a>>) -> Vec<Rewrite> {
        let sent = |name: &str| {
            let slot = last.slot(name);
            slot.event.is_some() && !matches!(slot.values.as_slice(), [] | [Value::Client] | [Value::Empty])
        };
        let mut rewrites = Vec::new();
        let host = ["host_rewrite_literal", "host_rewrite", "host_rewrite_header", "host_rewrite_path_regex"]
            .iter()
            .find_map(|key| self.action.get(key))
            .or_else(|| {
                let auto = self.action.switch("auto_host_rewrite", false) == Switch::On;
                let by_name = cluster.and_then(|at| at.word("type")).is_some_and(|word| word.ends_with("_DNS"));
                self.action.get("auto_host_rewrite").filter(|_| auto && by_name)
            });
        if let Some(at) = host {
            let told = self.action.switch("append_x_forwarded_host", false) == Switch::On || sent("x-forwarded-host");
            rewrites.push(Rewrite { part: Part::Host, place: at.place(), told });
        }
        let path = ["prefix_rewrite", "regex_rewrite", "path_rewrite_policy", "path_rewrite"]
            .iter()
            .find_map(|key| self.action.get(key))
            .filter(|at| {
                at.text().is_none() || at.text() != self.matched.word("prefix").or_else(|| self.matched.word("path"))
            });
        if let Some(at) = path {
            let told =
                ["x-forwarded-prefix", "x-forwarded-uri", "x-original-uri", "x-forwarded-path"].into_iter().any(sent);
            rewrites.push(Rewrite { part: Part::Path, place: at.place(), told });
        }
        rewrites
    }

    fn cors(&self, chain: &[filters::Filter<'a>]) -> Vec<Cors> {
        let Some(filter) = chain.iter().find(|filter| filter.kind() == "cors") else { return Vec::new() };
        let legacy = self.action.get("cors").or_else(|| self.host.get("cors"));
        let Some(policy) = filter
            .setting(self.levels)
            .filter(|at| {
                at.get("allow_origin_string_match").is_some()
                    || at.get("allow_headers").is_some()
                    || at.get("expose_headers").is_some()
            })
            .or(legacy)
        else {
            return Vec::new();
        };
        let list = |key: &str| -> Option<Vec<String>> {
            let text = policy.word(key)?;
            Some(text.split(',').map(|name| name.trim().to_ascii_lowercase()).collect())
        };
        let at = policy.get("allow_headers").or_else(|| policy.get("expose_headers")).unwrap_or(policy);
        vec![Cors { allow: list("allow_headers"), expose: list("expose_headers"), place: at.place() }]
    }
}

/// The cluster that requests go to.
fn upstream<'a>(reference: At<'a>, set: &Set<'a>) -> Upstream {
    let name = reference.text().unwrap_or("?");
    let mut names = vec![name.to_ascii_lowercase()];
    let mut protocol = Protocol::Http;
    if let Some(cluster) = set.clusters.get(name) {
        let endpoints = cluster
            .get("load_assignment")
            .into_iter()
            .flat_map(|at| at.list("endpoints"))
            .flat_map(|at| at.list("lb_endpoints"))
            .filter_map(|at| at.path(&["endpoint", "address"]));
        for address in endpoints.chain(cluster.list("hosts")) {
            let Some(socket) = address.get("socket_address") else { continue };
            if let (Some(host), Some(port)) = (socket.word("address"), socket.word("port_value")) {
                names.push(format!("{}:{port}", host.to_ascii_lowercase()));
            }
        }
        let options = cluster.get("typed_extension_protocol_options").into_iter().flat_map(At::entries);
        let explicit =
            options.filter_map(|(_, at)| at.path(&["explicit_http_config", "http2_protocol_options"])).next();
        if explicit.is_some() || cluster.get("http2_protocol_options").is_some() {
            protocol = Protocol::Grpc;
        }
    }
    Upstream { label: format!("cluster {name}"), names, protocol, place: reference.place() }
}

/// Whether requests that a later match would take are all taken by an earlier one.
fn covers(earlier: At<'_>, later: At<'_>) -> bool {
    let narrow = earlier.entries().any(|(key, at)| match key {
        "prefix" | "path" | "name" => false,
        "case_sensitive" => at.text() != Some("true"),
        _ => true,
    });
    if narrow {
        return false;
    }
    let path = later.word("path");
    match (earlier.word("prefix"), earlier.word("path")) {
        (Some("/" | ""), _) => later.get("connect_matcher").is_none(),
        (Some(prefix), _) => {
            let prefixed = later.word("prefix").or(path).or_else(|| later.word("path_separated_prefix"));
            prefixed.is_some_and(|path| path.starts_with(prefix))
        }
        (_, Some(exact)) => path == Some(exact),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::yaml;

    #[test]
    fn earlier_routes_cover_later_ones() {
        let stream =
            yaml::parse("[{prefix: /}, {prefix: /a}, {path: /a/b}, {prefix: /a, headers: [{name: x}]}, {prefix: /ab}]");
        let root = At::root(0, &stream.documents[0]);
        let all: Vec<At<'_>> = root.items().collect();
        let covers = |a: usize, b: usize| covers(all[a], all[b]);
        assert!(covers(0, 1) && covers(0, 2) && covers(1, 2) && covers(1, 3) && covers(1, 4));
        assert!(!covers(1, 0) && !covers(3, 2) && !covers(2, 1) && !covers(4, 1));
    }
}
