# The API of a Kubernetes cluster is not open to the Internet.
#
# Judges vpc_config of aws_eks_cluster: the public endpoint is on unless switched off, and open to everybody unless
# ranges are given.
package statehouse.aws_eks_endpoint

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, "its API is open to the Internet; set endpoint_public_access = false, or public_access_cidrs to your networks") if {
	some change in plan.made.aws_eks_cluster
	some network in plan.blocks(change, "vpc_config")
	not network.endpoint_public_access == false
	is_open(network)
}

is_open(network) if {
	some range in plan.items(network, "public_access_cidrs")
	plan.is_everywhere(range)
}

# Without ranges everybody is let in.
is_open(network) if object.get(network, "public_access_cidrs", null) in {null, []}
