//! Where a state waits that the server has not taken yet: sealed, synced, one at
//! a time. The newest is the one that counts; it replaces the one before it.
//!
//! The key comes from the server, which can make it again: what a runner left
//! behind when it died is opened by whoever may accept it. Who opens it may be
//! root, and who left it a stranger: nothing is read through a link.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use bytes::Bytes;
use fs_err as fs;

use crate::control::ControlError;
use crate::sandbox::within;

/// Where the spool is, in a seat.
pub(crate) const FOLDER: &str = "spool";
/// The file that waits.
const FILE: &str = "state.sealed";
/// The file that says whose it is.
const RUN: &str = "run";
/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
/// Longest state, in bytes: what the server takes.
pub const STATE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Longest file: a state, a nonce and a tag.
const FILE_BYTES_MAX: u64 = STATE_BYTES_MAX + 64;
/// Longest id of a run, in bytes.
const RUN_BYTES_MAX: u64 = 256;
/// How often a server that cannot be reached is asked again, and for how long.
const PAUSE: Duration = Duration::from_secs(5);
const PAUSES_MAX: u32 = 360;

/// The place of one waiting state.
pub struct Spool {
    folder: PathBuf,
    key: LessSafeKey,
    waiting: Option<Bytes>,
    pauses: u32,
}

fn unsealed(_: aws_lc_rs::error::Unspecified) -> std::io::Error {
    std::io::Error::other("the spooled state does not open, or cannot be sealed")
}

fn key_of(key: &[u8; KEY_BYTES]) -> std::io::Result<LessSafeKey> {
    let key = UnboundKey::new(&AES_256_GCM, key).map_err(unsealed)?;
    Ok(LessSafeKey::new(key))
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
            key: key_of(key)?,
            waiting: None,
            pauses: 0,
        })
    }

    /// Keeps a state: it is on disk when this returns. Where that fails it waits all the same, for as long as this process lives.
    pub fn keep(&mut self, state: &Bytes) -> std::io::Result<()> {
        self.waiting = Some(state.clone());
        let mut nonce = [0; NONCE_BYTES];
        aws_lc_rs::rand::fill(&mut nonce).map_err(unsealed)?;
        let mut body = state.to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        self.key
            .seal_in_place_append_tag(unique, Aad::from(FILE), &mut body)
            .map_err(unsealed)?;
        let (path, new) = (self.folder.join(FILE), self.folder.join("state.new"));
        let mut file = fs::File::create(&new)?;
        file.write_all(&nonce)?;
        file.write_all(&body)?;
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
    within::read(seat, &Path::new(FOLDER).join(FILE), FILE_BYTES_MAX)
}

/// Opens what a runner left behind in a seat.
pub fn opened(sealed: &[u8], key: &[u8; KEY_BYTES]) -> std::io::Result<Vec<u8>> {
    let short = || unsealed(aws_lc_rs::error::Unspecified);
    let (nonce, body) = sealed.split_at_checked(NONCE_BYTES).ok_or_else(short)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(unsealed)?;
    let mut body = body.to_vec();
    let plain = key_of(key)?
        .open_in_place(nonce, Aad::from(FILE), &mut body)
        .map_err(unsealed)?;
    Ok(plain.to_vec())
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
        assert_eq!(opened(&on_disk, &key).unwrap(), state);
        assert!(opened(&on_disk, &[8; KEY_BYTES]).is_err());
        assert!(opened(b"short", &key).is_err());
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
