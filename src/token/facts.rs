//! What is known of a token once it is decoded: small, free of the token itself, independent of the clock.

use std::num::NonZeroU64;
use std::sync::Arc;

use super::fault::Faults;
use super::keys::{Algorithm, Protection, Thumbprint};
use crate::rules::KeyFormat;

/// What a token is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// JWS in compact form with claims.
    Jwt,
    /// JWS in compact form with some other content.
    Jws,
    /// JWE in compact form.
    Jwe,
    /// JWS in JSON form.
    JwsJson,
    /// JWE in JSON form.
    JweJson,
    /// A string without a readable structure.
    Opaque,
    /// A URL that is a credential (signed or presigned).
    SignedUrl,
    /// A macaroon.
    Macaroon,
    /// A SAML assertion.
    Saml,
    /// A SAML assertion that only its audience can read.
    SamlEncrypted,
    /// A biscuit.
    Biscuit,
    /// A PASETO.
    Paseto,
    /// A private key: no token, but what makes the binding of tokens worthless.
    PrivateKey,
}

impl Kind {
    /// The word in the record.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::Jws => "jws",
            Self::Jwe => "jwe",
            Self::JwsJson => "jws-json",
            Self::JweJson => "jwe-json",
            Self::Opaque => "opaque",
            Self::SignedUrl => "signed-url",
            Self::Macaroon => "macaroon",
            Self::Saml | Self::SamlEncrypted => "saml",
            Self::Biscuit => "biscuit",
            Self::Paseto => "paseto",
            Self::PrivateKey => "private-key",
        }
    }

    /// Whether the gravest fault names the finding, as of JOSE objects and assertions; a token of another kind is named by
    /// its family.
    pub const fn named_by_fault(self) -> bool {
        match self {
            Self::Jwt | Self::Jws | Self::Jwe | Self::JwsJson | Self::JweJson | Self::Saml | Self::SamlEncrypted => {
                true
            }
            Self::Opaque | Self::SignedUrl | Self::Macaroon | Self::Biscuit | Self::Paseto | Self::PrivateKey => false,
        }
    }
}

/// How the token is bound to a key (RFC 7800, RFC 8705 section 3.1, RFC 9449 section 6.1, SAML profiles 2.0 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Binding {
    /// Not at all.
    None,
    /// To a client certificate.
    X5tS256,
    /// To a DPoP key.
    Jkt,
    /// To a public key in the token: a JWK in `cnf`, or a certificate or key in the `ds:KeyInfo` of a holder-of-key
    /// assertion.
    Jwk,
    /// To a key named by id only.
    Kid,
    /// To a key behind a URL.
    Jku,
    /// To an encrypted key.
    Jwe,
    /// The confirmation claim can't be read as any of these.
    Malformed,
    /// The key that should stay secret is in the token.
    SelfLeaked,
    /// It can't be seen from outside.
    Unknown,
}

impl Binding {
    /// The word in the record.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::X5tS256 => "x5t#S256",
            Self::Jkt => "jkt",
            Self::Jwk => "jwk",
            Self::Kid => "kid",
            Self::Jku => "jku",
            Self::Jwe => "jwe",
            Self::Malformed => "malformed",
            Self::SelfLeaked => "self-leaked",
            Self::Unknown => "unknown",
        }
    }

    /// Bound to a key that can be checked from the token alone.
    pub const fn effective(self) -> bool {
        matches!(self, Self::X5tS256 | Self::Jkt | Self::Jwk)
    }
}

/// A NumericDate (RFC 7519, section 2) as it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Time {
    /// The claim is missing (or null).
    #[default]
    Absent,
    /// Seconds since 1970.
    At(i64),
    /// It was written in milliseconds; here in seconds.
    Milliseconds(i64),
    /// Beyond 64 bits: later than anything.
    Far,
    /// The token says that there is none.
    Never,
    /// Not a number, or not after 1970.
    Malformed,
}

impl Time {
    /// Seconds since 1970, where it says so.
    pub const fn seconds(self) -> Option<i64> {
        match self {
            Self::At(seconds) | Self::Milliseconds(seconds) => Some(seconds),
            Self::Far => Some(i64::MAX),
            Self::Absent | Self::Never | Self::Malformed => None,
        }
    }
}

/// How the third segment of a JWS looks, or the signature of an assertion or of the message it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signature {
    /// As long as the algorithm says.
    Fits,
    /// Unsecured (`alg` none, an assertion without a signature).
    Unsecured,
    /// Missing, masked or of a wrong length: nobody accepts the token as it stands.
    Broken,
    /// Nothing can be said (JWE, opaque).
    Unknown,
}

/// What is known of a private key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyFacts {
    /// Whether a passphrase guards it.
    pub protection: Protection,
    /// What it stands in.
    pub format: KeyFormat,
    /// Algorithm and size.
    pub algorithm: Algorithm,
    /// The thumbprint of its public half as a JWK, where that half is known.
    pub thumbprint: Option<Thumbprint>,
}

/// What a `jti` stands for, in hashes: no two tokens may share it (RFC 7519, section 4.1.7; RFC 9449, section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unique {
    /// Issuer and `jti`; of a DPoP proof its key, its target and `jti`.
    pub id: NonZeroU64,
    /// All claims.
    pub claims: u64,
}

/// Everything the judge needs to know of a token, but for where it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// What it is made of.
    pub kind: Kind,
    /// Index of the family in the catalogue.
    pub family: u16,
    /// JOSE `alg`, or what names the algorithm of an XML signature.
    pub alg: Option<Arc<str>>,
    /// JOSE `typ`.
    pub typ: Option<Arc<str>>,
    /// `iss`, `Issuer`, or the host that a URL names.
    pub issuer: Option<Arc<str>>,
    /// `aud`; long lists are cut.
    pub audience: Option<Arc<[Arc<str>]>>,
    /// `sub`, or the `NameID` of an assertion.
    pub subject: Option<Box<str>>,
    /// `client_id` or `azp`.
    pub client: Option<Arc<str>>,
    /// How it is bound.
    pub binding: Binding,
    /// The thumbprint of the key (`jkt`, `jwk`) or of the certificate (`x5t#S256`) that it is bound to.
    pub bound_to: Option<Arc<Thumbprint>>,
    /// What is known of a private key.
    pub key: Option<Box<KeyFacts>>,
    /// `iat`, `IssueInstant`.
    pub issued: Time,
    /// `nbf`, `NotBefore`.
    pub not_before: Time,
    /// `exp`, `NotOnOrAfter`.
    pub expires: Time,
    /// Lifetime in seconds that stood beside an opaque token (`expires_in`).
    pub lifetime: Option<i64>,
    /// How the signature looks.
    pub signature: Signature,
    /// Faults that can be seen without the clock.
    pub faults: Faults,
    /// Scope or roles reach far.
    pub privileged: bool,
    /// No credential at all: demo data, or sent in a way that makes it useless alone.
    pub harmless: bool,
    /// What its `jti` makes unique.
    pub unique: Option<Unique>,
    /// Wherever it was seen, it stands as keys stand that are public by design.
    pub public: bool,
    /// Its checksum fits.
    pub summed: bool,
    /// The proof: checksum or decoding (high), context (medium), shape only or a failed proof (low).
    pub confidence: crate::finding::Confidence,
}

impl Facts {
    /// Facts of a token of that family of which nothing more is known.
    pub fn opaque(family: u16, kind: Kind, confidence: crate::finding::Confidence) -> Self {
        Self {
            kind,
            family,
            alg: None,
            typ: None,
            issuer: None,
            audience: None,
            subject: None,
            client: None,
            binding: Binding::Unknown,
            bound_to: None,
            key: None,
            issued: Time::Absent,
            not_before: Time::Absent,
            expires: Time::Absent,
            lifetime: None,
            signature: Signature::Unknown,
            faults: Faults::default(),
            privileged: false,
            harmless: false,
            unique: None,
            public: false,
            summed: false,
            confidence,
        }
    }

    /// Takes over what another sighting of the same token knows, whoever came first. Named differently at two places, it
    /// is what the family with the smaller index reads; general families come last.
    pub fn merge(&mut self, other: &Self) {
        if other.family < self.family {
            let before = std::mem::replace(self, other.clone());
            self.unite(&before);
        } else {
            self.unite(other);
        }
    }

    /// Adds what was seen beside the same token at another place, whatever the order.
    fn unite(&mut self, other: &Self) {
        self.faults = self.faults.union(other.faults);
        self.lifetime = self.lifetime.max(other.lifetime);
        self.harmless &= other.harmless;
        self.public &= other.public;
        // An assertion may be signed by the message around it at one place and stand alone at another.
        self.signature = self.signature.min(other.signature);
        if let (Some(key), Some(same)) = (&mut self.key, &other.key) {
            // A key may be contradicted at one place and sound at another.
            self.confidence = self.confidence.max(other.confidence);
            if same < key {
                key.clone_from(same);
            }
        }
    }
}
