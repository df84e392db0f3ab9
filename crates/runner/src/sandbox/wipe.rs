//! Removes a directory that a stranger filled.
//!
//! It may be nested deeper than a path is long or a stack is deep, and hold directories that not even their owner may open.
//! Links are removed, never followed. Absent on purpose: overwriting; what must not be read from a disk is sealed before.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use fs_err as fs;
use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, chmodat, openat, renameat, unlinkat};
use rustix::io::Errno;

/// Directories below this depth are first moved to the top: each level costs an open file and some stack.
const DEPTH_MAX: u32 = 64;

/// Removes a directory and everything in it. If it is not there, nothing is done.
///
/// # Errors
///
/// What could not be removed, with the directory's path.
pub(crate) fn wipe(path: &Path) -> io::Result<()> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let named = |error: io::Error| {
        io::Error::new(error.kind(), format!("wiping {}: {error}", path.display()))
    };
    let top = descend(CWD, path).map_err(|error| named(error.into()))?;
    let mut sweep = Sweep {
        top,
        lifted: 0,
        moved: true,
    };
    while sweep.moved {
        sweep.moved = false;
        let top = sweep.top.try_clone().map_err(named)?;
        sweep.empty(&top, 0).map_err(named)?;
    }
    fs::remove_dir(path)
}

/// Opens a directory that may be closed to its owner.
fn descend<P: rustix::path::Arg + Copy>(parent: impl AsFd, name: P) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(&parent, name, flags, Mode::empty()) {
        Err(Errno::ACCESS) => {
            chmodat(&parent, name, Mode::RWXU, AtFlags::empty())?;
            openat(&parent, name, flags, Mode::empty())
        }
        opened => opened,
    }
}

struct Sweep {
    top: OwnedFd,
    lifted: u64,
    moved: bool,
}

impl Sweep {
    fn empty(&mut self, directory: &OwnedFd, depth: u32) -> io::Result<()> {
        // Fails for somebody else's directory; then what follows says so.
        let _ = rustix::fs::fchmod(directory, Mode::RWXU);
        for name in names(directory)? {
            match unlinkat(directory, &*name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(Errno::ISDIR | Errno::PERM) if depth < DEPTH_MAX => {
                    let below = descend(directory, &*name)?;
                    self.empty(&below, depth + 1)?;
                    unlinkat(directory, &*name, AtFlags::REMOVEDIR)?;
                }
                Err(Errno::ISDIR | Errno::PERM) => self.lift(directory, &name)?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn lift(&mut self, directory: &OwnedFd, name: &CString) -> io::Result<()> {
        // A directory that changes its parent must be open to its owner.
        descend(directory, &**name)?;
        loop {
            let new = format!(".lifted-{}", self.lifted);
            self.lifted += 1;
            match renameat(directory, &**name, &self.top, new.as_str()) {
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                moved => {
                    self.moved = true;
                    return moved.map_err(io::Error::from);
                }
            }
        }
    }
}

fn names(directory: &OwnedFd) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use rustix::fs::mkdirat;

    use super::*;

    #[test]
    fn a_directory_nested_beyond_any_path_is_wiped() {
        let place = tempfile::tempdir().unwrap();
        let top = place.path().join("work");
        fs::create_dir(&top).unwrap();
        fs::create_dir(top.join(".lifted-0")).unwrap();
        fs::write(top.join(".lifted-0/in the way"), "").unwrap();
        let mut directory = descend(CWD, &*top).unwrap();
        for _ in 0..5000 {
            mkdirat(&directory, "d", Mode::RWXU).unwrap();
            directory = descend(&directory, "d").unwrap();
        }
        wipe(&top).unwrap();
        assert!(!top.exists());
        wipe(&top).unwrap();
    }

    #[test]
    fn links_are_removed_and_never_followed() {
        let place = tempfile::tempdir().unwrap();
        let (kept, top) = (place.path().join("kept"), place.path().join("work"));
        fs::create_dir_all(top.join("closed/below")).unwrap();
        fs::create_dir(&kept).unwrap();
        fs::write(kept.join("file"), "kept").unwrap();
        fs::os::unix::fs::symlink(&kept, top.join("closed/link")).unwrap();
        fs::set_permissions(top.join("closed"), PermissionsExt::from_mode(0o0)).unwrap();
        wipe(&top).unwrap();
        assert!(!top.exists());
        assert_eq!(fs::read_to_string(kept.join("file")).unwrap(), "kept");
        fs::os::unix::fs::symlink(&kept, &top).unwrap();
        assert!(wipe(&top).is_err());
        assert!(kept.join("file").exists());
    }
}
