//! What a runner asks of a server, and what it is told.
//!
//! One runner works on one job. It asks in [`Ask`]s and is answered in
//! [`Answer`]s, over whatever carries them: a pair of sockets to the server that
//! started it ([`Line`]), or HTTPS, where each ask is the body of a request
//! ([`framed`]). Every ask stands alone and is answered before the next; bytes
//! travel beside the words, not inside them. What a runner could not send it
//! leaves behind sealed ([`spooled`]).
//!
//! A runner is believed in nothing that the server can see for itself: it names
//! no run and no workspace, because those are the job's.

mod beside;
mod line;
pub mod spooled;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use beside::{Beside, Feed, beside};
pub use line::{Line, framed, receive, receive_words, send, unframed};

/// Longest words of an ask or an answer, in bytes.
const WORDS_MAX: u32 = 16 * 1024 * 1024;
/// Longest bytes beside an answer.
const BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Longest state and file that a runner sends, in bytes: a state has a limit of its own, which is told better than a line that breaks.
const FILE_MAX: u64 = 256 * 1024 * 1024;
const STATE_MAX: u64 = FILE_MAX + 64 * 1024;
/// Longest piece of a log: many times what a runner collects.
const PIECE_MAX: u64 = 8 * 1024 * 1024;
/// Longest log of a step, in bytes, with the words that say what was left out of it.
pub const LOG_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Longest memory of a ledger.
const MEMORY_MAX: u64 = 16 * 1024 * 1024;
/// Longest ask with all that is beside it, in bytes: a state, words, and two lengths.
pub const ASK_BYTES_MAX: u64 = STATE_MAX + WORDS_MAX as u64 + 12;
/// Longest answer with all that is beside it.
pub const ANSWER_BYTES_MAX: u64 = BYTES_MAX + WORDS_MAX as u64 + 12;

/// For how long a job that took too long may go on ending in order, before it is ended at once: a resource that is being made is done by then
/// as a rule.
pub const IN_ORDER_MAX: Duration = Duration::from_mins(10);

/// Which part of a run a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// To plan.
    Plan,
    /// To apply what was planned.
    Apply,
}

/// A variable of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// Its name.
    pub key: String,
    /// Its value: text, or an HCL literal.
    pub value: String,
    /// Whether the value is an HCL literal.
    pub hcl: bool,
    /// Whether nobody may see it.
    pub sensitive: bool,
    /// Whether it is one of the environment, not of terraform.
    pub environment: bool,
}

/// How a plan is to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Options {
    /// Plan to destroy everything.
    pub destroy: bool,
    /// Only take in what changed outside.
    pub refresh_only: bool,
    /// Do not look for what changed outside.
    pub no_refresh: bool,
    /// Addresses that the plan is limited to.
    pub targets: Vec<String>,
    /// Addresses that are to be made anew.
    pub replace: Vec<String>,
}

/// A job: everything that is said once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Work {
    /// The run's id.
    pub run: String,
    /// The workspace's name.
    pub workspace: String,
    /// The workspace's id.
    pub workspace_id: String,
    /// Whether the run holds its lock: then nobody else changes its state.
    pub holds_lock: bool,
    /// Which part of the run.
    pub step: Step,
    /// How to plan.
    pub options: Options,
    /// The tool: `terraform` or `tofu`.
    pub tool: String,
    /// Its version; empty for whichever is there.
    pub tool_version: String,
    /// Where in the configuration the root module is.
    pub working_directory: String,
    /// Whether the tool logs in a form that programs read.
    pub structured: bool,
    /// Variables, the strongest last.
    pub variables: Vec<Variable>,
    /// What is in the configuration, as a digest in hex.
    pub configuration: String,
    /// For an apply: what was planned, as digests in hex.
    pub planned: Option<Planned>,
    /// For an apply: whether the JSON of the plan, and the same for the screen, are to be derived again, whatever was derived when it was planned.
    pub reverify: bool,
    /// Under which a state is kept that the server has not taken, in hex.
    pub spool_key: String,
    /// How long the job may take, in minutes; 0 where the server says nothing of that.
    #[serde(default)]
    pub minutes_max: u64,
}

/// What a plan was made with and what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Planned {
    /// SHA-256 of the plan file, in hex.
    pub plan: String,
    /// SHA-256 of its JSON, in hex.
    pub plan_json: String,
    /// SHA-256 of the same for the screen, in hex.
    pub plan_shown: String,
    /// SHA-256 of the dependency lock file, in hex.
    pub lock_file: Option<String>,
    /// The tool.
    pub tool: Tool,
    /// Providers by source address.
    pub providers: BTreeMap<String, Provider>,
    /// The backend that the configuration has for itself.
    pub backend: Option<Backend>,
    /// Whether anything changes.
    pub changes: bool,
}

impl Planned {
    /// What the schemas of its providers depend on, and nothing else: which tool asks which providers. SHA-256, in hex.
    pub fn schemas_key(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(&self.tool.digest);
        for (source, provider) in &self.providers {
            for part in [source, &provider.version, &provider.digest] {
                hash.update([0]);
                hash.update(part);
            }
        }
        hex::encode(hash.finalize())
    }
}

/// Where a state is that is not kept by the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backend {
    /// Its type, `s3` for instance.
    pub kind: String,
    /// SHA-256 of the state that was found there, in hex; `None` where there was none.
    pub state: Option<String>,
}

/// The program that planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// `terraform` or `tofu`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its binary, in hex.
    pub digest: String,
}

/// A provider that was installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// Its version.
    pub version: String,
    /// SHA-256 of its binary, in hex.
    pub digest: String,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ended")]
pub enum Ended {
    /// The plan is made and its files are stored.
    Planned(Box<Planned>),
    /// Everything was applied.
    Applied,
    /// The tool, or something around it, failed; the log says what.
    Failed {
        /// Where it failed, a word.
        at: String,
    },
    /// Something was not what it must be, and nothing was started.
    Refused {
        /// What, a word.
        what: String,
        /// What was expected and what was found, for people.
        why: String,
    },
    /// Somebody wished it to stop, and it did.
    Stopped,
}

/// A connection that a run made, or was kept from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Connection {
    /// Where it was to lead, `https://name:443` for instance.
    pub to: String,
    /// What became of it.
    pub became: Became,
    /// Why it was not made.
    pub why: Option<String>,
    /// Through which proxy of the operator's it was to lead, `name:3128` for instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<String>,
}

/// What became of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Became {
    /// It is allowed, and there was somebody.
    Opened,
    /// It is not allowed.
    Refused,
    /// It is allowed, and nobody was reached.
    Failed,
}

/// What a runner asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ask")]
pub enum Ask {
    /// What is to be done.
    Work,
    /// The archive of the configuration.
    Configuration,
    /// The plan file.
    Plan,
    /// Its JSON, as it was stored.
    PlanJson,
    /// The state, if there is one.
    State,
    /// Store a state; the bytes are beside.
    PutState,
    /// What runners of this place remember of the ledger. Whoever started the runner answers, not the server.
    Recall,
    /// Remember this of it; the bytes are beside.
    Remember {
        /// How many leaves were known by what was recalled.
        known: u64,
    },
    /// What was kept of the schemas of providers. Whoever started the runner answers, not the server.
    Schemas {
        /// By what they are known, see [`Planned::schemas_key`].
        key: String,
    },
    /// Keep them for the next time; the bytes are beside.
    KeepSchemas {
        /// By what they are known.
        key: String,
    },
    /// A tool. Whoever started the runner answers, not the server.
    Tool {
        /// What it is called: `terraform` or `tofu`.
        name: String,
        /// Its version: none, or `latest`, for the one that is simply there.
        version: String,
    },
    /// The digest of a package of the mirror of providers, or of the plugin cache where there is no mirror. Whoever started the runner
    /// answers, not the server.
    Package {
        /// Where it is, below the mirror or the cache.
        path: PathBuf,
    },
    /// A package of the plugin cache. Whoever started the runner answers, not the server.
    Cached {
        /// The hashes that a dependency lock file has of it: `h1:` and base64.
        hashes: Vec<String>,
    },
    /// Keep a package in the plugin cache. Whoever started the runner takes it from its seat and answers, not the server.
    Cache {
        /// Where it is, below the configuration.
        path: PathBuf,
    },
    /// The certificates that programs are to trust, in one file, where the operator has some of their own. Whoever started the
    /// runner answers, not the server.
    Authorities,
    /// The proxy that connections leave through, with its password. Whoever started the runner answers, not the server.
    Proxy,
    /// Leaves of the ledger.
    Ledger {
        /// The first.
        from: u64,
    },
    /// Store a piece of the log; the bytes are beside.
    Log {
        /// Where it begins.
        from: u64,
    },
    /// Store a file; the bytes are beside.
    File {
        /// Which: `plan`, `plan-json` or `plan-shown`.
        name: String,
    },
    /// Keep a copy of a state that is kept elsewhere; the bytes are beside.
    Copy {
        /// Whether it was found before anything was applied.
        before: bool,
    },
    /// Where terraform and its providers connected to since the last time, and where they were kept from.
    Connected {
        /// Each with another end once for a job.
        connections: Vec<Connection>,
    },
    /// The plan begins: terraform was started.
    Planning,
    /// Every check of the runner passed: may the apply begin now?
    Begin {
        /// What the runner found.
        found: Box<Planned>,
        /// Whether the digests of the JSON, and of the same for the screen, are of what the runner derived from the plan file.
        derived: bool,
    },
    /// Still here. Should it go on?
    Beat,
    /// It ended.
    Done {
        /// How.
        how: Ended,
    },
}

/// Words that say how many bytes may be beside them.
pub trait Words {
    /// So many at most.
    fn bytes_max(&self) -> u64;
}

impl Words for Ask {
    fn bytes_max(&self) -> u64 {
        match self {
            Self::PutState | Self::Copy { .. } => STATE_MAX,
            Self::File { .. } | Self::KeepSchemas { .. } => FILE_MAX,
            Self::Log { .. } => PIECE_MAX,
            Self::Remember { .. } => MEMORY_MAX,
            Self::Work
            | Self::Configuration
            | Self::Plan
            | Self::PlanJson
            | Self::State
            | Self::Recall
            | Self::Schemas { .. }
            | Self::Tool { .. }
            | Self::Package { .. }
            | Self::Cached { .. }
            | Self::Cache { .. }
            | Self::Authorities
            | Self::Proxy
            | Self::Ledger { .. }
            | Self::Connected { .. }
            | Self::Planning
            | Self::Begin { .. }
            | Self::Beat
            | Self::Done { .. } => 0,
        }
    }
}

impl Words for Told {
    fn bytes_max(&self) -> u64 {
        BYTES_MAX
    }
}

/// What a runner is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "answer")]
pub enum Told {
    /// The job.
    Work {
        /// All of it.
        work: Box<Work>,
    },
    /// The bytes that were asked for are beside.
    Bytes,
    /// The state is beside.
    State {
        /// Its version.
        version: String,
        /// What its commitment in the ledger is salted with, in hex.
        salt: String,
    },
    /// Leaves are beside, as a bundle of entries.
    Leaves {
        /// The signed checkpoint over everything up to their end, where there is one.
        checkpoint: Option<String>,
        /// Whether that is the newest.
        is_newest: bool,
    },
    /// The tool that was asked for.
    Tool {
        /// Where it is.
        path: PathBuf,
        /// What is known of it.
        tool: Tool,
    },
    /// The package that was asked for.
    Package {
        /// Where it is, below the plugin cache.
        path: PathBuf,
        /// SHA-256 over it, in hex.
        digest: String,
    },
    /// A digest that was asked for.
    Digest {
        /// SHA-256, in hex.
        digest: String,
    },
    /// There is nothing of that.
    Nothing,
    /// Done.
    Well,
    /// Done; but it is another state than that run left behind: somebody changed it since.
    ChangedSince {
        /// The run.
        run: String,
    },
    /// The apply may begin: so it was verified.
    Verified {
        /// What was checked, a sentence each.
        words: Vec<String>,
    },
    /// It must not be applied.
    Differs {
        /// What becomes of the run, a word.
        what: String,
        /// What differs, a sentence each.
        why: Vec<String>,
    },
    /// Go on.
    GoOn,
    /// Stop as soon as that can be done in order.
    Stop {
        /// Why, for the log, where it is nobody's wish.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// Stop at once.
    StopNow,
    /// It is refused.
    Refused {
        /// What must not be, a word.
        what: String,
        /// Why, for people.
        why: String,
        /// Whether asking again may help.
        again: bool,
    },
}

impl Told {
    /// Somebody's wish to stop.
    pub fn stop() -> Self {
        Self::Stop { why: None }
    }
}

/// An answer: words, and bytes beside them.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The words.
    pub told: Told,
    /// The bytes.
    pub bytes: Bytes,
}

impl Answer {
    /// Bytes, where there are some.
    pub fn given(bytes: Option<Bytes>) -> Self {
        match bytes {
            Some(bytes) => Self {
                told: Told::Bytes,
                bytes,
            },
            None => Told::Nothing.into(),
        }
    }

    /// That something is refused.
    pub fn refused(what: &str, why: impl fmt::Display, again: bool) -> Self {
        Told::Refused {
            what: what.to_owned(),
            why: why.to_string(),
            again,
        }
        .into()
    }
}

impl From<Told> for Answer {
    fn from(told: Told) -> Self {
        Self {
            told,
            bytes: Bytes::new(),
        }
    }
}

/// Why nothing was answered.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The server is gone, or what carries the words broke.
    #[error("the server cannot be reached: {0}")]
    Lost(#[from] std::io::Error),
    /// It answered something else than was asked.
    #[error("the server answered what was not asked: {0}")]
    Odd(String),
    /// It refuses.
    #[error("the server refuses ({what}): {why}")]
    Refused {
        /// What must not be, a word.
        what: String,
        /// Why, for people.
        why: String,
        /// Whether asking again may help.
        again: bool,
    },
}

impl ControlError {
    /// Whether asking again may help.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Refused { again: true, .. })
    }
}

/// A way to a server.
pub trait Control: Send + Sync {
    /// Asks, with bytes beside where the ask has some.
    fn ask(
        &self,
        ask: Ask,
        bytes: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, ControlError>> + Send + '_>>;

    /// Whether the way is over: nobody will ever answer on it again.
    fn is_over(&self) -> bool {
        false
    }
}
