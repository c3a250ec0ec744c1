//! SAML assertions (OASIS SAML 1.1 and 2.0): found as XML and in what carries it, read into facts.
//!
//! `text` finds assertions that stand as XML in other text, and `unescape` undoes what JSON, HTML and URLs put around them
//! there. `encoded` undoes base64 and deflate around whole messages, `document` finds the assertions of a message.
//! `reading` reads one, `assertion` says what it is as a token, `words` what there is to say about it.
//! Whatever the way, the canonical token is the text from `<…Assertion` to its end tag, so all forms of one assertion
//! have one fingerprint. Kerberos tickets, artifacts (`SAMLart`) and requests are none of it.

pub mod assertion;
pub mod document;
pub mod encoded;
pub mod reading;
pub mod text;
pub mod unescape;
pub(super) mod words;

#[cfg(test)]
mod tests;

/// The longest assertion or message, in bytes once it is decoded.
pub const MAX_XML: usize = 512 * 1024;
/// How deep elements are followed.
const MAX_DEPTH: usize = 64;

/// The part of a SAML namespace that every assertion holds, as written and percent-encoded.
pub const TEXT_ANCHORS: &[&str] = &["tc:SAML", "tc%3ASAML", "tc%3aSAML"];
/// The name of the form field (and query parameter) that carries a response.
pub const NAME_ANCHORS: &[&str] = &["SAMLResponse"];
/// The grant and client assertion types of RFC 7522, whose assertion stands in a parameter beside it.
pub const GRANT_ANCHORS: &[&str] = &["saml2-bearer"];
/// What a message or an assertion begins with in base64: `<saml`, `<SAML`, `<?xml`, `<Respo`, `<Asser`, `<ns0` to `<ns3`,
/// and `<saml` after a line break.
pub const BASE64_ANCHORS: &[&str] =
    &["PHNhbW", "PFNBTU", "PD94bWw", "PFJlc3Bv", "PEFzc2Vy", "PG5zM", "CjxzYW1s", "DQo8c2Ft"];

/// SAML 2.0 assertions.
const SAML2: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
/// SAML 1.0 and 1.1 assertions.
const SAML1: &str = "urn:oasis:names:tc:SAML:1.0:assertion";
/// XML signatures.
const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
