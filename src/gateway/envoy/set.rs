//! The parts of a configuration, wherever they stand: bootstrap, resource files, dumps of a running Envoy.

use std::collections::BTreeMap;

use crate::gateway::tree::At;
use crate::syntax::yaml::Kind;

/// All that a configuration has.
#[derive(Debug, Default)]
pub(super) struct Set<'a> {
    pub(super) listeners: Vec<At<'a>>,
    /// Route configurations by name.
    pub(super) routes: BTreeMap<&'a str, At<'a>>,
    pub(super) clusters: BTreeMap<&'a str, At<'a>>,
    pub(super) secrets: BTreeMap<&'a str, At<'a>>,
    /// More may come from a management server or a file that is not there.
    pub(super) open: bool,
}

impl<'a> Set<'a> {
    /// Adds what stands in a document.
    pub(super) fn add(&mut self, at: At<'a>) {
        // No deeper than the tree, whose depth is bounded.
        match &at.node.kind {
            Kind::Sequence(_) => at.items().for_each(|item| self.add(item)),
            Kind::Mapping(_) => {
                let name = at.word("name");
                let message = at.word("@type").unwrap_or_default().rsplit('.').next().unwrap_or_default();
                if at.get("filter_chains").is_some() || at.get("default_filter_chain").is_some() {
                    self.listeners.push(at);
                } else if at.get("virtual_hosts").is_some() || message == "RouteConfiguration" {
                    self.routes.entry(name.unwrap_or_default()).or_insert(at);
                } else if at.get("load_assignment").is_some()
                    || message == "Cluster"
                    || name.is_some() && (at.get("connect_timeout").is_some() || at.get("lb_policy").is_some())
                {
                    self.clusters.entry(name.unwrap_or_default()).or_insert(at);
                } else if at.get("validation_context").is_some() && name.is_some() {
                    self.secrets.entry(name.unwrap_or_default()).or_insert(at);
                } else {
                    at.entries().for_each(|(_, value)| self.add(value));
                }
            }
            Kind::Scalar { .. } | Kind::Hole => {}
        }
    }
}

/// An extension: its message type and its configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Typed<'a> {
    /// `envoy.extensions.filters.http.cors.v3.Cors`; empty where only the name tells.
    pub(super) message: &'a str,
    pub(super) config: Option<At<'a>>,
}

impl Typed<'_> {
    /// The extension's own part of its message type, `cors`; failing that, of its name.
    pub(super) fn kind<'n>(&'n self, name: &'n str) -> &'n str {
        let parts: Vec<&str> = self.message.split('.').collect();
        let after = parts.iter().position(|part| matches!(*part, "http" | "network")).map(|at| at + 1);
        match after.and_then(|at| parts.get(at)) {
            Some(kind) if parts.len() > 3 => kind,
            _ if self.message.is_empty() => name.rsplit('.').next().unwrap_or(name),
            _ => self.message,
        }
    }
}

/// Unwraps `typed_config`, also where a `TypedStruct` stands around it, and the older `config`.
pub(super) fn typed(at: At<'_>) -> Typed<'_> {
    let Some(config) = at.get("typed_config").or_else(|| at.get("config")) else {
        return Typed { message: "", config: None };
    };
    let message = config.word("@type").unwrap_or_default();
    if message.ends_with("TypedStruct") {
        let message = config.word("type_url").unwrap_or_default();
        return Typed { message: message.rsplit('/').next().unwrap_or_default(), config: config.get("value") };
    }
    Typed { message: message.rsplit('/').next().unwrap_or_default(), config: Some(config) }
}
