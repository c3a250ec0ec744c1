//! nginx's variables in the settings of gateways that are built on it: what a value made of them holds, and what a log
//! format made of them writes.

use super::hop::{Credential, Form, Logged, Place, Value};
use super::nginx::certificate;

/// What a text holds for a request.
pub(super) fn value(text: &str) -> Value {
    let Some(variable) = text.strip_prefix('$') else {
        return match text {
            "" => Value::Empty,
            text if text.contains('$') => Value::Unknown,
            text => Value::Constant(text.to_owned()),
        };
    };
    let variable = variable.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(variable);
    if let Some(form) = certificate(variable) {
        return Value::Certificate(form);
    }
    match variable.strip_prefix("http_") {
        _ if variable == "ssl_client_verify" => Value::Verification,
        Some(header) if variable.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') => {
            Value::ClientHeader(header.replace('_', "-").to_ascii_lowercase())
        }
        _ => Value::Unknown,
    }
}

/// What a format writes. `place` is that of the format.
pub(super) fn logged(format: &str, place: Place, active: Option<Place>) -> Vec<Logged> {
    let mut found: Vec<Logged> = Vec::new();
    for rest in format.split('$').skip(1) {
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let what = match &rest[..end] {
            "http_authorization" => Credential::Authorization,
            "http_dpop" => Credential::Dpop,
            "request" | "request_uri" | "args" | "query_string" | "upstream_uri" => Credential::Query,
            name if matches!(certificate(name), Some(Form::PemEscaped | Form::PemLines)) => Credential::Certificate,
            _ => continue,
        };
        if !found.iter().any(|known| known.what == what) {
            found.push(Logged { what, place, active });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_hold_certificates_and_headers() {
        assert_eq!(value("$ssl_client_escaped_cert"), Value::Certificate(Form::PemEscaped));
        assert_eq!(value("${ssl_client_fingerprint}"), Value::Certificate(Form::Sha1));
        assert_eq!(value("$http_x_ssl_cert"), Value::ClientHeader("x-ssl-cert".to_owned()));
        assert_eq!(value("a $b"), Value::Unknown);
        assert_eq!(value("$remote_addr"), Value::Unknown);
        assert_eq!(value("gateway"), Value::Constant("gateway".to_owned()));
    }

    #[test]
    fn formats_write_what_their_variables_hold() {
        let what = |format| logged(format, Place::default(), None).into_iter().map(|log| log.what).collect::<Vec<_>>();
        assert_eq!(
            what("$remote_addr ${http_authorization} $http_dpop"),
            [Credential::Authorization, Credential::Dpop]
        );
        assert_eq!(what("$http_authorization_scheme $time_local"), []);
        assert_eq!(what("\"$request\" $ssl_client_escaped_cert"), [Credential::Query, Credential::Certificate]);
    }
}
