package statehouse.sensitive_outputs_test

import rego.v1

import data.statehouse.sensitive_outputs as policy

outputs(of) := {"configuration": {"root_module": {"outputs": of}}}

test_secrets_in_the_open_are_denied if {
	{denial.address | some denial in policy.deny} == {"output.db_password"} with input as outputs({"db_password": {"expression": {}}})
	count(policy.deny) == 1 with input as outputs({"api_token": {"sensitive": false}})
}

test_hidden_and_other_outputs_pass if {
	count(policy.deny) == 0 with input as outputs({"db_password": {"sensitive": true}, "vpc": {}})
	count(policy.deny) == 0 with input as {"resource_changes": []}
}
