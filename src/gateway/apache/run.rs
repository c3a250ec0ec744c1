//! A request of one client on its way through a server: what asks for its certificate, what lets it pass, what is done
//! to its headers.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::expression::{self, Facts, sends};
use super::load::{Directive, Scope, Section, Server};
use super::value::{self, Datum, Part};
use crate::gateway::hop;
use crate::gateway::hop::{Arrival, Cause, Client, ClientAuth, Event, Form, Place, Request, Rewrite, Slot, Value};
use crate::syntax::template::Guard;

/// How what can't be known turns out.
pub(super) type Assignment = BTreeMap<String, bool>;

/// `SSLVerifyClient`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verify {
    None,
    /// `optional_no_ca`.
    Any,
    Optional,
    Require,
}

impl Verify {
    pub(super) fn of(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "optional" => Self::Optional,
            "require" => Self::Require,
            "optional_no_ca" => Self::Any,
            _ => Self::None,
        }
    }

    const fn admits(self, client: Client) -> bool {
        match self {
            Self::None | Self::Any => true,
            Self::Optional => !matches!(client, Client::Foreign),
            Self::Require => matches!(client, Client::Verified),
        }
    }

    pub(super) const fn auth(self) -> ClientAuth {
        match self {
            Self::None => ClientAuth::Off,
            Self::Any => ClientAuth::Unverified,
            Self::Optional => ClientAuth::Optional,
            Self::Require => ClientAuth::Required,
        }
    }
}

/// What is fixed for a way before any client comes.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    /// The servers whose directives count: the main server, and the virtual host.
    pub(super) servers: Vec<&'a Server>,
    pub(super) tls: bool,
    pub(super) port: Option<u16>,
    /// What is asked for in the handshake.
    pub(super) verify: Verify,
    /// It is told with what to verify certificates.
    pub(super) authority: bool,
    /// A path that takes this way, and whether all below it do.
    pub(super) path: &'a str,
    /// Where it would go by directives that map paths.
    pub(super) target: Option<&'a str>,
    /// This section matches, whatever is known of the path.
    pub(super) within: Option<Place>,
}

/// Where a run ends.
#[derive(Debug)]
pub(super) enum End {
    Refused,
    /// At an upstream; that of a rewrite rule if one sends it there.
    Upstream(Option<(String, Place)>),
}

/// A run.
pub(super) struct Run<'a> {
    scene: &'a Scene<'a>,
    client: Client,
    assignment: &'a Assignment,
    request: Request,
    /// `RewriteRule … [E=NAME:value]`.
    environment: RefCell<BTreeMap<String, Datum>>,
    certificate: bool,
    data: bool,
    variables: bool,
    /// Whether it gets through can't be told.
    unsure: bool,
    pub(super) lost: Option<Event>,
    pub(super) rewrites: Vec<Rewrite>,
    pub(super) inner: bool,
    pub(super) consumes: bool,
    pub(super) verify: Verify,
    pub(super) asks_at: Option<Place>,
}

impl<'a> Run<'a> {
    pub(super) fn new(scene: &'a Scene<'a>, client: Client, assignment: &'a Assignment) -> Self {
        Self {
            scene,
            client,
            assignment,
            request: Request::untouched(),
            environment: RefCell::default(),
            certificate: false,
            data: false,
            variables: false,
            unsure: false,
            lost: None,
            rewrites: Vec::new(),
            inner: false,
            consumes: false,
            verify: scene.verify,
            asks_at: None,
        }
    }

    pub(super) fn arrival(self) -> Arrival {
        if self.unsure { Arrival::Unknown } else { Arrival::Reaches(self.request) }
    }

    pub(super) fn request(&mut self) -> &mut Request {
        &mut self.request
    }

    /// The certificate as a parameter, for protocols that have them: only where it is exported.
    pub(super) fn exported(&self) -> Option<(bool, bool)> {
        self.certificate.then_some((self.data, self.variables))
    }

    /// Goes through to the end.
    pub(super) fn go(&mut self) -> Result<End, String> {
        let (mut scopes, conditions) = self.scopes()?;
        let inner = scopes.iter().skip(self.scene.servers.len());
        for section in inner.filter(|section| matches!(section.scope, Scope::Location(_) | Scope::LocationMatch(_))) {
            for directive in self.acting(&section.directives, "sslverifyclient")? {
                if Verify::of(directive.word(0)) > self.verify {
                    self.verify = Verify::of(directive.word(0));
                    self.asks_at = Some(directive.place);
                }
            }
        }
        // What a bad certificate comes to that is asked for late, and need not be there, is a matter of time.
        let handshake = self.scene.verify;
        self.unsure = self.client == Client::Foreign && handshake == Verify::None && self.verify == Verify::Optional;
        let admitted = handshake.admits(self.client) && (self.unsure || self.verify.admits(self.client));
        if self.scene.tls && !admitted {
            return Ok(End::Refused);
        }
        // In TLS 1.3 a client must say beforehand that it may be asked after the handshake; others are refused.
        let late = self.scene.verify == Verify::None && self.verify != Verify::None && self.client == Client::Anonymous;
        if self.scene.tls && late && !self.assumed("clients can be asked for a certificate late")? {
            return Ok(End::Refused);
        }
        // Without an authority none verifies, unless the library knows some.
        let verifies = self.verify != Verify::None && self.client == Client::Verified && !self.scene.authority;
        if self.scene.tls && verifies && self.verify != Verify::Any && !self.assumed("an authority is known")? {
            return Ok(End::Refused);
        }
        // A second request for a certificate needs a new handshake, which TLS 1.3 does not have.
        let again = self.scene.verify != Verify::None && self.verify != self.scene.verify;
        if self.scene.tls && again && !self.assumed("the connection is of TLS 1.2")? {
            return Ok(End::Refused);
        }
        self.certificate = self.scene.tls && self.verify != Verify::None && self.client != Client::Anonymous;
        for section in conditions {
            if let Scope::If(condition, _) = &section.scope
                && self.guarded(&section.guards)?
                && expression::holds(condition, &Facing(self))?
            {
                scopes.push(section);
            }
        }
        (self.variables, self.data) = self.exports(&scopes)?;
        let mut upstream = None;
        for server in self.scene.servers.iter().skip(self.scene.servers.len() - 1) {
            match self.rewrite(&server.body.directives)? {
                Rewritten::Refused => return Ok(End::Refused),
                Rewritten::Sent(url, place) => upstream = Some((url, place)),
                Rewritten::On => {}
            }
        }
        if self.denied(&scopes)? {
            return Ok(End::Refused);
        }
        for section in &scopes {
            match self.rewrite(&section.directives)? {
                Rewritten::Refused => return Ok(End::Refused),
                Rewritten::Sent(url, place) => upstream = Some((url, place)),
                Rewritten::On => {}
            }
        }
        if upstream.is_none() && self.scene.target.is_none() {
            return Ok(End::Refused);
        }
        for early in [true, false] {
            // Before a request is sorted into sections, only what stands outside of all of them acts.
            let all = if early { self.scene.servers.len() } else { scopes.len() };
            for section in &scopes[..all] {
                for directive in &section.directives {
                    if directive.name == "requestheader" {
                        self.header(directive, early)?;
                    }
                }
            }
        }
        Ok(End::Upstream(upstream))
    }

    /// The sections that count for this request, in the order in which they are merged; and those that count after them
    /// if their conditions hold.
    fn scopes(&self) -> Result<(Vec<&'a Section>, Vec<&'a Section>), String> {
        let mut scopes: Vec<&'a Section> = self.scene.servers.iter().map(|server| &server.body).collect();
        let mut conditions: Vec<&'a Section> = Vec::new();
        let mut later: Vec<&'a Section> = Vec::new();
        for server in &self.scene.servers {
            for section in &server.body.sections {
                let counts = match &section.scope {
                    Scope::Proxy { pattern, regex } => {
                        let counts = self.proxied(pattern, *regex);
                        if counts && self.guarded(&section.guards)? {
                            scopes.push(section);
                            self.nested(section, &mut scopes, &mut conditions)?;
                        }
                        false
                    }
                    Scope::Location(path) => self.below(path, section)?,
                    Scope::LocationMatch(pattern) => self.matches(pattern, section)?,
                    Scope::If(..) => {
                        conditions.push(section);
                        false
                    }
                    Scope::Files(_) => self.scene.within == Some(section.place),
                    Scope::Limit(methods) => {
                        self.guarded(&section.guards)? && self.assumed(&format!("<Limit {methods}>"))?
                    }
                };
                if counts && self.guarded(&section.guards)? {
                    later.push(section);
                    self.nested(section, &mut later, &mut conditions)?;
                }
            }
        }
        scopes.extend(later);
        Ok((scopes, conditions))
    }

    fn nested(
        &self,
        section: &'a Section,
        scopes: &mut Vec<&'a Section>,
        conditions: &mut Vec<&'a Section>,
    ) -> Result<(), String> {
        for inner in &section.sections {
            match &inner.scope {
                Scope::If(..) => conditions.push(inner),
                Scope::Limit(methods) if self.assumed(&format!("<Limit {methods}>"))? => scopes.push(inner),
                _ => {}
            }
        }
        Ok(())
    }

    fn guarded(&self, guards: &[Guard]) -> Result<bool, String> {
        for guard in guards {
            if self.assumed(&guard.condition)? != guard.holds {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn proxied(&self, pattern: &str, regex: bool) -> bool {
        let target = self.scene.target.unwrap_or_default();
        match (pattern, regex) {
            ("*", _) => true,
            (pattern, true) => expression::regex(pattern).is_some_and(|regex| regex.is_match(target)),
            (pattern, false) => target.starts_with(pattern.trim_end_matches('*')),
        }
    }

    fn below(&self, path: &str, section: &Section) -> Result<bool, String> {
        if self.scene.within == Some(section.place) {
            return Ok(true);
        }
        if path.contains(['*', '?', '[']) {
            return self.assumed(&format!("<Location {path}>"));
        }
        let path = path.trim_end_matches('/');
        Ok(self.scene.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    }

    fn matches(&self, pattern: &str, section: &Section) -> Result<bool, String> {
        if self.scene.within == Some(section.place) {
            return Ok(true);
        }
        self.path_matches(pattern, &format!("<LocationMatch {pattern}>"))
    }

    /// Whether a path of this way matches, as far as that is the same for all.
    fn path_matches(&self, pattern: &str, key: &str) -> Result<bool, String> {
        let path = self.scene.path;
        let Some(regex) = expression::regex(pattern) else { return self.assumed(key) };
        let below = format!("{}/a/b.c", path.trim_end_matches('/'));
        if regex.is_match(path) && regex.is_match(&below) {
            return Ok(true);
        }
        let fixed: String =
            pattern.trim_start_matches('^').chars().take_while(|c| !r"\.+*?()|[]{}^$".contains(*c)).collect();
        let apart =
            pattern.starts_with('^') && !pattern.contains('|') && !fixed.starts_with(path) && !path.starts_with(&fixed);
        if apart { Ok(false) } else { self.assumed(key) }
    }

    /// Directives of that name that count.
    fn acting(&self, directives: &'a [Directive], name: &str) -> Result<Vec<&'a Directive>, String> {
        let mut acting = Vec::new();
        for directive in directives.iter().filter(|directive| directive.name == name) {
            if self.guarded(&directive.guards)? {
                acting.push(directive);
            }
        }
        Ok(acting)
    }

    /// `SSLOptions`, from scope to scope: `StdEnvVars`, `ExportCertData`.
    fn exports(&self, scopes: &[&'a Section]) -> Result<(bool, bool), String> {
        let (mut variables, mut data) = (false, false);
        for section in scopes {
            for directive in self.acting(&section.directives, "ssloptions")? {
                if directive.words.iter().any(|word| !word.text.starts_with(['+', '-'])) {
                    (variables, data) = (false, false);
                }
                for word in &directive.words {
                    let on = !word.text.starts_with('-');
                    match word.text.trim_start_matches(['+', '-']).to_ascii_lowercase().as_str() {
                        "stdenvvars" => variables = on,
                        "exportcertdata" => data = on,
                        _ => {}
                    }
                }
            }
        }
        Ok((variables, data))
    }

    /// Whether access is denied whoever logs in.
    fn denied(&mut self, scopes: &[&'a Section]) -> Result<bool, String> {
        for section in scopes {
            if !self.scene.tls && !self.acting(&section.directives, "sslrequiressl")?.is_empty() {
                return Ok(true);
            }
            for directive in self.acting(&section.directives, "sslrequire")? {
                let text: Vec<&str> = directive.words.iter().map(|word| word.text.as_str()).collect();
                if !expression::holds(&text.join(" "), &Facing(self))? {
                    return Ok(true);
                }
            }
            let kind =
                self.acting(&section.directives, "authtype")?.last().map(|kind| kind.word(0).to_ascii_lowercase());
            if let Some(kind) = kind {
                self.consumes = matches!(
                    kind.as_str(),
                    "basic" | "digest" | "openid-connect" | "oauth20" | "auth-openidc" | "oauth2"
                );
            }
            // Of old.
            let from_all = |directives: &[&Directive]| directives.iter().any(|d| d.word(1).eq_ignore_ascii_case("all"));
            let (deny, allow) = (self.acting(&section.directives, "deny")?, self.acting(&section.directives, "allow")?);
            if from_all(&deny) && !from_all(&allow) {
                if allow.is_empty() {
                    return Ok(true);
                }
                self.inner = true;
            }
        }
        // What the innermost scope says takes the place of what the outer ones say.
        for section in scopes.iter().rev() {
            let any = self.acting(&section.directives, "require")?;
            let all = self.acting(&section.directives, "require all of")?;
            if any.is_empty() && all.is_empty() {
                continue;
            }
            let mut some = any.is_empty();
            for directive in any {
                some |= self.granted(directive)?;
            }
            for directive in all {
                some &= self.granted(directive)?;
            }
            return Ok(!some);
        }
        Ok(false)
    }

    fn granted(&mut self, directive: &Directive) -> Result<bool, String> {
        Ok(match directive.word(0).to_ascii_lowercase().as_str() {
            "all" => !directive.word(1).eq_ignore_ascii_case("denied"),
            "ssl-verify-client" => self.certificate && self.client == Client::Verified,
            "ssl" => self.scene.tls,
            "ip" | "host" | "forward-dns" | "local" => {
                self.inner = true;
                true
            }
            "expr" => {
                let text: Vec<&str> = directive.words[1..].iter().map(|word| word.text.as_str()).collect();
                let text = text.join(" ");
                expression::holds(text.strip_prefix("expr=").unwrap_or(&text), &Facing(self))?
            }
            "env" => match self.environment(directive.word(1)) {
                Datum::Null => false,
                Datum::Text(_) => true,
                _ => self.assumed(&format!("env={}", directive.word(1)))?,
            },
            _ => true,
        })
    }

    fn header(&mut self, directive: &'a Directive, early: bool) -> Result<(), String> {
        let verb = directive.word(0).to_ascii_lowercase();
        let name = directive.word(1).trim_end_matches(':').to_ascii_lowercase();
        let values = match verb.as_str() {
            "unset" => 0,
            "edit" | "edit*" => 2,
            _ => 1,
        };
        let last = directive.words.get(2 + values).map_or("", |word| word.text.as_str());
        if last.eq_ignore_ascii_case("early") != early || !self.guarded(&directive.guards)? {
            return Ok(());
        }
        let open = directive.words.iter().skip(1).take(2).any(|word| word.open && !word.text.contains("%{"));
        let parts = value::parse(directive.word(2));
        let fills = carries(&parts).is_some() && values == 1;
        let slot = self.slot(&name);
        if !self.condition(last)? {
            let mut cause = Cause::Conditional;
            if last.to_ascii_lowercase().contains(&name) {
                cause = Cause::ClientWins;
            }
            let about = fills || verb == "unset";
            if about && slot.values == [Value::Client] && (slot.event.is_none() || fills) {
                self.request.set(&name, slot.values, Some(Event::new(directive.place, cause)));
            }
            if fills && self.lost.is_none() {
                self.lost = Some(Event::new(directive.place, Cause::Conditional));
            }
            return Ok(());
        }
        let value = match () {
            () if open => Value::Unknown,
            () => value::header(&parts, &mut |part| self.part(part)),
        };
        if fills && self.certificate && matches!(&value, Value::Constant(_) | Value::Empty) {
            self.lost = Some(Event::new(directive.place, Cause::NotExported));
        }
        let cause = if matches!(value, Value::ClientHeader(_)) { Cause::Copied } else { Cause::Set };
        let event = |cause| Some(Event::new(directive.place, cause));
        match verb.as_str() {
            "set" => {
                self.losing(&slot, directive.place);
                self.request.set(&name, vec![value], event(cause));
            }
            "add" | "append" | "merge" if slot.values.is_empty() => self.request.set(&name, vec![value], event(cause)),
            "add" | "append" | "merge" => {
                let values = [slot.values, vec![value]].concat();
                self.request.set(&name, values, event(Cause::Appended));
            }
            "setifempty" => match slot.values.as_slice() {
                [] => self.request.set(&name, vec![value], event(cause)),
                [Value::Client] => {
                    if self.assumed(&sends(&name))? {
                        self.request.set(&name, slot.values, event(Cause::ClientWins));
                    } else {
                        self.request.set(&name, vec![value], event(cause));
                    }
                }
                _ => {}
            },
            "unset" => {
                self.losing(&slot, directive.place);
                let mut removed = Event::new(directive.place, Cause::Removed);
                let fills = slot.values.iter().any(|value| matches!(value, Value::Certificate(_)));
                removed.related.extend(slot.event.filter(|_| fills).map(|event| (event.place, "fills it")));
                self.request.set(&name, Vec::new(), Some(removed));
            }
            "edit" | "edit*" if !slot.values.is_empty() => {
                self.request.set(&name, vec![Value::Unknown], event(Cause::Set));
            }
            _ => {}
        }
        Ok(())
    }

    /// `env=NAME`, `expr=…`, or nothing.
    fn condition(&self, word: &str) -> Result<bool, String> {
        if let Some(expression) = word.strip_prefix("expr=") {
            return expression::holds(expression, &Facing(self));
        }
        let Some(name) = word.strip_prefix("env=") else { return Ok(true) };
        let (negated, name) = name.strip_prefix('!').map_or((false, name), |name| (true, name));
        let there = match self.environment(name) {
            Datum::Null => false,
            Datum::Other | Datum::Unknown => self.assumed(&format!("env={name}"))?,
            _ => true,
        };
        Ok(there != negated)
    }

    fn slot(&self, name: &str) -> Slot {
        // Names with underscores are headers like others here.
        match self.request.headers.get(name) {
            Some(slot) => slot.clone(),
            None => Slot { values: vec![Value::Client], event: None },
        }
    }

    fn losing(&mut self, slot: &Slot, place: Place) {
        if slot.values.iter().any(|value| matches!(value, Value::Certificate(_))) {
            let mut event = Event::new(place, Cause::Removed);
            event.related.extend(slot.event.as_ref().map(|event| (event.place, "fills it")));
            self.lost = Some(event);
        }
    }

    fn part(&self, part: &Part) -> Datum {
        match part {
            Part::Text(text) => Datum::Text(text.clone()),
            Part::Ssl(name) => self.asked(name),
            Part::Environment(name) => self.environment(name),
            Part::Variable(name, functions) => self.variable(name).through(functions),
            Part::Other => Datum::Other,
        }
    }

    /// `%{NAME}s`; line breaks become blanks.
    fn asked(&self, name: &str) -> Datum {
        match self.ssl(name) {
            Datum::Certificate(Form::PemLines) => Datum::Certificate(Form::PemOneLine),
            Datum::Text(text) if text.is_empty() => Datum::Null,
            datum => datum,
        }
    }

    /// A variable of mod_ssl.
    fn ssl(&self, name: &str) -> Datum {
        if name == "HTTPS" {
            return Datum::Text(if self.scene.tls { "on" } else { "off" }.to_owned());
        }
        if !self.scene.tls {
            return Datum::Null;
        }
        let of_certificate = |datum| if self.certificate { datum } else { Datum::Null };
        match name {
            "SSL_CLIENT_CERT" => of_certificate(Datum::Certificate(Form::PemLines)),
            "SSL_CLIENT_VERIFY" => Datum::Verification(match (self.certificate, self.client) {
                (false, _) => "NONE",
                (true, Client::Verified) => "SUCCESS",
                (true, _) => "FAILED:unable to verify the first certificate",
            }),
            "SSL_CLIENT_M_SERIAL" | "SSL_CLIENT_CERT_RFC4523_CEA" => of_certificate(Datum::Certificate(Form::Serial)),
            name if ["SSL_CLIENT_S_DN", "SSL_CLIENT_I_DN", "SSL_CLIENT_SAN_"]
                .iter()
                .any(|start| name.starts_with(start)) =>
            {
                of_certificate(Datum::Certificate(Form::Dn))
            }
            name if name.starts_with("SSL_CLIENT_") => of_certificate(Datum::Other),
            _ => Datum::Other,
        }
    }

    /// A variable of the environment.
    fn environment(&self, name: &str) -> Datum {
        if let Some(datum) = self.environment.borrow().get(name) {
            return datum.clone();
        }
        if name == "HTTPS" {
            return if self.scene.tls { Datum::Text("on".to_owned()) } else { Datum::Null };
        }
        let exported = match name {
            "SSL_CLIENT_CERT" => self.data,
            "SSL_TLS_SNI" => true,
            name if name.starts_with("SSL_CLIENT_CERT_CHAIN") || name == "SSL_SERVER_CERT" => self.data,
            name if name.starts_with("SSL_") => self.variables,
            _ => false,
        };
        if name.starts_with("SSL_") {
            return match (exported, self.asked(name)) {
                (false, _) => Datum::Null,
                // It is there, with nothing in it.
                (true, Datum::Null) if name == "SSL_CLIENT_CERT" && self.scene.tls => Datum::Text(String::new()),
                (true, datum) => datum,
            };
        }
        let set = self
            .scene
            .servers
            .iter()
            .flat_map(|server| &server.body.directives)
            .find(|directive| directive.name == "setenv" && directive.word(0) == name);
        match set {
            Some(directive) if directive.words.get(1).is_none_or(|word| !word.open) => {
                Datum::Text(directive.word(1).to_owned())
            }
            _ => Datum::Other,
        }
    }

    /// A variable of an expression.
    fn variable(&self, name: &str) -> Datum {
        let upper = name.to_ascii_uppercase();
        if let Some(variable) = upper.strip_prefix("SSL:") {
            return self.asked(variable);
        }
        if let Some(name) = name.strip_prefix("ENV:").or_else(|| name.strip_prefix("env:")) {
            return self.environment(name);
        }
        if let Some(header) = upper.strip_prefix("HTTP:") {
            return self.sent(&header.to_ascii_lowercase());
        }
        match upper.as_str() {
            "HTTPS" => self.ssl("HTTPS"),
            "REQUEST_SCHEME" => Datum::Text(if self.scene.tls { "https" } else { "http" }.to_owned()),
            "SERVER_PORT" => self.scene.port.map_or(Datum::Other, |port| Datum::Text(port.to_string())),
            name if name.starts_with("SSL_") => self.ssl(name),
            _ => Datum::Other,
        }
    }

    /// A header as it is now.
    fn sent(&self, name: &str) -> Datum {
        match self.slot(name).values.last() {
            None => Datum::Null,
            Some(Value::Client) if self.assignment.get(&sends(name)) == Some(&false) => Datum::Null,
            Some(Value::Client) => Datum::Header(name.to_owned()),
            Some(Value::ClientHeader(other)) => Datum::Header(other.clone()),
            Some(Value::Certificate(form)) => Datum::Certificate(*form),
            Some(Value::Constant(text)) => Datum::Text(text.clone()),
            Some(Value::Empty) => Datum::Text(String::new()),
            Some(Value::Other) => Datum::Other,
            Some(_) => Datum::Unknown,
        }
    }

    fn assumed(&self, key: &str) -> Result<bool, String> {
        self.assignment.get(key).copied().ok_or_else(|| key.to_owned())
    }

    /// Rules of mod_rewrite in one scope.
    fn rewrite(&mut self, directives: &'a [Directive]) -> Result<Rewritten, String> {
        let engine = self.acting(directives, "rewriteengine")?;
        if !engine.last().is_some_and(|engine| engine.word(0).eq_ignore_ascii_case("on")) {
            return Ok(Rewritten::On);
        }
        let mut conditions: Vec<&Directive> = Vec::new();
        for directive in directives {
            match directive.name.as_str() {
                "rewritecond" => conditions.push(directive),
                "rewriterule" => {
                    let conditions = std::mem::take(&mut conditions);
                    if !self.guarded(&directive.guards)? {
                        continue;
                    }
                    let flags = flags(directive.word(2));
                    let has = |flag: &str| flags.iter().any(|other| other.split('=').next() == Some(flag));
                    let target = directive.word(1);
                    let away = target.contains("://") && !has("P") && !has("proxy");
                    let sends = has("P") || has("proxy");
                    let refuses = away || ["F", "forbidden", "G", "gone", "R", "redirect"].iter().any(|flag| has(flag));
                    let sets = flags.iter().any(|flag| flag.starts_with("E=") || flag.starts_with("env="));
                    if !(sends || refuses || sets || target != "-") || !self.applies(directive, &conditions)? {
                        continue;
                    }
                    for flag in &flags {
                        let Some(pair) = flag.strip_prefix("E=").or_else(|| flag.strip_prefix("env=")) else {
                            continue;
                        };
                        let (name, text) = pair.split_once(':').unwrap_or((pair, ""));
                        let datum = match value::expression_parts(text, 0).as_slice() {
                            [] => Datum::Text(String::new()),
                            [Part::Text(text)] if !text.contains(['$', '%']) => Datum::Text(text.clone()),
                            [Part::Variable(name, functions)] => match self.variable(name).through(functions) {
                                Datum::Null => Datum::Text(String::new()),
                                datum => datum,
                            },
                            _ => Datum::Other,
                        };
                        self.environment.borrow_mut().insert(name.to_owned(), datum);
                    }
                    if refuses {
                        return Ok(Rewritten::Refused);
                    }
                    if sends {
                        return Ok(Rewritten::Sent(target.to_owned(), directive.place));
                    }
                    if target != "-" {
                        self.rewrites.push(Rewrite { part: hop::Part::Path, place: directive.place, told: false });
                        if has("L") || has("END") || has("last") || has("PT") {
                            break;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(Rewritten::On)
    }

    fn applies(&self, rule: &Directive, conditions: &[&Directive]) -> Result<bool, String> {
        let pattern = rule.word(0);
        let key = format!("RewriteRule {pattern}");
        let fits = match pattern {
            "^" | ".*" | "^.*" | "(.*)" | "^(.*)$" | "^.*$" | "^/(.*)$" | "^/?(.*)$" | "^/?(.*)" | "^/(.*)" | "^/"
            | "/" => true,
            _ => match pattern.strip_prefix('!') {
                Some(pattern) => !self.path_matches(pattern, &format!("RewriteRule {pattern}"))?,
                None => self.path_matches(pattern, &key)?,
            },
        };
        if !fits {
            return Ok(false);
        }
        let mut alternative = false;
        let mut before = true;
        for condition in conditions {
            let text = condition.word(2);
            let holds = if alternative && before {
                true
            } else {
                let facing = Facing(self);
                expression::rewrite_condition(condition.word(0), condition.word(1), text, &facing)?
            };
            alternative = flags(text).iter().any(|flag| flag == "OR" || flag == "ornext");
            before = holds;
            if !holds && !alternative {
                return Ok(false);
            }
        }
        Ok(before)
    }
}

/// What rewriting comes to.
enum Rewritten {
    On,
    Refused,
    Sent(String, Place),
}

fn flags(text: &str) -> Vec<String> {
    text.trim_matches(['[', ']']).split(',').map(|flag| flag.trim().to_owned()).collect()
}

/// A run as expressions see it.
struct Facing<'r, 'a>(&'r Run<'a>);

impl Facts for Facing<'_, '_> {
    fn variable(&self, name: &str) -> Datum {
        self.0.variable(name)
    }

    fn assumed(&self, key: &str) -> Result<bool, String> {
        self.0.assumed(key)
    }

    fn client(&self) -> &'static str {
        if self.0.client == Client::Verified { "valid" } else { "foreign" }
    }
}

/// The form in which a value carries the certificate of a client that has one, exported or not.
pub(super) fn carries(parts: &[Part]) -> Option<Form> {
    let of = |name: &str, form| match name.trim_start_matches("SSL:") {
        "SSL_CLIENT_CERT" => Datum::Certificate(form),
        "SSL_CLIENT_M_SERIAL" => Datum::Certificate(Form::Serial),
        name if name.starts_with("SSL_CLIENT_S_DN") || name.starts_with("SSL_CLIENT_I_DN") => {
            Datum::Certificate(Form::Dn)
        }
        _ => Datum::Other,
    };
    let value = value::header(parts, &mut |part| match part {
        Part::Ssl(name) | Part::Environment(name) => of(name, Form::PemOneLine),
        Part::Variable(name, functions) => of(name, Form::PemLines).through(functions),
        _ => Datum::Other,
    });
    match value {
        Value::Certificate(form) => Some(form),
        _ => None,
    }
}
