//! One version with all that clients want to know of it: what it is, whether
//! its JSON form is there, and the addresses under which its bytes travel.

use statehouse_model::{Permission, VersionId, WorkspaceId};

use super::newest::{self, Claim};
use super::{ListVersions, PAGE_MAX, VersionView, announce, json, sql};
use crate::access;
use crate::ctx::Ctx;
use crate::door::{self, Target};
use crate::error::{Error, Result};
use crate::org;
use crate::record::Rows;
use crate::url::{self, Purpose, Signed};
use crate::workspace::{self, Page, Workspace};

/// A version and its addresses.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The version.
    pub version: VersionView,
    /// Where its bytes are; `None` for callers who may not read them.
    pub state: Option<Signed>,
    /// Where its JSON form is, if there is one and the caller may read it.
    pub json: Option<Signed>,
    /// Where its bytes are to go, if they were announced by the caller's token.
    pub put_state: Option<Signed>,
    /// Where its JSON form is to go, likewise.
    pub put_json: Option<Signed>,
    /// How often a state is stored in the middle of an apply; 0 for not at all.
    pub snapshot_interval_s: u32,
}

/// What was found, before addresses are given out.
struct Found {
    shown: Shown,
    workspace: WorkspaceId,
    /// The version that has the bytes.
    bytes: Option<VersionId>,
    readable: bool,
    has_json: bool,
}

/// The current version of a workspace, `None` when it has no state yet; and how
/// often a state is stored in the middle of an apply, which clients want to
/// know in either case.
pub async fn current(ctx: &Ctx, workspace: &Workspace) -> Result<(Option<Shown>, u32)> {
    for _ in 0..newest::TRIES {
        let looked = look(ctx, workspace).await?;
        if looked.claim.holds(ctx, workspace).await? {
            let shown = match looked.found {
                Some(found) => Some(addressed(ctx, found).await?),
                None => None,
            };
            return Ok((shown, looked.interval_s));
        }
    }
    Err(newest::moves(ctx).await)
}

/// What the rows say of a current version.
struct Looked {
    found: Option<Found>,
    interval_s: u32,
    claim: Claim,
}

async fn look(ctx: &Ctx, workspace: &Workspace) -> Result<Looked> {
    let (wanted, asked) = (workspace.clone(), ctx.clone());
    let target = Target::Workspace(workspace.clone());
    door::read(ctx, ListVersions, &target, move |rows| {
        Box::pin(async move {
            let workspace = workspace::sql::needed(rows, &wanted).await?;
            let head = super::head_of(rows, &workspace).await?;
            let found = match &head {
                Some(head) => find(rows, &asked, &workspace, head.id.clone()).await?,
                None => None,
            };
            Ok(Looked {
                found,
                interval_s: org::snapshot_interval_s(rows).await?,
                claim: Claim::of(rows, &workspace, head.as_ref()).await?,
            })
        })
    })
    .await
}

/// One version, announced or stored.
pub async fn shown(ctx: &Ctx, id: VersionId) -> Result<Shown> {
    let workspace = Workspace::Of(id.clone());
    let (wanted, asked) = (workspace.clone(), ctx.clone());
    let target = Target::Workspace(workspace);
    let found = door::read(ctx, ListVersions, &target, move |rows| {
        Box::pin(async move {
            let workspace = workspace::sql::needed(rows, &wanted).await?;
            find(rows, &asked, &workspace, id).await
        })
    });
    let found = found.await?.ok_or_else(|| Error::not_found("version"))?;
    addressed(ctx, found).await
}

/// With the addresses that it has not been given yet.
async fn addressed(ctx: &Ctx, mut found: Found) -> Result<Shown> {
    let Some(bytes) = found.bytes.filter(|_| found.readable) else {
        return Ok(found.shown);
    };
    if ctx.actor().token().is_none() || ctx.house().read_only().is_some() {
        return Ok(found.shown);
    }
    if found.shown.state.is_none() {
        let signed =
            url::for_download(ctx, &Purpose::GetState(bytes.clone()), &found.workspace).await?;
        found.shown.state = Some(signed);
    }
    if found.has_json && found.shown.json.is_none() {
        let signed = url::for_download(ctx, &Purpose::GetJson(bytes), &found.workspace).await?;
        found.shown.json = Some(signed);
    }
    Ok(found.shown)
}

async fn find(
    rows: &mut Rows,
    ctx: &Ctx,
    workspace: &workspace::sql::Workspace,
    id: VersionId,
) -> Result<Option<Found>> {
    let announced = announce::sql::by_id(rows, &id).await?;
    let announced = announced.filter(|announced| announced.workspace == workspace.id);
    let bytes = match &announced {
        Some(announced) => announced.stored_as.clone(),
        None => Some(id.clone()),
    };
    let stored = match &bytes {
        Some(bytes) => sql::by_id(rows, bytes).await?,
        None => None,
    };
    let stored = stored.filter(|stored| stored.workspace == workspace.id);
    let view = match (stored, announced) {
        (Some(stored), _) => VersionView {
            id: id.to_string(),
            ..stored.into()
        },
        (None, Some(announced)) if announced.expires_at > ctx.house().now() => announced.into(),
        _ => return Ok(None),
    };
    let mut shown = Shown {
        version: view,
        state: None,
        json: None,
        put_state: None,
        put_json: None,
        snapshot_interval_s: org::snapshot_interval_s(rows).await?,
    };
    let target = Target::Workspace(Workspace::Id(workspace.id.clone()));
    let now = ctx.house().now();
    let readable = access::holds(rows, ctx, Permission::StateRead, &target, now).await?;
    let mut has_json = false;
    if let Some(bytes) = &bytes {
        has_json = json::sql::of_version(rows, bytes).await?.is_some();
        if readable {
            shown.state = url::given_download(rows, ctx, &Purpose::GetState(bytes.clone())).await?;
            shown.json = url::given_download(rows, ctx, &Purpose::GetJson(bytes.clone())).await?;
        }
    } else {
        shown.put_state = url::given(rows, ctx, &Purpose::PutState(id.clone()), 0).await?;
        shown.put_json = url::given(rows, ctx, &Purpose::PutJson(id.clone()), 0).await?;
    }
    Ok(Some(Found {
        shown,
        workspace: workspace.id.clone(),
        bytes,
        readable,
        has_json,
    }))
}

/// A page of the versions of a workspace, the newest first; `number` from 1.
pub async fn page(
    ctx: &Ctx,
    workspace: &Workspace,
    number: u64,
    size: usize,
) -> Result<Page<VersionView>> {
    let wanted = workspace.clone();
    let target = Target::Workspace(workspace.clone());
    door::read(ctx, ListVersions, &target, move |rows| {
        Box::pin(async move {
            let workspace = workspace::sql::needed(rows, &wanted).await?;
            let total = sql::count(rows, &workspace.id).await?;
            let size = size.min(PAGE_MAX) as u64;
            let offset = number.saturating_sub(1).saturating_mul(size);
            let [size, offset] = [size, offset].map(|each| i64::try_from(each).unwrap_or(i64::MAX));
            let found = sql::numbered(rows, &workspace.id, offset, size).await?;
            let items = super::views(rows, found).await?;
            Ok(Page { items, total })
        })
    })
    .await
}
