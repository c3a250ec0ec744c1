//! Two hops as one: what a request is like after the second, given what the first makes of it.
//!
//! To an inner gateway the one in front is the client. What it takes from a client's headers is what the gateway in front
//! sends; what it takes from its own TLS connection is of the gateway in front, and never of the client, unless the bytes
//! of the client's connection came through untouched.

use super::super::hop::{
    Arrival, Client, ClientAuth, Event, Hop, Listener, Others, Part, PathMatch, Protocol, Request, Route, Slot, Value,
};

/// The way through both, from the first one's clients to the second one's upstream.
pub(super) fn both(front: &Hop, inner: &Hop) -> Hop {
    let listener = Listener { inner: front.listener.inner, ..front.listener.clone() };
    let route = Route {
        label: inner.route.label.clone(),
        path: path(front, inner),
        when: [front.route.when.clone(), inner.route.when.clone()].concat(),
    };
    let rewrites = [front.rewrites.clone(), inner.rewrites.clone()].concat();
    let logs = [front.logs.clone(), inner.logs.clone()].concat();
    if front.upstream.protocol == Protocol::Passthrough {
        // The inner gateway's handshake is with the client itself.
        let listener = Listener {
            auth: inner.listener.auth,
            asks_at: inner.listener.asks_at,
            tls: inner.listener.tls,
            ..listener
        };
        return Hop { listener, route, rewrites, logs, ..inner.clone() };
    }
    let after = as_client(inner);
    let arrivals = Client::ALL.map(|client| match (front.arrival(client), &after) {
        (Arrival::Refused, _) | (_, Arrival::Refused) => Arrival::Refused,
        (Arrival::Unknown, _) | (_, Arrival::Unknown) => Arrival::Unknown,
        (Arrival::Reaches(sent), Arrival::Reaches(made)) => Arrival::Reaches(composed(sent, made)),
    });
    let carriers = front.carriers.clone();
    let checks_binding = front.checks_binding || inner.checks_binding;
    Hop { carriers, checks_binding, rewrites, logs, ..Hop::new(listener, route, inner.upstream.clone(), arrivals) }
}

/// Which requests take both, by their path at the edge.
fn path(front: &Hop, inner: &Hop) -> PathMatch {
    match (&front.route.path, &inner.route.path) {
        (path, PathMatch::Any) => path.clone(),
        // The inner gateway sees another path.
        _ if front.rewrites.iter().any(|rewrite| rewrite.part == Part::Path) => PathMatch::Other,
        (PathMatch::Any, path) => path.clone(),
        (PathMatch::Prefix(one), PathMatch::Prefix(other)) if other.starts_with(one.as_str()) => {
            inner.route.path.clone()
        }
        (PathMatch::Prefix(one), PathMatch::Prefix(other)) if one.starts_with(other.as_str()) => {
            front.route.path.clone()
        }
        (PathMatch::Prefix(_), PathMatch::Exact(_)) => inner.route.path.clone(),
        (PathMatch::Exact(_), PathMatch::Prefix(_)) => front.route.path.clone(),
        (one, other) if one == other => one.clone(),
        _ => PathMatch::Other,
    }
}

/// What becomes of requests that a gateway in front sends.
fn as_client(inner: &Hop) -> Arrival {
    match inner.listener.auth {
        ClientAuth::Off => inner.arrival(Client::Anonymous).clone(),
        // It gets in only with a certificate of its own.
        ClientAuth::Required => own(inner.arrival(Client::Verified)),
        ClientAuth::Unknown => Arrival::Unknown,
        // Whether it shows one is not known; what is alike either way is.
        ClientAuth::Optional | ClientAuth::Unverified => {
            match (own(inner.arrival(Client::Verified)), own(inner.arrival(Client::Anonymous))) {
                (Arrival::Reaches(one), Arrival::Reaches(other)) => Arrival::Reaches(alike(&one, &other)),
                (one, other) if one == other => one,
                _ => Arrival::Unknown,
            }
        }
    }
}

/// The certificate of the connection is the gateway's own.
fn own(arrival: &Arrival) -> Arrival {
    let mut arrival = arrival.clone();
    if let Arrival::Reaches(request) = &mut arrival {
        for value in request.headers.values_mut().flat_map(|slot| &mut slot.values) {
            if matches!(value, Value::Certificate(_) | Value::Verification) {
                *value = Value::Other;
            }
        }
    }
    arrival
}

/// What is the same in both, or at least of neither the client nor its certificate.
fn alike(one: &Request, other: &Request) -> Request {
    let mut both = Request {
        headers: Default::default(),
        others: if one.others == other.others { one.others.clone() } else { Others::Unknown },
    };
    for name in one.headers.keys().chain(other.headers.keys()) {
        let (slot, second) = (one.slot(name), other.slot(name));
        let harmless = |slot: &Slot| slot.values.iter().all(|value| matches!(value, Value::Other | Value::Empty));
        let values = if slot.values == second.values {
            slot.values
        } else if harmless(&slot) && harmless(&second) {
            vec![Value::Other]
        } else {
            vec![Value::Unknown]
        };
        both.headers.insert(name.clone(), Slot { values, event: slot.event.or(second.event) });
    }
    both
}

/// What the inner gateway makes of a request of the one in front.
fn composed(sent: &Request, made: &Request) -> Request {
    let others = match (&made.others, &sent.others) {
        (Others::Passed, others) => others.clone(),
        (Others::Dropped(event), _) => Others::Dropped(event.clone()),
        (Others::Unknown, _) => Others::Unknown,
    };
    let mut request = Request { headers: Default::default(), others };
    for name in sent.headers.keys().chain(made.headers.keys()) {
        if request.headers.contains_key(name) {
            continue;
        }
        let slot = made.slot(name);
        let passed = slot.values == [Value::Client];
        let mut values = Vec::new();
        for value in slot.values {
            match value {
                Value::Client => values.extend(seen(sent, name, name)),
                Value::ClientHeader(other) => values.extend(seen(sent, &other, name)),
                value => values.push(value),
            }
        }
        // What passes was decided in front; a mode that lets it pass is worth knowing all the same.
        let before = sent.headers.get(name).and_then(|slot| slot.event.clone());
        let event = if passed { before.or(slot.event) } else { slot.event.map(|event| after(event, before)) };
        request.headers.insert(name.clone(), Slot { values, event });
    }
    request
}

/// An event with what went before it.
fn after(mut event: Event, before: Option<Event>) -> Event {
    event.related.extend(before.map(|before| (before.place, "decides what comes here")));
    event
}

/// What a header `from` holds on its way to become `name`.
fn seen(sent: &Request, from: &str, name: &str) -> Vec<Value> {
    let renamed = |value: Value| match value {
        Value::Client if from != name => Value::ClientHeader(from.to_owned()),
        Value::ClientHeader(first) if first == name => Value::Client,
        value => value,
    };
    sent.slot(from).values.into_iter().map(renamed).collect()
}
