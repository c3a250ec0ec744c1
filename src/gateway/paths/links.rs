//! Which gateway's upstream is which gateway's listener. Only what can be told counts: where two could be meant, neither is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::files::{Files, folder};
use super::super::hop::{Hop, Part, PathMatch, Place};
use super::super::{Configuration, FrontEnd};
use super::cluster::Cluster;
use crate::config::compose::{self, Mounted, Published};
use crate::syntax::blank;
use crate::syntax::yaml;

/// A hop of a configuration, by their numbers.
pub(super) type Number = (usize, usize);

/// Where somebody listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Door<'a> {
    Port(u16),
    /// A socket of the machine, by its path.
    Socket(&'a str),
}

/// Who listens where.
pub(super) struct Links<'a> {
    files: &'a Files,
    lowered: &'a [(&'static dyn FrontEnd, Configuration)],
    /// The hops of each port or socket, by configuration.
    doors: HashMap<Door<'a>, BTreeMap<usize, Vec<usize>>>,
    /// Services of Compose files that mount a configuration: their names, and the ports that they publish.
    services: HashMap<usize, Vec<Mounted>>,
    /// What Services of Kubernetes lead to.
    cluster: Cluster<'a>,
    /// Configurations by port and folder, and by port and any folder around them.
    near: HashMap<(Door<'a>, &'a str), Vec<usize>>,
    below: HashMap<(Door<'a>, &'a str), Vec<usize>>,
    /// Configurations in folders named after products, by port and the folder around those.
    beside: HashMap<(Door<'a>, &'a str), Vec<usize>>,
    /// Configurations by port and what others may call them, lower case.
    called: HashMap<(u16, String), Vec<usize>>,
}

/// So many configurations are looked at of those that one name may mean.
const NAMESAKES: usize = 64;

impl<'a> Links<'a> {
    pub(super) fn new(files: &'a Files, lowered: &'a [(&'static dyn FrontEnd, Configuration)]) -> Self {
        let mut doors: HashMap<Door<'a>, BTreeMap<usize, Vec<usize>>> = HashMap::new();
        for (number, (_, configuration)) in lowered.iter().enumerate() {
            for (at, listener) in configuration.hops.iter().enumerate().map(|(at, hop)| (at, &hop.listener)) {
                let ports = listener.ports.iter().map(|port| Door::Port(*port));
                let own: BTreeSet<Door<'a>> =
                    ports.chain(listener.sockets.iter().map(|path| Door::Socket(path))).collect();
                for door in own {
                    doors.entry(door).or_default().entry(number).or_default().push(at);
                }
            }
        }
        let (near, below, beside, called) = (HashMap::new(), HashMap::new(), HashMap::new(), HashMap::new());
        let cluster = if lowered.len() > 1 { Cluster::new(files, lowered) } else { Cluster::default() };
        let mut links = Self { files, lowered, doors, services: HashMap::new(), cluster, near, below, beside, called };
        if lowered.len() > 1 {
            links.mount();
            links.index();
        }
        links
    }

    /// Puts down by which folders and names each configuration is found.
    fn index(&mut self) {
        let doors: BTreeSet<(Door<'a>, usize)> =
            self.doors.iter().flat_map(|(door, doors)| doors.keys().map(|number| (*door, *number))).collect();
        for (door, number) in doors {
            if let Some(root) = self.root(number) {
                self.near.entry((door, folder(root))).or_default().push(number);
                if let Some(shelf) = shelf(folder(root)) {
                    self.beside.entry((door, shelf)).or_default().push(number);
                }
                for around in around(folder(root)) {
                    self.below.entry((door, around)).or_default().push(number);
                }
            }
            let Door::Port(port) = door else { continue };
            for name in self.names(number, port) {
                self.called.entry((port, name)).or_default().push(number);
            }
        }
    }

    /// What others may call a configuration.
    fn names(&self, number: usize, port: u16) -> BTreeSet<String> {
        if let Some(services) = self.services.get(&number) {
            return services.iter().flat_map(|service| service.names.iter().cloned()).collect();
        }
        let hops = self.doors.get(&Door::Port(port)).and_then(|doors| doors.get(&number));
        let hosts = hops.into_iter().flatten().flat_map(|hop| &self.hop((number, *hop)).listener.hosts);
        let near = self.root(number).into_iter().flat_map(near_names).map(str::to_ascii_lowercase);
        hosts.cloned().chain(near).chain([self.lowered[number].0.product().to_owned()]).collect()
    }

    /// Reads the Compose files beside the configurations.
    fn mount(&mut self) {
        let mut roots: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (number, (_, configuration)) in self.lowered.iter().enumerate() {
            for file in &configuration.files {
                roots.entry(self.files.get(*file).path()).or_default().push(number);
            }
        }
        for (file, text) in self.files.iter().filter(|(_, text)| compose::mounts_files(text.path(), &text.text)) {
            let stream = yaml::parse_broken(&blank::templates(&text.text));
            for service in stream.documents.iter().flat_map(|document| compose::mounted(file, text.path(), document)) {
                let mut numbers = BTreeSet::new();
                for mount in &service.paths {
                    let below = roots
                        .range(mount.as_str()..)
                        .map_while(|(path, numbers)| path.strip_prefix(mount.as_str()).map(|rest| (rest, numbers)));
                    let inside = below.filter(|(rest, _)| rest.is_empty() || rest.starts_with('/'));
                    numbers.extend(inside.flat_map(|(_, numbers)| numbers).copied());
                }
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
        let closed =
            |service: &Mounted| !self.ports(number).any(|port| service.published.iter().any(|one| one.may_be(port)));
        self.hop(number).listener.inner || self.services.get(&number.0).is_some_and(|all| all.iter().all(closed))
    }

    /// What lets other machines reach a hop past a gateway in front, and what to do about it.
    pub(super) fn published(&self, number: Number) -> Option<(Place, &'static str)> {
        let open =
            |one: &&Published| one.ports.is_some() && !one.local && self.ports(number).any(|port| one.may_be(port));
        let mut all = self.services.get(&number.0).into_iter().flatten().flat_map(|service| &service.published);
        let published = all.find(open).filter(|_| !self.hop(number).listener.inner).map(|one| one.place);
        let opened = || self.ports(number).find_map(|port| self.cluster.opened(number.0, port));
        published
            .map(|place| (place, "Take this port away, or publish it on 127.0.0.1 alone"))
            .or_else(|| Some((opened()?, "Leave this Service to be one of type ClusterIP")))
    }

    fn ports(&self, number: Number) -> impl Iterator<Item = u16> {
        self.hop(number).listener.ports.iter().copied()
    }

    /// The hops that a hop's upstream leads to; none where any of its addresses leads elsewhere or can't be told.
    pub(super) fn next(&self, from: Number, way: &Hop) -> Vec<Number> {
        let mut found = BTreeSet::new();
        let mut any = false;
        for name in &way.upstream.names {
            let lower = name.to_ascii_lowercase();
            let to = if let Some((configuration, port)) = self.cluster.to(from.0, name) {
                Some((configuration, Door::Port(port)))
            } else if let Some(path) = socket(&lower) {
                let door = Door::Socket(path);
                self.here(door, from.0).map(|configuration| (configuration, door))
            } else {
                let Some((host, port)) = name.rsplit_once(':') else { continue };
                let Ok(port) = port.parse() else { continue };
                self.who(host.trim_matches(['[', ']']), port, from.0).map(|number| (number, Door::Port(port)))
            };
            any = true;
            let Some((configuration, door)) = to else { return Vec::new() };
            let hops = self.doors.get(&door).and_then(|doors| doors.get(&configuration));
            found.extend(hops.into_iter().flatten().map(|hop| (configuration, *hop)));
        }
        // A gateway that sends requests to the very hop they came by is a mistake of ours.
        if !any || found.contains(&from) {
            return Vec::new();
        }
        found.into_iter().filter(|number| fits(way, self.hop(*number))).collect()
    }

    /// The one configuration that listens at a port of a host.
    fn who(&self, host: &str, port: u16, from: usize) -> Option<usize> {
        let door = Door::Port(port);
        if !self.doors.contains_key(&door) {
            return None;
        }
        if host == "localhost" || host == "::1" || host.starts_with("127.") {
            return self.here(door, from);
        }
        // Whose address it is stands nowhere.
        if host.contains(':') || host.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return None;
        }
        let whole = self.called(host, port, from);
        // `inner.bank.internal` is the machine that its neighbours know as `inner`.
        only(match private_name(host).filter(|_| whole.is_empty()) {
            Some(short) => self.called(short, port, from),
            None => whole,
        })
    }

    /// The one configuration on the machine of another that listens there: that one itself, if it does.
    fn here(&self, door: Door<'_>, from: usize) -> Option<usize> {
        let own = self.doors.get(&door)?.contains_key(&from);
        if own { Some(from) } else { only(self.on_machine(door, from)) }
    }

    /// The configurations on the machine of another that listen there: those in its folder, around it and below it, and
    /// those below one `etc`, or beside it where the folders are named after products, as those of one `etc` are.
    fn on_machine(&self, door: Door<'_>, from: usize) -> BTreeSet<usize> {
        let Some(root) = self.root(from) else { return BTreeSet::new() };
        let own = folder(root);
        let etc = root.rfind("etc/").map(|at| &root[..at + 4]);
        let exact = std::iter::once(own).chain(around(own)).filter_map(|folder| self.near.get(&(door, folder)));
        let siblings = shelf(own).and_then(|shelf| self.beside.get(&(door, shelf)));
        let inside = [Some(own), etc].into_iter().flatten().filter(|folder| !folder.is_empty());
        let inside = inside.filter_map(|folder| self.below.get(&(door, folder)));
        // Two are as good as many.
        exact.chain(inside).chain(siblings).flat_map(|all| all.iter().take(2)).copied().collect()
    }

    /// The configurations that another calls `host`.
    fn called(&self, host: &str, port: u16, from: usize) -> BTreeSet<usize> {
        let Some(all) = self.called.get(&(port, host.to_owned())) else { return BTreeSet::new() };
        if all.len() > NAMESAKES {
            return BTreeSet::new();
        }
        all.iter().copied().filter(|number| self.is_called(*number, port, host, from)).collect()
    }

    /// The file that a configuration begins with.
    fn root(&self, number: usize) -> Option<&'a str> {
        let file = *self.lowered[number].1.files.first()?;
        let text = self.files.get(file);
        // Members of an archive are another tree.
        text.origin.member.is_none().then(|| text.path())
    }

    /// Whether a configuration that has the name is the one that another means by it.
    fn is_called(&self, number: usize, port: u16, host: &str, from: usize) -> bool {
        let hops = self.doors.get(&Door::Port(port)).and_then(|doors| doors.get(&number));
        let answers = |hop: &usize| self.hop((number, *hop)).listener.hosts.iter().any(|name| name == host);
        if self.services.contains_key(&number) || hops.into_iter().flatten().any(answers) {
            return true;
        }
        // By the name of its folder, its file or its product: nearby.
        let (Some(root), Some(other)) = (self.root(number), self.root(from)) else { return false };
        let near = root.strip_prefix(parent(folder(other))).is_some_and(|rest| rest.matches('/').count() <= 2);
        near && number != from
    }
}

/// The path of a socket of the machine, as nginx, HAProxy and Caddy write it.
fn socket(name: &str) -> Option<&str> {
    let path = ["unix:", "unix@", "unix/"].iter().find_map(|kind| name.strip_prefix(kind)).unwrap_or(name);
    path.starts_with('/').then_some(path)
}

/// The one among some.
fn only(found: BTreeSet<usize>) -> Option<usize> {
    found.first().copied().filter(|_| found.len() == 1)
}

/// The first label of a name that only a private network knows (RFC 6762 with its appendix G, RFC 8375, and `internal`,
/// which is reserved for it).
fn private_name(host: &str) -> Option<&str> {
    const ENDS: &[&str] = &[".internal", ".local", ".home.arpa", ".lan", ".intranet"];
    let (first, _) = host.split_once('.')?;
    (!first.is_empty() && ENDS.iter().any(|end| host.ends_with(end))).then_some(first)
}

/// The folder around one that is named after a gateway's product, as `/etc` is around `nginx`.
fn shelf(folder: &str) -> Option<&str> {
    const NAMES: &[&str] = &["apache", "apache2", "caddy", "envoy", "haproxy", "httpd", "nginx", "traefik"];
    let mut end = folder.len();
    for part in folder.split_inclusive('/').rev() {
        end -= part.len();
        if NAMES.iter().any(|product| part.trim_end_matches('/').eq_ignore_ascii_case(product)) {
            return Some(&folder[..end]);
        }
    }
    None
}

/// The names that a file goes by: its own and that of its folder.
fn near_names(root: &str) -> [&str; 2] {
    let file = root.rsplit('/').next().unwrap_or(root);
    let stem = file.split('.').next().unwrap_or(file);
    let own = folder(root).trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    [stem, own]
}

/// The folders around a folder, and itself, each with `/` at its end; the top is left out.
fn around(folder: &str) -> impl Iterator<Item = &str> {
    folder.match_indices('/').map(|(at, _)| &folder[..=at])
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

/// The folder around a folder.
fn parent(folder_: &str) -> &str {
    folder(folder_.trim_end_matches('/'))
}
