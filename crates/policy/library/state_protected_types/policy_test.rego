package statehouse.state_protected_types_test

import rego.v1

import data.statehouse.state_protected_types as policy

test_dropping_is_denied if {
	{denial.address | some denial in policy.deny} == {"module.m.aws_s3_bucket.b[\"a\"]"} with input as {"transition": {"dropped": [
		{"address": "module.m.aws_s3_bucket.b[\"a\"]", "type": "aws_s3_bucket"},
		{"address": "aws_instance.i", "type": "aws_instance"},
	]}}
}

test_other_types_pass if {
	count(policy.deny) == 0 with input as {"transition": {"dropped": [{"address": "aws_instance.i", "type": "aws_instance"}]}}
	count(policy.deny) == 0 with input as {"transition": {"dropped": []}}
}
