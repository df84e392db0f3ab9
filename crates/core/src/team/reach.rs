//! What a team may do in one project or workspace, in the clients' words.
//!
//! An access level is a built-in role over that scope, and the access itself is
//! a grant: its id is the grant's under another prefix. So `statehouse grant
//! list` shows what was given here, and the other way round. Deliberately
//! absent: levels put together by hand, which would be roles of one's own.

use statehouse_model::{
    GrantId, Permission, Role, Subject, TeamId, TeamProjectId, TeamWorkspaceId,
};

use super::hidden;
use crate::access::sql::{self as grants, Grant};
use crate::access::{self, Scope, entry_of};
use crate::ctx::Ctx;
use crate::db::Value;
use crate::door::{self, Outcome, Target, actions};
use crate::error::{Error, Kind, Result};
use crate::record::Rows;

actions! {
    /// Give a team access to a project or workspace.
    GiveAccess = "team.access.give" needs TeamAccess;
    /// Give it another one.
    ChangeAccess = "team.access.change" needs TeamAccess;
    /// Take it away.
    TakeAccess = "team.access.take" needs TeamAccess;
    /// See which teams have access to something that one sees.
    ListWorkspaceAccess = "team.access.list" needs WorkspaceRead;
    /// The same for a project.
    ListProjectAccess = "team.access.list" needs ProjectRead;
    /// See one by its id; whether one sees what it is about, is asked inside.
    FindAccess = "team.access.show" needs TeamRead;
}

/// How far a team reaches, in the clients' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Sees what there is: the role `reader`.
    Read,
    /// Reads states, too: `planner`.
    Plan,
    /// Writes them: `writer`.
    Write,
    /// Breaks locks and accepts uploads: `maintainer`.
    Maintain,
    /// Gives access: `owner`.
    Admin,
}

impl Level {
    /// Every level.
    pub const ALL: [Self; 5] = [
        Self::Read,
        Self::Plan,
        Self::Write,
        Self::Maintain,
        Self::Admin,
    ];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Plan => "plan",
            Self::Write => "write",
            Self::Maintain => "maintain",
            Self::Admin => "admin",
        }
    }

    fn role(self) -> Role {
        match self {
            Self::Read => Role::Reader,
            Self::Plan => Role::Planner,
            Self::Write => Role::Writer,
            Self::Maintain => Role::Maintainer,
            Self::Admin => Role::Owner,
        }
    }

    /// The level that a role is; a role that is none is no access of a team.
    fn of(role: Role) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.role() == role)
    }
}

impl std::str::FromStr for Level {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|level| level.as_str() == text);
        let known = Self::ALL.map(Self::as_str).join(", ");
        found.ok_or_else(|| Error::invalid(format!("a team's access is one of {known}")))
    }
}

/// An access by its id, which says what it is over.
#[derive(Debug, Clone)]
pub enum ReachId {
    /// Over a workspace.
    Workspace(TeamWorkspaceId),
    /// Over a project.
    Project(TeamProjectId),
}

impl ReachId {
    fn grant(&self) -> GrantId {
        match self {
            Self::Workspace(id) => id.into(),
            Self::Project(id) => id.into(),
        }
    }

    /// The scope of a grant, if this is how it is named.
    fn scope(&self, grant: &Grant) -> Option<Scope> {
        match self {
            Self::Workspace(_) => grant.scope.parse().ok().map(Scope::Workspace),
            Self::Project(_) => grant.scope.parse().ok().map(Scope::Project),
        }
    }
}

/// A team's access, for people and programs to read.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ReachView {
    /// Its id: `tws-…` over a workspace, `tprj-…` over a project.
    pub id: String,
    /// `read`, `plan`, `write`, `maintain` or `admin`.
    pub access: String,
    /// The team.
    pub team: String,
    /// The workspace or project.
    pub scope: String,
}

fn view(grant: &Grant) -> Option<ReachView> {
    let (team, level) = (grant.subject.team()?, Level::of(grant.role)?);
    let id = match grant.scope.split_once('-')?.0 {
        "ws" => TeamWorkspaceId::from(&grant.id).to_string(),
        "prj" => TeamProjectId::from(&grant.id).to_string(),
        _ => return None,
    };
    Some(ReachView {
        id,
        access: level.as_str().to_owned(),
        team: team.to_string(),
        scope: grant.scope.clone(),
    })
}

fn shown(grant: &Grant) -> Result<ReachView> {
    view(grant).ok_or_else(gone)
}

fn gone() -> Error {
    Error::not_found("team access")
}

/// The permission to see a scope.
fn sight(scope: &Scope) -> Permission {
    match scope {
        Scope::Organization => Permission::OrganizationRead,
        Scope::Project(_) => Permission::ProjectRead,
        Scope::Workspace(_) => Permission::WorkspaceRead,
    }
}

/// Which teams reach a project or workspace by access of their own.
pub async fn list(ctx: &Ctx, scope: Scope) -> Result<Vec<ReachView>> {
    match scope {
        Scope::Workspace(_) => list_as(ctx, ListWorkspaceAccess, scope).await,
        Scope::Project(_) | Scope::Organization => list_as(ctx, ListProjectAccess, scope).await,
    }
}

async fn list_as<A: door::Action>(ctx: &Ctx, action: A, scope: Scope) -> Result<Vec<ReachView>> {
    let (asked, target) = (ctx.clone(), scope.target());
    door::read(ctx, action, &target, move |rows| {
        Box::pin(async move {
            let hidden = hidden(rows, &asked).await?;
            let found = grants::over(rows, &scope.text()).await?;
            let seen = found.iter().filter(|grant| {
                let team = grant.subject.team();
                team.is_some_and(|team| !hidden.contains(team))
            });
            Ok(seen.filter_map(view).collect())
        })
    })
    .await
}

/// `admin` is the role owner there, which gives roles to others: whoever gives,
/// replaces or takes it may give roles there, too.
async fn may_reach(rows: &mut Rows, ctx: &Ctx, over: &Target, roles: &[Role]) -> Result<()> {
    if !roles.contains(&Role::Owner) {
        return Ok(());
    }
    let now = ctx.house().now();
    access::decide(rows, ctx, Permission::GrantManage, over, now).await
}

/// Gives a team access to a project or workspace.
pub async fn give(ctx: &Ctx, team: TeamId, scope: Scope, level: Level) -> Result<ReachView> {
    let id = GrantId::from_entropy(ctx.house().code(), crate::entropy());
    let (target, scope) = (scope.target(), scope.text());
    let (asked, over) = (ctx.clone(), target.clone());
    door::change(ctx, GiveAccess, target, move |tx| {
        let (asked, over) = (asked.clone(), over.clone());
        let grant = Grant {
            id: id.clone(),
            subject: Subject::Team(team.clone()),
            role: level.role(),
            scope: scope.clone(),
            created_at: tx.now(),
            expires_at: None,
        };
        let team = team.clone();
        Box::pin(async move {
            may_reach(tx, &asked, &over, &[grant.role]).await?;
            access::may_hold(tx, &team, &grant).await?;
            let there = grants::of_subject(tx, team.as_str()).await?;
            let twice =
                |other: &Grant| other.scope == grant.scope && Level::of(other.role).is_some();
            if there.iter().any(twice) {
                let words = "the team has access to this already";
                return Err(Error::new(Kind::Conflict, words).hint("change that access instead"));
            }
            tx.put(&grant).await?;
            let entry = entry_of(&grant).fact("scope", grant.scope.as_str());
            Ok(Outcome::Recorded(shown(&grant)?, entry))
        })
    })
    .await
}

/// One access by its id, for whoever sees what it is about.
pub async fn show(ctx: &Ctx, id: ReachId) -> Result<ReachView> {
    shown(&find(ctx, id).await?.0)
}

async fn find(ctx: &Ctx, id: ReachId) -> Result<(Grant, Scope)> {
    let (asked, now) = (ctx.clone(), ctx.house().now());
    door::read(ctx, FindAccess, &Target::House, move |rows| {
        Box::pin(async move {
            let found = grants::by_id(rows, &id.grant()).await?;
            let grant = found.ok_or_else(gone)?;
            let scope = id.scope(&grant).ok_or_else(gone)?;
            let secret = hidden(rows, &asked).await?;
            let team = grant.subject.team().ok_or_else(gone)?;
            let target = scope.target();
            let sees = access::holds(rows, &asked, sight(&scope), &target, now).await?;
            if !sees || secret.contains(team) || Level::of(grant.role).is_none() {
                return Err(gone());
            }
            Ok((grant, scope))
        })
    })
    .await
}

/// Gives a team another access in place of the one it has.
pub async fn change(ctx: &Ctx, id: ReachId, level: Level) -> Result<ReachView> {
    let (grant, scope) = find(ctx, id).await?;
    let (asked, over) = (ctx.clone(), scope.target());
    door::change(ctx, ChangeAccess, scope.target(), move |tx| {
        let (id, asked, over) = (grant.id.clone(), asked.clone(), over.clone());
        Box::pin(async move {
            let mut grant = grants::by_id(tx, &id).await?.ok_or_else(gone)?;
            may_reach(tx, &asked, &over, &[grant.role, level.role()]).await?;
            if grant.role == level.role() {
                return Ok(Outcome::Unchanged(shown(&grant)?));
            }
            grant.role = level.role();
            tx.put(&grant).await?;
            let entry = entry_of(&grant).fact("scope", grant.scope.as_str());
            Ok(Outcome::Recorded(shown(&grant)?, entry))
        })
    })
    .await
}

/// Takes a team's access away.
pub async fn take(ctx: &Ctx, id: ReachId) -> Result<()> {
    let (grant, scope) = find(ctx, id).await?;
    let (asked, over) = (ctx.clone(), scope.target());
    door::change(ctx, TakeAccess, scope.target(), move |tx| {
        let (id, asked, over) = (grant.id.clone(), asked.clone(), over.clone());
        Box::pin(async move {
            let grant = grants::by_id(tx, &id).await?.ok_or_else(gone)?;
            may_reach(tx, &asked, &over, &[grant.role]).await?;
            tx.remove::<Grant>(&[Value::from(grant.id.as_str())])
                .await?;
            let entry = entry_of(&grant).fact("scope", grant.scope.as_str());
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await
}
