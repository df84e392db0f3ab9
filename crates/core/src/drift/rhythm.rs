//! When a workspace is looked at: pure, and safe whatever the clock does.
//!
//! A look is due so long after the last one was started, by whomever. What was
//! missed is caught up once: only the last look counts, not how many there might
//! have been. A clock that was set back or forward by more than the time between
//! two looks makes one look due, and a smaller step none: the distance from the
//! last look counts, whichever side of it the clock is on. (The time of an open
//! house never goes back: it goes on from where it stood when the clock is there,
//! or when the house is opened again.)

use statehouse_ledger::sha256;
use statehouse_model::WorkspaceId;

const HOUR_US: u64 = 3600 * 1_000_000;
/// Longest time that workspaces are apart which would be due at the same moment: a
/// quarter of the shortest time between two looks.
pub(super) const JITTER_US_MAX: u64 = HOUR_US / 4;

/// When a workspace is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rhythm {
    /// The last look, or the moment from which there are any.
    from: i64,
    /// How long after that the next one is due.
    wait_us: i64,
}

impl Rhythm {
    /// Of a workspace, every so many hours from `begun` on, after the last look.
    pub(super) fn of(workspace: &WorkspaceId, hours: u64, begun: i64, last: Option<i64>) -> Self {
        let every = match last {
            Some(_) => hours.saturating_mul(HOUR_US),
            None => 0,
        };
        let wait = every.saturating_add(jitter_us(workspace));
        Self {
            from: last.unwrap_or(begun),
            wait_us: i64::try_from(wait).unwrap_or(i64::MAX),
        }
    }

    /// When the next look is due, as the clock goes.
    pub(super) fn next(self) -> i64 {
        self.from.saturating_add(self.wait_us)
    }

    /// Whether it is due.
    pub(super) fn is_due(self, now: i64) -> bool {
        now.abs_diff(self.from) >= self.wait_us.unsigned_abs()
    }
}

/// How much later than others a workspace is looked at: always the same.
fn jitter_us(workspace: &WorkspaceId) -> u64 {
    let digest = sha256(workspace.as_str().as_bytes());
    let word = digest
        .iter()
        .take(8)
        .fold(0_u64, |word, byte| (word << 8) | u64::from(*byte));
    word % (JITTER_US_MAX + 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use statehouse_model::HouseCode;

    use super::*;

    const HOUR: i64 = 3600 * 1_000_000;
    const NOON: i64 = 500_000 * HOUR;

    fn workspace(number: u128) -> WorkspaceId {
        WorkspaceId::from_entropy(HouseCode::from_entropy(7), number)
    }

    #[test]
    fn workspaces_of_one_schedule_are_apart_and_each_is_itself() {
        let each: Vec<u64> = (0..200)
            .map(|number| jitter_us(&workspace(number)))
            .collect();
        assert!(each.iter().all(|jitter| *jitter <= JITTER_US_MAX));
        assert_eq!(each.iter().collect::<BTreeSet<_>>().len(), 200);
        let spread = each.iter().max().unwrap() - each.iter().min().unwrap();
        assert!(spread > JITTER_US_MAX / 2, "{spread}");
        assert_eq!(jitter_us(&workspace(1)), jitter_us(&workspace(1)));
    }

    /// Lets the clock stand at these moments, and says at which a look was started.
    fn started(begun: i64, hours: u64, clock: &[i64]) -> Vec<i64> {
        let (workspace, mut last, mut started) = (workspace(1), None, Vec::new());
        for now in clock {
            if Rhythm::of(&workspace, hours, begun, last).is_due(*now) {
                last = Some(*now);
                started.push(*now);
            }
        }
        started
    }

    #[test]
    fn the_table_of_clocks() {
        let jitter = i64::try_from(jitter_us(&workspace(1))).unwrap();
        let first = NOON + jitter;
        let check = |name: &str, clock: &[i64], expected: &[i64]| {
            assert_eq!(started(NOON, 24, clock), expected, "{name}");
        };
        check("not before its moment", &[NOON, first - 1, first], &[first]);
        let day = first + 24 * HOUR + jitter;
        check(
            "and not again before the time is over",
            &[first, first + 1, day - 1, day, day + 1],
            &[first, day],
        );
        let year = first + 365 * 24 * HOUR;
        check(
            "what was missed is caught up once",
            &[first, year, year + 1, year + HOUR],
            &[first, year],
        );
        check(
            "a small step back is none",
            &[first, first - 1, first - HOUR, first + HOUR],
            &[first],
        );
        let back = first - 30 * 24 * HOUR;
        check(
            "a clock that was far ahead is not waited for",
            &[first, back, back + 1, back + HOUR],
            &[first, back],
        );
        check(
            "one that was set forward and back looks twice, and not more",
            &[first, year, year + 1, first + 2, first + 3],
            &[first, year, first + 2],
        );
    }

    #[test]
    fn numbers_beyond_reason_are_no_fault() {
        let rhythm = Rhythm::of(&workspace(1), u64::MAX, i64::MAX, Some(i64::MIN));
        assert!(!rhythm.is_due(i64::MIN));
        assert!(rhythm.is_due(i64::MAX));
        let rhythm = Rhythm::of(&workspace(1), u64::MAX, 0, Some(i64::MAX));
        assert_eq!(rhythm.next(), i64::MAX);
    }
}
