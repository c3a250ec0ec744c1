//! Standard input that lets go when the scan is stopped.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// Standard input, read by a thread of its own: a read that waits for a slow pipe can't be called off otherwise.
pub(super) struct Pipe<'a> {
    pieces: mpsc::Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    at: usize,
    stop: &'a AtomicBool,
}

impl<'a> Pipe<'a> {
    pub(super) fn stdin(stop: &'a AtomicBool) -> Self {
        let (send, pieces) = mpsc::sync_channel(2);
        std::thread::spawn(move || {
            let mut stdin = io::stdin().lock();
            loop {
                let mut piece = vec![0; 256 * 1024];
                let read = stdin.read(&mut piece);
                let over = !matches!(&read, Ok(length) if *length > 0);
                let sent = send.send(read.map(|length| {
                    piece.truncate(length);
                    piece
                }));
                if over || sent.is_err() {
                    return;
                }
            }
        });
        Self { pieces, piece: Vec::new(), at: 0, stop }
    }
}

impl Read for Pipe<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(0);
            }
            match self.pieces.recv_timeout(Duration::from_millis(50)) {
                Ok(piece) => (self.piece, self.at) = (piece?, 0),
                Err(mpsc::RecvTimeoutError::Timeout) => continue,
                Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(0),
            }
            if self.piece.is_empty() {
                return Ok(0);
            }
        }
        let length = buffer.len().min(self.piece.len() - self.at);
        buffer[..length].copy_from_slice(&self.piece[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}
