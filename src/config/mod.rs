//! What the audits of configuration share: the texts of a scan, places in them, and a cursor over their trees.

pub mod compose;
pub mod embedded;
pub mod files;
pub mod kubernetes;
pub mod place;
pub mod terraform;
pub mod tree;

use crate::finding::{Coverage, Finding};

/// What an audit of configuration gives.
#[derive(Debug, Default)]
pub struct Audit {
    /// The findings, in no order.
    pub findings: Vec<Finding>,
    /// What was not read.
    pub coverage: Vec<Coverage>,
}
