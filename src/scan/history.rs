//! Scans of what git holds: blobs about to be committed, one after the other; all that was ever committed, read by one
//! thread and scanned by the others.
//!
//! What an object is called takes git about as long to find out as reading all of them. So both go on at the same time:
//! objects whose name is not known yet are glanced at under no name, and most of them hold nothing. What holds something,
//! or has a name that changes how it is read, is read again when the names are there.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::{Shared, Worker};
use crate::finding::Status;
use crate::origin::{Origin, Revision};
use crate::source::archive;
use crate::source::git::{GitError, History, Kind, Names, Next, Object, Objects, Oid, Repository};
use crate::source::left_out::LeftOut;
use crate::source::stream::{self, Part, PartPlace, Sink};
use crate::token::file::Nature;
use crate::token::scanner::{FoundDirective, FoundSecret, Remark, Scanner, Sighting};

/// Objects up to this size are read before they are scanned, so that several threads can.
const SMALL: u64 = 4 * 1024 * 1024;
/// Small objects are handed over together, about so many bytes at a time,
const BATCH: usize = 256 * 1024;
/// and so many of them at most.
const BATCH_OBJECTS: usize = 256;

/// What is to be done about an object.
enum Task {
    /// It is scanned, under this name.
    Scan(Arc<Origin>),
    /// It is only looked at: its name is not known yet.
    Glance(Kind),
    /// Nothing.
    Pass,
}

/// What came of looking at an object under no name.
#[derive(Debug, Clone, Copy)]
struct Glance {
    /// Which of the objects that were asked for.
    number: u32,
    kind: Kind,
    /// There may be something in it.
    hit: bool,
    /// In bytes.
    size: u64,
}

/// An object that was read.
struct Fetched {
    task: Task,
    number: u32,
    contents: Vec<u8>,
}

/// What is asked about an object.
type Ask<'a> = dyn FnMut(&Object<'_>) -> Task + 'a;

impl Shared<'_> {
    /// Scans what is about to be committed.
    pub(super) fn staged(&self, repository: &Repository, prefix: &str) -> Result<(), GitError> {
        let excluded = self.left_out_of(repository);
        let staged: Vec<_> =
            repository.staged()?.into_iter().filter(|staged| !excluded.contains(&staged.path)).collect();
        if staged.is_empty() {
            return Ok(());
        }
        let (names, objects) = repository.read()?;
        let oids: Vec<Oid> = staged.iter().map(|staged| staged.oid).collect();
        // Objects come as they were asked for, but for those that are missing.
        let mut staged = staged.iter();
        let mut task = |object: &Object<'_>| {
            let Some(staged) = staged.find(|staged| staged.oid == object.oid) else { return Task::Pass };
            Task::Scan(Arc::new(Origin::file(format!("{prefix}{}", staged.path).into())))
        };
        self.objects(names, &oids, objects, prefix, &Mutex::default(), &mut task);
        Ok(())
    }

    /// Scans all that was ever committed, or what a range of commits brought.
    pub(super) fn history(&self, repository: &Repository, range: Option<&str>, prefix: &str) -> Result<(), GitError> {
        if repository.is_shallow() {
            self.note(&root(prefix), Status::Truncated, "a shallow clone: what was committed before is not here");
        }
        let excluded = self.left_out_of(repository);
        let stop = || self.stopped();
        if let Some(range) = range {
            let history = repository.history(Some(range), &stop)?;
            let mut oids: Vec<Oid> = history.blobs().chain(history.commits.iter().map(|one| one.oid)).collect();
            oids.sort_unstable();
            return self.named(repository, &oids, &Named::new(&history, &excluded, prefix));
        }
        let known: OnceLock<Result<History, GitError>> = OnceLock::new();
        let glances = Mutex::default();
        let objects = std::thread::scope(|scope| {
            scope.spawn(|| _ = known.set(repository.history(None, &stop)));
            self.unnamed(repository, &known, &glances, &excluded, prefix)
        })?;
        let history = known.into_inner().unwrap_or_else(|| Err(GitError::unexpected("reading the history failed")))?;
        let named = Named::new(&history, &excluded, prefix);
        let mut glances = glances.into_inner().unwrap_or_else(PoisonError::into_inner);
        glances.sort_unstable_by_key(|glance| glance.number);
        let mut again = Vec::new();
        for glance in glances {
            let oid = objects[glance.number as usize];
            let name = named.origin(&oid, glance.kind);
            let done = name.as_ref().is_some_and(|name| !glance.hit && Nature::of(name.name()).is_shown_unnamed());
            if !done {
                // It was counted when it was looked at.
                self.progress.files.fetch_sub(1, Ordering::Relaxed);
                self.progress.bytes.fetch_sub(glance.size, Ordering::Relaxed);
                again.extend(name.map(|_| oid));
            }
        }
        self.named(repository, &again, &named)
    }

    /// Reads all objects while it is found out what they are called: what has no name yet is only looked at.
    fn unnamed(
        &self,
        repository: &Repository,
        known: &OnceLock<Result<History, GitError>>,
        glances: &Mutex<Vec<Glance>>,
        excluded: &LeftOut,
        prefix: &str,
    ) -> Result<Vec<Oid>, GitError> {
        let oids = repository.objects()?;
        let (names, reader) = repository.read()?;
        let mut named = None;
        let mut task = |object: &Object<'_>| {
            if named.is_none()
                && let Some(Ok(history)) = known.get()
            {
                named = Some(Named::new(history, excluded, prefix));
            }
            match (object.kind, &named) {
                (Kind::Tree, _) => Task::Pass,
                (kind, None) => Task::Glance(kind),
                (kind, Some(named)) => named.task(&object.oid, kind),
            }
        };
        self.objects(names, &oids, reader, prefix, glances, &mut task);
        Ok(oids)
    }

    /// Reads and scans objects under their names.
    fn named(&self, repository: &Repository, oids: &[Oid], named: &Named<'_>) -> Result<(), GitError> {
        if let Some(reason) = &named.history.incomplete {
            self.note(&root(named.prefix), Status::Truncated, reason.clone());
        }
        if oids.is_empty() {
            return Ok(());
        }
        let (names, reader) = repository.read()?;
        let mut task = |object: &Object<'_>| named.task(&object.oid, object.kind);
        self.objects(names, oids, reader, named.prefix, &Mutex::default(), &mut task);
        Ok(())
    }

    fn left_out_of(&self, repository: &Repository) -> LeftOut {
        LeftOut::new(&repository.top(), &self.job.policy.exclude, self.job.ignore_file)
    }

    /// Reads objects and does with each what `task` says.
    fn objects(
        &self,
        names: Names,
        oids: &[Oid],
        mut objects: Objects,
        prefix: &str,
        glances: &Mutex<Vec<Glance>>,
        task: &mut Ask<'_>,
    ) {
        let (send, receive) = sync_channel::<Vec<Fetched>>(2 * self.job.threads);
        let receive = Mutex::new(receive);
        let root = root(prefix);
        let mut missing = 0u64;
        std::thread::scope(|scope| {
            // git may end early; then there is nothing to ask it for.
            scope.spawn(move || _ = names.ask(oids));
            for _ in 0..self.job.threads {
                scope.spawn(|| self.work(&receive, glances));
            }
            let mut worker = Worker::new(self);
            let mut batch: Vec<Fetched> = Vec::new();
            let mut bytes = 0;
            // Objects come in the order in which they were asked for, the missing ones among them.
            for number in 0.. {
                if self.stopped() {
                    break;
                }
                let mut object = match objects.read_next() {
                    Ok(Next::Object(object)) => object,
                    Ok(Next::Missing(_)) => {
                        missing += 1;
                        continue;
                    }
                    Ok(Next::End) => break,
                    Err(error) => {
                        self.note(&root, Status::Truncated, error.to_string());
                        break;
                    }
                };
                let task = task(&object);
                if matches!(task, Task::Pass) {
                    let _ = io::copy(&mut object.body, &mut io::sink());
                    continue;
                }
                if object.size > SMALL {
                    let glance = worker.task(&task, number, object.size, &mut object.body);
                    glances.lock().unwrap_or_else(PoisonError::into_inner).extend(glance);
                    let _ = io::copy(&mut object.body, &mut io::sink());
                    continue;
                }
                let mut contents = Vec::with_capacity(object.size as usize);
                if let Err(error) = object.body.read_to_end(&mut contents) {
                    self.note(&root, Status::Truncated, format!("object {}: {error}", short(&object.oid)));
                }
                bytes += contents.len();
                batch.push(Fetched { task, number, contents });
                if bytes >= BATCH || batch.len() >= BATCH_OBJECTS {
                    bytes = 0;
                    if send.send(std::mem::take(&mut batch)).is_err() {
                        break;
                    }
                }
            }
            let _ = send.send(batch);
            drop(send);
            drop(objects); // whoever still asks it finds it gone
        });
        if missing > 0 {
            let reason = format!("{missing} objects are not here (a partial clone, or a damaged one)");
            self.note(&root, Status::Skipped, reason);
        }
    }

    /// Does what is handed over, until nothing more comes.
    fn work(&self, receive: &Mutex<Receiver<Vec<Fetched>>>, glances: &Mutex<Vec<Glance>>) {
        let mut worker = Worker::new(self);
        loop {
            let batch = receive.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(batch) = batch else { return };
            let mut glanced = Vec::new();
            for Fetched { task, number, contents } in batch {
                if self.stopped() {
                    break;
                }
                glanced.extend(worker.task(&task, number, contents.len() as u64, &mut &contents[..]));
            }
            glances.lock().unwrap_or_else(PoisonError::into_inner).extend(glanced);
        }
    }
}

impl Worker<'_> {
    /// Does with an object what is to be done with it.
    fn task(&mut self, task: &Task, number: u32, size: u64, reader: &mut dyn Read) -> Option<Glance> {
        match task {
            Task::Scan(origin) => self.object(origin, reader),
            Task::Glance(kind) => {
                let hit = self.glance(size, reader);
                return Some(Glance { number, kind: *kind, hit, size });
            }
            Task::Pass => {}
        }
        None
    }

    /// Whether there may be something in an object, whatever it is called. What may be an archive counts as such.
    fn glance(&mut self, size: u64, reader: &mut dyn Read) -> bool {
        let progress = &self.shared.progress;
        progress.files.fetch_add(1, Ordering::Relaxed);
        progress.bytes.fetch_add(size, Ordering::Relaxed);
        if !self.shared.job.audits.token {
            return false;
        }
        if archive::recognise(self.buffer.peek(reader, archive::HEAD)).is_some() {
            self.buffer.forget();
            return true;
        }
        let mut eye = Eye { hit: false, stop: self.shared.job.stop };
        self.scanner.enter(Nature::UNNAMED);
        let (_, result) = stream::scan(reader, Part::WHOLE, &mut self.scanner, &mut self.buffer, &mut eye);
        let passed_over = !self.scanner.too_long.is_empty() || self.scanner.too_dense.is_some();
        eye.hit || passed_over || result.is_err()
    }
}

/// Sees whether there is anything.
struct Eye<'a> {
    hit: bool,
    stop: &'a AtomicBool,
}

impl Sink for Eye<'_> {
    fn sighting(&mut self, _sighting: &Sighting, _place: &mut dyn FnMut() -> PartPlace) {
        self.hit = true;
    }

    fn secret(&mut self, _secret: FoundSecret, _place: &mut dyn FnMut() -> PartPlace) {
        self.hit = true;
    }

    fn directive(&mut self, _found: FoundDirective, _place: PartPlace) {
        self.hit = true;
    }

    fn remark(&mut self, _remark: &Remark, _place: PartPlace) {
        self.hit = true;
    }

    fn take(&mut self, scanner: &mut Scanner<'_>) {
        self.hit |= !scanner.tokens.is_empty() || !scanner.certificates.is_empty() || !scanner.samples.is_empty();
        scanner.samples.clear();
    }

    fn go_on(&mut self) -> bool {
        !self.hit && !self.stop.load(Ordering::Relaxed)
    }
}

/// What objects are called in reports.
struct Named<'a> {
    history: &'a History,
    excluded: &'a LeftOut,
    prefix: &'a str,
    /// Which of the history's commits have this name.
    commits: HashMap<Oid, u32>,
}

impl<'a> Named<'a> {
    fn new(history: &'a History, excluded: &'a LeftOut, prefix: &'a str) -> Self {
        let commits = history.commits.iter().enumerate().map(|(order, commit)| (commit.oid, order as u32)).collect();
        Self { history, excluded, prefix, commits }
    }

    fn task(&self, oid: &Oid, kind: Kind) -> Task {
        self.origin(oid, kind).map_or(Task::Pass, |origin| Task::Scan(Arc::new(origin)))
    }

    /// An object's name, if it is one to scan.
    fn origin(&self, oid: &Oid, kind: Kind) -> Option<Origin> {
        match kind {
            Kind::Tree => None,
            Kind::Commit => Some(self.message("commit", oid)),
            Kind::Tag => Some(self.message("tag", oid)),
            Kind::Blob => self.blob(oid),
        }
    }

    /// What a blob is called: its path, and the commit that first brought it.
    fn blob(&self, oid: &Oid) -> Option<Origin> {
        let prefix = self.prefix;
        let Some(brought) = self.history.brought(oid) else {
            // No commit leads to it: it was thrown away, and is still here.
            return Some(Origin::file(format!("{prefix}unreachable blob {}", short(oid)).into()));
        };
        let path = self.history.paths.get(brought.path as usize)?;
        if self.excluded.contains(path) {
            return None;
        }
        let path = if prefix.is_empty() { path.clone() } else { format!("{prefix}{path}").into() };
        Some(Origin { revision: self.revision(brought.commit), ..Origin::file(path) })
    }

    /// What a commit or a tag is called.
    fn message(&self, what: &str, oid: &Oid) -> Origin {
        let revision = self.commits.get(oid).and_then(|order| self.revision(*order));
        Origin { revision, ..Origin::file(format!("{}{what} {}", self.prefix, short(oid)).into()) }
    }

    fn revision(&self, order: u32) -> Option<Revision> {
        let commit = self.history.commits.get(order as usize)?;
        Some(Revision { order, commit: commit.oid.hex().into(), author_date: commit.author_date })
    }
}

/// What is said of a repository as a whole.
fn root(prefix: &str) -> Origin {
    Origin::file(if prefix.is_empty() { ".".into() } else { prefix.trim_end_matches('/').into() })
}

fn short(oid: &Oid) -> String {
    oid.hex().chars().take(12).collect()
}
