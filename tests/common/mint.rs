//! Made-up tokens, put together at run time so that no source file holds anything that looks like one. The same seed
//! gives the same token; nothing here was ever issued by anybody.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value, json};
use sha2::Sha256;

use super::NOW_SECONDS;

const DIGITS: &[u8] = b"0123456789";
const HEX: &[u8] = b"0123456789abcdef";
const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Chance that can be had again (SplitMix64).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(0x9e37_79b9_7f4a_7c15))
    }

    /// Chance that hangs on a text.
    pub(crate) fn of(text: &str) -> Self {
        Self::new(
            text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)),
        )
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }

    fn text(&mut self, alphabet: &[u8], length: usize) -> String {
        (0..length).map(|_| char::from(alphabet[self.below(alphabet.len() as u64) as usize])).collect()
    }
}

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Six characters of base 62 that GitHub and npm put at a token's end: the CRC-32 of its random part.
fn base62_checksum(random: &str) -> String {
    let mut value = crc32fast::hash(random.as_bytes());
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(value % 62) as usize];
        value /= 62;
    }
    digits.map(char::from).iter().collect()
}

/// `ghp_…` or any other prefix of that form, 40 characters, with a checksum that fits.
pub(crate) fn with_checksum(prefix: &str, seed: u64) -> String {
    let random = Chance::of(&format!("{prefix}{seed}")).text(BASE62, 30);
    format!("{prefix}{random}{}", base62_checksum(&random))
}

pub(crate) fn github(seed: u64) -> String {
    with_checksum("ghp_", seed)
}

pub(crate) fn npm(seed: u64) -> String {
    with_checksum("npm_", seed)
}

pub(crate) fn gitlab(seed: u64) -> String {
    format!("{}{}", "glpat-", Chance::new(seed).text(BASE62, 20))
}

pub(crate) fn slack(seed: u64) -> String {
    let mut chance = Chance::new(seed);
    let (team, bot) = (chance.text(&DIGITS[1..], 12), chance.text(&DIGITS[1..], 13));
    format!("{}{team}-{bot}-{}", "xoxb-", chance.text(BASE62, 24))
}

/// A string that only what stands around it can tell to be a token. Every fourth character is a digit: now and then
/// chance alone reads like words, which is not what these tests are about.
pub(crate) fn opaque(seed: u64, length: usize) -> String {
    let mut chance = Chance::new(seed);
    (0..length).map(|at| chance.text(if at % 4 == 1 { DIGITS } else { BASE62 }, 1)).collect()
}

pub(crate) fn hex(seed: u64, length: usize) -> String {
    Chance::new(seed).text(HEX, length)
}

/// The query of an Azure storage URL and its signature, as it stands there.
pub(crate) fn azure_sas(seed: u64, expires: &str) -> (String, String) {
    let signature =
        STANDARD.encode(Chance::new(seed).bytes(32)).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    (format!("sv=2024-11-04&sr=c&sp=rl&se={}&{}{signature}", expires.replace(':', "%3A"), "sig="), signature)
}

/// Five segments, the first a header with `kid` in it.
pub(crate) fn jwe(seed: u64) -> String {
    let mut chance = Chance::new(seed);
    let header = json!({"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": format!("key-{seed}")});
    let mut segments = vec![base64url(header.to_string())];
    segments.extend([256, 12, 96, 16].map(|length| base64url(chance.bytes(length))));
    segments.join(".")
}

/// Bytes of a signature of that algorithm.
fn signature_length(alg: &str) -> usize {
    match alg {
        "none" => 0,
        "HS256" => 32,
        "HS384" => 48,
        "HS512" | "ES256" | "EdDSA" => 64,
        "ES384" => 96,
        _ => 256,
    }
}

/// A JWS with claims, to be bent into shape.
#[derive(Debug, Clone)]
pub(crate) struct Jwt {
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => unreachable!("an object is written here"),
    }
}

impl Jwt {
    /// An RFC 9068 access token of a user, ten minutes old, good for another fifty, bound to nothing.
    pub(crate) fn access() -> Self {
        Self {
            header: members(json!({"typ": "at+jwt", "alg": "ES256", "kid": "k1"})),
            claims: members(json!({
                "iss": "https://as.acme.test",
                "sub": "alice",
                "aud": "https://api.acme.test",
                "client_id": "shop",
                "scope": "orders.read",
                "jti": "a1",
                "iat": NOW_SECONDS - 600,
                "exp": NOW_SECONDS + 3000,
            })),
        }
    }

    /// The shortest that is still a token: fits a file name.
    pub(crate) fn short(subject: &str) -> Self {
        Self {
            header: members(json!({"alg": "HS256"})),
            claims: members(json!({"sub": subject, "exp": NOW_SECONDS + 3000})),
        }
    }

    /// Other than [`Self::access`] in nothing but its id.
    pub(crate) fn numbered(number: u64) -> Self {
        Self::access().claim("jti", format!("id-{number}"))
    }

    pub(crate) fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self.header.remove(name);
        self
    }

    /// Header and claims, encoded.
    fn signed_part(&self) -> String {
        let segment = |members: &Map<String, Value>| base64url(Value::Object(members.clone()).to_string());
        format!("{}.{}", segment(&self.header), segment(&self.claims))
    }

    /// With a signature that looks as one of its algorithm does.
    pub(crate) fn mint(&self) -> String {
        let signed = self.signed_part();
        let alg = self.header.get("alg").and_then(Value::as_str).unwrap_or_default();
        let signature = base64url(Chance::of(&signed).bytes(signature_length(alg)));
        format!("{signed}.{signature}")
    }

    /// Signed with that secret (HS256).
    pub(crate) fn mint_with(&self, secret: &str) -> String {
        let signed = self.clone().header("alg", "HS256").signed_part();
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.as_bytes()).expect("any length of key");
        mac.update(signed.as_bytes());
        format!("{signed}.{}", base64url(mac.finalize().into_bytes()))
    }
}

/// A JWS over claims that are written out, be they JSON or not.
pub(crate) fn jwt_of(claims: &str) -> String {
    let header = base64url(json!({"typ": "at+jwt", "alg": "ES256", "kid": "k1"}).to_string());
    let signed = format!("{header}.{}", base64url(claims));
    let signature = base64url(Chance::of(&signed).bytes(64));
    format!("{signed}.{signature}")
}

/// An elliptic-curve key as a JWK; with its private part or without.
pub(crate) fn ec_jwk(seed: u64, private: bool) -> Value {
    let mut chance = Chance::new(seed);
    let mut coordinate = || base64url(chance.bytes(32));
    let mut jwk = json!({"kty": "EC", "crv": "P-256", "x": coordinate(), "y": coordinate()});
    if private {
        jwk["d"] = coordinate().into();
    }
    jwk
}

/// A SHA-256 thumbprint as `x5t#S256` and `jkt` have it.
pub(crate) fn thumbprint(seed: u64) -> String {
    base64url(Chance::new(seed).bytes(32))
}

/// A DPoP proof, made five seconds ago.
pub(crate) fn dpop_proof(jwk: Value) -> Jwt {
    Jwt {
        header: members(json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk})),
        claims: members(json!({
            "jti": "p1",
            "htm": "GET",
            "htu": "https://api.acme.test/orders",
            "iat": NOW_SECONDS - 5,
        })),
    }
}

/// A SAML 2.0 assertion, five minutes long, issued a minute ago. Change it with `replace`.
#[derive(Debug, Clone)]
pub(crate) struct Saml {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) audience: String,
    pub(crate) issued: i64,
    pub(crate) until: Option<i64>,
    /// `SubjectConfirmation` elements.
    pub(crate) confirmations: String,
    /// The value of its own signature.
    pub(crate) signature: Option<String>,
}

impl Saml {
    pub(crate) fn bearer(seed: u64) -> Self {
        Self {
            issuer: "https://idp.acme.test".to_owned(),
            subject: format!("user-{seed}@acme.test"),
            audience: "https://sp.acme.test".to_owned(),
            issued: NOW_SECONDS - 60,
            until: Some(NOW_SECONDS + 240),
            confirmations: saml_confirmation("bearer", ""),
            signature: Some(STANDARD.encode(Chance::new(seed).bytes(96))),
        }
    }

    /// The element.
    pub(crate) fn mint(&self) -> String {
        let names = ["urn:oasis:names:tc:", "SAML"].concat();
        let until = self.until.map(|until| format!(" NotOnOrAfter=\"{}\"", instant(until))).unwrap_or_default();
        let signature = self.signature.as_ref().map(|value| saml_signature(value)).unwrap_or_default();
        let audience = match &*self.audience {
            "" => String::new(),
            audience => format!(
                "<saml:AudienceRestriction><saml:Audience>{audience}</saml:Audience></saml:AudienceRestriction>"
            ),
        };
        let issued = instant(self.issued);
        format!(
            "<saml:Assertion xmlns:saml=\"{names}:2.0:assertion\" ID=\"_1\" Version=\"2.0\" IssueInstant=\"{issued}\">\
             <saml:Issuer>{}</saml:Issuer>{signature}<saml:Subject><saml:NameID>{}</saml:NameID>{}</saml:Subject>\
             <saml:Conditions NotBefore=\"{issued}\"{until}>{audience}</saml:Conditions></saml:Assertion>",
            self.issuer, self.subject, self.confirmations
        )
    }
}

/// A `SubjectConfirmation`; `key` is what its `ds:KeyInfo` holds, none where it is empty.
pub(crate) fn saml_confirmation(method: &str, key: &str) -> String {
    let names = ["urn:oasis:names:tc:", "SAML"].concat();
    let key = match key {
        "" => String::new(),
        key => format!("<ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">{key}</ds:KeyInfo>"),
    };
    format!(
        "<saml:SubjectConfirmation Method=\"{names}:2.0:cm:{method}\"><saml:SubjectConfirmationData>{key}</saml:SubjectConfirmationData></saml:SubjectConfirmation>"
    )
}

/// A `ds:Signature` with that value.
pub(crate) fn saml_signature(value: &str) -> String {
    format!(
        "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:SignedInfo><ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"/></ds:SignedInfo><ds:SignatureValue>{value}</ds:SignatureValue></ds:Signature>"
    )
}

/// A response around elements.
pub(crate) fn saml_response(elements: &str) -> String {
    let names = ["urn:oasis:names:tc:", "SAML"].concat();
    format!(
        "<samlp:Response xmlns:samlp=\"{names}:2.0:protocol\" xmlns:saml=\"{names}:2.0:assertion\" ID=\"_r\" Version=\"2.0\"><samlp:Status><samlp:StatusCode Value=\"{names}:2.0:status:Success\"/></samlp:Status>{elements}</samlp:Response>"
    )
}

/// `xs:dateTime`.
pub(crate) fn instant(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).expect("a time").to_string()
}
