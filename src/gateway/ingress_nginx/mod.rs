//! ingress-nginx, the controller of the Kubernetes project: Ingresses with its annotations, its ConfigMap, Helm values.
//!
//! The controller writes a configuration for nginx, and so does this front end (`render.rs`, after the controller's own
//! `nginx.tmpl`); what nginx then does, snippets included, is decided by the nginx front end. Client certificates are a
//! matter of the host: what one Ingress asks for holds for all Ingresses of it.

mod objects;
mod render;
mod words;

use std::collections::BTreeSet;

use super::files::Files;
use super::hop::{
    Arrival, Cause, Client, ClientAuth, Consulted, Hop, Listener, PathMatch, Protocol, Request, Route, Upstream,
};
use super::ingress::{self, Ingress};
use super::rule::Rule;
use super::{Configuration, Detail, FrontEnd, Hole, trusted};
use crate::config::kubernetes::{ByFile, Manifests};
use render::{Rendered, Writer};

/// ingress-nginx.
#[derive(Debug)]
pub struct IngressNginx;

impl FrontEnd for IngressNginx {
    fn product(&self) -> &'static str {
        "ingress-nginx"
    }

    fn recognises(&self, _name: &str, text: &str) -> bool {
        objects::may_hold(text)
    }

    fn lower(&self, files: &Files, own: &[u32]) -> Vec<Configuration> {
        let manifests = Manifests::read(files, own);
        let objects = manifests.objects(files);
        let ingresses = objects::ingresses(files, &objects);
        let controllers = objects::controllers(&manifests, &objects);
        let holes = |numbers: &[u32]| -> Vec<Hole> {
            let own = manifests.holes().iter().filter(|(place, _)| numbers.contains(&place.file));
            own.map(|(place, reason)| Hole { place: *place, reason: reason.clone() }).collect()
        };
        let mut all = Vec::new();
        let mut used: BTreeSet<u32> = BTreeSet::new();
        let by_file = ByFile::new(ingresses.iter().map(|ingress| (ingress.object.at.file, ingress)));
        for environment in objects.environments() {
            let here: Vec<&Ingress<'_>> = by_file.within(&environment).copied().collect();
            let controller = controllers.of(&objects, &environment);
            let writer = Writer { files, objects: &objects, controller };
            for group in ingress::groups(files, here) {
                let rendered = writer.write(&group);
                let mut numbers: BTreeSet<u32> = group.iter().map(|ingress| ingress.object.at.file).collect();
                numbers.extend(controller.map(|controller| controller.file()));
                used.extend(controller.map(|controller| controller.file()));
                let numbers: Vec<u32> = numbers.into_iter().collect();
                let holes = holes(&numbers);
                all.push(configuration(rendered, numbers, holes));
            }
        }
        for controller in controllers.all.iter().filter(|controller| !used.contains(&controller.file())) {
            let writer = Writer { files, objects: &objects, controller: Some(*controller) };
            let numbers = vec![controller.file()];
            let holes = holes(&numbers);
            all.push(configuration(writer.write_any(controller), numbers, holes));
        }
        all
    }

    fn reason(&self, rule: Rule, cause: Cause) -> &'static str {
        words::reason(rule, cause)
    }

    fn reason_in_detail(&self, rule: Rule, cause: Cause, detail: Detail) -> &'static str {
        match (rule, detail) {
            (Rule::DpopBroken, Detail::Consulted) => "ingress-nginx-auth-snippet-strips-dpop",
            _ => words::reason(rule, cause),
        }
    }

    fn fix(&self, rule: Rule, cause: Cause, header: Option<&str>) -> String {
        words::fix(rule, cause, header)
    }
}

/// The headers that it sends of every certificate.
const NAMES: &[&str] = &["ssl-client-subject-dn", "ssl-client-issuer-dn"];

fn configuration(rendered: Rendered, files: Vec<u32>, mut holes: Vec<Hole>) -> Configuration {
    let (mut hops, unread) = rendered.sheet.hops();
    holes.extend(unread);
    for hop in &mut hops {
        ingress::names_beside_certificate(hop, NAMES);
        ingress::lost_but_for_names(hop, NAMES);
        if let Some(asked) = rendered.asked.get(&hop.upstream.place) {
            let (label, place) = (asked.label.clone(), asked.place);
            hop.consulted.push(Consulted { label, authorization: true, dpop: false, place });
        }
        let host = hop.listener.hosts.first().map_or("_", String::as_str);
        if let Some((place, cause)) = rendered.vain.get(host).filter(|_| hop.listener.tls)
            && hop.listener.auth == ClientAuth::Off
        {
            hop.listener.asks_at = Some(*place);
            hop.listener.in_vain = Some(*cause);
        }
    }
    for (host, places) in &rendered.passed_through {
        hops.extend(places.iter().filter_map(|place| {
            let target = rendered.sheet.targets.get(place)?;
            let listener = Listener {
                label: format!(":443 {host}"),
                ports: vec![443],
                sockets: Vec::new(),
                hosts: vec![host.clone()],
                tls: false,
                auth: ClientAuth::Off,
                asks_at: None,
                in_vain: None,
                inner: false,
            };
            let route = Route { label: target.route.clone(), path: PathMatch::Any, when: Vec::new() };
            let upstream = Upstream {
                label: target.upstream.clone(),
                names: target.names.clone(),
                protocol: Protocol::Passthrough,
                place: *place,
            };
            Some(Hop::new(listener, route, upstream, Client::ALL.map(|_| Arrival::Reaches(Request::untouched()))))
        }));
    }
    let complete = holes.is_empty();
    Configuration { trusted: trusted::trusted(&hops), files, hops, holes, complete }
}
