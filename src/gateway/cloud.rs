//! What the front ends of clouds share: configurations from estates, listeners and ways as infrastructure code has them.

use std::collections::BTreeMap;

use super::files::Files;
use super::hop::{Arrival, Client, Cors, Hop, Listener, PathMatch, Place, Protocol, Request, Route, Upstream};
use super::run::{Handshake, Run};
use super::{Configuration, Hole};
use crate::config::estate::{Estate, Field, Identity, Resource, Sources, Value};
use crate::config::terraform::is_terraform;

/// More ways are not looked at.
pub(super) const MOST: usize = 4096;

/// Whether a text may be infrastructure code that declares one of these: types of resources as Terraform has them, and as
/// templates have them.
pub(super) fn declares(name: &str, text: &str, terraform: &[&str], templates: &[&str]) -> bool {
    let has =
        |words: &[&str]| words.iter().any(|word| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some());
    if is_terraform(name) { has(terraform) } else { has(templates) && has(&["Resources"]) }
}

/// The configurations of all estates: `lower` gives one for each of its services.
pub(super) fn configurations(
    files: &Files,
    own: &[u32],
    lower: impl for<'e> Fn(&'e Estate<'e>) -> Vec<Configuration>,
) -> Vec<Configuration> {
    let sources = Sources::read(files, own);
    let mut all = Vec::new();
    for estate in &sources.estates(files) {
        for mut configuration in lower(estate) {
            if configuration.hops.is_empty() && configuration.holes.is_empty() {
                continue;
            }
            configuration.files = estate.numbers().to_vec();
            configuration.complete &= estate.missing().is_empty() && configuration.holes.is_empty();
            all.push(configuration);
        }
    }
    let hole = |(place, reason): &(Place, String)| Hole { place: *place, reason: reason.clone() };
    if let Some(first) = all.first_mut() {
        first.holes.extend(sources.holes.iter().map(hole));
    }
    all
}

/// Whether the code speaks of DPoP. What a list leaves out is worth a word only where somebody sends proofs.
pub(super) fn speaks_of_dpop(estate: &Estate<'_>) -> bool {
    estate.numbers().iter().any(|number| {
        let text = estate.text(*number).as_bytes();
        ["dpop", "DPoP", "DPOP", "Dpop"].iter().any(|word| memchr::memmem::find(text, word.as_bytes()).is_some())
    })
}

/// A port under a key.
pub(super) fn port(field: Field<'_>, key: &str) -> Option<u16> {
    field.text(key)?.parse().ok()
}

/// A way that all requests take.
pub(super) const fn route(label: String) -> Route {
    Route { label, path: PathMatch::Any, when: Vec::new() }
}

/// What browsers are answered, as a block with `allow_headers` and `expose_headers` says it.
pub(super) fn cors(block: Field<'_>) -> Cors {
    let list = |key: &str| {
        block.at(key)?;
        let mut names: Vec<String> = block.texts(key)?.iter().map(|name| name.to_ascii_lowercase()).collect();
        if names.iter().any(|name| name == "*") {
            names.extend(["dpop".to_owned(), "dpop-nonce".to_owned()]);
        }
        Some(names)
    };
    Cors { allow: list("allow_headers"), expose: list("expose_headers"), place: block.place_of("allow_headers") }
}

/// The resource, or whatever else, to which a setting sends requests.
pub(super) fn upstream(setting: Field<'_>, what: &str, label: &[&str]) -> Upstream {
    let value = setting.value();
    let found = match &value {
        Value::Link(link) => setting.estate().resource(link),
        _ => None,
    };
    let (label, names) = match (found, value) {
        (Some(resource), _) => (format!("{what} {}", resource.label(label)), vec![resource.address()]),
        (None, Value::Text(text)) => (text.clone(), vec![super::run::dial(&text)]),
        (None, Value::Link(link)) => (format!("{what} {}", link.address), vec![link.address.to_ascii_lowercase()]),
        (None, _) => {
            let place = setting.place();
            (format!("a {what} that is not here"), vec![format!("{what}#{}:{}", place.file, place.start)])
        }
    };
    Upstream { label, names, protocol: Protocol::Http, place: setting.place() }
}

/// What is behind a resource that does not say itself where requests go.
pub(super) fn behind(resource: &Resource<'_>, label: String) -> Upstream {
    Upstream { label, names: vec![resource.address()], protocol: Protocol::Http, place: resource.place }
}

/// What becomes of each kind of client, given what is done to the request of one that gets through.
pub(super) fn arrivals(handshake: Handshake, act: impl Fn(Client, &mut Run)) -> [Arrival; 3] {
    Client::ALL.map(|client| {
        handshake.arrival(client, |presented| -> Option<Request> {
            let mut run = Run::new(presented);
            act(client, &mut run);
            Some(run.request)
        })
    })
}

/// A listener's way to an upstream, with what becomes of requests on it.
pub(super) fn hop(listener: &Listener, route: Route, upstream: Upstream, arrivals: [Arrival; 3]) -> Hop {
    Hop::new(listener.clone(), route, upstream, arrivals)
}

/// Resources by the one that they refer to.
#[derive(Debug, Default)]
pub(super) struct Referring<'e>(BTreeMap<Identity, Vec<Resource<'e>>>);

impl<'e> Referring<'e> {
    /// Those of `all` that refer to another under one of these keys.
    pub(super) fn new(all: Vec<Resource<'e>>, keys: &[&str]) -> Self {
        let mut by: BTreeMap<Identity, Vec<Resource<'e>>> = BTreeMap::new();
        for one in all {
            if let Some(target) = keys.iter().find_map(|key| one.body.target(key)) {
                by.entry(target.identity()).or_default().push(one);
            }
        }
        Self(by)
    }

    /// Those that refer to it.
    pub(super) fn to(&self, resource: &Resource<'e>) -> &[Resource<'e>] {
        self.0.get(&resource.identity()).map_or(&[], Vec::as_slice)
    }
}
