//! What somebody may ask to be told. Pure.

use std::str::FromStr;

use crate::error::{Error, Result};
use crate::policy::judge::Outcome;
use crate::run::machine::{Kind, Status};
use crate::run::written::JUDGED;

/// Something that is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trigger {
    /// A run was started.
    Created,
    /// It plans.
    Planning,
    /// It waits for a person.
    NeedsAttention,
    /// It applies.
    Applying,
    /// It ended well.
    Completed,
    /// It ended otherwise: it failed, or somebody or something else ended it.
    Errored,
    /// Something was found altered, by a run or by a read of the state, and the workspace is frozen.
    Tampered,
    /// Policies are against the state that it left, after it was applied.
    StateAgainst,
}

impl Trigger {
    /// All of them, in the order of a run's life.
    pub const ALL: [Self; 8] = [
        Self::Created,
        Self::Planning,
        Self::NeedsAttention,
        Self::Applying,
        Self::Completed,
        Self::Errored,
        Self::Tampered,
        Self::StateAgainst,
    ];

    /// The word on the wire, and in rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "run:created",
            Self::Planning => "run:planning",
            Self::NeedsAttention => "run:needs_attention",
            Self::Applying => "run:applying",
            Self::Completed => "run:completed",
            Self::Errored => "run:errored",
            Self::Tampered => "state:tampered",
            Self::StateAgainst => "state:policies_failed",
        }
    }

    /// What is told when a run comes to `after` from `before`, which a new one has not. A run that
    /// only plans is told of to nobody, unless it finds something altered.
    pub(super) fn of(kind: Kind, before: Option<Status>, after: Status) -> Vec<Self> {
        if before == Some(after) {
            return Vec::new();
        }
        let of_run = match after {
            Status::Pending => before.is_none().then_some(Self::Created),
            Status::Planning => Some(Self::Planning),
            Status::PolicyFailed | Status::AwaitingApproval | Status::PlannedAndSaved => {
                Some(Self::NeedsAttention)
            }
            Status::Applying => Some(Self::Applying),
            Status::Applied | Status::PlannedAndFinished => Some(Self::Completed),
            Status::Errored
            | Status::Canceled
            | Status::ForceCanceled
            | Status::Discarded
            | Status::Superseded
            | Status::Stale
            | Status::StateTampered => Some(Self::Errored),
            Status::Fetching
            | Status::Planned
            | Status::Assessing
            | Status::Approved
            | Status::Verifying => None,
        };
        let altered = (after == Status::StateTampered).then_some(Self::Tampered);
        let of_run = of_run.filter(|_| kind.may_apply());
        of_run.into_iter().chain(altered).collect()
    }

    /// What is told of something that happened beside, by its word and what it was about: it moves no run.
    pub(super) fn beside(event: &str, about: &str) -> Option<Self> {
        let against = [Outcome::SoftFailed, Outcome::HardFailed].map(Outcome::as_str);
        (event == JUDGED && against.contains(&about)).then_some(Self::StateAgainst)
    }

    /// What people read of it; `status` is the run's, where it happened to one.
    pub(super) fn words(self, status: Option<Status>) -> &'static str {
        match (self, status) {
            (Self::Created, _) => "Run created",
            (Self::Planning, _) => "Run planning",
            (Self::NeedsAttention, _) => "Run needs attention",
            (Self::Applying, _) => "Run applying",
            (Self::Completed, Some(Status::Applied)) => "Run applied",
            (Self::Completed, _) => "Run planned, nothing to apply",
            (Self::Errored, Some(Status::Canceled | Status::ForceCanceled)) => "Run canceled",
            (Self::Errored, Some(Status::Discarded)) => "Run discarded",
            (Self::Errored, Some(Status::Superseded)) => "Run superseded by a newer one",
            (Self::Errored, Some(Status::Stale)) => "Run ended: what it was planned on is no more",
            (Self::Errored, _) => "Run errored",
            (Self::Tampered, _) => "Something stored was altered; the workspace is frozen",
            (Self::StateAgainst, _) => "Policies are against the state that was applied",
        }
    }
}

impl FromStr for Trigger {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|each| each.as_str() == text);
        found.ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.map(Self::as_str).into();
            let shown: String = text.chars().take(64).collect();
            Error::invalid(format!(
                "`{shown}` is no trigger; known are {}",
                known.join(", ")
            ))
        })
    }
}

/// As a row holds them.
pub(super) fn joined(triggers: &[Trigger]) -> String {
    let words: Vec<&str> = triggers.iter().map(|each| each.as_str()).collect();
    words.join(",")
}

/// Out of a row, where they are known.
pub(super) fn split(text: &str) -> Vec<Trigger> {
    text.split(',')
        .filter_map(|word| word.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn check(kind: Kind, before: Option<Status>, after: Status, expected: &str) {
        let told = joined(&Trigger::of(kind, before, after));
        assert_eq!(told, expected, "{before:?} to {after:?}");
    }

    #[test]
    fn a_change_of_status_is_told_once_and_anything_else_is_not() {
        let check = |before, after, expected| check(Kind::PlanAndApply, before, after, expected);
        check(None, Status::Pending, "run:created");
        check(Some(Status::Fetching), Status::Pending, "");
        check(Some(Status::Fetching), Status::Planning, "run:planning");
        let waits = Status::AwaitingApproval;
        check(Some(Status::Assessing), waits, "run:needs_attention");
        check(Some(waits), waits, "");
        check(Some(Status::Verifying), Status::Applying, "run:applying");
        check(Some(Status::Applying), Status::Applied, "run:completed");
        check(
            Some(Status::Verifying),
            Status::StateTampered,
            "run:errored,state:tampered",
        );
    }

    #[test]
    fn every_end_of_a_run_that_may_apply_is_told() {
        for status in Status::ALL.into_iter().filter(|status| status.is_final()) {
            let told = Trigger::of(Kind::PlanAndApply, Some(Status::Pending), status);
            assert!(told.contains(&Trigger::Completed) != told.contains(&Trigger::Errored));
        }
    }

    #[test]
    fn a_run_that_only_plans_is_told_of_where_something_was_altered() {
        for status in Status::ALL {
            let told = joined(&Trigger::of(Kind::PlanOnly, Some(Status::Fetching), status));
            let altered = status == Status::StateTampered;
            assert_eq!(told, if altered { "state:tampered" } else { "" });
        }
    }

    #[test]
    fn what_mandatory_policies_say_of_a_state_is_told_and_advice_is_not() {
        for outcome in ["soft-failed", "hard-failed"] {
            let told = Trigger::beside(JUDGED, outcome);
            assert_eq!(told, Some(Trigger::StateAgainst));
        }
        for (event, about) in [
            (JUDGED, "advised"),
            (JUDGED, "passed"),
            ("counted", "hard-failed"),
        ] {
            assert_eq!(Trigger::beside(event, about), None);
        }
    }

    #[test]
    fn words_of_triggers_read_back() {
        for trigger in Trigger::ALL {
            assert_eq!(trigger.as_str().parse::<Trigger>().unwrap(), trigger);
        }
        assert_eq!(split(&joined(&Trigger::ALL)), Trigger::ALL);
        assert!("run:finished".parse::<Trigger>().is_err());
        assert!(split("").is_empty());
    }
}
