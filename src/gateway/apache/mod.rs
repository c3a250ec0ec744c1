//! Apache httpd: servers and virtual hosts, sections merged in their order, mod_headers, mod_ssl, mod_proxy, and as much
//! of mod_rewrite as decides where requests go.
//!
//! Sources: the documentation of httpd 2.4, and what a real 2.4 did (`tests/oracle/`).

mod expression;
mod load;
mod logs;
mod run;
mod value;
mod ways;

use std::collections::{BTreeMap, BTreeSet};

use super::files::Files;
use super::hop::Cause;
use super::rule::Rule;
use super::{Configuration, FrontEnd};
use crate::syntax::apache::{self, Document};

/// Apache httpd.
#[derive(Debug)]
pub struct Apache;

impl FrontEnd for Apache {
    fn product(&self) -> &'static str {
        "apache"
    }

    fn recognises(&self, _: &str, text: &str) -> bool {
        /// One of these must stand in it; they are rare elsewhere.
        const WORDS: &[&str] = &[
            "<VirtualHost",
            "<virtualhost",
            "RequestHeader",
            "ProxyPass",
            "SSLVerifyClient",
            "LoadModule",
            "<Location",
            "CustomLog",
            "SSLEngine",
            "LogFormat",
            "RewriteRule",
        ];
        let has = |word: &&str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
        WORDS.iter().any(has) && is_configuration(text)
    }

    fn lower(&self, files: &Files, own: &[u32]) -> Vec<Configuration> {
        let documents: BTreeMap<u32, Document> =
            own.iter().map(|number| (*number, apache::parse(&files.get(*number).text))).collect();
        let mut included = BTreeSet::new();
        for (number, document) in &documents {
            included.extend(load::included(files, *number, document).into_iter().filter(|other| other != number));
        }
        let roots = documents.keys().filter(|number| !included.contains(*number));
        roots.filter_map(|root| configuration(files, &documents, *root)).collect()
    }

    fn reason(&self, rule: Rule, cause: Cause) -> &'static str {
        match (rule, cause) {
            (Rule::Stripped, Cause::NotExported) => "apache-cert-env-not-exported",
            (Rule::Stripped, Cause::Removed) => "apache-cert-header-unset-later",
            (Rule::Stripped, _) => "apache-client-cert-not-forwarded",
            (Rule::Spoofable, Cause::Appended | Cause::ClientWins) => "apache-cert-header-add",
            (Rule::Spoofable, Cause::Conditional) => "apache-cert-header-conditional-no-unset",
            (Rule::Spoofable, Cause::Copied | Cause::Set) => "apache-cert-header-copied",
            (Rule::Spoofable, Cause::Alias) => "apache-header-alias",
            (Rule::Spoofable, _) => "apache-cert-header-untouched",
            (Rule::NotRequested, Cause::Mode) => "apache-ssl-engine-off",
            (Rule::NotRequested, _) => "apache-client-cert-not-requested",
            (Rule::Malformed, _) => "apache-cert-double-encoded",
            (Rule::Weak, _) => "apache-cert-weak-form",
            (Rule::Unverified, _) => "apache-optional-no-ca",
            (Rule::DpopBroken, Cause::NotListed) => "apache-dpop-not-passed",
            (Rule::DpopBroken, Cause::Removed) => "apache-dpop-unset",
            (Rule::DpopBroken, _) => "apache-dpop-rewritten",
            (Rule::Logged, _) => "apache-log-credentials",
        }
    }

    fn fix(&self, rule: Rule, cause: Cause, header: Option<&str>) -> String {
        let header = header.unwrap_or("X-SSL-Client-Cert");
        match (rule, cause) {
            (Rule::Stripped, Cause::NotExported) => format!(
                "Ask mod_ssl: `RequestHeader set {header} \"%{{SSL_CLIENT_CERT}}s\"`; with `e` the variable must be exported \
                 (`SSLOptions +ExportCertData`)."
            ),
            (Rule::Stripped, Cause::Removed) => format!(
                "Unset {header} at an outer level only: `RequestHeader` of inner sections acts after that of outer ones."
            ),
            (Rule::Stripped, _) => format!(
                "Pass the certificate on: `RequestHeader set {header} \"%{{SSL_CLIENT_CERT}}s\"` in the virtual host."
            ),
            (Rule::Spoofable, Cause::Appended | Cause::ClientWins) => {
                format!(
                    "Write `RequestHeader set {header} …`: of all verbs only that one replaces what the client sent."
                )
            }
            (Rule::Spoofable, Cause::Conditional) => format!(
                "Put `RequestHeader unset {header}` without a condition in front of this directive, or drop its condition."
            ),
            (Rule::Spoofable, _) => format!(
                "Write `RequestHeader unset {header}` in every server that leads to this upstream and does not set the \
                 header itself."
            ),
            (Rule::NotRequested, Cause::Mode) => "Write `SSLEngine on` in this virtual host: without it \
                 `SSLVerifyClient` asks nobody."
                .to_owned(),
            (Rule::NotRequested, _) => "Ask for the certificate: `SSLVerifyClient require` (or `optional`) and \
                 `SSLCACertificateFile clients-ca.pem`."
                .to_owned(),
            (Rule::Malformed, _) => format!(
                "Write `RequestHeader set {header} \"%{{SSL_CLIENT_CERT}}s\"` (PEM on one line) or \
                 `\"expr=%{{escape:%{{SSL_CLIENT_CERT}}}}\"` (PEM, percent-encoded), under a name other than Client-Cert: \
                 Apache 2.4 cannot write what RFC 9440 asks for."
            ),
            (Rule::Weak, _) => "Pass the certificate on as well: `RequestHeader set X-SSL-Client-Cert \
                 \"%{SSL_CLIENT_CERT}s\"`."
                .to_owned(),
            (Rule::Unverified, _) => "Write `SSLVerifyClient optional` or `require`, or tell the upstream: \
                 `RequestHeader set X-SSL-Client-Verify \"%{SSL_CLIENT_VERIFY}s\"`."
                .to_owned(),
            (Rule::DpopBroken, Cause::NotListed) => {
                "Pass the header: `CGIPassAuth On` for Authorization; in answers to \
                 browsers list `DPoP` in `Access-Control-Allow-Headers`, `DPoP-Nonce` and `WWW-Authenticate` in \
                 `Access-Control-Expose-Headers`."
                    .to_owned()
            }
            (Rule::DpopBroken, Cause::Removed) => format!("Drop the directive that unsets {header}."),
            (Rule::DpopBroken, _) => {
                "Pass DPoP and Authorization as they come, and the target as the client signed it: \
                 `ProxyPreserveHost On`, the same path on both sides of `ProxyPass`, or \
                 `RequestHeader set X-Forwarded-Prefix /v1`."
                    .to_owned()
            }
            (Rule::Logged, _) => "Take the credential out of the log format, or do not write this log.".to_owned(),
        }
    }
}

/// Directives that nothing else has; the beginnings of names, lower case.
const NAMES: &[&str] = &[
    "accept",
    "access",
    "action",
    "add",
    "alias",
    "allow",
    "auth",
    "balancermember",
    "browsermatch",
    "bufferedlogs",
    "cache",
    "cgi",
    "charset",
    "cookie",
    "core",
    "custom",
    "dav",
    "default",
    "deflate",
    "define",
    "deny",
    "directory",
    "document",
    "dumpio",
    "enable",
    "error",
    "expires",
    "extended",
    "fallback",
    "file",
    "force",
    "forensic",
    "global",
    "group",
    "h2",
    "header",
    "hostname",
    "http",
    "identity",
    "include",
    "index",
    "keepalive",
    "ldap",
    "limit",
    "listen",
    "load",
    "log",
    "max",
    "md",
    "merge",
    "mime",
    "min",
    "mod",
    "mutex",
    "name",
    "nss",
    "oidc",
    "options",
    "order",
    "passenger",
    "passenv",
    "pidfile",
    "php",
    "protocols",
    "proxy",
    "rail",
    "redirect",
    "remoteip",
    "remove",
    "request",
    "require",
    "rewrite",
    "rlimit",
    "root",
    "satisfy",
    "scoreboard",
    "script",
    "sec",
    "server",
    "set",
    "shib",
    "spare",
    "ssl",
    "start",
    "substitute",
    "suexec",
    "thread",
    "timeout",
    "trace",
    "transfer",
    "types",
    "undefine",
    "unset",
    "use",
    "user",
    "vhost",
    "virtual",
    "wsgi",
    "xsend",
];

/// Sections.
const SECTIONS: &[&str] = &[
    "virtualhost",
    "location",
    "locationmatch",
    "directory",
    "directorymatch",
    "files",
    "filesmatch",
    "proxy",
    "proxymatch",
    "if",
    "elseif",
    "else",
    "ifmodule",
    "ifdefine",
    "ifversion",
    "iffile",
    "limit",
    "limitexcept",
    "requireall",
    "requireany",
    "requirenone",
    "macro",
    "authnprovideralias",
    "authzprovideralias",
    "mdomain",
    "mdomainset",
    "perl",
    "comment",
];

/// Whether this is configuration of httpd: all lines are directives or sections that it knows.
fn is_configuration(text: &str) -> bool {
    let (mut known, mut strange, mut telling) = (0usize, 0usize, 0usize);
    let mut goes_on = false;
    for line in text.lines().map(str::trim).take(4000) {
        let continues = std::mem::replace(&mut goes_on, line.ends_with('\\'));
        if line.is_empty() || line.starts_with('#') || continues {
            continue;
        }
        if line.starts_with("{%") || line.starts_with("{{") || line.starts_with("<%") || line.starts_with("{#") {
            continue; // a template
        }
        if let Some(inner) = line.strip_prefix('<') {
            let name = inner.trim_start_matches('/');
            let end = name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len());
            let name = name[..end].to_ascii_lowercase();
            if SECTIONS.contains(&name.as_str()) && line.ends_with('>') {
                known += 1;
                telling += usize::from(!matches!(name.as_str(), "if" | "else" | "files" | "perl" | "comment"));
            } else {
                strange += 1;
            }
            continue;
        }
        let end = line.find(char::is_whitespace).unwrap_or(line.len());
        let name = line[..end].to_ascii_lowercase();
        let directive = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && NAMES.iter().any(|start| name.starts_with(start))
            && !line.ends_with([';', '{', ',']);
        if directive {
            known += 1;
            telling += usize::from(matches!(
                name.as_str(),
                "proxypass"
                    | "proxypassmatch"
                    | "requestheader"
                    | "sslverifyclient"
                    | "sslengine"
                    | "loadmodule"
                    | "customlog"
                    | "rewriterule"
                    | "logformat"
                    | "servername"
                    | "listen"
            ));
        } else {
            strange += 1;
        }
    }
    telling > 0 && strange * 10 <= known
}

fn configuration(files: &Files, documents: &BTreeMap<u32, Document>, root: u32) -> Option<Configuration> {
    let loaded = load::load(files, documents, root);
    let (hops, overflow) = ways::all(&loaded);
    if hops.is_empty() && loaded.holes.is_empty() {
        return None;
    }
    let partial = loaded.main.partial || loaded.hosts.iter().any(|host| host.partial);
    let complete = loaded.holes.is_empty() && !overflow && !partial;
    // A file that passes nothing on is nobody's gateway: what is missing in it does not matter.
    let holes = if hops.is_empty() { Vec::new() } else { loaded.holes };
    Some(Configuration { files: loaded.files.into_iter().collect(), hops, holes, trusted: Vec::new(), complete })
}
