//! Reading a bundle by member names, from several threads.

use super::{Error, Manifest};
use crate::archive::{self, Extent};
use fs_err::File;
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// An opened bundle: an index of its members over a file or bytes.
#[derive(Debug)]
pub struct Bundle<R> {
    source: Mutex<R>,
    members: BTreeMap<String, Extent>,
}

impl Bundle<File> {
    /// Opens a bundle file.
    ///
    /// # Errors
    /// [`Error`] when it cannot be opened, or is no archive.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::new(File::open(path).map_err(archive::Error::from)?)
    }
}

impl<'a> Bundle<Cursor<&'a [u8]>> {
    /// Opens a bundle in memory.
    ///
    /// # Errors
    /// [`Error`] when it is no archive.
    pub fn of(bytes: &'a [u8]) -> Result<Self, Error> {
        Self::new(Cursor::new(bytes))
    }
}

impl<R: Read + Seek> Bundle<R> {
    /// Opens a bundle in anything that can be read at any place.
    ///
    /// # Errors
    /// [`Error`] when it is no archive.
    pub fn new(mut source: R) -> Result<Self, Error> {
        let members = archive::index(&mut source)?;
        Ok(Self {
            source: Mutex::new(source),
            members,
        })
    }

    /// The members' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// The members whose names start with `prefix`, in order.
    pub fn names_under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.members
            .range(prefix.to_owned()..)
            .map(|(name, _)| name.as_str())
            .take_while(move |name| name.starts_with(prefix))
    }

    /// Whether a member is there.
    pub fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// The whole of a member that may have at most `limit` bytes.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::TooLarge`], or that reading failed.
    pub fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, Error> {
        let extent = self.extent(name)?;
        let size = usize::try_from(extent.size).unwrap_or(usize::MAX);
        if extent.size > limit || size == usize::MAX {
            return Err(Error::TooLarge {
                name: name.to_owned(),
                size: extent.size,
                limit,
            });
        }
        let mut bytes = vec![0; size];
        self.read_at(extent.at, &mut bytes)
            .map_err(archive::Error::from)?;
        Ok(bytes)
    }

    /// A reader of a member of any size.
    ///
    /// # Errors
    /// [`Error::Missing`].
    pub fn stream(&self, name: &str) -> Result<impl Read, Error> {
        let Extent { at, size } = self.extent(name)?;
        Ok(Member {
            bundle: self,
            at,
            end: at + size,
        })
    }

    /// The manifest.
    ///
    /// # Errors
    /// [`Error`] when it is missing or not in its form.
    pub fn manifest(&self) -> Result<Manifest, Error> {
        Manifest::parse(&self.read(super::MANIFEST, 64 * 1024)?)
    }

    fn extent(&self, name: &str) -> Result<Extent, Error> {
        self.members
            .get(name)
            .copied()
            .ok_or_else(|| Error::Missing(name.to_owned()))
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        // A thread that panicked while holding the lock left nothing behind but a position, which is set anew.
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        source.seek(SeekFrom::Start(at))?;
        source.read_exact(into)
    }
}

struct Member<'a, R> {
    bundle: &'a Bundle<R>,
    at: u64,
    end: u64,
}

impl<R: Read + Seek> Read for Member<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let length = left.min(into.len());
        let into = into.get_mut(..length).unwrap_or_default();
        self.bundle.read_at(self.at, into)?;
        self.at += length as u64;
        Ok(length)
    }
}
