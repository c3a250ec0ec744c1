//! The report for people: worst first, what it means, where, why, and what to do; then what was not examined. Silence
//! and health are told apart.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::{Report, examined, within};
use crate::finding::{Finding, Severity};
use crate::token::fault::Fault;

/// Findings beyond this many get one line each.
const IN_FULL: usize = 25;
/// Coverage rows beyond this many are counted.
const COVERAGE: usize = 12;
/// How many further places of a configuration are named.
const RELATED: usize = 3;
/// How the messages of a finding's own further places begin.
const SAME: &str = "the same ";
/// Lines are wrapped here.
const WIDTH: usize = 110;

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

const fn style(severity: Severity) -> Style {
    let color = match severity {
        Severity::Critical => AnsiColor::Magenta,
        Severity::High => AnsiColor::Red,
        Severity::Medium => AnsiColor::Yellow,
        Severity::Low => AnsiColor::Cyan,
        Severity::Info => AnsiColor::White,
    };
    color.on_default().bold()
}

pub(super) fn write(report: &Report<'_>, show: Severity, out: &mut dyn Write) -> io::Result<()> {
    let mut shown = 0;
    let mut hidden = 0;
    for finding in report.findings() {
        if finding.severity < show {
            hidden += 1;
            continue;
        }
        shown += 1;
        if shown <= IN_FULL {
            in_full(&finding, out)?;
        } else {
            if shown == IN_FULL + 1 {
                writeln!(out, "{BOLD}And, in short:{BOLD:#}")?;
            }
            in_short(&finding, out)?;
        }
    }
    if shown > IN_FULL {
        writeln!(out)?;
    }
    coverage(report, out)?;
    summary(report, shown, hidden, show, out)
}

fn in_full(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let style = style(finding.severity);
    let place = &finding.location;
    writeln!(
        out,
        "{style}{:<8}{style:#} {BOLD}{}{BOLD:#}  {}:{}:{}",
        finding.severity.word().to_uppercase(),
        finding.rule,
        within(&place.path, place.member.as_deref()),
        place.line,
        place.column
    )?;
    if let Some(commit) = &place.commit {
        let date = place.author_date.as_deref().and_then(|date| date.split('T').next());
        let short = commit.get(..12).unwrap_or(commit);
        writeln!(
            out,
            "  {DIM}first committed in {short}{}{DIM:#}",
            date.map(|d| format!(", {d}")).unwrap_or_default()
        )?;
    }
    wrapped(out, "  ", &finding.message)?;
    labelled(out, "why", &finding.because.join("; "))?;
    labelled(out, "fix", &finding.fix)?;
    let others: Vec<&str> =
        finding.faults.iter().filter(|fault| **fault != finding.rule && says_more(fault)).copied().collect();
    if !others.is_empty() {
        labelled(out, "also", &others.join(", "))?;
    }
    if finding.occurrences > 1 {
        let mut text = format!("{} times", finding.occurrences);
        let mut files: Vec<_> = finding.related.iter().filter(|r| r.message.starts_with(SAME)).collect();
        files.dedup_by(|a, b| (&a.path, &a.member) == (&b.path, &b.member));
        files.retain(|r| (&r.path, &r.member) != (&place.path, &place.member));
        if !files.is_empty() {
            let named: Vec<String> =
                files.iter().take(3).map(|r| format!("{}:{}", within(&r.path, r.member.as_deref()), r.line)).collect();
            text += &format!(", also in {}", named.join(", "));
            if files.len() > 3 {
                text += " and more files";
            }
        }
        labelled(out, "seen", &text)?;
    }
    if finding.hop.is_some() {
        for other in finding.related.iter().take(RELATED) {
            let path = within(&other.path, other.member.as_deref());
            labelled(out, "see", &format!("{path}:{}:{} {}", other.line, other.column, other.message))?;
        }
    }
    let reason = finding.reason.map(|reason| format!("{reason} · ")).unwrap_or_default();
    let fingerprint = finding.fingerprint().map(|text| format!("{} · ", &text[..12])).unwrap_or_default();
    let confidence = finding.confidence.word();
    writeln!(
        out,
        "  {DIM}id   {fingerprint}{reason}{} · confidence {confidence}{DIM:#}",
        finding.carrier.replace('-', " ")
    )?;
    writeln!(out)
}

/// Where a token has got to shows in its path.
fn says_more(fault: &str) -> bool {
    !Fault::named(fault).is_some_and(Fault::is_modifier)
}

fn in_short(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let style = style(finding.severity);
    let place = &finding.location;
    let times = if finding.occurrences > 1 { format!(" ({} times)", finding.occurrences) } else { String::new() };
    let family = finding.family.filter(|family| *family != finding.rule).unwrap_or_default();
    writeln!(
        out,
        "{style}{:<8}{style:#} {}  {}:{}:{}{times}  {DIM}{family}{DIM:#}",
        finding.severity.word(),
        finding.rule,
        within(&place.path, place.member.as_deref()),
        place.line,
        place.column
    )
}

fn labelled(out: &mut dyn Write, label: &str, text: &str) -> io::Result<()> {
    let mut lines = wrap(text, WIDTH - 7).into_iter();
    writeln!(out, "  {DIM}{label:<4}{DIM:#} {}", lines.next().unwrap_or_default())?;
    for line in lines {
        writeln!(out, "       {line}")?;
    }
    Ok(())
}

fn wrapped(out: &mut dyn Write, indent: &str, text: &str) -> io::Result<()> {
    for line in wrap(text, WIDTH - indent.len()) {
        writeln!(out, "{indent}{line}")?;
    }
    Ok(())
}

/// Breaks a text at blanks; a word longer than the width stands alone.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().map(|l| l.chars().count()).unwrap_or(0);
        if last > 0 && last + 1 + word.chars().count() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

fn coverage(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let rows = &report.outcome.coverage;
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "{BOLD}Not (wholly) examined:{BOLD:#}")?;
    for row in rows.iter().take(COVERAGE) {
        let status = examined(row.status);
        writeln!(out, "  {status:<8} {}: {}", within(&row.path, row.member.as_deref()), row.reason)?;
    }
    if rows.len() > COVERAGE {
        writeln!(out, "  and {} more (--format jsonl lists all)", rows.len() - COVERAGE)?;
    }
    writeln!(out)
}

fn summary(report: &Report<'_>, shown: usize, hidden: usize, show: Severity, out: &mut dyn Write) -> io::Result<()> {
    let outcome = report.outcome;
    let counts: Vec<String> = outcome
        .counts()
        .into_iter()
        .filter(|(severity, count)| *count > 0 && *severity >= show)
        .map(|(severity, count)| format!("{count} {}", severity.word()))
        .collect();
    match shown {
        0 => write!(out, "{BOLD}No findings{BOLD:#}")?,
        1 => write!(out, "{BOLD}1 finding{BOLD:#}: {}", counts.join(", "))?,
        n => write!(out, "{BOLD}{n} findings{BOLD:#}: {}", counts.join(", "))?,
    }
    write!(out, " in {}, {}", plural(outcome.summary.files, "file"), size(outcome.summary.bytes))?;
    if let Some(ms) = report.elapsed_ms {
        write!(out, ", {}", if ms < 1000 { format!("{ms} ms") } else { format!("{:.1} s", ms as f64 / 1000.0) })?;
    }
    writeln!(out, ".")?;
    let mut notes = Vec::new();
    if hidden > 0 {
        notes.push(format!(
            "{} below {} (expired, bound, no credential; --show info lists them)",
            plural(hidden as u64, "finding"),
            show.word()
        ));
    }
    if outcome.accepted() > 0 {
        notes.push(format!("{} accepted by baseline or comment", plural(outcome.accepted() as u64, "finding")));
    }
    let published = outcome.suppressed(report.engine).count() - outcome.accepted();
    if published > 0 {
        notes.push(format!("{} passed over", plural(published as u64, "published example token")));
    }
    if outcome.summary.ignored_files > 0 {
        notes.push(format!(
            "{} left out by .gitignore (--no-ignore reads them)",
            plural(outcome.summary.ignored_files, "file")
        ));
    }
    for note in notes {
        writeln!(out, "{DIM}{note}{DIM:#}")?;
    }
    if outcome.summary.partial {
        writeln!(out, "{BOLD}Interrupted: this is what was seen until then.{BOLD:#}")?;
    }
    Ok(())
}

fn plural(count: u64, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

fn size(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_at_blanks() {
        assert_eq!(wrap("a bb ccc", 4), ["a bb", "ccc"]);
        assert_eq!(wrap("abcdefgh i", 4), ["abcdefgh", "i"]);
        assert_eq!(size(1_234_567), "1.2 MB");
    }
}
