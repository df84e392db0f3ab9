//! C2SP tlog-tiles: how a log is laid out in files.
//!
//! A [`Tile`] is one file: 256 hashes of one level (every eighth level of the tree), or a bundle of 256 entries, or the
//! partial one at the right edge. Its [`Display`](fmt::Display) is its path, `tile/<L>/<N>[.p/<W>]` or
//! `tile/entries/<N>[.p/<W>]`, and [`Tile::parse`] reads a path back.
//!
//! Promises: one path per tile (a path that would be written otherwise is refused); an entry bundle parses to exactly the
//! entries that were encoded, or not at all.
//!
//! Absent on purpose: fetching, caching, and entries longer than the 16-bit length of the format.

use crate::Hash;
use std::fmt;

/// Hashes in a full tile, entries in a full bundle.
pub const WIDTH: u16 = 256;

/// Levels of the tree that one level of tiles spans.
pub const HEIGHT: u8 = 8;

/// Levels of tiles that a tree of up to 2⁶⁴ - 1 leaves can have.
const LEVELS: u8 = 8;

/// The longest entry the 16-bit length prefix allows, in bytes.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Log entries.
    Entries,
    /// Hashes of tile level `L`: tree level `8 × L`.
    Hashes(u8),
}

/// One file of a tiled log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tile {
    /// What it holds.
    pub kind: Kind,
    /// Its number within its level, from 0.
    pub index: u64,
    /// How many hashes or entries it has: 1 to 256, where 256 is a full tile.
    pub width: u16,
}

/// What is wrong with a tile.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The path names no tile, or not in its one spelling.
    #[error("`{0}` is not the path of a tile; see c2sp.org/tlog-tiles for the form")]
    Path(String),
    /// An entry is longer than a length prefix can say.
    #[error("an entry of {0} bytes does not fit into a bundle; entries have at most 65535 bytes")]
    EntryTooLong(usize),
    /// The bundle ends inside an entry or its length.
    #[error("the entry bundle ends inside its entry {0}; the rest of it is missing")]
    Cut(usize),
    /// A hash tile is not made of whole hashes.
    #[error("a hash tile of {0} bytes is not made of 32-byte hashes")]
    Ragged(usize),
}

impl Tile {
    /// The tiles of one kind that a tree of `size` leaves has, left to right.
    pub fn row(kind: Kind, size: u64) -> impl Iterator<Item = Self> {
        let level = match kind {
            Kind::Entries => 0,
            Kind::Hashes(level) => level,
        };
        let nodes = size
            .checked_shr(u32::from(level) * u32::from(HEIGHT))
            .unwrap_or(0);
        let full = nodes / u64::from(WIDTH);
        let rest = u16::try_from(nodes % u64::from(WIDTH)).unwrap_or(0);
        let whole = (0..full).map(move |index| Self {
            kind,
            index,
            width: WIDTH,
        });
        let partial = (rest > 0).then_some(Self {
            kind,
            index: full,
            width: rest,
        });
        whole.chain(partial)
    }

    /// Every tile that a tree of `size` leaves has: entry bundles, then hash tiles from the leaves upwards.
    pub fn all(size: u64) -> impl Iterator<Item = Self> {
        let hashes = (0..LEVELS)
            .take_while(move |level| size >> (level * HEIGHT) > 0)
            .flat_map(move |level| Self::row(Kind::Hashes(level), size));
        Self::row(Kind::Entries, size).chain(hashes)
    }

    /// The index of the first hash or entry of the tile within its level.
    pub fn start(&self) -> u64 {
        self.index.saturating_mul(u64::from(WIDTH))
    }

    /// Reads a path.
    ///
    /// # Errors
    /// [`Error::Path`] when it names no tile, or is not spelled as the format demands.
    pub fn parse(path: &str) -> Result<Self, Error> {
        Self::read(path)
            .filter(|tile| tile.to_string() == path)
            .ok_or_else(|| Error::Path(path.to_owned()))
    }

    fn read(path: &str) -> Option<Self> {
        let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let kind = match kind {
            "entries" => Kind::Entries,
            level => Kind::Hashes(level.parse().ok().filter(|level| *level < 64)?),
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (
                number,
                width.parse().ok().filter(|w| (1..WIDTH).contains(w))?,
            ),
            None => (rest, WIDTH),
        };
        let mut index = 0u64;
        for element in number.split('/') {
            let digits = element.strip_prefix('x').unwrap_or(element);
            index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
        }
        Some(Self { kind, index, width })
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Entries => f.write_str("tile/entries/")?,
            Kind::Hashes(level) => write!(f, "tile/{level}/")?,
        }
        let mut divisor = 1u64;
        while self.index / divisor >= 1000 {
            divisor *= 1000;
        }
        while divisor > 1 {
            write!(f, "x{:03}/", self.index / divisor % 1000)?;
            divisor /= 1000;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if self.width < WIDTH {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

/// Appends one entry, with its length, to an entry bundle.
///
/// # Errors
/// [`Error::EntryTooLong`] above [`ENTRY_BYTES_MAX`].
pub fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), Error> {
    let length = u16::try_from(entry.len()).map_err(|_| Error::EntryTooLong(entry.len()))?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// An entry bundle of these entries.
///
/// # Errors
/// [`Error::EntryTooLong`] when one is above [`ENTRY_BYTES_MAX`].
pub fn encode_entries<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, Error> {
    let mut bundle = Vec::new();
    for entry in entries {
        push_entry(&mut bundle, entry)?;
    }
    Ok(bundle)
}

/// The entries of a bundle, borrowed from it.
///
/// # Errors
/// [`Error::Cut`] when the bundle does not end with an entry.
pub fn parse_entries(bundle: &[u8]) -> Result<Vec<&[u8]>, Error> {
    let mut entries = Vec::with_capacity(usize::from(WIDTH));
    let mut rest = bundle;
    while !rest.is_empty() {
        let cut = Error::Cut(entries.len());
        let Some((length, after)) = rest.split_first_chunk::<2>() else {
            return Err(cut);
        };
        let Some((entry, after)) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))
        else {
            return Err(cut);
        };
        entries.push(entry);
        rest = after;
    }
    Ok(entries)
}

/// The bytes of a hash tile.
pub fn encode_hashes(hashes: &[Hash]) -> Vec<u8> {
    hashes.as_flattened().to_vec()
}

/// The hashes of a hash tile.
///
/// # Errors
/// [`Error::Ragged`] when the bytes are not whole hashes.
pub fn parse_hashes(tile: &[u8]) -> Result<&[Hash], Error> {
    match tile.as_chunks::<32>() {
        (hashes, []) => Ok(hashes),
        _ => Err(Error::Ragged(tile.len())),
    }
}
