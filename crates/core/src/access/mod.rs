//! The only place that answers "may this actor do this here?".
//!
//! [`decide`] runs inside the transaction of the operation, so a grant that
//! was revoked a moment ago is revoked. Grants are evidential rows: one that
//! was inserted by SQL does not read, and the decision fails closed. The
//! judgement itself is Cedar's: default deny, the built-in roles as policy
//! templates made from the permission table, a grant as a link of one.
//!
//! A refusal is "not found" unless the caller may see the thing, so that
//! existence stays a secret. What an actor holds is its own grants and those of
//! the teams that it is in. One rule says who belongs to an organization:
//! whoever holds a grant in it or is in a team; that alone lets see that it
//! exists (the role `member`). Deliberately absent: custom roles, and a way to
//! answer without asking.

mod holders;
mod policy;
pub(crate) mod sql;

use std::collections::BTreeSet;

use statehouse_model::{
    Actor, ActorId, GrantId, Level, Permission, ProjectId, Role, SessionId, Subject, TeamId,
    TokenOwner, UserId, WorkspaceId,
};

pub(crate) use holders::{granted, holds_anywhere, holds_here};
pub(crate) use policy::Engine;
pub(crate) use policy::{
    DRIFT, NOTIFICATIONS, READS, RETENTION, REWRAP, RUNS, SEARCH, STATES, WITNESS,
};

use crate::ctx::Ctx;
use crate::db::Value;
use crate::door::{self, Entry, Outcome, Target, actions};
use crate::error::{Error, Kind, Result};
use crate::record::{Ask, Rows};
use crate::session;
use crate::team;
use crate::token;
use crate::workspace::Workspace;
use sql::Grant;

actions! {
    /// Give somebody a role.
    GiveRole = "grant.give" needs GrantManage;
    /// Take it away.
    TakeRole = "grant.take" needs GrantManage;
    /// See who holds which role.
    ListGrants = "grant.list" needs GrantRead;
    /// See what one may do oneself.
    ListOwn = "grant.own" needs OrganizationRead;
}

/// Where the permission is asked: the target and what it lies in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) project: Option<ProjectId>,
    pub(crate) workspace: Option<WorkspaceId>,
}

/// Decides whether `ctx` may use `permission` on `target`, from the rows as
/// they are in this transaction.
pub(crate) async fn decide(
    rows: &mut Rows,
    ctx: &Ctx,
    permission: Permission,
    target: &Target,
    now: i64,
) -> Result<()> {
    let site = ctx.house().code().is_site();
    if site != (permission.level() == Level::Site) && ctx.actor().is_bearer() {
        return Err(Error::not_found("what you asked for").refusal());
    }
    let place = place(rows, target).await?;
    let grants = held_by(rows, ctx, now).await?;
    let engine = Engine::shared()?;
    if ctx.in_scope(permission)
        && engine.allows(ctx.actor(), &grants, permission, place.as_ref())?
    {
        return match place {
            Some(_) => Ok(()),
            None => Err(Error::not_found(what(target))),
        };
    }
    let sees = place.is_some()
        && engine.allows(ctx.actor(), &grants, visible(site, target), place.as_ref())?;
    if !sees {
        return Err(Error::not_found(what(target)).refusal());
    }
    let scope = if ctx.in_scope(permission) {
        "none of your roles here holds it"
    } else {
        "your token's scopes leave it out"
    };
    let holders = permission.holders();
    Err(Error::new(
        Kind::Denied,
        format!("you may not do this: it needs `{permission}` (held by {holders}), and {scope}"),
    )
    .hint("an owner of the organization can grant it: `statehouse grant give`")
    .refusal())
}

/// What [`decide`] will ask of the rows.
pub(crate) fn asks(ctx: &Ctx, target: &Target) -> Vec<Ask> {
    let mut asks = match target {
        Target::House => Vec::new(),
        Target::Project(id) => vec![crate::project::sql::ask_id(id)],
        Target::ProjectNamed(name) => vec![crate::project::sql::ask_name(name)],
        Target::Workspace(workspace) => crate::workspace::sql::asks(workspace),
    };
    match ctx.actor() {
        Actor::User { user, .. } | Actor::Session { user, .. } if ctx.house().code().is_site() => {
            asks.push(crate::user::sql::ask_id(user));
            asks.extend(ctx.actor().token().map(token::sql::ask_id));
        }
        Actor::User { user, .. } | Actor::Session { user, .. } => {
            asks.extend([team::sql::ask_teams(user), sql::ask_subject(user.as_str())]);
        }
        Actor::Team { team, .. } => asks.push(sql::ask_subject(team.as_str())),
        Actor::Run(run) => asks.push(crate::run::sql::ask_id(run)),
        Actor::Organization { .. } | Actor::Pool { .. } | Actor::Task(_) | Actor::Operator => {}
    }
    asks
}

/// Whether `ctx` also holds `permission` on `target`, without refusing.
pub(crate) async fn holds(
    rows: &mut Rows,
    ctx: &Ctx,
    permission: Permission,
    target: &Target,
    now: i64,
) -> Result<bool> {
    match decide(rows, ctx, permission, target, now).await {
        Ok(()) => Ok(true),
        Err(error) if error.refused() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether somebody who does not ask now holds `permission` on `target`: a
/// person, by the grants that there are.
pub(crate) async fn actor_holds(
    rows: &mut Rows,
    actor: &ActorId,
    permission: Permission,
    target: &Target,
    now: i64,
) -> Result<bool> {
    let Ok(user) = actor.as_str().parse::<UserId>() else {
        return Ok(false);
    };
    let Some(place) = place(rows, target).await? else {
        return Ok(false);
    };
    let held = of_user(rows, &user, now).await?;
    let session = SessionId::from_entropy(0);
    let actor = Actor::Session { user, session };
    Engine::shared()?.allows(&actor, &held, permission, Some(&place))
}

/// What an actor holds in a house at one moment, to be asked about many places
/// without reading it again.
pub(crate) struct Rights<'a> {
    ctx: &'a Ctx,
    held: Vec<Held>,
}

impl<'a> Rights<'a> {
    pub(crate) async fn of(rows: &mut Rows, ctx: &'a Ctx, now: i64) -> Result<Self> {
        let held = held_by(rows, ctx, now).await?;
        Ok(Self { ctx, held })
    }

    /// Everything that the actor holds.
    pub(crate) fn held(&self) -> &[Held] {
        &self.held
    }

    /// Where the actor may use each of `permissions`.
    pub(crate) fn reaches(&self, permissions: &[Permission]) -> Result<Reaches> {
        let reach = |permission: &Permission| Ok((*permission, self.reach(*permission)?));
        permissions
            .iter()
            .map(reach)
            .collect::<Result<_>>()
            .map(Reaches)
    }

    /// Where the actor may use `permission`. An answer for display: what is done
    /// is decided when it is done. Each right is asked alone, where it was given:
    /// policies only permit, so what one allows, all of them do.
    pub(crate) fn reach(&self, permission: Permission) -> Result<Reach> {
        let engine = Engine::shared()?;
        let (mut projects, mut workspaces) = (BTreeSet::new(), BTreeSet::new());
        let allows = |held: &[Held], place: &Place| {
            engine.allows(self.ctx.actor(), held, permission, Some(place))
        };
        let house = Place {
            project: None,
            workspace: None,
        };
        let in_scope = self.ctx.in_scope(permission);
        if in_scope && allows(&self.held, &house)? {
            return Ok(Reach::Everywhere);
        }
        for right in self.held.iter().filter(|_| in_scope) {
            let Held::Role(_, scope) = right else {
                continue;
            };
            let place = Place {
                project: scope.parse().ok(),
                workspace: scope.parse().ok(),
            };
            if place != house && allows(std::slice::from_ref(right), &place)? {
                projects.extend(place.project);
                workspaces.extend(place.workspace);
            }
        }
        Ok(Reach::Within {
            projects,
            workspaces,
        })
    }
}

/// Where an actor may use each of some permissions.
pub(crate) struct Reaches(Vec<(Permission, Reach)>);

impl Reaches {
    /// Those whose reach covers a place.
    pub(crate) fn that(&self, covers: impl Fn(&Reach) -> bool) -> BTreeSet<Permission> {
        let those = self.0.iter().filter(|(_, reach)| covers(reach));
        those.map(|(permission, _)| *permission).collect()
    }
}

/// Where an actor may use one permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reach {
    /// In the whole house.
    Everywhere,
    /// In these projects and what lies in them, and in these workspaces.
    Within {
        projects: BTreeSet<ProjectId>,
        workspaces: BTreeSet<WorkspaceId>,
    },
}

impl Reach {
    /// Whether a workspace of a project is within it.
    pub(crate) fn covers(&self, project: &ProjectId, workspace: &WorkspaceId) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Within {
                projects,
                workspaces,
            } => projects.contains(project) || workspaces.contains(workspace),
        }
    }

    fn is_nowhere(&self) -> bool {
        match self {
            Self::Everywhere => false,
            Self::Within {
                projects,
                workspaces,
            } => projects.is_empty() && workspaces.is_empty(),
        }
    }

    /// Somewhere within it: where something may be recorded.
    pub(crate) fn anywhere(&self) -> Target {
        let Self::Within {
            projects,
            workspaces,
        } = self
        else {
            return Target::House;
        };
        let project = projects.first().cloned().map(Target::Project);
        let workspace = workspaces.first().cloned();
        let workspace = workspace.map(|id| Target::Workspace(Workspace::Id(id)));
        project.or(workspace).unwrap_or(Target::House)
    }

    /// Whether a project itself is.
    pub(crate) fn covers_project(&self, project: &ProjectId) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Within { projects, .. } => projects.contains(project),
        }
    }
}

/// Where `ctx` may use `permission`, for what looks over many places at once.
/// Who may nowhere is refused as at the house itself.
pub(crate) async fn reach(
    rows: &mut Rows,
    ctx: &Ctx,
    permission: Permission,
    now: i64,
) -> Result<Reach> {
    let refused = match decide(rows, ctx, permission, &Target::House, now).await {
        Ok(()) => return Ok(Reach::Everywhere),
        Err(error) if error.refused() => error,
        Err(error) => return Err(error),
    };
    let reach = Rights::of(rows, ctx, now).await?.reach(permission)?;
    if reach.is_nowhere() {
        return Err(refused);
    }
    Ok(reach)
}

/// Everything that `ctx` may do to its house itself.
pub(crate) async fn held_here(rows: &mut Rows, ctx: &Ctx, now: i64) -> Result<Vec<Permission>> {
    let held = held_by(rows, ctx, now).await?;
    let engine = Engine::shared()?;
    let place = Place {
        project: None,
        workspace: None,
    };
    let mut found = Vec::new();
    for permission in Permission::ALL.iter().copied() {
        let here = permission.level() == Level::House && ctx.in_scope(permission);
        if here && engine.allows(ctx.actor(), &held, permission, Some(&place))? {
            found.push(permission);
        }
    }
    Ok(found)
}

/// What the caller may do to the organization itself.
pub async fn own(ctx: &Ctx) -> Result<Vec<Permission>> {
    let (asked, now) = (ctx.clone(), ctx.house().now());
    door::read(ctx, ListOwn, &Target::House, move |rows| {
        Box::pin(async move { held_here(rows, &asked, now).await })
    })
    .await
}

/// Whether `ctx` may see the house at all. Unlike a refused read it leaves no
/// trace: it answers for a list, not for a use.
pub(crate) async fn belongs(ctx: &Ctx) -> Result<bool> {
    let mut rows = door::look(ctx.house()).await?;
    let (permission, now) = (Permission::OrganizationRead, ctx.house().now());
    let answer = holds(&mut rows, ctx, permission, &Target::House, now).await;
    rows.transaction.rollback().await;
    answer
}

/// The permission by which a caller knows that a target exists.
fn visible(site: bool, target: &Target) -> Permission {
    match target {
        Target::House if site => Permission::TokenManage,
        Target::House => Permission::OrganizationRead,
        Target::Project(_) | Target::ProjectNamed(_) => Permission::ProjectRead,
        Target::Workspace(_) => Permission::WorkspaceRead,
    }
}

fn what(target: &Target) -> &'static str {
    match target {
        Target::House => "organization",
        Target::Project(_) | Target::ProjectNamed(_) => "project",
        Target::Workspace(_) => "workspace",
    }
}

/// What `target` lies in; `None` when there is no such row.
async fn place(rows: &mut Rows, target: &Target) -> Result<Option<Place>> {
    Ok(match target {
        Target::House => Some(Place {
            project: None,
            workspace: None,
        }),
        Target::Project(id) => {
            let found = crate::project::sql::by_id(rows, id).await?;
            found.map(|project| Place {
                project: Some(project.id),
                workspace: None,
            })
        }
        Target::ProjectNamed(name) => {
            let found = crate::project::sql::by_name(rows, name).await?;
            found.map(|project| Place {
                project: Some(project.id),
                workspace: None,
            })
        }
        Target::Workspace(workspace) => {
            let found = crate::workspace::sql::by_ref(rows, workspace).await?;
            found.map(|workspace| Place {
                project: Some(workspace.project),
                workspace: Some(workspace.id),
            })
        }
    })
}

/// What the actor holds, from the rows of this transaction. In the site there
/// are no grants; an operator is known by a column of the account.
async fn held_by(rows: &mut Rows, ctx: &Ctx, now: i64) -> Result<Vec<Held>> {
    let site = ctx.house().code().is_site();
    match ctx.actor() {
        Actor::User { user, .. } | Actor::Session { user, .. } if site => {
            // A request may have waited minutes for its body since it came.
            still_shown(rows, ctx.actor(), now).await?;
            let account = crate::user::sql::by_id(rows, user).await?;
            let account = account.filter(|account| account.disabled_at.is_none());
            let operator = account.is_some_and(|account| account.operator);
            Ok(operator.then_some(Held::Operator).into_iter().collect())
        }
        Actor::User { user, .. } | Actor::Session { user, .. } => of_user(rows, user, now).await,
        Actor::Team { team, token } if !site => {
            let owner = TokenOwner::Team(team.clone());
            token::house::require(rows, token, Some(&owner), now).await?;
            if team.is_owners() {
                let owner = Held::Role(Role::Owner, ORGANIZATION.to_owned());
                return Ok(vec![owner]);
            }
            let roles = live(sql::of_subject(rows, team.as_str()).await?, now);
            Ok(with_membership(roles, true))
        }
        Actor::Organization { token, .. } if !site => {
            token::house::require(rows, token, None, now).await?;
            // What it may do, a policy of its own says.
            Ok(Vec::new())
        }
        Actor::Pool { pool, token } if !site => {
            let owner = TokenOwner::Pool(pool.clone());
            token::house::require(rows, token, Some(&owner), now).await?;
            Ok(Vec::new())
        }
        Actor::Run(run) if !site => {
            let held = crate::run::held(rows, run).await?;
            Ok(held.into_iter().collect())
        }
        Actor::Team { .. }
        | Actor::Organization { .. }
        | Actor::Pool { .. }
        | Actor::Run(_)
        | Actor::Task(_)
        | Actor::Operator => Ok(Vec::new()),
    }
}

/// What a person holds: their own grants, and those of the teams that they are in.
async fn of_user(rows: &mut Rows, user: &UserId, now: i64) -> Result<Vec<Held>> {
    let teams = team::sql::teams_of(rows, user).await?;
    let teams: Vec<&str> = teams.iter().map(|each| each.team.as_str()).collect();
    let subjects = [&[user.as_str()], &*teams].concat();
    let roles = live(sql::of_subjects(rows, &subjects).await?, now);
    Ok(with_membership(roles, !teams.is_empty()))
}

/// Refuses a token or a session of a person that ended meanwhile.
async fn still_shown(rows: &mut Rows, actor: &Actor, now: i64) -> Result<()> {
    match actor {
        Actor::User { token, .. } => token::require(rows, token, now).await,
        Actor::Session { user, session } => session::require(rows, session, user, now).await,
        _ => Ok(()),
    }
}

fn live(grants: Vec<Grant>, now: i64) -> Vec<Held> {
    let live = grants.into_iter().filter(|grant| grant.is_live(now));
    live.map(|grant| Held::Role(grant.role, grant.scope))
        .collect()
}

/// Whoever holds anything here, or is in a team, belongs to the organization.
fn with_membership(mut roles: Vec<Held>, in_a_team: bool) -> Vec<Held> {
    if in_a_team || !roles.is_empty() {
        roles.push(Held::Role(Role::Member, ORGANIZATION.to_owned()));
    }
    roles
}

impl Grant {
    pub(crate) fn is_live(&self, now: i64) -> bool {
        self.expires_at.is_none_or(|at| at > now)
    }

    /// Whether it makes an owner of the whole organization.
    pub(crate) fn owns(&self) -> bool {
        self.role == Role::Owner && self.scope == ORGANIZATION
    }
}

/// A right that an actor holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Held {
    /// Operates the site.
    Operator,
    /// A role at a scope: `organization`, a project's id or a workspace's.
    Role(Role, String),
    /// Is a run that is being planned, in its workspace.
    Plans(WorkspaceId),
    /// Is a run that is being applied, in its workspace.
    Applies(WorkspaceId),
}

/// Which part of an organization a role is given over.
#[derive(Debug, Clone)]
pub enum Scope {
    /// All of it.
    Organization,
    /// One project and its workspaces.
    Project(ProjectId),
    /// One workspace.
    Workspace(WorkspaceId),
}

impl Scope {
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Organization => ORGANIZATION.to_owned(),
            Self::Project(id) => id.to_string(),
            Self::Workspace(id) => id.to_string(),
        }
    }

    pub(crate) fn target(&self) -> Target {
        match self {
            Self::Organization => Target::House,
            Self::Project(id) => Target::Project(id.clone()),
            Self::Workspace(id) => Target::Workspace(Workspace::Id(id.clone())),
        }
    }
}

/// How a grant over the whole organization spells its scope.
pub(crate) const ORGANIZATION: &str = "organization";

/// A role that somebody holds, for people to read.
#[derive(Debug, Clone, serde::Serialize)]
pub struct GrantView {
    /// The grant's id.
    pub id: String,
    /// The user who holds it.
    pub user: Option<String>,
    /// Or the team.
    pub team: Option<String>,
    /// The role.
    pub role: String,
    /// `organization`, or the id of a project or workspace.
    pub scope: String,
    /// What that is called, in lists.
    pub scope_name: Option<String>,
    /// What the team is called, in lists, to whoever sees teams.
    pub team_name: Option<String>,
    /// When it ends, in microseconds since 1970.
    pub expires_at: Option<i64>,
}

impl From<Grant> for GrantView {
    fn from(grant: Grant) -> Self {
        Self {
            id: grant.id.to_string(),
            user: grant.subject.user().map(ToString::to_string),
            team: grant.subject.team().map(ToString::to_string),
            role: grant.role.to_string(),
            scope: grant.scope,
            scope_name: None,
            team_name: None,
            expires_at: grant.expires_at,
        }
    }
}

/// Gives a user or a team a role over `scope`, until `expires_at` if that is set.
pub async fn give(
    ctx: &Ctx,
    subject: impl Into<Subject>,
    role: Role,
    scope: Scope,
    expires_at: Option<i64>,
) -> Result<GrantView> {
    let id = GrantId::from_entropy(ctx.house().code(), crate::entropy());
    let (subject, target) = (subject.into(), scope.target());
    let scope = scope.text();
    door::change(ctx, GiveRole, target, move |tx| {
        let grant = Grant {
            id: id.clone(),
            subject: subject.clone(),
            role,
            scope: scope.clone(),
            created_at: tx.now(),
            expires_at,
        };
        Box::pin(async move {
            if let Subject::Team(team) = &grant.subject {
                may_hold(tx, team, &grant).await?;
            }
            tx.put(&grant).await?;
            let entry = entry_of(&grant).fact("scope", grant.scope.as_str());
            Ok(Outcome::Recorded(grant.into(), entry))
        })
    })
    .await
}

pub(crate) fn entry_of(grant: &Grant) -> Entry {
    Entry::new(&grant.id)
        .fact(grant.subject.kind(), grant.subject.as_str())
        .fact("role", grant.role.as_str())
}

/// Whether a team is there and can hold a grant: who owns an organization,
/// only the team `owners` says, and that holds nothing else.
pub(crate) async fn may_hold(rows: &mut Rows, team: &TeamId, grant: &Grant) -> Result<()> {
    if team.is_owners() || grant.owns() {
        let words =
            "who owns the organization, the team `owners` says, and it holds this and nothing else";
        return Err(Error::new(Kind::Conflict, words)
            .hint("put people into the team `owners`, or give the team another role"));
    }
    let found = team::sql::by_id(rows, team).await?;
    found.map(drop).ok_or_else(|| Error::not_found("team"))
}

/// Takes a role away. The last owner of an organization keeps it.
pub async fn take(ctx: &Ctx, id: GrantId) -> Result<()> {
    door::change(ctx, TakeRole, Target::House, move |tx| {
        let id = id.clone();
        Box::pin(async move {
            let grant = sql::by_id(tx, &id)
                .await?
                .ok_or_else(|| Error::not_found("grant"))?;
            if grant.owns() && grant.expires_at.is_none() && sql::owners(tx).await?.len() <= 1 {
                return Err(last_owner());
            }
            tx.remove::<Grant>(&[Value::from(id.as_str())]).await?;
            let entry = entry_of(&grant);
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await
}

/// Refuses to let `leaving` go when nobody else owns the organization for good.
pub(crate) async fn keep_an_owner(rows: &mut Rows, leaving: &[UserId]) -> Result<()> {
    let owners = sql::owning_users(rows).await?;
    if owners.iter().any(|owner| !leaving.contains(owner)) {
        Ok(())
    } else {
        Err(last_owner())
    }
}

pub(crate) fn last_owner() -> Error {
    Error::new(Kind::Conflict, "this is the last owner of the organization")
        .hint("give another user the role `owner` first")
}

/// Who owns the organization for good.
pub(crate) async fn owners(ctx: &Ctx) -> Result<Vec<UserId>> {
    door::read(ctx, ListGrants, &Target::House, |rows| {
        Box::pin(async move { sql::owning_users(rows).await })
    })
    .await
}

/// Everybody's roles.
pub async fn list(ctx: &Ctx) -> Result<Vec<GrantView>> {
    let asked = ctx.clone();
    door::read(ctx, ListGrants, &Target::House, move |rows| {
        Box::pin(async move {
            let grants = sql::all(rows).await?.into_iter();
            holders::named(rows, &asked, grants.map(GrantView::from).collect()).await
        })
    })
    .await
}

/// The published list: every permission and the built-in roles that hold it.
pub fn matrix() -> Vec<(Permission, Vec<Role>)> {
    let holders = |permission: &Permission| {
        Role::ALL
            .into_iter()
            .filter(|role| permission.held_by(*role))
            .collect()
    };
    Permission::ALL
        .iter()
        .map(|permission| (*permission, holders(permission)))
        .collect()
}
