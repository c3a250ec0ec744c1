//! X.509 certificates, as far as they tie a private key to a token: the SHA-256 that `x5t#S256` names (RFC 8705,
//! section 3.1), and whose public key it is.

use super::public::{PublicKey, Thumbprint};
use crate::syntax::der::{Reader, SEQUENCE, context};

/// A certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Certificate {
    /// SHA-256 of its DER.
    pub x5t: Thumbprint,
    /// The JWK thumbprint of its public key.
    pub key: Thumbprint,
}

/// Reads the certificate at the start of `der`. `None` unless it is one, whole, with a key that JOSE knows.
pub fn read(der: &[u8]) -> Option<Certificate> {
    let whole = Reader::new(der).whole()?;
    let mut fields = Reader::new(Reader::sequence(whole)?.take(SEQUENCE)?);
    // TBSCertificate (RFC 5280, section 4.1): version, serial number, signature, issuer, validity, subject, key.
    let _version = fields.take(context(0));
    fields.unsigned()?;
    for _ in ["signature", "issuer", "validity", "subject"] {
        fields.take(SEQUENCE)?;
    }
    let key = PublicKey::from_spki(fields.take(SEQUENCE)?)?;
    Some(Certificate { x5t: Thumbprint::of_certificate(whole), key: key.thumbprint() })
}
