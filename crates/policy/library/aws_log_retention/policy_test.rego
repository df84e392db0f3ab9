package statehouse.aws_log_retention_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_log_retention as policy

bad := [
	{"type": "aws_cloudwatch_log_group", "after": {"retention_in_days": 0}},
	{"type": "aws_cloudwatch_log_group", "after": {"retention_in_days": 7}},
	{"type": "aws_cloudwatch_log_group", "after": {"retention_in_days": 3653}},
	{"type": "aws_cloudwatch_log_group", "after": {}},
]

good := [
	{"type": "aws_cloudwatch_log_group", "after": {"retention_in_days": 90}},
	{"type": "aws_cloudwatch_log_group", "after": {}, "unknown": {"retention_in_days": true}},
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
