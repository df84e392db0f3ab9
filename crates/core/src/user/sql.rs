//! Every statement on `account` and `password`.

use statehouse_model::{Name, UserId};

use crate::error::Result;
use crate::record::{Ask, Rows, record};

record! {
    /// A person's account.
    pub(crate) struct Account in "account" key 1 {
        id: UserId,
        name: Name,
        operator: bool,
        disabled_at: Option<i64>,
        created_at: i64,
    }
}

record! {
    /// The argon2id hash of an account's password, in PHC form.
    pub(crate) struct Password in "password" key 1 {
        account: UserId,
        hash: String,
        changed_at: i64,
    }
}

pub(crate) async fn by_id(rows: &mut Rows, id: &UserId) -> Result<Option<Account>> {
    rows.by_key(vec![id.as_str().into()]).await
}

/// What [`by_id`] will ask.
pub(crate) fn ask_id(id: &UserId) -> Ask {
    Ask::rows::<Account>("WHERE id = $1", vec![id.as_str().into()])
}

pub(crate) async fn by_name(rows: &mut Rows, name: &Name) -> Result<Option<Account>> {
    rows.one("WHERE name = $1", &[name.as_str().into()]).await
}

/// The account whose name differs from this one in case at most: people and
/// the limits on logins do not tell them apart.
pub(crate) async fn spelled_like(rows: &mut Rows, name: &Name) -> Result<Option<Account>> {
    let name = name.as_str().to_ascii_lowercase();
    rows.one("WHERE lower(name) = $1", &[name.into()]).await
}

pub(crate) async fn all(rows: &mut Rows) -> Result<Vec<Account>> {
    rows.find("ORDER BY name", &[]).await
}

/// The accounts of these ids, at most a few hundred.
pub(crate) async fn by_ids(rows: &mut Rows, ids: &[UserId]) -> Result<Vec<Account>> {
    let places: Vec<String> = (1..=ids.len()).map(|number| format!("${number}")).collect();
    let clause = format!("WHERE id IN ({}) ORDER BY name", places.join(", "));
    let values: Vec<_> = ids.iter().map(|id| id.as_str().into()).collect();
    rows.find(&clause, &values).await
}

/// How many enabled accounts operate the site.
pub(crate) async fn operators(rows: &mut Rows) -> Result<usize> {
    let found: Vec<Account> = rows
        .find("WHERE operator = 1 AND disabled_at IS NULL", &[])
        .await?;
    Ok(found.len())
}

pub(crate) async fn password_of(rows: &mut Rows, id: &UserId) -> Result<Option<Password>> {
    rows.one("WHERE account = $1", &[id.as_str().into()]).await
}
