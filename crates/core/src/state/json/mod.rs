//! The JSON form of a version, as `terraform show -json` writes it and the
//! `cloud` block uploads it beside the state.
//!
//! It comes before the state, after it, or never; it is stored as it came,
//! sealed, and nothing is decided by it.

pub(crate) mod sql;

use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use statehouse_model::{HouseId, JsonStateId, VersionId};
use statehouse_seal::Context;

use super::put::fingerprint;
use crate::blob::{self, Stored};
use crate::ctx::Ctx;
use crate::door::{self, Entry, Outcome, Plan, Target, actions};
use crate::error::{Error, Kind, Result};
use crate::record::Rows;
use crate::url::{self, Granted};
use crate::workspace::{self, Workspace};
use sql::VersionJson;

actions! {
    /// Upload the JSON form of a version.
    WriteJson = "state.write-json" needs StateWrite;
    /// Download it.
    ReadJson = "state.read-json" needs StateRead;
}

/// What binds the sealed bytes to their place.
pub(crate) fn context(form: &VersionJson) -> Context<'_> {
    Context {
        kind: "state-json",
        object: form.workspace.as_str(),
        version: form.id.as_str(),
        lineage: form.version.as_str(),
        serial: None,
    }
}

fn prepare(
    ctx: &Ctx,
    granted: &Granted,
    version: &VersionId,
    bytes: &[u8],
) -> Result<(VersionJson, Stored)> {
    let object = bytes.trim_ascii_start().first() == Some(&b'{');
    if !object || serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_err() {
        return Err(
            Error::invalid("the JSON form of the state is not a JSON object")
                .hint("nothing of it was stored; was it cut short?"),
        );
    }
    let Workspace::Id(workspace) = granted.workspace()? else {
        return Err(Error::internal("an address without a workspace's id"));
    };
    let keyring = ctx.house().keyring();
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    let mut form = VersionJson {
        version: version.clone(),
        id: JsonStateId::from_entropy(version.house(), crate::entropy()),
        workspace: workspace.clone(),
        size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        body_digest: Vec::new(),
        commitment: Vec::new(),
        fingerprint: keyring.row_mac(&fingerprint(&digest)).to_vec(),
        created_at: 0,
    };
    let stored = ctx
        .house()
        .blobs()
        .store(&keyring, &context(&form), bytes, &digest)?;
    form.body_digest = stored.body_digest.to_vec();
    form.commitment = stored.commitment.to_vec();
    Ok((form, stored))
}

/// Takes the JSON form of an announced version, at its signed address. The
/// same bytes again are answered alike; others are refused.
pub async fn upload(ctx: &Ctx, granted: &Granted, version: &VersionId, bytes: Bytes) -> Result<()> {
    let target = Target::Workspace(granted.workspace()?.clone());
    door::may(ctx, WriteJson, &target).await?;
    let (asked, of, version) = (ctx.clone(), granted.clone(), version.clone());
    let prepared = tokio::task::spawn_blocking(move || {
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        prepare(&asked, &of, &version, &bytes).map(|prepared| (prepared, digest))
    });
    let ((form, stored), digest) = prepared
        .await
        .map_err(|error| Error::internal(format!("preparing a state: {error}")))??;
    let id = form.id.clone();
    let plan = Plan {
        weight: stored.body.as_ref().map_or(0, Vec::len),
        asks: Vec::new(),
    };
    let given = Arc::new((form, stored, granted.clone()));
    let result = door::planned(ctx, WriteJson, target, plan, move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (form, stored, granted) = &*given;
            if let Some(there) = sql::of_version(tx, &form.version).await? {
                if tx
                    .keyring
                    .row_mac_verify(&fingerprint(&digest), &there.fingerprint)
                {
                    return Ok(Outcome::Unchanged(false));
                }
                let words = "this version has a JSON form already, and it is another";
                return Err(Error::new(Kind::Conflict, words));
            }
            let workspace = workspace::sql::needed(tx, granted.workspace()?).await?;
            let announced = super::announce::sql::by_id(tx, &form.version).await?;
            let version = super::sql::by_id(tx, &form.version).await?;
            if announced.is_none() && version.is_none() {
                let words = "the version was announced and not uploaded in time";
                return Err(Error::new(Kind::Conflict, words).hint("run the command again"));
            }
            let form = VersionJson {
                created_at: tx.now(),
                ..form.clone()
            };
            tx.put(&form).await?;
            blob::sql::insert_object(tx, form.id.as_str(), stored).await?;
            url::used(tx, &granted.id).await?;
            let entry = Entry::new(&workspace.id)
                .fact("version", form.version.as_str())
                .fact("size", form.size)
                .fact("body", hex::encode(&form.body_digest))
                .fact("commitment", hex::encode(&form.commitment));
            Ok(Outcome::Recorded(true, entry))
        })
    })
    .await;
    let named = match &result {
        Ok(stored) => *stored,
        // Whether an unanswered change was made is not known: the file stays.
        Err(error) => *error.kind() == Kind::Unavailable,
    };
    if !named {
        ctx.house().blobs().forget(id.as_str());
    }
    result.map(drop)
}

/// Opens the bytes of a JSON form.
pub(crate) async fn open(rows: &mut Rows, ctx: &Ctx, form: &VersionJson) -> Result<Vec<u8>> {
    let stored = stored(rows, form).await?;
    ctx.house()
        .blobs()
        .load(&rows.keyring, &context(form), &stored, form.size)
}

pub(super) async fn stored(rows: &mut Rows, form: &VersionJson) -> Result<Stored> {
    let gone = || {
        Error::tampered(format!(
            "the bytes of the JSON form of `{}` are missing",
            form.version
        ))
    };
    let Some((header, body)) = blob::sql::of_object(rows, form.id.as_str()).await? else {
        return Err(super::removal::why_gone(rows, &form.version, gone()).await);
    };
    let digest = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).map_err(|_| gone());
    Ok(Stored {
        header,
        epoch: 0,
        body,
        body_digest: digest(&form.body_digest)?,
        commitment: digest(&form.commitment)?,
    })
}

/// The JSON form of a version; `None` where none came. The read is in the
/// ledger before this returns.
pub async fn get(ctx: &Ctx, workspace: &Workspace, version: VersionId) -> Result<Option<Bytes>> {
    let (wanted, id) = (workspace.clone(), version.clone());
    let target = Target::Workspace(workspace.clone());
    let found = door::read(ctx, ReadJson, &target, move |rows| {
        Box::pin(async move {
            let workspace = workspace::sql::needed(rows, &wanted).await?;
            let form = sql::of_version(rows, &id).await?;
            let Some(form) = form.filter(|form| form.workspace == workspace.id) else {
                return Ok(None);
            };
            let stored = stored(rows, &form).await?;
            Ok(Some((form, stored)))
        })
    })
    .await?;
    let Some((form, stored)) = found else {
        return Ok(None);
    };
    let house = ctx.house().clone();
    house
        .reads()
        .record(ctx, ReadJson, &target, version.as_str())
        .await?;
    let opened = tokio::task::spawn_blocking(move || {
        house
            .blobs()
            .load(&house.keyring(), &context(&form), &stored, form.size)
    });
    let bytes = opened
        .await
        .map_err(|error| Error::internal(format!("opening a state: {error}")))??;
    Ok(Some(Bytes::from_owner(zeroize::Zeroizing::new(bytes))))
}
