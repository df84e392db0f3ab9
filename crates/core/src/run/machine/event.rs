//! What can happen to a run, by who does it: a person, the server, or the runner that has its job.

use statehouse_capsule::{Consequence, Verified};
use statehouse_ledger::Hash;

/// Something that happens to a run.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A person, or a client in their name, does something.
    Person(Act),
    /// The server does its part.
    Server(Step),
    /// A runner reports.
    Runner {
        /// Which attempt it was given.
        attempt: u32,
        /// What it reports.
        report: Report,
    },
}

/// What a person does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// Says something, which changes nothing.
    Comment,
    /// Says: apply it. For a saved plan the lock is taken first.
    Confirm {
        /// Whether all approvals together are enough now.
        sufficient: bool,
    },
    /// Says: apply it without asking me again.
    AutoApply {
        /// Whether all approvals together are enough now.
        sufficient: bool,
    },
    /// Says: it shall not be applied.
    Discard,
    /// Asks it to stop.
    Cancel,
    /// Stops it, after it was asked to and did not.
    ForceCancel,
    /// Overrides the policies that forbid it; the capsule with the overridden verdicts was made.
    Override {
        /// Digest of that capsule.
        capsule: Hash,
        /// Whether the approvals that there are, none as a rule, are enough.
        sufficient: bool,
    },
    /// Approves.
    Approve {
        /// Whether all approvals together are enough now.
        sufficient: bool,
    },
    /// Takes an approval back, or can no longer give one.
    Withdraw {
        /// Whether all approvals together are still enough.
        sufficient: bool,
    },
    /// Rejects.
    Reject,
}

/// What the server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Takes the workspace's lock for it.
    Lock,
    /// Finds that the lock was taken from it by force.
    LoseLock,
    /// Hands its plan to a runner.
    Start,
    /// Begins to ask prices and policies.
    Assess,
    /// Has asked them.
    Assessed(Assessed),
    /// Hands its apply to a runner.
    Queue,
    /// Finds that its runner's lease is over.
    LoseRunner,
    /// Puts a newer run in its place.
    Supersede,
    /// Finds that its time is over.
    Expire,
    /// Cannot do its own part.
    Fail,
    /// Finds, while it judges a plan, that something stored was altered.
    FindAltered,
    /// Goes on from an older copy of everything, in which the run was still open.
    Restore,
}

/// What prices and policies say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Assessed {
    /// Nothing against it; a capsule was made.
    Passed {
        /// Digest of the capsule.
        capsule: Hash,
        /// Whether the approvals that there are, none as a rule, are enough.
        sufficient: bool,
        /// Whether any policies were in force.
        under_policies: bool,
    },
    /// Something against it.
    Failed,
}

/// What a runner reports. Verified is what the server makes of a report that all checks passed, after checking itself.
#[derive(Debug, PartialEq, Eq)]
pub enum Report {
    /// All that is needed to plan is there.
    Fetched,
    /// The plan is there.
    Planned {
        /// Whether applying it would change anything.
        changes: bool,
    },
    /// Everything is as it was approved.
    Verified(Verified),
    /// Something is not as it was recorded or approved.
    Refused(Consequence),
    /// It was applied, and the new state is kept.
    Applied,
    /// The tool failed, and what state there is is kept.
    Failed,
    /// It stopped, as it was asked to.
    Stopped,
}

impl Act {
    /// Every word of one.
    pub(crate) const WORDS: [&'static str; 10] = [
        "comment",
        "confirm",
        "auto-apply",
        "discard",
        "cancel",
        "force-cancel",
        "override",
        "approve",
        "withdraw",
        "reject",
    ];

    /// Whether a word of what happened is one of something that a person does.
    pub(crate) fn is_word(word: &str) -> bool {
        Self::WORDS.contains(&word)
    }

    /// Its word, as leaves spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Comment => "comment",
            Self::Confirm { .. } => "confirm",
            Self::AutoApply { .. } => "auto-apply",
            Self::Discard => "discard",
            Self::Cancel => "cancel",
            Self::ForceCancel => "force-cancel",
            Self::Override { .. } => "override",
            Self::Approve { .. } => "approve",
            Self::Withdraw { .. } => "withdraw",
            Self::Reject => "reject",
        }
    }
}

impl Step {
    /// Its word, as leaves spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::LoseLock => "lose-lock",
            Self::Start => "start",
            Self::Assess => "assess",
            Self::Assessed(_) => "assessed",
            Self::Queue => "queue",
            Self::LoseRunner => "lose-runner",
            Self::Supersede => "supersede",
            Self::Expire => "expire",
            Self::Fail => "fail",
            Self::FindAltered => "find-altered",
            Self::Restore => "restore",
        }
    }
}

impl Report {
    /// Its word, as leaves spell it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Fetched => "fetched",
            Self::Planned { .. } => "planned",
            Self::Verified(_) => "verified",
            Self::Refused(_) => "refused",
            Self::Applied => "applied",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

impl Event {
    /// Its word, as leaves spell it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Person(act) => act.as_str(),
            Self::Server(step) => step.as_str(),
            Self::Runner { report, .. } => report.as_str(),
        }
    }
}
