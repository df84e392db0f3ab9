//! Estimating the plan of a run: what it is made from is looked up and named, the estimate is made in a process apart, and stored.
//!
//! It is stored by a change of its own before policies are asked, and only once: whoever judges the run again, and whoever approves or applies it, does so
//! by the estimate that was shown. A plan that cannot be estimated has an estimate that says why, and the run goes on; whether that may be applied is for
//! policies to say. What nobody came to is asked again some times, and then the run goes on with an estimate that says just that: no run waits without end.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use statehouse_capsule::Estimate as Bound;
use statehouse_ledger::{Hash, sha256};
use statehouse_model::{RunId, WorkspaceId, instant};

use super::estimate::{self, Estimate, Estimator, Input, Micro, Purpose, Question, Said, Unsaid};
use super::{Kept, Kind, sql};
use crate::blob::Stored;
use crate::ctx::Ctx;
use crate::door::{self, Entry, Outcome, Plan, Target, actions};
use crate::error::{Error, Kind as Trouble, Result};
use crate::object::Object;
use crate::record::Rows;
use crate::run::files::{self, Kind as File};
use crate::run::sql::{self as runs, Run};
use crate::run::{capsule, needed};
use crate::workspace::Workspace;

actions! {
    /// Look up from what a plan is to be estimated, and keep what of it comes with the binary.
    GatherCost = "cost.gather" needs RunPlan;
    /// Keep the estimate of a plan.
    EstimateRun = "cost.estimate" needs RunPlan;
}

/// How often it is asked what a plan costs, where nobody answers.
const ASKED_MAX: u32 = 3;

/// A file that was looked up, sealed as it is.
pub(crate) type Sealed = (Object, Stored);

/// An input that was looked up.
pub(super) type Looked = (Kind, String, Sealed);

/// Whether the plan of a run is to be estimated, and is not yet.
pub(crate) async fn is_due(rows: &mut Rows, run: &Run) -> Result<bool> {
    if sql::estimate(rows, &run.id).await?.is_some() {
        return Ok(false);
    }
    let workspace = capsule::workspace_of(rows, run).await?;
    super::is_wanted(rows, &workspace).await
}

/// The inputs that are said around a workspace: book, overlay, usage files from the widest to the nearest.
pub(super) async fn inputs(rows: &mut Rows, run: &Run) -> Result<Vec<Looked>> {
    let workspace = capsule::workspace_of(rows, run).await?;
    let said = super::around(rows, &workspace).await?;
    let mut found = Vec::new();
    for kind in [Kind::Book, Kind::Overlay, Kind::Usage] {
        for each in said.iter().filter(|each| each.kind == kind.as_str()) {
            if let Some(row) = super::input_of(rows, each).await? {
                let object = Object::from(&row);
                let stored = object.stored(rows).await?;
                found.push((kind, each.name.clone(), (object, stored)));
            }
        }
    }
    Ok(found)
}

/// Opens inputs, and puts with them what of it comes with the binary and nobody said otherwise.
pub(super) async fn opened(
    ctx: &Ctx,
    estimator: &dyn Estimator,
    looked: Vec<Looked>,
) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for (kind, name, (object, stored)) in looked {
        let bytes = object.open(ctx, stored).await?;
        inputs.push(Input { kind, name, bytes });
    }
    let own = estimator.own();
    for each in [own.book, own.mapping] {
        if inputs.iter().all(|input| input.kind != each.kind) {
            inputs.push(each);
        }
    }
    inputs.sort_by_key(|input| input.kind);
    Ok(inputs)
}

/// The day of an instant.
pub(super) fn day(now: i64) -> String {
    let text = instant::format(now).unwrap_or_default();
    text.chars().take(10).collect()
}

/// Estimates the plan of a run, unless that was done, and stores what came of it.
pub(crate) async fn make(ctx: &Ctx, id: &RunId) -> Result<()> {
    let Some(estimator) = ctx.house().estimator().cloned() else {
        return Ok(());
    };
    // One at a time of each house; nothing that is judged waits for it.
    let _turn = ctx.house().turn_to_estimate().await;
    if look(ctx, id).await?.is_none() {
        return Ok(());
    }
    let mut asked = 1;
    loop {
        let Some((question, said)) = Box::pin(ask(ctx, id, &*estimator)).await? else {
            return Ok(());
        };
        match &said {
            Err(Unsaid::Unanswered(why)) if asked < ASKED_MAX => {
                tracing::warn!(run = %id, asked, why, "a plan is not estimated yet");
                asked += 1;
                continue;
            }
            Err(Unsaid::Unanswered(why) | Unsaid::Impossible(why)) => {
                tracing::warn!(run = %id, why, "a plan cannot be estimated");
            }
            Ok(_) => {}
        }
        return store(ctx, id, &question, Estimate::of(&question, said)).await;
    }
}

/// What a plan is estimated from, as it was looked up: the plan, the inputs, and what it is called.
type OfPlan = (Sealed, Vec<Looked>, WorkspaceId);

/// Looks up from what the plan of a run is to be estimated; `None` where it is not, or was.
async fn look(ctx: &Ctx, id: &RunId) -> Result<Option<OfPlan>> {
    let wanted = id.clone();
    let target = Target::Workspace(Workspace::OfRun(id.clone()));
    door::read(ctx, GatherCost, &target, move |rows| {
        Box::pin(async move {
            let run = needed(rows, &wanted).await?;
            if !is_due(rows, &run).await? {
                return Ok(None);
            }
            let plan = files::find(rows, &run.id, File::PlanJson).await?;
            let gone = || Error::tampered(format!("the plan of {wanted} is missing"));
            let plan = plan.ok_or_else(gone)?;
            Ok(Some((plan, inputs(rows, &run).await?, run.workspace)))
        })
    })
    .await
}

/// Asks once what a plan costs. It is opened when there is a place to estimate it in, so that nobody waits with a plan in memory.
async fn ask(
    ctx: &Ctx,
    id: &RunId,
    estimator: &dyn Estimator,
) -> Result<Option<(Question, std::result::Result<Said, Unsaid>)>> {
    let place = estimator.place(super::lane(ctx, Purpose::Run)).await;
    let Some(((object, stored), looked, workspace)) = look(ctx, id).await? else {
        return Ok(None);
    };
    let inputs = opened(ctx, estimator, looked).await?;
    let target = Target::Workspace(Workspace::OfRun(id.clone()));
    for input in &inputs {
        keep(ctx, &target, input).await?;
    }
    let question = Question {
        plan: object.document(ctx, stored).await?,
        name: workspace.to_string(),
        inputs,
        date: day(ctx.house().now()),
        region: None,
    };
    let said = match place {
        Ok(place) => estimator.estimate(place, question.clone()).await,
        Err(unsaid) => Err(unsaid),
    };
    Ok(Some((question, said)))
}

/// Keeps an input that comes with the binary, unless it is there.
async fn keep(ctx: &Ctx, target: &Target, input: &Input) -> Result<()> {
    let about = format!("it comes with statehouse {}", env!("CARGO_PKG_VERSION"));
    let kept = super::prepare(ctx, GatherCost, target, (input, about)).await?;
    if kept.stored.is_none() {
        return Ok(());
    }
    let kept = Arc::new(kept);
    let plan = Plan {
        weight: kept.weight(),
        asks: Vec::new(),
    };
    let given = kept.clone();
    let stored = door::planned(ctx, GatherCost, target.clone(), plan, move |tx| {
        let kept = given.clone();
        Box::pin(async move {
            let row = kept.store(tx).await?;
            let is_there = row.id != kept.row.id;
            if is_there {
                return Ok(Outcome::Unchanged(row.id));
            }
            let entry = Kept::told(Entry::new(&row.id), &row);
            Ok(Outcome::Recorded(row.id, entry))
        })
    })
    .await;
    kept.forget_unless(ctx, &stored);
    stored.map(drop)
}

/// Stores an estimate; one that is larger than a file of a run may be says that instead.
async fn store(ctx: &Ctx, id: &RunId, question: &Question, estimate: Estimate) -> Result<()> {
    let mut estimate = estimate;
    let mut text = estimate.text()?;
    let mut file = files::prepare(ctx, id, File::Estimate, 0, text.clone()).await;
    if let Err(error) = &file
        && *error.kind() == Trouble::Invalid
    {
        let why = Unsaid::Impossible(error.message().to_owned());
        estimate = Estimate::of(question, Err(why));
        text = estimate.text()?;
        file = files::prepare(ctx, id, File::Estimate, 0, text.clone()).await;
    }
    let file = file?;
    let plan = Plan {
        weight: file.weight(),
        asks: Vec::new(),
    };
    let (object, wanted) = (file.row.id.clone(), id.clone());
    let given = Arc::new((file, estimate, sha256(&text)));
    let target = Target::Workspace(Workspace::OfRun(id.clone()));
    let stored = door::planned(ctx, EstimateRun, target, plan, move |tx| {
        let (wanted, given) = (wanted.clone(), given.clone());
        Box::pin(async move {
            let (file, estimate, digest) = &*given;
            let run = needed(tx, &wanted).await?;
            if sql::estimate(tx, &run.id).await?.is_some() {
                return Ok(Outcome::Unchanged(false));
            }
            let row = row(tx, &run, estimate, digest).await?;
            files::store(tx, file).await?;
            tx.put(&row).await?;
            let entry = files::told(Entry::new(&run.id), &file.row);
            Ok(Outcome::Recorded(
                true,
                entry.fact("complete", row.complete),
            ))
        })
    })
    .await;
    match &stored {
        Ok(true) => {}
        // There is another one already.
        Ok(false) => ctx.house().blobs().forget(object.as_str()),
        refused => files::forget_refused(ctx, &object, refused),
    }
    stored.map(drop)
}

async fn row(
    rows: &mut Rows,
    run: &Run,
    estimate: &Estimate,
    digest: &Hash,
) -> Result<sql::CostEstimate> {
    let workspace = capsule::workspace_of(rows, run).await?;
    let totals = estimate.figures.totals.iter();
    let totals: BTreeMap<&String, Micro> =
        totals.map(|(name, total)| (name, total.micro)).collect();
    let totals = serde_json::to_string(&totals)
        .map_err(|error| Error::internal(format!("the totals of an estimate: {error}")))?;
    Ok(sql::CostEstimate {
        run: run.id.clone(),
        workspace: workspace.id,
        project: workspace.project,
        digest: digest.to_vec(),
        complete: estimate.missing().is_none(),
        totals,
        resources: estimate.figures.counts.resources,
        estimated: estimate.figures.counts.estimated,
        created_at: run.created_at,
    })
}

/// The totals of a row.
pub(super) fn totals(row: &sql::CostEstimate) -> Result<BTreeMap<String, Micro>> {
    serde_json::from_str(&row.totals)
        .map_err(|error| Error::tampered(format!("the totals of {}: {error}", row.run)))
}

/// The row of a run's estimate and the file that it is about; they must belong together.
pub(super) async fn found(
    rows: &mut Rows,
    run: &RunId,
) -> Result<Option<(sql::CostEstimate, runs::RunFile)>> {
    let row = sql::estimate(rows, run).await?;
    let file = runs::file(rows, run, File::Estimate.as_str()).await?;
    match (row, file) {
        (None, None) => Ok(None),
        (Some(row), Some(file)) if row.digest == file.digest => Ok(Some((row, file))),
        _ => Err(Error::tampered(format!(
            "the estimate of {run} is not the one that was made"
        ))),
    }
}

/// The estimate of a run in the words of a capsule: the one that is stored, by its digest. That its bytes are those is looked at when they are opened.
pub(crate) async fn bound(rows: &mut Rows, run: &RunId) -> Result<Option<Bound>> {
    let Some((row, _)) = found(rows, run).await? else {
        return Ok(None);
    };
    let odd = |_| Error::tampered(format!("the digest of the estimate of {run} is none"));
    let digest = Hash::try_from(row.digest.as_slice()).map_err(odd)?;
    Ok(Some(estimate::bound(digest, &totals(&row)?)))
}

/// The sealed estimate of a run.
pub(crate) async fn sealed(rows: &mut Rows, run: &RunId) -> Result<Option<Sealed>> {
    if found(rows, run).await?.is_none() {
        return Ok(None);
    }
    files::find(rows, run, File::Estimate).await
}

/// What policies read of an estimate, or why they read nothing.
pub(crate) async fn judged(
    ctx: &Ctx,
    sealed: Option<Sealed>,
) -> Result<std::result::Result<Bytes, String>> {
    let Some(sealed) = sealed else {
        return Ok(Err("its plan is not estimated here".to_owned()));
    };
    let (_, estimate) = read(ctx, sealed).await?;
    let missing = || estimate.missing().unwrap_or_default();
    Ok(estimate.policy().ok_or_else(missing))
}

/// Opens an estimate.
pub(crate) async fn read(ctx: &Ctx, (object, stored): Sealed) -> Result<(Bytes, Estimate)> {
    let text = object.open(ctx, stored).await?;
    let estimate = Estimate::read(&text)?;
    Ok((text, estimate))
}
