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

/// The people who hold `permission` in a workspace: by grants of their own and by those of the teams that they are in.
pub(crate) async fn holders(
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
    let target = Target::Workspace(Wanted::Id(workspace.id.clone()));
    let mut found = BTreeSet::new();
    for user in users {
        let Ok(actor) = user.as_str().parse::<ActorId>() else {
            continue;
        };
        if actor_holds(rows, &actor, permission, &target, now).await? {
            found.insert(actor);
        }
    }
    Ok(found)
}

/// Grants with what the projects and workspaces are called over which they are given. One that is gone has no name.
pub(super) async fn with_scopes_named(
    rows: &mut Rows,
    mut grants: Vec<GrantView>,
) -> Result<Vec<GrantView>> {
    let scopes: BTreeSet<&str> = grants.iter().map(|grant| grant.scope.as_str()).collect();
    let workspaces: Vec<WorkspaceId> = scopes.iter().filter_map(|of| of.parse().ok()).collect();
    let mut names = BTreeMap::new();
    if scopes.iter().any(|of| of.parse::<ProjectId>().is_ok()) {
        let projects = project::sql::all(rows).await?.into_iter();
        names.extend(projects.map(|each| (each.id.to_string(), each.name.to_string())));
    }
    for some in workspaces.chunks(AT_ONCE) {
        let found = match workspace::sql::by_ids(rows, some).await {
            // A row that was altered takes the names away, and not the list.
            Err(error) if *error.kind() == Kind::Tampered => Vec::new(),
            found => found?,
        };
        names.extend(
            found
                .into_iter()
                .map(|each| (each.id.to_string(), each.name.to_string())),
        );
    }
    for grant in &mut grants {
        grant.scope_name = names.get(&grant.scope).cloned();
    }
    Ok(grants)
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
