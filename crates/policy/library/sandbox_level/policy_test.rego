package statehouse.sandbox_level_test

import rego.v1

import data.statehouse.sandbox_level as policy

test_a_lower_or_unknown_level_is_denied if {
	count(policy.deny) == 1 with input as {"sandbox": {"level": "process"}}
	count(policy.deny) == 1 with input as {"sandbox": {"level": ""}}
	count(policy.deny) == 1 with input as {"resource_changes": []}
}

test_an_allowed_level_passes if {
	count(policy.deny) == 0 with input as {"sandbox": {"level": "strict"}}
	count(policy.deny) == 0 with input as {"sandbox": {"level": "process"}} with data.parameters.sandbox_level as {"allowed": ["strict", "process"]}
}
