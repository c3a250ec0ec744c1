//! One request on its way: what becomes of its headers, step by step.

use super::format;
use crate::gateway::hop::{Carrier, Cause, Form, Place, Value};
use crate::gateway::run::Run;
use crate::gateway::tree::{At, Switch};

impl Run {
    /// `request_headers_to_remove` and `request_headers_to_add` of one level: what is removed goes first, what is added is
    /// evaluated on what then is there, and overwriting comes before appending.
    pub(super) fn level(&mut self, level: At<'_>) {
        for name in level.list("request_headers_to_remove") {
            match name.text() {
                Some(text) => self.remove(text, name.place(), Cause::Removed),
                None => self.anything(),
            }
        }
        let additions: Vec<Addition<'_>> = level.list("request_headers_to_add").filter_map(Addition::read).collect();
        let values: Vec<Option<Value>> = additions.iter().map(|addition| self.evaluate(addition)).collect();
        for appends in [false, true] {
            for (addition, value) in additions.iter().zip(&values) {
                if addition.appends() == appends {
                    self.add(addition, value.as_ref());
                }
            }
        }
    }

    /// Mutations in a row, as of the header mutation filter.
    pub(super) fn mutations<'a>(&mut self, mutations: impl Iterator<Item = At<'a>>) {
        for mutation in mutations {
            if let Some(name) = mutation.get("remove") {
                match name.text() {
                    Some(text) => self.remove(text, name.place(), Cause::Removed),
                    None => self.anything(),
                }
            } else if let Some(addition) = mutation.get("append").and_then(Addition::read) {
                let value = self.evaluate(&addition);
                self.add(&addition, value.as_ref());
            } else if !mutation.is_empty() {
                self.anything(); // removed by a pattern
            }
        }
    }

    fn evaluate(&self, addition: &Addition<'_>) -> Option<Value> {
        match addition.value {
            Some(value) => format::value(value, self.presented, &|name| self.values(name)),
            None => Some(Value::Unknown),
        }
    }

    fn add(&mut self, addition: &Addition<'_>, value: Option<&Value>) {
        let name = addition.name.as_str();
        if name.starts_with(':') || name == "host" {
            return;
        }
        let before = self.slot(name);
        let from_client = before.values.iter().any(|value| matches!(value, Value::Client | Value::ClientHeader(_)));
        let value = match (value, addition.keeps_empty) {
            (Some(value), _) => value.clone(),
            (None, Switch::On) => Value::Empty,
            (None, Switch::Unknown) => Value::Unknown,
            (None, Switch::Off) => {
                // Nothing is written: whatever the client sent stays.
                if from_client && addition.form().is_some() {
                    let cause = match addition.action {
                        Action::Append => Cause::Appended,
                        Action::AddIfAbsent => Cause::ClientWins,
                        _ => Cause::Conditional,
                    };
                    self.set(name, before.values, addition.place, cause);
                }
                return;
            }
        };
        // A copied header that was not sent leaves the place to what stood there.
        if matches!(value, Value::ClientHeader(_)) && !before.values.is_empty() {
            self.set(name, vec![Value::Unknown], addition.place, Cause::Copied);
            return;
        }
        let cause = if matches!(value, Value::ClientHeader(_)) { Cause::Copied } else { Cause::Set };
        match addition.action {
            Action::Overwrite => self.set(name, vec![value], addition.place, cause),
            Action::OverwriteIfExists if before.values.is_empty() => {}
            Action::OverwriteIfExists if from_client => {
                self.set(name, vec![Value::Unknown], addition.place, Cause::Conditional);
            }
            Action::OverwriteIfExists => self.set(name, vec![value], addition.place, cause),
            Action::AddIfAbsent if before.values.is_empty() => self.set(name, vec![value], addition.place, cause),
            Action::AddIfAbsent if from_client => {
                self.set(name, vec![Value::Client, value], addition.place, Cause::ClientWins);
            }
            Action::AddIfAbsent => {}
            Action::Append => {
                let cause = if before.values.is_empty() { cause } else { Cause::Appended };
                let values = before.values.into_iter().chain([value]).collect();
                self.set(name, values, addition.place, cause);
            }
            Action::Unknown => self.set(name, vec![Value::Unknown], addition.place, Cause::Set),
        }
    }
}

/// What is done where the header is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Append,
    AddIfAbsent,
    Overwrite,
    OverwriteIfExists,
    Unknown,
}

/// A `HeaderValueOption`.
#[derive(Debug)]
struct Addition<'a> {
    name: String,
    value: Option<&'a str>,
    action: Action,
    keeps_empty: Switch,
    place: Place,
}

impl<'a> Addition<'a> {
    fn read(at: At<'a>) -> Option<Self> {
        let header = at.get("header")?;
        let key = header.get("key")?;
        let value = header.get("value").or_else(|| header.get("raw_value"));
        let action = match at.get("append_action").map(At::text) {
            None => match at.switch("append", true) {
                Switch::On => Action::Append,
                Switch::Off => Action::Overwrite,
                Switch::Unknown => Action::Unknown,
            },
            Some(Some("APPEND_IF_EXISTS_OR_ADD" | "0")) => Action::Append,
            Some(Some("ADD_IF_ABSENT" | "1")) => Action::AddIfAbsent,
            Some(Some("OVERWRITE_IF_EXISTS_OR_ADD" | "2")) => Action::Overwrite,
            Some(Some("OVERWRITE_IF_EXISTS" | "3")) => Action::OverwriteIfExists,
            Some(_) => Action::Unknown,
        };
        Some(Self {
            name: key.text()?.to_ascii_lowercase(),
            value: value.map_or(Some(""), At::text),
            action,
            keeps_empty: at.switch("keep_empty_value", false),
            place: key.place(),
        })
    }

    const fn appends(&self) -> bool {
        matches!(self.action, Action::Append | Action::AddIfAbsent)
    }

    fn form(&self) -> Option<Form> {
        self.value.and_then(format::carries)
    }
}

/// The additions of one level that are to carry the certificate.
pub(super) fn carriers(level: At<'_>) -> Vec<Carrier> {
    level
        .list("request_headers_to_add")
        .chain(
            level
                .path(&["mutations", "request_mutations"])
                .into_iter()
                .flat_map(At::items)
                .filter_map(|m| m.get("append")),
        )
        .filter_map(Addition::read)
        .filter_map(|addition| Some(Carrier { form: addition.form()?, header: addition.name, place: addition.place }))
        .collect()
}
