//! From a JOSE header and its claims to facts: who, for whom, how long, how far, bound to what, and every fault that
//! shows without a clock.

use std::hash::BuildHasher;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::confirmation::{self, has_private_members};
use super::facts::{Binding, Facts, Kind, Signature, Time, Unique};
use super::fault::{Fault, Faults};
use super::intern::Interner;
use super::jose;
use super::keys::Thumbprint;
use crate::finding::Confidence;
use crate::rules::{Catalogue, Family, Form, JoseMatch, Pattern, Payload, Predicates, Role};
use crate::syntax::json::{self, Value};

/// Texts from claims are kept to this many bytes.
const MAX_TEXT: usize = 256;
/// Audiences beyond this many are counted as a fault and not kept.
pub(super) const MAX_AUDIENCES: usize = 4;

/// How many issuers are remembered for a header.
const MAX_ISSUERS: usize = 16;

/// Families, in the order in which they are tried.
type Kin = Arc<[u16]>;

/// A decoded protected header.
#[derive(Debug)]
pub struct Header {
    /// `alg`.
    pub alg: Arc<str>,
    /// `typ`.
    pub typ: Option<Arc<str>>,
    /// `kid`, for telling keys apart.
    pub kid: Option<Arc<str>>,
    /// Whether it is a JWE header (`enc`).
    pub encrypted: bool,
    /// The thumbprint of the key in it, where it is a DPoP proof's.
    pub proof_key: Option<Arc<Thumbprint>>,
    faults: Faults,
    json: Vec<u8>,
    /// Families of which it has what they ask of a header, in the order in which they are tried; worked out when first
    /// needed.
    kin: OnceLock<Box<[u16]>>,
    /// Those of them that suit an issuer, for the first few issuers.
    kin_of_issuers: Mutex<Vec<(Box<str>, Kin)>>,
}

impl Header {
    /// Reads decoded header bytes; `None` unless they are a JSON object with a string `alg`.
    pub fn read(json: Vec<u8>, intern: &mut Interner) -> Option<Self> {
        let header = json::parse(&json)?;
        let text = |name: &str| header.get(name).and_then(Value::as_str);
        let alg = text("alg")?;
        let mut faults = Faults::default();
        let proof = text("typ").is_some_and(|t| t.eq_ignore_ascii_case("dpop+jwt"));
        let encrypted = header.get("enc").is_some();
        if let Some(kid) = text("kid") {
            faults.insert_if(is_injection(kid), Fault::KidInjection);
        }
        faults.insert_if(text("jku").is_some() || text("x5u").is_some(), Fault::HeaderRemoteKey);
        let embedded = header.get("jwk").is_some() || header.get("x5c").is_some();
        faults.insert_if(embedded && !proof && !encrypted, Fault::HeaderEmbeddedJwk);
        let private_jwk = header
            .get("jwk")
            .is_some_and(|jwk| has_private_members(jwk) || jwk.get("kty").and_then(Value::as_str) == Some("oct"));
        faults.insert_if(private_jwk && proof, Fault::DpopJwkPrivate);
        if let Some(Value::Array(names)) = header.get("crit") {
            let known = |name: &str| {
                matches!(
                    name,
                    "b64"
                        | "exp"
                        | "http://openbanking.org.uk/iat"
                        | "http://openbanking.org.uk/iss"
                        | "http://openbanking.org.uk/tan"
                )
            };
            faults.insert_if(names.iter().any(|n| !n.as_str().is_some_and(known)), Fault::CritUnknown);
        }
        faults.insert_if(matches!(alg, "RS1" | "RSA1_5" | "ES256K"), Fault::AlgDeprecated);
        if alg.eq_ignore_ascii_case("none") {
            faults.insert(if proof { Fault::DpopAlgNone } else { Fault::AlgNone });
        }
        faults.insert_if(proof && alg.starts_with("HS"), Fault::DpopAlgSymmetric);
        let (alg, typ, kid) = (intern.get(cut(alg)), text("typ").map(cut), text("kid").map(cut));
        let typ = typ.map(|t| intern.get(t));
        let kid = kid.map(|k| intern.get(k));
        let proof_key = header.get("jwk").filter(|_| proof).and_then(Thumbprint::of_jwk);
        let proof_key = proof_key.map(|found| intern.thumbprint(found));
        Some(Self {
            alg,
            typ,
            kid,
            encrypted,
            proof_key,
            faults,
            json,
            kin: OnceLock::new(),
            kin_of_issuers: Mutex::default(),
        })
    }
}

impl Header {
    /// The families that suit an issuer, worked out once for each of the first few.
    fn kin_of(&self, issuer: &str, work_out: impl FnOnce() -> Kin) -> Kin {
        let mut known = self.kin_of_issuers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, kin)) = known.iter().find(|(name, _)| **name == *issuer) {
            return kin.clone();
        }
        let kin = work_out();
        if known.len() < MAX_ISSUERS && issuer.len() <= MAX_TEXT {
            known.push((issuer.into(), kin.clone()));
        }
        kin
    }
}

/// A `kid` that is a path, a query or a command rather than a name (RFC 8725, section 3.10).
fn is_injection(kid: &str) -> bool {
    let suspicious = |c: char| matches!(c, '\'' | '"' | ';' | '|' | '`' | '\0' | '\n' | '\r');
    let statement = kid.to_ascii_lowercase();
    kid.contains("../")
        || kid.contains("://")
        || kid.contains("..\\")
        || kid.starts_with("/dev/")
        || kid.starts_with("/etc/")
        || kid.starts_with("/proc/")
        || kid.contains(suspicious)
        || statement.contains(" union ")
        || statement.contains("select ")
}

/// JOSE families in the order in which they are tried.
#[derive(Debug)]
pub struct Classifier {
    order: Vec<u16>,
}

impl Classifier {
    /// Orders the catalogue's JOSE families by rank.
    pub fn new(catalogue: &Catalogue) -> Self {
        let mut order: Vec<u16> = (0..catalogue.families.len())
            .filter(|&index| catalogue.families[index].jose.is_some())
            .map(|index| index as u16)
            .collect();
        order.sort_by_key(|&index| std::cmp::Reverse(catalogue.families[usize::from(index)].rank));
        Self { order }
    }

    /// The first family whose predicates hold.
    fn classify(&self, catalogue: &Catalogue, header: &Header, claims: Option<&Value<'_>>) -> Option<u16> {
        let form = if header.encrypted { Form::Jwe } else { Form::Jws };
        let payload = if claims.is_some() { Payload::Claims } else { Payload::Other };
        let jose = |index: u16| catalogue.families[usize::from(index)].jose.as_ref();
        let suits = |jose: &JoseMatch| jose.form == form && fits_header(&jose.all, header);
        // Many tokens have the same header, and few issuers.
        let kin = header.kin.get_or_init(|| {
            let suiting = self.order.iter().copied().filter(|index| jose(*index).is_some_and(suits));
            suiting.collect()
        });
        let suits_issuer = |index: &u16| jose(*index).is_some_and(|jose| fits_issuer(&jose.all, claims));
        let kin = match claims.and_then(|claims| claims.get("iss")).and_then(Value::as_str) {
            Some(issuer) => header.kin_of(issuer, || kin.iter().copied().filter(suits_issuer).collect()),
            None => kin.iter().copied().filter(suits_issuer).collect(),
        };
        kin.iter().copied().find(|&index| {
            jose(index).is_some_and(|jose| {
                (form == Form::Jwe || jose.payload == payload)
                    && fits_others(&jose.all, claims)
                    && (jose.any.is_empty()
                        || jose.any.iter().any(|one| fits_claims(one, claims) && fits_header(one, header)))
            })
        })
    }
}

/// Whether what is asked of the header holds.
fn fits_header(predicates: &Predicates, header: &Header) -> bool {
    if let Some(pattern) = &predicates.typ
        && !header.typ.as_ref().is_some_and(|typ| pattern.is_match(typ.as_bytes()))
    {
        return false;
    }
    predicates.header.is_empty() && predicates.header_lacks.is_empty() || {
        let parsed = json::parse(&header.json);
        let member = |name: &str| parsed.as_ref().and_then(|h| h.get(name));
        predicates.header.iter().all(|(name, pattern)| member(name).is_some_and(|v| value_matches(pattern, v)))
            && predicates.header_lacks.iter().all(|name| member(name).is_none())
    }
}

/// Whether what is asked of the claims holds.
fn fits_claims(predicates: &Predicates, claims: Option<&Value<'_>>) -> bool {
    fits_issuer(predicates, claims) && fits_others(predicates, claims)
}

/// Whether what is asked of `iss` holds.
fn fits_issuer(predicates: &Predicates, claims: Option<&Value<'_>>) -> bool {
    let issuer = || claims.and_then(|c| c.get("iss")).and_then(Value::as_str);
    predicates.iss.as_ref().is_none_or(|pattern| issuer().is_some_and(|iss| pattern.is_match(iss.as_bytes())))
}

/// Whether what is asked of the other claims holds.
fn fits_others(predicates: &Predicates, claims: Option<&Value<'_>>) -> bool {
    let claim = |name: &str| claims.and_then(|c| c.get(name));
    if !predicates.has.iter().all(|name| claim(name).is_some())
        || predicates.lacks.iter().any(|name| claim(name).is_some())
    {
        return false;
    }
    if let Some((a, b)) = &predicates.equal {
        match (claim(a).and_then(Value::as_str), claim(b).and_then(Value::as_str)) {
            (Some(a), Some(b)) if a == b => {}
            _ => return false,
        }
    }
    predicates.claims.iter().all(|(name, pattern)| claim(name).is_some_and(|v| value_matches(pattern, v)))
}

fn value_matches(pattern: &Pattern, value: &Value<'_>) -> bool {
    match value {
        Value::String(text) => pattern.is_match(text.as_bytes()),
        Value::Number(text) => pattern.is_match(text.as_bytes()),
        Value::Bool(b) => pattern.is_match(if *b { b"true" } else { b"false" }),
        // One level: arrays in arrays match nothing.
        Value::Array(items) => items.iter().any(|item| match item {
            Value::String(text) => pattern.is_match(text.as_bytes()),
            _ => false,
        }),
        Value::Null | Value::Object(_) | Value::Hole => false,
    }
}

/// Facts of a JWE: what its header says, and that nothing more can be seen.
pub fn encrypted(catalogue: &Catalogue, classifier: &Classifier, header: &Header, kind: Kind) -> Option<Facts> {
    let family = classifier.classify(catalogue, header, None)?;
    let mut facts = Facts::opaque(family, kind, Confidence::High);
    facts.alg = Some(header.alg.clone());
    facts.typ = header.typ.clone();
    facts.faults = header.faults;
    Some(facts)
}

/// Facts of a JWS. `payload` is decoded; `None` where it is a broken lookalike.
pub fn signed(
    catalogue: &Catalogue,
    classifier: &Classifier,
    header: &Header,
    payload: &[u8],
    signature: Signature,
    kind: Kind,
    intern: &mut Interner,
) -> Option<Facts> {
    let parsed = jose::content(payload);
    let claims = match &parsed {
        jose::Content::Claims(claims) => Some(claims),
        jose::Content::Other => None,
        jose::Content::Broken => return None,
    };
    let index = classifier.classify(catalogue, header, claims)?;
    let family = &catalogue.families[usize::from(index)];
    let kind = if claims.is_none() && kind == Kind::Jwt { Kind::Jws } else { kind };
    let mut facts = Facts::opaque(index, kind, Confidence::High);
    facts.alg = Some(header.alg.clone());
    facts.typ = header.typ.clone();
    facts.faults = header.faults;
    facts.signature = signature;
    facts.faults.insert_if(signature == Signature::Broken, Fault::MalformedSignature);
    let Some(claims) = claims else {
        facts.binding = Binding::None;
        return Some(facts);
    };
    read_claims(claims, family, &mut facts, intern);
    if family.role == Role::Proof {
        facts.bound_to = header.proof_key.clone();
    }
    facts.unique = unique(claims, &facts, payload);
    let registered = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "azp", "client_id"];
    if !registered.iter().any(|name| claims.get(name).is_some()) {
        facts.confidence = Confidence::Medium;
    }
    Some(facts)
}

fn read_claims(claims: &Value<'_>, family: &Family, facts: &mut Facts, intern: &mut Interner) {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    facts.issuer = text("iss").map(|t| intern.get(cut(t)));
    facts.subject = text("sub").map(|t| cut(t).into());
    facts.client = text("client_id").or_else(|| text("azp")).or_else(|| text("appid")).map(|t| intern.get(cut(t)));
    let audience: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) if !one.is_empty() => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !audience.is_empty() {
        facts.audience = Some(intern.list(audience.iter().take(MAX_AUDIENCES).map(|t| cut(t))));
    }
    facts.issued = time(claims.get("iat"));
    facts.not_before = time(claims.get("nbf"));
    facts.expires = time(claims.get("exp"));
    facts.binding = confirmation::binding(claims, &mut facts.faults);
    facts.bound_to = confirmation::bound_to(claims, facts.binding).map(|found| intern.thumbprint(found));

    let proof = family.role == Role::Proof;
    let bearer = matches!(family.role, Role::Access | Role::Refresh | Role::Session | Role::Id | Role::Assertion);
    let access = matches!(family.role, Role::Access | Role::Session);
    let faults = &mut facts.faults;
    if proof {
        facts.binding = Binding::Jwk;
        let missing = ["jti", "htm", "htu", "iat"].iter().any(|name| claims.get(name).is_none());
        faults.insert_if(missing, Fault::DpopMissingClaim);
        if let Some(htu) = text("htu") {
            faults.insert_if(!is_canonical(htu), Fault::DpopHtuNotCanonical);
        }
    } else if text("htm").is_some() && text("htu").is_some() {
        faults.insert(Fault::DpopTypMissing);
    }
    // What is not presented for access needs no binding.
    let to_be_bound = access || family.role == Role::Refresh;
    faults.insert_if(to_be_bound && facts.binding == Binding::None, Fault::Unbound);
    faults.insert_if(bearer && facts.expires == Time::Absent, Fault::NoExp);
    faults.insert_if(facts.expires == Time::Malformed, Fault::ExpMalformed);
    let milliseconds =
        [facts.expires, facts.issued, facts.not_before].iter().any(|t| matches!(t, Time::Milliseconds(_)));
    faults.insert_if(milliseconds, Fault::ExpUnitMs);
    faults.insert_if(bearer && facts.issued == Time::Absent, Fault::NoIat);
    let inverted = match (facts.not_before.seconds(), facts.issued.seconds(), facts.expires.seconds()) {
        (Some(nbf), _, Some(exp)) if nbf > exp => true,
        (_, Some(iat), Some(exp)) => exp <= iat,
        _ => false,
    };
    faults.insert_if(inverted, Fault::TimeInverted);

    faults.insert_if(family.role == Role::Refresh, Fault::RefreshExposed);
    let legacy_sa = family.slug == "k8s-sa-legacy";
    faults.insert_if(legacy_sa, Fault::K8sLegacy);
    faults.insert_if(access && facts.alg.as_deref().is_some_and(|alg| alg.starts_with("HS")), Fault::AlgHmac);
    let audience_by_design = legacy_sa || family.slug == "cognito-access";
    faults.insert_if(bearer && audience.is_empty() && !audience_by_design, Fault::NoAud);
    faults.insert_if(audience.iter().any(|a| matches!(*a, "*" | ".*" | "urn:any" | "any")), Fault::AudWildcard);
    faults.insert_if(audience.len() > 3, Fault::AudMultiple);
    faults.insert_if(bearer && facts.issuer.is_none(), Fault::NoIss);
    faults.insert_if(access && claims.get("jti").is_none() && claims.get("uti").is_none(), Fault::NoJti);

    facts.privileged = reaches_far(claims);
    faults.insert_if(facts.privileged && bearer, Fault::ScopeBroad);
    let personal = ["email", "phone_number", "birthdate", "address", "unique_name", "national_id", "ssn"];
    faults.insert_if(personal.iter().any(|name| claims.get(name).is_some_and(is_filled)), Fault::PiiPayload);
    faults.insert_if(holds_token(claims, 3), Fault::NestedToken);
    let at_jwt = facts.typ.as_deref().is_some_and(|t| t.to_ascii_lowercase().ends_with("at+jwt"));
    let id_claims = claims.get("nonce").is_some() || claims.get("at_hash").is_some();
    faults.insert_if(at_jwt && id_claims, Fault::TypConfusion);

    let mut actors = 0;
    let mut actor = claims.get("act");
    while let Some(inner @ Value::Object(_)) = actor {
        actors += 1;
        actor = inner.get("act");
    }
    faults.insert_if(actors > 1, Fault::DelegationChain);
    if let Some(may_act @ Value::Object(_)) = claims.get("may_act") {
        let subject = may_act.get("sub").and_then(Value::as_str);
        faults.insert_if(subject.is_some_and(|s| s.is_empty() || s == "*"), Fault::MayActBroad);
    }
    let for_agent = facts.client.as_deref().is_some_and(is_agent);
    let on_behalf = facts.subject.as_deref().is_some_and(|s| Some(s) != facts.client.as_deref());
    faults.insert_if(access && actors == 0 && for_agent && on_behalf, Fault::DelegationNoAct);

    // The subject that jwt.io has shown since 2015: demo data whoever signed it.
    facts.harmless = text("sub") == Some("1234567890") && text("name").is_some_and(|n| n.starts_with("John Doe"));
}

/// What no other token of the issuer, no other proof for the target may share.
fn unique(claims: &Value<'_>, facts: &Facts, payload: &[u8]) -> Option<Unique> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let jti = text("jti")?;
    let hash = foldhash::quality::FixedState::default();
    let id = match &facts.bound_to {
        Some(key) if text("htu").is_some() => hash.hash_one((&key.0, text("htu"), jti)),
        _ => hash.hash_one((text("iss")?, jti)),
    };
    Some(Unique { id: NonZeroU64::new(id)?, claims: hash.hash_one(payload) })
}

fn is_filled(value: &Value<'_>) -> bool {
    match value {
        Value::String(text) => !text.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => false,
    }
}

fn is_agent(client: &str) -> bool {
    client
        .split(|c: char| !c.is_ascii_alphanumeric())
        .any(|word| ["agent", "mcp", "copilot", "assistant"].iter().any(|a| word.eq_ignore_ascii_case(a)))
}

/// RFC 7519, section 2: a NumericDate is a number of seconds, fractions allowed.
pub(super) fn time(value: Option<&Value<'_>>) -> Time {
    let digits = match value {
        None | Some(Value::Null) => return Time::Absent,
        Some(Value::Number(digits)) => *digits,
        Some(_) => return Time::Malformed,
    };
    let seconds = match digits.parse::<i64>() {
        Ok(seconds) => seconds,
        Err(_) => match digits.parse::<f64>() {
            Ok(float) if float >= 9.0e18 => return Time::Far,
            Ok(float) if float > 0.0 => float.floor() as i64,
            _ => return Time::Malformed,
        },
    };
    match seconds {
        ..=0 => Time::Malformed,
        // Between 1973 and 5138 in milliseconds, past the year 5138 in seconds.
        100_000_000_001..=99_999_999_999_999 => Time::Milliseconds(seconds / 1000),
        _ => Time::At(seconds),
    }
}

/// Scopes, roles and groups that reach far.
fn reaches_far(claims: &Value<'_>) -> bool {
    let words = ["scope", "scp", "scopes", "roles", "role", "groups", "permissions", "authorities", "cognito:groups"];
    let realm = claims.get("realm_access").and_then(|r| r.get("roles"));
    words.iter().filter_map(|name| claims.get(name)).chain(realm).any(|value| match value {
        // A string is a list of words, and it may be one role whose name has blanks.
        Value::String(text) => is_broad(text) || text.split([' ', ',']).any(is_broad),
        Value::Array(items) => items.iter().filter_map(Value::as_str).any(is_broad),
        _ => false,
    })
}

/// Whether a scope, role or group of that name reaches far.
pub(super) fn is_broad(scope: &str) -> bool {
    let scope = scope.trim().to_ascii_lowercase();
    let last = scope.rsplit('/').next().unwrap_or(&scope);
    matches!(last, "*" | "*:*" | "root" | "cluster-admin" | "global administrator" | "service_role" | "cloud-platform")
        || scope == "system:masters"
        || last.ends_with(".readwrite.all")
        || last
            .strip_prefix("admin")
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphabetic()) || rest.starts_with("istrator"))
}

/// Whether a claim's value is itself a JOSE object.
fn holds_token(value: &Value<'_>, depth: usize) -> bool {
    match value {
        Value::String(text) => {
            let dots = text.bytes().filter(|b| *b == b'.').count();
            (2..=4).contains(&dots)
                && text.split('.').next().is_some_and(|header| jose::decode_header(header.as_bytes()).is_some())
        }
        Value::Array(items) if depth > 0 => items.iter().any(|item| holds_token(item, depth - 1)),
        Value::Object(members) if depth > 0 => members.iter().any(|(_, item)| holds_token(item, depth - 1)),
        _ => false,
    }
}

/// `htu` without query and fragment, scheme and host in lower case, no default port (RFC 9449, section 4.3).
fn is_canonical(htu: &str) -> bool {
    let Some((scheme, rest)) = htu.split_once("://") else { return false };
    let host = rest.split('/').next().unwrap_or(rest);
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    !htu.contains(['?', '#'])
        && !scheme.chars().chain(host.chars()).any(|c| c.is_ascii_uppercase())
        && !host.ends_with(default_port)
}

/// As much of a text as is kept; a token in it is cut off whole.
pub(super) fn cut(text: &str) -> &str {
    if text.len() <= MAX_TEXT {
        return text;
    }
    // A token that is cut can't be recognised any more when the text is made fit to be printed: cut before the word.
    let part =
        |b: &u8| !b.is_ascii_alphanumeric() && !matches!(*b, b'-' | b'_' | b'.' | b'~' | b'+' | b'/' | b'=' | b'%');
    let word = text.as_bytes()[..MAX_TEXT].iter().rposition(part).unwrap_or(0);
    let end = (0..=word).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numeric_dates() {
        let cases = [
            ("1700000000", Time::At(1_700_000_000)),
            ("1700000000.9", Time::At(1_700_000_000)),
            ("1.7e9", Time::At(1_700_000_000)),
            ("1700000000000", Time::Milliseconds(1_700_000_000)),
            ("99999999999999999999999", Time::Far),
            ("1e400", Time::Far),
            ("0", Time::Malformed),
            ("-5", Time::Malformed),
            ("\"1700000000\"", Time::Malformed),
            ("null", Time::Absent),
            ("{}", Time::Malformed),
        ];
        for (text, expected) in cases {
            assert_eq!(time(json::parse(text.as_bytes()).as_ref()), expected, "{text}");
        }
        assert_eq!(time(None), Time::Absent);
    }

    #[test]
    fn broad_scopes() {
        for broad in [
            "*",
            "admin",
            "admin:org",
            "Administrator",
            "cluster-admin",
            "User.ReadWrite.All",
            "*:*",
            "https://www.googleapis.com/auth/cloud-platform",
            "https://graph.microsoft.com/User.ReadWrite.All",
        ] {
            assert!(is_broad(broad), "{broad}");
        }
        for narrow in ["read", "administer-x", "user:admin-ui-view", "files.read", "api:*:read", "adminish"] {
            assert!(!is_broad(narrow), "{narrow}");
        }
    }

    #[test]
    fn canonical_htu() {
        assert!(is_canonical("https://as.example.com/token"));
        for bad in ["https://as.example.com/token?x", "https://AS.example.com/t", "https://a.example:443/t", "x"] {
            assert!(!is_canonical(bad), "{bad}");
        }
    }
}
