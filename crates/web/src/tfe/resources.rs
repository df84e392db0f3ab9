//! Resources of a state: which there are, what one of them is, what became of it, and who made it so.
//!
//! Each is read out of the stored states when it is asked for, and recorded. A resource has no id of its own: its address is
//! one, and a person's words for it are taken as terraform spells them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use statehouse_core::state::{self, Brief, FOLLOWED_MAX, Made, Which};
use statehouse_core::terraform::address::{Mode, Subject};
use statehouse_model::{Name, UserId};

use super::document::{Document, to};
use super::instant::{self, Instant};
use super::query::{Query, Sizes};
use super::versions;
use super::workspaces::of_id;
use crate::auth::{self, Asked, Asker, At};
use crate::problem::Problem;

pub(super) const KIND: &str = "resources";
/// Resources on one page.
const PAGE: Sizes = Sizes::whole(1000);

/// What is asked of a resource.
#[derive(Deserialize, JsonSchema)]
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

/// What is told of an instance of a resource.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    address: String,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    /// `managed` or `data`.
    mode: &'static str,
    /// `root` outside every module.
    module: String,
    provider: String,
    provider_alias: Option<String>,
    provider_type: String,
    /// The key of a deposed object.
    deposed: Option<String>,
    tainted: bool,
    #[serde(flatten)]
    inside: Option<Inside>,
    #[serde(flatten)]
    found: Option<Found>,
}

/// What is told of one that was found among those of all workspaces.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Found {
    pub(super) workspace_name: String,
    pub(super) tags: Vec<Tag>,
    /// Its `id`, of one that terraform manages.
    pub(super) resource_id: Option<String>,
    pub(super) dependencies: Vec<String>,
}

/// A tag or label that the resource itself has.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Tag {
    pub(super) key: String,
    pub(super) value: String,
}

impl Told {
    /// With where it was found.
    pub(super) fn found(self, found: Found) -> Self {
        Self {
            found: Some(found),
            ..self
        }
    }
}

/// What is told of one that is looked at alone.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Inside {
    /// Paths and values; sensitive ones are hidden.
    attributes: Vec<Attribute>,
    /// Attributes beyond those that are listed.
    attributes_left_out: u64,
    dependencies: Vec<String>,
    serial: Option<u64>,
}

/// An attribute of a resource.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Attribute {
    path: String,
    /// What it is, in the words of a comparison.
    value: Value,
}

impl From<&Brief> for Told {
    fn from(brief: &Brief) -> Self {
        let outside = brief.module.is_empty();
        Self {
            address: brief.address.clone(),
            name: brief.name.clone(),
            kind: brief.kind.clone(),
            mode: if brief.mode == Mode::Managed {
                "managed"
            } else {
                "data"
            },
            module: if outside {
                "root".to_owned()
            } else {
                brief.module.clone()
            },
            provider: brief.provider.source.clone(),
            provider_alias: brief.provider.alias.clone(),
            provider_type: brief.kind.clone(),
            deposed: brief.deposed.clone(),
            tainted: brief.tainted,
            inside: None,
            found: None,
        }
    }
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
    let resource = |brief: &Brief| {
        json!({
            "type": KIND,
            "id": brief.address,
            "attributes": Told::from(brief),
            "relationships": { "state-version": to(versions::KIND, of.as_deref()) },
        })
    };
    let path = format!("/api/v2/workspaces/{id}/resources");
    let (page, pages) = query.page(&path, listed, PAGE)?;
    Ok(Document::page(page.iter().map(resource).collect(), &pages))
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
    let attribute = |(path, value)| Attribute {
        path,
        value: json!(value),
    };
    let inside = Inside {
        attributes: found.attributes.into_iter().map(attribute).collect(),
        attributes_left_out: found.left_out,
        dependencies: found.dependencies,
        serial: found.version.serial,
    };
    let told = Told {
        inside: Some(inside),
        ..Told::from(&found.brief)
    };
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

/// Who made a version, and when.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Maker {
    version: String,
    sequence: u64,
    serial: Option<u64>,
    actor: String,
    actor_name: Option<String>,
    /// The id of the token that it came by.
    token: Option<String>,
    created_at: Option<Instant>,
    tool_version: String,
    marks: Vec<String>,
    /// The leaf of the ledger that last changed it.
    leaf: u64,
}

fn made(made: &Made, names: &BTreeMap<UserId, Name>) -> Maker {
    let name = made
        .actor
        .parse()
        .ok()
        .and_then(|id: UserId| names.get(&id));
    let marks = made.marks.split(',').filter(|mark| !mark.is_empty());
    Maker {
        version: made.version.to_string(),
        sequence: made.sequence,
        serial: made.serial,
        actor: made.actor.clone(),
        actor_name: name.map(Name::to_string),
        token: made.token.clone(),
        created_at: instant::at(made.created_at),
        tool_version: made.tool_version.clone(),
        marks: marks.map(str::to_owned).collect(),
        leaf: made.leaf,
    }
}

/// What became of a resource.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct History {
    /// The address now; null when it is gone.
    address: Option<String>,
    points: Vec<Point>,
    points_left_out: u64,
    /// Versions that were looked at.
    versions: u64,
    /// Versions that could not be read.
    unread: Value,
    /// Where to go on, with `before`.
    next_before: Option<u64>,
}

/// Something that happened to it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Point {
    version: Maker,
    /// What happened, in the words of a comparison.
    #[serde(flatten)]
    told: Map<String, Value>,
}

/// Who last changed each attribute of a resource.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Blamed {
    address: String,
    lines: Vec<Line>,
    lines_left_out: u64,
    /// Versions that were looked at.
    versions: u64,
    /// Versions that could not be read.
    unread: Value,
    /// Where to go on, with `before`.
    older_before: Option<u64>,
}

/// An attribute, and who made it what it is.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Line {
    path: String,
    value: Value,
    /// Whether it appeared there.
    appeared: bool,
    /// Null when that is older than what was looked at.
    version: Option<Maker>,
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
        let Ok(Value::Object(mut told)) = serde_json::to_value(&point.point) else {
            return Err(Problem::defect("a point is no JSON object"));
        };
        // The number that the walk counts by says nothing outside.
        told.remove("version");
        points.push(Point {
            version: made(&point.made, &names),
            told,
        });
    }
    Ok(Document::one(json!({
        "type": "resource-histories",
        "id": named,
        "attributes": History {
            address: found.address,
            points,
            points_left_out: found.left_out,
            versions: found.versions,
            unread: json!(found.unread),
            next_before: found.next,
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
    let line = |line: &state::Line| Line {
        path: line.path.clone(),
        value: json!(line.value),
        appeared: line.appeared,
        version: line.made.as_ref().map(|each| made(each, &names)),
    };
    Ok(Document::one(json!({
        "type": "resource-blames",
        "id": named,
        "attributes": Blamed {
            address: found.address,
            lines: found.lines.iter().map(line).collect(),
            lines_left_out: found.left_out,
            versions: found.versions,
            unread: json!(found.unread),
            older_before: found.next,
        },
    })))
}
