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

pub mod spooled;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Mutex;

/// Longest words of an ask or an answer, in bytes.
const WORDS_MAX: u32 = 16 * 1024 * 1024;
/// Longest bytes beside an answer.
const BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Longest state and file that a runner sends, in bytes: a state has a limit of its own, which is told better than a line that breaks.
const FILE_MAX: u64 = 256 * 1024 * 1024;
const STATE_MAX: u64 = FILE_MAX + 64 * 1024;
/// Longest piece of a log: many times what a runner collects.
const PIECE_MAX: u64 = 8 * 1024 * 1024;
/// Longest memory of a ledger.
const MEMORY_MAX: u64 = 16 * 1024 * 1024;
/// Longest ask with all that is beside it, in bytes: a state, words, and two lengths.
pub const ASK_BYTES_MAX: u64 = STATE_MAX + WORDS_MAX as u64 + 12;
/// Longest answer with all that is beside it.
pub const ANSWER_BYTES_MAX: u64 = BYTES_MAX + WORDS_MAX as u64 + 12;

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
    /// The version of the tool; empty for whichever is there.
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
    /// For an apply: whether the JSON of the plan is to be derived again, whatever was derived when it was planned.
    pub reverify: bool,
    /// Under which a state is kept that the server has not taken, in hex.
    pub spool_key: String,
}

/// What a plan was made with and what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Planned {
    /// SHA-256 of the plan file, in hex.
    pub plan: String,
    /// SHA-256 of its JSON, in hex.
    pub plan_json: String,
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
    Planned(Planned),
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
    /// The plan begins: terraform was started.
    Planning,
    /// Every check of the runner passed: may the apply begin now?
    Begin {
        /// What the runner found.
        found: Box<Planned>,
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
            | Self::State
            | Self::Recall
            | Self::Schemas { .. }
            | Self::Ledger { .. }
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
    Stop,
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

/// A way to a server over a stream: a length, the words as JSON, a length, the bytes.
pub struct Line<S> {
    stream: Mutex<S>,
    /// What broke once cannot be continued: nobody knows where an answer begins.
    broken: AtomicBool,
}

impl<S> fmt::Debug for Line<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Line")
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Line<S> {
    /// The line over a stream.
    pub fn new(stream: S) -> Self {
        Self {
            stream: Mutex::new(stream),
            broken: AtomicBool::new(false),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Control for Line<S> {
    fn ask(
        &self,
        ask: Ask,
        bytes: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, ControlError>> + Send + '_>> {
        Box::pin(async move {
            if bytes.len() as u64 > ask.bytes_max() {
                return Err(ControlError::Refused {
                    what: "length".to_owned(),
                    why: too_many(bytes.len() as u64, ask.bytes_max()),
                    again: false,
                });
            }
            let mut stream = self.stream.lock().await;
            let exchange = async {
                send(&mut *stream, &ask, &bytes).await?;
                let answer: Option<(Told, Bytes)> = receive(&mut *stream).await?;
                answer.ok_or_else(closed)
            };
            let (told, bytes) = exchange
                .await
                .inspect_err(|_| self.broken.store(true, Ordering::Relaxed))?;
            if let Told::Refused { what, why, again } = told {
                return Err(ControlError::Refused { what, why, again });
            }
            Ok(Answer { told, bytes })
        })
    }

    fn is_over(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }
}

fn closed() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "it closed the line")
}

fn odd(error: impl fmt::Display) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, error.to_string())
}

fn too_many(bytes: u64, bytes_max: u64) -> String {
    format!("{bytes} bytes are too many where {bytes_max} may be")
}

/// Sends words and bytes.
pub async fn send<T: Serialize>(
    stream: &mut (impl AsyncWrite + Unpin),
    words: &T,
    bytes: &[u8],
) -> std::io::Result<()> {
    let words = serde_json::to_vec(words).map_err(odd)?;
    let length = u32::try_from(words.len()).map_err(odd)?;
    stream.write_u32(length).await?;
    stream.write_all(&words).await?;
    stream.write_u64(bytes.len() as u64).await?;
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// Words and bytes in one piece, as [`send`] sends them.
pub async fn framed<T: Serialize>(words: &T, bytes: &[u8]) -> std::io::Result<Bytes> {
    let mut whole = Vec::with_capacity(bytes.len() + 1024);
    send(&mut whole, words, bytes).await?;
    Ok(whole.into())
}

/// Words and bytes of one piece, and nothing after them.
pub async fn unframed<T: serde::de::DeserializeOwned + Words>(
    whole: &[u8],
) -> std::io::Result<(T, Bytes)> {
    let mut rest = whole;
    let found = receive(&mut rest).await?.ok_or_else(closed)?;
    if rest.is_empty() {
        Ok(found)
    } else {
        Err(odd(format!("{} bytes too many", rest.len())))
    }
}

/// Receives words and bytes; `None` where the other side ended in order.
pub async fn receive<T: serde::de::DeserializeOwned + Words>(
    stream: &mut (impl AsyncRead + Unpin),
) -> std::io::Result<Option<(T, Bytes)>> {
    let length = match stream.read_u32().await {
        Ok(length) => length,
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    if length > WORDS_MAX {
        return Err(odd(format!("{length} bytes of words are too many")));
    }
    let words = exactly(stream, u64::from(length)).await?;
    let words: T = serde_json::from_slice(&words).map_err(odd)?;
    let length = stream.read_u64().await?;
    if length > words.bytes_max() {
        return Err(odd(too_many(length, words.bytes_max())));
    }
    Ok(Some((words, exactly(stream, length).await?)))
}

/// So many bytes. Memory is taken as they come, not as they are announced.
async fn exactly(stream: &mut (impl AsyncRead + Unpin), length: u64) -> std::io::Result<Bytes> {
    let mut bytes = Vec::new();
    let read = stream.take(length).read_to_end(&mut bytes).await?;
    if read as u64 == length {
        Ok(bytes.into())
    } else {
        Err(closed())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn words_and_bytes_come_as_they_were_sent() {
        let (mut here, mut there) = tokio::io::duplex(64);
        let sent = Bytes::from(vec![7_u8; 100_000]);
        let ask = Ask::Log { from: 3 };
        let (one, other) = tokio::join!(send(&mut here, &ask, &sent), receive::<Ask>(&mut there));
        one.unwrap();
        assert_eq!(other.unwrap().unwrap(), (ask, sent));
    }

    #[tokio::test]
    async fn what_is_too_long_or_cut_short_is_refused() {
        let check = async |bytes: &[u8], empty: bool| {
            let mut stream = bytes;
            match receive::<Ask>(&mut stream).await {
                Ok(None) => assert!(empty),
                Ok(Some(_)) => panic!("it was taken"),
                Err(_) => assert!(!empty),
            }
        };
        check(b"", true).await;
        check(&u32::MAX.to_be_bytes(), false).await;
        check(&[0, 0, 0, 9, b'{'], false).await;
        let mut whole = Vec::new();
        let ask = Ask::Log { from: 0 };
        send(&mut whole, &ask, b"abc").await.unwrap();
        check(&whole[..whole.len() - 1], false).await;
        let mut long = whole.clone();
        let at = long.len() - 11;
        long[at..at + 8].copy_from_slice(&u64::MAX.to_be_bytes());
        check(&long, false).await;
    }

    #[tokio::test]
    async fn one_piece_holds_one_ask_and_nothing_else() {
        let ask = Ask::Log { from: 3 };
        let whole = framed(&ask, b"abc").await.unwrap();
        let (words, bytes) = unframed::<Ask>(&whole).await.unwrap();
        assert_eq!((words, &*bytes), (ask, &b"abc"[..]));
        let more = [&*whole, b"x"].concat();
        assert!(unframed::<Ask>(&more).await.is_err());
        assert!(unframed::<Ask>(&whole[..whole.len() - 1]).await.is_err());
        assert!(unframed::<Ask>(b"").await.is_err());
    }

    #[tokio::test]
    async fn no_more_bytes_are_read_than_what_is_asked_may_have() {
        let done = Ask::Done {
            how: Ended::Applied,
        };
        for ask in [Ask::Beat, Ask::Work, done] {
            let mut sent = Vec::new();
            send(&mut sent, &ask, b"a").await.unwrap();
            assert!(receive::<Ask>(&mut sent.as_slice()).await.is_err());
        }
        let check = async |ask: Ask, bytes: u64, allowed: bool| {
            let mut sent = Vec::new();
            send(&mut sent, &ask, b"").await.unwrap();
            let at = sent.len() - 8;
            sent[at..].copy_from_slice(&bytes.to_be_bytes());
            let error = receive::<Ask>(&mut sent.as_slice()).await.unwrap_err();
            // What is allowed is read, and found to be cut short.
            let cut = error.kind() == std::io::ErrorKind::UnexpectedEof;
            assert_eq!(cut, allowed, "{ask:?} {bytes} {error}");
        };
        check(Ask::Log { from: 0 }, PIECE_MAX, true).await;
        check(Ask::Log { from: 0 }, PIECE_MAX + 1, false).await;
        check(Ask::PutState, FILE_MAX, true).await;
        check(Ask::PutState, STATE_MAX + 1, false).await;
        let name = "plan".to_owned();
        check(Ask::File { name }, FILE_MAX + 1, false).await;
    }
}
