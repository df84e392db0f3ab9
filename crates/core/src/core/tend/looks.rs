//! When houses are looked at for drift: open ones every minute, and closed ones when
//! their next look is due.
//!
//! What is remembered of a closed house is a hint: nothing can change in it while it
//! is closed, but by another process. So each is opened again after some hours, also
//! when the clock of the machine says that there is time.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use statehouse_model::HouseCode;
use tokio::time::Instant;

use super::super::Core;
use crate::drift::look::{self, Done};
use crate::error::Result;
use crate::house::House;
use crate::org;

/// How often it is looked whether a look is due: often beside an hour, the shortest
/// time between two.
const ROUND_EVERY: Duration = Duration::from_mins(1);
/// How long a closed house is left alone in which nothing is due.
const CLOSED_MAX: Duration = Duration::from_hours(6);
/// How long one is left alone in which looking failed, in microseconds: what is broken
/// for a moment costs no look, and what stays so is not opened every minute.
const AGAIN_US: i64 = 5 * 60 * 1_000_000;

/// What is remembered of a house.
struct Seen {
    next: Option<i64>,
    at: Instant,
}

/// What is remembered of all houses that were looked at.
#[derive(Default)]
pub(crate) struct Memory(HashMap<HouseCode, Seen>);

impl Memory {
    /// Whether a closed house is to be opened.
    fn is_due(&self, code: HouseCode, now: i64) -> bool {
        self.0.get(&code).is_none_or(|seen| {
            seen.next.is_some_and(|next| next <= now) || seen.at.elapsed() >= CLOSED_MAX
        })
    }

    /// Remembers when to come again: as whoever looked says, and soon where looking failed.
    fn keep(&mut self, code: HouseCode, looked: Result<Done>, now: i64) {
        let next = match looked {
            Ok(done) => done.next,
            Err(error) => {
                tracing::warn!(house = %code, %error, "no drift is looked for in an organization");
                Some(now.saturating_add(AGAIN_US))
            }
        };
        let at = Instant::now();
        self.0.insert(code, Seen { next, at });
    }
}

/// Looks for drift, house by house, as long as there is a core.
pub(super) async fn look_for_drift(core: Weak<Core>) {
    let mut memory = Memory::default();
    loop {
        tokio::time::sleep(ROUND_EVERY).await;
        let Some(core) = core.upgrade() else { return };
        if let Err(error) = core.look_for_drift(&mut memory).await {
            tracing::warn!(%error, "no drift is looked for now");
        }
    }
}

impl Core {
    /// Goes through all houses once.
    pub(crate) async fn look_for_drift(&self, memory: &mut Memory) -> Result<()> {
        let mut there = HashSet::new();
        for organization in self.directory_all().await? {
            if organization.status != org::ACTIVE {
                continue;
            }
            let code = organization.code;
            there.insert(code);
            let open = self.houses.all().into_iter().find(|it| it.code() == code);
            let looked = match open {
                Some(house) => self.look_in(&house).await,
                None if memory.is_due(code, (self.options.clock)()) => {
                    self.look_in_closed(code).await
                }
                None => continue,
            };
            memory.keep(code, looked, (self.options.clock)());
        }
        memory.0.retain(|code, _| there.contains(code));
        Ok(())
    }

    /// Opens a house to look, and closes it again where nothing was to be done.
    async fn look_in_closed(&self, code: HouseCode) -> Result<Done> {
        let house = self.house(code).await?;
        let looked = self.look_in(&house).await;
        drop(house);
        if looked.as_ref().map_or(true, |done| done.started == 0) {
            self.houses.close_unused(code).await;
        }
        looked
    }

    async fn look_in(&self, house: &Arc<House>) -> Result<Done> {
        if house.read_only().is_some() {
            return Ok(Done {
                started: 0,
                next: None,
            });
        }
        look::round(house, self.options.jobs_max).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::Error;
    use crate::drift::tests::Bench;
    use crate::fault::Faults;
    use crate::testing::faults::Script;
    use crate::testing::{World, for_each_engine};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_closed_house_is_opened_when_its_time_comes() {
        for_each_engine(async |world: World| {
            let bench = Bench::new(&world, "web").await;
            bench.every(Some(2)).await;
            let other = Core::open_with(world.options.clone(), Faults::new(Script::quiet()));
            let other = other.await.unwrap();
            let mut memory = Memory::default();
            other.look_for_drift(&mut memory).await.unwrap();
            assert!(other.houses.all().is_empty(), "nothing was due");
            let next = memory.0.get(&world.house.code()).unwrap().next;
            assert!(next.is_some_and(|next| next > world.house.now()));
            other.look_for_drift(&mut memory).await.unwrap();
            assert!(bench.open().await.is_empty());
            world.pass_minutes(16);
            other.look_for_drift(&mut memory).await.unwrap();
            assert_eq!(bench.open().await.len(), 1);
            assert_eq!(other.houses.all().len(), 1, "there is something to do");
            other.look_for_drift(&mut memory).await.unwrap();
            assert_eq!(bench.open().await.len(), 1);
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_closed_house_in_which_looking_failed_is_opened_again_soon() {
        for_each_engine(async |world: World| {
            let bench = Bench::new(&world, "web").await;
            bench.every(Some(2)).await;
            world.pass_minutes(16);
            let other = Core::open_with(world.options.clone(), Faults::new(Script::quiet()));
            let other = other.await.unwrap();
            let mut memory = Memory::default();
            let aside = "ALTER TABLE drift_schedule RENAME TO aside";
            world.tamper(aside).await;
            other.look_for_drift(&mut memory).await.unwrap();
            assert!(other.houses.all().is_empty(), "it is closed again");
            let back = "ALTER TABLE aside RENAME TO drift_schedule";
            world.tamper(back).await;
            other.look_for_drift(&mut memory).await.unwrap();
            assert!(
                bench.open().await.is_empty(),
                "it is left alone for a while"
            );
            world.pass_seconds(AGAIN_US / 1_000_000);
            other.look_for_drift(&mut memory).await.unwrap();
            assert_eq!(bench.open().await.len(), 1);
        })
        .await;
    }

    #[test]
    fn a_closed_house_is_left_alone_until_its_time() {
        let (code, other) = (HouseCode::from_entropy(1), HouseCode::from_entropy(2));
        let failed = HouseCode::from_entropy(3);
        let mut memory = Memory::default();
        assert!(memory.is_due(code, 0), "nobody looked yet");
        let done = |next| Ok(Done { started: 0, next });
        memory.keep(code, done(Some(10)), 0);
        memory.keep(other, done(None), 0);
        memory.keep(failed, Err(Error::unavailable("for a moment")), 0);
        for (now, due) in [(0, false), (AGAIN_US - 1, false), (AGAIN_US, true)] {
            assert_eq!(memory.is_due(failed, now), due, "{now}");
        }
        for (now, due) in [(9, false), (10, true), (11, true)] {
            assert_eq!(memory.is_due(code, now), due, "{now}");
            assert!(!memory.is_due(other, now));
        }
    }
}
