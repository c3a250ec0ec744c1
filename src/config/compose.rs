//! Compose files: what the labels and the command of each service say, as trees; which files a service is given, and by
//! which names others reach it.

use super::files::normal;
use super::place::Place;
use super::tree::{At, plant};
use crate::syntax::yaml::{Kind, Node};

/// The value of a variable that is set elsewhere, as templates leave it.
const UNKNOWN_VALUE: &str = "\u{fffc}";

/// A service of a Compose file.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Its labels below a prefix, their names taken apart at the dots.
    pub labels: Node,
    /// The long options of its command, taken apart likewise.
    pub command: Node,
    /// The variables of its environment that begin with the prefix in capitals, taken apart at `_`.
    pub environment: Node,
}

/// The services of a document, with their labels below `prefix` (lower case, with its dot).
pub fn services(document: &Node, prefix: &str) -> Vec<Service> {
    let root = At::root(0, document);
    let empty = || Node { kind: Kind::Mapping(Vec::new()), place: document.place, bytes: document.bytes };
    let mut all = Vec::new();
    for (name, at) in root.get("services").into_iter().flat_map(At::entries) {
        let mut service = Service { name: name.to_owned(), labels: empty(), command: empty(), environment: empty() };
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
        service.command = options(document, ["command", "args"].iter().flat_map(|key| at.list(key)));
        let capitals = prefix.to_ascii_uppercase().replace('.', "_");
        service.environment = variables(document, at.get("environment"), &capitals);
        all.push(service);
    }
    all
}

/// A service that is given files from beside its Compose file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounted {
    /// The names by which other services reach it, lower case.
    pub names: Vec<String>,
    /// The files and folders, as paths of the scan.
    pub paths: Vec<String>,
    /// The ports by which it can be reached from outside, too.
    pub published: Vec<Published>,
}

/// A port of a service that can be reached from outside of its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The first and the last port within the service; nothing where that can't be told.
    pub ports: Option<(u16, u16)>,
    /// From the same machine only.
    pub local: bool,
    /// Where that is written.
    pub place: Place,
}

impl Published {
    /// Whether this may publish a port.
    pub fn may_be(&self, port: u16) -> bool {
        self.ports.is_none_or(|(first, last)| (first..=last).contains(&port))
    }

    /// As an item of `ports` says: `127.0.0.1:8443:443/tcp`, or in its long form.
    fn read(at: At<'_>) -> Self {
        let local = |address: &str| address.starts_with("127.") || matches!(address, "localhost" | "[::1]" | "::1");
        let place = at.place();
        let Some(text) = at.text() else {
            let ports = at.word("target").and_then(range);
            return Self { ports, local: at.word("host_ip").is_some_and(local), place };
        };
        let (before, target) = text.rsplit_once(':').unwrap_or(("", text));
        let address = before.rsplit_once(':').map_or("", |(address, _)| address);
        Self { ports: range(target.split('/').next().unwrap_or(target)), local: local(address), place }
    }
}

/// A port, or several in a row.
fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// Whether a text is a Compose file whose services may be given files.
pub fn mounts_files(path: &str, text: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    file.contains("compose")
        && (file.ends_with(".yml") || file.ends_with(".yaml"))
        && has("services:")
        && (has("volumes:") || has("configs:"))
}

/// The services of the Compose file `file`, at `path`, that are given files.
pub fn mounted(file: u32, path: &str, document: &Node) -> Vec<Mounted> {
    let root = At::root(file, document);
    let beside = path.rfind('/').map_or("", |at| &path[..=at]);
    let local = |text: &str| {
        // A name without a dot or a slash at its start is that of a volume.
        let relative = text.starts_with("./") || text.starts_with("../");
        relative.then(|| normal(&format!("{beside}{text}")))
    };
    let mut all = Vec::new();
    for (name, at) in root.get("services").into_iter().flat_map(At::entries) {
        let mut service = Mounted {
            names: vec![name.to_ascii_lowercase()],
            paths: Vec::new(),
            published: at.list("ports").map(Published::read).collect(),
        };
        let host = at.get("network_mode").filter(|mode| mode.text() == Some("host"));
        service.published.extend(host.map(|mode| Published {
            ports: Some((0, u16::MAX)),
            local: false,
            place: mode.place(),
        }));
        let own = ["container_name", "hostname"].iter().filter_map(|key| at.word(key));
        let networks = at.get("networks").into_iter().flat_map(At::entries);
        let aliases =
            networks.flat_map(|(_, network)| network.list("aliases").collect::<Vec<_>>()).filter_map(At::text);
        service.names.extend(own.chain(aliases).map(str::to_ascii_lowercase));
        for volume in at.list("volumes") {
            let source = volume.text().and_then(|text| text.split(':').next()).or(volume.word("source"));
            service.paths.extend(source.and_then(local));
        }
        for config in at.list("configs") {
            let Some(config) = config.text().or(config.word("source")) else { continue };
            let named = root.get("configs").into_iter().flat_map(At::entries).find(|(key, _)| *key == config);
            service.paths.extend(named.and_then(|(_, at)| at.word("file")).and_then(local));
        }
        if !service.paths.is_empty() {
            all.push(service);
        }
    }
    all
}

/// The long options among some words, their names taken apart at the dots; `like` is where they stand.
pub fn options<'a>(like: &Node, words: impl Iterator<Item = At<'a>>) -> Node {
    let mut tree = Node { kind: Kind::Mapping(Vec::new()), place: like.place, bytes: like.bytes };
    for word in words {
        let Some(text) = word.node.text() else { continue };
        for flag in text.split_whitespace().filter_map(|flag| flag.strip_prefix("--")) {
            let (key, value) = flag.split_once('=').unwrap_or((flag, "true"));
            plant(&mut tree, key, value.trim_matches(['"', '\'']), word.node);
        }
    }
    tree
}

/// Settings among environment variables whose names begin with `prefix`, taken apart at `_`; as a list of `name` and
/// `value`, of `NAME=value`, or as a mapping.
pub fn variables(like: &Node, environment: Option<At<'_>>, prefix: &str) -> Node {
    let mut tree = Node { kind: Kind::Mapping(Vec::new()), place: like.place, bytes: like.bytes };
    let mut put = |name: &str, value: &str, node: &Node| {
        if let Some(path) = name.strip_prefix(prefix) {
            plant(&mut tree, &path.to_ascii_lowercase().replace('_', "."), value, node);
        }
    };
    let Some(environment) = environment else { return tree };
    for (name, value) in environment.entries() {
        put(name, value.node.text().unwrap_or(UNKNOWN_VALUE), value.node);
    }
    for item in environment.items().filter(|item| !std::ptr::eq(item.node, environment.node)) {
        match (item.node.text(), item.word("name")) {
            (Some(text), _) => {
                let (name, value) = text.split_once('=').unwrap_or((text, UNKNOWN_VALUE));
                put(name, value, item.node);
            }
            (None, Some(name)) => {
                let value = item.get("value").and_then(|at| at.node.text()).unwrap_or(UNKNOWN_VALUE);
                put(name, value, item.get("value").unwrap_or(item).node);
            }
            _ => {}
        }
    }
    tree
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

    #[test]
    fn services_are_given_files_and_have_names() {
        let text = "services:\n  Inner:\n    container_name: api-gw\n    volumes: [./inner/nginx.conf:/etc/nginx/nginx.conf:ro, data:/d]\n    networks: { a: { aliases: [gw] } }\n  edge:\n    ports: ['443:443']\n    volumes:\n    - { type: bind, source: ../edge, target: /etc/haproxy }\n    configs: [c]\n  app: {}\nconfigs: { c: { file: ./c.cfg } }\n";
        assert!(mounts_files("d/docker-compose.yml", text) && !mounts_files("d/values.yml", text));
        let stream = yaml::parse(text);
        let services = mounted(0, "d/docker-compose.yml", &stream.documents[0]);
        let [inner, edge] = services.as_slice() else { panic!("two services") };
        assert_eq!(inner.names, ["inner", "api-gw", "gw"]);
        assert_eq!((&inner.paths[..], &inner.published[..]), (&["d/inner/nginx.conf".to_owned()][..], &[][..]));
        assert_eq!(
            (&edge.names[..], &edge.paths[..]),
            (&["edge".to_owned()][..], &["edge".to_owned(), "d/c.cfg".into()][..])
        );
        assert_eq!(edge.published.len(), 1);
    }

    #[test]
    fn ports_that_are_published() {
        for (written, ports, local) in [
            ("8080", Some((8080, 8080)), false),
            ("'8443:443/tcp'", Some((443, 443)), false),
            ("127.0.0.1:8443:443", Some((443, 443)), true),
            ("'[::1]:8443:443'", Some((443, 443)), true),
            ("0.0.0.0:9000-9010:8000-8010", Some((8000, 8010)), false),
            ("'${PORT}'", None, false),
            ("{ target: 80, host_ip: 127.0.0.1, published: '8080' }", Some((80, 80)), true),
        ] {
            let stream =
                yaml::parse(&format!("services:\n  a:\n    volumes: [./a.conf:/a]\n    ports:\n    - {written}\n"));
            let services = mounted(0, "compose.yml", &stream.documents[0]);
            let found: Vec<_> = services.iter().flat_map(|one| &one.published).collect();
            let [published] = found.as_slice() else { panic!("{written}") };
            assert_eq!((published.ports, published.local), (ports, local), "{written}");
        }
    }
}
