//! From runs to hops: every way through every server, in every world.

use super::logs;
use super::request::{self, Family};
use super::run::{Connection, End, Passed, Run};
use super::site::{Entrance, Location, Select, Server, Site, address, in_force, own};
use super::value;
use super::world::{MAX_WORLDS, World};
use crate::gateway::hop::{
    Arrival, Carrier, Cause, Client, ClientAuth, Event, Hop, Listener, PathMatch, Place, Route, Upstream,
};

/// How many hops one configuration may have.
const MAX_HOPS: usize = 20_000;

/// All ways through a site.
pub(super) fn hops(site: &Site<'_>) -> Vec<Hop> {
    let mut hops = Vec::new();
    for server in &site.servers {
        for entrance in &server.entrances {
            through(site, server, entrance, &mut hops);
        }
    }
    bypasses(&mut hops);
    hops
}

fn through(site: &Site<'_>, server: &Server<'_>, entrance: &Entrance, hops: &mut Vec<Hop>) {
    let mut visited = Vec::new();
    let mut entries: Vec<Option<usize>> = Vec::new();
    for (number, location) in server.locations.iter().enumerate() {
        if !location.is_internal() {
            entries.push(Some(number));
        }
    }
    let everything =
        server.locations.iter().any(|l| matches!(l.select, Select::Prefix | Select::Final) && l.pattern == "/");
    if !everything {
        entries.push(None);
    }
    for entry in entries {
        let way = Way { site, server, entrance, entry, named: false };
        hops.extend(way.hops(&mut visited));
        if hops.len() > MAX_HOPS {
            return;
        }
    }
    // Errors of upstreams lead to named locations, and only to them.
    for (number, location) in server.locations.iter().enumerate() {
        if location.select == Select::Named && !visited.contains(&number) {
            let way = Way { site, server, entrance, entry: Some(number), named: true };
            hops.extend(way.hops(&mut Vec::new()));
        }
    }
}

/// One kind of request to one server.
struct Way<'w, 't> {
    site: &'w Site<'t>,
    server: &'w Server<'t>,
    entrance: &'w Entrance,
    entry: Option<usize>,
    /// It gets there by an error of an upstream.
    named: bool,
}

impl<'t> Way<'_, 't> {
    fn hops(&self, visited: &mut Vec<usize>) -> Vec<Hop> {
        let mut found: Vec<Hop> = Vec::new();
        let mut all_alike = true;
        let mut worlds = 0;
        let mut world = Some(World::default());
        while let Some(mut this) = world {
            worlds += 1;
            let mut here = self.world(&mut this, visited);
            let when = this.when();
            for hop in &mut here {
                hop.route.when.clone_from(&when);
            }
            if worlds == 1 {
                found = here;
            } else {
                let alike = here.len() == found.len() && here.iter().all(|hop| found.iter().any(|f| same(f, hop)));
                all_alike &= alike;
                for hop in here {
                    if !found.iter().any(|known| same(known, &hop)) {
                        found.push(hop);
                    }
                }
            }
            world = if worlds < MAX_WORLDS { this.next() } else { None };
        }
        for hop in &mut found {
            if all_alike {
                hop.route.when.clear();
            }
            if let Some(prefix) = self.within() {
                hop.route.when.push(format!("the path begins with {prefix}"));
            }
            if self.named {
                hop.route.when.push("another way fails".to_owned());
            }
        }
        found
    }

    fn connection(&self, client: Client) -> Connection<'_> {
        let listener = &self.entrance.listener;
        Connection {
            tls: listener.tls,
            auth: listener.auth,
            authority: listener.auth != ClientAuth::Unverified || {
                let named = in_force(&self.server.chain, &["ssl_client_certificate", "ssl_trusted_certificate"]);
                named.unknown || !named.nodes.is_empty()
            },
            client,
            host: listener.hosts.first().map(String::as_str),
            port: listener.ports.first().copied().filter(|_| listener.ports.len() == 1),
        }
    }

    /// The hops of one world: one for each upstream that some client gets to.
    fn world(&self, world: &mut World, visited: &mut Vec<usize>) -> Vec<Hop> {
        let mut hops: Vec<(Place, Hop)> = Vec::new();
        for client in Client::ALL {
            let mut run = Run::new(self.site, self.server, self.connection(client), world, visited);
            let Some(passed) = self.end(&mut run) else { continue };
            let request = request::request(&mut run, &passed);
            let place = passed.pass.place;
            let number = match hops.iter().position(|(known, _)| *known == place) {
                Some(number) => number,
                None => {
                    let hop = self.hop(&mut run, &passed);
                    hops.push((place, hop));
                    hops.len() - 1
                }
            };
            let hop = &mut hops[number].1;
            if client != Client::Anonymous && hop.lost.is_none() {
                hop.lost = request::lost(&mut run, &passed, &request);
            }
            let arrival = &mut hop.arrivals[client as usize];
            *arrival = match (self.entrance.listener.auth, client) {
                // Whether they get through is not to be seen here.
                (ClientAuth::Unknown, Client::Anonymous | Client::Foreign) => Arrival::Unknown,
                _ => Arrival::Reaches(request),
            };
        }
        let mut hops: Vec<Hop> = hops.into_iter().map(|(_, hop)| hop).collect();
        if !self.entrance.listener.auth.asks() {
            self.hypothetical(world, visited, &mut hops);
        }
        hops
    }

    fn end(&self, run: &mut Run<'_, 't>) -> Option<Box<Passed<'t>>> {
        let end = match self.entry {
            Some(entry) if self.named => run.start_named(entry),
            entry => run.start(entry),
        };
        match end {
            End::Pass(passed) => Some(passed),
            End::Stop => None,
        }
    }

    /// What would carry the certificate if one were asked for.
    fn hypothetical(&self, world: &mut World, visited: &mut Vec<usize>, hops: &mut [Hop]) {
        let connection =
            Connection { tls: true, auth: ClientAuth::Required, authority: true, ..self.connection(Client::Verified) };
        let mut world = world.clone();
        let mut run = Run::new(self.site, self.server, connection, &mut world, visited);
        let Some(passed) = self.end(&mut run) else { return };
        let request = request::request(&mut run, &passed);
        let mut carriers: Vec<Carrier> = request
            .certificates()
            .filter_map(|(header, form, slot)| {
                let place = slot.event.as_ref()?.place;
                Some(Carrier { header: header.to_owned(), form, place })
            })
            .collect();
        carriers.sort_by_key(|carrier| carrier.place);
        for hop in hops.iter_mut().filter(|hop| hop.upstream.place == passed.pass.place) {
            hop.carriers.clone_from(&carriers);
        }
    }

    fn hop(&self, run: &mut Run<'_, 't>, passed: &Passed<'t>) -> Hop {
        let listener = &self.entrance.listener;
        let location = passed.location.map(|number| &self.server.locations[number]);
        let prefix = location
            .filter(|location| matches!(location.select, Select::Prefix | Select::Final | Select::Exact))
            .map(|location| location.pattern.as_str());
        let closed = {
            let rules = in_force(&passed.chain, &["allow", "deny"]);
            let open = rules.nodes.iter().any(|rule| rule.name == "allow" && rule.argument(0) == "all");
            !open && rules.nodes.last().is_some_and(|rule| rule.name == "deny" && rule.argument(0) == "all")
        };
        Hop {
            listener: Listener { inner: listener.inner || closed, ..listener.clone() },
            route: Route {
                label: location.map_or_else(|| "the server".to_owned(), Location::label),
                path: self.path(),
                when: Vec::new(),
            },
            upstream: self.upstream(run, passed),
            arrivals: [Arrival::Refused, Arrival::Refused, Arrival::Refused],
            carriers: if listener.auth.asks() { request::carriers(run, passed) } else { Vec::new() },
            lost: None,
            bypass: passed.bypass.map(|place| Event::new(place, Cause::ErrorPage)),
            alias: self.alias(),
            rewrites: request::rewrites(passed, prefix, &listener.hosts),
            logs: logs::logs(run, passed),
            cors: logs::cors(passed),
            consulted: Vec::new(),
            checks_binding: false,
            consumes_authorization: ["auth_basic", "auth_jwt", "auth_request", "auth_oidc"].iter().any(|name| {
                in_force(&passed.chain, &[name]).nodes.first().is_some_and(|node| node.argument(0) != "off")
            }),
        }
    }

    /// The prefix that a pattern's paths must have besides, where it stands within another location.
    fn within(&self) -> Option<&str> {
        let location = &self.server.locations[self.entry?];
        let pattern = matches!(location.select, Select::Pattern { .. });
        let parent = &self.server.locations[location.parent.filter(|_| pattern)?];
        Some(&parent.pattern)
    }

    fn path(&self) -> PathMatch {
        match self.entry.map(|entry| &self.server.locations[entry]) {
            None => PathMatch::Any,
            Some(location) => match location.select {
                Select::Exact => PathMatch::Exact(location.pattern.clone()),
                Select::Prefix | Select::Final => PathMatch::Prefix(location.pattern.clone()),
                Select::Pattern { any_case: true } => PathMatch::Pattern(format!("(?i){}", location.pattern)),
                Select::Pattern { any_case: false } => PathMatch::Pattern(location.pattern.clone()),
                Select::Named => PathMatch::Other,
            },
        }
    }

    fn upstream(&self, run: &mut Run<'_, 't>, passed: &Passed<'t>) -> Upstream {
        let url = passed.pass.argument(0);
        let pieces = run.value(url);
        let url = value::known(&pieces).unwrap_or_else(|| url.to_owned());
        let (scheme, rest) = url.split_once("://").unwrap_or(("", &url));
        let host = match rest.strip_prefix("unix:") {
            Some(path) => format!("unix:{}", path.split(':').next().unwrap_or(path)),
            None => rest.split('/').next().unwrap_or_default().to_ascii_lowercase(),
        };
        let port = if matches!(scheme, "https" | "grpcs") { 443 } else { 80 };
        let names = match self.site.upstreams.get(&host) {
            Some(servers) => std::iter::once(host.clone()).chain(servers.iter().cloned()).collect(),
            None if host.contains('$') => vec![host.clone()],
            None => vec![address(&host, port)],
        };
        let label = if scheme.is_empty() { host } else { format!("{scheme}://{host}") };
        Upstream { label, names, protocol: Family::of(passed.pass).protocol, place: passed.pass.place }
    }

    /// Names with underscores pass if the server says so, or the one that reads the request before it is told apart.
    fn alias(&self) -> Option<Event> {
        let default = self.site.servers.get(self.entrance.default).filter(|_| !self.entrance.listener.tls);
        [Some(self.server), default].into_iter().flatten().find_map(|server| {
            let says =
                |name, word| in_force(&server.chain, &[name]).nodes.into_iter().find(|node| node.argument(0) == word);
            let node = says("underscores_in_headers", "on").or_else(|| says("ignore_invalid_headers", "off"))?;
            Some(Event::new(node.place, Cause::Alias))
        })
    }
}

/// Whether two hops claim the same, but for the conditions.
fn same(a: &Hop, b: &Hop) -> bool {
    let (mut a, mut b) = (a.clone(), b.clone());
    a.route.when.clear();
    b.route.when.clear();
    a == b
}

/// An error page on an upstream of its own is no way around the certificate: only on one that other locations, too, pass
/// requests to.
fn bypasses(hops: &mut [Hop]) {
    let guarded: Vec<Upstream> = hops
        .iter()
        .filter(|hop| hop.bypass.is_none() && hop.listener.auth.asks())
        .map(|hop| hop.upstream.clone())
        .collect();
    for hop in hops.iter_mut().filter(|hop| hop.bypass.is_some()) {
        let other = |upstream: &Upstream| upstream.is(&hop.upstream) && upstream.place != hop.upstream.place;
        if !guarded.iter().any(other) {
            hop.bypass = None;
            for arrival in &mut hop.arrivals {
                if matches!(arrival, Arrival::Reaches(_)) {
                    *arrival = Arrival::Unknown;
                }
            }
        }
    }
}

/// Whether a level holds directives that only servers and locations have.
pub(super) fn is_server(nodes: &[super::tree::Node]) -> bool {
    !own(nodes, &["location", "listen", "server_name"]).is_empty()
}
