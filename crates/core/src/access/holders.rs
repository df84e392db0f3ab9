//! Who may do something in a place, by the grants that there are: for people who look for somebody who may. Whether somebody may is decided when they do it.

use std::collections::{BTreeMap, BTreeSet};

use statehouse_model::{ActorId, Permission, ProjectId, Subject, UserId, WorkspaceId};

use super::{GrantView, ORGANIZATION, actor_holds, reach, sql};
use crate::ctx::Ctx;
use crate::door::{self, Target};
use crate::error::{Kind, Result};
use crate::project;
use crate::record::Rows;
use crate::team;
use crate::workspace::sql::Workspace;
use crate::workspace::{self, Workspace as Wanted};

/// Workspaces that one statement asks for.
const AT_ONCE: usize = 500;

/// The people to whom `permission` in a workspace is granted: by grants of their own and by those of the teams that they are in. Whether they hold it is
/// for [`holds_here`] to say.
pub(crate) async fn granted(
    rows: &mut Rows,
    permission: Permission,
    workspace: &Workspace,
    now: i64,
) -> Result<BTreeSet<ActorId>> {
    let mut users: BTreeSet<UserId> = BTreeSet::new();
    let scopes = [
        ORGANIZATION,
        workspace.project.as_str(),
        workspace.id.as_str(),
    ];
    for scope in scopes {
        for grant in sql::over(rows, scope).await? {
            if !grant.is_live(now) || !permission.held_by(grant.role) {
                continue;
            }
            match grant.subject {
                Subject::User(user) => {
                    users.insert(user);
                }
                Subject::Team(team) => {
                    let members = team::sql::members_of(rows, &team).await?;
                    users.extend(members.into_iter().map(|member| member.account));
                }
            }
        }
    }
    let actors = users.iter().filter_map(|user| user.as_str().parse().ok());
    Ok(actors.collect())
}

/// Whether somebody who does not ask now holds `permission` in a workspace.
pub(crate) async fn holds_here(
    rows: &mut Rows,
    actor: &ActorId,
    permission: Permission,
    workspace: &Workspace,
    now: i64,
) -> Result<bool> {
    let target = Target::Workspace(Wanted::Id(workspace.id.clone()));
    actor_holds(rows, actor, permission, &target, now).await
}

/// Grants with what the teams are called that hold them, where the caller sees teams, and the projects and workspaces over which they are given. What is gone
/// has no name; nor has what does not read: that takes names away, and not the list.
pub(super) async fn named(
    rows: &mut Rows,
    ctx: &Ctx,
    mut grants: Vec<GrantView>,
) -> Result<Vec<GrantView>> {
    let scopes: BTreeSet<&str> = grants.iter().map(|grant| grant.scope.as_str()).collect();
    let workspaces: Vec<WorkspaceId> = scopes.iter().filter_map(|of| of.parse().ok()).collect();
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    if scopes.iter().any(|of| of.parse::<ProjectId>().is_ok()) {
        let projects = read(project::sql::all(rows).await)?.into_iter();
        names.extend(projects.map(|each| (each.id.to_string(), each.name.to_string())));
    }
    for some in workspaces.chunks(AT_ONCE) {
        let found = read(workspace::sql::by_ids(rows, some).await)?.into_iter();
        names.extend(found.map(|each| (each.id.to_string(), each.name.to_string())));
    }
    let now = ctx.house().now();
    if grants.iter().any(|grant| grant.team.is_some())
        && super::holds(rows, ctx, Permission::TeamRead, &Target::House, now).await?
    {
        let teams = read(team::sql::all(rows).await)?.into_iter();
        names.extend(teams.map(|each| (each.id.to_string(), each.name.to_string())));
    }
    for grant in &mut grants {
        grant.scope_name = names.get(&grant.scope).cloned();
        grant.team_name = grant
            .team
            .as_ref()
            .and_then(|team| names.get(team).cloned());
    }
    Ok(grants)
}

/// What was read for names; nothing where something of it was altered.
fn read<T>(found: Result<Vec<T>>) -> Result<Vec<T>> {
    match found {
        Err(error) if *error.kind() == Kind::Tampered => Ok(Vec::new()),
        found => found,
    }
}

/// Whether `ctx` may use `permission` anywhere in the house. Unlike a refused read it leaves no trace: it answers for a list, not for a use.
pub(crate) async fn holds_anywhere(ctx: &Ctx, permission: Permission) -> Result<bool> {
    let mut rows = door::look(ctx.house()).await?;
    let reached = reach(&mut rows, ctx, permission, ctx.house().now()).await;
    rows.transaction.rollback().await;
    match reached {
        Ok(_) => Ok(true),
        Err(error) if error.refused() => Ok(false),
        Err(error) => Err(error),
    }
}
