package statehouse.aws_lambda_runtime_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_lambda_runtime as policy

bad := [
	{"type": "aws_lambda_function", "after": {"runtime": "python3.7"}},
	{"type": "aws_lambda_function", "after": {"runtime": "nodejs16.x"}},
	{"type": "aws_lambda_function", "after": {"runtime": "go1.x"}},
]

good := [
	{"type": "aws_lambda_function", "after": {"runtime": "python3.13"}},
	{"type": "aws_lambda_function", "after": {"runtime": null, "package_type": "Image"}},
	{"type": "aws_lambda_function", "after": {}, "unknown": {"runtime": true}},
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
