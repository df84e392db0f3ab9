//! Replays of policy sets: what a bundle that nobody published, or other settings, would have said of stored plans.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use statehouse_core::policy::judge::Outcome;
use statehouse_core::policy::replay::{self, Over, Replayed, Settings};
use statehouse_model::{RunId, instant as instants};

use super::document::{Document, to};
use super::instant::{self, Instant};
use super::policy_sets::{self, Excepted, enforcement_of, of_id};
use crate::auth::{self, Asked, Asker, At};
use crate::body::{self, Whole};
use crate::problem::Problem;

pub(super) const KIND: &str = "policy-replays";

/// Where a page begins.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct From {
    /// Runs that were made then or later, RFC 3339; all where nothing is said.
    since: Option<String>,
    /// The run that the page before ended with.
    after: Option<String>,
    /// `true` keeps what it comes to, for a set that takes no other bundle into force.
    record: Option<bool>,
    /// `true` judges the plans of all workspaces, as if the set reached them: for a set that is to reach further.
    everywhere: Option<bool>,
    /// The strictest level that the set's policies would have; as it is where nothing is said. So are the two that follow.
    enforcement: Option<String>,
    /// Values of its parameters, all of them: a JSON object.
    parameters: Option<String>,
    /// Its exceptions, all of them: a JSON array of `{policy, address, until, reason}`.
    exceptions: Option<String>,
}

impl From {
    /// With which settings the set is asked.
    fn with(&self) -> Result<Settings, Problem> {
        let enforcement = self.enforcement.as_deref().map(enforcement_of);
        let excepted: Option<Vec<Excepted>> = json_of("exceptions", self.exceptions.as_deref())?;
        let exceptions = excepted.map(|all| all.into_iter().map(Excepted::read).collect());
        Ok(Settings {
            enforcement: enforcement.transpose()?,
            parameters: json_of("parameters", self.parameters.as_deref())?,
            exceptions: exceptions.transpose()?,
        })
    }
}

/// What is said in JSON.
fn json_of<T: DeserializeOwned>(name: &str, text: Option<&str>) -> Result<Option<T>, Problem> {
    let wrong = |error| Problem::unprocessable(format!("`{name}` cannot be read: {error}"));
    text.map(|text| serde_json::from_str(text).map_err(wrong))
        .transpose()
}

/// A page of plans, and what was said of each.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    /// The oldest first.
    plans: Vec<Plan>,
    /// Runs that the set does not reach, or that have no plan.
    passed_over: usize,
    /// Plans that were to be judged and were not: they are not kept any more, or do not read.
    unread: usize,
    /// The run that the page ends with, for the next one; `null` where this is the last.
    next: Option<String>,
}

/// What became of a plan, and what would have.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Plan {
    run: String,
    workspace: String,
    project: String,
    created_at: Option<Instant>,
    /// Where the run is.
    stage: String,
    /// How many approved it.
    approvals: usize,
    /// What the bundle in force says; `null` where there is none: `passed`, `advised`, `soft-failed` or `hard-failed`.
    before: Option<&'static str>,
    /// What the other one says.
    after: &'static str,
    /// The policies of the other one that have something against it, by name.
    hits: Vec<String>,
}

impl std::convert::From<&Replayed> for Plan {
    fn from(found: &Replayed) -> Self {
        Self {
            run: found.run.to_string(),
            workspace: found.workspace.clone(),
            project: found.project.clone(),
            created_at: instant::at(found.created_at),
            stage: found.status.clone(),
            approvals: found.approvals,
            before: found.before.map(Outcome::as_str),
            after: found.after.as_str(),
            hits: found.hits.clone(),
        }
    }
}

/// Judges stored plans by a bundle that is sent, and by other settings where some are said. Nothing of it is stored, but what it comes to where that is asked for.
pub(crate) async fn create(
    asker: Asker,
    At(id): At<String>,
    Asked(asked): Asked<From>,
    body: Whole<body::Bundle>,
) -> Result<Document, Problem> {
    let wrong = || Problem::unprocessable("`since` is no instant as RFC 3339 writes one");
    let since = match &asked.since {
        Some(since) => instants::parse(since).ok_or_else(wrong)?,
        None => 0,
    };
    let after: Option<RunId> = asked.after.as_deref().map(auth::id).transpose()?;
    let (ctx, id) = of_id(&asker, &id).await?;
    let stretch = replay::Stretch {
        since,
        after,
        keep: asked.record == Some(true),
        over: match asked.everywhere {
            Some(true) => Over::Everywhere,
            _ => Over::Reached,
        },
        with: asked.with()?,
    };
    let page = replay::replay(&ctx, &id, body.bytes.clone(), stretch).await?;
    let told = Told {
        plans: page.plans.iter().map(Plan::from).collect(),
        passed_over: page.passed_over,
        unread: page.unread.len(),
        next: page.next.map(|run| run.to_string()),
    };
    Ok(Document::one(json!({
        "type": KIND,
        "id": id.as_str(),
        "attributes": told,
        "relationships": { "policy-set": to(policy_sets::KIND, Some(id.as_str())) },
    })))
}
