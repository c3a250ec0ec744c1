//! The level `stream`: connections passed on as bytes. Where TLS ends here, nothing can carry the certificate on.

use std::collections::BTreeMap;

use super::site::{self, Kind, Level, in_force, own};
use super::tree::Node;
use crate::gateway::hop::{Arrival, Client, ClientAuth, Hop, Listener, PathMatch, Protocol, Request, Route, Upstream};

/// The ways through the servers of a `stream`.
pub(super) fn hops(nodes: &[Node], hops: &mut Vec<Hop>) {
    let upstreams: BTreeMap<&str, Vec<String>> = own(nodes, &["upstream"])
        .into_iter()
        .map(|node| {
            let servers = own(node.inner(), &["server"]).into_iter().map(|one| site::address(one.argument(0), 0));
            (node.argument(0), servers.collect())
        })
        .collect();
    let maps: BTreeMap<&str, &Node> = own(nodes, &["map"]).into_iter().map(|node| (node.argument(1), node)).collect();
    for server in own(nodes, &["server"]) {
        let chain = vec![Level::new(Kind::Http, nodes), Level::new(Kind::Server, server.inner())];
        let Some(pass) = own(server.inner(), &["proxy_pass"]).first().copied() else { continue };
        let target = pass.argument(0);
        // A map on the name in the handshake leads to one of several.
        let targets: Vec<String> = match maps.get(target) {
            Some(map) => own_values(map),
            None => vec![target.to_owned()],
        };
        for target in targets {
            let mut names = vec![site::address(&target, 0)];
            if let Some(servers) = upstreams.get(target.as_str()) {
                names.extend(servers.clone());
            }
            let upstream =
                |protocol| Upstream { label: target.clone(), names: names.clone(), protocol, place: pass.place };
            for listen in own(server.inner(), &["listen"]) {
                hops.push(hop(&chain, listen, &upstream));
            }
        }
    }
}

fn own_values(map: &Node) -> Vec<String> {
    let mut values: Vec<String> = map.inner().iter().map(|node| node.argument(0).to_owned()).collect();
    values.retain(|value| !value.is_empty());
    values.sort();
    values.dedup();
    values
}

fn hop(chain: &[Level<'_>], listen: &Node, upstream: &dyn Fn(Protocol) -> Upstream) -> Hop {
    let tls = listen.arguments.iter().skip(1).any(|argument| argument.text == "ssl");
    let (auth, asks_at) = site::asks(chain);
    let auth = if tls { auth } else { ClientAuth::Off };
    let again = in_force(chain, &["proxy_ssl"]).nodes.iter().any(|node| node.argument(0) == "on");
    let protocol = if tls || again { Protocol::Stream } else { Protocol::Passthrough };
    let rules = in_force(chain, &["allow", "deny"]).nodes;
    let all = |rule: Option<&&Node>, name| rule.is_some_and(|rule| rule.name == name && rule.argument(0) == "all");
    let arrival = |client| match (auth, client) {
        _ if all(rules.first(), "deny") => Arrival::Refused,
        (ClientAuth::Unknown, _) => Arrival::Unknown,
        (ClientAuth::Required, Client::Anonymous | Client::Foreign) | (ClientAuth::Optional, Client::Foreign) => {
            Arrival::Refused
        }
        _ => Arrival::Reaches(Request::untouched()),
    };
    let text = listen.argument(0);
    let port = text.rsplit(':').next().and_then(|port| port.parse().ok());
    Hop::new(
        Listener {
            label: port.map_or_else(|| text.to_owned(), |port: u16| format!(":{port}")),
            ports: port.into_iter().collect(),
            sockets: Vec::new(),
            hosts: Vec::new(),
            tls,
            auth,
            asks_at: asks_at.filter(|_| tls),
            in_vain: None,
            inner: all(rules.last(), "deny")
                || text.starts_with("127.")
                || text.starts_with("localhost")
                || text.starts_with("unix:"),
        },
        Route { label: "stream".to_owned(), path: PathMatch::Any, when: Vec::new() },
        upstream(protocol),
        Client::ALL.map(arrival),
    )
}
