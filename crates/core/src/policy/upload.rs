//! Bundles as the platform's clients publish them: a version is announced, and its archive comes to a signed address, once.
//!
//! What is announced is no row of its own: until its archive came there is the address alone, and a version that nothing came for ends with it. An
//! archive whose contents are in force already changes nothing, and its version is that which is in force.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use statehouse_model::{PolicyBundleId, PolicySetId};

use super::publish::{checked, is_published, publish_as, used_already};
use super::{BundleView, ListSets, force, sql};
use crate::blob;
use crate::ctx::Ctx;
use crate::door::{self, Entry, Outcome, Target, actions};
use crate::error::{Error, Result};
use crate::record::Rows;
use crate::url::{self, Granted, Purpose, Signed, Within};

actions! {
    /// Announce a bundle that is to be put in force.
    AnnounceBundle = "policy-set.announce" needs PolicyWrite;
    /// Send one that was announced.
    UploadBundle = "policy-set.upload" needs PolicyWrite;
}

/// A version of a set: announced, or there.
#[derive(Debug, Clone)]
pub struct VersionView {
    /// Its id.
    pub id: String,
    /// The id of its set.
    pub policy_set: String,
    /// What was published; nothing until its archive came.
    pub bundle: Option<BundleView>,
    /// When it was announced or published, in microseconds since 1970.
    pub created_at: i64,
    /// Where its archive is to go, for who announced it.
    pub put: Option<Signed>,
}

impl VersionView {
    fn there(set: &PolicySetId, bundle: BundleView) -> Self {
        Self {
            id: bundle.id.clone(),
            policy_set: set.to_string(),
            created_at: bundle.created_at,
            bundle: Some(bundle),
            put: None,
        }
    }
}

/// Announces a version; the answer says where its archive is to go.
pub async fn announce(ctx: &Ctx, set: &PolicySetId) -> Result<VersionView> {
    let id = PolicyBundleId::from_entropy(ctx.house().code(), crate::entropy());
    let purpose = Purpose::PutPolicies(id.clone());
    let address = url::wished(ctx, &purpose, set.as_str())?;
    let given = Arc::new((id, set.clone(), address));
    door::change(ctx, AnnounceBundle, Target::House, move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (id, set, address) = &*given;
            sql::needed_set(tx, set).await?;
            let put = url::store(tx, address).await?;
            let announced = VersionView {
                id: id.to_string(),
                policy_set: set.to_string(),
                bundle: None,
                created_at: tx.now(),
                put: Some(put),
            };
            let entry = Entry::new(set).fact("bundle", id.as_str());
            Ok(Outcome::Recorded(announced, entry))
        })
    })
    .await
}

/// Takes the archive of a version, at its signed address. The same contents again are answered alike; others are refused.
pub async fn upload(
    ctx: &Ctx,
    granted: &Granted,
    id: &PolicyBundleId,
    archive: Bytes,
) -> Result<()> {
    let Within::PolicySet(set) = &granted.within else {
        return Err(Error::not_found("address"));
    };
    if is_used(ctx, granted).await? {
        return repeated(ctx, (set, id), &archive).await;
    }
    let claim = if archive.len() >= blob::ROW_MAX / 2 {
        let now = u64::try_from(ctx.house().now()).unwrap_or(0);
        let now = UNIX_EPOCH + Duration::from_micros(now);
        let claim = ctx.house().blobs().claim(id.as_str(), now)?;
        Some(claim.ok_or_else(used_already)?)
    } else {
        None
    };
    // Looked at again: whoever had the claim before may have published.
    if is_used(ctx, granted).await? {
        return repeated(ctx, (set, id), &archive).await;
    }
    // A caller that goes away does not end this: the claim is held until the change is made or refused.
    let (caller, set) = (ctx.clone(), set.clone());
    let as_what = (id.clone(), Some(granted.id.clone()));
    let published = tokio::spawn(async move {
        let published = publish_as(&caller, &set, archive, as_what).await;
        drop(claim);
        published
    });
    let published = published.await;
    published
        .map_err(|error| Error::internal(format!("publishing a bundle: {error}")))?
        .map(drop)
}

async fn is_used(ctx: &Ctx, granted: &Granted) -> Result<bool> {
    let id = granted.id.clone();
    door::read(ctx, UploadBundle, &Target::House, move |rows| {
        Box::pin(async move { url::is_used(rows, &id).await })
    })
    .await
}

/// The answer to an upload that was made before.
async fn repeated(
    ctx: &Ctx,
    (set, id): (&PolicySetId, &PolicyBundleId),
    archive: &Bytes,
) -> Result<()> {
    let digest = checked(ctx, set, archive).await?.digest;
    let is_there = is_published(ctx, (set, id), &digest).await?;
    is_there.then_some(()).ok_or_else(used_already)
}

/// One version, by its id.
pub async fn show(ctx: &Ctx, id: &PolicyBundleId) -> Result<VersionView> {
    let (asked, id) = (ctx.clone(), id.clone());
    door::read(ctx, ListSets, &Target::House, move |rows| {
        Box::pin(async move {
            match sql::bundle(rows, &id).await? {
                Some(there) => {
                    let set = there.policy_set.clone();
                    Ok(VersionView::there(&set, there.try_into()?))
                }
                None => announced(rows, &asked, &id).await,
            }
        })
    })
    .await
}

/// A version that was announced, or what is in force in the place of it.
async fn announced(rows: &mut Rows, ctx: &Ctx, id: &PolicyBundleId) -> Result<VersionView> {
    let unknown = || Error::not_found("policy set version");
    let purpose = Purpose::PutPolicies(id.clone());
    let found = url::sql::any_of_object(rows, id.as_str(), purpose.as_str()).await?;
    let address = found.ok_or_else(unknown)?;
    let set: PolicySetId = address.workspace.parse().map_err(|_| unknown())?;
    if address.used_at.is_some() {
        let set = sql::needed_set(rows, &set).await?;
        let in_force = force::bundle_of(rows, &set).await?.ok_or_else(unknown)?;
        return Ok(VersionView::there(&set.id, in_force.try_into()?));
    }
    if address.expires_at <= ctx.house().now() {
        return Err(unknown());
    }
    Ok(VersionView {
        id: id.to_string(),
        policy_set: set.to_string(),
        bundle: None,
        created_at: address.created_at,
        put: url::given(rows, ctx, &purpose, 0).await?,
    })
}
