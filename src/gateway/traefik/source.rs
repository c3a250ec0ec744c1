//! The texts of Traefik's configuration as trees; what Compose files say in labels and commands becomes trees like them.

use crate::config::compose;
use crate::gateway::document::Source;
use crate::gateway::files::Files;
use crate::gateway::tree::{At, plant};
use crate::syntax::yaml::Node;

/// Reads a file; of a Compose file, what its labels and commands amount to.
pub(super) fn read(files: &Files, file: u32) -> Source {
    let mut source = Source::read(files, file);
    for number in 0..source.documents.len() {
        let made = labels(&source.documents[number]);
        source.documents.extend(made);
    }
    source
}

impl Source {
    pub(super) fn is_static(&self) -> bool {
        self.roots().any(|at| {
            ["entryPoints", "accessLog"].iter().any(|key| at.get(key).is_some_and(|at| at.node.text().is_none()))
        })
    }

    /// Where the file provider looks.
    pub(super) fn provided(&self) -> Vec<String> {
        let file = self.roots().filter_map(|at| at.path(&["providers", "file"]));
        file.flat_map(|at| ["directory", "filename"].map(|key| at.word(key)))
            .flatten()
            .map(|path| path.trim_end_matches('/').to_owned())
            .collect()
    }
}

/// What the labels and the command of a Compose file's services say, as trees of configuration.
fn labels(document: &Node) -> Vec<Node> {
    let mut trees = Vec::new();
    for compose::Service { name: service, labels: mut made, command, environment } in
        compose::services(document, "traefik.")
    {
        // A container is the only service that its routers mean, unless they name one.
        for part in ["http", "tcp"] {
            let names = |made: &Node, kind: &str, without: &str| -> Vec<(String, Node)> {
                let at = made.get(part).and_then(|at| at.get(kind));
                let entries = at.into_iter().flat_map(Node::entries).filter(|(_, at)| at.get(without).is_none());
                entries.filter_map(|(key, _)| Some((key.text()?.to_owned(), key.clone()))).collect()
            };
            let only = names(&made, "services", "-").into_iter().next().map_or(service.clone(), |(name, _)| name);
            for (router, key) in names(&made, "routers", "service") {
                plant(&mut made, &format!("{part}.routers.{router}.service"), &only, &key);
                plant(&mut made, &format!("{part}.services.{only}.loadbalancer.container"), &service, &key);
            }
        }
        trees.extend([made, command, environment].into_iter().filter(|node| !node.entries().is_empty()));
    }
    trees
}

/// The words of a list, or of a text with commas.
pub(super) fn words<'a>(at: At<'a>, key: &str) -> Vec<&'a str> {
    let items = at.list(key).filter_map(At::text);
    items.flat_map(|text| text.split(',')).map(str::trim).filter(|word| !word.is_empty()).collect()
}

/// `name@file` as `name`.
pub(super) fn bare(name: &str) -> String {
    name.split('@').next().unwrap_or(name).to_ascii_lowercase()
}
