//! What git holds: blobs that are about to be committed, and everything that was ever committed, read through the
//! installed git. The repository is not trusted: none of its hooks, filters, helpers or monitors is run, nothing is
//! fetched, nothing is written.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

/// The name of an object: 20 bytes, or 32 where the repository uses SHA-256; shorter ones are padded with zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid {
    bytes: [u8; 32],
    length: u8,
}

impl Oid {
    /// Reads 40 or 64 hexadecimal digits.
    pub fn from_hex(text: &[u8]) -> Option<Self> {
        if !matches!(text.len(), 40 | 64) {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            let digit = |b: u8| char::from(b).to_digit(16);
            *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
        }
        Some(Self { bytes, length: (text.len() / 2) as u8 })
    }

    /// Its digits.
    pub fn hex(&self) -> String {
        crate::secret::hex(&self.bytes[..usize::from(self.length)])
    }

    /// The name that stands for nothing.
    pub fn is_null(&self) -> bool {
        self.bytes == [0; 32]
    }
}

/// Why git can't be asked.
#[derive(Debug)]
pub struct GitError(String);

impl GitError {
    /// Something that git is not to blame for.
    pub fn unexpected(what: &str) -> Self {
        Self(what.to_owned())
    }
}

impl std::fmt::Display for GitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for GitError {}

/// A repository on this machine.
#[derive(Debug, Clone)]
pub struct Repository {
    folder: PathBuf,
    up: PathBuf,
}

/// A file that is about to be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// Its contents.
    pub oid: Oid,
    /// Its path in the repository, with `/`.
    pub path: String,
}

/// The commit that first brought a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brought {
    /// Which of [`History::commits`]; earlier ones come first.
    pub commit: u32,
    /// Which of [`History::paths`].
    pub path: u32,
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its name.
    pub oid: Oid,
    /// When it was written, seconds since 1970.
    pub author_date: i64,
}

/// Which commit first brought each blob, and where to.
#[derive(Debug, Default)]
pub struct History {
    /// All commits, oldest first.
    pub commits: Vec<Commit>,
    /// All paths, with `/`.
    pub paths: Vec<Arc<str>>,
    blobs: HashMap<Oid, Brought>,
    /// Why it is not complete, if it is not.
    pub incomplete: Option<String>,
}

impl History {
    /// Where a blob comes from; `None` of those that no commit has.
    pub fn brought(&self, blob: &Oid) -> Option<Brought> {
        self.blobs.get(blob).copied()
    }

    /// The blobs that it knows.
    pub fn blobs(&self) -> impl Iterator<Item = Oid> + '_ {
        self.blobs.keys().copied()
    }
}

impl Repository {
    /// The repository that `path` belongs to.
    ///
    /// # Errors
    /// Where git is not installed or finds no repository there.
    pub fn open(path: &Path) -> Result<Self, GitError> {
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let mut repository = Self { folder: folder.to_owned(), up: PathBuf::new() };
        // What leads from there to the top of the work tree; nothing where it is the top, or where there is none.
        repository.up = repository.line(&["rev-parse", "--git-dir", "--show-cdup"], 1)?.into();
        Ok(repository)
    }

    /// The folder of its work tree; that it was opened at, where it has none.
    pub fn top(&self) -> PathBuf {
        self.folder.join(&self.up)
    }

    /// Whether its history was cut off when it was cloned.
    pub fn is_shallow(&self) -> bool {
        self.line(&["rev-parse", "--is-shallow-repository"], 0).is_ok_and(|answer| answer == "true")
    }

    fn git<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.folder).arg("--no-pager");
        // A repository's own configuration may name programs to run: all of them are switched off.
        for setting in [
            "core.fsmonitor=false",
            "core.hooksPath=/dev/null",
            "core.alternateRefsCommand=",
            "core.quotePath=false",
            "log.showSignature=false",
            "log.mailmap=false",
            "log.follow=false",
            "diff.external=",
            "diff.orderFile=/dev/null",
            "protocol.allow=never",
        ] {
            command.arg("-c").arg(setting);
        }
        command
            .args(arguments)
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env_remove("GIT_EXTERNAL_DIFF")
            .env_remove("GIT_TRACE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// A line that a command prints, counted from 0; nothing where there are fewer.
    fn line(&self, arguments: &[&str], number: usize) -> Result<String, GitError> {
        let output = self.git(arguments).output().map_err(|error| not_there(&error))?;
        if !output.status.success() {
            return Err(GitError(complaint(&output.stderr)));
        }
        Ok(String::from_utf8_lossy(&output.stdout).lines().nth(number).unwrap_or_default().to_owned())
    }

    /// What is about to be committed: the files of the index that differ from the last commit, as they stand in the
    /// index. Of a merge those that came with it, too.
    ///
    /// # Errors
    /// What git complains of.
    pub fn staged(&self) -> Result<Vec<Staged>, GitError> {
        let differences = |base: &str| {
            let arguments = [
                "diff-index",
                "--cached",
                "--raw",
                "-z",
                "--no-renames",
                "--no-abbrev",
                "--diff-filter=ACMT",
                base,
                "--",
            ];
            self.git(&arguments).output().map_err(|error| not_there(&error))
        };
        let mut output = differences("HEAD")?;
        if !output.status.success() {
            // Nothing was committed yet, or something is wrong with more than that.
            output = differences(&self.line(&["hash-object", "-t", "tree", "/dev/null"], 0)?)?;
        }
        if !output.status.success() {
            return Err(GitError(complaint(&output.stderr)));
        }
        let mut staged = Vec::new();
        let mut pieces = output.stdout.split(|b| *b == 0);
        while let (Some(entry), Some(path)) = (pieces.next(), pieces.next()) {
            if let Some((oid, mode)) = raw_entry(entry)
                && is_file(mode)
            {
                staged.push(Staged { oid, path: String::from_utf8_lossy(path).into_owned() });
            }
        }
        Ok(staged)
    }

    /// Which commit first brought each blob: of all that refs, stashes and reflogs lead to, or of `range`
    /// (`main..topic`). It ends early, and is incomplete, where `stop` says so.
    ///
    /// # Errors
    /// Where nothing can be read at all, or the range means nothing.
    pub fn history(&self, range: Option<&str>, stop: &dyn Fn() -> bool) -> Result<History, GitError> {
        let mut arguments: Vec<&str> = vec![
            "log",
            "-z",
            "--format=%x01%H %at",
            "--raw",
            "--no-abbrev",
            "--no-renames",
            "--no-ext-diff",
            "--no-textconv",
            "--root",
            // Of a merge what none of its parents has.
            "-c",
            "--reverse",
            "--topo-order",
        ];
        match range {
            // A range that looks like an option is none.
            Some(range) => arguments.extend(["--end-of-options", range, "--"]),
            None => arguments.extend(["--all", "--reflog"]),
        }
        if let Some(range) = range {
            self.line(&["rev-list", "--max-count=1", "--end-of-options", range, "--"], 0)?;
        }
        let mut child = self.git(&arguments).stderr(Stdio::null()).spawn().map_err(|error| not_there(&error))?;
        let mut history = History::default();
        let mut interned: HashMap<Arc<str>, u32> = HashMap::new();
        if let Some(out) = child.stdout.take() {
            let mut out = BufReader::with_capacity(256 * 1024, out);
            let mut piece = Vec::new();
            let mut entry = None;
            loop {
                piece.clear();
                match out.read_until(0, &mut piece) {
                    Ok(0) | Err(_) => break,
                    Ok(_) => {}
                }
                let text = piece.strip_suffix(b"\0").unwrap_or(&piece);
                if let Some(oid) = Option::take(&mut entry) {
                    let path = String::from_utf8_lossy(text);
                    let path = match interned.get(&*path) {
                        Some(known) => *known,
                        None => {
                            let number = history.paths.len() as u32;
                            let path: Arc<str> = path.into();
                            history.paths.push(path.clone());
                            interned.insert(path, number);
                            number
                        }
                    };
                    if let Some(commit) = history.commits.len().checked_sub(1) {
                        history.blobs.entry(oid).or_insert(Brought { commit: commit as u32, path });
                    }
                    continue;
                }
                let text = text.strip_prefix(b"\n").unwrap_or(text);
                if let Some(head) = text.strip_prefix(b"\x01") {
                    if stop() {
                        let _ = child.kill();
                        break;
                    }
                    history.commits.extend(commit(head));
                } else if let Some((oid, mode)) = raw_entry(text) {
                    // What is no file, or gone, still has a path behind it.
                    entry = Some(if is_file(mode) { oid } else { Oid { bytes: [0; 32], length: 20 } });
                }
            }
        }
        history.blobs.retain(|oid, _| !oid.is_null());
        if !child.wait().is_ok_and(|status| status.success()) {
            let last = history.commits.len();
            history.incomplete = Some(format!("git log ended early, after {last} commits"));
        }
        Ok(history)
    }

    /// The names of all objects that are not trees, in the order in which they are best read.
    ///
    /// # Errors
    /// What git complains of.
    pub fn objects(&self) -> Result<Vec<Oid>, GitError> {
        let arguments =
            ["cat-file", "--batch-all-objects", "--unordered", "--buffer", "--batch-check=%(objectname) %(objecttype)"];
        let mut child = self.git(&arguments).stderr(Stdio::null()).spawn().map_err(|error| not_there(&error))?;
        let mut objects = Vec::new();
        if let Some(out) = child.stdout.take() {
            let mut out = BufReader::with_capacity(256 * 1024, out);
            let mut line = Vec::new();
            while out.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let mut words = line.trim_ascii_end().split(|b| *b == b' ');
                if let (Some(name), Some(kind)) = (words.next(), words.next())
                    && kind != b"tree"
                {
                    objects.extend(Oid::from_hex(name));
                }
                line.clear();
            }
        }
        match child.wait() {
            Ok(status) if status.success() => Ok(objects),
            _ => Err(GitError("git cat-file could not list the objects".to_owned())),
        }
    }

    /// Begins to read objects: names go into one end, contents come out of the other.
    ///
    /// # Errors
    /// Where git can't be started.
    pub fn read(&self) -> Result<(Names, Objects), GitError> {
        let mut command = self.git(&["cat-file", "--batch", "--buffer"]);
        command.stdin(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| not_there(&error))?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(names), Some(out)) => {
                Ok((Names(names), Objects { child, out: BufReader::with_capacity(256 * 1024, out) }))
            }
            _ => Err(GitError("git could not be started".to_owned())),
        }
    }
}

/// Takes the names of the objects to read.
#[derive(Debug)]
pub struct Names(ChildStdin);

impl Names {
    /// Asks for objects. To be called apart from where they are read, or both wait for each other.
    ///
    /// # Errors
    /// Where git has gone.
    pub fn ask(mut self, oids: &[Oid]) -> io::Result<()> {
        let mut text = Vec::with_capacity(64 * 1024);
        for chunk in oids.chunks(1024) {
            text.clear();
            for oid in chunk {
                text.extend_from_slice(oid.hex().as_bytes());
                text.push(b'\n');
            }
            self.0.write_all(&text)?;
        }
        self.0.flush()
    }
}

/// Gives objects one after the other.
#[derive(Debug)]
pub struct Objects {
    child: Child,
    out: BufReader<ChildStdout>,
}

/// An object, about to be read.
#[derive(Debug)]
pub struct Object<'a> {
    /// Its name.
    pub oid: Oid,
    /// What it is.
    pub kind: Kind,
    /// In bytes.
    pub size: u64,
    /// Its contents.
    pub body: io::Take<&'a mut BufReader<ChildStdout>>,
}

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file's contents.
    Blob,
    /// A commit with its message.
    Commit,
    /// A tag with its message.
    Tag,
    /// A folder.
    Tree,
}

/// What comes next.
#[derive(Debug)]
pub enum Next<'a> {
    /// An object; its body must be read to the end before the next one is asked for.
    Object(Object<'a>),
    /// An object that is not here.
    Missing(Oid),
    /// Nothing.
    End,
}

impl Objects {
    /// The next object.
    ///
    /// # Errors
    /// Where what git says can't be understood.
    pub fn read_next(&mut self) -> io::Result<Next<'_>> {
        let mut line = Vec::new();
        loop {
            line.clear();
            if self.out.read_until(b'\n', &mut line)? == 0 {
                return Ok(Next::End);
            }
            if line != b"\n" {
                break; // the line break after the body before
            }
        }
        let strange = || io::Error::new(io::ErrorKind::InvalidData, "git said something unexpected");
        let mut words = line.trim_ascii_end().split(|b| *b == b' ');
        let oid = words.next().and_then(Oid::from_hex).ok_or_else(strange)?;
        let kind = match words.next() {
            Some(b"blob") => Kind::Blob,
            Some(b"commit") => Kind::Commit,
            Some(b"tag") => Kind::Tag,
            Some(b"tree") => Kind::Tree,
            _ => return Ok(Next::Missing(oid)),
        };
        let size = words.next().and_then(|size| std::str::from_utf8(size).ok()?.parse().ok()).ok_or_else(strange)?;
        Ok(Next::Object(Object { oid, kind, size, body: (&mut self.out).take(size) }))
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        // It may still have something to say that nobody wants to hear.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `:100644 100644 OLD NEW M`, and of merges `::100644 100644 100644 OLD OLD NEW MM`: the new blob with its mode.
fn raw_entry(text: &[u8]) -> Option<(Oid, &[u8])> {
    let parents = text.iter().take_while(|b| **b == b':').count();
    if parents == 0 {
        return None;
    }
    let words: Vec<&[u8]> = text[parents..].split(|b| *b == b' ').collect();
    Some((Oid::from_hex(words.get(2 * parents + 1)?)?, words.get(parents)?))
}

/// Whether a mode is that of a file or a link, not of a submodule or of nothing.
fn is_file(mode: &[u8]) -> bool {
    mode.starts_with(b"100") || mode.starts_with(b"120")
}

/// `NAME SECONDS`
fn commit(head: &[u8]) -> Option<Commit> {
    let head = head.trim_ascii();
    let at = head.iter().position(|b| *b == b' ')?;
    let author_date = std::str::from_utf8(&head[at + 1..]).ok()?.parse().unwrap_or(0);
    Some(Commit { oid: Oid::from_hex(&head[..at])?, author_date })
}

/// The first line of what git printed.
fn complaint(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("git failed");
    line.trim_start_matches("fatal: ").trim_start_matches("error: ").to_owned()
}

fn not_there(error: &io::Error) -> GitError {
    match error.kind() {
        io::ErrorKind::NotFound => GitError("git is not installed".to_owned()),
        _ => GitError(format!("git: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_entries_of_commits_and_merges() {
        let (one, two, three) = ("1".repeat(40), "2".repeat(40), "3".repeat(40));
        let plain = format!(":100644 100755 {one} {two} M");
        let merge = format!("::100644 100644 120000 {one} {two} {three} MM");
        let of = |text: &str| raw_entry(text.as_bytes()).map(|(oid, mode)| (oid.hex(), mode.to_vec()));
        assert_eq!(of(&plain), Some((two, b"100755".to_vec())));
        assert_eq!(of(&merge), Some((three, b"120000".to_vec())));
        assert_eq!(of("100644"), None);
        assert_eq!(of(":"), None);
    }
}
