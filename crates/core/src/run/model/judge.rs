//! The judge: knows the truth about the world and says what went wrong.
//!
//! It looks at the world itself, never at what `verify` or the machine's flags say: else it would be wrong with them.

use super::Setting;
use super::world::{Run, World};
use crate::run::machine::{LOSSES_MAX, State, Status};

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Wrong {
    /// Something was applied, or released to be, and this was not so.
    Applied(&'static str),
    /// A second apply began in a workspace.
    TwoApplies,
    /// Somebody who is waited for, or who may speak, was not heard.
    Unheard(Status, &'static str),
    /// What was decided did not hold.
    Overruled(&'static str),
}

/// Judges how a run moved from `before`; the world is as it was until then, the run is not.
pub(super) fn judge(setting: &Setting, world: &World, number: u8, before: &State) -> Option<Wrong> {
    let run = world.run(number);
    let (old, new) = (before.status(), run.state.status());
    if old.is_final() && old != new {
        return Some(Wrong::Overruled("what ended stays ended"));
    }
    if before.cancel_requested() && run.state.attempt() > before.attempt() {
        return Some(Wrong::Overruled("what shall stop is not handed out again"));
    }
    let rests = matches!(
        new,
        Status::PolicyFailed | Status::AwaitingApproval | Status::PlannedAndSaved
    );
    if rests && run.state.cancel_requested() {
        return Some(Wrong::Overruled("what shall stop does not rest"));
    }
    if new == Status::ForceCanceled && old != new && !before.cancel_requested() {
        return Some(Wrong::Overruled("force comes after asking"));
    }
    if new == Status::Superseded && old != new && before.is_confirmed() {
        return Some(Wrong::Overruled("what was confirmed is not replaced"));
    }
    if run.losses > LOSSES_MAX && new.has_runner() && new != Status::Applying {
        return Some(Wrong::Overruled("what kills runners gets no more of them"));
    }
    let goes_to_apply = matches!(
        new,
        Status::PlannedAndSaved
            | Status::AwaitingApproval
            | Status::Approved
            | Status::Verifying
            | Status::Applying
    );
    if goes_to_apply && !run.state.kind().may_apply() {
        return Some(Wrong::Overruled("what is only looked at is not applied"));
    }
    if new == Status::Approved && old != new {
        return unapproved(setting, world, run).map(Wrong::Applied);
    }
    if new == Status::Applying && old != new {
        return began(setting, world, number, before);
    }
    None
}

/// What is not as it must be when an apply begins.
fn began(setting: &Setting, world: &World, number: u8, before: &State) -> Option<Wrong> {
    let run = world.run(number);
    let workspace = world.workspace_of(number);
    if run.nonce_is_consumed {
        return Some(Wrong::Applied("a capsule is used once"));
    }
    if world.runs.iter().zip(0..).any(|(other, of)| {
        of != number && other.workspace == run.workspace && world.is_being_applied(of)
    }) {
        return Some(Wrong::TwoApplies);
    }
    let made = run.made?;
    let untrue = [
        (before.cancel_requested(), "nobody asked it to stop"),
        (workspace.lock != Some(number), "the lock is held"),
        (
            workspace.version != made.base,
            "the state is that of the plan",
        ),
        (
            world.policy != made.policy,
            "the policies are those of the verdict",
        ),
        (world.clock >= made.until, "the capsule is still good"),
        (world.altered, "nothing was altered"),
    ];
    if let Some((_, what)) = untrue.into_iter().find(|(untrue, _)| *untrue) {
        return Some(Wrong::Applied(what));
    }
    unapproved(setting, world, run).map(Wrong::Applied)
}

/// What lacks to the agreement of people: the author's wish, and the other's word.
fn unapproved(setting: &Setting, world: &World, run: &Run) -> Option<&'static str> {
    if !run.wanted {
        return Some("somebody wants it applied");
    }
    if setting.approvals_needed == 0 {
        return None;
    }
    let good = run.words[1]
        .is_some_and(|said| !said.withdrawn && world.clock < said.at + setting.approval_lasts);
    (!good || !world.may_approve).then_some("somebody who may has approved it")
}
