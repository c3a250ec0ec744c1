//! Counting line breaks, as fast as the bytes come: a file that is read in parts must know how many there are in each.

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch};

/// How many line feeds there are.
pub(super) fn count(bytes: &[u8]) -> usize {
    let level = Level::new();
    dispatch!(level, simd => count_with(simd, bytes))
}

#[inline(always)]
fn count_with<S: Simd>(simd: S, bytes: &[u8]) -> usize {
    let wanted = S::u8s::splat(simd, b'\n');
    let mut vectors = bytes.chunks_exact(S::u8s::LEN);
    let mut count = 0;
    for vector in &mut vectors {
        count += S::u8s::from_slice(simd, vector).simd_eq(wanted).to_bitmask().count_ones() as usize;
    }
    count + vectors.remainder().iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn counts_at_every_length_and_place() {
        for length in 0..200 {
            let mut bytes = vec![b'x'; length];
            assert_eq!(count(&bytes), 0);
            for at in (0..length).step_by(3) {
                bytes[at] = b'\n';
            }
            assert_eq!(count(&bytes), length.div_ceil(3));
        }
    }
}
