//! Memberships: who belongs to an organization. Accounts are local, so the name of an account stands where other platforms
//! have an e-mail address, and every membership is active at once.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use statehouse_core::Ctx;
use statehouse_core::member::{self, MemberView};
use statehouse_core::team;
use statehouse_core::user::UserView;
use statehouse_model::{MembershipId, TeamId, UserId};

use super::instant;
use super::jsonapi::{Answer, Query, Stated, only, to_many, to_one};
use super::{teams, users};
use crate::auth::{self, Asked, Asker, At};
use crate::problem::Problem;

pub(super) const KIND: &str = "organization-memberships";
const INCLUDES: &[&str] = &["user", "teams"];
const ACTIVE: &str = "active";

/// Accounts by their ids.
type Accounts = BTreeMap<String, UserView>;

/// Everybody who belongs to the organization, by name.
pub(crate) async fn list(
    asker: Asker,
    At(organization): At<String>,
    Asked(query): Asked<Query>,
) -> Result<Answer, Problem> {
    let includes = query.includes(INCLUDES)?;
    let ctx = asker.organization(&organization).await?;
    let mut found = member::list(&ctx).await?;
    let accounts = accounts(&asker, &found).await?;
    let name = |member: &MemberView| called(&accounts, member).to_lowercase();
    if query
        .status
        .as_deref()
        .is_some_and(|status| status != ACTIVE)
    {
        found.clear();
    }
    if let Some(part) = query.q.as_ref().map(|part| part.to_lowercase()) {
        found.retain(|member| name(member).contains(&part));
    }
    if let Some(names) = query.email.as_ref().map(|names| names.to_lowercase()) {
        found.retain(|member| names.split(',').any(|each| each == name(member)));
    }
    found.sort_by_key(name);
    let path = format!("/api/v2/organizations/{organization}/organization-memberships");
    let (page, pages) = query.page(&path, found)?;
    let included = included(&ctx, &page, &accounts, &includes).await?;
    let data = page
        .iter()
        .map(|member| document(&accounts, member))
        .collect();
    Ok(Answer::list(data, pages).including(included))
}

/// One membership.
pub(crate) async fn show(
    asker: Asker,
    At(id): At<String>,
    Asked(query): Asked<Query>,
) -> Result<Answer, Problem> {
    let includes = query.includes(INCLUDES)?;
    let (ctx, user) = of_id(&asker, &id).await?;
    let found = member::show(&ctx, user).await?;
    answered(&asker, &ctx, found, &includes, Answer::one).await
}

async fn answered(
    asker: &Asker,
    ctx: &Ctx,
    found: MemberView,
    includes: &[String],
    answer: fn(Value) -> Answer,
) -> Result<Answer, Problem> {
    let found = [found];
    let accounts = accounts(asker, &found).await?;
    let included = included(ctx, &found, &accounts, includes).await?;
    let [member] = found;
    Ok(answer(document(&accounts, &member)).including(included))
}

async fn of_id(asker: &Asker, text: &str) -> Result<(Ctx, UserId), Problem> {
    let id: MembershipId = auth::id(text)?;
    Ok((asker.house_of(&id).await?, id.user()))
}

/// An account to bring in.
#[derive(Deserialize)]
pub(crate) struct New {
    email: String,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// Brings an account into the organization, by its name or id.
pub(crate) async fn create(
    asker: Asker,
    At(organization): At<String>,
    Asked(query): Asked<Query>,
    mut stated: Stated<New>,
) -> Result<Answer, Problem> {
    let includes = query.includes(INCLUDES)?;
    let teams: Vec<TeamId> = stated.many("teams", teams::KIND)?;
    let New { email, rest } = stated.attributes;
    only(&rest, &json!({ "status": ACTIVE }))?;
    let ctx = asker.organization(&organization).await?;
    member::may_add(&ctx).await?;
    let user = users::named(&asker, &[email]).await?.pop();
    let user = user.ok_or_else(Problem::not_found)?;
    let made = member::add(&ctx, user, teams).await?;
    answered(&asker, &ctx, made, &includes, Answer::made).await
}

/// Puts somebody out of the organization.
pub(crate) async fn delete(asker: Asker, At(id): At<String>) -> Result<StatusCode, Problem> {
    let (ctx, user) = of_id(&asker, &id).await?;
    asker.core().remove_member(&ctx, user).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn accounts(asker: &Asker, members: &[MemberView]) -> Result<Accounts, Problem> {
    let ids = members.iter().filter_map(|member| member.user.parse().ok());
    let ids: Vec<UserId> = ids.collect();
    let found = asker.core().accounts(&ids).await?.into_iter();
    Ok(found.map(|account| (account.id.clone(), account)).collect())
}

fn called<'a>(accounts: &'a Accounts, member: &'a MemberView) -> &'a str {
    let account = accounts.get(&member.user);
    account.map_or(member.user.as_str(), |account| account.name.as_str())
}

fn document(accounts: &Accounts, member: &MemberView) -> Value {
    json!({
        "type": KIND,
        "id": member.id,
        "attributes": {
            "status": ACTIVE,
            "email": called(accounts, member),
            "roles": member.roles,
            "created-at": instant::format(member.created_at),
        },
        "relationships": {
            "user": to_one(users::KIND, &member.user),
            "teams": to_many(teams::KIND, member.teams.iter().map(String::as_str)),
        },
        "links": { "self": format!("/api/v2/organization-memberships/{}", member.id) },
    })
}

async fn included(
    ctx: &Ctx,
    members: &[MemberView],
    accounts: &Accounts,
    includes: &[String],
) -> Result<Vec<Value>, Problem> {
    let mut included = Vec::new();
    if includes.iter().any(|each| each == "user") {
        let own = members
            .iter()
            .filter_map(|member| accounts.get(&member.user));
        included.extend(own.map(users::seen));
    }
    if includes.iter().any(|each| each == "teams") {
        let own = |id: &String| members.iter().any(|member| member.teams.contains(id));
        let all = team::list(ctx).await?;
        let named = all.iter().filter(|team| own(&team.id));
        included.extend(named.map(|team| teams::document(ctx, team)));
    }
    Ok(included)
}
