package statehouse.resource_names_test

import rego.v1

import data.statehouse.resource_names as policy

module(mode, name) := {"resources": [{"address": sprintf("a.%s", [name]), "mode": mode, "type": "a", "name": name}]}

test_names_that_do_not_match_are_denied if {
	{denial.address | some denial in policy.deny} == {"a.Web-Server"} with input as {"configuration": {"root_module": module("managed", "Web-Server")}}
	{denial.address | some denial in policy.deny} == {"module.m.a.2"} with input as {"configuration": {"root_module": {"module_calls": {"m": {"module": module("managed", "2")}}}}}
}

test_matching_names_and_data_pass if {
	count(policy.deny) == 0 with input as {"configuration": {"root_module": module("managed", "web_server")}}
	count(policy.deny) == 0 with input as {"configuration": {"root_module": module("data", "Web-Server")}}
	count(policy.deny) == 0 with input as {"resource_changes": []}
}
