//! Values: texts with variables, taken apart into pieces as far as they are known.

use crate::gateway::hop::{Form, Value};
use crate::syntax::directives::UNKNOWN;

/// A piece of a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Piece {
    Text(String),
    /// How the certificate was verified, in nginx's words.
    Verification(String),
    Certificate(Form),
    /// What the client sent in this header, lower case.
    Header(String),
    /// The better part of what the client sent in this header: a token without its scheme.
    Cut(String),
    /// The request's query, or something with it.
    Query,
    /// Something else of the request or the gateway.
    Made,
    Unknown,
}

/// A value; no pieces: empty.
pub(super) type Pieces = Vec<Piece>;

/// A part of a text as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part<'t> {
    Text(&'t str),
    /// A variable's name, without `$` and braces.
    Variable(&'t str),
}

/// The parts of a text, with the offset of each.
pub(super) fn parts(text: &str) -> Vec<(usize, Part<'_>)> {
    let bytes = text.as_bytes();
    let mut parts = Vec::new();
    let (mut from, mut at) = (0, 0);
    while at < bytes.len() {
        if bytes[at] != b'$' {
            at += 1;
            continue;
        }
        let braces = bytes.get(at + 1) == Some(&b'{');
        let start = at + 1 + usize::from(braces);
        let name =
            bytes[start.min(bytes.len())..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
        let end = start + name + usize::from(braces && bytes.get(start + name) == Some(&b'}'));
        if name == 0 {
            at += 1;
            continue;
        }
        if from < at {
            parts.push((from, Part::Text(&text[from..at])));
        }
        parts.push((at, Part::Variable(&text[start..start + name])));
        (from, at) = (end, end);
    }
    if from < text.len() {
        parts.push((from, Part::Text(&text[from..])));
    }
    parts
}

/// The text of a value, if all of it is known.
pub(super) fn known(pieces: &[Piece]) -> Option<String> {
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) | Piece::Verification(text) => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

/// Whether a value certainly holds something.
pub(super) fn never_empty(pieces: &[Piece]) -> bool {
    pieces.iter().any(|piece| match piece {
        Piece::Text(text) | Piece::Verification(text) => !text.is_empty(),
        Piece::Certificate(_) => true,
        _ => false,
    })
}

/// Text, without what a template engine is to put in.
pub(super) fn text(text: &str) -> Option<Piece> {
    match text {
        "" => None,
        text if text.contains(UNKNOWN) => Some(Piece::Unknown),
        text => Some(Piece::Text(text.to_owned())),
    }
}

/// A value as the upstream sees it under `header` (lower case); `None` where it is empty.
pub(super) fn seen(pieces: &[Piece], header: &str) -> Option<Value> {
    if let Some(form) = pieces.iter().find_map(|piece| match piece {
        Piece::Certificate(form) => Some(*form),
        _ => None,
    }) {
        return Some(Value::Certificate(form));
    }
    if pieces.contains(&Piece::Unknown) {
        return Some(Value::Unknown);
    }
    if pieces.iter().any(|piece| matches!(piece, Piece::Verification(_))) {
        return Some(Value::Verification);
    }
    match pieces {
        [] => None,
        [Piece::Header(name)] if name == header => Some(Value::Client),
        [Piece::Header(name)] => Some(Value::ClientHeader(name.clone())),
        pieces => Some(match known(pieces) {
            Some(text) if text.is_empty() => return None,
            Some(text) => Value::Constant(text),
            None => Value::Other,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_told_from_text() {
        use Part::{Text, Variable};
        let all = |text| parts(text).into_iter().map(|(_, part)| part).collect::<Vec<_>>();
        assert_eq!(all(":$a:${b}c$"), [Text(":"), Variable("a"), Text(":"), Variable("b"), Text("c$")]);
        assert_eq!(all("$a-$1"), [Variable("a"), Text("-"), Variable("1")]);
        assert_eq!(all(""), []);
    }
}
