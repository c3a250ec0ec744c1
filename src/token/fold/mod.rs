//! Text folded into text: base64 (in lines or in one piece, also of gzip), and 16-bit characters. Each file undoes one
//! encoding of a piece of bytes and knows where each character came from.

pub mod base64_run;
pub mod inflate;
pub mod lines;
pub mod secret;
pub mod wide;
