//! A token family as data: how its tokens are recognised, what proves one, and the page about it.

use std::sync::OnceLock;

use regex::bytes::Regex;

use super::decoder::Decoder;
use super::key::{self, KeyMatch};
use super::reader::{Fields, Result};
use super::{Reference, Taxa, unsplit};
use crate::finding::Confidence;
use crate::span::LineColumn;
use crate::syntax::yaml::Node;

/// Where the anchor stands in the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnchorAt {
    /// The token starts with it.
    Prefix,
    /// It stands inside; what stands before it matches this expression.
    Inside {
        /// Expression for what stands between the token's start and the anchor.
        lead: String,
    },
    /// It stands before the token; what stands between the two matches this expression.
    Before {
        /// Expression for what stands between anchor and token.
        lead: String,
    },
}

/// A checksum that the issuer builds into its tokens; see `token::proof`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// GitHub and npm: CRC-32 in base 62, six characters at the end.
    Github,
    /// GitLab's routable tokens: CRC-32 in base 36, seven characters at the end.
    GitlabRoutable,
    /// Grafana's service accounts: CRC-32 in hexadecimal, eight characters at the end.
    Grafana,
}

/// What a checksum that does not fit means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnChecksumFailure {
    /// Not a token.
    Drop,
    /// Reported at low severity and confidence.
    Suspect,
}

/// What an issuer can bind the family's tokens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bindable {
    /// Nothing: whoever holds one can use it.
    None,
    /// Only network or referrer conditions.
    Network,
    /// A client certificate (RFC 8705).
    X5t,
    /// A DPoP key (RFC 9449).
    Jkt,
    /// Either.
    X5tOrJkt,
}

impl Bindable {
    /// Whether it is a key that they can be bound to: networks don't make a copy useless to whoever is inside them.
    pub const fn is_to_key(self) -> bool {
        matches!(self, Self::X5t | Self::Jkt | Self::X5tOrJkt)
    }

    /// In a word or two, as the answer to "can it be bound?".
    pub const fn words(self) -> &'static str {
        match self {
            Self::None => "no",
            Self::Network => "to networks or referrers",
            Self::X5t => "to a client certificate",
            Self::Jkt => "to a DPoP key",
            Self::X5tOrJkt => "to a client certificate or a DPoP key",
        }
    }
}

/// How far the family's tokens reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Public by design, or no credential.
    Public,
    /// What one user or client may do.
    Normal,
    /// Far, or minting further tokens.
    Privileged,
}

/// What the token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Access token, API key.
    Access,
    /// Gets new tokens.
    Refresh,
    /// OpenID Connect ID token.
    Id,
    /// Proof of possession; useless alone.
    Proof,
    /// Back-channel logout token.
    Logout,
    /// Client assertion.
    Assertion,
    /// Authorization request object.
    Request,
    /// Session cookie or token.
    Session,
    /// Webhook address.
    Webhook,
    /// A key or secret that mints or signs.
    Key,
}

/// JWS or JWE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Signed (or unsecured).
    Jws,
    /// Encrypted.
    Jwe,
}

/// Which assertions belong to a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SamlForm {
    /// Those that can be read.
    Plain,
    /// Encrypted ones.
    Encrypted,
}

/// What a JWS holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// A JSON object: claims.
    Claims,
    /// Anything else.
    Other,
}

/// Which decoded JOSE objects belong to a family.
#[derive(Debug)]
pub struct JoseMatch {
    /// JWS or JWE.
    pub form: Form,
    /// What the payload must be.
    pub payload: Payload,
    /// Must hold.
    pub all: Predicates,
    /// At least one must hold, where there are any.
    pub any: Vec<Predicates>,
}

/// A conjunction of tests on header and claims.
#[derive(Debug, Default)]
pub struct Predicates {
    /// On the header's `typ`, letter case ignored.
    pub typ: Option<Pattern>,
    /// On `iss`.
    pub iss: Option<Pattern>,
    /// On claims: name and expression; of an array any member.
    pub claims: Vec<(String, Pattern)>,
    /// On header members.
    pub header: Vec<(String, Pattern)>,
    /// Claims that must be there.
    pub has: Vec<String>,
    /// Claims that must not.
    pub lacks: Vec<String>,
    /// Header members that must not be there.
    pub header_lacks: Vec<String>,
    /// Two claims that must be there as equal texts.
    pub equal: Option<(String, String)>,
}

/// An expression that is compiled when first used.
#[derive(Debug)]
pub struct Pattern {
    source: String,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    pub(crate) fn new(source: impl Into<String>) -> Self {
        Self { source: source.into(), compiled: OnceLock::new() }
    }

    /// The compiled expression. `None` only where it is larger than the engine's limit.
    pub fn regex(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| regex::bytes::RegexBuilder::new(&self.source).unicode(false).build().ok()).as_ref()
    }

    /// Whether it matches somewhere in `text`.
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.regex().is_some_and(|r| r.is_match(text))
    }
}

/// Where the expiry of a family's tokens is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// In the token: where, in Markdown.
    InToken(&'static str),
    /// In `expires_in`, where the record has it beside the token.
    Beside,
    /// Only the issuer knows it, if it has one.
    Issuer,
}

/// A token family.
#[derive(Debug)]
pub struct Family {
    /// Where it stands in its file.
    pub place: LineColumn,
    /// The rule id.
    pub slug: String,
    /// Its name.
    pub title: String,
    /// Who issues it.
    pub issuer: String,
    /// What it is and why it matters.
    pub about: String,
    /// The issuer's usual lifetime, in words.
    pub lifetime: String,
    /// How a leaked one is revoked.
    pub revoke: String,
    /// Sources.
    pub references: Vec<Reference>,
    /// Literals, one of which every token contains; empty for JOSE families.
    pub anchors: Vec<String>,
    /// Whether anchors are found in any letter case.
    pub any_case: bool,
    /// Where the anchor stands.
    pub anchor_at: AnchorAt,
    /// The expression for the whole token, anchored at its start.
    pub pattern: Option<Pattern>,
    /// The expression for what stands between the token's start and the anchor, anchored at its end; of an anchor
    /// before the token what stands between the two and the token after it (`token`), anchored at its start.
    pub lead: Option<Pattern>,
    /// How many bytes `lead` can match at most.
    pub lead_length: usize,
    /// Where this stands within half a kilobyte of the token, the place is one where such keys are public by design.
    pub public_near: Option<Pattern>,
    /// Not where `+` or `/` stands on either side, as in a stretch of base64 that holds the anchor by chance.
    pub outside_base64: bool,
    /// Letters or digits that may stand directly before the token all the same.
    pub glued_to: Option<String>,
    /// Must match before the token on its line.
    pub context: Option<Pattern>,
    /// How many bytes before the token `context` looks at.
    pub context_within: usize,
    /// Built-in checksum.
    pub checksum: Option<Checksum>,
    /// What a wrong checksum means.
    pub on_checksum_failure: OnChecksumFailure,
    /// How sure one can be of a text that has the shape and passes the proofs.
    pub confidence: Confidence,
    /// Shannon bits per character that the body must reach.
    pub entropy: Option<f64>,
    /// Reads facts from the token.
    pub decoder: Option<Decoder>,
    /// Names (of headers, parameters, fields, cookies) whose value is a token of this family; as compared, that is in
    /// lower case without `-` and `_`. `*` is every name that announces a token. With a pattern, the whole value has to
    /// match it.
    pub names: Vec<String>,
    /// `pattern` for a whole value, and how long values are that it can match; only where there are names.
    pub whole: Option<(Pattern, std::ops::RangeInclusive<usize>)>,
    /// Shortest value that a name's token has, in bytes.
    pub min_length: usize,
    /// Whether a UUID can be a token of this family.
    pub uuid: bool,
    /// Which JOSE objects belong to it.
    pub jose: Option<JoseMatch>,
    /// Which SAML assertions belong to it.
    pub saml: Option<SamlForm>,
    /// Which private keys belong to it.
    pub key: Option<KeyMatch>,
    /// Order among JOSE families, or among those of keys, high first.
    pub rank: i32,
    /// What it can be bound to.
    pub bindable: Bindable,
    /// How far it reaches.
    pub reach: Reach,
    /// What it is for.
    pub role: Role,
    /// TTL policy kind.
    pub policy: String,
    /// The rule file, as messages name it.
    pub file: String,
    /// Framework ids, where the file names any.
    pub taxonomies: Option<Taxa>,
    /// Samples that must be found, split marks removed.
    pub hits: Vec<String>,
    /// Samples that must not, split marks removed.
    pub misses: Vec<String>,
}

impl Family {
    /// Where its expiry is read.
    pub fn expiry(&self) -> Expiry {
        match (&self.jose, self.decoder.and_then(Decoder::expiry)) {
            (Some(jose), _) => match (jose.form, jose.payload) {
                (Form::Jws, Payload::Claims) if !jose.all.lacks.iter().any(|claim| claim == "exp") => {
                    Expiry::InToken("`exp`")
                }
                _ => Expiry::Issuer,
            },
            (None, Some(place)) => Expiry::InToken(place),
            (None, None) if self.saml == Some(SamlForm::Plain) => Expiry::InToken("`NotOnOrAfter`"),
            (None, None) if !self.names.is_empty() => Expiry::Beside,
            (None, None) => Expiry::Issuer,
        }
    }

    /// What to do about a leaked one, on one line.
    pub fn first_fix(&self) -> String {
        first_paragraph(&self.revoke)
    }
}

pub(super) fn first_paragraph(text: &str) -> String {
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    paragraph.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn read_file(file: &str, node: &Node) -> Result<Vec<Family>> {
    let mut fields = Fields::new(file, node)?;
    let issuer = fields.required("issuer")?.to_owned();
    let revoke = fields.owned("revoke")?;
    let references = fields.references("references")?;
    let mut families = Vec::new();
    for node in fields.nodes("families")? {
        families.push(read_family(file, node, &issuer, &revoke, &references)?);
    }
    fields.done()?;
    Ok(families)
}

fn read_family(file: &str, node: &Node, issuer: &str, revoke: &str, references: &[Reference]) -> Result<Family> {
    let mut f = Fields::new(file, node)?;
    let slug = f.required("slug")?.to_owned();
    if !slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return f.error(node, format!("`{slug}`: a slug has lower-case letters, digits and hyphens"));
    }
    let title = f.required("title")?.to_owned();
    let jose = match f.node("jose") {
        Some(node) => Some(read_jose(file, node)?),
        None => None,
    };
    let key = match f.node("key") {
        Some(node) => Some(key::read(file, node)?),
        None => None,
    };
    let mut anchors = Vec::new();
    for (text, node) in f.texts("anchors")? {
        if !(crate::rules::MIN_ANCHOR..=crate::rules::MAX_ANCHOR).contains(&text.len()) {
            return f.error(node, format!("an anchor has {} to {} bytes", super::MIN_ANCHOR, super::MAX_ANCHOR));
        }
        anchors.push(text.to_owned());
    }
    let pattern = f.regex("pattern")?;
    let mut names = Vec::new();
    for (text, node) in f.texts("names")? {
        let name: String = text.chars().filter(|c| !matches!(c, '-' | '_')).collect::<String>().to_ascii_lowercase();
        if name != "*" && !super::NAME_STEMS.iter().any(|stem| name.contains(&stem.replace(['-', '_'], ""))) {
            let stems = super::NAME_STEMS.join(", ");
            return f.error(node, format!("a name is only found if it contains one of {stems}"));
        }
        names.push(name);
    }
    let has_pattern = !anchors.is_empty() && pattern.is_some();
    let saml = f.word("saml", &[("plain", SamlForm::Plain), ("encrypted", SamlForm::Encrypted)])?;
    if names.iter().any(|name| name == "*") && pattern.is_none() {
        return f.error(node, "every name (`*`) needs a `pattern` for the value");
    }
    if jose.is_none() && saml.is_none() && key.is_none() && names.is_empty() && !has_pattern {
        return f
            .error(node, format!("`{slug}` needs `jose`, `saml`, `key`, `names`, or both `anchors` and `pattern`"));
    }
    let lead = f.regex("lead")?.map(str::to_owned);
    let lead_length = lead.as_deref().and_then(lengths).map_or(super::MAX_LEAD, |range| *range.end());
    #[derive(Clone, Copy)]
    enum Stands {
        First,
        Inside,
        Before,
    }
    let words = [("prefix", Stands::First), ("inside", Stands::Inside), ("before", Stands::Before)];
    let anchor_at = match (f.word("anchor_at", &words)?.unwrap_or(Stands::First), lead) {
        (Stands::Inside, Some(lead)) => AnchorAt::Inside { lead },
        (Stands::Before, Some(lead)) => AnchorAt::Before { lead },
        (Stands::Inside | Stands::Before, None) => return f.error(node, "this `anchor_at` needs `lead`"),
        (Stands::First, Some(_)) => return f.error(node, "`lead` needs `anchor_at: inside` or `before`"),
        (Stands::First, None) => AnchorAt::Prefix,
    };
    let before = matches!(anchor_at, AnchorAt::Before { .. });
    let whole = match pattern.filter(|_| !names.is_empty()) {
        None => None,
        Some(pattern) => match lengths(pattern) {
            Some(range) => Some((Pattern::new(format!(r"\A(?:{pattern})\z")), range)),
            None => return f.error(node, "with `names`, a `pattern` has a longest match"),
        },
    };
    let samples = |texts: Vec<(&str, &Node)>| texts.into_iter().map(|(text, _)| unsplit(text)).collect();
    let own_references = f.references("references")?;
    let own_revoke = f.owned("revoke")?;
    let family = Family {
        place: f.place(),
        title,
        issuer: issuer.to_owned(),
        about: f.owned("about")?,
        lifetime: f.owned("lifetime")?,
        revoke: if own_revoke.is_empty() { revoke.to_owned() } else { own_revoke },
        references: if own_references.is_empty() { references.to_vec() } else { own_references },
        any_case: pattern.is_some_and(|p| p.starts_with("(?i)")),
        pattern: pattern.map(|p| Pattern::new(format!(r"\A(?:{p})"))),
        lead: match &anchor_at {
            AnchorAt::Inside { lead } => Some(Pattern::new(format!(r"(?:{lead})\z"))),
            AnchorAt::Before { lead } => {
                Some(Pattern::new(format!(r"\A(?:{lead})(?P<token>{})", pattern.unwrap_or_default())))
            }
            AnchorAt::Prefix => None,
        },
        lead_length: lead_length.min(super::MAX_LEAD),
        anchor_at,
        outside_base64: f.word("outside_base64", &[("true", true), ("false", false)])?.unwrap_or(false),
        glued_to: f.text("glued_to")?.map(str::to_owned),
        public_near: f.regex("public_near")?.map(Pattern::new),
        whole,
        confidence: match f.word("confidence", &Confidence::ALL.map(|c| (c.word(), c)))? {
            Some(confidence) => confidence,
            // Where something around it has to be asked, the shape alone is not enough.
            None if f.node("context").is_some() || before => Confidence::Medium,
            None => Confidence::High,
        },
        context: f.regex("context")?.map(Pattern::new),
        context_within: f.number("context_within")?.unwrap_or(64).min(256),
        checksum: f.word(
            "checksum",
            &[
                ("github", Checksum::Github),
                ("gitlab-routable", Checksum::GitlabRoutable),
                ("grafana", Checksum::Grafana),
            ],
        )?,
        on_checksum_failure: f
            .word("on_checksum_failure", &[("drop", OnChecksumFailure::Drop), ("suspect", OnChecksumFailure::Suspect)])?
            .unwrap_or(OnChecksumFailure::Drop),
        entropy: f.number("entropy")?,
        decoder: f.word("decoder", Decoder::WORDS)?,
        names,
        min_length: f.number("min_length")?.unwrap_or(20).max(8),
        uuid: f.word("uuid", &[("true", true), ("false", false)])?.unwrap_or(false),
        rank: f.number("rank")?.unwrap_or(0),
        bindable: f
            .word(
                "bindable",
                &[
                    ("none", Bindable::None),
                    ("network", Bindable::Network),
                    ("x5t", Bindable::X5t),
                    ("jkt", Bindable::Jkt),
                    ("x5t-jkt", Bindable::X5tOrJkt),
                ],
            )?
            .unwrap_or(Bindable::None),
        reach: f
            .word("reach", &[("public", Reach::Public), ("normal", Reach::Normal), ("privileged", Reach::Privileged)])?
            .unwrap_or(Reach::Normal),
        role: f
            .word(
                "role",
                &[
                    ("access", Role::Access),
                    ("refresh", Role::Refresh),
                    ("id", Role::Id),
                    ("proof", Role::Proof),
                    ("logout", Role::Logout),
                    ("assertion", Role::Assertion),
                    ("request", Role::Request),
                    ("session", Role::Session),
                    ("webhook", Role::Webhook),
                    ("key", Role::Key),
                ],
            )?
            .unwrap_or(Role::Access),
        policy: {
            let policy = f.owned("policy")?;
            if policy.is_empty() { "none".to_owned() } else { policy }
        },
        file: file.to_owned(),
        taxonomies: f.taxonomies()?,
        hits: samples(f.texts("hits")?),
        misses: samples(f.texts("misses")?),
        slug,
        anchors,
        jose,
        saml,
        key,
    };
    f.done()?;
    Ok(family)
}

/// How long texts are that the expression matches; `None` where there is no longest.
fn lengths(pattern: &str) -> Option<std::ops::RangeInclusive<usize>> {
    let hir = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).ok()?;
    Some(hir.properties().minimum_len()?..=hir.properties().maximum_len()?)
}

fn read_jose(file: &str, node: &Node) -> Result<JoseMatch> {
    let mut f = Fields::new(file, node)?;
    let form = f.word("form", &[("jws", Form::Jws), ("jwe", Form::Jwe)])?.unwrap_or(Form::Jws);
    let payload =
        f.word("payload", &[("claims", Payload::Claims), ("other", Payload::Other)])?.unwrap_or(Payload::Claims);
    let mut any = Vec::new();
    for node in f.nodes("any")? {
        let mut inner = Fields::new(file, node)?;
        any.push(read_predicates(&mut inner)?);
        inner.done()?;
    }
    let all = read_predicates(&mut f)?;
    f.done()?;
    Ok(JoseMatch { form, payload, all, any })
}

fn read_predicates(f: &mut Fields<'_>) -> Result<Predicates> {
    let mut read_map = |key: &'static str| -> Result<Vec<(String, Pattern)>> {
        let Some(node) = f.node(key) else { return Ok(Vec::new()) };
        let mut all = Vec::new();
        for (name, value) in node.entries() {
            let (Some(name), Some(text)) = (name.text(), value.text()) else {
                return f.error(value, format!("`{key}` maps names to expressions"));
            };
            f.check_regex(text, value)?;
            all.push((name.to_owned(), Pattern::new(text)));
        }
        Ok(all)
    };
    let claims = read_map("claims")?;
    let header = read_map("header")?;
    let names = |texts: Vec<(&str, &Node)>| texts.into_iter().map(|(text, _)| text.to_owned()).collect::<Vec<_>>();
    let equal = names(f.texts("equal")?);
    Ok(Predicates {
        typ: f.regex("typ")?.map(|p| Pattern::new(format!("(?i){p}"))),
        iss: f.regex("iss")?.map(Pattern::new),
        claims,
        header,
        has: names(f.texts("has")?),
        lacks: names(f.texts("lacks")?),
        header_lacks: names(f.texts("header_lacks")?),
        equal: match &equal[..] {
            [] => None,
            [a, b] => Some((a.clone(), b.clone())),
            _ => {
                let node = f.node("equal");
                return match node {
                    Some(node) => f.error(node, "`equal` names two claims"),
                    None => Ok(Predicates::default()),
                };
            }
        },
    })
}
