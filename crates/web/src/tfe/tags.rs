//! Tags of workspaces, in both forms that clients have: plain ones, and keys with values.

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use statehouse_core::workspace::{self, TagView, WishedTag};

use super::document::Document;
use super::instant::{self, Instant};
use super::query::{Query, Sizes};
use super::sent::{Item, SentList};
use super::workspaces::of_id;
use crate::auth::{Asker, At};
use crate::problem::Problem;

/// Tags on one page.
const PAGE: Sizes = Sizes::whole(100);

/// A plain tag.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Flat {
    name: String,
}

impl From<Flat> for WishedTag {
    fn from(tag: Flat) -> Self {
        Self {
            key: tag.name,
            value: String::new(),
        }
    }
}

/// A key with a value.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Binding {
    key: String,
    #[serde(default)]
    value: Option<String>,
}

impl From<Binding> for WishedTag {
    fn from(tag: Binding) -> Self {
        Self {
            key: tag.key,
            value: tag.value.unwrap_or_default(),
        }
    }
}

/// What is told of a tag that is a key with a value.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Bound {
    key: String,
    value: String,
    created_at: Option<Instant>,
}

/// What is told of a plain tag.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Plain {
    name: String,
    /// How many workspaces have it.
    instance_count: u64,
}

fn binding(kind: &str, tag: &TagView) -> Value {
    json!({
        "type": kind,
        "id": tag.id,
        "attributes": Bound {
            key: tag.key.clone(),
            value: tag.value.clone(),
            created_at: instant::at(tag.created_at),
        },
    })
}

fn plain(id: &str, name: &str, count: u64) -> Value {
    let attributes = Plain {
        name: name.to_owned(),
        instance_count: count,
    };
    json!({ "type": "tags", "id": id, "attributes": attributes })
}

/// The tags of a workspace, as keys with values.
pub(crate) async fn bindings(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let tags = workspace::tags(&ctx, &workspace).await?;
    let tags = tags.iter().map(|tag| binding("tag-bindings", tag));
    Ok(Document::list(tags.collect()))
}

/// The same; nothing is inherited here, so what a workspace has is what counts.
pub(crate) async fn effective(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let tags = workspace::tags(&ctx, &workspace).await?;
    let tags = tags
        .iter()
        .map(|tag| binding("effective-tag-bindings", tag));
    Ok(Document::list(tags.collect()))
}

/// Gives a workspace keys with values, beside those that it has.
pub(crate) async fn bind(
    asker: Asker,
    At(id): At<String>,
    SentList(sent): SentList<Binding>,
) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let wished = sent
        .into_iter()
        .filter_map(|tag| Some(tag.attributes?.into()));
    let tags = workspace::add_tags(&ctx, &workspace, wished.collect()).await?;
    let tags = tags.iter().map(|tag| binding("tag-bindings", tag));
    Ok(Document::list(tags.collect()))
}

/// The tags of a workspace, plain.
pub(crate) async fn list(
    asker: Asker,
    At(id): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let tags = workspace::tags(&ctx, &workspace).await?;
    let path = format!("/api/v2/workspaces/{id}/relationships/tags");
    let (page, pages) = query.page(&path, tags, PAGE)?;
    let page = page.iter().map(|tag| plain(&tag.id, &tag.key, 1));
    Ok(Document::page(page.collect(), &pages))
}

/// Gives a workspace plain tags.
pub(crate) async fn add(
    asker: Asker,
    At(id): At<String>,
    SentList(sent): SentList<Flat>,
) -> Result<StatusCode, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let wished = sent
        .into_iter()
        .filter_map(|tag| Some(tag.attributes?.into()));
    workspace::add_tags(&ctx, &workspace, wished.collect()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes tags from a workspace, by id or by name.
pub(crate) async fn remove(
    asker: Asker,
    At(id): At<String>,
    SentList(sent): SentList<Flat>,
) -> Result<StatusCode, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let named = |tag: Item<Flat>| tag.id.or(tag.attributes.map(|tag| tag.name));
    let named = sent.into_iter().filter_map(named).collect();
    workspace::remove_tags(&ctx, &workspace, named).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The tags of all workspaces, each once.
pub(crate) async fn of_organization(
    asker: Asker,
    At(organization): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    let mut tags = workspace::all_tags(&ctx).await?;
    if let Some(part) = query.get("q") {
        tags.retain(|(tag, _)| tag.contains(part));
    }
    let path = format!("/api/v2/organizations/{organization}/tags");
    let (page, pages) = query.page(&path, tags, PAGE)?;
    let page = page.iter().map(|(tag, count)| plain(tag, tag, *count));
    Ok(Document::page(page.collect(), &pages))
}
