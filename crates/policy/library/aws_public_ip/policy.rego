# Instances have no public address.
#
# Judges associate_public_ip_address of instances and launch templates and map_public_ip_on_launch of subnets. A value
# that is not set or not known is not judged: then the subnet decides, which is judged itself.
package statehouse.aws_public_ip

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, "it gets a public address; set associate_public_ip_address = false") if {
	some type in ["aws_instance", "aws_spot_instance_request", "aws_launch_configuration"]
	some change in plan.made[type]
	change.change.after.associate_public_ip_address == true
}

deny contains plan.denial(change, "its instances get public addresses; set associate_public_ip_address = false in network_interfaces") if {
	some change in plan.made.aws_launch_template
	some interface in plan.blocks(change, "network_interfaces")
	interface.associate_public_ip_address in {true, "true"}
}

deny contains plan.denial(change, "what starts in it gets a public address; set map_public_ip_on_launch = false") if {
	some change in plan.made.aws_subnet
	change.change.after.map_public_ip_on_launch == true
}
