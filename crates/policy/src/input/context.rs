//! Who, where and how: the small part of what policies read, as types, so that whoever fills it in cannot misspell a name that a
//! policy depends on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::assess::matches;

/// The circumstances of a judgement. Whatever is not known stays at its default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Context {
    /// The organization.
    pub organization: Place,
    /// The project.
    pub project: Place,
    /// The workspace.
    pub workspace: Workspace,
    /// The run; absent where a workspace is saved.
    pub run: Option<Run>,
    /// The run before it in the same workspace.
    pub previous_run: Option<Run>,
    /// Who agreed so far.
    pub approvals: Vec<Approval>,
    /// What changed outside Statehouse since the last apply.
    pub changed_outside: Vec<Change>,
    /// How the run is kept apart from the machine.
    pub sandbox: Sandbox,
    /// What becomes of the state.
    pub transition: Option<Transition>,
    /// The steps that the run takes.
    pub pipeline: Vec<Value>,
    /// What other programs found out, by the name of the program.
    pub third_party_metadata: BTreeMap<String, Value>,
    /// Before what it is judged.
    pub stage: Stage,
    /// The time of the judgement, in nanoseconds since 1970.
    pub timestamp_ns: i64,
}

/// When it is judged. A policy that counts approvals objects before the apply only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// After the plan.
    #[default]
    Plan,
    /// Before the apply.
    Apply,
    /// After the apply: the state that it left.
    Applied,
    /// When a workspace is saved.
    Saved,
}

/// An organization or project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// A workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Workspace {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// What it is for.
    pub description: String,
    /// `remote`, `local` or `agent`.
    pub execution_mode: String,
    /// Whether a plan that may be applied is.
    pub auto_apply: bool,
    /// Its tags, `key` or `key:value`.
    pub tags: Vec<String>,
    /// Where in the repository the configuration is.
    pub working_directory: String,
    /// `terraform` or `opentofu`.
    pub tool: String,
    /// The tool's version.
    pub terraform_version: String,
    /// Its kind, where the organization tells kinds apart: `production`, `staging`, `development`, …
    pub environment_type: String,
    /// Where its configuration comes from.
    pub vcs_repo: Option<Repository>,
    /// Whether its costs are estimated.
    pub cost_estimation: bool,
    /// The names of its variables.
    pub variables: BTreeMap<String, RunVariable>,
}

/// A repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Repository {
    /// `owner/name`.
    pub identifier: String,
    /// As it is shown.
    pub display_identifier: String,
    /// The branch that is followed.
    pub branch: String,
    /// Whether submodules are fetched.
    pub ingress_submodules: bool,
    /// By what it is reached.
    pub connector: String,
}

/// A person or a service account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Person {
    /// The name by which it signs in.
    pub user: String,
    /// The name by which it is called.
    pub name: String,
    /// Its address.
    pub email: String,
    /// `user` or `service_account`.
    pub kind: String,
}

/// A run.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a word that policies read"
)]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// By whom.
    pub created_by: Person,
    /// What was said about it.
    pub message: String,
    /// What started it: `cli`, `api`, `ui`, `vcs`, `schedule`, `trigger`.
    pub source: String,
    /// What it was made of.
    pub commit: Option<Commit>,
    /// The request to merge it.
    pub pull_request: Option<PullRequest>,
    /// Whether everything is to go.
    pub is_destroy: bool,
    /// Whether the state is refreshed first.
    pub refresh: bool,
    /// Whether that is all.
    pub refresh_only: bool,
    /// Whether it can never be applied.
    pub speculative: bool,
    /// What is to be replaced.
    pub replace_addrs: Vec<String>,
    /// What it is limited to.
    pub target_addrs: Vec<String>,
    /// Its variables, without their values.
    pub variables: BTreeMap<String, RunVariable>,
    /// Whether it looks for drift.
    pub drift_detection: bool,
}

/// What is known of a variable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunVariable {
    /// `terraform` or `env`.
    pub category: String,
    /// Whether its value is hidden.
    pub sensitive: bool,
}

/// A commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Commit {
    /// Its digest.
    pub sha: String,
    /// What it says.
    pub message: String,
    /// On which branch.
    pub branch: String,
    /// By whom.
    pub author: Person,
    /// When, RFC 3339.
    pub created_at: String,
    /// Where it can be seen.
    pub url: String,
}

/// A request to merge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PullRequest {
    /// Its number.
    pub id: u64,
    /// By whom.
    pub author: Person,
    /// Who merged it.
    pub merged_by: Option<Person>,
    /// From which branch.
    pub source_branch: String,
    /// Into which.
    pub target_branch: String,
}

/// Somebody agreed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Approval {
    /// Who, by the name that signs in.
    pub user: String,
    /// Who, as a person.
    pub person: Person,
    /// When, RFC 3339.
    pub created_at: String,
    /// With which words.
    pub comment: String,
}

/// Something that changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Change {
    /// The resource.
    pub address: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// What happened to it.
    pub actions: Vec<String>,
}

/// How a run is kept apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sandbox {
    /// `strict`, `available` or `none`.
    pub level: String,
    /// The layers that are not there.
    pub missing: Vec<String>,
}

/// What becomes of a state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Transition {
    /// Its lineage before.
    pub lineage_before: String,
    /// And after.
    pub lineage_after: String,
    /// Its serial before.
    pub serial_before: u64,
    /// And after.
    pub serial_after: u64,
    /// How many resources it had.
    pub resources_before: u64,
    /// And has.
    pub resources_after: u64,
    /// Those that are gone.
    pub dropped: Vec<Change>,
    /// Those that are new.
    pub added: Vec<Change>,
    /// Of those that are gone, the ones of a type that is [protected](is_protected).
    pub protected: Vec<Change>,
}

/// Types of resources that hold data, with `*` for any text: what is gone of them is told apart.
pub const PROTECTED: [&str; 12] = [
    "aws_db_instance",
    "aws_rds_cluster",
    "aws_dynamodb_table",
    "aws_s3_bucket",
    "aws_efs_file_system",
    "aws_kms_key",
    "azurerm_storage_account",
    "azurerm_mssql_*",
    "azurerm_key_vault",
    "google_sql_*",
    "google_storage_bucket",
    "google_kms_*",
];

/// Whether resources of a type hold data.
pub fn is_protected(kind: &str) -> bool {
    PROTECTED.iter().any(|pattern| matches(pattern, kind))
}

impl Context {
    /// As JSON. It has no map but with text for keys, so there is nothing that could fail.
    pub(super) fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}
