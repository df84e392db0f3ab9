//! Signed addresses: what terraform fetches and sends without its token.
//!
//! An address names a stored grant: an actor and the token that it asked with,
//! a purpose, one object, and an end. It carries a MAC over the grant's id, so
//! that ids alone open nothing. Whoever uses it acts as that actor, with that
//! token's scopes, and the door asks for the permission again; when the token
//! or its user ends, so do its addresses.
//!
//! Deliberately absent: addresses for actors without a token, and any use of
//! one without the row.

pub(crate) mod sql;

use std::sync::Arc;

use statehouse_model::{
    ConfigurationId, PolicyBundleId, PolicySetId, RunId, UrlId, VersionId, WorkspaceId,
};
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
    /// Give out an address to follow a log under.
    SignLog = "url.sign-log" needs RunRead;
}

/// How long an upload may take to begin: what the clients' own retries need.
pub(crate) const UPLOAD_LIFE_US: i64 = 15 * 60 * 1_000_000;
/// How long a download may take to begin.
pub(crate) const DOWNLOAD_LIFE_US: i64 = 5 * 60 * 1_000_000;
/// How long a log may be followed under one address: clients ask for it once and
/// follow the log to its end.
pub(crate) const LOG_LIFE_US: i64 = 6 * 3600 * 1_000_000;
/// An address that is good for so long is given out again instead of a new one.
const REUSED_LEFT_US: i64 = DOWNLOAD_LIFE_US / 2;
/// Ended addresses removed with each new one: more than are made.
const ENDED_MAX: i64 = 4;

/// What an address is for, and of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// Upload the bytes of an announced version, once.
    PutState(VersionId),
    /// Upload its JSON form, once.
    PutJson(VersionId),
    /// Download the bytes of a version.
    GetState(VersionId),
    /// Download its JSON form.
    GetJson(VersionId),
    /// Upload a configuration, once.
    PutConfiguration(ConfigurationId),
    /// Upload a bundle of policies, once.
    PutPolicies(PolicyBundleId),
    /// Follow the log of a plan.
    GetPlanLog(RunId),
    /// Follow the log of an apply.
    GetApplyLog(RunId),
}

impl Purpose {
    /// The purpose that a row holds as a word and an object's id.
    fn read(word: &str, object: &str) -> Option<Self> {
        match word {
            "state.put" => object.parse().ok().map(Self::PutState),
            "json.put" => object.parse().ok().map(Self::PutJson),
            "state.get" => object.parse().ok().map(Self::GetState),
            "json.get" => object.parse().ok().map(Self::GetJson),
            "configuration.put" => object.parse().ok().map(Self::PutConfiguration),
            "policies.put" => object.parse().ok().map(Self::PutPolicies),
            "plan-log.get" => object.parse().ok().map(Self::GetPlanLog),
            "apply-log.get" => object.parse().ok().map(Self::GetApplyLog),
            _ => None,
        }
    }

    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::PutState(_) => "state.put",
            Self::PutJson(_) => "json.put",
            Self::GetState(_) => "state.get",
            Self::GetJson(_) => "json.get",
            Self::PutConfiguration(_) => "configuration.put",
            Self::PutPolicies(_) => "policies.put",
            Self::GetPlanLog(_) => "plan-log.get",
            Self::GetApplyLog(_) => "apply-log.get",
        }
    }

    fn object(&self) -> &str {
        match self {
            Self::PutState(id) | Self::PutJson(id) | Self::GetState(id) | Self::GetJson(id) => {
                id.as_str()
            }
            Self::PutConfiguration(id) => id.as_str(),
            Self::PutPolicies(id) => id.as_str(),
            Self::GetPlanLog(id) | Self::GetApplyLog(id) => id.as_str(),
        }
    }

    fn life_us(&self) -> i64 {
        match self {
            Self::PutState(_)
            | Self::PutJson(_)
            | Self::PutConfiguration(_)
            | Self::PutPolicies(_) => UPLOAD_LIFE_US,
            Self::GetState(_) | Self::GetJson(_) => DOWNLOAD_LIFE_US,
            Self::GetPlanLog(_) | Self::GetApplyLog(_) => LOG_LIFE_US,
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

/// What an object belongs to.
#[derive(Debug, Clone)]
pub enum Within {
    /// A workspace.
    Workspace(Workspace),
    /// A policy set.
    PolicySet(PolicySetId),
}

impl Within {
    /// What a row holds as an id.
    fn read(id: &str) -> Option<Self> {
        let workspace = id
            .parse()
            .map(|id: WorkspaceId| Self::Workspace(Workspace::Id(id)));
        workspace.or_else(|_| id.parse().map(Self::PolicySet)).ok()
    }
}

/// What a genuine address allows.
#[derive(Debug, Clone)]
pub struct Granted {
    /// The grant.
    pub id: UrlId,
    /// What for, and of what.
    pub purpose: Purpose,
    /// What that belongs to.
    pub within: Within,
    pub(crate) actor: String,
    pub(crate) token: String,
}

impl Granted {
    /// The workspace that its object belongs to, where it is one of a workspace.
    pub fn workspace(&self) -> Result<&Workspace> {
        match &self.within {
            Within::Workspace(workspace) => Ok(workspace),
            Within::PolicySet(_) => Err(Error::not_found("address")),
        }
    }
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
pub(crate) fn wished(ctx: &Ctx, purpose: &Purpose, within: &str) -> Result<SignedUrl> {
    let token = ctx.actor().token().map(str::to_owned);
    let token =
        token.ok_or_else(|| Error::invalid("signed addresses are for callers with a token"))?;
    Ok(SignedUrl {
        id: UrlId::from_entropy(ctx.house().code(), crate::entropy()),
        actor: ctx.actor().id().to_owned(),
        token,
        purpose: purpose.as_str().to_owned(),
        version: purpose.object().to_owned(),
        workspace: within.to_owned(),
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

/// Whether what an address allows once was done.
pub(crate) async fn is_used(rows: &mut Rows, id: &UrlId) -> Result<bool> {
    let found = sql::by_id(rows, id).await?;
    Ok(found.is_none_or(|row| row.used_at.is_some()))
}

/// An address that the caller was given for this and that is good for a while.
pub(crate) async fn given(
    rows: &mut Rows,
    ctx: &Ctx,
    purpose: &Purpose,
    left_us: i64,
) -> Result<Option<Signed>> {
    let Some(token) = ctx.actor().token() else {
        return Ok(None);
    };
    let until = ctx.house().now().saturating_add(left_us);
    let found = sql::of_object(rows, purpose.object(), purpose.as_str(), token, until).await?;
    Ok(found.map(|row| signed(&rows.keyring, &row)))
}

/// The same for a download: a client that looks again gets the same address.
pub(crate) async fn given_download(
    rows: &mut Rows,
    ctx: &Ctx,
    purpose: &Purpose,
) -> Result<Option<Signed>> {
    given(rows, ctx, purpose, REUSED_LEFT_US).await
}

/// A new address to download from.
pub(crate) async fn for_download(
    ctx: &Ctx,
    purpose: &Purpose,
    workspace: &WorkspaceId,
) -> Result<Signed> {
    sign(ctx, SignUrl, purpose, workspace).await
}

/// A new address under which a log is followed.
pub(crate) async fn for_log(
    ctx: &Ctx,
    purpose: &Purpose,
    workspace: &WorkspaceId,
) -> Result<Signed> {
    sign(ctx, SignLog, purpose, workspace).await
}

async fn sign<A: Action>(
    ctx: &Ctx,
    action: A,
    purpose: &Purpose,
    workspace: &WorkspaceId,
) -> Result<Signed> {
    let of = Workspace::Id(workspace.clone());
    let given = Arc::new((wished(ctx, purpose, workspace.as_str())?, of.clone()));
    door::change(ctx, action, Target::Workspace(of), move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (row, of) = &*given;
            workspace::sql::needed(tx, of).await?;
            let signed = store(tx, row).await?;
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
        let words = "this signed address has ended; addresses for uploads are good for 15 minutes, for downloads for 5, for logs for 6 hours";
        return Err(Error::new(Kind::Denied, words).hint("run the command again"));
    }
    let purpose = Purpose::read(&row.purpose, &row.version).ok_or_else(unknown)?;
    Ok(Granted {
        id: row.id,
        purpose,
        within: Within::read(&row.workspace).ok_or_else(unknown)?,
        actor: row.actor,
        token: row.token,
    })
}
