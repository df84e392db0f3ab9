# Public access to S3 buckets is blocked in all four ways.
#
# Judges aws_s3_bucket_public_access_block and the block of the whole account. Each of the four settings is false where
# it is not set.
package statehouse.aws_s3_public_access_block

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, sprintf("%s is not on; set it to true", [setting])) if {
	some type in ["aws_s3_bucket_public_access_block", "aws_s3_account_public_access_block"]
	some change in plan.made[type]
	some setting in ["block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"]
	not change.change.after[setting] == true
}
