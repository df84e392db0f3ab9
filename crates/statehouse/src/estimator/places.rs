//! Places to estimate in: a few at once, given in turn.
//!
//! Whoever waits stands in a lane: that of the runs of an organization, of its replays, or of the files that it sends. A lane sends one at a time into the
//! line for places, and the line is kept in the order in which they came. So whoever asks much waits for themselves, and everybody else for one of them.
//! Nobody waits without end: after a while it is said that there was no place, which says nothing of what was to be estimated.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use statehouse_core::cost::estimate::{Lane, Place, Purpose, Unsaid};
use tokio::sync::Semaphore;

/// The places, and who waits for one.
pub(super) struct Places {
    all: Arc<Semaphore>,
    lanes: Mutex<HashMap<Lane, Weak<Semaphore>>>,
}

/// How long somebody waits for a place: some minutes where a run goes on afterwards, less than a client does where one waits.
pub(super) fn patience(purpose: Purpose) -> Duration {
    match purpose {
        Purpose::Run => Duration::from_mins(10),
        Purpose::Replay => Duration::from_mins(2),
        Purpose::Input => Duration::from_secs(45),
    }
}

impl Places {
    pub(super) fn new(count: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(count)),
            lanes: Mutex::default(),
        }
    }

    /// A place, as soon as it is this lane's turn; for so long at most.
    pub(super) async fn take(&self, lane: Lane, patience: Duration) -> Result<Place, Unsaid> {
        let of_lane = self.lane(lane);
        let places = self.all.clone();
        let turn = async move {
            let own = of_lane.acquire_owned().await.ok()?;
            let place = places.acquire_owned().await.ok()?;
            Some((place, own))
        };
        let unanswered = |why: String| Err(Unsaid::Unanswered(why));
        match tokio::time::timeout(patience, turn).await {
            Ok(Some(place)) => Ok(Box::new(place)),
            Ok(None) => unanswered("the server ends".to_owned()),
            Err(_) => unanswered(format!(
                "for {} s as many estimates as may be made at once were made for others",
                patience.as_secs()
            )),
        }
    }

    fn lane(&self, lane: Lane) -> Arc<Semaphore> {
        // Nothing is half done while it is held.
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.retain(|_, of| of.strong_count() > 0);
        if let Some(there) = lanes.get(&lane).and_then(Weak::upgrade) {
            return there;
        }
        let new = Arc::new(Semaphore::new(1));
        lanes.insert(lane, Arc::downgrade(&new));
        new
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    fn lane(house: &str, purpose: Purpose) -> Lane {
        Lane {
            house: house.parse().unwrap(),
            purpose,
        }
    }

    /// Lets whoever can go on go on.
    async fn settle() {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn who_asks_much_waits_for_itself_and_others_for_one_of_it() {
        let places = Arc::new(Places::new(2));
        let held = places
            .take(lane("busyHs", Purpose::Run), LONG)
            .await
            .unwrap();
        let mut many = Vec::new();
        for _ in 0..50 {
            let places = places.clone();
            let lane = lane("busyHs", Purpose::Run);
            many.push(tokio::spawn(async move { places.take(lane, LONG).await }));
        }
        settle().await;
        // One place is left, and none of the fifty before has it.
        let other = places
            .take(lane("caameH", Purpose::Run), LONG)
            .await
            .unwrap();
        let is_served = |it: &tokio::task::JoinHandle<_>| it.is_finished();
        assert_eq!(many.iter().filter(|it| is_served(it)).count(), 0);
        // Nor does a house that replays keep its own runs waiting.
        drop(other);
        drop(
            places
                .take(lane("busyHs", Purpose::Replay), LONG)
                .await
                .unwrap(),
        );
        drop(held);
        for waiting in many {
            drop(waiting.await.unwrap().unwrap());
        }
        assert_eq!(places.all.available_permits(), 2);
    }

    #[tokio::test]
    async fn nobody_waits_without_end_and_what_is_said_then_is_ours() {
        let places = Places::new(1);
        let held = places
            .take(lane("busyHs", Purpose::Run), LONG)
            .await
            .unwrap();
        let soon = Duration::from_millis(20);
        let late = places.take(lane("caameH", Purpose::Run), soon).await;
        assert!(matches!(late, Err(Unsaid::Unanswered(_))));
        drop(held);
        places
            .take(lane("caameH", Purpose::Run), LONG)
            .await
            .unwrap();
        // What nobody waits in any more is forgotten.
        places
            .take(lane("strays", Purpose::Run), LONG)
            .await
            .unwrap();
        assert_eq!(places.lanes.lock().unwrap().len(), 1);
    }
}
