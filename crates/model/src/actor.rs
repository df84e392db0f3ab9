//! Who does something: a person, or a task of the server itself.

use std::fmt;

use crate::{SessionId, TokenId, UserId};

/// The actor of an operation. Internal work has a name too: there is no
/// operation without an actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A person, by an API token of theirs.
    User {
        /// The account.
        user: UserId,
        /// The token that the request carried.
        token: TokenId,
    },
    /// A person, signed in with a browser.
    Session {
        /// The account.
        user: UserId,
        /// The sign-in.
        session: SessionId,
    },
    /// A background task, by its name.
    Task(&'static str),
    /// Whoever holds the machine, its data and its key directory.
    Operator,
}

impl Actor {
    /// The kind, as leaves spell it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::User { .. } | Self::Session { .. } => "user",
            Self::Task(_) => "task",
            Self::Operator => "operator",
        }
    }

    /// The id, as leaves spell it.
    pub fn id(&self) -> &str {
        match self {
            Self::User { user, .. } | Self::Session { user, .. } => user.as_str(),
            Self::Task(name) => name,
            Self::Operator => "operator",
        }
    }

    /// The token used, where there was one.
    pub fn token(&self) -> Option<&TokenId> {
        match self {
            Self::User { token, .. } => Some(token),
            Self::Session { .. } | Self::Task(_) | Self::Operator => None,
        }
    }

    /// The account, where it is a person.
    pub fn user(&self) -> Option<&UserId> {
        match self {
            Self::User { user, .. } | Self::Session { user, .. } => Some(user),
            Self::Task(_) | Self::Operator => None,
        }
    }

    /// What a person showed, as leaves spell it: the id of a token or of a
    /// session.
    pub fn credential(&self) -> Option<&str> {
        match self {
            Self::User { token, .. } => Some(token.as_str()),
            Self::Session { session, .. } => Some(session.as_str()),
            Self::Task(_) | Self::Operator => None,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.id())
    }
}
