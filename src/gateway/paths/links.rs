//! Which gateway's upstream is which gateway's listener. Only what can be told counts: where two could be meant, neither is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::files::Files;
use super::super::hop::{Hop, Part, PathMatch};
use super::super::{Configuration, FrontEnd};
use crate::config::compose::{self, Mounted};
use crate::syntax::blank;
use crate::syntax::yaml;

/// A hop of a configuration, by their numbers.
pub(super) type Number = (usize, usize);

/// Who listens where.
pub(super) struct Links<'a> {
    files: &'a Files,
    lowered: &'a [(&'static dyn FrontEnd, Configuration)],
    /// The hops of each port, by configuration.
    doors: HashMap<u16, BTreeMap<usize, Vec<usize>>>,
    /// Services of Compose files that mount a configuration: their names, and whether they publish a port.
    services: HashMap<usize, Vec<Mounted>>,
}

impl<'a> Links<'a> {
    pub(super) fn new(files: &'a Files, lowered: &'a [(&'static dyn FrontEnd, Configuration)]) -> Self {
        let mut doors: HashMap<u16, BTreeMap<usize, Vec<usize>>> = HashMap::new();
        for (number, (_, configuration)) in lowered.iter().enumerate() {
            for (hop, ports) in configuration.hops.iter().enumerate().map(|(at, hop)| (at, &hop.listener.ports)) {
                for port in ports.iter().collect::<BTreeSet<_>>() {
                    doors.entry(*port).or_default().entry(number).or_default().push(hop);
                }
            }
        }
        let mut links = Self { files, lowered, doors, services: HashMap::new() };
        if lowered.len() > 1 {
            links.mount();
        }
        links
    }

    /// Reads the Compose files beside the configurations.
    fn mount(&mut self) {
        let mut roots: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (number, (_, configuration)) in self.lowered.iter().enumerate() {
            for file in &configuration.files {
                roots.entry(self.files.get(*file).path()).or_default().push(number);
            }
        }
        for (_, text) in self.files.iter().filter(|(_, text)| compose::mounts_files(text.path(), &text.text)) {
            let stream = yaml::parse_broken(&blank::templates(&text.text));
            for service in stream.documents.iter().flat_map(|document| compose::mounted(text.path(), document)) {
                let below = |path: &str| {
                    service.paths.iter().any(|mount| {
                        path.strip_prefix(mount.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                    })
                };
                let numbers: BTreeSet<usize> =
                    roots.iter().filter(|(path, _)| below(path)).flat_map(|(_, numbers)| numbers).copied().collect();
                for number in numbers {
                    self.services.entry(number).or_default().push(service.clone());
                }
            }
        }
    }

    pub(super) fn hop(&self, (configuration, hop): Number) -> &'a Hop {
        &self.lowered[configuration].1.hops[hop]
    }

    /// Whether nobody reaches a hop past a gateway in front.
    pub(super) fn is_closed(&self, number: Number) -> bool {
        let services = self.services.get(&number.0);
        self.hop(number).listener.inner || services.is_some_and(|all| all.iter().all(|service| !service.published))
    }

    /// The hops that a hop's upstream leads to; none where any of its addresses leads elsewhere or can't be told.
    pub(super) fn next(&self, from: Number, way: &Hop) -> Vec<Number> {
        let addresses = way.upstream.names.iter().filter_map(|name| {
            let (host, port) = name.rsplit_once(':')?;
            Some((host.trim_matches(['[', ']']), port.parse::<u16>().ok()?))
        });
        let mut found = BTreeSet::new();
        let mut any = false;
        for (host, port) in addresses {
            any = true;
            let Some(configuration) = self.who(host, port, from.0) else { return Vec::new() };
            let hops = self.doors.get(&port).and_then(|doors| doors.get(&configuration));
            found.extend(hops.into_iter().flatten().map(|hop| (configuration, *hop)));
        }
        // A gateway that sends requests to the very hop they came by is a mistake of ours.
        if !any || found.contains(&from) {
            return Vec::new();
        }
        found.into_iter().filter(|number| fits(way, self.hop(*number))).collect()
    }

    /// The one configuration that listens there.
    fn who(&self, host: &str, port: u16, from: usize) -> Option<usize> {
        let doors = self.doors.get(&port)?;
        let loopback = host == "localhost" || host == "::1" || host.starts_with("127.");
        // Whose address it is stands nowhere.
        if !loopback && (host.contains(':') || host.bytes().all(|b| b.is_ascii_digit() || b == b'.')) {
            return None;
        }
        if loopback && doors.contains_key(&from) {
            return Some(from);
        }
        let meant = |number: &usize| {
            if loopback {
                self.on_one_machine(*number, from)
            } else {
                self.is_called(*number, &doors[number], host, from)
            }
        };
        let mut all = doors.keys().copied().filter(meant);
        let one = all.next()?;
        all.next().is_none().then_some(one)
    }

    /// The file that a configuration begins with.
    fn root(&self, number: usize) -> Option<&'a str> {
        let file = *self.lowered[number].1.files.first()?;
        let text = self.files.get(file);
        // Members of an archive are another tree.
        text.origin.member.is_none().then(|| text.path())
    }

    /// Whether two configurations lie as those of one machine do: in one folder, below each other, or below one `etc`.
    fn on_one_machine(&self, one: usize, other: usize) -> bool {
        let (Some(one), Some(other)) = (self.root(one), self.root(other)) else { return false };
        let (one, other) = (folder(one), folder(other));
        let below = |inner: &str, outer: &str| inner.starts_with(outer) && !outer.is_empty();
        let etc = |path: &'a str| path.rfind("etc/").map(|at| &path[..at + 4]);
        one == other || below(one, other) || below(other, one) || (etc(one).is_some() && etc(one) == etc(other))
    }

    /// Whether a configuration is the one that another calls `host`.
    fn is_called(&self, number: usize, hops: &[usize], host: &str, from: usize) -> bool {
        if let Some(services) = self.services.get(&number) {
            return services.iter().any(|service| service.names.iter().any(|name| name == host));
        }
        let (front_end, configuration) = &self.lowered[number];
        if hops.iter().any(|hop| configuration.hops[*hop].listener.hosts.iter().any(|name| name == host)) {
            return true;
        }
        let (Some(root), Some(other)) = (self.root(number), self.root(from)) else { return false };
        let tree = parent(folder(other));
        let near = root.strip_prefix(tree).is_some_and(|rest| rest.matches('/').count() <= 2);
        let file = root.rsplit('/').next().unwrap_or(root);
        let stem = file.split('.').next().unwrap_or(file);
        let own = folder(root).trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        near && number != from && [stem, own, front_end.product()].iter().any(|name| name.eq_ignore_ascii_case(host))
    }
}

/// Whether requests of one way can take the other.
fn fits(way: &Hop, next: &Hop) -> bool {
    let (ours, theirs) = (&way.listener.hosts, &next.listener.hosts);
    let rewrites = |part: Part| way.rewrites.iter().any(|rewrite| rewrite.part == part);
    let hosts = ours.is_empty()
        || theirs.is_empty()
        || rewrites(Part::Host)
        || ours.iter().any(|host| theirs.contains(host))
        // Names with wildcards and patterns, which may mean the same.
        || ours.iter().chain(theirs).any(|host| host.contains(['*', '~', '^']));
    let paths = rewrites(Part::Path)
        || match (&way.route.path, &next.route.path) {
            (PathMatch::Prefix(a), PathMatch::Prefix(b)) => a.starts_with(b.as_str()) || b.starts_with(a.as_str()),
            (PathMatch::Exact(a), PathMatch::Exact(b)) => a == b,
            (PathMatch::Exact(path), PathMatch::Prefix(prefix))
            | (PathMatch::Prefix(prefix), PathMatch::Exact(path)) => path.starts_with(prefix.as_str()),
            _ => true,
        };
    hosts && paths
}

/// The folder of a path, with `/` at its end; nothing for a bare name.
fn folder(path: &str) -> &str {
    path.rfind('/').map_or("", |at| &path[..=at])
}

/// The folder around a folder.
fn parent(folder_: &str) -> &str {
    folder(folder_.trim_end_matches('/'))
}
