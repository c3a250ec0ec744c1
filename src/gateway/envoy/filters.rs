//! HTTP filters: what each does to a request before it is routed.

use super::headers::carriers;
use super::set::typed;
use crate::gateway::hop::{Carrier, Cause, Consulted, Value};
use crate::gateway::run::Run;
use crate::gateway::tree::{At, Switch};

/// A filter of the chain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filter<'a> {
    name: &'a str,
    message: &'a str,
    config: Option<At<'a>>,
    /// Where it stands.
    at: At<'a>,
}

/// The filters of a list that are switched on for a route with these levels (weighted cluster, route, virtual host, route
/// configuration).
pub(super) fn active<'a>(list: impl Iterator<Item = At<'a>>, levels: &[At<'a>]) -> Vec<Filter<'a>> {
    list.filter_map(|at| {
        let name = at.word("name").unwrap_or_default();
        let typed = typed(at);
        let filter = Filter { name, message: typed.message, config: typed.config, at };
        let disabled = match filter.overrides(levels).next() {
            Some(own) => own.switch("disabled", false),
            None => at.switch("disabled", false),
        };
        (disabled != Switch::On).then_some(filter)
    })
    .collect()
}

impl<'a> Filter<'a> {
    pub(super) fn kind(&self) -> String {
        super::set::Typed { message: self.message, config: None }.kind(self.name).to_owned()
    }

    /// Its settings at the levels of a route, most specific first.
    fn overrides<'l>(&self, levels: &'l [At<'a>]) -> impl Iterator<Item = At<'a>> + use<'a, 'l> {
        let name = self.name;
        levels.iter().filter_map(move |level| {
            let own = level.get("typed_per_filter_config").or_else(|| level.get("per_filter_config"))?;
            let (_, at) = own.entries().find(|(key, _)| *key == name)?;
            Some(if at.word("@type").is_some_and(|t| t.ends_with(".FilterConfig")) && at.get("config").is_some() {
                at.get("config").unwrap_or(at)
            } else {
                at
            })
        })
    }

    /// The most specific of its settings, or those of the filter itself.
    pub(super) fn setting(&self, levels: &[At<'a>]) -> Option<At<'a>> {
        self.overrides(levels).next().or(self.config)
    }

    /// What it is to put into headers of the certificate.
    pub(super) fn carriers(&self, levels: &[At<'a>]) -> Vec<Carrier> {
        if self.kind() != "header_mutation" {
            return Vec::new();
        }
        self.config.into_iter().chain(self.overrides(levels)).flat_map(carriers).collect()
    }

    /// Lets a request through; `false` where it is turned away. What else must hold for it to get on is added to `when`.
    pub(super) fn run(&self, run: &mut Run, levels: &[At<'a>], when: &mut Vec<String>) -> bool {
        match self.kind().as_str() {
            "header_mutation" => {
                let mutations =
                    |at: At<'a>| at.path(&["mutations", "request_mutations"]).into_iter().flat_map(At::items);
                run.mutations(self.config.into_iter().flat_map(mutations));
                let mut per_route: Vec<At<'a>> = self.overrides(levels).collect();
                let wins = self.config.map(|at| at.switch("most_specific_header_mutations_wins", false));
                if wins == Some(Switch::On) {
                    per_route.reverse();
                }
                run.mutations(per_route.into_iter().flat_map(mutations));
            }
            "jwt_authn" => self.jwt(run, levels, when),
            "rbac" => return self.rbac(run, levels, when),
            "ext_authz" => {
                when.push("the authorization service agrees".to_owned());
                self.authorized(run);
            }
            "oauth2" => {
                when.push("the client is logged in".to_owned());
                let config = self.config.and_then(|at| at.get("config"));
                let keeps = config.is_some_and(|at| at.switch("preserve_authorization_header", false) != Switch::Off);
                if !keeps {
                    let place = self.at.place();
                    run.set("authorization", vec![Value::Unknown], place, Cause::Set);
                }
            }
            "header_to_metadata" => {
                for rule in self.setting(levels).into_iter().flat_map(|at| at.list("request_rules")) {
                    if rule.switch("remove", false) == Switch::On
                        && let Some(header) = rule.get("header")
                        && let Some(name) = header.text()
                    {
                        run.remove(name, header.place(), Cause::Consumed);
                    }
                }
            }
            "lua" => self.lua(run, levels),
            "basic_auth" | "api_key_auth" => when.push("the client gives its password".to_owned()),
            "credential_injector" | "gcp_authn" | "aws_request_signing" | "aws_lambda" => {
                run.set("authorization", vec![Value::Unknown], self.at.place(), Cause::Set);
            }
            "ext_proc" => {
                let mode = self.config.and_then(|at| at.path(&["processing_mode", "request_header_mode"])?.text());
                if mode != Some("SKIP") {
                    run.anything();
                }
            }
            kind if HARMLESS.contains(&kind) => {}
            _ => run.anything(),
        }
        true
    }

    /// The token that was checked is taken out of the request unless `forward` is set.
    fn jwt(&self, run: &mut Run, levels: &[At<'a>], when: &mut Vec<String>) {
        let Some(config) = self.config else { return };
        let Some(providers) = config.get("providers") else { return };
        let Some(names) = required_providers(config, self.setting(levels), levels) else { return };
        let chosen: Vec<(&str, At<'a>)> =
            providers.entries().filter(|(name, _)| names.is_empty() || names.contains(name)).collect();
        when.push("its token is valid".to_owned());
        let takes = |provider: At<'a>| -> Vec<String> {
            if provider.switch("forward", false) == Switch::On {
                return Vec::new();
            }
            let headers: Vec<String> =
                provider.list("from_headers").filter_map(|at| Some(at.word("name")?.to_ascii_lowercase())).collect();
            let elsewhere = ["from_params", "from_cookies"].iter().any(|key| provider.get(key).is_some());
            if headers.is_empty() && !elsewhere { vec!["authorization".to_owned()] } else { headers }
        };
        for (_, provider) in &chosen {
            for name in takes(*provider) {
                let place = provider.get("forward").unwrap_or(*provider).place();
                if chosen.iter().all(|(_, other)| takes(*other).contains(&name)) {
                    run.remove(&name, place, Cause::Consumed);
                } else {
                    run.set(&name, vec![Value::Unknown], place, Cause::Consumed);
                }
            }
            let payload = provider.get("forward_payload_header");
            let claims = provider.list("claim_to_headers").filter_map(|at| at.get("header_name"));
            for header in payload.into_iter().chain(claims) {
                if let Some(name) = header.text() {
                    run.set(name, vec![Value::Other], header.place(), Cause::Set);
                }
            }
        }
    }

    fn rbac(&self, run: &Run, levels: &[At<'a>], when: &mut Vec<String>) -> bool {
        let own = self.overrides(levels).next().map(|at| at.get("rbac"));
        let Some(config) = own.unwrap_or(self.config) else { return true };
        if config.get("matcher").is_some() {
            when.push("the RBAC filter agrees".to_owned());
            return true;
        }
        let Some(rules) = config.get("rules") else { return true };
        let matched = any(rules.get("policies").into_iter().flat_map(At::entries).map(|(_, policy)| {
            let lists = [
                any(policy.list("permissions").map(|p| condition(p, run))),
                any(policy.list("principals").map(|p| condition(p, run))),
            ];
            all(lists.into_iter())
        }));
        let passes = match rules.word("action") {
            None | Some("ALLOW" | "0") => matched,
            Some("DENY" | "1") => matched.map(|matched| !matched),
            Some(_) => Some(true),
        };
        if passes.is_none() {
            when.push("the RBAC filter agrees".to_owned());
        }
        passes != Some(false)
    }

    /// What an authorization service may do to the request.
    fn authorized(&self, run: &mut Run) {
        let Some(config) = self.config else { return };
        if config.get("grpc_service").is_some() && config.switch("include_peer_certificate", false) != Switch::Off {
            run.anything(); // it sees the certificate, and may put it into a header
        }
        let response = config.path(&["http_service", "authorization_response"]);
        for list in ["allowed_upstream_headers", "allowed_upstream_headers_to_append"] {
            for pattern in response.and_then(|at| at.get(list)).into_iter().flat_map(|at| at.list("patterns")) {
                match pattern.word("exact") {
                    Some(name) => run.set(name, vec![Value::Unknown], pattern.place(), Cause::Set),
                    None => run.anything(),
                }
            }
        }
    }

    /// Whom the filter asks about a request.
    pub(super) fn consults(&self) -> Option<Consulted> {
        if self.kind() != "ext_authz" {
            return None;
        }
        let config = self.config?;
        let http = config.get("http_service");
        let list = config
            .get("allowed_headers")
            .or_else(|| http.and_then(|at| at.path(&["authorization_request", "allowed_headers"])));
        let listed = |name: &str| {
            let patterns = list.into_iter().flat_map(|at| at.list("patterns"));
            patterns.into_iter().any(|pattern| allows(pattern, name))
        };
        if list.is_none() && http.is_none() {
            return None; // over gRPC it gets them all
        }
        let service = http.and_then(|at| at.path(&["server_uri", "cluster"])).and_then(At::text);
        Some(Consulted {
            label: service.unwrap_or("the authorization service").to_owned(),
            authorization: http.is_some() || listed("authorization"),
            dpop: listed("dpop"),
            place: list.or(http)?.place(),
        })
    }

    /// Lua can do anything; what its source does not speak of it does not do.
    fn lua(&self, run: &mut Run, levels: &[At<'a>]) {
        let Some(config) = self.setting(levels) else { return };
        let source = config
            .path(&["default_source_code", "inline_string"])
            .or_else(|| config.path(&["source_code", "inline_string"]))
            .or_else(|| config.get("inline_code"));
        let Some(source) = source.and_then(At::text) else {
            return run.anything();
        };
        let changes = [":remove", ":replace", ":add", ":setHttp"].iter().any(|call| source.contains(call));
        if !changes || !source.contains("envoy_on_request") {
            return;
        }
        if source.contains("SslConnection") || source.contains("eerCertificate") {
            return run.anything();
        }
        // Without a condition anywhere, what is taken away is gone.
        let sure = !source.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| matches!(word, "if" | "and" | "or"));
        let removed: Vec<&str> = source
            .split(":remove(")
            .skip(1)
            .filter_map(|rest| rest.trim_start().strip_prefix(['"', '\''])?.split(['"', '\'']).next())
            .filter(|_| sure && !source.contains("envoy_on_response"))
            .collect();
        for name in &removed {
            run.remove(name, self.at.place(), Cause::Removed);
        }
        for name in source.split(['"', '\'']).skip(1).step_by(2).filter(|name| !removed.contains(name)) {
            if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
                run.set(name, vec![Value::Unknown], self.at.place(), Cause::Set);
            }
        }
    }
}

/// Filters that leave the headers of interest alone.
const HARMLESS: &[&str] = &[
    "router",
    "cors",
    "buffer",
    "fault",
    "health_check",
    "ratelimit",
    "rate_limit",
    "local_ratelimit",
    "local_rate_limit",
    "rate_limit_quota",
    "compressor",
    "decompressor",
    "gzip",
    "brotli",
    "csrf",
    "grpc_web",
    "grpc_stats",
    "grpc_json_transcoder",
    "grpc_http1_bridge",
    "grpc_http1_reverse_bridge",
    "connect_grpc_bridge",
    "ip_tagging",
    "stateful_session",
    "set_metadata",
    "set_filter_state",
    "json_to_metadata",
    "tap",
    "on_demand",
    "original_src",
    "dynamic_forward_proxy",
    "bandwidth_limit",
    "admission_control",
    "adaptive_concurrency",
    "cache",
    "cdn_loop",
    "file_system_buffer",
    "kill_request",
    "geoip",
    "custom_response",
    "dynamo",
    "squash",
    "upstream_codec",
];

/// The providers that a route's requirement names; all, as an empty list, where any token will do; `None` where nothing is
/// required.
fn required_providers<'a>(config: At<'a>, own: Option<At<'a>>, levels: &[At<'a>]) -> Option<Vec<&'a str>> {
    if let Some(own) = own.filter(|own| own.node != config.node) {
        if own.switch("disabled", false) == Switch::On {
            return None;
        }
        let requirement = own.word("requirement_name")?;
        return Some(providers_of(config.get("requirement_map")?.entries().find(|(name, _)| *name == requirement)?.1));
    }
    let route = levels.iter().find_map(|level| level.get("match"));
    let rule = config.list("rules").find(|rule| {
        let Some(matched) = rule.get("match") else { return true };
        let Some(prefix) = matched.word("prefix").or_else(|| matched.word("path_separated_prefix")) else {
            return match (matched.word("path"), route.and_then(|at| at.word("path"))) {
                (Some(rule), Some(path)) => rule == path,
                _ => true,
            };
        };
        let path = route
            .and_then(|at| at.word("prefix").or_else(|| at.word("path")).or_else(|| at.word("path_separated_prefix")));
        // A rule for a part of the route's paths is one of the ways it can go; it is the one worth telling.
        path.is_none_or(|path| path.starts_with(prefix) || prefix.starts_with(path))
    })?;
    if let Some(name) = rule.word("requirement_name") {
        return Some(providers_of(config.get("requirement_map")?.entries().find(|(key, _)| *key == name)?.1));
    }
    rule.get("requires").map(providers_of)
}

fn providers_of(requirement: At<'_>) -> Vec<&str> {
    // No deeper than the tree.
    let mut names: Vec<&str> = Vec::new();
    for (key, value) in requirement.entries() {
        match key {
            "provider_name" | "providerName" => names.extend(value.text()),
            "provider_and_audiences" | "providerAndAudiences" => names.extend(value.word("provider_name")),
            "requires_any" | "requiresAny" | "requires_all" | "requiresAll" => {
                names.extend(value.list("requirements").flat_map(providers_of));
            }
            _ => {}
        }
    }
    names
}

/// Whether a string matcher takes a header's name; patterns that can't be told do.
fn allows(pattern: At<'_>, name: &str) -> bool {
    let text = |key| pattern.word(key).map(str::to_ascii_lowercase);
    text("exact").is_some_and(|text| text == name)
        || text("prefix").is_some_and(|text| name.starts_with(&text))
        || text("suffix").is_some_and(|text| name.ends_with(&text))
        || text("contains").is_some_and(|text| name.contains(&text))
        || pattern.get("safe_regex").is_some()
        || pattern.get("custom").is_some()
}

/// What an RBAC permission or principal says of a request; `None` if that depends on something else.
fn condition(at: At<'_>, run: &Run) -> Option<bool> {
    // No deeper than the tree.
    let (key, value) = at.entries().next()?;
    match key {
        "any" => Some(true),
        "authenticated" if !run.presented => Some(false),
        "authenticated" if value.get("principal_name").is_none() => Some(true),
        "and_rules" | "andRules" => all(value.list("rules").map(|at| condition(at, run))),
        "or_rules" | "orRules" => any(value.list("rules").map(|at| condition(at, run))),
        "and_ids" | "andIds" => all(value.list("ids").map(|at| condition(at, run))),
        "or_ids" | "orIds" => any(value.list("ids").map(|at| condition(at, run))),
        "not_rule" | "notRule" | "not_id" | "notId" => condition(value, run).map(|holds| !holds),
        _ => None,
    }
}

/// Whether all hold; one that does not settles it, whatever can't be told of the others.
fn all(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut known = true;
    for part in parts {
        match part {
            Some(true) => {}
            Some(false) => return Some(false),
            None => known = false,
        }
    }
    known.then_some(true)
}

fn any(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    all(parts.map(|part| part.map(|holds| !holds))).map(|holds| !holds)
}
