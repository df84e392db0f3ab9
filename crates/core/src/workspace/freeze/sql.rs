//! Every statement on `workspace_freeze`.

use statehouse_model::WorkspaceId;

use crate::access::STATES;
use crate::db::Value;
use crate::error::{Error, Result};
use crate::ledger;
use crate::record::{Ask, Rows, record};
use crate::run::sql::{Place, place};
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

impl Freeze {
    /// Whether this server made it, for what a read found.
    pub(crate) fn is_of_a_read(&self) -> bool {
        self.frozen_by == STATES
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

/// Where in the ledger workspaces were frozen after a place, in its order. Only where it stands: who did it, and why, is believed of the
/// row when it is read and checked.
pub(crate) async fn frozen_after(rows: &mut Rows, after: &Place, limit: i64) -> Result<Vec<Place>> {
    let sql = "SELECT leaf, workspace, 0 FROM workspace_freeze
        WHERE (leaf, workspace) > ($1, $2) ORDER BY leaf, workspace LIMIT $3";
    let values = [
        after.leaf.into(),
        after.of.as_str().into(),
        Value::Int(limit),
    ];
    let found = rows.transaction.query(sql, &values).await?;
    found.iter().map(place).collect()
}

/// Where one was last, before a leaf. The same holds of it as of [`frozen_after`].
pub(crate) async fn last_frozen(rows: &mut Rows, before_leaf: u64) -> Result<Option<Place>> {
    let sql = "SELECT leaf, workspace, 0 FROM workspace_freeze WHERE leaf < $1
        ORDER BY leaf DESC, workspace DESC LIMIT 1";
    let found = rows.transaction.query(sql, &[before_leaf.into()]).await?;
    found.first().map(place).transpose()
}
