//! A scan: sources to tokens to findings. The one place with threads.
//!
//! Small files are scanned by the thread that finds them; big ones are cut into parts that all threads share once the
//! walk is over, big archives are shared out whole. Whatever the threads do, the outcome is the same: entries are
//! merged by rules that don't depend on order, and everything is sorted before it is reported.

mod accepted;
mod company;
mod configs;
mod history;
mod ledger;
mod outcome;
mod pipe;
mod signers;
mod wording;

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

pub use accepted::Accept;
use configs::{Configs, Copy};
use ledger::{Ledger, Marked, Note, Place, Seen};
pub use outcome::{Outcome, Summary};
use pipe::Pipe;

use crate::config::files::Files;
use crate::finding::{Coverage, Finding, Status};
use crate::gateway;
use crate::issuer;
use crate::origin::{Layers, Origin};
use crate::policy::Policy;
use crate::source::archive::{self, Contents, Format};
use crate::source::git::{GitError, Repository};
use crate::source::left_out::LeftOut;
use crate::source::stream::{self, Buffer, PLACES, Part, PartEnd, PartPlace, Sink};
use crate::source::walk::{self, File, Visitor};
use crate::token::cache::Content;
use crate::token::carrier::Carrier;
use crate::token::engine::Engine;
use crate::token::fault::Fault;
use crate::token::file::Nature;
use crate::token::redact::redact;
use crate::token::scanner::{FoundDirective, FoundSecret, Remark, Scanner, Sighting, TriedKeys};

/// Files longer than this are cut into parts.
const PART: u64 = 16 * 1024 * 1024;

/// What to scan and how.
#[derive(Debug)]
pub struct Job<'a> {
    /// Files and folders, `-` is standard input; or the repositories, where git is asked.
    pub paths: Vec<PathBuf>,
    /// What of them is read.
    pub source: Source,
    /// Read what `.gitignore` leaves out, too.
    pub no_ignore: bool,
    /// Leave out what a `.keyboundignore` names.
    pub ignore_file: bool,
    /// How many threads.
    pub threads: usize,
    /// Which audits to make.
    pub audits: Audits,
    /// What to look for.
    pub engine: &'a Engine,
    /// What to go by.
    pub policy: &'a Policy,
    /// What somebody has accepted.
    pub accept: Accept<'a>,
    /// The clock: seconds since 1970.
    pub now: i64,
    /// Set from outside to end the scan early.
    pub stop: &'a AtomicBool,
}

/// What is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Files as they lie there.
    Files,
    /// What git is about to commit.
    Staged,
    /// What git ever held, or what a range of commits brought.
    History(Option<String>),
}

/// Which audits are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audits {
    /// Leaked tokens and keys.
    pub token: bool,
    /// What gateways do with proofs.
    pub gateway: bool,
    /// How long issuers let tokens live, and whether they bind them.
    pub issuer: bool,
}

impl Audits {
    /// All of them.
    pub const ALL: Self = Self { token: true, gateway: true, issuer: true };
}

/// How far a scan is, for whoever watches.
#[derive(Debug, Default)]
pub struct Progress {
    /// Files begun.
    pub files: AtomicU64,
    /// Bytes looked at.
    pub bytes: AtomicU64,
}

/// Runs a scan. `watch` is called a few times a second while it runs, if given.
///
/// # Errors
/// Where git is to be asked and can't be.
pub fn run(job: &Job<'_>, watch: Option<&(dyn Fn(&Progress) + Sync)>) -> Result<Outcome, GitError> {
    let shared = Shared::new(job);
    let done = AtomicBool::new(false);
    let read = std::thread::scope(|scope| {
        if let Some(watch) = watch {
            let (shared, done) = (&shared, &done);
            scope.spawn(move || {
                let mut ticks = 0u32;
                while !done.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(20));
                    ticks += 1;
                    if ticks.is_multiple_of(5) {
                        watch(&shared.progress);
                    }
                }
            });
        }
        let read = shared.read();
        done.store(true, Ordering::Relaxed);
        read
    });
    read.map(|()| shared.finish())
}

/// A file that is left for the end of the walk.
struct Big {
    file: File,
    /// In bytes.
    length: u64,
    /// It can only be read from its start.
    archive: bool,
}

impl Big {
    /// In how many pieces it is read.
    fn parts(&self) -> u32 {
        if self.archive { 1 } else { self.length.div_ceil(PART) as u32 }
    }
}

struct Shared<'a> {
    job: &'a Job<'a>,
    ledger: Ledger,
    configs: Configs,
    coverage: Mutex<Vec<Coverage>>,
    big: Mutex<Vec<Big>>,
    progress: Progress,
    ignored: AtomicU64,
}

impl<'a> Shared<'a> {
    fn new(job: &'a Job<'a>) -> Self {
        Self {
            job,
            ledger: Ledger::default(),
            configs: Configs::default(),
            coverage: Mutex::default(),
            big: Mutex::default(),
            progress: Progress::default(),
            ignored: AtomicU64::new(0),
        }
    }

    fn stopped(&self) -> bool {
        self.job.stop.load(Ordering::Relaxed)
    }

    fn note(&self, origin: &Origin, status: Status, reason: impl Into<String>) {
        let row = Coverage { path: origin.path.clone(), member: origin.member.clone(), status, reason: reason.into() };
        self.coverage.lock().unwrap_or_else(PoisonError::into_inner).push(row);
    }

    /// Reads whatever is to be read.
    fn read(&self) -> Result<(), GitError> {
        for path in &self.job.paths {
            let several = self.job.paths.len() > 1;
            let prefix = || if several { format!("{}/", walk::display(path)) } else { String::new() };
            match &self.job.source {
                Source::Files if path.as_os_str() == "-" => self.stdin(),
                Source::Files => self.path(path),
                Source::Staged => self.staged(&Repository::open(path)?, &prefix())?,
                Source::History(range) => self.history(&Repository::open(path)?, range.as_deref(), &prefix())?,
            }
        }
        self.big_files();
        Ok(())
    }

    fn stdin(&self) {
        let mut worker = Worker::new(self);
        let name = Arc::new(Origin::file("-".into()));
        self.progress.files.fetch_add(1, Ordering::Relaxed);
        match worker.whole(&name, &mut Pipe::stdin(self.job.stop)) {
            Came::Archive { examined: false } => _ = self.progress.files.fetch_sub(1, Ordering::Relaxed),
            Came::Plain(_, Err(error)) => self.note(&name, Status::Truncated, error.to_string()),
            _ => {}
        }
    }

    fn path(&self, path: &Path) {
        let left_out = Arc::new(LeftOut::new(path, &self.job.policy.exclude, self.job.ignore_file));
        let options = walk::Options {
            no_ignore: self.job.no_ignore,
            left_out: left_out.clone(),
            threads: self.job.threads,
            several_roots: self.job.paths.len() > 1,
        };
        let ignored = walk::walk(path, &options, &|| Box::new(Worker::new(self)));
        self.ignored.fetch_add(ignored, Ordering::Relaxed);
        let prefix = if options.several_roots { format!("{}/", walk::display(path)) } else { String::new() };
        drop(options);
        self.left_out(left_out, &prefix);
    }

    /// Says what was left out.
    fn left_out(&self, left_out: Arc<LeftOut>, prefix: &str) {
        if let Some(left_out) = Arc::into_inner(left_out) {
            self.coverage.lock().unwrap_or_else(PoisonError::into_inner).extend(left_out.notes(prefix));
        }
    }

    /// The parts of all big files, dealt out to all threads; archives first, since they take longest and can't be cut.
    fn big_files(&self) {
        let mut files = std::mem::take(&mut *self.big.lock().unwrap_or_else(PoisonError::into_inner));
        let longest_first = |big: &Big| std::cmp::Reverse(if big.archive { big.length } else { 0 });
        files.sort_by(|a, b| longest_first(a).cmp(&longest_first(b)).then_with(|| a.file.name.cmp(&b.file.name)));
        // The first part of each file, then the others: what was learned of the keys in the first needs no other try.
        let mut parts: Vec<(usize, u32)> = (0..files.len()).map(|index| (index, 0)).collect();
        for (index, big) in files.iter().enumerate() {
            parts.extend((1..big.parts()).map(|part| (index, part)));
        }
        let firsts: Vec<First> = files.iter().map(|_| First::default()).collect();
        let ends: Vec<Mutex<Vec<PartEnd>>> =
            files.iter().map(|big| Mutex::new(vec![PartEnd::default(); big.parts() as usize])).collect();
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..self.job.threads.min(parts.len()) {
                scope.spawn(|| {
                    let mut worker = Worker::new(self);
                    while let Some(&(index, part)) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                        // Others wait for it, whatever comes of it.
                        let _learned = (part == 0).then(|| Learned(&firsts[index]));
                        if self.stopped() {
                            break;
                        }
                        let big = &files[index];
                        if big.archive {
                            worker.big_archive(&big.file);
                            continue;
                        }
                        let end = worker.part_of_file(&big.file, part, big.length, &firsts[index]);
                        ends[index].lock().unwrap_or_else(PoisonError::into_inner)[part as usize] = end;
                    }
                });
            }
        });
        for (Big { file, length, .. }, ends) in files.iter().zip(ends).filter(|(big, _)| !big.archive) {
            let ends = ends.into_inner().unwrap_or_else(PoisonError::into_inner);
            let read: u64 = ends.iter().map(|end| end.bytes).sum();
            if read < *length && !self.stopped() {
                let reason = format!("the file had {length} bytes when it was opened, {read} could be read");
                self.note(&Origin::file(file.name.clone()), Status::Truncated, reason);
            } else if let Some(now) = fs::metadata(&file.path).ok().map(|m| m.len()).filter(|now| *now > read) {
                let reason = format!("the file grew while it was read: {read} of {now} bytes were examined");
                self.note(&Origin::file(file.name.clone()), Status::Truncated, reason);
            }
            self.ledger.file_in_parts(&file.name, ends);
        }
    }

    fn finish(self) -> Outcome {
        let interrupted = self.stopped();
        let ledger = self.ledger.close();
        let mut coverage = self.coverage.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (texts, unread) = self.configs.close();
        coverage.extend(unread);
        let safe = |text: &str| redact(self.job.engine, text);
        let files = Files::new(texts);
        let mut audited = Vec::new();
        if self.job.audits.gateway {
            let bound = if self.job.audits.issuer { issuer::certificate_bound(&files) } else { Vec::new() };
            let audit = gateway::audit_beside(&files, &bound, self.job.policy, &safe);
            audited.extend(audit.findings);
            coverage.extend(audit.coverage);
        }
        if self.job.audits.issuer {
            let audit = issuer::audit(&files, self.job.policy, self.job.now, &safe);
            audited.extend(audit.findings);
            coverage.extend(audit.coverage);
        }
        for found in &mut audited {
            let sample = is_sample(&found.location.path) || found.location.member.as_deref().is_some_and(is_sample);
            if sample && !self.job.policy.severity.contains_key(found.rule) {
                found.severity = found.severity.lowered();
                found.because.push("it stands in a test, an example or documentation".to_owned());
            }
        }
        for row in &mut coverage {
            row.path = redact(self.job.engine, &row.path).into();
            row.member = row.member.as_deref().map(|member| redact(self.job.engine, member).into());
            row.reason = redact(self.job.engine, &row.reason);
        }
        coverage.sort();
        let summary = Summary {
            files: self.progress.files.into_inner(),
            bytes: self.progress.bytes.into_inner(),
            ignored_files: self.ignored.into_inner(),
            partial: interrupted,
        };
        Outcome::new(self.job, ledger, audited, coverage, summary)
    }
}

/// What was learned of keys in the first part of a file.
type First = OnceLock<Arc<TriedKeys>>;

/// Lets those go on that wait for a first part, even where it came to nothing.
struct Learned<'a>(&'a First);

impl Drop for Learned<'_> {
    fn drop(&mut self) {
        self.0.get_or_init(Arc::default);
    }
}

/// A thread's tools.
struct Worker<'a> {
    shared: &'a Shared<'a>,
    scanner: Scanner<'a>,
    buffer: Buffer,
}

impl<'a> Worker<'a> {
    fn new(shared: &'a Shared<'a>) -> Self {
        Self { shared, scanner: Scanner::new(shared.job.engine), buffer: Buffer::default() }
    }

    fn part(
        &mut self,
        origin: &Arc<Origin>,
        index: u32,
        part: Part,
        reader: &mut dyn Read,
    ) -> (PartEnd, io::Result<()>) {
        let sample = is_sample(&origin.path) || origin.member.as_deref().is_some_and(is_sample);
        let file = origin.number();
        let mut tally =
            Tally { shared: self.shared, origin, part: index, sample, sighted: false, file, seen: Vec::new() };
        self.scanner.enter(Nature::of(origin.name()));
        let audits = self.shared.job.audits;
        // What a gateway or an issuer once did is no matter any more.
        let current = !matches!(self.shared.job.source, Source::History(_));
        let configuration = (audits.gateway || audits.issuer) && current && part.start == 0 && part.end.is_none();
        let mut copy = Copy::new(
            origin,
            if configuration { self.buffer.peeked() } else { &[] },
            reader,
            configuration.then_some(audits),
        );
        let (end, result) = if audits.token {
            stream::scan(&mut copy, part, &mut self.scanner, &mut self.buffer, &mut tally)
        } else {
            stream::pass(&mut copy, part, &mut self.buffer)
        };
        if configuration {
            self.shared.configs.offer(origin, copy, audits);
        }
        self.shared.progress.bytes.fetch_add(end.bytes, Ordering::Relaxed);
        // A token cache is a finding, whatever is in it; tokens found in it say so themselves.
        if let Some(content) = self.scanner.cache_content().filter(|content| *content != Content::Nothing)
            && part.start == 0
            && !tally.sighted
        {
            tally.note(Fault::CacheCommitted, Some(content), PartPlace::BEGINNING);
        }
        for at in self.scanner.too_long.drain(..) {
            let reason = format!("what looks like a token at byte {at} is longer than can be judged");
            self.shared.note(origin, Status::Truncated, reason);
        }
        if let Some(at) = self.scanner.too_dense {
            let reason = format!("from byte {at} on what looks like tokens stands too densely to look at each");
            self.shared.note(origin, Status::Truncated, reason);
        }
        (end, result)
    }

    /// Scans a stream from its start: what is in it if it is an archive, else as it lies.
    fn whole(&mut self, origin: &Arc<Origin>, reader: &mut dyn Read) -> Came {
        match archive::recognise(self.buffer.peek(reader, archive::HEAD)) {
            Some(Format::Open(_)) => {
                let shared = self.shared;
                let mut reader = self.buffer.replay(reader);
                return Came::Archive { examined: archive::unpack(&mut reader, origin, self, &|| shared.stopped()) };
            }
            Some(Format::Closed(what)) => self.closed(origin, what),
            None => {}
        }
        let (end, result) = self.part(origin, 0, Part::WHOLE, reader);
        Came::Plain(end, result)
    }

    fn closed(&self, origin: &Origin, what: &str) {
        self.shared.note(origin, Status::Unparsed, format!("{what}: not unpacked, scanned as it lies"));
    }

    /// Scans an object of a git repository.
    fn object(&mut self, origin: &Arc<Origin>, reader: &mut dyn Read) {
        self.shared.progress.files.fetch_add(1, Ordering::Relaxed);
        match self.whole(origin, reader) {
            Came::Archive { examined: false } => _ = self.shared.progress.files.fetch_sub(1, Ordering::Relaxed),
            Came::Plain(_, Err(error)) => self.shared.note(origin, Status::Truncated, error.to_string()),
            _ => {}
        }
    }

    fn big_archive(&mut self, file: &File) {
        let origin = Arc::new(Origin::file(file.name.clone()));
        let came = fs::File::open(&file.path).map(|mut opened| self.whole(&origin, &mut opened));
        match came {
            Ok(Came::Archive { examined: true }) => {}
            Ok(Came::Archive { examined: false }) => _ = self.shared.progress.files.fetch_sub(1, Ordering::Relaxed),
            Ok(Came::Plain(_, Ok(()))) => {} // replaced by something else meanwhile
            Ok(Came::Plain(_, Err(error))) | Err(error) => {
                self.shared.note(&origin, Status::Truncated, error.to_string());
            }
        }
    }

    fn part_of_file(&mut self, file: &File, index: u32, length: u64, first: &First) -> PartEnd {
        self.scanner.earlier = (index > 0).then(|| first.wait().clone());
        let start = u64::from(index) * PART;
        let last = start + PART >= length;
        let part = Part { start, end: Some(length.min(start + PART)), counted: !last };
        let origin = Arc::new(Origin::file(file.name.clone()));
        let opened = fs::File::open(&file.path).and_then(|mut opened| {
            opened.seek(SeekFrom::Start(start - part.lead()))?;
            Ok(opened)
        });
        let (end, result) = match opened {
            Ok(mut reader) => self.part(&origin, index, part, &mut reader),
            Err(error) => (PartEnd::default(), Err(error)),
        };
        if index == 0 {
            first.get_or_init(|| Arc::new(self.scanner.tried_keys()));
        }
        self.scanner.earlier = None;
        if let Err(error) = result {
            self.shared.note(&origin, Status::Truncated, format!("from byte {}: {error}", start + end.bytes));
        }
        end
    }
}

impl Visitor for Worker<'_> {
    fn file(&mut self, file: File) -> bool {
        let shared = self.shared;
        if shared.stopped() {
            return false;
        }
        let origin = Arc::new(Origin::file(file.name.clone()));
        let opened = fs::File::open(&file.path).and_then(|opened| Ok((opened.metadata()?, opened)));
        let (meta, mut opened) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                shared.note(&origin, Status::Skipped, error.to_string());
                return true;
            }
        };
        shared.progress.files.fetch_add(1, Ordering::Relaxed);
        if meta.is_file() && meta.len() > PART {
            let mut head = Vec::new();
            // What can't be read now is said when it is its turn.
            let _ = opened.take(archive::HEAD as u64).read_to_end(&mut head);
            let format = archive::recognise(&head);
            if let Some(Format::Closed(what)) = format {
                self.closed(&origin, what);
            }
            let big = Big { file, length: meta.len(), archive: matches!(format, Some(Format::Open(_))) };
            shared.big.lock().unwrap_or_else(PoisonError::into_inner).push(big);
            return true;
        }
        let (end, result) = match self.whole(&origin, &mut opened) {
            Came::Plain(end, result) => (end, result),
            Came::Archive { examined: true } => return true,
            Came::Archive { examined: false } => {
                shared.progress.files.fetch_sub(1, Ordering::Relaxed);
                return true;
            }
        };
        if let Err(error) = result {
            let status = if end.bytes == 0 { Status::Skipped } else { Status::Truncated };
            if end.bytes == 0 {
                shared.progress.files.fetch_sub(1, Ordering::Relaxed);
            }
            shared.note(&origin, status, error.to_string());
        } else if meta.is_file() && end.bytes < meta.len() && !end.stopped {
            let reason = format!("the file had {} bytes when it was opened, {} could be read", meta.len(), end.bytes);
            shared.note(&origin, Status::Truncated, reason);
        }
        true
    }

    fn coverage(&mut self, coverage: Coverage) {
        self.shared.coverage.lock().unwrap_or_else(PoisonError::into_inner).push(coverage);
    }
}

impl Contents for Worker<'_> {
    fn scan(&mut self, origin: &Arc<Origin>, part: Part, reader: &mut dyn Read) {
        // An error is said by whoever unpacks: where it comes from, only the readers outside of this one know.
        let _ = self.part(origin, 0, part, reader);
    }

    fn note(&mut self, origin: &Origin, status: Status, reason: String) {
        self.shared.note(origin, status, reason);
    }
}

/// What came of reading a stream from its start.
enum Came {
    /// It was scanned as it lies.
    Plain(PartEnd, io::Result<()>),
    /// It was unpacked; what could not be read of it has been said.
    Archive {
        /// Something in it was scanned.
        examined: bool,
    },
}

/// Counts what a part gives and keeps the first places.
struct Tally<'a> {
    shared: &'a Shared<'a>,
    origin: &'a Arc<Origin>,
    part: u32,
    sample: bool,
    /// A token was seen.
    sighted: bool,
    /// Tells the file from others.
    file: u32,
    seen: Vec<Seen>,
}

impl Tally<'_> {
    /// A place of something that is no token.
    fn place(&self, at: PartPlace) -> Place {
        let (origin, layers) = (self.origin.clone(), Layers::default());
        Place { origin, layers, part: self.part, at, carrier: Carrier::Bare }
    }

    fn note(&self, fault: Fault, content: Option<Content>, at: PartPlace) {
        let place = self.place(at);
        self.shared.ledger.note(Note { fault, content, place, sample: self.sample });
    }
}

impl Sink for Tally<'_> {
    fn sighting(&mut self, sighting: &Sighting, place: &mut dyn FnMut() -> PartPlace) {
        self.sighted = true;
        let index = sighting.token as usize;
        while self.seen.len() <= index {
            self.seen.push(Seen::default());
        }
        let seen = &mut self.seen[index];
        seen.occurrences += 1;
        let mut faults = sighting.faults;
        if self.sample {
            // What is made up proves nothing.
            faults.remove(Fault::DpopReplayedTarget);
            faults.remove(Fault::DpopIatSkew);
        } else if let Some(witness) = sighting.witness {
            seen.witnesses.add(witness.in_file(self.file));
        }
        seen.faults = seen.faults.union(faults);
        if seen.places.len() < PLACES {
            seen.places.push((place(), sighting.carrier, sighting.layers));
        }
    }

    fn secret(&mut self, secret: FoundSecret, place: &mut dyn FnMut() -> PartPlace) {
        self.shared.ledger.add_secret(secret, || self.place(place()));
    }

    fn directive(&mut self, found: FoundDirective, place: PartPlace) {
        self.shared.ledger.mark(Marked { directive: found.directive, place: self.place(place) });
    }

    fn remark(&mut self, remark: &Remark, place: PartPlace) {
        self.note(remark.fault, None, place);
    }

    fn take(&mut self, scanner: &mut Scanner<'_>) {
        self.shared.ledger.add(self.origin, self.part, self.sample, &scanner.tokens, &self.seen);
        self.shared.ledger.add_certificates(&scanner.certificates);
        self.shared.ledger.add_samples(&mut scanner.samples);
        self.seen.clear();
    }

    fn go_on(&mut self) -> bool {
        !self.shared.stopped()
    }
}

/// Whether a path is that of a test, an example or documentation, where made-up tokens are common.
fn is_sample(path: &str) -> bool {
    const FOLDERS: &[&str] = &[
        "test",
        "tests",
        "spec",
        "specs",
        "__tests__",
        "__snapshots__",
        "fixture",
        "fixtures",
        "testdata",
        "test-data",
        "test_data",
        "example",
        "examples",
        "sample",
        "samples",
        "doc",
        "docs",
        "vendor",
        "node_modules",
        "mock",
        "mocks",
        "testing",
        "testsuite",
        "e2e",
        "demo",
        "demos",
    ];
    let mut parts = path.rsplit('/');
    let file = parts.next().unwrap_or_default().to_ascii_lowercase();
    parts.any(|part| FOLDERS.iter().any(|folder| part.eq_ignore_ascii_case(folder)))
        || file.starts_with("test_")
        || ["_test.", ".test.", ".spec.", "_spec.", "-test.", "-spec."].iter().any(|mark| file.contains(mark))
        || ["test.java", "tests.java", "tests.cs", "test.php", "test.kt", "test.scala"]
            .iter()
            .any(|end| file.ends_with(end))
        || file.ends_with(".md")
        || file.ends_with(".rst")
        || file.ends_with(".adoc")
}

/// Judges the first token in a text; gives the finding and where the token stands.
pub fn verdict_on(engine: &Engine, policy: &Policy, text: &[u8], now: i64) -> Option<(Finding, (usize, usize))> {
    let stop = AtomicBool::new(false);
    let job = Job {
        paths: Vec::new(),
        no_ignore: false,
        ignore_file: false,
        threads: 1,
        source: Source::Files,
        audits: Audits::ALL,
        engine,
        policy,
        accept: Accept::NOTHING,
        now,
        stop: &stop,
    };
    let shared = Shared::new(&job);
    let name = Arc::new(Origin::file("-".into()));
    let mut worker = Worker::new(&shared);
    let (_, result) = worker.part(&name, 0, Part::WHOLE, &mut &text[..]);
    result.ok()?;
    drop(worker);
    let outcome = shared.finish();
    let finding = outcome.all(engine, policy).min_by_key(|finding| finding.location.byte_start)?;
    let span = (finding.location.byte_start as usize, finding.location.byte_end as usize);
    Some((finding, span))
}
