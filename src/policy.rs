//! The policy: how long a token of each kind may live, which severities the user sees differently, what is left out.
//! The defaults come from RFC 6750, RFC 9449 and the issuers' own defaults; `keybound.toml` overrides them.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::finding::Severity;
use crate::span::LineColumn;

/// What the judge goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Longest lifetime in seconds, by kind.
    ttl: BTreeMap<String, i64>,
    /// Severities the user fixed, by rule; `None` switches the rule off.
    pub severity: BTreeMap<String, Option<Severity>>,
    /// Globs of paths (relative to the scan root) that are not scanned.
    pub exclude: Vec<String>,
}

/// Kinds and their longest lifetimes in seconds. A token may live exactly this long: 3600 passes, 3601 does not.
const DEFAULT_TTL: &[(&str, i64)] = &[
    ("access", 3_600),        // RFC 6750, section 5.3: one hour or less
    ("access-bound", 86_400), // binding lowers the risk, it does not remove it
    ("entra-access", 5_400),  // random between 60 and 90 minutes
    ("id", 3_600),
    ("dpop-proof", 300), // RFC 9449, section 11.1: seconds to minutes
    ("client-assertion", 300),
    ("request-object", 3_600),
    ("logout", 120),
    ("ci-oidc", 600),
    ("k8s-sa", 3_607), // what the kubelet asks for
    ("jwt-svid", 300),
    ("refresh", 2_592_000), // 30 days
    ("session", 86_400),
    ("pat", 7_776_000), // 90 days
    ("sas", 604_800),   // 7 days
    ("saml", 300),      // a bearer assertion is delivered at once
    ("saml-bound", 3_600),
    ("client-cert", 7_776_000), // 90 days: cert-manager's default, and what public authorities go down to
    ("presigned", 604_800),
];

impl Default for Policy {
    fn default() -> Self {
        Self {
            ttl: DEFAULT_TTL.iter().map(|(kind, seconds)| ((*kind).to_owned(), *seconds)).collect(),
            severity: BTreeMap::new(),
            exclude: Vec::new(),
        }
    }
}

/// Something wrong in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError {
    /// Where, where that is known.
    pub place: Option<LineColumn>,
    /// What.
    pub what: String,
}

impl std::fmt::Display for PolicyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.place {
            Some(place) => write!(f, "{}:{}: {}", place.line, place.column, self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl std::error::Error for PolicyError {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    #[serde(default)]
    ttl: BTreeMap<toml::Spanned<String>, toml::Spanned<Duration>>,
    #[serde(default)]
    severity: BTreeMap<toml::Spanned<String>, toml::Spanned<String>>,
    #[serde(default)]
    exclude: Vec<toml::Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Duration {
    Seconds(i64),
    Words(String),
}

impl Policy {
    /// The longest lifetime of that kind in seconds; `None` where the policy sets none.
    pub fn ttl(&self, kind: &str) -> Option<i64> {
        self.ttl.get(kind).copied()
    }

    /// How grave a rule's finding is, `own` being its own severity; `None` where the rule is switched off.
    pub fn severity_of(&self, rule: &str, own: Severity) -> Option<Severity> {
        self.severity.get(rule).copied().unwrap_or(Some(own))
    }

    /// The defaults with what `text` (TOML) overrides. `is_rule` says whether a slug is a rule.
    ///
    /// # Errors
    /// Syntax errors, unknown keys, kinds or rules, and values that can't be; with their place.
    pub fn from_toml(text: &str, is_rule: impl Fn(&str) -> bool) -> Result<Self, PolicyError> {
        let error = |at: usize, what: String| PolicyError { place: Some(LineColumn::of(text.as_bytes(), at)), what };
        let file: File = toml::from_str(text).map_err(|e| PolicyError {
            place: e.span().map(|span| LineColumn::of(text.as_bytes(), span.start)),
            what: e.message().to_owned(),
        })?;
        let mut policy = Self::default();
        for (kind, duration) in file.ttl {
            let at = kind.span().start;
            let Some(slot) = policy.ttl.get_mut(kind.get_ref()) else {
                let known: Vec<_> = DEFAULT_TTL.iter().map(|(kind, _)| *kind).collect();
                return Err(error(at, format!("unknown kind `{}`; known: {}", kind.get_ref(), known.join(", "))));
            };
            let at = duration.span().start;
            *slot = match duration.get_ref() {
                Duration::Seconds(seconds) if *seconds > 0 => *seconds,
                Duration::Words(words) => parse_duration(words)
                    .ok_or_else(|| error(at, "a duration is seconds, or a number with s, m, h or d".to_owned()))?,
                Duration::Seconds(_) => return Err(error(at, "a lifetime is more than 0 seconds".to_owned())),
            };
        }
        for (rule, word) in file.severity {
            if !is_rule(rule.get_ref()) {
                return Err(error(rule.span().start, format!("unknown rule `{}`", rule.get_ref())));
            }
            let severity = match word.get_ref().as_str() {
                "off" => None,
                other => Some(Severity::from_word(other).ok_or_else(|| {
                    error(word.span().start, "a severity is critical, high, medium, low, info or off".to_owned())
                })?),
            };
            policy.severity.insert(rule.into_inner(), severity);
        }
        for glob in file.exclude {
            if let Err(e) = ignore::overrides::OverrideBuilder::new("").add(&format!("!{}", glob.get_ref())) {
                // The error quotes the glob, which the user can look up.
                let what = if let ignore::Error::Glob { err, .. } = e { err } else { "not a glob".to_owned() };
                return Err(error(glob.span().start, what));
            }
            policy.exclude.push(glob.into_inner());
        }
        Ok(policy)
    }
}

/// `90`, `90s`, `15m`, `1h`, `7d`; more than zero.
pub fn parse_duration(words: &str) -> Option<i64> {
    let words = words.trim();
    let (number, unit) = match words.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => words.split_at(at),
        None => (words, "s"),
    };
    let unit = match unit.trim() {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit).filter(|seconds| *seconds > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Policy, String> {
        Policy::from_toml(text, |slug| slug == "jwt-unbound").map_err(|e| e.to_string())
    }

    #[test]
    fn overrides_what_it_names() {
        let text = "exclude = ['vendor/**']\n[ttl]\naccess = '5m'\nid = 60\n[severity]\njwt-unbound = 'off'\n";
        let policy = read(text).expect("a policy");
        assert_eq!((policy.ttl("access"), policy.ttl("id"), policy.ttl("logout")), (Some(300), Some(60), Some(120)));
        assert_eq!(policy.severity["jwt-unbound"], None);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, start) in [
            ("[ttl]\naccess = '5 minutes'\n", "2:10: a duration"),
            ("[ttl]\naccess = 0\n", "2:10: a lifetime"),
            ("[ttl]\nacces = 5\n", "2:1: unknown kind"),
            ("[severity]\njwt-unbount = 'low'\n", "2:1: unknown rule"),
            ("[severity]\njwt-unbound = 'loud'\n", "2:15: a severity"),
            ("excludes = []\n", "1:1: unknown field"),
            ("exclude = ['[']\n", "1:12: "),
            ("exclude = [\n", "1:12: "),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.starts_with(start), "{text:?}: {error}");
        }
    }
}
