//! Where runners come for work: over all open houses, each in its turn; those of an agent to the one house of its pool.
//!
//! A place of this server that is free goes to the house that has the fewest of them, and among those alike to the one
//! that was served longest ago. So a house with a thousand runs keeps another's single run waiting for one job at most, as
//! long as that may take. Which place is whose is remembered by this process for its own places alone. What is taken
//! already is taken from nobody: who began when nobody else waited may have all places until a job ends, unless the
//! operator says how many one house has at most.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use statehouse_model::{Actor, AgentPoolId, HouseCode, HouseId, JobId, RunId};

use super::Core;
use crate::access::RUNS;
use crate::agent;
use crate::ctx::Ctx;
use crate::error::Result;
use crate::house::House;
use crate::job::Holder;
use crate::org;
use crate::run::{turn, work};

/// How often houses are gone through when nobody says that there is work.
const ROUND_EVERY: Duration = Duration::from_secs(5);

impl Core {
    /// Waits for a job of this server's own places, and takes it in the name of
    /// `holder`. Ends with the wait of the caller alone.
    pub async fn next_job(&self, holder: &Holder) -> work::Line {
        loop {
            if let Some(line) = self.look_for_job(holder).await {
                // There may be more, for other runners.
                self.work.ring_for_places();
                return line;
            }
            let bell = self.work.at_a_place();
            tokio::time::timeout(ROUND_EVERY, bell).await.ok();
        }
    }

    /// Goes through the houses once. A place counts for a house while it looks there, so that two that look at once do not both take the last
    /// that a house may have; nobody waits for the rows of a house that he does not look into.
    async fn look_for_job(&self, holder: &Holder) -> Option<work::Line> {
        let houses = {
            let mut places = self.places.lock().await;
            places.free(&holder.name);
            places.in_turn(self.open_houses())
        };
        for house in houses {
            let code = house.code();
            let may_take =
                self.places
                    .lock()
                    .await
                    .reserve(&holder.name, code, self.options.places_max);
            let found = if may_take {
                next_of(&house, holder, self.options.jobs_max).await
            } else {
                let round = turn::round(&house, self.options.jobs_max).await;
                round.map(|_| None)
            };
            let mut places = self.places.lock().await;
            match found {
                Ok(Some(line)) => {
                    places.take(&holder.name, code);
                    return Some(line);
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(house = %code, %error, "looking for runs"),
            }
            places.free(&holder.name);
        }
        None
    }

    /// A place takes no job any more, until this process is started again: it counts for nobody.
    pub async fn place_rests(&self, holder: &Holder) {
        self.places.lock().await.free(&holder.name);
    }

    /// Waits for a job of the pool whose token asks, `wait` at most, and takes it.
    /// A token that ends meanwhile gets none.
    pub async fn next_job_of_pool(
        &self,
        ctx: &Ctx,
        caller: agent::Wish,
        wait: Duration,
    ) -> Result<Option<work::Line>> {
        let until = tokio::time::Instant::now() + wait.min(agent::WAIT_MAX);
        let mut bell = self.work.for_agents();
        loop {
            bell.mark_unchanged();
            if self.work.is_over() {
                return Ok(None);
            }
            let holder = agent::holder(ctx, &caller).await?;
            self.seen(ctx, &holder, false);
            if let Some(line) = next_of(ctx.house(), &holder, self.options.jobs_max).await? {
                self.seen(ctx, &holder, true);
                return Ok(Some(line));
            }
            let now = tokio::time::Instant::now();
            if now >= until {
                return Ok(None);
            }
            let next = until.min(now + ROUND_EVERY);
            tokio::time::timeout_at(next, bell.changed()).await.ok();
        }
    }

    /// The line of a job that an agent holds, for one ask.
    pub async fn line_of_pool(&self, ctx: &Ctx, job: JobId, holder: &str) -> Result<work::Line> {
        let (line, pool) = agent::line(ctx, job, holder).await?;
        self.agents.seen(ctx, (&pool, holder), true);
        Ok(line)
    }

    fn seen(&self, ctx: &Ctx, holder: &Holder, busy: bool) {
        if let Some(pool) = &holder.pool {
            self.agents.seen(ctx, (pool, &holder.name), busy);
        }
    }

    /// The agents of a pool that were heard of lately, for whoever may see them.
    pub async fn agents(&self, ctx: &Ctx, pool: AgentPoolId) -> Result<Vec<agent::AgentView>> {
        agent::show(ctx, pool.clone()).await?;
        Ok(self.agents.of(&pool, ctx.house().now()))
    }

    /// Lets agents go that wait for a job: a server that stops has none for them.
    pub fn let_agents_go(&self) {
        self.work.end();
    }

    /// Lets runs go on where no place of this server looks for jobs: those of agents
    /// do, too, and leases end. Ends with the wait of the caller alone.
    pub async fn take_turns(&self) {
        loop {
            for house in self.open_houses() {
                if let Err(error) = turn::round(&house, self.options.jobs_max).await {
                    tracing::warn!(house = %house.code(), %error, "looking for runs");
                }
            }
            let bell = self.work.at_a_place();
            tokio::time::timeout(ROUND_EVERY, bell).await.ok();
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
                Ok(true) => self.work.ring(),
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

    /// The open houses that take changes.
    fn open_houses(&self) -> Vec<Arc<House>> {
        let mut houses = self.houses.all();
        houses.retain(|house| house.read_only().is_none());
        houses
    }
}

/// Which of this server's places work for whom.
#[derive(Default)]
pub(super) struct Places {
    /// Places that have a job, by their names.
    taken: BTreeMap<String, HouseCode>,
    /// When each house was given a job last, in jobs.
    served: HashMap<HouseCode, u64>,
    /// Jobs that were given.
    given: u64,
}

impl Places {
    /// A place has no job any more: it looks for one.
    fn free(&mut self, place: &str) {
        self.taken.remove(place);
    }

    fn take(&mut self, place: &str, house: HouseCode) {
        self.taken.insert(place.to_owned(), house);
        self.given += 1;
        self.served.insert(house, self.given);
    }

    /// Counts a place for a house while it looks for a job there. Says whether it may take one.
    fn reserve(&mut self, place: &str, house: HouseCode, places_max: usize) -> bool {
        if self.has_all(house, places_max) {
            return false;
        }
        self.taken.insert(place.to_owned(), house);
        true
    }

    /// How many places work for a house.
    fn count(&self, house: HouseCode) -> usize {
        self.taken.values().filter(|taken| **taken == house).count()
    }

    /// Whether a house has as many places as one may have; 0 is as many as there are.
    fn has_all(&self, house: HouseCode, places_max: usize) -> bool {
        places_max > 0 && self.count(house) >= places_max
    }

    /// Houses, those first that have the fewest places, and of those the ones that were served longest ago.
    fn in_turn(&mut self, mut houses: Vec<Arc<House>>) -> Vec<Arc<House>> {
        // Who was closed meanwhile had nothing to be done for long.
        self.served
            .retain(|code, _| houses.iter().any(|house| house.code() == *code));
        houses.sort_by_cached_key(|house| {
            let code = house.code();
            let served = self.served.get(&code).copied().unwrap_or(0);
            (self.count(code), served, code)
        });
        houses
    }
}

async fn next_of(house: &Arc<House>, holder: &Holder, jobs_max: u64) -> Result<Option<work::Line>> {
    if !turn::round(house, jobs_max).await? {
        return Ok(None);
    }
    // A house with an open run stays open.
    house.touch();
    let task = Ctx::new(house.clone(), Actor::Task(RUNS), None, None);
    work::claim(&task, holder).await
}
