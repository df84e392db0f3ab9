//! States that runners wrote and no server would take: copied out of a seat before it is wiped, sealed as they are, for a person to look at.
//!
//! The folder is the server's alone, and nothing in it is ever replaced.

use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;
use statehouse_runner::sandbox;

/// The folder, beside the seats.
const FOLDER: &str = "kept";
/// States of one run that are put aside: it writes one, and attempts are few.
const STATES_MAX: u32 = 1000;

/// Puts the state of a run aside. It is on disk, under a name of its own, when this returns.
pub(super) fn put_aside(seats: &Path, run: &str, sealed: &[u8]) -> io::Result<PathBuf> {
    sandbox::folder(seats)?;
    let folder = seats.join(FOLDER);
    own(&folder)?;
    for number in 1..=STATES_MAX {
        let path = folder.join(format!("{run}-{number}.sealed"));
        let opened = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        let mut file = match opened {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            opened => opened?,
        };
        file.write_all(sealed)?;
        file.sync_all()?;
        fs::File::open(&folder)?.sync_all()?;
        return Ok(path);
    }
    let words = format!("{} holds too many states of {run}", folder.display());
    Err(io::Error::new(ErrorKind::QuotaExceeded, words))
}

/// Makes a folder that is closed to everybody else; one that is there must be the server's own.
fn own(folder: &Path) -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => return made,
    }
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() {
        let words = format!("{} is no folder of this server's own", folder.display());
        return Err(io::Error::new(ErrorKind::PermissionDenied, words));
    }
    fs::set_permissions(folder, PermissionsExt::from_mode(0o700))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_put_aside_replaces_nothing_and_is_closed_to_others() {
        let place = tempfile::tempdir().unwrap();
        let seats = place.path().join("seats");
        let one = put_aside(&seats, "run-1", b"one").unwrap();
        let two = put_aside(&seats, "run-1", b"two").unwrap();
        assert_eq!(fs::read(one).unwrap(), b"one");
        assert_eq!(fs::read(two).unwrap(), b"two");
        let folder = seats.join(FOLDER);
        let mode = fs::metadata(&folder).unwrap().mode() & 0o777;
        assert_eq!(mode, 0o700);
        fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).unwrap();
        put_aside(&seats, "run-1", b"three").unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        fs::remove_dir_all(&folder).unwrap();
        fs::os::unix::fs::symlink(place.path(), &folder).unwrap();
        assert!(put_aside(&seats, "run-1", b"four").is_err());
    }
}
