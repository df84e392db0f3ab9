//! How far was looked for receivers, beyond what they were told: nothing there was for them.
//!
//! Only a memory of this process; without it the same is gone through again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use statehouse_model::NotificationId;

use super::trial::Trials;
use crate::door::{Action, Tx};
use crate::error::Result;
use crate::ledger;
use crate::record::Rows;
use crate::run::sql::Place;

/// Events that one look goes through for a receiver.
pub(super) const LOOK_MAX: usize = 256;
/// Receivers of whom it is remembered how far was looked; beyond it all are looked for again.
const LOOKED_MAX: usize = 8192;

/// The end of the ledger, as a snapshot or a change sees it.
#[derive(Debug, Clone, Default)]
pub(super) struct End {
    /// The line that checkpoints begin with: after a declared restore it is another one.
    pub(super) origin: String,
    /// The leaf that comes next. What says that it happened there or later did not happen.
    pub(super) leaf: u64,
}

impl End {
    /// As the snapshot has it.
    pub(super) async fn seen(rows: &mut Rows) -> Result<Self> {
        let head = ledger::sql::head_seen(&mut rows.transaction).await?;
        Ok(head.map_or_else(Self::default, |head| Self {
            origin: head.origin,
            leaf: head.size,
        }))
    }

    /// Before the leaf of the change.
    pub(super) fn of<A: Action>(tx: &Tx<A>) -> Self {
        Self {
            origin: tx.origin().to_owned(),
            leaf: tx.leaf(),
        }
    }
}

/// How far was looked for one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Until {
    /// The ledger in which that was.
    origin: String,
    /// What the receiver was told last.
    told: Place,
    /// Until where was looked.
    place: Place,
    /// Over how many events.
    passed: usize,
}

/// What this process remembers of receivers.
#[derive(Default)]
pub(crate) struct Looked {
    known: Mutex<HashMap<NotificationId, Until>>,
    /// Those that are being tried.
    pub(crate) trials: Trials,
}

impl Looked {
    /// From where to go on, and how many events were passed over until there.
    pub(super) fn after(&self, id: &NotificationId, told: &Place, end: &End) -> (Place, usize) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(id) {
            Some(until) if until.told == *told && until.origin == end.origin => {
                (until.place.clone(), until.passed)
            }
            _ => (told.clone(), 0),
        }
    }

    /// Remembers until where was looked, and over how many events.
    pub(super) fn keep(
        &self,
        id: &NotificationId,
        told: &Place,
        (place, passed): (Place, usize),
        end: &End,
    ) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= LOOKED_MAX && !known.contains_key(id) {
            known.clear();
        }
        let until = Until {
            origin: end.origin.clone(),
            told: told.clone(),
            place,
            passed,
        };
        known.insert(id.clone(), until);
    }

    /// Whether nothing is to be done for a receiver, without a look at its rows. `newest` is the
    /// newest event of its house.
    pub(super) fn is_idle(&self, id: &NotificationId, newest: Option<&Place>, end: &End) -> bool {
        // Everything up to where was looked was not for it, or it was told. Its place moves forward
        // only: whoever is enabled again, or asks for other things, begins after what had happened
        // until then, unless something was still to be told, and that stands after what is
        // remembered, as does what is to be tried again. So while nothing new has happened nothing
        // is due, wherever its place is now. A restored house has another origin.
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(id).is_some_and(|until| {
            let after_all = newest
                .is_none_or(|newest| until.place == *newest || until.place.leaf > newest.leaf);
            // Beyond the most its place is to be moved.
            after_all && until.origin == end.origin && until.passed < LOOK_MAX
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use statehouse_model::HouseCode;

    fn id(number: u128) -> NotificationId {
        NotificationId::from_entropy(HouseCode::from_entropy(7), number)
    }

    fn place(leaf: u64, run: &str) -> Place {
        Place {
            leaf,
            of: run.to_owned(),
            number: 1,
        }
    }

    fn end(origin: &str) -> End {
        End {
            origin: origin.to_owned(),
            leaf: 100,
        }
    }

    #[test]
    fn a_full_memory_is_emptied_for_a_new_receiver_alone() {
        let (looked, end) = (Looked::default(), end("one"));
        let told = place(1, "run-a");
        let keep = |number| looked.keep(&id(number), &told, (place(2, "run-a"), 1), &end);
        let max = u128::try_from(LOOKED_MAX).unwrap_or(0);
        (0..max).for_each(keep);
        keep(0);
        let there = |number| looked.after(&id(number), &told, &end).1 == 1;
        assert!(there(0) && there(max - 1));
        keep(max);
        assert!(there(max) && !there(0));
    }

    #[test]
    fn what_is_remembered_is_of_one_place_and_one_ledger() {
        let looked = Looked::default();
        let (told, until) = (place(1, "run-a"), place(5, "run-b"));
        looked.keep(&id(1), &told, (until.clone(), 3), &end("one"));
        assert_eq!(looked.after(&id(1), &told, &end("one")), (until, 3));
        assert_eq!(looked.after(&id(1), &told, &end("two")), (told.clone(), 0));
        let other = place(2, "run-a");
        assert_eq!(looked.after(&id(1), &other, &end("one")), (other, 0));
        assert_eq!(looked.after(&id(2), &told, &end("one")), (told, 0));
    }

    #[test]
    fn who_was_looked_for_until_the_newest_event_is_idle() {
        let looked = Looked::default();
        let told = place(1, "run-a");
        let idle = |number, newest: &Place, origin: &str| {
            looked.is_idle(&id(number), Some(newest), &end(origin))
        };
        looked.keep(&id(1), &told, (place(5, "run-b"), 3), &end("one"));
        assert!(idle(1, &place(5, "run-b"), "one"));
        assert!(idle(1, &place(4, "run-z"), "one"));
        assert!(looked.is_idle(&id(1), None, &end("one")));
        assert!(!idle(1, &place(5, "run-c"), "one"));
        assert!(!idle(1, &place(6, "run-a"), "one"));
        assert!(!idle(1, &place(5, "run-b"), "two"), "after a restore");
        assert!(!idle(2, &place(5, "run-b"), "one"), "nobody looked");
        looked.keep(&id(2), &told, (place(5, "run-b"), LOOK_MAX), &end("one"));
        assert!(!idle(2, &place(5, "run-b"), "one"), "it is to be moved");
    }
}
