//! HAProxy: sections with their defaults, binds, rules in their order, conditions, backends.
//!
//! Sources: the configuration manual of 2.6 and 3.2, and what a real 2.6 did (`tests/oracle/`).

mod bind;
mod condition;
mod config;
mod logs;
mod run;
mod sample;
mod ways;

use std::collections::{BTreeMap, BTreeSet};

use super::files::Files;
use super::hop::{Cause, Form, Hop, Part, Place};
use super::rule::Rule;
use super::{Configuration, Detail, FrontEnd, Hole};
use crate::config::written::Written;
use crate::syntax::haproxy::{self, Document};

/// HAProxy.
#[derive(Debug)]
pub struct Haproxy;

impl FrontEnd for Haproxy {
    fn product(&self) -> &'static str {
        "haproxy"
    }

    fn recognises(&self, _: &str, text: &str) -> bool {
        let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
        if has(".pem [") || has(".crt [") {
            return is_certificate_list(text);
        }
        (has("backend") || has("frontend") || has("listen ")) && is_configuration(text)
    }

    fn lower(&self, files: &Files, own: &[u32]) -> Vec<Configuration> {
        let documents: Vec<(u32, Document)> =
            own.iter().map(|number| (*number, haproxy::parse(&files.get(*number).text))).collect();
        let documents: Vec<(u32, Document)> =
            documents.into_iter().filter(|(_, document)| !document.sections.is_empty()).collect();
        sets(files, &documents).iter().map(|set| configuration(files, set)).collect()
    }

    fn reason(&self, rule: Rule, cause: Cause) -> &'static str {
        match (rule, cause) {
            (Rule::Stripped, Cause::Removed) => "haproxy-backend-deletes-cert",
            (Rule::Stripped, _) => "haproxy-client-cert-not-forwarded",
            (Rule::Spoofable, Cause::Appended) => "haproxy-cert-header-add",
            (Rule::Spoofable, Cause::Conditional | Cause::ClientWins) => "haproxy-cert-header-conditional-no-del",
            (Rule::Spoofable, Cause::Copied | Cause::Set) => "haproxy-cert-header-copied",
            (Rule::Spoofable, Cause::Alias) => "haproxy-header-alias",
            (Rule::Spoofable, _) => "haproxy-cert-header-untouched",
            (Rule::NotRequested, Cause::Mode) => "haproxy-verify-none-by-default",
            (Rule::NotRequested, _) => "haproxy-client-cert-not-requested",
            (Rule::Malformed, _) => "haproxy-client-cert-rfc9440-format",
            (Rule::Weak, _) => "haproxy-cert-weak-form",
            (Rule::Unverified, Cause::Conditional) => "haproxy-verify-zero-without-used",
            (Rule::Unverified, _) => "haproxy-ignore-err-unverified",
            (Rule::DpopBroken, Cause::NotListed) => "haproxy-cors-missing-dpop",
            (Rule::DpopBroken, Cause::Removed) => "haproxy-dpop-removed",
            (Rule::DpopBroken, Cause::Appended) => "haproxy-dpop-added",
            (Rule::DpopBroken, _) => "haproxy-dpop-rewritten",
            (Rule::Logged, _) => "haproxy-log-credentials",
        }
    }

    fn reason_in_detail(&self, rule: Rule, cause: Cause, detail: Detail) -> &'static str {
        match (rule, detail) {
            (Rule::Weak, Detail::Form(Form::Sha1)) => "haproxy-cert-sha1-only",
            (Rule::Weak, Detail::Form(_)) => "haproxy-cert-dn-only",
            (Rule::DpopBroken, Detail::Part(Part::Path)) => "haproxy-path-rewrite-htu",
            (Rule::DpopBroken, Detail::Part(_)) => "haproxy-host-rewrite-htu",
            _ => self.reason(rule, cause),
        }
    }

    fn fix(&self, rule: Rule, cause: Cause, header: Option<&str>) -> String {
        let header = header.unwrap_or("X-SSL-Client-Cert");
        match (rule, cause) {
            (Rule::Stripped, Cause::Removed) => format!(
                "Delete {header} before it is set, not after: move `http-request del-header {header}` in front of the \
                 rule that fills it, or drop it (`set-header` replaces what the client sent)."
            ),
            (Rule::Stripped, _) => format!(
                "Pass the certificate on: `http-request set-header {header} %[ssl_c_der,base64]` in the frontend, \
                 without a condition, so that it also replaces what clients send."
            ),
            (Rule::Spoofable, Cause::Appended) => format!(
                "Write `http-request set-header {header} …` in place of `add-header`: it replaces what the client sent."
            ),
            (Rule::Spoofable, Cause::Conditional | Cause::ClientWins) => format!(
                "Put `http-request del-header {header}` without a condition in front of this rule, or drop the \
                 rule's condition: without a certificate the header is then empty."
            ),
            (Rule::Spoofable, Cause::Alias) => "Write `option http-restrict-req-hdr-names delete` in the frontend.".to_owned(),
            (Rule::Spoofable, _) => format!(
                "Write `http-request del-header {header}` in every frontend that leads to this backend and does not set \
                 the header itself."
            ),
            (Rule::NotRequested, _) => "Ask for the certificate: `bind … ssl crt … ca-file clients-ca.pem verify required` \
                 (or `verify optional`); without `verify` none is asked for."
                .to_owned(),
            (Rule::Malformed, _) => format!(
                "Put the base64 of the DER between colons: `http-request set-header {header} :%[ssl_c_der,base64]:`, \
                 and delete the header where there is no certificate; or choose another name."
            ),
            (Rule::Weak, _) => "Pass the certificate or its SHA-256 hash on: `%[ssl_c_der,base64]` or \
                 `%[ssl_c_der,sha2(256),hex]`."
                .to_owned(),
            (Rule::Unverified, Cause::Conditional) => "`ssl_c_verify` is 0 without a certificate, too: write \
                 `http-request deny unless { ssl_c_used } { ssl_c_verify 0 }`, or `verify required` on the bind."
                .to_owned(),
            (Rule::Unverified, _) => "Refuse what does not verify (`http-request deny unless { ssl_c_used } { ssl_c_verify 0 }`, \
                 or no `crt-ignore-err`), or tell the servers: `http-request set-header X-SSL-Client-Verify %[ssl_c_verify]`."
                .to_owned(),
            (Rule::DpopBroken, Cause::NotListed) => "List `DPoP` in `Access-Control-Allow-Headers`, and `DPoP-Nonce` and \
                 `WWW-Authenticate` in `Access-Control-Expose-Headers`."
                .to_owned(),
            (Rule::DpopBroken, Cause::Removed) => format!("Drop the rule that removes {header}."),
            (Rule::DpopBroken, _) => "Pass DPoP and Authorization as they come, and the target as the client signed it; \
                 where host or path must change, say what they were: \
                 `http-request set-header X-Forwarded-Host %[req.hdr(host)]`, `X-Forwarded-Prefix`."
                .to_owned(),
            (Rule::Logged, _) => "Drop the capture, or take it out of the log format: capture a hash at most \
                 (`http-request capture req.hdr(Authorization),sha2(256),hex len 64`)."
                .to_owned(),
        }
    }
}

/// First words of lines within proxies.
const WORDS: &[&str] = &[
    "acl",
    "backlog",
    "balance",
    "bind",
    "bind-process",
    "block",
    "capture",
    "clitimeout",
    "compression",
    "contimeout",
    "cookie",
    "declare",
    "default-server",
    "default_backend",
    "description",
    "disabled",
    "dispatch",
    "email-alert",
    "enabled",
    "errorfile",
    "errorfiles",
    "errorloc",
    "errorloc302",
    "errorloc303",
    "filter",
    "force-persist",
    "fullconn",
    "grace",
    "guid",
    "hash-type",
    "http-after-response",
    "http-check",
    "http-error",
    "http-request",
    "http-response",
    "http-reuse",
    "http-send-name-header",
    "id",
    "ignore-persist",
    "load-server-state-from-file",
    "log",
    "log-format",
    "log-format-sd",
    "log-tag",
    "max-keep-alive-queue",
    "maxconn",
    "mode",
    "monitor",
    "monitor-net",
    "monitor-uri",
    "no",
    "option",
    "persist",
    "rate-limit",
    "redirect",
    "redispatch",
    "reqadd",
    "reqallow",
    "reqdel",
    "reqdeny",
    "reqiallow",
    "reqidel",
    "reqideny",
    "reqirep",
    "reqrep",
    "retries",
    "retry-on",
    "rspadd",
    "rspdel",
    "rspidel",
    "rspirep",
    "rsprep",
    "server",
    "server-state-file-name",
    "server-template",
    "source",
    "srvtimeout",
    "stats",
    "stick",
    "stick-table",
    "tcp-check",
    "tcp-request",
    "tcp-response",
    "timeout",
    "transparent",
    "unique-id-format",
    "unique-id-header",
    "use-fcgi-app",
    "use-server",
    "use_backend",
    "error-log-format",
    "option",
    "external-check",
    "tcp-request",
    "http-error",
];

/// Whether this is a configuration: sections that are named and hold nothing but what can stand there.
fn is_configuration(text: &str) -> bool {
    let (mut proxies, mut telling, mut known, mut strange) = (0usize, 0usize, 0usize, 0usize);
    let mut kind = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).take(2000) {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        if haproxy::SECTIONS.contains(&first) {
            let proxy = matches!(first, "frontend" | "backend" | "listen") && words.next().is_some();
            kind = Some(proxy);
            proxies += usize::from(proxy);
            continue;
        }
        if line.starts_with(['{', '<', '.', '%']) || line.contains("{{") {
            continue; // a template
        }
        match kind {
            None | Some(false) if first == "global" => {}
            None => strange += 1,
            Some(false) => {}
            Some(true) => {
                if !WORDS.contains(&first) || line.ends_with([';', '{']) {
                    strange += 1;
                    continue;
                }
                known += 1;
                telling += usize::from(matches!(
                    first,
                    "bind"
                        | "server"
                        | "default_backend"
                        | "use_backend"
                        | "http-request"
                        | "tcp-request"
                        | "balance"
                        | "mode"
                ));
            }
        }
    }
    proxies > 0 && telling > 0 && strange * 10 <= known
}

/// Whether this is a list of certificates of a bind: `/etc/certs/a.pem [verify optional ca-file ca.pem] a.example.com`.
fn is_certificate_list(text: &str) -> bool {
    let mut entries = 0;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).take(2000) {
        let file = line.split_whitespace().next().unwrap_or_default();
        let plain = [".pem", ".crt", ".cer", ".cert"].iter().any(|end| file.ends_with(end)) || file.starts_with('/');
        if !plain {
            return false;
        }
        entries += usize::from(line.contains('['));
    }
    entries > 0
}

/// Texts that belong together: a configuration may lie in several files of a folder, which are read in the order of
/// their names. Those belong together of which one names a backend, or needs defaults, that stand in another.
fn sets<'a>(files: &Files, documents: &'a [(u32, Document)]) -> Vec<Vec<(u32, &'a Document)>> {
    let folder = |number: u32| {
        let path = files.get(number).path();
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        // `haproxy.cfg` beside a folder `conf.d`.
        folder.strip_suffix("conf.d").map_or(folder, |outer| outer.trim_end_matches('/')).to_owned()
    };
    let mut folders: BTreeMap<String, Vec<&(u32, Document)>> = BTreeMap::new();
    for document in documents {
        folders.entry(folder(document.0)).or_default().push(document);
    }
    let mut sets = Vec::new();
    for mut around in folders.into_values() {
        let bases: Vec<bool> = around.iter().map(|(_, document)| is_base(document)).collect();
        let whole = bases.iter().filter(|base| **base).count();
        let names: Vec<BTreeSet<&str>> = around.iter().map(|(_, document)| backends(document)).collect();
        let clash = names.iter().enumerate().any(|(at, some)| names[..at].iter().any(|other| !some.is_disjoint(other)));
        let needs = around.iter().zip(&names).any(|((_, document), own)| {
            !is_base(document) || wanted(document).iter().any(|name| !own.contains(name) && !name.contains('%'))
        });
        if whole <= 1 && !clash && needs && around.len() > 1 {
            around.sort_by_key(|(number, document)| (!is_base(document), *number));
            sets.push(around.into_iter().map(|(number, document)| (*number, document)).collect());
        } else {
            sets.extend(around.into_iter().map(|(number, document)| vec![(*number, document)]));
        }
    }
    sets
}

fn is_base(document: &Document) -> bool {
    document.sections.iter().any(|section| matches!(section.head.word(0), "global" | "defaults"))
}

fn backends(document: &Document) -> BTreeSet<&str> {
    let proxies = document.sections.iter().filter(|section| matches!(section.head.word(0), "backend" | "listen"));
    proxies.map(|section| section.head.word(1)).collect()
}

fn wanted(document: &Document) -> BTreeSet<&str> {
    let lines = document.sections.iter().flat_map(|section| &section.lines);
    lines.filter(|line| matches!(line.word(0), "use_backend" | "default_backend")).map(|line| line.word(1)).collect()
}

/// What a controller has written for HAProxy does, and whether that is all; places are those of what it comes from.
pub(super) fn written(files: &Files, text: &Written) -> (Vec<Hop>, Vec<Hole>, bool) {
    let document = haproxy::parse(text.text());
    let Read { mut hops, mut holes, complete } = read(files, &[(0, &document)]);
    let origin = |place: Place| text.place(place.start as usize, place.end as usize);
    hops.iter_mut().for_each(|hop| hop.places(&mut |place| *place = origin(*place)));
    holes.iter_mut().for_each(|hole| hole.place = origin(hole.place));
    (hops, holes, complete)
}

/// What is read of documents.
struct Read {
    hops: Vec<Hop>,
    holes: Vec<Hole>,
    complete: bool,
}

fn read(files: &Files, documents: &[(u32, &Document)]) -> Read {
    let mut holes = Vec::new();
    for (file, document) in documents {
        for (start, end, reason) in &document.holes {
            let place = Place { file: *file, start: *start as u32, end: *end as u32 };
            holes.push(Hole { place, reason: (*reason).to_owned() });
        }
    }
    let proxies = config::proxies(files, documents);
    let lines =
        || documents.iter().flat_map(|(_, document)| document.sections.iter().flat_map(|section| &section.lines));
    let scripted = lines()
        .any(|line| line.word(0).starts_with("lua-load") || (line.word(0) == "filter" && line.word(1) == "spoe"));
    let ways = ways::all(&proxies, scripted);
    let guarded = lines().any(|line| !line.guards.is_empty());
    let complete = holes.is_empty() && !ways.partial && !guarded;
    holes.extend(ways.holes);
    Read { hops: ways.hops, holes, complete }
}

fn configuration(files: &Files, documents: &[(u32, &Document)]) -> Configuration {
    let Read { hops, holes, complete } = read(files, documents);
    Configuration {
        files: documents.iter().map(|(file, _)| *file).collect(),
        hops,
        holes,
        trusted: Vec::new(),
        complete,
    }
}
