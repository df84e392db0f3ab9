//! Memberships: who belongs to an organization. Accounts are local, so the name of an account stands where other platforms
//! have an e-mail address, and every membership is active at once.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use statehouse_core::Ctx;
use statehouse_core::member::{self, MemberView};
use statehouse_core::team;
use statehouse_core::user::UserView;
use statehouse_model::{MembershipId, TeamId, UserId};

use super::document::{Document, to_many, to_one};
use super::instant::{self, Instant};
use super::query::{PAGE, Query};
use super::sent::{Sent, only};
use super::{teams, users};
use crate::auth::{self, Asker, At};
use crate::problem::Problem;

pub(super) const KIND: &str = "organization-memberships";
/// What may be beside memberships.
pub(crate) const INCLUDES: &[&str] = &["user", "teams"];
const ACTIVE: &str = "active";

/// Accounts by their ids.
type Accounts = BTreeMap<String, UserView>;

/// Everybody who belongs to the organization, by name.
pub(crate) async fn list(
    asker: Asker,
    At(organization): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    let mut found = member::list(&ctx).await?;
    let accounts = accounts(&asker, &found).await?;
    let name = |member: &MemberView| called(&accounts, member).to_lowercase();
    if query
        .get("filter[status]")
        .is_some_and(|status| status != ACTIVE)
    {
        found.clear();
    }
    if let Some(part) = query.lower("q") {
        found.retain(|member| name(member).contains(&part));
    }
    if let Some(names) = query.lower("filter[email]") {
        found.retain(|member| names.split(',').any(|each| each == name(member)));
    }
    found.sort_by_key(name);
    let path = format!("/api/v2/organizations/{organization}/organization-memberships");
    let (page, pages) = query.page(&path, found, PAGE)?;
    let included = included(&ctx, &page, &accounts, &query).await?;
    let data = page
        .iter()
        .map(|member| document(&accounts, member))
        .collect();
    Ok(Document::page(data, &pages).including(included))
}

/// One membership.
pub(crate) async fn show(
    asker: Asker,
    At(id): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let (ctx, user) = of_id(&asker, &id).await?;
    let found = member::show(&ctx, user).await?;
    answered(&asker, &ctx, found, &query, Document::one).await
}

async fn answered(
    asker: &Asker,
    ctx: &Ctx,
    found: MemberView,
    query: &Query,
    answer: fn(Value) -> Document,
) -> Result<Document, Problem> {
    let found = [found];
    let accounts = accounts(asker, &found).await?;
    let included = included(ctx, &found, &accounts, query).await?;
    let [member] = found;
    Ok(answer(document(&accounts, &member)).including(included))
}

async fn of_id(asker: &Asker, text: &str) -> Result<(Ctx, UserId), Problem> {
    let id: MembershipId = auth::id(text)?;
    Ok((asker.house_of(&id).await?, id.user()))
}

/// An account to bring in.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct New {
    email: String,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// Brings an account into the organization, by its name or id.
pub(crate) async fn create(
    asker: Asker,
    At(organization): At<String>,
    query: Query,
    sent: Sent<New>,
) -> Result<Document, Problem> {
    let teams: Vec<TeamId> = sent.relationships.many("teams", teams::KIND)?;
    let New { email, rest } = sent.attributes;
    only(&rest, &json!({ "status": ACTIVE }))?;
    let ctx = asker.organization(&organization).await?;
    member::may_add(&ctx).await?;
    let user = users::named(&asker, &[email]).await?.pop();
    let user = user.ok_or_else(Problem::not_found)?;
    let made = member::add(&ctx, user, teams).await?;
    answered(&asker, &ctx, made, &query, Document::made).await
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

/// What is told of a membership.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    /// Always `active`.
    status: &'static str,
    /// The name of the account.
    email: String,
    #[serde(flatten)]
    more: Option<More>,
}

/// What is told of it beside nothing else.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct More {
    /// The roles over the whole organization, without those of teams.
    roles: Vec<String>,
    created_at: Option<Instant>,
}

impl Told {
    /// As much as teams know of it.
    pub(super) fn brief(name: &str) -> Self {
        Self {
            status: ACTIVE,
            email: name.to_owned(),
            more: None,
        }
    }
}

fn document(accounts: &Accounts, member: &MemberView) -> Value {
    json!({
        "type": KIND,
        "id": member.id,
        "attributes": Told {
            status: ACTIVE,
            email: called(accounts, member).to_owned(),
            more: Some(More {
                roles: member.roles.clone(),
                created_at: instant::at(member.created_at),
            }),
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
    query: &Query,
) -> Result<Vec<Value>, Problem> {
    let mut included = Vec::new();
    if query.includes("user") {
        let own = members
            .iter()
            .filter_map(|member| accounts.get(&member.user));
        included.extend(own.map(users::seen));
    }
    if query.includes("teams") {
        let own = |id: &String| members.iter().any(|member| member.teams.contains(id));
        let all = team::list(ctx).await?;
        let named = all.iter().filter(|team| own(&team.id));
        included.extend(named.map(|team| teams::document(ctx, team)));
    }
    Ok(included)
}
