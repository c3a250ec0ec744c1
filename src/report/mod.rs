//! Reports: one file a format. A report gets the outcome of a scan and a writer; what it prints has been made safe
//! before it gets here.

pub mod github;
pub mod html;
pub mod json;
pub mod markdown;
pub mod pretty;
pub mod sarif;

use std::borrow::Cow;
use std::io::{self, Write};

use crate::finding::{Finding, Severity, Status};
use crate::policy::Policy;
use crate::scan::Outcome;
use crate::token::engine::Engine;

/// The name of the record's schema.
pub const SCHEMA: &str = "keybound/v1";

/// What a report is made of.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// The outcome of the scan.
    pub outcome: &'a Outcome,
    /// The families it was made with.
    pub engine: &'a Engine,
    /// The policy it was judged by.
    pub policy: &'a Policy,
    /// The clock it was judged by, seconds since 1970.
    pub now: i64,
    /// How long it took; `None` where the report is to be the same every time.
    pub elapsed_ms: Option<u128>,
}

impl<'a> Report<'a> {
    /// The findings, worst first.
    pub fn findings(&self) -> impl Iterator<Item = Finding> + 'a {
        self.outcome.findings(self.engine, self.policy)
    }

    /// The same, many at a time in the shape that several threads give them.
    fn shaped<T: Send + 'a>(
        &self,
        shape: impl Fn(&mut dyn Iterator<Item = Finding>) -> T + Sync + 'a,
    ) -> impl Iterator<Item = T> + 'a {
        self.outcome.shaped(self.engine, self.policy, shape)
    }
}

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Pretty,
    /// One JSON object.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// SARIF 2.1.0.
    Sarif,
    /// Annotations of GitHub Actions.
    Github,
    /// A page for a browser.
    Html,
    /// Markdown.
    Markdown,
}

impl Format {
    /// All formats with their words.
    pub const ALL: [(&'static str, Self); 7] = [
        ("pretty", Self::Pretty),
        ("json", Self::Json),
        ("jsonl", Self::Jsonl),
        ("sarif", Self::Sarif),
        ("github", Self::Github),
        ("html", Self::Html),
        ("markdown", Self::Markdown),
    ];
}

/// Writes a report.
///
/// # Errors
/// Those of the writer.
pub fn write(format: Format, report: &Report<'_>, show: Severity, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Pretty => pretty::write(report, show, out),
        Format::Json => json::write(report, out),
        Format::Jsonl => json::write_lines(report, out),
        Format::Sarif => sarif::write(report, out),
        Format::Github => github::write(report, show, out),
        Format::Html => html::write(report, out),
        Format::Markdown => markdown::write(report, show, out),
    }
}

/// How far something was examined, in a word for people.
const fn examined(status: Status) -> &'static str {
    match status {
        Status::Examined => "note",
        Status::Skipped => "skipped",
        Status::Unparsed => "unparsed",
        Status::Truncated => "in part",
    }
}

/// A file, or what is inside an archive.
fn within<'a>(path: &'a str, member: Option<&str>) -> Cow<'a, str> {
    member.map_or(Cow::Borrowed(path), |member| format!("{path}!/{member}").into())
}
