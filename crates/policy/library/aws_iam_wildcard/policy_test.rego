package statehouse.aws_iam_wildcard_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_iam_wildcard as policy

bad := [
	{"type": "aws_iam_policy", "after": {"policy": `{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}`}},
	{"type": "aws_iam_role_policy", "after": {"policy": `{"Statement": {"Effect": "Allow", "Action": ["s3:GetObject", "iam:*"], "Resource": ["*"]}}`}},
	{"type": "aws_iam_role", "after": {"inline_policy": [{"policy": `{"Statement": [{"Effect": "Allow", "Action": "*:*", "Resource": "*"}]}`}]}},
]

good := [
	{"type": "aws_iam_policy", "after": {"policy": `{"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}`}},
	{"type": "aws_iam_policy", "after": {"policy": `{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::b/*"}, {"Effect": "Deny", "Action": "*", "Resource": "*"}]}`}},
	{"type": "aws_iam_policy", "after": {}, "unknown": {"policy": true}},
	{"type": "aws_iam_role", "after": {"inline_policy": []}},
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
