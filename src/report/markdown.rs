//! The report as Markdown, short enough for a job summary or a comment: counts, a table worst first, what to do about
//! each, what was not examined.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::{Report, examined, within};
use crate::finding::{Finding, Severity};

/// GitHub takes a mebibyte a step; most readers take far less.
const MOST: usize = 100;
/// Coverage rows beyond this many are counted.
const COVERAGE: usize = 50;

pub(super) fn write(report: &Report<'_>, show: Severity, out: &mut dyn Write) -> io::Result<()> {
    let outcome = report.outcome;
    let counts: Vec<String> = outcome
        .counts()
        .into_iter()
        .filter(|(severity, count)| *count > 0 && *severity >= show)
        .map(|(severity, count)| format!("{count} {}", severity.word()))
        .collect();
    let what = if counts.is_empty() { "no findings".to_owned() } else { counts.join(", ") };
    writeln!(out, "## keybound: {what}\n")?;
    writeln!(out, "{} files, {} bytes examined.\n", outcome.summary.files, outcome.summary.bytes)?;
    if outcome.summary.partial {
        writeln!(out, "**Interrupted: this is what was seen until then.**\n")?;
    }
    let mut shown = 0usize;
    let mut left_out = 0usize;
    for finding in report.findings().filter(|finding| finding.severity >= show) {
        if shown == MOST {
            left_out += 1;
            continue;
        }
        if shown == 0 {
            writeln!(out, "| severity | rule | where | what it means | what to do |\n|---|---|---|---|---|")?;
        }
        shown += 1;
        row(&finding, out)?;
    }
    if shown > 0 {
        writeln!(out)?;
    }
    if left_out > 0 {
        writeln!(out, "And {left_out} further findings, none graver than those listed.\n")?;
    }
    coverage(report, out)
}

fn row(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let place = &finding.location;
    let mut at = format!("{}:{}:{}", within(&place.path, place.member.as_deref()), place.line, place.column);
    if let Some(commit) = &place.commit {
        let _ = write!(at, " (first committed in {})", commit.get(..12).unwrap_or(commit));
    }
    if finding.occurrences > 1 {
        let _ = write!(at, ", {} times", finding.occurrences);
    }
    writeln!(
        out,
        "| **{}** | {} | {} | {} {} | {} |",
        finding.severity.word(),
        escaped(finding.rule),
        escaped(&at),
        escaped(&finding.message),
        escaped(&format!("({})", finding.because.join("; "))),
        escaped(&finding.fix)
    )
}

fn coverage(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let rows = &report.outcome.coverage;
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "<details><summary>Not (wholly) examined: {}</summary>\n", rows.len())?;
    for row in rows.iter().take(COVERAGE) {
        let status = examined(row.status);
        let path = within(&row.path, row.member.as_deref());
        writeln!(out, "- {status}: {}: {}", escaped(&path), escaped(&row.reason))?;
    }
    if rows.len() > COVERAGE {
        writeln!(out, "- and {} more", rows.len() - COVERAGE)?;
    }
    writeln!(out, "\n</details>")
}

/// A text in which nothing means anything to Markdown or HTML, on one line.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' | '$' | '{' | '}' => {
                safe.push('\\');
                safe.push(c);
            }
            // Mentions would call people, and links would lead them away.
            '@' => safe.push_str("&#64;"),
            ':' => safe.push_str("&#58;"),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_markup() {
        assert_eq!(escaped("a|b\n<i>`x`"), "a\\|b &lt;i&gt;\\`x\\`");
        assert_eq!(escaped("https://x @you"), "https&#58;//x &#64;you");
    }
}
