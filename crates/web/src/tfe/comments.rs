//! What people say about a run and nothing else, as the platform's clients say it and read it.
//!
//! What is said beside an act stands with that act, in the run's events; here is what was said for itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use statehouse_core::Ctx;
use statehouse_core::run::machine::Act;
use statehouse_core::run::{self, EventView, Said, act};
use statehouse_model::{ActorId, RunId};

use super::document::{Document, to_one};
use super::instant::{self, Instant};
use super::runs::{event_id, of_run, refused};
use super::sent::Attributes;
use crate::auth::{Asker, At};
use crate::people::{self, People};
use crate::problem::Problem;

pub(super) const KIND: &str = "comments";

/// Something to say about a run.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    /// At most 4096 bytes, and not nothing. Whoever sees the run can read it.
    #[serde(default)]
    body: String,
}

/// What somebody said about a run.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    /// What they said; `null` where `body-fault` stands.
    body: Option<String>,
    /// That it is not there any more as it was written; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_fault: Option<&'static str>,
    created_at: Option<Instant>,
    /// Who said it.
    actor: String,
    /// What they are called, where it was an account.
    actor_name: Option<String>,
}

fn resource(run: &RunId, event: EventView, people: &People) -> Value {
    let told = Told {
        body: event.said.words().map(str::to_owned),
        body_fault: event.said.is_altered().then_some(Said::ALTERED),
        created_at: instant::at(event.at),
        actor_name: people.name(&event.actor),
        actor: event.actor,
    };
    let id = event_id("wsc", run, event.number);
    let event = event_id("re", run, event.number);
    json!({
        "type": KIND,
        "id": id,
        "attributes": told,
        "relationships": { "run-event": to_one("run-events", &event) },
    })
}

async fn all(asker: &Asker, ctx: &Ctx, run: &RunId) -> Result<Vec<Value>, Problem> {
    let mut found = run::events(ctx, run).await?;
    found.retain(|event| event.event == Act::Comment.as_str());
    let accounts = people::accounts(found.iter().map(|event| event.actor.as_str()));
    let people = People::of(asker.core(), accounts).await?;
    let told = found.into_iter().map(|event| resource(run, event, &people));
    Ok(told.collect())
}

/// What people said about a run, the oldest first.
pub(crate) async fn list(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let (ctx, run) = of_run(&asker, &id).await?;
    Ok(Document::list(all(&asker, &ctx, &run).await?))
}

/// Says something about a run, which changes nothing.
pub(crate) async fn create(
    asker: Asker,
    At(id): At<String>,
    Attributes(wish): Attributes<Wish>,
) -> Result<Document, Problem> {
    let (ctx, run) = of_run(&asker, &id).await?;
    let said = wish.body.clone();
    act::comment(&ctx, &run, wish.body).await.map_err(refused)?;
    let me = ActorId::from(ctx.actor());
    // Somebody else may have said something since.
    let is_it = |told: &&Value| {
        let of = |name: &str| told.pointer(&format!("/attributes/{name}"));
        of("body") == Some(&Value::from(said.as_str()))
            && of("actor") == Some(&Value::from(me.as_str()))
    };
    let told = all(&asker, &ctx, &run).await?;
    let it = told.iter().rfind(is_it).cloned();
    Ok(Document::made(it.ok_or_else(Problem::not_found)?))
}
