//! `keybound inspect`: one token, decoded and judged. The token itself is never printed.

use std::io::{self, Read, Write};

use base64::Engine as _;

use super::args::InspectArgs;
use super::scan::engine;
use super::{Failure, code};
use crate::policy::Policy;
use crate::report::pretty::wrap;
use crate::scan::verdict_on;
use crate::syntax::json::{self, Value};
use crate::token::engine::Engine;
use crate::token::jose;
use crate::token::redact::redact;

/// The most that is read from standard input.
const MAX_INPUT: u64 = 1024 * 1024;

pub(super) fn run(args: &InspectArgs) -> Result<u8, Failure> {
    let mut text = Vec::new();
    if args.token == "-" {
        io::stdin().lock().take(MAX_INPUT).read_to_end(&mut text)?;
    } else {
        text.extend_from_slice(args.token.as_bytes());
    }
    let engine = engine(&args.rules, args.weak_secrets.as_deref())?;
    let now = args.now.unwrap_or_else(jiff::Timestamp::now).as_second();
    let Some((finding, span)) = verdict_on(&engine, &Policy::default(), &text, now) else {
        return Err(Failure::message(match text.trim_ascii() {
            [] => "no token was given",
            _ => {
                "this is no token that keybound can tell from other text; opaque tokens are only known by their context, such as `Authorization: Bearer …`"
            }
        }));
    };
    let choice = anstream::ColorChoice::from(args.color);
    let mut out = anstream::AutoStream::new(io::stdout().lock(), choice);
    if args.json {
        serde_json::to_writer(&mut out, &finding).map_err(io::Error::from)?;
        writeln!(out)?;
        return Ok(code::CLEAN);
    }
    let token = finding.token.as_ref();
    let row = |out: &mut dyn Write, name: &str, value: &str| -> io::Result<()> {
        let mut lines = wrap(value, 86).into_iter();
        writeln!(out, "{name:<12} {}", lines.next().unwrap_or_default())?;
        lines.try_for_each(|line| writeln!(out, "{:<12} {line}", ""))
    };
    row(&mut out, "verdict", &format!("{}: {}", finding.severity.word(), finding.message))?;
    row(&mut out, "family", finding.family.unwrap_or("unknown"))?;
    if let Some(token) = token {
        row(&mut out, "binding", token.binding)?;
        row(&mut out, "state", token.state)?;
        for (name, value) in [("issued", &token.issued_at), ("expires", &token.expires_at)] {
            if let Some(value) = value {
                row(&mut out, name, value)?;
            }
        }
    }
    if let Some(key) = &finding.key {
        row(&mut out, "algorithm", key.algorithm.as_deref().unwrap_or("unknown"))?;
        row(&mut out, "passphrase", if key.encrypted { "yes" } else { "no" })?;
        row(&mut out, "thumbprint", key.jkt.as_deref().unwrap_or("unknown"))?;
    }
    row(&mut out, "why", &finding.because.join("; "))?;
    if !finding.faults.is_empty() {
        row(&mut out, "faults", &finding.faults.join(", "))?;
    }
    row(&mut out, "fix", &finding.fix)?;
    if let Some(fingerprint) = finding.fingerprint() {
        row(&mut out, "fingerprint", fingerprint)?;
    }
    for (name, segment) in ["header", "claims"].into_iter().zip(text[span.0..span.1].split(|b| *b == b'.')) {
        let Ok(bytes) = jose::BASE64URL.decode(segment) else { break };
        let Some(value @ Value::Object(_)) = json::parse(&bytes) else { break };
        writeln!(out, "\n{name}")?;
        for (member, value) in value.members().unwrap_or_default() {
            writeln!(out, "  {:<10} {}", redact(&engine, member), shown(&engine, member, value, 0))?;
        }
    }
    Ok(code::CLEAN)
}

/// A claim's value on one line, safe to print.
fn shown(engine: &Engine, name: &str, value: &Value<'_>, depth: usize) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(digits) => match digits.parse::<i64>() {
            Ok(seconds @ 1_000_000_000..=9_999_999_999) => {
                let time = jiff::Timestamp::from_second(seconds).map(|at| format!("  ({at})")).unwrap_or_default();
                format!("{digits}{time}")
            }
            _ => digits.chars().take(64).collect(),
        },
        // A token without a shape of its own is known by its name.
        Value::String(text) if redact(engine, &format!("{name}={text}")).contains("[redacted") => {
            format!("[redacted {} characters]", text.chars().count())
        }
        Value::String(text) => format!("\"{}\"", redact(engine, text)),
        Value::Hole => "…".to_owned(),
        Value::Array(_) | Value::Object(_) if depth > 4 => "…".to_owned(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().take(20).map(|item| shown(engine, name, item, depth + 1)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(members) => {
            let secret = |name: &str| matches!(name, "d" | "p" | "q" | "dp" | "dq" | "qi" | "k");
            let members: Vec<String> = members
                .iter()
                .take(20)
                .map(|(name, value)| {
                    // The private parts of a key that stands in a token are as secret as the token.
                    let value = match secret(name) {
                        true => "[redacted]".to_owned(),
                        false => shown(engine, name, value, depth + 1),
                    };
                    format!("{}: {value}", redact(engine, name))
                })
                .collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}
