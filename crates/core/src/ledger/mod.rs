//! The ledger of a house: one RFC 6962 log of everything that changed it.
//!
//! Leaves are written by the door, inside the transaction of the change. What
//! is here reads them, compares the database with them, shows them to the
//! outside in C2SP form, and remembers the head outside the database.
//!
//! Deliberately absent: any way to change or remove a leaf.

mod age;
mod anchor;
mod chain;
pub(crate) mod committed;
mod export;
mod live;
mod newest;
mod restore;
pub(crate) mod retained;
mod serve;
mod since;
pub(crate) mod sql;
mod stretch;

pub(crate) use age::first_since;
pub(crate) use anchor::Anchors;
pub(crate) use chain::Chain;
pub use export::export;
pub(crate) use export::export_shredded;
pub use live::{Difference, LiveReport, verify_live};
pub(crate) use newest::Followed;
pub use restore::accept_restore;
pub(crate) use restore::gave_up;
pub use serve::{Tile, checkpoint, publish, tile};
pub(crate) use since::{Concern, Since, leaf_of};
pub use stretch::Stretch;
pub(crate) use stretch::stretch;

use std::sync::{Mutex, PoisonError};

use secrecy::ExposeSecret;
use statehouse_ledger::Hash;
use statehouse_ledger::checkpoint::{Checkpoint, Memory};
use statehouse_ledger::note::{SignedNote, Signer};
use statehouse_model::HouseCode;
use statehouse_seal::Keyring;

use crate::error::{Error, Result};

/// The newest checkpoint of a house.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// How many leaves it covers.
    pub size: u64,
    /// The Merkle root over them.
    pub root: Hash,
    /// The log's origin line; it changes when a restore opens a new epoch.
    pub origin: String,
    /// The signed note, as C2SP tlog-checkpoint writes it.
    pub note: String,
}

/// The origin line of a house's log in its `epoch`-th life.
pub(crate) fn origin(site: &str, house: HouseCode, epoch: u32) -> String {
    format!("{}/{epoch}", key_name(site, house))
}

/// The name of a house's signing keys.
pub(crate) fn key_name(site: &str, house: HouseCode) -> String {
    format!("statehouse/{site}/{house}")
}

/// The signer of one of the keyring's epochs.
pub(crate) fn signer(name: &str, keyring: &Keyring, epoch: u32) -> Result<Signer> {
    let seed = keyring
        .signing_seed(epoch)
        .ok_or_else(|| Error::internal(format!("key epoch {epoch} is not open")))?;
    Signer::from_seed(name, seed.expose_secret())
        .map_err(|error| Error::internal(format!("ledger key: {error}")))
}

/// Reads a checkpoint that one of the keyring's epochs must have signed.
pub(crate) fn verified(note: &str, name: &str, keyring: &Keyring) -> Result<Checkpoint> {
    for epoch in keyring.epochs() {
        let signer = signer(name, keyring, epoch)?;
        if let Ok(checkpoint) = Checkpoint::verify(note.as_bytes(), signer.verifier()) {
            return Ok(checkpoint);
        }
    }
    Err(Error::tampered(
        "a stored checkpoint is not signed by any key of this house",
    ))
}

/// Reads a checkpoint that is remembered outside, and says whether a key that
/// the database knows has signed it. An older copy of the database does not
/// know the keys that came after it.
pub(crate) fn remembered(note: &str, name: &str, keyring: &Keyring) -> Result<(Checkpoint, bool)> {
    if let Ok(checkpoint) = verified(note, name, keyring) {
        return Ok((checkpoint, true));
    }
    let parsed = SignedNote::parse(note.as_bytes())
        .ok()
        .and_then(|note| Checkpoint::of(&note).ok());
    let parsed = parsed.ok_or_else(|| Error::tampered("the anchor is no signed checkpoint"))?;
    Ok((parsed, false))
}

/// What was signed last: a guard against signing a second history.
#[derive(Default)]
pub(crate) struct Signed(Mutex<Memory>);

impl Signed {
    pub(crate) fn of(head: Option<&Head>) -> Self {
        Self(Mutex::new(head.map_or_else(Memory::new, |head| {
            Memory::of(head.size, head.root)
        })))
    }

    pub(crate) fn offer(&self, size: u64, root: Hash) -> Result<()> {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memory
            .offer(size, root)
            .map_err(|error| Error::tampered(format!("the ledger would not grow: {error}")))
    }

    pub(crate) fn confirm(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .confirm();
    }

    /// Ends an offer whose commit was not answered, by the head that is stored.
    pub(crate) fn settle(&self, head: Option<&Head>) {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match head {
            Some(head) if memory.offered() == Some((head.size, head.root)) => memory.confirm(),
            _ => memory.forget(),
        }
    }

    pub(crate) fn forget(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .forget();
    }
}
