//! The container of a bundle: a plain ustar archive, the part of tar that every language reads.
//!
//! [`Writer`] writes members one after another, each of known length, with no owner and no time, so that the same log gives
//! the same bytes. [`index`] finds the members of an archive without reading them.
//!
//! Promises: no byte of an archive is without meaning. The checksum covers each header and must be in its usual spelling,
//! padding and end must be zero, names are unique: a flipped byte is refused, or is content and then the verifier's to find.
//! Archives repacked by other tools are read, as long as they stay with ustar.
//!
//! Absent on purpose: links, devices, long names, extended (pax) headers, and anything beyond 8 GiB per member.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};

const BLOCK: usize = 512;

/// The longest member name, in bytes.
pub const NAME_BYTES_MAX: usize = 100;

/// The largest member, in bytes: eleven octal digits.
pub const MEMBER_BYTES_MAX: u64 = 0o777_7777_7777;

/// Why an archive cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It ends too early.
    #[error("the archive ends in the middle of {0}; fetch it again")]
    Cut(String),
    /// It is not the kind of archive described here.
    #[error("not a bundle archive: {0}")]
    Malformed(String),
    /// The medium failed.
    #[error("reading or writing the archive failed: {0}")]
    Io(#[from] io::Error),
}

/// Where a member lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Offset of its first byte.
    pub at: u64,
    /// Its length in bytes.
    pub size: u64,
}

/// Writes an archive.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
}

impl<W: Write> Writer<W> {
    /// An archive that goes to `out`, which should be buffered.
    pub fn new(out: W) -> Self {
        Self { out }
    }

    /// Writes a member.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a name or size the format cannot hold, [`Error::Io`] when `out` fails.
    pub fn member(&mut self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.member_from(name, bytes.len() as u64, &mut &*bytes)
    }

    /// Writes a member of `size` bytes that come from `source`.
    ///
    /// # Errors
    /// As [`Writer::member`]; [`Error::Cut`] when `source` ends early.
    pub fn member_from(
        &mut self,
        name: &str,
        size: u64,
        source: &mut impl Read,
    ) -> Result<(), Error> {
        self.out.write_all(&header(name, size)?)?;
        if io::copy(&mut source.take(size), &mut self.out)? != size {
            return Err(Error::Cut(name.to_owned()));
        }
        self.out
            .write_all([0; BLOCK].get(..padding(size)).unwrap_or_default())?;
        Ok(())
    }

    /// Writes the end, and gives back what was written to.
    ///
    /// # Errors
    /// [`Error::Io`] when `out` fails.
    pub fn finish(mut self) -> Result<W, Error> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// The fields of a ustar header in order, each with its width; the checksum is filled in last.
fn header(name: &str, size: u64) -> Result<Vec<u8>, Error> {
    if !is_name(name) || size > MEMBER_BYTES_MAX {
        return Err(Error::Malformed(format!(
            "`{name}` of {size} bytes cannot be a member"
        )));
    }
    let size = format!("{size:011o}");
    let fields: [(&[u8], usize); 11] = [
        (name.as_bytes(), NAME_BYTES_MAX),
        (b"0000644\0", 8),
        (b"0000000\0", 8),
        (b"0000000\0", 8),
        (size.as_bytes(), 12),
        (b"00000000000\0", 12),
        (b"        ", 8),
        (b"0", 1),
        (b"", 100),
        (b"ustar\x0000", 8),
        (b"", 247),
    ];
    let mut block = Vec::with_capacity(BLOCK);
    for (bytes, width) in fields {
        let end = block.len() + width;
        block.extend_from_slice(bytes);
        block.resize(end, 0);
    }
    let sum = checksum(&block);
    if let Some(field) = block.get_mut(148..156) {
        field.copy_from_slice(&sum);
    }
    Ok(block)
}

/// The sum of all header bytes with the checksum's own field as spaces, in its usual spelling.
fn checksum(block: &[u8]) -> [u8; 8] {
    let own = 148..156;
    let sum: u32 = block
        .iter()
        .enumerate()
        .map(|(at, &byte)| {
            if own.contains(&at) {
                u32::from(b' ')
            } else {
                u32::from(byte)
            }
        })
        .sum();
    let mut field = *b"000000\0 ";
    for (digit, shift) in field.iter_mut().zip([15, 12, 9, 6, 3, 0]) {
        *digit = b'0' + (sum >> shift & 7).to_le_bytes()[0];
    }
    field
}

fn padding(size: u64) -> usize {
    // Below 512, so it fits whatever a usize is.
    usize::try_from(size.wrapping_neg() % BLOCK as u64).unwrap_or(0)
}

fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Finds every member by name, checking headers, padding and end but not content.
///
/// # Errors
/// [`Error`] when the archive is cut, or anything but zeros and members is in it.
pub fn index(source: &mut (impl Read + Seek)) -> Result<BTreeMap<String, Extent>, Error> {
    let length = source.seek(SeekFrom::End(0))?;
    source.seek(SeekFrom::Start(0))?;
    let mut members = BTreeMap::new();
    let mut at = 0;
    loop {
        let mut block = [0; BLOCK];
        read_exactly(source, &mut block, "a header")?;
        at += BLOCK as u64;
        if block == [0; BLOCK] {
            check_end(source)?;
            return Ok(members);
        }
        let Some((name, size)) = read_header(&block)? else {
            continue;
        };
        let extent = Extent { at, size };
        let padding = padding(size);
        at += size + padding as u64;
        if at > length {
            return Err(Error::Cut(name));
        }
        let mut zeros = [0; BLOCK];
        source.seek(SeekFrom::Start(extent.at + size))?;
        let zeros = zeros.get_mut(..padding).unwrap_or_default();
        read_exactly(source, zeros, &name)?;
        if zeros.iter().any(|byte| *byte != 0) {
            return Err(Error::Malformed(format!(
                "the padding after `{name}` is not empty"
            )));
        }
        if members.insert(name.clone(), extent).is_some() {
            return Err(Error::Malformed(format!("`{name}` is in it twice")));
        }
    }
}

/// Name and size of a member; `None` for a directory, which other tools add.
fn read_header(block: &[u8; BLOCK]) -> Result<Option<(String, u64)>, Error> {
    let field = |from: usize, width: usize| block.get(from..from + width).unwrap_or_default();
    if field(148, 8) != checksum(block) {
        return Err(Error::Malformed("a header's checksum does not fit".into()));
    }
    let name = field(0, NAME_BYTES_MAX);
    let end = name
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(name.len());
    let (name, rest) = name.split_at_checked(end).unwrap_or_default();
    let name = str::from_utf8(name).unwrap_or_default().to_owned();
    let (size, after) = field(124, 12).split_at_checked(11).unwrap_or_default();
    let octal = size.iter().all(|digit| (b'0'..=b'7').contains(digit)) && after == [0];
    let size = str::from_utf8(size)
        .ok()
        .and_then(|size| u64::from_str_radix(size, 8).ok());
    let plain = is_name(&name) && field(345, 155).iter().chain(rest).all(|byte| *byte == 0);
    match (size, field(156, 1)) {
        (Some(0), b"5") if octal && plain => Ok(None),
        (Some(size), b"0" | b"\0") if octal && plain => Ok(Some((name, size))),
        _ => Err(Error::Malformed(format!(
            "`{name}` is not a plain ustar file; repack with tar --format=ustar"
        ))),
    }
}

/// One block of zeros was read; at least one more must follow, and nothing else.
fn check_end(source: &mut impl Read) -> Result<(), Error> {
    let mut block = [0; BLOCK];
    read_exactly(source, &mut block, "its end")?;
    loop {
        if block != [0; BLOCK] {
            return Err(Error::Malformed("something follows its end".into()));
        }
        match source.read(block.get_mut(..1).unwrap_or_default())? {
            0 => return Ok(()),
            _ => read_exactly(source, block.get_mut(1..).unwrap_or_default(), "its end")?,
        }
    }
}

fn read_exactly(source: &mut impl Read, into: &mut [u8], what: &str) -> Result<(), Error> {
    source.read_exact(into).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::Cut(what.to_owned()),
        _ => Error::Io(error),
    })
}
