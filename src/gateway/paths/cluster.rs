//! Gateways in pods: a Service of Kubernetes selects pods, these are given a ConfigMap, and the configuration in that listens
//! at the Service's target port. Where a selector is not known, or two configurations could be meant, there is no link.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::files::Files;
use super::super::hop::Place;
use super::super::{Configuration, FrontEnd};
use crate::config::kubernetes::{Manifests, Object, Objects, known, may_be_same, may_hold_objects, selects};
use crate::config::tree::At;

/// In larger clusters, by kinds of pods and by Services that somebody sends requests to, nothing is linked.
const MOST: usize = 2_048;

/// A configuration by its number, and a port that it listens at.
type Behind = (usize, u16);

/// Who listens behind the names of Services.
#[derive(Debug, Default)]
pub(super) struct Cluster<'a> {
    /// By configuration and a name that it sends requests to: the configuration behind it, and its port.
    links: HashMap<(usize, &'a str), Behind>,
    /// By configuration, the ports that a Service opens to other machines than those of the cluster, and where.
    open: HashMap<usize, Vec<(u16, Place)>>,
}

/// A port of a Service, with its name, and the configuration behind it, if that is known.
struct Door<'o> {
    port: Option<&'o str>,
    name: Option<&'o str>,
    to: Option<Behind>,
}

impl<'a> Cluster<'a> {
    /// Follows the names of all upstreams.
    pub(super) fn new(files: &'a Files, lowered: &'a [(&'static dyn FrontEnd, Configuration)]) -> Self {
        let mut cluster = Self::default();
        let maps: Vec<(usize, u32, &str)> = lowered
            .iter()
            .enumerate()
            .filter_map(|(number, (_, configuration))| {
                let file = *configuration.files.first()?;
                Some((number, file, files.get(file).object()?))
            })
            .collect();
        if maps.is_empty() {
            return cluster;
        }
        let texts = files.iter().filter(|(_, text)| !text.is_embedded() && may_hold_objects(&text.text));
        let numbers: Vec<u32> = texts.map(|(number, _)| number).collect();
        let manifests = Manifests::read(files, &numbers);
        let objects = manifests.objects(files);
        let mut wanted: BTreeMap<String, Vec<(usize, u32, &'a str)>> = BTreeMap::new();
        for (from, (_, configuration)) in lowered.iter().enumerate() {
            let Some(file) = configuration.files.first() else { continue };
            let names: BTreeSet<&'a str> =
                configuration.hops.iter().flat_map(|hop| &hop.upstream.names).map(String::as_str).collect();
            for name in names {
                if let Some((service, ..)) = taken_apart(name) {
                    wanted.entry(service.to_ascii_lowercase()).or_default().push((from, *file, name));
                }
            }
        }
        let called = |service: &Object<'_>| service.name.and_then(|name| wanted.get(&name.to_ascii_lowercase()));
        let mut found: BTreeMap<(usize, &'a str), BTreeSet<Option<Behind>>> = BTreeMap::new();
        let services: Vec<Object<'_>> =
            objects.of_kind(&[""], "Service").filter(|service| called(service).is_some()).collect();
        let pods: Vec<(Object<'_>, At<'_>)> =
            objects.iter().filter_map(|object| Some((object, object.pod()?))).collect();
        if services.len().max(pods.len()) > MOST {
            return cluster;
        }
        for service in services {
            for door in doors(&objects, files, lowered, &maps, service, &pods) {
                let place = service.at.path(&["spec", "type"]).filter(|_| is_open(&service)).map(At::place);
                if let (Some((configuration, port)), Some(place)) = (door.to, place) {
                    cluster.open.entry(configuration).or_default().push((port, place));
                }
                for (from, file, name) in called(&service).into_iter().flatten() {
                    let Some((_, namespace, port)) = taken_apart(name) else { continue };
                    let same = may_be_same(service.namespace, namespace) && objects.sees(*file, service.at.file);
                    if same && [door.port, door.name].contains(&Some(port)) {
                        found.entry((*from, name)).or_default().insert(door.to);
                    }
                }
            }
        }
        let sure = found.into_iter().filter(|(_, to)| to.len() == 1);
        cluster.links = sure.filter_map(|(from, to)| Some((from, to.first().copied()??))).collect();
        cluster
    }

    /// The configuration that listens where one sends requests to, and its port.
    pub(super) fn to(&self, from: usize, name: &str) -> Option<Behind> {
        self.links.get(&(from, name)).copied()
    }

    /// Where a Service opens a configuration's port to other machines than those of the cluster.
    pub(super) fn opened(&self, configuration: usize, port: u16) -> Option<Place> {
        self.open.get(&configuration)?.iter().find(|(own, _)| *own == port).map(|(_, place)| *place)
    }
}

/// The ports of a Service, and which configurations listen behind them; `maps` are those in ConfigMaps, with their file and the name.
fn doors<'o>(
    objects: &Objects<'o>,
    files: &Files,
    lowered: &[(&'static dyn FrontEnd, Configuration)],
    maps: &[(usize, u32, &str)],
    service: Object<'o>,
    pods: &[(Object<'o>, At<'o>)],
) -> Vec<Door<'o>> {
    let selector = service.at.path(&["spec", "selector"]).filter(|at| !at.is_empty());
    let near = pods.iter().filter(|(object, _)| {
        may_be_same(object.namespace, service.namespace) && objects.sees(service.at.file, object.at.file)
    });
    let selected = |pod: &At<'o>| selector.map_or(Some(false), |all| selects(all, pod.path(&["metadata", "labels"])));
    let chosen: Vec<_> = near.map(|(object, pod)| (object, pod, selected(pod))).collect();
    // Whoever may be selected, too, may be somebody else.
    let unsure = chosen.iter().any(|(.., selected)| selected.is_none());
    let chosen: Vec<_> = chosen.into_iter().filter(|(.., selected)| *selected == Some(true)).collect();
    let mut doors = Vec::new();
    for entry in service.spec().into_iter().flat_map(|spec| spec.list("ports")) {
        let mut found = BTreeSet::new();
        for (object, pod, _) in &chosen {
            let listening = target(entry, **pod).map(|port| {
                let given = given(**pod);
                let here = maps.iter().filter(|(number, file, map)| {
                    given.contains(map)
                        && lowered[*number].1.hops.iter().any(|hop| hop.listener.ports.contains(&port))
                        && belongs(objects, files, *file, map, object)
                });
                here.map(|(number, ..)| (*number, port)).collect::<Vec<_>>()
            });
            match listening.as_deref() {
                Some([one]) => _ = found.insert(Some(*one)),
                _ => _ = found.insert(None),
            }
        }
        let to = found.first().copied().flatten().filter(|_| found.len() == 1 && !unsure);
        doors.push(Door { port: entry.get("port").and_then(known), name: entry.get("name").and_then(known), to });
    }
    doors
}

/// The port of a pod that a port of a Service leads to.
fn target(entry: At<'_>, pod: At<'_>) -> Option<u16> {
    let target = entry.get("targetPort").or(entry.get("port")).and_then(known)?;
    if let Ok(port) = target.parse() {
        return Some(port);
    }
    let mut ports =
        pod.get("spec")?.list("containers").flat_map(|container| container.list("ports").collect::<Vec<_>>());
    ports.find(|port| port.word("name") == Some(target))?.word("containerPort")?.parse().ok()
}

/// The ConfigMaps that a pod is given as files.
fn given(pod: At<'_>) -> BTreeSet<&str> {
    let volumes = pod.get("spec").into_iter().flat_map(|spec| spec.list("volumes").collect::<Vec<_>>());
    volumes
        .flat_map(|volume| {
            let projected = volume.get("projected").into_iter().flat_map(|at| at.list("sources").collect::<Vec<_>>());
            std::iter::once(volume).chain(projected)
        })
        .filter_map(|source| source.path(&["configMap", "name"]).and_then(known))
        .collect()
}

/// Whether the ConfigMap in a text is the one that a pod's object means.
fn belongs(objects: &Objects<'_>, files: &Files, file: u32, map: &str, pod: &Object<'_>) -> bool {
    let origin = &files.get(file).origin;
    let found = objects.find(pod.at.file, &[""], "ConfigMap", pod.namespace, map).one();
    found.is_some_and(|object| files.get(object.at.file).origin == *origin)
}

/// Whether a Service takes requests from outside of the cluster, as far as nothing else is said to whoever sets that up.
fn is_open(service: &Object<'_>) -> bool {
    let Some(spec) = service.spec() else { return false };
    let narrowed = service.annotations().next().is_some() || spec.get("loadBalancerSourceRanges").is_some();
    match spec.word("type") {
        Some("NodePort") => true,
        Some("LoadBalancer") => !narrowed,
        _ => false,
    }
}

/// The service, the namespace and the port in `service.namespace.svc.cluster.local:8080`.
fn taken_apart(name: &str) -> Option<(&str, Option<&str>, &str)> {
    let (host, port) = name.rsplit_once(':')?;
    let short = host.trim_end_matches('.');
    let short = short.strip_suffix(".cluster.local").unwrap_or(short);
    let short = short.strip_suffix(".svc").unwrap_or(short);
    match short.split_once('.') {
        None => Some((short, None, port)),
        Some((service, namespace)) => (!namespace.contains('.')).then_some((service, Some(namespace), port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_services() {
        for (name, expected) in [
            ("inner:8080", Some(("inner", None, "8080"))),
            ("inner.shop:http", Some(("inner", Some("shop"), "http"))),
            ("inner.shop.svc:80", Some(("inner", Some("shop"), "80"))),
            ("inner.shop.svc.cluster.local:80", Some(("inner", Some("shop"), "80"))),
            ("inner.shop.svc.cluster.local.:80", Some(("inner", Some("shop"), "80"))),
            ("api.example.com:80", None),
            ("inner", None),
        ] {
            assert_eq!(taken_apart(name), expected, "{name}");
        }
    }
}
