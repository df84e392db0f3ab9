//! Whether anything drifted, as the platform's clients ask for it: assessments of a workspace, each of which is a run. How often
//! there is one is said of the organization, a project or a workspace.
//!
//! A look that did not come to its end says neither yes nor no: `drifted` is null then, and `succeeded` false.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use statehouse_core::drift::{self, CheckView, HOURS_MAX, HOURS_MIN, InForce};
use statehouse_core::run::{self, PAGE_MAX};
use statehouse_model::{AssessmentId, PlanId, RunId};

use super::document::{Document, to_one};
use super::grants::{EVERYTHING, scope};
use super::instant::{self, Instant};
use super::query::{Query, Sizes};
use super::runs::{named, refused};
use super::sent::{Attributes, Sent};
use super::workspaces::{self, of_id};
use crate::auth::{self, Asker, At};
use crate::problem::Problem;

pub(super) const KIND: &str = "assessment-results";
const SCHEDULES: &str = "drift-schedules";
const PAGE: Sizes = Sizes::whole(PAGE_MAX);

/// What is told of a look for drift.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    /// Whether anything drifted; null where nobody knows.
    drifted: Option<bool>,
    /// Whether it came to its end.
    succeeded: bool,
    /// Why it did not.
    error_msg: Option<String>,
    /// The same, as other clients read it.
    error_message: Option<String>,
    /// How many managed resources drifted; null where nobody knows.
    resources_drifted: Option<u64>,
    /// How many did not; null where nobody knows, and where the state is kept in a backend elsewhere.
    resources_undrifted: Option<u64>,
    /// When it ended.
    created_at: Option<Instant>,
}

impl From<&CheckView> for Told {
    fn from(check: &CheckView) -> Self {
        let error = check.drifted.is_none().then(|| match &*check.reason {
            "" => format!("the run is {}", check.outcome),
            reason => format!("the run is {}: {reason}", check.outcome),
        });
        let both = check.resources.zip(check.drifted);
        Self {
            drifted: check.drifted.map(|drifted| drifted > 0),
            succeeded: check.drifted.is_some(),
            error_msg: error.clone(),
            error_message: error,
            resources_drifted: check.drifted,
            resources_undrifted: both.map(|(all, drifted)| all.saturating_sub(drifted)),
            created_at: instant::at(check.at),
        }
    }
}

fn resource(check: &CheckView) -> Value {
    let (id, plan) = (AssessmentId::from(&check.run), PlanId::from(&check.run));
    json!({
        "type": KIND,
        "id": id.as_str(),
        "attributes": Told::from(check),
        "relationships": {
            "workspace": to_one(workspaces::KIND, check.workspace.as_str()),
            "run": to_one("runs", check.run.as_str()),
        },
        "links": {
            "self": format!("/api/v2/{KIND}/{id}"),
            "json-output": format!("/api/v2/plans/{plan}/json-output"),
            "json-output-redacted": format!("/api/v2/plans/{plan}/json-output-redacted"),
        },
    })
}

/// The newest look for drift in a workspace.
pub(crate) async fn current(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let found = drift::show(&ctx, &workspace).await?.newest;
    let found = found.ok_or_else(Problem::not_found)?;
    Ok(Document::one(resource(&found)))
}

/// A page of the looks for drift in a workspace, the newest first.
pub(crate) async fn list(
    asker: Asker,
    At(id): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let (number, size) = (query.number()?.unwrap_or(1), query.size(PAGE)?);
    let found = drift::list(&ctx, &workspace, number as u64, size).await?;
    let path = format!("/api/v2/workspaces/{workspace}/assessment-results");
    let pages = query.pages(&path, found.total, PAGE)?;
    let items = found.items.iter().map(resource).collect();
    Ok(Document::page(items, &pages))
}

/// One look for drift.
pub(crate) async fn show(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let assessment: AssessmentId = auth::id(&id)?;
    let ctx = asker.house_of(&assessment).await?;
    let found = drift::of_run(&ctx, &RunId::from(&assessment)).await?;
    Ok(Document::one(resource(&found)))
}

/// A look to start.
#[derive(Default, Deserialize, JsonSchema)]
pub(crate) struct Start {
    /// What its starter says about it.
    message: Option<String>,
}

/// Starts a look for drift in a workspace.
pub(crate) async fn start(
    asker: Asker,
    At(id): At<String>,
    sent: Sent<Start>,
) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let message = sent.attributes.message.unwrap_or_default();
    let made = drift::start(&ctx, &workspace, message).await;
    let made = run::show(&ctx, &made.map_err(refused)?.id).await?;
    Ok(Document::made(named(&asker, &made).await?))
}

/// What is told of how often drift is looked for.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Often {
    /// Every so many hours; null is never.
    every_hours: Option<u64>,
    /// The scope that says so: `organization`, or the id of a project or workspace; null where nothing is said.
    said_of: Option<String>,
    /// Of a workspace: when the next look is due. One that is frozen, has an open run or nothing to compare is passed over until that
    /// is otherwise.
    next_at: Option<Instant>,
}

fn often(of: &str, found: &InForce) -> Value {
    let attributes = Often {
        every_hours: found.hours,
        said_of: found.scope.clone(),
        next_at: found.next_at.and_then(instant::at),
    };
    json!({ "type": SCHEDULES, "id": of, "attributes": attributes })
}

/// What a scope says of how often.
#[derive(Default)]
enum Said {
    /// Nothing was sent.
    #[default]
    Missing,
    /// This; null takes back what was said.
    This(Option<u64>),
}

fn said<'de, D: Deserializer<'de>>(from: D) -> Result<Said, D::Error> {
    Option::deserialize(from).map(Said::This)
}

/// How often drift is to be looked for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Say {
    /// `organization`, or the id of a project or workspace.
    scope: Option<String>,
    /// Every so many hours, from 1 on; 0 is never, and null takes back what the scope said. Of the scopes around a workspace the
    /// narrowest that says something counts.
    #[serde(default, deserialize_with = "said")]
    #[schemars(with = "Option<u64>")]
    every_hours: Said,
}

/// Says how often drift is looked for in a scope.
pub(crate) async fn set(
    asker: Asker,
    At(organization): At<String>,
    Attributes(say): Attributes<Say>,
) -> Result<Document, Problem> {
    let of = say.scope.unwrap_or_else(|| EVERYTHING.to_owned());
    let scope = scope(&of)?;
    let Said::This(hours) = say.every_hours else {
        let words = format!(
            "say `every-hours`: from {HOURS_MIN} to {HOURS_MAX}, 0 for never, or null to take back what was said"
        );
        return Err(Problem::invalid(words));
    };
    let ctx = asker.organization(&organization).await?;
    let found = drift::set(&ctx, scope, hours).await?;
    Ok(Document::made(often(&of, &found)))
}

/// How often drift is looked for in a scope.
pub(crate) async fn schedule(
    asker: Asker,
    At((organization, of)): At<(String, String)>,
) -> Result<Document, Problem> {
    let scope = scope(&of)?;
    let ctx = asker.organization(&organization).await?;
    let found = drift::schedule(&ctx, scope).await?;
    Ok(Document::one(often(&of, &found)))
}
