//! The neutral model of what an issuer of tokens is set to: front ends fill it from every product's configuration, the
//! checks know nothing else. What a template or a variable decides is not there, so that nobody is accused of it.

use crate::config::place::Place;

/// One issuer, or a part of one: a realm, a folder of Terraform, a file of a server or of a resource server.
#[derive(Debug, Clone, Default)]
pub struct Issued {
    /// What it is called: `realm shop`.
    pub issuer: String,
    /// How long access tokens live, setting by setting.
    pub lifetimes: Vec<Lifetime>,
    /// Its clients, without those that the product brings along.
    pub clients: Vec<Client>,
    /// Whether refresh tokens are used once, setting by setting.
    pub rotations: Vec<Rotation>,
    /// How old a DPoP proof may be.
    pub windows: Vec<Window>,
    /// What resource servers check.
    pub verifiers: Vec<Verifier>,
    /// Documents that describe an issuer to its clients (RFC 8414).
    pub metadata: Vec<Metadata>,
    /// Keys that are valid for longer beside their successors than a rotation takes.
    pub overlaps: Vec<Overlap>,
    /// Client certificates, or what says how long they will live.
    pub certificates: Vec<Lived>,
    /// Settings by which a DPoP proof can be sent twice.
    pub replays: Vec<Replay>,
    /// Proof-of-possession keys of public clients that scripts can read.
    pub keys: Vec<SoftwareKey>,
    /// What could not be read.
    pub holes: Vec<(Place, String)>,
}

/// How access tokens are bound to a key of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Binding {
    /// Not known.
    #[default]
    Unknown,
    /// Not at all, since nothing asks for it.
    Unasked,
    /// Not at all: it says so.
    Off,
    /// Not at all: the product knows of no binding.
    Impossible,
    /// Where the client asks for it.
    Optional,
    /// Always.
    Bound,
}

impl Binding {
    /// Known to be none.
    pub const fn is_none(self) -> bool {
        matches!(self, Self::Unasked | Self::Off | Self::Impossible)
    }
}

/// How long access tokens live.
#[derive(Debug, Clone)]
pub struct Lifetime {
    /// In seconds.
    pub seconds: i64,
    /// Where it is set.
    pub place: Place,
    /// What the setting is called.
    pub setting: &'static str,
    /// The client, or the API, that it is for; all of them where nothing stands here.
    pub client: Option<String>,
    /// How those tokens are bound.
    pub binding: Binding,
    /// Nobody has written it: it is the product's own.
    pub default: bool,
}

/// Whether a client can keep a secret (RFC 6749, section 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// Not known.
    #[default]
    Unknown,
    /// It can't.
    Public,
    /// It can.
    Confidential,
}

/// A client.
#[derive(Debug, Clone, Default)]
pub struct Client {
    /// Its id.
    pub name: String,
    /// Where it is named.
    pub place: Place,
    /// Its kind.
    pub kind: Kind,
    /// It authenticates with a certificate: the setting that says so.
    pub certificate: Option<(Place, &'static str)>,
    /// How its access tokens are bound.
    pub binding: Binding,
    /// The setting that says so, where there is one.
    pub binding_at: Option<(Place, &'static str)>,
    /// Its access tokens are bound to its certificate.
    pub certificate_bound: bool,
    /// How long its access tokens live, in seconds.
    pub access: Option<i64>,
    /// It gets refresh tokens.
    pub refresh: bool,
    /// A refresh token is replaced when it is used; nothing where that is not known.
    pub rotated: Option<bool>,
    /// The setting that says so, where there is one.
    pub rotated_at: Option<(Place, &'static str)>,
}

/// Whether refresh tokens are replaced when they are used.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// They are.
    pub on: bool,
    /// Where it is set.
    pub place: Place,
    /// What the setting is called.
    pub setting: &'static str,
    /// The client that it is for.
    pub client: Option<String>,
    /// Whether public clients depend on it.
    pub public: bool,
    /// How long the old one may still be used, in seconds, and where that is set.
    pub leeway: Option<(i64, Place, &'static str)>,
}

/// How far the time in a DPoP proof may be off.
#[derive(Debug, Clone)]
pub struct Window {
    /// In seconds.
    pub seconds: i64,
    /// Where it is set.
    pub place: Place,
    /// What the setting is called.
    pub setting: String,
    /// The client that it is for.
    pub client: Option<String>,
}

/// What a resource server does about bindings.
#[derive(Debug, Clone)]
pub struct Verifier {
    /// Tokens without a proof pass, too; else no proof is looked at.
    pub fallback: bool,
    /// Where it is set.
    pub place: Place,
    /// What the setting is called.
    pub setting: String,
}

/// A document that describes an issuer.
#[derive(Debug, Clone)]
pub struct Metadata {
    /// Where it begins to: its `token_endpoint`.
    pub place: Place,
    /// It offers certificate-bound or DPoP-bound tokens.
    pub binds: bool,
    /// Algorithms for DPoP proofs that are none: `none` and the symmetric ones.
    pub weak: Vec<(Place, String)>,
}

/// A client certificate, or a setting that makes such.
#[derive(Debug, Clone)]
pub struct Lived {
    /// How long it is valid, in seconds.
    pub seconds: i64,
    /// Where that stands.
    pub place: Place,
    /// What the setting, or the field, is called.
    pub setting: &'static str,
    /// When a certificate that is there ends to be valid, in seconds since 1970.
    pub end: Option<i64>,
}

/// A setting that lets a DPoP proof be sent twice.
#[derive(Debug, Clone)]
pub struct Replay {
    /// Where it is set.
    pub place: Place,
    /// What the setting is called.
    pub setting: String,
}

/// A key for proofs that is made so that it can be read out.
#[derive(Debug, Clone, Copy)]
pub struct SoftwareKey {
    /// The call that makes it.
    pub place: Place,
    /// What is called.
    pub call: &'static str,
    /// Where keys that were read out are stored for every script to read.
    pub stored: Option<Place>,
}

/// Keys that are valid beside each other.
#[derive(Debug, Clone)]
pub struct Overlap {
    /// What they are: `signing key`.
    pub what: &'static str,
    /// The key that is replaced, or the first of too many.
    pub place: Place,
    /// The other ones.
    pub others: Vec<Place>,
    /// For so many seconds; nothing where there are simply many.
    pub seconds: Option<i64>,
    /// When the first of them ends to be valid, in seconds since 1970, where that is known.
    pub end: Option<i64>,
}
