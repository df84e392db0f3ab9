//! Replays: what stored plans would cost under other inputs; and an estimate made again from what it names.
//!
//! Nothing is changed and nothing of it is kept. That a plan was read is recorded, for what is said of it tells of it. Replays are asked for in pages, so
//! that a long history takes many short questions.

use std::sync::Arc;

use bytes::Bytes;
use statehouse_ledger::sha256;
use statehouse_model::RunId;

use super::estimate::{Estimate, Estimator, Figures, Input, Purpose, Question, Used};
use super::make::{self, Looked, Sealed};
use super::seen::Short;
use super::{Kind, ShowCost, sql};
use crate::access::Scope;
use crate::ctx::Ctx;
use crate::door::{self, Target, actions};
use crate::error::{Error, Kind as Trouble, Result};
use crate::object::Object;
use crate::record::Rows;
use crate::run::files::{self, Kind as File};
use crate::run::needed;
use crate::workspace::Workspace;

actions! {
    /// Estimate a stored plan again. Recorded: what is said of it tells of the plan.
    ReplayCost = "cost.replay-plan" needs StateRead;
}

/// Plans of one page: each takes some tens of milliseconds, a large one seconds.
const PAGE: i64 = 20;

/// By what plans are estimated again; what is not said is as the estimate that there is has it.
#[derive(Debug, Clone, Default)]
pub struct Instead {
    /// The digest of another price book that is kept here, in hex.
    pub book: Option<String>,
    /// Other prices of the organization.
    pub overlay: Option<Bytes>,
    /// Another usage file, in the place of all.
    pub usage: Option<Bytes>,
    /// Everything is taken to be in this region.
    pub region: Option<String>,
    /// The day whose prices count.
    pub date: Option<String>,
}

impl Instead {
    /// The files that were sent along.
    fn files(&self) -> Vec<Input> {
        let all = [(Kind::Overlay, &self.overlay), (Kind::Usage, &self.usage)];
        let file = |(kind, bytes): (Kind, &Option<Bytes>)| {
            Some(Input {
                kind,
                name: kind.as_str().to_owned(),
                bytes: bytes.clone()?,
            })
        };
        all.into_iter().filter_map(file).collect()
    }
}

/// What a plan was estimated to, and what it would be.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// The run.
    pub run: RunId,
    /// Its workspace.
    pub workspace: String,
    /// What it was estimated to.
    pub before: Short,
    /// What it would be.
    pub after: Figures,
    /// Why it cannot be estimated so, if it cannot.
    pub why: Option<String>,
}

/// A page of them.
#[derive(Debug, Clone)]
pub struct Page {
    /// The oldest first.
    pub plans: Vec<Replayed>,
    /// Runs whose plan is not kept any more.
    pub passed_over: usize,
    /// The run that the next page begins after; `None` where this is the last.
    pub next: Option<RunId>,
}

/// An estimate that was made again from what it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Again {
    /// SHA-256 of the one that is kept, in hex.
    pub kept: String,
    /// SHA-256 of the one that was made now.
    pub made: String,
    /// What made it then.
    pub engine: String,
    /// Why none could be made now, if none could.
    pub why: Option<String>,
}

/// What is asked again of one run.
struct Gathered {
    plan: Sealed,
    estimate: Sealed,
    short: Short,
    workspace: String,
}

/// What is kept of a run; `None` where its plan is not kept any more.
async fn gather(ctx: &Ctx, id: &RunId) -> Result<Option<Gathered>> {
    let wanted = id.clone();
    let target = Target::Workspace(Workspace::OfRun(id.clone()));
    let found = door::read(ctx, ReplayCost, &target, move |rows| {
        Box::pin(async move {
            let run = needed(rows, &wanted).await?;
            let Some((row, _)) = make::found(rows, &run.id).await? else {
                return Ok(None);
            };
            let plan = files::find(rows, &run.id, File::PlanJson).await?;
            let estimate = make::sealed(rows, &run.id).await?;
            let (Some(plan), Some(estimate)) = (plan, estimate) else {
                return Ok(None);
            };
            Ok(Some(Gathered {
                plan,
                estimate,
                short: Short::of(&row)?,
                workspace: run.workspace.to_string(),
            }))
        })
    })
    .await;
    let found = match found {
        // Retention removed it, or its workspace was deleted.
        Err(error) if matches!(error.kind(), Trouble::Conflict | Trouble::NotFound) => None,
        found => found?,
    };
    if let Some(gathered) = &found {
        let reads = ctx.house().reads();
        reads
            .record(ctx, ReplayCost, &target, &gathered.plan.0.id)
            .await?;
    }
    Ok(found)
}

/// An input that an estimate names.
async fn named(rows: &mut Rows, used: &Used) -> Result<Looked> {
    let digest = hex::decode(&used.digest).unwrap_or_default();
    let found = sql::input_of(rows, used.kind.as_str(), &digest).await?;
    let gone = || {
        let words = format!(
            "the {} with the digest {} is not kept here",
            used.kind.as_str(),
            used.digest
        );
        Error::new(Trouble::NotFound, words)
    };
    let object = Object::from(&found.ok_or_else(gone)?);
    let stored = object.stored(rows).await?;
    Ok((used.kind, used.name.clone(), (object, stored)))
}

/// The inputs that an estimate names, opened.
async fn inputs_of(ctx: &Ctx, target: &Target, used: Vec<Used>) -> Result<Vec<Input>> {
    let looked = door::read(ctx, ReplayCost, target, move |rows| {
        let used = used.clone();
        Box::pin(async move {
            let mut looked = Vec::new();
            for each in &used {
                looked.push(named(rows, each).await?);
            }
            Ok(looked)
        })
    })
    .await?;
    let mut inputs = Vec::new();
    for (kind, name, (object, stored)) in looked {
        let bytes = object.open(ctx, stored).await?;
        inputs.push(Input { kind, name, bytes });
    }
    Ok(inputs)
}

/// Estimates one plan again, by what its estimate names or by something else.
async fn once(
    ctx: &Ctx,
    estimator: &Arc<dyn Estimator>,
    id: &RunId,
    instead: &Instead,
) -> Result<Option<(Short, Estimate, Estimate, String)>> {
    let _turn = ctx.house().turn_to_replay().await;
    let place = estimator.place(super::lane(ctx, Purpose::Replay)).await;
    let Some(gathered) = gather(ctx, id).await? else {
        return Ok(None);
    };
    let (_, kept) = make::read(ctx, gathered.estimate).await?;
    let mut used = kept.inputs.clone();
    used.retain(|each| match each.kind {
        Kind::Book => instead.book.is_none(),
        Kind::Overlay => instead.overlay.is_none(),
        Kind::Usage => instead.usage.is_none(),
        Kind::Mapping => true,
    });
    if let Some(digest) = &instead.book {
        used.push(Used {
            kind: Kind::Book,
            digest: digest.clone(),
            name: digest.clone(),
        });
    }
    let target = Target::Workspace(Workspace::OfRun(id.clone()));
    let mut inputs = inputs_of(ctx, &target, used).await?;
    inputs.extend(instead.files());
    inputs.sort_by_key(|input| input.kind);
    let (object, stored) = gathered.plan;
    let question = Question {
        plan: object.document(ctx, stored).await?,
        name: gathered.workspace.clone(),
        inputs,
        date: instead.date.clone().unwrap_or_else(|| kept.date.clone()),
        region: instead.region.clone().or_else(|| kept.region.clone()),
    };
    let said = match place {
        Ok(place) => estimator.estimate(place, question.clone()).await,
        Err(unsaid) => Err(unsaid),
    };
    let made = Estimate::of(&question, said);
    Ok(Some((gathered.short, kept, made, gathered.workspace)))
}

/// Estimates stored plans of a scope again, of runs that were made at `since` or later, and after a run that a page ended with.
pub async fn replay(
    ctx: &Ctx,
    scope: Scope,
    instead: Instead,
    (since, after): (i64, Option<RunId>),
) -> Result<Page> {
    let target = scope.target();
    let found = door::read(ctx, ShowCost, &target, move |rows| {
        Box::pin(async move {
            let of = match &scope {
                Scope::Organization => sql::Of::All,
                Scope::Project(id) => sql::Of::Project(id.clone()),
                Scope::Workspace(id) => sql::Of::Workspace(id.clone()),
            };
            sql::estimates(rows, &of, (since, after.as_ref()), PAGE).await
        })
    })
    .await?;
    for file in instead.files() {
        super::looked_at(ctx, &file).await?;
    }
    let estimator = super::needed(ctx)?;
    let is_full = i64::try_from(found.len()).is_ok_and(|count| count == PAGE);
    let mut page = Page {
        next: found.last().filter(|_| is_full).map(|row| row.run.clone()),
        plans: Vec::new(),
        passed_over: 0,
    };
    for row in found {
        let Some((before, _, after, workspace)) =
            Box::pin(once(ctx, &estimator, &row.run, &instead)).await?
        else {
            page.passed_over += 1;
            continue;
        };
        page.plans.push(Replayed {
            run: row.run,
            workspace,
            before,
            why: after.missing(),
            after: after.figures,
        });
    }
    Ok(page)
}

/// Makes the estimate of a run again, from the plan, the day and the inputs that it names.
pub async fn again(ctx: &Ctx, id: &RunId) -> Result<Again> {
    let estimator = super::needed(ctx)?;
    let made = Box::pin(once(ctx, &estimator, id, &Instead::default())).await?;
    let gone = || Error::not_found("estimate, or the plan that it is of");
    let (short, kept, made, _) = made.ok_or_else(gone)?;
    if made.unanswered {
        let why = made.why.unwrap_or_default();
        return Err(Error::unavailable(why).hint("ask again later"));
    }
    Ok(Again {
        kept: short.digest,
        made: hex::encode(sha256(&made.text()?)),
        engine: kept.engine,
        why: made.why,
    })
}
