//! Workloads that take plain connections from within the cluster: whatever a gateway writes into a header of its own,
//! others can send there past the gateway.

use std::collections::BTreeSet;

use super::{SECURITY, World};
use crate::config::kubernetes::{self, Object};
use crate::gateway::envoy::made::XFCC;
use crate::gateway::hop::{
    Arrival, Cause, Client, ClientAuth, Event, Hop, Listener, PathMatch, Place, Request, Route, Value,
};
use crate::gateway::tree::At;

/// The ways past the gateway to upstreams for which it fills headers of its own. `X-Forwarded-Client-Cert` is none of
/// them: proxies take it away from plain connections.
pub(super) fn ways<'a>(world: &World<'a>, routes: &[Object<'a>], hops: &[Hop]) -> Vec<Hop> {
    let mut ways: Vec<Hop> = Vec::new();
    for policy in world.objects.of_kind(SECURITY, "PeerAuthentication") {
        let Some(mode) = policy.spec().and_then(|spec| spec.path(&["mtls", "mode"])) else { continue };
        if mode.text() != Some("PERMISSIVE")
            || !routes.iter().any(|route| world.objects.sees(route.at.file, policy.at.file))
        {
            continue;
        }
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        for hop in hops.iter().filter(|hop| is_for(world, &policy, hop)) {
            let filled: BTreeSet<&str> = hop
                .requests()
                .flat_map(|(_, request)| request.filled())
                .map(|(name, _)| name)
                .filter(|name| *name != XFCC)
                .collect();
            if !filled.is_empty() && seen.insert(&hop.upstream.label) {
                ways.push(way(hop, &filled, mode.place()));
            }
        }
    }
    ways
}

/// Whether a policy holds for an upstream: for its namespace as a whole, or for the pods that its service selects.
fn is_for(world: &World<'_>, policy: &Object<'_>, hop: &Hop) -> bool {
    let name = hop.upstream.label.split(':').next().unwrap_or_default();
    let Some((service_name, namespace)) = name.strip_suffix(".svc.cluster.local").and_then(|name| name.split_once('.'))
    else {
        return false;
    };
    let selector = policy.spec().and_then(|spec| spec.get("selector")).filter(|at| !at.is_empty());
    match selector {
        None => policy.namespace == Some(namespace),
        Some(selector) if policy.namespace == Some(namespace) => {
            let found = world.objects.find(policy.at.file, &[""], "Service", Some(namespace), service_name).one();
            let labels: Option<At<'_>> = found.and_then(|found| found.spec()?.get("selector"));
            labels.is_some() && kubernetes::selects(selector, labels) == Some(true)
        }
        Some(_) => false,
    }
}

fn way(hop: &Hop, filled: &BTreeSet<&str>, mode: Place) -> Hop {
    let mut request = Request::untouched();
    request.set(XFCC, Vec::new(), None);
    for name in filled {
        request.set(name, vec![Value::Client], Some(Event::new(mode, Cause::NotApplied)));
    }
    let listener = Listener {
        label: format!("{} within the cluster", hop.upstream.label),
        ports: Vec::new(),
        sockets: Vec::new(),
        hosts: Vec::new(),
        tls: false,
        auth: ClientAuth::Off,
        asks_at: None,
        in_vain: None,
        inner: true,
    };
    let route = Route { label: "a way past the gateway".to_owned(), path: PathMatch::Any, when: Vec::new() };
    Hop::new(listener, route, hop.upstream.clone(), Client::ALL.map(|_| Arrival::Reaches(request.clone())))
}
