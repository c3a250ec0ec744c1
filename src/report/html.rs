//! The report as one self-contained page: charts, a list to filter, what was not examined. Whatever comes from what was
//! scanned is escaped, and the page allows itself nothing but its own style and script, which it names by their hashes.

use std::fmt::Write as _;
use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::{Report, examined, within};
use crate::finding::{Finding, Severity, TokenRecord};

const STYLE: &str = include_str!("html/style.css");
const SCRIPT: &str = include_str!("html/script.js");

/// Findings beyond this many are counted: a browser must be able to show the page.
const MOST: usize = 20_000;
/// Width of the longest bar of a chart.
const BAR: usize = 320;

pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let outcome = report.outcome;
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())));
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src {}; script-src {}; \
         base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>keybound report</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
        hash(STYLE),
        hash(SCRIPT)
    )?;
    let now = jiff::Timestamp::from_second(report.now).map(|at| at.to_string()).unwrap_or_default();
    writeln!(
        out,
        "<header><h1>keybound</h1><p>{} files, {} bytes examined; judged by {now}; version {}.{}</p></header>\n<main>",
        outcome.summary.files,
        outcome.summary.bytes,
        env!("CARGO_PKG_VERSION"),
        if outcome.summary.partial { " <strong>Interrupted: this is what was seen until then.</strong>" } else { "" }
    )?;
    charts(report, out)?;
    findings(report, out)?;
    coverage(report, out)?;
    writeln!(out, "</main>\n<script>{SCRIPT}</script>\n</body>\n</html>")
}

fn charts(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let severities: Vec<(&str, usize)> =
        report.outcome.counts().into_iter().map(|(severity, count)| (severity.word(), count)).collect();
    let mut lifetimes = LIFETIMES.map(|(word, _)| (word, 0));
    for finding in report.findings() {
        if let Some(token) = &finding.token {
            lifetimes[lifetime(token)].1 += 1;
        }
    }
    writeln!(out, "<section class=\"charts\">")?;
    chart("Findings by severity", &severities, out)?;
    chart("Tokens by lifetime", &lifetimes, out)?;
    writeln!(out, "</section>")
}

/// Words for lifetimes, with their longest in seconds.
const LIFETIMES: [(&str, i64); 8] = [
    ("up to 5 min", 300),
    ("up to 1 h", 3_600),
    ("up to 24 h", 86_400),
    ("up to 7 d", 604_800),
    ("up to 90 d", 7_776_000),
    ("longer", i64::MAX),
    ("never expires", 0),
    ("not known", 0),
];

fn lifetime(token: &TokenRecord) -> usize {
    match token.ttl_seconds {
        Some(ttl) => LIFETIMES[..6].iter().position(|(_, most)| ttl <= *most).unwrap_or(5),
        None if token.state == "never-expires" => 6,
        None => 7,
    }
}

/// Bars, in SVG: a strict policy allows no style of an element's own.
fn chart(title: &str, bars: &[(&str, usize)], out: &mut dyn Write) -> io::Result<()> {
    let most = bars.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    let height = bars.len() * 22 + 4;
    writeln!(out, "<figure><figcaption>{title}</figcaption>")?;
    writeln!(
        out,
        "<svg role=\"img\" aria-label=\"{title}\" viewBox=\"0 0 {} {height}\" width=\"{}\" height=\"{height}\">",
        BAR + 180,
        BAR + 180
    )?;
    for (at, (word, count)) in bars.iter().enumerate() {
        let (y, length) = (at * 22 + 2, (count * BAR).div_ceil(most));
        writeln!(
            out,
            "<text x=\"0\" y=\"{}\">{word}</text><rect class=\"{word}\" x=\"110\" y=\"{y}\" width=\"{length}\" \
             height=\"16\"/><text x=\"{}\" y=\"{}\">{count}</text>",
            y + 13,
            115 + length,
            y + 13
        )?;
    }
    writeln!(out, "</svg></figure>")
}

fn findings(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<section><h2>Findings</h2>\n<div class=\"filter\" id=\"filter\" hidden>")?;
    writeln!(out, "<label>Filter <input type=\"search\" id=\"words\" autocomplete=\"off\"></label>")?;
    for severity in Severity::ALL {
        let checked = if severity == Severity::Info { "" } else { " checked" };
        let word = severity.word();
        writeln!(out, "<label><input type=\"checkbox\" value=\"{word}\"{checked}> {word}</label>")?;
    }
    writeln!(out, "<output id=\"count\"></output></div>\n<ol class=\"findings\">")?;
    let mut left_out = 0;
    for (at, finding) in report.findings().enumerate() {
        if at < MOST { item(&finding, out)? } else { left_out += 1 }
    }
    writeln!(out, "</ol>")?;
    if left_out > 0 {
        writeln!(out, "<p>And {left_out} further findings, none graver than those listed.</p>")?;
    }
    if report.outcome.is_empty() {
        writeln!(out, "<p>None.</p>")?;
    }
    writeln!(out, "</section>")
}

fn item(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let place = &finding.location;
    let word = finding.severity.word();
    let mut facts = String::new();
    let mut fact = |name: &str, text: &str| {
        let _ = write!(facts, "<dt>{name}</dt><dd>{}</dd>", escaped(text));
    };
    fact("why", &finding.because.join("; "));
    fact("fix", &finding.fix);
    let others: Vec<&str> = finding.faults.iter().filter(|fault| **fault != finding.rule).copied().collect();
    if !others.is_empty() {
        fact("also", &others.join(", "));
    }
    if finding.occurrences > 1 {
        fact("seen", &format!("{} times", finding.occurrences));
    }
    if let Some(commit) = &place.commit {
        let date = place.author_date.as_deref().unwrap_or("at an unknown time");
        fact("commit", &format!("{commit}, {date}"));
    }
    for related in finding.related.iter().take(16) {
        let at = within(&related.path, related.member.as_deref());
        fact("see", &format!("{at}:{}: {}", related.line, related.message));
    }
    if let Some(fingerprint) = finding.fingerprint() {
        fact("id", fingerprint);
    }
    writeln!(
        out,
        "<li class=\"finding\" data-severity=\"{word}\"><h3><span class=\"severity {word}\">{word}</span> \
         <code>{}</code> <span class=\"place\">{}:{}:{}</span></h3><p>{}</p><dl>{facts}</dl></li>",
        escaped(finding.rule),
        escaped(&within(&place.path, place.member.as_deref())),
        place.line,
        place.column,
        escaped(&finding.message)
    )
}

fn coverage(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<section><h2>Not (wholly) examined</h2>")?;
    if report.outcome.coverage.is_empty() {
        return writeln!(out, "<p>Everything was examined.</p></section>");
    }
    writeln!(out, "<table><thead><tr><th>file</th><th>status</th><th>reason</th></tr></thead><tbody>")?;
    for row in report.outcome.coverage.iter().take(MOST) {
        let status = examined(row.status);
        let path = within(&row.path, row.member.as_deref());
        writeln!(out, "<tr><td>{}</td><td>{status}</td><td>{}</td></tr>", escaped(&path), escaped(&row.reason))?;
    }
    writeln!(out, "</tbody></table></section>")
}

/// A text in which nothing means anything to HTML, in an element or in a quoted attribute.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Characters that turn the direction of text could make a path look like another.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => safe.push('\u{fffd}'),
            c if c.is_control() => safe.push('\u{fffd}'),
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
        assert_eq!(escaped("<a b=\"c\">'&\u{202e}"), "&lt;a b=&quot;c&quot;&gt;&#39;&amp;\u{fffd}");
    }
}
