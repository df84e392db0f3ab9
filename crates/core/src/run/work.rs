//! What a runner does with the run of its job, by the hand of the server.
//!
//! A runner names nothing: the job that it holds says which run, and a run may
//! touch its own workspace alone ([`super::held`]). What it reports counts while
//! its lease does; what it claims to have found is held against what the server
//! finds for itself ([`begin`]).

mod answer;
mod beat;
mod begin;
mod connected;
mod look;

use std::sync::Arc;

use bytes::Bytes;
use statehouse_capsule::Consequence;
use statehouse_control::Beside;
use statehouse_control::LOG_BYTES_MAX;
use statehouse_control::spooled::Key;
use statehouse_model::{HouseCode, JobId, RunId, WorkspaceId};

use super::capsule::{self, Found};
use super::files::{self, Kind};
use super::machine::{self, Event, Report, Status};
use super::sql::Run;
use super::{Options, arrow, needed, read_options, turn, written};
use crate::access::RUNS;
use crate::configuration;
use crate::ctx::Ctx;
use crate::door::{self, Action, Outcome, Plan, Target, actions};
use crate::error::{Error, Kind as Trouble, Result};
use crate::execution::{self, Tool};
use crate::job::sql::{Job, Term};
use crate::job::{self, Holder, LEASE_US, Step};
use crate::ledger;
use crate::object::Object;
use crate::state::{self, Put, Upload, Which};
use crate::variable::{self, Given};
use crate::workspace::{self, Workspace};
pub use beat::Order;
pub use begin::Begun;

actions! {
    /// Take a job, and keep it.
    LeaseJob = "job.lease" needs RunPlan;
    /// Read what is needed for it.
    ReadJob = "job.read" needs RunPlan;
    /// Store a piece of a log, or a file.
    StoreFile = "run.file" needs RunPlan;
    /// Report how far a plan is.
    ReportRun = "run.report" needs RunPlan;
    /// Ask whether an apply may begin.
    BeginApply = "run.apply" needs RunPlan;
}

/// A job in the hands of a runner. Everything that the runner asks goes through it.
#[derive(Clone)]
pub struct Line {
    ctx: Ctx,
    run: RunId,
    workspace: WorkspaceId,
    job: JobId,
    step: Step,
    attempt: u32,
    sandbox: String,
}

/// What is to be done.
#[derive(Clone)]
pub struct Work {
    /// The run.
    pub run: RunId,
    /// Its workspace.
    pub workspace_id: WorkspaceId,
    /// Whether the run holds it: then nobody else changes its state.
    pub holds_lock: bool,
    /// The name of its workspace.
    pub workspace: String,
    /// The plan, or the apply.
    pub step: Step,
    /// How to plan.
    pub options: Options,
    /// The variables that it is given, those of the run alone among them.
    pub variables: Vec<Given>,
    /// The tool.
    pub tool: Tool,
    /// The version of the tool; empty for none in particular.
    pub tool_version: String,
    /// Where in the configuration the root module is.
    pub working_directory: String,
    /// Whether the tool logs in a form that programs read.
    pub structured: bool,
    /// Digest of what is in the configuration.
    pub configuration: [u8; 32],
    /// For an apply: what was found when it was planned.
    pub planned: Option<Found>,
    /// For an apply: whether what the plan file says is to be derived from it again.
    pub reverify: bool,
    /// The key under which a runner keeps a state that the server has not taken.
    pub spool_key: [u8; 32],
    /// How long it may take, in minutes.
    pub minutes_max: u64,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// There is a plan; its files are stored.
    Planned {
        /// What it was made with.
        found: Box<Found>,
        /// Whether it changes anything.
        changes: bool,
    },
    /// Everything was applied.
    Applied,
    /// Something failed: where, a word.
    Failed(String),
    /// The runner found something that is not what it must be.
    Refused {
        /// What, a word.
        what: String,
        /// What was expected and what was found, for people.
        why: String,
    },
    /// It stopped, as it was asked to.
    Stopped,
}

/// Longest words of a runner that are kept of why it refused, in letters.
const WHY_MAX: usize = 4000;
/// Waiting jobs that are tried in one look, where the oldest do not read.
const TRIED_MAX: i64 = 20;

/// Takes the oldest job of a house that waits for such a holder.
pub(crate) async fn claim(task: &Ctx, holder: &Holder) -> Result<Option<Line>> {
    let pool = holder.pool.clone();
    let waiting = door::read(task, LeaseJob, &Target::House, move |rows| {
        Box::pin(async move { job::sql::queued(rows, pool.as_ref(), TRIED_MAX).await })
    })
    .await?;
    for id in waiting {
        match claim_one(task, holder, &id).await {
            Ok(None) => {}
            Ok(line) => return Ok(line),
            Err(error) if *error.kind() == Trouble::Unavailable => return Err(error),
            Err(error) => tracing::warn!(job = %id, %error, "a job is passed over"),
        }
    }
    Ok(None)
}

/// Takes a job, if nobody did meanwhile.
async fn claim_one(task: &Ctx, holder: &Holder, id: &JobId) -> Result<Option<Line>> {
    let given = Arc::new((holder.clone(), id.clone()));
    let taken = door::change(task, LeaseJob, Target::House, move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (holder, id) = &*given;
            let waits = |job: &Job| job.status == job::QUEUED && job.pool == holder.pool;
            let Some(mut job) = job::sql::by_id(tx, id).await?.filter(waits) else {
                return Ok(Outcome::Unchanged(None));
            };
            job::LEASED.clone_into(&mut job.status);
            job.lease_until = Some(tx.now().saturating_add(LEASE_US));
            job.holder = Some(holder.name.clone());
            job.token = holder.token.clone();
            job.sandbox = Some(holder.sandbox.level().to_owned());
            tx.put(&job).await?;
            job::sandbox::note(tx, &job, &holder.sandbox).await?;
            let term = Term {
                job: job.id.clone(),
                taken_at: tx.now(),
            };
            tx.put(&term).await?;
            let entry = door::Entry::new(&job.id)
                .fact("run", job.run.as_str())
                .fact("step", job.step.as_str())
                .fact("attempt", job.attempt)
                .fact("holder", holder.name.as_str())
                .fact("sandbox", holder.sandbox.level())
                .detail(holder.sandbox.reason());
            let entry = match &holder.pool {
                Some(pool) => entry.fact("pool", pool.as_str()),
                None => entry,
            };
            let entry = match &holder.token {
                Some(token) => entry.fact("token", token.as_str()),
                None => entry,
            };
            let run = needed(tx, &job.run).await?;
            Ok(Outcome::Recorded(Some((job, run.workspace)), entry))
        })
    })
    .await?;
    Ok(taken.map(|(job, workspace)| Line::of(task, job, workspace)))
}

/// Whoever opens the options of a run opens what its runner kept, whatever became of the house's keys since.
fn spool_key(options: &Options, run: &RunId) -> [u8; 32] {
    let words = ["statehouse spool", &options.salt, run.as_str()];
    statehouse_ledger::sha256(words.join("\0").as_bytes())
}

impl Line {
    /// The line of a job that somebody holds, from its row: whoever answers remembers
    /// nothing between two asks.
    pub(crate) fn of(ctx: &Ctx, job: Job, workspace: WorkspaceId) -> Self {
        Self {
            ctx: ctx.as_run(job.run.clone()),
            workspace,
            step: Step::of(&job),
            attempt: u32::try_from(job.attempt).unwrap_or(u32::MAX),
            run: job.run,
            job: job.id,
            // What nobody wrote down is no level, and no plan is bound to it.
            sandbox: job.sandbox.unwrap_or_default(),
        }
    }

    /// The job.
    pub fn id(&self) -> &JobId {
        &self.job
    }

    /// The run.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    pub(super) fn ctx(&self) -> &Ctx {
        &self.ctx
    }

    pub(super) fn job(&self) -> &JobId {
        &self.job
    }

    pub(super) fn step(&self) -> Step {
        self.step
    }

    pub(super) fn attempt(&self) -> u32 {
        self.attempt
    }

    fn workspace(&self) -> Workspace {
        Workspace::Id(self.workspace.clone())
    }

    pub(super) fn target(&self) -> Target {
        Target::Workspace(self.workspace())
    }

    /// What is to be done.
    pub async fn work(&self) -> Result<Work> {
        let (line, house) = (self.clone(), self.ctx.house().clone());
        door::read(&self.ctx, ReadJob, &self.target(), move |rows| {
            Box::pin(async move {
                job::held(rows, &line.job).await?;
                let run = needed(rows, &line.run).await?;
                let of = line.workspace();
                let workspace = workspace::sql::needed(rows, &of).await?;
                let configuration = configuration::needed(rows, &of, &run.configuration).await?;
                let setting = workspace::sql::setting(rows, &workspace.id).await?;
                let setting = setting.unwrap_or_else(|| workspace::unset(workspace.id.clone()));
                let options = capsule::options(rows, &house, &run).await?;
                let of_run = &options.variables;
                let variables = variable::given(rows, &house, &workspace, of_run).await?;
                let planned = match line.step {
                    Step::Plan => None,
                    Step::Apply => {
                        let found = capsule::open(rows, &house, &run, Kind::Found).await?;
                        Some(Found::read(&found)?)
                    }
                };
                let reverify = match line.step {
                    Step::Plan => false,
                    Step::Apply => capsule::is_derived_again(rows, &house, &run).await?,
                };
                let execution = execution::of(rows, &workspace).await?;
                let tool = execution.needed_tool(&workspace)?;
                let directory = options.working_directory.clone();
                let digest = configuration.digest.as_slice().try_into();
                Ok(Work {
                    spool_key: spool_key(&options, &run.id),
                    minutes_max: house.longest().minutes(line.step),
                    run: run.id,
                    holds_lock: run.holds_lock,
                    workspace_id: workspace.id,
                    workspace: workspace.name.to_string(),
                    step: line.step,
                    options,
                    variables,
                    tool,
                    tool_version: setting.terraform_version,
                    // One that is older does not know it.
                    working_directory: directory.unwrap_or(setting.working_directory),
                    // What drifted is told from the plan for the screen.
                    structured: setting.structured_run_output
                        || run.kind == machine::Kind::Drift.as_str(),
                    configuration: digest
                        .map_err(|_| Error::tampered("a configuration without a digest"))?,
                    planned,
                    reverify,
                })
            })
        })
        .await
    }

    /// The archive of the configuration.
    pub async fn configuration(&self) -> Result<Bytes> {
        let line = self.clone();
        let (object, stored) = door::read(&self.ctx, ReadJob, &self.target(), move |rows| {
            Box::pin(async move {
                job::held(rows, &line.job).await?;
                let run = needed(rows, &line.run).await?;
                let of = line.workspace();
                let found = configuration::needed(rows, &of, &run.configuration).await?;
                let object = Object::from(&found);
                let stored = object.stored(rows).await?;
                Ok((object, stored))
            })
        })
        .await?;
        object.open(&self.ctx, stored).await
    }

    /// The plan file that was stored.
    pub async fn plan(&self) -> Result<Bytes> {
        self.stored(Kind::Plan).await
    }

    /// Its JSON that was stored.
    pub async fn plan_json(&self) -> Result<Bytes> {
        self.stored(Kind::PlanJson).await
    }

    async fn stored(&self, kind: Kind) -> Result<Bytes> {
        let line = self.clone();
        let found = door::read(&self.ctx, ReadJob, &self.target(), move |rows| {
            Box::pin(async move {
                job::held(rows, &line.job).await?;
                files::find(rows, &line.run, kind).await
            })
        })
        .await?;
        let missing = || Error::tampered(format!("the {} is missing", kind.as_str()));
        let (object, stored) = found.ok_or_else(missing)?;
        object.open(&self.ctx, stored).await
    }

    /// The state: the one that was planned on, and while it is applied the current one.
    pub async fn state(&self) -> Result<Option<state::Witnessed>> {
        let line = self.clone();
        let run = door::read(&self.ctx, ReadJob, &self.target(), move |rows| {
            Box::pin(async move {
                job::held(rows, &line.job).await?;
                needed(rows, &line.run).await
            })
        })
        .await?;
        let which = match (run.state()?.status(), run.base) {
            (Status::Applying, _) => Which::Current,
            (_, Some(base)) => Which::Version(base),
            (_, None) => return Ok(None),
        };
        state::witnessed(&self.ctx, &self.workspace(), which).await
    }

    /// Some leaves of the ledger, from the `from`th on, for a runner that follows it.
    pub async fn ledger(&self, from: u64) -> Result<ledger::Stretch> {
        let line = self.clone();
        door::read(&self.ctx, ReadJob, &self.target(), move |rows| {
            Box::pin(async move {
                job::held(rows, &line.job).await?;
                ledger::stretch(rows, from).await
            })
        })
        .await
    }

    /// The house of the run, whose ledger it is.
    pub fn house(&self) -> HouseCode {
        self.ctx.house().code()
    }

    /// Stores a state that the apply wrote. Who was given up stores nothing; what
    /// it kept is taken of the run itself ([`Left`]).
    pub async fn put_state(&self, bytes: Bytes) -> Result<()> {
        let line = self.clone();
        door::read(&self.ctx, ReadJob, &self.target(), move |rows| {
            Box::pin(async move { job::held(rows, &line.job).await.map(drop) })
        })
        .await?;
        put_state(&self.ctx, &self.run, &self.workspace(), bytes).await
    }

    /// Stores a piece of the log. What comes after the longest length is dropped.
    pub async fn log(&self, from: u64, bytes: Bytes) -> Result<()> {
        if from >= LOG_BYTES_MAX || bytes.is_empty() {
            return Ok(());
        }
        let line = self.clone();
        let job = door::read(&self.ctx, ReadJob, &self.target(), move |rows| {
            Box::pin(async move { job::held(rows, &line.job).await })
        })
        .await?;
        let from = from.saturating_add(job.log_start);
        self.store(Kind::log_of(self.step), from, bytes).await?;
        self.ctx.house().log_grew(&self.run);
        Ok(())
    }

    /// Stores a file of the plan: `plan`, `plan-json` or `plan-shown`. What was
    /// approved has them already: an apply stores none.
    pub async fn file(&self, name: &str, bytes: impl Into<Beside>) -> Result<()> {
        if self.step != Step::Plan {
            let words = "only who plans stores a plan; an apply works with the one that there is";
            return Err(Error::invalid(words));
        }
        let known = [Kind::Plan, Kind::PlanJson, Kind::PlanShown];
        let kind = known.into_iter().find(|kind| kind.as_str() == name);
        let unknown = || Error::invalid("a runner stores a plan and its JSON, and nothing else");
        let kind = kind.ok_or_else(unknown)?;
        self.store(kind, u64::from(self.attempt), bytes).await
    }

    pub(super) async fn store(
        &self,
        kind: Kind,
        part: u64,
        bytes: impl Into<Beside>,
    ) -> Result<()> {
        let file = files::prepare(&self.ctx, &self.run, kind, part, bytes).await?;
        let place = (&self.workspace, &self.job);
        files::put(&self.ctx, StoreFile, place, file).await
    }

    /// Reports that the plan begins. Who did so already and does not know it, because
    /// the answer was lost, is told the same.
    pub async fn planning(&self) -> Result<()> {
        let line = self.clone();
        let status = door::read(&self.ctx, ReadJob, &self.target(), move |rows| {
            Box::pin(async move {
                job::held(rows, &line.job).await?;
                Ok(needed(rows, &line.run).await?.state()?.status())
            })
        })
        .await?;
        if self.step == Step::Plan && status == Status::Planning {
            return Ok(());
        }
        self.report(ReportRun, |_| Ok(Report::Fetched), ("", ""))
            .await
    }

    async fn report<A: Action>(
        &self,
        action: A,
        report: fn(&Run) -> Result<Report>,
        (reason, why): (&str, &str),
    ) -> Result<()> {
        let given = Arc::new((self.clone(), reason.to_owned(), why.to_owned()));
        door::change(&self.ctx, action, self.target(), move |tx| {
            let given = given.clone();
            Box::pin(async move {
                let (line, reason, why) = &*given;
                job::held(tx, &line.job).await?;
                let mut run = needed(tx, &line.run).await?;
                let report = report(&run)?;
                let applied = report == Report::Applied;
                let event = Event::Runner {
                    attempt: line.attempt,
                    report,
                };
                match (job::is_overdue(&run.reason), applied) {
                    // Who was asked to stop may be done before that.
                    (true, true) => run.reason.clear(),
                    (true, false) => {}
                    (false, _) if reason.is_empty() => {}
                    (false, _) => reason.clone_into(&mut run.reason),
                }
                let mut entry = arrow(tx, &mut run, event).await?;
                if !why.is_empty() {
                    entry = entry.detail(Some(why));
                }
                Ok(Outcome::Recorded((), entry))
            })
        })
        .await
    }

    /// Reports how the job ended.
    pub async fn done(&self, how: Ended) -> Result<()> {
        let done = match how {
            Ended::Planned { found, changes } => self.planned(*found, changes).await,
            Ended::Applied => {
                self.report(ReportRun, |_| Ok(Report::Applied), ("", ""))
                    .await
            }
            Ended::Failed(at) => {
                let reason = word(&at);
                self.report(ReportRun, |_| Ok(Report::Failed), (&reason, ""))
                    .await
            }
            Ended::Refused { what, why } => self.refused(&word(&what), &why).await,
            Ended::Stopped => {
                // Where it stopped by its own clock, that it took too long is not written down yet.
                self.beat().await?;
                let stopped = |run: &Run| {
                    Ok(if run.cancel_requested {
                        Report::Stopped
                    } else {
                        Report::Failed
                    })
                };
                self.report(ReportRun, stopped, ("", "")).await
            }
        };
        self.ctx.house().work_is_there();
        self.ctx.house().log_grew(&self.run);
        done
    }

    /// What the server refused itself ended the run with that answer; what the
    /// runner refuses ends it now.
    async fn refused(&self, what: &str, why: &str) -> Result<()> {
        let line = self.clone();
        let task = self.ctx.as_task(RUNS);
        let over = door::read(&task, ReadJob, &self.target(), move |rows| {
            Box::pin(async move { Ok(needed(rows, &line.run).await?.state()?.status().is_final()) })
        })
        .await;
        if over.unwrap_or(true) {
            return Ok(());
        }
        let refused = |_: &Run| Ok(Report::Refused(Consequence::Tampered));
        // Terminals show it: of a freeze, to everybody who is kept out.
        let why: String = job::sandbox::clean(why).chars().take(WHY_MAX).collect();
        self.report(ReportRun, refused, (what, &why)).await
    }

    async fn planned(&self, found: Found, changes: bool) -> Result<()> {
        let text = serde_json::to_vec(&found)
            .map_err(|error| Error::internal(format!("what a runner found: {error}")))?;
        let part = u64::from(self.attempt);
        let file =
            files::prepare(&self.ctx, &self.run, Kind::Found, part, Bytes::from(text)).await?;
        let plan = Plan {
            weight: file.weight(),
            asks: Vec::new(),
        };
        let sealed = file.row.id.clone();
        let look = match look::Look::of(self, &found).await {
            Ok(look) => look,
            Err(error) => {
                files::forget_unless(&self.ctx, &sealed, &Ok(false));
                return Err(error);
            }
        };
        let given = Arc::new((self.clone(), file, found, look));
        let planned = door::planned(&self.ctx, ReportRun, self.target(), plan, move |tx| {
            let given = given.clone();
            Box::pin(async move {
                let (line, file, found, look) = &*given;
                job::held(tx, &line.job).await?;
                let mut run = needed(tx, &line.run).await?;
                capsule::stored_as_found(tx, &run, found).await?;
                capsule::planned_by_its_tool(tx, &run, found).await?;
                files::store(tx, file).await?;
                let report = look.report(tx, &mut run, changes).await?;
                let event = Event::Runner {
                    attempt: line.attempt,
                    report,
                };
                let entry = arrow(tx, &mut run, event).await?;
                let entry = look.conclude(tx, &run, entry).await?;
                let entry = files::told(entry, &file.row)
                    .fact("changes", changes)
                    .fact("plan", found.plan.as_str())
                    .fact("plan-json", found.plan_json.as_str())
                    .fact("plan-shown", found.plan_shown.as_str());
                Ok(Outcome::Recorded((), entry))
            })
        })
        .await;
        files::forget_refused(&self.ctx, &sealed, &planned);
        planned
    }

    /// Says that the runner is gone: it will not be heard of again.
    pub async fn lost(&self) -> Result<()> {
        let task = self.ctx.as_task(RUNS);
        let done = turn::lose_runner(&task, &self.run, turn::Lost::Holder(self.job.clone())).await;
        self.ctx.house().work_is_there();
        done
    }
}

async fn put_state(ctx: &Ctx, run: &RunId, workspace: &Workspace, bytes: Bytes) -> Result<()> {
    let upload = Upload {
        bytes,
        lock_id: Some(run.to_string()),
    };
    match state::put(ctx, workspace, upload).await? {
        Put::Stored(_) | Put::Repeated(_) => Ok(()),
        Put::Kept(kept) => {
            let words = format!(
                "the state was kept aside as {} and is not the current one: {}",
                kept.version.id,
                kept.unusual.join("; ")
            );
            Err(Error::new(Trouble::Conflict, words))
        }
    }
}

/// What is left of a run whose runner was lost together with its server: a
/// state that it wrote and kept.
pub struct Left {
    ctx: Ctx,
    run: RunId,
    key: [u8; 32],
}

impl Left {
    /// Of a run in the house of a task.
    pub(crate) async fn of(task: &Ctx, run: RunId) -> Result<Self> {
        let (ctx, id) = (task.as_run(run.clone()), run.clone());
        let target = Target::Workspace(Workspace::OfRun(run.clone()));
        let options = door::read(&ctx, ReadJob, &target, move |rows| {
            Box::pin(async move { files::find(rows, &id, Kind::Options).await })
        })
        .await?;
        let options = read_options(&ctx, options).await?;
        let key = spool_key(&options, &run);
        Ok(Self { ctx, run, key })
    }

    /// The key under which the run's states are spooled.
    #[cfg(test)]
    pub(crate) fn spool_key(&self) -> [u8; 32] {
        self.key
    }

    /// Opens and stores what a runner left of it, sealed.
    pub async fn take(&self, sealed: &[u8]) -> Result<()> {
        let key = Key::new(&self.key).map_err(|error| Error::internal(error.to_string()))?;
        let state = key.open(sealed).map_err(|_| {
            Error::invalid(format!("what was left is no state of run {}", self.run))
        })?;
        self.put_state(state).await
    }

    /// Stores the state, which the run may do as long as it has the lock.
    pub(crate) async fn put_state(&self, bytes: Bytes) -> Result<()> {
        let workspace = Workspace::OfRun(self.run.clone());
        put_state(&self.ctx, &self.run, &workspace, bytes).await?;
        written::again(&self.ctx.as_task(RUNS), &self.run).await?;
        self.ctx.house().work_is_there();
        Ok(())
    }
}

/// A word of a runner's, as far as it is one.
fn word(text: &str) -> String {
    let fits = |letter: &char| letter.is_ascii_lowercase() || *letter == '-';
    text.chars().filter(fits).take(40).collect()
}
