//! Tokens that belong to a team, to a pool of agents or to the organization itself, not to a person.
//!
//! They lie in the house and are good in it alone. What such a token may do is
//! decided like everything else, inside the transaction: there its row is read
//! again, so that a token that ends, ends at once. It is shown once, stored as
//! a MAC and ends by itself. One without a label is *the* token of its team or
//! organization: making it anew ends the one before. Those of a pool stand beside
//! each other, so that an agent gets a new one while it works with the old.

use std::sync::Arc;

use secrecy::SecretString;
use statehouse_model::{
    Actor, ActorId, AgentPoolId, HouseTokenId, Permission, TeamId, Token, TokenKind, TokenOwner,
};

use super::sql::{self, HouseToken};
use super::{Bearer, TOKENS_MAX, Wish, checked, no_wider, scopes_of, unknown};
use crate::access;
use crate::agent;
use crate::ctx::Ctx;
use crate::door::{self, Entry, Outcome, Target, Tx, actions};
use crate::error::{Error, Kind, Result};
use crate::house::House;
use crate::record::Rows;
use crate::team;

actions! {
    /// Make a token of a team.
    CreateTeamToken = "token.team.create" needs TeamManage;
    /// End one.
    RevokeTeamToken = "token.team.revoke" needs TeamManage;
    /// See the tokens of teams.
    ListTeamTokens = "token.team.list" needs TeamManage;
    /// Make the organization's own token.
    CreateOrganizationToken = "token.organization.create" needs OrganizationManage;
    /// End it.
    RevokeOrganizationToken = "token.organization.revoke" needs OrganizationManage;
    /// See it.
    ListOrganizationTokens = "token.organization.list" needs OrganizationManage;
    /// Make a token of a pool of agents.
    CreateAgentToken = "token.agent.create" needs AgentManage;
    /// End one.
    RevokeAgentToken = "token.agent.revoke" needs AgentManage;
    /// See the tokens of a pool.
    ListAgentTokens = "token.agent.list" needs AgentManage;
    /// See one by its id; whose it is, and who may, is asked inside.
    ShowHouseToken = "token.show" needs TeamRead;
}

/// A token of a house, for people and programs to read; never the secret.
#[derive(Debug, Clone, serde::Serialize)]
pub struct HouseTokenView {
    /// Its id.
    pub id: String,
    /// The team it belongs to.
    pub team: Option<String>,
    /// Or the pool of agents; neither for the organization's own.
    pub pool: Option<String>,
    /// What it is for; empty for *the* token of its team or organization.
    pub label: String,
    /// Its last four characters.
    pub last_four: String,
    /// The permissions it is narrowed to; empty means all of its bearer's.
    pub scopes: Vec<String>,
    /// Who made it.
    pub created_by: String,
    /// When it was made, in microseconds since 1970.
    pub created_at: i64,
    /// When it ends.
    pub expires_at: Option<i64>,
    /// When it was revoked.
    pub revoked_at: Option<i64>,
}

impl From<HouseToken> for HouseTokenView {
    fn from(token: HouseToken) -> Self {
        let owner = token.team.as_ref();
        let (team, pool) = (
            owner.and_then(TokenOwner::team),
            owner.and_then(TokenOwner::pool),
        );
        Self {
            id: token.id.to_string(),
            team: team.map(ToString::to_string),
            pool: pool.map(ToString::to_string),
            label: token.label,
            last_four: token.last_four,
            scopes: token.scopes.split_whitespace().map(str::to_owned).collect(),
            created_by: token.created_by.to_string(),
            created_at: token.created_at,
            expires_at: token.expires_at,
            revoked_at: token.revoked_at,
        }
    }
}

impl HouseToken {
    fn is_live(&self, now: i64) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| at > now)
    }
}

/// Makes a token of a team or, without one, of the organization. The secret is
/// returned here and never again.
pub async fn create(
    ctx: &Ctx,
    team: Option<TeamId>,
    wish: Wish,
) -> Result<(HouseTokenView, SecretString)> {
    match team {
        Some(team) => issue(ctx, CreateTeamToken, Some(TokenOwner::Team(team)), wish).await,
        None => issue(ctx, CreateOrganizationToken, None, wish).await,
    }
}

/// Makes a token of a pool of agents. It lets do the work of the pool and nothing
/// else, so there is nothing to narrow.
pub async fn create_of_pool(
    ctx: &Ctx,
    pool: AgentPoolId,
    wish: Wish,
) -> Result<(HouseTokenView, SecretString)> {
    if !wish.scopes.is_empty() {
        let words = "a token of agents lets do the work of its pool, and cannot be narrowed";
        return Err(Error::invalid(words).hint("leave the scopes out"));
    }
    issue(ctx, CreateAgentToken, Some(TokenOwner::Pool(pool)), wish).await
}

async fn issue<A: door::Action>(
    ctx: &Ctx,
    action: A,
    owner: Option<TokenOwner>,
    wish: Wish,
) -> Result<(HouseTokenView, SecretString)> {
    no_wider(ctx, &wish)?;
    let life = checked(&wish)?;
    let code = ctx.house().code();
    let kind = kind_of(owner.as_ref());
    let token = Token::of_kind(kind, code, &crate::random());
    let secret = SecretString::from(token.expose().to_owned());
    let record = HouseToken {
        id: HouseTokenId::from_entropy(code, crate::entropy()),
        team: owner,
        handle: token.handle().to_owned(),
        secret_mac: Vec::new(),
        last_four: token.last_four(),
        scopes: scopes_of(&wish),
        label: wish.label,
        created_by: ActorId::from(ctx.actor()),
        created_at: ctx.house().now(),
        expires_at: None,
        revoked_at: None,
    };
    let made = Arc::new((record, token, ctx.clone()));
    let made = door::change(ctx, action, Target::House, move |tx| {
        let made = made.clone();
        Box::pin(async move {
            let (record, secret, asked) = &*made;
            let now = tx.now();
            if let Some(owner) = &record.team {
                needed_by(tx, asked, owner, now).await?;
            }
            make_room(tx, record, now).await?;
            let token = HouseToken {
                created_at: now,
                expires_at: Some(now.saturating_add(life)),
                secret_mac: tx.keyring.token_mac(secret.expose().as_bytes()).to_vec(),
                ..record.clone()
            };
            tx.put(&token).await?;
            let entry = entry_of(&token);
            Ok(Outcome::Recorded(HouseTokenView::from(token), entry))
        })
    });
    Ok((made.await?, secret))
}

fn kind_of(owner: Option<&TokenOwner>) -> TokenKind {
    match owner {
        Some(TokenOwner::Team(_)) => TokenKind::Team,
        Some(TokenOwner::Pool(_)) => TokenKind::Agent,
        None => TokenKind::Organization,
    }
}

/// The owner must be there; the team of the owners is for those who make owners.
async fn needed_by(rows: &mut Rows, ctx: &Ctx, owner: &TokenOwner, now: i64) -> Result<()> {
    let team = match owner {
        TokenOwner::Team(team) => team,
        TokenOwner::Pool(pool) => return agent::sql::needed(rows, pool).await.map(drop),
    };
    if team.is_owners() {
        return team::require_owners(rows, ctx, now).await;
    }
    let found = team::sql::by_id(rows, team).await?;
    found.map(drop).ok_or_else(|| Error::not_found("team"))
}

/// Ends the token that a new one replaces, and keeps labels apart.
async fn make_room<A: door::Action>(tx: &mut Tx<A>, new: &HouseToken, now: i64) -> Result<()> {
    let others = sql::of_bearer(tx, new.team.as_ref()).await?;
    let live = others.into_iter().filter(|token| token.is_live(now));
    let beside = kind_of(new.team.as_ref()) == TokenKind::Agent && new.label.is_empty();
    let replaced = |token: &HouseToken| token.label == new.label && !beside;
    let (same, rest): (Vec<_>, Vec<_>) = live.partition(replaced);
    if !new.label.is_empty() && !same.is_empty() {
        let words = format!("a token labelled `{}` is there already", new.label);
        return Err(Error::new(Kind::Conflict, words).hint("revoke it, or choose another label"));
    }
    if rest.len() >= TOKENS_MAX {
        let words = format!("there are {TOKENS_MAX} tokens already");
        return Err(Error::new(Kind::Conflict, words).hint("revoke some"));
    }
    for token in same {
        end(tx, token, now).await?;
    }
    Ok(())
}

pub(crate) async fn end<A: door::Action>(
    tx: &mut Tx<A>,
    mut token: HouseToken,
    now: i64,
) -> Result<HouseToken> {
    token.revoked_at = Some(now);
    tx.put(&token).await?;
    Ok(token)
}

fn entry_of(token: &HouseToken) -> Entry {
    let entry = Entry::new(&token.id);
    match &token.team {
        Some(owner) => entry.fact(owner.kind(), owner.as_str()),
        None => entry,
    }
}

/// The live tokens of a team or, without one, of the organization.
pub async fn list(ctx: &Ctx, team: Option<TeamId>) -> Result<Vec<HouseTokenView>> {
    match team {
        Some(team) => list_as(ctx, ListTeamTokens, Some(TokenOwner::Team(team))).await,
        None => list_as(ctx, ListOrganizationTokens, None).await,
    }
}

/// The live tokens of a pool of agents.
pub async fn list_of_pool(ctx: &Ctx, pool: AgentPoolId) -> Result<Vec<HouseTokenView>> {
    list_as(ctx, ListAgentTokens, Some(TokenOwner::Pool(pool))).await
}

async fn list_as<A: door::Action>(
    ctx: &Ctx,
    action: A,
    owner: Option<TokenOwner>,
) -> Result<Vec<HouseTokenView>> {
    let (asked, now) = (ctx.clone(), ctx.house().now());
    door::read(ctx, action, &Target::House, move |rows| {
        Box::pin(async move {
            if let Some(owner) = &owner {
                needed_by(rows, &asked, owner, now).await?;
            }
            let found = sql::of_bearer(rows, owner.as_ref()).await?;
            Ok(views(found, now))
        })
    })
    .await
}

/// The live tokens of every team that the caller may make tokens for.
pub async fn list_of_teams(ctx: &Ctx) -> Result<Vec<HouseTokenView>> {
    let (asked, now) = (ctx.clone(), ctx.house().now());
    door::read(ctx, ListTeamTokens, &Target::House, move |rows| {
        Box::pin(async move {
            let mut found = sql::of_teams(rows).await?;
            let held = access::held_here(rows, &asked, now).await?;
            if !held.contains(&Permission::GrantManage) {
                found.retain(|token| !is_owners(token));
            }
            Ok(views(found, now))
        })
    })
    .await
}

/// Whether it is one of the team of the owners.
fn is_owners(token: &HouseToken) -> bool {
    let team = token.team.as_ref().and_then(TokenOwner::team);
    team.is_some_and(TeamId::is_owners)
}

fn views(tokens: Vec<HouseToken>, now: i64) -> Vec<HouseTokenView> {
    let live = tokens.into_iter().filter(|token| token.is_live(now));
    live.map(HouseTokenView::from).collect()
}

/// One token by its id, for whoever may make such.
pub async fn show(ctx: &Ctx, id: HouseTokenId) -> Result<HouseTokenView> {
    Ok(find(ctx, id).await?.into())
}

async fn find(ctx: &Ctx, id: HouseTokenId) -> Result<HouseToken> {
    let (asked, now) = (ctx.clone(), ctx.house().now());
    door::read(ctx, ShowHouseToken, &Target::House, move |rows| {
        Box::pin(async move {
            let held = access::held_here(rows, &asked, now).await?;
            let may = |token: &HouseToken| match &token.team {
                _ if is_owners(token) => held.contains(&Permission::GrantManage),
                Some(TokenOwner::Team(_)) => held.contains(&Permission::TeamManage),
                Some(TokenOwner::Pool(_)) => held.contains(&Permission::AgentManage),
                None => held.contains(&Permission::OrganizationManage),
            };
            let found = sql::of_house_by_id(rows, &id).await?;
            found.filter(may).ok_or_else(|| Error::not_found("token"))
        })
    })
    .await
}

/// Ends a token, at once.
pub async fn revoke(ctx: &Ctx, id: HouseTokenId) -> Result<()> {
    match find(ctx, id.clone()).await?.team {
        Some(TokenOwner::Team(_)) => revoke_as(ctx, RevokeTeamToken, id).await,
        Some(TokenOwner::Pool(_)) => revoke_as(ctx, RevokeAgentToken, id).await,
        None => revoke_as(ctx, RevokeOrganizationToken, id).await,
    }
}

async fn revoke_as<A: door::Action>(ctx: &Ctx, action: A, id: HouseTokenId) -> Result<()> {
    door::change(ctx, action, Target::House, move |tx| {
        let (id, now) = (id.clone(), tx.now());
        Box::pin(async move {
            let found = sql::of_house_by_id(tx, &id).await?;
            let token = found.ok_or_else(|| Error::not_found("token"))?;
            if token.revoked_at.is_some() {
                return Ok(Outcome::Unchanged(()));
            }
            let token = end(tx, token, now).await?;
            Ok(Outcome::Recorded((), entry_of(&token)))
        })
    })
    .await
}

/// Whether a token of the house is still good for `owner`, or for the
/// organization. Asked inside every transaction that one acts in.
pub(crate) async fn require(
    rows: &mut Rows,
    id: &HouseTokenId,
    owner: Option<&TokenOwner>,
    now: i64,
) -> Result<()> {
    let stored = sql::of_house_by_id(rows, id).await?;
    let good = stored.is_some_and(|token| token.is_live(now) && token.team.as_ref() == owner);
    if good { Ok(()) } else { Err(unknown()) }
}

/// Looks up the bearer of a token in the house that its text names.
pub(crate) async fn bearer(house: &House, token: &Token) -> Result<Bearer> {
    let mut rows = door::look(house).await?;
    let stored = sql::of_house_by_handle(&mut rows, token.handle()).await;
    rows.transaction.rollback().await;
    let stored = super::readable(stored)?;
    let mac = stored.as_ref().map(|stored| stored.secret_mac.as_slice());
    let genuine = super::genuine(&rows.keyring, token, mac);
    let kind = |stored: &HouseToken| kind_of(stored.team.as_ref());
    let now = house.now();
    let stored = stored
        .filter(|stored| genuine && stored.is_live(now) && kind(stored) == token.kind())
        .ok_or_else(unknown)?;
    stands_for(house, stored)
}

/// Looks up the bearer of a token that was shown before: the one that a signed
/// address was given out for.
pub(crate) async fn bearer_by_id(house: &House, id: &HouseTokenId) -> Result<Bearer> {
    let mut rows = door::look(house).await?;
    let stored = sql::of_house_by_id(&mut rows, id).await;
    rows.transaction.rollback().await;
    let now = house.now();
    let stored = stored?.filter(|stored| stored.is_live(now));
    stands_for(house, stored.ok_or_else(unknown)?)
}

fn stands_for(house: &House, stored: HouseToken) -> Result<Bearer> {
    let actor = match stored.team {
        Some(TokenOwner::Team(team)) => Actor::Team {
            team,
            token: stored.id,
        },
        Some(TokenOwner::Pool(pool)) => Actor::Pool {
            pool,
            token: stored.id,
        },
        None => Actor::Organization {
            house: house.code(),
            token: stored.id,
        },
    };
    Ok(Bearer {
        actor,
        scopes: super::parsed(&stored.scopes)?,
    })
}

/// The same work for a house that does not exist: a row is looked for, and a
/// MAC is computed.
pub(crate) async fn bearer_of_nobody(site: &House, token: &Token) -> Error {
    let Ok(mut rows) = door::look(site).await else {
        return unknown();
    };
    let found = sql::by_handle(&mut rows, token.handle()).await;
    rows.transaction.rollback().await;
    super::genuine(&rows.keyring, token, None);
    drop(found);
    unknown()
}
