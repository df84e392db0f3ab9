# No resource policy lets everybody in.
#
# Judges the policy documents of S3 buckets, SQS queues, SNS topics, KMS keys, ECR repositories, secrets, Lambda
# permissions and OpenSearch domains: an Allow for the principal * without a condition. A document that is not known yet
# is not judged.
package statehouse.aws_public_resource_policy

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, "its policy allows everybody; name the principals or add a condition") if {
	some type, attribute in documents
	some change in plan.made[type]
	some statement in plan.statements(plan.value(change, [attribute]))
	statement.Effect == "Allow"
	is_everybody(statement.Principal)
	not has_condition(statement)
}

deny contains plan.denial(change, "everybody may call the function; name the principal") if {
	some change in plan.made.aws_lambda_permission
	change.change.after.principal == "*"
}

is_everybody(principal) if principal == "*"

is_everybody(principal) if "*" in plan.as_list(principal.AWS)

has_condition(statement) if count(statement.Condition) > 0

documents := {
	"aws_s3_bucket_policy": "policy",
	"aws_sqs_queue": "policy",
	"aws_sqs_queue_policy": "policy",
	"aws_sns_topic": "policy",
	"aws_sns_topic_policy": "policy",
	"aws_kms_key": "policy",
	"aws_kms_key_policy": "policy",
	"aws_ecr_repository_policy": "policy",
	"aws_secretsmanager_secret_policy": "policy",
	"aws_opensearch_domain": "access_policies",
	"aws_opensearch_domain_policy": "access_policies",
	"aws_efs_file_system_policy": "policy",
	"aws_backup_vault_policy": "policy",
	"aws_glacier_vault": "access_policy",
}
