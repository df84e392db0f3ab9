//! The lock of a workspace: who holds it, taking it, giving it back, breaking it.
//!
//! It is the lock of the `http` backend, too, so that both protocols keep each other out. terraform's `cloud` block names no
//! id for it; the request's own is taken, so that two clients of one person keep each other out as well, and given back is what
//! the caller holds under such an id. Our own command line names one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use statehouse_core::Ctx;
use statehouse_core::state::lock;
use statehouse_core::terraform::lock::LockInfo;
use statehouse_core::workspace::{self, Workspace, WorkspaceView};

use super::document::Document;
use super::instant;
use super::sent::Sent;
use super::workspaces::{of_id, resource};
use crate::auth::{Asker, At};
use crate::problem::Problem;

/// What a lock by hand says that it is for.
const BY_HAND: &str = "lock";
/// What the ledger keeps as the reason of a lock that terraform breaks; it asks its user for none.
const NO_REASON: &str = "force-unlock by the client";

/// What the holder of a lock said of it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Held {
    operation: String,
    info: String,
    who: String,
    version: String,
    created: String,
    path: String,
}

/// Who holds the lock; `data` is null when nobody does.
pub(crate) async fn show(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let held = lock::show(&ctx, &workspace).await?;
    Ok(Document::one(held.map_or(Value::Null, |held| {
        json!({
            "type": "locks",
            "id": held.id,
            "attributes": Held {
                operation: held.operation,
                info: held.info,
                who: held.who,
                version: held.version,
                created: held.created,
                path: held.path,
            },
        })
    })))
}

/// A lock to take.
#[derive(Default, Deserialize, JsonSchema)]
pub(crate) struct Take {
    reason: Option<String>,
    id: Option<String>,
    /// What our own command line takes it for, where that is not simply to hold it.
    operation: Option<String>,
}

/// Takes the lock, under the id that the caller chose or the request's own. 409 where somebody has it, the caller included.
pub(crate) async fn take(
    asker: Asker,
    At(id): At<String>,
    sent: Sent<Take>,
) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let (take, now) = (sent.attributes, (asker.core().options().clock)());
    let name = workspace::show(&ctx, &workspace).await?.name;
    let operation = match (asker.is_by_hand(), take.operation.as_deref()) {
        (true, Some(lock::IMPORT)) => lock::IMPORT,
        (true, None) => BY_HAND,
        (true, Some(_)) => {
            let words = "`operation` can only be `import`; leave it out to hold the lock by hand";
            return Err(Problem::unprocessable(words));
        }
        (false, _) => lock::CLOUD,
    };
    let info = LockInfo {
        id: take.id.unwrap_or_else(|| ctx.request().to_string()),
        operation: operation.to_owned(),
        info: take.reason.unwrap_or_default(),
        who: asker.called().await?,
        created: instant::format(now).unwrap_or_default(),
        path: ctx
            .organization()
            .map(|organization| format!("{organization}/{name}"))
            .unwrap_or_default(),
        ..LockInfo::default()
    };
    // The same bounds as for terraform's own: what is stored must be read back.
    let info = serde_json::to_vec(&info).map_err(|error| Problem::invalid(error.to_string()))?;
    let info = LockInfo::read(&info).map_err(Problem::invalid)?;
    answered(&ctx, &workspace, lock::take(&ctx, &workspace, info).await).await
}

/// The whole workspace, as clients expect it after a change of its lock.
async fn answered(
    ctx: &Ctx,
    workspace: &Workspace,
    done: statehouse_core::Result<WorkspaceView>,
) -> Result<Document, Problem> {
    done.map_err(|error| Problem::from(error).into_conflict())?;
    let full = workspace::full(ctx, workspace).await?;
    Ok(Document::one(resource(ctx, &full)))
}

/// A lock to give back.
#[derive(Default, Deserialize, JsonSchema)]
pub(crate) struct Release {
    id: Option<String>,
}

/// Gives the lock back: the one of that id, or whichever the caller took without choosing one.
pub(crate) async fn release(
    asker: Asker,
    At(id): At<String>,
    sent: Sent<Release>,
) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let released = match sent.attributes.id {
        Some(id) => lock::release(&ctx, &workspace, id).await,
        None => lock::release_own(&ctx, &workspace).await,
    };
    answered(&ctx, &workspace, released).await
}

/// Why a lock is broken.
#[derive(Default, Deserialize, JsonSchema)]
pub(crate) struct Force {
    reason: Option<String>,
}

/// Breaks the lock, whoever holds it.
pub(crate) async fn force(
    asker: Asker,
    At(id): At<String>,
    sent: Sent<Force>,
) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let reason = sent
        .attributes
        .reason
        .unwrap_or_else(|| NO_REASON.to_owned());
    let forced = lock::force(&ctx, &workspace, None, Some(reason)).await;
    answered(&ctx, &workspace, forced).await
}
