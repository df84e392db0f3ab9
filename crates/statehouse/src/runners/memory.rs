//! What runners of this server remember of the ledgers of its houses, in a directory of their own: neither in the database, nor beside the
//! anchors, nor in a backup. Whoever puts all of those back to yesterday together does not put this back.
//!
//! Only kept here: what is worth believing the runner decides (`runner::drive::witness`).

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use fs_err as fs;
use statehouse_ledger::follow::Follower;
use statehouse_runner::sandbox;

use crate::failure::Result;
use crate::files::Draft;

/// The memory of all runners of a server.
pub(super) struct Memory {
    folder: PathBuf,
    writing: Mutex<()>,
}

impl Memory {
    /// The one in the directory where runners work.
    pub(super) fn of(runs: &Path) -> Self {
        Self {
            folder: runs.join("memory"),
            writing: Mutex::default(),
        }
    }

    /// What is remembered of a house.
    pub(super) fn recall(&self, house: &str) -> Result<Option<Bytes>, String> {
        match fs::read(self.folder.join(house)) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unusable(&error)),
        }
    }

    /// Remembers something in place of what had `known` leaves. Where another runner came before, the longer of both stays.
    pub(super) fn remember(&self, house: &str, known: u64, bytes: &[u8]) -> Result<(), String> {
        let one_at_a_time = self.writing.lock();
        let _one_at_a_time = one_at_a_time.unwrap_or_else(PoisonError::into_inner);
        let size = |bytes: &[u8]| Follower::parse(bytes).map(|follower| follower.size());
        let new = size(bytes).map_err(|error| error.to_string())?;
        let now = match self.recall(house)? {
            Some(now) => size(&now).map_err(|error| unusable(&error))?,
            None => 0,
        };
        if now != known && now >= new {
            return Ok(());
        }
        let written = self.write(house, bytes);
        written.map_err(|failure| unusable(&failure.message))
    }

    fn write(&self, house: &str, bytes: &[u8]) -> Result {
        if let Some(runs) = self.folder.parent() {
            sandbox::folder(runs)?;
        }
        sandbox::folder(&self.folder)?;
        let mut draft = Draft::of(&self.folder.join(house))?;
        draft.write_all(bytes)?;
        draft.keep()
    }
}

fn unusable(error: &dyn std::fmt::Display) -> String {
    format!("what runners remember of the ledger: {error}")
}
