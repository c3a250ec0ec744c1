//! A token family as data: how its tokens are recognised, what proves one, and the page about it.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::OnceLock;

use regex::bytes::Regex;

use super::decoder::Decoder;
use super::key::{self, KeyMatch};
use super::reader::{Document, Fields, File, Result, expression};
use super::shape::Shape;
use super::{Reference, Taxa};
use crate::finding::Confidence;
use crate::span::LineColumn;
use crate::syntax::packed::Packed;

/// Where the anchor stands in the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnchorAt {
    /// The token starts with it.
    Prefix,
    /// It stands inside; what stands before it matches `lead`.
    Inside,
    /// It stands before the token; what stands between the two matches `lead`.
    Before,
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
    pub claims: Vec<(&'static str, Pattern)>,
    /// On header members.
    pub header: Vec<(&'static str, Pattern)>,
    /// Claims that must be there.
    pub has: Vec<&'static str>,
    /// Claims that must not.
    pub lacks: Vec<&'static str>,
    /// Header members that must not be there.
    pub header_lacks: Vec<&'static str>,
    /// Two claims that must be there as equal texts.
    pub equal: Option<(&'static str, &'static str)>,
}

/// An expression that is compiled when first used: as a [`Shape`] where it is one, else by the library.
#[derive(Debug)]
pub struct Pattern {
    /// As the rule file has it, and what is put before and after it.
    source: &'static str,
    around: (&'static str, Cow<'static, str>),
    lengths: OnceLock<Option<RangeInclusive<usize>>>,
    shape: OnceLock<Option<Shape>>,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    pub(super) fn new(source: &'static str) -> Self {
        Self::within("", source, "")
    }

    fn within(before: &'static str, source: &'static str, after: impl Into<Cow<'static, str>>) -> Self {
        Self {
            source,
            around: (before, after.into()),
            lengths: OnceLock::new(),
            shape: OnceLock::new(),
            compiled: OnceLock::new(),
        }
    }

    /// How long texts are that the rule file's expression matches, in bytes; `None` where there is no longest.
    pub fn lengths(&self) -> Option<RangeInclusive<usize>> {
        let read = || {
            let properties = expression(self.source).ok()?.properties().clone();
            Some(properties.minimum_len()?..=properties.maximum_len()?)
        };
        self.lengths.get_or_init(read).clone()
    }

    /// The expression as it is matched.
    pub(super) fn text(&self) -> String {
        [self.around.0, self.source, &self.around.1].concat()
    }

    /// The compiled expression. `None` only where it is larger than the engine's limit.
    pub fn regex(&self) -> Option<&Regex> {
        let compile = || regex::bytes::RegexBuilder::new(&self.text()).unicode(false).build().ok();
        self.compiled.get_or_init(compile).as_ref()
    }

    /// The expression as a shape, if it is one.
    fn shape(&self) -> Option<&Shape> {
        self.shape.get_or_init(|| Shape::of(&expression(&self.text()).ok()?)).as_ref()
    }

    /// Where the first match in `text` ends.
    pub fn end_in(&self, text: &[u8]) -> Option<usize> {
        match self.shape() {
            Some(shape) => shape.end_in(text),
            None => self.regex()?.find(text).map(|found| found.end()),
        }
    }

    /// Whether it matches somewhere in `text`.
    pub fn is_match(&self, text: &[u8]) -> bool {
        match self.shape() {
            Some(shape) => shape.end_in(text).is_some(),
            None => self.regex().is_some_and(|regex| regex.is_match(text)),
        }
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
    pub slug: &'static str,
    /// Its name.
    pub title: &'static str,
    /// Who issues it.
    pub issuer: &'static str,
    /// What it is and why it matters.
    pub about: &'static str,
    /// The issuer's usual lifetime, in words.
    pub lifetime: &'static str,
    /// How a leaked one is revoked.
    pub revoke: &'static str,
    /// Sources.
    pub references: Vec<Reference>,
    /// Literals, one of which every token contains; empty for JOSE families.
    pub anchors: Vec<&'static str>,
    /// Whether anchors are found in any letter case.
    pub any_case: bool,
    /// Where the anchor stands.
    pub anchor_at: AnchorAt,
    /// The expression for the whole token, anchored at its start.
    pub pattern: Option<Pattern>,
    /// The expression for what stands between the token's start and the anchor, anchored at its end; of an anchor
    /// before the token what stands between the two and the token after it (`token`), anchored at its start.
    pub lead: Option<Pattern>,
    /// Where this stands within half a kilobyte of the token, the place is one where such keys are public by design.
    pub public_near: Option<Pattern>,
    /// Not where `+` or `/` stands on either side, as in a stretch of base64 that holds the anchor by chance.
    pub outside_base64: bool,
    /// Letters or digits that may stand directly before the token all the same.
    pub glued_to: Option<&'static str>,
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
    /// `pattern` for a whole value; only where there are names.
    pub whole: Option<Pattern>,
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
    pub policy: &'static str,
    /// The rule file, as messages name it.
    pub file: &'static str,
    /// Framework ids, where the file names any.
    pub taxonomies: Option<Taxa>,
    /// Samples that must be found, with split marks.
    pub hits: Vec<&'static str>,
    /// Samples that must not, with split marks.
    pub misses: Vec<&'static str>,
    first_fix: OnceLock<String>,
}

impl Family {
    /// How many bytes `lead` can match at most.
    pub fn lead_length(&self) -> usize {
        let lengths = self.lead.as_ref().and_then(Pattern::lengths);
        lengths.map_or(super::MAX_LEAD, |lengths| *lengths.end()).min(super::MAX_LEAD)
    }

    /// Where its expiry is read.
    pub fn expiry(&self) -> Expiry {
        match (&self.jose, self.decoder.and_then(Decoder::expiry)) {
            (Some(jose), _) => match (jose.form, jose.payload) {
                (Form::Jws, Payload::Claims) if !jose.all.lacks.contains(&"exp") => Expiry::InToken("`exp`"),
                _ => Expiry::Issuer,
            },
            (None, Some(place)) => Expiry::InToken(place),
            (None, None) if self.saml == Some(SamlForm::Plain) => Expiry::InToken("`NotOnOrAfter`"),
            (None, None) if !self.names.is_empty() => Expiry::Beside,
            (None, None) => Expiry::Issuer,
        }
    }

    /// What to do about a leaked one, on one line.
    pub fn first_fix(&self) -> &str {
        self.first_fix.get_or_init(|| first_paragraph(self.revoke))
    }
}

pub(super) fn first_paragraph(text: &str) -> String {
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    paragraph.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn read_file(document: Document) -> Result<Vec<Family>> {
    let mut fields = document.fields()?;
    let issuer = fields.required("issuer")?;
    let revoke = fields.prose("revoke")?;
    let references = fields.references("references")?;
    let mut families = Vec::new();
    for node in fields.nodes("families")? {
        families.push(read_family(document.file, node, issuer, revoke, &references)?);
    }
    fields.done()?;
    Ok(families)
}

fn read_family(
    file: File,
    node: Packed<'static>,
    issuer: &'static str,
    revoke: &'static str,
    references: &[Reference],
) -> Result<Family> {
    let mut f = Fields::new(file, node)?;
    let slug = f.required("slug")?;
    if !slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return f.error(node, format!("`{slug}`: a slug has lower-case letters, digits and hyphens"));
    }
    let title = f.required("title")?;
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
        anchors.push(text);
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
    let words = [("prefix", AnchorAt::Prefix), ("inside", AnchorAt::Inside), ("before", AnchorAt::Before)];
    let anchor_at = f.word("anchor_at", &words)?.unwrap_or(AnchorAt::Prefix);
    let lead = match (anchor_at, f.regex("lead")?) {
        (AnchorAt::Inside, Some(lead)) => Some(Pattern::within("(?:", lead, r")\z")),
        (AnchorAt::Before, Some(lead)) => {
            let token = format!(r")(?P<token>{})", pattern.unwrap_or_default());
            Some(Pattern::within(r"\A(?:", lead, token))
        }
        (AnchorAt::Inside | AnchorAt::Before, None) => return f.error(node, "this `anchor_at` needs `lead`"),
        (AnchorAt::Prefix, Some(_)) => return f.error(node, "`lead` needs `anchor_at: inside` or `before`"),
        (AnchorAt::Prefix, None) => None,
    };
    let whole = pattern.filter(|_| !names.is_empty()).map(|pattern| Pattern::within(r"\A(?:", pattern, r")\z"));
    if !file.sound && whole.as_ref().is_some_and(|whole| whole.lengths().is_none()) {
        return f.error(node, "with `names`, a `pattern` has a longest match");
    }
    let samples = |texts: Vec<(&'static str, _)>| texts.into_iter().map(|(text, _)| text).collect();
    let own_references = f.references("references")?;
    let own_revoke = f.prose("revoke")?;
    let family = Family {
        place: f.place(),
        title,
        issuer,
        about: f.prose("about")?,
        lifetime: f.prose("lifetime")?,
        revoke: if own_revoke.is_empty() { revoke } else { own_revoke },
        references: if own_references.is_empty() { references.to_vec() } else { own_references },
        any_case: pattern.is_some_and(|p| p.starts_with("(?i)")),
        pattern: pattern.map(|pattern| Pattern::within(r"\A(?:", pattern, ")")),
        lead,
        anchor_at,
        outside_base64: f.word("outside_base64", &[("true", true), ("false", false)])?.unwrap_or(false),
        glued_to: f.text("glued_to")?,
        public_near: f.regex("public_near")?.map(Pattern::new),
        whole,
        confidence: match f.word("confidence", &Confidence::ALL.map(|c| (c.word(), c)))? {
            Some(confidence) => confidence,
            // Where something around it has to be asked, the shape alone is not enough.
            None if f.node("context").is_some() || anchor_at == AnchorAt::Before => Confidence::Medium,
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
            let policy = f.prose("policy")?;
            if policy.is_empty() { "none" } else { policy }
        },
        file: file.name,
        taxonomies: f.taxonomies()?,
        hits: samples(f.texts("hits")?),
        misses: samples(f.texts("misses")?),
        first_fix: OnceLock::new(),
        slug,
        anchors,
        jose,
        saml,
        key,
    };
    f.done()?;
    Ok(family)
}

fn read_jose(file: File, node: Packed<'static>) -> Result<JoseMatch> {
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

fn read_predicates(f: &mut Fields) -> Result<Predicates> {
    let mut read_map = |key: &'static str| -> Result<Vec<(&'static str, Pattern)>> {
        let Some(node) = f.node(key) else { return Ok(Vec::new()) };
        let mut all = Vec::new();
        for (name, value) in node.entries() {
            let (Some(name), Some(text)) = (name.text(), value.text()) else {
                return f.error(value, format!("`{key}` maps names to expressions"));
            };
            f.check_regex(text, value)?;
            all.push((name, Pattern::new(text)));
        }
        Ok(all)
    };
    let claims = read_map("claims")?;
    let header = read_map("header")?;
    let names = |texts: Vec<(&'static str, _)>| texts.into_iter().map(|(text, _)| text).collect::<Vec<_>>();
    let equal = names(f.texts("equal")?);
    Ok(Predicates {
        typ: f.regex("typ")?.map(|typ| Pattern::within("(?i)", typ, "")),
        iss: f.regex("iss")?.map(Pattern::new),
        claims,
        header,
        has: names(f.texts("has")?),
        lacks: names(f.texts("lacks")?),
        header_lacks: names(f.texts("header_lacks")?),
        equal: match &equal[..] {
            [] => None,
            [a, b] => Some((*a, *b)),
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
