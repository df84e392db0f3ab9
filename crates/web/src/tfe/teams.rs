//! Teams, and who is in them.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use statehouse_core::Ctx;
use statehouse_core::team::{self, Flag, TeamView, Wish};
use statehouse_core::user::UserView;
use statehouse_model::{HouseId, MembershipId, TeamId, UserId};

use super::instant;
use super::jsonapi::{Answer, Query, References, Stated, only, to_many, to_one};
use super::users;
use crate::auth::{self, Asked, Asker, At};
use crate::problem::Problem;

pub(super) const KIND: &str = "teams";
const INCLUDES: &[&str] = &["users", "organization-memberships"];
/// What other platforms let teams do and this one has nothing for: shown as what it is, and refused when it is asked for.
const WITHOUT_FLAGS: &[&str] = &[
    "manage-policies",
    "manage-policy-overrides",
    "delegate-policy-overrides",
    "manage-vcs-settings",
    "manage-providers",
    "manage-modules",
    "manage-run-tasks",
    "manage-membership",
    "manage-teams",
    "manage-organization-access",
    "manage-agent-pools",
    "access-secret-teams",
];

/// The teams of the organization that the caller sees, by name.
pub(crate) async fn list(
    asker: Asker,
    At(organization): At<String>,
    Asked(query): Asked<Query>,
) -> Result<Answer, Problem> {
    let includes = query.includes(INCLUDES)?;
    let ctx = asker.organization(&organization).await?;
    let mut found = team::list(&ctx).await?;
    if let Some(names) = &query.names {
        let names: BTreeSet<&str> = names.split(',').collect();
        found.retain(|team| names.contains(team.name.as_str()));
    }
    if let Some(part) = &query.q {
        let part = part.to_lowercase();
        found.retain(|team| team.name.to_lowercase().contains(&part));
    }
    let path = format!("/api/v2/organizations/{organization}/teams");
    let (page, pages) = query.page(&path, found)?;
    let included = included(&asker, &ctx, &page, &includes).await?;
    let data = page.iter().map(|team| document(&ctx, team)).collect();
    Ok(Answer::list(data, pages).including(included))
}

/// One team.
pub(crate) async fn show(
    asker: Asker,
    At(id): At<String>,
    Asked(query): Asked<Query>,
) -> Result<Answer, Problem> {
    let includes = query.includes(INCLUDES)?;
    let (ctx, id) = of_id(&asker, &id).await?;
    let found = [team::show(&ctx, id).await?];
    let included = included(&asker, &ctx, &found, &includes).await?;
    let [team] = found;
    Ok(Answer::one(document(&ctx, &team)).including(included))
}

/// The house of a team's id, and the id.
pub(super) async fn of_id(asker: &Asker, text: &str) -> Result<(Ctx, TeamId), Problem> {
    let id: TeamId = auth::id(text)?;
    Ok((asker.house_of(&id).await?, id))
}

/// A team as a request wishes it.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Wished {
    name: Option<String>,
    description: Option<String>,
    visibility: Option<String>,
    organization_access: Option<Map<String, Value>>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl TryFrom<Wished> for Wish {
    type Error = Problem;

    fn try_from(wished: Wished) -> Result<Self, Problem> {
        only(&wished.rest, &json!({}))?;
        let visibility = wished.visibility.as_deref().map(str::parse).transpose()?;
        Ok(Self {
            name: wished.name.as_deref().map(auth::name).transpose()?,
            description: wished.description,
            visibility,
            flags: wished.organization_access.map(flags).transpose()?,
        })
    }
}

/// The flags that are set; one that nothing would follow from is refused by name.
fn flags(mut access: Map<String, Value>) -> Result<BTreeSet<Flag>, Problem> {
    let mut set = BTreeSet::new();
    for flag in Flag::ALL {
        match access.remove(flag.as_str()) {
            Some(Value::Bool(true)) => drop(set.insert(flag)),
            Some(Value::Bool(false) | Value::Null) | None => {}
            Some(_) => {
                let words = format!("`{}` is true or false", flag.as_str());
                return Err(Problem::unprocessable(words));
            }
        }
    }
    only(&access, &json!({}))?;
    Ok(set)
}

/// Makes a team.
pub(crate) async fn create(
    asker: Asker,
    At(organization): At<String>,
    stated: Stated<Wished>,
) -> Result<Answer, Problem> {
    let mut wish: Wish = stated.attributes.try_into()?;
    let name = wish.name.take();
    let name = name.ok_or_else(|| Problem::unprocessable("a team needs a `name`"))?;
    let ctx = asker.organization(&organization).await?;
    let made = team::create(&ctx, name, wish).await?;
    Ok(Answer::made(document(&ctx, &made)))
}

/// Changes a team.
pub(crate) async fn change(
    asker: Asker,
    At(id): At<String>,
    stated: Stated<Wished>,
) -> Result<Answer, Problem> {
    let wish = stated.attributes.try_into()?;
    let (ctx, id) = of_id(&asker, &id).await?;
    let changed = team::change(&ctx, id, wish).await?;
    Ok(Answer::one(document(&ctx, &changed)))
}

/// Ends a team.
pub(crate) async fn delete(asker: Asker, At(id): At<String>) -> Result<StatusCode, Problem> {
    let (ctx, id) = of_id(&asker, &id).await?;
    team::delete(&ctx, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Puts accounts into a team, by id or name.
pub(crate) async fn add_users(
    asker: Asker,
    At(id): At<String>,
    references: References,
) -> Result<StatusCode, Problem> {
    let named = references.of(users::KIND)?;
    let (ctx, id) = of_id(&asker, &id).await?;
    team::may_change(&ctx, &id).await?;
    let users = users::named(&asker, &named).await?;
    team::add(&ctx, id, users).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Puts accounts out of a team, by id or name.
pub(crate) async fn remove_users(
    asker: Asker,
    At(id): At<String>,
    references: References,
) -> Result<StatusCode, Problem> {
    let named = references.of(users::KIND)?;
    let (ctx, id) = of_id(&asker, &id).await?;
    team::may_change(&ctx, &id).await?;
    let users = users::named(&asker, &named).await?;
    asker.core().remove_from_team(&ctx, id, users).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Puts members into a team.
pub(crate) async fn add_members(
    asker: Asker,
    At(id): At<String>,
    references: References,
) -> Result<StatusCode, Problem> {
    let named = references.of(super::memberships::KIND)?;
    let (ctx, id) = of_id(&asker, &id).await?;
    team::may_change(&ctx, &id).await?;
    let users = members(&ctx, &named)?;
    for user in &users {
        statehouse_core::member::show(&ctx, user.clone()).await?;
    }
    team::add(&ctx, id, users).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Puts members out of a team.
pub(crate) async fn remove_members(
    asker: Asker,
    At(id): At<String>,
    references: References,
) -> Result<StatusCode, Problem> {
    let named = references.of(super::memberships::KIND)?;
    let (ctx, id) = of_id(&asker, &id).await?;
    team::may_change(&ctx, &id).await?;
    let users = members(&ctx, &named)?;
    asker.core().remove_from_team(&ctx, id, users).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn members(ctx: &Ctx, ids: &[String]) -> Result<Vec<UserId>, Problem> {
    let user = |text: &String| {
        let id: MembershipId = auth::id(text)?;
        let here = id.house() == ctx.house().code();
        here.then(|| id.user()).ok_or_else(Problem::not_found)
    };
    ids.iter().map(user).collect()
}

/// A team as a resource.
pub(super) fn document(ctx: &Ctx, team: &TeamView) -> Value {
    let mut access: Map<String, Value> = Flag::ALL
        .iter()
        .map(|flag| flag.as_str().to_owned())
        .map(|flag| (flag.clone(), team.flags.contains(&flag).into()))
        .collect();
    access.extend(
        WITHOUT_FLAGS
            .iter()
            .map(|flag| ((*flag).to_owned(), false.into())),
    );
    let owners = team.name == team::OWNERS;
    let may = |also: bool| team.manageable && also;
    let code = ctx.house().code();
    let memberships: Vec<String> = team
        .users
        .iter()
        .filter_map(|user| user.parse().ok())
        .map(|user| MembershipId::of(code, &user).to_string())
        .collect();
    json!({
        "type": KIND,
        "id": team.id,
        "attributes": {
            "name": team.name,
            "description": team.description,
            "visibility": team.visibility,
            "users-count": team.users.len(),
            "sso-team-id": null,
            "is-unified": false,
            "allow-member-token-management": false,
            "organization-access": access,
            "created-at": team.created_at.and_then(instant::format),
            "permissions": {
                "can-destroy": may(!owners),
                "can-update-name": may(!owners),
                "can-update-visibility": may(!owners),
                "can-update-organization-access": may(!owners),
                "can-update-sso-team-id": false,
                "can-update-membership": may(true),
                "can-update-api-token": may(true),
            },
        },
        "relationships": {
            "users": to_many(users::KIND, team.users.iter().map(String::as_str)),
            "organization-memberships":
                to_many(super::memberships::KIND, memberships.iter().map(String::as_str)),
        },
        "links": { "self": format!("/api/v2/teams/{}", team.id) },
    })
}

/// What was asked for beside these teams.
async fn included(
    asker: &Asker,
    ctx: &Ctx,
    teams: &[TeamView],
    includes: &[String],
) -> Result<Vec<Value>, Problem> {
    if includes.is_empty() {
        return Ok(Vec::new());
    }
    let ids: BTreeSet<UserId> = teams
        .iter()
        .flat_map(|team| &team.users)
        .filter_map(|user| user.parse().ok())
        .collect();
    let ids: Vec<UserId> = ids.into_iter().collect();
    let accounts = asker.core().accounts(&ids).await?;
    let mut included = Vec::new();
    if includes.iter().any(|each| each == "users") {
        included.extend(accounts.iter().map(users::seen));
    }
    if includes
        .iter()
        .any(|each| each == "organization-memberships")
    {
        included.extend(
            accounts
                .iter()
                .filter_map(|account| brief(ctx, teams, account)),
        );
    }
    Ok(included)
}

/// A membership as far as these teams know it.
fn brief(ctx: &Ctx, teams: &[TeamView], account: &UserView) -> Option<Value> {
    let id = MembershipId::of(ctx.house().code(), &account.id.parse().ok()?);
    let own = teams.iter().filter(|team| team.users.contains(&account.id));
    let own: Vec<&str> = own.map(|team| team.id.as_str()).collect();
    Some(json!({
        "type": super::memberships::KIND,
        "id": id.as_str(),
        "attributes": { "status": "active", "email": account.name },
        "relationships": {
            "user": to_one(users::KIND, &account.id),
            "teams": to_many(KIND, own),
        },
    }))
}
