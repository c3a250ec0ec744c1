//! Caddy's own language: the JSON that Caddyfiles are translated to.

use super::plan::{Action, Guard, Kind, Operation, Proxy, Site, Step};
use super::tls::Auth;
use crate::gateway::hop::{Credential, Logged, Protocol};
use crate::gateway::run::dial;
use crate::gateway::tree::{At, Switch, same_key};

/// The sites of a document.
pub(super) fn sites(root: At<'_>) -> Vec<Site> {
    let servers = root.path(&["apps", "http", "servers"]).or_else(|| root.get("servers"));
    let http = root.path(&["apps", "http"]).unwrap_or(root);
    let plain_port = http.word("http_port").and_then(|text| text.parse().ok()).unwrap_or(80);
    let logging = root.path(&["logging", "logs"]);
    servers
        .into_iter()
        .flat_map(At::entries)
        .flat_map(|(_, server)| server_sites(server, plain_port, logging))
        .collect()
}

fn server_sites(server: At<'_>, plain_port: u16, logging: Option<At<'_>>) -> Vec<Site> {
    let listens: Vec<&str> = server.list("listen").filter_map(At::text).collect();
    let ports: Vec<u16> =
        listens.iter().filter_map(|listen| listen.rsplit(':').next()?.split('-').next()?.parse().ok()).collect();
    let inner = !listens.is_empty()
        && listens.iter().all(|listen| {
            ["127.", "localhost:", "[::1]:", "unix/", "tcp/127.", "tcp/localhost:"]
                .iter()
                .any(|own| listen.starts_with(own))
        });
    let policies: Vec<At<'_>> = server.list("tls_connection_policies").collect();
    let automatic = server.get("automatic_https").is_none_or(|at| at.switch("disable", false) != Switch::On);
    let routes: Vec<At<'_>> = server.list("routes").collect();
    // Each set of names that a route asks for is a site, and has those routes, too, that ask for none.
    let mut names: Vec<Vec<String>> = Vec::new();
    for route in &routes {
        let hosts = route_hosts(*route);
        if !names.contains(&hosts) {
            names.push(hosts);
        }
    }
    let named = names.iter().any(|hosts| !hosts.is_empty());
    let plain = !ports.is_empty() && ports.iter().all(|port| *port == plain_port);
    let tls = !policies.is_empty() || automatic && named && !plain;
    names
        .into_iter()
        .map(|hosts| {
            let chosen = policies.iter().find(|policy| {
                let mut sni =
                    policy.path(&["match", "sni"]).into_iter().flat_map(At::items).filter_map(At::text).peekable();
                sni.peek().is_none() || sni.any(|name| hosts.iter().any(|host| host == name))
            });
            let auth = chosen.and_then(|policy| policy.get("client_authentication")).map_or(Auth::OFF, client_auth);
            let own = routes.iter().filter(|route| {
                let of = route_hosts(**route);
                of.is_empty() || of == hosts
            });
            let steps = own.filter_map(|route| step(*route, true)).collect();
            let port = ports.first().map_or_else(String::new, |port| format!(":{port}"));
            Site {
                label: hosts.first().map_or_else(|| port.clone(), |host| format!("{port} {host}")),
                ports: ports.clone(),
                hosts,
                tls,
                auth,
                inner,
                logs: logs(server, logging),
                steps,
            }
        })
        .collect()
}

fn route_hosts(route: At<'_>) -> Vec<String> {
    let hosts = route.list("match").flat_map(|set| set.list("host")).filter_map(At::text);
    hosts.map(str::to_ascii_lowercase).collect()
}

fn client_auth(at: At<'_>) -> Auth {
    if at.is_empty() {
        return Auth::OFF;
    }
    let has = |keys: &[&str]| keys.iter().any(|key| at.get(key).is_some_and(|at| !at.is_empty()));
    let authority = has(&["trusted_ca_certs", "trusted_ca_certs_pem_files", "ca"]);
    let pinned = has(&["trusted_leaf_certs", "verifiers"]);
    let mode = at.get("mode");
    Auth::of(mode.and_then(At::text), authority, pinned, mode.unwrap_or(at).place())
}

fn logs(server: At<'_>, logging: Option<At<'_>>) -> Vec<Logged> {
    let Some(logs) = server.get("logs") else { return Vec::new() };
    let place = logs.place();
    let mut found = vec![Logged { what: Credential::Query, place, active: None }];
    let fields: Vec<&str> = logging
        .into_iter()
        .flat_map(At::entries)
        .filter_map(|(_, log)| log.path(&["encoder", "fields"]))
        .flat_map(At::entries)
        .map(|(name, _)| name)
        .collect();
    let gone =
        |name: &str| fields.iter().any(|field| *field == name || *field == "request>headers" || *field == "request");
    if fields.iter().any(|field| *field == "request>uri" || *field == "request") {
        found.clear();
    }
    let credentials =
        logs.get("should_log_credentials").filter(|_| logs.switch("should_log_credentials", false) == Switch::On);
    let credentials = credentials.filter(|_| !gone("request>headers>Authorization"));
    match (credentials.map(At::place), gone("request>headers>Dpop")) {
        (Some(place), false) => found.push(Logged { what: Credential::AllHeaders, place, active: None }),
        (Some(place), true) => found.push(Logged { what: Credential::Authorization, place, active: None }),
        (None, false) => found.push(Logged { what: Credential::OtherHeaders, place, active: None }),
        (None, true) => {}
    }
    found
}

/// A route; its names are taken as given on the first level.
fn step(route: At<'_>, first: bool) -> Option<Step> {
    // No deeper than the tree.
    let mut sets: Vec<Guard> = route.list("match").map(|set| set_guard(set, first)).collect();
    if sets.contains(&Guard::Always) {
        sets.clear();
    }
    let guard = match sets.len() {
        0 => Guard::Always,
        1 => sets.remove(0),
        _ => Guard::Any(sets),
    };
    let inner: Vec<Step> = route.list("handle").flat_map(handler).collect();
    Some(Step {
        guard,
        group: route.word("group").map(str::to_owned),
        last: route.switch("terminal", false) == Switch::On,
        action: Action::Sub(inner),
    })
}

fn set_guard(set: At<'_>, first: bool) -> Guard {
    let mut guards = Vec::new();
    for (key, at) in set.entries() {
        guards.push(match key {
            "host" if first => continue,
            "path" => Guard::Any(at.items().filter_map(At::text).map(|path| Guard::Path(path.to_owned())).collect()),
            "not" => Guard::Not(Box::new(Guard::Any(at.items().map(|set| set_guard(set, false)).collect()))),
            _ => Guard::Other(format!("{key} {}", words(at))),
        });
    }
    match guards.len() {
        0 => Guard::Always,
        1 => guards.remove(0),
        _ => Guard::All(guards),
    }
}

/// What a matcher says, on one line.
fn words(at: At<'_>) -> String {
    let own = at.text().map(str::to_owned);
    own.unwrap_or_else(|| {
        let items = at.entries().map(|(key, value)| format!("{key} {}", words(value)));
        let list = at.items().filter(|item| item.node != at.node).map(words);
        items.chain(list).collect::<Vec<_>>().join(" ")
    })
}

fn handler(at: At<'_>) -> Vec<Step> {
    let always = |action| vec![Step::always(action)];
    match at.word("handler") {
        Some("subroute") => always(Action::Sub(at.list("routes").filter_map(|route| step(route, false)).collect())),
        Some("reverse_proxy") => always(Action::Proxy(proxy(at))),
        Some("headers") => {
            let mut actions = vec![Step::always(Action::Headers(operations(at.get("request"))))];
            let answers = at.get("response").into_iter().flat_map(|at| ["set", "add"].map(|key| at.get(key))).flatten();
            for (name, value) in answers.flat_map(At::entries) {
                let text = value.items().filter_map(At::text).collect::<Vec<_>>().join(",");
                actions.push(Step::always(Action::Response(name.to_ascii_lowercase(), text, value.place())));
            }
            actions
        }
        Some("rewrite") => {
            let path = ["strip_path_prefix", "strip_path_suffix", "uri_substring", "path_regexp", "uri"]
                .iter()
                .find_map(|key| at.get(key))
                .filter(|at| {
                    at.text().is_none_or(|to| !to.starts_with('?') && !to.starts_with("{http.request.uri.path}"))
                });
            let path = path.map(|at| Step::always(Action::Path(at.place())));
            let method = at.get("method").map(|at| Step::always(Action::Method(at.place())));
            path.into_iter().chain(method).collect()
        }
        Some("static_response" | "file_server" | "error" | "metrics" | "acme_server" | "static_error") => {
            always(Action::Answer)
        }
        Some("authentication") => always(Action::Password),
        Some(
            "vars" | "map" | "encode" | "templates" | "tracing" | "request_body" | "push" | "log_append" | "intercept"
            | "invoke",
        ) => Vec::new(),
        _ => always(Action::Unknown),
    }
}

/// `add`, `set`, `delete`, `replace` of request headers.
fn operations(at: Option<At<'_>>) -> Vec<Operation> {
    let Some(at) = at else { return Vec::new() };
    let mut all = Vec::new();
    for (key, group) in at.entries() {
        let kind = match key {
            "add" => Kind::Add,
            "set" => Kind::Set,
            "replace" => Kind::Replace,
            key if same_key(key, "delete") => {
                for name in group.items() {
                    if let Some(text) = name.text() {
                        let (name, place) = (text.to_ascii_lowercase(), name.place());
                        all.push(Operation { name, kind: Kind::Delete, value: String::new(), place });
                    }
                }
                continue;
            }
            _ => continue,
        };
        for (name, value) in group.entries() {
            let text = value.items().filter_map(At::text).collect::<Vec<_>>().join(",");
            all.push(Operation { name: name.to_ascii_lowercase(), kind, value: text, place: value.place() });
        }
    }
    all
}

fn proxy(at: At<'_>) -> Proxy {
    let upstreams: Vec<&str> = at.list("upstreams").filter_map(|upstream| upstream.word("dial")).collect();
    let transport = at.get("transport");
    let protocol = match transport.and_then(|at| at.word("protocol")) {
        Some("fastcgi") => Protocol::Gateway,
        _ if transport.is_some_and(|at| at.list("versions").any(|v| v.text() == Some("h2c"))) => Protocol::Grpc,
        _ => Protocol::Http,
    };
    let rewrite = at.get("rewrite");
    Proxy {
        label: upstreams.first().map_or_else(|| "reverse_proxy".to_owned(), |dial| (*dial).to_owned()),
        upstreams: upstreams.iter().map(|to| dial(to)).collect(),
        operations: operations(at.path(&["headers", "request"])),
        protocol,
        place: at.get("handler").unwrap_or(at).place(),
        path: rewrite.and_then(|at| at.get("uri").or_else(|| at.get("strip_path_prefix"))).map(At::place),
        method: rewrite.and_then(|at| at.get("method")).map(At::place),
    }
}
