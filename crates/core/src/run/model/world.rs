//! The world of the model, and what is plain to see in it.

use super::Setting;
use super::judge::Wrong;
use super::moves::Mishap;
use crate::run::machine::{Kind, State, Status};
use crate::run::papers::Made;

/// A run that just came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Young {
    pub(super) kind: Kind,
    pub(super) auto_apply: bool,
    pub(super) workspace: u8,
}

/// Everything there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) runs: Vec<Run>,
    pub(super) runners: [Runner; 2],
    pub(super) workspaces: Vec<Workspace>,
    pub(super) policy: u8,
    pub(super) clock: u8,
    /// Whether the second user may approve.
    pub(super) may_approve: bool,
    /// Whether hands behind the server's back did what they are there for.
    pub(super) altered: bool,
    /// How much more can go wrong.
    pub(super) mishaps: u8,
    pub(super) wrong: Option<Wrong>,
}

/// A run: the machine's view of it, and what is stored beside it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Run {
    pub(super) state: State,
    pub(super) workspace: u8,
    /// Version of the state that it planned on.
    pub(super) base: u8,
    pub(super) made: Option<Made>,
    /// What the two users said about its capsule.
    pub(super) words: [Option<Said>; 2],
    /// Somebody took an approval back, and the run does not know it yet.
    pub(super) uncounted: bool,
    pub(super) nonce_is_consumed: bool,
    /// The newest attempt that a runner took.
    pub(super) taken: u32,
    /// What the judge remembers: whether somebody said to apply it, and how often its runner was lost in a row.
    pub(super) wanted: bool,
    pub(super) losses: u8,
}

/// What a user said: an approval, until it is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Said {
    pub(super) at: u8,
    pub(super) withdrawn: bool,
}

/// A workspace: which version its state has, and which run holds its lock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Workspace {
    pub(super) version: u8,
    pub(super) lock: Option<u8>,
}

/// A runner.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Runner {
    Idle,
    Busy {
        run: u8,
        attempt: u32,
        doing: Doing,
        /// It stands still, and its lease runs out.
        paused: bool,
    },
}

/// What a runner does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Doing {
    Fetch,
    Plan,
    Check,
    /// Its own checks passed; it asks the server to let it begin.
    Ask,
    Apply,
}

impl Doing {
    /// Where the run is while its runner does this.
    pub(super) fn status(self) -> Status {
        match self {
            Self::Fetch => Status::Fetching,
            Self::Plan => Status::Planning,
            Self::Check | Self::Ask => Status::Verifying,
            Self::Apply => Status::Applying,
        }
    }
}

impl World {
    pub(super) fn of(setting: &Setting) -> Self {
        let count = setting.runs.iter().map(|run| run.workspace + 1).max();
        let workspace = Workspace {
            version: 0,
            lock: None,
        };
        Self {
            runs: setting.runs.iter().copied().map(Run::of).collect(),
            runners: [Runner::Idle, Runner::Idle],
            workspaces: vec![workspace; usize::from(count.unwrap_or(0))],
            policy: 0,
            clock: 0,
            may_approve: true,
            altered: false,
            mishaps: setting.mishaps_max,
            wrong: None,
        }
    }

    /// Worlds that differ in what can no longer matter are one: which runner is which, and how a run came to its end.
    pub(super) fn forget(&mut self, setting: &Setting) {
        self.runners.sort();
        let is_put_back = setting.mishaps.contains(&Mishap::Restore);
        for run in &mut self.runs {
            let status = run.state.status();
            if status.is_final() && !(is_put_back && status == Status::Applied) {
                let holds_lock = run.state.holds_lock();
                let young = Young {
                    kind: run.state.kind(),
                    auto_apply: false,
                    workspace: run.workspace,
                };
                *run = Run::of(young);
                let mut stored = run.state.stored().clone();
                stored.status = status;
                stored.holds_lock = holds_lock;
                run.state = State::recall(stored);
            }
        }
    }

    pub(super) fn run(&self, run: u8) -> &Run {
        &self.runs[usize::from(run)]
    }

    pub(super) fn run_mut(&mut self, run: u8) -> &mut Run {
        &mut self.runs[usize::from(run)]
    }

    pub(super) fn workspace_of(&self, run: u8) -> &Workspace {
        &self.workspaces[usize::from(self.run(run).workspace)]
    }

    pub(super) fn workspace_of_mut(&mut self, run: u8) -> &mut Workspace {
        let workspace = self.run(run).workspace;
        &mut self.workspaces[usize::from(workspace)]
    }

    /// Whether some runner of this run is in the middle of an apply, awake or not.
    pub(super) fn is_being_applied(&self, run: u8) -> bool {
        let applies = |runner: &Runner| matches!(runner, Runner::Busy { run: of, doing: Doing::Apply, .. } if *of == run);
        self.runners.iter().any(applies)
    }

    /// Whether the lease of the run's current attempt is kept alive.
    pub(super) fn has_living_runner(&self, run: u8) -> bool {
        let current = self.run(run).state.attempt();
        let lives = |runner: &Runner| {
            matches!(runner, Runner::Busy { run: of, attempt, paused: false, .. }
                if *of == run && *attempt == current)
        };
        self.runners.iter().any(lives)
    }

    pub(super) fn may_go_wrong(&self, setting: &Setting, mishap: Mishap) -> bool {
        self.mishaps > 0 && setting.mishaps.contains(&mishap)
    }

    /// No two runners apply to one workspace, not even one that was given up and does not know it.
    pub(super) fn applies_are_alone(&self) -> bool {
        let places = self.runners.iter().filter_map(|runner| match runner {
            Runner::Busy {
                run,
                doing: Doing::Apply,
                ..
            } => Some(self.run(*run).workspace),
            _ => None,
        });
        let places: Vec<_> = places.collect();
        places.len() < 2 || places[0] != places[1]
    }

    /// A run that goes towards an apply holds the lock, as far as it knows.
    pub(super) fn locks_are_right(&self) -> bool {
        self.runs.iter().all(|run| {
            let state = &run.state;
            let status = state.status();
            let is_kept = state.kind() == Kind::SavedPlan && status.is_before_confirmation();
            let must = status.holds_workspace() && state.kind().may_apply() && !is_kept;
            // Whose lock is broken during an apply goes on: stopping halfway is worse.
            !must || state.holds_lock() || status == Status::Applying
        })
    }
}

impl Run {
    fn of(young: Young) -> Self {
        Self {
            state: State::new(young.kind, young.auto_apply),
            workspace: young.workspace,
            base: 0,
            made: None,
            words: [None, None],
            uncounted: false,
            nonce_is_consumed: false,
            taken: 0,
            wanted: young.auto_apply,
            losses: 0,
        }
    }
}
