package statehouse.aws_iam_access_keys_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_iam_access_keys as policy

bad := [
	{"type": "aws_iam_access_key", "after": {"user": "someone"}},
	{"type": "aws_iam_access_key", "after": {}, "unknown": {"user": true}},
	{"type": "aws_iam_user_login_profile", "after": {"user": "someone"}},
]

good := [
	{"type": "aws_iam_access_key", "after": {"user": "smtp"}},
	{"type": "aws_iam_user", "after": {"name": "someone"}},
]

test_denied_wherever_it_is_made if {
	every sample in bad {
		denied := {denial.address | some denial in policy.deny} with input as fixture.made(sample) with data.parameters.aws_iam_access_keys as {"users": ["smtp"]}
		denied == fixture.addresses(sample)
	}
}

test_allowed_where_it_is_good if {
	every sample in good {
		count(policy.deny) == 0 with input as fixture.made(sample) with data.parameters.aws_iam_access_keys as {"users": ["smtp"]}
	}
}

test_not_judged_where_it_stays_goes_or_is_read if {
	every sample in bad {
		count(policy.deny) == 0 with input as fixture.left(sample) with data.parameters.aws_iam_access_keys as {"users": ["smtp"]}
	}
}
