//! Filters and predicates of routes, in their short form (`RemoveRequestHeader=DPoP`) and in the long one.

use super::settings::Settings;
use crate::gateway::hop::{Cause, Event, Place, Slot, Value};
use crate::gateway::run::Run;

/// Filters that come with the gateway and leave request headers alone, or touch none that matter here.
const HARMLESS: &[&str] = &[
    "AdaptCachedBody",
    "AddRequestParameter",
    "AddResponseHeader",
    "BodyTo",
    "CacheRequestBody",
    "ChangeRequestUri",
    "CircuitBreaker",
    "DedupeResponseHeader",
    "FallbackHeaders",
    "FrameworkRetry",
    "GatewayRetry",
    "JsonToGrpc",
    "Hystrix",
    "LocalResponseCache",
    "ModifyRequestBody",
    "ModifyResponseBody",
    "PrefixPath",
    "PreserveHostHeader",
    "RateLimit",
    "RedirectTo",
    "RemoveJsonAttributesResponseBody",
    "RemoveRequestParameter",
    "RemoveResponseHeader",
    "RequestHeaderSize",
    "RequestHeaderToRequestUri",
    "RequestRateLimiter",
    "RequestSize",
    "Retry",
    "RewriteLocationResponseHeader",
    "RewritePath",
    "RewriteRequestParameter",
    "RewriteResponseHeader",
    "SaveSession",
    "SecureHeaders",
    "SetPath",
    "SetRequestHostHeader",
    "SetRequestUri",
    "SetResponseHeader",
    "SetStatus",
    "StripContextPath",
    "StripPrefix",
];

/// A filter or a predicate.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    pub(super) name: String,
    /// Its arguments in the order in which they are written; in the long form with their names.
    arguments: Vec<(String, String)>,
    pub(super) place: Place,
}

impl Filter {
    /// A filter with its arguments in order; `${}` stands for one that is not known.
    pub(super) fn of(name: &str, arguments: Vec<String>, place: Place) -> Self {
        let arguments = arguments.into_iter().map(|argument| (String::new(), argument)).collect();
        Self { name: name.to_owned(), arguments, place }
    }

    /// Its arguments are not known.
    pub(super) fn forget(&mut self) {
        self.arguments = vec![(String::new(), "${}".to_owned())];
    }
}

/// The filters in a list of the gateway's.
pub(super) fn read(settings: &Settings, list: &str) -> Vec<Filter> {
    settings.numbered(list).iter().filter_map(|item| one(settings, item)).collect()
}

fn one(settings: &Settings, item: &str) -> Option<Filter> {
    if let Some((text, place)) = settings.gateway(item) {
        let (name, rest) = text.split_once('=').unwrap_or((text, ""));
        let arguments = rest.split(',').map(str::trim).filter(|argument| !argument.is_empty());
        return Some(Filter::of(name.trim(), arguments.map(str::to_owned).collect(), *place));
    }
    let inside = settings.inside(item);
    let (name, place) = inside.iter().find(|(key, _)| key == "name").map(|(_, at)| *at)?;
    let arguments = inside.iter().filter_map(|(key, (text, _))| {
        let key = key.strip_prefix("args.").or_else(|| key.strip_prefix("args["))?;
        Some((key.to_owned(), text.clone()))
    });
    Some(Filter { name: name.clone(), arguments: arguments.collect(), place: *place })
}

impl Filter {
    /// All arguments.
    pub(super) fn all(&self) -> Vec<String> {
        self.arguments.iter().map(|(_, text)| text.clone()).collect()
    }

    /// An argument by its name, or by its number in the short form.
    fn argument(&self, name: &str, number: usize) -> Option<&str> {
        let named = self.arguments.iter().find(|(key, _)| key == name);
        let numbered = || {
            let short = |key: &str| key.is_empty() || key.starts_with("genkey");
            self.arguments.get(number).filter(|(key, _)| short(key))
        };
        named.or_else(numbered).map(|(_, text)| text.as_str())
    }

    /// The header that it is about, lower case.
    pub(super) fn header(&self) -> Option<String> {
        self.argument("name", 0).map(|name| name.trim().to_ascii_lowercase())
    }

    /// What it gives the header.
    fn value(&self) -> Value {
        match self.argument("value", 1) {
            Some(text) if !text.contains(['{', '$', '#']) => Value::Constant(text.to_owned()),
            // Placeholders are filled when the gateway starts, variables (`{segment}`) from the request.
            Some(text) if text.matches('{').count() == text.matches("${").count() => Value::of_settings(text),
            _ => Value::Unknown,
        }
    }

    /// Sends a request through.
    pub(super) fn apply(&self, run: &mut Run) {
        let header = self.header().filter(|name| !name.contains("${"));
        match (self.name.as_str(), header) {
            (name, _) if HARMLESS.contains(&name) => {}
            ("RemoveRequestHeader", Some(name)) => run.remove(&name, self.place, Cause::Removed),
            ("SetRequestHeader", Some(name)) => run.set(&name, vec![self.value()], self.place, Cause::Set),
            ("AddRequestHeader", Some(name)) => {
                let mut values = run.values(&name);
                values.push(self.value());
                run.set(&name, values, self.place, Cause::Appended);
            }
            ("AddRequestHeadersIfNotPresent", _) => {
                for name in self.arguments.iter().filter_map(|(_, pair)| pair.split(':').next()) {
                    self.add_if_missing(&name.trim().to_ascii_lowercase(), run);
                }
            }
            ("MapRequestHeader", _) => {
                let from = self.argument("fromheader", 0).map(str::to_ascii_lowercase);
                let to = self.argument("toheader", 1).map(str::to_ascii_lowercase);
                if [&from, &to].into_iter().flatten().any(|name| name.contains("${")) {
                    run.anything();
                } else if let (Some(from), Some(to)) = (from, to) {
                    let mut values = run.values(&to);
                    values.extend(run.values(&from).into_iter().map(|value| match value {
                        Value::Client => Value::ClientHeader(from.clone()),
                        other => other,
                    }));
                    run.set(&to, values, self.place, Cause::Copied);
                }
            }
            // Of a browser's session, if there is one; else what the client sent.
            ("TokenRelay", _) => run.request.set("authorization", vec![Value::Unknown], None),
            _ => {
                let proof = Some(run.slot("dpop")).filter(|slot| slot.values.is_empty());
                run.anything();
                // A proof that was taken away nobody can make again.
                run.request.headers.extend(proof.map(|slot| ("dpop".to_owned(), slot)));
            }
        }
    }

    fn add_if_missing(&self, name: &str, run: &mut Run) {
        let before = run.slot(name);
        match before.values.as_slice() {
            [] => run.set(name, vec![Value::Unknown], self.place, Cause::Set),
            [Value::Client] if !matches!(name, "authorization" | "dpop") => {
                let event = Some(Event::new(self.place, Cause::ClientWins));
                run.request.headers.insert(name.to_owned(), Slot { event, ..before });
            }
            _ => {}
        }
    }
}
