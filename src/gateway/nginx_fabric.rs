//! NGINX Gateway Fabric: gateways of its class, with the snippets that filters and policies put into its nginx.
//!
//! It writes a configuration for nginx, and so does this front end, after its own templates; what nginx then does is decided
//! by the nginx front end. Every line knows the object that it comes from. By itself it passes nothing of a client certificate on.

use std::collections::{BTreeMap, BTreeSet};

use super::files::Files;
use super::gateway_api::listeners::{Listener, targets};
use super::gateway_api::{self, Api, Class};
use super::hop::{Cause, ClientAuth, Place};
use super::matched::overlap;
use super::sheet::{Sheet, Target, UNKNOWN, is_plain, quoted};
use super::tree::At;
use super::{Configuration, Detail, FrontEnd, Rule, trusted};
use crate::config::kubernetes::{self, Manifests, Object};

/// The group of its own objects.
const GROUP: &[&str] = &["gateway.nginx.org"];
/// The contexts that snippets are for.
const HTTP: &str = "http";
const SERVER: &str = "http.server";
const LOCATION: &str = "http.server.location";

/// NGINX Gateway Fabric.
#[derive(Debug)]
pub struct NginxFabric;

impl FrontEnd for NginxFabric {
    fn product(&self) -> &'static str {
        "nginx-gateway-fabric"
    }

    fn recognises(&self, _name: &str, text: &str) -> bool {
        let own = memchr::memmem::find(text.as_bytes(), b"gateway.nginx.org").is_some();
        own && kubernetes::may_hold_objects(text) || gateway_api::speaks(text)
    }

    fn lower(&self, files: &Files, own: &[u32]) -> Vec<Configuration> {
        let has = |file: &u32| memchr::memmem::find(files.get(*file).text.as_bytes(), b"nginx").is_some();
        if !own.iter().any(has) {
            return Vec::new();
        }
        let manifests = Manifests::read(files, own);
        let objects = manifests.objects(files);
        let api = Api::new(files, &objects, true);
        let gateways = objects.of_kind(gateway_api::GROUP, "Gateway");
        let gateways = gateways.filter(|gateway| api.class(gateway) == Class::NginxFabric);
        let mut all: Vec<Configuration> =
            gateways.map(|gateway| Writer::new(&api, gateway).configuration(&manifests)).collect();
        let loose = api.without_gateway().filter(|route| !Writer::new(&api, *route).filters(route).is_empty());
        all.extend(loose.map(|route| Writer::new(&api, route).alone()));
        all
    }

    fn reason(&self, rule: Rule, cause: Cause) -> &'static str {
        match (rule, cause) {
            (Rule::Stripped | Rule::Weak, _) => "nginx-gateway-fabric-cert-not-passed",
            (Rule::NotRequested, _) => "nginx-gateway-fabric-client-cert-not-requested",
            (Rule::Unverified, _) => "nginx-gateway-fabric-insecure-fallback",
            (Rule::Malformed, _) => "nginx-gateway-fabric-cert-malformed",
            (Rule::Spoofable, _) => "nginx-gateway-fabric-cert-header-unguarded",
            (Rule::DpopBroken, Cause::Rewritten) => "nginx-gateway-fabric-rewrite-htu",
            (Rule::DpopBroken, Cause::NotListed) => "nginx-gateway-fabric-cors-missing-dpop",
            (Rule::DpopBroken, _) => "nginx-gateway-fabric-header-removed",
            (Rule::Logged, _) => "nginx-gateway-fabric-log-credentials",
        }
    }

    fn reason_in_detail(&self, rule: Rule, cause: Cause, _detail: Detail) -> &'static str {
        self.reason(rule, cause)
    }

    fn fix(&self, rule: Rule, cause: Cause, header: Option<&str>) -> String {
        let header = header.unwrap_or("X-SSL-Client-Cert");
        match (rule, cause) {
            (Rule::Stripped | Rule::Weak | Rule::Malformed, _) => format!(
                "Write `proxy_set_header {header} $ssl_client_escaped_cert;` in a SnippetsFilter of context http.server.location, and attach it to the rule."
            ),
            (Rule::Spoofable, _) => {
                format!(
                    "Attach a snippet with `proxy_set_header {header} \"\";` (or with the certificate) to this rule, too."
                )
            }
            (Rule::Unverified, _) => "Write `mode: AllowValidOnly` in the frontend validation.".to_owned(),
            (Rule::Logged, _) => {
                "Take the variable out of the log's format; `$uri` in place of `$request` leaves queries out."
                    .to_owned()
            }
            (Rule::DpopBroken, Cause::Set) => format!("Take {header} out of the snippet or the RequestHeaderModifier."),
            _ => gateway_api::fix(rule, cause, Some(header)),
        }
    }
}

/// Writes what the control plane would for a gateway.
struct Writer<'w, 'a> {
    api: &'w Api<'a>,
    gateway: Object<'a>,
    sheet: Sheet,
    files: BTreeSet<u32>,
}

impl<'w, 'a> Writer<'w, 'a> {
    fn new(api: &'w Api<'a>, gateway: Object<'a>) -> Self {
        let files = BTreeSet::from([gateway.at.file]);
        Self { api, gateway, sheet: Sheet::default(), files }
    }

    fn configuration(mut self, manifests: &Manifests) -> Configuration {
        let policies: Vec<Object<'a>> = self
            .api
            .objects
            .of_kind(GROUP, "SnippetsPolicy")
            .filter(|policy| targets(self.api, policy, &self.gateway).is_some())
            .collect();
        self.files.extend(policies.iter().map(|policy| policy.at.file));
        self.log();
        policies.iter().for_each(|policy| self.snippets(policy, HTTP));
        let attached = self.api.attached_to(&self.gateway).to_vec();
        // What a filter has for all of nginx is put there once.
        let mut seen: BTreeSet<Place> = BTreeSet::new();
        let filters: Vec<Object<'a>> = attached.iter().flat_map(|(route, _)| self.filters(route)).collect();
        for filter in filters {
            if seen.insert(filter.at.place()) {
                self.snippets(&filter, HTTP);
            }
        }
        for at in self.gateway.spec().into_iter().flat_map(|spec| spec.list("listeners")) {
            let listener = Listener { gateway: self.gateway, at };
            if matches!(at.word("protocol"), None | Some("HTTP" | "HTTPS")) && !listener.passes() {
                self.listener(&listener, &attached, &policies);
            }
        }
        let mut configuration = self.lowered();
        let unread = manifests.holes().iter().any(|(place, _)| configuration.files.contains(&place.file));
        configuration.complete = configuration.holes.is_empty() && !unread && !configuration.hops.is_empty();
        configuration
    }

    /// A route whose gateway is not here: what its snippets do by name is known.
    fn alone(mut self) -> Configuration {
        let route = self.gateway;
        self.sheet.text.line(route.at.place(), "server { listen 80; server_name _;");
        self.route(&route, &[], &mut BTreeSet::new());
        self.sheet.text.line(route.at.place(), "}");
        let mut configuration = self.lowered();
        for hop in &mut configuration.hops {
            hop.listener.auth = ClientAuth::Unknown;
            "a gateway that is not here".clone_into(&mut hop.listener.label);
        }
        configuration.trusted.clear();
        configuration
    }

    /// What nginx makes of what is written.
    fn lowered(self) -> Configuration {
        let (hops, holes) = self.sheet.hops();
        let (files, trusted) = (self.files.into_iter().collect(), trusted::trusted(&hops));
        Configuration { trusted, files, hops, holes, complete: false }
    }

    /// The filters with snippets that a route names.
    fn filters(&self, route: &Object<'a>) -> Vec<Object<'a>> {
        let rules = route.spec().into_iter().flat_map(|spec| spec.list("rules"));
        rules.flat_map(|rule| rule.list("filters")).filter_map(|at| self.filter(route, at)).collect()
    }

    fn filter(&self, route: &Object<'a>, at: At<'a>) -> Option<Object<'a>> {
        let reference = at.get("extensionRef").filter(|at| at.word("kind") == Some("SnippetsFilter"))?;
        let name = reference.word("name")?;
        self.api.objects.find(route.at.file, GROUP, "SnippetsFilter", route.namespace, name).one()
    }

    /// The format of the log, as the settings of the gateway or of its class say.
    fn log(&mut self) {
        let own = self.gateway.spec().and_then(|spec| spec.path(&["infrastructure", "parametersRef"]));
        let of_class = || self.api.class_object(&self.gateway).and_then(|class| class.spec()?.get("parametersRef"));
        let Some(reference) = own.or_else(of_class) else { return };
        let namespace = reference.word("namespace").or(self.gateway.namespace.filter(|_| own.is_some()));
        let name = reference.word("name").unwrap_or_default();
        let found = self.api.objects.find(reference.file, GROUP, "NginxProxy", namespace, name).one();
        let log = found.and_then(|proxy| proxy.spec()?.path(&["logging", "accessLog"]));
        if let Some(format) = log.and_then(|log| log.get("format")) {
            self.files.insert(format.file);
            self.sheet.text.part(format.place(), "log_format ngf_user_defined '");
            self.sheet.text.inner(format.file, kubernetes::inner(self.api.files, format));
            self.sheet.text.line(format.place(), "';");
            self.sheet.text.line(format.place(), "access_log /dev/stdout ngf_user_defined;");
        }
    }

    /// Puts in what an object has for a context.
    fn snippets(&mut self, object: &Object<'a>, context: &str) {
        let snippets = object.spec().into_iter().flat_map(|spec| spec.list("snippets"));
        let wanted = snippets.filter(|at| at.word("context") == Some(context)).filter_map(|at| at.get("value"));
        wanted.for_each(|value| self.sheet.insert(self.api.files, value));
    }

    fn listener(&mut self, listener: &Listener<'a>, attached: &[(Object<'a>, At<'a>)], policies: &[Object<'a>]) {
        let here = listener.at.place();
        let mut routes: Vec<Object<'a>> = Vec::new();
        for (route, _) in attached.iter().filter(|(_, parent)| listener.is_meant(*parent)) {
            let known = routes.iter().any(|known| known.at.place() == route.at.place());
            if matches!(route.kind, "HTTPRoute" | "GRPCRoute") && !known {
                routes.push(*route);
            }
        }
        let own = listener.at.word("hostname");
        let mut by_name: BTreeMap<String, Vec<Object<'a>>> = BTreeMap::new();
        for route in routes {
            let wanted: Vec<&str> =
                route.spec().into_iter().flat_map(|spec| spec.list("hostnames")).filter_map(At::text).collect();
            let fits = wanted.iter().copied().filter(|name| own.is_none_or(|own| overlap(own, name)));
            let mut names: Vec<&str> = fits.collect();
            if wanted.is_empty() {
                names.push(own.unwrap_or("_"));
            }
            for name in names.into_iter().filter(|name| is_plain(name)) {
                by_name.entry(name.to_ascii_lowercase()).or_default().push(route);
            }
        }
        let tls = listener.at.word("protocol") == Some("HTTPS");
        let port = listener.at.word("port").filter(|port| is_plain(port)).unwrap_or(if tls { "443" } else { "80" });
        for (name, routes) in by_name {
            self.sheet.text.line(here, &format!("server {{ listen {port}{};", if tls { " ssl" } else { "" }));
            self.sheet.text.line(here, &format!("server_name {name};"));
            if let Some((at, verified)) = listener.validation().filter(|_| tls) {
                self.files.insert(at.file);
                let verify = if verified { "on" } else { "optional_no_ca" };
                let place = at.get("mode").unwrap_or(at).place();
                self.sheet.text.line(place, &format!("ssl_client_certificate ca.pem; ssl_verify_client {verify};"));
            }
            policies.iter().for_each(|policy| self.snippets(policy, SERVER));
            let mut seen: BTreeSet<Place> = BTreeSet::new();
            let filters: Vec<Object<'a>> = routes.iter().flat_map(|route| self.filters(route)).collect();
            for filter in filters {
                if seen.insert(filter.at.place()) {
                    self.snippets(&filter, SERVER);
                }
            }
            let mut paths: BTreeSet<String> = BTreeSet::new();
            routes.iter().for_each(|route| self.route(route, policies, &mut paths));
            self.sheet.text.line(here, "}");
        }
    }

    fn route(&mut self, route: &Object<'a>, policies: &[Object<'a>], paths: &mut BTreeSet<String>) {
        self.files.insert(route.at.file);
        for rule in route.spec().into_iter().flat_map(|spec| spec.list("rules")) {
            let matches: Vec<At<'a>> = rule.list("matches").collect();
            let selections: Vec<Option<At<'a>>> =
                if matches.is_empty() { vec![None] } else { matches.into_iter().map(Some).collect() };
            for matched in selections {
                let path = matched.and_then(|at| at.get("path"));
                let value = path.and_then(|at| at.word("value")).unwrap_or("/");
                let mut selection = match path.and_then(|at| at.word("type")) {
                    Some("Exact") => format!("= {}", quoted(value)),
                    Some("RegularExpression") => format!("~ {}", quoted(value)),
                    _ => quoted(value),
                };
                // The same path again, for requests that something else tells apart.
                if !paths.insert(selection.clone()) {
                    selection = format!("~ {}", quoted(&format!("^{value}(?#{})", paths.len())));
                    paths.insert(selection.clone());
                }
                self.location(route, rule, (&selection, value), policies);
            }
        }
    }

    fn location(&mut self, route: &Object<'a>, rule: At<'a>, (selection, path): (&str, &str), policies: &[Object<'a>]) {
        let backends: Vec<At<'a>> = rule.list("backendRefs").filter(|at| at.word("weight") != Some("0")).collect();
        let Some(first) = backends.first() else { return };
        let here = first.get("name").unwrap_or(*first).place();
        let set = if route.kind == "GRPCRoute" { "grpc_set_header" } else { "proxy_set_header" };
        self.sheet.text.line(here, &format!("location {selection} {{"));
        policies.iter().for_each(|policy| self.snippets(policy, LOCATION));
        let filters: Vec<At<'a>> = rule.list("filters").collect();
        for filter in &filters {
            let place = filter.place();
            match filter.word("type") {
                Some("ExtensionRef") => match self.filter(route, *filter) {
                    Some(found) => {
                        self.files.insert(found.at.file);
                        self.snippets(&found, LOCATION);
                    }
                    None => self.sheet.text.line(place, UNKNOWN),
                },
                Some("RequestRedirect") => self.sheet.text.line(place, "return 302 https://elsewhere.invalid;"),
                Some("URLRewrite") => self.rewrite(filter.get("urlRewrite").unwrap_or(*filter), path),
                Some("CORS") => self.cors(filter.get("cors").unwrap_or(*filter)),
                _ => {}
            }
        }
        let host = filters.iter().find_map(|at| at.path(&["urlRewrite", "hostname"]));
        match host.and_then(|at| Some((at, at.text()?))) {
            Some((at, name)) => self.sheet.text.line(at.place(), &format!("{set} Host {};", quoted(name))),
            None => self.sheet.text.line(here, &format!("{set} Host $http_host;")),
        }
        self.sheet.text.line(here, &format!("{set} X-Forwarded-Host $http_host; {set} X-Forwarded-Proto $scheme;"));
        self.sheet.text.line(here, &format!("{set} X-Forwarded-For $proxy_add_x_forwarded_for;"));
        for modifier in filters.iter().filter_map(|at| at.get("requestHeaderModifier")) {
            self.modify(modifier, set);
        }
        let pass = if route.kind == "GRPCRoute" { "grpc_pass grpc://" } else { "proxy_pass http://" };
        self.sheet.text.line(here, &format!("{pass}upstream_balancer; }}"));
        let named = |at: &At<'a>| {
            let (name, namespace) = (at.word("name").unwrap_or("?"), at.word("namespace").or(route.namespace));
            self.api.objects.service_names(route.at.file, namespace, name, at.word("port").unwrap_or("80"))
        };
        let target = Target {
            route: format!("{path} of {}", route.label()),
            upstream: format!("service {}", first.word("name").unwrap_or("?")),
            names: backends.iter().flat_map(named).collect(),
        };
        self.sheet.targets.insert(here, target);
    }

    fn modify(&mut self, modifier: At<'a>, set: &str) {
        for key in ["set", "add"] {
            for at in modifier.list(key) {
                let Some(name) = at.get("name").and_then(At::text).filter(|name| is_plain(name)) else { continue };
                let place = at.get("name").unwrap_or(at).place();
                // What is added stands behind what the client sent.
                let before = if key == "add" {
                    format!("$http_{}", name.to_ascii_lowercase().replace('-', "_"))
                } else {
                    String::new()
                };
                let value = at.word("value").unwrap_or(UNKNOWN);
                self.sheet.text.line(place, &format!("{set} {name} \"{before}{}\";", inside(value)));
            }
        }
        for at in modifier.list("remove") {
            if let Some(name) = at.text().filter(|name| is_plain(name)) {
                self.sheet.text.line(at.place(), &format!("{set} {name} \"\";"));
            }
        }
    }

    fn rewrite(&mut self, rewrite: At<'a>, path: &str) {
        let Some(replaced) = rewrite.get("path") else { return };
        let to = replaced.get("replacePrefixMatch").or_else(|| replaced.get("replaceFullPath")).unwrap_or(replaced);
        if to.text() != Some(path) || replaced.get("replaceFullPath").is_some() {
            self.sheet.text.line(to.place(), "rewrite .* /rewritten break;");
        }
    }

    fn cors(&mut self, policy: At<'a>) {
        for (key, header) in
            [("allowHeaders", "Access-Control-Allow-Headers"), ("exposeHeaders", "Access-Control-Expose-Headers")]
        {
            let Some(list) = policy.get(key) else { continue };
            let names: Vec<&str> = list.items().filter_map(At::text).collect();
            if !names.contains(&"*") {
                self.sheet
                    .text
                    .line(list.place(), &format!("add_header {header} {} always;", quoted(&names.join(", "))));
            }
        }
    }
}

/// A text within quotes, of which nginx takes nothing for a variable.
fn inside(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "")
}
