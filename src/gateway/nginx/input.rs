//! What the directives of headers-more make of the client's own headers (`more_set_input_headers`,
//! `more_clear_input_headers`). They act at the end of the rewrite phase, those of outer levels first, before anything is
//! set for the upstream.

use std::collections::BTreeSet;

use super::run::{Passed, Run};
use super::tree::Node;
use super::value::{self, Pieces};
use crate::gateway::hop::{Cause, Event, Others, Request, Value};
use crate::syntax::directives::UNKNOWN;

/// What becomes of one header.
struct Change {
    /// Lower case.
    name: String,
    /// What it holds then; nothing: it is gone. `None` where that hangs on the request.
    value: Option<Pieces>,
}

/// Applies them to a request for which everything else is settled.
pub(super) fn apply(run: &mut Run<'_, '_>, passed: &Passed<'_>, request: &mut Request) {
    for node in passed.chain.iter().flat_map(|level| level.nodes) {
        let clears = match node.name.as_str() {
            "more_clear_input_headers" => true,
            "more_set_input_headers" => false,
            _ => continue,
        };
        let Some(changes) = changes(run, node, clears, request) else {
            request.others = Others::Unknown;
            continue;
        };
        for change in changes {
            let value = change.value.map(|pieces| value::seen(&pieces, &change.name));
            let cause = match &value {
                Some(None | Some(Value::Empty)) => Cause::Removed,
                Some(Some(Value::Client | Value::ClientHeader(_))) => Cause::Copied,
                _ => Cause::Set,
            };
            let event = || Event::new(node.place, cause);
            let now = |value: Option<Option<Value>>| -> Vec<Value> {
                value.map_or(vec![Value::Unknown], |value| value.into_iter().collect())
            };
            // What is set for the upstream from the header, under another name.
            let own = Value::ClientHeader(change.name.clone());
            for slot in request.headers.values_mut().filter(|slot| slot.values.contains(&own)) {
                slot.values.retain(|value| *value != own);
                slot.values.extend(now(value.clone()));
                slot.event = Some(event());
            }
            let passes = request.others == Others::Passed && change.name != "host";
            let copied = request.headers.get(&change.name).map(|slot| slot.values == [Value::Client]);
            if copied.unwrap_or(passes) {
                request.set(&change.name, now(value), Some(event()));
            }
        }
        // Of the others that begin so nothing is left, but the model has no word for that.
        if clears && node.arguments.iter().any(|name| name.text.ends_with('*')) && request.others == Others::Passed {
            request.others = Others::Unknown;
        }
    }
}

/// What a directive changes; nothing known where a name is made up.
fn changes(run: &mut Run<'_, '_>, node: &Node, clears: bool, request: &Request) -> Option<Vec<Change>> {
    let mut found = Vec::new();
    let mut certain = true;
    let mut arguments = node.arguments.iter().map(|argument| argument.text.as_str());
    while let Some(argument) = arguments.next() {
        match argument {
            "-t" | "-s" => {
                certain = false;
                _ = arguments.next();
                continue;
            }
            "-r" => {
                certain = false;
                continue;
            }
            _ => {}
        }
        let (name, text) = argument.split_once(':').unwrap_or((argument, ""));
        let name = name.trim().to_ascii_lowercase();
        if name.contains(['$', UNKNOWN]) {
            return None;
        }
        let pieces = if clears { Vec::new() } else { run.value(text.trim()) };
        let Some(start) = name.strip_suffix('*').filter(|_| clears) else {
            found.push(Change { name, value: certain.then_some(pieces) });
            continue;
        };
        let known = ["authorization", "dpop"].into_iter().chain(request.headers.keys().map(String::as_str));
        let meant: BTreeSet<String> = known.filter(|name| name.starts_with(start)).map(str::to_owned).collect();
        found.extend(meant.into_iter().map(|name| Change { name, value: certain.then_some(Vec::new()) }));
    }
    Some(found)
}
