//! What somebody lays before [`crate::verify`]: the capsule, and how they find the world now.

use crate::approval::{FoundApproval, Requirement};
use crate::assessment::Assessment;
use crate::facts::Facts;
use crate::signed::SignedCapsule;
use statehouse_ledger::note::VerifierKey;

/// The capsule, and how the world is found now. Every part is looked up by whoever verifies, none is taken from the capsule.
#[derive(Clone, Debug)]
pub struct Evidence<'a> {
    /// The capsule.
    pub signed: &'a SignedCapsule,
    /// The house's keys that are trusted now.
    pub keys: &'a [VerifierKey],
    /// What is found now of what the capsule binds.
    pub found: &'a Facts,
    /// What the policies in force now say about the stored plan, and the estimate that was shown.
    pub assessment: &'a Assessment,
    /// What is needed now: how many approvals, of whom, and what of the runner.
    pub requirement: &'a Requirement,
    /// Every approval and rejection of this run.
    pub approvals: &'a [FoundApproval],
    /// Who holds the workspace.
    pub lock: &'a Lock,
    /// Whether the workspace's runs happen where the plan was made, by the server or by its pool.
    pub is_where_planned: bool,
    /// Whether whoever would apply derived the plan's JSON and what is shown of it from the plan file again.
    pub is_derived_again: bool,
    /// Whether the nonce was consumed already.
    pub nonce_is_consumed: bool,
    /// Microseconds since 1970.
    pub now: i64,
}

/// Who holds a workspace, as a run sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lock {
    /// The run does, and its fence is the newest.
    Held,
    /// Nobody does.
    Free,
    /// Somebody else does.
    HeldBy(String),
    /// The run does, but not since it planned.
    Fenced {
        /// The fence it planned under.
        planned: u64,
        /// The fence there is now.
        now: u64,
    },
}
