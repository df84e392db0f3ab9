//! For how long the content of old versions is kept: in the organization, a project or a workspace.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use statehouse_core::retention::{self, PolicyView, Wish};

use super::document::{Attributes, Document, resource_named, with};
use super::grants::{EVERYTHING, scope};
use crate::auth::{Asker, At};
use crate::problem::Problem;

const KIND: &str = "retention-policies";

fn resource(policy: &PolicyView) -> Result<Value, Problem> {
    resource_named(KIND, &policy.scope, policy)
}

/// Every policy of the organization.
pub(crate) async fn list(asker: Asker, At(organization): At<String>) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    let policies = retention::list(&ctx).await?;
    let resources: Result<Vec<Value>, Problem> = policies.iter().map(resource).collect();
    Ok(Document::list(resources?, None))
}

/// For how long to keep.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Keep {
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
    Ok(Document::made(resource(&said)?))
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
    let mut told = resource(&policy)?;
    let inherited = [("inherited", said.own.is_none().into())];
    told["attributes"] = with(told["attributes"].take(), inherited);
    Ok(Document::one(told))
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
