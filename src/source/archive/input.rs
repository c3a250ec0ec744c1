//! A reader that can be looked ahead into: formats are told by their first bytes, and what follows a stream of unknown
//! length begins where that stream says it ends.

use std::io::{self, BufRead, Read};

/// How much is read at a time.
const CAPACITY: usize = 32 * 1024;

/// Bytes that come, with those that have come already at hand.
pub(super) struct Input<'a> {
    reader: &'a mut dyn Read,
    buffer: Vec<u8>,
    at: usize,
    filled: usize,
    /// Offset of what comes next.
    offset: u64,
    ended: bool,
    /// What reading gave while bytes were still to be handed out.
    error: Option<io::Error>,
}

impl<'a> Input<'a> {
    pub(super) fn new(reader: &'a mut dyn Read) -> Self {
        Self { reader, buffer: Vec::new(), at: 0, filled: 0, offset: 0, ended: false, error: None }
    }

    /// Offset of the next byte from where this reader began.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next bytes without taking them: `want` (at most [`CAPACITY`]) or more, fewer only where no more can be read.
    pub(super) fn head(&mut self, want: usize) -> &[u8] {
        if self.buffer.is_empty() {
            self.buffer.resize(CAPACITY, 0);
        }
        if self.at + want > self.buffer.len() {
            self.buffer.copy_within(self.at..self.filled, 0);
            self.filled -= self.at;
            self.at = 0;
        }
        if self.filled - self.at >= want {
            return &self.buffer[self.at..self.filled];
        }
        // As much as there is room for: what is read must not depend on the pieces that a pipe gives.
        while self.filled < self.buffer.len() && !self.ended && self.error.is_none() {
            match self.reader.read(&mut self.buffer[self.filled..]) {
                Ok(0) => self.ended = true,
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.error = Some(error),
            }
        }
        &self.buffer[self.at..self.filled]
    }

    /// Takes exactly as many bytes as `into` is long; `false` where they don't come.
    pub(super) fn take_exact(&mut self, into: &mut [u8]) -> bool {
        self.read_exact(into).is_ok()
    }

    /// Passes over that many bytes; gives how many came.
    pub(super) fn skip(&mut self, count: u64) -> u64 {
        let mut left = count;
        while left > 0 {
            let here = match self.fill_buf() {
                Ok([]) | Err(_) => break,
                Ok(bytes) => (bytes.len() as u64).min(left) as usize,
            };
            self.consume(here);
            left -= here as u64;
        }
        count - left
    }
}

impl BufRead for Input<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.filled {
            self.head(1);
            if self.at == self.filled
                && let Some(error) = self.error.take()
            {
                self.ended = true;
                return Err(error);
            }
        }
        Ok(&self.buffer[self.at..self.filled])
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
        self.offset += count as u64;
        if self.at == self.filled {
            (self.at, self.filled) = (0, 0);
        }
    }
}

impl Read for Input<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // Large reads need no stop on the way.
        if self.at == self.filled && into.len() >= CAPACITY && !self.ended && self.error.is_none() {
            let read = self.reader.read(into)?;
            self.ended = read == 0;
            self.offset += read as u64;
            return Ok(read);
        }
        let bytes = self.fill_buf()?;
        let count = bytes.len().min(into.len());
        into[..count].copy_from_slice(&bytes[..count]);
        self.consume(count);
        Ok(count)
    }
}

/// The next so many bytes of an input; that they come to an end earlier is an error.
pub(super) struct Exactly<'a, 'b> {
    pub(super) input: &'a mut Input<'b>,
    pub(super) left: u64,
}

impl Read for Exactly<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = self.left.min(into.len() as u64) as usize;
        if most == 0 {
            return Ok(0);
        }
        let read = self.input.read(&mut into[..most])?;
        if read == 0 {
            // Said once.
            self.left = 0;
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive ends within it"));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_ahead_without_taking() {
        let bytes: Vec<u8> = (0..100_000u32).map(|n| (n % 251) as u8).collect();
        let mut reader = &bytes[..];
        let mut input = Input::new(&mut reader);
        let mut seen = Vec::new();
        for step in (1..700).cycle().step_by(7) {
            let head = input.head(512);
            assert_eq!(head[..512.min(head.len())], bytes[seen.len()..][..512.min(bytes.len() - seen.len())]);
            let mut piece = vec![0; step];
            let read = input.read(&mut piece).expect("memory can be read");
            seen.extend_from_slice(&piece[..read]);
            assert_eq!(input.offset(), seen.len() as u64);
            if read == 0 {
                break;
            }
        }
        assert_eq!(seen, bytes);
    }

    #[test]
    fn a_short_member_is_an_error() {
        let mut reader = &b"abcdef"[..];
        let mut input = Input::new(&mut reader);
        let mut text = Vec::new();
        Exactly { input: &mut input, left: 4 }.read_to_end(&mut text).expect("they are there");
        assert_eq!(text, b"abcd");
        assert!(Exactly { input: &mut input, left: 3 }.read_to_end(&mut text).is_err());
        assert_eq!(text, b"abcdef");
    }
}
