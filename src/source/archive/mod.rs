//! Archives and compressed files: told by their first bytes, unpacked as they are read, one in the other, within bounds.
//! Nothing is written anywhere, nothing is read twice, and no member is kept in memory: one reader stands in the other
//! and the innermost is scanned.
//!
//! Whatever can't be read gives a coverage row; what was read before stays.

mod bounds;
mod compressed;
mod input;
mod tar;
mod zip;

use std::io::{self, Read};
use std::sync::Arc;

use self::bounds::{Gauge, State, WINDOW};
use self::compressed::{Codec, Compressed};
use self::input::Input;
use super::stream::Part;
use crate::finding::Status;
use crate::origin::{Layer, Layers, Origin};

/// How many bytes [`recognise`] looks at.
pub const HEAD: usize = 512;
/// Coverage rows of one file; further ones are counted.
const ROWS: u64 = 50;
/// The longest name of a member that is kept, in bytes.
const MAX_NAME: usize = 4 * 1024;

/// What kind of archive bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One that is unpacked.
    Open(Container),
    /// One that is known and can't be unpacked: its name.
    Closed(&'static str),
}

/// Archives and compressed files that are unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// Bzip2, one stream or several.
    Bzip2,
    /// Gzip, one member or several (RFC 1952).
    Gzip,
    /// Tape archive: ustar, GNU, pax.
    Tar,
    /// XZ, one stream or several.
    Xz,
    /// Zip, and what is one by another name: jar, whl, docx, apk, nupkg.
    Zip,
    /// Zstandard, one frame or several (RFC 8878).
    Zstd,
}

impl Container {
    const fn layer(self) -> Layer {
        match self {
            Self::Bzip2 => Layer::Bzip2,
            Self::Gzip => Layer::Gzip,
            Self::Tar => Layer::Tar,
            Self::Xz => Layer::Xz,
            Self::Zip => Layer::Zip,
            Self::Zstd => Layer::Zstd,
        }
    }
}

/// First bytes of what holds compressed bytes that are not unpacked.
const CLOSED: &[(&[u8], &str)] = &[
    (b"7z\xbc\xaf\x27\x1c", "7z archive"),
    (b"Rar!\x1a\x07", "RAR archive"),
    (b"\x04\x22\x4d\x18", "LZ4 file"),
    (b"LZIP\x01", "lzip file"),
    (b"\x1f\x9d", "compress (.Z) file"),
    (b"MSCF\0\0\0\0", "cabinet archive"),
    (b"\xed\xab\xee\xdb", "RPM package"),
    (b"!<arch>\ndebian-binary", "Debian package"),
    (b"hsqs", "squashfs image"),
    (b"\xff\x06\0\0sNaPpY", "Snappy file"),
];

/// Tells an archive by its first [`HEAD`] bytes (or by all there are).
pub fn recognise(head: &[u8]) -> Option<Format> {
    let open = match head.first()? {
        0x1f if Codec::Gzip.begins(head) => Container::Gzip,
        b'B' if Codec::Bzip2.begins(head) => Container::Bzip2,
        0xfd if Codec::Xz.begins(head) => Container::Xz,
        0x28 | 0x50..=0x5f if Codec::Zstd.begins(head) => Container::Zstd,
        b'P' | b'#' if zip::begins(head) => Container::Zip,
        _ if tar::begins(head) => Container::Tar,
        _ => {
            let (_, name) = CLOSED.iter().find(|(magic, _)| head.starts_with(magic))?;
            return Some(Format::Closed(name));
        }
    };
    Some(Format::Open(open))
}

/// Takes what a file holds.
pub trait Contents {
    /// Scans bytes that are no archive, to their end. `part` says where they begin.
    fn scan(&mut self, origin: &Arc<Origin>, part: Part, reader: &mut dyn Read);
    /// Something is not (wholly) examined.
    fn note(&mut self, origin: &Origin, status: Status, reason: String);
}

/// Unpacks what `reader` gives from its start and hands out what is in it. Stops where `stop` says so. Gives whether
/// anything was examined, or there was nothing to examine.
pub fn unpack(
    reader: &mut dyn Read,
    origin: &Arc<Origin>,
    contents: &mut dyn Contents,
    stop: &dyn Fn() -> bool,
) -> bool {
    let state = State::new(stop);
    let mut unpacker = Unpacker { state: &state, contents, members: 0, rows: 0, examined: false };
    let mut file = Gauge::new(reader, &state, 0, false);
    unpacker.open(&mut Input::new(&mut file), origin, 0);
    unpacker.settle(origin, 0);
    unpacker.finish(origin)
}

/// The way down through the archives of one file.
struct Unpacker<'a> {
    state: &'a State<'a>,
    contents: &'a mut dyn Contents,
    members: u64,
    rows: u64,
    examined: bool,
}

impl<'a> Unpacker<'a> {
    /// Unpacks or scans what comes from `input`, the reader at `level`.
    fn open(&mut self, input: &mut Input<'_>, origin: &Arc<Origin>, level: usize) {
        let container = match recognise(input.head(HEAD)) {
            None => return self.scan(input, origin),
            Some(Format::Closed(what)) => {
                self.note(origin, Status::Unparsed, format!("{what}: not unpacked, scanned as it lies"));
                return self.scan(input, origin);
            }
            Some(Format::Open(container)) => container,
        };
        let Some(layers) = origin.layers.and(container.layer()) else {
            let reason = format!("archives in archives, deeper than {}: scanned as it lies", Layers::MOST);
            self.note(origin, Status::Unparsed, reason);
            return self.scan(input, origin);
        };
        let inner = Arc::new(Origin { layers, ..(**origin).clone() });
        let codec = match container {
            Container::Tar => return tar::read(self, input, &inner, level),
            Container::Zip => return zip::read(self, input, &inner, level),
            Container::Bzip2 => Codec::Bzip2,
            Container::Gzip => Codec::Gzip,
            Container::Xz => Codec::Xz,
            Container::Zstd => Codec::Zstd,
        };
        let compressed = Compressed::new(codec, input, window(origin.layers));
        let mut unpacked = Gauge::new(compressed, self.state, level + 1, true);
        self.open(&mut Input::new(&mut unpacked), &inner, level + 1);
        if self.settle(&inner, level + 1)
            && !self.state.failed()
            && let Some(rest) = unpacked.inner.into_rest()
            && !rest.head(1).is_empty()
        {
            let reason = "compressed data, then something else: that was scanned as it lies".to_owned();
            self.note(origin, Status::Examined, reason);
            self.scan_rest(rest, origin);
        }
    }

    /// Scans what is no archive.
    fn scan(&mut self, input: &mut Input<'_>, origin: &Arc<Origin>) {
        self.examined = true;
        self.contents.scan(origin, Part::WHOLE, input);
    }

    /// Scans what follows in the middle of something, as it lies.
    fn scan_rest(&mut self, input: &mut Input<'_>, origin: &Arc<Origin>) {
        let at = input.offset();
        self.scan_from(input, at, origin);
    }

    /// Scans bytes that begin at `at` within their origin.
    fn scan_from(&mut self, reader: &mut dyn Read, at: u64, origin: &Arc<Origin>) {
        self.examined = true;
        let part = Part { start: at, end: None, counted: false };
        // What stands before is nothing that could be read on from.
        let mut reader = io::repeat(0).take(part.lead()).chain(reader);
        self.contents.scan(origin, part, &mut reader);
    }

    /// Counts a member; `None` where there are too many.
    fn begin_member(&mut self, archive: &Origin, name: &[u8]) -> Option<Arc<Origin>> {
        self.members += 1;
        if self.members > bounds::MEMBERS {
            let reason = format!("holds more than {} members; the rest was not examined", bounds::MEMBERS);
            self.state.halt(Some(reason));
            return None;
        }
        let name = String::from_utf8_lossy(&name[..name.len().min(MAX_NAME)]);
        let name = name.strip_prefix("./").unwrap_or(&name);
        let member = match &archive.member {
            Some(outer) => format!("{outer}!/{name}"),
            None => name.to_owned(),
        };
        Some(Arc::new(Origin { member: Some(member.into()), ..archive.clone() }))
    }

    /// Says what went wrong at this level, if anything did. Gives whether what is outside of it can be read on.
    fn settle(&mut self, origin: &Origin, level: usize) -> bool {
        if let Some((status, reason)) = self.state.take_fault(level).and_then(|f| Some((f.status, f.reason?))) {
            self.note(origin, status, reason);
        }
        !self.state.halted()
    }

    fn note(&mut self, origin: &Origin, status: Status, reason: String) {
        // What is missing once the scan was stopped is the stop's doing.
        if self.state.stopped() {
            return;
        }
        self.rows += 1;
        if self.rows <= ROWS {
            self.contents.note(origin, status, reason);
        }
    }

    fn finish(self, origin: &Origin) -> bool {
        if let Some(more) = self.rows.checked_sub(ROWS).filter(|more| *more > 0) {
            let reason = format!("{more} more places in it were not (wholly) examined");
            self.contents.note(origin, Status::Truncated, reason);
        }
        self.examined || self.rows == 0
    }
}

/// How much a decompressor inside of these layers may keep to look back at.
fn window(outside: Layers) -> u64 {
    let wide = outside.iter().filter(|layer| matches!(layer, Layer::Xz | Layer::Zstd)).count();
    WINDOW >> wide
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_no_archive() {
        for text in [
            &b""[..],
            b"P",
            b"PK is short for public key",
            b"BZh9 is how bzip2 begins",
            b"#!/bin/sh\necho PK\n",
            b"\x1f\x8b",
            b"(\xb5",
            b"7z",
        ] {
            assert_eq!(recognise(text), None, "{text:?}");
        }
        let mut ustar = vec![b'x'; 600];
        ustar[257..262].copy_from_slice(b"ustar");
        assert_eq!(recognise(&ustar), None, "a tar header has a checksum");
    }

    #[test]
    fn windows_together_stay_below_twice_the_widest() {
        let mut layers = Layers::default();
        let mut sum = 0;
        while let Some(deeper) = layers.and(Layer::Zstd) {
            sum += window(layers);
            layers = deeper;
        }
        assert!(sum < 2 * WINDOW);
    }
}
