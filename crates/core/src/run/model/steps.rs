//! What happens in the world when something happens: the door's transactions, in little.

use super::judge::{Wrong, judge};
use super::known::{lay, suffices};
use super::moves::{Deed, Mishap, Move, Task, Tell};
use super::mutation::label;
use super::world::{Doing, Run, Runner, Said, World};
use super::{DESK, Runs};
use crate::run::machine::{Act, Assessed, Event, Kind, Report, State, Status, Step};
use crate::run::papers::Made;
use statehouse_capsule::Verified;

/// Lets it happen.
pub(super) fn take(model: &Runs, world: &mut World, action: Move) {
    match action {
        Move::Person(run, deed) => person(model, world, run, deed),
        Move::Approve(run, user) => approve(model, world, run, user),
        Move::Withdraw(run, user) => {
            let run = world.run_mut(run);
            run.uncounted = true;
            if let Some(said) = &mut run.words[usize::from(user)] {
                said.withdrawn = true;
            }
        }
        Move::Reject(run) => {
            hear(model, world, run, Event::Person(Act::Reject), true);
        }
        Move::Server(run, task) => server(model, world, run, task),
        Move::Take(runner, run) => give(world, runner, run),
        Move::Runner(runner, tell) => report(model, world, runner, tell),
        Move::Mishap(mishap, number) => {
            world.mishaps -= 1;
            go_wrong(model, world, mishap, number);
        }
        Move::Resume(runner) => stand(world, runner, false),
    }
}

/// Tells a run of an event, as the product does, and lets the judge look. `must` says that it has to be heard.
fn hear(model: &Runs, world: &mut World, number: u8, event: Event, must: bool) -> bool {
    let before = world.run(number).state.clone();
    let name = label(&event);
    let Ok(after) = model.without.next(&before, event) else {
        if must {
            world.wrong = Some(Wrong::Unheard(before.status(), name));
        }
        return false;
    };
    world.run_mut(number).state = after;
    world.wrong = judge(&model.setting, world, number, &before).or(world.wrong);
    let holds = world.run(number).state.holds_lock();
    let lock = &mut world.workspace_of_mut(number).lock;
    if before.holds_lock() && !holds && *lock == Some(number) {
        *lock = None;
    }
    true
}

fn person(model: &Runs, world: &mut World, number: u8, deed: Deed) {
    use Status::{AwaitingApproval, Pending, Planned, PlannedAndSaved, Planning, PolicyFailed};
    let state = world.run(number).state.clone();
    let status = state.status();
    let waits = [Pending, PlannedAndSaved, PolicyFailed, AwaitingApproval];
    let wishes = matches!(deed, Deed::Confirm | Deed::AutoApply);
    let sufficient = wishes && suffices(model, world, number);
    let (act, must) = match deed {
        Deed::Comment => (Act::Comment, true),
        Deed::Confirm if status == PlannedAndSaved && !state.holds_lock() => {
            return confirm_saved(model, world, number);
        }
        Deed::Confirm => (Act::Confirm { sufficient }, status == AwaitingApproval),
        Deed::AutoApply => {
            let early = [
                Pending,
                Status::Fetching,
                Planning,
                Planned,
                Status::Assessing,
            ];
            let early =
                early.contains(&status) || [PolicyFailed, AwaitingApproval].contains(&status);
            (Act::AutoApply { sufficient }, early)
        }
        Deed::Discard => (Act::Discard, waits.contains(&status)),
        Deed::Cancel => (Act::Cancel, !status.is_final()),
        Deed::ForceCancel => (
            Act::ForceCancel,
            status.has_runner() && state.cancel_requested(),
        ),
        Deed::Override if status == PolicyFailed => {
            let capsule = make(model, world, number, true);
            let sufficient = suffices(model, world, number);
            (
                Act::Override {
                    capsule,
                    sufficient,
                },
                true,
            )
        }
        Deed::Override => return,
    };
    wish(model, world, number, act, must);
}

/// Does what a person asks for; the judge is told first if they want it applied.
fn wish(model: &Runs, world: &mut World, number: u8, act: Act, must: bool) -> bool {
    let wanted = world.run(number).wanted;
    world.run_mut(number).wanted |= matches!(act, Act::Confirm { .. } | Act::AutoApply { .. });
    let heard = hear(model, world, number, Event::Person(act), must);
    if !heard {
        world.run_mut(number).wanted = wanted;
    }
    heard
}

/// A saved plan takes the lock when it is confirmed; a server that forgets that must be told.
fn confirm_saved(model: &Runs, world: &mut World, number: u8) {
    let sufficient = suffices(model, world, number);
    let act = Act::Confirm { sufficient };
    if !wish(model, world, number, act, false)
        && world.workspace_of(number).lock.is_none()
        && hear(model, world, number, Event::Server(Step::Lock), true)
    {
        world.workspace_of_mut(number).lock = Some(number);
        wish(model, world, number, act, true);
    }
}

fn approve(model: &Runs, world: &mut World, number: u8, user: u8) {
    let at = world.clock;
    let said = Said {
        at,
        withdrawn: false,
    };
    world.run_mut(number).words[usize::from(user)] = Some(said);
    let sufficient = suffices(model, world, number);
    let event = Event::Person(Act::Approve { sufficient });
    hear(model, world, number, event, true);
}

fn server(model: &Runs, world: &mut World, number: u8, task: Task) {
    use Status::{
        Approved, Assessing, AwaitingApproval, Pending, Planned, PlannedAndSaved, PolicyFailed,
    };
    let state = world.run(number).state.clone();
    let status = state.status();
    let is = |statuses: &[Status]| statuses.contains(&status);
    let free = !matches!(state.kind(), Kind::PlanAndApply | Kind::Destroy);
    let (step, must) = match task {
        Task::Lock => (Step::Lock, state.kind().may_apply()),
        Task::LoseLock => (Step::LoseLock, !status.is_final()),
        Task::Start => (Step::Start, is(&[Pending]) && (free || state.holds_lock())),
        Task::Assess => (Step::Assess, is(&[Planned])),
        Task::Allow if is(&[Assessing]) => (Step::Assessed(allow(model, world, number)), true),
        Task::Forbid => (Step::Assessed(Assessed::Failed), is(&[Assessing])),
        Task::Queue => (Step::Queue, is(&[Approved])),
        Task::LoseRunner => (Step::LoseRunner, true),
        Task::Supersede => {
            let rests = [Pending, PolicyFailed, AwaitingApproval, PlannedAndSaved];
            (Step::Supersede, is(&rests) && !state.is_confirmed())
        }
        Task::Expire => {
            let rests = [PolicyFailed, AwaitingApproval, PlannedAndSaved, Approved];
            (Step::Expire, is(&rests))
        }
        Task::Fail => (Step::Fail, is(&[Pending, Planned, Assessing, Approved])),
        Task::FindAltered => (Step::FindAltered, is(&[Planned, Assessing])),
        Task::Restore => (Step::Restore, !status.is_final()),
        Task::Count => return count(model, world, number),
        Task::Release => {
            world.workspace_of_mut(number).lock = None;
            return;
        }
        Task::Allow => return,
    };
    if task == Task::LoseRunner {
        world.run_mut(number).losses += 1;
    }
    let heard = hear(model, world, number, Event::Server(step), must);
    match task {
        Task::Lock if heard => world.workspace_of_mut(number).lock = Some(number),
        Task::Start | Task::Queue if heard => world.run_mut(number).losses = 0,
        _ => {}
    }
}

/// Makes the capsule of a plan that nothing forbids.
fn allow(model: &Runs, world: &mut World, number: u8) -> Assessed {
    let capsule = make(model, world, number, false);
    Assessed::Passed {
        capsule,
        sufficient: suffices(model, world, number),
        under_policies: true,
    }
}

fn make(model: &Runs, world: &mut World, number: u8, overridden: bool) -> [u8; 32] {
    let (policy, at) = (world.policy, world.clock);
    let run = world.run_mut(number);
    let made = Made {
        run: number,
        workspace: run.workspace,
        base: run.base,
        policy,
        overridden,
        at,
        until: at + model.setting.capsule_lasts,
    };
    run.made = Some(made);
    DESK.digest(made)
}

/// Counts the approvals again; tells the run what it does not know.
fn count(model: &Runs, world: &mut World, number: u8) {
    let sufficient = suffices(model, world, number);
    let run = world.run(number);
    let (knows, uncounted) = (run.state.stored().approvals_suffice, run.uncounted);
    let act = match (uncounted, sufficient == knows) {
        (false, true) => return,
        (false, false) if sufficient => Act::Approve { sufficient },
        _ => Act::Withdraw { sufficient },
    };
    let listens = [
        Status::PlannedAndSaved,
        Status::AwaitingApproval,
        Status::Approved,
        Status::Verifying,
    ];
    let must = listens.contains(&run.state.status());
    world.run_mut(number).uncounted = false;
    hear(model, world, number, Event::Person(act), must);
}

fn give(world: &mut World, runner: u8, number: u8) {
    let run = world.run_mut(number);
    let attempt = run.state.attempt();
    run.taken = attempt;
    let doing = match run.state.status() {
        Status::Fetching => Doing::Fetch,
        _ => Doing::Check,
    };
    world.runners[usize::from(runner)] = Runner::Busy {
        run: number,
        attempt,
        doing,
        paused: false,
    };
}

fn stand(world: &mut World, runner: u8, still: bool) {
    if let Runner::Busy { paused, .. } = &mut world.runners[usize::from(runner)] {
        *paused = still;
    }
}

fn report(model: &Runs, world: &mut World, runner: u8, tell: Tell) {
    let Runner::Busy {
        run,
        attempt,
        doing,
        ..
    } = world.runners[usize::from(runner)].clone()
    else {
        return;
    };
    let next = advance(model, world, (run, attempt), doing, tell);
    world.runners[usize::from(runner)] = match next {
        None => Runner::Idle,
        Some(doing) => Runner::Busy {
            run,
            attempt,
            doing,
            paused: false,
        },
    };
}

/// What the runner does next; nothing, when it is done or told to stop.
fn advance(
    model: &Runs,
    world: &mut World,
    (number, attempt): (u8, u32),
    doing: Doing,
    tell: Tell,
) -> Option<Doing> {
    let (report, then) = match (tell, doing) {
        (Tell::Failed, _) => (Report::Failed, None),
        (Tell::Stopped, _) => (Report::Stopped, None),
        (Tell::Altered, _) => {
            let consequence = model.setting.alters.consequence();
            (Report::Refused(consequence), None)
        }
        (Tell::Nothing, _) => (Report::Planned { changes: false }, None),
        (Tell::Well, Doing::Fetch) => (Report::Fetched, Some(Doing::Plan)),
        (Tell::Well, Doing::Plan) => (Report::Planned { changes: true }, None),
        (Tell::Well, Doing::Apply) => (Report::Applied, None),
        (Tell::Well, Doing::Check) => match model.known.objection(model, world, number) {
            None => return Some(Doing::Ask),
            Some(consequence) => (Report::Refused(consequence), None),
        },
        (Tell::Well, Doing::Ask) => match model.known.objection(model, world, number) {
            None => (
                Report::Verified(verified(model, world, number)?),
                Some(Doing::Apply),
            ),
            Some(consequence) => (Report::Refused(consequence), None),
        },
    };
    match doing {
        Doing::Plan => world.run_mut(number).base = world.workspace_of(number).version,
        // The state is kept whatever becomes of the run, while its lock is there.
        Doing::Apply if world.workspace_of(number).lock == Some(number) => {
            world.workspace_of_mut(number).version += 1;
        }
        _ => {}
    }
    let heard = tell_run(model, world, (number, attempt), doing, report);
    then.filter(|_| heard)
}

/// The token that lets an apply begin.
fn verified(model: &Runs, world: &World, number: u8) -> Option<Verified> {
    lay(model, world, number)?.verify().ok()
}

fn tell_run(
    model: &Runs,
    world: &mut World,
    (number, attempt): (u8, u32),
    doing: Doing,
    report: Report,
) -> bool {
    let Run { state, .. } = world.run(number);
    let is_current = state.attempt() == attempt;
    let begins = matches!(report, Report::Verified(_));
    let stops = begins && state.cancel_requested();
    let must = is_current && state.status() == doing.status() && !stops;
    let heard = hear(
        model,
        world,
        number,
        Event::Runner { attempt, report },
        must,
    );
    if heard && !is_current {
        world.wrong = Some(Wrong::Overruled("who was given up has no say"));
    }
    world.run_mut(number).nonce_is_consumed |= heard && begins;
    heard
}

fn go_wrong(model: &Runs, world: &mut World, mishap: Mishap, number: u8) {
    match mishap {
        Mishap::Crash => world.runners[usize::from(number)] = Runner::Idle,
        Mishap::Pause => stand(world, number, true),
        Mishap::Silence => {
            let asks = world.runners[usize::from(number)].clone();
            report(model, world, number, Tell::Well);
            world.runners[usize::from(number)] = asks;
        }
        Mishap::Tick => world.clock += 1,
        Mishap::Push => world.workspaces[usize::from(number)].version += 1,
        Mishap::Policy => world.policy += 1,
        Mishap::Right => world.may_approve = false,
        Mishap::Unlock | Mishap::Break => world.workspace_of_mut(number).lock = None,
        Mishap::Alter => world.altered = true,
        Mishap::Restore => restore(world, number),
        Mishap::Confuse => confuse(model, world, number),
    }
}

/// The database of an hour ago: the run had not begun to apply. The nonce is remembered elsewhere.
fn restore(world: &mut World, number: u8) {
    let run = world.run_mut(number);
    let mut stored = run.state.stored().clone();
    stored.status = Status::Verifying;
    stored.holds_lock = true;
    run.state = State::recall(stored);
    let base = run.base;
    let workspace = world.workspace_of_mut(number);
    workspace.version = base;
    workspace.lock = Some(number);
}

/// The server verifies one run's capsule and tells another run.
fn confuse(model: &Runs, world: &mut World, to: u8) {
    let of = 1 - to;
    if let Some(verified) = verified(model, world, of) {
        let attempt = world.run(to).state.attempt();
        let report = Report::Verified(verified);
        if hear(model, world, to, Event::Runner { attempt, report }, false) {
            world.wrong = Some(Wrong::Applied("it was verified itself"));
        }
    }
}
