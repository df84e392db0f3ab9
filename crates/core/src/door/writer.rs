//! One writer per house: group commit.
//!
//! A batch is whatever waits when the last commit returned; there is no timer.
//! The checkpoint is signed inside the transaction and stored by the same
//! commit, and leaves the process only after that commit returned. When the
//! engine ended the transaction the batch is void and its jobs run again
//! alone; when the outcome of a commit is unknown the head is read again
//! before anything is answered.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use statehouse_ledger::Hash;
use statehouse_model::Permission;
use tokio::sync::mpsc;

use super::{Batch, BoxFuture, Entry, Target, ahead, ended, object_of};
use crate::ctx::Ctx;
use crate::db::{Committed, DbError, Trouble};
use crate::error::{Error, Result};
use crate::fault::{Fault, Point};
use crate::house::Base;
use crate::ledger::{Chain, Head, retained};
use crate::record::Ask;

/// Jobs per batch: a batch's answers wait for its slowest body.
const JOBS_MAX: usize = 64;
/// Bytes per batch, so that the memory of one commit is bounded.
const WEIGHT_MAX: usize = 8 * 1024 * 1024;
/// How often a job is tried when the engine ends its transaction.
const TRIES: usize = 3;
/// How long to wait before each further look at the head when the outcome of a
/// commit is unknown: together as long as a database takes to restart.
const LOOKS: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(600),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// The leaf of a change that the access rules refused.
const REFUSED: &str = "access.refused";

/// A job for the writer, its types erased.
pub(crate) trait Work: Send {
    /// About how many bytes it writes.
    fn weight(&self) -> usize;
    /// What it will ask, as far as it is known.
    fn asks(&self) -> Vec<Ask>;
    fn ctx(&self) -> &Ctx;
    fn action(&self) -> (&'static str, Permission);
    /// Decides and runs the body; the entry is there when it must be recorded.
    fn run(&mut self, batch: Batch) -> BoxFuture<'_, (Batch, Option<Entry>)>;
    /// The target, when the last run was refused by the access rules.
    fn refused(&self) -> Option<&Target>;
    /// Replaces the result.
    fn fail(&mut self, error: Error);
    /// Tells the caller the result, if it still listens.
    fn answer(self: Box<Self>);
    /// The error of the last run, if it ended the transaction.
    fn lost(&self) -> Option<DbError>;
    /// Whether running again would only fail the same way.
    fn settled(&self) -> bool;
}

/// Why a batch is void.
enum Void {
    /// The engine ended it; the jobs may run again.
    Lost(DbError),
    /// Whether it was committed could not be found out; no job may run again.
    Unknown(DbError),
    /// A test stops the process here.
    Stop,
}

impl From<DbError> for Void {
    fn from(error: DbError) -> Self {
        Self::Lost(error)
    }
}

/// The loop that owns a house's writing connection and its chain.
pub(crate) struct Writer {
    base: Arc<Base>,
    chain: Chain,
    queue: mpsc::Receiver<Box<dyn Work>>,
    /// The next change is not before this instant, whatever the clock says.
    now_next: i64,
    /// The outcome of a commit was unknown: the keys in memory may be behind.
    doubt: bool,
}

impl Writer {
    pub(crate) fn new(base: Arc<Base>, chain: Chain, queue: mpsc::Receiver<Box<dyn Work>>) -> Self {
        Self {
            base,
            chain,
            queue,
            now_next: i64::MIN,
            doubt: false,
        }
    }

    /// Runs until every sender is gone.
    pub(crate) async fn run(mut self) {
        while let Some(first) = self.queue.recv().await {
            let mut jobs = self.gather(first);
            match self.attempt(&mut jobs).await {
                Ok(()) => {}
                Err(Void::Stop) => return,
                Err(Void::Unknown(error)) => {
                    for job in &mut jobs {
                        job.fail(unknown(&error));
                    }
                }
                Err(Void::Lost(error)) => {
                    tracing::warn!(house = %self.base.code, %error, jobs = jobs.len(), "a batch was void");
                    if self.one_by_one(&mut jobs).await.is_err() {
                        return;
                    }
                }
            }
            for job in jobs {
                job.answer();
            }
        }
    }

    fn gather(&mut self, first: Box<dyn Work>) -> Vec<Box<dyn Work>> {
        let mut weight = first.weight();
        let mut jobs = vec![first];
        while jobs.len() < self.base.batch_jobs_max.min(JOBS_MAX) && weight < WEIGHT_MAX {
            let Ok(job) = self.queue.try_recv() else {
                break;
            };
            weight += job.weight();
            jobs.push(job);
        }
        jobs
    }

    /// The jobs of a void batch again, each in a transaction of its own.
    async fn one_by_one(&mut self, jobs: &mut [Box<dyn Work>]) -> Result<(), ()> {
        for job in jobs.iter_mut().filter(|job| !job.settled()) {
            self.alone(job).await?;
        }
        Ok(())
    }

    /// One job in a transaction of its own, at most [`TRIES`] times.
    async fn alone(&mut self, job: &mut Box<dyn Work>) -> Result<(), ()> {
        for left in (0..TRIES).rev() {
            match self.attempt(std::slice::from_mut(job)).await {
                Ok(()) => return Ok(()),
                Err(Void::Stop) => return Err(()),
                Err(Void::Unknown(error)) => {
                    job.fail(unknown(&error));
                    return Ok(());
                }
                Err(Void::Lost(_)) if job.settled() => return Ok(()),
                // No trouble of the engine's, and the same the next time.
                Err(Void::Lost(error)) if error.trouble() == Trouble::Unique => {
                    job.fail(error.into());
                    return Ok(());
                }
                Err(Void::Lost(error)) if left == 0 => job.fail(
                    Error::unavailable(format!("the database did not take the change: {error}"))
                        .hint("nothing of it was stored; try again when the cause is gone"),
                ),
                Err(Void::Lost(_)) => {}
            }
        }
        Ok(())
    }

    /// Runs the jobs in one transaction and commits it. Refusals whose leaves
    /// went with a void batch are due again.
    async fn attempt(&mut self, jobs: &mut [Box<dyn Work>]) -> Result<(), Void> {
        let attempted = self.transact(jobs).await;
        if attempted.is_err() {
            for (job, target) in jobs
                .iter()
                .filter_map(|job| job.refused().map(|target| (job, target)))
            {
                self.base.refusals.forget(job.ctx(), job.action().0, target);
            }
        }
        attempted
    }

    async fn transact(&mut self, jobs: &mut [Box<dyn Work>]) -> Result<(), Void> {
        self.fault(Point::Begin).await?;
        let transaction = self.base.database.begin_write().await?;
        let doubt = std::mem::take(&mut self.doubt);
        let asks: HashSet<Ask> = jobs.iter().flat_map(|job| job.asks()).collect();
        let asks = asks.into_iter().collect();
        let begun = ahead::writing(&self.base, transaction, doubt, asks).await;
        let (rows, bound) = begun.map_err(lost)?;
        let now = self.base.now().max(self.now_next);
        let chain = self.chain.clone();
        let mut batch = Batch {
            rows,
            chain,
            now,
            changes: Vec::new(),
            leaves: Vec::new(),
            touched: false,
            failed: false,
            new_keyring: None,
        };
        let head = bound.as_ref().map(|(head, _)| head);
        if let Some(head) = head {
            let caught_up = batch
                .chain
                .catch_up(&mut batch.rows.transaction, &self.base, head)
                .await;
            caught_up.map_err(lost)?;
        }
        self.base.signed.settle(head);
        let kept = retained::genuine(bound.as_ref(), &batch.rows.keyring).map_err(lost)?;
        let before = batch.chain.size();
        for (index, job) in jobs.iter_mut().enumerate() {
            batch = self.one(batch, job.as_mut(), index).await?;
        }
        if batch.chain.size() == before {
            batch.rows.transaction.rollback().await;
            self.chain = batch.chain;
            return Ok(());
        }
        self.commit(batch, kept).await
    }

    /// One job between a savepoint and its leaf.
    async fn one(&self, mut batch: Batch, job: &mut dyn Work, index: usize) -> Result<Batch, Void> {
        batch.rows.transaction.begin_job()?;
        batch.changes.clear();
        batch.touched = false;
        let (chain, kept) = (batch.chain.clone(), batch.new_keyring.clone());
        let leaves = batch.leaves.len();
        if let Some(script) = self.base.faults.script(Point::Body(index)) {
            batch.rows.transaction.run(&script).await.ok();
        }
        let (ctx, (action, _)) = (job.ctx().clone(), job.action());
        let (mut batch, entry) = job.run(batch).await;
        batch.rows.transaction.deadline(None);
        if let Some(error) = job.lost() {
            return Err(Void::Lost(error));
        }
        if !batch.rows.transaction.alive() {
            return Err(Void::Lost(DbError::new(
                Trouble::Lost,
                "the engine ended the transaction",
            )));
        }
        let ended_well = match entry {
            Some(entry) => batch.record(&ctx, action, entry).await,
            None => Ok(()),
        };
        if let Err(error) = ended_well {
            // A leaf that cannot be written is this job's failure alone.
            if ended(&error) {
                return Err(lost(error));
            }
            job.fail(error);
            batch.failed = true;
        }
        if batch.failed {
            batch.rows.transaction.abandon_job()?;
            if batch.touched {
                batch.rows.unlearn();
            }
            batch.chain = chain;
            batch.leaves.truncate(leaves);
            batch.changes.clear();
            batch.new_keyring = kept;
            let refused = job.refused().cloned();
            // That a refusal could not be recorded is no refusal to be recorded.
            if let Some(target) = refused
                && action != REFUSED
                && self.base.refusals.due(&ctx, action, &target, batch.now)
            {
                let entry = Entry::new(object_of(&ctx, &target)).fact("refused", action);
                let recorded = batch.record(&ctx, REFUSED, entry).await;
                recorded.map_err(lost)?;
            }
        } else {
            batch.rows.transaction.end_job()?;
        }
        // No two changes of a house have the same instant.
        batch.now += 1;
        Ok(batch)
    }

    /// Signs, commits, and only then lets the checkpoint out.
    async fn commit(&mut self, mut batch: Batch, kept: Hash) -> Result<(), Void> {
        let keyring = batch
            .new_keyring
            .take()
            .unwrap_or_else(|| batch.rows.keyring.clone());
        let head = batch
            .chain
            .sign(&self.base, &keyring, batch.now)
            .map_err(lost)?;
        let stored = batch
            .chain
            .store(&mut batch.rows.transaction, &head, kept, &keyring)
            .await;
        if let Err(error) = stored {
            self.base.signed.forget();
            return Err(lost(error));
        }
        // Whatever the engine does not take of the batch shows here.
        if let Err(error) = batch.rows.transaction.settle().await {
            self.base.signed.forget();
            return Err(Void::Lost(error));
        }
        self.fault(Point::Signed).await?;
        if let Some(script) = self.base.faults.script(Point::Commit) {
            batch.rows.transaction.run(&script).await.ok();
        }
        match batch.rows.transaction.commit().await {
            Committed::Yes => {}
            Committed::No(error) => {
                self.base.signed.forget();
                return Err(Void::Lost(error));
            }
            Committed::Unknown(error) => match self.outcome(&head).await {
                Some(true) => {}
                Some(false) => {
                    self.base.signed.forget();
                    return Err(Void::Lost(error));
                }
                // The offer stays open until the head is read again.
                None => {
                    self.doubt = true;
                    return Err(Void::Unknown(error));
                }
            },
        }
        self.now_next = batch.now;
        self.base.signed.confirm();
        self.chain = batch.chain;
        self.base.set_keyring(keyring);
        self.fault(Point::Committed).await?;
        let from = head.size.saturating_sub(batch.leaves.len() as u64);
        self.base.followed.committed(from, &batch.leaves, &head);
        self.base.announce(head);
        Ok(())
    }

    /// Whether `head` was committed after all; `None` when the database does
    /// not say.
    async fn outcome(&self, head: &Head) -> Option<bool> {
        for pause in LOOKS {
            if let Ok(held) = self.holds(head).await {
                return Some(held);
            }
            tokio::time::sleep(pause).await;
        }
        self.holds(head).await.ok()
    }

    /// Whether the ledger holds the leaves of `head`. Another process may have
    /// moved the head on, but not away from them.
    async fn holds(&self, head: &Head) -> Result<bool> {
        let mut transaction = self.base.database.begin_write().await?;
        let stored = crate::ledger::sql::head(&mut transaction).await?;
        let held = match stored {
            Some(stored) if stored.size >= head.size => {
                Chain::load(&mut transaction, head.size, head.origin.clone())
                    .await?
                    .root()
                    == head.root
            }
            _ => false,
        };
        transaction.rollback().await;
        Ok(held)
    }

    async fn fault(&self, point: Point) -> Result<(), Void> {
        match self.base.faults.at(point).await {
            Fault::None => Ok(()),
            Fault::Lost => Err(Void::Lost(DbError::new(
                Trouble::Lost,
                "connection lost (injected)",
            ))),
            Fault::Stop => Err(Void::Stop),
        }
    }
}

/// The answer to a change that was perhaps made.
fn unknown(error: &DbError) -> Error {
    Error::unavailable(format!(
        "the database broke while it committed the change: {error}"
    ))
    .hint("whether the change was made is not known; read before you repeat it")
}

/// Everything that fails between jobs voids the batch.
fn lost(error: Error) -> Void {
    let trouble = if ended(&error) {
        Trouble::Lost
    } else {
        Trouble::Other
    };
    Void::Lost(DbError::new(trouble, error))
}
