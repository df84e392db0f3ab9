# KMS keys are rotated.
#
# Judges enable_key_rotation of aws_kms_key. Keys that sign or authenticate cannot be rotated and are not judged.
package statehouse.aws_kms_rotation

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, "the key is never rotated; set enable_key_rotation = true") if {
	some change in plan.made.aws_kms_key
	is_symmetric(object.get(change.change.after, "customer_master_key_spec", null))
	not change.change.after.enable_key_rotation == true
}

is_symmetric(spec) if spec in {null, "", "SYMMETRIC_DEFAULT"}
