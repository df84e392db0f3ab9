# Instances answer metadata requests with a session token only (IMDSv2).
#
# Judges the metadata_options of aws_instance, aws_spot_instance_request, aws_launch_template and
# aws_launch_configuration. Where they are not set, the default of the image or account counts, which a plan does not
# show: that is denied.
package statehouse.aws_imdsv2

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, "IMDSv2 is not required; set metadata_options { http_tokens = \"required\" }") if {
	some type in ["aws_instance", "aws_spot_instance_request", "aws_launch_template", "aws_launch_configuration"]
	some change in plan.made[type]
	not is_safe(change)
}

is_safe(change) if {
	some options in plan.blocks(change, "metadata_options")
	options.http_tokens == "required"
}

is_safe(change) if {
	some options in plan.blocks(change, "metadata_options")
	options.http_endpoint == "disabled"
}
