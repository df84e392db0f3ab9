//! Replays: what another bundle would have said of plans that are stored.
//!
//! Each plan is judged twice now, by the set as it is in force and by the other bundle or settings, from the same stored JSON and the same facts: what
//! differs is their doing. Nothing is changed, and nothing of it is kept but on request, what it comes to ([`super::gate`]). It is asked for in pages, so that a
//! long history takes many short questions.

use bytes::Bytes;
use serde_json::{Map, Value};
use statehouse_model::{PolicySetId, RunId};
use statehouse_policy::input::Context;
use statehouse_policy::manifest::Entity;

use super::documents::{self, Documents};
use super::force::{self, InForce};
pub use super::gate::Over;
use super::judge::{self, Outcome, Question, Set, Stage};
use super::publish::{ARCHIVE_BYTES_MAX, refused};
use super::sql::PolicySet;
use super::{Enforcement, Exception, Wish, facts, gate, sql};
use crate::ctx::Ctx;
use crate::door::{self, Target, actions};
use crate::error::{Error, Kind, Result};
use crate::run::sql::{self as runs, Run};
use crate::run::{capsule, machine, needed as needed_run};
use crate::workspace::Workspace;

actions! {
    /// Look what another bundle would have said.
    ReplaySet = "policy-set.replay" needs PolicyWrite;
    /// Judge a stored plan again, by policies that its asker wrote. Recorded: what they say tells of the plan.
    ReplayPlan = "policy.replay-plan" needs StateRead;
}

/// Plans of one page: each takes some tens of milliseconds, a large one seconds.
const PAGE: i64 = 20;

/// What became of a plan, and what would have.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// The run.
    pub run: RunId,
    /// The id of its workspace.
    pub workspace: String,
    /// The id of its project.
    pub project: String,
    /// When it was made, in microseconds since 1970.
    pub created_at: i64,
    /// Where the run is.
    pub status: String,
    /// How many approved it.
    pub approvals: usize,
    /// What the bundle in force says; `None` where there is none.
    pub before: Option<Outcome>,
    /// What the other one says.
    pub after: Outcome,
    /// The policies of the other one that have something against it, by name.
    pub hits: Vec<String>,
}

/// A page of them.
#[derive(Debug, Clone)]
pub struct Page {
    /// The oldest first.
    pub plans: Vec<Replayed>,
    /// Runs that were passed over: the set does not reach them, or they have no plan that policies judge.
    pub passed_over: usize,
    /// The runs whose plans were to be judged and were not: they are not kept any more, or do not read.
    pub unread: Vec<RunId>,
    /// Where the next page begins; `None` where this is the last.
    pub next: Option<RunId>,
}

/// Which plans, and whether what they come to is kept.
#[derive(Debug, Clone, Default)]
pub struct Stretch {
    /// Those of runs that were made then or later.
    pub since: i64,
    /// Those after the run that the page before ended with.
    pub after: Option<RunId>,
    /// Whether it is kept, for the set to take the bundle into force.
    pub keep: bool,
    /// Of which workspaces.
    pub over: Over,
    /// With which settings.
    pub with: Settings,
}

/// Settings that a set would have; what is `None` is as it has it.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The strictest level that its policies have.
    pub enforcement: Option<Enforcement>,
    /// Values of its parameters, all of them.
    pub parameters: Option<Map<String, Value>>,
    /// Its exceptions, all of them.
    pub exceptions: Option<Vec<Exception>>,
}

impl From<&Settings> for Wish {
    fn from(settings: &Settings) -> Self {
        Self {
            enforcement: settings.enforcement,
            parameters: settings.parameters.clone(),
            exceptions: settings.exceptions.clone(),
            ..Self::default()
        }
    }
}

/// Why a run has no part in a page.
enum Passed {
    /// The set does not reach it, or it has no plan.
    Over,
    /// Its plan is not kept any more, or does not read.
    Unread,
}

/// Judges stored plans by another bundle, or by the same with other settings.
pub async fn replay(ctx: &Ctx, id: &PolicySetId, archive: Bytes, stretch: Stretch) -> Result<Page> {
    if archive.len() > ARCHIVE_BYTES_MAX {
        let words = format!("a bundle of policies has at most {ARCHIVE_BYTES_MAX} bytes");
        return Err(Error::invalid(words));
    }
    let wish = Wish::from(&stretch.with);
    wish.checked()?;
    let (wanted, since, behind) = (id.clone(), stretch.since, stretch.after.clone());
    let (set, with, found) = door::read(ctx, ReplaySet, &Target::House, move |rows| {
        Box::pin(async move {
            let set = sql::needed_set(rows, &wanted).await?;
            let mut with = set.clone();
            wish.over(rows, &mut with).await?;
            let found = runs::since(rows, since, behind.as_ref(), PAGE).await?;
            Ok((set, with, found))
        })
    })
    .await?;
    let parameters = super::read(&with.parameters)?;
    let checked = judge::needed(ctx.house())?
        .check(archive, &parameters)
        .await;
    let checked = checked.map_err(refused)?;
    let archive = checked.archive;
    let judges_states = force::judge(&checked.policies, Entity::State);
    let is_full = i64::try_from(found.len()).is_ok_and(|count| count == PAGE);
    let mut page = Page {
        next: found.last().filter(|_| is_full).map(|run| run.id.clone()),
        plans: Vec::new(),
        passed_over: 0,
        unread: Vec::new(),
    };
    for run in found {
        // A look for drift is none that policies are asked about.
        if run.kind == machine::Kind::Drift.as_str() {
            page.passed_over += 1;
            continue;
        }
        let id = run.id.clone();
        let _turn = ctx.house().turn_to_replay().await;
        let of = (&id, &set, stretch.over);
        let gathered = Box::pin(gathered_for(ctx, of, judges_states)).await?;
        let replayed = match gathered {
            Ok(gathered) => Box::pin(gathered.replayed(ctx, (&with, &archive), run)).await?,
            Err(passed) => Err(passed),
        };
        match replayed {
            Ok(replayed) => page.plans.push(replayed),
            Err(Passed::Over) => page.passed_over += 1,
            Err(Passed::Unread) => page.unread.push(id),
        }
    }
    if stretch.keep {
        let with = (&with, &checked.digest);
        Box::pin(gate::keep(ctx, with, stretch, &page)).await?;
    }
    Ok(page)
}

/// What one set could be asked of a stored plan.
struct OfOne {
    /// The set with the bundle that is in force, if one is.
    in_force: Option<Set>,
    of: (Documents, Context),
    project: String,
    approvals: usize,
}

impl OfOne {
    /// What it says of a plan, and what it would say with another bundle or settings.
    async fn replayed(
        self,
        ctx: &Ctx,
        (set, archive): (&PolicySet, &Bytes),
        run: Run,
    ) -> Result<std::result::Result<Replayed, Passed>> {
        let other = Set {
            name: set.name.clone(),
            archive: archive.clone(),
            enforcement: set.enforcement.parse()?,
            parameters: super::read(&set.parameters)?,
            exceptions: super::read(&set.exceptions)?,
        };
        let sets: Vec<Set> = self.in_force.into_iter().chain([other]).collect();
        let count = sets.len();
        let question = match Question::open(ctx, Stage::Plan, sets, self.of).await {
            Ok(question) => question,
            Err(error) if *error.kind() == Kind::Invalid => return Ok(Err(Passed::Unread)),
            Err(error) => return Err(error),
        };
        let said = judge::answered(ctx, question).await?;
        let said = said.map_err(|unsaid| Error::unavailable(unsaid.why()))?;
        let Some(after) = said.last() else {
            return Err(Error::internal("a policy set was not answered for"));
        };
        let hits = after.results.iter().filter(|each| each.outcome != "passed");
        Ok(Ok(Replayed {
            workspace: run.workspace.to_string(),
            project: self.project,
            created_at: run.created_at,
            status: run.status,
            approvals: self.approvals,
            before: said.first().filter(|_| count > 1).map(|said| said.outcome),
            after: after.outcome,
            hits: hits.map(|each| each.policy.clone()).collect(),
            run: run.id,
        }))
    }
}

/// Looks up what a set is asked of a run's plan. The set is as it was when the page was begun: what is kept of the page says so.
async fn gathered_for(
    ctx: &Ctx,
    (id, set, over): (&RunId, &PolicySet, Over),
    judges_states: bool,
) -> Result<std::result::Result<OfOne, Passed>> {
    let (wanted, house, set) = (id.clone(), ctx.house().clone(), set.clone());
    let target = Target::Workspace(Workspace::OfRun(id.clone()));
    let looked = door::read(ctx, ReplayPlan, &target, move |rows| {
        Box::pin(async move {
            let run = needed_run(rows, &wanted).await?;
            let workspace = capsule::workspace_of(rows, &run).await?;
            let tags = force::tags_of(rows, &workspace).await?;
            let is_reached = force::reaches(&set, &workspace, &tags);
            if over == Over::Reached && !is_reached {
                return Ok(Err(Passed::Over));
            }
            // Of what it does not reach it says nothing now.
            let bundle = force::bundle_of(rows, &set).await?;
            let in_force = match bundle.filter(|_| is_reached) {
                Some(bundle) => {
                    let set = InForce {
                        set,
                        bundle,
                        repository: None,
                    };
                    let body = set.body(rows).await?;
                    Some((set, body))
                }
                None => None,
            };
            // What either of them judges.
            let judged = |(set, _): &(InForce, _)| set.judges(Entity::State);
            let is_wanted = judges_states || in_force.as_ref().is_some_and(judged);
            let wants = |entity| entity != Entity::State || is_wanted;
            let at = (&run, Stage::Plan);
            let documents = match documents::of_run(rows, &house, at, wants).await {
                Ok(Some(documents)) => documents,
                Ok(None) => return Ok(Err(Passed::Over)),
                // Retention removed it.
                Err(error) if *error.kind() == Kind::Conflict => return Ok(Err(Passed::Unread)),
                Err(error) => return Err(error),
            };
            let facts = facts::of_run(rows, &house, (&run, &workspace)).await?;
            let approvals = runs::approvals(rows, &run.id).await?.len();
            let project = workspace.project.to_string();
            Ok(Ok((in_force, (documents, facts), (project, approvals))))
        })
    })
    .await;
    let looked = match looked {
        // Its workspace was deleted.
        Err(error) if *error.kind() == Kind::NotFound => Err(Passed::Over),
        looked => looked?,
    };
    let (in_force, of, (project, approvals)) = match looked {
        Ok(looked) => looked,
        Err(passed) => return Ok(Err(passed)),
    };
    let reads = ctx.house().reads();
    for id in of.0.ids() {
        reads.record(ctx, ReplayPlan, &target, &id).await?;
    }
    let in_force = match in_force {
        Some((set, body)) => Some(set.opened(ctx, body).await?),
        None => None,
    };
    Ok(Ok(OfOne {
        in_force,
        of,
        project,
        approvals,
    }))
}
