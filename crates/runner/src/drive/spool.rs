//! Where a state waits that the server has not taken yet: sealed, synced, one at
//! a time. The newest is the one that counts; it replaces the one before it.
//!
//! The key comes from the server, which can make it again: what a runner left
//! behind when it died is opened by whoever may accept it. Who opens it may be
//! root, and who left it a stranger: nothing is read through a link.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use fs_err as fs;

use crate::control::ControlError;
use crate::control::spooled::{Key, SEALED_BYTES_MAX};
use crate::sandbox::within;

pub use crate::control::spooled::{KEY_BYTES, STATE_BYTES_MAX};

/// Where the spool is, in a seat.
pub(crate) const FOLDER: &str = "spool";
/// The file that waits.
const FILE: &str = "state.sealed";
/// The file that says whose it is.
const RUN: &str = "run";
/// Longest id of a run, in bytes.
const RUN_BYTES_MAX: u64 = 256;
/// How often a server that cannot be reached is asked again, and for how long.
const PAUSE: Duration = Duration::from_secs(5);
const PAUSES_MAX: u32 = 360;

/// The place of one waiting state.
pub struct Spool {
    folder: PathBuf,
    key: Key,
    waiting: Option<Bytes>,
    pauses: u32,
}

impl Spool {
    /// The spool of a run, in a folder that must be there.
    pub fn new(folder: &Path, key: &[u8; KEY_BYTES], run: &str) -> std::io::Result<Self> {
        // Synced, because a state whose owner is not known is of no use.
        let mut owner = fs::File::create(folder.join(RUN))?;
        owner.write_all(run.as_bytes())?;
        owner.sync_all()?;
        Ok(Self {
            folder: folder.to_owned(),
            key: Key::new(key)?,
            waiting: None,
            pauses: 0,
        })
    }

    /// Keeps a state: it is on disk when this returns. Where that fails it waits all the same, for as long as this process lives.
    pub fn keep(&mut self, state: &Bytes) -> std::io::Result<()> {
        self.waiting = Some(state.clone());
        let sealed = self.key.seal(state)?;
        let (path, new) = (self.folder.join(FILE), self.folder.join("state.new"));
        let mut file = fs::File::create(&new)?;
        file.write_all(&sealed)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        fs::File::open(&self.folder)?.sync_all()
    }

    /// The server has it.
    pub fn taken(&mut self) {
        self.waiting = None;
        self.pauses = 0;
        fs::remove_file(self.folder.join(FILE)).ok();
    }

    /// What the server has not taken.
    pub fn waiting(&self) -> Option<Bytes> {
        self.waiting.clone()
    }

    /// Waits before the server is asked again; in the end it is given up, and
    /// the file stays.
    pub(crate) async fn wait(&mut self) -> Result<(), ControlError> {
        self.pauses += 1;
        if self.pauses > PAUSES_MAX {
            let words = "the server did not come back; the state stays with this runner";
            return Err(ControlError::Lost(std::io::Error::other(words)));
        }
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }
}

/// Whose state waits in a seat; `None` where none does.
pub fn run_of(seat: &Path) -> std::io::Result<Option<String>> {
    if !waits(seat)? {
        return Ok(None);
    }
    let run = within::read(seat, &Path::new(FOLDER).join(RUN), RUN_BYTES_MAX)?;
    let run = String::from_utf8(run).map_err(std::io::Error::other)?;
    Ok(Some(run))
}

/// Whether anything lies where a state waits in a seat.
pub fn waits(seat: &Path) -> std::io::Result<bool> {
    match fs::symlink_metadata(seat.join(FOLDER).join(FILE)) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// What a runner left behind in a seat, as it lies there.
pub fn sealed(seat: &Path) -> std::io::Result<Vec<u8>> {
    within::read(seat, &Path::new(FOLDER).join(FILE), SEALED_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn seat() -> (tempfile::TempDir, PathBuf) {
        let seat = tempfile::tempdir().unwrap();
        let folder = seat.path().join(FOLDER);
        fs::create_dir(&folder).unwrap();
        (seat, folder)
    }

    #[test]
    fn what_waits_is_sealed_and_opens_with_its_key_alone() {
        let (seat, folder) = seat();
        let key = [7; KEY_BYTES];
        let mut spool = Spool::new(&folder, &key, "run-1").unwrap();
        assert_eq!(run_of(seat.path()).unwrap(), None);
        let state = Bytes::from_static(b"{\"serial\": 1, \"secret\": \"hunter2hunter2\"}");
        spool.keep(&state).unwrap();
        let on_disk = sealed(seat.path()).unwrap();
        assert!(
            !on_disk
                .windows(14)
                .any(|window| window == b"hunter2hunter2")
        );
        assert_eq!(run_of(seat.path()).unwrap().unwrap(), "run-1");
        assert_eq!(Key::new(&key).unwrap().open(&on_disk).unwrap(), state);
        assert_eq!(spool.waiting(), Some(state));
        spool.taken();
        assert!(!waits(seat.path()).unwrap());
    }

    #[test]
    fn a_link_in_the_place_of_what_waits_is_an_error_and_not_followed() {
        let (seat, folder) = seat();
        let seat = seat.path();
        fs::create_dir(seat.join("other")).unwrap();
        fs::write(seat.join("other").join(FILE), "of somebody else").unwrap();
        let target = Path::new("../other").join(FILE);
        fs::os::unix::fs::symlink(&target, folder.join(FILE)).unwrap();
        assert!(run_of(seat).is_err());
        assert!(sealed(seat).is_err());
        fs::remove_file(folder.join(FILE)).unwrap();
        fs::write(folder.join(FILE), "sealed").unwrap();
        fs::os::unix::fs::symlink(target, folder.join(RUN)).unwrap();
        assert!(run_of(seat).is_err());
        assert_eq!(sealed(seat).unwrap(), b"sealed");
        fs::remove_dir_all(&folder).unwrap();
        fs::os::unix::fs::symlink("other", &folder).unwrap();
        assert!(waits(seat).unwrap());
        assert!(sealed(seat).is_err());
    }
}
