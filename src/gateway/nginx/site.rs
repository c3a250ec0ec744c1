//! What a tree holds: servers with their sockets and names, locations, upstreams, maps; and levels with what they
//! inherit.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::Node;
use crate::gateway::hop::{Cause, ClientAuth, Listener, Place};
use crate::syntax::directives::UNKNOWN;

/// What kind of level it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Http,
    Server,
    Location,
    /// `if` and `limit_except`: they take over the handler of the location around them.
    Within,
}

/// A level of blocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Level<'t> {
    pub(super) kind: Kind,
    pub(super) nodes: &'t [Node],
    /// Something at this level can't be seen.
    pub(super) unknown: bool,
}

impl<'t> Level<'t> {
    pub(super) fn new(kind: Kind, nodes: &'t [Node]) -> Self {
        Self { kind, nodes, unknown: nodes.iter().any(Node::is_unknown) }
    }
}

/// The levels around a place, the outermost first.
pub(super) type Chain<'t> = Vec<Level<'t>>;

/// The directives of one name that are in force.
#[derive(Debug, Clone, Default)]
pub(super) struct InForce<'t> {
    pub(super) nodes: Vec<&'t Node>,
    /// Their level's number in the chain.
    pub(super) depth: usize,
    /// There may be others that can't be seen.
    pub(super) unknown: bool,
}

/// Those of the nearest level that has any: a level's own directives take the place of all that it would inherit.
pub(super) fn in_force<'t>(chain: &[Level<'t>], names: &[&str]) -> InForce<'t> {
    for (depth, level) in chain.iter().enumerate().rev() {
        let nodes = own(level.nodes, names);
        if !nodes.is_empty() || level.unknown {
            return InForce { nodes, depth, unknown: level.unknown };
        }
    }
    InForce::default()
}

/// The directives of these names at one level.
pub(super) fn own<'t>(nodes: &'t [Node], names: &[&str]) -> Vec<&'t Node> {
    nodes.iter().filter(|node| names.contains(&node.name.as_str())).collect()
}

/// How a location is selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Select {
    Exact,
    Prefix,
    /// A prefix that keeps patterns from being tried.
    Final,
    Pattern {
        any_case: bool,
    },
    Named,
}

/// A location.
#[derive(Debug, Clone)]
pub(super) struct Location<'t> {
    pub(super) node: &'t Node,
    pub(super) select: Select,
    pub(super) pattern: String,
    pub(super) chain: Chain<'t>,
    pub(super) parent: Option<usize>,
}

impl Location<'_> {
    pub(super) fn label(&self) -> String {
        let words: Vec<_> = self.node.arguments.iter().map(|argument| argument.text.as_str()).collect();
        format!("location {}", words.join(" "))
    }

    pub(super) fn is_internal(&self) -> bool {
        self.select == Select::Named || !own(self.node.inner(), &["internal"]).is_empty()
    }
}

/// An address that is listened on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Socket {
    address: String,
    port: u16,
}

impl Socket {
    /// The path of one that is no port.
    fn path(&self) -> Option<&str> {
        self.address.strip_prefix("unix:")
    }

    fn is_inner(&self) -> bool {
        self.address.starts_with("127.")
            || matches!(self.address.as_str(), "localhost" | "[::1]")
            || self.path().is_some()
    }
}

/// What clients find at some of the sockets of a server.
#[derive(Debug, Clone)]
pub(super) struct Entrance {
    pub(super) listener: Listener,
    /// The server's own settings on names with underscores count, and those of this one.
    pub(super) default: usize,
}

/// A server of the configuration.
#[derive(Debug, Clone)]
pub(super) struct Server<'t> {
    pub(super) chain: Chain<'t>,
    pub(super) locations: Vec<Location<'t>>,
    pub(super) entrances: Vec<Entrance>,
}

/// Everything at the level `http`.
#[derive(Debug, Clone)]
pub(super) struct Site<'t> {
    pub(super) servers: Vec<Server<'t>>,
    pub(super) maps: BTreeMap<&'t str, &'t Node>,
    pub(super) formats: BTreeMap<&'t str, &'t Node>,
    pub(super) upstreams: BTreeMap<String, Vec<String>>,
}

/// Reads the level `http`. `strict`: all of it is there, so that a name taken by one server is lost to the next.
pub(super) fn read<'t>(nodes: &'t [Node], strict: bool) -> Site<'t> {
    let http = Level::new(Kind::Http, nodes);
    let mut servers: Vec<Server<'t>> = own(nodes, &["server"])
        .into_iter()
        .filter_map(|node| node.block.as_deref())
        .map(|block| server(vec![http, Level::new(Kind::Server, block)]))
        .collect();
    entrances(&mut servers, strict);
    let mut site = Site { servers, maps: BTreeMap::new(), formats: BTreeMap::new(), upstreams: BTreeMap::new() };
    for node in nodes {
        match node.name.as_str() {
            "map" => {
                let name = node.argument(1).trim_start_matches('$');
                site.maps.insert(name, node);
            }
            "log_format" => {
                site.formats.insert(node.argument(0), node);
            }
            "upstream" => {
                let servers = own(node.inner(), &["server"]).into_iter().map(|server| address(server.argument(0), 80));
                site.upstreams.insert(node.argument(0).to_ascii_lowercase(), servers.collect());
            }
            _ => {}
        }
    }
    site
}

/// A server that consists of locations whose server can't be seen.
pub(super) fn detached(nodes: &[Node]) -> Site<'_> {
    let outer = Level { kind: Kind::Http, nodes: &[], unknown: true };
    let mut server = server(vec![outer, Level::new(Kind::Server, nodes)]);
    let listener = Listener::elsewhere("a server elsewhere".to_owned(), Vec::new());
    server.entrances = vec![Entrance { listener, default: 0 }];
    Site { servers: vec![server], maps: BTreeMap::new(), formats: BTreeMap::new(), upstreams: BTreeMap::new() }
}

fn server(chain: Chain<'_>) -> Server<'_> {
    let mut locations = Vec::new();
    gather(&chain, None, &mut locations);
    Server { chain, locations, entrances: Vec::new() }
}

/// Recursion is as deep as blocks may nest.
fn gather<'t>(chain: &Chain<'t>, parent: Option<usize>, locations: &mut Vec<Location<'t>>) {
    let Some(level) = chain.last() else { return };
    for node in own(level.nodes, &["location"]) {
        let Some(block) = node.block.as_deref() else { continue };
        let (select, pattern) = selection(node);
        let mut chain = chain.clone();
        chain.push(Level::new(Kind::Location, block));
        locations.push(Location { node, select, pattern, chain: chain.clone(), parent });
        gather(&chain, Some(locations.len() - 1), locations);
    }
}

fn selection(node: &Node) -> (Select, String) {
    let modified = |modifier: &str| match modifier {
        "=" => Some(Select::Exact),
        "^~" => Some(Select::Final),
        "~" => Some(Select::Pattern { any_case: false }),
        "~*" => Some(Select::Pattern { any_case: true }),
        _ => None,
    };
    let first = node.argument(0);
    if node.arguments.len() > 1
        && let Some(select) = modified(first)
    {
        return (select, node.argument(1).to_owned());
    }
    // The modifier may stand without a blank.
    for modifier in ["^~", "~*", "~", "="] {
        if let Some(rest) = first.strip_prefix(modifier) {
            return (modified(modifier).unwrap_or(Select::Prefix), rest.to_owned());
        }
    }
    let select = if first.starts_with('@') { Select::Named } else { Select::Prefix };
    (select, first.to_owned())
}

/// A `listen`: its socket, and what it says of it.
struct Listen {
    socket: Socket,
    tls: bool,
    default: bool,
}

fn listens(server: &Server<'_>) -> Vec<Listen> {
    let Some(level) = server.chain.last() else { return Vec::new() };
    let everywhere = in_force(&server.chain, &["ssl"]).nodes.iter().any(|node| node.argument(0) == "on");
    let mut listens: Vec<Listen> = own(level.nodes, &["listen"])
        .into_iter()
        .map(|node| {
            let says = |word: &str| node.arguments.iter().skip(1).any(|argument| argument.text == word);
            Listen {
                socket: socket(node.argument(0)),
                tls: everywhere || says("ssl") || says("quic"),
                default: says("default_server") || says("default"),
            }
        })
        .collect();
    if listens.is_empty() {
        listens.push(Listen { socket: socket("80"), tls: everywhere, default: false });
    }
    listens
}

fn socket(text: &str) -> Socket {
    if text.starts_with("unix:") {
        return Socket { address: text.to_owned(), port: 0 };
    }
    if let Ok(port) = text.parse() {
        return Socket { address: "*".to_owned(), port };
    }
    let (address, port) = match text.rsplit_once(':') {
        Some((address, port)) if !port.contains(']') => (address, port.parse().unwrap_or(0)),
        _ => (text, 80),
    };
    let address = if address == "0.0.0.0" { "*" } else { address };
    Socket { address: address.to_owned(), port }
}

/// Sorts out which server answers on which socket to which name.
fn entrances(servers: &mut [Server<'_>], strict: bool) {
    // TLS is a property of the socket: one `ssl` is enough for all servers on it.
    let mut tls: BTreeMap<Socket, bool> = BTreeMap::new();
    let mut defaults: BTreeMap<Socket, (bool, usize)> = BTreeMap::new();
    for (number, server) in servers.iter().enumerate() {
        for listen in listens(server) {
            *tls.entry(listen.socket.clone()).or_default() |= listen.tls;
            let default = defaults.entry(listen.socket).or_insert((listen.default, number));
            if listen.default && !default.0 {
                *default = (true, number);
            }
        }
    }
    let mut taken: BTreeSet<(Socket, String)> = BTreeSet::new();
    for (number, server) in servers.iter_mut().enumerate() {
        let mut names: Vec<String> = own(server.chain[1].nodes, &["server_name"])
            .into_iter()
            .flat_map(|node| &node.arguments)
            .map(|argument| argument.text.to_ascii_lowercase())
            .collect();
        if names.is_empty() {
            names.push(String::new());
        }
        // Sockets of one kind at which the server has the same names are one entrance.
        let mut groups: BTreeMap<(bool, Vec<String>, usize), BTreeSet<Socket>> = BTreeMap::new();
        for listen in listens(server) {
            let default = defaults.get(&listen.socket).map_or(number, |default| default.1);
            let left: Vec<String> = names
                .iter()
                .filter(|name| taken.insert((listen.socket.clone(), (*name).clone())) || !strict)
                .cloned()
                .collect();
            if left.is_empty() && default != number {
                continue;
            }
            let tls = tls.get(&listen.socket).copied().unwrap_or(listen.tls);
            groups.entry((tls, left, default)).or_default().insert(listen.socket);
        }
        let any_tls = groups.keys().any(|(tls, ..)| *tls);
        server.entrances = groups
            .into_iter()
            .map(|((tls, names, default), sockets)| Entrance {
                listener: listener(&server.chain, tls, any_tls, &names, &sockets),
                default,
            })
            .collect();
    }
}

/// Whether certificates are asked for, and where that stands.
pub(super) fn asks(chain: &[Level<'_>]) -> (ClientAuth, Option<Place>) {
    let found = in_force(chain, &["ssl_verify_client"]);
    match found.nodes.first() {
        Some(node) => {
            let auth = match node.argument(0) {
                "on" => ClientAuth::Required,
                "optional" => ClientAuth::Optional,
                "optional_no_ca" => ClientAuth::Unverified,
                "off" => ClientAuth::Off,
                _ => ClientAuth::Unknown,
            };
            (auth, (auth != ClientAuth::Off).then_some(node.place))
        }
        None if found.unknown => (ClientAuth::Unknown, None),
        None => (ClientAuth::Off, None),
    }
}

fn listener(chain: &[Level<'_>], tls: bool, any_tls: bool, names: &[String], sockets: &BTreeSet<Socket>) -> Listener {
    let (auth, asks_at) = asks(chain);
    let plain = |name: &&String| !matches!(name.as_str(), "" | "_") && !name.starts_with(['~', UNKNOWN, '$']);
    let hosts: Vec<String> = names.iter().filter(plain).cloned().collect();
    let ports: BTreeSet<u16> = sockets.iter().map(|socket| socket.port).filter(|port| *port != 0).collect();
    let mut label = match (ports.first(), sockets.first()) {
        (Some(port), _) => format!(":{port}"),
        (None, Some(socket)) => socket.address.clone(),
        (None, None) => "a listener".to_owned(),
    };
    if let Some(host) = hosts.first() {
        label += &format!(" {host}");
    }
    // Asked for at the server itself, and none of its sockets has TLS: that is a mistake, not inheritance.
    let own_wish = chain.last().is_some_and(|level| !own(level.nodes, &["ssl_verify_client"]).is_empty());
    let in_vain = !any_tls && own_wish && auth.asks();
    Listener {
        label,
        ports: ports.into_iter().collect(),
        sockets: sockets.iter().filter_map(Socket::path).map(str::to_ascii_lowercase).collect(),
        hosts,
        tls,
        auth: if tls { auth } else { ClientAuth::Off },
        asks_at: asks_at.filter(|_| tls || in_vain),
        in_vain: in_vain.then_some(Cause::NotApplied),
        inner: !sockets.is_empty() && sockets.iter().all(Socket::is_inner),
    }
}

/// An address in one spelling, with its port.
pub(super) fn address(text: &str, port: u16) -> String {
    let text = text.to_ascii_lowercase();
    if text.starts_with("unix:") {
        return text;
    }
    let text = text.strip_prefix("localhost").map_or(text.clone(), |rest| format!("127.0.0.1{rest}"));
    match text.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => text,
        _ => format!("{text}:{port}"),
    }
}
