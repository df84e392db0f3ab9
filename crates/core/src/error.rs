//! The one error of this crate's surface: what, which, and what next.

use std::fmt;

use statehouse_terraform::lock::LockInfo;

/// What kind of failure it is; the edge maps it to a status, nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// No such thing, or none that this caller may know of.
    NotFound,
    /// Known, but not allowed.
    Denied,
    /// No valid credentials.
    Unauthenticated,
    /// The request itself is wrong.
    Invalid,
    /// It contradicts what is stored.
    Conflict,
    /// Somebody holds the lock.
    Locked(Box<LockInfo>),
    /// Larger than the limit.
    TooLarge,
    /// Tried too often.
    TooMany {
        /// When it may be tried again.
        after_s: u32,
    },
    /// Cannot be done now; trying again later may work.
    Unavailable,
    /// Stored data does not match the ledger or its keys. Nothing was served.
    Tampered,
    /// A defect or a broken machine.
    Internal,
}

/// A failure of an operation. `message` and `hint` are for the caller; the
/// source is for the log alone.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    hint: Option<String>,
    refused: bool,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failure in words: what happened, to which thing.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
            refused: false,
            source: None,
        }
    }

    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Keeps the cause for the log.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The words for the caller.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do next, where something can be done.
    pub fn next_step(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Marks a refusal by the access rules, which leaves a trace.
    #[must_use]
    pub(crate) fn refusal(mut self) -> Self {
        self.refused = true;
        self
    }

    /// Whether the access rules refused.
    pub(crate) fn refused(&self) -> bool {
        self.refused
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(
            Kind::NotFound,
            format!("{what} not found, or you may not see it"),
        )
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, message)
    }

    pub(crate) fn tampered(message: impl Into<String>) -> Self {
        Self::new(Kind::Tampered, message).hint(
            "nothing was served; run `statehouse verify --live` to see what differs from the ledger",
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(formatter, " ({hint})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

impl From<crate::db::DbError> for Error {
    fn from(error: crate::db::DbError) -> Self {
        use crate::db::Trouble;
        let kind = match error.trouble() {
            Trouble::Lost | Trouble::Slow | Trouble::ReadOnly => Kind::Unavailable,
            Trouble::Unique => Kind::Conflict,
            Trouble::Other => Kind::Internal,
        };
        let next = match error.trouble() {
            Trouble::ReadOnly => {
                "nothing was stored; make the data directory writable for the server, then try again"
            }
            Trouble::Lost => {
                "nothing was stored; free space or bring the database back, then try again"
            }
            Trouble::Slow => "nothing was stored; try again",
            Trouble::Unique => "read what is there and decide anew",
            Trouble::Other => "an operator finds more in the server's log",
        };
        Self::new(kind, format!("the database refused: {error}"))
            .hint(next)
            .because(error)
    }
}
