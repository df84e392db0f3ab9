package statehouse.external_data_test

import rego.v1

import data.statehouse.external_data as policy

module(mode, type) := {"resources": [{"address": sprintf("%s.a", [type]), "mode": mode, "type": type}]}

test_data_that_acts_is_denied_wherever_it_is if {
	count(policy.deny) == 1 with input as {"configuration": {"root_module": module("data", "external")}}
	{denial.address | some denial in policy.deny} == {"module.m.http.a"} with input as {"configuration": {"root_module": {"module_calls": {"m": {"module": module("data", "http")}}}}}
}

test_other_data_and_resources_pass if {
	count(policy.deny) == 0 with input as {"configuration": {"root_module": module("data", "aws_ami")}}
	count(policy.deny) == 0 with input as {"configuration": {"root_module": module("managed", "external")}}
	count(policy.deny) == 0 with input as {"resource_changes": []}
}
