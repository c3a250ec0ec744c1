//! Application Load Balancers that the AWS Load Balancer Controller makes of Ingresses, where an annotation says how their
//! listeners deal with certificates ("Ingress annotations", AWS Load Balancer Controller).

use std::collections::{BTreeMap, BTreeSet};

use super::super::cloud;
use super::super::files::Files;
use super::super::hop::{Cause, Credential, Hop, Logged};
use super::super::hop::{ClientAuth, Event, Part, Place, Rewrite};
use super::super::ingress::{self, Ingress, Path, Setting};
use super::super::run::Handshake;
use super::super::{Configuration, Hole};
use super::elb::{self, Telling};
use crate::config::kubernetes::{self, ByFile, Manifests, Objects};
use crate::syntax::yaml::{self, Kind, Node};

/// What its annotations begin with.
const PREFIXES: &[&str] = &["alb.ingress.kubernetes.io/"];
/// The annotation without which there is nothing to see.
const ASKS: &str = "mutual-authentication";

/// Whether a text holds such Ingresses.
pub(super) fn recognises(text: &str) -> bool {
    memchr::memmem::find(text.as_bytes(), b"alb.ingress.kubernetes.io/mutual-authentication").is_some()
        && kubernetes::may_hold_objects(text)
}

/// The load balancers of all environments.
pub(super) fn configurations(files: &Files, own: &[u32]) -> Vec<Configuration> {
    let own: Vec<u32> = own.iter().copied().filter(|number| recognises(&files.get(*number).text)).collect();
    if own.is_empty() {
        return Vec::new();
    }
    let manifests = Manifests::read(files, &own);
    let objects = manifests.objects(files);
    let is_own = |object: &kubernetes::Object<'_>| {
        let mut names = object.annotations();
        names.any(|(name, _)| name.starts_with(PREFIXES[0]))
    };
    let ingresses = ingress::all(files, &objects, PREFIXES, is_own);
    let by_file = ByFile::new(ingresses.iter().map(|ingress| (ingress.object.at.file, ingress)));
    let mut all = Vec::new();
    for environment in objects.environments() {
        for group in groups(by_file.within(&environment).copied()) {
            let mut into = Configuration::default();
            Balancer::read(&group, &mut into.holes).ways(&objects, &group, &mut into);
            if into.hops.is_empty() && into.holes.is_empty() {
                continue;
            }
            let numbers: BTreeSet<u32> = group.iter().map(|ingress| ingress.object.at.file).collect();
            into.files = numbers.into_iter().collect();
            let own = manifests.holes().iter().filter(|(place, _)| into.files.contains(&place.file));
            into.holes.extend(own.map(|(place, reason)| Hole { place: *place, reason: reason.clone() }));
            all.push(into);
        }
    }
    all
}

/// Ingresses that share a load balancer: those of one group; any other has its own.
fn groups<'i, 'a: 'i>(ingresses: impl Iterator<Item = &'i Ingress<'a>>) -> Vec<Vec<&'i Ingress<'a>>> {
    let mut alone = Vec::new();
    let mut shared: BTreeMap<&str, Vec<&'i Ingress<'a>>> = BTreeMap::new();
    for ingress in ingresses {
        match ingress.setting("group.name") {
            Setting::Text(name, _) => shared.entry(name).or_default().push(ingress),
            _ => alone.push(vec![ingress]),
        }
    }
    alone.extend(shared.into_values());
    alone
}

/// What the annotations of a group say of its load balancer.
struct Balancer {
    /// The modes of its listeners, by port; nothing where they are not known.
    modes: Option<BTreeMap<u16, String>>,
    /// Where that is said.
    asks_at: Option<Place>,
    /// Attributes of listeners, by annotation.
    attributes: BTreeMap<String, (String, Place)>,
    /// Plain HTTP leads to HTTPS.
    redirects: bool,
    alias: Option<Place>,
    logs: Option<Place>,
}

impl Balancer {
    fn read(group: &[&Ingress<'_>], holes: &mut Vec<Hole>) -> Self {
        let set = |name: &str| group.iter().find_map(|ingress| ingress.annotation(name));
        let asks_at = set(ASKS).map(|at| at.place());
        let written = group.iter().find_map(|ingress| ingress.word(ASKS)).and_then(|(text, _)| modes(text));
        if let Some(place) = asks_at.filter(|_| written.is_none()) {
            let reason = "the modes of mutual authentication are not known here".to_owned();
            holes.push(Hole { place, reason });
        }
        let named = group.iter().flat_map(|ingress| ingress.object.annotations());
        let attributes = named.filter_map(|(name, at)| {
            let listener = name.strip_prefix(PREFIXES[0])?.strip_prefix("listener-attributes.")?;
            Some((listener.to_owned(), (kubernetes::known(at)?.to_owned(), at.place())))
        });
        let balancer = group.iter().find_map(|ingress| ingress.word("load-balancer-attributes"));
        let switched = |key: &str, value: &str| {
            let (text, at) = balancer?;
            (attribute(text, key)? == value).then(|| at.place())
        };
        Self {
            modes: if asks_at.is_some() { written } else { Some(BTreeMap::new()) },
            asks_at,
            attributes: attributes.collect(),
            redirects: set("ssl-redirect").is_some(),
            alias: switched("routing.http.drop_invalid_header_fields.enabled", "false"),
            logs: switched("access_logs.s3.enabled", "true"),
        }
    }

    fn ways(&self, objects: &Objects<'_>, group: &[&Ingress<'_>], into: &mut Configuration) {
        // Where nothing is asked, there is nothing to lose.
        let Some(asks_at) = self.asks_at else { return };
        for ingress in group {
            for (port, tls) in ports(ingress).into_iter().filter(|(_, tls)| *tls || !self.redirects) {
                for rule in &ingress.rules {
                    // Actions that stand in an annotation of their own lead anywhere.
                    let paths = rule.paths.iter().filter(|path| path.port != Some("use-annotation"));
                    for path in paths {
                        if into.hops.len() < cloud::MOST {
                            into.hops.push(self.hop(objects, ingress, &rule.host, path, (port, tls), asks_at));
                        }
                    }
                }
            }
        }
    }

    fn hop(
        &self,
        objects: &Objects<'_>,
        ingress: &Ingress<'_>,
        host: &str,
        path: &Path<'_>,
        (port, tls): (u16, bool),
        asks_at: Place,
    ) -> Hop {
        let (mut listener, route, upstream) = ingress::way(objects, ingress, host, path, (port, tls));
        let mode = self.modes.as_ref().map(|modes| modes.get(&port).map_or("off", String::as_str));
        let handshake = if tls { elb::handshake(mode) } else { Handshake::OFF };
        listener.auth = handshake.auth;
        if handshake.auth != ClientAuth::Off {
            listener.asks_at = Some(asks_at);
        }
        let scheme = if tls { "HTTPS" } else { "HTTP" };
        let own = self.attributes.get(&format!("{scheme}-{port}"));
        let telling = Telling::of(handshake.auth, asks_at, |key| {
            let (text, place) = own?;
            Some((attribute(text, key)?.to_owned(), *place))
        });
        let arrivals = cloud::arrivals(handshake, |client, run| telling.fill(client, run));
        let mut hop = cloud::hop(&listener, route, upstream, arrivals);
        hop.alias = self.alias.map(|place| Event::new(place, Cause::Alias));
        hop.logs.extend(self.logs.map(|place| Logged { what: Credential::Query, place, active: None }));
        hop.rewrites.extend(path.service.into_iter().flat_map(|service| transforms(ingress, service)));
        hop
    }
}

/// The modes that the annotation gives to ports.
fn modes(text: &str) -> Option<BTreeMap<u16, String>> {
    let mode = |entry: &Node| {
        let mode = entry.get("mode").and_then(Node::text).unwrap_or("off");
        Some((entry.get("port")?.text()?.parse().ok()?, mode.to_ascii_lowercase()))
    };
    items(text)?.iter().map(mode).collect()
}

/// The ports that an Ingress is served at, and whether over TLS.
fn ports(ingress: &Ingress<'_>) -> Vec<(u16, bool)> {
    if let Some((text, _)) = ingress.word("listen-ports") {
        let ports = items(text).unwrap_or_default();
        let port = |(scheme, port): &(Node, Node)| Some((port.text()?.parse().ok()?, scheme.text()? == "HTTPS"));
        return ports.iter().flat_map(Node::entries).filter_map(port).collect();
    }
    let certified = ingress.annotation("certificate-arn").is_some()
        || ingress.object.spec().is_some_and(|spec| spec.get("tls").is_some());
    vec![if certified { (443, true) } else { (80, false) }]
}

/// What is changed of the requests to a service.
fn transforms(ingress: &Ingress<'_>, service: &str) -> Vec<Rewrite> {
    let Some((text, at)) = ingress.word(&format!("transforms.{service}")) else { return Vec::new() };
    let rewrite = |entry: &Node| {
        let part = match entry.get("type")?.text()? {
            "url-rewrite" => Part::Path,
            "host-header-rewrite" => Part::Host,
            _ => return None,
        };
        Some(Rewrite { part, place: at.place(), told: false })
    };
    items(text).unwrap_or_default().iter().filter_map(rewrite).collect()
}

/// The items of a list in JSON.
fn items(text: &str) -> Option<Vec<Node>> {
    let mut stream = yaml::parse_broken(text);
    match stream.documents.pop()?.kind {
        Kind::Sequence(items) if stream.error.is_none() => Some(items),
        _ => None,
    }
}

/// The value of a key in `a=b,c=d`.
fn attribute<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.trim(), value.trim())).find(|(name, _)| *name == key).map(|(_, value)| value)
}
