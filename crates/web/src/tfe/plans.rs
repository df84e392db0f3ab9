//! The two steps of a run as the platform's clients know them, with their logs and what they leave to be read.
//!
//! A log is told as it grows. Its marks (a first byte 0x02, a last byte 0x03) are not stored: they are put around it here, so that
//! a log ends exactly when its step has ended and a client that was waiting looks at the status then.

use std::time::Duration;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use statehouse_core::Ctx;
use statehouse_core::run::machine::Status;
use statehouse_core::run::{self, RunView, copies, logs};
use statehouse_core::url::{Purpose, Signed};
use statehouse_model::{ApplyId, PlanId, RunId};
use tokio::time::{Instant, timeout_at};

use super::document::Document;
use super::transfers::address;
use crate::auth::{self, Asked, Asker, At, Bearer};
use crate::problem::Problem;

const PLANS: &str = "plans";
const APPLIES: &str = "applies";
/// Begins and ends the text of a log.
const STX: u8 = 2;
const ETX: u8 = 3;
/// Most bytes of a log in one answer.
const PIECE_MAX: usize = 1024 * 1024;
/// How long an answer waits for a log to grow.
const GROWTH_MAX: Duration = Duration::from_secs(2);

/// What is told of a step.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    /// `pending`, `queued`, `running`, `finished`, `errored`, `canceled` or `unreachable`.
    status: &'static str,
    /// Where its log is, without a token.
    log_read_url: Option<String>,
    /// Whether the plan changes anything.
    has_changes: bool,
    /// Always false.
    generated_configuration: bool,
}

/// Whether the plan of a run has ended, and how.
fn plan_status(run: &RunView) -> &'static str {
    match run.state.status() {
        Status::Pending => "pending",
        Status::Fetching => "queued",
        // Until it is known what the run waits for: clients look at that when the log ends, and never again.
        Status::Planning | Status::Planned | Status::Assessing => "running",
        _ if run.changes.is_some() => "finished",
        Status::Canceled | Status::ForceCanceled => "canceled",
        Status::Discarded | Status::Superseded => "unreachable",
        _ => "errored",
    }
}

/// Whether its apply has.
fn apply_status(run: &RunView) -> &'static str {
    let begun = run.began_at.is_some();
    match run.state.status() {
        Status::Verifying => "queued",
        Status::Applying => "running",
        Status::Applied => "finished",
        Status::Errored | Status::Stale | Status::StateTampered if begun => "errored",
        Status::Canceled | Status::ForceCanceled if begun => "canceled",
        status if status.is_final() => "unreachable",
        _ => "pending",
    }
}

/// Whether the plan of a run has ended, or its apply.
pub(crate) fn is_over_of(run: &RunView, applies: bool) -> bool {
    is_over(if applies {
        apply_status(run)
    } else {
        plan_status(run)
    })
}

fn is_over(status: &str) -> bool {
    !matches!(status, "pending" | "queued" | "running")
}

fn told(kind: &str, id: &str, status: &'static str, log: Option<String>, changes: bool) -> Value {
    let attributes = Told {
        status,
        log_read_url: log,
        has_changes: changes,
        generated_configuration: false,
    };
    json!({ "type": kind, "id": id, "attributes": attributes, "links": { "self": format!("/api/v2/{kind}/{id}") } })
}

async fn log_address(
    asker: &Asker,
    ctx: &Ctx,
    run: &RunView,
    purpose: Purpose,
) -> Result<Option<String>, Problem> {
    if !super::runs::may_read(run) {
        return Ok(None);
    }
    let signed: Option<Signed> = logs::address(ctx, purpose).await?;
    Ok(signed.map(|signed| address(asker.origin(), "logs", &signed)))
}

/// The plan of a run.
pub(super) async fn plan_resource(
    asker: &Asker,
    ctx: &Ctx,
    run: &RunView,
) -> Result<Value, Problem> {
    let log = log_address(asker, ctx, run, Purpose::GetPlanLog(run.id.clone())).await?;
    let id = PlanId::from(&run.id);
    let changes = run.changes == Some(true);
    Ok(told(PLANS, id.as_str(), plan_status(run), log, changes))
}

/// Its apply.
pub(super) async fn apply_resource(
    asker: &Asker,
    ctx: &Ctx,
    run: &RunView,
) -> Result<Value, Problem> {
    let log = log_address(asker, ctx, run, Purpose::GetApplyLog(run.id.clone())).await?;
    let id = ApplyId::from(&run.id);
    let changes = run.changes == Some(true);
    Ok(told(APPLIES, id.as_str(), apply_status(run), log, changes))
}

/// The plan of a run, by its own id.
pub(crate) async fn show_plan(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let plan: PlanId = auth::id(&id)?;
    let ctx = asker.house_of(&plan).await?;
    let found = run::show(&ctx, &RunId::from(&plan)).await?;
    Ok(Document::one(plan_resource(&asker, &ctx, &found).await?))
}

/// The apply of a run, by its own id.
pub(crate) async fn show_apply(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let apply: ApplyId = auth::id(&id)?;
    let ctx = asker.house_of(&apply).await?;
    let found = run::show(&ctx, &RunId::from(&apply)).await?;
    Ok(Document::one(apply_resource(&asker, &ctx, &found).await?))
}

async fn json_of(asker: &Asker, id: &str, shown: bool) -> Result<Response, Problem> {
    let plan: PlanId = auth::id(id)?;
    let ctx = asker.house_of(&plan).await?;
    let found = logs::plan_json(&ctx, &RunId::from(&plan), shown).await?;
    let found = found.ok_or_else(Problem::not_found)?;
    Ok(([(CONTENT_TYPE, "application/json")], found).into_response())
}

/// The newest copy that a run kept of a state in a backend elsewhere.
pub(crate) async fn state_copy(asker: Asker, At(id): At<String>) -> Result<Response, Problem> {
    let plan: PlanId = auth::id(&id)?;
    let ctx = asker.house_of(&plan).await?;
    let found = copies::read(&ctx, &RunId::from(&plan)).await?;
    let found = found.ok_or_else(Problem::not_found)?;
    Ok(([(CONTENT_TYPE, "application/json")], found).into_response())
}

/// A plan as `terraform show -json` gives it.
pub(crate) async fn json_output(asker: Asker, At(id): At<String>) -> Result<Response, Problem> {
    json_of(&asker, &id, false).await
}

/// A plan for the screen: with the schemas of its providers, and without sensitive values.
pub(crate) async fn json_output_redacted(
    asker: Asker,
    At(id): At<String>,
) -> Result<Response, Problem> {
    json_of(&asker, &id, true).await
}

/// Which part of a log is wished.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Part {
    offset: Option<u64>,
    limit: Option<u64>,
}

/// Some of a log, from a place on. Where there is nothing yet, but the tool is at work, it is waited for a moment: a client that reads
/// again and again sees a line when it was written, and asks less often.
pub(crate) async fn log(bearer: Bearer, Asked(part): Asked<Part>) -> Result<Response, Problem> {
    let (ctx, granted) = bearer.enter().await?;
    let run = match &granted.purpose {
        Purpose::GetPlanLog(run) | Purpose::GetApplyLog(run) => run.clone(),
        _ => return Err(Problem::not_found()),
    };
    let applies = matches!(granted.purpose, Purpose::GetApplyLog(_));
    let (offset, limit) = (part.offset.unwrap_or(0), part.limit.unwrap_or(65536));
    let limit = usize::try_from(limit).unwrap_or(PIECE_MAX).min(PIECE_MAX);
    let until = Instant::now() + GROWTH_MAX;
    let mut growth = logs::Growth::of(ctx, &run);
    let bytes = loop {
        // The status first: what is written between the two looks is read with the next one.
        let found = run::show(ctx, &run).await?;
        let status = if applies {
            apply_status(&found)
        } else {
            plan_status(&found)
        };
        let (is_begun, is_over) = (status != "pending", is_over(status));
        let found = logs::read(ctx, &run, applies, offset.saturating_sub(1), limit).await?;
        let bytes = framed(found, offset, limit, is_over, |at| at >= 1 && is_begun);
        let waits = bytes.is_empty() && limit > 0 && is_begun && !is_over;
        if !waits || timeout_at(until, growth.next()).await.is_err() {
            break bytes;
        }
    };
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], bytes).into_response())
}

/// Puts the marks around a stretch of a log: its first byte is [`STX`], and [`ETX`] follows the last one.
fn framed(
    found: logs::Stretch,
    offset: u64,
    limit: usize,
    over: bool,
    begun: impl Fn(u64) -> bool,
) -> Bytes {
    let mut bytes = BytesMut::new();
    if offset == 0 && (over || begun(1)) {
        bytes.extend_from_slice(&[STX]);
    }
    bytes.extend_from_slice(&found.bytes);
    bytes.truncate(limit);
    let end = 1 + found.length;
    if over && offset + bytes.len() as u64 == end && bytes.len() < limit {
        bytes.extend_from_slice(&[ETX]);
    }
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a log of `text` in pieces of `limit`, as terraform does.
    fn read(text: &[u8], limit: usize, over: bool) -> Vec<u8> {
        let mut all = Vec::new();
        for _ in 0..100 {
            let offset = all.len() as u64;
            let from = usize::try_from(offset.saturating_sub(1))
                .unwrap_or(0)
                .min(text.len());
            let stretch = logs::Stretch {
                bytes: Bytes::copy_from_slice(&text[from..text.len().min(from + limit)]),
                length: text.len() as u64,
            };
            let piece = framed(stretch, offset, limit, over, |_| true);
            assert!(piece.len() <= limit);
            if piece.is_empty() {
                break;
            }
            all.extend_from_slice(&piece);
        }
        all
    }

    #[test]
    fn a_log_has_its_marks_around_it_whatever_the_pieces() {
        for limit in [1, 2, 3, 5, 64] {
            assert_eq!(read(b"hello", limit, true), b"\x02hello\x03", "{limit}");
            assert_eq!(read(b"hello", limit, false), b"\x02hello", "{limit}");
            assert_eq!(read(b"", limit, true), b"\x02\x03", "{limit}");
        }
    }
}
