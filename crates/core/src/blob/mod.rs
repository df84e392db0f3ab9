//! Sealed bytes: in the database when small, in a directory when large.
//!
//! What is put is what is got, byte for byte. Bytes are compressed (zstd),
//! sealed under the house's keys together with a random salt, and named by
//! their version. A salted commitment to the plaintext and the digest of the
//! sealed body go into the version's row; both are checked when reading.
//!
//! Deliberately absent: deduplication (it would tell equal states apart from
//! different ones) and any use of the bytes' meaning.

pub(crate) mod sql;

use std::cell::RefCell;
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;
use sha2::{Digest, Sha256};
use statehouse_seal::{Context, Keyring, make_directory};

use crate::error::{Error, Result};

/// Sealed bodies up to this size live in the row: one commit stores them, and
/// SQLite reads them faster than a file of their own.
pub(crate) const ROW_MAX: usize = 256 * 1024;
/// Plaintexts above this are compressed and sealed as a stream, so that a
/// large one is held in memory once.
pub(crate) const WHOLE_MAX: usize = 4 * 1024 * 1024;
/// Level 1 compresses states as well as 3 does, in a quarter of the time.
const LEVEL: i32 = 1;
const SALT: usize = 32;
/// Longer than sealing and storing the longest body takes.
const CLAIM_MAX: std::time::Duration = std::time::Duration::from_mins(5);

/// The directory for large bodies of one house.
#[derive(Debug, Clone)]
pub(crate) struct Blobs(PathBuf);

/// The right to store under one id; given back when dropped.
pub(crate) struct Claim(PathBuf);

impl Drop for Claim {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

/// Sealed bytes on their way into the database.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) header: Vec<u8>,
    pub(crate) epoch: u32,
    /// `None` when the body lies in the directory.
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) body_digest: [u8; 32],
    pub(crate) commitment: [u8; 32],
}

fn disk(error: std::io::Error) -> Error {
    Error::unavailable(format!("the blob directory cannot be used: {error}"))
        .hint("free space or repair the disk; nothing was stored")
        .because(error)
}

fn refused(error: &statehouse_seal::SealError) -> Error {
    Error::tampered(format!("a sealed object does not open: {error}"))
}

/// That bytes are others than they must be.
fn altered(context: &Context<'_>) -> Error {
    Error::tampered(format!(
        "the stored bytes of {} are not what was put",
        named(context)
    ))
}

/// What bytes are, in words.
fn named(context: &Context<'_>) -> String {
    let Context {
        object,
        version: id,
        lineage: name,
        ..
    } = context;
    match context.kind {
        "state" => format!("version `{id}`"),
        "state-json" => format!("the JSON form `{id}` of version `{name}`"),
        "configuration" => format!("the configuration `{id}` of workspace `{object}`"),
        "run-file" => {
            let what = match *name {
                "plan" => "plan file",
                "plan-json" => "plan's JSON",
                "plan-shown" => "plan for the screen",
                "estimate" => "estimate of its cost",
                "plan-log" => "log of the plan",
                "apply-log" => "log of the apply",
                "options" => "options",
                "found" => "findings of the runner that planned",
                "capsule" => "capsule",
                "state-before" => "copy of the state before the plan",
                "state-after" => "copy of the state after the apply",
                other => other,
            };
            format!("a file of run `{object}`, its {what} (`{id}`),")
        }
        "variable" => format!("the value `{id}` of variable `{name}`"),
        "destination" => format!("the address `{id}` of notification `{name}`"),
        "cost-input" => format!("the {object} `{id}` that costs are estimated by"),
        other => format!("`{id}` ({other})"),
    }
}

/// `SHA-256(salt ‖ SHA-256(plaintext))`: says nothing without the salt.
pub(crate) fn commitment(salt: &[u8], digest: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(salt)
        .chain_update(digest)
        .finalize()
        .into()
}

impl Blobs {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        make_directory(path).map_err(disk)?;
        Ok(Self(path.to_owned()))
    }

    pub(crate) fn file(&self, version: &str) -> PathBuf {
        self.0.join(version)
    }

    /// Every finished body in the directory. They never change, so copying
    /// them after the rows copies all that the rows name.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.0).map_err(disk)? {
            let path = entry.map_err(disk)?.path();
            if path.extension().is_none() {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }

    /// Removes what a stop left behind: files older than `before` that no row
    /// names, and files that were never finished.
    pub(crate) fn sweep(&self, named: &HashSet<String>, before: SystemTime) -> Result<u64> {
        let mut removed = 0;
        for entry in fs::read_dir(&self.0).map_err(disk)? {
            let entry = entry.map_err(disk)?;
            let written = entry
                .metadata()
                .and_then(|data| data.modified())
                .map_err(disk)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if written < before && !named.contains(&name) {
                fs::remove_file(entry.path()).map_err(disk)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Compresses and seals. A large body is on disk when this returns.
    pub(crate) fn store(
        &self,
        keyring: &Keyring,
        context: &Context<'_>,
        plaintext: &[u8],
        digest: &[u8; 32],
    ) -> Result<Stored> {
        let salt: [u8; SALT] = crate::random();
        let commitment = commitment(&salt, digest);
        let epoch = keyring.newest();
        if plaintext.len() > WHOLE_MAX {
            let (header, body_digest) = self.store_stream(keyring, context, &salt, plaintext)?;
            return Ok(Stored {
                header,
                epoch,
                body: None,
                body_digest,
                commitment,
            });
        }
        let mut payload = salt.to_vec();
        compress(plaintext, &mut payload)?;
        let sealed = keyring
            .seal(context, &payload)
            .map_err(|error| refused(&error))?;
        let body_digest = Sha256::digest(&sealed.body).into();
        let body = if sealed.body.len() <= ROW_MAX {
            Some(sealed.body)
        } else {
            self.write(context.version, |file| file.write_all(&sealed.body))?;
            None
        };
        Ok(Stored {
            header: sealed.header,
            epoch,
            body,
            body_digest,
            commitment,
        })
    }

    /// Compresses and seals what comes, on disk when this returns and never in memory as a whole; with its SHA-256.
    pub(crate) fn store_from(
        &self,
        keyring: &Keyring,
        context: &Context<'_>,
        source: impl Read,
    ) -> Result<(Stored, [u8; 32])> {
        let salt: [u8; SALT] = crate::random();
        let epoch = keyring.newest();
        let mut hash = Sha256::new();
        let source = BufReader::new(TeeRead {
            inner: source,
            hash: &mut hash,
        });
        let (header, body_digest) = self.store_stream(keyring, context, &salt, source)?;
        let digest: [u8; 32] = hash.finalize().into();
        let stored = Stored {
            header,
            epoch,
            body: None,
            body_digest,
            commitment: commitment(&salt, &digest),
        };
        Ok((stored, digest))
    }

    /// The header of the body that it writes, and the body's digest.
    fn store_stream(
        &self,
        keyring: &Keyring,
        context: &Context<'_>,
        salt: &[u8; SALT],
        plaintext: impl BufRead,
    ) -> Result<(Vec<u8>, [u8; 32])> {
        let encoder = zstd::stream::read::Encoder::with_buffer(plaintext, LEVEL).map_err(disk)?;
        let source = Cursor::new(salt).chain(encoder);
        let mut header = Vec::new();
        let mut hash = Sha256::new();
        self.write(context.version, |file| {
            let sink = Tee {
                inner: file,
                hash: &mut hash,
            };
            header = keyring
                .seal_stream(context, source, sink)
                .map_err(std::io::Error::other)?;
            Ok(())
        })?;
        Ok((header, hash.finalize().into()))
    }

    /// Writes a file so that it is there whole, or not at all.
    fn write(
        &self,
        version: &str,
        fill: impl FnOnce(&mut fs::File) -> std::io::Result<()>,
    ) -> Result<()> {
        let path = self.file(version);
        let new = path.with_extension("new");
        let result = (|| {
            let mut file = fs::File::create(&new)?;
            fill(&mut file)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            fs::File::open(&self.0)?.sync_all()
        })();
        result.map_err(|error| {
            fs::remove_file(&new).ok();
            disk(error)
        })
    }

    /// Claims an object's name for whoever stores a large body under an id that
    /// was given out before: two who store at once would write one file.
    /// `None` when somebody else has it. A claim left by a stop is void after a while.
    pub(crate) fn claim(&self, object: &str, now: SystemTime) -> Result<Option<Claim>> {
        let path = self.file(object).with_extension("claim");
        let made = |path: &Path| fs::File::create_new(path).map(drop);
        let taken = |error: &std::io::Error| error.kind() == std::io::ErrorKind::AlreadyExists;
        let result = match made(&path) {
            Err(error) if taken(&error) => {
                let since = fs::metadata(&path).and_then(|data| data.modified());
                let old = since
                    .is_ok_and(|since| now.duration_since(since).is_ok_and(|age| age > CLAIM_MAX));
                if !old {
                    return Ok(None);
                }
                fs::remove_file(&path).ok();
                made(&path)
            }
            result => result,
        };
        match result {
            Ok(()) => Ok(Some(Claim(path))),
            Err(error) if taken(&error) => Ok(None),
            Err(error) => Err(disk(error)),
        }
    }

    /// Removes the file of a body that no row came to name.
    pub(crate) fn forget(&self, version: &str) {
        fs::remove_file(self.file(version)).ok();
    }

    /// Opens and decompresses; every digest is checked before a byte is given
    /// out. `size` is the plaintext's, from the version's row.
    pub(crate) fn load(
        &self,
        keyring: &Keyring,
        context: &Context<'_>,
        stored: &Stored,
        size: u64,
    ) -> Result<Vec<u8>> {
        let salted = self.load_salted(keyring, context, stored, size)?;
        Ok(salted.1)
    }

    /// The same, with the salt of the commitment before it.
    pub(crate) fn load_salted(
        &self,
        keyring: &Keyring,
        context: &Context<'_>,
        stored: &Stored,
        size: u64,
    ) -> Result<(Vec<u8>, Vec<u8>)> {
        let differs = || altered(context);
        let length = usize::try_from(size).map_err(|_| differs())?;
        let Some(body) = &stored.body else {
            let mut plaintext = Vec::with_capacity(length);
            let (salt, _) = self.pour(keyring, context, stored, size, &mut plaintext)?;
            return Ok((salt, plaintext));
        };
        if <[u8; 32]>::from(Sha256::digest(body)) != stored.body_digest {
            return Err(differs());
        }
        let payload = keyring
            .open(context, &stored.header, body)
            .map_err(|error| refused(&error))?;
        let (salt, compressed) = payload.split_at_checked(SALT).ok_or_else(differs)?;
        let plaintext = decompress(compressed, length).map_err(|_| differs())?;
        if plaintext.len() != length
            || commitment(salt, &Sha256::digest(&plaintext)) != stored.commitment
        {
            return Err(differs());
        }
        Ok((salt.to_vec(), plaintext))
    }

    /// Opens and decompresses into a sink, piece by piece; the salt of the commitment and the SHA-256 of the plaintext, which is checked
    /// against both. What was written is authentic, and whether it is all of it, and of what was put, is known at the end: before an error
    /// it is to be discarded.
    pub(crate) fn pour(
        &self,
        keyring: &Keyring,
        context: &Context<'_>,
        stored: &Stored,
        size: u64,
        sink: &mut dyn Write,
    ) -> Result<(Vec<u8>, [u8; 32])> {
        let gone = |error: std::io::Error| {
            Error::tampered(format!("the stored bytes cannot be read: {error}")).because(error)
        };
        let source: Box<dyn Read + '_> = match &stored.body {
            Some(body) => Box::new(body.as_slice()),
            None => Box::new(fs::File::open(self.file(context.version)).map_err(gone)?),
        };
        let mut hash = Sha256::new();
        let source = TeeRead {
            inner: source,
            hash: &mut hash,
        };
        let mut decoder = Unsalt::new(Bounded {
            sink,
            left: size,
            hash: Sha256::new(),
        })
        .map_err(gone)?;
        keyring
            .open_stream(context, &stored.header, source, &mut decoder)
            .map_err(|error| refused(&error))?;
        let (salt, plaintext) = decoder.finish().map_err(gone)?;
        let digest: [u8; 32] = plaintext.hash.finalize().into();
        if <[u8; 32]>::from(hash.finalize()) != stored.body_digest
            || plaintext.left > 0
            || commitment(&salt, &digest) != stored.commitment
        {
            return Err(altered(context));
        }
        Ok((salt, digest))
    }
}

fn compress(plaintext: &[u8], payload: &mut Vec<u8>) -> Result<()> {
    thread_local! {
        // A compression context costs more to make than to use.
        static CONTEXT: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
    }
    let compressed = CONTEXT.with_borrow_mut(|context| {
        let context = match context {
            Some(context) => context,
            None => context.insert(zstd::bulk::Compressor::new(LEVEL)?),
        };
        context.compress(plaintext)
    });
    payload.extend_from_slice(&compressed.map_err(disk)?);
    Ok(())
}

fn decompress(compressed: &[u8], size: usize) -> std::io::Result<Vec<u8>> {
    thread_local! {
        static CONTEXT: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
    }
    CONTEXT.with_borrow_mut(|context| {
        let context = match context {
            Some(context) => context,
            None => context.insert(zstd::bulk::Decompressor::new()?),
        };
        context.decompress(compressed, size)
    })
}

/// Hashes what is written through it.
struct Tee<'a, W> {
    inner: W,
    hash: &'a mut Sha256,
}

impl<W: Write> Write for Tee<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

/// Hashes what is read through it.
struct TeeRead<'a, R> {
    inner: R,
    hash: &'a mut Sha256,
}

impl<R: Read> Read for TeeRead<'_, R> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.hash.update(bytes.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// Hashes what is written through it, up to a known length: an authentic stream cannot be longer.
struct Bounded<'a> {
    sink: &'a mut dyn Write,
    left: u64,
    hash: Sha256,
}

impl Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let left = self.left.checked_sub(bytes.len() as u64);
        self.left = left.ok_or_else(|| std::io::Error::other("more bytes than were put"))?;
        self.sink.write_all(bytes)?;
        self.hash.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.sink.flush()
    }
}

/// Splits the salt off a stream and decompresses the rest.
struct Unsalt<'a> {
    salt: Vec<u8>,
    decoder: zstd::stream::write::Decoder<'static, Bounded<'a>>,
}

impl<'a> Unsalt<'a> {
    fn new(sink: Bounded<'a>) -> std::io::Result<Self> {
        Ok(Self {
            salt: Vec::with_capacity(SALT),
            decoder: zstd::stream::write::Decoder::new(sink)?,
        })
    }

    fn finish(mut self) -> std::io::Result<(Vec<u8>, Bounded<'a>)> {
        self.decoder.flush()?;
        Ok((self.salt, self.decoder.into_inner()))
    }
}

impl Write for Unsalt<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let missing = SALT - self.salt.len();
        if missing > 0 {
            let taken = bytes.get(..missing.min(bytes.len())).unwrap_or_default();
            self.salt.extend_from_slice(taken);
            return Ok(taken.len());
        }
        self.decoder.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.decoder.flush()
    }
}
