package statehouse.provisioners_test

import rego.v1

import data.statehouse.provisioners as policy

module(provisioners) := {"resources": [{"address": "a.b", "mode": "managed", "type": "a", "provisioners": provisioners}]}

test_provisioners_are_denied_wherever_they_are if {
	{denial.address | some denial in policy.deny} == {"a.b"} with input as {"configuration": {"root_module": module([{"type": "local-exec"}])}}
	{denial.address | some denial in policy.deny} == {"module.m.a.b"} with input as {"configuration": {"root_module": {"module_calls": {"m": {"module": module([{"type": "file"}])}}}}}
}

test_resources_without_any_pass if {
	count(policy.deny) == 0 with input as {"configuration": {"root_module": module([])}}
	count(policy.deny) == 0 with input as {"configuration": {"root_module": module([{"type": "file"}])}} with data.parameters.provisioners as {"allowed": ["file"]}
	count(policy.deny) == 0 with input as {"resource_changes": []}
}
