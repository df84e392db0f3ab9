//! `LOCK` and `UNLOCK`.
//!
//! Two clients say "force" in two ways, and both are heard: terraform sends an `UNLOCK` with an empty body whatever id its
//! user typed, `tofu` one that holds the id and nothing else. The first breaks whatever lock there is; the second only the one
//! that it names. Both need the permission to break locks and leave a reason; only a release that names the caller's own lock
//! needs no more than the permission to lock.

use axum::http::StatusCode;
use statehouse_core::state::lock;
use statehouse_core::terraform::lock::LockInfo;
use statehouse_core::{Error, Kind};

use super::{made, named};
use crate::auth::{Asker, At};
use crate::body::{self, Whole};
use crate::problem::Problem;

/// What the ledger keeps as the reason of a forced unlock; the clients ask their users for none.
const REASON: &str = "force-unlock by the client";

/// `LOCK`: 200 when the lock is held, also when it was held already under the same id.
pub(crate) async fn lock(
    asker: Asker,
    At((organization, workspace)): At<(String, String)>,
    body: Whole<body::Lock>,
) -> Result<StatusCode, Problem> {
    let (ctx, workspace) = named(&asker, &organization, &workspace).await?;
    let info = LockInfo::read(&body.bytes).map_err(Problem::invalid)?;
    let taken = match lock::take(&ctx, &workspace, info.clone()).await {
        Err(error) if made(&ctx, &workspace, &error).await? => {
            lock::take(&ctx, &workspace, info).await
        }
        taken => taken,
    };
    taken?;
    Ok(StatusCode::OK)
}

/// `UNLOCK`: 200 when the lock is free, also when this id freed it before.
pub(crate) async fn unlock(
    asker: Asker,
    At((organization, workspace)): At<(String, String)>,
    body: Whole<body::Lock>,
) -> Result<StatusCode, Problem> {
    let (ctx, workspace) = named(&asker, &organization, &workspace).await?;
    if body.bytes.is_empty() {
        lock::force(&ctx, &workspace, None, Some(REASON.to_owned())).await?;
        return Ok(StatusCode::OK);
    }
    let shown = LockInfo::read(&body.bytes).map_err(Problem::invalid)?;
    match lock::release(&ctx, &workspace, shown.id.clone()).await {
        Err(error) if forced(&shown, &error) => {
            lock::force(&ctx, &workspace, Some(shown.id), Some(REASON.to_owned())).await?;
        }
        released => drop(released?),
    }
    Ok(StatusCode::OK)
}

/// Whether a refused release is `tofu`'s way to force: it shows the id of somebody else's lock and nothing else.
fn forced(shown: &LockInfo, refused: &Error) -> bool {
    let only_id = *shown
        == LockInfo {
            id: shown.id.clone(),
            ..LockInfo::default()
        };
    matches!(refused.kind(), Kind::Locked(held) if only_id && held.id == shown.id)
}
