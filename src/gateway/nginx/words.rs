//! nginx's names for what is wrong, and the directives that mend it.

use crate::gateway::Detail;
use crate::gateway::hop::{Cause, Credential, Part};
use crate::gateway::rule::Rule;

/// The slug that goes into the record.
pub(super) fn reason(rule: Rule, cause: Cause) -> &'static str {
    match (rule, cause) {
        (Rule::Stripped, Cause::Wiped) => "nginx-set-header-inheritance-wipe",
        (Rule::Stripped, Cause::WrongProtocol) => "nginx-grpc-wrong-directive",
        (Rule::Stripped, Cause::Copied) => "nginx-client-cert-header-passthrough",
        (Rule::Stripped, _) => "nginx-client-cert-not-forwarded",
        (Rule::Spoofable, Cause::Alias) => "nginx-underscore-headers",
        (Rule::Spoofable, _) => "nginx-client-cert-header-passthrough",
        (Rule::NotRequested, Cause::NotApplied) => "nginx-verify-client-without-tls",
        (Rule::NotRequested, _) => "nginx-client-cert-not-requested",
        (Rule::Malformed, Cause::WrongForm) => "nginx-client-cert-rfc9440-format",
        (Rule::Malformed, _) => "nginx-client-cert-multiline",
        (Rule::Weak, _) => "nginx-client-cert-sha1-only",
        (Rule::Unverified, Cause::ErrorPage) => "nginx-error-page-cert-bypass",
        (Rule::Unverified, _) => "nginx-optional-no-ca-unverified",
        (Rule::DpopBroken, Cause::Rewritten) => "nginx-dpop-htu-rewritten",
        (Rule::DpopBroken, Cause::NotListed) => "nginx-cors-missing-dpop",
        (Rule::DpopBroken, Cause::AllDropped | Cause::Removed) => "nginx-dpop-header-dropped",
        (Rule::DpopBroken, _) => "nginx-authorization-replaced",
        (Rule::Logged, _) => "nginx-log-credentials",
    }
}

/// The same, by header, form or part of the target where there is a slug for each.
pub(super) fn reason_in_detail(rule: Rule, cause: Cause, detail: Detail) -> &'static str {
    match (rule, detail) {
        (Rule::DpopBroken, Detail::Part(Part::Path)) => "nginx-dpop-htu-path",
        (Rule::DpopBroken, Detail::Part(_)) => "nginx-dpop-htu-host",
        (Rule::Logged, Detail::Credential(Credential::Authorization)) => "nginx-log-authorization",
        (Rule::Logged, Detail::Credential(Credential::Dpop)) => "nginx-log-dpop",
        (Rule::Logged, Detail::Credential(Credential::Certificate)) => "nginx-log-client-cert",
        (Rule::Logged, Detail::Credential(Credential::Query)) => "nginx-log-query-token",
        _ if matches!((rule, cause), (Rule::Stripped, Cause::Untouched)) && detail == Detail::Stream => {
            "nginx-stream-tls-terminate"
        }
        _ => reason(rule, cause),
    }
}

/// What to write.
pub(super) fn fix(rule: Rule, cause: Cause, header: Option<&str>) -> String {
    let header = header.unwrap_or("X-SSL-Cert");
    let carry = format!("`proxy_set_header {header} $ssl_client_escaped_cert;`");
    match (rule, cause) {
        (Rule::Stripped, Cause::Wiped) => {
            format!(
                "Repeat {carry} at this level, or include one snippet with all headers at every level that sets any."
            )
        }
        (Rule::Stripped, Cause::WrongProtocol) => format!(
            "Use the directive of this kind of upstream: `grpc_set_header {header} $ssl_client_escaped_cert;`, or \
             `fastcgi_param`, `uwsgi_param`, `scgi_param`."
        ),
        (Rule::Malformed, Cause::WrongForm) => "Send the escaped PEM under another name, as in `proxy_set_header \
             X-SSL-Client-Cert $ssl_client_escaped_cert;`; only a script (njs, Lua) can write the form of RFC 9440."
            .to_owned(),
        (Rule::Stripped | Rule::Weak | Rule::Malformed, _) => {
            format!("Write {carry} beside `proxy_pass`; it overwrites what clients send, also where it is empty.")
        }
        (Rule::Spoofable, Cause::Alias) => {
            "Leave `underscores_in_headers off;` and `ignore_invalid_headers on;`, which are the defaults.".to_owned()
        }
        (Rule::Spoofable, _) => format!(
            "Set it on every way to this upstream: {carry} where certificates are asked for, `proxy_set_header {header} \
             \"\";` elsewhere."
        ),
        (Rule::NotRequested, Cause::NotApplied) => "Write `listen 443 ssl;`: without TLS nobody is asked.".to_owned(),
        (Rule::NotRequested, _) => {
            "Ask for it: `ssl_verify_client on;` with `ssl_client_certificate` naming the authority.".to_owned()
        }
        (Rule::Unverified, Cause::ErrorPage) => {
            "Answer in the location for codes 495 and 496 with `return 401;`, and proxy nothing from there.".to_owned()
        }
        (Rule::Unverified, _) => {
            "Pass on `$ssl_client_verify` too, or refuse: `if ($ssl_client_verify != SUCCESS) { return 403; }`."
                .to_owned()
        }
        (Rule::DpopBroken, Cause::NotListed) => {
            "`add_header Access-Control-Allow-Headers \"Authorization, DPoP\" always;` and `add_header \
             Access-Control-Expose-Headers \"DPoP-Nonce, WWW-Authenticate\" always;`."
                .to_owned()
        }
        (Rule::DpopBroken, Cause::AllDropped) => {
            "Let headers pass, or add `proxy_set_header DPoP $http_dpop;` and `proxy_set_header Authorization \
             $http_authorization;`."
                .to_owned()
        }
        (Rule::DpopBroken, Cause::Set | Cause::Removed | Cause::Copied)
            if header.eq_ignore_ascii_case("dpop") || header.eq_ignore_ascii_case("authorization") =>
        {
            format!("Take {header} out of this line: the client's own header passes by default.")
        }
        (Rule::DpopBroken, _) => {
            "Keep the target: `proxy_set_header Host $host;` and `proxy_pass` without a path; or tell what it was in \
             `X-Forwarded-Host` and `X-Forwarded-Prefix`."
                .to_owned()
        }
        (Rule::Logged, _) => {
            "Take the variable out of `log_format`; log `$uri` in place of `$request` where queries hold tokens."
                .to_owned()
        }
    }
}
