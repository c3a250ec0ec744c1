//! The record as JSON: one object a line (`jsonl`), or all of it in one object (`json`). Schema `keybound/v1`.

use std::io::{self, Write};

use serde::Serialize;

use super::{Report, SCHEMA};
use crate::finding::{Coverage, Finding, Suppressed};

/// About how long a line is, in bytes.
const LINE: usize = 2048;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Row<'a> {
    Finding(&'a Finding),
    Suppressed(&'a Suppressed),
    Coverage(&'a Coverage),
    Summary(Summary),
}

#[derive(Serialize)]
struct Summary {
    schema: &'static str,
    version: &'static str,
    now: Option<String>,
    files: u64,
    bytes: u64,
    ignored_files: u64,
    findings: serde_json::Map<String, serde_json::Value>,
    tokens: usize,
    suppressed: usize,
    partial: bool,
    elapsed_ms: Option<u128>,
}

fn summary(report: &Report<'_>, suppressed: usize) -> Summary {
    let outcome = report.outcome;
    Summary {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        now: jiff::Timestamp::from_second(report.now).ok().map(|at| at.to_string()),
        files: outcome.summary.files,
        bytes: outcome.summary.bytes,
        ignored_files: outcome.summary.ignored_files,
        findings: outcome.counts().into_iter().map(|(severity, n)| (severity.word().to_owned(), n.into())).collect(),
        tokens: outcome.tokens(),
        suppressed,
        partial: outcome.summary.partial,
        elapsed_ms: report.elapsed_ms,
    }
}

/// One JSON object a line: findings, known examples, coverage, and the summary last.
pub(super) fn write_lines(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let lines = |findings: &mut dyn Iterator<Item = Finding>| -> io::Result<Vec<u8>> {
        let mut text = Vec::with_capacity(findings.size_hint().1.unwrap_or_default() * LINE);
        for finding in findings {
            line(&Row::Finding(&finding), &mut text)?;
        }
        Ok(text)
    };
    for text in report.shaped(lines) {
        out.write_all(&text?)?;
    }
    let mut suppressed = 0;
    for row in report.outcome.suppressed(report.engine) {
        suppressed += 1;
        line(&Row::Suppressed(&row), out)?;
    }
    for row in &report.outcome.coverage {
        line(&Row::Coverage(row), out)?;
    }
    line(&Row::Summary(summary(report, suppressed)), out)
}

/// Writes a row and the end of its line.
fn line<W: Write + ?Sized>(row: &Row<'_>, out: &mut W) -> io::Result<()> {
    serde_json::to_writer(&mut *out, row)?;
    out.write_all(b"\n")
}

/// All of it in one object, written as it comes.
pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{{\"schema\":\"{SCHEMA}\",\"findings\":[")?;
    let several = |findings: &mut dyn Iterator<Item = Finding>| -> Vec<_> {
        findings.map(|finding| serde_json::to_vec(&finding)).collect()
    };
    list(out, report.shaped(several).flatten())?;
    out.write_all(b"],\"suppressed\":[")?;
    let suppressed = list(out, report.outcome.suppressed(report.engine).map(|row| serde_json::to_vec(&row)))?;
    out.write_all(b"],\"coverage\":[")?;
    list(out, report.outcome.coverage.iter().map(serde_json::to_vec))?;
    out.write_all(b"],\"summary\":")?;
    serde_json::to_writer(&mut *out, &summary(report, suppressed))?;
    out.write_all(b"}\n")
}

fn list(out: &mut dyn Write, items: impl Iterator<Item = serde_json::Result<Vec<u8>>>) -> io::Result<usize> {
    let mut count = 0;
    for item in items {
        out.write_all(if count == 0 { b"\n" } else { b",\n" })?;
        out.write_all(&item?)?;
        count += 1;
    }
    Ok(count)
}
