//! Any bytes as an archive, or packed a few times, with a byte changed or the end cut off in between: no panic, bounded
//! work, and the same contents however the bytes come in.
//!
//! The first four bytes say what is done to the others, one step each: pack, damage, cut, or nothing.

#![no_main]

#[path = "../../tests/archives/pack.rs"]
mod pack;

use std::io::Read;
use std::sync::Arc;

use keybound::finding::Status;
use keybound::origin::Origin;
use keybound::source::archive::{self, Contents};
use keybound::source::stream::Part;
use libfuzzer_sys::fuzz_target;
use pack::{Descriptor, Member};

/// What an archive gave.
#[derive(Default, PartialEq, Debug)]
struct Taken {
    /// Where, from which byte, how many bytes, and their checksum.
    scanned: Vec<(Origin, u64, u64, u32)>,
    rows: Vec<(Origin, Status, String)>,
}

impl Contents for Taken {
    fn scan(&mut self, origin: &Arc<Origin>, part: Part, reader: &mut dyn Read) {
        let (mut sum, mut length) = (crc32fast::Hasher::new(), 0);
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = reader.read(&mut buffer) {
            sum.update(&buffer[..read]);
            length += read as u64;
        }
        self.scanned.push(((**origin).clone(), part.start, length, sum.finalize()));
    }

    fn note(&mut self, origin: &Origin, status: Status, reason: String) {
        self.rows.push((origin.clone(), status, reason));
    }
}

/// Gives pieces of changing sizes.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.1 = self.1 * 7 % 4093 + 1;
        let (piece, rest) = self.0.split_at(self.1.min(self.0.len()).min(into.len()));
        into[..piece.len()].copy_from_slice(piece);
        self.0 = rest;
        Ok(piece.len())
    }
}

fn unpack(reader: &mut dyn Read) -> Taken {
    let mut taken = Taken::default();
    archive::unpack(reader, &Arc::new(Origin::file("f".into())), &mut taken, &|| false);
    taken
}

fn step(op: u8, mut bytes: Vec<u8>) -> Vec<u8> {
    let at = usize::from(op) * bytes.len() / 256;
    let zip = |method, descriptor| pack::zip_of(&[Member::new("a", method, &bytes).described(descriptor)]);
    match op % 16 {
        0 => pack::gz(&bytes),
        1 => pack::bz2(&bytes),
        2 => pack::xz(&bytes),
        3 => pack::zst(&bytes),
        4 => pack::tar(&[("a", &bytes[..]), ("b", &bytes[..at])]),
        5 => zip(8, Descriptor::None),
        6 => zip(8, Descriptor::Bare),
        7 => zip(0, Descriptor::Marked),
        8 => zip(u16::from(op / 2), Descriptor::Wide),
        9 => [pack::pax(&[("path", "x"), ("size", "9")]), pack::tar_entry(b"n", op, &bytes)].concat(),
        10 => [pack::gz(&bytes), bytes].concat(),
        11 | 12 => {
            bytes.truncate(at);
            bytes
        }
        13 | 14 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= op;
            }
            bytes
        }
        _ => bytes,
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((ops, body)) = bytes.split_first_chunk::<4>() else { return };
    let archive = ops.iter().fold(body.to_vec(), |bytes, op| step(*op, bytes));
    let taken = unpack(&mut &archive[..]);
    let total: u64 = taken.scanned.iter().map(|(_, _, length, _)| length).sum();
    assert!(total < (600 << 20) + 300 * archive.len() as u64, "{total} bytes of {}", archive.len());
    assert!(taken.rows.len() <= 51);
    assert_eq!(unpack(&mut Pieces(&archive, 1)), taken);
});
