//! Variables of workspaces and of sets, as the platform's clients know them.

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use statehouse_core::Ctx;
use statehouse_core::variable::{self, Of, VariableView, Wish};
use statehouse_model::{VariableId, VariableOwner};

use super::document::{Document, to_one};
use super::instant::{self, Instant};
use super::sent::Sent;
use super::{variable_sets, workspaces};
use crate::auth::{self, Asker, At};
use crate::problem::Problem;

pub(super) const KIND: &str = "vars";

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
    let (relation, kind, path) = match &view.owner {
        VariableOwner::Workspace(id) => (
            "configurable",
            workspaces::KIND,
            format!("/api/v2/workspaces/{id}/vars"),
        ),
        VariableOwner::Set(id) => (
            "varset",
            variable_sets::KIND,
            format!("/api/v2/varsets/{id}/relationships/vars"),
        ),
    };
    json!({
        "type": KIND,
        "id": view.id,
        "attributes": attributes,
        "relationships": { relation: to_one(kind, view.owner.as_str()) },
        "links": { "self": format!("{path}/{}", view.id) },
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

async fn of_workspace(asker: &Asker, id: &str) -> Result<(Ctx, Of), Problem> {
    let (ctx, workspace) = workspaces::of_id(asker, id).await?;
    Ok((ctx, Of::Workspace(workspace)))
}

async fn of_set(asker: &Asker, id: &str) -> Result<(Ctx, Of), Problem> {
    let (ctx, set) = variable_sets::of_id(asker, id).await?;
    Ok((ctx, Of::Set(set)))
}

async fn all((ctx, of): (Ctx, Of)) -> Result<Document, Problem> {
    let found = variable::list(&ctx, of).await?;
    Ok(Document::list(found.iter().map(resource).collect()))
}

async fn make((ctx, of): (Ctx, Of), sent: Sent<Set>) -> Result<Document, Problem> {
    let made = variable::create(&ctx, of, sent.attributes.wish()?).await?;
    Ok(Document::made(resource(&made)))
}

async fn one((ctx, of): (Ctx, Of), id: &VariableId) -> Result<Document, Problem> {
    let found = variable::show(&ctx, of, id).await?;
    Ok(Document::one(resource(&found)))
}

async fn change(
    (ctx, of): (Ctx, Of),
    id: &VariableId,
    sent: Sent<Set>,
) -> Result<Document, Problem> {
    let changed = variable::update(&ctx, of, id, sent.attributes.wish()?).await?;
    Ok(Document::one(resource(&changed)))
}

async fn remove((ctx, of): (Ctx, Of), id: &VariableId) -> Result<StatusCode, Problem> {
    variable::remove(&ctx, of, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The variables of a workspace, by category and name.
pub(crate) async fn list(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    all(of_workspace(&asker, &id).await?).await
}

/// The variables of a set, by category and name.
pub(crate) async fn list_of_set(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    all(of_set(&asker, &id).await?).await
}

/// Makes a variable of a workspace.
pub(crate) async fn create(
    asker: Asker,
    At(id): At<String>,
    sent: Sent<Set>,
) -> Result<Document, Problem> {
    make(of_workspace(&asker, &id).await?, sent).await
}

/// Makes a variable of a set.
pub(crate) async fn create_of_set(
    asker: Asker,
    At(id): At<String>,
    sent: Sent<Set>,
) -> Result<Document, Problem> {
    make(of_set(&asker, &id).await?, sent).await
}

/// One variable of a workspace.
pub(crate) async fn show(
    asker: Asker,
    At((workspace, id)): At<(String, String)>,
) -> Result<Document, Problem> {
    let id = auth::id(&id)?;
    one(of_workspace(&asker, &workspace).await?, &id).await
}

/// One variable of a set.
pub(crate) async fn show_of_set(
    asker: Asker,
    At((set, id)): At<(String, String)>,
) -> Result<Document, Problem> {
    let id = auth::id(&id)?;
    one(of_set(&asker, &set).await?, &id).await
}

/// Changes a variable of a workspace.
pub(crate) async fn update(
    asker: Asker,
    At((workspace, id)): At<(String, String)>,
    sent: Sent<Set>,
) -> Result<Document, Problem> {
    let id = auth::id(&id)?;
    change(of_workspace(&asker, &workspace).await?, &id, sent).await
}

/// Changes a variable of a set.
pub(crate) async fn update_of_set(
    asker: Asker,
    At((set, id)): At<(String, String)>,
    sent: Sent<Set>,
) -> Result<Document, Problem> {
    let id = auth::id(&id)?;
    change(of_set(&asker, &set).await?, &id, sent).await
}

/// Removes a variable of a workspace.
pub(crate) async fn delete(
    asker: Asker,
    At((workspace, id)): At<(String, String)>,
) -> Result<StatusCode, Problem> {
    let id = auth::id(&id)?;
    remove(of_workspace(&asker, &workspace).await?, &id).await
}

/// Removes a variable of a set.
pub(crate) async fn delete_of_set(
    asker: Asker,
    At((set, id)): At<(String, String)>,
) -> Result<StatusCode, Problem> {
    let id = auth::id(&id)?;
    remove(of_set(&asker, &set).await?, &id).await
}
