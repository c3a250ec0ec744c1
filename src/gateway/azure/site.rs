//! App Service and Functions: the front end asks for the certificate, verifies nothing and hands it on in `X-ARR-ClientCert`
//! ("Configure TLS mutual authentication for Azure App Service").

use super::super::cloud;
use super::super::hop::{
    Cause, Client, ClientAuth, Event, Form, Listener, PathMatch, Protocol, Route, Upstream, Value as Held,
};
use super::super::run::Handshake;
use super::super::{Configuration, Hole};
use crate::config::estate::{Estate, Resource, Value};
use crate::config::tree::Switch;

/// The header.
const HEADER: &str = "x-arr-clientcert";

/// The kinds of sites, with their switch, and the mode that holds where none is written.
const SITES: &[(&str, &str, &str)] = &[
    ("azurerm_linux_web_app", "client_certificate_enabled", "Required"),
    ("azurerm_windows_web_app", "client_certificate_enabled", "Required"),
    ("azurerm_linux_web_app_slot", "client_certificate_enabled", "Required"),
    ("azurerm_windows_web_app_slot", "client_certificate_enabled", "Required"),
    ("azurerm_linux_function_app", "client_certificate_enabled", "Optional"),
    ("azurerm_windows_function_app", "client_certificate_enabled", "Optional"),
    ("azurerm_app_service", "client_cert_enabled", "Required"),
    ("Microsoft.Web/sites", "client_cert_enabled", "Required"),
];

/// The sites of an estate.
pub(super) fn configuration(estate: &Estate<'_>) -> Configuration {
    let mut into = Configuration { complete: false, ..Configuration::default() };
    for (kind, switch, mode) in SITES {
        for resource in estate.resources(&[kind]) {
            site(resource, switch, mode, &mut into);
        }
    }
    into
}

fn site(resource: Resource<'_>, switch: &str, mode: &str, into: &mut Configuration) {
    let body = resource.body;
    match body.switch(switch, false) {
        Switch::Off => return,
        Switch::Unknown => {
            let reason = "whether the app asks for client certificates is not known here".to_owned();
            into.holes.push(Hole { place: body.place_of(switch), reason });
            return;
        }
        Switch::On => {}
    }
    let written = ["client_certificate_mode", "client_cert_mode"].into_iter().find(|key| body.at(key).is_some());
    let mode = match written.map_or(Value::Absent, |key| body.get(key)) {
        Value::Absent => mode.to_owned(),
        Value::Text(mode) => mode,
        _ => "Optional".to_owned(),
    };
    let required = mode == "Required";
    let name = resource.label(&["name"]);
    let mut listener = Listener::new(format!("the app {name}"), vec![443], true);
    listener.auth = ClientAuth::Unverified;
    listener.asks_at = Some(body.place_of(switch));
    let upstream = Upstream {
        label: format!("the code of {name}"),
        names: vec![resource.address(), format!("{}.azurewebsites.net:443", name.to_ascii_lowercase())],
        protocol: Protocol::Http,
        place: resource.place,
    };
    let handshake = Handshake { auth: ClientAuth::Unverified, required };
    let place = body.place_of(switch);
    let arrivals = cloud::arrivals(handshake, |_, run| {
        if run.presented {
            run.set(HEADER, vec![Held::Certificate(Form::DerBase64)], place, Cause::Mode);
        } else {
            // Whether a client's own is taken away is not documented.
            run.request.set(HEADER, vec![Held::Unknown], None);
        }
    });
    into.hops.push(cloud::hop(&listener, cloud::route("HTTPS".to_owned()), upstream.clone(), arrivals));
    // Paths that begin so are taken without.
    let excluded = ["client_certificate_exclusion_paths", "client_cert_exclusion_paths"];
    if let Some(key) = excluded.into_iter().find(|key| required && body.at(key).is_some()) {
        let list = body.text(key).unwrap_or_default();
        let paths = list.split([';', ',']).map(str::trim).filter(|path| !path.is_empty());
        let open = paths.map(|path| PathMatch::Prefix(path.to_owned())).find(|path| !path.is_probe());
        if let Some(path) = open {
            let route = Route { label: "paths without certificate".to_owned(), path, when: Vec::new() };
            let arrivals = cloud::arrivals(Handshake { auth: ClientAuth::Unverified, required: false }, |_, run| {
                run.request.set(HEADER, vec![Held::Unknown], None);
            });
            let mut hop = cloud::hop(&listener, route, upstream.clone(), arrivals);
            hop.bypass = Some(Event::new(body.place_of(key), Cause::Conditional));
            into.hops.push(hop);
        }
    }
    // Over plain HTTP nobody is asked.
    if required && body.switch("https_only", false) == Switch::Off {
        let arrivals = cloud::arrivals(Handshake::OFF, |client, run| {
            let value = if client == Client::Verified { Held::Other } else { Held::Unknown };
            run.request.set(HEADER, vec![value], None);
        });
        let route = Route { label: "plain HTTP".to_owned(), path: PathMatch::Any, when: Vec::new() };
        let mut hop = cloud::hop(&listener, route, upstream, arrivals);
        hop.bypass = Some(Event::new(
            body.place_of(if body.at("https_only").is_some() { "https_only" } else { switch }),
            Cause::NotApplied,
        ));
        into.hops.push(hop);
    }
}
