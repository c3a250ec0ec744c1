//! Annotations as GitHub Actions reads them from a step's output. For pull requests from forks, which may not upload
//! SARIF: <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>.

use std::io::{self, Write};

use super::{Report, within};
use crate::finding::{Finding, Severity};

/// GitHub shows at most so many annotations of a level and a step.
const MOST: usize = 10;

/// The levels, with the severities that they stand for.
const LEVELS: [(&str, &[Severity]); 3] = [
    ("error", &[Severity::Critical, Severity::High]),
    ("warning", &[Severity::Medium]),
    ("notice", &[Severity::Low, Severity::Info]),
];

pub(super) fn write(report: &Report<'_>, show: Severity, out: &mut dyn Write) -> io::Result<()> {
    let mut written = [0usize; LEVELS.len()];
    let mut left_out = 0usize;
    for finding in report.findings().filter(|finding| finding.severity >= show) {
        let level = LEVELS.iter().position(|(_, own)| own.contains(&finding.severity)).unwrap_or(LEVELS.len() - 1);
        written[level] += 1;
        // The last one of a level is left for what is left out.
        if written[level] < MOST {
            annotation(LEVELS[level].0, &finding, out)?;
        } else {
            left_out += 1;
        }
    }
    if left_out > 0 {
        let text = format!(
            "{left_out} further findings, none graver than those shown, have no annotation: see the job summary or the \
             log."
        );
        writeln!(out, "::notice title=keybound::{}", data(&text))?;
    }
    Ok(())
}

fn annotation(level: &str, finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let place = &finding.location;
    let mut text = format!("{} Why: {}. Fix: {}", finding.message, finding.because.join("; "), finding.fix);
    if place.packed {
        let inner = within(&place.path, place.member.as_deref());
        text += &format!(" Unpacked from {inner}: line {}, column {}.", place.line, place.column);
    }
    if let Some(commit) = &place.commit {
        text += &format!(" First committed in {commit}, line {}.", place.line);
    }
    write!(out, "::{level} file={}", property(&place.path))?;
    // Lines of what was unpacked, or of what once was, are no lines of the file.
    if !place.packed && place.commit.is_none() {
        write!(out, ",line={},endLine={},col={}", place.line, place.end_line, place.column)?;
        if place.line == place.end_line {
            write!(out, ",endColumn={}", place.end_column)?;
        }
    }
    writeln!(out, ",title={}::{}", property(&format!("{} {}", finding.severity.word(), finding.rule)), data(&text))
}

/// A text after `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A text among the properties.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_a_command() {
        assert_eq!(data("a\n::error::x 5%"), "a%0A::error::x 5%25");
        assert_eq!(property("a,b:c\r"), "a%2Cb%3Ac%0D");
    }
}
