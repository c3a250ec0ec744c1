//! `keybound scan`

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::args::{Audit, ScanArgs};
use super::{Failure, code, complain};
use crate::baseline::{self, Baseline};
use crate::policy::Policy;
use crate::report::{self, Format, Report};
use crate::rules::Catalogue;
use crate::scan::{self, Accept, Audits, Job, Outcome, Progress, Source};
use crate::secret::Secret;
use crate::source::walk::display;
use crate::token::engine::Engine;

pub(super) fn run(args: &ScanArgs) -> Result<u8, Failure> {
    let started = Instant::now();
    let formats = args.format.iter().map(|text| format(text)).collect::<Result<Vec<_>, _>>()?;
    if formats.iter().filter(|(_, file)| file.is_none()).count() > 1 {
        return Err(Failure::message(
            "only one --format can go to standard output; name files for the others (FMT=FILE)",
        ));
    }
    for path in args.paths.iter().filter(|path| path.as_os_str() != "-") {
        if let Err(error) = fs::metadata(path) {
            return Err(Failure::message(format!("{}: {error}", path.display())));
        }
    }
    // The process ends with the scan: to give back the rules and the ledger piece by piece would take longer than a hook may.
    let engine = ManuallyDrop::new(engine(&args.rules, args.weak_secrets.as_deref())?);
    let config = Configuration { paths: &args.paths, file: args.config.as_deref(), none: args.no_config };
    let policy = config.policy(&engine.catalogue)?;
    let baseline = config.baseline(args.baseline.as_deref())?;
    let now = args.now.unwrap_or_else(jiff::Timestamp::now).as_second();
    let threads = args.threads.map_or_else(default_threads, usize::from);
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_signal(&stop);
    let (paths, source) = source(args);
    let accept = Accept {
        baseline: baseline.as_ref().map(|(baseline, _)| baseline),
        baseline_path: baseline.as_ref().map_or("", |(_, path)| path),
        whole: source == Source::Files && args.baseline.is_none() && paths.len() == 1,
        comments: !args.no_config,
    };
    let job = Job {
        paths,
        source,
        no_ignore: args.no_ignore,
        ignore_file: !args.no_config,
        threads,
        audits: audits(&args.audit),
        engine: &engine,
        policy: &policy,
        accept,
        now,
        stop: &stop,
    };
    let watch = io::stderr().is_terminal() && std::env::var_os("CI").is_none();
    let outcome = scan::run(&job, watch.then_some(&show_progress as &(dyn Fn(&Progress) + Sync)));
    if watch {
        clear_progress();
    }
    let outcome = ManuallyDrop::new(outcome.map_err(|error| Failure::message(error.to_string()))?);
    // With a fixed clock the report is to be the same every time.
    let elapsed_ms = args.now.is_none().then(|| started.elapsed().as_millis());
    let report = Report { outcome: &outcome, engine: &engine, policy: &policy, now, elapsed_ms };
    for (format, file) in &formats {
        let written = match file {
            Some(path) => write_file(*format, &report, args, path),
            None => write_out(*format, &report, args),
        };
        match written {
            Err(Failure::Pipe) | Ok(()) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(verdict(args, &outcome))
}

/// What is read, and where from.
fn source(args: &ScanArgs) -> (Vec<PathBuf>, Source) {
    match &args.history {
        _ if args.staged => (args.paths.clone(), Source::Staged),
        None => (args.paths.clone(), Source::Files),
        // `--history .`: an option whose value may be left out takes the path for its value.
        Some(Some(word)) if !word.contains("..") || Path::new(word).exists() => {
            (vec![PathBuf::from(word)], Source::History(None))
        }
        Some(range) => (args.paths.clone(), Source::History(range.clone())),
    }
}

/// Those that were named; all, if none was.
fn audits(named: &[Audit]) -> Audits {
    if named.is_empty() {
        return Audits::ALL;
    }
    Audits {
        token: named.contains(&Audit::Token),
        gateway: named.contains(&Audit::Gateway),
        issuer: named.contains(&Audit::Issuer),
    }
}

fn verdict(args: &ScanArgs, outcome: &Outcome) -> u8 {
    if outcome.summary.partial {
        return code::INTERRUPTED;
    }
    // A commit that only takes files away has nothing to scan, and nothing to complain of.
    if outcome.summary.files == 0 && !args.staged {
        complain("nothing was scanned");
        return code::NOTHING;
    }
    let found = outcome.worst().is_some_and(|worst| worst >= args.fail_on);
    if found && !args.exit_zero { code::FINDINGS } else { code::CLEAN }
}

/// How much of a report is written at a time, in bytes.
const BUFFER: usize = 64 * 1024;

fn write_out(format: Format, report: &Report<'_>, args: &ScanArgs) -> Result<(), Failure> {
    let stdout = anstream::AutoStream::new(io::stdout().lock(), choice(args, format));
    let mut out = BufWriter::with_capacity(BUFFER, stdout);
    report::write(format, report, args.show, &mut out)?;
    Ok(out.flush()?)
}

/// Only the pretty report has colours.
fn choice(args: &ScanArgs, format: Format) -> anstream::ColorChoice {
    match (format, anstream::ColorChoice::from(args.color)) {
        (Format::Pretty, anstream::ColorChoice::Auto) => anstream::AutoStream::choice(&io::stdout()),
        (Format::Pretty, choice) => choice,
        _ => anstream::ColorChoice::AlwaysAnsi,
    }
}

fn write_file(format: Format, report: &Report<'_>, args: &ScanArgs, path: &Path) -> Result<(), Failure> {
    let fail = |error: io::Error| Failure::message(format!("{}: {error}", path.display()));
    let file = File::create(path).map_err(fail)?;
    let plain: Box<dyn Write> = match format {
        Format::Pretty => Box::new(anstream::StripStream::new(file)),
        _ => Box::new(file),
    };
    let mut out = BufWriter::with_capacity(BUFFER, plain);
    report::write(format, report, args.show, &mut out).and_then(|()| out.flush()).map_err(fail)
}

/// `sarif`, `sarif=out.sarif`
fn format(text: &str) -> Result<(Format, Option<PathBuf>), Failure> {
    let (word, file) = match text.split_once('=') {
        Some((word, file)) if !file.is_empty() => (word, Some(PathBuf::from(file))),
        Some((word, _)) => return Err(Failure::message(format!("--format {word}= names no file"))),
        None => (text, None),
    };
    match Format::ALL.into_iter().find(|(known, _)| *known == word) {
        Some((_, format)) => Ok((format, file)),
        None => {
            Err(Failure::message(format!("--format {word}: one of pretty, json, jsonl, sarif, github, html, markdown")))
        }
    }
}

/// How many secrets a list may have; all of them are tried on the first tokens of every key.
const MAX_SECRETS: usize = 1_000_000;

/// What scans: the families, and the secrets to try.
pub(super) fn engine(rules: &[PathBuf], weak_secrets: Option<&Path>) -> Result<Engine, Failure> {
    let engine = Engine::new(catalogue(rules)?);
    let Some(path) = weak_secrets else { return Ok(engine) };
    let fail = |what: String| Failure::message(format!("{}: {what}", path.display()));
    let text = fs::read(path).map_err(|error| fail(error.to_string()))?;
    let text = text.strip_suffix(b"\n").unwrap_or(&text);
    let lines = text.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let secrets: Vec<Secret> = lines.filter(|line| !line.is_empty()).take(MAX_SECRETS + 1).map(Secret::new).collect();
    if secrets.len() > MAX_SECRETS {
        return Err(fail(format!("more than {MAX_SECRETS} secrets")));
    }
    Ok(engine.with_weak_secrets(secrets))
}

/// The embedded families and those of the folders that were named.
pub(super) fn catalogue(folders: &[PathBuf]) -> Result<Catalogue, Failure> {
    let mut files = Vec::new();
    for folder in folders {
        files.extend(rule_files(folder)?);
    }
    Catalogue::with_files(files.iter().map(|(name, text)| (name.clone(), text.as_str())))
        .map_err(|error| Failure::message(error.to_string()))
}

/// Names and texts of the rule files of a folder, or of one file.
pub(super) fn rule_files(path: &Path) -> Result<Vec<(String, String)>, Failure> {
    let fail = |path: &Path, error: io::Error| Failure::message(format!("{}: {error}", path.display()));
    let mut paths = Vec::new();
    if fs::metadata(path).map_err(|e| fail(path, e))?.is_dir() {
        for entry in fs::read_dir(path).map_err(|e| fail(path, e))? {
            let path = entry.map_err(|e| fail(path, e))?.path();
            if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
                paths.push(path);
            }
        }
        paths.sort();
        if paths.is_empty() {
            return Err(Failure::message(format!("{}: no *.yaml in this folder", path.display())));
        }
    } else {
        paths.push(path.to_owned());
    }
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).map_err(|e| fail(&path, e))?;
            Ok((path.display().to_string(), text))
        })
        .collect()
}

/// Where the configuration is to be found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Configuration<'a> {
    /// What is scanned.
    pub(super) paths: &'a [PathBuf],
    /// The file that was named.
    pub(super) file: Option<&'a Path>,
    /// None is to be looked for.
    pub(super) none: bool,
}

impl Configuration<'_> {
    /// The first path that is no pipe.
    fn root(&self) -> Option<&Path> {
        self.paths.iter().map(PathBuf::as_path).find(|path| path.as_os_str() != "-")
    }

    /// The policy.
    pub(super) fn policy(&self, catalogue: &Catalogue) -> Result<Policy, Failure> {
        let path = match self.file {
            Some(path) => Some(path.to_owned()),
            None if self.none => None,
            None => self.root().and_then(find_config),
        };
        let Some(path) = path else { return Ok(Policy::default()) };
        let text = fs::read_to_string(&path).map_err(|e| Failure::message(format!("{}: {e}", path.display())))?;
        let is_rule = |slug: &str| catalogue.page(slug).is_some();
        Policy::from_toml(&text, is_rule).map_err(|error| Failure::message(format!("{}:{error}", path.display())))
    }

    /// The baseline that was named, or that of the scanned folder; with its path.
    fn baseline(&self, named: Option<&Path>) -> Result<Option<(Baseline, String)>, Failure> {
        let path = match (named, self.root()) {
            (Some(path), _) => path.to_owned(),
            (None, Some(root)) if !self.none && root.is_dir() => root.join(baseline::FILE),
            _ => return Ok(None),
        };
        match super::baseline::read(&path)? {
            Some(baseline) => Ok(Some((baseline, display(&path).to_string()))),
            None if named.is_some() => Err(Failure::message(format!("{}: no such file", path.display()))),
            None => Ok(None),
        }
    }
}

/// The nearest configuration file, from the scan root up to the root of its repository.
fn find_config(root: &Path) -> Option<PathBuf> {
    let root = fs::canonicalize(root).ok()?;
    let folder = if root.is_dir() { root.as_path() } else { root.parent()? };
    let repository = folder.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(folder);
    folder
        .ancestors()
        .take_while(|folder| folder.starts_with(repository))
        .flat_map(|folder| [folder.join("keybound.toml"), folder.join(".github/keybound.toml")])
        .find(|path| path.is_file())
}

pub(super) fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The first Ctrl-C ends the scan and reports what was seen; the second ends the program.
pub(super) fn stop_on_signal(stop: &Arc<AtomicBool>) {
    let stop = stop.clone();
    // Without a handler Ctrl-C ends the program at once, which is no reason not to scan.
    let _ = ctrlc::set_handler(move || {
        if stop.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(code::INTERRUPTED));
        }
    });
}

fn show_progress(progress: &Progress) {
    let files = progress.files.load(Ordering::Relaxed);
    let megabytes = progress.bytes.load(Ordering::Relaxed) / 1_000_000;
    let _ = write!(io::stderr(), "\r\x1b[K{files} files, {megabytes} MB");
}

fn clear_progress() {
    let _ = write!(io::stderr(), "\r\x1b[K");
}
