//! Freezing a workspace, and thawing it.

use schemars::JsonSchema;
use serde::Deserialize;
use statehouse_core::Ctx;
use statehouse_core::workspace::freeze::{self, Wish};
use statehouse_core::workspace::{self, Workspace};

use super::document::Document;
use super::instant;
use super::sent::Attributes;
use super::workspaces::{of_id, resource};
use crate::auth::{Asker, At};
use crate::problem::Problem;

/// Why somebody does so.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Why {
    reason: String,
}

async fn shown(ctx: &Ctx, workspace: &Workspace) -> Result<Document, Problem> {
    let full = workspace::full(ctx, workspace).await?;
    Ok(Document::one(resource(ctx, &full)))
}

/// Lets nobody change the state of a workspace.
pub(crate) async fn freeze(
    asker: Asker,
    At(id): At<String>,
    Attributes(why): Attributes<Why>,
) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let now = (asker.core().options().clock)();
    let wish = Wish {
        reason: why.reason,
        who: asker.called().await?,
        since: instant::format(now).unwrap_or_default(),
    };
    freeze::freeze(&ctx, &workspace, wish).await?;
    shown(&ctx, &workspace).await
}

/// Lets it be changed again.
pub(crate) async fn thaw(
    asker: Asker,
    At(id): At<String>,
    Attributes(why): Attributes<Why>,
) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    freeze::thaw(&ctx, &workspace, why.reason).await?;
    shown(&ctx, &workspace).await
}
