//! Values that headers are set to: formats of mod_headers and expressions (httpd 2.4, "mod_headers", "Expressions").

use crate::gateway::hop::{Form, Value};

/// A part of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Text.
    Text(String),
    /// `%{NAME}s`: asked of mod_ssl.
    Ssl(String),
    /// `%{NAME}e`: of the environment.
    Environment(String),
    /// `%{NAME}` in an expression, with the functions around it, the innermost first.
    Variable(String, Vec<String>),
    /// `%t`, `%D`: of the request.
    Other,
}

/// What a variable is for a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Datum {
    /// It is not there.
    Null,
    Text(String),
    /// How the verification went, and what it then says.
    Verification(&'static str),
    Certificate(Form),
    /// What the client sent under that name.
    Header(String),
    Other,
    Unknown,
}

/// Reads a value: a format, or an expression if it begins with `expr=`.
pub(super) fn parse(text: &str) -> Vec<Part> {
    match text.strip_prefix("expr=") {
        Some(expression) => expression_parts(expression, 0),
        None => format_parts(text),
    }
}

fn text_part(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
}

fn format_parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        text_part(&mut parts, before);
        rest = after;
        if let Some(after) = rest.strip_prefix('%') {
            text_part(&mut parts, "%");
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            let kind = after.chars().next();
            rest = kind.map_or(after, |kind| &after[kind.len_utf8()..]);
            parts.push(match kind {
                Some('s') => Part::Ssl(name.to_owned()),
                Some('e') => Part::Environment(name.to_owned()),
                _ => Part::Other,
            });
        } else {
            let kind = rest.chars().next();
            rest = kind.map_or(rest, |kind| &rest[kind.len_utf8()..]);
            parts.push(Part::Other);
        }
    }
    text_part(&mut parts, rest);
    parts
}

/// The parts of an expression that gives a string.
pub(super) fn expression_parts(text: &str, depth: usize) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("%{") {
        text_part(&mut parts, before);
        let end = closing(after);
        let inner = &after[..end];
        rest = after.get(end + 1..).unwrap_or_default();
        parts.push(match inner.split_once(':') {
            Some((function, argument)) if argument.contains("%{") && depth < 8 => {
                match expression_parts(argument, depth + 1).as_slice() {
                    [Part::Variable(name, functions)] => {
                        let functions = functions.iter().cloned().chain([function.to_ascii_lowercase()]).collect();
                        Part::Variable(name.clone(), functions)
                    }
                    _ => Part::Variable("?".to_owned(), Vec::new()),
                }
            }
            _ => Part::Variable(inner.to_owned(), Vec::new()),
        });
    }
    text_part(&mut parts, rest);
    parts
}

/// Where the brace closes.
fn closing(text: &str) -> usize {
    let mut depth = 0usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return at,
            '}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

impl Datum {
    /// After functions of an expression.
    pub(super) fn through(mut self, functions: &[String]) -> Self {
        for function in functions {
            self = match (self, function.as_str()) {
                (Self::Null, _) => return Self::Null,
                (Self::Certificate(Form::PemLines), "escape") => Self::Certificate(Form::PemEscaped),
                (Self::Certificate(Form::PemLines | Form::PemOneLine), "base64") => Self::Certificate(Form::PemBase64),
                (Self::Certificate(form), _) if !form.shows_binding() => Self::Certificate(form),
                (Self::Verification(text), "tolower" | "toupper") => Self::Verification(text),
                (Self::Other | Self::Text(_) | Self::Verification(_), _) => Self::Other,
                _ => Self::Unknown,
            };
        }
        self
    }
}

/// What the header is, given what each part gives. What is not there is `(null)` in formats, and nothing in
/// expressions.
pub(super) fn header(parts: &[Part], give: &mut dyn FnMut(&Part) -> Datum) -> Value {
    let mut text = String::new();
    let mut values = Vec::new();
    for part in parts {
        let datum = match part {
            Part::Text(piece) => {
                text.push_str(piece);
                continue;
            }
            Part::Other => Datum::Other,
            part => give(part),
        };
        match (datum, part) {
            (Datum::Null, Part::Variable(..)) => {}
            (Datum::Null, _) => text.push_str("(null)"),
            (Datum::Text(piece), _) => text.push_str(&piece),
            (Datum::Verification(_), _) => values.push(Value::Verification),
            (Datum::Certificate(form), _) => values.push(Value::Certificate(form)),
            (Datum::Header(name), _) => values.push(Value::ClientHeader(name)),
            (Datum::Other, _) => values.push(Value::Other),
            (Datum::Unknown, _) => values.push(Value::Unknown),
        }
    }
    if values.contains(&Value::Unknown) {
        return Value::Unknown;
    }
    let mut forms: Vec<Form> = values
        .iter()
        .filter_map(|value| match value {
            Value::Certificate(form) => Some(*form),
            _ => None,
        })
        .collect();
    forms.sort_by_key(|form| !form.shows_binding());
    match (values.as_slice(), forms.first()) {
        ([], _) if text.trim().is_empty() => Value::Empty,
        ([], _) => Value::Constant(text.trim().to_owned()),
        ([Value::Certificate(Form::PemBase64)], _) if text == "::" => Value::Certificate(Form::PemBase64),
        ([value], _) if text.trim().is_empty() => value.clone(),
        (_, Some(form)) => Value::Certificate(*form),
        _ => Value::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Value {
        header(&parse(text), &mut |part| match part {
            Part::Ssl(name) if name == "SSL_CLIENT_CERT" => Datum::Certificate(Form::PemOneLine),
            Part::Variable(name, functions) if name == "SSL_CLIENT_CERT" => {
                Datum::Certificate(Form::PemLines).through(functions)
            }
            _ => Datum::Null,
        })
    }

    #[test]
    fn values_of_headers() {
        assert_eq!(of("%{SSL_CLIENT_CERT}s"), Value::Certificate(Form::PemOneLine));
        assert_eq!(of("%{SSL_CLIENT_CERT}e"), Value::Constant("(null)".to_owned()));
        assert_eq!(of("expr=%{escape:%{SSL_CLIENT_CERT}}"), Value::Certificate(Form::PemEscaped));
        assert_eq!(of("expr=%{base64:%{SSL_CLIENT_CERT}}"), Value::Certificate(Form::PemBase64));
        assert_eq!(of("expr=%{SSL_CLIENT_VERIFY}"), Value::Empty);
        assert_eq!(of("100%% t=%t"), Value::Other);
        assert_eq!(of("on"), Value::Constant("on".to_owned()));
    }
}
