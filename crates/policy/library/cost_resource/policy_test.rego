package statehouse.cost_resource_test

import rego.v1

import data.statehouse.cost_resource as policy

test_a_dear_resource_is_denied if {
	{denial.address | some denial in policy.deny} == {"aws_db_instance.d"} with input as {"cost": {"resources": [
		{"address": "aws_db_instance.d", "type": "aws_db_instance", "monthly_before": 0, "monthly_after": 501},
		{"address": "aws_instance.i", "type": "aws_instance", "monthly_before": 900, "monthly_after": 500},
	]}}
}

test_cheap_resources_pass if {
	count(policy.deny) == 0 with input as {"cost": {"resources": [{"address": "a.b", "monthly_after": 1}]}}
	count(policy.deny) == 0 with input as {"cost": {"resources": []}}
}
