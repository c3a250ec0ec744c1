//! Envoy as a control plane sets it up: the parts of which Istio, Envoy Gateway and Contour make listeners out of their
//! own objects. What they make is lowered like any other Envoy's, and told in the places of the objects.

use super::routes;
pub(in crate::gateway) use super::routes::XFCC;
use super::set::Set;
use crate::config::graft::{Graft, Piece};
use crate::config::kubernetes::{Objects, service_names};
use crate::gateway::Configuration;
use crate::gateway::hop::{Arrival, ClientAuth, Hop, Others};
use crate::gateway::tree::At;

/// Entries of a mapping.
pub(in crate::gateway) type Entries = Vec<(&'static str, Piece)>;

/// What a listener does about TLS.
#[derive(Debug, Clone, Copy)]
pub(in crate::gateway) enum Transport<'a> {
    /// It does nothing: the connection is plain, or its TLS goes on to the upstream.
    None,
    /// TLS ends here, and no certificate is asked for.
    Ends(At<'a>),
    /// TLS ends here, and this asks for a certificate.
    Asks {
        /// What asks.
        at: At<'a>,
        /// There must be one.
        required: bool,
        /// It must verify.
        verified: bool,
    },
    /// TLS ends here, and this is for a certificate, though it names no authority and nothing asks for one.
    AsksInVain(At<'a>),
    /// That can't be told.
    Unknown(At<'a>),
}

/// Where clients connect.
#[derive(Debug, Clone)]
pub(in crate::gateway) struct Edge<'a> {
    /// What opens it.
    pub(in crate::gateway) from: At<'a>,
    /// How it is called where it has no port.
    pub(in crate::gateway) name: String,
    pub(in crate::gateway) port: Option<String>,
    /// Names that select it.
    pub(in crate::gateway) names: Vec<String>,
    pub(in crate::gateway) transport: Transport<'a>,
}

impl<'a> Edge<'a> {
    /// One of which no more is known than that it is there.
    pub(in crate::gateway) fn somewhere(from: At<'a>, name: &str) -> Self {
        Self { from, name: name.to_owned(), port: None, names: Vec::new(), transport: Transport::None }
    }

    /// A listener with one chain of network filters.
    pub(in crate::gateway) fn listener(&self, graft: &Graft, filters: Vec<Piece>) -> Piece {
        let from = self.from;
        let text = |text: &str| graft.text(from, text);
        let mut chain: Entries = vec![("filters", graft.list(from, filters))];
        if !self.names.is_empty() {
            let names = self.names.iter().map(|name| text(name)).collect();
            chain.push(("filter_chain_match", graft.mapping(from, vec![("server_names", graft.list(from, names))])));
        }
        chain.extend(self.transport(graft).map(|socket| ("transport_socket", socket)));
        let mut listener: Entries =
            vec![("name", text(&self.name)), ("filter_chains", graft.list(from, vec![graft.mapping(from, chain)]))];
        if let Some(port) = &self.port {
            let socket = graft.mapping(from, vec![("address", text("0.0.0.0")), ("port_value", text(port))]);
            listener.push(("address", graft.mapping(from, vec![("socket_address", socket)])));
        }
        graft.mapping(from, listener)
    }

    fn transport(&self, graft: &Graft) -> Option<Piece> {
        let tls = "envoy.transport_sockets.tls";
        let (at, common) = match self.transport {
            Transport::None => return None,
            Transport::Unknown(at) => return Some(graft.mapping(at, vec![("name", graft.text(at, tls))])),
            Transport::Ends(at) | Transport::AsksInVain(at) => (at, Vec::new()),
            Transport::Asks { at, verified, .. } => {
                let mut validation: Entries =
                    vec![("trusted_ca", graft.mapping(at, vec![("filename", graft.text(at, "ca"))]))];
                if !verified {
                    validation.push(("trust_chain_verification", graft.text(at, "ACCEPT_UNTRUSTED")));
                }
                (at, vec![("validation_context", graft.mapping(at, validation))])
            }
        };
        let mut context: Entries =
            vec![("@type", graft.text(at, type_url("transport_sockets.tls.v3.DownstreamTlsContext")))];
        context.push(("common_tls_context", graft.mapping(at, common)));
        let required = match self.transport {
            Transport::Asks { required, .. } => Some(required),
            Transport::AsksInVain(_) => Some(true),
            _ => None,
        };
        if let Some(required) = required {
            context.push(("require_client_certificate", graft.text(at, if required { "true" } else { "false" })));
        }
        Some(graft.mapping(at, vec![("name", graft.text(at, tls)), ("typed_config", graft.mapping(at, context))]))
    }
}

fn type_url(message: &str) -> String {
    format!("type.googleapis.com/envoy.extensions.{message}")
}

/// An HTTP connection manager with these settings, filters, and virtual hosts; what holds for all routes is in `table`.
pub(in crate::gateway) fn manager(
    graft: &Graft,
    from: At<'_>,
    settings: Entries,
    filters: Vec<Piece>,
    mut table: Entries,
    hosts: Vec<Piece>,
) -> Piece {
    table.push(("virtual_hosts", graft.list(from, hosts)));
    let mut entries = settings;
    entries.push(("http_filters", graft.list(from, filters)));
    entries.push(("route_config", graft.mapping(from, table)));
    extension(graft, from, "network", "http_connection_manager", "HttpConnectionManager", entries)
}

/// A proxy of bytes to these clusters.
pub(in crate::gateway) fn tcp_proxy(graft: &Graft, from: At<'_>, clusters: Vec<Piece>) -> Piece {
    let weighted = clusters.into_iter().map(|cluster| graft.mapping(from, vec![("name", cluster)])).collect();
    let weighted = graft.mapping(from, vec![("clusters", graft.list(from, weighted))]);
    extension(graft, from, "network", "tcp_proxy", "TcpProxy", vec![("weighted_clusters", weighted)])
}

/// A virtual host that sends everything to one cluster.
pub(in crate::gateway) fn everything(graft: &Graft, from: At<'_>, cluster: &str) -> Piece {
    let all = graft.mapping(from, vec![("prefix", graft.text(from, "/"))]);
    let action = graft.mapping(from, vec![("cluster", graft.text(from, cluster))]);
    let route = graft.mapping(from, vec![("match", all), ("route", action)]);
    let domains = graft.list(from, vec![graft.text(from, "*")]);
    let routes = graft.list(from, vec![route]);
    graft.mapping(from, vec![("name", graft.text(from, cluster)), ("domains", domains), ("routes", routes)])
}

/// An HTTP filter.
pub(in crate::gateway) fn filter(graft: &Graft, from: At<'_>, kind: &str, message: &str, entries: Entries) -> Piece {
    extension(graft, from, "http", kind, message, entries)
}

fn extension(graft: &Graft, from: At<'_>, layer: &str, kind: &str, message: &str, mut entries: Entries) -> Piece {
    let url = type_url(&format!("filters.{layer}.{kind}.v3.{message}"));
    entries.insert(0, ("@type", graft.text(from, url)));
    let name = graft.text(from, format!("envoy.filters.{layer}.{kind}"));
    graft.mapping(from, vec![("name", name), ("typed_config", graft.mapping(from, entries))])
}

/// A filter that may do anything to a request.
pub(in crate::gateway) fn unknown_filter(graft: &Graft, from: At<'_>) -> Piece {
    filter(graft, from, "unknown", "Unknown", Vec::new())
}

/// A filter that checks tokens, with its providers; any of them will do.
pub(in crate::gateway) fn jwt(graft: &Graft, from: At<'_>, providers: Vec<(At<'_>, String, Entries)>) -> Piece {
    let names: Vec<(At<'_>, String)> = providers.iter().map(|(at, name, _)| (*at, name.clone())).collect();
    let required =
        |(at, name): &(At<'_>, String)| graft.mapping(*at, vec![("provider_name", graft.text(*at, name.clone()))]);
    let requirements = graft.list(from, names.iter().map(required).collect());
    let any = graft.mapping(from, vec![("requirements", requirements)]);
    let map = names.iter().map(|name| (name.1.as_str(), required(name))).collect();
    let map = graft.mapping(from, map);
    let requires = graft.mapping(from, vec![("requires_any", any)]);
    let all = graft.mapping(from, vec![("prefix", graft.text(from, "/"))]);
    let rule = graft.mapping(from, vec![("match", all), ("requires", requires)]);
    let providers: Vec<(String, Piece)> =
        providers.into_iter().map(|(at, name, entries)| (name, graft.mapping(at, entries))).collect();
    let providers = providers.iter().map(|(name, provider)| (name.as_str(), provider.clone())).collect();
    let entries = vec![
        ("providers", graft.mapping(from, providers)),
        ("rules", graft.list(from, vec![rule])),
        ("requirement_map", map),
    ];
    filter(graft, from, "jwt_authn", "JwtAuthentication", entries)
}

/// A list of matchers for the names of headers; `*` at either end stands for anything.
pub(in crate::gateway) fn header_names<'a>(graft: &Graft, from: At<'a>, names: impl Iterator<Item = At<'a>>) -> Piece {
    let pattern = |at: At<'a>| {
        let (key, text) = match at.text() {
            Some(text) if text.starts_with('*') => ("suffix", &text[1..]),
            Some(text) if text.ends_with('*') => ("prefix", &text[..text.len() - 1]),
            Some(text) => ("exact", text),
            None => ("contains", ""),
        };
        graft.mapping(at, vec![(key, graft.text(at, text))])
    };
    let patterns = names.map(pattern).collect();
    graft.mapping(from, vec![("patterns", graft.list(from, patterns))])
}

/// The filter for answers to browsers, whose settings stand with the routes.
pub(in crate::gateway) fn cors_filter(graft: &Graft, from: At<'_>) -> Piece {
    filter(graft, from, "cors", "Cors", Vec::new())
}

/// The settings of that filter: what may be sent, and what may be read.
pub(in crate::gateway) fn cors(graft: &Graft, policy: At<'_>) -> Piece {
    let joined = |key: &str| {
        let at = policy.get(key)?;
        let names: Option<Vec<&str>> = at.items().map(At::text).collect();
        Some(names.map_or_else(|| graft.unknown(at), |names| graft.text(at, names.join(","))))
    };
    let mut entries: Entries = vec![("allow_origin_string_match", graft.list(policy, Vec::new()))];
    entries.extend(joined("allowHeaders").map(|names| ("allow_headers", names)));
    entries.extend(joined("exposeHeaders").map(|names| ("expose_headers", names)));
    let settings = graft.mapping(policy, entries);
    graft.mapping(policy, vec![("envoy.filters.http.cors", settings)])
}

/// A file log with this format; without one, with the format that holds by default.
pub(in crate::gateway) fn file_log(graft: &Graft, from: At<'_>, format: Option<Piece>) -> Piece {
    let mut config: Entries = vec![("@type", graft.text(from, type_url("access_loggers.file.v3.FileAccessLog")))];
    config.extend(format.map(|format| ("log_format", graft.mapping(from, vec![("text_format", format)]))));
    let name = graft.text(from, "envoy.access_loggers.file");
    graft.mapping(from, vec![("name", name), ("typed_config", graft.mapping(from, config))])
}

/// A log that a service is sent, with these headers of requests.
pub(in crate::gateway) fn service_log(graft: &Graft, headers: At<'_>) -> Piece {
    let config = graft.mapping(headers, vec![("additional_request_headers_to_log", graft.copy(headers))]);
    let name = graft.text(headers, "envoy.access_loggers.http_grpc");
    graft.mapping(headers, vec![("name", name), ("typed_config", config)])
}

/// What a level does to headers.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Headers {
    remove: Vec<Piece>,
    add: Vec<Piece>,
}

/// What is done where a header is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gateway) enum Action {
    Overwrite,
    Append,
}

impl Headers {
    /// Takes a header away; one whose name is not known may be any.
    pub(in crate::gateway) fn remove(&mut self, graft: &Graft, name: At<'_>) {
        match name.text() {
            Some(text) if is_target(text) => {}
            Some(text) => self.remove.push(graft.text(name, text)),
            None => self.anything(graft, name),
        }
    }

    /// Takes a header of this name away, as `at` says.
    pub(in crate::gateway) fn remove_named(&mut self, graft: &Graft, at: At<'_>, name: &str) {
        if !is_target(name) {
            self.remove.push(graft.text(at, name));
        }
    }

    /// Something that can't be read is done before anything that can.
    pub(in crate::gateway) fn anything(&mut self, graft: &Graft, from: At<'_>) {
        self.remove.insert(0, graft.unknown(from));
    }

    /// Writes a header; `value` is nothing where it is not known.
    pub(in crate::gateway) fn write(
        &mut self,
        graft: &Graft,
        at: At<'_>,
        name: &str,
        value: Option<&str>,
        action: Action,
        keeps_empty: bool,
    ) {
        if is_target(name) {
            return;
        }
        let value = value.map_or_else(|| graft.unknown(at), |value| graft.text(at, value));
        let header = graft.mapping(at, vec![("key", graft.text(at, name)), ("value", value)]);
        let action = match action {
            Action::Overwrite => "OVERWRITE_IF_EXISTS_OR_ADD",
            Action::Append => "APPEND_IF_EXISTS_OR_ADD",
        };
        let mut option: Entries = vec![("header", header), ("append_action", graft.text(at, action))];
        if keeps_empty {
            option.push(("keep_empty_value", graft.text(at, "true")));
        }
        self.add.push(graft.mapping(at, option));
    }

    /// As settings of a level.
    pub(in crate::gateway) fn entries(self, graft: &Graft, from: At<'_>) -> Entries {
        let mut entries: Entries = Vec::new();
        if !self.remove.is_empty() {
            entries.push(("request_headers_to_remove", graft.list(from, self.remove)));
        }
        if !self.add.is_empty() {
            entries.push(("request_headers_to_add", graft.list(from, self.add)));
        }
        entries
    }
}

/// Whether a name stands for the target of a request, which is no header to Envoy.
fn is_target(name: &str) -> bool {
    name.starts_with(':') || name.eq_ignore_ascii_case("host")
}

/// Lowers listeners that were made of parts of files.
pub(in crate::gateway) fn lower(graft: &Graft, listeners: Vec<Piece>) -> Configuration {
    let nodes: Vec<_> = listeners.into_iter().map(Piece::into_node).collect();
    let mut set = Set::default();
    nodes.iter().for_each(|node| set.add(At::root(0, node)));
    let mut configuration = Configuration::default();
    for listener in &set.listeners {
        routes::lower(*listener, &set, &mut configuration);
    }
    for hop in &mut configuration.hops {
        hop.places(&mut |place| *place = graft.original(*place));
        if let Some(name) = hop.upstream.label.strip_prefix("cluster ") {
            hop.upstream.names = names(name);
            hop.upstream.label = name.to_owned();
        }
    }
    for hole in &mut configuration.holes {
        hole.place = graft.original(hole.place);
    }
    configuration
}

/// What a service is known as.
fn names(name: &str) -> Vec<String> {
    let name = name.to_ascii_lowercase();
    let (host, port) = name.rsplit_once(':').unwrap_or((&name, ""));
    match host.strip_suffix(".svc.cluster.local").and_then(|short| short.split_once('.')) {
        Some((service, namespace)) if !port.is_empty() => service_names(service, Some(namespace), port),
        _ => vec![name],
    }
}

/// The name of a service's port.
pub(in crate::gateway) fn service(host: &str, namespace: Option<&str>, port: Option<&str>) -> String {
    let host = match namespace {
        Some(namespace) if !host.contains('.') => format!("{host}.{namespace}.svc.cluster.local"),
        _ => host.to_owned(),
    };
    port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"))
}

/// The same of a service among these objects, as a text names it: where it only stands for a host, that is meant.
pub(in crate::gateway) fn service_of(
    objects: &Objects<'_>,
    from: u32,
    name: &str,
    namespace: Option<&str>,
    port: Option<&str>,
) -> String {
    match objects.external_name(from, namespace, name) {
        Some(host) => service(host, None, port),
        None => service(name, namespace, port),
    }
}

/// Of a way whose listener is not known, only what the way itself does by name is.
pub(in crate::gateway) fn veil(hop: &mut Hop) {
    hop.listener.auth = ClientAuth::Unknown;
    hop.lost = None;
    if let [Arrival::Reaches(request), others @ ..] = &mut hop.arrivals {
        request.headers.remove(XFCC);
        request.others = Others::Unknown;
        others.iter_mut().for_each(|arrival| *arrival = Arrival::Unknown);
    }
}
