//! Where a run can be, and for whom it waits there.

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// It waits for its turn.
    Pending,
    /// A runner has it, and fetches what it needs.
    Fetching,
    /// A runner plans.
    Planning,
    /// There is a plan.
    Planned,
    /// Prices and policies are asked.
    Assessing,
    /// A policy forbids it, unless a person overrides.
    PolicyFailed,
    /// It may be applied as soon as enough people say so.
    AwaitingApproval,
    /// Enough people said so.
    Approved,
    /// A runner has it, and compares everything with what was approved.
    Verifying,
    /// A runner applies.
    Applying,
    /// Applied.
    Applied,
    /// Planned, and nothing more was wanted or needed.
    PlannedAndFinished,
    /// Planned, and kept until somebody applies or discards it.
    PlannedAndSaved,
    /// Something failed.
    Errored,
    /// Somebody stopped it, and it stopped.
    Canceled,
    /// Somebody stopped it by force.
    ForceCanceled,
    /// Somebody decided against it.
    Discarded,
    /// A newer run took its place.
    Superseded,
    /// What it was planned on is no more.
    Stale,
    /// What was stored is not what was written.
    StateTampered,
}

/// Somebody a run can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Someone {
    /// The runner that has its job, or the lease that ends.
    Runner,
    /// A person with a right to decide.
    Person,
    /// The server's own tasks.
    Server,
}

impl Status {
    /// Every status, in the order of a run's life.
    pub const ALL: [Self; 20] = [
        Self::Pending,
        Self::Fetching,
        Self::Planning,
        Self::Planned,
        Self::Assessing,
        Self::PolicyFailed,
        Self::AwaitingApproval,
        Self::Approved,
        Self::Verifying,
        Self::Applying,
        Self::Applied,
        Self::PlannedAndFinished,
        Self::PlannedAndSaved,
        Self::Errored,
        Self::Canceled,
        Self::ForceCanceled,
        Self::Discarded,
        Self::Superseded,
        Self::Stale,
        Self::StateTampered,
    ];

    /// Its word, in rows, leaves and answers of our own.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Fetching => "fetching",
            Self::Planning => "planning",
            Self::Planned => "planned",
            Self::Assessing => "assessing",
            Self::PolicyFailed => "policy_failed",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Approved => "approved",
            Self::Verifying => "verifying",
            Self::Applying => "applying",
            Self::Applied => "applied",
            Self::PlannedAndFinished => "planned_and_finished",
            Self::PlannedAndSaved => "planned_and_saved",
            Self::Errored => "errored",
            Self::Canceled => "canceled",
            Self::ForceCanceled => "force_canceled",
            Self::Discarded => "discarded",
            Self::Superseded => "superseded",
            Self::Stale => "stale",
            Self::StateTampered => "state_tampered",
        }
    }

    /// The status with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// Whether nothing more becomes of it.
    pub fn is_final(self) -> bool {
        self.waits_for().is_none()
    }

    /// For whom a run waits here; nobody where it has ended.
    pub fn waits_for(self) -> Option<Someone> {
        match self {
            Self::Fetching | Self::Planning | Self::Verifying | Self::Applying => {
                Some(Someone::Runner)
            }
            Self::PolicyFailed | Self::AwaitingApproval | Self::PlannedAndSaved => {
                Some(Someone::Person)
            }
            Self::Pending | Self::Planned | Self::Assessing | Self::Approved => {
                Some(Someone::Server)
            }
            Self::Applied
            | Self::PlannedAndFinished
            | Self::Errored
            | Self::Canceled
            | Self::ForceCanceled
            | Self::Discarded
            | Self::Superseded
            | Self::Stale
            | Self::StateTampered => None,
        }
    }

    /// Whether a runner has a job of it.
    pub fn has_runner(self) -> bool {
        self.waits_for() == Some(Someone::Runner)
    }

    /// Whether a run that may apply must hold the workspace's lock here. A saved plan takes it when it is confirmed.
    pub fn holds_workspace(self) -> bool {
        !self.is_final() && !matches!(self, Self::Pending | Self::PlannedAndSaved)
    }

    /// Whether it is not yet known if anybody has to confirm it.
    pub fn is_before_confirmation(self) -> bool {
        matches!(
            self,
            Self::Pending
                | Self::Fetching
                | Self::Planning
                | Self::Planned
                | Self::Assessing
                | Self::PolicyFailed
        )
    }
}
