//! Users: people with a local account.
//!
//! Accounts live in the site. A password is an argon2id hash in a table of its
//! own; checking one costs the same for a name that does not exist, is limited
//! per name and in parallel, and every failure is in the site's ledger.

mod password;
pub(crate) mod sql;

use std::collections::BTreeMap;

use statehouse_model::{Name, UserId};

use crate::ctx::Ctx;
use crate::door::{self, Entry, Outcome, Target, actions};
use crate::error::{Error, Kind, Result};
use crate::record::Rows;
pub(crate) use password::Gate;
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
            if sql::by_name(tx, &account.name).await?.is_some() {
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

/// Sets an account's password.
pub async fn set_password(ctx: &Ctx, name: Name, password: SecretString) -> Result<()> {
    door::may(ctx, SetPassword, &Target::House).await?;
    let hash = password::hash(password).await?;
    door::change(ctx, SetPassword, Target::House, move |tx| {
        let (name, hash, now) = (name.clone(), hash.clone(), tx.now());
        Box::pin(async move {
            let account = sql::by_name(tx, &name)
                .await?
                .ok_or_else(|| Error::not_found("user"))?;
            let entry = Entry::new(&account.id);
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

/// Ends an account. Its grants stay on record and give nothing.
pub async fn disable(ctx: &Ctx, name: Name) -> Result<UserView> {
    door::change(ctx, DisableUser, Target::House, move |tx| {
        let (name, now) = (name.clone(), tx.now());
        Box::pin(async move {
            let mut account = sql::by_name(tx, &name)
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
            let entry = Entry::new(&account.id);
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
pub(crate) async fn check_password(
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
