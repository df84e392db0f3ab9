//! The memory outside the database: one file per house with its newest checkpoint.
//!
//! A database that was put back to an older copy is not an extension of what
//! the anchor remembers; the house then opens read-only and says so. The file
//! is written behind the commit, at most once a second: it may lag, never lead.
//! Beside it lies how far the ledger was followed ([`super::newest`]).

use std::io::Write;
use std::path::{Path, PathBuf};

use fs_err as fs;
use statehouse_model::HouseCode;
use statehouse_seal::make_directory;

use super::Head;
use crate::error::{Error, Result};

/// The folder that holds every house's anchor; best on another volume.
#[derive(Debug, Clone)]
pub(crate) struct Anchors(PathBuf);

fn trouble(error: std::io::Error) -> Error {
    Error::unavailable(format!("the anchor cannot be used: {error}")).because(error)
}

impl Anchors {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        make_directory(path).map_err(trouble)?;
        Ok(Self(path.to_owned()))
    }

    fn file(&self, house: HouseCode) -> PathBuf {
        self.0.join(format!("{house}.checkpoint"))
    }

    /// The signed note that was remembered last, if there is one.
    pub(crate) fn read(&self, house: HouseCode) -> Result<Option<String>> {
        match fs::read_to_string(self.file(house)) {
            Ok(note) => Ok(Some(note)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(trouble(error)),
        }
    }

    fn memory(&self, house: HouseCode) -> PathBuf {
        self.0.join(format!("{house}.followed"))
    }

    /// How far the ledger of a house was followed, if that was written down.
    pub(crate) fn recall(&self, house: HouseCode) -> Result<Option<Vec<u8>>> {
        match fs::read(self.memory(house)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(trouble(error)),
        }
    }

    /// Writes down how far it was; on disk when this returns.
    pub(crate) fn remember(&self, house: HouseCode, followed: &[u8]) -> Result<()> {
        self.put(&self.memory(house), followed)
    }

    /// Remembers a head; on disk when this returns.
    pub(crate) fn write(&self, house: HouseCode, head: &Head) -> Result<()> {
        self.put(&self.file(house), head.note.as_bytes())
    }

    fn put(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        // A name of its own: two processes over one house write at the same time.
        let new = path.with_extension(format!("{:032x}.new", crate::entropy()));
        let write = || -> std::io::Result<()> {
            let mut file = fs::File::create(&new)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&new, path)?;
            fs::File::open(&self.0)?.sync_all()
        };
        write().map_err(|error| {
            fs::remove_file(&new).ok();
            trouble(error)
        })
    }
}
