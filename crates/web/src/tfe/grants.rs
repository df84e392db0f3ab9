//! Grants: who holds which role over what.

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use statehouse_core::access::{self, GrantView, Scope};
use statehouse_core::{Ctx, Kind, team, user};
use statehouse_model::{Role, Subject, TeamId, UserId};

use super::document::Document;
use super::instant::{self, Instant};
use super::query::{Query, Sizes};
use super::sent::Attributes;
use crate::auth::{self, Asker, At};
use crate::people::{self, People};
use crate::problem::Problem;

const KIND: &str = "grants";
/// Grants on one page.
const PAGE: Sizes = Sizes::whole(1000);
/// The scope that is all of an organization.
pub(super) const EVERYTHING: &str = "organization";

/// What is told of a grant.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    /// The id of the account that holds it.
    user: Option<String>,
    /// What that is called.
    user_name: Option<String>,
    /// Or of the team.
    team: Option<String>,
    /// What that is called, in lists, where the caller sees teams.
    team_name: Option<String>,
    role: String,
    /// `organization`, or the id of a project or workspace.
    scope: String,
    /// What that is called, in lists.
    scope_name: Option<String>,
    expires_at: Option<Instant>,
}

/// What those are called who hold grants; nobody is called anything where that cannot be asked, for the grants are what is told.
async fn people_of(asker: &Asker, grants: &[GrantView]) -> People {
    let users = grants.iter().filter_map(|grant| grant.user.as_deref());
    let people = People::of(asker.core(), people::accounts(users)).await;
    people.unwrap_or_default()
}

fn document(grant: &GrantView, people: &People) -> Value {
    let attributes = Told {
        user_name: grant.user.as_deref().and_then(|user| people.name(user)),
        team_name: grant.team_name.clone(),
        user: grant.user.clone(),
        team: grant.team.clone(),
        role: grant.role.clone(),
        scope: grant.scope.clone(),
        scope_name: grant.scope_name.clone(),
        expires_at: grant.expires_at.and_then(instant::at),
    };
    json!({ "type": KIND, "id": grant.id, "attributes": attributes })
}

/// Everybody's roles in the organization.
pub(crate) async fn list(
    asker: Asker,
    At(organization): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    let path = format!("/api/v2/organizations/{organization}/grants");
    let (page, pages) = query.page(&path, access::list(&ctx).await?, PAGE)?;
    let people = people_of(&asker, &page).await;
    let told = page.iter().map(|grant| document(grant, &people)).collect();
    Ok(Document::page(told, &pages))
}

/// A role to give.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Give {
    /// The id or name of an account.
    user: Option<String>,
    /// Or of a team.
    team: Option<String>,
    role: String,
    /// `organization`, or the id of a project or workspace.
    scope: Option<String>,
    /// When it ends (RFC 3339).
    expires_at: Option<String>,
}

/// Gives a user a role.
pub(crate) async fn give(
    asker: Asker,
    At(organization): At<String>,
    Attributes(give): Attributes<Give>,
) -> Result<Document, Problem> {
    let role: Role = give.role.parse().map_err(Problem::invalid)?;
    let scope = scope(give.scope.as_deref().unwrap_or(EVERYTHING))?;
    let expires_at = give.expires_at.as_deref().map(instant_of).transpose()?;
    let user = match (&give.user, &give.team) {
        (Some(user), None) => Some(user_of(&asker, user).await?),
        (None, Some(_)) => None,
        _ => return Err(Problem::invalid("a grant is for a `user` or for a `team`")),
    };
    let ctx = asker.organization(&organization).await?;
    let subject: Subject = match user {
        Some(user) => user.into(),
        None => team_of(&ctx, give.team.as_deref().unwrap_or_default())
            .await?
            .into(),
    };
    let given = access::give(&ctx, subject, role, scope, expires_at).await?;
    let people = people_of(&asker, std::slice::from_ref(&given)).await;
    Ok(Document::made(document(&given, &people)))
}

/// A scope by its text.
pub(super) fn scope(text: &str) -> Result<Scope, Problem> {
    let (project, workspace) = (
        text.parse().map(Scope::Project),
        text.parse().map(Scope::Workspace),
    );
    let wrong = || {
        Problem::invalid("a scope is `organization`, the id of a project or the id of a workspace")
    };
    if text == EVERYTHING {
        Ok(Scope::Organization)
    } else {
        project.or(workspace).map_err(|_| wrong())
    }
}

fn instant_of(text: &str) -> Result<i64, Problem> {
    let wrong =
        || Problem::invalid("`expires-at` is no instant; write it like 2031-12-31T23:59:59Z");
    instant::parse(text).ok_or_else(wrong)
}

/// A user by id or by name.
async fn user_of(asker: &Asker, text: &str) -> Result<UserId, Problem> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let name = auth::name(text)?;
    match user::id_of(asker.site(), name.clone()).await {
        Err(error) if *error.kind() == Kind::NotFound => {
            Err(Problem::invalid(format!("there is no user named `{name}`")))
        }
        found => Ok(found?),
    }
}

/// A team by id or by name.
async fn team_of(ctx: &Ctx, text: &str) -> Result<TeamId, Problem> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let found = team::list(ctx).await?;
    let found = found.into_iter().find(|team| team.name == text);
    let unknown = || Problem::invalid(format!("there is no team named `{text}`"));
    auth::id(&found.ok_or_else(unknown)?.id)
}

/// Takes a role away.
pub(crate) async fn take(
    asker: Asker,
    At((organization, grant)): At<(String, String)>,
) -> Result<StatusCode, Problem> {
    let ctx = asker.organization(&organization).await?;
    asker.core().take_role(&ctx, auth::id(&grant)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
