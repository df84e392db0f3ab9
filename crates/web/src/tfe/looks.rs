//! Two states side by side: what differs, and what going back would mean. Sensitive values are hidden in both.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use statehouse_core::state::{self, Against, Compared, VersionView};
use statehouse_model::VersionId;

use super::document::{Document, to};
use super::versions;
use crate::auth::{self, Asked, Asker, At};
use crate::body::{self, Whole};
use crate::problem::Problem;

/// Which version to compare with.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Side {
    against: Option<String>,
}

/// What is told of a side.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Told {
    id: String,
    serial: Option<u64>,
    sequence: Option<u64>,
    status: String,
}

fn side(version: &VersionView) -> Told {
    Told {
        id: version.id.clone(),
        serial: version.serial,
        sequence: version.sequence,
        status: version.status.clone(),
    }
}

/// What differs.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Difference {
    before: Told,
    /// Null for a state that was sent.
    after: Option<Told>,
    header: Value,
    totals: Value,
    outputs: Vec<Value>,
    resources: Vec<Value>,
    outputs_left_out: u64,
    resources_left_out: u64,
}

/// What going back would mean.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Preview {
    version: Told,
    current: Told,
    /// The whole of it, in words.
    sentences: Vec<String>,
    /// Whether nothing of consequence would change.
    quiet: bool,
    /// The rest of it, in numbers and addresses.
    #[serde(flatten)]
    told: Map<String, Value>,
}

fn defect(error: &serde_json::Error) -> Problem {
    Problem::defect(&format!("a difference is no JSON: {error}"))
}

fn resource(compared: &Compared) -> Result<Value, Problem> {
    let after = compared.after.as_ref();
    let (diff, shown) = (&compared.diff, |error| defect(&error));
    let attributes = Difference {
        before: side(&compared.before),
        after: after.map(side),
        header: serde_json::to_value(&diff.header).map_err(shown)?,
        totals: serde_json::to_value(diff.totals).map_err(shown)?,
        outputs: diff
            .outputs
            .iter()
            .map(serde_json::to_value)
            .collect::<Result<_, _>>()
            .map_err(shown)?,
        resources: diff
            .resources
            .iter()
            .map(serde_json::to_value)
            .collect::<Result<_, _>>()
            .map_err(shown)?,
        outputs_left_out: diff.outputs_left_out,
        resources_left_out: diff.resources_left_out,
    };
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
    let told = serde_json::to_value(&found.preview).map_err(|error| defect(&error))?;
    let Value::Object(told) = told else {
        return Err(Problem::defect("a preview is no JSON object"));
    };
    let attributes = Preview {
        version: side(&found.version),
        current: side(&found.current),
        sentences: found.preview.sentences(),
        quiet: found.preview.is_quiet(),
        told,
    };
    Ok(Document::one(json!({
        "type": "rollback-previews",
        "id": found.version.id,
        "attributes": attributes,
    })))
}
