# S3 buckets are encrypted with an allowed algorithm.
#
# Judges aws_s3_bucket_server_side_encryption_configuration: every bucket is encrypted by S3 itself since 2023, this
# asks for keys of one's own.
package statehouse.aws_s3_encryption

import rego.v1

import data.statehouse.plan

# Looked up once: each resource asks for it.
parameters := data.parameters.aws_s3_encryption

deny contains plan.denial(change, sprintf("the algorithm is %v; use one of %s", [algorithm, concat(", ", parameters.algorithms)])) if {
	some change in plan.made.aws_s3_bucket_server_side_encryption_configuration
	some rule in plan.blocks(change, "rule")
	some default_encryption in plan.items(rule, "apply_server_side_encryption_by_default")
	algorithm := default_encryption.sse_algorithm
	not algorithm in parameters.algorithms
}

deny contains plan.denial(change, "no rule says how objects are encrypted; add rule { apply_server_side_encryption_by_default { … } }") if {
	some change in plan.made.aws_s3_bucket_server_side_encryption_configuration
	not plan.is_unknown(change, ["rule"])
	count([1 | some rule in plan.blocks(change, "rule"); some _ in plan.items(rule, "apply_server_side_encryption_by_default")]) == 0
}
