//! Where bytes come from: the walk over paths, files in ranges, standard input.

mod lines;
pub mod stream;
pub mod walk;
