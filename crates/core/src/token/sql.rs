//! Every statement on `api_token`.

use statehouse_model::{TokenId, UserId};

use crate::error::Result;
use crate::record::{Rows, record};

record! {
    /// A token of a user.
    pub(crate) struct ApiToken in "api_token" key 1 {
        id: TokenId,
        account: UserId,
        /// The part of the text by which it is found.
        handle: String,
        /// The MAC of the text.
        secret_mac: Vec<u8>,
        label: String,
        /// Names of permissions, separated by spaces.
        scopes: String,
        created_at: i64,
        expires_at: Option<i64>,
        revoked_at: Option<i64>,
    }
}

pub(crate) async fn by_id(rows: &mut Rows, id: &TokenId) -> Result<Option<ApiToken>> {
    rows.one("WHERE id = $1", &[id.as_str().into()]).await
}

pub(crate) async fn by_handle(rows: &mut Rows, handle: &str) -> Result<Option<ApiToken>> {
    rows.one("WHERE handle = $1", &[handle.into()]).await
}

pub(crate) async fn of_account(rows: &mut Rows, account: &UserId) -> Result<Vec<ApiToken>> {
    rows.find(
        "WHERE account = $1 ORDER BY created_at, id",
        &[account.as_str().into()],
    )
    .await
}
