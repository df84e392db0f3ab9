# Trails cover all regions and prove that nothing was changed.
#
# Judges aws_cloudtrail: all regions, validation of log files, logging on, and a key of one's own.
package statehouse.aws_cloudtrail

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, sprintf("%s is not on; set it to true", [setting])) if {
	some change in plan.made.aws_cloudtrail
	some setting in ["is_multi_region_trail", "enable_log_file_validation"]
	not change.change.after[setting] == true
}

deny contains plan.denial(change, "the trail does not log; set enable_logging = true") if {
	some change in plan.made.aws_cloudtrail
	change.change.after.enable_logging == false
}

deny contains plan.denial(change, "the trail is not encrypted with a key; set kms_key_id") if {
	some change in plan.made.aws_cloudtrail
	not plan.is_given(change, ["kms_key_id"])
}
