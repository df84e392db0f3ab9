//! The native document, and what other products call its parts.
//!
//! Where a product's name for a part clashes with nobody's, the part stands under that name in the native document too, so that
//! most dialects need no view of their own. Harness does: its documents of a state, a cost and a workspace stand at the root.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::context::{Commit, Context, Person, PullRequest, Run, Workspace};
use super::{Parsed, Part};
use crate::engine::Document;

/// Names at the root that are never a plan's.
const OURS: [&str; 28] = [
    "plan",
    "tfplan",
    "tfrun",
    "terraform",
    "state",
    "state_before",
    "cost",
    "costs",
    "run",
    "previous_run",
    "workspace",
    "project",
    "organization",
    "approvals",
    "approvers",
    "changed_outside",
    "sandbox",
    "transition",
    "pipeline",
    "request",
    "stage",
    "spacelift",
    "third_party_metadata",
    "deploymentRequest",
    "costEstimation",
    "deployerUser",
    "iacmMetadata",
    "metadata",
];

/// Amounts of a cost document: before, after, the difference, and the difference in percent.
#[derive(Clone, Copy, Default)]
struct Amounts {
    before: f64,
    after: f64,
    change: f64,
    change_percent: f64,
}

impl Amounts {
    fn of(cost: &Document) -> Amounts {
        let amount = |name| {
            let found = cost.get(&[name]);
            found.and_then(|it| it.as_f64()).unwrap_or_default()
        };
        Amounts {
            before: amount("monthly_before"),
            after: amount("monthly_after"),
            change: amount("monthly_change"),
            change_percent: amount("monthly_change_percent"),
        }
    }
}

/// The native document.
pub(super) fn native(parts: &BTreeMap<Part, Document>, context: &Context) -> Document {
    let plan = parts.get(&Part::Plan);
    let mut root = plan.cloned().unwrap_or_else(Document::object);
    for name in OURS {
        root = root.without(name);
    }
    for (part, document) in parts {
        root = root.with(part.name(), document.clone());
    }
    if let Some(plan) = plan {
        let mut terraform = Document::object();
        for name in ["resource_changes", "terraform_version"] {
            if let Some(part) = plan.get(&[name]) {
                terraform = terraform.with(name, part);
            }
        }
        root = root
            .with("tfplan", plan.clone())
            .with("terraform", terraform);
    }
    let amounts = parts.get(&Part::Cost).map(Amounts::of);
    for (name, value) in Document::from_value(circumstances(context, amounts)).entries() {
        root = root.with(&name, value);
    }
    root
}

/// The small parts, under every name that somebody has for them.
fn circumstances(context: &Context, amounts: Option<Amounts>) -> Value {
    let mut all = json!({
        "workspace": workspace(context),
        "project": context.project,
        "organization": context.organization,
        "approvals": context.approvals,
        "approvers": context.approvals.iter().map(|it| env0_user(&it.person)).collect::<Vec<_>>(),
        "changed_outside": context.changed_outside,
        "sandbox": context.sandbox,
        "pipeline": context.pipeline,
        "stage": context.stage,
        "request": {"timestamp_ns": context.timestamp_ns},
        "third_party_metadata": {"custom": context.third_party_metadata},
        "spacelift": spacelift(context),
        "iacmMetadata": harness_place(context),
        "metadata": harness_metadata(context, "terraform_plan"),
    });
    let mut put = |name: &str, value: Value| {
        if let Some(members) = all.as_object_mut() {
            members.insert(name.to_owned(), value);
        }
    };
    if let Some(transition) = &context.transition {
        put("transition", json!(transition));
    }
    if let Some(run) = &context.run {
        put("run", hcp_run(run, context));
        put("tfrun", scalr_run(run, context, amounts));
        put("deploymentRequest", env0_request(run, context));
        put("deployerUser", env0_user(&run.created_by));
    }
    if let Some(run) = &context.previous_run {
        put("previous_run", hcp_run(run, context));
    }
    if let Some(amounts) = amounts {
        let Amounts {
            before,
            after,
            change,
            change_percent,
        } = amounts;
        put(
            "costEstimation",
            json!({"totalMonthlyCost": after, "monthlyCostDiff": change}),
        );
        put(
            "costs",
            json!({
                "totalMonthlyCost": after,
                "pastTotalMonthlyCost": before,
                "diffTotalMonthlyCost": change,
                "percentageChangeTotalMonthlyCost": change_percent,
            }),
        );
    }
    all
}

fn workspace(context: &Context) -> Value {
    let mut value = json!(context.workspace);
    if let Some(members) = value.as_object_mut() {
        members.insert("project".to_owned(), json!(context.project));
    }
    value
}

/// `input.run` as HCP Terraform tells it, with what we know beyond that.
fn hcp_run(run: &Run, context: &Context) -> Value {
    let Workspace {
        id,
        name,
        created_at,
        description,
        execution_mode,
        auto_apply,
        tags,
        working_directory,
        vcs_repo,
        ..
    } = &context.workspace;
    let repository = vcs_repo.as_ref().map(|it| {
        json!({
            "identifier": it.identifier,
            "display_identifier": it.display_identifier,
            "branch": it.branch,
            "ingress_submodules": it.ingress_submodules,
        })
    });
    json!({
        "id": run.id,
        "created_at": run.created_at,
        "created_by": run.created_by.user,
        "message": run.message,
        "source": run.source,
        "commit_sha": run.commit.as_ref().map(|it| it.sha.as_str()).unwrap_or_default(),
        "is_destroy": run.is_destroy,
        "refresh": run.refresh,
        "refresh_only": run.refresh_only,
        "replace_addrs": run.replace_addrs,
        "speculative": run.speculative,
        "target_addrs": run.target_addrs,
        "variables": run.variables,
        "project": context.project,
        "organization": {"name": context.organization.name},
        "workspace": {
            "id": id,
            "name": name,
            "created_at": created_at,
            "description": description,
            "execution_mode": execution_mode,
            "auto_apply": auto_apply,
            "tags": tags,
            "working_directory": working_directory,
            "vcs_repo": repository,
        },
    })
}

fn scalr_user(person: &Person) -> Value {
    json!({"username": person.user, "name": person.name, "email": person.email})
}

fn scalr_run(run: &Run, context: &Context, amounts: Option<Amounts>) -> Value {
    let workspace = &context.workspace;
    let request = |it: &PullRequest| {
        json!({
            "id": it.id,
            "author": scalr_user(&it.author),
            "merged_by": it.merged_by.as_ref().map(scalr_user),
            "source_branch": it.source_branch,
            "target_branch": it.target_branch,
        })
    };
    let vcs = run.commit.as_ref().map(|commit| {
        json!({
            "repository_id": workspace.vcs_repo.as_ref().map(|it| it.identifier.as_str()),
            "path": workspace.working_directory,
            "branch": commit.branch,
            "commit": {
                "sha": commit.sha,
                "message": commit.message,
                "author": scalr_user(&commit.author),
            },
            "pull_request": run.pull_request.as_ref().map(request),
        })
    });
    let cost = amounts.map(|it| {
        json!({
            "prior_monthly_cost": it.before,
            "proposed_monthly_cost": it.after,
            "delta_monthly_cost": it.change,
        })
    });
    json!({
        "id": run.id,
        "source": run.source,
        "message": run.message,
        "is_destroy": run.is_destroy,
        "is_dry": run.speculative,
        "created_by": scalr_user(&run.created_by),
        "environment": context.project,
        "workspace": {
            "id": workspace.id,
            "name": workspace.name,
            "description": workspace.description,
            "environment_type": workspace.environment_type,
            "auto_apply": workspace.auto_apply,
            "working_directory": workspace.working_directory,
            "tags": workspace.tags,
        },
        "vcs": vcs,
        "cost_estimate": cost,
    })
}

fn spacelift(context: &Context) -> Value {
    let workspace = &context.workspace;
    let run = |run: &Run| {
        json!({
            "id": run.id,
            "created_at": run.created_at,
            "triggered_by": run.created_by.user,
            "type": if run.speculative { "PROPOSED" } else { "TRACKED" },
            "commit": run.commit.as_ref().map(spacelift_commit),
            "drift_detection": run.drift_detection,
        })
    };
    let commit = context.run.as_ref().and_then(|it| it.commit.as_ref());
    json!({
        "request": {"timestamp_ns": context.timestamp_ns},
        "commit": commit.map(spacelift_commit),
        "run": context.run.as_ref().map(run),
        "previous_run": context.previous_run.as_ref().map(run),
        "stack": {
            "id": workspace.id,
            "name": workspace.name,
            "labels": workspace.tags,
            "autodeploy": workspace.auto_apply,
            "administrative": false,
            "branch": workspace.vcs_repo.as_ref().map(|it| it.branch.as_str()),
            "repository": workspace.vcs_repo.as_ref().map(|it| it.identifier.as_str()),
            "project_root": workspace.working_directory,
            "terraform_version": workspace.terraform_version,
            "space": context.project,
        },
    })
}

fn spacelift_commit(commit: &Commit) -> Value {
    json!({
        "author": commit.author.user,
        "branch": commit.branch,
        "created_at": commit.created_at,
        "hash": commit.sha,
        "message": commit.message,
        "url": commit.url,
    })
}

fn env0_user(person: &Person) -> Value {
    json!({"name": person.name, "email": person.email, "id": person.user})
}

fn env0_request(run: &Run, context: &Context) -> Value {
    json!({
        "type": if run.is_destroy { "destroy" } else { "deploy" },
        "triggerName": run.source,
        "revision": run.commit.as_ref().map(|it| it.sha.as_str()),
        "comment": run.message,
        "environmentName": context.workspace.name,
    })
}

fn harness_place(context: &Context) -> Value {
    json!({
        "account": context.organization.id,
        "org": context.organization.name,
        "project": context.project.name,
        "workspace": context.workspace.name,
        "pipelineExecutionID": context.run.as_ref().map(|it| it.id.as_str()),
    })
}

fn harness_metadata(context: &Context, kind: &str) -> Value {
    let principal = context.run.as_ref().map(|it| &it.created_by);
    json!({
        "action": if kind == "workspace" { "onsave" } else { "onrun" },
        "type": kind,
        "timestamp": context.timestamp_ns / 1_000_000,
        "principalIdentifier": principal.map(|it| it.user.as_str()),
        "principalType": principal.map(|it| it.kind.as_str()),
        "projectMetadata": context.project,
    })
}

impl Parsed {
    /// Amounts stand at the root, as text but for the percentage.
    pub(super) fn harness_cost(&self) -> Document {
        let metadata = harness_metadata(&self.context, "terraform_plan_cost");
        let root = self
            .native
            .clone()
            .with("metadata", Document::from_value(metadata));
        let Some(cost) = self.part(Part::Cost) else {
            return root;
        };
        let Amounts {
            before,
            after,
            change,
            change_percent,
        } = Amounts::of(cost);
        let currency = cost.get(&["currency"]);
        let all = json!({
            "TotalMonthlyCost": money(after),
            "PastTotalMonthlyCost": money(before),
            "DiffTotalMonthlyCost": money(change),
            "PercentageChangeTotalMonthlyCost": change_percent,
            "Currency": currency.as_ref().and_then(Document::as_str).unwrap_or("USD"),
            "Diff": by_type(cost),
        });
        let members = Document::from_value(all).entries().into_iter();
        members.fold(root, |root, (name, value)| root.with(&name, value))
    }

    /// The state stands at the root, and nothing of a plan.
    pub(super) fn harness_state(&self) -> Document {
        let state = self.part(Part::State).cloned();
        let state = state.unwrap_or_else(Document::object);
        let metadata = harness_metadata(&self.context, "terraform_state");
        let place = harness_place(&self.context);
        state
            .clone()
            .with("state", state)
            .with("metadata", Document::from_value(metadata))
            .with("iacmMetadata", Document::from_value(place))
    }

    /// The workspace in that product's words.
    pub(super) fn harness_workspace(&self) -> Document {
        let it = &self.context.workspace;
        let repository = it.vcs_repo.clone().unwrap_or_default();
        let workspace = json!({
            "name": it.name,
            "identifier": it.id,
            "description": it.description,
            "tags": it.tags,
            "provisioner": it.tool,
            "provisioner_version": it.terraform_version,
            "repository": repository.identifier,
            "repository_branch": repository.branch,
            "repository_connector": repository.connector,
            "repository_path": it.working_directory,
            "cost_estimation_enabled": it.cost_estimation,
            "terraform_variables": variables(it, "terraform"),
            "environment_variables": variables(it, "env"),
        });
        let metadata = harness_metadata(&self.context, "workspace");
        self.native
            .clone()
            .with("workspace", Document::from_value(workspace))
            .with("metadata", Document::from_value(metadata))
    }
}

fn variables(workspace: &Workspace, category: &str) -> Value {
    let all = workspace.variables.iter();
    let some = all.filter(|(_, it)| it.category == category);
    let named = some.map(|(name, it)| {
        (
            name.clone(),
            json!({"key": name, "sensitive": it.sensitive}),
        )
    });
    Value::Object(named.collect())
}

fn money(amount: f64) -> String {
    format!("{amount:.2}")
}

/// Resources of a cost document by their type.
fn by_type(cost: &Document) -> Value {
    let mut types: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let resources = cost.get(&["resources"]);
    for resource in resources.as_ref().map(Document::items).unwrap_or_default() {
        let text = |name| {
            resource
                .get(&[name])
                .and_then(|it| it.as_str().map(ToOwned::to_owned))
        };
        let Amounts { before, after, .. } = Amounts::of(&resource);
        let difference = json!({
            "Address": text("address"),
            "PastMonthlyCost": money(before),
            "MonthlyCost": money(after),
            "DiffMonthlyCost": money(after - before),
        });
        types
            .entry(text("type").unwrap_or_default())
            .or_default()
            .push(difference);
    }
    let named = types
        .into_iter()
        .map(|(name, list)| (name, json!({"Diff": list})));
    Value::Object(named.collect())
}
