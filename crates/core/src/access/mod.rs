//! The only place that answers "may this actor do this here?".
//!
//! [`decide`] runs inside the transaction of the operation, so a grant that
//! was revoked a moment ago is revoked. Grants are evidential rows: one that
//! was inserted by SQL does not read, and the decision fails closed. The
//! judgement itself is Cedar's: default deny, the built-in roles as policy
//! templates made from the permission table, a grant as a link of one.
//!
//! A refusal is "not found" unless the caller may see the thing, so that
//! existence stays a secret. Deliberately absent: custom roles, groups, and a
//! way to answer without asking.

mod policy;
pub(crate) mod sql;

use statehouse_model::{GrantId, Level, Permission, ProjectId, Role, UserId, WorkspaceId};

pub(crate) use policy::Engine;
pub(crate) use policy::{READS, REWRAP, WITNESS};

use crate::ctx::Ctx;
use crate::db::Value;
use crate::door::{self, Entry, Outcome, Target, actions};
use crate::error::{Error, Kind, Result};
use crate::record::Rows;
use crate::workspace::Workspace;
use sql::Grant;

actions! {
    /// Give somebody a role.
    GiveRole = "grant.give" needs GrantManage;
    /// Take it away.
    TakeRole = "grant.take" needs GrantManage;
    /// See who holds which role.
    ListGrants = "grant.list" needs GrantRead;
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
    if site != (permission.level() == Level::Site) && ctx.actor().user().is_some() {
        return Err(Error::not_found("what you asked for").refusal());
    }
    let place = place(rows, target).await?;
    let grants = grants_of(rows, ctx, now).await?;
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
        "none of your roles holds it"
    } else {
        "your token's scopes leave it out"
    };
    Err(Error::new(
        Kind::Denied,
        format!("you may not do this: it needs `{permission}`, and {scope}"),
    )
    .hint("an owner of the organization can grant it: `statehouse grant give`")
    .refusal())
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

/// The unexpired grants of the actor. In the site there are none; an operator
/// is known by a column of the account.
async fn grants_of(rows: &mut Rows, ctx: &Ctx, now: i64) -> Result<Vec<Held>> {
    let Some(user) = ctx.actor().user() else {
        return Ok(Vec::new());
    };
    if ctx.house().code().is_site() {
        let account = crate::user::sql::by_id(rows, user).await?;
        let account = account.filter(|account| account.disabled_at.is_none());
        let operator = account.is_some_and(|account| account.operator);
        return Ok(if operator {
            vec![Held::Operator]
        } else {
            Vec::new()
        });
    }
    let grants = sql::of_subject(rows, user).await?;
    let live = grants
        .into_iter()
        .filter(|grant| grant.expires_at.is_none_or(|at| at > now));
    Ok(live
        .map(|grant| Held::Role(grant.role, grant.scope))
        .collect())
}

/// A right that an actor holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Held {
    /// Operates the site.
    Operator,
    /// A role at a scope: `organization`, a project's id or a workspace's.
    Role(Role, String),
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
    fn text(&self) -> String {
        match self {
            Self::Organization => ORGANIZATION.to_owned(),
            Self::Project(id) => id.to_string(),
            Self::Workspace(id) => id.to_string(),
        }
    }

    fn target(&self) -> Target {
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
    pub user: String,
    /// The role.
    pub role: String,
    /// `organization`, or the id of a project or workspace.
    pub scope: String,
    /// When it ends, in microseconds since 1970.
    pub expires_at: Option<i64>,
}

impl From<Grant> for GrantView {
    fn from(grant: Grant) -> Self {
        Self {
            id: grant.id.to_string(),
            user: grant.subject.to_string(),
            role: grant.role.to_string(),
            scope: grant.scope,
            expires_at: grant.expires_at,
        }
    }
}

/// Gives `user` a role over `scope`, until `expires_at` if that is set.
pub async fn give(
    ctx: &Ctx,
    user: UserId,
    role: Role,
    scope: Scope,
    expires_at: Option<i64>,
) -> Result<GrantView> {
    let id = GrantId::from_entropy(ctx.house().code(), crate::entropy());
    let target = scope.target();
    let scope = scope.text();
    door::change(ctx, GiveRole, target, move |tx| {
        let grant = Grant {
            id: id.clone(),
            subject: user.clone(),
            role,
            scope: scope.clone(),
            created_at: tx.now(),
            expires_at,
        };
        Box::pin(async move {
            tx.put(&grant).await?;
            let entry = Entry::new(&grant.id)
                .fact("user", grant.subject.as_str())
                .fact("role", role.as_str())
                .fact("scope", grant.scope.as_str());
            Ok(Outcome::Recorded(grant.into(), entry))
        })
    })
    .await
}

/// Takes a grant away. The last owner of an organization keeps it.
pub async fn take(ctx: &Ctx, id: GrantId) -> Result<()> {
    door::change(ctx, TakeRole, Target::House, move |tx| {
        let id = id.clone();
        Box::pin(async move {
            let grant = sql::by_id(tx, &id)
                .await?
                .ok_or_else(|| Error::not_found("grant"))?;
            let owner = grant.role == Role::Owner
                && grant.scope == ORGANIZATION
                && grant.expires_at.is_none();
            if owner && sql::owners(tx).await? <= 1 {
                return Err(Error::new(
                    Kind::Conflict,
                    "this is the last owner of the organization",
                )
                .hint("give another user the role `owner` first"));
            }
            tx.remove::<Grant>(&[Value::from(id.as_str())]).await?;
            let entry = Entry::new(&id)
                .fact("user", grant.subject.as_str())
                .fact("role", grant.role.as_str());
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await
}

/// Everybody's roles.
pub async fn list(ctx: &Ctx) -> Result<Vec<GrantView>> {
    door::read(ctx, ListGrants, &Target::House, |rows| {
        Box::pin(async move {
            Ok(sql::all(rows)
                .await?
                .into_iter()
                .map(GrantView::from)
                .collect())
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
