//! The checks: what is wrong with the ways through a gateway. No product is named here.
//!
//! A check sees all hops of one configuration, since what one route fills makes another forgeable.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::abroad::leads_abroad;
use super::evidence::Evidence;
use super::hop::{
    Arrival, Cause, Client, ClientAuth, Credential, Event, Form, Hop, Others, Part, Place, Protocol, Request, Slot,
    Value,
};
use super::rule::Rule;
use crate::finding::Severity;

/// What a check has found: enough to word it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault<'a> {
    pub(super) rule: Rule,
    pub(super) severity: Severity,
    pub(super) cause: Cause,
    pub(super) hop: &'a Hop,
    /// The header it is about, lower case.
    pub(super) header: Option<String>,
    /// The line that decides.
    pub(super) place: Place,
    pub(super) related: Vec<(Place, String)>,
    pub(super) detail: Detail,
}

/// What a fault is about more closely: words and reasons depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Nothing more.
    Plain,
    /// Bytes are passed on, in which no header can stand.
    Stream,
    /// In this form.
    Form(Form),
    /// By this kind of client.
    By(Client),
    /// This part of the target.
    Part(Part),
    /// This in the log.
    Credential(Credential),
    /// An answer to browsers that leaves the proof out.
    Cors,
    /// A service that is asked about the request gets the token without the proof.
    Consulted,
    /// Headers with underscores.
    Alias,
    /// Tokens are bound to certificates, as an issuer says.
    Bound,
}

/// What all hops of a configuration do, looked up rather than gone through: there may be thousands.
struct Company<'a> {
    /// By upstream: the headers that are filled from TLS on some way to it, each with the first place that does so.
    filled: HashMap<&'a str, BTreeMap<&'a str, Option<Place>>>,
    /// The headers that are filled anywhere.
    filled_anywhere: HashSet<&'a str>,
    /// Listeners and upstreams between which some requests take the certificate along.
    passed: HashSet<(&'a str, &'a str)>,
}

impl<'a> Company<'a> {
    fn of(hops: &'a [Hop]) -> Self {
        let mut company = Self { filled: HashMap::new(), filled_anywhere: HashSet::new(), passed: HashSet::new() };
        for hop in hops {
            let mut names: BTreeMap<&str, Option<Place>> = BTreeMap::new();
            for (client, request) in hop.requests() {
                for (name, slot) in request.filled() {
                    let place = slot.event.as_ref().map(|event| event.place);
                    let first = names.entry(name).or_insert(place);
                    *first = (*first).min(place);
                }
                if client == Client::Verified && request.certificates().any(|(_, form, _)| form.shows_binding()) {
                    let ways = hop.upstream.names.iter().map(|name| (hop.listener.label.as_str(), name.as_str()));
                    company.passed.extend(ways);
                }
            }
            company.filled_anywhere.extend(names.keys());
            for upstream in &hop.upstream.names {
                let known = company.filled.entry(upstream).or_default();
                for (name, place) in &names {
                    let first = known.entry(name).or_insert(*place);
                    *first = (*first).min(*place);
                }
            }
        }
        company
    }

    /// The headers that are filled on some way to the same upstream.
    fn filled_for(&self, hop: &Hop) -> BTreeMap<&'a str, Option<Place>> {
        let mut all = BTreeMap::new();
        for (name, place) in hop.upstream.names.iter().filter_map(|name| self.filled.get(name.as_str())).flatten() {
            let first = all.entry(*name).or_insert(*place);
            *first = (*first).min(*place);
        }
        all
    }

    /// Whether requests of other kinds take the same way to the same upstream with the certificate: the configuration
    /// then says itself for which ones it matters.
    fn is_passed_elsewhere(&self, hop: &Hop) -> bool {
        hop.upstream.names.iter().any(|name| self.passed.contains(&(hop.listener.label.as_str(), name.as_str())))
    }
}

/// The checks on one configuration. `complete` says that nothing which could decide otherwise is missing.
pub(super) fn check<'a>(hops: &'a [Hop], trusted: &[String], complete: bool, evidence: Evidence) -> Vec<Fault<'a>> {
    let mut faults = Vec::new();
    let company = Company::of(hops);
    for hop in hops {
        certificate(hop, &company, evidence, &mut faults);
        spoofable(hop, &company, trusted, &mut faults);
        dpop(hop, evidence, &mut faults);
        logs(hop, evidence, &mut faults);
    }
    if complete {
        not_requested(hops, &mut faults);
    }
    faults
}

/// Whether the upstream can be sent a header by this way at all.
pub(super) fn speaks_headers(hop: &Hop) -> bool {
    !matches!(hop.upstream.protocol, Protocol::Passthrough | Protocol::Stream)
}

fn listener<'a>(hop: &'a Hop) -> impl Iterator<Item = (Place, String)> + 'a {
    hop.listener.asks_at.map(|place| (place, "asks for the client certificate".to_owned())).into_iter()
}

/// What the upstream sees of the certificate: nothing, too little, something unreadable, something unverified.
fn certificate<'a>(hop: &'a Hop, company: &Company<'_>, evidence: Evidence, faults: &mut Vec<Fault<'a>>) {
    if hop.upstream.protocol == Protocol::Passthrough {
        return;
    }
    let in_vain = hop.listener.in_vain.filter(|_| hop.listener.auth == ClientAuth::Off);
    if let (Some(cause), Some(place)) = (in_vain, hop.listener.asks_at) {
        faults.push(Fault {
            rule: Rule::NotRequested,
            severity: Severity::High,
            cause,
            hop,
            header: None,
            place,
            related: vec![(hop.upstream.place, "requests go on to the upstream here".to_owned())],
            detail: Detail::Plain,
        });
    }
    if let Some(event) = &hop.bypass {
        faults.push(Fault {
            rule: Rule::Unverified,
            // A rule that demands one, and is satisfied without, is a slip where the listener itself says otherwise. Where
            // the listener verifies none, the upstream has to look at them anyway.
            severity: match hop.listener.auth {
                ClientAuth::Optional | ClientAuth::Unverified => Severity::Medium,
                _ => Severity::High,
            },
            cause: event.cause,
            hop,
            header: None,
            place: event.place,
            related: related(event).chain(listener(hop)).collect(),
            detail: Detail::By(Client::Anonymous),
        });
        return; // what the upstream sees on this way is a matter of the bypass
    }
    if !hop.listener.auth.asks() {
        return;
    }
    stripped(hop, company, evidence, faults);
    unverified(hop, faults);
}

fn stripped<'a>(hop: &'a Hop, company: &Company<'_>, evidence: Evidence, faults: &mut Vec<Fault<'a>>) {
    // What speaks no HTTP checks no tokens, unless the configuration or the port says otherwise.
    if hop.upstream.protocol == Protocol::Stream && !evidence.any() && !usual_for_http(hop) {
        return;
    }
    if hop.checks_binding || hop.route.path.is_probe() {
        return;
    }
    // Where nobody's certificate verifies, as for self-signed ones, the foreign client is the one to ask about.
    let arrivals = [hop.arrival(Client::Verified), hop.arrival(Client::Foreign)];
    let Some(request) = arrivals.iter().find_map(|arrival| arrival.request()) else { return };
    if arrivals.contains(&&Arrival::Unknown)
        || request.others == Others::Unknown
        || keeps_token_from_others(hop, request)
    {
        return;
    }
    // Something in a header that can't be told may be the certificate, but where tokens and proofs belong.
    let elsewhere = |name: &str| !matches!(name, "authorization" | "dpop");
    if request.headers.iter().any(|(name, slot)| elsewhere(name) && slot.values.contains(&Value::Unknown)) {
        return;
    }
    // Passed on by design, for a gateway in front to have filled, or where the client sends its own: if that is wrong, it
    // can be forged, not lost.
    let on_purpose = |slot: &Slot| {
        let by_design = |event: &Event| matches!(event.cause, Cause::Mode | Cause::ClientWins);
        slot.values == [Value::Client] && slot.event.as_ref().is_some_and(by_design)
    };
    if request.headers.values().any(on_purpose) {
        return;
    }
    let forms: Vec<(&str, Form, Option<&Event>)> =
        request.certificates().map(|(name, form, slot)| (name, form, slot.event.as_ref())).collect();
    let strong: Vec<_> = forms.iter().filter(|(_, form, _)| form.shows_binding()).collect();
    for (name, form, event) in &strong {
        let Some(severity) = misshapen(name, *form) else { continue };
        // Another header may carry it well.
        if strong.iter().any(|(name, form, _)| misshapen(name, *form).is_none()) {
            continue;
        }
        faults.push(Fault {
            rule: Rule::Malformed,
            severity,
            cause: if matches!(form, Form::PemLines | Form::PemBase64) { Cause::Set } else { Cause::WrongForm },
            hop,
            header: Some((*name).to_owned()),
            place: event.map_or(hop.upstream.place, |event| event.place),
            related: listener(hop).collect(),
            detail: Detail::Form(*form),
        });
    }
    if !strong.is_empty() {
        return;
    }
    // As a mere gate the certificate has done its work at the gateway.
    let severity = if evidence.any() { Severity::High } else { Severity::Medium };
    if let Some((name, form, event)) = forms.first() {
        faults.push(Fault {
            rule: Rule::Weak,
            severity,
            cause: Cause::Set,
            hop,
            header: Some((*name).to_owned()),
            place: event.map_or(hop.upstream.place, |event| event.place),
            related: listener(hop).collect(),
            detail: Detail::Form(*form),
        });
        return;
    }
    let lost = hop.lost.as_ref();
    if lost.is_some_and(|event| event.cause == Cause::Conditional) && company.is_passed_elsewhere(hop) {
        return;
    }
    faults.push(Fault {
        rule: Rule::Stripped,
        severity,
        cause: lost.map_or(Cause::Untouched, |event| event.cause),
        hop,
        header: hop.carriers.first().map(|carrier| carrier.header.clone()),
        place: lost.map_or(hop.upstream.place, |event| event.place),
        related: lost.into_iter().flat_map(related).chain(listener(hop)).collect(),
        detail: if hop.upstream.protocol == Protocol::Stream { Detail::Stream } else { Detail::Plain },
    });
}

/// Whether the way leads to somebody else, for whom the client's token is taken out by name.
fn keeps_token_from_others(hop: &Hop, request: &Request) -> bool {
    let event = request.slot("authorization").event;
    let named = event.is_some_and(|event| matches!(event.cause, Cause::Removed | Cause::Set));
    named && !arrives(request, "authorization") && leads_abroad(hop)
}

/// Whether what the client sent under a name may get to the upstream.
fn arrives(request: &Request, name: &str) -> bool {
    let slot = request.slot(name);
    // What the gateway puts in its place is not the client's, whatever it is.
    let set = slot.event.as_ref().is_some_and(|event| event.cause == Cause::Set);
    slot.values.iter().any(|value| *value == Value::Client || (*value == Value::Unknown && !set))
}

/// Whether the upstream listens where web servers do.
fn usual_for_http(hop: &Hop) -> bool {
    const PORTS: [&str; 8] = ["80", "443", "3000", "5000", "8000", "8080", "8443", "8888"];
    hop.upstream.names.iter().any(|name| name.rsplit_once(':').is_some_and(|(_, port)| PORTS.contains(&port)))
}

/// How grave it is that a header has this form, if that is wrong.
fn misshapen(header: &str, form: Form) -> Option<Severity> {
    match form {
        Form::PemLines => Some(Severity::High),
        Form::PemBase64 => Some(Severity::Medium),
        Form::Rfc9440 => None,
        // The header's name promises what RFC 9440 defines.
        _ if header == "client-cert" => Some(Severity::Medium),
        _ => None,
    }
}

fn unverified<'a>(hop: &'a Hop, faults: &mut Vec<Fault<'a>>) {
    let Some(request) = hop.arrival(Client::Foreign).request() else { return };
    let tells = request.headers.values().any(|slot| slot.values.contains(&Value::Verification));
    let forms: Vec<(&str, Form, Place)> = request
        .certificates()
        .map(|(name, form, slot)| (name, form, slot.event.as_ref().map_or(hop.upstream.place, |event| event.place)))
        .collect();
    let Some((name, form, place)) = forms.iter().find(|(_, form, _)| !form.shows_binding()).or(forms.first()) else {
        return;
    };
    if tells {
        return;
    }
    // The thumbprint decides where the whole certificate is there (RFC 8705, section 2.2); a name proves nothing.
    let whole = forms.iter().any(|(_, form, _)| form.shows_binding());
    faults.push(Fault {
        rule: Rule::Unverified,
        severity: if whole { Severity::Info } else { Severity::High },
        cause: Cause::Mode,
        hop,
        header: Some((*name).to_owned()),
        place: hop.listener.asks_at.unwrap_or(*place),
        related: vec![(*place, "passes it on".to_owned())],
        detail: Detail::Form(*form),
    });
}

/// Headers that the upstream takes for the gateway's word, and that a client can send itself.
fn spoofable<'a>(hop: &'a Hop, company: &Company<'a>, trusted: &[String], faults: &mut Vec<Fault<'a>>) {
    if !speaks_headers(hop) {
        return;
    }
    // Names that are filled from TLS on some way to the same upstream, or that somebody is known to trust.
    let mut names: BTreeMap<&str, Option<Place>> = company.filled_for(hop);
    for name in trusted {
        names.entry(name).or_insert(None);
    }
    for (name, filled_at) in names {
        // The weakest client that gets a forgery through counts.
        let forger = [Client::Anonymous, Client::Foreign, Client::Verified].into_iter().find_map(|client| {
            let slot = hop.arrival(client).request()?.slot(name);
            let forged = slot.values.iter().any(|value| match value {
                Value::Client => true,
                Value::ClientHeader(other) => {
                    *other == name.to_ascii_lowercase() || !company.filled_anywhere.contains(other.as_str())
                }
                _ => false,
            });
            forged.then_some((client, slot))
        });
        let Some((client, slot)) = forger else { continue };
        // Whoever is on the list, and shows a certificate besides, is the gateway in front.
        if hop.listener.inner && client == Client::Verified {
            continue;
        }
        let event = slot.event.as_ref();
        let place = event.map_or(hop.upstream.place, |event| event.place);
        let mut severity = match client {
            Client::Verified => Severity::Medium, // a valid certificate of one's own is needed
            _ => Severity::High,
        };
        if hop.listener.inner {
            severity = Severity::Low; // the gateway in front may have set it
        }
        let filled = filled_at.filter(|at| *at != place).map(|at| (at, "fills it from the connection".to_owned()));
        faults.push(Fault {
            rule: Rule::Spoofable,
            severity,
            cause: event.map_or(Cause::Untouched, |event| event.cause),
            hop,
            header: Some(name.to_owned()),
            place,
            related: filled.into_iter().chain(event.into_iter().flat_map(related)).collect(),
            detail: Detail::By(client),
        });
    }
    alias(hop, faults);
}

/// `X_SSL_Cert` beside a guarded `X-SSL-Cert`: many upstreams can't tell the two apart.
fn alias<'a>(hop: &'a Hop, faults: &mut Vec<Fault<'a>>) {
    let Some(event) = &hop.alias else { return };
    let guarded = hop.requests().find_map(|(_, request)| {
        request.certificates().find(|(name, ..)| name.contains('-')).map(|(name, _, slot)| (name.to_owned(), slot))
    });
    let Some((name, slot)) = guarded else { return };
    let filled = slot.event.as_ref().map(|event| (event.place, "fills the header".to_owned()));
    faults.push(Fault {
        rule: Rule::Spoofable,
        severity: if hop.listener.inner { Severity::Low } else { Severity::Medium },
        cause: Cause::Alias,
        hop,
        header: Some(name),
        place: event.place,
        related: filled.into_iter().collect(),
        detail: Detail::Alias,
    });
}

/// Carriers in a configuration in which nobody asks for a certificate.
fn not_requested<'a>(hops: &'a [Hop], faults: &mut Vec<Fault<'a>>) {
    let known = hops.iter().all(|hop| hop.listener.auth == ClientAuth::Off && hop.listener.in_vain.is_none());
    if !known {
        return;
    }
    let Some((hop, carrier)) = hops.iter().find_map(|hop| Some((hop, hop.carriers.first()?))) else { return };
    faults.push(Fault {
        rule: Rule::NotRequested,
        severity: Severity::High,
        cause: Cause::Untouched,
        hop,
        header: Some(carrier.header.clone()),
        place: carrier.place,
        related: vec![(hop.upstream.place, "requests go on to the upstream here".to_owned())],
        detail: Detail::Form(carrier.form),
    });
}

/// Whether DPoP proofs and the tokens they belong to arrive, and fit the request that does.
fn dpop<'a>(hop: &'a Hop, evidence: Evidence, faults: &mut Vec<Fault<'a>>) {
    if !speaks_headers(hop) {
        return;
    }
    let request = [Client::Verified, Client::Anonymous].into_iter().find_map(|client| hop.arrival(client).request());
    let Some(request) = request else { return };
    // Neither is for others to see.
    if !arrives(request, "dpop") && !arrives(request, "authorization") && leads_abroad(hop) {
        return;
    }
    for name in ["dpop", "authorization"] {
        if name == "authorization" && hop.consumes_authorization {
            continue;
        }
        let slot = request.slot(name);
        let Some(event) = &slot.event else { continue };
        // Somebody else takes tokens of its own.
        if name == "authorization" && event.cause == Cause::Set && leads_abroad(hop) {
            continue;
        }
        // Of some tokens: which, the gateway's own settings say.
        let some = event.cause == Cause::Consumed && slot.values.contains(&Value::Unknown);
        // A proof that is passed on by name is meant to be looked at, and belongs to a token.
        let with_proof = request.headers.get("dpop").is_some_and(|slot| slot.values == [Value::Client]);
        let broken = broken(name, &slot.values, event.cause, with_proof);
        let Some(cause) = broken.or((some && evidence.dpop).then_some(Cause::Consumed)) else { continue };
        // A proof that is taken away by name is evidence enough; a token may be somebody else's business.
        let named = event.cause != Cause::AllDropped && event.cause != Cause::NotListed;
        let severity = match (name, named) {
            ("dpop", true) => Severity::High,
            _ if evidence.dpop => Severity::High,
            _ if evidence.any() || named => Severity::Medium,
            _ => continue,
        };
        faults.push(Fault {
            rule: Rule::DpopBroken,
            severity,
            cause,
            hop,
            header: Some(name.to_owned()),
            place: event.place,
            related: related(event).collect(),
            detail: Detail::Plain,
        });
    }
    if !evidence.dpop {
        return;
    }
    for rewrite in hop.rewrites.iter().filter(|rewrite| !rewrite.told) {
        faults.push(Fault {
            rule: Rule::DpopBroken,
            severity: Severity::Medium,
            cause: Cause::Rewritten,
            hop,
            header: None,
            place: rewrite.place,
            related: Vec::new(),
            detail: Detail::Part(rewrite.part),
        });
    }
    for cors in &hop.cors {
        let lists = |list: &Option<Vec<String>>, name: &str| list.as_ref().map(|all| all.iter().any(|one| one == name));
        let sends = lists(&cors.allow, "authorization") == Some(true) && lists(&cors.allow, "dpop") == Some(false);
        let reads = lists(&cors.expose, "dpop-nonce") == Some(false);
        if sends || reads {
            faults.push(Fault {
                rule: Rule::DpopBroken,
                severity: Severity::Medium,
                cause: Cause::NotListed,
                hop,
                header: Some(if sends { "dpop" } else { "dpop-nonce" }.to_owned()),
                place: cors.place,
                related: Vec::new(),
                detail: Detail::Cors,
            });
        }
    }
    for service in hop.consulted.iter().filter(|service| service.authorization && !service.dpop) {
        faults.push(Fault {
            rule: Rule::DpopBroken,
            severity: Severity::Medium,
            cause: Cause::NotListed,
            hop,
            header: Some("dpop".to_owned()),
            place: service.place,
            related: Vec::new(),
            detail: Detail::Consulted,
        });
    }
}

/// Why the header is of no use to the upstream, if it is not. `with_proof`: a proof goes on beside it.
fn broken(name: &str, values: &[Value], cause: Cause, with_proof: bool) -> Option<Cause> {
    let same = |value: &Value| match value {
        Value::Client => true,
        Value::ClientHeader(other) => other == name,
        _ => false,
    };
    match values {
        [] | [Value::Empty] => Some(cause),
        [value] if same(value) => None,
        // What can't be told is not accused; nor is a gateway that logs itself in at the upstream with a password.
        values if values.contains(&Value::Unknown) => None,
        [Value::Constant(text)] if !with_proof && text.to_ascii_lowercase().starts_with("basic ") => None,
        _ => Some(if cause == Cause::Untouched { Cause::Set } else { cause }),
    }
}

fn logs<'a>(hop: &'a Hop, evidence: Evidence, faults: &mut Vec<Fault<'a>>) {
    for log in &hop.logs {
        let severity = match log.what {
            Credential::Authorization | Credential::AllHeaders => Severity::High,
            Credential::Dpop | Credential::Query | Credential::OtherHeaders => Severity::Medium,
            Credential::Certificate => Severity::Low,
        };
        // Written along with everything else, they count where there are any.
        if log.what == Credential::Query && !evidence.query_token
            || log.what == Credential::OtherHeaders && !evidence.dpop
        {
            continue;
        }
        let active = log.active.filter(|at| *at != log.place).map(|at| (at, "writes this log".to_owned()));
        faults.push(Fault {
            rule: Rule::Logged,
            severity,
            cause: Cause::Set,
            hop,
            header: None,
            place: log.place,
            related: active.into_iter().collect(),
            detail: Detail::Credential(log.what),
        });
    }
}

fn related(event: &Event) -> impl Iterator<Item = (Place, String)> + '_ {
    event.related.iter().map(|(place, what)| (*place, (*what).to_owned()))
}
