# Security groups are not open to the Internet.
#
# Judges ingress of aws_security_group and aws_default_security_group, aws_security_group_rule and
# aws_vpc_security_group_ingress_rule. Ranges that are not known yet are not judged; a rule that covers any port beyond
# those allowed is denied.
package statehouse.aws_security_group_ingress

import rego.v1

import data.statehouse.plan

# Looked up once: each resource asks for it.
parameters := data.parameters.aws_security_group_ingress

deny contains plan.denial(change, sprintf("ports %s are open to %s; name the networks that need them", [ports(rule), range])) if {
	some type in ["aws_security_group", "aws_default_security_group"]
	some change in plan.made[type]
	some rule in plan.blocks(change, "ingress")
	some range in ranges(rule)
	is_open(rule, object.get(rule, "protocol", ""), range)
}

deny contains plan.denial(change, sprintf("ports %s are open to %s; name the networks that need them", [ports(rule), range])) if {
	some change in plan.made.aws_security_group_rule
	rule := change.change.after
	rule.type == "ingress"
	some range in ranges(rule)
	is_open(rule, object.get(rule, "protocol", ""), range)
}

deny contains plan.denial(change, sprintf("ports %s are open to %s; name the networks that need them", [ports(rule), range])) if {
	some change in plan.made.aws_vpc_security_group_ingress_rule
	rule := change.change.after
	some range in [rule[name] | some name in ["cidr_ipv4", "cidr_ipv6"]]
	is_open(rule, object.get(rule, "ip_protocol", ""), range)
}

ranges(rule) := [range |
	some name in ["cidr_blocks", "ipv6_cidr_blocks"]
	list := rule[name]
	is_array(list)
	some range in list
]

is_open(rule, protocol, range) if {
	plan.is_everywhere(range)
	not is_allowed(rule, protocol)
}

# A rule for one port that may be open.
is_allowed(rule, protocol) if {
	not protocol in {"-1", "all"}
	rule.from_port == rule.to_port
	rule.from_port in parameters.ports
}

ports(rule) := sprintf("%v-%v", [object.get(rule, "from_port", "all"), object.get(rule, "to_port", "all")])
