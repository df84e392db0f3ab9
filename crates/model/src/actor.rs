//! Who does something: a person, a team, an organization, a pool of agents, a run, or a task of the server itself.

use std::fmt;
use std::str::FromStr;

use crate::{
    AgentPoolId, HouseCode, HouseTokenId, IdError, RunId, SessionId, TeamId, TokenId, UserId,
};

/// No id and no name of a task is longer.
const ACTOR_ID_LEN_MAX: usize = 64;

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
    /// A team, by a token that belongs to it and to nobody in person.
    Team {
        /// The team.
        team: TeamId,
        /// The token that the request carried.
        token: HouseTokenId,
    },
    /// An organization, by its own token.
    Organization {
        /// Its house.
        house: HouseCode,
        /// The token that the request carried.
        token: HouseTokenId,
    },
    /// A pool of agents, by a token of it.
    Pool {
        /// The pool.
        pool: AgentPoolId,
        /// The token that the request carried.
        token: HouseTokenId,
    },
    /// A run, while a runner works on it.
    Run(RunId),
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
            Self::Team { .. } => "team",
            Self::Organization { .. } => "organization",
            Self::Pool { .. } => "agent-pool",
            Self::Run(_) => "run",
            Self::Task(_) => "task",
            Self::Operator => "operator",
        }
    }

    /// The id, as leaves spell it.
    pub fn id(&self) -> &str {
        match self {
            Self::User { user, .. } | Self::Session { user, .. } => user.as_str(),
            Self::Team { team, .. } => team.as_str(),
            Self::Organization { house, .. } => house.as_str(),
            Self::Pool { pool, .. } => pool.as_str(),
            Self::Run(run) => run.as_str(),
            Self::Task(name) => name,
            Self::Operator => "operator",
        }
    }

    /// The id of the token used, where there was one.
    pub fn token(&self) -> Option<&str> {
        match self {
            Self::User { token, .. } => Some(token.as_str()),
            Self::Team { token, .. }
            | Self::Organization { token, .. }
            | Self::Pool { token, .. } => Some(token.as_str()),
            Self::Session { .. } | Self::Run(_) | Self::Task(_) | Self::Operator => None,
        }
    }

    /// The account, where it is a person.
    pub fn user(&self) -> Option<&UserId> {
        match self {
            Self::User { user, .. } | Self::Session { user, .. } => Some(user),
            Self::Team { .. }
            | Self::Organization { .. }
            | Self::Pool { .. }
            | Self::Run(_)
            | Self::Task(_)
            | Self::Operator => None,
        }
    }

    /// What was shown, as leaves spell it: the id of a token or of a session.
    pub fn credential(&self) -> Option<&str> {
        match self {
            Self::User { token, .. } => Some(token.as_str()),
            Self::Team { token, .. }
            | Self::Organization { token, .. }
            | Self::Pool { token, .. } => Some(token.as_str()),
            Self::Session { session, .. } => Some(session.as_str()),
            Self::Run(_) | Self::Task(_) | Self::Operator => None,
        }
    }

    /// Whether it came from outside, with a token or a session.
    pub fn is_bearer(&self) -> bool {
        self.credential().is_some()
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.id())
    }
}

/// The id of an actor of any kind, as rows hold it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActorId(Box<str>);

impl ActorId {
    /// The id as it stands in rows and leaves.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&Actor> for ActorId {
    fn from(actor: &Actor) -> Self {
        Self(actor.id().into())
    }
}

impl FromStr for ActorId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let fits = (1..=ACTOR_ID_LEN_MAX).contains(&text.len());
        if fits && text.bytes().all(plain) {
            return Ok(Self(text.into()));
        }
        Err(IdError::new(text, "the id of an actor"))
    }
}

impl fmt::Display for ActorId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for ActorId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whom a role can be given to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// A person.
    User(UserId),
    /// A team: everybody in it, and its tokens.
    Team(TeamId),
}

impl Subject {
    /// The id as it stands in rows and on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::User(user) => user.as_str(),
            Self::Team(team) => team.as_str(),
        }
    }

    /// What it is, as leaves and documents name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Team(_) => "team",
        }
    }

    /// The person, if it is one.
    pub fn user(&self) -> Option<&UserId> {
        match self {
            Self::User(user) => Some(user),
            Self::Team(_) => None,
        }
    }

    /// The team, if it is one.
    pub fn team(&self) -> Option<&TeamId> {
        match self {
            Self::User(_) => None,
            Self::Team(team) => Some(team),
        }
    }
}

impl From<UserId> for Subject {
    fn from(user: UserId) -> Self {
        Self::User(user)
    }
}

impl From<TeamId> for Subject {
    fn from(team: TeamId) -> Self {
        Self::Team(team)
    }
}

impl FromStr for Subject {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let team = text.parse().map(Self::Team);
        team.or_else(|_| text.parse().map(Self::User))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Whose a token of a house is, where it is not the organization's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenOwner {
    /// A team's.
    Team(TeamId),
    /// That of a pool of agents.
    Pool(AgentPoolId),
}

impl TokenOwner {
    /// The id as it stands in rows.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Team(team) => team.as_str(),
            Self::Pool(pool) => pool.as_str(),
        }
    }

    /// What it is, as leaves name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Team(_) => "team",
            Self::Pool(_) => "agent-pool",
        }
    }

    /// The team, if it is one.
    pub fn team(&self) -> Option<&TeamId> {
        match self {
            Self::Team(team) => Some(team),
            Self::Pool(_) => None,
        }
    }

    /// The pool, if it is one.
    pub fn pool(&self) -> Option<&AgentPoolId> {
        match self {
            Self::Team(_) => None,
            Self::Pool(pool) => Some(pool),
        }
    }
}

impl FromStr for TokenOwner {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let team = text.parse().map(Self::Team);
        team.or_else(|_| text.parse().map(Self::Pool))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_actor_is_named_as_rows_hold_it() {
        let house = HouseCode::from_entropy(3);
        let token = HouseTokenId::from_entropy(house, 4);
        let team = TeamId::from_entropy(house, 5);
        let user = UserId::from_entropy(6);
        let own = TokenId::from_entropy(7);
        let check = |actor: Actor, kind: &str, id: &str| {
            assert_eq!((actor.kind(), actor.id()), (kind, id));
            let id = ActorId::from(&actor);
            assert_eq!(id.as_str().parse::<ActorId>().unwrap(), id);
        };
        check(
            Actor::User {
                user: user.clone(),
                token: own,
            },
            "user",
            user.as_str(),
        );
        check(
            Actor::Team {
                team: team.clone(),
                token: token.clone(),
            },
            "team",
            team.as_str(),
        );
        let pool = AgentPoolId::from_entropy(house, 8);
        check(
            Actor::Pool {
                pool: pool.clone(),
                token: token.clone(),
            },
            "agent-pool",
            pool.as_str(),
        );
        check(
            Actor::Organization { house, token },
            "organization",
            house.as_str(),
        );
        check(Actor::Task("reads"), "task", "reads");
        check(Actor::Operator, "operator", "operator");
        for wrong in ["", "a b", "é", "x/y"] {
            assert!(wrong.parse::<ActorId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_subject_is_a_user_or_a_team() {
        let team = TeamId::from_entropy(HouseCode::from_entropy(1), 2);
        let user = UserId::from_entropy(3);
        let pool = AgentPoolId::from_entropy(HouseCode::from_entropy(1), 2);
        for owner in [TokenOwner::Team(team.clone()), TokenOwner::Pool(pool)] {
            assert_eq!(owner.as_str().parse(), Ok(owner));
        }
        let read = |text: &str| text.parse::<Subject>().unwrap();
        assert_eq!(read(team.as_str()), Subject::Team(team));
        assert_eq!(read(user.as_str()), Subject::User(user));
        assert!("ws-1".parse::<Subject>().is_err());
    }
}
