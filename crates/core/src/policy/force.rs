//! Which sets are in force for a workspace, and what each of them is, by digest.

use std::collections::BTreeSet;

use statehouse_ledger::{Hash, sha256};
use statehouse_model::Permission;
use statehouse_policy::manifest::Entity;

use super::sql::{self, PolicyBundle, PolicySet};
use super::{PolicyView, repository};
use crate::access;
use crate::blob::Stored;
use crate::configuration::sql::Configuration;
use crate::ctx::Ctx;
use crate::door::Target;
use crate::error::{Error, Kind, Result};
use crate::object::Object;
use crate::record::Rows;
use crate::run::sql::Run;
use crate::workspace::sql::{self as workspaces, Workspace};

/// A set that judges, and the bundle that it judges by.
#[derive(Clone)]
pub(crate) struct InForce {
    pub(crate) set: PolicySet,
    pub(crate) bundle: PolicyBundle,
    /// The configuration that brings it, where it is none of the organization's.
    pub(crate) repository: Option<Configuration>,
}

impl InForce {
    /// Everything that decides what it says: of the same plan, a set of the same digest says the same.
    pub(crate) fn digest(&self) -> Hash {
        digest_of(&self.set, &self.bundle.digest)
    }

    /// The sealed bytes that its policies are in.
    pub(super) async fn body(&self, rows: &mut Rows) -> Result<(Object, Stored)> {
        let object = match &self.repository {
            Some(configuration) => Object::from(configuration),
            None => Object::from(&self.bundle),
        };
        let stored = object.stored(rows).await?;
        Ok((object, stored))
    }

    /// Whether a policy of it judges what is of this kind. Of a bundle that does not say, any may.
    pub(crate) fn judges(&self, entity: Entity) -> bool {
        let policies: Result<Vec<PolicyView>> = super::read(&self.bundle.policies);
        policies.map_or(true, |policies| judge(&policies, entity))
    }
}

/// What a set is with a bundle of this digest.
pub(super) fn digest_of(set: &PolicySet, bundle: &[u8]) -> Hash {
    let words = [
        "statehouse policy set",
        set.id.as_str(),
        &hex::encode(bundle),
        &set.enforcement,
        &set.parameters,
        &set.exceptions,
    ];
    sha256(words.join("\0").as_bytes())
}

/// Whether any of these policies judges what is of this kind.
pub(super) fn judge(policies: &[PolicyView], entity: Entity) -> bool {
    policies.iter().any(|each| each.entity == entity.as_str())
}

/// The bundle of a set, which must be there where the set names one.
pub(crate) async fn bundle_of(rows: &mut Rows, set: &PolicySet) -> Result<Option<PolicyBundle>> {
    let Some(id) = &set.bundle else {
        return Ok(None);
    };
    let found = sql::bundle(rows, id).await?;
    let own = found.filter(|bundle| bundle.policy_set == set.id);
    let gone = || {
        Error::tampered(format!(
            "the bundle of the policy set `{}` is missing",
            set.name
        ))
    };
    own.ok_or_else(gone).map(Some)
}

/// The sets that reach a workspace, by name.
pub(crate) async fn reaching(rows: &mut Rows, workspace: &Workspace) -> Result<Vec<PolicySet>> {
    let mut sets = sql::sets(rows).await?;
    let tags = if sets.iter().any(|set| !set.tags.is_empty()) {
        tags_of(rows, workspace).await?
    } else {
        BTreeSet::new()
    };
    sets.retain(|set| reaches(set, workspace, &tags));
    Ok(sets)
}

/// Whether a set reaches a workspace with these tags.
pub(super) fn reaches(set: &PolicySet, workspace: &Workspace, tags: &BTreeSet<String>) -> bool {
    let is_tagged = set.tags.lines().any(|tag| tags.contains(tag));
    let is_excluded = set
        .excluded
        .split_whitespace()
        .any(|id| id == workspace.id.as_str());
    (set.reach().reaches(workspace) || is_tagged) && !is_excluded
}

/// Whether there is a workspace that a set reaches.
pub(super) async fn reaches_any(rows: &mut Rows, set: &PolicySet) -> Result<bool> {
    if set.global {
        return Ok(true);
    }
    let excluded: BTreeSet<&str> = set.excluded.split_whitespace().collect();
    let (projects, mut named) = set.reach().split();
    for tag in set.tags.lines() {
        named.extend(workspaces::tagged(rows, tag).await?);
    }
    for id in named.iter().filter(|id| !excluded.contains(id.as_str())) {
        let Ok(id) = id.parse() else { continue };
        if workspaces::by_id(rows, &id).await?.is_some() {
            return Ok(true);
        }
    }
    for id in projects {
        let Ok(id) = id.parse() else { continue };
        let mut left = workspaces::of_project(rows, &id).await?;
        for each in &excluded {
            let Ok(each) = each.parse() else { continue };
            let found = workspaces::by_id(rows, &each).await?;
            left -= u64::from(found.is_some_and(|found| found.project == id)).min(left);
        }
        if left > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a set that was changed reaches, by what is said of it, anything that it did not reach.
pub(super) fn widens(old: &PolicySet, new: &PolicySet) -> bool {
    let words =
        |text: &str| -> BTreeSet<String> { text.split_whitespace().map(str::to_owned).collect() };
    let lines = |text: &str| -> BTreeSet<String> { text.lines().map(str::to_owned).collect() };
    let (before, after) = (old.reach(), new.reach());
    let is_attached = after.global
        || !after.scopes.is_subset(&before.scopes)
        || !lines(&new.tags).is_subset(&lines(&old.tags));
    let is_included = !words(&old.excluded).is_subset(&words(&new.excluded));
    is_included || (!before.global && is_attached)
}

/// The tags of a workspace in both of their forms: `key`, and `key=value` where there is a value.
pub(crate) async fn tags_of(rows: &mut Rows, workspace: &Workspace) -> Result<BTreeSet<String>> {
    let mut tags = BTreeSet::new();
    for tag in workspaces::tags(rows, std::slice::from_ref(workspace)).await? {
        if !tag.value.is_empty() {
            tags.insert(format!("{}={}", tag.tag, tag.value));
        }
        tags.insert(tag.tag);
    }
    Ok(tags)
}

/// The sets of the organization that judge a workspace, in order of their digests.
pub(crate) async fn in_force(rows: &mut Rows, workspace: &Workspace) -> Result<Vec<InForce>> {
    let mut found = Vec::new();
    for set in reaching(rows, workspace).await? {
        if let Some(bundle) = bundle_of(rows, &set).await? {
            found.push(InForce {
                set,
                bundle,
                repository: None,
            });
        }
    }
    found.sort_by_key(InForce::digest);
    Ok(found)
}

/// All sets that judge a run, in order of their digests: those of the organization, and what its configuration brings.
pub(crate) async fn of_run(
    rows: &mut Rows,
    (run, workspace): (&Run, &Workspace),
) -> Result<Vec<InForce>> {
    let mut found = in_force(rows, workspace).await?;
    found.extend(repository::of_run(rows, run).await?);
    found.sort_by_key(InForce::digest);
    Ok(found)
}

/// The same by their digests alone.
pub(crate) async fn digests(rows: &mut Rows, of: (&Run, &Workspace)) -> Result<Vec<Hash>> {
    let sets = of_run(rows, of).await?;
    Ok(sets.iter().map(InForce::digest).collect())
}

/// The sets that reach a workspace, by their ids.
pub(crate) async fn names_of(rows: &mut Rows, workspace: &Workspace) -> Result<BTreeSet<String>> {
    let sets = reaching(rows, workspace).await?;
    Ok(sets.into_iter().map(|set| set.id.to_string()).collect())
}

/// Refuses a change of a workspace by which a set reaches it no more, to whoever may not change that set: nobody takes their own workspace
/// out of what it is judged by.
pub(crate) async fn require_none_lost(
    rows: &mut Rows,
    ctx: &Ctx,
    workspace: &Workspace,
    before: &BTreeSet<String>,
) -> Result<()> {
    let after = names_of(rows, workspace).await?;
    if before.is_subset(&after) {
        return Ok(());
    }
    let now = ctx.house().now();
    let permission = Permission::PolicyWrite;
    if access::holds(rows, ctx, permission, &Target::House, now).await? {
        return Ok(());
    }
    let words = format!(
        "a policy set reaches workspace `{}` by a tag or a project that this would take away; that needs `{permission}` over the organization",
        workspace.name
    );
    Err(Error::new(Kind::Denied, words).hint("ask whoever looks after the policies"))
}
