//! keybound finds leaked bearer tokens, decodes them, and says of each whether somebody else could replay it.
//!
//! Data flows one way: sources give bytes, audits turn bytes into facts, the judge turns facts into findings, reports
//! print findings. See ARCHITECTURE.md for the rooms and the floors they stand on.

pub mod baseline;
pub mod cli;
pub mod config;
pub mod finding;
pub mod gateway;
pub mod issuer;
pub mod origin;
pub mod policy;
pub mod report;
pub mod rules;
pub mod scan;
pub mod secret;
pub mod source;
pub mod span;
pub mod syntax;
pub mod token;
