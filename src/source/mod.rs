//! Where bytes come from: the walk over paths, files in ranges, standard input.

pub mod archive;
mod lines;
pub mod stream;
pub mod walk;
