//! Every statement on `agent_pool`.

use statehouse_model::{AgentPoolId, Name};

use crate::error::{Error, Result};
use crate::record::{Rows, record};

record! {
    /// A pool of agents.
    pub(crate) struct AgentPool in "agent_pool" key 1 {
        id: AgentPoolId,
        name: Name,
        created_at: i64,
    }
}

pub(crate) async fn by_name(rows: &mut Rows, name: &Name) -> Result<Option<AgentPool>> {
    rows.one("WHERE name = $1", &[name.as_str().into()]).await
}

pub(crate) async fn all(rows: &mut Rows) -> Result<Vec<AgentPool>> {
    rows.find("ORDER BY name", &[]).await
}

/// The pool of that id, which must be there.
pub(crate) async fn needed(rows: &mut Rows, id: &AgentPoolId) -> Result<AgentPool> {
    let found = rows.by_key(vec![id.as_str().into()]).await?;
    found.ok_or_else(|| Error::not_found("agent pool"))
}
