//! Users: people with a local account.
//!
//! Accounts live in the site. A password is an argon2id hash in a table of its
//! own; checking one costs the same for a name that does not exist, is limited
//! per name, per source and in parallel, and every failure is in the site's ledger.

mod gate;
mod password;
pub(crate) mod sql;

use std::collections::BTreeMap;
use std::net::IpAddr;

use statehouse_model::{Name, UserId};

use crate::ctx::Ctx;
use crate::door::{self, Entry, Outcome, Target, actions};
use crate::error::{Error, Kind, Result};
use crate::record::Rows;
use crate::session;
pub(crate) use gate::Gate;
pub use password::PASSWORD_LEN_MIN;
use secrecy::SecretString;
use sql::{Account, Password};

actions! {
    /// Make an account.
    CreateUser = "user.create" needs SiteUserManage;
    /// Set an account's password.
    SetPassword = "user.password" needs SiteUserManage;
    /// End an account: its tokens stop working.
    DisableUser = "user.disable" needs SiteUserManage;
    /// See the accounts.
    ListUsers = "user.list" needs SiteUserManage;
    /// Give oneself another name.
    RenameSelf = "user.rename" needs TokenManage;
    /// Set one's own password, knowing the current one.
    SetOwnPassword = "user.password.own" needs TokenManage;
    /// A login that failed.
    FailedLogin = "login.failed" needs SiteUserManage;
    /// See one's own account.
    ShowSelf = "user.self" needs TokenManage;
}

/// An account, for people and programs to read.
#[derive(Debug, Clone, serde::Serialize)]
pub struct UserView {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it operates the site.
    pub operator: bool,
    /// Since when it is disabled, in microseconds since 1970.
    pub disabled_at: Option<i64>,
    /// When it was made, in microseconds since 1970.
    pub created_at: i64,
}

impl From<Account> for UserView {
    fn from(account: Account) -> Self {
        Self {
            id: account.id.to_string(),
            name: account.name.to_string(),
            operator: account.operator,
            disabled_at: account.disabled_at,
            created_at: account.created_at,
        }
    }
}

/// Makes an account, with a password or for tokens only.
pub async fn create(
    ctx: &Ctx,
    name: Name,
    operator: bool,
    password: Option<SecretString>,
) -> Result<UserView> {
    // Before any hashing: it costs 64 MiB, and not everybody may ask for it.
    door::may(ctx, CreateUser, &Target::House).await?;
    let id = UserId::from_entropy(crate::entropy());
    let hash = match password {
        Some(password) => Some(password::hash(password).await?),
        None => None,
    };
    door::change(ctx, CreateUser, Target::House, move |tx| {
        let now = tx.now();
        let account = Account {
            id: id.clone(),
            name: name.clone(),
            operator,
            disabled_at: None,
            created_at: now,
        };
        let password = hash.clone().map(|hash| Password {
            account: id.clone(),
            hash,
            changed_at: now,
        });
        Box::pin(async move {
            if sql::spelled_like(tx, &account.name).await?.is_some() {
                return Err(Error::new(
                    Kind::Conflict,
                    format!("a user named `{}` exists", account.name),
                ));
            }
            tx.put(&account).await?;
            if let Some(password) = &password {
                tx.put(password).await?;
            }
            let entry = Entry::new(&account.id).fact("operator", account.operator);
            Ok(Outcome::Recorded(account.into(), entry))
        })
    })
    .await
}

/// Sets an account's password, and ends its sessions.
pub async fn set_password(ctx: &Ctx, name: Name, password: SecretString) -> Result<()> {
    door::may(ctx, SetPassword, &Target::House).await?;
    let hash = password::hash(password).await?;
    door::change(ctx, SetPassword, Target::House, move |tx| {
        let (name, hash, now) = (name.clone(), hash.clone(), tx.now());
        Box::pin(async move {
            let account = sql::by_name(tx, &name)
                .await?
                .ok_or_else(|| Error::not_found("user"))?;
            // Whoever knew the old one may still be signed in with it.
            let ended = session::end_all(tx, &account.id).await?;
            let entry = Entry::new(&account.id).fact("sessions", ended);
            tx.put(&Password {
                account: account.id,
                hash,
                changed_at: now,
            })
            .await?;
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await
}

/// Whether the caller may end accounts.
pub(crate) async fn may_disable(ctx: &Ctx) -> Result<()> {
    door::may(ctx, DisableUser, &Target::House).await
}

/// Ends an account and its sessions. Its grants stay on record and give nothing.
pub(crate) async fn disable(ctx: &Ctx, id: UserId) -> Result<UserView> {
    door::change(ctx, DisableUser, Target::House, move |tx| {
        let (id, now) = (id.clone(), tx.now());
        Box::pin(async move {
            let mut account = sql::by_id(tx, &id)
                .await?
                .ok_or_else(|| Error::not_found("user"))?;
            if account.operator && sql::operators(tx).await? <= 1 {
                return Err(Error::new(
                    Kind::Conflict,
                    "this is the last operator of the site",
                ));
            }
            if account.disabled_at.is_some() {
                return Ok(Outcome::Unchanged(account.into()));
            }
            account.disabled_at = Some(now);
            tx.put(&account).await?;
            let ended = session::end_all(tx, &account.id).await?;
            let entry = Entry::new(&account.id).fact("sessions", ended);
            Ok(Outcome::Recorded(account.into(), entry))
        })
    })
    .await
}

/// Every account, by name.
pub async fn list(ctx: &Ctx) -> Result<Vec<UserView>> {
    door::read(ctx, ListUsers, &Target::House, |rows| {
        Box::pin(async move {
            Ok(sql::all(rows)
                .await?
                .into_iter()
                .map(UserView::from)
                .collect())
        })
    })
    .await
}

/// The id of the account of exactly that name: what an owner needs to give
/// somebody a role. There is no list for those who do not manage accounts.
pub async fn id_of(ctx: &Ctx, name: Name) -> Result<UserId> {
    door::read(ctx, ShowSelf, &Target::House, move |rows| {
        Box::pin(async move {
            let account = sql::by_name(rows, &name).await?;
            let account = account.filter(|account| account.disabled_at.is_none());
            Ok(account.ok_or_else(|| Error::not_found("user"))?.id)
        })
    })
    .await
}

/// The caller's own account.
pub async fn show_self(ctx: &Ctx) -> Result<UserView> {
    let id: UserId = ctx
        .actor()
        .id()
        .parse()
        .map_err(|_| Error::not_found("user"))?;
    door::read(ctx, ShowSelf, &Target::House, move |rows| {
        Box::pin(async move {
            let account = sql::by_id(rows, &id)
                .await?
                .ok_or_else(|| Error::not_found("user"))?;
            Ok(account.into())
        })
    })
    .await
}

/// The id of the account that the caller is.
fn own_id(ctx: &Ctx) -> Result<UserId> {
    ctx.actor()
        .id()
        .parse()
        .map_err(|_| Error::not_found("user"))
}

/// Gives the caller's own account another name, which must be free.
pub async fn rename_self(ctx: &Ctx, name: Name) -> Result<UserView> {
    let id = own_id(ctx)?;
    door::change(ctx, RenameSelf, Target::House, move |tx| {
        let (id, name) = (id.clone(), name.clone());
        Box::pin(async move {
            let found = sql::by_id(tx, &id).await?;
            let mut account = found.ok_or_else(|| Error::not_found("user"))?;
            if account.name == name {
                return Ok(Outcome::Unchanged(account.into()));
            }
            let other = sql::spelled_like(tx, &name).await?;
            if other.is_some_and(|other| other.id != account.id) {
                let words = format!("a user named `{name}` exists");
                return Err(Error::new(Kind::Conflict, words));
            }
            account.name = name;
            tx.put(&account).await?;
            let entry = Entry::new(&account.id);
            Ok(Outcome::Recorded(account.into(), entry))
        })
    })
    .await
}

/// Sets the password of the caller's own account.
pub(crate) async fn change_own_password(
    ctx: &Ctx,
    machine: &Ctx,
    gate: &Gate,
    current: SecretString,
    new: SecretString,
) -> Result<UserView> {
    let own = show_self(ctx).await?;
    let name: Name = own.name.parse().map_err(|_| Error::not_found("user"))?;
    let passed = gate.pass(Some(&name), ctx.source(), ctx.house().now())?;
    let known = check_password(machine, Some(name.clone()), current).await?;
    if known.is_none_or(|id| id.as_str() != own.id) {
        if passed.first_in_a_while {
            record_failed(machine).await?;
        }
        return Err(Error::new(Kind::Denied, "the current password is wrong"));
    }
    gate.forget(Some(&name), ctx.source());
    let hash = password::hash(new).await?;
    let id = own_id(ctx)?;
    door::change(ctx, SetOwnPassword, Target::House, move |tx| {
        let (account, hash, changed_at) = (id.clone(), hash.clone(), tx.now());
        Box::pin(async move {
            // Whoever knew the old one may still be signed in with it.
            let ended = session::end_all(tx, &account).await?;
            let entry = Entry::new(&account).fact("sessions", ended);
            tx.put(&Password {
                account,
                hash,
                changed_at,
            })
            .await?;
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await?;
    Ok(own)
}

/// One account by its id: one's own, or for those who manage accounts any.
pub async fn show(ctx: &Ctx, id: UserId) -> Result<UserView> {
    if ctx.actor().id() == id.as_str() {
        return show_self(ctx).await;
    }
    let listed = list(ctx).await.map_err(|error| match error.kind() {
        Kind::Denied => Error::not_found("user"),
        _ => error,
    });
    let found = listed?;
    let found = found.into_iter().find(|user| user.id == id.as_str());
    found.ok_or_else(|| Error::not_found("user"))
}

/// A guess at a password that was wrong.
async fn record_failed(machine: &Ctx) -> Result<()> {
    door::change(machine, FailedLogin, Target::House, |_| {
        Box::pin(async { Ok(Outcome::Recorded((), Entry::new("login"))) })
    })
    .await
}

/// The account of whoever knows its name and password. `machine` is a context
/// of the server itself: whoever logs in is nobody yet.
pub(crate) async fn prove(
    machine: &Ctx,
    gate: &Gate,
    name: &str,
    password: SecretString,
    source: Option<IpAddr>,
) -> Result<UserId> {
    let known = name.parse::<Name>().ok();
    let passed = gate.pass(known.as_ref(), source, machine.house().now())?;
    let Some(user) = check_password(machine, known.clone(), password).await? else {
        if passed.first_in_a_while {
            record_failed(machine).await?;
        }
        return Err(Error::new(
            Kind::Unauthenticated,
            "the name or the password is wrong",
        ));
    };
    gate.forget(known.as_ref(), source);
    Ok(user)
}

/// What these users are called.
pub(crate) async fn names(rows: &mut Rows, ids: Vec<UserId>) -> Result<BTreeMap<UserId, Name>> {
    let mut names = BTreeMap::new();
    for id in ids {
        if let Some(account) = sql::by_id(rows, &id).await? {
            names.insert(id, account.name);
        }
    }
    Ok(names)
}

/// The account whose name and password these are, if it is enabled.
async fn check_password(
    machine: &Ctx,
    name: Option<Name>,
    password: SecretString,
) -> Result<Option<UserId>> {
    let found = door::read(machine, ListUsers, &Target::House, move |rows| {
        Box::pin(async move {
            let account = match name {
                Some(name) => sql::by_name(rows, &name).await?,
                None => None,
            };
            let Some(account) = account.filter(|account| account.disabled_at.is_none()) else {
                return Ok(None);
            };
            let password = sql::password_of(rows, &account.id).await?;
            Ok(password.map(|password| (account.id, password.hash)))
        })
    })
    .await?;
    let hash = found.as_ref().map(|(_, hash)| hash.as_str());
    let matches = password::matches(password, hash).await?;
    Ok(found.filter(|_| matches).map(|(id, _)| id))
}
