//! Organizations.

use serde::Deserialize;
use statehouse_core::org;

use super::document::{Attributes, Document, resource, resources};
use crate::auth::{self, Asker, At};
use crate::problem::Problem;

const KIND: &str = "organizations";

/// Every organization of the site, for its operators.
pub(crate) async fn list(asker: Asker) -> Result<Document, Problem> {
    Ok(Document::list(
        resources(KIND, &org::list(asker.site()).await?)?,
        None,
    ))
}

/// One organization.
pub(crate) async fn show(asker: Asker, At(name): At<String>) -> Result<Document, Problem> {
    let found = asker
        .core()
        .organization(asker.caller(), &auth::name(&name)?)
        .await?;
    Ok(Document::one(resource(KIND, &found)?))
}

/// A new organization.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct New {
    name: String,
}

/// Makes an organization that the caller owns.
pub(crate) async fn create(
    asker: Asker,
    Attributes(new): Attributes<New>,
) -> Result<Document, Problem> {
    let owner = asker.user()?;
    let made = asker
        .core()
        .create_organization(asker.site(), auth::name(&new.name)?, owner)
        .await?;
    Ok(Document::made(resource(KIND, &made)?))
}

/// Why an organization's keys are destroyed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shred {
    reason: String,
}

/// Destroys an organization's keys, for ever.
pub(crate) async fn shred(
    asker: Asker,
    At(name): At<String>,
    Attributes(shred): Attributes<Shred>,
) -> Result<Document, Problem> {
    let gone = asker
        .core()
        .shred(asker.caller(), &auth::name(&name)?, shred.reason)
        .await?;
    Ok(Document::one(resource(KIND, &gone)?))
}
