//! What runs beside the operations of a house: its writer, what follows its
//! commits, and the broom.

use std::sync::Arc;
use std::time::Duration;

use statehouse_model::HouseCode;
use tokio::sync::mpsc;

use super::Base;
use crate::blob::Blobs;
use crate::door::Writer;
use crate::error::{Error, Result};
use crate::fault::{Fault, Point};
use crate::ledger::{Anchors, Head};
use crate::record::Rows;

/// The anchor and the site log hear of a house at most this often.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);
/// Uploads take minutes at most; a body without a row is left over after a day.
const DAY_US: u64 = 24 * 3600 * 1_000_000;

/// SQLite's calls block, and their latency is the disk's: its writer has a
/// thread of its own. PostgreSQL's are awaited, like any other.
pub(super) fn spawn_writer(writer: Writer, code: HouseCode, shared: bool) -> Result<()> {
    let runtime = tokio::runtime::Handle::current();
    if shared {
        runtime.spawn(writer.run());
        return Ok(());
    }
    let run = move || runtime.block_on(writer.run());
    let thread = std::thread::Builder::new()
        .name(format!("writer-{code}"))
        .stack_size(1 << 20);
    thread
        .spawn(run)
        .map(drop)
        .map_err(|error| Error::unavailable(format!("no thread for the writer: {error}")))
}

/// Follows the commits: anchor first, then the site's log.
pub(super) async fn follow(
    base: Arc<Base>,
    anchors: Anchors,
    witness: Option<mpsc::UnboundedSender<(HouseCode, Head)>>,
) {
    let mut heads = base.head.subscribe();
    while heads.changed().await.is_ok() {
        let Some(head) = heads.borrow_and_update().clone() else {
            continue;
        };
        let (code, anchors, anchored) = (base.code, anchors.clone(), head.clone());
        let following = base.clone();
        let wrote = tokio::task::spawn_blocking(move || {
            let wrote = anchors.write(code, &anchored);
            following.followed.keep(&following, &anchors, &anchored);
            wrote
        })
        .await;
        match wrote {
            Ok(Err(error)) => tracing::error!(house = %code, %error, "the anchor was not written"),
            Ok(Ok(())) if base.faults.at(Point::Anchored).await == Fault::Stop => return,
            _ => {}
        }
        if let Some(witness) = &witness {
            witness.send((code, head)).ok();
        }
        tokio::time::sleep(FOLLOW_EVERY).await;
    }
}

/// Removes what stops left behind; a failure is only told.
pub(super) async fn sweep(base: Arc<Base>, blobs: Blobs) {
    if let Err(error) = remove_left_over(&base, blobs).await {
        tracing::warn!(house = %base.code, %error, "left-over bodies were not removed");
    }
}

/// Removes bodies that a stop left without a row, a day after: by then no
/// upload of any process is still on its way to its row.
async fn remove_left_over(base: &Base, blobs: Blobs) -> Result<()> {
    let transaction = base.database.begin_read().await?;
    let mut rows = Rows::new(transaction, base.keyring());
    let named = crate::blob::sql::in_files(&mut rows).await;
    rows.transaction.rollback().await;
    let (code, named) = (base.code, named?);
    let now = u64::try_from(base.now()).unwrap_or(0);
    let before = std::time::UNIX_EPOCH + Duration::from_micros(now.saturating_sub(DAY_US));
    let swept = tokio::task::spawn_blocking(move || blobs.sweep(&named, before)).await;
    let removed = swept.map_err(|error| Error::internal(error.to_string()))??;
    if removed > 0 {
        tracing::info!(house = %code, removed, "removed bodies that no version has");
    }
    Ok(())
}
