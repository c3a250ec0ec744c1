//! What a declarative configuration holds: services, routes, plugins with their scopes, upstreams.

use std::collections::BTreeMap;

use crate::gateway::Hole;
use crate::gateway::document::Source;
use crate::gateway::tree::{At, Switch};

/// Plugins by name.
pub(super) type Plugins<'a> = BTreeMap<&'a str, Plugin<'a>>;

/// A plugin where it is in force.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plugin<'a> {
    /// The entity: `name`, `config`.
    pub(super) at: At<'a>,
    /// Its settings; none where it has only defaults.
    pub(super) config: Option<At<'a>>,
}

/// A route with its service.
#[derive(Debug)]
pub(super) struct Route<'a> {
    pub(super) at: At<'a>,
    pub(super) service: Option<At<'a>>,
    /// Whom it names as its service, where that is not here.
    pub(super) missing: bool,
    pub(super) plugins: Plugins<'a>,
}

/// All entities of files that belong together.
#[derive(Debug, Default)]
pub(super) struct Set<'a> {
    pub(super) files: Vec<u32>,
    pub(super) holes: Vec<Hole>,
    services: Vec<At<'a>>,
    /// Routes, each with the service it is nested in.
    routes: Vec<(At<'a>, Option<At<'a>>)>,
    /// Plugins that say themselves where they belong.
    plugins: Vec<At<'a>>,
    /// Settings that plugins share by name.
    shared: BTreeMap<&'a str, At<'a>>,
    pub(super) upstreams: BTreeMap<&'a str, At<'a>>,
}

impl<'a> Set<'a> {
    pub(super) fn new(sources: &[&'a Source]) -> Self {
        let mut set = Self::default();
        for source in sources {
            set.files.push(source.file);
            set.holes.extend(source.holes.iter().cloned());
            for root in source.roots() {
                for service in root.list("services") {
                    set.services.push(service);
                    set.routes.extend(service.list("routes").map(|route| (route, Some(service))));
                }
                set.routes.extend(root.list("routes").map(|route| (route, None)));
                set.plugins.extend(root.list("plugins"));
                set.shared.extend(root.get("_plugin_configs").into_iter().flat_map(At::entries));
                set.upstreams.extend(root.list("upstreams").filter_map(|at| Some((at.word("name")?, at))));
            }
        }
        set
    }

    /// Nothing is proxied.
    pub(super) fn is_empty(&self) -> bool {
        self.routes.is_empty() && self.services.is_empty()
    }

    /// Something that other files have is named here, or nothing is here but plugins.
    pub(super) fn leans_on_others(&self) -> bool {
        let service = |at: &At<'a>| reference(*at, "service").is_some_and(|name| self.service(name).is_none());
        let route = |at: &At<'a>| reference(*at, "route").is_some_and(|name| self.route(name).is_none());
        self.is_empty() && !self.plugins.is_empty()
            || self.routes.iter().any(|(at, nested)| nested.is_none() && service(at))
            || self.plugins.iter().any(|at| service(at) || route(at))
    }

    fn service(&self, name: &str) -> Option<At<'a>> {
        self.services.iter().copied().find(|at| is_called(*at, name))
    }

    fn route(&self, name: &str) -> Option<At<'a>> {
        self.routes.iter().map(|(at, _)| *at).find(|at| is_called(*at, name))
    }

    /// The routes, each with its service and the plugins that are in force.
    pub(super) fn ways(&self) -> Vec<Route<'a>> {
        let named = |at: &At<'a>, key: &str| reference(*at, key).or_else(|| at.get(key).map(|_| "\u{0}"));
        let consumers = |at: &At<'a>| at.get("consumer").is_some() || at.get("consumer_group").is_some();
        let mut global = Plugins::new();
        let mut by_service: BTreeMap<&str, Vec<At<'a>>> = BTreeMap::new();
        let mut by_route: BTreeMap<&str, Vec<At<'a>>> = BTreeMap::new();
        for plugin in self.plugins.iter().filter(|at| !consumers(at)) {
            match (named(plugin, "route"), named(plugin, "service")) {
                (Some(route), _) => by_route.entry(route).or_default().push(*plugin),
                (None, Some(service)) => by_service.entry(service).or_default().push(*plugin),
                (None, None) => self.add(*plugin, &mut global),
            }
        }
        let mut all = Vec::new();
        for (at, nested) in &self.routes {
            let wanted = reference(*at, "service");
            let service = nested.or_else(|| self.service(wanted?));
            let mut plugins = global.clone();
            for (entity, elsewhere) in [(service, &by_service), (Some(*at), &by_route)] {
                let Some(entity) = entity else { continue };
                for key in ["name", "id"].into_iter().filter_map(|key| entity.word(key)) {
                    elsewhere.get(key).into_iter().flatten().for_each(|plugin| self.add(*plugin, &mut plugins));
                }
                entity.list("plugins").filter(|at| !consumers(at)).for_each(|plugin| self.add(plugin, &mut plugins));
            }
            all.push(Route { at: *at, service, missing: service.is_none() && at.get("service").is_some(), plugins });
        }
        all
    }

    /// Puts a plugin in force, in place of the one of a wider scope.
    fn add(&self, plugin: At<'a>, into: &mut Plugins<'a>) {
        let Some(name) = plugin.word("name") else { return };
        if plugin.switch("enabled", true) == Switch::Off {
            return;
        }
        // A cursor takes `_config` and `config` for one.
        let exactly = |key: &str| plugin.entries().find(|(name, _)| *name == key).map(|(_, at)| at);
        let shared = exactly("_config").and_then(|at| self.shared.get(at.text()?)).copied();
        into.insert(name, Plugin { at: plugin, config: exactly("config").or(shared) });
    }
}

/// What an entity names: `service: a`, `service: { name: a }`, `service: { id: … }`.
fn reference<'a>(at: At<'a>, key: &str) -> Option<&'a str> {
    let at = at.get(key)?;
    at.text().or_else(|| at.word("name")).or_else(|| at.word("id"))
}

fn is_called(at: At<'_>, name: &str) -> bool {
    at.word("name") == Some(name) || at.word("id") == Some(name)
}
