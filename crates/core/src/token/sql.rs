//! Every statement on `api_token` and `house_token`.

use statehouse_model::{ActorId, HouseTokenId, TokenId, TokenOwner, UserId};

use crate::error::Result;
use crate::record::{Ask, Rows, record};

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

record! {
    /// A token of a team or a pool of agents or, where none is named, of the organization itself.
    pub(crate) struct HouseToken in "house_token" key 1 {
        id: HouseTokenId,
        /// Whose it is. The column is older than pools of agents are.
        team: Option<TokenOwner>,
        /// The part of the text by which it is found.
        handle: String,
        /// The MAC of the text.
        secret_mac: Vec<u8>,
        /// The end of the text, to tell one from another.
        last_four: String,
        label: String,
        /// Names of permissions, separated by spaces.
        scopes: String,
        created_by: ActorId,
        created_at: i64,
        expires_at: Option<i64>,
        revoked_at: Option<i64>,
    }
}

pub(crate) async fn by_id(rows: &mut Rows, id: &TokenId) -> Result<Option<ApiToken>> {
    rows.by_key(vec![id.as_str().into()]).await
}

/// What [`by_id`] will ask.
pub(crate) fn ask_id(id: &str) -> Ask {
    Ask::rows::<ApiToken>("WHERE id = $1", vec![id.into()])
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

pub(crate) async fn of_house_by_id(
    rows: &mut Rows,
    id: &HouseTokenId,
) -> Result<Option<HouseToken>> {
    rows.one("WHERE id = $1", &[id.as_str().into()]).await
}

pub(crate) async fn of_house_by_handle(
    rows: &mut Rows,
    handle: &str,
) -> Result<Option<HouseToken>> {
    rows.one("WHERE handle = $1", &[handle.into()]).await
}

/// The tokens of a team or a pool, or of the organization itself, that are not revoked.
pub(crate) async fn of_bearer(
    rows: &mut Rows,
    owner: Option<&TokenOwner>,
) -> Result<Vec<HouseToken>> {
    let order = "AND revoked_at IS NULL ORDER BY created_at, id";
    match owner {
        Some(owner) => {
            let clause = format!("WHERE team = $1 {order}");
            rows.find(&clause, &[owner.as_str().into()]).await
        }
        None => rows.find(&format!("WHERE team IS NULL {order}"), &[]).await,
    }
}

/// The tokens of every team that are not revoked.
pub(crate) async fn of_teams(rows: &mut Rows) -> Result<Vec<HouseToken>> {
    let clause = "WHERE team LIKE 'team-%' AND revoked_at IS NULL ORDER BY team, created_at, id";
    rows.find(clause, &[]).await
}
