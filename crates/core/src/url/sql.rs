//! Every statement on `signed_url`.

use statehouse_model::UrlId;

use crate::db::Value;
use crate::error::Result;
use crate::record::{Rows, record};

record! {
    /// Who may do what to one object, without showing the token again.
    pub(crate) struct SignedUrl in "signed_url" key 1 {
        id: UrlId,
        actor: String,
        /// The id of the token, a user's or one of the house.
        token: String,
        /// A word of [`super::Purpose`].
        purpose: String,
        /// The id of the object: of a version at first, now of other things, too.
        version: String,
        /// The id of what the object belongs to: a workspace, or a policy set.
        workspace: String,
        created_at: i64,
        expires_at: i64,
        /// When it was used, for what is done once.
        used_at: Option<i64>,
    }
}

pub(crate) async fn by_id(rows: &mut Rows, id: &UrlId) -> Result<Option<SignedUrl>> {
    rows.one("WHERE id = $1", &[id.as_str().into()]).await
}

/// The address of an object for a purpose, that a token has until after `until`.
pub(crate) async fn of_object(
    rows: &mut Rows,
    object: &str,
    purpose: &str,
    token: &str,
    until: i64,
) -> Result<Option<SignedUrl>> {
    let clause = "WHERE version = $1 AND purpose = $2 AND token = $3 AND expires_at > $4
        ORDER BY expires_at LIMIT 1";
    let values = [
        object.into(),
        purpose.into(),
        token.into(),
        Value::Int(until),
    ];
    rows.one(clause, &values).await
}

/// The address of an object for a purpose, whoever was given it.
pub(crate) async fn any_of_object(
    rows: &mut Rows,
    object: &str,
    purpose: &str,
) -> Result<Option<SignedUrl>> {
    let clause = "WHERE version = $1 AND purpose = $2 ORDER BY expires_at LIMIT 1";
    rows.one(clause, &[object.into(), purpose.into()]).await
}

/// Addresses that ended before `now`.
pub(crate) async fn ended(rows: &mut Rows, now: i64, limit: i64) -> Result<Vec<SignedUrl>> {
    let clause = "WHERE expires_at < $1 ORDER BY expires_at, id LIMIT $2";
    rows.find(clause, &[Value::Int(now), Value::Int(limit)])
        .await
}
