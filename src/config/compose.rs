//! Compose files: what the labels and the command of each service say, as trees.

use super::tree::{At, plant};
use crate::syntax::yaml::{Kind, Node};

/// A service of a Compose file.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Its labels below a prefix, their names taken apart at the dots.
    pub labels: Node,
    /// The long options of its command, taken apart likewise.
    pub command: Node,
}

/// The services of a document, with their labels below `prefix` (lower case, with its dot).
pub fn services(document: &Node, prefix: &str) -> Vec<Service> {
    let root = At::root(0, document);
    let empty = || Node { kind: Kind::Mapping(Vec::new()), place: document.place, bytes: document.bytes };
    let mut all = Vec::new();
    for (name, at) in root.get("services").into_iter().flat_map(At::entries) {
        let mut service = Service { name: name.to_owned(), labels: empty(), command: empty() };
        let mut settings: Vec<(String, &Node)> = Vec::new();
        for labels in [at.get("labels"), at.path(&["deploy", "labels"])].into_iter().flatten() {
            let entries = labels.node.entries().iter();
            settings
                .extend(entries.filter_map(|(key, value)| Some((format!("{}={}", key.text()?, value.text()?), key))));
            let items = labels.items().filter(|item| item.node != labels.node);
            settings.extend(items.filter_map(|item| Some((item.node.text()?.to_owned(), item.node))));
        }
        for (text, node) in &settings {
            let (key, value) = text.split_once('=').unwrap_or((text, "true"));
            if let Some(path) = key.trim().to_ascii_lowercase().strip_prefix(prefix) {
                plant(&mut service.labels, path, value, node);
            }
        }
        for word in ["command", "args"].iter().flat_map(|key| at.list(key)) {
            let Some(text) = word.node.text() else { continue };
            for flag in text.split_whitespace().filter_map(|flag| flag.strip_prefix("--")) {
                let (key, value) = flag.split_once('=').unwrap_or((flag, "true"));
                plant(&mut service.command, key, value.trim_matches(['"', '\'']), word.node);
            }
        }
        all.push(service);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::yaml;

    #[test]
    fn labels_and_options_become_trees() {
        let text = "services:\n  a:\n    command: [--entryPoints.web.address=:80, --api]\n    labels:\n    - X.Http.a.b[0].c=1\n    - y=2\n";
        let stream = yaml::parse(text);
        let services = services(&stream.documents[0], "x.");
        let [service] = services.as_slice() else { panic!("one service") };
        let at = At::root(0, &service.labels).path(&["http", "a", "b", "0", "c"]).expect("a label");
        assert_eq!((at.text(), at.node.place.line), (Some("1"), 5));
        let command = At::root(0, &service.command);
        assert_eq!(command.path(&["entrypoints", "web", "address"]).and_then(At::text), Some(":80"));
        assert_eq!(command.word("api"), Some("true"));
    }
}
