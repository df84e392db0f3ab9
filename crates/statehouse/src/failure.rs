//! How a command fails: what happened, what next, and the exit code.

use std::fmt;

use statehouse_core::Kind;

/// Exit codes, as `--help` and `docs/cli.md` list them. `verify` has its own beside these: see `statehouse_ledger::verify::Kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// It did not work.
    Failed = 1,
    /// The command, the configuration or a setting is wrong.
    Usage = 2,
    /// Not allowed, or no such thing that this caller may see.
    Refused = 3,
    /// It contradicts what is stored, or somebody holds the lock.
    Conflict = 4,
    /// Cannot be done now; later it may.
    Unavailable = 5,
}

/// A failure in words.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    /// What happened, to which thing.
    pub(crate) message: String,
    /// What to do next.
    pub(crate) hint: Option<String>,
    /// The request, as the server's log names it.
    pub(crate) request: Option<String>,
}

/// What commands return.
pub(crate) type Result<T = (), E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// A failure with an exit code of its own.
    pub(crate) fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self {
            exit,
            message: message.to_string(),
            hint: None,
            request: None,
        }
    }

    /// It did not work.
    pub(crate) fn failed(message: impl fmt::Display) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// The command or a setting is wrong.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Says what to do next.
    pub(crate) fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error)
    }
}

impl From<statehouse_core::Error> for Failure {
    fn from(error: statehouse_core::Error) -> Self {
        let exit = match error.kind() {
            Kind::NotFound | Kind::Denied | Kind::Unauthenticated => Exit::Refused,
            Kind::Conflict | Kind::Locked(_) => Exit::Conflict,
            Kind::Unavailable | Kind::TooMany { .. } => Exit::Unavailable,
            Kind::Invalid | Kind::TooLarge | Kind::Tampered | Kind::Internal => Exit::Failed,
        };
        Self {
            exit,
            message: error.message().to_owned(),
            hint: error.next_step().map(str::to_owned),
            request: None,
        }
    }
}
