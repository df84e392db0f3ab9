//! Organizations. What `/api/v2` knows one by is its name; the id that the site gives it stands beside it, as `external-id`.

use serde::Deserialize;
use serde_json::{Value, json};
use statehouse_core::org::{self, OrganizationView};

use super::document::{Attributes, Document, Sent};
use super::instant;
use crate::auth::{self, Asker, At};
use crate::problem::Problem;

const KIND: &str = "organizations";

/// Every organization of the site, for its operators.
pub(crate) async fn list(asker: Asker) -> Result<Document, Problem> {
    let found = org::list(asker.site()).await?;
    Ok(Document::list(found.iter().map(resource).collect(), None))
}

/// An organization as clients read one. Permissions are what they look at before they ask, and no promise.
fn resource(organization: &OrganizationView) -> Value {
    let name = &organization.name;
    json!({
        "type": KIND,
        "id": name,
        "attributes": {
            "name": name,
            "external-id": organization.id,
            "code": organization.code,
            "status": organization.status,
            "created-at": instant::format(organization.created_at),
            "default-execution-mode": "local",
            "collaborator-auth-policy": "password",
            "email": null,
            "permissions": {
                "can-create-workspace": true,
                "can-read-entitlement": true,
                "can-update": true,
                "can-destroy": false,
            },
        },
        "links": { "self": format!("/api/v2/organizations/{name}") },
    })
}

/// One organization.
pub(crate) async fn show(asker: Asker, At(name): At<String>) -> Result<Document, Problem> {
    let found = asker
        .core()
        .organization(asker.caller(), &auth::name(&name)?)
        .await?;
    Ok(Document::one(resource(&found)))
}

/// What to change of an organization.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Change {
    /// How often terraform stores a state in the middle of an apply; 0 for never.
    snapshot_interval_s: Option<u32>,
}

/// Changes an organization.
pub(crate) async fn update(
    asker: Asker,
    At(name): At<String>,
    sent: Sent<Change>,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&name).await?;
    if let Some(seconds) = sent.attributes.snapshot_interval_s {
        org::set_snapshot_interval_s(&ctx, seconds).await?;
    }
    show(asker, At(name)).await
}

/// A new organization.
#[derive(Deserialize)]
pub(crate) struct New {
    name: String,
}

/// Makes an organization that the caller owns.
pub(crate) async fn create(asker: Asker, sent: Sent<New>) -> Result<Document, Problem> {
    let new = sent.attributes;
    let owner = asker.user()?;
    let made = asker
        .core()
        .create_organization(asker.site(), auth::name(&new.name)?, owner)
        .await?;
    Ok(Document::made(resource(&made)))
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
    Ok(Document::one(resource(&gone)))
}
