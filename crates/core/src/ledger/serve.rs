//! The ledger in C2SP form: checkpoints and tiles, as other people's tools
//! read them (<https://c2sp.org/tlog-tiles>).
//!
//! Everything here needs `ledger.read`, and reading entries is recorded. A
//! house may publish its checkpoint and its hash tiles; entries never.

use statehouse_ledger::Hash;
use statehouse_ledger::tile::{self, Kind};

use super::sql::{self, Setting};
use crate::core::Core;
use crate::ctx::Ctx;
use crate::door::{self, Entry, Outcome, Target, actions};
use crate::error::{Error, Result};
use crate::record::Rows;
pub use statehouse_ledger::tile::Tile;

actions! {
    /// Read checkpoints and hashes.
    ReadLedger = "ledger.read" needs LedgerRead;
    /// Read entries.
    ReadEntries = "ledger.entries" needs LedgerRead;
    /// Publish checkpoints and hash tiles, or stop.
    PublishLedger = "ledger.publish" needs LedgerPublish;
}

/// The setting that says whether hashes are published.
const PUBLISHED: &str = "ledger.published";

/// Publishes a house's checkpoint and hash tiles to everybody, or stops.
pub async fn publish(ctx: &Ctx, published: bool) -> Result<()> {
    let code = ctx.house().code();
    door::change(ctx, PublishLedger, Target::House, move |tx| {
        let setting = Setting {
            name: PUBLISHED.to_owned(),
            value: published.to_string(),
        };
        Box::pin(async move {
            tx.put(&setting).await?;
            Ok(Outcome::Recorded(
                (),
                Entry::new(code).fact("published", published),
            ))
        })
    })
    .await
}

/// The newest checkpoint of the house, a signed note.
pub async fn checkpoint(ctx: &Ctx) -> Result<String> {
    door::read(ctx, ReadLedger, &Target::House, |rows| {
        Box::pin(async move { note(rows).await })
    })
    .await
}

/// A tile of hashes or of entries; "not found" when the tree has not grown
/// that far.
pub async fn tile(ctx: &Ctx, tile: Tile) -> Result<Vec<u8>> {
    if tile.kind == Kind::Entries {
        let object = tile.to_string();
        ctx.house()
            .reads()
            .record(ctx, ReadEntries, &Target::House, &object)
            .await?;
    }
    door::read(ctx, ReadLedger, &Target::House, move |rows| {
        Box::pin(async move { bytes(rows, &tile).await })
    })
    .await
}

impl Core {
    /// The checkpoint of a house that publishes it, for anybody.
    pub async fn public_checkpoint(&self, code: statehouse_model::HouseCode) -> Result<String> {
        let mut rows = self.public(code).await?;
        let found = note(&mut rows).await;
        rows.transaction.rollback().await;
        found
    }

    /// A hash tile of a house that publishes them, for anybody.
    pub async fn public_tile(
        &self,
        code: statehouse_model::HouseCode,
        tile: Tile,
    ) -> Result<Vec<u8>> {
        if tile.kind == Kind::Entries {
            return Err(Error::not_found("ledger"));
        }
        let mut rows = self.public(code).await?;
        let found = bytes(&mut rows, &tile).await;
        rows.transaction.rollback().await;
        found
    }

    /// The rows of a house that publishes its hashes. There is no caller to
    /// ask the door for; the setting, an evidential row, is the permission.
    async fn public(&self, code: statehouse_model::HouseCode) -> Result<Rows> {
        if !self.knows(code).await? {
            return Err(Error::not_found("ledger"));
        }
        let house = self.house(code).await?;
        let mut rows = door::look(&house).await?;
        if sql::setting(&mut rows, PUBLISHED).await?.as_deref() != Some("true") {
            return Err(Error::not_found("ledger"));
        }
        Ok(rows)
    }
}

async fn note(rows: &mut Rows) -> Result<String> {
    let head = sql::head_seen(&mut rows.transaction).await?;
    Ok(head.ok_or_else(|| Error::not_found("ledger"))?.note)
}

async fn bytes(rows: &mut Rows, wanted: &Tile) -> Result<Vec<u8>> {
    let head = sql::head_seen(&mut rows.transaction)
        .await?
        .ok_or_else(|| Error::not_found("ledger"))?;
    let beyond = || Error::not_found("tile");
    match wanted.kind {
        Kind::Entries => {
            let start = wanted.index.checked_mul(256).ok_or_else(beyond)?;
            let end = start
                .checked_add(u64::from(wanted.width))
                .ok_or_else(beyond)?;
            if end > head.size {
                return Err(beyond());
            }
            let leaves = sql::leaves(&mut rows.transaction, start, end).await?;
            let bodies = leaves.iter().map(|leaf| leaf.body.as_bytes());
            tile::encode_entries(bodies).map_err(|error| Error::internal(error.to_string()))
        }
        Kind::Hashes(level) => {
            let hashes = hashes(rows, u64::from(level), wanted.index, head.size).await?;
            let hashes = hashes.get(..usize::from(wanted.width)).ok_or_else(beyond)?;
            Ok(tile::encode_hashes(hashes))
        }
    }
}

/// The hashes of a tile, as many as a tree of `size` leaves has.
async fn hashes(rows: &mut Rows, level: u64, index: u64, size: u64) -> Result<Vec<Hash>> {
    let transaction = &mut rows.transaction;
    if level > 0 {
        return Ok(sql::tile(transaction, level, index)
            .await?
            .unwrap_or_default());
    }
    let start = index
        .checked_mul(256)
        .ok_or_else(|| Error::not_found("tile"))?;
    if let Some(full) = sql::tile(transaction, 0, index).await? {
        return Ok(full);
    }
    sql::leaf_hashes(transaction, start, size.min(start.saturating_add(256))).await
}
