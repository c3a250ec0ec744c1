//! Proxies as they are after defaults have been applied to them: binds, rules, routes, servers.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};

use super::bind::{self, Bind};
use super::condition::{self, Acls, Condition};
use super::sample::{self, Part, Sample};
use crate::gateway::files::Files;
use crate::gateway::hop::{self, Place};
use crate::syntax::haproxy::{Document, Line, Section};
use crate::syntax::template::Guard;

/// Expressions larger than this are not compiled.
const REGEX_SIZE: usize = 1 << 20;

/// What a proxy speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Http,
    Tcp,
}

/// What a rule does to a request.
#[derive(Debug, Clone)]
pub(super) enum Action {
    /// Sets or adds a header.
    Set { name: String, parts: Vec<Part>, add: bool },
    /// Removes headers.
    Delete(Names),
    /// Edits headers.
    Edit(Names),
    /// Ends it.
    Refuse,
    /// Asks for a password and lets those pass who know it.
    Authenticate,
    /// Leaves the other rules of this level out.
    Allow,
    /// Sets a variable.
    Variable { name: String, parts: Option<Vec<Part>> },
    /// Changes a part of the target.
    Rewrite(hop::Part),
    /// Nobody knows.
    Anything,
}

/// Names of headers.
#[derive(Debug, Clone)]
pub(super) enum Names {
    One(String),
    Begin(String),
    End(String),
    Contain(String),
    Match(Regex),
    /// Lines, `name: value`, that match.
    Lines(Regex),
    Unknown,
}

impl Names {
    /// Whether a header of this name is meant; `None` where that can't be told.
    pub(super) fn has(&self, name: &str) -> Option<bool> {
        Some(match self {
            Self::One(one) => one == name,
            Self::Begin(text) => name.starts_with(text.as_str()),
            Self::End(text) => name.ends_with(text.as_str()),
            Self::Contain(text) => name.contains(text.as_str()),
            Self::Match(regex) => regex.is_match(name),
            Self::Lines(regex) => {
                let (some, other) = (regex.is_match(&format!("{name}: a")), regex.is_match(&format!("{name}: 1")));
                return (some == other).then_some(some);
            }
            Self::Unknown => return None,
        })
    }
}

/// A rule.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) action: Action,
    pub(super) condition: Option<Condition>,
    pub(super) guards: Vec<Guard>,
    pub(super) place: Place,
}

/// Rules with the ACLs they can name, in the order in which they act.
#[derive(Debug, Clone, Default)]
pub(super) struct Level {
    pub(super) acls: Acls,
    /// Those on connections.
    pub(super) connection: Vec<Rule>,
    /// Those on their bytes.
    pub(super) content: Vec<Rule>,
    /// Those on requests.
    pub(super) requests: Vec<Rule>,
}

impl Level {
    /// All rules, in their order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Rule> {
        self.connection.iter().chain(&self.content).chain(&self.requests)
    }
}

/// Where requests go on to.
#[derive(Debug, Clone)]
pub(super) struct Way {
    /// The backend; a format where its name is made up for each request.
    pub(super) backend: String,
    pub(super) condition: Option<Condition>,
    pub(super) guards: Vec<Guard>,
    pub(super) place: Place,
}

/// A server.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// Its address, lower case; nothing where it is filled in from outside.
    pub(super) address: Option<String>,
    pub(super) fastcgi: bool,
    pub(super) place: Place,
}

/// A header of answers.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) place: Place,
}

/// What is logged.
#[derive(Debug, Clone, Default)]
pub(super) struct Logs {
    /// Where logs go is said here.
    pub(super) target: Option<Place>,
    /// The format, or the option that chooses one that prints captures and the request line.
    pub(super) format: Option<(Vec<Part>, Place)>,
    /// What captures hold, in their order, and how much of it.
    pub(super) captures: Vec<(Sample, u32, Place)>,
}

/// A frontend, a backend, or both in one.
#[derive(Debug, Clone)]
pub(super) struct Proxy {
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) mode: Mode,
    pub(super) binds: Vec<Bind>,
    pub(super) levels: Vec<Level>,
    pub(super) ways: Vec<Way>,
    pub(super) default: Option<Way>,
    pub(super) servers: Vec<Server>,
    pub(super) answers: Vec<Answer>,
    pub(super) logs: Logs,
    /// Names with underscores are let through by this line.
    pub(super) underscores: Option<Place>,
    /// Something in it is not known.
    pub(super) holes: bool,
}

/// The place of a line.
pub(super) fn place(file: u32, line: &Line) -> Place {
    Place { file, start: line.bytes.0 as u32, end: line.bytes.1 as u32 }
}

/// All proxies of documents that are read one after the other.
pub(super) fn proxies(files: &Files, documents: &[(u32, &Document)]) -> Vec<Proxy> {
    let mut last: Option<(u32, &Section)> = None;
    let mut named: BTreeMap<&str, (u32, &Section)> = BTreeMap::new();
    let mut global_logs = None;
    let mut proxies = Vec::new();
    let fragment = documents.iter().all(|(_, document)| !has_defaults(document));
    for (file, document) in documents {
        for section in &document.sections {
            let kind = match section.head.word(0) {
                "global" => {
                    let targets = section.lines.iter().any(|line| line.word(0) == "log");
                    global_logs = Some(global_logs.unwrap_or(false) | targets);
                    continue;
                }
                "defaults" => {
                    last = Some((*file, section));
                    if !section.head.word(1).is_empty() {
                        named.insert(section.head.word(1), (*file, section));
                    }
                    continue;
                }
                "frontend" => "frontend",
                "backend" => "backend",
                "listen" => "listen",
                _ => continue,
            };
            let from = section.head.words.iter().position(|word| word.text == "from");
            let chosen = from.and_then(|at| named.get(section.head.word(at + 1))).copied();
            let mut proxy = Proxy {
                kind,
                name: section.head.word(1).to_owned(),
                mode: Mode::Tcp,
                binds: Vec::new(),
                levels: Vec::new(),
                ways: Vec::new(),
                default: None,
                servers: Vec::new(),
                answers: Vec::new(),
                logs: Logs::default(),
                underscores: None,
                // Lines that a template adds may be anything.
                holes: document.holes.iter().any(|(at, ..)| {
                    let end = section.lines.last().map_or(section.head.bytes.1, |line| line.bytes.1);
                    (section.head.bytes.0..=end).contains(at)
                }),
            };
            let logs = global_logs.unwrap_or(true);
            match chosen.or(last) {
                Some((file, defaults)) => proxy.read(files, file, defaults, logs),
                // A part of a configuration whose defaults are elsewhere.
                None if fragment && speaks_http(section) => proxy.mode = Mode::Http,
                None => {}
            }
            if section.head.words.len() > 2 && from.is_none() {
                proxy.binds.extend(bind::read(files, *file, &section.head, 2));
            }
            proxy.read(files, *file, section, logs);
            proxies.push(proxy);
        }
    }
    proxies
}

fn has_defaults(document: &Document) -> bool {
    document.sections.iter().any(|section| section.head.word(0) == "defaults")
}

fn speaks_http(section: &Section) -> bool {
    section.lines.iter().any(|line| {
        matches!(line.word(0), "http-request" | "http-response" | "redirect" | "cookie" | "reqadd")
            || (line.word(0) == "option" && line.word(1).starts_with("http"))
    })
}

impl Proxy {
    /// Whether it has servers of its own.
    pub(super) fn serves(&self) -> bool {
        !self.servers.is_empty()
    }

    fn read(&mut self, files: &Files, file: u32, section: &Section, global_logs: bool) {
        let mut level = Level::default();
        let mut late = Vec::new();
        for line in section.lines.iter().filter(|line| line.word(0) == "acl") {
            condition::declare(&mut level.acls, &line.words[1..]);
        }
        let mut fastcgi = false;
        for line in &section.lines {
            let at = place(file, line);
            let off = line.word(0) == "no";
            let words = &line.words[usize::from(off)..];
            let word = |at: usize| words.get(at).map_or("", |word| word.text.as_str());
            match word(0) {
                "mode" => match word(1) {
                    "http" => self.mode = Mode::Http,
                    "tcp" => self.mode = Mode::Tcp,
                    _ => self.holes |= words.get(1).is_some_and(|word| word.open),
                },
                "bind" => self.binds.extend(bind::read(files, file, line, 1)),
                "tcp-request" => {
                    let rules = if word(1) == "content" { &mut level.content } else { &mut level.connection };
                    rules.extend(tcp_rule(line, at));
                }
                "http-request" => {
                    self.capture(line, at);
                    self.returned(line, at);
                    level.requests.extend(http_rule(line, at));
                }
                "reqadd" | "reqdel" | "reqidel" | "reqrep" | "reqirep" => level.requests.extend(old_rule(line, at)),
                "block" | "redirect" => {
                    let (condition, _) = Condition::of(words);
                    late.push(Rule { action: Action::Refuse, condition, guards: line.guards.clone(), place: at });
                }
                "use_backend" | "default_backend" => {
                    let (condition, _) = Condition::of(words);
                    let way = Way { backend: word(1).to_owned(), condition, guards: line.guards.clone(), place: at };
                    if word(0) == "use_backend" { self.ways.push(way) } else { self.default = Some(way) }
                }
                "server" | "server-template" | "dispatch" => self.server(line, at),
                "http-response" | "http-after-response" if matches!(word(1), "set-header" | "add-header") => {
                    self.answer(word(2), word(3), at);
                }
                "rspadd" => {
                    if let Some((name, value)) = word(1).split_once(':') {
                        self.answer(name, value, at);
                    }
                }
                "capture" if word(1) == "request" => {
                    let sample = Sample::parse(&format!("req.hdr({})", word(3)));
                    self.logs.captures.push((sample, word(5).parse().unwrap_or(0), at));
                }
                "log" if off => self.logs.target = None,
                "log" if word(1) != "global" || global_logs => self.logs.target = Some(at),
                "log-format" if off => self.logs.format = None,
                "log-format" => self.logs.format = Some((sample::format(word(1)), at)),
                "option" => self.option(off, word(1), word(2), at),
                "use-fcgi-app" => fastcgi = true,
                _ => {}
            }
        }
        self.servers.iter_mut().for_each(|server| server.fastcgi |= fastcgi);
        level.requests.append(&mut late);
        // Rules of defaults act only if the section has a name.
        if section.head.word(0) != "defaults" || !section.head.word(1).is_empty() {
            self.levels.push(level);
        }
    }

    fn option(&mut self, off: bool, name: &str, value: &str, at: Place) {
        match name {
            "httplog" | "httpslog" if off => self.logs.format = None,
            "httplog" | "httpslog" => {
                let prints = ["hr", "r"].map(|variable| Part::Variable(variable.to_owned()));
                self.logs.format = Some((prints.to_vec(), at));
            }
            "tcplog" if !off => self.logs.format = Some((Vec::new(), at)),
            "http-restrict-req-hdr-names" => self.underscores = (value == "preserve" && !off).then_some(at),
            _ => {}
        }
    }

    fn server(&mut self, line: &Line, place: Place) {
        let at = match line.word(0) {
            "server-template" => 3,
            "dispatch" => 1,
            _ => 2,
        };
        let Some(address) = line.words.get(at) else { return };
        let fastcgi = line.words.windows(2).any(|pair| pair[0].text == "proto" && pair[1].text == "fcgi");
        let known = (!address.open).then(|| bare(&address.text));
        self.servers.push(Server { address: known, fastcgi, place });
    }

    fn answer(&mut self, name: &str, value: &str, place: Place) {
        self.answers.push(Answer { name: name.trim().to_ascii_lowercase(), value: value.trim().to_owned(), place });
    }

    /// `http-request return … hdr NAME FORMAT`.
    fn returned(&mut self, line: &Line, place: Place) {
        for three in line.words.windows(3).filter(|_| line.word(1) == "return") {
            if three[0].bare && three[0].text == "hdr" {
                self.answer(&three[1].text, &three[2].text, place);
            }
        }
    }

    fn capture(&mut self, line: &Line, place: Place) {
        if line.word(1) == "capture" {
            let length = line.words.iter().position(|word| word.text == "len").map(|at| line.word(at + 1));
            let length = length.and_then(|length| length.parse().ok()).unwrap_or(u32::MAX);
            self.logs.captures.push((Sample::parse(line.word(2)), length, place));
        }
    }
}

/// An address without what says how to connect to it.
fn bare(address: &str) -> String {
    const KINDS: &[&str] = &["ipv4@", "ipv6@", "tcp@", "tcp4@", "tcp6@"];
    let text = address.to_ascii_lowercase();
    KINDS.iter().find_map(|kind| text.strip_prefix(kind)).unwrap_or(&text).to_owned()
}

fn tcp_rule(line: &Line, place: Place) -> Option<Rule> {
    let action = match line.word(2) {
        "reject" | "silent-drop" => Action::Refuse,
        "accept" => Action::Allow,
        verb => variable(verb, line, 2)?,
    };
    let (condition, _) = Condition::of(&line.words);
    Some(Rule { action, condition, guards: line.guards.clone(), place })
}

fn http_rule(line: &Line, place: Place) -> Option<Rule> {
    let (condition, end) = Condition::of(&line.words);
    let open = line.words.get(2).is_some_and(|word| word.open);
    let name = line.word(2).to_ascii_lowercase();
    let action = match line.word(1) {
        "set-header" | "add-header" | "del-header" | "replace-header" | "replace-value" if open => Action::Anything,
        "set-header" | "add-header" => {
            let filled_in = line.words.get(3).is_some_and(|word| word.open && !word.text.contains("${"));
            let parts = if filled_in && !line.word(3).contains("%[") {
                vec![Part::Sample(Sample::parse("template"))] // may become any expression
            } else {
                sample::format(line.word(3))
            };
            Action::Set { name, parts, add: line.word(1) == "add-header" }
        }
        "del-header" => {
            let method = (end > 4 && line.word(3) == "-m").then(|| line.word(4));
            Action::Delete(names(name, line.word(2), method))
        }
        "replace-header" | "replace-value" => Action::Edit(Names::One(name)),
        "deny" | "reject" | "tarpit" | "silent-drop" | "redirect" | "return" | "use-service" => Action::Refuse,
        "auth" => Action::Authenticate,
        "allow" => Action::Allow,
        "set-path" | "replace-path" | "set-pathq" | "replace-pathq" | "set-uri" | "replace-uri" => {
            Action::Rewrite(hop::Part::Path)
        }
        "set-method" => Action::Rewrite(hop::Part::Method),
        verb if verb.starts_with("lua.") => Action::Anything,
        verb => variable(verb, line, 1)?,
    };
    Some(Rule { action, condition, guards: line.guards.clone(), place })
}

/// `set-var(txn.x) expression`, `set-var-fmt(txn.x) format`, `unset-var(txn.x)`.
fn variable(verb: &str, line: &Line, at: usize) -> Option<Action> {
    let (verb, rest) = verb.split_once('(')?;
    let name = rest.trim_end_matches(')').split(',').next().unwrap_or_default().to_owned();
    let parts = match verb {
        "set-var" => Some(vec![Part::Sample(Sample::parse(line.word(at + 1)))]),
        "set-var-fmt" => Some(sample::format(line.word(at + 1))),
        "unset-var" => None,
        _ => return None,
    };
    Some(Action::Variable { name, parts })
}

fn names(name: String, written: &str, method: Option<&str>) -> Names {
    match method {
        None | Some("str") => Names::One(name),
        Some("beg") => Names::Begin(name),
        Some("end") => Names::End(name),
        Some("sub") => Names::Contain(name),
        Some("reg") => regex(written).map_or(Names::Unknown, Names::Match),
        Some(_) => Names::Unknown,
    }
}

fn regex(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(pattern).case_insensitive(true).size_limit(REGEX_SIZE).build().ok()
}

/// Rules of versions before 2.1, which worked on lines.
fn old_rule(line: &Line, place: Place) -> Option<Rule> {
    let (condition, _) = Condition::of(&line.words);
    let text = line.word(1);
    let lines = || regex(text).map_or(Names::Unknown, Names::Lines);
    let action = match line.word(0) {
        "reqadd" => {
            let (name, value) = text.split_once(':')?;
            let parts = vec![Part::Text(value.trim().to_owned())];
            Action::Set { name: name.trim().to_ascii_lowercase(), parts, add: true }
        }
        "reqdel" | "reqidel" => Action::Delete(lines()),
        // The request line: a method or anything, then a path.
        _ if text.contains('/') && line.word(2).contains('/') => Action::Rewrite(hop::Part::Path),
        _ => Action::Edit(lines()),
    };
    Some(Rule { action, condition, guards: line.guards.clone(), place })
}
