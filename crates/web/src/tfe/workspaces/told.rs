//! A workspace as clients read one.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use statehouse_core::Ctx;
use statehouse_core::execution::Mode;
use statehouse_core::workspace::Full;
use statehouse_model::{AgentPoolId, AssessmentId, Name, Permission, RunId};

use super::super::document::to;
use super::super::instant::{self, Instant};
use super::super::{agent_pools, drift, state_verdicts, versions};
use super::KIND;

/// What is told of a workspace. Some of it only because clients look for it: what never changes here says so.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are the words of the clients"
)]
pub(crate) struct Told {
    name: String,
    description: Option<String>,
    /// `local`, where terraform is started, `remote`, with a runner of the server, or `agent`, with one of a pool.
    execution_mode: &'static str,
    /// The id of the pool of agents, where it is `agent`.
    agent_pool_id: Option<String>,
    /// Whether that is not `local`.
    operations: bool,
    auto_apply: bool,
    locked: bool,
    /// `latest` where none was said.
    terraform_version: String,
    working_directory: String,
    structured_run_output_enabled: bool,
    tag_names: Vec<String>,
    /// Managed instances in the current version.
    resource_count: u64,
    /// Always null.
    vcs_repo: Option<bool>,
    /// Always `tfe-api`.
    source: &'static str,
    allow_destroy_plan: bool,
    /// Whether drift is looked for by itself.
    assessments_enabled: bool,
    /// When a look for drift ended last.
    last_assessment_result_at: Option<Instant>,
    file_triggers_enabled: bool,
    global_remote_state: bool,
    queue_all_runs: bool,
    speculative_enabled: bool,
    trigger_prefixes: [String; 0],
    trigger_patterns: [String; 0],
    setting_overwrites: Overwrites,
    created_at: Option<Instant>,
    updated_at: Option<Instant>,
    latest_change_at: Option<Instant>,
    actions: Actions,
    permissions: May,
    /// How many finished versions its state has.
    versions: u64,
    /// The id of the current version.
    head: Option<String>,
    /// How often its lock was taken.
    fence: u64,
    frozen: bool,
    frozen_by: Option<String>,
    frozen_at: Option<Instant>,
    freeze_reason: Option<String>,
    /// The id under which the lock is held.
    lock_id: Option<String>,
    locked_at: Option<Instant>,
    /// What policies say of the state that its last apply left: `awaited`, `passed`, `advised`, `soft-failed` or `hard-failed`; absent where none judges it.
    #[serde(skip_serializing_if = "Option::is_none")]
    state_policies: Option<&'static str>,
    /// The run that left it.
    #[serde(skip_serializing_if = "Option::is_none")]
    state_policies_run: Option<String>,
}

/// Which settings are the workspace's own.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Overwrites {
    execution_mode: bool,
    agent_pool: bool,
}

/// What can be done with it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Actions {
    is_destroyable: bool,
}

/// What the caller may do. Clients look at this before they ask, and crash where it is missing.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are the words of the clients"
)]
struct May {
    can_update: bool,
    can_destroy: bool,
    can_force_delete: bool,
    can_freeze: bool,
    can_lock: bool,
    can_unlock: bool,
    can_force_unlock: bool,
    can_read_state_versions: bool,
    can_create_state_versions: bool,
    can_read_state_outputs: bool,
    can_manage_tags: bool,
    can_read_settings: bool,
    can_read_variable: bool,
    can_update_variable: bool,
    can_read_run: bool,
    can_queue_run: bool,
    can_queue_apply: bool,
    can_queue_destroy: bool,
    can_manage_run_tasks: bool,
    can_read_assessment_results: bool,
    can_create_variable_sets: bool,
}

impl May {
    fn of(full: &Full) -> Self {
        let may = |permission| full.may.contains(&permission);
        let (update, delete) = (
            may(Permission::WorkspaceUpdate),
            may(Permission::WorkspaceDelete),
        );
        let lock = may(Permission::StateLock);
        Self {
            can_update: update,
            can_destroy: delete,
            can_force_delete: delete,
            can_freeze: may(Permission::WorkspaceFreeze),
            can_lock: lock,
            can_unlock: lock,
            can_force_unlock: may(Permission::StateForceUnlock),
            can_read_state_versions: may(Permission::StateRead),
            can_create_state_versions: may(Permission::StateWrite),
            can_read_state_outputs: may(Permission::OutputRead),
            can_manage_tags: update,
            can_read_settings: true,
            can_read_variable: may(Permission::VariableRead),
            can_update_variable: may(Permission::VariableWrite),
            can_read_run: may(Permission::RunRead),
            can_queue_run: may(Permission::RunPlan),
            can_queue_apply: may(Permission::RunApply),
            can_queue_destroy: may(Permission::RunApply),
            can_manage_run_tasks: false,
            can_read_assessment_results: true,
            can_create_variable_sets: false,
        }
    }
}

impl From<&Full> for Told {
    fn from(full: &Full) -> Self {
        let workspace = &full.workspace;
        let text = |text: &String| (!text.is_empty()).then(|| text.clone());
        let frozen = full.frozen.as_ref();
        let own = full.execution.scope.as_deref() == Some(workspace.id.as_str());
        Self {
            name: workspace.name.clone(),
            description: text(&full.description),
            execution_mode: full.execution.mode.as_str(),
            agent_pool_id: full.execution.mode.pool().map(ToString::to_string),
            operations: full.execution.mode != Mode::Local,
            auto_apply: full.auto_apply,
            locked: workspace.lock_id.is_some(),
            terraform_version: text(&full.terraform_version).unwrap_or_else(|| "latest".to_owned()),
            working_directory: full.working_directory.clone(),
            structured_run_output_enabled: full.structured_run_output,
            tag_names: full.tags.iter().map(|tag| tag.key.clone()).collect(),
            resource_count: full.head.as_ref().map_or(0, |head| head.resources),
            vcs_repo: None,
            source: "tfe-api",
            allow_destroy_plan: true,
            assessments_enabled: full.looks.hours.is_some(),
            last_assessment_result_at: full.drift.as_ref().and_then(|found| instant::at(found.at)),
            file_triggers_enabled: false,
            global_remote_state: false,
            queue_all_runs: false,
            speculative_enabled: true,
            trigger_prefixes: [],
            trigger_patterns: [],
            setting_overwrites: Overwrites {
                execution_mode: own,
                agent_pool: own && full.execution.mode.pool().is_some(),
            },
            created_at: instant::at(workspace.created_at),
            updated_at: instant::at(full.updated_at),
            latest_change_at: instant::at(full.updated_at),
            actions: Actions {
                is_destroyable: true,
            },
            permissions: May::of(full),
            versions: workspace.versions,
            head: workspace.head.clone(),
            fence: workspace.fence,
            frozen: frozen.is_some(),
            frozen_by: frozen.map(|freeze| freeze.who.clone()),
            frozen_at: frozen.and_then(|freeze| instant::at(freeze.frozen_at)),
            freeze_reason: frozen.and_then(|freeze| freeze.reason.clone()),
            lock_id: workspace.lock_id.clone(),
            locked_at: workspace.locked_at.and_then(instant::at),
            state_policies: full.written.as_ref().map(state_verdicts::word),
            state_policies_run: full.written.as_ref().map(|written| written.run.clone()),
        }
    }
}

/// A workspace, and what it belongs to.
pub(in crate::tfe) fn resource(ctx: &Ctx, full: &Full) -> Value {
    let workspace = &full.workspace;
    let organization = ctx.organization().map_or("", Name::as_str);
    let run = full.run.as_ref().map(RunId::as_str);
    let assessment = full
        .drift
        .as_ref()
        .map(|found| AssessmentId::from(&found.run));
    json!({
        "type": KIND,
        "id": workspace.id,
        "attributes": Told::from(full),
        "relationships": {
            "organization": to("organizations", Some(organization)),
            "project": to("projects", Some(&workspace.project)),
            "current-run": to("runs", run),
            "latest-run": to("runs", run),
            "current-state-version": to(versions::KIND, workspace.head.as_deref()),
            "current-assessment-result": to(drift::KIND, assessment.as_ref().map(AssessmentId::as_str)),
            "locked-by": locked_by(workspace.locked_by.as_deref()),
            "agent-pool": to(agent_pools::KIND, full.execution.mode.pool().map(AgentPoolId::as_str)),
        },
        "links": { "self": format!("/api/v2/organizations/{organization}/workspaces/{}", workspace.name) },
    })
}

/// A relation to who holds the lock: a person or a run.
fn locked_by(holder: Option<&str>) -> Value {
    let kind = match holder {
        Some(id) if id.starts_with("run-") => "runs",
        _ => "users",
    };
    to(kind, holder)
}
