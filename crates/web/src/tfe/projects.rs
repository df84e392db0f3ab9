//! Projects.

use serde::Deserialize;
use statehouse_core::project;

use super::document::{Attributes, Document, resource, resources};
use crate::auth::{self, Asker, At};
use crate::problem::Problem;

const KIND: &str = "projects";

/// Every project of the organization.
pub(crate) async fn list(asker: Asker, At(organization): At<String>) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    Ok(Document::list(
        resources(KIND, &project::list(&ctx).await?)?,
        None,
    ))
}

/// A new project.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct New {
    name: String,
}

/// Makes a project.
pub(crate) async fn create(
    asker: Asker,
    At(organization): At<String>,
    Attributes(new): Attributes<New>,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    let made = project::create(&ctx, auth::name(&new.name)?).await?;
    Ok(Document::made(resource(KIND, &made)?))
}
