//! Whose a variable is.

use std::fmt;
use std::str::FromStr;

use crate::{IdError, VariableSetId, WorkspaceId};

/// Whose a variable is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum VariableOwner {
    /// That of a workspace.
    Workspace(WorkspaceId),
    /// That of a set.
    Set(VariableSetId),
}

impl VariableOwner {
    /// The id as it stands in rows.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Workspace(workspace) => workspace.as_str(),
            Self::Set(set) => set.as_str(),
        }
    }

    /// What it is, as leaves name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Workspace(_) => "workspace",
            Self::Set(_) => "variable-set",
        }
    }
}

impl FromStr for VariableOwner {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let workspace = text.parse().map(Self::Workspace);
        workspace.or_else(|_| text.parse().map(Self::Set))
    }
}

impl fmt::Display for VariableOwner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::HouseCode;

    #[test]
    fn an_owner_is_read_as_it_is_written() {
        let house = HouseCode::from_entropy(3);
        let workspace = VariableOwner::Workspace(WorkspaceId::from_entropy(house, 4));
        let set = VariableOwner::Set(VariableSetId::from_entropy(house, 5));
        for owner in [workspace, set] {
            assert_eq!(owner.as_str().parse::<VariableOwner>().unwrap(), owner);
        }
        assert!("prj-1".parse::<VariableOwner>().is_err());
    }
}
