//! Compressed streams: gzip, bare deflate, bzip2, xz and Zstandard, read as they come, several in a row as one.
//!
//! What a stream gives before it turns out to be damaged or cut off is handed out before the error is.

use std::io::{self, BufRead, Read};

use flate2::FlushDecompress;
use lzma_rust2::XzReader;
use ruzstd::decoding::errors::{FrameDecoderError, FrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::input::Input;

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    Bzip2,
    Deflate,
    Gzip,
    Xz,
    Zstd,
}

impl Codec {
    /// Whether a stream of this kind begins here. A bare deflate stream has no mark.
    pub(super) fn begins(self, head: &[u8]) -> bool {
        match self {
            // RFC 1952, section 2.3: two magic bytes, deflate, and three flags that must be zero.
            Self::Gzip => head.starts_with(&[0x1f, 0x8b, 8]) && head.get(3).is_some_and(|flags| flags & 0xe0 == 0),
            // The block size, then the mark of a block or that of an empty stream's end.
            Self::Bzip2 => {
                head.starts_with(b"BZh")
                    && matches!(head.get(3), Some(b'1'..=b'9'))
                    && head.get(4..10).is_some_and(|mark| mark == b"1AY&SY" || mark == b"\x17\x72\x45\x38\x50\x90")
            }
            // The xz file format, section 2.1.1.1.
            Self::Xz => head.starts_with(b"\xfd7zXZ\0"),
            // RFC 8878, sections 3.1.1 and 3.1.2.
            Self::Zstd => head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) || skippable(head),
            Self::Deflate => false,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Bzip2 => "bzip2",
            Self::Deflate => "deflate",
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "Zstandard",
        }
    }
}

/// A Zstandard frame that holds no content.
fn skippable(head: &[u8]) -> bool {
    matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// Streams of one kind, one after the other.
pub(super) struct Compressed<'a, 'b> {
    codec: Codec,
    window: u64,
    stage: Stage<'a, 'b>,
}

enum Stage<'a, 'b> {
    Within(Stream<'a, 'b>),
    Between(&'a mut Input<'b>),
    /// What follows is something else, or nothing.
    Past(&'a mut Input<'b>),
    Over,
}

impl<'a, 'b> Compressed<'a, 'b> {
    /// A decompressor that keeps at most `window` bytes to look back at.
    pub(super) fn new(codec: Codec, input: &'a mut Input<'b>, window: u64) -> Self {
        let stage = Stage::Within(Stream::new(codec, input, window));
        Self { codec, window, stage }
    }

    /// What follows, where the streams have been read to their end.
    pub(super) fn into_rest(self) -> Option<&'a mut Input<'b>> {
        match self.stage {
            Stage::Past(input) => Some(input),
            _ => None,
        }
    }

    fn next(&self, input: &'a mut Input<'b>) -> Stage<'a, 'b> {
        if self.codec == Codec::Deflate {
            return Stage::Past(input);
        }
        // Tapes, and xz by its format, fill up with zeros.
        while let Ok(bytes @ [0, ..]) = input.fill_buf() {
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            input.consume(zeros);
        }
        if self.codec.begins(input.head(16)) {
            Stage::Within(Stream::new(self.codec, input, self.window))
        } else {
            Stage::Past(input)
        }
    }
}

impl Read for Compressed<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            self.stage = match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Within(mut stream) => match stream.read(into)? {
                    0 => Stage::Between(stream.into_input()),
                    read => {
                        self.stage = Stage::Within(stream);
                        return Ok(read);
                    }
                },
                Stage::Between(input) => self.next(input),
                past => {
                    self.stage = past;
                    return Ok(0);
                }
            };
        }
    }
}

/// One stream.
enum Stream<'a, 'b> {
    Stepwise { codec: Codec, input: &'a mut Input<'b>, steps: Steps, state: Progress },
    Xz(Box<XzReader<&'a mut Input<'b>>>),
    Zstd { input: &'a mut Input<'b>, frame: Box<FrameDecoder>, state: Progress },
}

/// Decompressors that are fed and emptied by hand.
enum Steps {
    Inflate(flate2::Decompress),
    Bunzip(bzip2::Decompress),
}

enum Progress {
    Begin,
    Within,
    Ended,
    Failed(io::Error),
}

/// An xz reader that fails forgets what it has unpacked in the same call: small steps lose little.
const XZ_STEP: usize = 4 * 1024;

impl<'a, 'b> Stream<'a, 'b> {
    fn new(codec: Codec, input: &'a mut Input<'b>, window: u64) -> Self {
        let state = Progress::Begin;
        let steps = match codec {
            Codec::Gzip => Steps::Inflate(flate2::Decompress::new_gzip(15)),
            Codec::Deflate => Steps::Inflate(flate2::Decompress::new(false)),
            Codec::Bzip2 => Steps::Bunzip(bzip2::Decompress::new(false)),
            Codec::Xz => {
                // In KiB; what it needs besides its dictionary is a little more than 100.
                let limit = (window / 1024 + 256) as u32;
                return Self::Xz(Box::new(XzReader::new_mem_limit(input, false, limit)));
            }
            Codec::Zstd => {
                let mut frame = Box::new(FrameDecoder::new());
                frame.set_max_window_size(window);
                return Self::Zstd { input, frame, state };
            }
        };
        Self::Stepwise { codec, input, steps, state }
    }

    fn into_input(self) -> &'a mut Input<'b> {
        match self {
            Self::Stepwise { input, .. } | Self::Zstd { input, .. } => input,
            Self::Xz(reader) => reader.into_inner(),
        }
    }

    /// Gives 0 only at the stream's end, behind which the input then stands.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stepwise { codec, input, steps, state } => steps.read(*codec, input, state, into),
            Self::Xz(reader) => {
                let most = into.len().min(XZ_STEP);
                reader.read(&mut into[..most]).map_err(|error| match error.kind() {
                    io::ErrorKind::Interrupted => error,
                    io::ErrorKind::OutOfMemory => too_wide(Codec::Xz),
                    _ => broken(Codec::Xz, reader.inner_mut()),
                })
            }
            Self::Zstd { input, frame, state } => read_frame(input, frame, state, into),
        }
    }
}

impl Steps {
    fn read(
        &mut self,
        codec: Codec,
        input: &mut Input<'_>,
        state: &mut Progress,
        into: &mut [u8],
    ) -> io::Result<usize> {
        match std::mem::replace(state, Progress::Within) {
            Progress::Failed(error) => return Err(error),
            Progress::Ended => return Ok(0),
            Progress::Begin | Progress::Within => {}
        }
        loop {
            let bytes = input.fill_buf()?;
            let none_left = bytes.is_empty();
            let (taken, given, went) = self.step(bytes, into);
            input.consume(taken);
            match went {
                Went::Ended => *state = Progress::Ended,
                Went::On if given > 0 || taken > 0 => {}
                Went::On if none_left => *state = Progress::Failed(cut_off(codec)),
                Went::On | Went::Wrong => *state = Progress::Failed(damaged(codec)),
            }
            match state {
                _ if given > 0 => return Ok(given),
                Progress::Ended => return Ok(0),
                Progress::Failed(_) => return self.read(codec, input, state, into),
                _ => {}
            }
        }
    }

    /// How many bytes were taken and given, and how that ended.
    fn step(&mut self, bytes: &[u8], into: &mut [u8]) -> (usize, usize, Went) {
        let (before, after, went);
        match self {
            Self::Inflate(state) => {
                before = (state.total_in(), state.total_out());
                went = match state.decompress(bytes, into, FlushDecompress::None) {
                    Ok(flate2::Status::StreamEnd) => Went::Ended,
                    Ok(_) => Went::On,
                    Err(_) => Went::Wrong,
                };
                after = (state.total_in(), state.total_out());
            }
            Self::Bunzip(state) => {
                before = (state.total_in(), state.total_out());
                went = match state.decompress(bytes, into) {
                    Ok(bzip2::Status::StreamEnd) => Went::Ended,
                    Ok(bzip2::Status::MemNeeded) | Err(_) => Went::Wrong,
                    Ok(_) => Went::On,
                };
                after = (state.total_in(), state.total_out());
            }
        }
        ((after.0 - before.0) as usize, (after.1 - before.1) as usize, went)
    }
}

enum Went {
    On,
    Ended,
    Wrong,
}

/// The last block of a frame, empty, and a checksum: what makes the decoder of a frame that is cut off or damaged give
/// out what it still keeps to look back at, up to the whole of its window.
const LAST_BLOCK: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

fn read_frame(
    input: &mut Input<'_>,
    frame: &mut FrameDecoder,
    state: &mut Progress,
    into: &mut [u8],
) -> io::Result<usize> {
    if matches!(state, Progress::Begin) {
        if skippable(input.head(8)) {
            return skip_frame(input, state);
        }
        match frame.init(&mut *input) {
            Ok(()) => *state = Progress::Within,
            Err(
                FrameDecoderError::WindowSizeTooBig { .. }
                | FrameDecoderError::FrameHeaderError(FrameHeaderError::WindowTooBig { .. }),
            ) => return Err(too_wide(Codec::Zstd)),
            Err(FrameDecoderError::DictNotProvided { .. }) => {
                return Err(io::Error::other("Zstandard data that need a dictionary of their own"));
            }
            Err(_) => return Err(broken(Codec::Zstd, input)),
        }
    }
    loop {
        if frame.can_collect() > 0 {
            return frame.read(into);
        }
        match state {
            Progress::Within if frame.is_finished() => {
                if frame.get_checksum_from_data().is_some_and(|sum| frame.get_calculated_checksum() != Some(sum)) {
                    *state = Progress::Failed(damaged(Codec::Zstd));
                } else {
                    *state = Progress::Ended;
                }
            }
            Progress::Within => {
                if frame.decode_blocks(&mut *input, BlockDecodingStrategy::UptoBlocks(1)).is_err() {
                    *state = Progress::Failed(broken(Codec::Zstd, input));
                    let _ = frame.decode_blocks(&LAST_BLOCK[..], BlockDecodingStrategy::UptoBlocks(1));
                }
            }
            Progress::Failed(_) => {
                let Progress::Failed(error) = std::mem::replace(state, Progress::Ended) else { return Ok(0) };
                return Err(error);
            }
            Progress::Begin | Progress::Ended => return Ok(0),
        }
    }
}

/// RFC 8878, section 3.1.2: four bytes of mark, four of length, little endian.
fn skip_frame(input: &mut Input<'_>, state: &mut Progress) -> io::Result<usize> {
    let mut header = [0; 8];
    input.read_exact(&mut header).map_err(|_| cut_off(Codec::Zstd))?;
    let length = u64::from(u32::from_le_bytes([header[4], header[5], header[6], header[7]]));
    if input.skip(length) < length {
        return Err(cut_off(Codec::Zstd));
    }
    *state = Progress::Ended;
    Ok(0)
}

/// Damaged, or cut off where nothing follows.
fn broken(codec: Codec, input: &mut Input<'_>) -> io::Error {
    if matches!(input.fill_buf(), Ok([])) { cut_off(codec) } else { damaged(codec) }
}

fn damaged(codec: Codec) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{} data are damaged", codec.name()))
}

fn cut_off(codec: Codec) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("{} data end too early", codec.name()))
}

fn too_wide(codec: Codec) -> io::Error {
    let name = codec.name();
    io::Error::other(format!("{name} data ask for more memory to look back at than is given to them"))
}
