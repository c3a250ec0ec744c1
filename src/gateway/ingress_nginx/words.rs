//! Names of ingress-nginx for what is wrong, and the annotations that mend it.

use crate::gateway::hop::Cause;
use crate::gateway::rule::Rule;

/// The slug that goes into the record.
pub(super) fn reason(rule: Rule, cause: Cause) -> &'static str {
    match (rule, cause) {
        (Rule::Stripped | Rule::Weak, _) => "ingress-nginx-cert-not-passed",
        (Rule::NotRequested, Cause::NoAuthority) => "ingress-nginx-auth-tls-without-secret",
        (Rule::NotRequested, Cause::Mode) => "ingress-nginx-verify-off",
        (Rule::NotRequested, _) => "ingress-nginx-client-cert-not-requested",
        (Rule::Unverified, _) => "ingress-nginx-optional-no-ca",
        (Rule::Malformed, _) => "ingress-nginx-cert-malformed",
        (Rule::Spoofable, Cause::Alias) => "ingress-nginx-underscores",
        (Rule::Spoofable, Cause::Untouched) => "ingress-nginx-cert-header-unguarded",
        (Rule::Spoofable, _) => "ingress-nginx-snippet-overrides-cert",
        (Rule::DpopBroken, Cause::Rewritten) => "ingress-nginx-rewrite-breaks-htu",
        (Rule::DpopBroken, Cause::NotListed) => "ingress-nginx-cors-missing-dpop",
        (Rule::DpopBroken, _) => "ingress-nginx-snippet-strips-dpop",
        (Rule::Logged, _) => "ingress-nginx-log-format-credentials",
    }
}

/// What to write.
pub(super) fn fix(rule: Rule, cause: Cause, header: Option<&str>) -> String {
    let pass = "nginx.ingress.kubernetes.io/auth-tls-pass-certificate-to-upstream: \"true\"";
    let header = header.unwrap_or("ssl-client-cert");
    match (rule, cause) {
        (Rule::Stripped, Cause::WrongProtocol) => {
            "Speak HTTP or gRPC to the upstream: for FastCGI, set `fastcgi_param HTTP_SSL_CLIENT_CERT \
             $ssl_client_escaped_cert;` in a snippet."
                .to_owned()
        }
        (Rule::Stripped | Rule::Weak | Rule::Malformed, _) => {
            format!("Write `{pass}`: the upstream then gets the escaped certificate in `ssl-client-cert`.")
        }
        (Rule::NotRequested, Cause::NoAuthority) => {
            "Name the authority: `nginx.ingress.kubernetes.io/auth-tls-secret: \"namespace/secret\"`; without it the \
             other auth-tls annotations do nothing."
                .to_owned()
        }
        (Rule::NotRequested, _) => {
            "Write `nginx.ingress.kubernetes.io/auth-tls-verify-client: \"on\"`, or `\"optional\"` where some clients \
             have none."
                .to_owned()
        }
        (Rule::Unverified, _) => format!(
            "Write `nginx.ingress.kubernetes.io/auth-tls-verify-client: \"on\"`, or let the upstream see the whole \
             certificate: `{pass}`."
        ),
        (Rule::Spoofable, Cause::Alias) => {
            "Leave `enable-underscores-in-headers: \"false\"` and `ignore-invalid-headers: \"true\"`, the defaults."
                .to_owned()
        }
        (Rule::Spoofable, Cause::Untouched) => format!(
            "Ask for certificates on this host, too (`auth-tls-secret`), or clear the header in a snippet: \
             `proxy_set_header {header} \"\";`."
        ),
        (Rule::Spoofable, _) => {
            format!(
                "Take `proxy_set_header {header} …` out of the snippet: the controller sets it from the connection."
            )
        }
        (Rule::DpopBroken, Cause::NotListed) => {
            "List DPoP in `cors-allow-headers`, and write `nginx.ingress.kubernetes.io/cors-expose-headers: \
             \"DPoP-Nonce, WWW-Authenticate\"`."
                .to_owned()
        }
        (Rule::DpopBroken, Cause::Rewritten) => {
            "Keep host and path, or tell the upstream: `nginx.ingress.kubernetes.io/x-forwarded-prefix: \"/prefix\"` \
             beside `rewrite-target`."
                .to_owned()
        }
        (Rule::DpopBroken, _) => {
            format!("Take the line that sets {header} out: the client's own header passes by default.")
        }
        (Rule::Logged, _) => {
            "Take the variable out of `log-format-upstream`; `$uri` in place of `$request` leaves queries out."
                .to_owned()
        }
    }
}
