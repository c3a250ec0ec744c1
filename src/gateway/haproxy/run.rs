//! A request of one client on its way through a frontend and a backend, for one way in which everything that can't be
//! known may turn out.

use std::collections::{BTreeMap, BTreeSet};

use super::bind::{Bind, Verify};
use super::condition::{self, Acls, Condition, Criterion, Formula, Known};
use super::config::{Action, Level, Mode, Names, Proxy, Rule, Way};
use super::sample::{self, Datum, Part, Sample};
use crate::gateway::hop::{Arrival, Cause, Client, Event, Form, Others, Place, Request, Rewrite, Slot, Value};
use crate::syntax::template::Guard;

/// How what can't be known turns out.
pub(super) type Assignment = BTreeMap<String, bool>;

/// What does not change from one run to the next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) proxies: &'a [Proxy],
    pub(super) frontend: &'a Proxy,
    pub(super) bind: &'a Bind,
    /// Headers that matter; conditions on others are not followed up where there are too many.
    pub(super) names: &'a BTreeSet<String>,
    pub(super) coarse: bool,
    /// Scripts may set variables.
    pub(super) scripted: bool,
}

/// Something that must be decided before the run can go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Demand {
    /// How it is called in the assignment.
    pub(super) key: String,
    /// What it is made of, if of several things.
    pub(super) formula: Option<Formula>,
}

/// Where a run ends.
#[derive(Debug)]
pub(super) enum End {
    /// Turned away, or answered by the gateway itself.
    Refused,
    /// At the servers of this proxy, sent there by this line.
    Proxy(usize, Place),
    /// At a proxy that is not here.
    Missing(String, Place),
}

/// A run.
#[derive(Debug)]
pub(super) struct Run<'a> {
    scene: Scene<'a>,
    client: Client,
    assignment: &'a Assignment,
    request: Request,
    variables: BTreeMap<String, Datum>,
    /// What took the certificate out of a header.
    pub(super) lost: Option<Event>,
    pub(super) rewrites: Vec<Rewrite>,
    pub(super) authenticates: bool,
}

/// Whether a rule ends the run.
enum Flow {
    On,
    NextLevel,
    Refused,
}

impl<'a> Run<'a> {
    pub(super) fn new(scene: Scene<'a>, client: Client, assignment: &'a Assignment) -> Self {
        let mut request = Request::untouched();
        // Names with underscores are headers like others here.
        for name in scene.names.iter().filter(|name| name.contains('_')) {
            request.set(name, vec![Value::Client], None);
        }
        Self {
            scene,
            client,
            assignment,
            request,
            variables: BTreeMap::new(),
            lost: None,
            rewrites: Vec::new(),
            authenticates: false,
        }
    }

    /// What gets to the servers.
    pub(super) fn arrival(self) -> Arrival {
        match self.scene.bind.verify {
            Verify::Unknown => Arrival::Unknown,
            _ => Arrival::Reaches(self.request),
        }
    }

    /// The slot of a header, as it is now.
    pub(super) fn now(&self, name: &str) -> Slot {
        match self.request.headers.get(name) {
            None if self.request.others == Others::Passed => Slot { values: vec![Value::Client], event: None },
            _ => self.request.slot(name),
        }
    }

    /// Goes through to the end.
    pub(super) fn go(&mut self) -> Result<End, Demand> {
        let frontend = self.scene.frontend;
        if !self.admitted() || self.level(&frontend.levels, frontend.mode)? {
            return Ok(End::Refused);
        }
        let own = frontend.levels.last();
        for way in &frontend.ways {
            let acls = own.map(|level| &level.acls);
            if self.applies(way.condition.as_ref(), &way.guards, acls, false)? {
                return self.take(way);
            }
        }
        if frontend.serves() {
            let at = self.scene.proxies.iter().position(|proxy| std::ptr::eq(proxy, frontend));
            let place = frontend.servers.first().map(|server| server.place);
            if let (Some(at), Some(place), None) = (at, place, &frontend.default) {
                return Ok(End::Proxy(at, place));
            }
        }
        match &frontend.default {
            Some(way) => self.take(way),
            None => Ok(End::Refused),
        }
    }

    fn take(&mut self, way: &Way) -> Result<End, Demand> {
        let Some(at) = self.backend(&way.backend)? else {
            return Ok(End::Missing(way.backend.clone(), way.place));
        };
        let proxies = self.scene.proxies;
        let proxy = &proxies[at];
        if std::ptr::eq(proxy, self.scene.frontend) {
            return Ok(if proxy.serves() { End::Proxy(at, way.place) } else { End::Refused });
        }
        // Bytes that are sent to a backend of requests become requests, and the frontend's rules on them act then.
        let upgraded = self.scene.frontend.mode == Mode::Tcp && proxy.mode == Mode::Http;
        if upgraded && self.rules(&self.scene.frontend.levels, |level| &level.requests)? {
            return Ok(End::Refused);
        }
        if self.level(&proxy.levels, proxy.mode)? || !proxy.serves() {
            return Ok(End::Refused);
        }
        Ok(End::Proxy(at, way.place))
    }

    /// The backend of that name. Where a format makes the name up, every backend whose name fits is one way.
    fn backend(&self, name: &str) -> Result<Option<usize>, Demand> {
        let here =
            |name: &str| self.scene.proxies.iter().position(|proxy| proxy.kind != "frontend" && proxy.name == name);
        let parts = sample::format(name);
        if parts.iter().all(|part| matches!(part, Part::Text(_))) {
            return Ok(here(name));
        }
        let begins = if let Some(Part::Text(text)) = parts.first() { text.as_str() } else { "" };
        let ends = if let Some(Part::Text(text)) = parts.last() { text.as_str() } else { "" };
        for (at, proxy) in self.scene.proxies.iter().enumerate() {
            let fits = proxy.kind != "frontend" && proxy.name.starts_with(begins) && proxy.name.ends_with(ends);
            if fits && self.assigned(&format!("{name} is {}", proxy.name))? {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    fn assigned(&self, key: &str) -> Result<bool, Demand> {
        self.assignment.get(key).copied().ok_or_else(|| Demand { key: key.to_owned(), formula: None })
    }

    /// Whether the handshake succeeds.
    fn admitted(&self) -> bool {
        let bind = self.scene.bind;
        match (bind.verify, self.client) {
            _ if !bind.tls => true,
            (Verify::None | Verify::Unknown, _) | (_, Client::Verified) => true,
            (Verify::Optional, Client::Anonymous) => true,
            (Verify::Required, Client::Anonymous) => false,
            (_, Client::Foreign) => bind.lenient,
        }
    }

    /// Whether there is a certificate on this connection.
    fn certified(&self) -> bool {
        let bind = self.scene.bind;
        bind.tls && bind.verify != Verify::None && self.client != Client::Anonymous
    }

    /// Works through the rules of a proxy; `true` if they end the run.
    fn level(&mut self, levels: &'a [Level], mode: Mode) -> Result<bool, Demand> {
        Ok(self.rules(levels, |level| &level.connection)?
            || self.rules(levels, |level| &level.content)?
            || (mode == Mode::Http && self.rules(levels, |level| &level.requests)?))
    }

    fn rules(&mut self, levels: &'a [Level], kind: fn(&Level) -> &[Rule]) -> Result<bool, Demand> {
        for level in levels {
            for rule in kind(level) {
                match self.rule(rule, &level.acls)? {
                    Flow::On => {}
                    Flow::NextLevel => return Ok(false),
                    Flow::Refused => return Ok(true),
                }
            }
        }
        Ok(false)
    }

    fn rule(&mut self, rule: &Rule, acls: &Acls) -> Result<Flow, Demand> {
        let minor = match &rule.action {
            Action::Set { name, .. } => !self.scene.names.contains(name),
            Action::Delete(Names::One(name)) | Action::Edit(Names::One(name)) => !self.scene.names.contains(name),
            _ => false,
        };
        let routes = matches!(rule.action, Action::Refuse | Action::Authenticate | Action::Rewrite(_));
        let holds = match self.applies(rule.condition.as_ref(), &rule.guards, Some(acls), !routes) {
            Err(_) if minor && self.scene.coarse => {
                if let Action::Set { name, .. } = &rule.action {
                    self.request.set(name, vec![Value::Other], Some(Event::new(rule.place, Cause::Conditional)));
                }
                return Ok(Flow::On);
            }
            holds => holds?,
        };
        if !holds {
            self.left_out(rule, acls);
            return Ok(Flow::On);
        }
        match &rule.action {
            Action::Refuse => return Ok(Flow::Refused),
            Action::Allow => return Ok(Flow::NextLevel),
            Action::Authenticate => self.authenticates = true,
            Action::Set { name, parts, add } => self.set(name, parts, *add, rule.place),
            Action::Delete(names) => self.delete(names, rule.place),
            Action::Edit(names) => self.edit(names, rule.place),
            Action::Variable { name, parts } => {
                let datum = parts.as_ref().map_or(Datum::Absent, |parts| self.compose(parts));
                self.variables.insert(name.clone(), datum);
            }
            Action::Rewrite(part) => self.rewrites.push(Rewrite { part: *part, place: rule.place, told: false }),
            Action::Anything => {
                let event = Event::new(rule.place, Cause::Set);
                for slot in self.request.headers.values_mut() {
                    *slot = Slot { values: vec![Value::Unknown], event: Some(event.clone()) };
                }
                self.request.others = Others::Unknown;
            }
        }
        Ok(Flow::On)
    }

    /// Whether a rule acts. `exact`: what it hangs on is taken apart.
    fn applies(
        &self,
        condition: Option<&Condition>,
        guards: &[Guard],
        acls: Option<&Acls>,
        exact: bool,
    ) -> Result<bool, Demand> {
        for guard in guards {
            if self.assigned(&guard.condition)? != guard.holds {
                return Ok(false);
            }
        }
        let Some(condition) = condition else { return Ok(true) };
        let none = Acls::new();
        match condition.holds(acls.unwrap_or(&none), &mut |criterion| self.judge(criterion)) {
            Ok(holds) => Ok(holds),
            Err(formula) => {
                let first = formula.first().and_then(|all| all.first()).cloned().unwrap_or_default();
                let single = matches!(formula.as_slice(), [all] if all.len() == 1);
                if single || exact {
                    return self.assigned(&first.0).map(|holds| holds == first.1);
                }
                let key = condition::written(&formula);
                let known = self.assignment.get(&key).copied();
                known.ok_or(Demand { key, formula: Some(formula) })
            }
        }
    }

    fn judge(&self, criterion: &Criterion) -> Known {
        if criterion.sample.fetch == "dst_port"
            && let [port] = self.scene.bind.ports.as_slice()
            && let Some(decided) = criterion.number(i64::from(*port))
        {
            return Known::Decided(decided);
        }
        let datum = self.datum(&criterion.sample);
        match criterion.judge(&datum) {
            Known::Open(key, holds) => {
                // What stands in one certificate says nothing of another.
                let key = match datum {
                    Datum::Certificate(_) | Datum::Der | Datum::Hash(_) | Datum::Verification(_) => {
                        format!(
                            "{key} ({} certificate)",
                            if self.client == Client::Verified { "valid" } else { "foreign" }
                        )
                    }
                    _ => key,
                };
                match self.assignment.get(&key) {
                    Some(known) => Known::Decided(*known == holds),
                    None => Known::Open(key, holds),
                }
            }
            known => known,
        }
    }

    /// What an expression gives now.
    fn datum(&self, sample: &Sample) -> Datum {
        if let Some(name) = sample.header() {
            return self.header(&name).converted(&sample.converters);
        }
        let (tls, certified) = (self.scene.bind.tls, self.certified());
        let of_certificate = |datum: Datum| if certified { datum } else { Datum::Absent };
        let connection = |datum: Datum| if tls { datum } else { Datum::Absent };
        if let Some(taken) = sample.taken() {
            return of_certificate(taken).converted(&sample.converters);
        }
        let datum = match sample.fetch.as_str() {
            "ssl_fc" => Datum::Bool(tls),
            "ssl_c_used" | "ssl_fc_has_crt" => connection(Datum::Bool(certified)),
            "ssl_c_verify" | "ssl_c_err" => {
                connection(Datum::Verification(!certified || self.client == Client::Verified))
            }
            "ssl_c_ca_err" | "ssl_c_ca_err_depth" => connection(Datum::Verification(true)),
            // Times, algorithms, the chain: nothing to compare with a binding.
            fetch if fetch.starts_with("ssl_c_") => of_certificate(Datum::Other),
            fetch if fetch.starts_with("ssl_fc_") => connection(Datum::Other),
            "var" => match self.variables.get(sample.argument()) {
                Some(datum) => datum.clone(),
                None if self.scene.scripted || sample.argument().starts_with("proc.") => Datum::Unknown,
                None => Datum::Absent,
            },
            "capture.req.hdr" => Datum::Other,
            _ => sample::plain(sample),
        };
        datum.converted(&sample.converters)
    }

    fn header(&self, name: &str) -> Datum {
        let slot = self.now(name);
        match slot.values.last() {
            None => Datum::Absent,
            Some(Value::Client) if self.assignment.get(&sends(name)) == Some(&false) => Datum::Absent,
            Some(Value::Client) => Datum::Header(name.to_owned()),
            Some(Value::ClientHeader(other)) => Datum::Header(other.clone()),
            Some(Value::Certificate(form)) => Datum::Certificate(*form),
            Some(Value::Verification) => Datum::Verification(!self.certified() || self.client == Client::Verified),
            Some(Value::Constant(text)) => Datum::Text(text.clone()),
            Some(Value::Empty) => Datum::Text(String::new()),
            Some(Value::Other) => Datum::Other,
            Some(_) => Datum::Unknown,
        }
    }

    /// A format as something that a variable can hold.
    fn compose(&self, parts: &[Part]) -> Datum {
        if let [Part::Sample(sample)] = parts {
            return self.datum(sample);
        }
        match sample::header(parts, &mut |sample| self.datum(sample)) {
            Value::Constant(text) => Datum::Text(text),
            Value::Empty => Datum::Text(String::new()),
            Value::Certificate(form) => Datum::Certificate(form),
            Value::Other => Datum::Other,
            _ => Datum::Unknown,
        }
    }

    fn set(&mut self, name: &str, parts: &[Part], add: bool, place: Place) {
        let value = match sample::header(parts, &mut |sample| self.datum(sample)) {
            // The environment fills it in.
            Value::Constant(text) if text.contains("${") && !text.to_ascii_lowercase().starts_with("basic ") => {
                Value::Other
            }
            value => value,
        };
        let mut slot = self.now(name);
        let copied = matches!(value, Value::ClientHeader(_));
        let mut event = Event::new(place, if copied { Cause::Copied } else { Cause::Set });
        if add && !slot.values.is_empty() {
            event.cause = Cause::Appended;
            slot.values.push(value);
        } else {
            self.losing(&slot, place);
            slot.values = vec![value];
        }
        self.request.set(name, slot.values, Some(event));
    }

    fn delete(&mut self, names: &Names, place: Place) {
        for name in self.meant(names) {
            let (name, certain) = name;
            let slot = self.now(&name);
            self.losing(&slot, place);
            let mut event = Event::new(place, Cause::Removed);
            event.related.extend(slot.event.filter(|_| filled(&slot.values)).map(|event| (event.place, "fills it")));
            let values = if certain { Vec::new() } else { vec![Value::Unknown] };
            self.request.set(&name, values, Some(event));
        }
    }

    fn edit(&mut self, names: &Names, place: Place) {
        for (name, _) in self.meant(names) {
            if !self.now(&name).values.is_empty() {
                self.request.set(&name, vec![Value::Unknown], Some(Event::new(place, Cause::Set)));
            }
        }
    }

    /// The headers that are meant, of those that are known by name, and whether that is certain.
    fn meant(&self, names: &Names) -> Vec<(String, bool)> {
        if let Names::One(name) = names {
            return vec![(name.clone(), true)];
        }
        let known: BTreeSet<&String> = self.scene.names.iter().chain(self.request.headers.keys()).collect();
        let meant = |name: &&String| match names.has(name) {
            Some(true) => Some(((*name).clone(), true)),
            Some(false) => None,
            None => Some(((*name).clone(), false)),
        };
        known.iter().filter_map(meant).collect()
    }

    /// Remembers what takes a certificate out of a header.
    fn losing(&mut self, slot: &Slot, place: Place) {
        if filled(&slot.values) {
            let mut event = Event::new(place, Cause::Removed);
            event.related.extend(slot.event.as_ref().map(|event| (event.place, "fills it")));
            self.lost = Some(event);
        }
    }

    /// A rule whose condition does not hold: what it would have done about a header explains what becomes of that.
    fn left_out(&mut self, rule: &Rule, acls: &Acls) {
        let names = match &rule.action {
            Action::Set { name, parts, .. } if carries(parts).is_some() => {
                if self.lost.is_none() {
                    self.lost = Some(Event::new(rule.place, Cause::Conditional));
                }
                vec![(name.clone(), true)]
            }
            Action::Delete(names) => self.meant(names),
            _ => return,
        };
        for (name, _) in names.iter().filter(|(name, _)| self.scene.names.contains(name)) {
            let slot = self.now(name);
            if slot.values == [Value::Client] {
                let asks = |criterion: &Criterion| criterion.sample.header().as_ref() == Some(name);
                let wins = rule.condition.as_ref().is_some_and(|condition| condition.criteria(acls).any(asks));
                // The line that would fill it says more than one that would clear it.
                if slot.event.is_none() || matches!(rule.action, Action::Set { .. }) {
                    let cause = if wins { Cause::ClientWins } else { Cause::Conditional };
                    self.request.set(name, slot.values, Some(Event::new(rule.place, cause)));
                }
            }
        }
    }
}

fn filled(values: &[Value]) -> bool {
    values.iter().any(|value| matches!(value, Value::Certificate(_)))
}

/// How it is called that a client sends a header.
fn sends(name: &str) -> String {
    format!("the client sends {name}")
}

/// The form in which a format carries the certificate of a client that has one.
pub(super) fn carries(parts: &[Part]) -> Option<Form> {
    let value =
        sample::header(parts, &mut |sample| sample.taken().unwrap_or(Datum::Other).converted(&sample.converters));
    match value {
        Value::Certificate(form) => Some(form),
        _ => None,
    }
}
