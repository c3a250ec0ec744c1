//! Entry points, and the TLS options that hold for a router.

use super::source::words;
use super::{INFO, PEM};
use crate::gateway::hop::{Cause, ClientAuth, Event, Listener, Place, Value};
use crate::gateway::matched::Matched;
use crate::gateway::run::{Handshake, Run};
use crate::gateway::tree::{At, Switch};

/// How a router deals with certificates.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tls {
    pub(super) tls: bool,
    pub(super) handshake: Handshake,
    pub(super) asks_at: Option<Place>,
    pub(super) in_vain: Option<Cause>,
}

impl Tls {
    pub(super) const PLAIN: Self = Self { tls: false, handshake: Handshake::OFF, asks_at: None, in_vain: None };
    pub(super) const OFF: Self = Self { tls: true, ..Self::PLAIN };

    pub(super) fn read(options: At<'_>) -> Self {
        let Some(at) = options.get("clientAuth") else { return Self::OFF };
        let authority = ["caFiles", "secretNames"].iter().any(|key| !words(at, key).is_empty());
        let kind = at.get("clientAuthType");
        let (auth, required) = match kind.map(|kind| kind.text().unwrap_or("?")) {
            Some("NoClientCert") => (ClientAuth::Off, false),
            Some("RequestClientCert") => (ClientAuth::Unverified, false),
            Some("RequireAnyClientCert") => (ClientAuth::Unverified, true),
            Some("VerifyClientCertIfGiven") if authority => (ClientAuth::Optional, false),
            Some("RequireAndVerifyClientCert") if authority => (ClientAuth::Required, true),
            None | Some("") if authority => (ClientAuth::Required, true),
            None | Some("") => (ClientAuth::Off, false),
            Some(_) => (ClientAuth::Unknown, false),
        };
        let asks_at = auth.asks().then(|| kind.unwrap_or(at).place());
        Self { handshake: Handshake { auth, required }, asks_at, ..Self::OFF }
    }
}

/// An entry point.
#[derive(Clone, Copy)]
pub(super) struct Point<'a> {
    pub(super) name: &'a str,
    pub(super) at: Option<At<'a>>,
}

impl<'a> Point<'a> {
    fn address(&self) -> Option<&'a str> {
        self.at
            .and_then(|at| at.word("address").or_else(|| at.text()))
            .map(|address| address.split('/').next().unwrap_or(address))
    }

    /// Whether it sends everything on to another entry point.
    pub(super) fn redirects(&self) -> bool {
        self.at.is_some_and(|at| at.path(&["http", "redirections", "entryPoint"]).is_some())
    }

    pub(super) fn tls(&self) -> Option<At<'a>> {
        self.at.and_then(|at| at.path(&["http", "tls"])).filter(|at| at.node.text() != Some("false"))
    }

    pub(super) fn serves(&self, router: At<'_>, points: &[Point<'_>]) -> bool {
        let named = words(router, "entryPoints");
        if !named.is_empty() {
            return named.iter().any(|name| name.eq_ignore_ascii_case(self.name));
        }
        let default = |point: &Point<'_>| point.at.is_some_and(|at| at.switch("asDefault", false) == Switch::On);
        if points.iter().any(default) {
            default(self)
        } else {
            self.name != "traefik" && (self.at.is_some() || self.name.is_empty())
        }
    }

    pub(super) fn listener(&self, rule: &Matched, tls: Tls) -> Listener {
        let port = self.address().and_then(|address| address.rsplit(':').next()?.parse().ok());
        let label = port.map_or_else(
            || format!("entry point {}", if self.name.is_empty() { "by default" } else { self.name }),
            |port: u16| format!(":{port}"),
        );
        Listener {
            label: rule.hosts.first().map_or_else(|| label.clone(), |host| format!("{label} {host}")),
            ports: port.into_iter().collect(),
            sockets: Vec::new(),
            hosts: rule.hosts.clone(),
            tls: tls.tls,
            auth: tls.handshake.auth,
            asks_at: tls.asks_at,
            in_vain: tls.in_vain,
            inner: self
                .address()
                .is_some_and(|address| ["127.", "localhost:", "[::1]:"].iter().any(|own| address.starts_with(own))),
        }
    }

    /// What is done about forwarded headers before anything else.
    pub(super) fn forwarded(&self, run: &mut Run) {
        let Some(at) = self.at else {
            // Another file says whom the entry point trusts; as a rule, nobody.
            for name in [PEM, INFO] {
                run.request.set(name, Vec::new(), None);
            }
            return;
        };
        let settings = at.get("forwardedHeaders");
        let insecure = settings
            .and_then(|at| at.get("insecure"))
            .filter(|_| settings.is_some_and(|at| at.switch("insecure", false) != Switch::Off));
        let trusted = settings.map_or(Vec::new(), |at| words(at, "trustedIPs"));
        let everybody = trusted.iter().any(|range| matches!(*range, "0.0.0.0/0" | "::/0"));
        let list = settings.and_then(|at| at.get("trustedIPs")).filter(|_| everybody);
        let local = trusted.iter().any(|range| range.starts_with("127.") || *range == "::1" || *range == "::1/128");
        for name in [PEM, INFO] {
            match insecure.or(list) {
                Some(at) => run.set(name, vec![Value::Client], at.place(), Cause::TrustsAll),
                None if local => run.request.set(name, vec![Value::Unknown], None),
                None => run.request.set(name, Vec::new(), None),
            }
        }
    }

    pub(super) fn alias(&self) -> Option<Event> {
        let at = self.at?.path(&["http", "underscoreHeadersStrategy"])?;
        (at.text() == Some("keep")).then(|| Event::new(at.place(), Cause::Alias))
    }
}
