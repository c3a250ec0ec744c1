//! What the audits of configuration share: the texts of a scan, places in them, and a cursor over their trees.

pub mod compose;
pub mod documents;
pub mod embedded;
pub mod estate;
pub mod files;
pub mod graft;
pub mod helm;
pub mod kubernetes;
pub mod kustomize;
pub mod place;
pub mod settings;
pub mod terraform;
pub mod tree;
pub mod written;

use place::Place;

use crate::finding::{Coverage, Finding};

/// A client whose access tokens are bound to its certificate, as an issuer's configuration says: what gateways are held
/// against.
#[derive(Debug, Clone)]
pub struct CertificateBound {
    /// The client.
    pub client: String,
    /// Where it is said.
    pub place: Place,
    /// What the setting is called.
    pub setting: &'static str,
}

/// What an audit of configuration gives.
#[derive(Debug, Default)]
pub struct Audit {
    /// The findings, in no order.
    pub findings: Vec<Finding>,
    /// What was not read.
    pub coverage: Vec<Coverage>,
}
