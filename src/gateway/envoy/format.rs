//! Envoy's substitution format (`%REQ(x)%`, `%DOWNSTREAM_PEER_CERT%`): what a header added with it holds, and what a log
//! written with it.

use crate::gateway::hop::{Form, Value};

/// A part of a format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Text as it stands.
    Text(&'a str),
    /// `%NAME(arguments):limit%`.
    Command { name: &'a str, arguments: &'a str, limit: Option<usize> },
}

/// The parts of a format. What is no command is text.
pub(super) fn pieces(format: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        if at > 0 {
            pieces.push(Piece::Text(&rest[..at]));
        }
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            pieces.push(Piece::Text("%"));
            rest = after;
        } else if let Some((command, after)) = command(rest) {
            pieces.push(command);
            rest = after;
        } else {
            pieces.push(Piece::Text("%"));
        }
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// Reads `NAME(arguments):limit%`.
fn command(text: &str) -> Option<(Piece<'_>, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))?;
    let (name, mut rest) = text.split_at(end);
    if name.is_empty() {
        return None;
    }
    let mut arguments = "";
    if let Some(inner) = rest.strip_prefix('(') {
        let close = inner.match_indices(')').map(|(at, _)| at).find(|at| {
            let after = &inner[at + 1..];
            after.starts_with('%') || after.starts_with(':')
        })?;
        arguments = &inner[..close];
        rest = &inner[close + 1..];
    }
    let mut limit = None;
    if let Some(number) = rest.strip_prefix(':') {
        let end = number.find('%')?;
        limit = Some(number[..end].parse().ok()?);
        rest = &number[end..];
    }
    Some((Piece::Command { name, arguments, limit }, rest.strip_prefix('%')?))
}

/// The names of headers that `REQ(A?B)` looks at, lower case.
pub(super) fn header_names(name: &str, arguments: &str) -> Vec<String> {
    if !matches!(name, "REQ" | "REQUEST_HEADER" | "REQ_WITHOUT_QUERY") {
        return Vec::new();
    }
    arguments.split('?').map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty()).collect()
}

/// What is known of a part while a request is on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Known {
    Nothing,
    Text(String),
    Value(Value),
}

/// What a format gives: nothing where it comes out empty. `presented` says whether the client has shown a certificate,
/// `slot` what a header holds at that moment.
pub(super) fn value(format: &str, presented: bool, slot: &dyn Fn(&str) -> Vec<Value>) -> Option<Value> {
    let parts: Vec<Known> = pieces(format)
        .into_iter()
        .map(|piece| match piece {
            Piece::Text(text) => Known::Text(text.to_owned()),
            Piece::Command { name, arguments, limit } => known(name, arguments, limit, presented, slot),
        })
        .collect();
    let text = |parts: &[Known]| -> String {
        parts.iter().map(|part| if let Known::Text(text) = part { text.as_str() } else { "" }).collect()
    };
    let values: Vec<&Value> =
        parts.iter().filter_map(|part| if let Known::Value(value) = part { Some(value) } else { None }).collect();
    match values.as_slice() {
        [] => Some(text(&parts)).filter(|text| !text.is_empty()).map(Value::Constant),
        [one] if parts.iter().all(|part| !matches!(part, Known::Text(_))) => Some((*one).clone()),
        // Text around it: the best that is in it counts.
        all => {
            let form = |value: &&&Value| matches!(value, Value::Certificate(form) if form.shows_binding());
            let certificate = all.iter().find(form).or_else(|| all.iter().find(|v| matches!(v, Value::Certificate(_))));
            let others = all.iter().all(|value| matches!(value, Value::Other));
            Some(certificate.map_or(if others { Value::Other } else { Value::Unknown }, |value| (**value).clone()))
        }
    }
}

/// Whether a format takes anything from the client's certificate, and in what form.
pub(super) fn carries(format: &str) -> Option<Form> {
    let forms: Vec<Form> = pieces(format)
        .iter()
        .filter_map(|piece| match piece {
            Piece::Command { name, arguments, .. } => form(name, arguments),
            Piece::Text(_) => None,
        })
        .collect();
    forms.iter().copied().find(|form| form.shows_binding()).or_else(|| forms.first().copied())
}

fn form(name: &str, arguments: &str) -> Option<Form> {
    Some(match name {
        "DOWNSTREAM_PEER_CERT" => Form::PemEscaped,
        "DOWNSTREAM_PEER_FINGERPRINT_256" | "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256" => Form::Sha256,
        "DOWNSTREAM_PEER_FINGERPRINT_1" | "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1" => Form::Sha1,
        "DOWNSTREAM_PEER_SERIAL" | "DOWNSTREAM_PEER_CHAIN_SERIALS" => Form::Serial,
        "DOWNSTREAM_PEER_SUBJECT" | "DOWNSTREAM_PEER_ISSUER" => Form::Dn,
        "CEL" if arguments.contains("sha256_peer_certificate_digest") => Form::Sha256,
        _ => return None,
    })
}

fn known(
    name: &str,
    arguments: &str,
    limit: Option<usize>,
    presented: bool,
    slot: &dyn Fn(&str) -> Vec<Value>,
) -> Known {
    if let Some(form) = form(name, arguments) {
        return match (presented, limit) {
            (false, _) => Known::Nothing,
            (true, None) => Known::Value(Value::Certificate(form)),
            (true, Some(_)) => Known::Value(Value::Unknown),
        };
    }
    match name {
        "REQ" | "REQUEST_HEADER" => {
            let names = header_names(name, arguments);
            for (number, name) in names.iter().enumerate() {
                if name.starts_with(':') || name == "host" {
                    return Known::Value(Value::Other);
                }
                match slot(name).as_slice() {
                    [] => {}
                    // It may not have been sent.
                    [Value::Client | Value::ClientHeader(_)] if number + 1 < names.len() => {
                        return Known::Value(Value::Unknown);
                    }
                    [Value::Client] if limit.is_none() => {
                        return Known::Value(Value::ClientHeader(name.clone()));
                    }
                    [one] if limit.is_none() => return Known::Value(one.clone()),
                    _ => return Known::Value(Value::Unknown),
                }
            }
            Known::Nothing
        }
        // Parts of the certificate that it need not have.
        _ if name.starts_with("DOWNSTREAM_PEER_") && !presented => Known::Nothing,
        "DOWNSTREAM_PEER_CERT_V_START" | "DOWNSTREAM_PEER_CERT_V_END" => Known::Value(Value::Other),
        _ if name.starts_with("DOWNSTREAM_PEER_") => Known::Value(Value::Unknown),
        "DYNAMIC_METADATA"
        | "FILTER_STATE"
        | "UPSTREAM_FILTER_STATE"
        | "PER_REQUEST_STATE"
        | "CEL"
        | "ENVIRONMENT"
        | "METADATA"
        | "FILE_CONTENT"
        | "SECRET" => Known::Value(Value::Unknown),
        _ => Known::Value(Value::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(format: &str, presented: bool) -> Option<Value> {
        value(format, presented, &|name| if name == "x-gone" { Vec::new() } else { vec![Value::Client] })
    }

    #[test]
    fn formats_are_evaluated() {
        assert_eq!(of("%DOWNSTREAM_PEER_CERT%", true), Some(Value::Certificate(Form::PemEscaped)));
        assert_eq!(of("%DOWNSTREAM_PEER_CERT%", false), None);
        assert_eq!(of("h=%DOWNSTREAM_PEER_FINGERPRINT_1%;", false), Some(Value::Constant("h=;".into())));
        assert_eq!(
            of("%DOWNSTREAM_PEER_SUBJECT%;%DOWNSTREAM_PEER_FINGERPRINT_256%", true),
            Some(Value::Certificate(Form::Sha256))
        );
        assert_eq!(of("100%%", true), Some(Value::Constant("100%".into())));
        assert_eq!(of("%REQ(X-A)%", true), Some(Value::ClientHeader("x-a".into())));
        assert_eq!(of("%REQ(X-Gone)%", true), None);
        assert_eq!(of("%REQ(x-gone?x-b)%", true), Some(Value::ClientHeader("x-b".into())));
        assert_eq!(of("%REQ(x-b):10%", true), Some(Value::Unknown));
        assert_eq!(of("%START_TIME(%s)%", true), Some(Value::Other));
        assert_eq!(of("50%", true), Some(Value::Constant("50%".into())));
    }
}
