//! Gzip and zlib inside text, within bounds.

use std::io::Read;

use flate2::read::{MultiGzDecoder, ZlibDecoder};

use crate::origin::Layer;

/// The most bytes that come out of one piece.
const MOST: u64 = 32 * 1024 * 1024;

/// What came out of a compressed piece.
#[derive(Debug)]
pub struct Inflated {
    /// How it was compressed.
    pub layer: Layer,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// It was damaged or would have been longer than is read.
    pub cut: bool,
}

/// Undoes gzip (RFC 1952) or zlib (RFC 1950), if the bytes begin like one; at most `budget` bytes come out.
pub fn inflate(bytes: &[u8], budget: u64) -> Option<Inflated> {
    let limit = MOST.min(budget);
    let (layer, mut reader): (Layer, Box<dyn Read + '_>) = match bytes {
        [0x1f, 0x8b, 8, ..] => (Layer::Gzip, Box::new(MultiGzDecoder::new(bytes))),
        // 32 KiB window, no dictionary, a header checksum that fits.
        [0x78, flags, ..] if flags & 0x20 == 0 && (0x7800 + u16::from(*flags)).is_multiple_of(31) => {
            (Layer::Deflate, Box::new(ZlibDecoder::new(bytes)))
        }
        _ => return None,
    };
    let mut out = Vec::new();
    let result = reader.by_ref().take(limit).read_to_end(&mut out);
    let cut = result.is_err() || out.len() as u64 == limit;
    (!out.is_empty()).then_some(Inflated { layer, bytes: out, cut })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).and_then(|()| encoder.finish()).expect("memory takes it")
    }

    #[test]
    fn both_forms_come_back_and_bombs_are_cut() {
        let plain = b"something to say, something to say".repeat(9);
        let out = inflate(&gzip(&plain), 1 << 20).expect("gzip");
        assert_eq!((out.layer, out.bytes, out.cut), (Layer::Gzip, plain.clone(), false));
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(&plain).expect("memory takes it");
        let out = inflate(&zlib.finish().expect("memory takes it"), 1 << 20).expect("zlib");
        assert_eq!((out.layer, out.bytes, out.cut), (Layer::Deflate, plain.clone(), false));
        let two = [gzip(&plain), gzip(&plain)].concat();
        assert_eq!(inflate(&two, 1 << 20).expect("two members").bytes.len(), 2 * plain.len());
        let bomb = gzip(&vec![0; 1 << 20]);
        let out = inflate(&bomb, 1000).expect("a beginning");
        assert_eq!((out.bytes.len(), out.cut), (1000, true));
        assert!(inflate(b"plain text", 1000).is_none());
    }

    proptest! {
        #[test]
        fn damage_is_no_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), zlib in any::<bool>()) {
            let head: &[u8] = if zlib { &[0x78, 0x9c] } else { &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3] };
            bytes.splice(0..0, head.iter().copied());
            if let Some(out) = inflate(&bytes, 4096) {
                prop_assert!(out.bytes.len() <= 4096);
            }
        }
    }
}
