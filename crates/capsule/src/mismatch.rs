//! What can differ between what was approved and what is there now: one name for each thing, what it means, and what next.
//!
//! The table below is the whole list. Each mismatch has a word for leaves and tests, a [`Consequence`] for the run, and
//! reads as: what differs, which value was expected, which was found, what to do.

use std::fmt;

/// What a mismatch means for the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Consequence {
    /// The world moved on honestly: plan again.
    Stale,
    /// It cannot be applied by this runner, in this way or at this time; nothing says that anybody altered anything.
    Other,
    /// What was stored is not what was written: a person must look before anything goes on.
    Tampered,
}

/// The two values that should be the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differs {
    /// What the capsule or the rule says.
    pub expected: String,
    /// What is there.
    pub found: String,
}

macro_rules! mismatches {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $consequence:ident, $what:literal, $next:literal;)*) => {
        /// One thing that differs.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Mismatch {
            $($(#[$doc])* $name(Differs),)*
        }

        impl Mismatch {
            /// Every word, in the order of the table.
            pub const WORDS: &[&str] = &[$($word,)*];

            /// What a word of the table means, and what to do; nothing for any other.
            pub fn explained(word: &str) -> Option<(&'static str, &'static str)> {
                match word {
                    $($word => Some(($what, $next)),)*
                    _ => None,
                }
            }

            /// Its name in one word, as leaves spell it.
            pub fn word(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $word,)*
                }
            }

            /// What it means for the run.
            pub fn consequence(&self) -> Consequence {
                match self {
                    $(Self::$name(_) => Consequence::$consequence,)*
                }
            }

            /// The two values.
            pub fn differs(&self) -> &Differs {
                match self {
                    $(Self::$name(differs) => differs,)*
                }
            }

            fn words(&self) -> (&'static str, &'static str) {
                match self {
                    $(Self::$name(_) => ($what, $next),)*
                }
            }
        }
    };
}

mismatches! {
    /// A trusted key's signature does not fit the text.
    Signature = "signature", Tampered, "the signature does not fit the capsule", "its text was altered, so find out where";
    /// No trusted key has signed it.
    Signer = "signer", Tampered, "no trusted key has signed the capsule", "a capsule comes from its own house only";
    /// It is another house's.
    House = "house", Other, "the capsule is of another house", "apply it where it was made";
    /// It is another workspace's.
    Workspace = "workspace", Other, "the capsule is of another workspace", "apply it where it was made";
    /// It is another run's.
    Run = "run", Other, "the capsule is of another run", "each run applies its own plan";
    /// It is older than the clock says it can be.
    NotYet = "not-yet", Other, "the capsule was made later than now", "set the clock right";
    /// Its time is over.
    Expired = "expired", Stale, "the capsule is no longer good", "plan again";
    /// It was used before.
    Nonce = "nonce", Other, "the capsule was used before", "a capsule is applied once, so plan again";
    /// The plan file is another.
    Plan = "plan", Tampered, "the plan file is not the one that was approved", "find out who altered it, and plan again";
    /// The plan's JSON is another.
    PlanJson = "plan-json", Tampered, "the plan file does not say what was shown and approved", "find out who altered it, and plan again";
    /// What people were shown is another.
    PlanShown = "plan-shown", Stale, "the plan is shown otherwise than it was to whoever approved it", "plan again, and if it happens twice find out what the first runner showed";
    /// What the plan file says was taken over from another runner.
    NotDerived = "not-derived", Other, "what the plan file says was not derived again", "apply with a runner that derives it";
    /// There is a state where there was none.
    StateAppeared = "state-appeared", Stale, "there was no state and now there is one", "plan again";
    /// There is no state where there was one.
    StateVanished = "state-vanished", Tampered, "the state is gone", "find out what happened to it, or restore it openly";
    /// A newer version is the head.
    StateMoved = "state-moved", Stale, "the state has changed since the plan", "plan again";
    /// An older version is the head.
    StateWentBack = "state-went-back", Tampered, "an older state stands where the newest was", "find out who put it back, or restore it openly";
    /// The version is there under another leaf.
    StateLeaf = "state-leaf", Tampered, "another leaf of the ledger stands behind the state", "compare database and ledger with `statehouse verify --live`";
    /// The version has another lineage or serial.
    StateHead = "state-head", Tampered, "the state does not have the lineage and serial that were recorded", "compare database and ledger with `statehouse verify --live`";
    /// The version has another content.
    StateContent = "state-content", Tampered, "the state does not have the content that was recorded", "compare database and ledger with `statehouse verify --live`";
    /// The configuration is another.
    Configuration = "configuration", Tampered, "the configuration is not the one that was planned", "find out who altered it, and plan again";
    /// The dependency lock file is another.
    LockFile = "lock-file", Tampered, "the dependency lock file is not the one that was planned with", "find out who altered it, and plan again";
    /// The tool is another program.
    ToolName = "tool-name", Other, "another tool would apply than planned", "apply with the tool that planned, or plan again";
    /// The tool has another version.
    ToolVersion = "tool-version", Other, "the tool has another version than planned with", "apply with the version that planned, or plan again";
    /// The tool is another binary.
    ToolBinary = "tool-binary", Other, "the tool is another binary than planned with", "apply with the binary that planned, or plan again";
    /// A provider is not there.
    ProviderMissing = "provider-missing", Other, "a provider that planned is not there", "apply with the providers that planned, or plan again";
    /// There is one more provider.
    ProviderExtra = "provider-extra", Other, "there is a provider that did not plan", "apply with the providers that planned, or plan again";
    /// A provider has another version.
    ProviderVersion = "provider-version", Other, "a provider has another version than planned with", "apply with the providers that planned, or plan again";
    /// A provider is another binary.
    ProviderDigest = "provider-digest", Other, "a provider is another binary than planned with", "apply with the providers that planned, or plan again";
    /// A variable is not there.
    VariableMissing = "variable-missing", Stale, "a variable that was planned with is gone", "plan again";
    /// There is one more variable.
    VariableExtra = "variable-extra", Stale, "there is a variable that was not planned with", "plan again";
    /// A variable has another value.
    Variable = "variable", Stale, "a variable has another value than planned with", "plan again";
    /// The sandbox is another.
    Sandbox = "sandbox", Other, "the sandbox is not the one that was planned in", "apply on a runner with that sandbox, or plan again";
    /// The state lives elsewhere.
    Backend = "backend", Stale, "the state is kept in another backend", "plan again";
    /// The state in the external backend is another.
    BackendState = "backend-state", Stale, "the state was changed outside Statehouse", "look at the change, and plan again";
    /// Other policies are in force.
    Policies = "policies", Stale, "other policies are in force than it was judged under", "start the run again";
    /// A policy says something else.
    Verdicts = "verdicts", Stale, "a policy says something else than it said", "start the run again";
    /// A policy forbids it.
    VerdictFailed = "verdict-failed", Other, "a policy forbids it", "change the configuration, or ask for an override";
    /// It costs something else.
    Estimate = "estimate", Stale, "the estimate of its cost is another", "start the run again";
    /// Nobody holds the workspace.
    LockLost = "lock-lost", Stale, "the run no longer holds the workspace's lock", "plan again";
    /// Somebody else holds the workspace.
    LockOfAnother = "lock-of-another", Stale, "somebody else holds the workspace's lock", "wait for them, and plan again";
    /// The lock was taken anew in between.
    Fence = "fence", Stale, "the workspace's lock was given up and taken again in between", "plan again";
    /// The workspace's runs happen elsewhere.
    ExecutionMode = "execution-mode", Stale, "the workspace's runs no longer happen where it was planned", "plan again";
    /// Somebody who may say so said no.
    Rejected = "rejected", Stale, "it was rejected", "talk to whoever rejected it, and plan again";
    /// Not enough approvals count.
    ApprovalsTooFew = "approvals-too-few", Stale, "it is not sufficiently approved", "ask for what is missing";
    /// An approval is of another capsule.
    ApprovalCapsule = "approval-capsule", Stale, "an approval is of something else", "ask for approval of this plan";
    /// An approval was withdrawn.
    ApprovalWithdrawn = "approval-withdrawn", Stale, "an approval was withdrawn", "ask why";
    /// An approval's time is over.
    ApprovalExpired = "approval-expired", Stale, "an approval is no longer good", "ask for it again";
    /// An approval was given before there was anything to approve, or later than now.
    ApprovalTime = "approval-time", Other, "an approval was given when it cannot have been", "set the clock right";
    /// Who approved may not approve now.
    ApprovalRight = "approval-right", Stale, "whoever approved may no longer approve", "ask somebody who may";
    /// Who approved asked for the plan.
    ApprovalAuthor = "approval-author", Stale, "whoever asked for the plan approved it", "ask somebody else";
    /// Who approved is none of those asked for.
    ApprovalCapacity = "approval-capacity", Stale, "an approval is not by any role or team that is asked for", "ask one of those";
    /// The same person approved twice.
    ApprovalTwice = "approval-twice", Stale, "the same person approved twice", "ask somebody else";
}

impl Mismatch {
    /// What a list of mismatches means together: the gravest of them; nothing for an empty list.
    pub fn gravest(mismatches: &[Self]) -> Option<Consequence> {
        mismatches.iter().map(Self::consequence).max()
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, next) = self.words();
        let Differs { expected, found } = self.differs();
        write!(f, "{what}: expected {expected}, found {found}; {next}")
    }
}
