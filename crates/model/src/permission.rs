//! The one list of permissions, and which built-in role holds which.
//!
//! A permission stands here once, with its wire name, the level it is asked
//! at, and the roles that hold it. The access policies, the published list
//! and the tests of the role matrix are all made from this table; there is no
//! second place to forget.

use std::fmt;
use std::str::FromStr;

/// Where a permission is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The site: organizations, users, operations of the server.
    Site,
    /// A house: an organization, a project of it, or a workspace of that.
    House,
}

/// A text that names no permission or role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {what}; known: {known}")]
pub struct UnknownName {
    text: String,
    what: &'static str,
    known: String,
}

/// A built-in role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Everything in the organization, giving access included.
    Owner,
    /// Everything except giving access, keys, shredding and restoring.
    Maintainer,
    /// Reads and writes states.
    Writer,
    /// Reads states and locks them for a plan; writes none.
    Planner,
    /// Sees what exists; not the content of states.
    Reader,
    /// Reads the ledger and who may do what; not the content of states.
    Auditor,
    /// Belongs to the organization: sees that it exists, and its teams. Whoever
    /// holds any grant in it holds this too.
    Member,
}

impl Role {
    /// Every built-in role.
    pub const ALL: [Self; 7] = [
        Self::Owner,
        Self::Maintainer,
        Self::Writer,
        Self::Planner,
        Self::Reader,
        Self::Auditor,
        Self::Member,
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Maintainer => "maintainer",
            Self::Writer => "writer",
            Self::Planner => "planner",
            Self::Reader => "reader",
            Self::Auditor => "auditor",
            Self::Member => "member",
        }
    }

    fn letter(self) -> char {
        match self {
            Self::Owner => 'o',
            Self::Maintainer => 'm',
            Self::Writer => 'w',
            Self::Planner => 'p',
            Self::Reader => 'r',
            Self::Auditor => 'a',
            Self::Member => 'b',
        }
    }
}

impl FromStr for Role {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| UnknownName {
                text: text.chars().take(64).collect(),
                what: "role",
                known: Self::ALL.map(Self::as_str).join(", "),
            })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $level:ident, $roles:literal;)*) => {
        /// Something that may be allowed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Permission {
            $($(#[$doc])* $name,)*
        }

        impl Permission {
            /// Every permission, in the order of the published list.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name on the wire and in the ledger.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Where it is asked.
            pub fn level(self) -> Level {
                match self { $(Self::$name => Level::$level,)* }
            }

            /// Whether the built-in `role` holds it.
            pub fn held_by(self, role: Role) -> bool {
                let roles = match self { $(Self::$name => $roles,)* };
                roles.contains(role.letter())
            }

            /// Who holds it, in words: the roles that do.
            pub fn holders(self) -> String {
                let roles = Role::ALL.into_iter().filter(|role| self.held_by(*role));
                let roles: Vec<&str> = roles.map(Role::as_str).collect();
                match *roles.as_slice() {
                    [] if self == Self::TokenManage => "every user".to_owned(),
                    [] => "the operators of the site".to_owned(),
                    [role] => format!("the role {role}"),
                    [ref most @ .., last] => format!("the roles {} and {last}", most.join(", ")),
                }
            }
        }
    };
}

// The last column names the roles that hold a permission by their first
// letter: owner, maintainer, writer, planner, reader, auditor, and `b` for
// member, who merely belongs. Site permissions belong to site operators and to
// no role of a house.
permissions! {
    /// See that the organization exists, and its name.
    OrganizationRead = "organization.read", House, "omwprab";
    /// Change the settings of the organization.
    OrganizationUpdate = "organization.update", House, "om";
    /// Make and end the organization's own token, and say whom to write to about it.
    OrganizationManage = "organization.manage", House, "o";
    /// Destroy the organization's keys, and with them its content.
    OrganizationShred = "organization.shred", House, "o";
    /// See projects.
    ProjectRead = "project.read", House, "omwpra";
    /// Make projects.
    ProjectCreate = "project.create", House, "om";
    /// Rename a project.
    ProjectUpdate = "project.update", House, "om";
    /// Remove a project that has no workspaces.
    ProjectDelete = "project.delete", House, "om";
    /// See workspaces, their locks and the list of their versions.
    WorkspaceRead = "workspace.read", House, "omwpra";
    /// Make workspaces.
    WorkspaceCreate = "workspace.create", House, "omw";
    /// Change the settings and tags of a workspace; its name and project need `workspace.delete`, too.
    WorkspaceUpdate = "workspace.update", House, "omw";
    /// Delete a workspace, and bring a deleted one back.
    WorkspaceDelete = "workspace.delete", House, "om";
    /// Let nobody change the state of a workspace, and let it be changed again.
    WorkspaceFreeze = "workspace.freeze", House, "om";
    /// Download the bytes of a state. Recorded.
    StateRead = "state.read", House, "omwp";
    /// See the outputs of a state, sensitive ones without their values. Recorded.
    OutputRead = "output.read", House, "omwp";
    /// See the value of a sensitive output. Recorded.
    OutputReadSensitive = "output.read-sensitive", House, "omw";
    /// Upload a new version of a state.
    StateWrite = "state.write", House, "omw";
    /// Take and release the lock of a workspace.
    StateLock = "state.lock", House, "omwp";
    /// Break somebody else's lock.
    StateForceUnlock = "state.force-unlock", House, "om";
    /// Accept or discard an upload that was kept aside.
    StateAccept = "state.accept", House, "om";
    /// Remove the bytes of a version that is not current. Its evidence stays.
    StateRemove = "state.remove", House, "om";
    /// See the plans and logs of runs, sensitive values hidden. Recorded where it is a plan.
    RunRead = "run.read", House, "omwp";
    /// Upload a configuration and plan it.
    RunPlan = "run.plan", House, "omwp";
    /// Start runs that may apply; confirm, discard and cancel them.
    RunApply = "run.apply", House, "omw";
    /// Approve what somebody else planned.
    RunApprove = "run.approve", House, "omw";
    /// End a run whose runner does not answer.
    RunForce = "run.force-cancel", House, "om";
    /// Say where the runs of a workspace happen, and who must approve them.
    RunConfigure = "run.configure", House, "om";
    /// See pools of agents, and which agents there are.
    AgentRead = "agent.read", House, "om";
    /// Make and end pools of agents and their tokens.
    AgentManage = "agent.manage", House, "o";
    /// Take the jobs of a pool and do them. A pool's token holds it for its own; who comes with another has no jobs.
    AgentWork = "agent.work", House, "o";
    /// See variables, and over the organization sets of them; the values of sensitive ones are shown to nobody.
    VariableRead = "variable.read", House, "omwp";
    /// Set and remove variables; over the organization, also sets of them and what they are attached to.
    VariableWrite = "variable.write", House, "omw";
    /// See policy sets and what they hold.
    PolicyRead = "policy.read", House, "omwpra";
    /// Make, publish, attach and remove policy sets.
    PolicyWrite = "policy.write", House, "om";
    /// Let a run be applied that a soft-mandatory policy is against, and say why.
    PolicyOverride = "policy.override", House, "om";
    /// See by what plans are estimated, and what those of runs come to.
    CostRead = "cost.read", House, "omwpra";
    /// Say by what plans are estimated: price books, prices of the organization, usage; and whether they are.
    CostWrite = "cost.write", House, "om";
    /// See where notifications of runs are sent, and what came of it; an address can be as good as a token, and tokens are shown to nobody.
    NotificationRead = "notification.read", House, "om";
    /// Say where notifications of runs are sent.
    NotificationWrite = "notification.write", House, "om";
    /// See who holds which role.
    GrantRead = "grant.read", House, "oma";
    /// Give and take roles.
    GrantManage = "grant.manage", House, "o";
    /// See who belongs to the organization.
    MemberRead = "member.read", House, "oma";
    /// Bring people in and put them out; owners only together with `grant.manage`.
    MemberManage = "member.manage", House, "o";
    /// See teams that are not secret, and who is in them.
    TeamRead = "team.read", House, "omwprab";
    /// Make, change and delete teams, say who is in them, make their tokens;
    /// the team `owners` only together with `grant.manage`.
    TeamManage = "team.manage", House, "o";
    /// Give teams roles over projects and workspaces.
    TeamAccess = "team.access", House, "o";
    /// Read the ledger: checkpoints, entries, proofs, exports. Recorded.
    LedgerRead = "ledger.read", House, "oma";
    /// Publish checkpoints and hash tiles to everybody.
    LedgerPublish = "ledger.publish", House, "o";
    /// Compare the whole database with the ledger.
    LedgerVerify = "ledger.verify", House, "oma";
    /// See key epochs and what still uses them.
    KeyRead = "key.read", House, "oma";
    /// Open a new key epoch and re-wrap under it.
    KeyRotate = "key.rotate", House, "o";
    /// Make organizations.
    SiteOrganizationCreate = "site.organization.create", Site, "";
    /// See every organization's name.
    SiteOrganizationRead = "site.organization.read", Site, "";
    /// Make, disable and list users.
    SiteUserManage = "site.user.manage", Site, "";
    /// Read the site's own ledger.
    SiteLedgerRead = "site.ledger.read", Site, "";
    /// Write a backup of the whole site, sealed as it is stored.
    SiteBackup = "site.backup", Site, "";
    /// Open a new epoch of the site's own keys.
    SiteKeyRotate = "site.key.rotate", Site, "";
    /// Make, list and revoke one's own tokens. Every user holds it.
    TokenManage = "token.manage", Site, "";
}

impl FromStr for Permission {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let found = Self::ALL
            .iter()
            .copied()
            .find(|permission| permission.as_str() == text);
        found.ok_or_else(|| UnknownName {
            text: text.chars().take(64).collect(),
            what: "permission",
            known: Self::ALL
                .iter()
                .map(|each| each.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        })
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation
    )]

    use super::*;

    #[test]
    fn who_holds_a_permission_is_said_in_words() {
        let check = |permission: Permission, expected: &str| {
            assert_eq!(permission.holders(), expected);
        };
        check(Permission::GrantManage, "the role owner");
        check(Permission::PolicyOverride, "the roles owner and maintainer");
        check(
            Permission::RunApprove,
            "the roles owner, maintainer and writer",
        );
        check(Permission::SiteUserManage, "the operators of the site");
        check(Permission::TokenManage, "every user");
    }

    #[test]
    fn names_are_unique_and_read_back() {
        for (index, permission) in Permission::ALL.iter().enumerate() {
            assert_eq!(
                permission.as_str().parse::<Permission>().unwrap(),
                *permission
            );
            let later = Permission::ALL.iter().skip(index + 1);
            assert_eq!(
                later
                    .filter(|other| other.as_str() == permission.as_str())
                    .count(),
                0
            );
        }
    }

    #[test]
    fn site_permissions_belong_to_no_role_and_owners_hold_the_rest() {
        for permission in Permission::ALL {
            let owner = permission.held_by(Role::Owner);
            assert_eq!(owner, permission.level() == Level::House, "{permission}");
            let anyone = Role::ALL.into_iter().any(|role| permission.held_by(role));
            assert_eq!(anyone, owner, "{permission}");
        }
    }
}
