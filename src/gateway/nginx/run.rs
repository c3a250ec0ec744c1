//! One client's request on its way through a server, phase by phase as nginx runs them: the handshake, the server's
//! rewrite directives, the choice of a location, its rewrite directives, access, `try_files`, the handler.

use std::collections::BTreeMap;

use regex::RegexBuilder;

use super::names;
use super::site::{Chain, Kind, Level, Location, Select, Server, Site, in_force, own};
use super::tree::Node;
use super::value::{self, Part, Piece, Pieces};
use super::world::World;
use crate::gateway::hop::{Client, ClientAuth, Form, Place};

/// How often a request may start again elsewhere; nginx stops after ten.
const MAX_MOVES: usize = 10;
/// How deep maps may take from maps.
const MAX_MAPS: usize = 8;
/// Values of more pieces are not followed.
const MAX_PIECES: usize = 200;

/// The connection a request comes on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Connection<'t> {
    pub(super) tls: bool,
    pub(super) auth: ClientAuth,
    /// Some authority is named; without one nothing verifies.
    pub(super) authority: bool,
    pub(super) client: Client,
    /// The names of the server, for `$server_name`.
    pub(super) host: Option<&'t str>,
    pub(super) port: Option<u16>,
}

/// What is known of the path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Is(String),
    Begins(String),
    Unknown,
}

/// How a run ends.
#[derive(Debug, Clone)]
pub(super) enum End<'t> {
    /// Answered by the gateway itself.
    Stop,
    /// It goes to an upstream.
    Pass(Box<Passed<'t>>),
}

/// A request that goes to an upstream.
#[derive(Debug, Clone)]
pub(super) struct Passed<'t> {
    pub(super) chain: Chain<'t>,
    /// The directive that sends it.
    pub(super) pass: &'t Node,
    /// The location it was sent from, if it was one.
    pub(super) location: Option<usize>,
    /// The certificate was wrong or missing, and this error page was shown instead.
    pub(super) bypass: Option<Place>,
    /// The path was changed here.
    pub(super) rewritten: Option<Place>,
}

/// A request.
pub(super) struct Run<'a, 't> {
    pub(super) site: &'a Site<'t>,
    pub(super) server: &'a Server<'t>,
    pub(super) connection: Connection<'a>,
    pub(super) world: &'a mut World,
    pub(super) visited: &'a mut Vec<usize>,
    variables: BTreeMap<String, Pieces>,
    target: Target,
    moves: usize,
    /// How often the path was rewritten, be it to what it was.
    changes: usize,
    error_shown: bool,
    bypass: Option<Place>,
    rewritten: Option<Place>,
    location: Option<usize>,
}

/// What the rewrite directives lead to.
enum Flow<'t> {
    On(Chain<'t>),
    End(End<'t>),
    /// The path is another one now.
    Moved,
}

/// How the directives of one block end.
enum Step<'t> {
    On,
    Break,
    End(End<'t>),
}

impl<'a, 't> Run<'a, 't> {
    pub(super) fn new(
        site: &'a Site<'t>,
        server: &'a Server<'t>,
        connection: Connection<'a>,
        world: &'a mut World,
        visited: &'a mut Vec<usize>,
    ) -> Self {
        Self {
            site,
            server,
            connection,
            world,
            visited,
            variables: BTreeMap::new(),
            target: Target::Unknown,
            moves: 0,
            changes: 0,
            error_shown: false,
            bypass: None,
            rewritten: None,
            location: None,
        }
    }

    /// A request whose path leads to that location, or to none.
    pub(super) fn start(&mut self, entry: Option<usize>) -> End<'t> {
        let error = match (self.connection.tls, self.connection.auth, self.connection.client) {
            (true, ClientAuth::Required, Client::Anonymous) => Some(496),
            (true, ClientAuth::Required | ClientAuth::Optional, Client::Foreign) => Some(495),
            _ => None,
        };
        if let Some(entry) = entry {
            let location = &self.server.locations[entry];
            self.target = match location.select {
                Select::Exact => Target::Is(location.pattern.clone()),
                Select::Prefix | Select::Final => Target::Begins(location.pattern.clone()),
                _ => Target::Unknown,
            };
        }
        if let Some(code) = error {
            let chain = self.server.chain.clone();
            if let Some(page) = self.error_page(code, &chain) {
                self.bypass = Some(page.place);
            }
            return self.stop(code, &chain);
        }
        let before = self.changes;
        match self.rewrite(&self.server.chain.clone()) {
            Flow::End(end) => end,
            Flow::On(_) if self.changes == before => match entry {
                Some(entry) => self.enter(entry),
                None => self.content(self.server.chain.clone(), None),
            },
            _ => self.find(),
        }
    }

    /// A request that some error leads to this named location.
    pub(super) fn start_named(&mut self, entry: usize) -> End<'t> {
        let refused = matches!(
            (self.connection.tls, self.connection.auth, self.connection.client),
            (true, ClientAuth::Required, Client::Anonymous | Client::Foreign)
                | (true, ClientAuth::Optional, Client::Foreign)
        );
        if refused {
            return End::Stop;
        }
        self.error_shown = true;
        self.enter(entry)
    }

    /// Finds the location of the path as it is now.
    fn find(&mut self) -> End<'t> {
        self.moves += 1;
        if self.moves > MAX_MOVES {
            return End::Stop;
        }
        let found = match self.target.clone() {
            Target::Is(path) => self.locate(&path),
            Target::Begins(prefix) => {
                // Whatever the rest is, it may also lead further in, or to a pattern.
                let mut all: Vec<Option<usize>> = vec![self.locate(&prefix)];
                for (number, location) in self.server.locations.iter().enumerate() {
                    let further = match location.select {
                        Select::Exact | Select::Prefix | Select::Final => location.pattern.starts_with(&prefix),
                        Select::Pattern { .. } => true,
                        Select::Named => false,
                    };
                    if further && !all.contains(&Some(number)) {
                        all.push(Some(number));
                    }
                }
                let answers = all
                    .iter()
                    .map(|found| match found {
                        Some(number) if all.len() > 1 => self.server.locations[*number].label(),
                        _ => String::new(),
                    })
                    .collect();
                let choice = self.world.choose(format!("rest of {prefix}"), answers);
                all.get(choice).copied().flatten()
            }
            Target::Unknown => return End::Stop,
        };
        match found {
            Some(location) => self.enter(location),
            None => self.content(self.server.chain.clone(), None),
        }
    }

    /// nginx's search: exact, then the longest prefix, then the first pattern.
    fn locate(&mut self, path: &str) -> Option<usize> {
        let server = self.server;
        let mut parent = None;
        loop {
            let here = || server.locations.iter().enumerate().filter(move |(_, location)| location.parent == parent);
            if let Some((exact, _)) = here().find(|(_, l)| l.select == Select::Exact && l.pattern == path) {
                return Some(exact);
            }
            let longest = here()
                .filter(|(_, l)| matches!(l.select, Select::Prefix | Select::Final) && path.starts_with(&l.pattern))
                .max_by_key(|(_, l)| l.pattern.len());
            let last = longest.is_some_and(|(_, location)| location.select == Select::Final);
            if !last {
                for (number, location) in here() {
                    if let Select::Pattern { any_case } = location.select
                        && self.fits(&location.pattern, any_case, path)
                    {
                        return Some(number);
                    }
                }
            }
            match longest {
                Some((number, _)) => {
                    parent = Some(number);
                    // Locations within it may fit better; if none does, it is the one.
                    let server = self.server;
                    let inner = server.locations.iter().any(|location| location.parent == parent);
                    if !inner {
                        return parent;
                    }
                    let fits = server.locations.iter().any(|location| {
                        location.parent == parent
                            && match location.select {
                                Select::Exact => location.pattern == path,
                                Select::Prefix | Select::Final => path.starts_with(&location.pattern),
                                Select::Pattern { any_case } => self.fits(&location.pattern, any_case, path),
                                Select::Named => false,
                            }
                    });
                    if !fits {
                        return parent;
                    }
                }
                None => return parent,
            }
        }
    }

    /// Whether a path fits a pattern; one of a kind we can't read is a question.
    fn fits(&mut self, pattern: &str, any_case: bool, path: &str) -> bool {
        match matches(pattern, any_case, path) {
            Some(fits) => fits,
            None => self.world.holds(&format!("{path} ~ {pattern}"), ""),
        }
    }

    fn enter(&mut self, number: usize) -> End<'t> {
        let location: &Location<'t> = &self.server.locations[number];
        self.visited.push(number);
        if location.is_internal() && self.moves == 0 && !self.error_shown {
            return End::Stop;
        }
        self.location = Some(number);
        let chain = location.chain.clone();
        match self.rewrite(&chain) {
            Flow::End(end) => end,
            Flow::Moved => self.find(),
            Flow::On(chain) => self.content(chain, Some(number)),
        }
    }

    fn rewrite(&mut self, chain: &Chain<'t>) -> Flow<'t> {
        let Some(level) = chain.last() else { return Flow::On(Vec::new()) };
        let before = self.changes;
        let mut now = chain.clone();
        let mut stay = false;
        match self.steps(level.nodes, chain, &mut now, &mut stay) {
            Step::End(end) => Flow::End(end),
            _ if !stay && self.changes != before => Flow::Moved,
            _ => Flow::On(now),
        }
    }

    /// The rewrite directives of a block, in order. `now` is the level in force, `stay` is set where a changed path
    /// does not lead elsewhere.
    fn steps(&mut self, nodes: &'t [Node], around: &Chain<'t>, now: &mut Chain<'t>, stay: &mut bool) -> Step<'t> {
        for node in nodes {
            match node.name.as_str() {
                "set" => {
                    let value = self.value(node.argument(1));
                    self.variables.insert(node.argument(0).trim_start_matches('$').to_owned(), value);
                }
                "set_by_lua_block" | "set_by_lua" | "set_by_lua_file" | "auth_request_set" => {
                    let name = node.argument(0).trim_start_matches('$').to_owned();
                    self.variables.insert(name, vec![Piece::Unknown]);
                }
                "if" if self.condition(node) => {
                    *now = around.clone();
                    now.push(Level::new(Kind::Within, node.inner()));
                    match self.steps(node.inner(), around, now, stay) {
                        Step::On => {}
                        end => return end,
                    }
                }
                "return" => return Step::End(self.returned(node, now)),
                "break" => {
                    *stay = true;
                    return Step::Break;
                }
                "rewrite" => match self.rewrite_once(node, now, stay) {
                    Step::On => {}
                    end => return end,
                },
                _ => {}
            }
        }
        Step::On
    }

    fn returned(&mut self, node: &Node, chain: &Chain<'t>) -> End<'t> {
        // With a text it is an answer, not an error.
        let code = node.argument(0).parse().ok().filter(|_| node.arguments.len() == 1);
        code.map_or(End::Stop, |code| self.stop(code, chain))
    }

    fn rewrite_once(&mut self, node: &Node, chain: &Chain<'t>, stay: &mut bool) -> Step<'t> {
        let (pattern, replacement, flag) = (node.argument(0), node.argument(1), node.argument(2));
        let always =
            matches!(pattern, "^" | ".*" | "^.*$" | "^(.*)$" | "^/(.*)$" | "^/" | "(.*)" | "^/.*" | "^/.*$" | "^(.*)");
        let fits = match &self.target {
            _ if always => true,
            Target::Is(path) => {
                let path = path.clone();
                self.fits(pattern, false, &path)
            }
            Target::Begins(prefix) if begins_so(pattern, prefix) => true,
            _ => self.world.holds(&format!("the path fits {pattern}"), ""),
        };
        if !fits {
            return Step::On;
        }
        let away = ["http://", "https://", "$scheme"].iter().any(|scheme| replacement.starts_with(scheme));
        if away || matches!(flag, "redirect" | "permanent") {
            return Step::End(self.stop(302, chain));
        }
        let path = replacement.split('?').next().unwrap_or_default();
        self.changes += 1;
        self.target = match path.split_once('$') {
            Some(("", _)) => Target::Unknown,
            Some((prefix, _)) => Target::Begins(prefix.to_owned()),
            None => Target::Is(path.to_owned()),
        };
        if !(always && matches!(path, "$1" | "/$1" | "$uri" | "$request_uri")) {
            self.rewritten = Some(node.place);
        }
        match flag {
            "last" => Step::Break,
            "break" => {
                *stay = true;
                Step::Break
            }
            _ => Step::On,
        }
    }

    /// A code of the gateway's own; the error page for it, if there is one, is where the request goes on.
    fn stop(&mut self, code: u16, chain: &Chain<'t>) -> End<'t> {
        if code < 400 || self.error_shown {
            return End::Stop;
        }
        let Some(page) = self.error_page(code, chain) else { return End::Stop };
        let uri = page.arguments.last().map_or("", |argument| argument.text.as_str());
        self.error_shown = true;
        if uri.starts_with('@') {
            let named = |location: &Location<'_>| location.select == Select::Named && location.pattern == uri;
            return match self.server.locations.iter().position(named) {
                Some(number) => self.enter(number),
                None => End::Stop,
            };
        }
        if !uri.starts_with('/') || uri.contains('$') {
            return End::Stop;
        }
        self.redirect(uri)
    }

    /// An internal redirect: the server's own directives run again.
    fn redirect(&mut self, uri: &str) -> End<'t> {
        self.moves += 1;
        if self.moves > MAX_MOVES {
            return End::Stop;
        }
        self.target = Target::Is(uri.split('?').next().unwrap_or(uri).to_owned());
        self.rewritten = None;
        match self.rewrite(&self.server.chain.clone()) {
            Flow::End(end) => end,
            _ => self.find(),
        }
    }

    fn error_page(&self, code: u16, chain: &Chain<'t>) -> Option<&'t Node> {
        let code = code.to_string();
        in_force(chain, &["error_page"]).nodes.into_iter().find(|node| {
            let codes = node.arguments.len().saturating_sub(1);
            node.arguments.iter().take(codes).any(|argument| argument.text == code)
        })
    }

    /// Access, `try_files`, and the handler.
    fn content(&mut self, chain: Chain<'t>, location: Option<usize>) -> End<'t> {
        let mut chain = chain;
        let Some(level) = chain.last().copied() else { return End::Stop };
        if let Some(limit) = own(level.nodes, &["limit_except"]).first() {
            let methods: Vec<_> = limit.arguments.iter().map(|argument| argument.text.as_str()).collect();
            if !self.world.holds(&format!("$request_method in {}", methods.join(" ")), "") {
                chain.push(Level::new(Kind::Within, limit.inner()));
            }
        }
        let rules = in_force(&chain, &["allow", "deny"]);
        if rules.nodes.first().is_some_and(|rule| rule.name == "deny" && rule.argument(0) == "all") {
            return self.stop(403, &chain);
        }
        let asked = in_force(&chain, &["auth_request"]);
        if asked.nodes.first().is_some_and(|node| node.argument(0) != "off")
            && [401, 403].into_iter().any(|code| self.error_page(code, &chain).is_some())
            && !self.error_shown
            && !self.world.holds("auth_request lets it through", "")
        {
            return self.stop(401, &chain);
        }
        if level.kind != Kind::Within
            && let Some(tries) = own(level.nodes, &["try_files"]).first()
            && !self.world.holds("a file of that name is there", "")
        {
            return self.fall_back(tries, &chain);
        }
        let handlers = &["proxy_pass", "grpc_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass"];
        for level in chain.iter().rev() {
            if let Some(pass) = own(level.nodes, handlers).last() {
                let passed =
                    Passed { chain: chain.clone(), pass, location, bypass: self.bypass, rewritten: self.rewritten };
                return End::Pass(Box::new(passed));
            }
            if level.kind != Kind::Within {
                break;
            }
        }
        End::Stop
    }

    fn fall_back(&mut self, tries: &Node, chain: &Chain<'t>) -> End<'t> {
        let last = tries.arguments.last().map_or("", |argument| argument.text.as_str());
        if let Some(code) = last.strip_prefix('=') {
            return self.stop(code.parse().unwrap_or(404), chain);
        }
        if last.starts_with('@') {
            let named = |location: &Location<'_>| location.select == Select::Named && location.pattern == last;
            self.moves += 1;
            return match self.server.locations.iter().position(named) {
                Some(number) if self.moves <= MAX_MOVES => self.enter(number),
                _ => End::Stop,
            };
        }
        if last.starts_with('/') && !last.contains('$') {
            return self.redirect(last);
        }
        End::Stop
    }

    /// Whether the condition of an `if` holds.
    fn condition(&mut self, node: &Node) -> bool {
        let mut words: Vec<&str> = node.arguments.iter().map(|argument| argument.text.as_str()).collect();
        if words.last() == Some(&")") {
            words.pop();
        } else if let Some(last) = words.last_mut() {
            *last = last.strip_suffix(')').unwrap_or(last);
        }
        if words.first() == Some(&"(") {
            words.remove(0);
        } else if let Some(first) = words.first_mut() {
            *first = first.strip_prefix('(').unwrap_or(first);
        }
        let words_said = words.join(" ");
        match words[..] {
            [variable] => {
                let value = self.value(variable);
                match value::known(&value) {
                    Some(text) => !text.is_empty() && text != "0",
                    None if value.iter().any(|piece| matches!(piece, Piece::Certificate(_))) => true,
                    None => self.world.holds(&words_said, self.whose(&value)),
                }
            }
            [variable, "=" | "!=", text] => {
                let negated = words[1] == "!=";
                let (left, right) = (self.value(variable), self.value(text));
                let equal = match (value::known(&left), value::known(&right)) {
                    (Some(left), Some(right)) => left == right,
                    (Some(text), None) if text.is_empty() && value::never_empty(&right) => false,
                    (None, Some(text)) if text.is_empty() && value::never_empty(&left) => false,
                    _ => self.world.holds(&format!("{variable} = {text}"), self.whose(&left)),
                };
                equal != negated
            }
            [variable, "~" | "~*" | "!~" | "!~*", pattern] => {
                let negated = words[1].starts_with('!');
                let any_case = words[1].ends_with('*');
                let value = self.value(variable);
                let fits = value::known(&value)
                    .and_then(|text| matches(pattern, any_case, &text))
                    .unwrap_or_else(|| self.world.holds(&format!("{variable} ~ {pattern}"), self.whose(&value)));
                fits != negated
            }
            _ => self.world.holds(&words_said, ""),
        }
    }

    /// What hangs on the certificate is another question for each kind of client.
    fn whose(&self, value: &[Piece]) -> &'static str {
        if !value.iter().any(|piece| matches!(piece, Piece::Certificate(_))) {
            return "";
        }
        match self.connection.client {
            Client::Verified => "verified ",
            Client::Anonymous => "anonymous ",
            Client::Foreign => "foreign ",
        }
    }

    /// A text with its variables filled in.
    pub(super) fn value(&mut self, text: &str) -> Pieces {
        self.value_at(text, 0)
    }

    fn value_at(&mut self, text: &str, depth: usize) -> Pieces {
        let mut pieces = Vec::new();
        for (_, part) in value::parts(text) {
            match part {
                Part::Text(text) => pieces.extend(value::text(text)),
                Part::Variable(name) => pieces.extend(self.variable(name, depth)),
            }
            if pieces.len() > MAX_PIECES {
                return vec![Piece::Unknown];
            }
        }
        pieces
    }

    fn variable(&mut self, name: &str, depth: usize) -> Pieces {
        if let Some(value) = self.variables.get(name) {
            return value.clone();
        }
        if let Some(map) = self.site.maps.get(name).copied() {
            return if depth < MAX_MAPS { self.map(map, depth) } else { vec![Piece::Unknown] };
        }
        if let Some(header) = name.strip_prefix("http_") {
            return vec![Piece::Header(header.replace('_', "-"))];
        }
        if let Some(form) = names::certificate(name) {
            return self.certificate(form);
        }
        let text = |text: &str| value::text(text).into_iter().collect();
        match name {
            "ssl_client_verify" => self.verification(),
            "scheme" => text(if self.connection.tls { "https" } else { "http" }),
            "https" => text(if self.connection.tls { "on" } else { "" }),
            "server_port" => self.connection.port.map_or(vec![Piece::Made], |port| text(&port.to_string())),
            "server_name" => self.connection.host.map_or(vec![Piece::Made], text),
            name if names::holds_query(name) => vec![Piece::Query],
            name if names::is_builtin(name) => vec![Piece::Made],
            _ => vec![Piece::Unknown],
        }
    }

    fn certificate(&self, form: Form) -> Pieces {
        match (self.connection.tls, self.connection.auth, self.connection.client) {
            (false, ..) | (_, ClientAuth::Off, _) | (_, _, Client::Anonymous) => Vec::new(),
            (_, ClientAuth::Unknown, _) => vec![Piece::Unknown],
            _ => vec![Piece::Certificate(form)],
        }
    }

    fn verification(&self) -> Pieces {
        let text = match (self.connection.tls, self.connection.auth, self.connection.client) {
            (false, ..) => return Vec::new(),
            (_, ClientAuth::Unknown, _) => return vec![Piece::Unknown],
            (_, ClientAuth::Off, _) | (_, _, Client::Anonymous) => "NONE",
            (_, _, Client::Verified) if self.connection.authority => "SUCCESS",
            (_, _, Client::Verified | Client::Foreign) => "FAILED:unable to verify the first certificate",
        };
        vec![Piece::Verification(text.to_owned())]
    }

    fn map(&mut self, map: &Node, depth: usize) -> Pieces {
        let source = self.value_at(map.argument(0), depth + 1);
        let mut default = "";
        let mut entries = Vec::new();
        for node in map.inner() {
            match node.name.as_str() {
                "default" => default = node.argument(0),
                "hostnames" | "volatile" => {}
                name if node.is_unknown() || name.is_empty() && node.arguments.is_empty() => {
                    return vec![Piece::Unknown];
                }
                name => entries.push((name, node.argument(0))),
            }
        }
        if let Some(text) = value::known(&source) {
            let literal = |key: &str| key.strip_prefix('\\').unwrap_or(key).eq_ignore_ascii_case(&text);
            if let Some((_, value)) = entries.iter().find(|(key, _)| !key.starts_with('~') && literal(key)) {
                return self.value_at(value, depth + 1);
            }
            for (key, value) in entries.iter().filter(|(key, _)| key.starts_with('~')) {
                let pattern = key.trim_start_matches('~');
                let any_case = key.starts_with("~*");
                match matches(pattern.strip_prefix('*').filter(|_| any_case).unwrap_or(pattern), any_case, &text) {
                    Some(true) => return self.value_at(value, depth + 1),
                    Some(false) => {}
                    None => return vec![Piece::Unknown],
                }
            }
            return self.value_at(default, depth + 1);
        }
        // Who takes the query apart does so to mask it.
        let taken_apart = entries.iter().any(|(key, value)| key.starts_with('~') && cuts_out(value));
        if taken_apart && source.contains(&Piece::Query) {
            return vec![Piece::Made];
        }
        // The certificate is there: the entries for an empty value are out.
        let there = value::never_empty(&source);
        let mut outcomes: Vec<(String, Pieces)> = Vec::new();
        let mut texts: Vec<(String, &str)> = entries
            .iter()
            .filter(|(key, _)| !(there && key.is_empty()))
            .map(|(key, v)| ((*key).to_owned(), *v))
            .collect();
        texts.push(("something else".to_owned(), default));
        for (key, text) in texts {
            // A part of a header that a pattern cuts out is neither all of it nor anything known.
            let captured = key.starts_with('~') && text.contains('$') && cuts_out(text);
            let value = match (&source[..], captured) {
                ([Piece::Header(header)], true) if takes_the_rest(&key, text) => vec![Piece::Cut(header.clone())],
                (_, true) => vec![Piece::Made],
                _ => self.value_at(text, depth + 1),
            };
            if !outcomes.iter().any(|(_, known)| *known == value) {
                outcomes.push((format!("{} is {key}", map.argument(0)), value));
            }
        }
        if outcomes.len() == 1 {
            return outcomes.swap_remove(0).1;
        }
        // Where nothing of the request or the certificate can come out, which text it is does not matter.
        let plain = |value: &Pieces| value.iter().all(|piece| matches!(piece, Piece::Text(_) | Piece::Made));
        if outcomes.iter().all(|(_, value)| plain(value)) {
            return vec![Piece::Made];
        }
        let words = outcomes.iter().map(|(words, _)| words.clone()).collect();
        let choice = self.world.choose(format!("{}map {}", self.whose(&source), map.argument(1)), words);
        outcomes.into_iter().nth(choice).map_or(vec![Piece::Unknown], |(_, value)| value)
    }
}

/// Whether a value takes something from a pattern's groups.
fn cuts_out(text: &str) -> bool {
    value::parts(text).iter().any(|(_, part)| match part {
        Part::Variable(name) => name.bytes().all(|byte| byte.is_ascii_digit()) || !name.starts_with("http_"),
        Part::Text(_) => false,
    })
}

/// Whether a value takes what the last group of a pattern holds, and that is all to the end.
fn takes_the_rest(pattern: &str, value: &str) -> bool {
    let Some((_, group)) = pattern.trim_end_matches('$').rsplit_once('(') else { return false };
    let Some(group) = group.strip_suffix(')') else { return false };
    let (name, inner) = match group.strip_prefix("?<").and_then(|group| group.split_once('>')) {
        Some((name, inner)) => (name.to_owned(), inner),
        None => (pattern.matches('(').count().to_string(), group),
    };
    let open = matches!(inner, ".+" | ".*" | "\\S+" | "[^ ]+" | "[^\\s]+");
    open && value::parts(value).iter().any(|(_, part)| *part == Part::Variable(&name))
}

/// Whether every path that begins with `prefix` fits a pattern of the plain kind `^/prefix`, `^/prefix(.*)$`.
fn begins_so(pattern: &str, prefix: &str) -> bool {
    let Some(bare) = pattern.strip_prefix('^') else { return false };
    let bare = ["(.*)$", "(.*)", ".*$", ".*"].iter().find_map(|rest| bare.strip_suffix(rest)).unwrap_or(bare);
    let plain = bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_".contains(&byte));
    plain && prefix.starts_with(bare)
}

/// Whether a text fits a pattern; `None` for patterns of a kind we can't read.
fn matches(pattern: &str, any_case: bool, text: &str) -> Option<bool> {
    let regex = RegexBuilder::new(pattern).case_insensitive(any_case).size_limit(1 << 18).build().ok()?;
    Some(regex.is_match(text))
}
