//! By what plans are estimated, in the organization, a project or a workspace; what they came to over time; and what stored ones would cost otherwise.

use std::collections::BTreeMap;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use statehouse_core::cost::history::{self, Point};
use statehouse_core::cost::replay::{self, Instead, Replayed};
use statehouse_core::cost::{self, InputView, Kind, Settings, Version};
use statehouse_core::execution::Word;
use statehouse_model::{CostEstimateId, RunId, instant as instants};

use super::cost_estimates::{Amounts, Counted, totals};
use super::document::{Document, to_one};
use super::grants::{EVERYTHING, scope};
use super::instant::{self, Instant};
use super::query::{Query, Sizes};
use super::sent::Attributes;
use crate::auth::{self, Asked, Asker, At};
use crate::body::{self, Whole};
use crate::problem::Problem;

const SETTINGS: &str = "cost-settings";
const INPUTS: &str = "cost-inputs";
const VERSIONS: &str = "cost-versions";
const PAGE: Sizes = Sizes::whole(100);
/// Bytes of an input.
pub(crate) const BYTES: &str = "application/octet-stream";

/// What is told of an input.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct InputTold {
    /// `book`, `overlay` or `usage`.
    kind: String,
    /// What the file was called.
    name: String,
    /// SHA-256 of its bytes, in hex.
    digest: String,
    /// What it says of itself.
    about: String,
    /// Bytes.
    size: u64,
    /// The scope that says it: `organization`, or the id of a project or workspace; null where it is only kept.
    said_of: Option<String>,
}

impl InputTold {
    fn of(input: &InputView, said_of: Option<&str>) -> Self {
        Self {
            kind: input.kind.clone(),
            name: input.name.clone(),
            digest: input.digest.clone(),
            about: input.about.clone(),
            size: input.size,
            said_of: said_of.map(str::to_owned),
        }
    }
}

fn input(found: &InputView, said_of: Option<&str>) -> Value {
    json!({ "type": INPUTS, "id": found.id, "attributes": InputTold::of(found, said_of) })
}

/// What is told of the settings of a scope.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    /// Whether plans are estimated.
    estimation: bool,
    /// The scope that says so; null where nothing is said.
    estimation_said_of: Option<String>,
    /// The inputs that count here beside what comes with the server, the wider before the nearer.
    inputs: Vec<InputTold>,
}

fn settings(of: &str, found: &Settings) -> Value {
    let inputs = found.inputs.iter();
    let told = Told {
        estimation: found.estimation,
        estimation_said_of: found.estimation_of.clone(),
        inputs: inputs
            .map(|(scope, input)| InputTold::of(input, Some(scope)))
            .collect(),
    };
    json!({ "type": SETTINGS, "id": of, "attributes": told })
}

/// By what plans of a scope are estimated.
pub(crate) async fn show(
    asker: Asker,
    At((organization, of)): At<(String, String)>,
) -> Result<Document, Problem> {
    let scope = scope(&of)?;
    let ctx = asker.organization(&organization).await?;
    let found = cost::show(&ctx, scope).await?;
    Ok(Document::one(settings(&of, &found)))
}

/// What to say.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Say {
    /// Whether plans are estimated; null leaves it to the wider scope.
    #[serde(default, deserialize_with = "word")]
    #[schemars(with = "Option<bool>")]
    estimation: Word<bool>,
}

/// What is there was sent: null takes back what was said.
fn word<'de, D: Deserializer<'de>>(from: D) -> Result<Word<bool>, D::Error> {
    Ok(Option::deserialize(from)?.map_or(Word::Unsay, Word::Say))
}

/// Says whether the plans of a scope are estimated.
pub(crate) async fn update(
    asker: Asker,
    At((organization, of)): At<(String, String)>,
    Attributes(say): Attributes<Say>,
) -> Result<Document, Problem> {
    let target = scope(&of)?;
    let ctx = asker.organization(&organization).await?;
    match say.estimation {
        Word::Keep => {}
        Word::Unsay => cost::switch(&ctx, target.clone(), None).await?,
        Word::Say(on) => cost::switch(&ctx, target.clone(), Some(on)).await?,
    }
    let found = cost::show(&ctx, target).await?;
    Ok(Document::one(settings(&of, &found)))
}

/// What an input is called.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Called {
    /// The name of the file, which messages about it begin with.
    name: Option<String>,
}

impl Called {
    fn or(self, kind: Kind) -> String {
        self.name.unwrap_or_else(|| kind.as_str().to_owned())
    }
}

/// Takes an input and says it of a scope, from the next plan on.
pub(crate) async fn set(
    asker: Asker,
    At((organization, of, kind)): At<(String, String, String)>,
    Asked(called): Asked<Called>,
    body: Whole<body::CostInput>,
) -> Result<Document, Problem> {
    let (target, kind) = (scope(&of)?, Kind::of(&kind)?);
    let ctx = asker.organization(&organization).await?;
    let named = (kind, called.or(kind));
    let found = cost::set(&ctx, target, named, body.bytes.clone()).await?;
    Ok(Document::one(input(&found, Some(&of))))
}

/// Says an input of a scope no more.
pub(crate) async fn unset(
    asker: Asker,
    At((organization, of, kind)): At<(String, String, String)>,
) -> Result<axum::http::StatusCode, Problem> {
    let (target, kind) = (scope(&of)?, Kind::of(&kind)?);
    let ctx = asker.organization(&organization).await?;
    cost::unset(&ctx, target, kind).await?;
    Ok(axum::http::StatusCode::NO_CONTENT)
}

/// Keeps a price book without saying it of anything, for a replay.
pub(crate) async fn keep(
    asker: Asker,
    At(organization): At<String>,
    Asked(called): Asked<Called>,
    body: Whole<body::CostInput>,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    let named = (Kind::Book, called.or(Kind::Book));
    let found = cost::keep(&ctx, named, body.bytes.clone()).await?;
    Ok(Document::made(input(&found, None)))
}

/// What a scope said at one time.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct VersionTold {
    /// From 1; the greatest counts.
    number: u64,
    /// Null where it was taken back.
    input: Option<InputTold>,
    /// The id of who said it.
    set_by: String,
    set_at: Option<Instant>,
}

/// All that a scope ever said of one kind of input, the newest first.
pub(crate) async fn versions(
    asker: Asker,
    At((organization, of, kind)): At<(String, String, String)>,
    query: Query,
) -> Result<Document, Problem> {
    let (target, word) = (scope(&of)?, Kind::of(&kind)?);
    let ctx = asker.organization(&organization).await?;
    let found = cost::versions(&ctx, target, word).await?;
    let path = format!("/api/v2/organizations/{organization}/{SETTINGS}/{of}/{kind}/versions");
    let (page, pages) = query.page(&path, found, PAGE)?;
    let told = |version: &Version| {
        let attributes = VersionTold {
            number: version.number,
            input: version
                .input
                .as_ref()
                .map(|input| InputTold::of(input, Some(&of))),
            set_by: version.set_by.clone(),
            set_at: instant::at(version.set_at),
        };
        let id = format!("{of}.{kind}.{}", version.number);
        json!({ "type": VERSIONS, "id": id, "attributes": attributes })
    };
    Ok(Document::page(page.iter().map(told).collect(), &pages))
}

/// Which bytes.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Which {
    /// The digest of an earlier one, in hex; the one that counts where nothing is said.
    digest: Option<String>,
}

/// The bytes of an input, as they were sent.
pub(crate) async fn content(
    asker: Asker,
    At((organization, of, kind)): At<(String, String, String)>,
    Asked(which): Asked<Which>,
) -> Result<Response, Problem> {
    let (target, kind) = (scope(&of)?, Kind::of(&kind)?);
    let ctx = asker.organization(&organization).await?;
    let bytes = cost::content(&ctx, target, kind, which.digest).await?;
    Ok(([(CONTENT_TYPE, BYTES)], bytes).into_response())
}

/// Which runs.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Runs {
    /// `organization`, or the id of a project or workspace; all where nothing is said.
    scope: Option<String>,
    /// Runs that were made then or later, RFC 3339; all where nothing is said.
    since: Option<String>,
    /// The run that the page before ended with.
    after: Option<String>,
}

fn since(text: Option<&str>) -> Result<i64, Problem> {
    let wrong = || Problem::unprocessable("`since` is no instant as RFC 3339 writes one");
    text.map_or(Ok(0), |text| instants::parse(text).ok_or_else(wrong))
}

/// A page of what plans came to.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct HistoryTold {
    /// The oldest first.
    runs: Vec<PointTold>,
    /// The run that the page ends with, for the next one; null where this is the last.
    next: Option<String>,
}

/// What the plan of a run came to.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct PointTold {
    run: String,
    workspace: String,
    /// The project that it was in.
    project: String,
    created_at: Option<Instant>,
    /// Whether it could be estimated, in one currency.
    complete: bool,
    totals: BTreeMap<String, Amounts>,
    resources_count: u64,
    matched_resources_count: u64,
    digest: String,
}

impl From<&Point> for PointTold {
    fn from(point: &Point) -> Self {
        Self {
            run: point.run.to_string(),
            workspace: point.workspace.clone(),
            project: point.project.clone(),
            created_at: instant::at(point.cost.created_at),
            complete: point.cost.complete,
            totals: totals(&point.cost.totals),
            resources_count: point.cost.resources,
            matched_resources_count: point.cost.estimated,
            digest: point.cost.digest.clone(),
        }
    }
}

/// What the plans of a scope came to.
pub(crate) async fn past(
    asker: Asker,
    At(organization): At<String>,
    Asked(asked): Asked<Runs>,
) -> Result<Document, Problem> {
    let of = asked.scope.unwrap_or_else(|| EVERYTHING.to_owned());
    let since = since(asked.since.as_deref())?;
    let after: Option<RunId> = asked.after.as_deref().map(auth::id).transpose()?;
    let target = scope(&of)?;
    let ctx = asker.organization(&organization).await?;
    let page = history::history(&ctx, target, (since, after)).await?;
    let told = HistoryTold {
        runs: page.points.iter().map(PointTold::from).collect(),
        next: page.next.map(|run| run.to_string()),
    };
    Ok(Document::one(
        json!({ "type": "cost-histories", "id": of, "attributes": told }),
    ))
}

/// What to estimate again, and by what; what is left out is as each estimate has it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Otherwise {
    /// `organization`, or the id of a project or workspace; all where nothing is said.
    scope: Option<String>,
    /// Runs that were made then or later, RFC 3339; all where nothing is said.
    since: Option<String>,
    /// The run that the page before ended with.
    after: Option<String>,
    /// The digest of a price book that is kept here, in hex.
    book: Option<String>,
    /// Another overlay, the text of it.
    overlay: Option<String>,
    /// Another usage file in the place of all, the text of it.
    usage: Option<String>,
    /// Everything is taken to be in this region.
    region: Option<String>,
    /// The day whose prices count: `2026-08-21`.
    date: Option<String>,
}

/// A page of plans, and what each would cost.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ReplayTold {
    /// The oldest first.
    plans: Vec<PlanTold>,
    /// Runs whose plan is not kept any more.
    passed_over: usize,
    /// The run that the page ends with, for the next one; null where this is the last.
    next: Option<String>,
}

/// What a plan was estimated to, and what it would be.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct PlanTold {
    run: String,
    workspace: String,
    created_at: Option<Instant>,
    before: BTreeMap<String, Amounts>,
    after: BTreeMap<String, Amounts>,
    /// What is known and what is not, of the new one.
    counts: Counted,
    /// Why it cannot be estimated so, if it cannot.
    error_message: Option<String>,
}

impl From<&Replayed> for PlanTold {
    fn from(found: &Replayed) -> Self {
        Self {
            run: found.run.to_string(),
            workspace: found.workspace.clone(),
            created_at: instant::at(found.before.created_at),
            before: totals(&found.before.totals),
            after: totals(&found.after.totals),
            counts: found.after.counts.into(),
            error_message: found.why.clone(),
        }
    }
}

/// Estimates stored plans again by something else. Nothing of it is stored.
pub(crate) async fn replay(
    asker: Asker,
    At(organization): At<String>,
    Attributes(asked): Attributes<Otherwise>,
) -> Result<Document, Problem> {
    let of = asked.scope.unwrap_or_else(|| EVERYTHING.to_owned());
    let since = since(asked.since.as_deref())?;
    let after: Option<RunId> = asked.after.as_deref().map(auth::id).transpose()?;
    let target = scope(&of)?;
    let instead = Instead {
        book: asked.book,
        overlay: asked.overlay.map(Into::into),
        usage: asked.usage.map(Into::into),
        region: asked.region,
        date: asked.date,
    };
    let ctx = asker.organization(&organization).await?;
    let page = replay::replay(&ctx, target, instead, (since, after)).await?;
    let told = ReplayTold {
        plans: page.plans.iter().map(PlanTold::from).collect(),
        passed_over: page.passed_over,
        next: page.next.map(|run| run.to_string()),
    };
    Ok(Document::one(
        json!({ "type": "cost-replays", "id": of, "attributes": told }),
    ))
}

/// That a run relates to its estimate.
pub(super) fn relation(run: &RunId) -> Value {
    to_one(
        super::cost_estimates::KIND,
        CostEstimateId::from(run).as_str(),
    )
}
