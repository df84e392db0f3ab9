//! Configurations between an archive and a disk.
//!
//! [`unpack`] writes what [`statehouse_terraform::slug::walk`] lets through into a folder that it makes itself: files are created and never opened, with mode
//! 0644 or 0755, and links come last, when each was followed on paper and stays inside. When anything is refused nothing is left.
//! [`pack`] makes the archive that the command line sends: sorted, without times and owners, so that the same files are the same bytes.
//!
//! Deliberately absent: other people's links. What leads out of the folder is refused with its name when it is packed; terraform would
//! copy what it leads to, and so send files that nobody meant to send.

mod pack;
#[cfg(test)]
mod tests;

use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use statehouse_terraform::slug::{Contents, Limits, Receive, SlugError, walk};

pub use pack::{PackError, Packed, pack};

/// How much of a file is copied at once.
const COPY_BYTES: usize = 64 * 1024;

/// Unpacks an archive into `folder`, which must not exist and whose parent must be nobody else's to write.
pub fn unpack(reader: impl Read, folder: &Path, limits: &Limits) -> Result<Contents, SlugError> {
    fs_err::create_dir(folder)?;
    let mut disk = Disk {
        root: folder.to_owned(),
        buffer: vec![0; COPY_BYTES],
    };
    let unpacked = walk(reader, limits, &mut disk).and_then(|contents| {
        for (path, target) in contents.links() {
            symlink(target, folder.join(path)).map_err(|error| about(&folder.join(path), error))?;
        }
        Ok(contents)
    });
    if unpacked.is_err() {
        fs_err::remove_dir_all(folder)?;
    }
    unpacked
}

/// A folder that grows. Paths come checked and in order; there is no link to follow yet.
struct Disk {
    root: PathBuf,
    buffer: Vec<u8>,
}

impl Receive for Disk {
    fn folder(&mut self, path: &str) -> io::Result<()> {
        fs_err::create_dir(self.root.join(path))
    }

    fn file(&mut self, path: &str, executable: bool, content: &mut dyn Read) -> io::Result<()> {
        let path = self.root.join(path);
        let mode = if executable { 0o755 } else { 0o644 };
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true).mode(mode);
        let mut file = options.open(&path).map_err(|error| about(&path, error))?;
        copy(content, &mut file, &mut self.buffer).map_err(|error| about(&path, error))
    }
}

/// `io::copy` with a buffer that is made once.
fn copy(from: &mut dyn Read, to: &mut dyn io::Write, buffer: &mut [u8]) -> io::Result<()> {
    loop {
        let count = match from.read(buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        to.write_all(buffer.get(..count).unwrap_or_default())?;
    }
}

/// The error with the path that it is about.
fn about(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
