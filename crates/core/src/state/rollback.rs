//! Going back: a new version with the content of an old one.
//!
//! The serial goes on, so that clients take the new version for newer; nothing
//! else of the bytes changes. Whoever goes back holds the lock, and says why.

use statehouse_model::VersionId;
use statehouse_terraform::rollback::{RestateError, restated};
use zeroize::Zeroizing;

use super::put::{Cloud, put_as};
use super::sql::Version;
use super::{FINISHED, Put, Upload, WriteState, head_of, load, lock, open};
use crate::blob::Stored;
use crate::ctx::Ctx;
use crate::door::{self, Target};
use crate::error::{Error, Kind, Result};
use crate::state::Which;
use crate::workspace::{self, Workspace};

/// Makes the content of `to` the current version of its workspace again.
pub async fn roll_back(
    ctx: &Ctx,
    workspace: &Workspace,
    to: VersionId,
    reason: Option<String>,
) -> Result<Put> {
    let (serial, old, stored) = look(ctx, workspace, to.clone()).await?;
    if old.opaque {
        let words = "the client encrypted that version, so its serial cannot be set on";
        return Err(Error::new(Kind::Conflict, words)
            .hint("download it, and push it with the client that has its keys"));
    }
    let bytes = Zeroizing::new(open(ctx, &old, stored).await?);
    let cloud = Cloud {
        id: VersionId::from_entropy(ctx.house().code(), crate::entropy()),
        announced: false,
        address: None,
        expected: None,
        rolled_back: Some((to, reason)),
    };
    let upload = Upload {
        bytes: restated(&bytes, serial).map_err(unlike)?.into(),
        lock_id: None,
    };
    put_as(ctx, workspace, upload, Some(cloud)).await
}

/// The next serial, the version to go back to and its bytes, for a caller who
/// holds the lock.
async fn look(ctx: &Ctx, workspace: &Workspace, to: VersionId) -> Result<(u64, Version, Stored)> {
    let (wanted, actor) = (workspace.clone(), ctx.actor().id().to_owned());
    let target = Target::Workspace(workspace.clone());
    door::read(ctx, WriteState, &target, move |rows| {
        Box::pin(async move {
            let found = workspace::sql::needed(rows, &wanted).await?;
            workspace::freeze::require_thawed(rows, &found).await?;
            if !lock::require_api(rows, &found, &actor).await? {
                let words = format!("workspace `{}` is not locked by you", found.name);
                return Err(Error::new(Kind::Conflict, words)
                    .hint("lock it first: nobody may write while its state goes back"));
            }
            let head = head_of(rows, &found).await?;
            let head = head.ok_or_else(|| Error::not_found("state"))?;
            let (old, stored) = load(rows, &wanted, Which::Version(to))
                .await?
                .ok_or_else(|| Error::not_found("version"))?;
            if old.status != FINISHED {
                let words = format!("version `{}` was never the current one", old.id);
                return Err(Error::new(Kind::Conflict, words)
                    .hint("an upload that was kept aside is accepted: `statehouse state accept`"));
            }
            let serial = head.serial.or(old.serial).unwrap_or(0).saturating_add(1);
            Ok((serial, old, stored))
        })
    })
    .await
}

fn unlike(error: RestateError) -> Error {
    Error::new(
        Kind::Conflict,
        format!("that version cannot be made current again: {error}"),
    )
    .hint("download it, and push it with the client that wrote it")
}
