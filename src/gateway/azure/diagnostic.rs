//! Diagnostics of API Management: which headers of requests they log ("API Management diagnostic settings").

use super::super::Configuration;
use super::super::cloud;
use super::super::hop::{ClientAuth, Credential, Listener, Logged};
use super::super::run::{Handshake, Run};
use crate::config::estate::{Estate, Field, Resource, Value};

const DIAGNOSTICS: &[&str] = &["azurerm_api_management_diagnostic", "azurerm_api_management_api_diagnostic"];

/// What is logged of the requests of an estate.
pub(super) fn configuration(estate: &Estate<'_>) -> Configuration {
    let mut into = Configuration::default();
    for resource in estate.resources(DIAGNOSTICS) {
        let logs = logs(resource);
        if logs.is_empty() || into.hops.len() >= cloud::MOST {
            continue;
        }
        let mut listener = Listener::new("API Management".to_owned(), vec![443], true);
        listener.auth = ClientAuth::Unknown;
        let label = resource.label(&["api_name", "identifier"]);
        let route = cloud::route(format!("diagnostic {label}"));
        let upstream = cloud::behind(&resource, format!("what is behind {label}"));
        // What becomes of the requests stands elsewhere.
        let handshake = Handshake { auth: ClientAuth::Unknown, required: false };
        let mut hop = cloud::hop(&listener, route, upstream, cloud::arrivals(handshake, |_, run| Run::anything(run)));
        hop.logs = logs;
        into.hops.push(hop);
    }
    into
}

fn logs(diagnostic: Resource<'_>) -> Vec<Logged> {
    let mut logs = Vec::new();
    for side in ["frontend_request", "backend_request"] {
        for request in diagnostic.body.blocks(side).all {
            let Value::Tree(names) = request.get("headers_to_log") else { continue };
            for name in names.items() {
                let Value::Text(header) = name.value() else { continue };
                let what = match header.to_ascii_lowercase().as_str() {
                    "authorization" => Credential::Authorization,
                    "dpop" => Credential::Dpop,
                    _ => continue,
                };
                if !hides(request, &header) {
                    logs.push(Logged { what, place: name.place(), active: None });
                }
            }
        }
    }
    logs
}

/// Whether a header is masked or left out of what is logged, or may be.
fn hides(request: Field<'_>, header: &str) -> bool {
    let masking = request.blocks("data_masking");
    let hidden = |block: &Field<'_>| {
        let headers = block.blocks("headers");
        let meant = |one: &Field<'_>| one.text("value").is_none_or(|value| value.eq_ignore_ascii_case(header));
        headers.unsure || headers.all.iter().any(meant)
    };
    masking.unsure || masking.all.iter().any(hidden)
}
