//! A folder, made into an archive.

use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use statehouse_terraform::slug::{Ignore, Limits, belongs};
use tar::{Builder, EntryType, Header};

/// A list of rules is a page; beyond this it is something else under that name.
const IGNORE_BYTES_MAX: u64 = 1 << 20;

/// What went into an archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// Plain files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Why a folder cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// Reading the folder or writing the archive failed; the error names the path.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A link leads out.
    #[error(
        "{path} is a link out of the folder, to {target}; put what it leads to inside, or name it in .terraformignore"
    )]
    Escapes {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// A name that is no text.
    #[error("{0} has a name that is not UTF-8; rename it, or name its folder in .terraformignore")]
    Name(PathBuf),
    /// A socket, device or pipe.
    #[error("{0} is no file, folder or link; name it in .terraformignore")]
    Kind(PathBuf),
    /// It was written to while it was read.
    #[error("{0} changed while it was packed; try again when nothing writes to it")]
    Changed(PathBuf),
    /// The server would refuse it.
    #[error(
        "the folder holds more than {entries} entries or {bytes} bytes; name what is not needed in .terraformignore"
    )]
    Large {
        /// The limit of entries.
        entries: u64,
        /// The limit of bytes.
        bytes: u64,
    },
}

/// Packs `folder`, as far as it belongs to a configuration and its `.terraformignore` says nothing else, into `out`.
pub fn pack(folder: &Path, out: impl Write, limits: &Limits) -> Result<Packed, PackError> {
    let root = fs_err::canonicalize(folder)?;
    let encoder = GzEncoder::new(out, Compression::default());
    let mut pack = Pack {
        ignore: rules(&root)?,
        root,
        limits,
        entries: 0,
        packed: Packed::default(),
        builder: Builder::new(encoder),
    };
    pack.folder("")?;
    pack.builder.into_inner()?.finish()?.flush()?;
    Ok(pack.packed)
}

fn rules(root: &Path) -> io::Result<Ignore> {
    let path = root.join(".terraformignore");
    let file = match fs_err::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Ignore::default()),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    file.take(IGNORE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(Ignore::parse(&text))
}

struct Pack<'a, W: Write> {
    root: PathBuf,
    ignore: Ignore,
    limits: &'a Limits,
    entries: u64,
    packed: Packed,
    builder: Builder<GzEncoder<W>>,
}

impl<W: Write> Pack<'_, W> {
    /// Packs what is in a folder, sorted by name. Deeper than the limit there is nothing that the server would take.
    fn folder(&mut self, folder: &str) -> Result<(), PackError> {
        if folder.split('/').count() > self.limits.depth_max {
            return Err(self.large());
        }
        let mut names = Vec::new();
        for entry in fs_err::read_dir(self.root.join(folder))? {
            let name = entry?.file_name();
            let name = name.into_string();
            names.push(name.map_err(|name| PackError::Name(self.root.join(folder).join(name)))?);
        }
        names.sort_unstable();
        for name in names {
            let path = match folder {
                "" => name,
                folder => format!("{folder}/{name}"),
            };
            self.entry(&path)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &str) -> Result<(), PackError> {
        let full = self.root.join(path);
        let kind = fs_err::symlink_metadata(&full)?.file_type();
        let folder = kind.is_dir();
        if !belongs(path, folder) {
            return Ok(());
        }
        // What is in an ignored folder may have been taken back.
        if self.ignore.ignores(path, folder) {
            return if folder { self.folder(path) } else { Ok(()) };
        }
        self.entries += 1;
        if self.entries > self.limits.entries_max {
            return Err(self.large());
        }
        if folder {
            self.append(header(EntryType::Directory, 0o755, 0), path, io::empty())?;
            self.folder(path)
        } else if kind.is_symlink() {
            self.link(path, &full)
        } else if kind.is_file() {
            self.file(path, &full)
        } else {
            Err(PackError::Kind(full))
        }
    }

    fn file(&mut self, path: &str, full: &Path) -> Result<(), PackError> {
        let file = fs_err::File::open(full)?;
        let metadata = file.metadata()?;
        let bytes = metadata.len();
        let executable = metadata.permissions().mode() & 0o100 != 0;
        let mode = if executable { 0o755 } else { 0o644 };
        self.packed.files += 1;
        self.packed.bytes += bytes;
        if self.packed.bytes > self.limits.unpacked_bytes_max {
            return Err(self.large());
        }
        let mut content = file.take(bytes);
        self.append(header(EntryType::Regular, mode, bytes), path, &mut content)?;
        let more = content.into_inner().read(&mut [0])?;
        if more > 0 || fs_err::symlink_metadata(full)?.len() != bytes {
            return Err(PackError::Changed(full.to_owned()));
        }
        Ok(())
    }

    /// Packs a link as it is, if it leads to something inside.
    fn link(&mut self, path: &str, full: &Path) -> Result<(), PackError> {
        let target = fs_err::read_link(full)?;
        let end = fs_err::canonicalize(full).ok();
        let inside = end.is_some_and(|end| end.starts_with(&self.root));
        if target.is_absolute() || !inside {
            let path = full.to_owned();
            return Err(PackError::Escapes { path, target });
        }
        let mut header = header(EntryType::Symlink, 0o777, 0);
        Ok(self.builder.append_link(&mut header, path, &target)?)
    }

    fn append(&mut self, mut header: Header, path: &str, content: impl Read) -> io::Result<()> {
        self.builder.append_data(&mut header, path, content)
    }

    fn large(&self) -> PackError {
        PackError::Large {
            entries: self.limits.entries_max,
            bytes: self.limits.unpacked_bytes_max,
        }
    }
}

/// A header without a time or an owner.
fn header(kind: EntryType, mode: u32, bytes: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(bytes);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}
