//! Texts that may be configuration, kept while they are scanned for tokens and audited at the end: files of one
//! configuration lie anywhere, and the walk meets them in any order.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use super::Audits;
use crate::config::files::Text;
use crate::finding::{Coverage, Status};
use crate::origin::Origin;
use crate::{gateway, issuer};

/// Longer texts are no configuration that anybody wrote.
const LONGEST: usize = 4 * 1024 * 1024;
/// So many bytes are kept in all.
const MOST: usize = 32 * 1024 * 1024;

/// So many bytes are kept of texts that only say how configurations belong together; of more, none.
const MOST_BESIDE: usize = 8 * 1024 * 1024;

/// What was kept.
#[derive(Debug, Default)]
pub(super) struct Configs(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// By origin: which ones stay must not depend on the order in which threads come.
    texts: BTreeMap<Arc<Origin>, Text>,
    bytes: usize,
    refused: BTreeSet<Arc<Origin>>,
    /// Texts that only say how the others belong together, and how many bytes of them there are, kept or not.
    beside: Vec<Text>,
    bytes_beside: usize,
}

impl Configs {
    /// Keeps what was copied, if it is worth it.
    pub(super) fn offer(&self, origin: &Arc<Origin>, copy: Copy<'_>, audits: Audits) {
        let wanted = |text: &Text| {
            let (name, bytes) = (text.path(), text.text.as_bytes());
            (audits.gateway && gateway::may_be_configuration(name) && gateway::is_candidate(name, bytes))
                || (audits.issuer && issuer::may_be_configuration(name) && issuer::is_candidate(name, bytes))
        };
        let text = Text::new(origin.clone(), copy.bytes);
        if text.text.is_empty() {
            return;
        }
        let own = wanted(&text) || text.embedded().iter().any(wanted);
        let beside = || audits.gateway && gateway::is_beside(text.path(), text.text.as_bytes());
        if !own && !beside() {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !own {
            kept.bytes_beside = kept.bytes_beside.saturating_add(text.text.len());
            if kept.bytes_beside > MOST_BESIDE {
                kept.beside = Vec::new();
            } else {
                kept.beside.push(text);
            }
            return;
        }
        if kept.refused.first().is_some_and(|first| first <= origin) {
            kept.refused.insert(origin.clone());
            return;
        }
        kept.bytes += text.text.len();
        kept.texts.insert(origin.clone(), text);
        // Those that come first by path stay.
        while kept.bytes > MOST
            && let Some((last, text)) = kept.texts.pop_last()
        {
            kept.bytes -= text.text.len();
            kept.refused.insert(last);
        }
    }

    /// All that was kept, and what could not be.
    pub(super) fn close(self) -> (Vec<Text>, Vec<Coverage>) {
        let kept = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let coverage = kept.refused.iter().map(|origin| Coverage {
            path: origin.path.clone(),
            member: origin.member.clone(),
            status: Status::Skipped,
            reason: "not audited as configuration: there is more of it than 32 MiB in this scan".to_owned(),
        });
        // Without anybody's configuration there is nothing to belong together.
        let beside = if kept.texts.is_empty() { Vec::new() } else { kept.beside };
        (kept.texts.into_values().chain(beside).collect(), coverage.collect())
    }
}

/// Reads on, and keeps a copy of what may be configuration.
pub(super) struct Copy<'r> {
    reader: &'r mut dyn Read,
    wanted: bool,
    bytes: Vec<u8>,
}

impl<'r> Copy<'r> {
    /// Copies what `reader` gives from now on, after what was `read` of it already, if its name says that it may be
    /// worth it to the `audits`, if there are any.
    pub(super) fn new(origin: &Origin, read: &[u8], reader: &'r mut dyn Read, audits: Option<Audits>) -> Self {
        let name = origin.name();
        let wanted = audits.is_some_and(|audits| {
            (audits.gateway && gateway::may_be_configuration(name))
                || (audits.issuer && issuer::may_be_configuration(name))
        });
        let mut copy = Self { reader, wanted, bytes: Vec::new() };
        copy.add(read);
        copy
    }

    fn add(&mut self, bytes: &[u8]) {
        if !self.wanted {
            return;
        }
        // What has NUL bytes is no text.
        if self.bytes.len() + bytes.len() > LONGEST || memchr::memchr(0, bytes).is_some() {
            self.wanted = false;
            self.bytes = Vec::new();
            return;
        }
        self.bytes.extend_from_slice(bytes);
    }
}

impl Read for Copy<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(into)?;
        self.add(&into[..read]);
        Ok(read)
    }
}
