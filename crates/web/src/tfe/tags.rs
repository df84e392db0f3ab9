//! Tags of workspaces, in both forms that clients have: plain ones, and keys with values.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use statehouse_core::workspace::{self, TagView, WishedTag};

use super::document::{Document, Item, Pagination, SentList};
use super::instant;
use super::query::Query;
use super::workspaces::of_id;
use crate::auth::{Asker, At};
use crate::problem::Problem;

/// Tags on one page.
const PAGE_MAX: usize = 100;

/// A plain tag.
#[derive(Deserialize)]
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
#[derive(Deserialize)]
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

fn binding(kind: &str, tag: &TagView) -> Value {
    json!({
        "type": kind,
        "id": tag.id,
        "attributes": {
            "key": tag.key,
            "value": tag.value,
            "created-at": instant::format(tag.created_at),
        },
    })
}

/// The tags of a workspace, as keys with values.
pub(crate) async fn bindings(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let tags = workspace::tags(&ctx, &workspace).await?;
    let tags = tags.iter().map(|tag| binding("tag-bindings", tag));
    Ok(Document::list(tags.collect(), None))
}

/// The same; nothing is inherited here, so what a workspace has is what counts.
pub(crate) async fn effective(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let tags = workspace::tags(&ctx, &workspace).await?;
    let tags = tags
        .iter()
        .map(|tag| binding("effective-tag-bindings", tag));
    Ok(Document::list(tags.collect(), None))
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
    Ok(Document::list(tags.collect(), None))
}

/// The tags of a workspace, plain.
pub(crate) async fn list(
    asker: Asker,
    At(id): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let tags = workspace::tags(&ctx, &workspace).await?;
    let plain = |tag: &TagView| json!({ "type": "tags", "id": tag.id, "attributes": { "name": tag.key, "instance-count": 1 } });
    page(
        &query,
        &format!("/api/v2/workspaces/{id}/relationships/tags"),
        tags.iter().map(plain).collect(),
    )
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
    let tag = |(tag, count): &(String, u64)| json!({ "type": "tags", "id": tag, "attributes": { "name": tag, "instance-count": count } });
    let path = format!("/api/v2/organizations/{organization}/tags");
    page(&query, &path, tags.iter().map(tag).collect())
}

fn page(query: &Query, path: &str, all: Vec<Value>) -> Result<Document, Problem> {
    let pagination = Pagination {
        number: query.number()?.unwrap_or(1).max(1),
        size: query.size(PAGE_MAX)?,
        total: all.len() as u64,
    };
    let before = usize::try_from(pagination.number - 1).unwrap_or(usize::MAX);
    let before = before.saturating_mul(pagination.size);
    let next = pagination.next();
    let next = next.map(|next| query.next(path, "page[number]", &next.to_string()));
    let page = all.into_iter().skip(before).take(pagination.size).collect();
    Ok(Document::page(page, Some(pagination), next))
}
