package statehouse.aws_lambda_url_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_lambda_url as policy

bad := [
	{"type": "aws_lambda_function_url", "after": {"authorization_type": "NONE"}},
]

good := [
	{"type": "aws_lambda_function_url", "after": {"authorization_type": "AWS_IAM"}},
	{"type": "aws_lambda_function_url", "after": {}, "unknown": {"authorization_type": true}},
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
