//! The starter library: policies of our own, to be used by name and with parameters.
//!
//! Each policy is a folder of `library/` that is a policy set by itself: its manifest says what it wants and which parameters it has, a
//! file of Rego judges, another one tests. All of them read plans through `shared/plan.rego`, which gathers the resources of a plan
//! once for all policies of a set. The files are part of the binary; [`files`] gives those of a policy as they stand in a bundle, so
//! that the digest of a set covers what it took from here, and a newer library changes nothing about a set that was published.
//!
//! Promises, which tests hold: every policy has cases that it denies and cases that it allows, and no line of it is untested.
//!
//! Deliberately absent: reading the manifests, which is [`crate::manifest`]'s.

#[cfg(test)]
mod tests;

use crate::manifest::FILE;

/// A policy of the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Starter {
    /// The folder that it stands in, which is the last part of its package: `aws_s3_acl`.
    pub folder: &'static str,
    /// What it says of itself: a manifest with one policy.
    pub manifest: &'static str,
    /// What it does.
    pub policy: &'static str,
    /// What is expected of it.
    pub test: &'static str,
}

/// What every policy of the library reads plans through.
pub const SHARED: [(&str, &str); 1] = [(
    "shared/plan.rego",
    include_str!("../../library/shared/plan.rego"),
)];

/// What only tests need.
pub const SHARED_TESTS: [(&str, &str); 2] = [
    (
        "shared/fixture.rego",
        include_str!("../../library/shared/fixture.rego"),
    ),
    (
        "shared/plan_test.rego",
        include_str!("../../library/shared/plan_test.rego"),
    ),
];

macro_rules! starters {
    ($($folder:literal)*) => {
        [$(Starter {
            folder: $folder,
            manifest: include_str!(concat!("../../library/", $folder, "/statehouse.toml")),
            policy: include_str!(concat!("../../library/", $folder, "/policy.rego")),
            test: include_str!(concat!("../../library/", $folder, "/policy_test.rego")),
        }),*]
    };
}

/// Every policy, by name.
static ALL: [Starter; COUNT] = starters![
    "allowed_module_sources"
    "allowed_providers"
    "allowed_regions"
    "aws_cache_encryption"
    "aws_cloudfront_tls"
    "aws_cloudtrail"
    "aws_default_network"
    "aws_dynamodb_recovery"
    "aws_ebs_encryption"
    "aws_ecr_repository"
    "aws_efs_encryption"
    "aws_eks_endpoint"
    "aws_iam_access_keys"
    "aws_iam_administrator"
    "aws_iam_trust"
    "aws_iam_wildcard"
    "aws_imdsv2"
    "aws_instance_types"
    "aws_kms_rotation"
    "aws_lambda_runtime"
    "aws_lambda_url"
    "aws_load_balancer_tls"
    "aws_log_retention"
    "aws_public_ip"
    "aws_public_resource_policy"
    "aws_queue_encryption"
    "aws_rds_backup"
    "aws_rds_encryption"
    "aws_rds_public"
    "aws_s3_acl"
    "aws_s3_bucket_guarded"
    "aws_s3_encryption"
    "aws_s3_public_access_block"
    "aws_s3_versioning"
    "aws_security_group_ingress"
    "azure_database_public"
    "azure_key_vault"
    "azure_kubernetes"
    "azure_network_rules"
    "azure_role_assignment"
    "azure_storage_account"
    "azure_vm_password"
    "azure_vm_sizes"
    "azure_web_app_https"
    "change_limit"
    "change_window"
    "changed_outside"
    "cost_increase"
    "cost_increase_percent"
    "cost_limit"
    "cost_resource"
    "cost_unpriced"
    "denied_types"
    "destroy_limit"
    "destroy_run"
    "external_data"
    "google_basic_roles"
    "google_firewall_ingress"
    "google_kms_rotation"
    "google_machine_types"
    "google_public_access"
    "google_public_ip"
    "google_service_account_keys"
    "google_sql_instance"
    "google_storage_bucket"
    "known_values"
    "pinned_modules"
    "pinned_providers"
    "plain_secrets"
    "protected_types"
    "provisioners"
    "required_tags"
    "resource_names"
    "sandbox_level"
    "sensitive_outputs"
    "state_history"
    "state_protected_types"
    "state_secrets"
    "state_shrink"
    "tag_values"
    "targeted_run"
    "tool_version"
    "workspace_auto_apply"
    "workspace_execution"
    "workspace_name"
    "workspace_repository"
    "workspace_tags"
    "workspace_version"
];

/// How many there are.
pub const COUNT: usize = 88;

impl Starter {
    /// The name by which a manifest takes it: `aws-s3-acl`.
    pub fn name(&self) -> String {
        self.folder.replace('_', "-")
    }
}

/// Every policy, by name.
pub fn all() -> &'static [Starter] {
    &ALL
}

/// The policy of this name.
pub fn find(name: &str) -> Option<&'static Starter> {
    ALL.iter().find(|it| it.name() == name)
}

/// The files of a policy as they stand in a bundle, with those that it shares: what [`crate::manifest::expand`] asks for.
pub fn files(name: &str) -> Option<Vec<(String, String)>> {
    let Starter {
        folder,
        manifest,
        policy,
        ..
    } = find(name)?;
    let own = [
        (format!("{folder}/{FILE}"), *manifest),
        (format!("{folder}/policy.rego"), *policy),
    ];
    let shared = SHARED.map(|(path, text)| (path.to_owned(), text));
    let all = own.into_iter().chain(shared);
    Some(
        all.map(|(path, text)| (format!("library/{path}"), text.to_owned()))
            .collect(),
    )
}
