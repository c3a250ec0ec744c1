//! One request of one kind of client on its way through a gateway: what becomes of its headers, step by step.

use super::hop::{Arrival, Cause, Client, ClientAuth, Event, Others, Place, Request, Slot, Value};

/// A request of one kind of client.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) request: Request,
    /// The client has shown a certificate.
    pub(super) presented: bool,
    /// What took the certificate away again.
    pub(super) lost: Option<Event>,
}

impl Run {
    pub(super) const fn new(presented: bool) -> Self {
        Self { request: Request::untouched(), presented, lost: None }
    }

    pub(super) fn values(&self, name: &str) -> Vec<Value> {
        self.slot(name).values
    }

    /// What a header holds now. Names with underscores are headers like others here.
    pub(super) fn slot(&self, name: &str) -> Slot {
        match (self.request.headers.get(name), &self.request.others) {
            (None, Others::Passed) => Slot { values: vec![Value::Client], event: None },
            _ => self.request.slot(name),
        }
    }

    pub(super) fn set(&mut self, name: &str, values: Vec<Value>, place: Place, cause: Cause) {
        self.request.set(name, values, Some(Event::new(place, cause)));
    }

    /// Takes a header away.
    pub(super) fn remove(&mut self, name: &str, place: Place, cause: Cause) {
        let name = &name.to_ascii_lowercase();
        let before = self.slot(name);
        let mut event = Event::new(place, cause);
        let whole = |value: &Value| matches!(value, Value::Certificate(form) if form.shows_binding());
        let (held, held_whole) =
            (before.values.iter().any(|value| matches!(value, Value::Certificate(_))), before.values.iter().any(whole));
        if held {
            event.related.extend(before.event.map(|event| (event.place, "fills it from the connection")));
            // A name or a number that goes, too, matters less.
            if held_whole || self.lost.is_none() {
                self.lost = Some(event.clone());
            }
        }
        self.request.set(name, Vec::new(), Some(event));
    }

    /// Something that can't be read may do anything to the headers.
    pub(super) fn anything(&mut self) {
        for slot in self.request.headers.values_mut() {
            *slot = Slot { values: vec![Value::Unknown], event: None };
        }
        self.request.others = Others::Unknown;
        self.lost = None;
    }
}

/// How a listener deals with certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Handshake {
    pub(super) auth: ClientAuth,
    /// There must be a certificate, even where any will do.
    pub(super) required: bool,
}

impl Handshake {
    /// It does not ask.
    pub(super) const OFF: Self = Self { auth: ClientAuth::Off, required: false };

    /// Whether a client gets through; `None` if that can't be told.
    pub(super) fn connects(self, client: Client) -> Option<bool> {
        match (self.auth, client) {
            (ClientAuth::Unknown, _) => None,
            (ClientAuth::Off, _) | (_, Client::Verified) => Some(true),
            (ClientAuth::Unverified, Client::Foreign) => Some(true),
            (_, Client::Foreign) => Some(false),
            (_, Client::Anonymous) => Some(!self.required),
        }
    }

    /// Whether the client has shown a certificate.
    pub(super) fn presented(self, client: Client) -> bool {
        self.auth.asks() && client != Client::Anonymous
    }

    /// What becomes of a client, given what a request would become once it is through.
    pub(super) fn arrival(self, client: Client, request: impl FnOnce(bool) -> Option<Request>) -> Arrival {
        match self.connects(client) {
            None => Arrival::Unknown,
            Some(false) => Arrival::Refused,
            Some(true) => request(self.presented(client)).map_or(Arrival::Refused, Arrival::Reaches),
        }
    }
}

/// The address of an upstream as others write it, too: `http://App/` as `app:80`.
pub(super) fn dial(upstream: &str) -> String {
    let (scheme, rest) = upstream.split_once("://").unwrap_or(("", upstream));
    // A path is no part of it, but of the name of a socket it is.
    let rest = if scheme.is_empty() { rest } else { rest.split('/').next().unwrap_or(rest) };
    let rest = rest.trim_end_matches('/').to_ascii_lowercase();
    let host = if rest.starts_with(':') { format!("localhost{rest}") } else { rest };
    match scheme {
        _ if host.contains([':', '/', '{']) => host,
        "https" => format!("{host}:443"),
        _ => format!("{host}:80"),
    }
}
