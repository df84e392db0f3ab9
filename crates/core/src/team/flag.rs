//! Who sees a team, and what it may do everywhere, in the words of the platform's clients.
//!
//! A flag is a role in another spelling. Which flags were asked for is kept,
//! so that a client reads back what it wrote; what holds, the grants say.

use std::collections::BTreeSet;

use statehouse_model::Role;

use crate::error::{Error, Result};

/// Who sees a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Whoever is in it, and who manages teams.
    Secret,
    /// Whoever belongs to the organization.
    Organization,
}

impl Visibility {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Organization => "organization",
        }
    }
}

impl std::str::FromStr for Visibility {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "secret" => Ok(Self::Secret),
            "organization" => Ok(Self::Organization),
            _ => Err(Error::invalid(
                "a team's visibility is `secret` or `organization`",
            )),
        }
    }
}

/// What a team may do in the whole organization, in the clients' words. Words
/// for what is not there (policies, modules, run tasks, …) have no place here:
/// what would not be enforced is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flag {
    /// Sees every project.
    ReadProjects,
    /// Sees every workspace; both are the role `reader`.
    ReadWorkspaces,
    /// Uses every workspace and makes new ones: the role `writer`.
    ManageWorkspaces,
    /// Makes projects too, breaks locks, accepts uploads: the role `maintainer`.
    ManageProjects,
}

impl Flag {
    /// Every flag.
    pub const ALL: [Self; 4] = [
        Self::ReadProjects,
        Self::ReadWorkspaces,
        Self::ManageWorkspaces,
        Self::ManageProjects,
    ];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadProjects => "read-projects",
            Self::ReadWorkspaces => "read-workspaces",
            Self::ManageWorkspaces => "manage-workspaces",
            Self::ManageProjects => "manage-projects",
        }
    }

    /// The flags that say no more than a role does.
    pub(super) fn of(role: Role) -> &'static [Self] {
        match role {
            Role::Owner => &Self::ALL,
            Role::Maintainer => &[Self::ManageWorkspaces, Self::ManageProjects],
            Role::Writer => &[Self::ManageWorkspaces],
            Role::Reader => &[Self::ReadProjects, Self::ReadWorkspaces],
            Role::Planner | Role::Auditor | Role::Member => &[],
        }
    }

    /// The role that flags stand for together.
    pub(super) fn role(flags: &BTreeSet<Self>) -> Option<Role> {
        flags.last().map(|highest| match highest {
            Self::ManageProjects => Role::Maintainer,
            Self::ManageWorkspaces => Role::Writer,
            Self::ReadProjects | Self::ReadWorkspaces => Role::Reader,
        })
    }

    /// Flags as a row holds them.
    pub(super) fn written(flags: &BTreeSet<Self>) -> String {
        let words: Vec<&str> = flags.iter().map(|flag| flag.as_str()).collect();
        words.join(" ")
    }

    /// What a row holds, as flags.
    pub(super) fn read(words: &str) -> BTreeSet<Self> {
        let known = |word| Self::ALL.into_iter().find(|flag| flag.as_str() == word);
        words.split_whitespace().filter_map(known).collect()
    }
}
