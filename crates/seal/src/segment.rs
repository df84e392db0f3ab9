//! The body of a sealed object: AES-256-GCM in segments of 1 MiB, after the STREAM construction.
//!
//! Segment *i* has the nonce `0⁷ ‖ i ‖ last`, which cannot repeat because a key seals one body. Index
//! and last flag are authenticated, so segments cannot be reordered, dropped, repeated or appended;
//! that binds the length of the whole. There is one way to cut a plaintext: every segment but the last
//! is full, and the last is empty only when everything is. Memory is bounded by a few segments.

use std::io::{self, ErrorKind, Read, Write};

use zeroize::Zeroizing;

use crate::SEALING;
use crate::canonical::Associated;
use crate::gcm::{Gcm, NONCE_LENGTH, TAG_LENGTH};

/// Bytes of plaintext in a full segment. Large enough that tags cost nothing, small enough that a
/// stream of any length is opened in a few megabytes.
pub const SEGMENT_LENGTH: usize = 1 << 20;

/// Bytes of a full segment once sealed.
const SEALED_LENGTH: usize = SEGMENT_LENGTH + TAG_LENGTH;

/// Why a body was not sealed or opened. The keyring adds what it was the body of.
pub(crate) enum Fault {
    Refused,
    TooLarge,
    Engine,
    Read(io::Error),
    Write(io::Error),
}

/// Bytes that a plaintext of this many bytes takes once sealed, without its header.
pub const fn body_length(plaintext: usize) -> usize {
    let segments = plaintext.div_ceil(SEGMENT_LENGTH);
    let segments = if segments == 0 { 1 } else { segments };
    plaintext + segments * TAG_LENGTH
}

/// Seals a plaintext that is in memory.
pub(crate) fn seal(
    key: &Gcm,
    associated: &mut Associated,
    plaintext: &[u8],
) -> Result<Vec<u8>, Fault> {
    let mut body = vec![0; body_length(plaintext.len())];
    let mut rest = plaintext;
    for (index, sealed) in body.chunks_mut(SEALED_LENGTH).enumerate() {
        let (text, following) = rest.split_at(rest.len().min(SEGMENT_LENGTH));
        let index = u32::try_from(index).map_err(|_| Fault::TooLarge)?;
        seal_segment(key, associated, index, following.is_empty(), text, sealed)?;
        rest = following;
    }
    Ok(body)
}

/// Opens a body that is in memory, whole or not at all.
pub(crate) fn open(key: &Gcm, associated: &mut Associated, body: &[u8]) -> Result<Vec<u8>, Fault> {
    let tags = body.len().div_ceil(SEALED_LENGTH) * TAG_LENGTH;
    let length = body.len().checked_sub(tags).ok_or(Fault::Refused)?;
    if body.is_empty() || body_length(length) != body.len() {
        return Err(Fault::Refused);
    }
    let mut plaintext = vec![0; length];
    let (mut texts, mut rest) = (plaintext.as_mut_slice(), body);
    let mut index = 0;
    loop {
        let (sealed, following) = rest.split_at(rest.len().min(SEALED_LENGTH));
        let (text, texts_left) = texts.split_at_mut(texts.len().min(SEGMENT_LENGTH));
        open_segment(key, associated, index, following.is_empty(), sealed, text)?;
        if following.is_empty() {
            return Ok(plaintext);
        }
        (texts, rest) = (texts_left, following);
        index = index.checked_add(1).ok_or(Fault::Refused)?;
    }
}

/// Seals from a source into a sink; reads one segment ahead, to know the last when it comes.
pub(crate) fn seal_stream(
    key: &Gcm,
    associated: &mut Associated,
    source: &mut dyn Read,
    sink: &mut dyn Write,
) -> Result<(), Fault> {
    let mut current = Zeroizing::new(vec![0; SEGMENT_LENGTH]);
    let mut ahead = Zeroizing::new(vec![0; SEGMENT_LENGTH]);
    let mut sealed = vec![0; SEALED_LENGTH];
    let mut text = fill(source, &mut current)?;
    for index in 0..=u32::MAX {
        let following = fill(source, &mut ahead)?;
        let last = following.is_empty();
        let (sealed, _) = sealed.split_at_mut(text.len() + TAG_LENGTH);
        seal_segment(key, associated, index, last, text, sealed)?;
        sink.write_all(sealed).map_err(Fault::Write)?;
        if last {
            return Ok(());
        }
        let length = following.len();
        std::mem::swap(&mut current, &mut ahead);
        (text, _) = current.split_at(length);
    }
    Err(Fault::TooLarge)
}

/// Opens from a source into a sink and returns the bytes of plaintext written. What was written
/// before an error is authentic but incomplete, and the caller discards it.
pub(crate) fn open_stream(
    key: &Gcm,
    associated: &mut Associated,
    source: &mut dyn Read,
    sink: &mut dyn Write,
) -> Result<u64, Fault> {
    let mut current = vec![0; SEALED_LENGTH];
    let mut ahead = vec![0; SEALED_LENGTH];
    let mut text = Zeroizing::new(vec![0; SEGMENT_LENGTH]);
    let mut sealed = fill(source, &mut current)?;
    let mut total = 0;
    for index in 0..=u32::MAX {
        let following = fill(source, &mut ahead)?;
        let last = following.is_empty();
        let length = sealed.len().checked_sub(TAG_LENGTH).ok_or(Fault::Refused)?;
        if length == 0 && index > 0 {
            return Err(Fault::Refused);
        }
        let (text, _) = text.split_at_mut(length);
        open_segment(key, associated, index, last, sealed, text)?;
        sink.write_all(text).map_err(Fault::Write)?;
        total += length as u64;
        if last {
            return Ok(total);
        }
        let length = following.len();
        std::mem::swap(&mut current, &mut ahead);
        (sealed, _) = current.split_at(length);
    }
    Err(Fault::Refused)
}

fn seal_segment(
    key: &Gcm,
    associated: &mut Associated,
    index: u32,
    last: bool,
    text: &[u8],
    sealed: &mut [u8],
) -> Result<(), Fault> {
    let associated = associated.segment(index, last);
    let (ciphertext, tag) = sealed
        .split_last_chunk_mut::<TAG_LENGTH>()
        .ok_or(Fault::Engine)?;
    if SEALING {
        key.seal(nonce(index, last), associated, text, ciphertext, tag)
    } else {
        ciphertext.copy_from_slice(text);
        key.seal(
            nonce(index, last),
            &[associated, text].concat(),
            &[],
            &mut [],
            tag,
        )
    }
    .map_err(|_| Fault::Engine)
}

fn open_segment(
    key: &Gcm,
    associated: &mut Associated,
    index: u32,
    last: bool,
    sealed: &[u8],
    text: &mut [u8],
) -> Result<(), Fault> {
    let associated = associated.segment(index, last);
    let (ciphertext, tag) = sealed
        .split_last_chunk::<TAG_LENGTH>()
        .ok_or(Fault::Refused)?;
    if SEALING {
        key.open(nonce(index, last), associated, ciphertext, tag, text)
    } else {
        text.copy_from_slice(ciphertext);
        key.open(
            nonce(index, last),
            &[associated, ciphertext].concat(),
            &[],
            tag,
            &mut [],
        )
    }
    .map_err(|_| Fault::Refused)
}

fn nonce(index: u32, last: bool) -> [u8; NONCE_LENGTH] {
    let [a, b, c, d] = index.to_be_bytes();
    [0, 0, 0, 0, 0, 0, 0, a, b, c, d, last.into()]
}

/// Reads until the buffer is full or the source ends, and returns what was read.
fn fill<'a>(source: &mut dyn Read, buffer: &'a mut [u8]) -> Result<&'a [u8], Fault> {
    let mut filled = 0;
    while let (_, free @ [_, ..]) = buffer.split_at_mut(filled) {
        match source.read(free) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Fault::Read(error)),
        }
    }
    let (read, _) = buffer.split_at(filled);
    Ok(read)
}
