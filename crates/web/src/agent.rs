//! Runners elsewhere: where agents come for jobs, ask for what belongs to them, and hand over what a lost runner left.
//!
//! An agent shows a token of its pool with every request. An ask is the body of a request as a runner words it
//! ([`statehouse_control`]), the answer that of its answer: what the matter is with an ask stands in it. A status of HTTP says that
//! the job is not in the hands of who asks. Nothing is remembered between two requests, so a restart is not noticed.

use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use statehouse_control::{self as control, Ask};
use statehouse_core::agent::{self, Wish};
use statehouse_core::run::work::Line;
use statehouse_model::{JobId, RunId};

use crate::auth::{self, Asked, Asker, At};
use crate::body::{self, Whole};
use crate::problem::Problem;
use crate::tfe::document::Document;
use crate::tfe::sent::Attributes;

/// The type of a job.
pub(crate) const KIND: &str = "agent-jobs";
/// Of asks and answers.
pub(crate) const BYTES: &str = "application/octet-stream";

/// Who would take a job.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Wished {
    /// What the place of the agent is called: its own name, and a number.
    holder: String,
    /// The level of the sandboxes there: `strict` or `process`.
    sandbox: String,
    /// Why they are not `strict`: with `process` it must be there, in at least four letters and at most 1024 bytes.
    sandbox_reason: Option<String>,
    /// How long to wait for a job, at most 30 seconds; that long unless said.
    wait_seconds: Option<u32>,
}

/// What is told of a job.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    /// The id of its run.
    run: String,
}

/// Who holds a job.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Held {
    /// What the place of the agent is called; nobody holds a job under no name.
    #[serde(default)]
    holder: String,
}

fn resource(line: &Line) -> Value {
    let attributes = Told {
        run: line.run().to_string(),
    };
    json!({ "type": KIND, "id": line.id().as_str(), "attributes": attributes })
}

/// Waits for a job of the caller's pool, and gives it to the caller.
pub(crate) async fn next(
    asker: Asker,
    Attributes(wished): Attributes<Wished>,
) -> Result<Document, Problem> {
    let Some(code) = asker.caller().home() else {
        // It is of no organization, and so of no pool.
        return Err(Problem::not_found());
    };
    let ctx = asker.house(code).await?;
    let wait = wished.wait_seconds.map_or(agent::WAIT_MAX, |seconds| {
        Duration::from_secs(seconds.into())
    });
    let wish = Wish {
        holder: wished.holder,
        sandbox: wished.sandbox,
        sandbox_reason: wished.sandbox_reason,
    };
    let line = asker.core().next_job_of_pool(&ctx, wish, wait).await?;
    Ok(Document::one(line.as_ref().map_or(Value::Null, resource)))
}

async fn line(asker: &Asker, job: &str, held: &Held) -> Result<Line, Problem> {
    let job: JobId = auth::id(job)?;
    let ctx = asker.house_of(&job).await?;
    Ok(asker.core().line_of_pool(&ctx, job, &held.holder).await?)
}

/// Answers one ask about a job that the caller holds.
pub(crate) async fn ask(
    asker: Asker,
    At(job): At<String>,
    Asked(held): Asked<Held>,
    body: Whole<body::Ask>,
) -> Result<Response, Problem> {
    let line = line(&asker, &job, &held).await?;
    let read = control::unframed::<Ask>(&body.bytes).await;
    let (ask, bytes) =
        read.map_err(|error| Problem::invalid(format!("the body is no ask of a runner: {error}")))?;
    let answer = line.answer(ask, bytes.into()).await;
    let whole = control::framed(&answer.told, &answer.bytes).await;
    let whole = whole.map_err(|_| Problem::defect("an answer cannot be written"))?;
    Ok(([(CONTENT_TYPE, BYTES)], whole).into_response())
}

/// Takes note that the runner of a job is gone.
pub(crate) async fn lose(
    asker: Asker,
    At(job): At<String>,
    Asked(held): Asked<Held>,
) -> Result<StatusCode, Problem> {
    line(&asker, &job, &held).await?.lost().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a state that a lost runner left with the caller, sealed as it was left.
pub(crate) async fn hand_over(
    asker: Asker,
    At(run): At<String>,
    body: Whole<body::Ask>,
) -> Result<StatusCode, Problem> {
    let run: RunId = auth::id(&run)?;
    let ctx = asker.house_of(&run).await?;
    let left = agent::left(&ctx, run).await?;
    left.take(&body.bytes).await?;
    Ok(StatusCode::NO_CONTENT)
}
