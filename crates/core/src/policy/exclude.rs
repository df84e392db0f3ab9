//! The workspaces that a set does not reach all the same, one by one: beside those that it leaves out already.

use std::collections::BTreeSet;
use std::sync::Arc;

use statehouse_model::{PolicySetId, WorkspaceId};

use super::{ChangeSet, TAGS_MAX, gate, sql};
use crate::ctx::Ctx;
use crate::door::{self, Entry, Outcome, Target};
use crate::error::{Error, Result};
use crate::reach::{self, To};

/// Has a set leave out these workspaces, too.
pub async fn exclude(ctx: &Ctx, id: &PolicySetId, workspaces: Vec<WorkspaceId>) -> Result<()> {
    change(ctx, id, workspaces, true).await
}

/// Has a set leave these out no more. One that it does not leave out is passed over.
pub async fn include(ctx: &Ctx, id: &PolicySetId, workspaces: Vec<WorkspaceId>) -> Result<()> {
    change(ctx, id, workspaces, false).await
}

async fn change(
    ctx: &Ctx,
    id: &PolicySetId,
    workspaces: Vec<WorkspaceId>,
    excluded: bool,
) -> Result<()> {
    let given = Arc::new((id.clone(), workspaces));
    door::change(ctx, ChangeSet, Target::House, move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (id, workspaces) = &*given;
            let mut set = sql::needed_set(tx, id).await?;
            let ids = set.excluded.split_whitespace().map(str::to_owned);
            let mut ids: BTreeSet<String> = ids.collect();
            let mut changed = Vec::new();
            for workspace in workspaces {
                let is_new = if excluded {
                    To::Workspace(workspace.clone()).require(tx).await?;
                    ids.insert(workspace.to_string())
                } else {
                    ids.remove(workspace.as_str())
                };
                if is_new {
                    changed.push(workspace.as_str());
                }
            }
            if changed.is_empty() {
                return Ok(Outcome::Unchanged(()));
            }
            if ids.len() > TAGS_MAX {
                let words = format!("a policy set leaves out at most {TAGS_MAX} workspaces");
                return Err(Error::invalid(words).hint("attach it to projects or by tags instead"));
            }
            let old = set.clone();
            set.excluded = ids.into_iter().collect::<Vec<_>>().join(" ");
            let hours = gate::hours(tx, id).await?;
            let entry = gate::require_change(tx, (&old, &set), hours, Entry::new(&set.id)).await?;
            set.updated_at = tx.now();
            tx.put(&set).await?;
            let entry = reach::named(entry, changed);
            Ok(Outcome::Recorded((), entry.fact("excluded", excluded)))
        })
    })
    .await
}
