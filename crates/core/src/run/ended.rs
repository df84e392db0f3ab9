//! Runs that end with what they belong to: with a workspace that goes, or in a copy that was restored.
//!
//! Each ends by an arrow of the machine like any other, so that it is told why.

use statehouse_model::RunId;

use super::machine::{Act, Event, Step};
use super::{arrow, needed, sql};
use crate::door::{Action, Tx};
use crate::error::{Error, Kind as Trouble, Result};
use crate::job;
use crate::workspace::sql::Workspace as WorkspaceRow;

/// Open runs that end with their workspace, in one change: a body has two seconds.
const ENDED_MAX: usize = 200;
/// Open runs of a restored copy that end in one change, for the same reason.
const RESTORED_MAX: i64 = 100;

/// Ends whatever is open in a workspace that goes: nobody could look after it.
pub(crate) async fn end_all<A: Action>(tx: &mut Tx<A>, workspace: &WorkspaceRow) -> Result<()> {
    let open = sql::open_in(tx, &workspace.id, ENDED_MAX).await?;
    if open.len() >= ENDED_MAX {
        let words = format!(
            "{ENDED_MAX} runs or more of workspace `{}` are open",
            workspace.name
        );
        return Err(Error::new(Trouble::Conflict, words).hint("cancel them first"));
    }
    for id in open {
        let mut run = needed(tx, &id).await?;
        "workspace-deleted".clone_into(&mut run.reason);
        let runs = run.state()?.status().has_runner();
        arrow(tx, &mut run, Event::Person(Act::Cancel)).await?;
        if runs {
            // Its runner finds that it has no job any more, and stops.
            job::end_of(tx, &id, job::LOST).await?;
            arrow(tx, &mut run, Event::Server(Step::LoseRunner)).await?;
        }
    }
    Ok(())
}

/// Ends runs that a restored copy has open, those first that are nearest to an
/// apply, and says how many: what was planned on a state of then is not applied
/// now. What does not read is left as it is, for it goes on nowhere.
pub(crate) async fn end_restored<A: Action>(tx: &mut Tx<A>, after: &[RunId]) -> Result<Vec<RunId>> {
    let limit = RESTORED_MAX.saturating_add(i64::try_from(after.len()).unwrap_or(i64::MAX));
    let mut looked_at = Vec::new();
    for id in sql::open(tx, limit).await? {
        if after.contains(&id) {
            continue;
        }
        match end_one_restored(tx, &id).await {
            Err(error) if matches!(error.kind(), Trouble::Tampered | Trouble::NotFound) => {
                tracing::error!(run = %id, %error, "a run of a restored copy does not read");
            }
            ended => ended?,
        }
        looked_at.push(id);
    }
    Ok(looked_at)
}

async fn end_one_restored<A: Action>(tx: &mut Tx<A>, id: &RunId) -> Result<()> {
    let mut run = needed(tx, id).await?;
    "restored".clone_into(&mut run.reason);
    arrow(tx, &mut run, Event::Server(Step::Restore)).await?;
    Ok(())
}
