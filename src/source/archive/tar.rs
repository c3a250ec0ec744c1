//! Tape archives as POSIX (the pax utility), GNU tar and version 7 of Unix write them, read as they come.
//!
//! Blocks that are no header, and don't belong to a member, are scanned as they lie until the next header comes: what
//! is damaged in the middle costs nothing of what follows.

use std::io::{self, Read};
use std::sync::Arc;

use super::bounds::Gauge;
use super::input::{Exactly, Input};
use super::{HEAD, Unpacker};
use crate::finding::Status;
use crate::origin::Origin;

/// Everything is padded to this.
const BLOCK: usize = 512;
/// Long names and pax records beyond this are passed over.
const MAX_EXTRA: u64 = 1024 * 1024;

/// A header with the mark of ustar (or GNU), or with none (Unix version 7), and a checksum that is right.
pub(super) fn begins(head: &[u8]) -> bool {
    Header::read(head).is_some()
}

/// One header block.
struct Header<'a>(&'a [u8; BLOCK]);

impl<'a> Header<'a> {
    fn read(head: &'a [u8]) -> Option<Self> {
        let block = head.first_chunk::<BLOCK>()?;
        let unmarked = block[257..265] == [0; 8] && block[0] != 0;
        if block[257..262] != *b"ustar" && !unmarked {
            return None;
        }
        // The sum is taken with blanks in its own place; some writers sum signed bytes.
        let own = 148..156;
        let sum = number(&block[own.clone()])?;
        let others = block.iter().enumerate().filter(|(at, _)| !own.contains(at)).map(|(_, byte)| *byte);
        let (mut unsigned, mut signed) = (8 * 32u64, 8 * 32i64);
        for byte in others {
            unsigned += u64::from(byte);
            signed += i64::from(byte as i8);
        }
        (sum == unsigned || i64::try_from(sum) == Ok(signed)).then_some(Self(block))
    }

    fn kind(&self) -> u8 {
        self.0[156]
    }

    fn size(&self) -> Option<u64> {
        number(&self.0[124..136])
    }

    fn name(&self) -> Vec<u8> {
        let name = text(&self.0[..100]);
        // GNU's own headers have other things in the prefix's place.
        let prefix = if self.0[257..263] == *b"ustar\0" { text(&self.0[345..500]) } else { &[] };
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    /// Whether GNU's map of a sparse file goes on in blocks of its own.
    fn map_goes_on(&self) -> bool {
        self.kind() == b'S' && self.0[482] != 0
    }
}

/// Up to the first zero byte.
fn text(field: &[u8]) -> &[u8] {
    &field[..field.iter().position(|byte| *byte == 0).unwrap_or(field.len())]
}

/// Octal digits, or with the highest bit set a big-endian number.
fn number(field: &[u8]) -> Option<u64> {
    if field.first()? & 0x80 != 0 {
        let mut value = u64::from(field[0] & 0x7f);
        for byte in &field[1..] {
            value = value.checked_mul(256)?.checked_add(u64::from(*byte))?;
        }
        return Some(value);
    }
    let digits = text(field).trim_ascii();
    let mut value = 0u64;
    for digit in digits {
        value = value.checked_mul(8)?.checked_add(u64::from(digit.checked_sub(b'0').filter(|d| *d < 8)?))?;
    }
    Some(value)
}

/// What headers before a member say about it.
#[derive(Default)]
struct Extra {
    name: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Extra {
    /// Pax records: `length keyword=value\n`, where the length counts all of it.
    fn pax(&mut self, mut records: &[u8]) {
        while let Some(blank) = records.iter().take(20).position(|byte| *byte == b' ') {
            let length = std::str::from_utf8(&records[..blank]).ok().and_then(|digits| digits.parse::<usize>().ok());
            let Some(length) = length.filter(|length| *length > blank + 1 && *length <= records.len()) else { return };
            let (record, rest) = records.split_at(length);
            records = rest;
            let record = &record[blank + 1..length - 1];
            let Some(equals) = record.iter().position(|byte| *byte == b'=') else { return };
            let value = &record[equals + 1..];
            match &record[..equals] {
                b"path" if self.name.is_none() => self.name = Some(value.to_vec()),
                b"GNU.sparse.name" => self.name = Some(value.to_vec()),
                b"size" => self.size = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok()),
                _ => {}
            }
        }
    }
}

/// Reads the archive from `input`, the reader at `level`; `origin` has the layer.
pub(super) fn read(unpacker: &mut Unpacker<'_>, input: &mut Input<'_>, origin: &Arc<Origin>, level: usize) {
    let mut extra = Extra::default();
    loop {
        let head = input.head(BLOCK);
        if head.is_empty() {
            return;
        }
        let Some(header) = Header::read(head) else {
            // Two blocks of zeros end an archive. Another may follow.
            if pass_blank(input) {
                continue;
            }
            let at = input.offset();
            if !unpacker.state.failed() {
                let reason = format!("no tar header at byte {at}; scanned as it lies up to the next one");
                unpacker.note(origin, Status::Unparsed, reason);
            }
            unpacker.scan_from(&mut Gap { input, left: 0 }, at, origin);
            if unpacker.state.halted() {
                return;
            }
            continue;
        };
        let (kind, map_goes_on) = (header.kind(), header.map_goes_on());
        let (name, size) = (header.name(), header.size());
        input.skip(BLOCK as u64);
        let describes_next = matches!(kind, b'x' | b'g' | b'L' | b'K' | b'X');
        let size = match (extra.size, size) {
            // Links, devices and folders have no bytes, whatever is said.
            _ if matches!(kind, b'1'..=b'6') => 0,
            // A pax size is that of the member, not of further headers before it.
            (Some(size), _) if !describes_next => size,
            (_, Some(size)) => size,
            (_, None) => 0,
        };
        if describes_next && size > MAX_EXTRA {
            let at = input.offset();
            unpacker.note(origin, Status::Unparsed, format!("a tar header of {size} bytes; scanned as it lies"));
            unpacker.scan_from(&mut Exactly { input, left: size }, at, origin);
            if unpacker.state.halted() {
                return;
            }
            input.skip(padding(size));
            continue;
        }
        if describes_next {
            if !describe(&mut extra, input, kind, size) {
                if !unpacker.state.failed() {
                    unpacker.note(origin, Status::Truncated, "the tar archive ends within a header".to_owned());
                }
                return;
            }
            continue;
        }
        let name = std::mem::take(&mut extra).name.unwrap_or(name);
        let mut goes_on = map_goes_on;
        let mut map = [0; BLOCK];
        while goes_on && input.take_exact(&mut map) {
            goes_on = map[504] != 0;
        }
        if size > 0 {
            let Some(member) = unpacker.begin_member(origin, &name) else { return };
            let mut data = Gauge::new(Exactly { input, left: size }, unpacker.state, level + 1, false);
            unpacker.open(&mut Input::new(&mut data), &member, level + 1);
            if !unpacker.settle(&member, level + 1) {
                return;
            }
            // What was inside may have ended before the member did.
            data.drain();
            if !unpacker.settle(&member, level + 1) {
                return;
            }
        }
        input.skip(padding(size));
    }
}

/// How many bytes fill up the last block of a member of that size.
fn padding(size: u64) -> u64 {
    (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64
}

/// Reads a header that describes the member after it; `false` where the archive ends within.
fn describe(extra: &mut Extra, input: &mut Input<'_>, kind: u8, size: u64) -> bool {
    let mut bytes = vec![0; size as usize];
    if !input.take_exact(&mut bytes) {
        return false;
    }
    match kind {
        b'L' => extra.name = Some(text(&bytes).to_vec()),
        b'x' | b'X' => extra.pax(&bytes),
        _ => {} // of the link's target, or of all members
    }
    input.skip(padding(size)) == padding(size)
}

/// Passes over blocks of zeros up to the next header or the end; `false` where something else stands before those.
fn pass_blank(input: &mut Input<'_>) -> bool {
    loop {
        let head = input.head(HEAD);
        let block = &head[..head.len().min(BLOCK)];
        if block.iter().any(|byte| *byte != 0) {
            return begins(head);
        }
        if block.is_empty() {
            return true;
        }
        let length = block.len() as u64;
        input.skip(length);
    }
}

/// Blocks up to the next header.
struct Gap<'a, 'b> {
    input: &'a mut Input<'b>,
    /// How much of a block is left.
    left: usize,
}

impl Read for Gap<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            let head = self.input.head(HEAD);
            if begins(head) {
                return Ok(0);
            }
            self.left = head.len().min(BLOCK);
        }
        let most = self.left.min(into.len());
        let read = self.input.read(&mut into[..most])?;
        self.left -= read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_binary() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"  644 \0\0"), Some(0o644));
        assert_eq!(number(b"\0\0\0\0"), Some(0));
        assert_eq!(number(b"00000008"), None);
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0]), Some(3 << 32));
        assert_eq!(number(&[0xff; 12]), None);
    }

    #[test]
    fn pax_records_are_read_by_their_length() {
        let mut extra = Extra::default();
        extra.pax(b"15 path=a\nb/cd\n12 size=100\n");
        assert_eq!((extra.name.as_deref(), extra.size), (Some(&b"a\nb/cd"[..]), Some(100)));
        for bad in [&b"99 path=a\n"[..], b"0 path=a\n", b"path=a\n", b"3 \n", b"99999999999999999999 a=b\n", b""] {
            let mut extra = Extra::default();
            extra.pax(bad);
            assert_eq!((extra.name, extra.size), (None, None), "{bad:?}");
        }
    }
}
