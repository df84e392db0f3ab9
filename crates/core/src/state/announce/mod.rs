//! Versions that are announced before their bytes come, as terraform's `cloud`
//! block has it.
//!
//! The announcement states serial, lineage and MD5; the bytes come later, to a
//! signed address, and must be those. Until then nothing of the version is in
//! any list, and after a quarter of an hour the announcement is void. The same
//! bytes may come twice, because clients retry; other bytes are refused.

pub(crate) mod sql;

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use statehouse_model::VersionId;

use super::put::{Cloud, Expected, fingerprint, put_as};
use super::{CONFLICT, Kept, Put, QUARANTINED, Upload, VersionView, WriteState, lock};
use crate::blob;
use crate::ctx::Ctx;
use crate::door::{self, Entry, Outcome, Target, Tx, actions};
use crate::error::{Error, Kind, Result};
use crate::org;
use crate::record::Rows;
use crate::url::{self, Granted, Purpose, Signed};
use crate::workspace::{self, Workspace};
use sql::Announcement;

actions! {
    /// Announce a version.
    AnnounceState = "state.announce" needs StateWrite;
}

/// Ended announcements removed with each new one of their workspace.
const ENDED_MAX: i64 = 16;
/// Whose bytes have not come yet.
pub(crate) const PENDING: &str = "pending";

/// A version to announce.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Its serial.
    pub serial: u64,
    /// Its lineage.
    pub lineage: String,
    /// The MD5 of its bytes.
    pub md5: [u8; 16],
}

/// An announced version, and where its bytes are to go.
#[derive(Debug, Clone)]
pub struct Announced {
    /// The version, without anything that its bytes would say.
    pub version: VersionView,
    /// Where the bytes go.
    pub state: Signed,
    /// Where their JSON form goes.
    pub json: Signed,
    /// How often a state is stored in the middle of an apply; 0 for not at all.
    pub snapshot_interval_s: u32,
}

impl From<Announcement> for VersionView {
    fn from(announced: Announcement) -> Self {
        Self {
            id: announced.id.to_string(),
            workspace: announced.workspace.to_string(),
            sequence: None,
            status: PENDING.to_owned(),
            opaque: false,
            lineage: announced.lineage,
            serial: Some(announced.serial),
            size: 0,
            resources: 0,
            tool_version: String::new(),
            body_digest: String::new(),
            commitment: String::new(),
            actor: announced.actor,
            fence: 0,
            marks: Vec::new(),
            created_at: announced.created_at,
            leaf: None,
        }
    }
}

/// Announces a version of a workspace whose lock nobody else holds.
pub async fn announce(ctx: &Ctx, workspace: &Workspace, wish: Wish) -> Result<Announced> {
    if wish.serial > statehouse_terraform::state::SERIAL_MAX
        || wish.lineage.len() > statehouse_terraform::state::TEXT_BYTES_MAX
    {
        return Err(Error::invalid("no state has such a serial or lineage"));
    }
    let id = VersionId::from_entropy(ctx.house().code(), crate::entropy());
    let found = workspace::id_of(ctx, AnnounceState, workspace).await?;
    let state = url::wished(ctx, &Purpose::PutState(id.clone()), found.as_str())?;
    let json = url::wished(ctx, &Purpose::PutJson(id.clone()), found.as_str())?;
    let urls = Arc::new((state, json));
    let (wanted, actor) = (Workspace::Id(found), ctx.actor().id().to_owned());
    let target = Target::Workspace(wanted.clone());
    door::change(ctx, AnnounceState, target, move |tx| {
        let (wanted, id, wish, actor) = (wanted.clone(), id.clone(), wish.clone(), actor.clone());
        let urls = urls.clone();
        Box::pin(async move {
            let workspace = workspace::sql::needed(tx, &wanted).await?;
            workspace::freeze::require_thawed(tx, &workspace).await?;
            lock::require_api(tx, &workspace, &actor).await?;
            let now = tx.now();
            for ended in sql::ended(tx, &workspace.id, now, ENDED_MAX).await? {
                tx.remove::<Announcement>(&[ended.id.as_str().into()])
                    .await?;
            }
            let row = Announcement {
                id,
                workspace: workspace.id.clone(),
                serial: wish.serial,
                lineage: wish.lineage,
                md5: wish.md5.to_vec(),
                actor,
                stored_as: None,
                created_at: now,
                expires_at: now.saturating_add(url::UPLOAD_LIFE_US),
            };
            tx.put(&row).await?;
            let state = url::store(tx, &urls.0).await?;
            let json = url::store(tx, &urls.1).await?;
            let entry = Entry::new(&workspace.id)
                .fact("version", row.id.as_str())
                .fact("serial", row.serial);
            let announced = Announced {
                version: row.into(),
                state,
                json,
                snapshot_interval_s: org::snapshot_interval_s(tx).await?,
            };
            Ok(Outcome::Recorded(announced, entry))
        })
    })
    .await
}

/// How far an announced version is.
enum Standing {
    /// Its bytes have not come.
    Open(Announcement),
    /// They are there: this was made of them.
    Done(Put),
}

/// Takes the bytes of an announced version, at its signed address.
pub async fn upload(ctx: &Ctx, granted: &Granted, id: &VersionId, bytes: Bytes) -> Result<Put> {
    if let Standing::Done(put) = standing(ctx, granted, id, &bytes).await? {
        return Ok(put);
    }
    let now = u64::try_from(ctx.house().now()).unwrap_or(0);
    let now = UNIX_EPOCH + Duration::from_micros(now);
    let large = bytes.len() >= blob::ROW_MAX / 2;
    let claim = if large {
        let claim = ctx.house().blobs().claim(id.as_str(), now)?;
        Some(claim.ok_or_else(under_way)?)
    } else {
        None
    };
    // Looked at again: whoever had the claim before may have stored it.
    let open = match standing(ctx, granted, id, &bytes).await? {
        Standing::Done(put) => return Ok(put),
        Standing::Open(open) => open,
    };
    let cloud = Cloud {
        id: id.clone(),
        announced: true,
        address: Some(granted.id.clone()),
        expected: Some(Expected {
            md5: open.md5,
            serial: open.serial,
            lineage: open.lineage,
        }),
        rolled_back: None,
    };
    let upload = Upload {
        bytes: bytes.clone(),
        lock_id: None,
    };
    // A caller that goes away does not end this: the claim is held until the
    // change is made or refused, so that nobody writes the same body meanwhile.
    let (caller, workspace) = (ctx.clone(), granted.workspace()?.clone());
    let put = tokio::spawn(async move {
        let put = put_as(&caller, &workspace, upload, Some(cloud)).await;
        drop(claim);
        put
    });
    let put = put
        .await
        .map_err(|error| Error::internal(format!("storing a state: {error}")))?;
    // The same bytes, sent twice at once: the other ones were first.
    if let Err(error) = &put
        && *error.kind() == Kind::Conflict
        && let Ok(Standing::Done(stored)) = standing(ctx, granted, id, &bytes).await
    {
        return Ok(stored);
    }
    put
}

fn under_way() -> Error {
    let words =
        "another upload of this very version is under way, or was cut off when the server stopped";
    Error::new(Kind::Conflict, words).hint("run the command again")
}

/// Whether the announced bytes are there, and are these.
async fn standing(ctx: &Ctx, granted: &Granted, id: &VersionId, bytes: &Bytes) -> Result<Standing> {
    let (id, wanted) = (id.clone(), granted.workspace()?.clone());
    let target = Target::Workspace(wanted.clone());
    let found = door::read(ctx, WriteState, &target, move |rows| {
        Box::pin(async move {
            let workspace = workspace::sql::needed(rows, &wanted).await?;
            let announced = sql::by_id(rows, &id).await?;
            let stored = match &announced {
                Some(announced) => match &announced.stored_as {
                    Some(other) => super::sql::by_id(rows, other).await?,
                    None => None,
                },
                None => super::sql::by_id(rows, &id).await?,
            };
            let own = |version: &super::sql::Version| version.workspace == workspace.id;
            Ok((announced, stored.filter(own)))
        })
    })
    .await?;
    match found {
        (_, Some(stored)) => {
            let (bytes, keyring) = (bytes.clone(), ctx.house().keyring());
            let of_bytes = move || <[u8; 32]>::from(Sha256::digest(&bytes));
            let digest = tokio::task::spawn_blocking(of_bytes)
                .await
                .map_err(|error| Error::internal(error.to_string()))?;
            if !keyring.row_mac_verify(&fingerprint(&digest), &stored.fingerprint) {
                let words = "this address was used already, for other bytes; nothing was stored";
                return Err(Error::new(Kind::Conflict, words)
                    .hint("announce another version for them: run the command again"));
            }
            Ok(Standing::Done(again(stored)))
        }
        (Some(announced), None) if announced.expires_at > ctx.house().now() => {
            Ok(Standing::Open(announced))
        }
        _ => {
            let words = "the version was announced and not uploaded in time; nothing was stored";
            Err(Error::new(Kind::Conflict, words).hint("run the command again"))
        }
    }
}

/// The answer to an upload that is repeated.
fn again(stored: super::sql::Version) -> Put {
    if [CONFLICT, QUARANTINED].contains(&stored.status.as_str()) {
        let unusual = vec!["it was kept aside when it came first".to_owned()];
        let version = stored.into();
        return Put::Kept(Kept { version, unusual });
    }
    Put::Repeated(stored.into())
}

/// The workspace that a version was announced for.
pub(crate) async fn workspace_of(
    rows: &mut Rows,
    id: &VersionId,
) -> Result<Option<statehouse_model::WorkspaceId>> {
    let found = sql::by_id(rows, id).await?;
    Ok(found.map(|found| found.workspace))
}

/// The announcement of an upload, asked in the door.
pub(super) async fn open(rows: &mut Rows, cloud: &Cloud) -> Result<Option<Announcement>> {
    if !cloud.announced {
        return Ok(None);
    }
    let found = sql::by_id(rows, &cloud.id).await?;
    let open = found.filter(|found| found.stored_as.is_none());
    open.ok_or_else(under_way).map(Some)
}

/// Notes what became of an announcement, beside whatever was stored.
pub(super) async fn settle(
    tx: &mut Tx<WriteState>,
    cloud: &Cloud,
    announced: Option<Announcement>,
    outcome: Outcome<Put>,
) -> Result<Outcome<Put>> {
    if let Some(address) = &cloud.address {
        url::used(tx, address).await?;
    }
    let Some(announced) = announced else {
        return Ok(outcome);
    };
    let (put, entry) = match outcome {
        Outcome::Recorded(put, entry) => (put, Some(entry)),
        Outcome::Unchanged(put) => (put, None),
    };
    let version = match &put {
        Put::Stored(version) | Put::Repeated(version) | Put::Kept(Kept { version, .. }) => version,
    };
    if version.id == announced.id.as_str() {
        tx.remove::<Announcement>(&[announced.id.as_str().into()])
            .await?;
    } else {
        let stored_as = version
            .id
            .parse()
            .map_err(|error| Error::internal(format!("{error}")))?;
        tx.put(&Announcement {
            stored_as: Some(stored_as),
            ..announced.clone()
        })
        .await?;
    }
    let entry = entry.unwrap_or_else(|| {
        Entry::new(&announced.workspace)
            .fact("version", version.id.as_str())
            .fact("status", "repeated")
    });
    Ok(Outcome::Recorded(put, entry))
}
