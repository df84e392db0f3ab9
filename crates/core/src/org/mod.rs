//! Organizations: each has a house of its own, and the site knows its name.

pub(crate) mod sql;

use statehouse_model::{GrantId, HouseCode, Name, OrganizationId, ProjectId, Role, UserId};

use crate::access::{self, sql::Grant};
use crate::ctx::Ctx;
use crate::door::{self, Entry, Outcome, Target, actions};
use crate::error::{Error, Kind, Result};
use crate::key::{self, OpenLedger};
use crate::ledger::sql::Setting;
use crate::ledger::{self, Head};
use crate::project::{self, sql::Project};
use crate::record::Rows;
use sql::{Organization, Witness};

pub(crate) const ACTIVE: &str = "active";
/// Its keys are being destroyed; nobody enters any more.
pub(crate) const SHREDDING: &str = "shredding";
pub(crate) const SHREDDED: &str = "shredded";

/// The setting that holds it.
const EMAIL: &str = "email";
const EMAIL_BYTES_MAX: usize = 254;

actions! {
    /// Make an organization.
    CreateOrganization = "organization.create" needs SiteOrganizationCreate;
    /// See every organization of the site.
    ListOrganizations = "organization.list" needs SiteOrganizationRead;
    /// See one, from inside.
    ShowOrganization = "organization.show" needs OrganizationRead;
    /// Change an organization's settings.
    UpdateOrganization = "organization.update" needs OrganizationUpdate;
    /// Say whom to write to about it.
    SetEmail = "organization.email" needs OrganizationManage;
    /// Destroy an organization's keys; recorded in its own ledger.
    Shred = "organization.shred" needs OrganizationShred;
    /// The site's record of it.
    MarkShredded = "organization.status" needs SiteOrganizationCreate;
    /// The site's record of a house's newest checkpoint.
    WitnessHouse = "house.checkpoint" needs SiteLedgerRead;
}

/// How often terraform stores a state in the middle of an apply, in seconds,
/// unless said otherwise: what a stop then loses is a minute's work.
pub const SNAPSHOT_DEFAULT_S: u32 = 60;
/// And at most an hour, which is the longest that terraform takes.
pub const SNAPSHOT_MAX_S: u32 = 3600;
const SNAPSHOT: &str = "state.snapshot-interval-s";

/// An organization, for people and programs to read.
#[derive(Debug, Clone, serde::Serialize)]
pub struct OrganizationView {
    /// Its id.
    pub id: String,
    /// The code in the ids of everything it holds.
    pub code: String,
    /// Its name.
    pub name: String,
    /// `active` or `shredded`.
    pub status: String,
    /// When it was made, in microseconds since 1970.
    pub created_at: i64,
}

impl From<Organization> for OrganizationView {
    fn from(organization: Organization) -> Self {
        Self {
            id: organization.id.to_string(),
            code: organization.code.to_string(),
            name: organization.name.to_string(),
            status: organization.status,
            created_at: organization.created_at,
        }
    }
}

/// Registers a house that was begun by [`begin`] under its name.
pub(crate) async fn register(ctx: &Ctx, code: HouseCode, name: Name) -> Result<OrganizationView> {
    let id = OrganizationId::from_entropy(crate::entropy());
    door::change(ctx, CreateOrganization, Target::House, move |tx| {
        let organization = Organization {
            id: id.clone(),
            code,
            name: name.clone(),
            status: ACTIVE.to_owned(),
            created_at: tx.now(),
        };
        Box::pin(async move {
            if sql::by_name(tx, &organization.name).await?.is_some() {
                return Err(taken(&organization.name));
            }
            tx.put(&organization).await?;
            let entry = Entry::new(&organization.id).fact("house", organization.code.as_str());
            Ok(Outcome::Recorded(organization.into(), entry))
        })
    })
    .await
}

/// Whether the caller may make an organization of that name, asked before a
/// house is built for it.
pub(crate) async fn may_create(ctx: &Ctx, name: &Name) -> Result<()> {
    let name = name.clone();
    door::read(ctx, CreateOrganization, &Target::House, move |rows| {
        Box::pin(async move {
            let found = sql::by_name(rows, &name).await?;
            if found.is_some() {
                Err(taken(&name))
            } else {
                Ok(())
            }
        })
    })
    .await
}

pub(crate) fn taken(name: &Name) -> Error {
    Error::new(
        Kind::Conflict,
        format!("an organization named `{name}` exists"),
    )
}

/// Writes the first leaf of a house: its keys and, for an organization, the
/// default project and its owner.
pub(crate) async fn begin(ctx: &Ctx, wrapped: Vec<u8>, owner: Option<UserId>) -> Result<()> {
    let code = ctx.house().code();
    let project = ProjectId::from_entropy(code, crate::entropy());
    let grant = GrantId::from_entropy(code, crate::entropy());
    let asked = ctx.clone();
    door::change(ctx, OpenLedger, Target::House, move |tx| {
        let (wrapped, owner, asked) = (wrapped.clone(), owner.clone(), asked.clone());
        let (project, grant) = (project.clone(), grant.clone());
        Box::pin(async move {
            let now = tx.now();
            let mut entry = key::first(tx, &asked, wrapped, Entry::new(code)).await?;
            if let Some(owner) = owner {
                let name: Name = project::DEFAULT
                    .parse()
                    .map_err(|error| Error::internal(format!("{error}")))?;
                tx.put(&Project {
                    id: project,
                    name,
                    created_at: now,
                })
                .await?;
                entry = entry.fact("owner", owner.as_str());
                let scope = access::ORGANIZATION.to_owned();
                let role = Role::Owner;
                tx.put(&Grant {
                    id: grant,
                    subject: owner.into(),
                    role,
                    scope,
                    created_at: now,
                    expires_at: None,
                })
                .await?;
            }
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await
}

/// Every organization of the site, for its operators.
pub async fn list(ctx: &Ctx) -> Result<Vec<OrganizationView>> {
    door::read(ctx, ListOrganizations, &Target::House, |rows| {
        Box::pin(async move {
            Ok(sql::all(rows)
                .await?
                .into_iter()
                .map(OrganizationView::from)
                .collect())
        })
    })
    .await
}

/// Shows an organization to a caller who may see it from inside.
pub(crate) async fn show(ctx: &Ctx, organization: Organization) -> Result<OrganizationView> {
    door::read(ctx, ShowOrganization, &Target::House, |_| {
        Box::pin(async { Ok(organization.into()) })
    })
    .await
}

/// Whom to write to about the organization; empty when nobody was named.
pub async fn email(ctx: &Ctx) -> Result<String> {
    door::read(ctx, ShowOrganization, &Target::House, |rows| {
        Box::pin(async move { setting(rows, EMAIL).await })
    })
    .await
}

/// Whether the caller may change the organization's settings.
pub async fn may_change(ctx: &Ctx) -> Result<()> {
    door::may(ctx, SetEmail, &Target::House).await
}

/// Says whom to write to about the organization.
pub async fn set_email(ctx: &Ctx, email: String) -> Result<()> {
    if email.len() > EMAIL_BYTES_MAX || email.chars().any(char::is_control) {
        let words =
            format!("an address has at most {EMAIL_BYTES_MAX} bytes, all of them printable");
        return Err(Error::invalid(words));
    }
    let code = ctx.house().code();
    door::change(ctx, SetEmail, Target::House, move |tx| {
        let email = email.clone();
        Box::pin(async move {
            if setting(tx, EMAIL).await? == email {
                return Ok(Outcome::Unchanged(()));
            }
            let name = EMAIL.to_owned();
            tx.put(&Setting { name, value: email }).await?;
            Ok(Outcome::Recorded((), Entry::new(code)))
        })
    })
    .await
}

async fn setting(rows: &mut Rows, name: &str) -> Result<String> {
    let found: Option<Setting> = rows.one("WHERE name = $1", &[name.into()]).await?;
    Ok(found.map(|setting| setting.value).unwrap_or_default())
}

/// Records in the house's own ledger that its keys are about to be destroyed.
pub(crate) async fn record_shred(ctx: &Ctx, reason: String) -> Result<()> {
    if reason.trim().is_empty() {
        return Err(
            Error::invalid("a reason is needed").hint("say why with `--reason`; it is recorded")
        );
    }
    let code = ctx.house().code();
    door::change(ctx, Shred, Target::House, move |_| {
        let entry = Entry::new(code).detail(Some(&reason));
        Box::pin(async move { Ok(Outcome::Recorded((), entry)) })
    })
    .await
}

/// Whether the caller may destroy the organization's keys.
pub async fn may_shred(ctx: &Ctx) -> Result<()> {
    door::may(ctx, Shred, &Target::House).await
}

/// Records in the site how far the shredding of an organization is.
pub(crate) async fn mark(
    machine: &Ctx,
    code: HouseCode,
    status: &'static str,
) -> Result<OrganizationView> {
    door::change(machine, MarkShredded, Target::House, move |tx| {
        Box::pin(async move {
            let found = sql::by_code(tx, code).await?;
            let mut organization = found.ok_or_else(|| Error::not_found("organization"))?;
            organization.status = status.to_owned();
            tx.put(&organization).await?;
            let entry = Entry::new(&organization.id)
                .fact("house", code.as_str())
                .fact("status", status);
            Ok(Outcome::Recorded(organization.into(), entry))
        })
    })
    .await
}

/// Writes a house's head into the site's log.
pub(crate) async fn witness(task: &Ctx, code: HouseCode, head: Head) -> Result<()> {
    door::change(task, WitnessHouse, Target::House, move |tx| {
        let head = head.clone();
        Box::pin(async move {
            let known = sql::witness_of(tx, code).await?;
            if known.is_some_and(|known| known.size >= head.size && known.origin == head.origin) {
                return Ok(Outcome::Unchanged(()));
            }
            let root = head.root.to_vec();
            tx.put(&Witness {
                house: code,
                size: head.size,
                root,
                origin: head.origin,
            })
            .await?;
            let entry = Entry::new(code)
                .fact("size", head.size)
                .fact("root", hex::encode(head.root));
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await
}

/// How often terraform is to store a state in the middle of an apply, in
/// seconds; 0 for not at all.
pub(crate) async fn snapshot_interval_s(rows: &mut Rows) -> Result<u32> {
    let stored = ledger::sql::setting(rows, SNAPSHOT).await?;
    let stored = stored.and_then(|text| text.parse().ok());
    Ok(stored.unwrap_or(SNAPSHOT_DEFAULT_S))
}

/// Sets how often that is.
pub async fn set_snapshot_interval_s(ctx: &Ctx, seconds: u32) -> Result<()> {
    if seconds > SNAPSHOT_MAX_S {
        let words = format!("the interval is 0, for never, to {SNAPSHOT_MAX_S} seconds");
        return Err(Error::invalid(words));
    }
    let code = ctx.house().code();
    door::change(ctx, UpdateOrganization, Target::House, move |tx| {
        let setting = ledger::sql::Setting {
            name: SNAPSHOT.to_owned(),
            value: seconds.to_string(),
        };
        Box::pin(async move {
            tx.put(&setting).await?;
            let entry = Entry::new(code).fact("snapshot-interval-s", seconds);
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await
}
