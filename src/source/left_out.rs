//! What the user leaves out of a scan: globs of the policy, and a `.keyboundignore` at the scan root, written like a
//! `.gitignore`. A line there should say why, in a comment above it; lines that leave nothing out are said.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use ignore::overrides::{Override, OverrideBuilder};

use crate::finding::{Coverage, Status};

/// How the file is called.
pub const FILE: &str = ".keyboundignore";

/// What is left out.
#[derive(Debug)]
pub struct LeftOut {
    globs: Override,
    lines: Gitignore,
    text: String,
    /// The lines that left something out.
    used: Mutex<BTreeSet<String>>,
}

impl LeftOut {
    /// The globs of a policy, and what the file in `root` says if `file` is wanted and there is one.
    pub fn new(root: &Path, globs: &[String], file: bool) -> Self {
        let mut overrides = OverrideBuilder::new("");
        for glob in globs {
            // The policy has checked every glob.
            let _ = overrides.add(&format!("!{glob}"));
        }
        let text = if file { fs::read_to_string(root.join(FILE)).unwrap_or_default() } else { String::new() };
        let mut lines = GitignoreBuilder::new("");
        for line in text.lines() {
            // A line that is no glob leaves nothing out, which is said.
            let _ = lines.add_line(None, line);
        }
        Self {
            globs: overrides.build().unwrap_or_else(|_| Override::empty()),
            lines: lines.build().unwrap_or_else(|_| Gitignore::empty()),
            text,
            used: Mutex::default(),
        }
    }

    /// Whether that one file or folder is left out, whatever it lies in. The path is relative to the root.
    pub fn names(&self, path: &Path, folder: bool) -> bool {
        if self.globs.matched(path, folder).is_ignore() {
            return true;
        }
        match self.lines.matched(path, folder) {
            Match::Ignore(glob) => {
                let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
                if !used.contains(glob.original()) {
                    used.insert(glob.original().to_owned());
                }
                true
            }
            Match::Whitelist(_) | Match::None => false,
        }
    }

    /// Whether a file, or a folder that it lies in, is left out.
    pub fn contains(&self, path: &str) -> bool {
        path.match_indices('/').any(|(at, _)| self.names(Path::new(&path[..at]), true))
            || self.names(Path::new(path), false)
    }

    /// What is to be said of the file: what it left out, and of its lines those that left out nothing or say not why.
    /// `prefix` goes before its name.
    pub fn notes(self, prefix: &str) -> Vec<Coverage> {
        let used = self.used.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut notes = Vec::new();
        let mut reason = false;
        for (number, line) in self.text.lines().enumerate() {
            let line = line.trim_end();
            if line.is_empty() {
                reason = false;
            } else if let Some(comment) = line.strip_prefix('#') {
                reason |= !comment.trim().is_empty();
            } else if !line.starts_with('!') {
                let (status, mut what) = match used.contains(line) {
                    true => (Status::Skipped, format!("line {}: `{line}` is left out", number + 1)),
                    false => (Status::Examined, format!("line {}: `{line}` leaves nothing out", number + 1)),
                };
                if !reason {
                    what += "; a comment above it should say why";
                }
                notes.push(Coverage { path: format!("{prefix}{FILE}").into(), member: None, status, reason: what });
            }
        }
        notes
    }
}
