//! Configurations: what a client sends to be planned.
//!
//! One is wished first and gets a signed address; the archive comes to it once.
//! It is looked through before it is stored: an archive that reaches out of its
//! root, holds links out of it or devices, or is a bomb, is refused whole. What
//! is in it gets a digest of its own, so that it is the same however it was
//! packed. After that it never changes.
//!
//! Deliberately absent: unpacking. Nothing of a configuration is ever run or
//! read by the server; that is for runners, in their sandbox.

pub(crate) mod sql;

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use statehouse_model::ConfigurationId;
use statehouse_terraform::slug;

use crate::blob;
use crate::ctx::Ctx;
use crate::door::{self, Entry, Outcome, Plan, Target, actions};
use crate::error::{Error, Kind, Result};
use crate::object::Object;
use crate::policy::repository;
use crate::record::Rows;
use crate::state::fingerprint;
use crate::url::{self, Granted, Purpose, Signed};
use crate::workspace::{self, Workspace};
use sql::Configuration;

actions! {
    /// Wish for a configuration to be uploaded.
    WishConfiguration = "configuration.wish" needs RunPlan;
    /// Upload it.
    UploadConfiguration = "configuration.upload" needs RunPlan;
    /// See it.
    ShowConfiguration = "configuration.show" needs RunPlan;
}

/// The archive has not come.
pub(crate) const PENDING: &str = "pending";
/// It is there.
pub(crate) const UPLOADED: &str = "uploaded";

/// What a configuration is wished for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wish {
    /// Only for plans: no run of it applies.
    pub speculative: bool,
    /// For a plan that is saved and applied when its client says so.
    pub provisional: bool,
}

/// A configuration, for people and programs to read.
#[derive(Debug, Clone)]
pub struct ConfigurationView {
    /// Its id.
    pub id: String,
    /// The workspace that it is for.
    pub workspace: String,
    /// `pending` or `uploaded`.
    pub status: String,
    /// Only for plans.
    pub speculative: bool,
    /// For a plan that is saved.
    pub provisional: bool,
    /// Bytes of the archive.
    pub size: u64,
    /// When it was wished for, in microseconds since 1970.
    pub created_at: i64,
    /// Where the archive is to go, until it came.
    pub put: Option<Signed>,
}

impl From<Configuration> for ConfigurationView {
    fn from(row: Configuration) -> Self {
        Self {
            id: row.id.to_string(),
            workspace: row.workspace.to_string(),
            status: row.status,
            speculative: row.speculative,
            provisional: row.provisional,
            size: row.size,
            created_at: row.created_at,
            put: None,
        }
    }
}

/// Wishes for a configuration; the answer says where its archive is to go.
pub async fn wish(ctx: &Ctx, workspace: &Workspace, wish: Wish) -> Result<ConfigurationView> {
    let id = ConfigurationId::from_entropy(ctx.house().code(), crate::entropy());
    let found = workspace::id_of(ctx, WishConfiguration, workspace).await?;
    let address = Arc::new(url::wished(
        ctx,
        &Purpose::PutConfiguration(id.clone()),
        found.as_str(),
    )?);
    let actor = ctx.actor().id().to_owned();
    let wanted = Workspace::Id(found);
    door::change(
        ctx,
        WishConfiguration,
        Target::Workspace(wanted.clone()),
        move |tx| {
            let (id, wanted, actor) = (id.clone(), wanted.clone(), actor.clone());
            let address = address.clone();
            Box::pin(async move {
                let workspace = workspace::sql::needed(tx, &wanted).await?;
                let row = Configuration {
                    id,
                    workspace: workspace.id.clone(),
                    status: PENDING.to_owned(),
                    speculative: wish.speculative,
                    provisional: wish.provisional,
                    actor,
                    created_at: tx.now(),
                    size: 0,
                    digest: Vec::new(),
                    fingerprint: Vec::new(),
                    body_digest: Vec::new(),
                    commitment: Vec::new(),
                };
                tx.put(&row).await?;
                let put = url::store(tx, &address).await?;
                let entry = Entry::new(&workspace.id).fact("configuration", row.id.as_str());
                let view = ConfigurationView {
                    put: Some(put),
                    ..row.into()
                };
                Ok(Outcome::Recorded(view, entry))
            })
        },
    )
    .await
}

/// Looks an archive through, on a thread that may block.
async fn inspected(bytes: Bytes) -> Result<slug::Contents> {
    let look =
        tokio::task::spawn_blocking(move || slug::inspect(&bytes[..], &slug::Limits::default()));
    let looked = look
        .await
        .map_err(|error| Error::internal(format!("looking through an archive: {error}")))?;
    looked.map_err(|refused| {
        Error::invalid(refused.to_string())
            .hint("nothing was stored; send a gzip-compressed tar of plain files and folders")
    })
}

/// What became of a configuration so far.
enum Standing {
    /// These very bytes are there.
    Done,
    /// It waits for its archive.
    Open(Configuration),
}

/// Takes the archive of a configuration, at its signed address. The same bytes
/// again are answered alike; others are refused.
pub async fn upload(
    ctx: &Ctx,
    granted: &Granted,
    id: &ConfigurationId,
    bytes: Bytes,
) -> Result<()> {
    let archive: [u8; 32] = Sha256::digest(&bytes).into();
    if let Standing::Done = standing(ctx, granted, id, &archive).await? {
        return Ok(());
    }
    let claim = if bytes.len() >= blob::ROW_MAX / 2 {
        let now = u64::try_from(ctx.house().now()).unwrap_or(0);
        let now = UNIX_EPOCH + Duration::from_micros(now);
        let claim = ctx.house().blobs().claim(id.as_str(), now)?;
        Some(claim.ok_or_else(under_way)?)
    } else {
        None
    };
    // Looked at again: whoever had the claim before may have stored it.
    let open = match standing(ctx, granted, id, &archive).await? {
        Standing::Done => return Ok(()),
        Standing::Open(open) => open,
    };
    // A caller that goes away does not end this: the claim is held until the
    // change is made or refused, so that nobody writes the same file meanwhile.
    let (caller, address) = (ctx.clone(), granted.clone());
    let stored = tokio::spawn(async move {
        let stored = take(&caller, &address, open, archive, bytes).await;
        drop(claim);
        stored
    });
    let stored = stored
        .await
        .map_err(|error| Error::internal(format!("storing a configuration: {error}")))?;
    // The same bytes, sent twice at once: the other ones were first.
    if let Err(error) = &stored
        && *error.kind() == Kind::Conflict
        && let Ok(Standing::Done) = standing(ctx, granted, id, &archive).await
    {
        return Ok(());
    }
    stored
}

fn under_way() -> Error {
    let words =
        "another upload of this configuration is under way, or was cut off when the server stopped";
    Error::new(Kind::Conflict, words).hint("run the command again")
}

/// Looks through an archive, seals it, and stores it in the place of nothing.
async fn take(
    ctx: &Ctx,
    granted: &Granted,
    open: Configuration,
    archive: [u8; 32],
    bytes: Bytes,
) -> Result<()> {
    let (id, target) = (
        open.id.clone(),
        Target::Workspace(granted.workspace()?.clone()),
    );
    let contents = inspected(bytes.clone()).await?;
    let keyring = ctx.house().keyring();
    let mut row = Configuration {
        status: UPLOADED.to_owned(),
        size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        digest: contents.digest.to_vec(),
        fingerprint: keyring.row_mac(&fingerprint(&archive)).to_vec(),
        ..open
    };
    let (stored, _) = Object::from(&row).seal(ctx, bytes).await?;
    row.body_digest = stored.body_digest.to_vec();
    row.commitment = stored.commitment.to_vec();
    let plan = Plan {
        weight: stored.body.as_ref().map_or(0, Vec::len),
        asks: Vec::new(),
    };
    let brought = repository::brought(&row, &contents);
    let (given, address) = (Arc::new((row, stored, brought)), granted.id.clone());
    let result = door::planned(ctx, UploadConfiguration, target, plan, move |tx| {
        let (given, address) = (given.clone(), address.clone());
        Box::pin(async move {
            let (row, stored, brought) = &*given;
            let now_there = sql::by_id(tx, &row.id).await?;
            if now_there.is_none_or(|there| there.status != PENDING) {
                let words = "another upload of this configuration was first";
                return Err(Error::new(Kind::Conflict, words).hint("run the command again"));
            }
            tx.put(row).await?;
            blob::sql::insert_object(tx, row.id.as_str(), stored).await?;
            url::used(tx, &address).await?;
            let mut entry = Entry::new(&row.workspace)
                .fact("configuration", row.id.as_str())
                .fact("size", row.size)
                .fact("body", hex::encode(&row.body_digest))
                .fact("commitment", hex::encode(&row.commitment));
            if let Some(brought) = brought {
                tx.put(brought).await?;
                entry = entry
                    .fact("policy-files", brought.files)
                    .fact("policies", hex::encode(&brought.digest));
            }
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await;
    if result
        .as_ref()
        .is_err_and(|error| *error.kind() != Kind::Unavailable)
    {
        // Whether an unanswered change was made is not known: then the file stays.
        forget_unless_named(ctx, granted.workspace()?, &id).await;
    }
    result
}

/// Removes the file of an archive that no row came to name.
async fn forget_unless_named(ctx: &Ctx, workspace: &Workspace, id: &ConfigurationId) {
    let pending = row_of(ctx, workspace, id).await;
    if pending.is_ok_and(|row| row.status == PENDING) {
        ctx.house().blobs().forget(id.as_str());
    }
}

async fn row_of(ctx: &Ctx, workspace: &Workspace, id: &ConfigurationId) -> Result<Configuration> {
    let (wanted, id) = (workspace.clone(), id.clone());
    let target = Target::Workspace(wanted.clone());
    door::read(ctx, UploadConfiguration, &target, move |rows| {
        Box::pin(async move { needed(rows, &wanted, &id).await })
    })
    .await
}

/// Whether the archive is there, and is this one.
async fn standing(
    ctx: &Ctx,
    granted: &Granted,
    id: &ConfigurationId,
    archive: &[u8; 32],
) -> Result<Standing> {
    let row = row_of(ctx, granted.workspace()?, id).await?;
    if row.status != UPLOADED {
        return Ok(Standing::Open(row));
    }
    let keyring = ctx.house().keyring();
    if keyring.row_mac_verify(&fingerprint(archive), &row.fingerprint) {
        return Ok(Standing::Done);
    }
    let words = "this address was used already, for another archive; nothing was stored";
    Err(Error::new(Kind::Conflict, words).hint("run the command again"))
}

/// A configuration of a workspace, which must be there.
pub(crate) async fn needed(
    rows: &mut Rows,
    workspace: &Workspace,
    id: &ConfigurationId,
) -> Result<Configuration> {
    let workspace = workspace::sql::needed(rows, workspace).await?;
    let found = sql::by_id(rows, id).await?;
    let own = found.filter(|found| found.workspace == workspace.id);
    own.ok_or_else(|| Error::not_found("configuration"))
}

/// One configuration, by its id.
pub async fn show(ctx: &Ctx, id: &ConfigurationId) -> Result<ConfigurationView> {
    let (wanted, id) = (Workspace::OfConfiguration(id.clone()), id.clone());
    let target = Target::Workspace(wanted.clone());
    door::read(ctx, ShowConfiguration, &target, move |rows| {
        Box::pin(async move { Ok(needed(rows, &wanted, &id).await?.into()) })
    })
    .await
}
