//! What is known of a run and its workspace, in the words of policies.

use statehouse_capsule::{Decision, FoundApproval};
use statehouse_model::instant;
use statehouse_policy::input::{self, Context, Person, Place};

use super::force;
use crate::cost;
use crate::error::Result;
use crate::execution;
use crate::house::House;
use crate::job;
use crate::project::{self, Project};
use crate::record::Rows;
use crate::run::capsule;
use crate::run::machine::Kind as RunKind;
use crate::run::sql::Run;
use crate::workspace;
use crate::workspace::sql::{self as workspaces, Workspace as WorkspaceRow};

/// What is known of a run and its workspace.
pub(super) async fn of_run(
    rows: &mut Rows,
    house: &House,
    (run, workspace): (&Run, &WorkspaceRow),
) -> Result<Context> {
    let options = capsule::options(rows, house, run).await?;
    let job = job::sql::last_of(rows, &run.id, job::Step::Plan.as_str()).await?;
    let kind: RunKind = run.state()?.kind();
    let mut around = of_workspace(rows, house, workspace).await?;
    if let Some(directory) = options.working_directory {
        around.workspace.working_directory = directory;
    }
    Ok(Context {
        run: Some(input::Run {
            id: run.id.to_string(),
            created_at: instant::format(run.created_at).unwrap_or_default(),
            created_by: Person {
                user: run.actor.to_string(),
                ..Person::default()
            },
            message: options.message,
            is_destroy: options.destroy,
            refresh: !options.no_refresh,
            refresh_only: options.refresh_only,
            speculative: !kind.may_apply(),
            replace_addrs: options.replace,
            target_addrs: options.targets,
            drift_detection: kind == RunKind::Drift,
            ..input::Run::default()
        }),
        approvals: agreed(rows, (run, workspace), house.now()).await?,
        sandbox: input::Sandbox {
            level: job.and_then(|job| job.sandbox).unwrap_or_default(),
            ..input::Sandbox::default()
        },
        ..around
    })
}

/// What is known of a workspace alone.
pub(super) async fn of_workspace(
    rows: &mut Rows,
    house: &House,
    workspace: &WorkspaceRow,
) -> Result<Context> {
    let setting = workspaces::setting(rows, &workspace.id).await?;
    let setting = setting.unwrap_or_else(|| workspace::unset(workspace.id.clone()));
    let execution = execution::of(rows, workspace).await?;
    let project = Project::Id(workspace.project.clone());
    let project = project::sql::needed(rows, &project).await?;
    Ok(Context {
        organization: Place {
            id: house.code().to_string(),
            name: house.called().map(ToString::to_string).unwrap_or_default(),
        },
        project: Place {
            id: project.id.to_string(),
            name: project.name.to_string(),
        },
        workspace: input::Workspace {
            id: workspace.id.to_string(),
            name: workspace.name.to_string(),
            created_at: instant::format(workspace.created_at).unwrap_or_default(),
            description: setting.description,
            tags: force::tags_of(rows, workspace).await?.into_iter().collect(),
            execution_mode: execution.mode.as_str().to_owned(),
            auto_apply: setting.auto_apply,
            working_directory: setting.working_directory,
            tool: execution.needed_tool(workspace)?.as_str().to_owned(),
            terraform_version: setting.terraform_version,
            cost_estimation: cost::is_wanted(rows, workspace).await?,
            ..input::Workspace::default()
        },
        ..Context::default()
    })
}

/// Whose approvals of what a run would apply count, so far.
pub(super) async fn agreed(
    rows: &mut Rows,
    (run, workspace): (&Run, &WorkspaceRow),
    now: i64,
) -> Result<Vec<input::Approval>> {
    let requirement = capsule::requirement(rows, workspace).await?;
    let all = capsule::approvals(rows, run, now).await?;
    let counts = |each: &&FoundApproval| {
        let of = &each.approval;
        let is_for_this = run.capsule.as_deref() == Some(of.capsule.as_slice());
        let is_good = of.decision == Decision::Approve && now < of.expires_at && !each.withdrawn;
        let may = each.may_approve_now && (requirement.author_counts || !each.is_authors);
        is_for_this && is_good && may
    };
    let agreed = all.iter().filter(counts).map(|each| input::Approval {
        user: each.approval.approver.to_string(),
        created_at: instant::format(each.approval.given_at).unwrap_or_default(),
        ..input::Approval::default()
    });
    Ok(agreed.collect())
}
