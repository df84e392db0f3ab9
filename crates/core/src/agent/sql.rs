//! Every statement on `agent_pool`.

use statehouse_model::{AgentPoolId, Name};

use crate::error::{Error, Kind, Result};
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

/// The ids of all pools, as they stand: who counts what is open for each needs nothing else, and one whose row was
/// altered keeps none of the others from being counted.
pub(crate) async fn ids(rows: &mut Rows) -> Result<Vec<AgentPoolId>> {
    let found = rows
        .transaction
        .query("SELECT id FROM agent_pool ORDER BY id", &[])
        .await?;
    let mut ids = Vec::new();
    for row in &found {
        let text = row.text(0)?;
        if let Ok(id) = text.parse() {
            ids.push(id);
        } else {
            tracing::warn!(row = text, "a pool is passed over: its id was altered");
        }
    }
    Ok(ids)
}

/// Why no run may happen with a pool: its row was altered, or taken away. Without words it may.
pub(crate) async fn altered(rows: &mut Rows, id: &AgentPoolId) -> Result<Option<String>> {
    match needed(rows, id).await {
        Ok(_) => Ok(None),
        Err(error) if matches!(error.kind(), Kind::Tampered | Kind::NotFound) => Ok(Some(format!(
            "agent pool {id} was altered or taken away in the database, so nobody can be told to be of it; \
            `statehouse verify --live` says what is wrong"
        ))),
        Err(error) => Err(error),
    }
}

/// The pool of that id, which must be there.
pub(crate) async fn needed(rows: &mut Rows, id: &AgentPoolId) -> Result<AgentPool> {
    let found = rows.by_key(vec![id.as_str().into()]).await?;
    found.ok_or_else(|| Error::not_found("agent pool"))
}
