//! Where KrakenD writes what clients send: formats of its own for the access log and for those of backends (Enterprise), and
//! headers in traces.

use super::extra;
use crate::gateway::hop::{Credential, Logged};
use crate::gateway::tree::{At, Switch};

/// What a way writes.
pub(super) fn of(root: At<'_>, endpoint: At<'_>, backend: At<'_>) -> Vec<Logged> {
    let mut found = Vec::new();
    let names =
        ["telemetry/logging", "github_com/devopsfaith/krakend-gologging", "github.com/devopsfaith/krakend-gologging"];
    let silent = extra(root, "router").is_some_and(|at| at.switch("disable_access_log", false) == Switch::On);
    for logging in [root, backend].into_iter().flat_map(|at| names.iter().filter_map(move |name| extra(at, name))) {
        let chosen = logging.get("access_log_format").filter(|at| at.text() == Some("custom") && !silent);
        if let (Some(chosen), Some(format)) = (chosen, logging.get("access_log_custom_format")) {
            found.extend(written(format, Some(chosen)));
        }
        for inner in ["backend", "backend_log"].iter().filter_map(|key| logging.get(key)) {
            found.extend(inner.get("custom_format").into_iter().flat_map(|format| written(format, None)));
        }
    }
    for telemetry in [root, endpoint, backend].into_iter().filter_map(|at| extra(at, "telemetry/opentelemetry")) {
        found.extend(traced(telemetry));
    }
    found
}

/// What a format writes: `%{header.Authorization}`.
fn written(format: At<'_>, active: Option<At<'_>>) -> Vec<Logged> {
    let text = format.text().unwrap_or_default().to_ascii_lowercase();
    let one = |(name, what)| {
        let variable = format!("%{{header.{name}}}");
        text.contains(&variable).then(|| Logged { what, place: format.place(), active: active.map(At::place) })
    };
    [("authorization", Credential::Authorization), ("dpop", Credential::Dpop)].into_iter().filter_map(one).collect()
}

/// Headers that are put into traces, of whichever layer.
fn traced(telemetry: At<'_>) -> Option<Logged> {
    let layers = telemetry.get("layers").unwrap_or(telemetry);
    ["global", "proxy", "backend"].iter().filter_map(|name| layers.get(name)).find_map(|layer| {
        let layer = if layer.get("report_headers").is_some() { layer } else { layer.get("traces")? };
        let reported = layer.get("report_headers").filter(|_| layer.switch("report_headers", false) == Switch::On)?;
        let skipped =
            |name: &str| layer.list("skip_headers").filter_map(At::text).any(|one| one.eq_ignore_ascii_case(name));
        let what = match (skipped("authorization"), skipped("dpop")) {
            (true, true) => return None,
            (true, false) => Credential::OtherHeaders,
            _ => Credential::AllHeaders,
        };
        Some(Logged { what, place: reported.place(), active: None })
    })
}
