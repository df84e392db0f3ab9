//! Every statement on `execution`.

use std::collections::HashMap;

use crate::error::Result;
use crate::record::{Rows, record};
use crate::workspace::sql::{Workspace, said_around};

record! {
    /// What one scope says of where runs happen, and who must agree.
    pub(crate) struct Execution in "execution" key 1 {
        /// `organization`, or the id of a project or workspace.
        scope: String,
        /// A word of [`super::Mode`], and for agents their pool.
        mode: Option<String>,
        /// How many people must approve.
        approvals: Option<u64>,
        /// Whether who started a run may be one of them.
        author_approves: Option<bool>,
        /// A word of [`super::Reverify`].
        reverify: Option<String>,
        set_by: String,
        set_at: i64,
    }
}

pub(crate) async fn of_scope(rows: &mut Rows, scope: &str) -> Result<Option<Execution>> {
    rows.by_key(vec![scope.into()]).await
}

pub(crate) async fn that_say(rows: &mut Rows, mode: &str) -> Result<Vec<Execution>> {
    rows.find("WHERE mode = $1 ORDER BY scope", &[mode.into()])
        .await
}

/// What is said of workspaces, of their projects and of the organization, by scope.
pub(crate) async fn around(
    rows: &mut Rows,
    workspaces: &[Workspace],
) -> Result<HashMap<String, Execution>> {
    let found: Vec<Execution> = said_around(rows, workspaces).await?;
    let by_scope = found.into_iter().map(|each| (each.scope.clone(), each));
    Ok(by_scope.collect())
}
