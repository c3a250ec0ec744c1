//! Zip archives (PKWARE's APPNOTE, sections 4.3 and 4.4), read as they come: each member's own header says what is
//! needed, so that one on disk, one inside of another and one on standard input are read alike, and those are found,
//! too, that the directory at the end does not list. The directory only serves to see that none is missing.

use std::io::{self, BufRead, Read};
use std::sync::Arc;

use super::bounds::Gauge;
use super::compressed::{Codec, Compressed};
use super::input::{Exactly, Input};
use super::{Unpacker, window};
use crate::finding::Status;
use crate::origin::Origin;

const MEMBER: &[u8; 4] = b"PK\x03\x04";
const DESCRIPTOR: &[u8; 4] = b"PK\x07\x08";
const LISTED: &[u8; 4] = b"PK\x01\x02";
const END: &[u8; 4] = b"PK\x05\x06";
const END64: &[u8; 4] = b"PK\x06\x06";
const LOCATOR64: &[u8; 4] = b"PK\x06\x07";
const SPANNED: &[u8; 4] = b"PK00";

/// Length of a member's header without its name and extra fields.
const HEADER: usize = 30;
/// Length of a member's entry in the directory without name, extra fields and comment.
const LISTED_HEADER: usize = 46;
/// "See the extra field".
const IN_EXTRA: u64 = 0xffff_ffff;

/// A member or an empty archive's end, also behind the line that makes it a program (Python's zipapp).
pub(super) fn begins(head: &[u8]) -> bool {
    let marked = |rest: &[u8]| Header::read(rest).is_some() || (rest.starts_with(END) && rest.len() >= 22);
    if head.starts_with(b"#!") {
        let line = head.iter().position(|byte| *byte == b'\n');
        return line.is_some_and(|line| marked(&head[line + 1..]));
    }
    let split = head.starts_with(DESCRIPTOR) || head.starts_with(SPANNED);
    marked(if split { &head[4..] } else { head })
}

/// What stands before a member.
#[derive(Debug, Clone, Copy)]
struct Header {
    flags: u16,
    method: u16,
    crc: u32,
    packed: u64,
    size: u64,
    name: usize,
    extra: usize,
}

impl Header {
    fn read(head: &[u8]) -> Option<Self> {
        let head = head.first_chunk::<HEADER>()?;
        let header = Self {
            flags: u16_at(head, 6),
            method: u16_at(head, 8),
            crc: u32_at(head, 14),
            packed: u64::from(u32_at(head, 18)),
            size: u64::from(u32_at(head, 22)),
            name: usize::from(u16_at(head, 26)),
            extra: usize::from(u16_at(head, 28)),
        };
        // Versions go to 6.3 and methods to 99; what lies beyond is not a header but happens to look like the mark of one.
        (head.starts_with(MEMBER) && head[4] < 100 && header.method < 100 && header.name > 0).then_some(header)
    }

    /// Sizes of 64 bits stand in the extra field with the id 1.
    fn widen(&mut self, mut extra: &[u8]) {
        while extra.len() >= 4 {
            let (id, length) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
            let Some(mut field) = extra.get(4..4 + length) else { return };
            extra = &extra[4 + length..];
            if id != 1 {
                continue;
            }
            for size in [&mut self.size, &mut self.packed] {
                if *size == IN_EXTRA && field.len() >= 8 {
                    *size = u64_at(field, 0);
                    field = &field[8..];
                }
            }
        }
    }

    fn encrypted(self) -> bool {
        self.flags & 1 != 0
    }

    /// Checksum and sizes stand behind the member.
    fn described(self) -> bool {
        self.flags & 8 != 0
    }

    /// Only what is in it tells where it ends.
    fn open_ended(self) -> bool {
        self.described() && self.packed == 0
    }

    /// How it is compressed; `Err` names what can't be unpacked.
    fn codec(self) -> Result<Option<Codec>, String> {
        let name = match self.method {
            0 => return Ok(None),
            8 => return Ok(Some(Codec::Deflate)),
            12 => return Ok(Some(Codec::Bzip2)),
            93 => return Ok(Some(Codec::Zstd)),
            95 => return Ok(Some(Codec::Xz)),
            1 => "shrink",
            2..=5 => "reduce",
            6 => "implode",
            9 => "deflate64",
            14 => "LZMA",
            98 => "PPMd",
            other => return Err(format!("compressed with method {other}, which is not unpacked")),
        };
        Err(format!("compressed with {name}, which is not unpacked"))
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u16::from_le_bytes(*chunk))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

/// Which record begins here, if any.
fn mark(head: &[u8]) -> Option<&'static [u8; 4]> {
    let mark = [MEMBER, LISTED, END, END64, LOCATOR64, SPANNED].into_iter().find(|mark| head.starts_with(*mark))?;
    // Four bytes alone may be chance.
    let meant = match mark {
        MEMBER => Header::read(head).is_some(),
        LISTED => head.get(6).is_some_and(|version| *version < 100) && u16_at(head, 10) < 100,
        _ => true,
    };
    meant.then_some(mark)
}

/// Reads the archive from `input`, the reader at `level`; `origin` has the layer.
pub(super) fn read(unpacker: &mut Unpacker<'_>, input: &mut Input<'_>, origin: &Arc<Origin>, level: usize) {
    let (mut found, mut listed, mut ended) = (0u64, 0u64, false);
    loop {
        let head = input.head(LISTED_HEADER);
        if head.is_empty() {
            break;
        }
        let length = match mark(head) {
            Some(MEMBER) => {
                found += 1;
                ended = false;
                if !member(unpacker, input, origin, level) {
                    return;
                }
                continue;
            }
            Some(LISTED) => {
                listed += 1;
                [28, 30, 32].map(|at| u64::from(u16_at(head, at))).iter().sum::<u64>() + LISTED_HEADER as u64
            }
            Some(END64) => u64_at(head, 4).saturating_add(12),
            Some(LOCATOR64) => 20,
            Some(END) => {
                ended = true;
                22 + u64::from(u16_at(head, 20))
            }
            Some(_) => 4,
            None => {
                // Padding, a signature block, or what is left of a member that could not be read.
                let at = input.offset();
                unpacker.scan_from(&mut Gap(input), at, origin);
                if unpacker.state.halted() {
                    return;
                }
                continue;
            }
        };
        if input.skip(length) < length {
            ended = false;
            break;
        }
    }
    if unpacker.state.failed() {
        return;
    }
    if !ended {
        unpacker.note(origin, Status::Truncated, "the zip archive ends before its directory does".to_owned());
    } else if found < listed {
        let reason = format!("the zip archive's directory lists {listed} members, {found} came");
        unpacker.note(origin, Status::Truncated, reason);
    }
}

/// Reads the member whose header comes next; `false` where the archive can't be read on.
fn member(unpacker: &mut Unpacker<'_>, input: &mut Input<'_>, archive: &Arc<Origin>, level: usize) -> bool {
    let Some(mut header) = Header::read(input.head(HEADER)) else { return false };
    input.skip(HEADER as u64);
    let (mut name, mut extra) = (vec![0; header.name], vec![0; header.extra]);
    if !input.take_exact(&mut name) || !input.take_exact(&mut extra) {
        return !unpacker.state.halted();
    }
    header.widen(&extra);
    if header.packed == 0 && !header.described() {
        return true; // a folder or an empty file
    }
    let Some(origin) = unpacker.begin_member(archive, &name) else { return false };
    match header.codec() {
        _ if header.encrypted() => unpacker.note(&origin, Status::Skipped, "encrypted".to_owned()),
        Err(reason) => unpacker.note(&origin, Status::Unparsed, reason),
        Ok(codec) => {
            let mut member = Member { unpacker, origin: &origin, level: level + 1, window: window(archive.layers) };
            member.read(header, codec, input);
            return !unpacker.state.halted();
        }
    }
    // Where that is not known, the next header is looked for.
    if !header.open_ended() {
        input.skip(header.packed);
    }
    !unpacker.state.halted()
}

/// One member.
struct Member<'u, 's> {
    unpacker: &'u mut Unpacker<'s>,
    origin: &'u Arc<Origin>,
    /// Of the reader that gives its bytes.
    level: usize,
    window: u64,
}

impl Member<'_, '_> {
    fn read(&mut self, header: Header, codec: Option<Codec>, input: &mut Input<'_>) {
        let start = input.offset();
        let mut packed = Exactly { input: &mut *input, left: header.packed };
        let sums = match (codec, header.open_ended()) {
            (None, false) => self.scan(&mut packed, false),
            (Some(codec), false) => {
                let mut bytes = Input::new(&mut packed);
                self.scan(&mut Compressed::new(codec, &mut bytes, self.window), true)
            }
            (None, true) => self.scan(&mut Stored { input, crc: crc32fast::Hasher::new(), given: 0 }, false),
            (Some(codec), true) => self.scan(&mut Compressed::new(codec, input, self.window), true),
        };
        if !header.open_ended() {
            let read = input.offset() - start;
            input.skip(header.packed.saturating_sub(read));
        }
        let Some((crc, size)) = sums else { return };
        let packed = input.offset() - start;
        let described = header.described() && skip_descriptor(input, crc, packed, size);
        if !described && (header.open_ended() || crc != header.crc) {
            let reason = "checksum or length are not those that the zip archive states".to_owned();
            self.unpacker.note(self.origin, Status::Examined, reason);
        }
    }

    /// Scans what `reader` gives; its checksum and length, where it could be read to its end.
    fn scan(&mut self, reader: &mut dyn Read, unpacks: bool) -> Option<(u32, u64)> {
        let state = self.unpacker.state;
        let summed = Summed { reader, crc: crc32fast::Hasher::new() };
        let mut summed = Gauge::new(summed, state, self.level, unpacks);
        self.unpacker.open(&mut Input::new(&mut summed), self.origin, self.level);
        // What was inside may have ended before the member did.
        summed.drain();
        let whole = !state.failed();
        self.unpacker.settle(self.origin, self.level);
        whole.then(|| (summed.inner.crc.clone().finalize(), summed.given()))
    }
}

/// Whether a descriptor that says this follows, which is then passed over. It has a mark or not, and sizes of 32 or of
/// 64 bits; what comes after it tells them apart where the numbers don't.
fn skip_descriptor(input: &mut Input<'_>, crc: u32, packed: u64, size: u64) -> bool {
    let head = input.head(24 + LISTED_HEADER);
    let marked = if head.starts_with(DESCRIPTOR) { 4 } else { 0 };
    let Some(body) = head.get(marked..).filter(|body| body.len() >= 12 && u32_at(body, 0) == crc) else { return false };
    let narrow = u32_at(body, 4) == packed as u32 && u32_at(body, 8) == size as u32;
    let wide = body.len() >= 20 && u64_at(body, 4) == packed && u64_at(body, 12) == size;
    let length = match (narrow, wide) {
        (false, false) => return false,
        (true, true) if mark(&body[12..]).is_some() => 12,
        (_, true) => 20,
        (true, false) => 12,
    };
    input.skip((marked + length) as u64);
    true
}

/// Sums up what it passes on.
struct Summed<'a> {
    reader: &'a mut dyn Read,
    crc: crc32fast::Hasher,
}

impl Read for Summed<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(into)?;
        self.crc.update(&into[..read]);
        Ok(read)
    }
}

/// A member that is not compressed and says only behind itself how long it is: it ends where a descriptor stands that is
/// right about it.
struct Stored<'a, 'b> {
    input: &'a mut Input<'b>,
    crc: crc32fast::Hasher,
    given: u64,
}

impl Read for Stored<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let head = self.input.head(24);
        if head.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive ends within it"));
        }
        if head.starts_with(DESCRIPTOR)
            && u32_at(head, 4) == self.crc.clone().finalize()
            && (u32_at(head, 8) == self.given as u32 || u64_at(head, 8) == self.given)
        {
            return Ok(0);
        }
        let most = up_to_mark(head).min(into.len());
        into[..most].copy_from_slice(&head[..most]);
        self.input.consume(most);
        self.crc.update(&into[..most]);
        self.given += most as u64;
        Ok(most)
    }
}

/// Bytes that belong to no record, up to the next one.
struct Gap<'a, 'b>(&'a mut Input<'b>);

impl Read for Gap<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let head = self.0.head(LISTED_HEADER);
        if mark(head).is_some() {
            return Ok(0);
        }
        let most = up_to_mark(head).min(into.len());
        into[..most].copy_from_slice(&head[..most]);
        self.0.consume(most);
        Ok(most)
    }
}

/// How many bytes come before the next that could begin a mark, the first one not counted.
fn up_to_mark(head: &[u8]) -> usize {
    let rest = head.get(1..).unwrap_or_default();
    memchr::memchr(b'P', rest).map_or(head.len(), |at| at + 1)
}
