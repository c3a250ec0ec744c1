//! Scans of what git holds: blobs about to be committed, one after the other; all that was ever committed, read by one
//! thread and scanned by the others.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Shared, Worker};
use crate::finding::Status;
use crate::origin::{Origin, Revision};
use crate::source::git::{GitError, History, Kind, Names, Next, Object, Objects, Oid, Repository};
use crate::source::left_out::LeftOut;

/// Objects up to this size are read before they are scanned, so that several threads can.
const SMALL: u64 = 4 * 1024 * 1024;
/// Small objects are handed over together, about so many bytes at a time,
const BATCH: usize = 256 * 1024;
/// and so many of them at most.
const BATCH_OBJECTS: usize = 256;

/// An object with its name in reports.
type Named = (Arc<Origin>, Vec<u8>);

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
        let mut origin = |object: &Object<'_>| {
            let staged = staged.find(|staged| staged.oid == object.oid)?;
            Some(Arc::new(Origin::file(format!("{prefix}{}", staged.path).into())))
        };
        self.objects(names, &oids, objects, prefix, &mut origin);
        Ok(())
    }

    /// Scans all that was ever committed, or what a range of commits brought.
    pub(super) fn history(&self, repository: &Repository, range: Option<&str>, prefix: &str) -> Result<(), GitError> {
        let root = root(prefix);
        if repository.is_shallow() {
            self.note(&root, Status::Truncated, "a shallow clone: what was committed before is not here");
        }
        // The two take about equally long, and there may be a second processor.
        let (history, objects) = std::thread::scope(|scope| {
            let history = scope.spawn(|| repository.history(range));
            let objects = range.is_none().then(|| repository.objects());
            let failed = || Err(GitError::unexpected("reading the history failed"));
            (history.join().unwrap_or_else(|_| failed()), objects)
        });
        let history = history?;
        if let Some(reason) = &history.incomplete {
            self.note(&root, Status::Truncated, reason.clone());
        }
        let objects = match objects {
            Some(objects) => objects?,
            None => {
                let mut oids: Vec<Oid> = history.blobs().chain(history.commits.iter().map(|one| one.oid)).collect();
                oids.sort_unstable();
                oids
            }
        };
        let excluded = self.left_out_of(repository);
        let commits: HashMap<Oid, u32> =
            history.commits.iter().enumerate().map(|(order, commit)| (commit.oid, order as u32)).collect();
        let mut origin = |object: &Object<'_>| {
            let origin = match object.kind {
                Kind::Tree => return None,
                Kind::Commit | Kind::Tag => message(object, &history, commits.get(&object.oid).copied(), prefix),
                Kind::Blob => blob(object, &history, prefix, &excluded)?,
            };
            Some(Arc::new(origin))
        };
        let (names, reader) = repository.read()?;
        self.objects(names, &objects, reader, prefix, &mut origin);
        Ok(())
    }

    fn left_out_of(&self, repository: &Repository) -> LeftOut {
        LeftOut::new(&repository.top(), &self.job.policy.exclude, self.job.ignore_file)
    }

    /// Reads objects and scans them: `origin` says what each is, or that it is none to scan.
    fn objects(
        &self,
        names: Names,
        oids: &[Oid],
        mut objects: Objects,
        prefix: &str,
        origin: &mut dyn FnMut(&Object<'_>) -> Option<Arc<Origin>>,
    ) {
        let (send, receive) = sync_channel::<Vec<Named>>(2 * self.job.threads);
        let receive = Mutex::new(receive);
        let root = root(prefix);
        let mut missing = 0u64;
        std::thread::scope(|scope| {
            // git may end early; then there is nothing to ask it for.
            scope.spawn(move || _ = names.ask(oids));
            for _ in 0..self.job.threads {
                scope.spawn(|| self.work(&receive));
            }
            let mut worker = Worker::new(self);
            let mut batch: Vec<Named> = Vec::new();
            let mut bytes = 0;
            while !self.stopped() {
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
                let Some(origin) = origin(&object) else {
                    let _ = io::copy(&mut object.body, &mut io::sink());
                    continue;
                };
                if object.size > SMALL {
                    worker.object(&origin, &mut object.body);
                    let _ = io::copy(&mut object.body, &mut io::sink());
                    continue;
                }
                let mut contents = Vec::with_capacity(object.size as usize);
                if let Err(error) = object.body.read_to_end(&mut contents) {
                    self.note(&origin, Status::Truncated, error.to_string());
                }
                bytes += contents.len();
                batch.push((origin, contents));
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

    /// Scans what is handed over, until nothing more comes.
    fn work(&self, receive: &Mutex<Receiver<Vec<Named>>>) {
        let mut worker = Worker::new(self);
        loop {
            let batch = receive.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(batch) = batch else { return };
            for (origin, contents) in batch {
                if self.stopped() {
                    break;
                }
                worker.object(&origin, &mut &contents[..]);
            }
        }
    }
}

/// What is said of a repository as a whole.
fn root(prefix: &str) -> Origin {
    Origin::file(if prefix.is_empty() { ".".into() } else { prefix.trim_end_matches('/').into() })
}

/// What a blob is called: its path, and the commit that first brought it.
fn blob(object: &Object<'_>, history: &History, prefix: &str, excluded: &LeftOut) -> Option<Origin> {
    let Some(brought) = history.brought(&object.oid) else {
        // No commit leads to it: it was thrown away, and is still here.
        return Some(Origin::file(format!("{prefix}unreachable blob {}", short(&object.oid)).into()));
    };
    let path = history.paths.get(brought.path as usize)?;
    if excluded.contains(path) {
        return None;
    }
    let path = if prefix.is_empty() { path.clone() } else { format!("{prefix}{path}").into() };
    Some(Origin { revision: revision(history, brought.commit), ..Origin::file(path) })
}

/// What a commit or a tag is called.
fn message(object: &Object<'_>, history: &History, order: Option<u32>, prefix: &str) -> Origin {
    let what = if object.kind == Kind::Tag { "tag" } else { "commit" };
    let revision = order.and_then(|order| revision(history, order));
    Origin { revision, ..Origin::file(format!("{prefix}{what} {}", short(&object.oid)).into()) }
}

fn revision(history: &History, order: u32) -> Option<Revision> {
    let commit = history.commits.get(order as usize)?;
    Some(Revision { order, commit: commit.oid.hex().into(), author_date: commit.author_date })
}

fn short(oid: &Oid) -> String {
    oid.hex().chars().take(12).collect()
}
