//! Organizations. To the platform's clients an organization's id is its name; its own id stands beside it as `external-id`.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use statehouse_core::org::{self, OrganizationView};
use statehouse_core::{Ctx, access, workspace};
use statehouse_model::Permission;

use super::document::Document;
use super::instant::{self, Instant};
use super::query::{PAGE, Query};
use super::sent::{Attributes, only};
use crate::auth::{self, Asker, At};
use crate::problem::Problem;

pub(super) const KIND: &str = "organizations";

/// What clients may do to an organization, in their words, and the permission that it takes.
const MAY: &[(&str, Permission)] = &[
    ("can-update", Permission::OrganizationManage),
    ("can-update-api-token", Permission::OrganizationManage),
    ("can-destroy", Permission::OrganizationShred),
    ("can-access-via-teams", Permission::TeamRead),
    ("can-create-team", Permission::TeamManage),
    ("can-manage-users", Permission::MemberManage),
    ("can-create-workspace", Permission::WorkspaceCreate),
    ("can-read-entitlement", Permission::OrganizationRead),
    ("can-create-project", Permission::ProjectCreate),
    ("can-read-varsets", Permission::VariableRead),
    ("can-manage-varsets", Permission::VariableWrite),
];

/// The organizations that the caller belongs to; for an operator of the site, every one.
pub(crate) async fn list(asker: Asker, query: Query) -> Result<Document, Problem> {
    let mut found = asker.core().organizations_of(asker.caller()).await?;
    if let Some(part) = query.lower("q") {
        found.retain(|each| each.name.to_lowercase().contains(&part));
    }
    query.sort(&mut found, |each, by| match by {
        "created-at" => instant::format(each.created_at).unwrap_or_default(),
        _ => each.name.clone(),
    });
    let (page, pages) = query.page("/api/v2/organizations", found, PAGE)?;
    Ok(Document::page(page.iter().map(brief).collect(), &pages))
}

/// An organization, as the site knows it.
fn brief(view: &OrganizationView) -> Value {
    document(view, None)
}

/// What is told of an organization.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    name: String,
    /// Its id.
    external_id: String,
    /// What the ids of everything that it holds begin with, after their kind.
    code: String,
    /// `active` or `shredded`.
    status: String,
    created_at: Option<Instant>,
    /// Always `password`.
    collaborator_auth_policy: &'static str,
    /// Always `local`.
    default_execution_mode: &'static str,
    #[serde(flatten)]
    inside: Option<Inside>,
}

/// What is told of it to whoever looks at it alone.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Inside {
    /// Whom to write to about it.
    email: String,
    /// What the caller may do, in the words of clients.
    permissions: BTreeMap<&'static str, bool>,
}

fn document(view: &OrganizationView, inside: Option<Inside>) -> Value {
    let attributes = Told {
        name: view.name.clone(),
        external_id: view.id.clone(),
        code: view.code.clone(),
        status: view.status.clone(),
        created_at: instant::at(view.created_at),
        collaborator_auth_policy: "password",
        default_execution_mode: "local",
        inside,
    };
    json!({
        "type": KIND,
        "id": view.name,
        "attributes": attributes,
        "links": { "self": format!("/api/v2/organizations/{}", view.name) },
    })
}

/// An organization, with what is known inside.
async fn whole(ctx: &Ctx, view: &OrganizationView) -> Result<Value, Problem> {
    let held = access::own(ctx).await?;
    let may = |(word, permission): &(&'static str, _)| (*word, held.contains(permission));
    let inside = Inside {
        email: org::email(ctx).await?,
        permissions: MAY.iter().map(may).collect(),
    };
    Ok(document(view, Some(inside)))
}

/// One organization.
pub(crate) async fn show(asker: Asker, At(name): At<String>) -> Result<Document, Problem> {
    let name = auth::name(&name)?;
    let found = asker.core().organization(asker.caller(), &name).await?;
    let ctx = asker.organization(name.as_str()).await?;
    Ok(Document::one(whole(&ctx, &found).await?))
}

/// An organization as a request wishes it.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Wished {
    name: Option<String>,
    email: Option<String>,
    /// How often terraform stores a state in the middle of an apply; 0 for never.
    #[serde(rename = "snapshot-interval-s")]
    snapshot_interval_s: Option<u32>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// What may be said of an organization because it is so anyway.
fn anyway() -> Value {
    json!({ "collaborator-auth-policy": "password", "default-execution-mode": "local" })
}

/// Makes an organization that the caller owns.
pub(crate) async fn create(
    asker: Asker,
    Attributes(new): Attributes<Wished>,
) -> Result<Document, Problem> {
    only(&new.rest, &anyway())?;
    let name = new
        .name
        .ok_or_else(|| Problem::invalid("an organization needs a `name`"))?;
    let owner = asker.user()?;
    let made = asker
        .core()
        .create_organization(asker.site(), auth::name(&name)?, owner)
        .await?;
    let ctx = asker.organization(&name).await?;
    if let Some(email) = new.email {
        org::set_email(&ctx, email).await?;
    }
    Ok(Document::made(whole(&ctx, &made).await?))
}

/// Says whom to write to about an organization. Its name is in addresses and tokens' rows everywhere, and stays.
pub(crate) async fn change(
    asker: Asker,
    At(name): At<String>,
    Attributes(wished): Attributes<Wished>,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&name).await?;
    if let Some(seconds) = wished.snapshot_interval_s {
        org::set_snapshot_interval_s(&ctx, seconds).await?;
    }
    if wished.name.is_none() && wished.email.is_none() && wished.rest.is_empty() {
        return show(asker, At(name)).await;
    }
    org::may_change(&ctx).await?;
    only(&wished.rest, &anyway())?;
    if wished.name.is_some_and(|wished| wished != name) {
        return Err(Problem::unprocessable("an organization keeps its name"));
    }
    if let Some(email) = wished.email {
        org::set_email(&ctx, email).await?;
    }
    let found = asker
        .core()
        .organization(asker.caller(), &auth::name(&name)?)
        .await?;
    Ok(Document::one(whole(&ctx, &found).await?))
}

/// Destroys an organization that holds no workspace. One that does is shredded with a reason, or not at all.
pub(crate) async fn delete(asker: Asker, At(name): At<String>) -> Result<StatusCode, Problem> {
    let ctx = asker.organization(&name).await?;
    org::may_shred(&ctx).await?;
    if !workspace::list(&ctx, None, 1).await?.is_empty() {
        return Err(Problem::conflict(
            "the organization holds workspaces; destroying it takes a reason",
            &format!("`statehouse org shred {name} --confirm {name} --reason …`"),
        ));
    }
    drop(ctx);
    let reason = "deleted while it held no workspace".to_owned();
    asker
        .core()
        .shred(asker.caller(), &auth::name(&name)?, reason)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Why an organization's keys are destroyed.
#[derive(Deserialize, JsonSchema)]
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
    Ok(Document::one(brief(&gone)))
}
