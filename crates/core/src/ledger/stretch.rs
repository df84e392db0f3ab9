//! The ledger, a stretch at a time, for whoever follows it leaf by leaf.

use statehouse_ledger::tile;

use super::sql;
use crate::error::{Error, Result};
use crate::record::Rows;

/// Leaves of one stretch, at most.
const LEAVES_MAX: u64 = 4096;

/// Some leaves, one after the other.
#[derive(Debug, Clone)]
pub struct Stretch {
    /// The leaves, as a bundle of entries (C2SP tlog-tiles).
    pub entries: Vec<u8>,
    /// The checkpoint over everything up to their end, where there is one.
    pub checkpoint: Option<String>,
    /// Whether that is the newest.
    pub is_newest: bool,
}

/// The leaves from the `from`th on, up to the next checkpoint that is kept: a new
/// key is vouched for by the one that the old key signed, too.
pub(crate) async fn stretch(rows: &mut Rows, from: u64) -> Result<Stretch> {
    let transaction = &mut rows.transaction;
    let head = sql::head_seen(transaction).await?;
    let head = head.ok_or_else(|| Error::not_found("ledger"))?;
    let most = from.saturating_add(LEAVES_MAX).min(head.size);
    let kept = sql::checkpoint_between(transaction, from, most).await?;
    let end = kept.as_ref().map_or(most, |kept| kept.size);
    // Who knows more than there is is shown the head, and sees that.
    let is_newest = end >= head.size || from >= head.size;
    let leaves = sql::leaves(transaction, from, end).await?;
    let bodies = leaves.iter().map(|leaf| leaf.body.as_bytes());
    Ok(Stretch {
        entries: tile::encode_entries(bodies)
            .map_err(|error| Error::internal(error.to_string()))?,
        checkpoint: if is_newest {
            Some(head.note)
        } else {
            kept.map(|kept| kept.note)
        },
        is_newest,
    })
}
