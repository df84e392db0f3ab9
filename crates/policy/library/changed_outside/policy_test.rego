package statehouse.changed_outside_test

import rego.v1

import data.statehouse.changed_outside as policy

test_types_that_are_looked_at_are_denied if {
	{denial.address | some denial in policy.deny} == {"module.a.aws_iam_role.r[0]"} with input as {"changed_outside": [
		{"address": "module.a.aws_iam_role.r[0]", "type": "aws_iam_role", "actions": ["update"]},
		{"address": "aws_s3_bucket.b", "type": "aws_s3_bucket", "actions": ["update"]},
	]}
}

test_other_types_pass if {
	count(policy.deny) == 0 with input as {"changed_outside": [{"address": "aws_s3_bucket.b", "type": "aws_s3_bucket", "actions": ["delete"]}]}
	count(policy.deny) == 0 with input as {"changed_outside": []}
}
