//! The words every audit reports in: findings, where they stand, how grave and how sure they are, and what was not
//! examined. A finding holds no [`Secret`](crate::secret::Secret), so no report can print one.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing, nothing to do now.
    Info,
    /// Mend it when you are there.
    Low,
    /// Mend it soon.
    Medium,
    /// Somebody else could use it.
    High,
    /// Somebody else could use it, and it reaches far.
    Critical,
}

impl Severity {
    /// All severities, gravest first.
    pub const ALL: [Self; 5] = [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Info];

    /// The word used in records, options and rule files.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The severity of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.word() == word)
    }

    /// One step less grave; `Info` stays.
    pub const fn lowered(self) -> Self {
        match self {
            Self::Critical => Self::High,
            Self::High => Self::Medium,
            Self::Medium => Self::Low,
            Self::Low | Self::Info => Self::Info,
        }
    }

    /// One step graver; `Critical` stays.
    pub const fn raised(self) -> Self {
        match self {
            Self::Critical | Self::High => Self::Critical,
            Self::Medium => Self::High,
            Self::Low => Self::Medium,
            Self::Info => Self::Low,
        }
    }
}

/// How sure a finding is: proved (checksum, decoded claims), shown by its context, or only shaped like one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// The shape alone, or a proof that failed.
    Low,
    /// The context names it.
    Medium,
    /// Proved by checksum or decoding.
    High,
}

impl Confidence {
    /// All, least sure first.
    pub const ALL: [Self; 3] = [Self::Low, Self::Medium, Self::High];

    /// The word used in records.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// Where a finding stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Location {
    /// Path relative to the scan root, with `/`; `-` is standard input. Tokens in it are redacted.
    pub path: Arc<str>,
    /// Line from 1.
    pub line: u64,
    /// Column in bytes from 1.
    pub column: u64,
    /// Line of the byte after the last one.
    pub end_line: u64,
    /// Column of the byte after the last one.
    pub end_column: u64,
    /// Offset of the first byte in the file.
    pub byte_start: u64,
    /// Offset one past the last byte.
    pub byte_end: u64,
    /// Encodings that were undone around the token, outermost first.
    pub layers: Vec<&'static str>,
    /// Path inside an archive.
    pub member: Option<Arc<str>>,
    /// Git commit that first brought it.
    pub commit: Option<Arc<str>>,
    /// When that commit's author wrote it, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author_date: Option<String>,
    /// Lines, columns and offsets count in what was unpacked, not in the file at `path`.
    #[serde(skip)]
    pub packed: bool,
}

/// Another place that belongs to a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Related {
    /// As in [`Location`].
    pub path: Arc<str>,
    /// Path inside an archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<Arc<str>>,
    /// Line from 1.
    pub line: u64,
    /// Column in bytes from 1.
    pub column: u64,
    /// Why this place is named.
    pub message: Cow<'static, str>,
    /// As in [`Location`].
    #[serde(skip)]
    pub packed: bool,
}

/// What is known of a token; every value is made safe to print before it gets here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenRecord {
    /// 64 hexadecimal digits, see [`Fingerprint`](crate::secret::Fingerprint).
    pub fingerprint: String,
    /// `jwt`, `jws`, `jwe`, `jws-json`, `jwe-json`, `saml`, `opaque` …
    pub kind: &'static str,
    /// JOSE `alg`.
    pub alg: Option<Arc<str>>,
    /// JOSE `typ`.
    pub typ: Option<Arc<str>>,
    /// `iss`.
    pub issuer: Option<Arc<str>>,
    /// `aud`, as a list.
    pub audience: Vec<Arc<str>>,
    /// `sub`.
    pub subject: Option<Arc<str>>,
    /// How it is bound to a key: `none`, `x5t#S256`, `jkt`, `jwk`, `kid`, `jku`, `jwe`, `malformed`, `self-leaked`,
    /// `unknown`.
    pub binding: &'static str,
    /// `live`, `expired`, `not-yet`, `never-expires`, `unknown`.
    pub state: &'static str,
    /// `exp` - `iat` in seconds, where both are known.
    pub ttl_seconds: Option<i64>,
    /// RFC 3339.
    pub issued_at: Option<String>,
    /// RFC 3339.
    pub expires_at: Option<String>,
    /// Seconds until it expires, where it is live and that is known.
    pub remaining_seconds: Option<i64>,
    /// Whether it reaches further than an ordinary user's token.
    pub privileged: bool,
}

/// What is known of a private key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyRecord {
    /// 64 hexadecimal digits; the same for one key in several containers, as far as they are not encrypted.
    pub fingerprint: String,
    /// What it stands in: `pem`, `der`, `jwk`, `pkcs12`, `keystore`, `openssh`, `putty`, `age`, `pgp`.
    pub format: &'static str,
    /// Algorithm and size, such as `EC P-256` or `RSA 2048`, where that can be seen.
    pub algorithm: Option<String>,
    /// A passphrase that is not empty guards it.
    pub encrypted: bool,
    /// The JWK thumbprint of its public half (RFC 7638), base64url.
    pub jkt: Option<String>,
    /// The thumbprints of certificates of this key that were found in the same scan (RFC 8705), base64url.
    #[serde(rename = "x5t#S256")]
    pub certificates: Vec<String>,
}

/// Which way through a gateway a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HopRecord {
    /// The product: `nginx`, `haproxy` …
    pub gateway: &'static str,
    /// Where clients connect.
    pub listener: String,
    /// Which requests go this way.
    pub route: String,
    /// Where they go.
    pub upstream: String,
    /// The header it is about.
    pub header: Option<String>,
    /// The gateways on the way, the edge first, where one gateway does not show it by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
}

/// Which setting of an issuer a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IssuerRecord {
    /// The product: `keycloak`, `auth0` …
    pub product: &'static str,
    /// The client or API that it is for; all of them, where there is none.
    pub client: Option<String>,
    /// What the setting is called.
    pub setting: String,
}

/// One thing to report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The gravest fault, a slug of `rules/`.
    pub rule: &'static str,
    /// The token family, a slug of `rules/tokens/`.
    pub family: Option<&'static str>,
    /// How grave.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// What it means, one sentence.
    pub message: String,
    /// All faults, gravest first.
    pub faults: Vec<&'static str>,
    /// Where.
    pub location: Location,
    /// Further places.
    pub related: Vec<Related>,
    /// How often it was seen in all.
    pub occurrences: u64,
    /// What carried it.
    pub carrier: &'static str,
    /// The token, for the token audit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenRecord>,
    /// The private key, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyRecord>,
    /// The way through a gateway, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hop: Option<HopRecord>,
    /// The setting of an issuer, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<IssuerRecord>,
    /// The product's own slug for what is wrong, where there is one: `nginx-set-header-inheritance-wipe`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// Why it was judged so.
    pub because: Vec<String>,
    /// What to do, one sentence.
    pub fix: String,
}

impl Finding {
    /// What it is about, wherever it stands: the same text for the same token, key, way through a gateway, or
    /// setting of an issuer.
    pub fn identity(&self) -> String {
        match (self.fingerprint(), &self.hop) {
            (Some(fingerprint), _) => fingerprint.to_owned(),
            (None, Some(hop)) => {
                let header = hop.header.as_deref().unwrap_or_default();
                let reason = self.reason.unwrap_or_default();
                [self.rule, reason, hop.gateway, &hop.listener, &hop.route, &hop.upstream, header].join("\0")
            }
            (None, None) => match &self.issuer {
                Some(issuer) => {
                    let client = issuer.client.as_deref().unwrap_or_default();
                    let reason = self.reason.unwrap_or_default();
                    [self.rule, reason, issuer.product, client, &issuer.setting].join("\0")
                }
                None => self.rule.to_owned(),
            },
        }
    }

    /// The path that it stands at; in an archive with the path within after `!/`.
    pub fn path(&self) -> String {
        match &self.location.member {
            Some(member) => format!("{}!/{member}", self.location.path),
            None => self.location.path.to_string(),
        }
    }

    /// The fingerprint of what was found.
    pub fn fingerprint(&self) -> Option<&str> {
        let token = self.token.as_ref().map(|token| &token.fingerprint);
        token.or(self.key.as_ref().map(|key| &key.fingerprint)).map(String::as_str)
    }
}

/// How far a file was examined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Looked at, with something to say about it.
    Examined,
    /// Not looked at.
    Skipped,
    /// Could not be read as what it is.
    Unparsed,
    /// Looked at in part.
    Truncated,
}

/// What was not plainly examined, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Coverage {
    /// As in [`Location`].
    pub path: Arc<str>,
    /// Path inside an archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<Arc<str>>,
    /// How far it was examined.
    pub status: Status,
    /// Why.
    pub reason: String,
}

/// A token that was recognised and deliberately not reported as a finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Suppressed {
    /// As in [`Location`].
    pub path: Arc<str>,
    /// Path inside an archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<Arc<str>>,
    /// Line from 1.
    pub line: u64,
    /// Column in bytes from 1.
    pub column: u64,
    /// How often it was seen in all.
    pub occurrences: u64,
    /// Its fingerprint.
    pub fingerprint: String,
    /// The token family.
    pub family: &'static str,
    /// Why it is not a finding.
    pub reason: String,
}
