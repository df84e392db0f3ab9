//! Jobs: the pieces of work that runners take, under a lease.
//!
//! A run has one open job at most: its plan, or its apply. A runner takes the
//! oldest that waits and keeps it by renewing its lease; a lease that is not
//! renewed ends, and then another tries, or a person must look. Which reports
//! count is said by the attempt, not by the lease: a runner that comes back late
//! has an old one. A job is for a place: this server's own, or a pool of agents
//! ([`place_of`]). It stays there. However often a lease is renewed, a job ends when
//! it took as long as one may ([`Longest`]).

pub mod sandbox;
pub(crate) mod sql;
mod term;

use std::sync::atomic::{AtomicBool, Ordering};

use statehouse_model::{AgentPoolId, HouseTokenId, JobId, RunId};
use tokio::sync::{Notify, watch};

use crate::door::{Action, Tx};
use crate::error::{Error, Result};
use crate::execution;
use crate::record::Rows;
use crate::run::files;
use crate::workspace::{self, Workspace};
pub use sandbox::Sandbox;
use sql::Job;
pub use term::Longest;
pub(crate) use term::{IN_ORDER_US, is_overdue};

/// How long a lease is good; a runner renews it every third of that.
pub const LEASE_US: i64 = 90 * 1_000_000;

/// Rung where runs may go on, and heard by whoever looks for jobs.
#[derive(Default)]
pub(crate) struct Bell {
    /// The places of this server, of which one looks; if it finds something, it wakes the next.
    places: Notify,
    /// Agents, each of which looks into one pool.
    agents: watch::Sender<u64>,
    /// Nobody is to wait any longer.
    over: AtomicBool,
}

impl Bell {
    pub(crate) fn ring(&self) {
        self.places.notify_one();
        self.agents
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Rings for the last time: agents that wait are let go.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
        self.ring();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// There may be more, for another place.
    pub(crate) fn ring_for_places(&self) {
        self.places.notify_one();
    }

    /// Waits to hear it, at a place.
    pub(crate) async fn at_a_place(&self) {
        self.places.notified().await;
    }

    /// What an agent hears it by, from now on.
    pub(crate) fn for_agents(&self) -> watch::Receiver<u64> {
        self.agents.subscribe()
    }
}

/// Who takes jobs: a place of this server, or one of an agent of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// What it is called, to be told apart.
    pub name: String,
    /// The pool of an agent.
    pub pool: Option<AgentPoolId>,
    /// What it keeps its jobs in.
    pub sandbox: Sandbox,
    /// The token by which an agent asks.
    pub token: Option<HouseTokenId>,
}

impl Holder {
    /// A place of this server.
    pub fn own(name: &str, sandbox: Sandbox) -> Self {
        Self {
            name: name.to_owned(),
            pool: None,
            sandbox,
            token: None,
        }
    }
}

/// Which part of a run a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// To plan.
    Plan,
    /// To apply what was planned.
    Apply,
}

impl Step {
    /// The word that rows and leaves hold.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Apply => "apply",
        }
    }

    /// The step of a row.
    pub(crate) fn of(job: &Job) -> Self {
        if job.step == Self::Apply.as_str() {
            Self::Apply
        } else {
            Self::Plan
        }
    }
}

pub(crate) const QUEUED: &str = "queued";
pub(crate) const LEASED: &str = "leased";
pub(crate) const DONE: &str = "done";
pub(crate) const LOST: &str = "lost";

/// The pool that a job of a run is for; `None` for this server's own places. A plan is made where the runs of the
/// workspace happen now. An apply is for where it was planned: whoever else it is for by now sees nothing of it, and
/// that it is for somebody else is found before it begins.
pub(crate) async fn place_of(
    rows: &mut Rows,
    run: &RunId,
    workspace: &workspace::sql::Workspace,
    step: Step,
) -> Result<Option<AgentPoolId>> {
    if step == Step::Apply {
        match sql::last_of(rows, run, Step::Plan.as_str()).await {
            Ok(Some(planned)) => return Ok(planned.pool),
            Ok(None) => {}
            // A row that does not read ends the run before it is applied, wherever that is to be.
            Err(error) if *error.kind() == crate::Kind::Tampered => {}
            Err(error) => return Err(error),
        }
    }
    place_of_plans(rows, workspace).await
}

/// The pool by whose agents the runs of a workspace are planned now; `None` for this server's own places.
pub(crate) async fn place_of_plans(
    rows: &mut Rows,
    workspace: &workspace::sql::Workspace,
) -> Result<Option<AgentPoolId>> {
    let in_force = execution::of(rows, workspace).await?;
    Ok(in_force.mode.pool().cloned())
}

/// Puts a job into the queue.
pub(crate) async fn queue<A: Action>(
    tx: &mut Tx<A>,
    run: &RunId,
    step: Step,
    attempt: u32,
) -> Result<JobId> {
    let workspace = workspace::sql::needed(tx, &Workspace::OfRun(run.clone())).await?;
    let pool = place_of(tx, run, &workspace, step).await?;
    if sql::open_of(tx, run).await?.is_some() {
        return Err(Error::internal(format!("run {run} has a job already")));
    }
    let job = Job {
        id: JobId::from_entropy(statehouse_model::HouseId::house(run), crate::entropy()),
        run: run.clone(),
        step: step.as_str().to_owned(),
        status: QUEUED.to_owned(),
        attempt: u64::from(attempt),
        log_start: files::log_end(tx, run, step).await?,
        pool,
        holder: None,
        token: None,
        sandbox: None,
        lease_until: None,
        created_at: tx.now(),
    };
    tx.put(&job).await?;
    Ok(job.id)
}

/// Ends the open job of a run, if it has one.
pub(crate) async fn end_of<A: Action>(tx: &mut Tx<A>, run: &RunId, how: &str) -> Result<()> {
    if let Some(mut job) = sql::open_of(tx, run).await? {
        how.clone_into(&mut job.status);
        job.lease_until = None;
        tx.put(&job).await?;
    }
    Ok(())
}

/// A job that its holder still has.
pub(crate) async fn held(rows: &mut Rows, id: &JobId) -> Result<Job> {
    let job = sql::by_id(rows, id).await?;
    let job = job.ok_or_else(|| Error::not_found("job"))?;
    if job.status == LEASED {
        return Ok(job);
    }
    let words = format!("the job is {}: it was given up, or is over", job.status);
    Err(Error::new(crate::Kind::Conflict, words).hint("stop; another has it, or nobody"))
}
