//! Teams, and who is in them.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use statehouse_core::Ctx;
use statehouse_core::team::{self, Flag, TeamView, Wish};
use statehouse_core::user::UserView;
use statehouse_model::{HouseId, MembershipId, TeamId, UserId};

use super::document::{Document, to_many, to_one};
use super::instant::{self, Instant};
use super::query::{PAGE, Query};
use super::sent::{Attributes, References, only};
use super::users;
use crate::auth::{self, Asker, At};
use crate::problem::Problem;

pub(super) const KIND: &str = "teams";
/// What may be beside teams.
pub(crate) const INCLUDES: &[&str] = &["users", "organization-memberships"];
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
    query: Query,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    let mut found = team::list(&ctx).await?;
    let names = query.words("filter[names]");
    if !names.is_empty() {
        found.retain(|team| names.contains(&team.name));
    }
    if let Some(part) = query.lower("q") {
        found.retain(|team| team.name.to_lowercase().contains(&part));
    }
    query.sort(&mut found, |team, _| team.name.clone());
    let path = format!("/api/v2/organizations/{organization}/teams");
    let (page, pages) = query.page(&path, found, PAGE)?;
    let included = included(&asker, &ctx, &page, &query).await?;
    let data = page.iter().map(|team| document(&ctx, team)).collect();
    Ok(Document::page(data, &pages).including(included))
}

/// One team.
pub(crate) async fn show(
    asker: Asker,
    At(id): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let (ctx, id) = of_id(&asker, &id).await?;
    let found = [team::show(&ctx, id).await?];
    let included = included(&asker, &ctx, &found, &query).await?;
    let [team] = found;
    Ok(Document::one(document(&ctx, &team)).including(included))
}

/// The house of a team's id, and the id.
pub(super) async fn of_id(asker: &Asker, text: &str) -> Result<(Ctx, TeamId), Problem> {
    let id: TeamId = auth::id(text)?;
    Ok((asker.house_of(&id).await?, id))
}

/// A team as a request wishes it.
#[derive(Deserialize, JsonSchema)]
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
    Attributes(wished): Attributes<Wished>,
) -> Result<Document, Problem> {
    let mut wish: Wish = wished.try_into()?;
    let name = wish.name.take();
    let name = name.ok_or_else(|| Problem::unprocessable("a team needs a `name`"))?;
    let ctx = asker.organization(&organization).await?;
    let made = team::create(&ctx, name, wish).await?;
    Ok(Document::made(document(&ctx, &made)))
}

/// Changes a team.
pub(crate) async fn change(
    asker: Asker,
    At(id): At<String>,
    Attributes(wished): Attributes<Wished>,
) -> Result<Document, Problem> {
    let wish = wished.try_into()?;
    let (ctx, id) = of_id(&asker, &id).await?;
    let changed = team::change(&ctx, id, wish).await?;
    Ok(Document::one(document(&ctx, &changed)))
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

/// What is told of a team.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    name: String,
    description: String,
    /// `organization` or `secret`.
    visibility: String,
    users_count: usize,
    /// Always null.
    sso_team_id: Option<String>,
    /// Always false.
    is_unified: bool,
    /// Always false.
    allow_member_token_management: bool,
    /// What the team may do in all of the organization.
    organization_access: BTreeMap<&'static str, bool>,
    created_at: Option<Instant>,
    permissions: May,
}

/// What the caller may do with it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are the words of the clients"
)]
struct May {
    can_destroy: bool,
    can_update_name: bool,
    can_update_visibility: bool,
    can_update_organization_access: bool,
    can_update_sso_team_id: bool,
    can_update_membership: bool,
    can_update_api_token: bool,
}

/// A team as a resource.
pub(super) fn document(ctx: &Ctx, team: &TeamView) -> Value {
    let set = |flag: &Flag| team.flags.iter().any(|set| set == flag.as_str());
    let flags = Flag::ALL.iter().map(|flag| (flag.as_str(), set(flag)));
    let without = WITHOUT_FLAGS.iter().map(|flag| (*flag, false));
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
        "attributes": Told {
            name: team.name.clone(),
            description: team.description.clone(),
            visibility: team.visibility.clone(),
            users_count: team.users.len(),
            sso_team_id: None,
            is_unified: false,
            allow_member_token_management: false,
            organization_access: flags.chain(without).collect(),
            created_at: team.created_at.and_then(instant::at),
            permissions: May {
                can_destroy: may(!owners),
                can_update_name: may(!owners),
                can_update_visibility: may(!owners),
                can_update_organization_access: may(!owners),
                can_update_sso_team_id: false,
                can_update_membership: may(true),
                can_update_api_token: may(true),
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
    query: &Query,
) -> Result<Vec<Value>, Problem> {
    let (accounts, memberships) = (
        query.includes("users"),
        query.includes("organization-memberships"),
    );
    if !accounts && !memberships {
        return Ok(Vec::new());
    }
    let ids: BTreeSet<UserId> = teams
        .iter()
        .flat_map(|team| &team.users)
        .filter_map(|user| user.parse().ok())
        .collect();
    let ids: Vec<UserId> = ids.into_iter().collect();
    let people = asker.core().accounts(&ids).await?;
    let mut included = Vec::new();
    if accounts {
        included.extend(people.iter().map(users::seen));
    }
    if memberships {
        let known = people.iter().filter_map(|each| brief(ctx, teams, each));
        included.extend(known);
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
        "attributes": super::memberships::Told::brief(&account.name),
        "relationships": {
            "user": to_one(users::KIND, &account.id),
            "teams": to_many(KIND, own),
        },
    }))
}
