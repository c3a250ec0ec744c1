//! What API Gateway changes of a request on its way to an integration: parameter mappings as HTTP APIs write them
//! (`overwrite:header.X`) and as REST APIs do (`integration.request.header.X`).

use super::super::hop::{Carrier, Cause, Event, Form, Others, Part, Place, Rewrite, Value as Held};
use super::super::run::Run;
use crate::config::estate::{Field, Value};

/// What is done to a part of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Append,
    Overwrite,
    Remove,
}

/// A mapping of a header.
#[derive(Debug)]
struct Header {
    name: String,
    act: Act,
    value: Held,
    /// Taken from the client's own request.
    copied: bool,
    place: Place,
}

/// What an integration changes.
#[derive(Debug, Default)]
pub(super) struct Mapping {
    headers: Vec<Header>,
    /// Where it is said that only what is mapped is handed on.
    pub(super) only: Option<Place>,
    /// Whether tokens and proofs that are not handed on are worth a word.
    pub(super) told: bool,
    pub(super) rewrites: Vec<Rewrite>,
    /// What it does can't be known.
    pub(super) unknown: bool,
    /// Something tells the host that the client asked for.
    pub(super) tells_host: bool,
}

impl Mapping {
    /// Reads the parameters of an integration.
    pub(super) fn read(integration: Field<'_>) -> Self {
        let mut mapping = Self::default();
        let parameters = match integration.get("request_parameters") {
            Value::Absent => return mapping,
            Value::Tree(parameters) => parameters,
            _ => {
                mapping.unknown = true;
                return mapping;
            }
        };
        for (key, field) in parameters.entries() {
            let place = field.place();
            let lower = key.to_ascii_lowercase();
            let (act, rest) = match lower.split_once(':') {
                Some(("append", rest)) => (Act::Append, rest),
                Some(("overwrite", rest)) => (Act::Overwrite, rest),
                Some(("remove", rest)) => (Act::Remove, rest),
                Some(_) => continue,
                None => (Act::Overwrite, lower.strip_prefix("integration.request.").unwrap_or(&lower)),
            };
            // Its own path in the place of the path takes off the stage alone.
            let kept =
                || matches!(field.value(), Value::Text(text) if text.trim_matches(['$', '{', '}']) == "request.path");
            if rest == "path" && !kept() {
                mapping.rewrites.push(Rewrite { part: Part::Path, place, told: false });
            }
            let Some(name) = rest.strip_prefix("header.") else { continue };
            let (value, copied) = match field.value() {
                _ if act == Act::Remove => (Held::Empty, false),
                Value::Text(text) => held(&text),
                _ => (Held::Unknown, false),
            };
            mapping.tells_host |= matches!(name, "x-forwarded-host" | "forwarded") || name == "host" && copied;
            mapping.headers.push(Header { name: name.to_owned(), act, value, copied, place });
        }
        mapping
    }

    /// What becomes of a request.
    pub(super) fn apply(&self, run: &mut Run) {
        if self.unknown {
            run.anything();
            return;
        }
        if let Some(place) = self.only {
            run.request.others = Others::Dropped(Event::new(place, Cause::AllDropped));
            for name in ["dpop", "authorization"].into_iter().filter(|_| !self.told) {
                run.request.set(name, Vec::new(), None);
            }
        }
        for header in &self.headers {
            let value = match &header.value {
                // What stands for a certificate that is not there is not documented.
                Held::Certificate(_) if !run.presented => Held::Unknown,
                Held::ClientHeader(name) if *name == header.name => Held::Client,
                value => value.clone(),
            };
            match header.act {
                Act::Remove => run.remove(&header.name, header.place, Cause::Removed),
                Act::Overwrite => {
                    let cause = if header.copied { Cause::Copied } else { Cause::Set };
                    run.set(&header.name, vec![value], header.place, cause);
                }
                Act::Append => {
                    let mut values = run.values(&header.name);
                    values.push(value);
                    run.set(&header.name, values, header.place, Cause::Appended);
                }
            }
        }
    }

    /// The mappings that are to carry the certificate.
    pub(super) fn carriers(&self) -> Vec<Carrier> {
        let carrier = |header: &Header| match header.value {
            Held::Certificate(form) => Some(Carrier { header: header.name.clone(), form, place: header.place }),
            _ => None,
        };
        self.headers.iter().filter_map(carrier).collect()
    }
}

/// What a mapping's value stands for, and whether it is the client's own.
fn held(text: &str) -> (Held, bool) {
    let bare = text.trim().trim_start_matches('$').trim_start_matches('{').trim_end_matches('}');
    let lower = bare.to_ascii_lowercase();
    if let Some(part) = lower.strip_prefix("context.identity.clientcert.") {
        return (
            match part {
                // How its line breaks are sent is not documented.
                "clientcertpem" => Held::Certificate(Form::PemOneLine),
                "subjectdn" => Held::Certificate(Form::Dn),
                "serialnumber" => Held::Certificate(Form::Serial),
                _ => Held::Other,
            },
            false,
        );
    }
    for own in ["request.header.", "method.request.header.", "method.request.multivalueheader."] {
        if let Some(name) = lower.strip_prefix(own) {
            return (Held::ClientHeader(name.to_owned()), true);
        }
    }
    let constant = bare.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    match constant {
        Some(constant) => (Held::Constant(constant.to_owned()), false),
        // An authorizer may hand on anything.
        None if lower.starts_with("context.authorizer") => (Held::Unknown, false),
        None if lower.starts_with("context.") => (Held::Other, false),
        None if text.starts_with('$') || lower.contains("request.") => (Held::Unknown, false),
        None if lower.starts_with("stagevariables.") => (Held::Unknown, false),
        None => (Held::Constant(text.to_owned()), false),
    }
}
