//! The walk over an archive, entry by entry.
//!
//! Headers are taken raw: the crate `tar` checks their sums and finds where the next one is; long names and extensions are read here, with
//! limits, because a reader that is made for archives of friends takes a gigabyte of name for a name.

use std::io::{self, Read};
use std::rc::Rc;

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};
use tar::{Archive, Entry, EntryType};

use super::meter::{Meter, Source, Unpacked};
use super::tree::{self, Tree};
use super::{Contents, Fault, Limits, Node, Receive, Refused, SlugError, path};

/// One extension header. Those of macOS carry attributes of files, which seldom reach a kilobyte.
const EXTENSION_BYTES_MAX: u64 = 1 << 20;

/// How much is read at once of what is passed over.
const SKIP_BYTES: usize = 64 * 1024;

/// Reads an archive to its end and hands on what is in it, links excepted; those are in [`Contents`], which comes when all is well.
pub fn walk(
    reader: impl Read,
    limits: &Limits,
    receiver: &mut dyn Receive,
) -> Result<Contents, SlugError> {
    let meter = Meter::new(limits);
    let source = Source {
        inner: reader,
        meter: Rc::clone(&meter),
    };
    let unpacked = Unpacked {
        inner: MultiGzDecoder::new(source),
        meter: Rc::clone(&meter),
    };
    let mut archive = Archive::new(unpacked);
    let mut walk = Walk {
        limits,
        meter: &meter,
        tree: Tree::new(limits),
        receiver,
        said: Said::default(),
        passed_over: 0,
    };
    walk.entries(&mut archive)?;
    let passed_over = walk.passed_over;
    let nodes = walk.tree.finish()?;
    nothing_follows(archive.into_inner(), &meter)?;
    Ok(Contents {
        digest: tree::digest(&nodes),
        nodes,
        passed_over,
    })
}

/// Reads what is left, which must be the padding. The checksum of the compression is checked on the way.
fn nothing_follows(mut rest: impl Read, meter: &Meter) -> Result<(), SlugError> {
    let mut buffer = vec![0; SKIP_BYTES];
    loop {
        match rest.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) if buffer.iter().take(count).any(|byte| *byte != 0) => {
                return Err(Refused::Trailing.into());
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(meter.explain(&error)),
        }
    }
}

/// What extension headers said of the entry that comes next.
#[derive(Default)]
struct Said {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

struct Walk<'a> {
    limits: &'a Limits,
    meter: &'a Meter,
    tree: Tree,
    receiver: &'a mut dyn Receive,
    said: Said,
    passed_over: u64,
}

impl Walk<'_> {
    fn entries(&mut self, archive: &mut Archive<impl Read>) -> Result<(), SlugError> {
        let entries = archive.entries().map_err(|e| self.meter.explain(&e))?;
        let mut count = 0;
        for entry in entries.raw(true) {
            let mut entry = entry.map_err(|error| self.meter.explain(&error))?;
            count += 1;
            if count > self.limits.entries_max {
                return Err(Refused::Entries(self.limits.entries_max).into());
            }
            self.entry(&mut entry)?;
        }
        let Said { path, link, size } = &self.said;
        if path.is_some() || link.is_some() || size.is_some() {
            return Err(Refused::NotAnArchive("it ends after an extension header".into()).into());
        }
        Ok(())
    }

    fn entry(&mut self, entry: &mut Entry<'_, impl Read>) -> Result<(), SlugError> {
        let name = entry.header().path_bytes().into_owned();
        match entry.header().entry_type() {
            EntryType::GNULongName => {
                let path = self.extension(entry, &name)?;
                once(&mut self.said.path, untailed(path), &name)
            }
            EntryType::GNULongLink => {
                let link = self.extension(entry, &name)?;
                once(&mut self.said.link, untailed(link), &name)
            }
            EntryType::XHeader => {
                let records = self.extension(entry, &name)?;
                self.records(&records, &name, false)
            }
            EntryType::XGlobalHeader => {
                let records = self.extension(entry, &name)?;
                self.records(&records, &name, true)
            }
            kind => self.member(entry, kind, name),
        }
    }

    /// The body of an extension header.
    fn extension(
        &self,
        entry: &mut Entry<'_, impl Read>,
        name: &[u8],
    ) -> Result<Vec<u8>, SlugError> {
        let size = entry.size();
        if size > EXTENSION_BYTES_MAX {
            return Err(Refused::entry(name, Fault::Extension).into());
        }
        let mut body = Vec::new();
        let read = entry.read_to_end(&mut body);
        read.map_err(|error| self.meter.explain(&error))?;
        if body.len() as u64 != size {
            return Err(Refused::entry(name, Fault::Short).into());
        }
        Ok(body)
    }

    /// The records of a PAX header. What is not about names and sizes is metadata, which nobody takes over.
    fn records(&mut self, mut body: &[u8], name: &[u8], global: bool) -> Result<(), SlugError> {
        let unreadable = || Refused::entry(name, Fault::Extension);
        while !body.is_empty() {
            let Record { key, value, rest } = record(body).ok_or_else(unreadable)?;
            body = rest;
            if key.starts_with(b"GNU.sparse.") {
                return Err(Refused::entry(name, Fault::Kind("a sparse file")).into());
            }
            let named = matches!(key, b"path" | b"linkpath" | b"size");
            if named && global {
                let why = Fault::Contradiction("a global header names one file");
                return Err(Refused::entry(name, why).into());
            }
            match key {
                b"path" => once(&mut self.said.path, value.to_vec(), name)?,
                b"linkpath" => once(&mut self.said.link, value.to_vec(), name)?,
                b"size" => {
                    let digits = std::str::from_utf8(value).ok();
                    let size = digits.and_then(|digits| digits.parse().ok());
                    once(&mut self.said.size, size.ok_or_else(unreadable)?, name)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A folder, file or link; anything else is refused.
    fn member(
        &mut self,
        entry: &mut Entry<'_, impl Read>,
        kind: EntryType,
        name: Vec<u8>,
    ) -> Result<(), SlugError> {
        let said = std::mem::take(&mut self.said);
        let raw = said.path.unwrap_or(name);
        let refuse = |why| SlugError::from(Refused::entry(&raw, why));
        let path = path::normal(&raw, self.limits).map_err(refuse)?;
        let size = entry.size();
        if said.size.is_some_and(|said| said != size) {
            return Err(refuse(Fault::Contradiction("two sizes are told")));
        }
        let folder = kind.is_dir();
        if (folder || kind.is_symlink()) && size != 0 {
            return Err(refuse(Fault::Contradiction("it has content")));
        }
        if let Some(kind) = foreign(kind) {
            return Err(refuse(Fault::Kind(kind)));
        }
        if path.is_empty() {
            return if folder {
                Ok(())
            } else {
                Err(refuse(Fault::Nameless))
            };
        }
        if !path::belongs(&path, folder) {
            self.passed_over += 1;
            return Ok(());
        }
        if folder {
            return self.folders(&path, true);
        }
        self.folders(&path, false)?;
        self.tree.vacant(&path)?;
        if kind.is_symlink() {
            let target = said.link.or_else(|| {
                let target = entry.header().link_name_bytes()?;
                Some(target.into_owned())
            });
            let target = self.target(&target.unwrap_or_default()).map_err(refuse)?;
            return Ok(self.tree.add(&path, Node::Link { target })?);
        }
        if raw.ends_with(b"/") {
            return Err(refuse(Fault::Contradiction(
                "a file with the name of a folder",
            )));
        }
        self.file(entry, &path)
    }

    fn folders(&mut self, path: &str, itself: bool) -> Result<(), SlugError> {
        for folder in self.tree.folders(path, itself)? {
            self.receiver.folder(&folder)?;
        }
        Ok(())
    }

    fn target(&self, bytes: &[u8]) -> Result<String, Fault> {
        let target = path::plain(bytes, self.limits)?;
        match target.as_bytes().first() {
            None => Err(Fault::Nameless),
            Some(b'/') => Err(Fault::Escapes(target)),
            Some(_) => Ok(target),
        }
    }

    fn file(&mut self, entry: &mut Entry<'_, impl Read>, path: &str) -> Result<(), SlugError> {
        let mode = entry.header().mode();
        let mode = mode.map_err(|error| Refused::NotAnArchive(error.to_string()))?;
        let executable = mode & 0o100 != 0;
        let size = entry.size();
        let mut content = Content {
            entry,
            hasher: Sha256::new(),
            bytes: 0,
            failed: None,
        };
        let received = self.receiver.file(path, executable, &mut content);
        if received.is_ok() && content.failed.is_none() {
            // What failed is kept in `content`.
            let _ = io::copy(&mut content, &mut io::sink());
        }
        if let Some(failed) = content.failed {
            return Err(self.meter.explain(&failed));
        }
        received?;
        if content.bytes != size {
            return Err(Refused::entry(path.as_bytes(), Fault::Short).into());
        }
        let node = Node::File {
            executable,
            bytes: size,
            digest: content.hasher.finalize().into(),
        };
        Ok(self.tree.add(path, node)?)
    }
}

/// The content of a file, digested while it is read. An error of the archive is kept, so that it is not taken for one of the disk.
struct Content<'a, 'b, R: Read> {
    entry: &'a mut Entry<'b, R>,
    hasher: Sha256,
    bytes: u64,
    failed: Option<io::Error>,
}

impl<R: Read> Read for Content<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.entry.read(buffer) {
            Ok(count) => {
                self.hasher.update(buffer.get(..count).unwrap_or_default());
                self.bytes += count as u64;
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                self.failed = Some(error);
                Err(io::Error::other("the archive cannot be read on"))
            }
        }
    }
}

/// What an entry is, if it is nothing that a configuration has.
fn foreign(kind: EntryType) -> Option<&'static str> {
    match kind {
        EntryType::Regular | EntryType::Directory | EntryType::Symlink => None,
        EntryType::Link => Some("a hard link"),
        EntryType::Char | EntryType::Block => Some("a device"),
        EntryType::Fifo => Some("a named pipe"),
        EntryType::GNUSparse => Some("a sparse file"),
        _ => Some("an entry of an unknown kind"),
    }
}

/// Keeps what was said of the next entry, once.
fn once<T>(place: &mut Option<T>, value: T, name: &[u8]) -> Result<(), SlugError> {
    if place.replace(value).is_none() {
        return Ok(());
    }
    let why = Fault::Contradiction("one thing is told twice");
    Err(Refused::entry(name, why).into())
}

/// Without the zero byte that GNU tar puts at the end of a long name.
fn untailed(mut name: Vec<u8>) -> Vec<u8> {
    if name.last() == Some(&0) {
        name.pop();
    }
    name
}

/// A record of PAX, and what follows it.
struct Record<'a> {
    key: &'a [u8],
    value: &'a [u8],
    rest: &'a [u8],
}

/// The first of some records, each `LENGTH KEY=VALUE\n`. The length counts itself.
fn record(body: &[u8]) -> Option<Record<'_>> {
    let blank = body.iter().take(20).position(|byte| *byte == b' ')?;
    let digits = std::str::from_utf8(body.get(..blank)?).ok()?;
    let length: usize = digits.parse().ok()?;
    let pair = body.get(blank + 1..length)?.strip_suffix(b"\n")?;
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    Some(Record {
        key: pair.get(..equals)?,
        value: pair.get(equals + 1..)?,
        rest: body.get(length..)?,
    })
}
