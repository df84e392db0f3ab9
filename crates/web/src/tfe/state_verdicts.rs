//! What policies say of the state that an apply left: nothing is held up by it, and what is against it stays visible.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use statehouse_core::policy::judge::Verdicts;
use statehouse_core::run::written::{self, WrittenView};

use super::document::{Document, to_one};
use super::instant::{self, Instant};
use super::runs::of_run;
use super::task_stages::SetTold;
use crate::auth::{Asker, At};
use crate::people::People;
use crate::problem::Problem;

const KIND: &str = "state-verdicts";
/// Until policies were asked.
const AWAITED: &str = "awaited";

/// What is told of it. Its id is the run's.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    /// `awaited` until policies were asked, then what they come to: `passed`, `advised`, `soft-failed` or `hard-failed`.
    outcome: &'static str,
    /// Why they could not be asked, in words, which counts as a hard failure; empty where they were.
    reason: String,
    judged_at: Option<Instant>,
    /// What each policy set said.
    policy_sets: Vec<SetTold>,
}

/// What they come to, in a word.
pub(super) fn word(view: &WrittenView) -> &'static str {
    view.outcome.map_or(AWAITED, |outcome| outcome.as_str())
}

fn resource(view: &WrittenView, verdicts: Option<&Verdicts>) -> Value {
    let sets = verdicts.iter().flat_map(|said| &said.sets);
    let told = Told {
        outcome: word(view),
        reason: view.reason.clone(),
        judged_at: view.judged_at.and_then(instant::at),
        policy_sets: sets
            .map(|set| SetTold::of(set, &[], &People::default()))
            .collect(),
    };
    json!({
        "type": KIND,
        "id": view.run,
        "attributes": told,
        "relationships": { "run": to_one("runs", &view.run) },
        "links": { "self": format!("/api/v2/runs/{}/state-verdicts", view.run) },
    })
}

/// What they say of the state that a run left.
pub(crate) async fn show(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let (ctx, run) = of_run(&asker, &id).await?;
    let found = written::verdicts(&ctx, &run).await?;
    Ok(match found {
        Some((view, verdicts)) => Document::one(resource(&view, verdicts.as_ref())),
        None => Document::one(Value::Null),
    })
}
