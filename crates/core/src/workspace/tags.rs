//! Tags: keys with values on workspaces. A plain tag is a key with an empty
//! value, so that both kinds of terraform's `tags` are one thing here.

use std::sync::Arc;

use statehouse_model::{HouseId, TagId};

use super::{Workspace, sql};
use crate::ctx::Ctx;
use crate::door::{self, Action, Entry, Outcome, Target, Tx, actions};
use crate::error::{Error, Kind, Result};
use crate::policy::force;
use crate::policy::saved::{self, Trial};

actions! {
    /// Give a workspace tags.
    AddTags = "tag.add" needs WorkspaceUpdate;
    /// Take tags from it.
    RemoveTags = "tag.remove" needs WorkspaceUpdate;
    /// See the tags of a workspace.
    ShowTags = "tag.show" needs WorkspaceRead;
    /// See the tags of all workspaces.
    ListTags = "tag.list" needs WorkspaceRead;
}

/// Tags of one workspace.
const TAGS_MAX: usize = 100;
/// Characters of a key, as HCP Terraform has it.
const KEY_CHARS_MAX: usize = 128;
/// Characters of a value.
const VALUE_CHARS_MAX: usize = 256;

/// A tag to give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WishedTag {
    /// Its key.
    pub key: String,
    /// Its value; empty for a plain tag.
    pub value: String,
}

/// A tag, for people and programs to read.
#[derive(Debug, Clone, serde::Serialize)]
pub struct TagView {
    /// Its id.
    pub id: String,
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// When the workspace got it, in microseconds since 1970.
    pub created_at: i64,
}

impl From<sql::Tag> for TagView {
    fn from(tag: sql::Tag) -> Self {
        Self {
            id: tag.id.to_string(),
            key: tag.tag,
            value: tag.value,
            created_at: tag.created_at,
        }
    }
}

/// Letters and digits of any script, a blank, and the marks that cloud
/// providers allow. No comma: it parts tags in a query.
fn plain(text: &str) -> bool {
    let fits = |letter: char| letter.is_alphanumeric() || " _.:/=+-@".contains(letter);
    text.chars().all(fits) && text.trim() == text
}

/// Whether these can be tags.
pub(super) fn check(wished: &[WishedTag]) -> Result<()> {
    for WishedTag { key, value } in wished {
        let chars = key.chars().count();
        if chars == 0 || chars > KEY_CHARS_MAX || !plain(key) {
            return Err(Error::invalid(format!(
                "a tag or its key has 1 to {KEY_CHARS_MAX} letters, digits, blanks within and any of _.:/=+-@"
            )));
        }
        if value.chars().count() > VALUE_CHARS_MAX || !plain(value) {
            return Err(Error::invalid(format!(
                "the value of a tag has at most {VALUE_CHARS_MAX} letters, digits, blanks within and any of _.:/=+-@"
            )));
        }
    }
    Ok(())
}

/// Gives a workspace these tags, and says whether anything is other than it was.
pub(super) async fn put<A: Action>(
    tx: &mut Tx<A>,
    workspace: &sql::Workspace,
    wished: &[WishedTag],
) -> Result<bool> {
    if wished.is_empty() {
        return Ok(false);
    }
    let mut there = sql::tags(tx, std::slice::from_ref(workspace)).await?;
    let mut changed = false;
    for WishedTag { key, value } in wished {
        let found = there.iter_mut().find(|tag| tag.tag == *key);
        if found.as_ref().is_some_and(|tag| tag.value == *value) {
            continue;
        }
        let tag = if let Some(tag) = found {
            tag.value.clone_from(value);
            tag.clone()
        } else {
            let tag = sql::Tag {
                id: TagId::from_entropy(workspace.id.house(), crate::entropy()),
                workspace: workspace.id.clone(),
                tag: key.clone(),
                value: value.clone(),
                created_at: tx.now(),
            };
            there.push(tag.clone());
            tag
        };
        tx.put(&tag).await?;
        changed = true;
    }
    if there.len() > TAGS_MAX {
        let words = format!("a workspace has at most {TAGS_MAX} tags");
        return Err(Error::new(Kind::Conflict, words));
    }
    Ok(changed)
}

/// Gives a workspace tags, beside those that it has.
pub async fn add_tags(
    ctx: &Ctx,
    workspace: &Workspace,
    wished: Vec<WishedTag>,
) -> Result<Vec<TagView>> {
    check(&wished)?;
    let given = Arc::new((workspace.clone(), wished, ctx.clone()));
    saved::judged(ctx, |trial| added(ctx, given.clone(), trial)).await
}

async fn added(
    ctx: &Ctx,
    given: Arc<(Workspace, Vec<WishedTag>, Ctx)>,
    trial: Trial,
) -> Result<Vec<TagView>> {
    let target = Target::Workspace(given.0.clone());
    door::change(ctx, AddTags, target, move |tx| {
        let (given, trial) = (given.clone(), trial.clone());
        Box::pin(async move {
            let (wanted, wished, asked) = &*given;
            let workspace = sql::needed(tx, wanted).await?;
            let judged_by = force::names_of(tx, &workspace).await?;
            let changed = put(tx, &workspace, wished).await?;
            force::require_none_lost(tx, asked, &workspace, &judged_by).await?;
            let tags = sql::tags(tx, std::slice::from_ref(&workspace)).await?;
            let tags: Vec<TagView> = tags.into_iter().map(TagView::from).collect();
            if !changed {
                return Ok(Outcome::Unchanged(tags));
            }
            trial.require(tx, asked, &workspace).await?;
            let entry = Entry::new(&workspace.id).fact("tags", tags.len());
            Ok(Outcome::Recorded(tags, trial.told(entry)))
        })
    })
    .await
}

/// Takes tags from a workspace, by key or by id. One that it has not is passed over.
pub async fn remove_tags(ctx: &Ctx, workspace: &Workspace, named: Vec<String>) -> Result<()> {
    let given = Arc::new((workspace.clone(), named, ctx.clone()));
    saved::judged(ctx, |trial| removed(ctx, given.clone(), trial)).await
}

async fn removed(ctx: &Ctx, given: Arc<(Workspace, Vec<String>, Ctx)>, trial: Trial) -> Result<()> {
    let target = Target::Workspace(given.0.clone());
    door::change(ctx, RemoveTags, target, move |tx| {
        let (given, trial) = (given.clone(), trial.clone());
        Box::pin(async move {
            let (wanted, named, asked) = &*given;
            let workspace = sql::needed(tx, wanted).await?;
            let judged_by = force::names_of(tx, &workspace).await?;
            let tags = sql::tags(tx, std::slice::from_ref(&workspace)).await?;
            let mut removed = 0_u64;
            for tag in tags {
                if named
                    .iter()
                    .any(|name| *name == tag.tag || *name == tag.id.as_str())
                {
                    tx.remove::<sql::Tag>(&[tag.id.as_str().into()]).await?;
                    removed += 1;
                }
            }
            if removed == 0 {
                return Ok(Outcome::Unchanged(()));
            }
            force::require_none_lost(tx, asked, &workspace, &judged_by).await?;
            trial.require(tx, asked, &workspace).await?;
            let entry = Entry::new(&workspace.id).fact("removed", removed);
            Ok(Outcome::Recorded((), trial.told(entry)))
        })
    })
    .await
}

/// The tags of a workspace, by key.
pub async fn tags(ctx: &Ctx, workspace: &Workspace) -> Result<Vec<TagView>> {
    let wanted = workspace.clone();
    let target = Target::Workspace(workspace.clone());
    door::read(ctx, ShowTags, &target, move |rows| {
        Box::pin(async move {
            let workspace = sql::needed(rows, &wanted).await?;
            let tags = sql::tags(rows, std::slice::from_ref(&workspace)).await?;
            Ok(tags.into_iter().map(TagView::from).collect())
        })
    })
    .await
}

/// The keys of all tags of the organization, and how many workspaces have each.
pub async fn all_tags(ctx: &Ctx) -> Result<Vec<(String, u64)>> {
    door::read(ctx, ListTags, &Target::House, |rows| {
        Box::pin(async move { sql::tag_counts(rows).await })
    })
    .await
}
