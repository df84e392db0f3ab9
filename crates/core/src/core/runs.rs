//! Where runners come for work: over all open houses, each in its turn.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use statehouse_model::{Actor, HouseCode, HouseId, RunId};

use super::Core;
use crate::access::RUNS;
use crate::ctx::Ctx;
use crate::error::Result;
use crate::house::House;
use crate::org;
use crate::run::{turn, work};

/// How often houses are gone through when nobody says that there is work.
const ROUND_EVERY: Duration = Duration::from_secs(5);

impl Core {
    /// Waits for a job, and takes it in the name of `holder`. Ends with the wait
    /// of the caller alone.
    pub async fn next_job(&self, holder: &str) -> work::Line {
        loop {
            for house in self.in_turn() {
                match next_of(&house, holder, self.options.jobs_max).await {
                    Ok(Some(line)) => {
                        self.serve(house.code());
                        // There may be more, for other runners.
                        self.work.notify_one();
                        return line;
                    }
                    Ok(None) => {}
                    Err(error) => {
                        tracing::warn!(house = %house.code(), %error, "looking for runs");
                    }
                }
            }
            tokio::time::timeout(ROUND_EVERY, self.work.notified())
                .await
                .ok();
        }
    }

    /// Opens one organization after the other, so that runs which a stop
    /// interrupted go on. Those without any are closed again.
    pub async fn look_for_runs(&self) -> Result<()> {
        for organization in self.directory_all().await? {
            if organization.status != org::ACTIVE {
                continue;
            }
            match self.has_runs(organization.code).await {
                Ok(true) => self.work.notify_one(),
                Ok(false) => self.houses.close_unused(organization.code).await,
                Err(error) => {
                    tracing::warn!(house = %organization.code, %error, "looking for runs of before");
                }
            }
        }
        Ok(())
    }

    async fn has_runs(&self, code: HouseCode) -> Result<bool> {
        let house = self.house(code).await?;
        turn::round(&house, self.options.jobs_max).await
    }

    /// What is left of a run whose runner was lost together with its server.
    pub async fn left_of_run(&self, run: RunId) -> Result<work::Left> {
        let house = self.house(run.house()).await?;
        let task = Ctx::new(house, Actor::Task(RUNS), None, None);
        work::Left::of(&task, run).await
    }

    /// The open houses, beginning after the one that was served last.
    fn in_turn(&self) -> Vec<Arc<House>> {
        let served = *self.served.lock().unwrap_or_else(PoisonError::into_inner);
        let mut houses = self.houses.all();
        houses.retain(|house| house.read_only().is_none());
        houses.sort_by_key(|house| {
            let code = house.code();
            (served.is_some_and(|served| code <= served), code)
        });
        houses
    }

    fn serve(&self, code: HouseCode) {
        *self.served.lock().unwrap_or_else(PoisonError::into_inner) = Some(code);
    }
}

async fn next_of(house: &Arc<House>, holder: &str, jobs_max: u64) -> Result<Option<work::Line>> {
    if !turn::round(house, jobs_max).await? {
        return Ok(None);
    }
    // A house with an open run stays open.
    house.touch();
    let task = Ctx::new(house.clone(), Actor::Task(RUNS), None, None);
    work::claim(&task, holder).await
}
