//! Outputs of a state. A sensitive value is null in a list, and a request of its own.

use serde_json::{Value, json};
use statehouse_core::state::{self, OutputView, Which};
use statehouse_core::workspace::Workspace;
use statehouse_model::{OutputId, VersionId};

use super::document::{Document, Pagination};
use super::query::Query;
use super::workspaces::of_id;
use crate::auth::{self, Asker, At};
use crate::problem::Problem;

/// Outputs on one page: clients of the current outputs read the first one only, so all of them are on it.
const PAGE_MAX: usize = 10_000;

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

fn resource(output: &OutputView) -> Value {
    json!({
        "type": "state-version-outputs",
        "id": output.id.as_str(),
        "attributes": {
            "name": output.name,
            "sensitive": output.sensitive,
            "type": word(&output.detailed_type),
            "detailed-type": output.detailed_type,
            "value": output.value,
        },
        "links": { "self": format!("/api/v2/state-version-outputs/{}", output.id) },
    })
}

fn page(query: &Query, path: &str, outputs: &[OutputView]) -> Result<Document, Problem> {
    let pagination = Pagination {
        number: query.number()?.unwrap_or(1).max(1),
        size: query.size(PAGE_MAX)?,
        total: outputs.len() as u64,
    };
    let before = usize::try_from(pagination.number - 1).unwrap_or(usize::MAX);
    let page = outputs
        .iter()
        .skip(before.saturating_mul(pagination.size))
        .take(pagination.size);
    let next = pagination.next();
    let next = next.map(|next| query.next(path, "page[number]", &next.to_string()));
    Ok(Document::page(
        page.map(resource).collect(),
        Some(pagination),
        next,
    ))
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
    page(&query, &path, &outputs)
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
    page(
        &query,
        &format!("/api/v2/state-versions/{id}/outputs"),
        &outputs,
    )
}

/// One output with its value.
pub(crate) async fn show(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let id: OutputId = auth::id(&id)?;
    let ctx = asker.house_of(&id).await?;
    Ok(Document::one(resource(&state::output(&ctx, &id).await?)))
}
