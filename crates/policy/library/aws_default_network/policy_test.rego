package statehouse.aws_default_network_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_default_network as policy

bad := [
	{"type": "aws_default_vpc", "after": {}},
	{"type": "aws_default_subnet", "after": {"availability_zone": "eu-west-1a"}},
]

good := [
	{"type": "aws_default_security_group", "after": {}},
	{"type": "aws_vpc", "after": {}, "unknown": {"id": true}},
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
