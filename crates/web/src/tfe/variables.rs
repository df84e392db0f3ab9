//! Variables of a workspace, as the platform's clients know them.

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use statehouse_core::variable::{self, VariableView, Wish};
use statehouse_model::VariableId;

use super::document::{Document, to_one};
use super::instant::{self, Instant};
use super::sent::Sent;
use super::workspaces::of_id;
use crate::auth::{self, Asker, At};
use crate::problem::Problem;

const KIND: &str = "vars";

/// What is told of a variable.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    key: String,
    /// Null where it is sensitive.
    value: Option<String>,
    /// `terraform` or `env`.
    category: String,
    description: String,
    /// Whether the value is a literal of HCL.
    hcl: bool,
    sensitive: bool,
    /// Another one after each change of the value.
    version_id: String,
    created_at: Option<Instant>,
}

fn resource(view: &VariableView) -> Value {
    let attributes = Told {
        key: view.name.clone(),
        value: view.value.clone(),
        category: view.category.clone(),
        description: view.description.clone(),
        hcl: view.hcl,
        sensitive: view.sensitive,
        version_id: view.version.clone(),
        created_at: instant::at(view.created_at),
    };
    json!({
        "type": KIND,
        "id": view.id,
        "attributes": attributes,
        "relationships": { "configurable": to_one(super::workspaces::KIND, &view.workspace) },
        "links": { "self": format!("/api/v2/workspaces/{}/vars/{}", view.workspace, view.id) },
    })
}

/// A variable to set; what is left out stays as it is.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Set {
    key: Option<String>,
    value: Option<String>,
    /// `terraform` or `env`; `terraform` unless said.
    category: Option<String>,
    description: Option<String>,
    /// Whether the value is a literal of HCL.
    hcl: Option<bool>,
    /// Whether nobody may see its value. For good.
    sensitive: Option<bool>,
}

impl Set {
    fn wish(self) -> Result<Wish, Problem> {
        let category = self.category.as_deref().map(str::parse).transpose();
        Ok(Wish {
            name: self.key,
            value: self.value,
            category: category.map_err(Problem::unprocessable)?,
            description: self.description,
            hcl: self.hcl,
            sensitive: self.sensitive,
        })
    }
}

/// The variables of a workspace, by category and name.
pub(crate) async fn list(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let found = variable::list(&ctx, &workspace).await?;
    Ok(Document::list(found.iter().map(resource).collect()))
}

/// Makes a variable.
pub(crate) async fn create(
    asker: Asker,
    At(id): At<String>,
    sent: Sent<Set>,
) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let made = variable::create(&ctx, &workspace, sent.attributes.wish()?).await?;
    Ok(Document::made(resource(&made)))
}

/// One variable.
pub(crate) async fn show(
    asker: Asker,
    At((workspace, id)): At<(String, String)>,
) -> Result<Document, Problem> {
    let id: VariableId = auth::id(&id)?;
    let (ctx, workspace) = of_id(&asker, &workspace).await?;
    let found = variable::show(&ctx, &workspace, &id).await?;
    Ok(Document::one(resource(&found)))
}

/// Changes a variable.
pub(crate) async fn update(
    asker: Asker,
    At((workspace, id)): At<(String, String)>,
    sent: Sent<Set>,
) -> Result<Document, Problem> {
    let id: VariableId = auth::id(&id)?;
    let (ctx, workspace) = of_id(&asker, &workspace).await?;
    let changed = variable::update(&ctx, &workspace, &id, sent.attributes.wish()?).await?;
    Ok(Document::one(resource(&changed)))
}

/// Removes a variable.
pub(crate) async fn delete(
    asker: Asker,
    At((workspace, id)): At<(String, String)>,
) -> Result<StatusCode, Problem> {
    let id: VariableId = auth::id(&id)?;
    let (ctx, workspace) = of_id(&asker, &workspace).await?;
    variable::remove(&ctx, &workspace, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
