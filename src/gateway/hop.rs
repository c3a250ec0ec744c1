//! The neutral model of what a gateway does with a request. Front ends lower every product's configuration to it; the
//! checks know nothing else.
//!
//! The model is an abstract run, not a list of directives: for each kind of client that can come (with a certificate
//! that verifies, with none, with one of a foreign authority) it says whether the request gets through, and for each
//! header what the upstream then sees. What a condition on the certificate decides is thereby decided; a condition on
//! anything else (a path, an address) makes one [`Hop`] for each way it can go. Such a claim can be held against the
//! real gateway, and is: see `tests/oracle/`.

use std::collections::BTreeMap;

pub use crate::config::place::Place;

/// The kinds of clients that the model tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Client {
    /// Presents a certificate of an authority that the gateway trusts.
    Verified,
    /// Presents none, or comes over a connection without TLS.
    Anonymous,
    /// Presents a certificate that does not verify.
    Foreign,
}

impl Client {
    /// All of them, in the order of [`Hop::arrivals`].
    pub const ALL: [Self; 3] = [Self::Verified, Self::Anonymous, Self::Foreign];
}

/// In which form a client certificate is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// PEM, percent-encoded.
    PemEscaped,
    /// PEM with its line breaks, which no header can hold.
    PemLines,
    /// PEM with blanks in place of its line breaks.
    PemOneLine,
    /// DER in base64, bare.
    DerBase64,
    /// DER in base64 between colons (RFC 9440, section 2.1).
    Rfc9440,
    /// Envoy's `X-Forwarded-Client-Cert` element; it holds the SHA-256 hash at least.
    Xfcc,
    /// SHA-256 over the DER, what `x5t#S256` is compared with (RFC 8705, section 3.1).
    Sha256,
    /// The text of the PEM in base64: encoded once too often.
    PemBase64,
    /// SHA-1 over the DER.
    Sha1,
    /// A distinguished name or a part of one.
    Dn,
    /// The serial number.
    Serial,
}

impl Form {
    /// Whether the certificate's SHA-256 thumbprint can be had from it (RFC 8705, section 3.1).
    pub const fn shows_binding(self) -> bool {
        !matches!(self, Self::Sha1 | Self::Dn | Self::Serial)
    }
}

/// One value of a header, as the upstream gets it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// What the client sent under this name, if it sent any.
    Client,
    /// What the client sent under another name (lower case), if it sent any.
    ClientHeader(String),
    /// The certificate of this connection.
    Certificate(Form),
    /// How the verification of the certificate went.
    Verification,
    /// This text.
    Constant(String),
    /// The header, with nothing in it.
    Empty,
    /// Something else of the connection or the gateway, such as an address or a time: neither the certificate nor
    /// anything that the client sent. It may be nothing at all.
    Other,
    /// Something that can't be told.
    Unknown,
}

impl Value {
    /// What a text holds of which parts are put in from the gateway's own settings: of a token's scheme is known that the
    /// token is not the client's, of anything else nothing.
    pub fn of_settings(text: &str) -> Self {
        let scheme = text.split(' ').next().unwrap_or_default();
        let token = ["bearer", "dpop"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        if token && scheme.len() < text.trim_end().len() { Self::Other } else { Self::Unknown }
    }
}

/// Why a header is as it is. Front ends have a name of their own for each, see
/// [`FrontEnd::reason`](super::FrontEnd::reason).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// Nothing was done about it.
    Untouched,
    /// Set here.
    Set,
    /// Set only where a condition holds, and not cleared before.
    Conditional,
    /// Added beside what the client sent.
    Appended,
    /// Set only where the client sent none.
    ClientWins,
    /// Copied from what the client sent.
    Copied,
    /// Removed by name.
    Removed,
    /// Removed along with all others.
    AllDropped,
    /// Set at an outer level; settings of its kind at this level take the place of all of those.
    Wiped,
    /// Set with a directive that does not act on this kind of upstream.
    WrongProtocol,
    /// Taken from a variable that is not exported.
    NotExported,
    /// What the gateway does by default, or in the mode that is set.
    Mode,
    /// The gateway is told to trust what anybody sends.
    TrustsAll,
    /// The options that ask for the certificate are not applied to this route.
    NotApplied,
    /// The options that ask can't be chosen for this route, which falls back to those that hold by default.
    Fallback,
    /// There is nothing to verify certificates against, and the gateway then asks for none.
    NoAuthority,
    /// A page for errors of the handshake leads to the upstream.
    ErrorPage,
    /// Headers with underscores in their names are let through.
    Alias,
    /// A component of the gateway consumes it.
    Consumed,
    /// A list of what is let through does not name it.
    NotListed,
    /// The target of the request is rewritten.
    Rewritten,
    /// Set under a name that promises another form.
    WrongForm,
}

/// What decided, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The directive.
    pub place: Place,
    /// What it did.
    pub cause: Cause,
    /// Others that belong to it, such as the directive that was wiped; with a word on each.
    pub related: Vec<(Place, &'static str)>,
}

impl Event {
    /// An event with nothing related.
    pub const fn new(place: Place, cause: Cause) -> Self {
        Self { place, cause, related: Vec::new() }
    }
}

/// What the upstream gets of one header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The values in order; none: the header is not there.
    pub values: Vec<Value>,
    /// What decided that, if anything did.
    pub event: Option<Event>,
}

/// What becomes of the headers that nobody names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Others {
    /// They pass as the client sent them.
    Passed,
    /// They are dropped.
    Dropped(Event),
    /// That can't be told.
    Unknown,
}

/// A request as it gets to the upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// By name, lower case, with `-`. A name with `_` is a parameter of another protocol that is no header
    /// (`SSL_CLIENT_CERT` to a FastCGI server): no client can send it.
    pub headers: BTreeMap<String, Slot>,
    /// All other headers.
    pub others: Others,
}

impl Request {
    /// A request that passes as it came.
    pub const fn untouched() -> Self {
        Self { headers: BTreeMap::new(), others: Others::Passed }
    }

    /// What the upstream gets of a header; `name` in lower case.
    pub fn slot(&self, name: &str) -> Slot {
        match (self.headers.get(name), &self.others) {
            (Some(slot), _) => slot.clone(),
            (None, _) if name.contains('_') => Slot { values: Vec::new(), event: None },
            (None, Others::Passed) => Slot { values: vec![Value::Client], event: None },
            (None, Others::Dropped(event)) => Slot { values: Vec::new(), event: Some(event.clone()) },
            (None, Others::Unknown) => Slot { values: vec![Value::Unknown], event: None },
        }
    }

    /// Sets a header.
    pub fn set(&mut self, name: &str, values: Vec<Value>, event: Option<Event>) {
        self.headers.insert(name.to_ascii_lowercase(), Slot { values, event });
    }

    /// The forms in which headers carry the certificate, with the headers' names.
    pub fn certificates(&self) -> impl Iterator<Item = (&str, Form, &Slot)> {
        self.headers.iter().flat_map(|(name, slot)| {
            slot.values.iter().filter_map(move |value| match value {
                Value::Certificate(form) => Some((name.as_str(), *form, slot)),
                _ => None,
            })
        })
    }

    /// The headers that are filled from the TLS connection: with the certificate, or with how it was verified.
    pub fn filled(&self) -> impl Iterator<Item = (&str, &Slot)> {
        let from_tls = |value: &Value| matches!(value, Value::Certificate(_) | Value::Verification);
        self.headers
            .iter()
            .filter(move |(_, slot)| slot.values.iter().any(from_tls))
            .map(|(name, slot)| (name.as_str(), slot))
    }
}

/// What becomes of a client's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// It is turned away before it gets to the upstream.
    Refused,
    /// It gets there.
    Reaches(Request),
    /// That can't be told.
    Unknown,
}

impl Arrival {
    /// The request, if it gets to the upstream.
    pub const fn request(&self) -> Option<&Request> {
        match self {
            Self::Reaches(request) => Some(request),
            _ => None,
        }
    }
}

/// Whether a listener asks for a client certificate, and what it makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientAuth {
    /// It does not ask.
    Off,
    /// It asks; whatever comes is taken, unverified.
    Unverified,
    /// It asks; one that comes must verify.
    Optional,
    /// There must be one that verifies.
    Required,
    /// That can't be told: it stands in a file that is not there.
    Unknown,
}

impl ClientAuth {
    /// Whether it is known to ask.
    pub const fn asks(self) -> bool {
        matches!(self, Self::Unverified | Self::Optional | Self::Required)
    }
}

/// Where clients connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// How it is called in reports: `:443 api.example.com`.
    pub label: String,
    /// Its ports, where they are known; for finding it again.
    pub ports: Vec<u16>,
    /// Its sockets on this machine, by path, lower case; for finding it again.
    pub sockets: Vec<String>,
    /// Names that select it, lower case; none: all.
    pub hosts: Vec<String>,
    /// TLS ends here.
    pub tls: bool,
    /// Whether a client certificate is asked for.
    pub auth: ClientAuth,
    /// The directive that asks, or means to.
    pub asks_at: Option<Place>,
    /// Why `asks_at` has no effect, where `auth` is [`ClientAuth::Off`] nevertheless.
    pub in_vain: Option<Cause>,
    /// Only clients on the same machine or on a list can connect: another gateway may stand in front.
    pub inner: bool,
}

impl Listener {
    /// One that asks for no certificate and takes requests for any name.
    pub const fn new(label: String, ports: Vec<u16>, tls: bool) -> Self {
        Self {
            label,
            ports,
            sockets: Vec::new(),
            hosts: Vec::new(),
            tls,
            auth: ClientAuth::Off,
            asks_at: None,
            in_vain: None,
            inner: false,
        }
    }

    /// One of which the configuration that was read says nothing.
    pub fn elsewhere(label: String, ports: Vec<u16>) -> Self {
        Self { auth: ClientAuth::Unknown, ..Self::new(label, ports, true) }
    }
}

/// Which requests take a way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathMatch {
    /// All.
    Any,
    /// Those whose path begins so.
    Prefix(String),
    /// Those with this path.
    Exact(String),
    /// Those whose path fits a regular expression.
    Pattern(String),
    /// Those that something else selects.
    Other,
}

impl PathMatch {
    /// Whether the requests are probes, which come without tokens.
    pub fn is_probe(&self) -> bool {
        const PROBES: [&str; 12] = [
            "health",
            "healthz",
            "healthcheck",
            "health-check",
            "livez",
            "readyz",
            "live",
            "ready",
            "liveness",
            "readiness",
            "ping",
            "metrics",
        ];
        let (Self::Exact(path) | Self::Prefix(path)) = self else { return false };
        path.trim_end_matches('/').rsplit('/').next().is_some_and(|last| PROBES.contains(&last.trim_start_matches('_')))
    }
}

/// A way from a listener to an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// How it is called in reports: `location /api/`.
    pub label: String,
    /// Which requests take it.
    pub path: PathMatch,
    /// What else must hold for a request to take it, in the words of the configuration.
    pub when: Vec<String>,
}

/// How the gateway speaks to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// HTTP, with or without TLS.
    Http,
    /// gRPC.
    Grpc,
    /// FastCGI, uWSGI, SCGI, AJP: headers become variables, in which `-` and `_` are one.
    Gateway,
    /// The bytes of a connection whose TLS ended at the gateway.
    Stream,
    /// The bytes of a connection whose TLS did not end at the gateway: the binding survives.
    Passthrough,
}

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// How it is called in reports: `http://app`.
    pub label: String,
    /// Everything it is known as: its name and its addresses, lower case. Two upstreams that share one are the same.
    pub names: Vec<String>,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// The directive that sends requests there.
    pub place: Place,
}

impl Upstream {
    /// Whether both are the same.
    pub fn is(&self, other: &Self) -> bool {
        self.names.iter().any(|name| other.names.contains(name))
    }
}

/// A directive that puts something of the certificate into a header, whether it takes effect or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carrier {
    /// The header's name, lower case.
    pub header: String,
    /// In what form.
    pub form: Form,
    /// The directive.
    pub place: Place,
}

/// What a DPoP proof speaks of (RFC 9449, section 4.2) and the gateway changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrite {
    /// What.
    pub part: Part,
    /// Where.
    pub place: Place,
    /// The upstream is told in a header what it was.
    pub told: bool,
}

/// A part of a request's target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The method: `htm`.
    Method,
    /// Scheme of `htu`.
    Scheme,
    /// Host of `htu`.
    Host,
    /// Path of `htu`.
    Path,
}

/// Something that must not stand in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Credential {
    /// The `Authorization` header.
    Authorization,
    /// The `DPoP` header.
    Dpop,
    /// The whole client certificate.
    Certificate,
    /// A token taken from the query.
    Query,
    /// All request headers.
    AllHeaders,
    /// All request headers but `Authorization`, which is masked.
    OtherHeaders,
}

/// A log that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// What stands in it.
    pub what: Credential,
    /// The part of the format that writes it.
    pub place: Place,
    /// The directive that makes the format active.
    pub active: Option<Place>,
}

/// An answer to a browser's question what a page of another origin may send (Fetch standard).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// The headers that may be sent, lower case; `None` where nothing says.
    pub allow: Option<Vec<String>>,
    /// The headers that may be read, lower case; `None` where nothing says.
    pub expose: Option<Vec<String>>,
    /// The directive.
    pub place: Place,
}

/// A service that the gateway asks about a request before it goes on, such as one that authorises it. It is told no more
/// of the request than what is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consulted {
    /// How it is called in reports.
    pub label: String,
    /// It is told `Authorization`.
    pub authorization: bool,
    /// It is told `DPoP`.
    pub dpop: bool,
    /// The list.
    pub place: Place,
}

/// One way through a gateway: a listener, a route, an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// Where clients connect.
    pub listener: Listener,
    /// Which way requests take.
    pub route: Route,
    /// Where they go.
    pub upstream: Upstream,
    /// What becomes of each kind of client, in the order of [`Client::ALL`].
    pub arrivals: [Arrival; 3],
    /// Directives on this way, and on levels around it, that are to carry the certificate.
    pub carriers: Vec<Carrier>,
    /// What explains the certificate's absence at the upstream, where something does.
    pub lost: Option<Event>,
    /// Why clients without a valid certificate get through, though one is required.
    pub bypass: Option<Event>,
    /// Headers with underscores in their names pass because of this.
    pub alias: Option<Event>,
    /// What is changed of the request's target.
    pub rewrites: Vec<Rewrite>,
    /// What is logged.
    pub logs: Vec<Logged>,
    /// Answers to browsers.
    pub cors: Vec<Cors>,
    /// Who is asked about the request.
    pub consulted: Vec<Consulted>,
    /// The gateway itself checks what stands in `Authorization`: passwords, or tokens with their proofs.
    pub consumes_authorization: bool,
    /// The gateway itself compares the certificate of the connection with the one that a token is bound to.
    pub checks_binding: bool,
}

impl Hop {
    /// A way on which nothing is done but what these say.
    pub const fn new(listener: Listener, route: Route, upstream: Upstream, arrivals: [Arrival; 3]) -> Self {
        Self {
            listener,
            route,
            upstream,
            arrivals,
            carriers: Vec::new(),
            lost: None,
            bypass: None,
            alias: None,
            rewrites: Vec::new(),
            logs: Vec::new(),
            cors: Vec::new(),
            consulted: Vec::new(),
            consumes_authorization: false,
            checks_binding: false,
        }
    }

    /// What becomes of a client.
    pub fn arrival(&self, client: Client) -> &Arrival {
        match client {
            Client::Verified => &self.arrivals[0],
            Client::Anonymous => &self.arrivals[1],
            Client::Foreign => &self.arrivals[2],
        }
    }

    /// All places that it speaks of, to be put right where it was read from something that stands for something else.
    pub fn places(&mut self, each: &mut dyn FnMut(&mut Place)) {
        let mut event = |event: &mut Event| {
            each(&mut event.place);
            event.related.iter_mut().for_each(|(place, _)| each(place));
        };
        for arrival in &mut self.arrivals {
            let Arrival::Reaches(request) = arrival else { continue };
            request.headers.values_mut().filter_map(|slot| slot.event.as_mut()).for_each(&mut event);
            if let Others::Dropped(dropped) = &mut request.others {
                event(dropped);
            }
        }
        [&mut self.lost, &mut self.bypass, &mut self.alias].into_iter().flatten().for_each(&mut event);
        each(&mut self.upstream.place);
        self.listener.asks_at.iter_mut().for_each(&mut *each);
        self.carriers.iter_mut().for_each(|carrier| each(&mut carrier.place));
        self.rewrites.iter_mut().for_each(|rewrite| each(&mut rewrite.place));
        for log in &mut self.logs {
            each(&mut log.place);
            log.active.iter_mut().for_each(&mut *each);
        }
        self.cors.iter_mut().for_each(|cors| each(&mut cors.place));
        self.consulted.iter_mut().for_each(|service| each(&mut service.place));
    }

    /// What gets to the upstream, client by client.
    pub fn requests(&self) -> impl Iterator<Item = (Client, &Request)> {
        Client::ALL.into_iter().filter_map(|client| Some((client, self.arrival(client).request()?)))
    }
}
