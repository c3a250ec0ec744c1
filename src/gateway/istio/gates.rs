//! Gateways: their servers as listeners.

use super::World;
use super::policies::Around;
use super::routes;
use crate::config::graft::Piece;
use crate::config::kubernetes::Object;
use crate::gateway::envoy::made::{self, Edge, Transport};
use crate::gateway::tree::{At, Switch};

/// A gateway.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gate<'a> {
    pub(super) object: Object<'a>,
}

/// One of its servers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Server<'a> {
    pub(super) at: At<'a>,
    /// The gateway.
    pub(super) gate: Object<'a>,
}

impl<'a> Gate<'a> {
    pub(super) const fn new(object: Object<'a>) -> Self {
        Self { object }
    }

    /// The labels of the proxies that it is for.
    pub(super) fn selector(&self) -> Option<At<'a>> {
        self.object.spec()?.get("selector")
    }

    /// Its servers with the routes that are bound to it.
    pub(super) fn listeners(&self, world: &World<'a>, bound: &[Object<'a>], around: &Around<'a>) -> Vec<Piece> {
        let servers = self.object.spec().into_iter().flat_map(|spec| spec.list("servers"));
        servers.filter_map(|at| Server { at, gate: self.object }.listener(world, bound, around)).collect()
    }
}

impl<'a> Server<'a> {
    pub(super) fn port(&self) -> Option<&'a str> {
        self.at.path(&["port", "number"]).and_then(At::text)
    }

    fn listener(&self, world: &World<'a>, bound: &[Object<'a>], around: &Around<'a>) -> Option<Piece> {
        let graft = &world.graft;
        let tls = self.at.get("tls");
        let redirects = tls.is_some_and(|tls| tls.switch("httpsRedirect", false) == Switch::On);
        let protocol = self.at.path(&["port", "protocol"]).and_then(At::text).unwrap_or_default().to_ascii_uppercase();
        let bytes = matches!(protocol.as_str(), "TLS" | "TCP" | "MONGO" | "MYSQL" | "REDIS");
        let mode = tls.and_then(|tls| tls.get("mode"));
        let passed = tls.is_some()
            && !redirects
            && matches!(
                mode.map(|mode| mode.text()),
                None | Some(Some("PASSTHROUGH" | "AUTO_PASSTHROUGH" | "0" | "3"))
            );
        let plain_http = !bytes && protocol != "HTTPS";
        if redirects && plain_http {
            return None; // nothing is passed on
        }
        let transport = match tls {
            Some(tls) if !passed && !plain_http => match around.transport(self) {
                Some(patch) => Transport::Unknown(patch),
                None => self.transport(tls, mode),
            },
            _ => Transport::None,
        };
        let mut filters = Vec::new();
        let mut names: Vec<String> = Vec::new();
        if bytes || passed {
            let clusters = routes::bytes(world, self, bound, passed);
            if clusters.is_empty() {
                return None;
            }
            filters.push(made::tcp_proxy(graft, self.at, clusters));
        } else {
            let mut hosts = routes::hosts(world, self, bound);
            if bound.is_empty() && (around.says_details(self) || around.logs(world)) {
                // Its routes stand elsewhere: what mesh and patches say holds for all of them.
                hosts.push(made::everything(graft, self.at, "an upstream that is not here"));
            }
            if hosts.is_empty() {
                return None;
            }
            let default = mode.or(tls).unwrap_or(self.at);
            filters.push(around.manager(world, self, default, hosts));
        }
        if !matches!(transport, Transport::None) || passed {
            names.extend(self.hosts().filter(|name| *name != "*").map(str::to_ascii_lowercase));
        }
        let name = format!("gateway {}", self.gate.name.unwrap_or("without a known name"));
        let port = self.port().map(str::to_owned);
        Some(Edge { from: self.at, name, port, names, transport }.listener(graft, filters))
    }

    /// The names that it serves, without namespaces.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &'a str> {
        self.at.list("hosts").filter_map(At::text).map(|host| host.split_once('/').map_or(host, |(_, host)| host))
    }

    fn transport(&self, tls: At<'a>, mode: Option<At<'a>>) -> Transport<'a> {
        let at = mode.unwrap_or(tls);
        let asks = |required: bool| match tls.switch("insecureSkipVerify", false) {
            Switch::Unknown => Transport::Unknown(at),
            Switch::Off => Transport::Asks { at, required, verified: true },
            Switch::On => {
                Transport::Asks { at: tls.get("insecureSkipVerify").unwrap_or(at), required, verified: false }
            }
        };
        match mode.and_then(At::text) {
            Some("MUTUAL" | "ISTIO_MUTUAL" | "2" | "4") => asks(true),
            Some("OPTIONAL_MUTUAL" | "5") => asks(false),
            Some("SIMPLE" | "1") => Transport::Ends(at),
            _ => Transport::Unknown(at),
        }
    }
}
