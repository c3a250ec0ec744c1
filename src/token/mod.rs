//! The token audit: find tokens in bytes, decode them, judge them. Pure: no file, no clock, no printing.
//!
//! `prefilter` finds anchors, `scanner` sends each to what can read it (`jose`, `jose_json`, families with `proof` and
//! `decode`, `names`), `claims` and `confirmation` turn what is read into `facts`, `judge` turns facts into findings.

mod agent;
mod beside;
mod between;
pub mod cache;
pub mod carrier;
pub mod claims;
pub mod confirmation;
pub mod decode;
pub mod directive;
pub mod engine;
pub mod escape;
pub mod facts;
pub mod fault;
pub mod file;
pub mod fold;
pub mod intern;
pub mod jose;
pub mod jose_json;
pub mod judge;
pub mod keys;
pub mod known;
pub mod logged;
mod made_up;
pub mod names;
mod pair;
pub mod prefilter;
mod prefixed;
pub mod proof;
mod record;
pub mod redact;
mod request;
pub mod saml;
pub mod scanner;
pub mod signing_secret;
pub mod weak_secret;
