# Nothing is built on the default network of an account.
#
# Judges resources that adopt the default VPC and its subnets; they are open by default. The default security group and
# network ACL may be adopted, to close them.
package statehouse.aws_default_network

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, "it adopts the account's default network; make a network of your own") if {
	some type in ["aws_default_vpc", "aws_default_subnet", "aws_default_vpc_dhcp_options"]
	some change in plan.made[type]
}
