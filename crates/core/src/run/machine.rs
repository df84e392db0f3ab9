//! The life cycle of a run: one pure function, [`next`], says what becomes of a run when something happens.
//!
//! ```text
//! pending → fetching → planning → planned → assessing → { policy_failed | awaiting_approval | approved } → verifying → applying → applied
//! ```
//!
//! Promises: whatever happens, a run either ends or waits for somebody with a name ([`Status::waits_for`]). There is one
//! arrow into `applying`, and it takes a [`Verified`], which only the verification of a capsule can make. A runner that was
//! given up and comes back late changes nothing ([`Refused::Late`]). A run that began to apply and was lost ends, and what
//! it holds it keeps ([`State::leaves_lock`]): half-applied infrastructure wants a person.
//!
//! Absent on purpose: who may do what, which is asked at the door; time, storage and the queue, whose findings come in as
//! events; and reasons in free text, which stand beside the run.

mod event;
mod state;
mod status;
#[cfg(test)]
mod tests;
mod words;

pub use event::{Act, Assessed, Event, Report, Step};
pub use state::{Kind, State, Stored};
pub use status::{Someone, Status};
pub use words::Actions;

use statehouse_capsule::{Consequence, Verified};

/// How often a job is tried again after its runner was lost: twice, so that one bad machine does not fail a run, and a
/// configuration that kills runners does not kill them all.
pub const LOSSES_MAX: u8 = 2;

/// Why an event does not move a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nothing more becomes of it.
    #[error("the run is {}, and nothing more becomes of it; start another", .0.as_str())]
    Ended(Status),
    /// It is not the time for that.
    #[error("the run is {}, in which `{event}` means nothing; look at the run again", .status.as_str())]
    NotNow {
        /// Where the run is.
        status: Status,
        /// What happened.
        event: &'static str,
    },
    /// The runner was given up; another does its job, or nobody.
    #[error(
        "the report is of attempt {reported} and the run is at attempt {current}; stop, the job was given to another"
    )]
    Late {
        /// Which attempt reported.
        reported: u32,
        /// Which attempt the run is at.
        current: u32,
    },
    /// It may apply only while it holds the workspace.
    #[error("the run does not hold its workspace's lock; take the lock first")]
    Unlocked,
    /// Somebody asked for it to be canceled.
    #[error("somebody asked for the run to be canceled; stop, and report that you stopped")]
    Canceling,
    /// Only what was asked to stop, and did not, is stopped by force.
    #[error(
        "nobody asked for the run to be canceled yet; cancel it first, and let it stop by itself"
    )]
    NotAsked,
    /// What was verified is not what this run would apply.
    #[error("another capsule was verified than this run's; verify this one")]
    AnotherCapsule,
    /// Somebody already said that it shall be applied.
    #[error(
        "the run is confirmed, and a newer one does not replace it; cancel it, if that is meant"
    )]
    Confirmed,
}

/// What becomes of a run in `state` when `event` happens.
///
/// # Errors
/// [`Refused`]: the run stays as it is.
pub fn next(state: &State, event: Event) -> Result<State, Refused> {
    if let Event::Person(Act::Comment) = event {
        return Ok(state.clone());
    }
    if state.status().is_final() {
        return Err(Refused::Ended(state.status()));
    }
    match event {
        Event::Person(act) => person(state, act),
        Event::Server(step) => server(state, step),
        Event::Runner { attempt, report } => {
            let (reported, current) = (attempt, state.attempt());
            if reported != current {
                return Err(Refused::Late { reported, current });
            }
            runner(state, report)
        }
    }
}

fn person(state: &State, act: Act) -> Result<State, Refused> {
    use Status::{Approved, AwaitingApproval, PlannedAndSaved, PolicyFailed, Verifying};
    let word = act.as_str();
    match (act, state.status()) {
        (Act::Confirm { .. }, PlannedAndSaved) if !state.holds_lock() => Err(Refused::Unlocked),
        (Act::Confirm { sufficient }, PlannedAndSaved | AwaitingApproval) => {
            Ok(state.confirmed().approved_enough(sufficient).settled())
        }
        (Act::AutoApply { .. }, status) if status.is_before_confirmation() => {
            Ok(state.applying_by_itself())
        }
        (Act::AutoApply { sufficient }, AwaitingApproval) => {
            let state = state.applying_by_itself();
            Ok(state.approved_enough(sufficient).settled())
        }
        (Act::Discard, Status::Pending | PlannedAndSaved | PolicyFailed | AwaitingApproval)
        | (Act::Reject, PlannedAndSaved | AwaitingApproval | Approved | Verifying) => {
            Ok(state.ended(Status::Discarded))
        }
        (Act::Cancel, status) if status.has_runner() => Ok(state.canceling()),
        (Act::Cancel, _) => Ok(state.ended(Status::Canceled)),
        (Act::ForceCancel, status) if !status.has_runner() => Err(not_now(state, word)),
        (Act::ForceCancel, _) if !state.cancel_requested() => Err(Refused::NotAsked),
        (Act::ForceCancel, Status::Applying) => Ok(state.abandoned(Status::ForceCanceled)),
        (Act::ForceCancel, _) => Ok(state.ended(Status::ForceCanceled)),
        (
            Act::Override {
                capsule,
                sufficient,
            },
            PolicyFailed,
        ) => {
            let state = state.carrying(capsule, true);
            Ok(state.approved_enough(sufficient).offered())
        }
        (Act::Approve { sufficient } | Act::Withdraw { sufficient }, PlannedAndSaved) => {
            Ok(state.approved_enough(sufficient))
        }
        (
            Act::Approve { sufficient } | Act::Withdraw { sufficient },
            AwaitingApproval | Approved | Verifying,
        ) => Ok(state.approved_enough(sufficient).settled()),
        _ => Err(not_now(state, word)),
    }
}

fn server(state: &State, step: Step) -> Result<State, Refused> {
    use Status::{Approved, AwaitingApproval, Pending, Planned, PlannedAndSaved, PolicyFailed};
    let word = step.as_str();
    match (step, state.status()) {
        (Step::Lock, Pending | PlannedAndSaved) if state.kind().may_apply() => Ok(state.locked()),
        (Step::LoseLock, Pending | PlannedAndSaved | Status::Applying) if state.holds_lock() => {
            Ok(state.unlocked())
        }
        (Step::LoseLock, _) if state.holds_lock() => Ok(state.ended(Status::Stale)),
        (Step::Start, Pending) if state.needs_lock_to_plan() && !state.holds_lock() => {
            Err(Refused::Unlocked)
        }
        (Step::Start, Pending) => Ok(state.handed_out(Status::Fetching)),
        (Step::Assess, Planned) => Ok(state.at(Status::Assessing)),
        (Step::Assessed(outcome), Status::Assessing) => Ok(assessed(state, outcome)),
        (Step::Queue, Approved) => Ok(state.handed_out(Status::Verifying)),
        // How far the apply came nobody knows.
        (Step::LoseRunner | Step::Restore, Status::Applying) => {
            Ok(state.abandoned(Status::Errored))
        }
        (Step::LoseRunner, status) if status.has_runner() => Ok(state.lost()),
        (Step::Supersede, Pending | PolicyFailed | AwaitingApproval | PlannedAndSaved) => {
            if state.is_confirmed() {
                return Err(Refused::Confirmed);
            }
            Ok(state.ended(Status::Superseded))
        }
        (Step::Expire, PolicyFailed | AwaitingApproval | PlannedAndSaved | Approved)
        | (Step::Restore, _) => Ok(state.ended(Status::Stale)),
        (Step::Fail, Pending | Planned | Status::Assessing | Approved) => {
            Ok(state.ended(Status::Errored))
        }
        (Step::FindAltered, Planned | Status::Assessing) => Ok(state.ended(Status::StateTampered)),
        _ => Err(not_now(state, word)),
    }
}

/// What policies make of a plan: a plan that is only looked at ends here, one that is kept rests.
fn assessed(state: &State, outcome: Assessed) -> State {
    match outcome {
        Assessed::Failed if state.kind().may_apply() => state.at(Status::PolicyFailed),
        Assessed::Failed => state.ended(Status::Errored),
        Assessed::Passed { .. } if !state.kind().may_apply() => {
            state.ended(Status::PlannedAndFinished)
        }
        Assessed::Passed {
            capsule,
            sufficient,
            under_policies,
        } => state
            .carrying(capsule, under_policies)
            .approved_enough(sufficient)
            .offered(),
    }
}

fn runner(state: &State, report: Report) -> Result<State, Refused> {
    use Status::{Applying, Fetching, Planning, Verifying};
    let word = report.as_str();
    match (report, state.status()) {
        (Report::Stopped, Fetching | Planning | Verifying | Applying)
        | (Report::Planned { .. }, Planning)
            if state.cancel_requested() =>
        {
            Ok(state.ended(Status::Canceled))
        }
        (Report::Fetched, Fetching) => Ok(state.at(Planning)),
        // A look for drift is a finding, and nothing that policies judge.
        (Report::Planned { changes: true }, Planning) if state.kind() != Kind::Drift => {
            Ok(state.at(Status::Planned))
        }
        (Report::Planned { .. }, Planning) => Ok(state.ended(Status::PlannedAndFinished)),
        (Report::Verified(_), Verifying) if state.cancel_requested() => Err(Refused::Canceling),
        (Report::Verified(verified), Verifying) => applying(state, &verified),
        (Report::Refused(consequence), Fetching | Planning | Verifying) => {
            Ok(state.ended(stopped(consequence)))
        }
        (Report::Applied, Applying) => Ok(state.ended(Status::Applied)),
        (Report::Failed, Fetching | Planning | Verifying | Applying) => {
            Ok(state.ended(Status::Errored))
        }
        _ => Err(not_now(state, word)),
    }
}

/// The one arrow into `applying`.
fn applying(state: &State, verified: &Verified) -> Result<State, Refused> {
    if state.capsule() != Some(verified.capsule()) {
        return Err(Refused::AnotherCapsule);
    }
    Ok(state.at(Status::Applying))
}

/// How a run ends whose checks found something.
fn stopped(consequence: Consequence) -> Status {
    match consequence {
        Consequence::Stale => Status::Stale,
        Consequence::Tampered => Status::StateTampered,
        Consequence::Other => Status::Errored,
    }
}

fn not_now(state: &State, event: &'static str) -> Refused {
    let status = state.status();
    Refused::NotNow { status, event }
}
