//! Two states side by side: what differs, and what going back would mean. Sensitive values are hidden in both.

use serde::Deserialize;
use serde_json::{Value, json};
use statehouse_core::state::{self, Against, Compared, VersionView};
use statehouse_model::VersionId;

use super::document::{Document, to, with};
use super::versions;
use crate::auth::{self, Asked, Asker, At};
use crate::body::{self, Whole};
use crate::problem::Problem;

/// Which version to compare with.
#[derive(Deserialize)]
pub(crate) struct Side {
    against: Option<String>,
}

/// What is told of a side.
fn side(version: &VersionView) -> Value {
    json!({ "id": version.id, "serial": version.serial, "sequence": version.sequence, "status": version.status })
}

fn defect(error: &serde_json::Error) -> Problem {
    Problem::defect(&format!("a difference is no JSON: {error}"))
}

fn resource(compared: &Compared) -> Result<Value, Problem> {
    let diff = serde_json::to_value(&compared.diff).map_err(|error| defect(&error))?;
    let after = compared.after.as_ref();
    let sides = [
        ("before", side(&compared.before)),
        ("after", after.map_or(Value::Null, side)),
    ];
    let attributes = with(diff, sides);
    let to_id = after.map_or("file", |after| &*after.id);
    Ok(json!({
        "type": "state-version-diffs",
        "id": format!("{}..{to_id}", compared.before.id),
        "attributes": attributes,
        "relationships": {
            "from": to(versions::KIND, Some(&compared.before.id)),
            "to": to(versions::KIND, after.map(|after| &*after.id)),
        },
    }))
}

/// What is different in a version from the one before it, or from another one.
pub(crate) async fn compare(
    asker: Asker,
    At(id): At<String>,
    Asked(asked): Asked<Side>,
) -> Result<Document, Problem> {
    let id: VersionId = auth::id(&id)?;
    let against = match asked.against.as_deref() {
        None | Some("" | "previous") => Against::Previous,
        Some(other) => Against::Version(auth::id(other)?),
    };
    let ctx = asker.house_of(&id).await?;
    let compared = state::compare(&ctx, id, against).await?;
    Ok(Document::one(resource(&compared)?))
}

/// What is different in a state that is sent. Nothing of it is stored.
pub(crate) async fn compare_with(
    asker: Asker,
    At(id): At<String>,
    body: Whole<body::State>,
) -> Result<Document, Problem> {
    let id: VersionId = auth::id(&id)?;
    let ctx = asker.house_of(&id).await?;
    let compared = state::compare_with(&ctx, id, body.bytes.clone()).await?;
    Ok(Document::one(resource(&compared)?))
}

/// What it would mean to make an old version the current one again.
pub(crate) async fn preview(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let id: VersionId = auth::id(&id)?;
    let ctx = asker.house_of(&id).await?;
    let found = state::preview_back(&ctx, id).await?;
    let preview = serde_json::to_value(&found.preview).map_err(|error| defect(&error))?;
    let more = [
        ("sentences", found.preview.sentences().into()),
        ("quiet", found.preview.is_quiet().into()),
        ("version", side(&found.version)),
        ("current", side(&found.current)),
    ];
    let attributes = with(preview, more);
    Ok(Document::one(json!({
        "type": "rollback-previews",
        "id": found.version.id,
        "attributes": attributes,
    })))
}
