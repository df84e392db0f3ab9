package statehouse.aws_security_group_ingress_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_security_group_ingress as policy

bad := [
	{"type": "aws_security_group", "after": {"ingress": [{"from_port": 22, "to_port": 22, "protocol": "tcp", "cidr_blocks": ["10.0.0.0/8", "0.0.0.0/0"]}]}},
	{"type": "aws_default_security_group", "after": {"ingress": [{"from_port": 0, "to_port": 0, "protocol": "-1", "cidr_blocks": null, "ipv6_cidr_blocks": ["::/0"]}]}},
	{"type": "aws_security_group_rule", "after": {"type": "ingress", "from_port": 0, "to_port": 65535, "protocol": "tcp", "cidr_blocks": ["0.0.0.0/0"]}},
	{"type": "aws_vpc_security_group_ingress_rule", "after": {"ip_protocol": "-1", "cidr_ipv4": "0.0.0.0/0"}},
	{"type": "aws_vpc_security_group_ingress_rule", "after": {"ip_protocol": "tcp", "from_port": 3389, "to_port": 3389, "cidr_ipv4": null, "cidr_ipv6": "::/0"}},
]

good := [
	{"type": "aws_security_group", "after": {"ingress": [{"from_port": 443, "to_port": 443, "protocol": "tcp", "cidr_blocks": ["0.0.0.0/0"]}]}},
	{"type": "aws_security_group", "after": {"ingress": [{"from_port": 22, "to_port": 22, "protocol": "tcp", "cidr_blocks": ["10.0.0.0/8"]}]}},
	{"type": "aws_security_group", "after": {}, "unknown": {"ingress": true}},
	{"type": "aws_security_group_rule", "after": {"type": "egress", "from_port": 0, "to_port": 0, "protocol": "-1", "cidr_blocks": ["0.0.0.0/0"]}},
	{"type": "aws_security_group_rule", "after": {"type": "ingress", "from_port": 22, "to_port": 22, "protocol": "tcp"}, "unknown": {"cidr_blocks": true}},
	{"type": "aws_vpc_security_group_ingress_rule", "after": {"ip_protocol": "tcp", "from_port": 443, "to_port": 443, "cidr_ipv4": "0.0.0.0/0"}},
	{"type": "aws_vpc_security_group_ingress_rule", "after": {"ip_protocol": "tcp", "from_port": 22, "to_port": 22, "cidr_ipv4": "10.0.0.0/8"}},
]

test_denied_wherever_it_is_made if {
	every sample in bad {
		denied := {denial.address | some denial in policy.deny} with input as fixture.made(sample)
		denied == fixture.addresses(sample)
	}
}

test_allowed_where_it_is_good if {
	every sample in good {
		count(policy.deny) == 0 with input as fixture.made(sample)
	}
}

test_not_judged_where_it_stays_goes_or_is_read if {
	every sample in bad {
		count(policy.deny) == 0 with input as fixture.left(sample)
	}
}
