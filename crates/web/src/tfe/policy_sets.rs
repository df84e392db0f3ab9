//! Policy sets, as the platform's clients know them, and what they are here beyond that. Their bundles are `policy_versions`.
//!
//! The platform's `overridable` is our `enforcement` without its grades: a set whose strictest level is `soft-mandatory` is one whose failures may be let
//! pass. There is one kind of policies, `opa`, and no policies outside of bundles.

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use statehouse_core::policy::{self, Enforcement, SetView, Wish};
use statehouse_core::{Ctx, reach};
use statehouse_model::{Name, PolicySetId};

use super::document::{Document, to, to_many};
use super::instant::{self, Instant};
use super::policy_versions::Policy;
use super::query::{PAGE, Query};
use super::sent::{References, Sent, only};
use super::{attached, policy_versions, projects, workspaces};
use crate::auth::{self, Asker, At};
use crate::problem::Problem;

pub(super) const KIND: &str = "policy-sets";
/// The only kind of policies.
pub(super) const OPA: &str = "opa";

/// What clients ask to be beside sets: the references are there already, and there are no policies outside of bundles.
pub(crate) const PASSED: &[&str] = &[
    "organization",
    "policies",
    "workspaces",
    "projects",
    "workspace-exclusions",
    "current-version",
    "newest-version",
];
/// What is asked of a list of sets.
pub(crate) const ASKED: &[(&str, &str)] = &[
    ("q", "A part of the name."),
    ("search[name]", "A part of the name."),
    ("filter[kind]", "`opa`; there are no others."),
];

/// What is told of a policy set.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are the words of the clients"
)]
pub(crate) struct Told {
    name: String,
    description: String,
    /// Always `opa`.
    kind: &'static str,
    /// Whether it reaches every workspace.
    global: bool,
    /// Whether what its policies are against may be let pass at most.
    overridable: bool,
    /// The strictest level that its policies have: `advisory`, `soft-mandatory`, or `hard-mandatory`, where each has the level of its own.
    enforcement: String,
    /// The tags of workspaces that it reaches: `key`, or `key=value`.
    tags: Vec<String>,
    /// Values of its parameters.
    parameters: Map<String, Value>,
    /// What it does not hold against whom, for a while.
    exceptions: Vec<Excepted>,
    /// How many hours of past plans a bundle must have been replayed over, with its replay recorded, before it is in force; 0 for none.
    replay_hours: u64,
    /// SHA-256 over what is in the bundle that is in force, in hex; null where there is none, and nothing is judged.
    bundle_digest: Option<String>,
    /// The policies of that bundle.
    policies: Vec<Policy>,
    policy_count: usize,
    workspace_count: usize,
    project_count: usize,
    /// Always true: sets have bundles.
    versioned: bool,
    /// Always true: policies are evaluated apart from the server.
    agent_enabled: bool,
    /// Always empty: the engine is part of the server.
    policy_tool_version: &'static str,
    /// Always null: policies come in bundles.
    policies_path: Option<String>,
    /// Always null.
    vcs_repo: Option<String>,
    updated_at: Option<Instant>,
    permissions: May,
}

/// What the caller may do with it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct May {
    can_update: bool,
}

/// Something that a set does not hold against somebody, for a while.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Excepted {
    /// Of which policy.
    policy: String,
    /// For which resources, by address; `*` stands for any letters.
    address: String,
    /// Until when, as RFC 3339.
    until: String,
    /// Why.
    reason: String,
}

impl From<&policy::Exception> for Excepted {
    fn from(exception: &policy::Exception) -> Self {
        Self {
            policy: exception.policy.clone(),
            address: exception.address.clone(),
            until: instant::format(exception.until).unwrap_or_default(),
            reason: exception.reason.clone(),
        }
    }
}

impl Excepted {
    pub(super) fn read(self) -> Result<policy::Exception, Problem> {
        let wrong = || {
            let words =
                "`until` of an exception is no instant of RFC 3339, such as `2027-01-31T00:00:00Z`";
            Problem::unprocessable(words)
        };
        Ok(policy::Exception {
            until: instant::parse(&self.until).ok_or_else(wrong)?,
            policy: self.policy,
            address: self.address,
            reason: self.reason,
        })
    }
}

fn resource(ctx: &Ctx, set: &SetView) -> Value {
    let bundle = set.bundle.as_ref();
    let policies = policy_versions::policies(bundle);
    let attributes = Told {
        name: set.name.clone(),
        description: set.description.clone(),
        kind: OPA,
        global: set.global,
        overridable: set.enforcement != Enforcement::HardMandatory.as_str(),
        enforcement: set.enforcement.clone(),
        tags: set.tags.clone(),
        parameters: set.parameters.clone(),
        exceptions: set.exceptions.iter().map(Excepted::from).collect(),
        replay_hours: set.replay_hours,
        bundle_digest: bundle.map(|bundle| bundle.digest.clone()),
        policy_count: policies.len(),
        policies,
        workspace_count: set.workspaces.len(),
        project_count: set.projects.len(),
        versioned: true,
        agent_enabled: true,
        policy_tool_version: "",
        policies_path: None,
        vcs_repo: None,
        updated_at: instant::at(set.updated_at),
        permissions: May {
            can_update: set.manageable,
        },
    };
    let organization = ctx.organization().map(Name::as_str);
    let many = |kind, ids: &[String]| to_many(kind, ids.iter().map(String::as_str));
    let version = to(policy_versions::KIND, bundle.map(|bundle| &*bundle.id));
    json!({
        "type": KIND,
        "id": set.id,
        "attributes": attributes,
        "relationships": {
            "organization": to(attached::ORGANIZATIONS, organization),
            "projects": many(projects::KIND, &set.projects),
            "workspaces": many(workspaces::KIND, &set.workspaces),
            "workspace-exclusions": many(workspaces::KIND, &set.excluded),
            "policies": many("policies", &[]),
            "current-version": version,
            "newest-version": version,
        },
        "links": { "self": format!("/api/v2/policy-sets/{}", set.id) },
    })
}

/// The house of a set's id, and the id.
pub(super) async fn of_id(asker: &Asker, text: &str) -> Result<(Ctx, PolicySetId), Problem> {
    let id: PolicySetId = auth::id(text)?;
    Ok((asker.house_of(&id).await?, id))
}

/// A policy set to make, or to change; what is left out stays as it is.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Wished {
    /// Unique in the organization.
    name: Option<String>,
    description: Option<String>,
    /// Only `opa`.
    kind: Option<String>,
    /// Whether it reaches every workspace; one that does is attached to nothing.
    global: Option<bool>,
    /// Whether what its policies are against may be let pass at most; where `enforcement` is said, that counts.
    overridable: Option<bool>,
    /// The strictest level that its policies have: `advisory`, `soft-mandatory` or `hard-mandatory`.
    enforcement: Option<String>,
    /// The tags of workspaces that it reaches, and no others: `key`, or `key=value`.
    tags: Option<Vec<String>>,
    /// Values of its parameters, all of them.
    parameters: Option<Map<String, Value>>,
    /// What it does not hold against whom, all of it.
    exceptions: Option<Vec<Excepted>>,
    /// How many hours of past plans a bundle must have been replayed over before it is in force; 0 for none.
    replay_hours: Option<u64>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Wished {
    fn enforcement(&self) -> Result<Option<Enforcement>, Problem> {
        match (&self.enforcement, self.overridable) {
            (Some(word), _) => enforcement_of(word).map(Some),
            (None, Some(true)) => Ok(Some(Enforcement::SoftMandatory)),
            (None, Some(false)) => Ok(Some(Enforcement::HardMandatory)),
            (None, None) => Ok(None),
        }
    }
}

/// The strictest level that policies have, by its word.
pub(super) fn enforcement_of(word: &str) -> Result<Enforcement, Problem> {
    let read: Result<Enforcement, statehouse_core::Error> = word.parse();
    read.map_err(|error| Problem::unprocessable(error.message().to_owned()))
}

/// What a document wishes of a set of the organization.
fn wish(ctx: &Ctx, sent: Sent<Wished>) -> Result<Wish, Problem> {
    let (wished, relations) = (sent.attributes, sent.relationships);
    // Clients say of the tool what it is anyway.
    let shown =
        json!({ "agent-enabled": true, "policy-tool-version": "latest", "versioned": true });
    only(&wished.rest, &shown)?;
    if let Some(kind) = wished.kind.as_deref().filter(|kind| *kind != OPA) {
        let shown: String = kind.chars().take(64).collect();
        let words = format!(
            "policies of the kind `{shown}` are not evaluated here; write them in Rego, the kind `{OPA}`"
        );
        return Err(Problem::unprocessable(words));
    }
    attached::of_organization(ctx, &relations)?;
    if !relations.items::<Value>("policies")?.is_empty() {
        let words = "policies come in bundles: make the set, then publish a directory of them";
        return Err(Problem::unprocessable(words));
    }
    let enforcement = wished.enforcement()?;
    let exceptions = wished.exceptions.map(|all| {
        let read = all.into_iter().map(Excepted::read);
        read.collect::<Result<Vec<_>, _>>()
    });
    Ok(Wish {
        name: wished.name,
        description: wished.description,
        reach: reach::Wish {
            global: wished.global,
            projects: relations.said("projects", projects::KIND)?,
            workspaces: relations.said("workspaces", workspaces::KIND)?,
        },
        tags: wished.tags,
        excluded: relations.said("workspace-exclusions", workspaces::KIND)?,
        enforcement,
        parameters: wished.parameters,
        exceptions: exceptions.transpose()?,
        replay_hours: wished.replay_hours,
    })
}

/// A page of these sets, of those that are looked for.
fn page(
    ctx: &Ctx,
    mut found: Vec<SetView>,
    query: &Query,
    path: &str,
) -> Result<Document, Problem> {
    for name in ["q", "search[name]"] {
        if let Some(part) = query.lower(name) {
            found.retain(|set| set.name.to_lowercase().contains(&part));
        }
    }
    if query.get("filter[kind]").is_some_and(|kind| kind != OPA) {
        found.clear();
    }
    let (page, pages) = query.page(path, found, PAGE)?;
    let data = page.iter().map(|set| resource(ctx, set)).collect();
    Ok(Document::page(data, &pages))
}

/// The policy sets of an organization, by name.
pub(crate) async fn list(
    asker: Asker,
    At(organization): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    let path = format!("/api/v2/organizations/{organization}/policy-sets");
    page(&ctx, policy::list(&ctx).await?, &query, &path)
}

/// The policy sets that reach a workspace, by name.
pub(crate) async fn list_of_workspace(
    asker: Asker,
    At(id): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let (ctx, workspace) = workspaces::of_id(&asker, &id).await?;
    let found = policy::of_workspace(&ctx, &workspace).await?;
    let path = format!("/api/v2/workspaces/{id}/policy-sets");
    page(&ctx, found, &query, &path)
}

/// Makes a policy set.
pub(crate) async fn create(
    asker: Asker,
    At(organization): At<String>,
    sent: Sent<Wished>,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    let made = policy::create(&ctx, wish(&ctx, sent)?).await?;
    Ok(Document::made(resource(&ctx, &made)))
}

/// One policy set.
pub(crate) async fn show(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let (ctx, id) = of_id(&asker, &id).await?;
    let found = policy::show(&ctx, &id).await?;
    Ok(Document::one(resource(&ctx, &found)))
}

/// Changes a policy set.
pub(crate) async fn update(
    asker: Asker,
    At(id): At<String>,
    sent: Sent<Wished>,
) -> Result<Document, Problem> {
    let (ctx, id) = of_id(&asker, &id).await?;
    let changed = policy::update(&ctx, &id, wish(&ctx, sent)?).await?;
    Ok(Document::one(resource(&ctx, &changed)))
}

/// Removes a policy set.
pub(crate) async fn delete(asker: Asker, At(id): At<String>) -> Result<StatusCode, Problem> {
    let (ctx, id) = of_id(&asker, &id).await?;
    policy::remove(&ctx, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Attaches a policy set to workspaces.
pub(crate) async fn attach_workspaces(
    asker: Asker,
    At(id): At<String>,
    references: References,
) -> Result<StatusCode, Problem> {
    let to = attached::workspaces(references)?;
    let (ctx, id) = of_id(&asker, &id).await?;
    policy::attach(&ctx, &id, to).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a policy set from workspaces.
pub(crate) async fn detach_workspaces(
    asker: Asker,
    At(id): At<String>,
    references: References,
) -> Result<StatusCode, Problem> {
    let from = attached::workspaces(references)?;
    let (ctx, id) = of_id(&asker, &id).await?;
    policy::detach(&ctx, &id, from).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Attaches a policy set to projects.
pub(crate) async fn attach_projects(
    asker: Asker,
    At(id): At<String>,
    references: References,
) -> Result<StatusCode, Problem> {
    let to = attached::projects(references)?;
    let (ctx, id) = of_id(&asker, &id).await?;
    policy::attach(&ctx, &id, to).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a policy set from projects.
pub(crate) async fn detach_projects(
    asker: Asker,
    At(id): At<String>,
    references: References,
) -> Result<StatusCode, Problem> {
    let from = attached::projects(references)?;
    let (ctx, id) = of_id(&asker, &id).await?;
    policy::detach(&ctx, &id, from).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Has a policy set leave out workspaces.
pub(crate) async fn exclude(
    asker: Asker,
    At(id): At<String>,
    references: References,
) -> Result<StatusCode, Problem> {
    let workspaces = attached::workspace_ids(references)?;
    let (ctx, id) = of_id(&asker, &id).await?;
    policy::exclude::exclude(&ctx, &id, workspaces).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Has a policy set leave out workspaces no more.
pub(crate) async fn include(
    asker: Asker,
    At(id): At<String>,
    references: References,
) -> Result<StatusCode, Problem> {
    let workspaces = attached::workspace_ids(references)?;
    let (ctx, id) = of_id(&asker, &id).await?;
    policy::exclude::include(&ctx, &id, workspaces).await?;
    Ok(StatusCode::NO_CONTENT)
}
