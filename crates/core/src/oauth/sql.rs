//! Every statement on `oauth_code`.

use statehouse_model::{CodeId, SessionId, TokenId, UserId};

use crate::error::Result;
use crate::record::{Rows, record};

record! {
    /// A code that a client changes for a token, once.
    pub(crate) struct Code in "oauth_code" key 1 {
        id: CodeId,
        account: UserId,
        session: SessionId,
        /// The MAC of the code.
        secret_mac: Vec<u8>,
        client: String,
        redirect_uri: String,
        /// The SHA-256 of the client's verifier, in Base64url.
        challenge: String,
        /// How long the token shall live.
        life_us: i64,
        expires_at: i64,
        used_at: Option<i64>,
        /// The token that it was changed for.
        token: Option<TokenId>,
    }
}

pub(crate) async fn by_id(rows: &mut Rows, id: &CodeId) -> Result<Option<Code>> {
    rows.one("WHERE id = $1", &[id.as_str().into()]).await
}

/// Codes of an account that were over before `at`.
pub(crate) async fn over_before(rows: &mut Rows, account: &UserId, at: i64) -> Result<Vec<Code>> {
    rows.find(
        "WHERE account = $1 AND expires_at < $2 ORDER BY id",
        &[account.as_str().into(), at.into()],
    )
    .await
}
