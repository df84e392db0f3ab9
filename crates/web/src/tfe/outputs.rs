//! Outputs of a state. A sensitive value is null in a list, and a request of its own.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use statehouse_core::state::{self, OutputView, Which};
use statehouse_core::workspace::Workspace;
use statehouse_model::{OutputId, VersionId};

use super::document::Document;
use super::query::{Query, Sizes};
use super::workspaces::of_id;
use crate::auth::{self, Asker, At};
use crate::problem::Problem;

pub(super) const KIND: &str = "state-version-outputs";
/// Outputs on one page: clients of the current outputs read the first one only, so all of them are on it.
const PAGE: Sizes = Sizes::whole(10_000);

/// What kind of value a type has, in one word.
fn word(detailed: &Value) -> &str {
    let outer = match detailed {
        Value::Array(parts) => parts.first().and_then(Value::as_str),
        detailed => detailed.as_str(),
    };
    match outer {
        Some("list" | "set" | "tuple") => "array",
        Some("map" | "object") => "object",
        Some(other) => other,
        None => "dynamic",
    }
}

/// What is told of an output.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told<'o> {
    name: &'o str,
    sensitive: bool,
    /// `string`, `number`, `bool`, `array`, `object` or `dynamic`.
    #[serde(rename = "type")]
    kind: &'o str,
    /// The type as terraform writes it.
    detailed_type: &'o Value,
    /// Null for a sensitive output of a list.
    value: Option<&'o Value>,
}

pub(super) fn resource(output: &OutputView) -> Value {
    json!({
        "type": KIND,
        "id": output.id.as_str(),
        "attributes": Told {
            name: &output.name,
            sensitive: output.sensitive,
            kind: word(&output.detailed_type),
            detailed_type: &output.detailed_type,
            value: output.value.as_ref(),
        },
        "links": { "self": format!("/api/v2/state-version-outputs/{}", output.id) },
    })
}

fn page(query: &Query, path: &str, outputs: Vec<OutputView>) -> Result<Document, Problem> {
    let (page, pages) = query.page(path, outputs, PAGE)?;
    Ok(Document::page(page.iter().map(resource).collect(), &pages))
}

/// The outputs of the current version; none where there is no state yet, because clients fail over a 404.
pub(crate) async fn current(
    asker: Asker,
    At(id): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let outputs = state::outputs(&ctx, &workspace, Which::Current).await?;
    let path = format!("/api/v2/workspaces/{id}/current-state-version-outputs");
    page(&query, &path, outputs)
}

/// The outputs of one version.
pub(crate) async fn of_version(
    asker: Asker,
    At(id): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let version: VersionId = auth::id(&id)?;
    let ctx = asker.house_of(&version).await?;
    let workspace = Workspace::Of(version.clone());
    let outputs = state::outputs(&ctx, &workspace, Which::Version(version)).await?;
    let path = format!("/api/v2/state-versions/{id}/outputs");
    page(&query, &path, outputs)
}

/// One output with its value.
pub(crate) async fn show(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let id: OutputId = auth::id(&id)?;
    let ctx = asker.house_of(&id).await?;
    Ok(Document::one(resource(&state::output(&ctx, &id).await?)))
}
