//! What rules made of calls, such as ``Host(`a`) && PathPrefix(`/b`)``, ask of a request.

use super::hop::PathMatch;
use crate::syntax::calls::calls;

/// What a rule asks for.
#[derive(Debug, Clone)]
pub(super) struct Matched {
    /// Names, lower case; none: all.
    pub(super) hosts: Vec<String>,
    /// It asks for names that are not listed.
    pub(super) names_host: bool,
    pub(super) path: PathMatch,
    /// What else must hold.
    pub(super) when: Vec<String>,
}

impl Matched {
    /// Reads a rule; without one, anything fits.
    pub(super) fn read(rule: Option<&str>) -> Self {
        let mut matched = Self { hosts: Vec::new(), names_host: false, path: PathMatch::Any, when: Vec::new() };
        let Some(rule) = rule else { return matched };
        let calls = calls(rule);
        let is_host = |name: &str| matches!(name, "Host" | "HostSNI" | "HostHeader");
        let plain = !rule.contains('!')
            && (!rule.contains("||") || calls.iter().all(|(name, _)| is_host(name)) || alternatives_are_hosts(rule));
        for (name, arguments) in &calls {
            match name.as_str() {
                name if is_host(name) => matched
                    .hosts
                    .extend(arguments.iter().filter(|host| *host != "*").map(|host| host.to_ascii_lowercase())),
                "HostRegexp" | "HostSNIRegexp" => matched.names_host = true,
                _ if !plain => {}
                "PathPrefix" if arguments.len() == 1 && !arguments[0].contains('{') => {
                    let prefix = arguments[0].clone();
                    matched.path = if prefix == "/" { PathMatch::Any } else { PathMatch::Prefix(prefix) };
                }
                "Path" if arguments.len() == 1 && !arguments[0].contains('{') => {
                    matched.path = PathMatch::Exact(arguments[0].clone())
                }
                "PathRegexp" if arguments.len() == 1 => matched.path = PathMatch::Pattern(arguments[0].clone()),
                "PathPrefix" | "Path" => matched.path = PathMatch::Other,
                other => matched.when.push(format!("{other}({}) holds", arguments.join(", "))),
            }
        }
        if !plain {
            matched.path = PathMatch::Other;
            matched.when = vec![rule.to_owned()];
        }
        matched
    }
}

/// Whether two names, either of which may begin with `*`, have names in common.
pub(super) fn overlap(a: &str, b: &str) -> bool {
    let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
    match (a.strip_prefix('*'), b.strip_prefix('*')) {
        (Some(a), Some(b)) => a.ends_with(b) || b.ends_with(a),
        (Some(a), None) => b.ends_with(a),
        (None, Some(b)) => a.ends_with(b),
        (None, None) => a == b,
    }
}

/// Whether `||` stands only between hosts, in brackets.
fn alternatives_are_hosts(rule: &str) -> bool {
    rule.split("&&").filter(|part| part.contains("||")).all(|part| calls(part).iter().all(|(name, _)| name == "Host"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_select_names_and_paths() {
        let rule =
            Matched::read(Some("(Host(`A.example`) || Host(`b.example`)) && PathPrefix(`/v1`) && Method(`GET`)"));
        assert_eq!(rule.hosts, ["a.example", "b.example"]);
        assert_eq!(rule.path, PathMatch::Prefix("/v1".into()));
        assert_eq!(rule.when, ["Method(GET) holds"]);
        assert_eq!(Matched::read(Some("Host(`a`) && !Path(`/b`)")).path, PathMatch::Other);
        assert!(Matched::read(Some("HostRegexp(`.*`)")).names_host);
    }

    #[test]
    fn names_overlap() {
        assert!(overlap("*", "a.example") && overlap("*.example", "a.example") && overlap("a.example", "*.example"));
        assert!(overlap("A.example", "a.example") && overlap("*.a.example", "*.example"));
        assert!(!overlap("a.example", "b.example") && !overlap("*.example", "example"));
    }
}
