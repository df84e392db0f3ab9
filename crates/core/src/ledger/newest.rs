//! Which version of each state is the newest, by the leaves and not by the rows.
//!
//! A row of a workspace that somebody took from an older copy of the database is genuine, and names an older version as the current one. What
//! the leaves say is followed in memory: what this process commits is taken as it is committed, and what others did is read, hash by hash, and
//! believed under the signed checkpoint alone. How far that came is kept beside the anchor, so that a start need not read every leaf.

use std::sync::Arc;

use statehouse_ledger::follow::{Follower, Newest, Refused};
use statehouse_ledger::tile;
use statehouse_model::WorkspaceId;
use tokio::sync::Mutex;

use super::{Anchors, Head, sql, stretch};
use crate::error::{Error, Result};
use crate::house::{Base, House};
use crate::record::Rows;

/// Leaves after which what is known is written down again.
const KEEP_EVERY: u64 = if cfg!(test) { 4 } else { 4096 };

/// What a process knows of the newest versions in a house.
#[derive(Default)]
pub(crate) struct Followed(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// `None` until somebody asks, or a new house writes its first leaf.
    follower: Option<Follower>,
    /// How much of it is written down.
    kept: u64,
}

fn refused(error: &Refused) -> Error {
    Error::tampered(format!("the ledger cannot be followed: {error}"))
}

impl Followed {
    /// Takes leaves that this process has just committed, the first of which is the `from`th. Somebody who is behind, or is reading, reads them
    /// later.
    pub(crate) fn committed(&self, from: u64, leaves: &[Vec<u8>], head: &Head) {
        let Ok(mut known) = self.0.try_lock() else {
            return;
        };
        if from == 0 && known.follower.is_none() {
            known.follower = Some(Follower::new());
        }
        let Some(follower) = known.follower.as_mut() else {
            return;
        };
        if follower.size() != from {
            return;
        }
        let taken = leaves.iter().try_for_each(|leaf| follower.take(leaf));
        let taken = taken.and_then(|()| {
            // A new key is vouched for by this checkpoint, before another one comes.
            if follower.awaits_checkpoint() {
                follower.believe(head.note.as_bytes())
            } else {
                Ok(())
            }
        });
        if let Err(error) = taken {
            tracing::error!(%error, "the ledger that was written is not followed; it is read again");
            known.follower = None;
        }
    }

    /// Writes down how far the ledger was followed, where that is worth it. Blocks.
    pub(crate) fn keep(&self, base: &Base, anchors: &Anchors, head: &Head) {
        let Ok(mut known) = self.0.try_lock() else {
            return;
        };
        let kept = known.kept;
        let Some(follower) = known.follower.as_mut() else {
            return;
        };
        let size = follower.size();
        if size != head.size || size.saturating_sub(kept) < KEEP_EVERY {
            return;
        }
        let written = match follower.believe(head.note.as_bytes()) {
            Ok(()) => anchors.remember(base.code, &follower.to_bytes()),
            Err(error) => Err(refused(&error)),
        };
        match written {
            Ok(()) => known.kept = size,
            Err(error) => {
                tracing::warn!(house = %base.code, %error, "how far the ledger was followed was not written down");
            }
        }
    }

    /// Gives up what is known, so that it is read again: another process may have accepted a restore.
    pub(crate) async fn forget(&self) {
        self.0.lock().await.follower = None;
    }

    /// The newest version of a workspace when at least `size` leaves are known; `None` where it never had one.
    pub(crate) async fn of(
        &self,
        house: &Arc<House>,
        workspace: &WorkspaceId,
        size: u64,
    ) -> Result<Option<Newest>> {
        let mut known = self.0.lock().await;
        // Taken out: half of what was read is no state to go on from.
        let follower = match known.follower.take() {
            None => {
                let (follower, kept) = recalled(house).await?;
                known.kept = kept;
                follower
            }
            Some(mut follower) => {
                if follower.size() < size {
                    follow(house, &mut follower).await?;
                }
                follower
            }
        };
        let newest = follower.newest(workspace.as_str()).cloned();
        known.follower = Some(follower);
        Ok(newest)
    }
}

/// What was written down, brought up to date; from the first leaf on where that is not of this ledger. That the ledger is not an older one is
/// known by then: a house is held against its anchor when it is opened, and here against what this process knows since.
async fn recalled(house: &Arc<House>) -> Result<(Follower, u64)> {
    require_not_older(house).await?;
    let (anchors, code) = (house.anchors().clone(), house.code());
    let read = tokio::task::spawn_blocking(move || anchors.recall(code)).await;
    let read = read.map_err(|error| Error::internal(format!("reading a memory: {error}")))??;
    if let Some(bytes) = read {
        match Follower::parse(&bytes) {
            Ok(mut follower) => {
                let kept = follower.size();
                match follow(house, &mut follower).await {
                    Ok(()) => return Ok((follower, kept)),
                    Err(error) => {
                        tracing::warn!(house = %code, %error, "what was followed of the ledger is not of this one; it is read from its first leaf");
                    }
                }
            }
            Err(error) => {
                tracing::warn!(house = %code, %error, "the ledger is read from its first leaf");
            }
        }
    }
    let mut follower = Follower::new();
    follow(house, &mut follower).await?;
    Ok((follower, 0))
}

/// Whoever puts the whole database back while the server runs is not believed. A restore that was accepted has another origin.
async fn require_not_older(house: &Arc<House>) -> Result<()> {
    let known = house.head();
    let mut transaction = house.database().begin_read().await?;
    let head = sql::head_seen(&mut transaction).await;
    transaction.rollback().await;
    let (Some(known), Some(head)) = (known, head?) else {
        return Ok(());
    };
    if head.origin != known.origin || head.size >= known.size {
        return Ok(());
    }
    let words = format!(
        "the ledger has {} entries, and had {} while this server ran: it was rolled back",
        head.size, known.size
    );
    Err(Error::tampered(words))
}

/// Takes every leaf up to the newest checkpoint, and believes that.
async fn follow(house: &Arc<House>, follower: &mut Follower) -> Result<()> {
    loop {
        let from = follower.size();
        let transaction = house.database().begin_read().await?;
        let mut rows = Rows::new(transaction, house.keyring());
        let read = stretch(&mut rows, from).await;
        rows.transaction.rollback().await;
        let read = read?;
        let entries = tile::parse_entries(&read.entries);
        for entry in entries.map_err(|error| Error::tampered(error.to_string()))? {
            follower.take(entry).map_err(|error| refused(&error))?;
        }
        if let Some(note) = &read.checkpoint {
            let believed = follower.believe(note.as_bytes());
            believed.map_err(|error| refused(&error))?;
            if read.is_newest {
                return Ok(());
            }
        }
        if follower.size() == from {
            return Err(Error::tampered("the ledger does not go on"));
        }
    }
}
