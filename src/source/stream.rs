//! Bytes of one file, of a range of it, or of a pipe, handed to a scanner window by window, with the lines and columns
//! of what it sights. Memory is one buffer, whatever the length.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::num::NonZeroU64;

use super::lines;
use crate::span::LineColumn;
use crate::token::prefilter::Stretch;
use crate::token::scanner::{BEHIND, FoundDirective, FoundSecret, MAX_TOKEN, Remark, Scanner, Sighting, Window};

/// How much is read at a time: small enough to stay in the processor's cache between the passes over it.
const CHUNK: usize = 256 * 1024;
/// How long the buffer of a long stream is: what is kept from one window to the next is moved to its front only where no
/// room is left behind it.
const ROOM: usize = 3 * CHUNK;
/// Past this many undecided bytes the scanner must decide with what it has.
const MAX_PENDING: usize = MAX_TOKEN + 64 * 1024;
/// Past this many distinct tokens they are handed on before the unit ends.
const MAX_TOKENS: usize = 2_048;
/// How many places of a token are kept per unit.
pub const PLACES: usize = 16;

/// Which part of a stream is read.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// Offset of the part's first byte; bytes shortly before it are read for context.
    pub start: u64,
    /// Offset past its last byte; `None`: to the end.
    pub end: Option<u64>,
    /// Lines must be counted to the end of the part, since others follow it.
    pub counted: bool,
}

impl Part {
    /// The whole of a stream.
    pub const WHOLE: Self = Self { start: 0, end: None, counted: false };

    /// How many bytes before the part should be read along with it.
    pub fn lead(&self) -> u64 {
        self.start.min(BEHIND as u64)
    }
}

/// A place in a part: the line counts from the part's first byte, from 0, and may be negative where a token begins
/// before the part that owns its anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartPlace {
    /// Offset of the first byte.
    pub start: u64,
    /// Length in bytes.
    pub length: u32,
    /// Line breaks between the part's first byte and the place. A part is far shorter than 2 GiB, but for a pipe: past
    /// two thousand million lines the count stays there.
    pub line: i32,
    /// Offset of the first byte of its line, where that lies in the part.
    pub line_start: Option<NonZeroU64>,
    /// Line breaks inside the place.
    pub lines_inside: u32,
    /// How many bytes of the place stand on its last line, where it has several.
    pub on_last_line: u32,
}

impl PartPlace {
    /// The beginning of a file.
    pub const BEGINNING: Self =
        Self { start: 0, length: 0, line: 0, line_start: None, lines_inside: 0, on_last_line: 0 };

    /// Offset past the last byte.
    pub const fn end(&self) -> u64 {
        self.start + self.length as u64
    }

    /// Line and column of the first byte and of the byte after the last one; `before` are the parts before this one.
    pub fn resolve(&self, before: &[PartEnd]) -> (LineColumn, LineColumn) {
        let lines_before: u64 = before.iter().map(|end| end.lines).sum();
        let line = (lines_before as i64 + i64::from(self.line)).max(0) as u64 + 1;
        // A token may begin before the part that owns its anchor: lines that begin later are not its own.
        let earlier = |end: &PartEnd| end.last_line_start.filter(|start| *start <= self.start);
        let line_start = self.line_start.map(u64::from).or_else(|| before.iter().rev().find_map(earlier)).unwrap_or(0);
        let column = self.start.saturating_sub(line_start) + 1;
        let inside = u64::from(self.lines_inside);
        let end_column = if inside == 0 { column + u64::from(self.length) } else { u64::from(self.on_last_line) + 1 };
        (LineColumn { line, column }, LineColumn { line: line + inside, column: end_column })
    }
}

/// A thread's buffer, used for one stream after the other. The beginning of a stream may be looked at before it is
/// scanned.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    /// What was read by looking.
    peeked: Peeked,
}

/// What was read of a stream by looking at its beginning.
#[derive(Debug, Default)]
struct Peeked {
    /// So many bytes,
    filled: usize,
    /// to its end,
    ended: bool,
    /// or to an error.
    error: Option<io::Error>,
}

impl Buffer {
    /// The first bytes of a stream: `want` (at most 256 KiB) or more, fewer only where no more can be read. They are the
    /// first that the next [`scan`] sees, which goes on with the same reader, or that [`Buffer::replay`] gives.
    pub fn peek(&mut self, reader: &mut dyn Read, want: usize) -> &[u8] {
        if self.bytes.len() < CHUNK {
            // To grow later is to copy.
            self.bytes.reserve_exact(ROOM);
            self.bytes.resize(CHUNK, 0);
        }
        let Peeked { filled, ended, error } = &mut self.peeked;
        while *filled < want.min(CHUNK) && !*ended && error.is_none() {
            match reader.read(&mut self.bytes[*filled..CHUNK]) {
                Ok(0) => *ended = true,
                Ok(read) => *filled += read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => *error = Some(e),
            }
        }
        &self.bytes[..*filled]
    }

    /// What has been read by looking, and will be the first that the next [`scan`] sees.
    pub fn peeked(&self) -> &[u8] {
        &self.bytes[..self.peeked.filled]
    }

    /// Forgets what was read by looking: nobody wants the rest of the stream.
    pub fn forget(&mut self) {
        self.peeked = Peeked::default();
    }

    /// The stream from its beginning, for somebody else to read.
    pub fn replay<'r>(&mut self, reader: &'r mut dyn Read) -> impl Read + 'r {
        let Peeked { filled, error, .. } = std::mem::take(&mut self.peeked);
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.truncate(filled);
        io::Cursor::new(bytes).chain(Once(error)).chain(reader)
    }
}

/// Gives its error once.
struct Once(Option<io::Error>);

impl Read for Once {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// What was read of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartEnd {
    /// Bytes of the part that were looked at.
    pub bytes: u64,
    /// Line breaks in the part (only where they were to be counted).
    pub lines: u64,
    /// Offset past the last line break in the part.
    pub last_line_start: Option<u64>,
    /// Reading stopped early because the caller asked for it.
    pub stopped: bool,
}

/// Takes what a part gives.
pub trait Sink {
    /// A token was seen at a place; `place` is called only for places that are kept.
    fn sighting(&mut self, sighting: &Sighting, place: &mut dyn FnMut() -> PartPlace);
    /// A value was seen that tokens may be signed with; `place` is called only if it is kept.
    fn secret(&mut self, _secret: FoundSecret, _place: &mut dyn FnMut() -> PartPlace) {}
    /// A comment was seen that accepts findings.
    fn directive(&mut self, _directive: FoundDirective, _place: PartPlace) {}
    /// There is something to say about a place.
    fn remark(&mut self, remark: &Remark, place: PartPlace);
    /// The scanner's tokens are about to be forgotten: take them.
    fn take(&mut self, scanner: &mut Scanner<'_>);
    /// Asked between windows: go on?
    fn go_on(&mut self) -> bool;
}

/// Reads a part from `reader`, which stands at `part.start - part.lead()`, or behind what `buffer` has read of it.
///
/// # Errors
/// What reading gives; what was read before is in the sink.
pub fn scan(
    reader: &mut dyn Read,
    part: Part,
    scanner: &mut Scanner<'_>,
    buffer: &mut Buffer,
    sink: &mut dyn Sink,
) -> (PartEnd, io::Result<()>) {
    scanner.begin_unit(part.start);
    let peeked = std::mem::take(&mut buffer.peeked);
    let buffer = &mut buffer.bytes;
    let mut state = State {
        base: part.start - part.lead(),
        first: 0,
        filled: peeked.filled,
        part_end: part.end.unwrap_or(u64::MAX),
        from: 0,
        counted_to: part.lead() as usize,
        lines: 0,
        last_line_start: None,
        stretches: VecDeque::new(),
    };
    let mut ended = peeked.ended || peeked.error.is_some();
    let mut want = CHUNK;
    let mut result = peeked.error.map_or(Ok(()), Err);
    let mut stopped = false;
    loop {
        if !ended && let Err(error) = state.fill(reader, buffer, want, &mut ended) {
            result = Err(error);
            ended = true;
        }
        let to = part.end.map_or(state.filled, |end| ((end - state.base) as usize).min(state.filled));
        let pending = state.filled - state.from;
        let more = !ended && pending < MAX_PENDING;
        let bytes = state.bytes(buffer);
        let done = scanner.scan(Window { bytes, base: state.base, from: state.from, to, more });
        state.passed(&mut scanner.stretches);
        state.report(bytes, scanner, sink);
        if scanner.tokens.len().max(scanner.certificates.len()) >= MAX_TOKENS {
            sink.take(scanner);
            scanner.forget_tokens();
        }
        let finished = part.end.is_some_and(|end| state.base + done as u64 >= end) || (ended && done >= to);
        if finished && part.counted {
            state.count_to(bytes, done.min(to));
        } else if !finished {
            // Not to the end: a token may begin before the anchor that is not decided yet.
            state.count_to(bytes, done.saturating_sub(BEHIND));
        }
        want = if done == state.from { (want * 2).min(MAX_PENDING) } else { CHUNK };
        state.from = done;
        if finished {
            break;
        }
        if !sink.go_on() {
            stopped = true;
            break;
        }
        state.shift(buffer);
    }
    sink.take(scanner);
    scanner.forget_tokens();
    let bytes = (state.base + state.from as u64).saturating_sub(part.start);
    let end = PartEnd { bytes, lines: state.lines.max(0) as u64, last_line_start: state.last_line_start, stopped };
    (end, result)
}

/// Reads a part like [`scan`] and looks for nothing in it.
///
/// # Errors
/// What reading gives.
pub fn pass(reader: &mut dyn Read, part: Part, buffer: &mut Buffer) -> (PartEnd, io::Result<()>) {
    let lead = part.lead();
    let length = part.end.map_or(u64::MAX, |end| end - part.start + lead);
    let mut stream = buffer.replay(reader).take(length);
    let copied = io::copy(&mut stream, &mut io::sink());
    let bytes = copied.as_ref().map_or(0, |read| read.saturating_sub(lead));
    (PartEnd { bytes, ..PartEnd::default() }, copied.map(|_| ()))
}

/// Where reading stands. Offsets count from the first byte that is still at hand.
struct State {
    /// Offset in the stream of that byte,
    base: u64,
    /// and in the buffer.
    first: usize,
    /// Offset in the stream of the part's end: lines from there on are counted by the part after it.
    part_end: u64,
    /// How many bytes are at hand.
    filled: usize,
    /// Everything before is decided.
    from: usize,
    /// Line breaks are counted up to here.
    counted_to: usize,
    /// Line breaks between the part's start and `counted_to`.
    lines: i64,
    /// Offset in the stream of the line that `counted_to` is on, where it began in the part.
    last_line_start: Option<u64>,
    /// Where the scanner counted on its way, in order, from `counted_to` on.
    stretches: VecDeque<Stretch>,
}

impl State {
    /// The bytes at hand.
    fn bytes<'b>(&self, buffer: &'b [u8]) -> &'b [u8] {
        &buffer[self.first..self.first + self.filled]
    }

    /// Fills the buffer until at least `want` undecided bytes are there, or nothing more comes.
    fn fill(&mut self, reader: &mut dyn Read, buffer: &mut Vec<u8>, want: usize, ended: &mut bool) -> io::Result<()> {
        let target = self.from + want;
        if buffer.len() < self.first + target {
            // To grow later is to copy.
            buffer.reserve_exact(ROOM.saturating_sub(buffer.len()));
            buffer.resize(self.first + target, 0);
        }
        while self.filled < target {
            match reader.read(&mut buffer[self.first + self.filled..self.first + target]) {
                Ok(0) => {
                    *ended = true;
                    break;
                }
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // A file shorter than the context that was promised: nothing of the part is there.
        self.from = self.from.min(self.filled);
        self.counted_to = self.counted_to.min(self.filled);
        Ok(())
    }

    /// Takes what the scanner counted while it went over the window.
    fn passed(&mut self, stretches: &mut Vec<Stretch>) {
        // It goes over undecided bytes again.
        while self.stretches.back().is_some_and(|last| last.to > self.from) {
            self.stretches.pop_back();
        }
        self.stretches.extend(stretches.drain(..));
    }

    fn report(&mut self, bytes: &[u8], scanner: &mut Scanner<'_>, sink: &mut dyn Sink) {
        let mut sightings = std::mem::take(&mut scanner.sightings);
        sightings.sort_by_key(|s| (s.start, s.end));
        for sighting in &sightings {
            sink.sighting(sighting, &mut || self.place(bytes, sighting.start, sighting.end));
        }
        sightings.clear();
        scanner.sightings = sightings;
        for remark in scanner.remarks.drain(..) {
            sink.remark(&remark, self.place(bytes, remark.start, remark.end));
        }
        for found in scanner.directives.drain(..) {
            let place = self.place(bytes, found.start, found.end);
            sink.directive(found, place);
        }
        for secret in scanner.secrets.drain(..) {
            let (start, end) = (secret.start, secret.end);
            sink.secret(secret, &mut || self.place(bytes, start, end));
        }
    }

    /// The place of what stands between two offsets in the stream.
    fn place(&mut self, bytes: &[u8], first: u64, past: u64) -> PartPlace {
        let start = (first - self.base) as usize;
        let end = (past - self.base) as usize;
        let (line, line_start) = if start >= self.counted_to {
            // What is unfolded may stand beyond the part that holds the anchor.
            let own = start.min(self.part_end.saturating_sub(self.base) as usize).max(self.counted_to);
            self.count_to(bytes, own);
            let beyond = &bytes[own..start];
            let line_start = memchr::memrchr(b'\n', beyond).map(|at| self.base + (own + at) as u64 + 1);
            (self.lines + lines::count(beyond) as i64, line_start.or(self.last_line_start))
        } else {
            let behind = memchr::memchr_iter(b'\n', &bytes[start..self.counted_to]).count() as i64;
            let line_start = match behind {
                0 => self.last_line_start,
                _ => memchr::memrchr(b'\n', &bytes[..start]).map(|at| self.base + at as u64 + 1),
            };
            (self.lines - behind, line_start)
        };
        let inside = &bytes[start..end];
        PartPlace {
            start: first,
            length: inside.len() as u32,
            line: i32::try_from(line).unwrap_or(i32::MAX),
            line_start: line_start.and_then(NonZeroU64::new),
            lines_inside: memchr::memchr_iter(b'\n', inside).count() as u32,
            on_last_line: memchr::memrchr(b'\n', inside).map_or(0, |at| (inside.len() - at - 1) as u32),
        }
    }

    fn count_to(&mut self, bytes: &[u8], to: usize) {
        if to <= self.counted_to {
            return;
        }
        let mut lines = 0;
        let mut at = self.counted_to;
        while let Some(next) = self.stretches.front().copied().filter(|next| next.to <= to) {
            self.stretches.pop_front();
            // Of one that begins before, some have been counted.
            if next.from >= at {
                lines += lines::count(&bytes[at..next.from]) + next.breaks;
                at = next.to;
            }
        }
        lines += lines::count(&bytes[at..to]);
        if lines > 0 {
            let stretch = &bytes[self.counted_to..to];
            self.lines += lines as i64;
            self.last_line_start =
                memchr::memrchr(b'\n', stretch).map(|at| self.base + (self.counted_to + at) as u64 + 1);
        }
        self.counted_to = to;
    }

    /// Lets go of what lies before what is undecided, but for a short stretch.
    fn shift(&mut self, buffer: &mut Vec<u8>) {
        let keep = self.from.min(self.counted_to).saturating_sub(BEHIND);
        self.base += keep as u64;
        self.first += keep;
        self.filled -= keep;
        self.from -= keep;
        self.counted_to -= keep;
        self.stretches.retain(|stretch| stretch.from >= keep);
        for stretch in &mut self.stretches {
            stretch.from -= keep;
            stretch.to -= keep;
        }
        if self.first + self.from + CHUNK > buffer.len() {
            buffer.copy_within(self.first..self.first + self.filled, 0);
            self.first = 0;
            if buffer.len() < ROOM {
                buffer.resize(ROOM, 0);
            }
        }
    }
}
