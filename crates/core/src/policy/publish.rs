//! Publishing: a bundle is checked where it will be used, and put in force, where its set asks for that after a replay of it.

use std::sync::Arc;

use bytes::Bytes;
use statehouse_ledger::Hash;
use statehouse_model::{ActorId, PolicyBundleId, PolicySetId, UrlId};

use super::judge::{Checked, needed};
use super::sql::{self, PolicyBundle, PolicySet};
use super::{BundleView, ListSets, data, gate};
use crate::blob;
use crate::ctx::Ctx;
use crate::door::{self, Entry, Outcome, Plan, Target, actions};
use crate::error::{Error, Kind, Result};
use crate::object::Object;
use crate::unsaid::Unsaid;
use crate::url;

actions! {
    /// Put a bundle in force.
    PublishSet = "policy-set.publish" needs PolicyWrite;
}

/// Longest archive of a bundle, in bytes: a thousand policies have two million.
pub const ARCHIVE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Checks an archive (`tar.gz`) and puts it in force for a set. The same content again changes nothing.
///
/// What does not read, or would not judge, is refused with every reason, each naming file, line and column.
pub async fn publish(ctx: &Ctx, id: &PolicySetId, archive: Bytes) -> Result<BundleView> {
    let new = PolicyBundleId::from_entropy(ctx.house().code(), crate::entropy());
    publish_as(ctx, id, archive, (new, None)).await
}

/// Checks an archive as the set would judge by it.
pub(super) async fn checked(ctx: &Ctx, id: &PolicySetId, archive: &Bytes) -> Result<Checked> {
    if archive.len() > ARCHIVE_BYTES_MAX {
        let words = format!(
            "a bundle of policies has at most {ARCHIVE_BYTES_MAX} bytes, not {}",
            archive.len()
        );
        return Err(Error::invalid(words).hint("leave out what is no policy, test or data"));
    }
    let set = set_to_publish(ctx, id).await?;
    let judge = needed(ctx.house())?;
    let parameters = super::read(&set.parameters)?;
    let checked = judge.check(archive.clone(), &parameters).await;
    checked.map_err(|unsaid| refused(unsaid).hint("nothing was published"))
}

/// Why a bundle cannot be used that was to be looked at.
pub(super) fn refused(unsaid: Unsaid) -> Error {
    match unsaid {
        Unsaid::Impossible(why) => Error::invalid(why),
        Unsaid::Unanswered(why) => {
            Error::unavailable(format!("the bundle was not looked at: {why}"))
        }
    }
}

/// The same under an id that was given out before, with the address that it was given out with.
pub(super) async fn publish_as(
    ctx: &Ctx,
    id: &PolicySetId,
    archive: Bytes,
    (new, address): (PolicyBundleId, Option<UrlId>),
) -> Result<BundleView> {
    let checked = checked(ctx, id, &archive).await?;
    let archive = checked.archive;
    let mut row = PolicyBundle {
        id: new,
        policy_set: id.clone(),
        digest: checked.digest.to_vec(),
        policies: data("the policies", &checked.policies)?,
        size: u64::try_from(archive.len()).unwrap_or(u64::MAX),
        body_digest: Vec::new(),
        commitment: Vec::new(),
        actor: ActorId::from(ctx.actor()),
        created_at: ctx.house().now(),
    };
    let (stored, _) = Object::from(&row).seal(ctx, archive).await?;
    row.body_digest = stored.body_digest.to_vec();
    row.commitment = stored.commitment.to_vec();
    let plan = Plan {
        weight: stored.body.as_ref().map_or(0, Vec::len),
        asks: Vec::new(),
    };
    let object = row.id.clone();
    let given = Arc::new((row, stored, address));
    let published = door::planned(ctx, PublishSet, Target::House, plan, move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (row, stored, address) = &*given;
            let mut set = sql::needed_set(tx, &row.policy_set).await?;
            if let Some(address) = address {
                if url::is_used(tx, address).await? {
                    return Err(used_already());
                }
                url::used(tx, address).await?;
            }
            if let Some(there) = super::force::bundle_of(tx, &set).await?
                && there.digest == row.digest
            {
                let entry = Entry::new(&set.id).fact("bundle", there.id.as_str());
                let view = (there.try_into()?, false);
                return Ok(match address {
                    Some(_) => Outcome::Recorded(view, entry),
                    None => Outcome::Unchanged(view),
                });
            }
            let entry = gate::require(tx, (&set, &row.digest), Entry::new(&set.id)).await?;
            tx.put(row).await?;
            blob::sql::insert_object(tx, row.id.as_str(), stored).await?;
            set.bundle = Some(row.id.clone());
            set.updated_at = tx.now();
            tx.put(&set).await?;
            let entry = entry
                .fact("bundle", row.id.as_str())
                .fact("digest", hex::encode(&row.digest))
                .fact("size", row.size)
                .fact("body", hex::encode(&row.body_digest))
                .fact("commitment", hex::encode(&row.commitment));
            Ok(Outcome::Recorded((row.clone().try_into()?, true), entry))
        })
    })
    .await;
    let is_named = match &published {
        Ok((_, is_new)) => *is_new,
        // Whether an unanswered change was made is not known: the body stays.
        Err(error) => *error.kind() == Kind::Unavailable,
    };
    if !is_named {
        ctx.house().blobs().forget(object.as_str());
    }
    published.map(|(view, _)| view)
}

/// What is said where an address was used, for something else or at the same time.
pub(super) fn used_already() -> Error {
    let words = "this address was used already; nothing was published";
    Error::new(Kind::Conflict, words).hint("announce another version for the archive")
}

/// Whether these contents are what became of a bundle that was announced: it, or what was in force already.
pub(super) async fn is_published(
    ctx: &Ctx,
    (set, bundle): (&PolicySetId, &PolicyBundleId),
    digest: &Hash,
) -> Result<bool> {
    let (set, bundle, digest) = (set.clone(), bundle.clone(), digest.to_vec());
    door::read(ctx, PublishSet, &Target::House, move |rows| {
        Box::pin(async move {
            let set = sql::needed_set(rows, &set).await?;
            let there = match sql::bundle(rows, &bundle).await? {
                Some(there) => Some(there),
                None => super::force::bundle_of(rows, &set).await?,
            };
            Ok(there.is_some_and(|there| there.digest == digest))
        })
    })
    .await
}

/// The set, for who may publish: nothing is checked for anybody else.
async fn set_to_publish(ctx: &Ctx, id: &PolicySetId) -> Result<PolicySet> {
    let id = id.clone();
    door::read(ctx, PublishSet, &Target::House, move |rows| {
        Box::pin(async move { sql::needed_set(rows, &id).await })
    })
    .await
}

/// The bundles that were published for a set, the newest first.
pub async fn history(ctx: &Ctx, id: &PolicySetId) -> Result<Vec<BundleView>> {
    let id = id.clone();
    door::read(ctx, ListSets, &Target::House, move |rows| {
        Box::pin(async move {
            sql::needed_set(rows, &id).await?;
            let bundles = sql::bundles_of(rows, &id).await?;
            bundles.into_iter().map(TryFrom::try_from).collect()
        })
    })
    .await
}

/// The archive of a bundle, as it was published.
pub async fn archive(ctx: &Ctx, id: &PolicyBundleId) -> Result<Bytes> {
    let id = id.clone();
    let (object, stored) = door::read(ctx, ListSets, &Target::House, move |rows| {
        Box::pin(async move {
            let found = sql::bundle(rows, &id).await?;
            let found = found.ok_or_else(|| Error::not_found("policy bundle"))?;
            let object = Object::from(&found);
            let stored = object.stored(rows).await?;
            Ok((object, stored))
        })
    })
    .await?;
    object.open(ctx, stored).await
}
