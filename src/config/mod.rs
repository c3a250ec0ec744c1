//! What the audits of configuration share: the texts of a scan, places in them, and a cursor over their trees.

pub mod compose;
pub mod files;
pub mod place;
pub mod terraform;
pub mod tree;
