//! Ingresses as their controllers read them: hosts and paths, and annotations that a template may decide.

use std::collections::{BTreeMap, BTreeSet};

use super::files::Files;
use super::hop::{Arrival, Cause, ClientAuth, Event, Hop, Listener, PathMatch, Protocol, Route, Upstream, Value};
use super::tree::At;
use crate::config::kubernetes::{self, Object, Objects};

/// The groups that Ingresses have been in.
const GROUPS: [&str; 2] = ["networking.k8s.io", "extensions"];
/// Where more files of one folder than these lead to one service, they are examples and no deployment.
const MOST_FILES: usize = 4;

/// A setting.
#[derive(Debug, Clone, Copy)]
pub(super) enum Setting<'a> {
    /// It is not set.
    Absent,
    /// It is set to this.
    Text(&'a str, At<'a>),
    /// A template decides.
    Unknown,
}

/// An Ingress.
#[derive(Debug)]
pub(super) struct Ingress<'a> {
    pub(super) object: Object<'a>,
    pub(super) rules: Vec<Rule<'a>>,
    /// A template may add annotations.
    pub(super) open: bool,
    prefixes: &'static [&'static str],
}

/// What an Ingress does for a host.
#[derive(Debug, Clone)]
pub(super) struct Rule<'a> {
    /// The host, lower case; `_` for all others.
    pub(super) host: String,
    pub(super) paths: Vec<Path<'a>>,
}

/// A path of a host.
#[derive(Debug, Clone)]
pub(super) struct Path<'a> {
    pub(super) path: &'a str,
    pub(super) exact: bool,
    /// The line that sends requests on.
    pub(super) at: At<'a>,
    pub(super) service: Option<&'a str>,
    pub(super) port: Option<&'a str>,
}

/// The Ingresses among the objects that `own` says are a controller's. Where an object of the same name has annotations and
/// no rules, it is a patch, of Kustomize as a rule, which may add any to the Ingress that it means.
pub(super) fn all<'a>(
    files: &Files,
    objects: &Objects<'a>,
    prefixes: &'static [&'static str],
    own: impl Fn(&Object<'a>) -> bool,
) -> Vec<Ingress<'a>> {
    let of_kind = || objects.of_kind(&GROUPS, "Ingress");
    let is_patch = |object: &Object<'a>| {
        let rules =
            object.spec().is_some_and(|spec| spec.get("rules").is_some() || spec.get("defaultBackend").is_some());
        !rules && object.annotations().next().is_some()
    };
    let patched: BTreeSet<&str> = of_kind().filter(is_patch).filter_map(|object| object.name).collect();
    let mut ingresses: Vec<Ingress<'a>> =
        of_kind().filter(own).filter_map(|object| Ingress::read(files, object, prefixes)).collect();
    for ingress in &mut ingresses {
        ingress.open |= ingress.object.name.is_some_and(|name| patched.contains(name));
    }
    ingresses
}

impl<'a> Ingress<'a> {
    /// Reads an Ingress; `prefixes` are what the annotations of its controller begin with.
    fn read(files: &Files, object: Object<'a>, prefixes: &'static [&'static str]) -> Option<Self> {
        let spec = object.spec()?;
        let mut rules: Vec<Rule<'a>> = spec.list("rules").map(Rule::read).collect();
        if let Some(at) = spec.get("defaultBackend").or_else(|| spec.get("backend")) {
            let path = Path::of_backend("/", false, at);
            rules.push(Rule { host: "_".to_owned(), paths: vec![path] });
        }
        let open = kubernetes::has_open_metadata(files, &object);
        Some(Self { object, rules, open, prefixes })
    }

    /// The class that says which controller serves an Ingress.
    pub(super) fn class(object: &Object<'a>) -> Option<&'a str> {
        let class = object.at.path(&["spec", "ingressClassName"]);
        class.or(object.annotation("kubernetes.io/ingress.class")).and_then(At::text)
    }

    /// An annotation, if it stands there.
    pub(super) fn annotation(&self, name: &str) -> Option<At<'a>> {
        let mut all = self.object.annotations();
        let own = |key: &str| self.prefixes.iter().any(|prefix| key.strip_prefix(prefix) == Some(name));
        all.find(|(key, _)| own(key)).map(|(_, at)| at)
    }

    /// What an annotation says.
    pub(super) fn setting(&self, name: &str) -> Setting<'a> {
        match self.annotation(name).map(|at| (kubernetes::known(at), at)) {
            Some((Some(text), at)) => Setting::Text(text.trim(), at),
            Some((None, at)) if at.is_empty() => Setting::Absent,
            Some(_) => Setting::Unknown,
            None if self.open => Setting::Unknown,
            None => Setting::Absent,
        }
    }

    /// The text of an annotation, where it is known.
    pub(super) fn word(&self, name: &str) -> Option<(&'a str, At<'a>)> {
        match self.setting(name) {
            Setting::Text(text, at) => Some((text, at)),
            _ => None,
        }
    }

    /// A switch; nothing where a template decides.
    pub(super) fn switch(&self, name: &str, default: bool) -> Option<bool> {
        match self.setting(name) {
            Setting::Absent => Some(default),
            Setting::Text(text, _) => Some(is_true(text)),
            Setting::Unknown => None,
        }
    }

    /// Whether a certificate of the host's own is configured.
    pub(super) fn has_certificate(&self, host: &str) -> bool {
        let tls = self.object.spec().into_iter().flat_map(|spec| spec.list("tls"));
        tls.flat_map(|tls| tls.list("hosts")).filter_map(At::text).any(|name| name.eq_ignore_ascii_case(host))
    }
}

/// What Go takes for true.
pub(super) fn is_true(text: &str) -> bool {
    matches!(text, "true" | "True" | "TRUE" | "t" | "T" | "1")
}

impl<'a> Rule<'a> {
    fn read(at: At<'a>) -> Self {
        let host = at.get("host").and_then(kubernetes::known).unwrap_or("_").to_ascii_lowercase();
        let paths = at.get("http").into_iter().flat_map(|http| http.list("paths"));
        let paths = paths.filter_map(|path| {
            let exact = path.word("pathType") == Some("Exact");
            Some(Path::of_backend(path.word("path").unwrap_or("/"), exact, path.get("backend")?))
        });
        Self { host, paths: paths.collect() }
    }
}

impl<'a> Path<'a> {
    fn of_backend(path: &'a str, exact: bool, backend: At<'a>) -> Self {
        let new = backend.get("service").filter(|service| service.node.text().is_none());
        let service = new.and_then(|service| service.get("name")).or_else(|| backend.get("serviceName"));
        let port = match new.and_then(|service| service.get("port")) {
            Some(port) => port.get("number").or_else(|| port.get("name")),
            None => backend.get("servicePort"),
        };
        Self {
            path,
            exact,
            at: service.unwrap_or(backend),
            service: service.and_then(kubernetes::known),
            port: port.and_then(kubernetes::known),
        }
    }
}

/// A way through a controller: where clients connect to, over TLS or not, what they ask for and which service gets it.
pub(super) fn way<'a>(
    objects: &Objects<'a>,
    ingress: &Ingress<'a>,
    host: &str,
    path: &Path<'a>,
    (port, tls): (u16, bool),
) -> (Listener, Route, Upstream) {
    let listener = Listener {
        label: if host == "_" { format!(":{port}") } else { format!(":{port} {host}") },
        ports: vec![port],
        sockets: Vec::new(),
        hosts: if host == "_" { Vec::new() } else { vec![host.to_owned()] },
        tls,
        auth: ClientAuth::Off,
        asks_at: None,
        in_vain: None,
        inner: false,
    };
    let matched = match path.path {
        "/" => PathMatch::Any,
        exact if path.exact => PathMatch::Exact(exact.to_owned()),
        prefix => PathMatch::Prefix(prefix.to_owned()),
    };
    let label = format!("{} of {}", path.path, ingress.object.label());
    let route = Route { label, path: matched, when: Vec::new() };
    let (service, number) = (path.service.unwrap_or("not known"), path.port.unwrap_or("80"));
    let names = match path.service {
        Some(service) => objects.service_names(ingress.object.at.file, ingress.object.namespace, service, number),
        // Nobody else's.
        None => vec![format!("a service of {:?}", path.at.place())],
    };
    let label = format!("service {service}:{number}");
    let upstream = Upstream { label, names, protocol: Protocol::Http, place: path.at.place() };
    (listener, route, upstream)
}

/// Where the whole certificate is passed on, or meant to be, the names and hashes that a controller always sends beside it, in
/// these headers, say nothing more: what is wrong with all of them is one thing.
pub(super) fn names_beside_certificate<N: AsRef<str>>(hop: &mut Hop, names: &[N]) {
    let meant = hop.carriers.iter().any(|carrier| carrier.form.shows_binding());
    for arrival in &mut hop.arrivals {
        let Arrival::Reaches(request) = arrival else { continue };
        if !meant && !request.certificates().any(|(_, form, _)| form.shows_binding()) {
            continue;
        }
        for name in names {
            if let Some(slot) = request.headers.get_mut(name.as_ref())
                && matches!(slot.values.as_slice(), [Value::Certificate(form)] if !form.shows_binding())
            {
                slot.values = vec![Value::Other];
            }
        }
    }
}

/// Names that a controller sends whatever is asked of it are nothing that anybody relies on: where only these headers tell
/// of the certificate, it is lost, at the place that has them sent.
pub(super) fn lost_but_for_names(hop: &mut Hop, names: &[&str]) {
    for arrival in &mut hop.arrivals {
        let Arrival::Reaches(request) = arrival else { continue };
        if !request.certificates().all(|(name, ..)| names.contains(&name)) {
            continue;
        }
        for name in names {
            let Some(slot) = request.headers.get_mut(*name) else { continue };
            if let ([Value::Certificate(_)], Some(event)) = (slot.values.as_slice(), &slot.event) {
                hop.lost.get_or_insert_with(|| Event::new(event.place, Cause::Untouched));
                slot.values = vec![Value::Other];
            }
        }
    }
}

/// Ingresses that have to do with each other: they serve the same host or lead to the same service, and lie in one file or
/// one folder, or in folders one below the other. A service that many files of a folder lead to joins none of them: those
/// are examples, each by itself.
pub(super) fn groups<'i, 'a>(files: &Files, ingresses: Vec<&'i Ingress<'a>>) -> Vec<Vec<&'i Ingress<'a>>> {
    fn root(of: &mut [usize], mut at: usize) -> usize {
        while of[at] != at {
            of[at] = of[of[at]];
            at = of[at];
        }
        at
    }
    let folder = |file: u32| files.get(file).path().rsplit_once('/').map_or("", |(folder, _)| folder);
    let keys = |ingress: &Ingress<'a>| -> BTreeSet<String> {
        let hosts = ingress.rules.iter().filter(|rule| rule.host != "_").map(|rule| rule.host.clone());
        let paths = ingress.rules.iter().flat_map(|rule| &rule.paths);
        let namespace = ingress.object.namespace.unwrap_or_default();
        hosts.chain(paths.filter_map(|path| Some(format!("{namespace}/{}", path.service?)))).collect()
    };
    let mut holders: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for ingress in &ingresses {
        for key in keys(ingress) {
            holders.entry(key).or_default().insert(ingress.object.at.file);
        }
    }
    let joins = |key: &String| !key.contains('/') || holders.get(key).is_none_or(|files| files.len() <= MOST_FILES);
    let mut of: Vec<usize> = (0..ingresses.len()).collect();
    let mut in_file: BTreeMap<(String, u32), usize> = BTreeMap::new();
    let mut first: BTreeMap<(String, &str), usize> = BTreeMap::new();
    for (number, ingress) in ingresses.iter().enumerate() {
        let here = folder(ingress.object.at.file);
        for key in keys(ingress) {
            let other = match joins(&key) {
                true => *first.entry((key, here)).or_insert(number),
                false => *in_file.entry((key, ingress.object.at.file)).or_insert(number),
            };
            let (a, b) = (root(&mut of, number), root(&mut of, other));
            of[a.max(b)] = a.min(b);
        }
    }
    let folders: Vec<((String, &str), usize)> = first.iter().map(|(key, number)| (key.clone(), *number)).collect();
    for ((key, here), number) in folders {
        let mut outer = here;
        while let Some(up) = outer.rsplit_once('/').map(|(up, _)| up).or_else(|| (!outer.is_empty()).then_some("")) {
            if let Some(other) = first.get(&(key.clone(), up)) {
                let (a, b) = (root(&mut of, number), root(&mut of, *other));
                of[a.max(b)] = a.min(b);
            }
            outer = up;
        }
    }
    let mut groups: BTreeMap<usize, Vec<&'i Ingress<'a>>> = BTreeMap::new();
    for (number, ingress) in ingresses.into_iter().enumerate() {
        groups.entry(root(&mut of, number)).or_default().push(ingress);
    }
    groups.into_values().collect()
}
