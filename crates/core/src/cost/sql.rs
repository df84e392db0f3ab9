//! Every statement on `cost_input`, `cost_setting` and `cost_estimate`.

use statehouse_model::{ActorId, CostInputId, ProjectId, RunId, WorkspaceId};

use crate::access::ORGANIZATION;
use crate::db::Value;
use crate::error::Result;
use crate::record::{Rows, record};
use crate::workspace::sql::Workspace;

record! {
    /// Something that estimates are made from. There is one of each content.
    pub(crate) struct CostInput in "cost_input" key 1 {
        id: CostInputId,
        /// A word of [`super::Kind`].
        kind: String,
        /// SHA-256 of its bytes.
        digest: Vec<u8>,
        /// What it was called when it was first sent.
        name: String,
        /// What it says of itself, a line.
        about: String,
        /// Bytes.
        size: u64,
        body_digest: Vec<u8>,
        commitment: Vec<u8>,
        actor: ActorId,
        created_at: i64,
    }
}

record! {
    /// What one scope said at one time.
    pub(crate) struct CostSetting in "cost_setting" key 3 {
        /// `organization`, or the id of a project or workspace.
        scope: String,
        /// A word of [`super::Kind`], or `estimation`.
        kind: String,
        /// From 1; the greatest counts.
        number: u64,
        /// The id of an input, or `on` or `off`; none where it is not said any more.
        word: Option<String>,
        /// What the file was called.
        name: String,
        set_by: String,
        set_at: i64,
    }
}

record! {
    /// What a run was estimated to; the whole is a file of the run.
    pub(crate) struct CostEstimate in "cost_estimate" key 1 {
        run: RunId,
        workspace: WorkspaceId,
        /// The project that the workspace was in then.
        project: ProjectId,
        /// SHA-256 of that file.
        digest: Vec<u8>,
        /// Whether it was made at all, in one currency.
        complete: bool,
        /// Millionths by currency: JSON of [`super::estimate::Micro`].
        totals: String,
        resources: u64,
        /// How many of them have a cost that is known whole, or are free.
        estimated: u64,
        created_at: i64,
    }
}

pub(crate) async fn input(rows: &mut Rows, id: &CostInputId) -> Result<Option<CostInput>> {
    rows.by_key(vec![id.as_str().into()]).await
}

/// The input of that content.
pub(crate) async fn input_of(
    rows: &mut Rows,
    kind: &str,
    digest: &[u8],
) -> Result<Option<CostInput>> {
    let values = [kind.into(), Value::Bytes(digest.to_vec())];
    rows.one("WHERE kind = $1 AND digest = $2", &values).await
}

/// All that a scope ever said of one kind, the newest first.
pub(crate) async fn versions(rows: &mut Rows, scope: &str, kind: &str) -> Result<Vec<CostSetting>> {
    let clause = "WHERE scope = $1 AND kind = $2 ORDER BY number DESC";
    rows.find(clause, &[scope.into(), kind.into()]).await
}

const NEWEST: &str = "NOT EXISTS (
    SELECT 1 FROM cost_setting later
    WHERE later.scope = cost_setting.scope
    AND later.kind = cost_setting.kind
    AND later.number > cost_setting.number)";

/// What a scope says of one kind.
pub(crate) async fn said(rows: &mut Rows, scope: &str, kind: &str) -> Result<Option<CostSetting>> {
    let clause = format!("WHERE scope = $1 AND kind = $2 AND {NEWEST}");
    rows.one(&clause, &[scope.into(), kind.into()]).await
}

/// What a scope says of everything.
pub(crate) async fn all_said(rows: &mut Rows, scope: &str) -> Result<Vec<CostSetting>> {
    let clause = format!("WHERE scope = $1 AND {NEWEST} ORDER BY kind");
    rows.find(&clause, &[scope.into()]).await
}

/// What is said of a workspace, its project and the organization.
pub(crate) async fn said_around(
    rows: &mut Rows,
    workspace: &Workspace,
) -> Result<Vec<CostSetting>> {
    let clause = format!("WHERE scope IN ($1, $2, $3) AND {NEWEST} ORDER BY kind, scope");
    let scopes = [
        workspace.id.as_str().into(),
        workspace.project.as_str().into(),
        ORGANIZATION.into(),
    ];
    rows.find(&clause, &scopes).await
}

pub(crate) async fn estimate(rows: &mut Rows, run: &RunId) -> Result<Option<CostEstimate>> {
    rows.by_key(vec![run.as_str().into()]).await
}

/// Of which runs estimates are asked for.
#[derive(Debug, Clone)]
pub(crate) enum Of {
    All,
    Project(ProjectId),
    Workspace(WorkspaceId),
}

/// Estimates that were made since a time, the oldest first, after that of a run.
pub(crate) async fn estimates(
    rows: &mut Rows,
    of: &Of,
    (since, after): (i64, Option<&RunId>),
    limit: i64,
) -> Result<Vec<CostEstimate>> {
    let mut values = vec![Value::Int(since), Value::Int(limit)];
    let mut clause = "WHERE created_at >= $1".to_owned();
    if let Some(after) = after {
        values.push(after.as_str().into());
        clause.push_str(
            " AND (created_at, run) > (SELECT created_at, run FROM cost_estimate WHERE run = $3)",
        );
    }
    let place = values.len() + 1;
    let column = match of {
        Of::All => None,
        Of::Project(id) => Some(("project", id.as_str())),
        Of::Workspace(id) => Some(("workspace", id.as_str())),
    };
    let within = match column {
        None => String::new(),
        Some((column, id)) => {
            values.push(id.into());
            format!(" AND {column} = ${place}")
        }
    };
    let clause = format!("{clause}{within} ORDER BY created_at, run LIMIT $2");
    rows.find(&clause, &values).await
}
