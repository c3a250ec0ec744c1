//! Bytes to spanned trees. Nothing here panics, recurses without a bound or gives up on a whole file because of one
//! bad place; what can't be read becomes a hole.

pub mod apache;
pub mod bicep;
pub mod blank;
pub mod caddyfile;
pub mod calls;
pub mod code;
pub mod der;
pub mod directives;
pub mod go_template;
pub mod haproxy;
pub mod hcl;
pub mod inner;
pub mod json;
pub mod packed;
pub mod template;
pub mod toml;
pub mod xml;
pub mod yaml;
