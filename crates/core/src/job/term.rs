//! How long a job may take, and how it is told in words.
//!
//! A job that takes longer is asked to stop in order, as by somebody who cancels its
//! run; after a while at once; and then it is lost, whatever its runner says.

use statehouse_control::IN_ORDER_MAX;

use super::Step;

/// For how long a job that took too long may go on ending in order, in microseconds.
pub(crate) const IN_ORDER_US: i64 = {
    // Some minutes: no cast loses anything.
    #[allow(clippy::cast_possible_wrap)]
    let seconds = IN_ORDER_MAX.as_secs() as i64;
    seconds * 1_000_000
};
/// What the word begins with that a run ends with whose job took too long.
const OVERDUE: &str = "took-longer-than-";

/// The longest time that a job may take, of each step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Longest {
    /// Minutes of a plan.
    pub plan_minutes: u64,
    /// Minutes of an apply.
    pub apply_minutes: u64,
}

impl Default for Longest {
    /// What others give who run terraform for people: two hours to plan, a day to apply.
    fn default() -> Self {
        Self {
            plan_minutes: 120,
            apply_minutes: 24 * 60,
        }
    }
}

impl Longest {
    /// Minutes of a step.
    pub fn minutes(self, step: Step) -> u64 {
        match step {
            Step::Plan => self.plan_minutes,
            Step::Apply => self.apply_minutes,
        }
    }

    /// For how long a job that was begun then has been over its time, in microseconds.
    pub(crate) fn past(self, step: Step, begun_at: i64, now: i64) -> Option<i64> {
        let minutes = i64::try_from(self.minutes(step)).unwrap_or(i64::MAX);
        let longest = minutes.saturating_mul(60 * 1_000_000);
        let past = now.saturating_sub(begun_at).saturating_sub(longest);
        (past >= 0).then_some(past)
    }

    /// The word that a run ends with whose job took too long.
    pub(crate) fn reason(self, step: Step) -> String {
        format!("{OVERDUE}{}-minutes", self.minutes(step))
    }

    /// What is told of it: what was too long, and what helps.
    pub(crate) fn words(self, step: Step) -> String {
        format!(
            "it took longer than a job may take: {} minutes; {}",
            self.minutes(step),
            way_out(step)
        )
    }
}

/// Whether a run ended, or is asked to end, because a job of it took too long.
pub(crate) fn is_overdue(reason: &str) -> bool {
    reason.starts_with(OVERDUE)
}

/// What helps whoever has a job that takes too long.
fn way_out(step: Step) -> &'static str {
    match step {
        Step::Plan => "raise runs.plan_minutes_max or split the configuration",
        Step::Apply => "raise runs.apply_minutes_max or split the configuration",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_over_its_time_from_the_last_microsecond_on() {
        let longest = Longest {
            plan_minutes: 2,
            apply_minutes: u64::MAX,
        };
        let minute = 60 * 1_000_000;
        let check = |step, now, past| assert_eq!(longest.past(step, 10, now), past);
        check(Step::Plan, 10, None);
        check(Step::Plan, 10 + 2 * minute - 1, None);
        check(Step::Plan, 10 + 2 * minute, Some(0));
        check(Step::Plan, 10 + 3 * minute, Some(minute));
        check(Step::Plan, i64::MAX, Some(i64::MAX - 10 - 2 * minute));
        // As long as there is, and a clock that was set back.
        check(Step::Apply, i64::MAX, None);
        check(Step::Plan, i64::MIN, None);
    }

    #[test]
    fn the_word_of_a_job_that_took_too_long_is_known_again() {
        let longest = Longest::default();
        assert_eq!(longest.reason(Step::Plan), "took-longer-than-120-minutes");
        assert!(is_overdue(&longest.reason(Step::Apply)));
        assert!(!is_overdue("runner-lost") && !is_overdue(""));
        let words = "it took longer than a job may take: 1440 minutes; \
            raise runs.apply_minutes_max or split the configuration";
        assert_eq!(longest.words(Step::Apply), words);
    }
}
