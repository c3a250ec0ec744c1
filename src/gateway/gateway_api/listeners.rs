//! Listeners of gateways, and which policies are for them.

use super::{Api, Transport};
use crate::config::kubernetes::{self, Object};
use crate::gateway::tree::At;

/// A listener of a gateway.
#[derive(Debug, Clone, Copy)]
pub(in crate::gateway) struct Listener<'a> {
    pub(in crate::gateway) gateway: Object<'a>,
    pub(in crate::gateway) at: At<'a>,
}

impl<'a> Listener<'a> {
    /// Whether TLS is no matter of this listener: there is none, or it goes on to the upstream.
    pub(in crate::gateway) fn is_plain(&self) -> bool {
        matches!(self.at.word("protocol"), Some("HTTP" | "TCP" | "UDP")) || self.passes()
    }

    /// How it is called where it has no port.
    pub(super) fn label(&self) -> String {
        format!("gateway {}", self.gateway.name.unwrap_or("without a known name"))
    }

    /// Whether a route that names the gateway so means this listener, too.
    pub(in crate::gateway) fn is_meant(&self, parent: At<'_>) -> bool {
        let is = |key: &str, own: &str| {
            parent.word(key).is_none_or(|wanted| self.at.word(own).is_none_or(|own| own == wanted))
        };
        is("sectionName", "name") && is("port", "port")
    }

    /// Whether TLS goes on to the upstream.
    pub(in crate::gateway) fn passes(&self) -> bool {
        self.at.path(&["tls", "mode"]).and_then(At::text) == Some("Passthrough")
    }

    /// What asks for client certificates as the API has it, and whether they must verify: of the gateway for this port or
    /// for all, or of the listener, as it was before version 1.4.
    pub(in crate::gateway) fn validation(&self) -> Option<(At<'a>, bool)> {
        let port = self.at.word("port");
        let frontend = self.gateway.spec().and_then(|spec| spec.path(&["tls", "frontend"]));
        let of_port = frontend.and_then(|at| at.list("perPort").find(|one| one.word("port") == port && port.is_some()));
        let chosen = of_port.and_then(|one| one.get("tls")).or_else(|| frontend?.get("default"));
        let at = chosen.and_then(|at| at.get("validation")).or_else(|| self.at.path(&["tls", "frontendValidation"]))?;
        Some((at, at.word("mode") != Some("AllowInsecureFallback")))
    }

    /// What Istio's option says.
    pub(super) fn istio(&self) -> Transport<'a> {
        let options = self.at.path(&["tls", "options"]);
        let mode = options.and_then(|at| at.entries().find(|(key, _)| *key == "gateway.istio.io/tls-terminate-mode"));
        match mode {
            None => Transport::Ends(self.at),
            Some((_, at)) => match at.text() {
                Some("MUTUAL" | "ISTIO_MUTUAL") => Transport::Asks { at, required: true, verified: true },
                Some("OPTIONAL_MUTUAL") => Transport::Asks { at, required: false, verified: true },
                Some(_) => Transport::Ends(at),
                None => Transport::Unknown(at),
            },
        }
    }
}

/// A reference by which a policy is for an object; with the name of a part of it, if it is for that alone.
pub(in crate::gateway) fn targets<'a>(
    api: &Api<'a>,
    policy: &Object<'a>,
    object: &Object<'a>,
) -> Option<Option<&'a str>> {
    let spec = policy.spec()?;
    if !kubernetes::may_be_same(policy.namespace, object.namespace) || !api.objects.sees(policy.at.file, object.at.file)
    {
        return None;
    }
    let named = spec.get("targetRef").into_iter().chain(spec.list("targetRefs"));
    for target in named {
        if target.word("kind") != Some(object.kind) || target.word("name") != object.name || object.name.is_none() {
            continue;
        }
        let found = api.objects.find(policy.at.file, super::GROUP, object.kind, policy.namespace, object.name?);
        if found.one().is_some_and(|found| found.at.file == object.at.file && found.at.node == object.at.node) {
            return Some(target.word("sectionName"));
        }
    }
    let selected = |selector: At<'a>| {
        selector.word("kind") == Some(object.kind) && kubernetes::selects(selector, object.labels()) == Some(true)
    };
    spec.list("targetSelectors").any(selected).then_some(None)
}
