//! `bind` lines: addresses, and what is asked of clients (configuration manual, section 5.1).

use super::config::place;
use crate::gateway::files::Files;
use crate::gateway::hop::{Cause, ClientAuth, Place};
use crate::syntax::haproxy::{Line, Word};

/// So many ports of a range are listed.
const MAX_PORTS: u16 = 16;

/// Where a proxy listens.
#[derive(Debug, Clone)]
pub(super) struct Bind {
    pub(super) ports: Vec<u16>,
    /// Addresses with their ports, lower case, to be found again as servers.
    pub(super) addresses: Vec<String>,
    /// Names that select it: those of a list of certificates.
    pub(super) hosts: Vec<String>,
    pub(super) tls: bool,
    pub(super) verify: Verify,
    /// Certificates whose own verification fails are taken.
    pub(super) lenient: bool,
    /// Only reached from this machine.
    pub(super) local: bool,
    pub(super) asks_at: Option<Place>,
    pub(super) in_vain: Option<Cause>,
}

/// `verify`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verify {
    None,
    Optional,
    Required,
    Unknown,
}

impl Bind {
    /// In the words of the model.
    pub(super) const fn auth(&self) -> ClientAuth {
        match self.verify {
            Verify::Unknown => ClientAuth::Unknown,
            _ if !self.tls => ClientAuth::Off,
            Verify::None => ClientAuth::Off,
            _ if self.lenient => ClientAuth::Unverified,
            Verify::Optional => ClientAuth::Optional,
            Verify::Required => ClientAuth::Required,
        }
    }

    /// The paths of its sockets on this machine.
    pub(super) fn sockets(&self) -> impl Iterator<Item = String> {
        let bare = |address: &String| {
            let path = address.strip_prefix("unix@").unwrap_or(address);
            path.starts_with('/').then(|| path.to_owned())
        };
        self.addresses.iter().filter_map(bare)
    }

    /// Whether the same can be said of both.
    pub(super) fn alike(&self, other: &Self) -> bool {
        (&self.hosts, self.tls, self.verify, self.lenient, self.local, self.in_vain)
            == (&other.hosts, other.tls, other.verify, other.lenient, other.local, other.in_vain)
    }

    fn listen(&mut self, address: &str, word: &Word) {
        let text = address.trim().to_ascii_lowercase();
        let (family, rest) = text.split_once('@').unwrap_or(("", &text));
        if matches!(family, "unix" | "abns" | "abnsz" | "fd" | "sockpair") || rest.starts_with('/') {
            self.addresses.push(text);
            return;
        }
        let (host, port) = rest.rsplit_once(':').unwrap_or((rest, ""));
        let loopback = host.starts_with("127.") || matches!(host, "localhost" | "[::1]" | "::1");
        self.local &= loopback && !word.open;
        if family.starts_with("quic") {
            return; // found by no TCP client
        }
        let (first, last) = port.split_once('-').unwrap_or((port, port));
        if let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) {
            let last = last.min(first.saturating_add(MAX_PORTS));
            self.ports.extend(first..=last);
            self.addresses.extend((first..=last).map(|port| format!("{host}:{port}")));
        }
    }
}

/// Options of a bind, or of a line in a list of certificates.
#[derive(Debug, Clone, Default)]
struct Options {
    ssl: bool,
    authority: bool,
    verify: Option<Verify>,
    lenient: Option<bool>,
    list: Option<String>,
    open: bool,
}

impl Options {
    fn read(words: &[&str]) -> Self {
        const WITH_VALUE: &[&str] =
            &["name", "crt", "ca-verify-file", "ciphers", "ciphersuites", "alpn", "user", "group"];
        let mut options = Self::default();
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            match *word {
                "ssl" => options.ssl = true,
                "ca-file" => options.authority = rest.next().is_some(),
                "crt-list" => options.list = rest.next().map(|list| (*list).to_owned()),
                "verify" => {
                    options.verify = Some(match rest.next() {
                        Some(&"none") => Verify::None,
                        Some(&"optional") => Verify::Optional,
                        Some(&"required") => Verify::Required,
                        _ => Verify::Unknown,
                    });
                }
                "crt-ignore-err" => options.lenient = rest.next().map(|errors| takes_foreign(errors)),
                word if WITH_VALUE.contains(&word) => _ = rest.next(),
                word if ["{{", "${", "<%"].iter().any(|open| word.contains(open)) => options.open = true,
                _ => {}
            }
        }
        options
    }
}

/// Whether errors of an issuer that is not known are ignored: both of them occur, one after the other.
fn takes_foreign(errors: &str) -> bool {
    let has = |number: &str, name: &str| errors.split(',').any(|error| error.trim() == number || error.trim() == name);
    errors == "all"
        || (has("20", "X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY")
            && has("21", "X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE"))
}

/// Reads a `bind` line, or the addresses at the end of an old `listen` line; `at` is the word with the addresses. Lists
/// of certificates make several of one.
pub(super) fn read(files: &Files, file: u32, line: &Line, at: usize) -> Vec<Bind> {
    let Some(addresses) = line.words.get(at) else { return Vec::new() };
    let here = place(file, line);
    let words: Vec<&str> = line.words[at + 1..].iter().map(|word| word.text.as_str()).collect();
    let options = Options::read(&words);
    let asks = options.authority || options.verify.is_some_and(|verify| verify != Verify::None);
    let mut bind = Bind {
        ports: Vec::new(),
        addresses: Vec::new(),
        hosts: Vec::new(),
        tls: options.ssl,
        verify: options.verify.unwrap_or(if options.open { Verify::Unknown } else { Verify::None }),
        lenient: options.lenient.unwrap_or(false),
        local: true,
        asks_at: (options.ssl && asks).then_some(here),
        // A list of authorities alone asks for nothing.
        in_vain: (options.ssl && options.authority && options.verify.is_none() && !options.open).then_some(Cause::Mode),
    };
    for address in addresses.text.split(',') {
        bind.listen(address, addresses);
    }
    bind.ports.sort_unstable();
    bind.ports.dedup();
    let Some(list) = options.list else { return vec![bind] };
    let found = files.resolve(file, file, &list);
    let Some(list) = found.first() else {
        // Its lines may say otherwise.
        if bind.verify == Verify::None {
            bind.verify = Verify::Unknown;
            bind.in_vain = None;
        }
        return vec![bind];
    };
    listed(&bind, *list, &files.get(*list).text)
}

/// One bind for the lines of a list that say nothing of clients, and one for each that does.
fn listed(bind: &Bind, file: u32, text: &str) -> Vec<Bind> {
    let mut binds = vec![bind.clone()];
    let mut plain = 0;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let trimmed = line.trim_end();
        if trimmed.trim_start().is_empty() || trimmed.trim_start().starts_with('#') {
            continue;
        }
        let (options, hosts) = match trimmed.split_once('[').and_then(|(_, rest)| rest.split_once(']')) {
            Some(both) => both,
            None => ("", trimmed.trim_start().split_once(char::is_whitespace).map_or("", |(_, hosts)| hosts)),
        };
        let words: Vec<&str> = options.split_whitespace().collect();
        let options = Options::read(&words);
        let hosts: Vec<String> =
            hosts.split_whitespace().filter(|host| !host.starts_with('!')).map(str::to_ascii_lowercase).collect();
        if options.verify.is_none() && !options.authority {
            plain += 1;
            binds[0].hosts.extend(hosts);
            continue;
        }
        let here = Place { file, start: start as u32, end: (start + trimmed.len()) as u32 };
        binds.push(Bind {
            hosts,
            verify: options.verify.unwrap_or(bind.verify),
            lenient: options.lenient.unwrap_or(bind.lenient),
            asks_at: Some(here),
            in_vain: (options.verify.is_none() && bind.verify == Verify::None).then_some(Cause::Mode),
            ..bind.clone()
        });
    }
    if plain == 0 && binds.len() > 1 {
        binds.remove(0);
    }
    binds
}
