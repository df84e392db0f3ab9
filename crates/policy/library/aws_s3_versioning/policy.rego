# S3 buckets keep versions of their objects.
#
# Judges aws_s3_bucket_versioning: a bucket that was made to keep versions must not stop. A status that is not known yet
# is not judged.
package statehouse.aws_s3_versioning

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, sprintf("versioning is %s; set status = \"Enabled\"", [setting.status])) if {
	some change in plan.made.aws_s3_bucket_versioning
	some setting in plan.blocks(change, "versioning_configuration")
	setting.status != "Enabled"
}
