package statehouse.known_values_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.known_values as policy

bad := [
	{"type": "aws_security_group_rule", "after": {}, "unknown": {"cidr_blocks": true}},
	{"type": "aws_iam_policy", "after": {}, "unknown": {"policy": true}},
]

good := [
	{"type": "aws_security_group_rule", "after": {"cidr_blocks": ["10.0.0.0/8"]}, "unknown": {"id": true}},
	{"type": "aws_iam_role", "after": {}, "unknown": {"arn": true}},
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
