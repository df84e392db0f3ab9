//! Pools of agents, as the platform's clients know them. Every pool is there for the whole organization; a workspace names the one
//! that it uses as its `agent-pool-id`.

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use statehouse_core::Ctx;
use statehouse_core::agent::{self, AgentPoolView, AgentView};
use statehouse_model::{AgentPoolId, Name};

use super::document::{Document, to};
use super::instant::{self, Instant};
use super::query::{PAGE, Query};
use super::sent::{Attributes, only};
use crate::auth::{self, Asker, At};
use crate::problem::Problem;

pub(super) const KIND: &str = "agent-pools";
const AGENT: &str = "agents";

/// A pool to make.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Wished {
    /// Unique in the organization.
    name: String,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// What is told of a pool.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    name: String,
    created_at: Option<Instant>,
    /// Always true: any workspace may name it.
    organization_scoped: bool,
    /// How many agents were heard of within the last hour.
    agent_count: usize,
}

/// What is told of an agent. Its id is the name that it gave itself.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Agent {
    name: String,
    /// `idle`, `busy`, or `unknown` where it was not heard of for longer than it may be silent.
    status: &'static str,
    ip_address: Option<String>,
    last_ping_at: Option<Instant>,
}

async fn resource(asker: &Asker, ctx: &Ctx, pool: &AgentPoolView) -> Result<Value, Problem> {
    let id: AgentPoolId = auth::id(&pool.id)?;
    let agents = asker.core().agents(ctx, id).await?;
    let attributes = Told {
        name: pool.name.clone(),
        created_at: instant::at(pool.created_at),
        organization_scoped: true,
        agent_count: agents.len(),
    };
    let organization = ctx.organization().map(Name::as_str);
    Ok(json!({
        "type": KIND,
        "id": pool.id,
        "attributes": attributes,
        "relationships": { "organization": to("organizations", organization) },
        "links": { "self": format!("/api/v2/agent-pools/{}", pool.id) },
    }))
}

/// The house of a pool's id, and the id.
pub(super) async fn of_id(asker: &Asker, text: &str) -> Result<(Ctx, AgentPoolId), Problem> {
    let id: AgentPoolId = auth::id(text)?;
    Ok((asker.house_of(&id).await?, id))
}

/// The pools of an organization, by name.
pub(crate) async fn list(
    asker: Asker,
    At(organization): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    let mut found = agent::list(&ctx).await?;
    if let Some(part) = query.lower("q") {
        found.retain(|pool| pool.name.to_lowercase().contains(&part));
    }
    let path = format!("/api/v2/organizations/{organization}/agent-pools");
    let (page, pages) = query.page(&path, found, PAGE)?;
    let mut data = Vec::with_capacity(page.len());
    for pool in &page {
        data.push(resource(&asker, &ctx, pool).await?);
    }
    Ok(Document::page(data, &pages))
}

/// Makes a pool.
pub(crate) async fn create(
    asker: Asker,
    At(organization): At<String>,
    Attributes(wished): Attributes<Wished>,
) -> Result<Document, Problem> {
    only(&wished.rest, &json!({ "organization-scoped": true }))?;
    let ctx = asker.organization(&organization).await?;
    let name = wished.name.parse().map_err(Problem::unprocessable)?;
    let made = agent::create(&ctx, name).await?;
    Ok(Document::made(resource(&asker, &ctx, &made).await?))
}

/// One pool.
pub(crate) async fn show(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let (ctx, id) = of_id(&asker, &id).await?;
    let found = agent::show(&ctx, id).await?;
    Ok(Document::one(resource(&asker, &ctx, &found).await?))
}

/// Ends a pool and its tokens.
pub(crate) async fn delete(asker: Asker, At(id): At<String>) -> Result<StatusCode, Problem> {
    let (ctx, id) = of_id(&asker, &id).await?;
    agent::delete(&ctx, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The agents of a pool that were heard of lately.
pub(crate) async fn agents(
    asker: Asker,
    At(id): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let (ctx, id) = of_id(&asker, &id).await?;
    let path = format!("/api/v2/agent-pools/{id}/agents");
    let found = asker.core().agents(&ctx, id).await?;
    let (page, pages) = query.page(&path, found, PAGE)?;
    let agent = |agent: AgentView| {
        let attributes = Agent {
            name: agent.name.clone(),
            status: agent.status,
            ip_address: agent.address.map(|address| address.to_string()),
            last_ping_at: instant::at(agent.seen_at),
        };
        json!({ "type": AGENT, "id": agent.name, "attributes": attributes })
    };
    Ok(Document::page(
        page.into_iter().map(agent).collect(),
        &pages,
    ))
}
