//! Every statement on `workspace_freeze`.

use statehouse_model::WorkspaceId;

use crate::error::{Error, Result};
use crate::ledger;
use crate::record::{Ask, Rows, record};
use crate::workspace::sql::{Workspace, ids, places};

record! {
    /// That nobody may change the state of a workspace.
    pub(crate) struct Freeze in "workspace_freeze" key 1 {
        workspace: WorkspaceId,
        frozen_by: String,
        /// What that person was called then.
        who: String,
        /// When, as clients read it.
        since: String,
        frozen_at: i64,
    }
}

const OF: &str = "WHERE workspace = $1";

/// What [`of`] will ask.
pub(crate) fn ask(workspace: &WorkspaceId) -> Ask {
    Ask::answer::<Freeze>(OF, vec![workspace.as_str().into()])
}

pub(crate) async fn of(rows: &mut Rows, workspace: &WorkspaceId) -> Result<Option<Freeze>> {
    let found = rows.answer(OF, vec![workspace.as_str().into()]).await?;
    Ok(found.into_iter().next())
}

/// Why a workspace is frozen: the sealed text of the leaf that froze it.
pub(crate) async fn reason(rows: &mut Rows, workspace: &WorkspaceId) -> Result<String> {
    let gone = || Error::tampered(format!("why workspace `{workspace}` is frozen is missing"));
    let sql = "SELECT l.seq, l.detail FROM workspace_freeze f JOIN ledger_leaf l ON l.seq = f.leaf WHERE f.workspace = $1";
    let found = ledger::sql::detail(rows, sql, workspace.as_str()).await?;
    found.ok_or_else(gone)
}

/// Those of these workspaces that are frozen.
pub(crate) async fn all_of(rows: &mut Rows, of: &[Workspace]) -> Result<Vec<Freeze>> {
    if of.is_empty() {
        return Ok(Vec::new());
    }
    let clause = format!("WHERE workspace IN ({})", places(of.len()));
    rows.find(&clause, &ids(of)).await
}
