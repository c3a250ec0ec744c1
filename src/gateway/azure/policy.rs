//! API Management: policies, in files of their own or in resources of Terraform.
//!
//! A policy is run from top to bottom. What the policies around it do (`<base />`) is not seen here, and what stands under
//! a condition may happen or not: neither is ever claimed.

use std::collections::BTreeSet;

use super::super::Configuration;
use super::super::cloud;
use super::super::files::Files;
use super::super::hop::{
    Carrier, Cause, ClientAuth, Cors, Credential, Event, Form, Listener, Logged, Part, PathMatch, Place, Protocol,
    Rewrite, Route, Upstream, Value as Held,
};
use super::super::run::{Handshake, Run};
use crate::config::estate::{Estate, Resource, Value};
use crate::config::tree::Switch;
use crate::syntax::xml::{self, Element};

const POLICIES: &[&str] = &[
    "azurerm_api_management_policy",
    "azurerm_api_management_product_policy",
    "azurerm_api_management_api_policy",
    "azurerm_api_management_api_operation_policy",
];
/// Stands for what the policies around this one may set.
const OUTER: &str = "(policies around it)";

/// Whether a text is a policy in a file of its own.
pub(super) fn is_policy(name: &str, text: &str) -> bool {
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    name.rsplit('.').next().is_some_and(|ending| ["xml", "cshtml", "policy"].contains(&ending))
        && has("<policies")
        && has("<inbound")
}

/// The policies that Terraform names or holds.
pub(super) fn configurations(estate: &Estate<'_>) -> Vec<Configuration> {
    let mut all = Vec::new();
    let services = estate.resources(&["azurerm_api_management"]);
    for resource in estate.resources(POLICIES) {
        let body = resource.body;
        let Some(content) = body.at("xml_content") else { continue };
        let listener = listener(&services, resource);
        let label = body.target("api_name").map_or_else(|| resource.name.to_owned(), |api| api.label(&["name"]));
        let api = body.target("api_name").and_then(|api| api.body.text("service_url"));
        // A heredoc has its text as it stands in the file; so places hold.
        let place = content.place();
        let source = match content.value() {
            Value::File(number) => (number, 0, estate.text(number).len()),
            _ => {
                let text = estate.text(place.file);
                let start = place.start as usize;
                let end = text.get(start..).and_then(|rest| rest.find("</policies>")).map(|at| start + at + 11);
                match end {
                    Some(end) => (place.file, start, end),
                    None => continue,
                }
            }
        };
        let (number, start, end) = source;
        let text = estate.text(number);
        if let Some(policies) =
            text.get(start..).and_then(|rest| rest.find("<policies")).and_then(|at| xml::parse(text, start + at, end))
        {
            let policy = Policy { file: number, text, listener, label, backend: api };
            all.push(policy.configuration(&policies));
        }
    }
    all
}

/// The policies in files that no resource named.
pub(super) fn of_files(files: &Files, own: &[u32], known: &[Configuration]) -> Vec<Configuration> {
    let taken: BTreeSet<u32> =
        known.iter().flat_map(|one| one.hops.iter().map(|hop| hop.upstream.place.file)).collect();
    let mut all = Vec::new();
    for number in own.iter().filter(|number| !taken.contains(number)) {
        let text = files.get(*number);
        if !is_policy(text.path(), &text.text) {
            continue;
        }
        let Some(start) = text.text.find("<policies") else { continue };
        let Some(policies) = xml::parse(&text.text, start, text.text.len()) else { continue };
        let name = text.path().rsplit('/').next().unwrap_or_default();
        let mut listener = cloud::listener("API Management".to_owned(), vec![443], true);
        listener.auth = ClientAuth::Unknown;
        let policy = Policy { file: *number, text: &text.text, listener, label: name.to_owned(), backend: None };
        let mut configuration = policy.configuration(&policies);
        configuration.files = vec![*number];
        all.push(configuration);
    }
    all
}

/// Where clients of a policy connect: the service it belongs to.
fn listener<'e>(services: &[Resource<'e>], policy: Resource<'e>) -> Listener {
    let service = ["api_management_name", "api_management_id"].iter().find_map(|key| policy.body.target(key));
    let service = service.or_else(|| services.first().copied().filter(|_| services.len() == 1));
    let Some(service) = service else {
        let mut listener = cloud::listener("API Management".to_owned(), vec![443], true);
        listener.auth = ClientAuth::Unknown;
        return listener;
    };
    let mut listener = cloud::listener(service.label(&["name"]), vec![443], true);
    let blocks = service.body.blocks("hostname_configuration");
    let names: Vec<_> = blocks.all.iter().flat_map(|block| block.blocks("proxy").all).collect();
    listener.hosts = names.iter().filter_map(|name| name.text("host_name")).collect();
    let asks = names
        .iter()
        .map(|name| (name.switch("negotiate_client_certificate", false), name))
        .find(|(asks, _)| *asks != Switch::Off);
    let consumption = service.body.switch("client_certificate_enabled", false);
    match (asks, consumption) {
        (Some((Switch::On, name)), _) => {
            listener.auth = ClientAuth::Unverified;
            listener.asks_at = Some(name.place_of("negotiate_client_certificate"));
        }
        (_, Switch::On) => {
            listener.auth = ClientAuth::Unverified;
            listener.asks_at = Some(service.body.place_of("client_certificate_enabled"));
        }
        // Custom names may be resources of their own.
        _ => listener.auth = ClientAuth::Unknown,
    }
    listener
}

/// A policy document.
struct Policy<'a> {
    file: u32,
    text: &'a str,
    listener: Listener,
    label: String,
    backend: Option<String>,
}

/// What has been gathered on the way through it.
#[derive(Default)]
struct Gathered {
    steps: Vec<Step>,
    rewrites: Vec<Rewrite>,
    cors: Vec<Cors>,
    logs: Vec<Logged>,
    carriers: Vec<Carrier>,
    /// The policy itself checks tokens, or logs in with its own.
    consumes: bool,
    /// What turns clients without a valid certificate away.
    validates: Option<Place>,
    /// It compares the certificate with the token itself.
    binds: bool,
    outer: bool,
    /// Fragments that are not here.
    fragment: bool,
    backend: Option<(String, Place)>,
}

/// A change of a header.
struct Step {
    name: String,
    action: String,
    values: Vec<Held>,
    perhaps: bool,
    place: Place,
}

impl Policy<'_> {
    fn configuration(mut self, policies: &Element) -> Configuration {
        let mut gathered = Gathered::default();
        let mut sections = Vec::new();
        for name in ["inbound", "backend"] {
            sections.extend(policies.all(name));
        }
        for section in &sections {
            for element in &section.children {
                self.element(element, false, &mut gathered);
            }
        }
        for section in policies.children.iter().filter(|one| matches!(one.name.as_str(), "outbound" | "on-error")) {
            self.logs(section, &mut gathered);
        }
        let whole = policies.tag.0..self.text.len();
        let says = self.text.get(whole).unwrap_or_default();
        gathered.binds = says.contains("x5t#S256");
        gathered.consumes |= says.contains(".AsBasic()") || says.contains(".AsJwt()");
        let first = sections.first().map_or(policies.tag, |section| section.tag);
        let place = self.place(first);
        let backend = gathered.backend.take().or(self.backend.take().map(|url| (url, place)));
        let (label, place) = backend.unwrap_or_else(|| (format!("the backend of {}", self.label), place));
        let names = vec![super::super::run::dial(&label)];
        let upstream = Upstream { label, names, protocol: Protocol::Http, place };
        if let Some(place) = gathered.validates {
            self.listener.auth = ClientAuth::Required;
            self.listener.asks_at = Some(place);
        }
        let auth = self.listener.auth;
        // Where it can't be seen whether certificates are asked for, the rest of the way still can.
        let handshake = match auth {
            ClientAuth::Unknown => Handshake { auth: ClientAuth::Optional, required: false },
            auth => Handshake { auth, required: auth == ClientAuth::Required },
        };
        let arrivals = cloud::arrivals(handshake, |_, run| gathered.apply(run, auth));
        let route = Route { label: format!("policy of {}", self.label), path: PathMatch::Any, when: Vec::new() };
        let mut hop = cloud::hop(&self.listener, route, upstream, arrivals);
        if auth.asks() {
            let deleted =
                gathered.steps.iter().rev().find(|step| step.action == "delete" && gathered.carries(&step.name));
            hop.lost =
                Some(deleted.map_or(Event::new(place, Cause::Mode), |step| Event::new(step.place, Cause::Removed)));
        }
        hop.carriers = gathered.carriers;
        hop.rewrites = gathered.rewrites;
        hop.cors = gathered.cors;
        hop.logs = gathered.logs;
        hop.consumes_authorization = gathered.consumes;
        Configuration { hops: vec![hop], complete: false, ..Configuration::default() }
    }

    fn place(&self, bytes: (usize, usize)) -> Place {
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Place { file: self.file, start: offset(bytes.0), end: offset(bytes.1) }
    }

    fn element(&self, element: &Element, perhaps: bool, into: &mut Gathered) {
        let place = self.place(element.tag);
        match element.name.as_str() {
            "base" => into.outer = true,
            "include-fragment" => into.fragment = true,
            "set-header" => into.set_header(element, perhaps, place),
            "validate-client-certificate" if !perhaps && element.attribute("validate-trust") != Some("false") => {
                into.validates = Some(place);
            }
            "choose" => {
                for branch in &element.children {
                    let condition = branch.attribute("condition").unwrap_or_default();
                    let refuses = branch.all("return-response").next().is_some();
                    if refuses && !perhaps && demands(condition) {
                        into.validates = Some(self.place(branch.tag));
                    }
                    branch.children.iter().for_each(|child| self.element(child, true, into));
                }
            }
            "retry" | "wait" | "limit-concurrency" => {
                element.children.iter().for_each(|child| self.element(child, perhaps, into));
            }
            "validate-jwt" | "validate-azure-ad-token" | "authentication-basic" => into.consumes = true,
            "authentication-managed-identity" if element.attribute("output-token-variable-name").is_none() => {
                into.consumes = true;
            }
            "rewrite-uri" if !perhaps => into.rewrites.push(Rewrite { part: Part::Path, place, told: false }),
            "set-backend-service" if !perhaps => {
                if let Some(url) = element.attribute("base-url").filter(|url| !url.contains(['@', '{', '$'])) {
                    into.backend = Some((url.to_owned(), place));
                }
            }
            "cors" => into.cors.push(cors(element, place)),
            "trace" | "log-to-eventhub" => self.logs(element, into),
            _ => {}
        }
    }

    /// What is written to logs below an element.
    fn logs(&self, element: &Element, into: &mut Gathered) {
        if matches!(element.name.as_str(), "trace" | "log-to-eventhub") {
            let mut text = element.text.clone();
            for child in &element.children {
                text.push_str(&child.text);
                text.extend(child.attribute("value"));
            }
            for (header, what) in [("Authorization", Credential::Authorization), ("DPoP", Credential::Dpop)] {
                if writes(&text, header) {
                    into.logs.push(Logged { what, place: self.place(element.tag), active: None });
                }
            }
            return;
        }
        element.children.iter().for_each(|child| self.logs(child, into));
    }
}

/// Whether a condition holds for clients without a valid certificate.
fn demands(condition: &str) -> bool {
    let bare: String = condition.chars().filter(|c| !c.is_whitespace()).collect();
    let first = bare.trim_start_matches("@(").trim_start_matches('(');
    first.starts_with("context.Request.Certificate==null||") || bare == "@(context.Request.Certificate==null)"
}

/// Whether an expression takes a header's value as it is.
fn writes(text: &str, header: &str) -> bool {
    let forms = [format!("Headers.GetValueOrDefault(\"{header}\""), format!("Headers[\"{header}\"]")];
    forms.iter().any(|form| {
        text.match_indices(form.as_str()).any(|(at, found)| {
            let before = text.get(..at).unwrap_or_default();
            let rest = text.get(at + found.len()..).unwrap_or_default();
            // Up to the end of this part: what is done to the value.
            let rest = rest.split(['+', ';', '\n']).next().unwrap_or(rest);
            let done = ["AsJwt", "AsBasic", "Split", "Substring", "Length", "Hash", "IsNullOrEmpty", "==", "!=", "?"];
            let hidden = ["Hash(", "Contains(", "IsNullOrEmpty("];
            before.ends_with("context.Request.")
                && !done.iter().any(|word| rest.contains(word))
                && !hidden.iter().any(|word| before.trim_end_matches("context.Request.").ends_with(word))
        })
    })
}

fn cors(element: &Element, place: Place) -> Cors {
    let list = |block: &str| {
        let listed = element.all(block).next()?;
        let mut names: Vec<String> = listed.all("header").map(|one| one.text.trim().to_ascii_lowercase()).collect();
        if names.iter().any(|name| name == "*") {
            names.extend(["dpop".to_owned(), "dpop-nonce".to_owned()]);
        }
        Some(names)
    };
    Cors { allow: list("allowed-headers"), expose: list("expose-headers"), place }
}

impl Gathered {
    fn set_header(&mut self, element: &Element, perhaps: bool, place: Place) {
        let Some(name) = element.attribute("name").filter(|name| !name.contains(['@', '{', '$'])) else { return };
        let name = name.to_ascii_lowercase();
        let values: Vec<Held> = element.all("value").map(|value| held(value.text.trim(), &name)).collect();
        for value in &values {
            if let Held::Certificate(form) = value {
                self.carriers.push(Carrier { header: name.clone(), form: *form, place });
            }
        }
        let action = element.attribute("exists-action").unwrap_or("override").to_owned();
        self.steps.push(Step { name, action, values, perhaps, place });
    }

    fn carries(&self, name: &str) -> bool {
        self.carriers.iter().any(|carrier| carrier.header == name)
    }

    fn apply(&self, run: &mut Run, auth: ClientAuth) {
        if self.fragment {
            run.anything();
        }
        for step in &self.steps {
            let values: Vec<Held> = step
                .values
                .iter()
                .map(|value| match value {
                    Held::Certificate(_) if !run.presented => Held::Empty,
                    value => value.clone(),
                })
                .collect();
            let name = step.name.as_str();
            match step.action.as_str() {
                _ if step.perhaps => run.request.set(name, vec![Held::Unknown], None),
                "delete" => run.remove(name, step.place, Cause::Removed),
                "skip" | "append" => {
                    let cause = if step.action == "skip" { Cause::ClientWins } else { Cause::Appended };
                    let mut before = run.values(name);
                    if before.is_empty() || step.action == "append" || before == [Held::Client] {
                        before.extend(values);
                    }
                    run.set(name, before, step.place, cause);
                }
                "override" => run.set(name, values, step.place, Cause::Set),
                _ => run.request.set(name, vec![Held::Unknown], None),
            }
        }
        if self.binds {
            // The gateway compares the two itself; nothing is left for the backend to do.
            run.request.set("bound_at_the_gateway", vec![Held::Certificate(Form::Sha256)], None);
        }
        if self.outer && auth.asks() && !self.steps.iter().any(|step| self.carries(&step.name)) {
            run.request.set(OUTER, vec![Held::Unknown], None);
        }
    }
}

/// What the value of a header stands for.
fn held(text: &str, header: &str) -> Held {
    if let Some(rest) = text.split("context.Request.Certificate").nth(1) {
        let has = |word: &str| text.contains(word);
        return match () {
            () if has("SHA256") => Held::Certificate(Form::Sha256),
            () if has("RawData") || has("GetRawCertData") || has("Export") => Held::Certificate(Form::DerBase64),
            () if has("Thumbprint") || has("GetCertHash") => Held::Certificate(Form::Sha1),
            () if has("Subject") || has("Issuer") => Held::Certificate(Form::Dn),
            () if has("SerialNumber") => Held::Certificate(Form::Serial),
            () if rest.contains("Verify") => Held::Verification,
            () => Held::Unknown,
        };
    }
    if text.starts_with("@(context.Request.Headers.GetValueOrDefault(\"") && !text.contains('+') {
        let name = text.split('"').nth(1).unwrap_or_default().to_ascii_lowercase();
        return if name == header { Held::Client } else { Held::ClientHeader(name) };
    }
    match text {
        "" => Held::Empty,
        text if text.contains(['@', '{', '$']) => Held::Unknown,
        text => Held::Constant(text.to_owned()),
    }
}
