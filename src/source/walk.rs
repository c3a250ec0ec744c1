//! The walk over the paths to scan: parallel, hidden files in, `.git` out, `.gitignore` honoured inside a git work
//! tree. Whatever is not examined is said.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ignore::{DirEntry, ParallelVisitor, ParallelVisitorBuilder, WalkBuilder, WalkState};

use super::left_out::LeftOut;
use crate::finding::{Coverage, Status};

/// How the walk goes.
#[derive(Debug, Clone)]
pub struct Options {
    /// Read what `.gitignore` leaves out, too.
    pub no_ignore: bool,
    /// What is left out.
    pub left_out: Arc<LeftOut>,
    /// How many threads walk.
    pub threads: usize,
    /// Several roots are walked: names begin with the root's.
    pub several_roots: bool,
}

/// A file to scan.
#[derive(Debug, Clone)]
pub struct File {
    /// Where it is.
    pub path: PathBuf,
    /// How it is called in reports: relative to its root, with `/`.
    pub name: Arc<str>,
}

/// A thread's receiver of what the walk finds.
pub trait Visitor: Send {
    /// A file to scan. `false` ends the walk.
    fn file(&mut self, file: File) -> bool;
    /// Something that is not examined.
    fn coverage(&mut self, coverage: Coverage);
}

/// Walks `root`, handing what it finds to one visitor a thread. Returns how many files were left out by `.gitignore`.
pub fn walk<'v>(root: &Path, options: &Options, visitor: &(dyn Fn() -> Box<dyn Visitor + 'v> + Sync)) -> u64 {
    let meta = match fs::metadata(root) {
        Ok(meta) => meta,
        Err(error) => {
            visitor().coverage(skipped(display(root), error.to_string()));
            return 0;
        }
    };
    if !meta.is_dir() {
        // A path that is named is read whatever it is called and wherever it leads.
        visitor().file(File { path: root.to_owned(), name: display(root) });
        return 0;
    }
    let prefix = match display(root) {
        name if options.several_roots && &*name != "." => format!("{}/", name.trim_end_matches('/')),
        _ => String::new(),
    };
    let canonical = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    let honoured = AtomicU64::new(0);
    let builder = builder(root, options, !options.no_ignore).build_parallel();
    builder.visit(&mut Factory { visitor, root, prefix: &prefix, canonical: &canonical, files: &honoured });
    if options.no_ignore || !in_git_work_tree(&canonical) {
        return 0;
    }
    let all = AtomicU64::new(0);
    self::builder(root, options, false).build_parallel().run(|| {
        Box::new(|entry| {
            if entry.is_ok_and(|e| e.file_type().is_some_and(|t| t.is_file())) {
                all.fetch_add(1, Ordering::Relaxed);
            }
            WalkState::Continue
        })
    });
    all.into_inner().saturating_sub(honoured.into_inner())
}

fn builder(root: &Path, options: &Options, ignore: bool) -> WalkBuilder {
    let mut builder = WalkBuilder::new(root);
    let (left_out, base) = (options.left_out.clone(), root.to_owned());
    builder
        .hidden(false)
        .ignore(false)
        .git_ignore(ignore)
        .git_exclude(ignore)
        .git_global(false)
        .parents(ignore)
        .require_git(true)
        .follow_links(false)
        .threads(options.threads)
        .filter_entry(move |entry| {
            let path = entry.path().strip_prefix(&base).unwrap_or(entry.path());
            let folder = entry.file_type().is_some_and(|kind| kind.is_dir());
            entry.file_name() != ".git" && (entry.depth() == 0 || !left_out.names(path, folder))
        });
    builder
}

fn in_git_work_tree(path: &Path) -> bool {
    path.ancestors().any(|folder| folder.join(".git").exists())
}

/// A path with `/`; what is not UTF-8 in it is shown as U+FFFD.
pub fn display(path: &Path) -> Arc<str> {
    let text = path.to_string_lossy();
    let text = if std::path::MAIN_SEPARATOR == '/' { text.into_owned() } else { text.replace('\\', "/") };
    let text = text.strip_prefix("./").unwrap_or(&text);
    if text.is_empty() { ".".into() } else { text.into() }
}

/// A row for something that is not examined.
pub fn skipped(path: Arc<str>, reason: impl Into<String>) -> Coverage {
    Coverage { path, member: None, status: Status::Skipped, reason: reason.into() }
}

struct Factory<'a, 'v> {
    visitor: &'a (dyn Fn() -> Box<dyn Visitor + 'v> + Sync),
    root: &'a Path,
    prefix: &'a str,
    canonical: &'a Path,
    files: &'a AtomicU64,
}

impl<'s, 'a: 's, 'v: 's> ParallelVisitorBuilder<'s> for Factory<'a, 'v> {
    fn build(&mut self) -> Box<dyn ParallelVisitor + 's> {
        Box::new(Thread {
            visitor: (self.visitor)(),
            root: self.root,
            prefix: self.prefix,
            canonical: self.canonical,
            files: self.files,
        })
    }
}

struct Thread<'a, 'v> {
    visitor: Box<dyn Visitor + 'v>,
    root: &'a Path,
    prefix: &'a str,
    canonical: &'a Path,
    files: &'a AtomicU64,
}

impl Thread<'_, '_> {
    fn name(&self, path: &Path) -> Arc<str> {
        let relative = path.strip_prefix(self.root).unwrap_or(path);
        let name = display(relative);
        if self.prefix.is_empty() { name } else { format!("{}{name}", self.prefix).into() }
    }

    /// Links are not followed: what they lead to inside the tree is read there, what lies outside is said.
    fn link(&mut self, entry: &DirEntry) {
        let reason = match fs::canonicalize(entry.path()) {
            Ok(target) if target.starts_with(self.canonical) => return,
            Ok(_) => "symbolic link that leads out of the scanned tree; not followed".to_owned(),
            Err(error) => format!("symbolic link that leads nowhere: {error}"),
        };
        let name = self.name(entry.path());
        self.visitor.coverage(skipped(name, reason));
    }
}

impl ParallelVisitor for Thread<'_, '_> {
    fn visit(&mut self, entry: Result<DirEntry, ignore::Error>) -> WalkState {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = error_path(&error).map_or_else(|| self.root.to_owned(), Path::to_owned);
                let name = self.name(&path);
                self.visitor.coverage(skipped(name, reason(&error)));
                return WalkState::Continue;
            }
        };
        if let Some(error) = entry.error() {
            // A `.gitignore` that can't be read in part: what it would leave out is scanned.
            let name = self.name(entry.path());
            let reason = format!("ignore rules: {}", reason(error));
            self.visitor.coverage(Coverage { path: name, member: None, status: Status::Examined, reason });
        }
        let Some(kind) = entry.file_type() else { return WalkState::Continue };
        if kind.is_dir() {
            return WalkState::Continue;
        }
        if kind.is_symlink() {
            self.link(&entry);
            return WalkState::Continue;
        }
        if !kind.is_file() {
            let name = self.name(entry.path());
            self.visitor.coverage(skipped(name, "not a regular file"));
            return WalkState::Continue;
        }
        self.files.fetch_add(1, Ordering::Relaxed);
        let file = File { name: self.name(entry.path()), path: entry.into_path() };
        if self.visitor.file(file) { WalkState::Continue } else { WalkState::Quit }
    }
}

fn error_path(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => error_path(err),
        _ => None,
    }
}

/// The error without the path, which has a field of its own, and without what it quotes of the file.
fn reason(error: &ignore::Error) -> String {
    match error {
        ignore::Error::WithPath { err, .. } | ignore::Error::WithDepth { err, .. } => reason(err),
        ignore::Error::WithLineNumber { line, err } => format!("line {line}: {}", reason(err)),
        ignore::Error::Partial(errors) => errors.iter().map(reason).collect::<Vec<_>>().join("; "),
        ignore::Error::Glob { err, .. } => err.clone(),
        ignore::Error::Io(error) => error.to_string(),
        ignore::Error::Loop { .. } => "loop of symbolic links".to_owned(),
        _ => "can't be read".to_owned(),
    }
}
