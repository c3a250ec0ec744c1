//! Access logs: what of a request stands in them.

use super::format::{Piece, header_names, pieces};
use super::set::typed;
use crate::gateway::hop::{Credential, Form, Logged, Place, Request, Value};
use crate::gateway::tree::At;
use crate::syntax::yaml::Kind;

/// So many characters of a token are no token.
const HARMLESS: usize = 24;

/// What the logs of this list hold of requests that end up as `request`. `asks`: a client certificate may be shown;
/// `whole`: `X-Forwarded-Client-Cert` holds all of it.
pub(super) fn logged<'a>(
    list: impl Iterator<Item = At<'a>>,
    request: &Request,
    asks: bool,
    whole: bool,
) -> Vec<Logged> {
    let mut found = Vec::new();
    for log in list {
        let Some(config) = typed(log).config else { continue };
        let active = Some(log.place());
        let has_format = ["log_format", "format", "json_format", "typed_json_format", "body", "attributes"]
            .iter()
            .any(|key| config.get(key).is_some_and(|at| !at.is_empty()));
        let writes = typed(log).message.ends_with("AccessLog") && !typed(log).message.contains("Grpc");
        if !has_format && writes {
            // The default format has the path with its query.
            found.push(Logged { what: Credential::Query, place: log.place(), active });
        }
        let mut tell = |what, place| {
            if !found.iter().any(|known: &Logged| known.what == what && known.place == place) {
                found.push(Logged { what, place, active });
            }
        };
        let of_header = |name: &str| -> Option<Credential> {
            let values = request.slot(name).values;
            let there = values.iter().any(|value| !matches!(value, Value::Empty));
            let pem = |value: &Value| match value {
                Value::Certificate(Form::Xfcc) => whole,
                Value::Certificate(form) => form.shows_binding() && *form != Form::Sha256,
                _ => false,
            };
            match name {
                _ if !there => None,
                "authorization" => Some(Credential::Authorization),
                "dpop" => Some(Credential::Dpop),
                _ => values.iter().any(pem).then_some(Credential::Certificate),
            }
        };
        for name in config.list("additional_request_headers_to_log") {
            if let Some(what) = name.text().and_then(|text| of_header(&text.to_ascii_lowercase())) {
                tell(what, name.place());
            }
        }
        scalars(config, &mut |at, format| {
            for piece in pieces(format) {
                let Piece::Command { name, arguments, limit } = piece else { continue };
                if limit.is_some_and(|limit| limit <= HARMLESS) {
                    continue;
                }
                if name == "DOWNSTREAM_PEER_CERT" && asks {
                    tell(Credential::Certificate, at);
                }
                if name == "PATH" && !arguments.contains("NQ") {
                    tell(Credential::Query, at);
                }
                for header in header_names(name, arguments) {
                    let what = match header.as_str() {
                        ":path" | "x-envoy-original-path" if name != "REQ_WITHOUT_QUERY" => Some(Credential::Query),
                        header => of_header(header),
                    };
                    if let Some(what) = what {
                        tell(what, at);
                        break; // the first that is there is written
                    }
                }
            }
        });
    }
    found
}

/// All texts below that may be formats.
fn scalars<'a>(at: At<'a>, look: &mut dyn FnMut(Place, &'a str)) {
    // No deeper than the tree.
    match &at.node.kind {
        Kind::Scalar { text, .. } if text.contains('%') => look(at.place(), text),
        Kind::Sequence(_) => at.items().for_each(|item| scalars(item, look)),
        Kind::Mapping(_) => at.entries().for_each(|(_, value)| scalars(value, look)),
        Kind::Scalar { .. } | Kind::Hole => {}
    }
}
