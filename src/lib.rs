//! keybound
pub mod token { pub mod prefilter; }
