//! Jobs: the pieces of work that runners take, under a lease.
//!
//! A run has one open job at most: its plan, or its apply. A runner takes the
//! oldest that waits and keeps it by renewing its lease; a lease that is not
//! renewed ends, and then another tries, or a person must look. Which reports
//! count is said by the attempt, not by the lease: a runner that comes back late
//! has an old one.

pub(crate) mod sql;

use statehouse_model::{JobId, RunId};

use crate::door::{Action, Tx};
use crate::error::{Error, Result};
use crate::record::Rows;
use crate::run::files;
use sql::Job;

/// How long a lease is good; a runner renews it every third of that.
pub const LEASE_US: i64 = 90 * 1_000_000;

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

/// Puts a job into the queue.
pub(crate) async fn queue<A: Action>(
    tx: &mut Tx<A>,
    run: &RunId,
    step: Step,
    attempt: u32,
) -> Result<JobId> {
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
        holder: None,
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
