//! Schemas of providers that runners of this server asked for before: for each house its own, so that what one wrote no other reads.
//!
//! A provider takes seconds to say them, and they are what its binary says: the runner names them by the digests of tool and
//! providers. Nothing depends on their being here.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use fs_err as fs;
use statehouse_runner::sandbox;

use crate::failure::Result;
use crate::files::Draft;

/// Sets of providers that are kept for a house: the newest.
const KEPT_MAX: usize = 16;
/// Letters of a key: SHA-256 in hex.
const KEY_LETTERS: usize = 64;

/// The schemas of all runners of a server.
pub(super) struct Schemas {
    folder: PathBuf,
    writing: Mutex<()>,
}

impl Schemas {
    /// Those in the directory where runners work.
    pub(super) fn of(runs: &Path) -> Self {
        Self {
            folder: runs.join("schemas"),
            writing: Mutex::default(),
        }
    }

    /// What is kept under a key.
    pub(super) fn find(&self, house: &str, key: &str) -> Option<Bytes> {
        let file = self.file(house, key)?;
        fs::read(file).ok().map(Bytes::from)
    }

    /// Keeps something under a key, in the place of what is oldest. What cannot be kept is asked for again.
    pub(super) fn keep(&self, house: &str, key: &str, bytes: &[u8]) {
        let one_at_a_time = self.writing.lock();
        let _one_at_a_time = one_at_a_time.unwrap_or_else(PoisonError::into_inner);
        let Some(file) = self.file(house, key) else {
            return;
        };
        if let Err(failure) = self.put(house, &file, bytes) {
            tracing::warn!(error = failure.message, "schemas of providers are not kept");
        }
    }

    fn file(&self, house: &str, key: &str) -> Option<PathBuf> {
        let is_key = key.len() == KEY_LETTERS && key.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_key.then(|| self.folder.join(house).join(key))
    }

    fn put(&self, house: &str, file: &Path, bytes: &[u8]) -> Result {
        let folder = self.folder.join(house);
        if let Some(runs) = self.folder.parent() {
            sandbox::folder(runs)?;
        }
        sandbox::folder(&self.folder)?;
        sandbox::folder(&folder)?;
        let mut kept = Vec::new();
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let written = entry.metadata()?.modified()?;
            kept.push((written, entry.path()));
        }
        kept.sort_unstable_by_key(|(written, _): &(SystemTime, PathBuf)| *written);
        let over = (kept.len() + 1).saturating_sub(KEPT_MAX);
        for (_, path) in kept.into_iter().take(over) {
            fs::remove_file(path)?;
        }
        let mut draft = Draft::of(file)?;
        draft.write_all(bytes)?;
        draft.keep()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn as_many_are_kept_as_are_of_use_and_each_house_has_its_own() {
        let runs = tempfile::tempdir().unwrap();
        let schemas = Schemas::of(runs.path());
        let key = |number: usize| format!("{number:064x}");
        assert_eq!(schemas.find("HouseA", &key(1)), None);
        for number in 1..=KEPT_MAX + 1 {
            schemas.keep("HouseA", &key(number), number.to_string().as_bytes());
            let file = schemas.file("HouseA", &key(number)).unwrap();
            let written = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(number as u64);
            fs::File::options()
                .write(true)
                .open(file)
                .unwrap()
                .set_modified(written)
                .unwrap();
        }
        assert_eq!(schemas.find("HouseA", &key(1)), None);
        assert_eq!(schemas.find("HouseA", &key(2)).unwrap(), "2");
        assert_eq!(schemas.find("HouseB", &key(2)), None);
        for odd in ["", "../HouseA/0", &"0/".repeat(32)] {
            schemas.keep("HouseB", odd, b"odd");
            assert_eq!(schemas.find("HouseB", odd), None);
        }
    }
}
