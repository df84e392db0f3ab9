package statehouse.aws_public_ip_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_public_ip as policy

bad := [
	{"type": "aws_instance", "after": {"associate_public_ip_address": true}},
	{"type": "aws_launch_template", "after": {"network_interfaces": [{"associate_public_ip_address": "true"}]}},
	{"type": "aws_subnet", "after": {"map_public_ip_on_launch": true}},
]

good := [
	{"type": "aws_instance", "after": {"associate_public_ip_address": false}},
	{"type": "aws_instance", "after": {}, "unknown": {"associate_public_ip_address": true}},
	{"type": "aws_launch_template", "after": {"network_interfaces": [{"associate_public_ip_address": "false"}]}},
	{"type": "aws_subnet", "after": {"map_public_ip_on_launch": false}},
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
