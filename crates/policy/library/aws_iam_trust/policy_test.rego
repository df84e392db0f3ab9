package statehouse.aws_iam_trust_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_iam_trust as policy

bad := [
	{"type": "aws_iam_role", "after": {"assume_role_policy": `{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}`}},
	{"type": "aws_iam_role", "after": {"assume_role_policy": `{"Statement": [{"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": "sts:AssumeRole"}]}`}},
	{"type": "aws_iam_role", "after": {"assume_role_policy": `{"Statement": [{"Effect": "Allow", "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/ci"}, "Action": "sts:AssumeRoleWithWebIdentity"}]}`}},
]

good := [
	{"type": "aws_iam_role", "after": {"assume_role_policy": `{"Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}`}},
	{"type": "aws_iam_role", "after": {"assume_role_policy": `{"Statement": [{"Effect": "Allow", "Principal": {"Federated": "x"}, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {"StringEquals": {"ci:sub": "main"}}}]}`}},
	{"type": "aws_iam_role", "after": {}, "unknown": {"assume_role_policy": true}},
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
