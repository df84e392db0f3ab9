# EBS volumes are encrypted.
#
# Judges aws_ebs_volume, the disks of instances and launch configurations, and the mappings of launch templates. A value
# that is not set is denied: the account's default is not seen by a plan.
package statehouse.aws_ebs_encryption

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, "the volume is not encrypted; set encrypted = true") if {
	some change in plan.made.aws_ebs_volume
	not change.change.after.encrypted == true
}

deny contains plan.denial(change, sprintf("a disk of %s is not encrypted; set encrypted = true in it", [name])) if {
	some type in ["aws_instance", "aws_spot_instance_request", "aws_launch_configuration"]
	some change in plan.made[type]
	some name in ["root_block_device", "ebs_block_device"]
	some block in plan.blocks(change, name)
	not block.encrypted == true
}

deny contains plan.denial(change, "a mapped volume is not encrypted; set encrypted = true in its ebs block") if {
	some change in plan.made.aws_launch_template
	some mapping in plan.blocks(change, "block_device_mappings")
	some volume in plan.items(mapping, "ebs")
	not object.get(volume, "encrypted", null) in {true, "true"}
}
