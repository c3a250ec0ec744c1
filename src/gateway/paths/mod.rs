//! Paths: gateways one behind the other, as configurations of one scan name each other. What no hop shows by itself is
//! shown by the way through all of them: that an inner gateway clears what the one in front has filled, that nobody
//! clears what the inner one trusts, or that somebody does.
//!
//! `links` finds out whose listener an upstream is, in clusters with `cluster`; `through` composes hops, here the way as a
//! whole is judged. What a path explains better than a hop is told once, as the path's.

mod cluster;
mod links;
mod through;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use links::{Links, Number};

use super::checks::{self, Detail, Fault};
use super::evidence::Evidence;
use super::files::Files;
use super::hop::{Arrival, Cause, Client, ClientAuth, Event, Hop, Others, Place, Protocol, Request, Value};
use super::rule::Rule;
use super::{Configuration, FrontEnd};
use crate::finding::Severity;

/// So many gateways one behind the other are followed.
const LONGEST: usize = 6;
/// So many paths in all.
const MOST: usize = 4_096;
/// So many pairs of hops that requests may go through one after the other.
const PAIRS: usize = 100_000;

/// A way through several gateways.
struct Path {
    /// The hops, the edge first.
    hops: Vec<Number>,
    /// Where requests go, as one hop.
    whole: Hop,
    /// What comes to the last hop, as one hop; nothing where bytes of the client's connection do.
    before: Option<Hop>,
}

/// All paths.
pub(super) struct Paths<'a> {
    links: Links<'a>,
    all: Vec<Path>,
    /// The hop at which following stopped, since there are too many.
    pub(super) stopped: Option<Place>,
    /// The hops that lead to other gateways of the scan.
    inside: BTreeSet<Number>,
}

/// A fault, and what paths have to do with it.
pub(super) struct Told<'a> {
    pub(super) fault: Fault<'a>,
    /// The configuration whose line it is.
    pub(super) configuration: usize,
    /// The gateways on the way, the edge first.
    pub(super) path: Vec<String>,
    /// What a path says about it.
    pub(super) note: Option<String>,
    /// What to do, where that is not the product's own affair.
    pub(super) fix: Option<String>,
}

impl<'a> Told<'a> {
    fn plain(fault: Fault<'a>, configuration: usize) -> Self {
        Self { fault, configuration, path: Vec::new(), note: None, fix: None }
    }
}

impl<'a> Paths<'a> {
    /// Follows requests from every edge.
    pub(super) fn follow(files: &'a Files, lowered: &'a [(&'static dyn FrontEnd, Configuration)]) -> Self {
        let links = Links::new(files, lowered);
        let mut paths = Self { links, all: Vec::new(), stopped: None, inside: BTreeSet::new() };
        let mut next: BTreeMap<Number, Vec<Number>> = BTreeMap::new();
        let mut pairs = 0;
        let hops = lowered.iter().enumerate().flat_map(|(number, (_, configuration))| {
            configuration.hops.iter().enumerate().map(move |(at, hop)| ((number, at), hop))
        });
        for (number, hop) in hops {
            let to = paths.links.next(number, hop);
            pairs += to.len();
            if pairs > PAIRS {
                paths.stopped = Some(hop.upstream.place);
                break;
            }
            if !to.is_empty() {
                next.insert(number, to);
            }
        }
        let inner: HashSet<Number> = next.values().flatten().copied().collect();
        let edges: Vec<Number> = next.keys().copied().filter(|hop| !inner.contains(hop)).collect();
        for edge in edges {
            let whole = paths.links.hop(edge).clone();
            paths.extend(&[edge], &whole, &next);
        }
        paths.inside = next.into_keys().collect();
        paths
    }

    /// The ways from clients to what is no gateway of the scan: whole paths, and hops by themselves.
    pub(super) fn ways(&self, lowered: &[(&'static dyn FrontEnd, Configuration)]) -> Vec<Hop> {
        let leaves = |path: &&Path| path.hops.last().is_some_and(|last| !self.inside.contains(last));
        let mut ways: Vec<Hop> = self.all.iter().filter(leaves).map(|path| path.whole.clone()).collect();
        for (number, (_, configuration)) in lowered.iter().enumerate() {
            let alone = |at: &usize| !self.inside.contains(&(number, *at));
            ways.extend((0..configuration.hops.len()).filter(alone).map(|at| configuration.hops[at].clone()));
        }
        ways
    }

    /// All ways on from here.
    fn extend(&mut self, hops: &[Number], whole: &Hop, next: &BTreeMap<Number, Vec<Number>>) {
        let Some(last) = hops.last().filter(|_| hops.len() < LONGEST) else { return };
        for number in next.get(last).into_iter().flatten() {
            if hops.contains(number) {
                continue;
            }
            if self.all.len() >= MOST {
                self.stopped.get_or_insert(whole.upstream.place);
                return;
            }
            let through = whole.upstream.protocol == Protocol::Passthrough;
            let longer = through::both(whole, self.links.hop(*number));
            let hops = [hops, &[*number]].concat();
            self.all.push(Path {
                hops: hops.clone(),
                whole: longer.clone(),
                before: (!through).then(|| whole.clone()),
            });
            self.extend(&hops, &longer, next);
        }
    }

    /// What is told in the end, given what each configuration's hops show by themselves.
    pub(super) fn judge<'b>(
        &'b self,
        files: &Files,
        lowered: &'b [(&'static dyn FrontEnd, Configuration)],
        faults: Vec<Vec<Fault<'b>>>,
    ) -> Vec<Told<'b>> {
        if self.all.is_empty() {
            let told = |(number, faults): (usize, Vec<Fault<'b>>)| {
                faults.into_iter().map(move |fault| Told::plain(fault, number))
            };
            return faults.into_iter().enumerate().flat_map(told).collect();
        }
        let mut ends: HashMap<*const Hop, Vec<&Path>> = HashMap::new();
        for path in &self.all {
            if let Some(last) = path.hops.last() {
                ends.entry(std::ptr::from_ref(self.links.hop(*last))).or_default().push(path);
            }
        }
        // What the edges of paths are already told of.
        let spoofable = |fault: &Fault<'_>| (fault.rule == Rule::Spoofable).then(|| fault.header.clone()).flatten();
        let known: HashSet<(*const Hop, String)> = faults
            .iter()
            .flatten()
            .filter_map(|fault| Some((std::ptr::from_ref(fault.hop), spoofable(fault)?)))
            .collect();
        let mut told = Vec::new();
        let mut lost = BTreeSet::new();
        for path in &self.all {
            if let Some(fault) = self.lost(path, files, lowered)
                && lost.insert((fault.fault.place, fault.fault.header.clone()))
            {
                told.push(fault);
            }
        }
        let explained: HashSet<Place> = lost.iter().map(|(place, _)| *place).collect();
        let mut open = BTreeSet::new();
        for path in &self.all {
            if let Some(fault) = self.open_beside(path, &known, lowered)
                && open.insert((fault.fault.place, fault.fault.header.clone()))
            {
                told.push(fault);
            }
        }
        for (number, faults) in faults.into_iter().enumerate() {
            for fault in faults {
                let paths = ends.get(&std::ptr::from_ref(fault.hop)).map(Vec::as_slice).unwrap_or_default();
                match (fault.rule, &fault.header) {
                    _ if paths.is_empty() => told.push(Told::plain(fault, number)),
                    (Rule::Spoofable, Some(_)) if fault.detail != Detail::Alias => {
                        told.extend(self.spoofable(fault, number, paths, &known, lowered));
                    }
                    (Rule::Stripped | Rule::Weak | Rule::Malformed, _) => {
                        // Told as the path's already.
                        if !explained.contains(&fault.place) {
                            told.extend(self.passed(fault, number, paths, lowered));
                        }
                    }
                    _ => told.push(Told::plain(fault, number)),
                }
            }
        }
        told
    }

    /// The proof came as far as the last hop, and does not come out of it.
    fn lost<'b>(
        &'b self,
        path: &'b Path,
        files: &Files,
        lowered: &[(&'static dyn FrontEnd, Configuration)],
    ) -> Option<Told<'b>> {
        let (before, last) = (path.before.as_ref()?, *path.hops.last()?);
        let (inner, whole) = (self.links.hop(last), &path.whole);
        // A way that only some requests take may be the one that nobody takes who has a certificate.
        let looked_at = before.checks_binding || inner.checks_binding || whole.route.path.is_probe();
        if !before.listener.auth.asks() || !inner.route.when.is_empty() || looked_at || !checks::speaks_headers(whole) {
            return None;
        }
        let sent = before.arrival(Client::Verified).request()?;
        let got = path.whole.arrival(Client::Verified).request()?;
        let (header, filled) = strong(sent)?;
        let elsewhere = |name: &str| !matches!(name, "authorization" | "dpop");
        let unknown = got.others == Others::Unknown
            || got.headers.iter().any(|(name, slot)| elsewhere(name) && slot.values.contains(&Value::Unknown))
            || whole.arrivals.contains(&Arrival::Unknown);
        if unknown || strong(got).is_some() {
            return None;
        }
        let event = got.slot(header).event;
        let (cause, place) =
            event.as_ref().map_or((Cause::Untouched, inner.upstream.place), |event| (event.cause, event.place));
        // A gateway that consumes it has looked at it.
        if matches!(cause, Cause::Untouched | Cause::Consumed) || filled == Some(place) {
            return None;
        }
        let files_of = |number: &Number| lowered[number.0].1.files.clone();
        let all: Vec<u32> = path.hops.iter().flat_map(files_of).collect();
        let asks = before.listener.asks_at.map(|at| (at, "asks for the client certificate".to_owned()));
        let filled = filled.map(|at| (at, "fills the header from the connection".to_owned()));
        let sends = before_last(path, &self.links)
            .map(|hop| (hop.upstream.place, "requests go on to this gateway here".to_owned()));
        let (edge, product) = (&before.listener.label, lowered[last.0].0.product());
        let name = super::words::written(header);
        Some(Told {
            fault: Fault {
                rule: Rule::Stripped,
                severity: if Evidence::of(files, &all).any() { Severity::High } else { Severity::Medium },
                cause,
                hop: whole,
                header: Some(header.to_owned()),
                place,
                related: asks.into_iter().chain(filled).chain(sends).collect(),
                detail: Detail::Plain,
            },
            configuration: last.0,
            path: self.names(path, lowered),
            note: Some(format!("{name} holds the certificate when it comes here, and no more when it leaves")),
            fix: Some(format!(
                "Let {name} pass {product} {} for requests that come from {edge}, and let nobody else reach that listener.",
                inner.listener.label
            )),
        })
    }

    /// The edge fills a header, and the last hop, which passes it on as it comes, can be reached past the edge: a Compose file
    /// publishes its port, or a Service opens it. `known` are the hops that are told of by themselves.
    fn open_beside<'b>(
        &'b self,
        path: &'b Path,
        known: &HashSet<(*const Hop, String)>,
        lowered: &[(&'static dyn FrontEnd, Configuration)],
    ) -> Option<Told<'b>> {
        let (before, last) = (path.before.as_ref()?, *path.hops.last()?);
        let (inner, (place, remedy)) = (self.links.hop(last), self.links.published(last)?);
        // Whoever gets in there has shown a certificate of the gateway in front.
        let mutual = inner.listener.auth == ClientAuth::Required;
        if mutual || !before.listener.auth.asks() || inner.route.path.is_probe() || !checks::speaks_headers(inner) {
            return None;
        }
        let sent = before.arrival(Client::Verified).request()?;
        let (header, filled) = strong(sent)?;
        let client = forger(inner, header)?;
        if known.contains(&(std::ptr::from_ref(inner), header.to_owned())) {
            return None;
        }
        let names = self.names(path, lowered);
        let [.., edge, _] = names.as_slice() else { return None };
        let filled = filled.map(|at| (at, "fills the header from the connection".to_owned()));
        let name = super::words::written(header);
        Some(Told {
            fault: Fault {
                rule: Rule::Spoofable,
                severity: if client == Client::Verified { Severity::Medium } else { Severity::High },
                cause: Cause::Untouched,
                hop: inner,
                header: Some(header.to_owned()),
                place,
                related: std::iter::once((inner.upstream.place, "passes it on as it comes".to_owned()))
                    .chain(filled)
                    .collect(),
                detail: Detail::By(client),
            },
            configuration: last.0,
            note: Some(format!("this port leads past {edge}, which alone sets {name}")),
            fix: Some(format!("{remedy}: {name} must come from the gateway in front.")),
            path: names.clone(),
        })
    }

    /// A header that the last hop passes as it came: whether a client can have sent it depends on who is in front.
    fn spoofable<'b>(
        &'b self,
        fault: Fault<'b>,
        number: usize,
        paths: &[&'b Path],
        known: &HashSet<(*const Hop, String)>,
        lowered: &[(&'static dyn FrontEnd, Configuration)],
    ) -> Vec<Told<'b>> {
        let Some(name) = fault.header.clone() else { return vec![Told::plain(fault, number)] };
        let sends = |path: &&'b Path| Some((forger(&path.whole, &name)?, *path));
        let open: Vec<(Client, &Path)> = paths.iter().filter_map(sends).collect();
        if open.is_empty() {
            let sure = paths.iter().all(|path| {
                let unknown = |arrival: &Arrival| match arrival {
                    Arrival::Unknown => true,
                    Arrival::Refused => false,
                    Arrival::Reaches(request) => request.slot(&name).values.contains(&Value::Unknown),
                };
                !path.whole.arrivals.iter().any(unknown)
            });
            return match (sure, paths.first()) {
                (true, Some(path)) => self.lower(fault, number, path, "overwrites or clears it", lowered),
                _ => vec![Told::plain(fault, number)],
            };
        }
        let mut told = Vec::new();
        let mut places = BTreeSet::new();
        for (client, path) in open {
            let edge = self.links.hop(path.hops[0]);
            if known.contains(&(std::ptr::from_ref(edge), name.clone())) {
                continue; // told of the edge itself
            }
            let through = edge.upstream.protocol == Protocol::Passthrough;
            // Who lets bytes through can clear nothing.
            let (configuration, place, cause) = if through {
                (number, fault.place, fault.cause)
            } else {
                let event = edge.arrival(client).request().and_then(|request| request.slot(&name).event);
                let (place, cause) =
                    event.map_or((edge.upstream.place, Cause::Untouched), |event| (event.place, event.cause));
                (path.hops[0].0, place, cause)
            };
            if !places.insert(place) {
                continue;
            }
            let passes = (fault.place != place).then(|| (fault.place, "passes it on as it comes".to_owned()));
            let severity = match (edge.listener.inner, client) {
                (true, _) => Severity::Low,
                (false, Client::Verified) => Severity::Medium,
                _ => Severity::High,
            };
            let (hop, detail, header) = (&path.whole, Detail::By(client), Some(name.clone()));
            let related = passes.into_iter().chain(fault.related.clone()).collect();
            let fault = Fault { rule: Rule::Spoofable, severity, cause, hop, header, place, related, detail };
            told.push(Told {
                note: Some(format!("no gateway on the way clears {}", super::words::written(&name))),
                path: self.names(path, lowered),
                ..Told::plain(fault, configuration)
            });
        }
        told
    }

    /// What an inner gateway makes of a certificate that it asks for: that is the certificate of the gateway in front.
    fn passed<'b>(
        &'b self,
        fault: Fault<'b>,
        number: usize,
        paths: &[&'b Path],
        lowered: &[(&'static dyn FrontEnd, Configuration)],
    ) -> Vec<Told<'b>> {
        let arrives = |path: &&Path| {
            path.before.is_some() && path.whole.arrival(Client::Verified).request().and_then(strong).is_some()
        };
        // It asks for certificates, so whoever gets in is let in by one: the gateway in front by its own.
        let mutual = fault.rule == Rule::Stripped && fault.hop.listener.auth == ClientAuth::Required;
        match paths.first().filter(|_| paths.iter().all(arrives)) {
            Some(_) if mutual => Vec::new(),
            Some(path) => self.lower(fault, number, path, "passes the client's certificate on in a header", lowered),
            None => vec![Told::plain(fault, number)],
        }
    }

    /// A fault that is none where all requests come by the gateway in front: it goes where that is sure, else it weighs less.
    fn lower<'b>(
        &'b self,
        mut fault: Fault<'b>,
        number: usize,
        path: &Path,
        does: &str,
        lowered: &[(&'static dyn FrontEnd, Configuration)],
    ) -> Vec<Told<'b>> {
        let (edge, last) = (path.hops[0], path.hops[path.hops.len() - 1]);
        if self.links.is_closed(last) {
            return Vec::new();
        }
        if let Some((at, _)) = self.links.published(last).filter(|_| fault.rule == Rule::Spoofable) {
            fault.related.push((at, "lets others reach it past the gateway in front".to_owned()));
            return vec![Told::plain(fault, number)];
        }
        fault.severity = fault.severity.min(Severity::Low);
        let note = format!(
            "{} {}, in front, {does}: it matters to who can reach this listener past it",
            lowered[edge.0].0.product(),
            self.links.hop(edge).listener.label
        );
        vec![Told { note: Some(note), ..Told::plain(fault, number) }]
    }

    /// The gateways of a path, as reports name them.
    fn names(&self, path: &Path, lowered: &[(&'static dyn FrontEnd, Configuration)]) -> Vec<String> {
        let name =
            |number: &Number| format!("{} {}", lowered[number.0].0.product(), self.links.hop(*number).listener.label);
        path.hops.iter().map(name).collect()
    }
}

/// The hop before the last one.
fn before_last<'a>(path: &Path, links: &Links<'a>) -> Option<&'a Hop> {
    path.hops.iter().rev().nth(1).map(|number| links.hop(*number))
}

/// A header from which the certificate's thumbprint can be had, and where it was filled.
fn strong(request: &Request) -> Option<(&str, Option<Place>)> {
    let (name, _, slot) = request.certificates().find(|(_, form, _)| form.shows_binding())?;
    Some((name, slot.event.as_ref().map(|event: &Event| event.place)))
}

/// The weakest client that gets a header of its own through.
fn forger(way: &Hop, name: &str) -> Option<Client> {
    [Client::Anonymous, Client::Foreign, Client::Verified].into_iter().find(|client| {
        let values = way.arrival(*client).request().map(|request| request.slot(name).values);
        values.is_some_and(|values| values.iter().any(|value| matches!(value, Value::Client | Value::ClientHeader(_))))
    })
}
