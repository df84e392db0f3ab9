//! All that may happen in the world: what people, the server and runners do, and what goes wrong.

use super::Setting;
use super::world::{Doing, Runner, World};
use crate::run::machine::Status;

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Move {
    /// The first user, who asked for the run, does something with it.
    Person(u8, Deed),
    /// A user approves a run, or takes it back.
    Approve(u8, u8),
    Withdraw(u8, u8),
    /// The second user rejects a run.
    Reject(u8),
    /// The server does its part for a run.
    Server(u8, Task),
    /// A runner takes a job.
    Take(u8, u8),
    /// A runner gets on with its job.
    Runner(u8, Tell),
    /// Something goes wrong: with a run, a runner or a workspace, by number, or with the world.
    Mishap(Mishap, u8),
    /// A runner that stood still goes on.
    Resume(u8),
}

/// What the first user does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Deed {
    Comment,
    Confirm,
    AutoApply,
    Discard,
    Cancel,
    ForceCancel,
    Override,
}

/// What the server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Task {
    Lock,
    LoseLock,
    Start,
    Assess,
    Allow,
    Forbid,
    Queue,
    LoseRunner,
    Supersede,
    Expire,
    Fail,
    FindAltered,
    Restore,
    /// Counts the approvals again, and tells the run what changed.
    Count,
    /// A person who looked at what is half applied gives the workspace free.
    Release,
}

/// How a runner gets on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Tell {
    /// The next thing it has to do goes well.
    Well,
    /// The plan changes nothing.
    Nothing,
    Failed,
    Stopped,
    /// Before the plan it finds what was altered.
    Altered,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Mishap {
    /// A runner dies.
    Crash,
    /// A runner stands still.
    Pause,
    /// The server dies after it let an apply begin and before it said so.
    Silence,
    /// The clock moves on.
    Tick,
    /// Somebody pushes a state by hand.
    Push,
    /// Other policies come into force.
    Policy,
    /// The second user may no longer approve.
    Right,
    /// Somebody breaks the lock of a run that does not apply.
    Unlock,
    /// Somebody breaks the lock of an apply.
    Break,
    /// Hands behind the server's back.
    Alter,
    /// The row of a run is put back to what it was before it applied.
    Restore,
    /// The server takes what was verified for one run for another's.
    Confuse,
}

const DEEDS: [Deed; 7] = [
    Deed::Comment,
    Deed::Confirm,
    Deed::AutoApply,
    Deed::Discard,
    Deed::Cancel,
    Deed::ForceCancel,
    Deed::Override,
];

const TASKS: [Task; 15] = [
    Task::Lock,
    Task::LoseLock,
    Task::Start,
    Task::Assess,
    Task::Allow,
    Task::Forbid,
    Task::Queue,
    Task::LoseRunner,
    Task::Supersede,
    Task::Expire,
    Task::Fail,
    Task::FindAltered,
    Task::Restore,
    Task::Count,
    Task::Release,
];

/// Everything that may happen now. What cannot be is left to the product to refuse: only who is where is asked here.
pub(super) fn all(setting: &Setting, world: &World, moves: &mut Vec<Move>) {
    for (run, number) in world.runs.iter().zip(0..) {
        people(setting, world, number, moves);
        for task in TASKS {
            let idle = matches!(
                task,
                Task::Supersede | Task::Fail | Task::Forbid | Task::FindAltered | Task::Restore
            );
            if is_due(setting, world, number, task) && (setting.busy_people || !idle) {
                moves.push(Move::Server(number, task));
            }
        }
        let waits = matches!(run.state.status(), Status::Fetching | Status::Verifying);
        if waits && run.taken < run.state.attempt() {
            let idle = world
                .runners
                .iter()
                .position(|runner| *runner == Runner::Idle);
            moves.extend(
                idle.and_then(|idle| u8::try_from(idle).ok())
                    .map(|idle| Move::Take(idle, number)),
            );
        }
        mishaps_of_run(setting, world, number, moves);
    }
    for (runner, number) in world.runners.iter().zip(0..) {
        runners(setting, world, runner, number, moves);
    }
    let also = [Mishap::Tick, Mishap::Policy, Mishap::Right, Mishap::Alter];
    let happens = |mishap: &Mishap| world.may_go_wrong(setting, *mishap);
    moves.extend(
        also.into_iter()
            .filter(happens)
            .map(|mishap| Move::Mishap(mishap, 0)),
    );
    if world.may_go_wrong(setting, Mishap::Push) {
        let places = (0..).take(world.workspaces.len());
        moves.extend(places.map(|place| Move::Mishap(Mishap::Push, place)));
    }
}

fn people(setting: &Setting, world: &World, number: u8, moves: &mut Vec<Move>) {
    let run = world.run(number);
    for deed in DEEDS {
        let leads_on = matches!(deed, Deed::Confirm | Deed::Discard | Deed::Cancel);
        if setting.busy_people || leads_on {
            moves.push(Move::Person(number, deed));
        }
    }
    if run.made.is_none() || run.state.status().is_final() || run.state.status() == Status::Applying
    {
        return;
    }
    let users = run.words.iter().zip(0..);
    for (word, user) in users.filter(|(_, user)| *user == 1 || setting.author_approves) {
        if word.is_none() {
            moves.push(Move::Approve(number, user));
        }
        if setting.busy_people && word.is_some_and(|said| !said.withdrawn) {
            moves.push(Move::Withdraw(number, user));
        }
    }
    if setting.busy_people {
        moves.push(Move::Reject(number));
    }
}

/// Whether the world gives the server a reason to do this.
fn is_due(setting: &Setting, world: &World, number: u8, task: Task) -> bool {
    let run = world.run(number);
    let lock = world.workspace_of(number).lock;
    let lease_is_over = run.taken == run.state.attempt() && !world.has_living_runner(number);
    match task {
        Task::Lock => lock.is_none() && run.state.status() == Status::Pending,
        Task::LoseLock => run.state.holds_lock() && lock != Some(number),
        Task::LoseRunner => run.state.status().has_runner() && lease_is_over,
        Task::Expire => match run.made {
            Some(made) => world.clock >= made.until,
            None => {
                run.state.status() == Status::PolicyFailed && world.clock >= setting.capsule_lasts
            }
        },
        Task::Count => run.made.is_some(),
        Task::Release => {
            run.state.leaves_lock() && lock == Some(number) && !world.is_being_applied(number)
        }
        _ => true,
    }
}

fn runners(setting: &Setting, world: &World, runner: &Runner, number: u8, moves: &mut Vec<Move>) {
    let Runner::Busy {
        run, doing, paused, ..
    } = runner
    else {
        return;
    };
    if *paused {
        return moves.push(Move::Resume(number));
    }
    let mut tell = |tell| moves.push(Move::Runner(number, tell));
    tell(Tell::Well);
    if *doing == Doing::Plan && setting.busy_people {
        tell(Tell::Nothing);
    }
    if world.altered && matches!(doing, Doing::Fetch | Doing::Plan) {
        tell(Tell::Altered);
    }
    if setting.busy_people {
        tell(Tell::Failed);
    }
    if world.run(*run).state.cancel_requested() {
        tell(Tell::Stopped);
    }
    let happens = |mishap: &Mishap| {
        let asks = *mishap != Mishap::Silence || *doing == Doing::Ask;
        asks && world.may_go_wrong(setting, *mishap)
    };
    let mishaps = [Mishap::Crash, Mishap::Pause, Mishap::Silence];
    moves.extend(
        mishaps
            .into_iter()
            .filter(happens)
            .map(|mishap| Move::Mishap(mishap, number)),
    );
}

fn mishaps_of_run(setting: &Setting, world: &World, number: u8, moves: &mut Vec<Move>) {
    let run = world.run(number);
    let status = run.state.status();
    let holds = world.workspace_of(number).lock == Some(number);
    let applies = status == Status::Applying || world.is_being_applied(number);
    let mut go_wrong = |mishap, may: bool| {
        if may && world.may_go_wrong(setting, mishap) {
            moves.push(Move::Mishap(mishap, number));
        }
    };
    go_wrong(Mishap::Unlock, holds && !status.is_final() && !applies);
    go_wrong(Mishap::Break, holds && status == Status::Applying);
    // A house that went back under a living runner takes no writes until a person looked: not modelled.
    let began = matches!(status, Status::Applying | Status::Applied) && run.nonce_is_consumed;
    go_wrong(Mishap::Restore, began && !world.is_being_applied(number));
    go_wrong(
        Mishap::Confuse,
        status == Status::Verifying && world.runs.len() > 1,
    );
}
