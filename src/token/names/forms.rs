//! Files whose form is known by their name: there a token may be named by a word that means nothing elsewhere
//! (`password` in `.netrc`), or by its place (the password of a URL). Each form has a few literals of its own that are
//! looked for besides the anchors.

use super::Named;
use super::reader::{Read, Reader};
use super::value::{ASSIGNED, Claim, SHORTEST};
use crate::token::carrier::Carrier;
use crate::token::escape::{self, Class};
use crate::token::file::{Form, Nature};
use crate::token::pair;
use crate::token::record::{CutOff, Value};

/// What is looked for only in files of some form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extra {
    /// `_auth`: `name:password` in base64.
    NpmAuth,
    /// `_password`: in base64.
    NpmPassword,
    /// `npmAuthIdent`: `name:password`.
    YarnIdent,
    /// `password` and its value.
    Password,
    /// `/t/TOKEN/` in a URL.
    CondaPath,
    /// `"github-oauth": {"host": "TOKEN"}`
    HostTable,
    /// `https://user:TOKEN@host`
    Url,
    /// `-u user:TOKEN`
    User,
    /// `docker login -p TOKEN`, `vault login TOKEN`
    Login,
    /// `"auth"`: `name:password` in base64.
    DockerAuth,
    /// The whole file.
    Whole,
    /// `mcpServers`: what follows belongs to an agent's tools.
    Tools,
}

impl Extra {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::NpmAuth,
        Self::NpmPassword,
        Self::YarnIdent,
        Self::Password,
        Self::CondaPath,
        Self::HostTable,
        Self::Url,
        Self::User,
        Self::Login,
        Self::DockerAuth,
        Self::Whole,
        Self::Tools,
    ];

    /// What it is found by; empty for what stands at the beginning of a file.
    pub const fn literal(self) -> &'static str {
        match self {
            Self::NpmAuth => "_auth",
            Self::NpmPassword => "_password",
            Self::YarnIdent => "npmAuthIdent",
            Self::Password => "assword",
            Self::CondaPath => "/t/",
            Self::HostTable => "-oauth\"",
            Self::Url => "://",
            Self::User => "-u",
            Self::Login => "login",
            Self::DockerAuth => "\"auth\"",
            Self::Whole => "",
            Self::Tools => "mcp",
        }
    }

    /// What is looked for in files of that nature.
    pub fn of(nature: Nature) -> impl Iterator<Item = Self> {
        let of_form: &[Self] = match nature.form {
            Form::Npmrc => &[Self::NpmAuth, Self::NpmPassword],
            Form::Yarnrc => &[Self::YarnIdent],
            Form::Netrc | Form::Pypirc | Form::Nuget => &[Self::Password],
            Form::AuthJson => &[Self::DockerAuth, Self::Password, Self::HostTable],
            Form::Conda => &[Self::CondaPath],
            Form::Commands | Form::Dockerfile => &[Self::User, Self::Login],
            Form::Token => &[Self::Whole],
            Form::Structured => &[Self::Tools, Self::DockerAuth],
            Form::Variables => &[Self::DockerAuth],
            Form::Plain | Form::Agent | Form::Notebook => &[],
        };
        of_form.iter().copied().chain(nature.urls.then_some(Self::Url))
    }
}

/// The alphabet of a password in a URL, once unescaped.
static PASSWORD: Class = Class::alphanumeric_and(b"-._~+=");

/// How far the parts of a URL before its host are read.
const USERINFO: usize = 512;
/// The longest command line that is read.
const LINE: usize = 2048;

/// What stands at that place.
pub(super) fn read(reader: &Reader<'_>, extra: Extra, at: usize) -> Read<Vec<Named>> {
    let end = at + extra.literal().len();
    match extra {
        Extra::NpmAuth => reader.npm(end, |at, family| reader.basic(family, at, Carrier::KeyValue)),
        Extra::NpmPassword => {
            reader.npm(end, |at, family| reader.decoded(Claim::new(family, ASSIGNED), at, |plain| Some(plain.to_vec())))
        }
        Extra::YarnIdent => reader.yarn_ident(end),
        Extra::Password => reader.password(at, end),
        Extra::CondaPath => reader.conda_path(end),
        Extra::HostTable => match reader.general() {
            Some(family) => reader.host_table(family, end),
            None => Ok(Vec::new()),
        },
        Extra::Url => reader.userinfo(end),
        Extra::User => reader.user(at, end),
        Extra::Login => reader.login(at),
        Extra::DockerAuth => reader.docker_auth(at),
        Extra::Whole => reader.whole(at),
        Extra::Tools => Ok(Vec::new()),
    }
}

impl Reader<'_> {
    /// The family of what only its place names.
    fn general(&self) -> Option<u16> {
        self.names.by_name.get("token").copied()
    }

    /// Behind `=` on the line.
    fn npm(&self, end: usize, read: impl FnOnce(usize, u16) -> Read<Vec<Named>>) -> Read<Vec<Named>> {
        let Some(family) = self.general() else { return Ok(Vec::new()) };
        let rest = &self.bytes[end..];
        let gap = rest.iter().take(8).take_while(|b| matches!(**b, b' ' | b'=' | b'"')).count();
        if self.more && gap == rest.len() {
            return Err(CutOff);
        }
        if rest[..gap].contains(&b'=') { read(end + gap, family) } else { Ok(Vec::new()) }
    }

    /// `npmAuthIdent: "name:password"`
    fn yarn_ident(&self, end: usize) -> Read<Vec<Named>> {
        let Some(family) = self.general() else { return Ok(Vec::new()) };
        let rest = self.line(end)?;
        let Some(colon) = memchr::memchr(b':', rest) else { return Ok(Vec::new()) };
        match memchr::memchr(b':', &rest[colon + 1..]) {
            Some(second) => {
                self.value(Claim::new(family, ASSIGNED).carried(Carrier::KeyValue), end + colon + second + 2)
            }
            None => Ok(Vec::new()),
        }
    }

    /// `password VALUE`, `password = VALUE`, `"password": "VALUE"`, `key="ClearTextPassword" value="VALUE"`
    fn password(&self, at: usize, end: usize) -> Read<Vec<Named>> {
        let Some(family) = self.general() else { return Ok(Vec::new()) };
        let start = at - self.bytes[..at].iter().rev().take(16).take_while(|b| b.is_ascii_alphabetic()).count();
        let mut claim = Claim::new(family, ASSIGNED).carried(Carrier::KeyValue);
        if let Some((value, _)) = pair::value_of(self.lens(), start, end)? {
            return self.value(claim, value);
        }
        let rest = self.line(end)?;
        let gap = rest.iter().take(16).take_while(|b| b" \t=:\"'".contains(b)).count();
        let separated = rest[..gap].iter().any(|b| matches!(b, b'=' | b':'));
        if gap == 0 || (self.form != Form::Netrc && !separated) {
            return Ok(Vec::new());
        }
        claim.uuid = self.form == Form::Netrc;
        if rest[..gap].contains(&b'"') {
            claim = claim.carried(Carrier::JsonField);
        }
        self.value(claim, end + gap)
    }

    /// `https://conda.example.com/t/TOKEN/channel`
    fn conda_path(&self, end: usize) -> Read<Vec<Named>> {
        let Some(family) = self.general() else { return Ok(Vec::new()) };
        let line = &self.bytes[end.saturating_sub(USERINFO)..end];
        let line = memchr::memrchr(b'\n', line).map_or(line, |at| &line[at + 1..]);
        if memchr::memmem::find(line, b"://").is_none() {
            return Ok(Vec::new());
        }
        self.segment(Claim::new(family, SHORTEST).carried(Carrier::UrlPath), end)
    }

    /// `"github-oauth": {"github.com": "TOKEN"}`
    pub(super) fn host_table(&self, family: u16, end: usize) -> Read<Vec<Named>> {
        let bearer = self.names.bearer == Some(family);
        let carrier = if bearer { Carrier::AuthorizationHeader } else { Carrier::JsonField };
        let rest = self.bytes[end..].trim_ascii_start();
        let Some(rest) = rest.strip_prefix(b":").map(<[u8]>::trim_ascii_start) else { return Ok(Vec::new()) };
        if rest.first() != Some(&b'{') {
            return if self.more && rest.is_empty() { Err(CutOff) } else { Ok(Vec::new()) };
        }
        let mut found = Vec::new();
        let mut members = self.lens().members(self.bytes.len() - rest.len() + 1);
        while let Some(member) = members.next()? {
            if let Value::Text(start, _) = member.value {
                found.extend(self.value(Claim::new(family, ASSIGNED).carried(carrier), start)?);
            }
        }
        Ok(found)
    }

    /// The password of a URL whose user begins at `at`.
    pub(super) fn userinfo(&self, at: usize) -> Read<Vec<Named>> {
        let Some(family) = self.general() else { return Ok(Vec::new()) };
        let rest = &self.bytes[at..self.bytes.len().min(at + USERINFO)];
        let stop = |b: &u8| {
            matches!(*b, b'/' | b'@' | b'"' | b'\'' | b'<' | b'>' | b'\\' | b'?' | b'#' | b'$' | b'{' | b'`')
                || b.is_ascii_whitespace()
        };
        let length = rest.iter().take_while(|b| !stop(b)).count();
        self.looked_at(length);
        if length == rest.len() && self.more && rest.len() < USERINFO {
            return Err(CutOff);
        }
        if rest.get(length) != Some(&b'@') || length < SHORTEST || !is_web(&self.bytes[..at - 3]) {
            return Ok(Vec::new());
        }
        let host = &rest[length + 1..];
        let (user, password) = match memchr::memchr(b':', &rest[..length]) {
            Some(colon) => (&rest[..colon], colon + 1),
            // https://key@o1.ingest.sentry.io/2: the key of a DSN is public
            None if is_dsn(host) => return Ok(Vec::new()),
            None => (&rest[..0], 0),
        };
        let named = ["token", "oauth", "pat", "git"]
            .iter()
            .any(|word| user.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes())));
        let claim = Claim::new(family, if named { SHORTEST } else { ASSIGNED }).carried(Carrier::UrlUserinfo);
        let token_is_user = rest[password..length].eq_ignore_ascii_case(b"x-oauth-basic") || password == length;
        let (start, end) = if token_is_user { (at, at + user.len()) } else { (at + password, at + length) };
        if is_dsn(host) {
            return Ok(Vec::new());
        }
        let run = escape::run(self.bytes, start, &PASSWORD, USERINFO);
        if run.end != end {
            return Ok(Vec::new());
        }
        self.segment(claim, start)
    }

    /// A value that ends with its part of a URL.
    fn segment(&self, claim: Claim, start: usize) -> Read<Vec<Named>> {
        self.value_of(claim, start, &PASSWORD)
    }

    /// `-u user:TOKEN`, `-u TOKEN:`, of curl
    fn user(&self, at: usize, end: usize) -> Read<Vec<Named>> {
        let Some(family) = self.general() else { return Ok(Vec::new()) };
        let before = &self.bytes[at.saturating_sub(LINE)..at];
        let line = memchr::memrchr(b'\n', before).map_or(before, |n| &before[n + 1..]);
        self.looked_at(line.len());
        let clean = line.last().is_none_or(|b| matches!(b, b' ' | b'-'));
        let rest = self.line(end)?;
        let long = if rest.starts_with(b"ser") && line.ends_with(b"-") { 3 } else { 0 };
        let gap = long + rest[long..].iter().take(4).take_while(|b| b" =\"'".contains(b)).count();
        let called = ["curl", "wget", "http "].iter().any(|tool| memchr::memmem::find(line, tool.as_bytes()).is_some());
        if !clean || !called || (long == 0 && line.ends_with(b"-")) {
            return Ok(Vec::new());
        }
        let word = &rest[gap..];
        let word = &word[..word.iter().take_while(|b| !b.is_ascii_whitespace() && !matches!(b, b'"' | b'\'')).count()];
        let Some(colon) = memchr::memchr(b':', word) else { return Ok(Vec::new()) };
        let behind = &word[colon + 1..];
        let start = end + gap;
        let claim = Claim::new(family, ASSIGNED).carried(Carrier::KeyValue);
        if behind.is_empty() || behind == b"x-oauth-basic" {
            self.value(claim, start)
        } else {
            self.value(claim, start + colon + 1)
        }
    }

    /// The password of a command that signs in.
    fn login(&self, at: usize) -> Read<Vec<Named>> {
        let Some(family) = self.general() else { return Ok(Vec::new()) };
        let floor = at.saturating_sub(LINE);
        let begin = memchr::memrchr(b'\n', &self.bytes[floor..at]).map_or(floor, |n| floor + n + 1);
        let end = at + self.line(at)?.len();
        let line = &self.bytes[begin..end];
        self.looked_at(line.len());
        let claim = Claim::new(family, SHORTEST).carried(Carrier::KeyValue);
        let before = line[..at - begin].trim_ascii_end();
        if before.ends_with(b"vault") {
            let rest = &line[at - begin + 5..];
            let gap = rest.iter().take_while(|b| **b == b' ').count();
            return self.value(claim, at + 5 + gap);
        }
        let tools = ["docker", "podman", "nerdctl", "buildah", "skopeo", "oras", "registry", "crane"];
        if !tools.iter().any(|tool| before.ends_with(tool.as_bytes())) {
            return Ok(Vec::new());
        }
        for option in [&b" -p "[..], b" --password ", b" --password="] {
            if let Some(found) = memchr::memmem::find(&line[at - begin..], option) {
                let value = at + found + option.len();
                let quote = usize::from(matches!(self.bytes.get(value), Some(b'"' | b'\'')));
                return self.value(claim, value + quote);
            }
        }
        if memchr::memmem::find(line, b"--password-stdin").is_some()
            && let Some(echo) = memchr::memmem::rfind(before, b"echo ")
        {
            let rest = &line[echo + 5..];
            let skip = rest.iter().take(8).take_while(|b| b" \"'-n".contains(b)).count();
            return self.value(claim, begin + echo + 5 + skip);
        }
        Ok(Vec::new())
    }

    /// A file that holds nothing but a token.
    fn whole(&self, at: usize) -> Read<Vec<Named>> {
        let Some(family) = self.general() else { return Ok(Vec::new()) };
        let blank = self.bytes[at..].iter().take_while(|b| b.is_ascii_whitespace()).count();
        let mut found = self.value(Claim::new(family, SHORTEST).carried(Carrier::Bare), at + blank)?;
        found.retain(|named| self.bytes[named.end..].trim_ascii().is_empty());
        if self.more && !found.is_empty() { Err(CutOff) } else { Ok(found) }
    }

    /// The rest of the line.
    fn line(&self, at: usize) -> Read<&[u8]> {
        let rest = &self.bytes[at..self.bytes.len().min(at + LINE)];
        match rest.iter().position(|b| matches!(b, b'\n' | b'\r')) {
            Some(end) => Ok(&rest[..end]),
            None if self.more && rest.len() < LINE => Err(CutOff),
            None => Ok(rest),
        }
    }
}

/// What stands before `://` speaks HTTP: a database's password is no bearer token.
fn is_web(before: &[u8]) -> bool {
    ["http", "https", "git", "ws", "wss"].iter().any(|scheme| {
        before.len() >= scheme.len() && before[before.len() - scheme.len()..].eq_ignore_ascii_case(scheme.as_bytes())
    })
}

/// The host and path of a Sentry DSN, which is made to be public.
fn is_dsn(host: &[u8]) -> bool {
    let end = host.iter().position(|b| matches!(b, b'"' | b'\'' | b'<' | b'`') || b.is_ascii_whitespace());
    let host = &host[..end.unwrap_or(host.len())];
    let name = &host[..memchr::memchr(b'/', host).unwrap_or(host.len())];
    let project = memchr::memchr(b'/', host).map_or(&[][..], |at| &host[at + 1..]);
    memchr::memmem::find(name, b"sentry").is_some() || (!project.is_empty() && project.iter().all(u8::is_ascii_digit))
}
