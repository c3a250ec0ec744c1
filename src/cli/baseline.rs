//! `keybound baseline`: accepts today's findings, with a reason and until a day.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::args::BaselineArgs;
use super::scan::{Configuration, default_threads, engine, stop_on_signal};
use super::{Failure, code};
use crate::baseline::{Baseline, FILE, KEY, Subject, Terms};
use crate::finding::Severity;
use crate::policy::parse_duration;
use crate::scan::{self, Accept, Audits, Job, Source};
use crate::source::walk::display;

pub(super) fn run(args: &BaselineArgs) -> Result<u8, Failure> {
    let root = args.paths.first().map_or(Path::new("."), PathBuf::as_path);
    let path = args.output.clone().unwrap_or_else(|| root.join(FILE));
    let now = args.now.unwrap_or_else(jiff::Timestamp::now);
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    let terms = Terms { reason: args.reason.clone(), expires: expires(&args.expires, now)? };
    let mut baseline = match read(&path)? {
        Some(known) => known,
        None => Baseline::new(key()?),
    };
    let before = baseline.entries().count();
    let engine = engine(&[], None)?;
    let config = Configuration { paths: &args.paths, file: args.config.as_deref(), none: args.no_config };
    let policy = config.policy(&engine.catalogue)?;
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_signal(&stop);
    let job = Job {
        paths: args.paths.clone(),
        source: Source::Files,
        no_ignore: false,
        ignore_file: !args.no_config,
        threads: default_threads(),
        audits: Audits::ALL,
        engine: &engine,
        policy: &policy,
        // What comments accept needs no entry.
        accept: Accept { comments: !args.no_config, ..Accept::NOTHING },
        now: now.as_second(),
        stop: &stop,
    };
    let outcome = scan::run(&job, None).map_err(|error| Failure::message(error.to_string()))?;
    if outcome.summary.partial {
        return Ok(code::INTERRUPTED);
    }
    let own = display(&path);
    let found: Vec<Subject> = outcome
        .to_accept(&engine, &policy, Severity::Low)
        .into_iter()
        .filter(|(path, ..)| **path != *own)
        .map(|(path, rule, identity)| Subject { path, rule, fingerprint: baseline.keyed(&identity) })
        .collect();
    // What is gone needs no entry; what ran out has to be accepted anew, under new terms.
    baseline.retain(|subject, terms| found.contains(subject) && terms.hold_on(today));
    let kept = baseline.entries().count();
    for subject in found {
        baseline.accept(subject, &terms);
    }
    let after = baseline.entries().count();
    let shown = path.display();
    fs::write(&path, baseline.to_json()).map_err(|error| Failure::message(format!("{shown}: {error}")))?;
    let until = terms.expires.map_or_else(|| "for good".to_owned(), |day| format!("until {day}"));
    let (new, gone) = (after - kept, before - kept);
    writeln!(io::stdout(), "{shown}: {after} accepted ({new} of them new, {until}); {gone} taken out")?;
    Ok(code::CLEAN)
}

/// `90d`, `2027-01-31`, `never`
fn expires(text: &str, now: jiff::Timestamp) -> Result<Option<jiff::civil::Date>, Failure> {
    if text == "never" {
        return Ok(None);
    }
    if let Ok(day) = text.parse() {
        return Ok(Some(day));
    }
    let seconds =
        parse_duration(text).ok_or_else(|| Failure::message("--expires: a day (2027-01-31), 90d, or never"))?;
    let last = jiff::Timestamp::from_second(now.as_second().saturating_add(seconds))
        .map_err(|_| Failure::message("--expires: too far off"))?;
    Ok(Some(last.to_zoned(jiff::tz::TimeZone::UTC).date()))
}

/// The baseline in a file, if there is one.
pub(super) fn read(path: &Path) -> Result<Option<Baseline>, Failure> {
    let fail = |what: String| Failure::message(format!("{}: {what}", path.display()));
    match fs::read_to_string(path) {
        Ok(text) => Baseline::from_json(&text).map(Some).map_err(fail),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(fail(error.to_string())),
    }
}

fn key() -> Result<[u8; KEY], Failure> {
    let mut key = [0; KEY];
    getrandom::fill(&mut key).map_err(|error| Failure::message(format!("no random numbers: {error}")))?;
    Ok(key)
}
