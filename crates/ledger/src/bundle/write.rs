//! Writing a bundle, member by member, as its parts arrive.

use super::{CHECKPOINT, Error, MANIFEST, Manifest, rows_name};
use crate::tile::{self, HEIGHT, Tile, WIDTH};
use crate::tree::Frontier;
use crate::{Hash, archive, hash_from_hex, row, tree};
use std::collections::HashMap;
use std::io::{Read, Write};

/// Size at which a part of the rows is written, in bytes: large enough for few members, small beside anything else.
const ROWS_PART_BYTES: usize = 1024 * 1024;

/// Writes a bundle as its parts arrive; parts of different kinds may be mixed, entries and rows keep their order.
#[derive(Debug)]
pub struct Writer<W> {
    archive: archive::Writer<W>,
    manifest: Manifest,
    frontier: Frontier,
    entries: Vec<u8>,
    /// The hashes of the open tile at each level of tiles.
    open: Vec<Vec<Hash>>,
    rows: Vec<u8>,
    rows_parts: u64,
    sizes: HashMap<u64, u64>,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// What the bundle says of itself.
    pub manifest: Manifest,
    /// The root over its entries; a caller that knows the head compares it.
    pub root: Hash,
}

impl<W: Write> Writer<W> {
    /// A bundle of the log of `house` (its code) that goes to `out`, which should be buffered.
    pub fn new(out: W, house: &str) -> Self {
        Self {
            archive: archive::Writer::new(out),
            manifest: Manifest {
                house: house.to_owned(),
                ..Manifest::default()
            },
            frontier: Frontier::new(),
            entries: Vec::new(),
            open: Vec::new(),
            rows: Vec::new(),
            rows_parts: 0,
            sizes: HashMap::new(),
        }
    }

    /// The next entry of the log.
    ///
    /// # Errors
    /// [`Error`] when it is too long, or writing fails.
    pub fn entry(&mut self, entry: &[u8]) -> Result<(), Error> {
        tile::push_entry(&mut self.entries, entry)?;
        let leaf = tree::leaf_hash(entry);
        self.frontier.push(leaf);
        self.manifest.entries += 1;
        if self.manifest.entries.is_multiple_of(u64::from(WIDTH)) {
            self.flush_entries()?;
        }
        self.hash(leaf)
    }

    /// A retained checkpoint of `size` leaves, as the log issued it. Ascending order is not needed.
    ///
    /// # Errors
    /// [`Error`] when writing fails.
    pub fn checkpoint(&mut self, size: u64, note: &str) -> Result<(), Error> {
        let before = self.sizes.entry(size).or_insert(0);
        let name = match *before {
            0 => format!("checkpoints/{size}"),
            before => format!("checkpoints/{size}.{before}"),
        };
        *before += 1;
        self.manifest.checkpoints += 1;
        Ok(self.archive.member(&name, note.as_bytes())?)
    }

    /// Says that rows are exported, even if there are none. Without this and without rows the bundle claims nothing of them.
    pub fn with_rows(&mut self) {
        self.manifest.rows.get_or_insert(0);
    }

    /// An evidential row.
    ///
    /// # Errors
    /// [`Error`] when it has no exported form, or writing fails.
    pub fn row(&mut self, row: &row::Exported) -> Result<(), Error> {
        self.rows.extend_from_slice(&row.to_line()?);
        self.rows.push(b'\n');
        *self.manifest.rows.get_or_insert(0) += 1;
        if self.rows.len() >= ROWS_PART_BYTES {
            self.flush_rows()?;
        }
        Ok(())
    }

    /// A sealed body of `size` bytes, whose SHA-256 a leaf carries as 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`Error`] when the digest is not in that form, the source ends early, or writing fails.
    pub fn blob(&mut self, digest: &str, size: u64, source: &mut impl Read) -> Result<(), Error> {
        if hash_from_hex(digest).is_none() {
            return Err(Error::Missing(format!("the digest of blob `{digest}`")));
        }
        self.manifest.blobs += 1;
        Ok(self
            .archive
            .member_from(&format!("blobs/{digest}"), size, source)?)
    }

    /// Writes what is still open, the newest checkpoint and the manifest, and gives back what was written to.
    ///
    /// # Errors
    /// [`Error`] when writing fails.
    pub fn finish(mut self, newest: &str) -> Result<(W, Summary), Error> {
        if !self.entries.is_empty() {
            self.flush_entries()?;
        }
        for (level, hashes) in (0..).zip(std::mem::take(&mut self.open)) {
            self.write_hashes(level, &hashes)?;
        }
        if !self.rows.is_empty() {
            self.flush_rows()?;
        }
        self.archive.member(CHECKPOINT, newest.as_bytes())?;
        self.archive.member(MANIFEST, &self.manifest.to_bytes())?;
        let summary = Summary {
            root: self.frontier.root(),
            manifest: self.manifest,
        };
        Ok((self.archive.finish()?, summary))
    }

    /// Adds a leaf hash to the open tile; a full tile is written, and its own root goes to the level above.
    fn hash(&mut self, leaf: Hash) -> Result<(), Error> {
        let mut hash = leaf;
        for level in 0.. {
            if self.open.len() == usize::from(level) {
                self.open.push(Vec::new());
            }
            let Some(open) = self.open.get_mut(usize::from(level)) else {
                return Ok(());
            };
            open.push(hash);
            if open.len() < usize::from(WIDTH) {
                return Ok(());
            }
            let full = std::mem::take(open);
            self.write_hashes(level, &full)?;
            hash = subtree(&full);
        }
        Ok(())
    }

    /// Writes the rightmost tile of a level, whose width is the number of `hashes`.
    fn write_hashes(&mut self, level: u8, hashes: &[Hash]) -> Result<(), Error> {
        let Ok(width @ 1..) = u16::try_from(hashes.len()) else {
            return Ok(());
        };
        let nodes = self.manifest.entries >> (level * HEIGHT);
        let index = nodes.saturating_sub(1) / u64::from(WIDTH);
        let kind = tile::Kind::Hashes(level);
        let tile = Tile { kind, index, width };
        Ok(self
            .archive
            .member(&tile.to_string(), &tile::encode_hashes(hashes))?)
    }

    fn flush_entries(&mut self) -> Result<(), Error> {
        if let Some(tile) = Tile::row(tile::Kind::Entries, self.manifest.entries).last() {
            self.archive.member(&tile.to_string(), &self.entries)?;
        }
        self.entries.clear();
        Ok(())
    }

    fn flush_rows(&mut self) -> Result<(), Error> {
        self.archive
            .member(&rows_name(self.rows_parts), &self.rows)?;
        self.rows_parts += 1;
        self.rows.clear();
        Ok(())
    }
}

/// The root over the hashes of a full tile.
fn subtree(hashes: &[Hash]) -> Hash {
    let mut frontier = Frontier::new();
    for hash in hashes {
        frontier.push(*hash);
    }
    frontier.root()
}
