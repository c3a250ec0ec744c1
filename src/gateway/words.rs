//! What a gateway's fault is in words: message and reasons. The fix is the product's own affair.

use super::checks::{Detail, Fault};
use super::hop::{Cause, Client, ClientAuth, Credential, Form, Hop, Part};
use super::rule::Rule;

/// One sentence: what it means.
pub(super) fn message(fault: &Fault<'_>) -> String {
    let hop = fault.hop;
    let upstream = &hop.upstream.label;
    let way = way(hop);
    let header = fault.header.as_deref().map(written).unwrap_or_default();
    match (fault.rule, fault.detail) {
        (Rule::Stripped, _) => format!(
            "{upstream} never sees the client certificate that {} asks for: behind {way} it cannot tell whether a \
             token is bound to the caller's key.",
            hop.listener.label
        ),
        (Rule::Spoofable, Detail::Alias) => format!(
            "A client can send {} beside the guarded {header}: behind {way}, {upstream} may take the one for the other.",
            header.replace('-', "_")
        ),
        (Rule::Spoofable, Detail::By(client)) => {
            let who = match client {
                Client::Anonymous => "A client without a certificate",
                Client::Foreign => "A client with a certificate that does not verify",
                Client::Verified => "A client with a valid certificate of its own",
            };
            format!("{who} can send {header} itself: behind {way}, {upstream} takes it for the gateway's word.")
        }
        (Rule::Spoofable, _) => format!("{header} can be forged behind {way}."),
        (Rule::NotRequested, Detail::Bound) => format!(
            "Clients get access tokens that are bound to their certificates, and {} asks for none: {upstream} cannot \
             compare the two, and takes a stolen token or none at all.",
            hop.listener.label
        ),
        (Rule::NotRequested, _) if fault.header.is_some() => {
            format!("{header} is to carry the client certificate to {upstream}, but no listener ever asks for one.")
        }
        (Rule::NotRequested, _) => {
            format!(
                "{} is meant to ask for a client certificate and does not: {upstream} gets none.",
                hop.listener.label
            )
        }
        (Rule::Malformed, Detail::Form(Form::PemLines)) => format!(
            "{header} carries the certificate over several lines, which HTTP no longer allows (RFC 9112, section 5.2): \
             {upstream} may refuse the request or see half a certificate."
        ),
        (Rule::Malformed, Detail::Form(Form::PemBase64)) => {
            format!(
                "{header} carries the base64 of the PEM text, not of the certificate: {upstream} cannot read it as DER."
            )
        }
        (Rule::Malformed, _) => format!(
            "{header} does not carry what RFC 9440 says it carries: {upstream}, reading it so, sees no certificate."
        ),
        (Rule::Weak, Detail::Form(form)) => format!(
            "{upstream} gets only {} of the client certificate: that cannot be compared with the SHA-256 thumbprint a \
             token is bound to.",
            a_form(form)
        ),
        (Rule::Weak, _) => format!("{upstream} gets too little of the client certificate."),
        (Rule::Unverified, Detail::By(_)) => format!(
            "A request without a valid client certificate still gets to {upstream}, though {} demands one.",
            hop.listener.label
        ),
        (Rule::Unverified, Detail::Form(form)) if form.shows_binding() => format!(
            "{header} carries certificates that nobody has verified, and nothing tells {upstream} so; only the \
             thumbprint in a token may be trusted with them."
        ),
        (Rule::Unverified, _) => {
            format!("Anybody can make up the certificate whose name {upstream} gets in {header}: nobody verifies it.")
        }
        (Rule::DpopBroken, Detail::Part(part)) => format!(
            "The {} that {upstream} sees is not the one the client signed in its DPoP proof, and nothing tells it the \
             original: proofs fail behind {way}, or their check gets turned off.",
            match part {
                Part::Method => "method",
                Part::Scheme => "scheme",
                Part::Host => "host",
                Part::Path => "path",
            }
        ),
        (Rule::DpopBroken, Detail::Cors) => format!(
            "Browsers are not allowed to {} behind {way}: clients in a browser cannot use DPoP there.",
            if fault.header.as_deref() == Some("dpop") { "send the DPoP header" } else { "read DPoP-Nonce" }
        ),
        (Rule::DpopBroken, Detail::Consulted) => format!(
            "The service that is asked about requests behind {way} is shown the access token without its DPoP proof: it \
             cannot check one against the other."
        ),
        (Rule::DpopBroken, _) => match (fault.header.as_deref(), fault.cause) {
            (Some("dpop"), Cause::Removed | Cause::AllDropped | Cause::NotListed | Cause::Consumed) => {
                format!(
                    "{upstream} never sees the DPoP proof: behind {way} a bound token works like a bearer token, or not at all."
                )
            }
            (Some("dpop"), _) => {
                format!(
                    "{upstream} does not get the client's one DPoP proof behind {way}; it must refuse the request (RFC 9449, section 4.3)."
                )
            }
            (_, Cause::Removed | Cause::AllDropped | Cause::NotListed | Cause::Consumed) => {
                format!(
                    "{upstream} never sees the access token behind {way}: a proof's `ath` has nothing to be compared with."
                )
            }
            _ => format!(
                "{upstream} gets another Authorization than the client sent behind {way}: the proof does not belong to it."
            ),
        },
        (Rule::Logged, Detail::Credential(what)) => {
            let what = match what {
                Credential::Authorization => "the access token of every request",
                Credential::Dpop => "the DPoP proof of every request",
                Credential::Certificate => "the whole client certificate of every request",
                Credential::Query => "queries, in which tokens are sent here",
                Credential::OtherHeaders => "all request headers but Authorization, DPoP proofs among them",
                Credential::AllHeaders => "all request headers, access tokens and proofs among them",
            };
            format!(
                "The access log of {} holds {what}: whoever reads it can replay what is not bound.",
                hop.listener.label
            )
        }
        (Rule::Logged, _) => "A log holds credentials.".to_owned(),
    }
}

/// Why it was judged so.
pub(super) fn because(fault: &Fault<'_>) -> Vec<String> {
    let hop = fault.hop;
    let mut because = Vec::new();
    if !matches!(fault.rule, Rule::Logged | Rule::DpopBroken) {
        because.push(match hop.listener.auth {
            ClientAuth::Off if hop.listener.tls => "the listener asks for no client certificate".to_owned(),
            ClientAuth::Off => "the listener speaks no TLS".to_owned(),
            ClientAuth::Unverified => "the listener takes any client certificate unverified".to_owned(),
            ClientAuth::Optional => "a client certificate is optional".to_owned(),
            ClientAuth::Required => "a client certificate is required".to_owned(),
            ClientAuth::Unknown => "whether a client certificate is asked for can't be seen".to_owned(),
        });
    }
    let header = fault.header.as_deref().map(written).unwrap_or_else(|| "the header".to_owned());
    because.push(match (fault.rule, fault.cause) {
        (Rule::Stripped, Cause::Untouched) => "no header on this way carries the certificate".to_owned(),
        (Rule::DpopBroken, Cause::NotListed) if fault.detail == Detail::Cors => {
            format!("the answer to browsers does not list {header}")
        }
        (_, Cause::Rewritten) => "no X-Forwarded header says what it was".to_owned(),
        (_, Cause::WrongForm) => format!("{header} is the name of another form"),
        (Rule::Logged, _) => "the log that writes it is active".to_owned(),
        (_, Cause::Untouched) if fault.rule == Rule::NotRequested => "nothing in the configuration asks".to_owned(),
        (_, Cause::Untouched) => format!("nothing on this way overwrites or clears {header}"),
        (_, Cause::Set) => format!("{header} is set here"),
        (_, Cause::Conditional) => format!("{header} is set only under a condition and not cleared before"),
        (_, Cause::Appended) => format!("{header} is added beside what the client sent"),
        (_, Cause::ClientWins) => format!("{header} is set only where the client sent none"),
        (_, Cause::Copied) => format!("{header} is copied from what the client sent"),
        (_, Cause::Removed) => format!("{header} is removed here"),
        (_, Cause::AllDropped) => "all request headers are dropped here".to_owned(),
        (_, Cause::Wiped) => {
            "it is set at an outer level; settings of the same kind at this level replace all of those".to_owned()
        }
        (_, Cause::WrongProtocol) => "it is set with a directive that does not act on this kind of upstream".to_owned(),
        (_, Cause::NotExported) => "it is taken from a variable that is not exported".to_owned(),
        (_, Cause::Mode) => "that is what the mode in force does".to_owned(),
        (_, Cause::TrustsAll) => "headers of anybody are trusted".to_owned(),
        (_, Cause::NotApplied) => "the options that ask are not applied here".to_owned(),
        (_, Cause::Fallback) => "the route falls back to the options that hold by default, which do not ask".to_owned(),
        (_, Cause::NoAuthority) => "it names no authority to verify certificates with, and so asks for none".to_owned(),
        (_, Cause::ErrorPage) => "the page for certificate errors leads to the upstream".to_owned(),
        (_, Cause::Alias) => "names with underscores are let through".to_owned(),
        (_, Cause::Consumed) => "a component of the gateway consumes it".to_owned(),
        (_, Cause::NotListed) => format!("what is let through does not name {header}"),
    });
    for condition in &hop.route.when {
        because.push(format!("where {condition}"));
    }
    because
}

fn way(hop: &Hop) -> &str {
    &hop.route.label
}

fn a_form(form: Form) -> &'static str {
    match form {
        Form::Sha1 => "a SHA-1 hash",
        Form::Dn => "a name",
        Form::Serial => "the serial number",
        _ => "a part",
    }
}

/// A header's name as it is usually written.
pub(super) fn written(name: &str) -> String {
    match name {
        "dpop" => return "DPoP".to_owned(),
        "dpop-nonce" => return "DPoP-Nonce".to_owned(),
        parameter if parameter.contains('_') => return parameter.to_ascii_uppercase(),
        _ => {}
    }
    name.split('-')
        .map(|word| match word {
            "ssl" | "tls" | "dn" | "id" => word.to_ascii_uppercase(),
            _ => {
                let mut letters = word.chars();
                letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
            }
        })
        .collect::<Vec<_>>()
        .join("-")
}
