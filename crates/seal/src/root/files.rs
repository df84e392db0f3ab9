//! Small private files: written whole or not at all, read only when nobody else can read them.
//!
//! Directories have mode 0700 and files 0600. A file is published by linking a synced temporary file to
//! its name: unlike a rename, a link never replaces what is there, so two processes cannot both create.

use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;
use zeroize::Zeroizing;

use crate::RootError;
use crate::directory::make_directory;
use crate::gcm::random;

/// Longest file read, in bytes. Ours have less than 300; a longer one is not ours.
const LENGTH_MAX: u64 = 4096;

/// Creates a private directory, or checks that an existing one is private.
pub(super) fn open_directory(path: &Path) -> Result<(), RootError> {
    if !path.exists() || path.is_dir() {
        make_directory(path)?;
    }
    let metadata = fs::metadata(path)?;
    if !metadata.is_dir() {
        return Err(RootError::Damaged {
            place: path.display().to_string(),
            why: "it is not a directory; name another path".to_owned(),
        });
    }
    check_private(path, &metadata)
}

/// Writes a new file; false when the name is taken, which leaves that file as it is.
pub(super) fn publish(directory: &Path, name: &str, content: &[u8]) -> Result<bool, RootError> {
    let suffix = random::<8>().map_err(|_| RootError::Engine)?;
    let temporary = directory.join(format!(".{name}.{}.tmp", hex::encode(suffix.as_slice())));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    let linked = file
        .write_all(content)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::hard_link(&temporary, directory.join(name)));
    fs::remove_file(&temporary)?;
    match linked {
        Ok(()) => sync_directory(directory).map(|()| true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Reads a private file; `None` when there is none.
pub(super) fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, RootError> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    check_private(path, &file.metadata()?)?;
    let mut content = Zeroizing::new(Vec::with_capacity(1024));
    file.take(LENGTH_MAX).read_to_end(&mut content)?;
    Ok(Some(content))
}

/// Overwrites a file and removes it, together with temporary files that a crash left behind; false when
/// there was none. Disks that never write in place keep the old blocks: then only encryption of the
/// disk, or a hardware module, destroys them.
pub(super) fn shred(directory: &Path, name: &str) -> Result<bool, RootError> {
    let prefix = format!(".{name}.");
    let mut found = false;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let file = entry.file_name();
        let named = file == name;
        if named || file.to_string_lossy().starts_with(&prefix) {
            overwrite(&entry.path())?;
            fs::remove_file(entry.path())?;
            found |= named;
        }
    }
    sync_directory(directory)?;
    Ok(found)
}

fn overwrite(path: &Path) -> Result<(), RootError> {
    let mut file = fs::OpenOptions::new().write(true).open(path)?;
    let length = file.metadata()?.len().min(LENGTH_MAX);
    for filler in [0xff, 0x00] {
        file.rewind()?;
        std::io::copy(&mut std::io::repeat(filler).take(length), &mut file)?;
        file.sync_all()?;
    }
    Ok(())
}

fn sync_directory(path: &Path) -> Result<(), RootError> {
    Ok(fs::File::open(path)?.sync_all()?)
}

fn check_private(path: &Path, metadata: &std::fs::Metadata) -> Result<(), RootError> {
    let mode = metadata.permissions().mode() & 0o7777;
    let of_others = mode & 0o077;
    if of_others == 0 {
        return Ok(());
    }
    Err(RootError::Permissions {
        path: path.to_owned(),
        mode,
        directory: metadata.is_dir(),
    })
}
