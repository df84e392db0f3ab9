//! Overrides: somebody lets one plan be applied although a soft-mandatory policy is against it.
//!
//! An override names the plan file, the set as it was in force, and its very words; it ends with any of them, with its time, and when its author may not
//! override any more. Where a workspace asks for approvals of somebody else than the author, nobody overrides what is said of their own run.

use std::sync::Arc;

use statehouse_capsule::Assessment;
use statehouse_ledger::Hash;
use statehouse_model::{ActorId, OverrideId, RunId};

use super::judge::{Outcome as Verdict, Verdicts};
use super::sql::PolicyOverride;
use crate::cost;
use crate::ctx::Ctx;
use crate::door::{self, Outcome, Plan, Target, actions};
use crate::error::{Error, Kind as Trouble, Result};
use crate::house::House;
use crate::record::Rows;
use crate::run::capsule::{self, Found, LIFE_US};
use crate::run::files::{self, Kind};
use crate::run::machine::{Act, Event, Status};
use crate::run::sql::Run;
use crate::run::{arrow, needed};
use crate::workspace::Workspace;
use crate::workspace::sql::Workspace as WorkspaceRow;

actions! {
    /// Let a plan pass that a soft-mandatory policy is against.
    OverridePolicy = "policy.override" needs PolicyOverride;
    /// See what policies said of a run.
    ShowVerdicts = "policy.verdicts" needs RunRead;
}

/// Longest reason, in bytes.
const REASON_BYTES_MAX: usize = 4096;

/// What was looked up for an override.
struct Looked {
    run: Run,
    signed: statehouse_capsule::SignedCapsule,
    overrides: Vec<PolicyOverride>,
}

/// Refuses a word without a reason, and one that is nobody's.
fn require_word(ctx: &Ctx, reason: &str) -> Result<()> {
    if reason.trim().is_empty() || reason.len() > REASON_BYTES_MAX {
        let words = format!("an override needs a reason, of at most {REASON_BYTES_MAX} bytes");
        return Err(Error::invalid(words));
    }
    if ctx.actor().user().is_none() {
        let words =
            "only people override what policies say, and no token of a team or an organization";
        return Err(Error::new(Trouble::Denied, words));
    }
    Ok(())
}

/// Lets the plan of a run pass, for a reason. `hours` is how long the word is good, a week at most.
pub async fn overrule(ctx: &Ctx, id: &RunId, reason: String, hours: Option<u32>) -> Result<()> {
    require_word(ctx, &reason)?;
    let (house, now) = (ctx.house().clone(), ctx.house().now());
    let life = hours
        .map_or(LIFE_US, |hours| i64::from(hours) * 3600 * 1_000_000)
        .min(LIFE_US);
    let target = Target::Workspace(Workspace::OfRun(id.clone()));
    let (wanted, asked) = (id.clone(), ctx.clone());
    let looked = door::read(ctx, OverridePolicy, &target, move |rows| {
        Box::pin(async move {
            look(
                rows,
                (&house, &asked),
                &wanted,
                (now, now.saturating_add(life)),
            )
            .await
        })
    })
    .await?;
    let (file, row) = capsule::sealed(ctx, id, &looked.signed, now).await?;
    let plan = Plan {
        weight: file.weight(),
        asks: Vec::new(),
    };
    let sealed = file.row.id.clone();
    let given = Arc::new((looked, row, file, reason));
    let overruled = door::planned(ctx, OverridePolicy, target, plan, move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (looked, row, file, reason) = &*given;
            let mut run = needed(tx, &looked.run.id).await?;
            if run.changed_at != looked.run.changed_at {
                return Err(Error::new(Trouble::Conflict, "the run changed meanwhile")
                    .hint("look at it again"));
            }
            // What held it up does so no more.
            run.reason.clear();
            files::store(tx, file).await?;
            tx.put(row).await?;
            for each in &looked.overrides {
                tx.put(each).await?;
            }
            let capsule = Hash::try_from(row.digest.as_slice());
            let capsule = capsule.map_err(|_| Error::internal("a digest of another length"))?;
            let bound = &looked.signed.capsule().terms().requirement;
            let sufficient = capsule::needs_nobody(tx, &run, bound).await?;
            let act = Act::Override {
                capsule,
                sufficient,
            };
            let entry = arrow(tx, &mut run, Event::Person(act)).await?;
            let entry = files::told(entry, &file.row).fact("capsule", hex::encode(&row.digest));
            let numbered = looked.overrides.iter().zip(1..);
            let entry = numbered.fold(entry, |entry, (each, number)| {
                entry.fact(&format!("override-{number}"), each.id.as_str())
            });
            Ok(Outcome::Recorded((), entry.detail(Some(reason))))
        })
    })
    .await;
    files::forget_refused(ctx, &sealed, &overruled);
    overruled?;
    ctx.house().work_is_there();
    Ok(())
}

async fn look(
    rows: &mut Rows,
    (house, ctx): (&House, &Ctx),
    id: &RunId,
    (now, until): (i64, i64),
) -> Result<Looked> {
    let run = needed(rows, id).await?;
    let verdicts = overridable(rows, (house, ctx), &run).await?;
    let found = Found::read(&capsule::open(rows, house, &run, Kind::Found).await?)?;
    let plan = found.plan_digest()?;
    let mut overrides = Vec::new();
    for set in verdicts
        .sets
        .iter()
        .filter(|set| set.outcome == Verdict::SoftFailed)
    {
        overrides.push(PolicyOverride {
            id: OverrideId::from_entropy(house.code(), crate::entropy()),
            run: run.id.clone(),
            plan: plan.to_vec(),
            policy_set: hex::decode(&set.digest).unwrap_or_default(),
            words: set.words()?.to_vec(),
            actor: ActorId::from(ctx.actor()),
            created_at: now,
            expires_at: until,
            withdrawn_at: None,
        });
    }
    let overridden = verdicts.digests()?;
    let assessment = Assessment {
        estimate: cost::make::bound(rows, &run.id).await?,
        ..verdicts.assessment(&overridden)?
    };
    let signed = capsule::make(rows, house, &run, (&found, assessment), now).await?;
    Ok(Looked {
        run,
        signed,
        overrides,
    })
}

/// The verdicts that hold a run up, where the caller may let it pass, their permission aside; else why not.
pub(super) async fn overridable(
    rows: &mut Rows,
    (house, ctx): (&House, &Ctx),
    run: &Run,
) -> Result<Verdicts> {
    let id = &run.id;
    if run.state()?.status() != Status::PolicyFailed {
        let words = format!("no policy holds {id} up; it is {}", run.status);
        return Err(Error::new(Trouble::Conflict, words));
    }
    let workspace = capsule::workspace_of(rows, run).await?;
    let actor = ActorId::from(ctx.actor());
    let requirement = capsule::requirement(rows, &workspace).await?;
    if requirement.count > 0
        && !requirement.author_counts
        && capsule::stands_behind(rows, run, &actor).await?
    {
        let words = "nobody overrides what policies say of their own run here: the workspace asks for approvals of others";
        return Err(Error::new(Trouble::Denied, words).hint("ask somebody else who may override"));
    }
    match standing(rows, house, (run, &workspace)).await? {
        Held::Soft(verdicts) => Ok(verdicts),
        Held::Hard(name) => {
            let words = format!(
                "the policy set `{name}` is against it at hard-mandatory, which nobody overrides"
            );
            Err(Error::new(Trouble::Conflict, words)
                .hint("change the configuration, or the policy set"))
        }
        Held::Outdated => {
            let words = "other policies are in force by now than judged this run";
            Err(Error::new(Trouble::Conflict, words).hint("start another run"))
        }
    }
}

/// How a run is held up by policies, whoever looks.
pub(crate) enum Held {
    /// Somebody may let it pass.
    Soft(Verdicts),
    /// Nobody may: the set of this name is against it at hard-mandatory.
    Hard(String),
    /// Nobody may any more: others are in force than judged it.
    Outdated,
}

/// What stands between a run that policies hold up and an override of it, whoever asks.
pub(crate) async fn standing(
    rows: &mut Rows,
    house: &House,
    (run, workspace): (&Run, &WorkspaceRow),
) -> Result<Held> {
    let verdicts = kept(rows, house, run).await?;
    let missing = || Error::tampered(format!("the verdicts on {} are missing", run.id));
    let verdicts = verdicts.ok_or_else(missing)?;
    let mut sets = verdicts.sets.iter();
    if let Some(hard) = sets.find(|set| set.outcome == Verdict::HardFailed) {
        return Ok(Held::Hard(hard.name.clone()));
    }
    let in_force = super::force::digests(rows, (run, workspace)).await?;
    Ok(if in_force == verdicts.digests()? {
        Held::Soft(verdicts)
    } else {
        Held::Outdated
    })
}

/// The verdicts that are kept of a run, the last ones.
pub(crate) async fn kept(rows: &mut Rows, house: &House, run: &Run) -> Result<Option<Verdicts>> {
    if files::find(rows, &run.id, Kind::Verdicts).await?.is_none() {
        return Ok(None);
    }
    let text = capsule::open(rows, house, run, Kind::Verdicts).await?;
    Verdicts::read(&text).map(Some)
}

/// What policies said of a run, the last time; `None` where they were not asked.
pub async fn verdicts(ctx: &Ctx, id: &RunId) -> Result<Option<Verdicts>> {
    let (wanted, house) = (id.clone(), ctx.house().clone());
    let target = Target::Workspace(Workspace::OfRun(id.clone()));
    door::read(ctx, ShowVerdicts, &target, move |rows| {
        Box::pin(async move {
            let run = needed(rows, &wanted).await?;
            kept(rows, &house, &run).await
        })
    })
    .await
}
