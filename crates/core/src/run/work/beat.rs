//! Whether a runner is to go on, which it asks again and again: so its lease is renewed, and so it is told that its run is to stop, by
//! whoever canceled it or because the job takes longer than one may.

use super::{LeaseJob, Line, ReadJob};
use crate::access::RUNS;
use crate::door::{self, Outcome};
use crate::error::{Kind as Trouble, Result};
use crate::job::{self, LEASE_US, sql::Job};
use crate::run::{needed, turn};

/// How long before its end a lease is renewed.
const RENEWED_LEFT_US: i64 = LEASE_US * 2 / 3;

/// Whether a runner is to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Yes.
    GoOn,
    /// Stop in order.
    Stop,
    /// Stop in order, because it took too long: what is to be told of that.
    StopLate(String),
    /// Stop at once: the job is not its any more.
    StopNow,
}

impl Line {
    /// Says that the runner is still there; the answer says whether it is to go on.
    pub async fn beat(&self) -> Result<Order> {
        let line = self.clone();
        let now = self.ctx.house().now();
        // In the server's name: that a run is over is no refusal to write down.
        let task = self.ctx.as_task(RUNS);
        let looked = door::read(&task, ReadJob, &self.target(), move |rows| {
            Box::pin(async move {
                let job = job::held(rows, &line.job).await?;
                let begun_at = job::sql::begun_at(rows, &job).await?;
                Ok((job, needed(rows, &line.run).await?, begun_at))
            })
        })
        .await;
        let (job, run, begun_at) = match looked {
            Ok(found) => found,
            Err(error) if *error.kind() == Trouble::Unavailable => return Err(error),
            Err(_) => return Ok(Order::StopNow),
        };
        let longest = self.ctx.house().longest();
        let past = longest.past(self.step, begun_at, now);
        if past.is_some_and(|past| past >= job::IN_ORDER_US) {
            return self.give_up(&job, now).await;
        }
        let left = job.lease_until.unwrap_or(0).saturating_sub(now);
        if left < RENEWED_LEFT_US {
            self.renew().await?;
        }
        if past.is_some() {
            turn::interrupt(&task, &self.run, &self.job, self.step).await?;
            return Ok(Order::StopLate(longest.words(self.step)));
        }
        Ok(if run.cancel_requested {
            Order::Stop
        } else {
            Order::GoOn
        })
    }

    /// Whoever did not end in order is to end at once. The lease is not renewed any
    /// more; when it is over, the job is lost, whoever goes on asking.
    async fn give_up(&self, job: &Job, now: i64) -> Result<Order> {
        if job.lease_until.is_none_or(|until| until < now) {
            self.lost().await?;
        }
        Ok(Order::StopNow)
    }

    async fn renew(&self) -> Result<()> {
        let line = self.clone();
        door::change(&self.ctx, LeaseJob, self.target(), move |tx| {
            let line = line.clone();
            Box::pin(async move {
                let mut job = job::held(tx, &line.job).await?;
                job.lease_until = Some(tx.now().saturating_add(LEASE_US));
                tx.put(&job).await?;
                let entry = door::Entry::new(&job.id).fact("run", job.run.as_str());
                Ok(Outcome::Recorded((), entry))
            })
        })
        .await
    }
}
