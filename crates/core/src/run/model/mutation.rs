//! The product with one thing taken away: an arrow of the machine, a guard of it, or a check of `verify`.
//!
//! The machine itself is not touched. What a guard asks for is pretended to be so, and put right again afterwards: that is
//! the machine without the guard.

use crate::run::machine::{
    Act, Assessed, Event, Kind, Refused, Report, State, Status, Step, Stored, next,
};
use crate::run::papers::Dossier;
use statehouse_capsule::{Consequence, Lock};

/// What is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Mutation {
    Nothing,
    /// In this status this event means nothing.
    Arrow(Status, &'static str),
    Guard(Guard),
    Check(Check),
}

/// A guard of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Guard {
    /// A late runner is not heard.
    Late,
    /// To start and to confirm takes the lock.
    Locked,
    /// What shall stop does not begin.
    Canceling,
    /// Force comes after asking.
    Asked,
    /// The capsule that was verified is the run's.
    SameCapsule,
    /// What is confirmed is not replaced.
    Unconfirmed,
    /// Enough people approved.
    Approved,
    /// Somebody wants it.
    Wanted,
    /// Not too many runners were lost.
    Losses,
    /// A plan to look at ends when it is assessed.
    LookedAt,
    /// A plan to keep rests when it is assessed.
    Kept,
    /// What ended stays ended.
    Ended,
    /// What shall stop and loses its runner has stopped.
    StopsWhenLost,
    /// What shall stop and is no longer approved has stopped.
    StopsWhenUnapproved,
    /// What shall stop and has planned has stopped.
    StopsWhenPlanned,
}

impl Guard {
    pub(super) const ALL: [Self; 15] = [
        Self::Late,
        Self::Locked,
        Self::Canceling,
        Self::Asked,
        Self::SameCapsule,
        Self::Unconfirmed,
        Self::Approved,
        Self::Wanted,
        Self::Losses,
        Self::LookedAt,
        Self::Kept,
        Self::Ended,
        Self::StopsWhenLost,
        Self::StopsWhenUnapproved,
        Self::StopsWhenPlanned,
    ];
}

/// A check of `verify`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Check {
    /// That of whatever is altered behind the server's back.
    Altered,
    Base,
    Policies,
    Expiry,
    Nonce,
    Lock,
    Count,
    Author,
    Right,
    Withdrawal,
    ApprovalExpiry,
}

impl Mutation {
    /// The machine, without what is taken away.
    pub(super) fn next(self, state: &State, event: Event) -> Result<State, Refused> {
        match self {
            Self::Arrow(status, name) if state.status() == status && label(&event) == name => {
                Err(Refused::NotNow {
                    status,
                    event: name,
                })
            }
            Self::Guard(guard) => guard.pass(state, event),
            _ => next(state, event),
        }
    }

    /// Keeps a check from seeing what it looks at.
    pub(super) fn blind(self, dossier: &mut Dossier) {
        let Self::Check(check) = self else {
            return;
        };
        let terms = dossier.signed.capsule().terms();
        match check {
            Check::Altered => {}
            Check::Base => dossier.found.base = terms.facts.base.clone(),
            Check::Policies => dossier.assessment = terms.assessment.clone(),
            Check::Expiry => dossier.now = dossier.now.min(terms.expires_at - 1),
            Check::Nonce => dossier.nonce_is_consumed = false,
            Check::Lock => dossier.lock = Lock::Held,
            Check::Count => dossier.requirement.count = 0,
            Check::Author => dossier.requirement.author_counts = true,
            Check::Right => dossier
                .approvals
                .iter_mut()
                .for_each(|it| it.may_approve_now = true),
            Check::Withdrawal => dossier
                .approvals
                .iter_mut()
                .for_each(|it| it.withdrawn = false),
            Check::ApprovalExpiry => {
                for found in &mut dossier.approvals {
                    found.approval.expires_at = i64::MAX;
                }
            }
        }
    }

    /// Whether what was altered is looked at.
    pub(super) fn sees_alterations(self) -> bool {
        self != Self::Check(Check::Altered)
    }
}

impl Guard {
    /// Whether the guard has anything to say about this event.
    fn concerns(self, state: &State, event: &Event) -> bool {
        let act = match event {
            Event::Person(act) => act,
            Event::Server(step) => return self.concerns_step(state.kind(), *step),
            Event::Runner { report, .. } => return self.concerns_report(report),
        };
        match self {
            Self::Locked => matches!(act, Act::Confirm { .. }),
            Self::StopsWhenUnapproved => matches!(act, Act::Withdraw { .. }),
            Self::Asked => matches!(act, Act::ForceCancel),
            Self::Approved => true,
            Self::Wanted => !matches!(act, Act::Confirm { .. } | Act::AutoApply { .. }),
            Self::Ended => matches!(act, Act::Cancel) && state.status().is_final(),
            _ => false,
        }
    }

    fn concerns_step(self, kind: Kind, step: Step) -> bool {
        match self {
            Self::Locked => matches!(step, Step::Start),
            Self::StopsWhenLost | Self::Losses => matches!(step, Step::LoseRunner),
            Self::Unconfirmed => matches!(step, Step::Supersede),
            Self::Approved => true,
            Self::Wanted => !matches!(step, Step::Supersede),
            Self::LookedAt => matches!(step, Step::Assessed(_)) && kind == Kind::PlanOnly,
            Self::Kept => matches!(step, Step::Assessed(_)) && kind == Kind::SavedPlan,
            _ => false,
        }
    }

    fn concerns_report(self, report: &Report) -> bool {
        match self {
            Self::Late => true,
            Self::Canceling | Self::SameCapsule => matches!(report, Report::Verified(_)),
            Self::StopsWhenPlanned => matches!(report, Report::Planned { .. }),
            _ => false,
        }
    }

    fn pass(self, state: &State, event: Event) -> Result<State, Refused> {
        if !self.concerns(state, &event) {
            return next(state, event);
        }
        let kept = state.stored().clone();
        let run = |change: fn(&mut Stored), put_right: fn(&mut Stored, &Stored), event| {
            as_if(state, event, change, |run| put_right(run, &kept))
        };
        match self {
            Self::Late => next(state, in_time(event, state.attempt())),
            Self::Locked => run(
                |run| run.holds_lock = true,
                |run, kept| run.holds_lock = kept.holds_lock,
                event,
            ),
            Self::Canceling
            | Self::StopsWhenLost
            | Self::StopsWhenUnapproved
            | Self::StopsWhenPlanned => run(
                |run| run.cancel_requested = false,
                |run, kept| run.cancel_requested = kept.cancel_requested,
                event,
            ),
            Self::Asked => run(|run| run.cancel_requested = true, |_, _| {}, event),
            Self::SameCapsule => {
                let capsule = carried(&event);
                as_if(state, event, |run| run.capsule = capsule, |_| {})
            }
            Self::Unconfirmed => run(|run| run.confirmed = false, |_, _| {}, event),
            Self::Approved => next(state, approving(event)),
            Self::Wanted => run(
                |run| run.confirmed = true,
                |run, kept| run.confirmed = kept.confirmed,
                event,
            ),
            Self::Losses => run(|run| run.losses = 0, |_, _| {}, event),
            Self::LookedAt | Self::Kept => run(
                |run| run.kind = Kind::PlanAndApply,
                |run, kept| run.kind = kept.kind,
                event,
            ),
            Self::Ended => run(|run| run.status = Status::Pending, |_, _| {}, event),
        }
    }
}

/// The report, as if it came from the runner that has the job.
fn in_time(event: Event, attempt: u32) -> Event {
    match event {
        Event::Runner { report, .. } => Event::Runner { attempt, report },
        event => event,
    }
}

/// The capsule that was verified.
fn carried(event: &Event) -> Option<[u8; 32]> {
    match event {
        Event::Runner {
            report: Report::Verified(verified),
            ..
        } => Some(verified.capsule()),
        _ => None,
    }
}

/// The machine, with something pretended before and put right afterwards.
fn as_if(
    state: &State,
    event: Event,
    pretend: impl FnOnce(&mut Stored),
    put_right: impl FnOnce(&mut Stored),
) -> Result<State, Refused> {
    let mut stored = state.stored().clone();
    pretend(&mut stored);
    let after = next(&State::recall(stored), event)?;
    let mut stored = after.stored().clone();
    put_right(&mut stored);
    Ok(State::recall(stored))
}

/// The event, as if all approvals were enough.
fn approving(event: Event) -> Event {
    let sufficient = true;
    match event {
        Event::Person(Act::Confirm { .. }) => Event::Person(Act::Confirm { sufficient }),
        Event::Person(Act::AutoApply { .. }) => Event::Person(Act::AutoApply { sufficient }),
        Event::Person(Act::Override { capsule, .. }) => Event::Person(Act::Override {
            capsule,
            sufficient,
        }),
        Event::Person(Act::Approve { .. }) => Event::Person(Act::Approve { sufficient }),
        Event::Person(Act::Withdraw { .. }) => Event::Person(Act::Withdraw { sufficient }),
        Event::Server(Step::Assessed(Assessed::Passed {
            capsule,
            under_policies,
            ..
        })) => {
            let passed = Assessed::Passed {
                capsule,
                sufficient,
                under_policies,
            };
            Event::Server(Step::Assessed(passed))
        }
        event => event,
    }
}

/// The event's name in the machine's table.
pub(super) fn label(event: &Event) -> &'static str {
    match event {
        Event::Person(Act::Confirm { sufficient: true }) => "confirm (enough)",
        Event::Person(Act::Confirm { sufficient: false }) => "confirm (not enough)",
        Event::Person(Act::AutoApply { sufficient: true }) => "auto-apply (enough)",
        Event::Person(Act::AutoApply { sufficient: false }) => "auto-apply (not enough)",
        Event::Person(Act::Override {
            sufficient: true, ..
        }) => "override (enough)",
        Event::Person(Act::Override {
            sufficient: false, ..
        }) => "override (not enough)",
        Event::Person(Act::Approve { sufficient: true }) => "approve (enough)",
        Event::Person(Act::Approve { sufficient: false }) => "approve (not enough)",
        Event::Person(Act::Withdraw { sufficient: true }) => "withdraw (still enough)",
        Event::Person(Act::Withdraw { sufficient: false }) => "withdraw (too few)",
        Event::Person(act) => act.as_str(),
        Event::Server(Step::Assessed(Assessed::Failed)) => "assessed (forbidden)",
        Event::Server(Step::Assessed(Assessed::Passed {
            sufficient: true, ..
        })) => "assessed (approved already)",
        Event::Server(Step::Assessed(Assessed::Passed { .. })) => "assessed (to be approved)",
        Event::Server(step) => step.as_str(),
        Event::Runner { report, .. } => match report {
            Report::Planned { changes: true } => "planned (changes)",
            Report::Planned { changes: false } => "planned (nothing)",
            Report::Refused(Consequence::Stale) => "refused (stale)",
            Report::Refused(Consequence::Other) => "refused (other)",
            Report::Refused(Consequence::Tampered) => "refused (tampered)",
            report => report.as_str(),
        },
    }
}
