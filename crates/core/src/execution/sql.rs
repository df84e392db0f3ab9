//! Every statement on `execution` and `execution_tool`.

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

record! {
    /// Which tool one scope says that its runs use.
    pub(crate) struct ExecutionTool in "execution_tool" key 1 {
        /// `organization`, or the id of a project or workspace.
        scope: String,
        /// A word of [`super::Tool`]; none where it is not said any more.
        tool: Option<String>,
        set_by: String,
        set_at: i64,
    }
}

/// All that one scope says.
pub(crate) struct Said {
    pub(crate) execution: Execution,
    /// A word of [`super::Tool`].
    pub(crate) tool: Option<String>,
}

pub(crate) async fn of_scope(rows: &mut Rows, scope: &str) -> Result<Option<Execution>> {
    rows.by_key(vec![scope.into()]).await
}

pub(crate) async fn tool_of_scope(rows: &mut Rows, scope: &str) -> Result<Option<ExecutionTool>> {
    rows.by_key(vec![scope.into()]).await
}

/// All that a scope says.
pub(crate) async fn said_of(rows: &mut Rows, scope: &str) -> Result<Said> {
    let execution = of_scope(rows, scope).await?;
    let tool = tool_of_scope(rows, scope).await?;
    Ok(Said {
        execution: execution.unwrap_or_else(|| Execution::silent(scope.to_owned())),
        tool: tool.and_then(|row| row.tool),
    })
}

pub(crate) async fn that_say(rows: &mut Rows, mode: &str) -> Result<Vec<Execution>> {
    rows.find("WHERE mode = $1 ORDER BY scope", &[mode.into()])
        .await
}

/// What is said of workspaces, of their projects and of the organization, by scope.
pub(crate) async fn around(
    rows: &mut Rows,
    workspaces: &[Workspace],
) -> Result<HashMap<String, Said>> {
    let found: Vec<Execution> = said_around(rows, workspaces).await?;
    let tools: Vec<ExecutionTool> = said_around(rows, workspaces).await?;
    let by_scope = found.into_iter().map(|execution| {
        let tool = None;
        (execution.scope.clone(), Said { execution, tool })
    });
    let mut all: HashMap<_, _> = by_scope.collect();
    for ExecutionTool { scope, tool, .. } in tools {
        let silent = || Said {
            execution: Execution::silent(scope.clone()),
            tool: None,
        };
        all.entry(scope.clone()).or_insert_with(silent).tool = tool;
    }
    Ok(all)
}
