//! Frames: a length in four bytes, and that many bytes of JSON.

use std::io::{self, ErrorKind, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest frame. A verdict of a hundred thousand resources has some thirty megabytes of messages; a set has as much of policies.
pub(super) const FRAME_BYTES_MAX: usize = 128 << 20;

/// A frame of a value.
///
/// # Errors
///
/// When it is longer than a frame may be.
pub(super) fn encode(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, value)?;
    let length = frame.len() - 4;
    let header = u32::try_from(length)
        .ok()
        .filter(|_| length <= FRAME_BYTES_MAX);
    let header = header.ok_or_else(|| too_long(length))?.to_be_bytes();
    for (place, byte) in frame.iter_mut().zip(header) {
        *place = byte;
    }
    Ok(frame)
}

/// Writes a frame at once.
pub(super) fn write(to: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    to.write_all(&encode(value)?)?;
    to.flush()
}

/// Reads a frame.
///
/// # Errors
///
/// When it is too long, cut off, or not what is expected.
pub(super) fn read<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut header = [0; 4];
    from.read_exact(&mut header)?;
    let length = length(header)?;
    let mut frame = vec![0; length];
    from.read_exact(&mut frame)?;
    Ok(serde_json::from_slice(&frame)?)
}

fn length(header: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_be_bytes(header) as usize;
    if length > FRAME_BYTES_MAX {
        return Err(too_long(length));
    }
    Ok(length)
}

fn too_long(length: usize) -> io::Error {
    let words = format!("a frame of {length} bytes, where {FRAME_BYTES_MAX} are the most");
    io::Error::new(ErrorKind::InvalidData, words)
}

/// Frames out of bytes that come in pieces.
#[derive(Default)]
pub(super) struct Pieces {
    bytes: Vec<u8>,
    taken: usize,
}

impl Pieces {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        // What was taken is let go of before there is more.
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next frame, if all of it is there.
    ///
    /// # Errors
    ///
    /// When it says that it is too long.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        let Some((header, rest)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        let length = length(*header)?;
        if rest.len() < length {
            return Ok(None);
        }
        let start = self.taken + header.len();
        self.taken = start + length;
        Ok(self.bytes.get(start..self.taken))
    }
}
