//! Judging a plan: what it was made from, what it is, what it costs and what policies say of it are bound by a capsule, or hold the run up.

use std::sync::Arc;

use statehouse_capsule::{Assessment, Requirement};
use statehouse_model::RunId;

use super::capsule::{self, Found};
use super::explained::{POLICIES, UNJUDGED};
use super::files::{self, Kind};
use super::machine::{Assessed, Event, Status, Step};
use super::sql::{CapsuleRow, Run};
use super::turn::{target, told};
use super::{arrow, needed};
use crate::cost::make as cost;
use crate::ctx::Ctx;
use crate::door::{self, Entry, Outcome, Plan, Tx, actions};
use crate::error::{Error, Kind as Trouble, Result};
use crate::policy::force;
use crate::policy::judge::{self, Outcome as Verdict, Stage, Verdicts};
use crate::record::Rows;

actions! {
    /// Judge a plan.
    AssessRun = "run.assess" needs RunPlan;
}

/// Judges a plan: what it was made from, what it is, what it costs and what policies say of it are bound by a capsule. While it is estimated and
/// policies are asked, the rest of the house goes on.
pub(super) async fn assess(task: &Ctx, id: &RunId) -> Result<()> {
    begin_assessing(task, id).await?;
    match is_anything_asked(task, id).await {
        Ok(true) => {}
        Ok(false) => return settle(task, id, None).await,
        Err(error) if *error.kind() == Trouble::Tampered => return fail(task, id, error).await,
        Err(error) => return Err(error),
    }
    if let Some(judging) = Judging::begin(task, id) {
        tokio::spawn(async move {
            let (task, id) = judging.of();
            told(id, ask(task, id).await);
        });
    }
    Ok(())
}

/// A run whose plan this process has judged; over when it is dropped, however that came.
pub(super) struct Judging(Ctx, RunId);

impl Judging {
    /// Nothing where this process asks them already.
    pub(super) fn begin(task: &Ctx, id: &RunId) -> Option<Self> {
        let is_new = task.house().judging().insert(id.clone());
        is_new.then(|| Self(task.clone(), id.clone()))
    }

    pub(super) fn of(&self) -> (&Ctx, &RunId) {
        (&self.0, &self.1)
    }
}

impl Drop for Judging {
    fn drop(&mut self) {
        let house = self.0.house();
        house.judging().remove(&self.1);
        house.work_is_there();
    }
}

/// Whether policies are in force, or the plan is to be estimated.
async fn is_anything_asked(task: &Ctx, id: &RunId) -> Result<bool> {
    let wanted = id.clone();
    let estimates = task.house().estimator().is_some();
    door::read(task, AssessRun, &target(id), move |rows| {
        Box::pin(async move {
            let run = needed(rows, &wanted).await?;
            let workspace = capsule::workspace_of(rows, &run).await?;
            let is_judged = !force::of_run(rows, (&run, &workspace)).await?.is_empty();
            Ok(is_judged || (estimates && cost::is_due(rows, &run).await?))
        })
    })
    .await
}

/// What it costs first: policies judge that, too.
async fn ask(task: &Ctx, id: &RunId) -> Result<()> {
    let settled = async {
        Box::pin(cost::make(task, id)).await?;
        match Box::pin(judge::judge(task, id, Stage::Plan)).await? {
            Ok(verdicts) => settle(task, id, verdicts).await,
            // It waits for nobody without end, and nothing is kept as if it had been said.
            Err(why) => fail(task, id, Error::unavailable(why)).await,
        }
    };
    match settled.await {
        Err(error) if *error.kind() != Trouble::Unavailable => fail(task, id, error).await,
        settled => settled,
    }
}

/// Binds a plan with what was said of it, or holds it up by that.
async fn settle(task: &Ctx, id: &RunId, verdicts: Option<Verdicts>) -> Result<()> {
    let forbids = verdicts.as_ref().map(Verdicts::outcome) >= Some(Verdict::SoftFailed);
    let kept = match &verdicts {
        Some(said) => Some(files::prepare(task, id, Kind::Verdicts, 0, said.text()?).await?),
        None => None,
    };
    let said = Arc::new((verdicts, kept));
    if forbids {
        return hold_up(task, id, said).await;
    }
    let made = bind(task, id, said.0.as_ref()).await;
    if !matches!(made, Ok(Some(_))) {
        forget(task, said.1.as_ref());
    }
    let (file, row, bound) = match made {
        Ok(Some(sealed)) => sealed,
        Ok(None) => return Ok(()),
        Err(error) if *error.kind() == Trouble::Unavailable => return Err(error),
        Err(error) => return fail(task, id, error).await,
    };
    let plan = Plan {
        weight: file.weight(),
        asks: Vec::new(),
    };
    let kept = [Some(&file), said.1.as_ref()];
    let kept = kept.map(|file| file.map(|file| file.row.id.clone()));
    let (wanted, sealed) = (id.clone(), Arc::new((file, row, bound)));
    let settled = door::planned(task, AssessRun, target(id), plan, move |tx| {
        let (wanted, sealed, said) = (wanted.clone(), sealed.clone(), said.clone());
        Box::pin(async move {
            let Some((mut run, verdicts)) = still_judged_so(tx, &wanted, said.0.as_ref()).await?
            else {
                return Ok(Outcome::Unchanged(false));
            };
            let (file, row, bound) = &*sealed;
            files::store(tx, file).await?;
            tx.put(row).await?;
            let digest = row.digest.as_slice().try_into();
            let passed = Assessed::Passed {
                capsule: digest.map_err(|_| Error::internal("a digest of another length"))?,
                sufficient: capsule::needs_nobody(tx, &run, bound).await?,
                under_policies: verdicts.is_some(),
            };
            let entry = arrow(tx, &mut run, Event::Server(Step::Assessed(passed))).await?;
            let entry = files::told(entry, &file.row).fact("capsule", hex::encode(&row.digest));
            let entry = with_verdicts(tx, entry, said.1.as_ref()).await?;
            Ok(Outcome::Recorded(true, entry))
        })
    })
    .await;
    for file in kept.into_iter().flatten() {
        files::forget_unless(task, &file, &settled);
    }
    settled.map(drop)
}

/// Removes what was sealed and is not stored.
fn forget(task: &Ctx, file: Option<&files::Prepared>) {
    if let Some(file) = file {
        files::forget_unless(task, &file.row.id, &Ok(false));
    }
}

/// What policies said of a plan, and the sealed file of that.
type Said = Arc<(Option<Verdicts>, Option<files::Prepared>)>;

/// Holds a run up that policies are against, or ends it where nobody could let it pass: what waits for nobody holds no workspace.
async fn hold_up(task: &Ctx, id: &RunId, said: Said) -> Result<()> {
    let wanted = id.clone();
    let file = said.1.as_ref().map(|file| file.row.id.clone());
    let settled = door::change(task, AssessRun, target(id), move |tx| {
        let (wanted, said) = (wanted.clone(), said.clone());
        Box::pin(async move {
            let Some((mut run, _)) = still_judged_so(tx, &wanted, said.0.as_ref()).await? else {
                return Ok(Outcome::Unchanged(false));
            };
            POLICIES.clone_into(&mut run.reason);
            let is_hard = said.0.as_ref().map(Verdicts::outcome) >= Some(Verdict::HardFailed);
            let failed = if is_hard {
                Step::Fail
            } else {
                Step::Assessed(Assessed::Failed)
            };
            let entry = arrow(tx, &mut run, Event::Server(failed)).await?;
            let entry = with_verdicts(tx, entry, said.1.as_ref()).await?;
            Ok(Outcome::Recorded(true, entry))
        })
    })
    .await;
    if let Some(file) = file {
        files::forget_unless(task, &file, &settled);
    }
    settled.map(drop)
}

/// The run, if it waits to be judged still and the same policies are in force that were asked.
async fn still_judged_so<'a>(
    rows: &mut Rows,
    id: &RunId,
    verdicts: Option<&'a Verdicts>,
) -> Result<Option<(Run, Option<&'a Verdicts>)>> {
    let run = needed(rows, id).await?;
    if run.state()?.status() != Status::Assessing {
        return Ok(None);
    }
    let workspace = capsule::workspace_of(rows, &run).await?;
    let in_force = force::digests(rows, (&run, &workspace)).await?;
    let asked = match verdicts {
        Some(verdicts) => verdicts.digests()?,
        None => Vec::new(),
    };
    Ok((in_force == asked).then_some((run, verdicts)))
}

/// Stores what policies said beside the change that it brings about.
async fn with_verdicts(
    tx: &mut Tx<AssessRun>,
    entry: Entry,
    kept: Option<&files::Prepared>,
) -> Result<Entry> {
    let Some(file) = kept else {
        return Ok(entry);
    };
    files::store(tx, file).await?;
    Ok(entry
        .fact("verdicts", file.row.id.as_str())
        .fact("verdicts-body", hex::encode(&file.row.body_digest))
        .fact("verdicts-commitment", hex::encode(&file.row.commitment)))
}

/// Ends a run whose plan cannot be judged, and says why beside the leaf.
async fn fail(task: &Ctx, id: &RunId, error: Error) -> Result<()> {
    tracing::warn!(run = %id, %error, "a plan cannot be bound");
    let given = Arc::new((id.clone(), error));
    door::change(task, AssessRun, target(id), move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (wanted, error) = &*given;
            let mut run = needed(tx, wanted).await?;
            if run.state()?.status() != Status::Assessing {
                return Ok(Outcome::Unchanged(()));
            }
            let (reason, step) = match error.kind() {
                Trouble::Tampered => ("tampered", Step::FindAltered),
                Trouble::Unavailable => (UNJUDGED, Step::Fail),
                _ => ("unbound", Step::Fail),
            };
            reason.clone_into(&mut run.reason);
            let entry = arrow(tx, &mut run, Event::Server(step)).await?;
            Ok(Outcome::Recorded((), entry.detail(Some(error.message()))))
        })
    })
    .await
}

async fn begin_assessing(task: &Ctx, id: &RunId) -> Result<()> {
    let wanted = id.clone();
    door::change(task, AssessRun, target(id), move |tx| {
        let wanted = wanted.clone();
        Box::pin(async move {
            let mut run = needed(tx, &wanted).await?;
            if run.state()?.status() != Status::Planned {
                return Ok(Outcome::Unchanged(()));
            }
            let entry = arrow(tx, &mut run, Event::Server(Step::Assess)).await?;
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await
}

/// A capsule that is sealed and not stored yet, and the approvals that it binds.
type Bound = (files::Prepared, CapsuleRow, Requirement);

/// The capsule of a run, sealed; `None` where the run is somewhere else by now.
async fn bind(task: &Ctx, id: &RunId, verdicts: Option<&Verdicts>) -> Result<Option<Bound>> {
    let (wanted, house, now) = (id.clone(), task.house().clone(), task.house().now());
    let assessment = match verdicts {
        Some(verdicts) => verdicts.assessment(&[])?,
        None => Assessment::default(),
    };
    let made = door::read(task, AssessRun, &target(id), move |rows| {
        Box::pin(async move {
            let run = needed(rows, &wanted).await?;
            if run.state()?.status() != Status::Assessing {
                return Ok(None);
            }
            let found = capsule::open(rows, &house, &run, Kind::Found).await?;
            let found = Found::read(&found)?;
            let estimate = cost::bound(rows, &run.id).await?;
            let assessment = Assessment {
                estimate,
                ..assessment
            };
            let found = (&found, assessment);
            let signed = capsule::make(rows, &house, &run, found, now).await?;
            Ok(Some(signed))
        })
    })
    .await?;
    let Some(signed) = made else { return Ok(None) };
    let (file, row) = capsule::sealed(task, id, &signed, now).await?;
    Ok(Some((
        file,
        row,
        signed.capsule().terms().requirement.clone(),
    )))
}
