//! What keeps a job apart from the machine that it is done on: the level of its sandbox, and for a weaker one than `strict` why.
//!
//! The level and the reason are a setting of the site that a runner belongs to, and
//! come along wherever a job is taken: from this server's own places, and from agents,
//! which say them of themselves. There is no weaker level without a reason. It is cleaned here, once,
//! because people read it on pages and terminals; it is sealed beside the leaf of the
//! lease, which commits to it, and shown with the run.

use statehouse_capsule::Sandbox as Level;
use statehouse_model::RunId;
use statehouse_terraform::unseen::is_unseen;

use super::sql::{self, Job, JobReason};
use crate::door::{Action, Tx};
use crate::error::{Error, Kind, Result};
use crate::record::Rows;

/// Longest reason, in bytes: a few sentences, which a page shows whole.
pub const REASON_BYTES_MAX: usize = 1024;
/// Fewest letters of a reason: less is a dash, an `x` or a number, and says nothing.
const REASON_LETTERS_MIN: usize = 4;
/// The level of what was written down and does not read any more.
const UNKNOWN: &str = "unknown";

/// What a runner keeps its jobs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sandbox {
    /// Every layer there is.
    Strict,
    /// A process of another user, and nothing else.
    Process(Reason),
}

/// Why a level is not the strict one, in words that were cleaned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(String);

impl Sandbox {
    /// A sandbox as a site describes its own. The reason counts with a level that wants one alone.
    pub fn told(level: &str, reason: Option<&str>) -> Result<Self> {
        match level.parse() {
            Ok(Level::Strict) => Ok(Self::Strict),
            Ok(Level::Process) => Reason::told(reason).map(Self::Process),
            Err(_) => Err(Error::invalid(
                "the level of a runner's sandboxes is `strict` or `process`",
            )),
        }
    }

    /// Its level, in a word.
    pub fn level(&self) -> &'static str {
        match self {
            Self::Strict => Level::Strict.as_str(),
            Self::Process(_) => Level::Process.as_str(),
        }
    }

    /// Why it is not the strict one.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Strict => None,
            Self::Process(reason) => Some(&reason.0),
        }
    }
}

impl Reason {
    fn told(text: Option<&str>) -> Result<Self> {
        let Some(text) = text else {
            let words = "a runner at the level `process` says why it is not `strict`, and this one does not: update the agent to the version of the server, \
                which sends its `runs.level_reason`, or set its `runs.level` to `strict`";
            return Err(Error::invalid(words));
        };
        if text.len() > REASON_BYTES_MAX {
            let words = format!(
                "the reason for the level `process` has {} bytes, and at most {REASON_BYTES_MAX}: say it shorter in `runs.level_reason`",
                text.len()
            );
            return Err(Error::invalid(words));
        }
        let clean = clean(text);
        if clean
            .chars()
            .filter(|letter| letter.is_alphabetic())
            .count()
            < REASON_LETTERS_MIN
        {
            let words = format!(
                "the reason for the level `process` says nothing, and has at least {REASON_LETTERS_MIN} letters: say in `runs.level_reason` why it is not `strict`"
            );
            return Err(Error::invalid(words));
        }
        Ok(Self(clean))
    }
}

/// One line, without what terminals obey and eyes do not see.
pub(crate) fn clean(text: &str) -> String {
    let visible = |letter: char| {
        if letter.is_control() || is_unseen(letter) {
            ' '
        } else {
            letter
        }
    };
    let text: String = text.chars().map(visible).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What kept the jobs of a run apart, for people, programs and policies to read: of all that were taken the weakest level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxView {
    /// `strict` or `process`; `unknown` where what was written down of it was altered.
    pub level: String,
    /// Why it is not the strict one, as was said with the newest job at that level; `None` where nobody was asked yet when it was taken.
    pub reason: Option<String>,
}

impl SandboxView {
    /// Whether it is anything but every layer there is.
    pub fn is_weak(&self) -> bool {
        self.level != Level::Strict.as_str()
    }
}

/// Writes down beside a lease that there is a reason for its level.
pub(crate) async fn note<A: Action>(tx: &mut Tx<A>, job: &Job, sandbox: &Sandbox) -> Result<()> {
    if sandbox.reason().is_none() {
        return Ok(());
    }
    let noted = JobReason {
        job: job.id.clone(),
        run: job.run.clone(),
        taken_at: tx.now(),
    };
    tx.put(&noted).await
}

/// What kept the jobs of a run apart; `None` before anybody took one. That it was altered keeps nobody from seeing the rest of the run.
pub(crate) async fn of_run(rows: &mut Rows, run: &RunId) -> Result<Option<SandboxView>> {
    match weakest(rows, run).await {
        Err(error) if *error.kind() == Kind::Tampered => Ok(Some(SandboxView {
            level: UNKNOWN.to_owned(),
            reason: None,
        })),
        found => found,
    }
}

async fn weakest(rows: &mut Rows, run: &RunId) -> Result<Option<SandboxView>> {
    let strict = Level::Strict.as_str();
    let mut level = None;
    let mut reason = None;
    for job in sql::taken_of(rows, run).await? {
        let of_job = job.sandbox.unwrap_or_else(|| UNKNOWN.to_owned());
        if of_job != strict {
            reason = sql::reason(rows, &job.id).await?;
        }
        if of_job != strict || level.is_none() {
            level = Some(of_job);
        }
    }
    Ok(level.map(|level| SandboxView { level, reason }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weaker_level_is_told_with_a_reason_or_not_at_all() {
        let check = |level: &str, reason: Option<&str>, said: &str| {
            let error = Sandbox::told(level, reason).unwrap_err();
            assert_eq!(*error.kind(), Kind::Invalid);
            assert!(
                error.message().contains(said),
                "{level} {reason:?}: {error}"
            );
            assert!(error.message().len() < 400, "{error}");
        };
        for level in [
            "", "none", "Strict", "PROCESS", "process ", "strict\0", "unknown",
        ] {
            check(level, Some("no namespaces here"), "`strict` or `process`");
        }
        check("process", None, "update the agent");
        for nothing in [
            "",
            "   ",
            "-",
            "n/a",
            "!?!?!?!?",
            "\u{1b}[0m\u{1b}[1m",
            "\u{200b}a\u{202e}b\0c",
        ] {
            check("process", Some(nothing), "says nothing");
        }
        let long = "because ".repeat(10 * 1024 * 1024 / 8);
        check("process", Some(&long), "say it shorter");
        check(
            "process",
            Some(&"a".repeat(REASON_BYTES_MAX + 1)),
            "say it shorter",
        );
        let longest = "a".repeat(REASON_BYTES_MAX);
        let told = Sandbox::told("process", Some(&longest)).unwrap();
        assert_eq!(told.reason(), Some(&*longest));
    }

    #[test]
    fn with_strict_nothing_is_said_but_strict() {
        for reason in [None, Some(""), Some("no namespaces here")] {
            let told = Sandbox::told("strict", reason).unwrap();
            assert_eq!((told.level(), told.reason()), ("strict", None));
        }
    }

    #[test]
    fn a_reason_is_one_line_that_no_terminal_obeys_and_nothing_in_it_is_unseen() {
        let check = |text: &str, clean: &str| {
            let told = Sandbox::told("process", Some(text)).unwrap();
            assert_eq!((told.level(), told.reason()), ("process", Some(clean)));
        };
        check("  no namespaces\r\n\there ", "no namespaces here");
        check(
            "\u{1b}[31mred\u{1b}[0m \u{9b}2Jalert\u{7}",
            "[31mred [0m 2Jalert",
        );
        check("safe\u{202e}ecrof\u{2066}\u{feff} yb", "safe ecrof yb");
        check("null\0byte", "null byte");
        check(
            "keine Namensräume: Übergang, 古いカーネル",
            "keine Namensräume: Übergang, 古いカーネル",
        );
    }
}
