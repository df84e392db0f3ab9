//! Which sets are in force for a workspace, and what each of them is, by digest.

use std::collections::BTreeSet;

use statehouse_ledger::{Hash, sha256};
use statehouse_model::Permission;

use super::sql::{self, PolicyBundle, PolicySet};
use crate::access;
use crate::ctx::Ctx;
use crate::door::Target;
use crate::error::{Error, Kind, Result};
use crate::record::Rows;
use crate::workspace::sql::{self as workspaces, Workspace};

/// A set that judges, and the bundle that it judges by.
#[derive(Clone)]
pub(crate) struct InForce {
    pub(crate) set: PolicySet,
    pub(crate) bundle: PolicyBundle,
}

impl InForce {
    /// Everything that decides what it says: of the same plan, a set of the same digest says the same.
    pub(crate) fn digest(&self) -> Hash {
        let set = &self.set;
        let words = [
            "statehouse policy set",
            set.id.as_str(),
            &hex::encode(&self.bundle.digest),
            &set.enforcement,
            &set.parameters,
            &set.exceptions,
        ];
        sha256(words.join("\0").as_bytes())
    }
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
    sets.retain(|set| {
        let is_tagged = set.tags.lines().any(|tag| tags.contains(tag));
        let is_excluded = set
            .excluded
            .split_whitespace()
            .any(|id| id == workspace.id.as_str());
        (set.reach().reaches(workspace) || is_tagged) && !is_excluded
    });
    Ok(sets)
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

/// The sets that judge the runs of a workspace, in order of their digests.
pub(crate) async fn in_force(rows: &mut Rows, workspace: &Workspace) -> Result<Vec<InForce>> {
    let mut found = Vec::new();
    for set in reaching(rows, workspace).await? {
        if let Some(bundle) = bundle_of(rows, &set).await? {
            found.push(InForce { set, bundle });
        }
    }
    found.sort_by_key(InForce::digest);
    Ok(found)
}

/// The same by their digests alone.
pub(crate) async fn digests(rows: &mut Rows, workspace: &Workspace) -> Result<Vec<Hash>> {
    let sets = in_force(rows, workspace).await?;
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
