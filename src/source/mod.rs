//! Where bytes come from: the walk over paths, files in ranges, standard input, git's objects.

pub mod archive;
pub mod git;
pub mod left_out;
mod lines;
pub mod stream;
pub mod walk;
