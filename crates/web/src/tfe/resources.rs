//! Resources of a state: which there are, what one of them is, what became of it, and who made it so.
//!
//! Each is read out of the stored states when it is asked for, and recorded. A resource has no id of its own: its address is
//! one, and a person's words for it are taken as terraform spells them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use statehouse_core::state::{self, Brief, FOLLOWED_MAX, Made, Which};
use statehouse_core::terraform::address::{Mode, Subject};
use statehouse_model::{Name, UserId};

use super::document::{Document, Pagination, to, with};
use super::query::Query;
use super::workspaces::of_id;
use super::{instant, versions};
use crate::auth::{self, Asked, Asker, At};
use crate::problem::Problem;

pub(super) const KIND: &str = "resources";

/// Resources on one page.
const PAGE_MAX: usize = 1000;

/// What is asked of a resource.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    address: Option<String>,
    attribute: Option<String>,
    version: Option<String>,
    before: Option<u64>,
    limit: Option<usize>,
}

impl Wanted {
    fn subject(&self) -> Result<Subject, Problem> {
        let address = self.address.as_deref().unwrap_or_default();
        let text = match self.attribute.as_deref().filter(|text| !text.is_empty()) {
            None => address.to_owned(),
            Some(attribute) => format!("{address}.{attribute}"),
        };
        text.parse().map_err(Problem::invalid)
    }

    fn which(&self) -> Result<Which, Problem> {
        match self.version.as_deref() {
            None => Ok(Which::Current),
            Some(version) => Ok(Which::Version(auth::id(version)?)),
        }
    }

    fn limit(&self) -> usize {
        self.limit.unwrap_or(FOLLOWED_MAX).clamp(1, FOLLOWED_MAX)
    }
}

pub(super) fn attributes(brief: &Brief) -> Value {
    json!({
        "address": brief.address,
        "name": brief.name,
        "type": brief.kind,
        "mode": if brief.mode == Mode::Managed { "managed" } else { "data" },
        "module": if brief.module.is_empty() { "root" } else { &brief.module },
        "provider": brief.provider.source,
        "provider-alias": brief.provider.alias,
        "provider-type": brief.kind,
        "deposed": brief.deposed,
        "tainted": brief.tainted,
    })
}

/// The resources of the current version, or of another one; none where there is no state yet.
pub(crate) async fn list(
    asker: Asker,
    At(id): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let which = match query.get("version") {
        None => Which::Current,
        Some(version) => Which::Version(auth::id(version)?),
    };
    let found = state::resources(&ctx, &workspace, which).await?;
    let (listed, of) = found.map_or((Vec::new(), None), |(version, listed, _)| {
        (listed, Some(version.id))
    });
    let pagination = Pagination {
        number: query.number()?.unwrap_or(1).max(1),
        size: query.size(PAGE_MAX)?,
        total: listed.len() as u64,
    };
    let before = usize::try_from(pagination.number - 1).unwrap_or(usize::MAX);
    let page = listed
        .iter()
        .skip(before.saturating_mul(pagination.size))
        .take(pagination.size);
    let resource = |brief: &Brief| {
        json!({
            "type": KIND,
            "id": brief.address,
            "attributes": attributes(brief),
            "relationships": { "state-version": to(versions::KIND, of.as_deref()) },
        })
    };
    let path = format!("/api/v2/workspaces/{id}/resources");
    let next = pagination.next();
    let next = next.map(|next| query.next(&path, "page[number]", &next.to_string()));
    Ok(Document::page(
        page.map(resource).collect(),
        Some(pagination),
        next,
    ))
}

/// One resource with its attributes, sensitive ones hidden.
pub(crate) async fn show(
    asker: Asker,
    At(id): At<String>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let (which, subject) = (wanted.which()?, wanted.subject()?);
    let found = state::resource(&ctx, &workspace, which, subject).await?;
    let value = |(path, value): (String, _)| json!({ "path": path, "value": value });
    let values: Vec<Value> = found.attributes.into_iter().map(value).collect();
    let more = [
        ("attributes", values.into()),
        ("attributes-left-out", found.left_out.into()),
        ("dependencies", found.dependencies.into()),
        ("serial", found.version.serial.into()),
    ];
    let told = with(attributes(&found.brief), more);
    Ok(Document::one(json!({
        "type": KIND,
        "id": found.brief.address,
        "attributes": told,
        "relationships": { "state-version": to(versions::KIND, Some(&found.version.id)) },
    })))
}

/// Names of those who made versions.
async fn names(
    asker: &Asker,
    made: impl Iterator<Item = &Made>,
) -> Result<BTreeMap<UserId, Name>, Problem> {
    let mut ids: Vec<UserId> = made.filter_map(|made| made.actor.parse().ok()).collect();
    ids.sort_unstable();
    ids.dedup();
    Ok(asker.core().names_of(ids).await?)
}

fn made(made: &Made, names: &BTreeMap<UserId, Name>) -> Value {
    let name = made
        .actor
        .parse()
        .ok()
        .and_then(|id: UserId| names.get(&id));
    let marks: Vec<&str> = made
        .marks
        .split(',')
        .filter(|mark| !mark.is_empty())
        .collect();
    json!({
        "version": made.version.as_str(),
        "sequence": made.sequence,
        "serial": made.serial,
        "actor": made.actor,
        "actor-name": name.map(Name::as_str),
        "token": made.token,
        "created-at": instant::format(made.created_at),
        "tool-version": made.tool_version,
        "marks": marks,
        "leaf": made.leaf,
    })
}

/// What became of a resource or an attribute, the newest first.
pub(crate) async fn history(
    asker: Asker,
    At(id): At<String>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let subject = wanted.subject()?;
    let named = subject.to_string();
    let found = state::history(&ctx, &workspace, subject, wanted.before, wanted.limit()).await?;
    let names = names(&asker, found.points.iter().map(|point| &point.made)).await?;
    let mut points = Vec::new();
    for point in &found.points {
        let told = serde_json::to_value(&point.point);
        let told = told.map_err(|_| Problem::defect("a point is no JSON"))?;
        points.push(with(told, [("version", made(&point.made, &names))]));
    }
    Ok(Document::one(json!({
        "type": "resource-histories",
        "id": named,
        "attributes": {
            "address": found.address,
            "points": points,
            "points-left-out": found.left_out,
            "versions": found.versions,
            "unread": found.unread,
            "next-before": found.next,
        },
    })))
}

/// Who last changed each attribute of a resource.
pub(crate) async fn blame(
    asker: Asker,
    At(id): At<String>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let subject = wanted.subject()?;
    let named = subject.to_string();
    let found = state::blame(&ctx, &workspace, subject, wanted.limit()).await?;
    let names = names(
        &asker,
        found.lines.iter().filter_map(|line| line.made.as_ref()),
    )
    .await?;
    let line = |line: &state::Line| {
        json!({
            "path": line.path,
            "value": line.value,
            "appeared": line.appeared,
            "version": line.made.as_ref().map(|each| made(each, &names)),
        })
    };
    let lines: Vec<Value> = found.lines.iter().map(line).collect();
    Ok(Document::one(json!({
        "type": "resource-blames",
        "id": named,
        "attributes": {
            "address": found.address,
            "lines": lines,
            "lines-left-out": found.left_out,
            "versions": found.versions,
            "unread": found.unread,
            "older-before": found.next,
        },
    })))
}
