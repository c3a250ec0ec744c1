//! How much may be unpacked, and what went wrong where. Everything that is read of an archive passes through a
//! [`Gauge`], one for each reader in the nesting: the file, what its compression gives, a member of that, and so on.

use std::cell::{Cell, RefCell};
use std::io::{self, Read};

use crate::finding::Status;
use crate::origin::Layers;

/// What comes out may be this many times what goes in …
pub(super) const RATIO: u64 = 200;
/// … once this much has come out of one stream. Logs reach 50 with the strongest compressors; what lies beyond 200 for
/// long is made of zeros, of one line over and over, or to harm.
pub(super) const STREAM_FREE: u64 = 64 * 1024 * 1024;
/// … and this much out of all streams of a file.
pub(super) const FILE_FREE: u64 = 512 * 1024 * 1024;
/// The most that is unpacked of a file, in bytes.
pub(super) const FILE_MOST: u64 = 1 << 40;
/// The most members of a file.
pub(super) const MEMBERS: u64 = 10_000_000;
/// The most that a decompressor may keep to look back at, in bytes: what `zstd` and `xz` ask for with their strongest
/// ordinary settings. One inside of another may keep half of that, so that all together stay below twice of it.
pub(super) const WINDOW: u64 = 128 * 1024 * 1024;

/// Readers in readers: the file and one for each layer.
const LEVELS: usize = Layers::MOST + 1;

/// Why a reader could not be read to its end.
#[derive(Debug)]
pub(super) struct Fault {
    /// Which reader: 0 is the file itself.
    pub(super) level: usize,
    pub(super) status: Status,
    /// In words; `None` where nothing is to be said.
    pub(super) reason: Option<String>,
}

/// What all readers of one file share.
pub(super) struct State<'a> {
    stop: &'a dyn Fn() -> bool,
    /// Bytes that each level has given.
    given: [Cell<u64>; LEVELS],
    unpacked: Cell<u64>,
    fault: RefCell<Option<Fault>>,
    halted: Cell<bool>,
}

impl<'a> State<'a> {
    pub(super) fn new(stop: &'a dyn Fn() -> bool) -> Self {
        Self {
            stop,
            given: Default::default(),
            unpacked: Cell::new(0),
            fault: RefCell::new(None),
            halted: Cell::new(false),
        }
    }

    /// Notes why a reader could not be read further. The first to say so is the one where it went wrong: those inside
    /// of it only see the consequences, once they have used up what they have at hand.
    pub(super) fn fail(&self, level: usize, status: Status, reason: String) {
        self.fault.borrow_mut().get_or_insert(Fault { level, status, reason: Some(reason) });
    }

    /// Ends everything at once; `reason` is said of the file, if there is something to say.
    pub(super) fn halt(&self, reason: Option<String>) {
        self.halted.set(true);
        *self.fault.borrow_mut() = Some(Fault { level: 0, status: Status::Truncated, reason });
    }

    /// Whether nothing more is to be read.
    pub(super) fn halted(&self) -> bool {
        self.halted.get()
    }

    /// Whether something went wrong that nobody has dealt with.
    pub(super) fn failed(&self) -> bool {
        self.fault.borrow().is_some()
    }

    fn failed_at(&self, level: usize) -> bool {
        self.fault.borrow().as_ref().is_some_and(|fault| fault.level == level)
    }

    /// What went wrong at this level or further in; what went wrong further out is not to be dealt with here.
    pub(super) fn take_fault(&self, level: usize) -> Option<Fault> {
        self.fault.borrow_mut().take_if(|fault| fault.level >= level)
    }

    pub(super) fn stopped(&self) -> bool {
        (self.stop)()
    }
}

/// Counts what a reader gives, and ends it where it gives too much, where the scan was stopped, or where something
/// went wrong.
pub(super) struct Gauge<'a, R> {
    pub(super) inner: R,
    state: &'a State<'a>,
    level: usize,
    /// It gives more than it takes.
    unpacks: bool,
    given: u64,
    /// What the level outside of it had given before.
    outside: u64,
}

impl<'a, R: Read> Gauge<'a, R> {
    /// `level` counts from the file, which is 0.
    pub(super) fn new(inner: R, state: &'a State<'a>, level: usize, unpacks: bool) -> Self {
        let outside = level.checked_sub(1).map_or(0, |outside| state.given[outside].get());
        Self { inner, state, level, unpacks, given: 0, outside }
    }

    /// How many bytes it has given.
    pub(super) fn given(&self) -> u64 {
        self.given
    }

    /// Reads to the end.
    pub(super) fn drain(&mut self) {
        let mut pieces = [0; 8 * 1024];
        while let Ok(1..) = self.read(&mut pieces) {}
    }

    /// Ends this stream, or all, where too much has come out.
    fn weigh(&self) {
        let state = self.state;
        let unpacked = state.unpacked.get();
        let taken = state.given[self.level - 1].get() - self.outside;
        if unpacked > FILE_MOST {
            state.halt(Some(format!("holds more than {FILE_MOST} bytes; the rest was not examined")));
        } else if unpacked > FILE_FREE && unpacked / RATIO > state.given[0].get() {
            state.halt(Some(format!("unpacks to more than {RATIO} times its size; the rest was not examined")));
        } else if self.given > STREAM_FREE && self.given / RATIO > taken {
            let given = self.given;
            let reason = format!("unpacks to more than {RATIO} times its size; not examined beyond {given} bytes");
            if state.failed() {
                // It is the rest of something that has come to its end already.
                state.halt(Some(reason));
            } else {
                state.fail(self.level, Status::Truncated, reason);
            }
        }
    }
}

impl<R: Read> Read for Gauge<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let over = || io::Error::other("unpacking was ended");
        if self.state.stopped() {
            self.state.halt(None);
        }
        if self.state.halted() || self.state.failed_at(self.level) {
            return Err(over());
        }
        let read = match self.inner.read(into) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                let status = if self.given == 0 { Status::Unparsed } else { Status::Truncated };
                let after = if self.given == 0 { String::new() } else { format!(" after {} bytes", self.given) };
                self.state.fail(self.level, status, format!("{error}{after}"));
                return Err(over());
            }
        };
        let given = &self.state.given[self.level];
        given.set(given.get() + read as u64);
        self.given += read as u64;
        if self.unpacks {
            self.state.unpacked.set(self.state.unpacked.get() + read as u64);
            self.weigh();
        }
        Ok(read)
    }
}
