package statehouse.aws_iam_administrator_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_iam_administrator as policy

bad := [
	{"type": "aws_iam_role_policy_attachment", "after": {"policy_arn": "arn:aws:iam::aws:policy/AdministratorAccess"}},
	{"type": "aws_iam_user_policy_attachment", "after": {"policy_arn": "arn:aws-cn:iam::aws:policy/IAMFullAccess"}},
	{"type": "aws_iam_role", "after": {"managed_policy_arns": ["arn:aws:iam::aws:policy/AdministratorAccess"]}},
]

good := [
	{"type": "aws_iam_role_policy_attachment", "after": {"policy_arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}},
	{"type": "aws_iam_role_policy_attachment", "after": {}, "unknown": {"policy_arn": true}},
	{"type": "aws_iam_role", "after": {}, "unknown": {"managed_policy_arns": true}},
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
