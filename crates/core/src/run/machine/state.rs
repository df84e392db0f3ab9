//! A run's status, and what the guards of the machine need to know beside it.

use super::{LOSSES_MAX, Status};
use statehouse_ledger::Hash;

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Plan, and apply what was planned.
    PlanAndApply,
    /// Plan, to look at it.
    PlanOnly,
    /// Plan, and keep the plan until somebody applies it.
    SavedPlan,
    /// Plan to destroy everything, and apply that.
    Destroy,
    /// Bring the state up to what is there, and change nothing else.
    RefreshOnly,
    /// Look whether what is there is still what was applied.
    Drift,
    /// Take what is there into the state.
    Import,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::PlanAndApply,
        Self::PlanOnly,
        Self::SavedPlan,
        Self::Destroy,
        Self::RefreshOnly,
        Self::Drift,
        Self::Import,
    ];

    /// Its word, in rows, leaves and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PlanAndApply => "plan_and_apply",
            Self::PlanOnly => "plan_only",
            Self::SavedPlan => "saved_plan",
            Self::Destroy => "destroy",
            Self::RefreshOnly => "refresh_only",
            Self::Drift => "drift",
            Self::Import => "import",
        }
    }

    /// The kind with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether it may ever come to an apply.
    pub fn may_apply(self) -> bool {
        !matches!(self, Self::PlanOnly | Self::Drift)
    }
}

/// A run, as a row keeps it. The row's MAC says that it was [`super::next`] who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools)] // Each is a column of its own, and any may go with any.
pub struct Stored {
    /// What it is for.
    pub kind: Kind,
    /// Where it is.
    pub status: Status,
    /// Whether it applies without being confirmed.
    pub auto_apply: bool,
    /// Which attempt the current or the last job is; nought before the first.
    pub attempt: u32,
    /// How many runners of the current job were lost.
    pub losses: u8,
    /// Digest of its capsule, once there is one.
    pub capsule: Option<Hash>,
    /// Whether policies were in force when it was assessed.
    pub under_policies: bool,
    /// Whether the approvals are enough.
    pub approvals_suffice: bool,
    /// Whether somebody said: apply it.
    pub confirmed: bool,
    /// Whether somebody asked it to stop.
    pub cancel_requested: bool,
    /// Whether it holds the workspace's lock.
    pub holds_lock: bool,
}

/// A run, as the machine knows it. Only [`super::next`] moves it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State(Stored);

impl State {
    /// A new run, which waits for its turn. A plan that is kept never applies by itself.
    pub fn new(kind: Kind, auto_apply: bool) -> Self {
        Self(Stored {
            kind,
            status: Status::Pending,
            auto_apply: auto_apply && kind != Kind::SavedPlan,
            attempt: 0,
            losses: 0,
            capsule: None,
            under_policies: false,
            approvals_suffice: false,
            confirmed: false,
            cancel_requested: false,
            holds_lock: false,
        })
    }

    /// A run that was stored. To be called with what a row says whose MAC was checked, and with nothing else.
    pub fn recall(stored: Stored) -> Self {
        Self(stored)
    }

    /// What is to be stored of it.
    pub fn stored(&self) -> &Stored {
        &self.0
    }

    /// What it is for.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Where it is.
    pub fn status(&self) -> Status {
        self.0.status
    }

    /// Which attempt its job is.
    pub fn attempt(&self) -> u32 {
        self.0.attempt
    }

    /// Digest of its capsule.
    pub fn capsule(&self) -> Option<Hash> {
        self.0.capsule
    }

    /// Whether somebody asked it to stop.
    pub fn cancel_requested(&self) -> bool {
        self.0.cancel_requested
    }

    /// Whether somebody said: apply it.
    pub fn is_confirmed(&self) -> bool {
        self.0.confirmed
    }

    /// Whether it holds the workspace's lock.
    pub fn holds_lock(&self) -> bool {
        self.0.holds_lock
    }

    /// Whether it has ended and leaves the lock in place, for a person to look at what is half applied.
    pub fn leaves_lock(&self) -> bool {
        self.0.status.is_final() && self.0.holds_lock
    }

    /// A plan that will be applied right away is made under the lock; one that is kept is not.
    pub(crate) fn needs_lock_to_plan(&self) -> bool {
        self.0.kind.may_apply() && self.0.kind != Kind::SavedPlan
    }

    fn with(&self, change: impl FnOnce(&mut Stored)) -> Self {
        let mut stored = self.0.clone();
        change(&mut stored);
        Self(stored)
    }

    pub(super) fn at(&self, status: Status) -> Self {
        self.with(|run| run.status = status)
    }

    /// Ended in good order: what it held is given back.
    pub(super) fn ended(&self, status: Status) -> Self {
        self.with(|run| {
            run.status = status;
            run.holds_lock = false;
        })
    }

    /// Ended in the middle of something: what it holds it keeps.
    pub(super) fn abandoned(&self, status: Status) -> Self {
        self.at(status)
    }

    pub(super) fn locked(&self) -> Self {
        self.with(|run| run.holds_lock = true)
    }

    pub(super) fn unlocked(&self) -> Self {
        self.with(|run| run.holds_lock = false)
    }

    pub(super) fn confirmed(&self) -> Self {
        self.with(|run| run.confirmed = true)
    }

    pub(super) fn applying_by_itself(&self) -> Self {
        self.with(|run| run.auto_apply = true)
    }

    pub(super) fn canceling(&self) -> Self {
        self.with(|run| run.cancel_requested = true)
    }

    pub(super) fn carrying(&self, capsule: Hash, under_policies: bool) -> Self {
        self.with(|run| {
            run.capsule = Some(capsule);
            run.under_policies = under_policies;
        })
    }

    pub(super) fn approved_enough(&self, sufficient: bool) -> Self {
        self.with(|run| run.approvals_suffice = sufficient)
    }

    /// Offered to people: a saved plan rests, any other goes on as far as they let it.
    pub(super) fn offered(&self) -> Self {
        if self.0.kind == Kind::SavedPlan {
            return self.at(Status::PlannedAndSaved);
        }
        self.settled()
    }

    /// Approved, if somebody said so and enough others did; else waiting for them, and no runner's any more.
    /// One that was asked to stop and leaves its runner has stopped.
    pub(super) fn settled(&self) -> Self {
        let confirmed = self.0.confirmed || self.0.auto_apply;
        let agreed = confirmed && self.0.approvals_suffice;
        if !agreed && self.0.cancel_requested {
            return self.ended(Status::Canceled);
        }
        self.with(|run| {
            run.confirmed = confirmed;
            run.status = match (agreed, run.status) {
                (true, Status::Verifying) => Status::Verifying,
                (true, _) => Status::Approved,
                (false, _) => Status::AwaitingApproval,
            };
        })
    }

    /// A job of it is handed out: only this attempt's reports count.
    pub(super) fn handed_out(&self, status: Status) -> Self {
        self.with(|run| {
            run.status = status;
            run.attempt += 1;
            run.losses = 0;
        })
    }

    /// Its runner was lost before anything was changed: another tries, unless too many were lost already.
    pub(super) fn lost(&self) -> Self {
        if self.0.cancel_requested {
            return self.ended(Status::Canceled);
        }
        if self.0.losses >= LOSSES_MAX {
            return self.ended(Status::Errored);
        }
        self.with(|run| {
            if run.status == Status::Planning {
                run.status = Status::Fetching;
            }
            run.attempt += 1;
            run.losses += 1;
        })
    }
}
