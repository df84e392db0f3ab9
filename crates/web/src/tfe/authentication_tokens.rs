//! Tokens as the platform's clients know them: of a team, of a pool of agents, of an organization, and of the account that asks. The secret is in
//! the answer that makes one, as the attribute `token`, and nowhere else.

use axum::http::StatusCode;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use statehouse_core::Ctx;
use statehouse_core::token::house::{self, HouseTokenView};
use statehouse_core::token::{self, TokenView, Wish};
use statehouse_model::{HouseTokenId, TeamId, TokenId};

use super::document::{Document, to_one};
use super::instant::{self, Instant};
use super::query::{PAGE, Query};
use super::sent::{Attributes, only};
use super::{agent_pools, teams, users};
use crate::auth::{self, Asker, At};
use crate::problem::Problem;

const KIND: &str = "authentication-tokens";
const DAY_US: i64 = 24 * 3600 * 1_000_000;

/// What a new token shall be.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Wished {
    description: Option<String>,
    expired_at: Option<String>,
    /// How long it lives, for whoever does not want to compute an instant.
    life_days: Option<u32>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Wished {
    fn wish(self, asker: &Asker) -> Result<Wish, Problem> {
        only(&self.rest, &json!({}))?;
        let wrong = || {
            Problem::unprocessable("`expired-at` is no instant; write it like 2031-12-31T23:59:59Z")
        };
        let ends = self
            .expired_at
            .as_deref()
            .map(|text| instant::parse(text).ok_or_else(wrong));
        let now = (asker.core().options().clock)();
        let scopes = self.scopes.iter().map(|scope| scope.parse());
        Ok(Wish {
            label: self.description.unwrap_or_default(),
            scopes: scopes.collect::<Result<_, _>>().map_err(Problem::invalid)?,
            life_us: match ends.transpose()? {
                Some(ends) => Some(ends.saturating_sub(now)),
                None => self
                    .life_days
                    .map(|days| i64::from(days).saturating_mul(DAY_US)),
            },
        })
    }
}

/// What is told of a token.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    description: String,
    /// The permissions that it is narrowed to; empty for all that it could have.
    scopes: Vec<String>,
    /// The end of its text; of a person's own token null.
    last_four: Option<String>,
    created_at: Option<Instant>,
    /// Always null: uses are not stored.
    last_used_at: Option<Instant>,
    expired_at: Option<Instant>,
    revoked_at: Option<Instant>,
    /// The token itself in the answer that makes it, and null in every other.
    token: Option<String>,
}

fn document(view: &HouseTokenView, secret: Option<&SecretString>) -> Value {
    let team = view.team.as_ref().map(|team| to_one(teams::KIND, team));
    let pool = view
        .pool
        .as_ref()
        .map(|pool| to_one(agent_pools::KIND, pool));
    json!({
        "type": KIND,
        "id": view.id,
        "attributes": Told {
            description: view.label.clone(),
            scopes: view.scopes.clone(),
            last_four: Some(view.last_four.clone()),
            created_at: instant::at(view.created_at),
            last_used_at: None,
            expired_at: view.expires_at.and_then(instant::at),
            revoked_at: view.revoked_at.and_then(instant::at),
            token: secret.map(|secret| secret.expose_secret().to_owned()),
        },
        "relationships": {
            "team": team.unwrap_or_else(|| json!({ "data": null })),
            "agent-pool": pool.unwrap_or_else(|| json!({ "data": null })),
            "created-by": to_one(users::KIND, &view.created_by),
        },
    })
}

fn of_user(view: &TokenView, user: &str, secret: Option<&SecretString>) -> Value {
    json!({
        "type": KIND,
        "id": view.id,
        "attributes": Told {
            description: view.label.clone(),
            scopes: view.scopes.clone(),
            last_four: None,
            created_at: instant::at(view.created_at),
            last_used_at: None,
            expired_at: view.expires_at.and_then(instant::at),
            revoked_at: view.revoked_at.and_then(instant::at),
            token: secret.map(|secret| secret.expose_secret().to_owned()),
        },
        "relationships": { "created-by": to_one(users::KIND, user) },
    })
}

/// A page of tokens of a house.
fn page(query: &Query, path: &str, tokens: Vec<HouseTokenView>) -> Result<Document, Problem> {
    let (page, pages) = query.page(path, tokens, PAGE)?;
    let page = page.iter().map(|token| document(token, None));
    Ok(Document::page(page.collect(), &pages))
}

/// Makes a token of a team, or of the organization.
async fn make(ctx: &Ctx, team: Option<TeamId>, wish: Wish) -> Result<Document, Problem> {
    let (view, secret) = house::create(ctx, team, wish).await?;
    Ok(Document::made(document(&view, Some(&secret))))
}

/// The one token without a description.
async fn the_one(ctx: &Ctx, team: Option<TeamId>) -> Result<HouseTokenView, Problem> {
    let tokens = house::list(ctx, team).await?.into_iter();
    let mut unnamed = tokens.filter(|token| token.label.is_empty());
    unnamed.next().ok_or_else(Problem::not_found)
}

async fn show_the_one(ctx: &Ctx, team: Option<TeamId>) -> Result<Document, Problem> {
    Ok(Document::one(document(&the_one(ctx, team).await?, None)))
}

async fn end_the_one(ctx: &Ctx, team: Option<TeamId>) -> Result<StatusCode, Problem> {
    let token = the_one(ctx, team).await?;
    house::revoke(ctx, auth::id(&token.id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes the token of a team; the one before ends.
pub(crate) async fn create_of_team(
    asker: Asker,
    At(id): At<String>,
    Attributes(wished): Attributes<Wished>,
) -> Result<Document, Problem> {
    let mut wish = wished.wish(&asker)?;
    let (ctx, team) = teams::of_id(&asker, &id).await?;
    wish.label.clear();
    make(&ctx, Some(team), wish).await
}

/// The token of a team.
pub(crate) async fn show_of_team(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let (ctx, team) = teams::of_id(&asker, &id).await?;
    show_the_one(&ctx, Some(team)).await
}

/// Ends the token of a team.
pub(crate) async fn delete_of_team(
    asker: Asker,
    At(id): At<String>,
) -> Result<StatusCode, Problem> {
    let (ctx, team) = teams::of_id(&asker, &id).await?;
    end_the_one(&ctx, Some(team)).await
}

/// The tokens of a team.
pub(crate) async fn list_of_team(
    asker: Asker,
    At(id): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let (ctx, team) = teams::of_id(&asker, &id).await?;
    let path = format!("/api/v2/teams/{team}/authentication-tokens");
    page(&query, &path, house::list(&ctx, Some(team)).await?)
}

/// Makes one of several tokens of a team, told apart by their descriptions.
pub(crate) async fn create_one_of_team(
    asker: Asker,
    At(id): At<String>,
    Attributes(wished): Attributes<Wished>,
) -> Result<Document, Problem> {
    let wish = wished.wish(&asker)?;
    let (ctx, team) = teams::of_id(&asker, &id).await?;
    make(&ctx, Some(team), wish).await
}

/// The tokens of every team.
pub(crate) async fn list_of_teams(
    asker: Asker,
    At(organization): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    let path = format!("/api/v2/organizations/{organization}/team-tokens");
    page(&query, &path, house::list_of_teams(&ctx).await?)
}

/// The tokens of a pool of agents.
pub(crate) async fn list_of_pool(
    asker: Asker,
    At(id): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let (ctx, pool) = agent_pools::of_id(&asker, &id).await?;
    let path = format!("/api/v2/agent-pools/{pool}/authentication-tokens");
    page(&query, &path, house::list_of_pool(&ctx, pool).await?)
}

/// Makes a token for agents of a pool.
pub(crate) async fn create_of_pool(
    asker: Asker,
    At(id): At<String>,
    Attributes(wished): Attributes<Wished>,
) -> Result<Document, Problem> {
    let wish = wished.wish(&asker)?;
    let (ctx, pool) = agent_pools::of_id(&asker, &id).await?;
    let (view, secret) = house::create_of_pool(&ctx, pool, wish).await?;
    Ok(Document::made(document(&view, Some(&secret))))
}

/// Makes the organization's own token; the one before ends.
pub(crate) async fn create_of_organization(
    asker: Asker,
    At(organization): At<String>,
    Attributes(wished): Attributes<Wished>,
) -> Result<Document, Problem> {
    let mut wish = wished.wish(&asker)?;
    let ctx = asker.organization(&organization).await?;
    wish.label.clear();
    make(&ctx, None, wish).await
}

/// The organization's own token.
pub(crate) async fn show_of_organization(
    asker: Asker,
    At(organization): At<String>,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    show_the_one(&ctx, None).await
}

/// Ends the organization's own token.
pub(crate) async fn delete_of_organization(
    asker: Asker,
    At(organization): At<String>,
) -> Result<StatusCode, Problem> {
    let ctx = asker.organization(&organization).await?;
    end_the_one(&ctx, None).await
}

/// The caller's own tokens that still count.
pub(crate) async fn list_own(
    asker: Asker,
    At(user): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let user = own(&asker, &user).await?;
    let mut found = token::list(asker.site()).await?;
    found.retain(|token| token.revoked_at.is_none());
    let path = format!("/api/v2/users/{user}/authentication-tokens");
    let (page, pages) = query.page(&path, found, PAGE)?;
    let page = page.iter().map(|token| of_user(token, &user, None));
    Ok(Document::page(page.collect(), &pages))
}

/// Makes a token of the caller's own.
pub(crate) async fn create_own(
    asker: Asker,
    At(user): At<String>,
    Attributes(wished): Attributes<Wished>,
) -> Result<Document, Problem> {
    let user = own(&asker, &user).await?;
    let wish = wished.wish(&asker)?;
    let (view, secret) = token::create(asker.site(), wish).await?;
    Ok(Document::made(of_user(&view, &user, Some(&secret))))
}

/// The caller's own id, if that, or the caller's name, is what the address says.
async fn own(asker: &Asker, text: &str) -> Result<String, Problem> {
    let account = statehouse_core::user::show_self(asker.site()).await?;
    let same = account.id == text || account.name == text;
    same.then_some(account.id).ok_or_else(Problem::not_found)
}

/// One token by its id: one's own, or of a house for whoever may make such.
pub(crate) async fn show(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    if let Ok(own) = id.parse::<TokenId>() {
        let found = token::list(asker.site()).await?;
        let found = found.into_iter().find(|token| token.id == own.as_str());
        let user = asker.site().actor().id().to_owned();
        let token = found.ok_or_else(Problem::not_found)?;
        return Ok(Document::one(of_user(&token, &user, None)));
    }
    let id: HouseTokenId = auth::id(&id)?;
    let ctx = asker.house_of(&id).await?;
    Ok(Document::one(document(&house::show(&ctx, id).await?, None)))
}

/// Ends a token by its id.
pub(crate) async fn delete(asker: Asker, At(id): At<String>) -> Result<StatusCode, Problem> {
    if let Ok(own) = id.parse::<TokenId>() {
        token::revoke(asker.site(), own).await?;
        return Ok(StatusCode::NO_CONTENT);
    }
    let id: HouseTokenId = auth::id(&id)?;
    let ctx = asker.house_of(&id).await?;
    house::revoke(&ctx, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
