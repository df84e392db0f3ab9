//! For how long the content of old versions is kept: in the organization, a project or a workspace.

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use statehouse_core::retention::{self, PolicyView, Wish};

use super::document::Document;
use super::grants::{EVERYTHING, scope};
use super::instant::{self, Instant};
use super::sent::Attributes;
use crate::auth::{Asker, At};
use crate::problem::Problem;

const KIND: &str = "retention-policies";

/// What is told of a policy.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    /// `organization`, or the id of a project or workspace.
    scope: String,
    /// For how many days content is kept; null is for ever.
    days: Option<u64>,
    /// Of how many of the newest versions it is always kept.
    versions: u64,
    /// The id of who said so.
    set_by: String,
    set_at: Option<Instant>,
    /// Whether it is that of what the scope lies in; where one policy is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    inherited: Option<bool>,
}

fn resource(policy: &PolicyView, inherited: Option<bool>) -> Value {
    let attributes = Told {
        scope: policy.scope.clone(),
        days: policy.days,
        versions: policy.versions,
        set_by: policy.set_by.clone(),
        set_at: instant::at(policy.set_at),
        inherited,
    };
    json!({ "type": KIND, "id": policy.scope, "attributes": attributes })
}

/// Every policy of the organization.
pub(crate) async fn list(asker: Asker, At(organization): At<String>) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    let policies = retention::list(&ctx).await?;
    let policies = policies.iter().map(|policy| resource(policy, None));
    Ok(Document::list(policies.collect()))
}

/// For how long to keep.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Keep {
    /// `organization`, or the id of a project or workspace.
    scope: Option<String>,
    /// Days; for ever without.
    days: Option<u64>,
    /// Of how many of the newest versions always.
    versions: Option<u64>,
}

/// Says for how long content is kept in a scope, in place of what was said before.
pub(crate) async fn set(
    asker: Asker,
    At(organization): At<String>,
    Attributes(keep): Attributes<Keep>,
) -> Result<Document, Problem> {
    let scope = scope(keep.scope.as_deref().unwrap_or(EVERYTHING))?;
    let wish = Wish {
        days: keep.days,
        versions: keep.versions.unwrap_or(0),
    };
    let ctx = asker.organization(&organization).await?;
    let said = retention::set(&ctx, scope, wish).await?;
    Ok(Document::made(resource(&said, None)))
}

/// What counts in a scope: its own policy, or that of what it lies in; nothing where everything is kept because nobody said
/// anything.
pub(crate) async fn show(
    asker: Asker,
    At((organization, of)): At<(String, String)>,
) -> Result<Document, Problem> {
    let scope = scope(&of)?;
    let ctx = asker.organization(&organization).await?;
    let said = retention::show(&ctx, scope).await?;
    let Some(policy) = said.in_force else {
        return Ok(Document::one(Value::Null));
    };
    let inherited = said.own.is_none();
    Ok(Document::one(resource(&policy, Some(inherited))))
}

/// Says nothing more about a scope.
pub(crate) async fn end(
    asker: Asker,
    At((organization, of)): At<(String, String)>,
) -> Result<StatusCode, Problem> {
    let scope = scope(&of)?;
    let ctx = asker.organization(&organization).await?;
    retention::end(&ctx, scope).await?;
    Ok(StatusCode::NO_CONTENT)
}
