//! The lock of a workspace, for people: who holds it, taking it by hand, giving it back, breaking it.

use serde::Deserialize;
use serde_json::{Value, json};
use statehouse_core::state::lock;
use statehouse_core::terraform::lock::LockInfo;

use super::document::{Attributes, Document, resource};
use super::instant;
use super::workspaces::{KIND, of_id};
use crate::auth::{Asker, At};
use crate::problem::Problem;

/// What a lock by hand says that it is for.
const OPERATION: &str = "lock";

/// Who holds the lock; `data` is null when nobody does.
pub(crate) async fn show(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let held = lock::show(&ctx, &workspace).await?;
    Ok(Document::one(held.map_or(Value::Null, |held| {
        json!({
            "type": "locks",
            "id": held.id,
            "attributes": {
                "operation": held.operation,
                "info": held.info,
                "who": held.who,
                "version": held.version,
                "created": held.created,
                "path": held.path,
            },
        })
    })))
}

/// A lock to take.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Take {
    #[serde(default)]
    reason: String,
    id: Option<String>,
}

/// Takes the lock, under the id that the caller chose or the request's own.
pub(crate) async fn take(
    asker: Asker,
    At(id): At<String>,
    Attributes(take): Attributes<Take>,
) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let now = (asker.core().options().clock)();
    let info = LockInfo {
        id: take.id.unwrap_or_else(|| ctx.request().to_string()),
        operation: OPERATION.to_owned(),
        info: take.reason,
        who: asker.called().await?,
        created: instant::format(now).unwrap_or_default(),
        ..LockInfo::default()
    };
    // The same bounds as for terraform's own: what is stored must be read back.
    let info = serde_json::to_vec(&info).map_err(|error| Problem::invalid(error.to_string()))?;
    let info = LockInfo::read(&info).map_err(Problem::invalid)?;
    Ok(Document::one(resource(
        KIND,
        &lock::take(&ctx, &workspace, info).await?,
    )?))
}

/// A lock to give back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Release {
    id: String,
}

/// Gives the lock back.
pub(crate) async fn release(
    asker: Asker,
    At(id): At<String>,
    Attributes(release): Attributes<Release>,
) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    Ok(Document::one(resource(
        KIND,
        &lock::release(&ctx, &workspace, release.id).await?,
    )?))
}

/// Why a lock is broken.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Force {
    reason: String,
}

/// Breaks the lock, whoever holds it.
pub(crate) async fn force(
    asker: Asker,
    At(id): At<String>,
    Attributes(force): Attributes<Force>,
) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let freed = lock::force(&ctx, &workspace, None, Some(force.reason)).await?;
    Ok(Document::one(resource(KIND, &freed)?))
}
