//! API tokens: what terraform, the CLI and pipelines authenticate with.
//!
//! A token is shown once and stored as a MAC; it names its user, may narrow
//! what the user's roles allow, and ends by itself. A token that is unknown,
//! expired, revoked, altered in the database, or whose user is disabled, is
//! refused in the same words.

pub mod house;
pub(crate) mod sql;

use std::net::IpAddr;
use std::sync::Arc;

use secrecy::SecretString;
use statehouse_model::{Actor, HouseCode, Name, Permission, Token, TokenId, UserId};
use statehouse_seal::Keyring;

use crate::ctx::Ctx;
use crate::door::{self, Entry, Outcome, Target, Tx, actions};
use crate::error::{Error, Kind, Result};
use crate::house::House;
use crate::record::Rows;
use crate::user;
use sql::ApiToken;

/// A token lives this long unless said otherwise: 90 days, in microseconds.
pub const LIFE_DEFAULT_US: i64 = 90 * DAY_US;
/// And at most a year.
pub const LIFE_MAX_US: i64 = 366 * DAY_US;
const DAY_US: i64 = 24 * 3600 * 1_000_000;
/// Tokens that one account may hold.
const TOKENS_MAX: usize = 1000;
/// Longest label, in bytes.
const LABEL_LEN_MAX: usize = 256;

actions! {
    /// Make a token of one's own.
    CreateToken = "token.create" needs TokenManage;
    /// End one.
    RevokeToken = "token.revoke" needs TokenManage;
    /// See one's own tokens.
    ListTokens = "token.list" needs TokenManage;
    /// Make a token for another account.
    IssueToken = "token.issue" needs SiteUserManage;
}

/// A token, for people and programs to read; never the secret.
#[derive(Debug, Clone, serde::Serialize)]
pub struct TokenView {
    /// Its id.
    pub id: String,
    /// What its user calls it.
    pub label: String,
    /// The permissions it is narrowed to; empty means all of the user's.
    pub scopes: Vec<String>,
    /// When it was made, in microseconds since 1970.
    pub created_at: i64,
    /// When it ends.
    pub expires_at: Option<i64>,
    /// When it was revoked.
    pub revoked_at: Option<i64>,
    /// The part of the text by which it is found, for pages alone.
    #[serde(skip)]
    pub handle: String,
}

impl From<ApiToken> for TokenView {
    fn from(token: ApiToken) -> Self {
        Self {
            id: token.id.to_string(),
            label: token.label,
            scopes: token.scopes.split_whitespace().map(str::to_owned).collect(),
            created_at: token.created_at,
            expires_at: token.expires_at,
            revoked_at: token.revoked_at,
            handle: token.handle,
        }
    }
}

/// What a new token shall be.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// What its user calls it.
    pub label: String,
    /// Permissions to narrow it to; empty for all of the user's.
    pub scopes: Vec<Permission>,
    /// How long it lives, in microseconds.
    pub life_us: Option<i64>,
}

/// Makes a token for the caller. The secret is returned here and never again.
pub async fn create(ctx: &Ctx, wish: Wish) -> Result<(TokenView, SecretString)> {
    let user: UserId = ctx
        .actor()
        .id()
        .parse()
        .map_err(|_| Error::not_found("token"))?;
    issue(ctx, CreateToken, user, wish).await
}

/// Makes a token for the account named `name`: for accounts that have no
/// password, such as a pipeline's. Whoever has one logs in; nobody else makes
/// tokens in a person's name, except the operator at the machine itself.
pub async fn issue_for(ctx: &Ctx, name: Name, wish: Wish) -> Result<(TokenView, SecretString)> {
    let machine = *ctx.actor() == Actor::Operator;
    let user = door::read(ctx, IssueToken, &Target::House, move |rows| {
        Box::pin(async move {
            let account = user::sql::by_name(rows, &name)
                .await?
                .ok_or_else(|| Error::not_found("user"))?;
            let person = user::sql::password_of(rows, &account.id).await?.is_some();
            if person && !machine {
                return Err(Error::new(
                    Kind::Denied,
                    format!("`{name}` has a password and makes its tokens itself"),
                )
                .hint("`statehouse login`, then `statehouse token create`"));
            }
            Ok(account.id)
        })
    })
    .await?;
    issue(ctx, IssueToken, user, wish).await
}

/// A narrowed token cannot make a wider one.
fn no_wider(ctx: &Ctx, wish: &Wish) -> Result<()> {
    let wider = |permission: &Permission| !ctx.in_scope(*permission);
    let unscoped = wish.scopes.is_empty() && Permission::ALL.iter().any(wider);
    if unscoped || wish.scopes.iter().any(wider) {
        let words = "this token cannot make a token that may do more than itself";
        return Err(Error::new(Kind::Denied, words));
    }
    Ok(())
}

/// How long the wished token lives, if it can be had.
fn checked(wish: &Wish) -> Result<i64> {
    let life = wish.life_us.unwrap_or(LIFE_DEFAULT_US);
    if life <= 0 || life > LIFE_MAX_US {
        return Err(Error::invalid(
            "a token lives between a moment and 366 days",
        ));
    }
    if wish.label.len() > LABEL_LEN_MAX {
        return Err(Error::invalid("a token's label has at most 256 bytes"));
    }
    Ok(life)
}

/// Its scopes as rows hold them.
fn scopes_of(wish: &Wish) -> String {
    let scopes: Vec<&str> = wish.scopes.iter().map(|scope| scope.as_str()).collect();
    scopes.join(" ")
}

async fn issue<A: door::Action>(
    ctx: &Ctx,
    action: A,
    user: UserId,
    wish: Wish,
) -> Result<(TokenView, SecretString)> {
    let draft = Arc::new(Draft::new(ctx, user, wish)?);
    let body = draft.clone();
    let made = door::change(ctx, action, Target::House, move |tx| {
        let draft = body.clone();
        Box::pin(async move {
            let token = draft.put(tx).await?;
            let entry = Entry::new(draft.id()).fact("user", draft.record.account.as_str());
            Ok(Outcome::Recorded(token, entry))
        })
    });
    Ok((made.await?, draft.secret()))
}

/// A token that is made but not stored yet.
pub(crate) struct Draft {
    record: ApiToken,
    token: Token,
    life_us: i64,
}

impl Draft {
    pub(crate) fn new(ctx: &Ctx, user: UserId, wish: Wish) -> Result<Self> {
        no_wider(ctx, &wish)?;
        let life_us = checked(&wish)?;
        let token = Token::from_entropy(HouseCode::SITE, &crate::random());
        let scopes = scopes_of(&wish);
        let record = ApiToken {
            id: TokenId::from_entropy(crate::entropy()),
            account: user,
            handle: token.handle().to_owned(),
            secret_mac: Vec::new(),
            label: wish.label,
            scopes,
            created_at: ctx.house().now(),
            expires_at: None,
            revoked_at: None,
        };
        Ok(Self {
            record,
            token,
            life_us,
        })
    }

    pub(crate) fn id(&self) -> &TokenId {
        &self.record.id
    }

    /// The text, to be shown once.
    pub(crate) fn secret(&self) -> SecretString {
        SecretString::from(self.token.expose().to_owned())
    }

    /// Stores it, unless its account holds too many.
    pub(crate) async fn put<A: door::Action>(&self, tx: &mut Tx<A>) -> Result<TokenView> {
        let now = tx.now();
        let held = sql::of_account(tx, &self.record.account).await?;
        if held.iter().filter(|token| is_live(token, now)).count() >= TOKENS_MAX {
            return Err(Error::new(
                Kind::Conflict,
                format!("this account holds {TOKENS_MAX} tokens"),
            )
            .hint("revoke some"));
        }
        let token = ApiToken {
            created_at: now,
            expires_at: Some(now.saturating_add(self.life_us)),
            secret_mac: tx
                .keyring
                .token_mac(self.token.expose().as_bytes())
                .to_vec(),
            ..self.record.clone()
        };
        tx.put(&token).await?;
        Ok(TokenView::from(token))
    }
}

/// Ends a token within another change; whether it was alive.
pub(crate) async fn end<A: door::Action>(tx: &mut Tx<A>, id: &TokenId) -> Result<bool> {
    let now = tx.now();
    let token = sql::by_id(tx, id).await?;
    let Some(mut token) = token.filter(|token| is_live(token, now)) else {
        return Ok(false);
    };
    token.revoked_at = Some(now);
    tx.put(&token).await?;
    Ok(true)
}

/// The caller's own tokens.
pub async fn list(ctx: &Ctx) -> Result<Vec<TokenView>> {
    let user: UserId = ctx
        .actor()
        .id()
        .parse()
        .map_err(|_| Error::not_found("token"))?;
    door::read(ctx, ListTokens, &Target::House, move |rows| {
        Box::pin(async move {
            Ok(sql::of_account(rows, &user)
                .await?
                .into_iter()
                .map(TokenView::from)
                .collect())
        })
    })
    .await
}

/// Ends a token of the caller's, at once.
pub async fn revoke(ctx: &Ctx, id: TokenId) -> Result<TokenView> {
    let user = ctx.actor().id().to_owned();
    door::change(ctx, RevokeToken, Target::House, move |tx| {
        let (user, id, now) = (user.clone(), id.clone(), tx.now());
        Box::pin(async move {
            let token = sql::by_id(tx, &id)
                .await?
                .filter(|token| token.account.as_str() == user);
            let mut token = token.ok_or_else(|| Error::not_found("token"))?;
            if token.revoked_at.is_some() {
                return Ok(Outcome::Unchanged(token.into()));
            }
            token.revoked_at = Some(now);
            tx.put(&token).await?;
            let entry = Entry::new(&token.id).fact("user", token.account.as_str());
            Ok(Outcome::Recorded(token.into(), entry))
        })
    })
    .await
}

/// Who a token stands for.
#[derive(Clone)]
pub(crate) struct Bearer {
    pub(crate) actor: Actor,
    pub(crate) scopes: Option<Arc<[Permission]>>,
}

fn unknown() -> Error {
    Error::new(
        Kind::Unauthenticated,
        "the token is unknown, expired or revoked",
    )
    .hint("make a new one: `statehouse token create`, or `./dev up` on a development server")
}

/// Looks up a token's bearer. This is how a request gets an actor, so it
/// stands before the door; it reads nothing but the token and its account.
pub(crate) async fn bearer(site: &House, token: &Token) -> Result<Bearer> {
    let mut rows = door::look(site).await?;
    let found = find(&mut rows, token, site.now()).await;
    rows.transaction.rollback().await;
    found
}

/// Whether the token that a caller came with is still good.
pub(crate) async fn still_valid(ctx: &Ctx) -> Result<()> {
    let Actor::User { user, token } = ctx.actor() else {
        return Ok(());
    };
    let site = ctx.house();
    let mut rows = door::look(site).await?;
    let stored = sql::by_id(&mut rows, token).await;
    let account = user::sql::by_id(&mut rows, user).await;
    rows.transaction.rollback().await;
    let now = site.now();
    let good = stored?.is_some_and(|token| is_live(&token, now));
    let enabled = account?.is_some_and(|account| account.disabled_at.is_none());
    if good && enabled {
        Ok(())
    } else {
        Err(unknown())
    }
}

/// Refuses a token that ended. Asked inside every transaction of the site
/// that its bearer acts in.
pub(crate) async fn require(rows: &mut Rows, id: &TokenId, now: i64) -> Result<()> {
    let stored = sql::by_id(rows, id).await?;
    let good = stored.is_some_and(|token| is_live(&token, now));
    if good { Ok(()) } else { Err(unknown()) }
}

fn is_live(token: &ApiToken, now: i64) -> bool {
    token.revoked_at.is_none() && token.expires_at.is_none_or(|at| at > now)
}

async fn find(rows: &mut Rows, token: &Token, now: i64) -> Result<Bearer> {
    let stored = readable(sql::by_handle(rows, token.handle()).await)?;
    let mac = stored.as_ref().map(|stored| stored.secret_mac.as_slice());
    let genuine = genuine(&rows.keyring, token, mac);
    let stored = stored
        .filter(|stored| genuine && is_live(stored, now))
        .ok_or_else(unknown)?;
    bearer_of(rows, stored).await
}

/// Looks up who a token stands for that was shown before: the one that a
/// signed address was given out for.
pub(crate) async fn bearer_by_id(site: &House, id: &TokenId) -> Result<Bearer> {
    let mut rows = door::look(site).await?;
    let now = site.now();
    let found = match sql::by_id(&mut rows, id).await {
        Ok(Some(token)) if is_live(&token, now) => bearer_of(&mut rows, token).await,
        Ok(_) => Err(unknown()),
        Err(error) => Err(error),
    };
    rows.transaction.rollback().await;
    found
}

/// Whom a good token stands for, if the account is enabled.
async fn bearer_of(rows: &mut Rows, stored: ApiToken) -> Result<Bearer> {
    let account = user::sql::by_id(rows, &stored.account).await?;
    account
        .filter(|account| account.disabled_at.is_none())
        .ok_or_else(unknown)?;
    let scopes = parsed(&stored.scopes)?;
    Ok(Bearer {
        actor: Actor::User {
            user: stored.account,
            token: stored.id,
        },
        scopes,
    })
}

/// The token that a text is, if it has the shape of one.
pub(crate) fn parse(text: &str) -> Result<Token> {
    Token::parse(text).map_err(|error| Error::new(Kind::Unauthenticated, error.to_string()))
}

/// A row that was altered is no token; what it is, the log says.
fn readable<T>(found: Result<Option<T>>) -> Result<Option<T>> {
    match found {
        Err(error) if *error.kind() == Kind::Tampered => {
            tracing::error!(%error, "a token was refused");
            Ok(None)
        }
        found => found,
    }
}

/// Whether a stored MAC is the token's. It is computed whether or not there is
/// one to compare it with.
fn genuine(keyring: &Keyring, token: &Token, stored: Option<&[u8]>) -> bool {
    let expected = stored.unwrap_or(&[0; 36]);
    keyring.token_mac_verify(token.expose().as_bytes(), expected)
}

/// The permissions that a row narrows its token to.
fn parsed(scopes: &str) -> Result<Option<Arc<[Permission]>>> {
    let scopes = scopes.split_whitespace().map(str::parse);
    let scopes: Vec<Permission> = scopes.collect::<Result<_, _>>().map_err(|_| unknown())?;
    Ok((!scopes.is_empty()).then(|| scopes.into()))
}

/// Checks a name and a password and makes a token for the account. `machine`
/// is a context of the server itself: whoever logs in is nobody yet.
pub(crate) async fn login(
    machine: &Ctx,
    gate: &user::Gate,
    name: &str,
    password: SecretString,
    source: Option<IpAddr>,
    wish: Wish,
) -> Result<(TokenView, SecretString)> {
    let user = user::prove(machine, gate, name, password, source).await?;
    issue(machine, IssueToken, user, wish).await
}
