//! Every statement on `session`.

use statehouse_model::{SessionId, UserId};

use crate::error::Result;
use crate::record::{Rows, record};

record! {
    /// One sign-in of a person with a browser.
    pub(crate) struct Session in "session" key 1 {
        id: SessionId,
        account: UserId,
        /// The MAC of what the browser shows.
        secret_mac: Vec<u8>,
        created_at: i64,
        /// Its last use, told every ten minutes.
        seen_at: i64,
        expires_at: i64,
        ended_at: Option<i64>,
    }
}

pub(crate) async fn by_id(rows: &mut Rows, id: &SessionId) -> Result<Option<Session>> {
    rows.one("WHERE id = $1", &[id.as_str().into()]).await
}

pub(crate) async fn of_account(rows: &mut Rows, account: &UserId) -> Result<Vec<Session>> {
    rows.find(
        "WHERE account = $1 ORDER BY created_at, id",
        &[account.as_str().into()],
    )
    .await
}

/// Sessions that nobody ended, over or not.
pub(crate) async fn open(rows: &mut Rows) -> Result<Vec<Session>> {
    rows.find("WHERE ended_at IS NULL", &[]).await
}
