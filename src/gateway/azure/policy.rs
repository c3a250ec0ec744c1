//! API Management: policies, in files of their own or in resources of Terraform.
//!
//! A policy is run from top to bottom. What the policies around it do (`<base />`) is not seen here, and what stands under
//! a condition may happen or not: neither is ever claimed.

use std::collections::BTreeSet;

use super::super::Configuration;
use super::super::cloud::{self, Referring};
use super::super::files::Files;
use super::super::hop::{
    Arrival, Carrier, Cause, Client, ClientAuth, Cors, Credential, Event, Form, Hop, Listener, Logged, Part, PathMatch,
    Place, Protocol, Rewrite, Route, Slot, Upstream, Value as Held,
};
use super::super::run::{Handshake, Run};
use crate::config::estate::{Estate, Resource};
use crate::config::tree::Switch;
use crate::syntax::inner::Inner;
use crate::syntax::xml::{self, Element};

const POLICIES: &[&str] = &[
    "azurerm_api_management_policy",
    "azurerm_api_management_product_policy",
    "azurerm_api_management_api_policy",
    "azurerm_api_management_api_operation_policy",
];
/// The service that policies belong to.
const SERVICE: &str = "azurerm_api_management";
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
    let services = Services::of(estate);
    for resource in estate.resources(POLICIES) {
        let body = resource.body;
        let Some(content) = body.at("xml_content") else { continue };
        let listener = services.listener(resource);
        let api = body.target("api_name").filter(|api| api.kind == "azurerm_api_management_api");
        let label = api.map_or_else(|| resource.name.to_owned(), |api| api.label(&["name"]));
        let api = api.and_then(|api| api.body.text("service_url"));
        let Some((number, written)) = content.written() else { continue };
        let text = written.text.as_str();
        // A text that stands in code ends somewhere within it.
        let end = text.find("</policies>").map_or(text.len(), |at| at + 11);
        let policies = text.find("<policies").and_then(|at| xml::parse(text, at, end));
        if let Some(policies) = policies.filter(|policies| policies.name == "policies") {
            let policy = Policy { file: number, text: &written, listener, label, backend: api };
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
        let mut listener = Listener::new("API Management".to_owned(), vec![443], true);
        listener.auth = ClientAuth::Unknown;
        let whole = Inner::whole(&text.text, 0, text.text.len());
        let policy = Policy { file: *number, text: &whole, listener, label: name.to_owned(), backend: None };
        let mut configuration = policy.configuration(&policies);
        configuration.files = vec![*number];
        all.push(configuration);
    }
    all
}

/// What one policy deletes for everybody, it may delete around another one (`<base />`): there it is not known what the
/// client's own header comes to.
pub(super) fn guard(all: &mut [Configuration]) {
    let deletes = |hop: &Hop| -> Vec<String> {
        let Some(request) = hop.arrival(Client::Anonymous).request() else { return Vec::new() };
        let gone = request.headers.iter().filter(|(_, slot)| slot.values.is_empty());
        let filled = |name: &String| hop.carriers.iter().any(|carrier| carrier.header == *name);
        gone.map(|(name, _)| name.clone()).filter(|name| !filled(name)).collect()
    };
    let gone: BTreeSet<String> = all.iter().flat_map(|one| &one.hops).flat_map(deletes).collect();
    for hop in all.iter_mut().flat_map(|one| &mut one.hops) {
        for arrival in &mut hop.arrivals {
            let Arrival::Reaches(request) = arrival else { continue };
            for (_, slot) in request.headers.iter_mut().filter(|(name, _)| gone.contains(*name)) {
                if slot.event.as_ref().is_some_and(|event| event.cause == Cause::Conditional) {
                    *slot = Slot { values: vec![Held::Unknown], event: None };
                }
            }
        }
    }
}

/// The services of an estate, with the host names that are resources of their own.
struct Services<'e> {
    services: Vec<Resource<'e>>,
    domains: Referring<'e>,
    /// Gateways that others run have names and settings of their own.
    hosted: bool,
}

impl<'e> Services<'e> {
    fn of(estate: &'e Estate<'e>) -> Self {
        Self {
            services: estate.resources(&[SERVICE]),
            domains: Referring::new(
                estate.resources(&["azurerm_api_management_custom_domain"]),
                &["api_management_id"],
            ),
            hosted: !estate.resources(&["azurerm_api_management_gateway_host_name_configuration"]).is_empty(),
        }
    }

    /// Where clients of a policy connect: the service it belongs to.
    fn listener(&self, policy: Resource<'e>) -> Listener {
        let own = |key: &&&str| policy.body.target(key).filter(|found| found.kind == SERVICE);
        let service = ["api_management_name", "api_management_id"].iter().find_map(|key| own(&key));
        let service = service.or_else(|| self.services.first().copied().filter(|_| self.services.len() == 1));
        let Some(service) = service else {
            let mut listener = Listener::new("API Management".to_owned(), vec![443], true);
            listener.auth = ClientAuth::Unknown;
            return listener;
        };
        let mut listener = Listener::new(service.label(&["name"]), vec![443], true);
        let own = service.body.blocks("hostname_configuration");
        let mut names = Vec::new();
        let mut unsure = own.unsure || self.hosted;
        for (field, key) in own.all.iter().map(|block| (*block, "proxy")).chain(
            self.domains.to(&service).iter().flat_map(|domain| ["gateway", "proxy"].map(|key| (domain.body, key))),
        ) {
            let blocks = field.blocks(key);
            unsure |= blocks.unsure;
            names.extend(blocks.all);
        }
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
            // Host names are here, and none of them asks.
            (None, Switch::Off) if !names.is_empty() && !unsure => {}
            // Custom names may be declared elsewhere.
            _ => listener.auth = ClientAuth::Unknown,
        }
        listener
    }
}

/// A policy document.
struct Policy<'a> {
    file: u32,
    text: &'a Inner,
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
    /// It logs in at the backend with a token of its own.
    identity: Option<Place>,
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
    when: When,
    place: Place,
}

/// Whether something is done for clients with a certificate and for those without; nothing where that can't be told.
#[derive(Clone, Copy, PartialEq, Eq)]
struct When {
    with: Option<bool>,
    without: Option<bool>,
}

impl When {
    const ALWAYS: Self = Self { with: Some(true), without: Some(true) };
    const PERHAPS: Self = Self { with: None, without: None };

    /// For whom a condition holds, as far as it asks for the certificate before anything else.
    fn holds(condition: &str) -> Self {
        let bare: String = condition.chars().filter(|c| !c.is_whitespace()).collect();
        let Some(bare) = bare.strip_prefix("@(").and_then(|rest| rest.strip_suffix(')')) else { return Self::PERHAPS };
        let bare = bare.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(bare);
        let Some(rest) = bare.strip_prefix("context.Request.Certificate") else { return Self::PERHAPS };
        match (rest.strip_prefix("!=null"), rest.strip_prefix("==null")) {
            (Some(""), _) => Self { with: Some(true), without: Some(false) },
            (Some(more), _) if more.starts_with("&&") && !more.contains("||") => {
                Self { with: None, without: Some(false) }
            }
            (_, Some("")) => Self { with: Some(false), without: Some(true) },
            (_, Some(more)) if more.starts_with("||") => Self { with: None, without: Some(true) },
            _ => Self::PERHAPS,
        }
    }

    fn and(self, other: Self) -> Self {
        let both = |one: Option<bool>, other: Option<bool>| match (one, other) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        };
        Self { with: both(self.with, other.with), without: both(self.without, other.without) }
    }

    fn not(self) -> Self {
        Self { with: self.with.map(|holds| !holds), without: self.without.map(|holds| !holds) }
    }
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
                self.element(element, When::ALWAYS, &mut gathered);
            }
        }
        for section in policies.children.iter().filter(|one| matches!(one.name.as_str(), "outbound" | "on-error")) {
            self.logs(section, &mut gathered);
        }
        let says = self.text.text.get(policies.tag.0..).unwrap_or_default();
        let says = says.find("</policies>").map_or(says, |end| &says[..end]);
        gathered.binds = says.contains("x5t#S256");
        gathered.consumes |= says.contains(".AsBasic()") || says.contains(".AsJwt()");
        if let Some(place) = gathered.identity {
            gathered.authenticate(place, says);
        }
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
        // Without host names that ask, nobody does.
        Configuration { hops: vec![hop], complete: auth == ClientAuth::Off, ..Configuration::default() }
    }

    fn place(&self, bytes: (usize, usize)) -> Place {
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let (start, end) = self.text.stretch(bytes.0, bytes.1);
        Place { file: self.file, start: offset(start), end: offset(end) }
    }

    fn element(&self, element: &Element, when: When, into: &mut Gathered) {
        let place = self.place(element.tag);
        let perhaps = when != When::ALWAYS;
        match element.name.as_str() {
            "base" => into.outer = true,
            "include-fragment" => into.fragment = true,
            "set-header" => into.set_header(element, when, place),
            "validate-client-certificate" if !perhaps && element.attribute("validate-trust") != Some("false") => {
                into.validates = Some(place);
            }
            "choose" => {
                let mut left = when;
                for branch in &element.children {
                    let holds = branch.attribute("condition").map_or(When::ALWAYS, When::holds);
                    let taken = left.and(holds);
                    left = left.and(holds.not());
                    let refuses = branch.all("return-response").next().is_some();
                    if refuses && taken.without == Some(true) && taken.with != Some(true) {
                        into.validates = Some(self.place(branch.tag));
                    }
                    branch.children.iter().for_each(|child| self.element(child, taken, into));
                }
            }
            "retry" | "wait" | "limit-concurrency" => {
                element.children.iter().for_each(|child| self.element(child, when, into));
            }
            "validate-jwt" | "validate-azure-ad-token" | "authentication-basic" => into.consumes = true,
            "authentication-managed-identity" if perhaps => into.consumes = true,
            "authentication-managed-identity" if element.attribute("output-token-variable-name").is_none() => {
                into.identity = Some(place);
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
    fn set_header(&mut self, element: &Element, when: When, place: Place) {
        let Some(name) = element.attribute("name").filter(|name| !name.contains(['@', '{', '$'])) else { return };
        let name = name.to_ascii_lowercase();
        let values: Vec<Held> = element.all("value").map(|value| held(value.text.trim(), &name)).collect();
        for value in &values {
            if let Held::Certificate(form) = value {
                self.carriers.push(Carrier { header: name.clone(), form: *form, place });
            }
        }
        let action = element.attribute("exists-action").unwrap_or("override").to_owned();
        self.steps.push(Step { name, action, values, when, place });
    }

    /// The gateway's token goes on in the place of the client's. That is its business, unless proofs of the client go on
    /// beside it, and nothing here looks at them.
    fn authenticate(&mut self, place: Place, says: &str) {
        let says = says.to_ascii_lowercase();
        if self.consumes || self.fragment || !says.contains("dpop") || says.contains("\"dpop\"") {
            self.consumes = true;
            return;
        }
        let (name, action) = ("authorization".to_owned(), "override".to_owned());
        self.steps.push(Step { name, action, values: vec![Held::Other], when: When::ALWAYS, place });
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
            let done = if run.presented { step.when.with } else { step.when.without };
            match step.action.as_str() {
                _ if done == Some(false) => {
                    let before = run.slot(name);
                    if before.event.is_none() && before.values == [Held::Client] {
                        run.set(name, before.values, step.place, Cause::Conditional);
                    }
                }
                _ if done.is_none() => run.request.set(name, vec![Held::Unknown], None),
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

/// Whether an expression puts what it encodes between colons, as RFC 9440 (section 2.1) has it: `":" + … + ":"`,
/// `string.Concat(":", …, ":")`, `$":{…}:"`, `string.Format(":{0}:", …)`.
fn is_between_colons(text: &str) -> bool {
    text.matches("\":\"").count() >= 2 || text.contains("\":{") && text.contains("}:\"")
}

/// What the value of a header stands for.
fn held(text: &str, header: &str) -> Held {
    if let Some(rest) = text.split("context.Request.Certificate").nth(1) {
        let has = |word: &str| text.contains(word);
        return match () {
            () if has("SHA256") => Held::Certificate(Form::Sha256),
            () if has("RawData") || has("GetRawCertData") || has("Export") => {
                Held::Certificate(if is_between_colons(text) { Form::Rfc9440 } else { Form::DerBase64 })
            }
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
