//! Tokens as the platform's clients know them: of a team, of an organization, and of the account that asks. The secret is in
//! the answer that makes one, as the attribute `token`, and nowhere else.

use axum::http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use statehouse_core::token::house::{self, HouseTokenView};
use statehouse_core::token::{self, TokenView, Wish};
use statehouse_model::{HouseTokenId, TeamId, TokenId};

use super::jsonapi::{Answer, Query, Stated, only, to_one};
use super::{instant, teams, users};
use crate::auth::{self, Asked, Asker, At};
use crate::problem::Problem;

const KIND: &str = "authentication-tokens";
const DAY_US: i64 = 24 * 3600 * 1_000_000;

/// What a new token shall be.
#[derive(Deserialize)]
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

fn document(view: &HouseTokenView, secret: Option<&SecretString>) -> Value {
    let team = view.team.as_ref().map(|team| to_one(teams::KIND, team));
    json!({
        "type": KIND,
        "id": view.id,
        "attributes": {
            "description": view.label,
            "scopes": view.scopes,
            "last-four": view.last_four,
            "created-at": instant::format(view.created_at),
            "last-used-at": null,
            "expired-at": view.expires_at.and_then(instant::format),
            "token": secret.map(ExposeSecret::expose_secret),
        },
        "relationships": {
            "team": team.unwrap_or_else(|| json!({ "data": null })),
            "created-by": to_one(users::KIND, &view.created_by),
        },
    })
}

fn of_user(view: &TokenView, user: &str, secret: Option<&SecretString>) -> Value {
    json!({
        "type": KIND,
        "id": view.id,
        "attributes": {
            "description": view.label,
            "scopes": view.scopes,
            "created-at": instant::format(view.created_at),
            "last-used-at": null,
            "expired-at": view.expires_at.and_then(instant::format),
            "revoked-at": view.revoked_at.and_then(instant::format),
            "token": secret.map(ExposeSecret::expose_secret),
        },
        "relationships": { "created-by": to_one(users::KIND, user) },
    })
}

/// The one token without a description.
fn the_one(tokens: Vec<HouseTokenView>) -> Result<HouseTokenView, Problem> {
    let mut unnamed = tokens.into_iter().filter(|token| token.label.is_empty());
    unnamed.next().ok_or_else(Problem::not_found)
}

/// Makes the token of a team; the one before ends.
pub(crate) async fn create_of_team(
    asker: Asker,
    At(id): At<String>,
    stated: Stated<Wished>,
) -> Result<Answer, Problem> {
    let mut wish = stated.attributes.wish(&asker)?;
    let (ctx, team) = teams::of_id(&asker, &id).await?;
    wish.label.clear();
    let (view, secret) = house::create(&ctx, Some(team), wish).await?;
    Ok(Answer::made(document(&view, Some(&secret))))
}

/// The token of a team.
pub(crate) async fn show_of_team(asker: Asker, At(id): At<String>) -> Result<Answer, Problem> {
    let (ctx, team) = teams::of_id(&asker, &id).await?;
    let token = the_one(house::list(&ctx, Some(team)).await?)?;
    Ok(Answer::one(document(&token, None)))
}

/// Ends the token of a team.
pub(crate) async fn delete_of_team(
    asker: Asker,
    At(id): At<String>,
) -> Result<StatusCode, Problem> {
    let (ctx, team) = teams::of_id(&asker, &id).await?;
    end(&ctx, Some(team)).await
}

async fn end(ctx: &statehouse_core::Ctx, team: Option<TeamId>) -> Result<StatusCode, Problem> {
    let token = the_one(house::list(ctx, team).await?)?;
    house::revoke(ctx, auth::id(&token.id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The tokens of a team.
pub(crate) async fn list_of_team(
    asker: Asker,
    At(id): At<String>,
    Asked(query): Asked<Query>,
) -> Result<Answer, Problem> {
    let (ctx, team) = teams::of_id(&asker, &id).await?;
    let path = format!("/api/v2/teams/{team}/authentication-tokens");
    let (page, pages) = query.page(&path, house::list(&ctx, Some(team)).await?)?;
    Ok(Answer::list(
        page.iter().map(|token| document(token, None)).collect(),
        pages,
    ))
}

/// Makes one of several tokens of a team, told apart by their descriptions.
pub(crate) async fn create_one_of_team(
    asker: Asker,
    At(id): At<String>,
    stated: Stated<Wished>,
) -> Result<Answer, Problem> {
    let wish = stated.attributes.wish(&asker)?;
    let (ctx, team) = teams::of_id(&asker, &id).await?;
    let (view, secret) = house::create(&ctx, Some(team), wish).await?;
    Ok(Answer::made(document(&view, Some(&secret))))
}

/// The tokens of every team.
pub(crate) async fn list_of_teams(
    asker: Asker,
    At(organization): At<String>,
    Asked(query): Asked<Query>,
) -> Result<Answer, Problem> {
    let ctx = asker.organization(&organization).await?;
    let path = format!("/api/v2/organizations/{organization}/team-tokens");
    let (page, pages) = query.page(&path, house::list_of_teams(&ctx).await?)?;
    Ok(Answer::list(
        page.iter().map(|token| document(token, None)).collect(),
        pages,
    ))
}

/// Makes the organization's own token; the one before ends.
pub(crate) async fn create_of_organization(
    asker: Asker,
    At(organization): At<String>,
    stated: Stated<Wished>,
) -> Result<Answer, Problem> {
    let mut wish = stated.attributes.wish(&asker)?;
    let ctx = asker.organization(&organization).await?;
    wish.label.clear();
    let (view, secret) = house::create(&ctx, None, wish).await?;
    Ok(Answer::made(document(&view, Some(&secret))))
}

/// The organization's own token.
pub(crate) async fn show_of_organization(
    asker: Asker,
    At(organization): At<String>,
) -> Result<Answer, Problem> {
    let ctx = asker.organization(&organization).await?;
    let token = the_one(house::list(&ctx, None).await?)?;
    Ok(Answer::one(document(&token, None)))
}

/// Ends the organization's own token.
pub(crate) async fn delete_of_organization(
    asker: Asker,
    At(organization): At<String>,
) -> Result<StatusCode, Problem> {
    let ctx = asker.organization(&organization).await?;
    end(&ctx, None).await
}

/// The caller's own tokens that still count.
pub(crate) async fn list_own(
    asker: Asker,
    At(user): At<String>,
    Asked(query): Asked<Query>,
) -> Result<Answer, Problem> {
    let user = own(&asker, &user).await?;
    let mut found = token::list(asker.site()).await?;
    found.retain(|token| token.revoked_at.is_none());
    let path = format!("/api/v2/users/{user}/authentication-tokens");
    let (page, pages) = query.page(&path, found)?;
    Ok(Answer::list(
        page.iter()
            .map(|token| of_user(token, &user, None))
            .collect(),
        pages,
    ))
}

/// Makes a token of the caller's own.
pub(crate) async fn create_own(
    asker: Asker,
    At(user): At<String>,
    stated: Stated<Wished>,
) -> Result<Answer, Problem> {
    let user = own(&asker, &user).await?;
    let wish = stated.attributes.wish(&asker)?;
    let (view, secret) = token::create(asker.site(), wish).await?;
    Ok(Answer::made(of_user(&view, &user, Some(&secret))))
}

/// The caller's own id, if that, or the caller's name, is what the address says.
async fn own(asker: &Asker, text: &str) -> Result<String, Problem> {
    let account = statehouse_core::user::show_self(asker.site()).await?;
    let same = account.id == text || account.name == text;
    same.then_some(account.id).ok_or_else(Problem::not_found)
}

/// One token by its id: one's own, or of a house for whoever may make such.
pub(crate) async fn show(asker: Asker, At(id): At<String>) -> Result<Answer, Problem> {
    if let Ok(own) = id.parse::<TokenId>() {
        let found = token::list(asker.site()).await?;
        let found = found.into_iter().find(|token| token.id == own.as_str());
        let user = asker.site().actor().id().to_owned();
        let token = found.ok_or_else(Problem::not_found)?;
        return Ok(Answer::one(of_user(&token, &user, None)));
    }
    let id: HouseTokenId = auth::id(&id)?;
    let ctx = asker.house_of(&id).await?;
    Ok(Answer::one(document(&house::show(&ctx, id).await?, None)))
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
