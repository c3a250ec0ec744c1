//! Runs requests of all kinds of clients through a site's steps, one way for each outcome of the conditions that the
//! certificate does not decide.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::{Action, Guard, Kind, Operation, Proxy, Site, Step, carries, value};
use crate::gateway::hop::{
    Arrival, Carrier, Cause, Client, Consulted, Cors, Event, Hop, Listener, Others, Part, PathMatch, Place, Rewrite,
    Route, Upstream, Value,
};
use crate::gateway::run::Run;

/// So many ways are looked at for one site.
const MOST: usize = 64;

/// All ways through a site.
pub(super) fn hops(site: &Site) -> Vec<Hop> {
    let runs = Client::ALL.map(|client| match site.auth.handshake.connects(client) {
        None => Fate::Unknown,
        Some(false) => Fate::Gone,
        Some(true) => Fate::Alive(Run::new(site.auth.handshake.presented(client))),
    });
    let state = State {
        runs,
        path: PathMatch::Any,
        rewritten: false,
        decided: BTreeMap::new(),
        groups: BTreeSet::new(),
        when: Vec::new(),
        rewrites: Vec::new(),
        allow: None,
        expose: None,
        consulted: Vec::new(),
        consumes: checks_tokens(&site.steps),
    };
    let mut walk = Walk { site, carriers: Vec::new(), hops: Vec::new(), ways: 0 };
    walk.carry(&site.steps);
    walk.go(vec![Frame { steps: &site.steps, next: 0, level: 0 }], state);
    walk.hops
}

/// Whether a condition looks at what stands in `Authorization`: then that is meant for the gateway itself.
fn checks_tokens(steps: &[Step]) -> bool {
    fn looks(guard: &Guard) -> bool {
        match guard {
            Guard::Other(text) => text.to_ascii_lowercase().starts_with("header authorization"),
            Guard::All(guards) | Guard::Any(guards) => guards.iter().any(looks),
            Guard::Not(inner) => looks(inner),
            Guard::Always | Guard::Path(_) => false,
        }
    }
    // Steps nest no deeper than the text's blocks.
    steps.iter().any(|step| looks(&step.guard) || matches!(&step.action, Action::Sub(inner) if checks_tokens(inner)))
}

/// A kind of client on its way.
#[derive(Debug, Clone)]
enum Fate {
    Alive(Run),
    /// It went another way, or got an answer.
    Gone,
    Unknown,
}

#[derive(Debug, Clone)]
struct State {
    runs: [Fate; 3],
    path: PathMatch,
    /// The path is no longer the one that was asked for.
    rewritten: bool,
    decided: BTreeMap<String, bool>,
    groups: BTreeSet<String>,
    when: Vec<String>,
    rewrites: Vec<Rewrite>,
    allow: Option<(Vec<String>, Place)>,
    expose: Option<(Vec<String>, Place)>,
    consulted: Vec<Consulted>,
    consumes: bool,
}

#[derive(Debug, Clone, Copy)]
struct Frame<'a> {
    steps: &'a [Step],
    next: usize,
    level: usize,
}

/// What a condition says of a client's request.
enum Answer {
    Yes,
    No,
    /// That depends on this.
    Ask(String),
}

struct Walk<'a> {
    site: &'a Site,
    carriers: Vec<Carrier>,
    hops: Vec<Hop>,
    ways: usize,
}

impl<'a> Walk<'a> {
    fn carry(&mut self, steps: &[Step]) {
        // Steps nest no deeper than the text's blocks, whose depth is bounded.
        for step in steps {
            let operations = match &step.action {
                Action::Headers(operations) => operations,
                Action::Proxy(proxy) => &proxy.operations,
                Action::Sub(steps) => {
                    self.carry(steps);
                    continue;
                }
                _ => continue,
            };
            for operation in operations.iter().filter(|operation| operation.kind <= Kind::Set) {
                if let Some(form) = carries(&operation.value) {
                    self.carriers.push(Carrier { header: operation.name.clone(), form, place: operation.place });
                }
            }
        }
    }

    /// Goes on until an upstream or an answer is reached.
    fn go(&mut self, mut frames: Vec<Frame<'a>>, mut state: State) {
        while let Some(frame) = frames.last_mut() {
            let Some(step) = frame.steps.get(frame.next) else {
                frames.pop();
                continue;
            };
            let group = step.group.as_ref().map(|group| format!("{:p} {group}", frame.steps));
            if group.as_ref().is_some_and(|group| state.groups.contains(group)) {
                frame.next += 1;
                continue;
            }
            // Whom the step concerns; what is open is decided both ways.
            let mut concerned = [false; 3];
            let mut open = None;
            for (number, fate) in state.runs.iter().enumerate() {
                if matches!(fate, Fate::Gone) {
                    continue;
                }
                match state.answer(&step.guard) {
                    Answer::Yes => concerned[number] = true,
                    Answer::No => {}
                    Answer::Ask(key) => open = Some(key),
                }
            }
            if let Some(key) = open {
                self.ways += 1;
                if self.ways < MOST {
                    let mut other = state.clone();
                    other.decide(&key, true);
                    self.go(frames.clone(), other);
                }
                state.decide(&key, false);
                continue;
            }
            frame.next += 1;
            if !concerned.contains(&true) {
                continue;
            }
            state.groups.extend(group);
            let level = frame.level;
            if step.last {
                frame.next = frame.steps.len();
            }
            match &step.action {
                Action::Sub(steps) => frames.push(Frame { steps, next: 0, level: level + 1 }),
                Action::Answer => {
                    for (fate, _) in state.runs.iter_mut().zip(concerned).filter(|(_, concerned)| *concerned) {
                        *fate = Fate::Gone;
                    }
                }
                Action::Proxy(proxy) => {
                    self.arrive(proxy, &state, concerned);
                    for (fate, _) in state.runs.iter_mut().zip(concerned).filter(|(_, concerned)| *concerned) {
                        *fate = Fate::Gone;
                    }
                }
                action => state.act(action, concerned),
            }
            if state.runs.iter().all(|fate| matches!(fate, Fate::Gone)) {
                return;
            }
        }
    }

    fn arrive(&mut self, proxy: &Proxy, state: &State, concerned: [bool; 3]) {
        let site = self.site;
        let mut lost = None;
        let mut rewrites = state.rewrites.clone();
        let mut told_path = false;
        let mut runs = state.runs.iter().zip(concerned);
        let arrivals = Client::ALL.map(|client| match runs.next() {
            Some((Fate::Alive(run), true)) => {
                let mut run = run.clone();
                apply(&mut run, &proxy.operations);
                told_path |= ["x-forwarded-prefix", "x-original-uri", "x-forwarded-uri"].into_iter().any(|name| {
                    let slot = run.request.slot(name);
                    slot.event.is_some() && !matches!(slot.values.as_slice(), [] | [Value::Client | Value::Empty])
                });
                if client == Client::Verified {
                    lost = run.lost.clone();
                }
                Arrival::Reaches(run.request)
            }
            Some((Fate::Unknown, true)) => Arrival::Unknown,
            _ => Arrival::Refused,
        });
        if let Some(place) = proxy.path {
            rewrites.push(Rewrite { part: Part::Path, place, told: false });
        }
        if let Some(place) = proxy.method {
            rewrites.push(Rewrite { part: Part::Method, place, told: false });
        }
        // X-Forwarded-Host says what the host was, unless somebody takes it away.
        for operation in proxy.operations.iter().filter(|operation| operation.name == "host") {
            if !["{host}", "{http.request.host}", "{hostport}", "{http.request.hostport}"]
                .contains(&operation.value.as_str())
            {
                rewrites.push(Rewrite { part: Part::Host, place: operation.place, told: true });
            }
        }
        rewrites.iter_mut().filter(|rewrite| rewrite.part == Part::Path).for_each(|rewrite| rewrite.told |= told_path);
        let at = state.allow.as_ref().or(state.expose.as_ref()).map(|(_, place)| *place);
        let list = |list: &Option<(Vec<String>, Place)>| list.as_ref().map(|(names, _)| names.clone());
        let mut names = proxy.upstreams.clone();
        names.sort();
        names.dedup();
        self.hops.push(Hop {
            listener: Listener {
                label: site.label.clone(),
                ports: site.ports.clone(),
                sockets: Vec::new(),
                hosts: site.hosts.clone(),
                tls: site.tls,
                auth: site.auth.handshake.auth,
                asks_at: site.auth.asks_at,
                in_vain: None,
                inner: site.inner,
            },
            route: Route { label: label(&state.path), path: state.path.clone(), when: state.when.clone() },
            upstream: Upstream { label: proxy.label.clone(), names, protocol: proxy.protocol, place: proxy.place },
            arrivals,
            carriers: self.carriers.clone(),
            lost,
            bypass: None,
            alias: None,
            rewrites,
            logs: site.logs.clone(),
            cors: at
                .map(|place| Cors { allow: list(&state.allow), expose: list(&state.expose), place })
                .into_iter()
                .collect(),
            consulted: state.consulted.clone(),
            consumes_authorization: state.consumes,
            checks_binding: false,
        });
    }
}

fn label(path: &PathMatch) -> String {
    match path {
        PathMatch::Any => "route /*".to_owned(),
        PathMatch::Prefix(prefix) => format!("route {prefix}*"),
        PathMatch::Exact(path) => format!("route {path}"),
        PathMatch::Pattern(_) | PathMatch::Other => "route".to_owned(),
    }
}

/// Header changes: what is added comes first, then what is set, then what is deleted, in whatever order they are written.
fn apply(run: &mut Run, operations: &[Operation]) {
    for kind in [Kind::Add, Kind::Set, Kind::Delete, Kind::Replace] {
        for operation in operations.iter().filter(|operation| operation.kind == kind) {
            let name = operation.name.as_str();
            if name == "host" {
                continue;
            }
            match kind {
                Kind::Add => {
                    let mut values = run.values(name);
                    let cause = if values.is_empty() { Cause::Set } else { Cause::Appended };
                    values.push(value(&operation.value, run));
                    run.set(name, values, operation.place, cause);
                }
                Kind::Set => {
                    let value = value(&operation.value, run);
                    let cause = if matches!(value, Value::ClientHeader(_)) { Cause::Copied } else { Cause::Set };
                    run.set(name, vec![value], operation.place, cause);
                }
                Kind::Delete if name.contains('*') => {
                    let fits = |known: &str| fits(name, known);
                    let named: Vec<String> = run.request.headers.keys().filter(|known| fits(known)).cloned().collect();
                    let common = ["authorization", "dpop"].into_iter().filter(|known| fits(known)).map(str::to_owned);
                    for known in named.into_iter().chain(common) {
                        run.remove(&known, operation.place, Cause::AllDropped);
                    }
                    if name != "*" && run.request.others == Others::Passed {
                        run.request.others = Others::Unknown;
                    }
                    if name == "*" {
                        run.request.others = Others::Dropped(Event::new(operation.place, Cause::AllDropped));
                    }
                }
                Kind::Delete => run.remove(name, operation.place, Cause::Removed),
                Kind::Replace => run.set(name, vec![Value::Unknown], operation.place, Cause::Set),
            }
        }
    }
}

fn fits(pattern: &str, name: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(""), _) => true,
        (Some(inner), Some(_)) => name.contains(inner.trim_end_matches('*')),
        (Some(end), None) => name.ends_with(end),
        (None, Some(start)) => name.starts_with(start),
        (None, None) => name == pattern,
    }
}

impl State {
    fn act(&mut self, action: &Action, concerned: [bool; 3]) {
        let alive = |runs: &mut [Fate; 3], act: &mut dyn FnMut(&mut Run)| {
            for (fate, concerned) in runs.iter_mut().zip(concerned) {
                if let (Fate::Alive(run), true) = (fate, concerned) {
                    act(run);
                }
            }
        };
        match action {
            Action::Headers(operations) => alive(&mut self.runs, &mut |run| apply(run, operations)),
            Action::Path(place) => {
                self.rewritten = true;
                self.rewrites.push(Rewrite { part: Part::Path, place: *place, told: false });
            }
            Action::Method(place) => self.rewrites.push(Rewrite { part: Part::Method, place: *place, told: false }),
            Action::Consult(service, copies) => {
                self.when.push("the authorization service agrees".to_owned());
                self.consulted.push(service.clone());
                alive(&mut self.runs, &mut |run| {
                    for name in copies {
                        run.set(name, vec![Value::Unknown], service.place, Cause::Set);
                    }
                });
            }
            Action::Password => {
                self.when.push("the client gives its password".to_owned());
                self.consumes = true;
            }
            Action::Response(name, value, place) => {
                let list = || {
                    let names = value.split(',').map(|name| name.trim().to_ascii_lowercase());
                    Some((names.collect(), *place))
                };
                match name.as_str() {
                    "access-control-allow-headers" => self.allow = list(),
                    "access-control-expose-headers" => self.expose = list(),
                    _ => {}
                }
            }
            Action::Unknown => alive(&mut self.runs, &mut Run::anything),
            Action::Sub(_) | Action::Proxy(_) | Action::Answer => {}
        }
    }

    fn answer(&self, guard: &Guard) -> Answer {
        match guard {
            Guard::Always => Answer::Yes,
            Guard::Other(text) => self.known(&format!("?{text}")),
            Guard::Path(pattern) => self.path(pattern),
            Guard::Not(inner) => match self.answer(inner) {
                Answer::Yes => Answer::No,
                Answer::No => Answer::Yes,
                ask => ask,
            },
            Guard::All(guards) => {
                let mut open = None;
                for guard in guards {
                    match self.answer(guard) {
                        Answer::Yes => {}
                        Answer::No => return Answer::No,
                        Answer::Ask(key) => open = open.or(Some(key)),
                    }
                }
                open.map_or(Answer::Yes, Answer::Ask)
            }
            Guard::Any(guards) => {
                let mut open = None;
                for guard in guards {
                    match self.answer(guard) {
                        Answer::Yes => return Answer::Yes,
                        Answer::No => {}
                        Answer::Ask(key) => open = open.or(Some(key)),
                    }
                }
                open.map_or(Answer::No, Answer::Ask)
            }
        }
    }

    fn known(&self, key: &str) -> Answer {
        match self.decided.get(key) {
            Some(true) => Answer::Yes,
            Some(false) => Answer::No,
            None => Answer::Ask(key.to_owned()),
        }
    }

    /// Whether the path fits a pattern, from what is known of it.
    fn path(&self, pattern: &str) -> Answer {
        let wanted = pattern_match(pattern);
        if self.rewritten && wanted != Some(PathMatch::Any) {
            return self.known(&format!("?the rewritten path fits {pattern}"));
        }
        let Some(wanted) = wanted else { return self.known(&format!("?the path fits {pattern}")) };
        let within = match (&self.path, &wanted) {
            (_, PathMatch::Any) => Some(true),
            (PathMatch::Exact(path), PathMatch::Exact(other)) => Some(path == other),
            (PathMatch::Exact(path), PathMatch::Prefix(prefix)) => Some(path.starts_with(prefix)),
            (PathMatch::Prefix(path), PathMatch::Prefix(prefix)) if path.starts_with(prefix) => Some(true),
            (PathMatch::Prefix(path), PathMatch::Prefix(prefix)) if prefix.starts_with(path) => None,
            (PathMatch::Prefix(path), PathMatch::Exact(exact)) if exact.starts_with(path) => None,
            (PathMatch::Prefix(_), _) => Some(false),
            _ => None,
        };
        match within {
            Some(true) => return Answer::Yes,
            Some(false) => return Answer::No,
            None => {}
        }
        // What lies within a pattern that the path does not fit is no fit either.
        let excluded = self.decided.iter().filter(|(_, fits)| !**fits).any(|(key, _)| {
            key.strip_prefix('/').and_then(|_| pattern_match(key)).is_some_and(|denied| match (&denied, &wanted) {
                (PathMatch::Prefix(denied), PathMatch::Prefix(path) | PathMatch::Exact(path)) => {
                    path.starts_with(denied)
                }
                (PathMatch::Exact(denied), PathMatch::Exact(path)) => denied == path,
                _ => false,
            })
        });
        if excluded { Answer::No } else { self.known(pattern) }
    }

    fn decide(&mut self, key: &str, holds: bool) {
        self.decided.insert(key.to_owned(), holds);
        match key.strip_prefix('?') {
            Some(condition) if holds => self.when.push(condition.to_owned()),
            Some(condition) => self.when.push(format!("not: {condition}")),
            None if holds => {
                if let Some(path) = pattern_match(key) {
                    self.path = path;
                }
            }
            None => {}
        }
    }
}

/// A pattern of a path, where it is a prefix or the whole.
fn pattern_match(pattern: &str) -> Option<PathMatch> {
    let stars = pattern.matches('*').count();
    match pattern.strip_suffix('*') {
        _ if !pattern.starts_with('/') && pattern != "*" || pattern.contains(['{', '?']) => None,
        Some("" | "/") => Some(PathMatch::Any),
        Some(prefix) if stars == 1 => Some(PathMatch::Prefix(prefix.to_owned())),
        None if stars == 0 => Some(PathMatch::Exact(pattern.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_paths() {
        assert_eq!(pattern_match("/a/*"), Some(PathMatch::Prefix("/a/".into())));
        assert_eq!(pattern_match("/a"), Some(PathMatch::Exact("/a".into())));
        assert_eq!(pattern_match("*"), Some(PathMatch::Any));
        assert_eq!(pattern_match("*.php"), None);
        assert!(fits("x-ssl-*", "x-ssl-cert") && fits("*-cert", "x-ssl-cert") && !fits("x-ssl-*", "x-cert"));
    }
}
