//! Signed addresses: what terraform fetches and sends without its token.
//!
//! An address names a stored grant: an actor and the token that it asked with,
//! a purpose, one version, and an end. It carries a MAC over the grant's id, so
//! that ids alone open nothing. Whoever uses it acts as that actor, with that
//! token's scopes, and the door asks for the permission again; when the token
//! or its user ends, so do its addresses.
//!
//! Deliberately absent: addresses for actors without a token, and any use of
//! one without the row.

pub(crate) mod sql;

use std::sync::Arc;

use statehouse_model::{UrlId, VersionId, WorkspaceId};
use statehouse_seal::Keyring;

use crate::ctx::Ctx;
use crate::door::{self, Action, Entry, Outcome, Target, Tx, actions};
use crate::error::{Error, Kind, Result};
use crate::house::House;
use crate::record::Rows;
use crate::workspace::{self, Workspace};
use sql::SignedUrl;

actions! {
    /// Give out an address to download from.
    SignUrl = "url.sign" needs StateRead;
}

/// How long an upload may take to begin: what the clients' own retries need.
pub(crate) const UPLOAD_LIFE_US: i64 = 15 * 60 * 1_000_000;
/// How long a download may take to begin.
pub(crate) const DOWNLOAD_LIFE_US: i64 = 5 * 60 * 1_000_000;
/// An address that is good for so long is given out again instead of a new one.
const REUSED_LEFT_US: i64 = DOWNLOAD_LIFE_US / 2;
/// Ended addresses removed with each new one: more than are made.
const ENDED_MAX: i64 = 4;

/// What an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Upload the bytes of an announced version, once.
    PutState,
    /// Upload its JSON form, once.
    PutJson,
    /// Download the bytes of a version.
    GetState,
    /// Download its JSON form.
    GetJson,
}

impl Purpose {
    const ALL: [Self; 4] = [Self::PutState, Self::PutJson, Self::GetState, Self::GetJson];

    fn as_str(self) -> &'static str {
        match self {
            Self::PutState => "state.put",
            Self::PutJson => "json.put",
            Self::GetState => "state.get",
            Self::GetJson => "json.get",
        }
    }

    fn life_us(self) -> i64 {
        match self {
            Self::PutState | Self::PutJson => UPLOAD_LIFE_US,
            Self::GetState | Self::GetJson => DOWNLOAD_LIFE_US,
        }
    }
}

/// An address, as far as the core knows it: the edge makes a link of it.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The grant.
    pub id: UrlId,
    /// The MAC over its id, in hex. Secret: it is the right to use the address.
    pub signature: String,
}

/// What a genuine address allows.
#[derive(Debug, Clone)]
pub struct Granted {
    /// The grant.
    pub id: UrlId,
    /// What for.
    pub purpose: Purpose,
    /// To which version.
    pub version: VersionId,
    /// Of which workspace.
    pub workspace: Workspace,
    pub(crate) actor: String,
    pub(crate) token: String,
}

fn message(id: &UrlId) -> Vec<u8> {
    [b"statehouse signed url\0", id.as_str().as_bytes()].concat()
}

/// The address of a stored grant.
pub(crate) fn signed(keyring: &Keyring, row: &SignedUrl) -> Signed {
    Signed {
        id: row.id.clone(),
        signature: hex::encode(keyring.token_mac(&message(&row.id))),
    }
}

/// A grant to be stored, for the caller's own actor and token.
pub(crate) fn wished(
    ctx: &Ctx,
    purpose: Purpose,
    workspace: &WorkspaceId,
    version: &VersionId,
) -> Result<SignedUrl> {
    let token = ctx.actor().token().map(str::to_owned);
    let token =
        token.ok_or_else(|| Error::invalid("signed addresses are for callers with a token"))?;
    Ok(SignedUrl {
        id: UrlId::from_entropy(ctx.house().code(), crate::entropy()),
        actor: ctx.actor().id().to_owned(),
        token,
        purpose: purpose.as_str().to_owned(),
        version: version.clone(),
        workspace: workspace.clone(),
        created_at: 0,
        expires_at: purpose.life_us(),
        used_at: None,
    })
}

/// Stores a grant from [`wished`], and removes some that ended.
pub(crate) async fn store<A: Action>(tx: &mut Tx<A>, wished: &SignedUrl) -> Result<Signed> {
    let now = tx.now();
    for ended in sql::ended(tx, now, ENDED_MAX).await? {
        tx.remove::<SignedUrl>(&[ended.id.as_str().into()]).await?;
    }
    let row = SignedUrl {
        created_at: now,
        expires_at: now.saturating_add(wished.expires_at),
        ..wished.clone()
    };
    tx.put(&row).await?;
    Ok(signed(&tx.keyring, &row))
}

/// Notes that what an address allows once was done.
pub(crate) async fn used<A: Action>(tx: &mut Tx<A>, id: &UrlId) -> Result<()> {
    if let Some(mut row) = sql::by_id(tx, id).await? {
        row.used_at = Some(tx.now());
        tx.put(&row).await?;
    }
    Ok(())
}

/// An address that the caller was given for this and that is good for a while.
pub(crate) async fn given(
    rows: &mut Rows,
    ctx: &Ctx,
    purpose: Purpose,
    version: &VersionId,
    left_us: i64,
) -> Result<Option<Signed>> {
    let Some(token) = ctx.actor().token() else {
        return Ok(None);
    };
    let until = ctx.house().now().saturating_add(left_us);
    let found = sql::of_version(rows, version, purpose.as_str(), token, until).await?;
    Ok(found.map(|row| signed(&rows.keyring, &row)))
}

/// The same for a download: a client that looks again gets the same address.
pub(crate) async fn given_download(
    rows: &mut Rows,
    ctx: &Ctx,
    purpose: Purpose,
    version: &VersionId,
) -> Result<Option<Signed>> {
    given(rows, ctx, purpose, version, REUSED_LEFT_US).await
}

/// A new address to download from.
pub(crate) async fn for_download(
    ctx: &Ctx,
    purpose: Purpose,
    workspace: &WorkspaceId,
    version: &VersionId,
) -> Result<Signed> {
    let row = Arc::new(wished(ctx, purpose, workspace, version)?);
    let target = Target::Workspace(Workspace::Id(workspace.clone()));
    door::change(ctx, SignUrl, target, move |tx| {
        let row = row.clone();
        Box::pin(async move {
            workspace::sql::needed(tx, &Workspace::Id(row.workspace.clone())).await?;
            let signed = store(tx, &row).await?;
            let entry = Entry::new(&row.version)
                .fact("url", row.id.as_str())
                .fact("purpose", row.purpose.as_str());
            Ok(Outcome::Recorded(signed, entry))
        })
    })
    .await
}

/// The same work for a house that is not there: a look, and a MAC.
pub(crate) async fn of_nobody(site: &House, id: &UrlId, signature: &str) -> Error {
    if let Ok(rows) = door::look(site).await {
        let shown = hex::decode(signature).unwrap_or_default();
        rows.keyring.token_mac_verify(&message(id), &shown);
        rows.transaction.rollback().await;
    }
    Error::not_found("address")
}

/// What an address allows, if it is one that this house gave out and it has not ended.
pub(crate) async fn open(house: &Arc<House>, id: &UrlId, signature: &str) -> Result<Granted> {
    let mut rows = door::look(house).await?;
    let found = sql::by_id(&mut rows, id).await;
    // Computed whether or not there is a row.
    let shown = hex::decode(signature).unwrap_or_default();
    let genuine = rows.keyring.token_mac_verify(&message(id), &shown);
    rows.transaction.rollback().await;
    let unknown = || Error::not_found("address");
    let row = found?.filter(|_| genuine).ok_or_else(unknown)?;
    if row.expires_at <= house.now() {
        let words = "this signed address has ended; addresses for uploads are good for 15 minutes, for downloads for 5";
        return Err(Error::new(Kind::Denied, words).hint("run the command again"));
    }
    let purpose = Purpose::ALL
        .into_iter()
        .find(|purpose| purpose.as_str() == row.purpose)
        .ok_or_else(unknown)?;
    Ok(Granted {
        id: row.id,
        purpose,
        version: row.version,
        workspace: Workspace::Id(row.workspace),
        actor: row.actor,
        token: row.token,
    })
}
