//! The objects of a configuration: routes, services, upstreams, certificates, and what they name of each other.

use std::collections::BTreeMap;

use crate::gateway::Hole;
use crate::gateway::document::Source;
use crate::gateway::tree::{At, Switch};

/// Objects by what others name them by.
pub(super) type Named<'a> = BTreeMap<&'a str, At<'a>>;
/// Plugins by name, with their settings.
pub(super) type Plugins<'a> = BTreeMap<&'a str, At<'a>>;

/// All objects of a file.
#[derive(Debug, Default)]
pub(super) struct Set<'a> {
    pub(super) file: u32,
    pub(super) holes: Vec<Hole>,
    /// Routes, each with the service it is nested in, as ADC writes them.
    pub(super) routes: Vec<(At<'a>, Option<At<'a>>)>,
    services: Named<'a>,
    upstreams: Named<'a>,
    plugin_configs: Named<'a>,
    /// Certificates of servers.
    pub(super) ssls: Vec<At<'a>>,
    /// Plugins that run for all routes before those of the route.
    pub(super) global: Plugins<'a>,
    /// What loggers share.
    pub(super) metadata: Named<'a>,
    /// It holds objects as they are sent to the Admin API one by one: there may be others that are kept nowhere.
    pub(super) sent: bool,
}

/// Whether a root is a certificate by itself, which asks clients for theirs.
pub(super) fn is_ssl(root: At<'_>) -> bool {
    root.get("client").is_some() && (root.get("snis").is_some() || root.get("sni").is_some())
}

impl<'a> Set<'a> {
    pub(super) fn new(source: &'a Source) -> Self {
        let mut set = Self { file: source.file, holes: source.holes.clone(), ..Self::default() };
        for root in source.roots() {
            set.add(root);
        }
        set
    }

    fn add(&mut self, root: At<'a>) {
        let is_route = |at: At<'a>| at.get("uri").is_some() || at.get("uris").is_some();
        // A body for the Admin API is an object by itself.
        if is_route(root) && ["upstream", "upstream_id", "service_id"].iter().any(|key| root.get(key).is_some()) {
            self.routes.push((root, None));
            self.sent = true;
        }
        if is_ssl(root) {
            self.ssls.push(root);
        }
        let proxied = ["upstream", "upstream_id", "service_id", "plugins", "plugin_config_id", "script"];
        let plain = root.list("routes").filter(|at| is_route(*at) && proxied.iter().any(|key| at.get(key).is_some()));
        self.routes.extend(plain.map(|at| (at, None)));
        for service in root.list("services") {
            keep(service, &mut self.services);
            let nested = service.list("routes").filter(|at| is_route(*at));
            if service.get("upstream").is_some() || service.get("upstream_id").is_some() {
                self.routes.extend(nested.map(|at| (at, Some(service))));
            }
        }
        root.list("upstreams").for_each(|at| keep(at, &mut self.upstreams));
        root.list("plugin_configs").for_each(|at| keep(at, &mut self.plugin_configs));
        root.list("plugin_metadata").for_each(|at| keep(at, &mut self.metadata));
        if let Some(metadata) = root.get("plugin_metadata") {
            self.metadata.extend(metadata.entries());
        }
        let server =
            |at: &At<'a>| at.word("type").is_none_or(|kind| kind == "server") && at.word("status") != Some("0");
        self.ssls.extend(
            root.list("ssls").chain(root.list("ssl")).filter(server).filter(|at| !at.node.entries().is_empty()),
        );
        for rule in root.list("global_rules") {
            match rule.get("plugins") {
                Some(plugins) => self.global.extend(active(plugins)),
                None => self.global.extend(active(rule).filter(|(name, _)| *name != "id")),
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// The service of a route.
    pub(super) fn service(&self, route: At<'a>, nested: Option<At<'a>>) -> Option<At<'a>> {
        nested.or_else(|| self.services.get(route.word("service_id")?).copied())
    }

    /// The upstream of a route; nothing where it names one that is not here.
    pub(super) fn upstream(&self, route: At<'a>, service: Option<At<'a>>) -> Option<At<'a>> {
        [Some(route), service]
            .into_iter()
            .flatten()
            .find_map(|at| at.get("upstream").or_else(|| self.upstreams.get(at.word("upstream_id")?).copied()))
    }

    /// The plugins of a route, and whether some may be elsewhere.
    pub(super) fn plugins(&self, route: At<'a>, service: Option<At<'a>>) -> (Plugins<'a>, bool) {
        let named =
            |at: At<'a>| at.get("plugin_config_id").map(|id| self.plugin_configs.get(id.text().unwrap_or_default()));
        let configured = named(route);
        let missing = matches!(configured, Some(None)) || route.get("script").is_some();
        let mut plugins = Plugins::new();
        let configured = configured.flatten().copied();
        for at in [service, configured, Some(route)].into_iter().flatten().filter_map(|at| at.get("plugins")) {
            plugins.extend(active(at));
        }
        let elsewhere = route.get("service_id").is_some() && service.is_none();
        (plugins, missing || elsewhere)
    }
}

/// The plugins that are switched on.
fn active<'a>(plugins: At<'a>) -> impl Iterator<Item = (&'a str, At<'a>)> {
    plugins.entries().filter(|(_, at)| {
        let off = |at: At<'a>| at.switch("disable", false) == Switch::On;
        !off(*at) && !at.get("_meta").is_some_and(off)
    })
}

fn keep<'a>(at: At<'a>, into: &mut Named<'a>) {
    for key in ["id", "name"].into_iter().filter_map(|key| at.word(key)) {
        into.entry(key).or_insert(at);
    }
}
